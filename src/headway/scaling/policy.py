"""A release policy on evaluations with their uncertainty: decisions per mode, and the forecast before the run.

Every rule errs to one side. A threshold is tripped as soon as the upper end of a score reaches it, and an evaluation
that is missing is never a pass. So a worse score, or a wider interval, never loosens a decision.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

from headway.facts.errors import InputError, unknown
from headway.facts.units import parse
from headway.scaling.gate import Finding, release_gate
from headway.scaling.intervals import normal_quantile
from headway.scaling.runs import number, read_rows

STAGES = ("before", "after")
"""Before safeguards, and after them."""

RELEASES = ("closed", "api", "open-weights", "derived")
"""Modes of a policy; a derived smaller variant is judged as open weights on evaluations of its own."""

FRONTIER_FLOP = 1e26
"""Compute from which a model counts as frontier, as the Advanced AI Scaling Framework puts it [FLOP]."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """One line that a score must stay below.

    Parameters
    ----------
    domain : str
        ``"chemical-biological"``, ``"cyber"``, ``"loss-of-control"`` or the policy's own.
    evaluation : str
        Its name in the table of evaluations and in the ladder's forecast.
    stage : {"before", "after"}
        Of safeguards.
    limit : float
        Score at which it trips [1].
    """

    domain: str
    evaluation: str
    stage: str
    limit: float


@dataclass(frozen=True, slots=True)
class Policy:
    """Thresholds and how sure one has to be.

    Parameters
    ----------
    name : str
    thresholds : tuple of Threshold
    level : float
        Of the interval whose upper end is compared [1].
    frontier_flop : float
        [FLOP].
    probability : float
        Most chance of a trip that a rung may have to be called safe beforehand [1].
    """

    name: str
    thresholds: tuple[Threshold, ...]
    level: float
    frontier_flop: float
    probability: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One measured score.

    Parameters
    ----------
    model : str
        ``"main"`` or ``"derived"``.
    evaluation, stage : str
    score, error : float
        Score and its standard error [1].
    """

    model: str
    evaluation: str
    stage: str
    score: float
    error: float


@dataclass(frozen=True, slots=True)
class Check:
    """One threshold against its evaluation.

    Parameters
    ----------
    threshold : Threshold
    score, upper : float or None
        None where the evaluation is missing [1].
    state : {"below", "tripped", "missing"}
    """

    threshold: Threshold
    score: float | None
    upper: float | None
    state: str


@dataclass(frozen=True, slots=True)
class Ruling:
    """Decision on one mode of release.

    Parameters
    ----------
    mode : str
    allowed : bool
    reason : str
    binding : str
        Domain that decided.
    checks : tuple of Check
    """

    mode: str
    allowed: bool
    reason: str
    binding: str
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class TripForecast:
    """Chance that a rung trips a threshold.

    Parameters
    ----------
    compute : float
        [FLOP].
    threshold : Threshold
    value, low, high : float
        Forecast score [1].
    probability : float
        [1].
    """

    compute: float
    threshold: Threshold
    value: float
    low: float
    high: float
    probability: float


def read_policy(path: str) -> Policy:
    """Read POLICY.toml.

    Raises
    ------
    InputError
        For a file that is not a policy; names the table and the key.

    Examples
    --------
    >>> read_policy("no-such-policy.toml")
    Traceback (most recent call last):
    headway.facts.errors.InputError: policy: 'no-such-policy.toml' is not accepted: expected a readable TOML file
    """
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError):
        raise InputError("policy", path, "a readable TOML file") from None
    known = ("name", "level", "frontier", "probability", "threshold")
    for key in data:
        if key not in known:
            raise unknown(f"{path}: key", key, known)
    rows = data.get("threshold")
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path}: threshold", "none", "at least one [[threshold]]")
    thresholds = tuple(_threshold(f"{path}: threshold {i}", row) for i, row in enumerate(rows, 1))
    for one in {t.domain for t in thresholds}:
        if "before" not in {t.stage for t in thresholds if t.domain == one}:
            raise InputError(f"{path}: domain {one}", "no threshold before safeguards", "at least one of each domain")
    frontier = data.get("frontier", FRONTIER_FLOP)
    return Policy(
        str(data.get("name", Path(path).stem)),
        thresholds,
        _share(f"{path}: level", data.get("level", 0.9)),
        parse(frontier, "flop", f"{path}: frontier") if isinstance(frontier, str) else float(frontier),
        _share(f"{path}: probability", data.get("probability", 0.1)),
    )


