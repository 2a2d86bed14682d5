"""From a model on a system to what the loop needs: step times, cache blocks, engines; or why there is no room."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from headway.facts.check import whole
from headway.facts.efficiency import Efficiency, efficiency_of
from headway.facts.errors import LayoutError
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.precision import Precision
from headway.physics.attention import kv_bytes
from headway.physics.layout import Layout
from headway.physics.memory import memory_use
from headway.simulation._plain_times import prefill_seconds
from headway.simulation.fleet import CacheTier, Fleet
from headway.simulation.memories import HOST_BANDWIDTH, MemoryTier, cache_tier
from headway.simulation.scheduler import Scheduler
from headway.simulation.step_times import StepTimes, loop_times, step_times
from headway.simulation.trace import Trace


@dataclass(frozen=True, slots=True, eq=False)
class Deployment:
    """A fleet that is ready to replay a trace, or the reason why it cannot exist.

    Parameters
    ----------
    feasible : bool
    reason : str
        Empty where feasible.
    times : StepTimes or None
    fleet : Fleet
    chips : int
        Chips of all engines [1].
    block_bytes : float
        Cache of one block on one chip [B].
    assumptions : tuple of str
    memories : tuple of MemoryTier
        Below those of the engines, in the order of the fleet's tiers.
    token_bytes : float
        Cache of a token in all layers [B].
    block_tokens : int
        [token].
    prefill_chip_s : float
        Chip-seconds to compute a prompt's token in a full step, attention at the mean place of prompt tokens [s].
    notes : tuple of str
        What of the trace the model was not made for.
    """

    feasible: bool
    reason: str
    times: StepTimes | None
    fleet: Fleet
    chips: int
    block_bytes: float
    assumptions: tuple[str, ...]
    memories: tuple[MemoryTier, ...] = ()
    token_bytes: float = 0.0
    block_tokens: int = 16
    prefill_chip_s: float = 0.0
    notes: tuple[str, ...] = ()


def deploy(
    model: Model,
    system: System,
    layout: Layout,
    trace: Trace,
    scheduler: Scheduler,
    *,
    replicas: int = 1,
    prefillers: int = 0,
    precision: Precision | None = None,
    efficiency: Efficiency | None = None,
    blocks: int | None = None,
    memories: Sequence[MemoryTier] = (),
    write_through: bool = False,
) -> Deployment:
    """Tabulate the steps of a deployment and count its cache blocks.

    Blocks are what weights, activations and the reserve leave of the fullest chip
    (:func:`headway.physics.memory.memory_use`), over the bytes of a block at the trace's mean length.

    Parameters
    ----------
    model, system, layout, precision, efficiency
        As in :func:`headway.physics.step.decode_step`.
    trace : Trace
        What will be served: its longest request sizes the table.
    scheduler : Scheduler
    replicas, prefillers : int
        Engines, and those of them that only prefill [1].
    blocks : int, optional
        Cache blocks of a rank as the engine reports them, instead of the memory model's [1].
    memories : sequence of MemoryTier
        Below those of the engines, nearest first; they need a trace with block ids.
    write_through : bool
        They get a block when it is made, instead of when the one above drops it.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> from headway.simulation.trace import make_trace
    >>> one = make_trace("one", [0.0], [1000], [100])
    >>> found = deploy(model("llama-3.1-70b"), system("hgx-h200"), Layout(tp=8), one, Scheduler())
    >>> found.feasible, found.chips
    (True, 8)
    >>> deploy(model("llama-3.1-70b"), system("hgx-h100"), Layout(), one, Scheduler()).reason[:20]
    'no room for a cache:'
    """
    whole("replicas", replicas, most=4096)
    whole("prefillers", prefillers, least=0, most=replicas - 1)
    eff, formats = efficiency or efficiency_of(system), precision or model.precision
    dp = int(layout.dp)
    lengths = trace.input_tokens + trace.output_tokens
    longest, mean = (int(lengths.max()), float(lengths.mean())) if len(trace) else (2, 2.0)
    block = trace.block_tokens if scheduler.prefix_cache and trace.block_tokens else scheduler.block_tokens
    rows = float(max(scheduler.token_budget, scheduler.max_seqs))
    bare = memory_use(model, system, layout, 0, 1.0, new_tokens=rows, precision=formats)
    full = memory_use(model, system, layout, dp, mean, new_tokens=rows, precision=formats)
    block_bytes = float(full.kv) / mean * block
    room = float(bare.capacity - bare.weights - bare.activations - bare.reserve)
    found = blocks if blocks is not None else (int(room // block_bytes) if block_bytes else 0)
    chips = int(layout.chips) * replicas
    wire = _wire(system, eff, chips)
    whole_bytes = float(kv_bytes(model, mean, formats.kv)) / mean
    own_chips = int(layout.tp) * int(layout.cp)
    token_bytes = whole_bytes / own_chips
    fleet = Fleet(
        engines=replicas,
        prefillers=prefillers,
        ranks=dp,
        blocks=max(found, 0),
        swap_token_s=token_bytes / HOST_BANDWIDTH,
        send_token_s=token_bytes / wire if prefillers else 0.0,
        send_latency_s=system.network_latency if prefillers else 0.0,
        tiers=_tiers(memories, whole_bytes, block, own_chips, dp, system),
        write_through=write_through,
        layers=model.n_layers,
    )
    reason = _why_not(model, layout, found, block, longest, room, bare.reason())
    times = None
    if not reason:
        prompt = int(trace.input_tokens.max()) + int(trace.output_tokens.max()) + 1 if len(trace) else 1
        times = step_times(
            model,
            system,
            layout,
            max_seqs=scheduler.max_seqs,
            token_budget=scheduler.token_budget,
            longest=longest,
            longest_prompt=prompt if scheduler.policy == "prefill-first" else 0,
            draft=scheduler.draft,
            precision=formats,
            efficiency=eff,
        )
    full_step = _full_step(times, scheduler.token_budget, trace) * int(layout.chips) / dp if times is not None else 0.0
    return Deployment(
        not reason,
        reason,
        times,
        fleet,
        chips,
        block_bytes,
        _assumptions(scheduler, dp, prefillers, bool(memories)),
        tuple(memories),
        whole_bytes,
        block,
        full_step / scheduler.token_budget,
        _too_long(model, trace),
    )


def _too_long(model: Model, trace: Trace) -> tuple[str, ...]:
    """How many requests pass the longest context of the model, where it is known."""
    over = int((trace.input_tokens + trace.output_tokens > model.max_context).sum()) if model.max_context else 0
    if not over:
        return ()
    return (f"{over:,} of {len(trace):,} requests are longer than the {model.max_context:,} tokens of {model.name}",)


def _full_step(times: StepTimes, budget: int, trace: Trace) -> float:
    """Seconds of a full prefill step whose attention is that at the mean place of the trace's prompt tokens."""
    inputs = trace.input_tokens.astype(float)
    place = int((inputs**2).sum() / inputs.sum() / 2.0) if len(trace) else 0
    return float(times.linear[budget]) + prefill_seconds(loop_times(times), budget, place)


