"""Laws of the closed form: totals of bytes and FLOPs over rates, scale-free, and the lecture's own figures."""

from __future__ import annotations

import dataclasses
import itertools
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from headway.facts.errors import RangeError, UnknownNameError
from headway.facts.hardware import System
from headway.facts.layers import ExpertFFN, LatentAttention
from headway.facts.model import Model
from headway.facts.models import model
from headway.facts.precision import FORMATS, Precision
from headway.facts.systems import system
from headway.physics.attention import attention_flops, kv_read_bytes
from headway.physics.blackboard import decode_terms, prefill_terms, roofline_terms
from headway.physics.layout import Layout
from headway.physics.terms import Terms

Place = tuple[Model, System, Layout]
RACK = 72 * 8e12
BATCHES = st.lists(st.integers(1, 100_000), min_size=2, max_size=5).map(sorted)
CONTEXTS = st.lists(st.integers(0, 1_000_000), min_size=2, max_size=5).map(sorted)
BAD = (float("nan"), -1.0, float("inf"), True, "1", None)


def one_rate(of: System) -> System:
    """The system with one peak rate for every precision, so that bytes alone tell formats apart."""
    flops = MappingProxyType({"bf16": of.chip.flops["bf16"]})
    return dataclasses.replace(of, chip=dataclasses.replace(of.chip, flops=flops))


def scaled(of: System, factor: float) -> System:
    """The system with chips `factor` times as quick in both respects."""
    flops = MappingProxyType({name: rate * factor for name, rate in of.chip.flops.items()})
    chip = dataclasses.replace(of.chip, flops=flops, hbm_bandwidth=of.chip.hbm_bandwidth * factor)
    return dataclasses.replace(of, chip=chip)


def test_the_lectures_balance_batch() -> None:
    """Ratio 300 and 1 of 8 parameters active: 2,400 sequences (claim C04)."""
    assert roofline_terms(800e9, 100e9, 0.0, 600 * RACK, RACK).balance_batch() == pytest.approx(2400, rel=1e-12)
    by_weights = roofline_terms(671e9, 37e9, 0.0, 600 * RACK, RACK).balance_batch()
    assert by_weights == pytest.approx(5441, rel=1e-4)


def test_the_floor_of_a_pass_is_reading_the_weights() -> None:
    """DeepSeek-V3 in 8 bit on one rack of 72 chips of 8 TB/s: 1.16 ms, whatever the batch."""
    terms = roofline_terms(671e9, 37e9, 35136, 5e15 * 72, RACK, weight_bytes=1.0)
    assert terms.seconds(1.0) * 1e3 == pytest.approx(1.16, abs=0.006)
    assert terms.seconds(1e-9) == 671e9 / RACK


@given(st.floats(0.0, 0.99))
def test_the_cache_raises_the_balance_batch(share: float) -> None:
    """``B* / (1 - L / L*)``, and none from ``L*`` on (claim D03)."""
    terms = roofline_terms(800e9, 100e9, 35136, 600 * RACK, RACK)
    context = terms.balance_context()
    assert terms.balance_batch(share * context) == pytest.approx(2400 / (1 - share), rel=1e-9)


@given(st.floats(1.0, 1e5), st.floats(0.0, 1e6))
def test_without_overlap_the_cache_comes_on_top(batch: float, context: float) -> None:
    both, apart = (roofline_terms(8e11, 1e11, 1e5, 1e17, 1e14, overlap=o) for o in (True, False))
    cache = batch * context * 1e5 / 1e14
    weights = max(2 * batch * 1e11 / 1e17, 8e11 / 1e14)
    assert apart.seconds(batch, context) == pytest.approx(weights + cache, rel=1e-12)
    assert apart.seconds(batch, context) >= both.seconds(batch, context) * (1 - 1e-12)


