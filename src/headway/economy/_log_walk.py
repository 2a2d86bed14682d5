"""One pass over the log with plain sums, sharing no rule with the machine that wrote it: what an auditor adds up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from headway.economy.accounts import BELOW_ZERO, OPERATOR
from headway.economy.money import MICROS_PER_MAJOR
from headway.economy.state import Rules


@dataclass(frozen=True, slots=True)
class Walk:
    """Sums after the entries seen so far, and the worst that was ever seen.

    Parameters
    ----------
    sums : dict
        Debits and credits by account, from the moves alone [micros].
    worst : Counter
        By name of an invariant: the largest breach at any instant.
    where : dict
        By name of an invariant: the first entry that broke it.
    holds, closings : Counter
        By offer: times its price was held, times its hold was resolved.
    open : dict
        By offer: money that should be in held accounts, and its currency [micros].
    bound : Counter
        By currency: the sum of `open` [micros].
    spent : Counter
        By mandate: held or settled and not voided [micros].
    users : dict
        By account, as it was opened: its role, and the user whose mandates bind it.
    offers, limits : dict
        Last terms of each offer; limits of each mandate.
    accepted : dict
        By offer: mandate, price and currency of its deal.
    bills : Counter
        By measure: micros, rack_us, priced (bills under a price), and due (what that price asks).
    fees : Counter
        By currency: fees posted less fees given back [micros].
    keys : set
        Senders' client keys.
    last : dict
        Time of the last entry, and the rules in force.
    """

    sums: dict[str, list[int]] = field(default_factory=dict)
    worst: Counter[str] = field(default_factory=Counter)
    where: dict[str, int] = field(default_factory=dict)
    holds: Counter[str] = field(default_factory=Counter)
    closings: Counter[str] = field(default_factory=Counter)
    open: dict[str, tuple[int, str]] = field(default_factory=dict)
    bound: Counter[str] = field(default_factory=Counter)
    spent: Counter[str] = field(default_factory=Counter)
    users: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    offers: dict[str, tuple[int, str]] = field(default_factory=dict)
    limits: dict[str, dict[str, Any]] = field(default_factory=dict)
    accepted: dict[str, tuple[str, int, str]] = field(default_factory=dict)
    bills: Counter[str] = field(default_factory=Counter)
    fees: Counter[str] = field(default_factory=Counter)
    keys: set[tuple[str, str]] = field(default_factory=set)
    last: dict[str, Any] = field(default_factory=lambda: {"at_us": 0, "rules": Rules()})

    def breach(self, name: str, amount: int, seq: int) -> None:
        """Note a breach, if it is one."""
        if amount > 0:
            self.worst[name] = max(self.worst[name], amount)
            self.where.setdefault(name, seq)

    def see(self, record: dict[str, Any]) -> None:
        """Take one entry of the log."""
        seq, body = record["seq"], record["body"]
        self.breach("time-forward", self.last["at_us"] - record["at_us"], seq)
        self.last["at_us"] = record["at_us"]
        mark = (record["sender"], body["key"])
        self.breach("keys-once", int(mark in self.keys), seq)
        self.keys.add(mark)
        touched = self._move(record["moves"], seq)
        if record["code"] != "ok":
            self.breach("refusals-move-nothing", sum(move[2] for move in record["moves"]), seq)
            return
        self._note(record, body, seq)
        for currency in touched:
            self.breach("held-equals-holds", abs(self.held(currency) - self.bound[currency]), seq)

    def held(self, currency: str) -> int:
        """Money in held accounts of a currency [micros]."""
        return self.bound[f"held:{currency}"]

    def _move(self, moves: Iterable[tuple[str, str, int]], seq: int) -> set[str]:
        touched = set()
        for debit, credit, amount in moves:
            kind, currency, _ = debit.split(":", 2)
            to_kind, to_currency, _ = credit.split(":", 2)
            touched.add(currency)
            self.breach("one-currency-a-move", int(currency != to_currency) * amount, seq)
            self.breach("amounts-above-zero", int(amount <= 0), seq)
            giver, taker = self.sums.setdefault(debit, [0, 0]), self.sums.setdefault(credit, [0, 0])
            giver[0] += amount
            taker[1] += amount
            if kind not in BELOW_ZERO:
                self.breach("no-account-below-zero", giver[0] - giver[1], seq)
            self.bound[f"held:{currency}"] += amount * ((to_kind == "held") - (kind == "held"))
            self.fees[currency] += amount * ((to_kind == "fees") - (kind == "fees"))
        return touched

    def _note(self, record: dict[str, Any], body: dict[str, Any], seq: int) -> None:
        kind = record["kind"]
        if kind in ("make_offer", "counter_offer"):
            currency = body["currency"] if kind == "make_offer" else self.offers[body["offer_id"]][1]
            self.offers[body["offer_id"]] = (body["total"], currency)
        elif kind == "open_account":
            self.users[body["agent_id"]] = (body["role"], body["user"])
        elif kind == "sign_mandate":
            self.limits[body["mandate"]["mandate_id"]] = body["mandate"]
        elif kind == "revoke_mandate":
            self.limits[body["mandate_id"]] = self.limits[body["mandate_id"]] | {"not_after_us": -1}
        elif kind == "accept_offer":
            self._hold(body, record["sender"], record["at_us"], seq)
        elif kind in ("cancel_deal", "confirm_delivery", "tick") or (kind == "deliver" and record["moves"]):
            self._close(record["ids"], record["moves"], seq)
        elif kind == "open_dispute":
            self._freeze(body["offer_id"], record["moves"])
        elif kind == "resolve":
            self._resolve(body["offer_id"], seq)
        elif kind == "bill_compute":
            self._bill(body, record["moves"], seq)
        elif kind == "configure":
            self.last["rules"] = Rules(*(body[name] for name in Rules._fields))

    def _hold(self, body: dict[str, Any], sender: str, at_us: int, seq: int) -> None:
        offer_id, mandate = body["offer_id"], self.limits[body["mandate_id"]]
        total, currency = self.offers[offer_id]
        self.holds[offer_id] += 1
        self.breach("settles-once", self.holds[offer_id] - 1, seq)
        self._bind(offer_id, total, currency)
        self.accepted[offer_id] = (body["mandate_id"], total, currency)
        self.spent[body["mandate_id"]] += total
        self.breach("within-mandate", self.spent[body["mandate_id"]] - mandate["total"], seq)
        self.breach("within-mandate", total - mandate["per_deal"], seq)
        self.breach("within-mandate", int(not mandate["not_before_us"] <= at_us <= mandate["not_after_us"]), seq)
        # Whoever signs must be the user that the agent was opened with, and the agent the one that is named.
        own = mandate["agent"] == sender and self._user(sender) == mandate["user"]
        self.breach("within-mandate", 0 if own else total, seq)

    def _user(self, agent: str) -> str | None:
        """The user whose mandates bind an agent, if it is one."""
        _, user = self.users.get(agent, ("", None))
        role, _ = self.users.get(user or "", ("", None))
        return user if role == "user" else None

    def _bind(self, offer_id: str, amount: int, currency: str) -> None:
        before = self.open.get(offer_id, (0, currency))[0]
        self.open[offer_id] = (amount, currency)
        self.bound[currency] += amount - before

    def _close(self, ids: Iterable[str], moves: Iterable[tuple[str, str, int]], seq: int) -> None:
        """Holds that were posted or voided: their moves, in the same order, give the price on, all of it."""
        queue = iter(moves)
        for offer_id in ids:
            mandate, total, currency = self.accepted[offer_id]
            self.closings[offer_id] += 1
            self.breach("settles-once", self.closings[offer_id] - 1, seq)
            self._bind(offer_id, 0, currency)
            left, voided = total, False
            while left > 0:
                _, credit, amount = next(queue, ("", "", left + 1))
                left -= amount
                voided = credit.startswith("wallet:")
            self.breach("price-moves-whole", -left, seq)
            if voided:
                self.spent[mandate] -= total
        self.breach("price-moves-whole", sum(amount for _, _, amount in queue), seq)

    def _freeze(self, offer_id: str, moves: Iterable[tuple[str, str, int]]) -> None:
        """A dispute: what is set aside from a settled deal; a delivered one stays held as it is."""
        frozen = sum(amount for _, credit, amount in moves if credit.startswith("held:"))
        if self.closings[offer_id]:
            self._bind(offer_id, frozen, self.accepted[offer_id][2])

    def _resolve(self, offer_id: str, seq: int) -> None:
        if not self.closings[offer_id]:
            self.closings[offer_id] += 1
            self.breach("settles-once", self.closings[offer_id] - 1, seq)
        self._bind(offer_id, 0, self.accepted[offer_id][2])

    def _bill(self, body: dict[str, Any], moves: Iterable[tuple[str, str, int]], seq: int) -> None:
        self.bills["micros"] += body["micros"]
        self.bills["rack_us"] += body["rack_us"]
        self.bills["bills"] += 1
        price = self.last["rules"].rack_micros_per_s
        self.breach("compute-equals-bills", abs(sum(move[2] for move in moves) - body["micros"]), seq)
        if price:
            due = body["rack_us"] * price // MICROS_PER_MAJOR
            self.bills["priced"] += 1
            self.breach("compute-equals-rack", abs(due - body["micros"]), seq)


def compute_posted(walk: Walk) -> int:
    """Credits less debits of all compute accounts [micros].

    >>> compute_posted(Walk({"compute:USD:operator": [0, 5], "wallet:USD:a": [5, 9]}))
    5
    """
    return sum(s[1] - s[0] for name, s in walk.sums.items() if name.startswith("compute:") and name.endswith(OPERATOR))
