"""A market in parts that do not trade with each other, each with a log of its own: in this process, or over Ray.

Consumers and businesses of one part sell and want the same items: parts are the connected components of "wants an item
that the other sells", packed into shards of even size. Nobody loses a trading partner, and a shard's result does not
depend on where it runs, because every agent draws from a stream of its own name.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from typing import Any

import numpy as np

from headway.economy.outcome import MarketOutcome
from headway.economy.population import Ints, Population, select
from headway.economy.rack import Rack
from headway.economy.rules import Rules
from headway.economy.simulate import Policies, simulate
from headway.facts.check import single, whole
from headway.facts.errors import MissingExtraError


@dataclass(frozen=True, slots=True)
class ShardsOutcome:
    """Results of every shard, in order.

    Parameters
    ----------
    name, currency : str
        Of the population.
    outcomes : tuple of MarketOutcome
        One a shard.
    """

    name: str
    currency: str
    outcomes: tuple[MarketOutcome, ...]

    @property
    def welfare(self) -> float:
        """Total utility of honest consumers over settled deals."""
        return sum(o.welfare for o in self.outcomes)

    @property
    def settled(self) -> int:
        """Settled deals [1]."""
        return sum(o.settled for o in self.outcomes)

    @property
    def log_hash(self) -> str:
        """SHA-256 over the shards' log digests, in order."""
        return hashlib.sha256("".join(o.log_hash for o in self.outcomes).encode()).hexdigest()


def components(population: Population) -> tuple[Ints, Ints]:
    """Part of each consumer and of each business: those connected by an item that one wants or sells.

    Returns
    -------
    consumers, businesses : ndarray of int
        Number of the part, from 0 by its lowest item.

    Examples
    --------
    >>> from headway.economy.generated import generate_population
    >>> people, shops = components(generate_population(500, 200, seed=1))
    >>> int(shops.max()) + 1
    12
    """
    parent = list(range(len(population.items)))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for rows in (population.businesses.menu, population.consumers.basket):
        starts, values = rows.start.tolist(), rows.values.tolist()
        for first, end in pairwise(starts):
            for item in values[first + 1 : end]:
                one, other = root(values[first]), root(item)
                parent[max(one, other)] = min(one, other)
    roots = np.array([root(item) for item in range(len(parent))], dtype=np.int64)
    buyers, sellers = population.consumers.basket, population.businesses.menu
    shops = roots[sellers.values[sellers.start[:-1]]]
    people = roots[buyers.values[buyers.start[:-1]]]
    numbers = np.unique(np.concatenate((people, shops)), return_inverse=True)[1]
    return numbers[: len(people)].astype(np.int64), numbers[len(people) :].astype(np.int64)


def split_population(population: Population, shards: int) -> tuple[Population, ...]:
    """Split into at most so many shards: parts by falling size, each to the shard that is smallest so far.

    Parts without a consumer or without a business have nothing to do and are left out.

    Examples
    --------
    >>> from headway.economy.generated import generate_population
    >>> parts = split_population(generate_population(500, 200, seed=1), 3)
    >>> len(parts), sum(len(part.consumers) for part in parts)
    (3, 500)
    """
    count = int(whole("shards", single("shards", shards), most=1024))
    people, shops = components(population)
    size = np.bincount(people, minlength=int(max(people.max(), shops.max())) + 1)
    trading = np.flatnonzero((size > 0) & (np.bincount(shops, minlength=len(size)) > 0))
    shard_of = np.full(len(size), -1, dtype=np.int64)
    load = [0] * count
    for part in sorted(trading.tolist(), key=lambda k: (-int(size[k]), k)):
        target = min(range(count), key=lambda k: (load[k], k))
        shard_of[part] = target
        load[target] += int(size[part])
    found = []
    for shard in range(count):
        consumers, businesses = np.flatnonzero(shard_of[people] == shard), np.flatnonzero(shard_of[shops] == shard)
        if len(consumers):
            found.append(select(population, consumers, businesses))
    return tuple(found)


def simulate_shards(
    population: Population,
    rules: Rules | None = None,
    policies: Policies | None = None,
    *,
    shards: int,
    rack: Rack | None = None,
    seed: int = 0,
    ray: bool = False,
) -> ShardsOutcome:
    """Run every shard of a market, one after the other here or side by side over Ray, with the same result.

    Parameters
    ----------
    population, rules, policies, rack, seed
        As in :func:`~headway.economy.simulate.simulate`; each shard rents its equal share of the rack.
    shards : int
        Most parts [1].
    ray : bool
        Whether Ray runs them: the cluster that is up, or this machine.

    Returns
    -------
    ShardsOutcome

    Raises
    ------
    MissingExtraError
        If Ray is asked for and absent.

    Examples
    --------
    >>> from headway.economy.generated import generate_population
    >>> market = generate_population(60, 40, seed=1)
    >>> simulate_shards(market, shards=2).settled
    60
    """
    parts = split_population(population, shards)
    part_of_rack = rack if rack is None or not rack.micros_per_hour else rack.scaled(1 / len(parts))
    work = [(part, rules, policies, part_of_rack, seed) for part in parts]
    outcomes = _over_ray(work) if ray else [_one(*arguments) for arguments in work]
    return ShardsOutcome(population.name, population.currency, tuple(outcomes))


def _one(
    part: Population, rules: Rules | None, policies: Policies | None, rack: Rack | None, seed: int
) -> MarketOutcome:
    return simulate(part, rules, policies, rack=rack, seed=seed)


def _over_ray(work: list[Any]) -> list[MarketOutcome]:
    try:
        ray = import_module("ray")
    except ImportError:
        raise MissingExtraError("ray", "ray") from None
    mine = not ray.is_initialized()
    if mine:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="error")
    try:
        remote = ray.remote(_one)
        found: list[MarketOutcome] = ray.get([remote.remote(*arguments) for arguments in work])
        return found
    finally:
        if mine:
            ray.shutdown()
