"""Arrival processes: Poisson, Gamma and Weibull renewals, a daily cycle, and times freed from a coarse clock."""

from __future__ import annotations

from dataclasses import replace
from math import gamma as gamma_function
from types import MappingProxyType
from typing import Final

import numpy as np

from headway.facts.check import fraction, positive, single, whole
from headway.facts.errors import unknown
from headway.simulation.columns import Floats
from headway.simulation.trace import Trace

DAY_S = 86400.0
_GRIDS = (1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 30.0, 60.0)
_SHARE = 0.5
_JITTER_S = 5e-3
"""How far a time written down in milliseconds may be off its grid [s]."""

PROCESSES: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        "poisson": "independent arrivals; CV of the gaps 1",
        "gamma": "renewal with Gamma gaps of the CV asked for",
        "weibull": "renewal with Weibull gaps of the CV asked for",
    }
)
"""Names and meanings of the processes."""


def weibull_shape(cv: float) -> float:
    """Shape of the Weibull distribution whose coefficient of variation is `cv`.

    Solves ``Gamma(1 + 2/k) / Gamma(1 + 1/k)^2 = 1 + cv^2`` by bisection.

    Parameters
    ----------
    cv : float
        From 0.02 to 40 [1].

    Returns
    -------
    float
        ``k`` [1].

    Examples
    --------
    >>> round(weibull_shape(1.0), 6), round(weibull_shape(2.0), 3)
    (1.0, 0.543)
    """
    target = 1.0 + positive("cv", single("cv", cv)) ** 2
    low, high = 0.1, 100.0
    for _ in range(100):
        middle = (low * high) ** 0.5
        spread = gamma_function(1 + 2 / middle) / gamma_function(1 + 1 / middle) ** 2
        low, high = (middle, high) if spread > target else (low, middle)
    return float(np.sqrt(low * high))


def unit_gaps(process: str, cv: float, n: int, rng: np.random.Generator) -> Floats:
    """Draw gaps of mean 1.

    Parameters
    ----------
    process : str
        Key of :data:`PROCESSES`.
    cv : float
        Coefficient of variation; ignored for Poisson [1].
    n : int
        How many [1].
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    ndarray
        Shape (n,).

    Raises
    ------
    UnknownNameError
        If there is no such process.

    Examples
    --------
    >>> gaps = unit_gaps("gamma", 3.0, 200_000, np.random.default_rng(1))
    >>> bool(abs(gaps.mean() - 1) < 0.03), bool(abs(gaps.std() - 3) < 0.1)
    (True, True)
    """
    if process == "poisson":
        return rng.exponential(1.0, n)
    spread = positive("cv", single("cv", cv))
    if process == "gamma":
        return rng.gamma(spread**-2, spread**2, n)
    if process == "weibull":
        shape = weibull_shape(spread)
        return np.asarray(rng.weibull(shape, n) / gamma_function(1 + 1 / shape))
    raise unknown("process", process, PROCESSES)


def arrivals(
    process: str,
    rate: float,
    n: int,
    rng: np.random.Generator,
    *,
    cv: float = 1.0,
    swing: float = 0.0,
    period_s: float = DAY_S,
) -> Floats:
    """Times of `n` arrivals.

    The rate follows ``rate (1 + swing sin(2 pi t / period))``: gaps of mean 1 are laid on the operational clock
    ``L(t)``, the integral of the rate, and ``L`` is inverted. With no swing the gaps are divided by the rate.

    Parameters
    ----------
    process : str
        Key of :data:`PROCESSES`.
    rate : float
        Mean over a period [1/s].
    n : int
        How many [1].
    rng : numpy.random.Generator
        Source of chance.
    cv : float
        Coefficient of variation of the gaps [1].
    swing : float
        Peak over mean, less one; from 0 to below 1 [1].
    period_s : float
        Of the cycle [s].

    Returns
    -------
    ndarray
        Sorted, shape (n,) [s].

    Examples
    --------
    >>> times = arrivals("poisson", 10.0, 100_000, np.random.default_rng(0))
    >>> round(float(times[-1]) / 10_000, 2)
    1.0
    """
    mean = positive("rate", single("rate", rate), "1/s")
    amplitude = fraction("swing", single("swing", swing), allow_one=False)
    cycle = positive("period_s", single("period_s", period_s), "s")
    clock = np.cumsum(unit_gaps(process, cv, int(whole("n", single("n", n))), rng)) / mean
    if not amplitude:
        return np.asarray(clock)
    wave = 2 * np.pi / cycle
    low, high = clock - 2 * amplitude / wave - 1.0, clock + 2 * amplitude / wave + 1.0
    for _ in range(60):
        middle = (low + high) / 2
        behind = middle + amplitude * (1 - np.cos(wave * middle)) / wave < clock
        low, high = np.where(behind, middle, low), np.where(behind, high, middle)
    return np.asarray(np.maximum.accumulate(np.maximum((low + high) / 2, 0.0)))


def grid_s(trace: Trace) -> float:
    """Step of the coarse clock on which the arrivals sit, or 0 where they sit on none [s].

    A step is named when every arrival is a multiple of it and at most half of the times are distinct.

    >>> from headway.simulation.trace import make_trace
    >>> grid_s(make_trace("t", [0, 0, 0, 3, 3, 3, 6, 6], [1] * 8, [1] * 8))
    3.0
    """
    known = trace.arrival_s[np.isfinite(trace.arrival_s)]
    if len(known) < 8 or known[-1] == known[0] or len(np.unique(known)) > _SHARE * len(known):
        return 0.0
    since = known - known[0]
    fitting = [g for g in _GRIDS if np.all(np.abs(since - g * np.rint(since / g)) <= _JITTER_S)]
    return max(fitting, default=0.0)


def dequantise(trace: Trace, step_s: float, seed: int = 0) -> Trace:
    """Spread arrivals uniformly over the step after the time they were written down at; their order stays.

    Given the count of a step, uniform times are those of a Poisson process.

    Parameters
    ----------
    trace : Trace
        With times on a grid.
    step_s : float
        Of the grid [s].
    seed : int
        Of the draw.

    Returns
    -------
    Trace
        With a note.

    Examples
    --------
    >>> from headway.simulation.trace import make_trace
    >>> spread = dequantise(make_trace("t", [0, 0, 3], [5, 6, 7], [1, 1, 1]), 3.0)
    >>> bool(0 <= spread.arrival_s[0] <= spread.arrival_s[1] < 3 <= spread.arrival_s[2] < 6), len(spread.notes)
    (True, 1)
    """
    step = positive("step_s", single("step_s", step_s), "s")
    start = float(trace.arrival_s[0])
    cell = start + step * np.rint((trace.arrival_s - start) / step)
    moved = cell + np.random.default_rng(seed).uniform(0.0, step, len(trace))
    known = np.isfinite(moved)
    moved[known] = np.sort(moved[known])
    note = f"arrivals spread uniformly over a {step:g} s grid (seed {seed})"
    return replace(trace, arrival_s=moved, notes=(*trace.notes, note))
