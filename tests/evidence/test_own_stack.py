"""The fit of a stack's own constants: known ones come back, unknowable ones are refused, every tool's file is read."""

from __future__ import annotations

import datetime
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.evidence.benchmark_files import BenchmarkRun, benchmark_run, read_results
from headway.evidence.log_fit import Prior, fit, quantile_80, select
from headway.evidence.own_stack import (
    CONSTANTS,
    REQUEST_OVERHEAD,
    Case,
    Deployment,
    StackFit,
    fit_stack,
    predict_run,
    published,
)
from headway.evidence.stack_file import calibration_toml, load_calibration
from headway.facts.efficiency import Efficiency
from headway.facts.errors import InputError, LayoutError
from headway.facts.models import model
from headway.facts.systems import system
from headway.physics.layout import Layout
from headway.serving.workload import Workload

LLAMA, BOX = model("llama-3.1-8b"), system("hgx-h100")
ONE = Deployment(LLAMA, BOX, Layout(), LLAMA.precision, "vllm")
POINTS = tuple((users, *lengths) for users in (1, 8, 64) for lengths in ((128, 128), (2000, 256)))


def _cases(
    truth: Efficiency,
    overhead: float,
    seed: int,
    *,
    where: Deployment = ONE,
    points: tuple[tuple[int, int, int], ...] = POINTS,
    noise: float = 0.02,
) -> list[Case]:
    """Runs as a stack with these constants would report them, each figure off by `noise`."""
    draw = np.random.default_rng(seed)
    found: list[Case] = []
    for users, isl, osl in points:
        blank = BenchmarkRun(f"run {users} {isl}", "vllm", users, True, isl, osl, 1.0, 1.0, users * 10)
        tpot, ttft = predict_run(where, blank, truth, overhead)
        off = np.exp(noise * draw.standard_normal(2))
        found.append((where, replace(blank, tpot=tpot * float(off[0]), ttft=ttft * float(off[1]))))
    return found


def _truth(seed: int) -> tuple[Efficiency, float, dict[str, float]]:
    """Constants moved away from the published ones."""
    base, overhead = published(ONE)
    draw = np.random.default_rng(1000 + seed)
    moved = {
        "memory": float(np.clip(base.memory * np.exp(draw.uniform(-0.35, 0.05)), 0.2, 1.0)),
        "compute": float(np.clip(base.compute * np.exp(draw.uniform(-0.4, 0.2)), 0.1, 1.0)),
        "step_overhead": base.step_overhead * float(np.exp(draw.uniform(-0.5, 1.5))),
    }
    late = overhead * float(np.exp(draw.uniform(-1, 1)))
    return replace(base, **moved), late, {**moved, REQUEST_OVERHEAD: late}


def test_known_constants_come_back_within_their_intervals() -> None:
    inside = total = 0
    for seed in range(6):
        truth, overhead, known = _truth(seed)
        found = fit_stack(_cases(truth, overhead, seed))
        assert found.tpot_error < 0.03
        assert found.ttft_error < 0.04
        by_name = {c.name: c for c in found.constants}
        assert by_name["compute"].identified
        assert by_name[REQUEST_OVERHEAD].identified
        for name, value in known.items():
            one = by_name[name]
            if not one.identified:
                continue
            total += 1
            inside += one.low <= value <= one.high
            # Twice an 80% interval is 2.6 deviations.
            reach = 2.0 * max(math.log(one.high / one.value), math.log(one.value / one.low), 0.02)
            assert abs(math.log(value / one.value)) < reach, (seed, name)
    assert total >= 15
    assert inside / total >= 0.65


def test_tensor_parallel_1_says_nothing_of_collectives() -> None:
    truth, overhead, _ = _truth(1)
    kept = {c.name: c for c in fit_stack(_cases(truth, overhead, 1)).constants}["collective_latency"]
    assert not kept.identified
    assert kept.value == kept.published == published(ONE)[0].collective_latency
    assert kept.reason == "these runs do not depend on it"


def test_short_prompts_at_low_batch_say_nothing_of_compute() -> None:
    truth, overhead, _ = _truth(2)
    points = tuple((users, 16, 200) for users in (1, 2, 4))
    found = {c.name: c for c in fit_stack(_cases(truth, overhead, 2, points=points)).constants}
    assert not found["compute"].identified
    assert found["compute"].value == published(ONE)[0].compute
    assert found["compute"].reason


