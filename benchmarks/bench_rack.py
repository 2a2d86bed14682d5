"""The rack beneath a market: decisions served one by one and many at once, and the board's town.

    python benchmarks/bench_rack.py

CPU time, best of five; a million decisions one by one should take at most 10 s.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from headway.economy.live import Town, by_width, run_town, town_plan
from headway.economy.rack import RackClock, serve
from headway.economy.rack_load import serve_many
from headway.economy.rack_plan import rack_for
from headway.economy.tokens import buyer_decision

ROUNDS = 5
DECISIONS = 100_000


def best(function: Callable[[int], object]) -> float:
    """Least CPU time of several rounds, each told its number [s]."""
    function(-1)
    times = []
    for number in range(ROUNDS):
        start = time.process_time()
        function(number)
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Print one line per task."""
    rack = rack_for(town_plan("llama-3.1-70b", "hgx-h200"))
    tokens, gap = buyer_decision(3), 1.0 / rack.decisions_per_s
    times = (np.arange(DECISIONS) * gap).tolist()

    def one_by_one(_: int) -> None:
        clock = RackClock()
        for at in times:
            clock, _served = serve(rack, clock, at, tokens)

    single = best(one_by_one) / DECISIONS * 1e6
    many = best(lambda _: serve_many(rack, RackClock(), times, tokens)) / DECISIONS * 1e6
    print(f"serve, one by one   {single:6.2f} s a million decisions")
    print(f"serve_many          {many:6.2f} s a million decisions, {single / many:.1f} times as fast")
    town = Town("llama-3.1-70b", "hgx-h200")
    # A new price of time each round, so that nothing is remembered from the round before.
    moved = best(lambda n: run_town(replace(town, racks=0.05 + 0.001 * (n + 2))))
    widths = best(lambda n: by_width(replace(town, racks=0.15 + 0.001 * (n + 2))))
    print(f"the board's town    {moved:6.3f} s; with its neighbours in width {widths:.3f} s")


if __name__ == "__main__":
    main()
