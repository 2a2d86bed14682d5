"""Several agents and an aggregator: the chances by counting, the tokens by adding, the time by its parts."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.economy.buyers import BUYERS, choose, choose_together
from headway.economy.generated import generate_population
from headway.economy.parallel import AGENTS, aggregate, parallel_decision, parallel_tokens
from headway.economy.population import Population
from headway.economy.rack import Rack, RackClock, free_rack, serve
from headway.economy.rack_plan import plan_decisions, rack_for
from headway.economy.rules import Rules
from headway.economy.simulate import Policies, simulate
from headway.economy.tokens import DecisionTokens, buyer_decision
from headway.facts.errors import RangeError
from headway.facts.models import model
from headway.facts.systems import system
from headway.physics.parallel_agents import pass_at_n


@pytest.fixture(scope="module")
def rack() -> Rack:
    return rack_for(plan_decisions(model("llama-3.1-8b"), system("hgx-h200"), tpot=0.02))


@given(
    st.lists(st.tuples(st.floats(-10, 10), st.floats(0.01, 1)), min_size=1, max_size=4),
    st.integers(1, 4),
)
def test_the_best_of_several_by_counting(rows: list[tuple[float, float]], agents: int) -> None:
    values, weights = (np.array(column) for column in zip(*rows, strict=True))
    chances = weights / weights.sum()
    expected = 0.0
    for picks in itertools.product(range(len(values)), repeat=agents):
        expected += float(np.prod(chances[list(picks)])) * max(values[list(picks)])
    found = aggregate(values, chances, agents)
    assert found.value == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert found.share.sum() == pytest.approx(1)
    best = float(chances[values == values.max()].sum())
    assert found.coverage == pytest.approx(pass_at_n(min(best, 1.0), agents))


def test_more_agents_are_worth_no_less() -> None:
    found = aggregate([3.0, 1.0, 2.0], [0.2, 0.7, 0.1], range(1, 40))
    assert np.all(np.diff(found.value) >= 0)
    assert found.value[-1] == pytest.approx(3.0, abs=1e-3)


def test_a_first_proposal_buyer_with_sixteen_agents() -> None:
    """93 first offers in 100: 16 agents see another one with chance 1 - 0.93^16."""
    found = aggregate([0.0, 0.0, 1.0], [0.933, 0.0, 0.067], AGENTS)
    assert found.value == pytest.approx(1 - 0.933 ** np.array(AGENTS))


def test_chances_must_be_chances() -> None:
    for bad in (([1.0], [0.5], 1), ([1.0, 2.0], [1.0], 1), ([np.nan], [1.0], 1)):
        with pytest.raises(RangeError):
            aggregate(*bad)


def test_one_agent_is_the_decision() -> None:
    one = buyer_decision(3)
    assert parallel_tokens(one, 1) == one


@given(st.integers(2, 64))
def test_tokens_add_up(agents: int) -> None:
    one = DecisionTokens(1000, 300, 100, 2.0)
    found = parallel_tokens(one, agents, 50)
    assert found.output == agents * 100 + 50
    assert found.input == agents * 1000 + 1000 + agents * 100
    assert found.fresh == 700 + (agents - 1) * 2 + 2 + agents * 100
    assert found.calls == 2 * agents + 1


def test_parallel_agents_cost_more_and_take_longer(rack: Rack) -> None:
    found = parallel_decision(rack, buyer_decision(3), [5.0, 8.0, 10.0], [0.93, 0.0, 0.07])
    assert found.agents.tolist() == list(AGENTS)
    for row in (found.usd, found.seconds, found.value, found.joules, found.coverage):
        assert np.all(np.diff(row) > 0)
    _, alone = serve(rack, RackClock(), 0.0, buyer_decision(3))
    assert found.seconds[0] == pytest.approx(alone.seconds)
    assert found.usd[0] == pytest.approx(alone.usd)
    assert found.joules[0] == pytest.approx(alone.joules)
    assert found.usd[2] < 16 * found.usd[0], "prompts are shared"
    assert found.seconds[2] < 4 * found.seconds[0], "agents run side by side"


def test_where_nothing_is_at_stake_one_agent_is_best(rack: Rack) -> None:
    assert parallel_decision(rack, buyer_decision(3), [1.0, 1.0], [0.5, 0.5]).best == 1
    assert parallel_decision(free_rack(), buyer_decision(3), [1.0, 2.0], [0.5, 0.5]).best == 16


@pytest.fixture(scope="module")
def town() -> Population:
    return generate_population(60, 60, seed=4, cities=1)


def test_one_agent_changes_nothing_and_several_pick_better(town: Population) -> None:
    first = BUYERS["first-proposal"]
    rules = Rules("first-come", search="menu")
    one, sixteen = (simulate(town, rules, Policies(replace(first, agents=n)), seed=1) for n in (1, 16))
    assert one.log_hash == simulate(town, rules, Policies(first), seed=1).log_hash
    assert sixteen.welfare > one.welfare
    assert sixteen.shares[0] < one.shares[0]


def test_several_agents_are_billed_and_run_side_by_side(town: Population, rack: Rack) -> None:
    policy = replace(BUYERS["first-proposal"], first_p=0.0)
    one, four = (simulate(town, policies=Policies(replace(policy, agents=n)), rack=rack, seed=1) for n in (1, 4))
    assert four.compute.decisions > one.compute.decisions + 4 * 50
    assert one.compute.usd < four.compute.usd < 4 * one.compute.usd
    assert four.latency.mean < one.latency.mean + 30
    for found in (one, four):
        assert round(found.compute.usd * 1e6) == rack.charge(round(found.compute.rack_s * 1e6))


def test_the_best_of_choices_is_taken() -> None:
    policy = BUYERS["random"]
    draws = [0.1, 0.5, 0.9]
    alone = [choose(policy, [5, 4, 3], [9, 9, 0], draw) for draw in draws]
    assert alone == [0, 1, 2]
    assert choose_together(policy, [5, 4, 3], [9, 9, 0], draws) == 1
    assert choose_together(BUYERS["optimal"], [5], [4], draws) is None
