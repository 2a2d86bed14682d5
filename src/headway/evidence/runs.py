"""One function per kind of run, each a call into the rooms below; what comes back is in the units of the metrics."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from headway.evidence.measurements import Measurement
from headway.evidence.setups import Pool, Refusal, Setup, has_experts
from headway.evidence.stated import (
    DEEPSEEK_DAY,
    MLPERF,
    MLPERF_SECONDS,
    MLPERF_SEQUENCES,
    MOST_SEQUENCES,
    PREFILL_TOKENS,
    WHOLE_REQUEST,
    WHOLE_WINDOW,
    drafting,
    queued,
)
from headway.facts.calibration import Book, efficiency_for, engine_name
from headway.facts.efficiency import Efficiency
from headway.facts.errors import InputError
from headway.physics.layout import Layout, column, divides, rows_of, stacked
from headway.physics.memory import largest_batch
from headway.physics.step import decode_step, prefill_step
from headway.serving import closed_loop as loop
from headway.serving.pass_times import static_batch
from headway.serving.saturation import Window, drained_each, saturated, speeds
from headway.serving.scheduler import Scheduler, scheduler_for
from headway.serving.two_pools import separate_loop
from headway.serving.workload import Workload

_NODE: Final = 8.0
_MS: Final = 1e3


@dataclass(frozen=True, slots=True)
class Run:
    """A solved run: its quantities by metric, in the metrics' units."""

    values: Mapping[str, float]
    binding: str = ""
    decoding: float = math.nan
    prefill_share: float = math.nan
    assumed: tuple[str, ...] = ()


Case = tuple[Measurement, Setup]


def solve(row: Measurement, setup: Setup, table: Book | None = None) -> Run | Refusal:
    """Solve the run of a row, or say why it cannot be.

    >>> from headway.evidence.measurements import open_serving
    >>> from headway.evidence.setups import setup_of
    >>> row = open_serving()[0]
    >>> sorted(solve(row, setup_of(row)).values)
    ['output_throughput', 'output_throughput_per_gpu']
    """
    return solve_each([(row, setup)], table)[0]


def solve_each(cases: Sequence[Case], table: Book | None = None) -> tuple[Run | Refusal, ...]:
    """Solve many runs; those of one model, system, engine, precision and launch share their passes' arithmetic.

    Parameters
    ----------
    cases : sequence of (Measurement, Setup)
        Rows with what was run.
    table : Book, optional
        Constants; the packaged ones where not given.

    Examples
    --------
    >>> from headway.evidence.measurements import open_serving
    >>> from headway.evidence.setups import setup_of
    >>> cases = [(row, setup_of(row)) for row in open_serving()[:2]]
    >>> solve_each(cases)[1] == solve(*cases[1])
    True
    """
    groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for i, (_, setup) in enumerate(cases):
        # Of models and systems, the catalog gives the same object for the same name.
        alike = (id(setup.model), id(setup.system), setup.engine, setup.precision, setup.scheduled(Scheduler()))
        kind = _kind(setup)
        groups[(kind, *alike) if kind in _TOGETHER else (kind, i)].append(i)
    found: dict[int, Run | Refusal] = {}
    reached: dict[tuple[int, str], Efficiency] = {}
    for (kind, *_), members in groups.items():
        first = cases[members[0]][1]
        stack = (id(first.system), first.engine)
        if stack not in reached:
            reached[stack] = efficiency_for(first.system, first.engine, table)
        found.update(zip(members, _solve(kind, [cases[i] for i in members], reached[stack], table), strict=True))
    return tuple(found[i] for i in range(len(cases)))


def _solve(
    kind: Callable[..., Any], cases: Sequence[Case], efficiency: Efficiency, table: Book | None
) -> Sequence[Run | Refusal]:
    """Runs of one kind on one model, system and engine."""
    try:
        if kind in _TOGETHER:
            return tuple(kind(cases, efficiency, table))
        return [kind(*cases[0], efficiency, table)]
    except InputError as error:
        if len(cases) == 1:
            return [Refusal(str(error))]
        # Which of them it was shows when each is asked alone.
        return [one for case in cases for one in _solve(kind, [case], efficiency, table)]


