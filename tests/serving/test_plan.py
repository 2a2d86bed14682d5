"""Laws of a plan: limits and memory are kept, nothing is dominated, costs add up, and infeasible says why."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from headway.facts.efficiency import IDEAL
from headway.facts.errors import RangeError, UnknownNameError
from headway.facts.models import model
from headway.facts.precision import Precision
from headway.facts.systems import system
from headway.physics.attention import kv_bytes
from headway.physics.layout import divides
from headway.physics.memory import memory_use
from headway.physics.step import decode_step
from headway.serving.plan import Plan, PlanResult, default_prices, plan, plan_systems, representative, watts_per_chip
from headway.serving.workload import Prices, Workload

BOX = system("hgx-h200")
NAMES = ("llama-3.1-8b", "gpt-oss-20b")
RENT = Prices(2.0, tariff="round")
CLOSE = 1 + 1e-9


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    draft = draw(st.integers(0, 2))
    return Workload(
        isl=draw(st.sampled_from((16, 300, 2000, 12_000))),
        osl=draw(st.sampled_from((2, 100, 1500))),
        cache_hit=draw(st.sampled_from((0.0, 0.5, 0.9))),
        ttft=draw(st.sampled_from((0.1, 1.0, math.inf))),
        tpot=draw(st.sampled_from((0.01, 0.05, math.inf))),
        draft=draft,
        acceptance=1 + draft / 2,
    )


def planned(name: str, w: Workload, *, prices: Prices = RENT, chips: int = 4, ttft_premium: float = 0.0) -> PlanResult:
    """The search with nothing given up for a short TTFT, so that the least cost is exact."""
    return plan(model(name), BOX, w, prices=prices, chips=chips, ttft_premium=ttft_premium)


def cheapest(result: PlanResult) -> float:
    return math.inf if result.cheapest is None else result.cheapest.usd_per_mtok


def check_plan(p: Plan, name: str, w: Workload, chips: int) -> None:
    """What every plan promises, recomputed from its own layout."""
    of = model(name)
    assert p.ttft_s <= w.ttft
    assert p.tpot_s <= w.tpot
    assert p.tpot_s * w.acceptance <= p.slowest_gap_s * CLOSE
    assert bool(p.memory.fits)
    assert 1 <= p.chips <= chips
    assert p.chips == p.workers * p.layout.chips + p.prefill_workers * p.prefill_layout.chips
    assert (p.mode == "separate") == (p.prefill_workers > 0)
    assert bool(divides(of, p.layout))
    assert bool(divides(of, p.prefill_layout))
    alone = decode_step(of, BOX, p.layout, p.batch, w.mean_context, draft=w.draft, acceptance=w.acceptance)
    # Prefill in the same pass only adds to it.
    assert p.tpot_s >= alone.tpot / CLOSE
    if p.mode == "separate":
        use = memory_use(of, BOX, p.prefill_layout, p.chunk, w.isl)
        assert bool(use.fits)
        assert p.tpot_s == pytest.approx(alone.tpot, rel=1e-12)
    held = kv_bytes(of, w.mean_context) * p.batch * p.layout.pp
    assert float(p.memory.kv) * p.layout.chips >= held / CLOSE
    # What is decoded is asked for: throughput is that of the decoders at most.
    most = p.workers * float(alone.tokens_per_second)
    assert p.requests_per_second * w.osl <= most * CLOSE
    assert p.tokens_per_second_per_chip * p.chips == pytest.approx(p.requests_per_second * w.osl, rel=1e-12)
    assert p.tokens_per_second_per_user == pytest.approx(1 / p.tpot_s, rel=1e-12)
    assert sum(v for _, v in p.breakdown) <= alone.seconds * (2.0 if p.layout.micro_batches == 2 else 1.0) * CLOSE


def check_costs(p: Plan, w: Workload, prices: Prices) -> None:
    """Input, cached input and output together pay for all the chips, and none is negative."""
    cached = p.usd_per_mtok_cached * w.cached if w.cached else 0.0
    assert math.isnan(p.usd_per_mtok_cached) == (not w.cached)
    parts = p.usd_per_mtok_input * w.miss + cached + p.usd_per_mtok_output * w.osl
    assert parts == pytest.approx(p.usd_per_mtok * w.osl, rel=1e-9)
    assert min(p.usd_per_mtok_input, cached, p.usd_per_mtok_output) >= 0
    per_second = p.chips * prices.usd_per_chip_second(watts_per_chip(BOX))
    assert p.usd_per_mtok == pytest.approx(per_second / (p.requests_per_second * w.osl) * 1e6, rel=1e-9)
    power = watts_per_chip(BOX) * p.chips / (p.tokens_per_second_per_chip * p.chips)
    assert p.joules_per_token == pytest.approx(power, rel=1e-9)


def dominated(a: Plan, b: Plan) -> bool:
    """Whether `b` is at least as good as `a` in all that is compared."""
    return (
        b.usd_per_mtok <= a.usd_per_mtok
        and b.tpot_s <= a.tpot_s
        and b.tokens_per_second_per_chip >= a.tokens_per_second_per_chip
        and b.joules_per_token <= a.joules_per_token
    )


@given(
    name=st.sampled_from(NAMES), w=workloads(), chips=st.sampled_from((1, 2, 4)), premium=st.sampled_from((0.0, 0.01))
)
@settings(max_examples=40)
def test_plans_keep_what_they_promise(name: str, w: Workload, chips: int, premium: float) -> None:
    result = planned(name, w, chips=chips, ttft_premium=premium)
    assert result.feasible == bool(result.plans) == (result.reason == "")
    for p in result.plans:
        check_plan(p, name, w, chips)
        check_costs(p, w, result.prices)
    for a, b in itertools.permutations(result.plans, 2):
        assert not dominated(a, b)
    # Fastest per user first, and the cheapest is the slowest of them.
    assert list(result.plans) == sorted(result.plans, key=lambda p: p.tpot_s)
    assert result.cheapest is (result.plans[-1] if result.plans else None)
    assert result.sources
    assert result.assumptions


@given(name=st.sampled_from(NAMES), w=workloads(), hits=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)).map(sorted))
@settings(max_examples=20)
def test_more_prefix_hits_never_cost_more(name: str, w: Workload, hits: list[float]) -> None:
    less, more = (cheapest(planned(name, dataclasses.replace(w, cache_hit=h))) for h in hits)
    assert more <= less * CLOSE


@given(name=st.sampled_from(NAMES), w=workloads(), factor=st.floats(1, 10), limit=st.sampled_from(("ttft", "tpot")))
@settings(max_examples=25)
def test_looser_limits_never_cost_more(name: str, w: Workload, factor: float, limit: str) -> None:
    looser = dataclasses.replace(w, **{limit: getattr(w, limit) * factor})
    assert cheapest(planned(name, looser)) <= cheapest(planned(name, w)) * CLOSE


@given(name=st.sampled_from(NAMES), w=workloads(), chips=st.integers(1, 7))
@settings(max_examples=20)
def test_more_chips_never_cost_more_per_token(name: str, w: Workload, chips: int) -> None:
    few, many = (cheapest(planned(name, w, chips=n)) for n in (chips, chips + 1))
    assert many <= few * CLOSE


@given(name=st.sampled_from(NAMES), w=workloads(), factor=st.floats(0.1, 10))
@settings(max_examples=15)
def test_dearer_chips_scale_the_cost(name: str, w: Workload, factor: float) -> None:
    once, scaled = (planned(name, w, prices=Prices(2.0 * f)) for f in (1.0, factor))
    assert len(once.plans) == len(scaled.plans)
    for a, b in zip(once.plans, scaled.plans, strict=True):
        assert b.usd_per_mtok == pytest.approx(a.usd_per_mtok * factor, rel=1e-9)
        assert (a.layout, a.batch, a.chips) == (b.layout, b.batch, b.chips)


@given(name=st.sampled_from(NAMES), w=workloads(), kwh=st.floats(0.01, 1))
@settings(max_examples=15)
def test_power_comes_on_top_of_rent(name: str, w: Workload, kwh: float) -> None:
    """A joule of power per token costs what 3.6 million of them do over 3.6 million."""
    rent, both = (planned(name, w, prices=Prices(2.0, k)) for k in (0.0, kwh))
    for a, b in zip(rent.plans, both.plans, strict=True):
        assert b.usd_per_mtok == pytest.approx(a.usd_per_mtok + a.joules_per_token * 1e6 * kwh / 3.6e6, rel=1e-9)


@given(name=st.sampled_from(NAMES), w=workloads())
@settings(max_examples=10)
def test_an_ideal_machine_never_costs_more(name: str, w: Workload) -> None:
    ideal = plan(model(name), BOX, w, prices=RENT, chips=4, efficiency=IDEAL)
    assert cheapest(ideal) <= cheapest(planned(name, w)) * CLOSE


@given(name=st.sampled_from(NAMES), w=workloads())
@settings(max_examples=15)
def test_a_short_ttft_costs_the_premium_at_most(name: str, w: Workload) -> None:
    exact, kind = (planned(name, w, ttft_premium=p) for p in (0.0, 0.01))
    assert cheapest(exact) <= cheapest(kind) * CLOSE
    assert cheapest(kind) <= cheapest(exact) * 1.01 * CLOSE


@pytest.mark.parametrize("tpot", [0.03, 0.05])
def test_nobody_waits_for_a_first_token_at_the_same_cost(tpot: float) -> None:
    of, box = model("llama-3.1-70b"), system("hgx-h100")
    free, bound = (plan(of, box, Workload(4000, 1000, ttft=t, tpot=tpot), prices=RENT) for t in (math.inf, 2.0))
    assert free.cheapest is not None
    assert bound.cheapest is not None
    # A limit that hardly costs anything is kept without being asked for.
    assert free.cheapest.usd_per_mtok <= bound.cheapest.usd_per_mtok * CLOSE
    if bound.cheapest.usd_per_mtok <= 1.001 * free.cheapest.usd_per_mtok:
        assert free.cheapest.ttft_s <= 2.0 * bound.cheapest.ttft_s


def test_nobody_waits_long_to_save_half_a_percent() -> None:
    of, box = model("llama-3.1-70b"), system("hgx-h100")
    exact, kind = (plan(of, box, Workload(4000, 1000), prices=RENT, ttft_premium=p).cheapest for p in (0.0, 0.01))
    assert exact is not None
    assert kind is not None
    assert kind.ttft_s < 0.5 * exact.ttft_s
    assert kind.ttft_s + 1000 * kind.tpot_s < exact.ttft_s + 1000 * exact.tpot_s
    assert kind.usd_per_mtok <= 1.01 * exact.usd_per_mtok


def test_without_a_network_pools_share_a_domain() -> None:
    two = dataclasses.replace(BOX, chips=16, network_bandwidth=None)
    result = plan(model("llama-3.1-8b"), two, Workload(4000, 1000, ttft=1.0, tpot=0.02), prices=RENT)
    separate = [p for p in (*result.plans, *result.blocks) if p.mode == "separate"]
    assert result.feasible
    assert all(p.chips <= BOX.domain_size for p in separate)
    assert all(p.layout.chips <= BOX.domain_size for p in result.plans)


def test_speculation_that_keeps_more_costs_less() -> None:
    costs = [cheapest(planned("llama-3.1-8b", Workload(1000, 500, draft=2, acceptance=a))) for a in (1.0, 2.0, 3.0)]
    assert costs == sorted(costs, reverse=True)


@pytest.fixture(scope="module")
def rack() -> PlanResult:
    """DeepSeek-V3 on a whole rack: the search that the product is about."""
    return plan(model("deepseek-v3"), system("gb200-nvl72"), Workload(4000, 1000, ttft=2.0, tpot=0.03), prices=RENT)


def test_a_rack_is_searched_whole(rack: PlanResult) -> None:
    assert rack.feasible
    assert rack.candidates >= 100_000
    assert rack.model == "deepseek-v3"
    assert rack.system == "gb200-nvl72"
    assert {p.mode for p in rack.plans} == {"colocated", "separate"}
    for p in rack.plans:
        assert p.ttft_s <= 2.0
        assert p.tpot_s <= 0.03
        assert p.chips <= 72
        assert bool(p.memory.fits)
    for a, b in itertools.permutations(rack.plans, 2):
        assert not dominated(a, b)
    best = rack.cheapest
    assert best is not None
    # Experts are spread widely where tokens are cheap, and few users share a pass where it is quick.
    assert best.layout.ep >= 16
    assert best.batch > 100 * rack.plans[0].batch


def test_few_represent_many(rack: PlanResult) -> None:
    few = representative(rack.plans, 6)
    assert 2 <= len(few) <= 6
    assert few[0] == rack.plans[0]
    assert few[-1] == rack.plans[-1]
    assert [p.tpot_s for p in few] == sorted(p.tpot_s for p in few)
    assert representative(rack.plans, 10_000) == rack.plans
    assert representative(()) == ()


def test_systems_together_keep_what_nothing_beats(rack: PlanResult) -> None:
    w = rack.workload
    box = plan(model("deepseek-v3"), system("hgx-b200"), w, prices=Prices(1.0))
    kept = plan_systems((rack, box))
    every = [*rack.plans, *box.plans]
    worse = [a for a in every if any(dominated(a, b) and not dominated(b, a) for b in every)]
    assert len(kept) == len(every) - len(worse)
    assert {p.system for p in kept} == {"gb200-nvl72", "hgx-b200"}
    assert plan_systems(()) == ()


def test_too_large_a_model_says_which_memory_is_short() -> None:
    result = plan(model("llama-3.1-405b"), system("hgx-h100"), Workload(1000, 100), prices=RENT)
    assert not result.feasible
    assert result.nearest is None
    assert result.plans == ()
    said = re.fullmatch(
        r"does not fit on 8 chips of hgx-h100: weights (\S+) GB \+ .* > 80 GB per chip on (.*), (\d+)% over",
        result.reason,
    )
    assert said is not None
    assert float(said[1]) == pytest.approx(810 / 8, rel=0.02)
    assert 26 < int(said[3]) < 40


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("limit", ["ttft", "tpot"])
def test_too_tight_a_limit_says_by_how_much(name: str, limit: str) -> None:
    w = Workload(2000, 300)
    result = planned(name, dataclasses.replace(w, **{limit: 1e-4}))
    assert not result.feasible
    assert result.plans == ()
    said = re.fullmatch(r"(\w+) at best (\S+) ms, ([\d.]+)% over the limit of 0\.1 ms", result.reason)
    assert said is not None
    assert said[1] == limit.upper()
    near = result.nearest
    assert near is not None
    best = getattr(near, f"{limit}_s")
    assert float(said[2]) == pytest.approx(best * 1e3, rel=1e-3)
    assert float(said[3]) == pytest.approx((best / 1e-4 - 1) * 100, abs=1)
    # The figure is honest: from there on it can be done, and not before.
    assert planned(name, dataclasses.replace(w, **{limit: best * CLOSE})).feasible
    assert not planned(name, dataclasses.replace(w, **{limit: best / 1.001})).feasible


@pytest.mark.parametrize("name", NAMES)
def test_limits_that_exclude_each_other_say_so(name: str) -> None:
    w = Workload(8000, 300)
    near = [planned(name, dataclasses.replace(w, **{limit: 1e-6})).nearest for limit in ("ttft", "tpot")]
    assert near[0] is not None
    assert near[1] is not None
    both = dataclasses.replace(w, ttft=near[0].ttft_s * 1.0001, tpot=near[1].tpot_s * 1.0001)
    result = planned(name, both)
    assert not result.feasible
    assert result.reason.startswith("each limit can be met, not both at once: nearest ")
    found = result.nearest
    assert found is not None
    # The nearest misses least: no other limit scaled by less is met.
    over = max(found.ttft_s / both.ttft, found.tpot_s / both.tpot)
    for factor, feasible in ((over * CLOSE, True), (1 + (over - 1) * 0.99, False)):
        scaled = dataclasses.replace(both, ttft=both.ttft * factor, tpot=both.tpot * factor)
        assert planned(name, scaled).feasible is feasible


@given(name=st.sampled_from(NAMES), w=workloads())
@settings(max_examples=15)
def test_the_nearest_miss_would_do(name: str, w: Workload) -> None:
    result = planned(name, dataclasses.replace(w, ttft=w.ttft / 50, tpot=w.tpot / 20), chips=2)
    assume(not result.feasible and result.nearest is not None)
    near = result.nearest
    assert near is not None
    assert bool(near.memory.fits)
    assert result.reason
    met = dataclasses.replace(w, ttft=near.ttft_s * CLOSE, tpot=near.tpot_s * CLOSE)
    assert planned(name, met, chips=2).feasible


def test_prices_come_from_the_system() -> None:
    entry = BOX.tariff()
    assert default_prices(BOX).usd_per_chip_hour == entry.usd_per_chip_hour
    assert default_prices(BOX, entry.name, 0.1).usd_per_kwh == 0.1
    assert entry.date in default_prices(BOX).tariff
    with pytest.raises(UnknownNameError, match=r"^tariff: "):
        default_prices(BOX, "free")
    with pytest.raises(UnknownNameError, match="a price of your own"):
        plan(model("llama-3.1-8b"), dataclasses.replace(BOX, tariffs=()), Workload(10, 10))


def test_power_that_is_not_known_is_not_invented() -> None:
    dark = dataclasses.replace(BOX, power=None, chip=dataclasses.replace(BOX.chip, power=None))
    assert math.isnan(watts_per_chip(dark))
    result = plan(model("llama-3.1-8b"), dark, Workload(100, 100), prices=RENT, chips=1)
    assert result.feasible
    assert all(math.isnan(p.joules_per_token) for p in result.plans)
    assert np.isfinite(cheapest(result))


def test_narrower_weights_cost_less() -> None:
    of, w = model("llama-3.1-70b"), Workload(1000, 300)
    wide, narrow = (plan(of, BOX, w, prices=RENT, precision=Precision.uniform(f)) for f in ("bf16", "fp8"))
    assert cheapest(narrow) < cheapest(wide)


@pytest.mark.parametrize("bad", [0, -8, 1.5, float("nan"), float("inf"), True, "8", [8], 10**7])
def test_chips_that_are_no_count_are_named(bad: Any) -> None:
    with pytest.raises(RangeError, match=r"^chips: "):
        plan(model("llama-3.1-8b"), BOX, Workload(10, 10), prices=RENT, chips=bad)
