"""Time whole markets: the published sizes, and one simulated day of 100,000 consumers and 10,000 businesses.

python benchmarks/bench_market.py            the small markets, best of five
python benchmarks/bench_market.py --day      the day, once; prints time, memory and the log's hash
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import replace

from headway.economy.buyers import BUYERS
from headway.economy.generated import generate_population
from headway.economy.rules import Rules
from headway.economy.simulate import Policies, simulate

RUNS = 5


def small() -> None:
    """CPU time of the whole loop, setup and signatures included, for markets of the published sizes."""
    for consumers, businesses in ((10, 30), (33, 99)):
        market = generate_population(consumers, businesses, seed=1, day_us=0)
        spent = []
        for _ in range(RUNS):
            start = time.process_time()
            found = simulate(market)
            spent.append(time.process_time() - start)
        print(f"{consumers} x {businesses}: {min(spent):.3f} s, {found.entries} entries of the log")


def day() -> None:
    """One simulated day; the same hash is expected of every run."""
    market = generate_population(100_000, 10_000, seed=1)
    policies = Policies(replace(BUYERS["optimal"], contacts=3))
    start, cpu = time.perf_counter(), time.process_time()
    found = simulate(
        market,
        Rules("batched", width=10, group_s=1.0),
        policies,
        progress=lambda done, every, now: print(f"\r{done:,} of {every:,}", end="", file=sys.stderr),
    )
    print(
        f"{found.settled:,} deals settled, {found.entries:,} entries: {time.perf_counter() - start:.0f} s, "
        f"{time.process_time() - cpu:.0f} s of CPU, "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB, hash {found.log_hash}"
    )


if __name__ == "__main__":
    day() if "--day" in sys.argv[1:] else small()
