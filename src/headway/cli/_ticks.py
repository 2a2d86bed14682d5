"""Scales of a chart's axes and the round values at which they are labelled."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values from `low` to `high` to [0, 1], evenly or by their logarithms."""

    low: float
    high: float
    log: bool

    def usable(self, value: float) -> bool:
        """Whether the value has a place."""
        return _drawable(value, self.log)

    def place(self, value: float) -> float:
        """Place of a value, 0 at `low` and 1 at `high`."""
        if self.log:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)


def _drawable(value: float, log: bool) -> bool:
    # Beyond these magnitudes differences and quotients of floats overflow; no quantity is there.
    return abs(value) < 1e100 and (value > 1e-100 or not log)


def scale_of(values: Iterable[float], *, log: bool = False) -> Scale | None:
    """Scale that spans the values which can be drawn; None where there are none.

    >>> scale_of([3.0, 50.0, float("nan")])
    Scale(low=0.0, high=50.0, log=False)
    """
    found = [v for v in values if _drawable(v, log)]
    if not found:
        return None
    low, high = min(found), max(found)
    if log:
        return Scale(low, high, True) if low * (1 + 1e-9) < high else Scale(low / 2, high * 2, True)
    if low > 0 and low < 0.5 * high:
        low = 0.0
    if high - low <= 1e-9 * abs(high) or high - low < 1e-90:
        margin = abs(low) / 2 if abs(low) > 1e-90 else 1.0
        low, high = low - margin, high + margin
    return Scale(low, high, False)


def ticks(low: float, high: float, wanted: int, *, log: bool = False, unit: float = 1.0) -> list[float]:
    """Round values between `low` and `high`, about `wanted` of them.

    Powers of ten (thinned evenly) on a logarithmic axis, with round values between them where the
    axis is short; multiples of 1, 2 or 5 times a power of ten on a linear one, counted in the unit that
    its end is shown in.

    >>> ticks(0, 97, 5)
    [0.0, 20.0, 40.0, 60.0, 80.0]
    >>> ticks(0, 350, 5, unit=60.0)
    [0.0, 120.0, 240.0]
    >>> ticks(1, 5e4, 4, log=True)
    [1.0, 100.0, 10000.0]
    """
    wanted = max(wanted, 2)
    if not log:
        raw = (high - low) / wanted / unit
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= raw * (1 - 1e-9))
        first, last = math.ceil(low / unit / step - 1e-9), math.floor(high / unit / step + 1e-9)
        return [round(i * step, 12 - math.floor(math.log10(step))) * unit for i in range(first, last + 1)]
    first, last = math.floor(math.log10(low) + 1e-9), math.floor(math.log10(high) + 1e-9)
    inside = [10.0**e for e in range(first, last + 1) if low * (1 - 1e-9) <= 10.0**e <= high * (1 + 1e-9)]
    if len(inside) > wanted:
        every = math.ceil(len(inside) / wanted)
        return inside[::every]
    for between in ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,)):
        fine = [m * 10.0**e for e in range(first, last + 1) for m in between]
        fine = [v for v in fine if low * (1 - 1e-9) <= v <= high * (1 + 1e-9)]
        if len(fine) <= wanted and len(fine) >= 2:
            return fine
    return inside if len(inside) >= 2 else [low, high]
