"""Populations read and drawn, and the totals that the published rules reach on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.economy.datasets import read_population
from headway.economy.generated import DAY_US, generate_population
from headway.economy.population import Population, check_population, postings, ragged, select
from headway.economy.welfare import baselines, beside_published, matches
from headway.facts.errors import InputError

SETS = ("mexican_3_9", "mexican_10_30", "mexican_33_99", "contractors_10_30", "contractors_33_99")


@pytest.mark.parametrize("name", SETS)
def test_published_baselines(shared: Path, name: str) -> None:
    market = read_population(shared / "data" / "economy" / name)
    found = beside_published(market)
    assert [b.policy for b in found] == ["optimal", "cheapest", "random", "random-amenities"]
    assert all(b.agrees for b in found), found
    for b in found[:2]:
        assert b.ours.median == pytest.approx(b.published, abs=0.005)


@given(st.lists(st.lists(st.integers(0, 9), max_size=6, unique=True), max_size=8))
def test_postings_turn_rows_inside_out(rows: list[list[int]]) -> None:
    out = postings(ragged(rows), 10)
    for value in range(10):
        assert out.row(value).tolist() == [i for i, row in enumerate(rows) if value in row]


def _by_hand(market: Population) -> list[tuple[int, int, int, bool]]:
    """Pairs by plain loops over sets."""
    found = []
    buyers, sellers = market.consumers, market.businesses
    for c in range(len(buyers)):
        for b in range(len(sellers)):
            menu = dict(
                zip(
                    sellers.menu.row(b).tolist(),
                    sellers.price[sellers.menu.start[b] : sellers.menu.start[b + 1]].tolist(),
                    strict=True,
                )
            )
            basket = buyers.basket.row(c).tolist()
            if set(basket) <= set(menu):
                fits = set(buyers.needs.row(c).tolist()) <= set(sellers.tags.row(b).tolist())
                found.append((c, b, sum(menu[i] for i in basket), fits))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_matches_are_those_of_plain_loops(seed: int) -> None:
    market = generate_population(40, 60, seed=seed)
    pairs = matches(market)
    owner = np.repeat(np.arange(40), np.diff(pairs.start))
    ours = list(zip(owner.tolist(), pairs.business.tolist(), pairs.posted.tolist(), pairs.fits.tolist(), strict=True))
    assert ours == _by_hand(market)
    worth = [int(market.consumers.worth[slice(*market.consumers.basket.start[c : c + 2])].sum()) for c in range(40)]
    assert pairs.worth.tolist() == [2 * worth[c] for c in owner]


def test_everyone_can_be_served_and_bounds_hold() -> None:
    market = generate_population(300, 80, seed=5)
    found = baselines(market, draws=200)
    assert found["optimal"].deals == 300
    assert found["random"].high <= found["optimal"].median
    assert found["random-amenities"].low >= found["random"].low


def test_same_seed_same_population_other_seed_another() -> None:
    one, two, other = (generate_population(50, 20, seed=s) for s in (3, 3, 4))
    assert one.consumers.requests == two.consumers.requests != other.consumers.requests
    assert (one.businesses.price == two.businesses.price).all()


def test_arrivals_follow_the_daily_cycle() -> None:
    at = generate_population(50_000, 10, seed=1, swing=0.8).consumers.at_us
    hours = np.bincount(at * 24 // DAY_US, minlength=24) / 50_000 * 24
    expected = 1 + 0.8 * np.cos(2 * np.pi * ((np.arange(24) + 0.5) / 24 - 0.75))
    assert np.abs(hours - expected).max() < 0.08
    assert generate_population(5, 5, day_us=0).consumers.at_us.max() == 0


def test_sizes_follow_zipf() -> None:
    capacity = np.sort(generate_population(100_000, 100, seed=1, zipf=1.0).businesses.capacity)[::-1]
    assert capacity[0] / capacity[9] == pytest.approx(10, rel=0.01)


def test_select_keeps_rows_together() -> None:
    market = generate_population(10, 8, seed=2)
    part = select(market, np.array([7, 2]), np.array([5, 0, 3]))
    assert part.consumers.basket.row(1).tolist() == market.consumers.basket.row(2).tolist()
    assert part.businesses.tags.row(2).tolist() == market.businesses.tags.row(3).tolist()
    whole = select(market, np.arange(10), np.arange(8))
    assert (whole.businesses.price == market.businesses.price).all()


def _write(folder: Path, customer: str, business: str) -> Path:
    for name, text in (("customers", customer), ("businesses", business)):
        (folder / name).mkdir()
        (folder / name / "one.yaml").write_text(text, encoding="utf-8")
    return folder


CUSTOMER = "{id: c, request: r, menu_features: {Soup: 1.25}, amenity_features: [wifi]}"
BUSINESS = "{id: b, name: n, menu_features: {Soup: 1.20}, amenity_features: {wifi: true}, min_price_factor: 0.5}"


@pytest.mark.parametrize(
    ("customer", "business", "said"),
    [
        ("[]", BUSINESS, "customers/one.yaml: 'list'"),
        ("{id: c", BUSINESS, "customers/one.yaml"),
        (CUSTOMER.replace("1.25", "-1"), BUSINESS, "customers/one.yaml: Soup"),
        (CUSTOMER.replace("1.25", ".nan"), BUSINESS, "Soup"),
        (CUSTOMER.replace("1.25", "1.255"), BUSINESS, "whole minor units"),
        (CUSTOMER.replace("1.25", "true"), BUSINESS, "Soup"),
        (CUSTOMER.replace("id: c", "id: 7"), BUSINESS, "customers/one.yaml: id"),
        (CUSTOMER.replace("[wifi]", "{wifi: true}"), BUSINESS, "a list of names"),
        (CUSTOMER, BUSINESS.replace("0.5", "1.5"), "min_price_factor"),
        (CUSTOMER, BUSINESS.replace("true", "1"), "amenity_features"),
        (CUSTOMER, BUSINESS.replace("{Soup: 1.20}", "{}"), "menu_features"),
        (CUSTOMER, BUSINESS.replace("id: b", "id: c"), "different ids"),
    ],
)
def test_faulty_files_are_named(tmp_path: Path, customer: str, business: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_population(_write(tmp_path, customer, business))


def test_folders_without_a_market(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds 'customers'"):
        read_population(tmp_path)
    _write(tmp_path, CUSTOMER, BUSINESS)
    (tmp_path / "baseline_utilities.json").write_text('{"pick_optimal_baseline": {"median": 1}}', encoding="utf-8")
    with pytest.raises(InputError, match=r"baseline_utilities\.json"):
        read_population(tmp_path)


def test_populations_that_disagree_are_refused() -> None:
    market = generate_population(4, 4, seed=1)
    with pytest.raises(InputError, match="basket"):
        check_population(replace(market, items=market.items[:1]))
    twice = replace(market.consumers, ids=("a", "a", "b", "c"))
    with pytest.raises(InputError, match="no other has"):
        check_population(replace(market, consumers=twice))
