"""``headway gate``: which modes of release a policy allows, what it forecasts before the run, and an audit record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headway.cli._output import output_options
from headway.cli._params import CONFIG
from headway.cli._report import Column, Passage, Report, Table, Toned

if TYPE_CHECKING:
    from headway.scaling.policy import Policy, Ruling, TripForecast


@click.command()
@click.argument("policy", required=False, type=CONFIG)
@click.option("--evals", type=CONFIG, help="CSV of evaluations: evaluation, stage, score, error, and model.")
@click.option("--ladder", multiple=True, type=CONFIG, help="JSON of 'headway ladder fit': the forecast before the run.")
@click.option(
    "--verify", type=CONFIG, help="Check a record that an earlier run wrote, and the files it names, beside it."
)
@click.option("--expect", help="With --verify: the hash of the record, kept elsewhere.")
@output_options
def gate(
    policy: str | None, evals: str | None, ladder: tuple[str, ...], verify: str | None, expect: str | None
) -> Report:
    """Decide every mode of release by POLICY, a TOML file. A missing evaluation is never a pass.

    Exit code 1 where a mode is refused. With -o record.json the decision is kept with the hashes of its inputs.

    Example: headway gate POLICY.toml --evals evals.csv --ladder fit.json -o record.json
    """
    from headway.facts.errors import InputError

    if verify is not None:
        return _verified(verify, expect)
    if policy is None or not (evals or ladder):
        raise InputError("POLICY", "nothing" if policy is None else policy, "a policy with --evals, --ladder or both")
    from headway.scaling import policy as rules
    from headway.scaling.audit import file_hash, sealed

    found = rules.read_policy(policy)
    rulings = rules.rule(found, rules.read_evaluations(evals)) if evals else ()
    trips = tuple(t for path in ladder for t in rules.forecast_trips(found, _document(path)))
    paths = [p for p in (policy, evals, *ladder) if p is not None]
    if len({Path(p).name for p in paths}) < len(paths):
        raise InputError("files", ", ".join(paths), "files of different names, which the record keeps")
    safe = rules.safe_rung(found, trips)
    record = {
        "policy": found.name,
        "decisions": [_decision(r) for r in rulings],
        "forecast": [_trip(t, found) for t in trips],
        "safe_rung_flop": safe,
        "inputs": {Path(p).name: file_hash(p) for p in paths},
    }
    return _report(found, rulings, trips, safe, sealed(record))


def _document(path: str) -> dict[str, Any]:
    from headway.facts.errors import InputError

    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError("file", path, "a readable JSON file") from None
    if not isinstance(data, dict):
        raise InputError("file", path, "a JSON object")
    return data


def _verified(path: str, expect: str | None) -> Report:
    from headway.scaling.audit import changes

    record = _document(path)
    found = changes(record, expect, str(Path(path).resolve().parent))
    lines = found or ("the record and every file that it names are as they were",)
    return Report(
        title=f"audit record of policy {record.get('policy', '?')}",
        parts=(Passage("Changed" if found else "Unchanged", lines),),
        document={"unchanged": not found, "changes": list(found), "hash": record.get("hash")},
        exit_code=1 if found else 0,
    )


def _decision(ruling: Ruling) -> dict[str, Any]:
    return {
        "mode": ruling.mode,
        "allowed": ruling.allowed,
        "reason": ruling.reason,
        "binding": ruling.binding,
        "checks": [
            {
                "domain": c.threshold.domain,
                "evaluation": c.threshold.evaluation,
                "stage": c.threshold.stage,
                "limit": c.threshold.limit,
                "score": c.score,
                "upper": c.upper,
                "state": c.state,
            }
            for c in ruling.checks
        ],
    }


def _trip(trip: TripForecast, policy: Policy) -> dict[str, Any]:
    return {
        "compute_flop": trip.compute,
        "frontier": trip.compute >= policy.frontier_flop,
        "domain": trip.threshold.domain,
        "evaluation": trip.threshold.evaluation,
        "limit": trip.threshold.limit,
        "value": trip.value,
        "low": trip.low,
        "high": trip.high,
        "probability": trip.probability,
    }


def _report(
    policy: Policy,
    rulings: tuple[Ruling, ...],
    trips: tuple[TripForecast, ...],
    safe: float | None,
    record: dict[str, Any],
) -> Report:
    parts: list[Table | Passage] = []
    if rulings:
        parts.append(_rulings(rulings))
        parts.append(_checks(rulings))
    if trips:
        parts.append(_trips(policy, trips))
    notes = [f"hash of this decision: {record['hash']}; keep it elsewhere"]
    if trips:
        from headway.facts.units import format_quantity

        most = format_quantity(policy.probability, "fraction")
        rung = "no forecast rung" if safe is None else f"the largest forecast rung is {safe:.3g} FLOP"
        notes.insert(0, f"to stay within {most} of tripping anything that was forecast: {rung}")
    if any(not r.allowed for r in rulings):
        notes.insert(0, "a score counts by the upper end of its interval; a missing evaluation is never a pass")
    return Report(
        title=f"release gate: {policy.name}",
        parts=tuple(parts),
        notes=tuple(notes),
        document=record,
        exit_code=1 if any(not r.allowed for r in rulings) else 0,
    )


def _rulings(rulings: tuple[Ruling, ...]) -> Table:
    columns = (
        Column("mode", "mode", align="left"),
        Column("allowed", "decision", align="left"),
        Column("binding", "domain", align="left"),
        Column("reason", "reason", align="left", fold=True),
    )
    rows = tuple(
        (r.mode, Toned("allowed" if r.allowed else "refused", "good" if r.allowed else "bad"), r.binding, r.reason)
        for r in rulings
    )
    return Table("decisions", columns, rows, "Modes of release")


def _checks(rulings: tuple[Ruling, ...]) -> Table:
    columns = (
        Column("model", "model", align="left"),
        Column("domain", "domain", align="left", priority=1),
        Column("evaluation", "evaluation", align="left"),
        Column("stage", "safeguards", align="left"),
        Column("score", "score", "fraction"),
        Column("upper", "upper end", "fraction"),
        Column("limit", "limit", "fraction"),
        Column("state", "state", align="left"),
    )
    seen = {("derived" if r.mode == "derived" else "main"): r.checks for r in rulings}
    tones = {"below": "good", "tripped": "bad", "missing": "warn"}
    rows = tuple(
        (
            model,
            c.threshold.domain,
            c.threshold.evaluation,
            c.threshold.stage,
            c.score,
            c.upper,
            c.threshold.limit,
            Toned(c.state, tones[c.state]),  # type: ignore[arg-type]
        )
        for model, checks in seen.items()
        for c in checks
    )
    return Table("checks", columns, rows, "Thresholds", group="model")


def _trips(policy: Policy, trips: tuple[TripForecast, ...]) -> Table:
    columns = (
        Column("compute_flop", "rung", "flop"),
        Column("frontier", "frontier", align="left", priority=1),
        Column("domain", "domain", align="left"),
        Column("evaluation", "evaluation", align="left"),
        Column("value", "forecast", "fraction"),
        Column("low", "low", "fraction", priority=2),
        Column("high", "high", "fraction", priority=2),
        Column("limit", "limit", "fraction"),
        Column("probability", "chance to trip", "fraction"),
    )
    rows = tuple(
        (
            t.compute,
            "yes" if t.compute >= policy.frontier_flop else "no",
            t.threshold.domain,
            t.threshold.evaluation,
            t.value,
            t.low,
            t.high,
            t.threshold.limit,
            t.probability,
        )
        for t in trips
    )
    return Table("forecast", columns, rows, "Before the run: which rung would trip which threshold")
