"""Run tables: read once, refused by row and column, with the columns that the field's own files have."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.errors import InputError, nearest
from headway.physics.arrays import Floats
from headway.scaling.forms import Point

COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "size": ("params", "n_params", "parameters", "active_params", "n", "size", "model_size"),
        "tokens": ("tokens", "d_tokens", "d", "training_tokens", "n_tokens"),
        "compute": ("compute", "c_flop", "flop", "flops", "c", "compute_flop", "training_flop"),
        "loss": ("loss", "l", "final_loss", "val_loss", "loss_nats"),
        "unique": ("unique", "unique_tokens", "u"),
        "sparsity": ("sparsity", "total_over_active"),
    }
)
"""Column names that are understood, without regard to case; the first that a table has is read."""

_NAMES = ("run", "name", "run_name")
_MIXED = 1e4
_MOST_LOSS = 100.0


@dataclass(frozen=True, slots=True)
class Runs:
    """A table of runs that has passed every check.

    Parameters
    ----------
    path : str
    names : tuple of str
        The run's own name, or its row.
    at : Point
        Size, tokens, compute.
    loss : ndarray
        The column that is to be predicted.
    rows : tuple of int
        Line of each run in the file; the header is line 1.
    target : str
        Name of that column.
    left_out : tuple of str
        Runs that an option left out, each with the reason.
    extra : mapping of str to ndarray
        Further numeric columns that were asked for.
    notes : tuple of str
        Conventions that were assumed.
    """

    path: str
    names: tuple[str, ...]
    at: Point
    loss: Floats
    rows: tuple[int, ...]
    target: str
    left_out: tuple[str, ...]
    extra: Mapping[str, Floats]
    notes: tuple[str, ...]


def runs_of(at: Point, loss: ArrayLike, target: str = "loss") -> Runs:
    """Runs that no file holds, for use as a library.

    >>> runs_of(Point(compute=np.array([1e18, 1e19])), [3.0, 2.5]).names
    ('run 1', 'run 2')
    """
    values = np.asarray(loss, dtype=float)
    count = len(values)
    names = tuple(f"run {k + 1}" for k in range(count))
    return Runs("runs", names, at, values, tuple(range(count)), target, (), MappingProxyType({}), ())


def read_rows(path: str) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Header and rows of a CSV file, each row with its line.

    Raises
    ------
    InputError
        If the file cannot be read, is empty, has a column twice, or a row of another length.

    Examples
    --------
    >>> read_rows("no-such-file.csv")
    Traceback (most recent call last):
    headway.facts.errors.InputError: run table: 'no-such-file.csv' is not accepted: expected a readable CSV file
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError):
        raise InputError("run table", path, "a readable CSV file") from None
    try:
        lines = [(n, row) for n, row in enumerate(csv.reader(text.splitlines()), 1) if any(c.strip() for c in row)]
    except csv.Error as error:
        raise InputError("run table", path, f"a CSV file ({error})") from None
    if len(lines) < 2:
        raise InputError(path, "no runs", "a header and at least one row")
    header = [c.strip() for c in lines[0][1]]
    twice = sorted({c for c in header if header.count(c) > 1})
    if twice:
        raise InputError(f"{path}: header", twice[0], "each column once")
    found = []
    for number, row in lines[1:]:
        if len(row) != len(header):
            raise InputError(f"{path}: row {number}", f"{len(row)} cells", f"{len(header)} cells, as the header has")
        found.append((number, dict(zip(header, (c.strip() for c in row), strict=True))))
    return header, found


def number(path: str, row: int, column: str, text: str) -> float:
    """One cell as a finite number, or an error that names row and column.

    >>> number("runs.csv", 4, "loss", "nan")
    Traceback (most recent call last):
    headway.facts.errors.InputError: runs.csv: row 4, column 'loss': 'nan' is not accepted: expected a finite number
    """
    where = f"{path}: row {row}, column {column!r}"
    try:
        value = float(text.replace("_", "x"))
    except ValueError:
        unit = "a plain number (units belong in the header, one for the whole column)" if text[:1].isdigit() else ""
        raise InputError(where, text, unit or "a finite number") from None
    if not math.isfinite(value):
        raise InputError(where, text, "a finite number")
    return value


def _find(header: Sequence[str], kind: str) -> str | None:
    lower = {c.lower(): c for c in header}
    return next((lower[name] for name in COLUMNS[kind] if name in lower), None)


def _positive(path: str, row: int, column: str, text: str) -> float:
    value = number(path, row, column, text)
    if value <= 0:
        raise InputError(f"{path}: row {row}, column {column!r}", text, "a number above 0")
    return value


def read_runs(
    path: str,
    *,
    target: str | None = None,
    leave_out: str | None = None,
    where: Sequence[tuple[str, str]] = (),
    extra: Sequence[str] = (),
    least: int = 2,
) -> Runs:
    """Read a run table.

    Parameters
    ----------
    path : str
        CSV with a header; size and tokens, or compute alone, and the loss (:data:`COLUMNS` lists the names).
    target : str, optional
        Column to predict where it is not called loss.
    leave_out : str, optional
        Column whose nonzero rows are left out, by name and not by residual.
    where : sequence of (str, str)
        Only rows whose column has this text.
    extra : sequence of str
        Further columns to read.
    least : int
        Least runs.

    Raises
    ------
    InputError
        For a missing column, a cell that is not a positive finite number, the same run twice, units that change
        within a column, or a single rung; with row and column.

    Examples
    --------
    >>> read_runs("no-such-file.csv")
    Traceback (most recent call last):
    headway.facts.errors.InputError: run table: 'no-such-file.csv' is not accepted: expected a readable CSV file
    """
    header, rows = read_rows(path)
    for column, _ in [*where, *([(leave_out, "")] if leave_out else []), *((c, "") for c in extra)]:
        if column not in header:
            raise InputError(f"{path}: column", column, f"one of {', '.join(header[:12])}", nearest(column, header))
    rows = [(n, r) for n, r in rows if all(r[c] == text for c, text in where)]
    gone = [(n, r) for n, r in rows if leave_out and number(path, n, leave_out, r[leave_out] or "0") != 0]
    rows = [pair for pair in rows if pair not in gone]
    places = {kind: _find(header, kind) for kind in COLUMNS}
    loss = target or places["loss"]
    if loss is None or loss not in header:
        raise InputError(f"{path}: column", target or "no loss", "a column 'loss', or --target COLUMN")
    if not (places["compute"] or (places["size"] and places["tokens"])):
        missing = "tokens" if places["size"] else ("size" if places["tokens"] else "size, tokens or compute")
        raise InputError(f"{path}: column", f"no {missing}", "columns size and tokens, or compute alone")
    if places["size"] is None or places["tokens"] is None:
        places["size"] = places["tokens"] = None
    columns: dict[str, Floats] = {}
    for kind, name in places.items():
        if name is not None and kind != "loss":
            columns[kind] = np.array([_positive(path, n, name, r[name]) for n, r in rows])
            _one_unit(path, name, columns[kind], [n for n, _ in rows])
    values = np.array([_positive(path, n, loss, r[loss]) for n, r in rows])
    _plausible(path, loss, values, [n for n, _ in rows])
    at = Point(**columns)
    called = next((c for c in header if c.lower() in _NAMES), None)
    names = tuple(r[called] if called else f"row {n}" for n, r in rows)
    _refuse_twice(path, rows, names if called else None, at, values)
    notes = _conventions(at)
    if len(rows) < least or (least > 1 and _rungs(at) < 2):
        raise InputError(path, f"{len(rows)} runs, {_rungs(at)} rung", "runs of at least two sizes of compute")
    return Runs(
        path,
        names,
        at,
        values,
        tuple(n for n, _ in rows),
        loss,
        tuple(f"{r[called] if called else f'row {n}'} ({leave_out})" for n, r in gone),
        MappingProxyType({c: np.array([number(path, n, c, r[c]) for n, r in rows]) for c in extra}),
        notes,
    )


def _rungs(at: Point) -> int:
    if len(at) == 0:
        return 0
    compute = at.compute if at.compute is not None else 6.0 * at.size * at.tokens  # type: ignore[operator]
    return len(np.unique(np.round(np.log10(compute), 3)))


def _one_unit(path: str, column: str, values: Floats, rows: Sequence[int]) -> None:
    """A column whose largest gap splits it far apart changes its unit half way."""
    if len(values) < 2:
        return
    logs = np.sort(np.log10(values))
    gaps = np.diff(logs)
    if gaps.max() >= np.log10(_MIXED):
        split = logs[int(np.argmax(gaps))]
        below = np.log10(values) <= split
        odd = int(np.flatnonzero(below if below.sum() <= (~below).sum() else ~below)[0])
        raise InputError(
            f"{path}: row {rows[odd]}, column {column!r}",
            float(values[odd]),
            f"one unit for the whole column (other rows differ by {10 ** gaps.max():.0e} times)",
        )


def _plausible(path: str, column: str, values: Floats, rows: Sequence[int]) -> None:
    for row, value in zip(rows, values.tolist(), strict=True):
        if value > _MOST_LOSS:
            raise InputError(f"{path}: row {row}, column {column!r}", value, f"a value of at most {_MOST_LOSS:g}")


def _refuse_twice(
    path: str,
    rows: Sequence[tuple[int, Mapping[str, str]]],
    names: Sequence[str] | None,
    at: Point,
    values: Floats,
) -> None:
    """The same place twice is a repeat if it has another name, and a duplicate if not."""
    seen: dict[tuple[object, ...], int] = {}
    for i, (row, _) in enumerate(rows):
        columns = (at.size, at.tokens, at.compute, at.unique, at.sparsity)
        place: tuple[object, ...] = tuple(None if c is None else float(c[i]) for c in columns)
        key = (*place, names[i]) if names else (*place, float(values[i]))
        if key in seen:
            raise InputError(
                f"{path}: row {row}, column {'run' if names else 'all'!r}",
                names[i] if names else "the same run",
                f"each run once (row {seen[key]} has it already)",
            )
        seen[key] = row


def _conventions(at: Point) -> tuple[str, ...]:
    """What compute means here: six FLOP per parameter and token, or as given and how far from that."""
    if at.size is None or at.tokens is None:
        return ("compute as given",)
    if at.compute is None:
        return ("compute is 6 N D, with N as the table counts parameters",)
    ratio = float(np.median(at.compute / (6.0 * at.size * at.tokens)))
    return (f"compute as given, {ratio:.3g} times 6 N D in the median", "N as the table counts parameters")
