"""One step of one engine: who takes part, how long it lasts, what it leaves behind. Compiled.

Decoding sequences advance together, so a step costs the same work whatever the batch: their lengths are a sum, the
pass in which each ends is known when it starts, and so is the phase in which it needs another block.
"""

from __future__ import annotations

import math

from headway.simulation._cache import found, give_back, grow, in_use, make_room, take
from headway.simulation._lanes import (
    end_decode,
    end_loads,
    end_prefill,
    next_waiting,
    preempt,
    push,
    seat,
    start_decode,
    start_load,
    start_prefill,
    unseat,
    wrapped,
)
from headway.simulation._machine_code import compiled, compiled_apart, compiled_once
from headway.simulation._state import (
    BASE,
    CARRIED,
    CELL,
    COMPUTED,
    COVERED,
    DECODE,
    DECODED,
    DECODING,
    DONE,
    DOWN,
    FIRST,
    GAP,
    GAP_BINS,
    HIT,
    IN_SYSTEM,
    JOINING,
    JOINS,
    LAST,
    LAST_PASS,
    LEFT,
    LOADING,
    PASSES,
    PENDING,
    PHASE,
    PRE_HEAD,
    PREEMPTED,
    PREFILL,
    PRIVATE,
    QUEUED,
    READY,
    RUNNING,
    SENT,
    SERVED,
    SLOT,
    START,
    TARGET,
    TOKEN,
    TOKENS,
    USED,
    Rules,
    State,
    Times,
    Work,
)
from headway.simulation._tiers import (
    arrives,
    cell_of,
    landing,
    load,
    note_declined,
    note_hits,
    prefill_attention,
    tally_up,
    worth_loading,
)


@compiled
def decode_attention(s: State, times: Times, e: int, batch: int, total: float) -> float:
    """Attention of `batch` sequences that hold `total` tokens, linear between the grid's contexts [s]."""
    mean = min(total / batch, times.context_top)
    i = cell_of(times.decode_at, s.eng[e, CELL], mean)
    s.eng[e, CELL] = i
    w = (mean - times.decode_at[i]) / (times.decode_at[i + 1] - times.decode_at[i])
    return float(times.decode[batch, i] * (1.0 - w) + times.decode[batch, i + 1] * w)


@compiled_apart
def join_decoding(s: State, work: Work, rules: Rules, e: int) -> float:
    """Seat those at the head of the line whose cache is already computed; seconds to swap caches back in."""
    seconds = 0.0
    while s.eng[e, RUNNING] < rules.max_seqs:
        r = next_waiting(s, rules, e)
        if r < 0 or s.seq[r, READY] != 1:
            break
        need = (s.seq[r, TARGET] + rules.block - 1) // rules.block + 1 + s.phase[e, s.eng[e, PHASE]]
        if s.eng[e, RUNNING] > 0 and need > rules.blocks - s.eng[e, USED] - rules.watermark:
            break
        seat(s, work, e, r)
        if math.isnan(s.when[START, r]):
            s.when[START, r] = s.clock[0]
        if s.mark[PREEMPTED, r] > 0 and rules.swap:
            seconds += s.seq[r, TARGET] * rules.swap_token_s
        grow(s, work, rules, e, r, s.seq[r, TARGET])
        start_decode(s, rules, e, r)
    return seconds


@compiled
def chunk_of(s: State, rules: Rules, r: int, budget: int) -> int:
    """Tokens of a prompt that this step computes; all of them where prompts are not cut."""
    rest = s.seq[r, TARGET] - s.seq[r, DONE]
    return int(rest if rules.whole else min(rest, budget))


@compiled
def compute(s: State, work: Work, rules: Rules, times: Times, e: int, r: int, chunk: int) -> float:
    """Take a chunk of a prompt into the step; seconds of its attention."""
    seconds = prefill_attention(times, chunk, s.seq[r, DONE])
    s.seq[r, DONE] += chunk
    s.eng[e, PENDING] -= chunk
    s.eng[e, TOKENS] += chunk
    s.counts[COMPUTED] += chunk
    grow(s, work, rules, e, r, s.seq[r, DONE])
    return seconds


