"""The compiled loop against the plain oracle: every request's times, to the bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.simulation.fleet import KEEPS, CacheTier, Fleet
from headway.simulation.read import read_trace
from headway.simulation.replay import Replay, replay
from headway.simulation.scheduler import POLICIES, PREEMPTIONS, ROUTERS, Scheduler
from headway.simulation.step_times import StepTimes, fixed_times
from headway.simulation.trace import Trace, make_trace
from headway.simulation.transform import select

COMPARED = (
    *("queued_s", "start_s", "first_s", "last_s", "hit_tokens", "preemptions", "engine", "busy_s"),
    *("prefill_s", "decode_s"),
    *("tier_tokens", "tier_flow", "series"),
)


def rough_times(seed: int, seats: int, budget: int = 4096) -> StepTimes:
    """A step table without any regularity."""
    rng = np.random.default_rng(seed)
    size = budget + seats * 8 + 5
    return StepTimes(
        linear=0.005 + 1e-5 * np.arange(size) + 1e-4 * rng.random(size),
        head=1e-5 * rng.random(seats * 10),
        decode=np.cumsum(np.cumsum(1e-5 * rng.random((seats + 1, 12)), 0), 1),
        prefill=np.cumsum(np.cumsum(1e-4 * rng.random((9, 12)), 0), 1),
        context_top=900.0,
        new_top=float(budget),
    )


def random_blocks(rng: np.random.Generator, inputs: Any, size: int) -> tuple[list[int], list[int]]:
    blocks: list[int] = []
    starts = [0]
    chained = rng.random() < 0.8
    for i, tokens in enumerate(inputs.tolist()):
        k = -(-tokens // size) if rng.random() < 0.5 else tokens // size
        shared, family = int(rng.integers(0, k + 1)), int(rng.integers(0, 3))
        order = range(shared) if chained else rng.permutation(shared).tolist()
        blocks += [family * 1000 + j for j in order] + [10_000 + i * 100 + j for j in range(shared, k)]
        starts.append(len(blocks))
    return blocks, starts


def random_tiers(rng: np.random.Generator) -> tuple[CacheTier, ...]:
    """One to three tiers, from faster than computing to slower."""
    return tuple(
        CacheTier(
            f"tier {k}",
            blocks=int(rng.choice([0, 5, 20, 100])),
            token_s=float(10 ** rng.uniform(-6, -3.5)),
            busy_token_s=float(10 ** rng.uniform(-7, -4)),
            latency_s=float(rng.choice([0, 1e-3])),
            shared=bool(rng.random() < 0.5),
            keeps=str(rng.choice(list(KEEPS))),
            life_s=float(rng.choice([np.inf, np.inf, 0.3, 2.0])),
        )
        for k in range(int(rng.integers(1, 4)))
    )


def random_case(seed: int) -> tuple[Trace, Scheduler, Fleet]:
    rng = np.random.default_rng(seed)
    n, seats = int(rng.integers(1, 60)), int(rng.integers(1, 16))
    inputs, outputs = rng.integers(1, 300, n), rng.integers(0, 60, n)
    arrival = np.sort(rng.random(n) * rng.choice([0.5, 5, 30]))
    after, think, session = np.full(n, -1), np.zeros(n), np.full(n, -1)
    if rng.random() < 0.5:
        for i in range(1, n):
            if rng.random() < 0.4:
                after[i], think[i], arrival[i] = int(rng.integers(0, i)), rng.random(), np.nan
        session = rng.integers(-1, 5, n)
    size = int(rng.choice([0, 16, 32]))
    blocks, starts = random_blocks(rng, inputs, size) if size else ([], [0] * (n + 1))
    trace = make_trace(
        "random", arrival, inputs, outputs, session=session, after=after, think_s=think,
        priority=rng.integers(0, 3, n), block_tokens=size, blocks=blocks, block_indptr=starts,
    )  # fmt: skip
    draft = int(rng.choice([0, 0, 2]))
    scheduler = Scheduler(
        policy=str(rng.choice(list(POLICIES))),
        max_seqs=seats,
        token_budget=max(int(rng.choice([48, 64, 256, 2048])), seats * (1 + draft)),
        watermark=float(rng.choice([0, 0.05])),
        preemption=str(rng.choice(list(PREEMPTIONS))),
        period_s=float(rng.choice([0, 0, 0.02])),
        router=str(rng.choice(list(ROUTERS))),
        lanes=int(rng.integers(1, 4)),
        draft=draft,
        acceptance=1.0 + (0.7 * draft if rng.random() < 0.7 else 0.0),
    )
    engines = int(rng.integers(1, 4))
    prefillers = int(rng.integers(0, engines))
    hours = np.sort(rng.random(int(rng.integers(0, 4))) * 10).tolist() if not prefillers else []
    fleet = Fleet(
        engines=engines,
        prefillers=prefillers,
        ranks=int(rng.integers(1, 3)),
        blocks=int(rng.choice([0, 30, 40, 60, 200])),
        swap_token_s=1e-5,
        send_token_s=1e-5,
        send_latency_s=1e-3,
        tiers=random_tiers(rng) if rng.random() < 0.6 else (),
        write_through=bool(rng.random() < 0.4),
        layers=int(rng.choice([1, 4])),
        schedule=tuple((at, int(rng.integers(1, engines + 1))) for at in hours),
    )
    return trace, scheduler, fleet


def tiered_case(seed: int) -> tuple[Trace, Scheduler, Fleet]:
    """Conversations that share beginnings, more than an engine's own memory holds, and tiers that take the rest."""
    _, scheduler, fleet = random_case(seed)
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 90))
    blocks: list[int] = []
    starts = [0]
    inputs = []
    for i in range(n):
        shared, own = int(rng.integers(0, 16)), int(rng.integers(0, 3))
        family = int(rng.integers(0, 5))
        blocks += [family * 100 + j for j in range(shared)] + [1000 + i * 10 + j for j in range(own)]
        starts.append(len(blocks))
        inputs.append(max(16 * (shared + own) - int(rng.integers(0, 16)), 1))
    arrival = np.sort(rng.random(n) * rng.choice([0.5, 5, 30]))
    trace = make_trace(
        "tiered", arrival, inputs, rng.integers(0, 60, n), priority=rng.integers(0, 3, n),
        block_tokens=16, blocks=blocks, block_indptr=starts,
    )  # fmt: skip
    small = replace(fleet, blocks=int(rng.integers(24, 50)), tiers=random_tiers(rng))
    return trace, replace(scheduler, prefix_cache=True), small


