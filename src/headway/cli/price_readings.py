"""``headway price invert`` and ``headway price validate``: sizes from prices, and how far to trust them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from headway.cli._chart import Axis, Series, XYChart
from headway.cli._output import output_options
from headway.cli._params import CONFIG, quantity
from headway.cli._report import Cell, Column, Passage, Report, Table, Toned
from headway.cli.price_command import SHEET

if TYPE_CHECKING:
    from headway.pricing.cache_reading import CacheReading
    from headway.pricing.posterior import Reading
    from headway.pricing.scoring import Validation

_PRICE: Final = quantity("dollars_per_mtok", "price")
_NAMES: Final = (("active_params", "active parameters"), ("total_params", "total parameters"), ("sparsity", "sparsity"))


@click.command()
@click.argument("model", type=SHEET, required=False, metavar="[MODEL]")
@click.option("--input", "paid_in", type=_PRICE, help="Input price instead of MODEL, as '$2/Mtok'.")
@click.option("--output-price", "paid_out", type=_PRICE, help="Output price, as '$12/Mtok'.")
@click.option("--cache-read", type=_PRICE, help="Price of a cached token; with MODEL, instead of the sheet's.")
@click.option("--sheet", "file", type=CONFIG, help="A TOML file with sheets of your own.")
@click.option("--on", "day", help="Day as YYYY-MM-DD; what holds today by default.")
@click.option("--at", "time", help="Time of day in UTC, as 07:30; off-peak by default.")
@output_options
def invert(
    model: str | None,
    paid_in: float | None,
    paid_out: float | None,
    cache_read: float | None,
    file: str | None,
    day: str | None,
    time: str | None,
) -> Report:
    """Size of a model from its prices: prior, posterior and what the price taught, by two forms.

    Example: headway price invert gemini-3.1-pro
    """
    from headway.facts.errors import InputError
    from headway.facts.prices import price_facts, read_price_facts
    from headway.pricing.cache_reading import read_cache_price
    from headway.pricing.hours import at_time
    from headway.pricing.posterior import read_sheet
    from headway.pricing.sheets import policy_flags, price_events, sheet

    warnings: tuple[str, ...] = ()
    if model is not None and paid_in is None and paid_out is None:
        facts = read_price_facts(file) if file else price_facts()
        found = sheet(model, facts, on=day)
        found = found if time is None else at_time(found, time)
        model, paid_in, paid_out = found.model, found.input_usd_per_mtok, found.output_usd_per_mtok
        cache_read = found.price("cache_read") if cache_read is None else cache_read
        events = price_events(model, facts)
        changes = tuple(f"price event: {e.field} x{e.multiple:.2g} on {e.date} under one name" for e in events)
        ended = (f"last known, until {found.ended}: no price holds today",) if found.ended else ()
        warnings = (*ended, *(f"{flag.name}: {flag.why}" for flag in policy_flags(found, facts)), *changes)
    elif model is not None or paid_in is None or paid_out is None:
        given = "MODEL with prices" if model is not None else "not both prices"
        raise InputError("MODEL", given, "a MODEL of 'headway price compare', or --input and --output-price")
    else:
        for option, said in (("--sheet", file), ("--on", day), ("--at", time)):
            if said is not None:
                raise InputError(option, said, "a MODEL, whose sheet it chooses; --input and --output-price need none")
    reading = read_sheet(paid_in, paid_out, name=model or "sheet")
    return _reading_report(reading, read_cache_price(cache_read), paid_in, paid_out, warnings)


def _reading_report(
    reading: Reading, cached: CacheReading, paid_in: float, paid_out: float, warnings: tuple[str, ...]
) -> Report:
    columns = (
        Column("quantity", "quantity", align="left"),
        Column("form", "by", align="left"),
        Column("low", "10%", "count"),
        Column("median", "median", "count"),
        Column("high", "90%", "count"),
        Column("shrinkage", "shrinkage", "fraction"),
        Column("identified", "", align="left"),
    )
    rows: list[tuple[Cell, ...]] = []
    for key, name in _NAMES:
        before = reading.prior.of(key)
        rows.append((name, "prior", before.low, before.median, before.high, None, ""))
        for form, belief in reading.posteriors.items():
            said, shrinkage = belief.of(key), reading.shrinkage(key, form)
            rows.append(
                (name, form, said.low, said.median, said.high, shrinkage, _verdict(reading.identified(key, form)))
            )
    kv = "KV bytes a token"
    for form, said in (("prior", cached.prior), ("cache price", cached.posterior)):
        last = (None, "") if form == "prior" else (cached.shrinkage, _verdict(cached.identified))
        rows.append((kv, form, said.low, said.median, said.high, *last))
    flags = (Passage("Before you believe it", warnings),) if warnings else ()
    return Report(
        title=f"{reading.model} at ${paid_in:g} in and ${paid_out:g} out per Mtok, 80% intervals",
        parts=(_density(reading), Table("sizes", columns, tuple(rows), group="quantity"), *flags),
        notes=reading.assumptions,
        document=_reading_record(reading) | {"kv_bytes_per_token": _cache_record(cached), "warnings": warnings},
    )


def _verdict(identified: bool) -> Cell:
    return Toned("identified", "good") if identified else Toned("not identified", "warn")


def _density(reading: Reading) -> XYChart:
    from headway.pricing.posterior import active_axis

    axis = active_axis()
    shown = ("prior", reading.headline_form)
    series = tuple(Series(name, axis, [float(v) for v in reading.density[name]]) for name in shown)
    return XYChart("Active parameters", Axis("active parameters", "count", log=True), Axis("probability"), series)


def _reading_record(reading: Reading) -> dict[str, Any]:
    def belief(form: str, found: Any) -> dict[str, Any]:
        record = {key: found.of(key) for key, _ in _NAMES} | {"dense": found.dense}
        if form != "prior":
            record["shrinkage"] = {key: reading.shrinkage(key, form) for key, _ in _NAMES}
            record["identified"] = {key: reading.identified(key, form) for key, _ in _NAMES}
        return record

    return {
        "model": reading.model,
        "quotes": reading.quotes,
        "headline": reading.headline_form,
        "prior": belief("prior", reading.prior),
        "posterior": {form: belief(form, found) for form, found in reading.posteriors.items()},
        "assumptions": reading.assumptions,
    }


def _cache_record(cached: CacheReading) -> dict[str, Any]:
    return {
        "prior": cached.prior,
        "posterior": cached.posterior,
        "shrinkage": cached.shrinkage,
        "identified": cached.identified,
        "models": cached.models,
    }


@click.command()
@click.argument("train", required=False, metavar="[TRAIN.csv]", type=CONFIG)
@click.option("--test", "tested", type=CONFIG, help="Models to be read by a fit on TRAIN.csv.")
@output_options
def validate(train: str | None, tested: str | None) -> Report:
    """Read sizes of models whose size is known, and score the intervals.

    TRAIN.csv has the columns of the package's own table, which is used where it is not given. Without --test each
    family is read by a fit on the others.

    Example: headway price validate prices.csv --test others.csv --json
    """
    from headway.pricing.offers import open_offers, quotes, read_offers
    from headway.pricing.scoring import validate_families, validate_test

    known = quotes(read_offers(train) if train else open_offers())
    found = validate_families(known) if tested is None else validate_test(known, quotes(read_offers(tested)))
    return Report(
        title=f"{len(found.outcomes)} models: {found.design}",
        parts=(_score_table(found), _outcome_table(found)),
        notes=(
            "score: 80% interval score on natural logarithms, lower is better; error: median factor to the truth",
            "headline: " + found.outcomes[0].reading.headline_form,
        ),
        document={
            "design": found.design,
            "headline": found.outcomes[0].reading.headline_form,
            "active": _headline_scores(found, "active_params"),
            "total": _headline_scores(found, "total_params"),
            "scores": found.scores,
            "models": [
                {"family": one.family, "truth": one.truth, **_reading_record(one.reading)} for one in found.outcomes
            ],
        },
        data=_outcome_table(found),
    )


def _headline_scores(found: Validation, quantity_name: str) -> dict[str, Any]:
    form = found.outcomes[0].reading.headline_form
    score = next(s for s in found.scores if (s.quantity, s.form) == (quantity_name, form))
    prior = next(s for s in found.scores if (s.quantity, s.form) == (quantity_name, "prior"))
    return {
        "coverage": score.coverage,
        "median_error": score.median_error,
        "interval_score": score.interval_score,
        "half_width": score.half_width,
        "prior_interval_score": prior.interval_score,
        "against_prior": score.against_prior,
    }


def _score_table(found: Validation) -> Table:
    columns = (
        Column("quantity", "quantity", align="left"),
        Column("form", "by", align="left"),
        Column("coverage", "inside", "fraction"),
        Column("median_error", "error x"),
        Column("half_width", "half width x"),
        Column("interval_score", "score"),
        Column("against_prior", "against prior", "fraction"),
    )
    rows = tuple(
        (dict(_NAMES)[s.quantity], s.form, s.coverage, s.median_error, s.half_width, s.interval_score, s.against_prior)
        for s in found.scores
    )
    return Table("scores", columns, rows)


def _outcome_table(found: Validation) -> Table:
    columns = (
        Column("model", "model", align="left"),
        Column("family", "family", align="left", priority=3),
        Column("hosts", "hosts", priority=4),
        *(
            Column(f"{key}_{part}", f"{label}\n{part}", "count", priority=priority)
            for key, label in (("active_params", "active"), ("total_params", "total"))
            for part, priority in (("true", 0), ("low", 2), ("median", 0), ("high", 2))
        ),
    )
    rows = tuple(_outcome_row(one) for one in found.outcomes)
    return Table("models", columns, rows)


def _outcome_row(one: Any) -> tuple[Cell, ...]:
    cells: list[Cell] = [one.reading.model, one.family, one.reading.quotes]
    for key, true in one.truth.items():
        said = one.reading.headline.of(key)
        inside = said.low <= true <= said.high
        cells += [true, said.low, Toned(said.median, "" if inside else "warn"), said.high]
    return tuple(cells)
