"""Planted ladders and curves: what is planted is what is there, and scores without a rise are fitted all the same."""

from __future__ import annotations

import numpy as np
import pytest

from headway.facts.scaling_laws import loss_law
from headway.physics.lifetime import loss
from headway.physics.parallel_agents import pass_at_n
from headway.scaling.coverage import spread_problems
from headway.scaling.efficiency import spent
from headway.scaling.ladder import climb, forecasts, half_width, place, places
from headway.scaling.planted import planted_runs, planted_saturation, planted_scores
from headway.scaling.saturating import fit_saturation
from headway.scaling.tables import read_results
from headway.scaling.tasks import fit_task, forecast_task

LAW = loss_law("epoch-2024-converged")


@pytest.mark.parametrize("largest", [1e20, 1e22, 1e25])
def test_runs_without_scatter_are_the_law(largest: float) -> None:
    runs = planted_runs(LAW, 0.0, largest=largest)
    assert runs.at.compute.max() == pytest.approx(largest, rel=1e-3)
    np.testing.assert_allclose(runs.loss, loss(LAW, runs.at.size, runs.at.tokens))


def test_many_places_are_the_places_of_each() -> None:
    ladder = climb(planted_runs(LAW), laws=("tied",), method="tied")
    every = places(ladder, [1e22, 1e24])
    for i, compute in enumerate((1e22, 1e24)):
        one = place(ladder, compute)
        assert every.size[i] == pytest.approx(float(np.ravel(one.size)[0]))
        assert every.tokens[i] == pytest.approx(float(np.ravel(one.tokens)[0]))
    wide = half_width(forecasts(ladder, every)[0])
    assert wide[1] > wide[0] > 0


def test_a_planted_score_is_forecast() -> None:
    runs = planted_runs(LAW)
    task = fit_task(runs, planted_scores(runs), method="tied")
    at = places(task.ladder, [1e23])
    truth = planted_scores(planted_runs(LAW, 0.0), noise=0.0)
    found = forecast_task(task, at)
    assert truth.min() < found.value[0] < 1.0
    assert found.low[0] < found.value[0] < found.high[0]


@pytest.mark.parametrize(("start", "top"), [(0.2, 0.2), (0.6, 0.2), (0.0, 0.2)])
@pytest.mark.parametrize("seed", range(4))
def test_scores_without_a_rise_are_fitted_without_an_error(start: float, top: float, seed: int) -> None:
    at, score, _ = planted_saturation(start, top, 3000.0, 0.5, reach=0.5, seed=seed)
    found = fit_saturation(at, score)
    assert all(np.isfinite(v).all() for v in found.predict(at))
    if start == top:
        assert found.asymptote is None or abs(found.asymptote - top) < 0.2


def test_a_flat_line_is_a_flat_line() -> None:
    at, score, _ = planted_saturation(0.2, 0.2, 3000.0, 1.2, reach=10.0, noise=0.0)
    found = fit_saturation(at, score)
    np.testing.assert_allclose(found.predict(at)[0], 0.2)


@pytest.mark.parametrize("chance", [0.01, 0.3, 0.9])
def test_the_spread_moves_between_alike_and_all_or_nothing(chance: float) -> None:
    tries = np.array([1.0, 4.0, 64.0])
    alike = spread_problems(chance, 1e-7).pass_at(tries)
    np.testing.assert_allclose(alike, pass_at_n(chance, tries.astype(int)), rtol=1e-3)
    np.testing.assert_allclose(spread_problems(chance, 0.9999).pass_at(tries), chance, rtol=2e-2)


def test_what_is_spent_is_what_a_table_of_results_says() -> None:
    for row in read_results("examples/ladder/results.csv"):
        found = spent(row.score, row.tokens, row.usd / row.tokens * 1e6)
        assert float(found.usd) == pytest.approx(row.usd)
        assert float(found.usd_per_solved) == pytest.approx(row.usd_per_solved)
        assert float(found.ock) == pytest.approx(row.ock)
