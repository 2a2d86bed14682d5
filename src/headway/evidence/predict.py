"""From rows to predictions, each run solved once.

What comes back is in the unit of the row, with an 80% interval and
a grade that says how much of it stands on measurements of that chip and engine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from headway.evidence.measurements import Measurement
from headway.evidence.runs import Case, Run, solve_each
from headway.evidence.setups import Refusal, Setup, Shelf, setup_of
from headway.facts.calibration import Book, Grade, grade_of, log_interval

#: Kind of error of each metric: intervals are kept by kind.
KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tpot_ms": "tpot",
        "itl_ms": "tpot",
        "ttft_ms": "ttft",
        "batch_latency_s": "latency",
        "output_throughput": "throughput",
        "output_throughput_per_gpu": "throughput",
        "system_throughput": "throughput",
        "prefill_throughput_per_gpu": "throughput",
        "prefill_throughput_per_node": "throughput",
        "decode_throughput_per_gpu": "throughput",
        "decode_throughput_per_node": "throughput",
        "output_speed_per_user": "tpot",
        "fleet_average_gpus": "throughput",
    }
)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the physics says of a measured quantity.

    Parameters
    ----------
    value, low, high : float
        Prediction and its 80% interval, in the unit of the row.
    grade : str
        What it stands on.
    binding : str
        What sets most of the time of a decode pass; empty where there is none.
    decoding : float
        Sequences that the prediction has decoding at a time [1]; nan where that has no meaning.
    prefill_share : float
        Share of passes that carry prompt tokens [1]; nan where that has no meaning.
    assumed : tuple of str
        What the source does not say and was taken from elsewhere.
    """

    value: float
    low: float
    high: float
    grade: Grade
    binding: str
    decoding: float
    prefill_share: float
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A row with its prediction, or with the reason why there is none."""

    row: Measurement
    prediction: Prediction | None
    refusal: Refusal | None = None


def predictions(
    rows: Iterable[Measurement], shelf: Shelf | None = None, table: Book | None = None
) -> tuple[Answer, ...]:
    """Predict every row, each run once.

    Parameters
    ----------
    rows : iterable of Measurement
    shelf : Shelf, optional
        Models and systems of one's own.
    table : Book, optional
        Constants; the packaged ones where not given.

    Examples
    --------
    >>> from headway.evidence.measurements import open_serving
    >>> first = predictions(open_serving()[:1])[0]
    >>> first.prediction.low < first.prediction.value < first.prediction.high
    True
    """
    asked = [(row, setup_of(row, shelf)) for row in rows]
    runs: dict[tuple[Any, ...], Case] = {}
    for row, setup in asked:
        if isinstance(setup, Setup):
            runs.setdefault(_key(row), (row, setup))
    solved = dict(zip(runs, solve_each(tuple(runs.values()), table), strict=True))
    found = []
    for row, setup in asked:
        if isinstance(setup, Refusal):
            found.append(Answer(row, None, setup))
            continue
        run = solved[_key(row)]
        found.append(Answer(row, None, run) if isinstance(run, Refusal) else _answer(row, setup, run, table))
    return tuple(found)


def _key(row: Measurement) -> tuple[Any, ...]:
    """What tells one run from another: all of the setup, and the metrics that are asked of it apart."""
    alone = row.metric if row.metric in ("itl_ms", "output_speed_per_user") or "_throughput_per_" in row.metric else ""
    return (
        *(row.model, row.hardware, row.n_gpus, row.parallelism, row.weight_precision, row.kv_precision),
        *(row.mode, row.engine, row.isl, row.osl, row.dataset, row.concurrency, row.batch_per_gpu, row.spec_decode),
        alone,
    )


def _answer(row: Measurement, setup: Setup, run: Run, table: Book | None) -> Answer:
    value = run.values.get(row.metric)
    if value is None:
        return Answer(row, None, Refusal(f"{row.metric} does not follow from a run of mode {row.mode}"))
    grade = grade_of(setup.system, setup.engine)
    low, high = log_interval(KINDS[row.metric], grade, table)
    if "throughput" in row.metric or row.metric == "output_speed_per_user":
        low, high = _rate_interval(row.metric, low, high)
    assumed = setup.assumed + run.assumed
    shown = Prediction(
        value,
        value * math.exp(low),
        value * math.exp(high),
        grade,
        run.binding,
        run.decoding,
        run.prefill_share,
        assumed,
    )
    return Answer(row, shown)


def _rate_interval(metric: str, low: float, high: float) -> tuple[float, float]:
    """A rate is the inverse of a time: quantiles of times change sign and place."""
    return (-high, -low) if KINDS[metric] == "tpot" else (low, high)
