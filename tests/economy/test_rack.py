"""The rack beneath: what is billed is what is sold, and waiting is that of a queue."""

from __future__ import annotations

import dataclasses
import heapq
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.economy.rack import Rack, RackClock, Served, free_rack, serve
from headway.economy.rack_plan import decision_workload, plan_decisions, rack_for
from headway.economy.tokens import DecisionTokens, buyer_decision, default_tokens, seller_decision
from headway.facts.errors import InputError, RangeError
from headway.facts.models import model
from headway.facts.systems import system
from headway.physics.step import decode_step, prefill_step
from headway.serving.plan import PlanResult
from headway.serving.workload import Prices


@pytest.fixture(scope="module")
def planned() -> PlanResult:
    return plan_decisions(model("llama-3.1-70b"), system("hgx-h200"), tpot=0.02, prices=Prices(2.0, 0.08))


@pytest.fixture(scope="module")
def rack(planned: PlanResult) -> Rack:
    return rack_for(planned)


def run(rack: Rack, times: list[float], tokens: DecisionTokens) -> tuple[RackClock, list[Served]]:
    clock, every = RackClock(), []
    for at in times:
        clock, served = serve(rack, clock, at, tokens)
        every.append(served)
    return clock, every


def test_every_plan_sells_its_own_time(planned: PlanResult) -> None:
    """A decision of the planned shape takes 1 over the requests per second, its price and its energy."""
    w = planned.workload
    shape = DecisionTokens(w.isl, int(w.cached), w.osl)
    for plan in planned.plans:
        _, served = serve(rack_for(planned, plan), RackClock(), 0.0, shape)
        assert served.rack_s * plan.requests_per_second == pytest.approx(1, rel=1e-9)
        assert served.usd == pytest.approx(plan.usd_per_mtok * w.osl / 1e6, rel=1e-6)
        assert served.joules == pytest.approx(plan.joules_per_token * w.osl, rel=1e-9)


def test_the_rent_is_that_of_the_chips(rack: Rack) -> None:
    per_chip = Prices(2.0, 0.08).usd_per_chip_second(1730.0)
    assert rack.usd_per_s == pytest.approx(rack.chips * per_chip, rel=1e-6)
    assert rack.watts == pytest.approx(rack.chips * 1730.0)


def test_a_lone_prompt_takes_the_step_of_the_physics(planned: PlanResult) -> None:
    w = planned.workload
    plan = planned.cheapest
    assert plan is not None
    where = model("llama-3.1-70b"), system("hgx-h200")
    own = prefill_step(*where, plan.prefill_layout, 1, w.miss, w.cached).seconds
    first = decode_step(*where, plan.layout, 1, w.mean_context).seconds
    _, served = serve(rack_for(planned), RackClock(), 0.0, DecisionTokens(w.isl, int(w.cached), w.osl))
    assert served.prefill_s == pytest.approx(float(own + first), rel=1e-9)
    assert served.decode_s == pytest.approx(w.osl * decode_step(*where, plan.layout, 1, w.mean_context).seconds)
    assert served.queue_s == 0


@given(st.lists(st.tuples(st.integers(0, 20000), st.floats(0, 1), st.integers(0, 4000)), max_size=60))
def test_posted_is_sold_to_the_micro(rack: Rack, decisions: list[tuple[int, float, int]]) -> None:
    clock, micros, time = RackClock(), 0, 0
    for i, (read, share, written) in enumerate(decisions):
        clock, served = serve(rack, clock, 0.01 * i, DecisionTokens(read, int(share * read), written))
        assert served.micros >= 0 <= served.rack_us
        micros, time = micros + served.micros, time + served.rack_us
        assert micros == clock.posted_micros == rack.charge(time)
        assert time == clock.sold_us
        assert abs(clock.sold_s * 1e6 - time) <= 0.5
        assert abs(micros * 1e-6 - time * 1e-6 * rack.usd_per_s) <= 0.51e-6


def test_a_free_rack_takes_nothing() -> None:
    clock, every = run(free_rack(), [0.0, 0.0, 5.0], buyer_decision(30))
    assert all(s.seconds == s.usd == s.joules == s.micros == s.rack_us == 0 for s in every)
    assert clock.posted_micros == clock.sold_us == 0


def test_two_runs_are_the_same(rack: Rack) -> None:
    times = [0.001 * i for i in range(500)]
    assert run(rack, times, buyer_decision(3)) == run(rack, times, buyer_decision(3))


