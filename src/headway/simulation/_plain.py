"""Parts of the plain engine: its blocks, its clock and its look at the step table."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

from headway.simulation._state import Rules, Times

Engine: TypeAlias = "dict[str, Any]"
Sequence: TypeAlias = "dict[str, Any]"


def found_blocks(engine: Engine, sequence: Sequence, rules: Rules) -> int:
    """Leading blocks of a prompt that are resident."""
    hits = 0
    for i in sequence["ids"] if rules.cache else ():
        if i not in engine["users"] and i not in engine["idle"]:
            break
        hits += 1
    return hits


def waiting_ones(engine: Engine) -> list[Sequence]:
    """Everyone in line."""
    return [q for line in engine["lines"] for q in line]


def used_blocks(engine: Engine) -> int:
    """Blocks that someone holds."""
    return len(engine["users"]) + sum(int(q["private"]) for q in engine["seats"])


def blocks_of(tokens: int, rules: Rules) -> int:
    """Blocks for so many tokens."""
    return -(-tokens // rules.block)


def free_blocks(engine: Engine, rules: Rules) -> int:
    """Blocks that nobody holds."""
    return rules.blocks - used_blocks(engine)


def evict(engine: Engine, rules: Rules) -> None:
    """Drop the oldest idle blocks until all fit."""
    while engine["idle"] and used_blocks(engine) + len(engine["idle"]) > rules.blocks:
        engine["idle"].popitem(last=False)


def take_block(engine: Engine, i: int) -> None:
    """One more user of a block."""
    engine["idle"].pop(i, None)
    engine["users"][i] = engine["users"].get(i, 0) + 1


def grow_to(engine: Engine, q: Sequence, tokens: int, rules: Rules) -> None:
    """Hold blocks for `tokens` tokens."""
    if rules.cache:
        covered = len(q["ids"]) if tokens >= q["prompt"] else min(len(q["ids"]), tokens // rules.block)
        for i in q["ids"][len(q["held"]) : covered]:
            take_block(engine, i)
            q["held"].append(i)
    q["private"] = max(blocks_of(tokens, rules) - len(q["held"]), 0)
    evict(engine, rules)


def let_go(engine: Engine, q: Sequence) -> None:
    """Give back all blocks, the last of the prompt first."""
    for i in reversed(q["held"]):
        engine["users"][i] -= 1
        if not engine["users"][i]:
            del engine["users"][i]
            engine["idle"][i] = None
    q["held"], q["private"] = [], 0


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
