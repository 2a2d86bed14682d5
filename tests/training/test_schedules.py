"""Closed forms of pipeline schedules against the schedules themselves, job by job."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.facts.errors import InputError, RangeError
from headway.physics.pipeline import bubble
from headway.training.schedule_events import play, stage_orders
from headway.training.schedules import SCHEDULES, boundary_bytes, schedule_cost

seconds = st.floats(0.05, 4.0)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(SCHEDULES)),
    st.integers(1, 9),
    st.integers(1, 5),
    st.integers(1, 4),
    seconds,
    seconds,
    seconds,
)
def test_closed_forms_equal_the_schedule(
    name: str, stages: int, rounds: int, chunks: int, f: float, b: float, w: float
) -> None:
    if name == "dualpipe":
        stages, rounds, b, w = 2 * stages, rounds + 1, f, min(f, w)
    chunks = chunks if name == "interleaved" else 1
    count = rounds * stages
    told = schedule_cost(name, stages, count, f, b, w, chunks)
    seen = play(name, stages, count, f, b, w, chunks)
    assert told.seconds == pytest.approx(seen.seconds, rel=1e-9)
    assert told.idle == pytest.approx(seen.idle, rel=1e-9, abs=1e-9 * seen.seconds)
    assert told.in_flight == pytest.approx(seen.in_flight, rel=1e-9)
    assert told.hops == seen.hops


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["gpipe", "1f1b"]), st.integers(1, 9), st.integers(1, 20), seconds, seconds)
def test_any_number_of_microbatches(name: str, stages: int, count: int, f: float, b: float) -> None:
    told, seen = schedule_cost(name, stages, count, f, b, f), play(name, stages, count, f, b, f)
    assert (told.seconds, told.in_flight) == (pytest.approx(seen.seconds, rel=1e-9), seen.in_flight)
    assert told.bubble == pytest.approx(bubble(stages, count), rel=1e-12)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_every_job_is_done_once(name: str) -> None:
    for stage in stage_orders(name, 4, 8, 2 if name == "interleaved" else 1):
        jobs = [job for block in stage for job in block]
        assert len(jobs) == len(set(jobs))
        forwards = {(c, m) for kind, c, m in jobs if kind == "f"}
        assert forwards == {(c, m) for kind, c, m in jobs if kind in "bB"}
        assert {(c, m) for kind, c, m in jobs if kind == "b"} == {(c, m) for kind, c, m in jobs if kind == "w"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("1f2b", 4, 8), "did you mean 1f1b"),
        (("interleaved", 4, 6, 1, 1, 1, 2), "a multiple of the stages 4"),
        (("1f1b", 4, 8, 1, 1, 1, 2), "1 with the schedule 1f1b"),
        (("dualpipe", 5, 10), "even number of stages"),
        (("zero-bubble", 8, 4), "at least as many as the stages 8"),
        (("gpipe", 0, 4), "whole number of at least 1"),
        (("gpipe", 4, -1), "whole number of at least 1"),
        (("gpipe", 4, 8, float("nan")), "above 0"),
    ],
)
def test_refusals(arguments: tuple[object, ...], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        schedule_cost(*arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_weight_gradients_longer_than_both_others_are_refused_for_dualpipe() -> None:
    with pytest.raises(RangeError, match="at most both"):
        schedule_cost("dualpipe", 4, 8, 1.0, 1.0, 2.0)


def test_residuals_across_blocks_multiply_the_hop() -> None:
    assert boundary_bytes(4096, 7168, 8) == 8 * boundary_bytes(4096, 7168)
