"""What a chip generation achieves in training: four fitted constants each, and the error left over.

Written by ``python -m headway.evidence.calibrate_training`` from published measurements; a generation that was never
measured takes the median of those that were.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from headway.facts.catalog import packaged
from headway.facts.check import not_negative, positive
from headway.facts.sources import Source


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
    """

    matrix: float
    memory: float
    exposed: float
    layer_wait: float
    source: Source | None = None
    fitted: bool = True

    def __post_init__(self) -> None:
        """Refuse constants that are not physical."""
        positive("matrix", self.matrix)
        positive("memory", self.memory)
        not_negative("exposed", self.exposed)
        not_negative("layer_wait", self.layer_wait, "s")

    def values(self) -> tuple[float, float, float, float]:
        """The four numbers."""
        found: tuple[Any, ...] = astuple(self)
        return found[0], found[1], found[2], found[3]


def constants_of(values: Iterable[float], source: Source | None = None, *, fitted: bool = True) -> TrainConstants:
    """Constants from four numbers in the order of the table.

    >>> constants_of((0.7, 0.6, 0.5, 1e-4)).exposed
    0.5
    """
    matrix, memory, exposed, wait = (float(v) for v in values)
    return TrainConstants(matrix, memory, exposed, wait, source, fitted)


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
