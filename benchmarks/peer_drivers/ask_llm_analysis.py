"""Ask llm-analysis, in its own interpreter. It evaluates points; the sweep under limits is this driver's."""

from __future__ import annotations

import time
from typing import Any

from _exchange import rate, serve, static_sweep
from llm_analysis.analysis import LLMAnalysis
from llm_analysis.config import ModelConfig, ParallelismConfig, get_dtype_config_by_name, get_gpu_config_by_name
from llm_analysis.logger import logger

logger.setLevel("ERROR")

# Llama-3.1-70B is not among its models. Like its own Llama entries this one counts the gate as a wider block
# of two matrices: 3 x 28672 / 2.
LLAMA = ModelConfig(
    name="llama-3.1-70b",
    num_layers=80,
    n_head=64,
    hidden_dim=8192,
    vocab_size=128256,
    max_seq_len=131072,
    num_key_value_heads=8,
    ffn_embed_dim=43008,
    expansion_ratio=5.25,
    model_type="llama",
)


def times(about: dict[str, Any], tp: int, batch: int) -> tuple[float, float]:
    """Prefill and decode seconds of one batch."""
    analysis = LLMAnalysis(
        LLAMA,
        get_gpu_config_by_name(about["system"]),
        get_dtype_config_by_name("w16a16e16"),
        ParallelismConfig(tp_size=tp),
    )
    found = analysis.inference(batch_size_per_gpu=batch, seq_len=about["isl"], num_tokens_to_generate=about["osl"])
    return found["prefill_latency"], found["decode_latency"]


def plan(about: dict[str, Any]) -> Any:
    """Every tensor parallel degree up to the chips, batches up to the limits."""
    if about["experts"]:
        return {"answer": None, "refused": "its model description has no latent attention and no shared experts"}
    start, busy = time.perf_counter(), time.process_time()
    found = static_sweep(about, [{"tp": t} for t in (1, 2, 4, 8)], lambda w, batch: times(about, w["tp"], batch))
    spent = {"seconds": {"first": time.perf_counter() - start}, "cpu": {"first": time.process_time() - busy}}
    return {**found, **spent}


def points(about: dict[str, Any]) -> Any:
    """Rate of points, each with its prefill."""
    return {"as shipped": rate(lambda batch: times(about, about["tp"], batch)[1])}


if __name__ == "__main__":
    serve({"plan": plan, "points": points})
