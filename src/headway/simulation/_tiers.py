"""Lower tiers of the cache: what is put there, what is found there, and whether loading it is worth it. Compiled.

A tier keeps blocks (:mod:`headway.simulation._shelves`) for one engine or for all of them. What a tier drops goes one
tier down, or nowhere where every tier gets its copy when the block is made. A load takes its turn at its tier;
layers are computed as they arrive, so that a prompt whose blocks are on their way waits only for what computing
cannot hide, beside its batch and not in it.
"""

from __future__ import annotations

import math

from headway.simulation._machine_code import compiled, compiled_apart
from headway.simulation._shelves import alive, dropped, enter, has, keeps, number_kept, take_off, touch
from headway.simulation._state import (
    AGED,
    DECLINED,
    LATENCY,
    LOADED,
    LOADS,
    MOVE,
    MOVING,
    NOW,
    REFS,
    ROOM,
    ROW,
    SHARED,
    TAKES,
    TARGET,
    WAITED,
    WRITTEN,
    Floats,
    Rules,
    State,
    Times,
    Work,
)


@compiled
def cell_of(points: Floats, near: int, x: float) -> int:
    """Last point of a grid not above `x`, found from one nearby; the last but one where there is none above."""
    i = int(near)
    while i + 2 < points.size and points[i + 1] <= x:
        i += 1
    while i > 0 and points[i] > x:
        i -= 1
    return i


@compiled
def prefill_attention(times: Times, new: int, cached: int) -> float:
    """Attention of `new` tokens of a prompt after `cached` ones, bilinear on the grid [s]."""
    n, m = times.prefill.shape[0] - 1, times.prefill.shape[1] - 1
    x, y = min(float(new), times.new_top), min(float(cached), times.context_top)
    i = cell_of(times.new_at, min(int(n * math.sqrt(x / times.new_top)), n - 1), x)
    j = cell_of(times.cached_at, min(int(m * math.sqrt(y / times.context_top)), m - 1), y) if cached > 0 else 0
    u = (x - times.new_at[i]) / (times.new_at[i + 1] - times.new_at[i])
    v = (y - times.cached_at[j]) / (times.cached_at[j + 1] - times.cached_at[j])
    low = times.prefill[i, j] * (1.0 - u) + times.prefill[i + 1, j] * u
    high = times.prefill[i, j + 1] * (1.0 - u) + times.prefill[i + 1, j + 1] * u
    return float(low * (1.0 - v) + high * v)


@compiled
def row_of(rules: Rules, t: int, e: int) -> int:
    """Row of a tier's lists for an engine."""
    return int(rules.tiers[t, ROW]) + (0 if rules.tiers[t, SHARED] > 0 else e)


@compiled_apart
def put(s: State, rules: Rules, t: int, e: int, i: int, used: float) -> None:
    """Give a block to a tier; what that pushes out goes down, unless each has its own copy, or its life is over."""
    while t < rules.tiers.shape[0]:
        if rules.tiers[t, ROOM] > 0:
            row = row_of(rules, t, e)
            if keeps(s, rules, t, row, i):
                if alive(s, rules, t, row, i):
                    touch(s, rules, t, row, i, used, 0)
                    return
                take_off(s, row, i)
            gone = dropped(s, rules, t, row) if number_kept(s, rules, t, row) >= rules.tiers[t, ROOM] else -1
            enter(s, rules, t, row, i, used)
            s.flow[t, WRITTEN] += 1.0
            if gone < 0 or not alive(s, rules, t, row, gone):
                return
            i, used = gone, s.used_at[row, gone]
        if rules.through:
            return
        t += 1


@compiled_apart
def put_through(s: State, rules: Rules, e: int, i: int) -> None:
    """A block that was just made, for every tier."""
    for t in range(rules.tiers.shape[0]):
        put(s, rules, t, e, i, s.clock[NOW])


@compiled_apart
def used_above(s: State, rules: Rules, e: int, i: int) -> None:
    """The last user of a block let go of it in the engine's memory: the lives of its copies start anew."""
    for t in range(rules.tiers.shape[0]):
        row = row_of(rules, t, e)
        if keeps(s, rules, t, row, i):
            s.used_at[row, i] = max(s.used_at[row, i], s.clock[NOW])


@compiled
def holder(s: State, rules: Rules, e: int, i: int) -> int:
    """First tier that holds a block; -1 where an engine has it in its own memory, -2 where nobody has it."""
    if s.link[e, i, REFS] >= 0:
        return -1
    for t in range(rules.tiers.shape[0]):
        if has(s, rules, t, row_of(rules, t, e), i):
            return t
    return -2


@compiled
def prefill_alone(times: Times, rules: Rules, done: int, target: int) -> float:
    """Seconds of the steps that compute a prompt from `done` tokens on, with nothing beside it."""
    seconds = 0.0
    while done < target:
        chunk = target - done if rules.whole else min(target - done, rules.budget)
        seconds += float(times.linear[chunk]) + prefill_attention(times, chunk, done)
        done += chunk
    return seconds


