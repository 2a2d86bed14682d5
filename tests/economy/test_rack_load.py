"""A rack under load: arrays against the recursion, formulas against the queue itself."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.economy.rack import Rack, RackClock, free_rack, serve
from headway.economy.rack_load import gate_burst, serve_many, steady
from headway.economy.rack_plan import plan_decisions, rack_for
from headway.economy.tokens import DecisionTokens, buyer_decision, seller_decision
from headway.facts.errors import RangeError
from headway.facts.models import model
from headway.facts.systems import system


@pytest.fixture(scope="module")
def rack() -> Rack:
    return rack_for(plan_decisions(model("deepseek-v3"), system("gb200-nvl72"), tpot=0.02))


@given(
    st.lists(
        st.tuples(st.floats(0, 0.05), st.integers(0, 9000), st.floats(0, 1), st.integers(0, 900), st.floats(1, 6)),
        max_size=40,
    )
)
def test_arrays_serve_as_the_recursion_does(rack: Rack, rows: list[tuple[float, int, float, int, float]]) -> None:
    small = rack.scaled(0.02)
    times = np.cumsum([gap for gap, *_ in rows])
    tokens = [DecisionTokens(read, int(share * read), written, calls) for _, read, share, written, calls in rows]
    clock, every = RackClock(), []
    for at, one in zip(times.tolist(), tokens, strict=True):
        clock, served = serve(small, clock, at, one)
        every.append(served)
    columns = ([getattr(t, f) for t in tokens] for f in ("input", "cached", "output", "calls"))
    table = DecisionTokens(*(np.array(c, dtype=float) for c in columns))
    last, many = serve_many(small, RackClock(), times, table)
    assert dataclasses.astuple(last) == pytest.approx(dataclasses.astuple(clock), rel=1e-9, abs=1e-12)
    assert (last.sold_us, last.posted_micros) == (clock.sold_us, clock.posted_micros)
    for field in dataclasses.fields(many):
        expected = [getattr(s, field.name) for s in every]
        assert getattr(many, field.name) == pytest.approx(expected, rel=1e-9, abs=1e-12), field.name


def test_a_day_in_two_halves_is_the_day(rack: Rack) -> None:
    times = np.linspace(0, 3, 1000)
    clock, first = serve_many(rack, RackClock(), times[:400], buyer_decision(3))
    clock, second = serve_many(rack, clock, times[400:], buyer_decision(3))
    whole, both = serve_many(rack, RackClock(), times, buyer_decision(3))
    assert clock.posted_micros == whole.posted_micros == first.micros.sum() + second.micros.sum()
    assert np.concatenate([first.seconds, second.seconds]) == pytest.approx(both.seconds)


def test_rising_times_only(rack: Rack) -> None:
    for bad in ([1.0, 0.5], [-1.0], [math.nan], [[0.0]]):
        with pytest.raises(RangeError, match="at_s"):
            serve_many(rack, RackClock(), bad, seller_decision())


@pytest.mark.parametrize("load", [0.3, 0.7, 0.9])
def test_waits_for_prefill_are_those_of_the_formula(load: float) -> None:
    one = replace(free_rack(), pool_s_per_input=1e-3 / 600)
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.exponential(1e-3 / load, 400_000))
    _, many = serve_many(one, RackClock(), times, seller_decision())
    expected = steady(one, load / 1e-3, seller_decision()).queue_s
    assert many.queue_s.mean() == pytest.approx(expected, rel=0.06)


def test_bursts_wait_as_bulk_arrivals_do() -> None:
    one = replace(free_rack(), pool_s_per_input=1e-3 / 600)
    rng = np.random.default_rng(4)
    k, load = 10, 0.6
    times = np.repeat(np.cumsum(rng.exponential(k * 1e-3 / load, 40_000)), k)
    _, many = serve_many(one, RackClock(), times, seller_decision())
    burst = gate_burst(one, k, seller_decision(), load)
    waits = many.queue_s.reshape(-1, k)
    assert waits.mean() == pytest.approx(burst.mean_s, rel=0.04)
    assert waits[:, 0].mean() == pytest.approx(burst.first_s, rel=0.08)
    assert waits[:, -1].mean() == pytest.approx(burst.last_s, rel=0.04)
    assert burst.without_gate_s < burst.first_s


def test_one_prompt_is_no_burst(rack: Rack) -> None:
    burst = gate_burst(rack, 1, seller_decision(), [0.0, 0.5])
    assert burst.mean_s.tolist() == burst.without_gate_s.tolist() == burst.first_s.tolist() == burst.last_s.tolist()
    assert burst.mean_s[0] == 0
    with pytest.raises(RangeError, match="load"):
        gate_burst(rack, 3, seller_decision(), 1.0)


def test_full_load_sells_all_of_the_time(rack: Rack) -> None:
    w = plan_decisions(model("deepseek-v3"), system("gb200-nvl72"), tpot=0.02).workload
    shape = DecisionTokens(w.isl, int(w.cached), w.osl)
    load = steady(rack, np.array([0, 0.5, 1.0]) * rack.decisions_per_s, shape)
    assert load.utilisation == pytest.approx([0, 0.5, 1.0])
    assert load.usd_per_s + load.idle_usd_per_s == pytest.approx(rack.usd_per_s)
    assert np.all(np.diff(load.tpot_s) > 0)
    assert load.tpot_s[0] == rack.tpot_idle_s


def test_beyond_full_load_nothing_is_steady(rack: Rack) -> None:
    load = steady(rack, 3 * rack.decisions_per_s, seller_decision())
    assert load.queue_s == math.inf
    assert load.tpot_s == rack.tpot_full_s
