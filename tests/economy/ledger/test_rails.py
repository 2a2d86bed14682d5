"""The life of money on every store: deposits, holds, posts, voids, timeouts, disputes, bills, keys and reopening."""

from __future__ import annotations

from itertools import pairwise

import pytest

from headway.economy.audit import audit
from headway.economy.commands import (
    AcceptOffer,
    BillCompute,
    CancelDeal,
    ConfirmDelivery,
    CounterOffer,
    Deliver,
    Deposit,
    MakeOffer,
    OpenAccount,
    OpenDispute,
    Resolve,
    Withdraw,
    WithdrawOffer,
)
from headway.economy.keys import key_pair
from headway.economy.postgres_store import postgres_store
from headway.economy.rails import RailsClosedError
from headway.economy.replay import replay
from headway.economy.store import StoreBusyError
from headway.facts.errors import HeadwayError, InputError

ITEMS = (('Chef\'s "special"; DROP TABLE entries; --', 20_000), ("ink", 30_000))
TOTAL = 50_000
FEE = 1_000
START = 1_000_000


def test_a_deal_moves_the_price_once(world) -> None:
    world.give("m1")
    world.deal("o1", "m1", until="held")
    balance = world.rails.balance
    assert (balance("ann", "USD"), balance("ann", "USD", "held")) == (START - TOTAL, TOTAL)
    world.do("shop", Deliver, "o1")
    assert balance("ann", "USD", "held") == TOTAL
    world.do("ann", ConfirmDelivery, "o1")
    assert balance("ann", "USD", "held") == 0
    assert balance("shop", "USD", "merchant") == TOTAL - FEE
    assert balance("operator", "USD", "fees") == FEE
    assert world.rails.room("m1") == 9 * TOTAL


def test_void_gives_back_money_and_room(world) -> None:
    world.give("m1", single_use=True)
    world.deal("o1", "m1", until="voided")
    assert world.rails.balance("ann", "USD") == START
    assert world.refuse("shop", Deliver, "o1") == "ALREADY_VOIDED"
    world.deal("o2", "m1")
    assert world.rails.balance("ann", "USD") == START - TOTAL


def test_time_voids_holds_and_settles_deliveries(world) -> None:
    world.give("m1")
    world.deal("o1", "m1", until="held")
    rules = world.rails.state.rules
    world.now += 10
    world.deal("o2", "m1", until="delivered")
    assert world.tick(1_000 + rules.hold_timeout_us).ids == ("o2",)
    assert world.tick(1_001 + rules.hold_timeout_us).ids == ("o1",)
    assert world.rails.deal("o1").status == "voided"
    assert world.rails.deal("o2").status == "settled"
    assert world.rails.balance("ann", "USD") == START - TOTAL
    assert world.tick(10**13).ids == ()


def test_a_hold_that_timed_out_cannot_be_delivered(world) -> None:
    world.give("m1")
    world.deal("o1", "m1", until="held")
    world.now += world.rails.state.rules.hold_timeout_us + 1
    assert world.refuse("shop", Deliver, "o1") == "HOLD_EXPIRED"


@pytest.mark.parametrize("refund", [0, 20_000, TOTAL])
@pytest.mark.parametrize("until", ["delivered", "settled"])
def test_a_dispute_splits_the_price(world, until: str, refund: int) -> None:
    world.give("m1")
    world.deal("o1", "m1", until=until)
    world.do("ann", OpenDispute, "o1", "it's broken; DROP TABLE deals")
    assert world.rails.balance("shop", "USD", "merchant") == 0
    world.do("operator", Resolve, "o1", refund, "so be it")
    fee = FEE - FEE * refund // TOTAL
    assert world.rails.balance("ann", "USD") == START - TOTAL + refund
    assert world.rails.balance("shop", "USD", "merchant") == TOTAL - refund - fee
    assert world.rails.balance("operator", "USD", "fees") == fee
    assert world.refuse("operator", Resolve, "o1", 0, "again") == "ALREADY_RESOLVED"
    assert world.refuse("ann", OpenDispute, "o1", "again") == "ALREADY_RESOLVED"


