"""Pipeline schedules in closed form: time of a step, bubble, micro-batches in flight, hops.

Notation: ``P`` stages, ``M`` micro-batches, ``V`` model chunks per stage, and on one stage (all its chunks) ``f``
seconds forward, ``b`` backward to the inputs, ``w`` backward to the weights, so the work of a stage is
``M (f + b + w)``. Every form equals an event-by-event run of its schedule (:mod:`headway.training.schedule_events`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.errors import RangeError, unknown
from headway.physics.arrays import Numbers, not_negative, plain, positive, together, whole

SCHEDULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "gpipe": "all forwards, then all backwards (Huang et al., arXiv 1811.06965)",
        "1f1b": "one forward, one backward (Narayanan et al., arXiv 2104.04473, section 2.2)",
        "interleaved": "1F1B over several model chunks on each stage (arXiv 2104.04473, section 2.2)",
        "zero-bubble": "ZB-H1: weight gradients fill the drain at the memory of 1F1B (Qi et al., arXiv 2401.10241)",
        "dualpipe": "from both ends at once, two copies of the weights (DeepSeek-V3, arXiv 2412.19437, table 2)",
    }
)
"""Schedules by name, each with its source."""

CONDITIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "zero-bubble": "at least as many micro-batches as stages",
        "dualpipe": "an even number of stages, and an even number of micro-batches that is at least twice as large",
    }
)
"""What a schedule asks of stages and micro-batches beyond a layout that divides; none where it is not named."""


@dataclass(frozen=True, slots=True)
class ScheduleCost:
    """What a schedule costs. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    seconds : float or ndarray
        First forward to last backward of a step [s].
    idle : float or ndarray
        Time that a stage waits: `seconds` less its work [s].
    bubble : float or ndarray
        `idle` over `seconds` [1].
    in_flight : float or ndarray
        Micro-batches whose activations the fullest stage holds, in units of one whole stage [1].
    hops : float or ndarray
        Activations and their gradients that the busiest stage sends in a step [1].
    weight_copies : float or ndarray
        Copies of a stage's weights on one device [1].
    """

    seconds: Numbers
    idle: Numbers
    bubble: Numbers
    in_flight: Numbers
    hops: Numbers
    weight_copies: Numbers


def schedule_cost(
    schedule: str,
    stages: ArrayLike,
    microbatches: ArrayLike,
    forward: ArrayLike = 1.0,
    backward_input: ArrayLike = 1.0,
    backward_weight: ArrayLike = 1.0,
    chunks: ArrayLike = 1,
) -> ScheduleCost:
    """Cost of one step by a schedule, without the time of hops.

    Idle time of a stage: GPipe and 1F1B ``(P-1)(f+b+w)``; interleaved ``(P-1)(f+b+w)/V``; zero-bubble H1
    ``(P-1)(b + max(f-w, 0))``, which is the published ``f+b-w`` where ``w <= f``; DualPipe ``(P/2-1)(3f-w)`` at
    ``f = b`` (published as ``F&B + B - 3W``), a forward and a backward that overlap taking the sum of both.

    Parameters
    ----------
    schedule : str
        A key of ``SCHEDULES``.
    stages, microbatches : array_like
        ``P`` and ``M`` [1]; interleaved needs ``M`` a multiple of ``P``, DualPipe even ``P`` and ``M >= 2 P``,
        zero-bubble ``M >= P``.
    forward, backward_input, backward_weight : array_like
        ``f``, ``b``, ``w`` of one micro-batch on one stage [s]; for DualPipe ``f = b >= w``: other ratios
        have no closed form, and :func:`headway.training.schedule_events.play` runs them.
    chunks : array_like
        ``V`` [1]; above 1 for the interleaved schedule only.

    Returns
    -------
    ScheduleCost

    Raises
    ------
    UnknownNameError, RangeError
        If the schedule is unknown, or cannot run so many micro-batches on so many stages.

    References
    ----------
    The sources in ``SCHEDULES``. In flight: GPipe ``M``; 1F1B and zero-bubble ``min(M, P)``; interleaved
    ``min(M V, 2(P-1) + (V-1)P + 1)/V``; DualPipe ``P + 1``.

    Examples
    --------
    >>> [round(schedule_cost(name, 8, 16, chunks=1).bubble, 3) for name in ("gpipe", "1f1b", "zero-bubble")]
    [0.304, 0.304, 0.127]
    >>> schedule_cost("interleaved", 8, 16, chunks=4).in_flight
    9.75
    """
    if schedule not in SCHEDULES:
        raise unknown("schedule", str(schedule), SCHEDULES)
    p, m, v = whole("stages", stages), whole("microbatches", microbatches), whole("chunks", chunks)
    f, b = positive("forward", forward, "s"), not_negative("backward_input", backward_input, "s")
    w = not_negative("backward_weight", backward_weight, "s")
    p, m, v, f, b, w = np.broadcast_arrays(p, m, v, f, b, w)
    _check(schedule, p, m, v)
    if schedule == "dualpipe" and np.any((w > f * (1 + 1e-12)) | (np.abs(f - b) > 1e-12 * f)):
        raise RangeError("backward_input", float(np.max(b)), "forward, and backward_weight at most both, for dualpipe")
    full = f + b + w
    idle, held, hops, copies = _forms(schedule, p, m, v, f, b, w)
    seconds = m * full + idle
    return ScheduleCost(*together(seconds, idle, idle / seconds, held, hops, copies))


def _forms(
    schedule: str, p: Numbers, m: Numbers, v: Numbers, f: Numbers, b: Numbers, w: Numbers
) -> tuple[Numbers, ...]:
    """Idle time, micro-batches in flight, hops of the busiest stage and copies of weights."""
    inner = np.where(p > 2, 2.0, np.where(p > 1, 1.0, 0.0)) * m
    one = np.ones_like(m)
    if schedule == "gpipe":
        return (p - 1.0) * (f + b + w), m, inner, one
    if schedule == "1f1b":
        return (p - 1.0) * (f + b + w), np.minimum(m, p), inner, one
    if schedule == "interleaved":
        warm = 2.0 * (p - 1.0) + (v - 1.0) * p + 1.0
        held = np.where(v > 1, np.minimum(m * v, warm) / v, np.minimum(m, p))
        # Every chunk passes its output on, the last one of the model excepted; gradients come back likewise.
        sent = np.where(p > 1, 2.0 * m * v - np.where(p > 2, 0.0, m), 0.0)
        return (p - 1.0) * (f + b + w) / v, held, np.where(v > 1, sent, inner), one
    if schedule == "zero-bubble":
        return (p - 1.0) * (b + np.maximum(f - w, 0.0)), np.minimum(m, p), inner, one
    return (p / 2.0 - 1.0) * (3.0 * f - w), p + 1.0, inner, 2.0 * one


def _check(schedule: str, p: Numbers, m: Numbers, v: Numbers) -> None:
    """Refuse what a schedule cannot run."""
    if schedule != "interleaved" and np.any(v > 1):
        raise RangeError("chunks", int(np.max(v)), f"1 with the schedule {schedule}", "1")
    rules = {
        "interleaved": ((v == 1) | (m % p == 0), "a multiple of the stages"),
        "zero-bubble": (m >= p, "at least as many as the stages"),
        "dualpipe": ((p % 2 == 0) & (m >= 2 * p) & (m % 2 == 0), "even, at least twice as many as an even number of"),
    }
    good, words = rules.get(schedule, (np.ones(p.shape, dtype=bool), ""))
    good = np.asarray(good)
    if not np.all(good):
        at = int(np.argmin(np.ravel(good)))
        stages, found = int(np.ravel(p)[at]), int(np.ravel(m)[at])
        ending = " stages" if schedule == "dualpipe" else f" {stages}"
        near = max(round(found / stages), 2 if schedule == "dualpipe" else 1) * stages
        raise RangeError("microbatches", found, f"{words}{ending}, for {schedule} on {stages} stages", str(near))


def boundary_bytes(
    tokens: ArrayLike, hidden: ArrayLike, blocks_kept: ArrayLike = 1, element_bytes: ArrayLike = 2.0
) -> Numbers:
    """Bytes that one micro-batch carries from a stage to the next.

    ``n t h s``: residuals that reach back over ``n`` blocks carry the outputs of all of them (claim C38).

    Parameters
    ----------
    tokens, hidden : array_like
        Tokens of a micro-batch [token] and residual width [1].
    blocks_kept : array_like
        Block outputs that later stages read, ``n`` [1]; 1 for a plain residual stream.
    element_bytes : array_like
        [B].

    Returns
    -------
    float or ndarray
        [B].

    References
    ----------
    Block Attention Residuals, arXiv 2603.15031.

    Examples
    --------
    >>> boundary_bytes(8192, 16384, [1, 8]).tolist()
    [268435456.0, 2147483648.0]
    """
    kept = whole("blocks_kept", blocks_kept) * not_negative("tokens", tokens, "token")
    return plain(kept * whole("hidden", hidden) * positive("element_bytes", element_bytes, "B"))
