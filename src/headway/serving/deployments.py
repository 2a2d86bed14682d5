"""Evaluate many deployments at once: prefill and decode on the same chips, or on separate ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.facts.efficiency import Efficiency
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.precision import Precision
from headway.physics.attention import kv_bytes
from headway.physics.layout import Layout
from headway.physics.memory import largest_batch, memory_use
from headway.physics.step import decode_step, mixed_step, prefill_step
from headway.serving.candidates import layouts
from headway.serving.pareto import front_2d
from headway.serving.workload import Workload

Array = NDArray[np.float64]

CHUNKS = (512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0)
_PROMPTS_PER_RANK = (1.0, 2.0, 4.0, 8.0)
_BATCH_POINTS = 40
_MOST_WORKERS = 12
# Decoders beside one to twelve prefill workers, in the deployments that a small load is sized with.
_MOST_DECODERS = 32
_LONGEST_PASS = 16384.0
# Decoders that are matched with prefill workers at once: enough to be quick, few enough to stay in the cache.
_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Serving:
    """What is being deployed.

    Parameters
    ----------
    model, system, workload
    precision : Precision
    efficiency : Efficiency
    chips : int
        Chips that may be used [1].
    """

    model: Model
    system: System
    workload: Workload
    precision: Precision
    efficiency: Efficiency
    chips: int


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Deployments as flat arrays of one length.

    Parameters
    ----------
    layout, prefill_layout : Layout
        Of decode, and of prefill (the same where colocated); fields are arrays.
    batch, chunk : array
        Sequences per pass; prefill tokens per pass and rank (colocated) or prompts per pass (separate).
    decoders, prefillers : array
        Workers of each kind [1]; colocated deployments have no prefillers.
    ttft, tpot, slowest : array
        Mean time to first token, mean time per output token, longest gap between tokens [s].
    requests_per_second : array
        Of all workers together [1/s].
    chips : array
        Chips used [1].
    prefill_share, cached_share : array
        Share of chip-time spent on prefilling misses, and on attending to cached prefixes [1].
    separate : bool
        Whether prefill and decode have chips of their own.
    """

    layout: Layout
    prefill_layout: Layout
    batch: Array
    chunk: Array
    decoders: Array
    prefillers: Array
    ttft: Array
    tpot: Array
    slowest: Array
    requests_per_second: Array
    chips: Array
    prefill_share: Array
    cached_share: Array
    separate: bool

    @property
    def count(self) -> int:
        """Deployments evaluated [1]."""
        return int(self.batch.size)


def _each(layout: Layout, change: Callable[[Any], Any]) -> Layout:
    """A layout with every field changed the same way."""
    return Layout(*(change(getattr(layout, entry.name)) for entry in fields(Layout)))


def _flat(shape: tuple[int, ...], layout: Layout) -> Layout:
    return _each(layout, lambda degree: np.broadcast_to(degree, shape).ravel())


def _column(layout: Layout, axes: int) -> Layout:
    return _each(layout, lambda degree: np.reshape(degree, (-1,) + (1,) * axes))


def _select(layout: Layout, index: Any) -> Layout:
    return _each(layout, lambda degree: np.asarray(degree)[index])


def _batches(s: Serving, every: Layout, context: float, rows: float) -> tuple[Layout, Array]:
    """Layouts with room for a sequence, and for each a grid of batches up to what fits, shape (n, points)."""
    most = np.asarray(
        largest_batch(s.model, s.system, every, context, new_tokens=rows, precision=s.precision), dtype=float
    )
    room = most >= 1
    kept, most = _select(every, room), most[room]
    grid = np.exp(np.linspace(0.0, 1.0, _BATCH_POINTS)[None, :] * np.log(most)[:, None])
    dp = np.asarray(kept.dp, dtype=float)[:, None]
    # A batch that is no multiple of the data ranks leaves seats empty on some of them.
    seats = np.where(grid >= dp, np.floor(grid / dp + 1e-9) * dp, np.floor(grid + 1e-9))
    return kept, seats


