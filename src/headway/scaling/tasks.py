"""Scores of a task in two steps: its loss by a law of size and tokens, its score by a sigmoid of the loss.

The upper asymptote of the sigmoid is held at one. Left free it is set by runs that are nowhere near it, and that is
what breaks the forecast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.errors import InputError
from headway.physics.arrays import Floats
from headway.scaling.forms import Point
from headway.scaling.intervals import normal_quantile
from headway.scaling.ladder import Forecast, Holdout, Ladder, climb, forecasts, judge
from headway.scaling.runs import Runs
from headway.scaling.solver import Smooth, solve

NOISE = 0.008
"""Standard deviation of a score from run to run: repeated runs differ by up to 1.6 points [1]."""

_LEAST = 5
_LOSSES = ("chinchilla", "tied", "compute", "power")


@dataclass(frozen=True, slots=True)
class ScoreCurve:
    """``score = 1 - (1 - f) / (1 + exp(-k (l - m)))``: one at no loss, `f` at much.

    Parameters
    ----------
    floor, steepness, middle : float
        ``f`` [1], ``k`` [1/nat or 1/bit], ``m`` in the unit of the loss.
    top : float
        Upper asymptote [1].
    spread : float
        Standard deviation of the scores around it [1].
    converged : bool
    """

    floor: float
    steepness: float
    middle: float
    top: float
    spread: float
    converged: bool

    def score(self, loss: ArrayLike) -> Floats:
        """Score at a task loss [1]."""
        theta = np.array([[self.floor, np.log(self.steepness), self.middle, self.top]])
        return np.asarray(_curve(theta[:, :, None], np.asarray(loss, dtype=float))[0])


def _curve(p: object, loss: Floats) -> Floats:
    floor, steep, middle, top = p[:, 0], p[:, 1], p[:, 2], p[:, 3]  # type: ignore[index]
    return np.asarray(top - (top - floor) / (1.0 + np.exp(-np.exp(steep) * (loss - middle))))


def fit_curve(loss: ArrayLike, score: ArrayLike, top: float | None = 1.0) -> ScoreCurve:
    """Fit the sigmoid; `top` None leaves the upper asymptote free.

    Parameters
    ----------
    loss, score : array_like
        Of the same runs; scores from 0 to 1.
    top : float or None
        Upper asymptote [1].

    References
    ----------
    Bhagia et al. 2024, arXiv 2412.04403, step 2, there with a free asymptote.

    Examples
    --------
    >>> l = np.linspace(0.6, 2.0, 12)
    >>> curve = fit_curve(l, 1 - 0.75 / (1 + np.exp(-4 * (l - 0.9))))
    >>> round(curve.floor, 3), round(curve.steepness, 3), round(curve.middle, 3)
    (0.25, 4.0, 0.9)
    """
    x, y = np.asarray(loss, dtype=float), np.asarray(score, dtype=float)
    if len(x) < _LEAST:
        raise InputError("scores", len(x), f"at least {_LEAST} runs with a score")
    if np.any((y < 0) | (y > 1)):
        raise InputError("score", float(y[(y < 0) | (y > 1)][0]), "scores from 0 to 1")
    held = 1.0 if top is None else top

    def function(p: object) -> Floats:
        if top is None:
            return _curve(p, x)
        ends = np.broadcast_to(np.asarray(held), p[:, :1].shape)  # type: ignore[index]
        return _curve(np.concatenate([p, ends], axis=1), x)

    span = float(np.ptp(x)) or 1.0
    grid = [
        [max(float(y.min()) - 0.02, 0.0), np.log(k / span), m, *([0.9] if top is None else [])]
        for k in (1.0, 3.0, 8.0)
        for m in (float(x.min()) - 0.5 * span, float(x.min()), float(np.median(x)))
    ]
    found = solve(Smooth(function), y, grid, delta=0.02, most=400)
    best = found.best()
    theta = found.theta[best]
    residual = np.asarray(function(theta[None, :, None]))[0] - y
    spread = float(np.sqrt(np.sum(residual**2) / max(len(y) - len(theta), 1)))
    end = held if top is not None else float(theta[3])
    return ScoreCurve(
        float(theta[0]), float(np.exp(theta[1])), float(theta[2]), end, spread, bool(found.converged[best])
    )


@dataclass(frozen=True, slots=True)
class TaskForecast:
    """Score of a task with its interval.

    Parameters
    ----------
    loss : ndarray
        Of the task, in its own unit.
    value, low, high : ndarray
        Score [1].
    """

    loss: Floats
    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Task:
    """Both steps, fitted.

    Parameters
    ----------
    ladder : Ladder
        Of the task's loss.
    curve : ScoreCurve
    """

    ladder: Ladder
    curve: ScoreCurve


def fit_task(runs: Runs, score: ArrayLike, top: float | None = 1.0, level: float = 0.9, method: str = "auto") -> Task:
    """Fit both steps to runs whose loss column is the task's own loss.

    >>> from headway.scaling.runs import runs_of
    >>> c = np.logspace(18, 20, 9)
    >>> runs = runs_of(Point(compute=c), 0.5 + 300 * c**-0.13, "bpb")
    >>> task = fit_task(runs, 1 - 0.75 / (1 + np.exp(-4 * (runs.loss - 0.9))))
    >>> task.curve.converged
    True
    """
    return Task(climb(runs, method, level=level, laws=_LOSSES), fit_curve(runs.loss, score, top))


def forecast_task(task: Task, at: Point) -> TaskForecast:
    """Score at other runs: the loss interval through the sigmoid, and the scatter around it.

    >>> from headway.scaling.runs import runs_of
    >>> c = np.logspace(18, 20, 9)
    >>> runs = runs_of(Point(compute=c), 0.5 + 300 * c**-0.13, "bpb")
    >>> task = fit_task(runs, 1 - 0.75 / (1 + np.exp(-4 * (runs.loss - 0.9))))
    >>> found = forecast_task(task, Point(compute=np.array([1e21])))
    >>> bool(found.low[0] < found.value[0] < found.high[0])
    True
    """
    step = forecasts(task.ladder, at)[0]
    value, worse, better = (task.curve.score(v) for v in (step.value, step.high, step.low))
    around = normal_quantile(task.ladder.level) * np.hypot(task.curve.spread, NOISE)
    low = value - np.hypot(value - worse, around)
    high = value + np.hypot(better - value, around)
    return TaskForecast(step.value, value, np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0))


def judge_task(forecast: TaskForecast, measured: ArrayLike) -> Holdout:
    """Compare forecast scores with measured ones.

    >>> one = np.array([0.5])
    >>> judge_task(TaskForecast(one, one, one - 0.1, one + 0.1), [0.55]).covered
    1.0
    """
    scores = np.asarray(measured, dtype=float)
    return judge(Forecast("two-step", Point(compute=scores), forecast.value, forecast.low, forecast.high), scores)
