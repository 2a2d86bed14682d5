"""What a sequence's cache holds, for models on which published calculators are wrong.

Users report, for the very models below: a calculator that counts every layer of Qwen3.5 although only every
fourth keeps a cache, 4 times too much (LMCache/LMCache pull request 3080, vllm-project/vllm issue 37121); one
that takes DeepSeek's latent vector for two (LMCache/LMCache issue 2132) and others that size Kimi K3 by 93
latent layers instead of 24 (inference-sim/inference-sim issue 1635); windows of Gemma 3, Gemma 4 and gpt-oss
charged at full context, 4 to 19 times too much (ollama/ollama pull request 16958, Andyyyy64/whichllm pull
request 124, redhat-performance/configiq issue 112), or left out altogether (alvarobartt/hf-mem issue 60);
40 to 67 % too much for Qwen3.6 in LM Studio (lmstudio-ai/lmstudio-bug-tracker issue 1862).

Each expected figure is worked out from the numbers of the published configuration: elements that one more
token adds, elements of a sparse selector's keys that it adds, and elements that do not grow, windows full.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from headway.facts.layers import LinearAttention
from headway.facts.model import Model
from headway.facts.models import entries, find, model
from headway.physics.attention import kv_bytes, kv_bytes_per_token, state_bytes

# name: (grows with context, selector's keys that grow, constant per sequence)
GOLDEN: dict[str, tuple[float, float, float]] = {
    "deepseek-v3": (61 * (512 + 64), 0, 0),
    "deepseek-r1": (61 * (512 + 64), 0, 0),
    "deepseek-v3.1": (61 * (512 + 64), 0, 0),
    "deepseek-v3.2": (61 * (512 + 64), 61 * 128, 0),
    "deepseek-v4-pro": (30 * 512 / 4 + 31 * 512 / 128, 30 * 128 / 4, 61 * 128 * 512),
    "deepseek-v4-flash": (21 * 512 / 4 + 20 * 512 / 128, 21 * 128 / 4, 43 * 128 * 512),
    "kimi-k2": (61 * (512 + 64), 0, 0),
    "kimi-k2.5": (61 * (512 + 64), 0, 0),
    "kimi-k3": (24 * (512 + 64), 0, 69 * (96 * 128 * 128 + 3 * 3 * 96 * 128)),
    "mistral-large-3": (61 * (512 + 64), 0, 0),
    "glm-5": (78 * (512 + 64), 78 * 128, 0),
    "glm-5.2": (78 * (512 + 64), 21 * 128, 0),
    "glm-4.5": (92 * 2 * 8 * 128, 0, 0),
    "glm-4.5-air": (46 * 2 * 8 * 128, 0, 0),
    "llama-2-70b": (80 * 2 * 8 * 128, 0, 0),
    "llama-3.1-8b": (32 * 2 * 8 * 128, 0, 0),
    "llama-3.1-70b": (80 * 2 * 8 * 128, 0, 0),
    "llama-3.1-405b": (126 * 2 * 8 * 128, 0, 0),
    "llama-4-scout": (12 * 2 * 8 * 128, 0, 36 * 2 * 8 * 128 * 8192),
    "llama-4-maverick": (12 * 2 * 8 * 128, 0, 36 * 2 * 8 * 128 * 8192),
    "muse-spark-open": (16 * 2 * 16 * 64, 0, 46 * 2 * 16 * 64 * 2048),
    "gpt-oss-20b": (12 * 2 * 8 * 64, 0, 12 * 2 * 8 * 64 * 128),
    "gpt-oss-120b": (18 * 2 * 8 * 64, 0, 18 * 2 * 8 * 64 * 128),
    "gemma-2-9b": (21 * 2 * 8 * 256, 0, 21 * 2 * 8 * 256 * 4096),
    "gemma-2-27b": (23 * 2 * 16 * 128, 0, 23 * 2 * 16 * 128 * 4096),
    "gemma-3-27b": (10 * 2 * 16 * 128, 0, 52 * 2 * 16 * 128 * 1024),
    "gemma-4-26b-a4b": (5 * 2 * 2 * 512, 0, 25 * 2 * 8 * 256 * 1024),
    "gemma-4-31b": (10 * 2 * 4 * 512, 0, 50 * 2 * 16 * 256 * 1024),
    "qwen3-8b": (36 * 2 * 8 * 128, 0, 0),
    "qwen3-32b": (64 * 2 * 8 * 128, 0, 0),
    "qwen3-30b-a3b": (48 * 2 * 4 * 128, 0, 0),
    "qwen3-235b-a22b": (94 * 2 * 4 * 128, 0, 0),
    "qwen3-coder-480b-a35b": (62 * 2 * 8 * 128, 0, 0),
    "qwen3-next-80b-a3b": (12 * 2 * 2 * 256, 0, 36 * (32 * 128 * 128 + 3 * (2 * 16 * 128 + 32 * 128))),
    "qwen3.5-27b": (16 * 2 * 4 * 256, 0, 48 * (48 * 128 * 128 + 3 * (2 * 16 * 128 + 48 * 128))),
    "qwen3.5-35b-a3b": (10 * 2 * 2 * 256, 0, 30 * (32 * 128 * 128 + 3 * (2 * 16 * 128 + 32 * 128))),
    "qwen3.5-122b-a10b": (12 * 2 * 2 * 256, 0, 36 * (64 * 128 * 128 + 3 * (2 * 16 * 128 + 64 * 128))),
    "qwen3.5-397b-a17b": (15 * 2 * 2 * 256, 0, 45 * (64 * 128 * 128 + 3 * (2 * 16 * 128 + 64 * 128))),
    "minimax-m1": (10 * 2 * 8 * 128, 0, 70 * 64 * 128 * 128),
    "minimax-m2.5": (62 * 2 * 8 * 128, 0, 0),
    "minimax-m3": (60 * 2 * 4 * 128, 57 * 128, 0),
    "mimo-v2-flash": (9 * 4 * (192 + 128), 0, 39 * 8 * (192 + 128) * 128),
    "mistral-7b": (0, 0, 32 * 2 * 8 * 128 * 4096),
    "mixtral-8x7b": (32 * 2 * 8 * 128, 0, 0),
    "mixtral-8x22b": (56 * 2 * 8 * 128, 0, 0),
    "phi-4": (40 * 2 * 10 * 128, 0, 0),
    "qwen2.5-72b": (80 * 2 * 8 * 128, 0, 0),
    "nemotron-3-super-120b-a12b": (8 * 2 * 2 * 128, 0, 40 * (128 * 64 * 128 + 3 * (128 * 64 + 2 * 8 * 128))),
    "nemotron-3-ultra-550b-a55b": (12 * 2 * 2 * 128, 0, 48 * (256 * 64 * 128 + 3 * (256 * 64 + 2 * 8 * 128))),
    "nemotron-3-nano-30b-a3b": (6 * 2 * 2 * 128, 0, 23 * (64 * 64 * 128 + 3 * (64 * 64 + 2 * 8 * 128))),
}

# The reference table counts windowed layers as growing in these rows, against its own column note.
COUNTS_WINDOWS = ("gemma-3-27b", "gpt-oss-120b", "gpt-oss-20b", "llama-4-maverick", "llama-4-scout")


def cache_elements(found: Model) -> tuple[float, float, float]:
    """Elements that grow, selector's keys that grow, and elements that do not."""
    grows = index = constant = 0.0
    for group in found.layers:
        attention = group.attention
        if attention is None:
            continue
        constant += group.count * attention.state_elements
        if attention.window is None:
            grows += group.count * attention.kv_elements
        else:
            constant += group.count * attention.kv_elements * attention.window
        if not isinstance(attention, LinearAttention) and attention.indexer is not None:
            index += group.count * attention.indexer.key_elements
    return grows, index, constant


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_cache_elements(name: str) -> None:
    assert cache_elements(model(name)) == GOLDEN[name]


