"""Caches of a given capacity, block by block: LFU, S3-FIFO, LRU as an oracle, and Belady's bound. Compiled.

Each takes a trace's runs and one capacity and returns the tokens of every request that it serves. A request is
looked up first, then its blocks are used from the tail to the head, so that the tail is the older.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headway.simulation._machine_code import compiled_alone

FREQUENT = 3
"""S3-FIFO counts uses up to this."""
COARSE = 256


@compiled_alone
def served(resident: Any, begin: int, end: int, start: Any, count: Any, size: int, tokens: int) -> int:
    """Tokens of a prompt that lead it and are held."""
    position = 0
    for k in range(begin, end):
        for b in range(start[k], start[k] + count[k]):
            if not resident[b]:
                return min(size * position, tokens)
            position += 1
    return min(size * position, tokens)


@compiled_alone
def unlink(older: Any, newer: Any, b: int) -> None:
    """Take a block out of its list."""
    newer[older[b]] = newer[b]
    older[newer[b]] = older[b]


@compiled_alone
def append(older: Any, newer: Any, head: int, b: int) -> None:
    """Make a block the newest of the list whose sentinel is `head`."""
    newest = older[head]
    newer[newest] = b
    older[b] = newest
    newer[b] = head
    older[head] = b


@compiled_alone
def counted(inputs: Any, indptr: Any, start: Any, count: Any, ids: int, size: int, capacity: int, by_use: bool) -> Any:
    """LFU, ties broken by recency; plain LRU where `by_use` is false."""
    n = len(inputs)
    lists = n + 2
    older = np.arange(ids + lists).astype(np.int32)
    newer = np.arange(ids + lists).astype(np.int32)
    uses = np.zeros(ids, dtype=np.int32)
    resident = np.zeros(ids, dtype=np.bool_)
    out = np.zeros(n, dtype=np.int64)
    used = 0
    least = 1
    for r in range(n):
        out[r] = served(resident, indptr[r], indptr[r + 1], start, count, size, inputs[r])
        for k in range(indptr[r + 1] - 1, indptr[r] - 1, -1):
            for b in range(start[k] + count[k] - 1, start[k] - 1, -1):
                if resident[b]:
                    unlink(older, newer, b)
                    head = ids + uses[b]
                    if uses[b] == least and newer[head] == head:
                        least += 1
                    if by_use:
                        uses[b] = min(uses[b] + 1, lists - 1)
                    least = min(least, uses[b])
                elif capacity > 0:
                    if used == capacity:
                        while newer[ids + least] == ids + least:
                            least += 1
                        gone = newer[ids + least]
                        unlink(older, newer, gone)
                        resident[gone] = False
                        used -= 1
                    resident[b] = True
                    used += 1
                    uses[b] = 1
                    least = 1
                else:
                    continue
                append(older, newer, ids + uses[b], b)
    return out


@compiled_alone
def s3_fifo(inputs: Any, indptr: Any, start: Any, count: Any, ids: int, size: int, capacity: int) -> Any:
    """S3-FIFO: a small queue for newcomers, a main queue, and a ghost queue of ids."""
    n = len(inputs)
    small, main, ghost = ids, ids + 1, ids + 2
    older = np.arange(ids + 3).astype(np.int32)
    newer = np.arange(ids + 3).astype(np.int32)
    place = np.zeros(ids, dtype=np.int8)
    resident = np.zeros(ids, dtype=np.bool_)
    uses = np.zeros(ids, dtype=np.int8)
    out = np.zeros(n, dtype=np.int64)
    in_small = in_main = in_ghost = 0
    most_small = max(capacity // 10, 1)
    for r in range(n):
        out[r] = served(resident, indptr[r], indptr[r + 1], start, count, size, inputs[r])
        if capacity == 0:
            continue
        for k in range(indptr[r + 1] - 1, indptr[r] - 1, -1):
            for b in range(start[k] + count[k] - 1, start[k] - 1, -1):
                if resident[b]:
                    uses[b] = min(uses[b] + 1, FREQUENT)
                    continue
                while in_small + in_main >= capacity:
                    if in_small >= most_small or in_main == 0:
                        gone = newer[small]
                        unlink(older, newer, gone)
                        in_small -= 1
                        if uses[gone] > 1:
                            append(older, newer, main, gone)
                            uses[gone] = 0
                            place[gone] = 2
                            in_main += 1
                        else:
                            resident[gone] = False
                            append(older, newer, ghost, gone)
                            place[gone] = 3
                            in_ghost += 1
                            if in_ghost > capacity - most_small:
                                forgotten = newer[ghost]
                                unlink(older, newer, forgotten)
                                place[forgotten] = 0
                                in_ghost -= 1
                    else:
                        gone = newer[main]
                        unlink(older, newer, gone)
                        if uses[gone] > 0:
                            uses[gone] -= 1
                            append(older, newer, main, gone)
                        else:
                            resident[gone] = False
                            place[gone] = 0
                            in_main -= 1
                uses[b] = 0
                resident[b] = True
                if place[b] == 3:
                    unlink(older, newer, b)
                    in_ghost -= 1
                    place[b] = 2
                    append(older, newer, main, b)
                    in_main += 1
                else:
                    place[b] = 1
                    append(older, newer, small, b)
                    in_small += 1
    return out


@compiled_alone
def next_users(n: int, indptr: Any, start: Any, count: Any, ids: int, total: int) -> Any:
    """For each use of a block, in order, the request that uses it next; `n` where none does."""
    nearest = np.full(ids, n, dtype=np.int32)
    out = np.empty(total, dtype=np.int32)
    at = total
    for r in range(n - 1, -1, -1):
        for k in range(indptr[r + 1] - 1, indptr[r] - 1, -1):
            for b in range(start[k] + count[k] - 1, start[k] - 1, -1):
                at -= 1
                out[at] = nearest[b]
                nearest[b] = r
    return out


@compiled_alone
def belady(inputs: Any, indptr: Any, start: Any, count: Any, ids: int, size: int, capacity: int, following: Any) -> Any:
    """Belady's bound: drop what is used again last, the newcomer included."""
    n = len(inputs)
    older = np.arange(ids + n + 1).astype(np.int32)
    newer = np.arange(ids + n + 1).astype(np.int32)
    wanted = np.zeros(ids, dtype=np.int32)
    coarse = np.zeros(n // COARSE + 1, dtype=np.int64)
    resident = np.zeros(ids, dtype=np.bool_)
    out = np.zeros(n, dtype=np.int64)
    used = 0
    first = 0
    for r in range(n):
        out[r] = served(resident, indptr[r], indptr[r + 1], start, count, size, inputs[r])
        at = first
        for k in range(indptr[r], indptr[r + 1]):
            at += count[k]
        first = at
        for k in range(indptr[r + 1] - 1, indptr[r] - 1, -1):
            for b in range(start[k] + count[k] - 1, start[k] - 1, -1):
                at -= 1
                if resident[b]:
                    unlink(older, newer, b)
                    coarse[wanted[b] // COARSE] -= 1
                elif capacity == 0:
                    continue
                else:
                    resident[b] = True
                    used += 1
                wanted[b] = following[at]
                append(older, newer, ids + wanted[b], b)
                coarse[wanted[b] // COARSE] += 1
                if used > capacity:
                    group = len(coarse) - 1
                    while coarse[group] == 0:
                        group -= 1
                    last = min(group * COARSE + COARSE - 1, n)
                    while newer[ids + last] == ids + last:
                        last -= 1
                    gone = newer[ids + last]
                    unlink(older, newer, gone)
                    coarse[group] -= 1
                    resident[gone] = False
                    used -= 1
    return out
