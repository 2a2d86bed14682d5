"""Small tables of the other axes: curves, counts per problem, results per model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headway.facts.errors import InputError, nearest
from headway.physics.arrays import Floats
from headway.scaling.coverage import Problems, fit_curve_of_problems, fit_problems
from headway.scaling.efficiency import frontier, spent, tokens_against
from headway.scaling.runs import number, read_rows


def read_columns(path: str, columns: Sequence[str], positive: Sequence[str] = ()) -> dict[str, Floats]:
    """Read some columns as numbers; those of `positive` have to be above 0.

    >>> read_columns("no-such-file.csv", ("k",))
    Traceback (most recent call last):
    headway.facts.errors.InputError: run table: 'no-such-file.csv' is not accepted: expected a readable CSV file
    """
    header, rows = read_rows(path)
    for column in columns:
        if column not in header:
            raise InputError(f"{path}: column", column, f"one of {', '.join(header[:12])}", nearest(column, header))
    found = {c: np.array([number(path, n, c, r[c]) for n, r in rows]) for c in columns}
    for column in positive:
        for (line, _), value in zip(rows, found[column].tolist(), strict=True):
            if value <= 0:
                raise InputError(f"{path}: row {line}, column {column!r}", value, "a number above 0")
    return found


def read_problems(path: str) -> Problems:
    """Distribution of success from counts per problem (right, tries), or from a curve (k, pass).

    >>> read_problems("no-such-file.csv")
    Traceback (most recent call last):
    headway.facts.errors.InputError: run table: 'no-such-file.csv' is not accepted: expected a readable CSV file
    """
    header, _ = read_rows(path)
    if "right" in header and "tries" in header:
        counts = read_columns(path, ("right", "tries"), positive=("tries",))
        return fit_problems(counts["right"], counts["tries"])
    if "k" in header and "pass" in header:
        curve = read_columns(path, ("k", "pass"), positive=("k",))
        return fit_curve_of_problems(curve["k"], curve["pass"])
    raise InputError(f"{path}: columns", ", ".join(header[:12]), "right and tries, or k and pass")


def per_token(usd_per_mtok: float) -> float:
    """Dollars per token of a price per million [dollar/token].

    >>> per_token(2.0)
    2e-06
    """
    return usd_per_mtok / 1e6


@dataclass(frozen=True, slots=True)
class Result:
    """One model on one set of tasks.

    Parameters
    ----------
    model : str
    score : float
        [1].
    tokens : float
        Mean output per task [token].
    usd : float
        Per task [dollar].
    ock : float
        OckScore [point].
    usd_per_solved : float
        [dollar].
    efficient : bool
        No other row beats it in score, tokens and dollars.
    over_fewest : float
        Tokens over those of the row with the fewest [1].
    """

    model: str
    score: float
    tokens: float
    usd: float
    ock: float
    usd_per_solved: float
    efficient: bool
    over_fewest: float


def read_results(path: str) -> tuple[Result, ...]:
    """Read model, score, tokens (per task) and usd_per_mtok; what follows from them.

    >>> read_results("no-such-file.csv")
    Traceback (most recent call last):
    headway.facts.errors.InputError: run table: 'no-such-file.csv' is not accepted: expected a readable CSV file
    """
    columns = read_columns(path, ("score", "tokens", "usd_per_mtok"), positive=("tokens",))
    header, rows = read_rows(path)
    if "model" not in header:
        raise InputError(f"{path}: column", "no model", "a column 'model'")
    score, tokens = columns["score"], columns["tokens"]
    cost = spent(score, tokens, columns["usd_per_mtok"])
    values = zip(
        [r["model"] for _, r in rows],
        score.tolist(),
        tokens.tolist(),
        cost.usd.tolist(),
        cost.ock.tolist(),
        cost.usd_per_solved.tolist(),
        frontier(score, tokens, cost.usd).tolist(),
        tokens_against(tokens).tolist(),
        strict=True,
    )
    return tuple(Result(*row) for row in values)