def test_a_refund_takes_other_takings_when_these_are_spent(world) -> None:
    world.give("m1")
    world.deal("o1", "m1")
    world.do("operator", BillCompute, "shop", TOTAL - FEE - 1, 1, 0, 0, 0)
    world.do("ann", OpenDispute, "o1", "broken")
    assert world.rails.balance("shop", "USD", "held") == 1
    assert world.refuse("operator", Resolve, "o1", TOTAL, "all") == "INSUFFICIENT_FUNDS"
    world.deal("o2", "m1")
    world.do("operator", Resolve, "o1", TOTAL, "all")
    assert world.rails.balance("ann", "USD") == START - TOTAL


@pytest.mark.parametrize(
    ("rest", "name"),
    [
        ("db/market", "db/market"),
        ("me:secret@db:5432/market?sslmode=require", "db:5432/market"),
        ("me:se/cret@db/market", "db/market"),
        ("me:se?cret@db/market", "db/market"),
        ("me:se@cret@db/market", "db/market"),
        ("me:se/cr?secret@db/market", "..."),
        ("db/market?user=me&password=secret", "db/market"),
        ("db/market?user=me&password=se@secret", "..."),
    ],
)
def test_no_name_of_a_store_holds_a_password(rest: str, name: str) -> None:
    assert postgres_store(f"postgresql://{rest}").name == f"postgresql://{name}"


@pytest.mark.parametrize("ticked", [True, False])
def test_deadlines_do_not_wait_for_the_operator(world, ticked: bool) -> None:
    """A delivery that nobody contested counts as settled at its deadline, whenever the operator lets time pass."""
    rules = world.rails.state.rules
    world.give("m1")
    for offer_id in ("in time", "too late", "ours"):
        world.deal(offer_id.replace(" ", "-"), "m1", until="delivered")
    deadline = world.now + rules.confirm_timeout_us
    if ticked:
        world.tick(deadline + 1)
    world.now = deadline + 1
    assert world.refuse("shop", CancelDeal, "ours") == "ALREADY_SETTLED"
    world.now = deadline + rules.dispute_window_us
    world.do("ann", OpenDispute, "in-time", "broken")
    world.now += 1
    assert world.refuse("ann", OpenDispute, "too-late", "broken") == "DISPUTE_TOO_LATE"
    world.do("operator", Resolve, "in-time", TOTAL, "it was")
    world.tick(world.now + 10 * rules.dispute_window_us)
    assert world.rails.deal("too-late").settled_us == deadline
    assert world.rails.deal("ours").settled_us == deadline
    assert world.rails.balance("ann", "USD") == 1_000_000 - 2 * TOTAL
    assert world.rails.balance("shop", "USD", "merchant") == 2 * (TOTAL - FEE)


def test_a_refund_takes_all_that_the_seller_has(world) -> None:
    world.give("m1")
    world.deal("o1", "m1")
    world.do("operator", BillCompute, "shop", TOTAL - FEE - 9_000, 1, 0, 0, 0)
    world.do("operator", Deposit, "shop", 20_000, "USD")
    world.do("ann", OpenDispute, "o1", "broken")
    assert world.rails.deal("o1").frozen == 29_000
    assert world.rails.balance("shop", "USD") == 0
    assert world.refuse("operator", Resolve, "o1", TOTAL, "more than it has") == "INSUFFICIENT_FUNDS"
    world.do("operator", Deposit, "shop", 20_000, "USD")
    world.do("operator", Resolve, "o1", TOTAL, "it was")
    assert world.rails.balance("ann", "USD") == 1_000_000
    assert world.rails.balance("shop", "USD") == 0


def test_disputes_have_a_window(world) -> None:
    world.give("m1")
    world.deal("o1", "m1")
    world.now += world.rails.state.rules.dispute_window_us + 1
    assert world.refuse("ann", OpenDispute, "o1", "late") == "DISPUTE_TOO_LATE"


def test_haggling_makes_versions(world) -> None:
    world.give("m1")
    world.offer("o1")
    lower = ((ITEMS[0][0], 10_000), ("ink", 20_000))
    world.do("ann", CounterOffer, "o1", 1, lower, 30_000, 10**14)
    assert world.refuse("ann", AcceptOffer, "o1", 2, "m1") == "AWAITS_SELLER"
    assert world.refuse("ann", CounterOffer, "o1", 2, lower, 30_000, 10**14) == "AWAITS_SELLER"
    assert world.refuse("shop", CounterOffer, "o1", 1, lower, 30_000, 10**14) == "STALE_VERSION"
    middle = ((ITEMS[0][0], 10_000), ("ink", 30_000))
    world.do("shop", CounterOffer, "o1", 2, middle, 40_000, 10**14)
    assert world.refuse("ann", AcceptOffer, "o1", 1, "m1") == "STALE_VERSION"
    world.do("ann", AcceptOffer, "o1", 3, "m1")
    assert world.rails.balance("ann", "USD", "held") == 40_000


