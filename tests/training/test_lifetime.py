"""The lifetime optimum against brute force, and the talk's ratios."""

from __future__ import annotations

import csv
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headway.facts.errors import InputError
from headway.facts.scaling_laws import LOSS_LAWS, loss_law
from headway.physics.lifetime import optimal_size
from headway.scaling.forms import Point
from headway.scaling.laws import bootstrap, fit_law
from headway.training.choices import choices, valley
from headway.training.life import effective_tokens
from headway.training.lifetime import (
    best_relative_cost,
    budget,
    equalise_excess,
    overtraining_interval,
    reference_ratio,
    relative_cost,
    rho_for,
    same_loss,
)
from headway.training.repetition import brute_force, tokens_to_read

EPOCH, HOFFMANN = loss_law("epoch-2024-converged"), loss_law("hoffmann-2022")


@pytest.mark.parametrize(
    ("name", "size", "serve"), list(itertools.product(sorted(LOSS_LAWS), (1e9, 100e9, 1e12), (0.0, 1e12, 150e12, 5e15)))
)
def test_closed_form_equals_brute_force(name: str, size: float, serve: float) -> None:
    law = loss_law(name)
    best = optimal_size(law, serve, size, 300 * size)
    _, tokens, cost = brute_force(law, best.loss - law.irreducible, 2.0 * serve)
    assert best.lifetime_flops == pytest.approx(cost, rel=1e-9)
    assert best.tokens == pytest.approx(tokens, rel=1e-4)
    bare = optimal_size(law, 0.0, size, 300 * size)
    told = same_loss(law.size_exponent, law.data_exponent, best.demand_over_pretraining)
    assert best.tokens / bare.tokens == pytest.approx(told.tokens_ratio, rel=1e-6)
    assert best.params / bare.params == pytest.approx(told.params_ratio, rel=1e-6)
    a, b = law.size_exponent, law.data_exponent
    left = a * law.size_coefficient * best.params**-a
    right = (1.0 + best.demand_over_pretraining) * b * law.data_coefficient * best.tokens**-b
    assert left == pytest.approx(right, rel=1e-9)


def test_three_equal_costs_mean_21_or_37_and_not_75() -> None:
    epoch = same_loss(EPOCH.size_exponent, EPOCH.data_exponent, 2.0)
    assert round(epoch.overtraining) == 21
    assert epoch.saving == pytest.approx(0.55, abs=0.01)
    assert round(same_loss(HOFFMANN.size_exponent, HOFFMANN.data_exponent, 2.0).overtraining) == 37
    for law in (EPOCH, loss_law("epoch-2024")):
        assert [round(end) for end in overtraining_interval(law, 2.0)] == [17, 26]
    assert all(math.isnan(end) for end in overtraining_interval(HOFFMANN, 2.0))


