"""What a deal is worth to its consumer, and what policies could reach with every price known.

The utility of the published study (arXiv 2510.25779): twice the sum of what the basket's items are worth if the seller
has all of them and every amenity needed, nothing otherwise, less what is paid:

    u = 2 * sum(worth) * fits - paid

A baseline is the total over consumers when each picks by one rule among the businesses that offer its whole basket:
the best utility (``optimal``), the lowest price (``cheapest``), any (``random``) or any that has the amenities too
(``random-amenities``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from headway.economy.population import Bools, Floats, Ints, Population, Ragged, postings
from headway.facts.check import single, whole

MICROS: Final = 1_000_000
_BLOCK: Final = 1 << 22


@dataclass(frozen=True, slots=True)
class Matches:
    """Every pair of a consumer and a business that offers its whole basket, by consumer, then business.

    Parameters
    ----------
    start : ndarray of int
        Shape (consumers + 1,): where each consumer's pairs begin.
    business : ndarray of int
        Of each pair.
    posted : ndarray of int
        Posted price of the basket [micro].
    worth : ndarray of int
        Twice what the basket is worth to the consumer, where everything fits [micro].
    fits : ndarray of bool
        Whether the business has every amenity needed.
    """

    start: Ints
    business: Ints
    posted: Ints
    worth: Ints
    fits: Bools

    @property
    def utility(self) -> Ints:
        """Utility of each pair at the posted price [micro]."""
        return np.where(self.fits, self.worth, 0) - self.posted

    def of(self, consumer: int) -> slice:
        """Pairs of one consumer."""
        return slice(int(self.start[consumer]), int(self.start[consumer + 1]))


def matches(population: Population) -> Matches:
    """Find every pair that can trade, by intersecting the postings of the basket's items.

    Parameters
    ----------
    population : Population
        Both sides.

    Returns
    -------
    Matches
        Sorted by consumer, then business.

    Examples
    --------
    >>> from headway.economy.generated import generate_population
    >>> found = matches(generate_population(50, 20, seed=1))
    >>> bool((np.diff(found.start) >= 1).all()), bool(found.fits.any())
    (True, True)
    """
    buyers, sellers = population.consumers, population.businesses
    m = len(sellers)
    at = np.argsort(sellers.menu.values, kind="stable")
    sold = postings(sellers.menu, len(population.items))
    price = sellers.price[at]
    tagged = np.zeros((m, len(population.tags)), dtype=bool)
    tagged[sellers.tags.owner(), sellers.tags.values] = True
    starts, items = buyers.basket.start.tolist(), buyers.basket.values.tolist()
    found = [_sellers(sold, price, items[starts[i] : starts[i + 1]]) for i in range(len(buyers))]
    business = np.concatenate([pair[0] for pair in found])
    counts = np.array([len(pair[0]) for pair in found], dtype=np.int64)
    owner = np.repeat(np.arange(len(buyers), dtype=np.int64), counts)
    return Matches(
        np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        business,
        np.concatenate([pair[1] for pair in found]),
        2 * np.add.reduceat(buyers.worth, buyers.basket.start[:-1])[owner],
        _have_all(tagged, buyers.needs, owner, business),
    )


def _sellers(sold: Ragged, price: Ints, basket: list[int]) -> tuple[Ints, Ints]:
    """Businesses that sell every item, ascending, and what they ask in all."""
    first = slice(int(sold.start[basket[0]]), int(sold.start[basket[0] + 1]))
    who, total = sold.values[first], price[first]
    for item in basket[1:]:
        other = slice(int(sold.start[item]), int(sold.start[item + 1]))
        where = np.searchsorted(sold.values[other], who)
        inside = where < other.stop - other.start
        where, who, total = where[inside], who[inside], total[inside]
        same = sold.values[other][where] == who
        who, total = who[same], total[same] + price[other][where[same]]
    return who, total


def _have_all(tagged: Bools, needs: Ragged, owner: Ints, business: Ints) -> Bools:
    """Whether each pair's business has every tag its consumer needs."""
    good = np.ones(len(owner), dtype=bool)
    for nth in range(int(np.diff(needs.start).max(initial=0))):
        has = needs.start[owner] + nth < needs.start[owner + 1]
        at = needs.start[owner[has]] + nth
        good[has] &= tagged[business[has], needs.values[at]]
    return good


