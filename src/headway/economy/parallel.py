"""Several agents on one purchase: 1, 4 or 16 decide at once, an aggregator takes the best of what they chose.

Every agent reads the same proposals and chooses by itself; the aggregator reads the choices and takes the one of
most value. What that is worth follows from the chances of a single agent; what it costs, from its tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headway.economy.rack import Rack, reading_s
from headway.economy.scale import compute_usd
from headway.economy.tokens import DecisionTokens
from headway.facts.errors import RangeError
from headway.physics.arrays import Floats, Numbers, not_negative, plain, whole
from headway.physics.parallel_agents import parallel_run, pass_at_n

AGGREGATION_OUTPUT = 50.0
"""Written by an aggregator that names its choice and a reason [token]."""
AGENTS = (1, 4, 16)
"""Agents that are compared where none are asked for."""


@dataclass(frozen=True, slots=True)
class Aggregated:
    """What the best of several independent choices is.

    Parameters
    ----------
    share : ndarray
        Chance that each proposal is taken, shape (..., proposals) [1].
    value : float or ndarray
        Expected value of what is taken.
    coverage : float or ndarray
        Chance that some agent chose a proposal of most value [1].
    """

    share: Floats
    value: Numbers
    coverage: Numbers


@dataclass(frozen=True, slots=True)
class ParallelDecision:
    """A decision made by several agents and an aggregator. Arrays over the numbers of agents.

    Parameters
    ----------
    agents : ndarray
        [1].
    tokens : DecisionTokens
        Of all agents and the aggregator.
    seconds : ndarray
        Reading, the longest answer, then the aggregator's reading and writing [s].
    usd, joules : ndarray
        Of the rack time [$], [J].
    value : ndarray
        Expected value of the choice.
    coverage : ndarray
        Chance that some agent chose the best [1].
    value_per_usd : ndarray
        What each further dollar of compute brought, against the fewest agents; NaN there.
    best : int
        Agents of most value less compute.
    """

    agents: Any
    tokens: DecisionTokens
    seconds: Any
    usd: Any
    joules: Any
    value: Any
    coverage: Any
    value_per_usd: Any
    best: int


def aggregate(values: ArrayLike, chances: ArrayLike, agents: ArrayLike) -> Aggregated:
    """The best of ``n`` independent choices.

    With the proposals in order of value and ``F_i`` the chance that one agent chooses one of the worst ``i``, the
    best of ``n`` choices is the i-th with chance ``F_i^n - F_(i-1)^n``.

    Parameters
    ----------
    values : array_like
        Of each proposal, shape (p,).
    chances : array_like
        That one agent chooses each, shape (p,); they sum to one [1].
    agents : array_like
        ``n`` [1].

    Returns
    -------
    Aggregated
        Shape of `agents`.

    Raises
    ------
    RangeError
        If the rows are not as many, or the chances do not sum to one.

    Examples
    --------
    Four agents who take the first of three proposals 93 times in 100, be it the worst:

    >>> one_and_four = aggregate([1.0, 2.0, 3.0], [0.93, 0.0, 0.07], [1, 4])
    >>> one_and_four.value.round(2).tolist(), one_and_four.coverage.round(3).tolist()
    ([1.14, 1.5], [0.07, 0.252])
    """
    worth, odds = np.asarray(values, dtype=float), not_negative("chances", chances)
    if worth.ndim != 1 or worth.shape != odds.shape or not worth.size or not np.all(np.isfinite(worth)):
        raise RangeError("values", worth.tolist(), "one finite value for each chance")
    if abs(float(odds.sum()) - 1.0) > 1e-9:
        raise RangeError("chances", float(odds.sum()), "chances that sum to one")
    n = whole("agents", agents)[..., None]
    order = np.argsort(worth, kind="stable")
    below = np.minimum(np.cumsum(odds[order]), 1.0)
    below[-1] = 1.0
    taken = np.diff(below**n, prepend=0.0, axis=-1)
    share = np.empty_like(taken)
    share[..., order] = taken
    best = float(odds[worth == worth.max()].sum())
    return Aggregated(share, plain(share @ worth), pass_at_n(min(best, 1.0), agents))


def shared_prompt(one: DecisionTokens) -> DecisionTokens:
    """The same decision once another agent has read its prompts: all of each but the last token is in the cache.

    >>> shared_prompt(DecisionTokens(1000, 300, 100, 2.0)).cached
    998
    """
    held = max(one.input - math.ceil(one.calls), one.cached)
    return DecisionTokens(one.input, held, one.output, one.calls)


def aggregator_tokens(one: DecisionTokens, agents: ArrayLike, output: float = AGGREGATION_OUTPUT) -> DecisionTokens:
    """One call that reads the prompt of the agents, held by then, and what each of them wrote.

    Parameters
    ----------
    one : DecisionTokens
        Of one agent.
    agents : array_like
        ``n`` [1].
    output : float
        Written [token].

    Returns
    -------
    DecisionTokens
        Shape of `agents`.

    Examples
    --------
    >>> aggregator_tokens(DecisionTokens(1000, 300, 100), 4)
    DecisionTokens(input=1400, cached=999, output=50, calls=1.0)
    """
    answers = plain(np.asarray(whole("agents", agents) * one.output).astype(np.int64))
    written = round(float(not_negative("output", output, "token")))
    held = shared_prompt(one).cached
    return DecisionTokens(one.input + answers, held, written, 1.0)


def parallel_tokens(
    one: DecisionTokens, agents: ArrayLike, aggregation_output: float = AGGREGATION_OUTPUT
) -> DecisionTokens:
    """Tokens of several agents on one prompt, and of the aggregator that reads what they wrote.

    All prompts are the same, so that all but the first can be read from the cache; the aggregator reads the
    prompt, held by then, and every answer. One agent needs no aggregator.

    Parameters
    ----------
    one : DecisionTokens
        Of one agent.
    agents : array_like
        ``n`` [1].
    aggregation_output : float
        Written by the aggregator [token].

    Returns
    -------
    DecisionTokens
        Shape of `agents`.

    Examples
    --------
    >>> parallel_tokens(DecisionTokens(1000, 0, 100), [1, 4]).cached.tolist()
    [0, 3996]
    """
    n = whole("agents", agents)
    several = (n > 1).astype(float)
    last, other = aggregator_tokens(one, n, aggregation_output), shared_prompt(one)
    read = n * one.input + several * last.input
    cached = one.cached + (n - 1.0) * other.cached + several * last.cached
    written = n * one.output + several * last.output
    calls = n * one.calls + several
    read, cached, written = (plain(np.rint(v).astype(np.int64)) for v in (read, cached, written))
    return DecisionTokens(read, cached, written, plain(calls))


def parallel_decision(
    rack: Rack,
    one: DecisionTokens,
    values: ArrayLike,
    chances: ArrayLike,
    agents: ArrayLike = AGENTS,
    *,
    aggregation_output: float = AGGREGATION_OUTPUT,
    variation: float = 0.3,
) -> ParallelDecision:
    """Value, time and price of a decision by the number of agents that make it.

    Parameters
    ----------
    rack : Rack
        Idle: queueing comes from the market.
    one : DecisionTokens
        Of one agent.
    values, chances : array_like
        See :func:`aggregate`; values in dollars make `best` meaningful.
    agents : array_like
        Shape (n,) [1].
    aggregation_output : float
        Written by the aggregator [token].
    variation : float
        Standard deviation of an agent's output over its mean [1].

    Returns
    -------
    ParallelDecision

    References
    ----------
    Tokens and latency by :func:`headway.physics.parallel_agents.parallel_run` (claim W03).

    Examples
    --------
    >>> from headway.economy.rack_plan import plan_decisions, rack_for
    >>> from headway.economy.tokens import buyer_decision
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> rack = rack_for(plan_decisions(model("llama-3.1-8b"), system("hgx-h200"), tpot=0.02))
    >>> found = parallel_decision(rack, buyer_decision(3), [5.0, 8.0, 10.0], [0.93, 0.0, 0.07])
    >>> found.value.round(2).tolist(), found.best
    ([5.35, 6.26, 8.43], 16)
    """
    n = np.atleast_1d(whole("agents", agents))
    several = (n > 1).astype(float)
    total = parallel_tokens(one, n, aggregation_output)
    speaks = one.output and rack.tpot_idle_s
    run = parallel_run(one.output, n, rack.tpot_idle_s, several * aggregation_output, variation) if speaks else None
    first = reading_s(rack, one.fresh, one.cached, one.calls)
    merge = aggregator_tokens(one, n, aggregation_output)
    last = several * reading_s(rack, merge.fresh, merge.cached, merge.calls)
    chosen = aggregate(values, chances, n)
    usd = np.asarray(compute_usd(total, rack))
    value = np.asarray(chosen.value)
    with np.errstate(divide="ignore", invalid="ignore"):
        gained = (value - value[0]) / (usd - usd[0])
    return ParallelDecision(
        agents=n.astype(np.int64),
        tokens=total,
        seconds=first + last + (np.asarray(run.latency) if run else 0.0),
        usd=usd,
        joules=usd / rack.usd_per_s * rack.watts if rack.usd_per_s else np.zeros_like(usd),
        value=value,
        coverage=np.asarray(chosen.coverage),
        value_per_usd=gained,
        best=int(n[np.argmax(value - usd)]),
    )
