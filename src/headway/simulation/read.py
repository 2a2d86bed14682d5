"""Read a trace, its format told from the content, and write one."""

from __future__ import annotations

import csv
import io
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from headway.facts.check import positive, single
from headway.facts.errors import InputError, MissingExtraError
from headway.simulation.agentic import SESSION_GAP_S, agentic_trace
from headway.simulation.arrivals import dequantise, grid_s
from headway.simulation.csv_formats import OWN_OPTIONAL, OWN_REQUIRED, table_trace
from headway.simulation.files import json_lines, many_objects, read_bytes, text_lines
from headway.simulation.json_formats import LINES, measured
from headway.simulation.trace import Trace

_PARQUET = b"PAR1"
_AGENTIC = frozenset({"c", "t", "in", "out", "h"})


def read_trace(
    path: str | Path,
    *,
    closed: bool = False,
    session_gap_s: float = SESSION_GAP_S,
    spread: bool = False,
    seed: int = 0,
) -> Trace:
    """Read a trace file, plain or gzip; what it is, is told from its content.

    Known are the Azure LLM traces of 2023 and 2024 and BurstGPT (CSV), Mooncake and Qwen-Bailian (JSONL with
    block ids), agentic coding sessions (JSONL), what ``vllm bench serve`` and ``sglang.bench_serving`` save with
    details, measured server runs (JSON), and Headway's own table (CSV or Parquet).

    Parameters
    ----------
    path : str or Path
        The file.
    closed : bool
        Replay sessions as a closed loop: a turn leaves when the answer before it was read.
    session_gap_s : float
        Mean time between starts of sessions, where the file has no calendar [s].
    spread : bool
        Spread arrival times that sit on a coarse grid over its steps.
    seed : int
        Of whatever is drawn.

    Returns
    -------
    Trace
        With notes of what was assumed.

    Raises
    ------
    InputError
        If the file cannot be read; one line with the file and the line in it.

    Examples
    --------
    >>> read_trace("no-such-file.csv")
    Traceback (most recent call last):
    headway.facts.errors.InputError: trace: 'no-such-file.csv' is not accepted: expected a file that can be read
    """
    gap = positive("session_gap_s", single("session_gap_s", session_gap_s), "s")
    data = read_bytes(path)
    name = Path(path).name.removesuffix(".gz").rpartition(".")[0] or Path(path).name
    if data.startswith(_PARQUET):
        trace = _parquet(str(path), name)
    elif data.lstrip()[:1] in (b"{", b"["):
        with many_objects():
            trace = _json(str(path), data, name, closed, gap, seed)
    else:
        trace = table_trace(str(path), text_lines(path, data), name)
    step = grid_s(trace)
    if step and spread:
        return dequantise(trace, step, seed)
    if step:
        note = f"arrival times sit on a {step:g} s grid: what happens inside a step is not recorded"
        return with_notes(trace, (note,))
    return trace


def with_notes(trace: Trace, notes: tuple[str, ...]) -> Trace:
    """The same trace with more notes.

    >>> from headway.simulation.trace import make_trace
    >>> with_notes(make_trace("t", [0], [1], [1]), ("short",)).notes
    ('short',)
    """
    from dataclasses import replace

    return replace(trace, notes=trace.notes + notes)


def _json(path: str, data: bytes, name: str, closed: bool, gap: float, seed: int) -> Trace:
    lines = text_lines(path, data)
    document = _document(lines, data)
    if document is not None and "requests" in document:
        return measured(path, document, name)
    rows = [(1, document)] if document is not None and len(lines) > 1 else list(json_lines(path, lines))
    keys = set(rows[0][1])
    if keys >= _AGENTIC:
        return agentic_trace(path, rows, name, closed=closed, session_gap_s=gap, seed=seed)
    for needed, reader in LINES.values():
        if keys >= set(needed):
            return reader(path, rows, name)
    known = "; ".join(f"{kind}: {', '.join(needed)}" for kind, (needed, _) in LINES.items())
    wanted = f"the keys of a known trace ({known}; agentic: {', '.join(sorted(_AGENTIC))}; measured: requests)"
    raise InputError(f"{path}:{rows[0][0]}", ", ".join(sorted(keys)) or "an object without keys", wanted)


def _document(lines: list[tuple[int, str]], data: bytes) -> dict[str, Any] | None:
    """The whole file as one JSON object, where it is one (on one line, or over several)."""
    if len(lines) > 1 and lines[0][1].rstrip().endswith("}"):
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _arrow(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise MissingExtraError("pyarrow", "simulation") from None


def _parquet(path: str, name: str) -> Trace:
    parquet, arrow = _arrow("pyarrow.parquet"), _arrow("pyarrow")
    try:
        table = parquet.read_table(path)
    except (OSError, arrow.ArrowException) as error:
        raise InputError(path, f"Parquet that cannot be read ({error})", "a whole Parquet file") from None
    columns = {n: ["" if v is None else str(v) for v in table[n].to_pylist()] for n in table.column_names}
    header = ",".join(columns)
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(zip(*columns.values(), strict=True))
    return table_trace(path, [(0, header), *enumerate(buffer.getvalue().splitlines(), 1)], name)


def _own_columns(trace: Trace) -> dict[str, list[Any]]:
    out: dict[str, list[Any]] = {
        "arrival_s": [None if np.isnan(t) else float(t) for t in trace.arrival_s],
        "input_tokens": trace.input_tokens.tolist(),
        "output_tokens": trace.output_tokens.tolist(),
    }
    for column, plain in (("session", -1), ("after", -1), ("think_s", 0), ("priority", 0)):
        values = getattr(trace, column)
        if (values != plain).any():
            out[column] = values.tolist()
    if trace.block_tokens:
        indptr, start, count = (column.tolist() for column in trace.runs)
        texts = [f"{s}+{c}" for s, c in zip(start, count, strict=True)]
        out["block_tokens"] = [trace.block_tokens] * len(trace)
        out["blocks"] = [" ".join(texts[indptr[i] : indptr[i + 1]]) for i in range(len(trace))]
    return {k: out[k] for k in (*OWN_REQUIRED, *OWN_OPTIONAL) if k in out}


def trace_csv(trace: Trace) -> str:
    """The trace as Headway's own CSV.

    >>> from headway.simulation.trace import make_trace
    >>> print(trace_csv(make_trace("t", [0.25], [12], [3])), end="")
    arrival_s,input_tokens,output_tokens
    0.25,12,3
    """
    columns = _own_columns(trace)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return buffer.getvalue()


def write_trace(trace: Trace, path: str | Path) -> None:
    """Write a trace as Headway's own table: ``.csv``, ``.csv.gz`` or ``.parquet``.

    Raises
    ------
    InputError
        If the name ends in something else.
    MissingExtraError
        If Parquet is asked for and pyarrow is not installed.

    Examples
    --------
    >>> from headway.simulation.trace import make_trace
    >>> write_trace(make_trace("t", [0.25], [12], [3]), "trace.txt")
    Traceback (most recent call last):
    headway.facts.errors.InputError: file: 'trace.txt' is not accepted: expected a name ...
    """
    import gzip

    where = Path(path)
    if where.name.endswith(".parquet"):
        _arrow("pyarrow.parquet").write_table(_arrow("pyarrow").table(_own_columns(trace)), str(where))
    elif where.name.endswith((".csv", ".csv.gz")):
        data = trace_csv(trace).encode()
        where.write_bytes(gzip.compress(data, mtime=0) if where.name.endswith(".gz") else data)
    else:
        raise InputError("file", str(path), "a name that ends in .csv, .csv.gz or .parquet")
