"""Reports as text for people: tables that fit the terminal, charts, wrapped passages; and as Markdown.

A number is never cut. Where a table is too wide its least important columns go, and a line says
which; where even the rest is too wide each row becomes a list of ``name: value``.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Final, TextIO

from rich import box
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from headway.cli import _chart
from headway.cli._report import Cards, Cell, Column, Passage, Quantity, Report, Table, Toned
from headway.facts.units import format_quantity

_STYLES: Final = MappingProxyType(
    {"": "", "good": "green", "bad": "bold red", "warn": "yellow", "dim": "dim", "strong": "bold"}
)
_READING_WIDTH: Final = 100
_TABLE_WIDTH: Final = 120
_FOLDED_WIDTHS: Final = (22, 16)
_MANY_LINES: Final = 100
_LEAST_WRAP: Final = 16
_GAP: Final = 2
_NOTHING: Final = "–"
_RULED: Final = box.Box("    \n    \n ─  \n    \n    \n    \n    \n    \n")
_RULED_ASCII: Final = box.Box("    \n    \n -  \n    \n    \n    \n    \n    \n", ascii=True)

# What an output without UTF-8 shows instead; anything else becomes "?".
_ASCII: Final = str.maketrans(
    {
        "–": "-", "—": "-", "−": "-", "\u2011": "-", "×": "x", "·": ".", "•": "*", "…": "...", "µ": "u", "μ": "u",
        "≤": "<=", "≥": ">=", "≈": "~", "±": "+-", "→": "->", "←": "<-", "≠": "!=", "∞": "inf", "√": "sqrt",
        "✓": "+", "✗": "x", "△": "~", "“": '"', "”": '"', "\u2018": "'", "’": "'", "²": "^2", "³": "^3", "⁻": "^-",
        "α": "alpha", "β": "beta", "∑": "sum", "§": "section ", "\u00a0": " ", "\u202f": " ", "\u2009": " ",
    }
)  # fmt: skip


def show(text: str, unicode: bool = True) -> str:
    """Text that the output can show: no control characters, and ASCII where it must be.

    >>> show("5 µs × 3", unicode=False)
    '5 us x 3'
    """
    if not text.isprintable():
        text = "".join(c if c.isprintable() or c in "\u00a0\u202f\u2009" else " " if c.isspace() else "?" for c in text)
    return text if unicode else text.translate(_ASCII).encode("ascii", "replace").decode()


def number(value: float) -> str:
    """A bare number with four significant digits, thousands grouped.

    >>> number(2400), number(0.56312), number(5440.54)
    ('2,400', '0.5631', '5,441')
    """
    if not math.isfinite(value):
        return _NOTHING if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15):
        return f"{int(value):,}"
    if 1e3 <= abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def cell_text(cell: Cell, column: Column) -> str:
    """A cell as people read it.

    >>> cell_text(None, Column("a", "a")), cell_text(True, Column("a", "a"))
    ('–', 'yes')
    """
    inner = cell.value if isinstance(cell, Toned) else cell
    value, dimension = (inner.value, inner.dimension) if isinstance(inner, Quantity) else (inner, column.dimension)
    if value is None or value != value:
        return _NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    return format_quantity(float(value), dimension) if dimension and math.isfinite(value) else number(value)


# --- text ---------------------------------------------------------------------------------------


def as_text(report: Report, stream: TextIO | None, width: int | None = None) -> str:
    """Lay a report out for a stream: its width, whether it shows colours, whether it can UTF-8.

    Parameters
    ----------
    report : Report
    stream : text stream or None
        None means a UTF-8 file without colours.
    width : int, optional
        Columns to use; the terminal's (or ``COLUMNS``) where not given.
    """
    target = stream if stream is not None else io.StringIO()
    console = Console(file=target, width=width, highlight=False, markup=False, emoji=False, legacy_windows=False)
    unicode = stream is None or not console.options.ascii_only
    with console.capture() as capture:
        for item in _items(report, console, unicode):
            console.print(item)
    return "\n".join(line.rstrip() for line in capture.get().split("\n"))


def _items(report: Report, console: Console, unicode: bool) -> Iterator[RenderableType]:
    reading = min(console.width, _READING_WIDTH)
    if report.title:
        yield from _wrapped(report.title, "bold", reading, unicode)
    notes = list(report.notes)
    for part in report.parts:
        if report.title or part is not report.parts[0]:
            yield ""
        if isinstance(part, Table):
            fit = fitted(part, console.width, unicode)
            if fit.left_out:
                names = ", ".join(show(c.header, unicode) for c in fit.left_out)
                notes.append(f"Not shown at {console.width} columns: {names} (wider, --csv and --json have all).")
            yield from _table(fit, console.width, unicode)
        elif isinstance(part, Passage):
            yield from _passage(part, reading, unicode)
        elif isinstance(part, Cards):
            yield from _cards(part, min(console.width, _TABLE_WIDTH), unicode)
        else:
            for line in _chart.draw(part, min(console.width, _READING_WIDTH), unicode=unicode):
                yield Text.assemble(*((show(text, unicode), style) for text, style in line), no_wrap=True)
    if notes:
        yield ""
    for note in dict.fromkeys(notes):
        yield from _wrapped(note, "dim", reading, unicode)


def _wrapped(text: str, style: str, width: int, unicode: bool, indent: str = "") -> Iterator[Text]:
    shown = show(text, unicode)
    hang = indent + " " * (len(shown) - len(shown.lstrip()))
    for line in textwrap.wrap(shown, width, initial_indent=indent, subsequent_indent=hang, break_on_hyphens=False):
        yield Text(line, style, no_wrap=True)


def _passage(passage: Passage, width: int, unicode: bool) -> Iterator[RenderableType]:
    if passage.title:
        yield Text(show(passage.title, unicode), "bold")
    for line in passage.lines:
        if passage.style == "code":
            yield Text("  " + show(line, unicode), overflow="fold")
        else:
            yield from _wrapped(line, "", width, unicode, "  ")


def _cards(part: Cards, width: int, unicode: bool) -> Iterator[RenderableType]:
    if part.title:
        yield Text(show(part.title, unicode), "bold")
    for card in part.cards:
        lines = [(label, show(text, unicode)) for label, text in card.lines if text]
        column = max((len(label) for label, _ in lines), default=0) + 2
        mark = show(card.mark, unicode)
        for i, line in enumerate(_lines(show(card.head, unicode), width - len(mark) - 1)):
            lead = (mark, _STYLES[card.tone]) if i == 0 else (" " * len(mark), "")
            yield Text.assemble(lead, " ", (line, "bold"), no_wrap=True)
        for label, text in lines:
            for i, line in enumerate(_lines(text, width - column - 4)):
                yield Text.assemble((f"    {label if i == 0 else '':<{column}}", "dim"), line, no_wrap=True)


def _lines(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width, _LEAST_WRAP), break_on_hyphens=False) or [""]


# --- tables -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fitted:
    """A table made ready for a width.

    Parameters
    ----------
    table : Table
    kept : tuple of int
        Columns that are shown.
    widths : tuple of int
        Their widths [character]; empty where rows must be stacked.
    left_out : tuple of Column
        Columns that are not shown.
    texts : tuple of tuple of str
        All cells as text.
    """

    table: Table
    kept: tuple[int, ...]
    widths: tuple[int, ...]
    left_out: tuple[Column, ...]
    texts: tuple[tuple[str, ...], ...]


def _longest_word(text: str) -> int:
    return max((cell_len(word) for word in text.split()), default=0)


def fitted(table: Table, width: int, unicode: bool = True) -> Fitted:
    """Choose columns and widths so that the table fits and no number is cut.

    >>> table = Table("t", (Column("a", "a"), Column("b", "b", priority=1)), ((12345678, 87654321),))
    >>> [column.key for column in fitted(table, 12).left_out]
    ['b']
    """
    columns, nothing = table.columns, show(_NOTHING, unicode)
    texts = tuple(
        tuple(show(cell_text(cell, column), unicode) for cell, column in zip(row, columns, strict=True))
        for row in table.rows
    )
    # Where no row knows anything of a lesser column, the column would say nothing.
    empty = [i for i, c in enumerate(columns) if c.priority and texts and all(t[i] == nothing for t in texts)]
    shown = [i for i, column in enumerate(columns) if column.key != table.group and i not in empty]
    kept, left_out = list(shown), []
    while (spans := _spans(columns, texts, kept, width)) is None:
        candidates = [i for i in kept if columns[i].priority > 0]
        if not candidates:
            return Fitted(table, tuple(shown), (), (), texts)
        gone = max(candidates, key=lambda i: (columns[i].priority, i))
        kept.remove(gone)
        left_out.append(gone)
    return Fitted(table, tuple(kept), _share(kept, spans, width), tuple(columns[i] for i in sorted(left_out)), texts)


_Span = tuple[int, int]


def _spans(
    columns: Sequence[Column], texts: Sequence[Sequence[str]], kept: Sequence[int], width: int
) -> dict[int, _Span] | None:
    """Spans that fit, with headings on as few lines as possible; None where not even a word per line fits."""
    fold = any(columns[i].fold for i in kept)
    ways = [(lines, room) for lines in (2, 3, _MANY_LINES) for room in _FOLDED_WIDTHS]
    for lines, room in ways if fold else [(lines, 0) for lines in (1, 2, 3, _MANY_LINES)]:
        spans = {i: _span(columns[i], [row[i] for row in texts], lines, room) for i in kept}
        if _total(spans, kept) <= width:
            return spans
    return None


def _span(column: Column, cells: Sequence[str], lines: int, room: int) -> _Span:
    """Least and natural width of a column whose heading may take that many lines and whose text wants that room."""
    longest = max(map(cell_len, cells), default=0)
    heading = _heading_width(column.header, lines)
    natural = max(longest, heading)
    if not column.fold:
        return natural, natural
    words = max(map(_longest_word, cells), default=0)
    return min(natural, max(words, heading, room)), natural


def _heading_width(header: str, lines: int) -> int:
    """Least width at which a heading takes at most that many lines."""
    words = header.split()
    least, most = _longest_word(header), cell_len(" ".join(words))
    return next((w for w in range(least, most) if len(textwrap.wrap(" ".join(words), w)) <= lines), most)


def _total(spans: Mapping[int, _Span], kept: Sequence[int]) -> int:
    return sum(spans[i][0] + _GAP for i in kept) - _GAP


def _share(kept: Sequence[int], spans: Mapping[int, _Span], width: int) -> tuple[int, ...]:
    """Widths of the columns: the least, and a share of what is left for those that would wrap."""
    spare = width - _total(spans, kept)
    wanting = {i: spans[i][1] - spans[i][0] for i in kept}
    total = sum(wanting.values())
    return tuple(spans[i][0] + (min(wanting[i], spare * wanting[i] // total) if total else 0) for i in kept)


def _style(cell: Cell) -> str:
    return _STYLES[cell.tone] if isinstance(cell, Toned) else ""


def _table(fit: Fitted, width: int, unicode: bool) -> Iterator[RenderableType]:
    if fit.table.title:
        yield Text(show(fit.table.title, unicode), "bold")
    if not fit.widths:
        yield from _stacked(fit, width, unicode)
        return
    rows = list(zip(fit.table.rows, fit.texts, strict=True))
    for i, (heading, chunk) in enumerate(_groups(fit.table, rows)):
        if heading:
            if i:
                yield ""
            yield Text(show(heading, unicode), "bold")
        yield _grid(fit, list(chunk), unicode, header=i == 0)


_Pair = tuple[tuple[Cell, ...], tuple[str, ...]]


def _groups(table: Table, rows: Sequence[_Pair]) -> Iterator[tuple[str, Iterable[_Pair]]]:
    where = next((i for i, column in enumerate(table.columns) if column.key == table.group), None)
    if where is None:
        yield "", rows
        return
    yield from groupby(rows, key=lambda pair: pair[1][where])


def _grid(fit: Fitted, rows: Sequence[_Pair], unicode: bool, *, header: bool) -> RichTable:
    headed = header and any(fit.table.columns[i].header for i in fit.kept)
    grid = RichTable(
        box=_RULED if unicode else _RULED_ASCII,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        show_header=headed,
        header_style="bold",
        border_style="dim",
        safe_box=False,
    )
    for i, width in zip(fit.kept, fit.widths, strict=True):
        column = fit.table.columns[i]
        # A column of numbers is as wide as its widest, so that only its heading can wrap.
        grid.add_column(show(column.header, unicode), justify=column.align, width=width, overflow="fold")
    for cells, texts in rows:
        grid.add_row(*(Text(texts[i], _style(cells[i])) for i in fit.kept))
    return grid


def _stacked(fit: Fitted, width: int, unicode: bool) -> Iterator[RenderableType]:
    headers = [show(column.header, unicode) for column in fit.table.columns]
    for number_of_row, texts in enumerate(fit.texts):
        if number_of_row:
            yield ""
        for position, i in enumerate(fit.kept):
            name = f"{headers[i]}: " if headers[i] else ""
            yield from _wrapped(f"{'  ' if position else ''}{name}{texts[i]}", "", width, unicode)


# --- Markdown -----------------------------------------------------------------------------------


def as_markdown(report: Report) -> str:
    """The report as Markdown: pipe tables, charts and equations as code."""
    blocks = [f"# {_escaped(report.title)}"] if report.title else []
    for part in report.parts:
        if isinstance(part, Table):
            blocks.append(_markdown_table(part))
        elif isinstance(part, Passage):
            body = "\n".join(part.lines)
            text = f"```\n{body}\n```" if part.style == "code" else "\n\n".join(_escaped(line) for line in part.lines)
            blocks.append(f"## {_escaped(part.title)}\n\n{text}" if part.title else text)
        elif isinstance(part, Cards):
            blocks.append(_markdown_cards(part))
        else:
            drawing = "\n".join(_chart.plain(_chart.draw(part, _READING_WIDTH)))
            blocks.append(f"```\n{drawing}\n```")
    blocks += [_escaped(note) for note in report.notes]
    return "\n\n".join(blocks) + "\n"


def _escaped(text: str) -> str:
    shown = show(text)
    for character in "\\|*_`<>":
        shown = shown.replace(character, "\\" + character)
    return shown


def _markdown_cards(part: Cards) -> str:
    lines = [f"## {_escaped(part.title)}", ""] if part.title else []
    for card in part.cards:
        lines.append(f"- {_escaped(card.mark)} **{_escaped(card.head)}**")
        lines += [f"  - {_escaped(label)}: {_escaped(text)}" for label, text in card.lines if text]
    return "\n".join(lines)


def _markdown_table(table: Table) -> str:
    lines = [f"## {_escaped(table.title)}", ""] if table.title else []
    lines.append("| " + " | ".join(_escaped(column.header) for column in table.columns) + " |")
    lines.append("|" + "|".join(" ---: " if c.align == "right" else " --- " for c in table.columns) + "|")
    for row in table.rows:
        cells = (_escaped(cell_text(cell, column)) for cell, column in zip(row, table.columns, strict=True))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
