"""``headway economy sweep``: one number of a market over several values, and what it does to welfare and waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway.cli._chart import Axis, Series, XYChart
from headway.cli._economy import (
    Market,
    dimension_of,
    market_options,
    read_policies,
    read_population,
    read_rack,
    read_rules,
    show_progress,
)
from headway.cli._output import output_options
from headway.cli._params import choice, integer
from headway.cli._report import Report
from headway.cli.economy_compare_command import outcome_columns, outcome_tables

if TYPE_CHECKING:
    from headway.cli._chart import Chart
    from headway.economy.study import Knob, Row


def _knobs() -> tuple[str, ...]:
    from headway.economy.study import KNOBS

    return tuple(KNOBS)


@click.command()
@click.argument("knob", type=choice("number", _knobs))
@click.argument("values", metavar="VALUE,...")
@market_options
@click.option("--seeds", type=integer(1, 1000), default="5", show_default=True, help="Runs of each value.")
@output_options
def sweep(asked: Market, knob: str, values: str, seeds: int) -> Report:
    """Run a market for each value of KNOB, under the same seeds.

    Example: headway economy sweep width 3,10,30,100 --buyers attention --search text --businesses 200
    """
    from headway.economy.study import KNOBS
    from headway.economy.study import sweep as run

    row = KNOBS[knob]
    numbers = _numbers(row, values)
    population, rack = read_population(asked), read_rack(asked)
    rules, policies = read_rules(asked), read_policies(asked)
    found = run(
        population,
        knob,
        numbers,
        rules,
        policies,
        seeds=seeds,
        rack=rack,
        seed=asked.seed,
        progress=show_progress(),
    )
    columns = outcome_columns(
        knob,
        paid=any(one.usd for one in found),
        fees=any(one.fees for one in found),
        swept=row.dimension,
    )
    shown, data = outcome_tables(columns, found, asked.currency)
    title = f"{population.name}: {row.help}, {policies.buyers.name} buyers, seeds: {seeds}"
    notes = [f"welfare in {asked.currency}, mean over the runs; first: share taken from the first quote that came"]
    if any(one.fees for one in found):
        notes.append("fees, takings: kept by the platform, and by all sellers, out of whose price a fee is paid")
    document = {"title": title, "knob": knob, "rows": list(found)}
    return Report(title, (shown, *_charts(row, found, asked.currency)), tuple(notes), document, data)


def _numbers(knob: Knob, text: str) -> list[float]:
    from headway.cli._params import listed, quantity

    found: list[float] = list(listed(quantity(knob.dimension)).convert_text(text, "VALUE"))
    return found


def _charts(knob: Knob, rows: tuple[Row, ...], code: str) -> tuple[Chart, ...]:
    x = [row.value for row in rows]
    log = min(x) > 0 and max(x) >= 10 * min(x)
    axis = Axis(knob.help, knob.dimension, log=log)
    unit = dimension_of(code) or "count"
    charts = [XYChart("Welfare", axis, Axis("welfare", unit), (Series("welfare", x, [row.welfare for row in rows]),))]
    if any(row.usd for row in rows):
        paid = [row.usd_per_deal for row in rows]
        charts.append(XYChart("Compute", axis, Axis("dollars per deal", "dollars"), (Series("$/deal", x, paid),)))
    return tuple(charts)
