"""What a command returns: a neutral value that every output format is made from.

A table holds raw values in SI units; how a number is shown to a person is decided by its column, so
text, CSV and JSON cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from headway.cli._chart import BarChart, Chart, XYChart
from headway.facts.errors import InputError
from headway.facts.plain import Json, to_json
from headway.facts.units import dimension

Tone = Literal["", "good", "bad", "warn", "dim", "strong"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its own dimension, for tables whose rows have different ones.

    Parameters
    ----------
    value : float or None
        In the unit of the dimension; None where it is not known.
    dimension : str
        Key of :data:`headway.facts.dimensions.DIMENSIONS`.

    Examples
    --------
    >>> Quantity(8e12, "bytes_per_second").unit
    'B/s'
    """

    value: float | None
    dimension: str

    @property
    def unit(self) -> str:
        """Unit of the value."""
        return dimension(self.dimension).unit

    def to_json(self) -> dict[str, float | str | None]:
        """Value and unit.

        >>> to_json(Quantity(1.0, "seconds"))
        {'value': 1.0, 'unit': 's'}
        """
        return {"value": self.value, "unit": self.unit}


@dataclass(frozen=True, slots=True)
class Toned:
    """A value that text output may colour: the tone adds to its meaning, never carries it alone."""

    value: str | float | bool | Quantity | None
    tone: Tone


Cell: TypeAlias = "str | float | bool | Quantity | Toned | None"


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Parameters
    ----------
    key : str
        Name in CSV and JSON; carries the unit (``"ttft_s"``).
    header : str
        Heading for people.
    dimension : str
        Dimension of the numbers, shown with a fitting prefix and unit; "" for bare numbers and text.
    align : {"left", "right"}
        Left for text.
    priority : int
        0 is always shown; of the others the highest goes first where the terminal is narrow.
    fold : bool
        Text that may wrap.
    mixed : bool
        Cells are :class:`Quantity` values of several dimensions; CSV then adds a column ``<key>_unit``.
    """

    key: str
    header: str
    dimension: str = ""
    align: Literal["left", "right"] = "right"
    priority: int = 0
    fold: bool = False
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns.

    Parameters
    ----------
    key : str
        Name in JSON.
    columns : tuple of Column
        Columns from left to right.
    rows : tuple of tuple
        One cell per column.
    title : str
        Heading for people.
    group : str
        Key of a column that is shown as a heading over the rows that share its value.
    """

    key: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    group: str = ""

    def __post_init__(self) -> None:
        """Refuse a row that does not fit the columns."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise InputError(f"table {self.key}", f"{len(row)} cells", f"{len(self.columns)} cells in each row")


@dataclass(frozen=True, slots=True)
class Passage:
    """Lines of text under a heading; `style` "code" keeps them as they are, "text" wraps them."""

    title: str
    lines: tuple[str, ...]
    style: Literal["text", "code"] = "text"


@dataclass(frozen=True, slots=True)
class Card:
    """One entry of a list that is too wordy for a table: a head line, then labelled lines.

    Parameters
    ----------
    mark : str
        One sign before the head.
    head : str
        First line.
    lines : tuple of (str, str)
        Label and text of each further line; empty texts are left out.
    tone : str
        Colour of the mark.
    """

    mark: str
    head: str
    lines: tuple[tuple[str, str], ...]
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Cards:
    """Cards under a heading."""

    title: str
    cards: tuple[Card, ...]


Part: TypeAlias = "Table | XYChart | BarChart | Passage | Cards"


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a command has to say.

    Parameters
    ----------
    title : str
        First line for people.
    parts : tuple of Table, XYChart, BarChart, Passage or Cards
        What follows, in this order.
    notes : tuple of str
        Short remarks after the parts.
    document : mapping
        What ``--json`` prints; keys carry units. Empty means one list of records per table.
    data : Table, optional
        What ``--csv`` prints; the first table where None.
    exit_code : int
        0, or 1 for an infeasible request or a failed check.
    toml : str
        What ``-o FILE.toml`` writes, beside the text on stdout; empty where the command has no such file.
    """

    title: str
    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()
    document: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    data: Table | None = None
    exit_code: int = 0
    toml: str = ""

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables among the parts."""
        return tuple(part for part in self.parts if isinstance(part, Table))

    @property
    def charts(self) -> tuple[Chart, ...]:
        """The charts among the parts."""
        return tuple(part for part in self.parts if isinstance(part, (XYChart, BarChart)))


def bare(cell: Cell) -> str | float | bool | None:
    """Value of a cell without tone and unit.

    >>> bare(Toned(Quantity(8e12, "bytes_per_second"), "good"))
    8000000000000.0
    """
    value = cell.value if isinstance(cell, Toned) else cell
    return value.value if isinstance(value, Quantity) else value


def facts_table(key: str, rows: Sequence[tuple[str, Cell]], title: str = "") -> Table:
    """Two columns, fact and value, for values of several units.

    >>> facts_table("chip", [("memory", Quantity(8e10, "bytes"))]).rows[0][0]
    'memory'
    """
    columns = (Column("fact", "", align="left"), Column("value", "", align="left", fold=True, mixed=True))
    return Table(key, columns, tuple(rows), title)


def records(table: Table) -> list[dict[str, Json]]:
    """Rows of a table as mappings from column key to bare value.

    >>> records(Table("t", (Column("tpot_s", "TPOT", "seconds"),), ((0.02,),)))
    [{'tpot_s': 0.02}]
    """
    return [
        {column.key: to_json(bare(cell)) for column, cell in zip(table.columns, row, strict=True)} for row in table.rows
    ]


def document(report: Report) -> Json:
    """What ``--json`` prints."""
    if report.document:
        return to_json(report.document)
    found: dict[str, Json] = {table.key: list(records(table)) for table in report.tables}
    return {"title": report.title, **found, "notes": list(report.notes)}
