"""Laws on open data: the converged optimum, published intervals, hold-outs and the coverage of intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headway.facts.errors import InputError
from headway.scaling.allocation import by_law, envelope, isoflop
from headway.scaling.forms import LAWS, Point, form
from headway.scaling.intervals import interval, rolling_band
from headway.scaling.ladder import climb, forecasts, judge, place
from headway.scaling.laws import bootstrap, fit_law
from headway.scaling.runs import Runs, runs_of
from headway.training.life import effective_tokens


def test_converged_optimum_of_the_240_points(chinchilla):
    fit = fit_law("chinchilla", *chinchilla)
    assert fit.converged
    assert fit.objective == pytest.approx(0.001018274018, rel=1e-8)
    found = [f"{fit.constants[c]:.5g}" for c in ("A", "B")] + [f"{fit.constants[c]:.5f}" for c in "Eab"]
    assert found == ["477.83", "2143.4", "1.81722", "0.34731", "0.36717"]


def test_all_245_points_move_the_data_exponent(open_data):
    c = open_data.columns("chinchilla_epoch_extracted.csv")
    fit = fit_law("chinchilla", open_data.points(c["N_params"], c["D_tokens"], c["C_flop"]), c["loss"].astype(float))
    assert fit.constants["b"] == pytest.approx(0.4530, abs=5e-5)


def test_bootstrap_agrees_with_the_published_intervals(chinchilla):
    drawn = bootstrap(fit_law("chinchilla", *chinchilla), 1000, seed=2)
    assert drawn.converged.mean() > 0.99
    for column, low, high in ((2, 0.317, 0.373), (4, 0.331, 0.415)):
        found = np.percentile(drawn.theta[:, column], [2.5, 97.5])
        assert found == pytest.approx([low, high], rel=0.02)


def _chinchilla_errors(chinchilla, cut):
    """Mean absolute relative error of both forms, and of what `auto` would have chosen, above a compute."""
    at, loss = chinchilla
    seen = at.compute < cut
    past = runs_of(at, loss)
    ladder = climb(replace(past, at=at.take(seen), loss=loss[seen]), laws=("chinchilla", "tied"))
    found = {f.method: judge(f, loss[~seen]).error for f in forecasts(ladder, at.take(~seen))}
    return found["chinchilla"], found["tied"], found[ladder.chosen]


@pytest.mark.parametrize("cut", [1e20, 3e20, 1e21])
def test_chinchilla_holdout_of_the_form_that_is_chosen(chinchilla, cut):
    assert _chinchilla_errors(chinchilla, cut)[2] <= 0.0105


def test_the_free_form_misses_the_bar_by_its_residual(chinchilla):
    """1.0513%, where 1.05% was asked: the converged optimum of the free form, a miss that docs/ladder.md states."""
    free, tied, chosen = _chinchilla_errors(chinchilla, 1e21)
    assert free == pytest.approx(0.010513, abs=1e-6)
    assert tied == chosen
    assert chosen <= 0.0085


def _gadre(open_data, train_set, loss):
    c = open_data.columns("gadre_overtraining.csv")
    kept = c["train_set"] == train_set
    return (
        open_data.points(c["N_params"][kept], c["D_tokens"][kept]),
        c[loss][kept].astype(float),
        c["mult"][kept].astype(float),
    )


def test_tied_form_from_five_small_runs(open_data):
    """The recipe of Gadre et al.: four sizes at their token multiple of one, and one run over-trained 16 times."""
    at, loss, mult = _gadre(open_data, "rpj", "loss_c4_val")
    five = ((mult == 1) & (at.size < 1e9)) | ((mult == 16) & (at.size < 2e7))
    assert five.sum() == 5
    fit = fit_law("tied", at.take(five), loss[five], delta=np.inf)
    beyond = at.compute > at.compute[five].max()
    error = np.abs(fit.predict(at.take(beyond)) / loss[beyond] - 1)
    assert error.mean() <= 0.0075


def holdouts(open_data):
    """Every open hold-out: what was seen, what was not, and the loss."""
    c = open_data.columns("chinchilla_epoch_extracted.csv")
    kept = c["dropped_by_epoch"] == "0"
    at = open_data.points(c["N_params"][kept], c["D_tokens"][kept], c["C_flop"][kept])
    for cut in (1e20, 3e20, 1e21):
        yield at, c["loss"][kept].astype(float), at.compute < cut, at.compute >= cut
    c = open_data.columns("olmo_ladder_final.csv")
    at = open_data.points(c["N_params"], c["D_tokens"])
    for name in (key for key in c if key.startswith("ce_")):
        for largest in (("3B",), ("3B", "1B")):
            hidden = np.isin(c["size"], largest)
            yield at, c[name].astype(float), ~hidden, hidden
    for train_set in ("rpj", "c4", "rw"):
        for name in ("loss_c4_val", "loss_openlm", "loss_paloma_redpajama"):
            at, loss, mult = _gadre(open_data, train_set, name)
            for size in (1.2e9, 4e8):
                yield at, loss, at.size < size, at.size > size
            five = ((mult == 1) & (at.size < 1e9)) | ((mult == 16) & (at.size < 2e7))
            yield at, loss, five, at.compute > at.compute[five].max()


def test_intervals_cover_what_was_not_seen(open_data):
    inside: list[np.ndarray] = []
    for at, loss, seen, hidden in holdouts(open_data):
        few = seen.sum() < 12
        fit = fit_law("tied", at.take(seen), loss[seen], delta=np.inf if few else 1e-3)
        _, low, high = interval(fit, rolling_band(fit), at.take(hidden))
        inside.append((low <= loss[hidden]) & (loss[hidden] <= high))
    assert np.concatenate(inside).mean() >= 0.85
    assert np.mean([one.mean() for one in inside]) >= 0.85


@pytest.mark.parametrize(("law", "error"), [("tied", 0.0068), ("chinchilla", 0.0127)])
def test_intervals_hold_on_data_that_had_no_part_in_their_choice(open_data, law, error):
    c = open_data.columns("gemstones_hot.csv")
    at, loss = open_data.points(c["N_params"], c["tokens"]), c["loss"].astype(float)
    seen = (at.size < 1.1e9) & (at.tokens < 1.5e11)
    hidden = (at.size > 1.9e9) & (at.tokens > 1.5e11)
    assert hidden.sum() == 30
    fit = fit_law(law, at.take(seen), loss[seen])
    value, low, high = interval(fit, rolling_band(fit), at.take(hidden))
    assert np.mean(np.abs(value / loss[hidden] - 1)) <= error
    assert np.mean((low <= loss[hidden]) & (loss[hidden] <= high)) >= 0.85


@pytest.mark.parametrize(
    "law", ["chinchilla", "tied", "kaplan", "moe", "data-constrained", "data-and-size-constrained", "compute"]
)
def test_planted_constants_are_recovered(law):
    rng = np.random.default_rng(3)
    n, d = (x.ravel() for x in np.meshgrid(np.logspace(7.5, 10, 7), np.logspace(9, 11.5, 7)))
    at = Point(n, d, 6 * n * d, np.minimum(d, 1e10), rng.choice([1.0, 4.0, 16.0], len(n)))
    planted = {
        "chinchilla": [np.log(1.8), np.log(480), 0.35, np.log(2100), 0.37],
        "tied": [np.log(1.8), np.log(480), 0.35, np.log(2100)],
        "kaplan": [np.log(8.8e13), 0.076, np.log(5.4e13), 0.095],
        "moe": [np.log(1.8), np.log(480), 0.35, 0.12, np.log(2100), 0.37],
        "data-constrained": [np.log(1.8), np.log(480), 0.35, np.log(2100), 0.37, np.log(15.0)],
        "data-and-size-constrained": [
            *(np.log(1.8), np.log(480), 0.35, np.log(2100), 0.37),
            *(np.log(15.0), np.log(5.0)),
        ],
        "compute": [np.log(1.8), np.log(1500), 0.16],
    }[law]
    loss = np.exp(form(law, at).values(np.array([planted]))[0])
    assert fit_law(law, at, loss).theta == pytest.approx(planted, rel=1e-4, abs=1e-4)


#: Constants of Muennighoff et al. 2023 (README of huggingface/datablations), exponents tied.
MUENNIGHOFF = [0.62548, 6.2554, 0.35266, 7.3050, 0.35266, np.log(15.3878), np.log(5.3097)]


def _repeated(epochs: float, size: float, unique: float = 2.5e10) -> float:
    """Loss of the published data-constrained law."""
    at = Point(np.array([size]), np.array([unique * epochs]), unique=np.array([unique]))
    return float(np.exp(form("data-and-size-constrained", at).values(np.array([MUENNIGHOFF]))[0, 0]))


def test_repeated_tokens_are_worth_what_the_paper_says() -> None:
    """Four epochs cost little against fresh data, by sixteen the return is falling, at forty it is gone."""
    unique, size = 2.5e10, 1e9
    fresh = form("chinchilla", Point(np.array([size]), np.array([4 * unique])))
    gap = _repeated(4, size) / float(np.exp(fresh.values(np.array([MUENNIGHOFF[:5]]))[0, 0])) - 1
    assert 0 < gap < 0.005
    seen = [_repeated(e, size) for e in (1, 4, 16, 40, 1000)]
    assert seen == sorted(seen, reverse=True)
    assert (seen[3] - seen[4]) / (seen[0] - seen[4]) < 0.1
    worth = float(effective_tokens(40 * unique, unique, 15.3878)) / unique
    assert 15.0 < worth < 16.4


def test_parameters_beyond_the_optimum_of_the_data_are_in_excess() -> None:
    small, large = (_repeated(1, n) for n in (1e8, 2e8))
    data_only = form("data-constrained", Point(np.array([1e8]), np.array([2.5e10]), unique=np.array([2.5e10])))
    assert small == pytest.approx(float(np.exp(data_only.values(np.array([MUENNIGHOFF[:6]]))[0, 0])), rel=1e-12)
    assert large < small
    huge = [_repeated(1, n) for n in (1e11, 1e13, 1e15, 1e40)]
    assert huge[1] == pytest.approx(huge[2], rel=1e-6) == pytest.approx(huge[3], rel=1e-6)


def _sparse_runs() -> Runs:
    rng = np.random.default_rng(5)
    n, d = (x.ravel() for x in np.meshgrid(np.logspace(8, 9.7, 6), np.logspace(9.5, 11.2, 6)))
    s = rng.choice([1.0, 4.0, 16.0, 64.0], len(n))
    loss = (1.8 + 480 / (n**0.35 * s**0.12) + 2100 / d**0.37) * np.exp(rng.normal(0, 0.002, len(n)))
    return runs_of(Point(n, d, 6 * n * d, sparsity=s), loss)


def test_a_table_with_experts_or_repeated_tokens_is_read_by_their_law() -> None:
    ladder = climb(_sparse_runs(), laws=("chinchilla", "tied", "moe"))
    assert ladder.chosen == "moe"
    fit = ladder.method("moe").fit
    assert fit is not None
    assert float(fit.dense_worth(64.0)) == pytest.approx(64 ** (0.12 / 0.35), rel=0.15)
    with pytest.raises(InputError, match="--sparsity"):
        place(ladder, size=1e10, tokens=1e12)
    at = place(ladder, size=1e10, tokens=1e12, sparsity=32.0)
    truth = 1.8 + 480 / (1e10**0.35 * 32**0.12) + 2100 / 1e12**0.37
    told = forecasts(ladder, at)[0]
    assert told.method == "moe"
    assert float(told.low[0]) <= truth <= float(told.high[0])
    with pytest.raises(InputError, match="SIZE:TOKENS"):
        place(ladder, 1e24)
    n, d = (x.ravel() for x in np.meshgrid(np.logspace(8, 9.7, 6), np.logspace(9.5, 11.2, 6)))
    at = Point(n, d, 6 * n * d, unique=np.full(len(n), 1e10))
    loss = np.exp(form("data-constrained", at).values(np.array([MUENNIGHOFF[:6]]))[0])
    assert climb(runs_of(at, loss), laws=("chinchilla", "tied", "data-constrained")).chosen == "data-constrained"


def test_a_rung_may_be_a_size_and_tokens(chinchilla) -> None:
    ladder = climb(runs_of(*chinchilla), laws=("tied",), method="tied")
    at = place(ladder, size=70e9, tokens=1.4e12)
    assert at.compute.tolist() == [6 * 70e9 * 1.4e12]
    fit = ladder.method("tied").fit
    assert float(forecasts(ladder, at)[0].value[0]) == pytest.approx(float(fit.predict(at)[0]), rel=1e-12)
    bare = climb(runs_of(Point(compute=at.compute * np.logspace(-6, -3, 9)), np.linspace(3, 2.4, 9)))
    with pytest.raises(InputError, match="no size and tokens"):
        place(bare, size=70e9, tokens=1.4e12)


def test_intervals_of_a_planted_law_cover_nominally():
    rng = np.random.default_rng(11)
    n, d = (x.ravel() for x in np.meshgrid(np.logspace(8, 9.5, 6), np.logspace(9.5, 11, 6)))
    far = Point(np.array([2e10]), np.array([4e11]), np.array([6 * 2e10 * 4e11]))
    truth = 1.8 + 480 / 2e10**0.35 + 2100 / 4e11**0.37
    hits = []
    for _ in range(40):
        loss = (1.8 + 480 / n**0.35 + 2100 / d**0.37) * np.exp(rng.normal(0, 0.003, len(n)))
        fit = fit_law("chinchilla", Point(n, d, 6 * n * d), loss, picked=2)
        _, low, high = interval(fit, rolling_band(fit), far)
        hits.append(bool(low[0] <= truth <= high[0]))
    assert np.mean(hits) >= 0.85


def test_approaches_agree_on_a_planted_law():
    c = np.repeat(np.logspace(18, 21, 4), 7)
    n = 0.1 * np.sqrt(c) * np.tile(np.logspace(-0.5, 0.5, 7), 4)
    at = Point(n, c / 6 / n, c)
    loss = 1.8 + 480 / at.size**0.35 + 2100 / at.tokens**0.37
    law = by_law(fit_law("chinchilla", at, loss), 1e21)
    assert isoflop(at, loss, 1e21).size == pytest.approx(law.size, rel=0.1)
    c = np.repeat(np.logspace(18, 21, 4), 61)
    n = 0.1 * np.sqrt(c) * np.tile(np.logspace(-0.5, 0.5, 61), 4)
    fine = 1.8 + 480 / n**0.35 + 2100 / (c / 6 / n) ** 0.37
    found = envelope(Point(n, c / 6 / n, c), fine, 1e21)
    assert found.size == pytest.approx(law.size, rel=0.05)
    assert found.exponent == pytest.approx(law.exponent, abs=0.02)


def test_pinned_forms_need_their_asymptote(chinchilla):
    with pytest.raises(InputError, match="asymptote"):
        fit_law("pinned", *chinchilla)
    free = fit_law("chinchilla", *chinchilla)
    held = fit_law("pinned", *chinchilla, asymptote=free.constants["E"])
    assert held.constants["a"] == pytest.approx(free.constants["a"], rel=1e-5)


def test_every_law_names_its_source():
    assert all(law.source and law.equation for law in LAWS.values())


def test_a_bad_rung_is_flagged_and_kept():
    c = np.logspace(18, 21, 20)
    loss = (1.7 + 300 * c**-0.13) * np.exp(0.002 * np.sin(np.arange(20.0)))
    loss[7] *= 1.05
    fit = fit_law("compute", Point(compute=c), loss)
    assert fit.flagged() == (7,)
    assert len(fit.loss) == 20
