"""Many runs as one call: memories of several sizes, and two policies over seeds or over stretches of one trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headway.facts.check import whole
from headway.facts.errors import InputError
from headway.simulation._state import Floats
from headway.simulation.deploy import Deployment
from headway.simulation.memories import MemoryOutcome, memory_outcomes
from headway.simulation.outcome import Costs, Difference, Outcome, difference, request_times
from headway.simulation.parallel import Done, each, place_for
from headway.simulation.replay import Progress, Replay
from headway.simulation.scheduler import Scheduler
from headway.simulation.study import Limits, run
from headway.simulation.trace import Trace

#: Figures that comparisons take the difference of.
COMPARED = ("ttft_s", "tpot_s", "latency_s")
NO_LIMITS = Limits()
FREE = Costs(1, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One run: who serves what under which rules.

    Parameters
    ----------
    deployment : Deployment
    trace : Trace
    scheduler : Scheduler
    limits : Limits
    costs : Costs
    """

    deployment: Deployment
    trace: Trace
    scheduler: Scheduler
    limits: Limits = NO_LIMITS
    costs: Costs = FREE


@dataclass(frozen=True, slots=True)
class Found:
    """What one run gave: its figures, and those of its memories below the engines'."""

    outcome: Outcome
    memories: tuple[MemoryOutcome, ...]

    @property
    def own_hit_rate(self) -> float:
        """Prompt tokens found in the engines' own memory, pooled [1]."""
        return self.outcome.hit_rate - sum(m.hit_rate for m in self.memories)

    @property
    def net_usd_per_hour(self) -> float:
        """Prefill saved by the memories less their rent [$/h]."""
        return sum(m.net_usd_per_hour for m in self.memories)


def found_of(case: Case) -> Found:
    """Run one case.

    >>> from headway.simulation.fleet import Fleet
    >>> from headway.simulation.step_times import fixed_times
    >>> from headway.simulation.study import generated
    >>> where = Deployment(True, "", fixed_times(0.02), Fleet(), 1, 1.0, ())
    >>> found_of(Case(where, generated("poisson", 1.0, 10, 100, 1), Scheduler())).outcome.served
    10
    """
    return replayed(case)[1]


def replayed(case: Case, progress: Progress | None = None) -> tuple[Replay, Found]:
    """Run one case, and keep every request's times.

    >>> from headway.simulation.fleet import Fleet
    >>> from headway.simulation.step_times import fixed_times
    >>> from headway.simulation.study import generated
    >>> where = Deployment(True, "", fixed_times(0.02), Fleet(), 1, 1.0, ())
    >>> replayed(Case(where, generated("poisson", 1.0, 10, 100, 1), Scheduler()))[0].steps
    10
    """
    where = case.deployment
    done, figures = run(where, case.trace, case.scheduler, case.limits, case.costs, progress=progress)
    if not done.tier_tokens.shape[1]:
        return done, Found(figures, ())
    sizes = where.token_bytes, where.block_tokens, where.prefill_chip_s
    return done, Found(figures, memory_outcomes(done, where.memories, *sizes, case.costs))


def run_all(
    cases: Sequence[Case], *, over: str = "processes", workers: int | None = None, done: Done | None = None
) -> list[Found | None]:
    """Run many cases over cores or a cluster; few small ones stay in this process.

    Parameters
    ----------
    cases : sequence of Case
    over, workers, done
        As in :func:`headway.simulation.parallel.each`.

    Returns
    -------
    list
        In the order of the cases; None for those that an interrupt left undone.

    Examples
    --------
    >>> from headway.simulation.fleet import Fleet
    >>> from headway.simulation.step_times import fixed_times
    >>> from headway.simulation.study import generated
    >>> where = Deployment(True, "", fixed_times(0.02), Fleet(), 1, 1.0, ())
    >>> two = [Case(where, generated("poisson", rate, 10, 100, 1), Scheduler()) for rate in (1.0, 2.0)]
    >>> [found.outcome.served for found in run_all(two)]
    [10, 10]
    """
    place = place_for(sum(len(c.trace) for c in cases), over, workers)
    return each(found_of, cases, over=place, workers=workers, done=done)


