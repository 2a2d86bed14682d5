"""Laws of :mod:`headway.scaling.forms` fitted in log space: starts, a robust fit, its bootstrap."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.errors import InputError
from headway.physics.arrays import Floats
from headway.scaling.amplitudes import log_amplitudes
from headway.scaling.forms import FALLING, Law, Point, form, law, log_column
from headway.scaling.solver import Solution, solve

DELTA = 1e-3
"""Where the Huber loss on log residuals turns linear (Hoffmann et al. 2022, appendix D.3)."""
_PICKED = 4
_EXPONENTS = MappingProxyType({1: (0.03, 0.08, 0.15, 0.25, 0.36, 0.5, 0.7), 2: (0.1, 0.2, 0.3, 0.4, 0.5, 0.65)})
_FLAG = 4.0


def starts(name: str, at: Point, loss: ArrayLike) -> Floats:
    """A grid of starting points: exponents, and for each the scales that fit best with them.

    >>> starts("power", Point(compute=np.array([1e18, 1e20])), [3.0, 2.5]).shape
    (3, 2)
    """
    known, y = law(name), np.asarray(loss, dtype=float)
    mean = {c: float(log_column(at, c).mean()) for c in known.needs}
    if name == "kaplan":
        return np.array(
            [
                [mean["size"] + np.log(y.mean()) / a, a, mean["tokens"] + np.log(y.mean()) / b, b]
                for a, b in product((0.05, 0.1, 0.2), repeat=2)
            ]
        )
    free: list[str] = [c for c in ("a", "b") if c in known.constants]
    if "E" not in known.constants:
        return _shared_starts(known, mean, y, free)
    pairs = np.array(list(product(_EXPONENTS[len(free)], repeat=len(free))))
    first = log_column(at, "size" if "size" in known.needs else "compute")
    columns = [np.zeros((len(pairs), len(y))), -pairs[:, :1] * first]
    if "B" in known.constants:
        columns.append(-pairs[:, -1:] * log_column(at, "tokens"))
    scales = log_amplitudes(np.stack(columns, axis=2), y)
    values: dict[str, Any] = dict(zip("EAB", scales.T, strict=False)) | dict(zip(free, pairs.T, strict=True))
    values |= {"g": np.full(len(pairs), 0.1), "R*": np.full(len(pairs), np.log(10.0))}
    values |= {"Q*": np.full(len(pairs), np.log(5.0))}
    return np.stack([values[c] for c in known.constants], axis=1)


def _shared_starts(known: Law, mean: dict[str, float], y: Floats, free: list[str]) -> Floats:
    """Where the asymptote is not fitted: half of the least loss is taken as beyond reach."""
    found = []
    for chosen in product((0.12, 0.3, 0.55), repeat=len(free)):
        exponents = dict(zip(free, chosen, strict=True))
        rest = np.log(float(y.mean()) - 0.5 * float(y.min())) - ("B" in known.constants) * np.log(2.0)
        first = np.log(y.mean()) if known.name == "power" else rest
        values = exponents | {
            "A": first + chosen[0] * mean.get("size", mean.get("compute", 0.0)),
            "B": rest + chosen[-1] * mean.get("tokens", 0.0),
        }
        found.append([values[c] for c in known.constants])
    return np.array(found, dtype=float)


@dataclass(frozen=True, slots=True)
class Fit:
    """A law fitted to runs.

    Parameters
    ----------
    law : Law
    theta : ndarray
        Parameters, coefficients as logarithms.
    at : Point
        The runs.
    loss : ndarray
        Measured [nat/token].
    residual : ndarray
        Logarithm of predicted over measured [1].
    objective : float
        Sum of Huber losses [1].
    converged : bool
    agreeing : int
        How many of the refined starts ended at the same optimum.
    asymptote : float or None
        Held value of a pinned form [nat/token].
    delta : float
        Of the Huber loss; infinite for least squares.
    """

    law: Law
    theta: Floats
    at: Point
    loss: Floats
    residual: Floats
    objective: float
    converged: bool
    agreeing: int
    asymptote: float | None
    delta: float

    @property
    def constants(self) -> dict[str, float]:
        """Constants by name, coefficients in their own scale."""
        values = np.where(self.law.logs, np.exp(np.where(self.law.logs, self.theta, 0.0)), self.theta)
        return dict(zip(self.law.constants, values.tolist(), strict=True))

    @property
    def predicted(self) -> Floats:
        """Loss that the law says for each run [nat/token]."""
        return np.asarray(self.loss * np.exp(self.residual))

    @property
    def spread(self) -> float:
        """Robust standard deviation of the log residuals, for the parameters spent [1]."""
        rows, spent = len(self.residual), len(self.theta)
        centred = np.abs(self.residual - np.median(self.residual))
        robust = 1.4826 * float(np.median(centred))
        return max(robust, 0.5 * float(np.std(self.residual))) * float(np.sqrt(rows / max(rows - spent, 1)))

    @property
    def rising(self) -> tuple[str, ...]:
        """Exponents below 0: by them more size, tokens or compute makes the loss worse."""
        return tuple(name for name, value in self.constants.items() if name in FALLING and value < 0)

    def flagged(self) -> tuple[int, ...]:
        """Rows more than four robust deviations off: bad rungs, named and not dropped."""
        return tuple(np.flatnonzero(np.abs(self.residual) > _FLAG * max(self.spread, 1e-9)).tolist())

    def dense_worth(self, sparsity: ArrayLike) -> Floats:
        """Dense parameters that an active parameter of a mixture of experts is worth: ``S^(g/a)`` [1].

        1 for a law without experts; what ``headway train budget --leverage`` takes.
        """
        found = self.constants
        power = found.get("g", 0.0) / found.get("a", 1.0)
        return np.asarray(np.asarray(sparsity, dtype=float) ** power)

    def predict(self, at: Point) -> Floats:
        """Loss at other runs [nat/token]."""
        return np.asarray(np.exp(form(self.law.name, at, self.asymptote).values(self.theta[None])[0]))


def fit_law(
    name: str,
    at: Point,
    loss: ArrayLike,
    *,
    delta: float = DELTA,
    asymptote: float | None = None,
    picked: int = _PICKED,
) -> Fit:
    """Fit one law by Huber loss on log residuals, from several starts, and say whether it converged.

    Parameters
    ----------
    name : str
        Key of ``LAWS``.
    at : Point
    loss : array_like
        Measured, one per run [nat/token].
    delta : float
        Where the Huber loss turns linear; infinite for least squares on logarithms. The objective is a sum, not
        a mean, as Besiroglu et al. (arXiv 2404.10102) show it has to be.
    asymptote : float, optional
        For the pinned forms [nat/token].
    picked : int
        Starts of the grid that are refined: the best ones.

    Raises
    ------
    InputError
        If there are fewer runs than constants.

    Examples
    --------
    >>> c = np.logspace(18, 22, 9)
    >>> found = fit_law("compute", Point(compute=c), 1.7 + 300.0 * c**-0.13)
    >>> found.converged, round(found.constants["E"], 4), round(found.constants["a"], 4)
    (True, 1.7, 0.13)
    """
    known, y = law(name), np.log(np.asarray(loss, dtype=float))
    if len(y) < len(known.constants):
        raise InputError("runs", len(y), f"at least {len(known.constants)} for the constants of the form {name!r}")
    function = form(name, at, asymptote)
    grid = starts(name, at, loss)
    coarse = max(delta, 0.03)
    distance = np.abs(function.values(grid) - y).sum(axis=1)
    chosen = grid[np.argsort(distance, kind="stable")[:picked]]
    ends = solve(function, y, chosen, delta=coarse, most=60, tolerance=1e-5, polish=0)
    apart, times = _apart(ends.theta)
    ends = solve(function, y, apart, delta=delta, most=300)
    best = ends.best()
    theta = ends.theta[best]
    equal = np.abs(ends.objective - ends.objective[best]) <= 1e-6 * ends.objective[best] + 1e-15
    same = int(times[equal].sum())
    residual = function.values(theta[None])[0] - y
    held = asymptote if "pinned" in name else None
    best_value, converged = float(ends.objective[best]), bool(ends.converged[best])
    return Fit(known, theta, at, np.exp(y), residual, best_value, converged, same, held, delta)


def _apart(theta: Floats) -> tuple[Floats, Any]:
    """Ends that differ by more than a thousandth of a logarithm or an exponent, and how many starts came to each."""
    kept: list[Floats] = []
    times: list[int] = []
    for one in theta:
        near = next((k for k, other in enumerate(kept) if np.allclose(one, other, rtol=1e-3, atol=1e-3)), None)
        if near is None:
            kept.append(one)
            times.append(1)
        else:
            times[near] += 1
    return np.array(kept), np.array(times)


def bootstrap(fit: Fit, count: int = 1000, seed: int = 0) -> Solution:
    """Refit resampled runs, all at once: the parameters of `count` draws of runs with replacement.

    >>> c = np.logspace(18, 22, 9)
    >>> found = fit_law("power", Point(compute=c), 300.0 * c**-0.13)
    >>> bootstrap(found, 8).theta.shape
    (8, 2)
    """
    rows = len(fit.loss)
    counts = np.random.default_rng(seed).multinomial(rows, np.full(rows, 1.0 / rows), size=count)
    function = form(fit.law.name, fit.at, fit.asymptote)
    parts = [
        solve(
            function,
            np.log(fit.loss),
            np.repeat(fit.theta[None], len(part), axis=0),
            delta=fit.delta,
            weights=part,
            polish=0,
        )
        for part in np.array_split(counts.astype(float), max(1, count // 500))
    ]
    return Solution(
        np.concatenate([p.theta for p in parts]),
        np.concatenate([p.objective for p in parts]),
        np.concatenate([p.converged for p in parts]),
        max(p.iterations for p in parts),
    )
