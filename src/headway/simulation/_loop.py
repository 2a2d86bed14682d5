"""The loop over arrivals and steps. Compiled; it stops after a number of events and can be called again."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

from headway.simulation._cache import found
from headway.simulation._lanes import next_load, pop, queue
from headway.simulation._machine_code import compiled, compiled_apart, compiled_once, entry
from headway.simulation._shelves import number_kept
from headway.simulation._state import (
    AREA,
    BUSY,
    DECODED,
    DONE,
    ENGINE,
    HEAP,
    IN_SYSTEM,
    LAST_END,
    LEFT,
    LOADING,
    LRU,
    NEXT,
    NOW,
    PENDING,
    READY,
    ROUND,
    RUNNING,
    SAMPLE_AT,
    SAMPLE_EVERY,
    SAMPLED,
    SAMPLES,
    SERVED,
    STEPS,
    TARGET,
    USED,
    WAITING,
    WINDOW,
    Rules,
    State,
    Times,
    Work,
)
from headway.simulation._steps import begin, complete
from headway.simulation._tiers import row_of

#: Routers by number, in the order of the scheduler's names.
ROUND_ROBIN, LEAST_LOADED, SESSION, PREFIX = range(4)


@compiled
def least_loaded(s: State, low: int, high: int) -> int:
    """Engine with the fewest requests, the first of equals."""
    best = low
    for e in range(low + 1, high):
        if s.eng[e, RUNNING] + s.eng[e, WAITING] < s.eng[best, RUNNING] + s.eng[best, WAITING]:
            best = e
    return best


@compiled_apart
def best_prefix(s: State, work: Work, rules: Rules, r: int, low: int, high: int) -> int:
    """Engine with the least of tokens to prefill, its own and those before it, and blocks held."""
    best, least = low, math.inf
    for e in range(low, high):
        hit = found(s, work, rules, e, r) * rules.block
        cost = float(s.seq[r, TARGET] - hit + s.eng[e, PENDING] + s.eng[e, USED])
        if cost < least:
            best, least = e, cost
    return best


@compiled
def engines_now(s: State, rules: Rules) -> int:
    """Engines that take new requests at this time."""
    k = s.counts[WINDOW]
    while k + 1 < rules.since.size and rules.since[k + 1] <= s.clock[NOW]:
        k += 1
    s.counts[WINDOW] = k
    return int(rules.taking[k])


@compiled
def route(s: State, work: Work, rules: Rules, r: int) -> int:
    """Engine of a request that arrives now, or whose cache does."""
    low, high = 0, rules.engines
    if rules.since.size > 0:
        high = engines_now(s, rules)
    if rules.prefillers > 0:
        low, high = (rules.prefillers, rules.engines) if s.seq[r, READY] == 1 else (0, rules.prefillers)
    if high - low == 1:
        return low
    if rules.router == PREFIX and s.seq[r, READY] == 0:
        return best_prefix(s, work, rules, r, low, high)
    if rules.router == SESSION and work.session[r] >= 0:
        return int(low + work.session[r] % (high - low))
    if rules.router == ROUND_ROBIN:
        s.counts[ROUND] += 1
        return int(low + (s.counts[ROUND] - 1) % (high - low))
    return least_loaded(s, low, high)


@compiled
def departure(rules: Rules, at: float) -> float:
    """When the next train leaves: at once, or on the clock."""
    if rules.period <= 0:
        return at
    return max(math.ceil(at / rules.period - 1e-9) * rules.period, at)


@compiled_once
def arrive(s: State, work: Work, rules: Rules, r: int, at: float) -> None:
    """A request reaches the router, and a sleeping engine wakes."""
    if s.seq[r, READY] == 0:
        s.seq[r, TARGET], s.seq[r, LEFT] = work.tokens[r], work.emitted[r]
    e = route(s, work, rules, r)
    s.mark[ENGINE, r] = e
    s.eng[e, PENDING] += s.seq[r, TARGET] - s.seq[r, DONE]
    queue(s, work, e, r, False)
    group = e // rules.ranks
    if s.flying[group] == 0:
        s.event[group] = min(s.event[group], departure(rules, at))


@compiled_apart
def sample(s: State, rules: Rules, at: float) -> None:
    """Keep a row of the time series; when the rows are full, every second one goes."""
    k = s.counts[SAMPLED]
    if k == SAMPLES:
        for j in range(SAMPLES // 2):
            for c in range(s.samples.shape[1]):
                s.samples[j, c] = s.samples[2 * j, c]
        k = SAMPLES // 2
        s.clock[SAMPLE_EVERY] = 2.0 * max(s.clock[SAMPLE_EVERY], at / SAMPLES)
    running, waiting, used, kept = 0, 0, 0, 0
    for e in range(rules.engines):
        running += s.eng[e, RUNNING]
        waiting += s.eng[e, WAITING]
        used += s.eng[e, USED]
        kept += s.eng[e, LRU]
    s.samples[k, 0], s.samples[k, 1], s.samples[k, 2] = at, running, waiting
    s.samples[k, 3], s.samples[k, 4] = used, kept
    s.samples[k, 5], s.samples[k, 6] = s.counts[DECODED], s.counts[SERVED]
    for t in range(rules.tiers.shape[0]):
        total = 0
        for row in range(row_of(rules, t, 0), row_of(rules, t, rules.engines - 1) + 1):
            total += number_kept(s, rules, t, row)
        s.samples[k, 7 + t] = total
    s.counts[SAMPLED] = k + 1
    s.clock[SAMPLE_AT] = at + s.clock[SAMPLE_EVERY]


@compiled_once
def depart(s: State, work: Work, rules: Rules, times: Times, group: int, at: float) -> None:
    """Begin a step of all ranks of an engine; they wait for the slowest. Nobody leaves where all wait for blocks."""
    slowest, most, loading, resume = 0.0, 0, 0, math.inf
    for e in range(group * rules.ranks, (group + 1) * rules.ranks):
        seconds, tokens = begin(s, work, rules, times, e)
        slowest, most = max(slowest, seconds), max(most, tokens)
        if s.eng[e, LOADING] > 0:
            loading += s.eng[e, LOADING]
            resume = min(resume, next_load(s, e))
    if most == 0 and loading > 0:
        s.event[group] = resume
        return
    seconds = slowest + times.linear[most]
    for e in range(group * rules.ranks, (group + 1) * rules.ranks):
        s.trains[s.eng[e, RUNNING]] += 1
        s.spent[e, BUSY] += seconds
        s.occupancy[s.eng[e, RUNNING]] += seconds
    s.counts[STEPS] += 1
    s.flying[group] = 1
    s.event[group] = at + seconds


@compiled_once
def turn(s: State, work: Work, rules: Rules, times: Times, group: int, at: float) -> None:
    """The end of a step, the beginning of the next, or both."""
    active = False
    for e in range(group * rules.ranks, (group + 1) * rules.ranks):
        if s.flying[group] == 1:
            complete(s, work, rules, e, at)
            s.clock[LAST_END] = at
        active = active or s.eng[e, RUNNING] + s.eng[e, WAITING] > 0
    s.flying[group] = 0
    if at >= s.clock[SAMPLE_AT]:
        sample(s, rules, at)
    if not active:
        s.event[group] = math.inf
        return
    leaves = departure(rules, at)
    if leaves > at:
        s.event[group] = leaves
    else:
        depart(s, work, rules, times, group, at)


@compiled_once
def events_in_order(s: State, work: Work, rules: Rules, times: Times, events: int) -> bool:
    """Process at most `events` events in order of time, arrivals before steps; whether any is left."""
    n = work.arrival.size
    groups = rules.engines // rules.ranks
    for _ in range(events):
        while s.counts[NEXT] < n and math.isnan(work.arrival[s.counts[NEXT]]):
            s.counts[NEXT] += 1
        k = s.counts[NEXT]
        opened = work.arrival[k] if k < n else math.inf
        pushed = s.heap_at[0] if s.counts[HEAP] > 0 else math.inf
        coming = min(opened, pushed)
        group = 0
        for g in range(1, groups):
            if s.event[g] < s.event[group]:
                group = g
        stepping = s.event[group]
        at = min(coming, stepping)
        if at == math.inf:
            return False
        s.clock[AREA] += s.counts[IN_SYSTEM] * (at - s.clock[NOW])
        s.clock[NOW] = at
        if coming <= stepping:
            if opened <= pushed:
                r = int(k)
                s.counts[NEXT] += 1
            else:
                r = pop(s)
            if s.seq[r, READY] == 0:
                s.counts[IN_SYSTEM] += 1
            arrive(s, work, rules, r, at)
        else:
            turn(s, work, rules, times, group, at)
    return True


def _advance(key: int) -> Callable[[State, Work, Rules, Times, int], bool]:
    """The function that Python calls; `key` stands for the sources of all that is compiled into it."""

    def advance(s: State, work: Work, rules: Rules, times: Times, events: int) -> bool:
        return key >= 0 and events_in_order(s, work, rules, times, events)

    return advance


@cache
def machine() -> Callable[[State, Work, Rules, Times, int], bool]:
    """:func:`events_in_order` for Python to call, compiled at its first call where the disk has none."""
    return entry(_advance)
