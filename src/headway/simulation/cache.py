"""Hit rates of a prefix cache over a trace, exact: by time to live, by capacity, and how long entries are held.

The rule: walk a prompt's blocks from the start and stop at the first that is not held. A block is available from
the arrival of the request that first carried it, and its life starts anew at each use. Within one request the tail
is older than the head. LRU holds the most recent blocks, so a block that is alive and within the capacity's stack
distance is a hit, whatever the two limits: one pass gives the curve over all lives, and one over all capacities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.check import not_negative, positive, single
from headway.facts.errors import InputError
from headway.physics.arrays import Numbers, plain, together
from headway.simulation.columns import Floats, Ints, Runs
from headway.simulation.prefixes import Uses, dense_runs, prefix_uses
from headway.simulation.trace import Trace


@dataclass(frozen=True, slots=True)
class HitRate:
    """Share of a trace that a cache serves. Numbers or arrays of one shape.

    Parameters
    ----------
    tokens_pooled : float or ndarray
        Input tokens served over all input tokens [1].
    tokens_per_request : float or ndarray
        Mean over requests of each one's share of input tokens served [1].
    blocks_pooled : float or ndarray
        Blocks served over all blocks [1]; NaN where it was not counted.
    """

    tokens_pooled: Numbers
    tokens_per_request: Numbers
    blocks_pooled: Numbers


@dataclass(frozen=True, slots=True, eq=False)
class Reuse:
    """What one pass over a trace found.

    Parameters
    ----------
    requests, input_tokens, block_tokens, accesses, unique_blocks : int
        Of the trace [1], [token].
    prefixes : bool
        Whether every id stood for one whole prefix.
    ttl_s : float
        Life that the pass allowed [s].
    gap_s, gap_hits, gap_request : ndarray
        Lives in rising order [s], the tokens that each adds [token], and of which request.
    gap_tokens, gap_share : ndarray
        Cumulated tokens and request shares that are served from each life on.
    block_gap_s, block_gap_count : ndarray
        Gaps between uses of a block in rising order, and blocks of each [s], [1].
    lru_blocks : ndarray of int, shape (k,)
        Capacities, from 0 and rising, between which what LRU serves is a straight line [1].
    lru, lru_slope : ndarray, shape (k, 3)
        Tokens, request shares and blocks served by an LRU cache of so many blocks, and what one block more adds.
    hit_tokens : ndarray of int, shape (requests,)
        Tokens served of each request, without limit of capacity [token].
    """

    requests: int
    input_tokens: int
    block_tokens: int
    accesses: int
    unique_blocks: int
    prefixes: bool
    ttl_s: float
    gap_s: Floats
    gap_hits: Floats
    gap_request: Ints
    gap_tokens: Floats
    gap_share: Floats
    block_gap_s: Floats
    block_gap_count: Floats
    lru_blocks: Ints
    lru: Floats
    lru_slope: Floats
    hit_tokens: Ints


def require_blocks(trace: Trace) -> None:
    """Refuse a trace whose prompts have no block ids.

    >>> from headway.simulation.trace import make_trace
    >>> require_blocks(make_trace("plain", [0], [10], [1]))
    Traceback (most recent call last):
    headway.facts.errors.InputError: plain: 'no block ids' is not accepted: expected prompts whose blocks have ids
    """
    if not len(trace.run_start):
        raise InputError(trace.name, "no block ids", "prompts whose blocks have ids")
    if np.isnan(trace.arrival_s).any():
        raise InputError(trace.name, "a closed loop", "arrivals as recorded: read the trace without closed")


def measure_reuse(trace: Trace, *, ttl_s: float = np.inf, least_tokens: int = 0) -> Reuse:
    """Pass over a trace once, in the order of arrival.

    Stack distances after Mattson et al. (1970), on runs of ids.

    Parameters
    ----------
    trace : Trace
        With block ids and known arrivals.
    ttl_s : float
        Longest life of an entry since its last use [s].
    least_tokens : int
        Prompts below it neither read nor write the cache [token].

    Returns
    -------
    Reuse
        For :func:`ttl_hit_rate`, :func:`lru_hit_rate` and :func:`held_token_seconds`.

    Raises
    ------
    InputError
        If prompts have no ids, or arrivals are not known.

    References
    ----------
    Mattson, Gecsei, Slutz, Traiger (1970), "Evaluation techniques for storage hierarchies", IBM Systems Journal 9(2).

    Examples
    --------
    >>> from headway.simulation.trace import make_trace
    >>> trace = make_trace(
    ...     "t",
    ...     [0, 10, 20],
    ...     [32, 32, 32],
    ...     [1, 1, 1],
    ...     block_tokens=16,
    ...     blocks=[0, 1, 0, 2, 0, 1],
    ...     block_indptr=[0, 2, 4, 6],
    ... )
    >>> found = measure_reuse(trace)
    >>> found.hit_tokens.tolist(), ttl_hit_rate(found, [5, 10, 20]).tokens_pooled.round(3).tolist()
    ([0, 16, 32], [0.0, 0.333, 0.5])
    """
    require_blocks(trace)
    (indptr, start, count), ids = dense_runs(trace.runs)
    life = float(single("ttl_s", ttl_s))
    if not np.isinf(life):
        not_negative("ttl_s", life, "s")
    limits = (trace.block_tokens, life, int(least_tokens))
    found = prefix_uses(trace.arrival_s, trace.input_tokens, (indptr, start, count), *limits)
    prefixes = found is not None
    if found is None:
        found = _any_uses(trace, (indptr, start, count), ids, *limits)
    gaps, raw = found.gaps, found.raw
    order, block_order = np.argsort(gaps[:, 0], kind="stable"), np.argsort(raw[:, 0], kind="stable")
    corner, slope = np.maximum(np.append(0, found.at - 1), 0), np.cumsum(found.change, axis=0)
    slope = np.concatenate([np.zeros((1, 3)), slope])
    rises = slope[:-1] * np.diff(corner)[:, None]
    return Reuse(
        requests=len(trace),
        input_tokens=int(trace.input_tokens.sum()),
        block_tokens=trace.block_tokens,
        accesses=int(trace.run_count.sum()),
        unique_blocks=found.unique,
        prefixes=prefixes,
        ttl_s=life,
        gap_s=gaps[order, 0],
        gap_hits=gaps[order, 1],
        gap_request=gaps[order, 3].astype(np.int64),
        gap_tokens=np.cumsum(gaps[order, 1]),
        gap_share=np.cumsum(gaps[order, 2]),
        block_gap_s=raw[block_order, 0],
        block_gap_count=raw[block_order, 1],
        lru_blocks=corner,
        lru=np.concatenate([np.zeros((1, 3)), np.cumsum(rises, axis=0)]),
        lru_slope=slope,
        hit_tokens=found.hit_tokens,
    )


def _any_uses(trace: Trace, runs: Runs, ids: int, size: int, life: float, least: int) -> Uses:
    """The same for ids that are not prefixes, block by block."""
    from headway.simulation._reuse import general_pass

    hit_tokens, gaps, raw, by_distance, unique = general_pass(
        trace.arrival_s, trace.input_tokens, *runs, ids, size, life, least
    )
    at = np.flatnonzero((by_distance != 0).any(axis=1))
    return Uses(hit_tokens, gaps, raw, at, by_distance[at], int(unique))


def lru_served(reuse: Reuse, blocks: ArrayLike) -> Floats:
    """Tokens, request shares and blocks served by an LRU cache of whole blocks; shape (..., 3).

    >>> from headway.simulation.trace import make_trace
    >>> one = make_trace("t", [0, 9], [16, 16], [1, 1], block_tokens=16, blocks=[3, 3], block_indptr=[0, 1, 2])
    >>> lru_served(measure_reuse(one), [0, 1, 5])[:, 0].tolist()
    [0.0, 16.0, 16.0]
    """
    asked = np.asarray(blocks)
    at = np.searchsorted(reuse.lru_blocks, asked, side="right") - 1
    return np.asarray(reuse.lru[at] + reuse.lru_slope[at] * (asked - reuse.lru_blocks[at])[..., None])


def lru_blocks_for(reuse: Reuse, tokens: ArrayLike) -> Ints:
    """Fewest blocks with which LRU serves so many tokens of all; the last that adds any where none does [1].

    >>> from headway.simulation.trace import make_trace
    >>> one = make_trace("t", [0, 9], [48, 48], [1, 1], block_tokens=16, blocks=[0, 1, 2] * 2, block_indptr=[0, 3, 6])
    >>> lru_blocks_for(measure_reuse(one), [0, 17, 48]).tolist()
    [0, 2, 3]
    """
    wanted = np.asarray(tokens, dtype=float)
    at = np.maximum(np.searchsorted(reuse.lru[:, 0], wanted, side="left") - 1, 0)
    slope = np.where(reuse.lru_slope[at, 0] > 0, reuse.lru_slope[at, 0], np.inf)
    more = np.ceil(np.maximum(wanted - reuse.lru[at, 0], 0.0) / slope)
    return np.asarray(reuse.lru_blocks[at] + more, dtype=np.int64)


def ttl_hit_rate(reuse: Reuse, ttl_s: ArrayLike) -> HitRate:
    """Share served by a cache without limit of capacity whose entries live `ttl_s` after their last use.

    Parameters
    ----------
    reuse : Reuse
        Of :func:`measure_reuse`.
    ttl_s : array_like
        Lives, up to the one the pass allowed; ``inf`` for no expiry [s].

    Returns
    -------
    HitRate
        Of the shape of `ttl_s`; blocks are not counted.

    Examples
    --------
    See :func:`measure_reuse`.

    >>> from headway.simulation.trace import make_trace
    >>> one = make_trace("t", [0, 9], [16, 16], [1, 1], block_tokens=16, blocks=[3, 3], block_indptr=[0, 1, 2])
    >>> ttl_hit_rate(measure_reuse(one), np.inf).tokens_per_request
    0.5
    """
    at = np.searchsorted(reuse.gap_s, np.asarray(ttl_s, dtype=float), side="right")
    tokens = np.concatenate([[0.0], reuse.gap_tokens])[at] / reuse.input_tokens
    share = np.concatenate([[0.0], reuse.gap_share])[at] / reuse.requests
    return HitRate(*together(tokens, share, np.full(np.shape(tokens), np.nan)))


def lru_hit_rate(reuse: Reuse, capacity_tokens: ArrayLike) -> HitRate:
    """Share served by a cache of some capacity that drops the least recently used block first.

    Parameters
    ----------
    reuse : Reuse
        Of :func:`measure_reuse`, whose life also holds here.
    capacity_tokens : array_like
        Whole blocks are held; ``inf`` for no limit [token].

    Returns
    -------
    HitRate
        Of the shape of `capacity_tokens`.

    Examples
    --------
    >>> from headway.simulation.trace import make_trace
    >>> trace = make_trace(
    ...     "t", [0, 1, 2], [16, 16, 16], [1, 1, 1], block_tokens=16, blocks=[0, 1, 0], block_indptr=[0, 1, 2, 3]
    ... )
    >>> lru_hit_rate(measure_reuse(trace), [16, 32]).tokens_pooled.round(3).tolist()
    [0.0, 0.333]
    """
    capacity = np.asarray(capacity_tokens, dtype=float)
    if np.isnan(capacity).any() or (capacity < 0).any():
        not_negative("capacity_tokens", capacity, "token")
    most = float(reuse.block_tokens * reuse.unique_blocks)
    blocks = (np.minimum(capacity, most) // reuse.block_tokens).astype(np.int64)
    held = lru_served(reuse, blocks)
    return HitRate(
        *together(held[..., 0] / reuse.input_tokens, held[..., 1] / reuse.requests, held[..., 2] / reuse.accesses)
    )


def held_token_seconds(reuse: Reuse, ttl_s: ArrayLike) -> Numbers:
    """Token-seconds that a cache holds over the trace when entries live `ttl_s` after their last use.

    ``sum over uses of min(gap to the next use, T)``, the last use of a block holding it for ``T``.

    Parameters
    ----------
    reuse : Reuse
        Of :func:`measure_reuse`.
    ttl_s : array_like
        Lives [s].

    Returns
    -------
    float or ndarray
        [token s].

    Examples
    --------
    >>> from headway.simulation.trace import make_trace
    >>> one = make_trace("t", [0, 9], [16, 16], [1, 1], block_tokens=16, blocks=[3, 3], block_indptr=[0, 1, 2])
    >>> held_token_seconds(measure_reuse(one), [5, 20]).tolist()
    [160.0, 464.0]
    """
    life = np.asarray(not_negative("ttl_s", ttl_s, "s"), dtype=float)
    at = np.searchsorted(reuse.block_gap_s, life, side="right")
    seconds = np.concatenate([[0.0], np.cumsum(reuse.block_gap_s * reuse.block_gap_count)])[at]
    within = np.concatenate([[0.0], np.cumsum(reuse.block_gap_count)])
    longer = (within[-1] - within[at] + reuse.unique_blocks) * life
    return plain(reuse.block_tokens * (seconds + longer))


def reuse_interval(reuse: Reuse, shares: ArrayLike) -> Numbers:
    """Gaps between two uses of a block below which these shares of all block reuses lie.

    Parameters
    ----------
    reuse : Reuse
        Of :func:`measure_reuse`.
    shares : array_like
        From 0 to 1 [1].

    Returns
    -------
    float or ndarray
        [s]; NaN where no block is reused.

    Examples
    --------
    >>> from headway.simulation.trace import make_trace
    >>> one = make_trace("t", [0, 9], [16, 16], [1, 1], block_tokens=16, blocks=[3, 3], block_indptr=[0, 1, 2])
    >>> reuse_interval(measure_reuse(one), 0.5)
    9.0
    """
    wanted = np.asarray(shares, dtype=float)
    if not len(reuse.block_gap_s):
        return plain(np.full(wanted.shape, np.nan))
    mass = np.cumsum(reuse.block_gap_count)
    at = np.searchsorted(mass, wanted * mass[-1], side="left")
    return plain(reuse.block_gap_s[np.minimum(at, len(mass) - 1)])


def ttl_for_share(reuse: Reuse, share: float) -> float:
    """Shortest life that serves `share` of what a cache without limits would; 0 where nothing is reused [s].

    >>> from headway.simulation.trace import make_trace
    >>> one = make_trace("t", [0, 9], [16, 16], [1, 1], block_tokens=16, blocks=[3, 3], block_indptr=[0, 1, 2])
    >>> ttl_for_share(measure_reuse(one), 0.95)
    9.0
    """
    if not len(reuse.gap_s):
        return 0.0
    at = np.searchsorted(reuse.gap_tokens, positive("share", single("share", share)) * reuse.gap_tokens[-1])
    return float(reuse.gap_s[min(int(at), len(reuse.gap_s) - 1)])


def request_hit_tokens(reuse: Reuse, ttl_s: float) -> Ints:
    """Input tokens of each request served by a cache without limit of capacity and lives of `ttl_s` [token].

    >>> from headway.simulation.trace import make_trace
    >>> one = make_trace("t", [0, 9], [16, 16], [1, 1], block_tokens=16, blocks=[3, 3], block_indptr=[0, 1, 2])
    >>> request_hit_tokens(measure_reuse(one), 5).tolist(), request_hit_tokens(measure_reuse(one), 9).tolist()
    ([0, 0], [0, 16])
    """
    at = np.searchsorted(reuse.gap_s, ttl_s, side="right")
    hits = np.bincount(reuse.gap_request[:at], weights=reuse.gap_hits[:at], minlength=reuse.requests)
    return np.asarray(hits, dtype=np.int64)
