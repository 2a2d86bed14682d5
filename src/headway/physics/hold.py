"""Hold a cache or compute it again: rents, tiers and break-even times.

Notation: ``k`` bytes of cache per token, ``T`` seconds held, ``L*`` balance context, ``t_d`` drain time of a
memory, ``M`` multiply-adds per second of a chip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.errors import RangeError
from headway.physics.arrays import Numbers, not_negative, plain, positive, together

_HOUR = 3600.0
_YEAR = 365.25 * 86400.0
OWNED_YEARS = 5.0
"""Straight-line life of bought memory and storage, without power or margin [year]."""


@dataclass(frozen=True, slots=True)
class TierCost:
    """Cost of keeping one piece of cache in one tier until it is used again. Numbers or arrays of one shape.

    Parameters
    ----------
    hold : float or ndarray
        Rent of the bytes for the time [$].
    retrieve : float or ndarray
        Time of the device that reads them back [$].
    """

    hold: Numbers
    retrieve: Numbers

    @property
    def total(self) -> Numbers:
        """Hold and retrieve together [$]."""
        return self.hold + self.retrieve

    @property
    def hold_share(self) -> Numbers:
        """Share of the rent in the total [1]: a half where the time is the device's drain time."""
        return self.hold / self.total


@dataclass(frozen=True, slots=True)
class TierChoice:
    """Tiers against each other and against computing again. The last axis of `usd` is the tiers.

    Parameters
    ----------
    names : tuple of str
        Tiers, then ``"recompute"``.
    usd : ndarray
        Cost of each [$].
    best : ndarray of int
        Index of the cheapest, without the last axis.
    """

    names: tuple[str, ...]
    usd: Numbers
    best: Numbers

    def best_names(self) -> list[str]:
        """Names of the cheapest, in the order of the flattened `best`."""
        return [self.names[int(i)] for i in np.ravel(self.best)]


def hold_break_even_time(balance_context: ArrayLike, drain_time: ArrayLike) -> Numbers:
    """Time for which holding a token's cache in a memory costs as much as computing it again.

    ``T = L* t_d``. Holding costs the share ``k / capacity`` of the chip for ``T``; computing costs the whole
    chip for ``N_a / M``. Equal at ``N_a capacity / (M k)``, which is the product.

    Parameters
    ----------
    balance_context : array_like
        ``L*`` [token].
    drain_time : array_like
        ``t_d`` of the memory of the same chip [s].

    Returns
    -------
    float or ndarray
        Seconds [s]: hold if the next use comes sooner.

    References
    ----------
    Derived (claim C60) from Pope (2026), chapter 6.

    Examples
    --------
    >>> hold_break_even_time(200e3, 20e-3), round(hold_break_even_time(3370, 23.25e-3))
    (4000.0, 78)
    """
    return plain(
        not_negative("balance_context", balance_context, "token") * not_negative("drain_time", drain_time, "s")
    )


def usd_per_byte_second(usd_per_hour: ArrayLike, capacity: ArrayLike) -> Numbers:
    """Rent of one byte of a device for one second, the device charged to its memory alone.

    Parameters
    ----------
    usd_per_hour : array_like
        Of the device [$/h].
    capacity : array_like
        Of the device [B].

    Returns
    -------
    float or ndarray
        [$/(B s)].

    Examples
    --------
    Two dollars an hour for 186 GB, per GB and hour:

    >>> round(usd_per_byte_second(2, 186e9) * 1e9 * 3600, 5)
    0.01075
    """
    return plain(not_negative("usd_per_hour", usd_per_hour, "$/h") / (_HOUR * positive("capacity", capacity, "B")))


def owned_usd_per_byte_second(usd_per_byte: ArrayLike, years: ArrayLike = OWNED_YEARS) -> Numbers:
    """Rent of one byte of a bought device for one second, its price spread evenly over its life.

    Parameters
    ----------
    usd_per_byte : array_like
        Purchase price [$/B].
    years : array_like
        Life [year].

    Returns
    -------
    float or ndarray
        [$/(B s)].

    Examples
    --------
    Flash at $0.2 per GB, per TB and month:

    >>> round(owned_usd_per_byte_second(0.2e-9) * 1e12 * 30 * 86400, 2)
    3.29
    """
    return plain(not_negative("usd_per_byte", usd_per_byte, "$/B") / (_YEAR * positive("years", years, "years")))


def hold_cost(size_bytes: ArrayLike, seconds: ArrayLike, usd_per_byte_second: ArrayLike) -> Numbers:
    """Rent of bytes held for a time.

    ``S T u``.

    Parameters
    ----------
    size_bytes : array_like
        [B].
    seconds : array_like
        [s].
    usd_per_byte_second : array_like
        [$/(B s)].

    Returns
    -------
    float or ndarray
        [$].

    Examples
    --------
    >>> round(hold_cost(1e9, 3600, usd_per_byte_second(2, 186e9)), 5)
    0.01075
    """
    held = not_negative("size_bytes", size_bytes, "B") * not_negative("seconds", seconds, "s")
    return plain(held * not_negative("usd_per_byte_second", usd_per_byte_second, "$/(B s)"))


