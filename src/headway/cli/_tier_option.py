"""The option ``--tier`` of ``headway simulate``: a memory below the engines'."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headway.cli._params import Converted


@dataclass(frozen=True, slots=True)
class TierAsked:
    """One ``--tier``: a device's name, its sizes, a read rate instead of its own, what it drops, and lives."""

    name: str
    sizes: tuple[float, ...]
    rate: float | None
    keeps: str
    life: float


def _tier(text: str, field: str) -> TierAsked:
    from headway.facts.errors import InputError, unknown
    from headway.facts.storage import storage
    from headway.facts.units import parse
    from headway.simulation.fleet import KEEPS

    name, equals, rest = text.partition("=")
    rest, *marks = rest.split(":")
    sizes, at, rate = rest.partition("@")
    if not equals or not sizes:
        wanted = "a device and its size, as 'ddr=512GB', 'flash=1TB,4TB', 'flash=4TB@20GB/s' or 'flash=4TB:lfu:1h'"
        raise InputError(field, text, wanted)
    keeps = [mark for mark in marks if not mark[:1].isdigit()]
    lives = [parse(mark, "seconds", field) for mark in marks if mark[:1].isdigit()]
    if len(keeps) > 1 or len(lives) > 1:
        raise InputError(field, text, "one policy and one life, as 'flash=4TB:lfu:1h'")
    if keeps and keeps[0] not in KEEPS:
        raise unknown(f"policy of {field}", keeps[0], KEEPS)
    return TierAsked(
        storage(name).name,
        tuple(parse(size, "bytes", field) for size in sizes.split(",")),
        parse(rate, "bytes_per_second", field) if at else None,
        keeps[0] if keeps else "lru",
        lives[0] if lives else math.inf,
    )


def _devices() -> tuple[str, ...]:
    from headway.facts.storage import storage_names

    return storage_names()


TIER = Converted("device=size", _tier, _devices)