def test_one_deployment_shows_only_the_sum_of_the_floors() -> None:
    where = replace(ONE, layout=Layout(tp=4))
    base, overhead = published(where)
    truth = replace(base, collective_latency=4 * base.collective_latency)
    found = fit_stack(_cases(truth, overhead, 3, where=where))
    floors = [c for c in found.constants if c.name in ("operator_latency", "collective_latency", "step_overhead")]
    assert sum(c.identified for c in floors) == 1
    assert found.tpot_error < 0.03
    assert any("only the two together show" in c.reason for c in floors)


def test_two_layouts_tell_collectives_apart() -> None:
    base, overhead = published(ONE)
    truth = replace(base, collective_latency=12 * base.collective_latency, memory=0.7)
    cases = [
        case
        for k, tp in enumerate((1, 2, 8))
        for case in _cases(truth, overhead, 10 + k, where=replace(ONE, layout=Layout(tp=tp)))
    ]
    found = {c.name: c for c in fit_stack(cases).constants}["collective_latency"]
    assert found.identified
    assert found.low <= truth.collective_latency <= found.high


def test_published_constants_survive_their_own_predictions() -> None:
    base, overhead = published(ONE)
    for c in fit_stack(_cases(base, overhead, 0, noise=0.0)).constants:
        assert c.value == pytest.approx(c.published, rel=0.03)


def test_runs_that_do_not_fit_memory_are_left_out_with_the_reason() -> None:
    base, overhead = published(ONE)
    good = _cases(base, overhead, 0)
    crowded = replace(good[0][1], users=5000.0, isl=8000, where="crowded")
    found = fit_stack([*good, (ONE, crowded)])
    assert [where for where, _ in found.left_out] == ["crowded"]
    assert "memory holds" in found.left_out[0][1]
    with pytest.raises(InputError, match="at least one run"):
        fit_stack([(ONE, crowded)])


def test_deployments_that_cannot_be_are_refused() -> None:
    run = BenchmarkRun("x", "vllm", 4, True, 100, 100, 0.1, 0.01, 40)
    with pytest.raises(LayoutError):
        fit_stack([(replace(ONE, layout=Layout(tp=8, dp=4)), run)])
    with pytest.raises(InputError, match="one chip"):
        fit_stack([(ONE, run), (replace(ONE, system=system("hgx-h200")), run)])
    with pytest.raises(InputError, match="no draft length"):
        fit_stack([(ONE, replace(run, acceptance=1.8))])


# The fit itself.


@settings(max_examples=25, deadline=None)
@given(st.floats(0.1, 10.0), st.floats(0.1, 10.0), st.integers(0, 10_000))
def test_fit_recovers_a_line(a: float, b: float, seed: int) -> None:
    x = np.geomspace(0.01, 100.0, 24)
    noise = np.exp(0.02 * np.random.default_rng(seed).standard_normal(x.size))
    prior = Prior(np.ones(2), np.full(2, 1.5), np.full(2, 1e-3), np.full(2, 1e3))
    found = fit(lambda c: c[0] + c[1] * x, (a + b * x) * noise, prior)
    assert found.free == (0, 1)
    deviation = np.log(found.high / found.value) / quantile_80(25.0)
    assert np.all(np.abs(np.log(found.value / [a, b])) < 4.5 * deviation)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.2, 5.0))
def test_fit_keeps_what_data_do_not_show(value: float) -> None:
    x = np.linspace(1.0, 2.0, 12)
    prior = Prior(np.array([1.0, 0.3]), np.ones(2), np.full(2, 1e-3), np.full(2, 1e3))
    found = fit(lambda c: c[0] * x + 0.0 * c[1], value * x, prior)
    assert found.free == (0,)
    assert found.value[1] == pytest.approx(0.3)
    assert found.sensitivity[1] == 0.0


def test_selection_keeps_one_of_two_alike() -> None:
    slopes = np.array([[1.0, 2.0, 0.0], [1.0, 2.0, 0.1], [1.0, 2.0, 0.9]])
    assert select(slopes, np.full(3, 0.02), np.ones(3)) == (1, 2)


# Files.

FLAT: dict[str, Any] = {
    "completed": 100,
    "duration": 20.0,
    "total_input_tokens": 100_000,
    "total_output_tokens": 20_000,
    "mean_ttft_ms": 50.0,
    "mean_tpot_ms": 10.0,
}
BLOCKS: dict[str, Any] = {
    "request_count": {"unit": "requests", "avg": 100.0},
    "request_throughput": {"unit": "requests/sec", "avg": 5.0},
    "input_sequence_length": {"unit": "tokens", "avg": 1000.0},
    "output_sequence_length": {"unit": "tokens", "avg": 200.0},
    "time_to_first_token": {"unit": "ms", "avg": 50.0, "p99": 80.0},
    "inter_token_latency": {"unit": "ms", "avg": 10.0},
}


