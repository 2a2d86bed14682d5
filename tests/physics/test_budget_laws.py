"""Laws of the lifetime budget: the optimum against brute force and against its closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.facts.scaling_laws import LOSS_LAWS, LossLaw, loss_law
from headway.physics import budget, lifetime, parallel_agents

laws = st.sampled_from(tuple(LOSS_LAWS.values()))
params = st.floats(1e9, 1e12)
tokens = st.floats(1e11, 1e15)
demands = st.floats(1e11, 1e16)
efficiencies = st.floats(0.05, 1)


@given(laws, params, tokens, demands, efficiencies)
def test_the_optimum_reaches_the_loss_of_the_reference(
    law: LossLaw, size: float, data: float, served: float, efficiency: float
) -> None:
    best = lifetime.optimal_size(law, served, size, data, efficiency)
    assert lifetime.loss(law, best.params, best.tokens) == pytest.approx(lifetime.loss(law, size, data), rel=1e-9)
    assert best.demand_over_pretraining == pytest.approx(
        lifetime.inference_over_pretraining_cost_at_optimum(law, best.params, best.tokens), rel=1e-6, abs=1e-9
    )


@given(laws, params, tokens, demands, st.floats(-0.5, 0.5))
def test_no_neighbour_of_equal_loss_is_cheaper(
    law: LossLaw, size: float, data: float, served: float, away: float
) -> None:
    best = lifetime.optimal_size(law, served, size, data)
    demand = lifetime.demand_flop_per_param(served)
    level = law.size_coefficient * size**-law.size_exponent + law.data_coefficient * data**-law.data_exponent
    other = best.params * math.exp(away)
    left = level - law.size_coefficient * other**-law.size_exponent
    if left > 0:
        needed = (law.data_coefficient / left) ** (1 / law.data_exponent)
        assert lifetime.lifetime_flops(other, needed, demand) >= best.lifetime_flops * (1 - 1e-9)


@given(laws, params, tokens, demands)
def test_the_optimum_has_its_closed_form(law: LossLaw, size: float, data: float, served: float) -> None:
    """Against the compute-optimal model of the same loss, by the ratio of demand to pre-training alone."""
    best, plain = (lifetime.optimal_size(law, d, size, data) for d in (served, 0.0))
    a, b, rho = law.size_exponent, law.data_exponent, best.demand_over_pretraining
    assert best.tokens / plain.tokens == pytest.approx(((a + b * (1 + rho)) / (a + b)) ** (1 / b), rel=1e-6)
    smaller = ((a + b * (1 + rho)) / ((1 + rho) * (a + b))) ** (1 / a)
    assert best.params / plain.params == pytest.approx(smaller, rel=1e-6)


@given(laws, params, tokens, demands, st.floats(1.01, 100))
def test_more_demand_makes_smaller_models_trained_longer(
    law: LossLaw, size: float, data: float, served: float, factor: float
) -> None:
    best = lifetime.optimal_size(law, np.array([0.0, served, factor * served]), size, data)
    assert np.all(np.diff(best.params) < 0)
    assert np.all(np.diff(best.tokens) > 0)


@given(laws, params)
def test_with_nothing_served_the_optimum_is_chinchilla(law: LossLaw, size: float) -> None:
    data = size * lifetime.optimal_tokens_per_param(law, size)
    best = lifetime.optimal_size(law, 0, size, data)
    assert best.params == pytest.approx(size, rel=1e-9)
    assert lifetime.inference_over_pretraining_cost_at_optimum(law, size, data) == pytest.approx(0, abs=1e-9)


RL = {"inference_tokens": 150e12, "rl_tokens": 150e12, "rl_efficiency": 0.3}


@pytest.mark.parametrize(
    ("name", "call", "size", "data"),
    [
        ("epoch-2024", {"inference_tokens": 150e12}, 153, 33),
        ("epoch-2024", {"inference_tokens": 450e12}, 124, 62),
        ("epoch-2024", {**RL, "rl_flop_per_param_token": 2.0}, 116, 77),
        ("epoch-2024", {**RL, "rl_flop_per_param_token": 6.0}, 102, 139),
        ("hoffmann-2022", {"inference_tokens": 150e12}, 145, 71),
        ("hoffmann-2022", {"inference_tokens": 450e12}, 109, 124),
        ("hoffmann-2022", {**RL, "rl_flop_per_param_token": 2.0}, 99, 153),
        ("hoffmann-2022", {**RL, "rl_flop_per_param_token": 6.0}, 81, 269),
    ],
)
def test_optima_of_an_independent_calculation(name: str, call: dict[str, float], size: float, data: float) -> None:
    """At the loss of 100B on 150T; sizes and tokens within 1% and rounding of figures got by other code."""
    best = lifetime.optimal_size(loss_law(name), reference_params=100e9, reference_tokens=150e12, **call)
    assert best.params / 1e9 == pytest.approx(size, rel=0.01)
    assert best.tokens / 1e12 == pytest.approx(data, rel=0.02)


@given(tokens, st.floats(2, 6), efficiencies)
def test_equal_costs_are_equal(data: float, factor: float, efficiency: float) -> None:
    split = budget.equal_cost_split(data, factor, efficiency)
    pretraining = budget.training_flops(1, data)
    assert budget.rl_flops(1, split.rl_tokens, factor, efficiency) == pytest.approx(pretraining, rel=1e-9)
    assert budget.rl_flops(1, split.inference_tokens, 2, efficiency) == pytest.approx(pretraining, rel=1e-9)
    both = budget.rl_flops(1, split.inference_tokens_for_both, 2, efficiency)
    assert both == pytest.approx(2 * pretraining, rel=1e-9)


@given(tokens, tokens, st.floats(2, 6), efficiencies)
def test_demand_adds_up(served: float, trained: float, factor: float, efficiency: float) -> None:
    both = lifetime.demand_flop_per_param(served, efficiency, trained, factor)
    parts = budget.rl_flops(1, trained, factor, efficiency) + budget.inference_flops(1, served) / efficiency
    assert both == pytest.approx(parts, rel=1e-9)


@given(st.floats(0, 1))
def test_recompute_overhead_lies_between_none_and_a_third(share: float) -> None:
    assert 1 <= budget.recompute_overhead(share) <= 4 / 3 + 1e-15


@given(st.floats(0, 1), st.integers(1, 1000), st.integers(1, 1000))
def test_coverage_grows_with_agents(chance: float, agents: int, more: int) -> None:
    one, two = parallel_agents.pass_at_n(chance, [agents, agents + more])
    assert 0 <= one <= two <= 1
    assert parallel_agents.pass_at_n(chance, 1) == pytest.approx(chance, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize(("variation", "agents"), [(0.2, 4), (0.5, 16), (1.0, 64)])
def test_the_longest_answer_agrees_with_simulation(variation: float, agents: int) -> None:
    spread = math.sqrt(math.log1p(variation**2))
    drawn = np.random.default_rng(agents).lognormal(-0.5 * spread**2, spread, (100_000, agents)).max(axis=1)
    assert parallel_agents.expected_longest(1.0, variation, agents) == pytest.approx(drawn.mean(), rel=0.01)


@given(st.floats(1, 1e5), st.floats(0, 3), st.integers(1, 500), st.integers(1, 500))
def test_more_agents_take_longer(mean: float, variation: float, agents: int, more: int) -> None:
    one, two = parallel_agents.expected_longest(mean, variation, [agents, agents + more])
    assert mean * (1 - 1e-6) <= one <= two * (1 + 1e-9)
    assert two <= mean * (agents + more) * (1 + 1e-6)


@given(st.floats(1, 1e5), st.integers(1, 64), st.floats(1e-3, 1), st.floats(0, 1e5))
def test_alike_agents_cost_tokens_and_not_time(mean: float, agents: int, tpot: float, extra: float) -> None:
    run = parallel_agents.parallel_run(mean, agents, tpot, extra)
    assert run.latency == pytest.approx((mean + extra) * tpot, rel=1e-9)
    assert run.tokens == pytest.approx(agents * mean + extra, rel=1e-12)