@pytest.mark.parametrize("kind", ["decode", "prefill"])
@given(data=st.data(), batches=BATCHES, contexts=CONTEXTS, tokens=BATCHES)
@settings(max_examples=40)
def test_time_is_monotone(
    places: SearchStrategy[Place],
    kind: str,
    data: st.DataObject,
    batches: list[int],
    contexts: list[int],
    tokens: list[int],
) -> None:
    of, on, layout = data.draw(places)
    terms = (decode_terms if kind == "decode" else prefill_terms)(of, on, layout)
    b, c, n = (np.array(v, dtype=float) for v in (batches, contexts, tokens))
    seconds = terms.seconds(b[:, None, None], c[:, None], n)
    for axis in range(3):
        assert np.all(np.diff(seconds, axis=axis) >= -1e-12 * seconds.max())


@given(data=st.data(), point=st.tuples(st.integers(1, 10_000), st.integers(0, 200_000), st.integers(1, 8192)))
@settings(max_examples=50)
def test_twice_the_chip_takes_half_the_time(
    places: SearchStrategy[Place], data: st.DataObject, point: tuple[int, int, int]
) -> None:
    of, on, layout = data.draw(places)
    for law in (decode_terms, prefill_terms):
        assert law(of, scaled(on, 2.0), layout).seconds(*point) == law(of, on, layout).seconds(*point) / 2


@given(data=st.data(), point=st.tuples(st.integers(1, 10_000), st.integers(0, 200_000), st.integers(1, 8192)))
@settings(max_examples=30)
def test_twice_the_chips_take_half_the_time(
    places: SearchStrategy[Place], data: st.DataObject, point: tuple[int, int, int]
) -> None:
    of, on, layout = data.draw(places)
    wider = dataclasses.replace(layout, dp=layout.dp * 2)
    for law in (decode_terms, prefill_terms):
        assert law(of, on, wider).seconds(*point) == pytest.approx(law(of, on, layout).seconds(*point) / 2, rel=1e-12)


@given(data=st.data(), batch=st.integers(1, 10_000), context=st.integers(0, 200_000))
@settings(max_examples=40)
def test_more_bytes_never_take_less_time(kinds: tuple[str, ...], data: st.DataObject, batch: int, context: int) -> None:
    """At one rate for all formats: weights, then cache, from narrow to wide."""
    of, on = data.draw(st.sampled_from(kinds).map(model)), one_rate(system("hgx-h200"))
    formats = sorted(FORMATS, key=lambda f: FORMATS[f].bytes)
    for precisions in (
        [Precision.uniform(f, ends=f) for f in formats],
        [dataclasses.replace(of.precision, kv=f) for f in formats],
    ):
        for law in (decode_terms, prefill_terms):
            seconds = [law(of, on, precision=p).seconds(batch, context, 16) for p in precisions]
            assert all(b >= a * (1 - 1e-12) for a, b in itertools.pairwise(seconds))


def _totals(terms: Terms, of: System, point: tuple[float, float, float]) -> tuple[float, float]:
    """FLOPs and bytes that a pass on one chip amounts to."""
    found = terms.by_resource(*point)
    return float(found["compute"]) * of.chip.flops["bf16"], float(found["memory"]) * of.chip.hbm_bandwidth


def _weights(of: Model, tokens: float) -> float:
    """Bytes of 16-bit matrices that `tokens` tokens touch, counted from the published shapes."""
    found = 2.0 * of.matmul_params
    for g in of.layers:
        if isinstance(g.ffn, ExpertFFN):
            one = 2 * g.count * sum(p.params for p in g.ffn.expert_projections(of.hidden))
            found += one * (g.ffn.experts * (1 - (1 - g.ffn.top_k / g.ffn.experts) ** tokens) - g.ffn.top_k)
    return found


@given(batch=st.integers(1, 3000), context=st.integers(0, 200_000))
@settings(max_examples=25)
def test_decode_is_all_matrices_and_all_caches(kinds: tuple[str, ...], batch: int, context: int) -> None:
    """FLOPs and bytes of the closed form are those of the model's own totals."""
    on = one_rate(system("hgx-h200"))
    for of in map(model, kinds):
        plain = Precision()
        flop, nbytes = _totals(decode_terms(of, on, precision=plain), on, (batch, context, 1))
        assert flop == pytest.approx(batch * (2 * of.matmul_params + attention_flops(of, context)), rel=1e-9)
        by_hand = _weights(of, batch) + batch * kv_read_bytes(of, context, "bf16")
        assert nbytes == pytest.approx(by_hand, rel=1e-9)


