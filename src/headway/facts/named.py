"""A row of a packaged table by its name or alias, whatever the case."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from headway.facts.catalog import Column, Row, aliases, names, packaged, row
from headway.facts.errors import unknown


@cache
def _aliases(file: str, table: str) -> Mapping[str, str]:
    return aliases(packaged(file), table)


def row_names(file: str, table: str) -> tuple[str, ...]:
    """Names of the rows of a packaged table, in its order.

    >>> row_names("reversible.toml", "policy")[0]
    'store'
    """
    return names(packaged(file), table)


def named_row(file: str, table: str, name: str, columns: tuple[Column, ...], field: str) -> Row:
    """The checked row of that name or alias.

    Parameters
    ----------
    file, table : str
        A file of the package's data and a table in it.
    name : str
    columns : tuple of Column
        What a row may hold.
    field : str
        What a user calls such a name, for the error.

    Returns
    -------
    Row

    Raises
    ------
    UnknownNameError
        If there is none, with the names and the nearest.

    Examples
    --------
    >>> from headway.facts.storage import DEVICE_COLUMNS
    >>> named_row("storage.toml", "device", "HDD", DEVICE_COLUMNS, "storage").name
    'hdd-24tb'
    """
    known = _aliases(file, table)
    found = known.get(str(name).strip().lower())
    if found is None:
        raise unknown(field, str(name), known, f"one of {', '.join(row_names(file, table))}")
    return row(packaged(file), table, found, columns)
