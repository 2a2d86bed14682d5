"""How a buyer finds sellers: a full-text index ranked by BM25, and filters by menu, tags and distance.

BM25 of a listing d for the words of a query q (Robertson and Zaragoza, *The Probabilistic Relevance Framework*, 2009;
the idf of Lucene, which is never negative):

    score(d, q) = sum over w of  ln(1 + (N - n_w + 1/2) / (n_w + 1/2)) * f (k1 + 1) / (f + k1 (1 - b + b len(d) / mean))

with f the count of w in d, n_w the listings that hold w and N all of them. Ties are broken by one permutation that the
seed draws, so a search gives the same answer on every machine, and no listing gains by registering first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from headway.economy.listings import Listings
from headway.economy.population import Bools, Floats, Ints, Ragged, postings, ragged
from headway.facts.check import fraction, not_negative, positive, single, whole
from headway.facts.errors import unknown

SEARCHES: Final = MappingProxyType(
    {
        "menu": "listings that sell the whole basket, best text first",
        "text": "full text over names, menus and tags, best first",
        "fit": "listings that sell the whole basket and have every tag needed, best text first",
        "near": "listings that sell the whole basket, nearest first",
        "rating": "listings that sell at least one item, highest rated first",
    }
)
"""How listings may be found and ranked; the first is the default."""
_WORD: Final = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Words of a text in lower case, in order.

    >>> words("Coconut-Lime Shrimp (1)")
    ['coconut', 'lime', 'shrimp', '1']
    """
    return _WORD.findall(text.casefold())


@dataclass(frozen=True, slots=True)
class Index:
    """An inverted index over listings.

    Parameters
    ----------
    listings : Listings
        What it finds.
    vocabulary : mapping of str to int
        Number of each word.
    docs : Ragged
        Listings that hold each word, ascending.
    weight : ndarray of float
        BM25 weight of each, aligned with ``docs.values`` [1].
    sold : Ragged
        Listings that sell each item, ascending.
    tagged : Ragged
        Listings that have each tag, ascending.
    tie : ndarray of int
        Rank of each listing among equals, drawn by the seed.
    """

    listings: Listings
    vocabulary: MappingProxyType[str, int]
    docs: Ragged
    weight: Floats
    sold: Ragged
    tagged: Ragged
    tie: Ints


def build_index(listings: Listings, *, seed: int = 0, k1: float = 1.2, b: float = 0.75) -> Index:
    """Index listings.

    Parameters
    ----------
    listings : Listings
        Two or more may share a text.
    seed : int
        Of the order among equals.
    k1, b : float
        Saturation of repeated words, and weight of the listing's length [1].

    Returns
    -------
    Index

    Examples
    --------
    >>> from headway.economy.generated import generate_population
    >>> from headway.economy.listings import publish
    >>> index = build_index(publish(generate_population(3, 50, seed=1)))
    >>> len(index.tie), "bakery" in index.vocabulary
    (50, True)
    """
    positive("k1", single("k1", k1))
    fraction("b", single("b", b))
    n = len(listings)
    vocabulary: dict[str, int] = {}
    known = {word: tuple(words(word)) for word in (*listings.items, *listings.tags)}
    rows: list[list[int]] = []
    for i in range(n):
        found = words(f"{listings.names[i]} {listings.texts[i]}")
        for item in listings.menu.row(i).tolist():
            found += known[listings.items[item]]
        for tag in listings.has.row(i).tolist():
            found += known[listings.tags[tag]]
        rows.append([vocabulary.setdefault(word, len(vocabulary)) for word in found])
    held = ragged(rows)
    pair, count = np.unique(held.values * n + held.owner(), return_counts=True)
    word, doc = pair // max(n, 1), pair % max(n, 1)
    start = np.searchsorted(word, np.arange(len(vocabulary) + 1)).astype(np.int64)
    holders = np.diff(start)
    idf = np.log1p((n - holders + 0.5) / (holders + 0.5))
    length = np.diff(held.start)
    scale = k1 * (1 - b + b * length / max(float(length.mean()) if n else 1.0, 1e-9))
    weight = idf[word] * count * (k1 + 1) / (count + scale[doc])
    tie = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,))).permutation(n)
    return Index(
        listings,
        MappingProxyType(vocabulary),
        Ragged(start, doc.astype(np.int64)),
        np.round(weight, 9),
        postings(listings.menu, len(listings.items)),
        postings(listings.has, len(listings.tags)),
        tie.astype(np.int64),
    )


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for.

    Parameters
    ----------
    text : str
        Words.
    items, tags : tuple of int
        The basket, and the tags needed: used by searches that filter.
    place : tuple of float, optional
        Where the buyer is [km].
    within_km : float, optional
        Only listings at most this far; needs a place [km].
    """

    text: str
    items: tuple[int, ...] = ()
    tags: tuple[int, ...] = ()
    place: tuple[float, float] | None = None
    within_km: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Result of one search.

    Parameters
    ----------
    listings : ndarray of int
        Best first.
    scores : ndarray of float
        What they were ranked by, descending: BM25, rating, or the distance negated [km].
    matched : int
        All that matched, of which these are the first [1].
    """

    listings: Ints
    scores: Floats
    matched: int


