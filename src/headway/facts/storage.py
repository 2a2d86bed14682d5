"""Memories and storage devices that can hold a cache outside the chip: capacity, bandwidth, source."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from headway.facts.catalog import Column
from headway.facts.hardware import Conflict
from headway.facts.named import named_row, row_names
from headway.facts.sources import Source

#: Columns of a storage device.
DEVICE_COLUMNS: tuple[Column, ...] = (
    Column("aliases", "texts", "other names people use"),
    Column("technology", "text", "dram, cxl, nvme, disk or flash cluster", required=True),
    Column("capacity", "quantity", "capacity", "bytes", required=True),
    Column("bandwidth", "quantity", "sequential read rate", "bytes_per_second", required=True),
    Column("note", "text", "what the reader should know"),
)


@dataclass(frozen=True, slots=True)
class StorageDevice:
    """A device or service that keeps bytes.

    Parameters
    ----------
    name : str
        Catalog name (``"hdd-24tb"``).
    technology : str
        ``"dram"``, ``"cxl"``, ``"nvme"``, ``"disk"`` or ``"flash cluster"``.
    capacity, bandwidth : float
        Capacity [B] and sequential read rate [B/s].
    sources : tuple of Source
        Where the facts come from.
    conflicts : tuple of Conflict
        Other values in circulation.
    note : str
        What the reader should know.
    """

    name: str
    technology: str
    capacity: float
    bandwidth: float
    sources: tuple[Source, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    note: str = ""


def storage_names() -> tuple[str, ...]:
    """Names of the devices of the catalog, in the order of the table."""
    return row_names("storage.toml", "device")


@lru_cache(maxsize=64)
def storage(name: str) -> StorageDevice:
    """The device of that name or alias, whatever the case.

    Raises
    ------
    UnknownNameError
        If there is none, with the nearest name.

    Examples
    --------
    >>> disk = storage("hdd-24tb")
    >>> disk.capacity, disk.bandwidth
    (24000000000000.0, 285000000.0)
    """
    entry = named_row("storage.toml", "device", name, DEVICE_COLUMNS, "storage")
    return StorageDevice(
        name=entry.name,
        technology=entry.text("technology"),
        capacity=entry.number("capacity"),
        bandwidth=entry.number("bandwidth"),
        sources=entry.sources,
        conflicts=entry.conflicts,
        note=entry.text("note"),
    )
