"""Published gains of serving techniques, by sign and trend, on the traffic that is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headway.simulation.read import read_trace
from headway.simulation.shapes import SESSION_GAP_S, Shape, chunked_prefill, disaggregation, prefix_routing
from headway.simulation.transform import select


def test_disaggregation_gains_more_the_tighter_the_limit() -> None:
    found = disaggregation((0.1, 0.04, 0.03), 400)
    assert found.holds
    assert found.rows[0].gain < 1.5 < found.rows[-1].gain
    assert found.rows[-1].gain == pytest.approx(found.published.high, rel=0.5)


def test_chunks_keep_decoding_from_stalling() -> None:
    found = chunked_prefill(300)
    assert found.holds
    strict, relaxed, tail = found.rows
    assert strict.gain > found.published.high > relaxed.gain
    assert tail.without > 3 * tail.with_it


def test_sessions_find_their_prefix(shared: Path) -> None:
    trace = read_trace(shared / "data" / "traces" / "agentic_coding.jsonl.gz", closed=True, session_gap_s=SESSION_GAP_S)
    found: Shape = prefix_routing(select(trace, np.flatnonzero(trace.session < 60)), 4)
    assert found.holds
    assert found.rows[0].gain > 1.3
