"""Ask aiconfigurator 0.12, in its own interpreter: a plan, points, rows."""

from __future__ import annotations

import functools
import logging
import os
import re
import time
import warnings
from typing import Any

from _exchange import rate, serve

os.environ["AICONFIGURATOR_LOG_LEVEL"] = "ERROR"
warnings.simplefilter("ignore")

import yaml  # noqa: E402
from aiconfigurator.cli import cli_default  # noqa: E402
from aiconfigurator.cli.api import cli_estimate  # noqa: E402
from aiconfigurator.sdk import sweep  # noqa: E402
from aiconfigurator_core.sdk import perf_database  # noqa: E402

logging.disable(logging.CRITICAL)

SYSTEMS = {"H100": "h100_sxm", "H200": "h200_sxm", "B200": "b200_sxm", "GB200": "gb200"}
ENGINES = {"TensorRT-LLM": "trtllm", "SGLang": "sglang", "vLLM": "vllm", "vLLM DecodeBenchConnector": "vllm"}
# The configurations that ship in its wheel; nvfp4 Llama has none, so the formats are named.
MODELS: dict[tuple[str, str], tuple[str, dict[str, str]]] = {
    ("DeepSeek-R1-0528", "fp8"): ("deepseek-ai/DeepSeek-R1", {}),
    ("DeepSeek-R1-0528", "fp4"): ("nvidia/DeepSeek-V3.1-NVFP4", {}),
    ("Llama-3.1-70B", "fp8"): ("nvidia/Llama-3.1-70B-Instruct-FP8", {}),
    ("Llama-3.1-70B", "fp4"): (
        "meta-llama/Meta-Llama-3.1-70B",
        {"gemm_quant_mode": "nvfp4", "kvcache_quant_mode": "fp8"},
    ),
    ("gpt-oss-120b", "mxfp4"): ("openai/gpt-oss-120b", {}),
    ("Qwen3-30B-A3B", "fp8"): ("Qwen/Qwen3-30B-A3B-FP8", {}),
    ("Qwen3.5-397B-A17B", "bf16"): ("Qwen/Qwen3.5-397B-A17B", {}),
}
_POOL = re.compile(r"(prefill|decode) (\d+)x\(TP(\d+) DP(\d+) EP(\d+)\)")


def cache_parse() -> None:
    """Parse each YAML file once, as if the tool remembered it."""
    seen: dict[str, Any] = {}
    for name in ("safe_load", "load"):
        original = getattr(yaml, name)

        def cached(stream: Any, *options: Any, _original: Any = original, **named: Any) -> Any:
            file = getattr(stream, "name", None)
            if file is None:
                return _original(stream, *options, **named)
            if file not in seen:
                seen[file] = _original(stream, *options, **named)
            return seen[file]

        setattr(yaml, name, cached)


def cache_folders() -> None:
    """Look for the newest data version of a system and engine once."""
    known = functools.cache(perf_database.get_latest_database_version)
    perf_database.get_latest_database_version = known


