"""One forward pass as operators: each on its roofline, the right bytes and FLOPs in each, nothing forgotten."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from headway.facts.efficiency import IDEAL, Efficiency, efficiency_of
from headway.facts.errors import RangeError
from headway.facts.hardware import System
from headway.facts.layers import ExpertFFN, LatentAttention, LinearAttention
from headway.facts.model import Model
from headway.facts.models import model
from headway.facts.precision import FORMATS, Precision
from headway.facts.systems import system
from headway.physics.attention import attention_flops, kv_bytes, kv_read_bytes
from headway.physics.collectives import all_reduce, all_to_all
from headway.physics.experts import busiest_rank_tokens, touched_experts
from headway.physics.kernel import Machine, Operator, Work, forward, soft_maximum, tiled_rows
from headway.physics.layout import Layout

Place = tuple[Model, System, Layout]
PLAIN = Precision()


def named(found: tuple[Operator, ...], name: str) -> tuple[Operator, ...]:
    return tuple(op for op in found if op.name == name)


def flop_and_bytes(of: Machine, found: tuple[Operator, ...], name: str) -> tuple[float, float]:
    """What the operators of that name multiply at the 16-bit rate, and what they move."""
    ops = named(found, name)
    compute, memory = (sum(float(getattr(op, field)) for op in ops) for field in ("compute", "memory"))
    return compute * of.rate("bf16"), memory * of.bandwidth


def box(efficiency: Efficiency = IDEAL, name: str = "hgx-h200") -> Machine:
    return Machine(system(name), efficiency)


SECONDS = st.floats(0, 1e3)
POWER = st.floats(1, 50) | st.just(math.inf)


@given(a=SECONDS, b=SECONDS, more=SECONDS, power=POWER)
def test_a_soft_corner_lies_between_the_longer_and_the_sum(a: float, b: float, more: float, power: float) -> None:
    found = float(soft_maximum(a, b, power))
    assert max(a, b) <= found <= (a + b) * (1 + 1e-12)
    assert found == pytest.approx(float(soft_maximum(b, a, power)), rel=1e-12)
    assert float(soft_maximum(a + more, b, power)) >= found * (1 - 1e-12)
    assert math.isfinite(power) or found == max(a, b)


@given(
    flop=st.floats(0, 1e15),
    nbytes=st.floats(0, 1e12),
    floor=st.floats(0, 1e-3),
    count=st.integers(1, 100),
    share=st.floats(0.1, 1),
)
def test_an_operator_takes_the_longer_of_both_and_its_floor(
    flop: float, nbytes: float, floor: float, count: int, share: float
) -> None:
    for machine in (box(), box(efficiency_of(system("hgx-h200")))):
        rate = machine.rate("bf16")
        op = machine.device("head", flop, rate, nbytes, floor=floor, count=count, share=share)
        assert op.compute == pytest.approx(count * flop / rate, rel=1e-12)
        assert op.memory == pytest.approx(count * nbytes / machine.bandwidth / share, rel=1e-12)
        assert op.floor == count * floor
        corner = soft_maximum(op.compute, op.memory, machine.efficiency.softness)
        assert op.seconds == pytest.approx(float(corner) + op.floor, rel=1e-12)
    assert box().device("head", flop, 1e15, nbytes).floor == 0.0


@pytest.mark.parametrize("fmt", sorted(FORMATS))
@pytest.mark.parametrize("name", ["hgx-h200", "gb200-nvl72", "mi300x-8", "tpu-v5e-pod"])
def test_efficiency_slows_and_never_speeds(name: str, fmt: str) -> None:
    ideal, real = box(name=name), box(efficiency_of(system(name)), name)
    assert real.rate(fmt) < ideal.rate(fmt) == system(name).chip.peak(fmt)
    assert real.bandwidth < ideal.bandwidth == system(name).chip.hbm_bandwidth
    assert real.attention_rate < ideal.attention_rate == system(name).chip.peak("bf16")


def test_a_narrow_product_gains_less_than_its_width() -> None:
    losing = dataclasses.replace(IDEAL, compute=0.8, narrow=0.9, weight_only=0.5)
    machine, chip = box(losing, "gb200-nvl72"), system("gb200-nvl72").chip
    wide = chip.peak("bf16") * 0.8
    assert machine.rate("bf16") == wide
    assert machine.rate("fp8") == pytest.approx(min(chip.peak("fp8") * 0.8, 2 * wide) * 0.9, rel=1e-12)
    assert machine.rate("nvfp4") <= 4 * wide * 0.81 * (1 + 1e-12)
    # A chip that has no such units widens the weights first.
    assert box(losing).rate("nvfp4") == system("hgx-h200").chip.peak("bf16") * 0.8 * 0.5


@pytest.mark.parametrize("group", [1, 8, 9, 64])
def test_a_group_beyond_the_domain_uses_the_network(group: int) -> None:
    losing = dataclasses.replace(IDEAL, link=0.8, network=0.7, exchange=0.5, collective_latency=1e-6)
    machine = box(losing)
    on = machine.system
    assert on.network_bandwidth is not None
    inside = group <= on.domain_size
    rate, latency = machine.wire(group)
    assert float(rate) == (0.8 * on.link_bandwidth if inside else 0.7 * on.network_bandwidth)
    assert float(latency) == (1e-6 if inside else max(1e-6, on.network_latency))
    rate, latency = machine.exchange_wire(group)
    assert float(rate) == (0.5 * on.link_bandwidth if inside else 0.7 * on.network_bandwidth)
    assert float(latency) == (0.0 if inside else on.network_latency)


def rewritten(of: Model, tokens: int = 0) -> float:
    """What linear layers move beside one look at the cache: the state once more, and what they scan [B]."""
    linear = [(g.count, g.attention) for g in of.layers if isinstance(g.attention, LinearAttention)]
    return sum(n * (a.state_elements * a.state_bytes + tokens * a.scan_elements * 2.0) for n, a in linear)


@given(batch=st.integers(1, 512), context=st.integers(0, 100_000))
@settings(max_examples=20)
def test_decoding_looks_back_as_the_model_says(kinds: tuple[str, ...], batch: int, context: int) -> None:
    machine = box()
    for of in map(model, kinds):
        found = forward(of, machine, Layout(), Work(sequences=batch, context=context, tokens=batch), PLAIN)
        flop, nbytes = flop_and_bytes(machine, found, "attention core")
        assert flop == pytest.approx(batch * attention_flops(of, context), rel=1e-9)
        assert nbytes == pytest.approx(batch * (kv_read_bytes(of, context, "bf16") + rewritten(of)), rel=1e-9)


@given(cached=st.integers(0, 4000), new=st.integers(1, 50), prompts=st.integers(1, 4))
@settings(max_examples=20)
def test_prefilling_looks_back_token_by_token(kinds: tuple[str, ...], cached: int, new: int, prompts: int) -> None:
    machine = box()
    for of in map(model, kinds):
        if any(isinstance(g.attention, LatentAttention) for g in of.layers):
            continue
        work = Work(prompts=prompts, new=new, cached=cached, tokens=prompts * new)
        flop, nbytes = flop_and_bytes(machine, forward(of, machine, Layout(), work, PLAIN), "attention prefill")
        by_hand = prompts * sum(attention_flops(of, cached + i) for i in range(1, new + 1))
        assert flop == pytest.approx(by_hand, rel=1e-9)
        sharing = any(g.attention is not None and g.attention.kv_elements == 0 for g in of.layers)
        expected = prompts * (kv_bytes(of, cached + new, "bf16") + rewritten(of, new))
        assert sharing or nbytes == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("layout", [Layout(), Layout(tp=8), Layout(tp=2, cp=4), Layout(tp=2, dp=4, ep=8)])
def test_all_chips_together_multiply_every_matrix(kinds: tuple[str, ...], layout: Layout) -> None:
    """Dense products over all chips are at least the model's own, and exactly that on one chip."""
    machine, rows = box(), 64
    for of in map(model, kinds):
        routed = sum(
            g.count * g.ffn.top_k * sum(p.params for p in g.ffn.expert_projections(of.hidden))
            for g in of.layers
            if isinstance(g.ffn, ExpertFFN)
        )
        work = Work(prompts=1, new=rows, tokens=rows * layout.dp)
        found = forward(of, machine, layout, work, PLAIN)
        flop = sum(flop_and_bytes(machine, found, name)[0] for name in ("attention projections", "ffn"))
        by_hand = 2.0 * rows * (of.matmul_params - routed - of.vocab * of.hidden)
        share = flop * layout.tp * layout.cp / by_hand
        assert share == pytest.approx(1.0, rel=1e-12) if layout.chips == 1 else share >= 1 - 1e-12


