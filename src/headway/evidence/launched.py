"""How a benchmark's own scripts launch its servers and draw its requests, where its rows do not repeat it.

InferenceX publishes the script of every run beside its results: the format of the cache, the tokens of a pass, and a
client that draws both lengths of a request evenly from 80% to 100% of those that the row states.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from headway.evidence.measurements import Measurement
from headway.facts.calibration import engine_name
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.sources import Source

#: Source of :data:`LAUNCHES`, and of the lengths: ``random-range-ratio`` 0.8 of the workflow, drawn by the client.
SOURCES: Final[tuple[Source, ...]] = (
    Source(
        "SemiAnalysisAI/InferenceX, benchmarks/*.sh of 2025-10 to 2026-02: --kv-cache-dtype or kv_cache_config.dtype; "
        "--max-num-batched-tokens, --chunked-prefill-size or --max_num_tokens; --scheduler-recv-interval",
        "2026-11-25",
        "config",
    ),
    Source(
        "SemiAnalysisAI/InferenceX @00983c3, .github/workflows/benchmark-tmpl.yml: RANDOM_RANGE_RATIO 0.8; "
        "kimbochen/bench_serving @406abc3, benchmark_serving.py, sample_random_requests",
        "2026-11-25",
        "config",
    ),
)
#: Rows of these sources were launched so.
LAUNCHED: Final = ("inferencex-dump",)
#: Mean of a length drawn evenly from 80% to 100% of the stated one, over the stated one [1].
MEAN_LENGTH: Final = 0.9
# Passes between looks for requests below and from 16 users (SCHEDULER_RECV_INTERVAL).
_FEW, _MANY, _BUSY = 10.0, 30.0, 16.0
# Tokens that a chunk adds to the prompt and the users in TensorRT-LLM's scripts for DeepSeek, and its least size.
_PADDING, _LEAST = 64, 8192


@dataclass(frozen=True, slots=True)
class Launch:
    """Servers that one kind of script launches.

    Parameters
    ----------
    engine : str
        Calibrated engine.
    model, generation, weights : str
        Beginnings of the model's name, of the chip's generation and of the weights' format; empty for any.
    kv : str
        Format of the cache.
    chunk : float or None
        Tokens of a pass on one rank [token]; None where the script takes it from the lengths.
    rare : bool
        Whether the script lets the scheduler look for requests only every 10 passes, 30 from 16 users on.
    """

    engine: str
    model: str
    generation: str
    weights: str
    kv: str
    chunk: float | None
    rare: bool = False


#: In the order in which they are tried.
LAUNCHES: Final[tuple[Launch, ...]] = (
    Launch("vllm", "llama", "cdna", "", "fp8", 131_072.0),
    Launch("vllm", "llama", "", "", "fp8", 8192.0),
    Launch("vllm", "gpt-oss", "blackwell", "", "fp8", 8192.0),
    Launch("vllm", "gpt-oss", "hopper", "", "bf16", 8192.0),
    Launch("trtllm", "gpt-oss", "blackwell", "", "fp8", 20_000.0),
    Launch("trtllm", "gpt-oss", "hopper", "", "bf16", 20_000.0),
    Launch("trtllm", "llama", "", "", "fp8", None),
    Launch("trtllm", "deepseek", "", "", "fp8", None),
    Launch("sglang", "deepseek", "hopper", "", "bf16", 32_768.0),
    Launch("sglang", "deepseek", "blackwell", "fp4", "fp8", 16_384.0, rare=True),
    Launch("sglang", "deepseek", "blackwell", "", "fp8", 32_768.0, rare=True),
    Launch("sglang", "deepseek", "cdna", "", "fp8", 131_072.0),
)


def drawn(row: Measurement) -> bool:
    """Whether the lengths of a row are the longest that its client draws.

    >>> from headway.evidence.measurements import open_serving
    >>> {row.source_id for row in open_serving() if drawn(row)}
    {'inferencex-dump'}
    """
    return row.source_id in LAUNCHED


def launch_of(row: Measurement, model: Model, system: System) -> Launch | None:
    """The launch of a row's servers; None where its source publishes none, or none for such a server.

    >>> from headway.evidence.measurements import open_serving
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> row = next(row for row in open_serving() if row.source_id == "inferencex-dump" and row.engine == "SGLang")
    >>> launch_of(row, model("deepseek-r1"), system("hgx-b200")).kv
    'fp8'
    """
    if not drawn(row):
        return None
    engine = engine_name(row.engine)
    for one in LAUNCHES:
        asked = (model.name, one.model), (system.chip.generation, one.generation), (row.weight_precision, one.weights)
        if one.engine == engine and all(name.startswith(begins) for name, begins in asked):
            return one
    return None


def poll_of(launch: Launch, row: Measurement) -> float:
    """Passes from one look for new requests to the next [1]."""
    if not launch.rare:
        return 1.0
    return _MANY if float(row.concurrency or 0) >= _BUSY else _FEW


def chunk_of(launch: Launch, row: Measurement, model: Model) -> float:
    """Tokens of a pass on one rank [token].

    TensorRT-LLM's scripts give a Llama as much as its longest request, and a DeepSeek the users and one prompt, 8,192
    at least.
    """
    if launch.chunk is not None:
        return launch.chunk
    longest, users = float(row.isl or 0), float(row.concurrency or 0)
    if model.name.startswith("llama"):
        return max(longest + float(row.osl or 0), 1.0)
    return max(float(_LEAST), (users + longest + _PADDING + 63) // 64 * 64)
