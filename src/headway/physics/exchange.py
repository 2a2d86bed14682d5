"""What it costs to send tokens to their experts and back, inside a scale-up domain and across racks.

Notation: ``k`` routed experts per token, ``s`` shared ones, ``T`` tokens, ``d`` hidden width, ``m`` inner width of
one expert, ``F`` peak rate of a chip [FLOP/s], ``BW`` its one-way rate [B/s].
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from headway.physics.arrays import Numbers, not_negative, plain, positive, whole

# Matrices of one gated expert: gate, up, down.
_EXPERT_MATRICES = 3


def all_to_all_over_compute(
    top_k: ArrayLike,
    expert_width: ArrayLike,
    flops: ArrayLike,
    bandwidth: ArrayLike,
    shared: ArrayLike = 1.0,
    dispatch_bytes: ArrayLike = 1.0,
    combine_bytes: ArrayLike = 2.0,
) -> Numbers:
    """Time of one layer's expert exchange over the time of its expert products.

    ``[T k d (b1 + b2) / BW] / [2 T (k + s) 3 d m / F]``: neither the tokens nor the hidden width remain.

    Parameters
    ----------
    top_k : array_like
        Routed experts per token, ``k`` [1].
    expert_width : array_like
        ``m`` [1].
    flops, bandwidth : array_like
        Per chip: ``F`` at the experts' precision [FLOP/s], one-way rate [B/s].
    shared : array_like
        Experts that every token uses, ``s``; computed but not sent [1].
    dispatch_bytes, combine_bytes : array_like
        Per element on the way out and back [B].

    Returns
    -------
    float or ndarray
        Ratio [1]; above 1 the exchange is the longer.

    References
    ----------
    Derived (claim D05); DeepSeek-V3's dispatch is FP8 and its combine BF16.

    Examples
    --------
    DeepSeek-V3 on GB200: NVLink, and a 100 GB/s network:

    >>> all_to_all_over_compute(8, 2048, 5e15, [900e9, 100e9]).round(2).tolist()
    [1.21, 10.85]
    """
    needed = np.asarray(min_expert_width(top_k, flops, bandwidth, shared, dispatch_bytes, combine_bytes))
    return plain(needed / positive("expert_width", expert_width))


def min_expert_width(
    top_k: ArrayLike,
    flops: ArrayLike,
    bandwidth: ArrayLike,
    shared: ArrayLike = 1.0,
    dispatch_bytes: ArrayLike = 1.0,
    combine_bytes: ArrayLike = 2.0,
) -> Numbers:
    """Expert width from which the expert layer computes longer than it communicates.

    ``m = F k (b1 + b2) / (6 (k + s) BW)``.

    Parameters
    ----------
    top_k, flops, bandwidth, shared, dispatch_bytes, combine_bytes
        As in :func:`all_to_all_over_compute`.

    Returns
    -------
    float or ndarray
        Inner width [1].

    References
    ----------
    Derived (claim D05).

    Examples
    --------
    >>> round(min_expert_width(8, 5e15, 900e9))
    2469
    """
    kept = positive("top_k", top_k)
    moved = not_negative("dispatch_bytes", dispatch_bytes, "B") + not_negative("combine_bytes", combine_bytes, "B")
    work = 2.0 * _EXPERT_MATRICES * (kept + not_negative("shared", shared))
    rate = positive("flops", flops, "FLOP/s") / positive("bandwidth", bandwidth, "B/s")
    return plain(rate * kept * moved / work)


def expert_exchange_time(
    tokens: ArrayLike,
    top_k: ArrayLike,
    hidden: ArrayLike,
    bandwidth: ArrayLike,
    layers: ArrayLike = 1.0,
    dispatch_bytes: ArrayLike = 1.0,
    combine_bytes: ArrayLike = 2.0,
) -> Numbers:
    """Seconds that the expert exchange of a pass keeps one chip's links busy.

    ``n T k d (b1 + b2) / BW`` over ``n`` expert layers; every copy is taken to leave the chip.

    Parameters
    ----------
    tokens : array_like
        Tokens of one chip [token].
    top_k, hidden : array_like
        ``k`` and ``d`` [1].
    bandwidth : array_like
        One-way rate of the chip [B/s].
    layers : array_like
        Expert layers [1].
    dispatch_bytes, combine_bytes : array_like
        Per element out and back [B].

    Returns
    -------
    float or ndarray
        Seconds [s].

    References
    ----------
    Derived (claim D05).

    Examples
    --------
    150 tokens per GB200 through the 58 expert layers of DeepSeek-V3, in milliseconds:

    >>> round(expert_exchange_time(150, 8, 7168, 900e9, 58) * 1e3, 2)
    1.66
    """
    elements = not_negative("tokens", tokens, "token") * positive("top_k", top_k) * positive("hidden", hidden)
    moved = not_negative("dispatch_bytes", dispatch_bytes, "B") + not_negative("combine_bytes", combine_bytes, "B")
    return plain(positive("layers", layers) * elements * moved / positive("bandwidth", bandwidth, "B/s"))


def racks_all_to_all_slowdown(
    racks: ArrayLike, scaleup_over_scaleout: ArrayLike, *, overlapped: bool = True
) -> Numbers:
    """Time of an all-to-all spread over racks over the time inside one rack.

    ``(r-1)/r`` of the traffic crosses links slower by ``g`` and ``1/r`` does not: the longer of
    ``1/r`` and ``g (r-1)/r`` when both run at once, else their sum.

    Parameters
    ----------
    racks : array_like
        ``r`` [1].
    scaleup_over_scaleout : array_like
        ``g`` [1].
    overlapped : bool
        Traffic inside and between racks runs at the same time.

    Returns
    -------
    float or ndarray
        Slowdown [1].

    References
    ----------
    Pope (2026), chapter 2 (half the tokens leave).

    Examples
    --------
    >>> racks_all_to_all_slowdown(2, 9), racks_all_to_all_slowdown(2, 9, overlapped=False)
    (4.5, 5.0)
    """
    stays = 1.0 / whole("racks", racks)
    leaves = (1.0 - stays) * positive("scaleup_over_scaleout", scaleup_over_scaleout)
    return plain(np.maximum(stays, leaves) if overlapped else stays + leaves)


def pipeline_over_racks_ratio(
    scaleup_over_scaleout: ArrayLike, experts_active: ArrayLike, layers_per_stage: ArrayLike = 1.0
) -> Numbers:
    """Time on the links inside a stage over time on the network between stages.

    ``n 2 l / g``: each layer of a stage sends a token to ``n`` experts and back, and each stage hands it on
    once, over a network slower by ``g``. From 1 on, pipelining over racks hides behind the experts.

    Parameters
    ----------
    scaleup_over_scaleout : array_like
        ``g`` [1].
    experts_active : array_like
        ``n`` [1].
    layers_per_stage : array_like
        ``l`` [1].

    Returns
    -------
    float or ndarray
        Ratio [1].

    References
    ----------
    Pope (2026), chapter 2. Bytes per element are taken alike on all ways; FP8 dispatch with BF16 combine
    makes the links carry 1.5 elements' worth where this has 2.

    Examples
    --------
    >>> pipeline_over_racks_ratio(8, [8, 16, 32]).tolist()
    [2.0, 4.0, 8.0]
    """
    inside = 2.0 * positive("experts_active", experts_active) * positive("layers_per_stage", layers_per_stage)
    return plain(inside / positive("scaleup_over_scaleout", scaleup_over_scaleout))
