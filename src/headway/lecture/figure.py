"""Computed values of a claim, how they are shown, and how they are held against the acceptance table."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from headway.facts.errors import InputError
from headway.facts.lecture_inputs import printed
from headway.facts.units import dimension, format_quantity, parse

Profile = Literal["stated", "datasheet"]
Value = float | bool | str

# Tolerances as the acceptance table names them, relative; ROUNDED asks for the digits as printed there.
EXACT = 1e-9
PERCENT = 0.01
ROUNDED = None

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_THOUSAND, _MILLION = 1e3, 1e6
# From four digits on these read better without a prefix.
_SHORT = 3
_PLAIN = MappingProxyType({"bytes": "B", "tokens": "tok", "tokens_per_second": "tok/s", "seconds": "s"})


@dataclass(frozen=True, slots=True)
class Check:
    """A computed value held against the acceptance table.

    Parameters
    ----------
    name : str
        What was computed.
    value : float, bool or str
        As computed, in `unit`.
    unit : str
        Unit of the value; empty for words and truth values.
    expected : float, bool, str or None
        What the table has; None where it has only bounds.
    tolerance : float or None
        Relative; 0 for words and truth values, None where there are only bounds.
    low, high : float or None
        Bounds that follow, or that the table gives.
    ok : bool
        Whether the value is within them.
    """

    name: str
    value: Value
    unit: str
    expected: Value | None
    tolerance: float | None
    low: float | None
    high: float | None
    ok: bool


@dataclass(frozen=True, slots=True)
class Figure:
    """One computed value of a claim, and the check on it where there is one.

    Parameters
    ----------
    name : str
        What it is, short enough for a table.
    value : float, bool or str
        In the unit of its dimension.
    dimension : str
        Key of :data:`headway.facts.dimensions.DIMENSIONS`; ``"times"`` is a count shown as a multiple, and words
        and truth values have none.
    profile : {"stated", "datasheet"}
        Whether it was computed with the stated inputs or with sourced facts of the catalogs.
    check : Check or None
        Comparison with the acceptance table.
    shown : bool
        Whether it belongs on the claim's own line; all are in the explanation.
    digits : int
        Significant digits to show: at least three, and as many as the acceptance table prints.
    """

    name: str
    value: Value
    dimension: str
    profile: Profile
    check: Check | None = None
    shown: bool = True
    digits: int = _SHORT

    @property
    def unit(self) -> str:
        """Unit of the value; empty for words and truth values."""
        return "" if isinstance(self.value, (bool, str)) else _unit(self.dimension)

    @property
    def value_text(self) -> str:
        """The value with its unit."""
        return show(self.value, self.dimension, self.digits)

    @property
    def text(self) -> str:
        """The value with its name, for a line of text."""
        return f"{self.name}: {self.value_text}"


def show(value: Value, dimension_name: str, digits: int = 3) -> str:
    """Write a value of a claim: words, truth values, multiples, counts with separators, quantities.

    >>> show(True, ""), show(2.372, "times"), show(12685.7, "count", 5), show(1.164e-3, "seconds")
    ('yes', '2.37x', '12,686', '1.16 ms')
    >>> show(1666.7, "bytes", 4), show(1666.7, "bytes")
    ('1,667 B', '1.67 kB')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if dimension_name == "times":
        return f"{show(value, 'count', digits)}x"
    if math.isinf(value):
        return "none"
    if _THOUSAND <= abs(value) < _MILLION:
        if dimension_name == "count":
            return f"{value:,.0f}"
        if digits > _SHORT and dimension_name in _PLAIN:
            return f"{value:,.0f} {_PLAIN[dimension_name]}"
    return format_quantity(value, dimension_name, digits)


def _unit(dimension_name: str) -> str:
    if dimension_name == "times":
        return "1"
    return dimension(dimension_name).unit


def _bounds(expected: str | float, tolerance: float | None, name: str) -> tuple[float, float, float]:
    """Expected value, its relative tolerance, and the absolute one that a printed figure has."""
    name = "count" if name == "times" else name
    if tolerance is None:
        figure = printed(str(expected), name)
        return figure.value, figure.relative, figure.half_digit
    return parse(expected, name) if isinstance(expected, str) else float(expected), tolerance, 0.0


def _check(
    name: str, value: Value, dimension_name: str, expected: Any, tolerance: float | None, between: Any
) -> Check | None:
    unit = "" if isinstance(value, (bool, str)) else _unit(dimension_name)
    if between is not None:
        low, high = between
        return Check(name, value, unit, None, None, low, high, low <= float(value) <= high)
    if expected is None:
        return None
    if isinstance(value, (bool, str)):
        return Check(name, value, unit, expected, 0.0, None, None, value == expected)
    if math.isinf(value):
        return Check(name, value, unit, float(expected), 0.0, None, None, value == float(expected))
    target, relative, absolute = _bounds(expected, tolerance, dimension_name)
    limit = 0.0 if absolute else relative
    return Check(
        name, value, unit, target, relative, None, None, math.isclose(value, target, rel_tol=limit, abs_tol=absolute)
    )


def _digits(expected: Any) -> int:
    number = _NUMBER.search(expected) if isinstance(expected, str) else None
    return max(_SHORT, len(number[0].replace(".", "").lstrip("0"))) if number else _SHORT


def told(value: float | None) -> float:
    """A figure that a room may lack, where this claim needs it.

    >>> told(2.0)
    2.0

    Raises
    ------
    InputError
        If the room says nothing.
    """
    if value is None:
        raise InputError("figure", "nothing", "a sheet that has what the claim reads")
    return value


def say(
    name: str,
    value: Any,
    dimension_name: str = "count",
    expected: Any = None,
    tolerance: float | None = ROUNDED,
    *,
    between: tuple[float, float] | None = None,
    shown: bool = True,
    digits: int | None = None,
) -> Figure:
    """Make a figure from the stated inputs.

    Parameters
    ----------
    name, value, dimension_name
        As in :class:`Figure`.
    expected : float, str or bool, optional
        Value of the acceptance table: a number, or a text with its unit (``"1.16 ms"``).
    tolerance : float, optional
        Relative; by default the value has to round to what `expected` prints.
    between : tuple of float, optional
        Bounds in the unit of the dimension, instead of `expected`.
    shown
        As in :class:`Figure`.
    digits : int, optional
        Significant digits to show; by default as many as `expected` prints, and at least three.
    """
    plain: Value = value if isinstance(value, (bool, str)) else float(value)
    check = _check(name, plain, dimension_name, expected, tolerance, between)
    return Figure(name, plain, dimension_name, "stated", check, shown, digits or _digits(expected))


def real(
    name: str,
    value: Any,
    dimension_name: str = "count",
    expected: Any = None,
    tolerance: float | None = ROUNDED,
    *,
    between: tuple[float, float] | None = None,
    shown: bool = True,
    digits: int | None = None,
) -> Figure:
    """Make a figure from sourced facts; parameters as in :func:`say`."""
    made = say(name, value, dimension_name, expected, tolerance, between=between, shown=shown, digits=digits)
    return dataclasses.replace(made, profile="datasheet")
