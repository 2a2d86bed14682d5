"""What the price of a cached prompt says: rent per hour of life, reuses to break even, bytes it would pay for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.physics.arrays import Numbers, fraction, not_negative, plain, positive, together

_HOUR = 3600.0
_MEGA = 1e6


@dataclass(frozen=True, slots=True)
class CachePremium:
    """What a price for writing to a cache costs per hour, and when it pays. Numbers or arrays of one shape.

    Parameters
    ----------
    usd_per_mtok_hour : float or ndarray
        Premium of the write over plain input, per hour of its life [$/Mtok-h].
    break_even_reuses : float or ndarray
        Reads from which writing is cheaper than sending the input again [1].
    """

    usd_per_mtok_hour: Numbers
    break_even_reuses: Numbers


def implied_bytes_per_token(
    premium_usd_per_mtok: ArrayLike, seconds: ArrayLike, usd_per_chip_hour: ArrayLike, chip_bytes: ArrayLike
) -> Numbers:
    """Bytes per token that a storage price would pay for, were it the rent of a chip's memory.

    ``k = p / (T u)`` with ``u`` of :func:`headway.physics.hold.usd_per_byte_second`.

    Parameters
    ----------
    premium_usd_per_mtok : array_like
        Price of holding a million tokens for the time [$/Mtok].
    seconds : array_like
        Time held [s].
    usd_per_chip_hour : array_like
        [$/h].
    chip_bytes : array_like
        Memory of the chip [B].

    Returns
    -------
    float or ndarray
        [B/token].

    References
    ----------
    Derived (claim C61).

    Examples
    --------
    Five minutes, an hour, and a storage price per hour, on a GB200 at $2/h, in kB:

    >>> (implied_bytes_per_token([1.25, 5, 4.5], [300, 3600, 3600], 2, 186e9) / 1e3).round(1).tolist()
    [1395.0, 465.0, 418.5]
    """
    rent = positive("usd_per_chip_hour", usd_per_chip_hour, "$/h") / (_HOUR * positive("chip_bytes", chip_bytes, "B"))
    price = not_negative("premium_usd_per_mtok", premium_usd_per_mtok, "$/Mtok") / _MEGA
    return plain(price / (positive("seconds", seconds, "s") * rent))


def premium_per_token_hour(write_usd_per_mtok: ArrayLike, input_usd_per_mtok: ArrayLike, seconds: ArrayLike) -> Numbers:
    """Premium of a cache write over plain input, per hour of its life.

    ``(p_write - p_in) / T``.

    Parameters
    ----------
    write_usd_per_mtok, input_usd_per_mtok : array_like
        [$/Mtok].
    seconds : array_like
        Life of the entry, ``T`` [s].

    Returns
    -------
    float or ndarray
        [$/Mtok-h]; below 0 where writing is cheaper than input.

    References
    ----------
    Claim C57.

    Examples
    --------
    >>> premium_per_token_hour([6.25, 10], 5, [300, 3600]).tolist()
    [15.0, 5.0]
    """
    extra = not_negative("write_usd_per_mtok", write_usd_per_mtok, "$/Mtok") - not_negative(
        "input_usd_per_mtok", input_usd_per_mtok, "$/Mtok"
    )
    return plain(extra / (positive("seconds", seconds, "s") / _HOUR))


def break_even_reuses(write_multiple: ArrayLike, read_multiple: ArrayLike) -> Numbers:
    """Reads from which writing a prefix to the cache is cheaper than sending it each time.

    ``(w - 1) / (1 - r)``, prices as multiples of plain input.

    Parameters
    ----------
    write_multiple : array_like
        ``w``, zero or more [1].
    read_multiple : array_like
        ``r``, from 0 to below 1 [1].

    Returns
    -------
    float or ndarray
        Reads [1].

    References
    ----------
    Claim C57.

    Examples
    --------
    >>> break_even_reuses([1.25, 2], 0.1).round(2).tolist()
    [0.28, 1.11]
    """
    extra = not_negative("write_multiple", write_multiple) - 1.0
    return plain(extra / (1.0 - fraction("read_multiple", read_multiple, allow_one=False)))


def cache_premium(
    write_multiple: ArrayLike, read_multiple: ArrayLike, input_usd_per_mtok: ArrayLike, seconds: ArrayLike
) -> CachePremium:
    """Both readings of a cache price at once: per hour of life, and in reuses.

    Parameters
    ----------
    write_multiple, read_multiple : array_like
        Multiples of plain input [1].
    input_usd_per_mtok : array_like
        Plain input [$/Mtok].
    seconds : array_like
        Life of the entry [s].

    Returns
    -------
    CachePremium
        See :func:`premium_per_token_hour` and :func:`break_even_reuses`.

    Examples
    --------
    >>> cache_premium(1.25, 0.1, 5, 300).usd_per_mtok_hour
    15.0
    """
    base = not_negative("input_usd_per_mtok", input_usd_per_mtok, "$/Mtok")
    write = not_negative("write_multiple", write_multiple) * base
    hourly = premium_per_token_hour(write, base, seconds)
    return CachePremium(*together(hourly, break_even_reuses(write_multiple, read_multiple)))


def expected_reuses(lifetime: ArrayLike, mean_gap: ArrayLike) -> Numbers:
    """Mean number of hits on an entry whose life starts anew with every hit.

    ``exp(T/g) - 1`` for reuses that come as a Poisson process with mean gap ``g``: hits go on until one gap
    exceeds the life ``T``, and each stays below it with probability ``1 - exp(-T/g)``.

    Parameters
    ----------
    lifetime : array_like
        ``T`` [s].
    mean_gap : array_like
        ``g`` [s].

    Returns
    -------
    float or ndarray
        Hits [1]; ``inf`` where the number exceeds what a float holds.

    Examples
    --------
    >>> round(expected_reuses(300, 300), 3)
    1.718
    """
    ratio = not_negative("lifetime", lifetime, "s") / positive("mean_gap", mean_gap, "s")
    with np.errstate(over="ignore"):
        return plain(np.expm1(ratio))


def expected_hold_time(lifetime: ArrayLike, mean_gap: ArrayLike) -> Numbers:
    """Mean time that an entry stays held when every hit starts its life anew.

    ``g (exp(T/g) - 1)``: the mean wait for the first gap longer than ``T``, with that ``T`` itself. It exceeds
    ``T``: a price per write read as rent over ``T`` alone overstates the rent.

    Parameters
    ----------
    lifetime : array_like
        ``T`` [s].
    mean_gap : array_like
        ``g`` [s].

    Returns
    -------
    float or ndarray
        Seconds [s].

    Examples
    --------
    >>> round(expected_hold_time(300, 300))
    515
    """
    return plain(np.asarray(expected_reuses(lifetime, mean_gap)) * np.asarray(mean_gap, dtype=float))