def test_a_burst_waits_for_those_before_it(rack: Rack) -> None:
    """Prefill in order: the k-th waits for k - 1 prompts, less the seats' own wait."""
    seller = seller_decision()
    _, every = run(replace(rack, seats=math.inf), [0.0] * 30, seller)
    own = seller.fresh * rack.pool_s_per_input
    assert [s.queue_s for s in every] == pytest.approx([i * own for i in range(30)])


def test_full_batches_wait_as_many_servers_do() -> None:
    """A burst of four rounds of equal answers into a hundred seats, against the exact queue."""
    base = replace(free_rack(), seats=100.0, answer_tokens=75.0, tpot_idle_s=0.02, tpot_full_s=0.02)
    _, every = run(base, [0.0] * 400, DecisionTokens(600, 0, 75))
    exact = many_servers([0.0] * 400, 1.5, 100)
    assert every[99].queue_s == 0
    assert every[-1].queue_s == pytest.approx(300 / 100 * 1.5)
    late = np.array(exact) - [s.queue_s for s in every]
    assert np.all(late >= -1e-9)
    assert np.all(late <= 1.5)


def test_overload_grows_as_the_exact_queue_grows() -> None:
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.exponential(1 / 130.0, 6000)).tolist()
    base = replace(free_rack(), seats=100.0, answer_tokens=75.0, tpot_idle_s=0.01, tpot_full_s=1 / 75)
    _, every = run(base, times, DecisionTokens(600, 0, 75))
    exact = many_servers(times, 1.0, 100)
    assert every[-1].queue_s == pytest.approx(exact[-1], rel=0.1)
    assert np.mean([s.queue_s for s in every]) == pytest.approx(np.mean(exact), rel=0.15)


def test_light_load_neither_waits_nor_slows() -> None:
    times = [0.1 * i for i in range(300)]
    base = replace(free_rack(), seats=100.0, answer_tokens=75.0, tpot_idle_s=0.01, tpot_full_s=0.02)
    _, every = run(base, times, DecisionTokens(600, 0, 75))
    assert all(s.queue_s == 0 for s in every)
    assert every[-1].decode_s == pytest.approx(75 * 0.01, rel=0.12)


def many_servers(times: list[float], seconds: float, servers: int) -> list[float]:
    """Waits of the exact first-come queue."""
    free, waits = [0.0] * servers, []
    heapq.heapify(free)
    for at in times:
        start = max(at, heapq.heappop(free))
        heapq.heappush(free, start + seconds)
        waits.append(start - at)
    return waits


def test_time_does_not_run_backwards(rack: Rack) -> None:
    clock, _ = serve(rack, RackClock(), 2.0, seller_decision())
    for bad in (1.0, math.nan, math.inf):
        with pytest.raises(RangeError, match="at_s"):
            serve(rack, clock, bad, seller_decision())


def test_twice_the_racks_wait_half(rack: Rack) -> None:
    one, two = (run(rack.scaled(n), [0.0] * 3000, seller_decision())[1] for n in (1, 2))
    assert two[-1].queue_s == pytest.approx(one[-1].queue_s / 2, rel=0.1)
    assert two[0].usd == pytest.approx(one[0].usd, rel=1e-9)
    assert two[0].joules == pytest.approx(one[0].joules, rel=1e-9)
    assert rack.scaled(0.25).decisions_per_s == pytest.approx(rack.decisions_per_s / 4)


def test_the_workload_is_the_mean_call() -> None:
    w, tokens = decision_workload(10), default_tokens()
    calls = tokens.buyer_calls + 10
    assert w.isl * calls == pytest.approx(tokens.trunk_input + 10 * tokens.input_per_seller, rel=0.001)
    assert decision_workload(10, survives=0).cache_hit == 0
    assert decision_workload(0).isl > 0


def test_no_cache_prices_every_token_the_same() -> None:
    found = plan_decisions(model("llama-3.1-8b"), system("hgx-h200"), survives=0, tpot=0.02)
    rack = rack_for(found)
    assert rack.rack_s_per_cached == rack.rack_s_per_input > 0
    held, fresh = (serve(rack, RackClock(), 0.0, DecisionTokens(900, c, 75))[1] for c in (500, 0))
    assert dataclasses.astuple(held) == pytest.approx(dataclasses.astuple(fresh), rel=1e-12)


def test_an_infeasible_plan_makes_no_rack() -> None:
    found = plan_decisions(model("llama-3.1-8b"), system("hgx-h200"), tpot=1e-6)
    assert not found.feasible
    with pytest.raises(InputError, match="TPOT at best"):
        rack_for(found)