@dataclass(frozen=True, slots=True)
class Baseline:
    """Total utility that one rule reaches [USD or the population's currency].

    Parameters
    ----------
    policy : str
        The rule.
    median, low, high : float
        Of the total over the draws; all the same for a rule without chance.
    deals : int
        Consumers with at least one choice [1].
    """

    policy: str
    median: float
    low: float
    high: float
    deals: int


def baselines(population: Population, *, draws: int = 1000, seed: int = 0) -> dict[str, Baseline]:
    """Total utility of the four published policies with every posted price known.

    Parameters
    ----------
    population : Population
        Both sides.
    draws : int
        Repetitions of the random choices [1].
    seed : int
        Of the random choices.

    Returns
    -------
    dict of str to Baseline
        By policy: optimal, cheapest, random, random-amenities. Consumers without a choice stay out. Of equally
        cheap businesses the first by id is taken.

    Examples
    --------
    >>> from headway.economy.generated import generate_population
    >>> found = baselines(generate_population(30, 20, seed=1), draws=100)
    >>> found["random"].low <= found["random"].median <= found["random"].high <= found["optimal"].median
    True
    """
    whole("draws", single("draws", draws), least=1, most=1_000_000)
    pairs = matches(population)
    everyone, fitting = np.ones(len(pairs.business), dtype=bool), pairs.fits
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    return {
        "optimal": _constant("optimal", pairs, -pairs.utility),
        "cheapest": _constant("cheapest", pairs, pairs.posted),
        "random": _drawn("random", pairs, everyone, draws, rng),
        "random-amenities": _drawn("random-amenities", pairs, fitting, draws, rng),
    }


def _constant(policy: str, pairs: Matches, rank: Ints) -> Baseline:
    """Each consumer's pair of lowest rank."""
    owner = np.repeat(np.arange(len(pairs.start) - 1), np.diff(pairs.start))
    order = np.lexsort((pairs.business, rank, owner))
    first = pairs.start[:-1][np.diff(pairs.start) > 0]
    total = int(pairs.utility[order[first]].sum()) / MICROS
    return Baseline(policy, total, total, total, len(first))


def _drawn(policy: str, pairs: Matches, allowed: Bools, draws: int, rng: np.random.Generator) -> Baseline:
    """Totals of `draws` uniform choices among the allowed pairs, in blocks that bound the memory."""
    owner = np.repeat(np.arange(len(pairs.start) - 1), np.diff(pairs.start))[allowed]
    utility = pairs.utility[allowed]
    people, first, counts = np.unique(owner, return_index=True, return_counts=True)
    totals: list[Floats] = []
    rows = max(_BLOCK // max(len(people), 1), 1)
    for start in range(0, draws, rows):
        n = min(rows, draws - start)
        pick = first + np.floor(rng.random((n, len(people))) * counts).astype(np.int64)
        totals.append(utility[pick].sum(axis=1) / MICROS)
    every = np.concatenate(totals)
    return Baseline(policy, float(np.median(every)), float(every.min()), float(every.max()), len(people))


@dataclass(frozen=True, slots=True)
class Beside:
    """Our baseline beside the published one.

    Parameters
    ----------
    policy : str
        The rule.
    ours : Baseline
        Recomputed.
    published, low, high : float
        Published constant or median, and range [USD].
    agrees : bool
        Equal to the cent for a constant; our median inside the published range for a random choice.
    """

    policy: str
    ours: Baseline
    published: float
    low: float
    high: float
    agrees: bool

    def holds(self, welfare: float) -> bool:
        """Whether a welfare is the published one to the cent, or in the published range."""
        return within(welfare, self.low, self.high)


def within(welfare: float, low: float, high: float) -> bool:
    """Whether a total lies in a range, to half a cent for rounding.

    >>> within(63.78, 63.779999999999994, 63.779999999999994), within(63.79, 63.78, 63.78)
    (True, False)
    """
    return low - 0.005 <= welfare <= high + 0.005


def beside_published(population: Population, *, draws: int = 1000, seed: int = 0) -> tuple[Beside, ...]:
    """Recompute every published baseline; empty where the population came with none.

    >>> from headway.economy.generated import generate_population
    >>> beside_published(generate_population(3, 3, seed=1))
    ()
    """
    if not population.published:
        return ()
    ours = baselines(population, draws=draws, seed=seed)
    found = []
    for policy, band in population.published.items():
        mine = ours[policy]
        agrees = within(mine.median, band.low, band.high)
        found.append(Beside(policy, mine, band.median, band.low, band.high, agrees))
    return tuple(found)