@pytest.mark.parametrize(
    ("raw", "tool", "users", "closed"),
    [
        ({**FLAT, "max_concurrency": 8, "request_rate": "inf"}, "vllm", 8.0, True),
        ({**FLAT, "max_concurrency": None, "request_rate": 5.0}, "vllm", 10.2, False),
        ({**FLAT, "max_concurrency": 500}, "vllm", 100.0, True),
        (
            {**FLAT, "total_output_tokens_retokenized": 1, "max_concurrency": 4, "accept_length": None},
            "sglang",
            4,
            True,
        ),
        (BLOCKS, "genai-perf", 10.2, False),
        ({**BLOCKS, "input_config": {"perf_analyzer": {"stimulus": {"concurrency": 16}}}}, "genai-perf", 16.0, True),
        (
            {
                **BLOCKS,
                "aiperf_version": "0.8.0",
                "benchmark_duration": {"unit": "sec", "avg": 20.0},
                "input_config": {"loadgen": {"concurrency": 16, "request_rate": None}},
            },
            "aiperf",
            16.0,
            True,
        ),
    ],
)
def test_every_tool_is_read_alike(raw: dict[str, Any], tool: str, users: float, closed: bool) -> None:
    run = benchmark_run(raw, "mine")
    assert (run.tool, run.closed, run.isl, run.osl) == (tool, closed, 1000, 200)
    assert (run.users, run.ttft, run.tpot) == pytest.approx((users, 0.05, 0.01))


def test_files_hold_one_result_a_list_or_lines(tmp_path: Path) -> None:
    one = json.dumps(FLAT)
    for text, count in ((one, 1), (f"[{one}, {one}]", 2), (f"{one}\n{one}\n{one}\n", 3)):
        file = tmp_path / "results.json"
        file.write_text(text, encoding="utf-8")
        assert len(read_results(file)) == count


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "bad.json: 'nothing'"),
        ("{", "bad.json: line 1"),
        ("3", "bad.json: 3"),
        ('{"a": 1}', "bad.json: 'a'"),
        (json.dumps({**FLAT, "mean_ttft_ms": -1}), "bad.json: mean_ttft_ms: -1"),
        (json.dumps({k: v for k, v in FLAT.items() if k != "duration"}), "bad.json: duration: 'nothing'"),
        (json.dumps({**FLAT, "total_output_tokens": 100}), "bad.json: output tokens"),
        (json.dumps({**FLAT, "completed": 0}), "bad.json: completed: 0"),
        (json.dumps({**FLAT, "mean_tpot_ms": "fast"}), "bad.json: mean_tpot_ms"),
        (json.dumps({**FLAT, "max_concurrency": "many"}), "bad.json: max_concurrency"),
        (json.dumps({**BLOCKS, "time_to_first_token": {"unit": "h", "avg": 1}}), "time_to_first_token.unit"),
        (json.dumps({**BLOCKS, "request_count": 100}), "bad.json: request_count"),
    ],
)
def test_bad_files_name_file_and_field(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_results(file)
    assert str(caught.value).startswith(message) or message in str(caught.value)
    assert "\n" not in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*FLAT, *BLOCKS, "max_concurrency", "input_config"]),
        st.one_of(st.none(), st.floats(), st.integers(-9, 9), st.text(max_size=3), st.just({"avg": 1.0})),
    )
)
def test_whatever_a_file_holds_is_read_or_refused(raw: dict[str, Any]) -> None:
    try:
        run = benchmark_run(raw, "any")
    except InputError:
        return
    assert run.users > 0
    assert run.tpot > 0


# The TOML of constants.


@pytest.fixture(scope="module")
def fitted() -> StackFit:
    truth, overhead, _ = _truth(0)
    return fit_stack(_cases(truth, overhead, 0))


