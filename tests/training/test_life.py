"""What a life is made of, and what stages do to one pass."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.facts.errors import InputError
from headway.facts.scaling_laws import loss_law
from headway.training.life import equal_costs, life_flops, rollout_saving
from headway.training.lifetime import budget
from headway.training.pipelining import pipeline_memory, pipelined_pass, rack_room, stage_hop, weight_reuse


def test_a_life_is_the_sum_of_its_parts() -> None:
    found = budget(loss_law("epoch-2024-converged"), 150e12, 100e9, 150e12, efficiency=0.3, rl_tokens=1e12)
    spent = life_flops(found.best.params, found.best.tokens, 1e12, 150e12, efficiency=0.3)
    assert dict(found.flops) == pytest.approx(dict(spent.parts()))
    assert spent.total == pytest.approx(sum(dict(spent.parts()).values()))


@settings(max_examples=40, deadline=None)
@given(st.floats(2.0, 6.0), st.floats(0.05, 1.0))
def test_equal_costs_are_equal(factor: float, share: float) -> None:
    tokens = equal_costs(factor, share)
    spent = life_flops(
        1e9, 1e12, tokens.rl * 1e12, tokens.inference * 1e12, rl_flop_per_param_token=factor, efficiency=share
    )
    assert spent.rl == pytest.approx(spent.pretraining)
    assert spent.inference == pytest.approx(spent.pretraining)
    assert tokens.alpha * tokens.rl == pytest.approx(1.0)


def test_a_prompt_that_is_trained_on_dampens_the_saving_of_shorter_answers() -> None:
    assert rollout_saving(8192, 4096, kept=0.0, prompt_tokens=1024) == pytest.approx(2.0)
    assert 1.0 < rollout_saving(8192, 4096, prompt_tokens=1024) < rollout_saving(8192, 4096)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 64), st.integers(1, 4096), st.floats(1e-4, 1.0))
def test_stages_change_neither_latency_nor_rate_without_hops(stages: int, sequences: int, seconds: float) -> None:
    cut = pipelined_pass(seconds, sequences, stages)
    assert cut.latency_ratio == pytest.approx(1.0)
    assert cut.rate_ratio == pytest.approx(1.0)
    hop = stage_hop(sequences, 7168, 100e9, 8, 5e-6, stages=stages)
    with_hops = pipelined_pass(seconds, sequences, stages, hop.seconds)
    assert with_hops.latency == pytest.approx(seconds + hop.in_all)


def test_rooms_of_the_memory_chapter_refuse_what_is_not_there() -> None:
    with pytest.raises(InputError, match="optimiser"):
        rack_room(1e12, 1, 72, 186e9, "adamw")
    with pytest.raises(InputError, match="ranks"):
        weight_reuse(4096, 0, 300, 671e9, 37e9)
    held = pipeline_memory(1e12, 35136, 2400, 64, [1, 2, 4, 8])
    np.testing.assert_allclose(held.weights + held.saved, held.most_saved)
