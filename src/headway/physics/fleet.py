"""From one replica to a fleet: sequences in flight, nodes, dollars, and comparisons between systems."""

from __future__ import annotations

from numpy.typing import ArrayLike

from headway.physics.arrays import Numbers, fraction, not_negative, plain, positive

_DAY = 86400.0
_HOUR = 3600.0
_MEGA = 1e6


def sequences_in_flight(
    tokens_per_second: ArrayLike, tokens_per_second_per_user: ArrayLike, units: ArrayLike = 1.0
) -> Numbers:
    """Mean sequences being decoded at once, from two published averages.

    Little's law: ``n X / x``, throughput of one unit over the speed of one sequence.

    Parameters
    ----------
    tokens_per_second : array_like
        Of one unit, ``X`` [token/s].
    tokens_per_second_per_user : array_like
        ``x`` [token/s].
    units : array_like
        ``n`` [1].

    Returns
    -------
    float or ndarray
        Sequences [1]; an estimate from averages, not a trace.

    References
    ----------
    Little, Operations Research 9(3), 1961; figures of DeepSeek, open-infra-index, day 6.

    Examples
    --------
    >>> round(sequences_in_flight(14.8e3, 21)), round(sequences_in_flight(14.8e3, 21, 18))
    (705, 12686)
    """
    speed = positive("tokens_per_second_per_user", tokens_per_second_per_user, "token/s")
    rate = not_negative("tokens_per_second", tokens_per_second, "token/s")
    return plain(positive("units", units) * rate / speed)


def nodes_needed(tokens_per_day: ArrayLike, tokens_per_second_per_node: ArrayLike) -> Numbers:
    """Nodes that carry a daily volume at a mean rate, without head-room for the peak.

    ``(V / 86,400) / X``.

    Parameters
    ----------
    tokens_per_day : array_like
        ``V`` [token/day].
    tokens_per_second_per_node : array_like
        ``X`` [token/s].

    Returns
    -------
    float or ndarray
        Nodes, not rounded [1].

    References
    ----------
    DeepSeek, open-infra-index, day 6: 226.75 nodes on average.

    Examples
    --------
    >>> nodes_needed([168e9, 608e9], [14.8e3, 73.7e3]).sum().round(1).item()
    226.9
    """
    rate = not_negative("tokens_per_day", tokens_per_day, "token/day") / _DAY
    return plain(rate / positive("tokens_per_second_per_node", tokens_per_second_per_node, "token/s"))


def daily_cost(chips: ArrayLike, usd_per_chip_hour: ArrayLike) -> Numbers:
    """Rent of chips for a day.

    Parameters
    ----------
    chips : array_like
        [1].
    usd_per_chip_hour : array_like
        [$/h].

    Returns
    -------
    float or ndarray
        [$].

    References
    ----------
    DeepSeek, open-infra-index, day 6: 226.75 nodes of 8 at $2.

    Examples
    --------
    >>> daily_cost(226.75 * 8, 2)
    87072.0
    """
    return plain(24.0 * not_negative("chips", chips) * not_negative("usd_per_chip_hour", usd_per_chip_hour, "$/h"))


def usd_per_mtok(
    chips: ArrayLike, usd_per_chip_hour: ArrayLike, tokens_per_second: ArrayLike, missed: ArrayLike = 1.0
) -> Numbers:
    """Cost of a million tokens on rented chips.

    ``n u / (3,600 X s) 10^6``.

    Parameters
    ----------
    chips : array_like
        ``n`` [1].
    usd_per_chip_hour : array_like
        ``u`` [$/h].
    tokens_per_second : array_like
        ``X`` of all chips together [token/s].
    missed : array_like
        Share ``s`` of the tokens to charge, above 0: those that missed the cache, when hits are free [1].

    Returns
    -------
    float or ndarray
        [$/Mtok].

    References
    ----------
    Pope (2026), chapter 1; figures of DeepSeek, open-infra-index, day 6.

    Examples
    --------
    >>> usd_per_mtok(72, 2, 128e3)
    0.3125
    >>> usd_per_mtok(8, 2, [14.8e3, 73.7e3]).round(3).tolist()
    [0.3, 0.06]
    """
    rent = not_negative("chips", chips) * not_negative("usd_per_chip_hour", usd_per_chip_hour, "$/h") / _HOUR
    share = fraction("missed", positive("missed", missed))
    return plain(rent * _MEGA / (positive("tokens_per_second", tokens_per_second, "token/s") * share))


def missed_throughput(tokens_per_second: ArrayLike, cache_hit: ArrayLike) -> Numbers:
    """Rate of input tokens that were computed, not found in the cache.

    ``X (1 - h)``.

    Parameters
    ----------
    tokens_per_second : array_like
        Input rate, hits included [token/s].
    cache_hit : array_like
        Share of hits, ``h`` [1].

    Returns
    -------
    float or ndarray
        [token/s].

    Examples
    --------
    >>> round(missed_throughput(73.7e3, 0.5625))
    32244
    """
    rate = not_negative("tokens_per_second", tokens_per_second, "token/s")
    return plain(rate * (1.0 - fraction("cache_hit", cache_hit)))


