"""Stated numbers, figures as printed, and how a claim's values are shown and checked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.facts.errors import InputError, UnknownNameError
from headway.facts.lecture_inputs import printed, stated_value, stated_values
from headway.lecture.claim import EXACT, Given, real, say, show
from headway.physics.published import operating_point, peak_token_rate, period_of, power_between


def test_every_row_has_a_value_a_unit_and_a_source():
    for row in stated_values().values():
        assert row.value > 0
        assert row.about
        assert row.source.retrieved


def test_an_unknown_row_names_the_nearest():
    with pytest.raises(UnknownNameError, match=r"did you mean board\.ratio"):
        stated_value("board.ratioo")


@pytest.mark.parametrize(
    ("text", "dimension", "half"),
    [
        ("1.16 ms", "seconds", 5e-6),
        ("5441", "count", 0.5),
        ("25.0 ms", "seconds", 5e-5),
        ("$0.138/Mtok", "dollars_per_mtok", 5e-4),
    ],
)
def test_half_a_digit(text, dimension, half):
    assert printed(text, dimension).half_digit == pytest.approx(half)


@pytest.mark.parametrize("text", ["", "ms", "1.16", "1.16 GB"])
def test_a_figure_needs_its_unit(text):
    with pytest.raises(InputError):
        printed(text, "seconds")


@given(st.floats(0.01, 0.99))
def test_a_value_rounds_to_what_is_printed(value):
    assert say("v", value, "count", f"{value:.3f}").check.ok


def test_a_value_outside_the_printed_digits_fails():
    assert not say("v", 1.166e-3, "seconds", "1.16 ms").check.ok
    assert say("v", 1.164e-3, "seconds", "1.16 ms").check.ok


def test_bounds_and_exact_values():
    assert not say("v", 2.0, between=(0.0, 1.0)).check.ok
    assert not say("v", 1.0 + 1e-6, "count", 1.0, EXACT).check.ok
    assert say("v", float("inf"), "count", float("inf"), EXACT).check.ok
    assert not say("v", float("nan"), "count", 1.0, 0.5).check.ok
    assert not say("v", True, expected=False).check.ok
    assert real("v", "word", expected="word").check.ok


def test_a_figure_without_expectation_has_no_check():
    assert say("v", 1.0).check is None


@pytest.mark.parametrize(
    ("value", "dimension", "digits", "text"),
    [
        (True, "", 3, "yes"),
        (2.372, "times", 3, "2.37x"),
        (12685.7, "count", 3, "12,686"),
        (1666.7, "bytes", 4, "1,667 B"),
        (1.164e-3, "seconds", 3, "1.16 ms"),
        (4000.0, "seconds", 4, "4,000 s"),
        (float("inf"), "count", 3, "none"),
    ],
)
def test_values_as_people_read_them(value, dimension, digits, text):
    assert show(value, dimension, digits) == text


def test_inputs_are_remembered_once_and_with_their_source():
    given_inputs = Given()
    assert given_inputs("board.ratio") == given_inputs("board.ratio") == 300
    given_inputs.chip("gb200")
    names = list(given_inputs.used)
    assert names.count("board.ratio") == 1
    assert any(quoted.name == "chip gb200" for quoted in given_inputs.used.values())


positive = st.floats(1e-3, 1e3)


@given(positive, positive, positive)
def test_operating_point_is_the_slower_roof_and_scale_free(batch, context, faster):
    inputs = (batch, context, 8, 671e9, 37e9, 70272, 1.7e7)
    point = operating_point(*inputs, 2e15, 1e15, 3e12)
    assert point.pass_time == pytest.approx(max(point.memory, point.compute))
    assert point.compute == pytest.approx(point.weights + point.attention)
    quick = operating_point(*inputs, 2e15 * faster, 1e15 * faster, 3e12 * faster)
    assert quick.pass_time * faster == pytest.approx(point.pass_time)


@given(positive)
def test_inverses(x):
    assert period_of(period_of(x)) == pytest.approx(x)
    assert peak_token_rate(x, 2 * x) == pytest.approx(1.0)


@given(st.floats(-3, 3))
def test_power_between_recovers_a_power(p):
    assert power_between(1.0, 1.0, 10.0, 10.0**p) == pytest.approx(p, abs=1e-9)
