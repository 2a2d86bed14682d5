"""What a transformer layer is made of: projections, attention kinds, feed-forward kinds.

A layer is described by the matrices it multiplies by (:class:`Projection`), from which both its
parameters and its FLOPs follow, and by the shape of what it remembers. No time and no money here.

Each record answers the same questions: ``projections(hidden)``, ``extra_params(hidden)`` (norms,
biases and other vectors), and, for attention, what one token adds to the cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from headway.facts.attention_kinds import CompressedAttention, Indexer, LatentAttention, SoftmaxAttention
from headway.facts.projection import Projection, Split
from headway.facts.recurrent import LinearAttention

__all__ = [
    "Attention",
    "AttentionKind",
    "CompressedAttention",
    "DenseFFN",
    "ExpertFFN",
    "FeedForward",
    "Indexer",
    "LatentAttention",
    "LinearAttention",
    "Projection",
    "SoftmaxAttention",
    "Split",
]


class Attention(Protocol):
    """What every attention kind answers."""

    @property
    def window(self) -> int | None:
        """Tokens that one query sees at most [token]; None where it sees all."""

    @property
    def kv_elements(self) -> int:
        """Elements that one token of context adds to the cache of this layer [1]."""

    @property
    def state_elements(self) -> int:
        """Elements of a state that does not grow with context, per sequence [1]."""

    def projections(self, hidden: int) -> tuple[Projection, ...]:
        """Matrix products applied to each token."""

    def extra_params(self, hidden: int) -> int:
        """Norms, biases and other vectors [1]."""


@dataclass(frozen=True, slots=True)
class DenseFFN:
    """A feed-forward block that every token uses whole.

    Parameters
    ----------
    width : int
        Inner width [1].
    gated : bool
        Gate and up projections (SwiGLU and kin) rather than one.
    bias : bool
        Biases on the projections.
    """

    width: int
    gated: bool = True
    bias: bool = False

    def projections(self, hidden: int) -> tuple[Projection, ...]:
        """Up (with gate) and down."""
        return (
            Projection("up", hidden, self.width * (2 if self.gated else 1), "outputs"),
            Projection("down", self.width, hidden, "inputs"),
        )

    def extra_params(self, hidden: int) -> int:
        """Biases [1]."""
        return (self.width * (2 if self.gated else 1) + hidden) if self.bias else 0


@dataclass(frozen=True, slots=True)
class ExpertFFN:
    """A mixture of experts: each token uses `top_k` of `experts`, and the shared part.

    Parameters
    ----------
    experts, top_k : int
        Routed experts and how many of them one token uses [1].
    width : int
        Inner width of one routed expert [1].
    shared_width : int
        Summed inner width of the experts (or the parallel dense block) that every token uses [1].
    gated, bias : bool
        As in :class:`DenseFFN`.
    latent : int
        Width in which routed experts work when not the hidden size [1]; 0 means the hidden size.
    shared_gate : bool
        A learned scalar gate on the shared expert.
    router_bias : bool
        One bias per expert in the router.
    latent_norms : int
        Norm vectors of the latent width [1].
    """

    experts: int
    top_k: int
    width: int
    shared_width: int = 0
    gated: bool = True
    bias: bool = False
    latent: int = 0
    shared_gate: bool = False
    router_bias: bool = False
    latent_norms: int = 0

    def expert_projections(self, hidden: int) -> tuple[Projection, ...]:
        """Up (with gate) and down of one routed expert."""
        inner = self.latent or hidden
        return (
            Projection("expert_up", inner, self.width * (2 if self.gated else 1), "outputs"),
            Projection("expert_down", self.width, inner, "inputs"),
        )

    def expert_params(self, hidden: int) -> int:
        """Parameters of one routed expert [1].

        >>> ExpertFFN(256, 8, 2048, 2048).expert_params(7168)
        44040192
        """
        inner = self.latent or hidden
        biases = (self.width * (2 if self.gated else 1) + inner) if self.bias else 0
        return sum(p.params for p in self.expert_projections(hidden)) + biases

    def projections(self, hidden: int) -> tuple[Projection, ...]:
        """What every token uses: router, shared part, and the way into and out of a latent width."""
        found = [Projection("router", hidden, self.experts, "none")]
        if self.shared_width:
            dense = DenseFFN(self.shared_width, self.gated).projections(hidden)
            found.extend(Projection(f"shared_{p.name}", p.inputs, p.outputs, p.split) for p in dense)
        if self.latent:
            found.append(Projection("latent_in", hidden, self.latent, "none"))
            found.append(Projection("latent_out", self.latent, hidden, "none"))
        return tuple(found)

    def extra_params(self, hidden: int) -> int:
        """Router biases, the shared expert's gate and the latent's norms [1]."""
        found = self.latent_norms * self.latent
        return found + (self.experts if self.router_bias else 0) + (hidden if self.shared_gate else 0)


AttentionKind = SoftmaxAttention | LatentAttention | LinearAttention | CompressedAttention
FeedForward = DenseFFN | ExpertFFN
