"""The arrays that the compiled loop works on: what is asked, the rules, the step times, and the state.

Named tuples, because compiled code can read them by name. Every field of :class:`State` is an array that the loop
changes in place, so a run can stop after any step and go on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Bins of the histogram of gaps between tokens: 100 in each decade from 1 us.
GAP_BINS = 1000
SAMPLES = 2048
#: Columns of :attr:`State.counts`.
NEXT, HEAP, ROUND, SAMPLED, STEPS, IN_SYSTEM, SERVED, GAP, SENT, DECODED, COMPUTED, WINDOW = range(12)
#: Columns of :attr:`State.clock`.
NOW, AREA, SAMPLE_AT, SAMPLE_EVERY, LAST_END = range(5)

#: Columns of :attr:`State.seq`.
TARGET, DONE, LEFT, COVERED, PRIVATE, JOINED, KEY, WITHIN, READY, BEFORE, AFTER, UP, DOWN = range(13)
#: Rows of :attr:`State.when`.
START, FIRST, LAST, QUEUED, TOKEN, RESUME = range(6)
#: Rows of :attr:`State.mark`.
ENGINE, HIT, PREEMPTED = range(3)
#: Columns of :attr:`State.eng`.
DECODING, RUNNING, WAITING, USED, PENDING, BASE, JOINS, PASSES, TOKENS, CARRIED, JOINING, LRU = range(12)
PRE_HEAD, PRE_TAIL, LOADING, LOAD_HEAD, LOAD_TAIL, PHASE, SLOT, CELL = range(12, 20)
#: Columns of :attr:`State.spent`: time in steps, end of the last pass, own time of prompts and of decode passes.
BUSY, LAST_PASS, PREFILL, DECODE = range(4)
#: Columns of :attr:`State.lane`.
WAIT_HEAD, WAIT_TAIL, RUN_HEAD, RUN_TAIL = range(4)
#: Columns of :attr:`State.link` and of :attr:`State.shelf`, whose first one says which list of the tier has the block.
REFS, OLDER, NEWER = range(3)
HELD, USES = REFS, 3
#: Lists of a tier, from 1: those of S3-FIFO, and how many LFU has.
NEWEST, MAIN, GHOST = range(1, 4)
LISTS = 16
#: Columns of :attr:`Rules.tiers`: blocks held, seconds to the first byte, of a block for its reader and of the tier,
#: first row, whether all engines share it, what it drops, and seconds that a block is kept after its last use.
ROOM, LATENCY, MOVE, TAKES, ROW, SHARED, KEEPS, LIFE = range(8)
#: Columns of :attr:`State.flow`.
LOADS, LOADED, WRITTEN, DECLINED, AGED, MOVING, WAITED = range(7)


class Work(NamedTuple):
    """What is asked: one entry per request, sorted by arrival; followers have no arrival (NaN)."""

    arrival: Floats
    tokens: Ints
    emitted: Ints
    lane: Ints
    session: Ints
    think: Floats
    first_child: Ints
    next_child: Ints
    pointer: Ints
    ids: NDArray[np.int32]


class Rules(NamedTuple):
    """Numbers of the scheduler; see :class:`headway.simulation.scheduler.Scheduler` for their meaning."""

    together: bool
    whole: bool
    when_empty: bool
    max_seqs: int
    budget: int
    block: int
    blocks: int
    watermark: int
    cache: bool
    swap: bool
    period: float
    lanes: int
    router: int
    engines: int
    prefillers: int
    ranks: int
    queries: int
    gain: float
    pass_block: int
    swap_token_s: float
    send_token_s: float
    send_latency: float
    chained: bool
    through: bool
    layers: int
    tiers: Floats
    since: Floats
    taking: Ints


class Times(NamedTuple):
    """Seconds by what a step carries; see :mod:`headway.simulation.step_times`."""

    linear: Floats
    head: Floats
    decode: Floats
    prefill: Floats
    decode_at: Floats
    new_at: Floats
    cached_at: Floats
    context_top: float
    new_top: float


class State(NamedTuple):
    """Everything that changes while the loop runs: requests, engines, caches, counters."""

    seq: NDArray[np.int32]
    when: Floats
    mark: NDArray[np.int32]
    eng: Ints
    spent: Floats
    lane: Ints
    link: NDArray[np.int32]
    stamp: Floats
    shelf: NDArray[np.int32]
    shelved: Ints
    used_at: Floats
    free_at: Floats
    tally: Ints
    flow: Floats
    tier_hits: Ints
    phase: Ints
    bucket: Ints
    fresh: Ints
    fresh_at: Floats
    event: Floats
    flying: Ints
    heap_at: Floats
    heap_of: Ints
    counts: Ints
    clock: Floats
    gaps: Ints
    gap_from: Floats
    occupancy: Floats
    trains: Ints
    samples: Floats


def fresh_state(work: Work, rules: Rules) -> State:
    """Memory for a run in which nothing has happened yet.

    >>> none = np.zeros(0, dtype=np.int64)
    >>> work = Work(
    ...     np.zeros(0),
    ...     none,
    ...     none,
    ...     none,
    ...     none,
    ...     np.zeros(0),
    ...     none,
    ...     none,
    ...     np.zeros(1, dtype=np.int64),
    ...     np.zeros(0, dtype=np.int32),
    ... )
    >>> flags, tiers = (True, False, False), np.zeros((0, 8))
    >>> rest = 8, 64, 16, 10, 0, False, False, 0.0, 1, 0, 2, 0, 1, 1, 1.0, 16, 0.0, 0.0, 0.0, True, False, 1
    >>> rules = Rules(*flags, *rest, tiers, np.zeros(0), none)
    >>> fresh_state(work, rules).event.tolist()
    [inf, inf]
    """
    n, e, lanes = work.tokens.size, rules.engines, rules.lanes
    ids = int(work.ids.max()) + 1 if rules.cache and work.ids.size else 0
    longest = int(work.emitted.max()) + 1 if n else 1
    tiers = len(rules.tiers)
    rows = sum(1 if tier[SHARED] else e for tier in rules.tiers)
    known = ids if tiers else 0

    def ints(*shape: int, fill: int = 0) -> Any:
        return np.full(shape, fill, dtype=np.int64) if fill else np.zeros(shape, dtype=np.int64)

    def floats(*shape: int, fill: float = 0.0) -> Any:
        return np.full(shape, fill, dtype=np.float64) if fill else np.zeros(shape, dtype=np.float64)

    when, mark = floats(6, n), np.zeros((3, n), dtype=np.int32)
    when[[START, FIRST, LAST]] = np.nan
    when[QUEUED] = work.arrival
    mark[ENGINE] = -1
    eng = ints(e, 20)
    for column in (PRE_HEAD, PRE_TAIL, LOAD_HEAD, LOAD_TAIL):
        eng[:, column] = -1
    link = np.full((e, ids + 1, 3), ids, dtype=np.int32)
    link[:, :, REFS] = -1
    lists = LISTS if rules.tiers[:, KEEPS].any() else 1
    shelf = np.zeros((rows, known + lists, 4), dtype=np.int32)
    shelf[:, known:, OLDER] = shelf[:, known:, NEWER] = known + np.arange(lists)
    return State(
        seq=np.zeros((n, 13), dtype=np.int32),
        when=when,
        mark=mark,
        eng=eng,
        spent=floats(e, 4),
        lane=ints(e, lanes, 4, fill=-1),
        link=link,
        stamp=floats(e, known + 1, fill=-np.inf),
        shelf=shelf,
        shelved=ints(rows, lists + 1),
        used_at=floats(rows, known + 1),
        free_at=floats(rows),
        tally=ints(tiers),
        flow=floats(tiers, 7),
        tier_hits=ints(n, tiers),
        phase=ints(e, rules.pass_block),
        bucket=ints(e, longest + 1, fill=-1),
        fresh=ints(e, rules.max_seqs + 1),
        fresh_at=floats(e, rules.max_seqs + 1),
        event=floats(e // rules.ranks, fill=np.inf),
        flying=ints(e // rules.ranks),
        heap_at=floats(n + 1),
        heap_of=ints(n + 1),
        counts=ints(12),
        clock=floats(5),
        gaps=ints(GAP_BINS),
        gap_from=np.concatenate([[0.0], 10.0 ** (np.arange(1, GAP_BINS) / 100.0 - 6.0), [np.inf]]),
        occupancy=floats(rules.max_seqs + 1),
        trains=ints(rules.max_seqs + 1),
        samples=floats(SAMPLES, 7 + tiers),
    )
