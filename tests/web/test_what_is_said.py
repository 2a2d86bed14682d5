"""What a chapter says beside its curves: domains crossed, memory exceeded, the format of the cache, its equation."""

from __future__ import annotations

import pytest

from headway.facts.systems import priced_systems
from headway.web.document import answered
from headway.web.registry import chapters


def notes(chapter: str, **values: str) -> str:
    return " ".join(answered(chapter, values)["notes"])


@pytest.mark.parametrize("chapter", ["batch", "memory", "context"])
def test_chips_beyond_a_domain_are_named(chapter: str) -> None:
    assert "domains" not in notes(chapter)
    assert "72 chips are 9 domains of hgx-h100" in notes(chapter, system="hgx-h100")


def test_a_layout_of_hundreds_of_racks_is_named() -> None:
    assert "36,864 chips are 512 domains of gb200-nvl72" in notes("batch", tp="64", dp="576", ep="1")


def test_a_batch_that_memory_does_not_hold_is_named() -> None:
    assert "Does not fit" not in notes("batch")
    said = notes("batch", batch="65536", context="100k")
    assert "Does not fit: memory holds 1," in said
    assert "drawn for 65,536" in said
    assert "not one sequence" in notes("memory", system="hgx-h100", dp="8", ep="8")


@pytest.mark.parametrize("chapter", ["batch", "memory", "context", "pipeline", "tiers"])
def test_the_format_of_the_cache_is_named(chapter: str) -> None:
    assert "Cache in BF16, 70.3 kB a token of context" in notes(chapter)
    assert "Cache in BF16, 328 kB a token of context" in notes(chapter, model="llama-3.1-70b")


def test_the_equation_of_a_pass_is_that_of_its_curve() -> None:
    said = answered("batch", {})
    assert "N_read(B) w" in said["equations"][0]
    assert "a L" in said["equations"][0]
    assert "N_read(B): all parameters" in " ".join(said["notes"])


def test_the_economy_offers_priced_systems_alone() -> None:
    choices = chapters()["economy"].control("on").choices
    assert choices is not None
    assert set(choices()) == set(priced_systems())


def test_the_cheapest_plan_stands_first() -> None:
    said = answered("plan", {"model": "llama-3.1-8b", "on": "hgx-h200,hgx-h100", "isl": "1000", "osl": "200"})
    columns = [column["key"] for column in said["tables"][0]["columns"]]
    cost = [row[columns.index("usd_per_mtok")] for row in said["tables"][0]["rows"]]
    assert cost == sorted(cost)
    assert cost[0] == pytest.approx(said["headlines"][0]["value"])


@pytest.mark.parametrize("values", [{"reach": "0.5"}, {"top": "0.2"}])
def test_a_fit_that_leaves_the_scores_is_not_identified(values: dict[str, str]) -> None:
    said = answered("tokens", values)
    assert said["headlines"][0]["value"] == "not identified"
    assert "beyond 0 to 100%" in " ".join(said["notes"])
    for series in said["charts"][0]["series"]:
        assert all(y is None or 0 <= y <= 1 for y in (*series["y"], *series["top"]))


def test_a_size_read_from_prices_stands_with_its_interval() -> None:
    for one in answered("sheet", {})["headlines"]:
        assert one["note"].startswith("80% from ")
        assert "identified" in one["note"]
