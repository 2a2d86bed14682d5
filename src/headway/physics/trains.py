"""The train schedule: passes that leave on the clock, and the wait for one.

A replica starts a pass every `period` seconds whether or not it is full, like a train. A request that finds
a seat waits for the next departure and rides one period. When trains leave full, a queue stays behind:
with Poisson arrivals that is a bulk-service queue, solved in :mod:`headway.physics.bulk_queue` without
simulation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.errors import RangeError
from headway.physics.arrays import Numbers, not_negative, plain, positive, whole
from headway.physics.bulk_queue import left_behind, mean_left_standing, missed_trains, wait_quantile

_MOST_SEATS = 20_000
# Below this load a passenger meets nobody, to the last digit of the wait.
_IDLE = 1e-9


@dataclass(frozen=True, slots=True)
class TrainSchedule:
    """Trains that are never full. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    period : float or ndarray
        Between departures [s].
    seats : float or ndarray
        Sequences that ride at once, which is also how many must be live to fill the train [1].
    departures_per_second, tokens_per_second : float or ndarray
        [1/s], [token/s].
    mean_wait, worst_wait : float or ndarray
        For the next departure [s].
    mean_latency, worst_latency : float or ndarray
        Wait and ride [s].
    """

    period: Numbers
    seats: Numbers
    departures_per_second: Numbers
    tokens_per_second: Numbers
    mean_wait: Numbers
    worst_wait: Numbers
    mean_latency: Numbers
    worst_latency: Numbers


@dataclass(frozen=True, slots=True)
class FullTrainWait:
    """Trains that may leave full. Fields are numbers or arrays of the shape of the loads.

    Parameters
    ----------
    load : float or ndarray
        Arrivals over seats [1].
    mean_queue : float or ndarray
        Requests left standing by a departure [1].
    mean_wait : float or ndarray
        From arrival to boarding [s].
    left_behind : float or ndarray
        Share of requests that do not get onto the first train [1].
    levels : tuple of float
        Probabilities of the quantiles.
    quantiles : ndarray
        Boarding wait at each level, last axis [s].
    stable : bool or ndarray of bool
        Load below 1; elsewhere waits grow without bound and are infinite here.
    """

    load: Numbers
    mean_queue: Numbers
    mean_wait: Numbers
    left_behind: Numbers
    levels: tuple[float, ...]
    quantiles: Numbers
    stable: Numbers


def departures_per_second(period: ArrayLike) -> Numbers:
    """Trains per second.

    ``1 / T``.

    Parameters
    ----------
    period : array_like
        ``T`` [s].

    Returns
    -------
    float or ndarray
        [1/s].

    References
    ----------
    Pope (2026), chapter 1 ("64 trains per second" needs a period of 15.6 ms).

    Examples
    --------
    >>> departures_per_second([0.020, 0.015]).round(1).tolist(), departures_per_second(1 / 64)
    ([50.0, 66.7], 64.0)
    """
    return plain(1.0 / positive("period", period, "s"))


def tokens_per_second(batch: ArrayLike, period: ArrayLike, chips: ArrayLike = 1.0) -> Numbers:
    """Tokens per second of a replica whose every pass gives one token to each sequence.

    ``B / T``, over `chips` for the rate of one chip.

    Parameters
    ----------
    batch : array_like
        ``B`` [1].
    period : array_like
        ``T`` [s].
    chips : array_like
        Chips to share it among [1].

    Returns
    -------
    float or ndarray
        [token/s].

    References
    ----------
    Pope (2026), chapter 1.

    Examples
    --------
    >>> tokens_per_second([2000, 2400], 1 / 64).tolist(), round(tokens_per_second(2000, 1 / 64, 72))
    ([128000.0, 153600.0], 1778)
    """
    rate = not_negative("batch", batch) / positive("period", period, "s")
    return plain(rate / positive("chips", chips))


def train_schedule(period: ArrayLike, seats: ArrayLike = 1.0, ride: ArrayLike | None = None) -> TrainSchedule:
    """Waits and rates of trains that leave on the clock and never full.

    Arrivals at any moment alike wait ``T/2`` on average and ``T`` at worst, then ride.

    Parameters
    ----------
    period : array_like
        ``T`` [s].
    seats : array_like
        ``B`` [1].
    ride : array_like, optional
        Time of the pass [s]; one period when left out.

    Returns
    -------
    TrainSchedule
        Rates and latencies.

    Raises
    ------
    RangeError
        If a number is not finite and above zero.

    References
    ----------
    Pope (2026), chapter 1 ("at most 40 ms").

    Examples
    --------
    >>> plan = train_schedule(0.020, 2000)
    >>> round(plan.mean_latency, 9), plan.worst_latency, plan.tokens_per_second
    (0.03, 0.04, 100000.0)
    """
    clock, size = positive("period", period, "s"), positive("seats", seats)
    trip = clock if ride is None else positive("ride", ride, "s")
    clock, size, trip = np.broadcast_arrays(clock, size, trip)
    return TrainSchedule(
        plain(clock),
        plain(size),
        plain(1.0 / clock),
        plain(size / clock),
        plain(0.5 * clock),
        plain(clock),
        plain(0.5 * clock + trip),
        plain(clock + trip),
    )


def mean_queue(load: ArrayLike, seats: int) -> Numbers:
    """Mean number of requests that a departure leaves standing.

    ``Q' = max(Q + A - s, 0)`` with ``A`` Poisson of mean ``load s``; the mean in closed form, given roots, is that of
    :func:`headway.physics.bulk_queue.mean_left_standing`.

    Parameters
    ----------
    load : array_like
        Arrivals over seats [1].
    seats : int
        ``s`` [1].

    Returns
    -------
    float or ndarray
        Requests [1]; ``inf`` from a load of 1 on.

    References
    ----------
    Bailey, J. R. Stat. Soc. B 16(1), 1954, for the bulk-service queue; here with arrivals counted by period.

    Examples
    --------
    >>> mean_queue([0.5, 0.9, 1.0], 1).round(3).tolist()
    [0.25, 4.05, inf]
    """
    loads = not_negative("load", load)
    size = int(whole("seats", seats, most=_MOST_SEATS))
    found = [mean_left_standing(float(rho), size) if rho < 1 else math.inf for rho in loads.flat]
    return plain(np.array(found).reshape(loads.shape))


def full_train_wait(
    load: ArrayLike, seats: int, period: float, levels: tuple[float, ...] = (0.5, 0.9, 0.99)
) -> FullTrainWait:
    """Wait for a seat when trains leave on the clock with `seats` seats and arrivals are Poisson.

    First come, first served. The mean is ``T/2 + E[Q] T / a`` by Little's law; the quantiles come from the
    distribution of the queue that a passenger finds, at each moment of the period.

    Parameters
    ----------
    load : array_like
        Arrivals over seats, of any shape [1].
    seats : int
        Seats of a train, ``s`` [1].
    period : float
        Between departures, ``T`` [s].
    levels : tuple of float
        Probabilities of the quantiles, each between 0 and 1.

    Returns
    -------
    FullTrainWait
        Of the shape of `load`; infinite from a load of 1 on. A load of 0 stands for its limit: one request
        that meets nobody.

    Raises
    ------
    RangeError
        If a number is out of range.

    Notes
    -----
    Quantiles are exact up to interpolation between 128 parts of a period. The transforms grow as ``1/(1 - load)``:
    loads from 0.9996 to below 1 are refused.

    Examples
    --------
    >>> wait = full_train_wait([0.5, 0.99, 1.2], 100, 0.02)
    >>> (wait.mean_wait * 1e3).round(2).tolist(), wait.stable.tolist()
    ([10.0, 18.91, inf], [True, True, False])
    """
    loads = not_negative("load", load)
    size, clock = int(whole("seats", seats, most=_MOST_SEATS)), float(positive("period", period, "s"))
    for level in levels:
        if not 0 < level < 1:
            raise RangeError("levels", level, "probabilities between 0 and 1")
    rows = [_solve(float(rho), size, levels) for rho in loads.flat]
    queue, wait, left, *tails = (np.array(column).reshape(loads.shape) for column in zip(*rows, strict=True))
    quantiles = np.stack(tails, axis=-1) * clock if tails else np.zeros((*loads.shape, 0))
    return FullTrainWait(
        plain(loads), plain(queue), plain(wait * clock), plain(left), tuple(levels), quantiles, plain(loads < 1.0)
    )


def _solve(load: float, seats: int, levels: tuple[float, ...]) -> tuple[float, ...]:
    """Mean queue, mean wait, share left behind and quantiles, times in periods."""
    if load >= 1.0:
        return (math.inf, math.inf, 1.0, *[math.inf] * len(levels))
    if load < _IDLE:
        return (0.0, 0.5, 0.0, *levels)
    queue = mean_left_standing(load, seats)
    missed = missed_trains(load, seats)
    quantiles = [wait_quantile(missed, level) for level in levels]
    return (queue, 0.5 + queue / (load * seats), left_behind(missed), *quantiles)
