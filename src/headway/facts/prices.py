"""What API providers charge: dated price sheets, one fact at a time, each with its source.

Facts only: ratios and what they might say about a model are the business of the rooms above.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from headway.facts.catalog import Column, Document, Row, numbered_rows, only_tables, packaged, read_document
from headway.facts.check import not_negative
from headway.facts.day_hours import day_hours
from headway.facts.errors import InputError, UnknownNameError, unknown
from headway.facts.sources import Source

_PER_MTOK = ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output")

#: Services that a row may be of.
PRICE_MODES: Final = ("standard", "fast", "priority", "flex", "batch", "peak", "off-peak")

_FOREIGN = re.compile(r"[€£¥₹]|\b(EUR|GBP|CNY|RMB|JPY|INR|CHF|KRW)\b", re.IGNORECASE)

#: Columns of a price sheet.
SHEET_COLUMNS: tuple[Column, ...] = (
    Column("model", "text", "name of the model", required=True),
    Column("provider", "text", "who charges it", required=True),
    Column("mode", "text", "standard (default), fast, priority, flex, batch, peak or off-peak"),
    Column("above", "quantity", "prompts longer than this are billed by this row", "tokens"),
    Column("hours", "text", "hours of the day it holds, UTC, as '01-04, 06-10'"),
    Column("input", "quantity", "price of input tokens", "dollars_per_mtok"),
    Column("cache_write_5m", "quantity", "price of input kept for 5 minutes", "dollars_per_mtok"),
    Column("cache_write_1h", "quantity", "price of input kept for 1 hour", "dollars_per_mtok"),
    Column("cache_read", "quantity", "price of cached input tokens", "dollars_per_mtok"),
    Column("output", "quantity", "price of output tokens", "dollars_per_mtok"),
    Column("storage", "quantity", "price of keeping cached tokens", "dollars_per_mtok_hour"),
    Column("speed", "quantity", "advertised output speed over the standard mode's", "count"),
    Column("date", "date", "first day it is known to have held", required=True),
    Column("until", "date", "last day it held"),
    Column("note", "text", "what the reader should know"),
)

#: Unit of each kind of price fact.
FIELD_UNITS: tuple[tuple[str, str], ...] = (
    *((field, "$/Mtok") for field in _PER_MTOK),
    ("storage", "$/Mtok-h"),
    ("speed", "1"),
)


@dataclass(frozen=True, slots=True)
class PriceFact:
    """One figure of one price sheet.

    Parameters
    ----------
    model, provider : str
        What is sold, and by whom.
    field : str
        ``input, cache_write_5m, cache_write_1h, cache_read, output`` [$/Mtok], ``storage`` [$/Mtok-h] or
        ``speed`` (advertised output speed over the standard mode's) [1].
    value : float
        The figure, in `unit`.
    unit : str
        Unit of `value`.
    mode : str
        ``"standard"``, ``"fast"``, ``"priority"``, ``"flex"``, ``"batch"``, ``"peak"`` or
        ``"off-peak"``.
    above : float
        Prompts longer than this are billed at this figure [token].
    date : str
        First day it is known to have held, ISO 8601.
    until : str
        Last day it held; empty while it holds.
    source : Source
        Who says so.
    note : str
        What the reader should know.
    hours : str
        Hours of the day it holds, UTC; empty for all.
    """

    model: str
    provider: str
    field: str
    value: float
    unit: str
    mode: str
    above: float
    date: str
    until: str
    source: Source
    note: str
    hours: str = ""

    def holds(self, on: str) -> bool:
        """Whether it held on a day, as YYYY-MM-DD."""
        # An end may be a month, which holds to its last day.
        return self.date <= on and (not self.until or on[: len(self.until)] <= self.until)


def _facts(sheet: Row) -> Iterator[PriceFact]:
    hours = sheet.text("hours")
    if hours:
        day_hours(f"{sheet.name}.hours", hours)
        if sheet.text("mode", "standard") == "standard":
            raise InputError(f"{sheet.name}.mode", "standard", "a mode of its own, as peak, for a row with hours")
    mode, above = sheet.text("mode", "standard"), sheet.optional("above")
    if mode not in PRICE_MODES:
        raise unknown(f"{sheet.name}.mode", mode, PRICE_MODES)
    if above is not None and not above > 0:
        raise InputError(f"{sheet.name}.above", f"{above:g} tok", "more than 0 tokens; no figure for all prompts")
    first, last = sheet.text("date"), sheet.text("until")
    if last and last < first[: len(last)]:
        raise InputError(f"{sheet.name}.until", last, f"a day from {first} on")
    for field, unit in FIELD_UNITS:
        value = sheet.optional(field)
        if field == "speed" and value is not None and not value > 0:
            raise InputError(f"{sheet.name}.speed", f"{value:g}x", "more than 0x, over the standard mode's")
        if value is not None:
            yield PriceFact(
                model=sheet.text("model"),
                provider=sheet.text("provider"),
                field=field,
                value=value,
                unit=unit,
                mode=mode,
                above=above or 0.0,
                date=sheet.text("date"),
                until=sheet.text("until"),
                source=sheet.sources[0],
                note=sheet.text("note"),
                hours=hours,
            )


@cache
def price_facts() -> tuple[PriceFact, ...]:
    """Every price fact of the packaged table, in its order.

    >>> len(price_facts()) > 100
    True
    """
    first = tuple(_of_document(packaged("api_prices.toml")))
    known = {fact.model for fact in first}
    return first + tuple(fact for fact in _of_document(packaged("price_snapshot.toml")) if fact.model not in known)


def _of_document(doc: Document) -> Iterator[PriceFact]:
    for sheet in numbered_rows(doc, "sheet", SHEET_COLUMNS):
        yield from _facts(sheet)


def read_price_facts(path: str | Path, *, today: str | None = None) -> tuple[PriceFact, ...]:
    """Price sheets of a user's own TOML file, with the columns of the packaged table.

    Parameters
    ----------
    path : str or Path
        Rows stand in a list ``sheet``, or as ``[[sheet]]``.
    today : str, optional
        Day after which a price cannot be known yet; the clock's where not given.

    Raises
    ------
    InputError
        If the file cannot be read, a figure is negative, without a unit or in another currency, a mode is unknown, a
        day lies in the future or before the first one, two rows state one figure, or a standard sheet lacks its input
        or its output price. The message names the field.

    Examples
    --------
    >>> read_price_facts("absent.toml")
    Traceback (most recent call last):
    headway.facts.errors.InputError: file: 'absent.toml' is not accepted: expected a readable TOML file ...
    """
    doc = read_document(path)
    only_tables(doc, ("sheet", "sources"))
    raw = doc.tables.get("sheet", [])
    for number, line in enumerate(raw if isinstance(raw, list) else []):
        for field, unit in FIELD_UNITS:
            value = line.get(field) if isinstance(line, dict) else None
            if isinstance(value, str) and _FOREIGN.search(value):
                raise InputError(f"{doc.where}: sheet[{number}].{field}", value, f"one currency, dollars ({unit})")
    facts = tuple(_of_document(doc))
    last = today or datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    for fact in facts:
        if fact.date > last:
            raise InputError(f"{doc.where}: {fact.model}: date", fact.date, f"a day that is not after {last}")
    _stated_once(doc.where, facts)
    for model in dict.fromkeys(fact.model for fact in facts):
        has = {f.field for f in facts if f.model == model and f.mode == "standard" and not f.above}
        for field in ("input", "output"):
            if field not in has:
                raise InputError(f"{doc.where}: {model}: {field}", "nothing", "a price of the standard mode, $/Mtok")
    if not facts:
        raise InputError(f"{doc.where}: sheet", "nothing", "at least one row")
    return facts


def _stated_once(where: str, facts: Iterable[PriceFact]) -> None:
    seen: set[tuple[object, ...]] = set()
    for fact in facts:
        key = (fact.model, fact.field, fact.mode, fact.above, fact.hours, fact.date)
        if key in seen:
            said = f"{fact.value:g} {fact.unit}, {fact.mode}, from {fact.date}"
            raise InputError(f"{where}: {fact.model}: {fact.field}", said, "one row for each mode, length and day")
        seen.add(key)


def iso_day(text: str, field: str = "on") -> str:
    """A day in the one spelling that sorts as days do.

    Parameters
    ----------
    text : str
        Any spelling of ISO 8601.
    field : str
        Named where it is none.

    Raises
    ------
    InputError
        If it is not a day.

    Examples
    --------
    >>> iso_day("20260820"), iso_day("2026-W34-4")
    ('2026-08-20', '2026-08-20')
    """
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except (TypeError, ValueError):
        raise InputError(field, text, "a day as YYYY-MM-DD") from None


def default_day(facts: Iterable[PriceFact]) -> str:
    """Today; or the newest first day of the facts, where a clock is behind them.

    >>> default_day(price_facts()) >= "2026-11-25"
    True
    """
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return max([today, *(fact.date for fact in facts)])


def price_models() -> tuple[str, ...]:
    """Names of the models that have a price, in the order of the table."""
    return tuple(dict.fromkeys(fact.model for fact in price_facts()))


def price(model: str, field: str, *, mode: str = "standard", context: float = 0.0, on: str | None = None) -> PriceFact:
    """The price fact of a model that applies to a prompt length and a day.

    Parameters
    ----------
    model : str
        Name of the model (``"gemini-3.1-pro"``).
    field : str
        Which figure; see :class:`PriceFact`.
    mode : str
        Service mode.
    context : float
        Length of the prompt, which chooses the tier [token].
    on : str, optional
        Day as YYYY-MM-DD; without it, the latest price that holds today, or the last one that did.

    Raises
    ------
    UnknownNameError
        If the model, the field or the mode has no price, with what there is.
    InputError
        If no price is known for that day, or it is not a day.

    Examples
    --------
    >>> price("gemini-3.1-pro", "output").value, price("gemini-3.1-pro", "output", context=250_000).value
    (12.0, 18.0)
    >>> fast = price("claude-opus-4.6", "output", mode="fast")
    >>> fast.value, fast.unit
    (150.0, '$/Mtok')
    """
    not_negative("context", context, "token")
    day = default_day(price_facts()) if on is None else iso_day(on)
    if model not in price_models():
        raise unknown("model", model, price_models())
    of_model = [fact for fact in price_facts() if fact.model == model]
    if mode not in {fact.mode for fact in of_model}:
        raise unknown("mode", mode, {fact.mode for fact in of_model})
    found = [fact for fact in of_model if fact.mode == mode and fact.field == field]
    if not found:
        known = {fact.field for fact in of_model if fact.mode == mode}
        raise unknown("price", field, known)
    dated = [fact for fact in found if fact.holds(day)]
    if on is None:
        dated = dated or found
    tier = [fact for fact in dated if context > fact.above or fact.above == 0]
    if not tier:
        days = ", ".join(sorted({fact.date for fact in found}))
        raise InputError("on", on or "now", f"a day for which a price is known (first days: {days})")
    return max(tier, key=lambda fact: (fact.above, fact.date))


def price_history(model: str, field: str, *, mode: str = "standard") -> tuple[PriceFact, ...]:
    """Every figure a price has had at the shortest prompts, oldest first.

    Raises
    ------
    UnknownNameError
        If there is none.

    Examples
    --------
    >>> [fact.value for fact in price_history("deepseek-v4-flash", "output")]
    [0.28, 0.66, 0.6]
    """
    found = [
        fact
        for fact in price_facts()
        if (fact.model, fact.field, fact.mode) == (model, field, mode) and fact.above == 0
    ]
    if not found:
        raise UnknownNameError("price", f"{model} {field} {mode}", "a model, field and mode of the price table")
    return tuple(sorted(found, key=lambda fact: fact.date))
