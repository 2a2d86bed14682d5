"""Lifetime budget: the valley of cost along one loss, and what the rule of equal costs loses."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from headway.facts.scaling_laws import LOSS_LAWS, LossLaw, loss_law
from headway.training.choices import choices, valley
from headway.training.lifetime import Budget, equalise_excess, same_loss
from headway.training.lifetime import budget as solve
from headway.web.chapter import Answer, Axis, Chapter, Chart, Column, Control, Marker, Number, Series, Table, Values

CONTROLS = (
    Control("serve", "Tokens served in its life", 150e12, "tokens", low=1e11, high=1e16),
    Control("rl", "Tokens sampled in RL", 150e12, "tokens", low=1e9, high=1e16),
    Control("efficiency", "Efficiency of inference against training", 0.3, "fraction", low=0.05, high=1.0),
    Control("params", "Loss to reach: that of a model of", 100e9, "count", low=1e9, high=1e13, about="Active."),
    Control("tokens", "trained on", 150e12, "tokens", low=1e11, high=1e15),
    Control("law", "Law of the loss", "epoch-2024-converged", choices=lambda: tuple(LOSS_LAWS)),
)
DEMANDS = tuple(float(v) for v in np.geomspace(1e-1, 1e3, 80))
SHOWN = 3.0


@lru_cache(maxsize=16)
def _rule(law: str) -> tuple[float, ...]:
    excess = np.ravel(equalise_excess(loss_law(law), DEMANDS))
    return tuple(float(v) if v < SHOWN else np.nan for v in excess)


def _charts(law: LossLaw, found: Budget, name: str) -> tuple[Chart, ...]:
    drawn = valley(law, found)
    at, cost = drawn.rule
    least = same_loss(law.size_exponent, law.data_exponent, found.rho).tokens_ratio
    rule = (Series("equal costs", (at,), (cost,), kind="points", labels=("equal costs",)),) if np.isfinite(at) else ()
    return (
        Chart(
            "valley",
            "Lifetime cost of the same loss",
            Axis("tokens over the plain optimum", "count", log=True),
            Axis("cost over the least", "count"),
            (Series("lifetime cost", tuple(drawn.tokens_ratio), tuple(drawn.cost_ratio), strong=True), *rule),
            (Marker(float(np.ravel(least)[0]), "least"),),
            about="The valley is flat: tokens may be off by half and the life costs little more.",
        ),
        Chart(
            "rule",
            "What the rule of equal costs loses",
            Axis("demand over the plain optimum, q", "count", log=True),
            Axis("over the least", "fraction"),
            (Series("equal costs", DEMANDS, _rule(name), strong=True),),
            (Marker(found.demand_ratio, "this life"),),
            about="Where little is served the rule trains on too few tokens; where it ends the loss is missed.",
        ),
    )


def answer(values: Values) -> Answer:
    """Give the cheapest model for a life, the valley around it, and the rules beside it."""
    law = loss_law(values["law"])
    size, tokens, serve, rl = (float(values[name]) for name in ("params", "tokens", "serve", "rl"))
    found = solve(law, serve, size, tokens, efficiency=float(values["efficiency"]), rl_tokens=rl)
    rows = choices(law, found, size, tokens)
    columns = (
        Column("choice", "choice"),
        Column("params", "active", "count"),
        Column("tokens", "tokens", "tokens"),
        Column("flops", "over the life", "flop"),
        Column("excess", "over the least", "fraction"),
    )
    return Answer(
        (
            Number("params", "Active parameters", found.best.params, "count", "least lifetime cost"),
            Number("tokens", "Training tokens", found.best.tokens, "tokens"),
            Number("rho", "After over before", found.rho, "count", "life after pre-training over pre-training"),
            Number("overtraining", "Over-trained", found.overtraining_same_loss, "count", "against the same loss"),
            Number("saving", "Saved", found.saving, "fraction", "against the plain optimum"),
            Number("equalise_excess", "Rule of equal costs", found.equalise_excess, "fraction", "over the least"),
        ),
        _charts(law, found, values["law"]),
        (Table("choices", "At the same loss", columns, tuple(tuple(r[c.key] for c in columns) for r in rows)),),
        equations=(
            "minimise N (6 D + S)  at  A N^−a + B D^−b = l",
            "ρ = S / 6D,  q = S / 6D0,  D/D0 = [(a + b (1 + ρ)) / (a + b)]^(1/b)",
            "equal costs: 6 D = S / 2",
        ),
        notes=tuple(note for note in (law.note, found.reason, "RL runs at the efficiency of inference.") if note),
        sources=tuple(source.text for source in found.sources),
        command="headway train budget --serve {serve} --rl {rl} --params {params} --tokens {tokens} "
        "--law {law} --efficiency {efficiency}",
    )


CHAPTER = Chapter(
    "budget",
    "Lifetime budget",
    "How far from the cheapest model may I be, and is it enough to make the costs equal?",
    CONTROLS,
    answer,
    order=82,
    part="Training",
)
