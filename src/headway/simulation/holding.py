"""One cached prefix of a model: where to keep it until its next use, and from when to compute it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.cache_terms import media_price
from headway.facts.check import fraction, positive, single
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.sources import Source
from headway.facts.storage import storage
from headway.physics.attention import kv_bytes
from headway.physics.balance import drain_time
from headway.physics.cache_spans import Span, cheapest_spans
from headway.physics.hold import TierChoice, compare_tiers, recompute_cost
from headway.simulation.tiers import HOUR_S, device_rent

DEVICES = ("ddr5-6400-12ch", "cxl-2tb", "nvme-7.68tb", "hdd-24tb")
"""Devices beside the memory of the accelerator."""


@dataclass(frozen=True, slots=True)
class Place:
    """One place for a prefix.

    Parameters
    ----------
    name : str
        Device, the accelerator's memory, or ``"recompute"``.
    drain_s : float
        Capacity over bandwidth [s]; 0 where the prefix is computed again.
    ready_s : float
        Time until the prefix is there: read from one device, or computed on one chip [s].
    usd_per_hour : float
        Rent of its bytes [$/h].
    usd_per_use : float
        Reading it back, or computing it again [$].
    pays_until_s : float
        Time to the next use from which computing again is cheaper than this place [s].
    """

    name: str
    drain_s: float
    ready_s: float
    usd_per_hour: float
    usd_per_use: float
    pays_until_s: float


@dataclass(frozen=True, slots=True)
class Holding:
    """Places for one prefix against each other.

    Parameters
    ----------
    size_bytes : float
        Of the prefix [B].
    choice : TierChoice
        Cost in each place at the times asked for, the last one computing again.
    places : tuple of Place
        In the same order.
    spans : tuple of Span
        The cheapest place by the time to the next use.
    sources : tuple of Source
    """

    size_bytes: float
    choice: TierChoice
    places: tuple[Place, ...]
    spans: tuple[Span, ...]
    sources: tuple[Source, ...]


def hold_or_compute(
    model: Model,
    system: System,
    tokens: float,
    seconds: ArrayLike,
    *,
    efficiency: float = 1.0,
    usd_per_chip_hour: float | None = None,
    devices: Sequence[str] = DEVICES,
) -> Holding:
    """Compare places for a prefix of `tokens` that is used again after `seconds`.

    Parameters
    ----------
    model, system : Model, System
        For the bytes and the compute of a token, and the memory of a chip.
    tokens : float
        Length of the prefix [token].
    seconds : array_like
        Time to its next use [s].
    efficiency : float
        Share of the peak that computing again reaches [1].
    usd_per_chip_hour : float, optional
        Rent of a chip, charged to its memory where it holds and to its compute where it computes [$/h]; the
        system's tariff where not given.
    devices : sequence of str
        Names of :func:`~headway.facts.storage.storage`.

    Returns
    -------
    Holding

    References
    ----------
    Pope (2026), chapter 6 (claims D12, C60). Devices at their purchase price, written off over five years.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> found = hold_or_compute(model("deepseek-v3"), system("gb200-nvl72"), 8192, [1.0, 3600.0, 1e8])
    >>> found.choice.best_names()
    ['ddr5-6400-12ch', 'nvme-7.68tb', 'recompute']
    >>> [s.name for s in found.spans][-1]
    'recompute'
    """
    count = float(positive("tokens", single("tokens", tokens), "token"))
    share = float(fraction("efficiency", single("efficiency", efficiency)))
    positive("efficiency", share)
    hourly = system.tariff().usd_per_chip_hour if usd_per_chip_hour is None else usd_per_chip_hour
    rent = float(positive("usd_per_chip_hour", single("usd_per_chip_hour", hourly), "$/h")) / HOUR_S
    rate = system.chip.peak(model.precision.experts) * share
    size = float(np.ravel(kv_bytes(model, count))[0])
    kept = [storage(name) for name in devices]
    names = (f"HBM of {system.name}", *(d.name for d in kept))
    capacity = [system.chip.hbm_bytes, *(d.capacity for d in kept)]
    bandwidth = [system.chip.hbm_bandwidth, *(d.bandwidth for d in kept)]
    per_second = [rent, *(device_rent(d) * d.capacity for d in kept)]
    again = float(recompute_cost(model.active_params, rate, rent)) * count
    choice = compare_tiers(names, size, seconds, capacity, bandwidth, per_second, again)
    hour = np.ravel(compare_tiers(names, size, HOUR_S, capacity, bandwidth, per_second, again).usd)
    use = np.ravel(compare_tiers(names, size, 0.0, capacity, bandwidth, per_second, again).usd)
    busy = float(recompute_cost(model.active_params, rate, 1.0)) * count
    places = [
        Place(
            name,
            float(drain_time(capacity[i], bandwidth[i])),
            size / bandwidth[i],
            float(hour[i] - use[i]),
            float(use[i]),
            max(float(again - use[i]) / float(hour[i] - use[i]) * HOUR_S, 0.0),
        )
        for i, name in enumerate(names)
    ]
    media = [media_price(d.technology).source for d in kept]
    found = (*system.chip.sources, *(s for d in kept for s in d.sources), *media)
    return Holding(
        size,
        choice,
        (*places, Place("recompute", 0.0, busy, 0.0, again, float("inf"))),
        cheapest_spans(names, size, capacity, bandwidth, per_second, again),
        tuple(dict.fromkeys(found)),
    )
