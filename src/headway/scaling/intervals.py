"""Intervals of a forecast by rolling origin: hide the largest rungs, forecast them, and learn from the misses.

A bootstrap knows how well constants are known if the form is right; it does not know that the form is wrong. The
largest of the runs at hand do. Each origin fits what is below a compute and forecasts what is above. The misses, in
units of the width that the fit claimed there, say by how much its claims have to be widened at a given distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.check import fraction
from headway.facts.errors import InputError
from headway.physics.arrays import Floats
from headway.scaling.forms import Point, form
from headway.scaling.laws import Fit, fit_law

ORIGINS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of the runs, in order of compute, that each origin may see."""

FLOOR = 0.002
"""Least relative width of a rung: run-to-run noise of repeated runs is 0.0005-0.0011 nat on about 3 nat, so a
forecast of one run is never sharper than a few of those [1]."""

PER_DECADE = 0.005
"""Least growth of the relative width with each decade of compute beyond the largest run [1]; the misses of the open
rolling origins grow at least so fast."""

SPARSE = 4.0
"""Factor on the normal width where there are too few runs for any rolling origin [1]."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One rolling origin.

    Parameters
    ----------
    seen : int
        Runs that were fitted.
    hidden : int
        Runs that were forecast.
    decades : float
        Compute of the largest hidden over the largest seen run [decade].
    error : float
        Mean absolute relative error of the forecasts [1].
    bias : float
        Mean relative error [1].
    covered : float
        Share of hidden runs that the unwidened interval holds [1].
    """

    seen: int
    hidden: int
    decades: float
    error: float
    bias: float
    covered: float


@dataclass(frozen=True, slots=True)
class Band:
    """What turns a forecast into an interval.

    Parameters
    ----------
    level : float
        Nominal coverage [1].
    widening : float
        Factor on the claimed width that the rolling origins ask for [1].
    origins : tuple of Origin
    largest : float
        Largest compute of the fit [FLOP].
    """

    level: float
    widening: float
    origins: tuple[Origin, ...]
    largest: float


def claimed_width(fit: Fit, at: Point) -> Floats:
    """Relative standard error that a fit claims for one new run: constants, scatter, and compute distance.

    ``u^2 = s^2 (1 + x' (J'J)^-1 x) + (f + g d)^2`` with `s` the robust scatter, `x` the gradient there, `d` decades
    of compute beyond the largest run.

    Parameters
    ----------
    fit : Fit
    at : Point

    Returns
    -------
    ndarray
        [1].

    Examples
    --------
    >>> c = np.logspace(18, 20, 9)
    >>> near = fit_law("power", Point(compute=c), 300.0 * c**-0.13)
    >>> claimed_width(near, Point(compute=np.array([1e20, 1e22]))).round(3).tolist()
    [0.002, 0.012]
    """
    _, inner, _ = form(fit.law.name, fit.at, fit.asymptote).jacobian(fit.theta[None])
    _, outer, _ = form(fit.law.name, at, fit.asymptote).jacobian(fit.theta[None])
    scale = np.maximum(np.sqrt((inner[0] ** 2).sum(axis=0)), 1e-12)
    j, x = inner[0] / scale, outer[0] / scale
    matrix = j.T @ j + 1e-9 * np.eye(j.shape[1])
    leverage = np.einsum("np,np->n", x, np.linalg.solve(matrix, x.T).T)
    beyond = np.maximum(np.log10(computes(at) / float(computes(fit.at).max())), 0.0)
    return np.asarray(np.sqrt(fit.spread**2 * (1.0 + leverage) + (FLOOR + PER_DECADE * beyond) ** 2))


def computes(at: Point) -> Floats:
    """Training compute of each run; six per parameter and token where it is not a column [FLOP].

    >>> computes(Point(size=np.array([1e9]), tokens=np.array([2e10]))).tolist()
    [1.2e+20]
    """
    if at.compute is not None:
        return at.compute
    if at.size is None or at.tokens is None:
        raise InputError("compute", "no column", "a column of compute, or of size and tokens")
    return np.asarray(6.0 * at.size * at.tokens)


