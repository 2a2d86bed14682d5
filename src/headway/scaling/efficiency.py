"""Token efficiency: score against tokens against dollars, and what a length penalty does to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.check import fraction, not_negative, positive, whole
from headway.facts.errors import InputError
from headway.physics.arrays import Floats
from headway.physics.parallel_agents import parallel_run, token_efficiency_ratio
from headway.scaling.coverage import SELECTORS, Problems, selected
from headway.scaling.saturating import Saturation


def ock_score(accuracy: ArrayLike, tokens: ArrayLike) -> Floats:
    """Accuracy in points less a charge for tokens: ``100 a - 10 ln(T/10000 + 1)``.

    Parameters
    ----------
    accuracy : array_like
        Share of tasks solved [1].
    tokens : array_like
        Mean output tokens per task [token].

    Returns
    -------
    ndarray
        [point]; the logarithm is natural here, which the source does not say.

    References
    ----------
    OckBench, arXiv 2511.05722, README.

    Examples
    --------
    >>> ock_score([0.5, 0.5], [0, 10_000]).round(2).tolist()
    [50.0, 43.07]
    """
    share = np.asarray(fraction("accuracy", accuracy), dtype=float)
    return np.asarray(100.0 * share - 10.0 * np.log1p(np.asarray(not_negative("tokens", tokens), dtype=float) / 1e4))


def usd_per_solved(usd_per_task: ArrayLike, accuracy: ArrayLike) -> Floats:
    """Dollars for each task that is solved: ``cost / a``; infinite where none is [dollar].

    >>> usd_per_solved(0.02, [0.5, 0.0]).tolist()
    [0.04, inf]
    """
    share = np.asarray(fraction("accuracy", accuracy), dtype=float)
    cost = np.asarray(not_negative("usd_per_task", usd_per_task), dtype=float)
    cost, share = np.broadcast_arrays(cost, share)
    return np.asarray(np.divide(cost, share, out=np.full(share.shape, np.inf), where=share > 0))


@dataclass(frozen=True, slots=True)
class Spent:
    """What answers of some length and score cost; fields are arrays of one shape.

    Parameters
    ----------
    usd : ndarray
        A task [dollar].
    usd_per_solved : ndarray
        A task that is solved [dollar].
    ock : ndarray
        OckScore [point].
    """

    usd: Floats
    usd_per_solved: Floats
    ock: Floats


def spent(score: ArrayLike, tokens: ArrayLike, usd_per_mtok: ArrayLike) -> Spent:
    """Dollars of a task, of a solved one, and the score less a charge for tokens.

    Parameters
    ----------
    score : array_like
        Share of tasks solved [1].
    tokens : array_like
        Mean output tokens of a task [token].
    usd_per_mtok : array_like
        Price of output [$/Mtok].

    Examples
    --------
    >>> found = spent(0.5, 10_000, 6.0)
    >>> float(found.usd), float(found.usd_per_solved), round(float(found.ock), 2)
    (0.06, 0.12, 43.07)
    """
    usd = np.asarray(not_negative("tokens", tokens), dtype=float) * np.asarray(usd_per_mtok, dtype=float) / 1e6
    return Spent(usd, usd_per_solved(usd, score), ock_score(score, tokens))


def tokens_against(tokens: ArrayLike, reference: float | None = None) -> Floats:
    """Tokens over those of a reference, or over the fewest [1]; efficiency only at an equal score.

    Parameters
    ----------
    tokens : array_like
        Spent on the same tasks [token].
    reference : float, optional
        [token].

    References
    ----------
    Claim W04; OckBench (arXiv 2511.05722) for the spread of tokens at like accuracy.

    Examples
    --------
    >>> tokens_against([120e6, 157e6, 58e6]).round(2).tolist()
    [2.07, 2.71, 1.0]
    """
    used = np.asarray(positive("tokens", tokens, "token"), dtype=float)
    return np.asarray(token_efficiency_ratio(used, float(used.min()) if reference is None else reference))


def frontier(score: ArrayLike, tokens: ArrayLike, usd: ArrayLike) -> Floats:
    """Whether no other row is at least as good in all of score, tokens and dollars, and better in one.

    >>> frontier([0.5, 0.6, 0.4], [100, 200, 150], [1.0, 2.0, 1.5]).tolist()
    [True, True, False]
    """
    costs = np.stack([-np.asarray(score, dtype=float), np.asarray(tokens, dtype=float), np.asarray(usd, dtype=float)])
    as_good = np.all(costs[:, :, None] <= costs[:, None, :], axis=0)
    better = np.any(costs[:, :, None] < costs[:, None, :], axis=0)
    return np.asarray(~np.any(as_good & better, axis=0))


def penalised_length(curve: Saturation, penalty: ArrayLike, longest: float = 1e7) -> tuple[Floats, Floats]:
    """Tokens and score where ``score(T) - p T`` is greatest: where a policy moves under a length penalty.

    Parameters
    ----------
    curve : Saturation
        Score against thinking tokens.
    penalty : array_like
        Reward lost per token, ``p`` [1/token].
    longest : float
        Most tokens [token].

    Returns
    -------
    tokens, score : ndarray

    References
    ----------
    Reward less a length term, as in Kimi k1.5 (arXiv 2501.12599); the curve is held fixed, so this is what shortening
    alone does, before the policy learns to think more densely.

    Examples
    --------
    >>> from headway.scaling.saturating import fit_saturation
    >>> t = np.logspace(2, 5, 30)
    >>> curve = fit_saturation(t, 0.2 + 0.5 / (1 + (2000 / t) ** 1.2))
    >>> tokens, _ = penalised_length(curve, [1e-6, 1e-5])
    >>> bool(tokens[0] > tokens[1])
    True
    """
    cost = np.atleast_1d(np.asarray(not_negative("penalty", penalty), dtype=float))
    grid = np.exp(np.linspace(0.0, np.log(longest), 20001))
    value = curve.predict(grid)[0]
    place = np.argmax(value[None] - cost[:, None] * grid[None], axis=1)
    return grid[place], value[place]


@dataclass(frozen=True, slots=True)
class Architecture:
    """One way to spend several agents on a task.

    Parameters
    ----------
    agents : int
    selector : str
    score : float
        [1].
    tokens : float
        Written, all agents and the aggregation [token].
    latency : float
        Prompt once, then the longest agent, then the aggregation [s].
    usd : float
        [dollar].
    allowed : bool
        Within the limits.
    """

    agents: int
    selector: str
    score: float
    tokens: float
    latency: float
    usd: float
    allowed: bool


def architectures(
    problems: Problems,
    agents: ArrayLike,
    tokens_per_agent: float,
    tpot: float,
    *,
    prefix: float = 0.0,
    prefill_rate: float = 1e4,
    usd_per_input: float = 0.0,
    usd_per_output: float = 0.0,
    aggregation: float = 0.0,
    variation: float = 0.0,
    hit: float = 0.9,
    false: float = 0.1,
    latency: float = np.inf,
    budget: float = np.inf,
) -> tuple[Architecture, ...]:
    """Compare numbers of agents and selectors: which to choose, not what level to expect.

    The shared prompt is read once (prefix cache) and the agents run at one step time, both inputs from serving.

    Parameters
    ----------
    problems : Problems
        Success of one agent over tasks.
    agents : array_like
        Numbers to compare [1].
    tokens_per_agent, aggregation : float
        Written by each, and by the aggregation after them [token].
    tpot : float
        Time per output token at the batch that the agents make [s].
    prefix, prefill_rate : float
        Shared prompt [token], read at [token/s].
    usd_per_input, usd_per_output : float
        [dollar/token].
    variation : float
        Of the lengths [1].
    hit, false : float
        Of the verifier [1].
    latency, budget : float
        Limits [s], [dollar].

    References
    ----------
    Kim et al. 2025, arXiv 2512.08296: task features explain a third of the variance of the level and still pick the
    best architecture in 87% of held-out cases.

    Examples
    --------
    >>> one = Problems(0.6, 2.0, np.zeros((2, 2)), 0, True)
    >>> found = architectures(one, [1, 16], 8000, 0.01, aggregation=2000)
    >>> [(a.agents, a.selector) for a in found if a.score == max(b.score for b in found if b.selector != "oracle")]
    [(16, 'verifier')]
    """
    counts = np.atleast_1d(np.asarray(whole("agents", agents)))
    if len(counts) > 64:
        raise InputError("agents", len(counts), "at most 64 numbers to compare")
    positive("prefill_rate", prefill_rate, "token/s")
    found = []
    for count in counts.tolist():
        own = aggregation if count > 1 else 0.0
        run = parallel_run(tokens_per_agent, count, tpot, own, variation)
        tokens, wait = float(run.tokens), prefix / prefill_rate + float(run.latency)
        usd = prefix * usd_per_input + tokens * usd_per_output
        for selector in SELECTORS[:-1] if count > 1 else SELECTORS[-1:]:
            score = float(selected(problems, count, selector, hit, false)[0])
            allowed = wait <= latency and usd <= budget
            found.append(Architecture(count, selector, score, tokens, wait, usd, allowed))
    return tuple(found)
