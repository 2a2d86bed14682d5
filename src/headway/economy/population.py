"""Who takes part: consumers with baskets they value, businesses with menus, prices and private reserves.

Amounts are whole micros of the currency (1e-6 of its major unit) and times whole microseconds, so that the same
population makes the same market on every machine. Lists of unequal length are held as one array of values and one
of starts (:class:`Ragged`), which keeps 100,000 consumers in some tens of megabytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from headway.economy import money
from headway.facts.errors import InputError, RangeError

Ints: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"
Floats: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"
Bools: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows of unequal length.

    Parameters
    ----------
    start : ndarray of int
        Shape (rows + 1,): row i is ``values[start[i]:start[i + 1]]``.
    values : ndarray of int
        Shape (start[-1],).

    Examples
    --------
    >>> rows = ragged([[3, 1], [], [2]])
    >>> len(rows), rows.row(0).tolist(), rows.owner().tolist()
    (3, [3, 1], [0, 0, 2])
    """

    start: Ints
    values: Ints

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.start) - 1

    def row(self, index: int) -> Ints:
        """Values of one row."""
        return self.values[self.start[index] : self.start[index + 1]]

    def owner(self) -> Ints:
        """Row of each value."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.start))


def ragged(rows: Iterable[Sequence[int]]) -> Ragged:
    """Pack rows.

    >>> ragged([[1], [2, 3]]).start.tolist()
    [0, 1, 3]
    """
    listed = [np.asarray(row, dtype=np.int64) for row in rows]
    start = np.concatenate(([0], np.cumsum([len(row) for row in listed], dtype=np.int64)))
    values = np.concatenate(listed) if listed else np.empty(0, dtype=np.int64)
    return Ragged(start.astype(np.int64), values.astype(np.int64))


def postings(rows: Ragged, width: int) -> Ragged:
    """Turn rows inside out: for each value from 0 to `width` - 1 the rows that hold it, ascending.

    >>> postings(ragged([[0, 2], [2]]), 3).row(2).tolist()
    [0, 1]
    """
    order = np.argsort(rows.values, kind="stable")
    start = np.searchsorted(rows.values[order], np.arange(width + 1))
    return Ragged(start.astype(np.int64), rows.owner()[order])


@dataclass(frozen=True, slots=True)
class Band:
    """Published total utility of a policy: one value, or median and range over random choices [USD]."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Consumers:
    """The buying side, one row a consumer.

    Parameters
    ----------
    ids : tuple of str
        Names on the ledger.
    requests : tuple of str
        What each asks for, in words.
    basket : Ragged
        Items wanted, one of each.
    worth : ndarray of int
        What each item of the basket is worth, aligned with ``basket.values`` [micro].
    needs : Ragged
        Tags that a seller must have.
    place : ndarray of float
        Shape (n, 2) [km].
    at_us : ndarray of int
        When each starts to look [us].
    """

    ids: tuple[str, ...]
    requests: tuple[str, ...]
    basket: Ragged
    worth: Ints
    needs: Ragged
    place: Floats
    at_us: Ints

    def __len__(self) -> int:
        """Number of consumers."""
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Businesses:
    """The selling side, one row a business.

    Parameters
    ----------
    ids, names, texts : tuple of str
        Names on the ledger; what people read.
    menu : Ragged
        Items sold, ascending in each row.
    price : ndarray of int
        Posted price of each, aligned with ``menu.values`` [micro].
    tags : Ragged
        Amenities offered.
    reserve : ndarray of float
        Least share of its posted price that the business accepts; private, in no listing [1].
    rating : ndarray of float
        As published, 0 to 1 [1].
    place : ndarray of float
        Shape (n, 2) [km].
    capacity : ndarray of int
        Deals that may be open at once; 0 is no limit [1].
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    texts: tuple[str, ...]
    menu: Ragged
    price: Ints
    tags: Ragged
    reserve: Floats
    rating: Floats
    place: Floats
    capacity: Ints

    def __len__(self) -> int:
        """Number of businesses."""
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Population:
    """Both sides of a market and the words they share.

    Parameters
    ----------
    name, currency : str
        Where it comes from; the currency of every amount.
    items, tags : tuple of str
        Names behind the numbers of baskets, menus, needs and tags.
    consumers : Consumers
        The buying side.
    businesses : Businesses
        The selling side.
    published : mapping of str to Band
        Baselines that came with a data set, by policy; empty where none did.
    notes : tuple of str
        How it was read or drawn.
    """

    name: str
    currency: str
    items: tuple[str, ...]
    tags: tuple[str, ...]
    consumers: Consumers
    businesses: Businesses
    published: MappingProxyType[str, Band] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()


def check_population(population: Population) -> Population:
    """Refuse a population whose parts disagree; return it as given.

    Raises
    ------
    InputError
        If identifiers repeat, numbers point outside the words, or an amount is out of range.
    UnknownNameError
        If the currency is none of the ledger's.

    Examples
    --------
    >>> from headway.economy.generated import generate_population
    >>> len(check_population(generate_population(4, 3, seed=1)).consumers)
    4
    """
    money.currency(population.currency)
    buyers, sellers = population.consumers, population.businesses
    for field_name, ids in (("consumers", buyers.ids), ("businesses", sellers.ids)):
        if not ids:
            raise InputError(field_name, "none", "at least one")
        if len(set(ids)) != len(ids):
            twice = next(name for i, name in enumerate(ids) if name in ids[:i])
            raise InputError(f"{field_name}: id", twice, "an id that no other has")
    both = set(buyers.ids) & set(sellers.ids)
    if both:
        raise InputError("id", min(both), "different ids for consumers and businesses")
    for label, rows, words in (
        ("basket", buyers.basket, population.items),
        ("menu", sellers.menu, population.items),
        ("needs", buyers.needs, population.tags),
        ("tags", sellers.tags, population.tags),
    ):
        if rows.values.size and not (rows.values.min() >= 0 and rows.values.max() < len(words)):
            raise InputError(label, int(rows.values.max()), f"numbers below {len(words)}")
    for label, amounts in (("worth", buyers.worth), ("price", sellers.price)):
        if amounts.size and not (amounts.min() > 0 and amounts.max() < 10**15):
            raise RangeError(label, int(amounts.min()), "micros above 0 and below 1e15")
    if not ((sellers.reserve >= 0) & (sellers.reserve <= 1)).all():
        raise RangeError("reserve", float(sellers.reserve.max()), "a share of the price from 0 to 1")
    return population


def subset(rows: Ragged, chosen: Ints) -> tuple[Ragged, Ints]:
    """Rows of that order, and where their values stood.

    >>> picked, where = subset(ragged([[5], [6, 7], [8]]), np.array([2, 1]))
    >>> picked.values.tolist(), where.tolist()
    ([8, 6, 7], [3, 1, 2])
    """
    counts = np.diff(rows.start)[chosen]
    start = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    where = np.repeat(rows.start[chosen] - start[:-1], counts) + np.arange(start[-1], dtype=np.int64)
    return Ragged(start, rows.values[where]), where


def select(population: Population, consumers: Ints, businesses: Ints) -> Population:
    """The part of a population with these members, in this order; published baselines do not carry over.

    >>> from headway.economy.generated import generate_population
    >>> part = select(generate_population(5, 4, seed=1), np.array([3, 0]), np.arange(4))
    >>> part.consumers.ids
    ('consumer-000003', 'consumer-000000')
    """
    buyers, sellers = population.consumers, population.businesses
    basket, worth_at = subset(buyers.basket, consumers)
    needs, _ = subset(buyers.needs, consumers)
    menu, price_at = subset(sellers.menu, businesses)
    tags, _ = subset(sellers.tags, businesses)
    mine, theirs = consumers.tolist(), businesses.tolist()
    return Population(
        population.name,
        population.currency,
        population.items,
        population.tags,
        Consumers(
            tuple(buyers.ids[i] for i in mine),
            tuple(buyers.requests[i] for i in mine),
            basket,
            buyers.worth[worth_at],
            needs,
            buyers.place[consumers],
            buyers.at_us[consumers],
        ),
        Businesses(
            tuple(sellers.ids[i] for i in theirs),
            tuple(sellers.names[i] for i in theirs),
            tuple(sellers.texts[i] for i in theirs),
            menu,
            sellers.price[price_at],
            tags,
            sellers.reserve[businesses],
            sellers.rating[businesses],
            sellers.place[businesses],
            sellers.capacity[businesses],
        ),
        notes=population.notes,
    )
