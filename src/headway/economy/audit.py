"""Whether a ledger's books hold: every invariant is one row, with what it says and by how much it fails.

Three things are compared that know nothing of each other: the moves in the log summed by an auditor that has no rules,
the log executed again by the machine, and the rows that the store keeps for readers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from headway.economy._log_walk import Walk, compute_posted
from headway.economy.entries import Entry
from headway.economy.replay import ReplayError, replay
from headway.economy.state import State, deal_rows
from headway.economy.store import AccountRow, DealRow, Store, StoredRowError


class Statement(NamedTuple):
    """What an invariant says, and the unit in which a breach is counted."""

    name: str
    says: str
    unit: str


STATEMENTS: Final = (
    Statement("replay-equals-log", "each entry follows the last, and executes to the same bytes", "1"),
    Statement("debits-equal-credits", "debits equal credits over all accounts, in each currency", "micros"),
    Statement("amounts-above-zero", "every move is of an amount above zero", "1"),
    Statement("one-currency-a-move", "no move leaves its currency", "micros"),
    Statement("refusals-move-nothing", "a refused command moves no money", "micros"),
    Statement("no-account-below-zero", "no account but cash was below zero at any instant", "micros"),
    Statement("settles-once", "each offer was held once at most, and resolved once at most", "1"),
    Statement("price-moves-whole", "posting or voiding a hold moves its whole price", "micros"),
    Statement("within-mandate", "spending kept within a mandate of the agent's own user at every instant", "micros"),
    Statement("held-equals-holds", "held accounts equalled the open holds at every instant", "micros"),
    Statement("fees-equal-deals", "the fees account holds the fees of the deals", "micros"),
    Statement("compute-equals-bills", "the compute account holds what the bills charge", "micros"),
    Statement("compute-equals-rack", "bills are rack time at its price, and cover all time sold", "micros, us"),
    Statement("keys-once", "no client key was answered twice", "1"),
    Statement("time-forward", "the log's time never goes back", "us"),
    Statement("rows-equal-accounts", "stored accounts are the sums of the moves", "micros"),
    Statement("rows-equal-deals", "stored deals are those of the replayed log", "1"),
)


@dataclass(frozen=True, slots=True)
class Invariant:
    """One invariant of one ledger.

    Parameters
    ----------
    name : str
        As in ``STATEMENTS``.
    says : str
        In words.
    holds : bool
        Whether it holds.
    residual : int
        The largest breach, 0 where it holds.
    unit : str
        Of the residual.
    detail : str
        What was compared, or where it first broke.
    """

    name: str
    says: str
    holds: bool
    residual: int
    unit: str
    detail: str


@dataclass(frozen=True, slots=True)
class Audit:
    """Every invariant of one ledger.

    Parameters
    ----------
    invariants : tuple of Invariant
        All of ``STATEMENTS``.
    entries : int
        Entries in the log.
    digest : str
        Digest of the last one.
    """

    invariants: tuple[Invariant, ...]
    entries: int
    digest: str

    @property
    def holds(self) -> bool:
        """Whether all of them hold."""
        return all(one.holds for one in self.invariants)


def audit(store: Store, *, verify: bool = True, rack_sold_us: int | None = None) -> Audit:
    """Check every invariant of a ledger.

    Parameters
    ----------
    store : Store
        Read, never written.
    verify : bool
        Whether the signatures of mandates are checked again too.
    rack_sold_us : int, optional
        Rack time that was sold according to whoever runs the racks [us]; where given, the bills must sum to it.

    Examples
    --------
    >>> from headway.economy.memory_store import memory_store
    >>> from headway.economy.rails import open_rails
    >>> store = memory_store()
    >>> open_rails(store, fee_bps=200).close()
    >>> audit(store).holds, audit(store).entries
    (True, 1)
    """
    walk, found, details = Walk(), {}, {}
    state, failure = _replayed(store.entries(), walk, verify)
    if failure:
        found["replay-equals-log"], details["replay-equals-log"] = 1, failure
    found.update(walk.worst)
    details.update({name: f"first in entry {seq}" for name, seq in walk.where.items()})
    rows, odd = _sound(store.account_rows())
    found["debits-equal-credits"], details["debits-equal-credits"] = _sides(rows, odd)
    found["rows-equal-accounts"], details["rows-equal-accounts"] = _accounts(rows, odd, walk)
    found["rows-equal-deals"], details["rows-equal-deals"] = _deals(store.deal_rows(), state)
    found["fees-equal-deals"], details["fees-equal-deals"] = _fees(walk, state)
    _compute(walk, rack_sold_us, found, details)
    details.setdefault("replay-equals-log", f"{state.head['seq']:,} entries")
    every = [
        Invariant(
            one.name, one.says, not found.get(one.name), found.get(one.name, 0), one.unit, details.get(one.name, "")
        )
        for one in STATEMENTS
    ]
    return Audit(tuple(every), state.head["seq"], state.head["digest"])


def _replayed(entries: Iterator[Entry], walk: Walk, verify: bool) -> tuple[State, str]:
    """State after the log, or as far as it leads, and what stopped it; the walk sees the same entries."""

    def seen() -> Iterator[Entry]:
        for entry in entries:
            yield entry
            walk.see(json.loads(entry.payload))

    state = State()
    try:
        replay(seen(), verify=verify, state=state)
    except (ReplayError, StoredRowError) as error:
        return state, str(error)
    return state, ""


def _sound(rows: Iterable[AccountRow]) -> tuple[list[AccountRow], list[str]]:
    """Stored accounts, and the names of rows that no ledger writes: other names, or sums that are no whole numbers."""
    sound: list[AccountRow] = []
    odd: list[str] = []
    for row in rows:
        named = isinstance(row.account, str) and row.account.count(":") >= 2
        if named and type(row.debits) is int and type(row.credits) is int:
            sound.append(row)
        else:
            odd.append(str(row.account))
    return sound, odd


def _sides(rows: Iterable[AccountRow], odd: list[str]) -> tuple[int, str]:
    if odd:
        return len(odd), f"rows that cannot be added up, first of all {odd[0]}"
    sides: dict[str, list[int]] = {}
    for row in rows:
        both = sides.setdefault(row.account.split(":", 2)[1], [0, 0])
        both[0] += row.debits
        both[1] += row.credits
    worst = max((abs(debits - credits) for debits, credits in sides.values()), default=0)
    return worst, ", ".join(f"{currency} {debits:,} micros each" for currency, (debits, _) in sorted(sides.items()))


def _accounts(rows: Iterable[AccountRow], odd: list[str], walk: Walk) -> tuple[int, str]:
    if odd:
        return len(odd), f"rows that cannot be compared, first of all {odd[0]}"
    stored = {row.account: (row.debits, row.credits) for row in rows}
    summed = {name: (debits, credits) for name, (debits, credits) in walk.sums.items()}
    off = {
        name: max(abs(a - b) for a, b in zip(stored.get(name, (0, 0)), summed.get(name, (0, 0)), strict=True))
        for name in stored.keys() | summed.keys()
    }
    worst = max(off, key=lambda name: (off[name], name), default="")
    return (off[worst], f"first of all {worst}") if worst and off[worst] else (0, f"{len(stored):,} accounts")


def _deals(rows: Iterator[DealRow], state: State) -> tuple[int, str]:
    stored = {row.offer_id: row for row in rows}
    replayed = {row[0]: row for row in deal_rows(state.deals.values())}
    names = stored.keys() | replayed.keys()
    off = sorted((name for name in names if stored.get(name) != replayed.get(name)), key=str)
    return (len(off), f"first of all {off[0]}") if off else (0, f"{len(stored):,} deals")


def _fees(walk: Walk, state: State) -> tuple[int, str]:
    due: dict[str, int] = {}
    for deal in state.deals.values():
        due[deal.currency] = due.get(deal.currency, 0) + (deal.fee if deal.posted else 0)
    off = max((abs(due.get(one, 0) - walk.fees[one]) for one in due.keys() | walk.fees.keys()), default=0)
    return off, ", ".join(f"{one} {amount:,} micros" for one, amount in sorted(due.items()))


def _compute(walk: Walk, sold_us: int | None, found: dict[str, int], details: dict[str, str]) -> None:
    bills = walk.bills
    off = abs(compute_posted(walk) - bills["micros"])
    found["compute-equals-bills"] = max(off, found.get("compute-equals-bills", 0))
    details.setdefault("compute-equals-bills", f"{bills['micros']:,} micros in {bills['bills']:,} bills")
    gap = abs(sold_us - bills["rack_us"]) if sold_us is not None else 0
    found["compute-equals-rack"] = max(gap, found.get("compute-equals-rack", 0))
    said = f"{bills['rack_us']:,} us of rack; {bills['priced']:,} of {bills['bills']:,} bills under a price"
    details["compute-equals-rack"] = said if sold_us is None else f"{said}; {sold_us:,} us sold"
