"""Reports of ``headway simulate``: a run, memories of several sizes, the largest rate, two policies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headway.cli._chart import Axis, Series, XYChart
from headway.cli._report import Cell, Column, Part, Quantity, Report, Table, facts_table

if TYPE_CHECKING:
    from headway.simulation.deploy import Deployment
    from headway.simulation.memories import MemoryOutcome
    from headway.simulation.outcome import Difference, Outcome
    from headway.simulation.replay import Replay
    from headway.simulation.study import Limits, Load
    from headway.simulation.sweep import Case, Found

_TIMES = (
    ("ttft_s", "time to first token"),
    ("tpot_s", "time per output token"),
    ("itl_s", "gap between tokens"),
    ("latency_s", "end to end"),
    ("queue_s", "queue"),
)


def run_report(title: str, case: Case, done: Replay, found: Found) -> Report:
    """One run: times, the series, the outcome and what the memories below gave."""
    figures = found.outcome
    rows = tuple((label, *_spread(figures, key)) for key, label in _TIMES)
    columns = (
        Column("time", "", align="left"),
        *(Column(f"{k}_s", k, "seconds") for k in ("mean", "p50", "p90", "p99")),
    )
    facts: list[tuple[str, Cell]] = [
        ("requests served", figures.served),
        ("rejected: too long", figures.rejected),
        ("requests per second", figures.requests_per_second),
        ("within limits", Quantity(figures.within_slo, "fraction")),
        ("output tokens per second", figures.output_tokens_per_second),
        ("engines in steps", Quantity(figures.utilisation, "fraction")),
        ("seats taken", Quantity(figures.occupancy, "fraction")),
        ("steps", figures.steps),
        ("steps with every seat taken", Quantity(figures.trains.full, "fraction")),
        ("steps with at most half of them", Quantity(figures.trains.half_empty, "fraction")),
        ("prompt tokens from cache, pooled", Quantity(figures.hit_rate, "fraction")),
        ("preemptions", figures.preemptions),
        ("per million output tokens", Quantity(figures.usd_per_mtok, "dollars")),
        ("energy per output token", Quantity(figures.joules_per_token, "joules")),
    ]
    stopped = f"interrupted: figures are of the {figures.served:,} requests served until then"
    parts: list[Part] = [Table("times", columns, rows), _series(done), facts_table("outcome", facts)]
    return Report(
        title,
        (*parts, *((memory_table(found.memories),) if found.memories else ())),
        notes=(*(() if done.complete else (stopped,)), *case.trace.notes[:3]),
        document=_document(title, found, case.deployment, done),
        data=_requests(done),
        exit_code=0 if done.complete else 1,
    )


def memory_table(memories: Sequence[MemoryOutcome]) -> Table:
    """One row for each memory below the engines'."""
    columns = (
        Column("tier", "tier", align="left"),
        Column("keeps", "keeps", align="left", priority=1),
        Column("capacity_bytes", "size", "bytes"),
        Column("hit_rate", "hit rate,\ntokens pooled", "fraction"),
        Column("loads", "loads", priority=2),
        Column("load_s", "mean\nload", "seconds"),
        Column("idle_s", "unused\nfor", "seconds"),
        Column("hold_break_even_s", "hold a token\nup to", "seconds"),
        Column("drain_s", "drain\ntime", "seconds", priority=2),
        Column("declined_bytes", "computed\nagain", "bytes", priority=1),
        Column("busy", "busy", "fraction", priority=1),
        Column("net_usd_per_hour", "net\nper hour", "dollars"),
    )
    return Table("tiers", columns, tuple(_memory_row(m) for m in memories), "Memories below the engines' own")


def _memory_row(m: MemoryOutcome) -> tuple[Cell, ...]:
    times = (m.load_s, m.idle_s, m.hold_break_even_s, m.drain_s)
    head = (m.name, kept(m), m.capacity, m.hit_rate, m.loads)
    return (*head, *times, m.declined_bytes, m.busy, m.net_usd_per_hour)


def kept(m: MemoryOutcome) -> str:
    """What a memory drops where it is full, and for how long it keeps."""
    from headway.facts.units import format_quantity

    return m.keeps if math.isinf(m.life_s) else f"{m.keeps}, {format_quantity(m.life_s, 'seconds')}"


