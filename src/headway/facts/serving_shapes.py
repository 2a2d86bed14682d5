"""Gains of serving techniques as published, to set a simulation beside."""

from __future__ import annotations

from dataclasses import dataclass

from headway.facts.catalog import Column, numbered_rows, packaged
from headway.facts.errors import unknown
from headway.facts.sources import Source

#: Columns of a published figure.
FIGURE_COLUMNS: tuple[Column, ...] = (
    Column("name", "text", "what was measured", required=True),
    Column("low", "quantity", "least that is published", "count", required=True),
    Column("high", "quantity", "most that is published", "count", required=True),
    Column("note", "text", "of what"),
)


@dataclass(frozen=True, slots=True)
class PublishedShape:
    """A published gain, as a range.

    Parameters
    ----------
    name : str
    low, high : float
        Factor over what it is compared with, or a hit rate [1].
    source : Source
    note : str
    """

    name: str
    low: float
    high: float
    source: Source
    note: str = ""


def published_shape(name: str) -> PublishedShape:
    """The published figure of that name.

    Raises
    ------
    UnknownNameError
        If there is none.

    Examples
    --------
    >>> published_shape("disaggregation").high
    4.48
    """
    rows = {r.text("name"): r for r in numbered_rows(packaged("serving_shapes.toml"), "figure", FIGURE_COLUMNS)}
    if name not in rows:
        raise unknown("figure", name, rows)
    row = rows[name]
    return PublishedShape(name, row.number("low"), row.number("high"), row.sources[0], row.text("note"))
