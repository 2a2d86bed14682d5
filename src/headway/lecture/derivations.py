"""What follows from the talks, or is forced by them, and they leave out (D03-D20)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from headway.facts.layers import LatentAttention, SoftmaxAttention
from headway.lecture.claim import EXACT, Compute, Figure, Given, real, say
from headway.physics import balance, budget, contexts, exchange, fleet, hold, pipeline, published, trains
from headway.physics.attention import attention_flops_per_context_token, cache_shape, kv_bytes_per_token, look_shape

_ONE = 1.0


def _d03(given: Given) -> tuple[Figure, ...]:
    context = given("board.context")
    batch = balance.balance_batch(given("board.ratio"), given("board.experts"), given("board.experts_active"))
    half = fleet.relative_to(context, 2.0)
    return (
        say(
            "at half of L*",
            fleet.relative_to(balance.balance_batch_with_kv(batch, half, context), batch),
            "times",
            2,
            EXACT,
        ),
        say("at L*", balance.balance_batch_with_kv(batch, context, context), "count", float("inf"), EXACT),
        say(
            "past L*",
            balance.balance_batch_with_kv(batch, published.tokens_in_pass(2, context), context),
            "count",
            float("inf"),
            EXACT,
            shown=False,
        ),
    )


def _d05(given: Given) -> tuple[Figure, ...]:
    top, width = given("model.deepseek_experts_active"), given("model.deepseek_expert_width")
    gb200, hopper = given("device.gb200_fp8"), given("device.h800_fp8")
    rows = (
        ("GB200 NVLink", gb200, "nvlink_gb200", "1.21"),
        ("GB200 network", gb200, "nic_800g", "10.9"),
        ("H100 NVLink", hopper, "nvlink_h100", "0.95"),
        ("H800 NVLink", hopper, "nvlink_h800", "2.68"),
        ("H800 network", hopper, "nic_400g", "8.6"),
    )
    link = given("device.nvlink_gb200")
    sent, back = given("layout.dispatch_bytes"), given("layout.combine_bytes")
    layer_time = exchange.expert_exchange_time(
        given("layout.tokens_per_gpu"),
        top,
        given("model.deepseek_hidden"),
        link,
        given("model.deepseek_moe_layers"),
        sent,
        back,
    )
    rack = given.system("gb200-nvl72")
    there = exchange.all_to_all_over_compute(top, width, rack.chip.peak("fp8"), rack.link_bandwidth, 1.0, sent, back)
    return (
        *(
            say(
                label,
                exchange.all_to_all_over_compute(top, width, flops, given(f"device.{key}"), 1.0, sent, back),
                "count",
                expected,
            )
            for label, flops, key, expected in rows
        ),
        say(
            "width from which GB200 NVLink suffices",
            exchange.min_expert_width(top, gb200, link, 1.0, sent, back),
            "count",
            "2469",
        ),
        say("150 tokens per GPU, 58 layers", layer_time, "seconds", "1.66 ms"),
        real("GB200 NVL72 of the catalog", there, "count"),
    )


def _d06(given: Given) -> tuple[Figure, ...]:
    rows = (("llama-3.1-70b", "2.62 MFLOP"), ("deepseek-v3", "17.0 MFLOP"), ("muse-spark-open", "0.52 MFLOP"))
    return tuple(
        real(name, attention_flops_per_context_token(given.model(name)), "flop", expected) for name, expected in rows
    )


def _d07(given: Given) -> tuple[Figure, ...]:
    unit = fleet.sequences_in_flight(given("day.decode_node_rate"), given("day.user_speed"), given("day.unit_nodes"))
    model, chip = given.model("deepseek-v3"), given.chip("h800-sxm")
    look, kv = attention_flops_per_context_token(model), given("model.deepseek_kv_bf16")
    context, gpus = given("day.context"), given("day.unit_gpus")
    total, active = given("model.deepseek_total"), given("model.deepseek_active")
    rates = (given("device.h800_fp8"), given("device.h100_flops"))
    day = published.operating_point(
        unit, context, gpus, total, active, kv, look, *rates, given("device.h100_bandwidth")
    )
    peaks = (chip.peak("fp8"), chip.peak("bf16"))
    there = published.operating_point(
        unit,
        context,
        gpus,
        model.total_params,
        model.active_params,
        kv_bytes_per_token(model, "bf16"),
        look,
        *peaks,
        chip.hbm_bandwidth,
    )
    measured = fleet.relative_to(given("day.decode_node_rate"), given("day.node_gpus"))
    step = published.period_of(given("day.user_speed"))
    return (
        say("memory", day.memory, "seconds", "10.6 ms"),
        say("weights", day.weights, "seconds", "3.3 ms"),
        say("compute with BF16 attention", day.compute, "seconds", "10.8 ms"),
        say("memory over compute", fleet.relative_to(day.memory, day.compute), "count", "0.98"),
        say("measured over the bound", fleet.relative_to(measured, day.tokens_per_chip_second), "fraction", "23%"),
        say("measured", measured, "tokens_per_second", "1850 tok/s", shown=False),
        say("time per output token", step, "seconds", "47.6 ms", shown=False),
        say(
            "of one of two micro-batches",
            fleet.relative_to(step, given("day.overlapped")),
            "seconds",
            "23.8 ms",
            shown=False,
        ),
        real("with the catalog's H800, memory", there.memory, "seconds"),
        real("compute", there.compute, "seconds"),
    )


def _d08(given: Given) -> tuple[Figure, ...]:
    heads, group, width = (int(given(f"model.llama_{key}")) for key in ("heads", "kv_heads", "head_dim"))
    shared = SoftmaxAttention(heads, group, width)
    latent = LatentAttention(
        heads=int(given("model.deepseek_heads")),
        kv_rank=int(given("model.deepseek_rank")),
        q_rank=0,
        nope_dim=width,
        rope_dim=int(given("model.deepseek_rope")),
        v_head_dim=width,
    )

    def per_byte(attention: SoftmaxAttention | LatentAttention, kv: str) -> float:
        return float(fleet.relative_to(look_shape(attention).per_visible, cache_shape(attention, 1, kv).read_per_token))

    chip = given.chip("gb200")
    return (
        say("grouped queries, FP8", per_byte(shared, "fp8"), "count", "16"),
        say("latent, BF16", per_byte(latent, "bf16"), "count", "242"),
        say("latent, FP8", per_byte(latent, "fp8"), "count", "484"),
        say(
            "an H100 has",
            _flop_per_byte(given, "device.h100_flops", "device.h100_bandwidth"),
            "count",
            "295",
            shown=False,
        ),
        say(
            "a GB200 has, FP8",
            _flop_per_byte(given, "device.gb200_fp8", "device.gb200_bandwidth"),
            "count",
            "625",
            shown=False,
        ),
        real("GB200, BF16, FLOP per byte", fleet.relative_to(chip.peak("bf16"), chip.hbm_bandwidth), "count"),
    )


def _flop_per_byte(given: Given, flops: str, bandwidth: str) -> float:
    return float(fleet.relative_to(given(flops), given(bandwidth)))


def _d09(given: Given) -> tuple[Figure, ...]:
    ranks, batch = given("layout.experts_per_layer_gpus"), given("layout.pipeline_batch")
    cache = balance.context_bytes(given("layout.pipeline_context"), given("model.deepseek_kv_fp8"))
    stages = np.arange(1, 62)
    held = pipeline.stage_memory(_ONE, cache, batch, ranks, stages).kv
    return (say("cache per GPU equal for 1 to 61 stages", bool(np.all(held == held[0])), expected=True),)


def _d10(given: Given) -> tuple[Figure, ...]:
    return (say("at n L = 4", exchange.pipeline_over_racks_ratio(given("board.slower"), 4), "times", 1, EXACT),)


def _d11(given: Given) -> tuple[Figure, ...]:
    weights = published.bytes_of_weights(given("model.deepseek_total"), given("device.fp8_bytes"))
    box = published.aggregate_bandwidth(given("device.hopper_gpus"), given("device.h100_bandwidth"))
    rack = published.aggregate_bandwidth(given("board.gpus"), given("device.gb200_bandwidth"))
    alone = balance.weight_floor(weights, box)
    cut = pipeline.latency_neutral(alone, 9)
    return (
        say("8 H100", alone, "seconds", "25.0 ms"),
        say("NVL72", balance.weight_floor(weights, rack), "seconds", "1.16 ms"),
        say("nine boxes as stages", cut.latency, "seconds", "25.0 ms"),
    )


def _d12(given: Given) -> tuple[Figure, ...]:
    hbm, bandwidth = given("device.gb200_hbm"), given("device.gb200_bandwidth")
    rent = hold.usd_per_byte_second(given("board.gpu_price"), _ONE)
    drain = balance.drain_time(hbm, bandwidth)
    cost = hold.tier_cost(given("model.deepseek_kv_fp8"), drain, hbm, bandwidth, rent)
    context = balance.balance_context(
        given("board.ratio_gb200"), given("model.deepseek_active"), given("model.deepseek_kv_fp8")
    )
    crossover = hold.hold_break_even_time(context, drain)
    again = hold.recompute_cost(given("model.deepseek_active"), given("device.gb200_fp8"), rent)
    held = hold.hold_cost(
        given("model.deepseek_kv_fp8"), crossover, hold.usd_per_byte_second(given("board.gpu_price"), hbm)
    )
    return (
        say("hold's share at the drain time", cost.hold_share, "fraction", 0.5, EXACT),
        say("HBM against recompute", crossover, "seconds", "78 s"),
        say("hold over recompute there", fleet.relative_to(held, again), "count", 1, EXACT),
    )


def _d13(given: Given) -> tuple[Figure, ...]:
    active, flops, rent = given("board.active_params"), given("device.gb200_fp8"), given("board.gpu_price")
    token = hold.recompute_cost(active, flops, hold.usd_per_byte_second(rent, _ONE))
    chip, model = given.chip("gb200"), given.model("deepseek-v3")
    there = fleet.usd_per_mtok(1, rent, published.peak_token_rate(model.active_params, chip.peak("fp8")))
    return (
        say("GPU time of a token", published.compute_time(active, flops), "seconds", "40 us", EXACT),
        say("dollars of a token", token, "dollars", "$2.2e-8", shown=False),
        say(
            "price floor",
            fleet.usd_per_mtok(1, rent, published.peak_token_rate(active, flops)),
            "dollars_per_mtok",
            "$0.022/Mtok",
        ),
        real("DeepSeek-V3 on GB200", there, "dollars_per_mtok"),
    )


def _d14(given: Given) -> tuple[Figure, ...]:
    batch, load = given("layout.hop_batch"), given("inversion.batch_over_balance")
    sequences = balance.deployed_batch(batch, load)
    context, limit = given("inversion.mean_context_high"), given("board.context")
    ratio = balance.memory_over_compute(sequences, batch, context, limit)
    tokens = contexts.balance_prefill_tokens(sequences, batch, context, limit)
    return (
        say("tokens per sequence", fleet.relative_to(tokens, sequences), "count", ratio, EXACT),
        say("B*/B + L/L*", ratio, "count", 0.6, EXACT),
    )


def _d15(given: Given) -> tuple[Figure, ...]:
    factors = (given("board.rl_flops_low"), given("board.rl_flops_high"))
    split = budget.equal_cost_split(1.0, factors, given("board.efficiency"))
    return (
        say("inference over pre-training, three ways", split.inference_over_pretraining[0], "count", 0.9, EXACT),
        say("RL over pre-training, highest", split.rl_over_pretraining[0], "count", 0.9, EXACT),
        say("lowest", split.rl_over_pretraining[1], "count", 0.3, EXACT),
        say("inference over pre-training, two ways", split.both_over_pretraining[0], "count", 1.8, EXACT),
    )


def _d16(given: Given) -> tuple[Figure, ...]:
    rate, life = given("board.rate"), given("board.life")
    risky = budget.tokens_served(rate, life, 1.0, given("programme.success"))
    return (
        say(
            "expected tokens served, over certain ones",
            fleet.relative_to(risky, budget.tokens_served(rate, life)),
            "count",
            0.5,
            EXACT,
        ),
    )


def _d19(given: Given) -> tuple[Figure, ...]:
    heads, group, width = (int(given(f"model.llama_{key}")) for key in ("heads", "kv_heads", "head_dim"))
    layers = int(given("model.llama_layers"))
    return (
        say(
            "Llama-3-70B, FP8",
            cache_shape(SoftmaxAttention(heads, group, width), layers, "fp8").stored(_ONE),
            "bytes",
            given("model.llama_kv_fp8"),
            EXACT,
        ),
        real("llama-3.1-70b", kv_bytes_per_token(given.model("llama-3.1-70b"), "fp8"), "bytes", 163840.0, EXACT),
    )


def _d20(given: Given) -> tuple[Figure, ...]:
    period = given("board.pass_time")
    plan = trains.train_schedule(period)
    busy = trains.full_train_wait(given("queue.load_high"), int(given("queue.seats")), period)
    return (
        say("mean wait with room", plan.mean_wait, "seconds", "10 ms", EXACT),
        say("mean wait at 99% of 100 seats", busy.mean_wait, "seconds", between=(0.010, 0.100)),
        say("99th percentile there", busy.quantiles[-1], "seconds"),
    )


COMPUTE: Mapping[str, Compute] = MappingProxyType(
    {
        "D03": _d03,
        "D05": _d05,
        "D06": _d06,
        "D07": _d07,
        "D08": _d08,
        "D09": _d09,
        "D10": _d10,
        "D11": _d11,
        "D12": _d12,
        "D13": _d13,
        "D14": _d14,
        "D15": _d15,
        "D16": _d16,
        "D19": _d19,
        "D20": _d20,
    }
)