@compiled
def available(s: State, rules: Rules, e: int) -> int:
    """Blocks that nobody holds and that the decoding ones do not need in this step."""
    reserved = s.phase[e, s.eng[e, PHASE]] if rules.together else 0
    return int(rules.blocks - s.eng[e, USED] - reserved)


@compiled
def is_short(s: State, rules: Rules, e: int) -> bool:
    """Whether the decoding ones need more blocks in this step than there are."""
    return bool(s.phase[e, s.eng[e, PHASE]] > rules.blocks - s.eng[e, USED])


@compiled_apart
def shed(s: State, work: Work, rules: Rules, e: int) -> bool:
    """Preempt until those that stay find the blocks of their next tokens."""
    lost = False
    while is_short(s, rules, e):
        preempt(s, work, rules, e)
        lost = True
    return lost


@compiled
def fits(s: State, rules: Rules, e: int, r: int, tokens: int) -> bool:
    """Whether a running request finds blocks for `tokens` tokens."""
    more = (tokens + rules.block - 1) // rules.block - s.seq[r, COVERED] - s.seq[r, PRIVATE]
    return bool(more <= available(s, rules, e))


@compiled_once
def go_on(s: State, work: Work, rules: Rules, times: Times, e: int, budget: int) -> tuple[float, int, bool]:
    """Next chunks of the prompts under way; seconds, budget left, and whether someone was preempted."""
    seconds, lost = 0.0, False
    r = s.eng[e, PRE_HEAD]
    while r >= 0 and budget > 0:
        chunk = chunk_of(s, rules, r, budget)
        gone = False
        while not fits(s, rules, e, r, s.seq[r, DONE] + chunk):
            lost = True
            if preempt(s, work, rules, e) == r:
                gone = True
                break
        if gone:
            break
        seconds += compute(s, work, rules, times, e, r, chunk)
        budget -= chunk
        r = s.seq[r, DOWN]
    return seconds, budget, lost


@compiled_once
def board(s: State, work: Work, rules: Rules, e: int, r: int, h: int, cut: int) -> None:
    """Seat a prompt with its first `cut` blocks, all after `h` of which lower tiers may have to send."""
    hit = min(cut * rules.block, s.seq[r, TARGET] - 1)
    first = math.isnan(s.when[START, r])
    seat(s, work, e, r)
    if first:
        s.when[START, r] = s.clock[0]
        s.mark[HIT, r] = hit
    if s.tally.size > 0:
        tally_up(s, work, rules, e, r, h, cut)
        if first:
            note_hits(s, work, rules, e, r, cut)
        note_declined(s, work, rules, e, r, cut)
        load(s, work, rules, e, r, h, cut)
    for k in range(work.pointer[r], work.pointer[r] + cut):
        take(s, e, work.ids[k])
    s.seq[r, COVERED] = cut
    s.seq[r, DONE] = hit
    s.eng[e, PENDING] -= hit


