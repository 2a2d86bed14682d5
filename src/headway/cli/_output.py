"""Formats and places of output: the three options that every command has, and the writing.

A file is written beside its place and moved there whole, so a reader never finds half of one.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import stat
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

import click

from headway.cli._params import CONFIG
from headway.cli._report import Cell, Quantity, Report, Toned, bare, document
from headway.facts.errors import InputError

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

SUFFIXES: Final = MappingProxyType({".json": "json", ".csv": "csv", ".txt": "text", ".md": "markdown"})
_ENDINGS: Final = f"a name ending in {' '.join(SUFFIXES)}, or --json or --csv with it"
_TOML: Final = ".toml"
_META: Final = "headway.output"
_FILE_WIDTH: Final = 100


@dataclass(frozen=True, slots=True)
class Choices:
    """What the user asked for: a format (``text, json, csv, markdown``) and a file, or stdout where None."""

    format: str = "text"
    file: Path | None = None


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value and param.name is not None:
        ctx.meta.setdefault(_META, {})[param.name] = value


def _remember_file(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None and not ctx.resilient_parsing:
        if value != "-":
            check_writable(Path(value))
        _remember(ctx, param, value)


def output_options(function: Decorated) -> Decorated:
    """Add ``--json``, ``--csv`` and ``-o/--output`` to a command that returns a Report.

    The options are not passed to the function; the program's entry reads them when it writes the report.
    """
    found = function
    for option in (
        click.option(
            "-o",
            "--output",
            metavar="FILE",
            type=CONFIG,
            expose_value=False,
            callback=_remember_file,
            help="Write to FILE, whole or not at all; its suffix (.json .csv .txt .md) tells the format.",
        ),
        click.option(
            "--csv", is_flag=True, expose_value=False, callback=_remember, help="Print the main table as CSV, SI units."
        ),
        click.option(
            "--json", is_flag=True, expose_value=False, callback=_remember, help="Print one JSON document, SI units."
        ),
    ):
        found = option(found)
    return found


def explain_option(function: Decorated) -> Decorated:
    """Add a flag ``--explain``, passed to the function as ``explain``."""
    return click.option("--explain", is_flag=True, help="Show the equations, the numbers put in and their sources.")(
        function
    )


def choices(ctx: click.Context) -> Choices:
    """Read the output options of the command line being run.

    Raises
    ------
    InputError
        If two formats were asked for, or a file whose suffix says nothing with no format.
    """
    given = ctx.meta.get(_META, {})
    if given.get("json") and given.get("csv"):
        raise InputError("--json --csv", "both", "one of the two")
    name = given.get("output")
    flag = "json" if given.get("json") else "csv" if given.get("csv") else None
    if name is None or name == "-":
        return Choices(flag or "text")
    suffix = Path(name).suffix.lower()
    if flag is None and suffix == _TOML:
        return Choices("toml", Path(name))
    if flag is None and suffix not in SUFFIXES:
        raise InputError("--output", name, _ENDINGS)
    return Choices(flag or SUFFIXES[suffix], Path(name))


def emit(report: Report, chosen: Choices) -> int:
    """Write a report in the format and to the place chosen; return the command's exit code."""
    if chosen.file is None:
        text = render(report, chosen.format, sys.stdout)
        stream = sys.stdout
        encoding = getattr(stream, "encoding", None) or "utf-8"
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
    elif chosen.format == "toml":
        if not report.toml:
            raise InputError("--output", str(chosen.file), _ENDINGS)
        write_whole(chosen.file, report.toml)
        return emit(report, Choices())
    else:
        write_whole(chosen.file, render(report, chosen.format, None))
    return report.exit_code


def render(report: Report, format: str, stream: Any = None) -> str:
    """Make the text of a report.

    Parameters
    ----------
    report : Report
    format : {"text", "json", "csv", "markdown"}
    stream : text stream, optional
        Where "text" will be shown: its width, colours and encoding count. None means a UTF-8 file.
    """
    if format == "json":
        return json.dumps(document(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if format == "csv":
        return as_csv(report)
    from headway.cli import _text

    if format == "markdown":
        return _text.as_markdown(report)
    return _text.as_text(report, stream, None if stream is not None else _FILE_WIDTH)


def as_csv(report: Report) -> str:
    """The report's main table as CSV: one header line, bare SI numbers, empty where nothing is known."""
    table = report.data or next(iter(report.tables), None)
    if table is None:
        raise InputError("--csv", report.title, "a command with a table; --json has what this one says")
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    header: list[str] = []
    for column in table.columns:
        header += [column.key, f"{column.key}_unit"] if column.mixed else [column.key]
    writer.writerow(header)
    for row in table.rows:
        line: list[str] = []
        for column, cell in zip(table.columns, row, strict=True):
            line += [_csv_cell(cell), _unit(cell)] if column.mixed else [_csv_cell(cell)]
        writer.writerow(line)
    return buffer.getvalue()


def _csv_cell(cell: Cell) -> str:
    value = bare(cell)
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value.item() if hasattr(value, "item") else value)


def _unit(cell: Cell) -> str:
    value = cell.value if isinstance(cell, Toned) else cell
    return value.unit if isinstance(value, Quantity) else ""


def check_writable(path: Path) -> None:
    """Refuse a place where no file can be written, before anything is computed.

    Raises
    ------
    InputError
        If the path is a directory, its directory is missing, or writing is not permitted.
    """
    try:
        if path.is_dir():
            raise InputError("--output", str(path), "a file, not a directory")
        parent = path.resolve().parent
        if not parent.is_dir():
            raise InputError("--output", str(path), "a file in a directory that exists")
        if not os.access(path if path.exists() else parent, os.W_OK):
            raise InputError("--output", str(path), "a place that may be written to")
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("--output", str(path), f"a usable file name ({error})") from None


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is either as it was or complete; devices and pipes are written straight.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    data = text.encode("utf-8", "replace")
    try:
        path = path.resolve()
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            path.write_bytes(data)
            return
        _replace(path, data)
    except OSError as error:
        raise InputError("--output", str(path), f"a file that can be written ({error.strerror or error})") from None


def _replace(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes a private file; the result should have the rights that an ordinary one would.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
