"""What a log leads to, in a few numbers, and whether a store's rows say the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from headway.economy.accounts import KIND_NAMES, parts
from headway.economy.replay import replay
from headway.economy.state import State, deal_rows
from headway.economy.store import AccountRow, Store


class Held(NamedTuple):
    """Sum of all accounts of one kind in one currency: credits less debits [micros]."""

    kind: str
    currency: str
    accounts: int
    balance: int


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A ledger rebuilt from its log.

    Parameters
    ----------
    entries : int
        Entries executed again.
    digest : str
        Digest of the last one.
    until_us : int
        Time of the last one [us].
    agents, listings, mandates, offers : int
        How many there are.
    deals : tuple of (str, int)
        Deals by status.
    balances : tuple of Held
        Sums by kind of account and currency.
    rows_differ : int or None
        Stored accounts and deals that are not those of the log; None where only a part of the log was taken.
    """

    entries: int
    digest: str
    until_us: int
    agents: int
    listings: int
    mandates: int
    offers: int
    deals: tuple[tuple[str, int], ...]
    balances: tuple[Held, ...]
    rows_differ: int | None

    @property
    def until(self) -> str:
        """Time of the last entry in UTC, where time 0 is the start of 1970."""
        try:
            return (datetime(1970, 1, 1) + timedelta(microseconds=self.until_us)).isoformat(" ", "seconds")  # noqa: DTZ001
        except OverflowError:
            return f"{self.until_us:,} us"


def rebuild_store(store: Store, *, until: int | None = None, verify: bool = True) -> Rebuilt:
    """Rebuild a ledger from its log and compare it with the rows that the store keeps for readers.

    Parameters
    ----------
    store : Store
        Read, never written.
    until : int, optional
        Last entry to take; all where not given.
    verify : bool
        Whether the signatures of mandates are checked again too.

    Raises
    ------
    ReplayError
        Where the log is broken.

    Examples
    --------
    >>> from headway.economy.memory_store import memory_store
    >>> from headway.economy.rails import open_rails
    >>> store = memory_store()
    >>> open_rails(store, fee_bps=200).close()
    >>> rebuild_store(store).entries, rebuild_store(store).rows_differ
    (1, 0)
    """
    state = replay(store.entries(), until=until, verify=verify)
    whole = until is None or next(iter(store.entries(after=state.head["seq"])), None) is None
    return Rebuilt(
        entries=state.head["seq"],
        digest=state.head["digest"],
        until_us=state.head["now_us"],
        agents=len(state.agents),
        listings=len(state.listings),
        mandates=len(state.mandates),
        offers=len(state.offers),
        deals=tuple(sorted(Counter(deal.status for deal in state.deals.values()).items())),
        balances=_balances(state),
        rows_differ=_differ(store, state) if whole else None,
    )


def _balances(state: State) -> tuple[Held, ...]:
    sums: dict[tuple[str, str], list[int]] = {}
    for name in state.ledger.sums:
        kind, currency, _ = parts(name)
        both = sums.setdefault((kind, currency), [0, 0])
        both[0] += 1
        both[1] += state.ledger.balance(name)
    order = sorted(sums, key=lambda one: (one[1], KIND_NAMES.index(one[0])))
    return tuple(Held(kind, currency, *sums[kind, currency]) for kind, currency in order)


def _differ(store: Store, state: State) -> int:
    accounts = {AccountRow(name, *both) for name, both in state.ledger.sums.items() if any(both)}
    deals = set(deal_rows(state.deals.values()))
    return len(accounts ^ set(store.account_rows())) + len(deals ^ set(store.deal_rows()))
