"""Charts: shapes, ticks, markers that tell series apart without colour, and one small golden drawing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.cli._chart import Axis, BarChart, Marker, Series, XYChart, draw, plain
from headway.cli._ticks import ticks
from headway.facts.errors import InputError

ROOF = XYChart(
    "Time per pass",
    Axis("batch", log=True),
    Axis("seconds", log=True),
    (
        Series("one", [1, 10, 100, 1000], [1, 1, 10, 100]),
        Series("two", [1, 10, 100, 1000], [10, 10, 10, 100]),
    ),
    (Marker(10, "B*"),),
)

numbers = st.floats(-1e15, 1e15) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 5e-324, -1e-300])
points = st.lists(st.tuples(numbers, numbers), max_size=30)


def test_golden_drawing():
    assert plain(draw(ROOF, 40, 8, unicode=False)) == GOLDEN
    assert plain(draw(ROOF, 40, 6)) == GOLDEN_BRAILLE


def test_marks_differ_without_colour():
    text = "\n".join(plain(draw(ROOF, 60, 10)))
    assert "● one" in text
    assert "▲ two" in text
    assert text.count("●") > 1
    assert text.count("▲") > 1


def test_marker_line_has_its_label_above_it():
    lines = plain(draw(ROOF, 60, 10))
    column = next(line for line in lines if "B*" in line).index("B*")
    assert any("┊" in line[max(0, column - 1) : column + 3] for line in lines)


def test_marker_outside_is_said():
    chart = XYChart("t", Axis("x"), Axis("y"), (Series("s", [0, 1], [0, 1]),), (Marker(5, "limit"),))
    assert "outside the chart: limit" in plain(draw(chart))


def test_one_series_needs_no_legend():
    chart = XYChart("t", Axis("x"), Axis("y"), (Series("only", [0, 1], [0, 1]),))
    assert "only" not in "\n".join(plain(draw(chart)))


def test_nothing_to_draw():
    chart = XYChart("t", Axis("x", log=True), Axis("y"), (Series("s", [0, -1], [0, 1]),))
    assert plain(draw(chart)) == ["t", "no points to draw"]


def test_coordinates_of_two_lengths_are_refused():
    with pytest.raises(InputError, match="as many x as y"):
        Series("s", [1, 2], [1])


@given(
    data=points,
    log_x=st.booleans(),
    log_y=st.booleans(),
    kind=st.sampled_from(["line", "scatter"]),
    width=st.integers(-5, 130),
    height=st.integers(-5, 30),
    unicode=st.booleans(),
)
def test_any_numbers_fit_the_frame(data, log_x, log_y, kind, width, height, unicode):
    xs, ys = [x for x, _ in data], [y for _, y in data]
    chart = XYChart("t", Axis("x", log=log_x), Axis("y", log=log_y), (Series("s", xs, ys),), (Marker(1, "m"),), kind)
    lines = plain(draw(chart, width, height, unicode=unicode))
    assert max(map(len, lines)) <= max(width, 24)
    if not unicode:
        assert all(line.isascii() for line in lines)


@given(st.lists(st.tuples(st.text("abc", max_size=40), numbers), max_size=8), st.integers(0, 130), st.booleans())
def test_any_bars_fit_the_frame(bars, width, unicode):
    lines = plain(draw(BarChart("t", "count", tuple(bars)), width, unicode=unicode))
    assert len(lines) == len(bars) + 1
    assert max(map(len, lines)) <= max(width, 24)


def test_bars_are_proportional():
    lines = plain(draw(BarChart("", "count", (("a", 4.0), ("b", 2.0), ("c", math.nan))), 40, unicode=False))
    assert lines[0].count("#") - 2 * lines[1].count("#") in (-1, 0, 1)
    assert "#" not in lines[2]


positive = st.floats(1e-12, 1e15)


@given(positive, positive, st.integers(1, 12), st.booleans())
def test_ticks_lie_inside_and_ascend(a, b, wanted, log):
    low, high = min(a, b), max(a, b)
    if high < low * (1 + 1e-6):
        high = low * 2
    found = ticks(low, high, wanted, log=log)
    assert found == sorted(set(found))
    slack = 1e-6 * (low if log else high - low)
    assert all(low - slack <= v <= high * (1 + 1e-6) for v in found)
    assert len(found) <= max(wanted, 2) + 1


GOLDEN = [
    "Time per pass",
    "seconds",
    "               B*",
    "100 +           :                     .*",
    "    |           :                  ...",
    "    |           :                ..",
    "    |           :             ...",
    "    |o..........o...........*.",
    "    |           :      ...",
    "    |           : .....",
    "  1 +*..........*.",
    "    ++----------------------+-----------",
    "     1                     100",
    "                                   batch",
    "  * one  o two",
]

GOLDEN_BRAILLE = [
    "Time per pass",
    "seconds",
    "               B*",
    "100 ┤           ┊                   ⢀⡠⠔●",
    "    │           ┊               ⢀⡠⠔⠊⠁",
    "    │           ┊           ⢀⡠⠔⠊⠁",
    "    │▲⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉▲⠉⠉⠉⠉⠉⠉⠉⢉⡩⠝⠋●",
    "    │           ┊   ⢀⡠⠔⠊⠁",
    "  1 ┤●⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀●⡠⠔⠊⠁",
    "    └┴──────────────────────┴───────────",
    "     1                     100",
    "                                   batch",
    "  ● one  ▲ two",
]
