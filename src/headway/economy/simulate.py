"""A market from the opening bell to its last delivery: events in order of time, the same by the same seed.

Agents act through the rails and nothing else, and every decision runs on the rack, which bills it. Chance comes from
one stream an agent (:class:`numpy.random.SeedSequence` keyed by its name), so that one more agent changes nobody
else's draws, and a run's log has the same digest in any process and on any store.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop
from typing import Final, TypeAlias

import numpy as np

from headway.economy._asking import arrive
from headway.economy._desk import Desk, set_up
from headway.economy._floor import GRIEFS, US, Floor
from headway.economy.attackers import Attack, stage
from headway.economy.buyers import BUYERS, Buyer
from headway.economy.discovery import build_index
from headway.economy.generated import DAY_US
from headway.economy.listings import publish
from headway.economy.memory_store import memory_store
from headway.economy.money import currency
from headway.economy.outcome import MarketOutcome, gather
from headway.economy.population import Population, check_population
from headway.economy.rack import Rack, free_rack
from headway.economy.rails import Rails, open_rails
from headway.economy.rules import Rules
from headway.economy.sellers import SELLERS, Seller
from headway.economy.store import Store
from headway.facts.check import single, whole
from headway.facts.errors import InputError

Progress: TypeAlias = Callable[[int, int, float], None]
"""Told of requests ended, of how many, and of the time simulated [s]."""
_TELL: Final = 500


@dataclass(frozen=True, slots=True)
class Policies:
    """What both sides do.

    Parameters
    ----------
    buyers : Buyer
        Policy of every honest consumer.
    sellers : Seller
        Policy of every honest business.
    attack : Attack, optional
        What some of them do instead.
    visits : int
        Times that each consumer looks for its basket, an equal part of a day apart [1].

    Raises
    ------
    RangeError
        If the visits are not a whole number from 1.

    Examples
    --------
    >>> Policies().buyers.name, Policies(sellers=SELLERS["learning"]).sellers.name
    ('optimal', 'learning')
    """

    buyers: Buyer = BUYERS["optimal"]
    sellers: Seller = SELLERS["posted"]
    attack: Attack | None = None
    visits: int = 1

    def __post_init__(self) -> None:
        """Refuse no visit."""
        whole("visits", single("visits", self.visits), most=10_000)


def simulate(
    population: Population,
    rules: Rules | None = None,
    policies: Policies | None = None,
    *,
    rack: Rack | None = None,
    store: Store | None = None,
    seed: int = 0,
    kv_life_s: float = math.inf,
    progress: Progress | None = None,
) -> MarketOutcome:
    """Run one market.

    Parameters
    ----------
    population : Population
        Read or drawn.
    rules : Rules, optional
        Of the market; first come, first served among all that sell the basket where not given.
    policies : Policies, optional
        Of both sides; optimal buyers and posted prices where not given.
    rack : Rack, optional
        What decisions run on; a free one where not given, for exact welfare.
    store : Store, optional
        Where the log goes, empty before; memory where not given. It is closed afterwards.
    seed : int
        Of everything drawn.
    kv_life_s : float
        How long a buyer's repeated prefix stays cached while it waits for quotes; after it the prefix is computed
        again (:func:`headway.economy.keep.keep_prefix` says how long keeping pays) [s].
    progress : callable, optional
        Called every few hundred requests with those ended, all, and the time simulated [s].

    Returns
    -------
    MarketOutcome

    Raises
    ------
    InputError
        If the store holds a log, an identifier cannot stand on the ledger, or a rack priced in dollars meets another
        currency.

    Examples
    --------
    >>> from headway.economy.generated import generate_population
    >>> market = generate_population(40, 30, seed=1)
    >>> one, two = (simulate(market, seed=2) for _ in range(2))
    >>> one.settled, one.log_hash == two.log_hash
    (40, True)
    """
    rules, policies = rules or Rules(), policies or Policies()
    rack = free_rack() if rack is None else rack
    check_population(population)
    whole("seed", single("seed", seed), least=0, most=2**63)
    if not kv_life_s >= 0:
        raise InputError("kv_life_s", kv_life_s, "a time of at least 0 s")
    if rack.micros_per_hour and population.currency != "USD":
        raise InputError("currency", population.currency, "USD where decisions are paid for: racks are priced in it")
    kept = memory_store(keep=False) if store is None else store
    with open_rails(
        kept,
        fee_bps=rules.fee_bps,
        hold_timeout_us=round(rules.hold_s * US),
        audience=f"headway-market-{seed}",
        compute_currency=population.currency,
    ) as rails:
        floor = _open(population, rules, policies, rack, rails, seed, kv_life_s)
        last = _run(floor, progress)
        return gather(floor, last)


def _open(
    population: Population, rules: Rules, policies: Policies, rack: Rack, rails: Rails, seed: int, kv_life_s: float
) -> Floor:
    """The floor before the bell: attackers in place, accounts open, wallets funded, listings up."""
    attack = policies.attack
    staged = stage(population, attack, seed=seed)
    population = staged.population
    minor = currency(population.currency).minor
    shown = publish(population)
    sellers = population.businesses
    floor = Floor(
        population,
        shown,
        build_index(shown, seed=seed),
        rules,
        policies.buyers,
        policies.sellers,
        attack,
        staged,
        rack,
        Desk(rails, rails.operator_session(), seed),
        minor,
        seed,
        kv_life_s * US,
        capacity=sellers.capacity.tolist(),
        busy=[0] * len(sellers),
        factor=[1.0] * len(sellers),
        menus=[shown.prices(b) for b in range(len(sellers))],
        has=[frozenset(shown.has.row(b).tolist()) for b in range(len(sellers))],
    )
    paid = rack.micros_per_hour > 0
    funds = round(policies.sellers.funds * US) // minor * minor if paid else 0
    set_up(floor.desk, population, shown, _wallets(floor, paid, policies.visits), funds)
    bell = round(rules.bell_s * US)
    for consumer, at_us in enumerate(population.consumers.at_us.tolist()):
        first = max(at_us, bell)
        for k in range(GRIEFS if floor.griefs(consumer) else 1):
            floor.at(first + k * round(rules.delivery_s * US), arrive, floor, consumer)
        for visit in range(1, policies.visits):
            floor.at(first + visit * DAY_US // policies.visits, arrive, floor, consumer, visit)
    return floor


def _wallets(floor: Floor, paid: bool, visits: int) -> list[int]:
    """What each consumer brings: its limit, and what it may spend on deciding, in whole minor units [micro]."""
    buyers, minor = floor.population.consumers, floor.minor
    worth = np.add.reduceat(buyers.worth, buyers.basket.start[:-1])
    share = floor.buyer.limit + (floor.buyer.most_compute if paid else 0.0)
    found = (np.ceil(worth * share / minor).astype(np.int64) + 1) * minor
    return [w * (visits + (GRIEFS if floor.griefs(c) else 0)) for c, w in enumerate(found.tolist())]


def _run(floor: Floor, progress: Progress | None) -> int:
    """Take events in order of time; commands of one moment, or of one period of the rails, make one group [us]."""
    heap, desk, tally = floor.heap, floor.desk, floor.tally
    period, everyone = round(floor.rules.group_s * US), len(floor.heap)
    last = told = 0
    while heap or desk.queue:
        due = min(heap[0][0] if heap else math.inf, desk.numbers[1] if desk.queue else math.inf)
        end = int(due) if not period else (int(due) // period + 1) * period
        while heap and (heap[0][0] < end or heap[0][0] == due):
            time_us, _, function, arguments = heappop(heap)
            function(time_us, *arguments)
            last = time_us
        if desk.queue:
            desk.flush(end)
            last = end
        if progress is not None and len(tally.asked) >= told + _TELL:
            told = len(tally.asked)
            progress(told, everyone, last / US)
    if progress is not None:
        progress(len(tally.asked), everyone, last / US)
    return last
