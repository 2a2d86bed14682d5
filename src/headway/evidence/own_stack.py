"""Fit the few constants of a user's own stack to its own benchmark runs.

Every run is predicted as a closed loop of its users (:mod:`headway.serving.closed_loop`), mean TPOT and mean TTFT are
compared in the logarithm, and the constants in :data:`CONSTANTS` are fitted by :mod:`headway.evidence.log_fit` with
the published values of chip and engine as priors. A constant that the runs do not tell apart from the others is kept
where it was published and said so: tensor parallel 1 says nothing about collectives, short prompts nothing about
the compute rate, and one deployment alone only the sum of the floors of operators, collectives and steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np

from headway.evidence.benchmark_files import BenchmarkRun
from headway.evidence.log_fit import Array, LogFit, Prior, fit
from headway.facts.efficiency import Efficiency, efficiency_of
from headway.facts.errors import InputError, LayoutError
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.precision import Precision
from headway.physics.layout import Layout, check_layout
from headway.physics.memory import largest_batch
from headway.serving.closed_loop import closed_loop
from headway.serving.scheduler import scheduler_for
from headway.serving.workload import Workload

REQUEST_OVERHEAD: Final = "request_overhead"
_EFFICIENCY: Final = frozenset(f.name for f in fields(Efficiency))
# Spread to expect of a repeated TPOT and TTFT; the runs' own scatter soon outweighs it.
_EXPECTED: Final = (0.02, 0.05)
# Below this change of any prediction over a whole prior width, the runs do not depend on a constant.
_UNMOVED: Final = 0.02


@dataclass(frozen=True, slots=True)
class StackConstant:
    """A constant that a stack may have of its own.

    Parameters
    ----------
    name : str
        Field of :class:`~headway.facts.efficiency.Efficiency`, or ``"request_overhead"``.
    meaning : str
        What it is.
    unit : str
        ``"1"`` or ``"s"``.
    low, high : float
        Bounds.
    width : float
        Standard deviation of its logarithm around the published value [1].
    least : float
        Where the prior stands if the published value is smaller.
    """

    name: str
    meaning: str
    unit: str
    low: float
    high: float
    width: float
    least: float


#: In the order in which they are tried: the first ones explain most.
CONSTANTS: Final = (
    StackConstant("memory", "share of the memory bandwidth", "1", 0.15, 1.0, 0.25, 0.2),
    StackConstant("operator_latency", "floor of one operator, so of each layer", "s", 1e-7, 2e-3, 1.0, 1e-6),
    StackConstant("compute", "share of the peak rate of large matrix products", "1", 0.03, 1.0, 0.3, 0.05),
    StackConstant(REQUEST_OVERHEAD, "time from request to first pass beyond any queue", "s", 1e-5, 60.0, 1.5, 5e-3),
    StackConstant("collective_latency", "floor of one collective", "s", 1e-7, 1e-2, 1.0, 1e-6),
    StackConstant("step_overhead", "host, scheduling and sampling per step", "s", 1e-6, 1.0, 1.0, 1e-4),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Deployment:
    """What the runs were made on.

    Parameters
    ----------
    model, system : Model, System
    layout : Layout
        Of the one worker.
    precision : Precision
    engine : str or None
        Whose published constants are the prior.
    draft : int
        Tokens proposed by a multi-token-prediction module [1].
    chunk : float
        Tokens that one pass may carry on one data rank [token].
    """

    model: Model
    system: System
    layout: Layout
    precision: Precision
    engine: str | None = None
    draft: int = 0
    chunk: float = 8192.0


@dataclass(frozen=True, slots=True)
class StackValue:
    """One constant after the fit.

    Parameters
    ----------
    name, unit, meaning : str
    value, low, high : float
        Value and 80% interval; the published value and the width of its prior where not identified.
    published : float
        Before the fit.
    identified : bool
    reason : str
        Why it was not fitted, or that it stands at a bound; empty where neither.
    """

    name: str
    unit: str
    meaning: str
    value: float
    low: float
    high: float
    published: float
    identified: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One run beside its predictions [s]."""

    run: BenchmarkRun
    layout: str
    tpot_published: float
    tpot_fitted: float
    ttft_published: float
    ttft_fitted: float


