"""Every abuse that a published marketplace took without complaint, and more: each refused by name, nothing moved."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from headway.economy.commands import (
    KINDS,
    AcceptOffer,
    BillCompute,
    CancelDeal,
    Configure,
    ConfirmDelivery,
    CounterOffer,
    Deliver,
    Deposit,
    MakeOffer,
    OpenAccount,
    OpenDispute,
    PublishListing,
    Resolve,
    RevokeMandate,
    SignMandate,
    Tick,
    Withdraw,
    WithdrawOffer,
)
from headway.economy.keys import key_pair
from headway.economy.mandates import Mandate, signing_bytes
from headway.economy.rails import Session
from headway.economy.refusals import Refusal
from headway.economy.shapes import refuse_shape

ITEMS = (('Chef\'s "special"; DROP TABLE entries; --', 20_000), ("ink", 30_000))
TOTAL = 50_000
LATER = 10**14
QUOTES = ("'", '"', "o'1", "' OR '1'='1", 'x"; DROP TABLE entries; --', "a\\", "a\x00b", "", "a b", "ü", "a" * 129)


def test_a_second_payment_of_the_same_offer(world) -> None:
    world.give("m1")
    world.deal("o1", "m1")
    assert world.refuse("ann", AcceptOffer, "o1", 1, "m1") == "ALREADY_ACCEPTED"
    assert world.refuse("ann", ConfirmDelivery, "o1") == "ALREADY_SETTLED"
    assert world.refuse("shop", Deliver, "o1") == "ALREADY_SETTLED"
    assert world.refuse("ann", CancelDeal, "o1") == "ALREADY_SETTLED"


def test_payment_of_an_expired_offer(world) -> None:
    world.give("m1")
    world.offer("o1", expires_us=2_000)
    world.now = 2_001
    assert world.refuse("ann", AcceptOffer, "o1", 1, "m1") == "OFFER_EXPIRED"
    assert world.refuse("shop", MakeOffer, "o2", "shop-list", "ann", ITEMS, TOTAL, "USD", 2_000) == "OFFER_EXPIRED"


def test_payment_by_an_agent_the_offer_was_not_made_to(world) -> None:
    world.give("m1")
    world.give("m2", agent="ben")
    world.offer("o1", buyer="ann")
    assert world.refuse("ben", AcceptOffer, "o1", 1, "m2") == "NOT_THE_BUYER"
    assert world.refuse("ben", AcceptOffer, "o1", 1, "m1") == "NOT_THE_BUYER"
    assert world.refuse("shop", AcceptOffer, "o1", 1, "m1") == "NOT_THE_BUYER"
    assert world.refuse("operator", AcceptOffer, "o1", 1, "m1") == "NOT_THE_BUYER"


def test_a_forged_sender(world) -> None:
    """No command has a sender: it is the session, and a session cannot be made by hand or borrowed by name."""
    for kind in KINDS.values():
        assert not {"sender", "from_agent_id", "from_agent"} & {one.name for one in dataclasses.fields(kind)}
    world.give("m1")
    world.offer("o1")
    accept = AcceptOffer("k", "o1", 1, "m1")
    forged = (
        Session("ann", b"guess"),
        Session("ann", world.sessions["ben"].token),
        world.sessions["ben"]._replace(agent_id="ann"),
        ("ann", world.sessions["ann"].token),
        None,
    )
    for session in forged:
        reply = world.rails.submit_many([(session, accept)], at_us=world.now)[0]
        assert reply.code == "UNKNOWN_SESSION"
    assert world.rails.deal("o1") is None


def test_a_forged_login(world) -> None:
    rails, ann, ben = world.rails, world.keys["ann"], world.keys["ben"]
    assert rails.session("ann", ben.sign(rails.challenge("ann"))) is Refusal.BAD_SIGNATURE
    assert rails.session("nobody", ben.sign(rails.challenge("nobody"))) is Refusal.UNKNOWN_AGENT
    captured = ann.sign(rails.challenge("ann"))
    assert rails.session("ann", captured).agent_id == "ann"
    assert rails.session("ann", captured) is Refusal.BAD_SIGNATURE
    assert rails.session("ann", b"") is Refusal.BAD_SIGNATURE
    ben_for_ben = ben.sign(rails.challenge("ben"))
    rails.challenge("ann")
    assert rails.session("ann", ben_for_ben) is Refusal.BAD_SIGNATURE
    assert world.rails.hosted_session("nobody") is Refusal.UNKNOWN_AGENT


def test_nobody_voids_the_login_of_another(world) -> None:
    rails, ann, ben = world.rails, world.keys["ann"], world.keys["ben"]
    challenge = rails.challenge("ann")
    assert rails.challenge("ann") == challenge
    for signature in (None, "x", b"", bytearray(64), ben.sign(challenge)):
        assert rails.session("ann", signature) is Refusal.BAD_SIGNATURE
    assert rails.session("ann", ann.sign(challenge)).agent_id == "ann"
    assert rails.challenge("ann") != challenge
    kept = len(rails._challenges)
    for number in range(100):
        rails.challenge(f"nobody-{number}")
    assert len(rails._challenges) == kept


def test_an_offer_forged_in_a_business_name(world) -> None:
    fields = ("shop-list", "ann", ITEMS, TOTAL, "USD", LATER)
    assert world.refuse("mart", MakeOffer, "o1", *fields) == "FORGED_OFFER"
    assert world.refuse("ann", MakeOffer, "o1", *fields) == "FORGED_OFFER"
    world.offer("o1")
    assert world.refuse("mart", MakeOffer, "o1", "mart-list", *fields[1:]) == "OFFER_EXISTS"
    assert world.refuse("mart", CounterOffer, "o1", 1, ITEMS, TOTAL, LATER) == "NOT_A_PARTY"
    assert world.refuse("mart", WithdrawOffer, "o1") == "NOT_A_PARTY"
    assert world.refuse("mart", PublishListing, "shop-list", ITEMS, "USD", "", ()) == "LISTING_OF_ANOTHER"
    assert world.refuse("ann", PublishListing, "mine", ITEMS, "USD", "", ()) == "NOT_A_BUSINESS"
    assert world.refuse("shop", CounterOffer, "o1", 1, ITEMS, TOTAL, LATER) == "AWAITS_BUYER"


BAD_TOTALS = {
    "negative": ((("ink", -5_000_000),), -5_000_000, "AMOUNT_NOT_POSITIVE"),
    "negative item in a positive total": ((("ink", 90_000), ("ink", -40_000)), 50_000, "AMOUNT_NOT_POSITIVE"),
    "zero": ((("ink", 0),), 0, "AMOUNT_NOT_POSITIVE"),
    "total beyond 64 bits": ((("ink", 2**63),), 2**63, "AMOUNT_OVERFLOWS"),
    "sum beyond 64 bits": ((("ink", 2**62), ("ink", 2**62)), 2**63, "AMOUNT_OVERFLOWS"),
    "sum wraps to a small total": ((("ink", 2**63 - 1), ("ink", 2**63 - 1), ("ink", 2)), 0, "AMOUNT_NOT_POSITIVE"),
    "items sum to less": ((("ink", 30_000),), 50_000, "ITEMS_DO_NOT_SUM"),
    "items sum to more": ((("ink", 60_000),), 50_000, "ITEMS_DO_NOT_SUM"),
    "no items": ((), 50_000, "MALFORMED"),
    "half a cent": ((("ink", 5_000),), 5_000, "AMOUNT_NOT_WHOLE"),
    "a float": ((("ink", 5e4),), 5e4, "MALFORMED"),
    "a flag": ((("ink", True),), True, "MALFORMED"),
    "text": ((("ink", "50000"),), "50000", "MALFORMED"),
    "nothing": ((("ink", None),), None, "MALFORMED"),
    "an item that is not sold": ((("gold", 50_000),), 50_000, "UNKNOWN_ITEM"),
}


@pytest.mark.parametrize("case", BAD_TOTALS)
def test_totals_that_cannot_be(world, case: str) -> None:
    items, total, name = BAD_TOTALS[case]
    assert world.refuse("shop", MakeOffer, "o1", "shop-list", "ann", items, total, "USD", LATER) == name
    world.offer("o2")
    assert world.refuse("ann", CounterOffer, "o2", 1, items, total, LATER) == name


def test_balances_beyond_64_bits(world) -> None:
    most = (2**63 - 1) // 10_000 * 10_000
    assert world.refuse("operator", Deposit, "ann", most, "USD") == "AMOUNT_OVERFLOWS"
    world.do("operator", Deposit, "ann", most, "EUR")
    assert world.refuse("operator", Deposit, "ann", 10_000, "EUR") == "AMOUNT_OVERFLOWS"
    assert world.refuse("operator", Deposit, "ann", -10_000, "EUR") == "AMOUNT_NOT_POSITIVE"


def test_a_reserve_price_is_nowhere_to_leak_from(world) -> None:
    """The rails are never told one: no command has such a field, and a listing has only what was published."""
    words = re.compile("reserve|min_price|floor|cost")
    for kind in KINDS.values():
        assert not [one.name for one in dataclasses.fields(kind) if words.search(one.name)]
    listing = world.rails.listing("shop-list")
    assert set(listing._fields) == {"listing_id", "seller", "items", "currency", "text", "tags", "names"}


COMMANDS = {
    "configure": ("operator", Configure("k", 0, 1, 1, 1, "here", "USD", 0)),
    "open_account": (
        "operator",
        OpenAccount("k", "new", "consumer", key_pair(seed=b"new").public, "ed25519", "ursula"),
    ),
    "deposit": ("operator", Deposit("k", "ann", 10_000, "USD")),
    "withdraw": ("operator", Withdraw("k", "ann", 10_000, "USD")),
    "bill_compute": ("operator", BillCompute("k", "ann", 1, 1, 1, 1, 1)),
    "publish_listing": ("shop", PublishListing("k", "list", ITEMS, "USD", "text", ("tag",))),
    "sign_mandate": (
        "ann",
        SignMandate("k", Mandate("m", "ursula", "ann", 1, 1, "USD", 0, 1, ("shop",), ("ink",), True, "n"), b"x"),
    ),
    "revoke_mandate": ("ursula", RevokeMandate("k", "m1")),
    "make_offer": ("shop", MakeOffer("k", "o", "shop-list", "ann", ITEMS, TOTAL, "USD", LATER)),
    "counter_offer": ("ann", CounterOffer("k", "o1", 1, ITEMS, TOTAL, LATER)),
    "withdraw_offer": ("ann", WithdrawOffer("k", "o1")),
    "accept_offer": ("ann", AcceptOffer("k", "o1", 1, "m1")),
    "deliver": ("shop", Deliver("k", "o1")),
    "confirm_delivery": ("ann", ConfirmDelivery("k", "o1")),
    "cancel_deal": ("ann", CancelDeal("k", "o1")),
    "open_dispute": ("ann", OpenDispute("k", "o1", "evidence")),
    "resolve": ("operator", Resolve("k", "o1", 0, "reason")),
    "tick": ("operator", Tick("k")),
}
FREE_TEXT = {"text", "evidence", "reason", "tags", "items"}


def test_every_command_is_tried() -> None:
    assert set(COMMANDS) == set(KINDS)


@pytest.mark.parametrize("kind", COMMANDS)
def test_quotes_in_every_string_field(world, kind: str) -> None:
    """Identifiers with a quote are refused by name; free text is data, kept to the letter and never part of SQL."""
    world.give("m1")
    world.offer("o1")
    sender, command = COMMANDS[kind]
    before = len(list(world.rails.entries()))
    for one in dataclasses.fields(command):
        value = getattr(command, one.name)
        if one.name in FREE_TEXT or isinstance(value, int | bytes):
            continue
        for bad in QUOTES:
            if isinstance(value, Mandate):
                names = [n for n in Mandate.__dataclass_fields__ if isinstance(getattr(value, n), str)]
                bodies = [dataclasses.replace(value, **{name: bad}) for name in names]
                bodies.append(dataclasses.replace(value, merchants=(bad,)))
            else:
                bodies = [bad]
            for body in bodies:
                forged = dataclasses.replace(command, **{one.name: body})
                reply = world.ask(sender, forged)
                assert reply.code in ("BAD_IDENTIFIER", "UNKNOWN_CURRENCY", "MALFORMED"), (one.name, bad, reply)
    assert len(list(world.rails.entries())) == before


@pytest.mark.parametrize("kind", COMMANDS)
def test_fields_of_another_type(memory_world, kind: str) -> None:
    sender, command = COMMANDS[kind]
    for one in dataclasses.fields(command):
        for bad in (None, 1.5, object(), ["a"], {"a": 1}, (1,), b"", True):
            if isinstance(getattr(command, one.name), bytes) and isinstance(bad, bytes) and bad:
                continue
            if one.name == "user" and bad is None:
                continue
            reply = memory_world.ask(sender, dataclasses.replace(command, **{one.name: bad}))
            assert reply.code == "MALFORMED", (one.name, bad, reply)
    reply = memory_world.rails.submit(memory_world.sessions[sender], object(), at_us=1)
    assert reply.code == "UNKNOWN_COMMAND"


def test_free_text_is_data(place, world) -> None:
    texts = ["'; DROP TABLE entries; --", '"', "\\", "\u0000", "\u2028 ü 🦀", "%s %(x)s ? :1", "</script>"]
    for number, text in enumerate(texts):
        world.do("shop", PublishListing, f"list{number}", ((text, 10_000),), "USD", text, (text,))
    assert world.refuse("shop", PublishListing, "x", ITEMS, "USD", "\ud800", ()) == "BAD_TEXT"
    assert world.refuse("shop", PublishListing, "x", ITEMS, "USD", "a" * 20_001, ()) == "BAD_TEXT"
    world.rails.close()
    with place.open() as again:
        for number, text in enumerate(texts):
            listing = again.listing(f"list{number}")
            assert (listing.text, listing.tags, listing.items) == (text, (text,), ((text, 10_000),))


class TestMandates:
    """A captured or altered mandate is worthless, and an honest one binds whatever the agent was talked into."""

    def test_sent_again(self, world) -> None:
        mandate = world.mandate("m1")
        command = SignMandate("captured", mandate, world.sign(mandate))
        first = world.ask("ann", command)
        assert first.ok
        assert world.ask("ann", command) == first
        assert world.refuse("ann", SignMandate, mandate, command.signature) == "MANDATE_EXISTS"
        assert world.refuse("ursula", SignMandate, mandate, command.signature) == "MANDATE_EXISTS"

    def test_sent_by_another(self, world) -> None:
        mandate = world.mandate("m1")
        assert world.refuse("ben", SignMandate, mandate, world.sign(mandate)) == "NOT_YOURS"
        world.give("m1")
        world.offer("o1", buyer="ben")
        assert world.refuse("ben", AcceptOffer, "o1", 1, "m1") == "MANDATE_OF_ANOTHER"

    @pytest.mark.parametrize(
        "change",
        [
            {"nonce": "another"},
            {"mandate_id": "m2"},
            {"total": 10**12},
            {"per_deal": 10**12},
            {"merchants": ("mart",)},
            {"merchants": None},
            {"not_after_us": 10**16},
            {"currency": "EUR"},
            {"single_use": False},
        ],
    )
    def test_altered_after_signing(self, world, change: dict) -> None:
        mandate = world.mandate("m1", merchants=("shop",), single_use=True)
        forged = dataclasses.replace(mandate, **change)
        assert world.refuse("ann", SignMandate, forged, world.sign(mandate)) == "BAD_SIGNATURE"

    def test_given_to_another_agent(self, world) -> None:
        mandate = world.mandate("m1")
        stolen = dataclasses.replace(mandate, agent="ben")
        assert world.refuse("ben", SignMandate, stolen, world.sign(mandate)) == "BAD_SIGNATURE"

    def test_signed_by_another(self, world) -> None:
        mandate = world.mandate("m1")
        own = world.keys["ann"].sign(signing_bytes(mandate, "headway"))
        assert world.refuse("ann", SignMandate, mandate, own) == "BAD_SIGNATURE"
        assert world.refuse("ann", SignMandate, mandate, bytes(64)) == "BAD_SIGNATURE"
        assert world.refuse("ann", SignMandate, mandate, b"short") == "BAD_SIGNATURE"

    def test_captured_on_another_ledger(self, world) -> None:
        mandate = world.mandate("m1")
        assert world.refuse("ann", SignMandate, mandate, world.sign(mandate, "elsewhere")) == "BAD_SIGNATURE"

    def test_same_nonce_again(self, world) -> None:
        world.give("m1", nonce="n")
        second = world.mandate("m2", nonce="n")
        assert world.refuse("ann", SignMandate, second, world.sign(second)) == "MANDATE_EXISTS"

    def test_es256_too(self, world) -> None:
        world.join("vera", "user", "es256")
        world.join("dan", "consumer", user="vera")
        world.give("m1", user="vera", agent="dan")
        mandate = world.mandate("m2", user="vera", agent="dan")
        signature = bytearray(world.sign(mandate))
        signature[40] ^= 1
        assert world.refuse("dan", SignMandate, mandate, bytes(signature)) == "BAD_SIGNATURE"

    @pytest.mark.parametrize("signer", ["shop", "ben", "ann", "vera"])
    def test_signed_by_someone_else_than_the_agents_own_user(self, world, signer: str) -> None:
        world.join("vera", "user")
        mandate = world.mandate("m1", user=signer, per_deal=10**15, total=10**15)
        for sender in {signer, "ann"}:
            assert world.refuse(sender, SignMandate, mandate, world.sign(mandate)) == "NOT_YOURS"

    @pytest.mark.parametrize(
        ("limits", "name"),
        [
            ({"per_deal": TOTAL - 10_000}, "MANDATE_PER_DEAL"),
            ({"total": TOTAL - 10_000}, "MANDATE_TOTAL"),
            ({"merchants": ("mart",)}, "MANDATE_MERCHANT"),
            ({"items": ("ink",)}, "MANDATE_ITEM"),
            ({"currency": "EUR"}, "MANDATE_CURRENCY"),
            ({"not_before_us": 5_000}, "MANDATE_NOT_YET"),
            ({"not_after_us": 2_000}, "MANDATE_EXPIRED"),
        ],
    )
    def test_overstepped(self, world, limits: dict, name: str) -> None:
        world.give("m1", **limits)
        world.offer("o1")
        world.now = 3_000
        assert world.refuse("ann", AcceptOffer, "o1", 1, "m1") == name
        assert world.refuse("ann", AcceptOffer, "o1", 1, "none") == "UNKNOWN_MANDATE"

    def test_used_up(self, world) -> None:
        world.give("m1", single_use=True)
        world.give("m2", total=2 * TOTAL)
        for number, (mandate, name) in enumerate([("m1", "MANDATE_USED"), ("m2", "MANDATE_TOTAL")]):
            world.deal(f"a{number}", mandate)
            if mandate == "m2":
                world.deal("b", mandate)
            world.offer(f"c{number}")
            assert world.refuse("ann", AcceptOffer, f"c{number}", 1, mandate) == name

    def test_revoked(self, world) -> None:
        """Only its user ends it; what was accepted before goes on."""
        world.give("m1")
        world.deal("o1", "m1", until="held")
        assert world.refuse("ann", RevokeMandate, "m1") == "NOT_YOURS"
        assert world.refuse("ursula", RevokeMandate, "none") == "UNKNOWN_MANDATE"
        world.do("ursula", RevokeMandate, "m1")
        assert world.refuse("ursula", RevokeMandate, "m1") == "MANDATE_REVOKED"
        world.offer("o2")
        assert world.refuse("ann", AcceptOffer, "o2", 1, "m1") == "MANDATE_REVOKED"
        world.do("shop", Deliver, "o1")

    def test_of_nothing(self, world) -> None:
        for limits in ({"not_after_us": 1}, {"merchants": ()}, {"items": ()}, {"not_before_us": 10, "not_after_us": 9}):
            mandate = world.mandate("m1", **limits)
            assert world.refuse("ann", SignMandate, mandate, world.sign(mandate)) == "MANDATE_EMPTY"

    def test_of_nobody(self, world) -> None:
        mandate = world.mandate("m1", agent="nobody")
        assert world.refuse("ursula", SignMandate, mandate, world.sign(mandate)) == "UNKNOWN_AGENT"


def test_roles(world) -> None:
    world.give("m1")
    world.deal("o1", "m1", until="held")
    assert world.refuse("mart", Deliver, "o1") == "NOT_THE_SELLER"
    assert world.refuse("ann", Deliver, "o1") == "NOT_THE_SELLER"
    assert world.refuse("shop", ConfirmDelivery, "o1") == "NOT_THE_BUYER"
    assert world.refuse("ann", ConfirmDelivery, "o1") == "NOT_DELIVERED"
    assert world.refuse("ben", CancelDeal, "o1") == "NOT_A_PARTY"
    assert world.refuse("ann", OpenDispute, "o1", "") == "NOT_DELIVERED"
    assert world.refuse("ben", OpenDispute, "o1", "") == "NOT_THE_BUYER"
    world.do("shop", Deliver, "o1")
    assert world.refuse("shop", Deliver, "o1") == "ALREADY_DELIVERED"
    assert world.refuse("ann", CancelDeal, "o1") == "ALREADY_DELIVERED"
    assert world.refuse("shop", Resolve, "o1", TOTAL, "to me") == "NOT_OPERATOR"
    assert world.refuse("operator", Resolve, "o1", TOTAL, "to her") == "NOT_DISPUTED"
    world.do("ann", OpenDispute, "o1", "broken")
    assert world.refuse("shop", CancelDeal, "o1") == "DISPUTED"
    assert world.refuse("operator", Resolve, "o1", TOTAL + 10_000, "more") == "REFUND_TOO_LARGE"
    assert world.refuse("operator", Resolve, "o1", 1, "a bit") == "AMOUNT_NOT_WHOLE"


@pytest.mark.parametrize("kind", [k for k, (sender, _) in COMMANDS.items() if sender == "operator"])
def test_only_the_operator(memory_world, kind: str) -> None:
    reply = memory_world.ask("ann", dataclasses.replace(COMMANDS[kind][1], key="mine"))
    assert reply.code == "NOT_OPERATOR"


def test_accounts(world) -> None:
    key = key_pair(seed=b"eve").public
    assert world.refuse("operator", OpenAccount, "operator", "business", key, "ed25519", None) == "RESERVED_NAME"
    assert world.refuse("operator", OpenAccount, "ann", "business", key, "ed25519", None) == "ACCOUNT_EXISTS"
    assert world.refuse("operator", OpenAccount, "eve", "business", b"no key", "ed25519", None) == "BAD_KEY"
    assert world.refuse("operator", OpenAccount, "eve", "business", key, "es256", None) == "BAD_KEY"
    assert world.refuse("operator", OpenAccount, "eve", "consumer", key, "ed25519", "vera") == "UNKNOWN_AGENT"
    assert world.refuse("operator", OpenAccount, "eve", "consumer", key, "ed25519", "ann") == "NOT_A_USER"
    assert world.refuse("operator", OpenAccount, "eve", "user", key, "ed25519", "ursula") == "NOT_A_USER"
    assert world.refuse("operator", Deposit, "eve", 10_000, "USD") == "UNKNOWN_AGENT"
    assert world.refuse("operator", Deposit, "ann", 10_000, "XXX") == "UNKNOWN_CURRENCY"
    assert world.refuse("operator", BillCompute, "eve", 1, 1, 1, 1, 1) == "UNKNOWN_AGENT"


def test_who_cannot_buy(world) -> None:
    for buyer in ("ursula", "shop"):
        offer = ("o1", "shop-list", buyer, ITEMS, TOTAL, "USD", LATER)
        assert world.refuse("shop", MakeOffer, *offer) == "NOT_A_BUYER"
    world.offer("o1", seller="shop", buyer="mart")


def test_unknown_things(world) -> None:
    world.give("m1")
    assert world.refuse("shop", MakeOffer, "o1", "none", "ann", ITEMS, TOTAL, "USD", LATER) == "UNKNOWN_LISTING"
    assert world.refuse("shop", MakeOffer, "o1", "shop-list", "none", ITEMS, TOTAL, "USD", LATER) == "UNKNOWN_AGENT"
    assert world.refuse("shop", MakeOffer, "o1", "shop-list", "ann", ITEMS, TOTAL, "EUR", LATER) == "LISTING_CURRENCY"
    for sender, kind, fields in (
        ("ann", AcceptOffer, (1, "m1")),
        ("ann", CounterOffer, (1, ITEMS, TOTAL, LATER)),
        ("ann", WithdrawOffer, ()),
        ("shop", Deliver, ()),
        ("ann", ConfirmDelivery, ()),
        ("ann", CancelDeal, ()),
        ("ann", OpenDispute, ("",)),
        ("operator", Resolve, (0, "")),
    ):
        assert world.refuse(sender, kind, "none", *fields) == "UNKNOWN_OFFER"
    world.offer("o1")
    for sender, kind, fields in (("shop", Deliver, ()), ("ann", CancelDeal, ()), ("operator", Resolve, (0, ""))):
        assert world.refuse(sender, kind, "o1", *fields) == "NO_DEAL"


def test_an_empty_wallet(world) -> None:
    world.give("m1", per_deal=10**12, total=10**13)
    dear = (("ink", 2_000_000),)
    world.do("shop", MakeOffer, "o1", "shop-list", "ann", dear, 2_000_000, "USD", LATER)
    assert world.refuse("ann", AcceptOffer, "o1", 1, "m1") == "INSUFFICIENT_FUNDS"
    assert world.rails.room("m1") == 10**13


def test_an_injected_buyer_loses_no_more_than_its_mandate(world) -> None:
    """A redirected agent accepts whatever a hostile seller asks until it is refused."""
    world.give("m1", per_deal=TOTAL, total=3 * TOTAL, merchants=("shop", "mart"))
    for number in range(20):
        world.offer(f"o{number}", seller="mart")
        world.ask("ann", AcceptOffer(f"a{number}", f"o{number}", 1, "m1"))
    assert world.rails.balance("ann", "USD") == 1_000_000 - 3 * TOTAL


def test_every_refusal_has_its_sentence_and_its_test() -> None:
    """Names are an interface: each is explained once, and some test here or beside asks for it."""
    assert len({one.value for one in Refusal}) == len(Refusal)
    said = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert not [one.name for one in Refusal if f'"{one.name}"' not in said and f"Refusal.{one.name}" not in said]


def test_shapes_are_decided_by_the_command_alone() -> None:
    for sender, command in COMMANDS.values():
        assert sender
        assert refuse_shape(command) is None
