"""Predictions of every kind of row, and the laws they keep."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from headway.evidence.measurements import METRICS, open_serving
from headway.evidence.predict import KINDS, predictions
from headway.evidence.runs import solve, solve_each
from headway.evidence.setups import setup_of
from headway.evidence.stated import DEEPSEEK_DAY, MLPERF, MLPERF_SOURCES, drafting, queued

ROWS = open_serving()


def row_of(**wanted):
    return next(row for row in ROWS if all(getattr(row, name) == value for name, value in wanted.items()))


def predict(row):
    (answer,) = predictions([row])
    assert answer.prediction is not None, answer.refusal
    return answer.prediction


@pytest.fixture(scope="module")
def every():
    return predictions(ROWS)


def test_all_rows_but_one_are_predicted(every):
    refused = [answer for answer in every if answer.prediction is None]
    assert [answer.row.metric for answer in refused] == ["fleet_average_gpus"]
    assert refused[0].refusal.missing


def test_predictions_are_finite_and_inside_their_interval(every):
    for answer in every:
        if answer.prediction is not None:
            p = answer.prediction
            assert 0 < p.low < p.value < p.high < math.inf, answer.row.row_id


@pytest.mark.parametrize("kind", ["tpot", "ttft", "throughput"])
def test_the_interval_holds_about_four_rows_of_five(every, kind):
    kept = [a for a in every if a.prediction and KINDS[a.row.metric] == kind]
    held = [a.prediction.low <= a.row.value <= a.prediction.high for a in kept]
    assert 0.7 <= sum(held) / len(held) <= 0.9


def test_an_interval_of_throughput_made_without_a_source_holds_most_of_it(every):
    ratios = {}
    for a in every:
        if a.prediction and KINDS[a.row.metric] == "throughput" and a.prediction.grade == "calibrated chip and engine":
            ratios.setdefault(a.row.source_id, []).append(math.log(a.row.value / a.prediction.value))
    held = {}
    for name in ("trtllm-perf-overview", "mlperf-inf-v5.1"):
        others = [r for source, found in ratios.items() if source != name for r in found]
        low, high = np.quantile(others, (0.1, 0.9))
        held[name] = sum(low <= r <= high for r in ratios[name]) / len(ratios[name])
    # The two figures that docs/evidence.md states.
    assert held["trtllm-perf-overview"] == pytest.approx(0.85, abs=0.005)
    assert held["mlperf-inf-v5.1"] == pytest.approx(0.56, abs=0.005)


def test_each_metric_has_a_kind():
    assert set(KINDS) == set(METRICS)


def test_rows_of_one_run_agree_with_asking_alone(every):
    for answer in every[::97]:
        if answer.prediction is not None:
            assert predict(answer.row) == answer.prediction


@pytest.mark.parametrize("mode", ["aggregated", "disaggregated"])
def test_more_users_never_shorten_a_token(mode):
    row = row_of(mode=mode, metric="tpot_ms", source_id="inferencex-dump")
    values = [predict(replace(row, concurrency=float(users))).value for users in (4, 16, 64, 256)]
    assert values == sorted(values)


def test_two_replicas_serve_twice_the_users():
    row = row_of(mode="aggregated", metric="tpot_ms", model="Llama-3.1-70B", parallelism="TP1")
    one = predict(replace(row, n_gpus=1, concurrency=16.0))
    two = predict(replace(row, n_gpus=2, concurrency=32.0))
    assert two.value == pytest.approx(one.value)


def test_mlperf_limits_cost_throughput(every):
    found = {
        (a.row.model, a.row.hardware, a.row.n_gpus, a.row.mode): a.prediction.value
        for a in every
        if a.row.mode.startswith("mlperf-") and a.prediction is not None
    }
    for (model, hardware, chips, mode), value in found.items():
        if mode != "mlperf-offline":
            # The loads tried are a grid, so equal optima may differ by its step.
            assert value <= 1.01 * found[model, hardware, chips, "mlperf-offline"]


def test_speculation_shortens_a_token():
    row = row_of(mode="aggregated", metric="tpot_ms", model="DeepSeek-R1-0528", concurrency=4.0)
    assert predict(replace(row, spec_decode="MTP1")).value < predict(row).value
    assert drafting(replace(row, spec_decode="MTP2"))[0] == 2


@pytest.mark.parametrize(
    ("wanted", "change", "reason"),
    [
        ({"mode": "aggregated", "metric": "tpot_ms"}, {"concurrency": None}, "concurrency"),
        ({"mode": "aggregated", "metric": "tpot_ms"}, {"isl": None}, "isl"),
        ({"mode": "disaggregated", "metric": "tpot_ms"}, {"concurrency": None}, "concurrency"),
        ({"mode": "offline static batch"}, {"batch_per_gpu": "", "concurrency": None}, "batch"),
        ({"mode": "mlperf-offline"}, {"model": "qwen3-8b"}, "MLPerf"),
        ({"mode": "decode-only", "source_id": "infersim-actuals"}, {"isl": None}, "neither batch nor length"),
        ({"mode": "offline"}, {"model": "deepseek-r1", "parallelism": "TP1", "n_gpus": 1, "hardware": "A100"}, "fit"),
        ({"mode": "aggregated", "metric": "tpot_ms"}, {"metric": "system_throughput"}, "does not follow"),
    ],
)
def test_what_is_missing_is_a_reason(wanted, change, reason):
    (answer,) = predictions([replace(row_of(**wanted), **change)])
    assert answer.prediction is None
    assert reason in answer.refusal.reason


def test_queued_requests_by_length():
    assert [queued(a, b) for a, b in ((1024, 1024), (8192, 1024), (1024, 8192), (32768, 1024))] == [
        3e3,
        1.5e3,
        1.5e3,
        1e3,
    ]


def test_the_day_adds_up():
    day = DEEPSEEK_DAY
    assert day.isl / day.osl == pytest.approx(608 / 168, rel=1e-3)
    assert day.isl + day.osl / 2 == pytest.approx(day.context, rel=1e-3)


def test_data_sets_have_sources():
    assert MLPERF_SOURCES
    assert all(data.longest >= data.osl for data in MLPERF.values())


def test_many_runs_at_once_are_each_what_they_are_alone():
    rows = [row for row in ROWS if row.mode in ("aggregated", "offline")][::23]
    assert len({row.model for row in rows}) > 3
    cases = [(row, setup_of(row)) for row in rows]
    assert solve_each(cases) == tuple(solve(*case) for case in cases)


def test_one_run_that_cannot_be_solved_leaves_the_others_of_its_group():
    row = row_of(mode="aggregated", metric="tpot_ms", source_id="inferencex-dump")
    alone, odd, unknown = predictions([row, replace(row, isl=None), replace(row, concurrency=None)])
    assert alone.prediction == predict(row)
    assert "lengths of a request" in odd.refusal.reason
    assert "concurrency" in unknown.refusal.reason
