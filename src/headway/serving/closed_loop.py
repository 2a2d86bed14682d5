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

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headway.facts.efficiency import Efficiency
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.precision import Precision
from headway.physics.layout import Layout
from headway.serving.pass_times import PassTimes, pass_times
from headway.serving.scheduler import Scheduler
from headway.serving.workload import Workload

_ROUNDS = 80
_CLOSE = 1e-6


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
    found = closed_loops(
        model,
        system,
        [layout],
        [users],
        [workload],
        scheduler=scheduler,
        precision=precision,
        efficiency=efficiency,
    )
    return found[0]


def closed_loops(
    model: Model,
    system: System,
    layouts: Sequence[Layout],
    users: Sequence[float],
    workloads: Sequence[Workload],
    *,
    scheduler: Scheduler | None = None,
    precision: Precision | None = None,
    efficiency: Efficiency | None = None,
) -> tuple[ClosedLoop, ...]:
    """Predict many closed loops of one model on one system, each on its own worker.

    Parameters
    ----------
    layouts, users, workloads : sequences of one length
        Of each loop, as in :func:`closed_loop`.
    scheduler, precision, efficiency
        Of all of them.

    Raises
    ------
    RangeError, LayoutError

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> place, work = (model("llama-3.1-70b"), system("hgx-h200")), Workload(1000, 1000)
    >>> found = closed_loops(*place, [Layout(tp=4), Layout(tp=8)], [4, 64], [work, work])
    >>> found[1] == closed_loop(*place, Layout(tp=8), 64, work)
    True
    """
    plan = scheduler or Scheduler()
    every = pass_times(model, system, layouts, users, workloads, plan, precision=precision, efficiency=efficiency)
    return tuple(map(_loop, every, layouts, users, workloads, itertools.repeat(plan)))


def _loop(times: PassTimes, layout: Layout, users: float, workload: Workload, plan: Scheduler) -> ClosedLoop:
    found = settle(times, users, workload, plan)
    latency = found.ttft + (workload.osl - 1) * found.tpot
    rate = users / latency
    binding = str(times.binding[int(np.argmin(np.abs(times.batch - found.decoding)))])
    out = rate * workload.osl
    return ClosedLoop(
        found.tpot, found.ttft, latency, found.decoding, found.share, rate, out, int(layout.chips), binding
    )


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
    w, ranks, passes = workload, times.ranks, times.reader()
    steps = max(w.osl - 1, 1) / w.acceptance
    host = plan.request_overhead + plan.token_overhead * w.miss
    decoding, seconds, ttft, share = float(users), 0.0, 0.0, 0.0
    for _ in range(_ROUNDS):
        decode, mixed = passes(max(decoding, 1e-9))
        # Chunks due per pass on one rank; beyond one the prompts queue and the batch drains to what they feed.
        due = times.chunks * decoding / ranks / steps
        share = 1.0 - (1.0 - min(due, 1.0)) ** ranks
        seconds = (1.0 - share) * decode + share * mixed
        rate = users / (ttft + steps * seconds) / ranks
        ahead = min(rate * ttft, users / ranks) * (users - 1.0) / users
        wait = times.chunks * mixed * (1.0 + plan.queueing * ahead) + 0.5 * plan.poll * decode + host
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
