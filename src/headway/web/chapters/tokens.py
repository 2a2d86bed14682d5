"""Token efficiency: score against thinking tokens against dollars, and where a length penalty stops."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from headway.web.chapter import Answer, Axis, Chapter, Chart, Column, Control, Marker, Number, Series, Table, Values

if TYPE_CHECKING:
    from headway.physics.arrays import Floats
    from headway.scaling.saturating import Saturation

CONTROLS = (
    Control("start", "Score without thinking", 0.2, "fraction", low=0.0, high=0.6, log=False),
    Control("top", "Score with all the tokens there are", 0.65, "fraction", low=0.2, high=1.0, log=False),
    Control("middle", "Half of the way is reached at", 3000.0, "tokens", low=100, high=1e5),
    Control("steepness", "Steepness", 1.2, low=0.5, high=4.0),
    Control("reach", "Measured up to, in times that", 10.0, low=0.5, high=100.0),
    Control("price", "Price of output", 6.0, "dollars_per_mtok", low=0.05, high=100),
    Control("penalty", "Score given up for a million tokens", 8.0, low=0.01, high=300.0),
    Control("seed", "Seed of the scatter", 0.0, low=0, high=1000, log=False, whole=True),
)
NOISE = 0.01
PENALTIES = tuple(float(v) for v in np.geomspace(0.01, 300.0, 60))


@lru_cache(maxsize=64)
def _fitted(
    start: float, top: float, middle: float, steepness: float, reach: float, seed: int
) -> tuple[Floats, Floats, Saturation]:
    from headway.scaling.planted import planted_saturation
    from headway.scaling.saturating import fit_saturation

    at, score, _ = planted_saturation(start, top, middle, steepness, reach=reach, noise=NOISE, seed=seed)
    return at, score, fit_saturation(at, score)


@lru_cache(maxsize=64)
def _shortened(start: float, top: float, middle: float, steepness: float, reach: float, seed: int) -> tuple[float, ...]:
    from headway.scaling.efficiency import penalised_length
    from headway.scaling.tables import per_token

    curve = _fitted(start, top, middle, steepness, reach, seed)[2]
    tokens, score = penalised_length(curve, [per_token(p) for p in PENALTIES])
    return tuple(np.where(np.isnan(_scores(score)), np.nan, tokens).tolist())


def _scores(fitted: Floats) -> Floats:
    """Fitted scores with a gap where the curve leaves 0 to 1: it is drawn on beyond data that do not hold it."""
    return np.where((fitted >= 0.0) & (fitted <= 1.0), fitted, np.nan)


def answer(values: Values) -> Answer:
    """Measure a saturating score, fit it, and say which length is worth its tokens."""
    from headway.scaling.efficiency import penalised_length, spent
    from headway.scaling.tables import per_token

    names = ("start", "top", "middle", "steepness", "reach")
    given = (*(float(values[name]) for name in names), int(values["seed"]))
    at, score, curve = _fitted(*given)
    price = float(values["price"])
    chosen, kept = (float(v[0]) for v in penalised_length(curve, per_token(values["penalty"])))
    held = 0.0 <= kept <= 1.0
    grid = np.geomspace(at[0], 10.0 * at[-1], 80)
    value, low, high = curve.predict(grid)
    x, xs = Axis("thinking tokens of a task", "tokens", log=True), tuple(grid.tolist())
    mark = (Marker(chosen, "with the penalty"),) if held else ()
    tokens = _shortened(*given)
    lengths = np.unique([chosen, *at[9::10]] if held else at[9::10])
    columns = (lengths, *curve.predict(lengths))
    cost = spent(np.clip(columns[1], 1e-6, 1.0), lengths, price)
    known = curve.asymptote is not None
    dollars = spent(np.clip(value, 1e-6, 1.0), grid, price).usd_per_solved
    dollars = np.where(np.isnan(_scores(value)), np.nan, dollars)
    return Answer(
        (
            *_worth(chosen, kept, price, held),
            Number(
                "asymptote",
                "Score in the limit",
                curve.asymptote if known else "not identified",
                "fraction" if known else "",
                "" if known else curve.reason,
            ),
            Number("reach", "Measured to", curve.reach, "count", "times the fitted midpoint"),
        ),
        (
            Chart(
                "score",
                "Score against thinking tokens",
                x,
                Axis("score", "fraction"),
                (
                    Series("fit", xs, tuple(_scores(value).tolist()), strong=True),
                    Series(
                        "interval",
                        xs,
                        tuple(np.clip(low, 0.0, 1.0).tolist()),
                        kind="band",
                        top=tuple(np.clip(high, 0.0, 1.0).tolist()),
                    ),
                    Series("measured", tuple(at.tolist()), tuple(score.tolist()), kind="points"),
                ),
                mark,
                about="Before the data reach about twice the midpoint the limit is not identified, and none is given.",
            ),
            Chart(
                "dollars",
                "Dollars for a task that is solved",
                x,
                Axis("dollars a solved task", "dollars", log=True),
                (Series("dollars", xs, tuple(dollars.tolist()), strong=True),),
                mark,
                about="Past the knee the score stands still and only the bill goes on.",
            ),
            *_by_penalty(tokens, float(values["penalty"])),
        ),
        (
            Table(
                "lengths",
                "Lengths side by side",
                (
                    Column("tokens", "tokens", "tokens"),
                    Column("score", "score", "fraction"),
                    Column("low", "low", "fraction"),
                    Column("high", "high", "fraction"),
                    Column("usd", "a task", "dollars"),
                    Column("solved", "a solved task", "dollars"),
                    Column("ock", "OckScore", "count"),
                ),
                tuple(zip(*(c.tolist() for c in (*columns, cost.usd, cost.usd_per_solved, cost.ock)), strict=True)),
            ),
        ),
        equations=(
            "R = R_0 + (A − R_0) / (1 + (M / T)^B)",
            "length: R(T) − p T is greatest",
            "OckScore = 100 R − 10 ln(T / 10000 + 1)",
        ),
        notes=(
            *(
                ()
                if held
                else ("Not identified: the data do not hold where the curve ends, and its fit goes beyond 0 to 100%.",)
            ),
            f"40 measurements with a scatter of {NOISE:.0%} are drawn from the curve of the controls, then fitted.",
            "'headway ladder rl' and 'headway ladder tokens' read measurements of your own.",
        ),
        sources=(
            "Khatri et al., arXiv 2510.13786 (ScaleRL), equation 1",
            "OckBench, arXiv 2511.05722",
            "Kimi k1.5, arXiv 2501.12599: reward less a length term",
        ),
    )


def _by_penalty(tokens: tuple[float, ...], here: float) -> tuple[Chart, ...]:
    """Tokens along the penalty, where the fit gives any."""
    if np.isnan(tokens).all():
        return ()
    return (
        Chart(
            "penalty",
            "What a length penalty does",
            Axis("score given up for a million tokens", "count", log=True),
            Axis("tokens", "tokens", log=True),
            (Series("tokens a task", PENALTIES, tokens, strong=True),),
            (Marker(here, "this one"),),
            about="The curve is held fixed: this is what shortening alone does, before the policy learns to think "
            "more densely.",
        ),
    )


def _worth(chosen: float, kept: float, price: float, held: bool) -> tuple[Number, ...]:
    """What the best length comes to; nothing where the fitted score there is none."""
    from headway.scaling.efficiency import spent

    if not held:
        names = {"tokens": "Tokens worth thinking", "score": "Score there", "usd": "Dollars a solved task"}
        names["ock"] = "OckScore"
        return tuple(Number(key, label, "not identified", "", "the notes say why") for key, label in names.items())
    there = spent(kept, chosen, price)
    return (
        Number("tokens", "Tokens worth thinking", chosen, "tokens", "where one more gains less than it costs"),
        Number("score", "Score there", kept, "fraction", "by the fitted curve"),
        Number("usd", "Dollars a solved task", float(there.usd_per_solved), "dollars", "there"),
        Number("ock", "OckScore", float(there.ock), "count", "points, less a charge for tokens"),
    )


CHAPTER = Chapter(
    "tokens",
    "Token efficiency",
    "How many tokens is a task worth, and what does a solved one cost?",
    CONTROLS,
    answer,
    order=90,
    part="The next model",
)
