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
        *(("--find", "rate"), ("--autoscale", "5s"), ("--cv", "3"), ("--period", "4h"), ("--speed", "2")),
        *(("--seeds", "3"), ("--share", "0.9"), ("--gpus", "8")),
        *(("--tier", "ddr=1GB"), ("--tier", "tape=1GB"), ("--per-request", "rows.xlsx"), ("--over", "there")),
    ],
)
def test_misuse_is_one_line(extra: tuple[str, str]) -> None:
    done = invoke(*WHERE, *extra)
    assert done.code == 2
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (("--rate", "5"), "--speed"),
        (("--requests", "5"), "drawn requests"),
        (("--cache-hit", "50%"), "drawn requests"),
        (("--isl", "1k"), "--tp"),
        (("--autoscale", "5min", "--replicas", "2", "--ttft", "1s"), "--autoscale finds the replicas"),
        (("--find", "rate", "--against", "static", "--ttft", "1s"), "one question at a time"),
        (("--find", "rate", "--tier", "ddr=1GB,2GB", "--ttft", "1s"), "one size"),
        (("--write-through",), "--tier"),
    ],
)
def test_idle_options_are_refused_with_what_they_need(extra: tuple[str, ...], said: str) -> None:
    done = invoke(*SESSIONS, *extra)
    assert done.code == 2
    assert said in done.err


def test_a_cache_hit_is_found() -> None:
    """496 of 1,000 tokens are in whole blocks; the first prompt computes them."""
    found = invoke(*WHERE, "--cache-hit", "50%", "--json").json()
    assert found["hit_rate"] == pytest.approx(0.496 * 49 / 50)
    assert invoke(*WHERE, "--cache-hit", "50%", "--no-cache").code == 2


def test_electricity_is_paid() -> None:
    free, paid = (invoke(*WHERE, "--power-price", f"${usd}/kWh", "--json").json() for usd in (0, 0.36))
    more = paid["usd_per_mtok"] - free["usd_per_mtok"]
    assert more == pytest.approx(paid["joules_per_token"] * 1e6 * 0.36 / 3.6e6)
    follow = ("--autoscale", "100s", "--ttft", "1s", "--csv")
    assert invoke(*WHERE, "--power-price", "$0.36/kWh", *follow).code == 0


def test_a_short_run_says_that_it_finds_too_much() -> None:
    limits = ("--ttft", "1s", "--tpot", "20ms", "--find", "rate")
    short = invoke(*WHERE, *limits)
    assert "too short for a queue to grow" in " ".join(short.out.split())
    long = invoke(*WHERE[:6], "--requests", "3k", "--isl", "1k", "--osl", "2", *limits, "--json").json()
    assert long["latencies"] > 50
    assert not [note for note in long["notes"] if "too short" in note]


def test_requests_past_the_longest_context_are_noted() -> None:
    found = invoke(*WHERE[:6], "--requests", "2", "--isl", "140k", "--osl", "2", "--json").json()
    assert found["notes"][-1] == "2 of 2 requests are longer than the 131,072 tokens of llama-3.1-8b"


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
