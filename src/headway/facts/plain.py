"""Any value of the library as what JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def to_json(value: Any) -> Json:
    """Convert to what JSON can hold: arrays to lists, dataclasses to objects, NaN and infinity to null.

    A value with a method ``to_json`` says itself what it becomes.

    >>> to_json({"a": (1, float("nan")), 2: frozenset("ba")})
    {'a': [1, None], '2': ['a', 'b']}
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, int):
        return int(value)
    if hasattr(value, "to_json") and not isinstance(value, type):
        return to_json(value.to_json())
    if isinstance(value, Mapping):
        return {str(key): to_json(entry) for key, entry in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: to_json(getattr(value, entry.name)) for entry in fields(value)}
    if hasattr(value, "tolist"):  # numpy arrays and scalars, without importing numpy
        return to_json(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(entry) for entry in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    return str(value)