def plan(about: dict[str, Any]) -> Any:
    """Search three times in this process: first, again, and with the parse cached; count what it compares."""
    counts = {"points": 0, "pairs": 0}
    agg, disagg, best = sweep.predict_agg_worker, sweep.predict_disagg_worker, sweep._find_best_disagg_under_constraint

    def count(function: Any) -> Any:
        def counted(**named: Any) -> Any:
            counts["points"] += 1
            return function(**named)

        return counted

    def matched(**named: Any) -> Any:
        found = best(**named)
        counts["pairs"] = named["match_workers"].cache_info().misses
        return found

    sweep.predict_agg_worker, sweep.predict_disagg_worker = count(agg), count(disagg)
    sweep._find_best_disagg_under_constraint = matched
    seconds, cpu, per_chip = {}, {}, []
    result: Any = None
    for turn in ("first", "warm", "cached"):
        if turn == "cached":
            cache_parse()
        start, busy = time.perf_counter(), time.process_time()
        result = cli_default(
            about["model"],
            about["gpus"],
            about["system"],
            isl=about["isl"],
            osl=about["osl"],
            ttft=about["ttft"] * 1e3,
            tpot=about["tpot"] * 1e3,
        )
        seconds[turn], cpu[turn] = time.perf_counter() - start, time.process_time() - busy
        per_chip.append(float(result.best_throughputs[result.chosen_exp]))
        sweep.predict_agg_worker, sweep.predict_disagg_worker = agg, disagg
        sweep._find_best_disagg_under_constraint = best
    row = result.best_configs[result.chosen_exp].iloc[0].to_dict()
    return {
        "answer": described(row, about),
        "refused": "",
        "compared": counts["points"] + counts["pairs"],
        "seconds": seconds,
        "cpu": cpu,
        "same": max(per_chip) - min(per_chip) < 1e-6,
        "engine": f"{row.get('backend') or row.get('(d)backend')} {row.get('version') or row.get('(d)version')}",
    }


