"""A trace: requests with times, lengths, sessions and the blocks of their prompts, as columns of one frozen value.

Blocks are kept as runs of consecutive ids, which is how long contexts grow: a coding session of a hundred
thousand tokens is two or three runs. :attr:`Trace.blocks` writes them out for those who want one id per block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.errors import InputError, RangeError
from headway.simulation.columns import NONE, Floats, Ints, Place, Runs, check_columns, request_place


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Requests in the order in which they arrived. Build it with :func:`make_trace`, which fills what is left out.

    Parameters
    ----------
    name : str
        What the trace is called.
    arrival_s : ndarray of float, shape (n,)
        Arrival, sorted; NaN for a request that `after` releases [s].
    input_tokens, output_tokens : ndarray of int, shape (n,)
        Prompt (1 or more) and answer (0 reads the prompt only) [token].
    session : ndarray of int, shape (n,)
        Conversation of the request; -1 for none.
    after : ndarray of int, shape (n,)
        Index of the earlier request whose end releases this one; -1 for none.
    think_s : ndarray of float, shape (n,)
        Time from that end to this arrival [s].
    priority : ndarray of int, shape (n,)
        0 is served first.
    block_tokens : int
        Tokens of one block of a prompt; 0 where prompts have no block ids [token].
    run_indptr : ndarray of int, shape (n + 1,)
        Request ``i`` has the runs ``run_indptr[i]`` to ``run_indptr[i + 1]``.
    run_start, run_count : ndarray of int, shape (k,)
        First id and number of ids of each run [1].
    source : str
        Where the requests came from.
    notes : tuple of str
        What was assumed, changed or left out.
    """

    name: str
    arrival_s: Floats
    input_tokens: Ints
    output_tokens: Ints
    session: Ints
    after: Ints
    think_s: Floats
    priority: Ints
    block_tokens: int
    run_indptr: Ints
    run_start: Ints
    run_count: Ints
    source: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse columns that are not a trace."""
        check_columns(
            self.name,
            self.arrival_s,
            (self.input_tokens, self.output_tokens),
            (self.session, self.after, self.priority),
            self.think_s,
            self.block_tokens,
            self.runs,
            request_place(self.name),
        )

    def __len__(self) -> int:
        """Number of requests."""
        return len(self.input_tokens)

    @property
    def runs(self) -> Runs:
        """``run_indptr, run_start, run_count``."""
        return self.run_indptr, self.run_start, self.run_count

    @property
    def closed_loop(self) -> bool:
        """Whether some request waits for the end of another."""
        return bool((self.after >= 0).any())

    @property
    def span_s(self) -> float:
        """Time from the first known arrival to the last [s]."""
        known = self.arrival_s[np.isfinite(self.arrival_s)]
        return float(known[-1] - known[0]) if len(known) else 0.0

    @property
    def block_counts(self) -> Ints:
        """Blocks of each prompt, shape (n,) [1]."""
        total = np.concatenate([[0], np.cumsum(self.run_count)])
        return np.asarray(np.diff(total[self.run_indptr]), dtype=np.int64)

    @property
    def block_indptr(self) -> Ints:
        """Request ``i`` has ``blocks[block_indptr[i] : block_indptr[i + 1]]``; shape (n + 1,)."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.block_counts)])

    @property
    def blocks(self) -> Ints:
        """Ids of every prompt's blocks from its start, written out at each call, shape (m,)."""
        ends = np.cumsum(self.run_count)
        total = int(ends[-1]) if len(ends) else 0
        offset = np.repeat(self.run_start - (ends - self.run_count), self.run_count)
        return np.asarray(offset + np.arange(total, dtype=np.int64), dtype=np.int64)


def runs_of(blocks: Ints, indptr: Ints) -> Runs:
    """Write ids as runs of consecutive ids that do not cross requests.

    Parameters
    ----------
    blocks, indptr : ndarray of int
        Ids of all requests, and where each request's ids begin.

    Returns
    -------
    tuple of ndarray
        ``run_indptr, run_start, run_count``.

    Examples
    --------
    >>> [r.tolist() for r in runs_of(np.array([0, 1, 2, 7, 0, 1]), np.array([0, 4, 6]))]
    [[0, 2, 3], [0, 7, 0], [3, 1, 2]]
    """
    begins = np.ones(len(blocks), dtype=bool)
    begins[1:] = np.diff(blocks) != 1
    begins[indptr[:-1][indptr[:-1] < len(blocks)]] = True
    first = np.flatnonzero(begins)
    count = np.diff(np.append(first, len(blocks)))
    run_indptr = np.searchsorted(first, indptr)
    return run_indptr.astype(np.int64), blocks[first].astype(np.int64), count.astype(np.int64)


