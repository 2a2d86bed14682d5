"""Compressed attention: DeepSeek V4."""

from __future__ import annotations

from dataclasses import replace

from headway.facts.families.common import experts, hidden_size, layer_count, shared_experts
from headway.facts.families.fields import Fields, Stack, grouped, mtp_layers
from headway.facts.layers import CompressedAttention, Indexer
from headway.facts.model import LayerGroup

# Entries of a lightly compressed layer draw from two neighbouring windows; heavier ones from one.
SELECTED_RATIO = 4


def deepseek_v4(fields: Fields) -> Stack:
    """DeepSeek V4: one shared key/value head, past compressed 4 or 128 times, several residual streams.

    >>> from headway.facts.models import model
    >>> sorted({g.attention.compress for g in model("deepseek-v4-pro").layers})
    [4, 128]
    """
    layers, hidden = layer_count(fields), hidden_size(fields)
    width = fields.whole("moe_intermediate_size")
    mixture = experts(fields, shared_width=shared_experts(fields, width), router_bias=True)
    streams = fields.whole("hc_mult", default=1)
    # Mixing of residual streams: for attention and for experts, one matrix over all streams, a base and three scales.
    outputs = 2 * streams + streams * streams
    mixing = 2 * (outputs * streams * hidden + outputs + 3) if streams > 1 else 0
    ends = streams * streams * hidden + streams + 1 if streams > 1 else 0
    kinds = {ratio: _attention(fields, ratio) for ratio in set(_ratios(fields, layers))}
    # The first layers route by a table of token numbers and have no bias to learn.
    tabled, hashed = replace(mixture, router_bias=False), fields.count("num_hash_layers")
    stack = [
        LayerGroup(1, kinds[ratio], tabled if i < hashed else mixture, extra_params=mixing)
        for i, ratio in enumerate(_ratios(fields, layers))
    ]
    return Stack(grouped(stack), extra_params=ends, mtp_layers=mtp_layers(fields))


def _ratios(fields: Fields, layers: int) -> list[int]:
    """Tokens per compressed entry of each layer; 0 keeps only the window."""
    modules = min(fields.count("num_nextn_predict_layers"), 16)
    values = fields.per_layer("compress_ratios", layers, spare=modules)
    if values is None:
        raise fields.refuse("compress_ratios", "absent", "the compression of each layer")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1_000_000:
            raise fields.refuse("compress_ratios", value, "whole numbers from 0 to 1,000,000")
    return [int(value) for value in values]


def _attention(fields: Fields, ratio: int) -> CompressedAttention:
    selected = ratio == SELECTED_RATIO
    heads, head_dim = fields.whole("num_attention_heads"), fields.whole("head_dim")
    groups = fields.whole("o_groups")
    if heads * head_dim % groups:
        raise fields.refuse("o_groups", groups, f"a divisor of {heads * head_dim}, the width of the heads")
    overlap = 2 if selected else 1
    return CompressedAttention(
        heads=heads,
        head_dim=head_dim,
        rope_dim=fields.count("qk_rope_head_dim"),
        q_rank=fields.whole("q_lora_rank"),
        o_groups=groups,
        o_rank=fields.whole("o_lora_rank"),
        raw_window=fields.whole("sliding_window"),
        compress=max(ratio, 1),
        indexer=_indexer(fields, ratio, overlap) if selected else None,
        overlap=overlap,
    )


def _indexer(fields: Fields, ratio: int, overlap: int) -> Indexer:
    dim = fields.whole("index_head_dim")
    return Indexer(
        heads=fields.whole("index_n_heads"),
        dim=dim,
        top_k=fields.whole("index_topk"),
        query_inputs=fields.whole("q_lora_rank"),
        compress=ratio,
        # Keys and their pooling weights are projected for each overlapping window.
        key_outputs=2 * overlap * dim,
        vectors=ratio * overlap * dim + dim,
    )
