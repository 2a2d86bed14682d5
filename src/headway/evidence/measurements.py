"""Published measurements as frozen rows, read whole or not at all.

The packaged tables keep the text of their sources: one row per measured quantity, each with where it was published.
A user's file has the same columns. A cell that cannot be read is refused with its row and column.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from headway.facts.errors import InputError, shorten, unknown

_LARGEST_FILE = 64 << 20
_MOST_ROWS = 100_000
_LONGEST_CELL = 10_000
_LARGEST = 1e15
_NUMBER = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)

#: Quantities that a row may measure, with their unit.
METRICS: Mapping[str, str] = MappingProxyType(
    {
        "tpot_ms": "ms",
        "itl_ms": "ms",
        "ttft_ms": "ms",
        "batch_latency_s": "s",
        "output_throughput": "token/s",
        "output_throughput_per_gpu": "token/s",
        "system_throughput": "token/s",
        "prefill_throughput_per_gpu": "token/s",
        "prefill_throughput_per_node": "token/s",
        "decode_throughput_per_gpu": "token/s",
        "decode_throughput_per_node": "token/s",
        "output_speed_per_user": "token/s",
        "fleet_average_gpus": "GPU",
    }
)

#: How a deployment was run.
MODES: tuple[str, ...] = (
    "aggregated",
    "disaggregated",
    "prefill-only",
    "decode-only",
    "offline",
    "offline static batch",
    "mlperf-offline",
    "mlperf-server",
    "mlperf-interactive",
    "latency",
)

#: Quantities of a training row.
TRAINING_METRICS: tuple[str, ...] = (
    "step_time_s",
    "time_to_train_min",
    "tokens_per_s_per_gpu",
    "model_tflops_per_gpu",
    "mfu_pct",
    "pretrain_gpu_hours",
    "total_gpu_hours",
)

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured quantity of one serving setup, as its source states it.

    Parameters
    ----------
    row_id, setup_id, source_id : str
        Names of the row, of the run (rows of one run share it) and of the source.
    model, weight_precision, kv_precision, hardware, parallelism, mode, engine, engine_version : str
        As spelt by the source; empty where it does not say.
    n_gpus : int
        Chips of the whole system [1].
    isl, osl : int or None
        Input and output tokens of a request [token].
    dataset : str
        Name of the data set where the source states that instead of a length.
    concurrency : float or None
        Requests in flight [1].
    batch_per_gpu, spec_decode : str
        As stated.
    metric : str
        Key of :data:`METRICS`.
    value : float
        In the unit of the metric.
    unit, measured_date, trust, source_url, note : str
        As stated.
    """

    row_id: str
    setup_id: str
    source_id: str
    model: str
    weight_precision: str
    kv_precision: str
    hardware: str
    n_gpus: int
    parallelism: str
    mode: str
    engine: str
    engine_version: str
    isl: int | None
    osl: int | None
    dataset: str
    concurrency: float | None
    batch_per_gpu: str
    spec_decode: str
    metric: str
    value: float
    unit: str
    measured_date: str
    trust: str
    source_url: str
    note: str


@dataclass(frozen=True, slots=True)
class TrainingMeasurement:
    """One measured quantity of one training run; only what every row needs is typed.

    Parameters
    ----------
    row_id, source_id, model, precision, hardware : str
    n_gpus : int or None
        Chips of the run [1].
    metric : str
        One of :data:`TRAINING_METRICS`.
    value : float
        In the unit of the row.
    unit : str
    cells : mapping of str to str
        All cells of the row as written: layout, batch, recomputation, date, note.
    """

    row_id: str
    source_id: str
    model: str
    precision: str
    hardware: str
    n_gpus: int | None
    metric: str
    value: float
    unit: str
    cells: Mapping[str, str]


