"""Laws of the balance points, of context and of the modes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.facts.errors import RangeError
from headway.physics import balance, contexts, modes
from headway.physics.arrays import fraction, not_negative, positive, together, whole

rates = st.floats(1e9, 1e17)
sizes = st.floats(1e6, 1e14)
ratios = st.floats(1.001, 1e3)
shares = st.floats(0.0, 1.0)


@given(rates, rates, st.sampled_from([0.5, 0.5625, 1.0, 2.0]), st.floats(0.5, 8))
def test_balance_is_free_of_scale(flops: float, bandwidth: float, width: float, factor: float) -> None:
    one = balance.machine_balance(flops, bandwidth, width)
    assert balance.machine_balance(factor * flops, factor * bandwidth, width) == pytest.approx(one, rel=1e-12)


@given(rates, rates, st.sampled_from([0.5, 1.0, 2.0]), sizes, st.floats(1, 1e6))
def test_balance_context_equates_read_and_compute(
    flops: float, bandwidth: float, width: float, active: float, kv: float
) -> None:
    """Whatever bytes a weight has, the cache of L* tokens is read in the time of one token's multiply-adds."""
    ratio = balance.machine_balance(flops, bandwidth, width)
    length = balance.balance_context(ratio, active, kv, width)
    assert length * kv / bandwidth == pytest.approx(active / (flops / 2), rel=1e-9)
    assert contexts.kv_bytes_at_kink(active, ratio, length, width) == pytest.approx(kv, rel=1e-9)


@given(st.floats(1, 1e5), st.floats(0, 0.999), st.floats(1, 1e6))
def test_balance_batch_with_kv_is_where_memory_equals_compute(batch: float, part: float, full: float) -> None:
    needed = balance.balance_batch_with_kv(batch, part * full, full)
    assert balance.memory_over_compute(needed, batch, part * full, full) == pytest.approx(1.0, rel=1e-9)


def test_no_batch_balances_past_the_balance_context() -> None:
    assert balance.balance_batch_with_kv(2400, [3370, 5000], 3370).tolist() == [math.inf, math.inf]


@given(st.floats(1, 1e5), st.floats(0, 100), st.floats(0, 100))
def test_the_penalty_falls_with_the_cache(batch: float, kv: float, more: float) -> None:
    assert balance.unbatched_penalty(batch, kv + more) <= balance.unbatched_penalty(batch, kv) * (1 + 1e-12)
    assert balance.unbatched_penalty(batch, kv) >= 1 - 1e-12


@given(st.floats(1, 1e4), st.floats(0, 10), st.floats(1.0, 1e4))
def test_the_penalty_is_the_ratio_of_two_passes(batch: float, kv: float, weights: float) -> None:
    each = kv * weights / batch
    alone, full = weights + each, (weights + each * batch) / batch
    assert balance.unbatched_penalty(batch, kv) == pytest.approx(alone / full, rel=1e-9)


def test_weights_alone_may_exceed_a_price_ratio() -> None:
    found = contexts.kv_bytes_from_price_ratio([0.4, 0.5, 5], 300, 100e9, 20e3, 2)
    assert math.isnan(found[0])
    assert found[1:].tolist() == [0.0, 75e3]


@given(ratios, st.floats(100, 600), sizes, st.floats(1, 1e6), st.floats(1, 10))
def test_the_price_ratio_comes_back(ratio: float, machine: float, active: float, length: float, batch: float) -> None:
    kv = contexts.kv_bytes_from_price_ratio(ratio, machine, active, length, batch)
    limit = balance.balance_context(machine, active, kv) if kv > 0 else math.inf
    back = balance.memory_over_compute(batch, 1, length, limit) if kv > 0 else 1 / batch
    assert back == pytest.approx(ratio, rel=1e-6)


