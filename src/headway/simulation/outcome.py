"""What a replay means to users and to whoever pays: percentiles, goodput, utilisation, hits, dollars.

TTFT is first token - arrival, TPOT is (last - first) / (output - 1), latency is last token - arrival, queue is first
step - arrival; goodput is the rate of requests that meet every limit (DistServe, OSDI 2024).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.facts.errors import InputError
from headway.simulation._state import Floats, Ints
from headway.simulation.replay import Replay

_JOULES_PER_KWH = 3.6e6
_SECONDS_PER_HOUR = 3600.0
#: Two-sided 95% quantiles of Student's t, by degrees of freedom from 1.
_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and percentiles of one time over requests or tokens [s]; NaN where there are none."""

    mean: float
    p50: float
    p90: float
    p99: float


def spread(values: Floats) -> Spread:
    """Mean, median, 90th and 99th percentile, not-a-number left out.

    >>> spread(np.array([1.0, 2.0, 3.0, np.nan])).p50
    2.0
    """
    good = values[np.isfinite(values)]
    if not good.size:
        return Spread(*(math.nan,) * 4)
    return Spread(float(good.mean()), *(float(q) for q in np.quantile(good, (0.5, 0.9, 0.99))))


@dataclass(frozen=True, slots=True)
class Costs:
    """What a run of the fleet costs.

    Parameters
    ----------
    chips : int
        Chips of all engines [1].
    usd_per_chip_hour : float
        Rent, and electricity where the rent leaves it out [$/chip-h].
    watts : float
        Power of one chip, all in; NaN where not known [W].
    """

    chips: int
    usd_per_chip_hour: float
    watts: float = math.nan


@dataclass(frozen=True, slots=True)
class Trains:
    """Shares of steps by seats taken [1]: every seat, at most half, and the mean share of seats."""

    full: float
    half_empty: float
    mean: float


