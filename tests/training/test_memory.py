"""Memory of training against the published tables."""

from __future__ import annotations

import pytest

from headway.facts.errors import InputError
from headway.facts.training_models import stand_in, training_model
from headway.physics.layout import Layout
from headway.training.memory import POLICIES, training_memory
from headway.training.recipe import Recipe

# Korthikanti et al., arXiv 2205.05198, figures 1 and 7, as transcribed in calculon's validation: tensor ranks, stages,
# chunks, micro-batch; GiB of activations stored and with selective recompute; per cent of the stored ones with
# sequence parallelism, selective, both, and full recompute.
PUBLISHED = {
    "megatron-22b": (8, 1, 1, 4, 59.25, 9.5625, (66.84, 49.42, 16.18, 7.64)),
    "gpt3-175b": (8, 8, 3, 1, 66.84375, 12.3515625, (62.04, 56.53, 18.49, 8.71)),
    "mt-nlg-530b": (8, 35, 3, 1, 114.0234375, 23.076171875, (58.31, 62.04, 20.27, 9.42)),
    "megatron-1t": (8, 64, 1, 1, 131.25, 26.5625, (58.31, 62.04, 20.27, 9.42)),
}


def _activations(name: str, policy: str, sequence: bool) -> float:
    tp, pp, chunks, micro, *_ = PUBLISHED[name]
    recipe = Recipe(
        schedule="interleaved",
        chunks=chunks,
        micro_batch=micro,
        recompute=policy,
        sequence_parallel=sequence,
        fused_attention=False,
        zero=0,
    )
    used = training_memory(training_model(name), 80e9, Layout(tp=tp, pp=pp), recipe, 2048, 8 * pp)
    return float(used.activations) / 2**30


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_activations(name: str) -> None:
    *_, stored, both, shares = PUBLISHED[name]
    base = _activations(name, "store", False)
    assert base == pytest.approx(stored, rel=1e-3)
    assert _activations(name, "selective", True) == pytest.approx(both, rel=1e-3)
    cases = (("store", True), ("selective", False), ("selective", True), ("full", False))
    for (policy, sequence), share in zip(cases, shares, strict=True):
        assert 100 * _activations(name, policy, sequence) / base == pytest.approx(share, rel=0.02)


def test_published_weights_gradients_and_states() -> None:
    # Figure 1: 45.5625 GiB for 22B over 8 chips at 18 bytes a parameter, one embedding's difference aside.
    used = training_memory(training_model("megatron-22b"), 80e9, Layout(tp=8), Recipe(zero=0), 2048, 1)
    held = float(used.weights + used.gradients + used.optimiser) / 2**30
    assert held == pytest.approx(45.5625, rel=0.1)


def test_a_reversible_stack_keeps_one_layer_whatever_its_depth() -> None:
    deep, half = (Layout(tp=8, pp=p) for p in (1, 2))
    model, recipe = training_model("gpt3-175b"), Recipe(recompute="reversible")
    one, two = (float(training_memory(model, 80e9, p, recipe, 2048, 1).activations) for p in (deep, half))
    assert one == two
    assert one < float(training_memory(model, 80e9, deep, Recipe(recompute="full"), 2048, 1).activations) / 50


def test_sharding_divides_what_it_says() -> None:
    model, place = training_model("mpt-7b"), Layout(dp=8)
    used = [training_memory(model, 80e9, place, Recipe(zero=z), 2048, 1) for z in range(4)]
    for name, stage in (("optimiser", 1), ("gradients", 2), ("weights", 3)):
        whole = float(getattr(used[0], name))
        for z in range(4):
            assert float(getattr(used[z], name)) == pytest.approx(whole / 8 if z >= stage else whole)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recompute": "all"}, "recompute"),
        ({"optimiser": "adm"}, "optimiser"),
        ({"zero": 4}, "at most 3"),
        ({"gradients": "fp64"}, "fp32"),
        ({"schedule": "1f2b"}, "schedule"),
    ],
)
def test_refusals(change: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        training_memory(training_model("mpt-1b"), 80e9, Layout(), Recipe(**change), 2048, 1)  # type: ignore[arg-type]


def test_every_policy_has_a_memory() -> None:
    for policy in POLICIES:
        used = training_memory(training_model("mpt-1b"), 80e9, Layout(), Recipe(recompute=policy), 2048, 1)
        assert float(used.total) > 0
        assert bool(used.fits)


def test_a_stand_in_has_the_parameters_asked_for() -> None:
    assert stand_in("x", 70e9).total_params == pytest.approx(70e9, rel=0.05)
    assert stand_in("x", 400e9, 17e9).total_params == pytest.approx(400e9, rel=0.25)
