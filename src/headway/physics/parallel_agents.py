"""Several agents on one task: coverage, tokens and latency.

Coverage is the chance that at least one of ``n`` tries is right. It is not accuracy: something must still
pick the right one, and that selector is not described here.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.physics.arrays import Floats, Numbers, fraction, not_negative, plain, positive, together, whole


@dataclass(frozen=True, slots=True)
class ParallelRun:
    """One task given to parallel agents. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    tokens : float or ndarray
        All agents and the aggregation [token].
    latency : float or ndarray
        Longest agent, then the aggregation [s].
    token_multiple, latency_multiple : float or ndarray
        Against one agent without aggregation [1].
    """

    tokens: Numbers
    latency: Numbers
    token_multiple: Numbers
    latency_multiple: Numbers


def pass_at_n(chance: ArrayLike, agents: ArrayLike) -> Numbers:
    """Chance that at least one of independent tries is right.

    ``1 - (1 - p)^n``.

    Parameters
    ----------
    chance : array_like
        Of one try, ``p`` [1].
    agents : array_like
        ``n`` [1].

    Returns
    -------
    float or ndarray
        Coverage [1]; real tries fail together, so this is an upper bound.

    References
    ----------
    Brown et al., arXiv 2407.21787, for coverage against selection; claim W03.

    Examples
    --------
    >>> round(pass_at_n(0.1, 16), 3)
    0.815
    """
    p = fraction("chance", chance)
    count = whole("agents", agents)
    with np.errstate(divide="ignore"):
        return plain(-np.expm1(count * np.log1p(-p)))


def expected_longest(mean: ArrayLike, variation: ArrayLike, agents: ArrayLike) -> Numbers:
    """Expected length of the longest of independent answers with log-normal lengths.

    ``m exp(-v/2) E[exp(sqrt(v) max Z)]`` with ``v = ln(1 + c^2)``, by quadrature over the largest of ``n`` standard
    normals.

    Parameters
    ----------
    mean : array_like
        Mean length of one answer, ``m`` [token].
    variation : array_like
        Standard deviation over mean, ``c``, from 0 to 5 [1].
    agents : array_like
        ``n``, at most 10,000 [1].

    Returns
    -------
    float or ndarray
        [token].

    Examples
    --------
    >>> expected_longest(1000, 0, 16), round(expected_longest(1000, 0.5, 16))
    (1000.0, 2132)
    """
    length = not_negative("mean", mean, "token")
    spread = not_negative("variation", variation)
    count = whole("agents", agents, most=10_000)
    spread, count = np.broadcast_arrays(spread, count)
    found = [_longest(float(c), int(n)) for c, n in zip(spread.flat, count.flat, strict=True)]
    return plain(length * np.array(found).reshape(spread.shape))


def parallel_run(
    tokens_per_agent: ArrayLike,
    agents: ArrayLike,
    tpot: ArrayLike,
    aggregation_tokens: ArrayLike = 0.0,
    variation: ArrayLike = 0.0,
) -> ParallelRun:
    """Tokens and latency of `agents` tries at once, then one aggregation.

    ``n m + g`` tokens; ``(E[longest of n] + g) t`` seconds.

    Parameters
    ----------
    tokens_per_agent : array_like
        Mean output of one agent, ``m`` [token].
    agents : array_like
        ``n`` [1].
    tpot : array_like
        Time per output token, ``t`` [s].
    aggregation_tokens : array_like
        Written after the last agent is done, ``g`` [token].
    variation : array_like
        Standard deviation of an agent's output over its mean [1].

    Returns
    -------
    ParallelRun
        Tokens, seconds, and both against one agent.

    References
    ----------
    Claim W03; how the published mode aggregates is not known.

    Examples
    --------
    >>> run = parallel_run(8000, 16, 0.01, aggregation_tokens=2000)
    >>> run.tokens, run.latency, run.token_multiple
    (130000.0, 100.0, 16.25)
    """
    own, step = positive("tokens_per_agent", tokens_per_agent, "token"), positive("tpot", tpot, "s")
    extra = not_negative("aggregation_tokens", aggregation_tokens, "token")
    tokens = own * whole("agents", agents) + extra
    written = np.asarray(expected_longest(own, variation, agents)) + extra
    return ParallelRun(*together(tokens, written * step, tokens / own, written / own))


def token_efficiency_ratio(tokens_reference: ArrayLike, tokens: ArrayLike) -> Numbers:
    """Tokens that another model spends for each token of this one, at an equal score.

    ``T_ref / T``. The scores of the two models have to be equal for it to mean efficiency.

    Parameters
    ----------
    tokens_reference, tokens : array_like
        Spent on the same tasks [token].

    Returns
    -------
    float or ndarray
        Ratio [1].

    References
    ----------
    Claim W04; totals as reported, which conflict by effort setting.

    Examples
    --------
    >>> token_efficiency_ratio([120e6, 157e6, 58e6], 58e6).round(2).tolist()
    [2.07, 2.71, 1.0]
    """
    return plain(positive("tokens_reference", tokens_reference, "token") / positive("tokens", tokens, "token"))


def _longest(spread: float, count: int) -> float:
    variance = math.log1p(spread * spread)
    if variance == 0.0:
        return 1.0
    z, log_below = _normal_grid()
    below = np.exp(count * log_below)
    weight = np.exp(math.sqrt(variance) * z - 0.5 * variance)
    # Integral of g dF by the midpoint of each cell of F.
    return float(np.sum(0.5 * (weight[1:] + weight[:-1]) * np.diff(below)))


@functools.cache
def _normal_grid() -> tuple[Floats, Floats]:
    z = np.linspace(-12.0, 12.0, 24001)
    upper = np.array([0.5 * math.erfc(v / math.sqrt(2.0)) for v in z])
    log_below = np.where(z > 0, np.log1p(-np.where(z > 0, upper, 0.5)), np.log(upper[::-1]))
    for table in (z, log_below):
        table.flags.writeable = False
    return z, log_below
