"""Two ways in which a price may follow size, and the likelihood of a price at every size of the grid.

*Log-linear*: ``ln p = b_0 + b_a ln N_a + b_t ln N_t`` with normal noise that is correlated between input and output.
Conjugate (matrix-normal, inverse Wishart), so closed: the price of a new model is Student-t.

*Physics*: ``p = c_a N_a + c_t N_t`` with Student-t noise: compute follows active parameters, weight traffic and
replicas follow total ones. Sampled with emcee (Foreman-Mackey et al., PASP 125:306, 2013).

Neither can tell margin, utilisation and efficiency apart: all three are in the coefficients.
"""

from __future__ import annotations

import importlib
import math
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headway.facts.catalog import packaged
from headway.facts.errors import MissingExtraError
from headway.pricing.hosts import Levels
from headway.pricing.sizes import grid

Floats = NDArray[np.float64]

#: Names of the forms.
FORMS: Final = ("log-linear", "physics")
#: Table of the draws that the package keeps.
PACKAGED_DRAWS: Final = "price_draws.toml"
#: Parameters of the physics form: four log coefficients, two log spreads, and the correlation's inverse tanh.
PHYSICS_PARAMETERS: Final = ("input_active", "input_total", "output_active", "output_total", "s_in", "s_out", "z")
_BILLION = math.log(1e9)
_TAILS = 5.0  # degrees of freedom of the physics form's noise
# Doubling both sizes doubles the cost; which of the two it follows is open. Weak: each as one model would say.
_SLOPES = np.array([[-4.5, -4.5], [0.5, 0.5], [0.5, 0.5]])
_SLOPE_PRECISION = np.diag([1e-3, 1.0, 1.0])
_NOISE, _NOISE_DEGREES = 0.2, 4.0
# An H100 at $2/h and full FP8 rate asks exp(-7.5) $/Mtok for each billion active parameters; use, efficiency and
# margin multiply that by 1 to 150. Total parameters: less, and as uncertain.
_CENTRE = np.array([-5.0, -6.0, -5.0, -6.0, -0.9, -0.9, 0.6])
_SPREAD = np.array([1.5, 1.5, 1.5, 1.5, 0.5, 0.5, 0.6])
_WALKERS, _STEPS, _WARM_UP, _KEPT = 56, 350, 150, 100


@dataclass(frozen=True, slots=True)
class LogLinear:
    """Posterior of the log-linear form.

    Parameters
    ----------
    coefficients : ndarray
        Intercept ($/Mtok at 1B), power of active and of total parameters; input and output; shape (3, 2).
    precision : ndarray
        Of the coefficients, in units of the noise, shape (3, 3).
    noise : ndarray
        Covariance of the noise, shape (2, 2).
    degrees : float
        Degrees of freedom [1].
    """

    coefficients: Floats
    precision: Floats
    noise: Floats
    degrees: float


@dataclass(frozen=True, slots=True)
class Physics:
    """Draws from the posterior of the physics form, one row each; columns are :data:`PHYSICS_PARAMETERS`."""

    draws: Floats


def _design(log_size: Floats) -> Floats:
    return np.column_stack([np.ones(len(log_size)), log_size - _BILLION])


def fit_log_linear(log_size: Floats, levels: Levels, weight: Floats) -> LogLinear:
    """Fit the log-linear form, in closed form.

    Parameters
    ----------
    log_size : ndarray
        ``ln N_a``, ``ln N_t`` of the known models, shape (n, 2).
    levels : Levels
        Their prices.
    weight : ndarray
        Weight of each [1].

    References
    ----------
    Bayesian multivariate linear regression: Rossi, Allenby and McCulloch, *Bayesian Statistics and Marketing*
    (2005), section 2.8.5.

    Examples
    --------
    >>> size = np.log([[1e9, 1e9], [1e10, 1e11], [3e10, 3e10], [3e10, 6e11], [7e10, 7e10]])
    >>> price = size @ np.array([[0.6, 0.2], [0.4, 0.8]]) - np.log(1e9) - 3.0
    >>> fit_log_linear(size, Levels(price, np.zeros((5, 2))), np.full(5, 1e6)).coefficients.round(2).tolist()
    [[-3.0, -3.0], [0.6, 0.2], [0.4, 0.8]]
    """
    x, y = _design(log_size), levels.log_price
    precision = (x.T * weight) @ x + _SLOPE_PRECISION
    found = np.linalg.solve(precision, (x.T * weight) @ y + _SLOPE_PRECISION @ _SLOPES)
    left, moved = y - x @ found, found - _SLOPES
    squares = (left.T * weight) @ left + moved.T @ _SLOPE_PRECISION @ moved + _NOISE_DEGREES * _NOISE * np.eye(2)
    degrees = float(weight.sum()) + _NOISE_DEGREES
    return LogLinear(found, precision, squares / degrees, degrees)


