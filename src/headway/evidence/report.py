"""Errors summed up: by source, model, chip, engine, concurrency and context, and the worst rows with a reason.

An error is ``predicted / measured - 1``; a summary gives its absolute median and 90th percentile, and its signed
median as the bias. Rows that a setup cannot explain stay in every sum and are marked, so that both figures can be
told: with them and without.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from headway.evidence.measurements import METRICS, Measurement
from headway.evidence.predict import KINDS, Answer
from headway.facts.calibration import book

#: Marks of a row, with what they mean.
UNEXPLAINED: Final = "unexplained"
DRIFT: Final = "drift"

#: Months between a measurement and the constants after which software alone may explain the difference: DeepSeek-R1
#: on GB300 gained 48% in seven (MLPerf v5.1 to v6.0).
DRIFT_MONTHS: Final = 18
_DATE: Final = re.compile(r"(20[0-9]{2})-?([01][0-9])?", re.ASCII)
# Repeated runs agree within 3%; a quantity that falls by more than this where it must rise contradicts itself.
_NOISE: Final = 0.1
_LONG_PROMPT: Final = 8192
_SHORT_ANSWER: Final = 256


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """A row beside its prediction.

    Parameters
    ----------
    answer : Answer
    error : float or None
        ``predicted / measured - 1`` [1]; None where there is no prediction.
    inside : bool or None
        Whether the interval holds the measured value.
    mark : str
        :data:`UNEXPLAINED`, :data:`DRIFT` or empty.
    why : str
        What the mark rests on; empty without one.
    """

    answer: Answer
    error: float | None
    inside: bool | None
    mark: str = ""
    why: str = ""

    @property
    def row(self) -> Measurement:
        """The measurement."""
        return self.answer.row


@dataclass(frozen=True, slots=True)
class Summary:
    """Errors of one group of rows.

    Parameters
    ----------
    metric : str
        Metric of the data, or a kind of metric that pools several.
    group : str
        ``"all"`` or ``"by=value"``.
    rows, covered : int
        Rows in the group, and those with a prediction [1].
    median_ape, p90_ape, bias : float or None
        Median and 90th percentile of the absolute error, median of the signed one [1]; None where nothing is covered.
    inside : float or None
        Share of the covered rows inside their 80% interval [1].
    """

    metric: str
    group: str
    rows: int
    covered: int
    median_ape: float | None
    p90_ape: float | None
    bias: float | None
    inside: float | None


def score(answers: Iterable[Answer]) -> tuple[ScoredRow, ...]:
    """Errors and marks of all rows, in their order."""
    found = tuple(answers)
    odd = contradictions([answer.row for answer in found])
    return tuple(_scored(answer, odd) for answer in found)


def _scored(answer: Answer, odd: frozenset[str]) -> ScoredRow:
    mark, why = _mark(answer, odd)
    shown = answer.prediction
    if shown is None:
        return ScoredRow(answer, None, None, mark, why)
    value = answer.row.value
    return ScoredRow(answer, shown.value / value - 1.0, bool(shown.low <= value <= shown.high), mark, why)


def _mark(answer: Answer, odd: frozenset[str]) -> tuple[str, str]:
    row = answer.row
    if answer.refusal is not None and answer.refusal.missing:
        return UNEXPLAINED, answer.refusal.reason
    if row.trust == "C":
        return UNEXPLAINED, "a headline with an incomplete setup (trust C)"
    if row.row_id in odd:
        return UNEXPLAINED, "the source's own rows contradict each other: less work took longer"
    missing = next(
        (text for text in (answer.prediction.assumed if answer.prediction else ()) if "not stated" in text), ""
    )
    if missing:
        return UNEXPLAINED, missing
    months = age_months(row.measured_date, book().date)
    if months is not None and months > DRIFT_MONTHS:
        return DRIFT, f"measured {months} months before the constants; software gained 48% in seven months of 2025-26"
    return "", ""


def age_months(measured: str, today: str) -> int | None:
    """Months from a date as sources write it to an ISO date; None where it says no year.

    >>> (
    ...     age_months("20260216", "2026-11-23"),
    ...     age_months("2024", "2026-11-23"),
    ...     age_months("release 25.11", "2026-11-23"),
    ... )
    (9, 34, None)
    """
    then, now = _DATE.search(measured), _DATE.search(today)
    if then is None or now is None:
        return None
    # A bare year counts from its first month.
    month = int(then[2]) if then[2] and 1 <= int(then[2]) <= 12 else 1
    return (int(now[1]) - int(then[1])) * 12 + int(now[2] or 1) - month


def contradictions(rows: Sequence[Measurement]) -> frozenset[str]:
    """Rows of a run in which a time falls by more than noise although the prompt is longer or the users are more.

    All rows of such a sweep are named: which of them is wrong cannot be told.
    """
    sweeps: dict[tuple[object, ...], list[Measurement]] = defaultdict(list)
    for row in rows:
        if KINDS[row.metric] in ("tpot", "ttft") and row.metric.endswith("_ms") and row.concurrency and row.isl:
            alike = (row.source_id, row.model, row.hardware, row.parallelism, row.engine, row.engine_version)
            sweeps[(*alike, row.weight_precision, row.kv_precision, row.mode, row.osl, row.metric)].append(row)
    found: set[str] = set()
    for sweep in sweeps.values():
        falls = [
            (a, b)
            for a in sweep
            for b in sweep
            if (b.isl or 0) >= (a.isl or 0)
            and (b.concurrency or 0) >= (a.concurrency or 0)
            and b.value < (1.0 - _NOISE) * a.value
        ]
        # One odd pair may be luck in a long sweep; a tenth of its rows is not.
        if falls and len({row.row_id for pair in falls for row in pair}) > 0.1 * len(sweep):
            found |= {row.row_id for row in sweep}
    return frozenset(found)


def groups(scored: ScoredRow) -> tuple[str, ...]:
    """Groups that a row counts in."""
    row = scored.row
    users = "none" if row.concurrency is None else f"{row.concurrency:g}"
    context = row.dataset or (f"{row.isl or '?'}/{row.osl or '?'}" if row.isl or row.osl else "not stated")
    return (
        "all",
        f"source={row.source_id}",
        f"model={row.model}",
        f"chip={row.hardware}",
        f"engine={row.engine or 'not stated'}",
        f"concurrency={users}",
        f"context={context}",
        f"mode={row.mode}",
        f"mark={scored.mark or 'none'}",
    )


def summarise(rows: Sequence[ScoredRow]) -> tuple[Summary, ...]:
    """Summaries of every group and metric, ``all`` first; throughputs also pooled as ``throughput``."""
    pooled: dict[tuple[str, str], list[ScoredRow]] = defaultdict(list)
    for scored in rows:
        names = [scored.row.metric]
        if "throughput" in scored.row.metric:
            names.append("throughput")
        for metric in names:
            for group in groups(scored):
                pooled[metric, group].append(scored)
    order = [*METRICS, "throughput"]
    kinds = ["all", "mark", "source", "mode", "engine", "chip", "model", "concurrency", "context"]
    keys = sorted(
        pooled, key=lambda key: (kinds.index(key[1].partition("=")[0]), order.index(key[0]), *_natural(key[1]))
    )
    return tuple(_summary(metric, group, pooled[metric, group]) for metric, group in keys)


def _natural(group: str) -> tuple[float, str]:
    """Groups named by numbers in the order of the numbers."""
    number = re.match(r"\w+=([0-9.]+)", group)
    return (float(number[1].rstrip(".")) if number else math.inf, group)


def _summary(metric: str, group: str, rows: Sequence[ScoredRow]) -> Summary:
    return summary_of(metric, group, [(scored.error, scored.inside) for scored in rows])


def summary_of(metric: str, group: str, scores: Sequence[tuple[float | None, bool | None]]) -> Summary:
    """Errors and intervals of some rows in figures; a row without a prediction has neither."""
    errors = np.array([error for error, _ in scores if error is not None])
    if not errors.size:
        return Summary(metric, group, len(scores), 0, None, None, None, None)
    inside = [held for _, held in scores if held is not None]
    return Summary(
        metric,
        group,
        len(scores),
        int(errors.size),
        float(np.median(np.abs(errors))),
        float(np.quantile(np.abs(errors), 0.9)),
        float(np.median(errors)),
        float(np.mean(inside)),
    )


def worst(rows: Sequence[ScoredRow], count: int = 20) -> tuple[ScoredRow, ...]:
    """The rows with the largest errors, by factor rather than by difference: half and double are as bad."""
    covered = [scored for scored in rows if scored.error is not None]
    return tuple(sorted(covered, key=lambda scored: -abs(math.log1p(scored.error or 0.0)))[:count])


def explain(scored: ScoredRow) -> str:
    """Why a row may be off: what its setup lacks, what limits it, and which way the error points.

    The text follows from features of the row alone; it is a place to look, not a proof.
    """
    row, shown, error = scored.row, scored.answer.prediction, scored.error or 0.0
    said: list[str] = []
    if scored.mark:
        said.append(scored.why)
    if shown is not None:
        said += [text for text in shown.assumed if text not in said and _weighty(text)]
        if shown.prefill_share >= 0.5:
            said.append(f"prompts fill {shown.prefill_share:.0%} of passes")
        elif (row.isl or 0) >= _LONG_PROMPT and (row.osl or _LONG_PROMPT) <= _SHORT_ANSWER:
            said.append("long prompts, short answers: prefill decides")
        if shown.grade != "calibrated chip and engine":
            said.append(shown.grade)
    said.append(_direction(row, shown.binding if shown else "", error))
    return "; ".join(text for text in said if text)


def _weighty(text: str) -> bool:
    """Whether an assumption can move a prediction by more than a few per cent."""
    return not text.startswith(("cache in", "two micro-batches", "lengths drawn"))


def _direction(row: Measurement, binding: str, error: float) -> str:
    slower = (error < 0) == row.metric.endswith(("_ms", "_s"))
    if row.metric == "ttft_ms" and slower:
        return (
            "a wait that the queue of prompts does not account for: tokenising, scheduling, warm-up, a start in bursts"
        )
    if slower:
        return "measured slower than the physics: an untuned kernel, a smaller batch or host time"
    limit = f"; the prediction is bound by {binding}" if binding else ""
    return f"measured faster than the physics: better kernels, fewer bytes or a floor set too high{limit}"
