"""The twelve golden tests, by number and in order, held against figures written out here."""

from __future__ import annotations

import pytest

from headway import lecture


def values(identifier: str) -> dict[str, float]:
    return {figure.name: figure.value for figure in lecture.evaluate(identifier).figures}


def test_01_deepseek_day_to_a_tenth_of_a_percent():
    found = values("C63")
    assert found["nodes"] == pytest.approx(226.75, rel=1e-3)
    assert round(found["nodes"], 1) == 226.9
    assert (round(found["decode nodes"], 1), round(found["prefill nodes"], 1)) == (131.4, 95.5)
    assert found["cost of the day"] == pytest.approx(87_072, rel=1e-9)
    assert [round(found[name], 3) for name in ("output", "input", "input that missed the cache")] == [
        0.300,
        0.060,
        0.138,
    ]


def test_02_deepseek_runs_at_2_37_balance_batches():
    found = values("C07")
    assert round(found["over balance batch by weights"], 2) == 2.37
    assert round(found["over that of the routed experts"], 2) == 1.34
    assert round(found["sequences per unit"]) == 12_686
    assert round(found["tokens per expert"]) == 396


def test_03_true_ratios_of_prefill_to_decode():
    found = values("C54")
    named = ("DeepSeek's day, hits included", "DeepSeek's profile", "GB200, NVFP4")
    assert [round(found[name], 2) for name in named] == [4.98, 3.37, 1.95]
    assert round(found["roofline of the day"], 2) == 3.22


def test_04_deepseek_decode_is_balanced():
    found = values("D07")
    assert round(found["memory"] * 1e3, 1) == 10.6
    assert round(found["compute with BF16 attention"] * 1e3, 1) == 10.8
    assert round(found["measured over the bound"], 2) == 0.23


def test_05_pipeline_stages_cancel_exactly_for_the_cache():
    found = values("C30")
    assert found["KV equal at every number of stages"] is True
    assert round(found["KV per GPU, 1 stage"] / 1e9, 1) == 131.8
    weights = [found[f"weights per GPU, {n} stage{'s' * (n > 1)}"] for n in (1, 2, 4, 8)]
    assert weights == [1e12 / 64 / n for n in (1, 2, 4, 8)]


def test_06_fast_mode_inverts_in_closed_form():
    found = values("C15")
    assert found["batch smaller by"] == pytest.approx(15.0, rel=1e-12)
    assert found["weights' share of the pass"] == pytest.approx(5 / 14, rel=1e-12)
    assert found["fastest possible"] == pytest.approx(4.0, rel=1e-12)  # the later pair's, under the same name
    stated = [figure for figure in lecture.evaluate("C15").figures if figure.profile == "stated"]
    assert stated[2].value == pytest.approx(2.8, rel=1e-12)


def test_07_hold_against_recompute():
    found = values("C60")
    assert found["lecture"] == pytest.approx(4_000, rel=1e-12)
    assert round(found["DeepSeek-V3 on GB200, FP8"]) == 78


def test_08_two_prices_contradict_each_other():
    kink, ratio = values("C50"), values("C52")
    assert round(kink["100B, 300"]) == 1_667
    assert ratio["at a mean of 20k"] == pytest.approx(75_000, rel=1e-12)
    # Both stand in the line of C52, one beside the other.
    assert "1,667 B" in lecture.evaluate("C52").recomputed
    assert "75 kB" in lecture.evaluate("C52").recomputed


def test_09_over_training_depends_on_the_fit():
    found = values("C46")
    assert found["Epoch"] == pytest.approx(28, rel=0.05)
    assert found["Hoffmann"] == pytest.approx(80, rel=0.05)


def test_10_floor_of_a_pass_is_the_weights():
    found = values("C16")
    assert round(found["DeepSeek-V3 FP8 on NVL72"] * 1e3, 2) == 1.16
    assert round(found["DeepSeek-V3 FP8 on 8 H100"] * 1e3, 1) == 25.0


def test_10_one_sequence_reads_the_experts_of_its_token_alone():
    found, penalty = values("C16"), values("C08")
    assert found["one sequence, its experts alone"] == pytest.approx(37.55e9 / 576e12, rel=0.01)
    assert found["one sequence on 8 H100"] == pytest.approx(37.55e9 / (8 * 3.35e12), rel=0.01)
    assert penalty["DeepSeek-V3 on GB200, its experts alone"] == pytest.approx(312.5, rel=0.01)


def test_11_expert_exchange_over_compute():
    found = values("D05")
    assert round(found["GB200 NVLink"], 2) == 1.21
    assert round(found["GB200 network"], 1) == 10.9


def test_12_release_gate_truth_table():
    found = values("W06")
    table = {
        ("below-high", "acceptable"): (True, True, True),
        ("below-high", "not-acceptable"): (False, False, False),
        ("high", "acceptable"): (True, True, False),
        ("high", "not-acceptable"): (False, False, False),
    }
    for (tier, residual), row in table.items():
        assert tuple(found[f"{tier}, {residual}, {mode}"] for mode in ("closed", "api", "open-weights")) == row
    assert (found["own products"], found["open weights"]) == (True, False)


def test_golden_lists_those_claims_in_that_order():
    order = ["C63", "C07", "C54", "D07", "C30", "C15", "C60", "C50", "C52", "C46", "C16", "D05", "W06"]
    results = lecture.golden()
    assert [result.id for result in results] == order
    assert all(result.ok for result in results)
    assert all(result.claim.golden for result in results)
