"""Every layout worth trying: all divide, all fit on the chips, each once."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.facts.errors import RangeError
from headway.facts.models import model
from headway.facts.systems import system
from headway.physics.layout import check_layout, divides
from headway.serving.candidates import layouts, replica_sizes

NAMES = st.sampled_from(("llama-3.1-8b", "deepseek-v3", "qwen3.5-397b-a17b", "gpt-oss-20b"))
SYSTEMS = st.sampled_from(("hgx-h200", "gb200-nvl72", "mi300x-8"))


@given(name=SYSTEMS, chips=st.integers(1, 2000))
def test_sizes_are_few_and_fit(name: str, chips: int) -> None:
    on = system(name)
    sizes = replica_sizes(on, chips)
    assert list(sizes) == sorted(set(sizes))
    assert sizes[0] == 1
    assert sizes[-1] <= chips
    assert len(sizes) <= 60
    if chips >= on.domain_size:
        assert on.domain_size in sizes
        # All chips as one replica, where they are whole domains.
        assert chips // on.domain_size * on.domain_size in sizes


def test_a_rack_is_cut_into_what_divides_it() -> None:
    assert replica_sizes(system("gb200-nvl72"), 72) == (1, 2, 4, 8, 12, 16, 18, 24, 32, 36, 64, 72)


@given(of=NAMES, on=SYSTEMS, chips=st.integers(1, 80))
@settings(max_examples=40)
def test_layouts_divide_and_fit_and_differ(of: str, on: str, chips: int) -> None:
    of_model = model(of)
    found = layouts(of_model, system(on), chips)
    assert check_layout(of_model, found) is found
    assert np.all(divides(of_model, found))
    assert np.max(found.chips) <= chips
    assert set(np.unique(found.chips)) <= set(replica_sizes(system(on), chips))
    names = [f.name for f in dataclasses.fields(found)]
    rows = np.stack([np.broadcast_to(getattr(found, n), found.tp.shape) for n in names], axis=1)
    assert len(np.unique(rows, axis=0)) == len(rows)
    assert bool(np.all((found.ep == 1) | (found.ep == found.stage_chips)))
    if not of_model.routed_params:
        assert bool(np.all(found.dp == 1))


@given(of=NAMES, on=SYSTEMS, chips=st.integers(2, 40))
@settings(max_examples=30)
def test_more_chips_keep_every_layout(of: str, on: str, chips: int) -> None:
    few, many = (layouts(model(of), system(on), n) for n in (chips - 1, chips))
    small, large = ({few_or_many.at(i) for i in range(few_or_many.tp.size)} for few_or_many in (few, many))
    if system(on).domain_size > chips or chips % system(on).domain_size:
        assert small <= large


def test_no_pipeline_where_none_is_wanted() -> None:
    found = layouts(model("deepseek-v3"), system("gb200-nvl72"), 72, pipeline=False)
    assert np.max(found.pp) == 1


@pytest.mark.parametrize("bad", [0, -1, 1.5, float("nan"), float("inf"), True, "8", None, 10**7])
def test_chips_that_are_no_count_are_named(bad: object) -> None:
    with pytest.raises(RangeError, match=r"^chips: "):
        replica_sizes(system("hgx-h200"), bad)  # type: ignore[arg-type]
