"""Chapter 5: what pre-training, RL and inference cost, and how far a model is over-trained (C39-C48)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from headway.facts.scaling_laws import LossLaw
from headway.lecture.claim import EXACT, PERCENT, Compute, Figure, Given, real, say
from headway.physics import published
from headway.physics.lifetime import TrainingOptimum
from headway.training.life import equal_costs, life_flops, needed_rate, plain_tokens, served_tokens
from headway.training.lifetime import budget as train_budget
from headway.training.lifetime import reference_ratio, rho_for

# The fits as the claims were computed with, and as they stand after closer reading.
_STATED_LAWS = (("Hoffmann's fit", "hoffmann-2022-printed"), ("Epoch's refit", "epoch-2024"))
_CLOSER_LAWS = (("Hoffmann, five digits", "hoffmann-2022"), ("Epoch, converged", "epoch-2024-converged"))


def _c39(given: Given) -> tuple[Figure, ...]:
    params = given("board.active_params")
    expected = ("118", "18.1")
    model, rule = given.model("deepseek-v3"), given("board.tokens_per_param")
    closest = given.law("epoch-2024-converged")
    return (
        say("tokens", plain_tokens(closest, params, rule).rule, "tokens", 2e12, EXACT),
        *(
            say(f"per parameter by {label}", plain_tokens(given.law(name), params).per_param, "count", value)
            for (label, name), value in zip(_STATED_LAWS, expected, strict=True)
        ),
        *(
            real(f"per parameter, {label}", plain_tokens(given.law(name), params).per_param, "count")
            for label, name in _CLOSER_LAWS
        ),
        real("20 x DeepSeek-V3's active parameters", plain_tokens(closest, model.active_params).rule, "tokens"),
    )


def _c40(given: Given) -> tuple[Figure, ...]:
    one, total = (
        life_flops(1.0, 1.0, serve=1.0),
        life_flops(given("board.active_params"), given("board.training_tokens")),
    )
    line = given("programme.frontier_line")
    model = given.model("deepseek-v3")
    return (
        say("training, per parameter and token", one.pretraining, "flop", given("board.train_flops"), EXACT),
        say("inference", one.inference, "flop", given("board.serve_flops"), EXACT),
        say("100B on 150T", total.total, "flop", 9.0e25, EXACT),
        say("below the frontier line of 1e26", bool(total.total < line), expected=True),
        real(
            "DeepSeek-V3 on 14.8T", life_flops(model.active_params, given("model.deepseek_tokens")).pretraining, "flop"
        ),
    )


def _c41(given: Given) -> tuple[Figure, ...]:
    low, high = (
        life_flops(1.0, 0.0, 1.0, rl_flop_per_param_token=given(f"board.rl_flops_{key}")).rl for key in ("low", "high")
    )
    return (
        say("rollouts only", low, "flop", 2, EXACT),
        say("every rollout trained on", high, "flop", 6, EXACT),
    )


def _c42(given: Given) -> tuple[Figure, ...]:
    factors = tuple(given(f"board.rl_flops_{key}") for key in ("low", "mid", "high"))
    meant = equal_costs(factors, given("board.efficiency"))
    free = equal_costs(factors, 1.0)
    misread = equal_costs(factors, given("board.efficiency_misread"))
    return (
        say("inference over pre-training, 30% efficiency", meant.inference[0], "count", 0.90, EXACT),
        *_three("RL over pre-training", meant.rl, (0.90, 0.45, 0.30)),
        say("inference, no inefficiency", free.inference[0], "count", 3.0, EXACT),
        *_three("RL, no inefficiency", free.rl, (3.0, 1.5, 1.0), shown=False),
        say("inference, 30% taken as a loss", misread.inference[0], "count", 2.1, EXACT),
        *_three("RL, 30% taken as a loss", misread.rl, (2.1, 1.05, 0.7), shown=False),
        say("alpha, lowest", meant.alpha[0], "count", "1.11", shown=False),
        say("alpha, highest", meant.alpha[2], "count", "3.33", shown=False),
        say("beta", meant.beta[0], "count", "1.11", shown=False),
        say("two-way split: inference over pre-training", meant.inference_for_both[0], "count", 1.8, EXACT),
    )


def _three(name: str, values: Sequence[float], expected: Sequence[float], *, shown: bool = True) -> tuple[Figure, ...]:
    return tuple(
        say(f"{name}, {factor} FLOP", value, "count", target, EXACT, shown=shown)
        for factor, value, target in zip((2, 4, 6), values, expected, strict=True)
    )


def _c43(given: Given) -> tuple[Figure, ...]:
    params, rate, life = given("board.active_params"), given("board.rate"), given("board.life")
    lab = served_tokens(rate, life)
    one = served_tokens(rate, life, given("board.models_sharing"))
    rounded = given("board.training_tokens_rounded")
    law = given.law("epoch-2024-converged")

    def over(tokens: float) -> float:
        return reference_ratio(law, params, tokens)[0]

    return (
        say("150T over 20 x 100B", over(given("board.training_tokens")), "times", 75, EXACT),
        say("tokens of the lab in two months", lab, "tokens", "2.63 Ptok"),
        say("of one model", one, "tokens", "263 Ttok"),
        say("rounded to 200T", over(rounded), "times", 100, EXACT),
        say("not rounded", over(float(one)), "times", "131"),
    )


def _c44(given: Given) -> tuple[Figure, ...]:
    rate = needed_rate(given("board.training_tokens"), given("board.life"))
    return (say("mean rate on one model", rate, "tokens_per_second", "28.5 Mtok/s", PERCENT),)


def _c45(given: Given) -> tuple[Figure, ...]:
    params, tokens = given("board.active_params"), given("board.training_tokens")

    def at_optimum(name: str) -> float:
        law = given.law(name)
        return float(rho_for(law, reference_ratio(law, params, tokens)[1]))

    return (
        say("Hoffmann's fit", at_optimum("hoffmann-2022-printed"), "count", 1.04, 0.02),
        say("Epoch's refit", at_optimum("epoch-2024"), "count", 4.03, 0.02),
        *(real(label, at_optimum(name), "count") for label, name in _CLOSER_LAWS),
    )


def _c46(given: Given) -> tuple[Figure, ...]:
    params, tokens, eff = given("board.active_params"), given("board.training_tokens"), given("board.efficiency")
    epoch, hoffmann = (given.law(name) for name in ("epoch-2024", "hoffmann-2022-printed"))

    def cheapest(law: LossLaw, served: float) -> TrainingOptimum:
        return train_budget(law, served, params, tokens, efficiency=eff).best

    found, other, much = (
        cheapest(epoch, tokens),
        cheapest(hoffmann, tokens),
        cheapest(epoch, given("board.tokens_much")),
    )
    closer = tuple((label, cheapest(given.law(name), tokens)) for label, name in _CLOSER_LAWS)
    return (
        say("Epoch", found.overtraining, "times", 28, 0.05),
        say("Epoch, parameters", found.params, "count", 121e9, 0.05, shown=False),
        say("Epoch, tokens", found.tokens, "tokens", 67e12, 0.05, shown=False),
        say("Epoch, tokens per parameter", found.tokens_per_param, "count", 552, 0.05, shown=False),
        say("Hoffmann", other.overtraining, "times", 80, 0.05),
        say("Hoffmann, parameters", other.params, "count", 98e9, 0.05, shown=False),
        say("Hoffmann, tokens", other.tokens, "tokens", 156e12, 0.05, shown=False),
        say("Epoch at 1,000T served", much.overtraining, "times", 120, 0.05),
        say("Epoch at 1,000T, tokens per parameter", much.tokens_per_param, "count", 2409, 0.05, shown=False),
        *(real(label, result.overtraining, "times") for label, result in closer),
    )


def _c47(given: Given) -> tuple[Figure, ...]:
    params, tokens, eff = given("board.active_params"), given("board.training_tokens"), given("board.efficiency")
    served = served_tokens(given("board.rate"), given("board.life"), given("board.models_sharing"))
    grid = np.array([tokens, served, given("board.tokens_much")])
    sizes, others = (
        np.array([train_budget(given.law(name), t, params, tokens, efficiency=eff).best.params for t in grid])
        for name in ("epoch-2024", "hoffmann-2022")
    )
    slope = published.power_between(grid[0], sizes[0], grid[-1], sizes[-1])
    return (
        say("more served, smaller model", bool(np.all(np.diff(sizes) < 0)), expected=True),
        *(
            say(f"{label} served", value, "count", expected, 0.05)
            for label, value, expected in zip(("150T", "263T", "1,000T"), sizes, (121e9, 111e9, 93e9), strict=True)
        ),
        say("exponent", slope, "count", between=(-0.15, -0.13)),
        real("smaller by Hoffmann's fit too", bool(np.all(np.diff(others) < 0)), expected=True),
    )


def _c48(given: Given) -> tuple[Figure, ...]:
    tokens, law = given("model.deepseek_tokens"), given.law("epoch-2024-converged")
    model = given.model("deepseek-v3")
    v4 = reference_ratio(law, given("model.v4_active"), given("model.v4_tokens"))[0]
    return (
        say("DeepSeek-V3", reference_ratio(law, given("model.deepseek_active"), tokens)[0], "times", 20, EXACT),
        say("V4-Pro (claimed)", v4, "times", "33"),
        real("DeepSeek-V3, active parameters counted", reference_ratio(law, model.active_params, tokens)[0], "times"),
    )


COMPUTE: Mapping[str, Compute] = MappingProxyType(
    {
        "C39": _c39,
        "C40": _c40,
        "C41": _c41,
        "C42": _c42,
        "C43": _c43,
        "C44": _c44,
        "C45": _c45,
        "C46": _c46,
        "C47": _c47,
        "C48": _c48,
    }
)
