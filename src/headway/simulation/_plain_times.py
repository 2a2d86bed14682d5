"""The plain engine's look at the step table and at the clock."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Any, TypeAlias

from headway.simulation._state import Floats, Rules, Times

Engine: TypeAlias = "dict[str, Any]"
Sequence: TypeAlias = "dict[str, Any]"


def interpolate(points: Floats, x: float) -> tuple[int, float]:
    """Cell and place in it on a grid of these points."""
    i = min(bisect_right(points, x) - 1, len(points) - 2)
    return i, (x - points[i]) / (points[i + 1] - points[i])


def decode_seconds(times: Times, batch: int, total: float) -> float:
    """Attention of the decoding ones [s]."""
    i, w = interpolate(times.decode_at, min(total / batch, times.context_top))
    return float(times.decode[batch, i] * (1.0 - w) + times.decode[batch, i + 1] * w)


def prefill_seconds(times: Times, new: int, cached: int) -> float:
    """Attention of a chunk [s]."""
    grid = times.prefill
    i, u = interpolate(times.new_at, min(float(new), times.new_top))
    j, v = interpolate(times.cached_at, min(float(cached), times.context_top))
    low = grid[i, j] * (1.0 - u) + grid[i + 1, j] * u
    high = grid[i, j + 1] * (1.0 - u) + grid[i + 1, j + 1] * u
    return float(low * (1.0 - v) + high * v)


def next_departure(rules: Rules, at: float) -> float:
    """When the next train leaves."""
    return max(math.ceil(at / rules.period - 1e-9) * rules.period, at) if rules.period > 0 else at
