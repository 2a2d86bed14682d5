"""What a closed loop of users measures: each sends its next request when the last answer is read.

`C` users, each `S` new prompt tokens and `O` output tokens, on one worker that prefills in chunks beside decode.
With `B` sequences decoding, a pass finishes ``B a / (O - 1)`` requests, so a share ``phi = n B a / (O - 1)`` of passes
carries one of the ``n`` chunks of a prompt, and

``t = (1 - phi) t_decode(B) + phi t_mixed(B)``,  ``TPOT = t / a``,  ``B = C / (1 + TTFT / ((O - 1) TPOT))``

(Little's law). A prompt waits for those ahead of it as at a single server in a closed network: mean value analysis
with the arrival theorem, Reiser and Lavenberg, J. ACM 27(2), 1980, in Schweitzer's approximation. A benchmark also
starts with all users at once; that burst is part of the mean it reports.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headway.facts.calibration import Book, book, engine_name
from headway.facts.check import fraction, not_negative, positive, whole
from headway.facts.efficiency import Efficiency, efficiency_of
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.precision import Precision
from headway.physics.layout import Layout, check_layout
from headway.physics.memory import largest_batch
from headway.physics.step import Step, decode_step, mixed_step, prefill_step
from headway.serving.workload import Workload

_ROUNDS = 80
_CLOSE = 1e-6
_GRID = 24


@dataclass(frozen=True, slots=True)
class Scheduler:
    """How an engine mixes prefill and decode.

    Parameters
    ----------
    chunk : float
        Tokens that one pass may carry on one data rank [token].
    burst : float
        Share of a run's requests that arrive at its start, all at once [1]: one over the requests per user.
    queueing : float
        Weight of the prompts found ahead on arrival [1]: 1 for memoryless arrivals, 0 for arrivals that never collide.
    request_overhead, token_overhead : float
        Time of a request, and of each of its prompt tokens, that no pass accounts for [s].
    """

    chunk: float = 8192.0
    burst: float = 0.1
    queueing: float = 0.5
    request_overhead: float = 0.0
    token_overhead: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a chunk that is not positive and weights below zero."""
        positive("chunk", self.chunk, "token")
        fraction("burst", self.burst)
        for name in ("queueing", "request_overhead", "token_overhead"):
            not_negative(name, getattr(self, name))


def scheduler_for(engine: str | None = None, table: Book | None = None) -> Scheduler:
    """How an engine schedules and what its requests wait for, from the table of constants.

    Parameters
    ----------
    engine : str, optional
        Any spelling of a calibrated engine; the median of all where not given or not known.
    table : Book, optional
        The packaged table where not given.

    Examples
    --------
    >>> 0 < scheduler_for("vLLM").request_overhead < 1
    True
    """
    values = (table or book()).values("engine", engine_name(engine))
    known = ("queueing", "request_overhead", "token_overhead")
    return replace(Scheduler(), **{name: values[name] for name in known if name in values})


@dataclass(frozen=True, slots=True)
class ClosedLoop:
    """What the users measure in steady state.

    Parameters
    ----------
    tpot, ttft, latency : float
        Mean time per output token after the first, to the first token, and of a whole request [s].
    decoding : float
        Sequences decoding at a time [1].
    prefill_share : float
        Share of passes that carry prompt tokens [1]; 1 where prefill is the limit.
    requests_per_second, output_tokens_per_second : float
        Of the whole deployment [1/s], [token/s].
    chips : int
        Chips of the deployment [1].
    binding : str
        What sets most of the time of a decode pass.
    """

    tpot: float
    ttft: float
    latency: float
    decoding: float
    prefill_share: float
    requests_per_second: float
    output_tokens_per_second: float
    chips: int
    binding: str