def test_errors_of_the_exponents_are_those_of_a_bootstrap(shared: Path) -> None:
    """The room of scaling refits the extracted points; the training room must not call it, so it keeps the figures."""
    with (shared / "data" / "scaling" / "chinchilla_epoch_extracted.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["dropped_by_epoch"] == "0"]
    size, tokens, compute, loss = (
        np.array([float(r[k]) for r in rows]) for k in ("N_params", "D_tokens", "C_flop", "loss")
    )
    drawn = bootstrap(fit_law("chinchilla", Point(size=size, tokens=tokens, compute=compute), loss), 1000)
    a, b = drawn.theta[:, 2], drawn.theta[:, 4]
    assert EPOCH.exponent_errors is not None
    size_error, data_error, together = EPOCH.exponent_errors
    assert size_error == pytest.approx(a.std(), rel=0.1)
    assert data_error == pytest.approx(b.std(), rel=0.1)
    assert together == pytest.approx(np.corrcoef(a, b)[0, 1], abs=0.1)
    ends = np.percentile(same_loss(a, b, 2.0).overtraining, [2.5, 97.5])
    assert ends == pytest.approx([16.6, 25.4], rel=0.04)


def test_75_only_with_its_inputs() -> None:
    assert reference_ratio(EPOCH, 100e9, 150e12) == (75.0, pytest.approx(92, abs=0.5))
    assert reference_ratio(HOFFMANN, 100e9, 150e12)[1] == pytest.approx(17.3, abs=0.1)
    assert [round(rho_for(law, 75.0), 1) for law in (EPOCH, HOFFMANN)] == [3.7, 2.7]


@pytest.mark.parametrize(("law", "ends"), [(EPOCH, (5.1, 64.0)), (HOFFMANN, (6.2, 119.0))], ids=["epoch", "hoffmann"])
def test_the_valley_is_flat_and_has_an_end(law: object, ends: tuple[float, float]) -> None:
    inside = equalise_excess(law, np.geomspace(*ends, 50))  # type: ignore[arg-type]
    assert float(np.max(inside)) < 0.051


def test_equal_costs_fail_below_three() -> None:
    found = equalise_excess(EPOCH, [0.1, 1.0, 3.0, 13.7])
    assert math.isinf(found[0])
    assert found[1:3].round(2).tolist() == [1.19, 0.16]
    assert found[3] < 1e-4


@settings(max_examples=60, deadline=None)
@given(st.floats(0.0, 1e3), st.floats(0.05, 50.0))
def test_nothing_is_cheaper_than_the_best(q: float, ratio: float) -> None:
    assert float(relative_cost(EPOCH, ratio, q)) >= float(best_relative_cost(EPOCH, q)) * (1 - 1e-9)


def test_equal_tokens_are_not_equal_costs() -> None:
    tokens = budget(EPOCH, 150e12, 100e9, 150e12)
    costs = budget(EPOCH, 450e12, 100e9, 150e12)
    stated = [choices(EPOCH, b, 100e9, 150e12)[-1]["excess"] for b in (tokens, costs)]
    assert stated == [pytest.approx(0.57, abs=0.01), pytest.approx(0.15, abs=0.01)]


def test_repetition_leverage_and_failure() -> None:
    free = budget(EPOCH, 150e12, 100e9, 150e12)
    tight = budget(EPOCH, 150e12, 100e9, 150e12, unique=10e12)
    assert tight.best.tokens < free.best.tokens
    assert tight.best.params > free.best.params
    assert effective_tokens(tight.effective_tokens, 10e12) == pytest.approx(tight.best.tokens, rel=1e-9)
    short = budget(EPOCH, 150e12, 100e9, 150e12, unique=0.05e12)
    assert not short.feasible
    assert "distinct" in short.reason
    assert choices(EPOCH, short, 100e9, 150e12)[0]["flops"] is None
    assert budget(EPOCH, 150e12, 100e9, 150e12, leverage=3.0).best.params > free.best.params
    assert budget(EPOCH, 150e12, 100e9, 150e12, success=0.5).best.tokens < free.best.tokens


@pytest.mark.parametrize("unique", [1e12, 4e12, 100e12])
def test_short_of_distinct_tokens_nothing_is_cheaper(unique: float) -> None:
    found = budget(EPOCH, 450e12, 100e9, 150e12, unique=unique)
    assert found.feasible
    worth = found.best.tokens * np.geomspace(0.2, 5.0, 4001)
    left = found.best.loss - EPOCH.irreducible - EPOCH.data_coefficient * worth**-EPOCH.data_exponent
    worth, left = worth[left > 0], left[left > 0]
    size = (EPOCH.size_coefficient / left) ** (1.0 / EPOCH.size_exponent)
    life = size * (6.0 * np.asarray(tokens_to_read(worth, unique)) + 2.0 * 450e12)
    assert found.expected_flops == pytest.approx(life.min(), rel=1e-5)
    assert found.expected_flops <= life.min() * (1.0 + 1e-12)
    rows = choices(EPOCH, found, 100e9, 150e12)
    assert rows[0]["flops"] == pytest.approx(found.expected_flops, rel=1e-12)
    assert rows[2]["excess"] == pytest.approx(found.equalise_excess, rel=1e-6)


@pytest.mark.parametrize("change", [{"leverage": 4.0}, {"success": 0.25}, {"leverage": 3.0, "unique": 5e12}])
def test_the_choices_are_of_the_budget(change: dict[str, float]) -> None:
    found = budget(EPOCH, 450e12, 100e9, 150e12, **change)  # type: ignore[arg-type]
    rows = choices(EPOCH, found, 100e9, 150e12)
    assert (rows[0]["params"], rows[-1]["params"]) == (found.params, 100e9)
    assert rows[0]["flops"] == pytest.approx(found.expected_flops, rel=1e-12)
    assert rows[0]["excess"] == 0.0
    assert all(row["excess"] is None or row["excess"] >= 0 for row in rows)


@pytest.mark.parametrize("unique", [None, 2e12])
def test_the_drawn_valley_touches_the_floor(unique: float | None) -> None:
    drawn = valley(EPOCH, budget(EPOCH, 150e12, 100e9, 150e12, unique=unique))
    assert drawn.cost_ratio.min() == pytest.approx(1.0, abs=1e-3)
    assert (drawn.cost_ratio >= 1 - 1e-9).all()


@pytest.mark.parametrize("change", [{"serve": -1.0}, {"efficiency": 0.0}, {"success": 1.5}, {"leverage": float("nan")}])
def test_refusals(change: dict[str, float]) -> None:
    serve = change.pop("serve", 1e12)
    with pytest.raises(InputError):
        budget(EPOCH, serve, 100e9, 150e12, **change)  # type: ignore[arg-type]