_SERVING_NEEDED = (
    "model",
    "hardware",
    "n_gpus",
    "parallelism",
    "mode",
    "engine",
    "isl",
    "osl",
    "concurrency",
    "metric",
    "value",
)
_SERVING_COLUMNS = tuple(name for name in Measurement.__dataclass_fields__ if name != "dataset")
_TRAINING_NEEDED = ("model", "hardware", "n_gpus", "metric", "value")
_TRAINING_COLUMNS = (
    *("row_id", "source_id", "model", "total_params_b", "active_params_b", "precision", "hardware", "n_gpus"),
    *("tp", "pp", "vp", "cp", "ep", "dp_or_fsdp", "global_batch", "micro_batch", "seq_len", "recompute"),
    *("metric", "value", "unit", "measured_date", "trust", "source_url", "note"),
)


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a file, which knows how to name itself."""

    where: str
    number: int
    cells: Mapping[str, str]

    def place(self, column: str) -> str:
        return f"{self.where}: row {self.number}: {column}"

    def text(self, column: str) -> str:
        return self.cells.get(column, "").strip()

    def needed(self, column: str) -> str:
        found = self.text(column)
        if not found:
            raise InputError(self.place(column), "nothing", "a value")
        return found

    def one_of(self, column: str, options: Sequence[str]) -> str:
        found = self.needed(column)
        if found not in options:
            raise unknown(self.place(column), shorten(found, 80).strip("'"), options, f"one of {', '.join(options)}")
        return found

    def number_or_none(self, column: str) -> float | None:
        text = self.text(column)
        if not text:
            return None
        # Sources write "~3,700" for a median over a data set.
        plain = text.removeprefix("~").strip()
        if not _NUMBER.fullmatch(plain):
            raise InputError(self.place(column), text, "a number above 0, or nothing")
        value = float(plain.replace(",", ""))
        if not (math.isfinite(value) and 0 < value <= _LARGEST):
            raise InputError(self.place(column), text, "a number above 0, or nothing")
        return value

    def whole_or_none(self, column: str) -> int | None:
        value = self.number_or_none(column)
        if value is not None and value != int(value):
            raise InputError(self.place(column), self.text(column), "a whole number")
        return None if value is None else int(value)

    def number_needed(self, column: str) -> float:
        self.needed(column)
        value = self.number_or_none(column)
        return 0.0 if value is None else value


def _measurement(line: _Line) -> Measurement:
    text = line.text
    # A data set has no single length; its name stands in the column of the input.
    dataset = text("isl") if text("isl").lower().endswith("dataset") else ""
    row = text("row_id") or f"row-{line.number}"
    return Measurement(
        row_id=row,
        setup_id=text("setup_id") or row,
        source_id=text("source_id") or Path(line.where).name,
        model=line.needed("model"),
        weight_precision=text("weight_precision"),
        kv_precision=text("kv_precision"),
        hardware=line.needed("hardware"),
        n_gpus=int(_whole_needed(line, "n_gpus")),
        parallelism=text("parallelism"),
        mode=line.one_of("mode", MODES),
        engine=text("engine"),
        engine_version=text("engine_version"),
        isl=None if dataset else line.whole_or_none("isl"),
        osl=line.whole_or_none("osl"),
        dataset=dataset,
        concurrency=line.number_or_none("concurrency"),
        batch_per_gpu=text("batch_per_gpu"),
        spec_decode=text("spec_decode"),
        metric=line.one_of("metric", tuple(METRICS)),
        value=line.number_needed("value"),
        unit=text("unit"),
        measured_date=text("measured_date"),
        trust=text("trust"),
        source_url=text("source_url"),
        note=text("note"),
    )


def _whole_needed(line: _Line, column: str) -> int:
    line.needed(column)
    return line.whole_or_none(column) or 0


def _training(line: _Line) -> TrainingMeasurement:
    return TrainingMeasurement(
        row_id=line.text("row_id") or f"row-{line.number}",
        source_id=line.text("source_id") or Path(line.where).name,
        model=line.needed("model"),
        precision=line.text("precision"),
        hardware=line.needed("hardware"),
        n_gpus=line.whole_or_none("n_gpus"),
        metric=line.one_of("metric", TRAINING_METRICS),
        value=line.number_needed("value"),
        unit=line.text("unit"),
        cells=line.cells,
    )


def _header(where: str, header: Sequence[str], known: Sequence[str], needed: Sequence[str]) -> None:
    for name in header:
        if name not in known:
            raise unknown(f"{where}: column", shorten(name, 60).strip("'"), known, "a column of the dictionary")
        if header.count(name) > 1:
            raise InputError(f"{where}: column", name, "each column once")
    for name in needed:
        if name not in header:
            raise InputError(f"{where}: columns", ", ".join(header) or "nothing", f"a column {name}")


def _lines(where: str, data: bytes, known: Sequence[str], needed: Sequence[str]) -> list[_Line]:
    if len(data) > _LARGEST_FILE:
        raise InputError(where, f"{len(data):,} bytes", f"a file of at most {_LARGEST_FILE:,} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(where, f"byte {error.start}", "text in UTF-8") from None
    if "\0" in text:
        raise InputError(where, "a NUL character", "a CSV file")
    found: list[_Line] = []
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = [name.strip() for name in next(reader, [])]
        _header(where, header, known, needed)
        for number, cells in enumerate(reader, 2):
            if not cells:
                continue
            if len(cells) != len(header):
                raise InputError(f"{where}: row {number}", f"{len(cells)} cells", f"{len(header)} cells")
            if len(found) == _MOST_ROWS:
                raise InputError(where, "more rows", f"at most {_MOST_ROWS:,} rows")
            long = next((name for name, cell in zip(header, cells, strict=True) if len(cell) > _LONGEST_CELL), None)
            if long is not None:
                raise InputError(f"{where}: row {number}: {long}", "a longer text", f"{_LONGEST_CELL:,} characters")
            found.append(_Line(where, number, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        raise InputError(where, str(error), "a CSV file with commas and double quotes") from None
    if not found:
        raise InputError(where, "no rows", "at least one row under the header")
    return found


def _load(path: str | Path) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError("file", str(path), f"a CSV file that can be read ({reason})") from None


def _read(
    path: str | Path, make: Callable[[_Line], Row], known: Sequence[str], needed: Sequence[str]
) -> tuple[Row, ...]:
    return tuple(make(line) for line in _lines(str(path), _load(path), known, needed))


def read_serving(path: str | Path) -> tuple[Measurement, ...]:
    """Read a file with the columns of the packaged serving measurements, whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be read, or a column or a cell is not what the dictionary says; the message names the row
        and the column.
    """
    return _read(path, _measurement, _SERVING_COLUMNS, _SERVING_NEEDED)


def read_training(path: str | Path) -> tuple[TrainingMeasurement, ...]:
    """Read a file with the columns of the packaged training measurements, whole or not at all.

    Raises
    ------
    InputError
        As :func:`read_serving`.
    """
    return _read(path, _training, _TRAINING_COLUMNS, _TRAINING_NEEDED)


def _packaged(name: str) -> Any:
    from importlib import resources

    return resources.files("headway.facts").joinpath("data", "measurements", f"{name}.csv")


@cache
def open_serving() -> tuple[Measurement, ...]:
    """All open serving measurements of the package.

    >>> rows = open_serving()
    >>> len(rows), len({row.setup_id for row in rows})
    (727, 477)
    """
    data = _packaged("serving").read_bytes()
    return tuple(_measurement(line) for line in _lines("serving", data, _SERVING_COLUMNS, _SERVING_NEEDED))


@cache
def open_training() -> tuple[TrainingMeasurement, ...]:
    """All open training measurements of the package.

    >>> len(open_training())
    199
    """
    data = _packaged("training").read_bytes()
    return tuple(_training(line) for line in _lines("training", data, _TRAINING_COLUMNS, _TRAINING_NEEDED))
