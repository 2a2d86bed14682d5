"""Random lives of a market on three stores at once: deals, refunds, timeouts, retries, crashes in any order."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from headway.economy.audit import audit
from headway.economy.commands import (
    AcceptOffer,
    BillCompute,
    CancelDeal,
    Command,
    ConfirmDelivery,
    Deliver,
    Deposit,
    MakeOffer,
    OpenAccount,
    OpenDispute,
    PublishListing,
    Resolve,
    SignMandate,
    Tick,
    Withdraw,
)
from headway.economy.keys import key_pair
from headway.economy.mandates import Mandate, signing_bytes
from headway.economy.rails import Rails
from headway.economy.state import Reply

KINDS = ("memory", "sqlite", "postgres")
DAY = 86_400_000_000
BUYERS, SELLERS = ("ann", "ben"), ("shop", "mart")
PRICES = tuple(10_000 * cents for cents in (1, 3, 5_000, 12_345))


class CrashError(Exception):
    """The process dies here."""


class Market(RuleBasedStateMachine):
    """Every command goes to three ledgers, which must answer alike and keep the same log."""

    new_place: Callable[[str], Any]

    @initialize(fee=st.sampled_from([0, 137, 10_000]), wait=st.sampled_from([0, DAY]))
    def begin(self, fee: int, wait: int) -> None:
        self.places = {kind: type(self).new_place(kind) for kind in KINDS}
        self.armed = ""
        self.rules = {"fee_bps": fee, "confirm_timeout_us": wait, "hold_timeout_us": DAY}
        self.rails: dict[str, Rails] = {kind: self.reopen(kind) for kind in KINDS}
        self.sent: list[tuple[str, Command, int, Reply]] = []
        self.offers: list[tuple[str, str, str]] = []
        self.now, self.count = 1, 0
        key = key_pair(seed=b"all")
        for name, role in (("user", "user"), *((b, "consumer") for b in BUYERS), *((s, "business") for s in SELLERS)):
            user = "user" if role == "consumer" else None
            self.send("operator", OpenAccount, name, role, key.public, "ed25519", user)
        for buyer in BUYERS:
            self.send("operator", Deposit, buyer, 300_000_000, "USD")
            mandate = Mandate(
                buyer, "user", buyer, 200_000_000, 250_000_000, "USD", 0, 40 * DAY, None, None, False, buyer
            )
            self.send(buyer, SignMandate, mandate, key.sign(signing_bytes(mandate, "headway")))
        for seller in SELLERS:
            self.send(seller, PublishListing, seller, (("pen", 10_000),), "USD", "", ())

    def reopen(self, kind: str) -> Rails:
        def fault(name: str) -> None:
            if name == self.armed:
                raise CrashError(name)

        return self.places[kind].open(**self.rules, fault=fault)

    def answer(self, kind: str, sender: str, command: Command, at_us: int) -> Reply:
        rails = self.rails[kind]
        way = rails.operator_session() if sender == "operator" else rails._admit(sender)
        return rails.submit(way, command, at_us=at_us)

    def send(self, sender: str, kind: Callable[..., Command], *fields: Any, crash: str = "") -> Reply:
        self.count += 1
        command = kind(f"k{self.count}", *fields)
        if crash:
            self.die(sender, command, crash)
        return self.everywhere(sender, command)

    def die(self, sender: str, command: Command, point: str) -> None:
        """The command goes out, the process dies before or after the commit, and comes up again."""
        for place in KINDS:
            self.armed = point
            with suppress(CrashError):
                self.answer(place, sender, command, self.now)
            self.armed = ""
            self.rails[place].close()
            self.rails[place] = self.reopen(place)

    def everywhere(self, sender: str, command: Command) -> Reply:
        replies = {self.answer(kind, sender, command, self.now) for kind in KINDS}
        assert len(replies) == 1, replies
        reply = replies.pop()
        self.sent.append((sender, command, self.now, reply))
        return reply

    points = st.sampled_from(["", "", "", "store.begin", "store.committed", "rails.executed", "rails.reply"])

    @rule(buyer=st.sampled_from(BUYERS), seller=st.sampled_from(SELLERS), price=st.sampled_from(PRICES), crash=points)
    def deal(self, buyer: str, seller: str, price: int, crash: str) -> None:
        offer_id = f"o{self.count}"
        expires = self.now + 2 * DAY
        if self.send(seller, MakeOffer, offer_id, seller, buyer, (("pen", price),), price, "USD", expires).ok:
            self.offers.append((offer_id, buyer, seller))
            self.send(buyer, AcceptOffer, offer_id, 1, buyer, crash=crash)

    @precondition(lambda self: self.offers)
    @rule(
        pick=st.integers(0, 30),
        step=st.sampled_from(
            [Deliver, ConfirmDelivery, ConfirmDelivery, CancelDeal, OpenDispute, Deliver, AcceptOffer]
        ),
        swap=st.booleans(),
        crash=points,
    )
    def step(self, pick: int, step: Any, swap: bool, crash: str) -> None:
        offer_id, buyer, seller = self.offers[-1 - pick % len(self.offers)]
        fields: tuple[Any, ...] = {OpenDispute: ("broken",), AcceptOffer: (1, buyer)}.get(step, ())
        sender = seller if (step is Deliver) is not (swap and step is CancelDeal) else buyer
        self.send(sender, step, offer_id, *fields, crash=crash)

    @precondition(lambda self: self.offers)
    @rule(pick=st.integers(0, 30), cents=st.sampled_from([0, 1, 2, 5_000]), crash=points)
    def refund(self, pick: int, cents: int, crash: str) -> None:
        offer_id, buyer, _ = self.offers[-1 - pick % len(self.offers)]
        self.send(buyer, OpenDispute, offer_id, "broken")
        self.send("operator", Resolve, offer_id, 10_000 * cents, "so be it", crash=crash)

    @rule(days=st.sampled_from([0, 1, 1, 3, 20]), crash=points)
    def time(self, days: int, crash: str) -> None:
        self.now += days * DAY + 1
        self.send("operator", Tick, crash=crash)

    @rule(agent=st.sampled_from((*BUYERS, *SELLERS)), micros=st.sampled_from([0, 17, 49_000_000]), crash=points)
    def bill(self, agent: str, micros: int, crash: str) -> None:
        self.send("operator", BillCompute, agent, micros, 1_550, 900, 115, 3, crash=crash)

    @rule(agent=st.sampled_from((*BUYERS, *SELLERS)), cents=st.sampled_from([1, 4_000]), crash=points)
    def pay_out(self, agent: str, cents: int, crash: str) -> None:
        self.send("operator", Withdraw, agent, 10_000 * cents, "USD", crash=crash)

    @rule(pick=st.integers(0, 200))
    def retry(self, pick: int) -> None:
        """Any earlier command again: the same answer, and nothing in the log."""
        sender, command, _, reply = self.sent[pick % len(self.sent)]
        before = self.rails["memory"].log_hash()
        for kind in KINDS:
            assert self.answer(kind, sender, command, self.now) == reply
        assert self.rails["memory"].log_hash() == before

    @invariant()
    def alike(self) -> None:
        if hasattr(self, "rails"):
            assert len({rails.log_hash() for rails in self.rails.values()}) == 1

    def teardown(self) -> None:
        if not hasattr(self, "rails"):
            return
        for kind, rails in self.rails.items():
            rails.close()
            store = self.places[kind].store()
            found = audit(store, verify=False)
            rows = sorted(store.account_rows()), sorted(store.deal_rows())
            store.close()
            assert found.holds, [one for one in found.invariants if not one.holds]
            if kind == "memory":
                expected = rows
            assert rows == expected


def test_random_lives_on_three_stores(new_place: Callable[[str], Any], postgres: str) -> None:
    machine = type("AnyMarket", (Market,), {"new_place": staticmethod(new_place)})
    quick = settings(
        max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
    )
    run_state_machine_as_test(machine, settings=quick)
