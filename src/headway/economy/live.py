"""A market small enough to answer at once: one drawn town for ten minutes, as every face shows it.

Buyers read a few listings with care, ask everyone that their search shows and mostly take the first offer that will
do, which is where the width of a search, a queue and a slow seller can all be seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np

from headway.economy.buyers import BUYERS
from headway.economy.generated import generate_population
from headway.economy.keep import hold_tiers, keep_prefix
from headway.economy.outcome import MarketOutcome, over_time
from headway.economy.population import Population
from headway.economy.rack import Rack
from headway.economy.rack_plan import plan_decisions, rack_for
from headway.economy.rules import Rules
from headway.economy.sellers import SELLERS
from headway.economy.simulate import Policies, simulate
from headway.facts.models import model as model_of
from headway.facts.systems import system as system_of
from headway.physics.arrays import Floats
from headway.serving.plan import PlanResult

CONSUMERS: Final = 40
BUSINESSES: Final = 60
DAY_US: Final = 300_000_000
PATIENCE_S: Final = 600.0
"""Of a buyer, from its start to its choice [s]."""
TPOT_S: Final = 0.05
"""Limit of the plan that serves the town [s]."""
WIDTHS: Final = (2, 8, 32)
"""Search widths that are compared."""


@dataclass(frozen=True, slots=True)
class Town:
    """What may be changed about the town; a value, so that answers can be remembered.

    Parameters
    ----------
    model, system : str
        Who speaks for the agents, and where; names of the catalog.
    racks : float
        Deployments rented, or the share of one [1].
    width : int
        Sellers that a search shows, all of whom are asked [1].
    first_p : float
        Chance that a buyer takes the first offer that will do [1].
    reply_s : float
        Mean time of a seller beside its decision [s].
    kv_life_s : float
        How long a buyer's KV is kept [s].
    mechanism : str
        Key of :data:`headway.economy.rules.MECHANISMS`.
    sellers : str
        Key of :data:`headway.economy.sellers.SELLERS`.
    seed : int
        Of everything drawn.
    """

    model: str
    system: str
    racks: float = 0.05
    width: int = 8
    first_p: float = 0.9
    reply_s: float = 20.0
    kv_life_s: float = 120.0
    mechanism: str = "first-come"
    sellers: str = "learning"
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Live:
    """What came of the town.

    Parameters
    ----------
    outcome : MarketOutcome
    rack : Rack
        As rented.
    at_s, deals, welfare : ndarray
        Times until the last acceptance, deals settled so far and their welfare.
    queue_at_s, queue_s : ndarray
        Times until then, and mean wait of a decision on the rack [s].
    accepted_s, price_ratio : ndarray
        Each settled deal's time, and what was paid over the posted price [1].
    utilisation : float
        Rack time sold over the time until the last acceptance [1].
    """

    outcome: MarketOutcome
    rack: Rack
    at_s: Floats
    deals: Floats
    welfare: Floats
    queue_at_s: Floats
    queue_s: Floats
    accepted_s: Floats
    price_ratio: Floats
    utilisation: float


@dataclass(frozen=True, slots=True)
class ByWidth:
    """The same town at several search widths.

    Parameters
    ----------
    widths : tuple of int
        Sellers shown and asked [1].
    deals : tuple of int
        Settled [1].
    welfare, usd_per_deal, latency_s : tuple of float
        In all; compute of a deal [$]; mean time to acceptance [s].
    """

    widths: tuple[int, ...]
    deals: tuple[int, ...]
    welfare: tuple[float, ...]
    usd_per_deal: tuple[float, ...]
    latency_s: tuple[float, ...]


@lru_cache(maxsize=32)
def town_plan(model: str, system: str) -> PlanResult:
    """Plan for the mean call of a town's agents, remembered; infeasibility is in it.

    >>> town_plan("llama-3.1-8b", "hgx-h200").feasible
    True
    """
    return plan_decisions(model_of(model), system_of(system), sellers_asked=10.0, tpot=TPOT_S)


@lru_cache(maxsize=8)
def town_population(seed: int) -> Population:
    """The people of the town, remembered.

    >>> len(town_population(1).consumers)
    40
    """
    return generate_population(CONSUMERS, BUSINESSES, seed=seed, cities=1, day_us=DAY_US)


@lru_cache(maxsize=128)
def run_town(town: Town) -> Live:
    """Run the town, remembered.

    Parameters
    ----------
    town : Town

    Returns
    -------
    Live

    Raises
    ------
    InputError
        If no plan serves the model on the system (see :func:`town_plan`), or a field is out of range.

    Examples
    --------
    >>> live = run_town(Town("llama-3.1-8b", "hgx-h200", width=3))
    >>> live.outcome.settled > 20, 0 < live.utilisation < 1
    (True, True)
    """
    rack = rack_for(town_plan(town.model, town.system)).scaled(town.racks)
    buyers = replace(BUYERS["attention"], first_p=town.first_p, contacts=None, patience_s=PATIENCE_S)
    sellers = replace(SELLERS[town.sellers], reply_s=town.reply_s)
    found = simulate(
        town_population(town.seed),
        Rules(town.mechanism, search="text", width=town.width),
        Policies(buyers, sellers),
        rack=rack,
        seed=town.seed,
        kv_life_s=town.kv_life_s,
    )
    at, deals, welfare = over_time(found)
    done, (times, waits) = found.deals.settled, found.queue_series
    # Buyers who found nothing wait on for hours in which nothing is decided.
    end = at[-1].item() or found.span_s
    shown = times <= end
    return Live(
        outcome=found,
        rack=rack,
        at_s=at,
        deals=np.asarray(deals, dtype=float),
        welfare=welfare,
        queue_at_s=times[shown],
        queue_s=waits[shown],
        accepted_s=found.deals.at_us[done] / 1e6,
        price_ratio=found.deals.paid[done] / found.deals.posted[done],
        utilisation=found.compute.rack_s / end if end else 0.0,
    )


def by_width(town: Town, widths: tuple[int, ...] = WIDTHS) -> ByWidth:
    """The same town at several search widths, its own among them.

    >>> found = by_width(Town("llama-3.1-8b", "hgx-h200", width=3), (3, 30))
    >>> found.widths, found.usd_per_deal[0] < found.usd_per_deal[1]
    ((3, 30), True)
    """
    every = tuple(sorted({*widths, town.width}))
    runs = [run_town(replace(town, width=width)).outcome for width in every]
    return ByWidth(
        every,
        tuple(one.settled for one in runs),
        tuple(one.welfare for one in runs),
        tuple(one.usd_per_deal for one in runs),
        tuple(one.latency.mean for one in runs),
    )


@lru_cache(maxsize=32)
def town_lives(model: str, system: str, width: int) -> MappingProxyType[str, float]:
    """Reply delay up to which each tier is worth a buyer's KV, by name of the tier [s].

    >>> town_lives("llama-3.1-8b", "hgx-h200", 10)["hbm"] > 10
    True
    """
    rack = rack_for(town_plan(model, system))
    tiers = hold_tiers(system_of(system))
    kept = keep_prefix(model_of(model), rack, tiers, sellers_asked=float(width))
    return MappingProxyType({t.name: delay for t, delay in zip(kept.tiers, kept.break_even_s, strict=True)})
