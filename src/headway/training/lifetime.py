"""What to train for the tokens one expects to serve: lifetime cost at equal loss.

Notation as in :mod:`headway.physics.lifetime`: ``C = N (6 D + S)`` at ``A N^-a + B D^-b = l``; ``rho = S/(6 D)``;
``(N0, D0)`` the plain optimum of the same loss; ``q = S/(6 D0)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.scaling_laws import LossLaw
from headway.facts.sources import Source
from headway.physics.arrays import Numbers, fraction, not_negative, plain, positive, together
from headway.physics.budget import CHINCHILLA_TOKENS_PER_PARAM, TRAINING_FLOP
from headway.physics.lifetime import TrainingOptimum, demand_flop_per_param, optimal_size
from headway.training.life import REPETITION_DECAY, effective_tokens, life_flops
from headway.training.repetition import brute_force, tokens_to_read

_REPETITION: Final = Source("Muennighoff et al., arXiv 2305.16264: R_D* 15.3878", "2026-11-23", "reported")


@dataclass(frozen=True, slots=True)
class SameLoss:
    """A lifetime optimum beside the plain optimum of the same loss. Fields are numbers or arrays.

    Parameters
    ----------
    params_ratio, tokens_ratio : float or ndarray
        ``N/N0`` and ``D/D0`` [1].
    overtraining : float or ndarray
        ``(D/N) / (D0/N0)`` [1].
    demand_ratio : float or ndarray
        ``q = S/(6 D0) = rho D/D0`` [1].
    saving : float or ndarray
        Share of the lifetime cost of the plain optimum that is saved [1].
    """

    params_ratio: Numbers
    tokens_ratio: Numbers
    overtraining: Numbers
    demand_ratio: Numbers
    saving: Numbers


def same_loss(size_exponent: ArrayLike, data_exponent: ArrayLike, rho: ArrayLike) -> SameLoss:
    """The optimum over the plain optimum of its loss, exact.

    ``D/D0 = [(a + b(1+rho))/(a+b)]^(1/b)``, ``N/N0 = [(a + b(1+rho))/((1+rho)(a+b))]^(1/a)``: neither ``A``, ``B``
    nor the loss enters.

    Parameters
    ----------
    size_exponent, data_exponent : array_like
        ``a`` and ``b`` [1].
    rho : array_like
        Cost after pre-training over its cost, at the optimum [1].

    Returns
    -------
    SameLoss

    References
    ----------
    Derived from ``a A N^-a = (1 + rho) b B D^-b`` (claim C45).

    Examples
    --------
    Three equal costs, by the two fits:

    >>> same_loss([0.3478, 0.33917], [0.3658, 0.28491], 2.0).overtraining.round().tolist()
    [21.0, 37.0]
    """
    a, b = positive("size_exponent", size_exponent), positive("data_exponent", data_exponent)
    r = not_negative("rho", rho)
    mixed = (a + b * (1.0 + r)) / (a + b)
    tokens, params = mixed ** (1.0 / b), (mixed / (1.0 + r)) ** (1.0 / a)
    q = r * tokens
    return SameLoss(*together(params, tokens, tokens / params, q, 1.0 - params * (tokens + q) / (1.0 + q)))


def overtraining_interval(law: LossLaw, rho: float) -> tuple[float, float]:
    """95% interval of the over-training at ``rho`` from the standard errors of both exponents and their correlation.

    Linear in the exponents: 17 to 26 in whole numbers (17.2 to 26.1) at ``rho = 2`` by the converged refit, 17.1
    to 26.2 with the published errors; percentiles of the bootstrap itself are 16.6 to 25.4. Nan where a law has no
    errors.

    Examples
    --------
    >>> from headway.facts.scaling_laws import loss_law
    >>> [round(end, 1) for end in overtraining_interval(loss_law("epoch-2024-converged"), 2.0)]
    [17.2, 26.1]
    """
    if law.exponent_errors is None:
        return float("nan"), float("nan")
    size_error, data_error, together_by = law.exponent_errors
    middle = np.log(same_loss(law.size_exponent, law.data_exponent, rho).overtraining)
    step = 1e-4
    by_size = (np.log(same_loss(law.size_exponent + step, law.data_exponent, rho).overtraining) - middle) / step
    by_data = (np.log(same_loss(law.size_exponent, law.data_exponent + step, rho).overtraining) - middle) / step
    first, second = float(by_size) * size_error, float(by_data) * data_error
    width = 1.96 * float(np.sqrt(first**2 + second**2 + 2.0 * together_by * first * second))
    return float(np.exp(middle - width)), float(np.exp(middle + width))


def rho_for(law: LossLaw, overtraining: ArrayLike) -> Numbers:
    """Cost after pre-training over its cost at which the optimum is over-trained so much [1].

    Examples
    --------
    >>> from headway.facts.scaling_laws import loss_law
    >>> [round(rho_for(loss_law(n), 75.0), 1) for n in ("epoch-2024", "hoffmann-2022")]
    [3.7, 2.7]
    """
    wanted = positive("overtraining", overtraining)
    low, high = np.zeros_like(wanted), np.full_like(wanted, 1e6)
    for _ in range(200):
        middle = 0.5 * (low + high)
        short = np.asarray(same_loss(law.size_exponent, law.data_exponent, middle).overtraining) < wanted
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return plain(0.5 * (low + high))


def equalise_excess(law: LossLaw, demand_ratio: ArrayLike, rho: float = 2.0) -> Numbers:
    """What the rule "make the costs equal" costs over the optimum at the same loss, minus one [1].

    The rule takes ``6 D = S/rho``: two means that pre-training, RL and inference cost the same. Infinite where so few
    tokens cannot reach the loss at any size.

    Parameters
    ----------
    law : LossLaw
        Only its exponents enter.
    demand_ratio : array_like
        ``q = S/(6 D0)`` [1].
    rho : float
        Lifetime over pre-training cost that the rule asks for [1].

    Examples
    --------
    >>> from headway.facts.scaling_laws import loss_law
    >>> equalise_excess(loss_law("epoch-2024"), [0.1, 1.0, 3.0, 13.7, 64.0]).round(2).tolist()
    [inf, 1.19, 0.16, 0.0, 0.05]
    """
    q = positive("demand_ratio", demand_ratio)
    a, b = law.size_exponent, law.data_exponent
    chosen = _relative_cost(a, b, q / rho, q)
    return plain(np.maximum(chosen / np.asarray(best_relative_cost(law, q)) - 1.0, 0.0))


def relative_cost(law: LossLaw, tokens_ratio: ArrayLike, demand_ratio: ArrayLike) -> Numbers:
    """Lifetime cost over ``6 N0 D0`` with ``tokens_ratio`` times ``D0``; infinite where the loss is out of reach [1].

    >>> from headway.facts.scaling_laws import loss_law
    >>> relative_cost(loss_law("epoch-2024"), [0.1, 1.0], 0.0).round(6).tolist()
    [inf, 1.0]
    """
    t, q = positive("tokens_ratio", tokens_ratio), not_negative("demand_ratio", demand_ratio)
    return plain(_relative_cost(law.size_exponent, law.data_exponent, t, q))


def _relative_cost(a: float, b: float, tokens: Any, q: Any) -> Any:
    # Shares of the reducible loss at the plain optimum: size b/(a+b), data a/(a+b).
    left = (1.0 - a / (a + b) * tokens**-b) * (a + b) / b
    params = np.where(left > 0, np.maximum(left, 1e-30) ** (-1.0 / a), np.inf)
    return params * (tokens + q)


def best_relative_cost(law: LossLaw, demand_ratio: ArrayLike) -> Numbers:
    """Least lifetime cost of a loss, over the cost of its plain pre-training optimum [1].

    Examples
    --------
    >>> from headway.facts.scaling_laws import loss_law
    >>> round(best_relative_cost(loss_law("epoch-2024"), 0.0), 9)
    1.0
    """
    q = not_negative("demand_ratio", demand_ratio)
    a, b = law.size_exponent, law.data_exponent
    low, high = np.zeros_like(q), np.maximum(q, 1.0)
    for _ in range(200):
        rho = 0.5 * (low + high)
        short = rho * ((a + b * (1.0 + rho)) / (a + b)) ** (1.0 / b) < q
        low, high = np.where(short, rho, low), np.where(short, high, rho)
    tokens = ((a + b * (1.0 + 0.5 * (low + high))) / (a + b)) ** (1.0 / b)
    return plain(_relative_cost(a, b, tokens, q))


@dataclass(frozen=True, slots=True)
class Budget:
    """The cheapest model for a life, beside two rules.

    Parameters
    ----------
    best : TrainingOptimum
        Of the law: the size of a dense model, and what its tokens are worth; a run that fails is paid for by less
        demand.
    plain_params, plain_tokens : float
        ``N0``, ``D0``: same loss, nothing served, as many distinct tokens as it takes [1], [token].
    demand_ratio, rho : float
        ``q`` and ``S/(6 D)`` at the optimum, with the tokens that are read [1].
    overtraining_same_loss : float
        Against ``D0/N0`` [1].
    interval : tuple of float
        95% of it [1]; nan where the law has no errors, or distinct tokens are short.
    equalise_excess : float
        What "equal costs" loses [1]; inf where it cannot reach the loss.
    saving : float
        Against the plain optimum [1]; nan where the distinct tokens cannot supply it.
    flops : tuple of (str, float)
        Pre-training, RL, inference [FLOP], at the efficiency of training.
    expected_flops : float
        Cost of one released model, failures paid for [FLOP].
    effective_tokens : float
        Trained on, repeated ones counted each time [token].
    leverage, unique, success : float
        As given; `unique` infinite where it was not [1], [token], [1].
    feasible : bool
    reason : str
    sources : tuple of Source
    """

    best: TrainingOptimum
    plain_params: float
    plain_tokens: float
    demand_ratio: float
    rho: float
    overtraining_same_loss: float
    interval: tuple[float, float]
    equalise_excess: float
    saving: float
    flops: tuple[tuple[str, float], ...]
    expected_flops: float
    effective_tokens: float
    leverage: float
    unique: float
    success: float
    feasible: bool
    reason: str
    sources: tuple[Source, ...]

    @property
    def params(self) -> float:
        """Active parameters of the cheapest model [1]."""
        return float(self.best.params) / self.leverage

    @property
    def overtraining(self) -> float:
        """What its tokens are worth over 20 for each active parameter [1]."""
        return float(self.best.tokens) / self.params / CHINCHILLA_TOKENS_PER_PARAM


def budget(
    law: LossLaw,
    serve: float,
    reference_params: float,
    reference_tokens: float,
    *,
    efficiency: float = 1.0,
    rl_tokens: float = 0.0,
    rl_flop_per_param_token: float = TRAINING_FLOP,
    rl_efficiency: float | None = None,
    leverage: float = 1.0,
    unique: float | None = None,
    success: float = 1.0,
) -> Budget:
    """The cheapest model of a loss for what it will serve.

    Parameters
    ----------
    serve, rl_tokens : float
        Tokens served in the model's life and sampled in RL [token].
    reference_params, reference_tokens : float
        The model whose loss is to be reached: active parameters and tokens.
    efficiency, rl_efficiency : float
        Of inference and RL against training [1].
    leverage : float
        Dense parameters that one active parameter of the mixture of experts is worth [1].
    unique : float, optional
        Distinct tokens at hand; unlimited where not given [token].
    success : float
        Chance that a pre-training run is released [1]: failures are paid, not served.

    Returns
    -------
    Budget
        Infeasible, with the reason, where repetition cannot supply the tokens.

    References: Sardana et al., arXiv 2401.00448; Muennighoff et al., arXiv 2305.16264; Pope (2026), chapter 5.

    >>> from headway.facts.scaling_laws import loss_law
    >>> found = budget(loss_law("epoch-2024-converged"), 150e12, 100e9, 150e12)
    >>> round(found.best.params / 1e9), round(found.best.tokens / 1e12), round(found.rho, 2)
    (153, 33, 1.52)
    """
    worth, chance = float(positive("leverage", leverage)), float(positive("success", fraction("success", success)))
    size = float(positive("reference_params", reference_params)) * worth
    # A failed run costs its pre-training: demand counts 1/p less against each trained token.
    served = not_negative("serve", serve, "token") * chance
    sampled = not_negative("rl_tokens", rl_tokens, "token") * chance
    args = (efficiency, sampled, rl_flop_per_param_token, rl_efficiency)
    free = optimal_size(law, served, size, reference_tokens, *args)
    bare = optimal_size(law, 0.0, size, reference_tokens)
    demand = float(demand_flop_per_param(served, *args))
    q = demand / (TRAINING_FLOP * bare.tokens)
    held = float(np.inf if unique is None else positive("unique", unique, "token"))
    reason = _out_of_reach(law, free.loss - law.irreducible, held)
    short = bool(free.tokens > held)
    best = _repeating(law, free, demand, held) if short and not reason else free
    read = float(best.tokens if reason else tokens_to_read(best.tokens, held))
    spent = life_flops(
        best.params / worth,
        read / chance,
        rl_tokens,
        serve,
        rl_flop_per_param_token=rl_flop_per_param_token,
        efficiency=efficiency,
        rl_efficiency=rl_efficiency,
    )
    rho = demand / (TRAINING_FLOP * read)
    return Budget(
        best=best,
        plain_params=bare.params,
        plain_tokens=bare.tokens,
        demand_ratio=q,
        rho=rho,
        overtraining_same_loss=best.tokens / best.params / (bare.tokens / bare.params),
        interval=(float("nan"), float("nan")) if short else overtraining_interval(law, max(rho, 1e-9)),
        equalise_excess=_rule_excess(law, best, demand, held) if short else _free_excess(law, q),
        saving=1.0 - float(best.lifetime_flops) / _plain_cost(bare, demand, held),
        flops=spent.parts(),
        expected_flops=float(spent.total),
        effective_tokens=read,
        leverage=worth,
        unique=held,
        success=chance,
        feasible=not reason,
        reason=reason,
        sources=(law.source, *((_REPETITION,) if unique is not None else ())),
    )


def _free_excess(law: LossLaw, q: float) -> float:
    return float(equalise_excess(law, q)) if q > 0 else float("inf")


def _rule_excess(law: LossLaw, best: TrainingOptimum, demand: float, held: float) -> float:
    """What the rule of equal costs loses where tokens repeat, minus one [1]."""
    read = demand / (2.0 * TRAINING_FLOP)
    left = best.loss - law.irreducible
    left -= law.data_coefficient * float(effective_tokens(read, held)) ** -law.data_exponent if read > 0 else np.inf
    if left <= 0:
        return float("inf")
    size = (law.size_coefficient / left) ** (1.0 / law.size_exponent)
    return float(size * (TRAINING_FLOP * read + demand) / best.lifetime_flops - 1.0)


def _plain_cost(bare: TrainingOptimum, demand: float, held: float) -> float:
    """Lifetime cost of the plain optimum [FLOP]; nan where the distinct tokens cannot supply it."""
    read = float(tokens_to_read(bare.tokens, held))
    return float(bare.params) * (TRAINING_FLOP * read + demand) if np.isfinite(read) else float("nan")


def _out_of_reach(law: LossLaw, level: float, held: float) -> str:
    """Why no size reaches a loss on so many distinct tokens; empty where one does."""
    least = (law.data_coefficient / level) ** (1.0 / law.data_exponent)
    most = held * (1.0 + REPETITION_DECAY)
    if least < most:
        return ""
    return f"more than {least:.3g} tokens needed at any size; {held:.3g} distinct ones are worth at most {most:.3g}"


def _repeating(law: LossLaw, free: TrainingOptimum, demand: float, held: float) -> TrainingOptimum:
    """The optimum of the loss of another where tokens repeat: fewer of them, and a larger model."""
    n, d, cost = brute_force(law, float(free.loss) - law.irreducible, demand, unique=held)
    rho = demand / (TRAINING_FLOP * float(tokens_to_read(d, held)))
    return TrainingOptimum(n, d, d / n, d / n / CHINCHILLA_TOKENS_PER_PARAM, rho, cost, free.loss, law.name)


def reference_ratio(law: LossLaw, params: float, tokens: float) -> tuple[float, float]:
    """A model's tokens over the rule of 20 per parameter, and over the plain optimum of the same loss [1].

    Examples
    --------
    >>> from headway.facts.scaling_laws import loss_law
    >>> [round(v) for v in reference_ratio(loss_law("epoch-2024-converged"), 100e9, 150e12)]
    [75, 92]
    """
    bare = optimal_size(law, 0.0, params, tokens)
    per_param = positive("tokens", tokens, "token") / positive("params", params)
    return float(per_param / CHINCHILLA_TOKENS_PER_PARAM), float(per_param / (bare.tokens / bare.params))
