"""Multi-head latent attention: DeepSeek V2 to V3.2, Kimi K2, GLM-5, Mistral Large 3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from headway.facts.families.common import (
    dense,
    experts,
    layer_count,
    shared_experts,
    sparse_layers,
)
from headway.facts.families.fields import Fields, Stack, grouped, mtp_layers
from headway.facts.layers import DenseFFN, ExpertFFN, Indexer, LatentAttention
from headway.facts.model import LayerGroup


def latent_attention(fields: Fields, *, output_gate: bool = False, indexer: Indexer | None = None) -> LatentAttention:
    """MLA under DeepSeek's names.

    >>> from headway.facts.models import model
    >>> model("deepseek-v3").layers[0].attention.kv_elements
    576
    """
    return LatentAttention(
        heads=fields.whole("num_attention_heads"),
        kv_rank=fields.whole("kv_lora_rank"),
        q_rank=fields.count("q_lora_rank"),
        nope_dim=fields.whole("qk_nope_head_dim"),
        rope_dim=fields.count("qk_rope_head_dim"),
        v_head_dim=fields.whole("v_head_dim"),
        output_gate=output_gate,
        indexer=indexer,
    )


def indexer_of(fields: Fields) -> Indexer | None:
    """Lightning indexer of DeepSeek sparse attention; None where there is none.

    >>> from headway.facts.models import model
    >>> model("deepseek-v3.2").layers[0].attention.indexer.top_k
    2048
    """
    if not fields.count("index_topk"):
        return None
    return Indexer(
        heads=fields.whole("index_n_heads"),
        dim=fields.whole("index_head_dim"),
        top_k=fields.whole("index_topk"),
        query_inputs=fields.count("q_lora_rank"),
    )


def _blocks(fields: Fields, *, router_bias: bool) -> tuple[ExpertFFN | None, DenseFFN]:
    plain = dense(fields)
    if not fields.count("n_routed_experts", "num_experts", "num_local_experts"):
        return None, plain
    width = fields.whole("moe_intermediate_size")
    return experts(fields, shared_width=shared_experts(fields, width), router_bias=router_bias), plain


def deepseek_v2(fields: Fields) -> Stack:
    """DeepSeek V2: MLA, first layers dense, softmax router without a bias."""
    return _deepseek(fields, router_bias=False)


def deepseek_v3(fields: Fields) -> Stack:
    """DeepSeek V3 and R1, Kimi K2, and with an indexer V3.2 and GLM-5: MLA, sigmoid router with a bias."""
    return _deepseek(fields, router_bias=True)


def _deepseek(fields: Fields, *, router_bias: bool) -> Stack:
    layers = layer_count(fields)
    mixture, plain = _blocks(fields, router_bias=router_bias)
    indexer = indexer_of(fields)
    full = latent_attention(fields, indexer=indexer)
    reuse = full if indexer is None else replace(full, indexer=replace(indexer, shared=True))
    mixed = sparse_layers(fields, layers) if mixture is not None else [False] * layers
    stack = [
        LayerGroup(1, reuse if shared else full, mixture if sparse else plain)
        for shared, sparse in zip(_reused(fields, layers), mixed, strict=True)
    ]
    return Stack(grouped(stack), mtp_layers=mtp_layers(fields))


def _reused(fields: Fields, layers: int) -> list[bool]:
    """Which layers reuse the choice of the last full indexer (GLM-5.2 and later)."""
    named = fields.kinds_per_layer("indexer_types", layers, {"full": "full", "shared": "shared"})
    if named is not None:
        return [kind == "shared" for kind in named]
    pattern = fields.word("index_topk_pattern")
    if pattern:
        if len(pattern) != layers or set(pattern) - set("FS"):
            raise fields.refuse("index_topk_pattern", pattern, f"{layers} letters, F (full) or S (shared)")
        return [letter == "S" for letter in pattern]
    step = fields.whole("index_topk_freq", default=1)
    offset = fields.count("index_skip_topk_offset", default=2)
    return [max(i - offset + 1, 0) % step != 0 for i in range(layers)]


# Mistral publishes params.json beside config.json; the same layout under other names.
PARAMS_NAMES: MappingProxyType[str, str] = MappingProxyType(
    {
        "dim": "hidden_size",
        "hidden_dim": "intermediate_size",
        "n_layers": "num_hidden_layers",
        "n_heads": "num_attention_heads",
        "n_kv_heads": "num_key_value_heads",
        "tied_embeddings": "tie_word_embeddings",
        "expert_hidden_dim": "moe_intermediate_size",
        "num_experts": "n_routed_experts",
        "num_shared_experts": "n_shared_experts",
        "route_every_n": "moe_layer_freq",
    }
)


def from_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Rename Mistral's ``params.json`` to the usual keys.

    >>> from_params({"dim": 4096, "n_layers": 32})
    {'hidden_size': 4096, 'num_hidden_layers': 32, 'model_type': 'mistral'}
    """
    inner = params.get("moe")
    flat = {**params, **inner} if isinstance(inner, Mapping) else dict(params)
    renamed = {PARAMS_NAMES.get(key, key): value for key, value in flat.items() if isinstance(key, str)}
    if renamed.get("kv_lora_rank"):
        kind = "mistral4"
    else:
        kind = "mixtral" if isinstance(inner, Mapping) else "mistral"
        if kind == "mixtral" and "moe_intermediate_size" not in renamed:
            renamed["num_local_experts"] = renamed.get("n_routed_experts")
    return {**renamed, "model_type": kind}
