"""Commands about deployments: what they refuse, note and size, on the command line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Invoke = Callable[..., Any]
MINE = """
[chip.acc1]
vendor = "Acme"
year = 2026
generation = "acme-1"
flops = { bf16 = "1 PFLOP/s", fp8 = "2 PFLOP/s" }
hbm_bytes = "128 GB"
hbm_bandwidth = "4 TB/s"
source = "datasheet"
retrieved = 2026-01-01
kind = "datasheet"

[system.acme8]
chip = "acc1"
chips = 8
domain_size = 8
link_bandwidth = "400 GB/s"
link_latency = "2us"
network_latency = "5us"
source = "vendor"
retrieved = 2026-01-01
kind = "datasheet"
"""
ON = ("llama-3.1-8b", "--on", "h100")


@pytest.mark.parametrize(
    "command", [("plan",), ("modes",), ("size", "--requests", "1 req/s"), ("curve", "--context", "200k")]
)
def test_what_is_longer_than_the_models_context_is_noted(headway: Invoke, command: tuple[str, ...]) -> None:
    length = () if command[0] == "curve" else ("--isl", "200k", "--gpus", "1")
    done = headway(*command[:1], *ON, *command[1:], *length)
    assert "longest context of llama-3.1-8b, 131,072" in " ".join(done.out.split())
    plain = headway(*command[:1], *ON, *(command[1:] if command[0] == "size" else ()))
    assert "longest context" not in plain.out


def test_a_draft_asks_what_is_kept(headway: Invoke) -> None:
    for command in (("plan",), ("simulate", "--rate", "1")):
        refused = headway(*command[:1], *ON, *command[1:], "--draft", "3")
        assert refused.code == 2
        assert refused.err.count("\n") == 1
        assert "--acceptance beside --draft 3" in refused.err
    told = headway("plan", *ON, "--draft", "3", "--acceptance", "2.5", "--gpus", "1")
    assert told.code == 0
    assert "3 drafted, 2.5 kept per pass" in told.out


@pytest.mark.parametrize("option", [("--ttft", "1s"), ("--tpot", "20ms"), ("--gpus", "4"), ("--isl", "1k")])
def test_a_curve_refuses_what_it_does_not_use(headway: Invoke, option: tuple[str, str]) -> None:
    done = headway("curve", *ON, *option)
    assert done.code == 2
    assert option[0] in done.err


def test_a_curve_prices_only_what_fits(headway: Invoke) -> None:
    drawn = headway("curve", "llama-3.1-70b", "--on", "h100", "--tp", "8", "--over", "context", "--batch", "256")
    assert "over context, batch 256" in drawn.out
    assert "256 sequences fit in memory up to a context of" in " ".join(drawn.out.split())
    asked = ("curve", "llama-3.1-70b", "--on", "h100", "--tp", "8", "--over", "context", "--batch", "256", "--csv")
    rows = list(csv.DictReader(io.StringIO(headway(*asked).out)))
    assert {r["fits"] for r in rows} == {"yes", "no"}
    assert all(bool(r["usd_per_mtok"]) == (r["fits"] == "yes") for r in rows)


def test_a_small_load_rents_no_whole_node(headway: Invoke) -> None:
    asked = ("size", *ON, "--isl", "1k", "--osl", "200", "--ttft", "1s", "--tpot", "20ms", "--requests", "1 req/s")
    fleet = headway(*asked, "--json").json()["fleets"][0]
    assert (fleet["replicas"], fleet["chips"]) == (1, 1)


def test_a_system_of_a_file_stands_beside_the_catalog(headway: Invoke, tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(MINE, encoding="utf-8")
    asked = ("--hardware", str(mine), "--price", "$2/GPU-h", "--json")
    done = headway("plan", "llama-3.1-8b", "--on", "acme8,h100,2xACME8", *asked, "--isl", "1k", "--osl", "200")
    assert done.code == 0, done.err
    systems = [found["system"] for found in done.json()["systems"]]
    assert systems == ["acme8", "hgx-h100", "2xACME8"]
    # Without a network no layout and no pair of pools reaches across the two domains.
    for found in done.json()["systems"][2]["plans"]:
        assert found["mode"] == "colocated" or found["chips"] <= 8
    shown = headway("system", "acme8", "--hardware", str(mine))
    assert shown.code == 0
    assert "8 x acc1" in shown.out
    wrong = headway("system", "acme9", "--hardware", str(mine))
    assert wrong.code == 2
    assert "did you mean acme8" in wrong.err
    assert headway("system", "h100", "--hardware", str(tmp_path / "none.toml")).code == 2


def test_a_model_may_be_the_path_of_its_config(headway: Invoke, tmp_path: Path, llama_config: dict[str, Any]) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(llama_config), encoding="utf-8")
    for command in (("model", str(config)), ("plan", str(config), "--on", "h100", "--gpus", "1")):
        done = headway(*command)
        assert done.code == 0, done.err
        assert tmp_path.name in done.out
    absent = headway("model", str(tmp_path / "none.json"))
    assert absent.code == 2
    assert "expected a config.json file" in absent.err


def test_weights_asked_for_stand_in_for_a_method_that_is_not_understood(
    headway: Invoke, tmp_path: Path, llama_config: dict[str, Any]
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(llama_config | {"quantization_config": {"quant_method": "hqq"}}), encoding="utf-8")
    for given in ((str(config),), ("--config", str(config))):
        asked = ("plan", *given, "--on", "h100", "--gpus", "1")
        assert "quant_method: 'hqq' is not accepted" in headway(*asked).err
        assert headway(*asked, "--weights", "int4-g128").code == 0
    # What else is wrong stays an error.
    config.write_text(json.dumps({"model_type": "llama"}), encoding="utf-8")
    assert headway("plan", "--config", str(config), "--on", "h100", "--weights", "fp8").code == 2
