"""Choices of equal loss beside each other, and the valley between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.facts.check import positive
from headway.facts.scaling_laws import LossLaw
from headway.physics.budget import CHINCHILLA_TOKENS_PER_PARAM, TRAINING_FLOP
from headway.training.lifetime import Budget, best_relative_cost, relative_cost

_PRICED = 1e21


@dataclass(frozen=True, slots=True)
class Valley:
    """Lifetime cost along the tokens of one loss.

    Parameters
    ----------
    tokens_ratio, cost_ratio : ndarray
        Tokens over the plain optimum's, and cost over the least [1].
    rule : tuple of float
        The same of the rule "equal costs"; nan where it cannot reach the loss.
    """

    tokens_ratio: NDArray[np.float64]
    cost_ratio: NDArray[np.float64]
    rule: tuple[float, float]


def valley(law: LossLaw, found: Budget, points: int = 120) -> Valley:
    """Cost over the least against tokens, at the loss and demand of a budget.

    Examples
    --------
    >>> from headway.facts.scaling_laws import loss_law
    >>> from headway.training.lifetime import budget
    >>> law = loss_law("epoch-2024")
    >>> drawn = valley(law, budget(law, 150e12, 100e9, 150e12))
    >>> bool(drawn.cost_ratio.min() < 1.001), round(drawn.rule[1], 2)
    (True, 1.02)
    """
    middle = found.best.tokens / found.plain_tokens
    ratio = middle * np.geomspace(0.1, 10.0, points)
    least = float(best_relative_cost(law, found.demand_ratio))
    cost = np.asarray(relative_cost(law, ratio, found.demand_ratio)) / least
    shown = np.isfinite(cost) & (cost < 4.0)
    at = found.demand_ratio / 2.0
    rule = float(relative_cost(law, at, found.demand_ratio)) / least if at > 0 else float("inf")
    mark = (at, rule) if np.isfinite(rule) else (float("nan"), float("nan"))
    return Valley(ratio[shown], cost[shown], mark)


def choices(
    law: LossLaw, found: Budget, params: float, tokens: float, price: float | None = None
) -> list[dict[str, Any]]:
    """The optimum, the plain optimum, equal costs and the stated model: size, tokens, lifetime FLOP and excess.

    Parameters
    ----------
    params, tokens : float
        The stated model [1], [token].
    price : float, optional
        Dollars per 1e21 FLOP.

    Examples
    --------
    >>> from headway.facts.scaling_laws import loss_law
    >>> from headway.training.lifetime import budget
    >>> law = loss_law("epoch-2024-converged")
    >>> rows = choices(law, budget(law, 450e12, 100e9, 150e12), 100e9, 150e12)
    >>> [round(row["excess"], 2) for row in rows]
    [0.0, 1.5, 0.01, 0.15]
    """
    positive("params", params)
    n0, d0, q = found.plain_params, found.plain_tokens, found.demand_ratio
    demand = q * TRAINING_FLOP * d0
    named = [("least lifetime cost", found.best.params, found.best.tokens), ("plain optimum, nothing served", n0, d0)]
    left = law.size_coefficient / _left(law, found, q / 2.0 * d0)
    if q > 0 and np.isfinite(left) and left > 0:
        named.append(("equal costs", float(left ** (1.0 / law.size_exponent)), q / 2.0 * d0))
    named.append(("the stated model", params, tokens))
    least = found.best.lifetime_flops
    return [
        {
            "choice": name,
            "params": n,
            "tokens": d,
            "over_20": round(d / n / CHINCHILLA_TOKENS_PER_PARAM, 2),
            "flops": n * (TRAINING_FLOP * d + demand),
            # To the rounding of the closed form: the cheapest is not dearer than itself.
            "excess": round(abs(n * (TRAINING_FLOP * d + demand) / least - 1.0), 12),
            "usd": None if price is None else n * (TRAINING_FLOP * d + demand) / _PRICED * price,
        }
        for name, n, d in named
    ]


def _left(law: LossLaw, found: Budget, tokens: float) -> float:
    """What is left of the reducible loss for size; nan where tokens are too few."""
    if tokens <= 0:
        return float("nan")
    level = found.best.loss - law.irreducible
    rest = level - law.data_coefficient * tokens**-law.data_exponent
    return rest if rest > 0 else float("nan")