@given(st.floats(1e2, 1e9), st.floats(1e2, 1e9), shares)
def test_dense_growth_is_sparse_growth_times_the_gain(long: float, short: float, exponent: float) -> None:
    dense = contexts.context_cost_growth(long, short)
    sparse = contexts.context_cost_growth(long, short, exponent)
    assert sparse * contexts.sparse_attention_gain(long, short, exponent) == pytest.approx(dense, rel=1e-9)


@given(st.floats(1, 1e9), st.floats(1, 1e4), st.floats(1, 1e4), st.floats(1, 1e5))
def test_an_indexer_bounds_the_gain(length: float, elements: float, index: float, kept: float) -> None:
    gain = contexts.indexed_attention_gain(length, elements, index, kept)
    assert elements / (elements + index) * (1 - 1e-9) <= gain <= elements / index * (1 + 1e-9)


@given(st.floats(0.1, 50), st.floats(1.01, 100))
def test_modes_invert_each_other(kv: float, ratio: float) -> None:
    menu = modes.mode_menu(kv, ratio)
    back = modes.fast_mode(menu.price_multiple, menu.speed_multiple)
    assert back.feasible
    assert back.batch_ratio == pytest.approx(ratio, rel=1e-6)
    assert back.kv_over_weight == pytest.approx(kv, rel=1e-6)
    again = modes.mode_for_speed(kv, menu.speed_multiple)
    assert again.price_multiple == pytest.approx(menu.price_multiple, rel=1e-6)
    assert menu.speed_multiple < back.max_speed


@given(st.floats(0.1, 50), st.floats(0.01, 0.99))
def test_slow_modes_invert_too(kv: float, ratio: float) -> None:
    menu = modes.mode_menu(kv, ratio)
    assert menu.price_multiple < 1
    assert modes.fast_mode(menu.price_multiple, menu.speed_multiple).batch_ratio == pytest.approx(ratio, rel=1e-6)


@given(st.floats(0, 50), st.floats(0.01, 100), ratios)
def test_a_smaller_batch_is_faster_and_dearer(kv: float, ratio: float, factor: float) -> None:
    one, two = modes.mode_menu(kv, ratio), modes.mode_menu(kv, ratio * factor)
    assert two.speed_multiple >= one.speed_multiple * (1 - 1e-12)
    assert two.price_multiple >= one.price_multiple * (1 - 1e-12)


@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_speed_for_nothing_is_infeasible(price: float, speed: float) -> None:
    mode = modes.fast_mode(price, speed)
    assert mode.feasible == ((price - 1) * (speed - 1) > 0)
    assert bool(mode.reason) is not mode.feasible
    assert math.isnan(mode.batch_ratio) is not mode.feasible


def test_reach_of_a_mode() -> None:
    menu = modes.mode_for_speed([0, 0, 2, 2], [1, 1.5, 2.9, 3])
    assert menu.feasible.tolist() == [True, False, True, False]
    assert "1 + kv_over_weight" in menu.reason


@given(st.floats(0.01, 100), st.floats(0, 10))
def test_slow_saving_is_a_share(batch: float, kv: float) -> None:
    assert 0 <= modes.slow_mode_saving(batch, kv) < 1
    if batch >= 1 and kv == 0:
        assert modes.slow_mode_saving(batch, kv) == 0


@pytest.mark.parametrize("check", [positive, not_negative, fraction, whole])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
def test_one_bad_number_among_many_is_refused(check: object, bad: float) -> None:
    numbers = np.ones(1000)
    numbers[617] = bad
    with pytest.raises(RangeError, match="field"):
        check("field", numbers)  # type: ignore[operator]


def test_good_arrays_are_not_copied() -> None:
    numbers = np.linspace(0.1, 0.9, 5)
    assert positive("x", numbers) is numbers
    assert not_negative("x", numbers) is numbers
    assert fraction("x", numbers) is numbers


def test_empty_arrays_stay_empty() -> None:
    assert balance.drain_time(np.array([]), 1.0).shape == (0,)
    assert [part.shape for part in together(np.ones((2, 1)), np.ones(3))] == [(2, 3), (2, 3)]
