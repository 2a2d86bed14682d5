"""Memories and storage devices that can hold a cache outside the chip: capacity, bandwidth, source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from headway.facts.catalog import Column, aliases, names, packaged, row
from headway.facts.errors import unknown
from headway.facts.hardware import Conflict
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


@cache
def _aliases() -> Mapping[str, str]:
    return aliases(packaged("storage.toml"), "device")


def storage_names() -> tuple[str, ...]:
    """Names of the devices of the catalog, in the order of the table."""
    return names(packaged("storage.toml"), "device")


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
    try:
        found = _aliases()[str(name).strip().lower()]
    except KeyError:
        raise unknown("storage", str(name), _aliases(), f"one of {', '.join(storage_names())}") from None
    entry = row(packaged("storage.toml"), "device", found, DEVICE_COLUMNS)
    return StorageDevice(
        name=found,
        technology=entry.text("technology"),
        capacity=entry.number("capacity"),
        bandwidth=entry.number("bandwidth"),
        sources=entry.sources,
        conflicts=entry.conflicts,
        note=entry.text("note"),
    )
