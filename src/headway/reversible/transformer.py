"""A reversible transformer: attention and feed-forward layers as the alternating rounds of one Feistel network.

A layer is two rounds, ``x1 = y + Attention(x)`` and ``x2 = x + FeedForward(x1)``: that of the Reformer. Embeddings
feed both halves, and the mean of both goes to the output layer, which shares the embedding's weights.

References
----------
Kitaev, Kaiser, Levskaya, "Reformer: the efficient transformer", arXiv 2001.04451, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from headway.facts.check import fraction, whole
from headway.facts.errors import InputError
from headway.reversible.layers import Memory, require_torch, reversible_sequence

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a small transformer.

    Parameters
    ----------
    vocabulary : int
        Tokens known.
    width : int
        Channels of a half [1].
    heads : int
        Attention heads; divides the width.
    layers : int
        Layers, of two rounds each.
    context : int
        Longest input [token].
    dropout : float
        Chance to drop a channel.
    """

    vocabulary: int
    width: int = 64
    heads: int = 4
    layers: int = 4
    context: int = 128
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuse sizes that do not fit each other."""
        for name in ("vocabulary", "width", "heads", "layers", "context"):
            whole(name, getattr(self, name))
        fraction("dropout", self.dropout, allow_one=False)
        if self.width % self.heads:
            raise InputError("heads", self.heads, f"a divisor of the width {self.width}")


@cache
def _attention_class() -> Any:
    torch = require_torch()
    nn = torch.nn

    class CausalAttention(nn.Module):  # type: ignore[misc,name-defined]
        """Norm, then attention to what came before."""

        def __init__(self, shape: Shape) -> None:
            super().__init__()
            self.heads = shape.heads
            self.norm = nn.LayerNorm(shape.width)
            # A bias of the keys would change no score: softmax takes no notice of what all keys share.
            self.inward = nn.Linear(shape.width, 3 * shape.width, bias=False)
            self.outward = nn.Linear(shape.width, shape.width)
            self.dropout = nn.Dropout(shape.dropout)

        def forward(self, x: Any) -> Any:
            """From (batch, token, width) to the same."""
            batch, tokens, width = x.shape
            packed = self.inward(self.norm(x)).view(batch, tokens, 3, self.heads, width // self.heads)
            query, key, value = packed.permute(2, 0, 3, 1, 4)
            mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            return self.dropout(self.outward(mixed.transpose(1, 2).reshape(batch, tokens, width)))

    return CausalAttention


@cache
def _transformer_class() -> Any:
    torch = require_torch()
    nn = torch.nn

    class ReversibleTransformer(nn.Module):  # type: ignore[misc,name-defined]
        """Embedding, reversible body (``body``), norm and output layer."""

        def __init__(self, shape: Shape, memory: Memory) -> None:
            super().__init__()
            self.shape = shape
            self.embedding = nn.Embedding(shape.vocabulary, shape.width)
            self.position = nn.Embedding(shape.context, shape.width)
            self.body = reversible_sequence(transformer_rounds(shape), memory)
            self.norm = nn.LayerNorm(shape.width)

        def forward(self, tokens: Any) -> Any:
            """From tokens (batch, token) to logits (batch, token, vocabulary)."""
            x = self.embedding(tokens) + self.position(torch.arange(tokens.shape[1], device=tokens.device))
            x, y = self.body((x, x))
            return self.norm((x + y) / 2) @ self.embedding.weight.T / self.shape.width**0.5

    return ReversibleTransformer


def transformer_rounds(shape: Shape) -> list[Any]:
    """Rounds of a transformer's body: attention and feed-forward in turn.

    Parameters
    ----------
    shape : Shape
        Sizes.

    Examples
    --------
    >>> import pytest
    >>> _ = pytest.importorskip("torch")
    >>> len(transformer_rounds(Shape(10, layers=3)))
    6
    """
    nn = require_torch().nn
    width = shape.width

    def feed_forward() -> Any:
        return nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            nn.Dropout(shape.dropout),
        )

    return [one for _ in range(shape.layers) for one in (_attention_class()(shape), feed_forward())]


def reversible_transformer(shape: Shape, memory: Memory = "reversible") -> torch.nn.Module:
    """A causal language model on a reversible body.

    Parameters
    ----------
    shape : Shape
        Sizes.
    memory : {"store", "reversible", "checkpoint"}
        How activations are kept; the attribute ``body.memory`` changes it later.

    Returns
    -------
    torch.nn.Module
        From tokens (batch, token) to logits (batch, token, vocabulary).

    Examples
    --------
    >>> import pytest
    >>> torch = pytest.importorskip("torch")
    >>> net = reversible_transformer(Shape(vocabulary=11, width=16, heads=2, layers=2))
    >>> tuple(net(torch.zeros(3, 7, dtype=torch.long)).shape)
    (3, 7, 11)
    """
    made: torch.nn.Module = _transformer_class()(shape, memory)
    return made