@compiled_once
def admit(s: State, work: Work, rules: Rules, times: Times, e: int, budget: int) -> float:
    """Seat waiting requests while seats, blocks and the budget allow; seconds of their attention."""
    seconds = 0.0
    none = s.eng[e, TOKENS] == 0
    while budget > 0 and s.eng[e, RUNNING] < rules.max_seqs:
        r = next_waiting(s, rules, e)
        if r < 0 or s.seq[r, READY] == 1:
            break
        h = found(s, work, rules, e, r)
        cut = worth_loading(s, work, rules, times, e, r, h) if s.tally.size > 0 else h
        hit = min(cut * rules.block, s.seq[r, TARGET] - 1)
        chunk = s.seq[r, TARGET] - hit if rules.whole else min(s.seq[r, TARGET] - hit, budget)
        if rules.whole and chunk > budget and not none:
            break
        need = (hit + chunk + rules.block - 1) // rules.block - in_use(s, work, rules, e, r, cut)
        if s.eng[e, RUNNING] > 0 and need > available(s, rules, e) - rules.watermark:
            break
        resume = s.clock[0]
        if s.tally.size > 0:
            landed = landing(s, work, e, r, cut)
            tally_up(s, work, rules, e, r, h, cut)
            resume = arrives(s, rules, times, e, hit, s.seq[r, TARGET], landed)
        board(s, work, rules, e, r, h, cut)
        if resume > s.clock[0]:
            grow(s, work, rules, e, r, hit)
            start_load(s, e, r, resume)
            continue
        start_prefill(s, e, r)
        seconds += compute(s, work, rules, times, e, r, chunk)
        budget -= chunk
        none = False
    return seconds


@compiled
def is_open(s: State, rules: Rules, e: int) -> bool:
    """Whether requests may board; a static batch is open until its first pass."""
    return bool(not rules.when_empty or s.eng[e, DECODING] * s.eng[e, PASSES] == s.eng[e, JOINS])


@compiled
def note_sides(s: State, times: Times, e: int, prompts: float, passes: float, rows: int, finished: int) -> None:
    """Add a step's seconds to its sides: decode passes what they take alone, prompts what they add to it."""
    tokens = s.eng[e, TOKENS]
    if tokens == 0:
        return
    alone = times.linear[rows] if rows > 0 else 0.0
    s.spent[e, PREFILL] += prompts + (times.head[rows + finished] - times.head[rows]) + (times.linear[tokens] - alone)
    s.spent[e, DECODE] += passes + times.head[rows] + alone


@compiled_once
def begin(s: State, work: Work, rules: Rules, times: Times, e: int) -> tuple[float, int]:
    """Fill a step of one engine; its seconds apart from the matrix products, and the tokens these carry."""
    s.eng[e, TOKENS] = 0
    if s.eng[e, LOADING] > 0:
        end_loads(s, e, s.clock[0])
    seconds, lost = 0.0, False
    first = next_waiting(s, rules, e)
    if first >= 0 and s.seq[first, READY] == 1:
        seconds = join_decoding(s, work, rules, e)
    if rules.together and is_short(s, rules, e):
        lost = shed(s, work, rules, e)
    budget = rules.budget - (s.eng[e, DECODING] * rules.queries if rules.together else 0)
    prompts, budget, cut = go_on(s, work, rules, times, e, budget)
    if not lost and not cut and is_open(s, rules, e):
        prompts += admit(s, work, rules, times, e, budget)
    finished = 0
    r = s.eng[e, PRE_HEAD]
    while r >= 0:
        finished += 1 if s.seq[r, DONE] == s.seq[r, TARGET] else 0
        r = s.seq[r, DOWN]
    if not rules.together and s.eng[e, TOKENS] == 0 and is_short(s, rules, e):
        shed(s, work, rules, e)
    decoding = int(s.eng[e, DECODING]) if rules.together or s.eng[e, TOKENS] == 0 else 0
    if decoding > 0:
        made = rules.gain * (decoding * s.eng[e, PASSES] - s.eng[e, JOINS])
        seconds += decode_attention(s, times, e, decoding, s.eng[e, BASE] + made)
        s.eng[e, USED] += s.phase[e, s.eng[e, PHASE]]
        make_room(s, rules, e)
    s.eng[e, CARRIED] = decoding
    rows = decoding * rules.queries
    s.eng[e, TOKENS] += rows
    note_sides(s, times, e, prompts, seconds, rows, finished)
    return seconds + prompts + times.head[rows + finished], int(s.eng[e, TOKENS])


