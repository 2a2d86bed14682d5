"""Laws of a training step."""

from __future__ import annotations

import numpy as np
import pytest

from headway.facts.efficiency import IDEAL
from headway.facts.errors import LayoutError, RangeError, UnknownNameError
from headway.facts.models import model
from headway.facts.reversible_overheads import memory_policy
from headway.facts.systems import system
from headway.physics.layout import Layout
from headway.physics.train import train_step

LLAMA, DEEPSEEK, HGX = model("llama-3.1-70b"), model("deepseek-v3"), system("hgx-h100")
PLACES = [
    (LLAMA, Layout(tp=8, dp=2)),
    (LLAMA, Layout(tp=4, pp=4, dp=4)),
    (LLAMA, Layout(tp=2, cp=4, dp=2)),
    (DEEPSEEK, Layout(pp=16, dp=64, ep=64)),
]


@pytest.mark.parametrize(("one", "place"), PLACES)
@pytest.mark.parametrize("recompute", ["none", "selective", "full", "reversible"])
def test_kernel_is_never_below_the_blackboard(one, place, recompute):
    batch = 16 * place.dp
    kernel = train_step(one, HGX, place, batch, 4096, recompute=recompute, efficiency=IDEAL)
    ideal = train_step(one, HGX, place, batch, 4096, recompute=recompute, fidelity="blackboard")
    assert kernel.seconds >= ideal.seconds
    assert kernel.tokens == ideal.tokens == batch * 4096


def test_blackboard_is_six_n_d_plus_attention():
    step = train_step(LLAMA, HGX, Layout(tp=8), 8, 1024, recompute="none", fidelity="blackboard")
    weights = 6 * LLAMA.matmul_params * 8 * 1024 / (8 * HGX.chip.peak("bf16"))
    pairs = 1024 * 1025 / 2
    look = 3 * 4 * 80 * 64 * 128 * pairs * 8 / (8 * HGX.chip.peak("bf16"))
    assert step.seconds == pytest.approx(weights + look, rel=1e-12)


def test_full_recomputation_costs_one_more_forward():
    none = train_step(LLAMA, HGX, Layout(tp=8), 8, 1024, recompute="none", fidelity="blackboard")
    full = train_step(LLAMA, HGX, Layout(tp=8), 8, 1024, recompute="full", fidelity="blackboard")
    assert full.seconds / none.seconds == pytest.approx(4 / 3, rel=1e-12)


def test_more_micro_batches_shrink_the_bubble():
    place = Layout(tp=4, pp=8, dp=1)
    batch = np.array([8, 32, 128])
    step = train_step(LLAMA, HGX, place, batch, 4096)
    assert np.all(np.diff(step.tokens_per_second) > 0)
    # With one wave of micro-batches per stage the bubble is (P - 1)/(2P - 1) of the time.
    assert np.all(np.diff(step.seconds) > 0)


def test_what_cannot_be_trained_is_refused_by_name():
    with pytest.raises(RangeError, match="a multiple of dp x micro_batch = 4; did you mean 4"):
        train_step(LLAMA, HGX, Layout(tp=8, dp=4), 3, 4096)
    with pytest.raises(UnknownNameError, match="did you mean selective"):
        train_step(LLAMA, HGX, Layout(), 1, 4096, recompute="selectiv")
    with pytest.raises(LayoutError, match="tp: 7"):
        train_step(LLAMA, HGX, Layout(tp=7), 1, 4096)
    with pytest.raises(RangeError, match="context"):
        train_step(LLAMA, HGX, Layout(), 1, float("nan"))


@pytest.mark.parametrize(
    ("fidelity", "multiple"), [("blackboard", 4 / 3), ("kernel", memory_policy("reversible").time_ratio)]
)
def test_inverting_a_reversible_stack_costs_a_forward_pass(fidelity: str, multiple: float) -> None:
    """4/3 in closed form; in the kernel the ratio that the reversible room measured, on every operator of a layer."""
    none, back = (
        train_step(LLAMA, HGX, Layout(tp=8), 8, 1024, recompute=recompute, fidelity=fidelity)
        for recompute in ("none", "reversible")
    )
    if fidelity == "blackboard":
        assert float(back.seconds / none.seconds) == pytest.approx(multiple)
    for one, two in zip(none.operators, back.operators, strict=True):
        ratio = 1.0 if one.name in ("gradients", "optimiser") else multiple
        assert np.allclose(two.compute, np.multiply(one.compute, ratio))
        assert np.allclose(two.memory, np.multiply(one.memory, ratio))
