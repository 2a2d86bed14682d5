"""Whole markets: exact welfare, one log whatever runs it, the published phenomena, and books that balance."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headway.economy.audit import audit
from headway.economy.buyers import BUYERS, fit_first_p
from headway.economy.datasets import read_population
from headway.economy.generated import generate_population
from headway.economy.memory_store import memory_store
from headway.economy.outcome import MarketOutcome
from headway.economy.population import Population
from headway.economy.rack import Rack, free_rack
from headway.economy.rules import MECHANISMS, Rules
from headway.economy.sellers import SELLERS, floor_price
from headway.economy.simulate import Policies, simulate
from headway.economy.store import open_store
from headway.economy.welfare import baselines, matches
from headway.facts.errors import InputError

SETS = ("mexican_3_9", "mexican_10_30", "mexican_33_99", "contractors_10_30", "contractors_33_99")
PAID: Rack = replace(
    free_rack(),
    name="test",
    micros_per_hour=3_600_000_000,
    rack_s_per_input=1e-7,
    rack_s_per_cached=1e-8,
    rack_s_per_output=1e-6,
    prefill_s_per_input=1e-5,
    pool_s_per_input=1e-6,
    tpot_idle_s=0.01,
    tpot_full_s=0.02,
    seats=64.0,
    answer_tokens=75.0,
    watts=1000.0,
)


def audited(population: Population, *given: Any, **options: Any) -> MarketOutcome:
    """A run whose books are checked, signatures, replay and compute included."""
    store = memory_store()
    found = simulate(population, *given, store=store, **options)
    checked = audit(store, rack_sold_us=round(found.compute.rack_s * 1e6))
    assert checked.holds, [one for one in checked.invariants if not one.holds]
    assert checked.digest == found.log_hash
    return found


def policies(name: str, sellers: str = "posted", **changes: Any) -> Policies:
    return Policies(replace(BUYERS[name], **changes), SELLERS[sellers])


@pytest.fixture(scope="module")
def small() -> Population:
    return generate_population(60, 40, seed=3)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("rule", ["first-come", "posted"])
def test_welfare_is_the_published_one(shared: Path, name: str, rule: str) -> None:
    market = read_population(shared / "data" / "economy" / name)
    for policy in ("optimal", "cheapest"):
        found = simulate(market, Rules(rule), policies(policy), seed=7)
        assert found.welfare == pytest.approx(market.published[policy].median, abs=0.005)
        assert found.settled == len(market.consumers)
    for policy in ("random", "random-amenities"):
        band = market.published[policy]
        totals = [simulate(market, Rules(rule), policies(policy), seed=s).welfare for s in range(3)]
        assert band.low <= np.median(totals) <= band.high


def test_optimal_and_cheapest_reach_their_baselines_on_a_drawn_market(small: Population) -> None:
    market = replace(small, businesses=replace(small.businesses, capacity=0 * small.businesses.capacity))
    expected = baselines(market)
    for policy in ("optimal", "cheapest"):
        assert audited(market, Rules(), policies(policy)).welfare == pytest.approx(expected[policy].median, abs=0.005)


_AGAIN = """
import sys
from headway.economy.generated import generate_population
from headway.economy.rules import Rules
from headway.economy.simulate import Policies, simulate
from headway.economy.buyers import BUYERS
from headway.economy.sellers import SELLERS
market = generate_population(60, 40, seed=3)
what = Policies(BUYERS["attention"], SELLERS["learning"])
found = simulate(market, Rules("batched", width=10, search="text"), what, seed=5)
print(found.log_hash)
"""


def test_two_processes_and_two_stores_write_one_log(small: Population, tmp_path: Path) -> None:
    rules, what = Rules("batched", width=10, search="text"), policies("attention", "learning")
    stores = [memory_store(), memory_store(keep=False), open_store(str(tmp_path / "market.db"))]
    hashes = {simulate(small, rules, what, seed=5, store=store).log_hash for store in stores}
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", _AGAIN],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        hashes.add(done.stdout.strip())
    assert len(hashes) == 1
    assert simulate(small, rules, what, seed=6).log_hash not in hashes


def test_grouped_answers_change_times_and_not_the_trade(small: Population) -> None:
    at_once, grouped = (audited(small, Rules(group_s=g), policies("optimal")) for g in (0.0, 1.0))
    assert grouped.welfare == at_once.welfare
    assert grouped.latency.mean > at_once.latency.mean
    assert (grouped.deals.at_us % 1_000_000 == 0).all()


@pytest.mark.parametrize("rule", list(MECHANISMS))
@pytest.mark.parametrize("sellers", list(SELLERS))
def test_every_rule_with_every_seller_keeps_the_books(small: Population, rule: str, sellers: str) -> None:
    found = audited(small, Rules(rule, fee_bps=250), policies("negotiator", sellers), rack=PAID)
    assert found.settled > 40
    assert found.compute.usd > 0
    assert found.fees == pytest.approx(0.025 * found.spent, abs=1e-6 * found.settled)
    assert sum(found.walked.values()) + len(found.deals) == len(small.consumers)


@pytest.mark.parametrize("rule", list(MECHANISMS))
def test_no_seller_goes_below_its_reserve(small: Population, rule: str) -> None:
    for sellers in ("negotiator", "learning"):
        deals = simulate(small, Rules(rule), policies("negotiator", sellers, rounds=8)).deals
        for business, paid, posted in zip(deals.business, deals.paid, deals.posted, strict=True):
            assert paid >= floor_price(int(posted), float(small.businesses.reserve[business]), 10_000)


def test_reserves_are_in_no_log(shared: Path) -> None:
    """With recognisable reserves: the log, which is all that anyone sees, holds none of them."""
    market = read_population(shared / "data" / "economy" / "mexican_10_30")
    odd = market.businesses.reserve * 0 + 0.7313
    market = replace(market, businesses=replace(market.businesses, reserve=odd))
    store = memory_store()
    simulate(market, Rules(), policies("optimal", "negotiator"), store=store)
    text = b"\n".join(entry.payload for entry in store.entries())
    assert b"7313" not in text
    assert b"min_price" not in text
    assert b"reserve" not in text


def test_bargaining_and_auctions_lower_prices(small: Population) -> None:
    def price(rule: str, buyer: str, sellers: str) -> float:
        return simulate(small, Rules(rule), policies(buyer, sellers)).price_ratio

    assert price("batched", "optimal", "posted") == 1.0
    assert price("batched", "negotiator", "negotiator") < 0.95
    assert price("batched", "negotiator", "posted") == 1.0
    assert price("second-price", "optimal", "negotiator") < 1.0
    assert price("sealed-bid", "optimal", "negotiator") < 1.0


@pytest.mark.parametrize("sellers", ["posted", "learning"])
def test_an_auction_never_pays_more_than_the_winner_posted(small: Population, sellers: str) -> None:
    for rule in ("second-price", "ascending"):
        deals = audited(small, Rules(rule), policies("optimal", sellers), seed=1).deals
        assert len(deals)
        assert (deals.paid <= deals.posted).all()


def test_learning_sellers_move_their_prices() -> None:
    market = generate_population(400, 12, seed=2)
    found = simulate(market, Rules(), policies("optimal", "learning"))
    assert len(np.unique(found.deals.paid / found.deals.posted)) > 20


# --- the published phenomena ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def restaurants(shared: Path) -> Population:
    return read_population(shared / "data" / "economy" / "mexican_33_99")


@pytest.fixture(scope="module")
def quick(restaurants: Population) -> dict[str, list[MarketOutcome]]:
    """Runs of first-proposal buyers, by rule."""
    what = policies("first-proposal")
    return {rule: [simulate(restaurants, Rules(rule), what, seed=s) for s in range(12)] for rule in FIRST}


FIRST = ("first-come", "batched")


def _mean(outcomes: list[MarketOutcome], read: Any) -> tuple[float, float]:
    values = np.array([read(found) for found in outcomes])
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def test_wider_search_lowers_welfare_of_readers_with_limited_attention(restaurants: Population) -> None:
    readers = policies("attention")
    runs = [
        [simulate(restaurants, Rules(search="text", width=k), readers, seed=s) for s in range(3)] for k in (3, 10, 99)
    ]
    narrow, middle, wide = (_mean(found, lambda o: o.welfare)[0] for found in runs)
    assert narrow > 1.1 * middle > 1.2 * wide


def test_wider_search_does_not_hurt_readers_with_attention(restaurants: Population) -> None:
    narrow, wide = (simulate(restaurants, Rules(search="text", width=k), policies("optimal")).welfare for k in (3, 99))
    assert wide >= narrow


def test_first_proposals_are_worth_no_more_than_random_ones(
    restaurants: Population, quick: dict[str, list[MarketOutcome]]
) -> None:
    """Both take any seller with the whole basket: their means differ by chance alone."""
    pairs = matches(restaurants)
    expected = sum(float(pairs.utility[pairs.of(c)].mean()) for c in range(33)) / 1e6
    for rule in FIRST:
        first, error = _mean(quick[rule], lambda o: o.welfare)
        assert abs(first - expected) < 3 * error
        assert first < 0.5 * restaurants.published["optimal"].median


def test_the_fitted_p_takes_first_offers_as_published(quick: dict[str, list[MarketOutcome]]) -> None:
    assert fit_first_p([93.3, 0.0, 6.7]) == pytest.approx(BUYERS["first-proposal"].first_p, abs=1e-3)
    share, error = _mean(quick["first-come"], lambda o: o.shares[0])
    assert abs(share - 0.933) < 3 * error + 0.002


def test_batches_bring_first_offers_to_a_third_and_wait_for_the_slowest(quick: dict[str, list[MarketOutcome]]) -> None:
    share, error = _mean(quick["batched"], lambda o: o.shares[0])
    assert abs(share - 1 / 3) < 3 * error
    # Of three exponential times of mean 20 s the first has mean 20 / 3, the last 20 (1 + 1/2 + 1/3).
    first, last = 20 / 3, 20 * 11 / 6
    for rule, expected in (("first-come", 0.9 * first + 0.1 * last), ("batched", last)):
        wait, spread = _mean(quick[rule], lambda o: o.latency.mean)
        assert abs(wait - expected) < 4 * spread


def test_redirects_follow_susceptibility_and_lose_at_most_the_mandate(restaurants: Population) -> None:
    from headway.economy.attackers import Attack

    rates = []
    for s in (0.0, 0.5, 1.0):
        what = replace(policies("optimal", susceptibility=s), attack=Attack("injection", share=1.0))
        found = audited(restaurants, Rules(width=3), what)
        limits = 2 * np.add.reduceat(restaurants.consumers.worth, restaurants.consumers.basket.start[:-1])
        assert (found.deals.paid <= limits[found.deals.consumer]).all()
        rates.append(found.redirected / 33)
        if s:
            assert found.refused["MANDATE_PER_DEAL"] > 0
            assert 0 < found.largest_loss <= found.mandate
    assert rates[0] == 0
    assert rates[2] == 1
    assert 0.25 < rates[1] < 0.75


# --- decisions that cost --------------------------------------------------------------------------


def test_dear_decisions_narrow_the_search_and_end_it(restaurants: Population) -> None:
    asked, walked = [], []
    for times in (0.1, 1000, 4000, 1e6):
        rack = replace(PAID, micros_per_hour=round(PAID.micros_per_hour * times))
        found = audited(restaurants, Rules(), policies("cheapest"), rack=rack)
        asked.append(found.asked)
        walked.append(found.walked.get("dear", 0))
    assert asked == sorted(asked, reverse=True)
    assert asked[0] == 3 > asked[2] > 0
    assert walked[0] == 0
    assert walked[-1] == 33


def test_slow_decisions_end_in_walking_away(small: Population) -> None:
    slow = replace(PAID, tpot_idle_s=60.0, tpot_full_s=60.0, seats=float("inf"))
    found = audited(small, Rules(), policies("optimal"), rack=slow)
    assert found.walked["slow"] == 60


def test_thrifty_buyers_ask_fewer(restaurants: Population) -> None:
    rack = replace(PAID, micros_per_hour=PAID.micros_per_hour * 20_000)
    rich = replace(SELLERS["posted"], funds=1000.0)
    buyers = [replace(BUYERS["cheapest"], most_compute=1.0, spread=spread) for spread in (None, 0.3)]
    spends, saves = (audited(restaurants, Rules(), Policies(b, rich), rack=rack) for b in buyers)
    assert 0 < saves.asked < spends.asked
    assert saves.compute.usd < spends.compute.usd


def test_sellers_without_money_stop_answering(small: Population) -> None:
    what = replace(policies("optimal"), sellers=replace(SELLERS["posted"], funds=0.0))
    found = audited(small, Rules(), what, rack=PAID)
    assert found.walked["no offer"] == 60
    assert found.compute.unpaid == 0


def test_a_cache_that_does_not_outlive_the_wait_costs(small: Population) -> None:
    kept, lost = (simulate(small, rack=PAID, kv_life_s=s) for s in (float("inf"), 0.0))
    assert lost.compute.usd > kept.compute.usd
    assert lost.compute.cached_tokens < kept.compute.cached_tokens
    assert lost.welfare == kept.welfare


def test_what_a_market_refuses(small: Population, tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "used.db"))
    simulate(small, store=store)
    with pytest.raises(InputError, match="another market's log"):
        simulate(small, store=open_store(str(tmp_path / "used.db")))
    with pytest.raises(InputError, match="racks are priced in it"):
        simulate(replace(small, currency="EUR"), rack=PAID)
    spaced = replace(small.consumers, ids=("an id", *small.consumers.ids[1:]))
    with pytest.raises(InputError, match="BAD_IDENTIFIER"):
        simulate(replace(small, consumers=spaced))


def test_the_bell_keeps_everyone_until_it_rings(small: Population) -> None:
    found = audited(small, Rules(bell_s=86_400.0), policies("optimal"))
    assert (found.deals.start_us >= 86_400_000_000).all()


def test_progress_is_told(small: Population) -> None:
    told: list[tuple[int, int, float]] = []
    simulate(small, progress=lambda *what: told.append(what))
    assert told[-1][:2] == (60, 60)