def make_trace(
    name: str,
    arrival_s: ArrayLike,
    input_tokens: ArrayLike,
    output_tokens: ArrayLike,
    *,
    session: ArrayLike | None = None,
    after: ArrayLike | None = None,
    think_s: ArrayLike | None = None,
    priority: ArrayLike | None = None,
    block_tokens: int = 0,
    blocks: ArrayLike | None = None,
    block_indptr: ArrayLike | None = None,
    runs: Runs | None = None,
    source: str = "",
    notes: tuple[str, ...] = (),
    place: Place | None = None,
) -> Trace:
    """Build a trace from its columns; those left out mean none, and zero.

    Parameters
    ----------
    name : str
        What the trace is called.
    arrival_s, input_tokens, output_tokens, session, after, think_s, priority : array_like
        As in :class:`Trace`.
    block_tokens : int
        As in :class:`Trace` [token].
    blocks, block_indptr : array_like, optional
        One id per block, and where each request's ids begin.
    runs : tuple of ndarray, optional
        ``run_indptr, run_start, run_count`` instead of `blocks`.
    source, notes : str, tuple of str
        As in :class:`Trace`.
    place : callable, optional
        Says where request ``i`` was written, for errors.

    Raises
    ------
    InputError
        If a column is of another length or holds what a request cannot have; names the request.

    Examples
    --------
    >>> trace = make_trace(
    ...     "two",
    ...     [0.0, 0.5],
    ...     [100, 64],
    ...     [10, 20],
    ...     block_tokens=16,
    ...     blocks=[0, 1, 2, 3, 4, 5, 0, 1, 2, 9],
    ...     block_indptr=[0, 6, 10],
    ... )
    >>> len(trace), trace.block_counts.tolist(), trace.blocks[6:].tolist()
    (2, [6, 4], [0, 1, 2, 9])
    """
    tokens = _whole(f"{name}: input_tokens", input_tokens)
    n = len(tokens)
    given = {
        "output_tokens": _whole(f"{name}: output_tokens", output_tokens),
        "session": _filled(f"{name}: session", session, n, NONE),
        "after": _filled(f"{name}: after", after, n, NONE),
        "priority": _filled(f"{name}: priority", priority, n, 0),
    }
    if runs is None:
        ids = _whole(f"{name}: blocks", [] if blocks is None else blocks)
        starts = np.zeros(n + 1, np.int64) if block_indptr is None else _whole(f"{name}: block_indptr", block_indptr)
        if len(starts) != n + 1 or starts[0] != 0 or starts[-1] != len(ids) or (np.diff(starts) < 0).any():
            raise InputError(f"{name}: block_indptr", f"{len(starts)} entries", f"{n + 1} rising from 0 to {len(ids)}")
        runs = runs_of(ids, starts)
    think = np.zeros(n) if think_s is None else np.asarray(think_s, dtype=np.float64)
    arrival = np.asarray(arrival_s, dtype=np.float64)
    if place is not None:
        links = (given["session"], given["after"], given["priority"])
        check_columns(name, arrival, (tokens, given["output_tokens"]), links, think, block_tokens, runs, place)
    return Trace(
        name,
        arrival,
        tokens,
        given["output_tokens"],
        given["session"],
        given["after"],
        think,
        given["priority"],
        int(block_tokens),
        *runs,
        source,
        tuple(notes),
    )


def _whole(field: str, values: ArrayLike) -> Ints:
    array = np.asarray(values)
    if array.dtype.kind == "f":
        bad = ~(np.abs(array) < 2.0**62) | (array != np.floor(array))
        if bad.any():
            raise RangeError(field, float(array[bad][0]), "whole numbers")
    elif array.dtype.kind not in "iu" and array.size:
        raise RangeError(field, array.dtype.name, "whole numbers")
    return np.ascontiguousarray(array, dtype=np.int64)


def _filled(field: str, values: ArrayLike | None, n: int, default: int) -> Ints:
    return np.full(n, default, dtype=np.int64) if values is None else _whole(field, values)
