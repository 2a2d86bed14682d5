"""Fit the training constants of each chip generation: ``python -m headway.evidence.calibrate_training``.

Least squares of ``log(predicted / measured)`` with a soft loss, each run once, sources weighted by the square root of
their rows, and a mild pull to the constants of a well-run stack. The same fit with one source left out gives the
errors that the intervals stand on.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from headway.evidence.measurements import TrainingMeasurement, open_training
from headway.evidence.setups import Refusal
from headway.evidence.training_predict import in_unit, is_rate, timed
from headway.evidence.training_setups import TrainingSetup, training_setup
from headway.facts.training_constants import TrainConstants, constants_of
from headway.training.step import HIDDEN_BEHIND, HIDDEN_COST

_OUT: Final = Path(__file__).parents[1] / "facts" / "data" / "training_calibration.toml"
#: Start and pull: constants of a well-run stack, and how far (in logs) each may reasonably be from them.
PRIOR: Final = (0.75, 0.6, 0.6, 2e-4)
_WIDTH: Final = (0.25, 0.5, 0.7, 1.0)
_PULL: Final = 0.1
_UNFIT: Final = ("time_to_train_min", "total_gpu_hours")


@dataclass(frozen=True, slots=True)
class Case:
    """A row that can be predicted, with its setup."""

    row: TrainingMeasurement
    setup: TrainingSetup

    @property
    def generation(self) -> str:
        """Generation of its chip; siblings of one architecture share constants."""
        return self.setup.system.chip.generation


def cases(rows: Sequence[TrainingMeasurement]) -> tuple[Case, ...]:
    """Rows with a setup; of two metrics of one run the first only.

    >>> len(cases(open_training())) > 90
    True
    """
    seen: set[tuple[Any, ...]] = set()
    found = []
    for row in rows:
        setup = training_setup(row)
        if row.metric in _UNFIT or isinstance(setup, Refusal):
            continue
        c = row.cells
        key = (
            row.source_id,
            row.model,
            row.precision,
            row.hardware,
            row.n_gpus,
            *(c.get(k) for k in _RUN),
            *_turn(row),
        )
        if key not in seen:
            seen.add(key)
            found.append(Case(row, setup))
    return tuple(found)


_RUN: Final = ("tp", "pp", "vp", "cp", "ep", "global_batch", "micro_batch", "seq_len", "recompute")


def _turn(row: TrainingMeasurement) -> tuple[Any, ...]:
    # Times measured twice in one setup are two runs; rates beside each other are one run told twice.
    return () if is_rate(row.metric) else (row.row_id,)


@dataclass(frozen=True, slots=True)
class _Linear:
    """Times of runs as sums of constants: a step is linear in what it waits for, but for what hides."""

    products: Any
    memory: Any
    wires: Any
    host: Any
    idle: Any
    data: Any
    optimiser: Any
    measured: Any

    def log_ratios(self, theta: Any) -> Any:
        """``log(predicted / measured)`` of the time of each run."""
        matrix, memory, exposed, wait = np.exp(theta)
        one = self.products / matrix + self.memory / memory + self.wires * exposed + self.host * wait
        behind = HIDDEN_BEHIND * one
        hidden = np.maximum(self.data - behind, 0.0) + HIDDEN_COST * exposed * np.minimum(self.data, behind)
        return np.log((one * (1.0 + self.idle) + hidden + self.optimiser / memory) / self.measured)


def _linear(group: Sequence[Case]) -> _Linear:
    unit, bare = TrainConstants(1.0, 1.0, 1.0, 1.0), TrainConstants(1e12, 1e12, 0.0, 0.0)
    rows = []
    for case in group:
        step = timed(case.setup, unit)
        p = {name: float(value) for name, value in step.parts}
        wires = sum(p[name] for name in ("tensor ranks", "context ranks", "expert ranks", "stages"))
        products = p["products"] + p["attention"]
        one = products + p["memory"] + wires + p["host"]
        told = in_unit(case.row, case.setup, step) or case.row.value
        # Measured seconds: a rate is turned by the ratio of both rates.
        factor = told / case.row.value if is_rate(case.row.metric) else case.row.value / told
        data = dict(timed(case.setup, bare).parts)["data ranks"]
        rows.append(
            (
                products,
                p["memory"],
                wires,
                p["host"],
                p["bubble"] / one,
                float(data),
                p["optimiser"],
                float(step.seconds) * factor,
            )
        )
    return _Linear(*np.asarray(rows).T)


def fit(group: Sequence[Case]) -> TrainConstants:
    """Constants of one generation.

    >>> found = fit([c for c in cases(open_training()) if c.generation == "ampere"])
    >>> 0.4 < found.matrix < 1.0
    True
    """
    from scipy.optimize import least_squares

    start = np.log(PRIOR)
    counts = Counter(case.row.source_id for case in group)
    weights = np.array([counts[c.row.source_id] ** -0.25 for c in group])
    sums = _linear(group)

    def residuals(theta: Any) -> Any:
        return np.concatenate([weights * sums.log_ratios(theta), _PULL * (theta - start) / _WIDTH])

    low = np.log([0.2, 0.05, 0.02, 1e-7])
    high = np.log([1.0, 1.0, 4.0, 1e-2])
    found = least_squares(residuals, start, bounds=(low, high), loss="soft_l1", f_scale=0.1)
    return constants_of(float(f"{v:.4g}") for v in np.exp(found.x))


def errors_of(group: Sequence[Case], constants: TrainConstants) -> Any:
    """``log(predicted / measured)`` of the time of each case.

    >>> errors_of(cases(open_training())[:1], TrainConstants(*PRIOR)).shape
    (1,)
    """
    return _linear(group).log_ratios(np.log(constants.values()))


def left_out(every: Sequence[Case]) -> dict[str, list[float]]:
    """Errors of each source under constants fitted without it, ``log(predicted / measured)`` of times.

    A generation that only one source measured takes the median of the others, as a user of a new chip would get.
    """
    found: dict[str, list[float]] = {}
    for source in dict.fromkeys(c.row.source_id for c in every):
        rest = [c for c in every if c.row.source_id != source]
        table = fit_all(rest)
        middle = constants_of(float(np.median(v)) for v in zip(*(t.values() for t in table.values()), strict=True))
        out = [c for c in every if c.row.source_id == source]
        found[source] = [float(errors_of([c], table.get(c.generation, middle))[0]) for c in out]
    return found


def fit_all(every: Sequence[Case]) -> dict[str, TrainConstants]:
    """Constants of every generation that the cases hold."""
    names = sorted({c.generation for c in every})
    return {name: fit([c for c in every if c.generation == name]) for name in names}


def _report(table: dict[str, TrainConstants], every: Sequence[Case], out: dict[str, list[float]]) -> tuple[str, Any]:
    own: dict[str, list[float]] = defaultdict(list)
    for c in every:
        own[c.row.source_id].append(float(errors_of([c], table[c.generation])[0]))

    def line(name: str, logs: Sequence[float]) -> str:
        error = np.abs(np.expm1(np.asarray(logs)))
        return f"{name:24s} {len(logs):4d}  median {np.median(error):6.1%}  p90 {np.quantile(error, 0.9):6.1%}"

    inside = [v for logs in own.values() for v in logs]
    outside = [v for logs in out.values() for v in logs]
    lines = [line("all, fitted", inside), line("all, source left out", outside)]
    lines += [line(f"fitted {k}", v) for k, v in own.items()] + [line(f"left out {k}", v) for k, v in out.items()]
    return "\n".join(lines), np.quantile(-np.asarray(outside), [0.1, 0.9])


def to_toml(table: dict[str, TrainConstants], quantiles: Any, count: int) -> str:
    """The table of constants as the package keeps it.

    >>> "generation.hopper" in to_toml({"hopper": TrainConstants(*PRIOR)}, (-0.1, 0.1), 3)
    True
    """
    text = [
        "# Written by python -m headway.evidence.calibrate_training. Constants: fraction of the matrix peak, fraction",
        "# of the memory bandwidth, exposed share of communication, seconds of waiting per expert layer and pass.",
        "[source]",
        f'source = "fit on {count} published training runs of facts/data/measurements/training.csv"',
        'retrieved = "2026-11-25"',
        'kind = "measured"',
        "",
        "# 10% and 90% quantiles of log(measured / predicted) of a step's time on sources left out of the fit.",
        "[errors]",
        f"log_quantiles = [{quantiles[0]:.4f}, {quantiles[1]:.4f}]",
    ]
    for name, c in table.items():
        text += ["", f"[generation.{name}]", f"constants = [{', '.join(f'{v:g}' for v in c.values())}]"]
    return "\n".join(text) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Fit, print the errors, and write the table; ``--check`` compares with the packaged one instead."""
    every = cases(open_training())
    table = fit_all(every)
    told, quantiles = _report(table, every, left_out(every))
    text = to_toml(table, quantiles, len(every))
    sys.stdout.write(told + "\n")
    if "--check" in arguments:
        return int(text != _OUT.read_text(encoding="utf-8"))
    _OUT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
