"""Why a search finds nothing: the memory that is short, the limit that is missed and by how much."""

from __future__ import annotations

import numpy as np

from headway.physics.memory import MemoryUse, largest_batch, memory_use
from headway.serving.candidates import layouts
from headway.serving.deployments import CHUNKS, Serving


def no_room(s: Serving) -> str:
    """Which memory is short on the layout that comes nearest, or that prefill leaves no time.

    >>> from headway.facts.efficiency import efficiency_of
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> from headway.serving.workload import Workload
    >>> big, box = model("deepseek-v3"), system("hgx-h100")
    >>> print(no_room(Serving(big, box, Workload(1000, 200), big.precision, efficiency_of(box), 8))[:39])
    does not fit on 8 chips of hgx-h100: we
    """
    every = layouts(s.model, s.system, s.chips)
    use = memory_use(
        s.model, s.system, every, every.dp, s.workload.mean_context, new_tokens=CHUNKS[-1], precision=s.precision
    )
    best = int(np.argmin(use.total))
    fields = ("weights", "kv", "activations", "reserve", "capacity")
    one = MemoryUse(*(float(np.ravel(np.broadcast_to(getattr(use, f), np.shape(use.total)))[best]) for f in fields))
    room = largest_batch(
        s.model, s.system, every, s.workload.mean_context, new_tokens=CHUNKS[-1], precision=s.precision
    )
    if np.any(np.asarray(room) >= 1):
        return "no deployment keeps up with its own prefill: every chunk size leaves too little time for decode"
    missing = float(one.excess) / float(one.capacity)
    return (
        f"does not fit on {s.chips} chips of {s.system.name}: {one.reason()} on {every.at(best).label()}, "
        f"{missing:.0%} over"
    )


def broken(name: str, seconds: float, limit: float) -> str:
    """By how much a limit is missed, in words; empty where it is kept.

    >>> broken("TTFT", 1.5, 1.0), broken("TTFT", 0.5, 1.0)
    ('TTFT at best 1500 ms, 50% over the limit of 1000 ms', '')
    """
    if seconds <= limit:
        return ""
    return f"{name} at best {seconds * 1e3:.4g} ms, {seconds / limit - 1.0:.0%} over the limit of {limit * 1e3:.4g} ms"
