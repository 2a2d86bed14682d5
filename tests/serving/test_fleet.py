"""From a load to chips: enough capacity, whole units, and a bill that grows with the load."""

from __future__ import annotations

import dataclasses
import functools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.facts.errors import RangeError
from headway.facts.models import model
from headway.facts.systems import system
from headway.serving.fleet import Fleet, requests_from_tokens, size
from headway.serving.plan import PlanResult, plan, watts_per_chip
from headway.serving.workload import Prices, Workload

LOAD = st.floats(1e-6, 1e6)
SHARE = st.floats(0.05, 1.0)
OSL = 200
BAD = (float("nan"), -1.0, 0.0, float("inf"), True, "10/s", None, [1.0])


BOX = system("hgx-h200")


@functools.cache
def planned() -> PlanResult:
    """Not a fixture: hypothesis would print all of it."""
    return plan(model("llama-3.1-8b"), BOX, Workload(1000, OSL, ttft=1.0, tpot=0.02), prices=Prices(2.0, 0.1))


def only(index: int) -> PlanResult:
    return dataclasses.replace(planned(), plans=(planned().plans[index],), blocks=())


def sized(load: float, share: float = 0.7, found: PlanResult | None = None) -> Fleet:
    fleet = size(found or planned(), BOX, load, utilisation=share)
    assert fleet is not None
    return fleet


@given(load=LOAD, share=SHARE)
def test_a_fleet_carries_its_load(load: float, share: float) -> None:
    fleet = sized(load, share)
    capacity = fleet.replicas * fleet.plan.requests_per_second
    assert fleet.replicas >= 1
    assert 0 < fleet.load <= share * (1 + 1e-9)
    assert fleet.load == pytest.approx(load / capacity, rel=1e-12)
    # One deployment fewer would not do.
    assert (fleet.replicas - 1) * fleet.plan.requests_per_second * share < load
    assert fleet.chips == fleet.replicas * fleet.plan.chips
    assert (fleet.units - 1) * BOX.chips < fleet.chips <= fleet.units * BOX.chips
    assert fleet.watts == fleet.chips * watts_per_chip(BOX)
    hour = fleet.chips * (2.0 + watts_per_chip(BOX) / 1000 * 0.1)
    assert fleet.usd_per_hour == pytest.approx(hour, rel=1e-9)
    assert fleet.usd_per_mtok == pytest.approx(hour / 3600 / (load * OSL) * 1e6, rel=1e-9)
    assert fleet.usd_per_mtok >= fleet.plan.usd_per_mtok / share / (1 + 1e-9)


@given(loads=st.tuples(LOAD, LOAD).map(sorted), share=SHARE)
def test_more_load_never_costs_less(loads: list[float], share: float) -> None:
    less, more = (sized(load, share) for load in loads)
    assert more.usd_per_hour >= less.usd_per_hour * (1 - 1e-12)
    alone = dataclasses.replace(planned(), plans=(less.plan,), blocks=())
    assert sized(loads[1], share, alone).replicas >= less.replicas


@given(load=LOAD, shares=st.tuples(SHARE, SHARE).map(sorted))
def test_more_head_room_never_costs_less(load: float, shares: list[float]) -> None:
    roomy, full = (sized(load, share) for share in shares)
    assert roomy.usd_per_hour >= full.usd_per_hour * (1 - 1e-12)


@given(load=LOAD)
@settings(max_examples=30)
def test_the_least_dear_plan_is_repeated(load: float) -> None:
    best = sized(load).usd_per_hour
    for i in range(len(planned().plans)):
        assert best <= sized(load, found=only(i)).usd_per_hour


def test_a_small_load_takes_one_small_deployment() -> None:
    fleet = sized(1.0)
    assert (fleet.replicas, fleet.chips, fleet.plan.workers) == (1, 1, 1)


@pytest.mark.parametrize("osl", [200, 4000])
def test_more_chips_allowed_never_cost_more(osl: int) -> None:
    of, w = model("llama-3.1-70b"), Workload(1000, osl, ttft=2.0, tpot=0.04)
    results = [plan(of, BOX, w, prices=Prices(2.0), chips=n) for n in (2, 3, 4, 8)]
    for load in (0.05, 0.2, 1.0, 5.0, 40.0):
        bills = [sized(load, found=r).usd_per_hour for r in results]
        assert bills == sorted(bills, reverse=True)


def test_blocks_are_deployments_of_their_own() -> None:
    w = planned().workload
    for n in (1, 2, 4):
        alone = plan(model("llama-3.1-8b"), BOX, w, prices=Prices(2.0), chips=n)
        most = max(p.requests_per_second for p in alone.plans if p.chips == n)
        block = max(p.requests_per_second for p in planned().blocks if p.chips <= n)
        # Whole workers of one plan may be split again: a block of fewer chips is repeated instead.
        assert block * n >= most * (1 - 1e-9)
        assert all(p.ttft_s <= w.ttft and p.tpot_s <= w.tpot and p.chips <= 8 for p in planned().blocks)


@given(replicas=st.integers(1, 10_000), share=SHARE)
def test_a_load_that_fills_whole_deployments_needs_no_more(replicas: int, share: float) -> None:
    load = replicas * only(0).plans[0].requests_per_second * share
    assert sized(load, share, only(0)).replicas == replicas


def test_other_prices_change_the_bill_alone() -> None:
    dear = size(only(0), BOX, 50.0, prices=Prices(4.0, 0.2))
    assert dear is not None
    plain = sized(50.0, found=only(0))
    assert dear.usd_per_hour == pytest.approx(2 * plain.usd_per_hour, rel=1e-12)
    assert (dear.chips, dear.units) == (plain.chips, plain.units)


def test_nothing_feasible_has_no_fleet() -> None:
    none = plan(model("llama-3.1-8b"), BOX, Workload(1000, OSL, tpot=1e-9), prices=Prices(2.0))
    assert size(none, BOX, 1.0) is None


def test_unknown_power_stays_unknown() -> None:
    dark = dataclasses.replace(BOX, power=None, chip=dataclasses.replace(BOX.chip, power=None))
    fleet = size(planned(), dark, 1.0, prices=Prices(2.0))
    assert fleet is not None
    assert math.isnan(fleet.watts)
    assert fleet.usd_per_hour == fleet.chips * 2.0


@given(day=st.floats(1.0, 1e15), osl=st.integers(1, 100_000))
def test_tokens_a_day_make_requests_a_second(day: float, osl: int) -> None:
    assert requests_from_tokens(day, osl) * osl * 86400 == pytest.approx(day, rel=1e-12)


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_a_load_that_is_none_is_named(bad: float) -> None:
    with pytest.raises(RangeError, match=r"^requests_per_second: "):
        size(planned(), BOX, bad)
    with pytest.raises(RangeError, match=r"^utilisation: "):
        size(planned(), BOX, 1.0, utilisation=bad)
    with pytest.raises(RangeError, match=r"^tokens_per_day: "):
        requests_from_tokens(bad, 100)
    with pytest.raises(RangeError, match=r"^osl: "):
        requests_from_tokens(1e6, bad)  # type: ignore[arg-type]


def test_more_than_all_is_no_utilisation() -> None:
    with pytest.raises(RangeError, match=r"^utilisation: 1\.1 "):
        size(planned(), BOX, 1.0, utilisation=1.1)
