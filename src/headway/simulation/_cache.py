"""Blocks of one engine: shared prefix blocks under LRU, private blocks by count. Compiled.

A block of a prompt's prefix has an id and a number of users; with none it is evictable, oldest first. What has no
id (answers, prompts without ids) is counted. ``used`` are the blocks that a running request holds; evictable ones
are free for the taking, as in vLLM's block pool (vLLM V1, ``kv_cache_manager``).
"""

from __future__ import annotations

from headway.simulation._machine_code import compiled
from headway.simulation._state import (
    COVERED,
    JOINED,
    LRU,
    NEWER,
    NOW,
    OLDER,
    PASSES,
    PRIVATE,
    READY,
    REFS,
    USED,
    WITHIN,
    Rules,
    State,
    Work,
)
from headway.simulation._tiers import put, put_through, used_above


@compiled
def unlink(s: State, e: int, i: int) -> None:
    """Take a block out of the line of evictable ones."""
    a, b = s.link[e, i, OLDER], s.link[e, i, NEWER]
    s.link[e, a, NEWER] = b
    s.link[e, b, OLDER] = a
    s.eng[e, LRU] -= 1


@compiled
def take(s: State, e: int, i: int) -> None:
    """One more user of a block, which becomes resident where it was not."""
    if s.link[e, i, REFS] <= 0:
        if s.link[e, i, REFS] == 0:
            unlink(s, e, i)
        s.eng[e, USED] += 1
        s.link[e, i, REFS] = 1
    else:
        s.link[e, i, REFS] += 1


@compiled
def leave(s: State, rules: Rules, e: int, i: int) -> None:
    """One user less; the last one leaves the block as the newest of the evictable."""
    s.link[e, i, REFS] -= 1
    if s.link[e, i, REFS] == 0:
        end = s.link.shape[1] - 1
        tail = s.link[e, end, OLDER]
        s.link[e, tail, NEWER] = i
        s.link[e, i, OLDER] = tail
        s.link[e, i, NEWER] = end
        s.link[e, end, OLDER] = i
        s.eng[e, LRU] += 1
        s.eng[e, USED] -= 1
        if s.tally.size > 0:
            s.stamp[e, i] = max(s.stamp[e, i], s.clock[NOW])
            if rules.through:
                used_above(s, rules, e, int(i))


@compiled
def make_room(s: State, rules: Rules, e: int) -> None:
    """Evict the oldest blocks until all fit; the tier below takes them, where it has no copy yet."""
    end = s.link.shape[1] - 1
    while s.eng[e, LRU] > 0 and s.eng[e, USED] + s.eng[e, LRU] > rules.blocks:
        i = s.link[e, end, NEWER]
        unlink(s, e, i)
        s.link[e, i, REFS] = -1
        if s.tally.size > 0 and not rules.through:
            put(s, rules, 0, e, int(i), s.stamp[e, i])


@compiled
def leading(s: State, work: Work, rules: Rules, e: int, r: int, blocks: int, least: int) -> int:
    """How many of the first `blocks` blocks of a prompt have `least` users at least (0 where they are resident).

    Where an id stands for a whole prefix, whoever uses a block uses all before it and lets go of them later: the blocks
    are the leading ones, and halving finds the last.
    """
    begin = work.pointer[r]
    if rules.chained:
        low, high = 0, blocks
        while low < high:
            middle = (low + high) // 2
            if s.link[e, work.ids[begin + middle], REFS] >= least:
                low = middle + 1
            else:
                high = middle
        return low
    for k in range(blocks):
        if s.link[e, work.ids[begin + k], REFS] < least:
            return k
    return blocks


@compiled
def found(s: State, work: Work, rules: Rules, e: int, r: int) -> int:
    """Leading blocks of a prompt that are resident."""
    if not rules.cache:
        return 0
    return leading(s, work, rules, e, r, int(work.pointer[r + 1] - work.pointer[r]), 0)


@compiled
def in_use(s: State, work: Work, rules: Rules, e: int, r: int, h: int) -> int:
    """How many of the first `h` blocks someone uses now, so that one more user takes no room."""
    if h == 0:
        return 0
    if rules.chained:
        return leading(s, work, rules, e, r, h, 1)
    count = 0
    for k in range(work.pointer[r], work.pointer[r] + h):
        if s.link[e, work.ids[k], REFS] > 0:
            count += 1
    return count


@compiled
def grow(s: State, work: Work, rules: Rules, e: int, r: int, tokens: int) -> None:
    """Hold blocks for `tokens` tokens; whole blocks of the prompt become resident under their ids."""
    total = (tokens + rules.block - 1) // rules.block
    if rules.cache:
        ids = work.pointer[r + 1] - work.pointer[r]
        covered = ids if tokens >= work.tokens[r] else min(ids, tokens // rules.block)
        for k in range(s.seq[r, COVERED], covered):
            i = work.ids[work.pointer[r] + k]
            made = s.link[e, i, REFS] < 0
            take(s, e, i)
            if made and s.tally.size > 0:
                s.stamp[e, i] = s.clock[NOW]
                if rules.through:
                    put_through(s, rules, e, int(i))
        s.seq[r, COVERED] = max(covered, s.seq[r, COVERED])
    private = max(total - s.seq[r, COVERED], 0)
    s.eng[e, USED] += private - s.seq[r, PRIVATE]
    s.seq[r, PRIVATE] = private
    make_room(s, rules, e)


@compiled
def held(s: State, rules: Rules, e: int, r: int) -> int:
    """Private blocks of a request, those that decoding added included."""
    if s.seq[r, READY] != 2:
        return int(s.seq[r, PRIVATE])
    since = s.eng[e, PASSES] - s.seq[r, JOINED] - s.seq[r, WITHIN]
    if since <= 0:
        return int(s.seq[r, PRIVATE])
    return int(s.seq[r, PRIVATE] + (since - 1) // rules.pass_block + 1)


@compiled
def give_back(s: State, work: Work, rules: Rules, e: int, r: int) -> None:
    """Let go of all blocks, the last of the prompt first, so that the head of a prefix stays longest."""
    s.eng[e, USED] -= held(s, rules, e, r)
    for k in range(s.seq[r, COVERED] - 1, -1, -1):
        leave(s, rules, e, work.ids[work.pointer[r] + k])
    s.seq[r, COVERED] = 0
    s.seq[r, PRIVATE] = 0
