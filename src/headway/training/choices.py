"""Choices of equal loss beside each other, and the valley between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.facts.check import positive
from headway.facts.scaling_laws import LossLaw
from headway.physics.budget import CHINCHILLA_TOKENS_PER_PARAM, TRAINING_FLOP
from headway.training.life import effective_tokens
from headway.training.lifetime import Budget
from headway.training.repetition import tokens_to_read

_PRICED = 1e21
# Where the walls of the valley are no longer drawn.
_STEEP = 4.0


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
    ratio = found.best.tokens / found.plain_tokens * np.geomspace(0.1, 10.0, points)
    cost = _life(law, found, ratio * found.plain_tokens) / found.expected_flops
    shown = np.isfinite(cost) & (cost < _STEEP)
    at = _equal_costs(found)
    rule = float(_life(law, found, np.asarray(at))) / found.expected_flops if at > 0 else float("nan")
    mark = (at / found.plain_tokens, rule) if np.isfinite(rule) else (float("nan"), float("nan"))
    return Valley(ratio[shown], cost[shown], mark)


def _size(law: LossLaw, found: Budget, tokens: NDArray[np.float64]) -> NDArray[np.float64]:
    """Active parameters that reach the loss on tokens worth so many; infinite where none do."""
    left = found.best.loss - law.irreducible - law.data_coefficient * tokens**-law.data_exponent
    dense = np.where(left > 0, law.size_coefficient / np.maximum(left, 1e-300), np.inf) ** (1.0 / law.size_exponent)
    return np.asarray(dense / found.leverage)


def _spent(found: Budget, params: Any, tokens: Any) -> Any:
    """FLOP of a life: failed runs paid for, and repeated tokens each time that they are read."""
    demand = found.demand_ratio * TRAINING_FLOP * found.plain_tokens
    read = np.asarray(tokens_to_read(tokens, found.unique))
    return params * (TRAINING_FLOP * read + demand) / found.success


def _life(law: LossLaw, found: Budget, tokens: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(_spent(found, _size(law, found, tokens), tokens))


def _equal_costs(found: Budget) -> float:
    """What the tokens are worth that cost half of what follows them; 0 where nothing does."""
    read = found.demand_ratio / 2.0 * found.plain_tokens
    return read if not np.isfinite(found.unique) or read <= 0 else float(effective_tokens(read, found.unique))


def choices(
    law: LossLaw, found: Budget, params: float, tokens: float, price: float | None = None
) -> list[dict[str, Any]]:
    """The optimum, the plain optimum, equal costs and the stated model: size, tokens, lifetime FLOP and excess.

    Sizes are active parameters, with the leverage of the budget; lifetime FLOP hold the runs that fail. `tokens` are
    what those that are read (`tokens_read`) are worth; None where the distinct ones cannot be worth so much.

    Parameters
    ----------
    params, tokens : float
        The stated model: active parameters, and distinct tokens [1], [token].
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
    bare, equal = found.plain_tokens, _equal_costs(found)
    named = [
        (
            "least lifetime cost" if found.feasible else "least, were there enough tokens",
            found.params,
            float(found.best.tokens),
        ),
        ("plain optimum, nothing served", found.plain_params / found.leverage, bare),
    ]
    size = float(_size(law, found, np.asarray(equal))) if equal > 0 else float("inf")
    if np.isfinite(size):
        named.append(("equal costs", size, equal))
    named.append(("the stated model", params, tokens))
    return [_choice(found, name, n, d, price) for name, n, d in named]


def _choice(found: Budget, name: str, params: float, tokens: float, price: float | None) -> dict[str, Any]:
    flops = float(_spent(found, params, tokens))
    known = bool(np.isfinite(flops))
    return {
        "choice": name,
        "params": params,
        "tokens": tokens,
        "tokens_read": float(tokens_to_read(tokens, found.unique)) if known else None,
        "over_20": round(tokens / params / CHINCHILLA_TOKENS_PER_PARAM, 2),
        "flops": flops if known else None,
        # To the rounding of the closed form: the cheapest is not dearer than itself.
        "excess": round(abs(flops / found.expected_flops - 1.0), 12) if known else None,
        "usd": flops / _PRICED * price if known and price is not None else None,
    }
