"""``headway lecture``: the shape of its JSON, its filters, an explanation, and what a failed check does."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from headway.cli import lecture_command
from headway.cli._output import render
from headway.cli.lecture_command import explanation, overview
from headway.lecture import evaluate, evaluate_all, golden_ids

KEYS = ("id", "chapter", "statement", "stated", "recomputed", "datasheet", "verdict", "ok")


@pytest.fixture(scope="module")
def results():
    return evaluate_all()


def test_json_shape(headway, results):
    outcome = headway("lecture", "--json")
    claims = outcome.json()["claims"]
    assert [claim["id"] for claim in claims] == [result.id for result in results]
    assert all(set(KEYS) <= set(claim) for claim in claims)
    failed = any(claim["ok"] is False for claim in claims)
    assert outcome.code == (1 if failed else 0)


def test_golden_ones(headway):
    claims = headway("lecture", "--golden", "--json").json()["claims"]
    assert [claim["id"] for claim in claims] == list(golden_ids())
    assert all(claim["ok"] for claim in claims)


def test_one_chapter(headway):
    claims = headway("lecture", "--chapter", "1", "--json").json()["claims"]
    assert claims
    assert {claim["chapter"] for claim in claims} == {"1"}
    outcome = headway("lecture", "--chapter", "99")
    assert outcome.code == 2


def test_csv_has_a_row_for_each_claim(headway, results):
    rows = list(csv.DictReader(io.StringIO(headway("lecture", "--csv").out)))
    assert len(rows) == len(results)
    assert tuple(rows[0]) == KEYS


@pytest.mark.parametrize("width", [60, 80, 120])
def test_text_says_every_verdict_in_words(headway, monkeypatch, results, width):
    monkeypatch.setenv("COLUMNS", str(width))
    text = headway("lecture").out
    assert max(map(len, text.splitlines())) <= width
    for result in results:
        assert f"{result.id}  " in text
    for verdict in {result.verdict for result in results}:
        assert verdict in " ".join(text.split())


def test_explanation_has_equation_inputs_and_sources(headway):
    outcome = headway("lecture", "--explain", "C50")
    text = outcome.out
    assert outcome.code == 0
    for words in ("Equation", "Numbers put in", "Computed", "Sources", "1,667 B"):
        assert words in text
    assert headway("lecture", "--explain", "c50").out == text
    claim = headway("lecture", "--explain", "C50", "--json").json()["claims"][0]
    assert claim["equation"]
    assert claim["inputs"]


def test_every_claim_explains_itself(results):
    for result in results:
        for format in ("text", "json", "markdown"):
            assert render(explanation(result), format)


def test_unknown_claim(headway):
    outcome = headway("lecture", "--explain", "C5O")
    assert outcome.code == 2
    assert "did you mean C" in outcome.err


def test_a_failed_check_is_said_and_ends_with_1(results):
    good = next(result for result in results if result.ok)
    figures = tuple(
        replace(figure, check=replace(figure.check, ok=False)) if figure.check else figure for figure in good.figures
    )
    bad = replace(good, figures=figures)
    for report in (overview([bad], "t"), explanation(bad)):
        assert report.exit_code == 1
    text = render(overview([bad], "t"), "text")
    assert f"Outside their tolerance: {bad.id}." in text
    assert "OUTSIDE" in render(explanation(bad), "text")


def test_marks_cover_every_verdict():
    from headway.lecture.claim import VERDICTS

    assert set(lecture_command._MARKS) == set(VERDICTS)


def test_golden_parts_for_the_demo():
    parts, passed = lecture_command.golden_parts()
    assert passed
    assert parts


def test_explain_agrees_with_the_overview(results):
    first = results[0]
    assert evaluate(first.id).recomputed == first.recomputed
