"""Chapter 6, caches: prices of keeping and fetching, memory tiers, and what tokens cost (C56-C63)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from headway.lecture.claim import EXACT, PERCENT, Compute, Figure, Given, real, say, told
from headway.physics import balance, cache_prices, fleet, hold, published
from headway.physics.attention import kv_bytes_per_token
from headway.pricing import closed_forms
from headway.pricing.floors import Floor, disclosed_cost

# Last day before DeepSeek priced its peak hours apart.
_BEFORE_PEAK_PRICES = "2026-08-16"
_OPUS, _GEMINI = "claude-opus-5", "gemini-3.1-pro"


def _c56(given: Given) -> tuple[Figure, ...]:
    def share(model: str, day: str | None = None) -> float:
        return told(given.sheet(model, on=day).over_input("cache_read"))

    low = share("deepseek-v4-pro", _BEFORE_PEAK_PRICES)
    return (
        say("Claude Opus 5", share(_OPUS), "count", 0.10, EXACT),
        say("Gemini 3.1 Pro", share(_GEMINI), "count", 0.10, EXACT),
        say("GPT-5.4", share("gpt-5.4"), "count", 0.10, EXACT),
        real("Grok 4.7", share("grok-4.7"), "count", 0.25, EXACT),
        real("DeepSeek-V4-Flash until August", share("deepseek-v4-flash", _BEFORE_PEAK_PRICES), "count", 0.02, EXACT),
        real("DeepSeek-V4-Pro until August", low, "count", "0.0083"),
        real("one part in", fleet.relative_to(1.0, low), "count", "120", shown=False),
        real("DeepSeek-V4-Pro now", share("deepseek-v4-pro"), "count"),
    )


def _c57(given: Given) -> tuple[Figure, ...]:
    base, read = given.price(_OPUS, "input"), given.price(_OPUS, "cache_read")
    short, long = given.price(_OPUS, "cache_write_5m"), given.price(_OPUS, "cache_write_1h")
    unit = "dollars_per_mtok_hour"
    quick = told(closed_forms.hold_price(short, base, given("board.five_minutes")).value)
    slow = told(closed_forms.hold_price(long, base, given("board.one_hour")).value)
    hit = fleet.relative_to(read, base)
    again = tuple(cache_prices.break_even_reuses(fleet.relative_to(write, base), hit) for write in (short, long))
    stays = cache_prices.expected_hold_time(given("board.five_minutes"), given("board.five_minutes"))
    return (
        say("five minutes", quick, unit, 15.0, EXACT),
        say("one hour", slow, unit, 5.0, EXACT),
        say("one over the other", fleet.relative_to(quick, slow), "times", 3.0, EXACT),
        say("pays from reuses, five minutes", again[0], "count", "0.28"),
        say("pays from reuses, one hour", again[1], "count", "1.11"),
        real("mean hold of a 5-minute entry reused every 5 minutes", stays, "seconds"),
    )


def _c58(given: Given) -> tuple[Figure, ...]:
    rows = (
        ("1.92 TB NVMe", "nvme-1.92tb", "4.6 min"),
        ("7.68 TB NVMe", "nvme-7.68tb", "18 min"),
        ("61 TB QLC", "nvme-61.44tb", "2.4 h"),
        ("123 TB QLC", "nvme-122.88tb", "4.6 h"),
        ("123 TB QLC, Gen5", "nvme-122.88tb-gen5", "2.3 h"),
        ("24 TB disk", "hdd-24tb", "23.4 h"),
        ("dual-actuator disk", "hdd-14tb-dual", "7.4 h"),
    )
    found = tuple((label, given.storage(name), expected) for label, name, expected in rows)
    hour, minutes = given("board.one_hour"), given("board.five_minutes")
    slow, fast, disk = (given.storage(name).bandwidth for name in ("nvme-7.68tb", "nvme-122.88tb-gen5", "hdd-24tb"))

    def size(life: float, rate: float) -> float:
        return told(closed_forms.drain_tier(life, rate).value)

    return (
        say("a disk that drains in an hour", size(hour, disk), "bytes", "1.03 TB"),
        say("NVMe that drains in 5 min", size(minutes, slow), "bytes", between=(2e12, 4.4e12)),
        say("faster NVMe, 5 min", size(minutes, fast), "bytes", between=(2e12, 4.4e12), shown=False),
        say("NVMe, 1 h", size(hour, slow), "bytes", between=(25e12, 53e12)),
        say("faster NVMe, 1 h", size(hour, fast), "bytes", between=(25e12, 53e12), shown=False),
        *(
            real(label, balance.drain_time(d.capacity, d.bandwidth), "seconds", expected)
            for label, d, expected in found
        ),
    )


def _c59(given: Given) -> tuple[Figure, ...]:
    device = given.storage("ddr5-6400-12ch")
    memory = told(closed_forms.tier_life(device.capacity, device.bandwidth).value)
    chip = given.chip("gb200")
    hbm = told(closed_forms.tier_life(chip.hbm_bytes, chip.hbm_bandwidth).value)
    return (
        say("12 channels of DDR5-6400", memory, "seconds", "2.5 s", PERCENT),
        say("inside 1 to 10 s", bool(given("board.ddr_low") <= memory <= given("board.ddr_high")), expected=True),
        real("HBM of a GB200", hbm, "seconds"),
    )


def _c60(given: Given) -> tuple[Figure, ...]:
    board = hold.hold_break_even_time(given("board.context"), given("board.pass_time"))
    active = given("model.deepseek_active")
    hopper_ratio = balance.machine_balance(
        given("device.h100_flops"), given("device.h100_bandwidth"), given("device.bf16_bytes")
    )
    drain = balance.drain_time(given("device.gb200_hbm"), given("device.gb200_bandwidth"))
    drain_hopper = balance.drain_time(given("device.h100_hbm"), given("device.h100_bandwidth"))
    chip, model = given.chip("gb200"), given.model("muse-spark-open")
    ratio = balance.machine_balance(chip.peak("fp8"), chip.hbm_bandwidth, given("device.fp8_bytes"))
    keep = closed_forms.keep_or_recompute
    blackwell = keep(active, given("model.deepseek_kv_fp8"), drain, machine_balance=given("board.ratio_gb200"))
    hopper = keep(active, given("model.deepseek_kv_bf16"), drain_hopper, machine_balance=hopper_ratio)
    muse = keep(
        model.active_params,
        kv_bytes_per_token(model, "fp8"),
        balance.drain_time(chip.hbm_bytes, chip.hbm_bandwidth),
        machine_balance=ratio,
    )
    return (
        say("lecture", board, "seconds", "4000 s", EXACT),
        say("DeepSeek-V3 on GB200, FP8", blackwell, "seconds", "78 s"),
        say("on H100, BF16", hopper, "seconds", "43 s"),
        real("Muse Spark Open on GB200", muse, "seconds"),
    )


def _c61(given: Given) -> tuple[Figure, ...]:
    rent, hbm, hour = given("board.gpu_price"), given("device.gb200_hbm"), given("board.one_hour")
    base = given.price(_OPUS, "input")

    def write(paid: float, life: float) -> float:
        return told(closed_forms.hold_price(paid, base, life).value)

    def rented(price: float) -> float:
        return told(closed_forms.rented_kv(price, hour, usd_per_chip_hour=rent, hbm_bytes=hbm).value)

    rows = (
        ("five minutes", write(given.price(_OPUS, "cache_write_5m"), given("board.five_minutes")), "1395 kB"),
        ("one hour", write(given.price(_OPUS, "cache_write_1h"), hour), "465 kB"),
        ("Gemini storage", given.price(_GEMINI, "storage"), "419 kB"),
        ("Gemini Flash storage", given.price("gemini-flash", "storage"), "93 kB"),
    )
    deepseek = given.model("deepseek-v3")
    return (
        *(say(label, rented(price), "bytes", expected, PERCENT) for label, price, expected in rows),
        real("DeepSeek-V3 stores", kv_bytes_per_token(deepseek, "bf16"), "bytes"),
    )


def _c62(given: Given) -> tuple[Figure, ...]:
    rent, flops = given("board.gpu_price"), given("device.gb200_fp8")

    def over_floor(price: float, active: float) -> float:
        cost = float(fleet.usd_per_mtok(1, rent, published.peak_token_rate(active, flops)))
        return told(Floor("input", cost, price, "compute at the peak rate").markup)

    muse, v4 = given.price("muse-spark-1.3", "input"), given.price("deepseek-v4-pro", "input", on=_BEFORE_PEAK_PRICES)
    return (
        say("DeepSeek's day at list prices", fleet.markup(given("day.revenue"), given("day.cost")), "times", "6.45"),
        say("Muse Spark, input price over compute floor", over_floor(muse, given("model.muse_active")), "times", "134"),
        say("V4-Pro until August, the same", over_floor(v4, given("model.v4_active")), "times", "40"),
        real("V4-Pro now", over_floor(given.price("deepseek-v4-pro", "input"), given("model.v4_active")), "times"),
    )


def _c63(given: Given) -> tuple[Figure, ...]:
    decode, prefill = given("day.decode_node_rate"), given("day.prefill_node_rate")
    gpus, rent, nodes = given("day.node_gpus"), given("day.gpu_price"), given("day.nodes")
    both = fleet.nodes_needed([given("day.output_tokens"), given("day.input_tokens")], [decode, prefill])
    day = disclosed_cost(gpus, rent, prefill, decode, given("day.hit_share"))
    price = "dollars_per_mtok"
    return (
        say("decode nodes", both[0], "count", "131.4"),
        say("prefill nodes", both[1], "count", "95.5"),
        say("nodes", np.sum(both), "count", "226.9"),
        say("nodes against the published mean", np.sum(both), "count", nodes, 1e-3, shown=False),
        say(
            "cost of the day",
            fleet.daily_cost(published.chips_in(nodes, gpus), rent),
            "dollars",
            given("day.cost"),
            EXACT,
        ),
        say("output", day.output_usd_per_mtok, price, "$0.300/Mtok"),
        say("input", day.input_usd_per_mtok, price, "$0.060/Mtok"),
        say("input that missed the cache", day.input_missed_usd_per_mtok, price, "$0.138/Mtok"),
        real("over the published mean", fleet.relative_to(np.sum(both), nodes), "count", 1.0, 1e-3, digits=5),
    )


COMPUTE: Mapping[str, Compute] = MappingProxyType(
    {"C56": _c56, "C57": _c57, "C58": _c58, "C59": _c59, "C60": _c60, "C61": _c61, "C62": _c62, "C63": _c63}
)
