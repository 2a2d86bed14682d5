"""Price sheets: every dimension that a provider charges by, as dated facts, and what in them looks like policy.

A sheet holds only what is listed. What two sheets share (a discount, a multiple) is policy rather than cost, and
tells nothing about either model; :func:`policy_flags` says where.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from headway.facts.errors import InputError, unknown
from headway.facts.prices import PriceFact, default_day, iso_day, price_facts

_WITHIN: Final = 1e-6
_COPIED: Final = 3
_EVENT: Final = 0.05


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is charged for one model.

    Parameters
    ----------
    model, provider : str
    date : str
        First day of the newest figure, ISO 8601.
    facts : tuple of PriceFact
        Every figure that held on the day asked for.
    ended : str
        Last day of the newest of them, where none holds any more; empty otherwise.
    """

    model: str
    provider: str
    date: str
    facts: tuple[PriceFact, ...]
    ended: str = ""

    def price(self, field: str, *, mode: str = "standard", above: float = 0.0) -> float | None:
        """A figure, or None where the sheet has none [its own unit]."""
        found = [f for f in self.facts if (f.field, f.mode, f.above) == (field, mode, above)]
        return max(found, key=lambda f: f.date).value if found else None

    @property
    def input_usd_per_mtok(self) -> float:
        """Price of input at the shortest prompts [$/Mtok]."""
        return self.needed("input")

    @property
    def output_usd_per_mtok(self) -> float:
        """Price of output at the shortest prompts [$/Mtok]."""
        return self.needed("output")

    def needed(self, field: str) -> float:
        """A figure of the standard mode.

        Raises
        ------
        InputError
            If the sheet does not have it.
        """
        found = self.price(field)
        if found is None:
            raise InputError(f"{self.model}: {field}", "nothing", "a price of the standard mode, $/Mtok")
        return found

    @property
    def output_over_input(self) -> float | None:
        """Ratio of the two [1]; None where input is free."""
        return self.over_input("output")

    def over_input(self, field: str) -> float | None:
        """A standard price over the input price [1]; None where the sheet lacks it or input is free."""
        paid = self.price(field)
        return None if paid is None or not self.input_usd_per_mtok else paid / self.input_usd_per_mtok

    def past_step(self, field: str) -> float | None:
        """Price past the first step over the one before it [1]; None where the sheet has no step."""
        after = self.price(field, above=self.steps[0]) if self.steps else None
        before = self.price(field)
        return after / before if after is not None and before else None

    @property
    def steps(self) -> tuple[float, ...]:
        """Prompt lengths from which the standard price steps up [token]."""
        return tuple(sorted({f.above for f in self.facts if f.above and f.mode == "standard"}))

    @property
    def modes(self) -> tuple[str, ...]:
        """Services other than the standard one."""
        return tuple(dict.fromkeys(f.mode for f in self.facts if f.mode != "standard"))


@dataclass(frozen=True, slots=True)
class Multiple:
    """One figure over the standard one of the same field.

    Parameters
    ----------
    field, mode : str
    above : float
        Prompt length from which it holds [token]; 0 for all.
    multiple : float
        [1].
    """

    field: str
    mode: str
    above: float
    multiple: float


@dataclass(frozen=True, slots=True)
class Flag:
    """Something in a sheet that looks like policy, so tells nothing about the model.

    Parameters
    ----------
    name : str
    why : str
        The figures, and what they mean for an inversion.
    """

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class PriceEvent:
    """One name, a new price: what an inversion would read as another model.

    Parameters
    ----------
    model, field : str
    date : str
        First day of the new price.
    before, after : float
        [$/Mtok].
    multiple : float
        After over before [1].
    """

    model: str
    field: str
    date: str
    before: float
    after: float
    multiple: float


def sheet(model: str, facts: Sequence[PriceFact] | None = None, *, on: str | None = None) -> Sheet:
    """The sheet of a model on a day.

    Parameters
    ----------
    model : str
        As a sheet spells it, in capitals or not.
    facts : sequence of PriceFact, optional
        Of :func:`~headway.facts.prices.read_price_facts`; the packaged snapshot where not given.
    on : str, optional
        Day as YYYY-MM-DD; where not given, what holds today, or the last figures known where nothing does.

    Raises
    ------
    UnknownNameError
        If no sheet has the model.
    InputError
        If nothing is known of that day.

    Examples
    --------
    >>> found = sheet("gemini-3.1-pro")
    >>> found.input_usd_per_mtok, found.output_usd_per_mtok, found.steps
    (2.0, 12.0, (200000.0,))
    """
    every = price_facts() if facts is None else tuple(facts)
    mine = [f for f in every if f.model == model] or [f for f in every if f.model.casefold() == model.casefold()]
    if not mine:
        raise unknown("model", model, {f.model for f in every})
    day = default_day(every) if on is None else iso_day(on)
    held = tuple(f for f in mine if f.holds(day))
    if not held and on is not None:
        days = ", ".join(sorted({f.date for f in mine}))
        raise InputError("on", on, f"a day for which a price is known (first days: {days})")
    ended = "" if held else max(f.until for f in mine)
    held = held or _last_known(mine)
    return Sheet(held[0].model, held[0].provider, max(f.date for f in held), held, ended)


def _last_known(facts: Sequence[PriceFact]) -> tuple[PriceFact, ...]:
    """The newest figure of each kind."""
    ordered = sorted(facts, key=lambda f: f.date)
    return tuple({(f.field, f.mode, f.above, f.hours): f for f in ordered}.values())


