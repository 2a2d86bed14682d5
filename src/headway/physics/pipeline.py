"""Pipelining: the bubble, what a stage holds, what a hop costs, and what fits.

Notation: ``P`` stages, ``M`` micro-batches in flight, ``E`` chips that share one stage (its expert ranks),
``b`` sequences in one micro-batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.physics.arrays import Numbers, not_negative, plain, positive, together, whole


@dataclass(frozen=True, slots=True)
class StageMemory:
    """What one chip of a pipeline holds. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    weights, kv : float or ndarray
        Per chip [B].
    """

    weights: Numbers
    kv: Numbers

    @property
    def total(self) -> Numbers:
        """Weights and cache of one chip [B]."""
        return self.weights + self.kv


@dataclass(frozen=True, slots=True)
class PipelineTiming:
    """One pass cut into equal stages. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    stage : float or ndarray
        Time of one stage with its hop [s].
    latency : float or ndarray
        One micro-batch through all stages [s].
    period : float or ndarray
        Between two finished micro-batches when the pipeline is full [s].
    """

    stage: Numbers
    latency: Numbers
    period: Numbers


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether something fits a memory. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    need, capacity : float or ndarray
        [B].
    times : float or ndarray
        Capacity over need [1].
    fits : bool or ndarray of bool
        Need at most capacity.
    short : float or ndarray
        What is missing, 0 where it fits [B].
    reason : str
        Why not, where not; empty when all fit.
    """

    need: Numbers
    capacity: Numbers
    times: Numbers
    fits: Numbers
    short: Numbers
    reason: str = ""


def bubble(stages: ArrayLike, microbatches: ArrayLike) -> Numbers:
    """Share of time that a stage idles while a batch fills and drains the pipeline.

    ``(P - 1) / (M + P - 1)``.

    Parameters
    ----------
    stages, microbatches : array_like
        ``P`` and ``M`` [1].

    Returns
    -------
    float or ndarray
        Share [1]. Decode that keeps ``P`` micro-batches circulating never drains and has none of it.

    References
    ----------
    Pope (2026), chapter 3; Huang et al., GPipe, arXiv 1811.06965.

    Examples
    --------
    >>> bubble(4, [1, 4, 8, 32]).round(3).tolist()
    [0.75, 0.429, 0.273, 0.086]
    """
    idle = whole("stages", stages) - 1.0
    return plain(idle / (whole("microbatches", microbatches) + idle))


def stage_memory(
    weight_bytes: ArrayLike,
    kv_bytes_per_sequence: ArrayLike,
    sequences: ArrayLike,
    expert_ranks: ArrayLike,
    stages: ArrayLike,
    microbatches: ArrayLike | None = None,
) -> StageMemory:
    """Weights and cache on one chip of one stage.

    ``weights = N w / (E P)``, ``kv = (M/P) b c / E``. A full pipeline has ``M = P``: stages divide the weights
    and leave the cache as it was.

    Parameters
    ----------
    weight_bytes : array_like
        All weights [B].
    kv_bytes_per_sequence : array_like
        Cache of one sequence, all layers, ``c`` [B].
    sequences : array_like
        In one micro-batch, ``b`` [1].
    expert_ranks, stages : array_like
        ``E`` and ``P`` [1].
    microbatches : array_like, optional
        In flight, ``M`` [1]; as many as stages when left out.

    Returns
    -------
    StageMemory
        Per chip [B].

    References
    ----------
    Pope (2026), chapter 3.

    Examples
    --------
    A trillion FP8 weights, 2,400 sequences of 100k tokens at 35,136 B each, 64 ranks, in GB:

    >>> held = stage_memory(1e12, 100e3 * 35136, 2400, 64, [1, 2, 4, 8])
    >>> (held.weights / 1e9).round(2).tolist(), (held.kv / 1e9).round(1).tolist()
    ([15.62, 7.81, 3.91, 1.95], [131.8, 131.8, 131.8, 131.8])
    """
    ranks, count = whole("expert_ranks", expert_ranks), whole("stages", stages)
    weights = not_negative("weight_bytes", weight_bytes, "B") / (ranks * count)
    cache = not_negative("kv_bytes_per_sequence", kv_bytes_per_sequence, "B") * not_negative("sequences", sequences)
    # M/P first: where they are equal the quotient is exactly 1 and the cancellation is exact too.
    flight = count / count if microbatches is None else whole("microbatches", microbatches) / count
    return StageMemory(*together(weights, flight * (cache / ranks)))


def weight_saving(weight_bytes: ArrayLike, expert_ranks: ArrayLike, stages: ArrayLike) -> Numbers:
    """Memory per chip that pipelining saves against one stage: weights only.

    ``(N w / E) (1 - 1/P)``, at most ``N w / E``.

    Parameters
    ----------
    weight_bytes : array_like
        All weights [B].
    expert_ranks, stages : array_like
        ``E`` and ``P`` [1].

    Returns
    -------
    float or ndarray
        Bytes per chip [B].

    References
    ----------
    Pope (2026), chapter 4.

    Examples
    --------
    >>> round(weight_saving(1e12, 64, 8) / 1e9, 1)
    13.7
    """
    one = not_negative("weight_bytes", weight_bytes, "B") / whole("expert_ranks", expert_ranks)
    return plain(one * (1.0 - 1.0 / whole("stages", stages)))


