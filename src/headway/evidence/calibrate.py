"""Fit the few constants that only whole servers show, and write the table: ``python -m headway.evidence.calibrate``.

Constants of operators come from kernel measurements (:mod:`headway.evidence.operators`). What is left, a handful per
engine, is fitted on audited end-to-end rows of the open set, robustly and held by the operators' values: floors of
a pass (they add up, so a pass is linear in them) on time per output token, then what a request waits for beyond
its passes on time to first token. Sources of lesser trust are predicted and shown, never fitted.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from headway.evidence.fitting import Array, fit_positive, resampled
from headway.evidence.measurements import Measurement, open_serving
from headway.evidence.rate_fit import LEVELS, full_intervals, rate_curves, with_overhead
from headway.evidence.setups import Pool, Setup, setup_of
from headway.facts.calibration import GRADES, LAUNCH_FLOORS, Book, efficiency_for, engine_name, read_book
from headway.facts.catalog import packaged
from headway.serving.closed_loop import settle
from headway.serving.pass_times import PassTimes, pass_times
from headway.serving.scheduler import Scheduler
from headway.serving.workload import Workload

FLOORS: Final = (
    "step_overhead",
    "layer_overhead",
    "attention_latency",
    "experts_latency",
    "quantise_latency",
    "collective_latency",
)
WAITS: Final = ("request_overhead", "token_overhead", "queueing")
ENGINES: Final = ("trtllm", "sglang", "vllm")
#: Generations on which engines let a kernel start under the one before; how much of a floor that leaves is fitted.
OVERLAPPING: Final = ("blackwell", "blackwell-ultra")
TRUSTED: Final = ("A", "A-")
#: Day of the last fit; written, not read off a clock, so that two runs agree to the last byte.
FITTED: Final = "2026-11-25"
# What operators cannot show starts at a millisecond a step, two microseconds a layer, and these waits.
_UNSEEN: Final[Mapping[str, float]] = MappingProxyType({"step_overhead": 1e-3, "layer_overhead": 2e-6})
_WAIT_PRIORS: Final = (0.03, 2e-6, 0.5)
_DRAWS: Final = 12
_PARTS: Final = ("decode", "mixed", "alone")
_LAUNCHED: Final = tuple(name in LAUNCH_FLOORS for name in FLOORS)
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class Observed:
    """One closed-loop run: pass times without floors, how often each floor occurs, and what was measured.

    Parameters
    ----------
    key : str
        Setup of the source.
    setup : Setup
    engine : str
        Calibrated engine.
    users : float
        Requests in flight on one worker [1].
    work : Workload
    plan : Scheduler
        Of the source's scripts, where it has any.
    times : PassTimes
        With all of :data:`FLOORS` at zero.
    counts : array of shape (parts, floors)
        How many of each floor a decode, a mixed and a lone prefill pass have [1].
    tpot, ttft : float
        Measured [s]; NaN where it was not.
    """

    key: str
    setup: Setup
    engine: str
    users: float
    work: Workload
    plan: Scheduler
    times: PassTimes
    counts: Array
    tpot: float
    ttft: float

    @property
    def overlaps(self) -> bool:
        """Whether the chip starts a kernel under the one before it."""
        return self.setup.system.chip.generation in OVERLAPPING

    def settled(self, floors: Array, waits: Array, share: float) -> tuple[float, float]:
        """Predicted TPOT and TTFT with these constants, `share` being that of floors on an overlapping chip [s]."""
        decode, mixed, alone = self.counts @ (floors * np.where(_LAUNCHED, share, 1.0) if self.overlaps else floors)
        t = self.times
        times = replace(t, decode=t.decode + decode, mixed=t.mixed + mixed, alone=t.alone + float(alone))
        plan = replace(self.plan, request_overhead=waits[0], token_overhead=waits[1], queueing=min(waits[2], 1.0))
        found = settle(times, self.users, self.work, plan)
        return found.tpot, found.ttft


def observe(rows: Sequence[Measurement], table: Book) -> tuple[Observed, ...]:
    """Closed-loop runs on one pool among the rows, with their pass times under the operators' constants."""
    runs: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.metric in ("tpot_ms", "ttft_ms") and row.mode == "aggregated" and row.concurrency:
            runs.setdefault(row.setup_id, {"row": row})[row.metric] = row.value / 1e3
    found = []
    for key, run in runs.items():
        setup, engine = setup_of(run["row"]), engine_name(run["row"].engine)
        if isinstance(setup, Setup) and setup.decode is not None and setup.prefill is None and engine is not None:
            found.append(_observe(key, setup, setup.decode, engine, run, table))
    return tuple(found)


