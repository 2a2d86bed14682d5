"""Reputation comes from settled deals of independent buyers, fades, and is not for sale."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.economy.reputation import HALF_LIFE_US, SCALE, reputations
from headway.economy.state import Deal
from headway.facts.errors import RangeError

DOLLAR = 1_000_000


def _deal(
    buyer: str, seller: str, dollars: float = 20, *, status: str = "settled", refunded: int = 0, at_us: int = 0
) -> Deal:
    posted = status in ("settled", "disputed", "resolved")
    paid = round(dollars * DOLLAR)
    return Deal("o", seller, buyer, "m", "USD", paid, 0, 0, refunded * DOLLAR, 0, status, posted, at_us, 0)


def _town(buyers: int = 30, sellers: int = 6) -> list[Deal]:
    """Honest people who buy a little in every third shop."""
    return [_deal(f"b{b}", f"s{s}") for b in range(buyers) for s in range(sellers) if (b + s) % 3 == 0]


def _score(deals: list[Deal], seller: str, **options) -> float:
    found = reputations(deals, at_us=0, **options).get(seller)
    return 0.0 if found is None else found.score


def test_only_settled_deals_count() -> None:
    for status in ("held", "delivered", "voided"):
        assert "x" not in reputations([*_town(), _deal("b0", "x", status=status)], at_us=0)
    assert _score([*_town(), _deal("b0", "x")], "x") > 0


def test_what_a_seller_buys_from_itself_counts_nothing() -> None:
    washed = [*_town(), _deal("s1", "s1", 10_000), _deal("s1", "s0"), _deal("lone", "lone", 10_000)]
    assert reputations(washed, at_us=0) == reputations([*_town(), _deal("s1", "s0")], at_us=0)


def test_on_a_ledger(world) -> None:
    world.give("m1")
    world.deal("o1", "m1", seller="shop")
    world.deal("o2", "m1", seller="mart")
    world.deal("o3", "m1", seller="mart", until="voided")
    found = reputations(world.rails.state.deals.values(), at_us=world.now)
    assert found["shop"].settled == found["mart"].settled == 50_000
    assert found["shop"].score == found["mart"].score > 0


def test_value_counts_and_saturates() -> None:
    scores = [
        _score([*_town(), *(_deal(f"b{n}", "x", dollars) for n in range(5))], "x") for dollars in (1, 20, 400, 10**6)
    ]
    assert scores == sorted(scores)
    assert scores[-1] < 5


def test_many_buyers_beat_one_rich_buyer() -> None:
    rich = [_deal("b0", "x", 10**6)]
    many = [_deal(f"b{n}", "y", 20) for n in range(10)]
    assert _score(_town() + rich + many, "y") > 3 * _score(_town() + rich + many, "x")


def test_it_fades_by_half_lives() -> None:
    deals = [*_town(), _deal("b0", "x", 1)]
    now, later = (reputations(deals, at_us=n * HALF_LIFE_US, scale=10**12)["x"].score for n in (0, 1))
    # Far below the scale both the buyer's weight and its evidence elsewhere are in proportion to value.
    assert later == pytest.approx(now / 4, rel=1e-4)


def test_refunds_take_it_away() -> None:
    good = [_deal(f"b{n}", "x") for n in range(6)]
    bad = [_deal(f"b{n}", "x", status="resolved", refunded=20) for n in range(6)]
    assert _score(_town() + bad, "x") == 0
    assert reputations(bad, at_us=0)["x"].refunded_share == 1
    assert _score(_town() + good, "x") > 1


class TestWashTrading:
    """A ring trades with itself, as often and as dear as it likes."""

    honest = _score(_town(), "s0")

    @pytest.mark.parametrize("trades", [1, 1_000])
    def test_puppets_of_one_seller_are_worth_nothing(self, trades: int) -> None:
        ring = [_deal(f"puppet{n}", "washer", 1_000) for n in range(20) for _ in range(trades if n < 2 else 1)]
        assert _score(_town() + ring, "washer") == 0
        assert _score(_town() + ring, "s0") == pytest.approx(self.honest)

    def test_a_closed_ring_gets_nothing_where_anchors_are_known(self) -> None:
        """Twenty puppets and five washers, everyone buying from everyone: diverse, dear, and cut off."""
        ring = [_deal(f"puppet{p}", f"washer{w}", 1_000) for p in range(20) for w in range(5)]
        assert _score(_town() + ring, "washer0", anchors=["s0", "s1"]) == 0
        assert _score(_town() + ring, "s3", anchors=["s0", "s1"]) > 0

    def test_without_anchors_it_gains_no_more_than_its_heads(self) -> None:
        ring = [_deal(f"puppet{p}", f"washer{w}", 10**6) for p in range(8) for w in range(3)]
        assert _score(_town() + ring, "washer0") < 8

    def test_buying_into_the_town_costs_real_money(self) -> None:
        """A puppet earns its voice by real purchases from known shops; a cent of them buys next to none."""
        ring = [_deal(f"puppet{p}", "washer", 1_000) for p in range(10)]
        cheap = [_deal(f"puppet{p}", "s0", 0) for p in range(10)]
        one = [_deal(f"puppet{p}", "s0", 1) for p in range(10)]
        assert _score(_town() + ring + cheap, "washer", anchors=["s0", "s1"]) == 0
        dollar = DOLLAR / (DOLLAR + SCALE)
        assert 0 < _score(_town() + ring + one, "washer", anchors=["s0", "s1"]) <= 10 * dollar
        townspeople = [_deal(f"b{b}", "fair", 1_000) for b in range(10)]
        assert _score(_town() + townspeople, "fair", anchors=["s0", "s1"]) > 5 * 10 * dollar

    @pytest.mark.parametrize(("puppets", "washers"), [(20, 5), (100, 10)])
    @pytest.mark.parametrize("cents", [1, 100])
    def test_a_ring_gets_no_more_than_it_pays_for(self, puppets: int, washers: int, cents: int) -> None:
        """Every puppet buys a little from a known shop: the ring must not blow that up among its own."""
        ring = [_deal(f"puppet{p}", f"washer{w}", 10**6) for p in range(puppets) for w in range(washers)]
        entry = [_deal(f"puppet{p}", "s0", cents / 100) for p in range(puppets)]
        anchors, voice = ["s0", "s1"], cents / 100 / (cents / 100 + SCALE / 1e6)
        of_town = sum(deal.total / (deal.total + SCALE) for deal in _town() if deal.seller == "s0")
        share = puppets * voice / (puppets * voice + of_town)
        bound = puppets * (voice + 2 * len(anchors) * share)
        found = _score(_town() + ring + entry, "washer0", anchors=anchors)
        assert 0 < found <= bound
        if cents == 1:
            assert found < 0.02 * puppets


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4), st.integers(1, 500)), max_size=40), st.integers(0, 40))
def test_laws(rows: list[tuple[int, int, int]], again: int) -> None:
    """No seller scores above its buyers; repeating a deal never pays for more than one buyer."""
    deals = [_deal(f"b{b}", f"s{s}", d) for b, s, d in rows]
    for anchors in (None, ["s0"]):
        found = reputations(deals, at_us=0, anchors=anchors)
        assert all(0 <= one.score <= one.buyers for one in found.values())
    if deals:
        repeated = deals[again % len(deals)]
        more = reputations([*deals, *[repeated] * 50], at_us=0)[repeated.seller].score
        assert more <= reputations(deals, at_us=0)[repeated.seller].score + 1


@pytest.mark.parametrize("name", ["half_life_us", "scale"])
def test_misuse(name: str) -> None:
    with pytest.raises(RangeError, match=name):
        reputations([], at_us=0, **{name: 0})
