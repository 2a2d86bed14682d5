"""Keep or read again: the break-even of the physics, the lower envelope, providers' terms, what survives a wait."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.economy.keep import (
    HoldTier,
    Keep,
    after_wait,
    hold_tiers,
    keep_prefix,
    lower_envelope,
    repeated_prefix,
    surviving_share,
)
from headway.economy.keep_offers import keep_offers
from headway.economy.rack import Rack, free_rack
from headway.economy.rack_plan import plan_decisions, rack_for
from headway.economy.tokens import DecisionTokens, buyer_decision
from headway.facts.cache_terms import cache_terms
from headway.facts.errors import RangeError, UnknownNameError
from headway.facts.models import model
from headway.facts.systems import system
from headway.physics.attention import kv_bytes
from headway.physics.balance import balance_context, drain_time
from headway.physics.hold import hold_break_even_time, recompute_cost, tier_cost


@pytest.fixture(scope="module")
def rack() -> Rack:
    return rack_for(plan_decisions(model("deepseek-v3"), system("gb200-nvl72"), tpot=0.02))


@pytest.fixture(scope="module")
def kept(rack: Rack) -> Keep:
    delays = np.geomspace(0.01, 1e8, 300)
    return keep_prefix(model("deepseek-v3"), rack, hold_tiers(system("gb200-nvl72")), delays_s=delays)


def test_the_steps_are_the_cheapest_choice_at_every_delay(kept: Keep) -> None:
    assert [kept.best_at(d) for d in kept.delays_s] == kept.choice.best_names()
    starts = [start for start, _ in kept.steps]
    assert starts[0] == 0
    assert starts == sorted(starts)
    assert kept.steps[-1] == (pytest.approx(kept.life_s), "recompute")


def test_break_even_is_where_a_tier_costs_as_much_as_reading_again(kept: Keep) -> None:
    for tier, delay in zip(kept.tiers, kept.break_even_s, strict=True):
        cost = tier_cost(kept.size_bytes, delay, tier.capacity, tier.bandwidth, tier.usd_per_s)
        assert cost.total == pytest.approx(kept.again_usd, rel=1e-9)


def test_a_rack_at_its_peak_breaks_even_at_the_lectures_time() -> None:
    """With compute at peak the HBM's break-even is the balance context times the drain time."""
    llama, box = model("llama-3.1-70b"), system("hgx-h200")
    chip, rent = box.chip, box.tariff().usd_per_chip_hour / 3600
    flops = chip.peak("bf16")
    per_token = recompute_cost(llama.active_params, flops, rent)
    peak = replace(free_rack(), micros_per_hour=3_600_000_000, rack_s_per_input=per_token)
    found = keep_prefix(llama, peak, hold_tiers(box, stores=()), prefix_tokens=4096)
    per_kv = float(kv_bytes(llama, 1))
    context = balance_context(flops / 2 / chip.hbm_bandwidth, llama.active_params, per_kv)
    expected = hold_break_even_time(context, drain_time(chip.hbm_bytes, chip.hbm_bandwidth))
    assert found.break_even_s[0] == pytest.approx(expected, rel=1e-3)


def test_quick_steps_load_no_slower_than_reading_again(kept: Keep) -> None:
    load = dict(zip([t.name for t in kept.tiers], kept.load_s, strict=True))
    assert all(name == "recompute" or load[name] <= kept.again_s for _, name in kept.quick_steps)
    assert "hdd-24tb" not in [name for _, name in kept.quick_steps]


def test_dearer_compute_keeps_longer(rack: Rack) -> None:
    tiers = hold_tiers(system("gb200-nvl72"))
    plain, dear = (
        keep_prefix(model("deepseek-v3"), replace(rack, rack_s_per_input=n * rack.rack_s_per_input), tiers)
        for n in (1, 2)
    )
    assert dear.life_s > plain.life_s


def test_longer_prefixes_keep_as_long(rack: Rack) -> None:
    """Both sides grow with the prefix where the cache grows with the context."""
    tiers = hold_tiers(system("gb200-nvl72"))
    short, long = (keep_prefix(model("deepseek-v3"), rack, tiers, prefix_tokens=n) for n in (1000, 8000))
    assert short.break_even_s == pytest.approx(long.break_even_s, rel=1e-6)


def test_free_compute_keeps_nothing() -> None:
    found = keep_prefix(model("deepseek-v3"), free_rack(), hold_tiers(system("gb200-nvl72")))
    assert found.steps == ((0.0, "recompute"),)
    assert found.life_s == 0


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=8), st.floats(0, 100))
def test_the_envelope_is_the_minimum(lines: list[tuple[float, float]], at: float) -> None:
    named = [(str(i), h, s) for i, (h, s) in enumerate(lines)] + [("none", 12.0, 0.0)]
    steps = lower_envelope(named)
    name = next(n for start, n in reversed(steps) if at >= start)
    value = {n: h + s * at for n, h, s in named}
    assert value[name] == pytest.approx(min(value.values()), rel=1e-9, abs=1e-9)


def test_repeated_prefix_is_the_share_of_a_mean_call() -> None:
    buyer = buyer_decision(10)
    assert repeated_prefix(10) == pytest.approx(0.69 * buyer.input / buyer.calls, rel=1e-3)


def test_unknown_devices_are_named() -> None:
    with pytest.raises(UnknownNameError, match="nvme"):
        hold_tiers(system("gb200-nvl72"), stores=("floppy",))


def test_own_rent_and_life_move_the_tiers() -> None:
    base, dear = hold_tiers(system("hgx-h200")), hold_tiers(system("hgx-h200"), usd_per_chip_hour=100.0, years=1.0)
    assert dear[0].usd_per_s == pytest.approx(100 / 3600)
    assert dear[1].usd_per_s == pytest.approx(5 * base[1].usd_per_s)
    assert all(isinstance(tier, HoldTier) for tier in base)


def test_offers_hold_within_their_life_and_length() -> None:
    for delay, prefix, calls in ((1.0, 5000, 6), (400.0, 5000, 6), (400.0, 100, 6), (1e6, 5000, 6)):
        for offer in keep_offers(delay, prefix, calls):
            t = offer.terms
            assert offer.holds == (delay <= t.ttl_s and prefix >= t.least_tokens)
            if offer.holds and not t.storage_per_hour:
                assert offer.pays == (calls - 1 > offer.break_even_reuses)
    assert len(keep_offers(1, 5000, 2)) == len(cache_terms())


def test_offers_are_sorted_by_bill() -> None:
    multiples = [o.multiple for o in keep_offers(30, 3000, 5)]
    assert multiples == sorted(multiples)


def test_waiting_loses_the_prefix() -> None:
    buyer = buyer_decision(3)
    assert after_wait(buyer, 10, 60) == buyer
    lost = after_wait(buyer, 61, 60)
    assert (lost.input, lost.cached, lost.fresh) == (buyer.input, 0, buyer.input)
    assert isinstance(lost.cached, int)
    assert after_wait(DecisionTokens(10, 5, 1), math.inf, math.inf).cached == 5


def test_the_slowest_of_several_takes_longer() -> None:
    rng = np.random.default_rng(5)
    waits = rng.exponential(40.0, (200_000, 3)).max(axis=1)
    assert surviving_share(60, 40, 3) == pytest.approx(np.mean(waits <= 60), abs=0.005)
    assert surviving_share(60, 40, [1, 3, 10]).tolist() == sorted(surviving_share(60, 40, [1, 3, 10]), reverse=True)
    with pytest.raises(RangeError, match="mean_reply_s"):
        surviving_share(60, 0)
