"""Where reading memory takes as long as multiplying: balance points of a chip and a model.

Notation of the equations: ``F`` peak rate [FLOP/s], ``M = F/2`` multiply-adds per second, ``BW`` memory
bandwidth [B/s], ``w`` bytes of one weight, ``N_t`` and ``N_a`` total and active parameters, ``B``
sequences in a pass, ``L`` context [token], ``k`` bytes of KV cache read per token of context. One decode
pass multiplies for ``B N_a / M`` and reads for ``(N_t w + B L k) / BW``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from headway.physics.arrays import Numbers, not_negative, plain, positive


def machine_balance(flops: ArrayLike, bandwidth: ArrayLike, weight_bytes: ArrayLike = 1.0) -> Numbers:
    """Multiply-adds that a chip does while it reads one weight: the lecture's "300".

    ``R = (F / 2) w / BW``. The lecture counts multiplies, so the usual FLOP per byte is twice this at FP8.

    Parameters
    ----------
    flops : array_like
        Peak dense rate at the weights' precision [FLOP/s].
    bandwidth : array_like
        Memory bandwidth [B/s].
    weight_bytes : array_like
        Bytes of one weight [B].

    Returns
    -------
    float or ndarray
        Balance [1], of the broadcast shape.

    Raises
    ------
    RangeError
        If an argument is not a finite number above zero.

    References
    ----------
    Pope, "The math behind how LLMs are trained and served" (2026), chapter 1; the roofline of Williams,
    Waterman and Patterson, CACM 52(4), 2009.

    Examples
    --------
    An H100 at BF16 and a GB200 at FP8:

    >>> machine_balance([989.5e12, 5e15], [3.35e12, 8e12], [2, 1]).round(1).tolist()
    [295.4, 312.5]
    """
    rate = positive("flops", flops, "FLOP/s") / 2.0
    return plain(rate * positive("weight_bytes", weight_bytes, "B") / positive("bandwidth", bandwidth, "B/s"))


def balance_batch(machine_balance: ArrayLike, total_params: ArrayLike, active_params: ArrayLike) -> Numbers:
    """Batch at which reading the weights takes as long as multiplying by them, the cache left out.

    ``B* = R N_t / N_a``: the machine balance times the sparsity of the model. It depends on no scale, so
    doubling a model at the same sparsity leaves it where it was.

    Parameters
    ----------
    machine_balance : array_like
        ``R`` of :func:`machine_balance` [1].
    total_params, active_params : array_like
        Parameters in memory and parameters per token [1].

    Returns
    -------
    float or ndarray
        Sequences in one pass [1].

    References
    ----------
    Pope (2026), chapter 1. The lecture puts in 256/32; DeepSeek-V3 has 671e9/37e9.

    Examples
    --------
    >>> balance_batch(300, 256, 32)
    2400.0
    >>> round(balance_batch(300, 671e9, 37e9))
    5441
    """
    total = positive("total_params", total_params)
    active = positive("active_params", active_params)
    return plain(positive("machine_balance", machine_balance) * (total / active))


def deployed_batch(balance_batch: ArrayLike, multiple: ArrayLike = 2.0) -> Numbers:
    """Batch of a deployment that runs at a multiple of its balance batch.

    ``B = m B*`` with ``m`` of 2 to 3 ("double or triple it", Pope 2026, chapter 1).

    Parameters
    ----------
    balance_batch, multiple : array_like
        ``B*`` and ``m`` [1].

    Returns
    -------
    float or ndarray
        Sequences in one pass [1].

    Examples
    --------
    >>> deployed_batch(2400, [2, 3]).tolist()
    [4800.0, 7200.0]
    """
    return plain(positive("balance_batch", balance_batch) * positive("multiple", multiple))


def balance_context(
    machine_balance: ArrayLike,
    active_params: ArrayLike,
    kv_bytes_per_token: ArrayLike,
    weight_bytes: ArrayLike = 1.0,
) -> Numbers:
    """Context at which reading one sequence's cache takes as long as multiplying one token.

    ``L* = N_a BW / (M k) = N_a w / (R k)``. Only multiply-adds per byte of bandwidth, ``M/BW = R/w``, enter:
    pass the same `weight_bytes` that went into `machine_balance`, and it cancels.

    Parameters
    ----------
    machine_balance : array_like
        ``R`` of :func:`machine_balance` [1].
    active_params : array_like
        Parameters per token [1].
    kv_bytes_per_token : array_like
        Cache read per token of context, all layers [B/token].
    weight_bytes : array_like
        Bytes of one weight that `machine_balance` was taken with [B].

    Returns
    -------
    float or ndarray
        Context [token].

    References
    ----------
    Pope (2026), chapter 6 (drawn for a price step at 200k tokens).

    Examples
    --------
    >>> round(balance_context(300, 100e9, 5000 / 3))
    200000
    >>> round(balance_context(312.5, 37e9, 35136))
    3370
    """
    kv = positive("kv_bytes_per_token", kv_bytes_per_token, "B/token")
    weight = positive("weight_bytes", weight_bytes, "B")
    params = positive("active_params", active_params)
    return plain(params * weight / (positive("machine_balance", machine_balance) * kv))


def balance_batch_with_kv(balance_batch: ArrayLike, context: ArrayLike, balance_context: ArrayLike) -> Numbers:
    """Batch at which all memory reads, cache included, take as long as the compute.

    ``B = B* / (1 - L/L*)``, from ``B N_a/M = N_t w/BW + B L k/BW``. From ``L*`` on no batch is large
    enough: infinity.

    Parameters
    ----------
    balance_batch : array_like
        ``B*`` of :func:`balance_batch` [1].
    context, balance_context : array_like
        ``L`` and ``L*`` [token].

    Returns
    -------
    float or ndarray
        Sequences in one pass [1]; ``inf`` where the context is at or past ``L*``.

    References
    ----------
    Follows from Pope (2026), chapter 1, which says only that the batch "should grow larger".

    Examples
    --------
    >>> balance_batch_with_kv(2400, [0, 100e3, 200e3], 200e3).tolist()
    [2400.0, 4800.0, inf]
    """
    batch = positive("balance_batch", balance_batch)
    left = 1.0 - not_negative("context", context, "token") / positive("balance_context", balance_context, "token")
    reachable = left > 0
    return plain(np.where(reachable, batch / np.where(reachable, left, 1.0), np.inf))


def memory_over_compute(
    batch: ArrayLike, balance_batch: ArrayLike, context: ArrayLike, balance_context: ArrayLike
) -> Numbers:
    """Time of all memory reads over time of the compute in one decode pass.

    ``t_mem / t_comp = B*/B + L/L*``. Where prompts are compute-bound and prices follow cost, this is also
    the ratio of output to input price, and the prompt tokens per sequence from which a prefill pass over
    a cached prefix of ``L`` tokens is compute-bound.

    Parameters
    ----------
    batch, balance_batch : array_like
        ``B`` and ``B*`` [1].
    context, balance_context : array_like
        Mean ``L`` and ``L*`` [token].

    Returns
    -------
    float or ndarray
        Ratio [1]; above 1 the pass is memory-bound.

    References
    ----------
    Pope (2026), chapters 1 and 6.

    Examples
    --------
    >>> memory_over_compute(4800, 2400, 20e3, 40e3 / 9)
    5.0
    """
    share = positive("balance_batch", balance_batch) / positive("batch", batch)
    kv = not_negative("context", context, "token") / positive("balance_context", balance_context, "token")
    return plain(share + kv)


def context_bytes(context: ArrayLike, kv_bytes_per_token: ArrayLike, state_bytes: ArrayLike = 0.0) -> Numbers:
    """Cache of one sequence.

    ``L k + s``, with ``s`` what does not grow with context (sliding windows, states).

    Parameters
    ----------
    context : array_like
        ``L`` [token].
    kv_bytes_per_token : array_like
        ``k`` [B/token].
    state_bytes : array_like
        ``s`` [B].

    Returns
    -------
    float or ndarray
        Bytes [B].

    Examples
    --------
    A hundred million tokens of DeepSeek-V3 at FP8, in TB:

    >>> round(context_bytes(100e6, 35136) / 1e12, 1)
    3.5
    """
    growing = not_negative("context", context, "token") * not_negative(
        "kv_bytes_per_token", kv_bytes_per_token, "B/token"
    )
    return plain(growing + not_negative("state_bytes", state_bytes, "B"))


def drain_time(capacity: ArrayLike, bandwidth: ArrayLike) -> Numbers:
    """Time to read a memory once from end to end.

    ``t = capacity / BW``. It bounds the pass that uses all of a memory, and is the natural holding time
    of a storage tier. It is not the floor of a pass: see :func:`weight_floor`.

    Parameters
    ----------
    capacity : array_like
        [B].
    bandwidth : array_like
        [B/s].

    Returns
    -------
    float or ndarray
        Seconds [s].

    References
    ----------
    Pope (2026), chapters 1 and 6.

    Examples
    --------
    GB200 in milliseconds, a 24 TB disk in hours:

    >>> drain_time(186e9, 8e12) * 1e3
    23.25
    >>> round(drain_time(24e12, 285e6) / 3600, 1)
    23.4
    """
    return plain(not_negative("capacity", capacity, "B") / positive("bandwidth", bandwidth, "B/s"))


def capacity_for_drain_time(bandwidth: ArrayLike, seconds: ArrayLike) -> Numbers:
    """Capacity that a bandwidth reads in a given time.

    ``BW t``: :func:`drain_time` solved for the capacity.

    Parameters
    ----------
    bandwidth : array_like
        [B/s].
    seconds : array_like
        [s].

    Returns
    -------
    float or ndarray
        Bytes [B].

    Examples
    --------
    What a 285 MB/s disk reads in an hour, in TB:

    >>> round(capacity_for_drain_time(285e6, 3600) / 1e12, 2)
    1.03
    """
    return plain(positive("bandwidth", bandwidth, "B/s") * not_negative("seconds", seconds, "s"))


def weight_floor(weight_bytes: ArrayLike, bandwidth: ArrayLike) -> Numbers:
    """Shortest decode pass: every weight is read once, whatever the batch.

    ``t = N_t w / (n BW)`` with the bandwidth of all chips that share the weights.

    Parameters
    ----------
    weight_bytes : array_like
        All weights of the model [B].
    bandwidth : array_like
        Memory bandwidth of all chips together [B/s].

    Returns
    -------
    float or ndarray
        Seconds [s].

    References
    ----------
    Pope (2026), chapter 1 ("read all of my total parameters").

    Examples
    --------
    DeepSeek-V3 at FP8 on an NVL72 and on eight H100, in milliseconds:

    >>> (weight_floor(671e9, [72 * 8e12, 8 * 3.35e12]) * 1e3).round(2).tolist()
    [1.16, 25.04]
    """
    return plain(positive("weight_bytes", weight_bytes, "B") / positive("bandwidth", bandwidth, "B/s"))


def unbatched_penalty(balance_batch: ArrayLike, kv_over_weight: ArrayLike = 0.0) -> Numbers:
    """Cost of a token decoded alone over its cost in the full batch.

    With a pass of ``t = W + kB`` and ``r = k B0 / W`` at batch ``B0``,
    ``[t(1)/1] / [t(B0)/B0] = (B0 + r) / (1 + r)``; ``r = 0`` gives ``B0`` itself.

    Parameters
    ----------
    balance_batch : array_like
        Batch ``B0`` that the full train carries [1].
    kv_over_weight : array_like
        Cache reads over weight reads at that batch, ``r`` [1].

    Returns
    -------
    float or ndarray
        Penalty [1].

    References
    ----------
    Pope (2026), chapter 1 ("a thousand times worse").

    Examples
    --------
    >>> unbatched_penalty(2400), round(unbatched_penalty(2400, 1.8))
    (2400.0, 858)
    """
    batch = positive("balance_batch", balance_batch)
    kv = not_negative("kv_over_weight", kv_over_weight)
    return plain((batch + kv) / (1.0 + kv))
