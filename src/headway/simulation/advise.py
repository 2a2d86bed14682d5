"""Which cache to buy or build for a trace: every number at once, and what follows in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from headway.facts.cache_terms import CacheTerms, cache_terms
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.physics.arrays import Numbers
from headway.simulation.cache import (
    HitRate,
    Reuse,
    lru_blocks_for,
    lru_hit_rate,
    lru_served,
    measure_reuse,
    reuse_interval,
    ttl_for_share,
    ttl_hit_rate,
)
from headway.simulation.policies import policy_hit_rate
from headway.simulation.tiers import YEARS, Offer, Tier, bill, billing_multiplier, price_tiers
from headway.simulation.trace import Trace

LIVES_S = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 86400.0)
"""Lives of the curve, where none are asked for [s]."""

_Row: TypeAlias = tuple[float | None, float | None, str, float, float, float]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Hit rate at one life and capacity; None means no limit.

    Parameters
    ----------
    ttl_s, capacity_tokens : float or None
        Life since the last use [s], and capacity [token].
    policy : str
        Key of :data:`~headway.simulation.policies.POLICIES`.
    tokens_pooled, tokens_per_request, blocks_pooled : float
        As in :class:`~headway.simulation.cache.HitRate` [1].
    billing_multiplier : float
        Input bill over that without a cache at Anthropic's terms of that life (5 min up to there, 1 h above) [1].
    """

    ttl_s: float | None
    capacity_tokens: float | None
    policy: str
    tokens_pooled: float
    tokens_per_request: float
    blocks_pooled: float
    billing_multiplier: float


@dataclass(frozen=True, slots=True)
class Advice:
    """Which cache to buy or build.

    Parameters
    ----------
    trace : str
        Name of the trace.
    requests, input_tokens, blocks : int
        Of the trace [1], [token].
    most : HitRate
        Of a cache without limits.
    interval_p50_s, interval_p90_s, interval_p99_s, ttl_95_s : float
        Block reuse intervals, and the life that serves 95% of what can be served [s].
    curve : tuple of CurvePoint
        By life, then by policy and capacity.
    offers : tuple of Offer
        Cheapest first.
    tiers : tuple of Tier
        The accelerator's memory first.
    buy, build : str
        Cheapest offer that saves, and tier that nets most and can be read fast enough; empty where none.
    conclusions, assumptions, notes : tuple of str
        In words.
    """

    trace: str
    requests: int
    input_tokens: int
    blocks: int
    most: HitRate
    interval_p50_s: float
    interval_p90_s: float
    interval_p99_s: float
    ttl_95_s: float
    curve: tuple[CurvePoint, ...]
    offers: tuple[Offer, ...]
    tiers: tuple[Tier, ...]
    buy: str
    build: str
    conclusions: tuple[str, ...]
    assumptions: tuple[str, ...]
    notes: tuple[str, ...]


def advise(
    trace: Trace,
    model: Model,
    system: System,
    *,
    ttls_s: Sequence[float] | None = None,
    capacities: Sequence[float] | None = None,
    policies: Sequence[str] = ("unlimited", "lru"),
    recompute_usd_per_mtok: float | None = None,
) -> Advice:
    """Say which cache a trace should buy from a provider, or build, and when caching loses money.

    Parameters
    ----------
    trace : Trace
        With block ids and arrivals as recorded.
    model, system : Model, System
        For a cache of one's own.
    ttls_s, capacities : sequence of float, optional
        Lives [s] and capacities [token] of the curve.
    policies : sequence of str
        Keys of :data:`~headway.simulation.policies.POLICIES`.
    recompute_usd_per_mtok : float, optional
        As in ``price_tiers`` [$/Mtok].

    Returns
    -------
    Advice
        Every number, and the conclusions in words.

    Raises
    ------
    InputError
        If prompts have no block ids.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> from headway.simulation.trace import make_trace
    >>> twice = make_trace("t", [0, 60], [2048, 2048], [1, 1], block_tokens=2048, blocks=[3, 3], block_indptr=[0, 1, 2])
    >>> advise(twice, model("llama-3.1-70b"), system("hgx-h200")).curve[3].tokens_pooled
    0.5
    """
    reuse = measure_reuse(trace)
    p50, p90, p99 = np.asarray(reuse_interval(reuse, [0.5, 0.9, 0.99])).tolist()
    offers = tuple(sorted((bill(trace, reuse, t) for t in cache_terms()), key=lambda o: o.billing_multiplier))
    tiers = price_tiers(trace, reuse, model, system, recompute_usd_per_mtok=recompute_usd_per_mtok)
    earning = sorted((t for t in tiers if t.verdict == "earns"), key=lambda t: -t.net_usd_per_hour)
    buy = offers[0].terms.name if offers[0].saves else ""
    build = earning[0].name if earning else ""
    return Advice(
        trace=trace.name,
        requests=reuse.requests,
        input_tokens=reuse.input_tokens,
        blocks=reuse.accesses,
        most=lru_hit_rate(reuse, np.inf),
        interval_p50_s=p50,
        interval_p90_s=p90,
        interval_p99_s=p99,
        ttl_95_s=ttl_for_share(reuse, 0.95),
        curve=_curve(trace, reuse, ttls_s or LIVES_S, capacities, policies),
        offers=offers,
        tiers=tiers,
        buy=buy,
        build=build,
        conclusions=_conclusions(offers, buy, build),
        assumptions=(
            "a block is available from the arrival that first carried it; keys and values of answers are not counted",
            f"memory and storage are bought and written off over {YEARS:g} years, without power or margin",
            "computing a token again is priced at "
            + ("the peak of the chip" if recompute_usd_per_mtok is None else f"${recompute_usd_per_mtok:g}/Mtok"),
        ),
        notes=trace.notes,
    )


