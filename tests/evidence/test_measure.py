"""Measuring a machine: laws of the record, the system entry it writes, and a numpy decoder timed and predicted."""

from __future__ import annotations

import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headway.evidence.machine_file import constants_toml, system_toml
from headway.evidence.measure import (
    CachePass,
    Effort,
    Measurement,
    Product,
    Stream,
    best,
    measure_cpu,
)
from headway.evidence.measure_accelerator import measure_accelerator
from headway.evidence.measured_efficiency import CALLS_PER_OPERATOR, achieved
from headway.evidence.stack_file import load_calibration
from headway.evidence.toy_decoder import ToyDecoder, ToyShape, as_system, check_toy, predict_toy, scaled, toy_decoder
from headway.facts.systems import load_system_toml

QUICK = Effort((8 << 20,), 48 << 20, (256,), 2)
SMALL = ToyShape(2, 64, 4, 2, 128, 32)


@pytest.fixture(scope="module")
def cpu() -> Measurement:
    return measure_cpu(QUICK)


def _made(memory: float, compute: float, serial: float) -> Measurement:
    """A machine of known shares: 40 GB/s and 100 GFLOP/s at best."""
    thin = tuple(
        Product(m, k, n, (k * n + m * (k + n)) * 4 / (40e9 * memory) + 2.0 * m * k * n / (100e9 * compute) + k * serial)
        for m in (1, 2, 4, 8, 16)
        for k, n in ((512, 1408), (1024, 1024), (1024, 2816), (2816, 1024))
    )
    streams = (Stream("read", 1 << 20, 1 << 20, 40e9),)
    return Measurement("cpu", "made", 4, 8e9, streams, (Product(1000, 1000, 1000, 0.02),), thin, 1e-6, "made")


@pytest.mark.parametrize(("memory", "compute", "serial"), [(0.6, 0.9, 2e-8), (0.3, 0.7, 8e-8), (0.9, 0.5, 1e-8)])
@pytest.mark.parametrize("rows", [1, 2])
def test_shares_come_back(memory: float, compute: float, serial: float, rows: int) -> None:
    eff = achieved(_made(memory, compute, serial), rows)
    assert eff.memory == pytest.approx(memory, rel=0.05)
    assert eff.compute == pytest.approx(compute, rel=0.05)
    assert eff.serial == pytest.approx(serial, rel=0.3)
    assert eff.operator_latency == pytest.approx(CALLS_PER_OPERATOR * 1e-6)


@pytest.mark.parametrize("rows", [1, 2])
def test_attention_takes_the_time_it_was_seen_to_take(rows: int) -> None:
    seen = replace(_made(0.5, 0.8, 2e-8), cache=CachePass(8, 4, 4, 64, 1024, 2e-3))
    eff = achieved(seen, rows)
    assert seen.cache is not None
    streaming = seen.cache.elements * 4 / (seen.bandwidth * eff.memory)
    assert streaming + seen.cache.flop / (seen.rate * eff.attention) == pytest.approx(2e-3)


def test_measurement_is_sound(cpu: Measurement) -> None:
    assert {s.name for s in cpu.streams} == {"read", "copy", "triad"}
    assert all(s.rate <= cpu.bandwidth for s in cpu.streams)
    assert all(p.rate <= cpu.rate for p in (*cpu.large, *cpu.thin))
    assert 0 < cpu.dispatch < 1e-3


def test_best_is_the_shortest_round() -> None:
    ticks = iter([0.0, 5.0, 10.0, 12.0, 20.0, 29.0])
    assert best(lambda: None, 3, lambda: next(ticks)) == 2.0


def test_system_entry_is_read_back(cpu: Measurement, tmp_path: Path) -> None:
    file = tmp_path / "machine.toml"
    file.write_text(system_toml((cpu,)), encoding="utf-8")
    found = load_system_toml(file, "this-machine")
    assert found.chip.hbm_bandwidth == pytest.approx(cpu.bandwidth, rel=1e-5)
    assert found.chip.peak("fp32") == pytest.approx(cpu.rate, rel=1e-5)
    assert found.chips == 1
    own = tmp_path / "constants.toml"
    own.write_text(constants_toml(cpu), encoding="utf-8")
    eff, direct = load_calibration(own).efficiency(found), achieved(cpu)
    for name in ("memory", "compute", "serial", "softness", "operator_latency"):
        assert getattr(eff, name) == pytest.approx(getattr(direct, name), rel=1e-4)


