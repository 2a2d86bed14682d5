"""``headway calibrate``, ``headway measure`` and ``--calibration`` as a user types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headway.evidence import measure as measuring
from headway.evidence.benchmark_files import BenchmarkRun
from headway.evidence.own_stack import Deployment, predict_run, published
from headway.facts.models import model
from headway.facts.systems import system
from headway.physics.layout import Layout

Invoke = Callable[..., Any]
PLAN = ("--isl", "1k", "--osl", "200", "--gpus", "1", "--tpot", "50ms")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results as a stack writes them whose memory reaches 0.7 of its bandwidth and whose requests start 50 ms late."""
    from dataclasses import replace

    llama = model("llama-3.1-8b")
    where = Deployment(llama, system("hgx-h100"), Layout(), llama.precision, "vllm")
    truth = replace(published(where)[0], memory=0.6)
    lines = []
    for users, isl, osl in ((1, 128, 128), (8, 2000, 128), (64, 128, 128), (64, 2000, 256)):
        blank = BenchmarkRun("", "vllm", users, True, isl, osl, 1.0, 1.0, users * 10)
        tpot, ttft = predict_run(where, blank, truth, 0.05)
        lines.append(
            {
                "backend": "vllm",
                "max_concurrency": users,
                "request_rate": "inf",
                "completed": users * 10,
                "duration": 60.0,
                "total_input_tokens": users * 10 * isl,
                "total_output_tokens": users * 10 * osl,
                "mean_ttft_ms": ttft * 1e3,
                "mean_tpot_ms": tpot * 1e3,
            }
        )
    file = tmp_path_factory.mktemp("runs") / "runs.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return file


def test_calibrate_then_plan(headway: Invoke, runs: Path, tmp_path: Path) -> None:
    mine = tmp_path / "my-stack.toml"
    done = headway(
        "calibrate", str(runs), "--model", "llama-3.1-8b", "--on", "8xh100", "--engine", "vllm", "-o", str(mine)
    )
    assert done.code == 0, done.err
    assert "constants identified" in done.out
    assert "[constant.memory]" in mine.read_text(encoding="utf-8")
    plain = headway("plan", "llama-3.1-8b", "--on", "8xh100", *PLAN, "--json").json()
    own = headway("plan", "llama-3.1-8b", "--on", "8xh100", *PLAN, "--calibration", str(mine), "--json")
    assert own.code == 0, own.err
    best = [max(p["tokens_per_second_per_user"] for p in d["systems"][0]["plans"]) for d in (plain, own.json())]
    assert best[1] < 0.9 * best[0]
    assert min(p["ttft_s"] for p in own.json()["systems"][0]["plans"]) > 0.045
    assert any(s["text"].startswith("own benchmark runs") for s in own.json()["sources"])
    for command in (("curve",), ("modes",), ("size", "--requests", "1 req/s")):
        tail = PLAN if command[0] != "curve" else ()
        done = headway(command[0], "llama-3.1-8b", "--on", "8xh100", *tail, *command[1:], "--calibration", str(mine))
        assert done.code == 0, done.err
    wrong = headway("plan", "llama-3.1-8b", "--on", "8xh200", *PLAN, "--calibration", str(mine))
    assert wrong.code == 2
    assert "fitted on h100-sxm" in wrong.err


def test_calibrate_as_json_and_csv(headway: Invoke, runs: Path) -> None:
    asked = ("calibrate", str(runs), "--model", "llama-3.1-8b", "--on", "8xh100")
    fit = headway(*asked, "--json").json()["fit"]
    assert {c["name"] for c in fit["constants"]} >= {"memory", "compute", "request_overhead"}
    assert len(fit["runs"]) == 4
    assert headway(*asked, "--csv").out.startswith("constant,value,value_unit")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("absent.json", "--model", "llama-3.1-8b", "--on", "8xh100"), "absent.json"),
        (("{runs}", "--on", "8xh100"), "--model"),
        (("{runs}", "--model", "llama-3.1-8b", "--on", "8xh900"), "h900"),
        (("{runs}@tq=2", "--model", "llama-3.1-8b", "--on", "8xh100"), "did you mean tp?"),
        (("{runs}", "--model", "llama-3.1-8b", "--on", "8xh100", "--tp", "16"), "8 chips"),
        (("@tp=2", "--model", "llama-3.1-8b", "--on", "8xh100"), "before the @"),
    ],
)
def test_calibrate_refuses_in_one_line(headway: Invoke, runs: Path, arguments: tuple[str, ...], message: str) -> None:
    done = headway("calibrate", *(a.replace("{runs}", str(runs)) for a in arguments))
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1


def test_toml_only_where_there_is_one(headway: Invoke, tmp_path: Path) -> None:
    done = headway("systems", "-o", str(tmp_path / "x.toml"))
    assert done.code == 2
    assert ".json .csv .txt .md" in done.err
    assert not (tmp_path / "x.toml").exists()


def test_measure_writes_a_machine(headway: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny = measuring.Effort((1 << 20,), 12 << 20, (64,), 1)
    monkeypatch.setattr(measuring, "full_effort", lambda: tiny)
    machine, constants = tmp_path / "machine.toml", tmp_path / "constants.toml"
    done = headway("measure", "-o", str(machine), "--constants", str(constants))
    assert done.code == 0, done.err
    assert "one small operation" in done.out
    used = headway(
        "curve", "llama-3.1-8b", "--hardware", str(machine), "--on", "this-machine", "--calibration", str(constants)
    )
    assert used.code == 0, used.err
    assert headway("measure", "--json").json()["systems"][0]["name"] == "this-machine"
    assert headway("measure", "--threads", "0").code == 2


def test_the_engine_is_asked_for_or_named_by_the_files(headway: Invoke, runs: Path) -> None:
    asked = ("calibrate", str(runs), "--model", "llama-3.1-8b", "--on", "8xh100")
    assert headway(*asked, "--json").json()["stack"].endswith(", vllm")
    wrong = headway(*asked, "--engine", "bogus")
    assert wrong.code == 2
    assert "--engine: 'bogus' is not accepted" in wrong.err
