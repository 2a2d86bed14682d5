"""Read what serving benchmarks write: vLLM, SGLang, genai-perf and aiperf, told apart by their fields.

* vLLM, ``vllm bench serve --save-result`` (earlier ``benchmark_serving.py``): one JSON object, or one per line with
  ``--append-result``; ``mean_ttft_ms``, ``mean_tpot_ms``, ``completed``, ``duration``, ``total_input_tokens``,
  ``total_output_tokens``, ``max_concurrency``, ``request_rate`` (a number or ``"inf"``); vllm/benchmarks/serve.py.
* SGLang, ``python -m sglang.bench_serving --output-file``: one JSON object per line with the same names and
  ``concurrency`` (mean in flight), ``accept_length``, ``total_output_tokens_retokenized``; "Bench Serving Guide",
  docs.sglang.ai/developer_guide/bench_serving.html.
* genai-perf (``profile_export_genai_perf.json``) and aiperf (``profile_export_aiperf.json``): one JSON object with a
  block ``{"unit": "ms", "avg": ...}`` per metric, among them ``time_to_first_token``, ``inter_token_latency`` (which is
  (latency - TTFT) / (output - 1) of a request), ``input_sequence_length``, ``output_sequence_length``,
  ``request_count``, ``request_throughput``, ``benchmark_duration``, and the settings under ``input_config``;
  docs.nvidia.com/aiperf/reference/json-export-schema.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from headway.facts.calibration import engine_name
from headway.facts.check import positive
from headway.facts.errors import InputError

_LARGEST_FILE = 256 << 20
_SECONDS = MappingProxyType({"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "seconds": 1.0})
_ACCEPTED = "a result of vLLM or SGLang (mean_ttft_ms, total_input_tokens) or of genai-perf or aiperf"


@dataclass(frozen=True, slots=True)
class BenchmarkRun:
    """One run of a serving benchmark.

    Parameters
    ----------
    where : str
        File, and number of the result where a file holds several.
    tool : str
        ``"vllm"``, ``"sglang"``, ``"genai-perf"`` or ``"aiperf"``.
    users : float
        Requests in flight: the limit set, or their mean by Little's law where there was none [1].
    closed : bool
        Whether a limit on requests in flight was set; otherwise they arrived at a rate.
    isl, osl : int
        Mean input and output length [token].
    ttft, tpot : float
        Mean time to first token and per further output token [s].
    requests : float
        Requests completed [1].
    acceptance : float
        Mean tokens per pass where the tool reports it, else 1 [token].
    engine : str
        Calibrated engine that the file names as its backend, or whose tool wrote it; empty where it names none.
    """

    where: str
    tool: str
    users: float
    closed: bool
    isl: int
    osl: int
    ttft: float
    tpot: float
    requests: float
    acceptance: float = 1.0
    engine: str = ""


def read_results(path: str | Path) -> tuple[BenchmarkRun, ...]:
    """Read all runs of one file: a JSON object, a list of them, or one per line.

    Raises
    ------
    InputError
        With the file and the field, if the file cannot be read, is no benchmark result, or a number is missing or
        makes no sense.

    Examples
    --------
    >>> read_results("absent.json")
    Traceback (most recent call last):
    headway.facts.errors.InputError: file: 'absent.json' is not accepted: expected a readable file (No such file...
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST_FILE + 1)
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "text in UTF-8"
        raise InputError("file", str(path), f"a readable file ({reason})") from None
    if len(content) > _LARGEST_FILE:
        raise InputError("file", str(path), f"a file of at most {_LARGEST_FILE >> 20} MiB")
    found = list(_objects(text, file.name))
    if not found:
        raise InputError(file.name, "nothing", _ACCEPTED)
    names = [file.name if len(found) == 1 else f"{file.name}[{i}]" for i in range(1, len(found) + 1)]
    return tuple(benchmark_run(raw, where) for raw, where in zip(found, names, strict=True))


