"""Fast and slow modes: one model at another batch, so at another speed and another price.

A decode pass takes ``t(B) = W + k B``: reading the weights, and what each sequence adds. Speed to a user is
``1/t``, cost of a token ``t/B``. A fast mode runs the batch ``f`` times smaller than the standard one, ``B0``.
With ``r = k B0 / W``:

``speed = (1 + r) / (1 + r/f)``, ``price = f / speed``.

Two advertised multiples therefore give ``f`` and ``r``, if the price follows the cost. Source: Pope, "The
math behind how LLMs are trained and served" (2026), chapter 1, which describes the trade; the closed form
is derived (claim C15).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.physics.arrays import Numbers, not_negative, plain, positive

_NOT_REACHABLE = "no batch does this: a smaller batch is faster and dearer, a larger one slower and cheaper"
_TOO_FAST = "faster than the weights can be read: the speed stays below 1 + kv_over_weight"


@dataclass(frozen=True, slots=True)
class FastMode:
    """What an advertised pair of multiples implies. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    price_multiple, speed_multiple : float or ndarray
        The pair [1].
    batch_ratio : float or ndarray
        Standard batch over the mode's batch, ``f`` [1]; below 1 for a slow mode.
    kv_over_weight : float or ndarray
        Per-sequence time over weight time at the standard batch, ``r`` [1].
    weight_share : float or ndarray
        Share of the standard pass spent on weights, ``1/(1+r)`` [1].
    max_speed : float or ndarray
        Speed multiple at a vanishing batch, ``1+r`` [1].
    slow_saving : float or ndarray
        Largest saving of an infinite batch over the standard one, ``1/(1+r)`` [1].
    feasible : bool or ndarray of bool
        Whether any batch gives the pair; the numbers are ``nan`` where none does.
    reason : str
        Why not, where not; empty when all pairs are feasible.
    """

    price_multiple: Numbers
    speed_multiple: Numbers
    batch_ratio: Numbers
    kv_over_weight: Numbers
    weight_share: Numbers
    max_speed: Numbers
    slow_saving: Numbers
    feasible: Numbers
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ModeMenu:
    """Modes that a provider can offer. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    batch_ratio : float or ndarray
        Standard batch over the mode's batch, ``f`` [1].
    speed_multiple, price_multiple : float or ndarray
        Against the standard mode [1].
    max_speed : float or ndarray
        Bound that no batch reaches, ``1+r`` [1].
    feasible : bool or ndarray of bool
        False where the speed asked for is at or past `max_speed`; the numbers are ``nan`` there.
    reason : str
        Why not, where not; empty when all modes are feasible.
    """

    batch_ratio: Numbers
    speed_multiple: Numbers
    price_multiple: Numbers
    max_speed: Numbers
    feasible: Numbers
    reason: str = ""


def fast_mode(price_multiple: ArrayLike, speed_multiple: ArrayLike) -> FastMode:
    """Invert an advertised pair, if its price follows its cost.

    ``f = p s``, ``r = (s - 1) / (1 - 1/p)``.

    Parameters
    ----------
    price_multiple, speed_multiple : array_like
        ``p`` and ``s`` against the standard mode [1]. Both above 1 for a fast mode, both below for a slow one.

    Returns
    -------
    FastMode
        A pair that no batch gives (faster and not dearer, or the reverse) is infeasible.

    Raises
    ------
    RangeError
        If a multiple is not a finite number above zero.

    Examples
    --------
    >>> mode = fast_mode([6, 2], 2.5)
    >>> mode.batch_ratio.tolist(), mode.max_speed.tolist(), mode.weight_share.round(3).tolist()
    ([15.0, 5.0], [2.8, 4.0], [0.357, 0.25])
    """
    price, speed = np.broadcast_arrays(
        positive("price_multiple", price_multiple), positive("speed_multiple", speed_multiple)
    )
    feasible = (speed - 1.0) * (price - 1.0) > 0
    dearer = np.where(feasible, 1.0 - 1.0 / price, 1.0)
    kv = np.where(feasible, (speed - 1.0) / dearer, np.nan)
    share = 1.0 / (1.0 + kv)
    return FastMode(
        plain(price),
        plain(speed),
        plain(np.where(feasible, price * speed, np.nan)),
        plain(kv),
        plain(share),
        plain(1.0 + kv),
        plain(share),
        plain(feasible),
        "" if np.all(feasible) else _NOT_REACHABLE,
    )


def mode_menu(kv_over_weight: ArrayLike, batch_ratio: ArrayLike) -> ModeMenu:
    """Speed and price of running at another batch: the inverse of :func:`fast_mode`.

    ``s = (1 + r) / (1 + r/f)``, ``p = f / s``.

    Parameters
    ----------
    kv_over_weight : array_like
        ``r`` at the standard batch [1].
    batch_ratio : array_like
        Standard batch over the mode's batch, ``f`` [1].

    Returns
    -------
    ModeMenu
        Always feasible: a batch has a speed.

    Raises
    ------
    RangeError
        If a number is out of range.

    Examples
    --------
    >>> menu = mode_menu(1.8, [1, 5, 15])
    >>> menu.speed_multiple.round(2).tolist(), menu.price_multiple.round(2).tolist()
    ([1.0, 2.06, 2.5], [1.0, 2.43, 6.0])
    """
    kv, ratio = np.broadcast_arrays(
        not_negative("kv_over_weight", kv_over_weight), positive("batch_ratio", batch_ratio)
    )
    speed = (1.0 + kv) / (1.0 + kv / ratio)
    yes = np.ones(kv.shape, dtype=bool)
    return ModeMenu(plain(ratio), plain(speed), plain(ratio / speed), plain(1.0 + kv), plain(yes))


def mode_for_speed(kv_over_weight: ArrayLike, speed_multiple: ArrayLike) -> ModeMenu:
    """Batch and price of the mode that runs at a wanted speed.

    ``f = r s / (1 + r - s)``: infeasible from ``s = 1 + r`` on.

    Parameters
    ----------
    kv_over_weight : array_like
        ``r`` at the standard batch [1].
    speed_multiple : array_like
        ``s`` against the standard mode [1].

    Returns
    -------
    ModeMenu
        With `feasible` false where the speed is out of reach.

    Raises
    ------
    RangeError
        If a number is out of range.

    Examples
    --------
    >>> menu = mode_for_speed(1.8, [2.5, 3.0])
    >>> menu.price_multiple.round(6).tolist(), menu.feasible.tolist()
    ([6.0, nan], [True, False])
    """
    kv, speed = np.broadcast_arrays(
        not_negative("kv_over_weight", kv_over_weight), positive("speed_multiple", speed_multiple)
    )
    # With nothing per sequence every batch has the same speed, and the standard batch is the cheapest asked for.
    feasible = (speed < 1.0 + kv) & (kv > 0)
    left = np.where(feasible, 1.0 + kv - speed, 1.0)
    ratio = np.where(feasible, kv * speed / left, np.nan)
    same = (kv == 0) & (speed == 1.0)
    ratio = np.where(same, 1.0, ratio)
    feasible = feasible | same
    return ModeMenu(
        plain(ratio),
        plain(speed),
        plain(ratio / speed),
        plain(1.0 + kv),
        plain(feasible),
        "" if np.all(feasible) else _TOO_FAST,
    )


def slow_mode_saving(batch_over_balance: ArrayLike, context_over_balance: ArrayLike = 0.0) -> Numbers:
    """Saving per token of an infinite batch over a given one, with the compute roof in place.

    ``1 - max(1, L/L*) / max(1, B*/B + L/L*)``, costs in units of one token's compute. From the balance batch
    on, and with no cache, there is nothing to save.

    Parameters
    ----------
    batch_over_balance : array_like
        ``B/B*`` [1].
    context_over_balance : array_like
        ``L/L*`` [1].

    Returns
    -------
    float or ndarray
        Saving, 0 to 1 [1].

    References
    ----------
    Derived from Pope (2026), chapter 1 (claim C17).

    Examples
    --------
    >>> slow_mode_saving([0.5, 1, 3]).tolist()
    [0.5, 0.0, 0.0]
    """
    kv = not_negative("context_over_balance", context_over_balance)
    weights = 1.0 / positive("batch_over_balance", batch_over_balance)
    return plain(1.0 - np.maximum(1.0, kv) / np.maximum(1.0, weights + kv))
