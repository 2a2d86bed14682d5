"""Policies and auctions as functions: bounds, monotone laws, closed forms."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.economy.auctions import open_auction, sealed_bid, shaded_bid
from headway.economy.buyers import BUYERS, CHOICES, Buyer, choose, counter, fit_first_p, look, worth_asking
from headway.economy.rules import MECHANISMS, Rules, basis_points
from headway.economy.sellers import SELLERS, Seller, concession, floor_price, learned, quote
from headway.facts.errors import InputError

PRICES = st.lists(st.integers(1, 10**9), min_size=1, max_size=9)
CENT = 10_000


@given(PRICES, st.data())
def test_choices(prices: list[int], data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(0, 10**9), min_size=len(prices), max_size=len(prices)))
    draw = data.draw(st.floats(0, 1, exclude_max=True))
    best = choose(BUYERS["optimal"], prices, values, draw)
    gains = [v - p for v, p in zip(values, prices, strict=True)]
    assert (best is None) == (max(gains) < 0)
    if best is not None:
        assert gains[best] == max(gains)
    cheapest = choose(BUYERS["cheapest"], prices, values, draw)
    assert cheapest is not None
    assert prices[cheapest] == min(prices)
    assert choose(BUYERS["random"], prices, values, draw) == int(draw * len(prices))


@given(st.floats(0.01, 1e9), st.floats(0.01, 1e9), st.integers(0, 1000))
def test_the_last_seller_asked_pays_for_itself(spread: float, cost: float, most: int) -> None:
    m = worth_asking(spread, cost, most)
    assert 0 <= m <= most
    if m:
        assert spread / (m * (m + 1)) >= cost * (1 - 1e-6)
    if m < most:
        assert spread / ((m + 1) * (m + 2)) < cost * (1 + 1e-6)


def test_reading_gets_worse_as_more_is_read() -> None:
    rng = np.random.default_rng(1)
    right = []
    for k in (5, 10, 50, 200):
        truth = (rng.random(k) < 0.5).tolist()
        seen = [look(truth, 5.0, rng.random(k).tolist()) for _ in range(400)]
        right.append(float(np.mean([np.mean(np.array(s) == truth) for s in seen])))
    assert right[0] == 1.0
    for k, share in zip((10, 50, 200), right[1:], strict=True):
        assert share == pytest.approx(0.5 + 0.5 * 5 / k, abs=0.02)


@given(st.floats(0, 1), st.integers(2, 8))
def test_the_fit_returns_the_p_that_made_the_shares(p: float, n: int) -> None:
    shares = [p + (1 - p) / n] + [(1 - p) / n] * (n - 1)
    assert fit_first_p(shares) == pytest.approx(p, abs=1e-9)


@given(st.integers(1, 10**7), st.integers(0, 10_000))
def test_floors_are_whole_and_never_below_the_reserve(cents: int, share: int) -> None:
    posted, reserve = cents * CENT, share / 10_000
    least = floor_price(posted, reserve, CENT)
    assert least % CENT == 0
    assert share * posted <= least * 10_000
    assert least <= posted
    assert quote(posted, least, 0.1, CENT) >= least


@given(st.integers(2, 10**6), st.floats(0.1, 1), st.integers(1, 10), st.floats(0.2, 5))
def test_concessions_fall_from_the_quote_to_the_floor(cents: int, share: float, rounds: int, shape: float) -> None:
    asked = cents * CENT
    least = max(int(cents * share), 1) * CENT
    policy = replace(SELLERS["negotiator"], rounds=rounds, shape=shape)
    path = [concession(policy, asked, least, k, CENT) for k in range(rounds + 2)]
    assert path[0] == asked
    assert path[-1] == path[-2] == least
    assert path == sorted(path, reverse=True)


def test_counters_rise_to_the_price_offered() -> None:
    path = [counter(BUYERS["negotiator"], 9_990_000, k, CENT) for k in range(5)]
    assert path == sorted(path)
    assert path[-1] == 9_990_000


def test_learning_moves_both_ways_within_bounds() -> None:
    policy, factor = SELLERS["learning"], 1.0
    for _ in range(100):
        factor = learned(policy, factor, sold=True)
    assert factor == 2.0
    for _ in range(200):
        factor = learned(policy, factor, sold=False)
    assert factor == 0.5


@given(PRICES)
def test_sealed_bids(bids: list[int]) -> None:
    first, second = sealed_bid(bids), sealed_bid(bids, second=True)
    assert first.winner == second.winner
    assert first.price == min(bids)
    assert second.price == sorted(bids)[min(1, len(bids) - 1)]


POSTED = st.lists(st.tuples(st.integers(1, 10**6), st.floats(0.1, 1)), min_size=1, max_size=6)


@given(POSTED, st.data())
def test_the_true_cost_is_the_best_bid_at_the_second_price(rows: list[tuple[int, float]], data: st.DataObject) -> None:
    """Whoever bids another amount, up to what it posted, gains nothing; and nobody is paid more than anyone posted."""
    tops = [top for top, _ in rows]
    costs = [max(int(top * share), 1) for top, share in rows]
    who = data.draw(st.integers(0, len(rows) - 1))
    lie = data.draw(st.integers(1, tops[who]))
    gains = []
    for bid in (costs[who], lie):
        award = sealed_bid([*costs[:who], bid, *costs[who + 1 :]], second=True, top=min(tops))
        assert award.price <= min(tops)
        gains.append(award.price - costs[who] if award.winner == who else 0)
    assert gains[0] >= max(gains[1], 0)


@given(st.lists(st.tuples(st.integers(1, 10**6), st.floats(0.1, 1)), min_size=2, max_size=8), st.integers(1, 1000))
def test_the_open_auction_ends_within_a_step_of_the_second_price(rows: list[tuple[int, float]], step: int) -> None:
    tops = [top for top, _ in rows]
    reserves = [max(int(top * share), 1) for top, share in rows]
    award = open_auction(tops, reserves, step)
    second = sorted(reserves)[1]
    assert reserves[award.winner] == min(reserves)
    assert award.price >= reserves[award.winner]
    assert award.price <= min(tops)
    if second <= min(tops):
        assert second <= award.price < second + step


def test_shaded_bids_are_the_equilibrium_for_uniform_costs() -> None:
    """No other constant shading earns more against n - 1 rivals who bid c + (1 - c) / n."""
    rng, n = np.random.default_rng(3), 4
    rivals = rng.random((200_000, n - 1))
    least = (rivals + (1 - rivals) / n).min(axis=1)
    for cost in (0.2, 0.5):
        own = cost + (1 - cost) / n
        profit = {
            b: float((b - cost) * (least > b).mean()) for b in (own - 0.06, own - 0.03, own, own + 0.03, own + 0.06)
        }
        assert max(profit.values()) < profit[own] + 0.002
    assert shaded_bid(600 * CENT, 1000 * CENT, 3, CENT) % CENT == 0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Rules("auction"), "mechanism"),
        (lambda: Rules(width=0), "width"),
        (lambda: Rules(fee_bps=10_001), "fee_bps"),
        (lambda: Rules(gate_s=0.0), "gate_s"),
        (lambda: Rules(step=0.0), "step"),
        (lambda: Rules(refunds="never"), "refunds"),
        (lambda: Buyer("x", "", choose="worst"), "choose"),
        (lambda: Buyer("x", "", first_p=1.5), "first_p"),
        (lambda: Buyer("x", "", attention=math.nan), "attention"),
        (lambda: Buyer("x", "", limit=0.0), "limit"),
        (lambda: Seller("x", "", learns=1.0), "learns"),
        (lambda: Seller("x", "", reply_s=-1.0), "reply_s"),
        (lambda: basis_points(1.1), "fee"),
        (lambda: sealed_bid([]), "bids"),
        (lambda: open_auction([5], [5], 0), "step"),
        (lambda: fit_first_p([1.0]), "counts"),
    ],
)
def test_misuse_is_named(make: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make()


def test_every_row_says_what_it_does() -> None:
    for table in (BUYERS, SELLERS, MECHANISMS):
        assert all(name == row.name and row.help for name, row in table.items())
    assert all(CHOICES.values())