@compiled
def arrives(s: State, rules: Rules, times: Times, e: int, hit: int, target: int, landed: float) -> float:
    """When a prompt can be computed whose tallied blocks are loaded from now on.

    Layer ``l`` of ``n`` is there at ``start + (l + 1) L / n`` and needed at ``S + l C / n``, for the time ``C`` of the
    first chunk: both ends of the pipeline give the earliest ``S``. `landed` is when blocks already on their way are in.
    """
    now = s.clock[NOW]
    chunk = target - hit if rules.whole else min(target - hit, rules.budget)
    hidden = (times.linear[chunk] + prefill_attention(times, chunk, hit)) * (rules.layers - 1) / rules.layers
    ready = max(now, landed - hidden)
    for t in range(rules.tiers.shape[0]):
        if s.tally[t] > 0:
            start = max(now, s.free_at[row_of(rules, t, e)])
            moving = s.tally[t] * rules.tiers[t, MOVE]
            ready = max(ready, start + rules.tiers[t, LATENCY] + moving / rules.layers)
            ready = max(ready, start + rules.tiers[t, LATENCY] + moving - hidden)
    return float(ready)


@compiled_apart
def worth_loading(s: State, work: Work, rules: Rules, times: Times, e: int, r: int, h: int) -> int:
    """Leading blocks of a prompt to have, `h` of them in memory: the cut that saves most time, or none.

    At each change of tier the prefill that loading up to there saves is set against the wait for it.
    """
    target, now = s.seq[r, TARGET], s.clock[NOW]
    end = work.pointer[r + 1] - work.pointer[r]
    landed = landing(s, work, e, r, h)
    hit = min(h * rules.block, target - 1)
    for t in range(s.tally.size):
        s.tally[t] = 0
    wait = arrives(s, rules, times, e, hit, target, landed) - now
    reference = prefill_alone(times, rules, hit, target) + wait
    best, most = h, 0.0
    k, source = h, -2
    while True:
        following = holder(s, rules, e, work.ids[work.pointer[r] + k]) if k < end else -2
        if following != source and k > h:
            hit = min(k * rules.block, target - 1)
            wait = arrives(s, rules, times, e, hit, target, landed) - now
            gain = reference - prefill_alone(times, rules, hit, target) - wait
            if gain > most:
                best, most = k, gain
        if following == -2:
            break
        if following >= 0:
            s.tally[following] += 1
        else:
            landed = max(landed, s.stamp[e, work.ids[work.pointer[r] + k]])
        source = following
        k += 1
    return best


@compiled_apart
def landing(s: State, work: Work, e: int, r: int, blocks: int) -> float:
    """When the last of the leading blocks that are in memory, or on their way to it, is in."""
    last = -math.inf
    for k in range(work.pointer[r], work.pointer[r] + blocks):
        if s.link[e, work.ids[k], REFS] >= 0:
            last = max(last, s.stamp[e, work.ids[k]])
    return last


@compiled_apart
def tally_up(s: State, work: Work, rules: Rules, e: int, r: int, h: int, cut: int) -> None:
    """Count blocks `h` to `cut` of a prompt by the tier that holds them."""
    for t in range(s.tally.size):
        s.tally[t] = 0
    for k in range(work.pointer[r] + h, work.pointer[r] + cut):
        t = holder(s, rules, e, work.ids[k])
        if t >= 0:
            s.tally[t] += 1


@compiled_apart
def load(s: State, work: Work, rules: Rules, e: int, r: int, h: int, cut: int) -> None:
    """Take the loads of a prompt's blocks `h` to `cut`, already tallied, to their tiers."""
    now = s.clock[NOW]
    for k in range(work.pointer[r] + h, work.pointer[r] + cut):
        i = work.ids[k]
        t = holder(s, rules, e, i)
        if t < 0:
            continue
        row = row_of(rules, t, e)
        s.flow[t, AGED] += now - s.used_at[row, i]
        s.stamp[e, i] = max(now, s.free_at[row]) + rules.tiers[t, LATENCY] + s.tally[t] * rules.tiers[t, MOVE]
        touch(s, rules, t, row, i, now, 1)
    for t in range(rules.tiers.shape[0]):
        if s.tally[t] > 0:
            row = row_of(rules, t, e)
            start = max(now, s.free_at[row])
            s.flow[t, LOADS] += 1.0
            s.flow[t, LOADED] += s.tally[t]
            s.flow[t, MOVING] += s.tally[t] * rules.tiers[t, TAKES]
            s.flow[t, WAITED] += start + rules.tiers[t, LATENCY] + s.tally[t] * rules.tiers[t, MOVE] - now
            s.free_at[row] = start + s.tally[t] * rules.tiers[t, TAKES]


@compiled_apart
def note_declined(s: State, work: Work, rules: Rules, e: int, r: int, cut: int) -> None:
    """Count the blocks after `cut` that tiers hold and that are computed again."""
    for k in range(work.pointer[r] + cut, work.pointer[r + 1]):
        t = holder(s, rules, e, work.ids[k])
        if t == -2:
            break
        if t >= 0:
            s.flow[t, DECLINED] += 1.0


@compiled_apart
def note_hits(s: State, work: Work, rules: Rules, e: int, r: int, cut: int) -> None:
    """Keep the tokens that each tier gave to a request; what the prompt does not fill is the last block's."""
    for t in range(rules.tiers.shape[0]):
        s.tier_hits[r, t] = s.tally[t] * rules.block
    if cut > 0:
        t = holder(s, rules, e, work.ids[work.pointer[r] + cut - 1])
        if t >= 0:
            s.tier_hits[r, t] -= max(cut * rules.block - (s.seq[r, TARGET] - 1), 0)
