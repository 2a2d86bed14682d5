"""Training rows beside their predictions, in the unit of each row."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from headway.evidence.measurements import TrainingMeasurement
from headway.evidence.report import Summary, summary_of
from headway.evidence.setups import Refusal, Shelf
from headway.evidence.training_setups import TrainingSetup, training_setup
from headway.facts.errors import InputError
from headway.facts.training_constants import TrainConstants, fitted_generations, training_interval
from headway.training.step import TrainStep, train_estimate
from headway.training.work import StepWork, executed_flops, step_work

_TOKENS: Final = re.compile(r"([0-9.]+)\s*T tokens")
#: Rows that count what is computed again.
_HARDWARE: Final = re.compile(r"\bhardware flop|\bhfu\b|(?:with|includ\w+|counts?) (?:\w+ )?recomput", re.IGNORECASE)
_CONVERGENCE: Final = "depends on how many samples the loss takes, which is no matter of time; use step_time_s"
_OTHER: Final = "holds stages of training that the row does not describe"


@dataclass(frozen=True, slots=True)
class TrainingAnswer:
    """A row with its prediction, or with the reason why there is none.

    Parameters
    ----------
    row : TrainingMeasurement
    value, low, high : float or None
        Prediction and its 80% interval, in the unit of the row.
    binding, grade : str
        Largest part of the step; what its constants stand on.
    assumed : tuple of str
        What the source does not say.
    refusal : Refusal or None
    """

    row: TrainingMeasurement
    value: float | None = None
    low: float | None = None
    high: float | None = None
    binding: str = ""
    grade: str = ""
    assumed: tuple[str, ...] = ()
    refusal: Refusal | None = None

    @property
    def error(self) -> float | None:
        """``predicted / measured - 1`` [1]."""
        return None if self.value is None else self.value / self.row.value - 1.0


def training_predictions(
    rows: Iterable[TrainingMeasurement], shelf: Shelf | None = None, constants: TrainConstants | None = None
) -> tuple[TrainingAnswer, ...]:
    """Predict every row.

    Parameters
    ----------
    rows : iterable of TrainingMeasurement
    shelf : Shelf, optional
        Models and systems of one's own.
    constants : TrainConstants, optional
        In place of the packaged ones.

    Examples
    --------
    >>> from headway.evidence.measurements import open_training
    >>> first = training_predictions(open_training()[:1])[0]
    >>> first.low < first.value < first.high
    True
    """
    return tuple(_answer(row, shelf, constants) for row in rows)


def _answer(row: TrainingMeasurement, shelf: Shelf | None, constants: TrainConstants | None) -> TrainingAnswer:
    if row.metric in ("time_to_train_min", "total_gpu_hours"):
        reason = _CONVERGENCE if row.metric == "time_to_train_min" else _OTHER
        return TrainingAnswer(row, refusal=Refusal(f"{row.metric} {reason}"))
    setup = training_setup(row, shelf)
    if isinstance(setup, Refusal):
        return TrainingAnswer(row, refusal=setup)
    try:
        step = timed(setup, constants)
        value = in_unit(row, setup, step)
    except InputError as error:
        return TrainingAnswer(row, refusal=Refusal(str(error)))
    if value is None:
        return TrainingAnswer(row, refusal=Refusal(f"{row.metric}: the row does not say of how many tokens"))
    low, high = training_interval()
    if is_rate(row.metric):
        low, high = -high, -low
    known = setup.system.chip.generation in fitted_generations()
    grade = "calibrated chip" if known else "datasheet only"
    binding = str(np.asarray(step.binding).item())
    return TrainingAnswer(row, value, value * math.exp(low), value * math.exp(high), binding, grade, setup.assumed)


def timed(setup: TrainingSetup, constants: TrainConstants | None = None) -> TrainStep:
    """The step of a setup.

    >>> from headway.evidence.measurements import open_training
    >>> timed(training_setup(open_training()[0])).chips
    256
    """
    s = setup
    return train_estimate(s.model, s.system, s.layout, s.batch, s.context, s.recipe, constants)


def work_of(setup: TrainingSetup) -> StepWork:
    """What the step of a setup has to do, before any constant of its chip.

    >>> from headway.evidence.measurements import open_training
    >>> float(work_of(training_setup(open_training()[0])).microbatches)
    192.0
    """
    s = setup
    return step_work(s.model, s.system, s.layout, s.batch, s.context, s.recipe)


def is_rate(metric: str) -> bool:
    """Whether more is faster.

    >>> is_rate("mfu_pct"), is_rate("step_time_s")
    (True, False)
    """
    return metric in ("tokens_per_s_per_gpu", "model_tflops_per_gpu", "mfu_pct")


def in_unit(row: TrainingMeasurement, setup: TrainingSetup, step: TrainStep) -> float | None:
    """The step in the metric of a row; None where the row says too little.

    >>> from headway.evidence.measurements import open_training
    >>> row = open_training()[0]
    >>> setup = training_setup(row)
    >>> 500 < in_unit(row, setup, timed(setup)) < 2000
    True
    """
    rate = float(step.tokens_per_second_per_chip)
    if row.metric == "step_time_s":
        return float(step.seconds)
    if row.metric == "tokens_per_s_per_gpu":
        return rate
    if row.metric == "model_tflops_per_gpu":
        return rate * _reported_flops(row, setup, step) / 1e12
    if row.metric == "mfu_pct":
        return 100.0 * rate * _reported_flops(row, setup, step) / setup.system.chip.peak("bf16")
    found = _TOKENS.search(row.unit) or _TOKENS.search(row.cells.get("note", ""))
    return None if found is None else float(found[1]) * 1e12 / rate / 3600.0


def _reported_flops(row: TrainingMeasurement, setup: TrainingSetup, step: TrainStep) -> float:
    """FLOP per token by the convention that the row names; causal attention where it names none."""
    if _HARDWARE.search(row.unit) or _HARDWARE.search(row.cells.get("note", "")):
        return float(executed_flops(setup.model, setup.context, setup.recipe.recompute))
    if "12*L*d*s" in row.unit:
        m = setup.model
        return 6.0 * m.total_params + 12.0 * m.n_layers * m.hidden * setup.context
    return float(step.model_flops / step.tokens)


def training_summary(answers: Sequence[TrainingAnswer]) -> tuple[Summary, ...]:
    """Errors by group and metric, ``all`` first; ``step`` pools every metric of speed.

    >>> from headway.evidence.measurements import open_training
    >>> training_summary(training_predictions(open_training()[:2]))[0].covered
    2
    """
    pooled: dict[tuple[str, str], list[TrainingAnswer]] = defaultdict(list)
    for one in answers:
        for metric in (*(("step",) if one.value is not None else ()), one.row.metric):
            for group in _groups(one.row):
                pooled[group, metric].append(one)
    order = {name: k for k, name in enumerate(("all", "source", "model", "chip", "precision"))}
    keys = sorted(pooled, key=lambda k: (order[k[0].partition("=")[0]], k[0], k[1] != "step", k[1]))
    return tuple(_summary(group, metric, pooled[group, metric]) for group, metric in keys)


def _groups(row: TrainingMeasurement) -> tuple[str, ...]:
    return (
        "all",
        f"source={row.source_id}",
        f"model={row.model}",
        f"chip={row.hardware}",
        f"precision={row.precision or 'not stated'}",
    )


def _summary(group: str, metric: str, rows: Sequence[TrainingAnswer]) -> Summary:
    # Errors of times: a rate that is half of the measured one is a time that is double.
    held = [None if r.low is None or r.high is None else r.low <= r.row.value <= r.high for r in rows]
    return summary_of(metric, group, [(r.error, inside) for r, inside in zip(rows, held, strict=True)])


def training_worst(answers: Sequence[TrainingAnswer], count: int = 20) -> tuple[TrainingAnswer, ...]:
    """The rows with the largest errors by factor.

    >>> training_worst((), 3)
    ()
    """
    known: list[tuple[float, TrainingAnswer]] = [(abs(math.log1p(a.error)), a) for a in answers if a.error is not None]
    return tuple(a for _, a in sorted(known, key=lambda pair: -pair[0])[:count])


def record(one: TrainingAnswer) -> dict[str, Any]:
    """A row as JSON and CSV give it.

    >>> from headway.evidence.measurements import open_training
    >>> record(training_predictions(open_training()[:1])[0])["metric"]
    'tokens_per_s_per_gpu'
    """
    row = one.row
    inside = None if one.low is None or one.high is None else bool(one.low <= row.value <= one.high)
    return {
        "row_id": row.row_id,
        "source_id": row.source_id,
        "model": row.model,
        "precision": row.precision,
        "hardware": row.hardware,
        "n_gpus": row.n_gpus,
        "metric": row.metric,
        "unit": row.unit,
        "measured": row.value,
        "predicted": one.value,
        "low": one.low,
        "high": one.high,
        "error": one.error,
        "inside_interval": inside,
        "grade": one.grade or None,
        "binding": one.binding or None,
        "assumed": list(one.assumed),
        "reason": one.refusal.reason if one.refusal else "",
    }
