"""``headway simulate``: what every user of a deployment would have felt, by replay or drawn traffic."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from headway.cli._chart import Axis, Series, XYChart
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
from headway.cli._report import Column, Passage, Quantity, Report, Table, facts_table

if TYPE_CHECKING:
    from headway.simulation.deploy import Deployment
    from headway.simulation.outcome import Outcome
    from headway.simulation.replay import Progress, Replay
    from headway.simulation.scheduler import Scheduler
    from headway.simulation.study import Limits, Load
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


def _processes() -> tuple[str, ...]:
    from headway.simulation.arrivals import PROCESSES

    return tuple(PROCESSES)


@dataclass(frozen=True, slots=True)
class Run:
    """The options of ``headway simulate`` beside those of the deployment, in SI units; None where not given."""

    trace: str | None
    closed: bool
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


_OPTIONS = (
    click.option("--trace", type=CONFIG, help="Requests to replay: any format 'headway cache advise' reads."),
    click.option("--closed", is_flag=True, help="Sessions as a closed loop: a turn leaves after the last answer."),
    click.option("--rate", type=quantity("count", "1/s"), default="1", show_default=True, help="Requests per second."),
    click.option("--requests", type=integer(1, 20_000_000), default="2k", show_default=True, help="Requests to draw."),
    click.option("--arrivals", type=choice("process", _processes), default="poisson", help="How arrivals are drawn."),
    click.option("--cv", type=quantity("count", "number"), default="1", help="Coefficient of variation of the gaps."),
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
    from headway.facts.errors import InputError
    from headway.simulation.scheduler import Scheduler
    from headway.simulation.study import Limits, find_rate

    if given.trace and given.against:
        raise InputError("--against", given.against, "drawn traffic; a trace has no seeds")
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
    deployment, name = _deployment(asked, given, trace, scheduler)
    title = f"{name}: {len(trace):,} requests, {trace.name}"
    if not deployment.feasible:
        return Report(
            title,
            (Passage("infeasible", (deployment.reason,)),),
            document={"feasible": False, "reason": deployment.reason},
            exit_code=1,
        )
    if given.find:
        return _rate_report(title, find_rate(deployment, trace, scheduler, limits), limits)
    if given.against:
        return _comparison(title, asked, given, deployment, scheduler, limits)
    return _run_report(title, asked, deployment, trace, scheduler, limits)


def _traffic(asked: Asked, given: Run, seed: int) -> Trace:
    from headway.simulation.read import read_trace
    from headway.simulation.study import generated

    if given.trace:
        return read_trace(given.trace, closed=given.closed, seed=seed)
    return generated(given.arrivals, given.rate, given.requests, int(asked.isl), int(asked.osl), cv=given.cv, seed=seed)


def _deployment(asked: Asked, given: Run, trace: Trace, scheduler: Scheduler) -> tuple[Deployment, str]:
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
    )
    return found, f"{model.name} on {system.name}, {replicas} x {layout.label()}"


def _progress() -> Progress | None:
    """A line on a terminal's stderr with what is done."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, every: int, now: float) -> None:
        print(f"\r{done:,} of {every:,} requests, {now:,.0f} s simulated", end="", file=sys.stderr)

    return show


def _costs(asked: Asked, deployment: Deployment) -> Any:
    from headway.facts.errors import UnknownNameError
    from headway.serving.plan import watts_per_chip
    from headway.simulation.outcome import Costs

    system = read_systems(asked)[0]
    try:
        usd = read_prices(asked, system).usd_per_chip_hour
    except UnknownNameError:
        usd = float("nan")
    return Costs(deployment.chips, usd, watts_per_chip(system))


_TIMES = (
    ("ttft_s", "time to first token"),
    ("tpot_s", "time per output token"),
    ("itl_s", "gap between tokens"),
    ("latency_s", "end to end"),
    ("queue_s", "queue"),
)


