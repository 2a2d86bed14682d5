"""Pipeline schedules in training: idle time against the micro-batches held in memory."""

from __future__ import annotations

import numpy as np

from headway.facts.errors import RangeError
from headway.training.schedules import SCHEDULES, ScheduleCost, schedule_cost
from headway.web.chapter import Answer, Axis, Chapter, Chart, Column, Control, Marker, Number, Series, Table, Values

CONTROLS = (
    Control("schedule", "Schedule", "1f1b", choices=lambda: tuple(SCHEDULES)),
    Control("stages", "Stages", 8.0, low=2, high=64, whole=True),
    Control("microbatches", "Micro-batches in a step", 32.0, low=1, high=512, whole=True),
    Control("chunks", "Chunks of a stage", 4.0, low=1, high=16, whole=True, about="Of the interleaved schedule alone."),
)
MOST = 512


def _cost(name: str, stages: int, microbatches: int | tuple[int, ...], chunks: int) -> ScheduleCost | None:
    """The cost, or nothing where the schedule cannot run so many micro-batches."""
    try:
        return schedule_cost(name, stages, microbatches, chunks=chunks if name == "interleaved" else 1)
    except RangeError:
        return None


def _along(name: str, stages: int, chunks: int) -> tuple[tuple[int, ...], ScheduleCost] | None:
    """Micro-batches that fill the stages evenly, and their cost; DualPipe needs two for each stage."""
    for first in (stages, 2 * stages):
        micro = tuple(range(first, MOST + 1, stages))
        found = _cost(name, stages, micro, chunks)
        if found is not None:
            return micro, found
    return None


def answer(values: Values) -> Answer:
    """Give bubble and memory of every schedule, along the micro-batches of a step."""
    chosen, stages = values["schedule"], int(values["stages"])
    micro, chunks = int(values["microbatches"]), int(values["chunks"])
    here = schedule_cost(chosen, stages, micro, chunks=chunks if chosen == "interleaved" else 1)
    curves = {n: found for n in SCHEDULES if (found := _along(n, stages, chunks))}
    now = {name: _cost(name, stages, micro, chunks) for name in SCHEDULES}
    x = Axis("micro-batches in a step", "count", log=True)
    mark = (Marker(micro, "this step"),)
    drawn = {
        kind: tuple(
            Series(n, at, tuple(np.ravel(getattr(cost, kind))), strong=n == chosen) for n, (at, cost) in curves.items()
        )
        for kind in ("bubble", "in_flight")
    }
    return Answer(
        (
            Number("bubble", "Bubble", float(here.bubble), "fraction", "share of a step that a stage waits"),
            Number("in_flight", "Held in memory", float(here.in_flight), "count", "micro-batches, the fullest stage"),
            Number("weight_copies", "Copies of the weights", float(here.weight_copies), "count", "on one device"),
            Number("hops", "Hops", float(here.hops), "count", "sent by the busiest stage in a step"),
        ),
        (
            Chart(
                "bubble",
                "Idle share of a training step",
                x,
                Axis("bubble", "fraction"),
                drawn["bubble"],
                mark,
                about="More micro-batches shrink the bubble of every schedule; what differs is how fast.",
            ),
            Chart(
                "memory",
                "Micro-batches in flight",
                x,
                Axis("micro-batches held", "count", log=True),
                drawn["in_flight"],
                mark,
                about="GPipe holds the whole step; the others about one micro-batch for each stage.",
            ),
        ),
        (
            Table(
                "schedules",
                "Every schedule at these values",
                (
                    Column("schedule", "schedule"),
                    Column("bubble", "bubble", "fraction"),
                    Column("in_flight", "held", "count"),
                    Column("weight_copies", "copies of weights", "count"),
                    Column("how", "how it runs"),
                ),
                tuple(
                    (
                        name,
                        None if cost is None else float(cost.bubble),
                        None if cost is None else float(cost.in_flight),
                        None if cost is None else float(cost.weight_copies),
                        SCHEDULES[name],
                    )
                    for name, cost in now.items()
                ),
            ),
        ),
        equations=(
            "bubble = idle / (M (f + b + w) + idle)",
            "1F1B: idle = (P − 1)(f + b + w),  interleaved: over V,  zero-bubble: (P − 1)(b + max(f − w, 0))",
        ),
        notes=(
            "Forward, backward to inputs and backward to weights take a third each; hops take no time.",
            "A row without figures: the schedule cannot run so many micro-batches on these stages.",
        ),
        sources=(SCHEDULES[chosen],),
    )


CHAPTER = Chapter(
    "schedules",
    "Schedules",
    "How much of a training step is idle, and what does it cost in memory to idle less?",
    CONTROLS,
    answer,
    order=52,
    part="The rack",
)
