"""What the rails ask of a store: the log, one transaction a group, and the lock of the only writer.

The log is the truth. Beside it a store keeps the rows of accounts and deals as they stand after the last group, so that
other programs can read them with SQL; an audit compares them with the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from headway.economy.entries import Entry
from headway.economy.state import AccountLine, DealLine
from headway.facts.errors import HeadwayError, InputError

Fault = Callable[[str], None]
"""Called with the name of each point at which a process may die; None, the default, costs nothing."""


class AccountRow(NamedTuple):
    """Sums of one account [micros]."""

    account: str
    debits: int
    credits: int


class DealRow(NamedTuple):
    """One deal as it stands [micros, us]."""

    offer_id: str
    seller: str
    buyer: str
    mandate_id: str
    currency: str
    total: int
    fee: int
    refunded: int
    held: int
    status: str
    at_us: int
    settled_us: int


class Group(NamedTuple):
    """What one transaction makes durable: entries, and the rows that they changed as plain tuples."""

    entries: Sequence[Entry]
    accounts: Sequence[AccountLine]
    deals: Sequence[DealLine]


class Store(Protocol):
    """A log with rows beside it. A store belongs to one writer at a time."""

    @property
    def name(self) -> str:
        """Where it is, for messages; without passwords."""

    def open_writer(self) -> None:
        """Take the writer's lock.

        Raises
        ------
        StoreBusyError
            Where another writer holds it.
        """

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Entries after a position, in order."""

    def append(self, group: Group, fault: Fault | None = None) -> None:
        """Make a group durable, whole or not at all; returns only when it is."""

    def account_rows(self) -> Iterator[AccountRow]:
        """All accounts."""

    def deal_rows(self) -> Iterator[DealRow]:
        """All deals."""

    def close(self) -> None:
        """Give the lock back and close; again does nothing."""


class StoreError(HeadwayError, RuntimeError):
    """A store that cannot be read or written."""


class StoredRowError(StoreError):
    """A row that holds what no ledger writes."""


class StoreBusyError(StoreError):
    """Another writer holds the store."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: another process writes to this ledger; only one may")


FAULTS: Final = ("store.begin", "store.entries", "store.accounts", "store.deals", "store.committed")
"""Points of a durable store at which a process may die, in order."""


_POSTGRES: Final = ("postgresql://", "postgres://")


def open_store(address: str) -> Store:
    """Store of an address: ``memory:``, ``postgresql://...``, or the path of an SQLite file.

    >>> open_store("memory:").name
    'memory:'
    """
    if address == "memory:":
        from headway.economy.memory_store import memory_store

        return memory_store()
    return _durable(address, read_only=False)


def open_reader(address: str) -> Store:
    """Store of an address for reading only: it takes no lock, and reads beside a writer.

    Raises
    ------
    InputError
        Where the address is neither a file that exists nor PostgreSQL's.

    Examples
    --------
    >>> open_reader("absent.sqlite")
    Traceback (most recent call last):
    headway.facts.errors.InputError: ledger: 'absent.sqlite' is not accepted: expected an SQLite file or postgresql://...
    """
    if not address.startswith(_POSTGRES) and not Path(address).is_file():
        raise InputError("ledger", address, "an SQLite file or postgresql://...")
    return _durable(address, read_only=True)


def _durable(address: str, *, read_only: bool) -> Store:
    if address.startswith(_POSTGRES):
        from headway.economy.postgres_store import postgres_store

        return postgres_store(address, read_only=read_only)
    from headway.economy.sqlite_store import sqlite_store

    return sqlite_store(address, read_only=read_only)
