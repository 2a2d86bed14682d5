"""Requests per second of the simulator, beside a SimPy loop of the same queue where SimPy is installed.

``python benchmarks/bench_simulate.py``; the first run compiles, and keeps what it compiled.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from headway.simulation.fleet import Fleet
from headway.simulation.replay import Replay, replay
from headway.simulation.scheduler import Scheduler
from headway.simulation.step_times import fixed_times
from headway.simulation.trace import Trace, make_trace

try:
    import simpy
except ImportError:
    simpy = None

BLOCK = 64


def traffic(n: int, isl: int, osl: int, *, shared: bool) -> Trace:
    """Saturating traffic; `shared` gives the prompts block ids, half of them one of 1,000 common prefixes."""
    rng = np.random.default_rng(0)
    at = np.cumsum(rng.exponential(2e-4, n))
    lengths = np.full(n, isl), np.full(n, osl)
    if not shared:
        return make_trace("plain", at, *lengths)
    half, blocks = isl // BLOCK // 2, isl // BLOCK
    ids = np.empty((n, blocks), dtype=np.int64)
    ids[:, :half] = rng.integers(0, 1000, n)[:, None] * half + np.arange(half)
    ids[:, half:] = 1000 * half + np.arange(n * (blocks - half)).reshape(n, -1)
    return make_trace(
        "shared", at, *lengths, block_tokens=BLOCK, blocks=ids.ravel(), block_indptr=np.arange(n + 1) * blocks
    )


def timed(trace: Trace, scheduler: Scheduler, fleet: Fleet, runs: int) -> tuple[float, Replay]:
    """Best CPU time of some replays [s]."""
    best, found = np.inf, None
    for _ in range(runs):
        start = time.process_time()
        found = replay(trace, fixed_times(0.004, 1e-7, max_seqs=scheduler.max_seqs), scheduler, fleet)
        best = min(best, time.process_time() - start)
    if found is None:
        raise SystemExit("no run")
    return best, found


def simpy_seconds(n: int, osl: int, seats: int) -> float:
    """CPU time of the same decode loop as SimPy processes: seats as a resource, one event per token [s]."""
    world = simpy.Environment()
    room = simpy.Resource(world, seats)

    def request(world, room):  # type: ignore[no-untyped-def]
        with room.request() as seat:
            yield seat
            for _ in range(osl):
                yield world.timeout(0.004)

    def source(world, room):  # type: ignore[no-untyped-def]
        for _ in range(n):
            yield world.timeout(2e-4)
            world.process(request(world, room))

    world.process(source(world, room))
    start = time.process_time()
    world.run()
    return time.process_time() - start


def main() -> None:
    """Print one line per workload."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=2)
    asked = parser.parse_args()
    n = asked.requests
    timed(traffic(100, 256, 8, shared=True), Scheduler(), Fleet(), 1)
    rules = Scheduler(max_seqs=256, token_budget=8192)
    plain, found = timed(traffic(n, 1024, 256, shared=False), rules, Fleet(), asked.runs)
    print(f"plain loop, 1024/256: {plain:.2f} s, {n / plain:,.0f} requests/s, {found.steps:,} steps")
    loop, _ = timed(traffic(n, 1024, 64, shared=False), rules, Fleet(), asked.runs)
    print(f"plain loop, 1024/64: {loop:.2f} s, {n / loop:,.0f} requests/s")
    full, found = timed(traffic(n, 1024, 256, shared=True), rules, Fleet(blocks=20_000), asked.runs)
    hits = found.hit_tokens.sum() / found.trace.input_tokens.sum()
    print(f"blocks and prefix cache, 1024/256: {full:.2f} s, {n / full:,.0f} requests/s, {hits:.1%} hit")
    if simpy is not None:
        few = 300
        other = simpy_seconds(few, 256, 256)
        print(f"SimPy, decode alone, 1024/256: {few / other:,.0f} requests/s; {other / few * n / plain:,.0f}x slower")
    print(f"memory at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
