"""Mixture of experts: how many experts a batch touches, and how uneven their load is.

Notation: ``E`` routed experts, ``k`` of them per token, ``T`` tokens in the pass. Routing is taken as uniform:
each token picks ``k`` distinct experts, all sets alike. Real routers are less even.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.errors import RangeError
from headway.physics.arrays import Floats, Numbers, not_negative, plain, positive, whole

# Ranks up to which the maximum of normals is tabled one by one; beyond, between points of a grid.
_TABLED_RANKS = 1024
# Where ranks hold a fraction of an assignment the expansion overshoots; its term fades below this variance.
# Chosen against simulation.
_SPARSE = 0.1


def touched_experts(experts: ArrayLike, top_k: ArrayLike, tokens: ArrayLike) -> Numbers:
    """Expected number of distinct experts that a batch touches: the weights that a pass must read.

    ``E (1 - (1 - k/E)^T)``: each token misses a given expert with probability ``1 - k/E``.

    Parameters
    ----------
    experts, top_k : array_like
        ``E`` and ``k`` [1].
    tokens : array_like
        ``T``, zero or more [token].

    Returns
    -------
    float or ndarray
        Experts [1].

    Raises
    ------
    RangeError
        If a number is out of range or `top_k` exceeds `experts`.

    Examples
    --------
    >>> touched_experts(256, 8, [1, 32, 1024]).round(1).tolist()
    [8.0, 163.3, 256.0]
    """
    total, kept = _routing(experts, top_k)
    share = kept / total
    # A dense layer (k = E) has no finite logarithm; the nearest share below 1 gives E to the last digit.
    missed = np.log1p(-np.minimum(share, 1.0 - 1e-16))
    return plain(-total * np.expm1(not_negative("tokens", tokens, "token") * missed))


def tokens_per_expert(tokens: ArrayLike, top_k: ArrayLike, experts: ArrayLike) -> Numbers:
    """Mean rows of one expert's matrix product.

    ``T k / E``.

    Parameters
    ----------
    tokens, top_k, experts : array_like
        ``T``, ``k`` and ``E``.

    Returns
    -------
    float or ndarray
        Tokens [token].

    References
    ----------
    DeepSeek, open-infra-index, day 6: 12,686 sequences in flight on a decode unit (claim C07).

    Examples
    --------
    >>> round(tokens_per_expert(12686, 8, 256))
    396
    """
    total, kept = _routing(experts, top_k)
    return plain(not_negative("tokens", tokens, "token") * kept / total)


def busiest_rank_tokens(assignments: ArrayLike, ranks: ArrayLike) -> Numbers:
    """Expected load of the fullest of `ranks` ranks among which assignments fall independently and evenly.

    The loads are multinomial, with mean ``a/n``, variance ``(a/n)(1 - 1/n)`` and correlation ``-1/(n-1)``. The
    expected maximum is that of ``n`` normals with a Cornish-Fisher term for skewness (faded where loads are
    below one), kept between the exact bounds ``max(a/n, min(a, 1))`` and ``a``. Against simulation on 2 to 256
    ranks it is within 5% from one assignment per rank on, 0.5% from ten and 0.1% from thirty; below one, 15%.

    Parameters
    ----------
    assignments : array_like
        Tokens times experts per token, ``a`` [1].
    ranks : array_like
        ``n`` [1].

    Returns
    -------
    float or ndarray
        Assignments on the busiest rank [1].

    References
    ----------
    Cornish and Fisher, Rev. Int. Stat. Inst. 5(4), 1938, for the expansion; the rest is by definition.

    Examples
    --------
    >>> busiest_rank_tokens(800, [1, 8]).round(1).tolist()
    [800.0, 114.4]
    """
    load = not_negative("assignments", assignments)
    n = whole("ranks", ranks)
    mean = load / n
    return plain(_expected_maximum(load, mean, mean * (1.0 - 1.0 / n), 1.0 - 2.0 / n, n))


def load_imbalance(experts: ArrayLike, top_k: ArrayLike, tokens: ArrayLike, ranks: ArrayLike) -> Numbers:
    """Expected load of the busiest rank over the mean load, under uniform routing.

    As :func:`busiest_rank_tokens`, with the variance of drawing ``k`` distinct experts: per token
    ``k f (1-f) (E-k)/(E-1)`` for a rank that holds the share ``f = 1/n`` of the experts. `ranks` equal to
    `experts` gives the imbalance between experts.

    Parameters
    ----------
    experts, top_k : array_like
        ``E`` and ``k`` [1].
    tokens : array_like
        ``T``, above zero [token].
    ranks : array_like
        ``n``, at most ``E`` [1].

    Returns
    -------
    float or ndarray
        Maximum over mean, 1 or more [1].

    Raises
    ------
    RangeError
        If a number is out of range, or there are more ranks than experts.

    Examples
    --------
    >>> load_imbalance(256, 8, [64, 4096], 32).round(2).tolist()
    [1.54, 1.06]
    """
    total, kept = _routing(experts, top_k)
    n, count = whole("ranks", ranks), positive("tokens", tokens, "token")
    if np.any(n > total):
        raise RangeError("ranks", f"{np.max(n):g}", "at most one rank per expert", nearest=f"{np.min(total):g}")
    load = count * kept
    distinct = (total - kept) / np.maximum(total - 1.0, 1.0)
    mean = load / n
    variance = mean * (1.0 - 1.0 / n) * distinct
    return plain(_expected_maximum(load, mean, variance, 1.0 - 2.0 / n, n) / mean)


def _expected_maximum(load: Floats, mean: Floats, variance: Floats, lean: Floats, n: Floats) -> Floats:
    """Mean + deviation x maximum of n exchangeable loads; `lean` over the deviation is their skewness."""
    first, second = _normal_maximum(n)
    deviation = np.sqrt(variance * (n / np.maximum(n - 1.0, 1.0)))
    skew = lean * (variance / (variance + _SPARSE))
    found = mean + deviation * first + skew * (second - 1.0) / 6.0
    return np.minimum(np.maximum(found, np.maximum(mean, np.minimum(load, 1.0))), load)


def _normal_maximum(n: Floats) -> tuple[Floats, Floats]:
    """Mean and mean square of the largest of n standard normals."""
    counts, first, second = _normal_maximum_table()
    if n.size and n.max() <= _TABLED_RANKS:
        index = n.astype(np.intp) - 1
        return first[index], second[index]
    log_n = np.log(n)
    return np.interp(log_n, np.log(counts), first), np.interp(log_n, np.log(counts), second)


@functools.cache
def _normal_maximum_table() -> tuple[Floats, Floats, Floats]:
    x = np.linspace(-12.0, 12.0, 601)
    upper = np.array([0.5 * math.erfc(v / math.sqrt(2.0)) for v in x])
    # From the smaller of both tails, so that neither loses its digits.
    log_below = np.where(x > 0, np.log1p(-np.where(x > 0, upper, 0.5)), np.log(upper[::-1]))
    counts = np.concatenate([np.arange(1.0, _TABLED_RANKS + 1), np.geomspace(_TABLED_RANKS * 1.05, 1e7, 200)])
    below = np.exp(np.multiply.outer(counts, log_below))
    step = x[1] - x[0]
    # By parts: E[max] = x_end - integral of F^n, E[max^2] = x_end^2 - integral of 2 x F^n.
    weights = np.full(x.size, step)
    weights[[0, -1]] = step / 2
    first, second = x[-1] - below @ weights, x[-1] ** 2 - below @ (2.0 * x * weights)
    for table in (counts, first, second):
        table.flags.writeable = False
    return counts, first, second


def experts_per_chip(experts: ArrayLike, chips: ArrayLike, redundant: ArrayLike = 0.0) -> Numbers:
    """Routed experts that one chip holds.

    ``(E + copies) / chips``.

    Parameters
    ----------
    experts, chips : array_like
        [1].
    redundant : array_like
        Further copies of busy experts [1].

    Returns
    -------
    float or ndarray
        Experts [1].

    References
    ----------
    Pope (2026), chapter 2; DeepSeek, open-infra-index, day 6, for the 32 redundant ones.

    Examples
    --------
    >>> experts_per_chip(256, 64), experts_per_chip(256, [32, 144], redundant=32).tolist()
    (4.0, [9.0, 2.0])
    """
    held = positive("experts", experts) + not_negative("redundant", redundant)
    return plain(held / whole("chips", chips))


def dense_equivalent(active_params: ArrayLike, expansion: ArrayLike, exponent: ArrayLike) -> Numbers:
    """Parameters of a dense model as good as a mixture of experts, by a power of its expansion.

    ``N_a x^p`` with ``x`` the expansion (experts over those used, or total over active). The exponent depends
    on the routing and the training and is the caller's: nothing here fits it.

    Parameters
    ----------
    active_params, expansion : array_like
        ``N_a`` and ``x`` [1].
    exponent : array_like
        ``p`` [1].

    Returns
    -------
    float or ndarray
        Dense parameters [1].

    References
    ----------
    Clark et al., arXiv 2202.01169, for the idea of an effective parameter count; its law is bilinear in the
    logarithms, of which this is a cut at one size (claim D04).

    Examples
    --------
    >>> dense_equivalent(370e6, 64, 0.5) / 1e9
    2.96
    """
    return plain(
        positive("active_params", active_params)
        * positive("expansion", expansion) ** np.asarray(not_negative("exponent", exponent))
    )


def equivalence_exponent(active_params: ArrayLike, expansion: ArrayLike, dense_params: ArrayLike) -> Numbers:
    """Exponent of :func:`dense_equivalent` that one observed pair implies.

    ``p = ln(N_dense / N_a) / ln x``.

    Parameters
    ----------
    active_params, expansion, dense_params : array_like
        ``N_a``, ``x`` above 1, ``N_dense`` [1].

    Returns
    -------
    float or ndarray
        Exponent [1]; ``nan`` for an expansion of 1, which tells nothing.

    References
    ----------
    Pope (2026), chapter 2, reads 64 experts of 370M active as a dense 1.3B off a chart.

    Examples
    --------
    >>> round(equivalence_exponent(370e6, 64, 1.3e9), 3)
    0.302
    """
    gain = np.log(positive("dense_params", dense_params) / positive("active_params", active_params))
    span = np.log(positive("expansion", expansion))
    return plain(np.where(span != 0, gain / np.where(span != 0, span, 1.0), np.nan))


def _routing(experts: ArrayLike, top_k: ArrayLike) -> tuple[Floats, Floats]:
    total, kept = whole("experts", experts), whole("top_k", top_k)
    if np.any(kept > total):
        raise RangeError("top_k", f"{np.max(kept):g}", f"at most the {np.min(total):g} experts")
    return total, kept
