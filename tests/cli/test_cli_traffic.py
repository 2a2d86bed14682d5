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
