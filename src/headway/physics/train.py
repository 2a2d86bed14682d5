"""One training step: forward, backward, recomputation, bubble, gradients, optimiser.

``t = (M + P - 1)/P x t_micro + gradients + optimiser`` with ``M`` micro-batches through ``P`` stages (1F1B or
GPipe; Narayanan et al., arXiv 2104.04473, section 2.2) and ``t_micro`` the forward and backward pass of one
micro-batch through all stages. FLOPs are ``6 N D`` plus attention (claim C40; scaling book, transformers
chapter), ``8 N D`` where every activation is recomputed (claim C72).
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.check import positive, whole
from headway.facts.efficiency import Efficiency, efficiency_of
from headway.facts.errors import RangeError, unknown
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.precision import Precision
from headway.facts.reversible_overheads import memory_policy
from headway.physics.blackboard import prefill_terms
from headway.physics.collectives import all_gather, reduce_scatter
from headway.physics.kernel import Machine, Operator, Work, forward
from headway.physics.layout import Layout, check_layout
from headway.physics.step import Fidelity, Step, pass_seconds
from headway.physics.terms import Terms

Recompute = Literal["none", "selective", "full", "reversible"]

# Passes of the weights' products: one forward, two backward, and one more where all is recomputed. A reversible
# stack runs each layer forward again to invert it (Gomez et al., arXiv 1707.04585).
_PASSES = MappingProxyType({"none": 3.0, "selective": 3.0, "full": 4.0, "reversible": 4.0})
# Attention proper is recomputed under all but the first (Korthikanti et al., arXiv 2205.05198, section 5).
_LOOKS = MappingProxyType({"none": 3.0, "selective": 4.0, "full": 4.0, "reversible": 4.0})
# Mixed-precision Adam touches master weights, two moments and gradients in 32 bit, and writes 16-bit weights.
_OPTIMISER_BYTES = 4 * 4 + 4 * 3 + 2
_GRADIENT_BYTES = 4.0
_WEIGHT_BYTES = 2.0


def train_step(
    model: Model,
    system: System,
    layout: Layout | None = None,
    batch: ArrayLike = 1,
    context: ArrayLike = 4096,
    *,
    micro_batch: ArrayLike = 1,
    recompute: Recompute = "selective",
    fidelity: Fidelity = "kernel",
    precision: Precision | None = None,
    efficiency: Efficiency | None = None,
    gradient_overlap: float = 0.8,
) -> Step:
    """One optimiser step over `batch` sequences of `context` tokens.

    Parameters
    ----------
    layout : Layout, optional
        ``dp`` counts data replicas; ``ep`` spreads experts over data ranks (and tensor ranks) of a replica group.
    batch : float or array
        Sequences in one step, all data ranks together [1]; a multiple of ``dp x micro_batch``.
    context : float or array
        Tokens of each sequence [token].
    micro_batch : int or array
        Sequences that one data rank multiplies at once [1].
    recompute : {"none", "selective", "full", "reversible"}
        What the backward pass computes anew: nothing, attention proper, everything, or everything by inverting a
        reversible stack, whose kernel time is the measured multiple of stored activations and not the closed 4/3.
    gradient_overlap : float
        Share of the gradient exchange hidden behind the backward pass [1].

    Returns
    -------
    Step
        `tokens` counts trained tokens; `tpot` is the time of the step.

    Raises
    ------
    RangeError
        If the batch is not a multiple of the data ranks times the micro-batch.

    Examples
    --------
    Llama-3.1-405B on 8,192 H100: the blackboard is `6 N D` at the peak rate.

    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> place = Layout(tp=8, pp=16, dp=64)
    >>> ideal = train_step(model("llama-3.1-405b"), system("hgx-h100"), place, 1024, 8192, fidelity="blackboard")
    >>> real = train_step(model("llama-3.1-405b"), system("hgx-h100"), place, 1024, 8192)
    >>> bool(2.5 < ideal.seconds < real.seconds)
    True
    """
    if recompute not in _PASSES:
        raise unknown("recompute", str(recompute), _PASSES)
    if fidelity not in ("blackboard", "kernel"):
        raise unknown("fidelity", fidelity, ("blackboard", "kernel"))
    place = layout or Layout()
    b, s = np.asarray(positive("batch", batch)), np.asarray(positive("context", context, "token"))
    m = np.asarray(whole("micro_batch", micro_batch), dtype=float)
    waves = b / (np.asarray(place.dp) * m)
    if np.any(waves != np.floor(waves)) or np.any(waves < 1):
        each = int(np.max(np.asarray(place.dp) * m))
        raise RangeError("batch", f"{float(np.max(b)):g}", f"a multiple of dp x micro_batch = {each}", str(each))
    if fidelity == "blackboard":
        return _blackboard(model, system, place, b, s, recompute, precision)
    machine = Machine(system, efficiency or efficiency_of(system))
    formats = precision or model.precision
    return _kernel(model, machine, place, b, s, m, waves, recompute, formats, gradient_overlap)


def _blackboard(
    model: Model, system: System, layout: Layout, batch: Any, context: Any, recompute: str, precision: Precision | None
) -> Step:
    """FLOPs of all passes over all chips, and nothing else."""
    forward_terms = prefill_terms(model, system, Layout(dp=layout.chips), precision=precision)
    terms = []
    for t in forward_terms.terms:
        if t.resource == "compute":
            times = _LOOKS[recompute] if t.label == "attention" else _PASSES[recompute]
            tokens = 1.0 if t.label == "head weights" else t.tokens
            terms.append(replace(t, coefficient=t.coefficient * times, tokens=tokens))
    found = Terms(tuple(terms), ("compute alone: no bubble, no communication", f"recompute: {recompute}"))
    zero = np.zeros(())
    seconds = found.seconds(batch, zero, context)
    tokens = batch * context
    binding = found.binding(batch, zero, context)
    return Step(seconds, tokens, seconds, layout.chips, (), found, binding, found.assumptions, model.sources)


def _group(layout: Layout) -> Layout:
    """The chips among which one copy of the experts is spread; the other data ranks are replicas of them."""
    wide = np.multiply(layout.tp, layout.cp)
    ranks = np.maximum(np.ceil(np.asarray(layout.ep) / wide), 1).astype(int)
    return Layout(tp=layout.tp, ep=layout.ep, dp=ranks, pp=layout.pp, cp=layout.cp)


def _times(op: Operator, times: Any) -> Operator:
    return Operator(op.name, op.kind, op.compute * times, op.memory * times, op.floor * times, op.seconds * times)


def _kernel(
    model: Model,
    machine: Machine,
    layout: Layout,
    batch: Any,
    context: Any,
    micro: Any,
    waves: Any,
    recompute: str,
    precision: Precision,
    overlap: float,
) -> Step:
    group = check_layout(model, _group(layout))
    # The loss needs the logits of every token: each is a prompt of its own to the head.
    work = Work(prompts=micro, new=context, tokens=micro * context * group.dp, every_logit=True)
    one = forward(model, machine, group, work, precision)
    stages = np.asarray(layout.pp, dtype=float)
    fill = (waves + stages - 1.0) / stages
    passes, look = _PASSES[recompute], _LOOKS[recompute]
    if recompute == "reversible":
        passes = look = 3.0 * memory_policy(recompute).time_ratio
    looks = {"attention prefill": look}
    ops = tuple(_times(op, looks.get(op.name, passes) * fill) for op in one)
    ops += _update(model, machine, layout, overlap)
    seconds = pass_seconds(ops, 1, machine.efficiency.step_overhead)
    return Step(
        seconds,
        batch * context,
        seconds,
        layout.chips,
        ops,
        None,
        None,
        (f"recompute: {recompute}", "1F1B or GPipe schedule", f"{overlap:.0%} of the gradient exchange overlaps"),
        model.sources + machine.efficiency.sources,
    )


def _update(model: Model, machine: Machine, layout: Layout, overlap: float) -> tuple[Operator, ...]:
    """Gradients reduced and weights gathered over the data ranks (ZeRO-1), then the optimiser on each shard."""
    wide = np.multiply(layout.tp, layout.cp)
    dense = (model.total_params - model.routed_params) / (wide * np.asarray(layout.pp, dtype=float))
    experts = model.routed_params / (np.maximum(layout.ep, wide) * np.asarray(layout.pp, dtype=float))
    held = dense + experts
    rate, latency = machine.wire(layout.chips)
    ranks = np.asarray(layout.dp)
    shared = reduce_scatter(held * _GRADIENT_BYTES, ranks, rate, latency, "ring") + all_gather(
        held * _WEIGHT_BYTES, ranks, rate, latency, "ring"
    )
    zero = np.zeros(())
    exchange = Operator("gradients", "collective", zero, zero, zero, (1.0 - overlap) * shared)
    shard = held / ranks
    return exchange, machine.device("optimiser", shard * 0.0, machine.rate("bf16"), shard * _OPTIMISER_BYTES)
