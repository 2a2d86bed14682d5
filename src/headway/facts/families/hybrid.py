"""Hybrids of softmax attention and a state: Qwen3-Next and 3.5, Kimi Linear and K3, MiniMax-01, Nemotron-H."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from headway.facts.families.common import (
    dense,
    experts,
    grouped_query,
    head_width,
    hidden_size,
    layer_count,
    shared_experts,
    sparse_layers,
)
from headway.facts.families.fields import Fields, Stack, grouped, mtp_layers
from headway.facts.families.latent import latent_attention
from headway.facts.layers import AttentionKind, DenseFFN, ExpertFFN, LinearAttention, Projection
from headway.facts.model import LayerGroup

KINDS = MappingProxyType({"full_attention": "full", "attention": "full", "linear_attention": "linear"})
STATE_BYTES = MappingProxyType({"float32": 4.0, "float16": 2.0, "bfloat16": 2.0})


def state_bytes(fields: Fields) -> float:
    """Bytes per element of the recurrent state [B]: float32 unless the configuration says otherwise.

    >>> state_bytes(Fields({})), state_bytes(Fields({"mamba_ssm_dtype": "bfloat16"}))
    (4.0, 2.0)
    """
    name = fields.word("mamba_ssm_dtype", "mamba_ssm_cache_dtype", default="float32")
    if name not in STATE_BYTES:
        raise fields.refuse("mamba_ssm_dtype", name, f"one of {', '.join(sorted(STATE_BYTES))}")
    return STATE_BYTES[name]


def _full_layers(fields: Fields, layers: int, step: int) -> list[bool]:
    named = fields.kinds_per_layer("layer_types", layers, KINDS)
    if named is not None:
        return [kind == "full" for kind in named]
    step = fields.whole("full_attention_interval", default=step)
    return [(i + 1) % step == 0 for i in range(layers)]


def gated_deltanet(fields: Fields) -> LinearAttention:
    """Gated DeltaNet: queries, keys, values and a gate as wide as the values, write strength and decay per head.

    >>> from headway.facts.models import model
    >>> model("qwen3.5-27b").layers[0].attention.state_elements
    817152
    """
    hidden = hidden_size(fields)
    key_heads, value_heads = fields.whole("linear_num_key_heads"), fields.whole("linear_num_value_heads")
    if value_heads % key_heads:
        raise fields.refuse("linear_num_value_heads", value_heads, f"a multiple of the {key_heads} key heads")
    value_dim = fields.whole("linear_value_head_dim")
    return LinearAttention(
        kind="gated-deltanet",
        key_heads=key_heads,
        value_heads=value_heads,
        key_dim=fields.whole("linear_key_head_dim"),
        value_dim=value_dim,
        conv_width=fields.whole("linear_conv_kernel_dim"),
        gates=(
            Projection("z", hidden, value_heads * value_dim, "outputs", value_heads),
            Projection("b", hidden, value_heads, "outputs", value_heads),
            Projection("a", hidden, value_heads, "outputs", value_heads),
        ),
        # Decay and its bias per head, and one norm of a head's width.
        vector_params=2 * value_heads + value_dim,
        state_bytes=state_bytes(fields),
    )


def qwen3_next(fields: Fields) -> Stack:
    """Qwen3-Next and Qwen3.5 with or without experts: three Gated DeltaNet layers to each gated full one.

    >>> from headway.facts.models import model
    >>> [(g.count, g.attention.kv_elements) for g in model("qwen3.5-27b").layers]
    [(48, 0), (16, 2048)]
    """
    layers = layer_count(fields)
    full = grouped_query(fields, qkv_bias=fields.flag("attention_bias"), qk_norm=True)
    full = replace(full, output_gate=fields.flag("attn_output_gate", default=True))
    linear = gated_deltanet(fields)
    mixture: ExpertFFN | None = None
    if fields.count("num_experts"):
        shared = fields.count("shared_expert_intermediate_size")
        mixture = replace(experts(fields, shared_width=shared), shared_gate=shared > 0)
    mixed = sparse_layers(fields, layers) if mixture is not None else [False] * layers
    plain = dense(fields) if not all(mixed) else None
    stack = [
        LayerGroup(1, full if is_full else linear, mixture if sparse else plain)
        for is_full, sparse in zip(_full_layers(fields, layers, 4), mixed, strict=True)
    ]
    return Stack(grouped(stack), mtp_layers=mtp_layers(fields))


def delta_attention(fields: Fields) -> LinearAttention:
    """Kimi Delta Attention: per-channel decay from a low-rank pair, output gate low-rank or (K3) full-rank.

    >>> from headway.facts.models import model
    >>> model("kimi-k3").layers[0].attention.kind
    'kda'
    """
    inner = fields.section("linear_attn_config") or fields
    hidden = hidden_size(fields)
    heads = inner.whole("num_heads", "linear_num_heads")
    dim = inner.whole("head_dim" if inner is not fields else "linear_head_dim")
    width = heads * dim
    gate = (
        (Projection("g", hidden, width, "outputs", heads),)
        if inner.flag("use_full_rank_gate")
        else (Projection("g_a", hidden, dim, "none"), Projection("g_b", dim, width, "outputs", heads))
    )
    return LinearAttention(
        kind="kda",
        key_heads=heads,
        value_heads=heads,
        key_dim=dim,
        value_dim=dim,
        conv_width=inner.whole("short_conv_kernel_size", "linear_conv_kernel_dim"),
        gates=(
            Projection("f_a", hidden, dim, "none"),
            Projection("f_b", dim, width, "outputs", heads),
            Projection("b", hidden, heads, "outputs", heads),
            *gate,
        ),
        # Decay bias per channel, decay per head, and one norm of a head's width.
        vector_params=width + heads + dim,
    )


def kimi_linear(fields: Fields) -> Stack:
    """Kimi Linear and K3: KDA with an MLA layer every few; K3 adds latent experts and attention over depth.

    >>> from headway.facts.models import model
    >>> [(g.count, g.attention.kv_elements) for g in model("kimi-k3").layers]
    [(1, 0), (68, 0), (24, 576)]
    """
    layers, hidden = layer_count(fields), hidden_size(fields)
    full = latent_attention(fields, output_gate=fields.flag("mla_use_output_gate"))
    linear = delta_attention(fields)
    width = fields.whole("moe_intermediate_size")
    latent = fields.count("routed_expert_hidden_size")
    mixture = replace(
        experts(fields, shared_width=shared_experts(fields, width), router_bias=True),
        latent=0 if latent == hidden else latent,
        latent_norms=1 if latent and fields.flag("latent_moe_use_norm") else 0,
    )
    depth = fields.count("attn_res_block_size") > 0
    inner = fields.section("linear_attn_config")
    if inner is not None and "full_attn_layers" in inner.data:
        places = inner.places("full_attn_layers", layers, first=1)
        kinds = [i in places for i in range(layers)]
    else:
        kinds = _full_layers(fields, layers, 4)
    # Attention over depth has a norm and a score vector before attention, before the experts and at the end.
    norms = 6 if depth else 2
    stack = [
        LayerGroup(1, full if is_full else linear, mixture if sparse else dense(fields), norms)
        for is_full, sparse in zip(kinds, sparse_layers(fields, layers), strict=True)
    ]
    return Stack(grouped(stack), extra_params=2 * hidden if depth else 0, mtp_layers=mtp_layers(fields))


def minimax_01(fields: Fields) -> Stack:
    """MiniMax-Text-01 and M1: seven lightning (linear) layers to each softmax one, every layer a mixture.

    >>> from headway.facts.models import model
    >>> [(g.count, g.attention.kv_elements) for g in model("minimax-m1").layers]
    [(70, 0), (10, 2048)]
    """
    layers, hidden = layer_count(fields), hidden_size(fields)
    full = grouped_query(fields)
    dim, width = full.head_dim, full.heads * full.head_dim
    linear = LinearAttention(
        kind="lightning",
        key_heads=full.heads,
        value_heads=full.heads,
        key_dim=dim,
        value_dim=dim,
        gates=(Projection("g", hidden, width, "outputs", full.heads),),
        vector_params=width,
        state_bytes=state_bytes(fields),
    )
    listed = fields.flags_per_layer("attn_type_list", layers)
    kinds = listed if listed is not None else _full_layers(fields, layers, 8)
    shared = fields.count("shared_intermediate_size")
    mixture = experts(fields, width=fields.whole("intermediate_size"), shared_width=shared)
    return Stack(grouped(LayerGroup(1, full if is_full else linear, mixture) for is_full in kinds))


def mamba2(fields: Fields) -> LinearAttention:
    """Mamba-2 mixer: input and output matrices of a state (B, C) play keys and queries, the inner width values.

    >>> from headway.facts.models import model
    >>> model("nemotron-3-nano-30b-a3b").layers[0].attention.kind
    'mamba2'
    """
    hidden = hidden_size(fields)
    heads, dim = fields.whole("mamba_num_heads"), fields.whole("mamba_head_dim")
    groups, state = fields.whole("n_groups", "mamba_n_groups"), fields.whole("ssm_state_size", "mamba_d_state")
    inner, conv = heads * dim, heads * dim + 2 * groups * state
    bias = conv if fields.flag("use_conv_bias", default=True) else 0
    return LinearAttention(
        kind="mamba2",
        key_heads=groups,
        value_heads=heads,
        key_dim=state,
        value_dim=dim,
        conv_width=fields.whole("conv_kernel", "mamba_d_conv"),
        gates=(
            Projection("z", hidden, inner, "outputs", heads),
            Projection("dt", hidden, heads, "outputs", heads),
        ),
        # Convolution bias; decay, skip and step bias per head; one norm of the inner width.
        vector_params=bias + 3 * heads + inner,
        state_bytes=state_bytes(fields),
    )


def nemotron_h(fields: Fields) -> Stack:
    """Nemotron-H and Nemotron 3: one mixer or one feed-forward per layer, in a stated pattern.

    >>> from headway.facts.models import model
    >>> [g.count for g in model("nemotron-3-nano-30b-a3b").layers]
    [23, 23, 6]
    """
    pattern = _pattern(fields)
    attention: dict[str, AttentionKind] = {}
    ffn: dict[str, DenseFFN | ExpertFFN] = {}
    if "M" in pattern:
        attention["M"] = mamba2(fields)
    if "*" in pattern:
        full = grouped_query(fields, qkv_bias=fields.flag("attention_bias"))
        attention["*"] = replace(full, head_dim=head_width(fields, full.heads, "head_dim", "attention_head_dim"))
    if "-" in pattern:
        ffn["-"] = dense(fields, gated=False, bias=fields.flag("mlp_bias"))
    if "E" in pattern:
        mixture = experts(fields, shared_width=fields.count("moe_shared_expert_intermediate_size"), router_bias=True)
        ffn["E"] = replace(mixture, gated=False, latent=fields.count("moe_latent_size"))
    stack = [LayerGroup(1, attention.get(letter), ffn.get(letter), norms=1) for letter in pattern]
    return Stack(grouped(stack), mtp_layers=mtp_layers(fields))


def _pattern(fields: Fields) -> str:
    letters = {"mamba": "M", "linear_attention": "M", "moe": "E", "attention": "*", "full_attention": "*", "mlp": "-"}
    blocks = fields.data.get("layers_block_type")
    if isinstance(blocks, (list, tuple)):
        named = fields.kinds_per_layer("layers_block_type", min(len(blocks), 10_000), letters)
        return "".join(named or ())
    layers = layer_count(fields)
    pattern = fields.data.get("hybrid_override_pattern")
    expected = f"a pattern of {layers} letters from M, E, * and -"
    if not isinstance(pattern, str) or len(pattern) != layers or set(pattern) - set("ME*-"):
        raise fields.refuse("hybrid_override_pattern", pattern, expected)
    return pattern
