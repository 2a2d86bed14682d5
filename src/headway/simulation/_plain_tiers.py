"""Lower tiers of the plain engine: what goes there, what is found there, and what is loaded."""

from __future__ import annotations

import math
from itertools import groupby

from headway.simulation._plain_shelves import bring, drop_one, forget, is_alive, see_again
from headway.simulation._plain_times import Engine, Sequence, prefill_seconds
from headway.simulation._state import (
    AGED,
    DECLINED,
    LATENCY,
    LIFE,
    LOADED,
    LOADS,
    MOVE,
    MOVING,
    ROOM,
    TAKES,
    WAITED,
    WRITTEN,
    Rules,
    Times,
)

OWN = -1


def put_block(engine: Engine, i: int, used: float, rules: Rules, first: int = 0) -> None:
    """Give a block to a tier; what that pushes out goes one down, unless its life is over."""
    for t in range(first, len(rules.tiers)):
        tier, room, now = engine["tiers"][t], rules.tiers[t, ROOM], engine["now"]
        if room > 0:
            if is_alive(tier, t, i, now, rules):
                see_again(tier, t, i, used, rules, 0)
                return
            if i in tier["held"]:
                forget(tier, i)
            gone = drop_one(tier, t, rules) if len(tier["held"]) >= room else None
            bring(tier, t, i, used, rules)
            engine["flow"][t, WRITTEN] += 1
            if gone is None or now - gone[1] > rules.tiers[t, LIFE]:
                return
            i, used = gone
        if rules.through:
            return


def put_everywhere(engine: Engine, i: int, rules: Rules) -> None:
    """A block that was just made, for every tier."""
    for t in range(len(rules.tiers)):
        put_block(engine, i, engine["now"], rules, t)


def note_use(engine: Engine, i: int) -> None:
    """The last user of a block let go of it in the engine's memory: the lives of its copies start anew."""
    for tier in engine["tiers"]:
        if i in tier["held"]:
            tier["held"][i] = max(tier["held"][i], engine["now"])


def source_of(engine: Engine, i: int) -> int | None:
    """Where a block is: ``OWN`` memory, a tier, or nowhere."""
    if i in engine["users"] or i in engine["idle"]:
        return OWN
    now, rules = engine["now"], engine["rules"]
    return next((t for t, tier in enumerate(engine["tiers"]) if is_alive(tier, t, i, now, rules)), None)


def alone(q: Sequence, done: int, rules: Rules, times: Times) -> float:
    """Seconds of the steps that compute the rest of a prompt with nothing beside it."""
    seconds = 0.0
    while done < q["target"]:
        chunk = q["target"] - done if rules.whole else min(q["target"] - done, rules.budget)
        seconds += float(times.linear[chunk]) + prefill_seconds(times, chunk, done)
        done += chunk
    return seconds


def ready_at(engine: Engine, q: Sequence, sources: list[int], rules: Rules, times: Times) -> float:
    """When a prompt can be computed after the blocks of these sources, its leading ones."""
    now = engine["now"]
    hit = min(len(sources) * rules.block, q["target"] - 1)
    chunk = q["target"] - hit if rules.whole else min(q["target"] - hit, rules.budget)
    hidden = (float(times.linear[chunk]) + prefill_seconds(times, chunk, hit)) * (rules.layers - 1) / rules.layers
    own = [engine["stamp"].get(i, -math.inf) for i, t in zip(q["ids"], sources, strict=False) if t == OWN]
    ready = float(max([now, *(at - hidden for at in own)]))
    for t in sorted(set(sources) - {OWN}):
        begin, moving = load_times(engine, t, sources.count(t), rules)
        ready = max(ready, begin + moving / rules.layers, begin + moving - hidden)
    return ready


def load_times(engine: Engine, t: int, blocks: int, rules: Rules) -> tuple[float, float]:
    """When the first byte of a load comes, and how long they go on coming."""
    start = max(engine["now"], engine["tiers"][t]["free"])
    return start + float(rules.tiers[t, LATENCY]), blocks * float(rules.tiers[t, MOVE])


def sources_worth_having(engine: Engine, q: Sequence, rules: Rules, times: Times) -> list[int]:
    """Sources of the leading blocks to have: those in memory, and as many of the tiers' as save time."""
    known: list[int] = []
    for i in q["ids"] if rules.cache else ():
        found = source_of(engine, i)
        if found is None:
            break
        known.append(found)
    if not rules.tiers.size:
        return known
    own = next((k for k, t in enumerate(known) if t != OWN), len(known))
    cuts = [own]
    for _, stretch in groupby(known[own:]):
        cuts.append(cuts[-1] + len(list(stretch)))

    def seconds(cut: int) -> tuple[float, float]:
        done = min(cut * rules.block, q["target"] - 1)
        wait = ready_at(engine, q, known[:cut], rules, times) - engine["now"]
        return alone(q, done, rules, times), wait

    compute, wait = seconds(own)
    reference, best, most = compute + wait, own, 0.0
    for cut in cuts[1:]:
        compute, wait = seconds(cut)
        if reference - compute - wait > most:
            best, most = cut, reference - compute - wait
    return known[:best]


def take_loads(engine: Engine, q: Sequence, sources: list[int], rules: Rules) -> None:
    """Begin the loads of a prompt that boards."""
    now = engine["now"]
    for k in range(len(sources), len(q["ids"])):
        found = source_of(engine, q["ids"][k])
        if found is None:
            break
        if found != OWN:
            engine["flow"][found, DECLINED] += 1
    for i, t in zip(q["ids"], sources, strict=False):
        if t == OWN:
            continue
        tier = engine["tiers"][t]
        engine["flow"][t, AGED] += now - tier["held"][i]
        begin, moving = load_times(engine, t, sources.count(t), rules)
        engine["stamp"][i] = begin + moving
        see_again(tier, t, i, now, rules, 1)
    for t in sorted(set(sources) - {OWN}):
        begin, moving = load_times(engine, t, sources.count(t), rules)
        takes = sources.count(t) * float(rules.tiers[t, TAKES])
        engine["flow"][t, LOADS] += 1
        engine["flow"][t, LOADED] += sources.count(t)
        engine["flow"][t, MOVING] += takes
        engine["flow"][t, WAITED] += begin + moving - now
        engine["tiers"][t]["free"] = max(now, engine["tiers"][t]["free"]) + takes


def hits_by_tier(q: Sequence, sources: list[int], rules: Rules) -> list[int]:
    """Tokens that each tier gives to a prompt."""
    given = [sources.count(t) * rules.block for t in range(len(rules.tiers))]
    if sources and sources[-1] != OWN:
        given[sources[-1]] -= max(len(sources) * rules.block - (q["target"] - 1), 0)
    return given
