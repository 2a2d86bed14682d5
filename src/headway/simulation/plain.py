"""The same rules in plain Python, one sequence at a time: readable, slow, and the oracle of the compiled loop.

Nothing is shared with ``headway.simulation._loop`` but the inputs: lines are lists, caches ordered dictionaries,
and every decoding sequence takes its own token in every pass.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from collections import deque
from itertools import count
from typing import Any

from headway.simulation._plain import (
    blocks_of,
    evict,
    found_blocks,
    free_blocks,
    grow_to,
    keep_sample,
    let_go,
    new_engines,
    new_sequence,
    take_block,
    used_blocks,
    waiting_ones,
)
from headway.simulation._plain_tiers import hits_by_tier, ready_at, sources_worth_having, take_loads
from headway.simulation._plain_times import Engine, Sequence, decode_seconds, next_departure, prefill_seconds
from headway.simulation._state import (
    BUSY,
    COMPUTED,
    DECODE,
    DECODED,
    ENGINE,
    FIRST,
    HIT,
    LAST,
    LAST_END,
    PREEMPTED,
    PREFILL,
    QUEUED,
    SAMPLE_AT,
    SERVED,
    START,
    STEPS,
    Rules,
    State,
    Times,
    Work,
    fresh_state,
)


def play(work: Work, rules: Rules, times: Times) -> State:
    """Serve every request; the result holds requests' times and a few counts.

    >>> from headway.simulation.fleet import Fleet
    >>> from headway.simulation.replay import prepare
    >>> from headway.simulation.scheduler import Scheduler
    >>> from headway.simulation.step_times import fixed_times, loop_times
    >>> from headway.simulation.trace import make_trace
    >>> work, rules, _ = prepare(make_trace("one", [1.0], [100], [3]), Scheduler(max_seqs=4), Fleet())
    >>> play(work, rules, loop_times(fixed_times(0.02))).when[LAST].round(3).tolist()
    [1.06]
    """
    out = fresh_state(work, rules)
    engines = new_engines(rules, out)
    groups: list[Engine] = [
        {"event": math.inf, "flying": False, "ranks": range(g * rules.ranks, (g + 1) * rules.ranks)}
        for g in range(rules.engines // rules.ranks)
    ]
    opened = deque(i for i, at in enumerate(work.arrival.tolist()) if not math.isnan(at))
    later: list[tuple[float, int]] = []
    sequences = [new_sequence(work, r) for r in range(work.tokens.size)]
    turns = count()
    world = (work, rules, times, out, later)
    while True:
        first_open = float(work.arrival[opened[0]]) if opened else math.inf
        first_later = later[0][0] if later else math.inf
        coming = min(first_open, first_later)
        stepping = min(group["event"] for group in groups)
        if min(coming, stepping) == math.inf:
            return out
        if coming <= stepping:
            r = opened.popleft() if first_open <= first_later else heapq.heappop(later)[1]
            e = _route(sequences[r], engines, work, rules, turns, coming)
            out.mark[ENGINE, r] = e
            engines[e]["lines"][sequences[r]["lane"]].append(sequences[r])
            group = groups[e // rules.ranks]
            if not group["flying"]:
                group["event"] = min(group["event"], next_departure(rules, coming))
        else:
            group = next(g for g in groups if g["event"] == stepping)
            _turn(group, engines, stepping, world)


def _route(q: Sequence, engines: list[Engine], work: Work, rules: Rules, turns: Any, now: float) -> int:
    pool = range(rules.engines)
    if rules.since.size:
        pool = range(int(rules.taking[max(bisect_right(rules.since, now) - 1, 0)]))
    if rules.prefillers:
        pool = range(rules.prefillers, rules.engines) if q["state"] == "ready" else range(rules.prefillers)
    if len(pool) == 1:
        return pool[0]
    session = int(work.session[q["r"]])
    if rules.router == 3 and q["state"] == "new":

        def cost(e: int) -> Any:
            engine = engines[e]
            pending = sum(
                x["target"] - x["done"] for x in waiting_ones(engine) + engine["seats"] if x["state"] != "decode"
            )
            own = q["target"] - found_blocks(engine, q, rules) * rules.block
            return own + pending + used_blocks(engine)

        return min(pool, key=cost)
    if rules.router == 2 and session >= 0:
        return int(pool[session % len(pool)])
    if rules.router == 0:
        return int(pool[next(turns) % len(pool)])
    return min(pool, key=lambda e: len(waiting_ones(engines[e])) + len(engines[e]["seats"]))


def _decoding(engine: Engine) -> list[Sequence]:
    return [q for q in engine["seats"] if q["state"] == "decode"]


def _prefilling(engine: Engine) -> list[Sequence]:
    return sorted((q for q in engine["seats"] if q["state"] == "prefill"), key=lambda q: q["order"])


def _due(engine: Engine, rules: Rules) -> list[Sequence]:
    """Decoding sequences whose next pass needs another block."""
    return [q for q in _decoding(engine) if engine["pass"] % rules.pass_block == q["key"]]


def _preempt(engine: Engine, rules: Rules, out: State) -> Sequence:
    lane = max(q["lane"] for q in engine["seats"])
    q: Sequence = [x for x in engine["seats"] if x["lane"] == lane][-1]
    out.mark[PREEMPTED, q["r"]] += 1
    engine["seats"].remove(q)
    let_go(engine, q, rules)
    if q["state"] == "decode":
        q["left"] -= q["made"]
        q["target"] += math.floor(q["made"] * rules.gain) + (0 if rules.swap else 1)
        q["done"] = q["target"] if rules.swap else 0
        q["state"] = "ready" if rules.swap else "new"
    else:
        q["done"], q["state"] = 0, "new"
    engine["lines"][lane].appendleft(q)
    return q


def _board(engine: Engine, q: Sequence, now: float, out: State) -> bool:
    """Take the first of its lane; whether it is the first time."""
    engine["lines"][q["lane"]].popleft()
    engine["seats"].append(q)
    new = bool(math.isnan(out.when[START, q["r"]]))
    if new:
        out.when[START, q["r"]] = now
    return new


def _start_prefill(engine: Engine, q: Sequence) -> None:
    engine["order"] += 1
    q.update(state="prefill", order=engine["order"])


def _start_decoding(engine: Engine, q: Sequence, rules: Rules) -> None:
    slack = max((len(q["held"]) + q["private"]) * rules.block - q["target"], 0)
    offset = min(int(slack / rules.gain), rules.pass_block - 1)
    engine["order"] += 1
    q.update(state="decode", made=0, key=(engine["pass"] + offset) % rules.pass_block, order=engine["order"])


def _next(engine: Engine) -> Sequence | None:
    return next((line[0] for line in engine["lines"] if line), None)


def _available(engine: Engine, rules: Rules) -> int:
    return free_blocks(engine, rules) - (len(_due(engine, rules)) if rules.together else 0)


def _join(engine: Engine, rules: Rules, now: float, out: State) -> float:
    """Seat those whose cache is already computed; seconds to swap caches back in."""
    seconds = 0.0
    while len(engine["seats"]) < rules.max_seqs:
        q = _next(engine)
        if q is None or q["state"] != "ready":
            break
        need = blocks_of(q["target"], rules) + 1 + len(_due(engine, rules))
        if engine["seats"] and need > free_blocks(engine, rules) - rules.watermark:
            break
        _board(engine, q, now, out)
        if out.mark[PREEMPTED, q["r"]] > 0 and rules.swap:
            seconds += q["target"] * rules.swap_token_s
        grow_to(engine, q, q["target"], rules)
        _start_decoding(engine, q, rules)
    return seconds


def _shed(engine: Engine, rules: Rules, out: State) -> bool:
    lost = False
    while len(_due(engine, rules)) > free_blocks(engine, rules):
        _preempt(engine, rules, out)
        lost = True
    return lost


def _compute(engine: Engine, q: Sequence, chunk: int, rules: Rules, times: Times, out: State) -> float:
    seconds = prefill_seconds(times, chunk, q["done"])
    q["done"] += chunk
    out.counts[COMPUTED] += chunk
    grow_to(engine, q, q["done"], rules)
    return seconds


def _begin(engine: Engine, now: float, rules: Rules, times: Times, out: State) -> tuple[float, int]:
    """Fill a step; its seconds apart from the matrix products, and the tokens these carry."""
    lost, carried = False, 0
    for q in sorted((x for x in engine["seats"] if x["state"] == "loading"), key=lambda x: x["order"]):
        if q["resume"] <= now:
            _start_prefill(engine, q)
    seconds, prompts = _join(engine, rules, now, out), 0.0
    if rules.together:
        lost = _shed(engine, rules, out)
    budget = rules.budget - (len(_decoding(engine)) * rules.queries if rules.together else 0)
    for q in _prefilling(engine):
        if budget <= 0 or q not in engine["seats"]:
            break
        chunk = q["target"] - q["done"] if rules.whole else min(q["target"] - q["done"], budget)
        while q in engine["seats"] and blocks_of(q["done"] + chunk, rules) - len(q["held"]) - q["private"] > _available(
            engine, rules
        ):
            _preempt(engine, rules, out)
            lost = True
        if q not in engine["seats"]:
            break
        prompts += _compute(engine, q, chunk, rules, times, out)
        budget, carried = budget - chunk, carried + chunk
    if not lost and (not rules.when_empty or all(q["made"] == 0 for q in _decoding(engine))):
        attention, carried = _admit(engine, now, budget, carried, rules, times, out)
        prompts += attention
    finished = sum(q["done"] == q["target"] for q in _prefilling(engine))
    if not rules.together and carried == 0:
        _shed(engine, rules, out)
    flown = _decoding(engine) if rules.together or carried == 0 else []
    if flown:
        held = sum(q["target"] for q in flown) + rules.gain * sum(q["made"] for q in flown)
        seconds += decode_seconds(times, len(flown), held)
        for q in _due(engine, rules):
            q["private"] += 1
        evict(engine, rules)
    engine["flown"] = flown
    rows = len(flown) * rules.queries
    _note_sides(engine, times, prompts, seconds, rows, finished, carried + rows, out)
    return seconds + prompts + float(times.head[rows + finished]), carried + rows


def _note_sides(
    engine: Engine, times: Times, prompts: float, passes: float, rows: int, finished: int, tokens: int, out: State
) -> None:
    """A step's seconds by side: decode passes alone, and what prompts add."""
    if not tokens:
        return
    alone = float(times.linear[rows]) if rows else 0.0
    head = float(times.head[rows + finished]) - float(times.head[rows])
    out.spent[engine["e"], PREFILL] += prompts + head + (float(times.linear[tokens]) - alone)
    out.spent[engine["e"], DECODE] += passes + float(times.head[rows]) + alone


