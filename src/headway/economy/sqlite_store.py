"""A store in one SQLite file: write-ahead log, a full sync at every commit, one writer.

``journal_mode=WAL`` lets others read while the writer writes; ``synchronous=FULL`` syncs the write-ahead log at each
commit, so that a group that was answered survives a loss of power (sqlite.org/pragma.html#pragma_synchronous). The
writer's lock is an exclusive transaction on a second, empty database beside the first: the system gives it back
whenever and however the process ends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

from headway.economy.entries import Entry
from headway.economy.store import AccountRow, DealRow, Fault, Group, StoreBusyError, StoredRowError, StoreError

APPLICATION_ID: Final = 0x48574C31
"""Marks the file as a ledger of this kind: "HWL1"."""

_SCHEMA: Final = (
    "CREATE TABLE entries (seq INTEGER PRIMARY KEY, payload TEXT NOT NULL, digest TEXT NOT NULL)",
    "CREATE TABLE accounts (account TEXT PRIMARY KEY, debits INTEGER NOT NULL, credits INTEGER NOT NULL,"
    " CHECK (debits >= 0 AND credits >= 0 AND (credits >= debits OR account LIKE 'cash:%'))) WITHOUT ROWID",
    "CREATE TABLE deals (offer_id TEXT PRIMARY KEY, seller TEXT NOT NULL, buyer TEXT NOT NULL,"
    " mandate_id TEXT NOT NULL, currency TEXT NOT NULL, total INTEGER NOT NULL, fee INTEGER NOT NULL,"
    " refunded INTEGER NOT NULL, held INTEGER NOT NULL, status TEXT NOT NULL, at_us INTEGER NOT NULL,"
    " settled_us INTEGER NOT NULL,"
    " CHECK (total > 0 AND fee >= 0 AND refunded BETWEEN 0 AND total AND held BETWEEN 0 AND total)) WITHOUT ROWID",
    f"PRAGMA application_id = {APPLICATION_ID}",
)
PAGE: Final = 8_192
"""Bytes of a page of a new file: fewer, larger writes a group than with SQLite's own 4,096."""

_ROWS: Final = (500, 50, 5, 1)
"""Rows that one statement writes; the most of them stay below SQLite's 32,766 parameters."""


class _Write(NamedTuple):
    """A statement before, for each of, and after the rows that it writes."""

    before: str
    row: str
    after: str = ""


_ENTRIES: Final = _Write("INSERT INTO entries VALUES ", "(?, ?, ?)")
_ACCOUNTS: Final = _Write(
    "INSERT INTO accounts VALUES ",
    "(?, ?, ?)",
    " ON CONFLICT DO UPDATE SET debits = excluded.debits, credits = excluded.credits",
)
_DEALS: Final = _Write(
    "INSERT INTO deals VALUES ",
    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    " ON CONFLICT DO UPDATE SET fee = excluded.fee, refunded = excluded.refunded, held = excluded.held,"
    " status = excluded.status, settled_us = excluded.settled_us",
)