def _observe(key: str, setup: Setup, pool: Pool, engine: str, run: Mapping[str, Any], table: Book) -> Observed:
    eff = efficiency_for(setup.system, engine, table)
    none: dict[str, Any] = dict.fromkeys(FLOORS, 0.0)
    bare = replace(eff, **none)
    users = float(setup.concurrency or 1) / pool.workers
    work, plan = Workload(int(setup.isl or 1), int(setup.osl or 1)), setup.scheduled(Scheduler())
    scope = {c.name: c.value for c in table.constants[f"engine.{engine}"].values()}

    def times(floors: dict[str, Any]) -> PassTimes:
        one = replace(bare, **floors)
        where = (setup.model, setup.system, [pool.layout], [users], [work], plan)
        return pass_times(*where, precision=setup.precision, efficiency=one)[0]

    plain = times({})
    counts = np.empty((len(_PARTS), len(FLOORS)))
    for j, name in enumerate(FLOORS):
        # The step from none to the constant itself: a collective may change its algorithm far from there.
        unit = scope.get(name, _UNSEEN.get(name, 0.0))
        added = times({name: getattr(eff, name) or unit})
        for i, part in enumerate(_PARTS):
            counts[i, j] = float(np.mean(np.asarray(getattr(added, part)) - np.asarray(getattr(plain, part)))) / unit
    nan = float("nan")
    return Observed(
        key, setup, engine, users, work, plan, plain, counts, run.get("tpot_ms", nan), run.get("ttft_ms", nan)
    )


@dataclass(frozen=True, slots=True)
class Fitted:
    """Floors and waits of every engine, arrays of shape (engines, constants), and what overlap leaves of floors."""

    floors: Array
    waits: Array
    share: float


def priors(table: Book) -> Array:
    """Floors that operators show, and starting values for those they do not; shape (engines, floors)."""
    rows = []
    for engine in ENGINES:
        known = table.constants[f"engine.{engine}"]
        rows.append([known[name].value if name in known else _UNSEEN[name] for name in FLOORS])
    return np.asarray(rows)


def log_ratios(runs: Sequence[Observed], fitted: Fitted, metric: str) -> Array:
    """``log(predicted / measured)`` of the runs that have the metric."""
    found = []
    for run in runs:
        i = ENGINES.index(run.engine)
        found.append(_log_ratio(run, fitted.floors[i], fitted.waits[i], fitted.share, metric))
    every = np.asarray(found)
    return np.asarray(every[np.isfinite(every)])


def _log_ratio(run: Observed, floors: Array, waits: Array, share: float, metric: str) -> float:
    measured = getattr(run, metric)
    if not np.isfinite(measured):
        return float("nan")
    tpot, ttft = run.settled(floors, waits, share)
    return float(np.log((tpot if metric == "tpot" else ttft) / measured))