def _admit(
    engine: Engine, now: float, budget: int, carried: int, rules: Rules, times: Times, out: State
) -> tuple[float, int]:
    """Seat waiting requests while seats, blocks and the budget allow."""
    seconds = 0.0
    while budget > 0 and len(engine["seats"]) < rules.max_seqs:
        q = _next(engine)
        if q is None or q["state"] == "ready":
            break
        sources = sources_worth_having(engine, q, rules, times)
        found = len(sources)
        hit = min(found * rules.block, q["target"] - 1)
        chunk = q["target"] - hit if rules.whole else min(q["target"] - hit, budget)
        if rules.whole and chunk > budget and carried > 0:
            break
        need = blocks_of(hit + chunk, rules) - sum(i in engine["users"] for i in q["ids"][:found])
        if engine["seats"] and need > _available(engine, rules) - rules.watermark:
            break
        resume = ready_at(engine, q, sources, rules, times) if rules.tiers.size else now
        if _board(engine, q, now, out):
            out.mark[HIT, q["r"]] = hit
            out.tier_hits[q["r"]] = hits_by_tier(q, sources, rules)
        if rules.tiers.size:
            take_loads(engine, q, sources, rules)
        for i in q["ids"][:found]:
            take_block(engine, i)
            q["held"].append(i)
        q["done"] = hit
        if resume > now:
            grow_to(engine, q, hit, rules)
            engine["order"] += 1
            q.update(state="loading", resume=resume, order=engine["order"])
            continue
        _start_prefill(engine, q)
        seconds += _compute(engine, q, chunk, rules, times, out)
        budget, carried = budget - chunk, carried + chunk
    return seconds, carried


