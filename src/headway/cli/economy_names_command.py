"""``headway economy names``: what the options of a market may be, each with what it does."""

from __future__ import annotations

import click

from headway.cli._output import output_options
from headway.cli._report import Column, Report, Table


@click.command()
@output_options
def names() -> Report:
    """List policies, rules, searches, attacks and measures by the option that takes them.

    Example: headway economy names
    """
    from headway.economy.attackers import ATTACKS
    from headway.economy.buyers import BUYERS
    from headway.economy.discovery import SEARCHES
    from headway.economy.rules import ESTEEMS, MECHANISMS, REFUNDS
    from headway.economy.sellers import SELLERS
    from headway.economy.study import KNOBS

    rows = [
        *(("--buyers", row.name, row.help) for row in BUYERS.values()),
        *(("--sellers", row.name, row.help) for row in SELLERS.values()),
        *(("--rule", row.name, row.help) for row in MECHANISMS.values()),
        *(("--search", name, text) for name, text in SEARCHES.items()),
        *(("--attack", row.name, row.help) for row in ATTACKS.values()),
        *(("--refunds", name, text) for name, text in REFUNDS.items()),
        *(("--esteem", name, text) for name, text in ESTEEMS.items()),
        *(("sweep KNOB", row.name, row.help) for row in KNOBS.values()),
    ]
    columns = (
        Column("option", "option", align="left"),
        Column("name", "name", align="left"),
        Column("help", "what it does", align="left", fold=True),
    )
    return Report("Names of a market's options", (Table("names", columns, tuple(rows), group="option"),))
