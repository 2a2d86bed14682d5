"""The host's time per sequence: found again in planted errors, and fitted on rows of other sources."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headway.evidence.measurements import open_serving
from headway.evidence.predict import predictions
from headway.evidence.rate_fit import full_intervals, rate_curves, with_overhead
from headway.facts.calibration import GRADES, book, efficiency_for
from headway.facts.models import model
from headway.facts.systems import system
from headway.physics.layout import Layout
from headway.physics.step import decode_step, prefill_step

ROWS = tuple(row for row in open_serving() if row.mode == "offline" and row.model in ("gpt-oss-20b", "Llama-3.3-70B"))


@pytest.fixture(scope="module")
def planted():
    """Rows whose measured value is what the physics predicts with 12 microseconds per sequence."""
    truth = with_overhead(book(), 12e-6)
    answers = predictions(ROWS, table=truth)
    return tuple(replace(a.row, value=a.prediction.value) for a in answers if a.prediction)


def test_a_planted_time_is_found_again(planted):
    curves = rate_curves(planted, book())
    assert curves.fitted() == pytest.approx(12e-6, abs=0.5e-6)
    low, high = curves.interval()
    assert 11e-6 < low <= high < 13e-6


def test_a_source_left_out_has_no_say(planted):
    half = len(planted) // 2
    rows = [replace(row, source_id="honest") for row in planted[:half]]
    rows += [replace(row, source_id="odd", value=row.value * 0.6) for row in planted[half:]]
    without = rate_curves(rows, book()).without()
    assert without["odd"] == pytest.approx(12e-6, abs=1e-6)
    assert without["honest"] > without["odd"]


def test_intervals_of_rates_name_every_grade_and_hold_zero_where_the_physics_is_right(planted):
    truth = with_overhead(book(), 12e-6)
    found = full_intervals(planted, "throughput", truth, {row.source_id: 12e-6 for row in planted})
    assert tuple(found) == GRADES
    low, high = found[GRADES[0]]
    assert low == pytest.approx(0.0, abs=1e-9)
    assert high == pytest.approx(0.0, abs=1e-9)


def test_every_sequence_of_a_rank_adds_its_time_to_a_pass():
    llama, box = model("llama-3.1-8b"), system("hgx-h100")
    plain = replace(efficiency_for(box, "vllm"), sequence_overhead=0.0)
    slow = replace(plain, sequence_overhead=1e-5)
    batch = np.array([1.0, 64.0, 256.0])
    for ranks in (1, 2):
        both = (decode_step(llama, box, Layout(dp=ranks), batch, 1000, efficiency=eff) for eff in (plain, slow))
        before, after = (np.asarray(step.seconds) for step in both)
        np.testing.assert_allclose(after - before, 1e-5 * batch / ranks, rtol=1e-9)
    first, second = (prefill_step(llama, box, Layout(), 1, 1000, efficiency=eff).seconds for eff in (plain, slow))
    assert first == second
