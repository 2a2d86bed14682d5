"""The cheapest model of a given loss for a given demand, by a fitted law of loss.

Notation: ``N`` active parameters, ``D`` pre-training tokens, ``L = E + A/N^a + B/D^b`` the loss, ``l = L - E``, ``S``
FLOP per parameter that the model costs after pre-training. Laws are rows of
:mod:`headway.facts.scaling_laws`; they were fitted far below the tokens per parameter asked of them here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.scaling_laws import LossLaw
from headway.physics.arrays import Floats, Numbers, fraction, not_negative, plain, positive
from headway.physics.budget import CHINCHILLA_TOKENS_PER_PARAM, FORWARD_FLOP, TRAINING_FLOP


@dataclass(frozen=True, slots=True)
class TrainingOptimum:
    """The cheapest model of a given loss for a given demand. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    params, tokens : float or ndarray
        ``N`` [1] and ``D`` [token].
    tokens_per_param : float or ndarray
        ``D/N`` [1].
    overtraining : float or ndarray
        ``D/N`` over the rule of thumb of 20 [1].
    demand_over_pretraining : float or ndarray
        Cost after pre-training over its cost, ``S/(6D)`` [1].
    lifetime_flops : float or ndarray
        ``N (6 D + S)`` [FLOP].
    loss : float or ndarray
        The loss held fixed [nat/token].
    law : str
        Name of the fit.
    """

    params: Numbers
    tokens: Numbers
    tokens_per_param: Numbers
    overtraining: Numbers
    demand_over_pretraining: Numbers
    lifetime_flops: Numbers
    loss: Numbers
    law: str


def demand_flop_per_param(
    inference_tokens: ArrayLike,
    efficiency: ArrayLike = 1.0,
    rl_tokens: ArrayLike = 0.0,
    rl_flop_per_param_token: ArrayLike = TRAINING_FLOP,
    rl_efficiency: ArrayLike | None = None,
) -> Numbers:
    """Compute per parameter after pre-training.

    ``S = 2 D_inf / e + c D_rl / e_rl``.

    Parameters
    ----------
    inference_tokens, rl_tokens : array_like
        ``D_inf`` and ``D_rl`` [token].
    efficiency : array_like
        Of inference against training, ``e`` [1].
    rl_flop_per_param_token : array_like
        ``c`` [FLOP].
    rl_efficiency : array_like, optional
        Of RL against training, ``e_rl`` [1]; that of inference when left out, as the lecture has it.

    Returns
    -------
    float or ndarray
        [FLOP].

    References
    ----------
    Sardana et al., arXiv 2401.00448, for ``6 N D + 2 N D_inf``; Pope (2026), chapter 5, for RL and efficiency.

    Examples
    --------
    >>> demand_flop_per_param(150e12, 0.3) / 1e12
    1000.0
    """
    share = fraction("efficiency", positive("efficiency", efficiency))
    rl_share = share if rl_efficiency is None else fraction("rl_efficiency", positive("rl_efficiency", rl_efficiency))
    served = FORWARD_FLOP * not_negative("inference_tokens", inference_tokens, "token")
    factor = positive("rl_flop_per_param_token", rl_flop_per_param_token)
    return plain(served / share + factor * not_negative("rl_tokens", rl_tokens, "token") / rl_share)


def lifetime_flops(params: ArrayLike, tokens: ArrayLike, demand: ArrayLike) -> Numbers:
    """Compute of a model's life.

    ``N (6 D + S)``.

    Parameters
    ----------
    params, tokens : array_like
        ``N`` [1], ``D`` [token].
    demand : array_like
        ``S`` of :func:`demand_flop_per_param` [FLOP].

    Returns
    -------
    float or ndarray
        [FLOP].

    Examples
    --------
    >>> lifetime_flops(1, 1, 4)
    10.0
    """
    return plain(
        positive("params", params)
        * (TRAINING_FLOP * not_negative("tokens", tokens, "token") + not_negative("demand", demand, "FLOP"))
    )


def loss(law: LossLaw, params: ArrayLike, tokens: ArrayLike) -> Numbers:
    """Loss of a model by a fitted law.

    ``E + A / N^a + B / D^b``.

    Parameters
    ----------
    law : LossLaw
        Constants.
    params, tokens : array_like
        ``N`` [1], ``D`` [token].

    Returns
    -------
    float or ndarray
        [nat/token].

    References
    ----------
    Hoffmann et al., arXiv 2203.15556, approach 3.

    Examples
    --------
    >>> from headway.facts.scaling_laws import loss_law
    >>> round(loss(loss_law("epoch-2024"), 70e9, 1.4e12), 3)
    1.974
    """
    size, data = _parts(law, params, tokens)
    return plain(law.irreducible + size + data)


def optimal_tokens_per_param(law: LossLaw, params: ArrayLike) -> Numbers:
    """Tokens per parameter of the compute-optimal model of a size, nothing served.

    ``a A N^-a = b B D^-b`` solved for ``D/N``.

    Parameters
    ----------
    law : LossLaw
        Constants.
    params : array_like
        ``N`` [1].

    Returns
    -------
    float or ndarray
        ``D/N`` [1].

    References
    ----------
    Hoffmann et al., arXiv 2203.15556, approach 3; the two fits differ by a factor of six at 100B.

    Examples
    --------
    >>> from headway.facts.scaling_laws import loss_law
    >>> [round(optimal_tokens_per_param(loss_law(n), 100e9), 1) for n in ("hoffmann-2022-printed", "epoch-2024")]
    [118.1, 18.1]
    """
    n = positive("params", params)
    size = law.size_exponent * law.size_coefficient * n**-law.size_exponent
    return plain((law.data_exponent * law.data_coefficient / size) ** (1.0 / law.data_exponent) / n)


def inference_over_pretraining_cost_at_optimum(law: LossLaw, params: ArrayLike, tokens: ArrayLike) -> Numbers:
    """Cost after pre-training over its cost, for which a given model is the cheapest of its loss.

    ``S/(6D) = a A N^-a / (b B D^-b) - 1``, the first-order condition of least ``N (6 D + S)`` at fixed loss.
    Equal costs are no theorem: the ratio is 1 only by accident.

    Parameters
    ----------
    law : LossLaw
        Constants.
    params, tokens : array_like
        ``N`` [1], ``D`` [token].

    Returns
    -------
    float or ndarray
        Ratio [1]; below 0 where the model is trained on fewer tokens than is optimal with nothing served.

    References
    ----------
    Derived (claim C45); the problem is that of Sardana et al., arXiv 2401.00448.

    Examples
    --------
    >>> from headway.facts.scaling_laws import loss_law
    >>> laws = [loss_law(n) for n in ("hoffmann-2022-printed", "epoch-2024")]
    >>> [round(inference_over_pretraining_cost_at_optimum(law, 100e9, 150e12), 2) for law in laws]
    [1.04, 4.03]
    """
    size, data = _parts(law, params, tokens)
    return plain(law.size_exponent * size / (law.data_exponent * data) - 1.0)


def optimal_size(
    law: LossLaw,
    inference_tokens: ArrayLike,
    reference_params: ArrayLike,
    reference_tokens: ArrayLike,
    efficiency: ArrayLike = 1.0,
    rl_tokens: ArrayLike = 0.0,
    rl_flop_per_param_token: ArrayLike = TRAINING_FLOP,
    rl_efficiency: ArrayLike | None = None,
) -> TrainingOptimum:
    """Size and tokens that reach the loss of a reference model at least compute over the model's life.

    Least ``N (6 D + S)`` at ``A N^-a + B D^-b = l``. The condition ``a (l - y) = (1 + S/(6D)) b y`` with
    ``y = B D^-b`` has one root in ``D``, found by bisection of ``ln D``.

    Parameters
    ----------
    law : LossLaw
        Constants; ``E`` does not enter.
    inference_tokens : array_like
        ``D_inf``, zero or more [token].
    reference_params, reference_tokens : array_like
        The model whose loss is to be reached [1], [token].
    efficiency : array_like
        Of inference against training, and of RL unless told [1].
    rl_tokens : array_like
        ``D_rl`` [token].
    rl_flop_per_param_token : array_like
        ``c`` [FLOP].
    rl_efficiency : array_like, optional
        Of RL where it differs [1].

    Returns
    -------
    TrainingOptimum
        With no demand at all it is the compute-optimal model of that loss.

    Raises
    ------
    RangeError
        If a number is out of range.

    References
    ----------
    Sardana et al., arXiv 2401.00448; Pope (2026), chapter 5 (claims C46, C47).

    Examples
    --------
    150T, 263T and 1,000T tokens served at an efficiency of 0.3, at the loss of 100B on 150T:

    >>> from headway.facts.scaling_laws import loss_law
    >>> best = optimal_size(loss_law("epoch-2024"), [150e12, 263e12, 1000e12], 100e9, 150e12, 0.3)
    >>> (best.params / 1e9).round().tolist(), (best.tokens / 1e12).round().tolist()
    ([121.0, 111.0, 93.0], [67.0, 94.0, 223.0])
    """
    demand = np.asarray(
        demand_flop_per_param(inference_tokens, efficiency, rl_tokens, rl_flop_per_param_token, rl_efficiency)
    )
    size, data = _parts(law, reference_params, reference_tokens)
    demand, level = np.broadcast_arrays(demand, size + data)
    tokens = _bisect_tokens(law, level, demand)
    n = (law.size_coefficient / (level - law.data_coefficient * tokens**-law.data_exponent)) ** (
        1.0 / law.size_exponent
    )
    pretraining = TRAINING_FLOP * tokens
    return TrainingOptimum(
        plain(n),
        plain(tokens),
        plain(tokens / n),
        plain(tokens / n / CHINCHILLA_TOKENS_PER_PARAM),
        plain(demand / pretraining),
        plain(n * (pretraining + demand)),
        plain(law.irreducible + level),
        law.name,
    )


def _parts(law: LossLaw, params: ArrayLike, tokens: ArrayLike) -> tuple[Floats, Floats]:
    """Loss owed to size and to data."""
    size = law.size_coefficient * positive("params", params) ** -law.size_exponent
    return np.asarray(size), np.asarray(
        law.data_coefficient * positive("tokens", tokens, "token") ** -law.data_exponent
    )


def _bisect_tokens(law: LossLaw, level: Floats, demand: Floats) -> Floats:
    a, b = law.size_exponent, law.data_exponent
    # Without demand the root is known; demand only moves it up.
    alone = level * a / (a + b)
    low = np.log(law.data_coefficient / alone) / b
    high = low + 60.0
    for _ in range(100):
        middle = 0.5 * (low + high)
        tokens = np.exp(middle)
        data = law.data_coefficient * tokens**-b
        short = a * (level - data) < (1.0 + demand / (TRAINING_FLOP * tokens)) * b * data
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return np.asarray(np.exp(0.5 * (low + high)))