def assert_equal(one: Replay, other: Replay) -> None:
    for name in COMPARED:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert one.steps == other.steps
    assert one.computed_tokens == other.computed_tokens
    assert one.decoded_tokens == other.decoded_tokens


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_random_workloads(first: int) -> None:
    """Every policy, router, preemption, pool and closed loop."""
    for seed in range(first, first + 20):
        trace, scheduler, fleet = random_case(seed)
        times = rough_times(seed, scheduler.max_seqs)
        assert_equal(replay(trace, times, scheduler, fleet), replay(trace, times, scheduler, fleet, engine="plain"))


@pytest.mark.parametrize("first", range(0, 200, 40))
def test_random_tiers(first: int) -> None:
    """Demotion, copies, loads, waits and blocks computed again, under every policy."""
    flow = np.zeros(7)
    for seed in range(first, first + 40):
        trace, scheduler, fleet = tiered_case(seed)
        times = rough_times(seed, scheduler.max_seqs)
        fast = replay(trace, times, scheduler, fleet)
        assert_equal(fast, replay(trace, times, scheduler, fleet, engine="plain"))
        served = np.isfinite(fast.last_s)
        assert np.array_equal(served, ~fast.rejected)
        assert (fast.tier_tokens.sum(axis=1) <= fast.hit_tokens).all()
        flow += fast.tier_flow.sum(axis=0)
    assert (flow > 0).all(), "every kind of movement was tried"


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), slow=st.floats(0.1, 30.0))
def test_requests_and_tokens_are_conserved(seed: int, slow: float) -> None:
    """Every request is served once or rejected, in order of its own events; no token is lost, and none made."""
    trace, scheduler, fleet = random_case(seed)
    table = rough_times(seed, scheduler.max_seqs)
    done = replay(trace, replace(table, linear=slow * table.linear), scheduler, fleet)
    served = np.isfinite(done.last_s)
    assert done.complete
    assert np.array_equal(served, ~done.rejected)
    assert (done.queued_s[served] <= done.start_s[served]).all()
    assert (done.start_s[served] < done.first_s[served]).all()
    assert (done.first_s[served] <= done.last_s[served]).all()
    assert done.end_s == (done.last_s[served].max() if served.any() else 0.0)
    passes = np.ceil((np.maximum(trace.output_tokens[served], 1) - 1) / scheduler.acceptance)
    # A prompt computed again gives the token that a decode pass would have given.
    assert passes.sum() - done.preemptions.sum() <= done.decoded_tokens <= passes.sum()
    needed = (trace.input_tokens - done.hit_tokens)[served].sum()
    assert done.computed_tokens >= needed
    if not done.preemptions.any():
        assert done.computed_tokens == needed
        assert done.decoded_tokens == passes.sum()
    assert (done.hit_tokens < np.maximum(trace.input_tokens, 1)).all()
    assert done.busy_s.max() <= done.end_s * (1 + 1e-9)


@pytest.mark.parametrize(
    "name", ["azure2023_conv.csv.gz", "mooncake_conversation.jsonl.gz", "vllm_measured_RTX4090_Llama-3_1-8B.json.gz"]
)
def test_slices_of_open_traces(shared: Path, name: str) -> None:
    path = shared / "data" / "traces" / name
    trace = read_trace(path)
    part = select(trace, slice(100, 160))
    scheduler = Scheduler(max_seqs=16, token_budget=2048)
    fleet = Fleet(engines=2, blocks=int(4 * part.input_tokens.max() // max(part.block_tokens, 16)))
    times = fixed_times(0.01, 1e-6)
    assert_equal(replay(part, times, scheduler, fleet), replay(part, times, scheduler, fleet, engine="plain"))
