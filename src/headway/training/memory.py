"""Memory of one training chip by kind: weights, gradients, optimiser states, activations.

Notation: ``t`` tensor, ``c`` context, ``d`` data, ``e`` expert ranks, ``P`` stages; ``s b`` tokens of a micro-batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.check import whole
from headway.facts.errors import RangeError, unknown
from headway.facts.model import Model
from headway.physics.arrays import not_negative, positive
from headway.physics.layout import Layout
from headway.training.recipe import Recipe
from headway.training.schedules import schedule_cost
from headway.training.shape import Shape, shape_of

POLICIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "store": "keep every activation",
        "selective": "compute attention proper again (Korthikanti et al., arXiv 2205.05198, section 5)",
        "full": "keep the input of each layer, compute the rest again (Chen et al., arXiv 1604.06174)",
        "reversible": "keep the output of the last layer, invert the others (Gomez et al., arXiv 1707.04585)",
    }
)
"""What the backward pass does for its activations, by name."""

#: Bytes of gradients and optimiser states per parameter: 32-bit gradient; master weight and two moments.
GRADIENT_BYTES: Final = MappingProxyType({"fp32": 4.0, "bf16": 2.0})
OPTIMISERS: Final[Mapping[str, tuple[float, str]]] = MappingProxyType(
    {
        "adam-fp32": (12.0, "32-bit master weights and two moments"),
        "adam-bf16": (8.0, "32-bit master weights, two moments in 16 bit (DeepSeek-V3, arXiv 2412.19437)"),
        "adam-int8": (6.0, "32-bit master weights, two moments in 8 bit (Dettmers et al., arXiv 2110.02861)"),
        "sgd": (8.0, "32-bit master weights and momentum"),
        "muon": (8.0, "32-bit master weights and momentum of the matrices (Jordan et al., 2024)"),
    }
)

_KINDS: Final = ("weights", "gradients", "optimiser", "activations", "working", "reserve")
#: Memory of a process before its first tensor, kernels loaded when used: "~300MB" (pytorch/pytorch issue 107667) [B].
CONTEXT_BYTES: Final = 0.3e9
#: Buffers of one communicator: 544 MiB for two ranks and 688 MiB for more on A100 (NVIDIA/nccl issue 964), 0.65 GiB
#: on MI250X (Lumi-supercomputer/LUMI-AI-Guide issue 111) [B].
COMMUNICATOR_BYTES: Final = 688.0 * 2**20


def reserve_of(layout: Layout) -> Any:
    """Memory of a chip that a framework needs beside tensors [B].

    The process, and the buffers of a communicator for every kind of rank that there is more than one of. What an
    allocator loses between blocks is not counted: with segments that grow it is little, and a chip sold as 80 GB shows
    79.1 GiB, which is 84.9 GB, where the catalog holds the 80 GB.

    Examples
    --------
    >>> round(float(reserve_of(Layout(tp=8, pp=16, dp=128))) / 1e9, 2)
    2.46
    """
    kinds = (layout.tp, layout.pp, layout.dp, layout.cp, layout.ep)
    groups = sum(np.asarray(ranks) > 1 for ranks in kinds)
    return CONTEXT_BYTES + COMMUNICATOR_BYTES * groups


@dataclass(frozen=True, slots=True)
class TrainMemory:
    """Memory of the fullest chip by kind. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    weights, gradients, optimiser, activations, working, reserve, capacity : float or ndarray
        Per chip [B]; `working` holds logits, the layer being computed again, and gathered weights or gradients that are
        not handed on yet; `reserve` what holds no tensors.
    """

    weights: Any
    gradients: Any
    optimiser: Any
    activations: Any
    working: Any
    reserve: Any
    capacity: Any

    @property
    def total(self) -> Any:
        """All kinds [B]."""
        return self.weights + self.gradients + self.optimiser + self.activations + self.working + self.reserve

    @property
    def fits(self) -> Any:
        """Whether it fits, element by element."""
        return np.asarray(self.total <= self.capacity)

    def kinds(self) -> dict[str, Any]:
        """Bytes by kind [B]."""
        return {k: getattr(self, k) for k in _KINDS}

    def reason(self) -> str:
        """Why a scalar case does not fit, largest part first; empty where it does."""
        if bool(np.all(self.fits)):
            return ""
        ordered = sorted(((float(np.max(v)), k) for k, v in self.kinds().items()), reverse=True)
        shown = " + ".join(f"{name} {value / 1e9:.3g} GB" for value, name in ordered if value > 0)
        return f"{shown} > {float(np.max(self.capacity)) / 1e9:.4g} GB per chip"


def activation_bytes(model: Model, layout: Layout, recipe: Recipe, context: ArrayLike) -> Any:
    """Activations that one chip keeps for one micro-batch through one stage [B].

    ``s b L/P (r + (a - r)/t + 5 heads s / t)``, with ``r`` over `t` too under sequence parallelism; the last term
    (score matrices) only without fused attention and only where all is stored. Full recompute keeps ``2 h`` a
    layer, a reversible stage ``2 h`` once.

    References
    ----------
    Korthikanti et al., arXiv 2205.05198, equations 2, 4, 5, 6; Gomez et al., arXiv 1707.04585.

    Examples
    --------
    >>> from headway.facts.training_models import training_model
    >>> paper = Recipe(recompute="selective", fused_attention=False)
    >>> round(float(activation_bytes(training_model("megatron-22b"), Layout(tp=8), paper, 2048)) * 4 / 2**30, 4)
    9.5625
    """
    return _activations(shape_of(model), layout, recipe, np.asarray(positive("context", context, "token")))


def _activations(shape: Shape, layout: Layout, recipe: Recipe, context: Any) -> Any:
    if recipe.recompute not in POLICIES:
        raise unknown("recompute", recipe.recompute, POLICIES)
    t, p = np.asarray(layout.tp, dtype=float), np.asarray(layout.pp, dtype=float)
    tokens = np.asarray(recipe.micro_batch, dtype=float) * context / np.asarray(layout.cp)
    shared = t if recipe.sequence_parallel else np.ones_like(t)
    if recipe.recompute == "reversible":
        return tokens * 2.0 * shape.hidden / shared
    if recipe.recompute == "full":
        return tokens * 2.0 * shape.hidden * shape.layers / p / shared
    per_token = shape.replicated_stored / shared + (shape.dense_stored - shape.replicated_stored) / t
    per_token = per_token + shape.expert_stored / np.minimum(t, np.maximum(layout.tp / np.asarray(layout.ep), 1.0))
    if recipe.recompute == "store" and not recipe.fused_attention:
        per_token = per_token + 5.0 * shape.heads * context / t
    return tokens * per_token / p


def held_params(shape: Shape, layout: Layout) -> tuple[Any, Any]:
    """Parameters on one chip before any sharding over data ranks: dense with the ends, and of experts [1].

    >>> from headway.facts.training_models import training_model
    >>> dense, experts = held_params(shape_of(training_model("gpt3-175b")), Layout(tp=8, pp=8))
    >>> round(float(dense) / 1e9, 2), float(experts)
    (2.8, 0.0)
    """
    t, p = np.asarray(layout.tp, dtype=float), np.asarray(layout.pp, dtype=float)
    # Embedding and head stand on the first and last stage; the fullest stage holds one of them.
    ends = np.where(p > 1, np.minimum(shape.end_params, shape.vocab * shape.hidden), shape.end_params)
    dense = np.ceil(shape.layers / p) / shape.layers * shape.dense_params / t + ends / t
    ways = np.maximum(np.asarray(layout.ep, dtype=float), t)
    return dense, np.ceil(shape.layers / p) / shape.layers * shape.expert_params / ways


def training_memory(
    model: Model, capacity: ArrayLike, layout: Layout, recipe: Recipe, context: ArrayLike, microbatches: ArrayLike
) -> TrainMemory:
    """Memory of the fullest chip by kind.

    Data ranks share optimiser states from sharding stage 1, gradients from 2, weights from 3 (Rajbhandari et al.,
    arXiv 1910.02054). Experts are replicated over ``t c d / e`` groups only.

    Raises
    ------
    RangeError, UnknownNameError
        If a stage is not 0 to 3, or a policy, format or schedule is unknown.

    Examples
    --------
    >>> from headway.facts.training_models import training_model
    >>> gpt, place = training_model("gpt3-175b"), Layout(tp=8, pp=8)
    >>> paper = Recipe(schedule="interleaved", chunks=3, recompute="selective", fused_attention=False, zero=0)
    >>> used = training_memory(gpt, 80e9, place, paper, 2048, 64)
    >>> round(float(used.activations) / 2**30, 2)
    12.35
    """
    shape = shape_of(model)
    return memory_of(shape, capacity, layout, recipe, np.asarray(positive("context", context, "token")), microbatches)


def memory_of(
    shape: Shape, capacity: Any, layout: Layout, recipe: Recipe, context: Any, microbatches: Any
) -> TrainMemory:
    """The same from the sums over layers, for searches; see :func:`training_memory`.

    >>> from headway.facts.training_models import training_model
    >>> gpt = shape_of(training_model("megatron-22b"))
    >>> float(memory_of(gpt, 80e9, Layout(tp=8), Recipe(zero=0), 2048.0, 1).gradients) / 1e9 > 10
    True
    """
    whole("zero", recipe.zero, least=0, most=3)
    if recipe.optimiser not in OPTIMISERS:
        raise unknown("optimiser", recipe.optimiser, OPTIMISERS)
    if recipe.gradients not in GRADIENT_BYTES:
        raise RangeError("gradients", recipe.gradients, f"one of {', '.join(GRADIENT_BYTES)}")
    dense, experts = held_params(shape, layout)
    wide = np.multiply(layout.tp, layout.cp)
    ranks = np.multiply(layout.dp, layout.cp).astype(float)
    copies = np.maximum(wide * np.asarray(layout.dp) / np.maximum(layout.ep, layout.tp), 1.0)
    cost = schedule_cost(recipe.schedule, layout.pp, microbatches, chunks=recipe.chunks)
    zero = np.asarray(recipe.zero)
    held = dense + experts

    def shared(stage: int) -> Any:
        return np.where(zero >= stage, dense / ranks + experts / copies, held)

    tokens = np.asarray(recipe.micro_batch, dtype=float) * context / np.asarray(layout.cp)
    one = _activations(shape, layout, recipe, context)
    layer = _activations(shape, layout, recipe.storing(), context) / np.maximum(
        shape.layers / np.asarray(layout.pp), 1.0
    )
    again = layer if recipe.recompute in ("full", "reversible") else 0.0
    # Logits in 32 bit live in pieces of at most 8,192 tokens; a sharded model gathers two layers at a time.
    logits = 4.0 * np.minimum(tokens, 8192.0) * shape.vocab / np.asarray(layout.tp)
    each = held / np.maximum(shape.layers / np.asarray(layout.pp), 1.0)
    gathered = np.where(zero >= 3, 2.0 * 2.0 * each, 0.0)
    # Divided gradients are whole until they are handed on: a chunk of a stage, or a layer.
    whole_part = np.where(np.asarray(recipe.chunks) > 1, held / np.asarray(recipe.chunks), each)
    summed = np.where((zero >= 2) & (ranks > 1), GRADIENT_BYTES[recipe.gradients] * whole_part, 0.0)
    return TrainMemory(
        weights=2.0 * shared(3) * cost.weight_copies,
        gradients=GRADIENT_BYTES[recipe.gradients] * shared(2) * cost.weight_copies,
        optimiser=OPTIMISERS[recipe.optimiser][0] * shared(1),
        activations=one * cost.in_flight,
        working=logits + again + gathered + summed,
        reserve=reserve_of(layout) if recipe.reserve is None else not_negative("reserve", recipe.reserve, "B"),
        capacity=np.asarray(capacity, dtype=float),
    )
