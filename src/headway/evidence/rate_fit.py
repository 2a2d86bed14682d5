"""What throughput shows: the host's time per sequence, and how far a predicted rate may be off.

A pass of thousands of sequences also takes its host time for each of them: scheduling, sampling, detokenising. Loops
of a few users do not show it, and runs that queue all requests at once do. Those of the open set are TensorRT-LLM's,
so its constant alone is fitted; vLLM's measured servers (``tests/simulation``) show none at 128 sequences: it prepares
one pass while the last one runs. How the constant does on a source that it was not fitted on is the test of it, and
intervals of throughput are taken that way too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from headway.evidence.fitting import Array, huber, resampled
from headway.evidence.measurements import Measurement
from headway.evidence.predict import KINDS, Answer, predictions
from headway.evidence.report import UNEXPLAINED, score
from headway.evidence.setups import Setup, setup_of
from headway.facts.calibration import Book, Constant, engine_name, grade_of

NAME: Final = "sequence_overhead"
#: The engine whose full batches are measured.
SHOWN_BY: Final = "trtllm"
LEVELS: Final = (0.1, 0.9)
#: Runs without users to wait for: a batch is full from start to end.
_FULL: Final = ("offline", "mlperf-offline")
#: Seconds per sequence at which rates are predicted; between them their logarithms are interpolated.
_TRIED: Final = tuple(1e-6 * step for step in (0.0, 2.5, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 40.0))
_FINE: Final = 401
_CORNER: Final = 0.15
_DRAWS: Final = 100


def with_overhead(table: Book, seconds: float, low: float | None = None, high: float | None = None) -> Book:
    """The table with a host time per sequence [s] for the engine that shows it; none for the others.

    >>> from headway.facts.calibration import book
    >>> shown = with_overhead(book(), 1e-5)
    >>> [shown.values("engine", name)["sequence_overhead"] for name in ("trtllm", "vllm")]
    [1e-05, 0.0]
    """
    least, most = (seconds if end is None else end for end in (low, high))
    scopes = dict(table.constants)
    for engine in table.names("engine"):
        own = Constant(NAME, seconds, least, most) if engine == SHOWN_BY else Constant(NAME, 0.0, 0.0, most)
        scopes[f"engine.{engine}"] = MappingProxyType({**scopes[f"engine.{engine}"], NAME: own})
    return replace(table, constants=MappingProxyType(scopes))


@dataclass(frozen=True, slots=True)
class RateCurves:
    """Errors of full batches as functions of the host time per sequence.

    Parameters
    ----------
    rows : tuple of Measurement
    logs : array of shape (times tried, rows)
        ``log(predicted / measured)`` of their rates.
    """

    rows: tuple[Measurement, ...]
    logs: Array

    def fitted(self, keep: Array | None = None) -> float:
        """Host time per sequence that explains the rows best, all of them or some, by Huber's loss [s]."""
        logs = self.logs if keep is None else self.logs[:, keep]
        fine = np.linspace(_TRIED[0], _TRIED[-1], _FINE)
        costs = [float(np.sum(huber(one, _CORNER) ** 2)) for one in self._at(fine, logs)]
        return float(fine[int(np.argmin(costs))])

    @staticmethod
    def _at(seconds: Array, logs: Array) -> Array:
        return np.stack([np.interp(seconds, _TRIED, logs[:, j]) for j in range(logs.shape[1])], axis=1)

    def errors(self, seconds: float, keep: Array) -> Array:
        """``log(predicted / measured)`` of some rows at a host time per sequence."""
        return np.asarray(self._at(np.asarray([seconds]), self.logs[:, keep])[0])

    def interval(self) -> tuple[float, float]:
        """80% interval of a bootstrap that draws whole models of a source: its rows are not independent [s]."""
        keys = np.asarray([f"{row.source_id} {row.model}" for row in self.rows])
        drawn = [self.fitted(np.asarray(resampled(keys, seed))) for seed in range(_DRAWS)]
        low, high = np.quantile(drawn, LEVELS)
        return float(low), float(high)

    def sources(self) -> Array:
        """Source of each row."""
        return np.asarray([row.source_id for row in self.rows])

    def without(self) -> dict[str, float]:
        """Host time per sequence fitted without each source [s]."""
        names = self.sources()
        return {str(name): self.fitted(names != name) for name in np.unique(names)}


def rate_curves(rows: Sequence[Measurement], table: Book) -> RateCurves:
    """Errors of full batches on calibrated chips, at every host time that is tried."""
    asked = tuple(row for row in rows if row.mode in _FULL and KINDS[row.metric] == "throughput" and _known(row))
    logs = [_errors(predictions(asked, table=with_overhead(table, seconds))) for seconds in _TRIED]
    kept = np.flatnonzero(np.isfinite(logs).all(axis=0))
    return RateCurves(tuple(asked[i] for i in kept), np.asarray(logs)[:, kept])


def _known(row: Measurement) -> bool:
    setup = setup_of(row)
    shown = engine_name(row.engine) == SHOWN_BY
    return shown and isinstance(setup, Setup) and grade_of(setup.system, setup.engine) != "datasheet only"


def _errors(answers: Sequence[Answer]) -> list[float]:
    return [float("nan") if a.prediction is None else float(np.log(a.prediction.value / a.row.value)) for a in answers]


def full_intervals(
    rows: Sequence[Measurement], kind: str, table: Book, without: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    """80% intervals of full batches by grade, every source under a host time that was fitted without it.

    A lesser grade is what remains when the row's own engine, or its own generation, has no constants. Rows that
    their setup cannot explain would widen the interval by what it is not for, and so would those of older software
    where there are others.

    Parameters
    ----------
    rows : sequence of Measurement
    kind : str
        Kind of metric: ``"throughput"``, or ``"latency"`` of a batch that starts and ends together.
    table : Book
        With the constants just fitted, and intervals of time per output token.
    without : mapping of str to float
        Host time per sequence fitted without each source [s].
    """
    asked = [row for row in rows if KINDS.get(row.metric) == kind]
    scopes: Mapping[str, Callable[[Measurement], str]] = {
        "calibrated chip and engine": lambda _: "",
        "calibrated chip": lambda row: f"engine.{engine_name(row.engine)}",
        "datasheet only": lambda row: f"generation.{_generation(row)}",
    }
    scored = score(predictions(asked, table=table))
    sound = [one for one in scored if one.error is not None and one.mark != UNEXPLAINED]
    known = [one.row for one in sound if not one.mark] or [one.row for one in sound]
    return {grade: _interval(known, table, without, scope) for grade, scope in scopes.items()}


def _generation(row: Measurement) -> str:
    setup = setup_of(row)
    return setup.system.chip.generation if isinstance(setup, Setup) else ""


def _interval(
    rows: Sequence[Measurement], table: Book, without: Mapping[str, float], scope: Callable[[Measurement], str]
) -> tuple[float, float]:
    """Quantiles of ``log(measured / predicted)``, without the scope that each row names and without its source."""
    found: list[float] = []
    for left, source in sorted({(scope(row), row.source_id) for row in rows}):
        under = with_overhead(table, without[source]) if source in without else table
        rest = {name: constants for name, constants in under.constants.items() if name != left}
        mine = [row for row in rows if (scope(row), row.source_id) == (left, source)]
        found += _errors(predictions(mine, table=replace(under, constants=rest)))
    every = np.asarray(found)
    low, high = np.quantile(-every[np.isfinite(every)], LEVELS)
    return float(low), float(high)