def _tailed(misfit: Floats, determinant: Floats, degrees: float) -> Floats:
    """Log density of a bivariate Student-t, up to a constant."""
    density: Floats = -0.5 * np.log(determinant) - (degrees + 2.0) / 2.0 * np.log1p(misfit / degrees)
    return density


def _misfit(off: Floats, first: Floats, second: Floats, shared: Floats) -> tuple[Floats, Floats]:
    """Squared distance of a pair in units of its covariance, and the determinant of that."""
    determinant = first * second - shared**2
    square = second * off[..., 0] ** 2 - 2.0 * shared * off[..., 0] * off[..., 1] + first * off[..., 1] ** 2
    return square / determinant, determinant


def log_linear_likelihood(form: LogLinear, levels: Levels) -> Floats:
    """Log likelihood of each model's prices at every grid point, shape (models, points).

    >>> known = np.log([[8e9, 8e9], [22e9, 235e9], [37e9, 671e9]])
    >>> seen = Levels(np.log([[0.1, 0.2], [0.3, 1.0], [0.5, 1.5]]), np.zeros((3, 2)))
    >>> log_linear_likelihood(fit_log_linear(known, seen, np.ones(3)), seen).shape == (3, len(grid().log_size))
    True
    """
    x = _design(grid().log_size)
    spread = 1.0 + np.einsum("ij,jk,ik->i", x, np.linalg.inv(form.precision), x)
    off = levels.log_price[:, None, :] - (x @ form.coefficients)[None]
    noise = levels.variance[:, None, :] + spread[None, :, None] * np.diag(form.noise)
    misfit, determinant = _misfit(off, noise[..., 0], noise[..., 1], spread[None] * form.noise[0, 1])
    return _tailed(misfit, determinant, form.degrees)


def active_only_likelihood(log_size: Floats, known: Levels, weight: Floats, levels: Levels) -> Floats:
    """Log likelihood under ``p = c N_a``, the law that the lecture's inversion rests on: a baseline, not a form.

    >>> known = Levels(np.log([[0.1, 0.2], [0.3, 1.0], [0.5, 1.5]]), np.zeros((3, 2)))
    >>> size = np.log([[8e9, 8e9], [22e9, 235e9], [37e9, 671e9]])
    >>> active_only_likelihood(size, known, np.ones(3), known).shape == (3, len(grid().log_size))
    True
    """
    over = known.log_price - log_size[:, :1]
    mean = weight @ over / weight.sum()
    degrees = float(weight.sum()) + _NOISE_DEGREES
    noise = (((over - mean).T * weight) @ (over - mean) + _NOISE_DEGREES * _NOISE * np.eye(2)) / degrees
    off = levels.log_price[:, None, :] - grid().log_size[None, :, :1] - mean
    first, second = (levels.variance[:, None, k] + noise[k, k] for k in (0, 1))
    misfit, determinant = _misfit(off, first, second, noise[0, 1])
    return _tailed(misfit, determinant, degrees)


def physics_log_density(parameters: Floats, log_size: Floats, log_price: Floats, variance: Floats) -> Floats:
    """Log likelihood of prices under the physics form, for every draw and model.

    ``p = exp(c_a) N_a + exp(c_t) N_t`` [$/Mtok, parameters in billions].

    Parameters
    ----------
    parameters : ndarray
        Draws, shape (draws, 7); see :data:`PHYSICS_PARAMETERS`.
    log_size, log_price, variance : ndarray
        Shape (models, 2), or what broadcasts to it.

    Returns
    -------
    ndarray
        Shape (draws, models).

    Examples
    --------
    >>> best = np.array([[0.0, -9.0, 0.0, -9.0, -1.0, -1.0, 0.5]])
    >>> right, dear = (physics_log_density(best, np.log([[1e9, 1e9]]), np.log([[p, p]]), np.zeros(2)) for p in (1, 9))
    >>> bool(right > dear)
    True
    """
    size = log_size - _BILLION
    p = parameters[:, :, None]
    expected = np.stack([np.logaddexp(p[:, k] + size[:, 0], p[:, k + 1] + size[:, 1]) for k in (0, 2)], axis=-1)
    spreads = np.exp(p[:, 4:6])
    first, second = (spreads[:, k] ** 2 + variance[..., k] for k in (0, 1))
    shared = np.tanh(p[:, 6]) * spreads[:, 0] * spreads[:, 1]
    misfit, determinant = _misfit(log_price - expected, first, second, shared)
    return _tailed(misfit, determinant, _TAILS)


