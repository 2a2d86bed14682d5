"""What cutting a model into stages does to one pass: latency, rate, memory, the hop, and the reuse of weights.

Pipelining's lesson in numbers: it is neutral in time, divides weights and not the cache, and costs a hop whose length
depends on whether activations stay sharded. Schedules and their idle time are in
:mod:`headway.training.schedules`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.errors import unknown
from headway.physics.arrays import Numbers, positive, together, whole
from headway.physics.balance import balance_batch
from headway.physics.pipeline import hop_time, latency_neutral, models_fit, stage_memory, weight_saving
from headway.physics.trains import tokens_per_second
from headway.training.memory import GRADIENT_BYTES, OPTIMISERS
from headway.training.schedules import boundary_bytes

#: Weights are trained in 16 bit beside the optimiser's own [B].
_WEIGHT_BYTES: Final = 2.0


@dataclass(frozen=True, slots=True)
class PipelinedPass:
    """A pass cut into equal stages that are kept full. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    latency, period : float or ndarray
        One micro-batch through all stages, and between two that are finished [s].
    rate_per_stage : float or ndarray
        Tokens a second over the stages [token/s]: what one stage's chips are worth.
    latency_ratio, rate_ratio : float or ndarray
        Both over those of the pass that is not cut [1].
    """

    latency: Numbers
    period: Numbers
    rate_per_stage: Numbers
    latency_ratio: Numbers
    rate_ratio: Numbers


def pipelined_pass(
    pass_time: ArrayLike, sequences: ArrayLike, stages: ArrayLike, hop: ArrayLike = 0.0
) -> PipelinedPass:
    """Latency and rate of a pass over so many stages, beside those of one.

    Latency ``t + P h``, period ``t/P + h``, rate of a stage's chips ``b / (P (t/P + h))``: without hops both are
    those of one stage, so pipelining saves no time in decode.

    Parameters
    ----------
    pass_time : array_like
        ``t`` of the pass on one stage's chips [s].
    sequences : array_like
        That take one token each in a micro-batch, ``b`` [1].
    stages : array_like
        ``P`` [1].
    hop : array_like
        From a stage to the next, ``h`` [s].

    Returns
    -------
    PipelinedPass

    References
    ----------
    Pope (2026), chapter 3 ("neutral"); claim C29.

    Examples
    --------
    >>> cut = pipelined_pass(0.02, 2000, [1, 4])
    >>> cut.latency_ratio.tolist(), cut.rate_ratio.tolist(), cut.period.tolist()
    ([1.0, 1.0], [1.0, 1.0], [0.02, 0.005])
    >>> round(pipelined_pass(0.02, 2000, 4, 10e-6).latency_ratio, 3)
    1.002
    """
    t, count = positive("pass_time", pass_time, "s"), whole("stages", stages)
    cut = latency_neutral(t, count, hop)
    rate = np.asarray(tokens_per_second(sequences, cut.period, count))
    alone = np.asarray(tokens_per_second(sequences, t))
    return PipelinedPass(*together(cut.latency, cut.period, rate, np.asarray(cut.latency) / t, rate / alone))


@dataclass(frozen=True, slots=True)
class PipelineMemory:
    """Memory of one chip of a stage that serves. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    weights, kv, total : float or ndarray
        [B].
    saved : float or ndarray
        Against one stage [B].
    most_saved : float or ndarray
        With any number of stages: all the weights of a chip [B].
    """

    weights: Numbers
    kv: Numbers
    total: Numbers
    saved: Numbers
    most_saved: Numbers


def pipeline_memory(
    weight_bytes: ArrayLike,
    kv_bytes_per_sequence: ArrayLike,
    sequences: ArrayLike,
    expert_ranks: ArrayLike,
    stages: ArrayLike,
) -> PipelineMemory:
    """What stages save: weights fall as ``1/P``, the cache does not, as ``P`` micro-batches are in flight.

    ``W/(E P) + (P b) c / (E P)``; saved ``(W/E)(1 - 1/P)``, at most ``W/E``.

    Parameters
    ----------
    weight_bytes, kv_bytes_per_sequence : array_like
        ``W`` of the model and ``c`` of a sequence, all layers [B].
    sequences, expert_ranks, stages : array_like
        ``b`` of a micro-batch, ``E`` chips of a stage and ``P`` [1].

    Returns
    -------
    PipelineMemory

    References
    ----------
    Pope (2026), chapters 3 and 4; claims C30 and C36.

    Examples
    --------
    A trillion FP8 weights and 2,400 sequences of 100k tokens of 35,136 B on 64 chips a stage:

    >>> held = pipeline_memory(1e12, 100e3 * 35136, 2400, 64, [1, 8])
    >>> (held.weights / 1e9).round(2).tolist(), (held.kv / 1e9).round(1).tolist(), (held.saved / 1e9).round(1).tolist()
    ([15.62, 1.95], [131.8, 131.8], [0.0, 13.7])
    """
    held = stage_memory(weight_bytes, kv_bytes_per_sequence, sequences, expert_ranks, stages)
    saved = weight_saving(weight_bytes, expert_ranks, stages)
    most = positive("weight_bytes", weight_bytes, "B") / whole("expert_ranks", expert_ranks)
    return PipelineMemory(*together(held.weights, held.kv, held.total, saved, most))


@dataclass(frozen=True, slots=True)
class StageHop:
    """A micro-batch's way to the next stage. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    bytes : float or ndarray
        [B].
    seconds : float or ndarray
        [s].
    in_all : float or ndarray
        Of all hops of a pass [s]: one for every stage, as the last hands its token back; none of a single stage.
    """

    bytes: Numbers
    seconds: Numbers
    in_all: Numbers


def stage_hop(
    tokens: ArrayLike,
    hidden: ArrayLike,
    nic_bandwidth: ArrayLike,
    nics: ArrayLike = 1.0,
    latency: ArrayLike = 0.0,
    blocks_kept: ArrayLike = 1,
    element_bytes: ArrayLike = 2.0,
    stages: ArrayLike = 1,
) -> StageHop:
    """Bytes and time of a hop: ``a + n B d w / (c BW)``.

    Sharded over the network cards of a rack it takes microseconds, through one card a millisecond.

    Parameters
    ----------
    tokens, hidden : array_like
        ``B`` of the micro-batch [token] and ``d`` [1].
    nic_bandwidth, nics : array_like
        Of a card one way [B/s], and cards that share the hop, ``c`` [1].
    latency : array_like
        ``a`` [s].
    blocks_kept : array_like
        Block outputs that later stages read, ``n`` [1].
    element_bytes : array_like
        ``w`` [B].
    stages : array_like
        ``P`` [1].

    Returns
    -------
    StageHop

    References
    ----------
    Pope (2026), chapter 3; Block Attention Residuals, arXiv 2603.15031; claims C31 and C38.

    Examples
    --------
    >>> [round(stage_hop(2400, 7168, 100e9, cards).seconds * 1e6, 1) for cards in (1, 64)]
    [344.1, 5.4]
    """
    size = boundary_bytes(tokens, hidden, blocks_kept, element_bytes)
    seconds = hop_time(tokens, hidden, element_bytes, nic_bandwidth, nics, latency, blocks_kept)
    return StageHop(*together(size, seconds, latency_neutral(0.0, stages, seconds).latency))


@dataclass(frozen=True, slots=True)
class WeightReuse:
    """Whether a micro-batch still pays for its weights. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    tokens : float or ndarray
        Of a micro-batch [token].
    balance : float or ndarray
        Tokens at which products take as long as reading their weights [token].
    times : float or ndarray
        One over the other [1]: above 1 the weights are amortised.
    """

    tokens: Numbers
    balance: Numbers
    times: Numbers


def weight_reuse(
    sequence_tokens: ArrayLike,
    ranks: ArrayLike,
    machine_balance: ArrayLike,
    total_params: ArrayLike,
    active_params: ArrayLike,
) -> WeightReuse:
    """Tokens of a micro-batch of one sequence a chip, against the balance batch ``B* = R N/N_a``.

    Micro-batches of training hold whole sequences: they amortise their weights many times over, which those of decode
    with one token a sequence do not.

    Parameters
    ----------
    sequence_tokens, ranks : array_like
        Tokens of a sequence [token], and chips that share the experts of a stage [1].
    machine_balance : array_like
        Multiply-adds that a chip does while it reads a weight, ``R`` [1].
    total_params, active_params : array_like
        ``N`` and ``N_a`` [1].

    Returns
    -------
    WeightReuse

    References
    ----------
    Pope (2026), chapter 3, a remark of the host; claim C33.

    Examples
    --------
    DeepSeek-V3 on 64 chips, 4,096 tokens each:

    >>> reuse = weight_reuse(4096, 64, 300, 671e9, 37e9)
    >>> reuse.tokens, round(reuse.balance), round(reuse.times)
    (262144.0, 5441, 48)
    """
    tokens = positive("sequence_tokens", sequence_tokens, "token") * whole("ranks", ranks)
    balance = np.asarray(balance_batch(machine_balance, total_params, active_params))
    return WeightReuse(*together(tokens, balance, tokens / balance))


@dataclass(frozen=True, slots=True)
class RackRoom:
    """What the memory of a system holds. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    capacity : float or ndarray
        [B].
    served : float or ndarray
        Times that the weights of a model fit [1].
    trained : float or ndarray
        Times that its weights, gradients and optimiser states fit, without activations [1].
    """

    capacity: Numbers
    served: Numbers
    trained: Numbers


def rack_room(
    params: ArrayLike, weight_bytes: ArrayLike, chips: ArrayLike, chip_bytes: ArrayLike, optimiser: str = "adam-fp32"
) -> RackRoom:
    """How often a model fits a system, to serve and to train: ``n C / (N w)`` and ``n C / (N (2 + g + o))``.

    Parameters
    ----------
    params : array_like
        ``N`` [1].
    weight_bytes : array_like
        ``w`` of a weight that is served [B].
    chips, chip_bytes : array_like
        ``n`` [1] and ``C`` [B].
    optimiser : str
        Key of ``headway.training.memory.OPTIMISERS``; its states are ``o``, 32-bit gradients ``g``, weights 16-bit.

    Returns
    -------
    RackRoom

    Raises
    ------
    UnknownNameError
        If there is no such optimiser.

    References
    ----------
    Pope (2026), chapters 2 and 4; claims C34 and C35.

    Examples
    --------
    A trillion parameters in FP8 on 72 x 186 GB:

    >>> room = rack_room(1e12, 1, 72, 186e9)
    >>> round(room.served, 1), round(room.trained, 2)
    (13.4, 0.74)
    """
    if optimiser not in OPTIMISERS:
        raise unknown("optimiser", optimiser, OPTIMISERS)
    served = models_fit(params, weight_bytes, chips, chip_bytes)
    state = _WEIGHT_BYTES + GRADIENT_BYTES["fp32"] + OPTIMISERS[optimiser][0]
    trained = models_fit(params, state, chips, chip_bytes)
    return RackRoom(*together(served.capacity, served.times, trained.times))
