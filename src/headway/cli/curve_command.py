"""``headway curve``: time, cost and speed of a decode pass against batch or context."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from headway.cli._chart import Axis, Marker, Series, XYChart
from headway.cli._deployment import (
    Asked,
    context_notes,
    pass_options,
    read_calibration,
    read_model,
    read_precision,
    read_prices,
    read_systems,
)
from headway.cli._output import explain_option, output_options
from headway.cli._params import choice, integer, quantity
from headway.cli._report import Column, Part, Passage, Report, Table

if TYPE_CHECKING:
    from headway.serving.curve import Curve

DRAWINGS = ("time", "cost", "speed")


@click.command()
@pass_options
@click.option("--over", type=choice("axis", lambda: ("batch", "context")), default="batch", help="batch or context.")
@click.option("--show", type=choice("drawing", lambda: DRAWINGS), default="time", help="time, cost or speed.")
@click.option("--batch", type=quantity("count"), default="64", help="Sequences per pass, when over context.")
@click.option("--context", type=quantity("tokens"), default="4k", help="Tokens in each cache, when over batch.")
@click.option("--tp", type=integer(), default="1", help="Tensor parallel degree.")
@click.option("--dp", type=integer(), default="1", help="Attention-data parallel degree.")
@click.option("--ep", type=integer(), default="1", help="Expert parallel degree.")
@click.option("--pp", type=integer(), default="1", help="Pipeline stages.")
@click.option("--cp", type=integer(), default="1", help="Context parallel degree.")
@click.option("--points", type=integer(2, 1000), default="12", help="Rows of the table.")
@explain_option
@output_options
def curve(
    asked: Asked,
    over: str,
    show: str,
    batch: float,
    context: float,
    tp: int,
    dp: int,
    ep: int,
    pp: int,
    cp: int,
    points: int,
    explain: bool,
) -> Report:
    """Draw one decode pass of MODEL against batch or context, with the balance points marked.

    Example: headway curve deepseek-v3 --on gb200-nvl72 --dp 72 --ep 72 --context 8k
    """
    from headway.physics.layout import Layout
    from headway.serving import curve as room

    model = read_model(asked)
    precision = read_precision(model, asked.weights, asked.kv)
    layout = Layout(tp=tp, ep=ep, dp=dp, pp=pp, cp=cp)
    parts: list[Part] = []
    notes: list[str] = []
    drawn = []
    own = read_calibration(asked)
    for system in read_systems(asked):
        prices = read_prices(asked, system) if asked.price or system.tariffs else None
        found = room.curve(
            model,
            system,
            layout,
            over="batch" if over == "batch" else "context",
            batch=batch,
            context=context,
            prices=prices,
            precision=precision,
            efficiency=None if own is None else own.efficiency(system),
        )
        drawn.append(found)
        parts.append(draw(found, show))
        parts.append(_table(found, points))
        notes.extend(_notes(found))
        if explain:
            parts.append(Passage("Blackboard", (found.terms.latex(), *found.terms.assumptions)))
    return Report(
        title=f"{model.name}, {layout.label()}: one decode pass over {over}, {_beside(drawn[0])}",
        parts=tuple(parts),
        notes=(*notes, *context_notes(model, context if over == "batch" else 0.0)),
        document={"curves": [_document(c) for c in drawn]},
    )


def draw(found: Curve, show: str) -> XYChart:
    """The chart asked for: time with its lines, cost, or speed per user and chip."""
    x = Axis(
        "sequences per pass" if found.over == "batch" else "tokens of context",
        "count" if found.over == "batch" else "tokens",
        log=True,
    )
    xs = [float(v) for v in found.x]

    def line(name: str, values: object) -> Series:
        return Series(name, xs, [float(v) for v in values])  # type: ignore[attr-defined]

    marks = tuple(
        Marker(value, label)
        for value, label in (
            (found.balance_batch if found.over == "batch" else found.balance_context, "balance"),
            (found.largest_batch if found.over == "batch" else found.longest_context, "memory full"),
        )
        if xs[0] <= value <= xs[-1]
    )
    where = f"{found.system}, {found.layout.label()}"
    if show == "cost":
        y = Axis("$/Mtok", "dollars", log=True)
        return XYChart(f"Cost per million output tokens ({where})", x, y, (line("kernel", found.usd_per_mtok),), marks)
    if show == "speed":
        y = Axis("tok/s", "count", log=True)
        rates = (
            line("per user", found.tokens_per_second_per_user),
            line("per GPU", found.tokens_per_second_per_chip),
        )
        return XYChart(f"Output tokens per second ({where})", x, y, rates, marks)
    lines = (line("kernel", found.seconds), *(line(name, values) for name, values in found.lines))
    return XYChart(f"Seconds of one pass ({where})", x, Axis("time", "seconds", log=True), lines, marks)


def _table(found: Curve, points: int) -> Table:
    names = [name for name, _ in found.lines]
    unit = "count" if found.over == "batch" else "tokens"
    columns = (
        Column(found.over, found.over, unit),
        Column("seconds", "kernel", "seconds"),
        *(Column(f"{name}_s", name, "seconds", priority=3) for name in names),
        Column("tokens_per_second_per_user", "tok/s\nuser", "count"),
        Column("tokens_per_second_per_chip", "tok/s\nGPU", "count"),
        Column("usd_per_mtok", "$/Mtok", "dollars", priority=1),
        Column("binding", "binds", align="left", priority=2),
        Column("fits", "fits", align="left"),
    )
    from headway.serving.curve import row_indices

    rows = tuple(
        (
            float(found.x[i]),
            float(found.seconds[i]),
            *(float(values[i]) for _, values in found.lines),
            float(found.tokens_per_second_per_user[i]),
            float(found.tokens_per_second_per_chip[i]),
            float(found.usd_per_mtok[i]) if found.fits[i] and not math.isnan(found.usd_per_mtok[i]) else None,
            str(found.binding[i]),
            "yes" if found.fits[i] else "no",
        )
        for i in row_indices(found, points)
    )
    return Table(f"curve_{found.system}", columns, rows, found.system)


def _beside(found: Curve) -> str:
    """What the curve was drawn for beside its axis."""
    return f"context {found.fixed:,.0f} tokens" if found.over == "batch" else f"batch {found.fixed:,.0f}"


def _notes(found: Curve) -> tuple[str, ...]:
    def shown(value: float, unit: str) -> str:
        return f"{value:,.0f} {unit}" if math.isfinite(value) else "none"

    if found.over == "batch":
        room = f"{found.largest_batch:,.0f} sequences of {found.fixed:,.0f} tokens fit in memory"
    elif found.longest_context:
        room = f"{found.fixed:,.0f} sequences fit in memory up to a context of {found.longest_context:,.0f} tokens"
    else:
        room = f"{found.fixed:,.0f} sequences fit in memory at no context"
    return (
        f"{found.system}: balance batch {shown(found.balance_batch, 'sequences')}, "
        f"balance context {shown(found.balance_context, 'tokens')}, {room}",
    )


def _document(found: Curve) -> dict[str, object]:
    return {
        "model": found.model,
        "system": found.system,
        "layout": found.layout.label(),
        "over": found.over,
        found.over: found.x,
        "fixed": found.fixed,
        "seconds": found.seconds,
        "blackboard_seconds": found.blackboard_seconds,
        "lines_s": dict(found.lines),
        "tokens_per_second_per_user": found.tokens_per_second_per_user,
        "tokens_per_second_per_chip": found.tokens_per_second_per_chip,
        "usd_per_mtok": found.usd_per_mtok,
        "binding": found.binding,
        "balance_batch": found.balance_batch,
        "balance_context_tokens": found.balance_context,
        "fits": found.fits,
        "largest_batch": found.largest_batch,
        "longest_context_tokens": found.longest_context,
        "terms": found.terms.to_dict(),
    }
