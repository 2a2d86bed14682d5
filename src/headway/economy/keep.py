"""Whether to keep a buyer's KV until its sellers have answered, and in which tier.

A buyer's next prompt repeats most of the one before. Between the two lies the time that sellers take to answer.
Holding the KV of the prefix costs rent for that time and a read; dropping it costs the rack time of reading the
prefix again. The formulas are those of :mod:`headway.physics.hold`; here they meet the deal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headway.economy.rack import Rack, reading_s, taken_s
from headway.economy.tokens import DecisionTokens, TokenModel, buyer_decision
from headway.facts.cache_terms import media_price
from headway.facts.check import positive, single
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.sources import Source
from headway.facts.storage import storage
from headway.physics.arrays import Floats, Numbers, not_negative, plain, whole
from headway.physics.attention import kv_bytes
from headway.physics.hold import (
    OWNED_YEARS,
    TierChoice,
    compare_tiers,
    owned_usd_per_byte_second,
    tier_cost,
    usd_per_byte_second,
)

STORES = ("nvme-7.68tb", "hdd-24tb")
"""Devices beside the memories of the system, where none are named."""


@dataclass(frozen=True, slots=True)
class HoldTier:
    """A memory or a device that can hold KV.

    Parameters
    ----------
    name : str
    capacity, bandwidth : float
        Of one chip's memory or of one device [B], [B/s].
    usd_per_s : float
        Its rent [$/s].
    source : Source
        Of its price.
    """

    name: str
    capacity: float
    bandwidth: float
    usd_per_s: float
    source: Source


@dataclass(frozen=True, slots=True)
class Keep:
    """Keeping the KV of a prefix against reading the prefix again.

    Parameters
    ----------
    prefix_tokens : float
        Repeated by the next prompt [token].
    size_bytes : float
        Their KV [B].
    again_usd, again_s : float
        Rack time of reading them again, less that of reading them from a cache [$], [s].
    tiers : tuple of HoldTier
    break_even_s : tuple of float
        Reply delay up to which each tier is cheaper than reading again [s]; 0 where it never is.
    load_s : tuple of float
        Time of each to read the KV back, from one device [s].
    steps : tuple of (float, str)
        The cheapest choice from each delay on [s], ``"recompute"`` last.
    quick_steps : tuple of (float, str)
        The same among tiers that load no slower than the prefix is read again.
    delays_s : ndarray
        Delays asked for [s].
    choice : TierChoice
        Every cost at those delays.
    assumptions : tuple of str
    sources : tuple of Source
    """

    prefix_tokens: float
    size_bytes: float
    again_usd: float
    again_s: float
    tiers: tuple[HoldTier, ...]
    break_even_s: tuple[float, ...]
    load_s: tuple[float, ...]
    steps: tuple[tuple[float, str], ...]
    quick_steps: tuple[tuple[float, str], ...]
    delays_s: Floats
    choice: TierChoice
    assumptions: tuple[str, ...]
    sources: tuple[Source, ...]

    @property
    def life_s(self) -> float:
        """Longest delay at which any tier pays [s]: hold a prefix so long, then drop it."""
        return max(self.break_even_s, default=0.0)

    def best_at(self, delay_s: float) -> str:
        """Cheapest choice at one delay."""
        return next(name for start, name in reversed(self.steps) if delay_s >= start)


ASSUMPTIONS = (
    "a chip's memory is charged with the whole rent of the chip; other media with their price over their life",
    "the KV is read back once, from one device; reading it again costs the rack time of fresh less cached tokens",
    "the delay is known; where replies are memoryless the same break-even holds for their mean",
)


def hold_tiers(
    system: System,
    *,
    stores: Sequence[str] = STORES,
    usd_per_chip_hour: float | None = None,
    years: float = OWNED_YEARS,
) -> tuple[HoldTier, ...]:
    """Memories of a system, fastest first, then devices of the storage table.

    Parameters
    ----------
    system : System
    stores : sequence of str
        Names of :func:`headway.facts.storage.storage`.
    usd_per_chip_hour : float, optional
        Rent of a chip; the system's default tariff where not given [$/h].
    years : float
        Life of bought media [year].

    Returns
    -------
    tuple of HoldTier

    Raises
    ------
    UnknownNameError
        If a device or a price is not known.

    Examples
    --------
    >>> from headway.facts.systems import system
    >>> [tier.name for tier in hold_tiers(system("gb200-nvl72"))]
    ['hbm', 'dram', 'nvme-7.68tb', 'hdd-24tb']
    """
    tariff = system.tariff()
    rent = tariff.usd_per_chip_hour if usd_per_chip_hour is None else positive("usd_per_chip_hour", usd_per_chip_hour)
    chip = system.chip
    per_byte = float(usd_per_byte_second(rent, chip.hbm_bytes))
    found = [HoldTier("hbm", chip.hbm_bytes, chip.hbm_bandwidth, per_byte * chip.hbm_bytes, tariff.source)]
    devices = [(m.name, m.name, m.capacity, m.bandwidth) for m in system.memories]
    devices += [(d.name, d.technology, d.capacity, d.bandwidth) for d in map(storage, stores)]
    for name, technology, capacity, bandwidth in devices:
        media = media_price(technology)
        usd = float(owned_usd_per_byte_second(media.usd_per_byte, years)) * capacity
        found.append(HoldTier(name, capacity, bandwidth, usd, media.source))
    return tuple(found)


def keep_prefix(
    model: Model,
    rack: Rack,
    tiers: Sequence[HoldTier],
    *,
    prefix_tokens: float | None = None,
    delays_s: ArrayLike = (),
    tokens: TokenModel | None = None,
    sellers_asked: float = 3.0,
    kv: str | None = None,
) -> Keep:
    """Compare every tier with reading the prefix again.

    ``u S (T / capacity + 1 / bandwidth)`` in a tier against ``P (c_in - c_cached)`` of rack time: both are lines
    in the delay ``T``, so the cheapest choice changes at a few delays, which are solved for.

    Parameters
    ----------
    model : Model
        For the bytes of the KV.
    rack : Rack
        For the price and the time of reading again.
    tiers : sequence of HoldTier
        At least one.
    prefix_tokens : float, optional
        ``P``; what a call of a buyer repeats on average where not given [token].
    delays_s : array_like
        Delays to list costs for [s].
    tokens, sellers_asked
        Where `prefix_tokens` is not given: see :func:`headway.economy.tokens.buyer_decision`.
    kv : str, optional
        Format of the cache; the model's own where not given.

    Returns
    -------
    Keep

    Examples
    --------
    >>> from headway.economy.rack_plan import plan_decisions, rack_for
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> llama, box = model("llama-3.1-70b"), system("hgx-h200")
    >>> rack = rack_for(plan_decisions(llama, box, tpot=0.03))
    >>> kept = keep_prefix(llama, rack, hold_tiers(box), delays_s=[1, 60, 3600])
    >>> kept.steps[-1][1], kept.best_at(kept.life_s * 1.01)
    ('recompute', 'recompute')
    """
    prefix = repeated_prefix(sellers_asked, tokens) if prefix_tokens is None else prefix_tokens
    count = float(positive("prefix_tokens", single("prefix_tokens", prefix), "token"))
    size = float(kv_bytes(model, count, kv))
    again = float((taken_s(rack, count, 0.0, 0.0) - taken_s(rack, 0.0, count, 0.0)) * rack.usd_per_s)
    again = max(again, 0.0)
    room, speed, rent = (np.array([getattr(t, f) for t in tiers]) for f in ("capacity", "bandwidth", "usd_per_s"))
    one = tier_cost(size, 1.0, room, speed, rent)
    hold, load = np.atleast_1d(one.hold), np.atleast_1d(one.retrieve)
    names = tuple(t.name for t in tiers)
    again_s = float(reading_s(rack, count, 0.0, 0.0) - reading_s(rack, 0.0, count, 0.0))
    load_s = size / speed
    lines = [*zip(names, load.tolist(), hold.tolist(), strict=True), ("recompute", again, 0.0)]
    quick = [line for line, seconds in zip(lines, [*load_s, 0.0], strict=True) if seconds <= again_s]
    delays = np.atleast_1d(not_negative("delays_s", delays_s if np.size(delays_s) else np.zeros(0), "s"))
    return Keep(
        prefix_tokens=count,
        size_bytes=size,
        again_usd=again,
        again_s=again_s,
        tiers=tuple(tiers),
        break_even_s=tuple(np.maximum((again - load) / hold, 0.0).tolist()),
        load_s=tuple(load_s.tolist()),
        steps=lower_envelope(lines),
        quick_steps=lower_envelope(quick or lines[-1:]),
        delays_s=delays,
        choice=compare_tiers(
            names, np.full(delays.shape, size), delays, room, speed, rent, np.full(delays.shape, again)
        ),
        assumptions=ASSUMPTIONS,
        sources=tuple(dict.fromkeys([*(t.source for t in tiers), *rack.sources])),
    )


def cost_lines(kept: Keep, points: int = 60) -> tuple[Floats, Floats]:
    """Costs over delays from a tenth of the first change to thrice the last, evenly spread in their logarithm.

    Parameters
    ----------
    kept : Keep
    points : int
        [1].

    Returns
    -------
    ndarray, ndarray
        Delays, shape (points,) [s]; costs of every tier and of reading again, shape (points, tiers + 1) [$].

    Examples
    --------
    >>> tier = HoldTier("hbm", 186e9, 8e12, 2 / 3600, Source("a page", "2026-11-23", "assumed"))
    >>> choice = compare_tiers(("hbm",), 1e6, [], 186e9, 8e12, 2 / 3600, 1e-6)
    >>> kept = Keep(30.0, 1e6, 1e-6, 0.1, (tier,), (334.8,), (1e-7,), ((0.0, "hbm"),), (), np.zeros(0), choice, (), ())
    >>> delays, usd = cost_lines(kept, 3)
    >>> delays.round().tolist(), usd.shape
    ([33.0, 183.0, 1004.0], (3, 2))
    """
    changes = [start for start, _ in kept.steps[1:] if start > 0] or [t for t in kept.break_even_s if t > 0] or [1.0]
    delays = np.geomspace(min(changes) / 10.0, 3.0 * max(changes), points)
    room, speed, rent = (np.array([getattr(t, f) for t in kept.tiers]) for f in ("capacity", "bandwidth", "usd_per_s"))
    names = tuple(t.name for t in kept.tiers)
    return delays, compare_tiers(names, kept.size_bytes, delays, room, speed, rent, kept.again_usd).usd


def repeated_prefix(sellers_asked: float = 3.0, tokens: TokenModel | None = None) -> float:
    """Tokens that one call of a buyer repeats of the call before, on average [token].

    >>> round(repeated_prefix(3)), round(repeated_prefix(30))
    (821, 3908)
    """
    buyer = buyer_decision(sellers_asked, tokens)
    return float(buyer.cached / buyer.calls)


def lower_envelope(lines: Sequence[tuple[str, float, float]]) -> tuple[tuple[float, str], ...]:
    """Which of several lines is lowest, and from where on.

    Parameters
    ----------
    lines : sequence of (str, float, float)
        Name, value at 0 and slope of each, slopes at least 0.

    Returns
    -------
    tuple of (float, str)
        Start and name, rising; the first starts at 0.

    Examples
    --------
    >>> lower_envelope([("hbm", 0.0, 1.0), ("flash", 1.0, 0.5), ("recompute", 5.0, 0.0)])
    ((0.0, 'hbm'), (2.0, 'flash'), (8.0, 'recompute'))
    """
    height, slope, name = min((h, s, n) for n, h, s in lines)
    found = [(0.0, name)]
    while True:
        later = [((h - height) / (slope - s), s, h, n) for n, h, s in lines if s < slope]
        if not later:
            return tuple(found)
        start, slope, height, name = min(later)
        found.append((start, name))


def after_wait(tokens: DecisionTokens, wait_s: ArrayLike, life_s: ArrayLike) -> DecisionTokens:
    """The same decision after a wait: its prefix is read afresh where the wait outlived the cache.

    >>> after_wait(DecisionTokens(2000, 1400, 100), 30.0, 60.0).cached
    1400
    >>> after_wait(DecisionTokens(2000, 1400, 100), [30.0, 90.0], 60.0).cached.tolist()
    [1400, 0]
    """
    lost = np.asarray(wait_s, dtype=float) > np.asarray(life_s, dtype=float)
    cached: Any = plain(np.where(lost, 0, tokens.cached))
    return DecisionTokens(tokens.input, cached, tokens.output, tokens.calls)


def surviving_share(life_s: ArrayLike, mean_reply_s: ArrayLike, waits_for: ArrayLike = 1) -> Numbers:
    """Chance that KV held for a life is still there when the slowest of several sellers has answered.

    ``(1 - exp(-T / m))^k`` for independent memoryless replies.

    Parameters
    ----------
    life_s : array_like
        ``T`` [s].
    mean_reply_s : array_like
        ``m`` [s].
    waits_for : array_like
        ``k`` replies before the next call [1].

    Returns
    -------
    float or ndarray
        [1].

    Examples
    --------
    >>> surviving_share(60, [20, 60, 600], waits_for=3).round(3).tolist()
    [0.858, 0.253, 0.001]
    """
    each = -np.expm1(
        -not_negative("life_s", life_s, "s") / np.asarray(positive("mean_reply_s", mean_reply_s, "s"), dtype=float)
    )
    return plain(each ** whole("waits_for", waits_for))