def latency_neutral(pass_time: ArrayLike, stages: ArrayLike, hop: ArrayLike = 0.0) -> PipelineTiming:
    """Latency and period of a pass cut into equal stages.

    Stages take ``t/P`` each; a micro-batch takes ``P (t/P + h) = t + P h``. Without hops that is ``t``:
    pipelining neither helps nor hurts latency, and the period ``t/P`` is that of ``P`` times the chips.

    Parameters
    ----------
    pass_time : array_like
        One pass on one stage's chips, ``t`` [s].
    stages : array_like
        ``P`` [1].
    hop : array_like
        From one stage to the next, ``h`` [s].

    Returns
    -------
    PipelineTiming
        [s].

    References
    ----------
    Pope (2026), chapter 3 ("neutral").

    Examples
    --------
    >>> cut = latency_neutral(0.02, 4)
    >>> cut.latency, cut.period
    (0.02, 0.005)
    """
    whole_pass, count = not_negative("pass_time", pass_time, "s"), whole("stages", stages)
    step = not_negative("hop", hop, "s")
    # No hop follows the only stage.
    hops = np.where(count > 1, count, 0.0)
    stage = whole_pass / count + (count > 1) * step
    return PipelineTiming(*together(stage, whole_pass + hops * step, stage))


def hop_time(
    batch: ArrayLike,
    hidden: ArrayLike,
    element_bytes: ArrayLike,
    nic_bandwidth: ArrayLike,
    nics: ArrayLike = 1.0,
    latency: ArrayLike = 0.0,
    blocks: ArrayLike = 1.0,
) -> Numbers:
    """Seconds to hand the activations of a micro-batch from one stage to the next.

    ``a + n B d w / (c BW)``: ``c`` network cards share the transfer when the activations are sharded, and ``n``
    residual streams (or kept blocks of earlier layers) travel.

    Parameters
    ----------
    batch : array_like
        Tokens in the micro-batch, ``B`` [token].
    hidden : array_like
        ``d`` [1].
    element_bytes : array_like
        ``w`` [B].
    nic_bandwidth : array_like
        Of one card, one way [B/s].
    nics : array_like
        ``c`` [1].
    latency : array_like
        ``a`` [s].
    blocks : array_like
        ``n`` [1].

    Returns
    -------
    float or ndarray
        Seconds [s].

    References
    ----------
    Pope (2026), chapter 3 ("few milliseconds, but it could be off by an order of magnitude").

    Examples
    --------
    Sharded over 64 cards of 100 GB/s, then through one, in microseconds:

    >>> (hop_time([2400, 9600], 7168, 2, 100e9, nics=64) * 1e6).round(1).tolist()
    [5.4, 21.5]
    >>> round(hop_time(2400, 7168, 2, 100e9) * 1e6)
    344
    """
    rows = not_negative("batch", batch, "token") * positive("hidden", hidden)
    size = rows * (positive("element_bytes", element_bytes, "B") * positive("blocks", blocks))
    rate = positive("nic_bandwidth", nic_bandwidth, "B/s") * positive("nics", nics)
    return plain(size / rate + not_negative("latency", latency, "s"))


def models_fit(params: ArrayLike, weight_bytes: ArrayLike, chips: ArrayLike, chip_bytes: ArrayLike) -> Fit:
    """Whether a model's weights fit the memory of a system, and how many times.

    ``N w <= n c``.

    Parameters
    ----------
    params : array_like
        ``N`` [1].
    weight_bytes : array_like
        Bytes of one weight, ``w`` [B].
    chips : array_like
        ``n`` [1].
    chip_bytes : array_like
        Memory of one chip, ``c`` [B].

    Returns
    -------
    Fit
        Need, capacity, their quotient, and what is missing.

    References
    ----------
    Pope (2026), chapters 2 and 4.

    Examples
    --------
    >>> fit = models_fit(1e12, [1, 0.5, 2], 72, 186e9)
    >>> fit.times.round(1).tolist(), bool(fit.fits.all())
    ([13.4, 26.8, 6.7], True)
    """
    need = positive("params", params) * positive("weight_bytes", weight_bytes, "B")
    capacity = whole("chips", chips) * positive("chip_bytes", chip_bytes, "B")
    need, capacity = np.broadcast_arrays(need, capacity)
    fits = need <= capacity
    short = np.maximum(need - capacity, 0.0)
    reason = "" if np.all(fits) else f"weights exceed the memory by up to {short.max() / 1e9:,.1f} GB"
    return Fit(plain(need), plain(capacity), plain(capacity / need), plain(fits), plain(short), reason)


def largest_model(weight_bytes: ArrayLike, chips: ArrayLike, chip_bytes: ArrayLike) -> Numbers:
    """Most parameters whose weights alone fit a system.

    ``N = n c / w``.

    Parameters
    ----------
    weight_bytes : array_like
        Bytes of one weight [B].
    chips : array_like
        ``n`` [1].
    chip_bytes : array_like
        Memory of one chip [B].

    Returns
    -------
    float or ndarray
        Parameters [1].

    Examples
    --------
    >>> largest_model(1, 8, 80e9) / 1e9
    640.0
    """
    capacity = whole("chips", chips) * positive("chip_bytes", chip_bytes, "B")
    return plain(capacity / positive("weight_bytes", weight_bytes, "B"))
