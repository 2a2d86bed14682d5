"""Chapter 6, contexts: what a price step, a price ratio and a context limit give away (C49-C55, C64-C68)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from headway.lecture.claim import EXACT, Compute, Figure, Given, real, say, told
from headway.physics import balance, contexts, fleet, published
from headway.physics.attention import attention_flops_per_context_token, kv_bytes_per_token
from headway.pricing import closed_forms
from headway.pricing.floors import disclosed_cost

# Last day before DeepSeek priced its peak hours apart.
_BEFORE_PEAK_PRICES = "2026-08-16"
# Sheets with a step besides Gemini's.
_STEPS = ("gpt-5.4", "minimax-m3", "grok-4.7")
# Throughputs of prefill and decode that were measured on one kind of chip.
_PROFILES = (
    ("infersim_prefill", "infersim_decode"),
    ("gb200_prefill_fp4", "gb200_decode_fp4"),
    ("gb200_prefill_fp8", "gb200_decode_fp8"),
)


def _c49(given: Given) -> tuple[Figure, ...]:
    gemini = given.sheet("gemini-3.1-pro")
    rows = (("output", "output", 1.5), ("input", "input", 2.0), ("cached input", "cache_read", 2.0))
    others = tuple((name, given.sheet(name)) for name in _STEPS)
    return (
        *(say(label, told(gemini.past_step(field)), "times", expected, EXACT) for label, field, expected in rows),
        *(real(f"{name} output", told(found.past_step("output")), "times") for name, found in others),
        *(real(f"{name} input", told(found.past_step("input")), "times") for name, found in others),
    )


def _c50(given: Given) -> tuple[Figure, ...]:
    active, ratio, context = given("board.active_params"), given("board.ratio"), given("board.context")
    low, high, slow, fast = (given(f"board.{key}") for key in ("active_low", "active_high", "ratio_low", "ratio_high"))
    rows = (
        ("100B, 300", active, ratio, "1667 B", True),
        ("R 312.5", active, given("board.ratio_gb200"), "1600 B", True),
        ("50B", low, ratio, "833 B", False),
        ("300B", high, ratio, "5000 B", False),
        ("R 160", active, slow, "3125 B", False),
        ("R 570", active, fast, "877 B", False),
        ("lowest", low, fast, "0.44 kB", True),
        ("highest", high, slow, "9.4 kB", True),
    )
    models = tuple((name, given.model(name)) for name in ("deepseek-v3", "llama-3.1-70b"))
    kink = _at_step(context, active, ratio)
    return (
        *(say(label, _at_step(context, n, r), "bytes", expected, shown=shown) for label, n, r, expected, shown in rows),
        say(
            "inside 1.6 to 2 KB",
            bool(given("board.kv_low") <= kink <= given("board.kv_high")),
            expected=True,
            shown=False,
        ),
        *(real(f"{name} stores", kv_bytes_per_token(found, "bf16"), "bytes") for name, found in models),
    )


def _at_step(context: float, active: float, ratio: float) -> float:
    """KV bytes a token by the pricing room's reading of a step."""
    return told(closed_forms.balance_kv(context, active_params=active, machine_balance=ratio).value)


def _c51(given: Given) -> tuple[Figure, ...]:
    heads, width = int(given("board.kv_heads")), int(given("board.head_dim"))
    llama, deepseek, muse = (given.model(name) for name in ("llama-3.1-70b", "deepseek-v3", "muse-spark-open"))
    return (
        say("one context for all layers, FP8", told(closed_forms.shape_kv(heads, width).value), "bytes", "2048 B"),
        real("Llama-3-70B, BF16", kv_bytes_per_token(llama, "bf16"), "bytes", 327680.0, EXACT),
        real("DeepSeek-V3, BF16", kv_bytes_per_token(deepseek, "bf16"), "bytes", 70272.0, EXACT),
        real("Muse Spark Open, FP8", kv_bytes_per_token(muse, "fp8"), "bytes", 32768.0, EXACT),
    )


