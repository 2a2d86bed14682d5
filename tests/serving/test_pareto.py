"""The sets that nothing beats, against trial of every pair."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headway.serving.pareto import front, front_2d

FEW = st.integers(0, 6).map(float)
REAL = st.floats(-1e9, 1e9)
POINTS = st.lists(st.tuples(FEW, FEW) | st.tuples(REAL, REAL), min_size=0, max_size=40)


def beaten(row: tuple[float, ...], others: list[tuple[float, ...]]) -> bool:
    """Whether another row is nowhere larger and somewhere smaller."""
    return any(all(o <= r for o, r in zip(other, row, strict=True)) and other != row for other in others)


@given(POINTS)
def test_front_2d_is_what_nothing_beats(points: list[tuple[float, float]]) -> None:
    up, down = [p[0] for p in points], [p[1] for p in points]
    kept = front_2d(up, down)
    rows = [(-u, d) for u, d in points]
    expected = {row for row in rows if not beaten(row, rows)}
    found = [rows[i] for i in kept]
    assert set(found) == expected
    # Equal points count once, and they come by falling `up`.
    assert len(found) == len(set(found))
    assert found == sorted(found)


@given(st.lists(st.tuples(FEW, FEW, FEW) | st.tuples(REAL, REAL, REAL), min_size=1, max_size=30))
def test_front_is_what_nothing_beats(rows: list[tuple[float, ...]]) -> None:
    assert front(rows).tolist() == [i for i, row in enumerate(rows) if not beaten(row, rows)]


@given(POINTS)
def test_the_front_of_the_front_is_itself(points: list[tuple[float, float]]) -> None:
    up, down = (np.array([p[i] for p in points]) for i in (0, 1))
    kept = front_2d(up, down)
    assert front_2d(up[kept], down[kept]).tolist() == list(range(len(kept)))


def test_what_is_not_a_number_never_wins() -> None:
    assert front_2d([1.0, math.nan, 2.0], [1.0, 0.0, math.nan]).tolist() == [0]
    assert front([[1.0, math.nan], [1.0, 2.0], [2.0, 1.0]]).tolist() == [1, 2]


def test_nothing_has_an_empty_front() -> None:
    assert front_2d([], []).tolist() == []
