"""Time the decode loop of a queue as SimPy processes, in SimPy's own interpreter: seats, one event per token."""

from __future__ import annotations

import random
import time
from typing import Any

import simpy
from _exchange import serve


def requests(about: dict[str, Any]) -> Any:
    """Requests per processor second; prompts and the batch's effect on a step are left out, in SimPy's favour."""
    world = simpy.Environment()
    room = simpy.Resource(world, about["seats"])
    spent: list[float] = []

    def request() -> Any:
        with room.request() as seat:
            yield seat
            start = world.now
            for _ in range(about["osl"] - 1):
                yield world.timeout(about["step_s"])
            spent.append((world.now - start) / (about["osl"] - 1))

    def source() -> Any:
        chance = random.Random(0)
        for _ in range(about["count"]):
            yield world.timeout(chance.expovariate(about["rate"]))
            world.process(request())

    world.process(source())
    start = time.process_time()
    world.run()
    taken = time.process_time() - start
    return {"rate": len(spent) / taken, "tpot_s": sum(spent) / len(spent)}


if __name__ == "__main__":
    serve({"requests": requests})