def rolling_band(fit: Fit, level: float = 0.9) -> Band:
    """Learn from rolling origins how much the intervals of a fit have to be widened.

    Parameters
    ----------
    fit : Fit
    level : float
        Nominal coverage [1].

    Returns
    -------
    Band
        Its widening is at least the normal quantile of `level`; it is the ``(1 + level)/2`` quantile of the scaled
        misses, because the next rung lies farther out than any origin could test.

    References
    ----------
    Rolling origins as in Tashman, International Journal of Forecasting 16 (2000) 437; the quantile of scaled misses
    as in split conformal prediction (Lei et al., JASA 113 (2018) 1094).

    Examples
    --------
    >>> c = np.logspace(18, 20, 12)
    >>> band = rolling_band(fit_law("compute", Point(compute=c), 1.7 + 300.0 * c**-0.13))
    >>> len(band.origins), round(band.widening, 2)
    (6, 1.64)
    """
    fraction("level", level, allow_one=False)
    compute = computes(fit.at)
    order = np.sort(compute)
    found: list[Origin] = []
    misses: list[Floats] = []
    weights: list[Floats] = []
    least = len(fit.theta) + 1
    for cut in dict.fromkeys(float(order[min(int(np.ceil(s * len(order))), len(order) - 1)]) for s in ORIGINS):
        seen = compute < cut * (1 - 1e-6)
        if seen.sum() < least or seen.all():
            continue
        past = fit_law(
            fit.law.name, fit.at.take(seen), fit.loss[seen], delta=fit.delta, asymptote=fit.asymptote, picked=2
        )
        hidden = fit.at.take(~seen)
        error = np.log(past.predict(hidden) / fit.loss[~seen])
        width = claimed_width(past, hidden)
        scaled = np.abs(error) / width
        misses.append(scaled)
        weights.append(np.full(len(error), 1.0 / len(error)))
        found.append(
            Origin(
                int(seen.sum()),
                int((~seen).sum()),
                float(np.log10(order[-1] / compute[seen].max())),
                float(np.mean(np.abs(np.expm1(error)))),
                float(np.mean(np.expm1(error))),
                float(np.mean(scaled <= normal_quantile(level))),
            )
        )
    widening = normal_quantile(level)
    if misses:
        widening = max(widening, _quantile(np.concatenate(misses), np.concatenate(weights), 0.5 + level / 2.0))
    else:
        widening *= SPARSE
    return Band(level, widening, tuple(found), float(compute.max()))


def _quantile(values: Floats, weights: Floats, level: float) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    place = min(int(np.searchsorted(total, level * total[-1])), len(values) - 1)
    return float(values[order][place])


def normal_quantile(level: float) -> float:
    """Half width of a central normal interval, in standard deviations.

    >>> round(normal_quantile(0.9), 4)
    1.6449
    """
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + level / 2.0)


def interval(fit: Fit, band: Band, at: Point) -> tuple[Floats, Floats, Floats]:
    """Forecast with its interval at other runs [nat/token].

    >>> c = np.logspace(18, 20, 12)
    >>> found = fit_law("compute", Point(compute=c), 1.7 + 300.0 * c**-0.13)
    >>> value, low, high = interval(found, rolling_band(found), Point(compute=np.array([1e22])))
    >>> bool(low[0] < 1.7 + 300.0 * 1e22**-0.13 < high[0])
    True
    """
    value = fit.predict(at)
    half = band.widening * claimed_width(fit, at)
    return value, value * np.exp(-half), value * np.exp(half)


def coverage(low: ArrayLike, high: ArrayLike, measured: ArrayLike) -> float:
    """Share of measured values within their intervals [1].

    >>> coverage([1.0, 1.0], [2.0, 2.0], [1.5, 3.0])
    0.5
    """
    inside = (np.asarray(low) <= np.asarray(measured)) & (np.asarray(measured) <= np.asarray(high))
    return float(np.mean(inside))
