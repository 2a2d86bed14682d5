"""What is asked and what it costs: lengths, shares, limits, prices, and errors that name the field."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.facts.errors import RangeError
from headway.facts.models import model
from headway.facts.systems import system
from headway.serving.plan import plan
from headway.serving.workload import Prices, Workload, beyond_context

LENGTH = st.integers(1, 10_000_000)
BAD = (float("nan"), -1, True, "4k", None, [4000])


@given(isl=LENGTH, osl=LENGTH, hit=st.floats(0, 1, exclude_max=True))
def test_hits_and_misses_make_the_input(isl: int, osl: int, hit: float) -> None:
    w = Workload(isl, osl, cache_hit=hit)
    assert w.cached + w.miss == isl
    assert w.cached == int(w.cached) <= isl * hit
    # The last token is always computed: its logits are the first answer.
    assert w.miss >= 1
    assert isl < w.mean_context <= isl + osl


@given(isl=LENGTH, hits=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)).map(sorted))
def test_more_hits_leave_less_to_do(isl: int, hits: list[float]) -> None:
    less, more = (Workload(isl, 1, cache_hit=h) for h in hits)
    assert more.miss <= less.miss


def test_no_limit_is_infinite() -> None:
    w = Workload(1, 1)
    assert w.ttft == w.tpot == math.inf


@pytest.mark.parametrize("field", ["isl", "osl"])
@pytest.mark.parametrize("bad", [*BAD, 0, 1.5, math.inf, 10**10])
def test_a_length_that_is_no_count_is_named(field: str, bad: Any) -> None:
    with pytest.raises(RangeError, match=rf"^{field}: "):
        Workload(**{"isl": 1, "osl": 1, field: bad})


@pytest.mark.parametrize("field", ["ttft", "tpot"])
@pytest.mark.parametrize("bad", [*BAD, 0.0, -math.inf])
def test_a_limit_that_is_no_time_is_named(field: str, bad: Any) -> None:
    with pytest.raises(RangeError, match=rf"^{field}: "):
        Workload(1, 1, **{field: bad})


@pytest.mark.parametrize("field", ["cache_hit", "prefill_load"])
@pytest.mark.parametrize("bad", [*BAD, 1.0, 1.1, math.inf])
def test_a_share_that_is_none_is_named(field: str, bad: Any) -> None:
    with pytest.raises(RangeError, match=rf"^{field}: "):
        Workload(1, 1, **{field: bad})


@pytest.mark.parametrize("bad", [*BAD, 65, 0.5])
def test_a_draft_that_is_no_count_is_named(bad: Any) -> None:
    with pytest.raises(RangeError, match=r"^draft: "):
        Workload(1, 1, draft=bad)


@pytest.mark.parametrize("bad", [*BAD, 0.9, 3.1, math.inf])
def test_an_acceptance_beyond_the_draft_is_named(bad: Any) -> None:
    with pytest.raises(RangeError, match=r"^acceptance: "):
        Workload(1, 1, draft=2, acceptance=bad)


@given(rent=st.floats(0.01, 100), power=st.floats(0, 1), watts=st.floats(1, 5000))
def test_a_chip_costs_its_rent_and_its_power(rent: float, power: float, watts: float) -> None:
    hour = Prices(rent, power).usd_per_chip_second(watts) * 3600
    assert hour == pytest.approx(rent + watts / 1000 * power, rel=1e-12)


def test_unknown_power_is_no_matter_where_it_is_free() -> None:
    assert Prices(3.6).usd_per_chip_second(math.nan) == 0.001
    assert math.isnan(Prices(3.6, 0.1).usd_per_chip_second(math.nan))


@pytest.mark.parametrize("bad", [*BAD, 0.0, math.inf])
def test_a_price_that_is_none_is_named(bad: Any) -> None:
    with pytest.raises(RangeError, match=r"^usd_per_chip_hour: "):
        Prices(bad)
    if bad != 0.0:
        with pytest.raises(RangeError, match=r"^usd_per_kwh: "):
            Prices(1.0, bad)


def test_a_request_beyond_the_models_context_is_noted() -> None:
    of, box = model("llama-3.1-8b"), system("hgx-h200")
    assert beyond_context(of, of.max_context) == ""
    assert beyond_context(dataclasses.replace(of, max_context=0), 1e9) == ""
    for osl, noted in ((1000, False), (131_072, True)):
        found = plan(of, box, Workload(1000, osl), prices=Prices(2.0), chips=1)
        assert any("longest context of llama-3.1-8b, 131,072" in a for a in found.assumptions) is noted
