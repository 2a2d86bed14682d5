"""Chapter 1: the roofline, the batch that balances it, and the train that leaves on time (C01-C21)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from headway.lecture.claim import EXACT, PERCENT, Compute, Figure, Given, real, say
from headway.physics import balance, experts, fleet, modes, published, trains
from headway.physics.blackboard import decode_terms, roofline_terms
from headway.physics.layout import Layout
from headway.physics.memory import weight_bytes

# Batches and contexts over which the laws of C01 are tried.
_BATCHES = np.geomspace(1.0, 1e6, 61)
_CONTEXTS = np.linspace(0.0, 1e6, 41)
_SCALES = np.geomspace(1e-3, 1e3, 13)
_FEW, _MANY, _LONG = 1e-9, 1e15, 20e3
# Band of the check against a published day, which rests on daily means.
_BAND = 0.15


def _c01(given: Given) -> tuple[Figure, ...]:
    total, active, kv = given("board.total_params"), given("board.active_params"), given("board.kv_high")
    flops, bandwidth = given("device.gb200_fp8"), given("device.gb200_bandwidth")
    pass_time = roofline_terms(total, active, kv, flops, bandwidth)
    apart = roofline_terms(total, active, kv, flops, bandwidth, overlap=False)
    grid = pass_time.seconds(_BATCHES[:, None], _CONTEXTS)
    slower = fleet.relative_to(apart.seconds(_BATCHES[:, None], _CONTEXTS), grid)
    floor = balance.weight_floor(total, bandwidth)
    each = published.seconds_per_sequence(pass_time, _MANY, _LONG)
    limit = max(published.compute_time(active, flops), balance.drain_time(balance.context_bytes(_LONG, kv), bandwidth))
    return (
        say("never faster with more sequences", bool(np.all(np.diff(grid, axis=0) >= 0)), expected=True),
        say("never faster with more context", bool(np.all(np.diff(grid, axis=1) >= 0)), expected=True),
        say("empty pass", pass_time.seconds(_FEW, _LONG), "seconds", floor, 1e-12, shown=False),
        say("large batch, per sequence", each, "seconds", limit, 1e-12, shown=False),
        say("cache read apart, at worst", np.max(slower), "times", between=(1.0, 2.0)),
    )


def _c02(given: Given) -> tuple[Figure, ...]:
    bf16, fp8, fp4 = given("device.bf16_bytes"), given("device.fp8_bytes"), given("device.fp4_bytes")
    rows = (
        ("A100", "a100_flops", "a100_bandwidth", bf16, 153),
        ("H100", "h100_flops", "h100_bandwidth", bf16, 295),
        ("H200", "h100_flops", "h200_bandwidth", bf16, 206),
        ("B200", "b200_fp8", "b200_bandwidth", fp8, 292),
        ("GB200", "gb200_fp8", "gb200_bandwidth", fp8, 312),
        ("GB300 FP4", "gb300_fp4", "gb200_bandwidth", fp4, 469),
        ("TPU v5e", "v5e_flops", "v5e_bandwidth", bf16, 243),
        ("TPU v5p", "v5p_flops", "v5p_bandwidth", bf16, 164),
        ("TPU v6e", "v6e_flops", "v6e_bandwidth", bf16, 575),
    )
    stated = tuple(
        say(name, balance.machine_balance(given(f"device.{f}"), given(f"device.{b}"), w), "count", expected, PERCENT)
        for name, f, b, w, expected in rows
    )
    chips = ("a100-sxm", "h100-sxm", "h200-sxm", "h20", "b200-sxm", "gb200", "mi300x", "mi355x", "tpu-v5e", "tpu-v6e")
    found = tuple(given.chip(name) for name in chips)
    return (
        *stated,
        *(real(c.name, balance.machine_balance(c.peak("bf16"), c.hbm_bandwidth, bf16)) for c in found),
    )


def _c03(given: Given) -> tuple[Figure, ...]:
    bf16, fp8, fp4 = given("device.bf16_bytes"), given("device.fp8_bytes"), given("device.fp4_bytes")
    rubin = given("device.rubin_bandwidth")
    a100 = balance.machine_balance(given("device.a100_flops"), given("device.a100_bandwidth"), bf16)
    h100 = balance.machine_balance(given("device.h100_flops"), given("device.h100_bandwidth"), bf16)
    gb200 = balance.machine_balance(given("device.gb200_fp8"), given("device.gb200_bandwidth"), fp8)
    low = balance.machine_balance(given("device.rubin_fp4_low"), rubin, fp4)
    high = balance.machine_balance(given("device.rubin_fp4_high"), rubin, fp4)
    chip = given.chip("rubin")
    return (
        say("A100", a100, "count", 153, PERCENT),
        say("H100", h100, "count", 295, PERCENT),
        say("GB200", gb200, "count", 312, PERCENT),
        say("Rubin at 25 PF", low, "count", 284, PERCENT),
        say("Rubin at 50 PF", high, "count", 568, PERCENT),
        say("lowest of them", min(a100, h100, gb200, low, high), between=(150.0, 600.0), shown=False),
        say("highest of them", max(a100, h100, gb200, low, high), between=(150.0, 600.0), shown=False),
        real("Rubin BF16", balance.machine_balance(chip.peak("bf16"), chip.hbm_bandwidth, bf16)),
        real("Rubin FP4", balance.machine_balance(chip.peak("nvfp4"), chip.hbm_bandwidth, fp4)),
    )


def _c04(given: Given) -> tuple[Figure, ...]:
    ratio, pool = given("board.ratio"), given("board.experts")
    deepseek, muse = given.model("deepseek-v3"), given.model("muse-spark-open")
    return (
        say("stated inputs", balance.balance_batch(ratio, pool, given("board.experts_active")), "count", 2400, EXACT),
        say(
            "DeepSeek-V3 by weights",
            balance.balance_batch(ratio, given("model.deepseek_total"), given("model.deepseek_active")),
            "count",
            "5441",
        ),
        say(
            "routed experts only",
            balance.balance_batch(ratio, pool, given("model.deepseek_experts_active")),
            "count",
            9600,
            EXACT,
        ),
        say(
            "Muse Spark Open",
            balance.balance_batch(ratio, given("model.muse_total"), given("model.muse_active")),
            "count",
            "5829",
        ),
        say("V4-Pro", balance.balance_batch(ratio, given("model.v4_total"), given("model.v4_active")), "count", "9796"),
        real("DeepSeek-V3", balance.balance_batch(ratio, deepseek.total_params, deepseek.active_params)),
        real("Muse Spark Open", balance.balance_batch(ratio, muse.total_params, muse.active_params)),
    )


def _c05(given: Given) -> tuple[Figure, ...]:
    ratio = given("board.ratio")
    deepseek, kimi = given.model("deepseek-v3"), given.model("kimi-k2")
    return (
        say("sparsity for 2,000", published.sparsity_for_batch(given("board.seats_low"), ratio), "count", "6.67"),
        say("sparsity for 3,000", published.sparsity_for_batch(given("board.seats_high"), ratio), "count", 10, EXACT),
        real("DeepSeek-V3 sparsity", deepseek.sparsity),
        real("Kimi-K2 sparsity", kimi.sparsity),
    )


def _c06(given: Given) -> tuple[Figure, ...]:
    by_weights = balance.balance_batch(
        given("board.ratio"), given("model.deepseek_total"), given("model.deepseek_active")
    )
    low, high = given("board.multiple_low"), given("board.multiple_high")
    return (
        say("doubled", balance.deployed_batch(by_weights, low), "count", "10881"),
        say("tripled", balance.deployed_batch(by_weights, high), "count", "16322"),
    )


def _c07(given: Given) -> tuple[Figure, ...]:
    rate, speed = given("day.decode_node_rate"), given("day.user_speed")
    node = fleet.sequences_in_flight(rate, speed)
    unit = fleet.sequences_in_flight(rate, speed, given("day.unit_nodes"))
    bf16, kept, pool = given("device.bf16_bytes"), given("model.deepseek_experts_active"), given("board.experts")
    ratio = balance.machine_balance(given("device.h100_flops"), given("device.h100_bandwidth"), bf16)
    weights = balance.balance_batch(ratio, given("model.deepseek_total"), given("model.deepseek_active"))
    rows = experts.tokens_per_expert(unit, kept, pool)
    half = fleet.relative_to(rows, given("day.overlapped"))
    chip, model = given.chip("h800-sxm"), given.model("deepseek-v3")
    catalog_ratio = balance.machine_balance(chip.peak("bf16"), chip.hbm_bandwidth, bf16)
    catalog = balance.balance_batch(catalog_ratio, model.total_params, model.active_params)
    return (
        say("per node", node, "count", 705, _BAND, shown=False),
        say("per GPU", fleet.relative_to(node, given("day.node_gpus")), "count", 88, _BAND, shown=False),
        say("sequences per unit", unit, "count", 12686, _BAND),
        say("over balance batch by weights", fleet.relative_to(unit, weights), "times", 2.37, _BAND),
        say(
            "over that of the routed experts",
            fleet.relative_to(unit, balance.balance_batch(ratio, pool, kept)),
            "times",
            1.34,
            _BAND,
        ),
        say("tokens per expert", rows, "count", 396, _BAND),
        say("tokens per expert in one of two half batches", half, "count", 198, _BAND, shown=False),
        real("with the catalog's H800 and parameter counts", fleet.relative_to(unit, catalog), "times"),
    )


def _c08(given: Given) -> tuple[Figure, ...]:
    ratio = given("board.ratio")
    stated = balance.balance_batch(ratio, given("board.experts"), given("board.experts_active"))
    weights = balance.balance_batch(ratio, given("model.deepseek_total"), given("model.deepseek_active"))
    # One sequence reads the experts of its own token, a balanced batch reads all of them.
    one = decode_terms(given.model("deepseek-v3"), given.system("gb200-nvl72"))
    alone, each = one.seconds(1.0, 0.0), published.seconds_per_sequence(one, one.balance_batch(0.0))
    return (
        say("weights only", balance.unbatched_penalty(stated), "times", 2400, EXACT),
        say("DeepSeek-V3 by weights", balance.unbatched_penalty(weights), "times", between=(500.0, 6000.0)),
        say("with cache reads", balance.unbatched_penalty(stated, given("board.kv_over_weights")), "times", "858"),
        real("DeepSeek-V3 on GB200, its experts alone", fleet.relative_to(alone, each), "times"),
    )


def _c09(given: Given) -> tuple[Figure, ...]:
    rows = (
        ("A100", "h100_hbm", "a100_bandwidth", "39.2 ms"),
        ("H100", "h100_hbm", "h100_bandwidth", "23.9 ms"),
        ("H200", "h200_hbm", "h200_bandwidth", "29.4 ms"),
        ("GB200", "gb200_hbm", "gb200_bandwidth", "23.3 ms"),
        ("GB300", "gb300_hbm", "gb200_bandwidth", "36.0 ms"),
        ("TPU v5e", "v5e_hbm", "v5e_bandwidth", "19.8 ms"),
        ("TPU v6e", "v6e_hbm", "v6e_bandwidth", "20.0 ms"),
    )
    stated = tuple(
        say(name, balance.drain_time(given(f"device.{c}"), given(f"device.{b}")), "seconds", expected, PERCENT)
        for name, c, b, expected in rows
    )
    chips = ("a100-sxm", "h100-sxm", "h200-sxm", "b200-sxm", "gb200", "gb300", "rubin", "mi300x", "tpu-v5e")
    found = tuple(given.chip(name) for name in chips)
    return (*stated, *(real(c.name, balance.drain_time(c.hbm_bytes, c.hbm_bandwidth), "seconds") for c in found))


def _c10(given: Given) -> tuple[Figure, ...]:
    hbm, chip = given("board.rubin_hbm"), given.chip("rubin")
    return (
        say("at 20 TB/s", balance.drain_time(hbm, given("board.rubin_bandwidth")), "seconds", "14.4 ms", PERCENT),
        say("at 22 TB/s", balance.drain_time(hbm, given("device.rubin_bandwidth")), "seconds", "13.1 ms", PERCENT),
        real("Rubin", balance.drain_time(chip.hbm_bytes, chip.hbm_bandwidth), "seconds"),
    )


def _c11(given: Given) -> tuple[Figure, ...]:
    plan = trains.train_schedule(given("board.pass_time"))
    full = trains.full_train_wait(given("queue.load"), int(given("queue.seats")), given("board.pass_time"))
    return (
        say("worst", plan.worst_latency, "seconds", "40 ms", EXACT),
        say("mean", plan.mean_latency, "seconds", "30 ms", EXACT),
        real("mean wait at 95% load, 100 seats", full.mean_wait, "seconds"),
    )


def _c12(given: Given) -> tuple[Figure, ...]:
    stated = given("board.trains_per_second")
    return (
        say("at 20 ms", trains.departures_per_second(given("board.pass_time")), "count", 50, EXACT),
        say("at 15 ms", trains.departures_per_second(given("board.pass_time_short")), "count", "66.7"),
        say("64 per second need", published.period_of(stated), "seconds", "15.6 ms"),
    )


def _c13(given: Given) -> tuple[Figure, ...]:
    short, long = published.period_of(given("board.trains_per_second")), given("board.pass_time")
    seats = given("board.train_seats")
    derived = balance.balance_batch(given("board.ratio"), given("board.experts"), given("board.experts_active"))
    rate = "tokens_per_second"
    return (
        say("2,000 x 64", trains.tokens_per_second(seats, short), rate, "128 ktok/s", EXACT),
        say("2,400 x 64", trains.tokens_per_second(derived, short), rate, "153.6 ktok/s", EXACT),
        say("2,400 x 50", trains.tokens_per_second(derived, long), rate, "120 ktok/s", EXACT),
        say("2,000 x 50", trains.tokens_per_second(seats, long), rate, "100 ktok/s", EXACT),
        say("per GPU", trains.tokens_per_second(seats, short, given("board.gpus")), rate, "1778 tok/s"),
    )


def _c14(given: Given) -> tuple[Figure, ...]:
    replica = trains.tokens_per_second(
        given("board.train_seats"), published.period_of(given("board.trains_per_second"))
    )
    month, minute = given("google.month"), given("google.minute")
    rows = (("May 2025", "may_2025", 1426), ("July 2025", "july_2025", 2911), ("October 2025", "october_2025", 3862))
    monthly = tuple(
        say(name, fleet.volume_ratio(given(f"google.{key}"), month, replica), "count", expected, 0.02)
        for name, key, expected in rows
    )
    latest = fleet.volume_ratio(given("google.may_2026"), month, replica)
    api = fleet.volume_ratio(given("google.api_per_minute"), minute, replica)
    return (
        *monthly,
        say("May 2026", latest, "count", 9506, 0.02),
        say("API alone, May 2026", api, "count", 2474, 0.02),
    )


def _fast_mode_now(given: Given) -> modes.FastMode:
    """The pair that Opus 5 is sold at."""
    fast, plain = given.price("claude-opus-5", "output", mode="fast"), given.price("claude-opus-5", "output")
    return modes.fast_mode(fleet.relative_to(fast, plain), given.price("claude-opus-5", "speed", mode="fast"))


def _c15(given: Given) -> tuple[Figure, ...]:
    then = modes.fast_mode(given("board.fast_price"), given("board.fast_speed"))
    now = _fast_mode_now(given)
    return (
        say("batch smaller by", then.batch_ratio, "times", 15, 1e-6),
        say("weights' share of the pass", then.weight_share, "fraction", 0.35714285714, 1e-6),
        say("fastest possible", then.max_speed, "times", 2.8, 1e-6),
        real("at 2x for 2.5x, batch smaller by", now.batch_ratio, "times", 5, 1e-6),
        real("weights' share", now.weight_share, "fraction", 0.25, 1e-6),
        real("fastest possible", now.max_speed, "times", 4, 1e-6),
    )


def _c16(given: Given) -> tuple[Figure, ...]:
    rack = published.aggregate_bandwidth(given("board.gpus"), given("device.gb200_bandwidth"))
    box = published.aggregate_bandwidth(given("device.hopper_gpus"), given("device.h100_bandwidth"))
    fp8, fp4 = given("device.fp8_bytes"), given("device.fp4_bytes")
    deepseek = published.bytes_of_weights(given("model.deepseek_total"), fp8)
    trillion, halved = (published.bytes_of_weights(given("board.total_params"), w) for w in (fp8, fp4))
    model, nvl72, hopper = given.model("deepseek-v3"), given.system("gb200-nvl72"), given.system("hgx-h100")
    weights = weight_bytes(model)
    drained = balance.drain_time(given("device.gb200_hbm"), given("device.gb200_bandwidth"))
    # One sequence without a cache: memory binds, and reads the experts that its token is routed to.
    first = [decode_terms(model, box, Layout(dp=box.chips)).seconds(1.0, 0.0) for box in (nvl72, hopper)]
    return (
        say("whole HBM of one GB200", drained, "seconds"),
        say("DeepSeek-V3 FP8 on NVL72", balance.weight_floor(deepseek, rack), "seconds", "1.16 ms"),
        say("1T FP8", balance.weight_floor(trillion, rack), "seconds", "1.74 ms"),
        say("1T FP4", balance.weight_floor(halved, rack), "seconds", "0.87 ms"),
        say("DeepSeek-V3 FP8 on 8 H100", balance.weight_floor(deepseek, box), "seconds", "25.0 ms"),
        real("DeepSeek-V3 as published, GB200 NVL72", balance.weight_floor(weights, nvl72.hbm_bandwidth), "seconds"),
        real("8 H100", balance.weight_floor(weights, hopper.hbm_bandwidth), "seconds"),
        real("one sequence, its experts alone", first[0], "seconds"),
        real("one sequence on 8 H100", first[1], "seconds"),
    )


def _c17(given: Given) -> tuple[Figure, ...]:
    then = modes.fast_mode(given("board.fast_price"), given("board.fast_speed"))
    now = _fast_mode_now(given)
    at_balance = modes.slow_mode_saving(1.0)
    return (
        say("at the balance batch, no cache", at_balance, "fraction", between=(0.0, 0.0)),
        say("from the 6x fit", then.slow_saving, "fraction", 0.35714285714, 1e-6),
        say("from the 2x fit", now.slow_saving, "fraction", 0.25, 1e-6),
    )


def _c18(given: Given) -> tuple[Figure, ...]:
    plan = trains.train_schedule(given("board.pass_time"), given("board.train_seats"))
    return (
        say("live sequences", plan.seats, "count", 2000, EXACT),
        say("tokens", plan.tokens_per_second, "tokens_per_second", 100e3, EXACT),
    )


def _c19(given: Given) -> tuple[Figure, ...]:
    ratio, total, active = given("board.ratio"), given("board.total_params"), given("board.active_params")
    small = balance.balance_batch(ratio, total, active)
    scales = np.multiply.outer(_SCALES, [total, active])
    spread = balance.balance_batch(ratio, scales[:, 0], scales[:, 1])
    length = given("board.context")
    none = balance.balance_batch_with_kv(small, length, length)
    return (
        say("same at every scale", bool(np.allclose(spread, small, rtol=1e-12, atol=0.0)), expected=True),
        say("no batch balances at L*", none, "count", float("inf"), EXACT),
    )


def _c20(given: Given) -> tuple[Figure, ...]:
    replica = trains.tokens_per_second(
        given("board.train_seats"), published.period_of(given("board.trains_per_second"))
    )
    rent = given("board.gpu_price")
    day = fleet.usd_per_mtok(given("day.node_gpus"), given("day.gpu_price"), given("day.decode_node_rate"))
    return (
        say(
            "72 GPUs", fleet.usd_per_mtok(given("board.gpus"), rent, replica), "dollars_per_mtok", "$0.3125/Mtok", EXACT
        ),
        say("64 GPUs", fleet.usd_per_mtok(given("board.gpus_used"), rent, replica), "dollars_per_mtok", "$0.278/Mtok"),
        real("DeepSeek's day, H800", day, "dollars_per_mtok", "$0.300/Mtok"),
    )


def _c21(given: Given) -> tuple[Figure, ...]:
    period = published.period_of(given("board.trains_per_second"))
    own = trains.tokens_per_second(given("board.train_seats"), period, given("board.gpus"))
    first, fp8, fp4 = (given(f"measured.gb200_decode_{key}") for key in ("first", "fp8", "fp4"))
    day = fleet.relative_to(given("day.decode_node_rate"), given("day.node_gpus"))
    return (
        say("the lecture's replica", own, "tokens_per_second", "1778 tok/s"),
        real("GB200, June 2025", fleet.relative_to(first, own), "times", "4.3"),
        real("September 2025, FP8", fleet.relative_to(fp8, own), "times", "5.1"),
        real("September 2025, NVFP4", fleet.relative_to(fp4, own), "times", "7.5"),
        real("DeepSeek's day, H800", day, "tokens_per_second", "1850 tok/s"),
    )


COMPUTE: Mapping[str, Compute] = MappingProxyType(
    {
        "C01": _c01,
        "C02": _c02,
        "C03": _c03,
        "C04": _c04,
        "C05": _c05,
        "C06": _c06,
        "C07": _c07,
        "C08": _c08,
        "C09": _c09,
        "C10": _c10,
        "C11": _c11,
        "C12": _c12,
        "C13": _c13,
        "C14": _c14,
        "C15": _c15,
        "C16": _c16,
        "C17": _c17,
        "C18": _c18,
        "C19": _c19,
        "C20": _c20,
        "C21": _c21,
    }
)
