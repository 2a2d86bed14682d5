"""The compute of a model's life: pre-training, reinforcement learning, inference, and how to divide it.

Notation: ``N`` active parameters, ``D`` pre-training tokens. Compute after pre-training counts at what it would have
cost at the efficiency of training: a stage that runs at 30% of it costs 1/0.3 times its FLOP.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.physics.arrays import Numbers, fraction, not_negative, plain, positive

# FLOP per parameter and token: forward, and forward with backward.
FORWARD_FLOP = 2.0
TRAINING_FLOP = 6.0
# Tokens per parameter of the rule of thumb that the lecture calls Chinchilla.
CHINCHILLA_TOKENS_PER_PARAM = 20.0


@dataclass(frozen=True, slots=True)
class EqualCostSplit:
    """Tokens at which the parts of a model's life cost the same. Fields are numbers or arrays.

    Parameters
    ----------
    inference_tokens, rl_tokens : float or ndarray
        Each as dear as pre-training [token].
    inference_tokens_for_both : float or ndarray
        Inference as dear as pre-training and RL together [token].
    inference_over_pretraining, rl_over_pretraining, both_over_pretraining : float or ndarray
        The same over the pre-training tokens [1]; their inverses are the lecture's beta and alpha.
    """

    inference_tokens: Numbers
    rl_tokens: Numbers
    inference_tokens_for_both: Numbers
    inference_over_pretraining: Numbers
    rl_over_pretraining: Numbers
    both_over_pretraining: Numbers


def chinchilla_tokens(params: ArrayLike, tokens_per_param: ArrayLike = CHINCHILLA_TOKENS_PER_PARAM) -> Numbers:
    """Pre-training tokens by the rule of thumb.

    ``D = 20 N``. With the active parameters of a mixture of experts in it, the rule is an assumption.

    Parameters
    ----------
    params : array_like
        ``N`` [1].
    tokens_per_param : array_like
        [1].

    Returns
    -------
    float or ndarray
        [token].

    References
    ----------
    Hoffmann et al., arXiv 2203.15556; Pope (2026), chapter 5.

    Examples
    --------
    >>> chinchilla_tokens(100e9) / 1e12
    2.0
    """
    return plain(positive("params", params) * positive("tokens_per_param", tokens_per_param))


def training_flops(params: ArrayLike, tokens: ArrayLike, flop_per_param_token: ArrayLike = TRAINING_FLOP) -> Numbers:
    """Compute of pre-training.

    ``6 N D``: two forward, four backward.

    Parameters
    ----------
    params, tokens : array_like
        ``N`` [1], ``D`` [token].
    flop_per_param_token : array_like
        6; 8 with every activation computed again [FLOP].

    Returns
    -------
    float or ndarray
        [FLOP].

    References
    ----------
    Kaplan et al., arXiv 2001.08361; scaling book (2025), chapter "Transformer math".

    Examples
    --------
    >>> f"{training_flops(100e9, 150e12):.1e}"
    '9.0e+25'
    """
    return plain(
        positive("flop_per_param_token", flop_per_param_token)
        * not_negative("params", params)
        * not_negative("tokens", tokens, "token")
    )


def inference_flops(params: ArrayLike, tokens: ArrayLike) -> Numbers:
    """Compute of inference without its attention.

    ``2 N D``.

    Parameters
    ----------
    params, tokens : array_like
        ``N`` [1], ``D`` [token].

    Returns
    -------
    float or ndarray
        [FLOP].

    References
    ----------
    As :func:`training_flops`.

    Examples
    --------
    >>> inference_flops(1, 1)
    2.0
    """
    return training_flops(params, tokens, FORWARD_FLOP)


def rl_flops(
    params: ArrayLike, tokens: ArrayLike, flop_per_param_token: ArrayLike = TRAINING_FLOP, efficiency: ArrayLike = 1.0
) -> Numbers:
    """Compute of reinforcement learning, at what it would have cost at the efficiency of training.

    ``c N D / e`` with ``c`` from 2 (rollouts only) to 6 (each rollout trained on).

    Parameters
    ----------
    params, tokens : array_like
        ``N`` [1], ``D`` [token].
    flop_per_param_token : array_like
        ``c`` [FLOP].
    efficiency : array_like
        Of rollouts against training, ``e``, above 0 [1].

    Returns
    -------
    float or ndarray
        [FLOP].

    References
    ----------
    Pope (2026), chapter 5.

    Examples
    --------
    >>> rl_flops(1, 1, [2, 6], 0.5).tolist()
    [4.0, 12.0]
    """
    plainly = np.asarray(training_flops(params, tokens, flop_per_param_token))
    return plain(plainly / fraction("efficiency", positive("efficiency", efficiency)))


def equal_cost_split(
    pretraining_tokens: ArrayLike, rl_flop_per_param_token: ArrayLike = TRAINING_FLOP, efficiency: ArrayLike = 1.0
) -> EqualCostSplit:
    """Tokens of RL and of inference that cost as much as pre-training.

    ``6 N D_pt = c N D_rl / e = 2 N D_inf / e``: ``D_inf = 3 e D_pt``, ``D_rl = (6/c) e D_pt``; and
    ``D_inf = 6 e D_pt`` where inference equals both others together.

    Parameters
    ----------
    pretraining_tokens : array_like
        ``D_pt`` [token].
    rl_flop_per_param_token : array_like
        ``c``, 2 to 6 [FLOP].
    efficiency : array_like
        Of RL and inference against training, ``e`` [1]: 0.3 in the lecture.

    Returns
    -------
    EqualCostSplit
        Tokens and ratios.

    References
    ----------
    Pope (2026), chapter 5.

    Examples
    --------
    >>> split = equal_cost_split(150e12, [2, 4, 6], 0.3)
    >>> split.rl_over_pretraining.round(2).tolist(), split.inference_over_pretraining.round(2).tolist()
    ([0.9, 0.45, 0.3], [0.9, 0.9, 0.9])
    """
    tokens = positive("pretraining_tokens", pretraining_tokens, "token")
    share = fraction("efficiency", positive("efficiency", efficiency))
    factor = positive("rl_flop_per_param_token", rl_flop_per_param_token)
    tokens, share, factor = np.broadcast_arrays(tokens, share, factor)
    inference, rl = TRAINING_FLOP / FORWARD_FLOP * share, TRAINING_FLOP / factor * share
    return EqualCostSplit(
        plain(inference * tokens),
        plain(rl * tokens),
        plain(2.0 * inference * tokens),
        plain(inference + 0.0),
        plain(rl + 0.0),
        plain(2.0 * inference),
    )


def overtraining(
    tokens: ArrayLike, params: ArrayLike, tokens_per_param: ArrayLike = CHINCHILLA_TOKENS_PER_PARAM
) -> Numbers:
    """Pre-training tokens over those of the rule of thumb.

    ``D / (20 N)``.

    Parameters
    ----------
    tokens, params : array_like
        ``D`` [token], ``N`` [1].
    tokens_per_param : array_like
        [1].

    Returns
    -------
    float or ndarray
        Multiple [1].

    References
    ----------
    Pope (2026), chapter 5; DeepSeek-V3 (14.8T tokens, 37B active) for comparison.

    Examples
    --------
    >>> overtraining([150e12, 14.8e12], [100e9, 37e9]).tolist()
    [75.0, 20.0]
    """
    return plain(not_negative("tokens", tokens, "token") / np.asarray(chinchilla_tokens(params, tokens_per_param)))


def tokens_served(
    tokens_per_second: ArrayLike, seconds: ArrayLike, share: ArrayLike = 1.0, success: ArrayLike = 1.0
) -> Numbers:
    """Tokens that one model serves in its life.

    ``X T s p``.

    Parameters
    ----------
    tokens_per_second : array_like
        Mean rate of the provider, ``X`` [token/s].
    seconds : array_like
        Life of the model, ``T`` [s].
    share : array_like
        Of the traffic that this model takes, ``s`` [1].
    success : array_like
        Chance that the model is released at all, ``p`` [1].

    Returns
    -------
    float or ndarray
        [token].

    References
    ----------
    Pope (2026), chapter 5.

    Examples
    --------
    500M tokens a second for two months, a tenth of them for one model, in units of 1e12:

    >>> round(tokens_served(5e8, 2 * 30.4375 * 86400, 0.1) / 1e12)
    263
    """
    rate = not_negative("tokens_per_second", tokens_per_second, "token/s")
    taken = fraction("share", share) * fraction("success", success)
    return plain(rate * not_negative("seconds", seconds, "s") * taken)


def mean_rate(tokens: ArrayLike, seconds: ArrayLike) -> Numbers:
    """Mean rate that serves a number of tokens in a time.

    ``D / T``.

    Parameters
    ----------
    tokens : array_like
        [token].
    seconds : array_like
        [s].

    Returns
    -------
    float or ndarray
        [token/s].

    Examples
    --------
    >>> round(mean_rate(150e12, 2 * 30.4375 * 86400) / 1e6, 1)
    28.5
    """
    return plain(not_negative("tokens", tokens, "token") / positive("seconds", seconds, "s"))


def rollout_saving(tokens_before: ArrayLike, tokens_after: ArrayLike) -> Numbers:
    """How much cheaper rollouts become when an answer takes fewer tokens, at equal reward.

    ``T_before / T_after``: the cost of RL is linear in the tokens of its rollouts.

    Parameters
    ----------
    tokens_before, tokens_after : array_like
        Per rollout [token].

    Returns
    -------
    float or ndarray
        Multiple [1].

    References
    ----------
    Claim W07, from W04 and C41.

    Examples
    --------
    >>> rollout_saving([120e6, 157e6], 58e6).round(2).tolist()
    [2.07, 2.71]
    """
    return plain(positive("tokens_before", tokens_before, "token") / positive("tokens_after", tokens_after, "token"))


def recompute_overhead(share: ArrayLike = 1.0) -> Numbers:
    """Training compute when activations are computed again in the backward pass, over that when they are kept.

    ``(6 + 2 s) / 6``: 8 N D over 6 N D with all of them.

    Parameters
    ----------
    share : array_like
        Of the forward pass that is done again, ``s`` [1].

    Returns
    -------
    float or ndarray
        Multiple [1]; attention and norms left out.

    References
    ----------
    Chen et al., arXiv 1604.06174; Gomez et al. (RevNet), arXiv 1707.04585; claim C72.

    Examples
    --------
    >>> round(recompute_overhead(), 4)
    1.3333
    """
    return plain((TRAINING_FLOP + FORWARD_FLOP * fraction("share", share)) / TRAINING_FLOP)
