"""What the commands of ``headway ladder`` on the other axes show: rewards, tries, tokens, agents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from headway.cli._report import Column, Passage, Report, Table, Toned

if TYPE_CHECKING:
    from headway.scaling.coverage import Problems
    from headway.scaling.efficiency import Architecture
    from headway.scaling.saturating import Saturation
    from headway.scaling.tables import Result

_TEXT: Final = "left"


def rl_report(curve: Saturation, over: str, target: str, points: Sequence[float], level: float) -> Report:
    """A saturating curve, with its asymptote or the reason why there is none."""
    rows: list[tuple[Any, ...]] = [
        ("start", curve.start, None, None),
        ("midpoint", curve.midpoint, None, None),
        ("steepness", curve.steepness, None, None),
    ]
    if curve.asymptote is not None:
        rows.append(("asymptote", curve.asymptote, curve.asymptote_low, curve.asymptote_high))
    columns = (Column("name", "constant", align=_TEXT), *(Column(k, k) for k in ("value", "low", "high")))
    parts: list[Any] = [Table("constants", columns, tuple(rows), f"{target} = R0 + (A - R0)/(1 + (M/{over})^B)")]
    predictions = []
    if points:
        value, low, high = curve.predict(list(points), level)
        predictions = [
            {"at": at, "value": v, "low": a, "high": b, "method": "saturating"}
            for at, v, a, b in zip(points, value.tolist(), low.tolist(), high.tolist(), strict=True)
        ]
        heads = (Column("at", over, "count"), *(Column(k, k) for k in ("value", "low", "high")))
        parts.append(Table("predictions", heads, tuple(tuple(list(p.values())[:4]) for p in predictions), "Forecast"))
    notes = [f"the data reach {curve.reach:.3g} times the midpoint; residuals {curve.spread:.2g}"]
    if curve.reason:
        parts.append(Passage("No asymptote", (curve.reason,)))
    return Report(
        title=f"saturating fit of {target} over {over}",
        parts=tuple(parts),
        notes=tuple(notes),
        document={
            "asymptote": curve.asymptote,
            "asymptote_low": curve.asymptote_low,
            "asymptote_high": curve.asymptote_high,
            "reason": curve.reason,
            "start": curve.start,
            "midpoint": curve.midpoint,
            "steepness": curve.steepness,
            "reach": curve.reach,
            "converged": curve.converged,
            "predictions": predictions,
        },
        exit_code=1 if curve.reason else 0,
    )


def passk_report(problems: Problems, k: Sequence[int], selector: str, hit: float, wrong: float, level: float) -> Report:
    """Coverage, and what the selector makes of it."""
    from headway.scaling.coverage import VOTE_BOUND, selected

    value, (low, high) = problems.pass_at(list(k)), problems.interval(list(k), level)
    picked = selected(problems, list(k), selector, hit, wrong)
    columns = (
        Column("k", "tries", "count"),
        Column("value", "pass@k", "fraction"),
        Column("low", "low", "fraction"),
        Column("high", "high", "fraction"),
        Column("selected", f"picked by {selector}", "fraction"),
    )
    rows = tuple(zip(k, *(v.tolist() for v in (value, low, high, picked)), strict=True))
    names = ("at", "value", "low", "high", "selected")
    return Report(
        title=f"pass@k of Beta({problems.easy:.3g}, {problems.hard:.3g}) problems",
        parts=(Table("predictions", columns, rows),),
        notes=(
            "coverage is not accuracy: something has to pick the right answer",
            *((VOTE_BOUND,) if selector == "vote" else ()),
        ),
        document={
            "predictions": [dict(zip(names, row, strict=True)) | {"method": "beta"} for row in rows],
            "easy": problems.easy,
            "hard": problems.hard,
            "problems": problems.count,
            "selector": selector,
            "converged": problems.converged,
        },
    )


def tokens_report(results: Sequence[Result]) -> Report:
    """Results by OckScore."""
    columns = (
        Column("model", "model", align=_TEXT),
        Column("score", "score", "fraction"),
        Column("tokens_per_task", "tokens a task", "tokens"),
        Column("tokens_over_fewest", "x fewest", priority=1),
        Column("usd_per_task", "$ a task", "dollars"),
        Column("usd_per_solved", "$ solved", "dollars"),
        Column("ock_score", "OckScore"),
        Column("efficient", "frontier", align=_TEXT),
    )
    rows = tuple(
        (
            r.model,
            r.score,
            r.tokens,
            round(r.over_fewest, 2),
            r.usd,
            r.usd_per_solved,
            round(r.ock, 2),
            Toned("yes", "good") if r.efficient else Toned("no", "dim"),
        )
        for r in sorted(results, key=lambda r: -r.ock)
    )
    return Report(
        title=f"token efficiency of {len(results)} results",
        parts=(Table("results", columns, rows),),
        notes=("OckScore = 100 score - 10 ln(tokens/10000 + 1); frontier: nothing is better in score, tokens and $",),
    )


def agents_report(found: Sequence[Architecture]) -> Report:
    """Architectures, the best score within the limits first."""
    from headway.scaling.coverage import VOTE_BOUND

    columns = (
        Column("agents", "agents", "count"),
        Column("selector", "picked by", align=_TEXT),
        Column("score", "score", "fraction"),
        Column("tokens", "tokens", "tokens"),
        Column("latency_s", "latency", "seconds"),
        Column("usd", "$", "dollars"),
        Column("allowed", "within limits", align=_TEXT),
    )
    ranked = sorted(found, key=lambda a: (not a.allowed, a.selector == "oracle", -a.score, a.tokens))
    rows = tuple(
        (a.agents, a.selector, a.score, a.tokens, a.latency, a.usd, Toned("yes", "good") if a.allowed else "no")
        for a in ranked
    )
    return Report(
        title="parallel agents: which architecture",
        parts=(Table("architectures", columns, rows),),
        notes=(
            "the oracle is an upper bound that nobody can run; choose by order, do not expect the level",
            *((VOTE_BOUND,) if any(a.selector == "vote" for a in found) else ()),
        ),
        exit_code=0 if any(a.allowed for a in found) else 1,
    )