def _complete(e: int, engine: Engine, at: float, world: Any) -> None:
    """What a step leaves behind at its end."""
    work, rules, _, out, later = world

    def leave(q: Sequence) -> None:
        out.when[LAST, q["r"]] = at
        out.counts[SERVED] += 1
        child = int(work.first_child[q["r"]])
        while child >= 0:
            out.when[QUEUED, child] = at + work.think[child]
            heapq.heappush(later, (float(out.when[QUEUED, child]), child))
            child = int(work.next_child[child])

    if engine["flown"]:
        engine["pass"] += 1
    for q in engine["flown"]:
        q["made"] += 1
        out.counts[DECODED] += 1
    for q in sorted((x for x in engine["flown"] if x["made"] == x["left"]), key=lambda x: -x["order"]):
        let_go(engine, q, rules)
        engine["seats"].remove(q)
        leave(q)
    for q in [x for x in _prefilling(engine) if x["done"] == x["target"]]:
        q["left"] -= 1
        if math.isnan(out.when[FIRST, q["r"]]):
            out.when[FIRST, q["r"]] = at
        if q["left"] and e >= rules.prefillers:
            _start_decoding(engine, q, rules)
            continue
        let_go(engine, q, rules)
        engine["seats"].remove(q)
        if q["left"]:
            q["state"] = "ready"
            heapq.heappush(later, (at + rules.send_latency + q["target"] * rules.send_token_s, q["r"]))
        else:
            leave(q)


def _turn(group: Engine, engines: list[Engine], at: float, world: Any) -> None:
    """The end of a step, the beginning of the next, or both."""
    _, rules, times, out, _ = world
    for e in group["ranks"]:
        engines[e]["now"] = at
    if group["flying"]:
        for e in group["ranks"]:
            _complete(e, engines[e], at, world)
        out.clock[LAST_END] = at
    group["flying"] = False
    if at >= out.clock[SAMPLE_AT]:
        keep_sample(engines, out, at)
    if not any(engines[e]["seats"] or _next(engines[e]) for e in group["ranks"]):
        group["event"] = math.inf
        return
    leaves = next_departure(rules, at)
    if leaves > at:
        group["event"] = leaves
        return
    begun = [_begin(engines[e], at, rules, times, out) for e in group["ranks"]]
    slowest, most = 0.0, 0
    for seconds, tokens in begun:
        slowest, most = max(slowest, seconds), max(most, tokens)
    loading = [q["resume"] for e in group["ranks"] for q in engines[e]["seats"] if q["state"] == "loading"]
    if most == 0 and loading:
        group["event"] = min(loading)
        return
    took = slowest + float(times.linear[most])
    for e in group["ranks"]:
        out.spent[e, BUSY] += took
    out.counts[STEPS] += 1
    group["flying"], group["event"] = True, at + took
