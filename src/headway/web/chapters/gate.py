"""The release gate: what the evaluations allow, and whether the next rung is likely to trip a threshold."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from headway.scaling.gate import MODES, RESIDUALS, TIERS, release_decision
from headway.scaling.policy import (
    FRONTIER_FLOP,
    Evaluation,
    Policy,
    Ruling,
    Threshold,
    forecast_trips,
    rule,
    safe_rung,
)
from headway.web.chapter import Answer, Axis, Chapter, Chart, Column, Control, Marker, Number, Series, Table, Values

if TYPE_CHECKING:
    from headway.scaling.policy import TripForecast
    from headway.scaling.tasks import Task, TaskForecast

DOMAIN, EVALUATION = "cyber", "evaluation"
CONTROLS = (
    Control("limit", "Threshold before safeguards", 0.7, "fraction", low=0.3, high=0.99, log=False),
    Control("before", "Measured score, before safeguards", 0.68, "fraction", low=0.0, high=1.0, log=False),
    Control("error", "Standard error of a score", 0.03, "fraction", low=0.001, high=0.2),
    Control("remains", "Threshold after safeguards", 0.2, "fraction", low=0.01, high=0.9, log=False),
    Control("after", "Measured score, after safeguards", 0.08, "fraction", low=0.0, high=1.0, log=False),
    Control("derived", "Score of a smaller derived model", 0.45, "fraction", low=0.0, high=1.0, log=False),
    Control("largest", "Largest run so far", 1e22, "flop", low=1e20, high=1e25),
    Control("rung", "Next rung", 1e24, "flop", low=1e20, high=1e27),
    Control("probability", "Most chance of a trip", 0.1, "fraction", low=0.01, high=0.5),
)
LEVEL = 0.9
RUNGS = tuple(float(v) for v in np.geomspace(1e20, 1e27, 29))
SAID = (
    ("closed", "own products"),
    ("api", "API"),
    ("open-weights", "open weights"),
    ("derived", "derived model, open"),
)


@lru_cache(maxsize=32)
def _task(largest: float) -> Task:
    from headway.facts.scaling_laws import loss_law
    from headway.scaling.planted import planted_runs, planted_scores
    from headway.scaling.tasks import fit_task

    runs = planted_runs(loss_law("epoch-2024-converged"), largest=largest)
    return fit_task(runs, planted_scores(runs), level=LEVEL, method="tied")


def _forecast(largest: float, rungs: tuple[float, ...]) -> TaskForecast:
    from headway.scaling.ladder import places
    from headway.scaling.tasks import forecast_task

    task = _task(largest)
    return forecast_task(task, places(task.ladder, rungs))


def _trips(policy: Policy, rungs: tuple[float, ...], found: TaskForecast) -> tuple[TripForecast, ...]:
    columns = (rungs, *(v.tolist() for v in (found.value, found.low, found.high)))
    rows = [dict(zip(("at", "value", "low", "high"), row, strict=True)) for row in zip(*columns, strict=True)]
    return forecast_trips(policy, {"target": EVALUATION, "level": LEVEL, "predictions": rows})


def answer(values: Values) -> Answer:
    """Rule on every mode of release by the evaluations, and forecast when a rung would trip."""
    policy = Policy(
        "the controls",
        (
            Threshold(DOMAIN, EVALUATION, "before", float(values["limit"])),
            Threshold(DOMAIN, EVALUATION, "after", float(values["remains"])),
        ),
        LEVEL,
        FRONTIER_FLOP,
        float(values["probability"]),
    )
    error = float(values["error"])
    measured = (
        Evaluation("main", EVALUATION, "before", float(values["before"]), error),
        Evaluation("main", EVALUATION, "after", float(values["after"]), error),
        Evaluation("derived", EVALUATION, "before", float(values["derived"]), error),
        Evaluation("derived", EVALUATION, "after", float(values["after"]), error),
    )
    rulings = rule(policy, measured)
    largest, rung = float(values["largest"]), float(values["rung"])
    along = _forecast(largest, RUNGS)
    trips = _trips(policy, RUNGS, along)
    here = _trips(policy, (rung,), _forecast(largest, (rung,)))[0]
    safe = safe_rung(policy, trips)
    checks = {c.threshold.stage: c for c in rulings[0].checks}
    upper = checks["before"].upper
    return Answer(
        (
            *(
                Number(
                    r.mode,
                    said[0].upper() + said[1:],
                    "allowed" if r.allowed else "refused",
                    "",
                    f"{r.binding} decides" if r.binding else "",
                )
                for r, (_, said) in zip(rulings, SAID, strict=True)
                if r.mode != "closed"
            ),
            Number("upper", "Upper end, before safeguards", upper, "fraction", f"of the {LEVEL:.0%} interval"),
            Number("chance", "The next rung trips", here.probability, "fraction", "chance, before safeguards"),
            Number("score", "Its score", here.value, "fraction", "forecast"),
            Number("safe", "Largest safe rung", safe, "flop", "forecast before the run"),
        ),
        (_score_chart(along, policy, largest, rung), _chance_chart(trips, policy, rung)),
        (_rulings(rulings), _truth()),
        equations=(
            "upper end = score + z · error",
            "trips: upper end ≥ threshold",
            "P(trip) = 1 − Φ((threshold − score) / s)",
        ),
        notes=(
            "A missing evaluation is never a pass, and a wider interval never loosens a decision.",
            "A safeguard around a service does not travel with its weights: open weights are judged before safeguards "
            "too. A derived model is judged as open weights, on evaluations of its own.",
            "The ladder's scores are planted: a sigmoid of the loss of 36 small runs. Thresholds are examples, "
            "nobody's real ones.",
            "'headway gate check POLICY.toml --evals EVALS.csv' decides by a policy of your own.",
        ),
        sources=(
            "Meta, Advanced AI Scaling Framework (April 2026), as its blog describes it",
            "Muse Spark safety and preparedness report, arXiv 2606.12429, abstract",
            "Bhagia et al., arXiv 2412.04403: scores in two steps",
        ),
    )


def _score_chart(found: TaskForecast, policy: Policy, largest: float, rung: float) -> Chart:
    limit = policy.thresholds[0].limit
    return Chart(
        "score",
        "Score of the evaluation, forecast",
        Axis("training compute", "flop", log=True, low=RUNGS[0], high=RUNGS[-1]),
        Axis("score before safeguards", "fraction", low=0.0, high=1.0),
        (
            Series("forecast", RUNGS, tuple(found.value.tolist()), strong=True),
            Series("interval", RUNGS, tuple(found.low.tolist()), kind="band", top=tuple(found.high.tolist())),
            Series("threshold", RUNGS, tuple(limit for _ in RUNGS)),
        ),
        (Marker(largest, "largest run"), Marker(rung, "next rung")),
        about="The forecast is made before the run: a rung that is likely to trip is known before it is paid for.",
    )


def _chance_chart(trips: tuple[TripForecast, ...], policy: Policy, rung: float) -> Chart:
    return Chart(
        "chance",
        "Chance that a rung trips the threshold",
        Axis("training compute", "flop", log=True, low=RUNGS[0], high=RUNGS[-1]),
        Axis("chance", "fraction", low=0.0, high=1.0),
        (
            Series("chance of a trip", RUNGS, tuple(t.probability for t in trips), strong=True),
            Series("most allowed", RUNGS, tuple(policy.probability for _ in RUNGS)),
        ),
        (Marker(rung, "next rung"),),
        about="The largest safe rung is where the two lines meet.",
    )


def _rulings(rulings: tuple[Ruling, ...]) -> Table:
    return Table(
        "rulings",
        "Decision on every mode of release",
        (Column("mode", "mode"), Column("allowed", ""), Column("reason", "because")),
        tuple(
            (said, "allowed" if r.allowed else "refused", r.reason) for r, (_, said) in zip(rulings, SAID, strict=True)
        ),
    )


def _truth() -> Table:
    return Table(
        "gate",
        "The gate as a table",
        (Column("tier", "before safeguards"), Column("residual", "after them"), *(Column(m, m) for m in MODES)),
        tuple(
            (tier, residual, *("yes" if release_decision(tier, residual, mode).allowed else "no" for mode in MODES))
            for tier in TIERS
            for residual in RESIDUALS
        ),
    )


CHAPTER = Chapter(
    "gate",
    "The release gate",
    "May this model be released, in which way, and will the next rung be stopped?",
    CONTROLS,
    answer,
    order=92,
    part="The next model",
)
