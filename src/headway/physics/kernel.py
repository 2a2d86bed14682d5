"""The kernel fidelity: one forward pass as a sum over operators, each on its own roofline, plus collectives.

``t = sum over operators of (floor + |FLOP / (e_c F), bytes / (e_m BW)|_p) + collectives + step overhead``

with ``|a, b|_p`` the p-norm, a maximum with a soft corner: work near balance overlaps imperfectly. Every operator
is that of one chip of the busiest kind; what tensor parallelism cannot divide is counted whole on each chip. A
p-norm is not below the maximum, and a sum of maxima not below the maximum of sums, so this is never below the
blackboard. The fractions and floors are those of :mod:`headway.facts.efficiency`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from headway.facts.efficiency import Efficiency
from headway.facts.hardware import System
from headway.facts.layers import ExpertFFN, LatentAttention, Projection
from headway.facts.model import LayerGroup, Model
from headway.facts.precision import Precision, number_format
from headway.physics.attention import FLOP_PER_MAC, cache_shape, look_shape
from headway.physics.collectives import all_gather, all_reduce, all_to_all, reduce_scatter
from headway.physics.experts import busiest_rank_tokens, touched_experts
from headway.physics.layout import Layout, cache_ways, matrix_ways
from headway.physics.terms import window_pairs

# Reads and writes of the residual stream by the norms and additions of one sublayer.
_RESIDUAL_PASSES = 4
# Expert dispatch travels in 8 bit, the way back in the activations' format (DeepSeek Day 6; claim C27).
_DISPATCH_BYTES = 1.0
# Groups of small products are bound some one way, some the other: a softer corner than that of one product.
_GROUPED_SOFTNESS = 1.5


@dataclass(frozen=True, slots=True)
class Operator:
    """One kind of work in a pass, summed over layers.

    Parameters
    ----------
    name : str
        Field's name (``"attention core"``, ``"experts"``, ``"all-reduce"``).
    kind : str
        ``"device"``, ``"collective"`` or ``"overhead"``.
    compute, memory, floor : float or array
        Seconds by FLOPs alone, by bytes alone, and of latency [s].
    seconds : float or array
        What it takes [s].
    """

    name: str
    kind: str
    compute: Any
    memory: Any
    floor: Any
    seconds: Any


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


@dataclass(frozen=True, slots=True)
class Machine:
    """Rates that a pass meets: datasheet times efficiency, collectives by group size.

    Parameters
    ----------
    system : System
    efficiency : Efficiency
    """

    system: System
    efficiency: Efficiency

    def native(self, name: str) -> bool:
        """Whether the chip multiplies a format narrower than 16 bit as it stands."""
        fmt = number_format(name)
        return fmt.bits < 16 and fmt.compute in self.system.chip.flops and fmt.compute != "bf16"

    def rate(self, name: str) -> float:
        """Achievable rate for operands of a format [FLOP/s].

        Narrow operands gain less than their width: the fraction of peak shrinks by `narrow` with every halving,
        and no format runs at more than twice the next wider one. A format that the chip widens first runs at the
        16-bit rate, times `weight_only`.
        """
        chip, eff, fmt = self.system.chip, self.efficiency, number_format(name)
        wide = chip.peak("bf16")
        if not self.native(name):
            return wide * self._fed(eff.compute) * (eff.weight_only if fmt.bits < 16 else 1.0)
        halvings = float(np.log2(16.0 / fmt.bits))
        nominal = min(chip.peak(name), wide * 2.0**halvings) if eff.narrow < 1.0 else chip.peak(name)
        return float(nominal * self._fed(eff.compute * eff.narrow**halvings))

    def _fed(self, share: float) -> float:
        """Share of peak of a chip whose cores multiply less, or more, than those the share was fitted on.

        What a product loses is the time to feed its core: ``1/rate = 1/peak + 1/feed``. A core with a smaller
        peak and the same feed loses less.
        """
        return 1.0 / (1.0 + self.efficiency.core_peak * (1.0 / share - 1.0))

    @property
    def attention_rate(self) -> float:
        """Achievable rate of attention proper in 16 bit [FLOP/s]."""
        return self.system.chip.peak("bf16") * self.efficiency.attention

    @property
    def bandwidth(self) -> float:
        """Achievable memory bandwidth of one chip [B/s]."""
        return self.system.chip.hbm_bandwidth * self.efficiency.memory

    def wire(self, group: Any) -> tuple[Any, Any]:
        """One-way rate per chip [B/s] and latency [s] of a collective over `group` chips."""
        sys, eff = self.system, self.efficiency
        link = sys.link_bandwidth * eff.link
        inside = np.asarray(group) <= sys.domain_size
        network = (sys.network_bandwidth or 1e-9) * eff.network
        slow = max(eff.collective_latency, sys.network_latency)
        return np.where(inside, link, network), np.where(inside, eff.collective_latency, slow)

    def exchange_wire(self, group: Any) -> tuple[Any, Any]:
        """As :meth:`wire`, of an all-to-all: many small messages reach less of the rate."""
        sys, eff = self.system, self.efficiency
        inside = np.asarray(group) <= sys.domain_size
        network = (sys.network_bandwidth or 1e-9) * eff.network
        slow = eff.exchange_latency + sys.network_latency
        return (
            np.where(inside, sys.link_bandwidth * eff.exchange, network),
            np.where(inside, eff.exchange_latency, slow),
        )

    def device(
        self,
        name: str,
        flop: Any,
        rate: float,
        nbytes: Any,
        *,
        floor: Any = None,
        count: float = 1.0,
        share: float = 1.0,
        grouped: bool = False,
    ) -> Operator:
        """Roofline of an operator on one chip, `count` times; `share` is the part of the bandwidth that it reaches."""
        compute, memory = flop * (count / rate), nbytes * (count / (self.bandwidth * share))
        idle = count * (self.efficiency.operator_latency if floor is None else floor)
        power = min(self.efficiency.softness, _GROUPED_SOFTNESS) if grouped else self.efficiency.softness
        return Operator(name, "device", compute, memory, idle, soft_maximum(compute, memory, power) + idle)


def soft_maximum(a: Any, b: Any, power: float) -> Any:
    """The p-norm of two times: their maximum with a soft corner, never below it.

    >>> float(soft_maximum(3.0, 4.0, 2.0)), float(soft_maximum(3.0, 4.0, float("inf")))
    (5.0, 4.0)
    """
    top = np.maximum(a, b)
    if np.isinf(power):
        return top
    low = np.minimum(a, b) / np.maximum(top, 1e-300)
    return top * np.exp(np.log1p(low**power) / power)


def _matrix(
    m: Machine, name: str, ps: tuple[Projection, ...], rows: Any, width: Any, fmt: str, act: float, count: float
) -> Operator:
    """Matrix products of one sublayer: same rows; those that share an input are one launch."""
    flop: Any = 0.0
    nbytes: Any = 0.0
    size = number_format(fmt).bytes
    lengths: dict[int, Any] = {}
    for p in ps:
        ways = matrix_ways(p, width)
        inputs, outputs = (p.inputs / ways, p.outputs) if p.split == "inputs" else (p.inputs, p.outputs / ways)
        flop = flop + rows * (FLOP_PER_MAC * inputs * outputs)
        nbytes = nbytes + (inputs * outputs * size + rows * ((inputs + outputs) * act))
        lengths[p.inputs] = inputs
    eff = m.efficiency
    each = eff.operator_latency + (eff.quantise_latency if m.native(fmt) else 0.0)
    # One block walks the whole reduction: a floor that grows with its length.
    floor = len(lengths) * each + eff.serial * sum(lengths.values())
    share = eff.weight_only if number_format(fmt).bits < 16 and not m.native(fmt) else 1.0
    return m.device(name, flop, m.rate(fmt), nbytes, floor=floor, count=count, share=share)


def _core(m: Machine, group: LayerGroup, layout: Layout, work: Work, kv: str) -> Iterator[Operator]:
    """Attention proper: scores and weighted values, decoding and prefilling apart."""
    attention = group.attention
    if attention is None:
        return
    look, shape = look_shape(attention), cache_shape(attention, 1, kv)
    rate, ways = m.attention_rate, cache_ways(attention, layout.tp)
    span = min(shape.span, shape.selected)
    if np.any(work.sequences):
        seen = np.minimum(work.context, span) / layout.cp
        scan = work.context / layout.cp
        flop = work.decode_tokens * (
            (look.per_visible / layout.tp) * seen + look.per_context * scan + look.per_token / layout.tp
        )
        read = (shape.read_per_token / ways) * seen + shape.index_per_token * scan + shape.state / ways
        floor = m.efficiency.operator_latency + m.efficiency.attention_latency
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
        nbytes = work.prompts * (read / layout.cp + shape.state / ways)
        floor = m.efficiency.operator_latency + m.efficiency.attention_latency
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
    moved = rows * ((2 * inner + 3 * ffn.width / slice_) * number_format(p.activation).bytes)
    nbytes = slots * share * (params * number_format(p.experts).bytes / slice_) + moved
    eff, flop = m.efficiency, rows * (FLOP_PER_MAC * params / slice_)
    narrow = number_format(p.experts).bits < 16 and not m.native(p.experts)
    return m.device(
        "experts",
        flop,
        m.rate(p.experts) * eff.experts,
        nbytes,
        floor=eff.operator_latency + eff.experts_latency,
        count=count,
        share=eff.weight_only if narrow else 1.0,
        grouped=True,
    )


def _collective(name: str, seconds: Any, count: float) -> Operator:
    zero = np.zeros(())
    return Operator(name, "collective", zero, zero, zero, count * seconds)


def _reduce(m: Machine, name: str, rows: Any, hidden: int, act: float, ranks: Any, count: float) -> Operator:
    rate, latency = m.wire(ranks)
    return _collective(name, all_reduce(rows * (hidden * act), ranks, rate, latency), count)


def _exchange(
    m: Machine, ffn: ExpertFFN, hidden: int, layout: Layout, work: Work, rows: Any, act: float, count: float
) -> Iterator[Operator]:
    """What leaves and comes back for the experts: all-to-all under expert parallelism, else gather and scatter."""
    stage, ep = np.asarray(layout.stage_chips), np.asarray(layout.ep, dtype=float)
    inner = ffn.latent or hidden
    own = rows / (np.multiply(layout.tp, layout.cp))
    # A token is sent once to each rank that holds one of its experts.
    ranks = ep * -np.expm1(ffn.top_k * np.log1p(-np.minimum(1.0 / ep, 1 - 1e-16)))
    copies = np.minimum(ffn.top_k, ranks)
    rate, latency = m.exchange_wire(stage)
    local_rate, _ = m.exchange_wire(1)
    # The part of the traffic that stays inside the scale-up domain travels at its rate, beside the rest.
    outside = np.maximum(0.0, 1.0 - m.system.domain_size / np.maximum(stage, 1))
    for name, size in (("dispatch", _DISPATCH_BYTES), ("combine", act)):
        sent = own * copies * (inner * size)
        far = all_to_all(sent * np.where(outside > 0, outside, 1.0), ep, rate, latency)
        near = all_to_all(sent * (1.0 - outside), ep, local_rate, latency)
        tokens = work.tokens * (inner * size) / np.maximum(stage, 1)
        gather = all_gather if name == "dispatch" else reduce_scatter
        gathered = gather(tokens * stage, stage, *m.wire(stage))
        # Without data ranks every chip has every token: its experts take theirs, and the reduction adds up.
        spread = np.asarray(layout.dp) > 1
        yield _collective(name, np.where(spread, np.where(ep > 1, np.maximum(far, near), gathered), 0.0), count)


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
