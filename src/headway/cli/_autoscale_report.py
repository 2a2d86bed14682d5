"""Replicas over a day, as ``headway simulate --autoscale`` shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway.cli._chart import Axis, Series, XYChart
from headway.cli._report import Column, Quantity, Report, Table

if TYPE_CHECKING:
    from headway.simulation.autoscale import Day


def autoscale_report(title: str, day: Day, usd_per_chip_hour: float) -> Report:
    """What each window needs, and three ways to pay."""
    at = [w.start_s for w in day.windows]
    lines = (Series("replicas that hold the limits", at, [float(w.replicas) for w in day.windows]),)
    chart = XYChart("Replicas over time", Axis("time", "seconds"), Axis("replicas", "count"), lines)
    share = None, day.foresight_within, day.behind_within
    ways = ("the peak all day", "what each window needs", "what the window before needed")
    columns = (
        Column("way", "replicas", align="left"),
        Column("replica_hours", "replica-hours"),
        Column("usd", "rent", "dollars"),
        Column("within", "within\nlimits", "fraction"),
    )
    hours = (day.peak_hours, day.foresight_hours, day.behind_hours)
    rows = tuple(
        (way, float(f"{hour:.4g}"), usd, part)
        for way, hour, usd, part in zip(ways, hours, day.rents(usd_per_chip_hour), share, strict=True)
    )
    windows = Table(
        "windows",
        (
            *(Column(k, k) for k in ("start_s", "requests", "replicas", "holds")),
            *(Column(k, k, "fraction") for k in ("within", "behind")),
        ),
        tuple((w.start_s, w.requests, w.replicas, w.holds, w.within, w.behind) for w in day.windows),
    )
    failed = [w for w in day.windows if not w.holds]
    notes: tuple[str, ...] = (
        "each window begins with the queue of the one before; replicas that go serve what they have",
    )
    if failed:
        notes += (f"{len(failed)} windows do not hold the limits on any number of replicas tried",)
    if not day.complete:
        notes += ("interrupted: the windows that were done",)
    return Report(
        title,
        (chart, Table("ways", columns, rows, "Three ways to pay")),
        notes=notes,
        document={"title": title, "day": day, "saved": Quantity(day.saved, "fraction").value},
        data=windows,
        exit_code=1 if failed or not day.complete else 0,
    )
