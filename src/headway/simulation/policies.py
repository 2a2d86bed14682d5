"""Hit rates of a prefix cache under a policy and a capacity: LRU and no limit exactly, the others block by block."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.check import not_negative
from headway.facts.errors import unknown
from headway.physics.arrays import together
from headway.simulation.cache import HitRate, lru_hit_rate, measure_reuse, require_blocks
from headway.simulation.columns import Ints
from headway.simulation.prefixes import dense_runs
from headway.simulation.trace import Trace

POLICIES: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        "unlimited": "never drops",
        "lru": "drops the least recently used",
        "lfu": "drops the least often used since it came, the least recent of those",
        "s3-fifo": "a tenth for newcomers, second uses are promoted, ids of the dropped are remembered",
        "belady": "drops what is used again last, which only an oracle knows: a bound",
    }
)
"""Names and meanings. S3-FIFO after Yang et al. (SOSP 2023); the bound after Belady (1966)."""


def policy_hit_tokens(trace: Trace, policy: str, capacity_tokens: float) -> Ints:
    """Input tokens of each request that a cache of one policy and capacity serves, simulated block by block.

    Parameters
    ----------
    trace : Trace
        With block ids.
    policy : str
        ``"lru"``, ``"lfu"``, ``"s3-fifo"`` or ``"belady"``.
    capacity_tokens : float
        Whole blocks are held [token].

    Returns
    -------
    ndarray of int
        Shape (n,) [token].

    Raises
    ------
    UnknownNameError
        If there is no such policy.

    References
    ----------
    Belady (1966), IBM Systems Journal 5(2); Yang et al. (2023), "FIFO queues are all you need for cache eviction".

    Examples
    --------
    >>> from headway.simulation.trace import make_trace
    >>> trace = make_trace(
    ...     "t", [0, 1, 2], [16, 16, 16], [1, 1, 1], block_tokens=16, blocks=[0, 1, 0], block_indptr=[0, 1, 2, 3]
    ... )
    >>> policy_hit_tokens(trace, "lru", 16).tolist(), policy_hit_tokens(trace, "belady", 16).tolist()
    ([0, 0, 0], [0, 0, 16])
    """
    from headway.simulation import _policies

    require_blocks(trace)
    (indptr, start, count), ids = dense_runs(trace.runs)
    total = int(count.sum())
    blocks = int(min(not_negative("capacity_tokens", capacity_tokens, "token") // trace.block_tokens, ids))
    call = (trace.input_tokens, indptr, start, count, ids, trace.block_tokens, blocks)
    if policy in ("lru", "lfu"):
        found = _policies.counted(*call, policy == "lfu")
    elif policy == "s3-fifo":
        found = _policies.s3_fifo(*call)
    elif policy == "belady":
        found = _policies.belady(*call, _policies.next_users(len(trace), indptr, start, count, ids, total))
    else:
        raise unknown("policy", policy, POLICIES)
    return np.asarray(found, dtype=np.int64)


def policy_hit_rate(trace: Trace, policy: str, capacity_tokens: ArrayLike) -> HitRate:
    """Hit rates of one policy over capacities.

    Parameters
    ----------
    trace : Trace
        With block ids.
    policy : str
        Key of ``POLICIES``.
    capacity_tokens : array_like
        Capacities [token].

    Returns
    -------
    HitRate
        Of the shape of `capacity_tokens`; blocks are counted for LRU and no limit only.

    Raises
    ------
    UnknownNameError
        If there is no such policy.

    Examples
    --------
    >>> from headway.simulation.trace import make_trace
    >>> trace = make_trace(
    ...     "t", [0, 1, 2], [16, 16, 16], [1, 1, 1], block_tokens=16, blocks=[0, 1, 0], block_indptr=[0, 1, 2, 3]
    ... )
    >>> policy_hit_rate(trace, "lfu", [16, 32]).tokens_pooled.round(3).tolist()
    [0.0, 0.333]
    """
    capacities = np.asarray(capacity_tokens, dtype=float)
    if policy in ("lru", "unlimited"):
        limit = np.full(capacities.shape, np.inf) if policy == "unlimited" else capacities
        return lru_hit_rate(measure_reuse(trace), limit)
    hits = [policy_hit_tokens(trace, policy, float(c)) for c in capacities.ravel()]
    pooled = np.array([h.sum() / trace.input_tokens.sum() for h in hits]).reshape(capacities.shape)
    each = np.array([(h / trace.input_tokens).mean() for h in hits]).reshape(capacities.shape)
    return HitRate(*together(pooled, each, np.full(capacities.shape, np.nan)))
