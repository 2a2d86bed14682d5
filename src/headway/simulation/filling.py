"""Memories as they fill: one engine, sessions that grow, and what comes back from host memory and flash."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.errors import InputError
from headway.facts.model import Model
from headway.physics.attention import kv_bytes
from headway.simulation.columns import Floats
from headway.simulation.fleet import Fleet
from headway.simulation.generate import generate_sessions
from headway.simulation.memories import HOST_BANDWIDTH, cache_tier, memory_tier
from headway.simulation.replay import Replay, replay
from headway.simulation.scheduler import Scheduler
from headway.simulation.step_times import fixed_times

SESSIONS, SEATS = 16, 32
STEP_S, TOKEN_S = 0.015, 2e-5
"""Seconds of a step, and of each of its tokens."""


@dataclass(frozen=True, slots=True, eq=False)
class Filling:
    """The same sessions with memories below the engine's and without.

    Parameters
    ----------
    below, alone : Replay
        With them, and without.
    block_bytes : float
        Of one block [B].
    """

    below: Replay
    alone: Replay
    block_bytes: float


def fill_memories(
    model: Model,
    own: float,
    host: float,
    flash: float,
    *,
    keeps: str = "lru",
    life_s: float = np.inf,
    rate: float = 0.2,
    think_s: float = 20.0,
    seed: int = 0,
) -> Filling:
    """Serve sessions that grow on one chip with steps of a fixed time, sequence by sequence.

    Parameters
    ----------
    model : Model
        For the bytes of a token, at the mean context of the sessions.
    own, host, flash : float
        Sizes of the engine's own memory for caches and of the two below [B].
    keeps, life_s : str, float
        What a full one of those drops, and how long a block is kept after its last use [s].
    rate : float
        Sessions that begin [1/s].
    think_s : float
        Mean time to read an answer [s].
    seed : int

    Raises
    ------
    InputError
        If the model keeps no cache.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> found = fill_memories(model("llama-3.1-8b"), 4e9, 4e9, 20e9)
    >>> bool(found.below.hit_tokens.sum() > found.alone.hit_tokens.sum())
    True
    """
    trace = generate_sessions(
        SESSIONS, rate=rate, think_s=think_s, turn_tokens=480.0, output_tokens=32.0, length_cv=0.5, seed=seed
    )
    times, mean = fixed_times(STEP_S, TOKEN_S, max_seqs=SEATS), float((trace.input_tokens + trace.output_tokens).mean())
    token = float(kv_bytes(model, mean)) / mean
    if not token > 0:
        raise InputError("model", model.name, "one whose cache grows with its context")
    block = token * trace.block_tokens
    tiers = tuple(
        cache_tier(
            memory_tier(kind, size, keeps=keeps, life_s=life_s),
            token,
            trace.block_tokens,
            chips=1,
            ranks=1,
            network=HOST_BANDWIDTH,
            latency=0.0,
        )
        for kind, size in (("ddr", host), ("flash", flash))
    )
    blocks, rules = max(int(own // block), 1), Scheduler(max_seqs=SEATS)
    below, alone = (
        replay(trace, times, rules, Fleet(blocks=blocks, tiers=found), engine="plain") for found in (tiers, ())
    )
    return Filling(below, alone, block)


def filling(run: Replay, at: ArrayLike, block_bytes: float) -> Floats:
    """Bytes that the engines' own memory and each tier hold at some times; shape (1 + tiers, times) [B].

    Parameters
    ----------
    run : Replay
    at : array_like
        Times [s].
    block_bytes : float
        Of one block [B].

    Examples
    --------
    >>> from headway.simulation.fleet import CacheTier
    >>> from headway.simulation.trace import make_trace
    >>> ids = {"block_tokens": 16, "blocks": [1, 2, 3, 4, 5, 6], "block_indptr": [0, 2, 4, 6]}
    >>> three = make_trace("t", [0, 9, 18], [32, 32, 32], [1, 1, 1], **ids)
    >>> below = (CacheTier("host", 10, 1e-6, 1e-6),)
    >>> done = replay(three, fixed_times(0.01, 1e-4), None, Fleet(blocks=4, tiers=below))
    >>> filling(done, [5.0, 50.0], 1e6).tolist()
    [[2000000.0, 4000000.0], [0.0, 2000000.0]]
    """
    rows = np.searchsorted(run.series[:, 0], np.asarray(at, dtype=float), side="right") - 1
    known = np.where(rows[:, None] >= 0, run.series[rows], 0.0)
    return np.asarray(block_bytes * np.vstack([known[:, 3] + known[:, 4], known[:, 7:].T]))


def served_from(run: Replay) -> tuple[Floats, Floats]:
    """Share of all prompt tokens so far by where they came from, at each first token.

    Returns
    -------
    tuple of ndarray
        Times of first tokens, rising [s], and shares of the own memory and of each tier, shape (1 + tiers, n) [1].

    Examples
    --------
    >>> from headway.simulation.trace import make_trace
    >>> twice = make_trace("t", [0, 9], [32, 32], [1, 1], block_tokens=16, blocks=[1, 2] * 2, block_indptr=[0, 2, 4])
    >>> served_from(replay(twice, fixed_times(0.01)))[1].round(2).tolist()
    [[0.0, 0.48]]
    """
    order = np.argsort(run.first_s)[: int(np.isfinite(run.first_s).sum())]
    total = np.cumsum(run.trace.input_tokens[order])
    below = run.tier_tokens[order].T
    own = run.hit_tokens[order] - below.sum(axis=0)
    return run.first_s[order], np.cumsum(np.vstack([own, below]), axis=1) / total