def test_context_parallel_shares_a_prompt_once() -> None:
    """Four chips that divide a prompt's tokens hold all of the model's products between them, not a quarter."""
    of, machine = model("llama-3.1-70b"), box()
    work = Work(prompts=1, new=8192, tokens=8192)
    one, four = (forward(of, machine, Layout(cp=cp), work, PLAIN) for cp in (1, 4))
    for name in ("attention projections", "attention prefill", "ffn"):
        whole, quarter = (flop_and_bytes(machine, found, name)[0] for found in (one, four))
        assert 4 * quarter == pytest.approx(whole, rel=1e-12)


@given(tokens=st.integers(1, 10_000), ep=st.sampled_from((1, 8, 32, 256)))
@settings(max_examples=30)
def test_experts_read_what_is_touched_and_wait_for_the_busiest(tokens: int, ep: int) -> None:
    of, machine = model("deepseek-v3"), box(name="gb200-nvl72")
    work = Work(sequences=-(-tokens // 256), context=0, tokens=tokens)
    ops = named(forward(of, machine, Layout(dp=256, ep=ep), work, PLAIN), "experts")
    ffn = next(g.ffn for g in of.layers if isinstance(g.ffn, ExpertFFN))
    params = sum(p.params for p in ffn.expert_projections(of.hidden))
    slice_ = 256 // ep
    rows = busiest_rank_tokens(tokens * 8, ep)
    flop = 58 * rows * 2.0 * params / slice_
    assert sum(float(op.compute) for op in ops) * machine.rate("bf16") == pytest.approx(flop, rel=1e-12)
    weights = 58 * touched_experts(256, 8, tokens) / ep * params * 2.0 / slice_
    moved = 58 * rows * (2 * 7168 + 3 * 2048 / slice_) * 2.0
    nbytes = sum(float(op.memory) for op in ops) * machine.bandwidth
    assert nbytes == pytest.approx(weights + moved, rel=1e-12)


def test_one_chip_sends_nothing(kinds: tuple[str, ...]) -> None:
    for of in map(model, kinds):
        found = forward(of, box(efficiency_of(system("hgx-h200"))), Layout(), Work(sequences=4, tokens=4), PLAIN)
        assert sum(float(op.seconds) for op in found if op.kind == "collective") == 0.0


def test_collectives_carry_the_residual_stream() -> None:
    """Two all-reduces per layer of the rows of one data rank; two exchanges per expert layer of one chip's rows."""
    dense, sparse, machine = model("llama-3.1-70b"), model("deepseek-v3"), box(name="gb200-nvl72")
    rate = machine.system.link_bandwidth
    found = forward(dense, machine, Layout(tp=8), Work(sequences=64, tokens=64), PLAIN)
    reduced = sum(float(op.seconds) for op in named(found, "all-reduce"))
    assert reduced == pytest.approx(160 * all_reduce(64 * 8192 * 2, 8, rate), rel=1e-12)
    found = forward(sparse, machine, Layout(dp=72, ep=72), Work(sequences=10, tokens=720), PLAIN)
    copies = 72 * (1 - (1 - 1 / 72) ** 8)
    for name, width in (("dispatch", 1), ("combine", 2)):
        sent = sum(float(op.seconds) for op in named(found, name))
        assert sent == pytest.approx(58 * all_to_all(10 * copies * 7168 * width, 72, rate), rel=1e-12)


@given(stages=st.integers(1, 16), rows=st.integers(1, 1000))
def test_stages_hand_on_the_stream(stages: int, rows: int) -> None:
    of, machine = model("llama-3.1-70b"), box(name="gb200-nvl72")
    found = forward(of, machine, Layout(tp=4, pp=stages), Work(sequences=rows, tokens=rows), PLAIN)
    hops = float(named(found, "pipeline hops")[0].seconds)
    assert hops == pytest.approx((stages - 1) * rows * 8192 * 2 / 4 / machine.system.link_bandwidth, rel=1e-12)


@given(data=st.data(), batch=st.integers(1, 1000), context=st.integers(0, 100_000), prompts=st.integers(0, 3))
@settings(max_examples=40)
def test_every_operator_is_a_time(
    places: SearchStrategy[Place], data: st.DataObject, batch: int, context: int, prompts: int
) -> None:
    of, on, layout = data.draw(places)
    work = Work(sequences=batch, context=context, prompts=prompts, new=64, tokens=batch + 64 * prompts)
    for efficiency in (IDEAL, efficiency_of(on)):
        for op in forward(of, Machine(on, efficiency), layout, work, of.precision):
            for value in (op.compute, op.memory, op.floor, op.seconds):
                assert np.all(np.isfinite(value))
                assert np.all(np.asarray(value) >= 0)
            assert op.seconds >= max(float(op.compute), float(op.memory))


@given(data=st.data(), batch=st.integers(1, 1000), context=st.integers(0, 100_000))
@settings(max_examples=30)
def test_published_losses_never_speed_an_operator(
    places: SearchStrategy[Place], data: st.DataObject, batch: int, context: int
) -> None:
    of, on, layout = data.draw(places)
    work = Work(sequences=batch, context=context, tokens=batch)
    ideal, real = (forward(of, Machine(on, e), layout, work, of.precision) for e in (IDEAL, efficiency_of(on)))
    for quick, slow in zip(ideal, real, strict=True):
        assert quick.name == slow.name
        assert float(slow.seconds) >= float(quick.seconds)


SHARES = ("compute", "narrow", "attention", "experts", "weight_only", "memory", "link", "exchange", "network")
FLOORS = ("operator_latency", "attention_latency", "collective_latency", "exchange_latency", "step_overhead", "serial")


@pytest.mark.parametrize("field", SHARES)
@pytest.mark.parametrize("bad", [0.0, -0.1, 1.1, float("nan"), float("inf"), True, "0.8", None])
def test_a_bad_efficiency_is_named(field: str, bad: object) -> None:
    with pytest.raises(RangeError, match=rf"^efficiency\.{field}: "):
        dataclasses.replace(IDEAL, **{field: bad})


@pytest.mark.parametrize("field", FLOORS)
@pytest.mark.parametrize("bad", [-1e-6, float("nan"), float("inf"), True, "3 us", None])
def test_a_bad_latency_is_named(field: str, bad: object) -> None:
    with pytest.raises(RangeError, match=rf"^efficiency\.{field}: "):
        dataclasses.replace(IDEAL, **{field: bad})


@pytest.mark.parametrize("field", ["softness", "tile"])
@pytest.mark.parametrize("bad", [0.9, -1.0, 0.0, float("nan"), True, "3", None])
def test_a_norm_or_a_tile_below_one_is_named(field: str, bad: Any) -> None:
    with pytest.raises(RangeError, match=rf"^efficiency\.{field}: "):
        dataclasses.replace(IDEAL, **{field: bad})


@given(rows=st.just(0.0) | st.floats(1e-3, 1e6), tile=st.integers(2, 256))
def test_rows_fill_whole_tiles(rows: float, tile: int) -> None:
    found = float(tiled_rows(rows, tile))
    assert rows <= found <= rows + tile
    assert found % tile == 0
    assert tiled_rows(rows, 1) == rows


def test_one_row_costs_the_arithmetic_of_a_tile_and_the_roofline_knows_no_tiles() -> None:
    """Weights are read once either way; only rows in and out differ."""
    llama = model("llama-3.1-70b")
    tiled = box(dataclasses.replace(IDEAL, tile=64.0))
    for place, ratio in ((tiled, 1.0), (box(), 1 / 64)):
        one, full = (
            named(forward(llama, place, Layout(tp=8), Work(sequences=b, context=1), llama.precision), "ffn")[0]
            for b in (1.0, 64.0)
        )
        assert float(one.compute) == pytest.approx(ratio * float(full.compute))
        assert float(one.memory) == pytest.approx(float(full.memory), rel=0.02)
