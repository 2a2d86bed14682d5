"""Killed at every point of every step, opened again, and asked the same once more: one settlement, the same answers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

CHILD = Path(__file__).with_name("crash_child.py")
POINTS = {
    "mandate.verified",
    "accept.checked",
    "accept.mandate",
    "accept.held",
    "deliver.checked",
    "post.moved",
    "void.moved",
    "dispute.frozen",
    "refund.moved",
    "bill.moved",
    "rails.received",
    "rails.executed",
    "rails.reply",
    "store.begin",
    "store.entries",
    "store.accounts",
    "store.deals",
    "store.committed",
}


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_killed_at_every_point(kind: str, tmp_path: Path, request: pytest.FixtureRequest, capsys) -> None:
    if kind == "sqlite":
        template = str(tmp_path / "NUMBER.sqlite")
    else:
        import psycopg

        address = request.getfixturevalue("postgres")
        with psycopg.connect(address, autocommit=True) as connection:
            for number in range(150):
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS crash_{number}")
        template = f"{address}{'&' if '?' in address else '?'}options=-csearch_path%3Dcrash_NUMBER"
    done = subprocess.run([sys.executable, str(CHILD), template], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    whole, *deaths = [json.loads(line) for line in done.stdout.splitlines()]
    assert set(whole["points"]) == POINTS
    assert len(deaths) == len(whole["points"])
    for number, death in enumerate(deaths, 1):
        assert death["signal"] == signal.SIGKILL, (number, death)
        assert death["answers"] == whole["answers"], (number, death["point"])
        assert death["settled"] == 1
        assert death["log"] == whole["log"]
        assert not death["broken"]
    counts = Counter(death["point"] for death in deaths)
    with capsys.disabled():
        said = (
            f"\n{kind}: killed at {len(deaths)} points of {len(counts)} kinds, each answered the same after a retry\n"
        )
        sys.stdout.write(said)
