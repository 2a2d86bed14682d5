"""Traces: what a column may hold, runs of ids, and changes that lose nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.facts.errors import InputError
from headway.simulation.generate import generate, generate_sessions
from headway.simulation.read import read_trace, write_trace
from headway.simulation.trace import Trace, make_trace, runs_of
from headway.simulation.transform import between, merge, scale, select


def columns(trace: Trace) -> tuple[list[Any], ...]:
    names = ("arrival_s", "input_tokens", "output_tokens", "session", "after", "think_s", "priority")
    return (*(np.nan_to_num(getattr(trace, n), nan=-9.0).tolist() for n in names), *(r.tolist() for r in trace.runs))


@given(st.lists(st.lists(st.integers(0, 9), max_size=8), min_size=1, max_size=8))
def test_runs_write_out_to_the_same_ids(prompts: list[list[int]]) -> None:
    indptr = np.cumsum([0, *map(len, prompts)])
    ids = np.array([i for p in prompts for i in p], dtype=np.int64)
    sizes = [max(len(p), 1) for p in prompts]
    trace = make_trace("t", np.zeros(len(prompts)), sizes, sizes, block_tokens=1, blocks=ids, block_indptr=indptr)
    assert trace.blocks.tolist() == ids.tolist()
    assert trace.block_indptr.tolist() == indptr.tolist()
    assert [r.tolist() for r in runs_of(ids, indptr)] == [r.tolist() for r in trace.runs]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arrival_s": [0.0, -1.0]}, "request 1: arrival_s: -1"),
        ({"arrival_s": [0.0, float("nan")]}, "request 1: arrival_s: nan"),
        ({"arrival_s": [0.0, 1e300]}, "request 1: arrival_s"),
        ({"input_tokens": [5, 0]}, "request 1: input_tokens: 0"),
        ({"input_tokens": [5, 10**9]}, "request 1: input_tokens: 1000000000"),
        ({"output_tokens": [-3, 1]}, "request 0: output_tokens: -3"),
        ({"input_tokens": [5, 2.5]}, "whole numbers"),
        ({"think_s": [0.0, float("inf")]}, "request 1: think_s: inf"),
        ({"after": [-1, 1]}, "request 1: after: 1"),
        ({"session": [-2, 0]}, "request 0: session: -2"),
        ({"output_tokens": [1]}, "output_tokens"),
        ({"block_tokens": 4, "blocks": [1, 2, 3], "block_indptr": [0, 3, 3]}, "request 0: blocks: '3 ids'"),
        ({"blocks": [1], "block_indptr": [0, 1, 1]}, "block_tokens: 0"),
    ],
)
def test_what_is_no_trace_is_refused_with_its_place(change: dict[str, Any], said: str) -> None:
    good: dict[str, Any] = {"arrival_s": [0.0, 1.0], "input_tokens": [5, 5], "output_tokens": [1, 1]}
    with pytest.raises(InputError, match=said):
        make_trace("t", **(good | change))


def test_an_empty_trace_is_refused() -> None:
    with pytest.raises(InputError, match="at least one request"):
        make_trace("t", [], [], [])


@given(st.integers(0, 50), st.integers(1, 6))
def test_slices_keep_tokens_and_chains(seed: int, sessions: int) -> None:
    trace = generate_sessions(sessions, rate=0.1, turns=3, seed=seed)
    keep = np.random.default_rng(seed).random(len(trace)) < 0.6
    keep[-1] = True
    part = select(trace, keep)
    assert len(part) == keep.sum()
    assert part.input_tokens.sum() == trace.input_tokens[keep].sum()
    assert part.block_counts.sum() == trace.block_counts[keep].sum()
    assert (np.isnan(part.arrival_s) == (part.after >= 0)).all()


def test_merging_keeps_every_request_and_sessions_apart() -> None:
    one, two = generate_sessions(3, seed=1), generate_sessions(4, rate=0.2, seed=2)
    both = merge([one, two])
    assert len(both) == len(one) + len(two)
    assert both.input_tokens.sum() == one.input_tokens.sum() + two.input_tokens.sum()
    assert len(np.unique(both.session)) == 7
    assert len(np.unique(both.blocks)) == len(np.unique(one.blocks)) + len(np.unique(two.blocks))
    with pytest.raises(InputError, match="one size of block"):
        merge([])


def test_scaling_changes_rate_and_lengths_and_keeps_whole_blocks() -> None:
    trace = generate_sessions(5, rate=0.1, seed=3)
    short = scale(trace, rate=2.0, lengths=0.5)
    assert (short.block_counts <= -(-short.input_tokens // 16)).all()
    assert np.allclose(short.think_s, trace.think_s / 2)
    assert short.block_counts.sum() < trace.block_counts.sum()
    assert scale(trace, lengths=2.0).block_counts.tolist() == trace.block_counts.tolist()
    assert len(between(trace, 0.0, 1.0)) >= 1


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "parquet"])
def test_what_is_written_is_read_back(tmp_path: Any, suffix: str) -> None:
    for trace in (generate_sessions(4, rate=0.5, seed=5), generate(50, 3.0, shared_tokens=64, fast_share=0.3, seed=6)):
        path = tmp_path / f"t.{suffix}"
        write_trace(trace, path)
        again = read_trace(path)
        assert columns(again) == columns(trace)
        assert again.block_tokens == trace.block_tokens


@pytest.mark.parametrize("process", ["poisson", "gamma", "weibull"])
def test_generators_repeat_and_keep_their_moments(process: str) -> None:
    one, two = (generate(40_000, 8.0, process=process, cv=2.0, seed=9) for _ in range(2))
    assert columns(one) == columns(two)
    gaps = np.diff(one.arrival_s)
    assert gaps.mean() == pytest.approx(1 / 8, rel=0.04)
    assert gaps.std() / gaps.mean() == pytest.approx(1.0 if process == "poisson" else 2.0, rel=0.06)
    assert one.input_tokens.mean() == pytest.approx(1024, rel=0.03)


def test_a_daily_cycle_has_its_peak_a_quarter_in() -> None:
    trace = generate(100_000, 1.0, swing=0.8, period_s=10_000.0, seed=1)
    phase = (trace.arrival_s % 10_000.0) / 10_000.0
    counts = np.histogram(phase, bins=4, range=(0, 1))[0] / len(trace)
    assert counts[0] == pytest.approx(0.25 + 0.8 / (2 * np.pi), abs=0.01)
    assert counts[3] == pytest.approx(0.25 - 0.8 / (2 * np.pi), abs=0.01)