def _kind(setup: Setup) -> Callable[..., Any]:
    if setup.metric == "fleet_average_gpus":
        return _fleet
    if setup.mode.startswith("mlperf-"):
        return _mlperf
    if setup.mode in ("offline static batch", "latency"):
        return _static
    if setup.mode == "offline" or (setup.concurrency is None and setup.metric == "output_throughput"):
        return _offline
    if setup.metric.startswith("prefill_"):
        return _prefill_rate
    if setup.metric.startswith("decode_") or setup.metric == "output_speed_per_user" or setup.mode == "decode-only":
        return _decode_rate
    return _separate if setup.prefill is not None else _closed


def _fleet(_row: Measurement, _setup: Setup, _eff: Efficiency, _table: Book | None) -> Refusal:
    return Refusal("chips in use over a day follow from the demand of that day, not from a setup", missing=True)


def _pool(setup: Setup) -> Pool:
    if setup.decode is None:
        raise InputError("parallelism", "nothing", "a layout, such as TP8")
    return setup.decode


def _lengths(setup: Setup) -> tuple[int, int]:
    if setup.isl is None or setup.osl is None:
        raise InputError("isl, osl", "nothing", "the lengths of a request")
    return setup.isl, setup.osl


def _workload(row: Measurement, setup: Setup) -> Workload:
    isl, osl = _lengths(setup)
    draft, kept = drafting(row)
    return Workload(isl, osl, draft=draft, acceptance=kept)


def _plan(setup: Setup, table: Book | None) -> Scheduler:
    """How the setup's engine admits and mixes requests."""
    engine = engine_name(setup.engine)
    kept = {"whole_request": engine in WHOLE_REQUEST, "whole_window": engine in WHOLE_WINDOW}
    return setup.scheduled(replace(scheduler_for(setup.engine, table), **kept))


def _closed(cases: Sequence[Case], eff: Efficiency, table: Book | None) -> Iterator[Run | Refusal]:
    """Closed loops of users, spread evenly over replicas."""
    first = cases[0][1]
    opts: dict[str, Any] = {"precision": first.precision, "efficiency": eff}
    known = [case for case in cases if case[1].concurrency is not None]
    layouts = [_pool(setup).layout for _, setup in known]
    users = [(setup.concurrency or 1.0) / _pool(setup).workers for _, setup in known]
    works = [_workload(row, setup) for row, setup in known]
    plan = _plan(first, table)
    found = loop.closed_loops(first.model, first.system, layouts, users, works, scheduler=plan, **opts) if known else ()
    held = column([plan.held(work.isl, work.osl) for work in works]) if known else 1.0
    place, kept = stacked(layouts) if known else Layout(), plan.whole_window
    free = largest_batch(first.model, first.system, place, held, precision=first.precision, whole_window=kept)
    rooms = iter(rows_of(free, len(known) or 1))
    results = iter(zip(found, works, users, strict=True))
    for row, setup in cases:
        if setup.concurrency is None:
            yield Refusal("the source does not state the concurrency", missing=True)
        else:
            yield _measured(row, setup, *next(results), next(rooms), opts)


def _measured(
    _row: Measurement,
    setup: Setup,
    found: loop.ClosedLoop,
    work: Workload,
    users: float,
    room: float,
    opts: dict[str, Any],
) -> Run:
    """Quantities of a closed loop, in their units."""
    pool = _pool(setup)
    values = {
        "tpot_ms": found.tpot * _MS,
        "ttft_ms": found.ttft * _MS,
        "output_throughput": found.output_tokens_per_second * pool.workers,
        "output_throughput_per_gpu": found.output_tokens_per_second * pool.workers / setup.n_gpus,
    }
    if setup.metric == "itl_ms":
        # The median gap is that of a pass without prompts, as long as those are the fewer.
        busy = found.prefill_share > 0.5
        step = decode_step(setup.model, setup.system, pool.layout, found.decoding, work.mean_context, **opts)
        values["itl_ms"] = (found.tpot if busy else float(step.tpot)) * _MS
    full = () if room >= users else (f"memory holds {room:,.0f} of {users:,.0f} requests at their mean length",)
    return Run(values, found.binding, found.decoding, found.prefill_share, full)


