"""``headway economy audit`` and ``replay``: whether a market's books hold, and what its log leads to."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.cli._output import check_writable, output_options, write_whole
from headway.cli._params import CONFIG, integer
from headway.cli._report import Cell, Column, Report, Table, Toned, facts_table
from headway.facts.errors import InputError

if TYPE_CHECKING:
    from headway.economy.audit import Audit
    from headway.economy.rebuilt import Rebuilt


@click.command()
@click.argument("ledger")
@click.option("--signatures/--no-signatures", default=True, show_default=True, help="Verify mandates again.")
@click.option("--rack-sold-us", type=integer(0, 2**63 - 1), help="Rack time sold [us]; the bills must sum to it.")
@output_options
def audit(ledger: str, signatures: bool, rack_sold_us: int | None) -> Report:
    """Check every invariant of LEDGER, an SQLite file or postgresql://...; exit 1 where one fails.

    Example: headway economy audit market.sqlite
    """
    from headway.economy.audit import audit as check
    from headway.economy.store import open_reader

    store = open_reader(ledger)
    try:
        found = check(store, verify=signatures, rack_sold_us=rack_sold_us)
    finally:
        store.close()
    failed = [one.name for one in found.invariants if not one.holds]
    verdict = f"fails: {', '.join(failed)}" if failed else f"all {len(found.invariants)} invariants hold"
    title = f"{store.name}: {found.entries:,} entries, {verdict}"
    notes = (f"hash of the log: {found.digest}",)
    return Report(title, (_invariants(found),), notes, asdict(found) | {"title": title}, exit_code=int(bool(failed)))


def _invariants(found: Audit) -> Table:
    columns = (
        Column("holds", "holds", align="left"),
        Column("name", "invariant", align="left"),
        Column("residual", "residual"),
        Column("unit", "unit", align="left", priority=2),
        Column("says", "what it says", align="left", fold=True, priority=1),
        Column("detail", "compared", align="left", priority=3),
    )
    rows: list[tuple[Cell, ...]] = [
        (
            Toned("yes", "good") if one.holds else Toned("NO", "bad"),
            one.name,
            one.residual,
            one.unit,
            one.says,
            one.detail,
        )
        for one in found.invariants
    ]
    return Table("invariants", columns, tuple(rows))


@click.command()
@click.argument("ledger")
@click.option("--until", type=integer(0, 2**63 - 1), help="Last entry to take; all if not given.")
@click.option("--signatures/--no-signatures", default=True, show_default=True, help="Verify mandates again.")
@click.option(
    "--to",
    "target",
    type=(click.Choice(["beancount"]), CONFIG),
    metavar="FORMAT FILE",
    help="Write the log as a bookkeeper's file: 'beancount books.beancount'.",
)
@output_options
def replay(ledger: str, until: int | None, signatures: bool, target: tuple[str, str] | None) -> Report:
    """Rebuild LEDGER from its log, entry by entry, and compare it with the stored rows; exit 1 where they differ.

    Example: headway economy replay market.sqlite --to beancount books.beancount
    """
    from headway.economy.rebuilt import rebuild_store
    from headway.economy.store import open_reader

    if target is not None:
        _check_target(target[1])
    store = open_reader(ledger)
    try:
        found = rebuild_store(store, until=until, verify=signatures)
        if target is not None:
            from headway.economy.beancount_export import book_lines

            write_whole(Path(target[1]), "".join(f"{line}\n" for line in book_lines(store.entries(), until=until)))
    finally:
        store.close()
    title = f"{store.name}: rebuilt from {found.entries:,} entries"
    parts = (facts_table("ledger", _facts(found)), _balances(found))
    notes = (f"hash of the log: {found.digest}", *([f"written: {target[1]}"] if target is not None else []))
    return Report(title, parts, notes, asdict(found) | {"title": title}, _balances(found), int(bool(found.rows_differ)))


def _check_target(path: str) -> None:
    try:
        check_writable(Path(path))
    except InputError as error:
        raise InputError("--to", error.value, error.expected) from None


def _facts(found: Rebuilt) -> list[tuple[str, Cell]]:
    rows: dict[int | None, Cell] = {None: "not compared: a part of the log", 0: Toned("equal to the log", "good")}
    return [
        ("stored rows", rows.get(found.rows_differ, Toned(f"{found.rows_differ} differ from the log", "bad"))),
        ("last entry at", found.until),
        ("agents", found.agents),
        ("listings", found.listings),
        ("mandates", found.mandates),
        ("offers", found.offers),
        *((f"deals {status}", count) for status, count in found.deals),
    ]


def _balances(found: Rebuilt) -> Table:
    from headway.economy.money import show

    columns = (
        Column("kind", "account", align="left"),
        Column("currency", "currency", align="left"),
        Column("accounts", "accounts"),
        Column("balance", "balance"),
        Column("balance_micros", "micros", priority=1),
    )
    rows = tuple(
        (one.kind, one.currency, one.accounts, show(one.balance, one.currency), one.balance) for one in found.balances
    )
    return Table("balances", columns, rows, "Balances, credits less debits")
