"""Change a trace as a whole: slice it, scale its rate and lengths, merge several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.check import positive, single
from headway.facts.errors import InputError
from headway.simulation.columns import NONE, Floats, Ints, Runs
from headway.simulation.trace import Trace, make_trace


def order_key(arrival_s: Floats, after: Ints) -> Floats:
    """Time by which requests are put in order: the arrival, and for a released request that of its chain [s].

    >>> order_key(np.array([1.0, np.nan, 2.0, np.nan]), np.array([-1, 0, -1, 1])).tolist()
    [1.0, 1.0, 2.0, 1.0]
    """
    key = arrival_s.copy()
    for i in np.flatnonzero(after >= 0):
        key[i] = key[after[i]]
    return key


def _pick_runs(runs: Runs, indices: Ints) -> Runs:
    indptr, start, count = runs
    counts = np.diff(indptr)[indices]
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    at = np.repeat(indptr[indices] - (ends - counts), counts) + np.arange(total)
    return np.concatenate([np.zeros(1, np.int64), ends]), start[at], count[at]


def _rebuild(trace: Trace, order: Ints, arrival_s: Floats, after: Ints, think_s: Floats) -> Trace:
    """The requests `order`, with these times and links (indexed as in `trace`)."""
    moved = np.full(len(trace) + 1, NONE, dtype=np.int64)
    moved[order] = np.arange(len(order))
    return make_trace(
        trace.name,
        arrival_s[order],
        trace.input_tokens[order],
        trace.output_tokens[order],
        session=trace.session[order],
        after=np.where(after[order] >= 0, moved[after[order]], NONE),
        think_s=think_s[order],
        priority=trace.priority[order],
        block_tokens=trace.block_tokens,
        runs=_pick_runs(trace.runs, order),
        source=trace.source,
        notes=trace.notes,
    )


def select(trace: Trace, keep: ArrayLike | slice) -> Trace:
    """Keep some requests, by a mask, a slice or indices; the first known arrival becomes time zero.

    A request whose releaser is left out begins its chain: it arrives `think_s` after the start.

    Parameters
    ----------
    trace : Trace
        What to keep from.
    keep : slice or array_like
        Which requests.

    Returns
    -------
    Trace
        With as many requests as were kept.

    Raises
    ------
    InputError
        If nothing is kept.

    Examples
    --------
    >>> select(make_trace("t", [0, 1, 2], [5, 6, 7], [1, 1, 1]), slice(1, 3)).arrival_s.tolist()
    [0.0, 1.0]
    """
    indices = np.arange(len(trace))[keep if isinstance(keep, slice) else np.asarray(keep)]
    kept = np.zeros(len(trace) + 1, dtype=bool)
    kept[indices] = True
    arrival, after, think = trace.arrival_s.copy(), trace.after.copy(), trace.think_s.copy()
    known = arrival[kept[:-1] & (after < 0)]
    arrival -= known[0] if len(known) else 0.0
    orphan = kept[:-1] & (after >= 0) & ~kept[after]
    arrival[orphan], after[orphan] = think[orphan], NONE
    think[orphan] = 0.0
    rising = np.flatnonzero(kept[:-1])
    order = rising[np.argsort(order_key(arrival, after)[rising], kind="stable")]
    return _rebuild(trace, order, arrival, after, think)


def between(trace: Trace, start_s: float, end_s: float) -> Trace:
    """Keep the requests that arrive from `start_s` to before `end_s`, counted from the first arrival.

    A request released by another is kept with its chain.

    Parameters
    ----------
    trace : Trace
        What to keep from.
    start_s, end_s : float
        Window [s].

    Returns
    -------
    Trace
        Of the window.

    Examples
    --------
    >>> len(between(make_trace("t", [5, 6, 7], [5, 6, 7], [1, 1, 1]), 1.0, 2.5))
    2
    """
    key = order_key(trace.arrival_s, trace.after)
    since = key - key[0]
    return select(trace, (since >= single("start_s", start_s)) & (since < single("end_s", end_s)))


def scale(trace: Trace, *, rate: float = 1.0, lengths: float = 1.0, output_lengths: float | None = None) -> Trace:
    """Make the same traffic denser or longer.

    Arrivals and think times are divided by `rate`; lengths are multiplied and rounded, an input keeping at least
    one token and an answer at least one where it had one. A prompt with blocks keeps its first ones; a longer prompt
    gains tokens without ids, which no cache holds.

    Parameters
    ----------
    trace : Trace
        What to change.
    rate : float
        Times as many requests per second [1].
    lengths, output_lengths : float
        Times as many input tokens, and output tokens (the same where None) [1].

    Returns
    -------
    Trace
        With a note of the change.

    Examples
    --------
    >>> twice = scale(make_trace("t", [0, 1], [100, 50], [10, 0]), rate=2, lengths=0.5)
    >>> twice.arrival_s.tolist(), twice.input_tokens.tolist(), twice.output_tokens.tolist()
    ([0.0, 0.5], [50, 25], [5, 0])
    """
    faster, longer = positive("rate", single("rate", rate)), positive("lengths", single("lengths", lengths))
    answer = longer if output_lengths is None else positive("output_lengths", single("output_lengths", output_lengths))
    inputs = np.maximum(np.rint(trace.input_tokens * longer), 1)
    outputs = np.maximum(np.rint(trace.output_tokens * answer), np.minimum(trace.output_tokens, 1))
    changes = (("rate", faster), ("input length", longer), ("output length", answer))
    notes = tuple(f"{what} x {by:g}" for what, by in changes if by != 1)
    return make_trace(
        trace.name,
        trace.arrival_s / faster,
        inputs,
        outputs,
        session=trace.session,
        after=trace.after,
        think_s=trace.think_s / faster,
        priority=trace.priority,
        block_tokens=trace.block_tokens,
        runs=_trim(trace, inputs) if trace.block_tokens else trace.runs,
        source=trace.source,
        notes=trace.notes + notes,
    )


def _trim(trace: Trace, inputs: Floats) -> Runs:
    most = -(-inputs.astype(np.int64) // trace.block_tokens)
    owner = np.repeat(np.arange(len(trace)), np.diff(trace.run_indptr))
    before = np.cumsum(trace.run_count) - trace.run_count
    inside = before - trace.block_indptr[owner]
    count = np.clip(most[owner] - inside, 0, trace.run_count)
    kept = count > 0
    counts = np.bincount(owner[kept], minlength=len(trace))
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]), trace.run_start[kept], count[kept]


def merge(traces: Sequence[Trace], name: str = "merged", *, shared_blocks: bool = False) -> Trace:
    """Let several traces arrive at one server, each from time zero.

    Sessions are kept apart, and blocks too unless `shared_blocks` says that equal ids are equal prefixes.

    Parameters
    ----------
    traces : sequence of Trace
        At least one; those with blocks must have blocks of one size.
    name : str
        Of the result.
    shared_blocks : bool
        Whether ids mean the same in every trace.

    Returns
    -------
    Trace
        All requests in order of arrival.

    Raises
    ------
    InputError
        If there is no trace, or the sizes of blocks differ.

    Examples
    --------
    >>> a, b = make_trace("a", [0, 2], [5, 5], [1, 1]), make_trace("b", [7, 8], [9, 9], [1, 1])
    >>> merge([a, b]).input_tokens.tolist()
    [5, 9, 9, 5]
    """
    sizes = {trace.block_tokens for trace in traces if len(trace.run_start)}
    if not traces or len(sizes) > 1:
        raise InputError(
            "traces", f"{len(traces)} with blocks of {sorted(sizes)} tokens", "traces with one size of block"
        )
    key, arrival, after, session, start, indptr = [], [], [], [], [], [np.zeros(1, np.int64)]
    requests = sessions = runs = ids = 0
    for trace in traces:
        own = order_key(trace.arrival_s, trace.after)
        key.append(own - own[0])
        arrival.append(trace.arrival_s - own[0])
        after.append(np.where(trace.after >= 0, trace.after + requests, NONE))
        session.append(np.where(trace.session >= 0, trace.session + sessions, NONE))
        start.append(trace.run_start + ids)
        indptr.append(trace.run_indptr[1:] + runs)
        requests, runs = requests + len(trace), runs + len(trace.run_start)
        sessions += int(trace.session.max()) + 1
        if not shared_blocks and len(trace.run_start):
            ids += int((trace.run_start + trace.run_count).max())
    whole_indptr = np.concatenate(indptr)
    order = np.argsort(np.concatenate(key), kind="stable")
    place = np.empty(requests, dtype=np.int64)
    place[order] = np.arange(requests)
    released = np.concatenate(after)[order]
    return make_trace(
        name,
        np.concatenate(arrival)[order],
        np.concatenate([t.input_tokens for t in traces])[order],
        np.concatenate([t.output_tokens for t in traces])[order],
        session=np.concatenate(session)[order],
        after=np.where(released >= 0, place[released], NONE),
        think_s=np.concatenate([t.think_s for t in traces])[order],
        priority=np.concatenate([t.priority for t in traces])[order],
        block_tokens=max(sizes, default=0),
        runs=_pick_runs((whole_indptr, np.concatenate(start), np.concatenate([t.run_count for t in traces])), order),
        source="; ".join(dict.fromkeys(t.source for t in traces if t.source)),
        notes=tuple(dict.fromkeys(note for t in traces for note in t.notes)),
    )