def _separate(row: Measurement, setup: Setup, eff: Efficiency, table: Book | None) -> Run | Refusal:
    """A closed loop over separate pools."""
    if setup.concurrency is None or setup.prefill is None:
        return Refusal("the source does not state the concurrency", missing=True)
    pool = _pool(setup)
    found = separate_loop(
        setup.model,
        setup.system,
        setup.prefill.layout,
        setup.prefill.workers,
        pool.layout,
        pool.workers,
        setup.concurrency,
        _workload(row, setup),
        scheduler=_plan(setup, table),
        precision=setup.precision,
        efficiency=eff,
    )
    values = {
        "tpot_ms": found.tpot * _MS,
        "ttft_ms": found.ttft * _MS,
        "output_throughput": found.output_tokens_per_second,
        "output_throughput_per_gpu": found.output_tokens_per_second / found.chips,
    }
    return Run(values, found.binding, found.decoding, found.prefill_share)


def _offline(cases: Sequence[Case], eff: Efficiency, table: Book | None) -> Iterator[Run | Refusal]:
    """Requests queued at once; the batch is what memory and the engine allow."""
    first = cases[0][1]
    engine = engine_name(first.engine) or ""
    works = [_workload(row, setup) for row, setup in cases]
    queues = [queued(work.isl, work.osl) for work in works]
    pools = [_pool(setup) for _, setup in cases]
    every = drained_each(
        first.model,
        first.system,
        [pool.layout for pool in pools],
        works,
        [requests / pool.workers for requests, pool in zip(queues, pools, strict=True)],
        scheduler=replace(_plan(first, table), most=MOST_SEQUENCES.get(engine, math.inf)),
        precision=first.precision,
        efficiency=eff,
    )
    for found, requests, pool, (_, setup) in zip(every, queues, pools, cases, strict=True):
        if found.layout is None:
            yield Refusal(f"does not fit: {found.reason}")
            continue
        total = found.output_tokens_per_second * pool.workers
        values = {"output_throughput": total, "output_throughput_per_gpu": total / setup.n_gpus}
        assumed = (f"{requests:,.0f} requests queued at once", "batch by memory and the engine's default")
        yield Run(values, found.binding, found.batch, found.prefill_share, assumed)


#: Kinds of which many runs are solved in one call.
_TOGETHER: Final = frozenset({_closed, _offline})


def _static(row: Measurement, setup: Setup, eff: Efficiency, _table: Book | None) -> Run | Refusal:
    """A batch that starts and ends together."""
    pool, (isl, osl) = _pool(setup), _lengths(setup)
    batch = setup.batch_total or setup.concurrency
    if batch is None:
        return Refusal("the source does not state the batch", missing=True)
    each = batch / pool.workers
    opts: dict[str, Any] = {"precision": setup.precision, "efficiency": eff}
    seconds = static_batch(setup.model, setup.system, pool.layout, each, isl, osl, **opts)
    step = decode_step(setup.model, setup.system, pool.layout, each, isl + osl / 2, **opts)
    values = {"batch_latency_s": seconds, "output_throughput": batch * osl / seconds}
    return Run(values, str(step.binding), each)


def _prefill_rate(row: Measurement, setup: Setup, eff: Efficiency, _table: Book | None) -> Run | Refusal:
    """Prompt tokens per second of chips that only prefill."""
    pool = setup.prefill or _pool(setup)
    tokens, day = setup.batch_tokens or PREFILL_TOKENS, DEEPSEEK_DAY
    assumed: tuple[str, ...] = () if setup.batch_tokens else (f"{tokens:,.0f} prompt tokens per chip and pass",)
    hit, isl = 0.0, float(setup.isl or 0)
    if setup.isl is None:
        if row.source_id != "deepseek-day6":
            return Refusal("the source does not state the input length", missing=True)
        hit, isl = day.cache_hit, float(day.isl)
        assumed += (
            f"{isl:,.0f} tokens in, {hit:.1%} of them in the cache, from the day's totals",
            "nodes always full; the day averages over every second held, its utilisation is not published",
        )
    new = isl * (1.0 - hit)
    prompts = tokens / new * float(pool.layout.stage_chips)
    step = prefill_step(
        setup.model, setup.system, pool.layout, prompts, new, isl * hit, precision=setup.precision, efficiency=eff
    )
    rate = float(step.tokens_per_second_per_chip) / (1.0 - hit)
    values = {"prefill_throughput_per_gpu": rate, "prefill_throughput_per_node": rate * _NODE}
    return Run(values, str(step.binding), assumed=assumed)


