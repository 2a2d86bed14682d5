"""What a chip generation achieves in training: four fitted constants each, five for all, and the error left over.

Written by ``python -m headway.evidence.calibrate_training`` from published measurements; a generation that was never
measured takes the median of those that were.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

from headway.facts.catalog import packaged
from headway.facts.check import not_negative, positive
from headway.facts.sources import Source


@dataclass(frozen=True, slots=True)
class SharedConstants:
    """Constants that every generation shares: what kernels and frameworks do, whatever the chip.

    Parameters
    ----------
    look_rate : float
        Rate of fused attention over that of a large product: exponentials between two products [1].
    narrow_experts : float
        Wider side of an expert's matrices at which grouped products run at half the rate of a large one [1].
    expert_crossings : float
        Crossings of the memory of an expert's input and output for sorting and combining, for each crossing
        of what is stored [1].
    product_depth : float
        Multiply-adds by which filling and draining a tile of a product costs every element of its output [1].
    hidden_cost : float
        What hidden communication still costs the products beside it, over its own exposed time [1].
    """

    look_rate: float
    narrow_experts: float
    expert_crossings: float
    product_depth: float
    hidden_cost: float

    def __post_init__(self) -> None:
        """Refuse constants that are not physical."""
        positive("look_rate", self.look_rate)
        for name in SHARED[1:]:
            not_negative(name, getattr(self, name))

    def values(self) -> tuple[float, ...]:
        """The numbers, in the order of :data:`SHARED`."""
        return tuple(getattr(self, name) for name in SHARED)


#: Names of the shared constants.
SHARED: Final = (
    "look_rate",
    "narrow_experts",
    "expert_crossings",
    "product_depth",
    "hidden_cost",
)


@dataclass(frozen=True, slots=True)
class TrainConstants:
    """Constants of one generation.

    Parameters
    ----------
    matrix : float
        Fraction of the peak rate of large matrix products [1].
    memory : float
        Fraction of the memory bandwidth of everything between products [1].
    exposed : float
        Time of communication that compute does not hide, over its time at full link rate [1].
    layer_wait : float
        Routing, sorting and waiting of one expert layer in a forward pass of a micro-batch [s].
    source : Source or None
        Which measurements.
    fitted : bool
        False for the median of other generations.
    shared : SharedConstants or None
        Those of the package's table where None.
    """

    matrix: float
    memory: float
    exposed: float
    layer_wait: float
    source: Source | None = None
    fitted: bool = True
    shared: SharedConstants | None = None

    def __post_init__(self) -> None:
        """Refuse constants that are not physical."""
        positive("matrix", self.matrix)
        positive("memory", self.memory)
        not_negative("exposed", self.exposed)
        not_negative("layer_wait", self.layer_wait, "s")

    def values(self) -> tuple[float, float, float, float]:
        """The four numbers."""
        return self.matrix, self.memory, self.exposed, self.layer_wait


def constants_of(
    values: Iterable[float],
    source: Source | None = None,
    *,
    fitted: bool = True,
    shared: SharedConstants | None = None,
) -> TrainConstants:
    """Constants from four numbers in the order of the table.

    >>> constants_of((0.7, 0.6, 0.5, 1e-4)).exposed
    0.5
    """
    matrix, memory, exposed, wait = (float(v) for v in values)
    return TrainConstants(matrix, memory, exposed, wait, source, fitted, shared)


@cache
def shared_constants() -> SharedConstants:
    """Constants that every generation shares, from the package's table.

    >>> 0.0 < shared_constants().look_rate <= 1.5
    True
    """
    raw = packaged("training_calibration.toml").tables["shared"]
    return SharedConstants(**{name: float(raw[name]) for name in SHARED})


@cache
def _table() -> Mapping[str, TrainConstants]:
    tables = packaged("training_calibration.toml").tables
    raw = tables["source"]
    source = Source(raw["source"], raw["retrieved"], raw["kind"])
    return MappingProxyType(
        {name: constants_of(row["constants"], source) for name, row in tables["generation"].items()}
    )


def fitted_generations() -> tuple[str, ...]:
    """Generations with constants of their own.

    >>> "hopper" in fitted_generations()
    True
    """
    return tuple(_table())


def constants_for(generation: str) -> TrainConstants:
    """Constants of a generation, or the median of all where it was never measured.

    >>> constants_for("hopper").fitted, constants_for("rubin").fitted
    (True, False)
    """
    table = _table()
    if generation in table:
        return table[generation]
    middle = [statistics.median(column) for column in zip(*(c.values() for c in table.values()), strict=True)]
    return constants_of(middle, next(iter(table.values())).source, fitted=False)


def training_interval() -> tuple[float, float]:
    """10% and 90% quantiles of ``log(measured / predicted)`` of step times on sources left out of the fit.

    >>> low, high = training_interval()
    >>> low < 0 < high
    True
    """
    low, high = packaged("training_calibration.toml").tables["errors"]["log_quantiles"]
    return float(low), float(high)


def training_left_out() -> tuple[float, float]:
    """Median and 90% quantile of the absolute error of step times on sources left out of the fit [1].

    >>> median, high = training_left_out()
    >>> 0 < median < high
    True
    """
    errors = packaged("training_calibration.toml").tables["errors"]
    return float(errors["left_out_median"]), float(errors["left_out_p90"])
