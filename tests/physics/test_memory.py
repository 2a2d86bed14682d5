"""What fits: parts that add up, the largest batch by trial, and the pipeline that saves no cache (claim C30)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from headway.facts.errors import LayoutError, RangeError
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.models import model, model_names
from headway.facts.precision import Precision
from headway.facts.systems import system
from headway.physics.attention import kv_bytes
from headway.physics.layout import Layout, check_layout, fitting_layout
from headway.physics.memory import RUNTIME_RESERVE, largest_batch, memory_use, weight_bytes

Place = tuple[Model, System, Layout]
CONTEXT = st.integers(1, 500_000)
NEW = st.sampled_from((0, 1, 512, 16384))
BAD = (float("nan"), -1, float("inf"), True, "8", None)


def roomy(of: System, factor: float = 8.0) -> System:
    """The system with more memory, so that drawn layouts have room."""
    return dataclasses.replace(of, chip=dataclasses.replace(of.chip, hbm_bytes=of.chip.hbm_bytes * factor))


def test_weights_are_the_parameters_in_their_format() -> None:
    """In 16 bit two bytes for every parameter, for every model of the catalog."""
    for name in model_names():
        of = model(name)
        assert weight_bytes(of, Precision()) == 2 * of.total_params


def test_block_scales_are_weighed() -> None:
    of = model("llama-3.1-70b")
    narrow = weight_bytes(of, Precision.uniform("mxfp4", ends="mxfp4")) / weight_bytes(of, Precision())
    assert narrow == pytest.approx(0.53125 / 2, rel=1e-3)


@given(data=st.data(), batch=st.integers(0, 5000), context=st.integers(0, 500_000), new=NEW)
@settings(max_examples=80)
def test_parts_sum_to_the_total(
    places: SearchStrategy[Place], data: st.DataObject, batch: int, context: int, new: int
) -> None:
    of, on, layout = data.draw(places)
    use = memory_use(of, on, layout, batch, context, new_tokens=new)
    parts = [float(v) for v in (use.weights, use.kv, use.activations, use.reserve)]
    assert all(part >= 0 for part in parts)
    assert float(use.total) == pytest.approx(sum(parts), rel=1e-12)
    assert use.capacity == on.chip.hbm_bytes
    assert bool(use.fits) == (use.total <= use.capacity) == (use.reason() == "")
    assert float(use.excess) == max(float(use.total) - use.capacity, 0.0)
    # On all chips together there is at least one whole model.
    assert float(use.weights) * layout.chips >= weight_bytes(of) * (1 - 1e-12)
    assert float(use.kv) * layout.chips >= batch * layout.pp * kv_bytes(of, context) * (1 - 1e-12)


@given(data=st.data(), context=CONTEXT, new=NEW)
@settings(max_examples=150)
def test_the_largest_batch_is_the_largest_that_fits(
    places: SearchStrategy[Place], data: st.DataObject, context: int, new: int
) -> None:
    of, on, layout = data.draw(places)
    on = roomy(on, data.draw(st.sampled_from((1.0, 3.0, 8.0))))
    most = largest_batch(of, on, layout, context, new_tokens=new)
    assert most % layout.dp == 0
    if most:
        assert bool(memory_use(of, on, layout, most, context, new_tokens=new).fits)
    assert not bool(memory_use(of, on, layout, most + layout.dp, context, new_tokens=new).fits)


@given(data=st.data(), context=CONTEXT)
@settings(max_examples=40)
def test_longer_contexts_leave_room_for_fewer(places: SearchStrategy[Place], data: st.DataObject, context: int) -> None:
    of, on, layout = data.draw(places)
    seats = largest_batch(of, roomy(on), layout, np.array([context, 2 * context, 3 * context]))
    assert np.all(np.diff(seats) <= 0)


@given(data=st.data(), batch=st.integers(1, 2000), context=st.integers(0, 300_000))
@settings(max_examples=40)
def test_use_is_monotone(places: SearchStrategy[Place], data: st.DataObject, batch: int, context: int) -> None:
    of, on, layout = data.draw(places)
    totals = [
        float(memory_use(of, on, layout, b, c, new_tokens=n).total)
        for b, c, n in (
            (batch, context, 1),
            (batch + layout.dp, context, 1),
            (batch, context + 1, 1),
            (batch, context, 99),
        )
    ]
    assert totals[0] <= min(totals[1:])


@pytest.mark.parametrize("new", [1, 4096])
def test_the_cache_of_a_pipeline_does_not_shrink(new: int) -> None:
    """With every stage full of micro-batches the stages cancel to the last digit; only weights shrink (claim C30)."""
    of, on = model("llama-3.1-70b"), system("hgx-h200")
    stages = np.array([1, 2, 4, 5, 8, 10, 16, 20, 40, 80])
    use = memory_use(of, on, Layout(tp=8, pp=stages), 64, 100_000, new_tokens=new)
    np.testing.assert_allclose(use.kv, 64 * kv_bytes(of, 100_000) / 8, rtol=1e-12)
    bodies = use.weights - use.weights[-1]
    assert np.all(np.diff(use.weights) < 0)
    np.testing.assert_allclose(bodies[0] / bodies[1], (1 - 1 / 80) / (1 / 2 - 1 / 80), rtol=1e-9)


@given(st.integers(1, 61))
def test_stages_that_do_not_divide_hold_more(stages: int) -> None:
    of, on = model("deepseek-v3"), system("gb200-nvl72")
    kv = float(memory_use(of, on, Layout(dp=8, ep=8, pp=stages), 64, 4096).kv)
    once = float(memory_use(of, on, Layout(dp=8, ep=8), 64, 4096).kv)
    assert kv == pytest.approx(once * -(-61 // stages) * stages / 61, rel=1e-12)


@pytest.mark.parametrize("tp", [1, 2, 4, 8, 16, 32])
def test_tensor_parallelism_divides_a_cache_by_its_heads_at_most(tp: int) -> None:
    grouped, latent = model("llama-3.1-70b"), model("deepseek-v3")
    on = system("gb200-nvl72")
    assert memory_use(grouped, on, Layout(tp=tp), 8, 1000).kv == 8 * kv_bytes(grouped, 1000) / min(tp, 8)
    assert memory_use(latent, on, Layout(tp=tp), 8, 1000).kv == 8 * kv_bytes(latent, 1000)


@given(
    data=st.data(), contexts=st.lists(CONTEXT, min_size=2, max_size=4), batches=st.lists(NEW, min_size=2, max_size=3)
)
@settings(max_examples=40)
def test_arrays_agree_with_numbers(
    kinds: tuple[str, ...],
    layouts: Callable[[Model], SearchStrategy[Layout]],
    data: st.DataObject,
    contexts: list[int],
    batches: list[int],
) -> None:
    of, on = data.draw(st.sampled_from(kinds).map(model)), roomy(system("hgx-h200"))
    drawn = [data.draw(layouts(of)) for _ in range(2)]
    names = ("tp", "ep", "dp", "pp", "cp", "micro_batches")
    every = Layout(*(np.array([[[getattr(one, n)]] for one in drawn]) for n in names))
    use = memory_use(of, on, every, np.array(batches)[:, None], np.array(contexts), new_tokens=7)
    seats = np.broadcast_to(largest_batch(of, on, every, np.array(contexts)), (2, 1, len(contexts)))
    total = np.broadcast_to(use.total, (2, len(batches), len(contexts)))
    for i, j, k in np.ndindex(total.shape):
        one = memory_use(of, on, drawn[i], batches[j], contexts[k], new_tokens=7)
        assert float(total[i, j, k]) == pytest.approx(float(one.total), rel=1e-12)
        assert seats[i, 0, k] == largest_batch(of, on, drawn[i], contexts[k])


def test_the_reason_names_the_largest_part_first() -> None:
    use = memory_use(model("llama-3.1-70b"), system("hgx-h200"), Layout(tp=8), 4096, 100_000)
    assert use.reason().startswith("KV cache 1.68e+04 GB + weights")
    assert use.reason().endswith("> 141 GB per chip")
    assert largest_batch(model("llama-3.1-405b"), system("hgx-h200"), Layout(), 1000) == 0.0


def test_the_reserve_is_kept() -> None:
    of, on = model("llama-3.1-8b"), system("hgx-h200")
    assert memory_use(of, on, Layout(), 1, 1).reserve == RUNTIME_RESERVE
    free = largest_batch(of, on, Layout(), 4096, reserve=0.0)
    assert free > largest_batch(of, on, Layout(), 4096)


@pytest.mark.parametrize("field", ["batch", "context", "new_tokens", "reserve"])
@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_a_bad_number_is_named(field: str, bad: Any) -> None:
    of, on = model("llama-3.1-8b"), system("hgx-h200")
    good: dict[str, Any] = {"batch": 1, "context": 1000, "new_tokens": 1, "reserve": 0.0}
    with pytest.raises(RangeError, match=rf"^{field}: "):
        memory_use(of, on, Layout(), **{**good, field: bad})
    if field != "batch":
        del good["batch"]
        with pytest.raises(RangeError, match=rf"^{field}: "):
            largest_batch(of, on, Layout(), **{**good, field: bad})


def test_experts_on_more_chips_than_there_are_are_refused() -> None:
    with pytest.raises(LayoutError, match="at most the 26 chips"):
        memory_use(model("deepseek-r1"), system("mi300x-8"), Layout(tp=26, ep=27), 1, 4096)


@given(tp=st.integers(1, 200), dp=st.integers(1, 200), ep=st.integers(1, 2000), pp=st.integers(1, 200))
def test_a_fitting_layout_is_accepted_and_no_larger(tp: int, dp: int, ep: int, pp: int) -> None:
    for name in ("deepseek-v3", "llama-3.1-8b", "qwen3-next-80b-a3b"):
        found = fitting_layout(model(name), Layout(tp=tp, dp=dp, ep=ep, pp=pp))
        assert check_layout(model(name), found) is found
        assert found.dp == dp
        assert found.tp <= tp
        assert found.ep <= ep
        assert fitting_layout(model(name), found) == found
