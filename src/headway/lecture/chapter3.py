"""Chapter 3: pipelining, what it saves and what a hop costs (C29-C33, C38)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from headway.lecture.claim import EXACT, Compute, Figure, Given, real, say
from headway.physics import balance, fleet, published
from headway.physics.attention import kv_bytes
from headway.physics.memory import weight_bytes
from headway.training.pipelining import pipeline_memory, pipelined_pass, stage_hop, weight_reuse
from headway.training.schedules import schedule_cost

_STAGES = (1, 2, 4, 8)


def _c29(given: Given) -> tuple[Figure, ...]:
    whole, batch = given("board.pass_time"), given("board.train_seats")
    cut = pipelined_pass(whole, batch, _STAGES)
    return (
        say("latency unchanged", bool(np.allclose(cut.latency_ratio, 1.0, rtol=EXACT, atol=0.0)), expected=True),
        say("tokens per chip unchanged", bool(np.allclose(cut.rate_ratio, 1.0, rtol=EXACT, atol=0.0)), expected=True),
    )


def _c30(given: Given) -> tuple[Figure, ...]:
    ranks, batch, context = (
        given("layout.experts_per_layer_gpus"),
        given("layout.pipeline_batch"),
        given("layout.pipeline_context"),
    )
    weights = published.bytes_of_weights(given("board.total_params"), given("device.fp8_bytes"))
    cache = balance.context_bytes(context, given("model.deepseek_kv_fp8"))
    held = pipeline_memory(weights, cache, batch, ranks, _STAGES)
    model = given.model("deepseek-v3")
    real_held = pipeline_memory(weight_bytes(model), kv_bytes(model, context, "fp8"), batch, ranks, _STAGES)
    printed = ("15.6 GB", "7.8 GB", "3.9 GB", "1.95 GB")
    return (
        *(
            say(f"weights per GPU, {stages} stage{'' if stages == 1 else 's'}", value, "bytes", expected)
            for stages, value, expected in zip(_STAGES, held.weights, printed, strict=True)
        ),
        say("KV per GPU, 1 stage", held.kv[0], "bytes", "131.8 GB"),
        say("KV equal at every number of stages", bool(np.all(held.kv == held.kv[0])), expected=True),
        real("DeepSeek-V3 weights, 1 stage", real_held.weights[0], "bytes"),
        real("8 stages", real_held.weights[-1], "bytes"),
        real("KV equal", bool(np.all(real_held.kv == real_held.kv[0])), expected=True),
    )


def _c31(given: Given) -> tuple[Figure, ...]:
    batches = (given("layout.hop_batches_low"), given("layout.hop_batches_high"))
    width, size, card = given("model.deepseek_hidden"), given("device.bf16_bytes"), given("device.nic_800g")
    nics, latency = given("layout.nics"), given("device.rack_latency")
    sharded = stage_hop(batches, width, card, nics, element_bytes=size).seconds
    single = stage_hop(batches, width, card, element_bytes=size).seconds
    four = stage_hop(batches, width, card, nics, latency, element_bytes=size, stages=given("layout.stages")).in_all
    rack = given.system("gb200-nvl72")
    there = stage_hop(
        given("layout.hop_batch"),
        width,
        rack.network_bandwidth or card,
        nics,
        rack.network_latency,
        element_bytes=size,
    ).seconds
    return (
        say("2,400 tokens over 64 cards", sharded[0], "seconds", between=(5e-6, 22e-6)),
        say("9,600 tokens", sharded[1], "seconds", between=(5e-6, 22e-6)),
        say("2,400 through one card", single[0], "seconds", "0.34 ms"),
        say("9,600", single[1], "seconds", "1.4 ms"),
        say("four stages with 5 us a hop, 2,400", four[0], "seconds", between=(40e-6, 110e-6), shown=False),
        say("four stages, 9,600", four[1], "seconds", between=(40e-6, 110e-6)),
        real("5,441 tokens between GB200 racks", there, "seconds"),
    )


def _c32(given: Given) -> tuple[Figure, ...]:
    stages = given("layout.stages")
    rows = ((1, 0.75, EXACT), (4, "42.9%", None), (8, "27.3%", None), (32, "8.6%", None))
    return tuple(
        say(
            f"{count} micro-batch{'' if count == 1 else 'es'}",
            schedule_cost("gpipe", stages, count).bubble,
            "fraction",
            expected,
            tolerance,
        )
        for count, expected, tolerance in rows
    )


def _c33(given: Given) -> tuple[Figure, ...]:
    ranks, sequence = given("layout.experts_per_layer_gpus"), given("layout.training_sequence")
    stated = weight_reuse(
        sequence, ranks, given("board.ratio"), given("model.deepseek_total"), given("model.deepseek_active")
    )
    model, chip = given.model("deepseek-v3"), given.chip("h800-sxm")
    ratio = balance.machine_balance(chip.peak("fp8"), chip.hbm_bandwidth, given("device.fp8_bytes"))
    there = weight_reuse(sequence, ranks, ratio, model.total_params, model.active_params)
    return (
        say("tokens in a micro-batch", stated.tokens, "tokens", 262144, EXACT),
        say("over the balance batch", stated.times, "times", "48"),
        real("over DeepSeek-V3's on H800", there.times, "times"),
    )


def _c38(given: Given) -> tuple[Figure, ...]:
    width, size, card, nics = (
        given("model.deepseek_hidden"),
        given("device.bf16_bytes"),
        given("device.nic_800g"),
        given("layout.nics"),
    )
    blocks = given("layout.residual_blocks")
    tokens = given("layout.hop_batch")
    plain, kept = (stage_hop(tokens, width, card, nics, blocks_kept=n, element_bytes=size) for n in (1, blocks))
    over = fleet.relative_to(kept.bytes, plain.bytes)
    rack = given.system("gb200-nvl72")
    there = stage_hop(tokens, width, rack.network_bandwidth or card, nics, rack.network_latency, blocks, size).seconds
    return (
        say("one block", plain.seconds, "seconds"),
        say("eight blocks", kept.seconds, "seconds", "98 us", 0.05),
        real("eight blocks between GB200 racks", there, "seconds", between=(0.0, 1e-3)),
        say("bytes over a stage's edge, eight blocks over one", over, "times", 8, EXACT, shown=False),
    )


COMPUTE: Mapping[str, Compute] = MappingProxyType(
    {"C29": _c29, "C30": _c30, "C31": _c31, "C32": _c32, "C33": _c33, "C38": _c38}
)
