"""Numbers that the two talks put in, published figures to hold them against, and figures as printed.

The table is ``data/lecture.toml``. A row is read once, its unit decides its dimension, and its source goes
with it. Facts about chips, systems, models and prices have tables of their own; a value of theirs stands here
only where a claim was stated with it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from headway.facts.errors import InputError, UnitError, unknown
from headway.facts.sources import Source
from headway.facts.units import DIMENSIONS, format_quantity, parse

_TABLE = "data/lecture.toml"
_DIGITS = 6
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class StatedValue:
    """A number as somebody stated it.

    Parameters
    ----------
    name : str
        ``group.key`` in the table.
    value : float
        In the unit of its dimension.
    dimension : str
        Key of :data:`headway.facts.dimensions.DIMENSIONS`.
    text : str
        As people read it: a quantity as stored, a count with a fitting prefix.
    about : str
        What it is.
    source : Source
        Who says so, when it was read, of what kind it is.
    """

    name: str
    value: float
    dimension: str
    text: str
    about: str
    source: Source


@dataclass(frozen=True, slots=True)
class Printed:
    """A figure with the precision that its print implies.

    Parameters
    ----------
    value : float
        In the unit of its dimension.
    half_digit : float
        Half a unit of the last printed digit.
    """

    value: float
    half_digit: float

    @property
    def relative(self) -> float:
        """Half a digit over the value [1]; 0 for a value of 0."""
        return self.half_digit / abs(self.value) if self.value else 0.0


def printed(text: str, dimension: str = "count") -> Printed:
    """Read a figure and how precisely it was printed.

    Parameters
    ----------
    text : str
        A number with its unit, as :func:`headway.facts.units.parse` takes it.
    dimension : str
        Key of :data:`headway.facts.dimensions.DIMENSIONS`.

    Raises
    ------
    UnitError
        If the text is not a quantity of that dimension.

    Examples
    --------
    >>> printed("1.16 ms", "seconds")
    Printed(value=0.00116, half_digit=5e-06)
    >>> printed("5441").half_digit
    0.5
    """
    value = parse(text, dimension)
    number = _NUMBER.search(text)
    if number is None:
        raise UnitError("figure", text, "a printed number")
    exponent = Decimal(number[0]).as_tuple().exponent
    half = Decimal(5).scaleb(int(exponent) - 1)
    return Printed(value, parse(text.replace(number[0], f"{half:f}", 1), dimension))


def _quantity(name: str, value: object) -> tuple[float, str]:
    """Value and dimension of a stored quantity: a bare number is a count, else the unit decides."""
    if not isinstance(value, str):
        return parse(value, "count", name), "count"
    for dimension in DIMENSIONS:
        try:
            return parse(value, dimension, name), dimension
        except UnitError:
            continue
    raise InputError(name, value, "a number with a known unit")


def _rows(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, entry in table.items():
        if "value" in entry:
            yield prefix + key, entry
        else:
            yield from _rows(entry, f"{prefix}{key}.")


@cache
def lecture_sources() -> Mapping[str, Source]:
    """Sources of the table by their keys."""
    return MappingProxyType({key: Source(**entry) for key, entry in _document()["sources"].items()})


@cache
def stated_values() -> Mapping[str, StatedValue]:
    """Every row of the table by its name.

    >>> stated_values()["board.pass_time"].value
    0.02
    """
    sources = lecture_sources()
    found: dict[str, StatedValue] = {}
    for name, entry in _rows({k: v for k, v in _document().items() if k != "sources"}):
        source = sources[entry["source"]]
        if "kind" in entry:
            source = Source(source.text, source.retrieved, entry["kind"])
        stored = entry["value"]
        value, dimension = _quantity(name, stored)
        text = stored if isinstance(stored, str) else format_quantity(value, dimension, _DIGITS)
        found[name] = StatedValue(name, value, dimension, text, entry["about"], source)
    return MappingProxyType(found)


def stated_value(name: str) -> StatedValue:
    """Look a stated number up.

    Raises
    ------
    UnknownNameError
        If the table has no such row.

    Examples
    --------
    >>> stated_value("board.ratio").value
    300.0
    """
    rows = stated_values()
    if name not in rows:
        raise unknown("stated value", name, rows)
    return rows[name]


@cache
def _document() -> Mapping[str, Any]:
    text = resources.files("headway.facts").joinpath(_TABLE).read_text(encoding="utf-8")
    return MappingProxyType(tomllib.loads(text))
