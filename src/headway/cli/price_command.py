"""``headway price``: what a price sheet holds, what its dimensions cost, and what it says about a model."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from headway.cli._chart import BarChart
from headway.cli._lazy import LazyGroup, Row
from headway.cli._output import output_options
from headway.cli._params import CONFIG, FRACTION, MODEL, SYSTEM, TOKENS, Converted, listed, quantity
from headway.cli._report import Cell, Column, Part, Passage, Quantity, Report, Table, Toned

if TYPE_CHECKING:
    from headway.facts.hardware import System
    from headway.facts.model import Model
    from headway.facts.prices import PriceFact
    from headway.pricing.hours import HourPrice
    from headway.pricing.sheets import Sheet

_PRICE: Final = "dollars_per_mtok"


_SHEETS: Final = "Sheets"
_SIZES: Final = "Sizes"
_HERE: Final = "headway.cli.price_command"
_READINGS: Final = "headway.cli.price_readings"
_CHECK: Final = "headway.cli.price_check"
ROWS: Final = (
    Row("show", f"{_HERE}:show", "Every figure of a sheet, and what looks like policy.", _SHEETS),
    Row("compare", f"{_HERE}:compare", "Sheets side by side.", _SHEETS),
    Row("history", f"{_HERE}:history", "One name, a new price.", _SHEETS),
    Row("check", f"{_CHECK}:check", "Figures that a second source has otherwise.", _SHEETS),
    Row("floor", f"{_HERE}:floor", "Cost floor of every dimension, and markups.", _SHEETS),
    Row("invert", f"{_READINGS}:invert", "Posterior of a model's size from its prices.", _SIZES),
    Row("validate", f"{_READINGS}:validate", "How far that can be trusted, on models of known size.", _SIZES),
)


_HELP: Final = "Price sheets: show them, find their cost floor, read sizes off them, and test the reading."

price: Final = LazyGroup("price", ROWS, [], _HELP, "'headway price COMMAND --help' says more.")


def _named(text: str, _field: str) -> str:
    return text.strip()


def _sheet_names() -> Sequence[str]:
    from headway.facts.prices import price_models

    return price_models()


SHEET: Final = Converted("model", _named, _sheet_names)


def _sheet_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say which sheet: the user's own file, the day and the time of day."""
    file = click.option("--sheet", "file", type=CONFIG, help="A TOML file with sheets of your own.")
    day = click.option("--on", "day", help="Day as YYYY-MM-DD; what holds today by default.")
    time = click.option("--at", "time", help="Time of day in UTC, as 07:30; off-peak by default.")

    @functools.wraps(function)
    def wrapped(*arguments: Any, **given: Any) -> Any:
        return function(*arguments, **given)

    return file(day(time(wrapped)))


def _facts(file: str | None) -> tuple[PriceFact, ...]:
    from headway.facts.prices import price_facts, read_price_facts

    return read_price_facts(file) if file else price_facts()


def _find(model: str, file: str | None, day: str | None = None, time: str | None = None) -> Sheet:
    from headway.pricing.hours import at_time
    from headway.pricing.sheets import sheet

    found = sheet(model, _facts(file), on=day)
    return found if time is None else at_time(found, time)


@click.command()
@click.argument("model", type=SHEET)
@_sheet_options
@output_options
def show(model: str, file: str | None, day: str | None, time: str | None) -> Report:
    """Every figure of a sheet, its multiples, what looks like policy, and what the lecture would read off it.

    Example: headway price show claude-opus-5
    """
    from headway.pricing.closed_forms import closed_forms
    from headway.pricing.hours import hour_prices
    from headway.pricing.sheets import multiples, policy_flags

    found = _find(model, file, day, time)
    over = {(m.field, m.mode, m.above): m.multiple for m in multiples(found)}
    columns = (
        Column("field", "field", align="left"),
        Column("mode", "mode", align="left"),
        Column("above_tokens", "prompts above", "tokens", priority=2),
        Column("value", "price", mixed=True),
        Column("multiple", "x standard"),
        Column("date", "since", align="left", priority=3),
        Column("source", "source", align="left", fold=True, priority=4),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (f.field, f.mode, f.above or None, _figure(f), over.get((f.field, f.mode, f.above)), f.date, f.source.text)
        for f in found.facts
    )
    flags, forms, hours = policy_flags(found, _facts(file)), closed_forms(found), hour_prices(found)
    notes = ("'contradicted' means that the same equation misses most of four open models by more than 3x",)
    return Report(
        title=f"{found.model} of {found.provider}, {found.date}"
        + (f" at {time} UTC" if time else "")
        + (f": last known, until {found.ended}" if found.ended else ""),
        parts=(
            Table("prices", columns, rows),
            *((_hours_table(hours),) if hours else ()),
            Passage("Looks like policy", tuple(f"{f.name}: {f.why}" for f in flags) or ("nothing",)),
            _forms_table(forms),
        ),
        notes=notes,
        document={
            "model": found.model,
            "provider": found.provider,
            "date": found.date,
            "ended": found.ended or None,
            "prices": found.facts,
            "multiples": multiples(found),
            "hours": hours,
            "policy": flags,
            "closed_forms": [_form_record(form) for form in forms],
        },
    )


