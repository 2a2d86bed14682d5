"""Replay a trace against engines: every request's times, and what the engines did meanwhile.

Two implementations of the same rules: a compiled loop whose step costs the same whatever the batch, and a plain one
that walks every sequence (:mod:`headway.simulation.plain`), the oracle. Their times are equal to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from headway.facts.errors import InputError
from headway.simulation import _loop
from headway.simulation._state import (
    AREA,
    BUSY,
    COMPUTED,
    DECODE,
    DECODED,
    ENGINE,
    FIRST,
    HIT,
    LAST,
    LAST_END,
    PREEMPTED,
    PREFILL,
    QUEUED,
    SAMPLED,
    SERVED,
    START,
    STEPS,
    Floats,
    Ints,
    Rules,
    Times,
    Work,
    fresh_state,
)
from headway.simulation.fleet import KEEPS, Fleet
from headway.simulation.plain import play
from headway.simulation.prefixes import dense_runs
from headway.simulation.scheduler import ROUTERS, Scheduler
from headway.simulation.step_times import StepTimes, loop_times
from headway.simulation.trace import Trace

Progress = Callable[[int, int, float], None]
#: Events between two looks at the clock and the keyboard.
_SLICE = 200_000
_MOST_PASSES = 50_000_000
_AT_A_TIME = 4_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """What happened.

    Parameters
    ----------
    trace : Trace
    scheduler, fleet
        The rules.
    queued_s, start_s, first_s, last_s : ndarray, shape (n,)
        Arrival, first step, first token, last token of each request; NaN for those not served [s].
    hit_tokens, preemptions, engine : ndarray of int, shape (n,)
        Prompt tokens found in the cache, times sent back, and the scheduler that served it.
    rejected : ndarray of bool, shape (n,)
        Requests that no engine can hold.
    busy_s : ndarray, shape (schedulers,)
        Time in steps [s].
    prefill_s, decode_s : ndarray, shape (schedulers,)
        Time of each one's own work: decode passes at what they take alone, prompts at what they add to it [s].
    gaps : ndarray of int
        Histogram of gaps between tokens, 100 bins in each decade from 1 us.
    occupancy_s, trains : ndarray, shape (max_seqs + 1,)
        Time, and steps, by seats taken.
    series : ndarray, shape (k, 7 + tiers)
        Time, running, waiting, blocks held, blocks kept without a user, tokens decoded and requests done so far, and
        the blocks that each tier holds.
    steps, decoded_tokens, computed_tokens : int
        Steps, decode passes of sequences, prompt tokens computed (again after preemptions) [1].
    area : float
        Time integral of the requests in the system [s].
    end_s : float
        End of the last step [s].
    complete : bool
        Whether every request was served or rejected.
    tier_tokens : ndarray of int, shape (n, tiers)
        Prompt tokens loaded from each tier, part of `hit_tokens`.
    tier_flow : ndarray, shape (tiers, 7)
        Loads, blocks loaded, written, computed again though held, seconds since the last use of all loaded, seconds
        the tier was busy, and seconds from the beginning of loads to their last byte.
    """

    trace: Trace
    scheduler: Scheduler
    fleet: Fleet
    queued_s: Floats
    start_s: Floats
    first_s: Floats
    last_s: Floats
    hit_tokens: Ints
    preemptions: Ints
    engine: Ints
    rejected: Any
    busy_s: Floats
    prefill_s: Floats
    decode_s: Floats
    gaps: Ints
    occupancy_s: Floats
    trains: Ints
    series: Floats
    steps: int
    decoded_tokens: int
    computed_tokens: int
    area: float
    end_s: float
    complete: bool
    tier_tokens: Ints
    tier_flow: Floats


def replay(
    trace: Trace,
    times: StepTimes,
    scheduler: Scheduler | None = None,
    fleet: Fleet | None = None,
    *,
    engine: Literal["compiled", "plain"] = "compiled",
    progress: Progress | None = None,
) -> Replay:
    """Serve every request of a trace.

    Parameters
    ----------
    trace : Trace
    times : StepTimes
        Of one rank.
    scheduler : Scheduler, optional
    fleet : Fleet, optional
        One engine without a memory limit where not given.
    engine : {"compiled", "plain"}
        The loop, or its oracle (without the gaps between tokens, occupancy and the area).
    progress : callable, optional
        Called now and then with requests done, requests in all, and the simulated time [s].

    Returns
    -------
    Replay
        After an interrupt (Ctrl-C) with what was served until then.

    Examples
    --------
    >>> from headway.simulation.step_times import fixed_times
    >>> from headway.simulation.trace import make_trace
    >>> two = make_trace("two", [0.0, 0.005], [100, 100], [3, 1])
    >>> done = replay(two, fixed_times(0.02), Scheduler(max_seqs=8))
    >>> done.first_s.round(3).tolist(), done.last_s.round(3).tolist()
    ([0.02, 0.04], [0.06, 0.04])
    """
    rule, engines = scheduler or Scheduler(), fleet or Fleet()
    work, rules, rejected = prepare(trace, rule, engines)
    table = loop_times(times)
    _check_table(work, rules, table)
    if engine == "plain":
        return _result(trace, rule, engines, rejected, play(work, rules, table), True)
    state, more, advance = fresh_state(work, rules), True, _loop.machine()
    served = int(work.tokens.size)
    try:
        while more:
            more = bool(advance(state, work, rules, table, _SLICE))
            if progress is not None:
                progress(int(state.counts[SERVED]), served, float(state.clock[0]))
    except KeyboardInterrupt:
        pass
    return _result(trace, rule, engines, rejected, state, not more)


def prepare(trace: Trace, scheduler: Scheduler, fleet: Fleet) -> tuple[Work, Rules, Any]:
    """Arrays and numbers of a run, and which requests no engine can hold (followers of those included).

    >>> from headway.simulation.trace import make_trace
    >>> work, rules, rejected = prepare(make_trace("t", [0.0], [100], [3]), Scheduler(), Fleet(blocks=4))
    >>> rejected.tolist()
    [True]
    """
    cache = scheduler.prefix_cache and trace.block_tokens > 0
    block = trace.block_tokens if cache else scheduler.block_tokens
    inputs, outputs, gain = trace.input_tokens, trace.output_tokens, scheduler.acceptance
    limit = fleet.blocks or int((inputs.sum() + outputs.sum()) // block + 2 * len(trace) + 2)
    rejected, most = np.zeros(len(trace), dtype=np.bool_), (limit - 1) * block - 1
    if int(inputs.max()) + int(outputs.max()) > most:
        rejected = _with_followers(trace, inputs + outputs > most)
    whole = not rejected.any()

    def stay(column: Any) -> Any:
        taken = column if whole else column[~rejected]
        return taken if taken.flags.writeable else taken.copy()

    tokens, emitted = stay(inputs), np.maximum(stay(outputs), 1)
    if gain != 1:
        emitted = 1 + np.ceil((emitted - 1) / gain).astype(np.int64)
    n = tokens.size
    if n and int(emitted.max()) > _MOST_PASSES:
        raise InputError("output_tokens", int(emitted.max()), f"at most {_MOST_PASSES} passes in one request")
    children, following = _children(stay(trace.after), rejected)
    pointer = np.zeros(n + 1, dtype=np.int64)
    if cache:
        np.cumsum(stay(trace.block_counts), out=pointer[1:])
    ids = _dense(trace, rejected) if cache else np.zeros(0, dtype=np.int32)
    work = Work(
        arrival=stay(trace.arrival_s),
        tokens=tokens,
        emitted=emitted,
        lane=np.minimum(stay(trace.priority), scheduler.lanes - 1) if scheduler.lanes > 1 else np.zeros(n, np.int64),
        session=stay(trace.session),
        think=stay(trace.think_s),
        first_child=children,
        next_child=following,
        pointer=pointer,
        ids=ids,
    )
    rules = Rules(
        together=scheduler.policy == "chunked",
        whole=scheduler.policy == "prefill-first",
        when_empty=scheduler.policy == "static",
        max_seqs=scheduler.max_seqs,
        budget=scheduler.token_budget,
        block=block,
        blocks=limit,
        watermark=int(np.floor(scheduler.watermark * limit)),
        cache=bool(cache),
        swap=scheduler.preemption == "swap",
        period=float(scheduler.period_s),
        lanes=scheduler.lanes,
        router=list(ROUTERS).index(scheduler.router),
        engines=fleet.schedulers,
        prefillers=fleet.prefillers * fleet.ranks,
        ranks=fleet.ranks,
        queries=1 + scheduler.draft,
        gain=float(gain),
        pass_block=max(1, int(block / gain)),
        swap_token_s=float(fleet.swap_token_s),
        send_token_s=float(fleet.send_token_s),
        send_latency=float(fleet.send_latency_s),
        chained=is_chained(ids, work.pointer),
        through=fleet.write_through,
        layers=fleet.layers,
        tiers=_tiers(fleet, block, bool(cache)),
        since=np.array([at for at, _ in fleet.schedule], dtype=np.float64),
        taking=np.array([engines * fleet.ranks for _, engines in fleet.schedule], dtype=np.int64),
    )
    return work, rules, rejected


def is_chained(ids: Any, pointer: Ints) -> bool:
    """Whether every id comes after one id alone, so that it stands for a whole prefix.

    >>> is_chained(np.array([0, 1, 0, 2]), np.array([0, 2, 4])), is_chained(np.array([0, 1, 2, 1]), np.array([0, 2, 4]))
    (True, False)
    """
    begins = np.zeros(ids.size + 1, dtype=bool)
    begins[pointer] = True
    parent = np.full(int(ids.max()) + 1 if ids.size else 0, -2, dtype=np.int32)
    for check in (False, True):
        for low in range(0, ids.size, _AT_A_TIME):
            part = slice(low, low + _AT_A_TIME)
            before = ids[max(low - 1, 0) : low + _AT_A_TIME - 1] if low else np.append(ids[:1], ids[: _AT_A_TIME - 1])
            before = np.where(begins[:-1][part], -1, before[: ids[part].size])
            if check and (parent[ids[part]] != before).any():
                return False
            parent[ids[part]] = before
    return True


def _tiers(fleet: Fleet, block: int, cache: bool) -> Floats:
    """Rows of the tiers' numbers, in the order of the columns of ``Rules.tiers``."""
    rows, row = [], 0
    for tier in fleet.tiers if cache else ():
        moves = tier.latency_s, tier.token_s * block, tier.busy_token_s * block
        rows.append((tier.blocks, *moves, row, tier.shared, list(KEEPS).index(tier.keeps), tier.life_s))
        row += 1 if tier.shared else fleet.schedulers
    return np.array(rows, dtype=np.float64).reshape(len(rows), 8)


