"""Layouts: how many chips, what divides what, and errors that name the degree and the nearest one that works."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from headway.facts.errors import LayoutError, RangeError
from headway.facts.layers import ExpertFFN, LatentAttention, LinearAttention, Projection, SoftmaxAttention
from headway.facts.model import Model
from headway.facts.models import model
from headway.physics.layout import Layout, cache_ways, check_layout, divides, matrix_ways

DEGREES = ("tp", "ep", "dp", "pp", "cp", "micro_batches")
SMALL = st.integers(1, 64)


@given(tp=SMALL, dp=SMALL, pp=SMALL, cp=SMALL)
def test_chips_are_the_product(tp: int, dp: int, pp: int, cp: int) -> None:
    layout = Layout(tp=tp, ep=dp, dp=dp, pp=pp, cp=cp)
    assert layout.chips == tp * cp * dp * pp == layout.stage_chips * pp
    assert layout.expert_slice * layout.ep == layout.stage_chips


def test_lists_are_sweeps_like_arrays() -> None:
    listed, arrays = (Layout(tp=v, dp=3) for v in ([1, 2, 4], np.array([1, 2, 4])))
    assert listed.chips.tolist() == arrays.chips.tolist() == [3, 6, 12]


@given(st.lists(SMALL, min_size=1, max_size=5), SMALL)
def test_at_takes_one_of_a_sweep(tps: list[int], dp: int) -> None:
    layout = Layout(tp=np.array(tps, dtype=float), dp=dp)
    for i, tp in enumerate(tps):
        one = layout.at(i)
        assert one == Layout(tp=tp, dp=dp)
        assert one.chips == np.ravel(layout.chips)[i]
        assert isinstance(one.tp, int)


@pytest.mark.parametrize(
    ("layout", "label"),
    [
        (Layout(), "1 chip"),
        (Layout(tp=8), "TP8"),
        (Layout(tp=2, ep=16, dp=8, pp=4, cp=1, micro_batches=2), "TP2 DP8 EP16 PP4 2-batch"),
    ],
)
def test_labels(layout: Layout, label: str) -> None:
    assert layout.label() == label


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("bad", [0, -1, 1.5, float("nan"), float("inf"), True, "8", None, [1, 0], ["2"], 10**7])
def test_a_degree_that_is_no_count_is_named(degree: str, bad: Any) -> None:
    with pytest.raises(RangeError, match=rf"^{degree}: .*a whole number of at least 1"):
        Layout(**{degree: bad})


@given(data=st.data())
@settings(max_examples=60)
def test_what_is_drawn_divides(
    kinds: tuple[str, ...], layouts: Callable[[Model], SearchStrategy[Layout]], data: st.DataObject
) -> None:
    of = data.draw(st.sampled_from(kinds).map(model))
    layout = data.draw(layouts(of))
    assert bool(divides(of, layout))
    assert check_layout(of, layout) is layout


def complaint(of: Model, layout: Layout) -> LayoutError | None:
    try:
        check_layout(of, layout)
    except LayoutError as error:
        return error
    return None


@given(data=st.data(), tp=SMALL, ep=st.integers(1, 300), dp=SMALL, pp=st.integers(1, 100))
@settings(max_examples=150)
def test_the_check_and_the_mask_agree(
    kinds: tuple[str, ...], data: st.DataObject, tp: int, ep: int, dp: int, pp: int
) -> None:
    """What the search keeps is what the check accepts, and the hint of the error is accepted in its place."""
    of, degrees = data.draw(st.sampled_from(kinds).map(model)), {"tp": tp, "ep": ep, "dp": dp, "pp": pp}
    error = complaint(of, Layout(**degrees))
    assert (error is None) == bool(divides(of, Layout(**degrees)))
    if error is not None:
        assert str(error.value) == str(degrees[error.field])
        hint = int(str(error).rpartition("did you mean ")[2].rstrip("?"))
        mended = complaint(of, Layout(**{**degrees, error.field: hint}))
        assert mended is None or mended.field != error.field


@given(st.lists(SMALL, min_size=2, max_size=6))
@settings(max_examples=50)
def test_masks_agree_with_scalars(tps: list[int]) -> None:
    of = model("llama-3.1-70b")
    assert divides(of, Layout(tp=np.array(tps))).tolist() == [bool(divides(of, Layout(tp=t))) for t in tps]


@pytest.mark.parametrize(
    ("name", "layout", "message"),
    [
        ("llama-3.1-70b", Layout(tp=5), "tp: 5 is not accepted: expected a divisor of 64 attention heads"),
        ("llama-3.1-70b", Layout(tp=np.array([1, 2, 48])), "tp: 48 .* did you mean 32\\?"),
        ("llama-3.1-70b", Layout(dp=2, ep=2), "ep: 2 .* llama-3.1-70b has no experts; did you mean 1\\?"),
        ("deepseek-v3", Layout(dp=8, ep=3), "ep: 3 .* a divisor of tp x cp x dp = 8, .*; did you mean 2\\?"),
        ("mixtral-8x7b", Layout(dp=12, ep=12), "ep: 12 .* at most 8 experts; did you mean 6\\?"),
        ("llama-3.1-70b", Layout(pp=81), "pp: 81 .* at most 80 layers; did you mean 80\\?"),
    ],
)
def test_errors_name_the_degree_and_the_nearest(name: str, layout: Layout, message: str) -> None:
    with pytest.raises(LayoutError, match="^" + message):
        check_layout(model(name), layout)


def test_a_huge_stage_is_refused_at_once() -> None:
    """The nearest degree is sought among as many as there are experts, not among the chips."""
    with pytest.raises(LayoutError, match=r"^ep: 7 "):
        check_layout(model("deepseek-v3"), Layout(dp=1_000_000, cp=1_000_000, ep=7))


def test_experts_bound_expert_parallelism() -> None:
    of = model("deepseek-v3")
    most = max(g.ffn.experts for g in of.layers if isinstance(g.ffn, ExpertFFN))
    assert bool(divides(of, Layout(dp=most, ep=most)))
    assert not bool(divides(of, Layout(dp=2 * most, ep=2 * most)))


@given(st.integers(1, 256))
def test_heads_limit_the_ways(tp: int) -> None:
    assert int(matrix_ways(Projection("k", 8192, 1024, "outputs", units=8), tp)) == min(tp, 8)
    assert matrix_ways(Projection("kv_a", 7168, 576, "none"), tp) == 1
    assert matrix_ways(Projection("up", 8192, 28672, "outputs"), tp) == tp
    assert int(cache_ways(SoftmaxAttention(64, 8, 128), tp)) == min(tp, 8)
    assert int(cache_ways(LinearAttention("kda", 16, 32, 128, 128), tp)) == min(tp, 32)
    assert cache_ways(LatentAttention(128, 512, 1536, 128, 64, 128), tp) == 1