@dataclass(frozen=True, slots=True)
class SqliteStore:
    """The file and its open connections.

    Parameters
    ----------
    path : str
        The file.
    read_only : bool
        Whether it may only be read; such a store takes no lock, and reads beside a writer.
    connection : list of sqlite3.Connection
        The open one, if any, and the one that holds the lock.
    """

    path: str
    read_only: bool = False
    connection: list[sqlite3.Connection] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Path of the file."""
        return self.path

    def open_writer(self) -> None:
        """Take the lock of the file beside, then open the file or make it."""
        if self.read_only:
            raise StoreError(f"{self.path}: opened for reading only")
        try:
            lock = sqlite3.connect(f"{self.path}.writer", isolation_level=None, timeout=0, check_same_thread=False)
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            lock.close()
            raise (
                StoreBusyError(self.path) if "locked" in str(error) else StoreError(f"{self.path}: {error}")
            ) from error
        try:
            self._open().execute("PRAGMA wal_autocheckpoint = 4000")
        except StoreError:
            lock.close()
            raise
        self.connection.append(lock)

    def _open(self) -> sqlite3.Connection:
        if self.connection:
            return self.connection[0]
        mode = "ro" if self.read_only else "rwc"
        where = Path(self.path).absolute().as_uri()
        try:
            opened = sqlite3.connect(f"{where}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error
        try:
            self._prepare(opened)
        except sqlite3.Error as error:
            opened.close()
            raise StoreError(f"{self.path}: {error}") from error
        self.connection.append(opened)
        return opened

    def _prepare(self, opened: sqlite3.Connection) -> None:
        found = opened.execute("PRAGMA application_id").fetchone()[0]
        tables = opened.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if (tables and found != APPLICATION_ID) or (self.read_only and not tables):
            opened.close()
            raise StoreError(f"{self.path}: an SQLite file, but no ledger")
        if self.read_only:
            # One snapshot for everything that is read, whatever a writer does meanwhile.
            opened.execute("BEGIN")
            # Bytes that are no UTF-8 must reach the audit as a text that differs, not end it.
            opened.text_factory = _lenient
            return
        opened.execute(f"PRAGMA page_size = {PAGE}")
        opened.execute("PRAGMA journal_mode = WAL")
        opened.execute("PRAGMA synchronous = FULL")
        opened.execute("PRAGMA cache_size = -65536")
        if not tables:
            opened.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                opened.execute(statement)
            opened.execute("COMMIT")

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Entries after a position."""
        rows = self._rows("SELECT seq, payload, digest FROM entries WHERE seq > ? ORDER BY seq", after)
        for seq, payload, digest in rows:
            # A column's type is only a wish in SQLite.
            if not isinstance(payload, str):
                raise StoredRowError(f"{self.path}: entry {seq} holds {type(payload).__name__} where text belongs")
            yield Entry(seq, payload.encode(), digest)

    def append(self, group: Group, fault: Fault | None = None) -> None:
        """Write and commit a group; the sync of the commit is what makes it durable."""
        point = fault or _nothing
        try:
            opened = self.connection[0]
            point("store.begin")
            opened.execute("BEGIN IMMEDIATE")
            _write(opened, _ENTRIES, [(seq, payload.decode(), digest) for seq, payload, digest in group.entries])
            point("store.entries")
            # In the order of the tree, so that neighbours share a page while it is at hand.
            _write(opened, _ACCOUNTS, sorted(group.accounts))
            point("store.accounts")
            _write(opened, _DEALS, sorted(group.deals))
            point("store.deals")
            opened.execute("COMMIT")
            point("store.committed")
        except (sqlite3.Error, IndexError) as error:
            raise StoreError(f"{self.path}: {error}") from error

    def account_rows(self) -> Iterator[AccountRow]:
        """All accounts."""
        yield from map(AccountRow._make, self._rows("SELECT account, debits, credits FROM accounts"))

    def deal_rows(self) -> Iterator[DealRow]:
        """All deals."""
        yield from map(DealRow._make, self._rows(f"SELECT {', '.join(DealRow._fields)} FROM deals"))

    def _rows(self, statement: str, *values: int) -> Iterator[Any]:
        try:
            for row in self._open().execute(statement, values):  # noqa: UP028 - a cursor left half read cannot be closed late
                yield row
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error

    def close(self) -> None:
        """Close the file, then give the lock back."""
        while self.connection:
            self.connection.pop(0).close()


def sqlite_store(path: str | Path, *, read_only: bool = False) -> SqliteStore:
    """Store of an SQLite file, made when the first writer opens it.

    >>> sqlite_store("market.sqlite").name
    'market.sqlite'
    """
    return SqliteStore(str(path), read_only)


def _write(opened: sqlite3.Connection, what: _Write, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows, many a statement: preparing, binding and stepping one costs as much as the row itself."""
    start = 0
    for count in _ROWS:
        statement = _statement(what, count)
        while len(rows) - start >= count:
            opened.execute(statement, tuple(chain.from_iterable(rows[start : start + count])))
            start += count


@lru_cache
def _statement(what: _Write, count: int) -> str:
    return what.before + ", ".join([what.row] * count) + what.after


def _lenient(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _nothing(_name: str) -> None:
    """No fault."""
