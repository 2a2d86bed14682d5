"""Workers that never run dry: offline throughput, and the largest load that keeps latency limits.

With ``B`` sequences decoding, ``a`` tokens kept per pass and ``S`` new prompt tokens per request, a share
``phi = B a S / (O m D)`` of passes carries ``m`` prompt tokens on each of ``D`` data ranks, and a replica answers

``X = B a / (O t)``,  ``t = (1 - phi) t_decode(B) + phi t_mixed(B)``

requests per second. Beyond ``phi = 1`` the prompts are the limit and the batch drains to what they feed. The batch
is what memory holds, what was asked, or what the limits allow, whichever is smallest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headway.facts.check import positive
from headway.facts.efficiency import Efficiency, efficiency_of
from headway.facts.errors import RangeError
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.precision import Precision
from headway.physics.layout import Layout, check_layout, column, rows_of, stacked
from headway.physics.memory import largest_batch, memory_use
from headway.physics.step import decode_step, mixed_step
from headway.serving.scheduler import Scheduler
from headway.serving.workload import Workload

_LOADS = 24
# A Poisson number stays below its mean plus this many standard deviations 99 times in 100.
_NINETY_NINE = 2.33


@dataclass(frozen=True, slots=True)
class Window:
    """A benchmark that starts empty, and ends when its longest answer does.

    Parameters
    ----------
    seconds : float
        Requests are issued for at least this long [s].
    requests_per_chip : float
        And at least this many [1].
    longest : float
        Tokens of the longest answer [token]; it decodes on after the others.
    """

    seconds: float = 0.0
    requests_per_chip: float = 0.0
    longest: float = 0.0

    def kept(self, requests_per_chip: Any, tpot: Any, osl: float) -> Any:
        """Share of the steady rate that is left when the tail counts as part of the run [1].

        >>> round(float(Window(seconds=600, longest=20_000).kept(1.0, 0.03, 3700)), 2)
        0.55
        """
        issued = np.maximum(self.seconds, self.requests_per_chip / requests_per_chip)
        tail = max(self.longest - osl, 0.0) * np.asarray(tpot)
        return np.where(issued > 0, issued / np.maximum(issued + tail, 1e-300), 1.0)


@dataclass(frozen=True, slots=True)
class Saturated:
    """A replica at its largest load.

    Parameters
    ----------
    layout : Layout or None
        Of the replica; None where nothing fits.
    batch : float
        Sequences decoding at a time [1].
    requests_per_second, output_tokens_per_second : float
        Of one replica [1/s], [token/s].
    tpot, ttft : float
        Time per output token and to the first token, at the 99th percentile where there are limits [s].
    prefill_share : float
        Share of passes that carry prompt tokens [1].
    binding : str
        What sets most of the time of a decode pass.
    reason : str
        Why there is none; empty where there is.
    """

    layout: Layout | None
    batch: float
    requests_per_second: float
    output_tokens_per_second: float
    tpot: float
    ttft: float
    prefill_share: float
    binding: str
    reason: str = ""

    @property
    def tokens_per_second_per_chip(self) -> float:
        """Output tokens per second and chip [token/s]."""
        return self.output_tokens_per_second / (self.layout.chips if self.layout else math.inf)


def _none(reason: str) -> Saturated:
    return Saturated(None, 0.0, 0.0, 0.0, math.inf, math.inf, 0.0, "", reason)


def saturated(
    model: Model,
    system: System,
    layouts: Sequence[Layout],
    workload: Workload,
    *,
    scheduler: Scheduler | None = None,
    window: Window | None = None,
    precision: Precision | None = None,
    efficiency: Efficiency | None = None,
) -> Saturated:
    """The replica with most output per chip that keeps the workload's limits, requests never running out.

    Parameters
    ----------
    layouts : sequence of Layout
        Replicas to choose from; scalar degrees. Those that cannot hold the model are passed over.
    workload : Workload
        Where it limits TTFT or TPOT, arrivals are taken as Poisson: the limits hold at their 99th percentile and
        memory at that of the number in the system.
    scheduler : Scheduler, optional
        Tokens of a pass, sequences of a rank, and memory kept for a request.
    window : Window, optional
        The run that is timed, where its tail counts; endless where not given.

    Returns
    -------
    Saturated
        With a reason where no replica fits or keeps the limits.

    Raises
    ------
    RangeError, LayoutError

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> place = model("llama-3.1-70b"), system("hgx-h200"), [Layout(tp=n) for n in (2, 4, 8)]
    >>> idle, busy = (saturated(*place, Workload(1000, 1000, tpot=limit)) for limit in (0.02, 0.2))
    >>> idle.tpot <= 0.02 and idle.tokens_per_second_per_chip <= busy.tokens_per_second_per_chip
    True
    """
    plan = scheduler or Scheduler()
    chunk = plan.chunk
    if not layouts:
        raise RangeError("layouts", "none", "at least one layout")
    # One row per layout, one column per load: every pass time of the search in two calls.
    stack = check_layout(
        model, Layout(**{n: np.array([[getattr(one, n)] for one in layouts]) for n in ("tp", "ep", "dp", "pp", "cp")})
    )
    opts: dict[str, Any] = {"precision": precision, "efficiency": efficiency}
    held, carried = plan.held(workload.isl, workload.osl), min(chunk, workload.miss)
    kept: dict[str, Any] = {"precision": precision, "whole_window": plan.whole_window}
    room = np.minimum(
        largest_batch(model, system, stack, held, new_tokens=carried, **kept),
        plan.most * np.asarray(stack.dp, dtype=float),
    )
    limited = math.isfinite(workload.tpot) or math.isfinite(workload.ttft)
    if limited:
        # Mean load whose 99th percentile fills the memory.
        room = (np.sqrt(np.maximum(_NINETY_NINE**2 + 4.0 * room, 0.0)) / 2.0 - _NINETY_NINE / 2.0) ** 2
    if not np.any(room >= 1):
        use = memory_use(model, system, layouts[-1], layouts[-1].dp, held, **kept)
        return _none(use.reason() or "no layout holds one request on each rank")
    feed = workload.osl / workload.acceptance * chunk * np.asarray(stack.dp, dtype=float) / workload.miss
    top = np.maximum(np.minimum(room, feed), 1.0)
    loads = top ** np.linspace(0.0, 1.0, _LOADS) if limited or window else top
    loads = _whole_tiles(loads, np.asarray(stack.dp, dtype=float), efficiency or efficiency_of(system))
    step = decode_step(
        model, system, stack, loads, workload.mean_context, draft=workload.draft, acceptance=workload.acceptance, **opts
    )
    mixed = mixed_step(
        model,
        system,
        stack,
        loads,
        workload.mean_context,
        max(chunk / workload.miss, 1.0),
        carried,
        max(workload.miss - chunk, 0.0) / 2.0 + workload.cached,
        draft=workload.draft,
        **opts,
    )
    share = np.minimum(loads / feed, 1.0)
    seconds = (1.0 - share) * step.seconds + share * mixed.seconds
    # A request meets a Poisson number of others' prompts, as many as it has neighbours on average.
    crowd = _NINETY_NINE / np.sqrt(loads) if limited else 0.0
    tpot = (seconds + crowd * share * (mixed.seconds - step.seconds)) / workload.acceptance
    ttft = _first_token(mixed.seconds, seconds, share, workload.miss / chunk)
    rate = loads * workload.acceptance / workload.osl / seconds
    if window is not None:
        rate = rate * window.kept(rate / stack.chips, tpot, workload.osl)
    good = (room >= 1) & (loads <= room) & (tpot <= workload.tpot) & (ttft <= workload.ttft)
    if not np.any(good):
        return _none("no load keeps the limits")
    best = np.unravel_index(int(np.argmax(np.where(good, rate / stack.chips, -1.0))), good.shape)
    return Saturated(
        layouts[int(best[0])],
        float(loads[best]),
        float(rate[best]),
        float(rate[best]) * workload.osl,
        float(tpot[best]),
        float(ttft[best]),
        float(share[best]),
        str(np.broadcast_to(step.binding, good.shape)[best]),
    )


def _whole_tiles(loads: Any, ranks: Any, efficiency: Efficiency) -> Any:
    """The loads, and beside each the largest below it that fills whole tiles: one sequence more costs a tile."""
    tile = ranks * efficiency.tile
    filled = np.floor(loads / tile) * tile
    return np.concatenate([loads, np.where(filled > 0, filled, loads)], axis=-1)


def _first_token(mixed: Any, seconds: Any, share: Any, chunks: float) -> Any:
    """99th percentile of the time to the first token at a server that is busy a share of the time.

    Half a pass until the next one, the passes of the prompt, and the wait of M/D/1 with an exponential tail.
    """
    busy = np.minimum(share, 1.0 - 1e-9)
    wait = math.log(100.0) * busy / (2.0 * (1.0 - busy)) * mixed * chunks
    return 0.5 * seconds + max(chunks, 1.0) * mixed + wait


def drained(
    model: Model,
    system: System,
    layout: Layout,
    workload: Workload,
    requests: float,
    *,
    scheduler: Scheduler | None = None,
    precision: Precision | None = None,
    efficiency: Efficiency | None = None,
) -> Saturated:
    """A replica that is given `requests` at once and runs until the last is answered.

    Waves of the largest batch follow each other; the last one is what is left over. Filling the first batch takes
    its prompts' passes, during which half of it decodes, and so does draining the last.

    Parameters
    ----------
    requests : float
        Requests queued at the start, for this replica [1].
    scheduler
        As in :func:`saturated`.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> place = model("llama-3.1-8b"), system("hgx-h100"), Layout(), Workload(1000, 1000)
    >>> few, many = (drained(*place, requests) for requests in (10, 1000))
    >>> few.output_tokens_per_second < many.output_tokens_per_second
    True
    """
    return drained_each(
        model,
        system,
        [layout],
        [workload],
        [requests],
        scheduler=scheduler,
        precision=precision,
        efficiency=efficiency,
    )[0]


def drained_each(
    model: Model,
    system: System,
    layouts: Sequence[Layout],
    workloads: Sequence[Workload],
    requests: Sequence[float],
    *,
    scheduler: Scheduler | None = None,
    precision: Precision | None = None,
    efficiency: Efficiency | None = None,
) -> tuple[Saturated, ...]:
    """As :func:`drained`, for many replicas of one model on one system, each with its own layout, lengths and queue.

    Parameters
    ----------
    layouts, workloads, requests : sequences of one length
        Of each replica; scalar degrees.
    scheduler
        As in :func:`saturated`, of all of them.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> place, work = (model("llama-3.1-70b"), system("hgx-h200")), Workload(1000, 1000)
    >>> found = drained_each(*place, [Layout(tp=4), Layout(tp=8)], [work, work], [500, 1000])
    >>> found[0] == drained(*place, Layout(tp=4), work, 500)
    True
    """
    positive("requests", requests)
    plan = scheduler or Scheduler()
    chunk = plan.chunk
    place = check_layout(model, stacked(layouts))
    held = [plan.held(w.isl, w.osl) for w in workloads]
    fit: dict[str, Any] = {"precision": precision, "whole_window": plan.whole_window}
    carried = [min(chunk, w.miss) for w in workloads]
    free = largest_batch(model, system, place, column(held), new_tokens=column(carried), **fit)
    queues = tuple(
        _queue(float(r), one, w, room, plan)
        for r, one, w, room in zip(requests, layouts, workloads, rows_of(free, len(layouts)), strict=True)
    )
    batches = np.array([[queue.full, max(queue.rest, 1.0)] for queue in queues])
    opts: dict[str, Any] = {"precision": precision, "efficiency": efficiency}
    context, draft = column([w.mean_context for w in workloads]), column([w.draft for w in workloads])
    kept = column([w.acceptance for w in workloads])
    step = decode_step(model, system, place, batches, context, draft=draft, acceptance=kept, **opts)
    prompts = column([max(chunk / w.miss, 1.0) for w in workloads])
    before = column([max(w.miss - chunk, 0.0) / 2.0 + w.cached for w in workloads])
    mixed = mixed_step(model, system, place, batches, context, prompts, column(carried), before, draft=draft, **opts)
    decode, carrying, names = (np.broadcast_to(v, batches.shape) for v in (step.seconds, mixed.seconds, step.binding))
    found = []
    for i, (queue, one, w) in enumerate(zip(queues, layouts, workloads, strict=True)):
        if queue.room < 1:
            found.append(_none(memory_use(model, system, one, one.dp, held[i], **fit).reason()))
        else:
            found.append(_drain(queue, one, w, decode[i], carrying[i], str(names[i, 0])))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Queue:
    """Requests of one replica: all, those of a full wave, waves, those left over; `feed` decode on full prompts."""

    requests: float
    room: float
    feed: float
    full: float
    waves: int
    rest: float
    per_pass: float


def _queue(requests: float, layout: Layout, w: Workload, room: float, plan: Scheduler) -> _Queue:
    ranks, chunk = float(layout.dp), plan.chunk
    feed = w.osl / w.acceptance * chunk * ranks / w.miss
    full = min(max(room, 1.0), plan.most * ranks, requests, feed)
    waves = math.floor(requests / full)
    return _Queue(requests, room, feed, full, waves, requests - waves * full, chunk * ranks)


def _drain(q: _Queue, layout: Layout, w: Workload, decode: Any, mixed: Any, binding: str) -> Saturated:
    share = np.minimum(np.array([q.full, max(q.rest, 1.0)]) / q.feed, 1.0)
    seconds = (1.0 - share) * decode + share * mixed
    fill = q.full * w.miss / q.per_pass * float(mixed[0]) / 2.0
    steps = w.osl / w.acceptance
    total = steps * (q.waves * float(seconds[0]) + (float(seconds[1]) if q.rest >= 1 else 0.0)) + fill
    rate = q.requests / total
    tpot = float(seconds[0]) / w.acceptance
    return Saturated(layout, q.full, rate, rate * w.osl, tpot, math.inf, float(share[0]), binding)


def speeds(
    model: Model,
    system: System,
    layout: Layout,
    context: float,
    *,
    precision: Precision | None = None,
    efficiency: Efficiency | None = None,
) -> tuple[Any, Any]:
    """Output tokens per second of each user and of each chip, from one sequence per rank to a full memory.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> user, chip = speeds(model("llama-3.1-8b"), system("hgx-h100"), Layout(), 4096)
    >>> bool((user[1:] <= user[:-1]).all() and chip[0] < chip[-1])
    True
    """
    place = check_layout(model, layout)
    room = max(float(largest_batch(model, system, place, context, precision=precision)), float(place.dp))
    loads = np.geomspace(float(place.dp), room, _LOADS)
    step = decode_step(model, system, place, loads, context, precision=precision, efficiency=efficiency)
    seconds = np.asarray(step.tpot)
    return 1.0 / seconds, loads / seconds / float(place.chips)
