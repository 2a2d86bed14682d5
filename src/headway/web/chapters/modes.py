"""Fast and slow modes: what an advertised pair of multiples implies (lecture, chapter 1)."""

from __future__ import annotations

import math

import numpy as np

from headway.physics.modes import fast_mode, mode_menu
from headway.web.chapter import Answer, Axis, Chapter, Chart, Control, Marker, Number, Series, Values

CONTROLS = (
    Control("price", "Price of the fast mode", 6.0, low=1.05, high=20, about="a multiple of the standard price"),
    Control("speed", "Speed of the fast mode", 2.5, low=1.05, high=20, about="a multiple of the standard speed"),
)
RATIOS = tuple(float(v) for v in np.geomspace(0.05, 100, 90))


def answer(values: Values) -> Answer:
    """Invert the pair, and draw the menu that it belongs to."""
    found = fast_mode(values["price"], values["speed"])
    if not found.feasible:
        return Answer((Number("batch_ratio", "Batch", "no batch does this", ""),), notes=(found.reason,))
    menu = mode_menu(found.kv_over_weight, RATIOS)
    speeds, prices = (tuple(np.ravel(v)) for v in (menu.speed_multiple, menu.price_multiple))
    x = Axis("standard batch over the mode's batch", "count", log=True, low=0.05, high=100)
    at = float(found.batch_ratio)
    here = (Marker(1.0, "standard"), *((Marker(at, "the fast mode"),) if at <= 100 else ()))
    return Answer(
        (
            Number("batch_ratio", "Batch is smaller by", at, "count", "times"),
            Number("weight_share", "Weights", float(found.weight_share), "fraction", "of the standard pass"),
            Number("max_speed", "Fastest possible", float(found.max_speed), "count", "times the standard speed"),
            Number("slow_saving", "A slow mode saves", float(found.slow_saving), "fraction", "at most"),
            Number(
                "kv_over_weight", "Cache over weights", float(found.kv_over_weight), "count", "in the standard pass"
            ),
        ),
        (
            Chart(
                "menu",
                "Speed and price against batch",
                x,
                Axis("multiple of the standard mode", "count", log=True),
                (
                    Series("speed", RATIOS, speeds, strong=True),
                    Series("price", RATIOS, prices),
                ),
                here,
                about="Speed is bounded by the time to read the weights, price is not.",
            ),
            Chart(
                "trade",
                "What speed costs",
                Axis("speed multiple", "count"),
                Axis("price multiple", "count", log=True),
                (Series("menu", speeds, prices, strong=True),),
                (Marker(float(values["speed"]), "advertised"), Marker(float(found.max_speed), "limit")),
            ),
        ),
        equations=("speed = (1 + r) / (1 + r/f),  price = f / speed", "f = p s,  r = (s − 1) / (1 − 1/p)"),
        notes=("Price follows cost: a provider's margin is the same in both modes.",)
        + (() if math.isfinite(at) else ("The pair needs a batch of zero.",)),
        sources=("Pope (2026), chapter 1; closed form derived (claims C15, C17)",),
    )


CHAPTER = Chapter(
    "modes",
    "Fast and slow modes",
    "What does a provider's fast mode say about its batch?",
    CONTROLS,
    answer,
    order=30,
    part="Serving",
)
