"""One pass over a trace's blocks: how long ago, and under how many others, each one was last used. Compiled.

For ids that are not prefixes; those that are need no pass over blocks (:mod:`headway.simulation.prefixes`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headway.simulation._machine_code import compiled_alone

NEVER = -1


@compiled_alone
def add(tree: Any, i: int, by: int) -> None:
    """Add to entry `i` of a Fenwick tree."""
    i += 1
    while i < len(tree):
        tree[i] += by
        i += i & -i


@compiled_alone
def below(tree: Any, i: int) -> int:
    """Sum of the entries before `i` of a Fenwick tree."""
    total = 0
    while i > 0:
        total += tree[i]
        i -= i & -i
    return total


@compiled_alone
def grown(array: Any, used: int) -> Any:
    """The array, or one of twice its size with the same entries where it is full."""
    if used < len(array):
        return array
    wider = np.zeros((2 * len(array), array.shape[1]), dtype=array.dtype)
    wider[:used] = array
    return wider


@compiled_alone
def point(by_distance: Any, at: int, blocks: int, size: int, share: float) -> None:
    """Blocks that are all served from the same capacity on (an entry of the first difference of the curve)."""
    tokens = blocks * size
    by_distance[at, 0] += tokens
    by_distance[at + 1, 0] -= tokens
    by_distance[at, 1] += tokens * share
    by_distance[at + 1, 1] -= tokens * share
    by_distance[at, 2] += blocks
    by_distance[at + 1, 2] -= blocks


@compiled_alone
def shorten(by_distance: Any, at: int, tokens: int, share: float) -> None:
    """Tokens that a prompt's last block does not fill."""
    by_distance[at, 0] -= tokens
    by_distance[at + 1, 0] += tokens
    by_distance[at, 1] -= tokens * share
    by_distance[at + 1, 1] += tokens * share


@compiled_alone
def general_pass(
    times: Any, inputs: Any, indptr: Any, start: Any, count: Any, ids: int, size: int, ttl: float, least: int
) -> Any:
    """Walk the trace once, a Fenwick tree over every access. A repeat in a prompt counts once.

    Returns ``hit_tokens (n,), gaps (k, 4), raw (j, 2), by_distance (ids + 3, 3), unique``, the first three as in
    :class:`headway.simulation.prefixes.Uses`. Cumulated twice, `by_distance` is tokens, share and blocks served by a
    cache of that many blocks.
    """
    n = len(times)
    total = 0
    for k in range(len(count)):
        total += count[k]
    tree = np.zeros(total + 2, dtype=np.int32)
    when = np.full(ids, NEVER, dtype=np.int64)
    last = np.full(ids, NEVER, dtype=np.int32)
    hit_tokens = np.zeros(n, dtype=np.int64)
    by_distance = np.zeros((ids + 3, 3), dtype=np.float64)
    gaps = np.zeros((1024, 4), dtype=np.float64)
    raw = np.zeros((1024, 2), dtype=np.float64)
    g = w = clock = everyone = 0
    for r in range(n):
        if inputs[r] < least:
            continue
        far = 0
        longest = 0.0
        alive = True
        position = 0
        share = 1.0 / inputs[r]
        for k in range(indptr[r], indptr[r + 1]):
            for b in range(start[k], start[k] + count[k]):
                who = last[b]
                if who < 0:
                    alive = False
                else:
                    gap = times[r] - times[who]
                    raw = grown(raw, w)
                    raw[w, 0] = gap
                    raw[w, 1] = 1
                    w += 1
                    longest = max(longest, gap)
                    if longest > ttl:
                        alive = False
                if alive:
                    tokens = min(size, inputs[r] - size * position)
                    hit_tokens[r] += tokens
                    gaps = grown(gaps, g)
                    gaps[g, 0] = longest
                    gaps[g, 1] = tokens
                    gaps[g, 2] = tokens * share
                    gaps[g, 3] = r
                    g += 1
                    far = max(far, everyone - below(tree, when[b] + 1) + 1)
                    point(by_distance, far, 1, size, share)
                    shorten(by_distance, far, size - tokens, share)
                position += 1
        for k in range(indptr[r + 1] - 1, indptr[r] - 1, -1):
            for b in range(start[k] + count[k] - 1, start[k] - 1, -1):
                if when[b] >= 0:
                    add(tree, when[b], -1)
                else:
                    everyone += 1
                when[b] = clock
                last[b] = r
                add(tree, clock, 1)
                clock += 1
    return hit_tokens, gaps[:g], raw[:w], by_distance, everyone