@dataclass(frozen=True, slots=True)
class StackFit:
    """Constants of one stack, and how well they explain its runs.

    Parameters
    ----------
    constants : tuple of StackValue
        In the order of :data:`CONSTANTS`.
    runs : tuple of ComparedRun
    left_out : tuple of (str, str)
        Runs that cannot be used, with the reason.
    tpot_error, ttft_error : float
        Median absolute relative error of the fitted predictions [1].
    tpot_error_published, ttft_error_published : float
        The same with published constants [1].
    """

    constants: tuple[StackValue, ...]
    runs: tuple[ComparedRun, ...]
    left_out: tuple[tuple[str, str], ...]
    tpot_error: float
    ttft_error: float
    tpot_error_published: float
    ttft_error_published: float

    @property
    def identified(self) -> tuple[StackValue, ...]:
        """The constants that the runs determine."""
        return tuple(c for c in self.constants if c.identified)


Case = tuple[Deployment, BenchmarkRun]


def published(deployment: Deployment) -> tuple[Efficiency, float]:
    """Published constants of the chip and the engine, and the engine's request overhead [s].

    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> llama = model("llama-3.1-8b")
    >>> eff, overhead = published(Deployment(llama, system("hgx-h100"), Layout(), llama.precision))
    >>> 0 < eff.memory <= 1 and overhead >= 0
    True
    """
    eff = efficiency_of(deployment.system, deployment.engine)
    return eff, scheduler_for(deployment.engine).request_overhead


def predict_run(
    deployment: Deployment, run: BenchmarkRun, efficiency: Efficiency, request_overhead: float
) -> tuple[float, float]:
    """Mean time per output token and to first token of a run [s].

    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> llama, box = model("llama-3.1-8b"), system("hgx-h100")
    >>> run = BenchmarkRun("mine", "vllm", 8, True, 1000, 200, 0.05, 0.01, 80)
    >>> tpot, ttft = predict_run(Deployment(llama, box, Layout(), llama.precision), run, efficiency_of(box), 0.01)
    >>> 0 < tpot < ttft
    True
    """
    accepted = min(run.acceptance, 1.0 + deployment.draft)
    workload = Workload(run.isl, run.osl, draft=deployment.draft, acceptance=accepted)
    # A closed loop starts with all its users at once; at a rate, arrivals have no memory of each other.
    burst = min(run.users / run.requests, 1.0) if run.closed else 0.0
    usual = scheduler_for(deployment.engine)
    plan = replace(
        usual,
        chunk=deployment.chunk,
        burst=burst,
        queueing=usual.queueing if run.closed else 1.0,
        request_overhead=request_overhead,
    )
    found = closed_loop(
        deployment.model,
        deployment.system,
        deployment.layout,
        max(run.users, 1.0),
        workload,
        scheduler=plan,
        precision=deployment.precision,
        efficiency=efficiency,
    )
    return found.tpot, found.ttft


def unusable(deployment: Deployment, run: BenchmarkRun) -> str:
    """Why a run cannot be predicted; empty where it can.

    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> llama = model("llama-3.1-8b")
    >>> where = Deployment(llama, system("hgx-h100"), Layout(), llama.precision)
    >>> unusable(where, BenchmarkRun("mine", "vllm", 4096, True, 8000, 200, 1.0, 0.1, 9000))[:37]
    '4,096 requests in flight, but memory '
    """
    if run.acceptance > 1.0 and not deployment.draft:
        return f"{run.acceptance:.3g} tokens per pass, but no draft length is given (--draft)"
    context = run.isl + run.osl / 2.0
    d = deployment
    room = float(largest_batch(d.model, d.system, d.layout, context, precision=d.precision))
    if run.users > room:
        return f"{run.users:,.0f} requests in flight, but memory holds {room:,.0f}: the rest waited in a queue"
    return ""


