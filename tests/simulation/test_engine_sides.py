"""Who pays for a step, how full it is, and how a static batch fills: small cases worked by hand."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from headway.facts.models import model
from headway.facts.systems import system
from headway.physics.layout import Layout
from headway.serving.plan import plan
from headway.serving.workload import Prices, Workload
from headway.simulation.deploy import deploy
from headway.simulation.outcome import Costs, outcome
from headway.simulation.replay import replay
from headway.simulation.scheduler import Scheduler
from headway.simulation.step_times import fixed_times
from headway.simulation.study import generated, run
from headway.simulation.sweep import NO_LIMITS
from headway.simulation.trace import make_trace

ENGINES: tuple[Literal["compiled", "plain"], ...] = ("compiled", "plain")


@pytest.mark.parametrize("engine", ENGINES)
def test_rent_follows_the_time_of_each_side(engine: Literal["compiled", "plain"]) -> None:
    """A prompt alone pays its step; beside a decoding request it pays what it adds."""
    two = make_trace("two", [0.0, 0.05], [1000, 500], [11, 1])
    done = replay(two, fixed_times(0.020, 1e-5), engine=engine)
    assert done.prefill_s.tolist() == pytest.approx([0.030 + 0.005])
    assert done.decode_s.tolist() == pytest.approx([10 * 0.02001])
    found = outcome(done, Costs(1, 3.6))
    whole = 1e-3 * found.span_s
    assert found.usd_per_mtok_input * 1500 / 1e6 == pytest.approx(whole * 0.035 / 0.2351)
    assert found.usd_per_mtok_input * 1500 + found.usd_per_mtok_output * 12 == pytest.approx(whole * 1e6)


def test_dollars_of_one_request_are_those_of_the_plan() -> None:
    """One request alone: a prompt's token costs hundreds of times less than an answer's, as the plan has it."""
    llama, box = model("llama-3.1-8b"), system("hgx-h200")
    one = make_trace("one", [0.0], [1000], [200])
    found = run(deploy(llama, box, Layout(), one, Scheduler()), one, Scheduler(), NO_LIMITS, Costs(1, 2.0))[1]
    plans = plan(llama, box, Workload(1000, 200), prices=Prices(2.0), chips=1).plans
    alone = min(plans, key=lambda p: p.batch)
    assert alone.batch == 1
    assert found.usd_per_mtok_output == pytest.approx(alone.usd_per_mtok_output, rel=0.05)
    assert found.usd_per_mtok_input == pytest.approx(alone.usd_per_mtok_input, rel=0.4)


@pytest.mark.parametrize(("taken", "half"), [(1, 1.0), (128, 1.0), (129, 0.0), (130, 0.0), (256, 0.0)])
def test_seats_are_counted_whole(taken: int, half: float) -> None:
    at_once = make_trace("t", np.zeros(taken), np.full(taken, 1), np.full(taken, 5))
    found = outcome(replay(at_once, fixed_times(0.01)))
    assert found.occupancy == pytest.approx(taken / 256)
    assert found.trains.mean == pytest.approx(taken / 256)
    assert found.trains.half_empty == half
    assert found.trains.full == float(taken == 256)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_static_batch_fills_its_seats_before_its_first_pass(engine: Literal["compiled", "plain"]) -> None:
    """Prompts of a whole budget board one a step; who comes after the first pass waits for the end of the batch."""
    at = [*[0.0] * 4, 0.045]
    rules = Scheduler(policy="static", max_seqs=8, token_budget=1000)
    done = replay(make_trace("t", at, [1000] * 5, [3] * 5), fixed_times(0.01), rules, engine=engine)
    assert done.start_s.tolist() == pytest.approx([0.0, 0.01, 0.02, 0.03, 0.06])
    assert done.last_s[:4].tolist() == pytest.approx([0.06] * 4)


def test_a_static_batch_keeps_up_where_its_seats_allow() -> None:
    """The token budget is not the batch: five requests a second need more than two seats."""
    steady = generated("poisson", 5.0, 400, 1000, 100)
    done = replay(steady, fixed_times(0.01), Scheduler(policy="static"))
    assert outcome(done).ttft_s.mean < 2.0
