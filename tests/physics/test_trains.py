"""The train schedule: limits, and the queue of full trains against a simulation that shares no code with it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.facts.errors import RangeError
from headway.physics import bulk_queue, trains


def simulate(load: float, seats: int, periods: int, seed: int) -> tuple[float, np.ndarray, float]:
    """Mean queue left standing, boarding waits in periods, share left behind."""
    random = np.random.default_rng(seed)
    arrivals = random.poisson(load * seats, periods)
    standing = np.zeros(periods + 1, dtype=int)
    waits = []
    for i, come in enumerate(arrivals):
        moments = np.sort(random.random(come))
        place = standing[i] + np.arange(come)
        waits.append(1.0 - moments + place // seats)
        standing[i + 1] = max(standing[i] + come - seats, 0)
    wait = np.concatenate(waits)
    return float(standing.mean()), wait, float((wait >= 1).mean())


@pytest.mark.parametrize(("load", "seats"), [(0.5, 1), (0.8, 3), (0.9, 20), (0.95, 100)])
def test_full_trains_agree_with_simulation(load: float, seats: int) -> None:
    queue, waits, left = simulate(load, seats, 60_000, seed=seats)
    found = trains.full_train_wait(load, seats, 1.0, levels=(0.5, 0.9, 0.95))
    assert found.mean_queue == pytest.approx(queue, rel=0.08, abs=0.02)
    assert found.mean_wait == pytest.approx(waits.mean(), rel=0.03)
    assert found.left_behind == pytest.approx(left, rel=0.05, abs=0.005)
    np.testing.assert_allclose(found.quantiles, np.quantile(waits, [0.5, 0.9, 0.95]), rtol=0.04)


@given(st.floats(0.01, 0.995), st.integers(1, 300))
def test_both_ways_to_the_mean_agree(load: float, seats: int) -> None:
    """Roots of the generating function against the distribution from the factors."""
    chances = bulk_queue.queue_distribution(load, seats)
    assert chances.sum() == pytest.approx(1.0, abs=1e-9)
    mean = float(chances @ np.arange(chances.size))
    assert mean == pytest.approx(bulk_queue.mean_left_standing(load, seats), rel=1e-7, abs=1e-9)


@given(st.floats(0.05, 0.99))
def test_one_seat_is_the_clocked_single_server(load: float) -> None:
    """With one seat the mean left standing is a^2 / (2 (1 - a))."""
    assert trains.mean_queue(load, 1) == pytest.approx(load**2 / (2 * (1 - load)), rel=1e-9)


@given(st.floats(0.5, 0.97), st.integers(1, 10))
def test_the_tail_falls_at_its_rate(load: float, seats: int) -> None:
    """Far out, above rounding, each further request is less likely by exp(-rate)."""
    chances = bulk_queue.queue_distribution(load, seats)
    tail = chances[(chances > 1e-13) & (chances < 1e-8)]
    fall = -np.log(tail[-1] / tail[0]) / (tail.size - 1)
    assert fall == pytest.approx(bulk_queue.tail_rate(load), rel=0.01)


@given(st.floats(0.01, 0.99), st.floats(0.001, 0.009), st.integers(1, 100))
def test_waits_grow_with_the_load(load: float, more: float, seats: int) -> None:
    waits = trains.full_train_wait([load, load + more], seats, 1.0)
    assert waits.mean_wait[1] >= waits.mean_wait[0] - 1e-9
    assert waits.left_behind[1] >= waits.left_behind[0] - 1e-9
    assert np.all(waits.quantiles[1] >= waits.quantiles[0] - 1e-6)
    assert np.all(np.diff(waits.quantiles, axis=-1) >= 0)


@given(st.floats(0.01, 0.9), st.integers(1, 50), st.floats(1e-4, 10))
def test_waits_scale_with_the_period(load: float, seats: int, period: float) -> None:
    one, scaled = trains.full_train_wait(load, seats, 1.0), trains.full_train_wait(load, seats, period)
    assert scaled.mean_wait == pytest.approx(period * one.mean_wait, rel=1e-12)
    np.testing.assert_allclose(scaled.quantiles, period * one.quantiles, rtol=1e-12)


def test_a_nearly_empty_train_waits_for_the_clock_alone() -> None:
    wait = trains.full_train_wait([0.0, 1e-12, 0.1], 1000, 0.02, levels=(0.25, 0.99))
    np.testing.assert_allclose(wait.mean_wait, 0.01, rtol=1e-9)
    np.testing.assert_allclose(wait.quantiles, [[0.005, 0.0198]] * 3, rtol=1e-9)


def test_overload_is_a_value() -> None:
    wait = trains.full_train_wait([0.5, 1.0, 3.0], 10, 0.02)
    assert wait.stable.tolist() == [True, False, False]
    assert np.isinf(wait.mean_wait).tolist() == [False, True, True]
    assert wait.left_behind.tolist()[1:] == [1.0, 1.0]
    assert wait.quantiles.shape == (3, 3)


def test_the_wait_diverges_towards_full_load() -> None:
    loads = np.array([0.9, 0.99, 0.999])
    queue = trains.mean_queue(loads, 50)
    # Heavy traffic: the queue tends to load / (2 (1 - load)) requests, whatever the seats.
    np.testing.assert_allclose(queue[2], loads[2] / (2 * (1 - loads[2])), rtol=0.01)
    assert np.all(np.diff(queue) > 0)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, math.nan])
def test_levels_are_probabilities(level: float) -> None:
    with pytest.raises(RangeError, match="levels"):
        trains.full_train_wait(0.5, 10, 0.02, levels=(level,))


def test_loads_too_near_to_full_are_named() -> None:
    with pytest.raises(RangeError, match=r"load: 0\.99999 is not accepted: expected a load below 0\.9996"):
        trains.full_train_wait(0.99999, 10, 0.02)


@given(st.floats(1e-4, 1), st.floats(1, 1e5), st.floats(1e-4, 1))
def test_schedule_never_full(period: float, seats: float, ride: float) -> None:
    plan = trains.train_schedule(period, seats, ride)
    assert plan.mean_latency == pytest.approx(plan.mean_wait + ride)
    assert plan.worst_latency == pytest.approx(plan.worst_wait + ride)
    assert plan.tokens_per_second == pytest.approx(trains.tokens_per_second(seats, period))
    assert plan.departures_per_second * period == pytest.approx(1)