def _one_by_one(of: Model, cached: int, new: int) -> float:
    """FLOPs of attention proper of `new` tokens, each after all before it."""
    return sum(attention_flops(of, cached + i) for i in range(1, new + 1))


@given(batch=st.integers(1, 20), cached=st.integers(0, 5000), new=st.integers(1, 40))
@settings(max_examples=25)
def test_prefill_is_its_tokens_one_by_one(kinds: tuple[str, ...], batch: int, cached: int, new: int) -> None:
    """Every token sees those before it: the closed form sums what decode would count, latent attention apart."""
    on = one_rate(system("hgx-h200"))
    for of in map(model, kinds):
        if any(isinstance(g.attention, LatentAttention) for g in of.layers):
            continue
        flop, _ = _totals(prefill_terms(of, on, precision=Precision()), on, (batch, cached, new))
        head = 2.0 * of.vocab * of.hidden
        by_hand = batch * (new * (2.0 * of.matmul_params - head) + head + _one_by_one(of, cached, new))
        assert flop == pytest.approx(by_hand, rel=1e-9)


@given(cached=st.integers(0, 5000), first=st.integers(1, 3000), second=st.integers(1, 3000))
@settings(max_examples=25)
def test_chunks_do_the_work_of_the_whole(kinds: tuple[str, ...], cached: int, first: int, second: int) -> None:
    """Two chunks of a prompt multiply as much as one pass, but for one head of logits more."""
    on = one_rate(system("hgx-h200"))
    for of in map(model, kinds):
        terms = prefill_terms(of, on, precision=Precision())
        whole, _ = _totals(terms, on, (1, cached, first + second))
        parts = [_totals(terms, on, point)[0] for point in ((1, cached, first), (1, cached + first, second))]
        assert sum(parts) == pytest.approx(whole + 2.0 * of.vocab * of.hidden, rel=1e-9)


def test_stages_shorten_nothing() -> None:
    of, on = model("llama-3.1-70b"), system("hgx-h200")
    one, four = (decode_terms(of, on, Layout(tp=2, pp=p)).seconds(64.0, 4096.0) for p in (1, 4))
    assert one == four


def test_the_lectures_reading_of_a_model() -> None:
    """All parameters are read, and attention is not counted."""
    of, on = model("deepseek-v3"), system("gb200-nvl72")
    terms = decode_terms(of, on, profile="lecture")
    width = FORMATS[of.precision.experts].bytes
    assert terms.seconds(1.0) == pytest.approx(of.total_params * width / on.chip.hbm_bandwidth, rel=1e-12)
    assert ("compute", "attention") not in terms.by_term(1.0)
    assert terms.seconds(1.0) > decode_terms(of, on).seconds(1.0)


@pytest.mark.parametrize(
    "field",
    ["total_params", "active_params", "kv_bytes_per_token", "flops", "bandwidth", "weight_bytes"],
)
@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_a_bad_total_is_named(field: str, bad: Any) -> None:
    good = {"total_params": 1e9, "active_params": 1e9, "kv_bytes_per_token": 1e5, "flops": 1e15, "bandwidth": 1e12}
    with pytest.raises(RangeError, match=rf"^{field}: "):
        roofline_terms(**{**good, field: bad})
    with pytest.raises(RangeError, match=r"^attention_flops_per_context_token: "):
        roofline_terms(**good, attention_flops_per_context_token=bad)


def test_an_unknown_profile_is_named() -> None:
    with pytest.raises(UnknownNameError, match="lecture"):
        decode_terms(model("llama-3.1-70b"), system("hgx-h200"), profile="lektion")  # type: ignore[arg-type]