def _share(field: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise InputError(field, value, "a number between 0 and 1")
    return float(value)


def _threshold(field: str, row: Any) -> Threshold:
    keys = ("domain", "evaluation", "stage", "limit")
    if not isinstance(row, dict):
        raise InputError(field, row, f"a table with {', '.join(keys)}")
    for key in row:
        if key not in keys:
            raise unknown(f"{field}: key", key, keys)
    for key in keys:
        if key not in row:
            raise InputError(f"{field}: {key}", "missing", "a value")
    if row["stage"] not in STAGES:
        raise unknown(f"{field}: stage", str(row["stage"]), STAGES)
    return Threshold(
        str(row["domain"]), str(row["evaluation"]), str(row["stage"]), _share(f"{field}: limit", row["limit"])
    )


def read_evaluations(path: str) -> tuple[Evaluation, ...]:
    """Read evals.csv: evaluation, stage, score, standard error, and optionally model (main or derived).

    Examples
    --------
    >>> read_evaluations("no-such-file.csv")
    Traceback (most recent call last):
    headway.facts.errors.InputError: run table: 'no-such-file.csv' is not accepted: expected a readable CSV file
    """
    header, rows = read_rows(path)
    for column in ("evaluation", "stage", "score", "error"):
        if column not in header:
            raise InputError(f"{path}: column", f"no {column}", "columns evaluation, stage, score, error")
    found: dict[tuple[str, str, str], Evaluation] = {}
    for line, row in rows:
        model = row.get("model", "main") or "main"
        for column, value, options in (("stage", row["stage"], STAGES), ("model", model, ("main", "derived"))):
            if value not in options:
                raise unknown(f"{path}: row {line}, column {column!r}", value, options)
        score, error = number(path, line, "score", row["score"]), number(path, line, "error", row["error"])
        if not 0 <= score <= 1:
            raise InputError(f"{path}: row {line}, column 'score'", score, "a score from 0 to 1")
        if error < 0:
            raise InputError(f"{path}: row {line}, column 'error'", error, "a standard error of at least 0")
        key = (model, row["evaluation"], row["stage"])
        if key in found:
            raise InputError(f"{path}: row {line}, column 'evaluation'", row["evaluation"], "each evaluation once")
        found[key] = Evaluation(*key, score, error)
    return tuple(found.values())


def check(policy: Policy, evaluations: Sequence[Evaluation], model: str = "main") -> tuple[Check, ...]:
    """Hold each threshold against the upper end of its score.

    >>> line = Threshold("cyber", "ctf", "before", 0.5)
    >>> policy = Policy("p", (line,), 0.9, 1e26, 0.1)
    >>> check(policy, [Evaluation("main", "ctf", "before", 0.45, 0.05)])[0].state
    'tripped'
    >>> check(policy, [])[0].state
    'missing'
    """
    scores = {(e.evaluation, e.stage): e for e in evaluations if e.model == model}
    found = []
    for line in policy.thresholds:
        measured = scores.get((line.evaluation, line.stage))
        if measured is None:
            found.append(Check(line, None, None, "missing"))
            continue
        upper = measured.score + normal_quantile(policy.level) * measured.error
        found.append(Check(line, measured.score, upper, "tripped" if upper >= line.limit else "below"))
    return tuple(found)


def findings(checks: Sequence[Check]) -> dict[str, Finding]:
    """Tier and residual of each domain; what is missing counts as the worst.

    A domain that is high before safeguards needs a threshold after them, or its residual is not acceptable.

    >>> line = Threshold("cyber", "ctf", "before", 0.5)
    >>> findings([Check(line, 0.1, 0.2, "below")])["cyber"].tier
    'below-high'
    """
    found = {}
    for domain in dict.fromkeys(c.threshold.domain for c in checks):
        own = [c for c in checks if c.threshold.domain == domain]
        high = any(c.state != "below" for c in own if c.threshold.stage == "before")
        after = [c for c in own if c.threshold.stage == "after"]
        bad = any(c.state != "below" for c in after) or (high and not after)
        found[domain] = Finding("high" if high else "below-high", "not-acceptable" if bad else "acceptable")
    return found


def rule(policy: Policy, evaluations: Sequence[Evaluation]) -> tuple[Ruling, ...]:
    """Decide every mode of release.

    A missing evaluation refuses the mode whatever the rest says.

    Parameters
    ----------
    policy : Policy
    evaluations : sequence of Evaluation

    Returns
    -------
    tuple of Ruling
        One for each of :data:`RELEASES`.

    Examples
    --------
    >>> lines = (Threshold("cyber", "ctf", "before", 0.5), Threshold("cyber", "ctf", "after", 0.2))
    >>> scores = [Evaluation("main", "ctf", "before", 0.6, 0.0), Evaluation("main", "ctf", "after", 0.1, 0.0)]
    >>> [(r.mode, r.allowed) for r in rule(Policy("p", lines, 0.9, 1e26, 0.1), scores)]
    [('closed', True), ('api', True), ('open-weights', False), ('derived', False)]
    """
    found = []
    for mode in RELEASES:
        checks = check(policy, evaluations, "derived" if mode == "derived" else "main")
        absent = [c.threshold for c in checks if c.state == "missing"]
        if absent:
            names = ", ".join(f"{t.evaluation} {t.stage} safeguards" for t in absent[:3])
            more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
            found.append(Ruling(mode, False, f"not evaluated: {names}{more}", absent[0].domain, checks))
            continue
        decision = release_gate(findings(checks), "open-weights" if mode == "derived" else mode)
        found.append(Ruling(mode, decision.allowed, decision.reason, decision.binding, checks))
    return tuple(found)


def forecast_trips(policy: Policy, ladder: Mapping[str, Any]) -> tuple[TripForecast, ...]:
    """Chance that each forecast rung trips each threshold before safeguards, from a ladder's JSON.

    The forecast is taken as normal with the width of its interval; ``P = 1 - Phi((limit - value)/s)``.

    Parameters
    ----------
    policy : Policy
    ladder : mapping
        What ``headway ladder fit --json`` wrote: ``target``, ``level`` and ``predictions``.

    Raises
    ------
    InputError
        If it is not such a document.

    Examples
    --------
    >>> policy = Policy("p", (Threshold("cyber", "ctf", "before", 0.5),), 0.9, 1e26, 0.1)
    >>> rung = {"at": 1e25, "value": 0.4, "low": 0.3, "high": 0.5, "method": "tied"}
    >>> round(forecast_trips(policy, {"target": "ctf", "level": 0.9, "predictions": [rung]})[0].probability, 3)
    0.05
    """
    target, level, rungs = (ladder.get(key) for key in ("target", "level", "predictions"))
    if not isinstance(target, str) or not isinstance(level, float) or not isinstance(rungs, list):
        raise InputError("ladder", "another document", "what 'headway ladder fit --predict ... --json' wrote")
    lines = [t for t in policy.thresholds if t.evaluation == target and t.stage == "before"]
    found = []
    for rung in rungs:
        try:
            at, value, low, high = (float(rung[key]) for key in ("at", "value", "low", "high"))
        except (KeyError, TypeError, ValueError):
            raise InputError("ladder: predictions", str(rung), "at, value, low and high of each rung") from None
        spread = max((high - low) / (2.0 * normal_quantile(level)), 1e-9)
        for line in lines:
            chance = 1.0 - NormalDist().cdf((line.limit - value) / spread)
            found.append(TripForecast(at, line, value, low, high, chance))
    return tuple(found)


def safe_rung(policy: Policy, trips: Sequence[TripForecast]) -> float | None:
    """Largest rung whose chance to trip anything stays within the policy's, and of every smaller one too [FLOP].

    >>> policy = Policy("p", (Threshold("cyber", "ctf", "before", 0.5),), 0.9, 1e26, 0.1)
    >>> rungs = [{"at": c, "value": v, "low": v - 0.1, "high": v + 0.1} for c, v in ((1e24, 0.3), (1e25, 0.45))]
    >>> safe_rung(policy, forecast_trips(policy, {"target": "ctf", "level": 0.9, "predictions": rungs}))
    1e+24
    """
    best = None
    for compute in sorted({t.compute for t in trips}):
        clear = 1.0
        for trip in trips:
            if trip.compute == compute:
                clear *= 1.0 - trip.probability
        if 1.0 - clear > policy.probability:
            break
        best = compute
    return best
