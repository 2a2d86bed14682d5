"""What a lower tier keeps and what it drops: LRU, LFU, S3-FIFO, and lives that start anew at each use. Compiled.

A tier is one or more lists of blocks, oldest first. LRU has one; LFU has one for each count of uses, the last for all
counts above; S3-FIFO has newcomers, the main queue, and a queue of blocks that it has dropped but remembers. A block
that outlives its time is not found any more, and leaves when it is dropped or put again.
"""

from __future__ import annotations

from headway.simulation._machine_code import compiled, compiled_apart
from headway.simulation._state import (
    GHOST,
    HELD,
    KEEPS,
    LIFE,
    LISTS,
    MAIN,
    NEWER,
    NEWEST,
    OLDER,
    ROOM,
    USES,
    Rules,
    State,
)

#: What a tier drops, by number, in the order of the fleet's names.
LEAST_RECENT, LEAST_OFTEN, S3_FIFO = range(3)
#: S3-FIFO counts uses up to this.
FREQUENT = 3


@compiled
def take_off(s: State, row: int, i: int) -> None:
    """Take a block out of its list."""
    a, b = s.shelf[row, i, OLDER], s.shelf[row, i, NEWER]
    s.shelf[row, a, NEWER] = b
    s.shelf[row, b, OLDER] = a
    s.shelved[row, s.shelf[row, i, HELD]] -= 1
    s.shelf[row, i, HELD] = 0


@compiled
def put_newest(s: State, row: int, i: int, which: int) -> None:
    """Put a block at the new end of a list (from 1)."""
    end = s.link.shape[1] - 2 + which
    tail = s.shelf[row, end, OLDER]
    s.shelf[row, tail, NEWER] = i
    s.shelf[row, i, OLDER] = tail
    s.shelf[row, i, NEWER] = end
    s.shelf[row, end, OLDER] = i
    s.shelf[row, i, HELD] = which
    s.shelved[row, which] += 1


@compiled
def keeps(s: State, rules: Rules, t: int, row: int, i: int) -> bool:
    """Whether a tier holds a block, alive or not."""
    held = s.shelf[row, i, HELD]
    return bool(held > 0 and (held != GHOST or rules.tiers[t, KEEPS] != S3_FIFO))


@compiled
def alive(s: State, rules: Rules, t: int, row: int, i: int) -> bool:
    """Whether a block that is held was used within its life."""
    return bool(s.clock[0] - s.used_at[row, i] <= rules.tiers[t, LIFE])


@compiled
def has(s: State, rules: Rules, t: int, row: int, i: int) -> bool:
    """Whether a tier can give a block."""
    return keeps(s, rules, t, row, i) and alive(s, rules, t, row, i)


@compiled
def number_kept(s: State, rules: Rules, t: int, row: int) -> int:
    """Blocks of a tier that take room."""
    if rules.tiers[t, KEEPS] == LEAST_RECENT:
        return int(s.shelved[row, 1])
    total = 0
    for which in range(1, s.shelved.shape[1]):
        if which != GHOST or rules.tiers[t, KEEPS] != S3_FIFO:
            total += s.shelved[row, which]
    return int(total)


@compiled
def oldest(s: State, row: int, which: int) -> int:
    """Oldest block of a list."""
    return int(s.shelf[row, s.link.shape[1] - 2 + which, NEWER])


@compiled_apart
def next_in_s3(s: State, row: int, room: int) -> int:
    """Block that S3-FIFO drops, taken off; newcomers used twice move to the main queue, others are remembered."""
    few = max(room // 10, 1)
    while True:
        if s.shelved[row, NEWEST] >= few or s.shelved[row, MAIN] == 0:
            i = oldest(s, row, NEWEST)
            take_off(s, row, i)
            if s.shelf[row, i, USES] > 1:
                s.shelf[row, i, USES] = 0
                put_newest(s, row, i, MAIN)
                continue
            put_newest(s, row, i, GHOST)
            if s.shelved[row, GHOST] > room - few:
                take_off(s, row, oldest(s, row, GHOST))
            return i
        i = oldest(s, row, MAIN)
        take_off(s, row, i)
        if s.shelf[row, i, USES] == 0:
            return i
        s.shelf[row, i, USES] -= 1
        put_newest(s, row, i, MAIN)


@compiled
def dropped(s: State, rules: Rules, t: int, row: int) -> int:
    """Block that a full tier drops, taken off."""
    if rules.tiers[t, KEEPS] == S3_FIFO:
        return next_in_s3(s, row, int(rules.tiers[t, ROOM]))
    which = 1
    while rules.tiers[t, KEEPS] == LEAST_OFTEN and which < LISTS and s.shelved[row, which] == 0:
        which += 1
    i = oldest(s, row, which)
    take_off(s, row, i)
    return i


@compiled
def enter(s: State, rules: Rules, t: int, row: int, i: int, used: float) -> None:
    """A block comes to a tier that has room for it."""
    which = 1
    if s.shelf[row, i, HELD] > 0:
        take_off(s, row, i)
        which = MAIN
    s.shelf[row, i, USES] = 0
    s.used_at[row, i] = used
    put_newest(s, row, i, which)


@compiled
def touch(s: State, rules: Rules, t: int, row: int, i: int, used: float, more: int) -> None:
    """A block that a tier holds was put again, or used (`more` is 1)."""
    s.used_at[row, i] = used
    if rules.tiers[t, KEEPS] == S3_FIFO:
        s.shelf[row, i, USES] = min(s.shelf[row, i, USES] + more, FREQUENT)
        return
    which = int(s.shelf[row, i, HELD])
    take_off(s, row, i)
    if rules.tiers[t, KEEPS] == LEAST_OFTEN:
        which = min(which + more, LISTS)
    put_newest(s, row, i, which)
