"""A model as its architecture: layers, widths, formats; counts of parameters, nothing of time.

`Model` is what every room takes. It is read from a published ``config.json``
(:mod:`headway.facts.huggingface`) or built by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from headway.facts.layers import AttentionKind, ExpertFFN, FeedForward
from headway.facts.precision import Precision
from headway.facts.sources import Source


@dataclass(frozen=True, slots=True)
class LayerGroup:
    """Layers of one shape.

    Parameters
    ----------
    count : int
        How many layers [1].
    attention : AttentionKind or None
        Attention of the layer; None for a block that is only a feed-forward.
    ffn : FeedForward or None
        Feed-forward of the layer; None for a block that is only attention.
    norms : int
        Norm vectors of hidden width per layer [1].
    extra_params : int
        Further parameters of each layer: residual mixing, scalars [1].
    """

    count: int
    attention: AttentionKind | None
    ffn: FeedForward | None
    norms: int = 2
    extra_params: int = 0


@dataclass(frozen=True)
class Model:
    """A language model's architecture.

    Parameters
    ----------
    name : str
        Catalog name (``"deepseek-v3"``) or the config's own.
    hidden, vocab : int
        Residual width and vocabulary [1].
    layers : tuple of LayerGroup
        The stack, grouped by shape.
    tied_embeddings : bool
        One matrix serves as input embedding and output head.
    max_context : int
        Longest context [token].
    precision : Precision
        Formats as published.
    mtp_layers : int
        Multi-token-prediction modules published with the model [1]; not counted in the totals.
    extra_params : int
        Parameters that no layer group holds [1].
    published_total, published_active : float, optional
        Counts as the maker states them [1].
    sources : tuple of Source
        Where the layout and the counts come from.
    notes : tuple of str
        What the reader should know (text tower only, ...).
    """

    name: str
    hidden: int
    vocab: int
    layers: tuple[LayerGroup, ...]
    tied_embeddings: bool = False
    max_context: int = 0
    precision: Precision = field(default_factory=Precision)
    mtp_layers: int = 0
    extra_params: int = 0
    published_total: float | None = None
    published_active: float | None = None
    sources: tuple[Source, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def from_config(
        cls, config: str | Path | Mapping[str, Any], name: str | None = None, *, formats: bool = True
    ) -> Model:
        """Read a published Hugging Face ``config.json``, from a path or a mapping; nothing is downloaded.

        Without `formats` the formats of its weights are not read: all are in the base type.

        Raises
        ------
        ConfigError
            If the family is unknown or a field is missing or absurd; the message lists what was understood.
        """
        from headway.facts.huggingface import read_config

        return read_config(config, name, formats=formats)

    @property
    def n_layers(self) -> int:
        """Layers in the stack [1]."""
        return sum(group.count for group in self.layers)

    @cached_property
    def embedding_params(self) -> int:
        """Parameters of the input embedding [1]; a lookup, not a product."""
        return self.vocab * self.hidden

    @cached_property
    def head_params(self) -> int:
        """Parameters of a separate output head [1]; 0 where it is tied to the embedding."""
        return 0 if self.tied_embeddings else self.vocab * self.hidden

    def _layer_params(self, *, active: bool) -> Iterator[int]:
        for group in self.layers:
            one = group.norms * self.hidden + group.extra_params
            if group.attention is not None:
                one += sum(p.params for p in group.attention.projections(self.hidden))
                one += group.attention.extra_params(self.hidden)
            if group.ffn is not None:
                one += sum(p.params for p in group.ffn.projections(self.hidden)) + group.ffn.extra_params(self.hidden)
            if isinstance(group.ffn, ExpertFFN):
                used = group.ffn.top_k if active else group.ffn.experts
                one += used * group.ffn.expert_params(self.hidden)
            yield group.count * one

    @cached_property
    def total_params(self) -> int:
        """All parameters of the text tower, without multi-token-prediction modules [1]."""
        ends = self.embedding_params + self.head_params + self.hidden + self.extra_params
        return sum(self._layer_params(active=False)) + ends

    @cached_property
    def active_params(self) -> int:
        """Parameters that one token touches, both embeddings included [1]."""
        ends = self.embedding_params + self.head_params + self.hidden + self.extra_params
        return sum(self._layer_params(active=True)) + ends

    @cached_property
    def matmul_params(self) -> int:
        """Matrix weights that multiply one token: no embedding lookup, no norms, no biases [1]."""
        found = self.vocab * self.hidden
        for group in self.layers:
            for part in (group.attention, group.ffn):
                if part is not None:
                    found += group.count * sum(p.params for p in part.projections(self.hidden))
            if isinstance(group.ffn, ExpertFFN):
                one = sum(p.params for p in group.ffn.expert_projections(self.hidden))
                found += group.count * group.ffn.top_k * one
        return found

    @cached_property
    def routed_params(self) -> int:
        """Parameters in routed experts [1]."""
        return sum(
            g.count * g.ffn.experts * g.ffn.expert_params(self.hidden)
            for g in self.layers
            if isinstance(g.ffn, ExpertFFN)
        )

    @property
    def sparsity(self) -> float:
        """Total over active parameters [1]."""
        return self.total_params / self.active_params
