"""Providers' cache terms billed on a trace, and memory and storage of one's own priced, on exact hit rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.cache_terms import CacheTerms, media_price
from headway.facts.check import positive, single
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.storage import StorageDevice, storage
from headway.physics.arrays import Numbers, not_negative, plain
from headway.physics.attention import kv_bytes
from headway.physics.hold import OWNED_YEARS, owned_usd_per_byte_second, recompute_cost
from headway.simulation.cache import (
    Reuse,
    held_token_seconds,
    lru_hit_rate,
    measure_reuse,
    request_hit_tokens,
)
from headway.simulation.trace import Trace

HOUR_S = 3600.0
YEARS = OWNED_YEARS
DEVICES = ("ddr5-6400-12ch", "cxl-2tb", "nvme-7.68tb", "3fs-cluster", "hdd-24tb")
"""Devices that are priced beside the memory of the accelerator."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One provider's terms applied to a trace.

    Parameters
    ----------
    terms : CacheTerms
        The offer.
    tokens_pooled : float
        Input tokens read from the cache, over all input tokens [1].
    billing_multiplier : float
        Input bill over that without a cache [1]; above 1 caching loses money.
    storage_share : float
        Part of the multiplier that is storage [1].
    break_even_hit : float
        Pooled hit rate from which caching pays when every miss is written and what is kept here is stored [1];
        above 1 none pays.
    """

    terms: CacheTerms
    tokens_pooled: float
    billing_multiplier: float
    storage_share: float
    break_even_hit: float

    @property
    def saves(self) -> bool:
        """Whether the bill is lower than without a cache."""
        return self.billing_multiplier < 1.0

    @property
    def loses(self) -> bool:
        """Whether the bill is higher than without a cache."""
        return self.billing_multiplier > 1.0


@dataclass(frozen=True, slots=True)
class Tier:
    """A cache of one's own in one medium, of the size that earns most on a trace.

    Parameters
    ----------
    name : str
        Device, or the accelerator's memory.
    usd_per_byte_second : float
        Rent of a byte [$/(B s)].
    read_s_per_mtok : float
        Time to load a million tokens from one device [s].
    hold_break_even_s : float
        Time for which holding a token costs as much as computing it again [s].
    capacity_tokens, capacity_bytes : float
        Of the size that earns most [token], [B]; 0 where none earns.
    tokens_pooled : float
        Hit rate of that size under LRU, over pooled input tokens [1].
    saved_usd_per_hour, rent_usd_per_hour : float
        Compute saved, and rent [$/h].
    load : float
        Reads over what the devices of that size can read; above 1 they are too slow [1].
    slowdown : float
        Time to load a token over that to compute it on one chip at peak; above 1 loading loses [1].
    """

    name: str
    usd_per_byte_second: float
    read_s_per_mtok: float
    hold_break_even_s: float
    capacity_tokens: float
    capacity_bytes: float
    tokens_pooled: float
    saved_usd_per_hour: float
    rent_usd_per_hour: float
    load: float
    slowdown: float

    @property
    def net_usd_per_hour(self) -> float:
        """Saved less rent [$/h]."""
        return self.saved_usd_per_hour - self.rent_usd_per_hour

    @property
    def verdict(self) -> str:
        """Whether it earns, can be read at the rate of the hits, and loads sooner than a chip computes."""
        if not self.capacity_tokens:
            return "costs more than it saves"
        if self.load > 1.0:
            return "too slow for the reads"
        return "earns" if self.slowdown <= 1.0 else "slower than computing"


def billing_multiplier(hit: ArrayLike, write: ArrayLike, read: ArrayLike) -> Numbers:
    """Input bill over that without a cache, where every token that is not read is written.

    ``h r + (1 - h) w``.

    Parameters
    ----------
    hit : array_like
        Pooled share of input tokens read, ``h`` [1].
    write, read : array_like
        Multiples of the input price, ``w`` and ``r`` [1].

    Returns
    -------
    float or ndarray
        [1]; above 1 caching loses money.

    Examples
    --------
    Agentic coding and chat at the one-hour terms:

    >>> billing_multiplier([0.960, 0.374], 2.0, 0.1).round(3).tolist()
    [0.176, 1.289]
    """
    share = np.asarray(not_negative("hit", hit), dtype=float)
    return plain(share * np.asarray(read, dtype=float) + (1 - share) * np.asarray(write, dtype=float))


def break_even_hit(write: float, read: float, stored: float = 0.0) -> float:
    """Pooled hit rate from which caching pays, ``(w - 1 + s) / (w - r)``; 0 where writing costs no more than input.

    `stored`, ``s``, is the bill of storage over the input bill without a cache. Above 1 no hit rate pays.

    >>> round(break_even_hit(1.25, 0.1), 3), round(break_even_hit(2.0, 0.1), 3), break_even_hit(1.0, 0.1)
    (0.217, 0.526, 0.0)
    >>> round(break_even_hit(1.0, 0.1, 0.45), 3)
    0.5
    """
    return max(write - 1.0 + stored, 0.0) / (write - read) if write > read else float("inf")


def bill(trace: Trace, reuse: Reuse, terms: CacheTerms) -> Offer:
    """Apply one provider's terms to a trace.

    A prompt below the shortest length is billed as plain input and neither reads nor writes; a hit shorter than
    it is no hit. All else that is not read is written. An offer with storage adds what the entries occupy.

    Parameters
    ----------
    trace : Trace
        With block ids.
    reuse : Reuse
        Of the whole trace, from :func:`~headway.simulation.cache.measure_reuse`.
    terms : CacheTerms
        The offer.

    Returns
    -------
    Offer
        With the bill.

    Examples
    --------
    >>> from headway.facts.cache_terms import cache_terms
    >>> from headway.simulation.trace import make_trace
    >>> twice = make_trace("t", [0, 9], [2048, 2048], [1, 1], block_tokens=2048, blocks=[3, 3], block_indptr=[0, 1, 2])
    >>> round(bill(twice, measure_reuse(twice), cache_terms()[0]).billing_multiplier, 3)
    0.675
    """
    short = trace.input_tokens < terms.least_tokens
    found = measure_reuse(trace, least_tokens=terms.least_tokens) if short.any() else reuse
    hits = request_hit_tokens(found, terms.ttl_s)
    hits = np.where(hits < terms.least_tokens, 0, hits)
    total = float(trace.input_tokens.sum())
    unbilled = float(trace.input_tokens[short].sum())
    read = float(hits.sum())
    bought = read * terms.read + (total - unbilled - read) * terms.write + unbilled
    stored = (
        float(held_token_seconds(found, terms.ttl_s)) / HOUR_S * terms.storage_per_hour
        if terms.storage_per_hour
        else 0.0
    )
    return Offer(
        terms=terms,
        tokens_pooled=read / total,
        billing_multiplier=(bought + stored) / total,
        storage_share=stored / total,
        break_even_hit=break_even_hit(terms.write, terms.read, stored / total),
    )


def price_tiers(
    trace: Trace,
    reuse: Reuse,
    model: Model,
    system: System,
    *,
    recompute_usd_per_mtok: float | None = None,
    devices: Sequence[str] = DEVICES,
) -> tuple[Tier, ...]:
    """Price a cache of one's own in each medium, of the size that earns most under LRU.

    A cache of ``C`` tokens earns ``H(C) c / span - C k u``: hits times the cost of computing a token again, less
    the rent of its bytes. ``H`` is straight between known ``C``, so the best of those is the best of all. The rate of
    computing again is the peak of the chip unless `recompute_usd_per_mtok` says more. A token's bytes are those of
    the mean prompt over its length: windows and states do not grow with it.

    Parameters
    ----------
    trace : Trace
        With block ids.
    reuse : Reuse
        Of :func:`~headway.simulation.cache.measure_reuse`.
    model, system : Model, System
        For the bytes of a token, the compute of a token and the rent of a chip.
    recompute_usd_per_mtok : float, optional
        Cost of a million prompt tokens [$/Mtok].
    devices : sequence of str
        Names of :func:`~headway.facts.storage.storage`.

    Returns
    -------
    tuple of Tier
        The accelerator's memory first, then the devices.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> from headway.simulation.trace import make_trace
    >>> twice = make_trace("t", [0, 60], [2048, 2048], [1, 1], block_tokens=2048, blocks=[3, 3], block_indptr=[0, 1, 2])
    >>> tiers = price_tiers(twice, measure_reuse(twice), model("llama-3.1-70b"), system("hgx-h200"))
    >>> tiers[0].name, tiers[-1].capacity_tokens
    ('HBM of hgx-h200', 2048.0)
    """
    rent = system.tariff().usd_per_chip_hour / HOUR_S
    peak = system.chip.peak(model.precision.experts)
    if recompute_usd_per_mtok is None:
        again = float(recompute_cost(model.active_params, peak, rent))
    else:
        again = positive("recompute_usd_per_mtok", single("recompute_usd_per_mtok", recompute_usd_per_mtok)) / 1e6
    chip_s = float(recompute_cost(model.active_params, peak, 1.0))
    mean = float(trace.input_tokens.mean())
    size = float(kv_bytes(model, mean)) / mean
    rows = [(f"HBM of {system.name}", rent / system.chip.hbm_bytes, system.chip.hbm_bytes, system.chip.hbm_bandwidth)]
    rows += [(d.name, device_rent(d), d.capacity, d.bandwidth) for d in map(storage, devices)]
    return tuple(_tier(trace, reuse, size, again, chip_s, *row) for row in rows)


def device_rent(device: StorageDevice) -> float:
    """Rent of a byte of a device that is bought and written off in a straight line [$/(B s)].

    >>> from headway.facts.storage import storage
    >>> round(device_rent(storage("hdd-24tb")) * 1e12 * 3600, 6)
    0.000753
    """
    return float(owned_usd_per_byte_second(media_price(device.technology).usd_per_byte))


def _tier(
    trace: Trace,
    reuse: Reuse,
    size: float,
    again: float,
    chip_s: float,
    name: str,
    rent: float,
    capacity: float,
    bandwidth: float,
) -> Tier:
    span = max(trace.span_s, 1.0)
    earned = reuse.lru[:, 0] * again / span - reuse.lru_blocks * reuse.block_tokens * size * rent
    best = int(reuse.lru_blocks[np.argmax(earned)])
    tokens = float(best * reuse.block_tokens)
    hit = float(lru_hit_rate(reuse, tokens).tokens_pooled) if best else 0.0
    rate = bandwidth * max(float(np.ceil(tokens * size / capacity)), 1.0)
    reads = hit * reuse.input_tokens * size / span
    return Tier(
        name=name,
        usd_per_byte_second=rent,
        read_s_per_mtok=1e6 * size / bandwidth,
        hold_break_even_s=again / (size * rent),
        capacity_tokens=tokens,
        capacity_bytes=tokens * size,
        tokens_pooled=hit,
        saved_usd_per_hour=hit * reuse.input_tokens * again / span * HOUR_S,
        rent_usd_per_hour=tokens * size * rent * HOUR_S,
        load=reads / rate,
        slowdown=size / rate / chip_s,
    )