def test_calibration_comes_back_from_its_file(fitted: StackFit, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    day = datetime.date(2026, 11, 23)
    text = calibration_toml(
        BOX.chip.name, 'odd "name" \\ \n', "runs.json", fitted.constants, runs=6, engine="vllm", day=day
    )
    file.write_text(text, encoding="utf-8")
    own = load_calibration(file)
    eff, base = own.efficiency(BOX), published(ONE)[0]
    for c in fitted.constants:
        if c.name == REQUEST_OVERHEAD:
            continue
        expected = c.value if c.identified else getattr(base, c.name)
        assert getattr(eff, c.name) == pytest.approx(expected, rel=1e-5)
    assert own.request_overhead > 0
    assert any(s.text == "runs.json" for s in eff.sources)
    with pytest.raises(InputError, match="fitted on h100"):
        own.efficiency(system("hgx-h200"))


def test_request_overhead_counts_against_the_limit(fitted: StackFit, tmp_path: Path) -> None:
    from headway.serving.plan import plan
    from headway.serving.workload import Prices

    file = tmp_path / "mine.toml"
    file.write_text(calibration_toml(BOX.chip.name, "mine", "runs", fitted.constants, runs=6), encoding="utf-8")
    own = load_calibration(file)
    asked = Workload(1000, 200, ttft=own.request_overhead + 0.2, tpot=0.05)
    served = own.workload(asked)
    assert served.ttft == pytest.approx(0.2)
    found = own.result(plan(LLAMA, BOX, served, prices=Prices(2.0), efficiency=own.efficiency(BOX), chips=1), asked)
    assert found.plans
    assert all(own.request_overhead < p.ttft_s <= asked.ttft for p in found.plans)
    assert found.workload == asked
    with pytest.raises(InputError, match="overhead"):
        own.workload(replace(asked, ttft=own.request_overhead / 2))


HEAD = '[calibration]\nchip = "h100-sxm"\nstack = "mine"\nsource = "s"\nretrieved = "2026-11-23"\nkind = "measured"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "mine.toml: calibration: 'nothing'"),
        ("calibration = 3", "mine.toml: calibration: 3"),
        (HEAD.replace("chip", "chips"), "mine.toml: calibration: 'chips'"),
        (HEAD + '[constant.memory]\nvalue = "1.4"\n', "mine.toml: constant.memory.value: 1.4"),
        (HEAD + '[constant.memory]\nvalue = "0"\n', "mine.toml: constant.memory.value: 0"),
        (HEAD + "[constant.memory]\nlow = 1\n", "mine.toml: constant.memory.value: 'nothing'"),
        (HEAD + '[constant.step_overhead]\nvalue = "3"\n', "mine.toml: constant.step_overhead.value: '3'"),
        (HEAD + '[constant.memry]\nvalue = "0.5"\n', "did you mean memory?"),
        ("constant = 3\n" + HEAD, "mine.toml: constant: 3"),
        (HEAD + "[constant]\nmemory = 3\n", "mine.toml: constant.memory: 3"),
        (HEAD + "[constants.memory]\nvalue = 1\n", "did you mean constant?"),
    ],
)
def test_bad_calibrations_name_file_and_field(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_calibration(file)
    assert message in str(caught.value)


def test_constants_are_fields_or_the_request_overhead() -> None:
    names = {c.name for c in CONSTANTS}
    assert {n for n in names if not hasattr(Efficiency(), n)} <= {REQUEST_OVERHEAD}
    assert all(c.low < c.least < c.high for c in CONSTANTS)


def test_a_constant_that_the_data_refute_is_let_go() -> None:
    """An overhead of 0.4 s before answers within 0.1 s, though little depends on it where it is small."""
    seconds = np.array([0.02, 0.05, 0.1])
    work = np.array([0.021, 0.045, 0.11])
    known = Prior(np.array([0.4]), np.ones(1), np.array([1e-4]), np.array([10.0]))
    found = fit(lambda c: c[0] + work, seconds, known, expected=(0.3,))
    assert found.free == (0,)
    assert found.value[0] < 0.1
    # Without anything against it the published value stays.
    kept = fit(lambda c: 1e-6 * c[0] + work, work, known, expected=(0.3,))
    assert kept.free == ()
    assert kept.value[0] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("named", "engine"),
    [({"backend": "sglang"}, "sglang"), ({"backend": "openai"}, ""), ({}, "vllm"), ({"accept_length": 1.0}, "sglang")],
)
def test_a_file_names_its_engine(named: dict[str, Any], engine: str) -> None:
    raw = {"mean_ttft_ms": 50, "mean_tpot_ms": 10, "completed": 100, "duration": 20, "max_concurrency": 4}
    run = benchmark_run(raw | {"total_input_tokens": 100_000, "total_output_tokens": 20_000} | named, "mine.json")
    assert run.engine == engine
