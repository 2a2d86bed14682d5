"""Time of one training step, by part, over arrays of layouts.

``t = M (t_products + t_attention + t_memory + t_wait + t_wires) + t_bubble + t_data + t_optimiser`` with ``M``
micro-batches through the slowest of ``P`` stages. Every part is a closed form of the layout, so that a search over
layouts is one call.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.errors import LayoutError, RangeError
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.precision import number_format
from headway.facts.reversible_overheads import memory_policy
from headway.facts.sources import Source
from headway.facts.training_constants import TrainConstants, constants_for, shared_constants
from headway.physics.arrays import positive, whole
from headway.physics.layout import Layout, check_layout
from headway.training.memory import GRADIENT_BYTES, OPTIMISERS, TrainMemory, held_params, memory_of
from headway.training.recipe import Recipe
from headway.training.schedules import schedule_cost
from headway.training.shape import Shape, attention_forward_flops, model_flops, shape_of

#: Backward pass of fused attention over its forward: five products for two (Dao, arXiv 2307.08691).
_FUSED_BACKWARD: Final = 2.5
#: Times that a stored byte crosses the memory: written, read by the next operator, read and rewritten backward.
_CROSSINGS: Final = 4.0
_BF16: Final = 2.0
#: Gradients are exchanged behind the backward pass: two passes of three.
BACKWARD_SHARE: Final = 2.0 / 3.0
#: Passes of the products and of attention that each policy adds to one forward and two backward.
_AGAIN: Final = MappingProxyType({"store": (0.0, 0.0), "selective": (0.0, 1.0), "full": (1.0, 1.0)})


def recomputed(policy: str) -> tuple[float, float]:
    """Forward passes of the products and of attention that a memory policy does again in a step [1].

    That of ``"reversible"`` is measured: a step is one forward and two backward passes, so with the time ratio `r`
    over stored activations it is ``3 (r - 1)``; the closed form, one forward pass again, has ``r = 4/3`` and 1.

    Parameters
    ----------
    policy : str
        Key of ``headway.training.memory.POLICIES``.

    Examples
    --------
    >>> recomputed("full")
    (1.0, 1.0)
    >>> [round(passes, 2) for passes in recomputed("reversible")]
    [1.06, 1.06]
    """
    if policy == "reversible":
        passes = 3.0 * (memory_policy(policy).time_ratio - 1.0)
        return passes, passes
    return _AGAIN[policy]


@dataclass(frozen=True, slots=True)
class TrainStep:
    """One optimiser step. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    seconds : float or ndarray
        Time of the step [s].
    parts : tuple of (str, float or ndarray)
        What it is made of; they sum to `seconds` [s].
    tokens : float or ndarray
        Trained tokens [token].
    chips : int or ndarray
        [1].
    model_flops : float or ndarray
        FLOP of the step as reports count them, without recomputation [FLOP].
    peak : float
        Peak rate of one chip in the format of the products [FLOP/s].
    bubble : float or ndarray
        Share of the pipeline's time that a stage idles [1].
    memory : TrainMemory
    binding : str or ndarray of str
        Largest part.
    assumptions : tuple of str
    sources : tuple of Source
    """

    seconds: Any
    parts: tuple[tuple[str, Any], ...]
    tokens: Any
    chips: Any
    model_flops: Any
    peak: float
    bubble: Any
    memory: TrainMemory
    binding: Any
    assumptions: tuple[str, ...]
    sources: tuple[Source, ...]

    @property
    def tokens_per_second_per_chip(self) -> Any:
        """[token/s]."""
        return self.tokens / self.seconds / self.chips

    @property
    def flops_per_chip(self) -> Any:
        """Model FLOP/s of one chip [FLOP/s]."""
        return self.model_flops / self.seconds / self.chips

    @property
    def mfu(self) -> Any:
        """Model FLOP utilisation [1]."""
        return self.flops_per_chip / self.peak

    @property
    def fits(self) -> Any:
        """Whether the memory of a chip holds it."""
        return self.memory.fits


def waves(layout: Layout, recipe: Recipe, batch: ArrayLike) -> Any:
    """Micro-batches that one pipeline runs in a step [1]; the batch must divide.

    Raises
    ------
    RangeError
        If `batch` is not a multiple of the data ranks times the micro-batch.

    Examples
    --------
    >>> float(waves(Layout(dp=8), Recipe(micro_batch=2), 64))
    4.0
    """
    each = np.asarray(layout.dp, dtype=float) * whole("micro_batch", recipe.micro_batch)
    count = np.asarray(positive("batch", batch)) / each
    if np.any(count != np.floor(count)) or np.any(count < 1):
        most = int(np.max(each))
        near = max(round(float(np.max(np.asarray(batch))) / most), 1) * most
        raise RangeError(
            "batch", f"{float(np.max(np.asarray(batch))):g}", f"a multiple of dp x micro_batch = {most}", f"{near}"
        )
    return count


def train_estimate(
    model: Model,
    system: System,
    layout: Layout,
    batch: ArrayLike,
    context: ArrayLike,
    recipe: Recipe | None = None,
    constants: TrainConstants | None = None,
) -> TrainStep:
    """Time and memory of one step of `batch` sequences of `context` tokens.

    Parameters
    ----------
    layout : Layout
        ``dp`` counts data ranks, ``ep`` spreads experts over tensor, context and data ranks.
    batch : float or array
        Sequences in the step, all ranks together [1].
    context : float or array
        Tokens of a sequence [token].
    recipe : Recipe, optional
        Schedule, micro-batch, recomputation, sharding, formats.
    constants : TrainConstants, optional
        Those of the chip's generation where not given.

    Returns
    -------
    TrainStep

    Raises
    ------
    LayoutError, RangeError, UnknownNameError
        If a degree does not divide, a size is absurd or a name unknown.

    References
    ----------
    Narayanan et al., arXiv 2104.04473; Korthikanti et al., arXiv 2205.05198; Rajbhandari et al., arXiv 1910.02054.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> place, recipe = Layout(tp=8, pp=16, dp=64), Recipe(schedule="interleaved", chunks=8)
    >>> step = train_estimate(model("llama-3.1-405b"), system("hgx-h100"), place, 2048, 8192, recipe)
    >>> bool(0.3 < step.mfu < 0.5), round(float(step.bubble), 3)
    (True, 0.055)
    """
    using = recipe or Recipe()
    check_layout(model, layout)
    many = system.network_bandwidth is None and np.any(np.asarray(layout.chips) > system.domain_size)
    if many:
        most = system.domain_size
        raise LayoutError("gpus", int(np.max(layout.chips)), f"at most {most}: {system.name} has no network", str(most))
    return estimate(model, system, layout, batch, context, using, constants or constants_for(system.chip.generation))


def estimate(
    model: Model, system: System, layout: Layout, batch: Any, context: Any, recipe: Recipe, fitted: TrainConstants
) -> TrainStep:
    """The same without the checks of the layout, for searches that have made them; see :func:`train_estimate`.

    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> many, llama = Layout(tp=np.array([2, 4])), model("llama-3.1-8b")
    >>> estimate(llama, system("hgx-h100"), many, 8, 4096, Recipe(), constants_for("hopper")).seconds.shape
    (2,)
    """
    shape, s = shape_of(model), np.asarray(positive("context", context, "token"))
    m = waves(layout, recipe, batch)
    cost = schedule_cost(recipe.schedule, layout.pp, m, chunks=recipe.chunks)
    per_wave = _wave(model, shape, system, layout, s, recipe, fitted)
    one = sum(per_wave.values(), start=np.zeros(()))
    # f : b : w = 1 : 1 : 1, so idle time is in units of a third of one micro-batch.
    idle = cost.idle / 3.0 * one
    parts = {name: m * value for name, value in per_wave.items()} | {"bubble": idle}
    parts["data ranks"] = _data(shape, system, layout, recipe, m, one, fitted)
    parts["optimiser"] = _optimiser(shape, system, layout, recipe, fitted)
    seconds = sum(parts.values(), start=np.zeros(()))
    tokens = np.asarray(batch, dtype=float) * s
    stacked = np.stack(np.broadcast_arrays(*parts.values()))
    memory = memory_of(shape, system.chip.hbm_bytes, layout, recipe, s, m)
    return TrainStep(
        seconds,
        tuple(parts.items()),
        tokens,
        layout.chips,
        model_flops(model, s) * tokens,
        system.chip.peak(recipe.precision),
        cost.bubble,
        memory,
        np.asarray(list(parts))[np.argmax(stacked, axis=0)],
        _assumptions(recipe, fitted),
        model.sources + ((fitted.source,) if fitted.source else ()),
    )


def _assumptions(recipe: Recipe, fitted: TrainConstants) -> tuple[str, ...]:
    return (
        f"schedule: {recipe.schedule}; activations: {recipe.recompute}; sharding stage {np.max(recipe.zero)}",
        "forward, backward to inputs and to weights take a third each; experts are balanced",
        *(() if fitted.fitted else ("constants: the median of other generations, none fitted for this one",)),
    )


def _wave(
    model: Model, shape: Shape, system: System, layout: Layout, s: Any, recipe: Recipe, fitted: TrainConstants
) -> dict[str, Any]:
    """Seconds of one micro-batch on one stage, forward and backward, by part."""
    t, p = np.asarray(layout.tp, dtype=float), np.asarray(layout.pp, dtype=float)
    tokens = np.asarray(recipe.micro_batch, dtype=float) * s / np.asarray(layout.cp)
    again, look_again = recomputed(recipe.recompute)
    shared = fitted.shared or shared_constants()
    rate = system.chip.peak(recipe.precision) * fitted.matrix
    wide_rate = system.chip.peak("bf16") * fitted.matrix
    # Grouped products of narrow residuals run below the rate of one large product.
    macs = shape.dense_macs + shape.expert_macs * (1.0 + shared.narrow_experts / shape.hidden)
    products = (3.0 + again) * 2.0 * macs * tokens / t / p / rate
    # Filling and draining tiles: forward and backward to inputs, half of both again where the forward pass is.
    outputs = shape.whole_outputs + shape.split_outputs / t
    products = products + (1.0 + again / 2.0) * 2.0 * shared.product_depth * outputs * tokens / p / rate
    head = 3.0 * 2.0 * shape.vocab * shape.hidden * tokens / t / p / wide_rate
    looks = 1.0 + (_FUSED_BACKWARD if recipe.fused_attention else 2.0)
    looks = looks + (look_again if not recipe.fused_attention or again else 0.0)
    attention = looks * attention_forward_flops(model, s) * tokens / t / p / (wide_rate * shared.look_rate)
    stored = (shape.dense_stored + shared.expert_crossings * shape.expert_stored) / t
    if not recipe.sequence_parallel:
        stored = stored + shape.replicated_stored * (1.0 - 1.0 / t)
    if not recipe.fused_attention:
        stored = stored + 5.0 * shape.heads * s / t * (1.0 + 0.25 * look_again)
    stream = system.chip.hbm_bandwidth * fitted.memory
    width = number_format(recipe.precision).bytes
    dense, experts = held_params(shape, layout)
    weights = (3.0 + again) * width * (dense + experts) + 2.0 * 4.0 * (dense + experts)
    memory = ((_CROSSINGS + again) * stored / p * tokens + weights) / stream
    return {
        "products": products + head,
        "attention": attention,
        "memory": memory,
        "host": (3.0 + again) * fitted.layer_wait * shape.expert_layers / p,
        **_wires(shape, system, layout, tokens, recipe, fitted, again),
    }


def _rate(system: System, ranks: Any) -> Any:
    """Rate per chip of a group of neighbouring ranks: links inside a domain, network beyond [B/s]."""
    network = system.network_bandwidth or system.link_bandwidth
    return np.where(np.asarray(ranks) <= system.domain_size, system.link_bandwidth, network)


def _wires(
    shape: Shape, system: System, layout: Layout, tokens: Any, recipe: Recipe, fitted: TrainConstants, again: float
) -> dict[str, Any]:
    t, p, c = (np.asarray(v, dtype=float) for v in (layout.tp, layout.pp, layout.cp))
    exposed, domain = fitted.exposed, system.domain_size
    # Two gathers and two scatters a layer, forward and backward: (t-1)/t of the residual each. Where inputs are kept
    # divided, both are gathered once more for the gradients of the weights.
    message = tokens * shape.hidden * _BF16
    tensor = (
        (4.0 * (2.0 + again) + 2.0 * recipe.sequence_parallel)
        * (t - 1.0)
        / t
        * message
        * shape.layers
        / p
        / _rate(system, t)
    )
    ring = 3.0 * (c - 1.0) * tokens * shape.kv_width / t * _BF16 / p / _rate(system, t * c)
    e = np.asarray(layout.ep, dtype=float)
    wide = e * np.where(e > t, 1.0, t)
    inside = np.minimum(e, np.maximum(domain // np.maximum(t, 1.0), 1.0))
    sent = 2.0 * (2.0 + again) * message / t * shape.expert_layers / p
    near = sent * np.minimum(shape.top_k, e) * (inside - 1.0) / np.maximum(e, 1.0) / system.link_bandwidth
    # One copy per remote domain: tokens are forwarded inside it.
    away = np.minimum(shape.top_k, e / inside) * (1.0 - inside / e)
    far = sent * away / (system.network_bandwidth or system.link_bandwidth)
    hop = 2.0 * np.asarray(recipe.chunks, dtype=float) * message / t / _rate(system, np.multiply(layout.stage_chips, 2))
    return {
        "tensor ranks": exposed * tensor,
        "context ranks": exposed * ring,
        "expert ranks": exposed * np.where(wide > 1, near + far, 0.0),
        "stages": exposed * np.where(p > 1, hop, 0.0),
    }


def _data(
    shape: Shape, system: System, layout: Layout, recipe: Recipe, m: Any, one: Any, fitted: TrainConstants
) -> Any:
    """Exchange over data ranks that the products do not hide."""
    dense, experts = held_params(shape, layout)
    d = np.multiply(layout.dp, layout.cp).astype(float)
    copies = np.maximum(d * layout.tp / np.maximum(layout.ep, layout.tp), 1.0)
    zero = np.asarray(recipe.zero)
    held = dense * (d - 1.0) / d + experts * (copies - 1.0) / copies
    # A ring over boxes crosses each box's network once for all its chips: each carries a share of the message.
    network = system.network_bandwidth or system.link_bandwidth
    rate = np.where(np.asarray(layout.tp) * d <= system.domain_size, system.link_bandwidth, network)
    inside = np.clip(system.domain_size // np.asarray(layout.tp), 1, None)
    rate = np.where(rate == network, np.minimum(network * np.minimum(inside, d), system.link_bandwidth), rate)
    gradient = GRADIENT_BYTES[recipe.gradients]
    # Divided gradients are handed on after each run of micro-batches: chunks of a stage run a pipeline's length.
    often = np.where(zero >= 2, np.where(np.asarray(recipe.chunks) > 1, m / np.asarray(layout.pp), m), 1.0)
    update = held * (gradient * often + _BF16) / rate
    gathers = m * held * (2.0 * _BF16 + gradient) / rate
    spent = np.where(zero >= 3, gathers, update)
    shared = fitted.shared or shared_constants()
    behind = BACKWARD_SHARE * m * one
    return np.maximum(spent - behind, 0.0) + shared.hidden_cost * fitted.exposed * np.minimum(spent, behind)


def _optimiser(shape: Shape, system: System, layout: Layout, recipe: Recipe, fitted: TrainConstants) -> Any:
    dense, experts = held_params(shape, layout)
    ranks = np.multiply(layout.dp, layout.cp).astype(float)
    copies = np.maximum(ranks * layout.tp / np.maximum(layout.ep, layout.tp), 1.0)
    shard = np.where(np.asarray(recipe.zero) >= 1, dense / ranks + experts / copies, dense + experts)
    # States are read and written; gradients cleared where they lie, read for their norm, scaled and read again.
    gradient = GRADIENT_BYTES[recipe.gradients]
    touched = 2.0 * OPTIMISERS[recipe.optimiser][0] + 4.0 * gradient + _BF16
    return (shard * touched + (dense + experts) * gradient) / (system.chip.hbm_bandwidth * fitted.memory)


def with_policy(recipe: Recipe, policy: str) -> Recipe:
    """The recipe under another policy for activations.

    >>> with_policy(Recipe(), "full").recompute
    'full'
    """
    return replace(recipe, recompute=policy)
