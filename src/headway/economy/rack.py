"""The rack under the market: what a planned deployment charges for a decision, and how long it makes it wait.

A rack sells its own time. A plan says how much of that time each fresh, cached and output token takes, what a
second costs and how much power it draws; a decision is billed for the time it takes, so that what is posted to
the agents is the rack time sold, to the millionth of a dollar. Waiting is another matter: prompts stand in one
queue before the prefill pool, answers wait for one of the seats of a decode pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from headway.economy.tokens import DecisionTokens
from headway.facts.check import positive, single
from headway.facts.errors import RangeError
from headway.facts.sources import Source

MICROS_PER_USD = 1_000_000
MICROSECONDS = 1_000_000
_US_PER_HOUR = 3600 * MICROSECONDS


@dataclass(frozen=True, slots=True)
class Rack:
    """A deployment as the market sees it: a price of time, time per token, and a queue.

    Parameters
    ----------
    name : str
        Model, system and layout.
    chips : float
        Chips of the deployment, or of the share of it that is rented [1].
    micros_per_hour : int
        Price of an hour of all of it [1e-6 $].
    watts : float
        All-in power of all of it [W]; NaN where it is not known.
    decisions_per_s : float
        Decisions of the planned shape that it completes at full load [1/s].
    rack_s_per_input, rack_s_per_cached, rack_s_per_output : float
        Time sold for each fresh, cached and output token [s].
    prefill_floor_s, prefill_s_per_input, prefill_s_per_cached : float
        Time to the first token of one prompt that does not wait: for the pass, and for each token [s].
    pool_s_per_input, pool_s_per_cached : float
        Time for which a token keeps the whole prefill pool busy [s].
    tpot_idle_s, tpot_full_s : float
        Time per output token in an empty and in a full batch [s].
    seats : float
        Sequences that decode at once [1].
    answer_tokens : float
        Output of the planned shape, which says how fast seats become free [token].
    assumptions : tuple of str
    sources : tuple of Source
    """

    name: str
    chips: float
    micros_per_hour: int
    watts: float
    decisions_per_s: float
    rack_s_per_input: float
    rack_s_per_cached: float
    rack_s_per_output: float
    prefill_floor_s: float
    prefill_s_per_input: float
    prefill_s_per_cached: float
    pool_s_per_input: float
    pool_s_per_cached: float
    tpot_idle_s: float
    tpot_full_s: float
    seats: float
    answer_tokens: float
    assumptions: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()

    @property
    def usd_per_s(self) -> float:
        """Price of a second of all of it [$/s]."""
        return self.micros_per_hour / (3600.0 * MICROS_PER_USD)

    @property
    def residence_s(self) -> float:
        """Time that an answer of the planned length keeps a seat of a full batch [s]."""
        return self.answer_tokens * self.tpot_full_s

    def charge(self, rack_us: int) -> int:
        """Price of whole microseconds of rack time, to the nearest millionth of a dollar, halves up [1e-6 $]."""
        return (2 * rack_us * self.micros_per_hour + _US_PER_HOUR) // (2 * _US_PER_HOUR)

    def scaled(self, racks: float) -> Rack:
        """Several such racks behind one queue, or the share of one that a market rents.

        Raises
        ------
        RangeError
            If the number is not above 0.
        """
        n = float(positive("racks", single("racks", racks)))
        return replace(
            self,
            chips=self.chips * n,
            micros_per_hour=round(self.micros_per_hour * n),
            watts=self.watts * n,
            decisions_per_s=self.decisions_per_s * n,
            rack_s_per_input=self.rack_s_per_input / n,
            rack_s_per_cached=self.rack_s_per_cached / n,
            rack_s_per_output=self.rack_s_per_output / n,
            pool_s_per_input=self.pool_s_per_input / n,
            pool_s_per_cached=self.pool_s_per_cached / n,
            seats=self.seats * n,
        )


@dataclass(frozen=True, slots=True)
class RackClock:
    """What a rack remembers between decisions.

    Parameters
    ----------
    at_s : float
        Of the last decision [s].
    prefill_free_s : float
        When the prefill pool has done what it was given [s].
    seated_s : float
        When the last prompt was read and its answer could begin [s].
    decoding : float
        At that time, answers in seats or waiting for one, in answers of the planned length [1].
    sold_s : float
        Rack time sold so far [s].
    sold_us, posted_micros : int
        The same in whole microseconds, and what was posted for it [1e-6 $].
    """

    at_s: float = 0.0
    prefill_free_s: float = 0.0
    seated_s: float = 0.0
    decoding: float = 0.0
    sold_s: float = 0.0
    sold_us: int = 0
    posted_micros: int = 0


@dataclass(frozen=True, slots=True)
class Served:
    """One decision as the rack served it.

    Parameters
    ----------
    queue_s, prefill_s, decode_s : float
        Waiting for prefill and for a seat, reading, writing; all calls together [s].
    rack_s : float
        Rack time taken [s].
    joules : float
        All power of the rack for that time [J]; NaN where the power is not known.
    usd : float
        Price of that time [$].
    rack_us, micros : int
        Time and price as posted: whole, and such that the sums over all decisions so far are the rack's own
        [1e-6 s], [1e-6 $].
    """

    queue_s: float
    prefill_s: float
    decode_s: float
    rack_s: float
    joules: float
    usd: float
    rack_us: int
    micros: int

    @property
    def seconds(self) -> float:
        """From asking to the last token [s]."""
        return self.queue_s + self.prefill_s + self.decode_s


def free_rack() -> Rack:
    """A rack that takes no time and costs nothing: for a market whose welfare has to be exact.

    >>> _, served = serve(free_rack(), RackClock(), 1.0, DecisionTokens(600, 0, 75))
    >>> served.seconds, served.micros
    (0.0, 0)
    """
    return Rack("free", 0.0, 0, 0.0, math.inf, *(0.0,) * 10, seats=math.inf, answer_tokens=1.0)


def serve(rack: Rack, clock: RackClock, at_s: float, tokens: DecisionTokens) -> tuple[RackClock, Served]:
    """Serve one decision: its times, its bill, and the clock after it.

    Prompts wait for the prefill pool in order of arrival (Lindley's recursion). The ``n`` answers in ``c`` seats
    of residence ``S`` follow the fluid limit of the queue with that many servers, ``dn/dt = -min(n, c)/S``
    between arrivals, in closed form; an answer beyond the seats waits ``(n + 1 - c) S / c``, and the time per
    token grows from that of an empty batch to that of a full one with ``n / c``.

    Parameters
    ----------
    rack : Rack
    clock : RackClock
        As the decision before left it.
    at_s : float
        When it is asked, not before the last one [s].
    tokens : DecisionTokens
        Plain numbers.

    Returns
    -------
    RackClock, Served

    Raises
    ------
    RangeError
        If the time runs backwards, or is none.

    References
    ----------
    Lindley, Proc. Camb. Phil. Soc. 48, 1952; Kurtz, J. Appl. Prob. 7, 1970, for the fluid limit.

    Examples
    --------
    >>> rack = replace(free_rack(), micros_per_hour=3_600_000_000, rack_s_per_output=1e-5, pool_s_per_input=1e-3)
    >>> clock, first = serve(rack, RackClock(), 0.0, DecisionTokens(600, 0, 75))
    >>> clock, second = serve(rack, clock, 0.0, DecisionTokens(600, 0, 75))
    >>> first.micros, first.queue_s, second.queue_s, clock.posted_micros == rack.charge(clock.sold_us)
    (750, 0.0, 0.6, True)
    """
    if not clock.at_s <= at_s < math.inf:
        raise RangeError("at_s", at_s, f"a time not before the last decision, {clock.at_s:g} s")
    fresh, cached, written, calls = tokens.input - tokens.cached, tokens.cached, tokens.output, tokens.calls
    start = max(at_s, clock.prefill_free_s)
    prefill_s = reading_s(rack, fresh, cached, calls)
    ready = max(start + prefill_s / calls, clock.seated_s)
    held = drained(rack, clock.decoding, ready - clock.seated_s)
    wait, tpot = seat(rack, held)
    decode_s = written * tpot
    rack_s = taken_s(rack, fresh, cached, written)
    sold_s = clock.sold_s + rack_s
    sold_us = math.floor(sold_s * MICROSECONDS + 0.5)
    posted = rack.charge(sold_us)
    residence = rack.residence_s
    after = RackClock(
        at_s,
        start + fresh * rack.pool_s_per_input + cached * rack.pool_s_per_cached,
        ready,
        held + (decode_s / residence if residence else 0.0),
        sold_s,
        sold_us,
        posted,
    )
    served = Served(
        (start - at_s + wait) * calls,
        prefill_s,
        decode_s,
        rack_s,
        rack_s * rack.watts,
        rack_s * rack.usd_per_s,
        sold_us - clock.sold_us,
        posted - clock.posted_micros,
    )
    return after, served


def taken_s(rack: Rack, fresh: Any, cached: Any, written: Any) -> Any:
    """Rack time that tokens take and pay for [s].

    >>> taken_s(replace(free_rack(), rack_s_per_input=1e-6, rack_s_per_output=1e-5), 1000, 0, 100)
    0.002
    """
    return fresh * rack.rack_s_per_input + cached * rack.rack_s_per_cached + written * rack.rack_s_per_output


def reading_s(rack: Rack, fresh: Any, cached: Any, calls: Any) -> Any:
    """Time to read prompts that do not wait, all calls [s]: a pass each, and what every token adds.

    >>> reading_s(replace(free_rack(), prefill_floor_s=0.02, prefill_s_per_input=1e-5), 1000, 0, 2.0)
    0.05
    """
    return calls * rack.prefill_floor_s + fresh * rack.prefill_s_per_input + cached * rack.prefill_s_per_cached


def seat(rack: Rack, held: float) -> tuple[float, float]:
    """Wait for a seat and time per token where so many answers are held already [s].

    >>> seat(replace(free_rack(), seats=10.0, answer_tokens=100.0, tpot_idle_s=0.01, tpot_full_s=0.02), 14.0)
    (1.0, 0.02)
    """
    over = held + 1.0 - max(rack.seats, 1.0)
    filled = min(held / rack.seats, 1.0)
    wait = over * rack.residence_s / rack.seats if over > 0.0 else 0.0
    return wait, rack.tpot_idle_s + (rack.tpot_full_s - rack.tpot_idle_s) * filled


def drained(rack: Rack, held: float, seconds: float) -> float:
    """Answers left after a time without arrivals [1]: a full pool empties at its rate, then each at its own.

    >>> rack = replace(free_rack(), seats=10.0, answer_tokens=100.0, tpot_full_s=0.02)
    >>> drained(rack, 20.0, 1.0), round(drained(rack, 20.0, 4.0), 3)
    (15.0, 3.679)
    """
    residence = rack.residence_s
    if not residence or not held:
        return 0.0
    if held > rack.seats:
        full = (held - rack.seats) * residence / rack.seats
        if seconds <= full:
            return held - seconds * rack.seats / residence
        held, seconds = rack.seats, seconds - full
    return held * math.exp(-seconds / residence)
