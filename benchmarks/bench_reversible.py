"""Shuffling by key: indices per second, forwards and back, beside numpy's permutation in memory.

Also the peak memory of the shuffle, which does not depend on the size, and, where torch is installed, the time of a
training step by the way activations are kept.
"""

from __future__ import annotations

import tracemalloc

import numpy as np

from _timing import best_of, table
from headway.facts.errors import MissingExtraError
from headway.reversible.permute import permutation

COUNT = 1 << 20
BAR = 5e6


def shuffle() -> None:
    """Time a million indices of a range of a billion."""
    order = permutation(10**9, key=1)
    positions = np.arange(COUNT, dtype=np.uint64)
    items = order(positions)
    if not np.array_equal(order.position(items), positions):
        raise SystemExit("the shuffle does not come back")
    rng = np.random.default_rng(0)
    timings = best_of(
        {
            "numpy, a million in memory": lambda: rng.permutation(COUNT),
            "by key, forwards": lambda: order(positions),
            "by key, back": lambda: order.position(items),
        },
        targets={"by key, forwards": COUNT / BAR, "by key, back": COUNT / BAR},
    )
    print(table(f"{COUNT:,} of 1,000,000,000 items", timings))
    for timing in timings:
        print(f"{timing.name}: {COUNT / timing.best / 1e6:.1f} M indices/s")
    tracemalloc.start()
    for batch in permutation(1 << 40, key=1).batches(4096):
        if batch[0] % 2 == 0:
            break
    print(f"peak memory, 4,096 at a time of 2^40: {tracemalloc.get_traced_memory()[1] / 1024:.0f} KiB\n")
    tracemalloc.stop()


def step() -> None:
    """Time a training step by policy."""
    from headway.reversible.memory import step_time

    try:
        found = step_time()
    except MissingExtraError as error:
        print(f"training step: not timed, {error}")
        return
    for name, ratio in found.ratios:
        print(f"training step, {name}: {ratio:.3f} of stored (closed form of reversible {found.closed_form:.3f})")


def main() -> None:
    """Run both."""
    shuffle()
    step()


if __name__ == "__main__":
    main()
