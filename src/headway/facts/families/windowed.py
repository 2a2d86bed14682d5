"""Interleaved windows and full attention: Gemma 2 to 4, gpt-oss, Llama 4, MiMo V2, Muse Spark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

from headway.facts.families.common import (
    dense,
    divided,
    experts,
    grouped_query,
    head_width,
    hidden_size,
    layer_count,
    shared_experts,
    sparse_layers,
    window_of,
    windowed,
)
from headway.facts.families.fields import Fields, Stack, grouped, mtp_layers
from headway.facts.layers import DenseFFN, ExpertFFN, SoftmaxAttention
from headway.facts.model import LayerGroup

KINDS = MappingProxyType({"full_attention": "full", "sliding_attention": "window", "chunked_attention": "window"})


def windows(fields: Fields, layers: int, default: Callable[[int], bool]) -> list[bool]:
    """Which layers see only a window: as listed, or by the family's rule on the layer's number.

    >>> windows(Fields({}), 4, lambda i: i % 2 == 0)
    [True, False, True, False]
    """
    named = fields.kinds_per_layer("layer_types", layers, KINDS)
    return [kind == "window" for kind in named] if named is not None else [default(i) for i in range(layers)]


def gemma(fields: Fields) -> Stack:
    """Gemma 1: full attention, tied embeddings."""
    return Stack(grouped([LayerGroup(layer_count(fields), grouped_query(fields), dense(fields))]))


def gemma2(fields: Fields) -> Stack:
    """Gemma 2: every other layer sees a window; norms before and after each block.

    >>> from headway.facts.models import model
    >>> [(g.count, g.attention.window) for g in model("gemma-2-9b").layers]
    [(21, 4096), (21, None)]
    """
    return _gemma(fields, grouped_query(fields), lambda i: i % 2 == 0)


def gemma3(fields: Fields) -> Stack:
    """Gemma 3: five windowed layers to each full one; norms on queries and keys too.

    >>> from headway.facts.models import model
    >>> [(g.count, g.attention.window) for g in model("gemma-3-27b").layers]
    [(52, 1024), (10, None)]
    """
    step = fields.whole("sliding_window_pattern", "_sliding_window_pattern", default=6)
    return _gemma(fields, grouped_query(fields, qk_norm=True), lambda i: (i + 1) % step != 0)


def _gemma(fields: Fields, full: SoftmaxAttention, rule: Callable[[int], bool]) -> Stack:
    layers, ffn = layer_count(fields), dense(fields)
    local = windowed(full, window_of(fields))
    kinds = windows(fields, layers, rule)
    return Stack(grouped(LayerGroup(1, local if near else full, ffn, norms=4) for near in kinds))


def gemma4(fields: Fields) -> Stack:
    """Gemma 4: wider global heads whose values come from the keys, experts beside a dense block, shared caches.

    >>> from headway.facts.models import model
    >>> [(g.count, g.attention.head_dim) for g in model("gemma-4-26b-a4b").layers]
    [(25, 256), (5, 512)]
    """
    layers, hidden = layer_count(fields), hidden_size(fields)
    local = grouped_query(fields, qk_norm=True)
    heads = local.heads
    equal = fields.flag("attention_k_eq_v")
    global_heads = fields.whole("num_global_key_value_heads", default=local.kv_heads) if equal else local.kv_heads
    divided(fields, "num_global_key_value_heads", heads, global_heads)
    full = replace(
        local,
        kv_heads=global_heads,
        head_dim=head_width(fields, heads, "global_head_dim", "head_dim"),
        values_from_keys=equal,
    )
    local = windowed(local, window_of(fields))
    side = fields.count("hidden_size_per_layer_input")
    mixed = fields.flag("enable_moe_block")
    # Beside the norms: the router's scale and its per-expert scales, one scalar per layer, per-layer input.
    norms = (8 if mixed else 4) + (1 if side else 0)
    extra = 1 + 2 * hidden * side + (fields.whole("num_experts") if mixed else 0)
    first_shared = layers - fields.whole("num_kv_shared_layers", default=0, least=0, most=layers)
    wide = fields.flag("use_double_wide_mlp")
    stack = []
    for i, near in enumerate(windows(fields, layers, lambda i: (i + 1) % 6 != 0)):
        attention = replace(local if near else full, stores_kv=i < first_shared)
        width = fields.whole("intermediate_size") * (2 if wide and i >= first_shared else 1)
        ffn = experts(fields, shared_width=width) if mixed else DenseFFN(width)
        stack.append(LayerGroup(1, attention, ffn, norms, extra))
    table = fields.whole("vocab_size_per_layer_input", "vocab_size") if side else 0
    return Stack(grouped(stack), extra_params=(table + hidden) * layers * side + side)


def gpt_oss(fields: Fields) -> Stack:
    """gpt-oss: window and full in turn, learned attention sinks, biases on everything.

    >>> from headway.facts.models import model
    >>> [(g.count, g.attention.window) for g in model("gpt-oss-20b").layers]
    [(12, 128), (12, None)]
    """
    layers, bias = layer_count(fields), fields.flag("attention_bias", default=True)
    full = replace(grouped_query(fields, qkv_bias=bias), output_bias=bias, sinks=True)
    local = windowed(full, window_of(fields))
    mixture = replace(experts(fields, width=fields.whole("intermediate_size"), router_bias=True), bias=True)
    kinds = windows(fields, layers, lambda i: i % 2 == 0)
    return Stack(grouped(LayerGroup(1, local if near else full, mixture) for near in kinds))


def llama4(fields: Fields) -> Stack:
    """Llama 4: three layers in chunks with rotary positions to each full one without; experts every few layers.

    >>> from headway.facts.models import model
    >>> [(g.count, g.attention.window) for g in model("llama-4-scout").layers]
    [(36, 8192), (12, None)]
    """
    layers, bias = layer_count(fields), fields.flag("attention_bias")
    full = replace(grouped_query(fields, qkv_bias=bias), output_bias=bias)
    local = windowed(full, window_of(fields, "attention_chunk_size"))
    rotary = fields.flags_per_layer("no_rope_layers", layers) if fields.data.get("no_rope_layers") else None
    near = windows(fields, layers, lambda i: rotary[i] if rotary is not None else (i + 1) % 4 != 0)
    width, step = fields.whole("intermediate_size"), fields.whole("interleave_moe_layer_step", default=1)
    mixture = experts(fields, width=width, shared_width=width)
    plain = DenseFFN(fields.whole("intermediate_size_mlp", default=width))
    listed = fields.places("moe_layers", layers) if fields.data.get("moe_layers") else None
    stack = [
        LayerGroup(
            1,
            local if near[i] else full,
            mixture if (i in listed if listed is not None else (i + 1) % step == 0) else plain,
        )
        for i in range(layers)
    ]
    return Stack(grouped(stack))


def mimo_v2(fields: Fields) -> Stack:
    """MiMo V2: short windows with more key/value heads and sinks, full layers with fewer; narrower values.

    >>> from headway.facts.models import model
    >>> [(g.count, g.attention.kv_heads) for g in model("mimo-v2-flash").layers]
    [(1, 4), (39, 8), (8, 4)]
    """
    layers = layer_count(fields)
    full = replace(
        grouped_query(fields, qkv_bias=fields.flag("attention_bias")),
        v_head_dim=fields.count("v_head_dim"),
        sinks=fields.flag("add_full_attention_sink_bias"),
    )
    heads = fields.whole("swa_num_attention_heads", default=full.heads)
    kv_heads = fields.whole("swa_num_key_value_heads", default=min(2 * full.kv_heads, heads))
    divided(fields, "swa_num_key_value_heads", heads, kv_heads)
    local = replace(
        full,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=fields.whole("swa_head_dim", default=full.head_dim),
        v_head_dim=fields.count("swa_v_head_dim", default=full.v_head_dim),
        sinks=fields.flag("add_swa_attention_sink_bias", default=True),
        window=window_of(fields, "sliding_window", "sliding_window_size"),
    )
    width = fields.whole("moe_intermediate_size")
    mixture = experts(fields, shared_width=shared_experts(fields, width), router_bias=True)
    listed = fields.flags_per_layer("hybrid_layer_pattern", layers)
    near = listed if listed is not None else windows(fields, layers, lambda i: i != 0 and (i + 1) % 6 != 0)
    stack = [
        LayerGroup(1, local if close else full, mixture if sparse else dense(fields))
        for close, sparse in zip(near, sparse_layers(fields, layers), strict=True)
    ]
    return Stack(grouped(stack), mtp_layers=mtp_layers(fields))


def muse_spark(fields: Fields) -> Stack:
    """Muse Spark: every fourth layer, from the last, is full and without positions; experts in a narrower width.

    >>> from headway.facts.models import model
    >>> [(g.count, g.attention.window) for g in model("muse-spark-open").layers]
    [(46, 2048), (16, None)]
    """
    layers, hidden = layer_count(fields), hidden_size(fields)
    full = replace(grouped_query(fields, qkv_bias=fields.flag("attention_bias")), output_gate=True)
    local = windowed(full, window_of(fields))
    latent = fields.whole("moe_hidden_size")
    mixture: ExpertFFN = replace(
        experts(fields, router_bias=True), latent=0 if latent == hidden else latent, latent_norms=2
    )
    # Three norms with a scale and two residual gates, each of hidden width.
    stack = [
        LayerGroup(1, local if near else full, mixture if sparse else dense(fields), norms=5)
        for near, sparse in zip(
            windows(fields, layers, lambda i: (layers - 1 - i) % 4 != 0), sparse_layers(fields, layers), strict=True
        )
    ]
    return Stack(grouped(stack))
