"""``headway economy tokens``: what a deal takes in tokens, and what they cost at list price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from headway.cli._output import output_options
from headway.cli._params import FRACTION, choice, listed, quantity
from headway.cli._report import Cell, Column, Report, Table

if TYPE_CHECKING:
    from headway.economy.tokens import TokenFit, TokenModel

PRICED: Final = "gpt-5,gemini-2.5-flash,claude-sonnet-4.5"


def _priced() -> tuple[str, ...]:
    from headway.facts.prices import price_models

    return price_models()


@click.command()
@click.option("--sellers", type=listed(quantity("count", "number")), default="1,3,10,30", show_default=True)
@click.option("--prices", type=listed(choice("model", _priced)), default=PRICED, show_default=True)
@click.option("--thinking", type=quantity("count", "times"), default="1", show_default=True, help="Output multiple.")
@click.option("--held", type=FRACTION, help="Share of a buyer's input that repeats its last prompt.")
@output_options
def tokens(sellers: tuple[float, ...], prices: tuple[str, ...], thinking: float, held: float | None) -> Report:
    """Count the tokens of a deal by the number of sellers that a buyer's agent asks.

    Trunk and slope are fitted to measured deals; the table shows what the line leaves over.

    Example: headway economy tokens --sellers 3,10,30 --prices gpt-5
    """
    from dataclasses import replace

    from headway.economy.tokens import fit_tokens

    fit = fit_tokens()
    model = replace(fit.model, output_multiple=thinking)
    model = model if held is None else replace(model, buyer_cached=held)
    parts = (_deals(sellers, model), _prices(sellers, prices, model), _fit(fit))
    line = (
        f"input = {fit.model.trunk_input:,.0f} + {fit.model.input_per_seller:,.0f} s, "
        f"output = {fit.model.trunk_output:,.0f} + {fit.model.output_per_seller:,.0f} s tokens, "
        f"calls = {fit.model.buyer_calls:.1f} + {fit.calls_per_seller:.1f} s, for s sellers asked"
    )
    return Report("Tokens of a deal", parts, (line, *fit.assumptions), _document(fit, model, parts))


def _deals(sellers: tuple[float, ...], model: TokenModel) -> Table:
    from headway.economy.tokens import buyer_decision, deal_tokens, seller_decision

    columns = (
        Column("sellers", "sellers\nasked"),
        Column("calls", "calls"),
        Column("input_tokens", "input", "tokens"),
        Column("cached_tokens", "repeats", "tokens"),
        Column("output_tokens", "output", "tokens"),
        Column("buyer_input_tokens", "buyer's\ninput", "tokens", priority=1),
        Column("seller_input_tokens", "a seller's\ninput", "tokens", priority=2),
        Column("input_per_output", "input\nper output", priority=3),
    )
    rows: list[tuple[Cell, ...]] = []
    answer = seller_decision(model)
    for asked in sellers:
        deal, buyer = deal_tokens(asked, model), buyer_decision(asked, model)
        ratio = deal.input / deal.output if deal.output else None
        calls = float(f"{deal.calls:.3g}")
        cells = (deal.input, deal.cached, deal.output, buyer.input, answer.input)
        rows.append((asked, calls, *cells, ratio and float(f"{ratio:.3g}")))
    return Table("deals", columns, tuple(rows), "Both sides of a deal, all calls")


def _prices(sellers: tuple[float, ...], names: tuple[str, ...], model: TokenModel) -> Table:
    from headway.economy.scale import deal_price
    from headway.economy.tokens import deal_tokens

    columns = (
        Column("model", "list price of", align="left"),
        Column("sellers", "sellers\nasked"),
        Column("usd_per_deal", "a deal", "dollars"),
        Column("usd_per_deal_cached", "with its\ncache", "dollars"),
        Column("input_share", "input's\nshare", "fraction"),
    )
    rows: list[tuple[Cell, ...]] = []
    for name in names:
        for asked in sellers:
            found = deal_price(name, deal_tokens(asked, model))
            held = None if found.usd_cached != found.usd_cached else found.usd_cached
            rows.append((name, asked, found.usd, held, found.input_share))
    return Table("prices", columns, tuple(rows), "Dollars of a deal", group="model")


def _fit(fit: TokenFit) -> Table:
    columns = (
        Column("case", "measured", align="left", fold=True),
        Column("sellers", "sellers\nasked"),
        Column("input_tokens", "input"),
        Column("input_residual", "over\nthe line"),
        Column("output_tokens", "output"),
        Column("output_residual", "over\nthe line"),
        Column("calls", "calls", priority=1),
        Column("calls_residual", "over\nthe line", priority=1),
    )
    left = zip(fit.deals, fit.input_residuals, fit.output_residuals, fit.call_residuals, strict=True)
    rows = tuple(
        (d.case, d.sellers, d.input, round(i), d.output, round(o), d.calls, round(c, 2)) for d, i, o, c in left
    )
    return Table("fit", columns, rows, "The measurements, and what the line leaves over")


def _document(fit: TokenFit, model: TokenModel, parts: tuple[Table, ...]) -> dict[str, Any]:
    from headway.cli._report import records

    return {
        "model": model,
        "calls_per_seller": fit.calls_per_seller,
        **{part.key: records(part) for part in parts},
        "assumptions": fit.assumptions,
        "sources": [source.text for source in fit.sources],
    }
