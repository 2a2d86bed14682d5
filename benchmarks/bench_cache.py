"""Reuse curves and cache policies: block accesses per second on the open traces.

Run it as ``python benchmarks/bench_cache.py TRACE...`` on traces with block ids. CPU time, best of three; also of the
whole command ``headway cache advise TRACE`` in a process of its own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from _peer_runs import run
from headway.simulation.cache import lru_hit_rate, measure_reuse, ttl_hit_rate
from headway.simulation.policies import policy_hit_tokens
from headway.simulation.read import read_trace

ROUNDS = 3


def best(function: Callable[[], object]) -> float:
    """Least CPU time of several rounds, after one that compiles [s]."""
    function()
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def whole_command(path: str) -> float:
    """Least CPU time of the whole command, the interpreter's start included [s]."""
    start = "import sys; sys.argv[0] = 'headway'; from headway.cli.main import main; sys.exit(main())"
    return min(run([sys.executable, "-c", start, "cache", "advise", str(Path(path).resolve())]).cpu for _ in range(5))


def main(paths: list[str]) -> None:
    """Print one line per trace and task."""
    for path in paths:
        start = time.process_time()
        trace = read_trace(path)
        print(f"{path}: read in {time.process_time() - start:.2f} s")
        accesses = int(trace.run_count.sum())
        seconds = whole_command(path)
        print(f"  {'headway cache advise':24} {seconds:8.3f} s  {accesses / seconds / 1e6:8.1f} M accesses/s")

        def curves() -> None:
            reuse = measure_reuse(trace)  # noqa: B023
            ttl_hit_rate(reuse, np.geomspace(1, 1e5, 100))
            lru_hit_rate(reuse, np.geomspace(1e3, 1e9, 100))

        rows: list[tuple[str, Callable[[], object]]] = [("every life and capacity", curves)]
        rows += [(p, lambda p=p, t=trace: policy_hit_tokens(t, p, 20e6)) for p in ("lfu", "s3-fifo", "belady")]
        for name, task in rows:
            seconds = best(task)
            print(f"  {name:24} {seconds:8.3f} s  {accesses / seconds / 1e6:8.1f} M accesses/s")


if __name__ == "__main__":
    main(sys.argv[1:])
