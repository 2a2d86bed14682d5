"""Coding sessions: one line a request, times on the session's clock, block ids of the session's own.

Replayed as recorded, a session begins at a time that the reader draws. Replayed as a closed loop, the next turn
leaves when the last answer has been read: after the end of the request it waited for, and the recorded think time.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from headway.facts.errors import InputError
from headway.simulation.columns import LATEST_S, NONE, Floats, Ints, file_place
from headway.simulation.files import Rows, lists_of, numbers_of, wholes_of
from headway.simulation.trace import Trace, make_trace

BLOCK_TOKENS = 64
SESSION_GAP_S = 60.0
"""Mean time between the starts of two sessions, where the file has no calendar [s]."""


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    lines: list[int]
    session: Ints
    start_s: Floats
    end_s: Floats
    think_s: Floats
    inputs: Ints
    outputs: Ints
    agent: list[str]
    run_indptr: Ints
    run_start: Ints
    run_count: Ints


def agentic_trace(
    path: str,
    rows: Rows,
    name: str,
    *,
    closed: bool = False,
    session_gap_s: float = SESSION_GAP_S,
    seed: int = 0,
) -> Trace:
    """Read coding sessions.

    Parameters
    ----------
    path : str
        For errors.
    rows : list of (int, dict)
        Lines and objects, grouped by session, in time order within each.
    name : str
        Of the trace.
    closed : bool
        Whether a turn waits for the end of the one before it, instead of coming at its recorded time.
    session_gap_s : float
        Mean time between starts of sessions, a Poisson process [s].
    seed : int
        Of that process.

    Returns
    -------
    Trace
        With blocks of 64 tokens, the ids of different sessions kept apart.

    Raises
    ------
    InputError
        If a line is damaged, out of order, or has not the blocks that its tokens make.

    Examples
    --------
    >>> rows = [
    ...     (1, {"c": 7, "t": 0, "in": 130, "out": 5, "h": [0, 2], "api_time": 2.0}),
    ...     (2, {"c": 7, "t": 9, "in": 200, "out": 6, "h": [0, 3], "think_time": 7.0}),
    ... ]
    >>> trace = agentic_trace("a.jsonl", rows, "a", closed=True)
    >>> trace.after.tolist(), trace.think_s.tolist(), trace.block_counts.tolist()
    ([-1, 0], [0.0, 7.0], [2, 3])
    """
    found = _parse(path, rows)
    session = found.session
    count = int(session[-1]) + 1
    begins = np.cumsum(np.random.default_rng(seed).exponential(session_gap_s, count))
    begins -= begins[0]
    arrival = begins[session] + found.start_s
    after, think = _links(found) if closed else (np.full(len(arrival), NONE, dtype=np.int64), np.zeros(len(arrival)))
    order = np.argsort(arrival, kind="stable")
    return _ordered(
        path, found, name, order, np.where(after >= 0, np.nan, arrival), after, think, _note(session_gap_s, seed)
    )


def _note(gap_s: float, seed: int) -> str:
    return (
        f"sessions start as a Poisson process with a mean gap of {gap_s:g} s (seed {seed}); ids are local to a session"
    )


def _ordered(
    path: str, found: _Rows, name: str, order: Ints, arrival: Floats, after: Ints, think: Floats, note: str
) -> Trace:
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    indptr = found.run_indptr
    counts = np.diff(indptr)[order]
    ends = np.cumsum(counts)
    at = np.repeat(indptr[order] - (ends - counts), counts) + np.arange(int(ends[-1]))
    released = after[order]
    return make_trace(
        name,
        arrival[order],
        found.inputs[order],
        found.outputs[order],
        session=found.session[order],
        after=np.where(released >= 0, place[released], NONE),
        think_s=think[order],
        block_tokens=BLOCK_TOKENS,
        runs=(
            np.concatenate([np.zeros(1, np.int64), ends]),
            _own_ids(found)[at],
            found.run_count[at],
        ),
        source="agentic coding sessions (WEKA, kv-cache-tester)",
        notes=(note,),
        place=file_place(path, np.array(found.lines)[order]),
    )


def _own_ids(found: _Rows) -> Ints:
    """Ids of the sessions laid one after another."""
    start = found.run_start
    top = start + found.run_count
    owner = np.repeat(found.session, np.diff(found.run_indptr))
    width = np.zeros(int(found.session[-1]) + 1, dtype=np.int64)
    np.maximum.at(width, owner, top)
    return np.asarray(start + (np.cumsum(width) - width)[owner])


def _parse(path: str, rows: Rows) -> _Rows:
    session, start = _sessions(path, rows), numbers_of(path, rows, "t")
    early = (np.diff(session, prepend=-1) == 0) & (np.diff(start, prepend=start[0]) < 0)
    wrong = ~(np.abs(start) < LATEST_S) | early
    if wrong.any():
        number, row = rows[int(np.argmax(wrong))]
        wanted = "a time not before the one of the line before it in the session"
        raise InputError(f"{path}:{number}: t", row["t"], wanted)
    inputs, (coded, indptr) = wholes_of(path, rows, "in"), lists_of(path, rows, "h")
    _check_runs(path, rows, inputs, coded, indptr)
    return _Rows(
        lines=[number for number, _ in rows],
        session=session,
        start_s=start,
        end_s=start + np.maximum(numbers_of(path, rows, "api_time", default=0.0), 0.0),
        think_s=numbers_of(path, rows, "think_time", default=NONE),
        inputs=inputs,
        outputs=wholes_of(path, rows, "out"),
        agent=[str(row.get("agent", "")) for _, row in rows],
        run_indptr=indptr // 2,
        run_start=coded[::2],
        run_count=coded[1::2],
    )


def _sessions(path: str, rows: Rows) -> Ints:
    """Number of each request's session, in the order of the file."""
    seen: dict[Any, int] = {}
    current: Any = None
    out = []
    for number, row in rows:
        label = row.get("c")
        if not isinstance(label, (int, str)):
            raise InputError(f"{path}:{number}: c", label, "the id of a session")
        if label != current or not seen:
            if label in seen:
                raise InputError(
                    f"{path}:{number}: c", label, "the requests of a session on lines that follow each other"
                )
            seen[label], current = len(seen), label
        out.append(len(seen) - 1)
    return np.array(out, dtype=np.int64)


