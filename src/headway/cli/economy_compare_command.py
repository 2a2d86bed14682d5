"""``headway economy compare``: policies, rules, searches or attacks side by side on one market."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import click

from headway.cli._chart import BarChart
from headway.cli._economy import (
    Market,
    amount,
    attack_names,
    buyer_names,
    dimension_of,
    market_options,
    read_buyer,
    read_policies,
    read_population,
    read_rack,
    read_rules,
    read_seller,
    rule_names,
    search_names,
    seller_names,
    show_progress,
)
from headway.cli._output import output_options
from headway.cli._params import choice, integer
from headway.cli._report import Cell, Column, Report, Table, Toned

if TYPE_CHECKING:
    from headway.economy.population import Population
    from headway.economy.rack import Rack
    from headway.economy.rules import Rules
    from headway.economy.simulate import Policies
    from headway.economy.study import Row
    from headway.economy.welfare import Beside

_NAMES: Final[MappingProxyType[str, Callable[[], tuple[str, ...]]]] = MappingProxyType(
    {
        "buyers": buyer_names,
        "sellers": seller_names,
        "rules": rule_names,
        "searches": search_names,
        "attacks": attack_names,
    }
)


_AMOUNTS: Final = frozenset(
    {
        "fees",
        "takings",
        "welfare",
        "welfare_error",
        "welfare_before",
        "welfare_after",
        "loss_per_victim",
        "takings_before",
        "takings_after",
        "honest_takings_before",
        "honest_takings_after",
    }
)


@click.command()
@market_options
@click.option(
    "--what", type=choice("kind", lambda: tuple(_NAMES)), default="buyers", show_default=True, help="To compare."
)
@click.option("--seeds", type=integer(1, 1000), default="5", show_default=True, help="Runs of each.")
@output_options
def compare(asked: Market, what: str, seeds: int) -> Report:
    """Run a market once for each policy, rule, search or attack, under the same seeds.

    Example: headway economy compare --consumers 100 --businesses 50 --what rules --buyers first-proposal
    """
    population, rack, rules, policies = (
        read_population(asked),
        read_rack(asked),
        read_rules(asked),
        read_policies(asked),
    )
    if what == "attacks":
        return _attacks(asked, population, rack, rules, policies, seeds)
    from headway.economy.study import runs, summed

    rows = []
    for name in _NAMES[what]():
        new, changed = _changed(asked, what, name, rules, policies)
        found = runs(population, new, changed, seeds, rack=rack, seed=asked.seed, progress=show_progress())
        rows.append(summed(name, found))
    beside = _beside(asked, population) if what == "buyers" else {}
    return _report(f"{population.name}: {what} side by side, seeds: {seeds}", asked.currency, rows, beside)


def _changed(asked: Market, what: str, name: str, rules: Rules, policies: Policies) -> tuple[Rules, Policies]:
    if what == "buyers":
        return rules, replace(policies, buyers=read_buyer(asked, name))
    if what == "sellers":
        return rules, replace(policies, sellers=read_seller(name))
    return replace(rules, mechanism=name) if what == "rules" else replace(rules, search=name), policies


def _beside(asked: Market, population: Population) -> dict[str, Beside]:
    from headway.economy.welfare import beside_published

    return {row.policy: row for row in beside_published(population, seed=asked.seed)}


def outcome_columns(name: str, *, paid: bool, fees: bool, swept: str = "") -> tuple[Column, ...]:
    """Columns of rows of a study, compute and fees where they are paid; `swept` is the dimension of a value swept."""
    first = Column("value", name, swept) if swept else Column("name", name, align="left", fold=True)
    compute = (
        Column("queue_s", "queue", "seconds", priority=3),
        Column("usd_per_deal", "$/deal", "dollars"),
        Column("welfare_per_usd", "welfare/$", priority=1),
    )
    kept = (Column("fees", "fees"), Column("takings", "takings"))
    return (
        first,
        Column("welfare", "welfare"),
        Column("welfare_error", "+/-", priority=2),
        *(kept if fees else ()),
        Column("settled", "deals"),
        Column("first", "first", "fraction"),
        Column("asked", "asked", priority=2),
        Column("price_ratio", "paid/posted", "fraction", priority=3),
        Column("recall", "recall", "fraction", priority=5),
        Column("latency_s", "wait", "seconds"),
        Column("latency_p99_s", "p99", "seconds", priority=4),
        *(compute if paid else ()),
    )


def outcome_tables(columns: tuple[Column, ...], rows: Sequence[Row], code: str) -> tuple[Table, Table]:
    """Rows of a study as people read them, amounts to the minor unit; and as numbers."""
    data = Table("rows", columns, tuple(tuple(getattr(row, column.key) for column in columns) for row in rows))
    return replace(data, rows=tuple(_shown(columns, cells, code) for cells in data.rows)), data


def _shown(columns: tuple[Column, ...], cells: tuple[Cell, ...], code: str) -> tuple[Cell, ...]:
    """The same cells with amounts as text."""
    return tuple(
        amount(float(cell), code) if column.key in _AMOUNTS and isinstance(cell, (int, float)) else cell
        for column, cell in zip(columns, cells, strict=True)
    )


def _report(title: str, code: str, rows: list[Row], beside: dict[str, Beside]) -> Report:
    columns = outcome_columns("", paid=any(row.usd for row in rows), fees=any(row.fees for row in rows))
    shown, data = outcome_tables(columns, rows, code)
    if beside:
        extra = (Column("published", "published"), Column("agrees", "in range"))
        cells = [
            (*cells[:3], *_published(beside, row, code), *cells[3:])
            for cells, row in zip(shown.rows, rows, strict=True)
        ]
        shown = Table("rows", (*columns[:3], *extra, *columns[3:]), tuple(cells))
    chart = BarChart("Welfare", dimension_of(code) or "count", tuple((row.name, row.welfare) for row in rows))
    document = {"title": title, "rows": rows, "published": [_plain(row) for row in beside.values()]}
    notes = (f"welfare in {code}, mean over the runs; first: share taken from the first quote that came",)
    return Report(title, (shown, chart), notes, document, data)


def _published(beside: dict[str, Beside], row: Row, code: str) -> tuple[Cell, ...]:
    found = beside.get(row.name)
    if found is None:
        return None, None
    good = found.holds(row.welfare)
    return amount(found.published, code), Toned("yes" if good else "no", "good" if good else "warn")


def _plain(row: Any) -> dict[str, Any]:
    return {f.name: getattr(row, f.name) for f in fields(row)}


def _attacks(asked: Market, population: Population, rack: Rack, rules: Rules, policies: Policies, seeds: int) -> Report:
    from headway.economy.attackers import Attack
    from headway.economy.study import attack_cost

    plain = replace(policies, attack=None)
    rows = [
        attack_cost(population, Attack(kind, asked.share), rules, plain, seeds=seeds, rack=rack, seed=asked.seed)
        for kind in attack_names()
    ]
    columns = (
        Column("kind", "attack", align="left"),
        Column("attackers", "hostile", priority=4),
        Column("welfare_before", "welfare"),
        Column("welfare_after", "attacked"),
        Column("loss_per_victim", "lost each"),
        Column("takings_before", "takings", priority=2),
        Column("takings_after", "after", priority=2),
        Column("honest_takings_before", "others", priority=2),
        Column("honest_takings_after", "after", priority=2),
        Column("latency_before_s", "wait", "seconds", priority=3),
        Column("latency_after_s", "after", "seconds", priority=1),
        Column("redirected", "redirected", priority=5),
        Column("bounded", "in mandate", align="left"),
    )
    data = Table("attacks", columns, tuple(tuple(getattr(row, c.key) for c in columns) for row in rows))
    shown = tuple(
        (*_shown(columns, cells, asked.currency)[:-1], Toned("yes", "good") if row.bounded else Toned("NO", "bad"))
        for cells, row in zip(data.rows, rows, strict=True)
    )
    title = f"{population.name}: attacks on {policies.buyers.name} buyers, seeds: {seeds}"
    notes = (
        f"welfare in {asked.currency}, of consumers who stay honest; takings: of sellers that turn hostile; others: of "
        "the rest",
        "in mandate: no deal exceeded what its consumer had signed",
    )
    exit_code = 0 if all(row.bounded for row in rows) else 1
    document = {"title": title, "attacks": rows}
    return Report(title, (replace(data, rows=shown),), notes, document, data, exit_code)
