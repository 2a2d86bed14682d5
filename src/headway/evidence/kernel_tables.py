"""Read the public kernel tables of an aiconfigurator-core wheel: its parquet members and nothing else.

The wheel (Apache-2.0) holds times of single kernels, ``systems/data/CHIP/KIND/ENGINE/VERSION/NAME.parquet``. A
folder and the zip itself read alike; members of other formats are never opened, nor even listed.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.facts.errors import InputError, MissingExtraError

Array = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]

_PLACE = re.compile(r"(?:^|/)systems/data/([^/]+)/([^/]+)/([^/]+)/([^/]+)/([^/]+)\.parquet$")
_VERSION = re.compile(r"aiconfigurator_core-([0-9][^-/]*?)(?:\.dist-info|-)")
# A later version with few rows supplements the full table; it does not replace it.
_FULL = 0.3
_SPREAD = 2654435761


@dataclass(frozen=True, slots=True)
class Table:
    """One parquet member.

    Parameters
    ----------
    chip, kind, engine, version, name : str
        Parts of its path: ``"h200_sxm"``, ``"gemm"``, ``"vllm"``, ``"0.24.0"``, ``"gemm_perf"``.
    member : str
        The path itself, inside the wheel.
    size : int
        Bytes of the file [B].
    """

    chip: str
    kind: str
    engine: str
    version: str
    name: str
    member: str
    size: int

    @property
    def age(self) -> tuple[int, ...]:
        """Sort key of the version: its numbers in order."""
        return tuple(int(n) for n in re.findall(r"\d+", self.version))


@dataclass(frozen=True, slots=True)
class KernelTables:
    """The parquet tables of one wheel.

    Parameters
    ----------
    place : Path
        Folder of an unpacked wheel, or the wheel.
    version : str
        Version of the wheel; ``"of unknown version"`` where nothing in it says.
    tables : tuple of Table
    """

    place: Path
    version: str
    tables: tuple[Table, ...]

    def versions(self, chip: str, kind: str, engine: str, name: str) -> tuple[Table, ...]:
        """Tables of that place, oldest first."""
        found = (t for t in self.tables if (t.chip, t.kind, t.engine, t.name) == (chip, kind, engine, name))
        return tuple(sorted(found, key=lambda t: (t.age, t.version)))

    def newest(self, chip: str, kind: str, engine: str, name: str) -> Table | None:
        """The newest full table of that place: not one with under 30% of the bytes of the largest."""
        every = self.versions(chip, kind, engine, name)
        most = max((t.size for t in every), default=0)
        full = [t for t in every if t.size >= _FULL * most]
        return full[-1] if full else None

    def read(self, table: Table, names: Sequence[str]) -> Columns:
        """Named columns that the table has: numbers as float, the rest as text."""
        parquet = _parquet()
        if self.place.is_dir():
            source: Any = self.place / table.member
        else:
            with zipfile.ZipFile(self.place) as wheel:
                source = io.BytesIO(wheel.read(table.member))
        with parquet.ParquetFile(source) as file:
            have = [n for n in names if n in file.schema_arrow.names]
            content = file.read(columns=have, use_threads=False)
        return MappingProxyType({name: _values(content.column(name)) for name in have})


def _parquet() -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "calibrate") from None
    return parquet


def _values(column: Any) -> NDArray[Any]:
    if "string" not in str(column.type):
        return np.asarray(column.to_numpy(), dtype=float)
    coded = column.combine_chunks().dictionary_encode()
    texts = np.asarray([str(text) for text in coded.dictionary.to_pylist()] or [""], dtype=str)
    found: NDArray[Any] = texts[np.asarray(coded.indices.fill_null(0).to_numpy(zero_copy_only=False), dtype=int)]
    return found


def open_tables(place: str | Path) -> KernelTables:
    """List the tables of a wheel or of the folder it was unpacked to.

    Raises
    ------
    InputError
        If the place is neither, or holds no kernel table.
    """
    path = Path(place)
    if path.is_dir():
        sizes = {p.relative_to(path).as_posix(): p.stat().st_size for p in path.rglob("*.parquet")}
        names = [p.name + "/" for p in path.glob("*.dist-info")]
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as wheel:
            sizes = {i.filename: i.file_size for i in wheel.infolist() if i.filename.endswith(".parquet")}
            names = [n for n in wheel.namelist() if ".dist-info/" in n]
    else:
        raise InputError("DIR", str(place), "a wheel with kernel tables, or the folder it was unpacked to")
    found = [(_PLACE.search(member), member) for member in sorted(sizes)]
    tables = tuple(
        Table(m.group(1), m.group(2), m.group(3), m.group(4), m.group(5), member, sizes[member])
        for m, member in found
        if m
    )
    if not tables:
        raise InputError("DIR", str(place), "a place that holds systems/data/CHIP/KIND/ENGINE/VERSION/NAME.parquet")
    versions = {m.group(1) for m in map(_VERSION.search, names) if m}
    return KernelTables(path, min(versions, default="of unknown version"), tables)


def codes(columns: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    """One number per distinct row of the columns, in their sort order.

    >>> codes([np.array(["b", "a", "b"]), np.array([1.0, 1.0, 1.0])]).tolist()
    [1, 0, 1]
    """
    found = np.zeros(columns[0].size, dtype=np.int64)
    for column in columns:
        levels, inverse = np.unique(column, return_inverse=True)
        _, found = np.unique(found * levels.size + inverse.ravel(), return_inverse=True)
    return found.ravel()


def median_rows(keys: NDArray[np.int64], values: Array) -> NDArray[np.intp]:
    """For each key the row whose value is the (lower) median of its repetitions.

    >>> median_rows(np.array([0, 1, 0, 0]), np.array([3.0, 7.0, 1.0, 2.0])).tolist()
    [3, 1]
    """
    order = np.lexsort((values, keys))
    starts = np.flatnonzero(np.r_[True, np.diff(keys[order]) > 0]) if keys.size else np.zeros(0, dtype=int)
    ends = np.r_[starts[1:], keys.size]
    found: NDArray[np.intp] = order[(starts + ends - 1) // 2]
    return found


def least_rows(keys: NDArray[np.int64], values: Array) -> NDArray[np.intp]:
    """For each key the row with the least value: the best of several kernels for one shape.

    >>> least_rows(np.array([0, 1, 0]), np.array([3.0, 7.0, 1.0])).tolist()
    [2, 1]
    """
    order = np.lexsort((values, keys))
    return order[np.flatnonzero(np.r_[True, np.diff(keys[order]) > 0])] if keys.size else order


def spread_rows(strata: NDArray[np.int64], most: int) -> NDArray[np.intp]:
    """At most `most` rows of each stratum, taken in an order that mixes rows but never changes.

    >>> spread_rows(np.array([0, 0, 0, 1]), 1).size
    2
    """
    # Multiplicative hashing (Knuth, TAOCP 3, 6.4): no random stream whose version could matter.
    mixed = (np.arange(strata.size, dtype=np.uint64) * np.uint64(_SPREAD)) % np.uint64(2**32)
    order = np.lexsort((mixed, strata))
    ranked = strata[order]
    starts = np.flatnonzero(np.r_[True, np.diff(ranked) > 0]) if strata.size else np.zeros(0, dtype=int)
    place = np.arange(strata.size) - np.repeat(starts, np.diff(np.r_[starts, strata.size]))
    return np.sort(order[place < most])
