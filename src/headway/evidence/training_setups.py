"""From a training row as its source spells it to a step that the training room can time, or a reason why not."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from headway.evidence.measurements import TrainingMeasurement
from headway.evidence.setups import Refusal, Shelf
from headway.facts.errors import InputError, UnknownNameError
from headway.facts.hardware import System
from headway.facts.layers import ExpertFFN
from headway.facts.model import Model
from headway.facts.precision import number_format
from headway.facts.training_models import stand_in, training_model
from headway.physics.layout import Layout, check_layout
from headway.training.recipe import Recipe
from headway.training.schedules import schedule_cost

_NONE: Final = ("", "n/a", "na", "-", "none stated", "not stated")
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
        system = place.system(_hardware(row.hardware))
        return _setup(row, model, system, assumed)
    except InputError as error:
        return Refusal(str(error))


def _hardware(text: str) -> str:
    return re.sub(r"[-\s]?[0-9]+\s?GB$", "", text.strip(), flags=re.IGNORECASE).replace(" ", "-")


def _model(row: TrainingMeasurement, place: Shelf) -> tuple[Model, tuple[str, ...]]:
    try:
        return place.model(row.model), ()
    except UnknownNameError as error:
        missing = error
    try:
        return training_model(row.model), ()
    except UnknownNameError:
        total, active = _number(row, "total_params_b"), _number(row, "active_params_b")
    if total is None:
        raise missing
    made = stand_in(row.model, total * 1e9, None if active is None else active * 1e9)
    return made, ("layers and widths follow from the parameters alone",)


def _number(row: TrainingMeasurement, column: str) -> float | None:
    text = row.cells.get(column, "").strip().lower()
    if text in _NONE:
        return None
    found = re.match(r"[0-9][0-9,]*\.?[0-9]*", text)
    return float(found[0].replace(",", "")) if found else None


def _whole(row: TrainingMeasurement, column: str) -> int | None:
    found = _number(row, column)
    return None if found is None else max(int(found), 1)


def _setup(row: TrainingMeasurement, model: Model, system: System, assumed: tuple[str, ...]) -> TrainingSetup:
    chips = row.n_gpus
    if chips is None:
        chips = 2048
        assumed += (f"{chips:,} chips, not stated",)
    context = _whole(row, "seq_len") or 4096
    if _whole(row, "seq_len") is None:
        assumed += ("sequences of 4,096 tokens, not stated",)
    precision = row.precision.strip().lower().split("-")[0]
    precision = dict(_FORMATS).get(precision, precision)
    number_format(precision)
    layout, zero, told = _layout(row, model, system, chips)
    micro = _whole(row, "micro_batch") or 1
    batch, said = _batch(row, layout, micro, context)
    recipe = Recipe(
        micro_batch=micro,
        recompute=_policy(row.cells.get("recompute", "")),
        zero=zero,
        precision=precision,
        fused_attention=_fused(row),
        sequence_parallel=_sequence_parallel(row),
    )
    chunks = _whole(row, "vp")
    if chunks is None and not row.cells.get("vp", "").strip() and layout.pp > 1:
        # A row that says "n/a" has none; one that says nothing may have any.
        chunks = max(min((model.n_layers + 2) // int(layout.pp), 8), 1)
        said += (f"{chunks} chunks a stage, not stated",)
    recipe = _scheduled(recipe, chunks or 1, layout, batch)
    return TrainingSetup(model, system, layout, recipe, batch, context, assumed + told + said)


def _fused(row: TrainingMeasurement) -> bool:
    years = [int(y) for y in _YEAR.findall(row.cells.get("measured_date", "") + " " + row.source_id)]
    return not years or min(years) >= _FUSED_SINCE


def _sequence_parallel(row: TrainingMeasurement) -> bool:
    # Papers before sequence parallelism name it where they use it.
    return _fused(row) or "sequence" in row.cells.get("recompute", "").lower()


def _policy(text: str) -> str:
    plain = text.strip().lower()
    if plain.startswith("full"):
        return "full"
    return "selective" if "selective" in plain or "sel" in plain.split() else "store"


def _layout(row: TrainingMeasurement, model: Model, system: System, chips: int) -> tuple[Layout, int, tuple[str, ...]]:
    spread = row.cells.get("dp_or_fsdp", "").lower()
    tp, pp, cp, ep = (_whole(row, k) for k in ("tp", "pp", "cp", "ep"))
    told: tuple[str, ...] = ()
    zero = 3 if "fsdp" in spread or "zero-3" in spread or "zero3" in spread else 1
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
    if experts > 1 and ep is None:
        ep = math.gcd(math.gcd(experts, chips // pp), max(system.domain_size, 1))
        told += (f"experts over {ep} chips, not stated",)
    layout = Layout(tp=tp, pp=pp, cp=cp, ep=ep if experts > 1 and ep else 1, dp=chips // wide)
    return check_layout(model, layout), zero, told


def _batch(row: TrainingMeasurement, layout: Layout, micro: int, context: int) -> tuple[int, tuple[str, ...]]:
    text = row.cells.get("global_batch", "").strip().lower()
    each, told = int(layout.dp) * micro, ()
    stated = _number(row, "global_batch")
    if stated is not None and "tok" in text:
        scale = 2**20 if "m" in text.split("tok")[0] else 2**10 if "k" in text.split("tok")[0] else 1
        stated = stated * scale / context
    if stated is None:
        return max(round(_USUAL_STEP_TOKENS / context / each), 4 * int(layout.pp)) * each, ("batch not stated",)
    return max(round(stated / each), 1) * each, told


def _scheduled(recipe: Recipe, chunks: int, layout: Layout, batch: int) -> Recipe:
    count = batch // (int(layout.dp) * int(np.max(recipe.micro_batch)))
    wanted = replace(recipe, schedule="interleaved", chunks=chunks) if chunks > 1 and layout.pp > 1 else recipe
    try:
        schedule_cost(wanted.schedule, layout.pp, count, chunks=wanted.chunks)
    except InputError:
        return recipe
    return wanted
