"""Ladders whose truth is known: planted constants, fitted from small runs, judged on larger ones.

No laboratory has published the numbers behind its four axes. What can be checked is whether the fit finds a truth
that is there, and how far off its forecast of a hidden rung is.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from headway.facts.check import not_negative, positive
from headway.facts.scaling_laws import LossLaw
from headway.physics.arrays import Floats
from headway.physics.lifetime import loss as law_loss
from headway.scaling.forms import Point
from headway.scaling.intervals import interval, rolling_band
from headway.scaling.laws import fit_law
from headway.scaling.runs import Runs
from headway.scaling.saturating import fit_saturation
from headway.scaling.tasks import ScoreCurve


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of scaling: what was planted, what was found, and the hidden rung.

    Parameters
    ----------
    name : str
    constant : str
        Which constant is compared.
    planted, found : float
        Its true and its fitted value [1].
    error : float
        Forecast over truth of the hidden rung, less one, without sign [1].
    held : bool
        Whether the 90% interval holds the truth of the hidden rung.
    """

    name: str
    constant: str
    planted: float
    found: float
    error: float
    held: bool


SATURATING = (
    ("reinforcement learning", 10.0, 3e3, 300.0, 2.0),
    ("thinking tokens", 100.0, 3e4, 3000.0, 1.2),
    ("agents", 1.0, 64.0, 8.0, 1.5),
)
"""Axis, its smallest and largest measured point, planted midpoint and steepness [1]; all rise from 0.2 to 0.6."""

_START, _TOP, _POINTS = 0.2, 0.6, 40


LARGEST = 6.0 * 10**9.7 * 10**11.5
"""Compute of the largest of the planted runs, unless another is asked for [FLOP]."""


def planted_runs(law: LossLaw, noise: float = 0.003, seed: int = 0, largest: float = LARGEST) -> Runs:
    """Plant a law on 36 runs: six sizes by six amounts of tokens, the largest of some compute.

    Parameters
    ----------
    law : LossLaw
    noise : float
        Standard deviation of the logarithm of a loss [1].
    seed : int
    largest : float
        Compute of the largest run [FLOP].

    Returns
    -------
    Runs

    Examples
    --------
    >>> from headway.facts.scaling_laws import loss_law
    >>> runs = planted_runs(loss_law("epoch-2024"), largest=1e20)
    >>> len(runs.loss), f"{runs.at.compute.max():.2g}"
    (36, '1e+20')
    """
    not_negative("noise", noise)
    n, d = (x.ravel() for x in np.meshgrid(np.logspace(8, 9.7, 6), np.logspace(9.7, 11.5, 6)))
    scale = np.sqrt(positive("largest", largest, "FLOP") / LARGEST)
    if largest != LARGEST:
        n, d = n * scale, d * scale
    at = Point(n, d, 6.0 * n * d)
    loss = law_loss(law, n, d) * np.exp(noise * np.random.default_rng(seed).normal(size=len(n)))
    rows = tuple(range(2, len(n) + 2))
    names = tuple(f"planted {i}" for i in rows)
    return Runs("planted", names, at, loss, rows, "loss", (), MappingProxyType({}), (f"planted: {law.name}",))


def pretraining_axis(law: LossLaw, noise: float = 0.003, seed: int = 0) -> Axis:
    """Plant a law of loss on 36 runs up to about 1e22 FLOP and forecast one of 5e22 FLOP.

    Parameters
    ----------
    law : LossLaw
    noise : float
        Standard deviation of the logarithm of a loss [1].
    seed : int

    Examples
    --------
    >>> from headway.facts.scaling_laws import loss_law
    >>> found = pretraining_axis(loss_law("epoch-2024"))
    >>> found.held, found.error < 0.01
    (True, True)
    """
    runs = planted_runs(law, noise, seed)
    far = Point(np.array([2e10]), np.array([4.2e11]), np.array([5e22]))
    fit = fit_law("chinchilla", runs.at, runs.loss)
    value, low, high = interval(fit, rolling_band(fit), far)
    there = np.ravel(law_loss(law, 2e10, 4.2e11))
    return Axis(
        "pre-training",
        "size exponent",
        law.size_exponent,
        fit.constants["a"],
        float(abs(value[0] / there[0] - 1.0)),
        bool(low[0] <= there[0] <= high[0]),
    )


