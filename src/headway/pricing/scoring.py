"""How far the readings can be trusted: models of known size, left out a family at a time or in a file of their own.

The interval score of Gneiting and Raftery (JASA 102:359, 2007, equation 43) at 80%, on natural logarithms:
``(u - l) + (2/0.2) (l - x)`` where the truth ``x`` lies below, and likewise above. Lower is better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from headway.facts.errors import InputError
from headway.pricing.forms import FORMS
from headway.pricing.offers import Quotes
from headway.pricing.posterior import Reading, fit_prices, read_prices
from headway.pricing.sizes import Interval

_MISS: Final = 2.0 / 0.2
#: Quantities that are scored.
SCORED: Final = ("active_params", "total_params")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One model: what was said, and what is true.

    Parameters
    ----------
    reading : Reading
    family : str
    truth : mapping of str to float
        By quantity [1].
    """

    reading: Reading
    family: str
    truth: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Score:
    """Summary of one quantity and one form over models.

    Parameters
    ----------
    quantity, form : str
    models : int
        [1].
    coverage : float
        Share of truths inside the 80% interval [1].
    median_error : float
        Median factor between the middle and the truth [1]; 1 is exact.
    half_width : float
        Factor from the middle to either end of the interval, geometric mean [1].
    interval_score : float
        Mean [1].
    against_prior : float
        `interval_score` over the prior's, less 1 [1].
    """

    quantity: str
    form: str
    models: int
    coverage: float
    median_error: float
    half_width: float
    interval_score: float
    against_prior: float


@dataclass(frozen=True, slots=True)
class Validation:
    """Scores, and the models behind them.

    Parameters
    ----------
    design : str
        How training and test models were parted.
    outcomes : tuple of Outcome
    scores : tuple of Score
    """

    design: str
    outcomes: tuple[Outcome, ...]
    scores: tuple[Score, ...]


def interval_score(found: Interval, truth: float) -> float:
    """Interval score of one 80% interval, on natural logarithms [1].

    >>> round(interval_score(Interval(1.0, 2.0, math.e), 2.0), 6), round(interval_score(Interval(1, 1, math.e), 0.5), 3)
    (1.0, 7.931)
    """
    low, high, true = math.log(found.low), math.log(found.high), math.log(truth)
    return high - low + _MISS * max(low - true, 0.0) + _MISS * max(true - high, 0.0)


def summarise(outcomes: Sequence[Outcome]) -> tuple[Score, ...]:
    """Score every quantity and form, the prior first.

    >>> summarise(())
    ()
    """
    if not outcomes:
        return ()
    scores = []
    for quantity in SCORED:
        truth = [one.truth[quantity] for one in outcomes]
        prior = [one.reading.prior.of(quantity) for one in outcomes]
        base = float(np.mean([interval_score(i, t) for i, t in zip(prior, truth, strict=True)]))
        for form in ("prior", *outcomes[0].reading.posteriors):
            said = prior if form == "prior" else [one.reading.posteriors[form].of(quantity) for one in outcomes]
            scores.append(_score(quantity, form, said, truth, base))
    return tuple(scores)


def _score(quantity: str, form: str, said: Sequence[Interval], truth: Sequence[float], base: float) -> Score:
    pairs = list(zip(said, truth, strict=True))
    mean = float(np.mean([interval_score(i, t) for i, t in pairs]))
    return Score(
        quantity,
        form,
        len(pairs),
        float(np.mean([i.low <= t <= i.high for i, t in pairs])),
        math.exp(float(np.median([abs(math.log(i.median / t)) for i, t in pairs]))),
        math.exp(float(np.mean([i.log_width / 2.0 for i, _ in pairs]))),
        mean,
        mean / base - 1.0,
    )


def _outcomes(readings: Sequence[Reading], tested: Quotes) -> list[Outcome]:
    return [
        Outcome(
            reading,
            tested.families[row],
            MappingProxyType({name: math.exp(tested.log_size[row, side]) for side, name in enumerate(SCORED)}),
        )
        for row, reading in enumerate(readings)
    ]


def _sized(found: Quotes) -> Quotes:
    """Models of known size; the others cannot be scored."""
    return found.only(int(i) for i in np.flatnonzero(np.isfinite(found.log_size).all(axis=1)))


def validate_test(training: Quotes, tested: Quotes, *, forms: tuple[str, ...] = FORMS) -> Validation:
    """Fit on one set of models, read and score another.

    A model that is in both is left out of the training.

    Parameters
    ----------
    training, tested : Quotes
    forms : tuple of str
        As :func:`~headway.pricing.posterior.fit_prices`.

    Raises
    ------
    InputError
        If no tested model has a known size.

    Examples
    --------
    >>> from headway.pricing.offers import open_offers, quotes
    >>> every = quotes(open_offers())
    >>> validate_test(every, every.only(range(4, 34)).only([0]), forms=("log-linear",)).scores[0].models
    1
    """
    scored = _sized(tested)
    if not scored.models:
        raise InputError("test", "no model of known size", "total_params_b and active_params_b of the tested models")
    apart = training.only(i for i, name in enumerate(training.models) if name not in set(scored.models))
    outcomes = tuple(_outcomes(read_prices(fit_prices(apart, forms=forms), scored), scored))
    return Validation(f"fitted on {len(_sized(apart).models)} models, tested on others", outcomes, summarise(outcomes))


def validate_families(every: Quotes, *, forms: tuple[str, ...] = FORMS) -> Validation:
    """Read each family by a fit on all the others, hosts' levels included.

    Parameters
    ----------
    every : Quotes
        At least two families, and three models outside each.
    forms : tuple of str
        As :func:`~headway.pricing.posterior.fit_prices`.

    Raises
    ------
    InputError
        If there is one family only.

    Examples
    --------
    >>> from headway.pricing.offers import open_offers, quotes
    >>> found = validate_families(quotes(open_offers()), forms=("log-linear",))
    >>> [round(s.coverage, 2) > 0.65 for s in found.scores if s.form == "log-linear"]
    [True, True]
    """
    scored = _sized(every)
    names = sorted(set(scored.families))
    if len(names) < 2:
        raise InputError("families", len(names), "at least two families of models of known size")
    outcomes: list[Outcome] = []
    for name in names:
        out = [i for i, of in enumerate(scored.families) if of == name]
        rest = scored.only(i for i in range(len(scored.models)) if i not in out)
        tested = scored.only(out)
        outcomes += _outcomes(read_prices(fit_prices(rest, forms=forms), tested), tested)
    return Validation(f"each of {len(names)} families left out in turn", tuple(outcomes), summarise(outcomes))
