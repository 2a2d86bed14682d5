"""Parts of the plain engine: its blocks."""

from __future__ import annotations

import math

from headway.simulation._plain_tiers import put_block, put_everywhere
from headway.simulation._plain_times import Engine, Sequence
from headway.simulation._state import Rules


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


def let_go(engine: Engine, q: Sequence) -> None:
    """Give back all blocks, the last of the prompt first."""
    for i in reversed(q["held"]):
        engine["users"][i] -= 1
        if not engine["users"][i]:
            del engine["users"][i]
            engine["idle"][i] = None
            engine["stamp"][i] = max(engine["stamp"].get(i, -math.inf), engine["now"])
    q["held"], q["private"] = [], 0
