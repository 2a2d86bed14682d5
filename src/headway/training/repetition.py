"""Tokens that are read more than once, and the least lifetime cost where they are, by search.

Notation as in :mod:`headway.training.lifetime`; ``U`` distinct tokens at hand, ``R`` the decay of their worth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.errors import RangeError
from headway.facts.scaling_laws import LossLaw
from headway.physics.arrays import Numbers, plain, positive
from headway.physics.budget import TRAINING_FLOP
from headway.training.life import REPETITION_DECAY


def tokens_to_read(worth: ArrayLike, unique: ArrayLike, decay: float = REPETITION_DECAY) -> Numbers:
    """Tokens to train on, repeated ones among them, that are worth so many distinct ones.

    The inverse of :func:`~headway.training.life.effective_tokens`: ``U - U R ln(1 - (W/U - 1)/R)`` beyond
    the first pass, infinite from ``U (1 + R)`` on.

    Parameters
    ----------
    worth, unique : array_like
        ``W``, and distinct tokens at hand, which may be infinite [token].
    decay : float
        ``R`` [1].

    Examples
    --------
    >>> (tokens_to_read([5e12, 37.3e12, 170e12], 10e12) / 1e12).round(1).tolist()
    [5.0, 40.1, inf]
    """
    w, u = positive("worth", worth, "token"), np.asarray(unique, dtype=float)
    if np.any(np.isfinite(u)):
        positive("unique", u[np.isfinite(u)], "token")
    rate = float(positive("decay", decay))
    left = 1.0 - np.maximum(w / u - 1.0, 0.0) / rate
    again = -rate * np.log(np.maximum(left, 1e-300))
    # Without repetition nothing is multiplied by an infinite stock.
    repeated = np.where(w > u, np.where(np.isfinite(u), u, 0.0) * (1.0 + again), w)
    return plain(np.where(left > 0, repeated, np.inf))


def brute_force(
    law: LossLaw, level: float, demand: float, points: int = 20_001, unique: float = np.inf
) -> tuple[float, float, float]:
    """``(N, D, C)`` of least lifetime cost by search over ``D`` alone, zooming in.

    The check of the closed form, and the only way where tokens repeat: ``D`` is then what they are worth, and
    :func:`tokens_to_read` of it is paid for.

    Parameters
    ----------
    law : LossLaw
    level, demand : float
        ``l`` [nat/token] and ``S`` [FLOP].
    points : int
        Of each of twelve rounds [1].
    unique : float
        Distinct tokens at hand [token].

    Raises
    ------
    RangeError
        If the level is not positive, or the distinct tokens cannot reach it at any size.

    Examples
    --------
    >>> from headway.facts.scaling_laws import loss_law
    >>> law = loss_law("epoch-2024")
    >>> n, d, _ = brute_force(law, 0.1, 0.0)
    >>> round(
    ...     law.size_exponent
    ...     * law.size_coefficient
    ...     * n**-law.size_exponent
    ...     / (law.data_exponent * law.data_coefficient * d**-law.data_exponent),
    ...     6,
    ... )
    1.0
    """
    positive("level", level)
    low = least = float(np.log(law.data_coefficient / level) / law.data_exponent)
    high = most = min(least + 40.0, float(np.log(unique * (1.0 + REPETITION_DECAY))))
    if least >= most:
        raise RangeError("unique", unique, "distinct tokens that reach the loss at some size")
    best, cost = low, np.inf
    for _ in range(12):
        grid = np.linspace(low, high, points)
        left = level - law.data_coefficient * np.exp(-law.data_exponent * grid)
        ok = left > 0
        sizes = np.full_like(grid, np.inf)
        sizes[ok] = (law.size_coefficient / left[ok]) ** (1.0 / law.size_exponent)
        costs = sizes * (TRAINING_FLOP * np.asarray(tokens_to_read(np.exp(grid), unique)) + demand)
        k = int(np.argmin(costs))
        best, cost = float(grid[k]), float(costs[k])
        width = (high - low) / (points - 1) * 4.0
        low, high = max(best - width, least), min(best + width, most)
    d = float(np.exp(best))
    n = (law.size_coefficient / (level - law.data_coefficient / d**law.data_exponent)) ** (1.0 / law.size_exponent)
    return float(n), d, cost
