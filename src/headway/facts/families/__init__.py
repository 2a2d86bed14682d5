"""Families of published models: which reader understands which ``model_type``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from headway.facts.families import compressed, dense, hybrid, latent, mixture, windowed
from headway.facts.families.fields import Fields, Stack


@dataclass(frozen=True)
class Family:
    """One architecture family.

    Parameters
    ----------
    read : callable
        Reads the layers from the fields of the text tower.
    defaults : mapping
        Values that published files of the family leave out.
    """

    read: Callable[[Fields], Stack]
    defaults: Mapping[str, Any] = field(default_factory=dict)


_TIED = MappingProxyType({"tie_word_embeddings": True})
_GEMMA2 = MappingProxyType({"tie_word_embeddings": True, "vocab_size": 256_000, "head_dim": 256})
# Defaults of Gemma3TextConfig, which the published files of the larger Gemma 3 models rely on.
_GEMMA3 = MappingProxyType(
    {
        "tie_word_embeddings": True,
        "vocab_size": 262_208,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "max_position_embeddings": 131_072,
    }
)
_GEMMA4 = MappingProxyType({"tie_word_embeddings": True, "head_dim": 256, "global_head_dim": 512})

FAMILIES: MappingProxyType[str, Family] = MappingProxyType(
    {
        "llama": Family(dense.llama),
        "mistral": Family(dense.mistral),
        "ministral3": Family(dense.mistral),
        "qwen2": Family(dense.qwen2),
        "qwen2_vl": Family(dense.qwen2),
        "qwen2_5_vl": Family(dense.qwen2),
        "mimo": Family(dense.qwen2),
        "seed_oss": Family(dense.qwen2),
        "qwen3": Family(dense.qwen3),
        "qwen3_vl": Family(dense.qwen3),
        "phi": Family(dense.phi),
        "phi3": Family(dense.phi3),
        "mixtral": Family(mixture.mixtral),
        "phimoe": Family(mixture.phimoe),
        "qwen2_moe": Family(mixture.qwen2_moe),
        "qwen3_moe": Family(mixture.qwen3_moe),
        "qwen3_vl_moe": Family(mixture.qwen3_moe),
        "glm4_moe": Family(mixture.glm4_moe),
        "minimax_m2": Family(mixture.minimax_m2),
        "minimax_m3": Family(mixture.minimax_m3),
        "minimax_m3_vl": Family(mixture.minimax_m3),
        "deepseek_v2": Family(latent.deepseek_v2),
        "deepseek_v3": Family(latent.deepseek_v3),
        "deepseek_v32": Family(latent.deepseek_v3),
        "kimi_k2": Family(latent.deepseek_v3),
        "kimi_k25": Family(latent.deepseek_v3),
        "glm_moe_dsa": Family(latent.deepseek_v3),
        "glm4_moe_lite": Family(latent.deepseek_v3),
        "mistral4": Family(latent.deepseek_v2),
        "deepseek_v4": Family(compressed.deepseek_v4),
        "qwen3_next": Family(hybrid.qwen3_next),
        "qwen3_5": Family(hybrid.qwen3_next),
        "qwen3_5_moe": Family(hybrid.qwen3_next),
        "kimi_linear": Family(hybrid.kimi_linear),
        "kimi_k3": Family(hybrid.kimi_linear),
        "minimax": Family(hybrid.minimax_01),
        "minimax_text_01": Family(hybrid.minimax_01),
        "minimax_m1": Family(hybrid.minimax_01),
        "nemotron_h": Family(hybrid.nemotron_h),
        "gemma": Family(windowed.gemma, _TIED),
        "gemma2": Family(windowed.gemma2, _GEMMA2),
        "gemma3": Family(windowed.gemma3, _GEMMA3),
        "gemma4": Family(windowed.gemma4, _GEMMA4),
        "gpt_oss": Family(windowed.gpt_oss),
        "llama4": Family(windowed.llama4),
        "mimo_v2": Family(windowed.mimo_v2),
        "mimo_v2_flash": Family(windowed.mimo_v2),
        "muse_spark": Family(windowed.muse_spark),
    }
)
