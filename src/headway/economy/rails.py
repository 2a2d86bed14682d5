"""The rails: sessions in front, the state machine inside, a store behind. No answer leaves before its group is durable.

There is one writer. Callers on many threads are grouped: whoever gets the turn takes everything that waits, executes
it in order, and commits it in one transaction (group commit). When a commit fails, nothing of the group was answered
and the state in memory is ahead of the store, so the rails close themselves: open them again from the log.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from types import TracebackType
from typing import Any, Final, NamedTuple, TypeAlias

from headway.economy.accounts import OPERATOR, account
from headway.economy.commands import Command, Configure
from headway.economy.entries import Entry
from headway.economy.keys import verify
from headway.economy.machine import execute, refused
from headway.economy.money import LARGEST
from headway.economy.refusals import Refusal
from headway.economy.replay import replay
from headway.economy.state import Deal, Listing, Offer, Reply, State, deal_rows
from headway.economy.store import Fault, Group, Store, StoreError
from headway.facts.errors import InputError, RangeError

LARGEST_GROUP: Final = 100
"""Commands of concurrent callers in one transaction."""

CHALLENGE: Final = b"headway-session-1 "


class Session(NamedTuple):
    """A verified agent's way in; worthless on other rails, and when made by hand."""

    agent_id: str
    token: bytes


Asked: TypeAlias = tuple[Session, Command]


class _Ticket(NamedTuple):
    asked: Asked
    at_us: int
    answers: list[Reply]


class RailsClosedError(StoreError):
    """Rails that were closed, or that closed themselves when a commit failed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: these rails are closed; open them again from the log")


@dataclass(frozen=True, slots=True)
class Rails:
    """A market's money and deals. Made by :func:`open_rails`; used in a ``with`` block.

    Parameters
    ----------
    store : Store
        Where groups become durable.
    state : State
        Read it freely on the thread that submits; never change it.
    fault : callable, optional
        Called with the name of each point at which a process may die.
    """

    store: Store
    state: State
    fault: Fault | None = None
    _sessions: dict[bytes, str] = field(default_factory=dict)
    _challenges: dict[str, bytes] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _waiting: list[_Ticket] = field(default_factory=list)
    _closed: list[bool] = field(default_factory=list)

    def __enter__(self) -> Rails:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close rails and store; again does nothing."""
        with self._turn:
            self._closed.append(True)
            self.store.close()

    def challenge(self, agent_id: str) -> bytes:
        """Bytes that an agent signs to open a session, good once; the same again until they are used.

        Anyone may ask for anyone's: so asking voids nothing, and nothing is kept for names without an account.
        """
        message = CHALLENGE + self.state.rules.audience.encode() + b" " + secrets.token_bytes(32)
        return self._challenges.setdefault(agent_id, message) if agent_id in self.state.agents else message

    def session(self, agent_id: str, signature: bytes) -> Session | Refusal:
        """Open a session for whoever signed the challenge with the agent's key.

        Returns
        -------
        Session or Refusal
            A refusal where there is no such agent, no challenge, or another signature; the challenge stays then.
        """
        agent, message = self.state.agents.get(agent_id), self._challenges.get(agent_id)
        if agent is None:
            return Refusal.UNKNOWN_AGENT
        if message is None or not verify(agent.algorithm, agent.public_key, message, signature):
            return Refusal.BAD_SIGNATURE
        # Of two that present one signature at once, one finds it used.
        if self._challenges.pop(agent_id, None) != message:
            return Refusal.BAD_SIGNATURE
        return self._admit(agent_id)

    def operator_session(self) -> Session:
        """Session of the platform itself, for the process that holds the rails."""
        return self._admit(OPERATOR)

    def hosted_session(self, agent_id: str) -> Session | Refusal:
        """Session of an agent that lives in this very process, as in a simulation: nobody to authenticate."""
        return self._admit(agent_id) if agent_id in self.state.agents else Refusal.UNKNOWN_AGENT

    def _admit(self, agent_id: str) -> Session:
        token = secrets.token_bytes(16)
        self._sessions[token] = agent_id
        return Session(agent_id, token)

    def submit_many(self, commands: Iterable[tuple[Session, Command]], *, at_us: int) -> list[Reply]:
        """Answer commands in order; all of them become durable in one transaction before this returns.

        Parameters
        ----------
        commands : iterable of (Session, Command)
            Any number.
        at_us : int
            Time of all of them [us].

        Returns
        -------
        list of Reply
            In the same order.

        Raises
        ------
        RailsClosedError
            Where the rails are closed.
        StoreError
            Where the commit failed: none of the commands is done.
        """
        _check_time(at_us)
        with self._turn:
            return self._group([(session, command) for session, command in commands], repeat(at_us))

    def submit(self, session: Session, command: Command, *, at_us: int) -> Reply:
        """Answer one command. Safe on many threads: those that wait at the same time share a transaction."""
        _check_time(at_us)
        ticket = _Ticket((session, command), at_us, [])
        self._waiting.append(ticket)
        with self._turn:
            while not ticket.answers:
                batch = self._waiting[:LARGEST_GROUP]
                del self._waiting[: len(batch)]
                replies = self._group([one.asked for one in batch], [one.at_us for one in batch])
                for one, reply in zip(batch, replies, strict=True):
                    one.answers.append(reply)
        return ticket.answers[0]

    def _group(self, asked: Sequence[Asked], times: Iterable[int]) -> list[Reply]:
        if self._closed:
            raise RailsClosedError(self.store.name)
        done = False
        try:
            replies, entries = self._execute(asked, times)
            if entries:
                self.store.append(_changes(self.state, entries), self.fault)
                if self.fault is not None:
                    self.fault("rails.reply")
            done = True
        finally:
            if not done:
                self._closed.append(True)
                self.store.close()
        return replies

    def _execute(self, asked: Sequence[Asked], times: Iterable[int]) -> tuple[list[Reply], list[Entry]]:
        state, fault, sessions = self.state, self.fault, self._sessions
        replies: list[Reply] = []
        entries: list[Entry] = []
        for (session, command), at_us in zip(asked, times):  # noqa: B905 - times may have no end
            sender = sessions.get(session.token) if type(session) is Session else None
            if sender is None or sender != session.agent_id:
                replies.append(refused(Refusal.UNKNOWN_SESSION))
                continue
            if fault is not None:
                fault("rails.received")
            reply, entry = execute(state, sender, command, at_us)
            if entry is not None:
                entries.append(entry)
            if fault is not None:
                fault("rails.executed")
            replies.append(reply)
        return replies, entries

    def balance(self, agent_id: str, currency: str, kind: str = "wallet") -> int:
        """Balance of one of an agent's accounts [micros]: wallet, held or merchant."""
        return self.state.ledger.balance(account(kind, currency, agent_id))

    def log_hash(self) -> str:
        """Digest of the last entry: equal digests, equal histories."""
        return self.state.head["digest"]

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Entries of the log after a position."""
        return self.store.entries(after)

    def offer(self, offer_id: str) -> Offer | None:
        """An offer as it stands."""
        return self.state.offers.get(offer_id)

    def deal(self, offer_id: str) -> Deal | None:
        """A deal as it stands."""
        return self.state.deals.get(offer_id)

    def listing(self, listing_id: str) -> Listing | None:
        """A listing as it stands."""
        return self.state.listings.get(listing_id)

    def room(self, mandate_id: str) -> int:
        """What is left of a mandate's total [micros]; 0 where there is none."""
        mandate = self.state.mandates.get(mandate_id)
        return 0 if mandate is None else mandate.total - self.state.spent[mandate_id][0]


