"""Replicas over a day: how many each window needs, and what following the load saves over the peak all day.

Windows are served on their own: a queue is not carried from one to the next. Three ways to pay are compared: the peak
all day, what each window needs (foresight), and what the window before needed (a scaler that looks back).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from headway.facts.check import positive, whole
from headway.facts.errors import InputError
from headway.simulation.deploy import Deployment
from headway.simulation.outcome import Outcome
from headway.simulation.parallel import Done, each, place_for
from headway.simulation.scheduler import Scheduler
from headway.simulation.study import Limits, run
from headway.simulation.trace import Trace
from headway.simulation.transform import between

_MOST_WINDOWS = 2000


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
        Share of requests within the limits on them [1]; NaN where nobody came.
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


def _served(task: _Task) -> Outcome:
    where = with_replicas(task.deployment, task.engines)
    return run(where, task.trace, task.scheduler, task.limits)[1]


def _needed(task: _Task) -> tuple[int, bool, float]:
    """Fewest replicas that hold the limits up to `engines`, whether they do, and the share within."""
    if not len(task.trace):
        return 0, True, math.nan

    def within(n: int) -> float:
        return _served(replace(task, engines=n)).within_slo

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
    needs = each(_needed, tasks, over=place, workers=workers, done=done)
    known = needs[: needs.index(None)] if None in needs else needs
    found = [need for need in known if need is not None]
    late = [max(found[max(k - 1, 0)][0], 1) for k in range(len(found))]
    busy = [k for k in range(len(found)) if len(parts[k])]
    again = each(_served, [replace(tasks[k], engines=late[k]) for k in busy], over=place, workers=workers)
    shares = {k: one.within_slo for k, one in zip(busy, again, strict=True) if one is not None}
    windows = tuple(Window(k * window_s, len(parts[k]), *found[k], shares.get(k, math.nan)) for k in range(len(found)))
    return _day(windows, late, window_s, deployment, len(windows) == count and len(shares) == len(busy))


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
