"""Fit the training constants of each chip generation: ``python -m headway.evidence.calibrate_training``.

Least squares of ``log(predicted / measured)`` with a soft loss, each run once, sources weighted by the square root of
their rows, and a mild pull to the constants of a well-run stack. The same fit with one source left out gives the
errors that the intervals stand on.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from headway.evidence.measurements import TrainingMeasurement, open_training
from headway.evidence.setups import Refusal
from headway.evidence.training_predict import in_unit, is_rate, timed, work_of
from headway.evidence.training_setups import TrainingSetup, training_setup
from headway.facts.training_constants import SHARED, SharedConstants, TrainConstants, constants_of
from headway.training.work import StepWork, step_parts

_OUT: Final = Path(__file__).parents[1] / "facts" / "data" / "training_calibration.toml"
#: Start and pull: constants of a well-run stack, and how far (in logs) each may reasonably be from them.
PRIOR: Final = (0.75, 0.6, 0.6, 2e-4)
_WIDTH: Final = (0.25, 0.5, 0.7, 1.0)
#: The same of the shared constants, in the order of SHARED. Fused attention reaches 0.63 to 0.73 of an A100's peak
#: and large products 0.8 to 0.9 (Dao, arXiv 2307.08691); sorting and combining cross the memory once each; a tile
#: fills and drains over about two of its own depths of 128. Of narrow experts and
#: of what hidden communication costs nothing is known beforehand but the order.
SHARED_PRIOR: Final = (0.7, 2048.0, 2.0, 256.0, 0.1)
_SHARED_WIDTH: Final = (0.3, 1.0, 0.5, 0.7, 1.0)
_SHARED_LOW: Final = (0.1, 10.0, 0.1, 1.0, 1e-3)
_SHARED_HIGH: Final = (1.5, 1e5, 20.0, 5e3, 1.0)
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
class _Runs:
    """Work of many runs as arrays, and how long each was measured to take [s]."""

    work: StepWork
    measured: Any

    def log_ratios(self, own: Any, shared: Any) -> Any:
        """``log(predicted / measured)`` of the time of each run, from logs of constants (4 for each run)."""
        parts = step_parts(self.work, tuple(np.exp(own)), tuple(np.exp(shared)))
        return np.log(sum(parts.values(), start=np.zeros(())) / self.measured)

    def of(self, chosen: Any) -> _Runs:
        """Some of the runs."""
        work = StepWork(*(getattr(self.work, f.name)[chosen] for f in fields(StepWork)))
        return _Runs(work, self.measured[chosen])


def _runs(group: Sequence[Case]) -> _Runs:
    works, measured = [], []
    for case in group:
        step = timed(case.setup)
        works.append([float(getattr(work_of(case.setup), f.name)) for f in fields(StepWork)])
        told = in_unit(case.row, case.setup, step) or case.row.value
        # Measured seconds: a rate is turned by the ratio of both rates.
        factor = told / case.row.value if is_rate(case.row.metric) else case.row.value / told
        measured.append(float(step.seconds) * factor)
    return _Runs(StepWork(*np.asarray(works).T), np.asarray(measured))


@dataclass(frozen=True, slots=True)
class Fitted:
    """Constants of every generation, and those that all share.

    Parameters
    ----------
    generations : mapping of str to TrainConstants
    shared : SharedConstants
    """

    generations: Mapping[str, TrainConstants]
    shared: SharedConstants

    def of(self, generation: str) -> TrainConstants:
        """Constants of a generation; the median of the others where it was never measured."""
        known = self.generations.get(generation)
        if known is not None:
            return known
        columns = zip(*(t.values() for t in self.generations.values()), strict=True)
        return constants_of((float(np.median(column)) for column in columns), shared=self.shared)


def fit(every: Sequence[Case], sums: _Runs | None = None) -> Fitted:
    """Constants of every generation that the cases hold and the shared ones, in one least-squares fit.

    >>> found = fit([c for c in cases(open_training()) if c.generation == "ampere"])
    >>> 0.4 < found.generations["ampere"].matrix < 1.0
    True
    """
    from scipy.optimize import least_squares

    names = sorted({c.generation for c in every})
    place = np.array([names.index(c.generation) for c in every])
    counts = Counter(case.row.source_id for case in every)
    weights = np.array([counts[c.row.source_id] ** -0.25 for c in every])
    parts = sums or _runs(every)
    start = np.log(np.concatenate([SHARED_PRIOR, np.tile(PRIOR, len(names))]))
    width = np.concatenate([_SHARED_WIDTH, np.tile(_WIDTH, len(names))])
    size = len(SHARED_PRIOR)

    def residuals(theta: Any) -> Any:
        own = theta[size:].reshape(len(names), -1)[place].T
        return np.concatenate([weights * parts.log_ratios(own, theta[:size]), _PULL * (theta - start) / width])

    low = np.log(np.concatenate([_SHARED_LOW, np.tile([0.2, 0.05, 0.02, 1e-7], len(names))]))
    high = np.log(np.concatenate([_SHARED_HIGH, np.tile([1.0, 1.0, 4.0, 1e-2], len(names))]))
    found = least_squares(residuals, start, bounds=(low, high), loss="soft_l1", f_scale=0.1)
    rounded = [float(f"{v:.4g}") for v in np.exp(found.x)]
    shared = SharedConstants(*rounded[:size])
    groups = np.reshape(rounded[size:], (len(names), -1))
    return Fitted({n: constants_of(g, shared=shared) for n, g in zip(names, groups, strict=True)}, shared)


def errors_of(group: Sequence[Case], fitted: Fitted, sums: _Runs | None = None) -> Any:
    """``log(predicted / measured)`` of the time of each case.

    >>> some = cases(open_training())[:3]
    >>> errors_of(some, fit(some)).shape
    (3,)
    """
    own = np.log([fitted.of(c.generation).values() for c in group]).T
    return (sums or _runs(group)).log_ratios(own, np.log(fitted.shared.values()))


def left_out(every: Sequence[Case], sums: _Runs | None = None) -> dict[str, list[float]]:
    """Errors of each source under constants fitted without it, ``log(predicted / measured)`` of times.

    Everything that is fitted is fitted anew, the shared constants too. A generation that only one source measured
    takes the median of the others, as a user of a new chip would get.
    """
    parts = sums or _runs(every)
    found: dict[str, list[float]] = {}
    for source in dict.fromkeys(c.row.source_id for c in every):
        out = np.array([c.row.source_id == source for c in every])
        rest, left = ([c for c, o in zip(every, out, strict=True) if o == side] for side in (False, True))
        fitted = fit(rest, parts.of(~out))
        found[source] = [float(v) for v in errors_of(left, fitted, parts.of(out))]
    return found


def _report(errors: Sequence[float], every: Sequence[Case], out: dict[str, list[float]]) -> tuple[str, Any]:
    own: dict[str, list[float]] = defaultdict(list)
    for c, error in zip(every, errors, strict=True):
        own[c.row.source_id].append(float(error))

    def line(name: str, logs: Sequence[float]) -> str:
        error = np.abs(np.expm1(np.asarray(logs)))
        return f"{name:24s} {len(logs):4d}  median {np.median(error):6.1%}  p90 {np.quantile(error, 0.9):6.1%}"

    inside = [v for logs in own.values() for v in logs]
    outside = [v for logs in out.values() for v in logs]
    lines = [line("all, fitted", inside), line("all, source left out", outside)]
    lines += [line(f"fitted {k}", v) for k, v in own.items()] + [line(f"left out {k}", v) for k, v in out.items()]
    return "\n".join(lines), np.quantile(-np.asarray(outside), [0.1, 0.9])


def to_toml(fitted: Fitted, quantiles: Any, count: int, left: Sequence[float]) -> str:
    """The table of constants as the package keeps it.

    >>> shared = SharedConstants(*SHARED_PRIOR)
    >>> one = Fitted({"hopper": TrainConstants(*PRIOR)}, shared)
    >>> "generation.hopper" in to_toml(one, (-0.1, 0.1), 3, (0.1,))
    True
    """
    error = np.abs(np.expm1(np.asarray(left)))
    text = [
        "# Written by python -m headway.evidence.calibrate_training. Constants: fraction of the matrix peak, fraction",
        "# of the memory bandwidth, exposed share of communication, seconds of waiting per expert layer and pass.",
        "[source]",
        f'source = "fit on {count} published training runs of facts/data/measurements/training.csv"',
        'retrieved = "2026-11-25"',
        'kind = "measured"',
        "",
        "# 10% and 90% quantiles of log(measured / predicted) of a step's time on sources left out of the fit, and",
        "# the absolute error there.",
        "[errors]",
        f"log_quantiles = [{quantiles[0]:.4f}, {quantiles[1]:.4f}]",
        f"left_out_median = {np.median(error):.4f}",
        f"left_out_p90 = {np.quantile(error, 0.9):.4f}",
        "",
        "# What every generation shares, fitted with the rest.",
        "[shared]",
        *(f"{name} = {value:g}" for name, value in zip(SHARED, fitted.shared.values(), strict=True)),
    ]
    for name, c in fitted.generations.items():
        text += ["", f"[generation.{name}]", f"constants = [{', '.join(f'{v:g}' for v in c.values())}]"]
    return "\n".join(text) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Fit, print the errors, and write the table; ``--check`` compares with the packaged one instead."""
    every = cases(open_training())
    sums = _runs(every)
    fitted, out = fit(every, sums), left_out(every, sums)
    told, quantiles = _report(errors_of(every, fitted, sums), every, out)
    text = to_toml(fitted, quantiles, len(every), [v for logs in out.values() for v in logs])
    sys.stdout.write(told + "\n")
    if "--check" in arguments:
        return int(text != _OUT.read_text(encoding="utf-8"))
    _OUT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
