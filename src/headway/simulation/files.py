"""Open a trace file: plain or gzip, lines with their numbers, and one error for whatever is wrong with a line."""

from __future__ import annotations

import gc
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from headway.facts.errors import InputError, nearest
from headway.simulation.columns import Floats, Ints

Line: TypeAlias = tuple[int, str]
"""Number of the line in the file, from 1, and its text."""
Rows: TypeAlias = list[tuple[int, dict[str, Any]]]
"""Numbers of lines, and the objects on them."""

_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20
_WHOLE_MOST = 2**62
_FLOAT_MOST = 1e308


def read_bytes(path: str | Path) -> bytes:
    """Contents of a file, unpacked where its first bytes are those of gzip.

    Raises
    ------
    InputError
        If there is no such file, it is empty, or its gzip stream is cut off or damaged (names the line reached).

    Examples
    --------
    >>> read_bytes("no-such-file.csv")
    Traceback (most recent call last):
    headway.facts.errors.InputError: trace: 'no-such-file.csv' is not accepted: expected a file that can be read
    """
    where = Path(path)
    if not where.is_file():
        beside = [p.name for p in where.parent.iterdir() if p.is_file()] if where.parent.is_dir() else []
        close = nearest(where.name, beside)
        hint = str(where.with_name(close)) if close and close != where.name else None
        raise InputError("trace", str(path), "a file that can be read", hint)
    data = where.read_bytes()
    if data.startswith(_GZIP):
        data = _unpack(path, data)
    if not data.strip():
        raise InputError(str(path), "an empty file", "at least one request")
    return data


def _unpack(path: str | Path, data: bytes) -> bytes:
    parts: list[bytes] = []
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            while part := stream.read(_CHUNK):
                parts.append(part)
    except (EOFError, OSError, zlib.error):
        line = sum(part.count(b"\n") for part in parts) + 1
        raise InputError(f"{path}:{line}", "a gzip stream that ends or breaks here", "a whole gzip file") from None
    return b"".join(parts)


@contextmanager
def many_objects() -> Iterator[None]:
    """While many objects are made that stay: the collector of cycles does not look through them again and again.

    >>> with many_objects():
    ...     len([{"t": 0} for _ in range(3)])
    3
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def text_lines(path: str | Path, data: bytes) -> list[Line]:
    r"""Lines that hold something, with their numbers.

    Raises
    ------
    InputError
        If a line is not UTF-8.

    Examples
    --------
    >>> text_lines("a.csv", b"x,y\n\n1,2\n")
    [(1, 'x,y'), (3, '1,2')]
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{line}", "bytes that are not UTF-8", "text: CSV or JSON, plain or gzip") from None
    return [(number, line) for number, line in enumerate(text.split("\n"), 1) if line and not line.isspace()]


