"""Questions to a deployment: one run, the largest rate."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from headway.facts.check import positive, whole
from headway.facts.errors import InputError
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.physics.layout import Layout
from headway.serving.plan import plan
from headway.serving.workload import Prices, Workload
from headway.simulation.arrivals import DAY_S, arrivals
from headway.simulation.deploy import Deployment
from headway.simulation.outcome import Costs, Outcome, largest_rate, outcome
from headway.simulation.replay import Progress, Replay, replay
from headway.simulation.scheduler import Scheduler
from headway.simulation.trace import Trace, make_trace
from headway.simulation.transform import scale


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
    """A load as a multiple of a trace's own rate [1], and in requests per second [1/s] (NaN without a span)."""

    factor: float
    requests_per_second: float


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
) -> Trace:
    """Requests of one shape whose arrivals are drawn; `swing` and `period_s` make a daily cycle of the rate.

    >>> len(generated("poisson", 10.0, 5, 1000, 100))
    5
    """
    whole("requests", n, most=20_000_000)
    positive("rate", rate, "1/s")
    at = arrivals(process, rate, n, np.random.default_rng(seed), cv=cv, swing=swing, period_s=period_s)
    shape = np.full(n, isl), np.full(n, osl)
    return make_trace(f"{process} {rate:g}/s", at, *shape, source="generated", notes=(f"seed {seed}",))


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

    def holds(factor: float) -> bool:
        found = run(deployment, scale(trace, rate=factor), scheduler, limits)[1]
        return found.within_slo >= limits.share

    factor = largest_rate(holds, 1.0)
    own = len(trace) / trace.span_s if trace.span_s else math.nan
    return Load(factor, factor * own)


def with_policy(scheduler: Scheduler, policy: str) -> Scheduler:
    """The same rules under another policy."""
    return replace(scheduler, policy=policy)
