"""``headway economy audit`` and ``replay`` over the committed example, an edited copy of it, and what is no ledger."""

from __future__ import annotations

import runpy
import shutil
import sqlite3
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "ledger" / "market.sqlite"


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    copy = tmp_path / "edited.sqlite"
    shutil.copy(EXAMPLE, copy)
    connection = sqlite3.connect(copy)
    with connection:
        connection.execute("UPDATE accounts SET credits = credits + 7 WHERE account = 'wallet:USD:ann'")
    connection.close()
    return copy


def test_audit_of_an_honest_ledger(headway) -> None:
    told = headway("economy", "audit", str(EXAMPLE), "--json").json()
    assert all(one["holds"] and one["residual"] == 0 for one in told["invariants"])
    shown = headway("economy", "audit", str(EXAMPLE))
    assert shown.code == 0
    assert "all 17 invariants hold" in " ".join(shown.out.split())
    assert max(len(line) for line in shown.out.splitlines()) <= 80


def test_audit_of_an_edited_ledger(headway, edited: Path) -> None:
    outcome = headway("economy", "audit", str(edited), "--json")
    assert outcome.code == 1
    failed = {one["name"]: one["residual"] for one in outcome.json()["invariants"] if not one["holds"]}
    assert failed == {"debits-equal-credits": 7, "rows-equal-accounts": 7}


def test_audit_against_the_racks_own_count(headway) -> None:
    assert headway("economy", "audit", str(EXAMPLE), "--rack-sold-us", "61000").code == 0
    outcome = headway("economy", "audit", str(EXAMPLE), "--rack-sold-us", "61001", "--no-signatures")
    assert outcome.code == 1
    assert "fails: compute-equals-rack" in " ".join(outcome.out.split())


def test_replay(headway, edited: Path) -> None:
    told = headway("economy", "replay", str(EXAMPLE), "--json").json()
    assert (told["rows_differ"], told["entries"]) == (0, 31)
    part = headway("economy", "replay", str(EXAMPLE), "--until", "6", "--json").json()
    assert (part["rows_differ"], part["entries"]) == (None, 6)
    outcome = headway("economy", "replay", str(edited))
    assert outcome.code == 1
    assert "2 differ from the log" in outcome.out


def test_replay_to_a_bookkeeper(headway, tmp_path: Path) -> None:
    loader = pytest.importorskip("beancount.loader")
    target = tmp_path / "books.beancount"
    outcome = headway("economy", "replay", str(EXAMPLE), "--to", "beancount", str(target))
    assert outcome.code == 0
    assert loader.load_file(str(target))[1] == []


@pytest.mark.parametrize(
    "words",
    [
        ("audit", "absent.sqlite"),
        ("audit", __file__),
        ("audit", "/"),
        ("replay", "absent.sqlite"),
        ("replay", str(EXAMPLE), "--to", "gnucash", "x"),
        ("replay", str(EXAMPLE), "--to", "beancount", "/no/such/folder/x"),
        ("replay", str(EXAMPLE), "--until", "-1"),
        ("audit", "postgresql://nobody@localhost:1/none?connect_timeout=1"),
    ],
)
def test_misuse(headway, words: tuple[str, ...]) -> None:
    outcome = headway("economy", *words)
    assert outcome.code == 2, outcome
    assert outcome.err.startswith("headway: error: ")
    assert outcome.err.count("\n") == 1
    assert "Traceback" not in outcome.err


def test_the_example_is_what_its_script_makes(tmp_path: Path, headway) -> None:
    """The same log to the byte, on another day and in another process."""
    made = tmp_path / "market.sqlite"
    runpy.run_path(str(EXAMPLE.with_name("make_market.py")))["main"](made)
    digests = {headway("economy", "replay", str(path), "--json").json()["digest"] for path in (made, EXAMPLE)}
    assert len(digests) == 1
