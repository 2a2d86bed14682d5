"""Caches: a plain walk as oracle for the curves and policies, and the printed hit rates of the open traces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headway.facts.cache_terms import cache_terms, media_prices
from headway.facts.errors import InputError
from headway.facts.models import model
from headway.facts.systems import system
from headway.simulation.advise import advise
from headway.simulation.cache import (
    held_token_seconds,
    lru_hit_rate,
    measure_reuse,
    request_hit_tokens,
    reuse_interval,
    ttl_hit_rate,
)
from headway.simulation.generate import generate, generate_sessions
from headway.simulation.policies import policy_hit_rate, policy_hit_tokens
from headway.simulation.read import read_trace
from headway.simulation.tiers import bill
from headway.simulation.trace import Trace, make_trace

TRACES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "traces"
SIZE = 4


def open_trace(name: str) -> Trace:
    path = TRACES / name
    if not path.is_file():
        pytest.skip(f"the open trace {name} is not beside the repository")
    return read_trace(path)


def random_trace(seed: int, *, chained: bool) -> Trace:
    """Small trace: prompts down a random tree of prefixes, or ids thrown together."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 40))
    known: dict[tuple[int, ...], int] = {}
    prompts, inputs = [], []
    for _ in range(n):
        depth = int(rng.integers(1, 8))
        path = tuple(rng.integers(0, 2, depth).tolist())
        if chained:
            prompts.append([known.setdefault(path[: k + 1], len(known)) for k in range(depth)])
        else:
            prompts.append(rng.permutation(9)[:depth].tolist())
        inputs.append(depth * SIZE - int(rng.integers(0, SIZE)))
    times = np.sort(rng.integers(0, 60, n)).astype(float)
    indptr = np.cumsum([0, *map(len, prompts)])
    ids = np.array([i for p in prompts for i in p])
    return make_trace("t", times, inputs, [1] * n, block_tokens=SIZE, blocks=ids, block_indptr=indptr)


def walked(trace: Trace, ttl: float, capacity: float) -> list[int]:
    """Tokens of each request that a cache serves, by a list of blocks from the newest to the oldest."""
    stack: list[int] = []
    used: dict[int, float] = {}
    out = []
    for r, now in enumerate(trace.arrival_s):
        own = trace.blocks[trace.block_indptr[r] : trace.block_indptr[r + 1]].tolist()
        held = [b for b in stack[: int(min(capacity, 1e9))] if now - used[b] <= ttl]
        lead = next((k for k, b in enumerate(own) if b not in held), len(own))
        out.append(int(min(lead * SIZE, trace.input_tokens[r])))
        for b in reversed(own):
            if b in stack:
                stack.remove(b)
            stack.insert(0, b)
            used[b] = float(now)
    return out


@pytest.mark.parametrize("chained", [True, False])
@pytest.mark.parametrize("seed", range(25))
def test_curves_are_the_plain_walk(seed: int, chained: bool) -> None:
    trace = random_trace(seed, chained=chained)
    reuse = measure_reuse(trace)
    total = trace.input_tokens.sum()
    for ttl in (0.0, 3.0, 10.0, np.inf):
        expected = walked(trace, ttl, 1e9)
        assert request_hit_tokens(reuse, ttl).tolist() == expected
        rate = ttl_hit_rate(reuse, ttl)
        assert rate.tokens_pooled == pytest.approx(sum(expected) / total)
        assert rate.tokens_per_request == pytest.approx(np.mean(np.array(expected) / trace.input_tokens))
        limited = measure_reuse(trace, ttl_s=ttl)
        for blocks in (0, 1, 3, 6, 100):
            both = walked(trace, ttl, blocks)
            assert lru_hit_rate(limited, blocks * SIZE).tokens_pooled == pytest.approx(sum(both) / total)


@pytest.mark.parametrize("seed", range(12))
def test_policies_stand_in_order(seed: int) -> None:
    trace = random_trace(seed, chained=True)
    most = walked(trace, np.inf, 1e9)
    for blocks in (1, 3, 6):
        assert policy_hit_tokens(trace, "lru", blocks * SIZE).tolist() == walked(trace, np.inf, blocks)
        bound = policy_hit_tokens(trace, "belady", blocks * SIZE).sum()
        for policy in ("lru", "lfu", "s3-fifo"):
            assert policy_hit_tokens(trace, policy, blocks * SIZE).sum() <= bound <= sum(most)
    for policy in ("lfu", "s3-fifo", "belady"):
        assert policy_hit_tokens(trace, policy, 1e6).tolist() == most


def test_an_unknown_policy_and_a_trace_without_ids_are_refused() -> None:
    with pytest.raises(InputError, match="lru"):
        policy_hit_rate(random_trace(1, chained=True), "lruu", 64)
    with pytest.raises(InputError, match="block"):
        measure_reuse(generate(5, 1.0))
    with pytest.raises(InputError, match="as recorded"):
        measure_reuse(generate_sessions(5, seed=1))


