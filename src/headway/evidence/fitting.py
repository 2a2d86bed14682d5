"""Least squares for a few positive constants: in the logarithm, robust, held by priors.

``minimise sum rho(log(predicted/measured)) + sum ((log theta - log prior)/width)^2`` by Gauss-Newton, ``rho`` being
Huber's loss (Ann. Math. Stat. 35(1), 1964): beyond `corner` a residual counts with its size, not its square.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_ROUNDS = 12
_STEP = 0.02
_LONGEST = 0.7
_CLOSE = 2e-3


def huber(residuals: Array, corner: float) -> Array:
    """Residuals whose square is Huber's loss.

    >>> huber(np.array([0.1, 2.0]), 0.5).round(3).tolist()
    [0.1, 1.323]
    """
    size = np.abs(residuals)
    outer = np.sqrt(np.maximum(2.0 * corner * size - corner**2, 0.0))
    return np.where(size <= corner, residuals, np.sign(residuals) * outer)


def fit_positive(
    residuals: Callable[[Array], Array], prior: Array, *, width: float = 1.0, corner: float = 0.15, scale: float = 0.15
) -> Array:
    """Constants that best explain the data, held near their priors.

    Parameters
    ----------
    residuals : callable
        From constants to ``log(predicted / measured)``, shape (rows,).
    prior : array of shape (constants,)
        Positive values the fit starts from and is held to.
    width : float
        Standard deviation of the logarithm that the priors allow [1].
    corner : float
        Residual beyond which a row counts linearly [1].
    scale : float
        Typical residual: what a prior one `width` away weighs against [1].

    Returns
    -------
    array of shape (constants,)

    Examples
    --------
    >>> x = np.linspace(1, 9, 20)
    >>> found = fit_positive(lambda t: np.log((t[0] + t[1] * x) / (2 + 3 * x)), np.array([1.0, 1.0]), width=10)
    >>> found.round(2).tolist()
    [2.0, 3.0]
    """
    centre = np.log(prior)
    at = centre.copy()

    def whole(point: Array) -> Array:
        held = (point - centre) * (scale / width)
        return np.concatenate([huber(residuals(np.exp(point)), corner), held])

    for _ in range(_ROUNDS):
        here = whole(at)
        slopes = np.empty((here.size, at.size))
        for j in range(at.size):
            beside = at.copy()
            beside[j] += _STEP
            slopes[:, j] = (whole(beside) - here) / _STEP
        change = np.linalg.solve(slopes.T @ slopes + 1e-9 * np.eye(at.size), -slopes.T @ here)
        at = at + np.clip(change, -_LONGEST, _LONGEST)
        if np.max(np.abs(change)) < _CLOSE:
            break
    found: Any = np.exp(at)
    return np.asarray(found, dtype=float)


def resampled(groups: Array, seed: int) -> NDArray[np.intp]:
    """Row indices of a bootstrap sample that draws whole groups: rows of one setup are not independent.

    >>> resampled(np.array([0, 0, 1]), 1).size >= 2
    True
    """
    names = np.unique(groups)
    drawn = np.random.default_rng(seed).choice(names, names.size)
    return np.concatenate([np.flatnonzero(groups == name) for name in drawn])
