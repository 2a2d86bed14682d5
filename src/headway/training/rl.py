"""Reinforcement learning as two coupled pools: rollouts that decode, a trainer, and weights that travel between.

A round samples ``R`` rollouts on every replica of the rollout fleet, trains on what is kept, and sends the new
weights. Cost and efficiency follow from the steps of decode and training; nothing is assumed of either.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from headway.facts.check import fraction, not_negative, positive, whole
from headway.facts.errors import RangeError
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.sources import Source
from headway.physics.layout import Layout
from headway.physics.memory import largest_batch
from headway.physics.step import decode_step, prefill_step
from headway.training.memory import TrainMemory
from headway.training.recipe import Recipe
from headway.training.step import TrainStep, train_estimate

_SEED = 20260429
# No answer is that long, and every clock counts so far.
_UNCAPPED = 10**15
# A mean that the cap lowers by less is not worth a word.
_SAME_MEAN = 0.99


@dataclass(frozen=True, slots=True)
class Rollouts:
    """What sampling looks like.

    Parameters
    ----------
    prompt : int
        Tokens of a prompt [token].
    mean : float
        Mean tokens of an answer [token].
    spread : float
        Standard deviation of the logarithm of the length [1]; 0 makes all equal.
    most : int
        Cap on an answer [token].
    per_replica : int
        Rollouts that one replica samples in a round [1].
    slots : int or None
        Sequences it decodes at once; as many as its memory holds where None [1].
    kept : float
        Share of rollouts that are trained on [1].
    staleness : int
        Rounds by which the weights that sampled may be behind; 0 waits for every round [1].
    colocated : bool
        Sampling and training take turns on the same chips.
    """

    prompt: int = 1024
    mean: float = 8192.0
    spread: float = 1.0
    most: int = 65_536
    per_replica: int = 256
    slots: int | None = None
    kept: float = 0.5
    staleness: int = 1
    colocated: bool = False


@dataclass(frozen=True, slots=True)
class SampledRound:
    """One round of a replica.

    Parameters
    ----------
    seconds : float
        First prompt to last token [s].
    busy_seconds : float
        The same tokens at the mean rate of the full batch: `seconds` without the tail [s].
    tokens, rollouts : int
        Sampled [token], [1].
    mean_batch : float
        Sequences decoding, mean over time [1].
    slots : int
        [1].
    """

    seconds: float
    busy_seconds: float
    tokens: int
    rollouts: int
    mean_batch: float
    slots: int


@dataclass(frozen=True, slots=True)
class RLRun:
    """A steady state of both pools.

    Parameters
    ----------
    round_seconds : float
        Between two updates [s].
    rollout_seconds, train_seconds, sync_seconds : float
        Of one round, each alone [s].
    rollout_chips, train_chips : int
        [1]; the same chips where colocated.
    sampled, trained, dropped : int
        Tokens of a round; `sampled` is the sum of the other two [token].
    coefficient : float
        FLOP per active parameter and sampled token, of rollout and training together [FLOP].
    efficiency : float
        Of the whole against training alone: chip time that its FLOP would take at the trainer's rate, over the chip
        time it takes [1].
    rollout_efficiency : float
        The same of the rollout chips while they sample [1].
    idle : tuple of (str, float)
        Share of a round that each pool waits [1].
    binding : str
        What sets the round.
    why : tuple of str
        What the coefficient and the efficiency rest on, and whether they fall where the lecture puts them.
    memory : TrainMemory
        Of the trainer's fullest chip.
    sources : tuple of Source
    """

    round_seconds: float
    rollout_seconds: float
    train_seconds: float
    sync_seconds: float
    rollout_chips: int
    train_chips: int
    sampled: int
    trained: int
    dropped: int
    coefficient: float
    efficiency: float
    rollout_efficiency: float
    idle: tuple[tuple[str, float], ...]
    binding: str
    why: tuple[str, ...]
    memory: TrainMemory
    sources: tuple[Source, ...]

    @property
    def feasible(self) -> bool:
        """Whether the trainer fits in its chips; its times mean nothing where it does not."""
        return bool(self.memory.fits)

    @property
    def reason(self) -> str:
        """Why the trainer does not fit; empty where it does."""
        return "" if self.feasible else f"the trainer does not fit: {self.memory.reason()}"


def answer_lengths(plan: Rollouts, count: int) -> NDArray[np.int64]:
    """Lengths of `count` answers: quantiles of a capped log-normal in a shuffled order that is always the same.

    Examples
    --------
    >>> found = answer_lengths(Rollouts(mean=1000, spread=1.0), 512)
    >>> found.size, bool(found.max() > 5 * found.mean()), int(found.min()) >= 1
    (512, True, True)
    """
    n = int(whole("count", count, most=1_000_000))
    mean, spread = float(positive("mean", plan.mean, "token")), float(not_negative("spread", plan.spread))
    # Quantiles of the normal by bisection of its distribution: scipy is no part of the base install.
    from statistics import NormalDist

    marks = np.array([NormalDist().inv_cdf((k + 0.5) / n) for k in range(n)])
    raw = np.exp(spread * marks - spread**2 / 2.0) * mean
    lengths = np.clip(np.round(raw), 1, whole("most", plan.most)).astype(np.int64)
    return np.random.default_rng(_SEED).permutation(lengths)


def sample_round(model: Model, system: System, layout: Layout, plan: Rollouts) -> SampledRound:
    """Play one round of a replica: sequences decode together, each that ends makes room for the next prompt.

    Raises
    ------
    RangeError
        If not one sequence fits.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> even, tail = (
    ...     sample_round(model("llama-3.1-8b"), system("hgx-h100"), Layout(), Rollouts(spread=s, mean=2048.0))
    ...     for s in (0.0, 1.0)
    ... )
    >>> even.mean_batch > tail.mean_batch
    True
    """
    count = int(whole("per_replica", plan.per_replica, most=100_000))
    lengths = answer_lengths(plan, count)
    context = plan.prompt + float(np.mean(lengths.astype(float) ** 2) / np.mean(lengths)) / 2.0
    room = int(np.max(largest_batch(model, system, layout, context)))
    if room < 1:
        raise RangeError(
            "layout", layout.label(), f"one that holds {model.name} and a sequence of {context:,.0f} tokens"
        )
    slots = min(room if plan.slots is None else int(whole("slots", plan.slots)), room, count)
    step = np.concatenate(
        [[0.0], np.broadcast_to(decode_step(model, system, layout, np.arange(1, slots + 1), context).seconds, slots)]
    )
    prompts = float(prefill_step(model, system, layout, 1, plan.prompt).seconds) * count
    clock, counter, weighted = 0.0, 0, 0.0
    waiting = iter(lengths.tolist())
    ends = [next(waiting) for _ in range(slots)]
    heapq.heapify(ends)
    full = float("nan")
    while ends:
        end = heapq.heappop(ends)
        active = len(ends) + 1
        clock += (end - counter) * float(step[active])
        weighted += (end - counter) * float(step[active]) * active
        counter = end
        more = next(waiting, None)
        if more is not None:
            heapq.heappush(ends, end + more)
        elif full != full:
            full = clock
    tokens = int(lengths.sum())
    busy = tokens * float(step[slots]) / slots
    return SampledRound(clock + prompts, min(busy, clock) + prompts, tokens, count, weighted / clock, slots)


def weight_sync(model: Model, system: System, rollout_chips: int, train_chips: int, colocated: bool) -> float:
    """Seconds in which new weights reach every rollout chip: each replica once, by the slower side's network.

    Colocated chips only change the layout, over their links.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> round(weight_sync(model("llama-3.1-70b"), system("hgx-h100"), 64, 64, False), 3)
    0.044
    """
    whole("rollout_chips", rollout_chips)
    whole("train_chips", train_chips)
    size = 2.0 * model.total_params
    if colocated:
        return size / (train_chips * system.link_bandwidth)
    rate = system.network_bandwidth or system.link_bandwidth
    # A pipelined broadcast: every sender and every receiver moves its share once.
    return size / (min(rollout_chips, train_chips) * rate)


def rl_run(
    model: Model,
    system: System,
    rollout_layout: Layout,
    replicas: int,
    train_layout: Layout,
    plan: Rollouts | None = None,
    recipe: Recipe | None = None,
) -> RLRun:
    """Steady state of a rollout fleet and a trainer.

    A round of staleness ``k`` has ``k + 1`` rounds in flight, so the tail of one is filled by the next:
    ``t_rollout = t_busy + t_tail/(k+1)``. Apart: ``max(t_rollout, t_train) + t_sync`` for ``k >= 1`` and their sum
    for ``k = 0``; colocated: the sum.

    Parameters
    ----------
    rollout_layout, replicas : Layout, int
        One sampling replica and how many.
    train_layout : Layout
        Of the trainer; all rollouts of a round are one optimiser step.
    plan : Rollouts, optional
    recipe : Recipe, optional
        Of the trainer; activations are computed again where not given.

    Returns
    -------
    RLRun
        Infeasible, with the reason, where the trainer does not fit in memory.

    Raises
    ------
    RangeError, LayoutError
        If a size is absurd, a layout does not divide, not one rollout fits, or colocated pools differ in chips.

    References
    ----------
    Pope (2026), chapter 5, for 2 to 6 FLOP and 30%; claims C41, C42.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> run = rl_run(model("llama-3.1-70b"), system("hgx-h100"), Layout(tp=8), 8, Layout(tp=8, dp=8))
    >>> run.sampled == run.trained + run.dropped, 2.0 <= run.coefficient <= 8.0
    (True, True)
    """
    asked = plan or Rollouts()
    whole("replicas", replicas, most=1_000_000)
    whole("staleness", asked.staleness, least=0, most=64)
    kept = float(fraction("kept", asked.kept))
    chips, trainers = replicas * int(rollout_layout.chips), int(train_layout.chips)
    if asked.colocated and chips != trainers:
        raise RangeError("replicas", replicas, f"as many chips as the trainer's {trainers:,} where colocated")
    sampled = sample_round(model, system, rollout_layout, asked)
    tail = (sampled.seconds - sampled.busy_seconds) / (asked.staleness + 1)
    rollout = sampled.busy_seconds + tail
    tokens = replicas * sampled.tokens
    trained = round(kept * tokens)
    using = recipe or Recipe(recompute="full")
    train, step = _train_seconds(model, system, train_layout, using, asked.prompt, sampled, trained)
    sync = weight_sync(model, system, chips, trainers, asked.colocated)
    serial = asked.colocated or asked.staleness == 0
    period = (rollout + train if serial else max(rollout, train)) + sync
    parts = {"rollouts": rollout, "training": train, "weight sync": sync}
    n = float(model.active_params)
    flops = n * (2.0 * tokens + 6.0 * trained)
    spent = period * (trainers if asked.colocated else chips + trainers)
    # Rate of one training chip in FLOP that count parameters alone.
    trainer_rate = 6.0 * n * float(step.tokens_per_second_per_chip)
    efficiency = flops / trainer_rate / spent
    own = 2.0 * n * tokens / trainer_rate / (rollout * chips)
    coefficient = flops / (n * tokens)
    idle = (("rollouts", 1.0 - rollout / period), ("trainer", 1.0 - train / period))
    return RLRun(
        period,
        rollout,
        train,
        sync,
        chips,
        trainers,
        tokens,
        trained,
        tokens - trained,
        coefficient,
        efficiency,
        own,
        idle,
        max(parts, key=lambda name: parts[name]),
        (*_why(coefficient, efficiency, own, kept, sampled), *_capped(asked, sampled)),
        step.memory,
        step.sources,
    )


def _train_seconds(
    model: Model, system: System, layout: Layout, recipe: Recipe, prompt: int, sampled: SampledRound, trained: int
) -> tuple[float, TrainStep]:
    """One optimiser step over the kept tokens, packed to the mean length; and the step that gives the rate."""
    # The mean of what was sampled: a cap on answers makes it shorter than the one asked for.
    mean = sampled.tokens / sampled.rollouts
    each = int(layout.dp) * int(np.max(recipe.micro_batch))
    batch = max(round(trained / mean / each), int(layout.pp), 1) * each
    step = train_estimate(model, system, layout, batch, prompt + round(mean), recipe)
    if trained == 0:
        return 0.0, step
    # Prompts are read but not trained on: they cost as much.
    read = trained * (1.0 + prompt / mean)
    return float(step.seconds) * read / float(step.tokens), step


def _capped(plan: Rollouts, sampled: SampledRound) -> tuple[str, ...]:
    """What the cap does to the mean answer, where it does anything."""
    free = float(np.mean(answer_lengths(replace(plan, most=_UNCAPPED), sampled.rollouts)))
    mean = sampled.tokens / sampled.rollouts
    if mean >= _SAME_MEAN * free:
        return ()
    return (f"the cap of {plan.most:,} tokens lowers the mean answer from {free:,.0f} to {mean:,.0f} tokens",)


def _why(coefficient: float, efficiency: float, own: float, kept: float, sampled: SampledRound) -> tuple[str, ...]:
    inside = "within" if 2.0 <= coefficient <= 6.0 else "above"
    near = "near" if 0.2 <= efficiency <= 0.4 else ("above" if efficiency > 0.4 else "below")
    return (
        f"coefficient {coefficient:.2f} = 2 for sampling + 6 x {kept:.0%} trained on: {inside} the lecture's 2 to 6",
        f"efficiency {efficiency:.0%} of training, {near} the lecture's 30%",
        f"sampling alone {own:.0%}: {sampled.mean_batch:.0f} of {sampled.slots} sequences decode on average,"
        f" the tail takes {1.0 - sampled.busy_seconds / sampled.seconds:.0%} of a round that waits for it",
    )
