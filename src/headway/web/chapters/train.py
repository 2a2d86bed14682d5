"""The train: passes leave on the clock, and a request waits for the next one (lecture, chapter 1)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from headway.physics.trains import full_train_wait, train_schedule
from headway.web.chapter import Answer, Axis, Chapter, Chart, Column, Control, Marker, Number, Series, Table, Values

CONTROLS = (
    Control("period", "Time between departures", 0.02, "seconds", low=1e-3, high=1.0),
    Control("seats", "Seats: the batch", 64.0, low=1, high=512, whole=True),
    Control("load", "Load: arrivals over seats", 0.9, "fraction", low=0.05, high=0.98, log=False),
)
LEVELS = (0.5, 0.9, 0.99)
LOADS = tuple(float(v) for v in 1.0 - np.geomspace(0.95, 0.02, 20))


@lru_cache(maxsize=64)
def _along(seats: int) -> tuple[tuple[float, ...], tuple[tuple[float, ...], ...]]:
    """Mean and quantiles along the load, in periods: they do not depend on the clock."""
    along = [full_train_wait(one, seats, 1.0, LEVELS) for one in LOADS]
    levels = np.array([np.ravel(one.quantiles) for one in along])
    return tuple(float(one.mean_wait) for one in along), tuple(tuple(map(float, row)) for row in levels.T)


def answer(values: Values) -> Answer:
    """Give schedule and waits for a seat, from the bulk queue in closed form."""
    period, seats, load = float(values["period"]), int(values["seats"]), float(values["load"])
    schedule = train_schedule(period, seats)
    here = full_train_wait(load, seats, period, LEVELS)
    mean, quantiles = _along(seats)
    return Answer(
        (
            Number("worst_latency_s", "At most", schedule.worst_latency, "seconds", "wait, then ride; never full"),
            Number("mean_latency_s", "On average", schedule.mean_latency, "seconds", "half a period, then the ride"),
            Number("tokens_per_second", "Tokens", schedule.tokens_per_second, "tokens_per_second", "every seat taken"),
            Number("mean_wait_s", "Mean wait for a seat", float(here.mean_wait), "seconds", "at this load"),
            Number("left_behind", "Mean queue", float(here.mean_queue), "count", "left standing by a departure"),
        ),
        (
            Chart(
                "wait",
                "Wait for a seat",
                Axis("load: arrivals over seats", "fraction", low=0.0, high=1.0),
                Axis("wait in periods", "count", log=True),
                (
                    Series("mean", LOADS, mean, strong=True),
                    *(Series(f"{level:.0%}", LOADS, quantiles[i]) for i, level in enumerate(LEVELS)),
                ),
                (Marker(load, "this load"),),
                about="With free seats the wait is half a period; near a full train it grows without bound.",
            ),
        ),
        (
            Table(
                "quantiles",
                "Wait at this load",
                (Column("level", "share of requests", "fraction"), Column("wait_s", "wait at most", "seconds")),
                tuple((level, float(q)) for level, q in zip(LEVELS, np.ravel(here.quantiles), strict=True)),
            ),
        ),
        equations=("latency ≤ T + T,  mean = T/2 + T", "Q' = max(Q + A − s, 0),  A ~ Poisson(load · s)"),
        notes=("Arrivals are Poisson; a train leaves on the clock whether it is full or not.",),
        sources=("Bailey, J. R. Stat. Soc. B 16(1), 1954: the bulk-service queue",),
    )


CHAPTER = Chapter(
    "train",
    "The train",
    "How long does a request wait, and what does a full train do to it?",
    CONTROLS,
    answer,
    order=20,
    part="Serving",
)
