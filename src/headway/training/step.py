"""Time of one training step, by part, over arrays of layouts.

``t = M (t_products + t_attention + t_memory + t_wait + t_wires) + t_bubble + t_data + t_optimiser`` with ``M``
micro-batches through the slowest of ``P`` stages. Every part is a closed form of the layout, so that a search over
layouts is one call.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.errors import LayoutError
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.sources import Source
from headway.facts.training_constants import TrainConstants, constants_for, shared_constants
from headway.physics.arrays import positive
from headway.physics.layout import Layout, check_layout
from headway.training.memory import TrainMemory, memory_of
from headway.training.recipe import Recipe
from headway.training.shape import model_flops, shape_of
from headway.training.work import recomputed, step_parts, step_work, waves

__all__ = ["TrainStep", "estimate", "recomputed", "train_estimate", "waves", "with_policy"]


@dataclass(frozen=True, slots=True)
class TrainStep:
    """One optimiser step. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    seconds : float or ndarray
        Time of the step [s].
    parts : tuple of (str, float or ndarray)
        What it is made of; they sum to `seconds` [s].
    tokens : float or ndarray
        Trained tokens [token].
    chips : int or ndarray
        [1].
    model_flops : float or ndarray
        FLOP of the step as reports count them, without recomputation [FLOP].
    peak : float
        Peak rate of one chip in the format of the products [FLOP/s].
    bubble : float or ndarray
        Share of the pipeline's time that a stage idles [1].
    memory : TrainMemory
    binding : str or ndarray of str
        Largest part.
    assumptions : tuple of str
    sources : tuple of Source
    """

    seconds: Any
    parts: tuple[tuple[str, Any], ...]
    tokens: Any
    chips: Any
    model_flops: Any
    peak: float
    bubble: Any
    memory: TrainMemory
    binding: Any
    assumptions: tuple[str, ...]
    sources: tuple[Source, ...]

    @property
    def tokens_per_second_per_chip(self) -> Any:
        """[token/s]."""
        return self.tokens / self.seconds / self.chips

    @property
    def flops_per_chip(self) -> Any:
        """Model FLOP/s of one chip [FLOP/s]."""
        return self.model_flops / self.seconds / self.chips

    @property
    def mfu(self) -> Any:
        """Model FLOP utilisation [1]."""
        return self.flops_per_chip / self.peak

    @property
    def fits(self) -> Any:
        """Whether the memory of a chip holds it."""
        return self.memory.fits


def train_estimate(
    model: Model,
    system: System,
    layout: Layout,
    batch: ArrayLike,
    context: ArrayLike,
    recipe: Recipe | None = None,
    constants: TrainConstants | None = None,
) -> TrainStep:
    """Time and memory of one step of `batch` sequences of `context` tokens.

    Parameters
    ----------
    layout : Layout
        ``dp`` counts data ranks, ``ep`` spreads experts over tensor, context and data ranks.
    batch : float or array
        Sequences in the step, all ranks together [1].
    context : float or array
        Tokens of a sequence [token].
    recipe : Recipe, optional
        Schedule, micro-batch, recomputation, sharding, formats.
    constants : TrainConstants, optional
        Those of the chip's generation where not given.

    Returns
    -------
    TrainStep

    Raises
    ------
    LayoutError, RangeError, UnknownNameError
        If a degree does not divide, a size is absurd or a name unknown.

    References
    ----------
    Narayanan et al., arXiv 2104.04473; Korthikanti et al., arXiv 2205.05198; Rajbhandari et al., arXiv 1910.02054.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> place, recipe = Layout(tp=8, pp=16, dp=64), Recipe(schedule="interleaved", chunks=8)
    >>> step = train_estimate(model("llama-3.1-405b"), system("hgx-h100"), place, 2048, 8192, recipe)
    >>> bool(0.3 < step.mfu < 0.5), round(float(step.bubble), 3)
    (True, 0.055)
    """
    using = recipe or Recipe()
    check_layout(model, layout)
    many = system.network_bandwidth is None and np.any(np.asarray(layout.chips) > system.domain_size)
    if many:
        most = system.domain_size
        raise LayoutError("gpus", int(np.max(layout.chips)), f"at most {most}: {system.name} has no network", str(most))
    return estimate(model, system, layout, batch, context, using, constants or constants_for(system.chip.generation))


def estimate(
    model: Model, system: System, layout: Layout, batch: Any, context: Any, recipe: Recipe, fitted: TrainConstants
) -> TrainStep:
    """The same without the checks of the layout, for searches that have made them; see :func:`train_estimate`.

    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> many, llama = Layout(tp=np.array([2, 4])), model("llama-3.1-8b")
    >>> estimate(llama, system("hgx-h100"), many, 8, 4096, Recipe(), constants_for("hopper")).seconds.shape
    (2,)
    """
    s = np.asarray(positive("context", context, "token"))
    work = step_work(model, system, layout, batch, s, recipe)
    parts = step_parts(work, fitted.values(), (fitted.shared or shared_constants()).values())
    seconds = sum(parts.values(), start=np.zeros(()))
    tokens = np.asarray(batch, dtype=float) * s
    stacked = np.stack(np.broadcast_arrays(*parts.values()))
    memory = memory_of(shape_of(model), system.chip.hbm_bytes, layout, recipe, s, work.microbatches)
    return TrainStep(
        seconds,
        tuple(parts.items()),
        tokens,
        layout.chips,
        model_flops(model, s) * tokens,
        system.chip.peak(recipe.precision),
        work.idle / (work.microbatches + work.idle),
        memory,
        np.asarray(list(parts))[np.argmax(stacked, axis=0)],
        _assumptions(recipe, fitted),
        model.sources + ((fitted.source,) if fitted.source else ()),
    )


def _assumptions(recipe: Recipe, fitted: TrainConstants) -> tuple[str, ...]:
    return (
        f"schedule: {recipe.schedule}; activations: {recipe.recompute}; sharding stage {np.max(recipe.zero)}",
        "forward, backward to inputs and to weights take a third each; experts are balanced",
        *(() if fitted.fitted else ("constants: the median of other generations, none fitted for this one",)),
    )


def with_policy(recipe: Recipe, policy: str) -> Recipe:
    """The recipe under another policy for activations.

    >>> with_policy(Recipe(), "full").recompute
    'full'
    """
    return replace(recipe, recompute=policy)
