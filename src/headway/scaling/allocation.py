"""How to split compute between size and tokens: the three approaches of Hoffmann et al. side by side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.check import positive
from headway.facts.scaling_laws import LossLaw
from headway.physics.arrays import Floats
from headway.scaling.forms import Point
from headway.scaling.intervals import computes
from headway.scaling.laws import Fit

_GROUP = 0.08
_LEAST = 4
_GRID = 1201


@dataclass(frozen=True, slots=True)
class Allocation:
    """Optimal size as a power of compute, ``N* = k C^e``.

    Parameters
    ----------
    method : str
    exponent : float
        ``e`` [1]; not a number where the method does not apply.
    size : float
        ``N*`` at the compute asked for [1].
    tokens : float
        ``D*`` there [token].
    reason : str
        Why there is no answer; empty where there is one.
    """

    method: str
    exponent: float
    size: float
    tokens: float
    reason: str = ""


def optimal_point(fit: Fit, compute: ArrayLike) -> Point:
    """Size and tokens of least loss at ``6 N D = C``, by a fine grid over sizes and a parabola through its best.

    Parameters
    ----------
    fit : Fit
        Of a law in size and tokens.
    compute : array_like
        [FLOP].

    Examples
    --------
    >>> n, d = np.meshgrid(np.logspace(8, 10, 5), np.logspace(9, 11, 5))
    >>> runs = Point(size=n.ravel(), tokens=d.ravel())
    >>> from headway.scaling.laws import fit_law
    >>> fit = fit_law("chinchilla", runs, 1.8 + 480 / runs.size**0.35 + 2100 / runs.tokens**0.37)
    >>> best = optimal_point(fit, 5.76e23)
    >>> round(float(best.tokens[0] / best.size[0]))
    16
    """
    asked = np.atleast_1d(np.asarray(positive("compute", compute, "FLOP"), dtype=float))
    grid = np.linspace(np.log(1e4), np.log(1e15), _GRID)
    size = np.exp(np.broadcast_to(grid, (len(asked), _GRID))).ravel()
    each = np.repeat(asked, _GRID)
    loss = fit.predict(Point(size=size, tokens=each / (6.0 * size), compute=each)).reshape(len(asked), _GRID)
    place = np.clip(np.argmin(loss, axis=1), 1, _GRID - 2)
    rows = np.arange(len(asked))
    before, here, after = loss[rows, place - 1], loss[rows, place], loss[rows, place + 1]
    bend = before - 2.0 * here + after
    shift = np.where(bend > 0, 0.5 * (before - after) / np.where(bend > 0, bend, 1.0), 0.0)
    best = np.exp(grid[place] + np.clip(shift, -1.0, 1.0) * (grid[1] - grid[0]))
    return Point(size=best, tokens=asked / (6.0 * best), compute=asked)


def _groups(at: Point) -> list[Floats]:
    """Runs of nearly one compute: IsoFLOP groups."""
    logs = np.log10(computes(at))
    order = np.argsort(logs)
    cuts = np.flatnonzero(np.diff(logs[order]) > _GROUP) + 1
    return [np.asarray(part) for part in np.split(order, cuts)]


def _line(method: str, compute: list[float], size: list[float], asked: float, reason: str) -> Allocation:
    if len(compute) < 2:
        return Allocation(method, float("nan"), float("nan"), float("nan"), reason)
    slope, level = np.polyfit(np.log(compute), np.log(size), 1)
    best = float(np.exp(level + slope * np.log(asked)))
    return Allocation(method, float(slope), best, asked / (6.0 * best))


def envelope(at: Point, loss: ArrayLike, compute: float) -> Allocation:
    """Approach 1: the runs that no run of the same or less compute beats, and a line through their sizes.

    Examples
    --------
    >>> n = np.array([1e8, 1e9, 1e10])
    >>> found = envelope(Point(size=n, tokens=20 * n), [3.0, 2.5, 2.2], 1.2e22)
    >>> round(found.exponent, 3), f"{found.size:.3g}"
    (0.5, '1e+10')
    """
    values, total = np.asarray(loss, dtype=float), computes(at)
    order = np.lexsort((values, np.round(np.log(total), 6)))
    best = np.minimum.accumulate(values[order])
    kept = order[values[order] <= best]
    size = np.asarray(at.size)
    reason = "fewer than two runs on the envelope"
    return _line("approach 1, envelope", total[kept].tolist(), size[kept].tolist(), compute, reason)


def isoflop(at: Point, loss: ArrayLike, compute: float) -> Allocation:
    """Approach 2: a parabola in the logarithm of size through each group of one compute, and a line through them.

    Examples
    --------
    >>> n = np.array([1e8, 2e8, 4e8, 8e8] * 2) * np.repeat([1.0, 10.0], 4)
    >>> c = np.repeat([1e19, 1e21], 4)
    >>> bowl = 3 + np.log(n / np.repeat([3e8, 3e9], 4)) ** 2
    >>> found = isoflop(Point(size=n, tokens=c / 6 / n, compute=c), bowl, 1e21)
    >>> round(found.exponent, 3), f"{found.size:.3g}"
    (0.5, '3e+09')
    """
    values, total, size = np.asarray(loss, dtype=float), computes(at), np.asarray(at.size)
    places, optima = [], []
    for group in _groups(at):
        x = np.log(size[group])
        if len(np.unique(np.round(x, 6))) < _LEAST:
            continue
        bend, slope, _ = np.polyfit(x - x.mean(), values[group], 2)
        if bend <= 0:
            continue
        lowest = x.mean() - slope / (2.0 * bend)
        if x.min() <= lowest <= x.max():
            places.append(float(np.exp(np.log(total[group]).mean())))
            optima.append(float(np.exp(lowest)))
    reason = f"fewer than two groups of {_LEAST} sizes at one compute with a minimum inside"
    return _line("approach 2, IsoFLOP parabolas", places, optima, compute, reason)


def by_law(fit: Fit, compute: float) -> Allocation:
    """Approach 3: the optimum of a fitted law.

    >>> n, d = np.meshgrid(np.logspace(8, 10, 5), np.logspace(9, 11, 5))
    >>> runs = Point(size=n.ravel(), tokens=d.ravel())
    >>> from headway.scaling.laws import fit_law
    >>> fit = fit_law("chinchilla", runs, 1.8 + 480 / runs.size**0.35 + 2100 / runs.tokens**0.37)
    >>> round(by_law(fit, 1e23).exponent, 3)
    0.514
    """
    best = optimal_point(fit, [compute, compute * 10.0])
    size, tokens = np.asarray(best.size), np.asarray(best.tokens)
    kind = "Huber" if np.isfinite(fit.delta) else "least squares"
    return Allocation(
        f"approach 3, {fit.law.name}, {kind}",
        float(np.log10(size[1] / size[0])),
        float(size[0]),
        float(tokens[0]),
    )


@dataclass(frozen=True, slots=True)
class EqualLoss:
    """The cheapest run with the loss of a given one.

    Parameters
    ----------
    loss : float
        Of both [nat/token].
    compute : float
        Of the given run, ``6 N D`` [FLOP].
    size, tokens : float
        Of the cheapest run [1], [token].
    least : float
        Its compute [FLOP].
    ratio : float
        Given over least compute [1].
    left : float
        Part of a claimed ratio that the split between size and tokens does not explain [1].
    """

    loss: float
    compute: float
    size: float
    tokens: float
    least: float
    ratio: float
    left: float


def equal_loss(law: LossLaw, params: float, tokens: float, claimed: float = 1.0) -> EqualLoss:
    """Least compute at the loss of a given run: ``A/N^a = R b/(a + b)``, ``B/D^b = R a/(a + b)``, ``R = L - E``.

    Parameters
    ----------
    law : LossLaw
    params, tokens : float
        Of the given run [1], [token].
    claimed : float
        Ratio that somebody claims [1].

    References
    ----------
    The condition of Hoffmann et al. 2022, arXiv 2203.15556, equation 4, solved for loss instead of compute.

    Examples
    --------
    >>> from headway.facts.scaling_laws import loss_law
    >>> found = equal_loss(loss_law("epoch-2024"), 8e9, 15e12)
    >>> round(found.ratio, 2), f"{found.size:.3g}", f"{found.tokens:.3g}"
    (5.51, '3.38e+10', '6.45e+11')
    """
    size = float(positive("params", params))
    seen = float(positive("tokens", tokens, "token"))
    a, b = law.size_exponent, law.data_exponent
    rest = law.size_coefficient / size**a + law.data_coefficient / seen**b
    best = (law.size_coefficient * (a + b) / (rest * b)) ** (1.0 / a)
    data = (law.data_coefficient * (a + b) / (rest * a)) ** (1.0 / b)
    ratio = size * seen / (best * data)
    return EqualLoss(
        law.irreducible + rest,
        6.0 * size * seen,
        best,
        data,
        6.0 * best * data,
        ratio,
        float(positive("claimed", claimed)) / ratio,
    )