def _decode_rate(row: Measurement, setup: Setup, eff: Efficiency, _table: Book | None) -> Run | Refusal:
    """Decode at a stated batch, at a stated speed, or as many sequences as memory holds."""
    pool = _pool(setup)
    opts: dict[str, Any] = {"precision": setup.precision, "efficiency": eff}
    if setup.isl is None:
        return _decode_day(row, setup, pool, eff)
    context = setup.isl + (setup.osl or 0) / 2
    assumed: tuple[str, ...] = ()
    if setup.batch is not None:
        batch = setup.batch * float(pool.layout.chips)
    elif setup.concurrency is not None:
        batch = setup.concurrency / pool.workers
    else:
        batch = float(largest_batch(setup.model, setup.system, pool.layout, context, precision=setup.precision))
        assumed = ("batch not stated: as many sequences as memory holds",)
    if batch < 1:
        return Refusal("does not fit in memory")
    draft, kept = drafting(row)
    step = decode_step(setup.model, setup.system, pool.layout, batch, context, draft=draft, acceptance=kept, **opts)
    rate, tpot = float(step.tokens_per_second_per_chip), float(step.tpot)
    values = {
        "decode_throughput_per_gpu": rate,
        "decode_throughput_per_node": rate * _NODE,
        "output_speed_per_user": 1.0 / tpot,
        "tpot_ms": tpot * _MS,
        "itl_ms": tpot * _MS,
    }
    return Run(values, str(step.binding), batch, assumed=assumed)


def _decode_day(row: Measurement, setup: Setup, pool: Pool, eff: Efficiency) -> Run | Refusal:
    """The speed of a user fixes the batch, and so the rate of a chip; and the other way round."""
    if row.source_id != "deepseek-day6":
        return Refusal("the source states neither batch nor length", missing=True)
    day = DEEPSEEK_DAY
    user, chip = speeds(setup.model, setup.system, pool.layout, day.context, precision=setup.precision, efficiency=eff)
    if row.metric == "output_speed_per_user":
        value, stated = float(np.interp(day.chip_rate, chip, user)), f"{day.chip_rate:,.0f} token/s of a chip"
    else:
        value, stated = float(np.interp(day.speed, user[::-1], chip[::-1])), f"{day.speed:g} token/s of a user"
    values = {
        "output_speed_per_user": value,
        "decode_throughput_per_gpu": value,
        "decode_throughput_per_node": value * _NODE,
    }
    return Run(values, assumed=(f"batch not stated: from {stated}, stated beside it",))


def _mlperf(row: Measurement, setup: Setup, eff: Efficiency, _table: Book | None) -> Run | Refusal:
    """The best replica that keeps the scenario's limits, as many as the chips hold."""
    data = MLPERF.get(setup.model.name)
    if data is None:
        return Refusal("lengths of this model's MLPerf data set are not in the table", missing=True)
    scenario = setup.mode.removeprefix("mlperf-")
    ttft, tpot = {"server": data.server, "interactive": data.interactive}.get(scenario, (math.inf, math.inf))
    isl, osl = setup.isl or data.isl, setup.osl or data.osl
    choices = [setup.decode.layout] if setup.decode is not None else replicas(setup)
    work = Workload(isl, osl, ttft=ttft, tpot=tpot)
    plan = Scheduler(most=MLPERF_SEQUENCES)
    window = Window(MLPERF_SECONDS, data.samples / setup.n_gpus, max(data.longest, osl))
    opts: dict[str, Any] = {"precision": setup.precision, "efficiency": eff}
    found = saturated(setup.model, setup.system, choices, work, scheduler=plan, window=window, **opts)
    if found.layout is None:
        return Refusal(f"no replica: {found.reason}")
    total = found.tokens_per_second_per_chip * setup.n_gpus
    assumed = (f"{found.layout.label()} chosen as the fastest", f"{isl:,} tokens in on average")
    return Run({"system_throughput": total}, found.binding, found.batch, found.prefill_share, assumed)


def replicas(setup: Setup) -> list[Layout]:
    """Layouts that a submitter would try: tensor parallel, and attention-data with expert parallel for experts."""
    most = min(setup.n_gpus, setup.system.domain_size)
    sizes = [n for n in range(1, most + 1) if setup.n_gpus % n == 0]
    found = [Layout(tp=n) for n in sizes]
    if has_experts(setup.model):
        found += [Layout(dp=n, ep=n) for n in sizes if n > 1]
    return [one for one in found if bool(np.all(divides(setup.model, one)))]
