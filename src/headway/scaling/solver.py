"""Many robust fits of one form at once: damped Newton steps on a Huber loss, checked for convergence.

Every fit of this room (laws, bootstraps, learning curves, certified problems) is a batch of this solver. The batch
is over starts and over weights, so a thousand bootstraps are array operations and not a loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.errors import InputError
from headway.physics.arrays import Floats

_TINY = 1e-30
_FEW = 8


class Form(Protocol):
    """What can be fitted: values and their derivatives for a batch of parameters."""

    def values(self, theta: Floats) -> Floats:
        """Predictions, shape (fits, rows), for parameters of shape (fits, parameters)."""

    def jacobian(self, theta: Floats) -> tuple[Floats, Floats, Any]:
        """Predictions, their derivatives (fits, rows, parameters), and what `curvature` needs."""

    def curvature(self, kept: Any, slope: Floats) -> Floats | None:
        """Sum over rows of `slope` times the second derivatives; None where it is not known."""


@dataclass(frozen=True, slots=True)
class LogSum:
    """``log y = log sum_t exp(X_t theta)``: every sum of power laws, with its exact gradient and curvature.

    Parameters
    ----------
    terms : ndarray
        Design ``X``, shape (terms, rows, parameters).
    squares : ndarray
        ``X_t X_t'`` of each term and row, flat; :func:`log_sum` makes both.
    columns : tuple of tuple of int
        Parameters that each term depends on.
    offset : ndarray
        Added to the exponent of each term, shape (terms, 1): the logarithm of what is not fitted.
    turned : ndarray
        The design with its last axes swapped.
    """

    terms: Floats
    squares: Floats
    columns: tuple[tuple[int, ...], ...]
    offset: Floats
    turned: Floats

    def _parts(self, theta: Floats) -> tuple[Floats, Floats]:
        count, rows, size = self.terms.shape
        exponents = (theta @ self.terms.reshape(count * rows, size).T).reshape(len(theta), count, rows)
        exponents = exponents + self.offset
        top = exponents.max(axis=1, keepdims=True)
        shares = np.exp(exponents - top)
        total = shares.sum(axis=1, keepdims=True)
        shares /= total
        return (top + np.log(total))[:, 0], shares

    def values(self, theta: Floats) -> Floats:
        """Logarithm of the sum."""
        return self._parts(theta)[0]

    def jacobian(self, theta: Floats) -> tuple[Floats, Floats, Any]:
        """Each term's design, weighted by its share of the sum."""
        found, shares = self._parts(theta)
        # Parameters before rows: every sum over rows is then over neighbours.
        turned = np.zeros((len(theta), self.terms.shape[2], self.terms.shape[1]))
        for term, columns in enumerate(self.columns):
            for column in columns:
                turned[:, column] += shares[:, term] * self.turned[term, column]
        slopes = np.swapaxes(turned, 1, 2)
        return found, slopes, (shares, slopes)

    def curvature(self, kept: Any, slope: Floats) -> Floats | None:
        """``sum slope (sum_t share_t X_t X_t' - J J')``."""
        shares, slopes = kept
        count, rows, size = self.terms.shape
        first = ((shares * slope[:, None]).reshape(len(slope), count * rows) @ self.squares).reshape(-1, size, size)
        return np.asarray(first - np.swapaxes(slopes * slope[:, :, None], 1, 2) @ slopes)


def log_sum(terms: ArrayLike, offset: ArrayLike = 0.0) -> LogSum:
    """Prepare a design of shape (terms, rows, parameters), with one constant `offset` per term.

    >>> log_sum(np.ones((2, 3, 1))).values(np.zeros((1, 1))).round(4).tolist()
    [[0.6931, 0.6931, 0.6931]]
    """
    design = np.asarray(terms, dtype=float)
    count, rows, size = design.shape
    squares = (design[:, :, :, None] * design[:, :, None, :]).reshape(count * rows, size * size)
    columns = tuple(tuple(np.flatnonzero(np.any(term, axis=0)).tolist()) for term in design)
    added = np.broadcast_to(np.asarray(offset, dtype=float), (count,))[:, None]
    return LogSum(design, squares, columns, added, np.ascontiguousarray(np.swapaxes(design, 1, 2)))


