"""Layers, formats and sources in words, the same in every command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import fields

from headway.cli._report import Cell, Column, Table
from headway.facts.layers import (
    AttentionKind,
    DenseFFN,
    ExpertFFN,
    FeedForward,
    Indexer,
    LatentAttention,
    LinearAttention,
    SoftmaxAttention,
)
from headway.facts.model import Model
from headway.facts.precision import Precision
from headway.facts.sources import Source


def _softmax_name(attention: SoftmaxAttention) -> str:
    if attention.kv_heads == attention.heads:
        return "MHA"
    return "MQA" if attention.kv_heads == 1 else "GQA"


def attention_name(attention: AttentionKind) -> str:
    """Short name of an attention kind.

    >>> attention_name(SoftmaxAttention(64, 8, 128)), attention_name(LatentAttention(128, 512, 1536, 128, 64, 128))
    ('GQA', 'MLA')
    """
    if isinstance(attention, LinearAttention):
        return attention.kind
    if isinstance(attention, SoftmaxAttention):
        name = _softmax_name(attention)
    else:
        name = "MLA" if isinstance(attention, LatentAttention) else "compressed"
    if attention.indexer is not None:
        name += " sparse"
    return f"{name} window" if attention.window is not None else name


def attention_kinds(model: Model) -> str:
    """Attention kinds of a model, with the number of layers where there are several.

    >>> from headway.facts.model import LayerGroup
    >>> full, tail = SoftmaxAttention(64, 8, 128), SoftmaxAttention(64, 8, 128, window=1024)
    >>> attention_kinds(Model("m", 64, 64, (LayerGroup(10, full, None), LayerGroup(50, tail, None))))
    '50 GQA window, 10 GQA'
    """
    counts: Counter[str] = Counter()
    for group in model.layers:
        if group.attention is not None:
            counts[attention_name(group.attention)] += group.count
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "no attention"


def _indexer_text(indexer: Indexer) -> str:
    if indexer.shared:
        return f", reads the {indexer.top_k:,} keys an earlier layer chose"
    unit = "entries" if indexer.compress > 1 else "keys" if indexer.block == 1 else f"blocks of {indexer.block}"
    return f", reads the best {indexer.top_k:,} {unit} ({indexer.heads} x {indexer.dim} indexer)"


def attention_text(attention: AttentionKind | None) -> str:
    """One attention layer in words.

    >>> attention_text(SoftmaxAttention(64, 8, 128))
    'GQA 64 heads, 8 KV x 128'
    """
    if attention is None:
        return "none"
    if isinstance(attention, LinearAttention):
        keys = f"{attention.key_heads} x {attention.key_dim} keys"
        return f"{attention.kind} {keys}, {attention.value_heads} x {attention.value_dim} values"
    if isinstance(attention, SoftmaxAttention):
        text = _softmax_text(attention)
    elif isinstance(attention, LatentAttention):
        text = f"MLA {attention.heads} heads, latent {attention.kv_rank} + {attention.rope_dim} rotary"
    else:
        past = f"past compressed {attention.compress}:1, " if attention.compress > 1 else ""
        text = f"compressed {attention.heads} heads x {attention.head_dim}, {past}{attention.raw_window} raw"
    return text + (_indexer_text(attention.indexer) if attention.indexer is not None else "")


def _softmax_text(attention: SoftmaxAttention) -> str:
    width = f"{attention.head_dim}" + (f"/{attention.v_head_dim}" if attention.v_head_dim else "")
    text = f"{_softmax_name(attention)} {attention.heads} heads, {attention.kv_heads} KV x {width}"
    text += ", keys are values" if attention.keys_are_values else ""
    return text + ("" if attention.stores_kv else ", reads an earlier layer's cache")


def ffn_text(ffn: FeedForward | None) -> str:
    """One feed-forward block in words.

    >>> ffn_text(ExpertFFN(256, 8, 2048, 2048)), ffn_text(DenseFFN(18432))
    ('8 of 256 experts x 2,048, shared 2,048', 'dense 18,432')
    """
    match ffn:
        case None:
            return "none"
        case DenseFFN():
            return f"dense {ffn.width:,}" + ("" if ffn.gated else ", not gated")
        case ExpertFFN():
            text = f"{ffn.top_k} of {ffn.experts} experts x {ffn.width:,}"
            text += f", shared {ffn.shared_width:,}" if ffn.shared_width else ""
            return text + (f", in a latent of {ffn.latent:,}" if ffn.latent else "")


def precision_text(precision: Precision) -> str:
    """Formats of the weights in words, those that agree together.

    >>> precision_text(Precision.uniform("fp8"))
    'bf16: embedding, head; fp8: attention, ffn, experts'
    """
    parts: dict[str, list[str]] = {}
    for entry in fields(precision):
        if entry.name not in ("kv", "activation"):
            parts.setdefault(getattr(precision, entry.name), []).append(entry.name)
    if len(parts) == 1:
        return f"all {next(iter(parts))}"
    return "; ".join(f"{name}: {', '.join(members)}" for name, members in parts.items())


def sources_table(sources: Iterable[Source], title: str = "Sources") -> Table:
    """Sources as a table: what kind of knowledge, when it was read, where it is found."""
    columns = (
        Column("kind", "kind", align="left"),
        Column("retrieved", "read", align="left"),
        Column("source", "source", align="left", fold=True),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple((s.kind, s.retrieved, s.text) for s in dict.fromkeys(sources))
    return Table("sources", columns, rows, title)
