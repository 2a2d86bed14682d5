"""Prices: what a cache price says about time, reuses and bytes (lecture, chapter 6)."""

from __future__ import annotations

import numpy as np

from headway.facts.systems import system, system_names
from headway.physics.cache_prices import cache_premium, expected_hold_time, expected_reuses, implied_bytes_per_token
from headway.web.chapter import Answer, Axis, Chapter, Chart, Control, Marker, Number, Series, Values

CONTROLS = (
    Control("input", "Price of plain input", 5.0, "dollars_per_mtok", low=0.05, high=100),
    Control("write", "Writing the cache, over plain input", 1.25, low=1.0, high=5.0, log=False),
    Control("read", "Reading it, over plain input", 0.1, "fraction", low=0.0, high=0.95, log=False),
    Control("life", "Life of an entry", 300.0, "seconds", low=30, high=86_400),
    Control("gap", "Mean gap between uses", 300.0, "seconds", low=10, high=86_400),
    Control("system", "Held in the memory of", "gb200-nvl72", choices=system_names),
    Control("rent", "Rent of a chip", 2.0, "dollars_per_gpu_hour", low=0.2, high=20),
)
GAPS = tuple(float(v) for v in np.geomspace(10, 86_400, 60))
LIVES = tuple(float(v) for v in np.geomspace(30, 86_400, 40))
MOST = 1e6


def answer(values: Values) -> Answer:
    """Give premium, break-even and the bytes that the premium would pay for."""
    life, base = values["life"], values["input"]
    found = cache_premium(values["write"], values["read"], base, life)
    hourly = float(found.usd_per_mtok_hour)
    chip = system(values["system"]).chip
    held = float(implied_bytes_per_token(hourly, 3600.0, values["rent"], chip.hbm_bytes))
    reuses = np.ravel(expected_reuses(life, GAPS))
    shown = tuple(float(v) if v < MOST else float("nan") for v in reuses)
    again = float(expected_reuses(life, values["gap"]))
    premiums = cache_premium(values["write"], values["read"], base, LIVES).usd_per_mtok_hour
    even = float(found.break_even_reuses)
    return Answer(
        (
            Number("break_even_reuses", "Break-even", even, "count", "reuses within its life"),
            Number(
                "expected_reuses",
                "Expected reuses",
                again,
                "count",
                "each renews it",
            ),
            Number("usd_per_mtok_hour", "Premium", hourly, "dollars_per_mtok_hour"),
            Number("bytes_per_token", "It would pay for", held, "bytes", "a token in that memory"),
            Number("hold_time_s", "Held for", float(expected_hold_time(life, values["gap"])), "seconds", "on average"),
        ),
        (
            Chart(
                "reuses",
                "Expected reuses of an entry",
                Axis("mean gap between uses [s]", "seconds", log=True, low=10, high=86_400),
                Axis("reuses", "count", log=True),
                (
                    Series("expected", GAPS, shown, strong=True),
                    Series("break-even", GAPS, tuple(even for _ in GAPS)),
                ),
                (Marker(float(values["gap"]), "this gap"), Marker(float(life), "life")),
                about="Uses come at random; each one starts the life of the entry anew.",
            ),
            Chart(
                "premium",
                "What the premium is per hour",
                Axis("life of an entry", "seconds", log=True, low=30, high=86_400),
                Axis("$/Mtok-h", "dollars_per_mtok_hour", log=True),
                (
                    Series(
                        "premium",
                        LIVES,
                        tuple(np.ravel(premiums)),
                        strong=True,
                    ),
                ),
                (Marker(float(life), "life"),),
            ),
        ),
        equations=(
            "break-even = (write − 1) / (1 − read)",
            "expected reuses = exp(life / gap) − 1",
            "bytes = premium / rent of a byte",
        ),
        notes=(
            "Were the premium the rent of a chip's memory and nothing else: claims C60, C61 say what it leaves open.",
        ),
        sources=tuple(s.text for s in chip.sources),
    )


CHAPTER = Chapter(
    "prices",
    "Prices of a cache",
    "When does a cached prompt pay, and what does its price say about the memory behind it?",
    CONTROLS,
    answer,
    order=68,
    part="Prices",
)
