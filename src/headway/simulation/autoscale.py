"""Replicas over a day: how many each window needs, and what following the load saves over the peak all day.

A window's need is found on its own first. Then the whole day is served by replicas that come and go, each window with
the queue that the one before left, and where it breaks the limits gets another replica, until all hold. Three ways to
pay are compared: the peak all day, what each window needs (foresight), and what the window before needed (a scaler that
looks back). A replica that goes serves what it has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from headway.facts.check import positive, whole
from headway.facts.errors import InputError
from headway.simulation.columns import Floats
from headway.simulation.deploy import Deployment
from headway.simulation.outcome import within_limits
from headway.simulation.parallel import Done, each, place_for
from headway.simulation.scheduler import Scheduler
from headway.simulation.study import Limits, run
from headway.simulation.trace import Trace
from headway.simulation.transform import between

_MOST_WINDOWS = 2000
#: Days that are served to find what each window needs.
_MOST_DAYS = 20


@dataclass(frozen=True, slots=True)
class Window:
    """One stretch of the trace.

    Parameters
    ----------
    start_s : float
        From the first arrival [s].
    requests : int
    replicas : int
        Fewest that hold the limits; 0 where nobody came, `most` where none holds them.
    holds : bool
        Whether they do.
    within : float
        Share of its requests within the limits, in a day of such windows [1]; NaN where nobody came.
    behind : float
        The same on the replicas that the window before needed [1].
    """

    start_s: float
    requests: int
    replicas: int
    holds: bool
    within: float
    behind: float


@dataclass(frozen=True, slots=True)
class Day:
    """Windows, and replica-hours of three ways to pay.

    Parameters
    ----------
    windows : tuple of Window
        Those that an interrupt left undone are missing.
    window_s : float
        Length of a window [s].
    chips : int
        Of one replica [1].
    peak : int
        Most replicas that a window needs [1].
    peak_hours, foresight_hours, behind_hours : float
        Replica-hours of the peak all day, of each window's need, and of the need of the window before [h].
    foresight_within, behind_within : float
        Share of all requests within the limits under the last two [1]; the peak holds at least the first.
    complete : bool
    """

    windows: tuple[Window, ...]
    window_s: float
    chips: int
    peak: int
    peak_hours: float
    foresight_hours: float
    behind_hours: float
    foresight_within: float
    behind_within: float
    complete: bool

    def rents(self, usd_per_chip_hour: float) -> tuple[float, float, float]:
        """Rent of the three ways at a price [$]."""
        usd = usd_per_chip_hour * self.chips
        return self.peak_hours * usd, self.foresight_hours * usd, self.behind_hours * usd

    @property
    def saved(self) -> float:
        """Share of the peak's replica-hours that foresight saves [1]."""
        return 1.0 - self.foresight_hours / self.peak_hours if self.peak_hours else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    deployment: Deployment
    trace: Trace
    scheduler: Scheduler
    limits: Limits
    engines: int


def with_replicas(deployment: Deployment, replicas: int) -> Deployment:
    """The same engine in another number.

    >>> from headway.simulation.fleet import Fleet
    >>> with_replicas(Deployment(True, "", None, Fleet(engines=2), 16, 1.0, ()), 3).chips
    24
    """
    fleet = deployment.fleet
    whole("replicas", replicas, most=4096)
    chips = deployment.chips // fleet.engines * replicas
    return replace(deployment, fleet=replace(fleet, engines=replicas), chips=chips)


def _needed(task: _Task) -> tuple[int, bool, float]:
    """Fewest replicas that hold the limits up to `engines`, whether they do, and the share within."""
    if not len(task.trace):
        return 0, True, math.nan

    def within(n: int) -> float:
        return run(with_replicas(task.deployment, n), task.trace, task.scheduler, task.limits)[1].within_slo

    low, high = 0, 1
    while (share := within(high)) < task.limits.share:
        if high == task.engines:
            return high, False, share
        low, high = high, min(2 * high, task.engines)
    while high - low > 1:
        middle = (low + high) // 2
        found = within(middle)
        low, high, share = (low, middle, found) if found >= task.limits.share else (middle, high, share)
    return high, True, share


def _by_window(task: _Task, replicas: Sequence[int], window_s: float) -> Floats:
    """Share of each window's requests within the limits, in a day of so many replicas; NaN where nobody came."""
    counts = [max(n, 1) for n in replicas]
    where = with_replicas(task.deployment, max(counts, default=1))
    begin = float(task.trace.arrival_s[0]) if len(task.trace) else 0.0
    starts = begin + window_s * np.arange(len(counts))
    fleet = replace(where.fleet, schedule=tuple(zip(starts.tolist(), counts, strict=True)))
    done = run(replace(where, fleet=fleet), task.trace, task.scheduler, task.limits)[0]
    good, served = within_limits(done, task.limits.ttft, task.limits.tpot), np.isfinite(done.last_s)
    at = np.searchsorted(starts, done.queued_s[served], side="right") - 1
    came = np.bincount(at, minlength=len(counts))
    held = np.bincount(at, weights=good[served], minlength=len(counts))
    return np.where(came > 0, held / np.maximum(came, 1), np.nan)


