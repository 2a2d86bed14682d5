"""Laws of a time written as terms: sums and maxima, balance points, the list as data, the formula as text."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.facts.errors import UnknownNameError
from headway.facts.models import model
from headway.facts.systems import system
from headway.physics.blackboard import decode_terms, prefill_terms, roofline_terms
from headway.physics.layout import Layout
from headway.physics.terms import FUNCTIONS, Term, Terms, touched, window_pairs

ARGS = {"touched": (256.0, 8.0), "window": (1024.0,), "window_pairs": (1024.0,)}
SECONDS = st.floats(1e-12, 1e-3)


@st.composite
def a_term(draw: st.DrawFn, resource: str | None = None) -> Term:
    function = draw(st.sampled_from((None, *FUNCTIONS)))
    return Term(
        resource or draw(st.sampled_from(("compute", "memory", "network"))),
        draw(st.sampled_from(("weights", "kv", "attention"))),
        draw(SECONDS),
        batch=draw(st.sampled_from((0, 1))),
        context=draw(st.sampled_from((0, 1))),
        tokens=draw(st.sampled_from((0, 1, 2))),
        function=function,
        args=ARGS[function] if function else (),
        phase=draw(st.sampled_from(("", "cache"))),
    )


TERMS = st.lists(a_term(), min_size=1, max_size=8).map(lambda found: Terms(tuple(found)))
POINT = st.tuples(st.integers(1, 10_000), st.integers(0, 1_000_000), st.integers(1, 10_000))


def evaluated(data: dict[str, Any], batch: float, context: float, tokens: float) -> float:
    """The list as a reader without this library would evaluate it, from its description alone."""

    def factor(name: str | None, args: list[float]) -> float:
        if name == "touched":
            return 1.0 - (1.0 - args[1] / args[0]) ** (batch * tokens)
        if name == "window":
            return min(context, args[0])
        if name == "window_pairs":
            grown = int(max(min(args[0] - context, tokens), 0))
            return grown * context + grown * (grown + 1) / 2 + (tokens - grown) * args[0]
        return 1.0

    sums: dict[tuple[str, str], float] = {}
    for t in data["terms"]:
        value = t["coefficient_s"] * batch ** t["batch"] * context ** t["context"] * tokens ** t["tokens"]
        key = (t["phase"], t["resource"])
        sums[key] = sums.get(key, 0.0) + value * factor(t["function"], t["args"])
    phases = {phase for phase, _ in sums}
    return sum(max(v for (p, _), v in sums.items() if p == phase) for phase in phases)


@given(TERMS, POINT)
def test_terms_sum_to_resources_and_resources_bound_the_time(terms: Terms, point: tuple[int, int, int]) -> None:
    by_term, by_resource = terms.by_term(*point), terms.by_resource(*point)
    for resource, total in by_resource.items():
        assert sum(v for (r, _), v in by_term.items() if r == resource) == pytest.approx(float(total), rel=1e-12)
    seconds = terms.seconds(*point)
    assert float(max(by_resource.values())) * (1 - 1e-12) <= seconds <= sum(by_resource.values()) * (1 + 1e-12)
    assert by_resource[str(terms.binding(*point))] == max(by_resource.values())
    assert set(by_resource) == set(terms.resources)


@given(TERMS, POINT)
def test_the_time_is_the_longest_resource_of_each_phase(terms: Terms, point: tuple[int, int, int]) -> None:
    phases = [Terms(tuple(t for t in terms.terms if t.phase == p)) for p in {t.phase for t in terms.terms}]
    longest = sum(float(max(part.by_resource(*point).values())) for part in phases)
    assert terms.seconds(*point) == pytest.approx(longest, rel=1e-12)


@given(TERMS, st.lists(POINT, min_size=3, max_size=3))
def test_arrays_agree_with_numbers(terms: Terms, points: list[tuple[int, int, int]]) -> None:
    batch, context, tokens = np.array(points, dtype=float).T
    grid = terms.seconds(batch[:, None, None], context[:, None], tokens)
    names = terms.binding(batch[:, None, None], context[:, None], tokens)
    assert grid.shape == names.shape == (3, 3, 3)
    for i, j, k in np.ndindex(3, 3, 3):
        assert grid[i, j, k] == pytest.approx(terms.seconds(batch[i], context[j], tokens[k]), rel=1e-12)
        assert names[i, j, k] == terms.binding(batch[i], context[j], tokens[k])


@given(TERMS, st.lists(POINT, min_size=40, max_size=40))
@settings(max_examples=60)
def test_plain_data_evaluates_to_the_same(terms: Terms, points: list[tuple[int, int, int]]) -> None:
    data = json.loads(json.dumps(terms.to_dict()))
    for point in points:
        assert terms.seconds(*point) == pytest.approx(evaluated(data, *point), rel=1e-9)


def test_terms_of_models_evaluate_to_the_same_elsewhere(kinds: tuple[str, ...]) -> None:
    """Thousands of random points of real decode and prefill passes, through JSON and an evaluator of its own."""
    random = np.random.default_rng(7)
    for of in map(model, kinds):
        for terms in (decode_terms(of, system("hgx-h200")), prefill_terms(of, system("hgx-h200"))):
            data = json.loads(json.dumps(terms.to_dict()))
            points = np.column_stack([random.integers(1, 4096, 300), *random.integers(1, 200_000, (2, 300))])
            ours = terms.seconds(*points.T.astype(float))
            theirs = [evaluated(data, *map(int, point)) for point in points]
            np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@given(SECONDS, SECONDS, st.floats(0.01, 0.999), st.integers(1, 100_000))
def test_balance_batch_is_where_compute_equals_memory(compute: float, weights: float, kv: float, context: int) -> None:
    cache = kv * compute / context
    terms = Terms(
        (
            Term("compute", "weights", compute, batch=1),
            Term("memory", "weights", weights),
            Term("memory", "kv", cache, batch=1, context=1),
        )
    )
    batch = terms.balance_batch(context)
    found = terms.by_resource(batch, context)
    assert float(found["compute"]) == pytest.approx(float(found["memory"]), rel=1e-9)
    assert terms.balance_batch(1.01 * context / kv) == math.inf


def test_balance_batch_of_models(kinds: tuple[str, ...]) -> None:
    for of in map(model, kinds):
        terms = decode_terms(of, system("gb200-nvl72"), Layout(tp=1, dp=8))
        contexts = np.array([0.0, 100.0, 1000.0, 1e6])
        for context, batch in zip(contexts, terms.balance_batch(contexts), strict=True):
            assert batch == terms.balance_batch(context)
            if math.isfinite(batch):
                found = terms.by_resource(batch, context)
                # Experts not yet touched at such a batch: (1 - k/E)^B of them, fewer than 1e-9.
                assert float(found["compute"]) == pytest.approx(float(found["memory"]), rel=1e-9)


def test_balance_batch_is_infinite_where_the_cache_leads() -> None:
    terms = roofline_terms(8e11, 1e11, 1e5, 1e17, 1e14)
    assert terms.balance_batch(terms.balance_context() * 1.001) == math.inf
    assert math.isfinite(terms.balance_batch(terms.balance_context() * 0.999))


def _excess(terms: Terms, context: float) -> float:
    """Memory over compute that one more sequence adds where all experts are read anyway."""
    many = 1e9
    twice, once = terms.by_resource(2 * many, context), terms.by_resource(many, context)
    return float((twice["memory"] - once["memory"]) / (twice["compute"] - once["compute"]))


def test_balance_context_is_where_the_cache_catches_up(kinds: tuple[str, ...]) -> None:
    finite = 0
    for of in map(model, kinds):
        terms = decode_terms(of, system("gb200-nvl72"))
        context = terms.balance_context()
        if 0 < context < math.inf:
            finite += 1
            assert _excess(terms, context) == pytest.approx(1.0, rel=1e-6)
            assert _excess(terms, context * 0.99) < 1.0
    assert finite >= 3


@given(st.floats(1e9, 1e12), st.floats(1.0, 1e6), st.floats(1e12, 1e18), st.floats(1e9, 1e15))
def test_balance_context_of_a_linear_cache(active: float, kv: float, flops: float, bandwidth: float) -> None:
    terms = roofline_terms(2 * active, active, kv, flops, bandwidth)
    by_hand = 2 * active / flops / (kv / bandwidth)
    found = terms.balance_context()
    assert found == pytest.approx(by_hand, rel=1e-9) if by_hand < 1e12 else found == math.inf


def test_balance_context_at_its_ends() -> None:
    assert roofline_terms(1e9, 1e9, 0.0, 1e15, 1e12).balance_context() == math.inf
    state = (Term("compute", "weights", 1e-6, batch=1), Term("memory", "state", 2e-6, batch=1))
    assert Terms(state).balance_context() == 0.0


@given(TERMS)
def test_latex_is_balanced(terms: Terms) -> None:
    text = terms.latex()
    assert text.startswith("t=")
    depth = 0
    for sign in text:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    assert len(re.findall(r"\\left\(", text)) == len(re.findall(r"\\right\)", text))
    assert not re.search(r"\d[eE][+-]?\d", text)


@given(st.integers(0, 200), st.integers(1, 60), st.integers(1, 100))
def test_window_pairs_count_what_each_query_sees(cached: int, new: int, width: int) -> None:
    one = np.array(1.0)
    counted = sum(min(cached + i, width) for i in range(1, new + 1))
    assert float(window_pairs(one, np.array(float(cached)), np.array(float(new)), width)) == counted


@given(st.floats(0, 200), st.floats(0, 10), st.integers(1, 60), st.integers(1, 100))
def test_window_pairs_grow_with_the_prefix(cached: float, more: float, new: int, width: int) -> None:
    one, tokens = np.array(1.0), np.array(float(new))
    before, after = (float(window_pairs(one, np.array(c), tokens, width)) for c in (cached, cached + more))
    assert after >= before * (1 - 1e-12)


@given(st.integers(1, 100), st.integers(1, 512), st.integers(0, 512))
def test_touched_is_a_share_that_grows(batch: int, experts: int, spare: int) -> None:
    kept = max(experts - spare, 1)
    one = np.array(1.0)
    shares = [float(touched(np.array(float(b)), one, one, experts, kept)) for b in (1, batch, batch + 1)]
    assert shares[0] == pytest.approx(kept / experts, rel=1e-12)
    assert shares == sorted(shares)
    assert shares[-1] <= 1.0


def test_a_function_must_be_known() -> None:
    with pytest.raises(UnknownNameError, match="touched"):
        Term("memory", "weights", 1.0, function="tuched")


def test_an_array_of_coefficients_is_a_sweep() -> None:
    rates = np.array([1e-6, 2e-6])
    terms = Terms((Term("compute", "weights", rates, batch=1), Term("memory", "weights", 1e-4)))
    assert terms.seconds(100.0).tolist() == pytest.approx([1e-4, 2e-4])
    assert terms.balance_batch().tolist() == pytest.approx([100.0, 50.0])
    assert terms.to_dict()["terms"][0]["coefficient_s"] == [1e-6, 2e-6]
