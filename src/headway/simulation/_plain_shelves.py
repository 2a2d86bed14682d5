"""What a lower tier of the plain engine keeps and drops: lists and counts by block, walked from end to end."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, TypeAlias

from headway.simulation._state import KEEPS, LIFE, LISTS, ROOM, Rules

Tier: TypeAlias = "dict[str, Any]"
LRU, LFU, S3 = range(3)


def new_tier() -> Tier:
    """Nothing held: blocks with the time of their last use, the least recently moved first."""
    return {"held": OrderedDict(), "free": 0.0, "uses": {}, "small": [], "main": [], "ghost": []}


def is_alive(tier: Tier, t: int, i: int, now: float, rules: Rules) -> bool:
    """Whether a block is held and was used within its life."""
    return i in tier["held"] and bool(now - tier["held"][i] <= rules.tiers[t, LIFE])


def forget(tier: Tier, i: int) -> float:
    """Take a block away; when it was used last."""
    for line in (tier["small"], tier["main"]):
        if i in line:
            line.remove(i)
    return float(tier["held"].pop(i))


def bring(tier: Tier, t: int, i: int, used: float, rules: Rules) -> None:
    """A block comes, for which there is room."""
    tier["held"][i] = used
    tier["uses"][i] = 0
    if rules.tiers[t, KEEPS] == S3:
        if i in tier["ghost"]:
            tier["ghost"].remove(i)
            tier["main"].append(i)
        else:
            tier["small"].append(i)


def see_again(tier: Tier, t: int, i: int, used: float, rules: Rules, more: int) -> None:
    """A held block was put again, or used (`more` is 1)."""
    tier["held"][i] = used
    most = 3 if rules.tiers[t, KEEPS] == S3 else LISTS - 1
    tier["uses"][i] = min(tier["uses"][i] + more, most)
    tier["held"].move_to_end(i)


def drop_one(tier: Tier, t: int, rules: Rules) -> tuple[int, float]:
    """The block that a full tier drops, and when it was used last."""
    held, uses, policy = tier["held"], tier["uses"], rules.tiers[t, KEEPS]
    if policy != S3:
        i = min(held, key=uses.__getitem__) if policy == LFU else next(iter(held))
        return i, forget(tier, i)
    small, main, ghost, room = tier["small"], tier["main"], tier["ghost"], int(rules.tiers[t, ROOM])
    few = max(room // 10, 1)
    while True:
        if len(small) >= few or not main:
            i = small.pop(0)
            if uses[i] > 1:
                uses[i] = 0
                main.append(i)
                continue
            ghost.append(i)
            if len(ghost) > room - few:
                ghost.pop(0)
            return i, float(held.pop(i))
        i = main.pop(0)
        if not uses[i]:
            return i, float(held.pop(i))
        uses[i] -= 1
        main.append(i)
