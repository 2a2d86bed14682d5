"""Saturating curves: reward against reinforcement-learning compute, score against thinking tokens.

The asymptote is what everybody wants and what early data do not hold: before about twice the midpoint it is not
identified, and this module does not print one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.check import positive
from headway.facts.errors import InputError
from headway.physics.arrays import Floats
from headway.scaling.intervals import normal_quantile
from headway.scaling.solver import Smooth, Solution, solve

ENOUGH = 2.0
"""Largest compute over the midpoint below which no asymptote is given [1]; with noise 0.01 the asymptote is off by
-0.10 to +0.39 at 1, by -0.03 to +0.04 at 2."""

_LEAST = 6
_FAR = 300.0
"""Logarithm beyond which a midpoint or steepness is no number of this world."""


@dataclass(frozen=True, slots=True)
class Saturation:
    """``R = R0 + (A - R0) / (1 + (M/C)^B)``.

    Parameters
    ----------
    start, midpoint, steepness : float
        ``R0`` [1], ``M`` in the unit of the axis, ``B`` [1].
    asymptote : float or None
        ``A`` [1]; None where the data do not hold it.
    asymptote_low, asymptote_high : float or None
        Its interval [1].
    reason : str
        Why there is no asymptote.
    reach : float
        Largest point over the midpoint [1].
    spread : float
        Standard deviation of the residuals [1].
    converged : bool
    theta, covariance : ndarray
        ``R0, A, ln M, ln B`` and their covariance.
    """

    start: float
    midpoint: float
    steepness: float
    asymptote: float | None
    asymptote_low: float | None
    asymptote_high: float | None
    reason: str
    reach: float
    spread: float
    converged: bool
    theta: Floats
    covariance: Floats

    def predict(self, at: ArrayLike, level: float = 0.9) -> tuple[Floats, Floats, Floats]:
        """Value with its interval for one new measurement [1]."""
        x = np.log(np.asarray(positive("compute", at), dtype=float))
        _, slopes, _ = Smooth(_curve(x)).jacobian(self.theta[None])
        value = Smooth(_curve(x)).values(self.theta[None])[0]
        half = normal_quantile(level) * np.sqrt(
            np.einsum("np,pq,nq->n", slopes[0], self.covariance, slopes[0]) + self.spread**2
        )
        return value, value - half, value + half


def _curve(x: Floats) -> Any:
    def function(p: Any) -> Any:
        return p[:, 0] + (p[:, 1] - p[:, 0]) / (1.0 + np.exp(np.exp(p[:, 3]) * (p[:, 2] - x)))

    return function


def _steady(form: Smooth, found: Solution, flat: Floats) -> tuple[Floats, bool]:
    """The best optimum with a finite slope, and whether it converged; a flat line where scores do not rise at all.

    Scores without a rise have no midpoint: every start runs off to a step of no height.
    """
    _, slopes, _ = form.jacobian(found.theta)
    inside = np.abs(found.theta[:, 2:]).max(axis=1) < _FAR
    usable = inside & np.isfinite(slopes).all(axis=(1, 2)) & np.isfinite(found.objective)
    best = found.best()
    if not usable[best]:
        if not usable.any():
            return flat, False
        best = int(np.argmin(np.where(usable, found.objective, np.inf)))
    return found.theta[best], bool(found.converged[best])


def fit_saturation(compute: ArrayLike, score: ArrayLike, level: float = 0.9) -> Saturation:
    """Fit the saturating form by least squares and say whether its asymptote may be read.

    Parameters
    ----------
    compute : array_like
        Reinforcement-learning compute, or thinking tokens, in any one unit.
    score : array_like
        Reward or score [1].
    level : float
        Of the interval [1].

    Raises
    ------
    InputError
        If there are fewer than six points.

    References
    ----------
    Khatri et al. 2025, arXiv 2510.13786 (ScaleRL), equation 1.

    Examples
    --------
    >>> c = np.logspace(1, 4, 30)
    >>> full = fit_saturation(c, 0.2 + 0.4 / (1 + (300 / c) ** 1.8))
    >>> round(full.asymptote, 3), round(full.midpoint), round(full.steepness, 2)
    (0.6, 300, 1.8)
    >>> early = c < 400
    >>> fit_saturation(c[early], (0.2 + 0.4 / (1 + (300 / c) ** 1.8))[early]).asymptote is None
    True
    """
    x, y = np.asarray(positive("compute", compute), dtype=float), np.asarray(score, dtype=float)
    if len(x) < _LEAST:
        raise InputError("runs", len(x), f"at least {_LEAST} points for the four constants of a saturating curve")
    logs, low, high = np.log(x), float(y.min()), float(y.max())
    span = high - low or 1e-3
    grid = [
        [low, high + extra * span, middle, np.log(steep)]
        for extra in (0.05, 0.5)
        for middle in np.quantile(logs, (0.3, 0.6, 0.9)).tolist()
        for steep in (0.7, 1.5, 3.0)
    ]
    form = Smooth(_curve(logs))
    found = solve(form, y, grid, most=400)
    theta, settled = _steady(form, found, np.array([y.mean(), y.mean(), np.median(logs), 0.0]))
    _, slopes, _ = form.jacobian(theta[None])
    spread = float(np.sqrt(np.sum((form.values(theta[None])[0] - y) ** 2) / max(len(y) - 4, 1)))
    scale = np.maximum(np.sqrt((slopes[0] ** 2).sum(axis=0)), 1e-12)
    j = slopes[0] / scale
    covariance = spread**2 * np.linalg.pinv(j.T @ j, rcond=1e-12) / scale[:, None] / scale
    half = normal_quantile(level) * float(np.sqrt(covariance[1, 1]))
    reach = float(x.max() / np.exp(theta[2]))
    wide = 2.0 * half > abs(float(theta[1] - theta[0]))
    reason = ""
    if reach < ENOUGH:
        reason = f"the data end at {reach:.2g} times the midpoint; an asymptote needs about {ENOUGH:g} times"
    elif not settled or wide:
        reason = "the data do not hold the asymptote: its interval is wider than the whole rise"
    value = None if reason else float(theta[1])
    return Saturation(
        float(theta[0]),
        float(np.exp(theta[2])),
        float(np.exp(theta[3])),
        value,
        None if value is None else value - half,
        None if value is None else value + half,
        reason,
        reach,
        spread,
        settled,
        theta,
        covariance,
    )