@compiled
def note_gap(s: State, gap: float, count: int) -> None:
    """Count gaps between tokens by size, 100 bins in each decade from 1 us."""
    if count > 0:
        k = s.counts[GAP]
        if not s.gap_from[k] <= gap < s.gap_from[k + 1]:
            k = min(int((math.log10(max(gap, 1e-6)) + 6.0) * 100.0), GAP_BINS - 1)
            s.counts[GAP] = k
        s.gaps[k] += count


@compiled
def note_join(s: State, e: int, at: float) -> None:
    """Remember when a decoding sequence got the token before its first pass."""
    k = s.eng[e, JOINING]
    if k > 0 and (s.fresh_at[e, k - 1] == at or k == s.fresh.shape[1]):
        s.fresh[e, k - 1] += 1
    else:
        s.fresh[e, k] = 1
        s.fresh_at[e, k] = at
        s.eng[e, JOINING] = k + 1


@compiled
def leave_system(s: State, work: Work, r: int, at: float) -> None:
    """The last token of a request is out: those that waited for it will come."""
    s.when[LAST, r] = at
    s.seq[r, READY] = 3
    s.counts[SERVED] += 1
    s.counts[IN_SYSTEM] -= 1
    child = work.first_child[r]
    while child >= 0:
        s.when[QUEUED, child] = at + work.think[child]
        push(s, s.when[QUEUED, child], child)
        child = work.next_child[child]


@compiled_once
def complete_decoding(s: State, work: Work, rules: Rules, e: int, at: float) -> None:
    """Every decoding sequence has its tokens; those with all of them leave."""
    old = s.eng[e, CARRIED]
    for k in range(s.eng[e, JOINING]):
        if s.fresh_at[e, k] != s.spent[e, LAST_PASS]:
            note_gap(s, at - s.fresh_at[e, k], s.fresh[e, k])
            old -= s.fresh[e, k]
    note_gap(s, at - s.spent[e, LAST_PASS], old)
    s.eng[e, JOINING] = 0
    s.spent[e, LAST_PASS] = at
    s.counts[DECODED] += s.eng[e, CARRIED]
    s.eng[e, PASSES] += 1
    s.eng[e, PHASE] = wrapped(s.eng[e, PHASE] + 1, rules.pass_block)
    slot = wrapped(s.eng[e, SLOT] + 1, s.bucket.shape[1])
    s.eng[e, SLOT] = slot
    while s.bucket[e, slot] >= 0:
        r = s.bucket[e, slot]
        give_back(s, work, rules, e, r)
        end_decode(s, rules, e, r)
        unseat(s, work, e, r)
        leave_system(s, work, r, at)


@compiled_once
def complete(s: State, work: Work, rules: Rules, e: int, at: float) -> None:
    """What a step leaves behind at its end."""
    if s.eng[e, CARRIED] > 0:
        complete_decoding(s, work, rules, e, at)
    r = s.eng[e, PRE_HEAD]
    while r >= 0:
        following = s.seq[r, DOWN]
        if s.seq[r, DONE] == s.seq[r, TARGET]:
            end_prefill(s, e, r)
            s.seq[r, LEFT] -= 1
            if math.isnan(s.when[FIRST, r]):
                s.when[FIRST, r] = at
            else:
                note_gap(s, at - s.when[TOKEN, r], 1)
                s.when[TOKEN, r] = at
            if s.seq[r, LEFT] == 0 or e < rules.prefillers:
                s.seq[r, READY] = 0
                give_back(s, work, rules, e, r)
                unseat(s, work, e, r)
                if s.seq[r, LEFT] == 0:
                    leave_system(s, work, r, at)
                else:
                    s.seq[r, READY] = 1
                    s.counts[SENT] += 1
                    push(s, at + rules.send_latency + s.seq[r, TARGET] * rules.send_token_s, r)
            else:
                start_decode(s, rules, e, r)
                note_join(s, e, at)
        r = following
    s.eng[e, CARRIED] = 0