def _with(efficiency: Efficiency, overhead: float, values: Array) -> tuple[Efficiency, float]:
    given = {c.name: float(v) for c, v in zip(CONSTANTS, values, strict=True)}
    known: dict[str, Any] = {name: v for name, v in given.items() if name in _EFFICIENCY}
    return replace(efficiency, **known), given.get(REQUEST_OVERHEAD, overhead)


def fit_stack(cases: Sequence[Case], prior: tuple[Efficiency, float] | None = None) -> StackFit:
    """Fit the constants of a stack to its runs, on one deployment or several of the same chip and engine.

    Parameters
    ----------
    cases : sequence of (Deployment, BenchmarkRun)
    prior : (Efficiency, float), optional
        Constants and request overhead [s] to start from; the published ones of the first deployment where not given.

    Raises
    ------
    LayoutError
        If a layout does not fit its model, or needs more chips than the system has.
    InputError
        If no run can be used, or the deployments are not on one chip.
    """
    if len({d.system.chip.name for d, _ in cases}) > 1:
        raise InputError("deployments", len(cases), "runs on one chip: each chip has constants of its own")
    for d, _ in cases:
        check_layout(d.model, d.layout)
        if d.layout.chips > d.system.chips:
            raise LayoutError(
                "layout", d.layout.label(), f"at most the {d.system.chips} chips of {d.system.name}, as 32xh200 has 32"
            )
    reasons = [unusable(d, run) for d, run in cases]
    used = [case for case, reason in zip(cases, reasons, strict=True) if not reason]
    if not used:
        raise InputError("runs", reasons[0] if reasons else "none", "at least one run that can be predicted")
    base, overhead = prior or published(used[0][0])

    def predict(values: Array) -> Array:
        eff, extra = _with(base, overhead, values)
        return np.asarray([predict_run(d, run, eff, extra) for d, run in used]).T.ravel()

    start = [overhead if c.name == REQUEST_OVERHEAD else float(getattr(base, c.name)) for c in CONSTANTS]
    centre = np.array([min(max(v, c.least), c.high) for v, c in zip(start, CONSTANTS, strict=True)])
    known = Prior(
        centre,
        np.array([c.width for c in CONSTANTS]),
        np.array([c.low for c in CONSTANTS]),
        np.array([c.high for c in CONSTANTS]),
    )
    measured = np.array([[run.tpot, run.ttft] for _, run in used]).T.ravel()
    kinds = np.repeat([0, 1], len(used))
    found = fit(predict, measured, known, kinds, _EXPECTED)
    values = tuple(_value(found, k, start[k]) for k in range(len(CONSTANTS)))
    before = np.asarray([predict_run(d, run, base, overhead) for d, run in used]).T
    after = found.predicted.reshape(2, len(used))
    runs = tuple(
        ComparedRun(run, d.layout.label(), *(float(v) for v in (before[0, i], after[0, i], before[1, i], after[1, i])))
        for i, (d, run) in enumerate(used)
    )
    left_out = tuple((run.where, reason) for (_, run), reason in zip(cases, reasons, strict=True) if reason)
    actual = measured.reshape(2, len(used))
    new, old = (np.median(np.abs(p / actual - 1.0), axis=1) for p in (after, before))
    return StackFit(values, runs, left_out, float(new[0]), float(new[1]), float(old[0]), float(old[1]))


def _value(found: LogFit, k: int, start: float) -> StackValue:
    constant, free = CONSTANTS[k], k in found.free
    value, low, high = (float(v[k]) for v in (found.value, found.low, found.high))
    reason = ""
    if not free:
        twin, cosine = found.twin[k]
        if found.sensitivity[k] < _UNMOVED:
            reason = "these runs do not depend on it"
        elif twin >= 0 and cosine > 0.9:
            reason = f"moves these runs as {CONSTANTS[twin].name} does: only the two together show"
        else:
            reason = "too weak in these runs to tell from their scatter"
        value = start
    elif math.isclose(value, constant.low, rel_tol=1e-3) or math.isclose(value, constant.high, rel_tol=1e-3):
        reason = "at its bound: check the deployment's description"
    return StackValue(constant.name, constant.unit, constant.meaning, value, low, high, start, free, reason)