def _check_runs(path: str, rows: Rows, inputs: Ints, coded: Ints, indptr: Ints) -> None:
    """Every prompt's runs are pairs, none of them empty, and make its whole blocks."""
    owner = np.repeat(np.arange(len(rows)), np.diff(indptr))
    second = (np.arange(coded.size) - indptr[owner]) % 2 == 1
    blocks = np.bincount(owner[second], weights=coded[second], minlength=len(rows))
    empty = np.bincount(owner[second & (coded == 0)], minlength=len(rows)) > 0
    wrong = (np.diff(indptr) % 2 == 1) | (blocks != inputs // BLOCK_TOKENS) | empty
    if wrong.any():
        i = int(np.argmax(wrong))
        wanted = f"runs of {inputs[i] // BLOCK_TOKENS} ids: {inputs[i]} tokens in whole blocks of {BLOCK_TOKENS}"
        raise InputError(f"{path}:{rows[i][0]}: h", f"runs of {blocks[i]:.0f} ids", wanted)


def _links(found: _Rows) -> tuple[Ints, Floats]:
    """Which request each one waited for, and how long after its end it left.

    A turn follows the turn before it, or the sub-agent whose answer came last in between; a sub-agent's first
    request follows the turn that called it, its others the one before.
    """
    n = len(found.session)
    after, think = np.full(n, NONE, dtype=np.int64), np.zeros(n)
    start_s, end_s, think_s = (column.tolist() for column in (found.start_s, found.end_s, found.think_s))
    edges = np.flatnonzero(np.diff(found.session, prepend=-1)).tolist()
    for begin, end in pairwise([*edges, n]):
        last: dict[str, int] = {}
        helpers: list[int] = []
        for i in range(begin, end):
            agent = found.agent[i]
            own = last.get(agent, last.get("", begin if i > begin else NONE))
            if not agent and own >= 0:
                own = max([own, *helpers], key=lambda k: end_s[k])
                helpers = []
            elif agent:
                helpers.append(i)
            last[agent] = i
            after[i] = own
            if own >= 0:
                plain = own == i - 1 and think_s[i] >= 0
                think[i] = think_s[i] if plain else max(start_s[i] - end_s[own], 0.0)
    return after, think
