"""Charts in characters: lines and scatter on a braille canvas, horizontal bars.

A chart is a frozen value; :func:`draw` turns it into lines of styled spans and has no other effect.
Series differ by marker as well as by colour, so a chart reads the same without colour. Where the
output is not UTF-8 the same chart is drawn in ASCII.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal, TypeAlias

from headway.cli._ticks import Scale, scale_of, ticks
from headway.facts.errors import InputError
from headway.facts.units import format_quantity, shown_unit

Span: TypeAlias = tuple[str, str]
Line: TypeAlias = tuple[Span, ...]

COLOURS: Final = ("cyan", "yellow", "magenta", "green", "blue", "red")
_MARKS: Final = ("●", "▲", "■", "◆", "○", "△")
_ASCII_MARKS: Final = ("*", "o", "x", "+", "#", "@")
_DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_DIM: Final = "dim"
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_LEAST_WIDTH: Final = 24
_LEAST_HEIGHT: Final = 4


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis.

    Parameters
    ----------
    label : str
        What is measured.
    dimension : str
        Dimension of the values, a key of :data:`headway.facts.dimensions.DIMENSIONS`; ticks carry its unit.
    log : bool
        Logarithmic: values of zero or less are left out.
    """

    label: str
    dimension: str = "count"
    log: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one line or one cloud; those that are not finite leave a gap.

    Parameters
    ----------
    name : str
        Name in the legend.
    x, y : sequence of float
        Coordinates, of one length, in the units of the axes.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]

    def __post_init__(self) -> None:
        """Refuse coordinates of two lengths."""
        if len(self.x) != len(self.y):
            raise InputError("series", f"{len(self.x)} x and {len(self.y)} y", "as many x as y")


