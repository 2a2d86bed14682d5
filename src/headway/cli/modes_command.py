"""``headway modes``: the fast and slow modes a deployment could offer, and what an advertised pair implies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway.cli._chart import Axis, Series, XYChart
from headway.cli._deployment import Asked, context_notes, deployment_options, search
from headway.cli._output import output_options
from headway.cli._params import Converted
from headway.cli._report import Column, Part, Passage, Quantity, Report, Table, facts_table
from headway.serving.document import layout_name

if TYPE_CHECKING:
    from headway.physics.modes import FastMode
    from headway.serving.modes import Menu


def _pair(text: str, field: str) -> tuple[float, float]:
    """Read an advertised pair, price multiple and speed multiple (``6x/2.5x``)."""
    from headway.facts.check import positive
    from headway.facts.errors import InputError
    from headway.facts.units import parse

    pieces = [piece.strip().removesuffix("x") for piece in text.replace(",", "/").split("/")]
    if len(pieces) != 2:
        raise InputError(field, text, "price multiple / speed multiple, as 6x/2.5x")
    price, speed = (positive(field, parse(piece, "count", field)) for piece in pieces)
    return float(price), float(speed)


@click.command()
@deployment_options
@click.option("--advertised", type=Converted("price/speed", _pair), help="A pair to invert, as 6x/2.5x.")
@output_options
def modes(asked: Asked, advertised: tuple[float, float] | None) -> Report:
    """Price multiple against speed multiple along the Pareto set of MODEL's deployments.

    Example: headway modes deepseek-v3 --on gb200-nvl72 --advertised 6x/2.5x
    """
    from headway.serving.modes import menu

    model, _, results = search(asked)
    parts: list[Part] = []
    menus = []
    for result in results:
        found = menu(result, advertised)
        if found is None:
            parts.append(Passage(f"{result.system}: infeasible", (result.reason,)))
            continue
        menus.append((result.system, found))
        parts.extend(_show(result.system, found))
    if advertised is not None and menus and menus[0][1].advertised is not None:
        parts.append(_inversion(advertised, menus[0][1].advertised))
    return Report(
        title=f"{model.name}: fast and slow modes",
        parts=tuple(parts),
        notes=(
            *(("multiples are of the cheapest mode; cost, not price: a provider adds its own",) if menus else ()),
            *context_notes(model, asked.isl + asked.osl),
        ),
        document={"menus": [_document(name, m) for name, m in menus]},
        exit_code=0 if menus else 1,
    )


def _show(system: str, found: Menu) -> tuple[Part, ...]:
    from headway.serving.modes import representative_modes

    chart = XYChart(
        f"Menu of {system}",
        Axis("speed multiple", "count"),
        Axis("cost multiple", "count", log=True),
        (Series(system, [m.speed_multiple for m in found.modes], [m.price_multiple for m in found.modes]),),
        kind="scatter",
    )
    columns = (
        Column("speed_multiple", "speed x"),
        Column("price_multiple", "cost x"),
        Column("tokens_per_second_per_user", "tok/s\nuser"),
        Column("batch", "batch", "count"),
        Column("usd_per_mtok", "$/Mtok", "dollars"),
        Column("layout", "layout", align="left", fold=True, priority=1),
    )
    rows = tuple(
        (
            m.speed_multiple,
            m.price_multiple,
            m.plan.tokens_per_second_per_user,
            m.plan.batch,
            m.plan.usd_per_mtok,
            layout_name(m.plan),
        )
        for m in representative_modes(found)
    )
    return chart, Table(f"modes_{system}", columns, rows, system)


def _inversion(pair: tuple[float, float], found: FastMode) -> Table:
    return facts_table(
        "advertised",
        (
            ("batch is smaller by", Quantity(float(found.batch_ratio), "count")),
            ("weights' share of the slow pass", Quantity(float(found.weight_share), "fraction")),
            ("cache over weights in the slow pass", Quantity(float(found.kv_over_weight), "count")),
            ("most that speed could rise", Quantity(float(found.max_speed), "count")),
            ("most that a slower mode could save", Quantity(float(found.slow_saving), "fraction")),
        ),
        f"What {pair[0]:g}x price for {pair[1]:g}x speed implies, if price is cost (claim C15)",
    )


def _document(system: str, found: Menu) -> dict[str, object]:
    return {
        "system": system,
        "reference": layout_name(found.reference),
        "modes": [
            {
                "speed_multiple": m.speed_multiple,
                "price_multiple": m.price_multiple,
                "tokens_per_second_per_user": m.plan.tokens_per_second_per_user,
                "usd_per_mtok": m.plan.usd_per_mtok,
                "batch": m.plan.batch,
                "layout": layout_name(m.plan),
            }
            for m in found.modes
        ],
        "advertised": found.advertised,
        "cost_at_advertised_speed": found.cost_at_advertised_speed,
    }
