"""Errors summed up: medians, marks, coverage and explanations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headway.evidence.measurements import open_serving
from headway.evidence.predict import Answer, predictions
from headway.evidence.report import (
    DRIFT,
    UNEXPLAINED,
    age_months,
    contradictions,
    explain,
    score,
    summarise,
    worst,
)
from headway.evidence.setups import Refusal

SAMPLE = tuple(row for row in open_serving() if row.mode == "aggregated")[:6]


@pytest.fixture(scope="module")
def answers():
    return predictions(SAMPLE)


def scaled(answer: Answer, factor: float) -> Answer:
    """The answer as if the measured value were the prediction over `factor`."""
    return replace(answer, row=replace(answer.row, value=answer.prediction.value / factor))


def test_errors_and_their_summary(answers):
    tpot = [a for a in answers if a.row.metric == "tpot_ms"]
    found = score([scaled(tpot[0], 1.1), scaled(tpot[1], 0.8), scaled(tpot[2], 1.2)])
    assert [round(one.error, 9) for one in found] == [0.1, -0.2, 0.2]
    total = next(s for s in summarise(found) if s.group == "all")
    assert (total.rows, total.covered) == (3, 3)
    assert total.median_ape == pytest.approx(0.2)
    assert total.bias == pytest.approx(0.1)


def test_refused_rows_count_without_an_error(answers):
    refused = Answer(SAMPLE[0], None, Refusal("no such model"))
    found = score([refused])
    total = next(s for s in summarise(found) if s.group == "all")
    assert (total.rows, total.covered, total.median_ape) == (1, 0, None)
    assert found[0].mark == ""
    assert worst(found) == ()


def test_every_group_adds_up_to_all(answers):
    found = summarise(score(answers))
    for metric in {s.metric for s in found}:
        whole = next(s.rows for s in found if s.metric == metric and s.group == "all")
        for kind in ("source", "chip", "engine", "model", "concurrency", "context", "mode", "mark"):
            parts = [s.rows for s in found if s.metric == metric and s.group.startswith(f"{kind}=")]
            assert sum(parts) == whole


def test_the_worst_are_worst_by_factor(answers):
    found = score([scaled(answers[0], 1.5), scaled(answers[1], 0.5)])
    assert worst(found, 1)[0].error == pytest.approx(-0.5)


def test_marks():
    old = replace(SAMPLE[0], measured_date="2024")
    vague = replace(SAMPLE[0], row_id="vague", trust="C")
    marks = [one.mark for one in score(predictions([old, vague, SAMPLE[0]]))]
    assert marks == [DRIFT, UNEXPLAINED, ""]


def test_rows_that_contradict_each_other():
    slow = replace(SAMPLE[0], row_id="few", isl=1024, concurrency=4.0, value=30.0)
    fast = replace(SAMPLE[0], row_id="many", isl=4096, concurrency=4.0, value=20.0)
    assert contradictions([slow, fast]) == {"few", "many"}
    assert contradictions([replace(slow, value=19.0), fast]) == frozenset()


def test_dates_as_sources_write_them():
    assert age_months("2025-02-27/28", "2026-11-23") == 21
    assert age_months("2025-09-09 (published)", "2026-11-23") == 14
    assert age_months("", "2026-11-23") is None


def test_explanations_follow_the_error(answers):
    slow = explain(score([scaled(answers[0], 0.5)])[0])
    fast = explain(score([scaled(answers[0], 2.0)])[0])
    assert slow != fast
    assert "faster than the physics" in fast