@dataclass(frozen=True, slots=True)
class PassTimes:
    """Pass times of one worker on a grid of batches; between them they are interpolated.

    Parameters
    ----------
    batch : array of shape (n,)
        Sequences decoding [1].
    decode, mixed : array of shape (n,)
        Pass without and with a chunk of a prompt [s].
    alone : float
        Pass with one chunk and no decoding [s].
    chunks : float
        Passes that one prompt takes [1].
    ranks : int
        Attention-data ranks, which each prefill prompts of their own [1].
    room : float
        Sequences whose cache fits in memory at their mean length [1].
    """

    batch: Any
    decode: Any
    mixed: Any
    alone: float
    chunks: float
    ranks: int
    room: float = math.inf

    def at(self, batch: float) -> tuple[float, float]:
        """Decode and mixed pass at a batch [s].

        >>> PassTimes([1.0, 3.0], [0.25, 0.75], [1.0, 1.0], 1.0, 1.0, 1).at(2.0)
        (0.5, 1.0)
        """
        return float(np.interp(batch, self.batch, self.decode)), float(np.interp(batch, self.batch, self.mixed))


def _grid(users: float, ranks: int) -> Any:
    """Batches up to all users: every rank-filling count for few, evenly spaced in the logarithm for many."""
    top = max(users, 1.0)
    return np.unique(np.concatenate([np.geomspace(1.0, top, _GRID), [min(float(ranks), top), top]]))


def closed_loop(
    model: Model,
    system: System,
    layout: Layout,
    users: float,
    workload: Workload,
    *,
    scheduler: Scheduler | None = None,
    precision: Precision | None = None,
    efficiency: Efficiency | None = None,
) -> ClosedLoop:
    """Predict a closed loop of `users` on one colocated worker.

    Parameters
    ----------
    layout : Layout
        Of the worker; scalar degrees.
    users : float
        Requests in flight [1].
    workload : Workload
        Lengths, cache hits and speculation; its limits play no part.
    scheduler : Scheduler, optional
    precision, efficiency
        The model's formats and the chip's published constants where not given.

    Raises
    ------
    RangeError, LayoutError

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> few, many = (
    ...     closed_loop(model("llama-3.1-70b"), system("hgx-h200"), Layout(tp=8), users, Workload(1000, 1000))
    ...     for users in (4, 64)
    ... )
    >>> few.tpot < many.tpot and few.output_tokens_per_second < many.output_tokens_per_second
    True
    """
    plan = scheduler or Scheduler()
    step, times = pass_times(
        model, system, layout, users, workload, plan.chunk, precision=precision, efficiency=efficiency
    )
    found = settle(times, users, workload, plan)
    latency = found.ttft + (workload.osl - 1) * found.tpot
    rate = users / latency
    names = np.broadcast_to(step.binding, times.batch.shape)
    binding = str(names[int(np.argmin(np.abs(times.batch - found.decoding)))])
    out = rate * workload.osl
    return ClosedLoop(
        found.tpot, found.ttft, latency, found.decoding, found.share, rate, out, int(layout.chips), binding
    )


def pass_times(
    model: Model,
    system: System,
    layout: Layout,
    users: float,
    workload: Workload,
    chunk: float = 8192.0,
    *,
    precision: Precision | None = None,
    efficiency: Efficiency | None = None,
) -> tuple[Step, PassTimes]:
    """Passes of a worker at every batch up to `users`, and the decode step they come from.

    Parameters
    ----------
    chunk : float
        Tokens that one pass may carry on one data rank [token].

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> _, times = pass_times(model("llama-3.1-8b"), system("hgx-h100"), Layout(), 16, Workload(1000, 1000))
    >>> bool((times.mixed > times.decode).all())
    True
    """
    positive("users", users)
    place = check_layout(model, layout)
    w = workload
    chunks = max(w.miss / chunk, 1.0)
    carried = w.miss / chunks
    batch = _grid(users, int(place.dp))
    opts: dict[str, Any] = {"precision": precision, "efficiency": efficiency or efficiency_of(system)}
    step = decode_step(model, system, place, batch, w.mean_context, draft=w.draft, acceptance=w.acceptance, **opts)
    before = w.cached + max(w.miss - carried, 0.0) / 2.0
    mixed = mixed_step(model, system, place, batch, w.mean_context, 1.0, carried, before, draft=w.draft, **opts)
    alone = prefill_step(model, system, place, place.dp, carried, before, **opts)
    decode = np.broadcast_to(step.seconds, batch.shape)
    rows = min(chunk, w.miss)
    room = max(float(largest_batch(model, system, place, w.mean_context, new_tokens=rows, precision=precision)), 1.0)
    carrying = np.broadcast_to(mixed.seconds, batch.shape)
    return step, PassTimes(batch, decode, carrying, alone.seconds, chunks, int(place.dp), room)