def comparable(
    facts: Sequence[PriceFact], models: Sequence[str] | None = None, *, on: str | None = None
) -> tuple[Sheet, ...]:
    """Sheets with an input and an output price that hold, dearest output first; those of `models` only, where given.

    >>> [found.model for found in comparable(price_facts(), ["gpt-5", "claude-opus-5"])]
    ['claude-opus-5', 'gpt-5']
    """
    day = default_day(facts) if on is None else iso_day(on)
    held = tuple(dict.fromkeys(f.model for f in facts if f.field == "output" and f.holds(day)))
    found = [sheet(name, facts, on=on) for name in models or held]
    if not models:
        found = [one for one in found if one.price("input") and one.price("output")]
    return tuple(sorted(found, key=lambda one: -one.output_usd_per_mtok))


def multiples(found: Sheet) -> tuple[Multiple, ...]:
    """Every figure over the standard one of its field, steps and services alike.

    >>> [(m.field, m.multiple) for m in multiples(sheet("gemini-3.1-pro")) if m.above]
    [('input', 2.0), ('cache_read', 2.0), ('output', 1.5)]
    """
    rows = []
    for fact in found.facts:
        base = found.price(fact.field)
        if base and (fact.mode != "standard" or fact.above) and fact.unit == "$/Mtok":
            rows.append(Multiple(fact.field, fact.mode, fact.above, fact.value / base))
    return tuple(rows)


def policy_flags(found: Sheet, others: Iterable[PriceFact] | None = None) -> tuple[Flag, ...]:
    """What in a sheet looks like policy.

    Parameters
    ----------
    found : Sheet
    others : iterable of PriceFact, optional
        Where equal price pairs are looked for; the packaged snapshot where not given.

    Examples
    --------
    >>> [flag.name for flag in policy_flags(sheet("claude-haiku-5.5"))]
    ['uniform batch discount', 'equal context multipliers', 'round ratio of output to input', 'round cache read']
    """
    every = price_facts() if others is None else tuple(others)
    flags = [*_copied(found, every), *_uniform(found), *_context(found), *_hours(found)]
    ratio = found.output_over_input
    if ratio is None:
        return tuple(flags)
    if abs(ratio - round(ratio)) < _WITHIN:
        flags.append(Flag("round ratio of output to input", f"exactly {round(ratio)}: a list price, not two costs"))
    read = found.over_input("cache_read")
    if read is not None and any(abs(read - r) < _WITHIN for r in (0.05, 0.1, 0.2, 0.25, 0.5)):
        flags.append(Flag("round cache read", f"{read:g} of input: no trace of cache bytes"))
    return tuple(flags)


def _copied(found: Sheet, others: Sequence[PriceFact]) -> Iterable[Flag]:
    pairs: dict[str, dict[str, float]] = {}
    day = default_day(others)
    for fact in others:
        if fact.mode == "standard" and not fact.above and fact.holds(day) and fact.field in ("input", "output"):
            pairs.setdefault(fact.model, {})[fact.field] = fact.value
    own = {"input": found.input_usd_per_mtok, "output": found.output_usd_per_mtok}
    same = sorted(name for name, pair in pairs.items() if pair == own and name != found.model)
    if len(same) + 1 >= _COPIED:
        yield Flag("copied price", f"same input and output as {', '.join(same)}: equal prices read as equal models")


def _uniform(found: Sheet) -> Iterable[Flag]:
    for mode in ("batch", "flex"):
        found_multiples = [m.multiple for m in multiples(found) if m.mode == mode and not m.above]
        if found_multiples and all(abs(m - 0.5) < _WITHIN for m in found_multiples):
            yield Flag(f"uniform {mode} discount", "0.5 of every figure, as on every sheet: no model in it")


def _context(found: Sheet) -> Iterable[Flag]:
    for step in found.steps:
        by_field = {m.field: m.multiple for m in multiples(found) if m.above == step and m.mode == "standard"}
        first, last = by_field.get("input"), by_field.get("output")
        if first is not None and last is not None and abs(first - last) < _WITHIN:
            yield Flag("equal context multipliers", f"{first:g} on input and output past {step:g}: one multiplier")


def _hours(found: Sheet) -> Iterable[Flag]:
    for mode in ("peak", "off-peak"):
        timed = {f.hours for f in found.facts if f.mode == mode and f.hours}
        if timed:
            by = sorted({round(m.multiple, 3) for m in multiples(found) if m.mode == mode})
            often = " and ".join(f"{m:g}" for m in by)
            why = f"{often} times at {', '.join(sorted(timed))}: what idle chips are worth, not what a model is"
            yield Flag("price by the hour", why)


def price_events(model: str, facts: Sequence[PriceFact] | None = None) -> tuple[PriceEvent, ...]:
    """Changes of 5% or more of the standard input and output price under one name, oldest first.

    >>> [(e.date, round(e.multiple, 2)) for e in price_events("gpt-5.6-luna")]
    [('2026-07-30', 0.2), ('2026-07-30', 0.2)]
    """
    every = price_facts() if facts is None else facts
    events = []
    for field in ("input", "output"):
        mine = [f for f in every if (f.model, f.field, f.mode, f.above) == (model, field, "standard", 0.0)]
        ordered = sorted(mine, key=lambda f: f.date)
        for old, new in itertools.pairwise(ordered):
            if old.value and abs(new.value / old.value - 1.0) >= _EVENT:
                events.append(PriceEvent(model, field, new.date, old.value, new.value, new.value / old.value))
    return tuple(sorted(events, key=lambda e: (e.date, e.field)))
