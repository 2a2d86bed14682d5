"""What is thought of a model's size before its price is seen, and summaries of what is thought after.

Active and total parameters live on a grid of ``ln N_a`` and ``ln(N_t / N_a)`` whose first column is the dense models
(``N_t = N_a``). The prior is a mixture learned from models of known size: dense with a share that has a uniform
prior; its size, and the total size and the sparsity of a mixture of experts, each log-normal with a normal-inverse-
gamma prior on mean and spread, so Student-t (Gelman et al., *Bayesian Data Analysis*, 3rd edition, section 3.3).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Correlation that models of one family are given: two of them count as 1.33 models, four as 1.6.
FAMILY_CORRELATION: Final = 0.5
#: Ends of the 80% interval and its middle.
LEVELS: Final = (0.1, 0.5, 0.9)
_DENSE_BELOW = math.log(1.05)
_COUNTS = 1.0  # weight of the prior mean, in models
_DEGREES = 2.0  # weight of the prior spread
# Before any model is seen: 30B dense, 200B total and 12 times sparse, each within a factor of 4 (2 for sparsity).
_DENSE, _TOTAL, _SPARSITY = (math.log(30e9), 1.4), (math.log(200e9), 1.4), (math.log(12.0), 0.7)


@dataclass(frozen=True, slots=True)
class Grid:
    """Sizes that are considered.

    Parameters
    ----------
    log_size : ndarray
        ``ln N_a`` and ``ln N_t`` of each point, shape (points, 2).
    log_sparsity : ndarray
        ``ln(N_t / N_a)``, shape (points,).
    sparsity_step : float
        Spacing of the columns that are not dense [1].
    """

    log_size: Floats
    log_sparsity: Floats
    sparsity_step: float


@dataclass(frozen=True, slots=True)
class Interval:
    """An 80% interval and its median.

    Parameters
    ----------
    low, median, high : float
        10th, 50th and 90th percentile, in the quantity's unit.
    """

    low: float
    median: float
    high: float

    @property
    def log_width(self) -> float:
        """Width on the natural logarithm [1]."""
        return math.log(self.high / self.low)

    @property
    def half_width_factor(self) -> float:
        """Factor up or down from the middle to either end, on logs [1]."""
        return math.exp(self.log_width / 2.0)


def family_weights(families: Sequence[str]) -> Floats:
    """Weight of each model when those of one family are alike: ``1 / (1 + (n - 1) rho)``.

    References
    ----------
    Kish, *Survey Sampling* (1965), section 5.4: the design effect of clusters.

    Examples
    --------
    >>> family_weights(["a", "a", "b"]).round(3).tolist()
    [0.667, 0.667, 1.0]
    """
    sizes = Counter(families)
    return np.array([1.0 / (1.0 + (sizes[name] - 1) * FAMILY_CORRELATION) for name in families])


@cache
def grid() -> Grid:
    """The grid: 0.3B to 4T active, dense to 80 times sparse.

    >>> grid().log_size.shape
    (3108, 2)
    """
    active = np.linspace(math.log(0.3e9), math.log(4e12), 84)
    sparse = np.linspace(0.15, math.log(80.0), 36)
    a, s = (axis.ravel() for axis in np.meshgrid(active, np.concatenate([[0.0], sparse]), indexing="ij"))
    return Grid(np.stack([a, a + s], axis=-1), s, float(sparse[1] - sparse[0]))


def _student(x: Floats, seen: Floats, weight: Floats, start: tuple[float, float]) -> Floats:
    """Log density of the next value, after values with weights, from a normal-inverse-gamma prior."""
    middle, spread = start
    count = float(weight.sum())
    mean = (float(weight @ seen) + _COUNTS * middle) / (count + _COUNTS)
    squares = float(weight @ (seen - mean) ** 2) + _COUNTS * (mean - middle) ** 2 + _DEGREES * spread**2
    degrees = _DEGREES + count
    scale = math.sqrt(squares / degrees * (1.0 + 1.0 / (count + _COUNTS)))
    norm = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - 0.5 * math.log(degrees * math.pi)
    density: Floats = norm - math.log(scale) - (degrees + 1) / 2 * np.log1p(((x - mean) / scale) ** 2 / degrees)
    return density


def log_prior(log_size: Floats, weight: Floats) -> Floats:
    """Log probability of each grid point, from the sizes of models that are known.

    Parameters
    ----------
    log_size : ndarray
        ``ln N_a`` and ``ln N_t`` of the known models, shape (n, 2); n may be 0.
    weight : ndarray
        Weight of each; see :func:`family_weights`.

    Examples
    --------
    >>> known = np.log([[8e9, 8e9], [22e9, 235e9], [37e9, 671e9]])
    >>> prior = log_prior(known, np.ones(3))
    >>> round(float(np.exp(prior).sum()), 6)
    1.0
    """
    points = grid()
    active, total = points.log_size.T
    sparsity = log_size[:, 1] - log_size[:, 0]
    dense = sparsity < _DENSE_BELOW
    share = (float(weight[dense].sum()) + 1.0) / (float(weight.sum()) + 2.0)
    alone = _student(active, log_size[dense, 0], weight[dense], _DENSE) + math.log(share / points.sparsity_step)
    mixed = (
        _student(total, log_size[~dense, 1], weight[~dense], _TOTAL)
        + _student(points.log_sparsity, sparsity[~dense], weight[~dense], _SPARSITY)
        + math.log(1.0 - share)
    )
    return normalised(np.where(points.log_sparsity == 0.0, alone, mixed))


def normalised(log_weight: Floats) -> Floats:
    """Subtract what makes the probabilities of the last axis sum to 1.

    >>> np.exp(normalised(np.zeros(4))).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    peak = log_weight.max(axis=-1, keepdims=True)
    found: Floats = log_weight - peak - np.log(np.exp(log_weight - peak).sum(axis=-1, keepdims=True))
    return found


def interval(probability: Floats, values: Floats) -> Interval:
    """80% interval of a quantity that has a value (as natural logarithm) at each grid point.

    >>> spread = interval(np.ones(1000) / 1000, np.linspace(0.0, 1.0, 1000))
    >>> round(math.log(spread.low), 2), round(math.log(spread.high), 2)
    (0.1, 0.9)
    """
    order = np.argsort(values, kind="stable")
    mass = probability[order]
    low, middle, high = np.interp(LEVELS, np.cumsum(mass) - mass / 2.0, values[order])
    return Interval(math.exp(low), math.exp(middle), math.exp(high))