def _figure(fact: PriceFact) -> Cell:
    dimension = {"$/Mtok": _PRICE, "$/Mtok-h": "dollars_per_mtok_hour"}.get(fact.unit, "count")
    return Quantity(fact.value, dimension)


def _hours_table(hours: Sequence[HourPrice]) -> Table:
    columns = (
        Column("field", "by the hour", align="left"),
        Column("hours", "hours", align="left"),
        Column("mode", "mode", align="left", priority=1),
        Column("standard", "other hours", _PRICE),
        Column("then", "these hours", _PRICE),
        Column("multiple", "x"),
        Column("mean", "mean of an even day", _PRICE),
    )
    rows = tuple(
        (
            h.field,
            h.hours,
            h.mode,
            h.standard_usd_per_mtok,
            h.hours_usd_per_mtok,
            h.multiple,
            h.mean_usd_per_mtok,
        )
        for h in hours
    )
    return Table("hours", columns, rows)


def _forms_table(forms: Sequence[Any]) -> Table:
    columns = (
        Column("reading", "what the lecture would read", align="left"),
        Column("value", "value", mixed=True),
        Column("holds", "on open models", align="left"),
        Column("assumption", "if", align="left", fold=True, priority=1),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            form.name,
            None if form.value is None else Quantity(form.value, form.dimension),
            Toned("contradicted", "bad") if form.contradicted else ("not contradicted" if form.checks else "no check"),
            form.assumptions[0],
        )
        for form in forms
    )
    return Table("closed_forms", columns, rows)


def _form_record(form: Any) -> dict[str, Any]:
    return {
        "name": form.name,
        "value": form.value,
        "dimension": form.dimension,
        "equation": form.equation,
        "assumptions": form.assumptions,
        "contradicted": form.contradicted,
        "checks": form.checks,
    }


@click.command()
@click.argument("model", type=MODEL)
@click.option("--on", "system", type=SYSTEM, required=True, help="System that serves it.")
@click.option("--priced-as", type=SHEET, help="Model whose sheet the floors stand beside; MODEL's own by default.")
@click.option("--sheet", "file", type=CONFIG, help="A TOML file with sheets of your own.")
@click.option("--isl", type=TOKENS, default="4k", show_default=True, help="Input tokens of a request.")
@click.option("--osl", type=TOKENS, default="1k", show_default=True, help="Output tokens of a request.")
@click.option("--tpot", type=quantity("seconds", "time"), help="Limit on the mean time per output token.")
@click.option("--price", "rent", type=quantity("dollars_per_gpu_hour", "price"), help="Rent, as '$2/GPU-h'.")
@click.option(
    "--utilisation", type=listed(FRACTION), default="100%", show_default=True, help="Share of the day in use, or a day."
)
@click.option("--speed", type=quantity("count", "factor"), help="Of the fast mode; the sheet's, or 2.5x, by default.")
@output_options
def floor(
    model: Model,
    system: System,
    priced_as: str | None,
    file: str | None,
    isl: float,
    osl: float,
    tpot: float | None,
    rent: float | None,
    utilisation: tuple[float, ...],
    speed: float | None,
) -> Report:
    """Cost floor of every priced dimension of MODEL on a system, and the markup of posted prices.

    Example: headway price floor deepseek-v3 --on hgx-h200 --price '$2/GPU-h' --utilisation 20%,60%,100%
    """
    from headway.facts.check import whole
    from headway.facts.prices import price_models
    from headway.pricing.floors import cost_floors
    from headway.serving.plan import default_prices
    from headway.serving.workload import Prices, Workload

    workload = Workload(int(whole("--isl", isl)), int(whole("--osl", osl)), tpot=math.inf if tpot is None else tpot)
    asked = priced_as or model.name
    known = file is not None or priced_as is not None or asked in price_models()
    posted = _find(asked, file) if known else None
    prices = default_prices(system) if rent is None else Prices(rent)
    found = cost_floors(model, system, workload, prices, sheet=posted, utilisation=utilisation, speed=speed)
    parts: tuple[Part, ...] = (Passage("infeasible", (found.reason,)),)
    if found.feasible:
        columns = (
            Column("dimension", "dimension", align="left"),
            Column("cost_usd_per_mtok", "cost floor", _PRICE),
            Column("price_usd_per_mtok", "price", _PRICE),
            Column("markup", "markup"),
            Column("made_of", "cost is", align="left", fold=True, priority=1),
        )
        rows = tuple(
            (f.dimension, f.cost_usd_per_mtok, f.price_usd_per_mtok, f.markup, f.made_of) for f in found.floors
        )
        parts = (Table("floors", columns, rows),)
    return Report(
        title=f"{found.model} on {found.system} at ${prices.usd_per_chip_hour:g}/GPU-h, {found.utilisation:.0%} in use",
        parts=parts,
        notes=(
            *((f"prices last known, until {posted.ended}",) if posted is not None and posted.ended else ()),
            *(found.assumptions if found.feasible else ()),
        ),
        document={
            "model": found.model,
            "system": found.system,
            "feasible": found.feasible,
            "reason": found.reason,
            "utilisation": found.utilisation,
            "usd_per_chip_hour": prices.usd_per_chip_hour,
            "floors": [
                {
                    "dimension": f.dimension,
                    "cost_usd_per_mtok": f.cost_usd_per_mtok,
                    "price_usd_per_mtok": f.price_usd_per_mtok,
                    "markup": f.markup,
                    "made_of": f.made_of,
                }
                for f in found.floors
            ],
            "assumptions": found.assumptions,
            "sources": found.sources,
        },
        exit_code=0 if found.feasible else 1,
    )