def described(row: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """Its best row in the words of the comparison."""

    def pool(prefix: str) -> tuple[str, int, dict[str, int]]:
        names = {"tp": "tp", "dp": "dp", "ep": "moe_ep", "pp": "pp"}
        degrees = {short: int(row[f"{prefix}{name}"]) for short, name in names.items()}
        chips = degrees["tp"] * degrees["dp"] * degrees["pp"]
        label = " ".join(f"{n.upper()}{v}" for n, v in degrees.items() if v > 1) or "1 chip"
        return label, chips, {**degrees, "batch": int(row[f"{prefix}bs"])}

    used, gpus = int(row["num_total_gpus"]), about["gpus"]
    copies = gpus // used
    found = {
        "chips": used * copies,
        "in_flight": int(row["concurrency"]) * copies,
        "ttft": row["ttft"] * 1e-3,
        "tpot": row["tpot"] * 1e-3,
        "per_chip": float(row["tokens/s/gpu_cluster"]),
    }
    if "(d)workers" not in row:
        name, _, alone = pool("")
        return {**found, "layout": f"{copies} x {name}", "passes": [{"kind": "decode", **alone}]}
    (p_name, p_size, p_pass), (d_name, d_size, d_pass) = pool("(p)"), pool("(d)")
    p, d = int(row["(p)workers"]), int(row["(d)workers"])
    rate_of_requests = float(row["seq/s"])
    name = f"{p} x {p_name} > {d} x {d_name}"
    return {
        **found,
        "layout": name if copies == 1 else f"{copies} x ({name})",
        "prefill_per_chip": rate_of_requests * about["isl"] / (p * p_size),
        "decode_per_chip": rate_of_requests * about["osl"] / (d * d_size),
        "prefill_able": float(row["(p)seq/s/worker"]) * about["isl"] / p_size,
        "decode_able": float(row["(d)seq/s/worker"]) * about["osl"] / d_size,
        "passes": [{"kind": "prefill", **p_pass}, {"kind": "decode", **d_pass}],
    }


def passes(about: dict[str, Any]) -> Any:
    """Seconds of given passes without queueing or correction; none where it has no such layout or no data for it."""
    return [one_pass(about, one) for one in about["passes"]]


def one_pass(about: dict[str, Any], one: dict[str, Any]) -> float | None:
    """Seconds of one pass."""
    if one.get("cp", 1) > 1:
        return None
    shape: dict[str, Any] = {"isl": about["isl"], "osl": about["osl"], "batch_size": round(one["batch"])}
    shape |= {"tp_size": one["tp"], "attention_dp_size": one["dp"], "pp_size": one["pp"], "mode": "static_gen"}
    if about["experts"]:
        shape |= {"moe_ep_size": one["ep"], "moe_tp_size": one["tp"] * one["dp"] // one["ep"]}
    if one["kind"] == "prefill":
        # Its search, too, falls back to bf16 attention in prefill where there are no fp8 data.
        shape |= {"mode": "static_ctx", "fmha_quant_mode": "bfloat16"}
    try:
        result = cli_estimate(about["model"], about["system"], **shape)
    except Exception:  # noqa: BLE001  a refusal of any kind is an answer here
        return None
    return float(result.ttft if one["kind"] == "prefill" else result.tpot) * 1e-3


def points(about: dict[str, Any]) -> Any:
    """Rates of single estimates: as shipped, with the parse cached, with the folder search cached as well."""

    def point(batch: int) -> float:
        shape = {"isl": about["isl"], "osl": about["osl"], "tp_size": about["tp"], "batch_size": batch}
        return float(cli_estimate(about["model"], about["system"], mode="static", **shape).tpot) * 1e-3

    found = {"as shipped": rate(point)}
    cache_parse()
    found["YAML parse cached"] = rate(point)
    cache_folders()
    found["parse and folder search cached"] = rate(point)
    return found


def rows(about: dict[str, Any]) -> Any:
    """Time per output token of measured rows, for each mode of its database; the reason where it gives none."""
    first = about["rows"][0]
    before = estimate(first, about["modes"][0])
    cache_parse()
    cache_folders()
    if estimate(first, about["modes"][0]) != before:
        raise RuntimeError("cached parse changed an answer")
    found: dict[str, Any] = {}
    for mode in about["modes"]:
        start, busy = time.perf_counter(), time.process_time()
        answers = [estimate(row, mode) for row in about["rows"]]
        spent = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - busy}
        found[mode] = {"tpot": [a[0] for a in answers], "reason": [a[1] for a in answers], **spent}
    return found


def estimate(row: dict[str, str], mode: str) -> tuple[float | None, str]:
    """Milliseconds per output token of one row, or why there is none."""
    try:
        model, formats = MODELS[row["model"], row["weight_precision"]]
        where = {"backend_name": ENGINES[row["engine"]], "database_mode": mode, **formats}
        shape = {"isl": int(row["isl"]), "osl": int(row["osl"])}
        result = cli_estimate(model, SYSTEMS[row["hardware"]], **where, **shape, **layout(row))
    except Exception as error:  # noqa: BLE001  a refusal of any kind is an answer here
        return None, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return float(result.tpot), ""


def layout(row: dict[str, str]) -> dict[str, Any]:
    """Arguments of the layout and the batch: the stated concurrency, spread over decode workers and data ranks."""
    load = int(row["concurrency"])
    if row["mode"] == "disaggregated":
        pools = {kind: [int(n) for n in numbers] for kind, *numbers in _POOL.findall(row["parallelism"])}
        named: dict[str, Any] = {"mode": "disagg"}
        for kind, (workers, tp, dp, ep) in pools.items():
            degrees = {"tp_size": tp, "attention_dp_size": dp, "moe_ep_size": ep, "moe_tp_size": tp * dp // ep}
            named |= {f"{kind}_{k}": v for k, v in degrees.items()}
            named[f"{kind}_num_workers"] = workers
            named[f"{kind}_batch_size"] = max(1, load // (workers * dp)) if kind == "decode" else 1
        return named
    degrees = {k: int(v) for k, v in re.findall(r"(TP|DP|EP)(\d+)", row["parallelism"])}
    tp, dp, ep = (degrees.get(k, 1) for k in ("TP", "DP", "EP"))
    named = {"mode": "static_gen" if row["mode"] == "decode-only" else "agg", "tp_size": tp}
    named |= {"attention_dp_size": dp, "batch_size": max(1, load // dp)}
    if "70B" not in row["model"]:
        named |= {"moe_ep_size": ep, "moe_tp_size": tp * dp // ep}
    return named


if __name__ == "__main__":
    serve({"plan": plan, "passes": passes, "points": points, "rows": rows})
