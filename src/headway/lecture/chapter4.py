"""Chapter 4: the memory wall, and what weights spread over racks leave free (C34-C37)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from headway.lecture.claim import EXACT, PERCENT, Compute, Figure, Given, real, say
from headway.physics import balance, published
from headway.training.pipelining import pipeline_memory, rack_room


def _c34(given: Given) -> tuple[Figure, ...]:
    total, gpus, hbm = given("board.total_params"), given("board.gpus"), given("device.gb200_hbm")
    rows = (("FP8", "fp8_bytes", 13.4), ("FP4", "fp4_bytes", 26.8), ("BF16", "bf16_bytes", 6.7))
    rack, newer = given.system("gb200-nvl72"), given.system("gb300-nvl72")
    fp8 = given("device.fp8_bytes")
    return (
        *(
            say(label, rack_room(total, given(f"device.{key}"), gpus, hbm).served, "times", expected, PERCENT)
            for label, key, expected in rows
        ),
        real("GB200 NVL72, FP8", rack_room(total, fp8, rack.chips, rack.chip.hbm_bytes).served, "times"),
        real("GB300 NVL72, FP8", rack_room(total, fp8, newer.chips, newer.chip.hbm_bytes).served, "times"),
    )


def _c35(given: Given) -> tuple[Figure, ...]:
    total, gpus, fp8 = given("board.total_params"), given("board.gpus"), given("device.fp8_bytes")
    rows = (("GB200", "gb200_hbm", "13.4 TB"), ("GB300", "gb300_hbm", "20.7 TB"))
    systems = tuple(given.system(name) for name in ("gb200-nvl72", "gb300-nvl72", "rubin-nvl72"))
    return (
        *(
            say(
                label,
                rack_room(total, fp8, gpus, given(f"device.{key}")).capacity,
                "bytes",
                expected,
                PERCENT,
            )
            for label, key, expected in rows
        ),
        say(
            "Rubin",
            rack_room(total, fp8, gpus, given("board.rubin_hbm")).capacity,
            "bytes",
            "20.7 TB",
            PERCENT,
        ),
        *(real(s.name, s.hbm_bytes, "bytes") for s in systems),
    )


def _c36(given: Given) -> tuple[Figure, ...]:
    ranks, stages = given("layout.experts_per_layer_gpus"), (1, 8)
    weights = published.bytes_of_weights(given("board.total_params"), given("device.fp8_bytes"))
    cache = balance.context_bytes(given("layout.pipeline_context"), given("model.deepseek_kv_fp8"))
    held = pipeline_memory(weights, cache, given("layout.pipeline_batch"), ranks, stages)
    return (
        say("saved per GPU at 8 stages", held.saved[-1], "bytes", "13.7 GB"),
        say("of", held.total[0], "bytes", "147 GB"),
        say("at most", held.most_saved[-1], "bytes", 15.625e9, EXACT),
    )


COMPUTE: Mapping[str, Compute] = MappingProxyType({"C34": _c34, "C35": _c35, "C36": _c36})