@pytest.mark.parametrize(
    ("name", "kv", "per_token", "constant"),
    [
        ("gemma-3-27b", "bf16", 10 * 2 * 16 * 128 * 2, 52 * 2 * 16 * 128 * 1024 * 2),
        ("deepseek-v3.1", "bf16", 61 * 576 * 2, 0),
        ("deepseek-v3.1", "fp8", 61 * 576, 0),
        ("kimi-k2.5", "bf16", 61 * 576 * 2, 0),
        ("gpt-oss-20b", "bf16", 12 * 2 * 8 * 64 * 2, 12 * 2 * 8 * 64 * 128 * 2),
        ("gpt-oss-120b", "bf16", 18 * 2 * 8 * 64 * 2, 18 * 2 * 8 * 64 * 128 * 2),
        ("llama-3.1-70b", "bf16", 80 * 2 * 8 * 128 * 2, 0),
        ("muse-spark-open", "fp8", 32_768, 192_937_984),
        ("muse-spark-open", "bf16", 65_536, 385_875_968),
        ("qwen3.5-27b", "bf16", 16 * 2 * 4 * 256 * 2, 4 * 48 * (48 * 128 * 128 + 3 * (2 * 16 * 128 + 48 * 128))),
    ],
)
def test_cache_bytes(name: str, kv: str, per_token: float, constant: float) -> None:
    found = model(name)
    assert kv_bytes_per_token(found, kv) == per_token
    assert state_bytes(found, kv) == constant


def test_a_long_sequence_is_growth_plus_constant() -> None:
    found = model("gemma-3-27b")
    assert kv_bytes(found, 100_000, "bf16") == 100_000 * 10 * 2 * 16 * 128 * 2 + 52 * 2 * 16 * 128 * 1024 * 2
    # Below the window every layer still grows.
    assert kv_bytes(found, 1000, "bf16") == 1000 * 62 * 2 * 16 * 128 * 2


def test_shared_keys_are_stored_once_and_selectors_only_where_they_run() -> None:
    found = model("glm-5.2")
    layers = [g for g in found.layers if g.attention.indexer.shared]
    assert sum(g.count for g in layers) == 57
    assert all(g.attention.indexer.projections(found.hidden) == () for g in layers)


def test_every_row_with_elements_in_the_reference_table(shared: Path) -> None:
    with (shared / "data" / "models.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["kv_elems_per_token"]]
    assert len(rows) >= 26
    for row in rows:
        found = find(row["hf_id"])
        grows, _, _ = cache_elements(model(found.name))
        if found.name in COUNTS_WINDOWS:
            grows = sum(g.count * g.attention.kv_elements for g in model(found.name).layers)
        assert grows == float(row["kv_elems_per_token"]), found.name


def test_models_with_a_bounded_part_are_all_worked_out() -> None:
    worked = {entries()[name].config for name in GOLDEN}
    bounded = {entry.config for entry in entries().values() if entry.config and cache_elements(model(entry.name))[2]}
    assert bounded <= worked