SCORES = ScoreCurve(floor=0.25, steepness=6.0, middle=2.0, top=1.0, spread=0.0, converged=True)
"""Planted score of a task against the loss: chance at 0.25, half of the way at 2 nats a token."""


def planted_scores(runs: Runs, curve: ScoreCurve = SCORES, noise: float = 0.008, seed: int = 0) -> Floats:
    """Scores of runs: a sigmoid of their loss, with the scatter of repeated runs [1].

    >>> from headway.facts.scaling_laws import loss_law
    >>> scores = planted_scores(planted_runs(loss_law("epoch-2024")), noise=0.0)
    >>> bool(scores[0] < scores[-1] < 1.0)
    True
    """
    scatter = not_negative("noise", noise) * np.random.default_rng(seed).normal(size=len(runs.loss))
    return np.asarray(np.clip(curve.score(runs.loss) + scatter, 0.0, 1.0))


def planted_saturation(
    start: float, top: float, middle: float, steepness: float, *, reach: float, noise: float = 0.005, seed: int = 0
) -> tuple[Floats, Floats, Floats]:
    """Measured points of a saturating curve up to `reach` times its midpoint.

    Parameters
    ----------
    start, top : float
        ``R0`` and ``A`` [1].
    middle : float
        ``M``, in the unit of the axis.
    steepness : float
        ``B`` [1].
    reach : float
        Largest point over the midpoint [1].
    noise : float
        Standard deviation of a score [1].
    seed : int

    Returns
    -------
    at, score, truth : ndarray
        40 points, spread evenly in the logarithm from a thirtieth of the midpoint on.

    Examples
    --------
    >>> at, score, truth = planted_saturation(0.2, 0.6, 3000.0, 1.2, reach=10.0, noise=0.0)
    >>> float(at[-1]), bool((score == truth).all()), round(float(truth[-1]), 2)
    (30000.0, True, 0.58)
    """
    most = float(positive("middle", middle)) * float(positive("reach", reach))
    at = np.geomspace(middle / 30.0, most, _POINTS)
    truth = start + (top - start) / (1.0 + (middle / at) ** positive("steepness", steepness))
    score = truth + not_negative("noise", noise) * np.random.default_rng(seed).normal(size=_POINTS)
    return at, np.asarray(score), np.asarray(truth)


def saturating_axes(noise: float = 0.005, seed: int = 0) -> tuple[Axis, ...]:
    """Plant a saturating curve on the three axes after pre-training and forecast four times the largest point.

    Parameters
    ----------
    noise : float
        Standard deviation of a score [1].
    seed : int

    Examples
    --------
    >>> [(a.name, round(a.found, 1)) for a in saturating_axes(0.001)]
    [('reinforcement learning', 0.6), ('thinking tokens', 0.6), ('agents', 0.6)]
    """
    not_negative("noise", noise)
    rng = np.random.default_rng(seed)
    found = []
    for name, least, most, middle, steep in SATURATING:
        x = np.logspace(np.log10(least), np.log10(most), _POINTS)
        score = _START + (_TOP - _START) / (1.0 + (middle / x) ** steep)
        fit = fit_saturation(x, score + noise * rng.normal(size=_POINTS))
        there = _START + (_TOP - _START) / (1.0 + (middle / (4.0 * most)) ** steep)
        value, low, high = (float(v[0]) for v in fit.predict([4.0 * most]))
        top = float("nan") if fit.asymptote is None else fit.asymptote
        found.append(Axis(name, "asymptote", _TOP, top, abs(value / there - 1.0), low <= there <= high))
    return tuple(found)