def physics_log_posterior(parameters: Floats, log_size: Floats, levels: Levels, weight: Floats) -> Floats:
    """Log posterior of the physics form, up to a constant, for every draw.

    >>> at = np.array([[-5.0, -6.0, -5.0, -6.0, -0.9, -0.9, 0.6]])
    >>> physics_log_posterior(
    ...     at, np.log([[8e9, 8e9]]), Levels(np.log([[0.1, 0.2]]), np.zeros((1, 2))), np.ones(1)
    ... ).shape
    (1,)
    """
    likelihood = physics_log_density(parameters, log_size, levels.log_price, levels.variance)
    before = -0.5 * (((parameters - _CENTRE) / _SPREAD) ** 2).sum(axis=-1)
    found: Floats = likelihood @ weight + before
    return found


def physics_prior_transform(unit: Floats) -> Floats:
    """Parameters at a point of the unit cube, for nested samplers.

    >>> physics_prior_transform(np.full(7, 0.5)).tolist()
    [-5.0, -6.0, -5.0, -6.0, -0.9, -0.9, 0.6]
    """
    from statistics import NormalDist

    found: Floats = _CENTRE + _SPREAD * np.array([NormalDist().inv_cdf(u) for u in np.clip(unit, 1e-12, 1 - 1e-12)])
    return found


def fit_physics(log_size: Floats, levels: Levels, weight: Floats, *, seed: int = 0) -> Physics:
    """Sample the posterior of the physics form; the same seed gives the same draws.

    Raises
    ------
    MissingExtraError
        If emcee is not installed.

    Examples
    --------
    >>> known = np.log([[8e9, 8e9], [22e9, 235e9], [37e9, 671e9]])
    >>> seen = Levels(np.log([[0.1, 0.2], [0.3, 1.0], [0.5, 1.5]]), np.full((3, 2), 0.05))
    >>> fit_physics(known, seen, np.ones(3)).draws.shape[1]
    7
    """
    emcee = _emcee()

    def density(parameters: Floats) -> Floats:
        return physics_log_posterior(parameters, log_size, levels, weight)

    random = np.random.default_rng(seed)
    moves = [(emcee.moves.DEMove(), 0.8), (emcee.moves.DESnookerMove(), 0.2)]
    sampler = emcee.EnsembleSampler(_WALKERS, len(_CENTRE), density, vectorize=True, moves=moves)
    state = emcee.State(
        _CENTRE + 0.3 * _SPREAD * random.normal(size=(_WALKERS, len(_CENTRE))),
        random_state=np.random.RandomState(seed).get_state(),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler.run_mcmc(state, _STEPS, skip_initial_state_check=True)
    chain = sampler.get_chain(discard=_WARM_UP, flat=True)
    return Physics(np.asarray(chain[np.linspace(0, len(chain) - 1, _KEPT).astype(int)]))


@cache
def packaged_physics() -> Physics:
    """Draws of the physics form fitted on every open model of the package, as its table keeps them.

    Written by ``python -m headway.evidence.calibrate_prices``; sampling them anew takes emcee and a second.

    >>> packaged_physics().draws.shape
    (100, 7)
    """
    return Physics(np.array(packaged(PACKAGED_DRAWS).tables["draws"], dtype=np.float64))


def physics_likelihood(form: Physics, levels: Levels) -> Floats:
    """Log likelihood of each model's prices at every grid point, averaged over the draws; shape (models, points).

    >>> draws = Physics(np.array([[-5.0, -6.0, -5.0, -6.0, -0.9, -0.9, 0.6]]))
    >>> physics_likelihood(draws, Levels(np.log([[0.3, 1.0]]), np.zeros((1, 2)))).shape == (1, len(grid().log_size))
    True
    """
    size = grid().log_size
    rows = []
    for price, variance in zip(levels.log_price, levels.variance, strict=True):
        every = physics_log_density(form.draws, size, price, variance)
        peak = every.max()
        rows.append(np.log(np.exp(every - peak).mean(axis=0) + 1e-300) + peak)
    return np.array(rows)


def _emcee() -> Any:
    try:
        return importlib.import_module("emcee")
    except ImportError:
        raise MissingExtraError("emcee", "pricing") from None
