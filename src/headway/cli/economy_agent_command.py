"""``headway economy agent``: a language model of yours goes shopping on the rails."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import click

from headway.cli._economy import dimension_of, money
from headway.cli._output import output_options
from headway.cli._params import CONFIG, TIME, choice, integer, quantity
from headway.cli._report import Cell, Column, Quantity, Report, Table, Toned, facts_table

if TYPE_CHECKING:
    from headway.economy.model_market import Errands, Purchase
    from headway.economy.population import Population

COUNT: Final = quantity("count", "number")
ASKS_FOR: Final = ("json_schema", "json_object", "text")


def _asks() -> tuple[str, ...]:
    return ASKS_FOR


def _priced() -> tuple[str, ...]:
    from headway.facts.prices import price_models

    return price_models()


@click.command()
@click.argument("folder", required=False, metavar="[FOLDER]", type=CONFIG)
@click.option("--url", required=True, metavar="ADDRESS", help="Base address, as http://127.0.0.1:8000/v1.")
@click.option("--model", required=True, metavar="NAME", help="What the endpoint calls the model.")
@click.option("--key-from", metavar="VARIABLE", help="Environment variable that holds the endpoint's key.")
@click.option("--consumers", type=integer(1, 10_000), default="3", show_default=True, help="Whom it buys for.")
@click.option("--businesses", type=integer(1, 100_000), default="60", show_default=True, help="Drawn, without FOLDER.")
@click.option("--width", type=integer(1, 100), default="10", show_default=True, help="Listings that a search shows.")
@click.option("--turns", type=integer(1, 100), default="6", show_default=True, help="Decisions for one errand.")
@click.option("--agents", type=integer(1, 64), default="1", show_default=True, help="Models that decide at once.")
@click.option("--limit", type=TIME, default="60s", show_default=True, help="Time for one decision.")
@click.option(
    "--most-output",
    type=integer(1, 1_000_000),
    default="800",
    show_default=True,
    help="Tokens of an answer, thoughts too.",
)
@click.option("--temperature", type=COUNT, default="0", show_default=True, help="Left out where a model takes none.")
@click.option("--stream", is_flag=True, help="Ask for streamed answers.")
@click.option("--asks-for", type=choice("form", _asks), default="json_schema", show_default=True)
@click.option("--prices", type=choice("model", _priced), help="Bill its tokens at this model's list price.")
@click.option("--seed", type=integer(0, 2**62), default="0", show_default=True, help="Of what is drawn.")
@output_options
def agent(
    folder: str | None,
    url: str,
    model: str,
    key_from: str | None,
    consumers: int,
    businesses: int,
    width: int,
    turns: int,
    agents: int,
    limit: float,
    most_output: int,
    temperature: float,
    stream: bool,
    asks_for: Any,
    prices: str | None,
    seed: int,
) -> Report:
    """Let a model behind any chat-completions endpoint buy for consumers, against sellers of posted prices.

    FOLDER holds customers/*.yaml and businesses/*.yaml; without it the market is drawn. The model can only choose
    among what it is shown; the rails check every purchase against a mandate that its consumer signed.

    Example: headway economy agent --url http://127.0.0.1:8000/v1 --model my-model --consumers 5
    """
    from headway.economy.completions import Endpoint
    from headway.economy.model_market import buy_with_model

    population = _population(folder, consumers, businesses, seed)
    endpoint = Endpoint(
        url,
        model,
        _key(key_from),
        limit_s=limit,
        most_output=most_output,
        stream=stream,
        asks_for=asks_for,
        temperature=temperature,
    )
    found = buy_with_model(
        population,
        endpoint,
        consumers=consumers,
        width=width,
        turns=turns,
        agents=agents,
        seed=seed,
        progress=_progress(),
    )
    parts = (_facts(found, prices), _table(found))
    reached = any(one.tokens.output for one in found.purchases)
    counted = all(one.counted for one in found.purchases)
    notes = (
        "utility: twice what the basket is worth where everything fits, less what is paid; best: of any seller's",
        "tokens as the endpoint counted them" if counted else "tokens estimated: the endpoint did not count them all",
        f"log: hash {found.log_hash[:16]}",
    )
    title = f"{model} buys for {len(found.purchases)} of {population.name}"
    return Report(title, parts, notes, _document(title, found), data=parts[1], exit_code=0 if reached else 1)


def _population(folder: str | None, consumers: int, businesses: int, seed: int) -> Population:
    from headway.economy.datasets import read_population
    from headway.economy.generated import generate_population

    if folder is not None:
        return read_population(folder)
    return generate_population(consumers, businesses, seed=seed, cities=1)


def _key(variable: str | None) -> str:
    from headway.facts.errors import InputError

    if variable is None:
        return ""
    if variable not in os.environ:
        raise InputError("--key-from", variable, "an environment variable that is set")
    return os.environ[variable]


def _progress() -> Callable[[Purchase], None] | None:
    if not sys.stderr.isatty():
        return None
    return lambda one: print(f"{one.consumer}: {one.ended}, {one.turns} turns, {one.seconds:.1f} s", file=sys.stderr)


def _facts(found: Errands, prices: str | None) -> Table:
    tokens = found.tokens
    rows: list[tuple[str, Cell]] = [
        ("bought", f"{found.bought} of {len(found.purchases)}"),
        ("welfare", money(found.welfare, found.currency)),
        ("best that could be had", money(found.best, found.currency)),
        ("input", Quantity(tokens.input, "tokens")),
        ("of it cached", Quantity(tokens.cached, "tokens")),
        ("output", Quantity(tokens.output, "tokens")),
        ("calls", tokens.calls),
    ]
    if prices is not None:
        from headway.economy.scale import deal_price

        usd = Quantity(deal_price(prices, tokens).usd, "dollars")
        said: Cell = usd if tokens.input or tokens.output else "no tokens counted"
        rows.append((f"tokens at {prices}'s list price", said))
    return facts_table("errands", rows)


def _table(found: Errands) -> Table:
    unit = dimension_of(found.currency)
    columns = (
        Column("consumer", "consumer", align="left"),
        Column("ended", "", align="left", fold=True),
        Column("seller", "seller", align="left", priority=2),
        Column("paid", "paid", unit),
        Column("utility", "utility", unit),
        Column("best", "best", unit),
        Column("turns", "turns", priority=1),
        Column("asked", "asked", priority=3),
        Column("input_tokens", "input", "tokens", priority=4),
        Column("output_tokens", "output", "tokens", priority=4),
        Column("seconds_s", "time", "seconds", priority=5),
        Column("refused", "not done", align="left", fold=True, priority=1),
    )
    rows = tuple(_row(one) for one in found.purchases)
    return Table("purchases", columns, rows, "Errands")


def _row(one: Purchase) -> tuple[Cell, ...]:
    ended = Toned(one.ended, "good" if one.ended == "bought" else "warn")
    said = ", ".join(code.lower().replace("_", " ") for code in one.refused)
    cells = (one.paid, one.utility, one.best, one.turns, one.asked, one.tokens.input, one.tokens.output, one.seconds)
    return (one.consumer, ended, one.seller, *cells, said)


def _document(title: str, found: Errands) -> dict[str, Any]:
    return {"title": title, "errands": found}
