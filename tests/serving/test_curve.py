"""One pass along batch or context: the three lines of the blackboard, the balance points, and what it costs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.facts.errors import InputError, LayoutError, RangeError, UnknownNameError
from headway.facts.models import model
from headway.facts.systems import system
from headway.physics.layout import Layout
from headway.physics.memory import memory_use
from headway.physics.step import decode_step
from headway.serving.curve import Axis, Curve, axis_points, curve, row_indices
from headway.serving.plan import watts_per_chip
from headway.serving.workload import Prices

BOX = system("hgx-h200")
NAMES = st.sampled_from(("llama-3.1-8b", "gpt-oss-20b", "gemma-3-27b", "qwen3-30b-a3b"))
AXES = st.sampled_from(("batch", "context"))
BAD = (float("nan"), -1, float("inf"), True, "64", None, [64, 128])


def of_curve(name: str, over: Axis, **given_: Any) -> Curve:
    return curve(model(name), BOX, Layout(tp=2), over=over, **given_)


@given(name=NAMES, over=AXES, batch=st.integers(1, 500), context=st.integers(0, 100_000))
@settings(max_examples=40)
def test_the_points_are_those_of_the_steps(name: str, over: Axis, batch: int, context: int) -> None:
    drawn = of_curve(name, over, batch=batch, context=context, prices=Prices(2.0, 0.1))
    assert drawn.over == over
    assert np.all(np.diff(drawn.x) > 0)
    assert drawn.fixed == (context if over == "batch" else batch)
    shape = drawn.x.shape
    for found in (drawn.seconds, drawn.blackboard_seconds, drawn.usd_per_mtok, drawn.binding):
        assert found.shape == shape
    for i in (0, len(drawn.x) // 2, -1):
        b, c = (drawn.x[i], context) if over == "batch" else (batch, drawn.x[i])
        step = decode_step(model(name), BOX, Layout(tp=2), b, c)
        assert drawn.seconds[i] == pytest.approx(step.seconds, rel=1e-12)
        assert drawn.binding[i] == str(step.binding)
        assert drawn.tokens_per_second_per_user[i] == pytest.approx(1 / step.tpot, rel=1e-12)
        board = decode_step(model(name), BOX, Layout(tp=2), b, c, fidelity="blackboard")
        assert drawn.blackboard_seconds[i] == pytest.approx(board.seconds, rel=1e-12)
    hour = 2.0 + 0.1 * watts_per_chip(BOX) / 1000
    per_token = hour / 3600 / drawn.tokens_per_second_per_chip
    np.testing.assert_allclose(drawn.usd_per_mtok, per_token * 1e6, rtol=1e-12)
    assert np.all(drawn.seconds >= drawn.blackboard_seconds * (1 - 1e-12))


@given(name=NAMES, over=AXES)
@settings(max_examples=20)
def test_three_lines_make_the_blackboard(name: str, over: Axis) -> None:
    """Compute is one budget, weights and cache together are the other (claims D01, D02)."""
    drawn = of_curve(name, over)
    lines = dict(drawn.lines)
    assert list(lines) == ["compute", "weights", "kv"]
    longer = np.maximum(lines["compute"], lines["weights"] + lines["kv"])
    np.testing.assert_allclose(drawn.blackboard_seconds, longer, rtol=1e-12)
    assert all(np.all(np.diff(line) >= -1e-15) for line in lines.values())
    if over == "batch":
        np.testing.assert_allclose(lines["compute"] / drawn.x, lines["compute"][0] / drawn.x[0], rtol=1e-9)
        np.testing.assert_allclose(lines["kv"] / drawn.x, lines["kv"][0] / drawn.x[0], rtol=1e-9)


def test_cost_falls_with_batch_and_rises_with_context() -> None:
    by_batch = of_curve("llama-3.1-8b", "batch", prices=Prices(2.0))
    assert np.all(np.diff(by_batch.blackboard_seconds / by_batch.x) <= 1e-18)
    by_context = of_curve("llama-3.1-8b", "context", prices=Prices(2.0))
    assert np.all(np.diff(by_context.usd_per_mtok) >= 0)
    assert np.all(np.isnan(of_curve("llama-3.1-8b", "batch").usd_per_mtok))


def test_the_balance_points_are_where_lines_cross() -> None:
    drawn = of_curve("llama-3.1-8b", "batch", context=100)
    assert math.isfinite(drawn.balance_batch)
    found = drawn.terms.by_resource(drawn.balance_batch, 100)
    assert float(found["compute"]) == pytest.approx(float(found["memory"]), rel=1e-9)
    assert of_curve("llama-3.1-8b", "batch", context=2 * drawn.balance_context).balance_batch == math.inf
    # The drawn range holds the balance and what fits.
    assert drawn.x[-1] >= max(drawn.balance_batch, drawn.largest_batch)


def test_what_fits_is_marked() -> None:
    drawn = of_curve("llama-3.1-8b", "batch", context=8000)
    of, place = model("llama-3.1-8b"), Layout(tp=2)
    fits = [bool(memory_use(of, BOX, place, drawn.largest_batch + more, 8000).fits) for more in (0, 1)]
    assert fits == [True, False]


@pytest.mark.parametrize("over", ["batch", "context"])
def test_every_point_says_whether_it_fits(over: Axis) -> None:
    drawn = of_curve("llama-3.1-70b", over, batch=64, context=4096)
    assert set(drawn.fits) == {True, False}
    edge = drawn.largest_batch if over == "batch" else drawn.longest_context
    assert drawn.fits.tolist() == (drawn.x <= edge).tolist()
    of, place = model("llama-3.1-70b"), Layout(tp=2)
    last = (edge, 4096.0) if over == "batch" else (64.0, edge)
    assert bool(memory_use(of, BOX, place, *last).fits)


def test_a_model_without_room_fits_nowhere() -> None:
    drawn = curve(model("llama-3.1-70b"), system("hgx-h100"), over="context", batch=1)
    assert not drawn.fits.any()
    assert drawn.longest_context == drawn.largest_batch == 0


def test_the_lecture_profile_draws_its_own_terms() -> None:
    plain, lecture = (
        curve(model("deepseek-v3"), BOX, Layout(dp=8, ep=8), x=[1.0], profile=p) for p in ("datasheet", "lecture")
    )
    assert lecture.blackboard_seconds[0] > plain.blackboard_seconds[0]
    assert lecture.seconds[0] == plain.seconds[0]


@given(low=st.integers(1, 1000), span=st.integers(1, 10**6), points=st.integers(2, 200))
def test_axis_points_are_whole_and_reach_both_ends(low: int, span: int, points: int) -> None:
    found = axis_points(low, low + span, points)
    assert found[0] == low
    assert found[-1] == low + span
    assert len(found) <= points
    assert np.all(found == np.round(found))
    assert np.all(np.diff(found) > 0)


@given(rows=st.integers(2, 100))
@settings(max_examples=20)
def test_rows_are_spread_with_both_ends(rows: int) -> None:
    drawn = of_curve("llama-3.1-8b", "batch", x=np.arange(1.0, 41.0))
    found = row_indices(drawn, rows)
    assert (found[0], found[-1]) == (0, 39)
    assert found == sorted(set(found))
    assert len(found) <= rows


@pytest.mark.parametrize("bad", BAD, ids=repr)
@pytest.mark.parametrize("field", ["batch", "context"])
def test_a_bad_number_is_named(field: str, bad: Any) -> None:
    with pytest.raises(RangeError, match=rf"^{field}: "):
        of_curve("llama-3.1-8b", "batch", **{field: bad})


@pytest.mark.parametrize("over", ["batch", "context"])
@pytest.mark.parametrize("bad", [[float("nan")], [0.0], [-1.0], "1", [True], None], ids=repr)
def test_bad_points_are_named(over: Axis, bad: Any) -> None:
    if bad is not None:
        with pytest.raises(RangeError, match=rf"^{over}: "):
            of_curve("llama-3.1-8b", over, x=bad)
    with pytest.raises(RangeError, match=r"^(from|to|points): "):
        axis_points(1, 10, bad)
    with pytest.raises(RangeError, match=r"^from: "):
        axis_points(bad, 10, 5)


def test_misuse_is_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean batch"):
        of_curve("llama-3.1-8b", "batches")  # type: ignore[arg-type]
    with pytest.raises(LayoutError, match=r"^tp: 3 "):
        curve(model("llama-3.1-8b"), BOX, Layout(tp=3))
    with pytest.raises(RangeError, match=r"^to: 5 .* above 10"):
        axis_points(10, 5, 3)
    with pytest.raises(InputError, match=r"^profile: "):
        of_curve("llama-3.1-8b", "batch", profile="chalk")
    with pytest.raises(RangeError, match=r"^points: "):
        row_indices(of_curve("llama-3.1-8b", "batch"), 1)
