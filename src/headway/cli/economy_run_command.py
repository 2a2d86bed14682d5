"""``headway economy run``: one market, and what came of it."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from headway.cli._chart import Axis, BarChart, Series, XYChart
from headway.cli._economy import (
    Market,
    dimension_of,
    market_options,
    money,
    read_policies,
    read_population,
    read_rack,
    read_rules,
    show_progress,
)
from headway.cli._output import output_options
from headway.cli._params import integer
from headway.cli._report import Cell, Column, Part, Quantity, Report, Table, facts_table

if TYPE_CHECKING:
    from headway.economy.outcome import MarketOutcome
    from headway.economy.welfare import Beside


@click.command()
@market_options
@click.option("--store", metavar="ADDRESS", help="Keep the log: an SQLite file or postgresql://..., empty before.")
@click.option("--shards", type=integer(1, 1024), default="1", show_default=True, help="Markets apart, by category.")
@click.option("--ray", is_flag=True, help="Run the shards over Ray.")
@output_options
def run(asked: Market, store: str | None, shards: int, ray: bool) -> Report:
    """Run one market: that of FOLDER (customers/*.yaml, businesses/*.yaml) or a drawn one.

    Example: headway economy run --consumers 500 --businesses 100 --rule batched --width 10
    """
    from headway.economy.shards import simulate_shards
    from headway.economy.simulate import simulate
    from headway.economy.store import open_store
    from headway.facts.errors import InputError

    if store is not None and (shards > 1 or ray):
        raise InputError("--store", store, "one market: each shard has a log of its own")
    population, rules, policies, rack = (
        read_population(asked),
        read_rules(asked),
        read_policies(asked),
        read_rack(asked),
    )
    if shards > 1 or ray:
        return _shards_report(
            simulate_shards(population, rules, policies, shards=shards, rack=rack, seed=asked.seed, ray=ray)
        )
    found = simulate(
        population,
        rules,
        policies,
        rack=rack,
        store=None if store is None else open_store(store),
        seed=asked.seed,
        progress=show_progress(),
    )
    title = f"{population.name}: {policies.buyers.name} buyers, {policies.sellers.name} sellers, {rules.mechanism}"
    beside = _beside(asked, population)
    parts: list[Part] = [_facts(found), _prices(found), _deals_over_time(found)]
    if rack.micros_per_hour:
        parts += [_compute(found), _queue(found)]
    notes = (*population.notes, *_remarks(found, beside, asked), f"rack: {rack.name}")
    return Report(title, tuple(parts), notes, _document(title, found, beside), _rows(found))


def _beside(asked: Market, population: Any) -> tuple[Beside, ...]:
    from headway.economy.welfare import beside_published

    return beside_published(population, seed=asked.seed)


def _remarks(found: MarketOutcome, beside: tuple[Beside, ...], asked: Market) -> tuple[str, ...]:
    said = [f"log: {found.entries:,} entries, hash {found.log_hash[:16]}"]
    for row in beside:
        if row.policy == asked.buyers:
            span = "" if row.low == row.high else f", range {row.low:,.2f} to {row.high:,.2f}"
            said.append(f"published for {row.policy} with every price known: {row.published:,.2f}{span}")
    if found.redirected:
        said.append(
            f"{found.redirected} redirected; the largest loss is {found.largest_loss:,.2f}, no mandate above "
            f"{found.mandate:,.2f}"
        )
    return tuple(said)


def _facts(found: MarketOutcome) -> Table:
    code = found.currency
    rows: list[tuple[str, Cell]] = [
        ("consumers and businesses", f"{found.consumers:,} and {found.businesses:,}"),
        ("deals settled", found.settled),
        ("welfare", money(found.welfare, code)),
        ("spent", money(found.spent, code)),
        ("paid over posted price", Quantity(found.price_ratio, "fraction")),
        ("fees", money(found.fees, code)),
        ("refunded", money(found.refunded, code)),
        ("sellers asked, mean", found.asked),
        ("recall of the search", Quantity(found.recall, "fraction")),
        *(
            (f"took the {place} quote that came", Quantity(share, "fraction"))
            for place, share in zip(("first", "second", "third"), found.shares, strict=True)
        ),
        ("from looking to accepting, mean", Quantity(found.latency.mean, "seconds")),
        ("99th percentile", Quantity(found.latency.p99, "seconds")),
        *((f"no deal: {reason}", count) for reason, count in found.walked.items()),
        *((f"refused: {code.lower().replace('_', ' ')}", count) for code, count in found.refused.items()),
    ]
    return facts_table("outcome", rows)


def _compute(found: MarketOutcome) -> Table:
    c = found.compute
    rows: list[tuple[str, Cell]] = [
        ("decisions", c.decisions),
        ("input tokens", Quantity(c.input_tokens, "tokens")),
        ("of them a repeated prefix", Quantity(c.cached_tokens, "tokens")),
        ("output tokens", Quantity(c.output_tokens, "tokens")),
        ("rack time sold", Quantity(c.rack_s, "seconds")),
        ("energy", Quantity(c.joules, "joules")),
        ("bill of both sides", Quantity(c.usd, "dollars")),
        ("per settled deal", Quantity(found.usd_per_deal, "dollars")),
        ("welfare per dollar of compute", found.welfare_per_usd),
        ("queue of a decision, mean", Quantity(found.queue.mean, "seconds")),
        ("99th percentile", Quantity(found.queue.p99, "seconds")),
    ]
    return facts_table("compute", rows, "What deciding took")


def _prices(found: MarketOutcome) -> BarChart:
    shares = tuple(
        (name, share) for name, share in zip(("first", "second", "third"), found.shares, strict=True) if share == share
    )
    return BarChart("Which quote to arrive was taken", "fraction", shares)


def _deals_over_time(found: MarketOutcome) -> XYChart:
    from headway.economy.outcome import over_time

    at, _, welfare = over_time(found)
    unit = dimension_of(found.currency) or "count"
    return XYChart(
        "Welfare of settled deals so far",
        Axis("time", "seconds"),
        Axis("welfare", unit),
        (Series("welfare", at.tolist(), welfare.tolist()),),
    )


def _queue(found: MarketOutcome) -> XYChart:
    at, queue = found.queue_series
    return XYChart(
        "Waiting of a decision on the rack",
        Axis("time", "seconds"),
        Axis("queue", "seconds"),
        (Series("queue", at.tolist(), queue.tolist()),),
    )


def _rows(found: MarketOutcome) -> Table:
    d = found.deals
    names = [entry.name for entry in fields(d)]
    columns = tuple(Column(name, name) for name in names)
    return Table("deals", columns, tuple(zip(*(getattr(d, name).tolist() for name in names), strict=True)))


def _document(title: str, found: MarketOutcome, beside: tuple[Beside, ...]) -> dict[str, Any]:
    kept = {f.name: getattr(found, f.name) for f in fields(found) if f.name not in ("deals", "queue_series")}
    return {
        "title": title,
        **kept,
        "usd_per_deal": found.usd_per_deal,
        "welfare_per_usd": found.welfare_per_usd,
        "published": [{f.name: getattr(row, f.name) for f in fields(row) if f.name != "ours"} for row in beside],
    }


def _shards_report(found: Any) -> Report:
    columns = (
        Column("shard", "shard"),
        Column("consumers", "consumers"),
        Column("businesses", "businesses"),
        Column("settled", "settled"),
        Column("welfare", "welfare", dimension_of(found.currency)),
        Column("log_hash", "log hash", align="left"),
    )
    rows = tuple(
        (k, o.consumers, o.businesses, o.settled, o.welfare, o.log_hash[:16]) for k, o in enumerate(found.outcomes)
    )
    return Report(
        f"{found.name} in {len(rows)} shards",
        (
            facts_table("outcome", [("welfare", money(found.welfare, found.currency)), ("settled", found.settled)]),
            Table("shards", columns, rows),
        ),
        notes=(f"hash of all shards: {found.log_hash[:16]}",),
    )
