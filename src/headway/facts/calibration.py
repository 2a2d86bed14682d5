"""The one table of fitted constants: chip generations, engines, what all share, and the errors left over.

Written by ``python -m headway.evidence.calibrate`` from public measurements. A constant has a unit, a meaning, a
fitted value, an 80% interval and a date; a generation or engine that was never measured takes the median of those
that were, and the prediction says so in its grade.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, get_args

from headway.facts.catalog import packaged
from headway.facts.efficiency import Efficiency
from headway.facts.hardware import Chip, System
from headway.facts.sources import Source

Grade = Literal["calibrated chip and engine", "calibrated chip", "datasheet only"]
GRADES: tuple[str, ...] = get_args(Grade)

#: Unit and meaning of every constant, by name.
MEANINGS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "compute": ("1", "fraction of the 16-bit peak of a large matrix product"),
        "narrow": ("1", "factor on that fraction for every halving of the operands' width"),
        "memory": ("1", "fraction of the memory bandwidth of long streams"),
        "operator_latency": ("s", "floor of one operator inside a graph"),
        "latency_factor": ("1", "collective latency over that of Hopper"),
        "overlap": ("1", "share of an engine's launch floors left where a kernel starts under the one before it"),
        "softmax_flops": ("FLOP", "16-bit FLOP in the time of one exponential that products do not hide"),
        "widening": ("FLOP", "16-bit FLOP in the time of widening one 8-bit element of a cache"),
        "attention": ("1", "fraction of the 16-bit peak of attention proper"),
        "weight_only": ("1", "share of rate and bandwidth kept where narrow weights are widened first"),
        "serial": ("s", "seconds per element of the reduction that one block walks alone"),
        "half_length": ("token", "prompt length at which prefill attention reaches half its rate"),
        "scan": ("s", "seconds per prompt token that the scan of a linear layer walks, chunk after chunk"),
        "tile": ("1", "rows that a product works on at a time, and is filled up to"),
        "softness": ("1", "power of the norm that joins compute and memory time"),
        "link": ("1", "fraction of the one-way link rate in reductions"),
        "exchange": ("1", "fraction of the one-way link rate in all-to-alls"),
        "network": ("1", "fraction of the one-way network rate"),
        "experts": ("1", "rate of grouped expert products over that of a dense one"),
        "quantise_latency": ("s", "added floor of a product whose operands are narrowed on the way in"),
        "attention_latency": ("s", "added floor of attention: rotation, cache write, split reduction"),
        "experts_latency": ("s", "added floor of the experts: routing, sorting, combining"),
        "collective_latency": ("s", "floor of a reduction on Hopper"),
        "exchange_latency": ("s", "floor of an all-to-all on Hopper"),
        "relay_latency": ("s", "added floor of an all-to-all that sends one copy to each domain and spreads it there"),
        "layer_overhead": ("s", "time per layer that no operator accounts for"),
        "step_overhead": ("s", "host, scheduling and sampling per step"),
        "sequence_overhead": ("s", "host time per step for each sequence that a data rank decodes"),
        "request_overhead": ("s", "time from request to the first pass that no queue accounts for"),
        "token_overhead": ("s", "host time per prompt token: tokenising, block tables, copies"),
        "queueing": ("1", "weight of the prompts found ahead on arrival"),
    }
)
#: Chip on which a generation's fractions of peak were measured, where siblings have other cores.
FITTED_ON: Mapping[str, str] = MappingProxyType({"ampere": "a100-sxm", "hopper": "h100-sxm"})
#: Generations whose attention widens an 8-bit cache before it multiplies.
WIDENING: tuple[str, ...] = ("hopper",)
#: Floors of kernels, which shrink where launches overlap; those of the host and of collectives do not.
LAUNCH_FLOORS: tuple[str, ...] = ("quantise_latency", "attention_latency", "experts_latency", "layer_overhead")
_EFFICIENCY = frozenset(f.name for f in fields(Efficiency))


@dataclass(frozen=True, slots=True)
class Constant:
    """A fitted constant.

    Parameters
    ----------
    name : str
        Key of :data:`MEANINGS`.
    value, low, high : float
        Fitted value and its 80% interval, in the constant's unit.
    """

    name: str
    value: float
    low: float
    high: float

    @property
    def unit(self) -> str:
        """Unit of the value."""
        return MEANINGS[self.name][0]


@dataclass(frozen=True, slots=True)
class Book:
    """The table: constants by scope (``"generation.hopper"``, ``"engine.vllm"``, ``"shared"``), and errors left over.

    Parameters
    ----------
    date : str
        Day of the fit, ISO 8601.
    constants : mapping of str to mapping of str to Constant
    errors : mapping of str to mapping of str to (float, float)
        By metric and grade: 10% and 90% quantiles of ``log(measured / predicted)`` on rows left out of the fit.
    source : Source
    """

    date: str
    constants: Mapping[str, Mapping[str, Constant]]
    errors: Mapping[str, Mapping[str, tuple[float, float]]]
    source: Source

    def names(self, kind: str) -> tuple[str, ...]:
        """Names of the calibrated generations or engines.

        >>> "hopper" in book().names("generation")
        True
        """
        return tuple(scope.partition(".")[2] for scope in self.constants if scope.startswith(f"{kind}."))

    def values(self, kind: str, name: str | None) -> dict[str, float]:
        """Constants of a generation or engine; the medians of all where it was never measured.

        >>> book().values("generation", "unseen")["compute"] <= 1
        True
        """
        scope = f"{kind}.{name}"
        if scope in self.constants:
            return {c.name: c.value for c in self.constants[scope].values()}
        every = [self.constants[f"{kind}.{n}"] for n in self.names(kind)]
        names = dict.fromkeys(n for one in every for n in one)
        return {n: statistics.median(one[n].value for one in every if n in one) for n in names}


@cache
def book() -> Book:
    """The packaged table, read on first use.

    >>> book().source.kind
    'measured'
    """
    return read_book(packaged("calibration.toml").tables)


def read_book(tables: Mapping[str, Any], errors: Mapping[str, Any] | None = None) -> Book:
    """Make a book of parsed tables; `errors` stands in for tables that have none yet.

    >>> read_book(packaged("calibration.toml").tables) == book()
    True
    """
    scopes: dict[str, Mapping[str, Constant]] = {"shared": _constants(tables["shared"])}
    for kind in ("generation", "engine"):
        for name, raw in tables[kind].items():
            scopes[f"{kind}.{name}"] = _constants(raw)
    left = {
        metric: MappingProxyType({grade: (float(q[0]), float(q[1])) for grade, q in grades.items()})
        for metric, grades in (tables["errors"] if errors is None else errors).items()
    }
    origin = tables["source"]
    return Book(
        origin["retrieved"],
        MappingProxyType(scopes),
        MappingProxyType(left),
        Source(origin["source"], origin["retrieved"], origin["kind"]),
    )


def _constants(raw: Mapping[str, Any]) -> Mapping[str, Constant]:
    return MappingProxyType({name: Constant(name, *(float(v) for v in triple)) for name, triple in raw.items()})


def engine_name(engine: str | None) -> str | None:
    """The calibrated engine of a spelling (``"TensorRT-LLM"``), or None.

    >>> engine_name("TensorRT-LLM"), engine_name("an engine of my own")
    ('trtllm', None)
    """
    if engine is None:
        return None
    plain = "".join(c for c in engine.lower() if c.isalnum())
    found = {"tensorrtllm": "trtllm", "trtllm": "trtllm", "trt": "trtllm", "vllm": "vllm", "sglang": "sglang"}
    for spelling, name in found.items():
        if plain.startswith(spelling):
            return name
    return None


def grade_of(system: System, engine: str | None) -> Grade:
    """How much of a prediction stands on measurements of this chip and engine.

    >>> from headway.facts.systems import system
    >>> grade_of(system("hgx-h100"), "vLLM"), grade_of(system("mi300x-8"), "vLLM")
    ('calibrated chip and engine', 'datasheet only')
    """
    if system.chip.generation not in book().names("generation"):
        return "datasheet only"
    known = engine_name(engine) in book().names("engine")
    return "calibrated chip and engine" if known else "calibrated chip"


def core_peak(chip: Chip) -> float:
    """16-bit peak of one core over that of the chip its generation was fitted on; 1 where cores are not known [1].

    >>> from headway.facts.systems import chip
    >>> round(core_peak(chip("h20")), 3), core_peak(chip("h200-sxm"))
    (0.253, 1.0)
    """
    from headway.facts.systems import chip as catalog_chip

    name = FITTED_ON.get(chip.generation)
    if chip.cores is None or name is None:
        return 1.0
    fitted = catalog_chip(name)
    if fitted.cores is None:
        return 1.0
    return (chip.flops["bf16"] / chip.cores) / (fitted.flops["bf16"] / fitted.cores)


def efficiency_for(system: System, engine: str | None = None, table: Book | None = None) -> Efficiency:
    """What a system achieves under an engine.

    A chip that was never calibrated takes the median generation, but no more of its peak than the best matrix
    product that was measured on it; and no chip reads faster than the best stream that was measured on it.

    >>> from headway.facts.systems import system
    >>> efficiency_for(system("hgx-h100"), "vllm").softness
    3.0
    """
    using = table or book()
    chip = using.values("generation", system.chip.generation)
    values = {c.name: c.value for c in using.constants["shared"].values()}
    values |= using.values("engine", engine_name(engine)) | chip
    measured = system.chip.measured_flops.get("bf16")
    if system.chip.generation not in using.names("generation") and measured and "bf16" in system.chip.flops:
        values["compute"] = min(values["compute"], measured / system.chip.flops["bf16"])
    stream = system.chip.measured_bandwidth
    if stream is not None:
        values["memory"] = min(values["memory"], stream / system.chip.hbm_bandwidth)
    if system.chip.generation not in using.names("generation"):
        # The tile is that of a tensor core; nothing is known of a processor that was never measured.
        values["tile"] = 1.0
    values["core_peak"] = core_peak(system.chip)
    # An exponential takes a core as long whatever its peak.
    values["softmax_flops"] = values["softmax_flops"] * values["core_peak"]
    widens = system.chip.generation in WIDENING
    values["widening"] = values.get("widening", 0.0) * values["core_peak"] * values["attention"] * widens
    factor = values.get("latency_factor", 1.0)
    for name in ("collective_latency", "exchange_latency"):
        values[name] = values[name] * factor
    for name in LAUNCH_FLOORS:
        if name in values:
            values[name] = values[name] * chip.get("overlap", 1.0)
    known = {name: value for name, value in values.items() if name in _EFFICIENCY and math.isfinite(value)}
    return Efficiency(**known, sources=(using.source,))


def log_interval(metric: str, grade: Grade, table: Book | None = None) -> tuple[float, float]:
    """10% and 90% quantiles of ``log(measured / predicted)`` on rows left out of the fit.

    >>> low, high = log_interval("tpot", "datasheet only")
    >>> low < 0 < high
    True
    """
    errors = (table or book()).errors
    return errors.get(metric, errors["tpot"])[grade]
