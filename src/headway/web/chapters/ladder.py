"""The ladder: small runs forecast the next rung, with an interval, and a known truth judges the forecast."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from headway.facts.scaling_laws import LOSS_LAWS, loss_law
from headway.physics.lifetime import loss as law_loss
from headway.web.chapter import Answer, Axis, Chapter, Chart, Column, Control, Marker, Number, Series, Table, Values

if TYPE_CHECKING:
    from headway.scaling.ladder import Forecast, Ladder

CONTROLS = (
    Control("law", "Truth: the law of the loss", "epoch-2024-converged", choices=lambda: tuple(LOSS_LAWS)),
    Control("largest", "Largest run so far", 1e22, "flop", low=1e19, high=1e25),
    Control("rung", "Next rung", 1e24, "flop", low=1e20, high=1e28),
    Control("noise", "Scatter of a loss from run to run", 0.003, "fraction", low=1e-4, high=0.05),
    Control("level", "Coverage that the interval claims", 0.9, "fraction", low=0.5, high=0.99, log=False),
    Control("seed", "Seed of the scatter", 0.0, low=0, high=1000, log=False, whole=True),
)
ALONG = 24
FITTED = ("chinchilla", "tied", "compute", "power")


@lru_cache(maxsize=32)
def _climbed(law: str, largest: float, noise: float, level: float, seed: int) -> Ladder:
    from headway.scaling.ladder import climb
    from headway.scaling.planted import planted_runs

    return climb(planted_runs(loss_law(law), noise, seed, largest), level=level, laws=FITTED)


def _line(ladder: Ladder, rungs: tuple[float, ...]) -> Forecast:
    """The chosen law's forecast, at the best size and tokens of each compute."""
    from headway.scaling.ladder import forecasts, places

    return forecasts(ladder, places(ladder, rungs))[0]


def answer(values: Values) -> Answer:
    """Plant a law, fit it from the small runs, and hold the forecast of the next rung against the truth."""
    from headway.scaling.ladder import allocations, forecasts, place

    law, rung, level = loss_law(values["law"]), float(values["rung"]), float(values["level"])
    ladder = _climbed(values["law"], float(values["largest"]), values["noise"], level, int(values["seed"]))
    at = place(ladder, rung)
    every = forecasts(ladder, at)
    value, low, high = (float(v[0]) for v in (every[0].value, every[0].low, every[0].high))
    size, tokens = (float(np.ravel(np.asarray(v))[0]) for v in (at.size, at.tokens))
    truth = float(law_loss(law, size, tokens))
    held = low <= truth <= high
    return Answer(
        (
            Number("loss", "Loss of the next rung", value, "count", "forecast, nats a token"),
            Number("interval", f"{level:.0%} interval", f"{low:.3f} to {high:.3f}", "", "widened by its own misses"),
            Number("truth", "Truth", truth, "count", "the planted law there"),
            Number("held", "Truth inside", "yes" if held else "no", "", "of this interval"),
            Number("law", "Law that forecasts", ladder.chosen, "", ladder.why),
            Number("params", "Size of that rung", size, "count", "parameters, by that law"),
            Number("tokens", "Its tokens", tokens, "tokens", "by that law"),
        ),
        (_chart(ladder, values["law"], rung, (low, value, high)), _widths(ladder, rung)),
        (
            _laws(ladder, every),
            Table(
                "allocation",
                "Size and tokens at this compute, every approach",
                (
                    Column("method", "method"),
                    Column("exponent", "exponent", "count"),
                    Column("size", "size", "count"),
                    Column("tokens", "tokens", "tokens"),
                ),
                tuple((a.method, a.exponent, a.size, a.tokens) for a in allocations(ladder, rung)),
            ),
        ),
        equations=(
            "L(N, D) = E + A N^−a + B D^−b",
            "u² = s² (1 + x' (J' J)^−1 x) + (f + g d)²",
            "C = 6 N D",
        ),
        notes=(
            "36 runs, six sizes by six amounts of tokens, are drawn from the law that is called the truth.",
            "The interval hides the largest runs, forecasts them, and widens by how far it missed; d is the decades of "
            "compute beyond the largest run.",
            "'headway ladder fit RUNS.csv --predict 1e24' does the same with runs of your own.",
        ),
        sources=(law.source.text, "Hoffmann et al., arXiv 2203.15556", "Gadre et al., arXiv 2403.08540"),
    )


def _rungs(ladder: Ladder, rung: float) -> tuple[float, ...]:
    from headway.scaling.intervals import computes

    done = computes(ladder.runs.at)
    return tuple(float(v) for v in np.geomspace(done.min(), max(rung, done.max()), ALONG))


def _chart(ladder: Ladder, law: str, rung: float, ends: tuple[float, float, float]) -> Chart:
    from headway.scaling.intervals import computes

    done = computes(ladder.runs.at)
    rungs = _rungs(ladder, rung)
    found = _line(ladder, rungs)
    at = found.at
    there = np.ravel(law_loss(loss_law(law), np.asarray(at.size), np.asarray(at.tokens)))
    return Chart(
        "loss",
        "Runs, forecast and truth",
        Axis("training compute", "flop", log=True),
        Axis("loss, nats a token"),
        (
            Series("forecast", rungs, tuple(found.value.tolist()), strong=True),
            Series("interval", rungs, tuple(found.low.tolist()), kind="band", top=tuple(found.high.tolist())),
            Series("truth", rungs, tuple(there.tolist())),
            Series("runs", tuple(done.tolist()), tuple(ladder.runs.loss.tolist()), kind="points"),
            Series("next rung", (rung, rung, rung), ends, kind="points", labels=("low end", "forecast", "high end")),
        ),
        (Marker(float(done.max()), "largest run"),),
        about="Lines follow the best size and tokens at each compute; most runs lie above them, because a grid of "
        "runs is not at its optimum.",
    )


def _widths(ladder: Ladder, rung: float) -> Chart:
    from headway.scaling.intervals import computes
    from headway.scaling.ladder import half_width

    rungs = _rungs(ladder, rung)
    return Chart(
        "width",
        "How sure it is",
        Axis("training compute", "flop", log=True),
        Axis("half of the interval over the loss", "fraction"),
        (Series("half width", rungs, tuple(half_width(_line(ladder, rungs)).tolist()), strong=True),),
        (Marker(float(computes(ladder.runs.at).max()), "largest run"), Marker(rung, "next rung")),
        about="Inside the runs the scatter counts; beyond them, the distance.",
    )


def _laws(ladder: Ladder, every: tuple[Forecast, ...]) -> Table:
    return Table(
        "laws",
        "Every law on the same runs, the chosen one first",
        (
            Column("law", "law"),
            Column("value", "forecast", "count"),
            Column("low", "low", "count"),
            Column("high", "high", "count"),
            Column("error", "error of hidden runs", "fraction"),
            Column("form", "form"),
        ),
        tuple(
            (
                f.method,
                float(f.value[0]),
                float(f.low[0]),
                float(f.high[0]),
                ladder.method(f.method).error,
                fit.law.equation if (fit := ladder.method(f.method).fit) else "",
            )
            for f in every
        ),
    )


CHAPTER = Chapter(
    "ladder",
    "The ladder",
    "What will the next, larger run score, and how sure is that?",
    CONTROLS,
    answer,
    order=86,
    part="The next model",
)