@dataclass(frozen=True, slots=True)
class Settled:
    """Fixed point of a closed loop.

    Parameters
    ----------
    tpot, ttft : float
        Mean times [s].
    decoding : float
        Sequences decoding [1].
    share : float
        Share of passes that carry prompt tokens [1].
    """

    tpot: float
    ttft: float
    decoding: float
    share: float


def settle(times: PassTimes, users: float, workload: Workload, plan: Scheduler) -> Settled:
    """Fixed point of batch, pass time and wait; damped, since each depends on the others.

    Examples
    --------
    Alone, a user waits for the prefill and half a pass, and then for one pass a token:

    >>> times = PassTimes([1.0], [0.01], [0.05], 0.05, 1.0, 1)
    >>> one = settle(times, 1, Workload(1000, 1001), Scheduler(burst=0.0))
    >>> round(one.ttft, 4), round(one.tpot, 4)
    (0.055, 0.01)
    """
    w, ranks = workload, times.ranks
    steps = max(w.osl - 1, 1) / w.acceptance
    host = plan.request_overhead + plan.token_overhead * w.miss
    decoding, seconds, ttft, share = float(users), 0.0, 0.0, 0.0
    for _ in range(_ROUNDS):
        decode, mixed = times.at(max(decoding, 1e-9))
        # Chunks due per pass on one rank; beyond one the prompts queue and the batch drains to what they feed.
        due = times.chunks * decoding / ranks / steps
        share = 1.0 - (1.0 - min(due, 1.0)) ** ranks
        seconds = (1.0 - share) * decode + share * mixed
        rate = users / (ttft + steps * seconds) / ranks
        ahead = min(rate * ttft, users / ranks) * (users - 1.0) / users
        wait = times.chunks * mixed * (1.0 + plan.queueing * ahead) + 0.5 * decode + host
        target = users / (1.0 + ttft / (steps * seconds))
        if users > times.room:
            # Memory is the limit: who has no room waits until an answer ends (Little's law).
            target = min(target, times.room)
            wait = max(wait, steps * seconds * (users / times.room - 1.0))
        if due > 1.0:
            # Prefill is the limit: whoever does not decode waits for it.
            feeds = min(steps / times.chunks * ranks, users)
            wait = max(wait, (users - feeds) * times.chunks * seconds / ranks)
        before = ttft
        ttft = 0.5 * (ttft + wait)
        decoding = 0.5 * (decoding + target)
        if abs(ttft - before) <= _CLOSE * ttft:
            break
    # The burst at the start: each prompt waits for those before it.
    first = times.chunks * times.alone * (users / ranks + 1.0) / 2.0 + host
    mean = (1.0 - plan.burst) * ttft + plan.burst * max(first, ttft)
    return Settled(seconds / w.acceptance, mean, decoding, share)


def static_batch(
    model: Model,
    system: System,
    layout: Layout,
    batch: float,
    isl: int,
    osl: int,
    *,
    precision: Precision | None = None,
    efficiency: Efficiency | None = None,
    chunk: float = 8192.0,
) -> float:
    """Latency of a batch that starts together and ends together, prompts prefilled first [s].

    Parameters
    ----------
    batch : float
        Sequences [1].
    isl, osl : int
        Input and output tokens [token].
    chunk : float
        Tokens that one prefill pass may carry on one rank [token].

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> static_batch(model("llama-3.1-8b"), system("hgx-h100"), Layout(), 16, 1000, 1000) > 1.0
    True
    """
    positive("batch", batch)
    whole("isl", isl)
    whole("osl", osl)
    place = check_layout(model, layout)
    opts: dict[str, Any] = {"precision": precision, "efficiency": efficiency}
    per_pass = max(min(batch, chunk * place.dp / isl), 1.0)
    first = prefill_step(model, system, place, per_pass, isl, 0, **opts).seconds * (batch / per_pass)
    # Each output token costs a pass; the context grows evenly, and so does the time.
    mean = decode_step(model, system, place, batch, isl + osl / 2.0, **opts).seconds
    return float(first + (osl - 1) * mean)