def _conclusions(offers: Sequence[Offer], buy: str, build: str) -> tuple[str, ...]:
    losing = ", ".join(o.terms.name for o in offers if o.loses)
    most = "caching saves at every provider's terms" if all(o.saves for o in offers) else "caching loses at no terms"
    return (
        f"buy: {buy}, {offers[0].billing_multiplier:.3f} of the uncached input bill" if buy else "buy: no offer saves",
        f"build: {build}" if build else "build: no tier earns its rent",
        f"caching loses money at the terms of {losing}" if losing else most,
    )


def _curve(
    trace: Trace, reuse: Reuse, lives: Sequence[float], capacities: Sequence[float] | None, policies: Sequence[str]
) -> tuple[CurvePoint, ...]:
    ends = [t for t in cache_terms() if t.provider == "Anthropic"]
    most = lru_hit_rate(reuse, np.inf)
    by_life = ttl_hit_rate(reuse, np.asarray(lives, dtype=float))
    rows: list[_Row] = [
        (life, None, "unlimited", t, r, float("nan"))
        for life, t, r in zip(lives, _listed(by_life.tokens_pooled), _listed(by_life.tokens_per_request), strict=True)
    ]
    sizes = tuple(capacities) if capacities else _sizes(reuse)
    for policy in policies:
        if policy == "unlimited":
            whole = (float(most.tokens_pooled), float(most.tokens_per_request), float(most.blocks_pooled))
            rows.append((None, None, policy, *whole))
            continue
        found = lru_hit_rate(reuse, sizes) if policy == "lru" else policy_hit_rate(trace, policy, sizes)
        columns = (_listed(found.tokens_pooled), _listed(found.tokens_per_request), _listed(found.blocks_pooled))
        rows += [(None, size, policy, t, r, b) for size, t, r, b in zip(sizes, *columns, strict=True)]
    return tuple(CurvePoint(*row, float(_at_terms(row[3], row[0], ends))) for row in rows)


def _at_terms(hit: float, life: float | None, ends: Sequence[CacheTerms]) -> Numbers:
    terms = next((t for t in ends if life is not None and life <= t.ttl_s), ends[-1])
    return billing_multiplier(hit, terms.write, terms.read)


def _listed(values: Numbers) -> list[float]:
    return [float(v) for v in np.ravel(values)]


def _sizes(reuse: Reuse) -> tuple[float, ...]:
    """Round capacities (1, 2, 5 times a power of ten tokens) over which the LRU curve rises."""
    base, top = float(lru_served(reuse, 1)[0]), float(reuse.lru[-1, 0])
    if top <= base:
        return (float(reuse.block_tokens),)
    marks = base + (top - base) * np.array([0.05, 0.999])
    low, high = (float(at) * reuse.block_tokens for at in lru_blocks_for(reuse, marks))
    grid = [m * 10.0**e for e in range(2, 14) for m in (1, 2, 5)]
    inside = tuple(g for g in grid if low <= g <= 2.5 * high)
    return inside or (high,)
