"""A store in PostgreSQL: the same tables, one writer, ``synchronous_commit`` on.

The writer's lock is an advisory lock of the session (postgresql.org/docs/current/explicit-locking.html), which the
server gives back when the connection ends, however it ends. Tables are made in the first schema of the search path, so
that one database can hold several ledgers: ``postgresql://.../market?options=-csearch_path%3Dshop1``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from headway.economy.entries import Entry
from headway.economy.store import AccountRow, DealRow, Fault, Group, StoreBusyError, StoreError
from headway.facts.errors import MissingExtraError

LOCK: Final = 0x48574C31
"""First half of the advisory lock's key; the second is the schema's."""

PATIENCE: Final = "2s"
"""How long a writer waits for the lock."""

PAGE: Final = 5_000
"""Entries read at once."""

_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS entries (seq bigint PRIMARY KEY, payload text NOT NULL, digest text NOT NULL)",
    "CREATE TABLE IF NOT EXISTS accounts (account text PRIMARY KEY, debits bigint NOT NULL, credits bigint NOT NULL,"
    " CHECK (debits >= 0 AND credits >= 0 AND (credits >= debits OR account LIKE 'cash:%')))",
    "CREATE TABLE IF NOT EXISTS deals (offer_id text PRIMARY KEY, seller text NOT NULL, buyer text NOT NULL,"
    " mandate_id text NOT NULL, currency text NOT NULL, total bigint NOT NULL, fee bigint NOT NULL,"
    " refunded bigint NOT NULL, held bigint NOT NULL, status text NOT NULL, at_us bigint NOT NULL,"
    " settled_us bigint NOT NULL,"
    " CHECK (total > 0 AND fee >= 0 AND refunded BETWEEN 0 AND total AND held BETWEEN 0 AND total))",
)
_ENTRIES: Final = "INSERT INTO entries SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[])"
_ACCOUNTS: Final = (
    "INSERT INTO accounts SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bigint[])"
    " ON CONFLICT (account) DO UPDATE SET debits = excluded.debits, credits = excluded.credits"
)
_DEALS: Final = (
    "INSERT INTO deals SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[],"
    " %s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[])"
    " ON CONFLICT (offer_id) DO UPDATE SET fee = excluded.fee, refunded = excluded.refunded, held = excluded.held,"
    " status = excluded.status, settled_us = excluded.settled_us"
)


@dataclass(frozen=True, slots=True, repr=False)
class PostgresStore:
    """The address and its open connection.

    Parameters
    ----------
    address : str
        ``postgresql://...`` as libpq reads it.
    read_only : bool
        Whether it may only be read; such a store takes no lock.
    connection : list
        The open one, if any.
    """

    address: str
    read_only: bool = False
    connection: list[Any] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Address without user, password and options, which may hold a password too."""
        scheme, _, rest = self.address.partition("://")
        # Credentials end at an "@" before any "/", as libpq reads it; whatever else may be a secret is not shown.
        place = rest.partition("@")[2] if "@" in rest.partition("/")[0] else rest
        head, _, options = place.partition("?")
        return f"{scheme}://{'...' if '@' in options else head.rpartition('@')[2]}"

    def open_writer(self) -> None:
        """Connect, take the session's lock, and make the tables where they are missing."""
        if self.read_only:
            raise StoreError(f"{self.name}: opened for reading only")
        psycopg, opened = _psycopg(), self._open()
        try:
            # A server takes a moment to notice that the last writer has gone.
            opened.execute(f"SET lock_timeout = '{PATIENCE}'")
            opened.execute("SELECT pg_advisory_lock(%s, hashtext(current_schema()))", (LOCK,))
            opened.execute("SET lock_timeout = 0")
        except psycopg.errors.LockNotAvailable as error:
            self.close()
            raise StoreBusyError(self.name) from error
        for statement in _SCHEMA:
            opened.execute(statement)

    def _open(self) -> Any:
        if self.connection:
            return self.connection[0]
        psycopg = _psycopg()
        try:
            opened = psycopg.connect(self.address, autocommit=True)
            if self.read_only:
                # One snapshot for everything that is read, whatever a writer does meanwhile.
                opened.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            opened.execute("SET client_min_messages = warning")
            opened.execute("SET synchronous_commit = on")
            if opened.execute("SELECT current_schema()").fetchone()[0] is None:
                opened.close()
                raise StoreError(f"{self.name}: no schema of the search path exists")
        except psycopg.Error as error:
            raise StoreError(f"{self.name}: {_line(error)}") from error
        self.connection.append(opened)
        return opened

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Entries after a position."""
        while True:
            rows = self._rows(f"SELECT * FROM entries WHERE seq > %s ORDER BY seq LIMIT {PAGE}", after)
            for after, payload, digest in rows:
                yield Entry(after, payload.encode(), digest)
            if len(rows) < PAGE:
                return

    def append(self, group: Group, fault: Fault | None = None) -> None:
        """Write and commit a group in one transaction."""
        psycopg, point = _psycopg(), fault or _nothing
        try:
            opened = self.connection[0]
            point("store.begin")
            with opened.transaction():
                lines = [(seq, payload.decode(), digest) for seq, payload, digest in group.entries]
                opened.execute(_ENTRIES, _columns(lines))
                point("store.entries")
                if group.accounts:
                    opened.execute(_ACCOUNTS, _columns(group.accounts))
                point("store.accounts")
                if group.deals:
                    opened.execute(_DEALS, _columns(group.deals))
                point("store.deals")
            point("store.committed")
        except (psycopg.Error, IndexError) as error:
            raise StoreError(f"{self.name}: {_line(error)}") from error

    def account_rows(self) -> Iterator[AccountRow]:
        """All accounts."""
        yield from map(AccountRow._make, self._rows("SELECT account, debits, credits FROM accounts"))

    def deal_rows(self) -> Iterator[DealRow]:
        """All deals."""
        yield from map(DealRow._make, self._rows(f"SELECT {', '.join(DealRow._fields)} FROM deals"))

    def _rows(self, statement: str, *values: int) -> list[Any]:
        psycopg = _psycopg()
        try:
            found: list[Any] = self._open().execute(statement, values).fetchall()
            return found
        except psycopg.Error as error:
            raise StoreError(f"{self.name}: {_line(error)}") from error

    def close(self) -> None:
        """Disconnect, which gives the lock back."""
        while self.connection:
            self.connection.pop().close()


def postgres_store(address: str, *, read_only: bool = False) -> PostgresStore:
    """Store of a PostgreSQL address; tables are made when the first writer opens it.

    >>> postgres_store("postgresql://me:secr/et@db/market?password=secret").name
    'postgresql://db/market'
    """
    return PostgresStore(address, read_only)


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _psycopg() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtraError("psycopg", "postgres") from error
    return psycopg


def _nothing(_name: str) -> None:
    """No fault."""
