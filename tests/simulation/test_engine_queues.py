"""Queueing theory as oracle: M/D/1, M/M/1, M/G/1, trains on a clock, Little's law, utilisation."""

from __future__ import annotations

import numpy as np
import pytest

from headway.simulation.outcome import outcome
from headway.simulation.replay import replay
from headway.simulation.scheduler import Scheduler
from headway.simulation.step_times import StepTimes, fixed_times
from headway.simulation.trace import Trace, make_trace

N = 400_000
ONE_SEAT = Scheduler(max_seqs=1, token_budget=40_000)


def poisson(rate: float, tokens: np.ndarray, seed: int = 1) -> Trace:
    rng = np.random.default_rng(seed)
    return make_trace("poisson", np.cumsum(rng.exponential(1 / rate, tokens.size)), tokens, np.ones(tokens.size))


def linear(per_token: float) -> StepTimes:
    return fixed_times(0.0, per_token, max_seqs=1)


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_mean_wait_of_one_server(load: float) -> None:
    """Pollaczek-Khinchine: ``W = load (1 + cv^2) / (2 (1 - load))`` services, for D, M and a two-point service."""
    rng = np.random.default_rng(0)
    services = {
        0.0: np.full(N, 1000),
        1.0: np.maximum(np.round(rng.exponential(1000, N)), 1),
        0.64: np.where(rng.random(N) < 0.5, 200, 1800),
    }
    for cv2, drawn in services.items():
        tokens = np.minimum(drawn, 40_000).astype(int)
        found = outcome(replay(poisson(load, tokens), linear(1e-3), ONE_SEAT))
        theory = load * (1 + cv2) / (2 * (1 - load))
        assert found.queue_s.mean == pytest.approx(theory, rel=0.05)
        assert found.utilisation == pytest.approx(load, rel=0.01)


def test_trains_on_a_clock() -> None:
    """An empty train every 20 ms: 10 ms of mean wait, 20 ms at worst, then its service."""
    trace = poisson(200.0, np.full(50_000, 10), seed=2)
    done = replay(trace, fixed_times(0.015), Scheduler(max_seqs=256, period_s=0.020))
    wait = done.start_s - done.queued_s
    assert wait.mean() == pytest.approx(0.010, rel=0.02)
    assert wait.max() <= 0.020 + 1e-9
    assert (done.last_s - done.queued_s).max() <= 0.035 + 1e-9


@pytest.mark.parametrize("policy", ["chunked", "prefill-first", "static"])
def test_little_and_work_conservation(policy: str) -> None:
    """Requests in the system are rate times latency; an engine with work is never idle; tokens are conserved."""
    rng = np.random.default_rng(3)
    n = 20_000
    trace = make_trace("mixed", np.cumsum(rng.exponential(0.1, n)), rng.integers(1, 900, n), rng.integers(1, 40, n))
    done = replay(trace, fixed_times(0.004, 1e-5, max_seqs=32), Scheduler(policy=policy, max_seqs=32))
    found = outcome(done)
    assert found.mean_in_system == pytest.approx(found.requests_per_second * found.latency_s.mean, rel=0.005)
    assert done.computed_tokens == trace.input_tokens.sum()
    assert done.decoded_tokens == (trace.output_tokens - 1).sum()
    reach = np.maximum.accumulate(done.last_s)
    idle = np.maximum(done.queued_s[1:] - reach[:-1], 0.0).sum()
    assert done.busy_s[0] == pytest.approx(done.end_s - done.queued_s[0] - idle, rel=1e-9)


def test_prefixes_are_hit() -> None:
    blocks = [*range(10)] * 4
    starts = [0, 10, 20, 30, 40]
    shape = [160] * 4, [40] * 4
    trace = make_trace("shared", [0.0, 1.0, 2.0, 3.0], *shape, block_tokens=16, blocks=blocks, block_indptr=starts)
    done = replay(trace, fixed_times(0.01))
    assert done.hit_tokens.tolist() == [0, 159, 159, 159]
    assert outcome(done).hit_rate == pytest.approx(3 * 159 / 640)