def _check_table(work: Work, rules: Rules, table: Times) -> None:
    """A step table must have room for the fullest step."""
    longest = int((work.tokens + work.emitted).max()) if rules.whole and work.tokens.size else 0
    tokens = max(rules.budget, longest) + rules.max_seqs * rules.queries
    if table.linear.size < min(tokens, rules.budget + 1) or table.decode.shape[0] <= rules.max_seqs:
        raise InputError("step times", f"a table for {table.decode.shape[0] - 1} sequences", "one for the scheduler")
    if rules.whole and table.linear.size <= longest:
        raise InputError("step times", f"a table for {table.linear.size - 1} tokens", f"one for prompts of {longest}")


def _with_followers(trace: Trace, bad: Any) -> Any:
    """Those that are bad, and whoever waits for one of them."""
    found = bad.copy()
    for i in np.flatnonzero(trace.after >= 0) if bad.any() else ():
        found[i] = found[i] or found[trace.after[i]]
    return found


def _children(after: Ints, rejected: Any) -> tuple[Ints, Ints]:
    """First follower of each request that stays, and the next with the same predecessor, by their new numbers."""
    first, following = np.full(after.size, -1, dtype=np.int64), np.full(after.size, -1, dtype=np.int64)
    number = np.cumsum(~rejected) - 1 if rejected.any() else None
    for i in np.flatnonzero(after >= 0)[::-1]:
        parent = after[i] if number is None else number[after[i]]
        following[i] = first[parent]
        first[parent] = i
    return first, following


