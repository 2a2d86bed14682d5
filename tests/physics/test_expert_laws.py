"""Experts: expectations against simulation, and what the exchange does and does not depend on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.facts.errors import RangeError
from headway.physics import exchange, experts


def route(total: int, kept: int, tokens: int, ranks: int, passes: int) -> tuple[float, float]:
    """Mean distinct experts and mean of maximum over mean load, by routing tokens at random."""
    random = np.random.default_rng(total + kept + tokens + ranks)
    touched, imbalance = [], []
    for _ in range(passes):
        chosen = np.argpartition(random.random((tokens, total)), kept - 1, axis=1)[:, :kept]
        count = np.bincount(chosen.ravel(), minlength=total)
        touched.append(np.count_nonzero(count))
        imbalance.append(count.reshape(ranks, -1).sum(axis=1).max() / (tokens * kept / ranks))
    return float(np.mean(touched)), float(np.mean(imbalance))


@pytest.mark.parametrize(
    ("total", "kept", "tokens", "ranks"),
    [(256, 8, 64, 32), (256, 8, 64, 256), (128, 4, 200, 8), (8, 2, 16, 8), (64, 32, 20, 8), (256, 8, 300, 64)],
)
def test_expectations_agree_with_routing(total: int, kept: int, tokens: int, ranks: int) -> None:
    touched, imbalance = route(total, kept, tokens, ranks, passes=1500)
    assert experts.touched_experts(total, kept, tokens) == pytest.approx(touched, rel=0.01)
    within = 0.06 if tokens * kept / ranks < 10 else 0.01
    assert experts.load_imbalance(total, kept, tokens, ranks) == pytest.approx(imbalance, rel=within)


@pytest.mark.parametrize("ranks", [2, 8, 32, 144, 256])
@pytest.mark.parametrize(("mean", "within"), [(1, 0.06), (10, 0.01), (100, 0.003)])
def test_busiest_rank_agrees_with_simulation(ranks: int, mean: int, within: float) -> None:
    drawn = np.random.default_rng(ranks).multinomial(ranks * mean, [1 / ranks] * ranks, size=20_000)
    busiest = drawn.max(axis=1).mean()
    assert experts.busiest_rank_tokens(ranks * mean, ranks) == pytest.approx(busiest, rel=within)


@given(st.integers(1, 1024), st.data(), st.floats(0, 1e5))
def test_touched_experts_is_bounded(total: int, data: st.DataObject, tokens: float) -> None:
    kept = data.draw(st.integers(1, total))
    found = experts.touched_experts(total, kept, tokens)
    assert 0 <= found <= total * (1 + 1e-12)
    if tokens >= 1:
        assert kept * (1 - 1e-9) <= found <= kept * tokens * (1 + 1e-9)


@given(st.integers(2, 512), st.floats(0, 1e4), st.floats(0, 1e4))
def test_touched_experts_grows_with_tokens(total: int, tokens: float, more: float) -> None:
    assert experts.touched_experts(total, 2, tokens + more) >= experts.touched_experts(total, 2, tokens) - 1e-9


def test_a_dense_layer_is_touched_whole() -> None:
    np.testing.assert_allclose(experts.touched_experts(8, 8, [0, 1, 100]), [0, 8, 8], rtol=1e-15)
    assert experts.load_imbalance(8, 8, 5, 4) == 1.0


@given(st.floats(0, 1e6), st.integers(1, 4096))
def test_busiest_rank_is_bounded(load: float, ranks: int) -> None:
    found = experts.busiest_rank_tokens(load, ranks)
    assert load / ranks * (1 - 1e-12) <= found <= load * (1 + 1e-12)


@given(st.integers(2, 4096))
def test_imbalance_vanishes_in_large_batches(ranks: int) -> None:
    few, many = (experts.busiest_rank_tokens(ranks * mean, ranks) / mean for mean in (10.0, 1e6))
    assert 1 <= many < few
    assert many < 1.01


def test_beyond_the_table_the_maximum_goes_on_smoothly() -> None:
    ranks = np.array([1000, 1024, 1025, 1100, 5000, 100_000])
    excess = experts.busiest_rank_tokens(1e6 * ranks, ranks) / 1e6 - 1
    assert np.all(np.diff(excess) > 0)
    assert excess[2] - excess[1] < 2 * (excess[1] - excess[0]) / 24 + 1e-6


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: experts.touched_experts(8, 9, 1), "top_k"),
        (lambda: experts.load_imbalance(8, 2, 4, 16), "ranks"),
        (lambda: experts.tokens_per_expert(8, [2, 300], 256), "top_k"),
    ],
)
def test_more_than_there_are_is_refused(call: object, field: str) -> None:
    with pytest.raises(RangeError, match=field):
        call()  # type: ignore[operator]


@given(st.integers(1, 32), st.floats(128, 8192), st.floats(1e14, 1e16), st.floats(1e10, 1e12), st.floats(0.1, 10))
def test_exchange_is_free_of_scale(kept: int, width: float, flops: float, bandwidth: float, factor: float) -> None:
    one = exchange.all_to_all_over_compute(kept, width, flops, bandwidth)
    both = exchange.all_to_all_over_compute(kept, width, factor * flops, factor * bandwidth)
    assert both == pytest.approx(one, rel=1e-9)
    needed = exchange.min_expert_width(kept, flops, bandwidth)
    assert exchange.all_to_all_over_compute(kept, needed, flops, bandwidth) == pytest.approx(1, rel=1e-9)


@given(st.floats(1, 1e4), st.integers(1, 16), st.floats(1e3, 2e4), st.floats(512, 4096))
def test_exchange_ratio_is_the_ratio_of_its_times(tokens: float, kept: int, hidden: float, width: float) -> None:
    """Tokens and hidden width are in both times and in neither ratio."""
    flops, bandwidth = 5e15, 900e9
    compute = 2 * tokens * (kept + 1) * 3 * hidden * width / flops
    ratio = exchange.expert_exchange_time(tokens, kept, hidden, bandwidth) / compute
    assert exchange.all_to_all_over_compute(kept, width, flops, bandwidth) == pytest.approx(ratio, rel=1e-9)


@given(st.integers(1, 64), st.floats(1, 20))
def test_more_racks_are_never_faster(racks: int, ratio: float) -> None:
    for overlapped in (True, False):
        one = exchange.racks_all_to_all_slowdown(racks, 2 * ratio, overlapped=overlapped)
        two = exchange.racks_all_to_all_slowdown(racks + 1, 2 * ratio, overlapped=overlapped)
        assert two >= one * (1 - 1e-12)
    assert exchange.racks_all_to_all_slowdown(1, ratio) == 1.0


@given(st.floats(1e8, 1e12), st.floats(1.5, 256), st.floats(0.01, 1))
def test_equivalence_comes_back(active: float, expansion: float, exponent: float) -> None:
    dense = experts.dense_equivalent(active, expansion, exponent)
    assert experts.equivalence_exponent(active, expansion, dense) == pytest.approx(exponent, rel=1e-6)


def test_no_expansion_tells_nothing() -> None:
    assert np.isnan(experts.equivalence_exponent(1e9, 1, 1e9))
