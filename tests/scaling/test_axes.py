"""Rewards, tries, tasks, tokens, agents: planted parameters come back, and what is not identified is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.facts.errors import InputError
from headway.scaling.coverage import Problems, fit_curve_of_problems, fit_problems, selected
from headway.scaling.efficiency import architectures, frontier, ock_score, penalised_length, usd_per_solved
from headway.scaling.saturating import fit_saturation
from headway.scaling.tasks import fit_curve, fit_task, forecast_task

POPULATIONS = [(0.15, 5.0), (0.3, 3.0), (0.6, 2.0)]
NONE = np.zeros((2, 2))
# The tasks of Bhagia et al. that are one task each.
SCORES = (
    "arc_challenge_test", "arc_easy_test", "csqa_val", "hellaswag_val", "openbookqa_test", "piqa_val", "socialiqa_val",
)  # fmt: skip


def _rewards(reach, rng, noise=0.01):
    c = np.logspace(1, np.log10(300 * reach), 40)
    return c, 0.2 + 0.41 / (1 + (300 / c) ** 2) + noise * rng.normal(size=40)


def test_asymptote_is_recovered_at_nominal_coverage():
    rng = np.random.default_rng(5)
    hits = []
    for _ in range(60):
        fit = fit_saturation(*_rewards(5, rng))
        assert fit.asymptote is not None
        hits.append(fit.asymptote_low <= 0.61 <= fit.asymptote_high)
    assert 0.80 <= np.mean(hits) <= 0.99


@pytest.mark.parametrize("reach", [0.7, 1.0, 1.4])
def test_asymptote_asked_for_too_early_is_refused(reach):
    rng = np.random.default_rng(6)
    for _ in range(10):
        fit = fit_saturation(*_rewards(reach, rng))
        assert fit.asymptote is None
        assert "asymptote" in fit.reason


@pytest.mark.parametrize(("easy", "hard"), POPULATIONS)
def test_ten_thousand_tries_from_one_hundred(easy, hard):
    truth = float(Problems(easy, hard, NONE, 0, True).pass_at([10_000])[0])
    k = np.array([1, 2, 5, 10, 20, 50, 100])
    curve = fit_curve_of_problems(k, Problems(easy, hard, NONE, 0, True).pass_at(k))
    assert float(curve.pass_at([10_000])[0]) == pytest.approx(truth, abs=1e-4)
    rng = np.random.default_rng(0)
    errors, hits = [], []
    for _ in range(20):
        fit = fit_problems(rng.binomial(100, rng.beta(easy, hard, 1000)), 100)
        low, high = fit.interval(10_000)
        errors.append(abs(float(fit.pass_at([10_000])[0]) - truth))
        hits.append(bool(low[0] <= truth <= high[0]))
    assert np.mean(errors) <= 0.03
    assert np.mean(hits) >= 0.85


@pytest.mark.parametrize(("easy", "hard"), POPULATIONS)
def test_agents_are_recovered_from_single_tries(easy, hard):
    """Twenty tries of one agent on 500 tasks: the planted population, and what sixteen agents make of it."""
    truth, rng = Problems(easy, hard, NONE, 0, True), np.random.default_rng(1)
    hits, best = [], []
    planted = {(a.agents, a.selector): a.score for a in architectures(truth, [1, 4, 16], 8000, 0.01)}
    runnable = [key for key in planted if key[1] != "oracle"]
    for _ in range(40):
        fit = fit_problems(rng.binomial(20, rng.beta(easy, hard, 500)), 20)
        half = 1.6449 * np.sqrt(np.diag(fit.covariance))
        hits.append(np.abs(np.log([fit.easy / easy, fit.hard / hard])) <= half)
        found = {(a.agents, a.selector): a.score for a in architectures(fit, [1, 4, 16], 8000, 0.01)}
        assert max(abs(found[key] - planted[key]) for key in planted) <= 0.05
        best.append(max(runnable, key=found.__getitem__) == max(runnable, key=planted.__getitem__))
    assert 0.80 <= np.mean(hits) <= 0.99
    assert np.mean(best) >= 0.87


def test_selectors_stay_below_the_oracle():
    one = Problems(0.6, 2.0, NONE, 0, True)
    k = [1, 10, 100, 1000]
    oracle, verifier, vote, single = (selected(one, k, s) for s in ("oracle", "verifier", "vote", "single"))
    assert np.all(oracle >= verifier - 1e-3)
    assert np.all(verifier >= single - 1e-3)
    assert np.all(oracle >= vote - 1e-3)
    assert np.ptp(verifier[2:]) < 0.01  # selection is flat where coverage still grows


def test_counts_are_checked():
    for right, tries in (([5, 1, 1], 3), ([0, 0, 0], 9), ([1, 2], 9)):
        with pytest.raises(InputError):
            fit_problems(right, tries)


def test_task_scores_of_the_largest_rung_from_the_smaller(open_data):
    from headway.scaling.forms import Point
    from headway.scaling.runs import read_runs

    path = str(open_data.shared("olmo_ladder_final.csv"))
    hidden = open_data.columns("olmo_ladder_final.csv")["size"] == "3B"
    errors, covered = [], []
    for name in SCORES:
        runs = read_runs(path, target=f"bpb_{name}", extra=(f"acc_{name}",))
        score = runs.extra[f"acc_{name}"]
        assert isinstance(runs.at, Point)
        seen = runs.__class__(
            runs.path, runs.names, runs.at.take(~hidden), runs.loss[~hidden], runs.rows, "l", (), runs.extra, ()
        )
        found = forecast_task(fit_task(seen, score[~hidden]), runs.at.take(hidden))
        errors.append(np.abs(found.value - score[hidden]).mean())
        covered.append(((found.low <= score[hidden]) & (score[hidden] <= found.high)).mean())
    assert np.mean(errors) <= 0.03
    assert np.mean(covered) >= 0.85


def test_the_upper_asymptote_can_be_left_free():
    loss = np.linspace(0.5, 3.0, 30)
    curve = fit_curve(loss, 0.8 - 0.55 / (1 + np.exp(-4 * (loss - 1.2))), top=None)
    assert curve.top == pytest.approx(0.8, abs=1e-3)


def test_frontier_and_scores():
    assert ock_score(0.5, 0.0) == pytest.approx(50.0)
    assert usd_per_solved(1.0, 0.25) == pytest.approx(4.0)
    assert frontier([0.5, 0.5], [10, 10], [1, 1]).tolist() == [True, True]


@settings(max_examples=8)
@given(st.floats(1e-8, 1e-4), st.floats(1.1, 10.0))
def test_a_dearer_token_never_lengthens_thought(penalty, factor):
    t = np.logspace(2, 5, 30)
    curve = fit_saturation(t, 0.2 + 0.5 / (1 + (2000 / t) ** 1.2))
    tokens, score = penalised_length(curve, [penalty, penalty * factor])
    assert tokens[1] <= tokens[0]
    assert score[1] <= score[0] + 1e-12


def test_architectures_keep_to_their_limits():
    one = Problems(0.6, 2.0, NONE, 0, True)
    found = architectures(one, [1, 4, 16], 8000, 0.01, prefix=10_000, variation=0.5, latency=100.0)
    assert {a.agents for a in found if a.allowed} == {1}
    assert next(a.latency for a in found if a.agents == 1) == pytest.approx(81.0)
