"""What a model's life is made of: pre-training, reinforcement learning and inference, in FLOP and in tokens.

Notation: ``N`` active parameters, ``D`` tokens of pre-training. Compute after pre-training counts at what it would have
cost at the efficiency of training. Which size is cheapest for a life is in :mod:`headway.training.lifetime`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.scaling_laws import LossLaw
from headway.physics import budget
from headway.physics.arrays import Numbers, fraction, not_negative, plain, positive, together
from headway.physics.lifetime import optimal_tokens_per_param

#: Epochs after which repeated tokens are worth little (Muennighoff et al., arXiv 2305.16264).
REPETITION_DECAY: Final = 15.3878


@dataclass(frozen=True, slots=True)
class LifeFlops:
    """Compute of a model's life. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    pretraining, rl, inference, total : float or ndarray
        At the efficiency of training [FLOP].
    """

    pretraining: Numbers
    rl: Numbers
    inference: Numbers
    total: Numbers

    def parts(self) -> tuple[tuple[str, float], ...]:
        """Each part of a scalar case by name [FLOP]."""
        named = (("pre-training", self.pretraining), ("RL", self.rl), ("inference", self.inference))
        return tuple((name, float(value)) for name, value in named)


def life_flops(
    params: ArrayLike,
    tokens: ArrayLike,
    rl_tokens: ArrayLike = 0.0,
    serve: ArrayLike = 0.0,
    *,
    rl_flop_per_param_token: ArrayLike = budget.TRAINING_FLOP,
    efficiency: ArrayLike = 1.0,
    rl_efficiency: ArrayLike | None = None,
) -> LifeFlops:
    """Compute of a life: ``6 N D + c N D_rl / e_rl + 2 N D_inf / e``.

    Parameters
    ----------
    params, tokens : array_like
        ``N`` [1] and ``D`` [token].
    rl_tokens, serve : array_like
        ``D_rl`` sampled in RL and ``D_inf`` served [token].
    rl_flop_per_param_token : array_like
        ``c``: 2 where rollouts are only sampled, 6 where each is trained on [FLOP];
        :func:`headway.training.rl.rl_run` derives it for a fleet.
    efficiency, rl_efficiency : array_like
        ``e`` and ``e_rl`` of inference and RL against training [1]; the same where one is given.

    Returns
    -------
    LifeFlops

    References
    ----------
    Kaplan et al., arXiv 2001.08361; Sardana et al., arXiv 2401.00448; Pope (2026), chapter 5; claims C40 and C41.

    Examples
    --------
    Per parameter and token:

    >>> one = life_flops(1, 1, 1, 1, rl_flop_per_param_token=[2, 6])
    >>> one.pretraining.tolist(), one.rl.tolist(), one.inference.tolist()
    ([6.0, 6.0], [2.0, 6.0], [2.0, 2.0])
    >>> f"{life_flops(100e9, 150e12).total:.1e}"
    '9.0e+25'
    """
    slow = fraction("efficiency", positive("efficiency", efficiency))
    slower = efficiency if rl_efficiency is None else rl_efficiency
    pretraining = np.asarray(budget.training_flops(params, tokens))
    rl = np.asarray(budget.rl_flops(params, rl_tokens, rl_flop_per_param_token, slower))
    inference = np.asarray(budget.inference_flops(params, serve)) / slow
    return LifeFlops(*together(pretraining, rl, inference, pretraining + rl + inference))


@dataclass(frozen=True, slots=True)
class EqualCosts:
    """Tokens of RL and inference that cost as much as pre-training. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    rl, inference : float or ndarray
        Over the tokens of pre-training, three costs equal [1].
    inference_for_both : float or ndarray
        The same where inference alone costs what both others cost [1].
    alpha, beta : float or ndarray
        Tokens of pre-training over those of RL, and over those of inference [1].
    """

    rl: Numbers
    inference: Numbers
    inference_for_both: Numbers
    alpha: Numbers
    beta: Numbers


def equal_costs(rl_flop_per_param_token: ArrayLike = budget.TRAINING_FLOP, efficiency: ArrayLike = 1.0) -> EqualCosts:
    """Tokens at which pre-training, RL and inference cost the same: ``D_inf/D = 3 e``, ``D_rl/D = 6 e / c``.

    Equal costs are not equal tokens: they are only by accident of `efficiency` and `c`.

    Parameters
    ----------
    rl_flop_per_param_token : array_like
        ``c`` [FLOP].
    efficiency : array_like
        Of RL and inference against training, ``e`` [1]: 0.3 in the lecture, where a loss of 30% would be 0.7.

    Returns
    -------
    EqualCosts

    References
    ----------
    Pope (2026), chapter 5; claim C42.

    Examples
    --------
    >>> found = equal_costs([2, 4, 6], 0.3)
    >>> found.rl.round(2).tolist(), found.inference.round(2).tolist(), found.alpha.round(2).tolist()
    ([0.9, 0.45, 0.3], [0.9, 0.9, 0.9], [1.11, 2.22, 3.33])
    """
    split = budget.equal_cost_split(1.0, rl_flop_per_param_token, efficiency)
    rl, inference = np.asarray(split.rl_over_pretraining), np.asarray(split.inference_over_pretraining)
    return EqualCosts(*together(rl, inference, split.both_over_pretraining, 1.0 / rl, 1.0 / inference))


@dataclass(frozen=True, slots=True)
class PlainTokens:
    """Tokens of a size of which nothing is served. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    rule : float or ndarray
        By the rule of 20 a parameter [token].
    by_law : float or ndarray
        By a fitted law of loss [token].
    per_param : float or ndarray
        `by_law` over the parameters [1].
    """

    rule: Numbers
    by_law: Numbers
    per_param: Numbers


def plain_tokens(
    law: LossLaw, params: ArrayLike, tokens_per_param: ArrayLike = budget.CHINCHILLA_TOKENS_PER_PARAM
) -> PlainTokens:
    """Compute-optimal tokens of a size: by the rule ``D = 20 N``, and where ``a A N^-a = b B D^-b``.

    Parameters
    ----------
    law : LossLaw
    params : array_like
        ``N``; active parameters of a mixture of experts are an assumption [1].
    tokens_per_param : array_like
        Of the rule [1].

    Returns
    -------
    PlainTokens

    References
    ----------
    Hoffmann et al., arXiv 2203.15556; Besiroglu et al., arXiv 2404.10102; claim C39.

    Examples
    --------
    >>> from headway.facts.scaling_laws import loss_law
    >>> found = plain_tokens(loss_law("epoch-2024"), 100e9)
    >>> found.rule / 1e12, round(found.per_param, 1)
    (2.0, 18.1)
    """
    per_param = np.asarray(optimal_tokens_per_param(law, params))
    rule = budget.chinchilla_tokens(params, tokens_per_param)
    return PlainTokens(*together(rule, per_param * positive("params", params), per_param))


def effective_tokens(tokens: ArrayLike, unique: ArrayLike, decay: float = REPETITION_DECAY) -> Numbers:
    """Tokens that repeated data are worth.

    ``U + U R (1 - exp(-(D/U - 1)/R))`` beyond the first pass.

    Parameters
    ----------
    tokens, unique : array_like
        Trained on, and distinct [token].
    decay : float
        ``R`` [1].

    References
    ----------
    Muennighoff et al., arXiv 2305.16264, equation 5.

    Examples
    --------
    >>> (effective_tokens([10e12, 40e12, 150e12], 10e12) / 1e12).round(1).tolist()
    [10.0, 37.3, 101.9]
    """
    d, u = positive("tokens", tokens, "token"), positive("unique", unique, "token")
    over = np.maximum(d / u - 1.0, 0.0)
    return plain(np.where(d <= u, d, u + u * decay * (1.0 - np.exp(-over / positive("decay", decay)))))


def served_tokens(
    tokens_per_second: ArrayLike, seconds: ArrayLike, models_sharing: ArrayLike = 1.0, success: ArrayLike = 1.0
) -> Numbers:
    """Tokens that one model serves in its life: ``X T p / m`` [token].

    Parameters
    ----------
    tokens_per_second, seconds : array_like
        Mean rate of the provider, ``X`` [token/s], and life of a model, ``T`` [s].
    models_sharing : array_like
        Models that share the traffic, ``m`` [1].
    success : array_like
        Chance that the model is released, ``p`` [1].

    References
    ----------
    Pope (2026), chapter 5; claim C43.

    Examples
    --------
    >>> round(served_tokens(5e8, 2 * 30.4375 * 86400, 10) / 1e12)
    263
    """
    share = 1.0 / positive("models_sharing", models_sharing)
    return budget.tokens_served(tokens_per_second, seconds, share, success)


def needed_rate(tokens: ArrayLike, seconds: ArrayLike) -> Numbers:
    """Mean rate that serves so many tokens in a life: ``D_inf / T`` [token/s].

    Parameters
    ----------
    tokens, seconds : array_like
        [token], [s].

    References
    ----------
    Claim C44.

    Examples
    --------
    >>> round(needed_rate(150e12, 2 * 30.4375 * 86400) / 1e6, 1)
    28.5
    """
    return budget.mean_rate(tokens, seconds)


def rollout_saving(
    tokens_before: ArrayLike, tokens_after: ArrayLike, prompt_tokens: ArrayLike = 0.0, kept: ArrayLike = 1.0
) -> Numbers:
    """RL compute of answers of one length over that of shorter ones of equal reward [1].

    ``(2 T + 6 k (T + p)) / (2 T' + 6 k (T' + p))`` with prompts of ``p`` tokens that a trainer reads too; without them
    it is ``T/T'``, whatever the share ``k`` that is trained on.

    Parameters
    ----------
    tokens_before, tokens_after : array_like
        Mean tokens of an answer [token].
    prompt_tokens : array_like
        [token].
    kept : array_like
        Share of rollouts that is trained on, ``k`` [1].

    References
    ----------
    Claim W07, from W04 and C41.

    Examples
    --------
    >>> rollout_saving([120e6, 157e6], 58e6).round(2).tolist()
    [2.07, 2.71]
    >>> round(rollout_saving(8192, 4096, prompt_tokens=1024), 2)
    1.84
    """
    long, short = (
        positive(name, value, "token")
        for name, value in (("tokens_before", tokens_before), ("tokens_after", tokens_after))
    )
    trained = budget.TRAINING_FLOP * fraction("kept", kept)
    read = trained * not_negative("prompt_tokens", prompt_tokens, "token")
    each = budget.FORWARD_FLOP + trained
    return budget.rollout_saving(each * long + read, each * short + read)
