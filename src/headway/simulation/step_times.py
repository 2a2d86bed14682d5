"""What a step takes, as a table: built once from physics, so that the loop never evaluates a model.

``t = linear(tokens) + head(rows) + decode(batch, mean context) + sum over chunks prefill(new, cached)``

The pass of :mod:`headway.physics.step` is a sum over operators. Those that see tokens only (matrix products, norms,
collectives, overheads) are tabled for every whole number of tokens; attention proper on grids whose steps widen with
length, linear between points. A step of mixed work is then the sum of its operators, as in
:func:`headway.physics.step.mixed_step`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from headway.facts.check import positive
from headway.facts.efficiency import Efficiency
from headway.facts.errors import LayoutError
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.precision import Precision
from headway.physics.layout import Layout
from headway.physics.step import decode_step, mixed_step
from headway.simulation._state import Floats, Times

_CONTEXTS, _NEW = 96, 48
_APART = ("head", "attention core", "drafting", "attention prefill")


@dataclass(frozen=True, slots=True, eq=False)
class StepTimes:
    """Seconds of one rank's step by what it carries.

    Parameters
    ----------
    linear : ndarray, shape (tokens + 1,)
        All but attention and head, for each whole number of tokens [s].
    head : ndarray, shape (rows + 1,)
        The head, for each number of tokens whose logits are needed [s].
    decode : ndarray, shape (batch + 1, points)
        Attention and drafting of decoding sequences, over mean contexts ``context_top (i / (points - 1))^2`` [s].
    prefill : ndarray, shape (points, points)
        Attention of one chunk, over new tokens and cached ones, spaced alike [s].
    context_top, new_top : float
        Ends of the grids [token].
    """

    linear: Floats
    head: Floats
    decode: Floats
    prefill: Floats
    context_top: float
    new_top: float


def _points(top: float, count: int) -> Floats:
    """Points of a grid whose steps widen with length."""
    n, i = count - 1, np.arange(count)
    return np.asarray(top * i * i / (n * n), dtype=np.float64)


def loop_times(times: StepTimes) -> Times:
    """The table as the loop takes it, with the points of its grids.

    >>> loop_times(fixed_times(0.02)).decode_at.tolist()
    [0.0, 1000000.0]
    """
    return Times(
        times.linear,
        times.head,
        times.decode,
        times.prefill,
        _points(times.context_top, times.decode.shape[1]),
        _points(times.new_top, times.prefill.shape[0]),
        _points(times.context_top, times.prefill.shape[1]),
        times.context_top,
        times.new_top,
    )


def fixed_times(
    step_s: float, per_token_s: float = 0.0, *, max_seqs: int = 256, token_budget: int = 65536
) -> StepTimes:
    """Steps of ``step_s + per_token_s x tokens``, whatever the context: for queueing theory and for trials.

    Parameters
    ----------
    step_s, per_token_s : float
        Seconds of a step, and of each token it carries [s].
    max_seqs, token_budget : int
        Sizes of the table [1], [token].

    Examples
    --------
    >>> float(fixed_times(0.02, 1e-6).linear[1000])
    0.021
    """
    tokens = np.arange(token_budget + max_seqs * 65 + 1)
    return StepTimes(
        linear=np.asarray(step_s + per_token_s * tokens, dtype=np.float64),
        head=np.zeros(max_seqs * 65 + 1),
        decode=np.zeros((max_seqs + 1, 2)),
        prefill=np.zeros((2, 2)),
        context_top=1e6,
        new_top=1e6,
    )


def _sum(operators: Any, names: tuple[str, ...]) -> Any:
    return sum((op.seconds for op in operators if op.name in names), start=np.zeros(()))


def step_times(
    model: Model,
    system: System,
    layout: Layout,
    *,
    max_seqs: int,
    token_budget: int,
    longest: int,
    longest_prompt: int = 0,
    draft: int = 0,
    precision: Precision | None = None,
    efficiency: Efficiency | None = None,
) -> StepTimes:
    """Table the steps of one rank of a deployment.

    Parameters
    ----------
    model, system, layout, precision, efficiency
        As in :func:`headway.physics.step.decode_step`.
    max_seqs : int
        Most sequences of a rank [1].
    token_budget : int
        Most tokens of a step of a rank [token].
    longest : int
        Longest context [token].
    longest_prompt : int
        Longest prompt, where prompts are not cut [token].
    draft : int
        Tokens proposed per pass [1].

    Raises
    ------
    LayoutError
        If the layout is a pipeline or works in half batches, whose steps are not a sum.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> llama, box = model("llama-3.1-8b"), system("hgx-h200")
    >>> t = step_times(llama, box, Layout(), max_seqs=8, token_budget=64, longest=4096)
    >>> parts = t.linear[8] + t.head[8] + t.decode[8, -1]
    >>> bool(np.isclose(parts, decode_step(llama, box, Layout(), 8, 4096).seconds))
    True
    """
    if int(layout.pp) != 1 or int(layout.micro_batches) != 1:
        raise LayoutError("layout", layout.label(), "a replica without pipeline stages and half batches")
    positive("longest", longest, "token")
    dp, q = int(layout.dp), 1 + draft
    top, new_top = float(max(longest, 2)), float(max(token_budget, longest_prompt, 2))
    opts: dict[str, Any] = {"precision": precision, "efficiency": efficiency}
    tokens = np.arange(1, int(new_top) + max_seqs * q + 1, dtype=float)
    pass_ = decode_step(model, system, layout, tokens * dp, 1.0, **opts)
    linear = np.asarray(pass_.seconds) - _sum(pass_.operators, _APART)
    head = np.asarray(_sum(pass_.operators, ("head",)))[: max_seqs * q + max_seqs]
    contexts = top * (np.arange(_CONTEXTS) / (_CONTEXTS - 1)) ** 2
    batch = np.arange(1, max_seqs + 1, dtype=float)[:, None]
    decoding = decode_step(model, system, layout, batch * dp, contexts[None, :], draft=draft, **opts)
    decode = np.broadcast_to(_sum(decoding.operators, ("attention core", "drafting")), (max_seqs, _CONTEXTS))
    new = np.maximum(new_top * (np.arange(_NEW) / (_NEW - 1)) ** 2, 1.0)[:, None]
    mixed = mixed_step(model, system, layout, dp, 1.0, 1.0, new, contexts[None, :], **opts)
    prefill = np.broadcast_to(_sum(mixed.operators, ("attention prefill",)), (_NEW, _CONTEXTS)).copy()
    return StepTimes(
        np.concatenate([linear[:1], linear]),
        np.concatenate([[0.0], head]),
        np.concatenate([np.zeros((1, _CONTEXTS)), decode]),
        prefill,
        top,
        new_top,
    )
