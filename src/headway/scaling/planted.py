"""Ladders whose truth is known: planted constants, fitted from small runs, judged on larger ones.

No laboratory has published the numbers behind its four axes. What can be checked is whether the fit finds a truth
that is there, and how far off its forecast of a hidden rung is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headway.facts.check import not_negative
from headway.facts.scaling_laws import LossLaw
from headway.physics.arrays import Floats
from headway.scaling.forms import Point
from headway.scaling.intervals import interval, rolling_band
from headway.scaling.laws import fit_law
from headway.scaling.saturating import fit_saturation


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
    not_negative("noise", noise)
    n, d = (x.ravel() for x in np.meshgrid(np.logspace(8, 9.7, 6), np.logspace(9.7, 11.5, 6)))
    far = Point(np.array([2e10]), np.array([4.2e11]), np.array([5e22]))

    def truth(size: Floats, tokens: Floats) -> Floats:
        first = law.size_coefficient / size**law.size_exponent
        return np.asarray(law.irreducible + first + law.data_coefficient / tokens**law.data_exponent)

    loss = truth(n, d) * np.exp(noise * np.random.default_rng(seed).normal(size=len(n)))
    fit = fit_law("chinchilla", Point(n, d, 6.0 * n * d), loss)
    value, low, high = interval(fit, rolling_band(fit), far)
    there = truth(np.array([2e10]), np.array([4.2e11]))
    return Axis(
        "pre-training",
        "size exponent",
        law.size_exponent,
        fit.constants["a"],
        float(abs(value[0] / there[0] - 1.0)),
        bool(low[0] <= there[0] <= high[0]),
    )


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
