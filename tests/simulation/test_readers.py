"""Readers: the open traces as their page counts them, and one clear line for every kind of damage."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headway.facts.errors import InputError
from headway.simulation.generate import servegen
from headway.simulation.read import read_trace
from headway.simulation.statistics import statistics
from headway.simulation.trace import Trace

TRACES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "traces"
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
ROW = "2023-11-16 18:15:46.6805900,374,44\n"
OWN = "arrival_s,input_tokens,output_tokens\n"
MOON = {"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [0, 1]}
AGENT = {"c": 1, "t": 0.0, "in": 130, "out": 5, "h": [1, 2]}


def open_trace(name: str) -> Path:
    path = TRACES / name
    if not path.is_file():
        pytest.skip(f"the open trace {name} is not beside the repository")
    return path


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("name", "requests", "inputs", "outputs", "rate", "cv", "dispersion"),
    [
        ("azure2023_conv.csv.gz", 19_366, (1155, 1020, 4142), (211, 129, 601), 5.53, 1.09, 16.1),
        ("azure2023_code.csv.gz", 8_819, (2048, 1469, 7436), (28, 13, 251), 2.57, 13.2, 164),
    ],
)
def test_azure_is_as_its_page_says(
    name: str, requests: int, inputs: Any, outputs: Any, rate: float, cv: float, dispersion: float
) -> None:
    found = statistics(read_trace(open_trace(name)))
    assert found.requests == requests
    for measured, stated in ((found.inputs, inputs), (found.outputs, outputs)):
        assert [measured.mean, measured.p50, measured.p99] == pytest.approx(stated, abs=0.6)
    assert [found.requests_per_second, found.gap_cv, found.dispersion] == pytest.approx(
        [rate, cv, dispersion], rel=5e-3
    )


def test_mooncake_names_its_grid_and_is_spread_on_request() -> None:
    path = open_trace("mooncake_conversation.jsonl.gz")
    plain, spread = read_trace(path), read_trace(path, spread=True)
    assert "3 s grid" in plain.notes[0]
    assert len(np.unique(plain.arrival_s)) == 1180
    assert len(np.unique(spread.arrival_s)) == len(spread) == 12_031
    assert spread.input_tokens.tolist() == plain.input_tokens.tolist()
    assert np.abs(spread.arrival_s - plain.arrival_s).max() < 3.01


def test_sessions_open_and_closed_hold_the_same_requests() -> None:
    path = open_trace("agentic_coding.jsonl.gz")
    recorded, closed = read_trace(path), read_trace(path, closed=True)
    assert len(recorded) == len(closed) == 35_628
    assert recorded.run_count.sum() == closed.run_count.sum() == 66_729_100
    assert recorded.input_tokens.mean() == pytest.approx(119_900, abs=50)
    assert (closed.after < 0).sum() == len(np.unique(closed.session)) == 539
    assert (np.isnan(closed.arrival_s) == (closed.after >= 0)).all()


@pytest.mark.parametrize("run", ["RTX4090_Llama-3_1-8B", "RTXPRO6000_Qwen3-30B-A3B"])
def test_measured_runs(run: str) -> None:
    found = read_trace(open_trace(f"vllm_measured_{run}.json.gz"))
    assert len(found) == 300
    assert found.block_tokens == 16


def test_a_pool_is_its_clients() -> None:
    rates, sizes = open_trace("servegen_rates.parquet"), open_trace("servegen_lengths.parquet")
    found = servegen(rates, sizes, "deepseek-r1", duration_s=86_400.0, scale=0.1)
    assert len(found) / 86_400 == pytest.approx(1.6, rel=0.03)
    assert found.output_tokens.mean() == pytest.approx(1527, rel=0.05)
    with pytest.raises(InputError, match="m-large"):
        servegen(rates, sizes, "m-larg")


def written(tmp_path: Path, text: str | bytes, name: str = "bad.txt") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (AZURE + ROW + "2023-11-16 18:15:40,1,1\n", "bad.txt:3: arrival_s: -6.68"),
        (AZURE + ROW + "yesterday,1,1\n", "bad.txt:3: TIMESTAMP: 'yesterday'"),
        (AZURE + ROW + "2023-11-16 18:15:50,1\n", "bad.txt:3: '2023-11-16 18:15:50,1' .* 3 cells"),
        (AZURE + "2023-11-16 18:15:50,,4\n", "bad.txt:2: ContextTokens: ''"),
        (AZURE + "2023-11-16 18:15:50,1.5,4\n", "bad.txt:2: ContextTokens: '1.5'"),
        (AZURE + "2023-11-16 18:15:50,-5,4\n", "bad.txt:2: input_tokens: -5"),
        (AZURE + "2023-11-16 18:15:50,1000000000,4\n", "bad.txt:2: input_tokens: 1000000000"),
        (AZURE, "bad.txt:1: 'a header and no rows'"),
        ("", "bad.txt: 'an empty file'"),
        ("time,in,out\n1,2,3\n", "bad.txt:1: 'time, in, out' .* known trace"),
        (OWN + "nan,5,5\n", "bad.txt:2: arrival_s: nan"),
        (OWN + "0,5,5\n\n0.5,1e400,5\n", "bad.txt:4: input_tokens: '1e400'"),
        (OWN.strip() + ",blocks\n0,5,5,0+x\n", "bad.txt:2: blocks: '0\\+x'"),
        (OWN.strip() + ",blocks\n0,5,5,0+2\n", "bad.txt:2: block_tokens: 0"),
        ("Timestamp,Request tokens,Response tokens,Total tokens\n5,10,2,13\n", "bad.txt:2: Total tokens: 13"),
        (lines(MOON) + "{broken\n", "bad.txt:2: '{broken'"),
        (lines(MOON, MOON | {"hash_ids": [0]}, MOON | {"hash_ids": []}), "bad.txt:3: hash_ids: '0 ids'"),
        (lines(MOON, MOON | {"timestamp": -1}), "bad.txt:2: arrival_s: -0.001"),
        (lines(MOON, MOON | {"timestamp": float("nan")}), "bad.txt:2: arrival_s: nan"),
        (lines(MOON, MOON | {"input_length": "many"}), "bad.txt:2: input_length: 'many'"),
        (lines(MOON, {"timestamp": 1}), "bad.txt:2: input_length: 'nothing'"),
        (lines(MOON) + "[]\n", "bad.txt:2: '\\[\\]' .* one JSON object"),
        (lines(AGENT, AGENT | {"t": -1.0}), "bad.txt:2: t: -1"),
        (lines(AGENT, AGENT | {"h": [1, 3]}), "bad.txt:2: h: 'runs of 3 ids'"),
        (lines(AGENT, AGENT | {"c": 2}, AGENT), "bad.txt:3: c: 1 .* follow each other"),
        (lines({"input_lens": [1, 2], "output_lens": [1]}), "bad.txt:1: output_lens"),
        (lines({"a": 1}), "bad.txt:1: 'a' .* known trace"),
        (b"\xff\xfe\x00\x01", "bad.txt:1: 'bytes that are not UTF-8'"),
        (b"PAR1 and nothing", "bad.txt: .*Parquet"),
    ],
)
def test_damage_is_one_line_with_its_place(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        read_trace(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_cut_gzip_names_the_line_it_reached(tmp_path: Path) -> None:
    rows = AZURE + "".join(f"2023-11-16 18:{i // 60:02}:{i % 60:02},{i + 1},{i * 7919 % 997}\n" for i in range(3000))
    data = gzip.compress(rows.encode())
    with pytest.raises(InputError, match=r"cut.csv.gz:\d+: 'a gzip stream that ends or breaks here'"):
        read_trace(written(tmp_path, data[: len(data) // 2], "cut.csv.gz"))
    assert len(read_trace(written(tmp_path, data, "whole.csv.gz"))) == 3000


def read(tmp_path: Path, text: str) -> Trace:
    return read_trace(written(tmp_path, text, "good.txt"))


def test_the_other_formats(tmp_path: Path) -> None:
    burst = read(tmp_path, "Timestamp,Session ID,Request tokens,Response tokens,Total tokens\n5,,10,2,12\n6,a,9,0,9\n")
    assert burst.session.tolist()[0] == -1
    assert burst.notes == ("1 requests without an answer are kept as prompts",)
    chat = {"chat_id": 5, "parent_chat_id": -1, "timestamp": 0.5, "type": "text", "turn": 1}
    first = chat | {"input_length": 20, "output_length": 3, "hash_ids": [9, 4]}
    bailian = read(tmp_path, lines(first, first | {"chat_id": 6, "parent_chat_id": 5, "timestamp": 2.0}))
    assert (bailian.session.tolist(), bailian.block_tokens) == ([0, 0], 16)
    timed = {"input_lens": [7, 8], "output_lens": [1, 2], "start_times": [12.0, 10.5], "backend": "vllm"}
    assert read(tmp_path, json.dumps(timed, indent=1)).input_tokens.tolist() == [8, 7]
    rated = {"input_lens": [7, 8], "output_lens": [1, 2], "request_rate": 4.0}
    assert "last of 2 runs" in read(tmp_path, lines(rated, rated)).notes[0]


def test_a_turn_waits_for_the_helper_that_answered_last(tmp_path: Path) -> None:
    rows = [
        AGENT | {"api_time": 2.0},
        AGENT | {"t": 3.0, "agent": "a", "api_time": 10.0},
        AGENT | {"t": 4.0, "agent": "b", "api_time": 1.0},
        AGENT | {"t": 20.0, "think_time": 1.0},
    ]
    found = read_trace(written(tmp_path, lines(*rows)), closed=True)
    assert found.after.tolist() == [-1, 0, 0, 1]
    assert found.think_s.tolist() == [0.0, 1.0, 2.0, 7.0]
