"""Tables of facts: read TOML rows against a small schema, units checked and every row with its source.

The packaged tables and a user's own files go through the same reader. A row must say where it comes from
(``source``, ``retrieved``, ``kind``), directly or by a key of the file's ``[sources]`` table; it may add
further sources (``also``) and other values in circulation (``conflicts``).

.. code-block:: toml

    [sources.maker]
    text = "the maker's datasheet"
    retrieved = "2026-11-23"
    kind = "datasheet"

    [chip.mine]
    hbm_bytes = "96 GB"
    source = "maker"
    conflicts = [{ field = "hbm_bytes", value = "96 GiB", source = "maker" }]
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast

from headway.facts.errors import InputError, UnknownNameError, unknown
from headway.facts.hardware import Conflict
from headway.facts.sources import Kind, Source
from headway.facts.units import parse

ColumnKind = Literal["text", "texts", "date", "whole", "quantity", "quantities", "rows"]

_PROVENANCE = ("source", "retrieved", "kind")
_EXTRAS = ("also", "conflicts")
_LARGEST_FILE = 1 << 20
_LONGEST_TEXT = 1000
_LARGEST_WHOLE = 1_000_000_000
_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?", re.ASCII)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a table.

    Parameters
    ----------
    name : str
        Key in the file.
    kind : str
        ``text``, ``texts`` (a list), ``date``, ``whole`` (a number of at least 1), ``quantity``
        (with a unit of `dimension`), ``quantities`` (a table of them) or ``rows`` (tables of `columns`).
    description : str
        What it says.
    dimension : str
        Dimension of a quantity, a key of :data:`~headway.facts.dimensions.DIMENSIONS`.
    required : bool
        A row without it is refused.
    keys : tuple of str
        Accepted keys of ``quantities``.
    columns : tuple of Column
        Fields of ``rows``.
    """

    name: str
    kind: ColumnKind
    description: str
    dimension: str = ""
    required: bool = False
    keys: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: where it came from and its tables."""

    where: str
    tables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """A checked row: values by column (quantities as floats), its sources and the values that disagree."""

    name: str
    values: Mapping[str, Any]
    sources: tuple[Source, ...]
    conflicts: tuple[Conflict, ...] = ()

    def text(self, column: str, default: str = "") -> str:
        """Text of a column."""
        return cast(str, self.values.get(column, default))

    def texts(self, column: str) -> tuple[str, ...]:
        """Texts of a column; empty where the row has none."""
        return cast(tuple[str, ...], self.values.get(column, ()))

    def number(self, column: str) -> float:
        """Quantity of a required column, in the unit of its dimension."""
        return cast(float, self.values[column])

    def optional(self, column: str) -> float | None:
        """Quantity of a column, or None where the row has none."""
        return cast("float | None", self.values.get(column))

    def whole(self, column: str, default: int = 1) -> int:
        """Whole number of a column."""
        return cast(int, self.values.get(column, default))

    def quantities(self, column: str) -> Mapping[str, float]:
        """Table of quantities of a column."""
        return cast(Mapping[str, float], self.values.get(column, MappingProxyType({})))

    def rows(self, column: str) -> tuple[Row, ...]:
        """Inner rows of a column."""
        return cast("tuple[Row, ...]", self.values.get(column, ()))


def document(text: str, where: str) -> Document:
    """Parse TOML text.

    >>> dict(document("chip.one.year = 2026", "mine.toml").tables)
    {'chip': {'one': {'year': 2026}}}

    Raises
    ------
    InputError
        If it is not TOML.
    """
    import tomllib

    try:
        return Document(where, MappingProxyType(tomllib.loads(text)))
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise InputError(where, str(error) or type(error).__name__, "a TOML file") from None


@cache
def packaged(name: str) -> Document:
    """One of the package's own tables, read on first use.

    >>> packaged("chips.toml").where
    'chips.toml'
    """
    return document((Path(__file__).parent / "data" / name).read_text(encoding="utf-8"), name)


def read_document(path: str | Path) -> Document:
    """Read a user's TOML file of at most 1 MiB.

    >>> read_document("absent.toml")
    Traceback (most recent call last):
    headway.facts.errors.InputError: ...

    Raises
    ------
    InputError
        If it cannot be read, is too large, or is not TOML in UTF-8.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST_FILE + 1)
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "text in UTF-8"
        raise InputError("file", str(path), f"a readable TOML file ({reason})") from None
    if len(content) > _LARGEST_FILE:
        raise InputError("file", str(path), "a TOML file of at most 1 MiB")
    return document(text, file.name)


