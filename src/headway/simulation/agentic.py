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
from headway.simulation.columns import NONE, Floats, Ints, file_place
from headway.simulation.files import ids_of, number_of, whole_of
from headway.simulation.trace import Trace, make_trace

BLOCK_TOKENS = 64
SESSION_GAP_S = 60.0
"""Mean time between the starts of two sessions, where the file has no calendar [s]."""


@dataclass(frozen=True, slots=True)
class _Rows:
    lines: list[int]
    session: list[int]
    start_s: list[float]
    end_s: list[float]
    think_s: list[float]
    inputs: list[int]
    outputs: list[int]
    agent: list[str]
    run_indptr: list[int]
    run_start: list[int]
    run_count: list[int]


def agentic_trace(
    path: str,
    rows: list[tuple[int, dict[str, Any]]],
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
    session = np.array(found.session, dtype=np.int64)
    count = int(session[-1]) + 1
    begins = np.cumsum(np.random.default_rng(seed).exponential(session_gap_s, count))
    begins -= begins[0]
    arrival = begins[session] + np.array(found.start_s)
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
    indptr = np.array(found.run_indptr, dtype=np.int64)
    counts = np.diff(indptr)[order]
    ends = np.cumsum(counts)
    at = np.repeat(indptr[order] - (ends - counts), counts) + np.arange(int(ends[-1]))
    released = after[order]
    return make_trace(
        name,
        arrival[order],
        np.array(found.inputs)[order],
        np.array(found.outputs)[order],
        session=np.array(found.session)[order],
        after=np.where(released >= 0, place[released], NONE),
        think_s=think[order],
        block_tokens=BLOCK_TOKENS,
        runs=(
            np.concatenate([np.zeros(1, np.int64), ends]),
            _own_ids(found)[at],
            np.array(found.run_count, dtype=np.int64)[at],
        ),
        source="agentic coding sessions (WEKA, kv-cache-tester)",
        notes=(note,),
        place=file_place(path, np.array(found.lines)[order]),
    )


def _own_ids(found: _Rows) -> Ints:
    """Ids of the sessions laid one after another."""
    start = np.array(found.run_start, dtype=np.int64)
    top = start + np.array(found.run_count, dtype=np.int64)
    owner = np.repeat(np.array(found.session), np.diff(found.run_indptr))
    width = np.zeros(int(found.session[-1]) + 1, dtype=np.int64)
    np.maximum.at(width, owner, top)
    return np.asarray(start + (np.cumsum(width) - width)[owner])


def _parse(path: str, rows: list[tuple[int, dict[str, Any]]]) -> _Rows:
    out = _Rows([], [], [], [], [], [], [], [], [0], [], [])
    seen: dict[Any, int] = {}
    current: Any = None
    for number, row in rows:
        place = f"{path}:{number}"
        label = row.get("c")
        if not isinstance(label, (int, str)):
            raise InputError(f"{place}: c", label, "the id of a session")
        if label != current or not seen:
            if label in seen:
                raise InputError(f"{place}: c", label, "the requests of a session on lines that follow each other")
            seen[label], current = len(seen), label
        start = number_of(place, row, "t")
        same = bool(out.session) and out.session[-1] == seen[label]
        if not abs(start) < 1e11 or (same and start < out.start_s[-1]):
            raise InputError(f"{place}: t", start, "a time not before the one of the line before it in the session")
        _add(out, place, row, number, seen[label], start)
    return out


def _add(out: _Rows, place: str, row: dict[str, Any], number: int, session: int, start: float) -> None:
    inputs, coded = whole_of(place, row, "in"), ids_of(place, row, "h")
    blocks = sum(coded[1::2])
    if len(coded) % 2 or blocks != inputs // BLOCK_TOKENS or 0 in coded[1::2]:
        wanted = f"runs of {inputs // BLOCK_TOKENS} ids: {inputs} tokens in whole blocks of {BLOCK_TOKENS}"
        raise InputError(f"{place}: h", f"runs of {blocks} ids", wanted)
    out.lines.append(number)
    out.session.append(session)
    out.start_s.append(start)
    out.end_s.append(start + max(number_of(place, row, "api_time", default=0.0), 0.0))
    out.think_s.append(number_of(place, row, "think_time", default=NONE))
    out.inputs.append(inputs)
    out.outputs.append(whole_of(place, row, "out"))
    out.agent.append(str(row.get("agent", "")))
    out.run_start.extend(coded[::2])
    out.run_count.extend(coded[1::2])
    out.run_indptr.append(len(out.run_start))


def _links(found: _Rows) -> tuple[Ints, Floats]:
    """Which request each one waited for, and how long after its end it left.

    A turn follows the turn before it, or the sub-agent whose answer came last in between; a sub-agent's first
    request follows the turn that called it, its others the one before.
    """
    n = len(found.session)
    after, think = np.full(n, NONE, dtype=np.int64), np.zeros(n)
    edges = [i for i in range(n) if i == 0 or found.session[i] != found.session[i - 1]]
    for begin, end in pairwise([*edges, n]):
        last: dict[str, int] = {}
        helpers: list[int] = []
        for i in range(begin, end):
            agent = found.agent[i]
            own = last.get(agent, last.get("", begin if i > begin else NONE))
            if not agent and own >= 0:
                own = max([own, *helpers], key=lambda k: found.end_s[k])
                helpers = []
            elif agent:
                helpers.append(i)
            last[agent] = i
            after[i] = own
            if own >= 0:
                plain = own == i - 1 and found.think_s[i] >= 0
                think[i] = found.think_s[i] if plain else max(found.start_s[i] - found.end_s[own], 0.0)
    return after, think
