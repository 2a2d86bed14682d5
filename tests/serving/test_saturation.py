"""Laws of workers that never run dry, and of loops over two pools."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.facts.errors import InputError
from headway.facts.models import model
from headway.facts.systems import system
from headway.physics.layout import Layout
from headway.physics.memory import largest_batch
from headway.physics.step import decode_step
from headway.serving.saturation import Window, drained, saturated, speeds
from headway.serving.scheduler import Scheduler
from headway.serving.two_pools import separate_loop
from headway.serving.workload import Workload

LLAMA, BOX = model("llama-3.1-70b"), system("hgx-h200")
PLACE = LLAMA, BOX, Layout(tp=8)
lengths = st.integers(64, 8192)


@settings(max_examples=15, deadline=None)
@given(isl=lengths, osl=lengths)
def test_memory_and_limits_are_kept(isl, osl):
    work = Workload(isl, osl, tpot=0.05, ttft=5.0)
    found = saturated(LLAMA, BOX, [Layout(tp=n) for n in (2, 4, 8)], work)
    if found.layout is not None:
        assert found.tpot <= 0.05
        assert found.ttft <= 5.0
        assert found.batch <= largest_batch(LLAMA, BOX, found.layout, work.mean_context)
        free = saturated(LLAMA, BOX, [Layout(tp=n) for n in (2, 4, 8)], Workload(isl, osl))
        assert free.tokens_per_second_per_chip >= 0.99 * found.tokens_per_second_per_chip


@settings(max_examples=15, deadline=None)
@given(isl=lengths, osl=lengths, requests=st.integers(1, 5000))
def test_a_queue_is_never_faster_than_an_endless_one(isl, osl, requests):
    few = drained(*PLACE, Workload(isl, osl), requests)
    endless = saturated(LLAMA, BOX, [Layout(tp=8)], Workload(isl, osl))
    assert few.output_tokens_per_second <= 1.001 * endless.output_tokens_per_second


def test_no_faster_than_decode_alone():
    work = Workload(1000, 1000)
    found = saturated(LLAMA, BOX, [Layout(tp=8)], work)
    alone = decode_step(*PLACE, found.batch, work.mean_context)
    assert found.output_tokens_per_second <= alone.tokens_per_second


def test_reserving_whole_requests_holds_fewer():
    work = Workload(1000, 8000)
    loose, strict = (drained(*PLACE, work, 5000, scheduler=Scheduler(whole_request=whole)) for whole in (False, True))
    assert strict.batch < loose.batch


def test_what_does_not_fit_says_so():
    one = model("llama-3.1-405b"), system("hgx-h100")
    found = saturated(*one, [Layout()], Workload(1000, 1000))
    assert (found.layout, found.output_tokens_per_second) == (None, 0.0)
    assert "GB per chip" in found.reason
    assert "GB per chip" in drained(*one, Layout(), Workload(1000, 1000), 10).reason
    late = saturated(LLAMA, BOX, [Layout(tp=8)], Workload(1000, 1000, tpot=1e-6))
    assert "limits" in late.reason
    with pytest.raises(InputError):
        saturated(LLAMA, BOX, [], Workload(1000, 1000))


def test_the_tail_of_a_run_costs():
    work = Workload(800, 3700)
    endless = saturated(LLAMA, BOX, [Layout(tp=8)], work)
    timed = saturated(LLAMA, BOX, [Layout(tp=8)], work, window=Window(600.0, 0.0, 20_000.0))
    assert timed.output_tokens_per_second < endless.output_tokens_per_second
    assert timed.batch < endless.batch
    assert float(Window().kept(1.0, 0.03, 3700)) == 1.0


def test_speeds_fall_as_rates_rise():
    user, chip = speeds(*PLACE, 4096)
    assert all(a >= b for a, b in pairwise(user))
    assert chip[-1] > chip[0]


POOLS = LLAMA, system("gb200-nvl72"), Layout(tp=2), 1, Layout(tp=4), 2


@settings(max_examples=15, deadline=None)
@given(users=st.floats(1, 2000), isl=lengths, osl=st.integers(2, 4096))
def test_users_are_somewhere(users, isl, osl):
    """Little's law: the loop holds its users, apart from the burst that is part of the mean."""
    found = separate_loop(*POOLS, users, Workload(isl, osl))
    assert math.isfinite(found.ttft)
    assert found.decoding <= users * (1 + 1e-6)
    assert found.requests_per_second * found.latency >= users * 0.99
    assert found.chips == 10


def test_more_prefill_workers_wait_less():
    work = Workload(8192, 256)
    one = separate_loop(*POOLS, 200, work)
    two = separate_loop(LLAMA, system("gb200-nvl72"), Layout(tp=2), 2, Layout(tp=4), 2, 200, work)
    assert two.ttft < one.ttft
    assert two.output_tokens_per_second > one.output_tokens_per_second


@pytest.mark.parametrize("change", [{"users": 0.0}, {"users": math.nan}])
def test_bad_numbers_are_refused(change):
    with pytest.raises(InputError):
        separate_loop(*POOLS, change["users"], Workload(100, 100))
