"""What a deal costs, and what so many conversations need: list prices, token rates, replicas, racks, dollars."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headway.economy.rack import Rack, taken_s
from headway.economy.rack_plan import plan_decisions
from headway.economy.tokens import DecisionTokens, TokenModel, deal_tokens, default_tokens
from headway.facts.agent_tokens import replica_output, volume, volume_names
from headway.facts.check import positive, single
from headway.facts.errors import InputError, RangeError, UnknownNameError
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.prices import price
from headway.facts.sources import Source
from headway.facts.units import format_quantity
from headway.physics.arrays import Numbers, not_negative, plain, together
from headway.serving.fleet import Fleet, size
from headway.serving.plan import PER_MILLION, PlanResult
from headway.serving.workload import Prices


@dataclass(frozen=True, slots=True)
class DealPrice:
    """A deal at a provider's list price. Numbers or arrays of one shape.

    Parameters
    ----------
    model : str
        What is called.
    usd : float or ndarray
        Every input token at the plain price [$].
    usd_cached : float or ndarray
        Repeated prefixes at the price of cached input, and where writing costs extra all other input at that
        price [$]; NaN where the provider sells no cache.
    input_share : float or ndarray
        Of the plain price [1].
    sources : tuple of Source
    """

    model: str
    usd: Numbers
    usd_cached: Numbers
    input_share: Numbers
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class TokenRates:
    """Tokens per second of so many conversations. Numbers or arrays of one shape.

    Parameters
    ----------
    input, cached, output : float or ndarray
        [token/s]; cached is a part of input.
    calls : float or ndarray
        [1/s].
    decode_replicas : float or ndarray
        Replicas whose output would be as much [1].
    """

    input: Numbers
    cached: Numbers
    output: Numbers
    calls: Numbers
    decode_replicas: Numbers


@dataclass(frozen=True, slots=True)
class MarketFleet:
    """A fleet for so many conversations.

    Parameters
    ----------
    feasible : bool
    reason : str
        Why there is none; empty where feasible.
    conversations_per_s, peak : float
        Mean rate [1/s], and the busiest hour over it [1].
    tokens : DecisionTokens
        Of one conversation.
    rates : TokenRates
        At the mean rate.
    fleet : Fleet or None
        For the busiest hour.
    usd_per_conversation, joules_per_conversation : float
        All of the fleet, idle hours included, over the mean rate [$], [J]; NaN where infeasible or not known.
    result : PlanResult
        The search behind it.
    """

    feasible: bool
    reason: str
    conversations_per_s: float
    peak: float
    tokens: DecisionTokens
    rates: TokenRates
    fleet: Fleet | None
    usd_per_conversation: float
    joules_per_conversation: float
    result: PlanResult


@dataclass(frozen=True, slots=True)
class WidthChoice:
    """What welfare and compute say about how many sellers to ask.

    Parameters
    ----------
    widths : ndarray
        Sellers asked [1].
    welfare, usd : ndarray
        Of a deal, before and for compute [$].
    net : ndarray
        Welfare less compute [$].
    per_dollar : ndarray
        Welfare per dollar of compute [1].
    marginal : ndarray
        Welfare that the last step in width adds per dollar of compute that it adds [1]; NaN at the first.
    best : int
        Width of most net welfare [1].
    """

    widths: Any
    welfare: Any
    usd: Any
    net: Any
    per_dollar: Any
    marginal: Any
    best: int


def deal_price(model: str, tokens: DecisionTokens, *, on: str | None = None) -> DealPrice:
    """A deal at list price, with and without the provider's cache.

    ``(i p_in + o p_out)``, and with the cache ``((i - c) p_write + c p_read + o p_out)`` where writing costs no
    less than input.

    Parameters
    ----------
    model : str
        Name in the price table.
    tokens : DecisionTokens
        Of the deal; the mean prompt chooses the price tier.
    on : str, optional
        Day as YYYY-MM-DD; see :func:`headway.facts.prices.price`.

    Returns
    -------
    DealPrice

    Raises
    ------
    UnknownNameError
        If the model has no price.

    Examples
    --------
    >>> round(deal_price("gpt-5", deal_tokens(3)).usd, 3)
    0.017
    """
    longest = float(np.max(np.asarray(tokens.input) / np.asarray(tokens.calls)))
    found = {field: price(model, field, context=longest, on=on) for field in ("input", "output")}
    for field in ("cache_read", "cache_write_5m"):
        try:
            found[field] = price(model, field, context=longest, on=on)
        except UnknownNameError:
            continue
    per_input = found["input"].value
    written = np.asarray(tokens.output) * found["output"].value
    read = np.asarray(tokens.input) * per_input
    held: Any = np.nan
    if "cache_read" in found:
        first = found["cache_write_5m"].value if "cache_write_5m" in found else per_input
        held = np.asarray(tokens.fresh) * first + np.asarray(tokens.cached) * found["cache_read"].value + written
    with np.errstate(invalid="ignore"):
        # Of nothing that was read or written no part is input: NaN.
        part = read / (read + written)
    usd, cached, share = together((read + written) / PER_MILLION, held / PER_MILLION, part)
    return DealPrice(model, usd, cached, share, tuple(dict.fromkeys(f.source for f in found.values())))


def conversation_rate(volume_name: str | None, conversations: float | None, every_s: float) -> tuple[float, str]:
    """Mean rate of conversations [1/s], and in words what it is.

    Parameters
    ----------
    volume_name : str or None
        A public figure of :func:`headway.facts.agent_tokens.volume`.
    conversations : float or None
        In place of it [1].
    every_s : float
        Time in which those come [s].

    Raises
    ------
    InputError
        If both are given, or neither.

    Examples
    --------
    >>> conversation_rate(None, 86400, 86400.0)[0], conversation_rate("meta-business-chats", None, 1.0)[1]
    (1.0, 'chats between people and businesses')
    """
    if (volume_name is None) == (conversations is None):
        given = "neither" if volume_name is None else "both"
        raise InputError("conversations", given, f"a number of them, or one of {', '.join(volume_names())}")
    if volume_name is not None:
        figure = volume(volume_name)
        return figure.per_second, figure.description
    count = float(positive("conversations", single("conversations", conversations or 0.0)))
    every = float(positive("every", single("every", every_s), "s"))
    return count / every, f"{count:,.0f} conversations in {format_quantity(every, 'seconds')}"


def with_output(multiple: float, tokens: TokenModel | None = None) -> TokenModel:
    """The same deals by models that write more than is seen.

    >>> with_output(10).output_multiple
    10
    """
    return replace(tokens or default_tokens(), output_multiple=multiple)


def token_rates(
    conversations_per_s: ArrayLike, tokens: DecisionTokens, replica_tokens_per_s: ArrayLike | None = None
) -> TokenRates:
    """Tokens per second of so many conversations, and the replicas whose output that is.

    Parameters
    ----------
    conversations_per_s : array_like
        [1/s].
    tokens : DecisionTokens
        Of one conversation.
    replica_tokens_per_s : array_like, optional
        Output of one replica [token/s]; the economy's seed figure where not given.

    Returns
    -------
    TokenRates

    Examples
    --------
    Ten million conversations a week with three sellers each:

    >>> from headway.facts.agent_tokens import volume
    >>> rates = token_rates(volume("meta-business-ai").per_second, deal_tokens(3))
    >>> round(rates.input), round(rates.output), round(rates.decode_replicas, 3)
    (141915, 10830, 0.085)
    """
    rate = not_negative("conversations_per_s", conversations_per_s, "1/s")
    each = replica_output()[0] if replica_tokens_per_s is None else replica_tokens_per_s
    written = rate * np.asarray(tokens.output)
    replicas = written / positive("replica_tokens_per_s", each, "token/s")
    counts = (rate * np.asarray(n) for n in (tokens.input, tokens.cached))
    return TokenRates(*together(*counts, written, rate * np.asarray(tokens.calls), replicas))


def size_market(
    conversations_per_s: float,
    model: Model,
    system: System,
    *,
    sellers_asked: float = 3.0,
    tokens: TokenModel | None = None,
    peak: float = 1.0,
    utilisation: float = 0.7,
    survives: float = 1.0,
    replica_tokens_per_s: float | None = None,
    ttft: float = math.inf,
    tpot: float = math.inf,
    prices: Prices | None = None,
    chips: int | None = None,
) -> MarketFleet:
    """Racks, power and dollars for so many conversations.

    Plan a deployment for the mean call of a deal, repeat it until the busiest hour fits, and divide by what the
    mean hour brings.

    Parameters
    ----------
    conversations_per_s : float
        Mean rate [1/s].
    model, system
    sellers_asked, tokens, survives, ttft, tpot, prices, chips
        See :func:`headway.economy.rack_plan.plan_decisions`.
    peak : float
        Busiest hour over the mean, at least 1 [1].
    utilisation : float
        Share of its capacity at which a deployment may run in that hour [1].
    replica_tokens_per_s : float, optional
        See :func:`token_rates`.

    Returns
    -------
    MarketFleet
        Infeasibility is in it, with its reason.

    Raises
    ------
    RangeError
        If a number is out of range.

    Examples
    --------
    >>> from headway.facts.agent_tokens import volume
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> found = size_market(volume("meta-business-ai").per_second, model("llama-3.1-8b"), system("hgx-h200"), tpot=0.02)
    >>> found.fleet.units, 0 < found.usd_per_conversation < 1e-3
    (1, True)
    """
    rate = float(positive("conversations_per_s", single("conversations_per_s", conversations_per_s), "1/s"))
    if single("peak", peak) < 1:
        raise RangeError("peak", peak, "a multiple of the mean rate, at least 1")
    each = deal_tokens(float(sellers_asked), tokens)
    rates = token_rates(rate, each, replica_tokens_per_s)
    result = plan_decisions(
        model,
        system,
        sellers_asked=sellers_asked,
        tokens=tokens,
        survives=survives,
        ttft=ttft,
        tpot=tpot,
        prices=prices,
        chips=chips,
    )
    fleet = (
        size(result, system, rates.calls * peak, utilisation=utilisation, prices=prices) if result.feasible else None
    )
    usd = fleet.usd_per_hour / 3600.0 / rate if fleet else math.nan
    joules = fleet.watts / rate if fleet else math.nan
    return MarketFleet(result.feasible, result.reason, rate, peak, each, rates, fleet, usd, joules, result)


def compute_usd(tokens: DecisionTokens, rack: Rack) -> Numbers:
    """Price of decisions on a rack at any load: the rack time that they take [$].

    >>> from dataclasses import replace
    >>> from headway.economy.rack import free_rack
    >>> rack = replace(free_rack(), micros_per_hour=3_600_000_000, rack_s_per_output=1e-5)
    >>> compute_usd(DecisionTokens(600, 0, 75), rack)
    0.00075
    """
    fresh, cached, written = (np.asarray(v, dtype=float) for v in (tokens.fresh, tokens.cached, tokens.output))
    return plain(taken_s(rack, fresh, cached, written) * rack.usd_per_s)


def best_width(widths: ArrayLike, welfare: ArrayLike, usd: ArrayLike) -> WidthChoice:
    """How many sellers to ask, given what a deal is worth at each width and what it costs to decide.

    Parameters
    ----------
    widths : array_like
        Sellers asked, rising, shape (n,) [1].
    welfare : array_like
        Welfare of a deal at each, before compute [$].
    usd : array_like
        Compute of a deal at each [$].

    Returns
    -------
    WidthChoice

    Raises
    ------
    RangeError
        If the widths do not rise, or the rows are not as many.

    Examples
    --------
    >>> choice = best_width([1, 3, 10, 30], [10.0, 14.0, 15.0, 15.01], [0.01, 0.017, 0.039, 0.1])
    >>> choice.best, choice.marginal.round(1).tolist()
    (10, [nan, 571.4, 45.5, 0.2])
    """
    w, v, u = (np.atleast_1d(np.asarray(a, dtype=float)) for a in (widths, welfare, usd))
    if not (w.ndim == 1 and w.size and w.shape == v.shape == u.shape and np.all(np.diff(w) > 0)):
        raise RangeError("widths", w.tolist()[:4], "rising widths, each with its welfare and its cost")
    not_negative("usd", u, "$")
    net = v - u
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = v / u
        marginal = np.concatenate([[np.nan], np.diff(v) / np.diff(u)])
    return WidthChoice(w, v, u, net, ratio, marginal, int(w[np.argmax(net)]))
