"""Traces as tables: Azure 2023 and 2024, BurstGPT, and Headway's own columns."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from headway.facts.errors import InputError
from headway.simulation.columns import NONE, Floats, Ints, Runs, file_place
from headway.simulation.files import Line
from headway.simulation.trace import Trace, make_trace

OWN_REQUIRED = ("arrival_s", "input_tokens", "output_tokens")
OWN_OPTIONAL = ("session", "after", "think_s", "priority", "block_tokens", "blocks")
"""Columns of Headway's own tables; `blocks` is written as runs, ``0+14 37+3``."""

Columns: TypeAlias = "dict[str, list[str]]"


@dataclass(frozen=True, slots=True)
class TableRows:
    """Cells of a table by column, and the line of each row."""

    path: str
    lines: Ints
    cells: Columns

    def place(self, i: int, column: str) -> str:
        """File, line and column."""
        return f"{self.path}:{self.lines[i]}: {column}"


def read_table(path: str, lines: list[Line]) -> tuple[tuple[str, ...], TableRows]:
    """Split lines into cells.

    Parameters
    ----------
    path : str
        For errors.
    lines : list of (int, str)
        Header and rows with their numbers.

    Returns
    -------
    tuple
        Names of the columns, and the rows.

    Raises
    ------
    InputError
        If a row has another number of cells than the header.

    Examples
    --------
    >>> names, rows = read_table("a.csv", [(1, "a,b"), (2, "1,2")])
    >>> names, rows.cells["b"]
    (('a', 'b'), ['2'])
    """
    header = tuple(cell.strip() for cell in next(csv.reader([lines[0][1]])))
    rows = list(csv.reader([line for _, line in lines[1:]]))
    if len(rows) != len(lines) - 1:
        raise InputError(path, "quoted text over several lines", "one request on each line")
    for (number, line), row in zip(lines[1:], rows, strict=True):
        if len(row) != len(header):
            raise InputError(f"{path}:{number}", line, f"{len(header)} cells: {', '.join(header)}")
    cells = {name: [row[k] for row in rows] for k, name in enumerate(header)}
    return header, TableRows(path, np.array([n for n, _ in lines[1:]], dtype=np.int64), cells)


def _floats(rows: TableRows, column: str, default: float | None = None) -> Floats:
    texts: Sequence[str] = rows.cells[column]
    if default is not None:
        texts = [text if text.strip() else repr(default) for text in texts]
    try:
        return np.array(texts, dtype=np.str_).astype(np.float64)
    except ValueError:
        for i, text in enumerate(texts):
            try:
                float(text)
            except ValueError:
                raise InputError(rows.place(i, column), text, "a number") from None
        raise


def _whole(rows: TableRows, column: str, default: int | None = None) -> Ints:
    values = _floats(rows, column, default)
    bad = ~(np.abs(values) < 2.0**53) | (values != np.floor(values))
    if bad.any():
        i = int(np.argmax(bad))
        raise InputError(rows.place(i, column), rows.cells[column][i], "a whole number")
    return values.astype(np.int64)


def _clock(rows: TableRows, column: str) -> Floats:
    """Seconds since the first row of calendar times in ISO form."""
    texts = [text.strip().removesuffix("Z").removesuffix("+00:00") for text in rows.cells[column]]
    try:
        times = np.array(texts, dtype="datetime64[ns]")
    except ValueError:
        for i, text in enumerate(texts):
            try:
                np.datetime64(text, "ns")
            except ValueError:
                raise InputError(rows.place(i, column), text, "a time like 2023-11-16 18:15:46.68") from None
        raise
    missing = np.isnat(times)
    if missing.any():
        raise InputError(rows.place(int(np.argmax(missing)), column), "nothing", "a time like 2023-11-16 18:15:46.68")
    return np.asarray((times - times[0]).astype(np.int64) / 1e9)


def _azure(rows: TableRows, name: str) -> Trace:
    return make_trace(
        name,
        _clock(rows, "TIMESTAMP"),
        _whole(rows, "ContextTokens"),
        _whole(rows, "GeneratedTokens"),
        source="Azure LLM inference trace",
        place=file_place(rows.path, rows.lines),
    )


