"""What sources state beside their tables, and what a benchmark's rules state for all of its rows.

Lengths of data sets, latency limits, queued requests, an engine's own defaults: each with where it is written. A
row takes them only where it leaves its own field empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from headway.evidence.measurements import Measurement
from headway.facts.sources import Source

_READ: Final = "2026-11-23"


@dataclass(frozen=True, slots=True)
class Dataset:
    """A benchmark's data set and its latency limits.

    Parameters
    ----------
    isl, osl : int
        Mean input and median output [token].
    server, interactive : tuple of (float, float)
        Limits on TTFT and TPOT at the 99th percentile [s]; inf where the scenario does not exist.
    samples : int
        Requests of the data set, the fewest that a run may issue [1].
    longest : int
        Cap on the output [token]; the run ends with it. The median where the longest answer is not known.
    """

    isl: int
    osl: int
    server: tuple[float, float]
    interactive: tuple[float, float]
    samples: int
    longest: int


_INF: Final = float("inf")

#: Sources of :data:`MLPERF`.
MLPERF_SOURCES: Final[tuple[Source, ...]] = (
    Source("press on MLPerf v5.1: Llama-2-70B Interactive 450 ms and 40 ms at the 99th percentile", _READ, "reported"),
    Source(
        "the other limits as commonly quoted; to be read at mlcommons.org, 2025/04 llm-inference-v5, 2025/09 "
        "small-llm-inference-5-1 and deepseek-inference-5-1",
        _READ,
        "assumed",
    ),
    Source("MLPerf v5.1 summary_results.json @965182b: median output lengths", _READ, "measured"),
    Source("mean inputs, sizes and caps on the output of the data sets; not in the summary", _READ, "assumed"),
)

#: By model of the catalog: lengths and limits of MLPerf Inference v5.1, datacenter.
MLPERF: Final[Mapping[str, Dataset]] = MappingProxyType(
    {
        "llama-2-70b": Dataset(160, 293, (2.0, 0.2), (0.45, 0.04), 24_576, 1024),
        "mixtral-8x7b": Dataset(160, 144, (2.0, 0.2), (_INF, _INF), 15_000, 1024),
        "llama-3.1-8b": Dataset(870, 128, (2.0, 0.1), (0.5, 0.03), 13_368, 128),
        "llama-3.1-405b": Dataset(9428, 653, (6.0, 0.175), (4.5, 0.08), 8313, 653),
        "deepseek-r1": Dataset(800, 3700, (2.0, 0.08), (_INF, _INF), 4388, 20_000),
    }
)


#: A run issues requests for at least ten minutes (mlcommons/inference_policies, inference_rules.adoc, scenarios), and
#: its tokens are divided by the time until the last is done. That the tail counts is a reading of those rules.
MLPERF_SECONDS: Final = 600.0

#: Sequences of a rank in closed submissions, as TensorRT-LLM's default; not in the summary, so assumed.
MLPERF_SEQUENCES: Final = 2048.0


@dataclass(frozen=True, slots=True)
class Day:
    """A production day as its operator tells it.

    Parameters
    ----------
    isl, osl : int
        Mean lengths, from tokens in over tokens out and the mean cache length per output token [token].
    cache_hit : float
        Share of the input found in the cache [1].
    context : float
        Mean cache length per output token [token].
    speed : float
        Output tokens per second of a user [token/s].
    chip_rate : float
        Output tokens per second of a chip [token/s].
    """

    isl: int
    osl: int
    cache_hit: float
    context: float
    speed: float
    chip_rate: float


#: DeepSeek's day 6 (open-infra-index @56d8685): 608B tokens in, 342B of them hits, 168B out, 4,989 cached tokens per
#: output token, 20 to 22 tokens per second and user, 14.8k output tokens per second and node of 8. With isl / osl =
#: 608 / 168 and isl + osl / 2 = 4,989 the mean request is 4,383 in and 1,211 out.
DEEPSEEK_DAY: Final = Day(4383, 1211, 342 / 608, 4989.0, 21.0, 14_800 / 8)

#: Prompt tokens that one pass carries on one rank where a prefill worker's batch is not stated; assumed to be that of
#: DeepSeek's profile (16,384 tokens per GPU, profile-data @4496024).
PREFILL_TOKENS: Final = 16_384.0

#: Sequences that a rank decodes at most, the engines' usual defaults, assumed: ``max_batch_size`` of TensorRT-LLM,
#: ``max_num_seqs`` of vLLM. They move between releases.
MOST_SEQUENCES: Final[Mapping[str, float]] = MappingProxyType({"trtllm": 2048.0, "vllm": 256.0})

#: TensorRT-LLM's default capacity policy, GUARANTEED_NO_EVICT, keeps memory for a request to its end (TensorRT-LLM
#: documentation, useful runtime options).
WHOLE_REQUEST: Final = frozenset({"trtllm"})

#: TensorRT-LLM's cache keeps all tokens in layers with an attention window unless ``max_attention_window`` is set,
#: which is not its default (``KvCacheConfig``, TensorRT-LLM documentation); the sources do not name it.
WHOLE_WINDOW: Final = frozenset({"trtllm"})

#: Share of drafted tokens kept at each place, where a source does not say: DeepSeek-V3, arXiv 2412.19437, 85 to 90%.
KEPT: Final = 0.85

_DRAFT: Final = re.compile(r"MTP\s*-?([0-9])", re.ASCII | re.IGNORECASE)


def queued(isl: int, osl: int) -> float:
    """Requests that TensorRT-LLM's overview queues at once, by the longer side [1].

    >>> [queued(*lengths) for lengths in ((1024, 1024), (8192, 1024), (1024, 32768))]
    [3000.0, 1500.0, 1000.0]
    """
    longest = max(isl, osl)
    return 3000.0 if longest < 8192 else 1500.0 if longest < 32768 else 1000.0


def drafting(row: Measurement) -> tuple[int, float]:
    """Drafted tokens and mean tokens kept per pass; none where the source does not name a number."""
    found = _DRAFT.search(row.spec_decode)
    if found is None:
        return 0, 1.0
    draft = int(found[1])
    return draft, sum(KEPT**place for place in range(draft + 1))