def colocated(s: Serving) -> Evaluated:
    """Prefill and decode on the same chips, prompts cut into chunks that ride along with decode passes.

    In steady state a pass finishes ``B a / OSL`` requests, so as many prompts must be prefilled per pass; a
    share ``phi`` of passes carries a chunk. ``TPOT = ((1 - phi) t_decode + phi t_mixed) / a``; a prompt waits
    for the chunks before it as in a queue with constant service (Pollaczek-Khinchine), then for its own.

    >>> from headway.facts.efficiency import efficiency_of
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> llama, box = model("llama-3.1-8b"), system("hgx-h200")
    >>> s = Serving(llama, box, Workload(1000, 200), llama.precision, efficiency_of(box), 8)
    >>> found = colocated(s)
    >>> found.count == found.tpot.size, bool((found.chips <= 8).all())
    (True, True)
    """
    w = s.workload
    every = layouts(s.model, s.system, s.chips)
    kept, batch2 = _batches(s, every, w.mean_context, CHUNKS[-1])
    layout, batch = _column(kept, 2), batch2[:, :, None]
    chunk = np.asarray(CHUNKS)[None, None, :]
    opts: dict[str, Any] = {"precision": s.precision, "efficiency": s.efficiency}
    decode = decode_step(
        s.model, s.system, layout, batch, w.mean_context, draft=w.draft, acceptance=w.acceptance, **opts
    ).seconds
    finished = batch / layout.dp * w.acceptance / w.osl
    demand = finished * w.miss
    carried = np.minimum(chunk, np.maximum(w.miss, demand))
    share = demand / carried
    prompts = np.maximum(carried / w.miss, 1.0)
    new = carried / prompts
    before = np.maximum(w.miss - new, 0.0) / 2.0
    mixed = _mixed(s, layout, batch, prompts, new, w.cached + before, opts)
    no_prefix = _mixed(s, layout, batch, prompts, new, before, opts) if w.cached else mixed
    average = (1.0 - share) * decode + share * mixed
    with np.errstate(divide="ignore", invalid="ignore"):
        queue = np.where(share < 1.0, share / (2.0 * (1.0 - share)), np.inf)
    ttft = (1.0 + queue) * np.maximum(w.miss / carried, 1.0) * mixed + 0.5 * average
    shape = np.broadcast_shapes(np.shape(mixed), np.shape(share))
    flat = _flat(shape, layout)

    def spread(value: Any) -> Array:
        return np.broadcast_to(value, shape).ravel()

    good = spread(share) < 1.0
    copies = np.floor(s.chips / np.asarray(flat.chips))[good]
    rate = spread(batch * layout.pp * w.acceptance / (average * w.osl))[good]
    return Evaluated(
        layout=_select(flat, good),
        prefill_layout=_select(flat, good),
        batch=spread(batch)[good],
        chunk=spread(carried)[good],
        decoders=copies,
        prefillers=np.zeros_like(copies),
        ttft=spread(ttft)[good],
        tpot=spread(average / w.acceptance)[good],
        slowest=spread(np.where(share > 0, mixed, decode))[good],
        requests_per_second=rate * copies,
        chips=np.asarray(flat.chips)[good] * copies,
        prefill_share=spread(share * np.maximum(no_prefix - decode, 0.0) / average)[good],
        cached_share=spread(share * np.maximum(mixed - no_prefix, 0.0) / average)[good],
        separate=False,
    )


def _mixed(s: Serving, layout: Layout, batch: Any, prompts: Any, new: Any, cached: Any, opts: dict[str, Any]) -> Any:
    return mixed_step(
        s.model, s.system, layout, batch, s.workload.mean_context, prompts, new, cached, draft=s.workload.draft, **opts
    ).seconds


@dataclass(frozen=True, slots=True)
class _Prefill:
    """Prefill workers as flat arrays, by rising size and, within a size, rising TTFT and rate."""

    layout: Layout
    prompts: Array
    ttft: Array
    rate: Array
    chips: Array
    cached_part: Array


