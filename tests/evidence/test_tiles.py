"""Products on a chip that no constant was fitted on: an H20 has little arithmetic, so whole tiles show in its times.

Measured times of alibaba/InferSim @7505de9 (Apache-2.0), bench_data/gemm/h20/data.csv: DeepGEMM, 8-bit operands that
were narrowed before the clock started, on a chip with 78 multiprocessors. Six of its shapes.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from headway.facts.calibration import efficiency_for
from headway.facts.efficiency import Efficiency
from headway.facts.systems import system
from headway.physics.machine import Machine, tiled_rows

ROWS = np.array([16, 64, 128, 256, 1024, 8192], dtype=float)
# Length of the reduction, width, and microseconds at each number of rows.
SHAPES = (
    (2048, 6144, (10.63, 10.696, 16.166, 27.958, 106.114, 763.61)),
    (5120, 7168, (25.017, 25.243, 39.428, 74.233, 283.965, 2144.0)),
    (4096, 24576, (53.425, 54.525, 98.424, 201.557, 747.465, 5880.0)),
    (7168, 1536, (13.696, 12.521, 15.909, 24.246, 94.236, 654.419)),
    (25600, 5120, (74.452, 74.908, 136.498, 262.285, 1039.0, 7803.0)),
    (1536, 24576, (24.42, 24.739, 41.929, 82.08, 292.014, 2260.0)),
)
H20 = system("hgx-h20")


def errors(efficiency: Efficiency) -> np.ndarray:
    """Predicted over measured less one, shape (shapes, rows)."""
    place = Machine(H20, efficiency)
    found = []
    for length, width, microseconds in SHAPES:
        flop = 2.0 * tiled_rows(ROWS, efficiency.tile) * length * width
        moved = length * width + ROWS * (length + 2.0 * width)
        floor = efficiency.operator_latency + efficiency.serial * length
        one = place.device("product", flop, place.rate("fp8"), moved, floor=floor)
        found.append(np.asarray(one.seconds) / (np.array(microseconds) * 1e-6) - 1.0)
    return np.array(found)


def test_whole_tiles_explain_small_products():
    small = ROWS <= 64
    with_tiles = np.abs(errors(efficiency_for(H20)))
    without = np.abs(errors(dataclasses.replace(efficiency_for(H20), tile=1.0)))
    # 16 rows take as long as 64.
    assert np.median(with_tiles[:, small]) < 0.05
    assert np.median(without[:, small]) > 0.15
    assert np.allclose(with_tiles[:, ~small], without[:, ~small])


def test_large_products_follow_from_the_other_hopper_chips():
    large = errors(efficiency_for(H20))[:, ROWS > 64]
    assert np.median(np.abs(large)) < 0.12
    assert np.quantile(np.abs(large), 0.9) < 0.15


def test_no_chip_reads_faster_than_it_was_seen_to():
    for name in ("hgx-h20", "mi300x-8"):
        chip = system(name).chip
        assert chip.measured_bandwidth is not None
        assert chip.measured_bandwidth < chip.hbm_bandwidth
        assert efficiency_for(system(name)).memory <= chip.measured_bandwidth / chip.hbm_bandwidth
    assert efficiency_for(H20).memory < efficiency_for(system("hgx-h200")).memory
    assert efficiency_for(H20).memory == pytest.approx(3.225 / 4.0)
