"""Lines of a CSV file of measurements: read whole or not at all, and every refusal names its row and column."""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headway.facts.errors import InputError, shorten, unknown

_LARGEST_FILE = 64 << 20
_MOST_ROWS = 100_000
_LONGEST_CELL = 10_000
_LARGEST = 1e15
_MISSPELT = 0.75
_NUMBER = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file, which knows how to name itself."""

    where: str
    number: int
    cells: Mapping[str, str]

    def place(self, column: str) -> str:
        """Where a cell stands, for a message."""
        return f"{self.where}: row {self.number}: {column}"

    def text(self, column: str) -> str:
        """A cell as written; empty where the file has no such column."""
        return self.cells.get(column, "").strip()

    def needed(self, column: str) -> str:
        """A cell that may not be empty."""
        found = self.text(column)
        if not found:
            raise InputError(self.place(column), "nothing", "a value")
        return found

    def one_of(self, column: str, options: Sequence[str]) -> str:
        """A cell that holds one of some words."""
        found = self.needed(column)
        if found not in options:
            raise unknown(self.place(column), shorten(found, 80).strip("'"), options, f"one of {', '.join(options)}")
        return found

    def number_or_none(self, column: str) -> float | None:
        """A number above 0, or None where the cell is empty."""
        text = self.text(column)
        if not text:
            return None
        # Sources write "~3,700" for a median over a data set.
        plain = text.removeprefix("~").strip()
        if not _NUMBER.fullmatch(plain):
            raise InputError(self.place(column), text, "a number above 0, or nothing")
        value = float(plain.replace(",", ""))
        if not (math.isfinite(value) and 0 < value <= _LARGEST):
            raise InputError(self.place(column), text, "a number above 0, or nothing")
        return value

    def whole_or_none(self, column: str) -> int | None:
        """A whole number above 0, or None where the cell is empty."""
        value = self.number_or_none(column)
        if value is not None and value != int(value):
            raise InputError(self.place(column), self.text(column), "a whole number")
        return None if value is None else int(value)

    def number_needed(self, column: str) -> float:
        """A number above 0."""
        self.needed(column)
        value = self.number_or_none(column)
        return 0.0 if value is None else value


def _header(where: str, header: Sequence[str], known: Sequence[str], needed: Sequence[str]) -> None:
    """Refuse a header without what is needed, and a column that is probably a known one misspelt.

    Other columns are the user's own business, and are left alone.
    """
    absent = [name for name in known if name not in header]
    for name in header:
        meant = difflib.get_close_matches(name.lower(), absent, n=1, cutoff=_MISSPELT) if name not in known else []
        if meant:
            raise InputError(f"{where}: column", name, "a column of the dictionary, or one unlike them", meant[0])
        if header.count(name) > 1:
            raise InputError(f"{where}: column", name, "each column once")
    for name in needed:
        if name not in header:
            raise InputError(f"{where}: columns", ", ".join(header) or "nothing", f"a column {name}")


def lines(where: str, data: bytes, known: Sequence[str], needed: Sequence[str]) -> list[Line]:
    r"""The lines of a file under its header.

    Parameters
    ----------
    where : str
        Name of the file, for messages.
    data : bytes
        Its content: UTF-8, with or without a mark.
    known, needed : sequence of str
        Columns that mean something, and those that must be there.

    Raises
    ------
    InputError
        If it is no such file, with the row.

    Examples
    --------
    >>> lines("a.csv", b"model,value,mine\nllama,3,x\n", ("model", "value"), ("model",))[0].number_needed("value")
    3.0
    """
    if len(data) > _LARGEST_FILE:
        raise InputError(where, f"{len(data):,} bytes", f"a file of at most {_LARGEST_FILE:,} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(where, f"byte {error.start}", "text in UTF-8") from None
    if "\0" in text:
        raise InputError(where, "a NUL character", "a CSV file")
    found: list[Line] = []
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = [name.strip() for name in next(reader, [])]
        _header(where, header, known, needed)
        for number, cells in enumerate(reader, 2):
            if not cells:
                continue
            if len(cells) != len(header):
                raise InputError(f"{where}: row {number}", f"{len(cells)} cells", f"{len(header)} cells")
            if len(found) == _MOST_ROWS:
                raise InputError(where, "more rows", f"at most {_MOST_ROWS:,} rows")
            long = next((name for name, cell in zip(header, cells, strict=True) if len(cell) > _LONGEST_CELL), None)
            if long is not None:
                raise InputError(f"{where}: row {number}: {long}", "a longer text", f"{_LONGEST_CELL:,} characters")
            found.append(Line(where, number, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        raise InputError(where, str(error), "a CSV file with commas and double quotes") from None
    if not found:
        raise InputError(where, "no rows", "at least one row under the header")
    return found


def load(path: str | Path) -> bytes:
    """The content of a file, up to what is accepted.

    Raises
    ------
    InputError
        If it cannot be read.

    Examples
    --------
    >>> load("absent.csv")
    Traceback (most recent call last):
    headway.facts.errors.InputError: ...
    """
    try:
        with Path(path).open("rb") as file:
            return file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError("file", str(path), f"a CSV file that can be read ({reason})") from None
