"""A store in memory: the plainest one, against which the durable ones are compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from headway.economy.entries import Entry
from headway.economy.state import AccountLine, DealLine
from headway.economy.store import AccountRow, DealRow, Fault, Group, StoreBusyError, StoreError


@dataclass(frozen=True, slots=True)
class MemoryStore:
    """Lists and dicts. It outlives the rails that write to it, so that they can be opened again from its log.

    Parameters
    ----------
    keep : bool
        Whether entries and rows are kept; long simulations that only need the last digest keep none.
    log : list of tuple
        Entries so far; only the last one where none are kept.
    accounts, deals : dict
        Rows by name.
    lock : list of bool
        One element while a writer is at work.
    """

    keep: bool = True
    log: list[tuple[int, bytes, str]] = field(default_factory=list)
    accounts: dict[str, AccountLine] = field(default_factory=dict)
    deals: dict[str, DealLine] = field(default_factory=dict)
    lock: list[bool] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Where it is."""
        return "memory:"

    def open_writer(self) -> None:
        """Take the lock, or raise where it is taken."""
        if self.lock:
            raise StoreBusyError(self.name)
        self.lock.append(True)

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Entries after a position."""
        if self.log and not self.keep:
            raise StoreError("memory: this store keeps no log")
        for index in range(after, len(self.log)):
            yield Entry(*self.log[index])

    def append(self, group: Group, fault: Fault | None = None) -> None:
        """Keep a group."""
        if fault is not None:
            fault("store.begin")
        if self.keep:
            # Plain tuples: the garbage collector leaves them alone.
            self.log.extend([(seq, payload, digest) for seq, payload, digest in group.entries])
            self.accounts.update([(row[0], row) for row in group.accounts])
            self.deals.update([(row[0], row) for row in group.deals])
        else:
            seq, payload, digest = group.entries[-1]
            self.log[:] = [(seq, payload, digest)]
        if fault is not None:
            fault("store.committed")

    def account_rows(self) -> Iterator[AccountRow]:
        """All accounts."""
        yield from map(AccountRow._make, self.accounts.values())

    def deal_rows(self) -> Iterator[DealRow]:
        """All deals."""
        yield from map(DealRow._make, self.deals.values())

    def close(self) -> None:
        """Give the lock back."""
        self.lock.clear()


def memory_store(*, keep: bool = True) -> MemoryStore:
    """Make an empty store in memory.

    >>> list(memory_store().entries())
    []
    """
    return MemoryStore(keep=keep)
