"""Cache tiers: which memory holds a cache until its next use, and from when it is computed again (chapter 6)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from headway.facts.models import model, model_names
from headway.facts.systems import system, system_names
from headway.facts.units import format_quantity
from headway.simulation.holding import Holding, hold_or_compute
from headway.web.chapter import Answer, Axis, Chapter, Chart, Column, Control, Marker, Number, Series, Table, Values
from headway.web.deployments import cache_said

CONTROLS = (
    Control("model", "Model", "deepseek-v3", choices=model_names),
    Control("system", "Computed on", "gb200-nvl72", choices=system_names),
    Control("tokens", "Length of the prefix", 32_768.0, "tokens", low=100, high=1e6, whole=True),
    Control("gap", "Time to its next use", 300.0, "seconds", low=1e-3, high=1e8),
    Control("rent", "Rent of a chip", 2.0, "dollars_per_gpu_hour", low=0.2, high=20),
    Control("efficiency", "Share of the peak that computing reaches", 0.5, "fraction", low=0.05, high=1.0, log=False),
)
GAPS = tuple(float(v) for v in np.geomspace(1e-3, 1e8, 100))
SHORT = "compute again"


@lru_cache(maxsize=64)
def _along(name: str, where: str, tokens: int, rent: float, efficiency: float) -> Holding:
    return hold_or_compute(model(name), system(where), tokens, GAPS, efficiency=efficiency, usd_per_chip_hour=rent)


def _said(name: str) -> str:
    return SHORT if name == "recompute" else name


def _time(seconds: float) -> str:
    return "no end" if seconds == float("inf") else format_quantity(seconds, "seconds", 3)


def answer(values: Values) -> Answer:
    """Give the cost of every place along the time to the next use, and where the cheapest one changes."""
    what, box, tokens = values["model"], values["system"], int(values["tokens"])
    gap, rent, share = float(values["gap"]), float(values["rent"]), float(values["efficiency"])
    along = _along(what, box, tokens, rent, share)
    here = hold_or_compute(model(what), system(box), tokens, gap, efficiency=share, usd_per_chip_hour=rent)
    best = here.choice.best_names()[0]
    names = [_said(name) for name in along.choice.names]
    place = next(p for p in here.places if p.name == best)
    again = here.places[-1]
    usd = np.ravel(here.choice.usd)
    lines = tuple(
        Series(name, GAPS, tuple(float(v) for v in column), strong=name == SHORT)
        for name, column in zip(names, np.transpose(along.choice.usd), strict=True)
    )
    return Answer(
        (
            Number("best", "Cheapest place", _said(best), "", "until the next use"),
            Number("usd", "It costs", float(usd.min()), "dollars", "rent, then one read"),
            Number("ready_s", "Ready in", place.ready_s, "seconds", "from one device"),
            Number("size_bytes", "The cache", here.size_bytes, "bytes", "of this prefix"),
            Number("again_usd", "Computing again", again.usd_per_use, "dollars", "each time"),
            Number("again_s", "It takes", again.ready_s, "seconds", "on one chip"),
            Number("hbm_s", "In HBM, pays for", here.places[0].pays_until_s, "seconds", "at most"),
        ),
        (
            Chart(
                "cost",
                "Cost until the next use",
                Axis("time to the next use", "seconds", log=True, low=1e-3, high=1e8),
                Axis("dollars a use", "dollars", log=True),
                lines,
                (Marker(gap, "this gap"),),
                about="A fast memory is cheap to read and dear to hold; a slow one the other way round. "
                "The lowest line is where the cache should be.",
            ),
        ),
        (_spans(here), _places(here)),
        equations=(
            "cost = u S (T / capacity + 1 / BW)",
            "compute again = u 2 N_active L / (e F)",
            "drain time = capacity / BW",
        ),
        notes=(
            *cache_said(model(what)),
            "Devices are bought and written off over five years, without power, servers or margin; a chip is rented.",
            "The rent of a chip is charged to its memory where it holds and to its compute where it computes; "
            "attention to the prefix is left out of computing again.",
            "A prefix that is read from disk may be slower than computing it: see the time in the table. "
            "'headway cache advise TRACE' sizes a cache for a trace of your own.",
        ),
        sources=tuple(s.text for s in here.sources),
    )


def _spans(found: Holding) -> Table:
    return Table(
        "spans",
        "Which place holds it for how long",
        (Column("place", "place"), Column("start", "from"), Column("end", "until"), Column("drain", "drain time")),
        tuple(
            (
                _said(span.name),
                _time(span.start),
                _time(span.end),
                next(_time(p.drain_s) if p.drain_s else "–" for p in found.places if p.name == span.name),
            )
            for span in found.spans
        ),
    )


def _places(found: Holding) -> Table:
    return Table(
        "places",
        "Every place",
        (
            Column("place", "place"),
            Column("usd_per_hour", "rent an hour", "dollars"),
            Column("usd_per_use", "a use", "dollars"),
            Column("ready_s", "ready in", "seconds"),
            Column("pays_until", "beats computing"),
        ),
        tuple(
            (_said(p.name), p.usd_per_hour, p.usd_per_use, p.ready_s, _until(p.name, p.pays_until_s))
            for p in found.places
        ),
    )


def _until(name: str, seconds: float) -> str:
    if name == "recompute":
        return "–"
    return f"up to {_time(seconds)}" if seconds else "never"


CHAPTER = Chapter(
    "tiers",
    "Cache tiers",
    "Which memory should hold a cache until its next use, and when is computing it again cheaper?",
    CONTROLS,
    answer,
    order=64,
    part="Memory",
)
