"""One prefix in many places: spans of time are the argmin of the costs, and drain times lie where they should."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.facts.errors import RangeError
from headway.facts.models import model, model_names
from headway.facts.systems import system
from headway.physics.cache_spans import cheapest_spans
from headway.physics.hold import compare_tiers, hold_break_even_time
from headway.simulation.cache import measure_reuse
from headway.simulation.holding import hold_or_compute
from headway.simulation.tiers import price_tiers
from headway.simulation.trace import make_trace

TIER = st.tuples(st.floats(1e9, 1e15), st.floats(1e8, 1e13), st.floats(1e-8, 1e-2))


@given(st.lists(TIER, min_size=1, max_size=6), st.floats(1e3, 1e12), st.floats(1e-12, 1e3), st.floats(-3, 10))
def test_spans_are_where_the_costs_are_least(
    tiers: list[tuple[float, float, float]], size: float, again: float, power: float
) -> None:
    names = tuple(f"tier {i}" for i in range(len(tiers)))
    columns = [list(column) for column in zip(*tiers, strict=True)]
    spans = cheapest_spans(names, size, *columns, again)
    assert spans[0].start == 0
    assert spans[-1].name == "recompute"
    assert np.isinf(spans[-1].end)
    assert all(a.end == b.start for a, b in pairwise(spans))
    seconds = 10.0**power
    here = next(s.name for s in spans if s.start <= seconds < s.end)
    found = compare_tiers(names, size, seconds, *columns, again)
    assert found.usd[found.names.index(here)] == pytest.approx(found.usd.min(), rel=1e-6)


def test_hbm_pays_for_the_time_of_claim_c60() -> None:
    """Without the read, holding equals computing at balance context times drain time."""
    what, box = model("deepseek-v3"), system("gb200-nvl72")
    found = hold_or_compute(what, box, 8192, 1.0)
    hbm, again = found.places[0], found.places[-1]
    context = again.ready_s / 8192 * box.chip.hbm_bandwidth / (found.size_bytes / 8192)
    wanted = hold_break_even_time(context, hbm.drain_s)
    assert hbm.pays_until_s == pytest.approx(wanted, rel=0.01)
    assert hbm.ready_s == pytest.approx(found.size_bytes / box.chip.hbm_bandwidth)


def test_half_the_efficiency_is_twice_the_time() -> None:
    what, box = model("llama-3.1-70b"), system("hgx-h200")
    full, half = (hold_or_compute(what, box, 4096, 60.0, efficiency=share).places[-1] for share in (1.0, 0.5))
    assert half.ready_s == pytest.approx(2 * full.ready_s)
    assert half.usd_per_use == pytest.approx(2 * full.usd_per_use)
    with pytest.raises(RangeError, match="efficiency"):
        hold_or_compute(what, box, 4096, 60.0, efficiency=0.0)


@pytest.mark.parametrize("where", ["hgx-h100", "hgx-h200", "gb200-nvl72", "mi355x-8"])
def test_every_model_is_priced_on_chips_of_every_width(where: str) -> None:
    """Weights of four bits are looked up by their own name, on chips that multiply them and on those that widen."""
    twice = make_trace("t", [0, 60], [2048, 2048], [1, 1], block_tokens=2048, blocks=[3, 3], block_indptr=[0, 1, 2])
    box, reuse = system(where), measure_reuse(twice)
    for name in model_names():
        shape = model(name)
        held = hold_or_compute(shape, box, 2048, 60.0, efficiency=1.0)
        busy = 2.0 * shape.active_params * 2048 / box.chip.peak(shape.precision.experts)
        assert held.places[-1].ready_s == pytest.approx(busy), name
        assert price_tiers(twice, reuse, shape, box)[0].slowdown > 0, name