def _c52(given: Given) -> tuple[Figure, ...]:
    premium, ratio, active = given("board.price_ratio"), given("board.ratio"), given("board.active_params")
    short, long, load = (
        given("inversion.mean_context_low"),
        given("inversion.mean_context_high"),
        given("inversion.batch_over_balance"),
    )

    def from_ratio(paid: float, context: float) -> float:
        found = closed_forms.ratio_kv(
            paid, active_params=active, machine_balance=ratio, context=context, batch_over_balance=load
        )
        return told(found.value)

    dear = from_ratio(premium, long)
    even = from_ratio(told(given.sheet("deepseek-v4-pro", on=_BEFORE_PEAK_PRICES).output_over_input), long)
    unit, kink = _at_step(long, active, ratio), _at_step(given("board.context"), active, ratio)
    deepseek = given.model("deepseek-v3")
    return (
        say("L/L*", fleet.relative_to(dear, unit), "count", 4.5, EXACT),
        say("at a mean of 10k", from_ratio(premium, short), "bytes", "150 kB", EXACT),
        say("at a mean of 20k", dear, "bytes", "75 kB", EXACT),
        say("the price step had said", kink, "bytes", "1667 B"),
        say("larger by", fleet.relative_to(dear, kink), "times", 45, EXACT),
        say("L/L* at a ratio of 2", fleet.relative_to(even, unit), "count", 1.5, EXACT, shown=False),
        real("DeepSeek-V3 stores", kv_bytes_per_token(deepseek, "bf16"), "bytes"),
    )


def _c53(given: Given) -> tuple[Figure, ...]:
    rows = (
        ("Claude Opus 5", "claude-opus-5", None, 5.0, EXACT),
        ("Gemini 3.1 Pro", "gemini-3.1-pro", None, 6.0, EXACT),
        ("Gemini 2.5 Flash", "gemini-2.5-flash", None, "8.3", None),
        ("Gemini 3.6 Flash", "gemini-3.6-flash", None, 5.0, EXACT),
        ("Gemini 2.0 Flash", "gemini-2.0-flash", None, 4.0, EXACT),
        ("GPT-5", "gpt-5", None, 8.0, EXACT),
        ("GPT-5.4", "gpt-5.4", None, 6.0, EXACT),
        ("Grok 4", "grok-4", None, 5.0, EXACT),
        ("Grok 4.3", "grok-4.3", None, 2.0, EXACT),
        ("DeepSeek-V4 until August", "deepseek-v4-pro", _BEFORE_PEAK_PRICES, 2.0, EXACT),
        ("DeepSeek-V3.2", "deepseek-v3.2", None, 1.5, EXACT),
        ("Kimi K3", "kimi-k3", None, 5.0, EXACT),
    )

    def ratio(model: str, day: str | None) -> float:
        return told(given.sheet(model, on=day).output_over_input)

    return (
        say("stated", given("board.price_ratio"), "times", 5, EXACT),
        *(
            real(label, ratio(model, day), "times", expected, tolerance)
            for label, model, day, expected, tolerance in rows
        ),
        real("DeepSeek-V4 since, off-peak", ratio("deepseek-v4-pro", None), "times"),
    )


def _day(given: Given) -> tuple[float, float]:
    """Machine balance of DeepSeek's H800 and sequences of one decode unit."""
    ratio = balance.machine_balance(given("device.h800_fp8"), given("device.h100_bandwidth"), given("device.fp8_bytes"))
    unit = fleet.sequences_in_flight(given("day.decode_node_rate"), given("day.user_speed"), given("day.unit_nodes"))
    return ratio, unit