def json_lines(path: str | Path, lines: list[Line]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Objects of a JSONL file with their line numbers.

    Raises
    ------
    InputError
        If a line is not one JSON object.

    Examples
    --------
    >>> list(json_lines("a.jsonl", [(1, '{"t": 0}')]))
    [(1, {'t': 0})]
    """
    decoder: Any = json.JSONDecoder()
    scan = decoder.scan_once
    for number, line in lines:
        text = line.strip()
        try:
            found, end = scan(text, 0)
        except (ValueError, StopIteration, RecursionError):
            found, end = None, 0
        if end != len(text) or not isinstance(found, dict):
            raise InputError(f"{path}:{number}", line, "one JSON object")
        yield number, found


def number_of(place: str, row: dict[str, Any], key: str, *, default: float | None = None) -> float:
    """A number of a JSON object.

    Raises
    ------
    InputError
        If it is missing and has no default, or is not a number.

    Examples
    --------
    >>> number_of("a.jsonl:1", {"t": 3}, "t"), number_of("a.jsonl:1", {}, "think", default=0.0)
    (3, 0.0)
    """
    value = row.get(key, default)
    if value is None:
        raise InputError(f"{place}: {key}", "nothing", "a number")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InputError(f"{place}: {key}", value, "a number")
    return value


def whole_of(place: str, row: dict[str, Any], key: str) -> int:
    """A whole number of a JSON object.

    Raises
    ------
    InputError
        If it is missing or not a whole number that fits 63 bits.

    Examples
    --------
    >>> whole_of("a.jsonl:1", {"input_length": 12.0}, "input_length")
    12
    """
    value = number_of(place, row, key)
    if not abs(value) < _WHOLE_MOST or value != int(value):
        raise InputError(f"{place}: {key}", value, "a whole number")
    return int(value)


def ids_of(place: str, row: dict[str, Any], key: str) -> list[int]:
    """A list of block ids of a JSON object.

    Raises
    ------
    InputError
        If it is not a list of whole numbers from zero.

    Examples
    --------
    >>> ids_of("a.jsonl:1", {"hash_ids": [0, 4]}, "hash_ids")
    [0, 4]
    """
    value = row.get(key)
    if not isinstance(value, list) or not all(type(i) is int and 0 <= i < _WHOLE_MOST for i in value):
        raise InputError(f"{place}: {key}", value, "a list of block ids: whole numbers from 0")
    return value


def numbers_of(path: str | Path, rows: Rows, key: str, *, default: float | None = None) -> Floats:
    """:func:`number_of` each row of a file, whose first flaw is named.

    Raises
    ------
    InputError
        As :func:`number_of`.

    Examples
    --------
    >>> numbers_of("a.jsonl", [(1, {"t": 3}), (2, {"t": 0.5})], "t").tolist()
    [3.0, 0.5]
    """
    values: list[Any] = [row.get(key, default) for _, row in rows]
    if not {*map(type, values)} <= {int, float}:
        values = [number_of(f"{path}:{number}", row, key, default=default) for number, row in rows]
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        at = next(i for i, value in enumerate(values) if abs(value) > _FLOAT_MOST)
        raise InputError(f"{path}:{rows[at][0]}: {key}", values[at], "a number below 1e308") from None


def wholes_of(path: str | Path, rows: Rows, key: str) -> Ints:
    """:func:`whole_of` each row of a file, whose first flaw is named.

    Raises
    ------
    InputError
        As :func:`whole_of`.

    Examples
    --------
    >>> wholes_of("a.jsonl", [(1, {"in": 3}), (2, {"in": 12.0})], "in").tolist()
    [3, 12]
    """
    values: list[Any] = [row.get(key) for _, row in rows]
    if {*map(type, values)} != {int} or max(values) >= _WHOLE_MOST or min(values) <= -_WHOLE_MOST:
        values = [whole_of(f"{path}:{number}", row, key) for number, row in rows]
    return np.array(values, dtype=np.int64)


def lists_of(path: str | Path, rows: Rows, key: str) -> tuple[Ints, Ints]:
    """:func:`ids_of` each row of a file, one after another, and where each row's begin; the first flaw is named.

    Raises
    ------
    InputError
        As :func:`ids_of`.

    Examples
    --------
    >>> [a.tolist() for a in lists_of("a.jsonl", [(1, {"h": [0, 4]}), (2, {"h": [7]})], "h")]
    [[0, 4, 7], [0, 2, 3]]
    """
    lists: list[Any] = [row.get(key) for _, row in rows]
    flat: list[Any] = list(chain.from_iterable(lists)) if {*map(type, lists)} <= {list} else [None]
    if flat and ({*map(type, flat)} != {int} or min(flat) < 0 or max(flat) >= _WHOLE_MOST):
        lists = [ids_of(f"{path}:{number}", row, key) for number, row in rows]
        flat = list(chain.from_iterable(lists))
    indptr = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, lists), dtype=np.int64, count=len(lists)), out=indptr[1:])
    return np.array(flat, dtype=np.int64), indptr