def sizes_report(title: str, sizes: int, found: Sequence[Found | None]) -> Report:
    """Memories of several sizes, one row for each combination that was run."""
    ran = [one for one in found if one is not None]
    names = [m.name for m in ran[0].memories] if ran else []
    columns = (
        *(Column(f"{name}_bytes", _folded(name), "bytes") for name in names),
        Column("hit_rate_own", "own\nmemory", "fraction", priority=1),
        *(Column(f"{name}_hit_rate", f"from\n{_folded(name)}", "fraction") for name in names),
        Column("hit_rate", "hit rate,\nall", "fraction"),
        Column("ttft_mean_s", "TTFT,\nmean", "seconds"),
        Column("ttft_p99_s", "p99", "seconds", priority=1),
        Column("net_usd_per_hour", "net\nper hour", "dollars"),
    )
    rows = tuple(
        (
            *(m.capacity for m in one.memories),
            one.own_hit_rate,
            *(m.hit_rate for m in one.memories),
            one.outcome.hit_rate,
            one.outcome.ttft_s.mean,
            one.outcome.ttft_s.p99,
            one.net_usd_per_hour,
        )
        for one in ran
    )
    table = Table("sizes", columns, rows, "Hit rates, tokens pooled, by the sizes of the memories below the engines'")
    left = () if len(ran) == sizes else (f"interrupted: {len(ran)} of {sizes} sizes were run",)
    document = {"title": title, "sizes": [{"outcome": f.outcome, "tiers": _memories(f)} for f in ran]}
    return Report(title, (table,), notes=left, document=document, data=table, exit_code=1 if left else 0)


def _folded(name: str) -> str:
    """A device's name on two lines, so that its column is narrow."""
    return name.replace("-", "-\n", 1)


def _memories(found: Found) -> list[dict[str, Any]]:
    from dataclasses import fields

    return [
        {f.name: getattr(m, f.name) for f in fields(m)}
        | {"net_usd_per_hour": m.net_usd_per_hour, "life_s": None if math.isinf(m.life_s) else m.life_s}
        for m in found.memories
    ]


def _spread(found: Outcome, key: str) -> tuple[float, float, float, float]:
    s = getattr(found, key)
    return s.mean, s.p50, s.p90, s.p99


def _series(done: Replay) -> XYChart:
    at = done.series[:, 0].tolist()
    lines = (Series("running", at, done.series[:, 1].tolist()), Series("waiting", at, done.series[:, 2].tolist()))
    return XYChart("Requests over time", Axis("time", "seconds"), Axis("requests", "count"), lines)


def _requests(done: Replay) -> Table:
    from headway.simulation.requests import request_columns

    columns = request_columns(done)
    shown = tuple(Column(name, name, "seconds" if name.endswith("_s") else "") for name in columns)
    return Table("requests", shown, tuple(zip(*columns.values(), strict=True)))


def _document(title: str, found: Found, deployment: Deployment, done: Replay) -> dict[str, Any]:
    from dataclasses import fields

    return {
        "title": title,
        "feasible": True,
        "complete": done.complete,
        **{f.name: getattr(found.outcome, f.name) for f in fields(found.outcome)},
        **({"tiers": _memories(found), "hit_rate_own": found.own_hit_rate} if found.memories else {}),
        "blocks": deployment.fleet.blocks,
        "chips": deployment.chips,
        "series": {
            "time_s": done.series[:, 0],
            "running": done.series[:, 1],
            "waiting": done.series[:, 2],
            "blocks_held": done.series[:, 3],
            **({"tier_blocks": done.series[:, 7:].T} if found.memories else {}),
        },
        "assumptions": deployment.assumptions,
    }


def rate_report(title: str, found: Load, limits: Limits) -> Report:
    """The largest load that holds the limits."""
    from headway.facts.units import format_quantity

    rows: list[tuple[str, Any]] = [
        ("times the traffic's own rate", found.factor),
        ("requests per second", found.requests_per_second),
    ]
    share = format_quantity(limits.share, "fraction")
    short = (
        f"the run lasts {found.latencies:.3g} times the mean latency, too short for a queue to grow: more --requests"
    )
    return Report(
        title,
        (facts_table("rate", rows, f"Largest load at which {share} of requests hold the limits"),),
        notes=(f"{short} find a lower rate",) if found.short else (),
        document={
            "title": title,
            "rate_factor": found.factor,
            "requests_per_second": found.requests_per_second,
            "share": limits.share,
            "latencies": found.latencies,
        },
        exit_code=0 if found.factor > 0 else 1,
    )


def comparison_report(title: str, found: dict[str, Difference], what: str, over: str, seeds: int) -> Report:
    """Two policies and the interval of their difference."""
    rows = tuple((label, d.mean, d.low, d.high) for k, label in _TIMES if (d := found.get(k)) is not None)
    columns = (Column("time", "", align="left"), *(Column(f"{k}_s", k, "seconds") for k in ("mean", "low", "high")))
    table = Table("difference", columns, rows, f"{what}, 95% over {over}")
    return Report(title, (table,), document={"title": title, "difference": found, "seeds": seeds, "over": over})