def retrieve_cost(size_bytes: ArrayLike, bandwidth: ArrayLike, usd_per_device_second: ArrayLike) -> Numbers:
    """Cost of reading bytes back: the device is busy for ``S / BW``.

    Parameters
    ----------
    size_bytes : array_like
        [B].
    bandwidth : array_like
        Of the device [B/s].
    usd_per_device_second : array_like
        [$/s].

    Returns
    -------
    float or ndarray
        [$].

    Examples
    --------
    >>> retrieve_cost(8e12, 8e12, 0.5)
    0.5
    """
    busy = not_negative("size_bytes", size_bytes, "B") / positive("bandwidth", bandwidth, "B/s")
    return plain(busy * not_negative("usd_per_device_second", usd_per_device_second, "$/s"))


def recompute_cost(active_params: ArrayLike, flops: ArrayLike, usd_per_chip_second: ArrayLike) -> Numbers:
    """Cost of the compute of one token at peak: a floor for a price, and for making a cache again.

    ``(N_a / M) u`` with ``M = F/2``.

    Parameters
    ----------
    active_params : array_like
        ``N_a`` [1].
    flops : array_like
        Peak dense rate of the chip [FLOP/s].
    usd_per_chip_second : array_like
        ``u`` [$/s].

    Returns
    -------
    float or ndarray
        [$/token].

    References
    ----------
    Pope (2026), chapter 6 (claim D13).

    Examples
    --------
    100B active on a GB200 at FP8 and $2/h, per million tokens:

    >>> round(recompute_cost(100e9, 5e15, 2 / 3600) * 1e6, 4)
    0.0222
    """
    seconds = 2.0 * positive("active_params", active_params) / positive("flops", flops, "FLOP/s")
    return plain(seconds * not_negative("usd_per_chip_second", usd_per_chip_second, "$/s"))


def tier_cost(
    size_bytes: ArrayLike,
    seconds: ArrayLike,
    capacity: ArrayLike,
    bandwidth: ArrayLike,
    usd_per_device_second: ArrayLike,
) -> TierCost:
    """Cost of holding bytes in a tier for a time and reading them back once.

    ``u S (T / capacity + 1 / BW)``. Both parts are equal at ``T = capacity / BW``, the drain time; for devices
    of one price whose capacity and bandwidth trade off against each other at a constant product, the sum is
    least there: a tier suits caches that come back after its drain time.

    Parameters
    ----------
    size_bytes : array_like
        ``S`` [B].
    seconds : array_like
        Until the next use, ``T`` [s].
    capacity, bandwidth : array_like
        Of the device [B], [B/s].
    usd_per_device_second : array_like
        ``u`` [$/s].

    Returns
    -------
    TierCost
        [$].

    References
    ----------
    Pope (2026), chapter 6 (claim D12).

    Examples
    --------
    >>> tier_cost(1e6, 23.25e-3, 186e9, 8e12, 2 / 3600).hold_share
    0.5
    """
    rent = positive("usd_per_device_second", usd_per_device_second, "$/s")
    share = rent / positive("capacity", capacity, "B")
    held = hold_cost(size_bytes, seconds, share)
    return TierCost(*together(held, retrieve_cost(size_bytes, bandwidth, rent)))


def compare_tiers(
    names: tuple[str, ...],
    size_bytes: ArrayLike,
    seconds: ArrayLike,
    capacity: ArrayLike,
    bandwidth: ArrayLike,
    usd_per_device_second: ArrayLike,
    recompute_usd: ArrayLike,
) -> TierChoice:
    """Every tier and computing again, side by side.

    Parameters
    ----------
    names : tuple of str
        One per tier.
    size_bytes, seconds, recompute_usd : array_like
        Bytes of the piece [B], time to its next use [s], cost of making it again [$]; of one broadcast shape.
    capacity, bandwidth, usd_per_device_second : array_like
        One entry per tier [B], [B/s], [$/s].

    Returns
    -------
    TierChoice
        Costs of shape ``(..., tiers + 1)``, the last one computing again.

    Raises
    ------
    RangeError
        If a number is out of range, or the tiers and their numbers are not as many.

    Examples
    --------
    One token of DeepSeek-V3 after 10 s, 20 min and a week, in HBM at $2/h and flash at $0.05/h:

    >>> choice = compare_tiers(
    ...     ("hbm", "flash"), 35136, [10, 1200, 604800], [186e9, 7.68e12], [8e12, 7e9], [2 / 3600, 0.05 / 3600], 8.2e-9
    ... )
    >>> choice.best_names()
    ['flash', 'flash', 'recompute']
    """
    devices = [np.atleast_1d(np.asarray(v, dtype=float)) for v in (capacity, bandwidth, usd_per_device_second)]
    for field, device in zip(("capacity", "bandwidth", "usd_per_device_second"), devices, strict=True):
        if device.shape != (len(names),):
            raise RangeError(field, f"{device.size} numbers", f"one number for each of the {len(names)} tiers")
    size, time, again = np.broadcast_arrays(
        not_negative("size_bytes", size_bytes, "B"),
        not_negative("seconds", seconds, "s"),
        not_negative("recompute_usd", recompute_usd, "$"),
    )
    kept = np.asarray(tier_cost(size[..., None], time[..., None], *devices).total)
    usd = np.concatenate([kept, again[..., None]], axis=-1)
    return TierChoice((*names, "recompute"), usd, np.argmin(usd, axis=-1))