def test_withdrawn_offers_are_gone(world) -> None:
    world.give("m1")
    world.offer("o1")
    world.do("shop", WithdrawOffer, "o1")
    assert world.refuse("ann", AcceptOffer, "o1", 1, "m1") == "OFFER_WITHDRAWN"
    assert world.refuse("shop", WithdrawOffer, "o1") == "OFFER_WITHDRAWN"


def test_bills_take_the_wallet_and_then_the_takings(world) -> None:
    world.give("m1")
    world.deal("o1", "m1")
    world.do("operator", Deposit, "shop", 10_000, "USD")
    world.do("operator", BillCompute, "shop", 10_007, 1_550, 900, 115, 12)
    assert world.rails.balance("shop", "USD") == 0
    assert world.rails.balance("shop", "USD", "merchant") == TOTAL - FEE - 7
    assert world.rails.balance("operator", "USD", "compute") == 10_007
    assert world.rails.state.bills["shop"][1:] == (1_550, 900, 115, 12, 1)
    assert world.refuse("operator", BillCompute, "shop", TOTAL, 1, 0, 0, 0) == "INSUFFICIENT_FUNDS"


def test_bills_keep_to_the_price_of_the_rack(place) -> None:
    with place.open(rack_micros_per_s=2_000_000) as rails:
        operator = rails.operator_session()
        commands = (
            OpenAccount("a", "ann", "consumer", key_pair(seed=b"a").public, "ed25519", None),
            Deposit("b", "ann", 10_000, "USD"),
            BillCompute("c", "ann", 14, 1, 0, 0, 7),
            BillCompute("d", "ann", 15, 1, 0, 0, 7),
        )
        replies = rails.submit_many([(operator, command) for command in commands], at_us=5)
    assert [reply.code for reply in replies] == ["ok", "ok", "ok", "BILL_DISAGREES"]
    store = place.store()
    assert audit(store, rack_sold_us=7).holds
    broken = [one.name for one in audit(store, rack_sold_us=8).invariants if not one.holds]
    store.close()
    assert broken == ["compute-equals-rack"]


def test_withdrawals_leave_by_the_same_door(world) -> None:
    world.give("m1")
    world.deal("o1", "m1")
    world.do("operator", Withdraw, "shop", 40_000, "USD")
    assert world.rails.balance("shop", "USD", "merchant") == TOTAL - FEE - 40_000
    assert world.refuse("operator", Withdraw, "shop", 10_000, "USD") == "INSUFFICIENT_FUNDS"
    assert world.refuse("ann", Withdraw, "ann", 10_000, "USD") == "NOT_OPERATOR"


def test_the_same_key_gives_the_same_answer(world) -> None:
    world.give("m1")
    world.offer("o1")
    accept = AcceptOffer("once", "o1", 1, "m1")
    first = world.ask("ann", accept)
    assert first.ok
    length = world.rails.state.head["seq"]
    assert world.ask("ann", accept) == first
    assert world.rails.state.head["seq"] == length
    assert world.ask("ann", AcceptOffer("once", "o1", 2, "m1")).code == "KEY_REUSED"
    assert world.ask("ann", CancelDeal("once", "o1")).code == "KEY_REUSED"
    assert world.ask("ben", AcceptOffer("once", "o1", 1, "m1")).code == "NOT_THE_BUYER"


def test_a_refusal_is_remembered_too(world) -> None:
    """Whoever lost the refusal's reply reads it again, even where the command would pass by now."""
    world.offer("o1")
    accept = AcceptOffer("once", "o1", 1, "m1")
    assert world.ask("ann", accept).code == "UNKNOWN_MANDATE"
    world.give("m1")
    assert world.ask("ann", accept).code == "UNKNOWN_MANDATE"
    assert world.ask("ann", AcceptOffer("twice", "o1", 1, "m1")).ok


