"""What a long context costs, and what a price by context says about the cache.

Notation as in :mod:`headway.physics.balance`: ``R`` machine balance, ``N_a`` active parameters, ``k`` bytes of
cache per token, ``L`` context, ``L*`` balance context, ``B*`` balance batch, ``w`` bytes of one weight.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from headway.physics.arrays import Numbers, fraction, not_negative, plain, positive
from headway.physics.balance import memory_over_compute


def mfu_at_context(context: ArrayLike, balance_context: ArrayLike) -> Numbers:
    """Share of peak compute that decode reaches at a context, weights amortised away.

    ``min(1, L*/L)``.

    Parameters
    ----------
    context, balance_context : array_like
        ``L`` and ``L*`` [token].

    Returns
    -------
    float or ndarray
        Model FLOP utilisation [1].

    References
    ----------
    Pope (2026), chapter 6.

    Examples
    --------
    >>> mfu_at_context([0, 100e3, 400e3], 200e3).tolist()
    [1.0, 1.0, 0.5]
    """
    ratio = not_negative("context", context, "token") / positive("balance_context", balance_context, "token")
    return plain(1.0 / np.maximum(ratio, 1.0))


def kv_bytes_at_kink(
    active_params: ArrayLike, machine_balance: ArrayLike, context: ArrayLike, weight_bytes: ArrayLike = 1.0
) -> Numbers:
    """Cache bytes per token that put the balance context at a given length.

    ``k = N_a w / (R L)``: :func:`~headway.physics.balance.balance_context` solved for ``k``, as the lecture reads
    a price step.

    Parameters
    ----------
    active_params, machine_balance : array_like
        ``N_a`` and ``R`` [1].
    context : array_like
        Where the price steps up [token].
    weight_bytes : array_like
        Bytes of one weight that `machine_balance` was taken with [B].

    Returns
    -------
    float or ndarray
        Cache read per token of context [B/token].

    References
    ----------
    Pope (2026), chapter 6.

    Examples
    --------
    >>> round(kv_bytes_at_kink(100e9, 300, 200e3))
    1667
    """
    params = positive("active_params", active_params) * positive("weight_bytes", weight_bytes, "B")
    length = positive("context", context, "token")
    return plain(params / (positive("machine_balance", machine_balance) * length))


def kv_bytes_from_price_ratio(
    ratio: ArrayLike,
    machine_balance: ArrayLike,
    active_params: ArrayLike,
    context: ArrayLike,
    batch_over_balance: ArrayLike,
    weight_bytes: ArrayLike = 1.0,
) -> Numbers:
    """Cache bytes per token that would make output cost `ratio` times as much as input.

    ``k = (ratio - B*/B) N_a w / (R L)``, the inversion of
    :func:`~headway.physics.balance.memory_over_compute`. It holds only
    where prices follow cost and prompts run compute-bound.

    Parameters
    ----------
    ratio : array_like
        Output price over input price [1].
    machine_balance, active_params : array_like
        ``R`` and ``N_a`` [1].
    context : array_like
        Mean context of a decoded token [token].
    batch_over_balance : array_like
        ``B/B*`` [1].
    weight_bytes : array_like
        Bytes of one weight that `machine_balance` was taken with [B].

    Returns
    -------
    float or ndarray
        Cache read per token of context [B/token]; ``nan`` where the weights alone already cost more than
        the ratio, so that no cache explains it.

    References
    ----------
    Pope (2026), chapter 6, read as an equation.

    Examples
    --------
    >>> kv_bytes_from_price_ratio(5, 300, 100e9, [10e3, 20e3], 2).tolist()
    [150000.0, 75000.0]
    """
    excess = positive("ratio", ratio) - 1.0 / positive("batch_over_balance", batch_over_balance)
    unit = kv_bytes_at_kink(active_params, machine_balance, context, weight_bytes)
    return plain(np.where(excess >= 0, excess, np.nan) * unit)


def context_cost_growth(long: ArrayLike, short: ArrayLike, exponent: ArrayLike = 1.0) -> Numbers:
    """Growth of attention reads from one context to a longer one.

    ``(L2 / L1) ^ p``: ``p = 1`` for dense attention, ``p = 1/2`` for the lecture's sparse attention.

    Parameters
    ----------
    long, short : array_like
        ``L2`` and ``L1`` [token].
    exponent : array_like
        ``p`` [1].

    Returns
    -------
    float or ndarray
        Growth [1].

    References
    ----------
    Pope (2026), chapter 6.

    Examples
    --------
    >>> context_cost_growth(100e6, 200e3, [1, 0.5]).round(1).tolist()
    [500.0, 22.4]
    """
    ratio = positive("long", long, "token") / positive("short", short, "token")
    return plain(ratio ** not_negative("exponent", exponent))


def sparse_attention_gain(long: ArrayLike, short: ArrayLike, exponent: ArrayLike = 0.5) -> Numbers:
    """Reads of dense attention over reads of sparse attention, both grown from the same short context.

    ``(L2 / L1) ^ (1 - p)``, where sparse reads grow as ``L ^ p``.

    Parameters
    ----------
    long, short : array_like
        ``L2`` and the context ``L1`` where both cost the same [token].
    exponent : array_like
        ``p`` from 0 to 1 [1]; 1 is dense.

    Returns
    -------
    float or ndarray
        Gain [1].

    References
    ----------
    Pope (2026), chapter 6 ("a square-root improvement").

    Examples
    --------
    >>> round(sparse_attention_gain(100e6, 200e3, 0.5), 1)
    22.4
    """
    ratio = positive("long", long, "token") / positive("short", short, "token")
    return plain(ratio ** (1.0 - fraction("exponent", exponent)))


def indexed_attention_gain(
    context: ArrayLike, kv_elements: ArrayLike, index_elements: ArrayLike, selected: ArrayLike
) -> Numbers:
    """Reads of dense attention over reads of attention that selects tokens with an indexer.

    ``e L / (e min(L, s) + i L)`` per layer: the indexer still reads every token, so the gain tends to
    ``e / i`` and never grows as a square root.

    Parameters
    ----------
    context : array_like
        ``L`` [token].
    kv_elements, index_elements : array_like
        Bytes or elements cached per token for attention, ``e``, and for the indexer, ``i``.
    selected : array_like
        Tokens that attention reads, ``s`` [token].

    Returns
    -------
    float or ndarray
        Gain [1]; below 1 at contexts that the selection does not shorten.

    References
    ----------
    DeepSeek-V3.2-Exp, inference configuration (576 and 128 elements, 2,048 tokens).

    Examples
    --------
    >>> indexed_attention_gain([131072, 1e9], 576, 128, 2048).round(1).tolist()
    [4.2, 4.5]
    """
    length = positive("context", context, "token")
    kept = np.minimum(length, positive("selected", selected, "token"))
    elements = positive("kv_elements", kv_elements)
    return plain(elements * length / (elements * kept + not_negative("index_elements", index_elements) * length))


def attention_parity_context(
    active_params: ArrayLike,
    attention_flops_per_context_token: ArrayLike,
    weight_rate_over_attention_rate: ArrayLike = 1.0,
) -> Numbers:
    """Context at which attention costs as much compute as all the weights.

    ``L = 2 N_a / (a g)`` with ``a`` FLOP per token of context and ``g`` the rate of the weights' precision
    over that of the attention's.

    Parameters
    ----------
    active_params : array_like
        ``N_a`` [1].
    attention_flops_per_context_token : array_like
        Scores and weighted values of one query against one cached token, all layers [FLOP/token].
    weight_rate_over_attention_rate : array_like
        ``g`` [1]: 2 for FP8 weights beside BF16 attention; 1 compares FLOP, not time.

    Returns
    -------
    float or ndarray
        Context [token].

    References
    ----------
    Scaling book (2025), chapter "Transformer math", for decode in place of training.

    Examples
    --------
    DeepSeek-V3 (absorbed MLA) and Llama-3-70B:

    >>> attention_parity_context([37e9, 70e9], [61 * 2 * 128 * 1088, 4 * 80 * 64 * 128]).round().tolist()
    [4355.0, 53406.0]
    """
    per_token = positive("attention_flops_per_context_token", attention_flops_per_context_token, "FLOP/token")
    rate = positive("weight_rate_over_attention_rate", weight_rate_over_attention_rate)
    return plain(2.0 * positive("active_params", active_params) / (per_token * rate))


def training_parity_context(hidden: ArrayLike, ffn_over_hidden: ArrayLike = 4.0) -> Numbers:
    """Sequence length at which attention costs as much as the weights when a dense model is trained.

    ``18 D F + 24 D^2 = 12 T D`` per token and layer gives ``T = (1.5 F/D + 2) D``; ``F = 4D`` gives ``8D``.

    Parameters
    ----------
    hidden : array_like
        Residual width ``D``, equal to heads times head width [1].
    ffn_over_hidden : array_like
        ``F/D`` of a gated feed-forward block [1].

    Returns
    -------
    float or ndarray
        Sequence length [token].

    References
    ----------
    Scaling book (2025), chapter "Transformer math", T = 8D.

    Examples
    --------
    >>> training_parity_context(8192)
    65536.0
    """
    return plain((1.5 * positive("ffn_over_hidden", ffn_over_hidden) + 2.0) * positive("hidden", hidden))


def balance_prefill_tokens(
    sequences: ArrayLike, balance_batch: ArrayLike, prefix: ArrayLike = 0.0, balance_context: ArrayLike = 1.0
) -> Numbers:
    """New prompt tokens in one pass from which prefill is compute-bound.

    ``n B = B* + B L/L*``: a cached prefix is read once per sequence, the weights once per pass.

    Parameters
    ----------
    sequences : array_like
        Prompts in the pass [1].
    balance_batch : array_like
        ``B*`` [1].
    prefix : array_like
        Tokens already in the cache of each sequence [token].
    balance_context : array_like
        ``L*`` [token]; without effect at no prefix.

    Returns
    -------
    float or ndarray
        New tokens of all sequences together [token].

    References
    ----------
    Pope (2026), chapter 6, "pass length".

    Examples
    --------
    >>> balance_prefill_tokens(1, 5441)
    5441.0
    """
    ratio = memory_over_compute(sequences, balance_batch, prefix, balance_context)
    return plain(ratio * np.asarray(sequences, dtype=float))
