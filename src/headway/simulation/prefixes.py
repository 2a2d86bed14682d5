"""How long ago, and under how many others, the blocks of prompts were last used: whole arrays at a time.

Where an id stands for a whole prefix, whoever uses a block uses all before it, and takes them from whoever used them
last. A prompt is then a few stretches of blocks that one earlier request used last, the later requests first. The
blocks that stand above a stretch in the LRU stack are those that requests in between were the last to use.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headway.simulation.columns import Floats, Ints, Runs


@dataclass(frozen=True, slots=True, eq=False)
class Uses:
    """What a pass over a trace's blocks found.

    Parameters
    ----------
    hit_tokens : ndarray of int, shape (n,)
        Tokens served of each request, without limit of capacity [token].
    gaps : ndarray, shape (k, 4)
        A gap that a life must reach [s], the tokens it then serves, their share of their request, and which it is.
    raw : ndarray, shape (j, 2)
        A gap between two uses [s], and of how many blocks.
    at : ndarray of int, shape (m,)
        Capacities, each once and rising, from which one more block serves more, or less, than the one before [1].
    change : ndarray, shape (m, 3)
        How much more: tokens, shares of requests, blocks.
    unique : int
        Blocks in all [1].
    """

    hit_tokens: Ints
    gaps: Floats
    raw: Floats
    at: Ints
    change: Floats
    unique: int


@dataclass(frozen=True, slots=True, eq=False)
class _Stretches:
    owner: Ints
    who: Ints
    first: Ints
    length: Ints
    unique: int


def dense_runs(runs: Runs) -> tuple[Runs, int]:
    """Renumber ids without gaps, runs staying runs.

    Parameters
    ----------
    runs : tuple of ndarray
        ``run_indptr, run_start, run_count``.

    Returns
    -------
    tuple
        The runs, and how many ids there are at most.

    Examples
    --------
    >>> runs = np.array([0, 2]), np.array([10**15, 5]), np.array([2, 3])
    >>> (indptr, start, count), ids = dense_runs(runs)
    >>> start.tolist(), ids
    ([3, 0], 5)
    """
    indptr, start, count = runs
    order = np.argsort(start, kind="stable")
    ends = np.maximum.accumulate((start + count)[order])
    opens = np.ones(len(order), dtype=bool)
    opens[1:] = start[order][1:] > ends[:-1]
    island = np.cumsum(opens) - 1
    first = start[order][opens]
    final = ends[np.append(np.flatnonzero(opens)[1:] - 1, len(order) - 1)]
    offset = np.cumsum(final - first) - (final - first)
    moved = np.empty_like(start)
    moved[order] = start[order] - first[island] + offset[island]
    return (indptr, moved, count), int((final - first).sum())


def prefix_uses(times: Floats, inputs: Ints, runs: Runs, size: int, ttl_s: float, least: int) -> Uses | None:
    """Pass over a trace whose ids stand for prefixes; None where one comes after two different ids.

    Parameters
    ----------
    times : ndarray, shape (n,)
        Arrivals, rising [s].
    inputs : ndarray of int, shape (n,)
        Lengths of the prompts [token].
    runs : tuple of ndarray
        ``run_indptr, run_start, run_count``.
    size : int
        Tokens of a block [token].
    ttl_s : float
        Longest life of a block since its last use [s].
    least : int
        Prompts below it neither read nor write the cache [token].

    Examples
    --------
    >>> times, inputs = np.array([0.0, 10.0]), np.array([32, 30])
    >>> found = prefix_uses(times, inputs, (np.array([0, 1, 2]), np.array([0, 0]), np.array([2, 2])), 16, np.inf, 0)
    >>> found.hit_tokens.tolist(), found.at.tolist(), found.change[:, 0].tolist()
    ([0, 30], [1, 2, 3], [16.0, -2.0, -14.0])
    """
    found = _stretches(inputs, runs, least)
    if found is None:
        return None
    known = found.who >= 0
    gap = np.where(known, times[found.owner] - times[found.who], np.inf)
    raw = np.column_stack([gap[known], found.length[known]]).astype(float)
    alive = known & (gap <= ttl_s)
    owner, who, length, first = (column[alive] for column in (found.owner, found.who, found.length, found.first))
    tokens = np.minimum(size * length, inputs[owner] - size * first)
    share = 1.0 / inputs[owner]
    begins, after = np.searchsorted(found.owner, owner, "left"), np.searchsorted(found.owner, who, "right")
    earlier = np.concatenate([[0], np.cumsum(found.length)])[after]
    above = sum_before(found.who, found.length, begins, who) - earlier
    at, change = _curve(above, length, size, size * length - tokens, share)
    return Uses(
        np.bincount(owner, weights=tokens, minlength=len(inputs)).astype(np.int64),
        np.column_stack([gap[alive], tokens, tokens * share, owner]).astype(float),
        raw,
        at,
        change,
        found.unique,
    )


def _stretches(inputs: Ints, runs: Runs, least: int) -> _Stretches | None:
    """Prompts as stretches of blocks that one request used last (-1 for nobody), in order."""
    indptr, start, count = runs
    run_owner = np.repeat(np.arange(len(inputs)), np.diff(indptr))
    if least > 0:
        kept = inputs[run_owner] >= least
        run_owner, start, count = run_owner[kept], start[kept], count[kept]
    cuts = np.unique(np.concatenate([start, start + count]))
    low = np.searchsorted(cuts, start)
    number = np.searchsorted(cuts, start + count) - low
    ends = np.cumsum(number)
    total = int(ends[-1]) if ends.size else 0
    piece = np.arange(total) + np.repeat(low - (ends - number), number)
    owner, width = np.repeat(run_owner, number), np.diff(cuts, append=0)[piece]
    opens = np.diff(owner, prepend=-1) != 0
    before = np.where(opens, -1, np.concatenate([piece[:1], piece[:-1]]))
    bits = total.bit_length()
    order = np.sort((piece << bits) | np.arange(total)) & ((1 << bits) - 1)
    again = piece[order][1:] == piece[order][:-1]
    earlier, later = order[:-1][again], order[1:][again]
    if (before[earlier] != before[later]).any():
        return None
    who = np.full(total, -1)
    who[later] = owner[earlier]
    at = np.flatnonzero(opens | (np.diff(who, prepend=-2) != 0))
    place = np.concatenate([[0], np.cumsum(width)])
    begin = np.maximum.accumulate(np.where(opens, place[:-1], 0))
    used = np.bincount(piece, minlength=cuts.size) > 0
    unique = int(np.diff(cuts, append=0)[used].sum())
    return _Stretches(
        owner[at], who[at], place[at] - begin[at], np.diff(place[at], append=int(place[-1])).astype(np.int64), unique
    )


def sum_before(values: Ints, weights: Ints, ends: Ints, limits: Ints) -> Ints:
    """Weight of the first ``ends[i]`` entries whose value is at most ``limits[i]``.

    A wavelet matrix (Claude, Navarro, Ordonez 2015): entries are parted by one bit of their value at a time, and a
    question follows the bits of its limit.

    Parameters
    ----------
    values, weights : ndarray of int, shape (n,)
        Values from -1 on.
    ends, limits : ndarray of int, shape (q,)
        From 0 to n, and from -1 on.

    Examples
    --------
    >>> sum_before(np.array([3, -1, 2]), np.array([10, 20, 30]), np.array([3, 2, 3]), np.array([2, 5, -1])).tolist()
    [50, 30, 20]
    """
    value, weight, limit = values + 1, weights, limits + 2
    total = np.zeros(len(ends), dtype=np.int64)
    low, high = np.zeros(len(ends), dtype=np.int64), ends.astype(np.int64)
    top = max(int(value.max(initial=0)), int(limit.max(initial=0))).bit_length()
    for bit in range(top - 1, -1, -1):
        zero = (value >> bit) & 1 == 0
        rank = np.concatenate([[0], np.cumsum(zero)])
        sums = np.concatenate([[0], np.cumsum(np.where(zero, weight, 0))])
        right = (limit >> bit) & 1 == 1
        low_zero, high_zero = rank[low], rank[high]
        total += np.where(right, sums[high] - sums[low], 0)
        low = np.where(right, rank[-1] + low - low_zero, low_zero)
        high = np.where(right, rank[-1] + high - high_zero, high_zero)
        value, weight = (np.concatenate([a[zero], a[~zero]]) for a in (value, weight))
    return total


def _curve(above: Ints, length: Ints, size: int, unfilled: Ints, share: Floats) -> tuple[Ints, Floats]:
    """Second differences of what is served by capacity: a block more for each block of a stretch that is held."""
    begin, end = above + 1, above + 1 + length
    short = unfilled > 0
    lost = np.where(short, unfilled, 0)[short].astype(float)
    at = np.concatenate([begin, end, end[short] - 1, end[short]])
    tokens = np.concatenate([np.full(len(begin), float(size)), np.full(len(end), -float(size)), -lost, lost])
    shares = tokens * np.concatenate([share, share, share[short], share[short]])
    blocks = np.concatenate([np.ones(len(begin)), -np.ones(len(end)), np.zeros(2 * len(lost))])
    return gathered(at, np.column_stack([tokens, shares, blocks]))


def gathered(at: Ints, change: Floats) -> tuple[Ints, Floats]:
    """Changes at the same place as one, in the order of places.

    >>> at, change = gathered(np.array([3, 1, 3]), np.array([[1.0], [2.0], [5.0]]))
    >>> at.tolist(), change.tolist()
    ([1, 3], [[2.0], [6.0]])
    """
    order = np.argsort(at, kind="stable")
    opens = np.flatnonzero(np.diff(at[order], prepend=-1) != 0)
    if not opens.size:
        return at, change
    return at[order][opens], np.add.reduceat(change[order], opens, axis=0)
