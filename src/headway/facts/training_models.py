"""Models that training papers measure and no published config describes, and a stand-in of a stated size.

GPT-shaped: multi-head attention, feed-forward of four times the width, one matrix for embedding and head.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from headway.facts.check import positive
from headway.facts.errors import RangeError, unknown
from headway.facts.layers import DenseFFN, ExpertFFN, SoftmaxAttention
from headway.facts.model import LayerGroup, Model
from headway.facts.sources import Source

_KORTHIKANTI: Final = Source("Korthikanti et al., arXiv 2205.05198, table 3", "2026-11-23", "reported")
_MPT: Final = Source("llm-foundry, pretraining configs of MPT; widths from memory", "2026-11-25", "assumed")

#: Layers, width, heads, vocabulary and source, by name.
GPT_SHAPES: Final[Mapping[str, tuple[int, int, int, int, Source]]] = MappingProxyType(
    {
        "megatron-22b": (48, 6144, 64, 51200, _KORTHIKANTI),
        "gpt3-175b": (96, 12288, 96, 51200, _KORTHIKANTI),
        "mt-nlg-530b": (105, 20480, 128, 51200, _KORTHIKANTI),
        "megatron-1t": (128, 25600, 160, 51200, _KORTHIKANTI),
        "mpt-70b": (80, 8192, 64, 50368, _MPT),
        "mpt-30b": (48, 7168, 64, 50368, _MPT),
        "mpt-13b": (40, 5120, 40, 50368, _MPT),
        "mpt-7b": (32, 4096, 32, 50368, _MPT),
        "mpt-3b": (32, 2560, 20, 50368, _MPT),
        "mpt-1b": (24, 2048, 16, 50368, _MPT),
    }
)


def training_model(name: str) -> Model:
    """A GPT-shaped model by name.

    Raises
    ------
    UnknownNameError
        If there is none of that name.

    Examples
    --------
    >>> round(training_model("GPT-3 175B").total_params / 1e9, 1)
    174.6
    """
    key = re.sub(r"\s*\(.*\)", "", name).strip().lower().replace("gpt-3", "gpt3").replace(" ", "-")
    if key not in GPT_SHAPES:
        raise unknown("model", name, GPT_SHAPES)
    layers, hidden, heads, vocab, source = GPT_SHAPES[key]
    group = LayerGroup(layers, SoftmaxAttention(heads, heads, hidden // heads), DenseFFN(4 * hidden, gated=False))
    return Model(key, hidden, vocab, (group,), tied_embeddings=True, sources=(source,))


def stand_in(name: str, total_params: float, active_params: float | None = None) -> Model:
    """A transformer of a stated size, for a model whose layout is not known.

    Width is 128 times the layers and attention is grouped 8 to 1; what is not active is spread over experts of which
    8 are used.

    Raises
    ------
    RangeError
        If a count is not above zero, or the active one above the total.

    Examples
    --------
    >>> found = stand_in("a model of mine", 70e9)
    >>> found.n_layers, round(found.total_params / 70e9, 2)
    (71, 1.0)
    """
    total, active = float(positive("total_params", total_params)), float(active_params or total_params)
    if not 0 < active <= total:
        raise RangeError("active_params", active, f"above 0 and at most the {total:g} of all")
    layers = max(round((active / (12 * 128**2)) ** (1 / 3)), 2)
    hidden = max(round(math.sqrt(active / (12 * layers)) / 128), 1) * 128
    attention = SoftmaxAttention(hidden // 128, max(hidden // 1024, 1), 128)
    spent = sum(p.params for p in attention.projections(hidden))
    vocab = 128_000 if active > 5e9 else 32_000
    room = max(active - 2 * vocab * hidden, 0.2 * active) / layers - spent
    width = max(round(room / (3 * hidden) / 128), 1) * 128
    if total <= 1.05 * active:
        ffn: DenseFFN | ExpertFFN = DenseFFN(width)
    else:
        one = max(round(width / 8 / 64), 1) * 64
        extra = (total - active) / (layers * 3 * hidden * one)
        ffn = ExpertFFN(8 * max(round((8 + extra) / 8), 1), 8, one)
    source = Source(f"{name}: shape assumed from its parameters alone", "2026-11-25", "assumed")
    return Model(name, hidden, vocab, (LayerGroup(layers, attention, ffn),), sources=(source,))
