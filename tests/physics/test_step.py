"""Laws of the steps: monotone, between the roofs, two fidelities that bound each other, speculation, errors."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from headway.facts.efficiency import IDEAL, Efficiency, efficiency_of
from headway.facts.errors import InputError, LayoutError, RangeError, UnknownNameError
from headway.facts.hardware import System
from headway.facts.layers import ExpertFFN
from headway.facts.model import Model
from headway.facts.models import model
from headway.facts.precision import FORMATS, Precision, number_format
from headway.facts.systems import system
from headway.physics.attention import kv_read_bytes
from headway.physics.layout import Layout
from headway.physics.step import Fidelity, Step, decode_step, mixed_step, prefill_step

Place = tuple[Model, System, Layout]
FIDELITIES: tuple[Fidelity, ...] = ("blackboard", "kernel")
TINY = 1 - 1e-12
BATCH, CONTEXT, TOKENS = st.integers(1, 20_000), st.integers(0, 500_000), st.integers(1, 16_384)
PROMPTS = st.integers(0, 9)
BAD = (float("nan"), -1, float("inf"), True, "8", None, ["8"])


def axis(of: SearchStrategy[int]) -> SearchStrategy[list[int]]:
    return st.lists(of, min_size=2, max_size=4).map(sorted)


def grid(*axes: list[int]) -> tuple[np.ndarray[Any, Any], ...]:
    """One axis of an array for each list."""
    return np.meshgrid(*(np.array(a, dtype=float) for a in axes), indexing="ij", sparse=True)


def rising(seconds: Any) -> bool:
    """Whether nothing falls along any axis."""
    found = np.asarray(seconds)
    return all(np.all(np.diff(found, axis=i) >= -1e-12 * found.max()) for i in range(found.ndim))


@pytest.mark.parametrize("fidelity", FIDELITIES)
@given(data=st.data(), batches=axis(BATCH), contexts=axis(CONTEXT))
@settings(max_examples=60)
def test_decode_time_is_monotone(
    places: SearchStrategy[Place], fidelity: Fidelity, data: st.DataObject, batches: list[int], contexts: list[int]
) -> None:
    place = data.draw(places)
    b, c, q = grid(batches, contexts, [0, 1, 3])
    assert rising(decode_step(*place, b, c, fidelity=fidelity, draft=q).seconds)


@pytest.mark.parametrize("fidelity", FIDELITIES)
@given(data=st.data(), batches=axis(BATCH), contexts=axis(CONTEXT), tokens=axis(TOKENS))
@settings(max_examples=60)
def test_prefill_time_is_monotone(
    places: SearchStrategy[Place],
    fidelity: Fidelity,
    data: st.DataObject,
    batches: list[int],
    contexts: list[int],
    tokens: list[int],
) -> None:
    place = data.draw(places)
    b, n, c = grid(batches, tokens, contexts)
    assert rising(prefill_step(*place, b, n, c, fidelity=fidelity).seconds)


@given(
    data=st.data(), batches=axis(BATCH), contexts=axis(CONTEXT), tokens=axis(TOKENS), prompts=axis(st.integers(0, 9))
)
@settings(max_examples=40)
def test_mixed_time_is_monotone(
    places: SearchStrategy[Place],
    data: st.DataObject,
    batches: list[int],
    contexts: list[int],
    tokens: list[int],
    prompts: list[int],
) -> None:
    place = data.draw(places)
    b, c, k, n, p = grid(batches, contexts, prompts, tokens, [0, 100, 5000])
    assert rising(mixed_step(*place, b, c, k, n, p).seconds)


def one_rate(of: System) -> System:
    """The system with one peak rate for every precision, so that bytes alone tell formats apart."""
    flops = MappingProxyType({"bf16": of.chip.flops["bf16"]})
    return dataclasses.replace(of, chip=dataclasses.replace(of.chip, flops=flops))


@pytest.mark.parametrize("fidelity", FIDELITIES)
@given(data=st.data(), batch=BATCH, context=CONTEXT, tokens=TOKENS)
@settings(max_examples=25)
def test_more_bytes_never_take_less_time(
    places: SearchStrategy[Place], fidelity: Fidelity, data: st.DataObject, batch: int, context: int, tokens: int
) -> None:
    """Wider weights, then a wider cache, all multiplied at one rate; real chips lose time where they widen."""
    of, on, layout = data.draw(places)
    formats = sorted(FORMATS, key=lambda f: FORMATS[f].bytes)
    for precisions in (
        [Precision.uniform(f, ends=f) for f in formats],
        [dataclasses.replace(of.precision, kv=f) for f in formats],
    ):
        for law, point in ((decode_step, (batch, context)), (prefill_step, (batch, tokens, context))):
            steps = [
                law(of, one_rate(on), layout, *point, precision=p, fidelity=fidelity, efficiency=IDEAL)
                for p in precisions
            ]
            assert all(b.seconds >= a.seconds * TINY for a, b in itertools.pairwise(steps))


@given(data=st.data(), batch=BATCH, context=CONTEXT, tokens=TOKENS)
@settings(max_examples=40)
def test_twice_the_chip_takes_half_the_time(
    places: SearchStrategy[Place], data: st.DataObject, batch: int, context: int, tokens: int
) -> None:
    of, on, layout = data.draw(places)
    flops = MappingProxyType({name: 2 * rate for name, rate in on.chip.flops.items()})
    chip = dataclasses.replace(on.chip, flops=flops, hbm_bandwidth=2 * on.chip.hbm_bandwidth)
    twice = dataclasses.replace(on, chip=chip)
    for law, point in ((decode_step, (batch, context)), (prefill_step, (batch, tokens, context))):
        slow, quick = (law(of, s, layout, *point, fidelity="blackboard").seconds for s in (on, twice))
        assert quick == slow / 2


@pytest.mark.parametrize("efficiency", [IDEAL, None], ids=["ideal", "published"])
@given(data=st.data(), batches=axis(BATCH), contexts=axis(CONTEXT), tokens=axis(TOKENS))
@settings(max_examples=100)
def test_kernels_never_beat_the_blackboard(
    places: SearchStrategy[Place],
    efficiency: Efficiency | None,
    data: st.DataObject,
    batches: list[int],
    contexts: list[int],
    tokens: list[int],
) -> None:
    place, draft = data.draw(places), data.draw(st.integers(0, 4))
    b, n, c = grid(batches, tokens, contexts)
    real = decode_step(*place, b, c, draft=draft, efficiency=efficiency).seconds
    assert np.all(real >= decode_step(*place, b, c, draft=draft, fidelity="blackboard").seconds * TINY)
    real = prefill_step(*place, b, n, c, efficiency=efficiency).seconds
    assert np.all(real >= prefill_step(*place, b, n, c, fidelity="blackboard").seconds * TINY)


def _touched_bytes(of: Model, tokens: float) -> float:
    """Bytes of the matrices that a pass over `tokens` tokens reads at least once."""
    p, h = of.precision, of.hidden
    found = of.vocab * h * number_format(p.head).bytes
    for g in of.layers:
        for part, name in ((g.attention, p.attention), (g.ffn, p.ffn)):
            if part is not None:
                found += g.count * sum(q.params for q in part.projections(h)) * number_format(name).bytes
        if isinstance(g.ffn, ExpertFFN):
            one = sum(q.params for q in g.ffn.expert_projections(h)) * number_format(p.experts).bytes
            found += g.count * one * g.ffn.experts * (1 - (1 - g.ffn.top_k / g.ffn.experts) ** tokens)
    return found


@pytest.mark.parametrize("fidelity", FIDELITIES)
@given(data=st.data(), batch=BATCH, context=CONTEXT, draft=st.integers(0, 3))
@settings(max_examples=60)
def test_throughput_stays_below_both_roofs(
    places: SearchStrategy[Place], fidelity: Fidelity, data: st.DataObject, batch: int, context: int, draft: int
) -> None:
    """``F / (2 N)`` and bandwidth over the bytes of a token, per chip, whatever the layout and the speculation."""
    of, on, layout = data.draw(places)
    kept = data.draw(st.floats(1, 1 + draft))
    step = decode_step(of, on, layout, batch, context, fidelity=fidelity, draft=draft, acceptance=kept)
    assert step.tokens_per_second_per_chip <= max(on.chip.flops.values()) / (2 * of.matmul_params) / TINY
    nbytes = _touched_bytes(of, batch * (1 + draft)) + batch * kv_read_bytes(of, context)
    assert step.tokens_per_second_per_chip <= batch * kept * on.chip.hbm_bandwidth / nbytes / TINY


@pytest.mark.parametrize("fidelity", FIDELITIES)
@given(data=st.data(), batch=BATCH, context=CONTEXT, tokens=TOKENS)
@settings(max_examples=60)
def test_prefill_stays_below_both_roofs(
    places: SearchStrategy[Place], fidelity: Fidelity, data: st.DataObject, batch: int, context: int, tokens: int
) -> None:
    of, on, layout = data.draw(places)
    step = prefill_step(of, on, layout, batch, tokens, context, fidelity=fidelity)
    body = of.matmul_params - of.vocab * of.hidden
    assert step.tokens_per_second_per_chip <= max(on.chip.flops.values()) / (2 * body) / TINY
    nbytes = _touched_bytes(of, batch * tokens)
    assert step.tokens_per_second_per_chip <= batch * tokens * on.chip.hbm_bandwidth / nbytes / TINY


NAMES = ("tp", "ep", "dp", "pp", "cp", "micro_batches")


def swept(drawn: list[Layout]) -> Layout:
    """The layouts as one of arrays, on the first of three axes."""
    return Layout(*(np.array([getattr(one, n) for one in drawn]).reshape(-1, 1, 1) for n in NAMES))


def agree(whole: Step, alone: Step, index: tuple[int, ...], shape: tuple[int, ...]) -> None:
    for field in ("seconds", "tokens", "tpot", "chips", "tokens_per_second_per_chip"):
        found = np.broadcast_to(getattr(whole, field), shape)[index]
        assert found == pytest.approx(float(getattr(alone, field)), rel=1e-12)
    assert np.broadcast_to(whole.binding, shape)[index] == str(alone.binding)


@pytest.mark.parametrize("fidelity", FIDELITIES)
@given(data=st.data(), batches=axis(BATCH), contexts=axis(CONTEXT))
@settings(max_examples=15)
def test_arrays_agree_with_numbers(
    kinds: tuple[str, ...],
    layouts: Callable[[Model], SearchStrategy[Layout]],
    fidelity: Fidelity,
    data: st.DataObject,
    batches: list[int],
    contexts: list[int],
) -> None:
    of, on = data.draw(st.sampled_from(kinds).map(model)), system("gb200-nvl72")
    drawn = [data.draw(layouts(of)) for _ in range(3)]
    b, c = np.array(batches)[:, None], np.array(contexts)
    shape = (3, len(batches), len(contexts))
    decode = decode_step(of, on, swept(drawn), b, c, fidelity=fidelity, draft=1, acceptance=1.7)
    prefill = prefill_step(of, on, swept(drawn), b, c + 1, c, fidelity=fidelity)
    mixed = mixed_step(of, on, swept(drawn), b, c, 1.5, c + 1, 7)
    assert np.shape(decode.seconds) == np.shape(prefill.seconds) == np.shape(mixed.seconds) == shape
    for i, j, k in np.ndindex(shape):
        place, n = (of, on, drawn[i], batches[j]), contexts[k]
        agree(decode, decode_step(*place, n, fidelity=fidelity, draft=1, acceptance=1.7), (i, j, k), shape)
        agree(prefill, prefill_step(*place, n + 1, n, fidelity=fidelity), (i, j, k), shape)
        agree(mixed, mixed_step(*place, n, 1.5, n + 1, 7), (i, j, k), shape)


@given(data=st.data(), batch=BATCH, context=CONTEXT)
@settings(max_examples=60)
def test_the_breakdown_sums_to_the_pass(
    places: SearchStrategy[Place], data: st.DataObject, batch: int, context: int
) -> None:
    of, on, layout = data.draw(places)
    step = decode_step(of, on, dataclasses.replace(layout, micro_batches=1), batch, context)
    overhead = efficiency_of(on).step_overhead
    assert sum(map(float, step.breakdown().values())) + overhead == pytest.approx(step.seconds, rel=1e-12)
    kinds = {kind: sum(float(o.seconds) for o in step.operators if o.kind == kind) for kind in ("device", "collective")}
    if kinds["collective"] > kinds["device"]:
        assert str(step.binding) == "communication"


@given(data=st.data(), batch=BATCH, context=CONTEXT)
@settings(max_examples=80)
def test_two_micro_batches_lie_between_overlap_and_double(
    places: SearchStrategy[Place], data: st.DataObject, batch: int, context: int
) -> None:
    """Halves read the weights twice: never quicker than perfect overlap of the plain pass, nor slower than twice
    the longer of its two parts.
    """
    of, on, layout = data.draw(places)
    one, two = (
        decode_step(of, on, dataclasses.replace(layout, micro_batches=m), batch, context, efficiency=IDEAL)
        for m in (1, 2)
    )
    device, wires = (
        sum(float(o.seconds) for o in one.operators if o.kind == kind) for kind in ("device", "collective")
    )
    longer = max(device, wires)
    assert longer * TINY <= two.seconds <= 2 * longer / TINY


@pytest.mark.parametrize("fidelity", FIDELITIES)
@given(data=st.data(), batch=BATCH, context=CONTEXT, draft=st.integers(0, 7))
@settings(max_examples=50)
def test_speculation_pays_by_what_is_kept(
    places: SearchStrategy[Place], fidelity: Fidelity, data: st.DataObject, batch: int, context: int, draft: int
) -> None:
    place, kept = data.draw(places), data.draw(st.floats(1, 1 + draft))
    plain = decode_step(*place, batch, context, fidelity=fidelity)
    step = decode_step(*place, batch, context, fidelity=fidelity, draft=draft, acceptance=kept)
    assert step.tpot * kept == pytest.approx(step.seconds, rel=1e-12)
    assert step.seconds >= plain.seconds * TINY
    assert step.tpot >= plain.tpot / (1 + draft) * TINY
    assert float(step.tokens) == pytest.approx(float(plain.tokens) * kept, rel=1e-12)
    if draft == 0:
        assert step.seconds == plain.seconds == plain.tpot


@given(data=st.data(), batch=BATCH, context=CONTEXT, new=TOKENS, draft=st.integers(0, 2))
@settings(max_examples=50)
def test_a_mixed_pass_is_at_least_each_of_its_parts(
    places: SearchStrategy[Place], data: st.DataObject, batch: int, context: int, new: int, draft: int
) -> None:
    of, on, layout = data.draw(places)
    alone = decode_step(of, on, layout, batch, context, draft=draft)
    assert mixed_step(of, on, layout, batch, context, draft=draft).seconds == pytest.approx(alone.seconds, rel=1e-12)
    both = mixed_step(of, on, layout, batch, context, prompts=1, new=new, cached=context, draft=draft)
    assert both.seconds >= alone.seconds * TINY
    if layout.micro_batches == 1:
        # One prompt on each data rank.
        prompts = prefill_step(of, on, layout, layout.dp, new, context)
        assert both.seconds >= prompts.seconds * TINY
        if draft == 0:
            assert both.seconds <= (alone.seconds + prompts.seconds) / TINY


@given(data=st.data(), batch=BATCH, new=TOKENS, cached=CONTEXT)
@settings(max_examples=40)
def test_a_prefix_hit_saves_time(
    places: SearchStrategy[Place], data: st.DataObject, batch: int, new: int, cached: int
) -> None:
    """The rest of a prompt never takes longer than all of it, nor multiplies more."""
    place = data.draw(places)
    rest, entire = (prefill_step(*place, batch, n, c) for n, c in ((new, cached), (new + cached, 0)))
    assert rest.seconds <= entire.seconds / TINY
    terms = prefill_step(*place, batch, new, cached, fidelity="blackboard").terms
    assert terms is not None
    multiplied = [terms.by_resource(batch, c, n)["compute"] for n, c in ((new, cached), (new + cached, 0))]
    assert multiplied[0] <= multiplied[1] / TINY


def test_one_step_of_a_known_model() -> None:
    """DeepSeek-V3 in 8 bit on 72 chips: above the floor of its weights, below a hundred times that."""
    of, on, layout = model("deepseek-v3"), system("gb200-nvl72"), Layout(dp=72, ep=72)
    floor = 671e9 / (72 * 8e12)
    board, kernel = (decode_step(of, on, layout, 7200, 4096, fidelity=f) for f in FIDELITIES)
    assert floor < board.seconds < kernel.seconds < 100 * floor
    assert kernel.terms is None
    assert board.terms is not None
    assert board.operators == ()
    assert kernel.chips == 72
    assert {s.kind for s in kernel.sources} <= {"config", "measured", "reported", "assumed"}


@pytest.mark.parametrize("fidelity", FIDELITIES)
@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_bad_numbers_are_named(fidelity: Fidelity, bad: Any) -> None:
    of, on = model("llama-3.1-8b"), system("hgx-h200")
    for field in ("batch", "context", "draft", "acceptance"):
        with pytest.raises(RangeError, match=rf"^{field}: "):
            decode_step(of, on, fidelity=fidelity, **{field: bad})
    for field in ("batch", "tokens", "cached"):
        with pytest.raises(RangeError, match=rf"^{field}: "):
            prefill_step(of, on, fidelity=fidelity, **{field: bad})
    for field in ("batch", "context", "prompts", "new", "cached", "draft"):
        with pytest.raises(RangeError, match=rf"^{field}: "):
            mixed_step(of, on, **{field: bad})


@pytest.mark.parametrize("law", [decode_step, prefill_step, mixed_step])
def test_nothing_to_do_is_refused(law: Callable[..., Step]) -> None:
    with pytest.raises(RangeError, match=r"^batch: 0 "):
        law(model("llama-3.1-8b"), system("hgx-h200"), batch=0)


@pytest.mark.parametrize(("draft", "acceptance"), [(0, 1.5), (2, 3.1), (2, 0.5)])
def test_no_more_is_kept_than_was_proposed(draft: int, acceptance: float) -> None:
    with pytest.raises(RangeError, match=rf"^acceptance: {acceptance:g} .*1 \+ draft"):
        decode_step(model("llama-3.1-8b"), system("hgx-h200"), draft=draft, acceptance=[1.0, acceptance])


@pytest.mark.parametrize("law", [decode_step, prefill_step, mixed_step])
def test_layouts_that_do_not_divide_are_refused(law: Callable[..., Step]) -> None:
    with pytest.raises(LayoutError, match=r"^tp: 7 .* did you mean 8\?"):
        law(model("llama-3.1-8b"), system("hgx-h200"), Layout(tp=7))


def test_names_are_checked() -> None:
    of, on = model("llama-3.1-8b"), system("hgx-h200")
    for law in (decode_step, prefill_step):
        with pytest.raises(UnknownNameError, match="did you mean kernel"):
            law(of, on, fidelity="kernal")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"^profile: 'lectures' .* did you mean lecture\?"):
        decode_step(of, on, fidelity="blackboard", profile="lectures")  # type: ignore[arg-type]
