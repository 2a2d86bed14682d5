"""Search: BM25 against its formula, filters against plain loops, ties by seed, no reserve anywhere."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.economy.discovery import SEARCHES, Index, Query, build_index, recall, search, words
from headway.economy.generated import generate_population
from headway.economy.listings import Listings, publish
from headway.economy.population import Population
from headway.facts.errors import InputError

MARKET = generate_population(40, 80, seed=4)


@pytest.fixture(scope="module")
def index() -> Index:
    return build_index(publish(MARKET), seed=1)


def by_formula(shown: Listings, text: str, k1: float = 1.2, b: float = 0.75) -> list[float]:
    """BM25 of every listing by plain loops."""
    texts = [words(shown.words(i)) for i in range(len(shown))]
    mean = sum(map(len, texts)) / len(texts)
    scores = []
    for doc in texts:
        total = 0.0
        for word in words(text):
            holders = sum(word in other for other in texts)
            f = doc.count(word)
            idf = math.log(1 + (len(texts) - holders + 0.5) / (holders + 0.5))
            total += idf * f * (k1 + 1) / (f + k1 * (1 - b + b * len(doc) / mean))
        scores.append(total)
    return scores


@settings(max_examples=20)
@given(st.lists(st.sampled_from([*MARKET.items, *MARKET.tags, "bakery", "nothing"]), min_size=1, max_size=5))
def test_scores_are_those_of_the_formula(asked: list[str]) -> None:
    shown = publish(MARKET)
    text = ", ".join(asked)
    found = search(build_index(shown), Query(text), None)
    expected = by_formula(shown, text)
    assert sorted(found.listings.tolist()) == [i for i, score in enumerate(expected) if score > 0]
    for listing, score in zip(found.listings.tolist(), found.scores.tolist(), strict=True):
        assert score == pytest.approx(expected[listing], abs=1e-7)
    assert (np.diff(found.scores) <= 0).all()


def query_of(market: Population, consumer: int) -> Query:
    items = tuple(market.consumers.basket.row(consumer).tolist())
    tags = tuple(market.consumers.needs.row(consumer).tolist())
    x, y = market.consumers.place[consumer].tolist()
    return Query(market.consumers.requests[consumer], items, tags, (x, y))


@pytest.mark.parametrize("consumer", range(0, 40, 5))
def test_filters_find_what_plain_loops_find(index: Index, consumer: int) -> None:
    asked = query_of(MARKET, consumer)
    sells, has = [], []
    for b in range(80):
        sells.append(set(asked.items) <= set(MARKET.businesses.menu.row(b).tolist()))
        has.append(set(asked.tags) <= set(MARKET.businesses.tags.row(b).tolist()))
    menu = [b for b in range(80) if sells[b]]
    for kind, expected in (("menu", menu), ("near", menu), ("fit", [b for b in menu if has[b]])):
        found = search(index, asked, None, kind=kind)
        assert sorted(found.listings.tolist()) == expected
        assert found.matched == len(expected)
    away = np.hypot(*(MARKET.businesses.place - np.array(asked.place)).T)
    nearest = search(index, asked, None, kind="near")
    assert (np.diff(away[nearest.listings]) >= -1e-6).all()
    inside = search(index, replace(asked, within_km=300.0), None, kind="menu")
    assert sorted(inside.listings.tolist()) == [b for b in menu if away[b] <= 300]


@pytest.mark.parametrize("kind", list(SEARCHES))
def test_fewer_results_are_the_first_of_more(index: Index, kind: str) -> None:
    for consumer in range(10):
        asked = query_of(MARKET, consumer)
        every = search(index, asked, None, kind=kind)
        for width in (1, 3, 7):
            some = search(index, asked, width, kind=kind)
            assert some.listings.tolist() == every.listings[:width].tolist()
            assert some.matched == every.matched


def test_ties_follow_the_seed_and_not_the_order_of_registration() -> None:
    shown = publish(MARKET)
    same = replace(shown, rating=0 * shown.rating + 1.0)
    asked = Query("", items=(0, 1, 2, 3, 4, 5, 6, 7, 8, 9))
    order = [search(build_index(same, seed=s), asked, None, kind="rating").listings.tolist() for s in (1, 1, 2)]
    assert order[0] == order[1] != order[2]
    assert sorted(order[0]) == sorted(order[2])
    assert order[0] != sorted(order[0])


def test_listings_have_no_reserve() -> None:
    assert not [f.name for f in fields(Listings) if "reserve" in f.name or "min" in f.name]


def test_recall_counts_what_is_relevant() -> None:
    assert recall(np.array([1, 2]), np.array([2, 3, 4, 1])) == 0.5
    assert math.isnan(recall(np.array([1]), np.array([], dtype=np.int64)))


def test_misuse_is_named(index: Index) -> None:
    with pytest.raises(InputError, match="did you mean menu"):
        search(index, Query(""), kind="menue")
    with pytest.raises(InputError, match="width"):
        search(index, Query(""), 0)
    with pytest.raises(InputError, match="k1"):
        build_index(publish(MARKET), k1=0.0)
