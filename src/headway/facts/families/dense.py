"""Dense grouped-query families: llama, mistral, qwen2, qwen3, phi, phi3."""

from __future__ import annotations

from dataclasses import replace

from headway.facts.families.common import dense, grouped_query, hidden_size, layer_count, window_of, windowed
from headway.facts.families.fields import Fields, Stack, grouped, mtp_layers
from headway.facts.layers import SoftmaxAttention
from headway.facts.model import LayerGroup


def llama(fields: Fields) -> Stack:
    """Llama 1 to 3: grouped-query attention, gated feed-forward, two norms.

    >>> from headway.facts.models import model
    >>> model("llama-3.1-8b").layers[0].attention.kv_elements
    2048
    """
    bias = fields.flag("attention_bias")
    attention = replace(grouped_query(fields, qkv_bias=bias), output_bias=bias)
    ffn = dense(fields, bias=fields.flag("mlp_bias"))
    return Stack(grouped([LayerGroup(layer_count(fields), attention, ffn)]), mtp_layers=mtp_layers(fields))


def mistral(fields: Fields) -> Stack:
    """Mistral 7B and kin: as Llama, with one sliding window on all layers where one is given.

    >>> from headway.facts.models import model
    >>> model("mistral-7b").layers[0].attention.window
    4096
    """
    attention = windowed(grouped_query(fields), window_of(fields))
    return Stack(grouped([LayerGroup(layer_count(fields), attention, dense(fields))]))


def qwen2(fields: Fields) -> Stack:
    """Qwen2 and 2.5: biases on queries, keys and values; a window only on layers past ``max_window_layers``.

    >>> from headway.facts.models import model
    >>> model("qwen2.5-7b").layers[0].attention.qkv_bias
    True
    """
    full = grouped_query(fields, qkv_bias=fields.flag("attention_bias", "qkv_bias", default=True))
    return _windowed_tail(fields, full)


def qwen3(fields: Fields) -> Stack:
    """Qwen3: norms on queries and keys instead of biases.

    >>> from headway.facts.models import model
    >>> model("qwen3-8b").layers[0].attention.qk_norm
    True
    """
    bias = fields.flag("attention_bias")
    full = replace(grouped_query(fields, qkv_bias=bias, qk_norm=True), output_bias=bias)
    return _windowed_tail(fields, full)


def _windowed_tail(fields: Fields, full: SoftmaxAttention) -> Stack:
    layers, ffn = layer_count(fields), dense(fields)
    window = window_of(fields) if fields.flag("use_sliding_window") else None
    head = layers if window is None else min(fields.count("max_window_layers"), layers)
    stack = [LayerGroup(head, full, ffn), LayerGroup(layers - head, windowed(full, window), ffn)]
    return Stack(grouped(g for g in stack if g.count), mtp_layers=mtp_layers(fields))


def phi3(fields: Fields) -> Stack:
    """Phi-3 and Phi-4: as Llama without biases; early ones with a sliding window.

    >>> from headway.facts.models import model
    >>> model("phi-4").layers[0].attention.kv_heads
    10
    """
    attention = windowed(grouped_query(fields), window_of(fields))
    return Stack(grouped([LayerGroup(layer_count(fields), attention, dense(fields))]))


def phi(fields: Fields) -> Stack:
    """Phi-1 and Phi-2: one layer norm for attention and feed-forward in parallel, biases everywhere.

    >>> config = {"hidden_size": 2560, "num_hidden_layers": 32, "num_attention_heads": 32, "vocab_size": 51200}
    >>> phi(Fields({**config, "intermediate_size": 10240})).layers[0].ffn.gated
    False
    """
    attention = replace(grouped_query(fields, qkv_bias=True), output_bias=True)
    ffn = dense(fields, gated=False, bias=True)
    # A layer norm has a weight and a bias; so has the last one, and the head has a bias too.
    ends = hidden_size(fields) + fields.whole("vocab_size")
    return Stack(grouped([LayerGroup(layer_count(fields), attention, ffn, norms=2)]), extra_params=ends)
