"""One pass over a trace's blocks: how long ago, and under how many others, each one was last used. Compiled.

The blocks that a request was the last to use are a tail of that request's blocks, since whoever uses a block uses
all before it. Two numbers a request (the first block it still holds, and how many) therefore stand for the whole
LRU stack, and a stretch of blocks last used together has distances in arithmetic progression. Where ids are not
such prefixes, the pass stops and says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headway.simulation._machine_code import compiled_alone

NEVER = -1
#: A block's last user and its place in a prompt are one number, user + place x PLACE: along a stretch that one request
#: was the last to use, each is the one before plus PLACE.
PLACE = 1 << 32


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
def segments(last: Any, begin: int, end: int, start: Any, count: Any, r: int, segment: Any) -> Any:
    """Split a prompt into stretches last used together, and make `r` their last user.

    Returns the table (last user, first block), its rows, and the blocks of the prompt; -1 rows where a block comes
    twice or at another depth than before, so that its id is no prefix.
    """
    m = 0
    position = 0
    expected = -2
    mine = np.int64(r)
    for k in range(begin, end):
        for b in range(start[k], start[k] + count[k]):
            found = last[b]
            if found != expected:
                who = found % PLACE if found >= 0 else NEVER
                if who == r or (who >= 0 and found // PLACE != position):
                    return segment, -1, position
                segment = grown(segment, m)
                segment[m, 0] = who
                segment[m, 1] = position
                m += 1
            expected = found + PLACE if found >= 0 else NEVER
            last[b] = mine
            mine += PLACE
            position += 1
    return segment, m, position


@compiled_alone
def take_over(tree: Any, held: Any, segment: Any, m: int) -> int:
    """Take the stretches from the requests that held them; returns their blocks."""
    moved = 0
    for s in range(m):
        who = segment[s, 0]
        if who >= 0:
            held[who] += segment[s, 2]
            add(tree, who, -segment[s, 2])
            moved += segment[s, 2]
    return moved


@compiled_alone
def reuse_pass(
    times: Any, inputs: Any, indptr: Any, start: Any, count: Any, ids: int, size: int, ttl: float, least: int
) -> Any:
    """Walk the trace once.

    Returns ``chained, hit_tokens (n,), gaps (k, 4), raw (j, 2), by_distance (ids + 2, 3), last (ids,)``.
    A row of `gaps` is a gap that a time to live must reach [s], the tokens it then serves, their share of their
    request and which it is; a row of `raw` is a gap of blocks and how many. Cumulated twice, `by_distance` is tokens,
    share and blocks served by a cache of that many blocks.
    """
    n = len(times)
    last = np.full(ids, NEVER, dtype=np.int64)
    tree = np.zeros(n + 1, dtype=np.int64)
    held = np.zeros(n, dtype=np.int64)
    hit_tokens = np.zeros(n, dtype=np.int64)
    by_distance = np.zeros((ids + 3, 3), dtype=np.float64)
    gaps = np.zeros((1024, 4), dtype=np.float64)
    raw = np.zeros((1024, 2), dtype=np.float64)
    segment = np.zeros((1024, 3), dtype=np.int64)
    g = w = 0
    everyone = 0
    for r in range(n):
        if inputs[r] < least:
            continue
        segment, m, position = segments(last, indptr[r], indptr[r + 1], start, count, r, segment)
        if m < 0:
            return False, hit_tokens, gaps[:g], raw[:w], by_distance, last
        far = 0
        longest = 0.0
        alive = True
        for s in range(m):
            who = segment[s, 0]
            first = segment[s, 1]
            length = (segment[s + 1, 1] if s + 1 < m else position) - first
            segment[s, 2] = length
            if who < 0:
                alive = False
                continue
            if held[who] != first:
                return False, hit_tokens, gaps[:g], raw[:w], by_distance, last
            gap = times[r] - times[who]
            raw = grown(raw, w)
            raw[w, 0] = gap
            raw[w, 1] = length
            w += 1
            longest = max(longest, gap)
            if longest > ttl:
                alive = False
            if not alive:
                continue
            tokens = min(size * length, inputs[r] - size * first)
            hit_tokens[r] += tokens
            share = 1.0 / inputs[r]
            gaps = grown(gaps, g)
            gaps[g, 0] = longest
            gaps[g, 1] = tokens
            gaps[g, 2] = tokens * share
            gaps[g, 3] = r
            g += 1
            nearest = everyone - below(tree, who + 1) + 1
            same = min(length, max(0, far - nearest + 1))
            if same > 0:
                point(by_distance, far, same, size, share)
            if same < length:
                ramp(by_distance, nearest + same, nearest + length, size, share)
                far = nearest + length - 1
            if size * length > tokens:
                shorten(by_distance, far, size * length - tokens, share)
        everyone -= take_over(tree, held, segment, m)
        add(tree, r, position)
        everyone += position
    return True, hit_tokens, gaps[:g], raw[:w], by_distance, last


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
def ramp(by_distance: Any, begin: int, end: int, size: int, share: float) -> None:
    """One more block served with each block of capacity from `begin` to before `end`."""
    by_distance[begin, 0] += size
    by_distance[end, 0] -= size
    by_distance[begin, 1] += size * share
    by_distance[end, 1] -= size * share
    by_distance[begin, 2] += 1
    by_distance[end, 2] -= 1


@compiled_alone
def general_pass(
    times: Any, inputs: Any, indptr: Any, start: Any, count: Any, ids: int, size: int, ttl: float, least: int
) -> Any:
    """The same for ids that are not prefixes: a Fenwick tree over every access. A repeat in a prompt counts once."""
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
    return True, hit_tokens, gaps[:g], raw[:w], by_distance, last