def _c54(given: Given) -> tuple[Figure, ...]:
    prefill, decode = given("day.prefill_node_rate"), given("day.decode_node_rate")
    gpus, rent = given("day.node_gpus"), given("day.gpu_price")
    day = disclosed_cost(gpus, rent, prefill, decode, given("day.hit_share"))
    # One chip of either kind at one rent: the ratio of costs is that of throughputs.
    profile, fp4, fp8 = (
        disclosed_cost(1, rent, given(f"measured.{first}"), given(f"measured.{then}")).output_over_input
        for first, then in _PROFILES
    )
    ratio, unit = _day(given)
    active = given("model.deepseek_active")
    batch = balance.balance_batch(ratio, given("model.deepseek_total"), active)
    length = balance.balance_context(ratio, active, given("model.deepseek_kv_bf16"))
    context = given("day.context")
    return (
        say("DeepSeek's day, hits included", day.output_over_input, "count", "4.98"),
        say("misses only", day.output_over_missed, "count", "2.18"),
        say("DeepSeek's profile", profile, "count", "3.37"),
        say("GB200, NVFP4", fp4, "count", "1.95"),
        say("GB200, FP8", fp8, "count", "2.03"),
        say("roofline of the day", balance.memory_over_compute(unit, batch, context, length), "count", "3.22"),
        say("B*/B", fleet.relative_to(batch, unit), "count", "0.42", shown=False),
        say("L/L*", fleet.relative_to(context, length), "count", "2.80", shown=False),
    )


def _c55(given: Given) -> tuple[Figure, ...]:
    bound = closed_forms.compute_bound_prompt
    stated = bound(given("board.ratio"), given("model.deepseek_total"), given("model.deepseek_active"))
    model, chip = given.model("deepseek-v3"), given.chip("gb200")
    ratio = balance.machine_balance(chip.peak("fp8"), chip.hbm_bandwidth, given("device.fp8_bytes"))
    there = bound(ratio, model.total_params, model.active_params)
    prefix = bound(
        ratio,
        model.total_params,
        model.active_params,
        sequences=int(given("queue.prefixes")),
        prefix=given("board.context"),
        kv_bytes=kv_bytes_per_token(model, "fp8"),
    )
    return (
        say("prompt tokens per pass, no prefix", told(stated.value), "count", "5441"),
        real("DeepSeek-V3 on GB200", told(there.value), "count"),
        real("with 64 cached prefixes of 200k", told(prefix.value), "count"),
    )


def _c64(given: Given) -> tuple[Figure, ...]:
    gb200, board = given("board.ratio_gb200"), given("board.ratio")
    deepseek, llama = given("model.deepseek_active"), given("model.llama_active")
    v4, muse = given("model.v4_active"), given.model("muse-spark-open")
    muse_kv = kv_bytes_per_token(muse, "fp8")
    kink = _at_step(given("board.context"), given("board.active_params"), board)
    chip = given.chip("gb200")
    ratio = balance.machine_balance(chip.peak("fp8"), chip.hbm_bandwidth, given("device.fp8_bytes"))
    models = tuple(given.model(name) for name in ("deepseek-v3", "llama-3.1-70b", "qwen3-235b-a22b", "gpt-oss-120b"))
    return (
        say("lecture", balance.balance_context(board, given("board.active_params"), kink), "tokens", 200e3, EXACT),
        say(
            "DeepSeek-V3, FP8 cache",
            balance.balance_context(gb200, deepseek, given("model.deepseek_kv_fp8")),
            "tokens",
            "3370",
        ),
        say("Llama-3-70B, FP8", balance.balance_context(gb200, llama, given("model.llama_kv_fp8")), "tokens", "1367"),
        say("Muse Spark Open", balance.balance_context(gb200, given("model.muse_active"), muse_kv), "tokens", "4102"),
        say("V4-Pro, 7 kB", balance.balance_context(gb200, v4, given("model.v4_kv_high")), "tokens", "22 ktok"),
        say("V4-Pro, 3.5 kB", balance.balance_context(gb200, v4, given("model.v4_kv_low")), "tokens", "45 ktok"),
        *(
            real(m.name, balance.balance_context(ratio, m.active_params, kv_bytes_per_token(m, "fp8")), "tokens")
            for m in (*models, muse)
        ),
    )