def _prefill_workers(s: Serving) -> _Prefill:
    """Prefill workers that fit and that no other of their size beats in both rate and time to first token."""
    w = s.workload
    every = layouts(s.model, s.system, s.chips, pipeline=False)
    ranks = np.asarray(every.dp, dtype=float)[:, None]
    prompts = np.concatenate([np.ones_like(ranks), ranks * np.asarray(_PROMPTS_PER_RANK)], axis=1)
    layout = _column(every, 1)
    rows = np.minimum(w.miss * np.maximum(prompts / ranks, 1.0), _LONGEST_PASS)
    use = memory_use(s.model, s.system, layout, prompts, w.isl, new_tokens=rows, precision=s.precision)
    opts: dict[str, Any] = {"precision": s.precision, "efficiency": s.efficiency}
    seconds = np.asarray(prefill_step(s.model, s.system, layout, prompts, w.miss, w.cached, **opts).seconds)
    bare = seconds
    if w.cached:
        bare = np.asarray(prefill_step(s.model, s.system, layout, prompts, w.miss, 0, **opts).seconds)
    load = w.prefill_load
    # Batches form before they leave; then they wait for those ahead (constant service, Pollaczek-Khinchine).
    forming = (prompts - 1.0) / (2.0 * prompts) * seconds / load
    sent = kv_bytes(s.model, w.isl, s.precision.kv) / np.multiply(layout.tp, layout.cp)
    ttft = seconds * (1.0 + load / (2.0 * (1.0 - load))) + forming + sent / _wire(s)
    rate = load * prompts / seconds
    shape = np.shape(seconds)
    flat = _flat(shape, layout)

    def take(value: Any, index: Any) -> Array:
        return np.asarray(np.broadcast_to(np.asarray(value, dtype=float), shape).ravel()[index])

    fits = np.flatnonzero(np.broadcast_to(use.fits, shape))
    size, quick, good = (take(v, fits) for v in (layout.chips, ttft, rate))
    fronts = [np.flatnonzero(size == n) for n in np.unique(size)]
    pick = np.concatenate([fits[:0], *(fits[g[front_2d(good[g], quick[g])[::-1]]] for g in fronts)])
    return _Prefill(
        _select(flat, pick),
        take(prompts, pick),
        take(ttft, pick),
        take(rate, pick),
        take(layout.chips, pick),
        take((seconds - bare) / seconds, pick),
    )


def _wire(s: Serving) -> float:
    """Rate at which one chip sends the cache of a prompt to the decoders [B/s]."""
    if s.chips > s.system.domain_size and s.system.network_bandwidth:
        return s.system.network_bandwidth * s.efficiency.network
    return s.system.link_bandwidth * s.efficiency.link


def _within(workers: _Prefill, slack: Array) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """For each slack and size the best prefill worker, and whether its time to first token is within the slack."""
    starts = np.flatnonzero(np.diff(workers.chips, prepend=0.0))
    ends = np.append(starts[1:], workers.chips.size)
    last = [a + np.searchsorted(workers.ttft[a:b], slack, side="right") - 1 for a, b in zip(starts, ends, strict=True)]
    best = np.maximum(np.stack(last, axis=1), starts)
    return best, workers.ttft[best] <= slack[:, None]


def _matched(workers: _Prefill, chips: int, size: Array, rate: Array, slack: Array) -> tuple[Any, Array, Array]:
    """For each decoder the prefill worker, their number and that of the decoders, with most rate per chip.

    Where no worker is quick enough for the slack the quickest stands in, so that the nearest miss is known; where
    there is no room for both kinds there are no decoders.
    """
    best, quick = _within(workers, slack)
    x = np.arange(1, _MOST_WORKERS + 1, dtype=float)
    p_size, p_rate = x * workers.chips[best][:, :, None], x * workers.rate[best][:, :, None]
    d_size, d_rate = size[:, None, None], rate[:, None, None]
    # No more decoders than the prefillers can feed; the last one, partly idle, only where it pays for itself.
    fed = p_rate / d_rate
    few, many = np.floor(fed), np.ceil(fed)
    pays = fed * (p_size + few * d_size) >= few * (p_size + many * d_size)
    y = np.minimum(np.floor((chips - p_size) / d_size), np.where(pays, many, few))
    score = np.minimum(p_rate, y * d_rate) / (p_size + np.maximum(y, 0.0) * d_size)
    score = np.where(y >= 1, np.where(quick[:, :, None], score, -workers.ttft[best][:, :, None]), -np.inf)
    pick = np.argmax(score.reshape(len(size), -1), axis=1)
    group, i = np.unravel_index(pick, score.shape[1:])
    row = np.arange(len(size))
    x, y = x[i], np.maximum(y[row, group, i], 0.0)
    return _quickest(workers, best[row, group], np.where(y > 0, y * rate / x, np.inf)), x, y


def _quickest(workers: _Prefill, best: NDArray[np.intp], needed: Array) -> NDArray[np.intp]:
    """For each prefill worker the quickest of its size that still has the rate needed of one; else itself."""
    found = best.copy()
    for n in np.unique(workers.chips):
        a, b = np.searchsorted(workers.chips, (n, n + 0.5))
        rows = (best >= a) & (best < b)
        found[rows] = np.minimum(best[rows], a + np.searchsorted(workers.rate[a:b], needed[rows]))
    return found


