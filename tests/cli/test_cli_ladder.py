"""The command ``headway ladder``, and what the commands of training say at the edges."""

from __future__ import annotations

from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "ladder"
RUNS = str(EXAMPLES / "runs.csv")


def test_rungs_are_a_compute_or_a_size_and_tokens(headway) -> None:
    found = headway("ladder", "fit", RUNS, "--predict", "1e24,70B:15T", "--json").json()
    first, second = found["predictions"]
    assert (first["at"], second["params"], second["tokens"]) == (1e24, 70e9, 15e12)
    assert second["at"] == pytest.approx(6 * 70e9 * 15e12)
    assert second["low"] < second["value"] < second["high"]
    assert second["method"] == found["chosen"]
    scored = headway("ladder", "fit", RUNS, "--target", "qa_loss", "--score", "protocol-qa", "--predict", "70B:15T")
    assert (scored.code, scored.err) == (0, "")
    assert "6.3e+24 FLOP" in scored.out


def test_residuals_are_drawn_and_listed(headway) -> None:
    shown = headway("ladder", "fit", RUNS, "--residuals")
    assert "leaves of each run" in shown.out
    assert all(len(line) <= 80 for line in shown.out.splitlines())
    rows = headway("ladder", "fit", RUNS, "--json").json()["residuals"]
    assert len(rows) == 18
    assert all(abs(row["log_residual"]) < 0.02 and not row["flagged"] for row in rows)


def test_a_table_with_experts_says_what_they_are_worth(headway, tmp_path) -> None:
    lines = ["params,tokens,sparsity,loss"]
    for i, n in enumerate((1e8, 2e8, 4e8, 8e8, 16e8)):
        for j, d in enumerate((4e9, 1e10, 3e10, 8e10)):
            s = (1, 4, 16, 64)[(i + j) % 4]
            lines.append(f"{n},{d},{s},{1.8 + 480 / (n**0.35 * s**0.12) + 2100 / d**0.37}")
    path = tmp_path / "experts.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    found = headway("ladder", "fit", str(path), "--predict", "10B:1T", "--sparsity", "32", "--json").json()
    assert found["chosen"] == "moe"
    assert found["predictions"][0]["value"] == pytest.approx(1.8 + 480 / (1e10**0.35 * 32**0.12) + 2100 / 1e12**0.37)
    assert "--leverage" in headway("ladder", "fit", str(path)).out
    assert "--sparsity" in headway("ladder", "fit", str(path), "--predict", "10B:1T").err


@pytest.mark.parametrize("rung", ["70B:", ":1T", "70B:15gallons", "0:1T", "70B:-1T", "1e24:", "many", "70B"])
def test_wrong_rungs_are_one_line(headway, rung: str) -> None:
    found = headway("ladder", "fit", RUNS, "--predict", rung)
    assert found.code == 2
    assert "--predict" in found.err
    assert len(found.err.strip().splitlines()) == 1


@pytest.mark.parametrize(("serve", "said"), [("1e30", "6.746e24 tok"), ("450T", "61.77T tok"), ("0", "6.803T tok")])
def test_a_budget_has_a_title_that_can_be_read(headway, serve: str, said: str) -> None:
    assert said in headway("train", "budget", "--serve", serve).out.splitlines()[0]


def test_a_law_without_errors_has_no_interval(headway) -> None:
    found = headway("train", "budget", "--serve", "450T", "--law", "hoffmann-2022", "--json").json()
    assert found["overtraining_95"] == [None, None]
    assert "95% from" not in headway("train", "budget", "--serve", "450T", "--law", "hoffmann-2022").out


def test_a_rung_may_carry_its_unit(headway) -> None:
    bare, said = (headway("ladder", "fit", RUNS, "--predict", rung, "--json").json() for rung in ("1e24", "1000 ZFLOP"))
    assert bare["predictions"] == said["predictions"]


def test_a_vote_is_said_to_be_a_lower_bound(headway) -> None:
    counts = str(Path(RUNS).parent / "counts.csv")
    told = "lower bound"
    assert told in headway("ladder", "passk", counts, "--selector", "vote").out
    assert told not in headway("ladder", "passk", counts, "--selector", "verifier").out
    assert told in headway("ladder", "agents", counts).out


def test_a_loss_that_rises_is_warned_of(headway, tmp_path) -> None:
    path = tmp_path / "rising.csv"
    rows = [f"{1e8 * 2**i:g},{2e9 * 2**i:g},{2.0 * 1.06**i:g}" for i in range(6)]
    path.write_text("\n".join(("size,tokens,loss", *rows)), encoding="utf-8")
    assert "rises with compute" in " ".join(headway("ladder", "fit", str(path)).out.split())
    assert headway("ladder", "fit", str(path), "--json").json()["rising"]
    assert not headway("ladder", "fit", RUNS, "--json").json()["rising"]
