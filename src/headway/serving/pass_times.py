"""Pass times of workers that prefill in chunks beside decode, at every batch that their users can make.

Many workers of one model on one system are one call: their layouts, lengths and batches stand on the axes of arrays,
and what they share stays a plain number.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headway.facts.check import positive, whole
from headway.facts.efficiency import Efficiency, efficiency_of
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.precision import Precision
from headway.physics.layout import Layout, check_layout, column, rows_of, stacked
from headway.physics.memory import largest_batch
from headway.physics.step import decode_step, mixed_step, prefill_step
from headway.serving.scheduler import Scheduler
from headway.serving.workload import Workload

_GRID = 24


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
    binding : array of str of shape (n,)
        What sets most of the time of a decode pass.
    """

    batch: Any
    decode: Any
    mixed: Any
    alone: float
    chunks: float
    ranks: int
    room: float = math.inf
    binding: Any = ()

    def reader(self) -> Callable[[float], tuple[float, float]]:
        """Decode and mixed pass at any batch [s], by interpolation in plain numbers, for a loop that asks often.

        >>> PassTimes([1.0, 3.0], [0.25, 0.75], [1.0, 1.0], 1.0, 1.0, 1).reader()(2.0)
        (0.5, 1.0)
        """
        x, decode, mixed = (np.asarray(v, dtype=float).tolist() for v in (self.batch, self.decode, self.mixed))
        last = len(x) - 1

        def at(batch: float) -> tuple[float, float]:
            i = bisect_right(x, batch) - 1
            if not 0 <= i < last:
                end = 0 if i < 0 else last
                return decode[end], mixed[end]
            part, width = batch - x[i], x[i + 1] - x[i]
            return (
                (decode[i + 1] - decode[i]) / width * part + decode[i],
                (mixed[i + 1] - mixed[i]) / width * part + mixed[i],
            )

        return at


def _grid(users: float, ranks: int) -> Any:
    """Batches up to all users: every rank-filling count for few, evenly spaced in the logarithm for many."""
    top = max(users, 1.0)
    return np.unique(np.concatenate([np.geomspace(1.0, top, _GRID), [min(float(ranks), top), top]]))


def pass_times(
    model: Model,
    system: System,
    layouts: Sequence[Layout],
    users: Sequence[float],
    workloads: Sequence[Workload],
    scheduler: Scheduler | None = None,
    *,
    precision: Precision | None = None,
    efficiency: Efficiency | None = None,
) -> tuple[PassTimes, ...]:
    """Passes of each worker at every batch up to its users.

    Parameters
    ----------
    layouts, users, workloads : sequences of one length
        Of each worker: layout with scalar degrees, requests in flight [1], lengths.
    scheduler : Scheduler, optional
        Tokens of a pass, and memory kept for a request.

    Raises
    ------
    RangeError, LayoutError

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> where = (
    ...     model("llama-3.1-8b"),
    ...     system("hgx-h100"),
    ...     [Layout(), Layout(tp=2)],
    ...     [16, 64],
    ...     [Workload(1000, 1000)] * 2,
    ... )
    >>> [bool((times.mixed > times.decode).all()) for times in pass_times(*where)]
    [True, True]
    """
    positive("users", users)
    plan = scheduler or Scheduler()
    chunk = plan.chunk
    place = check_layout(model, stacked(layouts))
    grids = [_grid(most, int(one.dp)) for most, one in zip(users, layouts, strict=True)]
    longest = max(grid.size for grid in grids)
    batch = np.array([np.concatenate([grid, np.full(longest - grid.size, grid[-1])]) for grid in grids])
    chunks = [max(w.miss / chunk, 1.0) for w in workloads]
    taken = [w.miss / n for w, n in zip(workloads, chunks, strict=True)]
    done = [w.cached + max(w.miss - new, 0.0) / 2.0 for w, new in zip(workloads, taken, strict=True)]
    context, draft = column([w.mean_context for w in workloads]), column([w.draft for w in workloads])
    new, before = column(taken), column(done)
    opts: dict[str, Any] = {"precision": precision, "efficiency": efficiency or efficiency_of(system)}
    kept = column([w.acceptance for w in workloads])
    step = decode_step(model, system, place, batch, context, draft=draft, acceptance=kept, **opts)
    mixed = mixed_step(model, system, place, batch, context, 1.0, new, before, draft=draft, **opts)
    alone = prefill_step(model, system, place, place.dp, new, before, **opts)
    rows = column([min(chunk, w.miss) for w in workloads])
    held = column([plan.held(w.isl, w.osl) for w in workloads])
    room = largest_batch(
        model, system, place, held, new_tokens=rows, precision=precision, whole_window=plan.whole_window
    )
    decode, carrying, names = (np.broadcast_to(v, batch.shape) for v in (step.seconds, mixed.seconds, step.binding))
    lone, space = (rows_of(v, len(grids)) for v in (alone.seconds, room))
    return tuple(
        PassTimes(
            grid,
            decode[i, : grid.size],
            carrying[i, : grid.size],
            lone[i],
            chunks[i],
            int(layouts[i].dp),
            max(space[i], 1.0),
            names[i, : grid.size],
        )
        for i, grid in enumerate(grids)
    )


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