def _objects(text: str, where: str) -> Iterator[Mapping[str, Any]]:
    """JSON values one after the other, lists opened."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        try:
            value, at = decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError) as error:
            line = text.count("\n", 0, at) + 1
            raise InputError(f"{where}: line {line}", str(error), "JSON, or one JSON object per line") from None
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, Mapping):
                raise InputError(where, one, _ACCEPTED)
            yield one


def benchmark_run(raw: Mapping[str, Any], where: str) -> BenchmarkRun:
    """Read one result, whichever tool wrote it.

    Raises
    ------
    InputError
        As :func:`read_results`.

    Examples
    --------
    >>> raw = {"mean_ttft_ms": 50, "mean_tpot_ms": 10, "completed": 100, "duration": 20, "max_concurrency": 4}
    >>> run = benchmark_run(raw | {"total_input_tokens": 100000, "total_output_tokens": 20000}, "mine.json")
    >>> run.tool, run.users, run.isl, run.osl, run.tpot
    ('vllm', 4.0, 1000, 200, 0.01)
    """
    if isinstance(raw.get("time_to_first_token"), Mapping) or isinstance(raw.get("inter_token_latency"), Mapping):
        return _metrics_run(raw, where)
    if "total_input_tokens" in raw or "mean_ttft_ms" in raw:
        return _flat_run(raw, where)
    raise InputError(where, ", ".join(sorted(map(str, raw))[:4]) or "no fields", _ACCEPTED)


def _number(raw: Mapping[str, Any], where: str, *names: str) -> float:
    """First of these fields that is there; a positive number."""
    name = next((n for n in names if raw.get(n) is not None), None)
    if name is None:
        raise InputError(f"{where}: {names[0]}", "nothing", "a number above 0")
    return float(positive(f"{where}: {name}", raw[name]))


def _flat_run(raw: Mapping[str, Any], where: str) -> BenchmarkRun:
    """VLLM and SGLang: one level of fields, times in milliseconds."""
    sglang = "total_output_tokens_retokenized" in raw or "accept_length" in raw
    requests = _number(raw, where, "completed")
    acceptance, tool = raw.get("accept_length"), "sglang" if sglang else "vllm"
    backend = raw.get("backend")
    found = _run(
        where,
        tool,
        requests,
        isl=_number(raw, where, "total_input_tokens") / requests,
        osl=_number(raw, where, "total_output_tokens") / requests,
        ttft=_number(raw, where, "mean_ttft_ms", "median_ttft_ms") / 1e3,
        tpot=_number(raw, where, "mean_tpot_ms", "mean_itl_ms", "median_tpot_ms") / 1e3,
        duration=_number(raw, where, "duration"),
        limit=raw.get("max_concurrency"),
        acceptance=1.0 if acceptance is None else float(positive(f"{where}: accept_length", acceptance)),
    )
    # Either tool drives other servers too, and says which.
    return replace(found, engine=engine_name(backend if isinstance(backend, str) else tool) or "")


def _block(raw: Mapping[str, Any], where: str, name: str) -> Mapping[str, Any]:
    block = raw.get(name)
    if not isinstance(block, Mapping):
        raise InputError(f"{where}: {name}", "nothing" if block is None else block, 'a block {"unit": ..., "avg": ...}')
    return block


def _average(raw: Mapping[str, Any], where: str, name: str) -> float:
    return _number(_block(raw, where, name), f"{where}: {name}", "avg", "p50")


def _seconds(raw: Mapping[str, Any], where: str, name: str) -> float:
    unit = str(_block(raw, where, name).get("unit", "ms"))
    if unit not in _SECONDS:
        raise InputError(f"{where}: {name}.unit", unit, f"one of {', '.join(_SECONDS)}")
    return _average(raw, where, name) * _SECONDS[unit]


def _metrics_run(raw: Mapping[str, Any], where: str) -> BenchmarkRun:
    """Genai-perf and aiperf: a block per metric, settings below ``input_config``."""
    settings = raw.get("input_config")
    requests = _average(raw, where, "request_count")
    timed = "benchmark_duration" in raw
    return _run(
        where,
        "aiperf" if "aiperf_version" in raw or "schema_version" in raw else "genai-perf",
        requests,
        isl=_average(raw, where, "input_sequence_length"),
        osl=_average(raw, where, "output_sequence_length"),
        ttft=_seconds(raw, where, "time_to_first_token"),
        tpot=_seconds(raw, where, "inter_token_latency"),
        duration=_seconds(raw, where, "benchmark_duration")
        if timed
        else requests / _average(raw, where, "request_throughput"),
        limit=_below(settings, "concurrency"),
        acceptance=1.0,
    )


def _below(settings: object, name: str) -> object:
    """First value of that name in nested settings: its place differs between releases."""
    waiting: list[object] = [settings]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, Mapping):
            if isinstance(one.get(name), (int, float)):
                return one[name]
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
    return None


def _run(
    where: str,
    tool: str,
    requests: float,
    *,
    isl: float,
    osl: float,
    ttft: float,
    tpot: float,
    duration: float,
    limit: object,
    acceptance: float,
) -> BenchmarkRun:
    if osl < 1.5:
        raise InputError(f"{where}: output tokens", round(osl, 3), "answers of at least 2 tokens, for a time per token")
    # Little's law: in flight is the rate times the time that each spends.
    users = requests / duration * (ttft + (osl - 1.0) * tpot)
    closed = limit is not None
    if closed:
        most = positive(f"{where}: max_concurrency", limit)  # type: ignore[arg-type]
        users = min(float(most), requests)
    if not math.isfinite(users):
        raise InputError(f"{where}: duration", duration, "a time that gives requests in flight")
    return BenchmarkRun(
        where, tool, users, closed, max(round(isl), 1), round(osl), ttft, tpot, requests, max(acceptance, 1.0)
    )
