"""Pipeline schedules played event by event: the oracle of the closed forms.

Each stage has a list of jobs in the order of its schedule. A job starts when its stage is free and its input is
there: a forward needs the forward of the chunk before, a backward that of the chunk behind and its own forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headway.facts.check import whole
from headway.facts.errors import unknown
from headway.training.schedules import SCHEDULES

Job = tuple[str, int, int]
"""Kind (``f``, ``b`` to inputs, ``B`` whole backward, ``w`` weights), model chunk, micro-batch."""
Block = tuple[Job, ...]
"""Jobs that start together and end together: one job, or a forward and a backward that overlap."""


@dataclass(frozen=True, slots=True)
class Played:
    """What a run of a schedule showed.

    Parameters
    ----------
    seconds : float
        Longest span from a stage's first job to its last, counted as the schedule repeats [s].
    idle : float
        Least time that the stages wait within that span [s].
    in_flight : float
        Most micro-batches whose activations one stage held, in whole stages [1].
    hops : int
        Most messages that one stage sent [1].
    """

    seconds: float
    idle: float
    in_flight: float
    hops: int


def stage_orders(schedule: str, stages: int, microbatches: int, chunks: int = 1) -> tuple[tuple[Block, ...], ...]:
    """Blocks of jobs of every stage in the order of a schedule.

    Raises
    ------
    UnknownNameError
        If the schedule is unknown.

    Examples
    --------
    >>> ["".join(kind + str(m) for ((kind, _, m),) in blocks) for blocks in stage_orders("1f1b", 2, 3)]
    ['f0f1B0f2B1B2', 'f0B0f1B1f2B2']
    """
    if schedule not in SCHEDULES:
        raise unknown("schedule", schedule, SCHEDULES)
    p, m, v = int(whole("stages", stages)), int(whole("microbatches", microbatches)), int(whole("chunks", chunks))
    makers = {
        "gpipe": lambda i: _alone(_gpipe(i, m)),
        "1f1b": lambda i: _alone(_alternate(i, p, m)),
        "interleaved": lambda i: _alone(_interleaved(i, p, m, v) if v > 1 else _alternate(i, p, m)),
        "zero-bubble": lambda i: _alone(_zero_bubble(i, p, m)),
        "dualpipe": lambda i: _dualpipe(i, p, m),
    }
    return tuple(tuple(makers[schedule](i)) for i in range(p))


def _alone(jobs: Sequence[Job]) -> list[Block]:
    return [(job,) for job in jobs]


def _gpipe(i: int, m: int) -> list[Job]:
    return [("f", i, k) for k in range(m)] + [("B", i, k) for k in range(m)]


def _alternate(i: int, p: int, m: int) -> list[Job]:
    warm = min(p - i - 1, m)
    jobs: list[Job] = [("f", i, k) for k in range(warm)]
    for k in range(m - warm):
        jobs += [("f", i, warm + k), ("B", i, k)]
    return jobs + [("B", i, k) for k in range(m - warm, m)]


def _interleaved(i: int, p: int, m: int, v: int) -> list[Job]:
    """Megatron-LM: rounds of `p` micro-batches through one chunk, then the next chunk."""
    forwards = [("f", c * p + i, r * p + k) for r in range(m // p) for c in range(v) for k in range(p)]
    backwards = [("B", (v - 1 - c) * p + i, r * p + k) for r in range(m // p) for c in range(v) for k in range(p)]
    warm = min(2 * (p - i - 1) + (v - 1) * p, m * v)
    jobs: list[Job] = list(forwards[:warm])
    for k in range(m * v - warm):
        jobs += [forwards[warm + k], backwards[k]]
    return jobs + list(backwards[m * v - warm :])


def _zero_bubble(i: int, p: int, m: int) -> list[Job]:
    """ZB-H1: stage `i` delays its weight gradients by `i` micro-batches, which later fill the drain."""
    warm = min(p - i - 1, m)
    jobs: list[Job] = [("f", i, k) for k in range(warm)]
    done = 0
    for k in range(m - warm):
        jobs += [("f", i, warm + k), ("b", i, k)]
        if k >= i:
            jobs.append(("w", i, done))
            done += 1
    for k in range(m - warm, m):
        jobs.append(("b", i, k))
        if done < m:
            jobs.append(("w", i, done))
            done += 1
    return jobs + [("w", i, k) for k in range(done, m)]


def _dualpipe(i: int, p: int, m: int) -> list[Block]:
    """The eight phases of the published schedule; chunks 0..p-1 run left to right, p..2p-1 right to left."""
    half, each, near = p // 2, m // 2, min(i, p - 1 - i)
    # Direction 0 enters at the nearer end; its chunk on this stage, and that of the other direction.
    left, right = i, p + (p - 1 - i)
    chunk = (left, right) if i < half else (right, left)
    base = (0, each) if i < half else (each, 0)
    count = {(kind, d): 0 for kind in "fb" for d in (0, 1)}
    blocks: list[Block] = []
    owed: list[tuple[int, int]] = []

    def forward(d: int) -> Job:
        count["f", d] += 1
        return ("f", chunk[d], base[d] + count["f", d] - 1)

    def backward(d: int, split: bool = False) -> Job:
        number = base[d] + count["b", d]
        count["b", d] += 1
        if split:
            owed.append((chunk[d], number))
        return ("b" if split else "B", chunk[d], number)

    def weight() -> Job:
        return ("w", *owed.pop(0))

    blocks += _alone([forward(0) for _ in range(2 * (half - near - 1))])
    for _ in range(near + 1):
        blocks += _alone([forward(0), forward(1)])
    for _ in range(half - near - 1):
        blocks += _alone([backward(1, split=True), weight(), forward(1)])
    for k in range(each - p + near + 1):
        pair = (forward(0), backward(1))
        # The two middle stages hand the first micro-batch to each other: its halves cannot overlap.
        blocks += _alone(pair) if k == 0 and near == half - 1 else [pair]
        blocks.append((forward(1), backward(0)))
    for _ in range(half - near - 1):
        blocks.append((backward(1),))
        blocks.append((forward(1), backward(0)))
    split = False
    for k in range(near + 1):
        split = split or (k == (near + 1) // 2 and near % 2 == 1)
        blocks.append((backward(1, split),))
        split = split or (k == (near + 1) // 2 and near % 2 == 0)
        blocks.append((backward(0, split),))
    for _ in range(half - near - 1):
        blocks += _alone([weight(), backward(0, split=True)])
    return blocks + _alone([weight() for _ in range(len(owed))])


def play(
    schedule: str,
    stages: int,
    microbatches: int,
    forward: float = 1.0,
    backward_input: float = 1.0,
    backward_weight: float = 1.0,
    chunks: int = 1,
) -> Played:
    """Run a schedule job by job.

    Parameters as in :func:`headway.training.schedules.schedule_cost`.

    Examples
    --------
    >>> play("1f1b", 4, 8).seconds
    33.0
    """
    orders = stage_orders(schedule, stages, microbatches, chunks)
    last = stages * chunks - 1
    parts = {"f": forward, "b": backward_input, "w": backward_weight, "B": backward_input + backward_weight}
    length = {kind: value / chunks for kind, value in parts.items()}
    ends: dict[Job, float] = {}
    free, begun, at = [0.0] * stages, [-1.0] * stages, [0] * stages
    moved = True
    while moved:
        moved = False
        for i, blocks in enumerate(orders):
            while at[i] < len(blocks):
                block = blocks[at[i]]
                ready = [_ready(job, ends, last, schedule, stages) for job in block]
                if None in ready:
                    break
                start = max([free[i], *(moment for moment in ready if moment is not None)])
                begun[i] = start if begun[i] < 0 else begun[i]
                free[i] = start + sum(length[kind] for kind, _, _ in block)
                ends |= {("b" if kind == "B" else kind, chunk, micro): free[i] for kind, chunk, micro in block}
                at[i] += 1
                moved = True
    flat = [[job for block in blocks for job in block] for blocks in orders]
    work = max(sum(length[kind] for kind, _, _ in jobs) for jobs in flat)
    # A stage may start its next step as soon as it is done, so what a step costs is the longest span of one stage.
    spans = [end - first for end, first in zip(free, begun, strict=True)]
    longest = max(spans) if schedule == "zero-bubble" else max(free)
    held = max(_held(jobs) for jobs in flat) / chunks
    hops = max(sum(_sends(job, last, schedule, stages) for job in jobs) for jobs in flat)
    return Played(longest, longest - work, held, hops)


def _ready(job: Job, ends: dict[Job, float], last: int, schedule: str, stages: int) -> float | None:
    kind, chunk, micro = job
    needs: list[Job] = []
    ways = (0, last) if schedule != "dualpipe" else ((0, stages - 1) if chunk < stages else (stages, 2 * stages - 1))
    if kind == "f":
        needs = [("f", chunk - 1, micro)] if chunk > ways[0] else []
    elif kind == "w":
        needs = [("b", chunk, micro)]
    else:
        needs = [("f", chunk, micro)] + ([("b", chunk + 1, micro)] if chunk < ways[1] else [])
    if any(need not in ends for need in needs):
        return None
    return max((ends[need] for need in needs), default=0.0)


def _held(jobs: Sequence[Job]) -> int:
    """Most activations held at once: from a forward to the backward to its inputs."""
    now = most = 0
    for kind, _, _ in jobs:
        now += (kind == "f") - (kind in "bB")
        most = max(most, now)
    return most


def _sends(job: Job, last: int, schedule: str, stages: int) -> int:
    kind, chunk, _ = job
    if stages == 1:
        return 0
    ways = (0, last) if schedule != "dualpipe" else ((0, stages - 1) if chunk < stages else (stages, 2 * stages - 1))
    return int(kind == "f" and chunk < ways[1]) + int(kind in "bB" and chunk > ways[0])
