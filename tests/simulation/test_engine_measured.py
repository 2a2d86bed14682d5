"""Three measured runs of vLLM 0.19 beside the replay of their requests.

Constants are the package's own for engine and chip, but two of the RTX 4090, which the package never saw: `memory`
is fitted here on that run's decode-only seconds. These say nothing of `compute` (a test below), which comes from the
package's fraction for the chip's generation: GeForce cards issue products with FP32 sums at half their full rate, and
that fraction of the full rate is more than the half. The peer simulator's own errors on the same runs (TTFT, TPOT,
latency): +0.6, +0.2, +0.5%; -4.0, -1.0, -1.8%; -13.6, -1.7, -2.2%.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headway.facts.efficiency import Efficiency, efficiency_of
from headway.facts.hardware import System
from headway.facts.models import model
from headway.facts.systems import load_system_toml
from headway.physics.layout import Layout
from headway.physics.step import decode_step
from headway.simulation.deploy import deploy
from headway.simulation.outcome import request_times
from headway.simulation.replay import replay
from headway.simulation.scheduler import Scheduler
from headway.simulation.trace import make_trace

HARDWARE = """
[sources]
peer = { text = "casys-kaist/LLMServingSim @5daddb2, cluster_config", kind = "reported", retrieved = "2026-11-23" }
ada = { text = "waredb.com, GeForce RTX 4090: dense BF16; rest as peer", kind = "reported", retrieved = "2026-11-25" }
pro = { text = "hmc-tech.com, RTX PRO 6000: dense BF16; rest as peer", kind = "reported", retrieved = "2026-11-25" }
[chip.rtx-4090]
vendor = "NVIDIA"
year = 2022
generation = "ada"
flops = { bf16 = "165.2 TFLOP/s" }
hbm_bytes = "24 GB"
hbm_bandwidth = "1008 GB/s"
source = "ada"
[chip.rtx-pro-6000]
vendor = "NVIDIA"
year = 2025
generation = "blackwell"
flops = { bf16 = "503.8 TFLOP/s" }
hbm_bytes = "96 GB"
hbm_bandwidth = "1597 GB/s"
source = "pro"
[system.rtx4090]
chip = "rtx-4090"
chips = 1
domain_size = 1
link_bandwidth = "16 GB/s"
link_latency = "5 us"
network_latency = "5 us"
source = "peer"
[system.rtxpro6000]
chip = "rtx-pro-6000"
chips = 2
domain_size = 2
link_bandwidth = "32 GB/s"
link_latency = "20 us"
network_latency = "20 us"
source = "peer"
"""
RUNS = (
    ("RTX4090_Llama-3_1-8B", "rtx4090", "llama-3.1-8b", Layout(), 256, 2588),
    ("RTXPRO6000_Llama-3_1-8B", "rtxpro6000", "llama-3.1-8b", Layout(), 128, None),
    ("RTXPRO6000_Qwen3-30B-A3B", "rtxpro6000", "qwen3-30b-a3b", Layout(dp=2, ep=2), 128, None),
)
#: Tensor peak of the RTX 4090 with FP16 sums, the full rate of its cores (gigagpu.com, read 2026-11-25) [FLOP/s].
FULL_RATE = 330.3e12


def decode_only(document: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Sequences, mean context and seconds of a step in each second without prefill and with 8 sequences or more."""
    rows = np.array([[float(v) for v in line.split(",")] for line in document["timeseries_csv"].split()[1:]])
    alone = rows[(rows[:, 1] == 0) & (rows[:, 3] >= 8) & (rows[:, 2] > 0)]
    return alone[:, 3], alone[:, 5] / 100 * 2588 * 16 / alone[:, 3], alone[:, 3] / alone[:, 2]


def best_memory(system: System, document: dict[str, Any], eff: Efficiency) -> tuple[float, float]:
    """The `memory` at which the median second is right, and the median of the errors that are left."""
    batch, held, took = decode_only(document)
    tried = np.arange(0.60, 1.0, 0.01)
    left = []
    for memory in tried:
        e = dataclasses.replace(eff, memory=float(memory))
        step = decode_step(model("llama-3.1-8b"), system, Layout(), batch, held, efficiency=e)
        left.append(np.log(took / np.asarray(step.seconds)))
    best = int(np.argmin(np.abs(np.median(left, axis=1))))
    return float(tried[best]), float(np.median(np.abs(left[best])))


def constants(system: System, document: dict[str, Any]) -> Efficiency:
    """The package's constants; of the unknown chip, memory from seconds without any prefill."""
    eff = efficiency_of(system, "vllm")
    if system.name != "rtx4090":
        return eff
    eff = dataclasses.replace(eff, compute=min(1.0, eff.compute * FULL_RATE / system.chip.peak("bf16")))
    return dataclasses.replace(eff, memory=best_memory(system, document, eff)[0])


def measured(shared: Path, name: str) -> dict[str, Any]:
    path = shared / "data" / "traces" / f"vllm_measured_{name}.json.gz"
    found: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return found


def test_decode_only_steps_say_nothing_of_compute(shared: Path, tmp_path: Path) -> None:
    """From half of the peak to all of it, `memory` makes up for the difference: the errors left are as large."""
    (tmp_path / "hardware.toml").write_text(HARDWARE)
    system, document = load_system_toml(tmp_path / "hardware.toml", "rtx4090"), measured(shared, RUNS[0][0])
    eff = efficiency_of(system, "vllm")
    left = [best_memory(system, document, dataclasses.replace(eff, compute=c))[1] for c in (0.5, 0.564, 1.0)]
    assert max(left) / min(left) < 1.3


@pytest.mark.parametrize(("name", "chip", "which", "layout", "seats", "blocks"), RUNS, ids=[r[0] for r in RUNS])
def test_measured_run(
    shared: Path, tmp_path: Path, name: str, chip: str, which: str, layout: Layout, seats: int, blocks: int | None
) -> None:
    (tmp_path / "hardware.toml").write_text(HARDWARE)
    system = load_system_toml(tmp_path / "hardware.toml", chip)
    document = measured(shared, name)
    rows = sorted(document["requests"], key=lambda r: r["queued_s"])
    queued = np.array([r["queued_s"] for r in rows])
    ids: list[int] = []
    starts = [0]
    for row in rows:
        for first, count in zip(row["h16"][::2], row["h16"][1::2], strict=True):
            ids += range(first, first + count)
        starts.append(len(ids))
    shape = [r["in"] for r in rows], [r["out"] for r in rows]
    trace = make_trace(name, queued - queued[0], *shape, block_tokens=16, blocks=ids, block_indptr=starts)
    scheduler = Scheduler(max_seqs=seats)
    where = deploy(
        model(which), system, layout, trace, scheduler, efficiency=constants(system, document), blocks=blocks
    )
    assert where.times is not None
    found = request_times(replay(trace, where.times, scheduler, where.fleet))
    first = np.array([r["first_token_s"] for r in rows])
    last = np.array([r["last_token_s"] for r in rows])
    tpot = (last - first) / (np.array(shape[1]) - 1)
    assert found["tpot_s"].mean() == pytest.approx(tpot.mean(), rel=0.05)
    assert found["latency_s"].mean() == pytest.approx((last - queued).mean(), rel=0.05)
    assert found["ttft_s"].mean() == pytest.approx((first - queued).mean(), rel=0.15)