def relative_to(value: ArrayLike, reference: ArrayLike) -> Numbers:
    """A figure as a multiple of another one of the same unit.

    Parameters
    ----------
    value, reference : array_like
        Any unit, the same for both.

    Returns
    -------
    float or ndarray
        Multiple [1].

    Examples
    --------
    Prefill over decode rate, a node and a GPU:

    >>> relative_to([73.7e3, 7839], [14.8e3, 2324]).round(2).tolist()
    [4.98, 3.37]
    """
    return plain(not_negative("value", value) / positive("reference", reference))


def markup(revenue_usd: ArrayLike, cost_usd: ArrayLike) -> Numbers:
    """Revenue over cost.

    Parameters
    ----------
    revenue_usd, cost_usd : array_like
        Of the same tokens or the same day [$].

    Returns
    -------
    float or ndarray
        Multiple [1]; the margin on cost is this less 1.

    References
    ----------
    DeepSeek, open-infra-index, day 6 (list prices, all tokens charged).

    Examples
    --------
    >>> round(markup(562027, 87072), 2)
    6.45
    """
    return plain(not_negative("revenue_usd", revenue_usd, "$") / positive("cost_usd", cost_usd, "$"))


def volume_ratio(tokens: ArrayLike, seconds: ArrayLike, tokens_per_second: ArrayLike) -> Numbers:
    """Replicas that a published volume would keep busy: its mean rate over the rate of one.

    ``V / (T X)``.

    Parameters
    ----------
    tokens : array_like
        Published volume, ``V`` [token].
    seconds : array_like
        Its period, ``T`` [s].
    tokens_per_second : array_like
        Of one replica, ``X`` [token/s].

    Returns
    -------
    float or ndarray
        Replicas [1]. Volumes count input with output; a decode rate does not.

    References
    ----------
    Google, token volumes of 2025 and 2026 (claim C14).

    Examples
    --------
    >>> round(volume_ratio(480e12, 30.44 * 86400, 128e3)), round(volume_ratio(3.2e15, 30.44 * 86400, 128e3))
    (1426, 9506)
    """
    rate = not_negative("tokens", tokens, "token") / positive("seconds", seconds, "s")
    return plain(rate / positive("tokens_per_second", tokens_per_second, "token/s"))


def racks_for_population(users: ArrayLike, tokens_per_user_day: ArrayLike, tokens_per_second: ArrayLike) -> Numbers:
    """Replicas that a population's agents keep busy on average.

    ``u q / (86,400 X)``.

    Parameters
    ----------
    users : array_like
        ``u`` [1].
    tokens_per_user_day : array_like
        ``q`` [token/day].
    tokens_per_second : array_like
        Of one replica, ``X`` [token/s].

    Returns
    -------
    float or ndarray
        Replicas [1].

    References
    ----------
    Claim W05; the loads are illustrative.

    Examples
    --------
    >>> racks_for_population([3e9, 1e9, 3e9], [2e3, 20e3, 20e3], 128e3).round().tolist()
    [543.0, 1808.0, 5425.0]
    """
    volume = not_negative("users", users) * not_negative("tokens_per_user_day", tokens_per_user_day, "token/day")
    return nodes_needed(volume, tokens_per_second)


def bandwidth_progress(
    chips_new: ArrayLike, bandwidth_new: ArrayLike, chips_old: ArrayLike, bandwidth_old: ArrayLike
) -> Numbers:
    """Growth of a scale-up domain's memory bandwidth from one generation to another.

    ``n2 BW2 / (n1 BW1)``.

    Parameters
    ----------
    chips_new, chips_old : array_like
        Chips in the domain [1].
    bandwidth_new, bandwidth_old : array_like
        Of one chip [B/s].

    Returns
    -------
    float or ndarray
        Growth [1].

    References
    ----------
    Claim C23.

    Examples
    --------
    >>> round(bandwidth_progress(72, 8e12, 8, 3.35e12), 1)
    21.5
    """
    new = positive("chips_new", chips_new) * positive("bandwidth_new", bandwidth_new, "B/s")
    return plain(new / (positive("chips_old", chips_old) * positive("bandwidth_old", bandwidth_old, "B/s")))


def scale_ratio(link_bandwidth: ArrayLike, network_bandwidth: ArrayLike) -> Numbers:
    """How much faster scale-up links are than the scale-out network, per chip and one way.

    Parameters
    ----------
    link_bandwidth, network_bandwidth : array_like
        One way, per chip [B/s].

    Returns
    -------
    float or ndarray
        Ratio [1].

    References
    ----------
    Pope (2026), chapter 2 ("roughly 8x"); it is an input of every system (claim C24).

    Examples
    --------
    >>> scale_ratio([900e9, 450e9, 300e9, 160e9], [100e9, 50e9, 25e9, 50e9]).tolist()
    [9.0, 9.0, 12.0, 3.2]
    """
    link = positive("link_bandwidth", link_bandwidth, "B/s")
    return plain(link / positive("network_bandwidth", network_bandwidth, "B/s"))