def _tiers(
    memories: Sequence[MemoryTier], token_bytes: float, block: int, chips: int, ranks: int, system: System
) -> tuple[CacheTier, ...]:
    network, latency = system.network_bandwidth or system.link_bandwidth, system.network_latency
    reach = {"network": network, "latency": latency}
    return tuple(cache_tier(m, token_bytes, block, chips=chips, ranks=ranks, **reach) for m in memories)


def _wire(system: System, eff: Efficiency, chips: int) -> float:
    if chips > system.domain_size and system.network_bandwidth:
        return system.network_bandwidth * eff.network
    return system.link_bandwidth * eff.link


def _why_not(model: Model, layout: Layout, blocks: int, block: int, longest: int, room: float, short: str) -> str:
    """Why nothing can be served; empty where something can."""
    if int(layout.pp) != 1 or int(layout.micro_batches) != 1:
        raise LayoutError("layout", layout.label(), "a replica without pipeline stages and half batches")
    if short or blocks < 1:
        return f"no room for a cache: {short or f'{room / 1e9:.3g} GB are left beside the weights of {model.name}'}"
    if math.ceil((longest + 1) / block) + 1 > blocks:
        return f"the longest request has {longest:,} tokens, the cache of an engine {blocks * block:,}"
    return ""


def _assumptions(scheduler: Scheduler, dp: int, prefillers: int, tiers: bool) -> tuple[str, ...]:
    found = [
        "a step is the sum of its operators; uniform routing of experts",
        "answers are not kept for later prompts; prompts are, by the trace's block ids",
    ]
    if scheduler.draft:
        found.append("drafts are accepted at their mean in every pass")
    if dp > 1:
        found.append("attention-data ranks step together and wait for the slowest")
    if prefillers:
        found.append("a cache travels after its prefill, one flow at the full rate of a chip's link")
    if tiers:
        found.append("lower tiers are written in the background; a load takes its turn at its tier and no step waits")
    return tuple(found)