def fit(runs: Sequence[Observed], prior: Array) -> Fitted:
    """Floors of all engines and the share that overlap leaves on TPOT, waits at their priors; then waits on TTFT."""
    begin = np.asarray(_WAIT_PRIORS)
    timed = [[run for run in runs if run.engine == engine and np.isfinite(run.tpot)] for engine in ENGINES]
    seen: dict[tuple[int, bytes], list[float]] = {}

    def of_engine(i: int, floors: Array, share: float) -> list[float]:
        # A step along one constant leaves the runs of the other engines as they were.
        key = (i, np.append(floors, share).tobytes())
        if key not in seen:
            seen[key] = [_log_ratio(run, floors, begin, share, "tpot") for run in timed[i]]
        return seen[key]

    def of_all(tried: Array) -> Array:
        every = tried[:-1].reshape(prior.shape)
        return np.asarray([ratio for i in range(len(ENGINES)) for ratio in of_engine(i, every[i], float(tried[-1]))])

    found = fit_positive(of_all, np.append(prior.ravel(), 1.0), width=0.5)
    floors, share = found[:-1].reshape(prior.shape), float(found[-1])
    waits = np.asarray([_waits(runs, i, floors[i], share) for i in range(len(ENGINES))])
    return Fitted(floors, waits, share)


def _waits(runs: Sequence[Observed], i: int, floors: Array, share: float) -> Array:
    asked = [run for run in runs if run.engine == ENGINES[i] and np.isfinite(run.ttft)]

    def ratios(tried: Array) -> Array:
        return np.asarray([_log_ratio(run, floors, tried, share, "ttft") for run in asked])

    return fit_positive(ratios, np.asarray(_WAIT_PRIORS), width=1.0, corner=0.3, scale=0.3)


Residuals = tuple[Array, Array]


def left_out(runs: Sequence[Observed], prior: Array, group: Callable[[Observed], str]) -> dict[str, Residuals]:
    """Residuals of TPOT and of TTFT of each group under constants fitted on the others."""
    found = {}
    for name in sorted({group(run) for run in runs}):
        fitted = fit([run for run in runs if group(run) != name], prior)
        mine = [run for run in runs if group(run) == name]
        found[name] = (log_ratios(mine, fitted, "tpot"), log_ratios(mine, fitted, "ttft"))
    return found


def without_generation(rows: Sequence[Measurement], table: Book, prior: Array) -> dict[str, Residuals]:
    """Residuals of every chip generation under the constants of the others, operators included."""
    found = {}
    for name in table.names("generation"):
        scopes = {scope: c for scope, c in table.constants.items() if scope != f"generation.{name}"}
        runs = observe(rows, replace(table, constants=scopes))
        mine = [r for r in runs if r.setup.system.chip.generation == name]
        if mine:
            fitted = fit([r for r in runs if r.setup.system.chip.generation != name], prior)
            found[name] = (log_ratios(mine, fitted, "tpot"), log_ratios(mine, fitted, "ttft"))
    return found


def _quantiles(residuals: Array) -> tuple[float, float]:
    """80% interval of ``log(measured / predicted)``."""
    low, high = np.quantile(-residuals, LEVELS)
    return float(low), float(high)


def errors(rows: Sequence[Measurement], runs: Sequence[Observed], table: Book, prior: Array) -> dict[str, Any]:
    """What the fit leaves over on rows it did not see, by metric and grade."""
    grades = {
        "calibrated chip and engine": left_out(runs, prior, lambda r: r.setup.model.name),
        "calibrated chip": left_out(runs, prior, lambda r: r.engine),
        "datasheet only": without_generation(rows, table, prior),
    }
    return {
        metric: {grade: _quantiles(np.concatenate([r[i] for r in groups.values()])) for grade, groups in grades.items()}
        for i, metric in enumerate(("tpot", "ttft"))
    }


