"""Small steps between published figures and the equations: rates, totals, and one deployment read as a roofline.

They are what a reader does on the margin of a talk. Each is one line of algebra, named, so that nobody has
to do it twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.physics.arrays import Numbers, not_negative, plain, positive
from headway.physics.terms import Terms


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """One decode pass of a deployment at its published load. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    memory : float or ndarray
        All reads, weights and cache [s].
    weights : float or ndarray
        Matrix products with the weights [s].
    attention : float or ndarray
        Scores and weighted values [s].
    compute : float or ndarray
        Both of them [s].
    pass_time : float or ndarray
        The slower of memory and compute [s].
    tokens_per_chip_second : float or ndarray
        At that pass time: the bound of a chip [token/s].
    """

    memory: Numbers
    weights: Numbers
    attention: Numbers
    compute: Numbers
    pass_time: Numbers
    tokens_per_chip_second: Numbers


def operating_point(
    sequences: ArrayLike,
    context: ArrayLike,
    chips: ArrayLike,
    total_params: ArrayLike,
    active_params: ArrayLike,
    kv_bytes_per_token: ArrayLike,
    attention_flops_per_context_token: ArrayLike,
    weight_flops: ArrayLike,
    attention_flops: ArrayLike,
    bandwidth: ArrayLike,
    weight_bytes: ArrayLike = 1.0,
) -> OperatingPoint:
    """Roofline of a deployment whose weights and attention multiply at different rates.

    ``memory = (N_t w + B L k) / (n BW)``, ``compute = 2 B N_a / (n F_w) + B L a / (n F_a)``.

    Parameters
    ----------
    sequences, context : array_like
        ``B`` in one pass of the unit [1], mean ``L`` [token].
    chips : array_like
        ``n`` of the unit [1].
    total_params, active_params : array_like
        ``N_t`` and ``N_a`` [1].
    kv_bytes_per_token : array_like
        ``k`` [B/token].
    attention_flops_per_context_token : array_like
        ``a``, all layers [FLOP/token].
    weight_flops, attention_flops : array_like
        Peak dense rates of one chip at the precision of the weights, ``F_w``, and of attention, ``F_a`` [FLOP/s].
    bandwidth : array_like
        Memory of one chip [B/s].
    weight_bytes : array_like
        ``w`` [B].

    Returns
    -------
    OperatingPoint
        Times and the bound they set.

    References
    ----------
    Derived (claim D07); the load is that of DeepSeek, open-infra-index, day 6.

    Examples
    --------
    >>> day = operating_point(12686, 4989, 144, 671e9, 37e9, 70272, 61 * 2 * 128 * 1088, 1.979e15, 989.5e12, 3.35e12)
    >>> round(day.memory * 1e3, 1), round(day.compute * 1e3, 1)
    (10.6, 10.8)
    """
    batch, length = positive("sequences", sequences), not_negative("context", context, "token")
    count = positive("chips", chips)
    seen = batch * length
    read = positive("total_params", total_params) * positive("weight_bytes", weight_bytes, "B")
    read = read + seen * not_negative("kv_bytes_per_token", kv_bytes_per_token, "B/token")
    memory = read / (count * positive("bandwidth", bandwidth, "B/s"))
    weights = 2.0 * batch * positive("active_params", active_params)
    weights = weights / (count * positive("weight_flops", weight_flops, "FLOP/s"))
    look = seen * not_negative("attention_flops_per_context_token", attention_flops_per_context_token, "FLOP/token")
    look = look / (count * positive("attention_flops", attention_flops, "FLOP/s"))
    pass_time = np.maximum(memory, weights + look)
    return OperatingPoint(
        plain(memory),
        plain(weights),
        plain(look),
        plain(weights + look),
        plain(pass_time),
        plain(batch / (pass_time * count)),
    )


def period_of(rate: ArrayLike) -> Numbers:
    """Time between events that come at a rate.

    ``1 / r``.

    Parameters
    ----------
    rate : array_like
        [1/s].

    Returns
    -------
    float or ndarray
        [s].

    Examples
    --------
    >>> period_of(64)
    0.015625
    """
    return plain(1.0 / positive("rate", rate, "1/s"))


def seconds_per_sequence(terms: Terms, batch: ArrayLike, context: ArrayLike = 0.0) -> Numbers:
    """Pass time over the sequences that share it.

    ``t(B, L) / B``.

    Parameters
    ----------
    terms : Terms
        The pass.
    batch : array_like
        ``B`` [1].
    context : array_like
        ``L`` [token].

    Returns
    -------
    float or ndarray
        [s].

    Examples
    --------
    >>> from headway.physics.blackboard import roofline_terms
    >>> round(seconds_per_sequence(roofline_terms(800e9, 100e9, 0.0, 2e15, 4e12), 4000) * 1e3, 2)
    0.1
    """
    return plain(terms.seconds(batch, context) / positive("batch", batch))


def sparsity_for_batch(batch: ArrayLike, machine_balance: ArrayLike) -> Numbers:
    """Total over active parameters for which a batch balances: the balance batch solved for sparsity.

    ``N_t / N_a = B* / R``.

    Parameters
    ----------
    batch : array_like
        ``B*`` [1].
    machine_balance : array_like
        ``R`` [1].

    Returns
    -------
    float or ndarray
        Sparsity [1].

    Examples
    --------
    >>> sparsity_for_batch(3000, 300)
    10.0
    """
    return plain(positive("batch", batch) / positive("machine_balance", machine_balance))


def compute_time(active_params: ArrayLike, flops: ArrayLike) -> Numbers:
    """Time of one token's matrix products at peak.

    ``2 N_a / F``.

    Parameters
    ----------
    active_params : array_like
        ``N_a`` [1].
    flops : array_like
        ``F`` [FLOP/s].

    Returns
    -------
    float or ndarray
        [s].

    Examples
    --------
    100B active on a GB200 at FP8, in microseconds:

    >>> round(compute_time(100e9, 5e15) * 1e6, 9)
    40.0
    """
    return plain(2.0 * positive("active_params", active_params) / positive("flops", flops, "FLOP/s"))


def peak_token_rate(active_params: ArrayLike, flops: ArrayLike) -> Numbers:
    """Tokens per second of one chip at its peak rate: the most that its compute allows.

    ``F / (2 N_a)``.

    Parameters
    ----------
    active_params, flops : array_like
        As in :func:`compute_time`.

    Returns
    -------
    float or ndarray
        [token/s].

    Examples
    --------
    >>> peak_token_rate(100e9, 5e15)
    25000.0
    """
    return plain(positive("flops", flops, "FLOP/s") / (2.0 * positive("active_params", active_params)))


def bytes_of_weights(params: ArrayLike, weight_bytes: ArrayLike) -> Numbers:
    """Memory of all weights in one format.

    ``N w``.

    Parameters
    ----------
    params : array_like
        ``N`` [1].
    weight_bytes : array_like
        ``w`` [B].

    Returns
    -------
    float or ndarray
        [B].

    Examples
    --------
    >>> bytes_of_weights(1e12, 0.5)
    500000000000.0
    """
    return plain(positive("params", params) * positive("weight_bytes", weight_bytes, "B"))


def aggregate_bandwidth(chips: ArrayLike, bandwidth: ArrayLike) -> Numbers:
    """Memory bandwidth of chips that read in parallel.

    ``n BW``.

    Parameters
    ----------
    chips : array_like
        ``n`` [1].
    bandwidth : array_like
        Of one chip [B/s].

    Returns
    -------
    float or ndarray
        [B/s].

    Examples
    --------
    >>> aggregate_bandwidth(72, 8e12) / 1e12
    576.0
    """
    return plain(positive("chips", chips) * positive("bandwidth", bandwidth, "B/s"))


def chips_in(nodes: ArrayLike, chips_per_node: ArrayLike) -> Numbers:
    """Chips of a number of nodes, which may be a mean over a day.

    Parameters
    ----------
    nodes, chips_per_node : array_like
        [1].

    Returns
    -------
    float or ndarray
        Chips [1].

    Examples
    --------
    >>> chips_in(226.75, 8)
    1814.0
    """
    return plain(not_negative("nodes", nodes) * positive("chips_per_node", chips_per_node))


def tokens_in_pass(sequences: ArrayLike, length: ArrayLike) -> Numbers:
    """Tokens that one pass multiplies when every sequence brings the same number.

    Parameters
    ----------
    sequences : array_like
        [1].
    length : array_like
        New tokens of each [token].

    Returns
    -------
    float or ndarray
        [token].

    Examples
    --------
    >>> tokens_in_pass(64, 4096)
    262144.0
    """
    return plain(positive("sequences", sequences) * positive("length", length, "token"))


def power_between(x_first: ArrayLike, y_first: ArrayLike, x_last: ArrayLike, y_last: ArrayLike) -> Numbers:
    """Exponent of the power law through two points.

    ``p = ln(y2/y1) / ln(x2/x1)``.

    Parameters
    ----------
    x_first, y_first, x_last, y_last : array_like
        Coordinates of both points, above zero; the abscissas differ.

    Returns
    -------
    float or ndarray
        Exponent [1]; ``nan`` where the abscissas are equal.

    Examples
    --------
    >>> power_between(1, 1, 4, 2)
    0.5
    """
    rise = np.log(positive("y_last", y_last) / positive("y_first", y_first))
    run = np.log(positive("x_last", x_last) / positive("x_first", x_first))
    return plain(np.where(run != 0, rise / np.where(run != 0, run, 1.0), np.nan))
