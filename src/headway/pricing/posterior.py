"""From prices to a model's size: prior and posterior side by side, both forms, and how much was learned.

Shrinkage is ``1 - width of the posterior's 80% interval / width of the prior's``, on logs. Below
:data:`LEAST_SHRINKAGE` a quantity is *not identified*: the price says nothing about it that was not known before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from headway.facts.check import positive
from headway.facts.errors import InputError, unknown
from headway.pricing.forms import (
    FORMS,
    LogLinear,
    Physics,
    fit_log_linear,
    fit_physics,
    log_linear_likelihood,
    packaged_physics,
    physics_likelihood,
)
from headway.pricing.hosts import HostEffects, Levels, host_effects, levels_given
from headway.pricing.offers import Offer, Quotes, open_offers, quotes
from headway.pricing.sizes import Interval, family_weights, grid, interval, log_prior, normalised

Floats = NDArray[np.float64]

#: Quantities of a size posterior.
QUANTITIES: Final = ("active_params", "total_params", "sparsity")
#: Both forms with equal weight: neither is the more plausible beforehand, so this stands first.
MIXTURE: Final = "equal mixture"
#: Below this share of the prior's width, the price has said nothing.
LEAST_SHRINKAGE: Final = 0.10
_NOT_HEARD: Final = 1e8
ASSUMPTIONS: Final = (
    "prices stand to sizes as those of hosts of open models do; a maker's own margin is not known",
    "active and total parameters follow the models it was fitted on; other families are judged as new",
    "margin, utilisation and efficiency cannot be told apart by a price: all are in the coefficients",
)


@dataclass(frozen=True, slots=True)
class PriceModel:
    """What the prices of models of known size teach.

    Parameters
    ----------
    quotes : Quotes
        Of the models that it was fitted on, all of known size.
    effects : HostEffects
    levels : Levels
        Prices of those models, hosts taken out.
    log_prior : ndarray
        Log probability of each grid point.
    log_linear : LogLinear
    physics : Physics or None
        None where only the closed form was asked for.
    """

    quotes: Quotes
    effects: HostEffects
    levels: Levels
    log_prior: Floats
    log_linear: LogLinear
    physics: Physics | None


@dataclass(frozen=True, slots=True)
class Belief:
    """What is thought of a size: 80% intervals of each of :data:`QUANTITIES`.

    Parameters
    ----------
    active_params, total_params : Interval
        [1].
    sparsity : Interval
        Total over active [1].
    dense : float
        Probability that all parameters are active [1].
    """

    active_params: Interval
    total_params: Interval
    sparsity: Interval
    dense: float

    def of(self, quantity: str) -> Interval:
        """Interval of one of :data:`QUANTITIES`."""
        return {"active_params": self.active_params, "total_params": self.total_params, "sparsity": self.sparsity}[
            quantity
        ]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the prices of one model say.

    Parameters
    ----------
    model : str
    quotes : int
        Hosts that were heard [1].
    prior : Belief
    posteriors : mapping of str to Belief
        By form: ``log-linear``, and where it was sampled ``physics`` and ``equal mixture``.
    density : mapping of str to ndarray
        Marginal probabilities of ``ln N_a`` on the grid's rows, prior and forms, for drawing.
    assumptions : tuple of str
    """

    model: str
    quotes: int
    prior: Belief
    posteriors: Mapping[str, Belief]
    density: Mapping[str, Floats]
    assumptions: tuple[str, ...] = ASSUMPTIONS

    @property
    def headline(self) -> Belief:
        """The posterior that stands first."""
        return self.posteriors[self.headline_form]

    @property
    def headline_form(self) -> str:
        """The equal mixture, or the log-linear form where only that was fitted."""
        return MIXTURE if MIXTURE in self.posteriors else FORMS[0]

    def shrinkage(self, quantity: str, form: str = "") -> float:
        """Share of the prior's log width that the price took away [1]; below 0 where the posterior is wider."""
        found = self.posteriors[form or self.headline_form]
        return 1.0 - found.of(quantity).log_width / self.prior.of(quantity).log_width

    def identified(self, quantity: str, form: str = "") -> bool:
        """Whether the price said anything about a quantity."""
        return self.shrinkage(quantity, form) >= LEAST_SHRINKAGE


def fit_prices(known: Quotes, *, forms: tuple[str, ...] = FORMS, seed: int = 0) -> PriceModel:
    """Learn from the prices of models whose size is known; models of unknown size are left aside.

    Parameters
    ----------
    known : Quotes
    forms : tuple of str
        Of :data:`~headway.pricing.forms.FORMS`; the log-linear one is always fitted.
    seed : int
        Of the sampler.

    Raises
    ------
    UnknownNameError
        If there is no such form.
    InputError
        If fewer than three models have a known size.
    MissingExtraError
        If the physics form is asked for without emcee.

    Examples
    --------
    >>> found = fit_prices(quotes(open_offers()), forms=("log-linear",))
    >>> [round(float(power), 2) for power in found.log_linear.coefficients[1:, 1]]
    [0.2, 0.53]
    """
    for form in forms:
        if form not in FORMS:
            raise unknown("form", form, FORMS)
    sized = np.flatnonzero(np.isfinite(known.log_size).all(axis=1))
    if len(sized) < 3:
        raise InputError("models of known size", len(sized), "at least 3")
    kept = known.only(int(i) for i in sized)
    effects, levels = host_effects(kept)
    weight = family_weights(kept.families)
    return PriceModel(
        kept,
        effects,
        levels,
        log_prior(kept.log_size, weight),
        fit_log_linear(kept.log_size, levels, weight),
        fit_physics(kept.log_size, levels, weight, seed=seed) if "physics" in forms else None,
    )


