"""Which tier holds a piece of cache for how long: the cheapest choice by the time to its next use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.physics.arrays import not_negative
from headway.physics.hold import tier_cost


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time to the next use in which one choice is the cheapest.

    Parameters
    ----------
    name : str
        Tier, or ``"recompute"``.
    start, end : float
        [s]; the last one has no end.
    """

    name: str
    start: float
    end: float


def cheapest_spans(
    names: tuple[str, ...],
    size_bytes: float,
    capacity: ArrayLike,
    bandwidth: ArrayLike,
    usd_per_device_second: ArrayLike,
    recompute_usd: float,
) -> tuple[Span, ...]:
    """Which tier is the cheapest for which time to the next use, and from when computing again is.

    Costs are straight lines in the time, ``u S / BW + (u S / capacity) T``, and ``c`` for computing again; their
    lower envelope is walked from crossing to crossing, so that the ends are exact.

    Parameters
    ----------
    names, size_bytes, capacity, bandwidth, usd_per_device_second, recompute_usd
        As in :func:`headway.physics.hold.compare_tiers`, for one piece.

    Returns
    -------
    tuple of Span
        In the order of time, from 0 on.

    Examples
    --------
    One token of DeepSeek-V3 in HBM at $2/h and flash at $0.05/h:

    >>> found = cheapest_spans(("hbm", "flash"), 35136, [186e9, 7.68e12], [8e12, 7e9], [2 / 3600, 0.05 / 3600], 8.2e-9)
    >>> [(s.name, round(s.start, 2)) for s in found]
    [('hbm', 0.0), ('flash', 0.64), ('recompute', 127952.04)]
    """
    one = np.ones(len(names))
    parts = tier_cost(size_bytes, one, capacity, bandwidth, usd_per_device_second)
    every = (*names, "recompute")
    fixed = np.append(np.asarray(parts.retrieve), float(not_negative("recompute_usd", recompute_usd, "$")))
    slope = np.append(np.asarray(parts.hold), 0.0)
    here, start = int(np.lexsort((slope, fixed))[0]), 0.0
    spans: list[Span] = []
    while True:
        flatter = np.flatnonzero(slope < slope[here])
        if not flatter.size:
            return (*spans, Span(every[here], start, float("inf")))
        meets = (fixed[flatter] - fixed[here]) / (slope[here] - slope[flatter])
        first = int(np.lexsort((slope[flatter], meets))[0])
        end = float(meets[first])
        if end > start:
            spans.append(Span(every[here], start, end))
        here, start = int(flatter[first]), max(end, start)