def _changes(state: State, entries: list[Entry]) -> Group:
    """Entries, and the rows that they touched as they stand now."""
    accounts, deals = state.ledger.touched, state.touched
    group = Group(
        entries, [(name, debits, credits) for name, (debits, credits) in accounts.items()], deal_rows(deals.values())
    )
    accounts.clear()
    deals.clear()
    return group


def open_rails(
    store: Store,
    *,
    fee_bps: int | None = None,
    hold_timeout_us: int | None = None,
    confirm_timeout_us: int | None = None,
    dispute_window_us: int | None = None,
    audience: str | None = None,
    compute_currency: str | None = None,
    rack_micros_per_s: int | None = None,
    fault: Fault | None = None,
) -> Rails:
    """Take a store's lock, replay its log, and set the rules that differ from those in force.

    Parameters
    ----------
    store : Store
        From :func:`headway.economy.store.open_store`.
    fee_bps, hold_timeout_us, confirm_timeout_us, dispute_window_us, audience, compute_currency, rack_micros_per_s
        As in :class:`headway.economy.state.Rules`; None keeps what the log says, or the default where it is empty.
    fault : callable, optional
        For tests: called with the name of each point at which a process may die.

    Raises
    ------
    StoreBusyError
        Where another writer holds the store.
    ReplayError
        Where the log is broken.
    InputError
        Where a rule cannot be.

    Examples
    --------
    >>> from headway.economy.commands import OpenAccount
    >>> from headway.economy.keys import key_pair
    >>> from headway.economy.memory_store import memory_store
    >>> alice = key_pair(seed=b"alice")
    >>> with open_rails(memory_store(), fee_bps=200) as rails:
    ...     operator = rails.operator_session()
    ...     opened = rails.submit(
    ...         operator, OpenAccount("k1", "alice", "consumer", alice.public, "ed25519", None), at_us=0
    ...     )
    ...     session = rails.session("alice", alice.sign(rails.challenge("alice")))
    >>> opened.ok, session.agent_id
    (True, 'alice')
    """
    asked: dict[str, Any] = {
        "fee_bps": fee_bps,
        "hold_timeout_us": hold_timeout_us,
        "confirm_timeout_us": confirm_timeout_us,
        "dispute_window_us": dispute_window_us,
        "audience": audience,
        "compute_currency": compute_currency,
        "rack_micros_per_s": rack_micros_per_s,
    }
    store.open_writer()
    done = False
    try:
        state = replay(store.entries(), verify=False)
        state.head["fault"] = fault
        rails = Rails(store, state, fault)
        wanted = state.rules._replace(**{name: value for name, value in asked.items() if value is not None})
        if wanted != state.rules or not state.head["seq"]:
            command = Configure(f"rules-{state.head['seq'] + 1}", *wanted)
            reply = rails.submit(rails.operator_session(), command, at_us=state.head["now_us"])
            if not reply.ok:
                raise InputError("rules", wanted, "a fee of 0 to 10,000 bp, times and prices from 0, a known currency")
        done = True
    finally:
        if not done:
            store.close()
    return rails


def _check_time(at_us: object) -> None:
    if type(at_us) is not int or not 0 <= at_us <= LARGEST:
        raise RangeError("at_us", at_us, "whole microseconds from 0 to 2^63 - 1")