def compare(
    deployment: Deployment,
    traces: Sequence[Trace],
    first: Scheduler,
    second: Scheduler,
    limits: Limits = NO_LIMITS,
    *,
    over: str = "processes",
    workers: int | None = None,
    done: Done | None = None,
) -> dict[str, Difference]:
    """Mean TTFT, TPOT and latency of the second rules less the first, with 95% intervals over the traces [s].

    Parameters
    ----------
    deployment : Deployment
    traces : sequence of Trace
        One for each seed; both rules serve each.
    first, second : Scheduler
    limits : Limits
    over, workers, done
        As in :func:`headway.simulation.parallel.each`.

    Returns
    -------
    dict
        After an interrupt over the seeds that both rules served.

    Raises
    ------
    InputError
        If fewer than two seeds were served.

    Examples
    --------
    >>> from headway.simulation.fleet import Fleet
    >>> from headway.simulation.step_times import fixed_times
    >>> from headway.simulation.study import generated
    >>> where = Deployment(True, "", fixed_times(0.02), Fleet(), 1, 1.0, ())
    >>> seeds = tuple(generated("poisson", 20.0, 200, 100, 8, seed=s) for s in range(3))
    >>> compare(where, seeds, Scheduler(), Scheduler(policy="static"))["latency_s"].mean > 0
    True
    """
    cases = [Case(deployment, trace, rules, limits) for trace in traces for rules in (first, second)]
    found = run_all(cases, over=over, workers=workers, done=done)
    pairs = [(a.outcome, b.outcome) for a, b in zip(found[::2], found[1::2], strict=True) if a and b]
    return {
        name: difference(*([float(getattr(pair[side], name).mean) for pair in pairs] for side in (0, 1)))
        for name in COMPARED
    }


def same_arrivals(traces: Sequence[Trace]) -> bool:
    """Whether nothing was drawn between the readings of a trace.

    >>> from headway.simulation.study import generated
    >>> same_arrivals([generated("poisson", 1.0, 5, 100, 1, seed=s) for s in (0, 1)])
    False
    """
    first = traces[0].arrival_s
    return all(np.array_equal(first, other.arrival_s, equal_nan=True) for other in traces[1:])


def compare_stretches(
    deployment: Deployment,
    trace: Trace,
    first: Scheduler,
    second: Scheduler,
    stretches: int,
    *,
    over: str = "processes",
    workers: int | None = None,
) -> dict[str, Difference]:
    """The same over stretches of one trace of which nothing is drawn: batch means, paired by request.

    Both rules serve the whole trace once; the differences of its requests, in the order of arrival, are cut into
    stretches of as many requests, and the interval is over the means of these (Law and Kelton, "Simulation modeling
    and analysis", section 9.5.3).

    Parameters
    ----------
    deployment, trace, first, second, over, workers
        As in :func:`compare`.
    stretches : int
        [1].

    Raises
    ------
    InputError
        If there are more stretches than requests, or only one.

    Examples
    --------
    >>> from headway.simulation.fleet import Fleet
    >>> from headway.simulation.step_times import fixed_times
    >>> from headway.simulation.study import generated
    >>> where = Deployment(True, "", fixed_times(0.02), Fleet(), 1, 1.0, ())
    >>> one = generated("poisson", 20.0, 200, 100, 8)
    >>> compare_stretches(where, one, Scheduler(), Scheduler(policy="static"), 5)["latency_s"].mean > 0
    True
    """
    cases = [Case(deployment, trace, rules) for rules in (first, second)]
    one, other = each(_times_of, cases, over=place_for(len(trace), over, workers), workers=workers)
    if one is None or other is None:
        raise InputError("comparison", "interrupted", "both runs to their ends")
    found = {}
    for name in COMPARED:
        both = np.stack([one[name], other[name]])
        good = both[:, np.isfinite(both).all(axis=0)]
        whole("seeds", stretches, least=2, most=max(good.shape[1], 2))
        means = [[float(part.mean()) for part in np.array_split(side, stretches)] for side in good]
        found[name] = difference(*means)
    return found


def _times_of(case: Case) -> dict[str, Floats]:
    return request_times(run(case.deployment, case.trace, case.scheduler, case.limits)[0])
