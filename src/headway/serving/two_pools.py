"""A closed loop of users over two pools: some workers only prefill, the others only decode.

Users circulate: waiting for or in prefill, then decoding. With rate ``X``, ``k`` prefill workers of capacity ``mu``
each and prefill time ``S``,

``N = X (h + S + W(X) + (O - 1) TPOT(B))``,  ``B = X (O - 1) TPOT(B)``,

where `h` is the host's time per request and the wait of `k` servers is Sakasegawa's
``W = q rho^(sqrt(2 (k + 1))) / (mu k (1 - rho))`` (Ann. Inst. Stat. Math. 29, 1977), `q` the weight of the prompts
found ahead. The two equations fix `X`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from headway.facts.check import positive, whole
from headway.facts.efficiency import Efficiency
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.precision import Precision
from headway.physics.layout import Layout, check_layout
from headway.physics.memory import largest_batch
from headway.physics.step import decode_step, prefill_step
from headway.serving.closed_loop import ClosedLoop
from headway.serving.scheduler import Scheduler
from headway.serving.workload import Workload

_ROUNDS = 60
_GRID = 32


def separate_loop(
    model: Model,
    system: System,
    prefill: Layout,
    prefill_workers: int,
    decode: Layout,
    decode_workers: int,
    users: float,
    workload: Workload,
    *,
    scheduler: Scheduler | None = None,
    precision: Precision | None = None,
    efficiency: Efficiency | None = None,
) -> ClosedLoop:
    """Predict a closed loop of `users` on separate pools; the cache moves beside the work.

    Parameters
    ----------
    prefill, decode : Layout
        Of one worker of each pool; scalar degrees.
    prefill_workers, decode_workers : int
        Workers of each pool [1].
    users : float
        Requests in flight [1].
    workload : Workload

    Raises
    ------
    RangeError, LayoutError

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> place = model("llama-3.1-70b"), system("gb200-nvl72"), Layout(tp=2), 1, Layout(tp=4), 2
    >>> few, many = (separate_loop(*place, users, Workload(1000, 1000)) for users in (4, 400))
    >>> few.tpot < many.tpot and few.ttft < many.ttft
    True
    """
    positive("users", users)
    whole("prefill_workers", prefill_workers)
    whole("decode_workers", decode_workers)
    check_layout(model, prefill)
    check_layout(model, decode)
    plan, eff = scheduler or Scheduler(), efficiency
    opts: dict[str, Any] = {"precision": precision, "efficiency": eff}
    host = plan.request_overhead + plan.token_overhead * workload.miss
    alone, service = _prefill(model, system, prefill, workload, plan, opts)
    alone = alone + host
    capacity = prefill_workers / service
    steps = max(workload.osl - 1, 1) / workload.acceptance
    held = plan.held(workload.isl, workload.osl)
    room = float(largest_batch(model, system, decode, held, precision=precision, whole_window=plan.whole_window))
    grid = np.geomspace(1.0, max(min(users / decode_workers, room), 1.0), _GRID)
    step = decode_step(
        model, system, decode, grid, workload.mean_context, draft=workload.draft, acceptance=workload.acceptance, **opts
    )
    seconds = np.asarray(step.seconds)

    def wait(rate: float) -> float:
        busy = rate / capacity
        queue = busy ** math.sqrt(2.0 * (prefill_workers + 1.0)) / (1.0 - busy)
        # At most all users stand in the queue.
        return float(min(plan.queueing * queue * service / prefill_workers, users / capacity))

    def decoding(rate: float) -> float:
        """Sequences that decode at that rate: the batch at which the pool keeps up; all users where it cannot."""
        flow = grid * decode_workers / (steps * seconds)
        if rate >= flow[-1]:
            return users
        return float(np.interp(rate, flow, grid) * decode_workers) if rate > flow[0] else rate * steps * seconds[0]

    low, high = 0.0, capacity * (1.0 - 1e-9)
    for _ in range(_ROUNDS):
        rate = 0.5 * (low + high)
        held = rate * (alone + wait(rate)) + decoding(rate)
        low, high = (rate, high) if held < users else (low, rate)
    rate = 0.5 * (low + high)
    batch = decoding(rate)
    passed = float(np.interp(max(batch / decode_workers, 1.0), grid, seconds))
    # Whoever does not decode waits for prefill, whatever the queue's approximation says.
    ttft = max(alone + wait(rate), users / rate - steps * passed)
    first = service * (users / prefill_workers + 1.0) / 2.0 + host
    ttft = (1.0 - plan.burst) * ttft + plan.burst * max(first, ttft)
    latency = ttft + steps * passed
    chips = prefill_workers * int(prefill.chips) + decode_workers * int(decode.chips)
    where = int(np.argmin(np.abs(grid - batch / decode_workers)))
    binding = str(np.broadcast_to(step.binding, grid.shape)[where])
    return ClosedLoop(
        passed / workload.acceptance, ttft, latency, batch, 0.0, rate, rate * workload.osl, chips, binding
    )


def _prefill(
    model: Model, system: System, layout: Layout, w: Workload, plan: Scheduler, opts: dict[str, Any]
) -> tuple[float, float]:
    """Time of one prompt alone, and seconds of a worker per prompt when it never waits [s]."""
    chunks = max(w.miss / plan.chunk, 1.0)
    carried = w.miss / chunks
    before = w.cached + max(w.miss - carried, 0.0) / 2.0
    together = float(layout.dp) * max(math.floor(plan.chunk / w.miss), 1)
    passes = prefill_step(model, system, layout, np.array([float(layout.dp), together]), carried, before, **opts)
    alone, full = (float(v) * chunks for v in np.broadcast_to(passes.seconds, (2,)))
    return alone, full / together
