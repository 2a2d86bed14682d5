"""Who asks: the level of each host, apart from the level of each model.

``ln p = mu_model + v_host + e`` for the input and for the output price, with ``v ~ N(0, t^2)`` and
``e ~ N(0, s^2)``. Hosts undercut or overcharge across all their models, so a model that only dear hosts offer looks
larger than it is until that is taken out. The variances are found by expectation and maximisation, with models as
fixed effects (Searle, Casella and McCulloch, *Variance Components*, 1992, chapter 8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.pricing.offers import Quotes

Floats = NDArray[np.float64]
_ROUNDS = 25
_START = 0.15
_LEAST_VARIANCE = 1e-4


@dataclass(frozen=True, slots=True)
class HostEffects:
    """Levels of hosts, and how much prices scatter about model and host.

    Parameters
    ----------
    names : mapping of str to int
        Row of each host in `level`.
    level, variance : ndarray
        Log price over the mean host's, and the variance of that estimate, input and output, shape (hosts, 2).
    between : ndarray
        Variance of hosts' levels, ``t^2`` [1], shape (2,).
    within : ndarray
        Variance of what is left, ``s^2`` [1], shape (2,).
    """

    names: Mapping[str, int]
    level: Floats
    variance: Floats
    between: Floats
    within: Floats

    def multiple(self, host: str) -> tuple[float, float]:
        """Input and output price of a host over the mean host's [1]; 1 where it is not known."""
        row = self.names.get(host)
        return (1.0, 1.0) if row is None else (float(np.exp(self.level[row, 0])), float(np.exp(self.level[row, 1])))


@dataclass(frozen=True, slots=True)
class Levels:
    """Log price of each model at the mean host, and the variance of that estimate; shape (models, 2)."""

    log_price: Floats
    variance: Floats


def _one(y: Floats, model: NDArray[np.int64], host: NDArray[np.int64], models: int, hosts: int) -> tuple[Floats, ...]:
    """Solve one price: levels and variances of models and hosts, and the two variance components."""
    between = within = _START
    column = models + host
    size = models + hosts
    pairs = np.concatenate([model * size + model, column * size + column, model * size + column, column * size + model])
    gram: Floats = np.asarray(np.bincount(pairs, minlength=size * size).reshape(size, size), dtype=np.float64)
    moment: Any = np.bincount(model, y, minlength=size) + np.bincount(column, y, minlength=size)
    loose = np.concatenate([np.full(models, 1e-6), np.zeros(hosts)])
    spread = np.concatenate([np.zeros(models), np.ones(hosts)])
    solved: Any = moment
    covariance: Any = gram
    for _ in range(_ROUNDS):
        covariance = np.linalg.inv(gram / within + np.diag(loose + spread / between))
        solved = covariance @ moment / within
        own = np.diag(covariance)
        between = max(float(np.mean(solved[models:] ** 2 + own[models:])), _LEAST_VARIANCE)
        leverage = own[model] + own[column] + 2.0 * covariance[model, column]
        within = max(float(np.mean((y - solved[model] - solved[column]) ** 2 + leverage)), _LEAST_VARIANCE)
    variances = np.diag(covariance)
    return solved[:models], variances[:models], solved[models:], variances[models:], np.array([between, within])


def host_effects(quotes: Quotes) -> tuple[HostEffects, Levels]:
    r"""Separate the level of hosts from that of models.

    Parameters
    ----------
    quotes : Quotes
        At least one.

    Returns
    -------
    HostEffects, Levels
        Of the hosts and of the models of `quotes`.

    Examples
    --------
    One host doubles every price:

    >>> from headway.pricing.offers import parse_offers, quotes
    >>> lines = "model,host,in_usd_mtok,out_usd_mtok\n" + "".join(
    ...     f"m{i},{h},{p},{p}\n" for i in range(20) for h, p in (("a", i + 1), ("b", i + 1), ("dear", 2 * i + 2))
    ... )
    >>> effects, _ = host_effects(quotes(parse_offers(lines, "mine.csv")))
    >>> round(effects.multiple("dear")[0] / effects.multiple("a")[0], 2)
    2.0
    """
    names = {name: row for row, name in enumerate(sorted(set(quotes.hosts)))}
    rows = np.array([names[name] for name in quotes.hosts], dtype=np.int64)
    solved = [
        _one(quotes.log_price[:, side], quotes.model_index, rows, len(quotes.models), len(names)) for side in (0, 1)
    ]
    stacked = [np.stack([one[part] for one in solved], axis=-1) for part in range(5)]
    effects = HostEffects(MappingProxyType(names), stacked[2], stacked[3], stacked[4][0], stacked[4][1])
    return effects, Levels(stacked[0], stacked[1])


def levels_given(effects: HostEffects, quotes: Quotes) -> Levels:
    r"""Levels of further models, their hosts judged by what is already known of them.

    A host that is not known adds its whole variance ``t^2``; quotes are weighted by their precision.

    Parameters
    ----------
    effects : HostEffects
        From other quotes.
    quotes : Quotes
        Of the further models.

    Examples
    --------
    >>> from headway.pricing.offers import open_offers, parse_offers, quotes
    >>> effects, _ = host_effects(quotes(open_offers()))
    >>> one = levels_given(effects, quotes(parse_offers("model,in_usd_mtok,out_usd_mtok\nx,1,4\n", "x.csv")))
    >>> bool(np.allclose(one.log_price, np.log([[1, 4]])))
    True
    """
    rows = [effects.names.get(name) for name in quotes.hosts]
    level = np.array([np.zeros(2) if row is None else effects.level[row] for row in rows])
    doubt = np.array([effects.between if row is None else effects.variance[row] for row in rows])
    weight = 1.0 / (effects.within + doubt)
    total = np.zeros((len(quotes.models), 2))
    mean = np.zeros_like(total)
    np.add.at(total, quotes.model_index, weight)
    np.add.at(mean, quotes.model_index, weight * (quotes.log_price - level))
    return Levels(mean / total, 1.0 / total)
