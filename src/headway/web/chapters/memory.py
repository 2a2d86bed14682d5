"""The memory wall: what a chip holds, and how long it takes to read it (lecture, chapter 4)."""

from __future__ import annotations

import numpy as np

from headway.facts.models import model, model_names
from headway.facts.systems import system, system_names
from headway.physics.balance import capacity_for_drain_time, drain_time, machine_balance
from headway.physics.memory import largest_batch, memory_use, weight_bytes
from headway.web.chapter import Answer, Axis, Chapter, Chart, Control, Marker, Number, Series, Values
from headway.web.deployments import cache_said, layout_of, too_many

CONTROLS = (
    Control("model", "Model", "deepseek-v3", choices=model_names),
    Control("system", "System", "gb200-nvl72", choices=system_names),
    Control("tp", "Tensor parallel", 1.0, low=1, high=64, whole=True),
    Control("dp", "Attention data parallel", 72.0, low=1, high=576, whole=True),
    Control("ep", "Expert parallel", 72.0, low=1, high=576, whole=True),
    Control("context", "Context of each", 32_768.0, "tokens", low=100, high=1e6, whole=True),
    Control("target", "Time per token to reach", 0.02, "seconds", low=1e-3, high=0.2),
)
BATCHES = tuple(float(v) for v in np.unique(np.round(np.geomspace(1, 65536, 70))))


def answer(values: Values) -> Answer:
    """Give memory of the fullest chip along the batch, and the times that its bandwidth sets."""
    what, box = model(values["model"]), system(values["system"])
    layout, said = layout_of(what, box, values["tp"], values["dp"], values["ep"])
    chip = box.chip
    held = memory_use(what, box, layout, BATCHES, values["context"])
    seats = float(largest_batch(what, box, layout, values["context"]))
    flat = np.ones(len(BATCHES))

    def along(part: object) -> tuple[float, ...]:
        return tuple(np.broadcast_to(np.asarray(part, dtype=float), flat.shape).tolist())

    drain = float(drain_time(chip.hbm_bytes, chip.hbm_bandwidth))
    useful = float(capacity_for_drain_time(chip.hbm_bandwidth, values["target"]))
    return Answer(
        (
            Number("largest_batch", "Fits", seats, "count", "sequences, all chips"),
            Number(
                "drain_time_s",
                "Drain time",
                drain,
                "seconds",
                "all read once",
            ),
            Number("useful_bytes", "Read in the time", useful, "bytes", "a chip, at the time per token"),
            Number("weight_bytes", "Weights", float(weight_bytes(what)), "bytes", "of the model"),
            Number(
                "machine_balance",
                "Machine balance",
                float(machine_balance(chip.peak("bf16"), chip.hbm_bandwidth, 2.0)),
                "count",
                "multiply-adds a weight, BF16",
            ),
        ),
        (
            Chart(
                "memory",
                "Memory of the fullest chip",
                Axis("sequences in one pass, all chips", "count", log=True, low=1, high=65536),
                Axis("bytes", "bytes", log=True),
                (
                    Series("KV cache", BATCHES, along(held.kv), strong=True),
                    Series("weights", BATCHES, along(held.weights)),
                    Series("capacity", BATCHES, along(held.capacity)),
                    Series("activations", BATCHES, along(held.activations)),
                ),
                (Marker(seats, "full"),) if 1 <= seats <= 65536 else (),
                about="The weights are there once; every sequence brings its own cache.",
            ),
        ),
        equations=("drain time = capacity / bandwidth", "useful capacity at a time per token = bandwidth · t"),
        notes=(
            *said,
            *too_many(seats, 1.0),
            *cache_said(what),
            "Bytes beyond those read within one token's time hold caches that wait.",
        ),
        sources=tuple(s.text for s in (*what.sources, *chip.sources)),
    )


CHAPTER = Chapter(
    "memory",
    "The memory wall",
    "How much memory is of use when all of it must be read for every token?",
    CONTROLS,
    answer,
    order=60,
    part="Memory",
)
