"""``headway train plan``: search the layouts of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from headway.cli._chart import BarChart
from headway.cli._output import output_options
from headway.cli._params import MODEL, PRECISION, SYSTEM, TIME, TOKENS, choice, integer, listed, quantity
from headway.cli._report import Column, Part, Report, Table

if TYPE_CHECKING:
    from headway.facts.hardware import System
    from headway.facts.model import Model
    from headway.training.operations import Checkpointing
    from headway.training.plan import TrainPlan, TrainSearch


def _schedules() -> tuple[str, ...]:
    from headway.training.schedules import SCHEDULES

    return tuple(SCHEDULES)


def _policies() -> tuple[str, ...]:
    from headway.training.memory import POLICIES

    return tuple(POLICIES)


@click.command()
@click.argument("model", type=MODEL)
@click.option("--on", "system", type=SYSTEM, required=True, help="System to train on.")
@click.option("--gpus", type=integer(1, 1_000_000), required=True, help="Chips.")
@click.option("--tokens", type=TOKENS, default="15T", show_default=True, help="Tokens to train on.")
@click.option("--batch", type=integer(1, 1_000_000), default="2048", show_default=True, help="Sequences of a step.")
@click.option("--context", type=integer(1, 10_000_000), default="8192", show_default=True, help="Tokens of each.")
@click.option("--precision", type=PRECISION, default="bf16", show_default=True, help="Format of the products.")
@click.option(
    "--schedule",
    type=listed(choice("schedule", _schedules)),
    default="interleaved",
    show_default=True,
    help="Pipeline schedules to search; interleaved with one chunk is 1F1B.",
)
@click.option(
    "--recompute",
    type=listed(choice("recompute", _policies)),
    default="store,full",
    show_default=True,
    help="What to do with activations: store, selective, full, reversible.",
)
@click.option(
    "--reserve",
    type=quantity("bytes"),
    help="Memory of a chip that holds no tensors; by default 0.3 GB and 688 MiB for each kind of rank.",
)
@click.option("--tp", type=integer(1, 1024), help="Show layouts with so many tensor ranks, and where they stand.")
@click.option("--cp", type=integer(1, 1024), help="With so many context ranks.")
@click.option("--ep", type=integer(1, 4096), help="With so many expert ranks.")
@click.option("--pp", type=integer(1, 1024), help="With so many stages.")
@click.option("--price", type=quantity("dollars_per_gpu_hour"), help="Of one chip for one hour.")
@click.option("--mtbf", type=TIME, default="50000h", show_default=True, help="Between failures of one chip.")
@click.option("--checkpoint", type=TIME, default="30s", show_default=True, help="Standstill of one checkpoint.")
@click.option("--restart", type=TIME, default="10min", show_default=True, help="From a failure to the next step.")
@click.option("--count", type=integer(1, 100), default="5", show_default=True, help="Layouts to show.")
@output_options
def plan(
    model: Model,
    system: System,
    gpus: int,
    tokens: float,
    batch: int,
    context: int,
    precision: str,
    schedule: tuple[str, ...],
    recompute: tuple[str, ...],
    reserve: float | None,
    tp: int | None,
    cp: int | None,
    ep: int | None,
    pp: int | None,
    price: float | None,
    mtbf: float,
    checkpoint: float,
    restart: float,
    count: int,
) -> Report:
    """Search the layouts of training MODEL on so many chips; the fastest that fit come first.

    Example: headway train plan llama-3.1-405b --on hgx-h100 --gpus 16384 --tokens 15.6T
    """
    from headway.training.operations import checkpointing
    from headway.training.plan import plan_training

    degrees = {k: v for k, v in (("tp", tp), ("cp", cp), ("ep", ep), ("pp", pp)) if v is not None}
    found = plan_training(
        model,
        system,
        gpus,
        batch,
        context,
        precision=precision,
        schedules=schedule,
        policies=recompute,
        count=count,
        reserve=reserve,
        degrees=degrees,
    )
    kept = checkpointing(gpus, mtbf, checkpoint, restart)
    from headway.facts.units import format_quantity

    size = f"{batch:,} x {context:,} a step"
    head = f"{model.name}: {format_quantity(tokens, 'tokens')} on {gpus:,} x {system.chip.name}, {size}"
    if not found.plans:
        return Report(
            title=head, notes=(found.reason, *found.left_out), document=_document(found, (), kept), exit_code=1
        )
    rows = [_row(p, system, gpus, tokens, kept, price) for p in found.plans]
    best = found.plans[0]
    parts: list[Part] = [
        _table(rows),
        BarChart(
            "One step of the fastest", "seconds", tuple((n, float(v)) for n, v in best.step.parts if float(v) > 0)
        ),
        BarChart(
            "Memory of its fullest chip", "bytes", tuple((n, float(v)) for n, v in best.step.memory.kinds().items())
        ),
    ]
    return Report(
        title=head,
        parts=tuple(parts),
        notes=(
            f"{found.candidates:,} layouts timed, {found.fitting:,} fit; MFU against the dense {precision} peak",
            *found.left_out,
            *_priced(rows[0]["usd_per_gpu_hour"], given=price is not None),
            *_standing(found, asked=bool(degrees)),
            f"goodput {kept.goodput:.1%}: a failure every {kept.fleet_mtbf / 3600:.3g} h, a checkpoint every"
            f" {kept.interval / 60:.3g} min (Young)",
            *best.step.assumptions,
        ),
        document=_document(found, rows, kept),
        data=_table(rows),
        exit_code=0,
    )


def _priced(usd_per_hour: float | None, *, given: bool) -> tuple[str, ...]:
    if usd_per_hour is None:
        return ()
    whose = "" if given else ", the system's first tariff; --price takes another"
    return (f"cost at ${usd_per_hour:g}/GPU-h{whose}",)


def _standing(found: TrainSearch, *, asked: bool) -> tuple[str, ...]:
    from headway.training.plan import rank_of, slower_by

    if not asked:
        return ()
    mine = float(found.plans[0].step.seconds)
    return (
        f"the fastest of those asked for takes {slower_by(found, mine):.1%} longer than the fastest that fits;"
        f" {rank_of(found, mine):.1%} of all that fit are faster",
    )


_COLUMNS: Final = (
    Column("layout", "layout", align="left", fold=True),
    Column("schedule", "schedule", align="left", priority=3),
    Column("chunks", "chunks", priority=3),
    Column("micro_batch", "micro", priority=2),
    Column("recompute", "recompute", align="left", priority=2),
    Column("zero", "ZeRO", priority=4),
    Column("step_s", "step", "seconds"),
    Column("mfu", "MFU", "fraction"),
    Column("tokens_per_s_per_gpu", "tok/s\n/GPU", "count"),
    Column("bubble", "bubble", "fraction", priority=1),
    Column("memory_bytes", "memory", "bytes"),
    Column("days", "days"),
    Column("gpu_hours", "GPU-h", "count", priority=1),
    Column("usd", "cost", "dollars"),
    Column("joules", "energy", "joules", priority=4),
)


def _row(
    p: TrainPlan, system: System, gpus: int, tokens: float, kept: Checkpointing, price: float | None
) -> dict[str, Any]:
    from headway.training.operations import run_cost

    rate = float(p.step.tokens_per_second_per_chip)
    cost = run_cost(system, gpus, rate, tokens, kept.goodput, price)
    known = cost.usd == cost.usd
    return {
        "layout": p.layout.label(),
        "schedule": p.recipe.schedule if p.recipe.chunks > 1 or p.recipe.schedule != "interleaved" else "1f1b",
        "chunks": p.recipe.chunks,
        "micro_batch": p.recipe.micro_batch,
        "recompute": p.recipe.recompute,
        "zero": p.recipe.zero,
        "step_s": float(p.step.seconds),
        "mfu": float(p.step.mfu),
        "tokens_per_s_per_gpu": rate,
        "bubble": float(p.step.bubble),
        "memory_bytes": float(p.step.memory.total),
        "days": round(cost.seconds / 86400.0, 1),
        "gpu_hours": cost.chip_hours,
        "usd": cost.usd if known else None,
        "usd_per_gpu_hour": cost.usd_per_chip_hour if known else None,
        "joules": cost.joules if cost.joules == cost.joules else None,
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    return Table("plans", _COLUMNS, tuple(tuple(row[c.key] for c in _COLUMNS) for row in rows))


def _document(found: TrainSearch, rows: Any, kept: Checkpointing) -> dict[str, Any]:
    from headway.training.plan import rank_of, slower_by

    best = found.plans[0].step if found.plans else None
    return {
        "feasible": bool(found.plans),
        "reason": found.reason,
        "left_out": list(found.left_out),
        "candidates": found.candidates,
        "fitting": found.fitting,
        "plans": list(rows),
        "time_over_fastest": None if best is None else 1.0 + slower_by(found, float(best.seconds)),
        "share_faster": None if best is None else rank_of(found, float(best.seconds)),
        "step_s_by_part": {} if best is None else {name: float(v) for name, v in best.parts},
        "memory_bytes_by_kind": {} if best is None else {k: float(v) for k, v in best.memory.kinds().items()},
        "goodput": kept.goodput,
        "checkpoint_interval_s": kept.interval,
        "fleet_mtbf_s": kept.fleet_mtbf,
        "assumptions": [] if best is None else list(best.assumptions),
        "sources": [{"text": s.text, "kind": s.kind, "retrieved": s.retrieved} for s in found.sources],
    }
