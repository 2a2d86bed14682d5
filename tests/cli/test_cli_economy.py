"""``headway economy run``, ``compare`` and ``sweep``: what they print, and how they say no."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.cli.conftest import invoke

SMALL = ("--consumers", "30", "--businesses", "20")


def test_a_run_as_json_and_the_same_again() -> None:
    one, two = (invoke("economy", "run", *SMALL, "--seed", "3", "--json").json() for _ in range(2))
    assert one["settled"] == 30
    assert one["log_hash"] == two["log_hash"]
    assert one["compute"]["usd"] == 0
    assert invoke("economy", "run", *SMALL, "--seed", "4", "--json").json()["log_hash"] != one["log_hash"]


def test_a_run_as_text_and_rows() -> None:
    done = invoke("economy", "run", *SMALL, "--rule", "batched", "--width", "5", "--fee", "2%")
    assert done.code == 0
    assert "optimal buyers, posted sellers, batched" in done.out
    assert "Welfare of settled deals so far" in done.out
    assert len(invoke("economy", "run", *SMALL, "--csv").out.splitlines()) == 31


def test_a_published_set_reaches_its_baseline(shared: Path) -> None:
    folder = str(shared / "data" / "economy" / "mexican_10_30")
    found = invoke("economy", "run", folder, "--json").json()
    assert found["welfare"] == 185.61
    assert found["published"][0]["published"] == 185.61
    rows = {row["name"]: row for row in invoke("economy", "compare", folder, "--seeds", "2", "--json").json()["rows"]}
    assert rows["cheapest"]["welfare"] == pytest.approx(111.31)
    assert "111.31" in invoke("economy", "compare", folder, "--seeds", "1").out


def test_decisions_on_a_rack_are_paid_for() -> None:
    found = invoke("economy", "run", *SMALL, "--rack", "llama-3.1-8b", "--on", "hgx-h200", "--json").json()
    assert found["compute"]["usd"] > 0
    assert found["usd_per_deal"] == pytest.approx(found["compute"]["usd"] / found["settled"])


def test_the_log_of_a_run_can_be_kept_once(tmp_path: Path) -> None:
    path = str(tmp_path / "market.db")
    found = invoke("economy", "run", *SMALL, "--store", path, "--json").json()
    with sqlite3.connect(path) as kept:
        assert kept.execute("select count(*) from entries").fetchone()[0] == found["entries"]
    again = invoke("economy", "run", *SMALL, "--store", path)
    assert again.code == 2
    assert "another market's log" in again.err


def test_every_name_is_listed_and_accepted() -> None:
    listed = invoke("economy", "names", "--json").json()["names"]
    for option, some in (("--buyers", "negotiator"), ("--rule", "sealed-bid"), ("--attack", "slow-loris")):
        assert some in [row["name"] for row in listed if row["option"] == option]
    for row in listed:
        if row["option"] in ("--rule", "--search", "--sellers"):
            tiny = ("--consumers", "5", "--businesses", "5")
            assert invoke("economy", "run", *tiny, row["option"], row["name"], "--json").code == 0


def test_shards() -> None:
    found = invoke("economy", "run", *SMALL, "--shards", "3")
    assert found.code == 0
    assert "hash of all shards" in found.out


@pytest.mark.parametrize("what", ["sellers", "rules", "searches", "attacks"])
def test_comparisons(what: str) -> None:
    tiny = ("--consumers", "12", "--businesses", "12")
    done = invoke("economy", "compare", *tiny, "--what", what, "--seeds", "1", "--json")
    assert done.code == 0
    rows = done.json().get("rows") or done.json()["attacks"]
    assert len(rows) >= 3
    text = invoke("economy", "compare", *tiny, "--what", what, "--seeds", "1")
    assert max(map(len, text.out.splitlines())) <= 80


def test_a_sweep_in_units() -> None:
    found = invoke("economy", "sweep", "gate", "10s,1min", *SMALL, "--rule", "batched", "--seeds", "2", "--json").json()
    assert [row["value"] for row in found["rows"]] == [10.0, 60.0]
    assert found["rows"][0]["latency_s"] < found["rows"][1]["latency_s"]
    text = invoke("economy", "sweep", "width", "1,5", *SMALL, "--seeds", "1")
    assert "results that a search shows" in text.out


def test_a_sweep_of_fees_says_who_has_the_money() -> None:
    rows = invoke("economy", "sweep", "fee", "0,2%,10%", *SMALL, "--seeds", "1", "--json").json()["rows"]
    assert [row["value"] for row in rows] == [0.0, 0.02, 0.1]
    assert [row["fees"] == 0 for row in rows] == [True, False, False]
    for row in rows:
        assert row["fees"] + row["takings"] == pytest.approx(rows[0]["takings"])
        assert row["fees"] == pytest.approx(row["value"] * rows[0]["takings"], rel=1e-4)
    assert "takings" in invoke("economy", "sweep", "fee", "2%", *SMALL, "--seeds", "1").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "no-such-folder"), "holds 'customers'"),
        (("run", "--rule", "batch"), "did you mean batched"),
        (("run", "--buyers", "optimum"), "did you mean optimal"),
        (("run", "--attack", "sibyl"), "did you mean sybil"),
        (("run", "--fee", "2"), "--fee"),
        (("run", "--rack", "llama-3.1-8b"), "--on SYSTEM"),
        (("run", "--on", "hgx-h200"), "--rack MODEL"),
        (("run", *SMALL, "--currency", "EURO"), "currency: 'EURO'"),
        (("run", *SMALL, "--store", "x.db", "--shards", "2"), "log of its own"),
        (("sweep", "widht", "1"), "did you mean width"),
        (("sweep", "gate", "10"), "unit is missing"),
        (("sweep", "width", "1.5", *SMALL), "whole number"),
        (("sweep", "share", "10%", *SMALL), "an attack to turn"),
        (("compare", "--what", "rule"), "did you mean rules"),
        (("rum",), "did you mean run"),
    ],
)
def test_misuse_is_one_line(arguments: tuple[str, ...], said: str) -> None:
    done = invoke("economy", *arguments)
    assert done.code == 2
    assert said in done.err
    assert len(done.err.splitlines()) == 1