def test_what_is_held_is_the_sum_of_lives() -> None:
    trace = random_trace(3, chained=True)
    reuse = measure_reuse(trace)
    expected = 0.0
    last: dict[int, float] = {}
    for r, now in enumerate(trace.arrival_s):
        for b in trace.blocks[trace.block_indptr[r] : trace.block_indptr[r + 1]].tolist():
            expected += min(now - last[b], 7.0) if b in last else 0.0
            last[b] = now
    assert held_token_seconds(reuse, 7.0) == pytest.approx(SIZE * (expected + 7.0 * len(last)))


def test_hit_rates_of_mooncake_are_those_printed_with_it() -> None:
    trace = open_trace("mooncake_conversation.jsonl.gz")
    reuse = measure_reuse(trace)
    assert reuse.prefixes
    by_life = ttl_hit_rate(reuse, [10, 60, 300, 600, 1800, 3600, np.inf])
    assert 100 * by_life.tokens_pooled == pytest.approx([4.4, 10.5, 29.3, 35.0, 37.1, 37.4, 37.4], abs=0.1)
    sizes = np.array([1.5, 3, 5.1, 10.2, 15.4, 25.6, 50, np.inf]) * 1e6
    by_size = lru_hit_rate(reuse, sizes)
    assert 100 * by_size.tokens_pooled == pytest.approx([6.7, 13.9, 21.6, 29.4, 33.2, 36.2, 37.1, 37.4], abs=0.2)
    assert 100 * by_life.tokens_per_request[-1] == pytest.approx(40.9, abs=0.1)
    assert by_size.blocks_pooled[1] / by_size.blocks_pooled[-1] == pytest.approx(0.37, abs=0.005)
    assert np.asarray(reuse_interval(reuse, [0.5, 0.9, 0.99])) == pytest.approx([114, 519, 1578], abs=0.5)
    held = policy_hit_rate(trace, "belady", 1.536e6).tokens_pooled
    assert by_size.tokens_pooled[0] < held < by_size.tokens_pooled[-1]


def test_hit_rates_of_coding_sessions_are_those_printed_with_them() -> None:
    reuse = measure_reuse(open_trace("agentic_coding.jsonl.gz"))
    assert reuse.accesses == 66_729_100
    by_life = ttl_hit_rate(reuse, [60, 300, 3600, np.inf])
    assert 100 * by_life.tokens_pooled == pytest.approx([77.7, 91.5, 96.0, 96.2], abs=0.1)
    assert np.asarray(reuse_interval(reuse, [0.5, 0.9, 0.99])) == pytest.approx([20, 131, 1653], abs=0.5)


def test_bills_have_the_signs_that_were_published() -> None:
    """Agentic 0.198 and 0.176; a chat hour 0.913 and 1.290, a loss."""
    deepseek, h200 = model("deepseek-v3"), system("hgx-h200")
    for name, expected in (("agentic_coding", (0.198, 0.176)), ("mooncake_conversation", (0.913, 1.290))):
        found = advise(open_trace(f"{name}.jsonl.gz"), deepseek, h200, ttls_s=[300.0, 3600.0])
        assert [p.billing_multiplier for p in found.curve[:2]] == pytest.approx(expected, abs=2e-3)
        losing = {o.terms.name for o in found.offers if o.loses}
        assert ("anthropic-1h" in losing) == (name == "mooncake_conversation")


def test_a_prompt_below_the_shortest_is_billed_as_plain_input() -> None:
    terms = next(t for t in cache_terms() if t.name == "anthropic-5m")
    ids: dict[str, Any] = {"block_tokens": 500, "blocks": [0, 0, 0, 1, 2, 0, 1, 2], "block_indptr": [0, 1, 2, 5, 8]}
    trace = make_trace("t", [0, 1, 2, 3], [500, 500, 1500, 1500], [1] * 4, **ids)
    found = bill(trace, measure_reuse(trace), terms)
    assert found.billing_multiplier == pytest.approx((1000 + 1500 * 1.25 + 1500 * 0.1) / 4000)
    assert found.tokens_pooled == pytest.approx(1500 / 4000)


def test_tiers_obey_their_closed_form() -> None:
    trace = generate_sessions(30, rate=0.05, seed=2)
    times = np.where(np.isnan(trace.arrival_s), np.arange(len(trace)) * 10.0, 0.0)
    recorded = make_trace(
        "t",
        np.sort(times),
        trace.input_tokens,
        trace.output_tokens,
        block_tokens=16,
        runs=trace.runs,
    )
    found = advise(recorded, model("llama-3.1-70b"), system("hgx-h100"), recompute_usd_per_mtok=0.2)
    for tier in found.tiers:
        held = tier.capacity_bytes * tier.usd_per_byte_second * 3600
        assert tier.rent_usd_per_hour == pytest.approx(held)
        assert tier.hold_break_even_s == pytest.approx(0.2e-6 / (327_680 * tier.usd_per_byte_second))
    dearer = advise(recorded, model("llama-3.1-70b"), system("hgx-h100"), recompute_usd_per_mtok=2.0)
    for tier, more in zip(found.tiers, dearer.tiers, strict=True):
        assert more.capacity_tokens >= tier.capacity_tokens
    assert {p.technology for p in media_prices()} >= {"hbm", "dram", "nvme", "disk"}