def _c65(given: Given) -> tuple[Figure, ...]:
    context = given("board.context")
    half = contexts.mfu_at_context(published.tokens_in_pass(2, context), context)
    return (say("at twice the balanced context", half, "fraction", 0.50, EXACT),)


def _c66(given: Given) -> tuple[Figure, ...]:
    long, short, sparse = given("board.context_long"), given("board.context"), given("model.sparse_context")
    elements, index, kept = (given(f"model.sparse_{key}") for key in ("elements", "index", "selected"))
    return (
        say("dense, from 200k to 100M", contexts.context_cost_growth(long, short), "times", 500, EXACT),
        say("square root", contexts.sparse_attention_gain(long, short), "times", "22.4"),
        real("DeepSeek-V3.2 at 128k", contexts.indexed_attention_gain(sparse, elements, index, kept), "times", "4.2"),
        real("at any length, at most", fleet.relative_to(elements, index), "times", 4.5, EXACT),
    )


def _c67(given: Given) -> tuple[Figure, ...]:
    long, rack = given("board.context_long"), given.system("gb200-nvl72")
    kink = _at_step(given("board.context"), given("board.active_params"), given("board.ratio"))
    muse = given.model("muse-spark-open")
    rows = (
        ("lecture", kink, "0.17 TB", "0.3 ms"),
        ("DeepSeek-V3, FP8", given("model.deepseek_kv_fp8"), "3.5 TB", "6.1 ms"),
        ("Muse Spark Open, FP8", kv_bytes_per_token(muse, "fp8"), "3.3 TB", "5.7 ms"),
        ("Llama-3-70B, FP8", given("model.llama_kv_fp8"), "16 TB", "28 ms"),
    )
    sizes = tuple((label, balance.context_bytes(long, kv), size, time) for label, kv, size, time in rows)
    bandwidth = published.aggregate_bandwidth(given("board.gpus"), given("device.gb200_bandwidth"))
    return (
        *(say(label, value, "bytes", size) for label, value, size, _ in sizes),
        *(
            say(f"{label}, read on NVL72", balance.drain_time(value, bandwidth), "seconds", time, shown=False)
            for label, value, _, time in sizes
        ),
        *(
            real(f"{label}, in an empty NVL72", fleet.relative_to(rack.hbm_bytes, value), "count")
            for label, value, _, _ in sizes
        ),
    )


def _c68(given: Given) -> tuple[Figure, ...]:
    deepseek, llama, muse = (given.model(name) for name in ("deepseek-v3", "llama-3.1-70b", "muse-spark-open"))
    looks = tuple(attention_flops_per_context_token(m) for m in (deepseek, llama, muse))
    stated = tuple(given(f"model.{key}_active") for key in ("deepseek", "llama", "muse"))
    names, expected = ("DeepSeek-V3", "Llama-3-70B", "Muse Spark Open"), ("4355", "53406", "160217")
    counted = (deepseek.active_params, llama.active_params, muse.active_params)
    return (
        *(
            say(name, contexts.attention_parity_context(active, look), "tokens", value)
            for name, active, look, value in zip(names, stated, looks, expected, strict=True)
        ),
        say("training, T = 8D", contexts.training_parity_context(given("model.wide_hidden")), "tokens", 65536, EXACT),
        *(
            real(name, contexts.attention_parity_context(active, look), "tokens")
            for name, active, look in zip(names, counted, looks, strict=True)
        ),
    )


COMPUTE: Mapping[str, Compute] = MappingProxyType(
    {
        "C49": _c49,
        "C50": _c50,
        "C51": _c51,
        "C52": _c52,
        "C53": _c53,
        "C54": _c54,
        "C55": _c55,
        "C64": _c64,
        "C65": _c65,
        "C66": _c66,
        "C67": _c67,
        "C68": _c68,
    }
)
