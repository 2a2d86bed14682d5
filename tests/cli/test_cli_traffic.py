"""``headway trace`` and ``headway cache``: what they print, write and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headway.cli.main import run

EXAMPLE = str(Path(__file__).resolve().parents[2] / "examples" / "sessions.csv")


def test_advice_lists_lives_capacities_and_bills(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["cache", "advise", EXAMPLE, "--ttl", "1min,5min", "--capacity", "5k,20k"]
    assert run([*command, "--policy", "unlimited,lru,belady", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    keys = {"ttl_s", "capacity_tokens", "policy", "tokens_pooled", "billing_multiplier"}
    assert all(keys <= set(row) for row in (*found["curve"], *found["offers"]))
    rows = {(r["policy"], r["ttl_s"], r["capacity_tokens"]): r["tokens_pooled"] for r in found["curve"]}
    assert rows["unlimited", 60.0, None] < rows["unlimited", 300.0, None] <= rows["unlimited", None, None]
    assert rows["lru", None, 5000.0] < rows["lru", None, 20000.0] <= rows["belady", None, 20000.0]
    assert found["buy"]


@pytest.mark.parametrize("kind", ["requests", "sessions", "agents"])
def test_what_is_made_can_be_shown(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "made.csv.gz")
    assert run(["trace", "make", file, "--kind", kind, "-n", "20", "--shared", "64", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert run(["trace", "show", file, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["statistics"] == made["statistics"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trace", "show", "no.csv"], "no.csv"),
        (["trace", "make", "no.txt"], ".parquet"),
        (["trace", "make", "no.csv", "--process", "gama"], "did you mean gamma?"),
        (["trace", "make", "no.csv", "--kind", "servegen"], "--rates"),
        (["trace", "make", "no.csv", "--cv", "3"], "--process gamma"),
        (["trace", "make", "no.csv", "--kind", "servegen", "--rate", "2 req/s"], "--kind requests or sessions"),
        (["trace", "make", "no.csv", "--kind", "agents", "--rate", "2 req/s"], "--kind requests or sessions"),
        (["trace", "make", "no.csv", "--turns", "3"], "--kind sessions or agents"),
        (["cache", "advise", EXAMPLE, "--policy", "lruu"], "did you mean lru?"),
        (["cache", "advise", EXAMPLE, "--capacity", "five"], "--capacity"),
        (["cache", "advise", EXAMPLE, "--ttl", "5"], "--ttl"),
        (["cache", "advice", EXAMPLE], "advice"),
    ],
)
def test_misuse_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_closed_loop_has_starts_of_sessions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its requests have no rate of their own; agents start all at once."""
    for kind, said in (("sessions", "session starts per second"), ("agents", "all at once")):
        assert run(["trace", "make", str(tmp_path / "made.csv"), "--kind", kind, "-n", "20"]) == 0
        out = capsys.readouterr().out
        assert said in out
        assert "requests per second" not in out
        assert "wait for an answer before them" in out


def test_storage_counts_in_what_pays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An offer that loses pays from a hit rate above its own, or from none; one that changes nothing is even."""
    file = str(tmp_path / "few.csv")
    assert run(["trace", "make", file, "--kind", "requests", "-n", "50", "--isl", "4k", "--shared", "2048"]) == 0
    capsys.readouterr()
    assert run(["cache", "advise", file, "--policy", "unlimited", "--json"]) == 0
    offers = json.loads(capsys.readouterr().out)["offers"]
    stored = [o for o in offers if o["storage_share"]]
    assert stored
    for offer in stored:
        assert offer["loses"] == (offer["tokens_pooled"] < offer["break_even_hit"])


def test_prompts_too_short_to_cache_are_billed_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "short.csv")
    assert run(["trace", "make", file, "-n", "50", "--isl", "50", "--shared", "16"]) == 0
    capsys.readouterr()
    assert run(["cache", "advise", file, "--policy", "unlimited", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    same = [o["offer"] for o in found["offers"] if o["billing_multiplier"] == 1]
    assert same
    assert run(["cache", "advise", file, "--policy", "unlimited"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.endswith("even") for name in same for line in lines if line.startswith(f"{name} "))
    assert found["buy"] not in same