@dataclass(frozen=True, slots=True)
class Smooth:
    """Any analytic function of its parameters; the gradient is exact, by a complex step.

    Parameters
    ----------
    function : callable
        Parameters of shape (fits, parameters, 1) to predictions (fits, rows), for complex numbers too.

    References
    ----------
    Squire and Trapp, SIAM Review 40 (1998) 110: ``f'(x) = Im f(x + ih)/h`` without cancellation.
    """

    function: Callable[[Any], Any]

    def values(self, theta: Floats) -> Floats:
        """Predictions."""
        with np.errstate(all="ignore"):
            return np.asarray(self.function(theta[:, :, None]))

    def jacobian(self, theta: Floats) -> tuple[Floats, Floats, Any]:
        """Predictions and one complex step per parameter."""
        found, slopes = self.values(theta), []
        for column in range(theta.shape[1]):
            step = 1e-30 * np.maximum(np.abs(theta[:, column]), 1e-10)
            moved = theta.astype(complex)
            moved[:, column] += 1j * step
            with np.errstate(all="ignore"):
                slopes.append(np.imag(self.function(moved[:, :, None])) / step[:, None])
        return found, np.stack(slopes, axis=2), None

    def curvature(self, kept: Any, slope: Floats) -> Floats | None:
        """Not known."""
        del kept, slope
        return None


@dataclass(frozen=True, slots=True)
class Solution:
    """Optima of a batch.

    Parameters
    ----------
    theta : ndarray
        Parameters, shape (fits, parameters).
    objective : ndarray
        Weighted sum of Huber losses at the end [1].
    converged : ndarray of bool
        Whether the last step promised no further decrease.
    iterations : int
        Steps taken by the slowest.
    """

    theta: Floats
    objective: Floats
    converged: Any
    iterations: int

    def best(self) -> int:
        """Index of the lowest objective; a converged one wins among equals."""
        worse = np.where(np.isfinite(self.objective), self.objective, np.inf) * np.where(self.converged, 1.0, 1 + 1e-9)
        return int(np.argmin(worse))


def huber(residual: ArrayLike, delta: float) -> Any:
    """Huber loss: half the square below `delta`, a straight line above it.

    Parameters
    ----------
    residual : array_like
        Of any unit.
    delta : float
        Where the line begins, in the same unit; infinite for least squares.

    References
    ----------
    Huber, Annals of Mathematical Statistics 35 (1964) 73.

    Examples
    --------
    >>> huber([0.5, -3.0], 1.0).tolist()
    [0.125, 2.5]
    """
    size = np.abs(np.asarray(residual, dtype=float))
    inside = np.minimum(size, delta)
    return inside * (size - 0.5 * inside)


def solve(
    form: Form,
    observed: ArrayLike,
    starts: ArrayLike,
    *,
    delta: float = np.inf,
    weights: ArrayLike | None = None,
    most: int = 300,
    tolerance: float = 1e-13,
    polish: int = 2,
) -> Solution:
    """Minimise ``sum_i w_i huber(f_i(theta) - y_i)`` from each start, all at once.

    Newton steps with the exact curvature where the form has one, damped by the diagonal of the reweighted normal
    matrix until they descend (Levenberg, Marquardt). The sum is not averaged, so no tolerance is met too early.

    Parameters
    ----------
    form : Form
    observed : array_like
        ``y``, one per row.
    starts : array_like
        Shape (fits, parameters).
    delta : float
        Where the Huber loss becomes linear; infinite is least squares.
    weights : array_like, optional
        One per row, or (fits, rows); the counts of a bootstrap are weights.
    most : int
        Most steps.
    tolerance : float
        Decrease a step must promise, relative to the objective.
    polish : int
        Most undamped steps after that, taken while they shrink the gradient: an objective is flat to half of the
        digits of its parameters, and these give the other half.

    Raises
    ------
    InputError
        If shapes do not agree.

    Examples
    --------
    >>> x = np.arange(5.0)
    >>> line = Smooth(lambda p: p[:, 0] + p[:, 1] * x)
    >>> solve(line, 2 + 3 * x, [[0.0, 0.0]]).theta.round(6).tolist()
    [[2.0, 3.0]]
    """
    theta = np.array(np.atleast_2d(np.asarray(starts, dtype=float)))
    y = np.asarray(observed, dtype=float)
    w = np.broadcast_to(np.ones(len(y)) if weights is None else np.asarray(weights, dtype=float), (len(theta), len(y)))
    if form.values(theta[:1]).shape[-1] != len(y):
        raise InputError("observed", f"{len(y)} rows", "one value for each row of the form")
    done = np.zeros(len(theta), dtype=bool)
    damping = np.full(len(theta), 1e-4)
    objective = _objective(form.values(theta), y, w, delta)
    steps, here = 0, None
    while steps < most and not done.all():
        steps += 1
        live = np.flatnonzero(~done)
        here = form.jacobian(theta[live]) if here is None else here
        step, promise = _step(form, here, y, w[live], delta, damping[live])
        tried = theta[live] + step
        # A few fits look at once at what the next step needs; many would carry what most of them throw away.
        ahead = _ahead(form, tried, slopes=len(live) <= _FEW)
        value = _objective(ahead[0], y, w[live], delta)
        descends = (promise > 0) & (value <= objective[live] * (1 + 1e-15)) & np.isfinite(value)
        small = np.abs(promise) <= tolerance * objective[live] + _TINY
        done[live] = (small & (promise >= 0)) | (damping[live] > 1e18)
        moved = live[descends]
        theta[moved], objective[moved] = tried[descends], value[descends]
        damping[live] = np.where(descends, np.maximum(damping[live] / 6.0, 1e-12), damping[live] * 5.0)
        if done[live].any() or (len(moved) and (len(moved) < len(live) or len(ahead) == 1)):
            here = None
        elif len(moved):
            here = ahead
    done &= damping < 1e18
    return Solution(_polished(form, theta, y, w, delta, done, polish), objective, done, steps)


