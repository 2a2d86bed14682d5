"""Mixtures of experts over grouped-query attention: mixtral, phimoe, qwen2/3 MoE, glm4 MoE, MiniMax M2 and M3."""

from __future__ import annotations

from dataclasses import replace

from headway.facts.families.common import (
    dense,
    experts,
    grouped_query,
    hidden_size,
    layer_count,
    shared_experts,
    sparse_layers,
    window_of,
    windowed,
)
from headway.facts.families.fields import Fields, Stack, grouped, mtp_layers
from headway.facts.layers import AttentionKind, DenseFFN, ExpertFFN, Indexer, SoftmaxAttention
from headway.facts.model import LayerGroup


def interleaved(fields: Fields, attention: AttentionKind, mixture: ExpertFFN, plain: DenseFFN | None) -> Stack:
    """One attention kind on all layers; each layer a mixture or the plain block.

    >>> from headway.facts.models import model
    >>> [g.count for g in model("qwen3-30b-a3b").layers]
    [48]
    """
    kinds = sparse_layers(fields, layer_count(fields))
    if plain is None and not all(kinds):
        raise fields.refuse("intermediate_size", "absent", "the width of the dense layers")
    layers = [LayerGroup(1, attention, mixture if sparse else plain) for sparse in kinds]
    return Stack(grouped(layers), mtp_layers=mtp_layers(fields))


def _plain(fields: Fields) -> DenseFFN | None:
    return dense(fields) if fields.count("intermediate_size") else None


def mixtral(fields: Fields) -> Stack:
    """Mixtral: every layer a mixture whose experts carry the usual width name.

    >>> from headway.facts.models import model
    >>> model("mixtral-8x7b").layers[0].ffn.width
    14336
    """
    attention = windowed(grouped_query(fields), window_of(fields))
    mixture = experts(fields, width=fields.whole("intermediate_size"))
    return Stack(grouped([LayerGroup(layer_count(fields), attention, mixture)]))


def phimoe(fields: Fields) -> Stack:
    """Phi-3.5-MoE: as Mixtral, with layer norms that have biases and, where stated, biased projections and head.

    >>> from headway.facts.models import model
    >>> model("phi-3.5-moe").layers[0].norms
    4
    """
    bias = fields.flag("attention_bias")
    attention = windowed(replace(grouped_query(fields, qkv_bias=bias), output_bias=bias), window_of(fields))
    mixture = experts(fields, width=fields.whole("intermediate_size"))
    ends = hidden_size(fields) + (fields.whole("vocab_size") if fields.flag("lm_head_bias") else 0)
    return Stack(grouped([LayerGroup(layer_count(fields), attention, mixture, norms=4)]), extra_params=ends)


def qwen2_moe(fields: Fields) -> Stack:
    """Qwen2 MoE: biased projections and one wide shared expert behind a learned gate.

    >>> config = {"hidden_size": 2048, "num_hidden_layers": 24, "num_attention_heads": 16, "num_experts": 60}
    >>> widths = {"moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632, "num_experts_per_tok": 4}
    >>> qwen2_moe(Fields({**config, **widths})).layers[0].ffn.shared_gate
    True
    """
    attention = grouped_query(fields, qkv_bias=fields.flag("qkv_bias", "attention_bias", default=True))
    shared = fields.whole("shared_expert_intermediate_size")
    mixture = replace(experts(fields, shared_width=shared), shared_gate=True)
    return interleaved(fields, attention, mixture, _plain(fields))


def qwen3_moe(fields: Fields) -> Stack:
    """Qwen3 MoE: normed queries and keys, no shared expert.

    >>> from headway.facts.models import model
    >>> model("qwen3-235b-a22b").layers[0].ffn.shared_width
    0
    """
    attention = grouped_query(fields, qkv_bias=fields.flag("attention_bias"), qk_norm=True)
    return interleaved(fields, attention, experts(fields), _plain(fields))


def glm4_moe(fields: Fields) -> Stack:
    """GLM-4.5 to 4.7: biased queries, keys and values, optional norms on them, shared experts, biased router.

    >>> from headway.facts.models import model
    >>> [g.count for g in model("glm-4.5").layers]
    [3, 89]
    """
    bias, norm = fields.flag("attention_bias"), fields.flag("use_qk_norm")
    width = fields.whole("moe_intermediate_size")
    mixture = experts(fields, shared_width=shared_experts(fields, width), router_bias=True)
    return interleaved(fields, grouped_query(fields, qkv_bias=bias, qk_norm=norm), mixture, _plain(fields))


def minimax_m2(fields: Fields) -> Stack:
    """MiniMax M2 to M2.7: full attention with norms over all heads, no shared expert.

    >>> from headway.facts.models import model
    >>> model("minimax-m2.5").layers[0].attention.wide_qk_norm
    True
    """
    norm = fields.flag("use_qk_norm", default=True)
    wide = fields.word("qk_norm_type", default="per_layer") == "per_layer"
    attention = replace(grouped_query(fields, qk_norm=norm), wide_qk_norm=norm and wide)
    mixture = experts(
        fields,
        width=fields.whole("intermediate_size"),
        shared_width=fields.count("shared_intermediate_size"),
        router_bias=fields.flag("use_routing_bias", default=True),
    )
    return interleaved(fields, attention, mixture, None)


def minimax_m3(fields: Fields) -> Stack:
    """MiniMax M3: block-sparse attention chosen by a few scoring heads, after the first full layers.

    >>> from headway.facts.models import model
    >>> [(g.count, g.attention.indexer is not None) for g in model("minimax-m3").layers]
    [(3, False), (57, True)]
    """
    layers = layer_count(fields)
    full = grouped_query(fields, qk_norm=fields.flag("use_qk_norm", default=True))
    sparse, chosen = _block_sparse(fields, layers, full)
    width = fields.whole("moe_intermediate_size", "intermediate_size")
    shared = fields.whole("n_shared_experts", default=1, least=0) * fields.count("shared_intermediate_size")
    mixture = experts(fields, width=width, shared_width=shared, router_bias=True)
    plain = DenseFFN(fields.whole("dense_intermediate_size", "intermediate_size"))
    stack = [
        LayerGroup(1, sparse if pick else full, mixture if mixed else plain)
        for pick, mixed in zip(chosen, sparse_layers(fields, layers), strict=True)
    ]
    return Stack(grouped(stack), mtp_layers=mtp_layers(fields))


def _block_sparse(fields: Fields, layers: int, full: SoftmaxAttention) -> tuple[SoftmaxAttention, list[bool]]:
    inner = fields.section("sparse_attention_config")
    if inner is None or not inner.flag("use_sparse_attention", default=True):
        return full, [False] * layers
    block = inner.whole("sparse_block_size")
    indexer = Indexer(
        heads=inner.whole("sparse_num_index_heads"),
        dim=inner.whole("sparse_index_dim"),
        top_k=inner.whole("sparse_topk_blocks") * block,
        block=block,
        weighted=False,
    )
    chosen = inner.flags_per_layer("sparse_attention_freq", layers)
    return replace(full, indexer=indexer), chosen if chosen is not None else [True] * layers