def calibrate(rows: Sequence[Measurement] | None = None) -> str:
    """Fit everything and return the table as TOML text, the same for the same rows to the last byte."""
    operators = read_book(packaged("operators.toml").tables, packaged("operators.toml").tables.get("errors", {}))
    every = tuple(rows) if rows is not None else open_serving()
    trusted = [row for row in every if row.trust in TRUSTED]
    prior = priors(operators)
    # Rates need floors and floors the host's time per sequence: each is fitted once more under the other.
    first = fit(observe(trusted, operators), prior)
    curves = rate_curves(every, _book(operators, first))
    table = with_overhead(operators, curves.fitted(), *curves.interval())
    runs = observe(trusted, table)
    best = fit(runs, prior)
    keys = np.asarray([run.key for run in runs])
    draws = [fit([runs[i] for i in resampled(keys, seed)], prior) for seed in range(_DRAWS)]
    left = errors(trusted, runs, table, prior)
    fitted, without = _book(table, best, left), curves.without()
    left["throughput"] = full_intervals(every, "throughput", fitted, without)
    old = full_intervals(every, "latency", fitted, without)
    # All batches that start and end together are of old software: today's is somewhere from there to the prediction.
    left["latency"] = {grade: (min(low, left["tpot"][grade][0]), high) for grade, (low, high) in old.items()}
    return _toml(table, best, draws, left)


def _book(table: Book, best: Fitted, left: Mapping[str, Any] = MappingProxyType({})) -> Book:
    """The table with fitted constants, without their intervals; errors of time per output token where known."""
    some = {"tpot": dict.fromkeys(GRADES, (0.0, 0.0)), **left}
    return read_book(tomllib.loads(_toml(table, best, [best], some)))


def _triple(value: float, low: float, high: float) -> str:
    return "[" + ", ".join(f"{v:.{_DIGITS}g}" for v in (value, min(low, value), max(high, value))) + "]"


def _toml(table: Book, best: Fitted, draws: Sequence[Fitted], left: Mapping[str, Any]) -> str:
    lines = [
        "# Constants of the kernel fidelity: [value, low, high] with an 80% interval, SI units.",
        "# Units and meanings: headway.facts.calibration.MEANINGS.",
        "# Written by `python -m headway.evidence.calibrate`; do not edit by hand.",
        "",
        "[source]",
        'source = "fitted on the kernel tables of aiconfigurator-core 0.12.0 and on audited open serving measurements"',
        f'retrieved = "{FITTED}"',
        'kind = "measured"',
    ]
    for scope, constants in table.constants.items():
        lines += ["", f"[{scope}]"]
        own = {c.name: (c.value, c.low, c.high) for c in constants.values()}
        engine = scope.removeprefix("engine.")
        if engine in ENGINES:
            own |= _engine_constants(ENGINES.index(engine), best, draws)
        kind, _, generation = scope.partition(".")
        if kind == "generation":
            low, high = np.quantile([d.share for d in draws], LEVELS)
            own["overlap"] = (best.share, low, high) if generation in OVERLAPPING else (1.0, 1.0, 1.0)
        lines += [f"{name} = {_triple(*triple)}" for name, triple in own.items()]
    for metric, grades in left.items():
        lines += ["", f"[errors.{metric}]"]
        lines += [f'"{grade}" = [{low:.{_DIGITS}g}, {high:.{_DIGITS}g}]' for grade, (low, high) in grades.items()]
    return "\n".join(lines) + "\n"


def _engine_constants(i: int, best: Fitted, draws: Sequence[Fitted]) -> dict[str, tuple[float, float, float]]:
    """Fitted constants of one engine with the 80% interval of a bootstrap over setups."""
    found = {}
    for names, part in ((FLOORS, "floors"), (WAITS, "waits")):
        spread = np.quantile([getattr(d, part)[i] for d in draws], LEVELS, axis=0)
        for j, name in enumerate(names):
            found[name] = (float(getattr(best, part)[i, j]), float(spread[0, j]), float(spread[1, j]))
    return found


def main(arguments: Sequence[str]) -> int:
    """Write the table to a file, or compare it with one: ``[--check] FILE``, the packaged one by default."""
    named = [a for a in arguments if not a.startswith("-")]
    target = Path(named[0]) if named else Path(__file__).parents[1] / "facts" / "data" / "calibration.toml"
    text = calibrate()
    if "--check" in arguments:
        same = target.read_text(encoding="utf-8") == text
        sys.stdout.write(f"{target.name}: {'the same' if same else 'differs'}\n")
        return 0 if same else 1
    target.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
