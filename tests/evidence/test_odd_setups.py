"""Setups far from any measurement: every chip of the catalog, one user to many, short prompts to very long ones."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest

from headway.evidence.measurements import open_serving
from headway.evidence.predict import predictions
from headway.facts.calibration import GRADES
from headway.facts.systems import chip_names

BASE = replace(
    next(row for row in open_serving() if row.mode == "aggregated" and row.metric == "tpot_ms"),
    weight_precision="bf16",
    kv_precision="",
    parallelism="TP1",
    n_gpus=1,
    spec_decode="none",
)
CHIPS = chip_names()
USERS = (1, 2, 7, 64, 500)
LENGTHS = (1, 100, 4_000, 100_000)


def asked(**changes):
    """Predicted TPOT and TTFT of one setup [ms]."""
    rows = [replace(BASE, row_id=metric, metric=metric, **changes) for metric in ("tpot_ms", "ttft_ms")]
    return [answer.prediction for answer in predictions(rows)]


@pytest.mark.parametrize("chip", CHIPS)
def test_every_chip_has_a_finite_answer_with_an_interval_that_grows_with_users(chip):
    rows = [
        replace(BASE, model="llama-3.1-8b", hardware=chip, engine="an engine of my own", isl=1000, osl=200,
                concurrency=users, metric=metric)
        for metric in ("tpot_ms", "ttft_ms", "output_throughput_per_gpu")
        for users in USERS
    ]  # fmt: skip
    found = [answer.prediction for answer in predictions(rows)]
    for one in found:
        assert 0 < one.low < one.value < one.high < math.inf
        assert one.grade in GRADES
        assert one.grade != GRADES[0]
    for first in range(0, len(found), len(USERS)):
        for few, many in pairwise(found[first : first + len(USERS)]):
            # Beyond what memory holds nothing changes but the grid of batches between which passes are interpolated.
            assert few.value <= many.value * (1 + 5e-3)


@pytest.mark.parametrize("engine", ["vLLM", "SGLang", "TensorRT-LLM", ""])
@pytest.mark.parametrize("model", ["llama-3.1-70b", "gpt-oss-120b", "deepseek-v3", "qwen3.5-397b-a17b"])
def test_longer_prompts_never_come_sooner(model, engine):
    place = {"hardware": "MI325X", "parallelism": "TP8", "n_gpus": 8, "model": model, "engine": engine}
    for users in (1, 32):
        series = [asked(isl=isl, osl=100, concurrency=users, **place) for isl in LENGTHS]
        for (token, first), (later_token, later_first) in pairwise(series):
            assert first.value <= later_first.value
            # Users who wait for a prompt do not decode, so a token may come sooner; the whole answer may not.
            assert first.value + 99 * token.value <= later_first.value + 99 * later_token.value
            assert users > 1 or token.value <= later_token.value


def test_one_token_out_and_a_prompt_longer_than_memory_still_have_an_answer():
    one = asked(model="llama-3.1-8b", hardware="H100", isl=1, osl=1, concurrency=1)
    much = asked(model="llama-3.1-8b", hardware="H100", isl=1_000_000, osl=10, concurrency=64)
    for found in (*one, *much):
        assert 0 < found.low < found.value < found.high < math.inf
