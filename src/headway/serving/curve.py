"""Time, cost and speed against batch or context, with the balance points marked (claims D01, D02)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.check import not_negative, positive, single, whole
from headway.facts.efficiency import Efficiency
from headway.facts.errors import RangeError, unknown
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.precision import Precision
from headway.facts.sources import Source
from headway.physics.blackboard import Profile, decode_terms
from headway.physics.layout import Layout
from headway.physics.memory import largest_batch
from headway.physics.step import decode_step
from headway.physics.terms import Terms
from headway.serving.plan import PER_MILLION, watts_per_chip
from headway.serving.workload import Prices

Axis = Literal["batch", "context"]


@dataclass(frozen=True, slots=True)
class Curve:
    """One decode pass along one axis; arrays of one length.

    Parameters
    ----------
    model, system, layout
        What is drawn.
    over : {"batch", "context"}
        The axis.
    x : array
        Its values [1] or [token].
    fixed : float
        The other variable.
    seconds : array
        Kernel fidelity [s].
    blackboard_seconds : array
        The max of totals [s].
    lines : tuple of (str, array)
        The blackboard's compute, weight and cache lines apart [s].
    tokens_per_second_per_user, tokens_per_second_per_chip : array
        From the kernel fidelity [token/s].
    usd_per_mtok : array
        Rent and power over output tokens [$/Mtok].
    binding : array of str
        What sets most of the kernel's time.
    balance_batch, balance_context : float
        Where cache and weights balance compute on the blackboard [1], [token].
    fits : array of bool
        Whether the cache of each point fits in memory beside the weights.
    largest_batch : float
        Sequences that fit in memory at the fixed context, or at the longest context drawn [1].
    longest_context : float
        Context up to which the fixed batch (over batch: one sequence) fits in memory, at most the longest that the
        model or the axis has; 0 where it never does [token].
    terms : Terms
        The blackboard's closed form.
    sources : tuple of Source
    """

    model: str
    system: str
    layout: Layout
    over: str
    x: Any
    fixed: float
    seconds: Any
    blackboard_seconds: Any
    lines: tuple[tuple[str, Any], ...]
    tokens_per_second_per_user: Any
    tokens_per_second_per_chip: Any
    usd_per_mtok: Any
    binding: Any
    balance_batch: float
    balance_context: float
    fits: Any
    largest_batch: float
    longest_context: float
    terms: Terms
    sources: tuple[Source, ...]


def axis_points(low: float, high: float, points: int) -> Any:
    """Whole points from `low` to `high`, evenly spaced in the logarithm.

    >>> axis_points(1, 1000, 4).tolist()
    [1.0, 10.0, 100.0, 1000.0]
    """
    positive("from", low)
    positive("to", high)
    whole("points", points, least=2, most=100_000)
    if high <= low:
        raise RangeError("to", high, f"a number above {low:g}")
    return np.unique(np.round(np.geomspace(low, high, points)))


def _lines(terms: Terms, batch: Any, context: Any) -> tuple[tuple[str, Any], ...]:
    """Compute, weights and cache as three lines, as the lecture draws them."""
    found: dict[str, Any] = {"compute": 0.0, "weights": 0.0, "kv": 0.0}
    for (resource, label), value in terms.by_term(batch, context).items():
        name = "compute" if resource == "compute" else "kv" if label in ("kv", "state") else "weights"
        found[name] = found[name] + value
    shape = np.broadcast_shapes(np.shape(batch), np.shape(context))
    return tuple((name, np.broadcast_to(value, shape)) for name, value in found.items())


def curve(
    model: Model,
    system: System,
    layout: Layout | None = None,
    *,
    over: Axis = "batch",
    x: ArrayLike | None = None,
    batch: float = 64,
    context: float = 4096,
    prices: Prices | None = None,
    precision: Precision | None = None,
    efficiency: Efficiency | None = None,
    profile: Profile = "datasheet",
) -> Curve:
    """Draw one decode pass against batch or context.

    Parameters
    ----------
    over : {"batch", "context"}
        The axis; the other variable stays at `batch` or `context`.
    x : array, optional
        Points; from 1 to four times the largest batch that fits (or to the model's longest context) otherwise.

    Raises
    ------
    UnknownNameError, RangeError, LayoutError

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> drawn = curve(model("llama-3.1-8b"), system("hgx-h200"), x=[1, 16, 256])
    >>> (drawn.seconds > drawn.blackboard_seconds).tolist(), [name for name, _ in drawn.lines]
    ([True, True, True], ['compute', 'weights', 'kv'])
    """
    if over not in ("batch", "context"):
        raise unknown("over", over, ("batch", "context"))
    place = layout or Layout()
    positive("batch", single("batch", batch))
    not_negative("context", single("context", context), "token")

    def most(tokens: Any) -> Any:
        return np.asarray(largest_batch(model, system, place, tokens, precision=precision), dtype=float)

    seats = float(most(max(context, 1.0)))
    terms = decode_terms(model, system, place, precision=precision, profile=profile)
    balance = float(terms.balance_batch(context))
    if x is None:
        top = (
            4 * max(seats, balance if math.isfinite(balance) else 0.0, 16)
            if over == "batch"
            else model.max_context or 131072
        )
        x = axis_points(1, top, 60)
    points = np.asarray(positive(over, x), dtype=float)
    b, c = (points, np.asarray(float(context))) if over == "batch" else (np.asarray(float(batch)), points)
    step = decode_step(model, system, place, b, c, precision=precision, efficiency=efficiency)
    rate = np.asarray(step.tokens_per_second_per_chip)
    longest = max(float(model.max_context or 0), float(np.max(c)), 1.0)
    paid = float("nan") if prices is None else prices.usd_per_chip_second(watts_per_chip(system))
    return Curve(
        model=model.name,
        system=system.name,
        layout=place,
        over=over,
        x=points,
        fixed=float(context if over == "batch" else batch),
        seconds=np.broadcast_to(step.seconds, points.shape),
        blackboard_seconds=np.broadcast_to(terms.seconds(b, c), points.shape),
        lines=_lines(terms, b, c),
        tokens_per_second_per_user=np.broadcast_to(1.0 / np.asarray(step.tpot), points.shape),
        tokens_per_second_per_chip=rate,
        usd_per_mtok=paid / rate * PER_MILLION,
        binding=np.broadcast_to(step.binding, points.shape),
        balance_batch=balance,
        balance_context=terms.balance_context(),
        fits=np.broadcast_to(b <= most(np.maximum(c, 1.0)), points.shape),
        largest_batch=seats if over == "batch" else float(most(np.max(points))),
        longest_context=_last(lambda tokens: bool(most(tokens) >= (1.0 if over == "batch" else batch)), longest),
        terms=terms,
        sources=step.sources,
    )


def _last(holds: Callable[[float], bool], top: float) -> float:
    """Largest whole number from 1 to `top` up to which a condition holds; 0 where it does not at 1."""
    if holds(top):
        return top
    low, high = 0, int(top)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(float(middle)) else (low, middle)
    return float(low)


def row_indices(found: Curve, points: int) -> list[int]:
    """Indices of about `points` rows spread evenly over the curve, ends included.

    Parameters
    ----------
    found : Curve
    points : int
        Rows wanted, at least 2 [1].

    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> drawn = curve(model("llama-3.1-8b"), system("hgx-h200"), x=[1, 2, 4, 8, 16, 32])
    >>> row_indices(drawn, 3)
    [0, 2, 5]
    """
    whole("points", points, least=2)
    return [int(i) for i in np.unique(np.linspace(0, len(found.x) - 1, points).round())]
