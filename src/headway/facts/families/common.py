"""What several families share: grouped-query heads, dense and expert blocks, which layers are which."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from headway.facts.families.fields import Fields
from headway.facts.layers import DenseFFN, ExpertFFN, SoftmaxAttention

MLP_KINDS = MappingProxyType({"dense": "dense", "sparse": "sparse", "moe": "sparse", "mlp": "dense"})


def layer_count(fields: Fields) -> int:
    """Layers of the stack [1]."""
    return fields.whole("num_hidden_layers", "n_layers", "n_layer")


def hidden_size(fields: Fields) -> int:
    """Residual width [1]."""
    return fields.whole("hidden_size", "dim", "n_embd")


def divided(fields: Fields, key: str, heads: int, kv_heads: int) -> None:
    """Refuse key/value heads that do not divide the query heads.

    >>> divided(Fields({}), "num_key_value_heads", 32, 8)
    """
    if kv_heads > heads or heads % kv_heads:
        raise fields.refuse(key, kv_heads, f"a divisor of the {heads} query heads")


def head_width(fields: Fields, heads: int, *keys: str) -> int:
    """Width of a head: as stated, or the hidden size shared among the query heads.

    >>> head_width(Fields({"hidden_size": 4096}), 32)
    128
    """
    found = fields.count(*(keys or ("head_dim", "attention_head_dim")), default=0)
    if found:
        return found
    hidden = hidden_size(fields)
    if hidden % heads:
        raise fields.refuse("head_dim", "absent", f"a head width, as {heads} heads do not divide {hidden}")
    return hidden // heads


def window_of(fields: Fields, *keys: str) -> int | None:
    """Sliding window [token], or None where it is absent, switched off or no shorter than the longest context.

    >>> window_of(Fields({"sliding_window": 4096, "max_position_embeddings": 32768}))
    4096
    >>> window_of(Fields({"sliding_window": 4096, "use_sliding_window": False})) is None
    True
    """
    if not fields.flag("use_sliding_window", default=True):
        return None
    window = fields.count(*(keys or ("sliding_window",)), default=0)
    longest = fields.count("max_position_embeddings", default=0)
    return None if window == 0 or (longest and window >= longest) else window


def grouped_query(fields: Fields, *, qkv_bias: bool = False, qk_norm: bool = False) -> SoftmaxAttention:
    """Grouped-query attention under the usual names, without a window.

    >>> grouped_query(Fields({"hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8})).kv_elements
    2048
    """
    heads = fields.whole("num_attention_heads", "n_heads", "n_head")
    kv_heads = fields.whole("num_key_value_heads", "n_kv_heads", default=heads)
    divided(fields, "num_key_value_heads", heads, kv_heads)
    return SoftmaxAttention(
        heads=heads, kv_heads=kv_heads, head_dim=head_width(fields, heads), qkv_bias=qkv_bias, qk_norm=qk_norm
    )


def windowed(attention: SoftmaxAttention, window: int | None) -> SoftmaxAttention:
    """Return the same attention within a window.

    >>> windowed(SoftmaxAttention(32, 8, 128), 4096).window
    4096
    """
    return replace(attention, window=window)


def dense(fields: Fields, *keys: str, gated: bool = True, bias: bool = False) -> DenseFFN:
    """Dense feed-forward under the usual name."""
    return DenseFFN(fields.whole(*(keys or ("intermediate_size",))), gated=gated, bias=bias)


def experts(fields: Fields, *, shared_width: int = 0, router_bias: bool = False, width: int = 0) -> ExpertFFN:
    """Mixture of experts under the usual names; `width` overrides the expert width.

    >>> experts(Fields({"num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768})).top_k
    8
    """
    total = fields.whole("num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts", most=1_000_000)
    used = fields.whole("num_experts_per_tok", "num_experts_per_token", "top_k_experts", "moe_topk")
    if used > total:
        raise fields.refuse("num_experts_per_tok", used, f"at most the {total} experts there are")
    return ExpertFFN(
        experts=total,
        top_k=used,
        width=width or fields.whole("moe_intermediate_size", "intermediate_size"),
        shared_width=shared_width,
        router_bias=router_bias,
    )


def shared_experts(fields: Fields, width: int) -> int:
    """Summed width of the shared experts, each as wide as a routed one [1].

    >>> shared_experts(Fields({"n_shared_experts": 2}), 1536)
    3072
    """
    return fields.count("n_shared_experts", "num_shared_experts") * width


def sparse_layers(fields: Fields, layers: int) -> list[bool]:
    """Which layers hold a mixture: listed by kind, by frequency, or all after the first dense ones.

    >>> sparse_layers(Fields({"first_k_dense_replace": 2}), 4)
    [False, False, True, True]
    """
    named = fields.kinds_per_layer("mlp_layer_types", layers, MLP_KINDS)
    if named is not None:
        return [kind == "sparse" for kind in named]
    if isinstance(fields.data.get("moe_layer_freq"), (list, tuple)):
        listed = fields.flags_per_layer("moe_layer_freq", layers)
        return listed if listed is not None else [True] * layers
    first = fields.count("first_k_dense_replace")
    step = fields.whole("moe_layer_freq", "decoder_sparse_step", default=1)
    only_dense = fields.places("mlp_only_layers", layers)
    by_step = "decoder_sparse_step" in fields.data
    return [i >= first and i not in only_dense and (i + 1 if by_step else i) % step == 0 for i in range(layers)]
