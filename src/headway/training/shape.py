"""What training needs to know of a model, as sums over its layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.check import positive
from headway.facts.layers import AttentionKind, ExpertFFN, LinearAttention, SoftmaxAttention
from headway.facts.model import Model
from headway.physics.attention import cache_shape, look_shape

_HALF = 2.0


@dataclass(frozen=True, slots=True)
class Shape:
    """Sums over the layers of a model.

    Parameters
    ----------
    layers, hidden, vocab : int
        [1].
    dense_params, expert_params, end_params : float
        Matrices and vectors that every token uses, routed experts, embedding and head [1].
    dense_macs, expert_macs : float
        Weights that multiply one token in the layers: dense, and of the experts it uses [1].
    dense_stored, expert_stored : float
        Bytes kept per token for the backward pass, all layers, with nothing recomputed and without score
        matrices [B]; of the dense part `replicated_stored` is not divided by tensor parallelism alone.
    whole_outputs, split_outputs : float
        Elements that products of the layers write per token, forward and backward to inputs: not divided and divided
        by tensor parallelism [1].
    replicated_stored : float
        Inputs of norms and projections, and dropout masks [B].
    heads : float
        Attention heads summed over layers [1].
    kv_width : float
        Key and value elements per token, summed over layers [1].
    expert_layers, top_k, experts : float
        Layers with experts, experts that a token uses and all in a layer [1].
    expert_side : int
        Wider side of an expert's matrices, the residual's or its own; the residual's without experts [1].
    """

    layers: int
    hidden: int
    vocab: int
    dense_params: float
    expert_params: float
    end_params: float
    dense_macs: float
    expert_macs: float
    dense_stored: float
    expert_stored: float
    replicated_stored: float
    whole_outputs: float
    split_outputs: float
    heads: float
    kv_width: float
    expert_layers: int
    top_k: int
    experts: int
    expert_side: int

    @property
    def params(self) -> float:
        """All parameters [1]."""
        return self.dense_params + self.expert_params + self.end_params


def _query_width(attention: AttentionKind) -> float:
    if isinstance(attention, LinearAttention):
        return float(attention.value_heads * attention.value_dim)
    if isinstance(attention, SoftmaxAttention):
        return float(attention.heads * attention.head_dim)
    return look_shape(attention).per_visible_prefill / (2.0 * _HALF)


def _heads(attention: AttentionKind) -> float:
    return float(attention.value_heads if isinstance(attention, LinearAttention) else attention.heads)


def shape_of(model: Model) -> Shape:
    """Sums over the layers of a model.

    Stored bytes follow Korthikanti et al.: 16-bit inputs of every product, the attention's queries, keys, values and
    output, and one byte per element of a dropout mask where the feed-forward is not gated (models of that age have
    dropout). For a GPT layer that is their ``34 h``, of which ``10 h`` are replicated over tensor ranks.

    References
    ----------
    Korthikanti et al., arXiv 2205.05198, equations 1 to 4.

    Examples
    --------
    >>> from headway.facts.training_models import training_model
    >>> gpt = shape_of(training_model("gpt3-175b"))
    >>> gpt.dense_stored / gpt.layers / gpt.hidden, gpt.replicated_stored / gpt.layers / gpt.hidden
    (34.0, 10.0)
    """
    h = model.hidden
    keys = ("dense_macs", "expert_macs", "stored", "expert_stored", "replicated", "whole", "split", "heads", "kv")
    found = dict.fromkeys(keys, 0.0)
    expert_layers = top_k = experts = side = 0
    for group in model.layers:
        n = group.count
        found["stored"] += n * 2.0 * _HALF * h
        found["replicated"] += n * 2.0 * _HALF * h
        if group.attention is not None:
            _add_attention(found, group.attention, h, n)
        if group.ffn is None:
            continue
        found["dense_macs"] += n * sum(p.params for p in group.ffn.projections(h))
        dropout = 0.0 if getattr(group.ffn, "gated", True) else 2.0 * h
        found["replicated"] += n * (_HALF * h + dropout)
        copies = 3.0 if group.ffn.gated else 2.0
        # Into the middle and back out of it: one output is as wide as the residual, forward and backward.
        wide = group.ffn.shared_width if isinstance(group.ffn, ExpertFFN) else group.ffn.width
        found["whole"] += n * 2.0 * h * (wide > 0)
        found["split"] += n * copies * wide
        if isinstance(group.ffn, ExpertFFN):
            expert_layers, top_k, experts = expert_layers + n, group.ffn.top_k, max(experts, group.ffn.experts)
            side = max(side, group.ffn.latent or h, group.ffn.width)
            found["expert_macs"] += n * top_k * sum(p.params for p in group.ffn.expert_projections(h))
            found["expert_stored"] += n * top_k * _HALF * (2.0 * h + copies * group.ffn.width)
            found["stored"] += n * _HALF * (h + copies * group.ffn.shared_width)
        else:
            found["stored"] += n * (_HALF * (h + copies * group.ffn.width) + dropout)
    return Shape(
        layers=model.n_layers,
        hidden=h,
        vocab=model.vocab,
        dense_params=float(model.total_params - model.routed_params - model.embedding_params - model.head_params),
        expert_params=float(model.routed_params),
        end_params=float(model.embedding_params + model.head_params),
        dense_macs=found["dense_macs"],
        expert_macs=found["expert_macs"],
        dense_stored=found["stored"],
        expert_stored=found["expert_stored"],
        replicated_stored=found["replicated"],
        whole_outputs=found["whole"],
        split_outputs=found["split"],
        heads=found["heads"],
        kv_width=found["kv"],
        expert_layers=expert_layers,
        top_k=top_k,
        experts=experts,
        expert_side=side or h,
    )


def _add_attention(found: dict[str, float], attention: AttentionKind, hidden: int, count: int) -> None:
    width = _query_width(attention)
    kv = float(attention.kv_elements) if isinstance(attention, SoftmaxAttention) else 2.0 * width
    found["dense_macs"] += count * sum(p.params for p in attention.projections(hidden))
    # Input, queries, keys and values, output.
    found["stored"] += count * _HALF * (hidden + width + kv + width)
    found["replicated"] += count * _HALF * hidden
    found["whole"] += count * 2.0 * hidden
    found["split"] += count * (width + kv + width)
    found["heads"] += count * _heads(attention)
    found["kv"] += count * kv


def attention_forward_flops(model: Model, context: ArrayLike) -> Any:
    """FLOPs of causal attention proper in one forward pass, per token of a sequence, all layers [FLOP].

    A query sees half the sequence on average, or its window.

    >>> from headway.facts.models import model
    >>> float(attention_forward_flops(model("llama-3.1-405b"), 8192)) / 1e9
    33.822867456
    """
    s = np.asarray(positive("context", context, "token"), dtype=float)
    total: Any = np.zeros_like(s)
    for group in model.layers:
        if group.attention is None:
            continue
        look, cached = look_shape(group.attention), cache_shape(group.attention, group.count)
        span = np.minimum(np.minimum(cached.span, cached.selected), s)
        visible = span - span * span / (2.0 * s)
        total = total + group.count * (look.per_visible_prefill * visible + look.per_context * s / 2.0 + look.per_token)
    return total


def model_flops(model: Model, context: ArrayLike) -> Any:
    """FLOPs of a training step per token as reports count them: ``6 N`` of the matrices and causal attention, thrice.

    >>> from headway.facts.models import model
    >>> round(float(model_flops(model("llama-3.1-405b"), 8192)) / 1e12, 3)
    2.524
    """
    return 6.0 * model.matmul_params + 3.0 * attention_forward_flops(model, context)