@click.command()
@click.argument("models", type=listed(SHEET), required=False)
@_sheet_options
@output_options
def compare(models: tuple[str, ...] | None, file: str | None, day: str | None, time: str | None) -> Report:
    """Sheets side by side: all that hold, or MODELS separated by commas.

    Example: headway price compare claude-opus-5,gpt-5.5,gemini-3.1-pro
    """
    from headway.pricing.hours import at_time
    from headway.pricing.sheets import comparable, policy_flags

    facts = _facts(file)
    found = comparable(facts, models, on=day)
    if time is not None:
        found = tuple(at_time(one, time) for one in found)
    columns = (
        Column("model", "model", align="left"),
        Column("input_usd_per_mtok", "input", _PRICE),
        Column("output_usd_per_mtok", "output", _PRICE),
        Column("cache_read_usd_per_mtok", "cache read", _PRICE, priority=2),
        Column("output_over_input", "out/in"),
        Column("date", "since", align="left", priority=3),
        Column("flags", "looks like policy", align="left", fold=True, priority=1),
    )
    rows = tuple(
        (
            s.model,
            s.input_usd_per_mtok,
            s.output_usd_per_mtok,
            s.price("cache_read"),
            s.output_over_input,
            s.date,
            ", ".join(
                (
                    *((f"last known, until {s.ended}",) if s.ended else ()),
                    *(flag.name for flag in policy_flags(s, facts)),
                )
            ),
        )
        for s in found
    )
    bars = BarChart("Output price", _PRICE, tuple((s.model, s.output_usd_per_mtok) for s in found))
    return Report(title=f"{len(found)} price sheets", parts=(bars, Table("sheets", columns, rows)))


@click.command()
@click.argument("model", type=SHEET)
@click.option("--sheet", "file", type=CONFIG, help="A TOML file with sheets of your own.")
@output_options
def history(model: str, file: str | None) -> Report:
    """Changes of a model's price under one name: what an inversion would read as another model.

    Example: headway price history gpt-5.6-luna
    """
    from headway.pricing.sheets import price_events

    facts = _facts(file)
    found = _find(model, file)
    events = price_events(found.model, facts)
    columns = (
        Column("date", "date", align="left"),
        Column("field", "field", align="left"),
        Column("before", "before", _PRICE),
        Column("after", "after", _PRICE),
        Column("multiple", "after/before"),
    )
    rows = tuple((e.date, e.field, e.before, e.after, e.multiple) for e in events)
    note = "an inversion reads each change as another model; one name suggests that a margin or the serving changed"
    return Report(
        title=f"{found.model} of {found.provider}: {len(events)} price changes",
        parts=(Table("events", columns, rows),) if rows else (Passage("", ("no change of 5% or more is known",)),),
        notes=(note,) if rows else (),
        document={"model": found.model, "provider": found.provider, "events": events},
    )