def _dense(trace: Trace, rejected: Any) -> Any:
    """Block ids as small whole numbers, in the order of the requests kept."""
    if not trace.run_start.size:
        return np.zeros(0, dtype=np.int32)
    (indptr, start, count), _ = dense_runs(trace.runs)
    if rejected.any():
        runs = np.repeat(~rejected, np.diff(indptr))
        start, count = start[runs], count[runs]
    ends = np.cumsum(count)
    if ends.size and ends[-1] >= 2**31:
        raise InputError("trace", f"{ends[-1]:,} blocks in all", "fewer than 2,147,483,648")
    ids = np.repeat((start - (ends - count)).astype(np.int32), count)
    ids += np.arange(ids.size, dtype=np.int32)
    return ids


def _result(trace: Trace, rule: Scheduler, fleet: Fleet, rejected: Any, state: Any, complete: bool) -> Replay:
    kept, whole = ~rejected, not rejected.any()

    def spread(values: Any, missing: float) -> Any:
        if whole:
            return values
        full = np.full((len(trace), *values.shape[1:]), missing, dtype=values.dtype)
        full[kept] = values
        return full

    return Replay(
        trace,
        rule,
        fleet,
        spread(state.when[QUEUED], np.nan),
        spread(state.when[START], np.nan),
        spread(state.when[FIRST], np.nan),
        spread(state.when[LAST], np.nan),
        spread(state.mark[HIT].astype(np.int64), 0),
        spread(state.mark[PREEMPTED].astype(np.int64), 0),
        spread(state.mark[ENGINE].astype(np.int64), -1),
        rejected,
        state.spent[:, BUSY],
        state.spent[:, PREFILL],
        state.spent[:, DECODE],
        state.gaps,
        state.occupancy,
        state.trains,
        state.samples[: state.counts[SAMPLED]],
        int(state.counts[STEPS]),
        int(state.counts[DECODED]),
        int(state.counts[COMPUTED]),
        float(state.clock[AREA]),
        float(state.clock[LAST_END]),
        complete,
        spread(state.tier_hits, 0),
        state.flow,
    )
