"""``headway simulate``: what every user of a deployment would have felt, by replay or drawn traffic."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import click

from headway.cli._deployment import (
    Asked,
    deployment_options,
    read_calibration,
    read_model,
    read_precision,
    read_prices,
    read_systems,
)
from headway.cli._output import output_options
from headway.cli._params import CONFIG, FRACTION, TIME, choice, integer, quantity
from headway.cli._progress import progress_bar
from headway.cli._report import Passage, Report
from headway.cli._simulate_misuse import refuse_misuse
from headway.cli._simulate_report import comparison_report, rate_report, run_report, sizes_report
from headway.cli._tier_option import TIER, TierAsked

if TYPE_CHECKING:
    from headway.simulation.deploy import Deployment
    from headway.simulation.memories import MemoryTier
    from headway.simulation.outcome import Costs
    from headway.simulation.scheduler import Scheduler
    from headway.simulation.study import Limits
    from headway.simulation.trace import Trace


def _policies() -> tuple[str, ...]:
    from headway.simulation.scheduler import POLICIES

    return tuple(POLICIES)


def _routers() -> tuple[str, ...]:
    from headway.simulation.scheduler import ROUTERS

    return tuple(ROUTERS)


def _preemptions() -> tuple[str, ...]:
    from headway.simulation.scheduler import PREEMPTIONS

    return tuple(PREEMPTIONS)


def _places() -> tuple[str, ...]:
    from headway.simulation.parallel import PLACES

    return tuple(PLACES)


def _processes() -> tuple[str, ...]:
    from headway.simulation.arrivals import PROCESSES

    return tuple(PROCESSES)


@dataclass(frozen=True, slots=True)
class Run:
    """The options of ``headway simulate`` beside those of the deployment, in SI units; None where not given."""

    trace: str | None
    closed: bool
    speed: float
    session_gap: float
    rate: float
    requests: int
    arrivals: str
    cv: float
    seed: int
    tp: int | None
    dp: int
    ep: int
    replicas: int | None
    prefillers: int
    policy: str
    max_seqs: int
    budget: int
    every: float | None
    watermark: float
    preemption: str
    router: str
    lanes: int
    blocks: int | None
    no_cache: bool
    find: str | None
    share: float
    against: str | None
    seeds: int
    tier: tuple[TierAsked, ...]
    write_through: bool
    per_request: str | None
    over: str
    workers: int | None
    swing: float
    period: float
    autoscale: float | None


_OPTIONS = (
    click.option("--trace", type=CONFIG, help="Requests to replay: any format 'headway cache advise' reads."),
    click.option("--closed", is_flag=True, help="Sessions as a closed loop: a turn leaves after the last answer."),
    click.option("--speed", type=quantity("count", "number"), default="1", help="Times the trace's own rate."),
    click.option("--session-gap", type=TIME, default="60 s", help="Between sessions, where a file has no calendar."),
    click.option(
        "--rate", type=quantity("requests_per_second", "rate"), default="1 req/s", show_default=True, help="Load."
    ),
    click.option("--requests", type=integer(1, 20_000_000), default="2k", show_default=True, help="Requests to draw."),
    click.option("--arrivals", type=choice("process", _processes), default="poisson", help="How arrivals are drawn."),
    click.option("--cv", type=quantity("count", "number"), default="1", help="Coefficient of variation of the gaps."),
    click.option("--swing", type=FRACTION, default="0%", help="Peak of the rate over its mean, less one."),
    click.option("--period", type=TIME, default="24 h", help="Of that cycle."),
    click.option("--seed", type=integer(0, 2**31), default="0", help="Of what is drawn."),
    click.option("--tp", type=integer(1, 1024), help="Tensor parallel; the cheapest plan's layout by default."),
    click.option("--dp", type=integer(1, 1024), default="1", help="Attention-data ranks of a replica, with --tp."),
    click.option("--ep", type=integer(1, 1024), default="1", help="Expert parallel, with --tp."),
    click.option("--replicas", type=integer(1, 4096), help="Engines; those of the plan, or 1 with --tp."),
    click.option("--prefillers", type=integer(0, 4095), default="0", help="Engines set apart for prefill."),
    click.option("--policy", type=choice("policy", _policies), default="chunked", show_default=True),
    click.option("--max-seqs", type=integer(1, 65_536), default="256", show_default=True, help="Seats of a rank."),
    click.option("--budget", type=integer(1, 1_000_000), default="2048", show_default=True, help="Tokens of a step."),
    click.option("--every", type=TIME, help="Steps leave on a clock, as '20 ms'."),
    click.option("--watermark", type=FRACTION, default="0", help="Share of the blocks that admission leaves free."),
    click.option("--preemption", type=choice("way", _preemptions), default="recompute", show_default=True),
    click.option("--router", type=choice("router", _routers), default="least-loaded", show_default=True),
    click.option("--lanes", type=integer(1, 16), default="1", help="Priorities told apart."),
    click.option("--blocks", type=integer(1), help="Cache blocks of a rank, as the engine reports them."),
    click.option("--no-cache", is_flag=True, help="Keep no prefixes."),
    click.option("--find", type=choice("figure", lambda: ("rate",)), help="The largest rate that holds the limits."),
    click.option("--share", type=FRACTION, default="0.99", help="Share of requests that must hold them, for --find."),
    click.option("--against", type=choice("policy", _policies), help="Compare with this policy over --seeds."),
    click.option("--seeds", type=integer(2, 100), default="5", help="Runs of each policy, for --against."),
    click.option("--autoscale", type=TIME, help="Replicas that each window of this length needs for the limits."),
    click.option(
        "--tier",
        type=TIER,
        multiple=True,
        help="A memory below the engines', as ddr=512GB or flash=4TB:lfu:1h, nearest first.",
    ),
    click.option("--write-through", is_flag=True, help="Tiers get blocks when they are made, not when dropped above."),
    click.option("--per-request", type=CONFIG, help="Write a row per request to this .csv, .csv.gz or .parquet."),
    click.option("--over", type=choice("place", _places), default="processes", help="Where many runs go: here, ray."),
    click.option("--workers", type=integer(1, 4096), help="Runs at a time; all cores by default."),
)


def _run_options(function: Callable[[Asked, Run], Report]) -> Callable[..., Report]:
    """Add the options of a run; the function gets them as its second argument."""
    names = tuple(entry.name for entry in fields(Run))

    @functools.wraps(function)
    def gather(asked: Asked, **given: Any) -> Report:
        own = {name: given.pop(name) for name in names}
        return function(asked, Run(**own), **given)

    found: Callable[..., Report] = gather
    for option in reversed(_OPTIONS):
        found = option(found)
    return found


@click.command()
@deployment_options
@_run_options
@output_options
def simulate(asked: Asked, given: Run) -> Report:
    """Serve requests one by one on a deployment of MODEL; every user's times, and what it cost.

    Example: headway simulate llama-3.1-8b --on hgx-h200 --tp 1 --rate 5 --isl 1k --osl 200
    """
    from headway.simulation.requests import check_requests_path
    from headway.simulation.scheduler import Scheduler
    from headway.simulation.study import Limits, find_rate

    refuse_misuse(asked, given)
    if given.per_request:
        check_requests_path(given.per_request)
    scheduler = Scheduler(
        policy=given.policy,
        max_seqs=given.max_seqs,
        token_budget=given.budget,
        watermark=given.watermark,
        prefix_cache=not given.no_cache,
        preemption=given.preemption,
        period_s=given.every or 0.0,
        router=given.router,
        lanes=given.lanes,
        draft=asked.draft,
        acceptance=1.0 if asked.acceptance is None else asked.acceptance,
    )
    limits = Limits(asked.ttft, asked.tpot, given.share)
    trace = _traffic(asked, given, given.seed)
    sizes = _sizes(given, trace)
    deployment, name = _deployment(asked, given, trace, scheduler, sizes[0])
    title = f"{name}: {len(trace):,} requests, {trace.name}"
    if not deployment.feasible:
        return Report(
            title,
            (Passage("infeasible", (deployment.reason,)),),
            document={"feasible": False, "reason": deployment.reason},
            exit_code=1,
        )
    if given.find:
        report = rate_report(title, find_rate(deployment, trace, scheduler, limits), limits)
    elif given.autoscale:
        report = _autoscale(title, asked, given, deployment, scheduler, limits, trace)
    elif given.against:
        report = _comparison(title, asked, given, deployment, scheduler, limits, trace)
    elif len(sizes) > 1:
        report = _sizes_report(title, asked, given, trace, scheduler, limits, sizes)
    else:
        report = _run(title, asked, given, deployment, trace, scheduler, limits)
    notes = (*report.notes, *deployment.notes)
    return replace(report, notes=notes, document={**report.document, "notes": list(notes)})


def _run(
    title: str,
    asked: Asked,
    given: Run,
    deployment: Deployment,
    trace: Trace,
    scheduler: Scheduler,
    limits: Limits,
) -> Report:
    from headway.simulation.requests import write_requests
    from headway.simulation.sweep import Case, replayed

    case = Case(deployment, trace, scheduler, limits, _costs(asked, deployment))
    with progress_bar("requests") as show:
        done, found = replayed(case, show)
    if given.per_request:
        write_requests(done, given.per_request)
    return run_report(title, case, done, found)


def _sizes(given: Run, trace: Trace) -> list[tuple[MemoryTier, ...]]:
    """Every combination of the sizes asked for; one without memories where none are."""
    from headway.facts.errors import InputError
    from headway.simulation.memories import memory_tier

    if given.tier and (not trace.block_tokens or given.no_cache):
        accepted = "a trace with block ids: a memory keeps blocks of prompts"
        raise InputError("--tier", given.tier[0].name, accepted if not trace.block_tokens else "no --no-cache with it")
    if (given.find or given.autoscale or given.against) and any(len(tier.sizes) > 1 for tier in given.tier):
        raise InputError("--tier", "of several sizes", "one size with --find, --autoscale and --against")
    kinds = [
        [memory_tier(tier.name, size, tier.rate, keeps=tier.keeps, life_s=tier.life) for size in tier.sizes]
        for tier in given.tier
    ]
    return list(itertools.product(*kinds))


def _sizes_report(
    title: str,
    asked: Asked,
    given: Run,
    trace: Trace,
    scheduler: Scheduler,
    limits: Limits,
    sizes: list[tuple[MemoryTier, ...]],
) -> Report:
    from headway.simulation.sweep import Case, run_all

    fleets = [_deployment(asked, given, trace, scheduler, below)[0] for below in sizes]
    cases = [Case(where, trace, scheduler, limits, _costs(asked, where)) for where in fleets]
    with progress_bar("runs") as show:
        found = run_all(cases, over=given.over, workers=given.workers, done=show)
    return sizes_report(title, len(sizes), found)


def _comparison(
    title: str,
    asked: Asked,
    given: Run,
    deployment: Deployment,
    scheduler: Scheduler,
    limits: Limits,
    trace: Trace,
) -> Report:
    from headway.simulation.study import with_policy
    from headway.simulation.sweep import compare, compare_stretches, same_arrivals

    other = with_policy(scheduler, given.against or scheduler.policy)
    what = f"{other.policy} less {scheduler.policy}"
    traces = (trace, *(_traffic(asked, given, given.seed + k) for k in range(1, given.seeds)))
    places: dict[str, Any] = {"over": given.over, "workers": given.workers}
    if same_arrivals(traces):
        found = compare_stretches(deployment, trace, scheduler, other, given.seeds, **places)
        return comparison_report(title, found, what, f"{given.seeds} stretches of the trace", given.seeds)
    with progress_bar("runs") as show:
        found = compare(deployment, traces, scheduler, other, limits, done=show, **places)
    return comparison_report(title, found, what, "seeds", given.seeds)


def _autoscale(
    title: str,
    asked: Asked,
    given: Run,
    deployment: Deployment,
    scheduler: Scheduler,
    limits: Limits,
    trace: Trace,
) -> Report:
    from headway.cli._autoscale_report import autoscale_report
    from headway.simulation.autoscale import follow_the_load

    places: dict[str, Any] = {"over": given.over, "workers": given.workers}
    with progress_bar("windows") as show:
        found = follow_the_load(deployment, trace, scheduler, limits, given.autoscale or 0.0, done=show, **places)
    return autoscale_report(title, found, _costs(asked, deployment).usd_per_chip_hour)


def _traffic(asked: Asked, given: Run, seed: int) -> Trace:
    from headway.simulation.read import read_trace
    from headway.simulation.study import generated
    from headway.simulation.transform import scale

    if given.trace:
        trace = read_trace(given.trace, closed=given.closed, session_gap_s=given.session_gap, seed=seed)
        return trace if given.speed == 1 else scale(trace, rate=given.speed)
    shape = given.arrivals, given.rate, given.requests, int(asked.isl), int(asked.osl)
    cycle: dict[str, Any] = {"swing": given.swing, "period_s": given.period}
    return generated(*shape, cv=given.cv, seed=seed, cache_hit=asked.cache_hit, **cycle)


def _deployment(
    asked: Asked, given: Run, trace: Trace, scheduler: Scheduler, memories: tuple[MemoryTier, ...] = ()
) -> tuple[Deployment, str]:
    from headway.cli._deployment import read_workload
    from headway.facts.errors import InputError
    from headway.physics.layout import Layout
    from headway.simulation.deploy import deploy
    from headway.simulation.study import planned

    if len(asked.on) != 1:
        raise InputError("--on", ",".join(asked.on), "one system")
    model, system, own = read_model(asked), read_systems(asked)[0], read_calibration(asked)
    if given.tp is None:
        layout, replicas = planned(model, system, read_workload(asked), read_prices(asked, system), asked.gpus)
    else:
        layout, replicas = Layout(tp=given.tp, dp=given.dp, ep=given.ep), 1
    replicas = given.replicas or replicas
    found = deploy(
        model,
        system,
        layout,
        trace,
        scheduler,
        replicas=replicas,
        prefillers=given.prefillers,
        precision=read_precision(model, asked.weights, asked.kv),
        efficiency=None if own is None else own.efficiency(system),
        blocks=given.blocks,
        memories=memories,
        write_through=given.write_through,
    )
    return found, f"{model.name} on {system.name}, {replicas} x {layout.label()}"


def _costs(asked: Asked, deployment: Deployment) -> Costs:
    from headway.facts.errors import UnknownNameError
    from headway.simulation.study import costs_of

    system = read_systems(asked)[0]
    try:
        prices = read_prices(asked, system)
    except UnknownNameError:
        prices = None
    return costs_of(system, prices, deployment.chips)
