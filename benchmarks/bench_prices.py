"""Score every specification of the price inversion over 20 splits by family, and write the report.

    python benchmarks/bench_prices.py            print
    python benchmarks/bench_prices.py --write    also write docs/price_scores.md

Splits: families in random order go to the test side until it has 10 to 13 of the 34 open models. Everything is
learned anew in each split: hosts' levels, priors, coefficients. No row was chosen by
its score here: the package answers with the equal mixture because neither form is more plausible beforehand.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from headway.pricing.forms import (
    active_only_likelihood,
    fit_log_linear,
    fit_physics,
    log_linear_likelihood,
    physics_likelihood,
)
from headway.pricing.hosts import Levels, host_effects, levels_given
from headway.pricing.offers import Quotes, open_offers, quotes
from headway.pricing.posterior import belief
from headway.pricing.scoring import SCORED, interval_score
from headway.pricing.sizes import family_weights, grid, log_prior, normalised

Floats = NDArray[np.float64]
PAGE = Path(__file__).resolve().parents[1] / "docs" / "price_scores.md"
SPLITS, LEAST, MOST = 20, 10, 13
SPECIFICATIONS = MappingProxyType(
    {
        "prior only, normal": "bivariate normal of the training models' log sizes",
        "prior only": "dense or mixture of experts, families weighted",
        "active only": "p = c N_a; median prices, normal prior (the lecture's law)",
        "prototype, physics": "p = c_a N_a + c_t N_t; median prices, normal prior, models weighted alike",
        "prototype, log-linear": "log-linear; median prices, normal prior, models weighted alike",
        "log-linear, normal prior": "hosts taken out; normal prior; models weighted alike",
        "physics, normal prior": "hosts taken out; normal prior; models weighted alike",
        "log-linear, medians": "as log-linear, but medians over hosts",
        "log-linear, models alike": "as log-linear, but models weighted alike",
        "log-linear": "hosts taken out, dense-or-experts prior, families weighted",
        "physics": "the same with p = c_a N_a + c_t N_t",
        "equal mixture": "log-linear and physics with equal weight",
    }
)


def normal_prior(log_size: Floats) -> Floats:
    """Student-t of a bivariate normal with unknown mean and spread, on the points that are not dense."""
    points, count = grid(), len(log_size)
    mean = log_size.mean(axis=0)
    spread = np.cov(log_size.T) * (1.0 + 1.0 / count)
    off = points.log_size - mean
    misfit = np.einsum("ij,jk,ik->i", off, np.linalg.inv(spread), off)
    return normalised(np.where(points.log_sparsity == 0, -1e300, -count / 2.0 * np.log1p(misfit / (count - 2))))


def medians(found: Quotes) -> Levels:
    """Median over hosts, taken as exact."""
    rows = [np.median(found.log_price[found.model_index == i], axis=0) for i in range(len(found.models))]
    return Levels(np.array(rows), np.zeros((len(rows), 2)))


def sides(every: Quotes, tested: list[int]) -> tuple[Quotes, Quotes]:
    """Part the models of the test side from the others."""
    return every.only(i for i in range(len(every.models)) if i not in tested), every.only(tested)


def headline(known: Quotes, tested: Quotes) -> dict[str, Floats]:
    """The three forms as the package has them, and their prior."""
    effects, levels = host_effects(known)
    new, weight = levels_given(effects, tested), family_weights(known.families)
    prior = log_prior(known.log_size, weight)
    linear = normalised(prior + log_linear_likelihood(fit_log_linear(known.log_size, levels, weight), new))
    physics = normalised(prior + physics_likelihood(fit_physics(known.log_size, levels, weight), new))
    return {
        "prior only": np.broadcast_to(prior, linear.shape),
        "log-linear": linear,
        "physics": physics,
        "equal mixture": np.logaddexp(linear, physics) - math.log(2.0),
    }


def others(known: Quotes, tested: Quotes) -> dict[str, Floats]:
    """Every other specification that was tried."""
    effects, levels = host_effects(known)
    new, weight, alike = levels_given(effects, tested), family_weights(known.families), np.ones(len(known.models))
    size, normal = known.log_size, normal_prior(known.log_size)
    prior, prior_alike = log_prior(size, weight), log_prior(size, alike)
    raw, raw_new = medians(known), medians(tested)
    found = {"prior only, normal": np.broadcast_to(normal, (len(tested.models), len(normal)))}
    found["active only"] = normal + active_only_likelihood(size, raw, alike, raw_new)
    found["prototype, physics"] = normal + physics_likelihood(fit_physics(size, raw, alike), raw_new)
    found["prototype, log-linear"] = normal + log_linear_likelihood(fit_log_linear(size, raw, alike), raw_new)
    found["log-linear, normal prior"] = normal + log_linear_likelihood(fit_log_linear(size, levels, alike), new)
    found["physics, normal prior"] = normal + physics_likelihood(fit_physics(size, levels, alike), new)
    found["log-linear, medians"] = prior + log_linear_likelihood(fit_log_linear(size, raw, weight), raw_new)
    found["log-linear, models alike"] = prior_alike + log_linear_likelihood(fit_log_linear(size, levels, alike), new)
    return {name: normalised(p) for name, p in found.items()}


def marks(log_p: Floats, tested: Quotes) -> Floats:
    """Inside, log error, log half width and interval score; shape (models, quantities, 4)."""
    rows = []
    for p, truth in zip(log_p, tested.log_size, strict=True):
        said = belief(p)
        line = []
        for quantity, true in zip(SCORED, truth, strict=True):
            found = said.of(quantity)
            inside = found.low <= math.exp(true) <= found.high
            score = interval_score(found, math.exp(true))
            line.append([inside, abs(math.log(found.median) - true), found.log_width / 2, score])
        rows.append(line)
    return np.array(rows)


def splits(every: Quotes) -> list[list[int]]:
    """Models of the test side in each split."""
    random, names, found = np.random.default_rng(1), sorted(set(every.families)), []
    while len(found) < SPLITS:
        tested: list[int] = []
        for name in random.permutation(names):
            own = [i for i, of in enumerate(every.families) if of == name]
            if len(tested) < LEAST and len(tested) + len(own) <= MOST:
                tested += own
        found.append(sorted(tested))
    return found


def table(scores: Mapping[str, list[Floats]]) -> list[str]:
    """One row a specification."""
    lines = [
        "| specification | active: inside | error | half width | score | total: inside | error | half width | score |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in SPECIFICATIONS:
        mean = np.mean(scores[name], axis=0)
        cells = [f"{a:.2f} | ×{math.exp(b):.2f} | ×/÷{math.exp(c):.2f} | {d:.2f}" for a, b, c, d in mean]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} |")
    return lines


def main() -> None:
    """Score everything and print."""
    start, every = time.process_time(), quotes(open_offers())
    scores: dict[str, list[Floats]] = {name: [] for name in SPECIFICATIONS}
    for number, tested_rows in enumerate(splits(every), 1):
        known, tested = sides(every, tested_rows)
        found = headline(known, tested) | others(known, tested)
        for name, log_p in found.items():
            each = marks(log_p, tested)
            summary = each.mean(axis=0)
            summary[:, 1] = np.median(each[:, :, 1], axis=0)
            scores[name].append(summary)
        print(f"split {number}: {len(tested_rows)} models", file=sys.stderr)
    lines = table(scores)
    print("\n".join(lines))
    print(f"{time.process_time() - start:.0f} s of processor time", file=sys.stderr)
    if "--write" in sys.argv:
        head, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- scores -->")
        tail = rest.partition("<!-- end -->")[2]
        body = "\n".join(["", *lines, "", *(f"- *{name}*: {what}." for name, what in SPECIFICATIONS.items()), ""])
        PAGE.write_text(f"{head}<!-- scores -->\n{body}\n<!-- end -->{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
