"""Models that training papers measure and no published config describes, and a stand-in of a stated size."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from headway.facts.check import positive, whole
from headway.facts.errors import RangeError, unknown
from headway.facts.layers import DenseFFN, ExpertFFN, SoftmaxAttention
from headway.facts.model import LayerGroup, Model
from headway.facts.sources import Source


@dataclass(frozen=True, slots=True)
class TrainedShape:
    """Shape of a model as its paper tells it.

    Parameters
    ----------
    layers, hidden, heads, vocab : int
        [1].
    source : Source
    kv_heads, head_dim, ffn : int
        [1]; as many as heads, the width over the heads, and four times the width where 0.
    gated, tied : bool
        Feed-forward of three matrices; one matrix for embedding and head.
    experts, top_k, shared : int
        Routed experts, those of one token, and the width of what every token uses [1].
    """

    layers: int
    hidden: int
    heads: int
    vocab: int
    source: Source
    kv_heads: int = 0
    head_dim: int = 0
    ffn: int = 0
    gated: bool = False
    tied: bool = True
    experts: int = 0
    top_k: int = 0
    shared: int = 0

    def model(self, name: str) -> Model:
        """The model of this shape."""
        attention = SoftmaxAttention(
            self.heads, self.kv_heads or self.heads, self.head_dim or self.hidden // self.heads
        )
        width = self.ffn or 4 * self.hidden
        ffn: DenseFFN | ExpertFFN = DenseFFN(width, gated=self.gated)
        if self.experts:
            ffn = ExpertFFN(self.experts, self.top_k, width, self.shared, gated=self.gated)
        group = LayerGroup(self.layers, attention, ffn)
        return Model(name, self.hidden, self.vocab, (group,), tied_embeddings=self.tied, sources=(self.source,))


def _paper(text: str) -> Source:
    return Source(text, "2026-11-25", "reported")


_KORTHIKANTI: Final = Source("Korthikanti et al., arXiv 2205.05198, table 3", "2026-11-23", "reported")
_NARAYANAN: Final = _paper("Narayanan et al., arXiv 2104.04473, table 1")
_MPT: Final = Source("llm-foundry, pretraining configs of MPT; widths from memory", "2026-11-25", "assumed")
_LLAMA: Final = _paper("Touvron et al., arXiv 2302.13971 and 2307.09288")
_NEMOTRON: Final = _paper("Nemotron-4 15B and 340B, arXiv 2402.16819 and 2406.11704")

#: Shapes by name. Parameters that follow from them are within 2% of those stated.
GPT_SHAPES: Final[Mapping[str, TrainedShape]] = MappingProxyType(
    {
        "megatron-22b": TrainedShape(48, 6144, 64, 51200, _KORTHIKANTI),
        "gpt3-175b": TrainedShape(96, 12288, 96, 51200, _KORTHIKANTI),
        "mt-nlg-530b": TrainedShape(105, 20480, 128, 51200, _KORTHIKANTI),
        "megatron-1t": TrainedShape(128, 25600, 160, 51200, _KORTHIKANTI),
        "gpt-1.7b": TrainedShape(24, 2304, 24, 51200, _NARAYANAN),
        "gpt-3.6b": TrainedShape(30, 3072, 32, 51200, _NARAYANAN),
        "gpt-7.5b": TrainedShape(36, 4096, 32, 51200, _NARAYANAN),
        "gpt-18.4b": TrainedShape(40, 6144, 48, 51200, _NARAYANAN),
        "gpt-39.1b": TrainedShape(48, 8192, 64, 51200, _NARAYANAN),
        "gpt-76.1b": TrainedShape(60, 10240, 80, 51200, _NARAYANAN),
        "gpt-145.6b": TrainedShape(80, 12288, 96, 51200, _NARAYANAN),
        "gpt-310.1b": TrainedShape(96, 16384, 128, 51200, _NARAYANAN),
        "bloom-176b": TrainedShape(70, 14336, 112, 250880, _paper("BLOOM, arXiv 2211.05100")),
        "opt-175b": TrainedShape(96, 12288, 96, 50272, _paper("OPT, arXiv 2205.01068")),
        "gpt-neox-20b": TrainedShape(44, 6144, 64, 50432, _paper("GPT-NeoX-20B, arXiv 2204.06745"), tied=False),
        "llama-7b": TrainedShape(32, 4096, 32, 32000, _LLAMA, ffn=11008, gated=True, tied=False),
        "llama-13b": TrainedShape(40, 5120, 40, 32000, _LLAMA, ffn=13824, gated=True, tied=False),
        "llama-33b": TrainedShape(60, 6656, 52, 32000, _LLAMA, ffn=17920, gated=True, tied=False),
        "llama-65b": TrainedShape(80, 8192, 64, 32000, _LLAMA, ffn=22016, gated=True, tied=False),
        "palm-540b": TrainedShape(118, 18432, 48, 256000, _paper("PaLM, arXiv 2204.02311"), 1, 256, 73728, gated=True),
        "falcon-180b": TrainedShape(80, 14848, 232, 65024, _paper("Falcon, arXiv 2311.16867"), kv_heads=8),
        "nemotron-4-15b": TrainedShape(32, 6144, 48, 256000, _NEMOTRON, kv_heads=8, tied=False),
        "nemotron-4-340b": TrainedShape(96, 18432, 96, 256000, _NEMOTRON, kv_heads=8, tied=False),
        "grok-1": TrainedShape(
            64, 6144, 48, 131072, _paper("xai-org/grok-1, model code"), 8, 128, 32768, gated=True, experts=8, top_k=2
        ),
        "dbrx": TrainedShape(
            40, 6144, 48, 100352, _paper("databricks/dbrx-base, config.json"), 8, 128, 10752, True, False, 16, 4
        ),
        "mpt-70b": TrainedShape(80, 8192, 64, 50368, _MPT),
        "mpt-30b": TrainedShape(48, 7168, 64, 50368, _MPT),
        "mpt-13b": TrainedShape(40, 5120, 40, 50368, _MPT),
        "mpt-7b": TrainedShape(32, 4096, 32, 50368, _MPT),
        "mpt-3b": TrainedShape(32, 2560, 20, 50368, _MPT),
        "mpt-1b": TrainedShape(24, 2048, 16, 50368, _MPT),
    }
)
#: Names without a size that is unique, or other spellings.
_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {"llama-2-7b": "llama-7b", "llama-2-13b": "llama-13b", "llama-30b": "llama-33b", "bloom": "bloom-176b"}
)
_FAMILY: Final = re.compile(r"(gpt|megatron|mt-nlg|turing)", re.ASCII)


def training_model(name: str, total_params: float | None = None) -> Model:
    """A model by its name in training papers.

    Parameters
    ----------
    name : str
    total_params : float, optional
        Where given, a GPT or Megatron of another name is that of the table whose size is within 3% [1].

    Raises
    ------
    UnknownNameError
        If there is none of that name.

    Examples
    --------
    >>> round(training_model("GPT-3 175B").total_params / 1e9, 1)
    174.6
    >>> training_model("GPT 1T", 1008e9).name
    'megatron-1t'
    """
    key = re.sub(r"\s*\(.*\)", "", name).strip().lower().replace("gpt-3", "gpt3").replace(" ", "-")
    key = _ALIASES.get(key, key)
    if key in GPT_SHAPES:
        return GPT_SHAPES[key].model(key)
    if total_params and _FAMILY.match(key):
        near = [n for n in GPT_SHAPES if _FAMILY.match(n) and abs(_size(n) / total_params - 1.0) < 0.03]
        if near:
            best = min(near, key=lambda n: abs(_size(n) / total_params - 1.0))
            return GPT_SHAPES[best].model(best)
    raise unknown("model", name, GPT_SHAPES)


def _size(name: str) -> float:
    return float(GPT_SHAPES[name].model(name).total_params)


def stand_in(name: str, total_params: float, active_params: float | None = None, ways: int = 1) -> Model:
    """A transformer of a stated size, for a model whose layout is not known.

    Width is 128 times the layers, its heads divide over `ways` tensor ranks, and attention is grouped 8 to 1; what is
    not active is spread over experts of which 8 are used.

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
    step = 128 * int(whole("ways", ways))
    hidden = max(round(math.sqrt(active / (12 * layers)) / step), 1) * step
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
