"""Over-training: the cheapest model over its whole life (lecture, chapter 5)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from headway.facts.scaling_laws import LOSS_LAWS, loss_law
from headway.physics.lifetime import TrainingOptimum, optimal_size
from headway.web.chapter import Answer, Axis, Chapter, Chart, Control, Marker, Number, Values, curves

CONTROLS = (
    Control("law", "Law of the loss", "epoch-2024", choices=lambda: tuple(LOSS_LAWS)),
    Control("inference_tokens", "Tokens served in its life", 200e12, "tokens", low=1e11, high=1e16),
    Control("rl_tokens", "Tokens of reinforcement learning", 10e12, "tokens", low=1e9, high=1e15),
    Control("efficiency", "Efficiency of inference against training", 0.3, "fraction", low=0.05, high=1.0),
    Control("params", "Loss to reach: that of a model of", 100e9, "count", low=1e9, high=1e13),
    Control("tokens", "trained on", 15e12, "tokens", low=1e11, high=1e15),
)
SERVED = tuple(float(v) for v in np.geomspace(1e11, 1e16, 50))


@lru_cache(maxsize=128)
def _along(law: str, params: float, tokens: float, efficiency: float, rl_tokens: float) -> TrainingOptimum:
    return optimal_size(loss_law(law), SERVED, params, tokens, efficiency, rl_tokens)


def answer(values: Values) -> Answer:
    """Give size and tokens that reach the loss at least compute, along the tokens served."""
    law = loss_law(values["law"])
    same = (values["params"], values["tokens"], values["efficiency"], values["rl_tokens"])
    best = optimal_size(law, values["inference_tokens"], *same)
    along = _along(values["law"], *same)
    x = Axis("tokens served", "tokens", log=True, low=1e11, high=1e16)
    mark = (Marker(float(values["inference_tokens"]), "this demand"),)
    return Answer(
        (
            Number("params", "Parameters", float(best.params), "count", "active"),
            Number("tokens", "Training tokens", float(best.tokens), "tokens"),
            Number("tokens_per_param", "Tokens per parameter", float(best.tokens_per_param), "count"),
            Number("overtraining", "Over-trained", float(best.overtraining), "count", "times the rule of 20"),
            Number(
                "demand_over_pretraining", "After over before", float(best.demand_over_pretraining), "count", "compute"
            ),
            Number("lifetime_flops", "Whole life", float(best.lifetime_flops), "flop"),
        ),
        (
            Chart(
                "size",
                "The cheapest model of this loss",
                x,
                Axis("parameters and tokens", "count", log=True),
                curves(SERVED, ("parameters", along.params), ("training tokens", along.tokens)),
                mark,
                about="The more a model will serve, the smaller it should be and the longer it should train.",
            ),
            Chart(
                "over",
                "Over-training and where the compute goes",
                x,
                Axis("ratio", "count", log=True),
                curves(
                    SERVED,
                    ("over the rule of 20", along.overtraining),
                    ("after over before", along.demand_over_pretraining),
                ),
                mark,
            ),
        ),
        equations=("minimise N (6 D + S)  at  A N^−a + B D^−b = l", "S = 2 D_inf / e + c D_rl / e_rl"),
        notes=tuple(note for note in (law.note, "RL runs at the efficiency of inference.") if note),
        sources=(law.source.text, "Sardana et al., arXiv 2401.00448"),
    )


CHAPTER = Chapter(
    "lifetime",
    "Over-training",
    "How large should a model be, and how long should it train, for the traffic it will see?",
    CONTROLS,
    answer,
    order=80,
    part="Training",
)