def _held(task: _Task, replicas: Sequence[int], window_s: float) -> tuple[list[int], Floats]:
    """Replicas of each window that hold the limits with what the windows before leave, and the share within."""
    found = list(replicas)
    within = _by_window(task, found, window_s)
    for _ in range(_MOST_DAYS):
        short = [k for k in np.flatnonzero(within < task.limits.share).tolist() if found[k] < task.engines]
        if not short:
            break
        for k in short:
            found[k] += 1
        within = _by_window(task, found, window_s)
    return found, within


def follow_the_load(
    deployment: Deployment,
    trace: Trace,
    scheduler: Scheduler,
    limits: Limits,
    window_s: float,
    *,
    most: int = 256,
    over: str = "processes",
    workers: int | None = None,
    done: Done | None = None,
) -> Day:
    """How many replicas each window of a trace needs to hold the limits.

    Parameters
    ----------
    deployment : Deployment
        Of any number of replicas that prefill and decode both.
    trace, scheduler, limits
        What is served, and what must hold.
    window_s : float
        How often replicas may come and go [s].
    most : int
        Most replicas [1].
    over, workers, done
        As in :func:`headway.simulation.parallel.each`.

    Returns
    -------
    Day
        After an interrupt of the windows that were done.

    Raises
    ------
    InputError
        If the trace is a closed loop, some engines only prefill, or there are too many windows.

    Examples
    --------
    >>> from headway.simulation.fleet import Fleet
    >>> from headway.simulation.step_times import fixed_times
    >>> from headway.simulation.trace import make_trace
    >>> where = Deployment(True, "", fixed_times(0.5, max_seqs=1), Fleet(), 1, 1.0, ())
    >>> at = [0.0, 20.0, 21.0, 21.0, 21.0]
    >>> busy = make_trace("t", at, [10] * 5, [1] * 5)
    >>> found = follow_the_load(where, busy, Scheduler(max_seqs=1), Limits(ttft=0.6), 20.0, over="here")
    >>> [w.replicas for w in found.windows]
    [1, 3]
    """
    positive("window", window_s, "s")
    if trace.closed_loop or deployment.fleet.prefillers:
        wrong = "a closed loop" if trace.closed_loop else "engines that only prefill"
        raise InputError("autoscale", wrong, "arrivals as recorded, and engines that do both")
    count = max(math.ceil((trace.span_s + 1e-9) / window_s), 1)
    if count > _MOST_WINDOWS:
        raise InputError("window", window_s, f"at most {_MOST_WINDOWS} windows of a trace of {trace.span_s:g} s")
    parts = [between(trace, k * window_s, (k + 1) * window_s) for k in range(count)]
    tasks = [_Task(deployment, part, scheduler, limits, most) for part in parts]
    place = place_for(len(trace), over, workers)
    needs: list[tuple[int, bool, float] | None] = each(_needed, tasks, over=place, workers=workers, done=done)
    known = needs[: needs.index(None)] if None in needs else needs
    found = [need for need in known if need is not None]
    whole_day = _Task(deployment, between(trace, 0.0, len(found) * window_s), scheduler, limits, most)
    needed, within = _held(whole_day, [need[0] for need in found], window_s)
    late = [max(needed[max(k - 1, 0)], 1) for k in range(len(needed))]
    behind = _by_window(whole_day, late, window_s)
    windows = tuple(
        Window(k * window_s, len(parts[k]), n, not within[k] < limits.share, float(within[k]), float(behind[k]))
        for k, n in enumerate(needed)
    )
    return _day(windows, late, window_s, deployment, len(windows) == count)


def _day(
    windows: Sequence[Window], late: Sequence[int], window_s: float, deployment: Deployment, complete: bool
) -> Day:
    hours, served = window_s / 3600.0, [w for w in windows if w.requests]
    peak = max((w.replicas for w in windows), default=0)
    requests = sum(w.requests for w in served)
    return Day(
        tuple(windows),
        window_s,
        deployment.chips // deployment.fleet.engines,
        peak,
        peak * len(windows) * hours,
        sum(w.replicas for w in windows) * hours,
        sum(late) * hours,
        sum(w.within * w.requests for w in served) / requests if requests else math.nan,
        sum(w.behind * w.requests for w in served) / requests if requests else math.nan,
        complete,
    )
