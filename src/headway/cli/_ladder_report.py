"""What the commands of ``headway ladder`` show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from headway.cli._chart import Axis, Marker, Series, XYChart
from headway.cli._report import Column, Passage, Report, Table, Toned

if TYPE_CHECKING:
    from headway.scaling.allocation import Allocation
    from headway.scaling.forms import Point
    from headway.scaling.ladder import Forecast, Ladder
    from headway.scaling.runs import Runs
    from headway.scaling.tasks import Task

_TEXT: Final = "left"


def places(
    ladder: Ladder, rungs: Sequence[float | tuple[float, float]], unique: float | None, sparsity: float | None
) -> tuple[Point, ...]:
    """Points of the rungs asked for: a compute each, or size and tokens."""
    from headway.scaling.ladder import place

    return tuple(
        place(ladder, size=rung[0], tokens=rung[1], unique=unique, sparsity=sparsity)
        if isinstance(rung, tuple)
        else place(ladder, rung)
        for rung in rungs
    )


def fit_report(ladder: Ladder, rungs: Sequence[Point], test: Runs | None, residuals: bool = False) -> Report:
    """Laws side by side, the forecast of the chosen one, its allocation, and what held-out runs say."""
    from headway.scaling.ladder import allocations, forecasts, judge

    runs = ladder.runs
    parts: list[Any] = [_methods(ladder)]
    asked = [forecasts(ladder, point) for point in rungs]
    predictions = [_prediction(f, i) for every in asked for f in every[:1] for i in range(len(f.value))]
    spread = [_prediction(f, i) for every in asked for f in every for i in range(len(f.value))]
    if asked:
        parts.append(_forecasts([f for every in asked for f in every], "Forecast of each law, the chosen first"))
        parts.append(_chart(ladder, [every[0] for every in asked]))
    if residuals:
        parts.append(_residual_chart(ladder))
    splits = [(c, allocations(ladder, c)) for c in (_compute(point, 0) for point in rungs)]
    if any(found for _, found in splits):
        parts.append(_allocations(splits))
    document: dict[str, Any] = {}
    if test is not None:
        every = forecasts(ladder, test.at)
        judged = judge(every[0], test.loss)
        parts.append(_held_out(every[0], test, judged))
        predictions += [
            _prediction(every[0], i) | {"measured": float(test.loss[i]), "run": test.names[i]}
            for i in range(len(test.loss))
        ]
        document["holdout"] = _judged(judged) | {"runs": len(test.loss), "method": every[0].method}
        document["holdout_by_method"] = {f.method: _judged(judge(f, test.loss)) for f in every}
    flagged, worth = _flagged(ladder), _worth(ladder)
    parts += [Passage("Dense worth of experts", worth)] if worth else []
    parts += [Passage(title, lines) for title, lines in (("Bad rungs", flagged), ("Left out", runs.left_out)) if lines]
    return Report(
        title=f"ladder of {len(runs.loss)} runs: {runs.target}",
        parts=tuple(parts),
        notes=(
            f"chosen: {ladder.chosen} ({ladder.why})",
            *_rising(ladder),
            "intervals: rolling origin, widened with the distance in compute; " + "; ".join(runs.notes),
            "outliers: none is dropped unless --leave-out names it; the Huber loss bounds their pull",
        ),
        document={
            "target": runs.target,
            "level": float(ladder.level),
            "chosen": ladder.chosen,
            "rising": bool(_rising(ladder)),
            "predictions": predictions,
            "predictions_by_method": spread,
            "methods": [_method(m, ladder.chosen) for m in ladder.methods],
            "allocations": [
                {"compute_flop": c, "method": a.method, "exponent": a.exponent, "params": a.size, "tokens": a.tokens}
                for c, found in splits
                for a in found
            ],
            "flagged": list(flagged),
            "residuals": _residuals(ladder),
            "left_out": list(runs.left_out),
            "conventions": list(runs.notes),
            **document,
        },
        data=_forecasts([f for every in asked for f in every], "") if asked else _methods(ladder),
    )


def task_report(task: Task, score: str, rungs: Sequence[Point], test: Runs | None) -> Report:
    """Both steps and the scores they forecast."""
    from headway.scaling.tasks import forecast_task, judge_task

    computes = [_compute(point, 0) for point in rungs]
    points = [(f"{c:.3g} FLOP", forecast_task(task, point), None, c) for c, point in zip(computes, rungs, strict=True)]
    predictions: list[dict[str, Any]] = []
    rows: list[tuple[Any, ...]] = []
    method = f"two-step, {task.ladder.chosen}"
    for name, found, _, compute in points:
        entry = [float(v[0]) for v in (found.value, found.low, found.high, found.loss)]
        predictions.append(dict(zip(("value", "low", "high", "loss"), entry, strict=True)))
        predictions[-1] |= {"at": compute, "method": method}
        rows.append((name, entry[3], *entry[:3], None))
    document: dict[str, Any] = {}
    if test is not None:
        found, measured = forecast_task(task, test.at), test.extra[score]
        judged = judge_task(found, measured)
        document["holdout"] = _judged(judged) | {"runs": len(measured), "method": method}
        for i, name in enumerate(test.names):
            entry = [float(v[i]) for v in (found.value, found.low, found.high, found.loss)]
            predictions.append(dict(zip(("value", "low", "high", "loss"), entry, strict=True)))
            predictions[-1] |= {"at": _compute(test.at, i), "method": method, "measured": float(measured[i])}
            predictions[-1] |= {"run": name}
            rows.append((name, entry[3], *entry[:3], float(measured[i])))
    columns = (
        Column("run", "run", align=_TEXT),
        Column("task_loss", "task loss"),
        Column("value", "score", "fraction"),
        Column("low", "low", "fraction"),
        Column("high", "high", "fraction"),
        Column("measured", "measured", "fraction"),
    )
    curve = task.curve
    table = Table("forecast", columns, tuple(rows), "Score: the loss by a law, the score by a sigmoid of the loss")
    notes = [
        f"score = {curve.top:.3g} - {curve.top - curve.floor:.3g}/(1 + exp(-{curve.steepness:.3g} (loss - "
        f"{curve.middle:.3g}))); step 1 by {task.ladder.chosen} ({task.ladder.why})",
    ]
    if test is not None:
        held = document["holdout"]
        notes.append(
            f"held out: mean absolute error {held['mean_absolute_error']:.4f} of a score, "
            f"coverage {held['coverage']:.0%}"
        )
    return Report(
        title=f"two-step forecast of {score}",
        parts=(table, _methods(task.ladder)),
        notes=tuple(notes),
        document={
            "target": score,
            "level": float(task.ladder.level),
            "chosen": method,
            "predictions": predictions,
            "curve": curve,
            "methods": [_method(m, task.ladder.chosen) for m in task.ladder.methods],
            **document,
        },
        data=table,
    )


def _compute(at: Point, row: int) -> float:
    from headway.scaling.intervals import computes

    return float(computes(at)[row])


def _prediction(forecast: Forecast, row: int) -> dict[str, Any]:
    at = forecast.at
    return {
        "at": _compute(at, row),
        "params": None if at.size is None else float(at.size[row]),
        "tokens": None if at.tokens is None else float(at.tokens[row]),
        "value": float(forecast.value[row]),
        "low": float(forecast.low[row]),
        "high": float(forecast.high[row]),
        "method": forecast.method,
    }


def _judged(judged: Any) -> dict[str, float]:
    return {
        "mean_absolute_relative_error": judged.error,
        "mean_absolute_error": judged.absolute,
        "bias": judged.bias,
        "coverage": judged.covered,
        "mean_half_width": judged.width,
    }


def _method(method: Any, chosen: str) -> dict[str, Any]:
    fit, band = method.fit, method.band
    if fit is None:
        return {"name": method.name, "chosen": False, "reason": method.reason}
    return {
        "name": method.name,
        "chosen": method.name == chosen,
        "equation": fit.law.equation,
        "source": fit.law.source,
        "constants": fit.constants,
        "converged": fit.converged,
        "starts_agreeing": fit.agreeing,
        "objective": fit.objective,
        "log_residual_spread": fit.spread,
        "rolling_origin_error": method.error,
        "widening": band.widening,
        "origins": list(band.origins),
    }


def _methods(ladder: Ladder) -> Table:
    columns = (
        Column("law", "law", align=_TEXT),
        Column("equation", "form", align=_TEXT, priority=2),
        Column("converged", "converged", align=_TEXT),
        Column("spread", "scatter", "fraction", priority=1),
        Column("rolling", "rolling error", "fraction"),
        Column("widening", "widened"),
        Column("constants", "constants", align=_TEXT, fold=True),
    )
    rows: list[tuple[Any, ...]] = []
    for m in sorted((m for m in ladder.methods if m.fit is not None), key=lambda m: m.name != ladder.chosen):
        if m.fit is None or m.band is None:
            continue
        values = ", ".join(f"{k} {v:.5g}" for k, v in m.fit.constants.items())
        done = Toned("yes", "good") if m.fit.converged else Toned("no", "bad")
        rows.append((m.name, m.fit.law.equation, done, m.fit.spread, m.error, round(m.band.widening, 2), values))
    return Table("laws", columns, tuple(rows), "Laws on the same runs, the chosen first")


def _forecasts(found: Sequence[Forecast], title: str) -> Table:
    columns = (
        Column("law", "law", align=_TEXT),
        Column("compute_flop", "compute", "flop"),
        Column("params", "size", "count"),
        Column("tokens", "tokens", "tokens"),
        Column("value", "loss"),
        Column("low", "low"),
        Column("high", "high"),
    )
    rows = tuple(
        (p["method"], p["at"], p["params"], p["tokens"], *(round(p[k], 4) for k in ("value", "low", "high")))
        for f in found
        for i in range(len(f.value))
        for p in [_prediction(f, i)]
    )
    return Table("forecasts", columns, rows, title)


def _chart(ladder: Ladder, asked: Sequence[Forecast]) -> XYChart:
    from headway.scaling.intervals import computes

    runs = ladder.runs
    x = [_compute(f.at, 0) for f in asked]
    return XYChart(
        "Runs and forecast",
        Axis("training compute", "flop", log=True),
        Axis(runs.target, "count"),
        (
            Series("runs", computes(runs.at).tolist(), runs.loss.tolist()),
            Series("forecast", x, [float(f.value[0]) for f in asked]),
            Series(
                "interval", x + x, [float(v[0]) for f in asked for v in (f.low,)] + [float(f.high[0]) for f in asked]
            ),
        ),
        (Marker(float(computes(runs.at).max()), "largest run"),),
        kind="scatter",
    )


def _residuals(ladder: Ladder) -> list[dict[str, Any]]:
    fit = ladder.method(ladder.chosen).fit
    if fit is None:
        return []
    bad = frozenset(fit.flagged())
    return [
        {
            "run": name,
            "row": row,
            "compute_flop": _compute(ladder.runs.at, i),
            "measured": float(fit.loss[i]),
            "predicted": float(fit.predicted[i]),
            "log_residual": float(fit.residual[i]),
            "flagged": i in bad,
        }
        for i, (name, row) in enumerate(zip(ladder.runs.names, ladder.runs.rows, strict=True))
    ]


def _residual_chart(ladder: Ladder) -> XYChart:
    rows = _residuals(ladder)
    kinds = (
        ("runs", [r for r in rows if not r["flagged"]]),
        ("bad rungs", [r for r in rows if r["flagged"]]),
    )
    return XYChart(
        f"What {ladder.chosen} leaves of each run",
        Axis("training compute", "flop", log=True),
        Axis("log of predicted over measured", "fraction"),
        tuple(
            Series(name, [r["compute_flop"] for r in some], [r["log_residual"] for r in some])
            for name, some in kinds
            if some
        ),
        kind="scatter",
    )


def _rising(ladder: Ladder) -> tuple[str, ...]:
    fit = ladder.method(ladder.chosen).fit
    if fit is None or not fit.rising:
        return ()
    names = ", ".join(f"{name} {fit.constants[name]:.3g}" for name in fit.rising)
    return (
        f"warning: by {ladder.chosen} {ladder.runs.target} rises with compute ({names} below 0): no law of loss does;"
        " is it a score, or are the rows mixed up?",
    )


def _worth(ladder: Ladder) -> tuple[str, ...]:
    fit = ladder.method(ladder.chosen).fit
    if fit is None or ladder.chosen != "moe" or fit.at.sparsity is None:
        return ()
    largest = float(fit.at.sparsity.max())
    return (
        f"at {largest:g} times as many parameters as are active, one active is worth {fit.dense_worth(largest):.3g}"
        " dense ones: 'headway train budget --leverage' takes it",
    )


def _allocations(splits: Sequence[tuple[float, Sequence[Allocation]]]) -> Table:
    columns = (
        Column("compute_flop", "compute", "flop"),
        Column("method", "method", align=_TEXT),
        Column("exponent", "N* exponent"),
        Column("params", "size", "count"),
        Column("tokens", "tokens", "tokens"),
        Column("reason", "why not", align=_TEXT, fold=True, priority=1),
    )
    rows = tuple(
        (c, a.method, None, None, None, a.reason)
        if a.reason
        else (c, a.method, round(a.exponent, 3), a.size, a.tokens, "")
        for c, found in splits
        for a in found
    )
    return Table("allocation", columns, rows, "Size and tokens at this compute, every approach")


def _held_out(forecast: Forecast, test: Runs, judged: Any) -> Table:
    columns = (
        Column("method", "law", align=_TEXT),
        Column("runs", "held-out runs", "count"),
        Column("error", "mean |error|", "fraction"),
        Column("bias", "bias", "fraction"),
        Column("coverage", "inside interval", "fraction"),
        Column("half_width", "half width", "fraction"),
    )
    row = (forecast.method, len(test.loss), judged.error, judged.bias, judged.covered, judged.width)
    return Table("holdout", columns, (row,), f"Runs that the fit did not see ({test.path})")


def _flagged(ladder: Ladder) -> tuple[str, ...]:
    fit = ladder.method(ladder.chosen).fit
    if fit is None:
        return ()
    names, rows = ladder.runs.names, ladder.runs.rows
    return tuple(
        f"row {rows[i]}{'' if names[i].startswith('row') else f' ({names[i]})'}: measured {fit.loss[i]:.4g}, "
        f"the law says {fit.predicted[i]:.4g}"
        for i in fit.flagged()
    )
