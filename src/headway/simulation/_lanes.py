"""Lines of requests: waiting, running, prefilling, decoding by the pass in which they end. Compiled."""

from __future__ import annotations

import math

from headway.simulation._cache import give_back
from headway.simulation._machine_code import compiled, compiled_apart
from headway.simulation._state import (
    AFTER,
    BASE,
    BEFORE,
    COVERED,
    DECODING,
    DONE,
    DOWN,
    FIRST,
    HEAP,
    JOINED,
    JOINS,
    KEY,
    LAST_PASS,
    LEFT,
    LOAD_HEAD,
    LOAD_TAIL,
    LOADING,
    PASSES,
    PENDING,
    PHASE,
    PRE_HEAD,
    PRE_TAIL,
    PREEMPTED,
    PRIVATE,
    READY,
    RESUME,
    RUN_HEAD,
    RUN_TAIL,
    RUNNING,
    SLOT,
    TARGET,
    TOKEN,
    UP,
    WAIT_HEAD,
    WAIT_TAIL,
    WAITING,
    WITHIN,
    Rules,
    State,
    Work,
)


@compiled
def push(s: State, at: float, r: int) -> None:
    """Put a request that arrives later on the heap (by time, then by number)."""
    k = s.counts[HEAP]
    s.counts[HEAP] = k + 1
    while k > 0:
        up = (k - 1) // 2
        if s.heap_at[up] < at or (s.heap_at[up] == at and s.heap_of[up] < r):
            break
        s.heap_at[k] = s.heap_at[up]
        s.heap_of[k] = s.heap_of[up]
        k = up
    s.heap_at[k] = at
    s.heap_of[k] = r


@compiled
def pop(s: State) -> int:
    """Take the first request off the heap."""
    top = int(s.heap_of[0])
    n = s.counts[HEAP] - 1
    s.counts[HEAP] = n
    at, r = s.heap_at[n], s.heap_of[n]
    k = 0
    while True:
        c = 2 * k + 1
        if c >= n:
            break
        if c + 1 < n and (
            s.heap_at[c + 1] < s.heap_at[c] or (s.heap_at[c + 1] == s.heap_at[c] and s.heap_of[c + 1] < s.heap_of[c])
        ):
            c += 1
        if at < s.heap_at[c] or (at == s.heap_at[c] and r < s.heap_of[c]):
            break
        s.heap_at[k] = s.heap_at[c]
        s.heap_of[k] = s.heap_of[c]
        k = c
    s.heap_at[k] = at
    s.heap_of[k] = r
    return top


@compiled
def queue(s: State, work: Work, e: int, r: int, front: bool) -> None:
    """Join the line of a lane, in front after a preemption."""
    lane = work.lane[r]
    s.eng[e, WAITING] += 1
    if s.lane[e, lane, WAIT_HEAD] < 0:
        s.seq[r, AFTER] = -1
        s.lane[e, lane, WAIT_HEAD] = r
        s.lane[e, lane, WAIT_TAIL] = r
    elif front:
        s.seq[r, AFTER] = s.lane[e, lane, WAIT_HEAD]
        s.lane[e, lane, WAIT_HEAD] = r
    else:
        s.seq[s.lane[e, lane, WAIT_TAIL], AFTER] = r
        s.seq[r, AFTER] = -1
        s.lane[e, lane, WAIT_TAIL] = r


@compiled
def next_waiting(s: State, rules: Rules, e: int) -> int:
    """First of the highest lane that has any; -1 where nobody waits."""
    for lane in range(rules.lanes):
        if s.lane[e, lane, WAIT_HEAD] >= 0:
            return int(s.lane[e, lane, WAIT_HEAD])
    return -1


@compiled
def seat(s: State, work: Work, e: int, r: int) -> None:
    """Move the first of its lane from the line to the seats."""
    lane = work.lane[r]
    s.lane[e, lane, WAIT_HEAD] = s.seq[r, AFTER]
    s.eng[e, WAITING] -= 1
    s.eng[e, RUNNING] += 1
    s.seq[r, AFTER] = -1
    tail = s.lane[e, lane, RUN_TAIL]
    s.seq[r, BEFORE] = tail
    if tail < 0:
        s.lane[e, lane, RUN_HEAD] = r
    else:
        s.seq[tail, AFTER] = r
    s.lane[e, lane, RUN_TAIL] = r


@compiled
def unseat(s: State, work: Work, e: int, r: int) -> None:
    """Free the seat of a request."""
    lane = work.lane[r]
    a, b = s.seq[r, BEFORE], s.seq[r, AFTER]
    if a < 0:
        s.lane[e, lane, RUN_HEAD] = b
    else:
        s.seq[a, AFTER] = b
    if b < 0:
        s.lane[e, lane, RUN_TAIL] = a
    else:
        s.seq[b, BEFORE] = a
    s.eng[e, RUNNING] -= 1


@compiled
def _append(s: State, e: int, r: int, head: int, tail: int) -> None:
    """Put a request at the end of the list whose ends stand in two columns of the engine."""
    last = s.eng[e, tail]
    s.seq[r, UP] = last
    s.seq[r, DOWN] = -1
    if last < 0:
        s.eng[e, head] = r
    else:
        s.seq[last, DOWN] = r
    s.eng[e, tail] = r


@compiled
def _take_out(s: State, e: int, r: int, head: int, tail: int) -> None:
    """Join the neighbours of a request in such a list."""
    a, b = s.seq[r, UP], s.seq[r, DOWN]
    if a < 0:
        s.eng[e, head] = b
    else:
        s.seq[a, DOWN] = b
    if b < 0:
        s.eng[e, tail] = a
    else:
        s.seq[b, UP] = a