@dataclass(frozen=True, slots=True)
class Marker:
    """A vertical line at `x` with a label: a balance point, a limit."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class XYChart:
    """Lines (``kind="line"``) or points (``kind="scatter"``) over two axes."""

    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    markers: tuple[Marker, ...] = ()
    kind: Literal["line", "scatter"] = "line"


@dataclass(frozen=True, slots=True)
class BarChart:
    """Horizontal bars of one quantity: ``(label, value)`` from top to bottom."""

    title: str
    dimension: str
    bars: tuple[tuple[str, float], ...]


Chart: TypeAlias = XYChart | BarChart


def draw(chart: Chart, width: int = 72, height: int = 16, *, unicode: bool = True) -> list[Line]:
    r"""Draw a chart.

    Parameters
    ----------
    chart : XYChart or BarChart
        What to draw.
    width : int
        Columns that the drawing may use [character]; at least 24 are used.
    height : int
        Rows of the canvas, without title, axis and legend [character]; bars take one row each.
    unicode : bool
        Braille and block characters; ASCII otherwise.

    Returns
    -------
    list of Line
        Each a tuple of ``(text, style)``; ``style`` is "" or a terminal colour's name.

    Examples
    --------
    >>> print("\n".join(plain(draw(BarChart("Read", "bytes", (("weights", 2e9), ("cache", 1e9))), 40))))
    Read
    weights  ██████████████████████████ 2 GB
    cache    █████████████ 1 GB
    """
    width, height = max(width, _LEAST_WIDTH), max(height, _LEAST_HEIGHT)
    if isinstance(chart, BarChart):
        return _draw_bars(chart, width, unicode)
    return _draw_xy(chart, width, height, unicode)


def plain(lines: Iterable[Line]) -> list[str]:
    """Drop the styles.

    >>> plain([(("a", "red"), ("b", ""))])
    ['ab']
    """
    return ["".join(text for text, _ in line).rstrip() for line in lines]


# --- canvas -------------------------------------------------------------------------------------

_Spot: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Canvas:
    """Cells of 2 x 4 dots (one dot per cell in ASCII), each with the style of what was drawn last."""

    width: int
    height: int
    unicode: bool
    bits: dict[_Spot, int] = field(default_factory=dict)
    glyphs: dict[_Spot, str] = field(default_factory=dict)
    styles: dict[_Spot, str] = field(default_factory=dict)

    def dot_at(self, x: float, y: float) -> _Spot:
        """Dot of a place in the unit square, origin at the bottom left."""
        columns, rows = (self.width * 2, self.height * 4) if self.unicode else (self.width, self.height)
        return round(x * (columns - 1)), round((1 - y) * (rows - 1))

    def cell(self, dot: _Spot) -> _Spot:
        """Column and row of the cell that holds a dot."""
        return (dot[0] // 2, dot[1] // 4) if self.unicode else dot

    def stroke(self, start: _Spot, end: _Spot, style: str) -> None:
        """Draw a straight line of dots."""
        steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
        for i in range(steps + 1):
            x = round(start[0] + (end[0] - start[0]) * i / steps)
            y = round(start[1] + (end[1] - start[1]) * i / steps)
            cell = self.cell((x, y))
            if self.unicode:
                self.bits[cell] = self.bits.get(cell, 0) | _DOTS[y % 4][x % 2]
            else:
                self.bits[cell] = 1
            self.styles[cell] = style

    def line(self, row: int) -> Line:
        """One row as spans of one style."""
        spans: list[Span] = []
        for column in range(self.width):
            spot = (column, row)
            bits = self.bits.get(spot, 0)
            text = self.glyphs.get(spot) or ((chr(0x2800 + bits) if self.unicode else ".") if bits else " ")
            style = self.styles.get(spot, "") if text != " " else ""
            if spans and spans[-1][1] == style:
                spans[-1] = (spans[-1][0] + text, style)
            else:
                spans.append((text, style))
        return tuple(spans)


# --- lines and scatter --------------------------------------------------------------------------


def _draw_xy(chart: XYChart, width: int, height: int, unicode: bool) -> list[Line]:
    x = scale_of((v for s in chart.series for v in s.x), log=chart.x.log)
    y = scale_of((v for s in chart.series for v in s.y), log=chart.y.log)
    if x is None or y is None:
        return [((chart.title, "bold"),), (("no points to draw", _DIM),)]
    y_ticks = ticks(y.low, y.high, max(height // 3, 2), log=y.log, unit=_unit(chart.y, y))
    labels = [_label(value, chart.y.dimension, unicode) for value in y_ticks]
    gutter = max(map(len, labels), default=0)
    canvas = _Canvas(max(width - gutter - 2, _LEAST_WIDTH // 2), height, unicode)
    _plot(canvas, chart, x, y)
    inside = [m for m in chart.markers if x.usable(m.x) and 0 <= x.place(m.x) <= 1]
    columns = [canvas.cell(canvas.dot_at(x.place(m.x), 0))[0] for m in inside]
    for column in columns:
        for row in range(height):
            if (column, row) not in canvas.bits:
                canvas.glyphs.setdefault((column, row), "┊" if unicode else ":")
                canvas.styles.setdefault((column, row), _DIM)
    rows = {canvas.cell(canvas.dot_at(0, y.place(v)))[1]: text for v, text in zip(y_ticks, labels, strict=True)}
    tee, bar = ("┤", "│") if unicode else ("+", "|")
    lines: list[Line] = [((chart.title, "bold"),)] if chart.title else []
    lines.append(((chart.y.label, _DIM),))
    flags = _flags([(c, m.label) for c, m in zip(columns, inside, strict=True)], canvas.width)
    lines += [((" " * (gutter + 2), ""), (text, _DIM)) for text in flags]
    for row in range(height):
        lead = f"{rows.get(row, ''):>{gutter}} {tee if row in rows else bar}"
        lines.append(((lead, _DIM), *canvas.line(row)))
    lines += _x_axis(chart.x, x, canvas, gutter)
    legend = _legend(chart, width, unicode)
    outside = [m.label for m in chart.markers if m not in inside]
    if outside:
        legend.append(((f"outside the chart: {', '.join(outside)}", _DIM),))
    return lines + legend


def _plot(canvas: _Canvas, chart: XYChart, x: Scale, y: Scale) -> None:
    marks = _MARKS if canvas.unicode else _ASCII_MARKS
    for index, series in enumerate(chart.series):
        style, mark = COLOURS[index % len(COLOURS)], marks[index % len(marks)]
        dots = [
            canvas.dot_at(x.place(a), y.place(b)) if x.usable(a) and y.usable(b) else None
            for a, b in zip(series.x, series.y, strict=True)
        ]
        if chart.kind == "line":
            for start, end in pairwise(dots):
                if start and end:
                    canvas.stroke(start, end, style)
        spots = [canvas.cell(dot) for dot in dots if dot]
        if chart.kind == "line" and len(spots) > canvas.width // 6:
            spots = _spread(spots, canvas.width, index, len(chart.series))
        for spot in spots:
            if chart.kind == "scatter" or (spot not in canvas.glyphs and (len(chart.series) > 1 or len(spots) == 1)):
                canvas.glyphs[spot] = mark
                canvas.styles[spot] = style


def _spread(spots: list[_Spot], width: int, index: int, count: int) -> list[_Spot]:
    """Choose a few cells of a dense line for its marker, at columns where other lines have none."""
    step = max(width // 5, 3 * count)
    wanted = [step // (2 * count) + index * step // count + k * step for k in range(width // step + 1)]
    return [min(spots, key=lambda spot: abs(spot[0] - column)) for column in wanted if column < width]


def _flags(marks: list[tuple[int, str]], width: int) -> list[str]:
    """Lay labels out above their columns, on as many rows as keep them apart."""
    rows: list[str] = []
    for column, label in sorted(marks):
        text = label[:width]
        start = max(0, min(column - len(text) // 2, width - len(text)))
        for i, row in enumerate(rows):
            if len(row) + 2 <= start:
                rows[i] = row.ljust(start) + text
                break
        else:
            rows.append(" " * start + text)
    return rows[::-1]


def _unit(axis: Axis, scale: Scale) -> float:
    return shown_unit(scale.high, axis.dimension) if axis.dimension else 1.0


def _x_axis(axis: Axis, scale: Scale, canvas: _Canvas, gutter: int) -> list[Line]:
    corner, dash, tee = ("└", "─", "┴") if canvas.unicode else ("+", "-", "+")
    rule, text = [dash] * canvas.width, ""
    for value in ticks(scale.low, scale.high, max(canvas.width // 12, 2), log=scale.log, unit=_unit(axis, scale)):
        column = canvas.cell(canvas.dot_at(scale.place(value), 0))[0]
        label = _label(value, axis.dimension, canvas.unicode)
        start = max(0, min(column - len(label) // 2, canvas.width - len(label)))
        if start >= len(text) + (2 if text else 0):
            text = text.ljust(start) + label
            rule[column] = tee
    lead = " " * (gutter + 2)
    found: list[Line] = [((" " * (gutter + 1) + corner + "".join(rule), _DIM),), ((lead + text, _DIM),)]
    return [*found, ((lead + axis.label.rjust(canvas.width), _DIM),)] if axis.label else found


def _legend(chart: XYChart, width: int, unicode: bool) -> list[Line]:
    marks = _MARKS if unicode else _ASCII_MARKS
    if len(chart.series) < 2:
        return []
    lines: list[list[Span]] = []
    used = width
    for i, series in enumerate(chart.series):
        entry = [(f"  {marks[i % len(marks)]} ", COLOURS[i % len(COLOURS)]), (series.name, "")]
        length = sum(len(text) for text, _ in entry)
        if used + length > width:
            lines.append([])
            used = 0
        lines[-1] += entry
        used += length
    return [tuple(line) for line in lines]


def _label(value: float, dimension: str, unicode: bool) -> str:
    text = format_quantity(value, dimension)
    return text if unicode else text.encode("ascii", "replace").decode()


# --- bars ---------------------------------------------------------------------------------------


def _draw_bars(chart: BarChart, width: int, unicode: bool) -> list[Line]:
    texts = [_label(v, chart.dimension, unicode) if math.isfinite(v) else "-" for _, v in chart.bars]
    gutter = min(max((len(name) for name, _ in chart.bars), default=0), width // 3)
    room = max(width - gutter - 3 - max(map(len, texts), default=0), 4)
    top = max((v for _, v in chart.bars if math.isfinite(v)), default=0.0)
    lines: list[Line] = [((chart.title, "bold"),)] if chart.title else []
    for (name, value), text in zip(chart.bars, texts, strict=True):
        share = value / top if top > 0 and math.isfinite(value) and value > 0 else 0.0
        lines.append(
            ((f"{name[:gutter]:<{gutter}}  ", ""), (_bar(share * room, unicode), COLOURS[0]), (f" {text}", ""))
        )
    return lines


def _bar(length: float, unicode: bool) -> str:
    if not unicode:
        return "#" * round(length)
    eighths = round(length * 8)
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
