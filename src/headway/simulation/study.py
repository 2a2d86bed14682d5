"""Questions to a deployment: one run, the largest rate."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headway.facts.check import fraction, positive, whole
from headway.facts.errors import InputError
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.physics.layout import Layout
from headway.serving.plan import plan, watts_per_chip
from headway.serving.workload import Prices, Workload
from headway.simulation.arrivals import DAY_S, arrivals
from headway.simulation.deploy import Deployment
from headway.simulation.generate import BLOCK_TOKENS
from headway.simulation.outcome import Costs, Outcome, largest_rate, outcome
from headway.simulation.replay import Progress, Replay, replay
from headway.simulation.scheduler import Scheduler
from headway.simulation.tiers import HOUR_S
from headway.simulation.trace import Trace, make_trace
from headway.simulation.transform import scale

#: A run of fewer mean latencies is mostly its own beginning and end.
LEAST_LATENCIES = 50.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a request, and the share of requests that must meet both.

    Parameters
    ----------
    ttft, tpot : float
        [s]
    share : float
        [1]
    """

    ttft: float = math.inf
    tpot: float = math.inf
    share: float = 0.99


@dataclass(frozen=True, slots=True)
class Load:
    """A load that a run found.

    Parameters
    ----------
    factor : float
        Times the trace's own rate [1].
    requests_per_second : float
        [1/s]; NaN without a span.
    latencies : float
        Length of the run at that load over the mean latency of its requests [1].
    """

    factor: float
    requests_per_second: float
    latencies: float = math.nan

    @property
    def short(self) -> bool:
        """Whether the run ended before a queue could grow, so that a longer one would find a lower load."""
        return self.latencies < LEAST_LATENCIES


def generated(
    process: str,
    rate: float,
    n: int,
    isl: int,
    osl: int,
    *,
    cv: float = 1.0,
    seed: int = 0,
    swing: float = 0.0,
    period_s: float = DAY_S,
    cache_hit: float = 0.0,
) -> Trace:
    """Requests of one shape whose arrivals are drawn; `swing` and `period_s` make a daily cycle of the rate.

    All prompts share the share `cache_hit` of their tokens, to the nearest whole block of 16: the first of each engine
    computes them, the others find them in its cache while it has room.

    >>> len(generated("poisson", 10.0, 5, 1000, 100))
    5
    >>> generated("poisson", 10.0, 5, 1000, 100, cache_hit=0.8).block_counts.tolist()
    [50, 50, 50, 50, 50]
    """
    whole("requests", n, most=20_000_000)
    positive("rate", rate, "1/s")
    at = arrivals(process, rate, n, np.random.default_rng(seed), cv=cv, swing=swing, period_s=period_s)
    shape = np.full(n, isl), np.full(n, osl)
    shared = round(float(fraction("cache_hit", cache_hit)) * isl / BLOCK_TOKENS)
    notes: tuple[str, ...] = (f"seed {seed}",)
    blocks: dict[str, Any] = {}
    if shared:
        notes += (f"all prompts share their first {min(shared * BLOCK_TOKENS, isl):,} tokens",)
        blocks = {"block_tokens": BLOCK_TOKENS, "runs": (np.arange(n + 1), np.zeros(n, np.int64), np.full(n, shared))}
    return make_trace(f"{process} {rate:g}/s", at, *shape, source="generated", notes=notes, **blocks)


def costs_of(system: System, prices: Prices | None, chips: int) -> Costs:
    """Rent and electricity of some chips of a system; dollars are NaN without prices.

    >>> from headway.facts.systems import system
    >>> free, paid = (costs_of(system("hgx-h200"), Prices(2.0, usd), 8) for usd in (0.0, 0.10))
    >>> round((paid.usd_per_chip_hour - free.usd_per_chip_hour) * 1e4 / free.watts, 6)
    1.0
    """
    watts = watts_per_chip(system)
    hourly = math.nan if prices is None else prices.usd_per_chip_second(watts) * HOUR_S
    return Costs(chips, hourly, watts)


def planned(model: Model, system: System, workload: Workload, prices: Prices, chips: int | None) -> tuple[Layout, int]:
    """Layout and number of replicas of the cheapest plan whose steps the simulator knows.

    Raises
    ------
    InputError
        If no plan is feasible; it says why.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> layout, replicas = planned(model("llama-3.1-8b"), system("hgx-h200"), Workload(1000, 200), Prices(2.0), 8)
    >>> int(layout.pp), replicas * int(layout.chips) <= 8
    (1, True)
    """
    found = plan(model, system, workload, prices=prices, chips=chips)
    fit = [
        p for p in found.plans if p.mode == "colocated" and int(p.layout.pp) == 1 and int(p.layout.micro_batches) == 1
    ]
    if not fit:
        raise InputError("deployment", found.reason or "none without pipeline", "a feasible plan, or a layout given")
    best = min(fit, key=lambda p: p.usd_per_mtok)
    return best.layout, best.workers


def run(
    deployment: Deployment,
    trace: Trace,
    scheduler: Scheduler,
    limits: Limits,
    costs: Costs | None = None,
    *,
    progress: Progress | None = None,
) -> tuple[Replay, Outcome]:
    """Replay and summarise.

    >>> from headway.simulation.fleet import Fleet
    >>> from headway.simulation.step_times import fixed_times
    >>> where = Deployment(True, "", fixed_times(0.02), Fleet(), 1, 1.0, ())
    >>> run(where, generated("poisson", 1.0, 10, 100, 1), Scheduler(), Limits())[1].served
    10
    """
    if deployment.times is None:
        raise InputError("deployment", deployment.reason, "one with room for its requests")
    done = replay(trace, deployment.times, scheduler, deployment.fleet, progress=progress)
    return done, outcome(done, costs, limits.ttft, limits.tpot)


def find_rate(deployment: Deployment, trace: Trace, scheduler: Scheduler, limits: Limits) -> Load:
    """Largest load that holds the limits, to 1%; inf where even a simultaneous arrival of all does.

    >>> from headway.simulation.fleet import Fleet
    >>> from headway.simulation.step_times import fixed_times
    >>> where = Deployment(True, "", fixed_times(0.02), Fleet(), 1, 1.0, ())
    >>> steady = generated("poisson", 1.0, 2000, 100, 1)
    >>> 8 < find_rate(where, steady, Scheduler(max_seqs=1), Limits(ttft=0.1)).factor < 50
    True
    """
    lengths: dict[float, float] = {}

    def holds(factor: float) -> bool:
        found = run(deployment, scale(trace, rate=factor), scheduler, limits)[1]
        if found.latency_s.mean > 0:
            lengths[factor] = found.span_s / found.latency_s.mean
        return found.within_slo >= limits.share

    factor = largest_rate(holds, 1.0)
    own = len(trace) / trace.span_s if trace.span_s else math.nan
    return Load(factor, factor * own, lengths.get(factor, lengths[max(lengths)] if lengths else math.nan))


def with_policy(scheduler: Scheduler, policy: str) -> Scheduler:
    """The same rules under another policy."""
    return replace(scheduler, policy=policy)
