"""Plan a deployment: search layouts, batches, chunks and pools, keep what nothing else beats.

The search is exhaustive over :mod:`headway.serving.candidates`; the answer is the Pareto set over cost, speed
per user, throughput per chip and energy per token, each plan with what binds it and what it holds in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from headway.facts.calibration import grade_of
from headway.facts.check import fraction, single, whole
from headway.facts.efficiency import Efficiency, efficiency_of
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.precision import Precision
from headway.facts.sources import Source
from headway.physics.layout import Layout
from headway.physics.memory import MemoryUse, memory_use
from headway.physics.step import decode_step
from headway.serving.choose import Feasible, nearest
from headway.serving.deployments import Evaluated, Serving, colocated, separated
from headway.serving.infeasible import no_room
from headway.serving.pareto import front
from headway.serving.workload import Prices, Workload, beyond_context

PER_MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Plan:
    """One deployment that meets the limits.

    Parameters
    ----------
    system : str
    mode : str
        ``"colocated"`` or ``"separate"`` (prefill and decode on chips of their own).
    layout, prefill_layout : Layout
        Of one decode worker (or of the colocated worker), and of one prefill worker.
    workers, prefill_workers : int
        How many of each [1].
    chips : int
        Chips used [1].
    batch, chunk : float
        Sequences in one pass of a worker; prefill tokens per pass and rank, or prompts per pass [1].
    ttft_s, tpot_s, slowest_gap_s : float
        Mean time to first token, mean time per output token, longest gap between tokens [s].
    tokens_per_second_per_user, tokens_per_second_per_chip : float
        Output tokens [token/s].
    requests_per_second : float
        Of the deployment [1/s].
    usd_per_mtok : float
        Everything, per million output tokens [$].
    usd_per_mtok_input, usd_per_mtok_cached, usd_per_mtok_output : float
        By what the chips were busy with, per million input, cached-input and output tokens [$].
    joules_per_token : float
        All power of the chips used, per output token [J]; NaN where the power is not known.
    memory : MemoryUse
        Of the fullest decode chip.
    binding : str
        What sets most of the time of a decode pass.
    breakdown : tuple of (str, float)
        Seconds of a decode pass by operator [s].
    """

    system: str
    mode: str
    layout: Layout
    prefill_layout: Layout
    workers: int
    prefill_workers: int
    chips: int
    batch: float
    chunk: float
    ttft_s: float
    tpot_s: float
    slowest_gap_s: float
    tokens_per_second_per_user: float
    tokens_per_second_per_chip: float
    requests_per_second: float
    usd_per_mtok: float
    usd_per_mtok_input: float
    usd_per_mtok_cached: float
    usd_per_mtok_output: float
    joules_per_token: float
    memory: MemoryUse
    binding: str
    breakdown: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class PlanResult:
    """The Pareto set of a search, or why there is none.

    Parameters
    ----------
    feasible : bool
    reason : str
        Which limit is broken and by how much the nearest deployment misses; empty where feasible.
    plans : tuple of Plan
        Fastest per user first.
    candidates : int
        Deployments evaluated [1].
    nearest : Plan or None
        The deployment that misses least, where none is feasible but some fit in memory.
    workload, prices : Workload, Prices
    model : str
    system : str
    assumptions : tuple of str
    sources : tuple of Source
    grade : str
    blocks : tuple of Plan
        For each number of chips the deployment that serves most within the limits: what a fleet repeats.
    """

    feasible: bool
    reason: str
    plans: tuple[Plan, ...]
    candidates: int
    nearest: Plan | None
    workload: Workload
    prices: Prices
    model: str
    system: str
    assumptions: tuple[str, ...]
    sources: tuple[Source, ...]
    grade: str = "datasheet only"
    blocks: tuple[Plan, ...] = ()

    @property
    def cheapest(self) -> Plan | None:
        """The plan with the least cost per output token."""
        return min(self.plans, key=lambda p: p.usd_per_mtok, default=None)


ASSUMPTIONS = (
    "steady state at full batch; lengths as stated for every request",
    "mean TTFT: chunks or prompts wait as in a queue with constant service",
    "sequences hold their mean length in the cache",
    "uniform routing of experts; constants of the chip generation, median of the engines",
)


def default_prices(system: System, tariff: str | None = None, usd_per_kwh: float = 0.0) -> Prices:
    """Prices from a system's own tariff.

    >>> from headway.facts.systems import system
    >>> default_prices(system("hgx-h200"), usd_per_kwh=0.08).usd_per_kwh
    0.08

    Raises
    ------
    UnknownNameError
        If the system has no such tariff, or none at all: a price must then be given.
    """
    entry = system.tariff(tariff)
    return Prices(entry.usd_per_chip_hour, usd_per_kwh, f"{entry.name}, {entry.date}")


def watts_per_chip(system: System) -> float:
    """All-in power of one chip, or its design power where no all-in figure is known; NaN where neither is [W].

    >>> from headway.facts.systems import system
    >>> watts_per_chip(system("hgx-h200"))
    1730.0
    """
    power = system.power or system.chip.power
    return float("nan") if power is None else float(power)


def plan(
    model: Model,
    system: System,
    workload: Workload,
    *,
    prices: Prices | None = None,
    precision: Precision | None = None,
    efficiency: Efficiency | None = None,
    chips: int | None = None,
    ttft_premium: float = 0.01,
) -> PlanResult:
    """Search every deployment of a model on a system for a workload.

    Parameters
    ----------
    model, system, workload
    prices : Prices, optional
        The system's default tariff where not given.
    precision : Precision, optional
        The model's own formats where not given.
    efficiency : Efficiency, optional
        Published constants of the chip where not given.
    chips : int, optional
        Chips that may be used; one unit of the system where not given.
    ttft_premium : float
        Share by which a plan may cost more where that at least halves its time to first token [1].

    Returns
    -------
    PlanResult
        Infeasibility is in it, with its reason.

    Raises
    ------
    RangeError
        If `chips` is not whole and positive, or the premium is no share.
    UnknownNameError
        If no prices are given and the system has no tariff.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> box = system("hgx-h200")
    >>> found = plan(model("llama-3.1-8b"), box, Workload(1000, 200, ttft=1.0, tpot=0.02), prices=Prices(2.0))
    >>> found.feasible, all(p.tpot_s <= 0.02 and p.ttft_s <= 1.0 for p in found.plans)
    (True, True)
    >>> slow = plan(model("llama-3.1-8b"), box, Workload(1000, 200, tpot=1e-6), prices=Prices(2.0))
    >>> slow.feasible, slow.reason.startswith("TPOT at best")
    (False, True)
    """
    fraction("ttft_premium", single("ttft_premium", ttft_premium))
    allowed = int(whole("chips", single("chips", system.chips if chips is None else chips), most=1_000_000))
    s = Serving(model, system, workload, precision or model.precision, efficiency or efficiency_of(system), allowed)
    paid = prices or default_prices(system)
    runs = [e for e in (colocated(s), separated(s)) if e is not None and e.count]
    count = sum(e.count for e in runs)
    beyond = beyond_context(model, workload.isl + workload.osl)
    sources = tuple(dict.fromkeys(model.sources + system.sources + system.chip.sources + s.efficiency.sources))

    def result(reason: str, plans: tuple[Plan, ...], nearest: Plan | None) -> PlanResult:
        return PlanResult(
            not reason,
            reason,
            plans,
            count,
            nearest,
            workload,
            paid,
            model.name,
            system.name,
            (*ASSUMPTIONS, beyond) if beyond else ASSUMPTIONS,
            sources,
            grade_of(system, None),
        )

    if not runs:
        return result(no_room(s), (), None)
    found = Feasible.of(s, runs)
    if not found.index.size:
        reason, miss = nearest(s, runs)
        return result(reason, (), _plans(s, paid, [miss])[0])
    rows, blocks = found.best(ttft_premium, workload.osl), found.blocks(ttft_premium)
    plans = _plans(s, paid, found.at(rows))
    return replace(result("", plans, None), blocks=_plans(s, paid, found.at(blocks), single=True))


def plan_systems(results: tuple[PlanResult, ...]) -> tuple[Plan, ...]:
    """Plans of several systems together that none of the others beats in cost, speed, throughput and energy.

    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> box = system("hgx-h200")
    >>> found = plan(model("llama-3.1-8b"), box, Workload(1000, 200, ttft=1.0, tpot=0.02), prices=Prices(2.0))
    >>> [p.tpot_s for p in plan_systems((found, found))] == sorted(2 * [p.tpot_s for p in found.plans])
    True
    """
    every = [p for r in results for p in r.plans]
    if not every:
        return ()
    table = [(p.usd_per_mtok, p.tpot_s, -p.tokens_per_second_per_chip, p.joules_per_token) for p in every]
    kept = [every[i] for i in front(table)]
    return tuple(sorted(kept, key=lambda p: p.tpot_s))


def representative(plans: tuple[Plan, ...], most: int = 10) -> tuple[Plan, ...]:
    """At most `most` plans of a long set, ends included, spread evenly in the logarithm of cost.

    Parameters
    ----------
    plans : tuple of Plan
        In any order.
    most : int
        Plans to keep, at least 2 [1].

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> box = system("hgx-h200")
    >>> found = plan(model("llama-3.1-8b"), box, Workload(1000, 200, ttft=1.0, tpot=0.02), prices=Prices(2.0))
    >>> few = representative(found.plans, 3)
    >>> len(few) <= 3, found.cheapest in few
    (True, True)
    """
    ordered = tuple(sorted(plans, key=lambda p: (p.usd_per_mtok, p.tpot_s)))
    if len(ordered) <= whole("most", most, least=2):
        return tuple(sorted(ordered, key=lambda p: p.tpot_s))
    cost = np.log([p.usd_per_mtok for p in ordered])
    wanted = np.linspace(cost[0], cost[-1], most)
    picked = {int(np.argmin(np.abs(cost - w))) for w in wanted}
    return tuple(sorted((ordered[i] for i in picked), key=lambda p: p.tpot_s))


def _plans(
    s: Serving, prices: Prices, chosen: list[tuple[Evaluated, int]], *, single: bool = False
) -> tuple[Plan, ...]:
    """All figures of evaluated deployments; where time and memory go is looked up for all of them in one pass.

    With `single`, colocated deployments are shrunk to one worker.
    """
    layout = Layout(
        *(np.array([np.ravel(getattr(run.layout, f.name))[i] for run, i in chosen], dtype=int) for f in fields(Layout))
    )
    batch, chunk = (np.array([float(getattr(run, name)[i]) for run, i in chosen]) for name in ("batch", "chunk"))
    step = decode_step(
        s.model,
        s.system,
        layout,
        batch,
        s.workload.mean_context,
        precision=s.precision,
        efficiency=s.efficiency,
        draft=s.workload.draft,
        acceptance=s.workload.acceptance,
    )
    use = memory_use(s.model, s.system, layout, batch, s.workload.mean_context, new_tokens=chunk, precision=s.precision)
    kinds = [np.broadcast_to(getattr(use, f.name), batch.shape) for f in fields(MemoryUse)]
    spent = {name: np.broadcast_to(value, batch.shape) for name, value in step.breakdown().items()}
    binding = np.broadcast_to(step.binding, batch.shape)
    return tuple(
        _plan(
            s,
            prices,
            *one,
            MemoryUse(*(float(kind[k]) for kind in kinds)),
            str(binding[k]),
            tuple((name, float(value[k])) for name, value in spent.items()),
            int(one[0].decoders[one[1]]) if single and not one[0].separate else 1,
        )
        for k, one in enumerate(chosen)
    )


def _plan(
    s: Serving,
    prices: Prices,
    run: Evaluated,
    i: int,
    use: MemoryUse,
    binding: str,
    breakdown: tuple[tuple[str, float], ...],
    parts: int,
) -> Plan:
    w, layout = s.workload, run.layout.at(i)
    rate, chips = float(run.requests_per_second[i]) / parts, float(run.chips[i]) / parts
    usd_per_request = chips * prices.usd_per_chip_second(watts_per_chip(s.system)) / rate
    fresh, old = float(run.prefill_share[i]), float(run.cached_share[i])
    out = rate * w.osl
    return Plan(
        system=s.system.name,
        mode="separate" if run.separate else "colocated",
        layout=layout,
        prefill_layout=run.prefill_layout.at(i),
        workers=int(run.decoders[i]) // parts,
        prefill_workers=int(run.prefillers[i]),
        chips=int(chips),
        batch=float(run.batch[i]),
        chunk=float(run.chunk[i]),
        ttft_s=float(run.ttft[i]),
        tpot_s=float(run.tpot[i]),
        slowest_gap_s=float(run.slowest[i]),
        tokens_per_second_per_user=1.0 / float(run.tpot[i]),
        tokens_per_second_per_chip=out / chips,
        requests_per_second=rate,
        usd_per_mtok=usd_per_request / w.osl * PER_MILLION,
        usd_per_mtok_input=usd_per_request * fresh / w.miss * PER_MILLION,
        usd_per_mtok_cached=usd_per_request * old / w.cached * PER_MILLION if w.cached else float("nan"),
        usd_per_mtok_output=usd_per_request * (1.0 - fresh - old) / w.osl * PER_MILLION,
        joules_per_token=watts_per_chip(s.system) * chips / out,
        memory=use,
        binding=binding,
        breakdown=breakdown,
    )