@cache
def open_model(*, sampled: bool = True) -> PriceModel:
    """Fit on every open model of the packaged table, with or without the sampled form.

    The sampled form comes from the package's own draws, so that reading a sheet needs no sampler.

    >>> len(open_model(sampled=False).quotes.models)
    34
    """
    fitted = fit_prices(quotes(open_offers()), forms=FORMS[:1])
    return replace(fitted, physics=packaged_physics()) if sampled else fitted


def belief(log_probability: Floats) -> Belief:
    """Summarise probabilities of the grid's points.

    >>> from headway.pricing.sizes import log_prior
    >>> 0.0 < belief(log_prior(np.log([[8e9, 8e9], [22e9, 235e9]]), np.ones(2))).dense < 1.0
    True
    """
    points, mass = grid(), np.exp(log_probability)
    return Belief(
        interval(mass, points.log_size[:, 0]),
        interval(mass, points.log_size[:, 1]),
        interval(mass, points.log_sparsity),
        float(mass[points.log_sparsity == 0.0].sum()),
    )


def posterior(model: PriceModel, levels: Levels) -> Mapping[str, Floats]:
    """Log probability of every grid point by form, each of shape (models, points).

    >>> found = posterior(open_model(sampled=False), Levels(np.log([[1.0, 4.0]]), np.full((1, 2), 0.4)))
    >>> round(float(np.exp(found["log-linear"]).sum()), 6)
    1.0
    """
    found = {FORMS[0]: normalised(model.log_prior + log_linear_likelihood(model.log_linear, levels))}
    if model.physics is not None:
        found[FORMS[1]] = normalised(model.log_prior + physics_likelihood(model.physics, levels))
        found[MIXTURE] = np.logaddexp(found[FORMS[0]], found[FORMS[1]]) - np.log(2.0)
    return MappingProxyType(found)


def read_prices(model: PriceModel, unknown_size: Quotes) -> tuple[Reading, ...]:
    r"""Posterior of the size of each model, from its prices.

    Parameters
    ----------
    model : PriceModel
        From :func:`fit_prices` or :func:`open_model`.
    unknown_size : Quotes
        Models to read; sizes that are known are not used.

    Examples
    --------
    Two sheets with equal prices give equal posteriors:

    >>> from headway.pricing.offers import parse_offers
    >>> text = "model,host,in_usd_mtok,out_usd_mtok\none,a,2,10\ntwo,b,2,10\n"
    >>> one, two = read_prices(open_model(sampled=False), quotes(parse_offers(text, "two.csv")))
    >>> one.headline == two.headline, one.identified("total_params")
    (True, True)
    """
    heard = np.bincount(unknown_size.model_index, minlength=len(unknown_size.models))
    levels = levels_given(model.effects, unknown_size)
    return _readings(model, unknown_size.models, tuple(int(count) for count in heard), levels)


def _readings(model: PriceModel, names: tuple[str, ...], heard: tuple[int, ...], levels: Levels) -> tuple[Reading, ...]:
    every = posterior(model, levels)
    before = belief(model.log_prior)
    return tuple(
        Reading(
            name,
            heard[row],
            before,
            MappingProxyType({form: belief(log_p[row]) for form, log_p in every.items()}),
            MappingProxyType({"prior": _marginal(model.log_prior)} | {f: _marginal(p[row]) for f, p in every.items()}),
        )
        for row, name in enumerate(names)
    )


def read_sheet(input_usd_per_mtok: float, output_usd_per_mtok: float, *, name: str = "sheet") -> Reading:
    """Posterior of a size from one pair of prices, by a host that is not known.

    >>> found = read_sheet(2.0, 12.0)
    >>> 20e9 < found.headline.active_params.median < 500e9
    True

    Raises
    ------
    InputError
        If a price is not above zero.
    """
    one = Offer(name, name, "std", input_usd_per_mtok, output_usd_per_mtok, float("nan"), float("nan"), "given")
    return read_prices(open_model(), quotes((one,)))[0]


def read_parts(input_usd_per_mtok: float | None, output_usd_per_mtok: float | None) -> Reading:
    """Posterior of a size from a sheet of which a price may be left aside: None is a price that is not heard.

    With neither, the posterior is the prior.

    >>> both, one = read_parts(2.0, 12.0), read_parts(2.0, None)
    >>> one.shrinkage("total_params") < both.shrinkage("total_params")
    True
    """
    model, paid = open_model(), (input_usd_per_mtok, output_usd_per_mtok)
    heard = [positive("price", 1.0 if value is None else value, "$/Mtok") for value in paid]
    doubt = [_NOT_HEARD if value is None else 0.0 for value in paid]
    levels = Levels(np.log([heard]), np.array([model.effects.within + model.effects.between + np.array(doubt)]))
    return _readings(model, ("sheet",), (1,), levels)[0]


def active_axis() -> list[float]:
    """Active parameters of the entries of ``Reading.density`` [1].

    >>> len(active_axis()), round(active_axis()[0])
    (84, 300000000)
    """
    return [float(value) for value in np.exp(np.unique(grid().log_size[grid().log_sparsity == 0.0, 0]))]


def _marginal(log_probability: Floats) -> Floats:
    """Probability of each active size of the grid."""
    rows = int((grid().log_sparsity == 0.0).sum())
    found: Floats = np.exp(log_probability).reshape(rows, -1).sum(axis=1)
    return found
