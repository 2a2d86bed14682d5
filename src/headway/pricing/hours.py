"""Prices by the hour: a sheet at a time of day, and what a day costs.

What peak hours cost more is the worth of idle chips at night, so it speaks of utilisation; nothing in it speaks of
the model. A cycle of use over the day is an input of the cost floors for that reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from headway.facts.check import not_negative
from headway.facts.day_hours import day_hours, minute_of_day
from headway.facts.errors import InputError
from headway.pricing.sheets import Sheet

_HOUR = 60


@dataclass(frozen=True, slots=True)
class HourPrice:
    """One field that is priced by the hour.

    Parameters
    ----------
    field, mode, hours : str
        What is priced, and when the other price holds (UTC).
    share : float
        Share of the day that it holds [1].
    standard_usd_per_mtok, hours_usd_per_mtok : float
        Price of the other hours, and of these [$/Mtok].
    mean_usd_per_mtok : float
        Mean over the tokens of a day [$/Mtok].
    """

    field: str
    mode: str
    hours: str
    share: float
    standard_usd_per_mtok: float
    hours_usd_per_mtok: float
    mean_usd_per_mtok: float

    @property
    def multiple(self) -> float:
        """Price of these hours over that of the others [1]."""
        return self.hours_usd_per_mtok / self.standard_usd_per_mtok


def at_time(found: Sheet, time: str) -> Sheet:
    """What a sheet charges at a time of day.

    Parameters
    ----------
    found : Sheet
    time : str
        Time of day in UTC.

    Examples
    --------
    >>> from headway.pricing.sheets import sheet
    >>> day = sheet("deepseek-v4-pro")
    >>> at_time(day, "07:30").output_usd_per_mtok / at_time(day, "12:00").output_usd_per_mtok
    2.0

    Raises
    ------
    InputError
        If it is not a time.
    """
    minute = minute_of_day("at", time)
    now = {
        (f.field, f.above): replace(f, mode="standard", hours="")
        for f in found.facts
        if f.hours and day_hours("hours", f.hours).hold(minute)
    }
    kept = (f for f in found.facts if not f.hours)
    return replace(
        found,
        facts=tuple(now.pop((f.field, f.above), f) if f.mode == "standard" else f for f in kept) + tuple(now.values()),
    )


def hour_prices(found: Sheet, use: Sequence[float] = ()) -> tuple[HourPrice, ...]:
    """Fields that a sheet prices by the hour, and the mean of a day.

    Parameters
    ----------
    found : Sheet
    use : sequence of float
        Tokens of each of the 24 hours from midnight UTC, in any unit; even where not given.

    Examples
    --------
    >>> from headway.pricing.sheets import sheet
    >>> price = hour_prices(sheet("deepseek-v4-pro"))[0]
    >>> price.field, price.multiple, round(price.mean_usd_per_mtok / price.standard_usd_per_mtok, 3)
    ('input', 2.0, 1.292)

    Raises
    ------
    InputError
        If `use` has not 24 entries, or all are 0.
    """
    weights = tuple(float(not_negative("use", share)) for share in use) or (1.0,) * 24
    if len(weights) != 24 or not sum(weights) > 0:
        raise InputError("use", len(weights), "24 shares, one an hour, of which one is above 0")
    rows = []
    for fact in found.facts:
        base = None if fact.above else found.price(fact.field)
        if not fact.hours or not base:
            continue
        hours = day_hours("hours", fact.hours)
        inside = sum(
            weight * sum(hours.hold(hour * _HOUR + minute) for minute in range(_HOUR)) / _HOUR
            for hour, weight in enumerate(weights)
        )
        paid = inside / sum(weights)
        mean = base * (1.0 - paid) + fact.value * paid
        rows.append(HourPrice(fact.field, fact.mode, fact.hours, hours.share, base, fact.value, mean))
    return tuple(rows)
