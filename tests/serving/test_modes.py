"""The menu that a plan allows, and what an advertised pair of multiples implies (claim C15)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.facts.errors import RangeError
from headway.facts.models import model
from headway.facts.systems import system
from headway.physics.modes import mode_menu
from headway.serving.modes import invert, menu, representative_modes
from headway.serving.plan import PlanResult, plan
from headway.serving.workload import Prices, Workload

BAD = (float("nan"), -1.0, 0.0, float("inf"), True, "6x", None)


@pytest.fixture(scope="module")
def found() -> PlanResult:
    return plan(model("llama-3.1-8b"), system("hgx-h200"), Workload(1000, 300), prices=Prices(2.0))


@pytest.mark.parametrize(
    ("price", "batch", "share", "fastest"), [(6.0, 15.0, 0.357143, 2.8), (2.0, 5.0, 0.25, 4.0)], ids=["6x", "2x"]
)
def test_the_advertised_pairs(price: float, batch: float, share: float, fastest: float) -> None:
    """Six times the price for 2.5 times the speed: 15 times fewer sequences, weights 36% of a pass, 2.8x at most."""
    implied = invert(price, 2.5)
    assert implied.feasible
    assert implied.batch_ratio == pytest.approx(batch, rel=1e-6)
    assert implied.weight_share == pytest.approx(share, rel=1e-5)
    assert implied.max_speed == pytest.approx(fastest, rel=1e-6)


@given(ratio=st.floats(1.01, 1e4), kv=st.floats(1e-3, 1e3))
def test_inverting_gives_back_what_made_the_pair(ratio: float, kv: float) -> None:
    offered = mode_menu(kv, ratio)
    implied = invert(offered.price_multiple, offered.speed_multiple)
    assert implied.batch_ratio == pytest.approx(ratio, rel=1e-9)
    # The speed alone holds the ratio of cache to weights, so its digits are lost where it is near 1.
    assert implied.kv_over_weight == pytest.approx(kv, rel=1e-6)
    assert implied.max_speed > offered.speed_multiple


def test_faster_and_cheaper_is_no_mode() -> None:
    assert not invert(0.5, 2.0).feasible
    assert invert(0.5, 2.0).reason


def test_the_menu_runs_from_slow_to_fast(found: PlanResult) -> None:
    shown = menu(found)
    assert shown is not None
    assert shown.reference is found.cheapest
    assert shown.advertised is None
    assert shown.cost_at_advertised_speed is None
    speeds = [m.speed_multiple for m in shown.modes]
    prices = [m.price_multiple for m in shown.modes]
    assert speeds == sorted(speeds)
    assert prices == sorted(prices)
    assert (speeds[0], prices[0]) == (1.0, 1.0)
    assert {m.plan.tpot_s for m in shown.modes} == {p.tpot_s for p in found.plans}
    for mode in shown.modes:
        base = shown.reference
        assert mode.price_multiple * base.usd_per_mtok == pytest.approx(mode.plan.usd_per_mtok, rel=1e-12)
        assert mode.speed_multiple / base.tpot_s == pytest.approx(1 / mode.plan.tpot_s, rel=1e-12)


def test_an_advertised_speed_has_a_cost_here_or_none(found: PlanResult) -> None:
    slow = menu(found, advertised=(6.0, 2.5))
    assert slow is not None
    assert slow.advertised == invert(6.0, 2.5)
    assert slow.cost_at_advertised_speed == min(m.price_multiple for m in slow.modes if m.speed_multiple >= 2.5)
    out_of_reach = menu(found, advertised=(6.0, 1e6))
    assert out_of_reach is not None
    assert out_of_reach.cost_at_advertised_speed is None


def test_any_plan_may_be_the_reference(found: PlanResult) -> None:
    fastest = found.plans[0]
    shown = menu(found, reference=fastest)
    assert shown is not None
    assert max(m.speed_multiple for m in shown.modes) == 1.0
    assert min(m.price_multiple for m in shown.modes) < 1.0


def test_few_modes_represent_the_menu(found: PlanResult) -> None:
    shown = menu(found)
    assert shown is not None
    few = representative_modes(shown, 5)
    assert 2 <= len(few) <= 5
    assert (few[0], few[-1]) == (shown.modes[0], shown.modes[-1])


def test_nothing_feasible_has_no_menu() -> None:
    none = plan(model("llama-3.1-8b"), system("hgx-h200"), Workload(1000, 300, tpot=1e-9), prices=Prices(2.0))
    assert menu(none) is None
    assert menu(none, advertised=(6.0, 2.5)) is None


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_a_multiple_that_is_none_is_named(found: PlanResult, bad: float) -> None:
    with pytest.raises(RangeError, match="price"):
        invert(bad, 2.5)
    with pytest.raises(RangeError, match="speed"):
        invert(6.0, bad)
    with pytest.raises(RangeError, match="price"):
        menu(found, advertised=(bad, 2.5))
    with pytest.raises(RangeError, match="speed"):
        menu(found, advertised=(6.0, bad))
