"""Memories below that of the engines: what they are, how fast an engine reads them, and what they gave a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headway.facts.cache_terms import media_price
from headway.facts.check import not_negative, positive, single
from headway.facts.storage import storage
from headway.physics.balance import drain_time
from headway.simulation._state import AGED, DECLINED, LOADED, LOADS, MOVING, WAITED, WRITTEN
from headway.simulation.fleet import CacheTier
from headway.simulation.outcome import Costs
from headway.simulation.replay import Replay
from headway.simulation.tiers import HOUR_S, YEARS

HOST_BANDWIDTH = 50e9
"""One way over PCIe per chip, measured by vLLM's offloading connector (blog of 2026-01-08) [B/s]."""
_YEAR_S = 365.25 * 86400.0


@dataclass(frozen=True, slots=True)
class MemoryTier:
    """A memory below that of the engines, of one size.

    Parameters
    ----------
    name : str
        Device of the catalog.
    capacity : float
        Of each replica's own, or of all where it is shared [B].
    bandwidth : float
        Read rate of that much of it [B/s].
    device_capacity, device_bandwidth : float
        Of one device [B], [B/s].
    shared : bool
        One for all replicas, over the network.
    usd_per_byte_second : float
        Rent: purchase over five years [$/(B s)].
    keeps : str
        What it drops where it is full, of :data:`~headway.simulation.fleet.KEEPS`.
    life_s : float
        Time after its last use for which a block is kept [s].
    """

    name: str
    capacity: float
    bandwidth: float
    device_capacity: float
    device_bandwidth: float
    shared: bool
    usd_per_byte_second: float
    keeps: str = "lru"
    life_s: float = math.inf


def memory_tier(
    name: str, capacity: float, bandwidth: float | None = None, *, keeps: str = "lru", life_s: float = math.inf
) -> MemoryTier:
    """A memory of a device's kind; as many devices as the capacity needs read together.

    Parameters
    ----------
    name : str
        Of :func:`~headway.facts.storage.storage`; a flash cluster is shared by all replicas.
    capacity : float
        [B].
    bandwidth : float, optional
        Read rate instead of the devices' [B/s].
    keeps, life_s : str, float
        As in :class:`MemoryTier`.

    Raises
    ------
    UnknownNameError, RangeError
        If there is no such device, or a number is out of range.

    Examples
    --------
    >>> two = memory_tier("flash", 5e12)
    >>> two.bandwidth / 1e9, two.shared
    (14.0, False)
    """
    device = storage(name)
    size = float(not_negative(f"capacity of {name}", single(name, capacity), "B"))
    devices = float(np.ceil(size / device.capacity)) or 1.0
    rate = (
        device.bandwidth * devices if bandwidth is None else float(positive(f"bandwidth of {name}", bandwidth, "B/s"))
    )
    rent = media_price(device.technology).usd_per_byte / (YEARS * _YEAR_S)
    shared = device.technology == "flash cluster"
    return MemoryTier(device.name, size, rate, device.capacity, device.bandwidth, shared, rent, keeps, life_s)