def search(index: Index, query: Query, width: int | None = 10, *, kind: str = "text") -> Found:
    """Find listings.

    Parameters
    ----------
    index : Index
        What is searched.
    query : Query
        What for.
    width : int, optional
        Most results; None gives all that match [1].
    kind : str
        Key of :data:`SEARCHES`.

    Returns
    -------
    Found
        Best first, equals in the order that the index's seed drew.

    Raises
    ------
    UnknownNameError
        If there is no such search.

    Examples
    --------
    >>> from headway.economy.generated import generate_population
    >>> from headway.economy.listings import publish
    >>> index = build_index(publish(generate_population(3, 50, seed=1)))
    >>> found = search(index, Query("fresh bread, parking"), 3)
    >>> len(found.listings), bool((np.diff(found.scores) <= 0).all())
    (3, True)
    """
    if kind not in SEARCHES:
        raise unknown("search", kind, SEARCHES)
    if width is not None:
        whole("width", single("width", width))
    candidates, rank = _matching(index, query, kind)
    if query.place is not None and (query.within_km is not None or kind == "near"):
        away = np.hypot(*(index.listings.place[candidates] - np.array(query.place)).T)
        near: Bools = np.ones(len(away), dtype=bool)
        if query.within_km is not None:
            near = away <= not_negative("within_km", query.within_km, "km")
        candidates, rank = candidates[near], rank[near]
        if kind == "near":
            return _first(candidates, -np.round(away[near], 6), index.tie, width)
    return _first(candidates, rank, index.tie, width)


def _matching(index: Index, query: Query, kind: str) -> tuple[Ints, Floats]:
    """Listings that match, ascending, and what ranks them."""
    n = len(index.tie)
    if kind == "rating":
        parts = [index.sold.row(item) for item in query.items]
        found = np.unique(np.concatenate(parts)) if parts else np.arange(n)
        return found, index.listings.rating[found]
    if kind == "text":
        scores = np.zeros(n)
        for part in _parts(index, query.text):
            scores[index.docs.values[part]] += index.weight[part]
        found = np.flatnonzero(scores > 0)
        return found, scores[found]
    found = _holding(index.sold, query.items, n)
    if kind == "fit" and query.tags:
        found = np.intersect1d(found, _holding(index.tagged, query.tags, n), assume_unique=True)
    scores = np.zeros(len(found))
    if kind != "near" and len(found) > 1:
        for part in _parts(index, query.text):
            holders = index.docs.values[part]
            at = np.minimum(np.searchsorted(holders, found), len(holders) - 1)
            scores += np.where(holders[at] == found, index.weight[part][at], 0.0)
    return found, scores


def _parts(index: Index, text: str) -> list[slice]:
    """Where the postings of each word of a text stand."""
    start = index.docs.start
    numbers = (index.vocabulary.get(word) for word in words(text))
    return [slice(int(start[k]), int(start[k + 1])) for k in numbers if k is not None]


def _holding(rows: Ragged, wanted: tuple[int, ...], n: int) -> Ints:
    """Listings that hold every number wanted, ascending; all where nothing is wanted."""
    if not wanted:
        return np.arange(n, dtype=np.int64)
    parts = sorted((rows.row(k) for k in wanted), key=len)
    found = parts[0]
    for part in parts[1:]:
        if not len(part):
            return part
        at = np.searchsorted(part, found)
        at[at == len(part)] = 0
        found = found[part[at] == found]
    return found


def _first(candidates: Ints, scores: Floats, tie: Ints, width: int | None) -> Found:
    """The best, equals by their tie; only those that could be among them are sorted."""
    matched = len(candidates)
    if width is not None and matched > 4 * width:
        least = np.partition(scores, matched - width)[matched - width]
        good = scores >= least
        candidates, scores = candidates[good], scores[good]
    order = np.lexsort((tie[candidates], -scores))[:width]
    return Found(candidates[order], scores[order], matched)


def recall(found: Ints, relevant: Ints) -> float:
    """Share of the relevant listings among those found; NaN where nothing is relevant.

    >>> recall(np.array([3, 5, 9]), np.array([5, 7]))
    0.5
    """
    if not len(relevant):
        return float("nan")
    return float(np.isin(relevant, found).mean())
