"""Attacks: what each costs its victims, what defends, and that nobody loses more than a mandate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headway.economy.attackers import ATTACKS, Attack, stage
from headway.economy.audit import audit
from headway.economy.buyers import BUYERS
from headway.economy.datasets import read_population
from headway.economy.generated import generate_population
from headway.economy.memory_store import memory_store
from headway.economy.population import Population
from headway.economy.rules import Rules
from headway.economy.simulate import Policies, simulate
from headway.economy.study import AttackCost, attack_cost
from headway.facts.errors import InputError


@pytest.fixture(scope="module")
def market() -> Population:
    return generate_population(40, 30, seed=6, day_us=0)


@pytest.fixture(scope="module")
def restaurants(shared: Path) -> Population:
    return read_population(shared / "data" / "economy" / "mexican_33_99")


def cost(market: Population, kind: str, rules: Rules, buyers: str = "optimal", seeds: int = 4) -> AttackCost:
    return attack_cost(market, Attack(kind, 0.15), rules, Policies(BUYERS[buyers]), seeds=seeds)


@pytest.mark.parametrize("kind", list(ATTACKS))
@pytest.mark.parametrize("rule", ["first-come", "batched", "posted"])
def test_books_balance_and_mandates_hold_under_every_attack(market: Population, kind: str, rule: str) -> None:
    what = Policies(replace(BUYERS["gullible"], first_p=0.5), attack=Attack(kind, 0.3, copies=3))
    store = memory_store()
    found = simulate(market, Rules(rule, width=8, refunds="trust"), what, store=store)
    checked = audit(store, rack_sold_us=round(found.compute.rack_s * 1e6))
    assert checked.holds, [one for one in checked.invariants if not one.holds]
    buyers = stage(market, what.attack).population.consumers
    limits = 2 * np.add.reduceat(buyers.worth, buyers.basket.start[:-1])
    assert (found.deals.paid <= limits[found.deals.consumer]).all()


def test_injection_takes_up_to_the_mandate_and_no_more(restaurants: Population) -> None:
    found = cost(restaurants, "injection", Rules(), "gullible")
    assert found.bounded
    assert found.redirected > 0
    assert 0 < found.largest_loss <= found.mandate
    assert found.welfare_after < found.welfare_before
    assert found.refused["MANDATE_PER_DEAL"] > 0
    safe = cost(restaurants, "injection", Rules(), "optimal")
    assert safe.redirected == 0
    assert safe.welfare_after == safe.welfare_before


def test_first_responders_gain_by_speed_and_a_gate_takes_that_away(restaurants: Population) -> None:
    gains = []
    for rule in ("first-come", "batched"):
        found = cost(restaurants, "first-responder", Rules(rule), "first-proposal", 6)
        gains.append(found.takings_after / found.takings_before)
    assert gains[0] > 1.5
    assert gains[1] < 0.7 * gains[0]


def test_sybils_crowd_out_where_results_are_few(restaurants: Population) -> None:
    few, all_shown = (cost(restaurants, "sybil", Rules(search="text", width=w), "random") for w in (5, None))
    assert few.takings_after > 1.5 * few.takings_before
    assert few.attackers > 100
    assert all_shown.bounded


def test_a_slow_loris_makes_every_batch_wait_for_its_gate(restaurants: Population) -> None:
    what = Policies(attack=Attack("slow-loris", 1.0 / 3))
    found = simulate(restaurants, Rules("batched", gate_s=300.0), what)
    quick = simulate(restaurants, Rules("batched", gate_s=300.0))
    assert quick.latency.p99 < 200 < 300 <= found.latency.p99
    assert found.settled < 33


def test_refund_abuse_pays_only_where_the_operator_trusts(restaurants: Population) -> None:
    trusting, asking = (cost(restaurants, "refund-abuse", Rules(refunds=r)) for r in ("trust", "evidence"))
    assert trusting.honest_takings_after < trusting.honest_takings_before
    assert asking.honest_takings_after == asking.honest_takings_before
    assert trusting.welfare_after == trusting.welfare_before


def test_griefed_holds_keep_honest_buyers_out_and_cost_the_griefer_nothing() -> None:
    market = generate_population(300, 30, seed=2)
    tight = replace(market, businesses=replace(market.businesses, capacity=np.full(30, 1)))
    found = attack_cost(tight, Attack("hold-griefing", 0.2), Rules(), Policies(), seeds=2)
    assert found.welfare_after < 0.97 * found.welfare_before
    assert found.honest_takings_after < found.honest_takings_before
    store = memory_store()
    run = simulate(tight, Rules(), Policies(attack=Attack("hold-griefing", 0.2)), store=store)
    assert run.walked["griefed"] > 0
    assert audit(store).holds


def test_the_same_seed_turns_the_same_agents(market: Population) -> None:
    one, two, other = (stage(market, Attack("injection", 0.2), seed=s) for s in (1, 1, 2))
    assert one.sellers == two.sellers != other.sellers
    assert len(stage(market, Attack("sybil", 0.05, copies=4)).population.businesses) == 30 + 2 * 4
    for kind in ATTACKS:
        honest = stage(market, Attack(kind, 0.0))
        assert not honest.sellers | honest.buyers
        assert (len(honest.population.consumers), len(honest.population.businesses)) == (
            len(market.consumers),
            len(market.businesses),
        )
    washed = stage(market, Attack("wash-trade", 0.05, copies=4))
    assert len(washed.buyers) == len(washed.population.consumers) - 40 > 0


def test_misuse_is_named() -> None:
    with pytest.raises(InputError, match="did you mean sybil"):
        Attack("sibyl")
    with pytest.raises(InputError, match="share"):
        Attack("sybil", 1.5)


@pytest.mark.parametrize("esteem", ["count", "earned"])
def test_wash_trading_buys_counted_deals_and_no_earned_reputation(restaurants: Population, esteem: str) -> None:
    rules = Rules(reputation=0.7, esteem=esteem, width=2, reputation_s=600.0)
    what = Policies(BUYERS["random"], visits=3)
    found = attack_cost(restaurants, Attack("wash-trade", 0.1, copies=15), rules, what, seeds=2)
    if esteem == "count":
        assert found.takings_after > 1.15 * found.takings_before
    else:
        assert found.takings_after == pytest.approx(found.takings_before)


def test_consumers_who_come_back_sign_anew_each_time(restaurants: Population) -> None:
    store = memory_store()
    found = simulate(restaurants, Rules(), Policies(visits=3), store=store)
    assert found.settled == 3 * 33
    assert found.welfare == pytest.approx(3 * restaurants.published["optimal"].median, abs=0.01)
    assert audit(store).holds
