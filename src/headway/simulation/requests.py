"""One row for every request of a replay, as columns, CSV or Parquet."""

from __future__ import annotations

import csv
import gzip
import io
from importlib import import_module
from pathlib import Path
from typing import Any

from headway.facts.errors import InputError, MissingExtraError
from headway.simulation.outcome import request_times
from headway.simulation.replay import Replay

_ENDINGS = (".csv", ".csv.gz", ".parquet")


def request_columns(run: Replay) -> dict[str, list[Any]]:
    """Lengths, times, hits by tier, preemptions and engine of every request; NaN where it was not served.

    >>> from headway.simulation.replay import replay
    >>> from headway.simulation.step_times import fixed_times
    >>> from headway.simulation.trace import make_trace
    >>> columns = request_columns(replay(make_trace("t", [0.0], [10], [3]), fixed_times(0.5)))
    >>> columns["request"], columns["ttft_s"], columns["latency_s"]
    ([0], [0.5], [1.5])
    """
    tiers = {f"hit_tokens_{tier.name}": run.tier_tokens[:, t] for t, tier in enumerate(run.fleet.tiers)}
    columns = {
        "input_tokens": run.trace.input_tokens,
        "output_tokens": run.trace.output_tokens,
        "arrival_s": run.queued_s,
        **request_times(run),
        "hit_tokens": run.hit_tokens,
        **(tiers if run.tier_tokens.shape[1] else {}),
        "preemptions": run.preemptions,
        "engine": run.engine,
    }
    return {"request": list(range(len(run.trace)))} | {name: values.tolist() for name, values in columns.items()}


def check_requests_path(path: str) -> None:
    """Refuse a name that tells no format, before anything is simulated.

    >>> check_requests_path("rows.parquet")
    >>> check_requests_path("rows.xlsx")
    Traceback (most recent call last):
    headway.facts.errors.InputError: file: 'rows.xlsx' is not accepted: expected a name that ends in .csv, ...
    """
    if not path.endswith(_ENDINGS):
        raise InputError("file", path, f"a name that ends in {', '.join(_ENDINGS)}")
    if not Path(path).parent.is_dir():
        raise InputError("file", path, "a name in a folder that exists")


def write_requests(run: Replay, path: str) -> None:
    """Write one row per request: ``.csv``, ``.csv.gz`` or ``.parquet``; the file appears whole or not at all.

    Raises
    ------
    InputError
        If the name ends in something else, or its folder is not there.
    MissingExtraError
        If Parquet is asked for and pyarrow is not installed.

    Examples
    --------
    >>> write_requests(None, "rows.txt")
    Traceback (most recent call last):
    headway.facts.errors.InputError: file: 'rows.txt' is not accepted: expected a name that ends in .csv, ...
    """
    check_requests_path(path)
    columns, part = request_columns(run), Path(f"{path}.part")
    if path.endswith(".parquet"):
        try:
            arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
        except ImportError as error:
            raise MissingExtraError("pyarrow", "simulation") from error
        parquet.write_table(arrow.table(columns), str(part))
    else:
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        data = buffer.getvalue().encode()
        part.write_bytes(gzip.compress(data, mtime=0) if path.endswith(".gz") else data)
    part.replace(path)
