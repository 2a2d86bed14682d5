"""Attacks on a market: who turns hostile, what it does, and the population in which it does so.

Each is a row of :data:`ATTACKS`. Hostile sellers and buyers act through the same rails as everyone else: they may be
quick, false, many or mean, but a command that the rails refuse stays refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from headway.economy.population import Ints, Population, select
from headway.facts.check import fraction, positive, single, whole
from headway.facts.errors import unknown


@dataclass(frozen=True, slots=True)
class Kind:
    """One attack.

    Parameters
    ----------
    name, help : str
        Key, and one line for people.
    by : str
        Which side turns hostile: "sellers", "buyers" or "clones" (new identities of one owner).
    """

    name: str
    help: str
    by: str


_ROWS: Final = (
    Kind("injection", "an instruction in a listing makes a buyer pay what its mandate allows, for nothing", "sellers"),
    Kind("first-responder", "answers every request at once, at a higher price", "sellers"),
    Kind("sybil", "one owner under many names crowds the search results", "clones"),
    Kind("slow-loris", "never answers, so that every batch waits for its gate", "sellers"),
    Kind("wash-trade", "buys from itself under other names to earn reputation", "clones"),
    Kind("refund-abuse", "takes delivery and disputes every deal", "buyers"),
    Kind("hold-griefing", "accepts, holds the seller's capacity, and cancels before delivery", "buyers"),
)
ATTACKS: Final = MappingProxyType({row.name: row for row in _ROWS})
"""Attacks by name."""


@dataclass(frozen=True, slots=True)
class Attack:
    """An attack and how much of it.

    Parameters
    ----------
    kind : str
        Key of :data:`ATTACKS`.
    share : float
        Of the businesses or consumers that turn hostile; at least one does, unless it is 0 [1].
    copies : int
        New identities of each owner, where it makes any [1].
    markup : float
        Price of a first responder over its posted one [1].
    ask : float
        First price that an injected instruction asks, over the posted one; halved while the rails refuse it [1].

    Raises
    ------
    InputError
        If a field is out of range or unknown.
    """

    kind: str
    share: float = 0.1
    copies: int = 10
    markup: float = 1.2
    ask: float = 64.0

    def __post_init__(self) -> None:
        """Refuse fields out of range, by name."""
        if self.kind not in ATTACKS:
            raise unknown("attack", self.kind, ATTACKS)
        fraction("share", single("share", self.share))
        whole("copies", single("copies", self.copies), most=100_000)
        for name in ("markup", "ask"):
            positive(name, single(name, getattr(self, name)))


@dataclass(frozen=True, slots=True)
class Staged:
    """A population with its attackers in place.

    Parameters
    ----------
    population : Population
        Clones stand after everyone else.
    sellers, buyers : frozenset of int
        Businesses and consumers that are hostile.
    loyal : mapping of int to int
        Wash traders: consumers that only buy from that business.
    """

    population: Population
    sellers: frozenset[int] = frozenset()
    buyers: frozenset[int] = frozenset()
    loyal: MappingProxyType[int, int] = field(default_factory=lambda: MappingProxyType({}))


def stage(population: Population, attack: Attack | None, *, seed: int = 0) -> Staged:
    """Turn some of a population hostile.

    Parameters
    ----------
    population : Population
        Everyone honest.
    attack : Attack, optional
        None leaves them so.
    seed : int
        Of who turns hostile.

    Returns
    -------
    Staged

    Examples
    --------
    >>> from headway.economy.generated import generate_population
    >>> market = generate_population(50, 20, seed=1)
    >>> len(stage(market, Attack("injection")).sellers), len(stage(market, Attack("sybil", 0.05)).population.businesses)
    (2, 30)
    """
    if attack is None:
        return Staged(population)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(4,)))
    by = ATTACKS[attack.kind].by
    side = len(population.consumers) if by == "buyers" else len(population.businesses)
    # A share of nobody is nobody; any other is one at least.
    count = max(round(attack.share * side), 1) if attack.share else 0
    hostile = np.sort(rng.permutation(side)[:count])
    chosen = frozenset(hostile.tolist())
    if by == "buyers":
        return Staged(population, buyers=chosen)
    if by == "sellers":
        return Staged(population, sellers=chosen)
    return _sybils(population, hostile, attack) if attack.kind == "sybil" else _washers(population, hostile, attack)


def _sybils(population: Population, owners: Ints, attack: Attack) -> Staged:
    """Each owner again under new names, with the same menu and tags."""
    m = len(population.businesses)
    clones = np.repeat(owners, attack.copies)
    grown = select(
        population, np.arange(len(population.consumers)), np.concatenate((np.arange(m), clones)).astype(np.int64)
    )
    ids = grown.businesses.ids[:m] + tuple(
        f"{population.businesses.ids[b]}.{k}" for b in owners.tolist() for k in range(1, attack.copies + 1)
    )
    names = grown.businesses.names[:m] + tuple(
        f"{population.businesses.names[b]} {k}" for b in owners.tolist() for k in range(1, attack.copies + 1)
    )
    sellers = replace(grown.businesses, ids=ids, names=names)
    hostile = frozenset(owners.tolist()) | frozenset(range(m, m + len(clones)))
    return Staged(replace(grown, businesses=sellers, published=population.published), sellers=hostile)


def _washers(population: Population, owners: Ints, attack: Attack) -> Staged:
    """Each owner with buyers of its own: copies of a consumer whose first item it sells, who ask for that alone."""
    from headway.economy.welfare import matches

    pairs = matches(population)
    people = np.repeat(np.arange(len(population.consumers)), np.diff(pairs.start))
    n = len(population.consumers)
    models: list[int] = []
    loyal: dict[int, int] = {}
    for owner in owners.tolist():
        served = people[pairs.business == owner]
        if len(served):
            for _ in range(attack.copies):
                loyal[n + len(models)] = owner
                models.append(int(served[0]))
    chosen = np.concatenate((np.arange(n), np.array(models, dtype=np.int64))).astype(np.int64)
    grown = select(population, chosen, np.arange(len(population.businesses)))
    buyers = replace(
        grown.consumers,
        ids=grown.consumers.ids[:n] + tuple(f"{population.consumers.ids[c]}.w{k}" for k, c in enumerate(models)),
        at_us=np.concatenate((grown.consumers.at_us[:n], np.zeros(len(models), dtype=np.int64))),
    )
    return Staged(
        replace(grown, consumers=buyers, published=population.published),
        sellers=frozenset(owners.tolist()),
        buyers=frozenset(loyal),
        loyal=MappingProxyType(loyal),
    )
