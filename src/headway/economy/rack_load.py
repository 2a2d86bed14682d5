"""A rack under load: many decisions at once, a steady stream of them, and bursts behind a gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headway.economy.rack import MICROSECONDS, Rack, RackClock, drained, reading_s, seat, taken_s
from headway.economy.tokens import DecisionTokens
from headway.facts.errors import RangeError
from headway.physics.arrays import Floats, Numbers, not_negative, together, whole


@dataclass(frozen=True, slots=True)
class ServedMany:
    """Decisions as a rack served them, one array per field of :class:`~headway.economy.rack.Served`.

    Parameters
    ----------
    queue_s, prefill_s, decode_s, rack_s : ndarray
        [s].
    joules, usd : ndarray
        [J], [$].
    rack_us, micros : ndarray of int
        As posted [1e-6 s], [1e-6 $].
    """

    queue_s: Floats
    prefill_s: Floats
    decode_s: Floats
    rack_s: Floats
    joules: Floats
    usd: Floats
    rack_us: Any
    micros: Any

    @property
    def seconds(self) -> Floats:
        """From asking to the last token [s]."""
        return self.queue_s + self.prefill_s + self.decode_s


@dataclass(frozen=True, slots=True)
class SteadyLoad:
    """A rack under a steady stream of decisions. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    utilisation : float or ndarray
        Rack time sold over time [1].
    prefill_load, seat_load : float or ndarray
        Of the prefill pool and of the seats [1]; where one is 1 or more nothing is steady and waits are inf.
    queue_s, prefill_s, decode_s : float or ndarray
        Mean waiting, reading and writing of a decision, all calls [s].
    tpot_s : float or ndarray
        Time per output token at that load [s].
    usd_per_s, idle_usd_per_s : float or ndarray
        Billed, and rent that nobody bought [$/s].
    """

    utilisation: Numbers
    prefill_load: Numbers
    seat_load: Numbers
    queue_s: Numbers
    prefill_s: Numbers
    decode_s: Numbers
    tpot_s: Numbers
    usd_per_s: Numbers
    idle_usd_per_s: Numbers

    @property
    def seconds(self) -> Numbers:
        """From asking to the last token, on average [s]."""
        return self.queue_s + self.prefill_s + self.decode_s


@dataclass(frozen=True, slots=True)
class GateBurst:
    """Prompts that a gate lets go at once, on a rack with other traffic. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    first_s, mean_s, last_s : float or ndarray
        Wait for prefill of the first, of the mean and of the last prompt of a burst [s].
    without_gate_s : float or ndarray
        Mean wait of the same prompts, had they come one by one [s].
    drain_s : float or ndarray
        Until the pool has forgotten the burst [s].
    """

    first_s: Numbers
    mean_s: Numbers
    last_s: Numbers
    without_gate_s: Numbers
    drain_s: Numbers


def serve_many(rack: Rack, clock: RackClock, at_s: ArrayLike, tokens: DecisionTokens) -> tuple[RackClock, ServedMany]:
    """Serve decisions in order of time: :func:`headway.economy.rack.serve` over arrays.

    Bills and the prefill queue are array operations (Lindley's recursion is a running maximum); only the seats
    are gone through one by one.

    Parameters
    ----------
    rack : Rack
    clock : RackClock
        As the decision before left it.
    at_s : array_like
        When each is asked, rising, shape (n,) [s].
    tokens : DecisionTokens
        Numbers, or arrays of shape (n,).

    Returns
    -------
    RackClock, ServedMany

    Raises
    ------
    RangeError
        If the times fall, or begin before the clock.

    Examples
    --------
    >>> from headway.economy.rack import free_rack
    >>> _, served = serve_many(free_rack(), RackClock(), [0.0, 1.0], DecisionTokens(600, 0, 75))
    >>> served.seconds.tolist()
    [0.0, 0.0]
    """
    times = np.asarray(at_s, dtype=float)
    if times.ndim != 1 or not np.all(np.isfinite(times)) or np.any(np.diff(times, prepend=clock.at_s) < 0):
        raise RangeError("at_s", times.tolist()[:4], f"rising times in one row, not before {clock.at_s:g} s")
    if not times.size:
        none = np.zeros(0)
        return clock, ServedMany(*(none,) * 6, *(none.astype(np.int64),) * 2)
    fresh, cached, written, calls = (
        np.broadcast_to(np.asarray(v, dtype=float), times.shape)
        for v in (tokens.fresh, tokens.cached, tokens.output, tokens.calls)
    )
    busy = fresh * rack.pool_s_per_input + cached * rack.pool_s_per_cached
    done = np.cumsum(busy)
    begun = np.maximum.accumulate(np.maximum(times - (done - busy), clock.prefill_free_s))
    start = np.maximum(begun + done - busy, times)
    read = reading_s(rack, fresh, cached, calls)
    ready = np.maximum.accumulate(np.maximum(start + read / calls, clock.seated_s))
    held, wait, tpot = _seats(rack, clock, ready, written)
    rack_s = taken_s(rack, fresh, cached, written)
    sold_s = np.cumsum(np.concatenate([[clock.sold_s], rack_s]))[1:]
    sold_us = np.floor(sold_s * MICROSECONDS + 0.5).astype(np.int64)
    posted = np.array([rack.charge(time) for time in sold_us.tolist()], dtype=np.int64)
    served = ServedMany(
        (start - times + wait) * calls,
        read,
        written * tpot,
        rack_s,
        rack_s * rack.watts,
        rack_s * rack.usd_per_s,
        np.diff(sold_us, prepend=clock.sold_us),
        np.diff(posted, prepend=clock.posted_micros),
    )
    last = RackClock(
        times[-1].item(),
        (start + busy)[-1].item(),
        ready[-1].item(),
        held,
        sold_s[-1].item(),
        sold_us[-1].item(),
        posted[-1].item(),
    )
    return last, served


def _seats(rack: Rack, clock: RackClock, ready: Floats, written: Floats) -> tuple[float, Floats, Floats]:
    """Answers held at the end, and for each its wait for a seat and its time per token."""
    held, before, residence = clock.decoding, clock.seated_s, rack.residence_s
    waits, speeds = [], []
    for now, length in zip(ready.tolist(), written.tolist(), strict=True):
        held = drained(rack, held, now - before)
        wait, tpot = seat(rack, held)
        waits.append(wait)
        speeds.append(tpot)
        before = now
        held += length * tpot / residence if residence else 0.0
    return held, np.array(waits), np.array(speeds)


def steady(rack: Rack, per_s: ArrayLike, tokens: DecisionTokens) -> SteadyLoad:
    """Mean times of a rack under decisions that come at random at a constant rate.

    Prompts: one server of constant time, ``rho b / (2 (1 - rho))`` (Pollaczek-Khinchine). Seats: ``c`` servers,
    ``(S / c) rho^(sqrt(2 (c + 1)) - 1) / (1 - rho)`` (Sakasegawa's approximation, exact for one server). The time
    per token is that of the answers in seats: ``n = r o t(n)`` with ``t`` linear in ``n``.

    Parameters
    ----------
    rack : Rack
    per_s : array_like
        Decisions per second, ``r`` [1/s].
    tokens : DecisionTokens
        Of each.

    Returns
    -------
    SteadyLoad

    References
    ----------
    Sakasegawa, Ann. Inst. Stat. Math. 29, 1977.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from headway.economy.rack import free_rack
    >>> rack = replace(free_rack(), pool_s_per_input=1e-3)
    >>> load = steady(rack, [0.5, 1.0, 2.0], DecisionTokens(600, 0, 75))
    >>> load.queue_s.round(3).tolist()
    [0.129, 0.45, inf]
    """
    rate = not_negative("per_s", per_s, "1/s")
    fresh, cached, written, calls = (
        np.asarray(v, dtype=float) for v in (tokens.fresh, tokens.cached, tokens.output, tokens.calls)
    )
    busy = (fresh * rack.pool_s_per_input + cached * rack.pool_s_per_cached) / calls
    prompts = rate * calls * busy
    answer = written / calls
    full_s, idle_s = answer * rack.tpot_full_s, answer * rack.tpot_idle_s
    seats = np.float64(max(rack.seats, 1.0))
    seated = rate * calls * full_s / rack.seats
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(prompts < 1, prompts * busy / (2.0 * (1.0 - prompts)), np.inf)
        crowd = seated ** (np.sqrt(2.0 * (seats + 1.0)) - 1.0) / (1.0 - seated)
        second = np.where(seated < 1, full_s / rack.seats * np.where(seated > 0, crowd, 0.0), np.inf)
        slower = 1.0 - rate * calls * (full_s - idle_s) / rack.seats
        filled = np.where(seated < 1, rate * calls * idle_s / rack.seats / slower, 1.0)
    tpot = rack.tpot_idle_s + (rack.tpot_full_s - rack.tpot_idle_s) * filled
    sold = rate * taken_s(rack, fresh, cached, written)
    return SteadyLoad(
        *together(
            sold,
            prompts,
            seated,
            (np.where(rate > 0, first + second, 0.0)) * calls,
            reading_s(rack, fresh, cached, calls),
            written * tpot,
            tpot,
            sold * rack.usd_per_s,
            np.maximum(1.0 - sold, 0.0) * rack.usd_per_s,
        )
    )


def gate_burst(rack: Rack, prompts: ArrayLike, tokens: DecisionTokens, load: ArrayLike = 0.0) -> GateBurst:
    """Wait of prompts that a batch gate lets go together.

    ``k`` prompts of ``b`` seconds each leave at once where the pool is busy for the share ``rho`` by others: the
    i-th waits for ``i - 1`` of its own burst, ``(k - 1) b / 2`` on average. Where all traffic comes in such
    bursts the mean wait is ``(rho + k - 1) b / (2 (1 - rho))`` (bulk arrivals, constant service), against
    ``rho b / (2 (1 - rho))`` one by one.

    Parameters
    ----------
    rack : Rack
    prompts : array_like
        ``k`` [1].
    tokens : DecisionTokens
        Of each prompt: one call.
    load : array_like
        ``rho``, from 0 to below 1 [1]; all of it comes in bursts of the same size.

    Returns
    -------
    GateBurst

    Raises
    ------
    RangeError
        If `prompts` is not whole and positive, or the pool is full.

    References
    ----------
    Burke, Oper. Res. 23, 1975, for waiting with bulk arrivals.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from headway.economy.rack import free_rack
    >>> rack = replace(free_rack(), pool_s_per_input=1e-4)
    >>> burst = gate_burst(rack, [1, 3, 30], DecisionTokens(600, 0, 75), load=0.5)
    >>> (burst.mean_s * 1e3).round().tolist(), (burst.without_gate_s * 1e3).round().tolist()
    ([30.0, 150.0, 1770.0], [30.0, 30.0, 30.0])
    """
    k, rho = whole("prompts", prompts), not_negative("load", load)
    if np.any(rho >= 1):
        raise RangeError("load", np.max(rho).item(), "a share from 0 to below 1")
    calls = np.asarray(tokens.calls, dtype=float)
    busy = np.asarray(tokens.fresh) * rack.pool_s_per_input + np.asarray(tokens.cached) * rack.pool_s_per_cached
    b = busy / calls
    alone = rho * b / (2.0 * (1.0 - rho))
    mean = (rho + k - 1.0) * b / (2.0 * (1.0 - rho))
    own = (k - 1.0) * b
    return GateBurst(*together(mean - own / 2.0, mean, mean + own / 2.0, alone, k * b / (1.0 - rho)))
