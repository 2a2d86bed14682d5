"""The kernel fidelity: one forward pass as a sum over operators, each on its own roofline, plus collectives.

``t = sum over operators of (floor + |FLOP / (e_c F), bytes / (e_m BW)|_p) + collectives + step overhead``

with ``|a, b|_p`` the p-norm, a maximum with a soft corner: work near balance overlaps imperfectly. Every operator
is that of one chip of the busiest kind; what tensor parallelism cannot divide is counted whole on each chip, and a
dense product multiplies whole tiles of rows. A
p-norm is not below the maximum, and a sum of maxima not below the maximum of sums, so this is never below the
blackboard. The fractions and floors are those of :mod:`headway.facts.efficiency`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from headway.facts.layers import (
    AttentionKind,
    ExpertFFN,
    LatentAttention,
    LinearAttention,
    Projection,
    SoftmaxAttention,
)
from headway.facts.model import LayerGroup, Model
from headway.facts.precision import Precision, number_format
from headway.physics.attention import FLOP_PER_MAC, cache_shape, look_shape
from headway.physics.collectives import all_gather, all_reduce, all_to_all, reduce_scatter
from headway.physics.experts import busiest_rank_tokens, touched_experts
from headway.physics.layout import Layout, cache_ways, matrix_ways
from headway.physics.machine import Machine, Operator, soft_maximum, tiled_rows
from headway.physics.terms import window_pairs

__all__ = ("Machine", "Operator", "Work", "forward", "soft_maximum", "tiled_rows")

# Reads and writes of the residual stream by the norms and additions of one sublayer.
_RESIDUAL_PASSES = 4
# Expert dispatch travels in 8 bit, the way back in the activations' format (DeepSeek Day 6; claim C27).
_DISPATCH_BYTES = 1.0
# The convolution and the scan of a linear layer exchange 16-bit elements.
_SCAN_BYTES = 2.0


@dataclass(frozen=True, slots=True)
class Work:
    """What one pass carries, per attention-data rank; fields may be arrays.

    Parameters
    ----------
    sequences, context, queries : float or array
        Decoding sequences, tokens in their cache, tokens verified per sequence [1], [token], [1].
    prompts, new, cached : float or array
        Prompts being prefilled, new tokens of each, tokens already cached [1], [token], [token].
    tokens : float or array
        Tokens of all ranks together that reach the experts [1].
    every_logit : bool
        Whether every prompt token needs its logits, as in training.
    """

    sequences: Any = 0.0
    context: Any = 0.0
    queries: Any = 1.0
    prompts: Any = 0.0
    new: Any = 0.0
    cached: Any = 0.0
    tokens: Any = 0.0
    every_logit: bool = False

    @property
    def decode_tokens(self) -> Any:
        """Tokens of decoding sequences [1]."""
        return self.sequences * self.queries

    @property
    def prefill_tokens(self) -> Any:
        """Tokens of prompts [1]."""
        return self.prompts * self.new

    @property
    def logits(self) -> Any:
        """Tokens whose logits are needed [1]."""
        return self.decode_tokens + (self.prefill_tokens if self.every_logit else self.prompts)


def _matrix(
    m: Machine, name: str, ps: tuple[Projection, ...], rows: Any, width: Any, fmt: str, act: float, count: float
) -> Operator:
    """Matrix products of one sublayer: same rows; those that share an input are one launch."""
    flop: Any = 0.0
    nbytes: Any = 0.0
    size = number_format(fmt).bytes
    lengths: dict[int, Any] = {}
    # Operands that are narrowed on the way in are read once more, and written.
    narrows = m.narrows(fmt)
    taken = min(size, act) if narrows else act
    tiled = tiled_rows(rows, m.efficiency.tile)
    for p in ps:
        ways = matrix_ways(p, width)
        inputs, outputs = (p.inputs / ways, p.outputs) if p.split == "inputs" else (p.inputs, p.outputs / ways)
        flop = flop + tiled * (FLOP_PER_MAC * inputs * outputs)
        nbytes = nbytes + (inputs * outputs * size + rows * (inputs * taken + outputs * act))
        lengths[p.inputs] = inputs
    eff = m.efficiency
    each = eff.operator_latency + (eff.quantise_latency if m.native(fmt) else 0.0)
    # One block walks the whole reduction: a floor that grows with its length.
    floor = len(lengths) * each + eff.serial * sum(lengths.values())
    share = eff.weight_only if number_format(fmt).bits < 16 and not m.native(fmt) else 1.0
    beside = rows * (sum(lengths.values()) * (act + taken)) if taken < act else 0.0
    return m.device(name, flop, m.rate(fmt), nbytes, floor=floor, count=count, share=share, beside=beside)


def _core_floor(m: Machine, attention: AttentionKind) -> float:
    """Attention rotates, writes the cache and joins splits; a linear layer is a convolution and a scan [s]."""
    one = m.efficiency.operator_latency
    return 2.0 * one if isinstance(attention, LinearAttention) else one + m.efficiency.attention_latency


def _core(m: Machine, group: LayerGroup, layout: Layout, work: Work, kv: str) -> Iterator[Operator]:
    """Attention proper: scores and weighted values, decoding and prefilling apart."""
    attention = group.attention
    if attention is None:
        return
    look, shape = look_shape(attention), cache_shape(attention, 1, kv)
    rate, ways = m.attention_rate, cache_ways(attention, layout.tp)
    span = min(shape.span, shape.selected)
    # A recurrent state is read and written back.
    state = shape.state * (2.0 if isinstance(attention, LinearAttention) else 1.0)
    if np.any(work.sequences):
        seen = np.minimum(work.context, span) / layout.cp
        scan = work.context / layout.cp
        flop = work.decode_tokens * (
            (look.per_visible / layout.tp) * seen + look.per_context * scan + look.per_token / layout.tp
        )
        read = (shape.read_per_token / ways) * seen + shape.index_per_token * scan + state / ways
        if number_format(kv).bits == 8 and isinstance(attention, SoftmaxAttention):
            flop = flop + work.sequences * (shape.read_per_token / ways) * seen * m.efficiency.widening
        floor = _core_floor(m, attention)
        yield m.device("attention core", flop, rate, work.sequences * read, floor=floor, count=group.count)
    if np.any(work.prompts):
        one = np.asarray(1.0)
        causal = work.new * work.cached + 0.5 * work.new * (work.new + 1.0)
        pairs = window_pairs(one, work.cached, work.new, span) if np.isfinite(span) else causal
        split = np.multiply(layout.tp, layout.cp)
        # Every query and key pair of a head also costs an exponential, on units of their own.
        pair = look.per_visible_prefill + look.heads * m.efficiency.softmax_flops
        flop = (pair * pairs + look.per_token * work.new) / split + look.per_context * causal / layout.cp
        # Short prompts do not fill the chip.
        flop = flop * (1.0 + m.efficiency.half_length / np.maximum(work.new, 1.0))
        if isinstance(attention, LatentAttention):
            expand = FLOP_PER_MAC * attention.kv_rank * attention.heads * (attention.nope_dim + attention.v_head_dim)
            flop = flop + work.cached * (expand / split)
        kept = np.minimum(work.cached + work.new, shape.span)
        read = (shape.read_per_token / ways) * kept + shape.index_per_token * (work.cached + work.new)
        nbytes = work.prompts * (read / layout.cp + state / ways)
        floor = _core_floor(m, attention)
        if isinstance(attention, LinearAttention):
            # A prompt's chunks pass the state on, one after the other, whatever the heads.
            floor = floor + m.efficiency.scan * work.new / layout.cp
            nbytes = nbytes + work.prompts * work.new * (attention.scan_elements * _SCAN_BYTES / split)
        yield m.device("attention prefill", work.prompts * flop, rate, nbytes, floor=floor, count=group.count)


def _experts(
    m: Machine, model: Model, ffn: ExpertFFN, layout: Layout, work: Work, p: Precision, count: int
) -> Operator:
    """Grouped products of the routed experts on the busiest rank: weights of the experts touched, once."""
    slots = np.ceil(ffn.experts / np.asarray(layout.ep))
    share = touched_experts(ffn.experts, ffn.top_k, work.tokens) / ffn.experts
    rows = busiest_rank_tokens(work.tokens * ffn.top_k, layout.ep)
    params = sum(q.params for q in ffn.expert_projections(model.hidden))
    inner = ffn.latent or model.hidden
    slice_ = layout.expert_slice
    act, width = number_format(p.activation).bytes, ffn.width / slice_
    taken = min(number_format(p.experts).bytes, act) if m.narrows(p.experts) else act
    moved = rows * (inner * (taken + act) + width * (taken + 2 * act))
    nbytes = slots * share * (params * number_format(p.experts).bytes / slice_) + moved
    # Engines fit the tile to the rows of an expert: filling up to whole tiles explains no kernel table better.
    eff, flop = m.efficiency, rows * (FLOP_PER_MAC * params / slice_)
    narrow = number_format(p.experts).bits < 16 and not m.native(p.experts)
    return m.device(
        "experts",
        flop,
        m.rate(p.experts, eff.experts),
        nbytes,
        floor=eff.operator_latency + eff.experts_latency,
        count=count,
        share=eff.weight_only if narrow else 1.0,
        beside=rows * ((inner + width) * (act + taken)) if taken < act else 0.0,
        grouped=True,
    )


def _collective(name: str, seconds: Any, count: float) -> Operator:
    zero = np.zeros(())
    return Operator(name, "collective", zero, zero, zero, count * seconds)


def _reduce(m: Machine, name: str, rows: Any, hidden: int, act: float, ranks: Any, count: float) -> Operator:
    rate, latency = m.wire(ranks)
    return _collective(name, all_reduce(rows * (hidden * act), ranks, rate, latency), count)


def _exchanged(m: Machine, sent: Any, relayed: Any, ep: Any, outside: Any, stage: Any) -> Any:
    """An all-to-all over a scale-up domain and beyond [s]: every copy to its rank, or one copy to each domain.

    A copy per domain saves the network what the domain's own links then spread, and costs a hand-over (DeepEP's two
    kernels; DeepSeek-V3, arXiv 2412.19437, section 3.2.2). The faster of the two is taken.
    """
    rate, latency = m.exchange_wire(stage)
    local, _ = m.exchange_wire(1)
    within = all_to_all(sent * (1.0 - outside), ep, local, latency)
    direct = np.maximum(all_to_all(sent * outside, ep, rate, latency), within)
    spread = all_to_all(sent, ep, local, latency)
    through = np.maximum(all_to_all(relayed * outside, ep, rate, latency), spread) + m.efficiency.relay_latency
    return np.where(outside > 0, np.minimum(direct, through), within)


def _exchange(
    m: Machine, ffn: ExpertFFN, hidden: int, layout: Layout, work: Work, rows: Any, act: float, count: float
) -> Iterator[Operator]:
    """What leaves and comes back for the experts: all-to-all under expert parallelism, else gather and scatter."""
    # Without data ranks every chip has every token: its experts take theirs, and the reduction adds up.
    spread = np.asarray(layout.dp) > 1
    if not spread.any():
        for name in ("dispatch", "combine"):
            yield _collective(name, np.zeros(()), count)
        return
    stage, ep = np.asarray(layout.stage_chips), np.asarray(layout.ep, dtype=float)
    inner = ffn.latent or hidden
    own = rows / (np.multiply(layout.tp, layout.cp))
    # A token is sent once to each rank that holds one of its experts.
    ranks = ep * -np.expm1(ffn.top_k * np.log1p(-np.minimum(1.0 / ep, 1 - 1e-16)))
    copies = np.minimum(ffn.top_k, ranks)
    # The part of the traffic that stays inside the scale-up domain travels at its rate, beside the rest.
    domains = np.maximum(stage / m.system.domain_size, 1.0)
    outside = 1.0 - 1.0 / domains
    reached = np.minimum(copies, domains * (1.0 - (1.0 - 1.0 / domains) ** ffn.top_k))
    for name, size in (("dispatch", _DISPATCH_BYTES), ("combine", act)):
        sent = own * copies * (inner * size)
        exchanged = _exchanged(m, sent, sent * (reached / copies), ep, outside, stage)
        tokens = work.tokens * (inner * size) / np.maximum(stage, 1)
        gather = all_gather if name == "dispatch" else reduce_scatter
        gathered = gather(tokens * stage, stage, *m.wire(stage))
        yield _collective(name, np.where(spread, np.where(ep > 1, exchanged, gathered), 0.0), count)


def forward(model: Model, machine: Machine, layout: Layout, work: Work, precision: Precision) -> tuple[Operator, ...]:
    """Operators of one pass through all layers and the head, on the busiest chips [s].

    Parameters
    ----------
    model, machine, layout, work, precision
        Fields of `layout` and `work` broadcast; so do the operators' times.

    Returns
    -------
    tuple of Operator
        Several may share a name (one per kind of layer).

    Examples
    --------
    >>> from headway.facts.efficiency import IDEAL
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> llama, machine = model("llama-3.1-70b"), Machine(system("hgx-h200"), IDEAL)
    >>> found = forward(llama, machine, Layout(tp=8), Work(sequences=64, context=4096), llama.precision)
    >>> [op.name for op in found][:4]
    ['norms', 'attention projections', 'attention core', 'all-reduce']
    """
    act, h = number_format(precision.activation).bytes, model.hidden
    tokens = work.decode_tokens + work.prefill_tokens
    # Context parallel divides the tokens of a prompt among its ranks, but the feed-forward, which all of
    # these ranks share, multiplies every token of theirs.
    rows = work.decode_tokens + work.prefill_tokens / np.asarray(layout.cp, dtype=float)
    heads_width, ffn_width = layout.tp, np.multiply(layout.tp, layout.cp)
    found: list[Operator] = []
    for group in model.layers:
        n = group.count
        residual = rows * (_RESIDUAL_PASSES * group.norms * h * act) + group.norms * h * act
        idle = group.norms * machine.efficiency.operator_latency + machine.efficiency.layer_overhead
        found.append(machine.device("norms", rows * 0.0, machine.rate("bf16"), residual, floor=idle, count=n))
        if group.attention is not None:
            ps = group.attention.projections(h)
            found.append(_matrix(machine, "attention projections", ps, rows, heads_width, precision.attention, act, n))
            found.extend(_core(machine, group, layout, work, precision.kv))
            found.append(_reduce(machine, "all-reduce", rows, h, act, ffn_width, n))
        if group.ffn is not None:
            ps = group.ffn.projections(h)
            found.append(_matrix(machine, "ffn", ps, tokens, ffn_width, precision.ffn, act, n))
        if isinstance(group.ffn, ExpertFFN):
            found.append(_experts(machine, model, group.ffn, layout, work, precision, n))
            found.extend(_exchange(machine, group.ffn, h, layout, work, tokens, act, n))
        if group.ffn is not None:
            found.append(_reduce(machine, "all-reduce", tokens, h, act, ffn_width, n))
    head = (Projection("head", h, model.vocab, "outputs"),)
    found.append(_matrix(machine, "head", head, work.logits, ffn_width, precision.head, act, 1))
    found.append(_hops(machine, layout, tokens, h, act))
    return tuple(found)


def _hops(m: Machine, layout: Layout, rows: Any, hidden: int, act: float) -> Operator:
    """Activations handed from stage to stage, sharded over the chips of a group (claim C31)."""
    rate, latency = m.wire(layout.chips)
    share = rows * (hidden * act) / np.multiply(layout.tp, layout.cp)
    return _collective("pipeline hops", (np.asarray(layout.pp) - 1) * (latency + share / rate), 1)
