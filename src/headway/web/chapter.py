"""What a chapter of the board is: controls, and a function from their values to an answer that is data.

A chapter either gives its answer as :class:`Measure` values (terms that the page evaluates by itself while a live
control moves), or as points and numbers that Python computed. Both kinds may be mixed in one answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from headway.facts.errors import InputError, RangeError, unknown
from headway.facts.units import dimension, format_quantity, parse
from headway.physics.terms import Terms

Values: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Control:
    """One thing that a person can set.

    Parameters
    ----------
    name : str
        Key in the address of the page, in the JSON interface and in ``headway board CHAPTER name=value``.
    label : str
        What the page calls it.
    default : float or str
        In the unit of the dimension; names are separated by commas where several are taken.
    dimension : str
        Key of :data:`headway.facts.dimensions.DIMENSIONS`; of numbers only.
    low, high : float
        Accepted range of a number, ends included.
    log : bool
        The slider moves by equal ratios.
    whole : bool
        Whole numbers only.
    variable : str
        ``"batch"``, ``"context"`` or ``"tokens"``: the page itself puts this control into the terms, so that
        moving it asks nothing of the server. Empty for every other control.
    choices : function, optional
        Gives the accepted names; the control is then a list of names and not a slider.
    most : int
        Names that may be chosen at once [1].
    about : str
        One line of help.
    """

    name: str
    label: str
    default: float | str
    dimension: str = "count"
    low: float = 1.0
    high: float = 1e6
    log: bool = True
    whole: bool = False
    variable: Literal["", "batch", "context", "tokens"] = ""
    choices: Callable[[], Sequence[str]] | None = None
    most: int = 1
    about: str = ""

    def read(self, text: str) -> float | str | tuple[str, ...]:
        """Read a value as it stands in an address; a bare number is in the unit of the dimension.

        Raises
        ------
        InputError
            Naming the control.
        """
        if self.choices is not None:
            return self._names(text)
        try:
            number = float(text)
        except ValueError:
            number = parse(text, self.dimension, self.name)
        if not self.low <= number <= self.high:
            ends = [format_quantity(end, self.dimension, 4) for end in (self.low, self.high)]
            raise RangeError(self.name, text, f"{ends[0]} to {ends[1]}")
        if self.whole and number != int(number):
            raise RangeError(self.name, text, "a whole number", str(round(number)))
        return number

    def _names(self, text: str) -> str | tuple[str, ...]:
        known = () if self.choices is None else self.choices()
        names = tuple(dict.fromkeys(piece.strip() for piece in text.split(",") if piece.strip()))
        if not 1 <= len(names) <= self.most:
            raise InputError(self.name, text, "one name" if self.most == 1 else f"1 to {self.most} names")
        for name in names:
            if name not in known:
                raise unknown(self.name, name, known)
        return names[0] if self.most == 1 else names


@dataclass(frozen=True, slots=True)
class Measure:
    """Something that the page reads off terms at the values of its live controls.

    Parameters
    ----------
    terms : Terms
    show : {"value", "reciprocal", "binding"}
        The terms' total, one over it, or the name of the resource that sets it.
    resource : str
        Only the terms of this resource; empty for all.
    labels : tuple of str
        Only the terms with these labels; empty for all.
    """

    terms: Terms
    show: Literal["value", "reciprocal", "binding"] = "value"
    resource: str = ""
    labels: tuple[str, ...] = ()

    def part(self) -> Terms:
        """The terms that count."""
        everything = self.terms.terms
        kept = (
            t for t in everything if self.resource in ("", t.resource) and (not self.labels or t.label in self.labels)
        )
        return Terms(tuple(kept))

    def at(self, values: Values, controls: Sequence[Control]) -> float | str:
        """Value at the live controls, as the page shows it."""
        where = {"batch": 1.0, "context": 0.0, "tokens": 1.0}
        where |= {c.variable: float(values[c.name]) for c in controls if c.variable}
        part = self.part()
        if self.show == "binding":
            return str(part.binding(**where))
        return reciprocal(part, where) if self.show == "reciprocal" else float(part.seconds(**where))


def reciprocal(terms: Terms, where: Mapping[str, float]) -> float:
    """One over the terms' total: a rate where the terms are a time."""
    seconds = float(terms.seconds(**where))
    return 1.0 / seconds if seconds else float("inf")