def _run_report(
    title: str, asked: Asked, deployment: Deployment, trace: Trace, scheduler: Scheduler, limits: Limits
) -> Report:
    from headway.simulation.study import run

    done, found = run(deployment, trace, scheduler, limits, _costs(asked, deployment), progress=_progress())
    rows = tuple((label, *_spread(found, key)) for key, label in _TIMES)
    columns = (
        Column("time", "", align="left"),
        *(Column(f"{k}_s", k, "seconds") for k in ("mean", "p50", "p90", "p99")),
    )
    facts = facts_table(
        "outcome",
        [
            ("requests served", found.served),
            ("rejected: too long", found.rejected),
            ("requests per second", found.requests_per_second),
            ("within limits", Quantity(found.within_slo, "fraction")),
            ("output tokens per second", found.output_tokens_per_second),
            ("engines in steps", Quantity(found.utilisation, "fraction")),
            ("seats taken", Quantity(found.occupancy, "fraction")),
            ("steps", found.steps),
            ("prompt tokens from cache, pooled", Quantity(found.hit_rate, "fraction")),
            ("preemptions", found.preemptions),
            ("per million output tokens", Quantity(found.usd_per_mtok, "dollars")),
            ("energy per output token", Quantity(found.joules_per_token, "joules")),
        ],
    )
    stopped = () if done.complete else (f"interrupted: figures are of the {found.served:,} requests served until then",)
    return Report(
        title,
        (Table("times", columns, rows), _series(done), facts),
        notes=(*stopped, *trace.notes[:3]),
        document=_document(title, found, deployment, done),
        data=_requests(done),
        exit_code=0 if done.complete else 1,
    )


def _spread(found: Outcome, key: str) -> tuple[float, float, float, float]:
    s = getattr(found, key)
    return s.mean, s.p50, s.p90, s.p99


def _series(done: Replay) -> XYChart:
    at = done.series[:, 0].tolist()
    lines = (Series("running", at, done.series[:, 1].tolist()), Series("waiting", at, done.series[:, 2].tolist()))
    return XYChart("Requests over time", Axis("time", "seconds"), Axis("requests", "count"), lines)


def _requests(done: Replay) -> Table:
    from headway.simulation.outcome import request_times

    times = request_times(done)
    columns = (
        *(Column(k, k) for k in ("request", "input_tokens", "output_tokens", "arrival_s")),
        *(Column(k, k, "seconds") for k in times),
        *(Column(k, k) for k in ("hit_tokens", "preemptions", "engine")),
    )
    parts = (
        range(len(done.trace)),
        done.trace.input_tokens.tolist(),
        done.trace.output_tokens.tolist(),
        done.queued_s.tolist(),
        *(v.tolist() for v in times.values()),
        done.hit_tokens.tolist(),
        done.preemptions.tolist(),
        done.engine.tolist(),
    )
    return Table("requests", columns, tuple(zip(*parts, strict=True)))


def _document(title: str, found: Outcome, deployment: Deployment, done: Replay) -> dict[str, Any]:
    from dataclasses import fields

    return {
        "title": title,
        "feasible": True,
        "complete": done.complete,
        **{f.name: getattr(found, f.name) for f in fields(found)},
        "blocks": deployment.fleet.blocks,
        "chips": deployment.chips,
        "series": {
            "time_s": done.series[:, 0],
            "running": done.series[:, 1],
            "waiting": done.series[:, 2],
            "blocks_held": done.series[:, 3],
        },
        "assumptions": deployment.assumptions,
    }


def _rate_report(title: str, found: Load, limits: Limits) -> Report:
    from headway.facts.units import format_quantity

    rows: list[tuple[str, Any]] = [
        ("times the traffic's own rate", found.factor),
        ("requests per second", found.requests_per_second),
    ]
    share = format_quantity(limits.share, "fraction")
    return Report(
        title,
        (facts_table("rate", rows, f"Largest load at which {share} of requests hold the limits"),),
        document={
            "title": title,
            "rate_factor": found.factor,
            "requests_per_second": found.requests_per_second,
            "share": limits.share,
        },
        exit_code=0 if found.factor > 0 else 1,
    )


def _comparison(
    title: str, asked: Asked, given: Run, deployment: Deployment, scheduler: Scheduler, limits: Limits
) -> Report:
    from headway.simulation.study import compare, with_policy

    traces = tuple(_traffic(asked, given, given.seed + k) for k in range(given.seeds))
    found = compare(deployment, traces, scheduler, with_policy(scheduler, given.against or scheduler.policy), limits)
    rows = tuple((label, d.mean, d.low, d.high) for k, label in _TIMES if (d := found.get(k)) is not None)
    columns = (Column("time", "", align="left"), *(Column(f"{k}_s", k, "seconds") for k in ("mean", "low", "high")))
    table = Table("difference", columns, rows, f"{given.against} less {scheduler.policy}, 95% over seeds")
    return Report(title, (table,), document={"title": title, "difference": found, "seeds": given.seeds})
