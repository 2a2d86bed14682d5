"""From a training row as its source spells it to a step that the training room can time, or a reason why not."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from headway.evidence.measurements import TrainingMeasurement
from headway.evidence.setups import Refusal, Shelf
from headway.evidence.training_cells import batch_in, number_in, recompute_in, spread_in, whole_in
from headway.facts.errors import InputError, UnknownNameError
from headway.facts.hardware import System
from headway.facts.layers import ExpertFFN
from headway.facts.model import Model
from headway.facts.precision import number_format
from headway.facts.training_models import stand_in, training_model
from headway.physics.layout import Layout, check_layout
from headway.training.recipe import Recipe
from headway.training.schedules import schedule_cost

_FORMATS: Final = {
    "fp16": "bf16",
    "bf16/fp16": "bf16",
    "fp4": "nvfp4",
    "": "bf16",
    "fp8-cs": "fp8",
    "fp8-sc": "fp8",
}.items()
_YEAR: Final = re.compile(r"20[0-9]{2}")
#: Tokens of a step where the source does not say, within the range of large published runs [token].
_USUAL_STEP_TOKENS: Final = 4_194_304
#: Fused attention was published in May 2022 and in use a year later.
_FUSED_SINCE: Final = 2023


@dataclass(frozen=True, slots=True)
class TrainingSetup:
    """One training step as measured.

    Parameters
    ----------
    model, system : Model, System
    layout : Layout
    recipe : Recipe
    batch, context : int
        Sequences of a step and tokens of each [1], [token].
    assumed : tuple of str
        What the source does not say.
    """

    model: Model
    system: System
    layout: Layout
    recipe: Recipe
    batch: int
    context: int
    assumed: tuple[str, ...] = ()


def training_setup(row: TrainingMeasurement, shelf: Shelf | None = None) -> TrainingSetup | Refusal:
    """What was run, or why it cannot be told.

    Examples
    --------
    >>> from headway.evidence.measurements import open_training
    >>> found = training_setup(open_training()[0])
    >>> found.model.name, found.layout.label(), found.recipe.chunks, found.batch
    ('llama-3.1-405b', 'TP4 DP8 PP8', 4, 1536)
    """
    place = shelf or Shelf()
    try:
        model, assumed = _model(row, place)
        system = _system(row, place)
        return _setup(row, model, system, assumed)
    except InputError as error:
        return Refusal(str(error))


def _hardware(text: str) -> str:
    return re.sub(r"[-\s]?[0-9]+\s?GB$", "", text.strip(), flags=re.IGNORECASE).replace(" ", "-")


def _system(row: TrainingMeasurement, place: Shelf) -> System:
    try:
        return place.system(_hardware(row.hardware))
    except UnknownNameError as error:
        raise UnknownNameError("hardware", row.hardware, error.expected, error.nearest) from None


def _model(row: TrainingMeasurement, place: Shelf) -> tuple[Model, tuple[str, ...]]:
    try:
        return place.model(row.model), ()
    except UnknownNameError as error:
        missing = error
    total, active = number_in(row, "total_params_b"), number_in(row, "active_params_b")
    try:
        return training_model(row.model, None if total is None else total * 1e9), ()
    except UnknownNameError:
        if total is None:
            raise missing from None
    ways = whole_in(row, "tp") or 1
    made = stand_in(row.model, total * 1e9, None if active is None else active * 1e9, ways)
    return made, ("layers and widths follow from the parameters alone",)


def _setup(row: TrainingMeasurement, model: Model, system: System, assumed: tuple[str, ...]) -> TrainingSetup:
    chips = row.n_gpus
    if chips is None:
        chips = 2048
        assumed += (f"{chips:,} chips, not stated",)
    context = whole_in(row, "seq_len") or 4096
    if whole_in(row, "seq_len") is None:
        assumed += ("sequences of 4,096 tokens, not stated",)
    precision = row.precision.strip().lower().split("-")[0]
    precision = dict(_FORMATS).get(precision, precision)
    number_format(precision)
    layout, zero, told = _layout(row, model, system, chips)
    micro = whole_in(row, "micro_batch") or 1
    batch, said = _batch(row, layout, micro, context)
    policy, again = recompute_in(row)
    recipe = Recipe(
        micro_batch=micro,
        recompute=policy,
        zero=zero,
        precision=precision,
        fused_attention=_fused(row),
        sequence_parallel=_sequence_parallel(row),
    )
    chunks = whole_in(row, "vp")
    if chunks is None and not row.cells.get("vp", "").strip() and layout.pp > 1:
        # A row that says "n/a" has none; one that says nothing may have any.
        chunks = max(min((model.n_layers + 2) // int(layout.pp), 8), 1)
        said += (f"{chunks} chunks a stage, not stated",)
    if (chunks or 1) > 1 and (chunks or 1) * int(layout.pp) > model.n_layers + 2:
        raise InputError("vp", chunks or 1, f"at most the layers over the stages, {model.n_layers // int(layout.pp)}")
    recipe, timed_as = _scheduled(recipe, chunks or 1, layout, batch)
    return TrainingSetup(model, system, layout, recipe, batch, context, assumed + told + said + again + timed_as)


def _fused(row: TrainingMeasurement) -> bool:
    years = [int(y) for y in _YEAR.findall(row.cells.get("measured_date", "") + " " + row.source_id)]
    return not years or min(years) >= _FUSED_SINCE


def _sequence_parallel(row: TrainingMeasurement) -> bool:
    # Papers before sequence parallelism name it where they use it.
    return _fused(row) or "sequence" in row.cells.get("recompute", "").lower()


def _layout(row: TrainingMeasurement, model: Model, system: System, chips: int) -> tuple[Layout, int, tuple[str, ...]]:
    spread = spread_in(row)
    tp, pp, cp, ep = (whole_in(row, k) for k in ("tp", "pp", "cp", "ep"))
    told: tuple[str, ...] = ()
    zero = spread.zero
    if tp is None and pp is None:
        told = ("layout not stated: weights sharded over all chips",)
        zero = 3
    elif pp is None:
        told = ("stages not stated",)
        pp = 16 if model.total_params > 4e11 and chips % 16 == 0 else 1
    cp = cp or 1
    tp, pp = tp or 1, pp or 1
    experts = max((g.ffn.experts for g in model.layers if isinstance(g.ffn, ExpertFFN)), default=1)
    wide = tp * pp * cp
    if chips % wide:
        raise InputError("n_gpus", chips, f"a multiple of tp x pp x cp = {wide}")
    if spread.ranks not in (None, chips // wide, chips // wide * cp):
        raise InputError("dp_or_fsdp", row.cells["dp_or_fsdp"], f"DP{chips // wide}: {chips} chips over {wide}")
    if experts > 1 and ep is None:
        ep = math.gcd(math.gcd(experts, chips // pp), max(system.domain_size, 1))
        told += (f"experts over {ep} chips, not stated",)
    layout = Layout(tp=tp, pp=pp, cp=cp, ep=ep if experts > 1 and ep else 1, dp=chips // wide)
    return check_layout(model, layout), zero, told


def _batch(row: TrainingMeasurement, layout: Layout, micro: int, context: int) -> tuple[int, tuple[str, ...]]:
    each = int(layout.dp) * micro
    stated = batch_in(row, context)
    if stated is None:
        return max(round(_USUAL_STEP_TOKENS / context / each), 4 * int(layout.pp)) * each, ("batch not stated",)
    batch = max(round(stated / each), 1) * each
    # Tokens of a step are told in round figures, sequences are not.
    return batch, () if abs(batch - stated) < 0.02 * stated else (f"{batch} sequences a step, not {stated:g}",)


def _scheduled(recipe: Recipe, chunks: int, layout: Layout, batch: int) -> tuple[Recipe, tuple[str, ...]]:
    count = batch // (int(layout.dp) * int(np.max(recipe.micro_batch)))
    wanted = replace(recipe, schedule="interleaved", chunks=chunks) if chunks > 1 and layout.pp > 1 else recipe
    try:
        schedule_cost(wanted.schedule, layout.pp, count, chunks=wanted.chunks)
    except InputError:
        return recipe, (f"{count} micro-batches are no multiple of {layout.pp} stages: timed with one chunk a stage",)
    return wanted, ()
