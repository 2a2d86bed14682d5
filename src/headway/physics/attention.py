"""Bytes that a model remembers and reads per sequence, and the FLOPs of looking back.

**Stored** and **read** differ: a layer that shares its keys and values stores none but reads them, a
sliding window stores and reads a bounded tail, sparse selection stores all and reads the selected
keys plus the whole (small) index, a linear layer keeps a state that does not grow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.check import not_negative
from headway.facts.layers import (
    AttentionKind,
    CompressedAttention,
    Indexer,
    LatentAttention,
    LinearAttention,
    SoftmaxAttention,
)
from headway.facts.model import Model
from headway.facts.precision import number_format

FLOP_PER_MAC = 2.0


@dataclass(frozen=True, slots=True)
class CacheShape:
    """What the layers of one kind remember and read, per sequence; formats already applied.

    Parameters
    ----------
    kind : str
        ``"full"``, ``"window"``, ``"latent"``, ``"sparse"``, ``"linear"``, ``"compressed"``.
    count : int
        Layers of this kind [1].
    stored_per_token, read_per_token : float
        Bytes per layer per visible token [B].
    index_per_token : float
        Bytes per layer per cached token of a sparse selector's index [B].
    state : float
        Bytes per layer of a state that does not grow [B].
    span : float
        Tokens that are stored and seen at most [token]; inf where all are.
    selected : float
        Tokens that sparse attention reads at most [token]; inf where all are.
    """

    kind: str
    count: int
    stored_per_token: float
    read_per_token: float
    index_per_token: float
    state: float
    span: float
    selected: float

    def stored(self, context: Any) -> Any:
        """Bytes stored for one sequence by all layers of this kind [B]."""
        grown = np.minimum(context, self.span) * self.stored_per_token + context * self.index_per_token
        return self.count * (grown + self.state)

    def read(self, context: Any) -> Any:
        """Bytes read for one query of one sequence by all layers of this kind [B]."""
        visible = np.minimum(np.minimum(context, self.span), self.selected) * self.read_per_token
        return self.count * (visible + context * self.index_per_token + self.state)


def _selector(attention: AttentionKind) -> Indexer | None:
    return None if isinstance(attention, LinearAttention) else attention.indexer


def cache_shape(attention: AttentionKind, count: int, kv: str = "bf16") -> CacheShape:
    """Describe what `count` layers with this attention remember and read.

    >>> float(cache_shape(SoftmaxAttention(64, 8, 128), 80).stored(1.0))
    327680.0
    """
    size = number_format(kv, "kv").bytes
    span = float("inf") if attention.window is None else float(attention.window)
    index, selected = 0.0, float("inf")
    selector = _selector(attention)
    if selector is not None:
        index = selector.key_elements * size
        # Entries of a compressed cache stand for several tokens each.
        stride = attention.compress if isinstance(attention, CompressedAttention) else 1
        selected = float(selector.top_k * stride)
    if isinstance(attention, LinearAttention):
        return CacheShape(
            "linear", count, 0.0, 0.0, 0.0, attention.state_elements * attention.state_bytes, span, selected
        )
    kind = {SoftmaxAttention: "full", LatentAttention: "latent", CompressedAttention: "compressed"}[type(attention)]
    if selector is not None and kind != "compressed":
        kind = "sparse"
    elif attention.window is not None:
        kind = "window"
    return CacheShape(
        kind,
        count,
        attention.kv_elements * size,
        attention.kv_elements_read * size,
        index,
        attention.state_elements * size,
        span,
        selected,
    )


def cache_shapes(model: Model, kv: str | None = None) -> tuple[CacheShape, ...]:
    """Cache shapes of every attention group of a model, `kv` being the format of the cache.

    >>> from headway.facts.models import model
    >>> [(s.kind, s.count) for s in cache_shapes(model("gemma-3-27b"))]
    [('window', 52), ('full', 10)]
    """
    name = kv or model.precision.kv
    return tuple(cache_shape(g.attention, g.count, name) for g in model.layers if g.attention is not None)


def kv_bytes_per_token(model: Model, kv: str | None = None) -> float:
    """Bytes that each further token of context adds to one sequence's cache [B/token].

    ``sum over layers of elements x bytes``, windows and states excepted: they do not grow. Elements per
    layer are ``2 H_kv d`` for grouped-query attention (claim C51) and ``rank + rope`` for latent attention
    (DeepSeek-V2, arXiv 2405.04434, section 2.1).

    Parameters
    ----------
    model : Model
    kv : str, optional
        Format of the cache; the model's own where not given.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> kv_bytes_per_token(model("llama-3.1-70b")), kv_bytes_per_token(model("deepseek-v3"))
    (327680.0, 70272.0)
    """
    grow = (s for s in cache_shapes(model, kv) if np.isinf(s.span))
    return float(sum(s.count * (s.stored_per_token + s.index_per_token) for s in grow))


def state_bytes(model: Model, kv: str | None = None) -> float:
    """Bytes per sequence that do not grow with context, windows full [B].

    >>> from headway.facts.models import model
    >>> round(state_bytes(model("gemma-3-27b")) / 1e6), state_bytes(model("llama-3.1-70b"))
    (436, 0.0)
    """
    found = 0.0
    for shape in cache_shapes(model, kv):
        window = 0.0 if np.isinf(shape.span) else shape.span * shape.stored_per_token
        found += shape.count * (shape.state + window)
    return found


def kv_bytes(model: Model, context: ArrayLike, kv: str | None = None) -> Any:
    """Bytes stored for one sequence of `context` tokens [B], with the shape of `context`.

    >>> from headway.facts.models import model
    >>> kv_bytes(model("llama-3.1-70b"), [1, 4096]).tolist()
    [327680.0, 1342177280.0]
    """
    tokens = np.asarray(not_negative("context", context, "token"), dtype=float)
    total = sum((s.stored(tokens) for s in cache_shapes(model, kv)), start=np.zeros_like(tokens))
    return total if np.ndim(total) else float(total)


def kv_read_bytes(model: Model, context: ArrayLike, kv: str | None = None) -> Any:
    """Bytes that one decode step reads for one sequence of `context` tokens [B].

    Sparse attention stores all and reads what it selected, and its index:

    >>> from headway.facts.models import model
    >>> round(kv_read_bytes(model("deepseek-v3.2"), 65536) / kv_bytes(model("deepseek-v3.2"), 65536), 2)
    0.21
    """
    tokens = np.asarray(not_negative("context", context, "token"), dtype=float)
    total = sum((s.read(tokens) for s in cache_shapes(model, kv)), start=np.zeros_like(tokens))
    return total if np.ndim(total) else float(total)


@dataclass(frozen=True, slots=True)
class LookShape:
    """FLOPs of attention proper in one layer, by what they are proportional to.

    Parameters
    ----------
    per_visible : float
        FLOP per query per visible token when decoding [FLOP].
    per_visible_prefill : float
        The same when many queries share the context (latent attention expands its keys) [FLOP].
    per_context : float
        FLOP per query per cached token of a sparse selector [FLOP].
    per_token : float
        FLOP per query whatever the context [FLOP].
    heads : float
        Heads that each take an exponential per query and visible token [1].
    """

    per_visible: float
    per_visible_prefill: float
    per_context: float
    per_token: float
    heads: float = 0.0


def look_shape(attention: AttentionKind) -> LookShape:
    """FLOPs of scores and weighted values in one layer, ``2 H (d_k + d_v)`` per query and visible token.

    Latent attention decodes in the latent space, ``2 H (2 rank + rope)``, and prefills with expanded keys.
    A linear layer updates and reads its state, ``6 H d_k d_v`` per token (decay, write, read).

    >>> look_shape(LatentAttention(128, 512, 1536, 128, 64, 128)).per_visible
    278528.0
    """
    selector = _selector(attention)
    scan = FLOP_PER_MAC * selector.heads * selector.key_elements if selector is not None else 0.0
    match attention:
        case LatentAttention():
            latent = FLOP_PER_MAC * attention.heads * (2 * attention.kv_rank + attention.rope_dim)
            wide = attention.nope_dim + attention.rope_dim + attention.v_head_dim
            return LookShape(latent, FLOP_PER_MAC * attention.heads * wide, scan, 0.0, attention.heads)
        case LinearAttention():
            state = attention.value_heads * attention.key_dim * attention.value_dim
            taps = FLOP_PER_MAC * attention.conv_channels * attention.conv_width
            return LookShape(0.0, 0.0, 0.0, 3 * FLOP_PER_MAC * state + taps)
        case CompressedAttention():
            one = FLOP_PER_MAC * 2 * attention.heads * attention.head_dim
            raw = one * attention.raw_window if attention.compress > 1 else 0.0
            per_entry = one / attention.compress
            return LookShape(per_entry, per_entry, scan, raw, attention.heads / attention.compress)
        case SoftmaxAttention():
            one = FLOP_PER_MAC * attention.heads * (attention.head_dim + attention.value_dim)
            return LookShape(one, one, scan, 0.0, attention.heads)


def attention_flops(model: Model, context: ArrayLike) -> Any:
    """FLOPs of attention proper for one decoded token after `context` tokens, all layers [FLOP].

    Projections are not in it: they are weights like any other (claim D06).

    >>> from headway.facts.models import model
    >>> attention_flops(model("llama-3.1-70b"), 1000)
    2621440000.0
    """
    tokens = np.asarray(not_negative("context", context, "token"), dtype=float)
    total = np.zeros_like(tokens)
    for group in model.layers:
        if group.attention is None:
            continue
        look, shape = look_shape(group.attention), cache_shape(group.attention, group.count)
        visible = np.minimum(np.minimum(tokens, shape.span), shape.selected)
        total = total + group.count * (look.per_visible * visible + look.per_context * tokens + look.per_token)
    return total if total.ndim else float(total)


def attention_flops_per_context_token(model: Model) -> float:
    """Slope of :func:`attention_flops` at long context: layers that see everything, and selectors [FLOP/token].

    ``4 L H d`` for grouped-query attention, ``2 L H (576 + 512)`` for DeepSeek's latent attention (claim D06).

    >>> from headway.facts.models import model
    >>> [round(attention_flops_per_context_token(model(name)) / 1e6, 2) for name in ("llama-3.1-70b", "deepseek-v3")]
    [2.62, 16.99]
    """
    total = 0.0
    for group in model.layers:
        if group.attention is not None:
            look, shape = look_shape(group.attention), cache_shape(group.attention, group.count)
            sees_all = np.isinf(shape.span) and np.isinf(shape.selected)
            total += group.count * ((look.per_visible if sees_all else 0.0) + look.per_context)
    return total