def test_everything_is_rebuilt_from_the_log(place, world) -> None:
    world.give("m1")
    for number, until in enumerate(("held", "voided", "delivered", "settled", "disputed", "resolved")):
        world.deal(f"o{number}", "m1", until=until)
    accept = AcceptOffer("lost", "o0", 1, "m1")
    answer = world.ask("ann", accept)
    before, digest, state = world.balances(), world.rails.log_hash(), world.rails.state
    world.rails.close()
    with place.open() as again:
        assert again.log_hash() == digest
        assert again.state.deals == state.deals
        assert again.state.offers == state.offers
        assert again.state.spent == state.spent
        assert again.state.rules == state.rules
        world.rails = again
        assert world.balances() == before
        world.sessions["ann"] = again.hosted_session("ann")
        assert world.ask("ann", accept) == answer
        assert replay(again.entries(), until=5).head["seq"] == 5


def test_the_log_is_a_chain(world) -> None:
    world.give("m1")
    entries = list(world.rails.entries())
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    for before, after in pairwise(entries):
        assert before.digest.encode() in after.payload
    assert list(world.rails.entries(after=len(entries) - 2)) == entries[-2:]


def test_rules_change_by_an_entry(place) -> None:
    with place.open(fee_bps=200) as rails:
        first = rails.state.head["seq"]
    with place.open() as rails:
        assert (rails.state.rules.fee_bps, rails.state.head["seq"]) == (200, first)
    with place.open(fee_bps=300) as rails:
        assert (rails.state.rules.fee_bps, rails.state.head["seq"]) == (300, first + 1)
    with pytest.raises(InputError, match="rules"):
        place.open(fee_bps=-1)


def test_a_second_writer_is_refused(place) -> None:
    with place.open(), pytest.raises(StoreBusyError, match="only one may"):
        place.open()
    place.open().close()


def test_closed_rails_stay_closed(world) -> None:
    world.rails.close()
    with pytest.raises(RailsClosedError):
        world.offer("o1")


def test_a_failed_commit_closes_the_rails(place, world) -> None:
    """The state in memory is ahead of the store then: nothing may be answered from it."""
    world.offer("o1")
    before = world.rails.log_hash()

    def fail(name: str) -> None:
        if name.startswith("store.commit"):
            raise RuntimeError("the disk is gone")

    world.rails.close()
    rails = place.open()
    object.__setattr__(rails, "fault", fail)
    world.rails = rails
    world.sessions["shop"] = rails.hosted_session("shop")
    with pytest.raises((RuntimeError, HeadwayError)):
        world.do("shop", WithdrawOffer, "o1")
    with pytest.raises(RailsClosedError):
        world.do("shop", WithdrawOffer, "o1")
    with place.open() as again:
        assert again.log_hash() in (before, rails.log_hash())


@pytest.mark.parametrize("at_us", [-1, 2**63, 1.5, True, None])
def test_time_is_whole_microseconds(memory_world, at_us: object) -> None:
    with pytest.raises(InputError, match="at_us"):
        memory_world.rails.submit_many([], at_us=at_us)


def test_time_never_goes_back(memory_world) -> None:
    memory_world.now = 5_000
    memory_world.offer("o1")
    memory_world.now = 4_000
    memory_world.offer("o2")
    assert memory_world.rails.state.head["now_us"] == 5_000


def test_yen_have_no_cents(memory_world) -> None:
    world = memory_world
    assert world.refuse("operator", Deposit, "ann", 500_000, "JPY") == "AMOUNT_NOT_WHOLE"
    world.do("operator", Deposit, "ann", 5_000_000, "JPY")
    assert world.rails.balance("ann", "JPY") == 5_000_000
    assert (
        world.refuse("shop", MakeOffer, "o1", "shop-list", "ann", (("ink", 5),), 5, "USD", 10**9) == "AMOUNT_NOT_WHOLE"
    )


GOLDEN = "9706be759e021619fdb16261fa7ba0e4ff0ad440f23b375e6a8ce98f586233fc"


def test_the_log_of_one_story_is_the_same_to_the_byte(world) -> None:
    """Logs written by earlier versions must stay readable: another spelling of any entry would be another ledger."""
    world.give("m1", total=30 * TOTAL)
    for fate in ("held", "voided", "delivered", "settled", "disputed", "resolved"):
        world.deal(fate, "m1", until=fate)
    assert world.refuse("ann", AcceptOffer, "held", 1, "m1") == "ALREADY_ACCEPTED"
    world.do("operator", BillCompute, "ann", 17, 1_550, 900, 115, 3)
    world.do("operator", Withdraw, "shop", 10_000, "USD")
    world.tick(40 * 86_400_000_000)
    assert world.rails.log_hash() == GOLDEN