def _whole_prefix(toy: ToyDecoder, tokens: list[int]) -> Any:
    """Logits after a prefix, all of it at once, head by head and in 64 bit: no cache, no batch, complex rotation."""
    s, n = toy.shape, len(tokens)
    x = toy.embedding[tokens].astype(float)
    angles = np.outer(np.arange(n), 10000.0 ** (-np.arange(0, s.head_dim, 2) / s.head_dim))

    def norm(v: Any) -> Any:
        return v / np.sqrt(np.mean(v**2, axis=-1, keepdims=True) + 1e-5)

    def turned(v: Any) -> Any:
        both = (v[:, : s.head_dim // 2] + 1j * v[:, s.head_dim // 2 :]) * np.exp(1j * angles)
        return np.concatenate([both.real, both.imag], axis=1)

    for layer in toy.layers:
        q, k, v = np.split(norm(x) @ layer["qkv"], np.cumsum([s.heads, s.kv_heads]) * s.head_dim, axis=1)
        out = np.zeros((n, s.hidden))
        for head in range(s.heads):
            of, kv = head * s.head_dim, head * s.kv_heads // s.heads * s.head_dim
            one = turned(q[:, of : of + s.head_dim]) @ turned(k[:, kv : kv + s.head_dim]).T
            weight = np.exp(np.where(np.tri(n, dtype=bool), one, -np.inf))
            out[:, of : of + s.head_dim] = weight / weight.sum(axis=1, keepdims=True) @ v[:, kv : kv + s.head_dim]
        x = x + out @ layer["o"]
        gate, up = np.split(norm(x) @ layer["up"], 2, axis=1)
        x = x + (gate / (1 + np.exp(-gate)) * up) @ layer["down"]
    return (norm(x) @ toy.head)[-1]


def test_the_toy_is_a_decoder() -> None:
    """Steps through its cache give what attention over the whole prefix gives, for each sequence of the batch."""
    toy = toy_decoder(SMALL, 2, 4)
    tokens = np.array([[3, 9], [4, 1], [7, 7], [2, 30]])
    last = [toy.step(row, position) for position, row in enumerate(tokens)][-1]
    for i in range(2):
        np.testing.assert_allclose(last[i], _whole_prefix(toy, tokens[:, i].tolist()), rtol=1e-3, atol=1e-4)


def test_the_toy_holds_what_its_model_says() -> None:
    toy, shape = toy_decoder(SMALL, 1, 2), SMALL.model()
    held = sum(w.size for layer in toy.layers for w in layer.values()) + toy.embedding.size + toy.head.size
    # The toy's norms have no weights.
    assert held == shape.total_params - SMALL.hidden * (2 * SMALL.layers + 1)


def test_prediction_grows_with_work(cpu: Measurement) -> None:
    at = [predict_toy(cpu, ToyShape(), batch, 128) for batch in (2, 4, 8, 16)]
    assert at == sorted(at)
    assert predict_toy(cpu, ToyShape(), 4, 2048) > predict_toy(cpu, ToyShape(), 4, 128)
    assert predict_toy(cpu, scaled(ToyShape(), 8, 1024), 4, 128) > predict_toy(cpu, scaled(ToyShape(), 4, 1024), 4, 128)


def test_a_decoder_on_this_machine(cpu: Measurement, capsys: pytest.CaptureFixture[str]) -> None:
    """Predicted beside measured, printed: no time is asserted, and the full figure is benchmarks/bench_measure.py."""
    checks = [check_toy(cpu, ToyShape(layers=4, vocab=4096), batch, 256, rounds=3) for batch in (1, 4)]
    with capsys.disabled():
        for c in checks:
            figures = f"measured {c.measured * 1e3:.1f} ms, predicted {c.predicted * 1e3:.1f} ms ({c.error:+.0%})"
            sys.stdout.write(f"\n  numpy decoder, batch {c.batch}: {figures}")
    assert all(c.measured > 0 and c.predicted > 0 for c in checks)
    assert as_system(cpu).chip.hbm_bandwidth == cpu.bandwidth


class _Tensor:
    """As much of a tensor as the measurement touches."""

    def __init__(self, shape: Any) -> None:
        self.array = np.ones(shape, np.float32)

    def copy_(self, other: _Tensor) -> None:
        np.copyto(self.array, other.array)

    def max(self) -> float:
        return float(self.array.max())

    def __matmul__(self, other: _Tensor) -> Any:
        return self.array @ other.array

    def __add__(self, other: _Tensor) -> Any:
        return self.array + other.array


def _torch(*, available: bool) -> Any:
    device = types.SimpleNamespace(
        is_available=lambda: available,
        synchronize=lambda: None,
        get_device_properties=lambda _: types.SimpleNamespace(name="made accelerator", total_memory=1e9),
    )
    return types.SimpleNamespace(
        cuda=device,
        bfloat16="torch.bfloat16",
        __version__="0",
        ones=lambda shape, dtype, device: _Tensor(shape),
        add=lambda a, b, out: np.add(a.array, b.array, out=out.array),
    )


def test_an_accelerator_is_measured_where_torch_sees_one(tmp_path: Path, cpu: Measurement) -> None:
    assert measure_accelerator(_torch(available=False)) is None
    found = measure_accelerator(_torch(available=True), rounds=2, small=True)
    assert found is not None
    assert (found.device, found.label, found.element) == ("cuda", "made accelerator", 2)
    file = tmp_path / "machine.toml"
    file.write_text(system_toml((cpu, found)), encoding="utf-8")
    assert load_system_toml(file, "this-machine-cuda").chip.hbm_bytes == 1e9
