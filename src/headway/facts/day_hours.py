"""Hours of the day, in UTC: ``"01-04, 06-10 UTC"`` read, asked and written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from headway.facts.errors import InputError

_DAY = 24 * 60
_WINDOW = re.compile(r"\s*(\d{1,2})(?::(\d{2}))?\s*-\s*(\d{1,2})(?::(\d{2}))?\s*")
_EXPECTED = "hours of the day in UTC, as '01-04, 06:30-10 UTC'"


@dataclass(frozen=True, slots=True)
class DayHours:
    """Parts of the day.

    Parameters
    ----------
    windows : tuple of (int, int)
        First minute and the minute after the last, from midnight UTC; the second may be the smaller, over midnight.
    """

    windows: tuple[tuple[int, int], ...]

    def hold(self, minute: int) -> bool:
        """Whether a minute of the day lies inside.

        >>> night = day_hours("hours", "22-02 UTC")
        >>> night.hold(23 * 60), night.hold(60), night.hold(12 * 60)
        (True, True, False)
        """
        return any(a <= minute < b if a < b else minute >= a or minute < b for a, b in self.windows)

    @property
    def share(self) -> float:
        """Share of the day [1]."""
        return sum((b - a) % _DAY or _DAY for a, b in self.windows) / _DAY


def minute_of_day(field: str, text: str) -> int:
    """Minutes from midnight of a time of day.

    Examples
    --------
    >>> minute_of_day("--at", "07:30")
    450

    Raises
    ------
    InputError
        If it is not a time.
    """
    found = re.fullmatch(r"\s*(\d{1,2})(?::(\d{2}))?\s*(?:UTC)?\s*", text)
    hour, minute = (int(found[1]), int(found[2] or 0)) if found else (_DAY, 0)
    if hour > 23 or minute > 59:
        raise InputError(field, text, "a time of day in UTC, as 07:30")
    return hour * 60 + minute


@lru_cache(maxsize=64)
def day_hours(field: str, text: str) -> DayHours:
    """Read hours of the day.

    Parameters
    ----------
    field : str
        What the message names.
    text : str
        Windows separated by commas; ``UTC`` may stand at the end, no other zone.

    Examples
    --------
    >>> found = day_hours("hours", "01-04, 06-10 UTC")
    >>> found.windows, round(found.share, 3)
    (((60, 240), (360, 600)), 0.292)

    Raises
    ------
    InputError
        If it is not a list of windows, or two of them overlap.
    """
    windows = []
    for part in re.sub(r"\s*UTC\s*$", "", text).split(","):
        found = _WINDOW.fullmatch(part)
        if not found:
            raise InputError(field, text, _EXPECTED)
        first, last = (int(found[k]) * 60 + int(found[k + 1] or 0) for k in (1, 3))
        if first >= _DAY or last > _DAY or int(found[2] or 0) > 59 or int(found[4] or 0) > 59 or first == last:
            raise InputError(field, text, _EXPECTED)
        windows.append((first, last))
    made = DayHours(tuple(windows))
    if len({a for a, _ in windows}) < len(windows) or any(
        DayHours((one,)).hold(a) for one in windows for a, _ in windows if one[0] != a
    ):
        raise InputError(field, text, "hours that do not overlap")
    return made


def written(windows: Sequence[tuple[int, int]]) -> str:
    """Hours as text.

    >>> written([(60, 240), (390, 600)])
    '01-04, 06:30-10 UTC'
    """

    def time(minute: int) -> str:
        hour, rest = divmod(minute, 60)
        return f"{hour:02d}:{rest:02d}" if rest else f"{hour:02d}"

    return ", ".join(f"{time(a)}-{time(b)}" for a, b in windows) + " UTC"