def _mapping(place: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(place, value, "a table")
    return value


def _list(place: str, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise InputError(place, value, "a list")
    return value


def _text(place: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST_TEXT:
        raise InputError(place, value, f"text of 1 to {_LONGEST_TEXT} characters")
    return " ".join(value.split())


def _date(place: str, value: object) -> str:
    text = value.isoformat() if isinstance(value, datetime.date) else value
    if isinstance(text, str) and _DATE.fullmatch(text):
        try:
            datetime.date.fromisoformat(text + "-01" * (2 - text.count("-")))
        except ValueError:
            pass
        else:
            return text
    raise InputError(place, value, "a day or month as YYYY-MM-DD or YYYY-MM")


def _whole(place: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _LARGEST_WHOLE:
        raise InputError(place, value, f"a whole number from 1 to {_LARGEST_WHOLE:,}")
    return value


def _source(doc: Document, place: str, raw: Mapping[str, Any]) -> Source:
    """The source that a row states in full, or names by a key of ``[sources]``."""
    if "source" not in raw:
        raise InputError(f"{place}.source", "nothing", "a source, the day it was retrieved and its kind")
    stated = raw["source"]
    if "retrieved" not in raw and "kind" not in raw:
        known = _mapping(f"{doc.where}: sources", doc.tables.get("sources", {}))
        key = _text(f"{place}.source", stated)
        if key not in known:
            accepted = "a key of [sources], or a text with retrieved and kind"
            raise unknown(f"{place}.source", key, known, accepted)
        place, raw = f"{doc.where}: sources.{key}", _mapping(f"{doc.where}: sources.{key}", known[key])
        stated = raw.get("text")
        extra = [name for name in raw if name not in ("text", "retrieved", "kind")]
        if extra:
            raise unknown(place, extra[0], ("text", "retrieved", "kind"))
    for name in ("retrieved", "kind"):
        if name not in raw:
            raise InputError(f"{place}.{name}", "nothing", "a source, the day it was retrieved and its kind")
    kind = cast(Kind, _text(f"{place}.kind", raw["kind"]))
    try:
        return Source(_text(f"{place}.source", stated), _date(f"{place}.retrieved", raw["retrieved"]), kind)
    except InputError as error:
        raise type(error)(f"{place}.{error.field}", error.value, error.expected, error.nearest) from None


def _value(doc: Document, place: str, column: Column, raw: object) -> Any:
    """One value, checked against its column."""
    match column.kind:
        case "text":
            return _text(place, raw)
        case "texts":
            return tuple(_text(place, item) for item in _list(place, raw))
        case "date":
            return _date(place, raw)
        case "whole":
            return _whole(place, raw)
        case "quantity":
            return parse(raw, column.dimension, place)
        case "quantities":
            table = _mapping(place, raw)
            for key in table:
                if column.keys and key not in column.keys:
                    raise unknown(place, key, column.keys)
            return MappingProxyType({k: parse(v, column.dimension, f"{place}.{k}") for k, v in table.items()})
        case "rows":
            return tuple(
                check_row(doc, f"{place}[{i}]", column.columns, _mapping(f"{place}[{i}]", item))
                for i, item in enumerate(_list(place, raw))
            )


def _column(place: str, columns: tuple[Column, ...], path: str) -> Column:
    """The column that a conflict's path names: ``hbm_bytes``, ``flops.fp4`` or ``memories.dram.bandwidth``."""
    first, *rest = path.split(".")
    found = {column.name: column for column in columns}.get(first)
    if found and not rest and found.kind == "quantity":
        return found
    if found and len(rest) == 1 and found.kind == "quantities" and (not found.keys or rest[0] in found.keys):
        return found
    if found and len(rest) == 2 and found.kind == "rows":
        return _column(place, found.columns, rest[1])
    raise unknown(f"{place}.field", path, [c.name for c in columns], "the name of a quantity of this row")


_CONFLICT = ("field", "value", *_PROVENANCE)


def _conflict(doc: Document, place: str, columns: tuple[Column, ...], raw: Mapping[str, Any]) -> Conflict:
    for key in raw:
        if key not in _CONFLICT:
            raise unknown(place, key, _CONFLICT)
    path = _text(f"{place}.field", raw.get("field"))
    column = _column(place, columns, path)
    return Conflict(path, parse(raw.get("value"), column.dimension, f"{place}.value"), _source(doc, place, raw))


def check_row(doc: Document, place: str, columns: tuple[Column, ...], raw: Mapping[str, Any], name: str = "") -> Row:
    """Check one row against its columns.

    >>> raw = {"chips": 8, "source": "a page", "retrieved": "2026-11-23", "kind": "assumed"}
    >>> check_row(document("", "mine.toml"), "here", (), raw)
    Traceback (most recent call last):
    headway.facts.errors.UnknownNameError: here: 'chips' is not accepted: ...

    Raises
    ------
    InputError
        If a value is missing, of the wrong unit or absurd, or the row has no source; a key that is not
        a column raises :class:`~headway.facts.errors.UnknownNameError` with the nearest one.
    """
    known = {column.name: column for column in columns}
    for key in raw:
        if key not in known and key not in _PROVENANCE and key not in _EXTRAS:
            raise unknown(place, str(key), (*known, *_PROVENANCE, *_EXTRAS))
    values = {}
    for column in columns:
        if column.name in raw:
            values[column.name] = _value(doc, f"{place}.{column.name}", column, raw[column.name])
        elif column.required:
            raise InputError(f"{place}.{column.name}", "nothing", column.description)
    also = [_mapping(place, item) for item in _list(f"{place}.also", raw.get("also", []))]
    others = [_mapping(place, item) for item in _list(f"{place}.conflicts", raw.get("conflicts", []))]
    return Row(
        name=name,
        values=MappingProxyType(values),
        sources=(_source(doc, place, raw), *(_source(doc, f"{place}.also[{i}]", item) for i, item in enumerate(also))),
        conflicts=tuple(_conflict(doc, f"{place}.conflicts[{i}]", columns, item) for i, item in enumerate(others)),
    )


def names(doc: Document, table: str) -> tuple[str, ...]:
    """Names of a table's rows, in the order of the file."""
    return tuple(_mapping(f"{doc.where}: {table}", doc.tables.get(table, {})))


def aliases(doc: Document, table: str) -> Mapping[str, str]:
    """Every name and alias of a table, in lower case, with the row it stands for.

    >>> aliases(packaged("systems.toml"), "system")["hgx-h200"]
    'hgx-h200'
    """
    entries = _mapping(f"{doc.where}: {table}", doc.tables.get(table, {}))
    found = {name: name for name in entries}
    for name, raw in entries.items():
        found |= {str(alias).lower(): name for alias in raw.get("aliases", ())}
    return MappingProxyType(found)


def row(doc: Document, table: str, name: str, columns: tuple[Column, ...]) -> Row:
    """The named row of a table, checked.

    >>> row(packaged("chips.toml"), "chip", "h900", ())
    Traceback (most recent call last):
    headway.facts.errors.UnknownNameError: chip: 'h900' is not accepted: ...

    Raises
    ------
    UnknownNameError
        If there is no such row.
    InputError
        As :func:`check_row`.
    """
    entries = _mapping(f"{doc.where}: {table}", doc.tables.get(table, {}))
    if name not in entries:
        raise unknown(table, name, entries)
    place = f"{doc.where}: {table}.{name}"
    if not _NAME.fullmatch(name):
        raise UnknownNameError(place, name, "a name of lower-case letters, digits, '.', '-' and '_'")
    return check_row(doc, place, columns, _mapping(place, entries[name]), name)


def numbered_rows(doc: Document, table: str, columns: tuple[Column, ...]) -> tuple[Row, ...]:
    """The rows of a list of tables (``[[tariff]]``), checked.

    >>> numbered_rows(document("", "mine.toml"), "tariff", ())
    ()

    Raises
    ------
    InputError
        As :func:`check_row`.
    """
    place = f"{doc.where}: {table}"
    return tuple(
        check_row(doc, f"{place}[{i}]", columns, _mapping(f"{place}[{i}]", item))
        for i, item in enumerate(_list(place, doc.tables.get(table, [])))
    )


def only_tables(doc: Document, accepted: tuple[str, ...]) -> None:
    """Refuse a file with tables of other names.

    >>> only_tables(document("[chips]", "mine.toml"), ("chip",))
    Traceback (most recent call last):
    headway.facts.errors.UnknownNameError: mine.toml: 'chips' is not accepted: ...

    Raises
    ------
    UnknownNameError
        If the file has a table that is not among `accepted`.
    """
    for key in doc.tables:
        if key not in accepted:
            raise unknown(doc.where, key, accepted)
