"""Traces as JSON: Mooncake and Bailian with block ids, and what the benchmarks of vLLM and SGLang write down."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np

from headway.facts.errors import InputError
from headway.simulation.columns import NONE, Ints, file_place
from headway.simulation.files import Rows, ids_of, lists_of, number_of, numbers_of, whole_of, wholes_of
from headway.simulation.trace import Trace, make_trace

MOONCAKE_BLOCK = 512
BAILIAN_BLOCK = 16
MEASURED_BLOCK = 16


def _hashed(path: str, rows: Rows, name: str, source: str, block: int, seconds: float, notes: tuple[str, ...]) -> Trace:
    """Lines with ``timestamp, input_length, output_length, hash_ids``."""
    inputs, (ids, indptr) = wholes_of(path, rows, "input_length"), lists_of(path, rows, "hash_ids")
    own = np.diff(indptr)
    wrong = (own != inputs // block) & (own != -(-inputs // block))
    if wrong.any():
        i = int(np.argmax(wrong))
        wanted = f"{-(-inputs[i] // block)}: {inputs[i]} tokens in blocks of {block}"
        raise InputError(f"{path}:{rows[i][0]}: hash_ids", f"{own[i]} ids", wanted)
    return make_trace(
        name,
        numbers_of(path, rows, "timestamp") * seconds,
        inputs,
        wholes_of(path, rows, "output_length"),
        session=_chats(path, rows) if source != "Mooncake" else None,
        block_tokens=block,
        blocks=ids,
        block_indptr=indptr,
        source=source,
        notes=notes,
        place=file_place(path, np.array([number for number, _ in rows])),
    )


def _chats(path: str, rows: Rows) -> Ints:
    """Conversation of each request: that of its parent, or a new one."""
    known: dict[Any, int] = {}
    out = np.full(len(rows), NONE, dtype=np.int64)
    fresh = 0
    for i, (number, row) in enumerate(rows):
        chat, parent = row.get("chat_id"), row.get("parent_chat_id", NONE)
        if not isinstance(chat, (int, str)) or not isinstance(parent, (int, str, type(None))):
            raise InputError(f"{path}:{number}: chat_id", chat, "the id of a chat, and that of its parent or -1")
        if parent in known:
            out[i] = known[parent]
        else:
            out[i], fresh = fresh, fresh + 1
        known[chat] = int(out[i])
    return out


def mooncake(path: str, rows: Rows, name: str) -> Trace:
    """Mooncake's lines: milliseconds, blocks of 512 tokens.

    Raises
    ------
    InputError
        If a line is damaged or its ids are not as many as its tokens need.

    Examples
    --------
    >>> row = {"timestamp": 3000, "input_length": 600, "output_length": 5, "hash_ids": [0, 1]}
    >>> mooncake("m.jsonl", [(1, row)], "m").arrival_s.tolist()
    [3.0]
    """
    return _hashed(path, rows, name, "Mooncake", MOONCAKE_BLOCK, 1e-3, ())


def bailian(path: str, rows: Rows, name: str) -> Trace:
    """Lines of the Qwen-Bailian traces: seconds, blocks of 16 tokens, chats with parents.

    Raises
    ------
    InputError
        If a line is damaged or its ids are not as many as its tokens need.

    Examples
    --------
    >>> row = {
    ...     "chat_id": 1,
    ...     "parent_chat_id": -1,
    ...     "timestamp": 0.5,
    ...     "input_length": 20,
    ...     "output_length": 5,
    ...     "type": "text",
    ...     "turn": 1,
    ...     "hash_ids": [0, 1],
    ... }
    >>> bailian("b.jsonl", [(1, row)], "b").session.tolist()
    [0]
    """
    return _hashed(path, rows, name, "Qwen-Bailian", BAILIAN_BLOCK, 1.0, ())


def measured(path: str, document: dict[str, Any], name: str) -> Trace:
    """Requests of a measured server run: ``sched_arrival_s, in, out``, and ``h16`` as runs of block ids.

    Raises
    ------
    InputError
        If a request is damaged; names its place in the list.

    Examples
    --------
    >>> run = {"requests": [{"sched_arrival_s": 0.1, "in": 40, "out": 3, "h16": [5, 2]}]}
    >>> measured("run.json", run, "run").blocks.tolist()
    [5, 6]
    """
    found = sorted(
        _requests(path, document),
        key=lambda pair: number_of(f"{path}: requests[{pair[0]}]", pair[1], "sched_arrival_s"),
    )
    arrival, inputs, outputs, start, count, indptr = [], [], [], [], [], [0]
    for at, row in found:
        place = f"{path}: requests[{at}]"
        coded = ids_of(place, row, "h16") if "h16" in row else []
        if len(coded) % 2:
            raise InputError(f"{place}: h16", f"{len(coded)} numbers", "pairs of first id and number of ids")
        arrival.append(number_of(place, row, "sched_arrival_s"))
        inputs.append(whole_of(place, row, "in"))
        outputs.append(whole_of(place, row, "out"))
        start.extend(coded[::2])
        count.extend(coded[1::2])
        indptr.append(len(start))
    runs = tuple(np.array(v, dtype=np.int64) for v in (indptr, start, count))
    return make_trace(
        name,
        arrival,
        inputs,
        outputs,
        block_tokens=MEASURED_BLOCK if start else 0,
        runs=(runs[0], runs[1], runs[2]),
        source=f"{document.get('model', 'a model')} on {document.get('hardware', 'a server')}, measured",
        place=lambda i: f"{path}: requests[{found[i][0]}]",
    )


def _requests(path: str, document: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    rows = document["requests"]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path}: requests", type(rows).__name__, "a list of objects")
    return list(enumerate(rows))


def benchmark(path: str, rows: Rows, name: str, seed: int = 0) -> Trace:
    """What ``vllm bench serve --save-detailed`` and ``sglang.bench_serving --output-details`` write.

    Lengths come from ``input_lens`` and ``output_lens``. Send times come from ``start_times`` where they are
    kept; otherwise they are drawn at the run's ``request_rate`` and ``burstiness``, and a note says so; an
    infinite rate sends everything at once. Only the last run of a file with several is read, and that is noted.

    Raises
    ------
    InputError
        If the lists are missing or of different lengths.

    Examples
    --------
    >>> run = {"input_lens": [100, 50], "output_lens": [10, 20], "request_rate": "inf"}
    >>> benchmark("run.jsonl", [(1, run)], "run").arrival_s.tolist()
    [0.0, 0.0]
    """
    number, run = rows[-1]
    place = f"{path}:{number}"
    inputs, outputs = (_lengths(place, run, key) for key in ("input_lens", "output_lens"))
    if len(inputs) != len(outputs):
        raise InputError(f"{place}: output_lens", f"{len(outputs)} numbers", f"{len(inputs)}, one for each input_lens")
    notes: tuple[str, ...] = (f"the last of {len(rows)} runs",) if len(rows) > 1 else ()
    started = run.get("start_times")
    if isinstance(started, list) and len(started) == len(inputs):
        times = np.array([number_of(place, {"start_times": t}, "start_times") for t in started], dtype=float)
        order = np.argsort(times, kind="stable")
        arrival, inputs, outputs = times[order] - times[order[0]], inputs[order], outputs[order]
    else:
        rate = _rate(place, run)
        burst = number_of(place, run, "burstiness", default=1.0)
        gaps = np.random.default_rng(seed).gamma(burst, 1.0 / (rate * burst), len(inputs))
        arrival = np.cumsum(gaps) if np.isfinite(rate) else np.zeros(len(inputs))
        notes += (f"the file has no send times: drawn at {rate:g} requests/s (seed {seed})",)
    source = f"{run.get('backend', 'serving')} benchmark, {run.get('model_id', run.get('model', 'a model'))}"
    return make_trace(
        name, arrival, inputs, outputs, source=source, notes=notes, place=lambda i: f"{place}: request {i}"
    )


def _lengths(place: str, run: dict[str, Any], key: str) -> Ints:
    found = run.get(key)
    if not isinstance(found, list) or not found:
        raise InputError(f"{place}: {key}", found, "a list of lengths (write the file with details)")
    return np.array([whole_of(f"{place}: {key}[{i}]", {key: v}, key) for i, v in enumerate(found)], dtype=np.int64)


def _rate(place: str, run: dict[str, Any]) -> float:
    given = run.get("request_rate", "inf")
    try:
        rate = float(given)
    except (TypeError, ValueError):
        rate = 0.0
    if not rate > 0:
        raise InputError(f"{place}: request_rate", given, "a rate above 0, or inf")
    return rate


LINES: MappingProxyType[str, tuple[tuple[str, ...], Callable[[str, Rows, str], Trace]]] = MappingProxyType(
    {
        "bailian": (("chat_id", "timestamp", "input_length", "output_length", "hash_ids"), bailian),
        "mooncake": (("timestamp", "input_length", "output_length", "hash_ids"), mooncake),
        "benchmark": (("input_lens", "output_lens"), benchmark),
    }
)
"""Formats told from the first line: the keys each must have, and its reader."""
