"""Engines that share the work, what joins them, and the memories below theirs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from headway.facts.check import not_negative, whole
from headway.facts.errors import InputError, RangeError, unknown

#: What a full tier drops.
KEEPS: Mapping[str, str] = MappingProxyType(
    {
        "lru": "drops the least recently used",
        "lfu": "drops the least often used since it came (15 times and more are one), the least recent of those",
        "s3-fifo": "a tenth for newcomers, second uses are promoted, the dropped are remembered",
    }
)


@dataclass(frozen=True, slots=True)
class CacheTier:
    """A memory below that of the engines which keeps blocks of prompts.

    Parameters
    ----------
    name : str
    blocks : int
        Blocks it holds; 0 for none [1].
    token_s : float
        Seconds between two tokens of a load, as an engine sees it [s].
    busy_token_s : float
        Seconds of a token for which the tier serves nobody else [s].
    latency_s : float
        Seconds to the first byte [s].
    shared : bool
        One for all engines, instead of one for each.
    keeps : str
        Key of ``KEEPS``: what a full tier drops.
    life_s : float
        Time after its last use for which a block is kept; it does not go down after that [s].

    Raises
    ------
    RangeError, UnknownNameError
        If a number is out of range, or there is no such policy.

    Examples
    --------
    >>> CacheTier("host", 1000, 1e-6, 1e-6).shared
    False
    """

    name: str
    blocks: int
    token_s: float
    busy_token_s: float
    latency_s: float = 0.0
    shared: bool = False
    keeps: str = "lru"
    life_s: float = math.inf

    def __post_init__(self) -> None:
        """Refuse what no memory is."""
        whole(f"blocks of {self.name}", self.blocks, least=0)
        for name in ("token_s", "busy_token_s", "latency_s"):
            not_negative(name, getattr(self, name), "s")
        if self.keeps not in KEEPS:
            raise unknown("policy of a tier", self.keeps, KEEPS)
        if not self.life_s >= 0:
            raise RangeError("life of a tier", self.life_s, "at least 0 s, or no limit")


@dataclass(frozen=True, slots=True)
class Fleet:
    """Engines that share the work, and what joins them.

    Parameters
    ----------
    engines : int
        Replicas, prefilling and decoding both unless `prefillers` are set apart [1].
    prefillers : int
        Replicas that only prefill; their caches travel to the others [1].
    ranks : int
        Schedulers of one replica that step together (attention-data ranks) [1].
    blocks : int
        Cache blocks of one rank; 0 for no limit [1].
    swap_token_s, send_token_s : float
        Seconds to move the cache of one token to or from host memory, and to a decoding replica [s].
    send_latency_s : float
        Seconds before the first byte of a cache arrives [s].
    tiers : tuple of CacheTier
        Memories below that of the engines, nearest first.
    write_through : bool
        Tiers get a block when it is made, instead of when the one above drops it.
    layers : int
        Layers of the model, whose caches are loaded one after the other [1].
    schedule : tuple of (float, int)
        From these times on, so many replicas take new requests; the others serve what they have [s], [1].

    Examples
    --------
    >>> Fleet(engines=2, ranks=4).schedulers
    8
    """

    engines: int = 1
    prefillers: int = 0
    ranks: int = 1
    blocks: int = 0
    swap_token_s: float = 0.0
    send_token_s: float = 0.0
    send_latency_s: float = 0.0
    tiers: tuple[CacheTier, ...] = ()
    write_through: bool = False
    layers: int = 1
    schedule: tuple[tuple[float, int], ...] = ()

    def __post_init__(self) -> None:
        """Refuse fleets without a decoding engine."""
        whole("engines", self.engines, most=4096)
        whole("ranks", self.ranks, most=1024)
        whole("prefillers", self.prefillers, least=0, most=self.engines - 1)
        whole("blocks", self.blocks, least=0)
        whole("layers", self.layers)
        for name in ("swap_token_s", "send_token_s", "send_latency_s"):
            not_negative(name, getattr(self, name), "s")
        if self.schedule and self.prefillers:
            raise InputError("schedule", "engines that only prefill", "engines that do both")
        times = [at for at, _ in self.schedule]
        if times != sorted(times):
            raise InputError("schedule", times, "times that rise")
        for _, engines in self.schedule:
            whole("replicas of the schedule", engines, most=self.engines)

    @property
    def schedulers(self) -> int:
        """Ranks of all replicas [1]."""
        return self.engines * self.ranks
