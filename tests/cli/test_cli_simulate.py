"""``headway simulate``: a run, an infeasible deployment, misuse."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cli.conftest import invoke

from headway.simulation import _loop, replay

WHERE = ("simulate", "llama-3.1-8b", "--on", "hgx-h200", "--tp", "1", "--requests", "50", "--isl", "1k", "--osl", "20")


def test_json_of_a_run() -> None:
    found = invoke(*WHERE, "--rate", "5", "--json").json()
    assert found["served"] == 50
    assert set(found["ttft_s"]) == set(found["tpot_s"]) == set(found["latency_s"]) == {"mean", "p50", "p90", "p99"}
    assert found["hit_rate"] == 0
    assert 0.001 < found["tpot_s"]["mean"] < 0.02


def test_csv_has_a_row_per_request() -> None:
    assert len(invoke(*WHERE, "--csv").out.splitlines()) == 51


def test_two_policies_are_compared_over_seeds() -> None:
    found = invoke(*WHERE, "--against", "static", "--seeds", "2", "--json").json()
    assert found["seeds"] == 2
    assert set(found["difference"]) >= {"ttft_s", "latency_s"}


def test_no_room_is_said_before_a_run() -> None:
    done = invoke("simulate", "llama-3.1-70b", "--on", "hgx-h100", "--tp", "1", "--requests", "10")
    assert done.code == 1
    assert "no room for a cache" in done.out


@pytest.mark.parametrize("extra", [("--policy", "chunky"), ("--rate", "-1"), ("--every", "-5ms"), ("--budget", "8")])
def test_misuse_is_one_line(extra: tuple[str, str]) -> None:
    done = invoke(*WHERE, *extra)
    assert done.code == 2
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("form", ["text", "json", "csv"])
def test_ctrl_c_writes_what_is_done(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """The keyboard interrupts after the third slice: figures so far, a word about it, and exit code 1."""
    run, slices = _loop.machine(), iter(range(3))

    def interrupted(*given: Any) -> bool:
        if next(slices, None) is None:
            raise KeyboardInterrupt
        return run(*given)

    monkeypatch.setattr(replay, "_SLICE", 100)
    monkeypatch.setattr(_loop, "machine", lambda: interrupted)
    done = invoke(*WHERE, *(() if form == "text" else (f"--{form}",)))
    assert done.code == 1
    if form == "text":
        assert "interrupted" in done.out
        assert "Traceback" not in done.err
    elif form == "json":
        found = done.json()
        assert not found["complete"]
        assert 0 < found["served"] < 50
    else:
        assert len(done.out.splitlines()) == 51