def cache_tier(
    which: MemoryTier, token_bytes: float, block_tokens: int, *, chips: int, ranks: int, network: float, latency: float
) -> CacheTier:
    """A memory as the loop sees it.

    An engine reads at the slower of the memory and its own way to it: PCIe of its chips, or their network.

    Parameters
    ----------
    which : MemoryTier
    token_bytes : float
        Cache of a token in all layers [B].
    block_tokens : int
        [token].
    chips, ranks : int
        Chips of one rank, and ranks of a replica, which share what the replica has [1].
    network, latency : float
        Rate of one chip's network [B/s], and its latency [s].

    Examples
    --------
    >>> cache_tier(memory_tier("ddr", 1e12), 1e5, 16, chips=8, ranks=1, network=5e10, latency=5e-6).token_s
    2.5e-07
    """
    own = 1 if which.shared else ranks
    rate, path = which.bandwidth / own, chips * (network if which.shared else HOST_BANDWIDTH)
    blocks = int(which.capacity / own // (token_bytes * block_tokens))
    taken = token_bytes / rate if which.shared else token_bytes / min(rate, path)
    wait = latency if which.shared else 0.0
    moves = token_bytes / min(rate, path), taken, wait
    return CacheTier(which.name, blocks, *moves, which.shared, which.keeps, which.life_s)


@dataclass(frozen=True, slots=True)
class MemoryOutcome:
    """What one memory gave a run.

    Parameters
    ----------
    name : str
    capacity : float
        Of all replicas together [B].
    hit_rate : float
        Input tokens it served, over all input tokens of the requests served [1].
    loads : int
        Prompts that loaded from it [1].
    loaded_bytes, written_bytes, declined_bytes : float
        Read, written, and held but computed again because that was sooner [B].
    load_s : float
        Mean time from the beginning of a load to its last byte, the queue included [s].
    idle_s : float
        Mean time since the last use of what was loaded [s].
    hold_break_even_s : float
        Closed form: time for which holding a token costs as much as computing it again, ``c / (k u)`` [s].
    drain_s : float
        Capacity over bandwidth of one device [s].
    busy : float
        Share of the span in which it was read [1].
    saved_usd_per_hour, rent_usd_per_hour : float
        Prefill saved at the deployment's own rate, and rent [$/h].
    keeps, life_s : str, float
        As in :class:`MemoryTier`.
    """

    name: str
    capacity: float
    hit_rate: float
    loads: int
    loaded_bytes: float
    written_bytes: float
    declined_bytes: float
    load_s: float
    idle_s: float
    hold_break_even_s: float
    drain_s: float
    busy: float
    saved_usd_per_hour: float
    rent_usd_per_hour: float
    keeps: str = "lru"
    life_s: float = math.inf

    @property
    def net_usd_per_hour(self) -> float:
        """Saved less rent [$/h]."""
        return self.saved_usd_per_hour - self.rent_usd_per_hour


def memory_outcomes(
    run: Replay,
    memories: Sequence[MemoryTier],
    token_bytes: float,
    block_tokens: int,
    prefill_chip_s: float,
    costs: Costs,
) -> tuple[MemoryOutcome, ...]:
    """What each memory gave a run, in the order of the fleet's tiers.

    Parameters
    ----------
    run : Replay
        Of a fleet with these memories as tiers.
    memories : sequence of MemoryTier
    token_bytes : float
        Cache of a token in all layers [B].
    block_tokens : int
        [token].
    prefill_chip_s : float
        Chip-seconds to compute one token of a prompt in a full step [s].
    costs : Costs

    Examples
    --------
    >>> from headway.simulation.fleet import Fleet
    >>> from headway.simulation.replay import replay
    >>> from headway.simulation.step_times import fixed_times
    >>> from headway.simulation.trace import make_trace
    >>> ids = {"block_tokens": 16, "blocks": [1, 2, 3, 4, 5, 6, 1, 2], "block_indptr": [0, 2, 4, 6, 8]}
    >>> four = make_trace("t", [0, 9, 18, 27], [32, 32, 32, 32], [1, 1, 1, 1], **ids)
    >>> host = memory_tier("ddr", 1e9)
    >>> tier = cache_tier(host, 1e5, 16, chips=1, ranks=1, network=5e10, latency=0.0)
    >>> done = replay(four, fixed_times(0.01, 1e-4), None, Fleet(blocks=4, tiers=(tier,)))
    >>> memory_outcomes(done, [host], 1e5, 16, 1e-4, Costs(1, 2.0))[0].loads
    1
    """
    served = np.isfinite(run.last_s)
    tokens_in = max(float(run.trace.input_tokens[served].sum()), 1.0)
    begin = float(np.nanmin(run.queued_s)) if served.any() else 0.0
    span = max(run.end_s - begin, 1e-9)
    again = prefill_chip_s * costs.usd_per_chip_hour / HOUR_S
    size = token_bytes * block_tokens
    found = []
    for t, which in enumerate(memories):
        copies = 1 if which.shared else run.fleet.engines
        lists = 1 if which.shared else run.fleet.schedulers
        tokens = float(run.tier_tokens[served, t].sum())
        flow = run.tier_flow[t]
        found.append(
            MemoryOutcome(
                name=which.name,
                capacity=which.capacity * copies,
                hit_rate=tokens / tokens_in,
                loads=int(flow[LOADS]),
                loaded_bytes=float(flow[LOADED]) * size,
                written_bytes=float(flow[WRITTEN]) * size,
                declined_bytes=float(flow[DECLINED]) * size,
                load_s=float(flow[WAITED] / flow[LOADS]) if flow[LOADS] else float("nan"),
                idle_s=float(flow[AGED] / flow[LOADED]) if flow[LOADED] else float("nan"),
                hold_break_even_s=again / (token_bytes * which.usd_per_byte_second),
                drain_s=float(drain_time(which.device_capacity, which.device_bandwidth)),
                busy=float(flow[MOVING]) / span / lists,
                saved_usd_per_hour=tokens * again / span * HOUR_S,
                rent_usd_per_hour=which.capacity * copies * which.usd_per_byte_second * HOUR_S,
                keeps=which.keeps,
                life_s=which.life_s,
            )
        )
    return tuple(found)
