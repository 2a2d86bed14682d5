"""From spellings to setups."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources

import pytest

from headway.evidence.measurements import open_serving
from headway.evidence.setups import Refusal, Setup, Shelf, parallelism, setup_of
from headway.facts.errors import InputError, UnknownNameError

ROW = next(row for row in open_serving() if row.model == "Llama-3.1-70B" and row.engine == "vLLM")


@pytest.mark.parametrize(
    ("text", "prefill", "decode"),
    [
        ("TP8", None, (1, "TP8")),
        ("DEP4", None, (1, "DP4 EP4")),
        ("TP4 EP2", None, (1, "TP4 EP2")),
        ("EP144 DP144 (18 nodes/unit)", None, (1, "DP144 EP144")),
        ("EP32 TP1 (DP attention)", None, (1, "DP32 EP32")),
        ("EP48 (12 nodes x 4 GPU)", None, (1, "DP48 EP48")),
        ("prefill 1x(TP4 DP1 EP4) + decode 4x(TP8 DP1 EP8)", (1, "TP4 EP4"), (4, "TP8 EP8")),
        ("prefill TP1; decode 4 GPU EP4", (1, "1 chip"), (1, "DP4 EP4")),
        ("not stated in summary", None, None),
        ("", None, None),
    ],
)
def test_every_spelling_of_the_data(text, prefill, decode):
    found = [pool and (pool.workers, pool.layout.label()) for pool in parallelism(text)]
    assert found == [prefill, decode]


@pytest.mark.parametrize(
    "text", ["TP", "TP0", "8", "TP8 TP4", "DEP4 DP4", "TP8 fast", "prefill TP1", "decode TP8", "((("]
)
def test_other_spellings_are_refused(text):
    with pytest.raises(InputError, match="parallelism"):
        parallelism(text)


def test_every_open_row_has_a_setup():
    assert all(isinstance(setup_of(row), Setup) for row in open_serving())


def test_a_benchmarks_own_scripts_say_what_its_rows_leave_out():
    found, mine = setup_of(ROW), setup_of(replace(ROW, source_id="mine"))
    assert (found.precision.kv, mine.precision.kv) == ("fp8", "bf16")
    assert (found.isl, mine.isl) == (round(0.9 * ROW.isl), ROW.isl)
    assert (found.chunk, mine.chunk) == (8192.0, None)
    assert any("scripts" in text for text in found.assumed)
    # What a row states is not touched.
    assert setup_of(replace(ROW, kv_precision="bf16")).precision.kv == "bf16"


@pytest.mark.parametrize(
    ("model", "weights", "chip", "engine", "users", "kv", "chunk", "poll"),
    [
        ("DeepSeek-R1-0528", "fp8", "B200", "SGLang", 4, "fp8", 32_768, 10),
        ("DeepSeek-R1-0528", "fp4", "B200", "SGLang", 16, "fp8", 16_384, 30),
        ("DeepSeek-R1-0528", "fp8", "H200", "SGLang", 16, "bf16", 32_768, 1),
        ("DeepSeek-R1-0528", "fp8", "MI300X", "SGLang", 16, "fp8", 131_072, 1),
        ("DeepSeek-R1-0528", "fp4", "B200", "TensorRT-LLM", 64, "fp8", 8192, 1),
        ("Llama-3.1-70B", "fp4", "B200", "TensorRT-LLM", 64, "fp8", 2048, 1),
        ("gpt-oss-120b", "mxfp4", "H100", "vLLM", 64, "bf16", 8192, 1),
        ("gpt-oss-120b", "mxfp4", "B200", "vLLM", 64, "fp8", 8192, 1),
        ("Qwen3-32B", "fp8", "H100", "vLLM", 64, "bf16", None, 1),
    ],
)
def test_launches_by_engine_model_and_chip(model, weights, chip, engine, users, kv, chunk, poll):
    row = replace(ROW, model=model, weight_precision=weights, hardware=chip, engine=engine, concurrency=float(users))
    found = setup_of(replace(row, isl=1024, osl=1024, n_gpus=8, parallelism="TP8"))
    assert (found.precision.kv, found.chunk, found.poll) == (kv, chunk, poll)


def test_precisions_of_checkpoints():
    def precision(model, weights, engine="vLLM", kv=""):
        row = replace(ROW, source_id="mine", model=model, weight_precision=weights, engine=engine, kv_precision=kv)
        found = setup_of(row)
        assert isinstance(found, Setup)
        return found.precision

    assert precision("Llama-3.1-70B", "fp8").attention == "fp8"
    assert precision("DeepSeek-R1-0528", "fp8").experts == "fp8-block"
    narrow = precision("DeepSeek-R1-0528", "fp4")
    assert (narrow.attention, narrow.ffn, narrow.experts) == ("bf16", "nvfp4", "nvfp4")
    assert precision("gpt-oss-120b", "mxfp4").experts == "mxfp4"
    assert precision("Llama-3.1-70B", "fp8").kv == "bf16"
    assert precision("Llama-3.1-70B", "fp8", engine="TensorRT-LLM").kv == "fp8"
    assert precision("Llama-3.1-70B", "bf16", engine="TensorRT-LLM").kv == "bf16"
    assert precision("Llama-3.1-70B", "bf16", kv="fp8").kv == "fp8"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": "llama-9"}, "model"),
        ({"hardware": "H1000"}, "H1000"),
        ({"weight_precision": "fp7"}, "fp7"),
        ({"parallelism": "TP7"}, "tp"),
        ({"parallelism": "TP8", "n_gpus": 12}, "n_gpus"),
        ({"batch_per_gpu": "many"}, "batch_per_gpu"),
        ({"batch_per_gpu": "0 requests"}, "batch_per_gpu"),
    ],
)
def test_what_cannot_be_told_is_a_reason(change, named):
    found = setup_of(replace(ROW, **change))
    assert isinstance(found, Refusal)
    assert named in found.reason


def test_models_and_systems_of_ones_own(tmp_path):
    config = (
        resources.files("headway.facts").joinpath("data", "models", "llama-3.1-8b.json").read_text(encoding="utf-8")
    )
    (tmp_path / "My-8B.json").write_text(json.dumps(json.loads(config)), encoding="utf-8")
    hardware = tmp_path / "own.toml"
    hardware.write_text(
        """
[sources.mine]
text = "measured here"
retrieved = "2026-11-23"
kind = "measured"

[chip.my-chip]
vendor = "me"
year = 2026
generation = "mine"
flops = { bf16 = "100 TFLOP/s" }
hbm_bytes = "80 GB"
hbm_bandwidth = "1 TB/s"
source = "mine"

[system.my-box]
chip = "my-chip"
chips = 1
domain_size = 1
link_bandwidth = "10 GB/s"
link_latency = "5 us"
network_latency = "10 us"
source = "mine"
""",
        encoding="utf-8",
    )
    row = replace(ROW, model="maker/my-8b", hardware="my-box", parallelism="TP1", n_gpus=1, weight_precision="bf16")
    assert isinstance(setup_of(row), Refusal)
    found = setup_of(row, Shelf(str(tmp_path), str(hardware)))
    assert isinstance(found, Setup)
    assert (found.model.n_layers, found.system.chip.hbm_bandwidth) == (32, 1e12)
    # Names that the files lack still come from the catalog.
    assert Shelf(str(tmp_path), str(hardware)).system("H100").name == "hgx-h100"
    with pytest.raises(UnknownNameError):
        Shelf(hardware=str(hardware)).system("absent")
    with pytest.raises(InputError, match="--config"):
        Shelf(configs=str(tmp_path / "absent")).model("x")
