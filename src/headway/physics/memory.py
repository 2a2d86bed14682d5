"""What fits: weights, cache, activations and reserve on each chip, and the largest batch that leaves room.

``weights + kv + activations + reserve <= capacity`` on the chip that holds most. With a pipeline each stage
holds fewer layers but as many more sequences in flight: the cache per chip does not shrink (claim C30).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headway.facts.check import not_negative, positive
from headway.facts.errors import LayoutError
from headway.facts.hardware import System
from headway.facts.layers import ExpertFFN
from headway.facts.model import Model
from headway.facts.precision import Precision, number_format
from headway.physics.attention import cache_shape
from headway.physics.layout import Layout, cache_ways, matrix_ways

# Driver, graphs, communication buffers and the allocator's slack on one chip: the constants of
# aiconfigurator-core 0.12.0, systems/*.yaml (other_mem 3.5 GiB, nccl_mem 392 MiB), unofficial there.
RUNTIME_RESERVE = 3.5 * 2**30 + 392 * 2**20
# Live copies of the widest activations while a layer runs.
_ACTIVATION_COPIES = 4


def weight_bytes(model: Model, precision: Precision | None = None) -> float:
    """Bytes of all weights in their formats, block scales included [B].

    >>> from headway.facts.models import model
    >>> round(weight_bytes(model("deepseek-v3")) / 1e9)
    673
    """
    return float(_stage_weights(model, Layout(), precision or model.precision))


def _stage_weights(model: Model, layout: Layout, p: Precision) -> Any:
    """Bytes on the chip that holds most of each part; layers spread over stages, the ends on one each."""
    h = model.hidden
    wide = np.multiply(layout.tp, layout.cp)
    per_layer: Any = 0.0
    for group in model.layers:
        one: Any = (group.norms * h + group.extra_params) * 2.0
        if group.attention is not None:
            size = number_format(p.attention).bytes
            one = one + sum(q.params * size / matrix_ways(q, layout.tp) for q in group.attention.projections(h))
            one = one + group.attention.extra_params(h) * 2.0
        if group.ffn is not None:
            size = number_format(p.ffn).bytes
            one = one + sum(q.params * size / matrix_ways(q, wide) for q in group.ffn.projections(h))
            one = one + group.ffn.extra_params(h) * 2.0
        if isinstance(group.ffn, ExpertFFN):
            _share_experts(layout)
            slots = np.ceil(group.ffn.experts / np.asarray(layout.ep))
            one = one + slots * group.ffn.expert_params(h) * number_format(p.experts).bytes / layout.expert_slice
        per_layer = per_layer + group.count * one
    # The stage that holds most has ceil(layers / stages) of them.
    share = np.ceil(model.n_layers / np.asarray(layout.pp)) / model.n_layers
    ends = model.embedding_params * number_format(p.embedding).bytes + model.head_params * number_format(p.head).bytes
    return per_layer * share + ends / wide + (h + model.extra_params) * 2.0


def _share_experts(layout: Layout) -> None:
    """Refuse experts spread over more chips than a stage has: each would be held by none of them."""
    ranks, chips = np.broadcast_arrays(layout.ep, layout.stage_chips)
    over = ranks > chips
    if np.any(over):
        most = int(chips[over][0])
        raise LayoutError("ep", int(ranks[over][0]), f"at most the {most} chips of a stage (tp x cp x dp)", str(most))


def _stage_kv(model: Model, layout: Layout, sequences: Any, context: Any, kv: str, whole_window: bool) -> Any:
    """Bytes of cache on one chip for `sequences` of its data rank, all stages full of micro-batches."""
    found: Any = 0.0
    for group in model.layers:
        a = group.attention
        if a is None:
            continue
        shape = cache_shape(a, group.count, kv)
        if whole_window:
            shape = replace(shape, span=float("inf"))
        grown = (shape.stored(context) - group.count * shape.state) / layout.cp
        found = found + (grown + group.count * shape.state) / cache_ways(a, layout.tp)
    share = np.ceil(model.n_layers / np.asarray(layout.pp)) / model.n_layers
    return found * sequences * share * layout.pp


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Memory of the fullest chip by kind; fields are arrays of one shape or scalars.

    Parameters
    ----------
    weights, kv, activations, reserve, capacity : float or array
        Bytes on one chip [B].
    """

    weights: Any
    kv: Any
    activations: Any
    reserve: Any
    capacity: Any

    @property
    def total(self) -> Any:
        """All that one chip holds [B]."""
        return self.weights + self.kv + self.activations + self.reserve

    @property
    def fits(self) -> NDArray[np.bool_]:
        """Whether it fits, element by element."""
        return np.asarray(self.total <= self.capacity)

    @property
    def excess(self) -> Any:
        """Bytes missing on one chip; 0 where it fits [B]."""
        return np.maximum(self.total - self.capacity, 0.0)

    def reason(self) -> str:
        """Why a scalar case does not fit, largest part first; empty where it does."""
        if bool(np.all(self.fits)):
            return ""
        parts = {"weights": self.weights, "KV cache": self.kv, "activations": self.activations, "reserve": self.reserve}
        ordered = sorted(((float(np.max(v)), k) for k, v in parts.items()), reverse=True)
        shown = " + ".join(f"{name} {value / 1e9:.3g} GB" for value, name in ordered if value > 0)
        return f"{shown} > {float(np.max(self.capacity)) / 1e9:.4g} GB per chip"


