"""Laws of the cache and of looking back: stored and read bytes, FLOPs, and the figures that are published."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.facts.errors import RangeError, UnknownNameError
from headway.facts.layers import (
    AttentionKind,
    CompressedAttention,
    Indexer,
    LatentAttention,
    LinearAttention,
    SoftmaxAttention,
)
from headway.facts.model import LayerGroup, Model
from headway.facts.models import model, model_names
from headway.physics.attention import (
    attention_flops,
    attention_flops_per_context_token,
    cache_shape,
    cache_shapes,
    kv_bytes,
    kv_bytes_per_token,
    kv_read_bytes,
    look_shape,
    state_bytes,
)

LLAMA = SoftmaxAttention(64, 8, 128)
DEEPSEEK = LatentAttention(128, 512, 1536, 128, 64, 128)
CONTEXTS = st.lists(st.integers(0, 2_000_000), min_size=2, max_size=6).map(sorted)
BAD = (float("nan"), -1, float("inf"), True, "4096", None, [1, "x"], ["1"])


def one_layer(attention: AttentionKind) -> Model:
    return Model("one", 1024, 1000, (LayerGroup(1, attention, None),))


def every_model() -> list[Model]:
    return [model(name) for name in model_names()]


@pytest.mark.parametrize(
    ("name", "kv", "figure"),
    [("llama-3.1-70b", "bf16", 327_680), ("deepseek-v3", "bf16", 70_272), ("deepseek-v3", "fp8", 35_136)],
)
def test_kv_bytes_per_token_as_published(name: str, kv: str, figure: int) -> None:
    assert kv_bytes_per_token(model(name), kv) == figure


@pytest.mark.parametrize(
    ("name", "figure"), [("llama-3.1-70b", 4 * 80 * 64 * 128), ("deepseek-v3", 2 * 61 * 128 * (576 + 512))]
)
def test_attention_flops_per_context_token(name: str, figure: int) -> None:
    """Claim D06: 2.62 MFLOP with grouped queries, 17.0 MFLOP with the latent."""
    assert attention_flops_per_context_token(model(name)) == figure
    assert round(figure / 1e6, 2 if name.startswith("llama") else 1) in (2.62, 17.0)


def test_long_caches_are_straight_lines() -> None:
    """Beyond every window the cache is its slope times context plus what does not grow, for every model."""
    for of in every_model():
        far = np.array([2e6, 3e6, 5e6])
        line = kv_bytes_per_token(of) * far + state_bytes(of)
        np.testing.assert_allclose(kv_bytes(of, far), line, rtol=1e-12)
        slope = np.diff(attention_flops(of, far)) / np.diff(far)
        np.testing.assert_allclose(slope, attention_flops_per_context_token(of), rtol=1e-9, atol=1e-6)


@given(CONTEXTS)
@settings(max_examples=25)
def test_caches_grow_and_bend_down(kinds: tuple[str, ...], contexts: list[int]) -> None:
    """Stored and read bytes and FLOPs never fall with context, and never grow faster later than sooner."""
    at = np.array(contexts, dtype=float)
    for of in map(model, kinds):
        for law in (kv_bytes, kv_read_bytes, attention_flops):
            found, half, empty = law(of, at), law(of, at / 2), law(of, np.zeros(1))
            assert np.all(np.diff(found) >= 0)
            assert np.all(half >= (found + empty) / 2 * (1 - 1e-12))


@given(st.integers(0, 1_000_000))
@settings(max_examples=25)
def test_no_more_is_read_than_is_stored(kinds: tuple[str, ...], context: int) -> None:
    for of in map(model, kinds):
        shares = any(isinstance(g.attention, SoftmaxAttention) and not g.attention.stores_kv for g in of.layers)
        assert shares or kv_read_bytes(of, context) <= kv_bytes(of, context) * (1 + 1e-12)


@given(CONTEXTS)
@settings(max_examples=20)
def test_arrays_agree_with_numbers(kinds: tuple[str, ...], contexts: list[int]) -> None:
    at = np.array(contexts)
    for of in map(model, kinds):
        for law in (kv_bytes, kv_read_bytes, attention_flops):
            one_by_one = [law(of, int(c)) for c in at]
            np.testing.assert_allclose(law(of, at), one_by_one, rtol=1e-12)
            assert isinstance(one_by_one[0], float)
            assert law(of, at[:, None]).shape == (len(contexts), 1)


def test_a_model_is_the_sum_of_its_layers(kinds: tuple[str, ...]) -> None:
    for of in map(model, kinds):
        groups = [Model("part", of.hidden, of.vocab, (g,), precision=of.precision) for g in of.layers]
        for law in (kv_bytes, kv_read_bytes, attention_flops):
            assert law(of, 5000) == pytest.approx(sum(law(g, 5000) for g in groups), rel=1e-12)


def test_a_window_bounds_what_is_stored_and_read() -> None:
    shape = cache_shape(SoftmaxAttention(32, 16, 128, window=1024), 10)
    assert shape.kind == "window"
    assert shape.stored(np.array([512, 1024, 9999])).tolist() == [512 * 81920, 1024 * 81920, 1024 * 81920]
    assert shape.read(9999.0) == shape.stored(9999.0)
    assert kv_bytes_per_token(one_layer(SoftmaxAttention(32, 16, 128, window=1024))) == 0.0
    assert state_bytes(one_layer(SoftmaxAttention(32, 16, 128, window=1024))) == 1024 * 8192


def test_a_layer_that_shares_reads_what_another_stored() -> None:
    sharing = SoftmaxAttention(8, 2, 64, stores_kv=False)
    assert kv_bytes(one_layer(sharing), 100) == 0.0
    assert kv_read_bytes(one_layer(sharing), 100) == 100 * 2 * 2 * 64 * 2


def test_a_state_does_not_grow() -> None:
    linear = LinearAttention("gated-deltanet", 16, 64, 128, 128, conv_width=4)
    shape = cache_shape(linear, 3)
    assert shape.kind == "linear"
    assert shape.stored(0.0) == shape.stored(1e6) == 3 * linear.state_elements * 4
    assert kv_bytes_per_token(one_layer(linear)) == 0.0
    assert attention_flops(one_layer(linear), 0) == attention_flops(one_layer(linear), 100_000) > 0


def test_sparse_attention_stores_all_and_reads_what_it_selects() -> None:
    indexer = Indexer(heads=64, dim=128, top_k=2048)
    sparse = LatentAttention(128, 512, 1536, 128, 64, 128, indexer=indexer)
    shape = cache_shape(sparse, 1)
    assert shape.kind == "sparse"
    assert shape.stored(10_000.0) == 10_000 * (576 + 128) * 2
    assert shape.read(10_000.0) == (2048 * 576 + 10_000 * 128) * 2
    assert attention_flops(one_layer(sparse), 10_000) == 2048 * 278_528 + 10_000 * 2 * 64 * 128


def test_a_layer_that_reuses_a_selection_scans_nothing() -> None:
    """It keeps no index and scores nothing: the choice came from an earlier layer."""
    reuse = LatentAttention(128, 512, 1536, 128, 64, 128, indexer=Indexer(64, 128, 2048, shared=True))
    shape = cache_shape(reuse, 1)
    assert shape.index_per_token == 0.0
    assert shape.stored(10_000.0) == 10_000 * 576 * 2
    assert shape.read(10_000.0) == 2048 * 576 * 2
    assert look_shape(reuse).per_context == 0.0


def test_compressed_attention_counts_entries() -> None:
    compressed = CompressedAttention(128, 512, 64, 1536, 16, 1024, 128, 4, Indexer(64, 128, 1024, compress=4))
    shape = cache_shape(compressed, 1)
    assert shape.kind == "compressed"
    assert shape.selected == 4096
    assert shape.stored(40_000.0) == (40_000 / 4 * (512 + 128) + 128 * 512) * 2


def test_latent_attention_decodes_in_the_latent_space() -> None:
    look = look_shape(DEEPSEEK)
    assert look.per_visible == 2 * 128 * (576 + 512)
    assert look.per_visible_prefill == 2 * 128 * (192 + 128)
    softmax = look_shape(LLAMA)
    assert softmax.per_visible == softmax.per_visible_prefill == 4 * 64 * 128


@given(st.sampled_from(("bf16", "fp8", "mxfp8", "nvfp4", "int4")), st.integers(1, 100_000))
def test_bytes_follow_the_format_and_flops_do_not(kv: str, context: int) -> None:
    of = model("llama-3.1-70b")
    sizes = {"bf16": 16, "fp8": 8, "mxfp8": 8.25, "nvfp4": 4.5, "int4": 4.5}
    assert kv_bytes(of, context, kv) == pytest.approx(kv_bytes(of, context, "bf16") * sizes[kv] / 16, rel=1e-12)
    assert [s.count for s in cache_shapes(of, kv)] == [80]


@pytest.mark.parametrize("law", [kv_bytes, kv_read_bytes, attention_flops])
@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_a_bad_context_is_named(law: Any, bad: Any) -> None:
    with pytest.raises(RangeError, match=r"^context: "):
        law(model("llama-3.1-70b"), bad)


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"^kv: 'fp7'"):
        kv_bytes_per_token(model("llama-3.1-70b"), "fp7")