def _burst(rows: TableRows, name: str) -> Trace:
    inputs, outputs = _whole(rows, "Request tokens"), _whole(rows, "Response tokens")
    if "Total tokens" in rows.cells:
        total = _whole(rows, "Total tokens")
        bad = total != inputs + outputs
        if bad.any():
            i = int(np.argmax(bad))
            wanted = f"the sum of request and response tokens, {inputs[i] + outputs[i]}"
            raise InputError(rows.place(i, "Total tokens"), int(total[i]), wanted)
    session = None
    if "Session ID" in rows.cells:
        _, labels = np.unique([text.strip() for text in rows.cells["Session ID"]], return_inverse=True)
        session = np.where([bool(text.strip()) for text in rows.cells["Session ID"]], labels, NONE)
    failed = np.flatnonzero(outputs == 0)
    notes = (f"{len(failed)} requests without an answer are kept as prompts",) if len(failed) else ()
    return make_trace(
        name,
        _floats(rows, "Timestamp"),
        inputs,
        outputs,
        session=session,
        source="BurstGPT",
        notes=notes,
        place=file_place(rows.path, rows.lines),
    )


def _own_runs(rows: TableRows) -> Runs:
    counts, start, count = [0], [], []
    for i, text in enumerate(rows.cells["blocks"]):
        for run in text.split():
            first, plus, many = run.partition("+")
            if not (first.isdecimal() and (many.isdecimal() if plus else True)):
                raise InputError(rows.place(i, "blocks"), text, "runs of ids like '0+14 37+3'")
            start.append(int(first))
            count.append(int(many) if plus else 1)
        counts.append(len(start))
    return np.array(counts, dtype=np.int64), np.array(start, dtype=np.int64), np.array(count, dtype=np.int64)


def _own(rows: TableRows, name: str) -> Trace:
    def optional(column: str, default: int) -> Ints | None:
        return _whole(rows, column, default) if column in rows.cells else None

    size, runs = 0, None
    if "blocks" in rows.cells:
        runs = _own_runs(rows)
        sizes = _whole(rows, "block_tokens") if "block_tokens" in rows.cells else np.zeros(1, np.int64)
        bad = sizes != sizes[0]
        if bad.any() or sizes[0] < 1:
            i = int(np.argmax(bad))
            raise InputError(rows.place(i, "block_tokens"), int(sizes[i]), "one size of block, above 0, in every row")
        size = int(sizes[0])
    return make_trace(
        name,
        _floats(rows, "arrival_s", float("nan")),
        _whole(rows, "input_tokens"),
        _whole(rows, "output_tokens"),
        session=optional("session", NONE),
        after=optional("after", NONE),
        think_s=_floats(rows, "think_s", 0.0) if "think_s" in rows.cells else None,
        priority=optional("priority", 0),
        block_tokens=size,
        runs=runs,
        source=rows.path,
        place=file_place(rows.path, rows.lines),
    )


TABLES: MappingProxyType[str, tuple[tuple[str, ...], Callable[[TableRows, str], Trace]]] = MappingProxyType(
    {
        "azure": (("TIMESTAMP", "ContextTokens", "GeneratedTokens"), _azure),
        "burstgpt": (("Timestamp", "Request tokens", "Response tokens"), _burst),
        "headway": (OWN_REQUIRED, _own),
    }
)
"""Formats told from the header: the columns each must have, and its reader."""


def table_trace(path: str, lines: list[Line], name: str) -> Trace:
    """Read a CSV trace, its format told from the header.

    Parameters
    ----------
    path : str
        For errors.
    lines : list of (int, str)
        Of the file.
    name : str
        Of the trace.

    Returns
    -------
    Trace
        One request per row.

    Raises
    ------
    InputError
        If the header is of no known format, or a row is damaged.

    Examples
    --------
    >>> table_trace("a.csv", [(1, "arrival_s,input_tokens,output_tokens"), (2, "0.5,100,10")], "a").input_tokens
    array([100])
    """
    header, rows = read_table(path, lines)
    for needed, reader in TABLES.values():
        if set(needed) <= set(header):
            if len(set(header)) != len(header):
                raise InputError(f"{path}:{lines[0][0]}", ", ".join(header), "columns that are named once")
            if not len(rows.lines):
                raise InputError(f"{path}:{lines[0][0]}", "a header and no rows", "at least one request")
            return reader(rows, name)
    known = "; ".join(f"{kind}: {', '.join(needed)}" for kind, (needed, _) in TABLES.items())
    raise InputError(f"{path}:{lines[0][0]}", ", ".join(header), f"the columns of a known trace ({known})")
