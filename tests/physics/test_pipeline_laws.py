"""Laws of pipelining, of holding caches, of their prices and of fleets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.facts.errors import RangeError
from headway.physics import balance, cache_prices, fleet, hold, pipeline

counts = st.integers(1, 512)
sizes = st.floats(1e3, 1e14)
moneys = st.floats(1e-6, 1e3)


@given(sizes, sizes, st.floats(1, 1e5), counts, st.lists(counts, min_size=2, max_size=6))
def test_stages_leave_the_cache_exactly_as_it_was(
    weights: float, each: float, sequences: float, ranks: int, stages: list[int]
) -> None:
    held = pipeline.stage_memory(weights, each, sequences, ranks, np.array(stages))
    assert len(set(held.kv.tolist())) == 1
    assert held.kv[0] == each * sequences / ranks
    np.testing.assert_allclose(held.weights * np.array(stages), weights / ranks, rtol=1e-12)


@given(sizes, counts, counts)
def test_saving_is_the_difference_of_two_layouts(weights: float, ranks: int, stages: int) -> None:
    one, many = (pipeline.stage_memory(weights, 0, 1, ranks, p).weights for p in (1, stages))
    saved = pipeline.weight_saving(weights, ranks, stages)
    assert saved == pytest.approx(one - many, rel=1e-9, abs=1e-9 * one)
    assert saved < weights / ranks


@given(counts, counts, counts)
def test_bubble_is_a_share_that_more_microbatches_shrink(stages: int, flight: int, more: int) -> None:
    assert 0 <= pipeline.bubble(stages, flight + more) <= pipeline.bubble(stages, flight) < 1
    assert pipeline.bubble(1, flight) == 0
    # Ideal time over the time with bubble: M useful slots of M + P - 1.
    assert 1 - pipeline.bubble(stages, flight) == pytest.approx(flight / (flight + stages - 1))


@given(st.floats(1e-6, 1), counts, st.floats(0, 1e-3))
def test_pipelining_adds_only_its_hops(time: float, stages: int, hop: float) -> None:
    cut = pipeline.latency_neutral(time, stages, hop)
    assert cut.latency == pytest.approx(stages * cut.stage, rel=1e-9)
    assert pipeline.latency_neutral(time, stages).latency == time
    assert pipeline.latency_neutral(time, 1, hop).latency == time


@given(st.floats(1e6, 1e14), st.sampled_from([0.5, 0.5625, 1, 2]), counts, st.floats(1e9, 1e12))
def test_fit_accounts_for_every_byte(params: float, width: float, chips: int, capacity: float) -> None:
    fit = pipeline.models_fit(params, width, chips, capacity)
    assert fit.fits == (fit.times >= 1)
    assert fit.short == max(params * width - chips * capacity, 0)
    assert bool(fit.reason) is not fit.fits
    assert pipeline.largest_model(width, chips, capacity) * width == pytest.approx(chips * capacity)


def test_a_misfit_says_by_how_much() -> None:
    fit = pipeline.models_fit(1e12, 1, [8, 72], 80e9)
    assert fit.fits.tolist() == [False, True]
    assert fit.reason == "weights exceed the memory by up to 360.0 GB"


@given(sizes, st.floats(1e8, 1e14), st.floats(1e-3, 10), st.floats(0.5, 8))
def test_both_costs_meet_at_the_break_even_time(kv: float, active: float, rent: float, scale: float) -> None:
    """Rent of the bytes for the time of C60 equals the compute that makes them again, on any chip."""
    flops, bandwidth, capacity = scale * 5e15, 8e12, 186e9
    length = balance.balance_context(balance.machine_balance(flops, bandwidth), active, kv)
    seconds = hold.hold_break_even_time(length, balance.drain_time(capacity, bandwidth))
    held = hold.hold_cost(kv, seconds, hold.usd_per_byte_second(rent * 3600, capacity))
    assert held == pytest.approx(hold.recompute_cost(active, flops, rent), rel=1e-9)


@given(sizes, st.floats(1e9, 1e14), st.floats(1e8, 1e13), st.floats(1e-6, 1))
def test_hold_and_retrieve_are_equal_at_the_drain_time(
    size: float, capacity: float, bandwidth: float, rent: float
) -> None:
    drain = balance.drain_time(capacity, bandwidth)
    assert hold.tier_cost(size, drain, capacity, bandwidth, rent).hold_share == pytest.approx(0.5, rel=1e-9)


@given(st.floats(1e-3, 1e6), st.floats(0.2, 5))
def test_the_best_tier_of_a_family_drains_in_the_reuse_time(seconds: float, factor: float) -> None:
    """Among devices of one price and one product of capacity and bandwidth."""
    product = 1e24
    best = math.sqrt(product * seconds)
    costs = [hold.tier_cost(1e6, seconds, c, product / c, 1e-3).total for c in (best, best * factor)]
    assert costs[0] <= costs[1] * (1 + 1e-12)


def test_tiers_side_by_side() -> None:
    choice = hold.compare_tiers(
        ("hbm", "flash"), 35136, np.array([[0.001], [60.0], [1e9]]), [186e9, 7.68e12], [8e12, 7e9], [5e-4, 1e-5], 1e-8
    )
    assert choice.usd.shape == (3, 1, 3)
    assert choice.best_names() == ["hbm", "flash", "recompute"]
    np.testing.assert_allclose(choice.usd[..., -1], 1e-8)


def test_every_tier_needs_its_numbers() -> None:
    with pytest.raises(RangeError, match=r"bandwidth: .* one number for each of the 2 tiers"):
        hold.compare_tiers(("hbm", "flash"), 1, 1, [1, 2], [1], [1, 2], 1)


@given(moneys, st.floats(1, 1e5), moneys, st.floats(1e9, 1e12))
def test_implied_bytes_cost_their_premium(premium: float, seconds: float, rent: float, capacity: float) -> None:
    size = cache_prices.implied_bytes_per_token(premium, seconds, rent, capacity)
    usd = hold.hold_cost(size, seconds, hold.usd_per_byte_second(rent, capacity))
    assert usd * 1e6 == pytest.approx(premium, rel=1e-9)


@given(st.floats(1, 4), st.floats(0, 0.9), moneys)
def test_at_the_break_even_both_ways_cost_the_same(write: float, read: float, price: float) -> None:
    """A write and n reads against one plain input and n plain inputs again."""
    n = cache_prices.break_even_reuses(write, read)
    assert price * (write + n * read) == pytest.approx(price * (1 + n), rel=1e-9)


@pytest.mark.parametrize("gap", [100.0, 300.0, 900.0])
def test_hold_time_of_a_refreshed_entry_agrees_with_simulation(gap: float) -> None:
    random = np.random.default_rng(int(gap))
    held, hits = [], []
    for _ in range(20_000):
        gaps = random.exponential(gap, 400)
        first = int(np.argmax(gaps > 300.0))
        held.append(gaps[:first].sum() + 300.0)
        hits.append(first)
    assert cache_prices.expected_hold_time(300.0, gap) == pytest.approx(np.mean(held), rel=0.03)
    assert cache_prices.expected_reuses(300.0, gap) == pytest.approx(np.mean(hits), rel=0.03)


@given(st.floats(1e-3, 1e4), st.floats(1, 1e4))
def test_refreshed_entries_are_held_at_least_once_their_life(life: float, gap: float) -> None:
    assert cache_prices.expected_hold_time(life, gap) >= life * (1 - 1e-12)


def test_an_endless_hold_is_infinite() -> None:
    assert cache_prices.expected_reuses(1e6, 1.0) == math.inf


@given(st.floats(1, 1e6), moneys, st.floats(1, 1e8), st.floats(0.01, 1))
def test_price_follows_rent_over_rate(chips: float, rent: float, rate: float, missed: float) -> None:
    one = fleet.usd_per_mtok(chips, rent, rate, missed)
    assert fleet.usd_per_mtok(2 * chips, rent, 2 * rate, missed) == pytest.approx(one, rel=1e-12)
    # A day's tokens at their price pay for the day's rent.
    tokens = fleet.missed_throughput(rate, 1 - missed) * 86400
    assert one * tokens / 1e6 == pytest.approx(fleet.daily_cost(chips, rent), rel=1e-6)


@given(st.floats(1, 1e12), st.floats(1, 1e6), st.floats(1, 1e6))
def test_populations_are_volumes(users: float, tokens: float, rate: float) -> None:
    racks = fleet.racks_for_population(users, tokens, rate)
    assert racks == pytest.approx(fleet.volume_ratio(users * tokens, 86400, rate), rel=1e-9)


def test_free_tokens_cannot_be_charged_to_none() -> None:
    with pytest.raises(RangeError, match="missed"):
        fleet.usd_per_mtok(8, 2, 1e4, 0)
