"""pass@k from how hard the problems are, not from the shape of the curve; and what a selector makes of it.

The curve of coverage is a mixture over problems. Its tail belongs to the hardest of them, so the distribution of
per-problem success is what is fitted; the curve follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.check import fraction, positive, whole
from headway.facts.errors import InputError, MissingExtraError
from headway.physics.arrays import Floats
from headway.scaling.intervals import normal_quantile
from headway.scaling.solver import Smooth, solve

SELECTORS = ("oracle", "verifier", "vote", "single")
"""Who picks: somebody who knows, a verifier with errors, the majority, or nobody."""
VOTE_BOUND = (
    "the vote is a lower bound: all wrong answers are taken to be alike; where they scatter, fewer right ones win"
)
"""What a report of a vote must say."""
_NARROW = 1e7


def _special() -> Any:
    try:
        import scipy.special
    except ImportError:
        raise MissingExtraError("scipy", "scaling") from None
    return scipy.special


@dataclass(frozen=True, slots=True)
class Problems:
    """Success of one try over problems: a Beta distribution.

    Parameters
    ----------
    easy, hard : float
        Its two shape parameters [1].
    covariance : ndarray
        Of their logarithms.
    count : int
        Problems it was fitted to; 0 for a curve.
    converged : bool
    """

    easy: float
    hard: float
    covariance: Floats
    count: int
    converged: bool

    def pass_at(self, tries: ArrayLike) -> Floats:
        """Chance that one of `tries` is right, over all problems: ``1 - B(a, b + k)/B(a, b)`` [1]."""
        theta = np.log(np.array([[self.easy], [self.hard]])).T
        return np.asarray(-np.expm1(_log_failure(theta[:, :, None], np.asarray(tries, dtype=float))[0].real))

    def interval(self, tries: ArrayLike, level: float = 0.9) -> tuple[Floats, Floats]:
        """Interval of :meth:`pass_at` for as many problems again [1]."""
        k = np.atleast_1d(np.asarray(tries, dtype=float))
        form = Smooth(lambda p: 1.0 - np.exp(_log_failure(p, k)))
        value, slopes, _ = form.jacobian(np.log(np.array([[self.easy, self.hard]])))
        spread = np.einsum("np,pq,nq->n", slopes[0], self.covariance, slopes[0])
        own = value[0] * (1.0 - value[0]) / self.count if self.count else 0.0
        half = normal_quantile(level) * np.sqrt(spread + own)
        return np.clip(value[0] - half, 0.0, 1.0), np.clip(value[0] + half, 0.0, 1.0)


def spread_problems(chance: float, likeness: float) -> Problems:
    """Problems of which one try solves a known share, of known spread.

    ``a = p (1/r - 1)``, ``b = (1 - p) (1/r - 1)``; `r` is the correlation of two tries at one problem.

    Parameters
    ----------
    chance : float
        Share that one try solves, ``p`` [1].
    likeness : float
        ``r``: near 0 all problems are as hard as each other, near 1 each is solved always or never [1].

    Examples
    --------
    >>> from headway.physics.parallel_agents import pass_at_n
    >>> alike, mixed = spread_problems(0.1, 1e-6), spread_problems(0.1, 0.5)
    >>> round(pass_at_n(0.1, 16), 3), alike.pass_at([16]).round(3).tolist(), mixed.pass_at([16]).round(3).tolist()
    (0.815, [0.815], [0.293])
    """
    p, r = (
        float(positive(name, fraction(name, value, allow_one=False)))
        for name, value in (("chance", chance), ("likeness", likeness))
    )
    size = 1.0 / r - 1.0
    return Problems(p * size, (1.0 - p) * size, np.zeros((2, 2)), 0, True)


def _log_failure(p: Any, tries: Floats) -> Any:
    gamma = _special().loggamma
    a, b = np.exp(p[:, 0]), np.exp(p[:, 1])
    return gamma(b + tries) + gamma(a + b) - gamma(b + 0 * tries) - gamma(a + b + tries)


def alike(chance: float) -> Problems:
    """Problems that one try solves with the same chance each, so tries are independent: ``1 - (1 - p)^k``.

    >>> alike(0.1).pass_at([1, 16]).round(3).tolist()
    [0.1, 0.815]
    """
    share = float(positive("chance", fraction("chance", chance, allow_one=False)))
    # So narrow a Beta distribution that nothing of its width is left.
    return Problems(share * _NARROW, (1.0 - share) * _NARROW, np.zeros((2, 2)), 0, True)


def fit_problems(right: ArrayLike, tries: ArrayLike) -> Problems:
    """Fit the distribution to counts of right answers per problem, by maximum likelihood of a beta-binomial.

    Parameters
    ----------
    right, tries : array_like
        One per problem [1].

    Raises
    ------
    InputError
        If counts do not fit, or nothing was ever solved.

    References
    ----------
    Schaeffer et al. 2025, PMLR 267: power laws of pass@k come from the left tail of per-problem success.

    Examples
    --------
    >>> found = fit_problems([0, 0, 1, 5, 9, 30, 80, 100], 100)
    >>> found.converged, bool(found.pass_at(1000) > found.pass_at(100))
    (True, True)
    """
    c, n = np.asarray(whole("right", right, least=0), dtype=float), np.asarray(whole("tries", tries), dtype=float)
    c, n = np.broadcast_arrays(c, n)
    if np.any(c > n):
        raise InputError("right", float(c[c > n][0]), "at most as many as tries")
    if len(c) < 3 or c.sum() == 0 or np.all(c == n):
        raise InputError("right", f"{c.sum():g} of {n.sum():g}", "at least 3 problems, some solved and some not")
    special = _special()
    theta = np.log(np.array([0.5, 2.0]))
    best, gradient, hessian = _likelihood(special, theta, c, n)
    damping = 1e-2
    for _ in range(200):
        if damping > 1e12 or np.abs(gradient).max() < 1e-8 * len(c):
            break
        step = np.linalg.solve(hessian + damping * np.diag(np.abs(np.diag(hessian)) + 1e-9), -gradient)
        value, slope, bend = _likelihood(special, theta + np.clip(step, -2, 2), c, n)
        if np.isfinite(value) and value <= best + 1e-12 * abs(best):
            theta, best, gradient, hessian = theta + np.clip(step, -2, 2), value, slope, bend
            damping = max(damping / 5.0, 1e-12)
        else:
            damping *= 6.0
    done = bool(np.abs(gradient).max() < 1e-5 * len(c))
    return Problems(float(np.exp(theta[0])), float(np.exp(theta[1])), np.asarray(np.linalg.pinv(hessian)), len(c), done)


def _likelihood(special: Any, theta: Floats, c: Floats, n: Floats) -> tuple[float, Floats, Floats]:
    """Negative log likelihood of a beta-binomial in the logarithms of its shapes, with two derivatives."""
    a, b = np.exp(theta)
    log, psi = special.gammaln, special.digamma
    value = -np.sum(log(c + a) + log(n - c + b) - log(n + a + b) + log(a + b) - log(a) - log(b))
    both = psi(a + b) - psi(n + a + b)
    slope = -np.array([np.sum(psi(c + a) - psi(a) + both) * a, np.sum(psi(n - c + b) - psi(b) + both) * b])
    one = special.polygamma
    cross = np.sum(one(1, a + b) - one(1, n + a + b))
    bend = -np.array(
        [
            [(np.sum(one(1, c + a) - one(1, a)) + cross) * a * a, cross * a * b],
            [cross * a * b, (np.sum(one(1, n - c + b) - one(1, b)) + cross) * b * b],
        ]
    ) + np.diag(slope)
    return float(value), slope, bend


def fit_curve_of_problems(tries: ArrayLike, covered: ArrayLike) -> Problems:
    """Fit the distribution to a curve of pass@k, where counts per problem are not at hand.

    Examples
    --------
    >>> k = np.array([1, 3, 10, 30, 100])
    >>> curve = Problems(0.3, 3.0, np.zeros((2, 2)), 0, True).pass_at(k)
    >>> found = fit_curve_of_problems(k, curve)
    >>> round(found.easy, 4), round(found.hard, 4)
    (0.3, 3.0)
    """
    k, y = np.asarray(whole("k", tries), dtype=float), np.asarray(fraction("pass@k", covered), dtype=float)
    if len(k) < 3:
        raise InputError("pass@k", len(k), "at least 3 points of the curve")
    form = Smooth(lambda p: np.real_if_close(_log_failure(p, k), tol=0) if np.isrealobj(p) else _log_failure(p, k))
    grid = [[np.log(a), np.log(b)] for a in (0.1, 0.5, 2.0) for b in (0.5, 3.0, 20.0)]
    found = solve(form, np.log1p(-np.minimum(y, 1 - 1e-9)), grid, most=400)
    best = found.best()
    theta = found.theta[best]
    _, slopes, _ = form.jacobian(theta[None])
    noise = 2.0 * found.objective[best] / max(len(k) - 2, 1)
    covariance = np.asarray(noise * np.linalg.pinv(slopes[0].T @ slopes[0]), dtype=float)
    return Problems(float(np.exp(theta[0])), float(np.exp(theta[1])), covariance, 0, bool(found.converged[best]))


def selected(problems: Problems, tries: ArrayLike, selector: str, hit: float = 0.9, false: float = 0.1) -> Floats:
    """Accuracy after a selector has picked one of `tries` answers.

    The oracle turns coverage into accuracy; a verifier accepts right answers with chance `hit` and wrong ones with
    `false`, and the pick is one of those accepted, of all where none is; a vote is right where more than half of the
    answers are, which is a lower bound: it takes the wrong answers to be all alike, and where they scatter fewer right
    ones win.

    Parameters
    ----------
    problems : Problems
    tries : array_like
        [1].
    selector : {"oracle", "verifier", "vote", "single"}
    hit, false : float
        Of the verifier [1].

    Examples
    --------
    >>> one = Problems(0.6, 2.0, np.zeros((2, 2)), 0, True)
    >>> [round(float(selected(one, 100, s)[0]), 2) for s in SELECTORS]
    [0.91, 0.56, 0.14, 0.23]
    """
    from headway.facts.errors import unknown

    if selector not in SELECTORS:
        raise unknown("selector", selector, SELECTORS)
    k = np.atleast_1d(np.asarray(whole("tries", tries), dtype=float))
    if selector == "oracle":
        return problems.pass_at(k)
    p, weight = _quantiles(problems)
    if selector == "single":
        return np.full(len(k), float(weight @ p))
    if selector == "vote":
        half = np.floor(k / 2.0)[:, None]
        chance = _special().betainc(half + 1.0, k[:, None] - half, p[None])
        return np.asarray(chance @ weight)
    accepted = p * fraction("hit", hit) + (1.0 - p) * fraction("false", false)
    some = -np.expm1(k[:, None] * np.log1p(-np.minimum(accepted, 1 - 1e-15))[None])
    right = np.divide(p * hit, accepted, out=np.zeros_like(p), where=accepted > 0)
    refused = np.divide(p * (1.0 - hit), 1.0 - accepted, out=np.zeros_like(p), where=accepted < 1)
    return np.asarray((some * right + (1.0 - some) * refused) @ weight)


def _quantiles(problems: Problems, points: int = 4000) -> tuple[Floats, Floats]:
    share = (np.arange(points) + 0.5) / points
    return np.asarray(_special().betaincinv(problems.easy, problems.hard, share)), np.full(points, 1.0 / points)
