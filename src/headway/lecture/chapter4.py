"""Chapter 4: the memory wall, and what weights spread over racks leave free (C34-C37)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from headway.lecture.claim import EXACT, PERCENT, Compute, Figure, Given, real, say
from headway.physics import balance, pipeline, published


def _c34(given: Given) -> tuple[Figure, ...]:
    total, gpus, hbm = given("board.total_params"), given("board.gpus"), given("device.gb200_hbm")
    rows = (("FP8", "fp8_bytes", 13.4), ("FP4", "fp4_bytes", 26.8), ("BF16", "bf16_bytes", 6.7))
    rack, newer = given.system("gb200-nvl72"), given.system("gb300-nvl72")
    fp8 = given("device.fp8_bytes")
    return (
        *(
            say(label, pipeline.models_fit(total, given(f"device.{key}"), gpus, hbm).times, "times", expected, PERCENT)
            for label, key, expected in rows
        ),
        real("GB200 NVL72, FP8", pipeline.models_fit(total, fp8, rack.chips, rack.chip.hbm_bytes).times, "times"),
        real("GB300 NVL72, FP8", pipeline.models_fit(total, fp8, newer.chips, newer.chip.hbm_bytes).times, "times"),
    )


def _c35(given: Given) -> tuple[Figure, ...]:
    total, gpus, fp8 = given("board.total_params"), given("board.gpus"), given("device.fp8_bytes")
    rows = (("GB200", "gb200_hbm", "13.4 TB"), ("GB300", "gb300_hbm", "20.7 TB"))
    systems = tuple(given.system(name) for name in ("gb200-nvl72", "gb300-nvl72", "rubin-nvl72"))
    return (
        *(
            say(
                label,
                pipeline.models_fit(total, fp8, gpus, given(f"device.{key}")).capacity,
                "bytes",
                expected,
                PERCENT,
            )
            for label, key, expected in rows
        ),
        say(
            "Rubin",
            pipeline.models_fit(total, fp8, gpus, given("board.rubin_hbm")).capacity,
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
    held = pipeline.stage_memory(weights, cache, given("layout.pipeline_batch"), ranks, stages)
    saved = pipeline.weight_saving(weights, ranks, stages[-1])
    return (
        say("saved per GPU at 8 stages", saved, "bytes", "13.7 GB"),
        say("of", held.total[0], "bytes", "147 GB"),
        say("at most", held.weights[0], "bytes", 15.625e9, EXACT),
    )


COMPUTE: Mapping[str, Compute] = MappingProxyType({"C34": _c34, "C35": _c35, "C36": _c36})
