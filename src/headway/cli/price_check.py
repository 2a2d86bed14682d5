"""``headway price check``: the packaged sheets against a second source."""

from __future__ import annotations

from typing import Final

import click

from headway.cli._output import output_options
from headway.cli._params import CONFIG
from headway.cli._report import Column, Passage, Report, Table

_PRICE: Final = "dollars_per_mtok"


@click.command()
@click.argument("second", metavar="LITELLM.json", type=CONFIG)
@click.option("--sheet", "file", type=CONFIG, help="A TOML file with sheets of your own.")
@output_options
def check(second: str, file: str | None) -> Report:
    """Compare every figure with litellm's price table, a file of yours; exit code 1 where the two differ, or have
    nothing in common.

    Example: headway price check model_prices_and_context_window.json
    """
    from headway.facts.prices import price_facts, read_price_facts
    from headway.pricing.second_source import read_second_source, second_opinion

    found = second_opinion(read_price_facts(file) if file else price_facts(), read_second_source(second))
    columns = (
        Column("model", "model", align="left"),
        Column("field", "field", align="left"),
        Column("mode", "mode", align="left"),
        Column("above_tokens", "prompts above", "tokens", priority=1),
        Column("here", "here", _PRICE),
        Column("there", "there", _PRICE),
        Column("ratio", "there/here"),
        Column("entry", "their entry", align="left", priority=2),
    )
    rows = tuple(
        (
            one.fact.model,
            one.fact.field,
            one.fact.mode,
            one.fact.above or None,
            one.fact.value,
            one.other_usd_per_mtok,
            one.ratio,
            one.entry,
        )
        for one in found.differences
    )
    models = len({one.fact.model for one in found.compared})
    names = ", ".join(found.unknown_models)
    return Report(
        title=f"{len(found.compared)} figures of {models} models in both, {len(rows)} differ by 1% or more",
        parts=(Table("differences", columns, rows) if rows else Passage("", (_verdict(len(found.compared)),)),),
        notes=(
            f"only here: {found.only_here} figures of these models" + (f"; not there at all: {names}" if names else ""),
            "only the maker's own entries are compared; a difference says that one source is stale or means another"
            " hour",
        ),
        document={
            "compared": len(found.compared),
            "models": models,
            "only_here": found.only_here,
            "unknown_models": found.unknown_models,
            "differences": [
                {
                    "model": one.fact.model,
                    "field": one.fact.field,
                    "mode": one.fact.mode,
                    "above_tokens": one.fact.above,
                    "here_usd_per_mtok": one.fact.value,
                    "there_usd_per_mtok": one.other_usd_per_mtok,
                    "ratio": one.ratio,
                    "entry": one.entry,
                }
                for one in found.differences
            ],
        },
        exit_code=0 if found.compared and not rows else 1,
    )


def _verdict(compared: int) -> str:
    return "both sources agree" if compared else "nothing could be compared: no model and figure is in both"
