"""Parts of the plain engine: its blocks."""

from __future__ import annotations

import math
from collections import OrderedDict, deque

from headway.simulation._plain_shelves import new_tier
from headway.simulation._plain_tiers import note_use, put_block, put_everywhere
from headway.simulation._plain_times import Engine, Sequence
from headway.simulation._state import (
    DECODED,
    SAMPLE_AT,
    SAMPLE_EVERY,
    SAMPLED,
    SAMPLES,
    SERVED,
    SHARED,
    Rules,
    State,
    Work,
)


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
    """Send the oldest idle blocks down, or away, until all fit."""
    while engine["idle"] and used_blocks(engine) + len(engine["idle"]) > rules.blocks:
        i, _ = engine["idle"].popitem(last=False)
        if rules.tiers.size and not rules.through:
            put_block(engine, i, engine["stamp"][i], rules)


def take_block(engine: Engine, i: int) -> None:
    """One more user of a block."""
    engine["idle"].pop(i, None)
    engine["users"][i] = engine["users"].get(i, 0) + 1


def grow_to(engine: Engine, q: Sequence, tokens: int, rules: Rules) -> None:
    """Hold blocks for `tokens` tokens."""
    if rules.cache:
        covered = len(q["ids"]) if tokens >= q["prompt"] else min(len(q["ids"]), tokens // rules.block)
        for i in q["ids"][len(q["held"]) : covered]:
            made = i not in engine["users"] and i not in engine["idle"]
            take_block(engine, i)
            if made:
                engine["stamp"][i] = engine["now"]
                if rules.through:
                    put_everywhere(engine, i, rules)
            q["held"].append(i)
    q["private"] = max(blocks_of(tokens, rules) - len(q["held"]), 0)
    evict(engine, rules)


def let_go(engine: Engine, q: Sequence, rules: Rules) -> None:
    """Give back all blocks, the last of the prompt first."""
    for i in reversed(q["held"]):
        engine["users"][i] -= 1
        if not engine["users"][i]:
            del engine["users"][i]
            engine["idle"][i] = None
            engine["stamp"][i] = max(engine["stamp"].get(i, -math.inf), engine["now"])
            if rules.through:
                note_use(engine, i)
    q["held"], q["private"] = [], 0


def keep_sample(engines: list[Engine], out: State, at: float) -> None:
    """A row of the time series; when the rows are full, every second one goes."""
    k = int(out.counts[SAMPLED])
    if k == SAMPLES:
        k = SAMPLES // 2
        out.samples[:k] = out.samples[::2].copy()
        out.clock[SAMPLE_EVERY] = 2.0 * max(out.clock[SAMPLE_EVERY], at / SAMPLES)
    here = sum(len(engine["seats"]) for engine in engines), sum(len(waiting_ones(engine)) for engine in engines)
    blocks = sum(map(used_blocks, engines)), sum(len(engine["idle"]) for engine in engines)
    tiers = {id(tier): (t, len(tier["held"])) for engine in engines for t, tier in enumerate(engine["tiers"])}
    out.samples[k, :7] = at, *here, *blocks, out.counts[DECODED], out.counts[SERVED]
    out.samples[k, 7:] = 0
    for t, held in tiers.values():
        out.samples[k, 7 + t] += held
    out.counts[SAMPLED] = k + 1
    out.clock[SAMPLE_AT] = at + out.clock[SAMPLE_EVERY]


def new_engines(rules: Rules, out: State) -> list[Engine]:
    """Engines with nothing to do, each with tiers of its own but for those that all share."""
    shared = [new_tier() for _ in rules.tiers]
    engines = []
    for e in range(rules.engines):
        tiers = [one if numbers[SHARED] else new_tier() for one, numbers in zip(shared, rules.tiers, strict=True)]
        engines.append(_engine(rules) | {"e": e, "flow": out.flow, "tiers": tiers, "rules": rules})
    return engines


def _engine(rules: Rules) -> Engine:
    """An engine with nothing to do: lines by lane, seats in order of boarding, a cache of idle blocks."""
    lines: list[deque[Sequence]] = [deque() for _ in range(rules.lanes)]
    counters = {"pass": 0, "order": 0, "now": 0.0}
    return {"lines": lines, "seats": [], "users": {}, "idle": OrderedDict(), "stamp": {}, "flown": [], **counters}


def new_sequence(work: Work, r: int) -> Sequence:
    """A request that has not come yet."""
    ids = work.ids[work.pointer[r] : work.pointer[r + 1]].tolist()
    return {
        "r": r,
        "lane": int(work.lane[r]),
        "ids": ids,
        "prompt": int(work.tokens[r]),
        "target": int(work.tokens[r]),
        "done": 0,
        "left": int(work.emitted[r]),
        "state": "new",  # then prefill, decode; ready where its cache waits in other memory, loading where it comes
        "held": [],
        "private": 0,
    }
