"""Scales of a sum of power laws whose exponents are given: a linear problem, solved for a whole grid of exponents.

A fit that starts there needs a fifth of the steps of one that starts from guessed scales (variable projection: Golub
and Pereyra, SIAM Journal on Numerical Analysis 10 (1973) 413).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from headway.physics.arrays import Floats

_RIDGE = 1e-9
_LEAST_SHARE = 0.02


def log_amplitudes(exponents: ArrayLike, observed: ArrayLike) -> Floats:
    """Logarithms of the scales ``s`` that minimise ``sum_i (sum_t s_t exp(X_it) / y_i - 1)^2``.

    Parameters
    ----------
    exponents : array_like
        ``X``, shape (grid, rows, terms) [1].
    observed : array_like
        ``y``, one per row, above 0.

    Returns
    -------
    ndarray
        Shape (grid, terms). A scale that would not be positive is set to a small share of the mean of `observed`.

    Examples
    --------
    >>> x = np.linspace(0.0, 2.0, 9)
    >>> design = np.stack([0 * x, -x], axis=1)[None]
    >>> np.exp(log_amplitudes(design, 1.5 + 4.0 * np.exp(-x))).round(3).tolist()
    [[1.5, 4.0]]
    """
    design, y = np.asarray(exponents, dtype=float), np.asarray(observed, dtype=float)
    middle = design.mean(axis=1, keepdims=True)
    terms = np.exp(design - middle) / y[:, None]
    square = np.swapaxes(terms, 1, 2) @ terms
    mean = np.einsum("gtt->g", square) / square.shape[1]
    square = square + _RIDGE * mean[:, None, None] * np.eye(square.shape[1])
    scale = np.linalg.solve(square, terms.sum(axis=1)[:, :, None])[:, :, 0]
    return np.asarray(np.log(np.maximum(scale, _LEAST_SHARE * float(y.mean()))) - middle[:, 0])
