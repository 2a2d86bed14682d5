"""``headway simulate``: a run, an infeasible deployment, misuse."""

from __future__ import annotations

from pathlib import Path
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


SESSIONS = ("simulate", "llama-3.1-8b", "--on", "hgx-h200", "--tp", "1", "--trace", "examples/sessions.csv")


def test_tiers_of_one_size_and_of_several() -> None:
    one = invoke(*SESSIONS, "--blocks", "1000", "--tier", "ddr=1GB", "--tier", "flash=100GB", "--json").json()
    assert one["hit_rate"] == pytest.approx(one["hit_rate_own"] + sum(t["hit_rate"] for t in one["tiers"]))
    assert one["tiers"][0]["net_usd_per_hour"] is not None
    many = invoke(*SESSIONS, "--blocks", "1000", "--tier", "ddr=0B,1GB,4GB", "--json").json()
    hits = [size["tiers"][0]["hit_rate"] for size in many["sizes"]]
    assert hits == sorted(hits)
    assert hits[1] == pytest.approx(one["tiers"][0]["hit_rate"])


def test_a_row_per_request_is_written(tmp_path: Path) -> None:
    invoke(*WHERE, "--per-request", str(tmp_path / "rows.csv"), "--json")
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 51


def test_a_trace_is_compared_over_its_stretches() -> None:
    found = invoke(*SESSIONS, "--against", "static", "--seeds", "3", "--speed", "30", "--json").json()
    assert found["over"] == "3 stretches of the trace"
    assert found["difference"]["ttft_s"]["low"] <= found["difference"]["ttft_s"]["high"]


def test_replicas_follow_a_cycle() -> None:
    asked = ("--rate", "40", "--requests", "4k", "--swing", "80%", "--period", "100s", "--ttft", "1s", "--tpot", "20ms")
    found = invoke(*WHERE[:6], "--isl", "1k", "--osl", "200", *asked, "--autoscale", "10s", "--json").json()
    needs = [w["replicas"] for w in found["day"]["windows"]]
    assert max(needs[:5]) > min(needs[5:])
    assert found["day"]["foresight_hours"] <= found["day"]["peak_hours"]
    assert found["day"]["behind_within"] <= found["day"]["foresight_within"]
    assert 0 < found["saved"] < 1


@pytest.mark.parametrize(
    "extra",
    [
        *(("--policy", "chunky"), ("--rate", "-1"), ("--every", "-5ms"), ("--budget", "8"), ("--tier", "ddr")),
        *(("--tier", "ddr=1GB"), ("--tier", "tape=1GB"), ("--per-request", "rows.xlsx"), ("--over", "there")),
    ],
)
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
