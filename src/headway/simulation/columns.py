"""What the columns of a trace must hold: one check for every reader and generator, which says where the flaw is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from headway.facts.errors import InputError, RangeError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Runs: TypeAlias = tuple[Ints, Ints, Ints]
Place: TypeAlias = Callable[[int], str]

NONE = -1
LONGEST = 100_000_000
"""Most tokens of one prompt or answer: far above any model, far below a slip of units."""
LATEST_S = 1e11
"""Latest time: three thousand years of seconds, so that milliseconds since 1970 are refused and seconds are not."""


def request_place(name: str) -> Place:
    """Say where a request is when there is no file: its number, from zero.

    >>> request_place("mine")(3)
    'mine, request 3'
    """
    return lambda i: f"{name}, request {i}"


def file_place(path: str, lines: Ints) -> Place:
    """Say where a request was written: file and line.

    >>> file_place("log.csv", np.array([2, 3, 5]))(2)
    'log.csv:5'
    """
    return lambda i: f"{path}:{lines[i]}"


def check_columns(
    name: str,
    arrival_s: Floats,
    lengths: tuple[Ints, Ints],
    links: tuple[Ints, Ints, Ints],
    think_s: Floats,
    block_tokens: int,
    runs: Runs,
    place: Place,
) -> None:
    """Refuse columns that are not a trace.

    Parameters
    ----------
    name : str
        Of the trace.
    arrival_s, think_s : ndarray of float
        Arrival and think time [s].
    lengths : tuple of ndarray
        Input and output [token].
    links : tuple of ndarray
        Session, releaser and priority.
    block_tokens : int
        Tokens of a block, 0 for none [token].
    runs : tuple of ndarray
        ``run_indptr, run_start, run_count``.
    place : callable
        Says where request ``i`` was written.

    Raises
    ------
    InputError
        Names the place of the first flaw, the column, the value and what is accepted.

    Examples
    --------
    >>> one, none = np.array([5, 5]), np.array([-1, -1])
    >>> flat = np.zeros(3, int), np.zeros(0, int), np.zeros(0, int)
    >>> check_columns(  # doctest: +ELLIPSIS
    ...     "t", np.array([1.0, 0.5]), (one, one), (none, none, none + 1), np.zeros(2), 0, flat, request_place("t")
    ... )
    Traceback (most recent call last):
    headway.facts.errors.RangeError: t, request 1: arrival_s: 0.5 is not accepted: expected ...
    """
    inputs, outputs = lengths
    session, after, priority = links
    n = len(inputs)
    _same_lengths(name, n, arrival_s, outputs, session, after, think_s, priority)
    if n == 0:
        raise InputError(name, "no requests", "at least one request")
    _refuse(place, "input_tokens", inputs, (inputs < 1) | (inputs > LONGEST), f"from 1 to {LONGEST:,} tokens")
    _refuse(place, "output_tokens", outputs, (outputs < 0) | (outputs > LONGEST), f"from 0 to {LONGEST:,} tokens")
    _refuse(place, "session", session, session < NONE, "a whole number from 0, or -1 for none")
    _refuse(place, "priority", priority, priority < 0, "a whole number from 0")
    _check_times(place, arrival_s, after, think_s)
    _check_runs(name, place, inputs, block_tokens, runs)


def _same_lengths(name: str, n: int, *columns: NDArray[np.generic]) -> None:
    for label, column in zip(
        ("arrival_s", "output_tokens", "session", "after", "think_s", "priority"), columns, strict=True
    ):
        if column.shape != (n,):
            raise InputError(f"{name}: {label}", f"{column.size} values", f"{n}, one for each input_tokens")


def _refuse(place: Place, label: str, column: NDArray[np.generic], bad: Bools, expected: str) -> None:
    if bad.any():
        i = int(np.argmax(bad))
        value = column[i].item()
        raise RangeError(f"{place(i)}: {label}", float(f"{value:.9g}") if isinstance(value, float) else value, expected)


def _check_times(place: Place, arrival_s: Floats, after: Ints, think_s: Floats) -> None:
    n = len(arrival_s)
    late = after >= np.arange(n)
    _refuse(place, "after", after, (after < NONE) | late, "the index of an earlier request, or -1")
    free = after < 0
    out = ~((arrival_s >= -LATEST_S) & (arrival_s <= LATEST_S))
    _refuse(place, "arrival_s", arrival_s, free & out, "a finite time in seconds")
    _refuse(place, "arrival_s", arrival_s, ~free & np.isfinite(arrival_s), "nan for a request released by another")
    _refuse(place, "think_s", think_s, ~((think_s >= 0) & (think_s <= LATEST_S)), "a finite time of at least 0 s")
    index = np.flatnonzero(free)
    back = np.diff(arrival_s[index]) < 0
    if back.any():
        at = int(np.argmax(back))
        before, value = float(arrival_s[index[at]]), float(arrival_s[index[at + 1]])
        raise RangeError(
            f"{place(int(index[at + 1]))}: arrival_s",
            float(f"{value:.9g}"),
            f"a time not before {before:.9g}, the arrival before it",
        )


def _check_runs(name: str, place: Place, inputs: Ints, block_tokens: int, runs: Runs) -> None:
    indptr, start, count = runs
    n = len(inputs)
    if block_tokens < 0:
        raise RangeError(f"{name}: block_tokens", block_tokens, "0 for none, or the tokens of a block")
    if len(indptr) != n + 1 or indptr[0] != 0 or indptr[-1] != len(start) or (np.diff(indptr) < 0).any():
        raise InputError(f"{name}: run_indptr", f"{len(indptr)} entries", f"{n + 1} rising from 0 to {len(start)}")
    if len(count) != len(start):
        raise InputError(f"{name}: run_count", f"{len(count)} entries", f"{len(start)}, one for each run_start")
    if not len(start):
        return
    if block_tokens == 0:
        raise InputError(f"{name}: block_tokens", 0, "the tokens of a block, because the prompts have block ids")
    owner = np.repeat(np.arange(n), np.diff(indptr))
    for label, column, low in (("block id", start, 0), ("run of block ids", count, 1)):
        bad = (column < low) | (column > 2**62)
        if bad.any():
            at = int(np.argmax(bad))
            raise RangeError(f"{place(int(owner[at]))}: {label}", int(column[at]), f"a whole number from {low}")
    counts = np.bincount(owner, weights=count, minlength=n).astype(np.int64)
    most = -(-inputs // block_tokens)
    bad = counts > most
    if bad.any():
        i = int(np.argmax(bad))
        raise InputError(
            f"{place(i)}: blocks",
            f"{counts[i]} ids",
            f"at most {most[i]}: {inputs[i]} tokens in blocks of {block_tokens}",
        )
