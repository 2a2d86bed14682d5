"""Least squares in the logarithm with priors and bounds, and what the data say about each constant.

Minimise ``sum(((log y - log f(theta)) / sigma)^2) + sum(((log theta - log theta_0) / tau)^2)`` by Levenberg and
Marquardt's damped steps (Marquardt, J. SIAM 11(2), 1963), the Jacobian by differences and kept up to date between them
by Broyden's rank-one formula (Math. Comp. 19, 1965). Relative errors weigh alike, and a constant can only be positive.
The covariance is ``(J' J / sigma^2 + 1 / tau^2)^-1``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Predict = Callable[[Array], Array]

_STEPS = 30
_DIFFERENCE = 0.02
_SETTLED = 1e-4
_MOST_DAMPED = 1e3
_Z80 = 1.2815515655446004
# A constant counts as identified where the data at least halve what the prior leaves open.
_IDENTIFIED = 0.5
# So does one that the data move this many widths of its prior: its old value is refuted, however flat the new one is.
_REFUTED = 1.5


@dataclass(frozen=True, slots=True)
class Prior:
    """What is known of positive constants before the data; arrays of one length.

    Parameters
    ----------
    value, width, low, high : array
        Centre, standard deviation of the logarithm, bounds.
    """

    value: Array
    width: Array
    low: Array
    high: Array


@dataclass(frozen=True, slots=True)
class LogFit:
    """Result of a fit.

    Parameters
    ----------
    value : array
        Constants, all of them; those that are not free at the centre of their prior.
    free : tuple of int
        Which were fitted.
    low, high : array
        80% interval; that of the prior for those that are not free.
    predicted : array
        The model at `value`.
    sigma : array
        Standard deviation of the residuals of each group, relative [1].
    sensitivity : array
        Largest change of the logarithm of any prediction for one prior width of each constant [1].
    twin : tuple of (int, float)
        For each constant the free one that moves the predictions most alike, and the cosine of the two.
    """

    value: Array
    free: tuple[int, ...]
    low: Array
    high: Array
    predicted: Array
    sigma: Array
    sensitivity: Array
    twin: tuple[tuple[int, float], ...]


def quantile_80(freedom: float) -> float:
    """Half width of an 80% interval of Student's t in standard deviations (Abramowitz and Stegun 26.7.5).

    >>> round(quantile_80(10.0), 2), round(quantile_80(1e9), 3)
    (1.37, 1.282)
    """
    z, n = _Z80, max(freedom, 1.0)
    first = (z**3 + z) / (4 * n)
    second = (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
    return z + first + second + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)


def jacobian(predict: Predict, theta: Array, at: Array, free: Sequence[int]) -> Array:
    """Derivatives of log predictions by the logarithms of the free constants, steps away from the upper bound.

    >>> jacobian(lambda c: c[:1] * c[1:] ** 2, np.zeros(2), np.zeros(1), (0, 1)).round(3).tolist()
    [[1.0, 2.0]]
    """
    found = np.zeros((at.size, len(free)))
    for column, k in enumerate(free):
        moved = theta.copy()
        moved[k] -= _DIFFERENCE
        found[:, column] = (at - np.log(predict(np.exp(moved)))) / _DIFFERENCE
    return found


def _solve(
    predict: Predict, data: Array, scale: Array, prior: Prior, free: Sequence[int], start: Array
) -> tuple[Array, Array, Array]:
    """Most likely constants: their logarithms, the log predictions there, and the Jacobian of the free ones."""
    theta, index = start.copy(), list(free)
    centre, width = np.log(prior.value[index]), prior.width[index]
    low, high = np.log(prior.low[index]), np.log(prior.high[index])
    at = np.log(predict(np.exp(theta)))
    slopes = jacobian(predict, theta, at, free)

    def cost(values: Array, logs: Array) -> float:
        apart = (values[index] - centre) / width
        return float(np.sum(((data - logs) / scale) ** 2) + np.sum(apart**2))

    best, damping, fresh = cost(theta, at), 1e-3, True
    for _ in range(_STEPS):
        weighted = slopes / scale[:, None]
        normal = weighted.T @ weighted + np.diag(1.0 / width**2)
        pull = weighted.T @ ((data - at) / scale) - (theta[index] - centre) / width**2
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), pull)
        tried = theta.copy()
        tried[index] = np.clip(theta[index] + np.clip(step, -1.5, 1.5), low, high)
        moved = tried[index] - theta[index]
        logs = np.log(predict(np.exp(tried)))
        gain = best - cost(tried, logs)
        settled = gain < _SETTLED * max(best, 1.0)
        if gain > 0:
            slopes = slopes + np.outer(logs - at - slopes @ moved, moved) / float(moved @ moved)
            theta, at, best, damping = tried, logs, best - gain, damping / 5.0
        if settled and fresh and (gain > 0 or damping > _MOST_DAMPED or not np.any(moved)):
            break
        if settled and fresh:
            damping *= 10.0
        elif settled:
            # Broyden's update drifts: what looks settled is looked at again with true derivatives.
            slopes, fresh = jacobian(predict, theta, at, free), True
        else:
            fresh = False
    return theta, at, jacobian(predict, theta, at, free)


def _sigma(residual: Array, groups: NDArray[np.int64], expected: Array, free: int) -> Array:
    """Standard deviation of each group of residuals; `expected` counts as three more of its own."""
    known = 3.0
    found = np.array(expected, dtype=float)
    for g in range(found.size):
        own = residual[groups == g]
        used = free * own.size / max(residual.size, 1)
        found[g] = math.sqrt((known * expected[g] ** 2 + float(own @ own)) / max(known + own.size - used, 1.0))
    return found


def _deviations(slopes: Array, scale: Array, width: Array) -> Array:
    weighted = slopes / scale[:, None]
    covariance = np.linalg.inv(weighted.T @ weighted + np.diag(1.0 / width**2))
    return np.asarray(np.sqrt(np.diag(covariance)))


def select(slopes: Array, scale: Array, width: Array) -> tuple[int, ...]:
    """The constants that the data tell apart: each at least halves what its prior leaves open.

    Starting from all, the least determined one is dropped until that holds; of two alike the later goes.

    >>> alike = np.array([[1.0, 1.0], [1.0, 1.0]])
    >>> select(alike, np.full(2, 0.01), np.ones(2)), select(np.eye(2), np.full(2, 0.01), np.ones(2))
    ((0,), (0, 1))
    """
    kept = list(range(width.size))
    while kept:
        open_share = _deviations(slopes[:, kept], scale, width[kept]) / width[kept]
        if np.all(open_share < _IDENTIFIED):
            break
        kept.pop(int(np.flatnonzero(open_share > 0.95 * open_share.max())[-1]))
    return tuple(kept)


def _twins(slopes: Array, scale: Array, free: Sequence[int]) -> tuple[tuple[int, float], ...]:
    weighted = slopes / scale[:, None]
    norms = np.maximum(np.linalg.norm(weighted, axis=0), 1e-300)
    found = []
    for k in range(slopes.shape[1]):
        cosines = [(abs(float(weighted[:, k] @ weighted[:, j])) / float(norms[k] * norms[j]), j) for j in free]
        best = max((c for c in cosines if c[1] != k), default=(0.0, -1))
        found.append((best[1], best[0]))
    return tuple(found)


def fit(predict: Predict, measured: Array, prior: Prior, groups: Any = None, expected: Any = (0.02,)) -> LogFit:
    """Fit positive constants to positive measurements, freeing those that the data tell apart or move far.

    Parameters
    ----------
    predict : callable
        From the constants to one prediction per measurement.
    measured : array
        What was measured.
    prior : Prior
    groups : array of int, optional
        Kind of each measurement; each has its own spread. All alike where not given.
    expected : array
        Spread to expect of each kind, relative; weighs as three measurements [1].

    Examples
    --------
    >>> x = np.array([1.0, 2.0, 4.0, 8.0])
    >>> known = Prior(np.array([1.0, 1.0]), np.ones(2), np.full(2, 0.01), np.full(2, 100.0))
    >>> found = fit(lambda c: c[0] + c[1] * x, 2.0 + 3.0 * x, known)
    >>> found.free, found.value.round(2).tolist()
    ((0, 1), [2.0, 3.0])
    """
    data = np.log(np.asarray(measured, dtype=float))
    kinds = np.zeros(data.size, dtype=np.int64) if groups is None else np.asarray(groups, dtype=np.int64)
    spread = np.asarray(expected, dtype=float)
    everything = tuple(range(prior.value.size))
    centre = np.log(prior.value)
    theta, at, slopes = _solve(predict, data, spread[kinds], prior, everything, centre)
    sigma = _sigma(data - at, kinds, spread, len(everything))
    refuted = np.flatnonzero(np.abs(theta - centre) > _REFUTED * prior.width)
    free = tuple(sorted({*select(slopes, sigma[kinds], prior.width), *(int(k) for k in refuted)}))
    for _ in range(2):
        start = centre.copy()
        start[list(free)] = theta[list(free)]
        theta, at, _ = _solve(predict, data, sigma[kinds], prior, free, start)
        sigma = _sigma(data - at, kinds, spread, len(free))
    # What is kept is not known either: the intervals are those of all constants together.
    slopes = jacobian(predict, theta, at, everything)
    deviation = np.minimum(_deviations(slopes, sigma[kinds], prior.width), prior.width)
    kept = [k for k in everything if k not in free]
    deviation[kept] = prior.width[kept]
    wide = np.full(centre.size, _Z80)
    wide[list(free)] = quantile_80(3.0 + data.size - len(free))
    low = np.maximum(np.exp(theta - wide * deviation), prior.low)
    high = np.minimum(np.exp(theta + wide * deviation), prior.high)
    moved = np.max(np.abs(slopes), axis=0) * prior.width
    return LogFit(np.exp(theta), free, low, high, np.exp(at), sigma, moved, _twins(slopes, sigma[kinds], free))
