"""Open a trace file: plain or gzip, lines with their numbers, and one error for whatever is wrong with a line."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from headway.facts.errors import InputError, nearest

Line: TypeAlias = tuple[int, str]
"""Number of the line in the file, from 1, and its text."""

_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20


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
    for number, line in lines:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            raise InputError(f"{path}:{number}", line, "one JSON object") from None
        if not isinstance(found, dict):
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
    if not abs(value) < 2**62 or value != int(value):
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
    if not isinstance(value, list) or not all(type(i) is int and 0 <= i < 2**62 for i in value):
        raise InputError(f"{place}: {key}", value, "a list of block ids: whole numbers from 0")
    return value
