"""Published measurements as frozen rows, read whole or not at all.

The packaged tables keep the text of their sources: one row per measured quantity, each with where it was published.
A user's file has the same columns. A cell that cannot be read is refused with its row and column.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from headway.evidence.measured_lines import Line, lines, load

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


def _measurement(line: Line) -> Measurement:
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


def _whole_needed(line: Line, column: str) -> int:
    line.needed(column)
    return line.whole_or_none(column) or 0


def _training(line: Line) -> TrainingMeasurement:
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


def _read(
    path: str | Path, make: Callable[[Line], Row], known: Sequence[str], needed: Sequence[str]
) -> tuple[Row, ...]:
    return tuple(make(line) for line in lines(str(path), load(path), known, needed))


def read_serving(path: str | Path) -> tuple[Measurement, ...]:
    """Read a file with the columns of the packaged serving measurements, whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be read, or a column or a cell is not what the dictionary says; the message names the row
        and the column.
    """
    return _read(path, _measurement, _SERVING_COLUMNS, _SERVING_NEEDED)


def unread_columns(path: str | Path, *, training: bool = False) -> tuple[str, ...]:
    """Columns of a file that say nothing to :func:`read_serving`, or to :func:`read_training`.

    Examples
    --------
    >>> unread_columns("absent.csv")
    Traceback (most recent call last):
    headway.facts.errors.InputError: ...
    """
    known = _TRAINING_COLUMNS if training else _SERVING_COLUMNS
    first = next(csv.reader(io.StringIO(load(path).decode("utf-8-sig"), newline="")), [])
    return tuple(name.strip() for name in first if name.strip() not in known)


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
    return tuple(_measurement(line) for line in lines("serving", data, _SERVING_COLUMNS, _SERVING_NEEDED))


@cache
def open_training() -> tuple[TrainingMeasurement, ...]:
    """All open training measurements of the package.

    >>> len(open_training())
    199
    """
    data = _packaged("training").read_bytes()
    return tuple(_training(line) for line in lines("training", data, _TRAINING_COLUMNS, _TRAINING_NEEDED))