def trains(run: Replay) -> Trains:
    """How full the steps left; NaN where none did.

    >>> from headway.simulation.replay import replay
    >>> from headway.simulation.scheduler import Scheduler
    >>> from headway.simulation.step_times import fixed_times
    >>> from headway.simulation.trace import make_trace
    >>> two = make_trace("t", [0.0, 0.0], [10, 10], [3, 1])
    >>> trains(replay(two, fixed_times(0.5), Scheduler(max_seqs=2))).full.__round__(2)
    0.33
    """
    left = run.trains.sum()
    if not left:
        return Trains(math.nan, math.nan, math.nan)
    share, seats = run.trains / left, run.trains.size - 1
    half = float(share[: seats // 2 + 1].sum())
    return Trains(float(share[-1]), half, float((share * np.arange(seats + 1)).sum() / seats))


@dataclass(frozen=True, slots=True)
class Outcome:
    """Figures of one replay.

    Parameters
    ----------
    requests, served, rejected : int
        In the trace, with their last token out, and too long for any engine [1].
    span_s : float
        First arrival to last token [s].
    ttft_s, tpot_s, latency_s, queue_s, itl_s : Spread
        Over requests; gaps between tokens (itl) over tokens, to 2.3%.
    goodput : float
        Requests per second that meet the limits [1/s].
    within_slo : float
        Their share of the requests served [1].
    requests_per_second, output_tokens_per_second : float
        [1/s], [token/s].
    utilisation : float
        Share of the span that engines spend in steps [1].
    occupancy : float
        Seats taken, mean over time in steps [1].
    steps : int
        Trains that left [1].
    trains : Trains
        How full they were.
    hit_rate, hit_rate_mean : float
        Prompt tokens found in the cache: of all tokens (pooled), and mean over requests of each one's share [1].
    preemptions : int
    mean_in_system : float
        Time average of the requests in the system [1]; Little's law makes it rate times latency.
    usd_per_mtok, usd_per_mtok_input, usd_per_mtok_output : float
        Rent per million output tokens; rent by share of the time of prompts per million input tokens, and by that
        of decode passes per million output tokens [$]. A pass pays what it takes alone, a prompt what it adds.
    joules_per_token : float
        All power per output token [J].
    """

    requests: int
    served: int
    rejected: int
    span_s: float
    ttft_s: Spread
    tpot_s: Spread
    latency_s: Spread
    queue_s: Spread
    itl_s: Spread
    goodput: float
    within_slo: float
    requests_per_second: float
    output_tokens_per_second: float
    utilisation: float
    occupancy: float
    steps: int
    trains: Trains
    hit_rate: float
    hit_rate_mean: float
    preemptions: int
    mean_in_system: float
    usd_per_mtok: float
    usd_per_mtok_input: float
    usd_per_mtok_output: float
    joules_per_token: float


def request_times(run: Replay) -> dict[str, Floats]:
    """TTFT, TPOT, latency and queue of every request, NaN where there is none [s].

    >>> from headway.simulation.replay import replay
    >>> from headway.simulation.step_times import fixed_times
    >>> from headway.simulation.trace import make_trace
    >>> times = request_times(replay(make_trace("t", [0.0], [10], [3]), fixed_times(0.5)))
    >>> [float(times[name][0]) for name in ("ttft_s", "tpot_s", "latency_s")]
    [0.5, 0.5, 1.5]
    """
    more = run.trace.output_tokens - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        tpot = np.where(more > 0, (run.last_s - run.first_s) / more, np.nan)
    return {
        "ttft_s": run.first_s - run.queued_s,
        "tpot_s": tpot,
        "latency_s": run.last_s - run.queued_s,
        "queue_s": run.start_s - run.queued_s,
    }


def seats_and_queue(run: Replay, at: Floats) -> tuple[Ints, Ints]:
    """Requests in their seats and in the queue at some moments, from requests' own times.

    Parameters
    ----------
    run : Replay
        Of either engine, without preemptions.
    at : ndarray, shape (k,)
        Moments [s].

    Returns
    -------
    tuple of ndarray, shape (k,)
        Seated and waiting [1].

    Examples
    --------
    >>> from headway.simulation.replay import replay
    >>> from headway.simulation.scheduler import Scheduler
    >>> from headway.simulation.step_times import fixed_times
    >>> from headway.simulation.trace import make_trace
    >>> two = make_trace("t", [0.0, 0.0], [10, 10], [3, 3])
    >>> done = replay(two, fixed_times(0.5), Scheduler(max_seqs=1), engine="plain")
    >>> [side.tolist() for side in seats_and_queue(done, np.array([0.1, 1.6]))]
    [[1, 1], [1, 0]]
    """
    came, began, left = (
        np.searchsorted(np.sort(moments), at, side="right") for moments in (run.queued_s, run.start_s, run.last_s)
    )
    return began - left, came - began


def forming(values: Floats, levels: tuple[float, ...]) -> Floats:
    """Quantiles of the first 1, 2, ... values, as a dashboard would have shown them.

    >>> forming(np.array([3.0, 1.0, 2.0]), (0.5,)).tolist()
    [[3.0, 2.0, 2.0]]
    """
    return np.stack([np.quantile(values[: k + 1], levels) for k in range(values.size)], axis=-1)


def _gaps(run: Replay) -> Spread:
    total = int(run.gaps.sum())
    if not total:
        return Spread(*(math.nan,) * 4)
    centre = 10.0 ** ((np.arange(run.gaps.size) + 0.5) / 100.0 - 6.0)
    rank = np.cumsum(run.gaps)
    cuts = [float(centre[np.searchsorted(rank, q * total)]) for q in (0.5, 0.9, 0.99)]
    return Spread(float((centre * run.gaps).sum() / total), *cuts)


def within_limits(run: Replay, ttft: float, tpot: float) -> NDArray[np.bool_]:
    """Whether each request was served within limits [s].

    >>> from headway.simulation.replay import replay
    >>> from headway.simulation.step_times import fixed_times
    >>> from headway.simulation.trace import make_trace
    >>> within_limits(replay(make_trace("t", [0.0, 0.1], [10, 10], [1, 1]), fixed_times(0.5)), 0.6, 1.0).tolist()
    [True, False]
    """
    times = request_times(run)
    good = np.isfinite(run.last_s) & (times["ttft_s"] <= ttft) & ~(times["tpot_s"] > tpot)
    return np.asarray(good, dtype=np.bool_)


def outcome(run: Replay, costs: Costs | None = None, ttft: float = math.inf, tpot: float = math.inf) -> Outcome:
    """Summarise a replay.

    Parameters
    ----------
    run : Replay
    costs : Costs, optional
        Dollars and joules are NaN where not given.
    ttft, tpot : float
        Limits of the goodput [s].

    Examples
    --------
    >>> from headway.simulation.replay import replay
    >>> from headway.simulation.step_times import fixed_times
    >>> from headway.simulation.trace import make_trace
    >>> found = outcome(replay(make_trace("t", [0.0, 0.0], [10, 10], [3, 3]), fixed_times(0.5)), ttft=1.0)
    >>> found.served, found.ttft_s.mean, found.within_slo
    (2, 0.5, 1.0)
    """
    times = request_times(run)
    served, good = np.isfinite(run.last_s), within_limits(run, ttft, tpot)
    begin = float(np.nanmin(run.queued_s)) if np.isfinite(run.queued_s).any() else 0.0
    span = max(run.end_s - begin, 0.0)
    out_tokens = float(run.trace.output_tokens[served].sum())
    tokens_in = run.trace.input_tokens
    count, shares = int(served.sum()), run.hit_tokens[served] / tokens_in[served]
    taken, seats = run.occupancy_s.sum(), run.occupancy_s.size - 1
    rent = joules = math.nan
    if costs is not None:
        joules = costs.chips * costs.watts * span
        rent = costs.chips * costs.usd_per_chip_hour * span / _SECONDS_PER_HOUR
    # Idle time, and that of ranks that wait, is paid by both sides in proportion.
    prompts, passes = float(run.prefill_s.sum()), float(run.decode_s.sum())
    prompt_share = prompts / (prompts + passes) if prompts + passes else math.nan

    def per(amount: float, tokens: float) -> float:
        return amount / tokens * 1e6 if tokens else math.nan

    def rate(amount: float) -> float:
        return amount / span if span else math.nan

    return Outcome(
        requests=len(run.trace),
        served=count,
        rejected=int(run.rejected.sum()),
        span_s=span,
        ttft_s=spread(times["ttft_s"]),
        tpot_s=spread(times["tpot_s"]),
        latency_s=spread(times["latency_s"]),
        queue_s=spread(times["queue_s"]),
        itl_s=_gaps(run),
        goodput=rate(float(good.sum())),
        within_slo=float(good.sum()) / count if count else math.nan,
        requests_per_second=rate(count),
        output_tokens_per_second=rate(out_tokens),
        utilisation=rate(float(run.busy_s.mean())),
        occupancy=float((run.occupancy_s * np.arange(seats + 1)).sum() / taken / seats) if taken else math.nan,
        steps=run.steps,
        trains=trains(run),
        hit_rate=float(run.hit_tokens[served].sum() / tokens_in[served].sum()) if count else math.nan,
        hit_rate_mean=float(shares.mean()) if count else math.nan,
        preemptions=int(run.preemptions.sum()),
        mean_in_system=rate(run.area),
        usd_per_mtok=per(rent, out_tokens),
        usd_per_mtok_input=per(rent * prompt_share, float(tokens_in[served].sum())),
        usd_per_mtok_output=per(rent * (1.0 - prompt_share), out_tokens),
        joules_per_token=joules / out_tokens if out_tokens else math.nan,
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean of a figure's difference between two runs over seeds, and its 95% interval."""

    mean: float
    low: float
    high: float


def difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Second less first, pairs by seed, with Student's 95% interval.

    >>> difference([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    Difference(mean=1.0, low=1.0, high=1.0)
    """
    gaps = np.asarray(second, dtype=float) - np.asarray(first, dtype=float)
    if gaps.size < 2:
        raise InputError("seeds", gaps.size, "at least 2 runs of each")
    quantile = _STUDENT[min(gaps.size - 1, len(_STUDENT)) - 1]
    half = quantile * float(gaps.std(ddof=1)) / math.sqrt(gaps.size)
    return Difference(float(gaps.mean()), float(gaps.mean()) - half, float(gaps.mean()) + half)


def largest_rate(holds: Callable[[float], bool], start: float, *, tolerance: float = 0.01) -> float:
    """Largest load at which a limit holds: doubling or halving to a bracket, then bisection; 0 where none does.

    >>> round(largest_rate(lambda rate: rate <= 3.7, 1.0), 1)
    3.7
    """
    low = high = start
    if holds(start):
        while holds(high * 2.0):
            high *= 2.0
            if high > 1e9 * start:
                return math.inf
        low, high = high, high * 2.0
    else:
        while not holds(low / 2.0):
            low /= 2.0
            if low < 1e-6 * start:
                return 0.0
        low, high = low / 2.0, low
    while high / low > 1.0 + tolerance:
        middle: Any = math.sqrt(low * high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