@dataclass(frozen=True, slots=True)
class Number:
    """A headline: a label and one figure, given or read off terms. Text is shown as it is."""

    key: str
    label: str
    value: float | str | Measure | None
    dimension: str = "count"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bars:
    """Parts of a whole under one heading, for the detail of a point."""

    title: str
    dimension: str
    parts: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis; without ends it fits the points. Terms need both ends on the x axis."""

    label: str
    dimension: str = "count"
    log: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """One line or cloud: points that Python computed, or a measure that the page evaluates along the x axis.

    Parameters
    ----------
    name : str
        Shown in the legend and beside the curve.
    x, y : sequence of float
        Points; empty where `measure` is given. A gap is a NaN.
    measure : Measure, optional
    kind : {"line", "points", "steps", "band"}
        A band lies between `y` and `top`.
    strong : bool
        The curve that the chapter is about: drawn heavier.
    details : tuple of tuple of Bars
        One entry per point, shown where a point is opened.
    labels : tuple of str
        One name per point, for its read-out.
    top : sequence of float
        Upper edge of a band.
    """

    name: str
    x: Sequence[float] = ()
    y: Sequence[float] = ()
    measure: Measure | None = None
    kind: Literal["line", "points", "steps", "band"] = "line"
    strong: bool = False
    details: tuple[tuple[Bars, ...], ...] = ()
    labels: tuple[str, ...] = ()
    top: Sequence[float] = ()


def curves(x: Sequence[float], *lines: tuple[str, Any]) -> tuple[Series, ...]:
    """Lines over the same points, the first one strong.

    >>> [(c.name, c.y, c.strong) for c in curves((1.0, 2.0), ("latency", [3.0, 4.0]), ("period", [1.0, 1.0]))]
    [('latency', (3.0, 4.0), True), ('period', (1.0, 1.0), False)]
    """
    return tuple(
        Series(name, x, tuple(float(v) for v in np.ravel(y)), strong=k == 0) for k, (name, y) in enumerate(lines)
    )


@dataclass(frozen=True, slots=True)
class Marker:
    """A named place on the x axis."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing; `over` names the variable of the terms that runs along the x axis."""

    key: str
    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    markers: tuple[Marker, ...] = ()
    over: Literal["", "batch", "context", "tokens"] = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; `dimension` is empty for text and bare numbers."""

    key: str
    label: str
    dimension: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text and numbers; `series` names the series whose points the rows are, in the same order."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str | float | None, ...], ...]
    details: tuple[tuple[Bars, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a chapter says at given values.

    Parameters
    ----------
    headlines : tuple of Number
        The figures that a person should take away, most important first.
    charts : tuple of Chart
    tables : tuple of Table
    equations : tuple of str
        One line each, in plain signs.
    notes : tuple of str
        What is assumed, what is infeasible and why.
    sources : tuple of str
    command : str
        The command that prints the same; empty for ``headway board CHAPTER name=value ...``.
        ``{name}`` stands for the value of a control.
    """

    headlines: tuple[Number, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    equations: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    command: str = ""


@dataclass(frozen=True, slots=True)
class Chapter:
    """One page of the board.

    Parameters
    ----------
    id : str
        Path of the page and name in ``headway board ID``.
    title, question : str
        The question is what a user comes with.
    controls : tuple of Control
    answer : function
        From the values of the controls (numbers in SI units, names) to an :class:`Answer`.
    order : int
        Place in its part of the table of contents, lowest first; a part stands where its first chapter does.
    part : str
        Heading in the table of contents.
    """

    id: str
    title: str
    question: str
    controls: tuple[Control, ...]
    answer: Callable[[Values], Answer] = field(repr=False)
    order: int = 100
    part: str = "The lecture"

    def control(self, name: str) -> Control:
        """Look a control up.

        Raises
        ------
        UnknownNameError
            If there is none of this name; the message gives the nearest.
        """
        for one in self.controls:
            if one.name == name:
                return one
        raise unknown("parameter", name, [one.name for one in self.controls])

    def read(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Values of all controls: those given as text, defaults for the rest.

        Raises
        ------
        InputError
            Naming the control that cannot be used.
        """
        for name in given:
            self.control(name)
        return {c.name: c.read(given[c.name] if c.name in given else str(c.default)) for c in self.controls}


def shown(value: float | str | None, dimension_name: str, digits: int = 4) -> str:
    """Show a figure as page and terminal do.

    >>> shown(0.02, "seconds"), shown("memory", ""), shown(None, "count")
    ('20 ms', 'memory', 'none')
    """
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    return format_quantity(value, dimension_name or "count", digits)


def unit_of(dimension_name: str) -> str:
    """Unit of the numbers of a dimension, empty for text.

    >>> unit_of("seconds"), unit_of("")
    ('s', '')
    """
    return dimension(dimension_name).unit if dimension_name else ""
