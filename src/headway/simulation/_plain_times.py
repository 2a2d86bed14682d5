"""The plain engine's look at the step table and at the clock."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from headway.simulation._state import Rules, Times

Engine: TypeAlias = "dict[str, Any]"
Sequence: TypeAlias = "dict[str, Any]"


def interpolate(top: float, points: int, x: float) -> tuple[int, float]:
    """Cell and place in it on a grid whose steps widen with the square."""
    n = points - 1
    i = min(int(n * math.sqrt(x / top)), n - 1)
    low, high = top * i * i / (n * n), top * (i + 1) * (i + 1) / (n * n)
    return i, (x - low) / (high - low)


def decode_seconds(times: Times, batch: int, total: float) -> float:
    """Attention of the decoding ones [s]."""
    i, w = interpolate(times.context_top, times.decode.shape[1], min(total / batch, times.context_top))
    return float(times.decode[batch, i] * (1.0 - w) + times.decode[batch, i + 1] * w)


def prefill_seconds(times: Times, new: int, cached: int) -> float:
    """Attention of a chunk [s]."""
    grid = times.prefill
    i, u = interpolate(times.new_top, grid.shape[0], min(float(new), times.new_top))
    j, v = interpolate(times.context_top, grid.shape[1], min(float(cached), times.context_top))
    low = grid[i, j] * (1.0 - u) + grid[i + 1, j] * u
    high = grid[i, j + 1] * (1.0 - u) + grid[i + 1, j + 1] * u
    return float(low * (1.0 - v) + high * v)


def next_departure(rules: Rules, at: float) -> float:
    """When the next train leaves."""
    return max(math.ceil(at / rules.period - 1e-9) * rules.period, at) if rules.period > 0 else at