@compiled
def start_prefill(s: State, e: int, r: int) -> None:
    """Join the prompts that are being computed."""
    s.seq[r, READY] = 0
    _append(s, e, r, PRE_HEAD, PRE_TAIL)


@compiled
def end_prefill(s: State, e: int, r: int) -> None:
    """Leave the prompts that are being computed."""
    _take_out(s, e, r, PRE_HEAD, PRE_TAIL)


@compiled
def start_load(s: State, e: int, r: int, until: float) -> None:
    """Wait in a seat for blocks that are on their way."""
    s.seq[r, READY] = 4
    s.when[RESUME, r] = until
    _append(s, e, r, LOAD_HEAD, LOAD_TAIL)
    s.eng[e, LOADING] += 1


@compiled
def end_load(s: State, e: int, r: int) -> None:
    """Wait for blocks no longer."""
    _take_out(s, e, r, LOAD_HEAD, LOAD_TAIL)
    s.eng[e, LOADING] -= 1


@compiled_apart
def end_loads(s: State, e: int, at: float) -> None:
    """Prompts whose blocks have come join those that are computed."""
    r = s.eng[e, LOAD_HEAD]
    while r >= 0:
        following = s.seq[r, DOWN]
        if s.when[RESUME, r] <= at:
            end_load(s, e, r)
            start_prefill(s, e, r)
        r = following


@compiled_apart
def next_load(s: State, e: int) -> float:
    """When the first of the prompts that wait for blocks can go on."""
    first = math.inf
    r = s.eng[e, LOAD_HEAD]
    while r >= 0:
        first = min(first, s.when[RESUME, r])
        r = s.seq[r, DOWN]
    return first


@compiled
def wrapped(place: int, size: int) -> int:
    """Place on a ring, of one that is less than once around."""
    return int(place - size) if place >= size else int(place)


@compiled
def start_decode(s: State, rules: Rules, e: int, r: int) -> None:
    """Join the decoding ones: the pass in which it ends and the passes that need a new block are known now."""
    width = s.bucket.shape[1]
    s.seq[r, READY] = 2
    d = s.eng[e, PASSES]
    s.seq[r, JOINED] = d
    size = rules.pass_block
    slack = (s.seq[r, COVERED] + s.seq[r, PRIVATE]) * rules.block - s.seq[r, TARGET]
    within = min(int(max(slack, 0) / rules.gain), size - 1)
    s.seq[r, WITHIN] = within
    key = wrapped(s.eng[e, PHASE] + within, size)
    s.seq[r, KEY] = key
    s.phase[e, key] += 1
    slot = wrapped(s.eng[e, SLOT] + s.seq[r, LEFT], width)
    head = s.bucket[e, slot]
    s.seq[r, UP] = -1
    s.seq[r, DOWN] = head
    if head >= 0:
        s.seq[head, UP] = r
    s.bucket[e, slot] = r
    s.eng[e, DECODING] += 1
    s.eng[e, BASE] += s.seq[r, TARGET]
    s.eng[e, JOINS] += d


@compiled
def end_decode(s: State, rules: Rules, e: int, r: int) -> None:
    """Leave the decoding ones."""
    rest = s.seq[r, LEFT] - (s.eng[e, PASSES] - s.seq[r, JOINED])
    slot = wrapped(s.eng[e, SLOT] + rest, s.bucket.shape[1])
    a, b = s.seq[r, UP], s.seq[r, DOWN]
    if a < 0:
        s.bucket[e, slot] = b
    else:
        s.seq[a, DOWN] = b
    if b >= 0:
        s.seq[b, UP] = a
    s.phase[e, s.seq[r, KEY]] -= 1
    s.eng[e, DECODING] -= 1
    s.eng[e, BASE] -= s.seq[r, TARGET]
    s.eng[e, JOINS] -= s.seq[r, JOINED]


@compiled_apart
def preempt(s: State, work: Work, rules: Rules, e: int) -> int:
    """Send the last seated of the lowest lane back to the front of its line; returns it."""
    r = -1
    for lane in range(rules.lanes - 1, -1, -1):
        if s.lane[e, lane, RUN_TAIL] >= 0:
            r = s.lane[e, lane, RUN_TAIL]
            break
    s.mark[PREEMPTED, r] += 1
    give_back(s, work, rules, e, r)
    if s.seq[r, READY] == 2:
        made = s.eng[e, PASSES] - s.seq[r, JOINED]
        end_decode(s, rules, e, r)
        s.seq[r, LEFT] -= made
        grown = math.floor(made * rules.gain)
        if rules.swap:
            s.seq[r, TARGET] += grown
            s.seq[r, DONE] = s.seq[r, TARGET]
            s.seq[r, READY] = 1
        else:
            s.seq[r, TARGET] += grown + 1
            s.seq[r, DONE] = 0
            s.seq[r, READY] = 0
        s.when[TOKEN, r] = max(s.spent[e, LAST_PASS], s.when[TOKEN, r], s.when[FIRST, r])
    else:
        if s.seq[r, READY] == 4:
            end_load(s, e, r)
        else:
            end_prefill(s, e, r)
        s.eng[e, PENDING] -= s.seq[r, TARGET] - s.seq[r, DONE]
        s.seq[r, DONE] = 0
        s.seq[r, READY] = 0
    s.eng[e, PENDING] += s.seq[r, TARGET] - s.seq[r, DONE]
    unseat(s, work, e, r)
    queue(s, work, e, r, True)
    return r
