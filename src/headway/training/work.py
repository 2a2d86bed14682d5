"""What one training step has to do, by part, before any chip is known to be slower than its datasheet.

:func:`step_work` turns a layout and a recipe into seconds at full rate; :func:`step_parts` turns those into the step
with the constants of a chip generation. Both are closed forms over arrays: a search over layouts and the fit of the
constants call the same two functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.errors import RangeError
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.precision import number_format
from headway.facts.reversible_overheads import memory_policy
from headway.physics.arrays import positive, whole
from headway.physics.layout import Layout
from headway.training.memory import GRADIENT_BYTES, OPTIMISERS, held_params
from headway.training.recipe import Recipe
from headway.training.schedules import schedule_cost
from headway.training.shape import Shape, attention_forward_flops, shape_of

#: Backward pass of fused attention over its forward: five products for two (Dao, arXiv 2307.08691).
_FUSED_BACKWARD: Final = 2.5
#: Times that a stored byte crosses the memory: written, read by the next operator, read and rewritten backward.
_CROSSINGS: Final = 4.0
#: Bytes that cross the memory for each element of a score matrix that is written out, in 16 bit with a one-byte mask.
#: Forward: a product out; softmax in and out; dropout in, out and mask; a product in. Backward: a product in and one
#: out; dropout in, mask and out; softmax two in and one out; two products in.
_SCORES_FORWARD: Final = 2.0 + (2.0 + 2.0) + (2.0 + 2.0 + 1.0) + 2.0
_SCORES: Final = _SCORES_FORWARD + (2.0 + 2.0) + (2.0 + 1.0 + 2.0) + (2.0 + 2.0 + 2.0) + (2.0 + 2.0)
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


def executed_flops(model: Model, context: ArrayLike, policy: str = "store") -> Any:
    """FLOP of a training step per token as a chip does them: what is computed again counts too [FLOP].

    ``(6 + 2 r) N + (3 + q) A`` with ``r`` and ``q`` of :func:`recomputed` and ``A`` of causal attention forward; some
    reports call it hardware FLOP.

    Parameters
    ----------
    context : array_like
        Tokens of a sequence [token].
    policy : str
        Key of ``headway.training.memory.POLICIES``.

    References
    ----------
    Narayanan et al., arXiv 2104.04473, equation 3; Korthikanti et al., arXiv 2205.05198, section 6.3.

    Examples
    --------
    >>> from headway.facts.training_models import training_model
    >>> from headway.training.shape import model_flops
    >>> gpt = training_model("gpt3-175b")
    >>> round(float(executed_flops(gpt, 2048, "full") / model_flops(gpt, 2048)), 3)
    1.333
    """
    again, look_again = recomputed(policy)
    return (6.0 + 2.0 * again) * model.matmul_params + (3.0 + look_again) * attention_forward_flops(model, context)


@dataclass(frozen=True, slots=True)
class StepWork:
    """Work of a step, as times at the rates of the datasheet. Fields are numbers or arrays of one shape.

    Those of one micro-batch on one stage come first; each holds forward and backward pass.

    Parameters
    ----------
    products, narrow, tiles, head, looks : float or ndarray
        Matrix products of the layers, what each unit of ``narrow_experts`` and of ``product_depth`` adds to them,
        those of the output head over the stages, and attention proper [s].
    stored, sorted, summed, read : float or ndarray
        Activations that cross the memory between products, each crossing of an expert's tokens more, gradients
        added up in 32 bit, and weights that products read [s].
    waits : float or ndarray
        Passes through layers with experts [1].
    tensor, context, expert, stages : float or ndarray
        Exchanges between ranks [s].
    slack : float or ndarray
        Share of the fullest stage's layers that a stage lacks on average [1].
    microbatches, idle : float or ndarray
        Of a step, and those in which a stage waits [1].
    data, optimiser : float or ndarray
        Exchange over data ranks, and the update of weights, of the whole step [s].
    """

    products: Any
    narrow: Any
    tiles: Any
    head: Any
    looks: Any
    stored: Any
    sorted: Any
    summed: Any
    read: Any
    waits: Any
    tensor: Any
    context: Any
    expert: Any
    stages: Any
    slack: Any
    microbatches: Any
    idle: Any
    data: Any
    optimiser: Any


def step_parts(work: StepWork, own: Sequence[Any], shared: Sequence[Any]) -> dict[str, Any]:
    """Seconds of a step by part, with the constants of a chip generation.

    A product reads its weights while it multiplies: only what takes longer than the product itself is seen. Stages
    are as even as whole layers allow, the head counted as the layers that it is worth: it fills what they leave.

    Parameters
    ----------
    own : sequence
        ``matrix``, ``memory``, ``exposed``, ``layer_wait`` of ``TrainConstants``.
    shared : sequence
        The values of ``SharedConstants``, in the order of ``SHARED``.

    Returns
    -------
    dict of str to float or ndarray
        They sum to the step [s].

    Examples
    --------
    >>> from headway.facts.systems import system
    >>> from headway.facts.training_models import training_model
    >>> gpt, box = training_model("megatron-22b"), system("hgx-a100")
    >>> work = step_work(gpt, box, Layout(tp=8), 4, 2048, Recipe(micro_batch=4))
    >>> parts = step_parts(work, (1.0, 1.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 0.0))
    >>> bool(0.4 < parts["products"] < 0.5), float(parts["tensor ranks"])
    (True, 0.0)
    """
    matrix, memory, exposed, wait = own
    look_rate, narrow, again, depth, cost = shared
    products = (work.products + narrow * work.narrow + depth * work.tiles) / matrix
    one = {
        "products": products,
        "attention": work.looks / look_rate / matrix,
        "memory": (work.stored + again * work.sorted + work.summed) / memory
        + np.maximum(work.read / memory - products, 0.0),
        "host": wait * work.waits,
        "tensor ranks": exposed * work.tensor,
        "context ranks": exposed * work.context,
        "expert ranks": exposed * work.expert,
        "stages": exposed * work.stages,
    }
    layers = sum(one.values(), start=np.zeros(()))
    head = np.maximum(work.head / matrix - work.slack * layers, 0.0)
    slowest = layers + head
    parts = {name: work.microbatches * value for name, value in one.items()}
    parts["products"] = parts["products"] + work.microbatches * head
    parts["bubble"] = work.idle * slowest
    behind = BACKWARD_SHARE * work.microbatches * slowest
    hidden = np.minimum(work.data, behind)
    parts["data ranks"] = work.data - hidden + cost * exposed * hidden
    parts["optimiser"] = work.optimiser / memory
    return parts


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


def step_work(
    model: Model, system: System, layout: Layout, batch: ArrayLike, context: ArrayLike, recipe: Recipe
) -> StepWork:
    """Work of one step of `batch` sequences of `context` tokens.

    Parameters
    ----------
    batch : float or array
        Sequences in the step, all ranks together [1].
    context : float or array
        Tokens of a sequence [token].

    Returns
    -------
    StepWork

    Raises
    ------
    RangeError, UnknownNameError
        If the batch does not divide, or the schedule cannot run it.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> work = step_work(model("llama-3.1-405b"), system("hgx-h100"), Layout(tp=8, pp=16, dp=4), 128, 8192, Recipe())
    >>> float(work.microbatches), float(work.idle), round(float(work.slack), 3)
    (32.0, 15.0, 0.016)
    """
    shape, s = shape_of(model), np.asarray(positive("context", context, "token"))
    microbatches = waves(layout, recipe, batch)
    cost = schedule_cost(recipe.schedule, layout.pp, microbatches, chunks=recipe.chunks)
    t, p = np.asarray(layout.tp, dtype=float), np.asarray(layout.pp, dtype=float)
    share = np.ceil(shape.layers / p) / shape.layers
    tokens = np.asarray(recipe.micro_batch, dtype=float) * s / np.asarray(layout.cp)
    again, _ = recomputed(recipe.recompute)
    rate, wide_rate = system.chip.peak(recipe.precision), system.chip.peak("bf16")
    each = tokens * share / t
    flops = (3.0 + again) * 2.0 * each / rate
    outputs = shape.whole_outputs + shape.split_outputs / t
    stored = shape.dense_stored / t
    if not recipe.sequence_parallel:
        stored = stored + shape.replicated_stored * (1.0 - 1.0 / t)
    crossings, seconds = _CROSSINGS + again, share * tokens / system.chip.hbm_bandwidth
    looks, scores = _attention(shape, recipe, s)
    dense, experts = held_params(shape, layout)
    held = (dense + experts) / system.chip.hbm_bandwidth
    tensor, ring, spread, hop = _wires(shape, system, layout, tokens, share, recipe, again)
    return StepWork(
        products=flops * (shape.dense_macs + shape.expert_macs),
        # Grouped products that are narrow on both sides run below the rate of one large product.
        narrow=flops * shape.expert_macs / shape.expert_side,
        # Filling and draining tiles: forward and backward to inputs, half of both again where the forward pass is.
        tiles=(1.0 + again / 2.0) * 2.0 * outputs * tokens * share / rate,
        head=3.0 * 2.0 * shape.vocab * shape.hidden * tokens / t / p / wide_rate,
        looks=looks * attention_forward_flops(model, s) * each / wide_rate,
        stored=(crossings * stored + scores / t) * seconds,
        sorted=crossings * shape.expert_stored / t * seconds,
        summed=2.0 * GRADIENT_BYTES["fp32"] * held,
        read=(2.0 + again) * number_format(recipe.precision).bytes * held,
        waits=(3.0 + again) * shape.expert_layers * share,
        tensor=tensor,
        context=ring,
        expert=spread,
        stages=hop,
        slack=1.0 - 1.0 / (share * p),
        microbatches=microbatches,
        # f : b : w = 1 : 1 : 1, so idle time is in units of a third of one micro-batch.
        idle=cost.idle / 3.0,
        data=_data(shape, system, layout, recipe, microbatches),
        optimiser=_optimiser(shape, system, layout, recipe),
    )


def _attention(shape: Shape, recipe: Recipe, context: Any) -> tuple[Any, Any]:
    """Forward passes of causal attention that a step is worth [1], and bytes of score matrices per token [B]."""
    again, look_again = recomputed(recipe.recompute)
    if recipe.fused_attention:
        return 1.0 + _FUSED_BACKWARD + (look_again if again else 0.0), 0.0
    # Written out, the masked half of the square is multiplied too.
    return 2.0 * (3.0 + look_again), (_SCORES + _SCORES_FORWARD * look_again) * shape.heads * context


def _rate(system: System, ranks: Any) -> Any:
    """Rate per chip of a group of neighbouring ranks: links inside a domain, network beyond [B/s]."""
    network = system.network_bandwidth or system.link_bandwidth
    return np.where(np.asarray(ranks) <= system.domain_size, system.link_bandwidth, network)


def _wires(
    shape: Shape, system: System, layout: Layout, tokens: Any, share: Any, recipe: Recipe, again: float
) -> tuple[Any, Any, Any, Any]:
    t, p, c = (np.asarray(v, dtype=float) for v in (layout.tp, layout.pp, layout.cp))
    message = tokens * shape.hidden * _BF16
    # Two gathers and two scatters a layer, forward and backward: (t-1)/t of the residual each. Where inputs are kept
    # divided, both are gathered once more for the gradients of the weights.
    times = 4.0 * (2.0 + again) + 2.0 * recipe.sequence_parallel
    tensor = times * (t - 1.0) / t * message * shape.layers * share / _rate(system, t)
    ring = 3.0 * (c - 1.0) * tokens * shape.kv_width / t * _BF16 * share / _rate(system, t * c)
    e = np.asarray(layout.ep, dtype=float)
    wide = e * np.where(e > t, 1.0, t)
    inside = np.minimum(e, np.maximum(system.domain_size // np.maximum(t, 1.0), 1.0))
    sent = 2.0 * (2.0 + again) * message / t * shape.expert_layers * share
    near = sent * np.minimum(shape.top_k, e) * (inside - 1.0) / np.maximum(e, 1.0) / system.link_bandwidth
    # One copy per remote domain: tokens are forwarded inside it.
    away = np.minimum(shape.top_k, e / inside) * (1.0 - inside / e)
    far = sent * away / (system.network_bandwidth or system.link_bandwidth)
    hop = 2.0 * np.asarray(recipe.chunks, dtype=float) * message / t / _rate(system, np.multiply(layout.stage_chips, 2))
    return tensor, ring, np.where(wide > 1, near + far, 0.0), np.where(p > 1, hop, 0.0)


def _data(shape: Shape, system: System, layout: Layout, recipe: Recipe, m: Any) -> Any:
    """Exchange over data ranks."""
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
    return np.where(zero >= 3, gathers, update)


def _optimiser(shape: Shape, system: System, layout: Layout, recipe: Recipe) -> Any:
    dense, experts = held_params(shape, layout)
    ranks = np.multiply(layout.dp, layout.cp).astype(float)
    copies = np.maximum(ranks * layout.tp / np.maximum(layout.ep, layout.tp), 1.0)
    shard = np.where(np.asarray(recipe.zero) >= 1, dense / ranks + experts / copies, dense + experts)
    # States are read and written; gradients cleared where they lie, read for their norm, scaled and read again.
    gradient = GRADIENT_BYTES[recipe.gradients]
    touched = 2.0 * OPTIMISERS[recipe.optimiser][0] + 4.0 * gradient + _BF16
    return (shard * touched + (dense + experts) * gradient) / system.chip.hbm_bandwidth