def memory_use(
    model: Model,
    system: System,
    layout: Layout,
    batch: ArrayLike,
    context: ArrayLike,
    *,
    new_tokens: ArrayLike = 1.0,
    precision: Precision | None = None,
    reserve: float = RUNTIME_RESERVE,
    whole_window: bool = False,
) -> MemoryUse:
    """Memory of the fullest chip for `batch` sequences of `context` tokens in each forward pass.

    Parameters
    ----------
    batch : float or array
        Sequences in one forward pass of the replica [1]; a pipeline holds `pp` such batches.
    context : float or array
        Longest context each holds room for [token].
    new_tokens : float or array
        Tokens that one data rank multiplies in one pass [token] (the chunk of a prefill).
    reserve : float
        Memory that the runtime keeps [B].
    whole_window : bool
        Whether layers with an attention window keep what has left it.

    Raises
    ------
    RangeError
        If a number is negative or not finite.
    LayoutError
        If experts are spread over more chips than a stage has.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> use = memory_use(model("llama-3.1-70b"), system("hgx-h200"), Layout(tp=8), 64, 4096)
    >>> round(float(use.kv) / 1e9, 2), bool(use.fits)
    (10.74, True)
    """
    not_negative("batch", batch)
    not_negative("context", context, "token")
    not_negative("new_tokens", new_tokens, "token")
    not_negative("reserve", reserve, "B")
    formats = precision or model.precision
    weights = _stage_weights(model, layout, formats)
    return _use(model, system, layout, batch, context, new_tokens, formats, reserve, weights, whole_window)


def _use(
    model: Model,
    system: System,
    layout: Layout,
    batch: ArrayLike,
    context: ArrayLike,
    new_tokens: ArrayLike,
    formats: Precision,
    reserve: float,
    weights: Any,
    whole_window: bool,
) -> MemoryUse:
    """Memory with the weights known, which do not depend on the load."""
    sequences = np.ceil(np.asarray(batch, dtype=float) / layout.dp)
    kv = _stage_kv(model, layout, sequences, np.asarray(context, dtype=float), formats.kv, whole_window)
    act = number_format(formats.activation).bytes
    rows = np.maximum(sequences, np.asarray(new_tokens, dtype=float))
    logits = sequences * (model.vocab * 4.0) / np.multiply(layout.tp, layout.cp)
    activations = rows * (_ACTIVATION_COPIES * model.hidden * act) + logits
    return MemoryUse(weights, kv, activations, reserve, system.chip.hbm_bytes)


def largest_batch(
    model: Model,
    system: System,
    layout: Layout,
    context: ArrayLike,
    *,
    new_tokens: ArrayLike = 1.0,
    precision: Precision | None = None,
    reserve: float = RUNTIME_RESERVE,
    whole_window: bool = False,
) -> Any:
    """Most sequences per forward pass that leave room on every chip [1]; 0 where even one does not fit.

    Memory is the larger of two lines in the sequences of a rank (the pass is as wide as the sequences, or as the
    new tokens), so the answer is closed: ``dp floor(room / bytes per sequence)`` on the shorter one.

    Parameters, errors as in :func:`memory_use`, but that `context` is above 0.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> llama, box = model("llama-3.1-70b"), system("hgx-h200")
    >>> most = largest_batch(llama, box, Layout(tp=8), 4096)
    >>> [bool(memory_use(llama, box, Layout(tp=8), most + more, 4096).fits) for more in (0, 1)]
    [True, False]
    """
    positive("context", context, "token")
    not_negative("reserve", reserve, "B")
    formats = precision or model.precision
    weights = _stage_weights(model, layout, formats)
    room: Any = np.inf
    # One line each: a width of at least one row, and no width but the sequences.
    for rows in (np.maximum(not_negative("new_tokens", new_tokens, "token"), 1.0), 0.0):
        none = _use(model, system, layout, 0.0, context, rows, formats, reserve, weights, whole_window)
        one = _use(model, system, layout, layout.dp, context, rows, formats, reserve, weights, whole_window)
        room = np.minimum(room, np.floor((none.capacity - none.total) / (one.total - none.total)))
    found = np.maximum(room, 0.0) * layout.dp
    return found if np.ndim(found) else float(found)