def _ahead(form: Form, theta: Floats, slopes: bool) -> tuple[Any, ...]:
    with np.errstate(all="ignore"):
        return form.jacobian(theta) if slopes else (form.values(theta),)


def _polished(form: Form, theta: Floats, y: Floats, w: Floats, delta: float, done: Any, most: int) -> Floats:
    live = np.flatnonzero(done)
    if not most or not len(live):
        return theta
    step, promise = _step(form, form.jacobian(theta[live]), y, w[live], delta, np.full(len(live), 1e-15))
    for _ in range(most):
        if not len(live):
            break
        there = form.jacobian(theta[live] + step)
        following, after = _step(form, there, y, w[live], delta, np.full(len(live), 1e-15))
        better = (np.abs(after) < np.abs(promise)) & np.all(np.isfinite(step), axis=1)
        theta[live[better]] += step[better]
        live, step, promise = live[better], following[better], after[better]
    return theta


def _objective(found: Floats, y: Floats, w: Floats, delta: float) -> Floats:
    with np.errstate(all="ignore"):
        return np.asarray((w * huber(found - y, delta)).sum(axis=1))


def _step(
    form: Form, here: tuple[Any, ...], y: Floats, w: Floats, delta: float, damping: Floats
) -> tuple[Floats, Floats]:
    """Newton step and the decrease it promises, from what the form's ``jacobian`` says of the parameters."""
    found, slopes, kept = here
    slopes, residual = _finite(slopes), _finite(found - y)
    turned = np.swapaxes(slopes, 1, 2)
    size = np.abs(residual)
    slope = w * np.clip(residual, -delta, delta)
    gradient = (turned @ slope[:, :, None])[:, :, 0]
    matrix = (turned * (w * (size <= delta))[:, None, :]) @ slopes
    reweighted = w * np.minimum(1.0, delta / np.maximum(size, _TINY)) if np.isfinite(delta) else w
    diagonal = ((turned * turned) @ reweighted[:, :, None])[:, :, 0] + _TINY
    bend = form.curvature(kept, slope)
    if bend is not None:
        matrix = matrix + bend
    scale = 1.0 / np.sqrt(diagonal)
    scaled = matrix * scale[:, :, None] * scale[:, None, :]
    places = np.arange(slopes.shape[2])
    scaled[:, places, places] += damping[:, None]
    try:
        step = -scale * np.linalg.solve(scaled, (scale * gradient)[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        step = -scale * scale * gradient / (1.0 + damping[:, None])
    return step, -(step * gradient).sum(axis=1)


def _finite(values: Floats) -> Floats:
    """The same with zeros for what is no number; a look costs less than a copy."""
    if np.isfinite(values.sum()):
        return values
    return np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