def _small(workers: _Prefill, chips: int, size: Array, rate: Array, slack: Array) -> tuple[Any, Any, Array, Array]:
    """For each number of chips the pair of pools that serves most: decoder, prefill worker, how many of each.

    :func:`_matched` keeps for each decoder the pools of most rate per chip, which are mostly large; a small load
    needs the small ones.
    """
    fronts = [np.flatnonzero(size == n) for n in np.unique(size)]
    rows = np.concatenate([g[front_2d(rate[g], -slack[g])] for g in fronts])
    best, quick = _within(workers, slack[rows])
    x = np.arange(1, _MOST_WORKERS + 1, dtype=float)[:, None]
    y = np.arange(1, _MOST_DECODERS + 1, dtype=float)
    used = x * workers.chips[best][:, :, None, None] + y * size[rows][:, None, None, None]
    served = np.minimum(x * workers.rate[best][:, :, None, None], y * rate[rows][:, None, None, None])
    good = np.flatnonzero(quick[:, :, None, None] & (used <= chips))
    order = good[np.lexsort((-served.ravel()[good], used.ravel()[good]))]
    _, first = np.unique(used.ravel()[order], return_index=True)
    row, group, i, k = np.unravel_index(order[first], used.shape)
    decoder, one, many = rows[row], x[i, 0], y[k]
    return decoder, _quickest(workers, best[row, group], many * rate[decoder] / one), one, many


def separated(s: Serving) -> Evaluated | None:
    """Prefill and decode on separate chips, whole workers of each, ratio matched to the load; None where none fits.

    ``x`` prefill workers and ``y`` decode workers serve ``min(x R_p, y R_d)`` requests per second. Each decoder
    takes the prefill workers of most rate per chip among those that leave it within the limit of TTFT, and of
    those that keep up the quickest. Without a network the pools share one domain.

    >>> from headway.facts.efficiency import efficiency_of
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> llama, box = model("llama-3.1-8b"), system("hgx-h200")
    >>> s = Serving(llama, box, Workload(1000, 200), llama.precision, efficiency_of(box), 8)
    >>> found = separated(s)
    >>> found.count == found.tpot.size, bool((found.chips <= 8).all())
    (True, True)
    """
    w = s.workload
    if not s.system.network_bandwidth:
        s = replace(s, chips=min(s.chips, s.system.domain_size))
    workers = _prefill_workers(s)
    every = layouts(s.model, s.system, s.chips)
    kept, batch2 = _batches(s, every, w.mean_context, 1.0)
    if not workers.prompts.size or not batch2.size:
        return None
    layout, shape = _column(kept, 1), np.shape(batch2)
    opts: dict[str, Any] = {"precision": s.precision, "efficiency": s.efficiency}
    step = decode_step(
        s.model, s.system, layout, batch2, w.mean_context, draft=w.draft, acceptance=w.acceptance, **opts
    )
    flat, seconds = _flat(shape, layout), np.broadcast_to(step.seconds, shape).ravel()
    size = np.asarray(flat.chips, dtype=float)
    rate = np.broadcast_to(np.asarray(step.tokens_per_second) / w.osl, shape).ravel()
    blocks = [slice(k, k + _BLOCK) for k in range(0, batch2.size, _BLOCK)]
    found = [_matched(workers, s.chips, size[k], rate[k], w.ttft - seconds[k]) for k in blocks]
    j, x, y = (np.concatenate(part) for part in zip(*found, strict=True))
    rows = np.flatnonzero(y)
    if not rows.size:
        return None
    swift = np.flatnonzero(seconds <= w.tpot * w.acceptance)
    if swift.size:
        more, *pools = _small(workers, s.chips, size[swift], rate[swift], w.ttft - seconds[swift])
        rows = np.concatenate([rows, j.size + np.arange(more.size)])
        i = np.concatenate([np.arange(j.size), swift[more]])[rows]
        j, x, y = (np.concatenate(part)[rows] for part in zip((j, x, y), pools, strict=True))
    else:
        i, j, x, y = rows, j[rows], x[rows], y[rows]
    seconds, rate, size = (v[i] for v in (seconds, rate, size))
    chips = x * workers.chips[j] + y * size
    on_prefill = x * workers.chips[j] / chips
    return Evaluated(
        layout=_select(flat, i),
        prefill_layout=_select(workers.layout, j),
        batch=batch2.ravel()[i],
        chunk=workers.prompts[j],
        decoders=y,
        prefillers=x,
        ttft=workers.ttft[j] + seconds,
        tpot=seconds / w.acceptance,
        slowest=seconds,
        requests_per_second=np.minimum(x * workers.rate[j], y * rate),
        chips=chips,
        prefill_share=on_prefill * (1.0 - workers.cached_part[j]),
        cached_share=on_prefill * workers.cached_part[j],
        separate=True,
    )
