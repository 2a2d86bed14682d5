"""Search the layouts of a training run: every way to spread a model over N chips, in one call over arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headway.facts.check import not_negative, positive, whole
from headway.facts.errors import LayoutError, RangeError, unknown
from headway.facts.hardware import System
from headway.facts.layers import ExpertFFN
from headway.facts.model import Model
from headway.facts.precision import number_format
from headway.facts.sources import Source
from headway.facts.training_constants import constants_for
from headway.physics.layout import Layout, divides
from headway.training.memory import POLICIES
from headway.training.recipe import Recipe
from headway.training.schedules import CONDITIONS, SCHEDULES
from headway.training.step import TrainStep, estimate

#: Embedding and head may each take the place of a layer: 405B on 16 stages of 8 chunks holds 126 layers
#: (arXiv 2407.21783, section 3.3.2).
_ENDS: Final = 2
_DEGREES: Final = ("tp", "cp", "ep", "pp", "dp")
_MOST_PP: Final = 128
_MOST_TP: Final = 64


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """One way to train.

    Parameters
    ----------
    layout : Layout
    recipe : Recipe
    step : TrainStep
        Scalar.
    microbatches : int
        [1].
    """

    layout: Layout
    recipe: Recipe
    step: TrainStep
    microbatches: int


@dataclass(frozen=True, slots=True)
class TrainSearch:
    """What a search found.

    Parameters
    ----------
    plans : tuple of TrainPlan
        Best first; each policy's and schedule's own best come before the next.
    candidates, fitting : int
        Layouts timed, and those that fit memory [1].
    step_seconds : ndarray
        Times of the fitting ones, fastest first [s].
    reason : str
        Why none fits; empty where one does.
    sources : tuple of Source
    left_out : tuple of str
        Schedules that run no layout asked for, and why.
    """

    plans: tuple[TrainPlan, ...]
    candidates: int
    fitting: int
    step_seconds: NDArray[np.float64]
    reason: str
    sources: tuple[Source, ...]
    left_out: tuple[str, ...] = ()


def _divisors(number: int, most: int) -> NDArray[np.int64]:
    return np.array([d for d in range(1, min(number, most) + 1) if number % d == 0])


def candidates(
    model: Model, system: System, gpus: int, batch: int, schedules: tuple[str, ...]
) -> tuple[Layout, NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Every layout that divides, with micro-batch, chunks and sharding stage, as flat arrays.

    Tensor ranks stay in a scale-up domain; expert ranks divide a stage.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> layout, micro, chunks, zero = candidates(model("llama-3.1-405b"), system("hgx-h100"), 1024, 512, ("1f1b",))
    >>> layout.tp.shape == micro.shape == chunks.shape == zero.shape
    True
    """
    experts = max((g.ffn.experts for g in model.layers if isinstance(g.ffn, ExpertFFN)), default=1)
    tp = _divisors(gpus, min(_MOST_TP, system.domain_size))
    pp = _divisors(gpus, min(_MOST_PP, model.n_layers))
    cp = np.array([c for c in (1, 2, 4, 8, 16) if gpus % c == 0])
    ep = np.array([e for e in (1, 2, 4, 8, 16, 32, 64, 128, 256) if experts % e == 0 and e <= experts])
    micro = np.array([1, 2, 4, 8, 16])
    chunks = np.arange(1, 17) if "interleaved" in schedules else np.array([1])
    grid = np.meshgrid(tp, pp, cp, ep, micro, chunks, np.array([1, 2, 3]), indexing="ij")
    t, p, c, e, m, v, z = (axis.ravel() for axis in grid)
    wide = t * p * c
    good = gpus % wide == 0
    d = np.where(good, gpus // wide, 1)
    good &= (batch % (d * m) == 0) & ((v == 1) | ((p > 1) & (v * p <= model.n_layers + _ENDS)))
    waves = np.where(good, batch // np.maximum(d * m, 1), 1)
    good &= (v == 1) | (waves % p == 0)
    if "zero-bubble" in schedules:
        good &= waves >= p
    if "dualpipe" in schedules:
        good &= (p % 2 == 0) & (waves >= 2 * p) & (waves % 2 == 0)
    # Weights sharded over data ranks are gathered anew for each micro-batch of a pipeline: nobody combines them.
    good &= ~((z >= 3) & (p > 1))
    t, p, c, e, d, m, v, z = (axis[good] for axis in (t, p, c, e, d, m, v, z))
    layout = Layout(tp=t, pp=p, cp=c, ep=e, dp=d)
    keep = divides(model, layout)
    kept = Layout(tp=t[keep], pp=p[keep], cp=c[keep], ep=e[keep], dp=d[keep])
    return kept, m[keep], v[keep], z[keep]


def plan_training(
    model: Model,
    system: System,
    gpus: int,
    batch: int,
    context: int,
    *,
    precision: str = "bf16",
    schedules: tuple[str, ...] = ("interleaved",),
    policies: tuple[str, ...] = ("store", "full"),
    count: int = 5,
    reserve: float | None = None,
    degrees: Mapping[str, int] | None = None,
) -> TrainSearch:
    """The fastest layouts of a training step that fit.

    Parameters
    ----------
    gpus, batch, context : int
        Chips [1], sequences of a step [1], tokens of a sequence [token].
    precision : str
        Format of the matrix products.
    schedules, policies : tuple of str
        Keys of ``SCHEDULES`` and ``POLICIES`` to search; 1F1B is the interleaved one with one chunk.
    count : int
        Plans to return, of different layouts [1].
    reserve : float, optional
        Memory of a chip that holds no tensors [B]; ``reserve_of`` each layout where not given.
    degrees : mapping of str to int, optional
        Ranks that the returned plans must have, by ``tp``, ``cp``, ``ep``, ``pp`` or ``dp`` [1]; all layouts are still
        timed, so that :func:`rank_of` says where they stand.

    Returns
    -------
    TrainSearch
        Without plans, and with the reason, where nothing fits.

    Raises
    ------
    RangeError, UnknownNameError
        If a size is absurd, a name unknown, or no schedule runs a layout that divides.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> found = plan_training(model("llama-3.1-8b"), system("hgx-h100"), 64, 128, 8192)
    >>> found.fitting > 100, bool(found.plans[0].step.seconds <= found.plans[-1].step.seconds)
    (True, True)
    """
    _check(system, gpus, batch, context, precision, schedules, policies, reserve)
    asked = _asked(degrees)
    found: list[tuple[float, Layout, Recipe, int]] = []
    total, times, nearest = 0, [], (np.inf, "")
    fitted = constants_for(system.chip.generation)
    refused: dict[str, RangeError | LayoutError] = {}
    for schedule in schedules:
        layout, micro, chunks, zero = candidates(model, system, gpus, batch, (schedule,))
        mine = np.ones(np.shape(layout.tp), dtype=bool)
        for name, ranks in asked.items():
            mine &= np.asarray(getattr(layout, name)) == ranks
        if not np.any(mine):
            refused[schedule] = _nothing_divides(schedule, gpus, batch, asked if np.size(layout.tp) else {})
            continue
        for policy in policies:
            recipe = Recipe(schedule, chunks, micro, policy, zero, precision, reserve=reserve)
            step = estimate(model, system, layout, batch, context, recipe, fitted)
            total += int(np.size(step.seconds))
            held = np.asarray(step.memory.total)
            good = np.asarray(step.memory.fits)
            least = int(np.argmin(np.where(mine, held, np.inf)))
            if held[least] < nearest[0]:
                nearest = (float(held[least]), f"{layout.at(least).label()}, {policy}: {held[least] / 1e9:.4g} GB")
            if np.any(good):
                times.append(np.asarray(step.seconds)[good])
                where = np.flatnonzero(good & mine)
                order = where[np.argsort(np.asarray(step.seconds)[where], kind="stable")]
                found += [_candidate(step, layout, recipe, int(k)) for k in order[: 40 * count]]
    if len(refused) == len(set(schedules)):
        raise next(iter(refused.values()))
    reason = "" if found else f"nothing fits; nearest {nearest[1]} > {system.chip.hbm_bytes / 1e9:.4g} GB"
    plans = _distinct(model, system, batch, context, sorted(found, key=lambda f: f[0]), count)
    sorted_times = np.sort(np.concatenate(times)) if times else np.zeros(0)
    sources = model.sources + ((fitted.source,) if fitted.source else ())
    left_out = tuple(
        f"{name} runs no such layout: it needs {CONDITIONS.get(name, why.expected)}" for name, why in refused.items()
    )
    return TrainSearch(plans, total, int(sorted_times.size), sorted_times, reason, sources, left_out)


def _nothing_divides(schedule: str, gpus: int, batch: int, asked: Mapping[str, int]) -> RangeError | LayoutError:
    """Why a schedule runs no layout: what has to divide, and its own condition."""
    own = f"; {schedule} needs {CONDITIONS[schedule]}" if schedule in CONDITIONS else ""
    if not asked:
        return RangeError("gpus", gpus, f"a number of chips that divides {batch:,} sequences and the model{own}")
    wanted = " ".join(f"{name.upper()}{ranks}" for name, ranks in asked.items())
    divides = f"ranks that divide {gpus:,} chips, {batch:,} sequences and the model"
    return LayoutError("layout", wanted, divides + own)


def _check(
    system: System,
    gpus: int,
    batch: int,
    context: int,
    precision: str,
    schedules: tuple[str, ...],
    policies: tuple[str, ...],
    reserve: float | None,
) -> None:
    """Refuse sizes that are absurd and names that are unknown."""
    whole("gpus", gpus, most=1_000_000)
    whole("batch", batch, most=1_000_000)
    positive("context", context, "token")
    number_format(precision)
    if reserve is not None:
        not_negative("reserve", reserve, "B")
    for field, names, known in (("schedule", schedules, SCHEDULES), ("recompute", policies, POLICIES)):
        for name in names:
            if name not in known:
                raise unknown(field, name, known)
    if system.network_bandwidth is None and gpus > system.domain_size:
        raise RangeError("gpus", gpus, f"at most {system.domain_size}: {system.name} has no network")


def _asked(degrees: Mapping[str, int] | None) -> dict[str, int]:
    for name, ranks in (degrees or {}).items():
        if name not in _DEGREES:
            raise unknown("degrees", name, _DEGREES)
        whole(name, ranks)
    return dict(degrees or {})


def _candidate(step: TrainStep, layout: Layout, recipe: Recipe, k: int) -> tuple[float, Layout, Recipe, int]:
    one = replace(
        recipe,
        chunks=int(recipe.chunks[k]),
        micro_batch=int(recipe.micro_batch[k]),
        zero=int(recipe.zero[k]),
    )
    return float(step.seconds[k]), layout.at(k), one, k


def _distinct(
    model: Model, system: System, batch: int, context: int, found: list[tuple[float, Layout, Recipe, int]], count: int
) -> tuple[TrainPlan, ...]:
    """The best of each parallel layout, timed anew as scalars."""
    plans: list[TrainPlan] = []
    seen: set[str] = set()
    fitted = constants_for(system.chip.generation)
    for _, layout, recipe, _ in found:
        name = layout.label()
        if name in seen:
            continue
        seen.add(name)
        step = estimate(model, system, layout, batch, context, recipe, fitted)
        plans.append(TrainPlan(layout, recipe, step, batch // (int(layout.dp) * int(recipe.micro_batch))))
        if len(plans) == count:
            break
    return tuple(plans)


def rank_of(search: TrainSearch, seconds: float) -> float:
    """Share of the fitting layouts of a search that are faster than a step of `seconds` [1].

    Examples
    --------
    >>> rank_of(TrainSearch((), 4, 4, np.array([1.0, 2.0, 3.0, 4.0]), "", ()), 2.5)
    0.5
    """
    positive("seconds", seconds, "s")
    return float(np.searchsorted(search.step_seconds, seconds) / max(search.step_seconds.size, 1))


def slower_by(search: TrainSearch, seconds: float) -> float:
    """Time of a step over that of the fastest layout that fits, minus one [1].

    Examples
    --------
    >>> slower_by(TrainSearch((), 4, 4, np.array([2.0, 3.0]), "", ()), 2.5)
    0.25
    """
    positive("seconds", seconds, "s")
    return float(seconds / search.step_seconds[0] - 1.0) if search.step_seconds.size else 0.0
