"""The command ``headway train plan``: where a layout stands, what memory is kept back, and what is refused."""

from __future__ import annotations

import pytest

ASKED = ("train", "plan", "llama-3.1-405b", "--on", "hgx-h100", "--gpus", "16384", "--tokens", "15.6T")


def test_a_layout_that_is_asked_for_stands_among_all(headway) -> None:
    found = headway(*ASKED, "--tp", "8", "--pp", "16", "--cp", "1", "--json").json()
    assert [plan["layout"] for plan in found["plans"]] == ["TP8 DP128 PP16"]
    assert 1.0 <= found["time_over_fastest"] <= 1.05
    assert found["share_faster"] <= 0.05
    shown = headway(*ASKED, "--tp", "8", "--pp", "16", "--cp", "1")
    assert "longer than the fastest that fits" in " ".join(shown.out.split())
    assert all(len(line) <= 80 for line in shown.out.splitlines())
    free = headway(*ASKED, "--json").json()
    assert (free["time_over_fastest"], free["share_faster"]) == (1.0, 0.0)
    assert free["fitting"] == found["fitting"]


def test_memory_that_is_kept_back(headway) -> None:
    most, least = (headway(*ASKED, "--reserve", amount, "--json").json() for amount in ("0 GB", "20 GB"))
    assert most["fitting"] > least["fitting"]
    assert least["memory_bytes_by_kind"]["reserve"] == 20e9
    none = headway(*ASKED, "--reserve", "80 GB", "--json")
    assert none.code == 1
    assert not none.json()["feasible"]


@pytest.mark.parametrize(
    ("more", "said"), [(("--tp", "7"), "TP7"), (("--reserve", "-1GB"), "reserve"), (("--ep", "0"), "ep")]
)
def test_refusals(headway, more: tuple[str, ...], said: str) -> None:
    found = headway(*ASKED, *more)
    assert found.code == 2
    assert said in found.err
    assert found.err.count("\n") == 1


def test_reinforcement_learning_asks_whether_the_trainer_fits(headway) -> None:
    asked = ("train", "rl", "deepseek-v3", "--on", "hgx-h200", "--replicas", "1", "--rollouts", "16")
    tight = headway(*asked, "--train-dp", "1", "--train-tp", "1", "--json")
    assert tight.code == 1
    found = tight.json()
    assert not found["feasible"]
    assert "optimiser" in found["reason"]
    assert "round_s" not in found
    wide = ("--train-tp", "1", "--train-dp", "128", "--train-ep", "64", "--train-zero")
    assert headway(*asked, *wide, "1", "--json").code == 1
    assert headway(*asked, *wide, "3", "--json").json()["feasible"]


def test_a_budget_says_one_size_everywhere(headway) -> None:
    asked = ("train", "budget", "--serve", "450T", "--leverage", "4", "--success", "50%")
    found = headway(*asked, "--json").json()
    least, stated = found["choices"][0], found["choices"][-1]
    assert found["params"] == least["params"]
    assert found["lifetime_flops"] == least["flops"] == pytest.approx(sum(found["flops"].values()))
    assert stated["params"] == 100e9
    assert f"{found['params'] / 1e9:.1f}B active" in headway(*asked).out


def test_distinct_tokens_are_read_again(headway) -> None:
    found = headway("train", "budget", "--serve", "450T", "--unique", "1T", "--json")
    assert found.code == 0
    assert found.json()["tokens_with_repetition"] > found.json()["tokens"]
    assert headway("train", "budget", "--serve", "450T", "--unique", "0.05T").code == 1


def test_a_rule_that_cannot_reach_the_loss_has_no_figure(headway) -> None:
    assert "e8%" not in headway("train", "budget", "--serve", "0").out


def test_a_schedule_that_cannot_run_leaves_the_others(headway) -> None:
    asked = ("train", "plan", "llama-3.1-8b", "--on", "hgx-h100", "--gpus", "8", "--batch", "9", "--schedule")
    found = headway(*asked, "interleaved,dualpipe", "--json")
    assert found.code == 0
    assert {row["schedule"] for row in found.json()["plans"]} <= {"interleaved", "1f1b"}
    (why,) = found.json()["left_out"]
    assert why.startswith("dualpipe")
    assert "even number of stages" in why
    alone = headway(*asked, "dualpipe")
    assert alone.code == 2
    assert "even number of stages" in alone.err


def test_a_cost_says_its_rent(headway) -> None:
    asked = ("train", "plan", "llama-3.1-8b", "--on", "hgx-h100", "--gpus", "8", "--batch", "16")
    free, own = headway(*asked).out, headway(*asked, "--price", "$9/GPU-h").out
    assert "first tariff" in " ".join(free.split())
    assert "cost at $9/GPU-h" in own
