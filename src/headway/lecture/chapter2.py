"""Chapter 2: how a mixture of experts lies in a rack (C22-C28)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from headway.lecture.claim import EXACT, PERCENT, Compute, Figure, Given, real, say
from headway.physics import exchange, experts, fleet, pipeline


def _c22(given: Given) -> tuple[Figure, ...]:
    names = (
        ("Hopper", "hgx-h100", 8),
        ("Blackwell", "gb200-nvl72", 72),
        ("Rubin", "rubin-nvl72", 72),
        ("next rack, packages", "rubin-ultra-nvl576", 144),
    )
    found = tuple((label, given.system(name), expected) for label, name, expected in names)
    return (
        say("Hopper", given("device.hopper_gpus"), "count", 8, EXACT),
        say("Blackwell", given("board.gpus"), "count", 72, EXACT),
        say("Rubin, as stated", given("board.domain_rubin"), "count", 500, EXACT),
        say("next rack, by its name", given("board.domain_next"), "count", 576, EXACT),
        *(real(label, system.domain_size, "count", expected, EXACT) for label, system, expected in found),
    )


def _c23(given: Given) -> tuple[Figure, ...]:
    old, new = given("device.hopper_gpus"), given("board.gpus")
    growth = fleet.bandwidth_progress(new, given("device.gb200_bandwidth"), old, given("device.h100_bandwidth"))
    box, rack = given.system("hgx-h100"), given.system("gb200-nvl72")
    return (
        say("GPUs in the domain", fleet.relative_to(new, old), "times", 9, EXACT),
        say("memory bandwidth of the domain", growth, "times", "21.5"),
        real("NVL72 over HGX H100", fleet.relative_to(rack.hbm_bandwidth, box.hbm_bandwidth), "times"),
    )


def _c24(given: Given) -> tuple[Figure, ...]:
    rows = (
        ("GB200, 800G", "nvlink_gb200", "nic_800g", 9.0),
        ("H100", "nvlink_h100", "nic_400g", 9.0),
        ("A100", "nvlink_a100", "nic_200g", 12.0),
        ("GB200, 400G", "nvlink_gb200", "nic_400g", 18.0),
        ("H800", "nvlink_h800", "nic_400g", 3.2),
    )
    names = ("hgx-a100", "hgx-h100", "hgx-h800", "hgx-b200", "gb200-nvl72")
    systems = tuple(given.system(name) for name in names)
    return (
        *(
            say(label, fleet.scale_ratio(given(f"device.{link}"), given(f"device.{nic}")), "times", expected, PERCENT)
            for label, link, nic, expected in rows
        ),
        *(
            real(s.name, fleet.scale_ratio(s.link_bandwidth, s.network_bandwidth), "times")
            for s in systems
            if s.network_bandwidth is not None
        ),
    )


def _c25(given: Given) -> tuple[Figure, ...]:
    pool = given("board.experts")
    return (
        say("on 64 GPUs", experts.experts_per_chip(pool, given("board.gpus_used")), "count", 4, EXACT),
        real(
            "DeepSeek prefill, EP32",
            experts.experts_per_chip(pool, given("day.prefill_gpus"), given("day.redundant")),
            "count",
            9,
            EXACT,
        ),
        real(
            "DeepSeek decode, EP144",
            experts.experts_per_chip(pool, given("day.unit_gpus"), given("day.redundant")),
            "count",
            2,
            EXACT,
        ),
    )


def _c26(given: Given) -> tuple[Figure, ...]:
    racks, stated, measured = given("board.racks"), given("board.slower"), given("layout.scale_ratio_measured")
    return (
        say("at 8x, overlapped", exchange.racks_all_to_all_slowdown(racks, stated), "times", 4, EXACT),
        real("at 9x, overlapped", exchange.racks_all_to_all_slowdown(racks, measured), "times", 4.5, EXACT),
        real(
            "at 9x, one after the other",
            exchange.racks_all_to_all_slowdown(racks, measured, overlapped=False),
            "times",
            5,
            EXACT,
        ),
    )


def _c27(given: Given) -> tuple[Figure, ...]:
    slower = given("board.slower")
    rows = ((8, 2.0), (16, 4.0), (32, 8.0))
    rack = given.system("gb200-nvl72")
    real_ratio = fleet.scale_ratio(rack.link_bandwidth, rack.network_bandwidth or rack.link_bandwidth)
    kept = given("model.deepseek_experts_active")
    return (
        *(
            say(
                f"{active} experts per token",
                exchange.pipeline_over_racks_ratio(slower, active),
                "times",
                expected,
                EXACT,
            )
            for active, expected in rows
        ),
        real("DeepSeek-V3 on GB200", exchange.pipeline_over_racks_ratio(real_ratio, kept), "times"),
    )


def _c28(given: Given) -> tuple[Figure, ...]:
    fp8 = given("device.fp8_bytes")
    box = pipeline.largest_model(fp8, given("device.hopper_gpus"), given("device.h100_hbm"))
    rack = pipeline.largest_model(fp8, given("board.gpus"), given("device.gb200_hbm"))
    hopper, blackwell = given.system("hgx-h100"), given.system("gb200-nvl72")
    return (
        say("parameters in 8 H100, FP8", box, "count", 640e9, PERCENT),
        say("in an NVL72, FP8", rack, "count", 13.4e12, PERCENT),
        real("HGX H100", pipeline.largest_model(fp8, hopper.chips, hopper.chip.hbm_bytes), "count"),
        real("GB200 NVL72", pipeline.largest_model(fp8, blackwell.chips, blackwell.chip.hbm_bytes), "count"),
    )


COMPUTE: Mapping[str, Compute] = MappingProxyType(
    {"C22": _c22, "C23": _c23, "C24": _c24, "C25": _c25, "C26": _c26, "C27": _c27, "C28": _c28}
)
