"""Time of collective communication: bytes over bandwidth plus hops times latency.

Conventions. ``S`` is the whole buffer: what each rank holds before an all-reduce, a reduce-scatter or an
all-to-all, and after an all-gather [B]. ``n`` ranks, ``BW`` the rate of one rank, one way [B/s], ``a`` the
latency of one hop [s]. One rank costs nothing.

========== ============================== ================================ ==========================
algorithm  reduce-scatter, all-gather     all-reduce                       all-to-all
========== ============================== ================================ ==========================
ring       (n-1)/n S/BW + (n-1) a         twice                            (n-1)/2 S/BW + (n-1) a
tree       (n-1)/n S/BW + log2(n) a       twice                            log2(n)/2 S/BW + log2(n) a
one-shot   (n-1)/n S/BW + a               (n-1) S/BW + a                   (n-1)/n S/BW + a
two-shot   as one-shot                    2 (n-1)/n S/BW + 2 a             as one-shot
========== ============================== ================================ ==========================

"tree" is recursive halving and doubling (for all-to-all, Bruck), with log2 rounded up. The shots send to
all peers at once, which takes a switch without blocking (NVLink inside a domain); there, one of the two is
never slower than ring and tree, and ``"best"`` takes it. A torus has no such switch: ask for ``"ring"``.

Sources: Thakur, Rabenseifner and Gropp, Int. J. High Perf. Comp. Appl. 19(1), 2005, for ring, halving and
doubling, and Bruck; the shots are the same sums with every peer one hop away.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.errors import unknown
from headway.physics.arrays import Floats, Numbers, fraction, not_negative, plain, positive, whole

Algorithm = Literal["best", "ring", "tree", "one-shot", "two-shot"]
ALGORITHMS: tuple[str, ...] = get_args(Algorithm)


def all_reduce(
    message_bytes: ArrayLike,
    ranks: ArrayLike,
    bandwidth: ArrayLike,
    latency: ArrayLike = 0.0,
    algorithm: Algorithm = "best",
) -> Numbers:
    """Seconds until every rank holds the sum of all buffers.

    Parameters
    ----------
    message_bytes : array_like
        Buffer of each rank, ``S`` [B].
    ranks : array_like
        ``n`` [1].
    bandwidth : array_like
        Rate of one rank, one way [B/s].
    latency : array_like
        One hop [s].
    algorithm : str
        See the table of this module.

    Returns
    -------
    float or ndarray
        Seconds [s], of the broadcast shape; 0 for one rank.

    Raises
    ------
    RangeError
        If a number is out of range.
    UnknownNameError
        If `algorithm` is not in the table.

    Examples
    --------
    >>> (all_reduce(1e6, [1, 8], 100e9, 1e-6) * 1e6).round(2).tolist()
    [0.0, 19.5]
    >>> round(all_reduce(1e3, 8, 100e9, 1e-6) * 1e6, 3)
    1.07
    """
    size, n, rate, hop = _inputs(message_bytes, ranks, bandwidth, latency)
    if _named(algorithm) in ("ring", "tree", "two-shot"):
        return plain(2.0 * _scatter(size, n, rate, hop, algorithm))
    if algorithm == "one-shot":
        return plain((n - 1.0) * (size / rate) + _hops(n, "one-shot") * hop)
    # The lesser of n x + a and 2 (x + a), with x + a the reduce-scatter: x is computed once.
    moved = (1.0 - 1.0 / n) * (size / rate)
    half = moved + _hops(n, "one-shot") * hop
    return plain(half + np.minimum((n - 1.0) * moved, half))


def reduce_scatter(
    message_bytes: ArrayLike,
    ranks: ArrayLike,
    bandwidth: ArrayLike,
    latency: ArrayLike = 0.0,
    algorithm: Algorithm = "best",
) -> Numbers:
    """Seconds until each rank holds its share of the sum of all buffers.

    Parameters, result and errors as in :func:`all_reduce`; `message_bytes` is the buffer before.

    Examples
    --------
    >>> round(reduce_scatter(1e6, 8, 100e9, 1e-6, "ring") * 1e6, 2)
    15.75
    """
    size, n, rate, hop = _inputs(message_bytes, ranks, bandwidth, latency)
    return plain(_scatter(size, n, rate, hop, _named(algorithm)))


def all_gather(
    message_bytes: ArrayLike,
    ranks: ArrayLike,
    bandwidth: ArrayLike,
    latency: ArrayLike = 0.0,
    algorithm: Algorithm = "best",
) -> Numbers:
    """Seconds until every rank holds the shares of all.

    Parameters, result and errors as in :func:`all_reduce`; `message_bytes` is the buffer after.

    Examples
    --------
    >>> round(all_gather(1e6, 8, 100e9, 1e-6) * 1e6, 2)
    9.75
    """
    return reduce_scatter(message_bytes, ranks, bandwidth, latency, algorithm)


def all_to_all(
    message_bytes: ArrayLike,
    ranks: ArrayLike,
    bandwidth: ArrayLike,
    latency: ArrayLike = 0.0,
    algorithm: Algorithm = "best",
) -> Numbers:
    """Seconds until each rank has sent its own share to every other one.

    Parameters, result and errors as in :func:`all_reduce`; `message_bytes` is all that one rank has to
    send, its own share included.

    Examples
    --------
    >>> (all_to_all(1e6, [1, 2, 8], 100e9) * 1e6).round(2).tolist()
    [0.0, 5.0, 8.75]
    """
    size, n, rate, hop = _inputs(message_bytes, ranks, bandwidth, latency)
    if _named(algorithm) == "ring":
        return plain(0.5 * (n - 1.0) * (size / rate) + _hops(n, "ring") * hop)
    if algorithm == "tree":
        rounds = _hops(n, "tree")
        return plain(rounds * (0.5 * size / rate + hop))
    return plain(_scatter(size, n, rate, hop, "one-shot"))


def point_to_point(message_bytes: ArrayLike, bandwidth: ArrayLike, latency: ArrayLike = 0.0) -> Numbers:
    """Seconds to move a message to one other rank.

    ``S / BW + a``.

    Parameters
    ----------
    message_bytes : array_like
        [B].
    bandwidth : array_like
        One way [B/s].
    latency : array_like
        [s].

    Returns
    -------
    float or ndarray
        Seconds [s].

    Examples
    --------
    >>> round(point_to_point(1e6, 100e9, 5e-6) * 1e6, 2)
    15.0
    """
    size, _, rate, hop = _inputs(message_bytes, 1, bandwidth, latency)
    return plain(size / rate + hop)


def two_level_all_reduce(
    message_bytes: ArrayLike,
    ranks: ArrayLike,
    domain: ArrayLike,
    link_bandwidth: ArrayLike,
    network_bandwidth: ArrayLike,
    link_latency: ArrayLike = 0.0,
    network_latency: ArrayLike = 0.0,
) -> Numbers:
    """Seconds of an all-reduce inside scale-up domains and across them.

    Reduce-scatter inside, all-reduce of each share across the domains, all-gather inside. Where one domain
    holds all ranks it is :func:`all_reduce` over its links.

    Parameters
    ----------
    message_bytes : array_like
        Buffer of each rank [B].
    ranks, domain : array_like
        Ranks in all, and ranks that one domain holds [1].
    link_bandwidth, network_bandwidth : array_like
        Rate of one rank, one way, inside and across domains [B/s].
    link_latency, network_latency : array_like
        One hop inside and across [s].

    Returns
    -------
    float or ndarray
        Seconds [s].

    Examples
    --------
    >>> (two_level_all_reduce(1e6, [8, 16], 8, 450e9, 50e9, 1e-6, 5e-6) * 1e6).round(2).tolist()
    [5.89, 13.39]
    """
    inside, groups = _levels(ranks, domain)
    size, _, link, hop = _inputs(message_bytes, 1, link_bandwidth, link_latency)
    within = 2.0 * _scatter(size, inside, link, hop, "one-shot")
    across = np.asarray(all_reduce(size / inside, groups, network_bandwidth, network_latency))
    alone = np.asarray(all_reduce(size, inside, link, hop))
    return plain(np.where(groups > 1, within + across, alone))


def two_level_scatter(
    message_bytes: ArrayLike,
    ranks: ArrayLike,
    domain: ArrayLike,
    link_bandwidth: ArrayLike,
    network_bandwidth: ArrayLike,
    link_latency: ArrayLike = 0.0,
    network_latency: ArrayLike = 0.0,
) -> Numbers:
    """Seconds of a reduce-scatter inside scale-up domains and then across them; an all-gather is its mirror.

    Parameters and result as in :func:`two_level_all_reduce`.

    Examples
    --------
    >>> round(two_level_scatter(1e6, 16, 8, 500e9, 50e9) * 1e6, 2)
    3.0
    """
    inside, groups = _levels(ranks, domain)
    size, _, link, hop = _inputs(message_bytes, 1, link_bandwidth, link_latency)
    across = np.asarray(reduce_scatter(size / inside, groups, network_bandwidth, network_latency))
    return plain(_scatter(size, inside, link, hop, "one-shot") + across)


def two_level_all_to_all(
    message_bytes: ArrayLike,
    ranks: ArrayLike,
    domain: ArrayLike,
    link_bandwidth: ArrayLike,
    network_bandwidth: ArrayLike,
    link_latency: ArrayLike = 0.0,
    network_latency: ArrayLike = 0.0,
    *,
    overlapped: bool = True,
) -> Numbers:
    """Seconds of an all-to-all whose peers sit partly in the same scale-up domain.

    Of each rank's bytes ``(d-1)/n`` stay on the links of its domain of ``d`` and ``(n-d)/n`` leave by the
    network: the longer of both when overlapped, else the sum.

    Parameters
    ----------
    message_bytes, ranks, domain, link_bandwidth, network_bandwidth, link_latency, network_latency
        As in :func:`two_level_all_reduce`.
    overlapped : bool
        Links and network run at the same time.

    Returns
    -------
    float or ndarray
        Seconds [s].

    Examples
    --------
    Two racks of 72 against one, links nine times faster:

    >>> far = two_level_all_to_all(1e9, 144, 72, 900e9, 100e9)
    >>> round(far / all_to_all(1e9, 72, 900e9), 2)
    4.56
    """
    inside, groups = _levels(ranks, domain)
    size, n, link, hop = _inputs(message_bytes, ranks, link_bandwidth, link_latency)
    network = positive("network_bandwidth", network_bandwidth, "B/s")
    far_hop = not_negative("network_latency", network_latency, "s")
    near = (inside - 1.0) / n * (size / link) + (inside > 1) * hop
    far = np.where(groups > 1, (n - inside) / n * (size / network) + far_hop, 0.0)
    return plain(np.maximum(near, far) if overlapped else near + far)


def overlap(compute: ArrayLike, communication: ArrayLike, share: ArrayLike = 1.0) -> Numbers:
    """Seconds of compute and communication of which a share can hide behind the compute.

    ``max(t_comp, s t_comm) + (1 - s) t_comm``: all of it hidden is the longer of both, none is the sum.

    Parameters
    ----------
    compute, communication : array_like
        [s].
    share : array_like
        Part of the communication that may run beside the compute, 0 to 1 [1].

    Returns
    -------
    float or ndarray
        Seconds [s].

    Examples
    --------
    >>> overlap(3.0, 2.0, [0, 0.5, 1]).tolist()
    [5.0, 4.0, 3.0]
    """
    comm = not_negative("communication", communication, "s")
    hidden = fraction("share", share) * comm
    return plain(np.maximum(not_negative("compute", compute, "s"), hidden) + (comm - hidden))


def _named(algorithm: str) -> str:
    if algorithm not in ALGORITHMS:
        raise unknown("algorithm", str(algorithm), ALGORITHMS)
    return algorithm


def _inputs(message: Any, ranks: Any, bandwidth: Any, latency: Any) -> tuple[Floats, Floats, Floats, Floats]:
    return (
        not_negative("message_bytes", message, "B"),
        whole("ranks", ranks),
        positive("bandwidth", bandwidth, "B/s"),
        not_negative("latency", latency, "s"),
    )


def _hops(n: Floats, algorithm: str) -> Floats:
    if algorithm == "ring":
        return n - 1.0
    if algorithm == "tree":
        return np.ceil(np.log2(n))
    return np.asarray(n > 1, dtype=float)


def _scatter(size: Floats, n: Floats, rate: Floats, hop: Floats, algorithm: str) -> Floats:
    kind = algorithm if algorithm in ("ring", "tree") else "one-shot"
    seconds: Floats = (1.0 - 1.0 / n) * (size / rate)
    return seconds + _hops(n, kind) * hop


def _levels(ranks: ArrayLike, domain: ArrayLike) -> tuple[Floats, Floats]:
    """Ranks inside one domain and domains spanned."""
    n = whole("ranks", ranks)
    inside = np.minimum(n, whole("domain", domain))
    return inside, np.ceil(n / inside)
