"""A model's answer as data: one JSON object of a stated shape, or the reason why it is not.

One table of fields makes the JSON schema that the endpoint is asked to keep to and the checks of what comes back,
because an endpoint may ignore the schema and a model may write anything. Nothing is guessed, repaired or evaluated.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal

from headway.economy.money import LARGEST
from headway.facts.errors import shorten

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9._~:@/+=-]{1,128}").fullmatch
_NOT_EVEN_NEAR: Final = 64


class Unusable(Enum):
    """Why an answer, or what it asks for, is not used; the value is a sentence."""

    UNREACHABLE = "the endpoint could not be reached"
    TIMED_OUT = "the answer did not come within the time limit"
    HTTP_STATUS = "the endpoint answered with an error status"
    OVERSIZED = "the answer is larger than the limit"
    NOT_A_COMPLETION = "the endpoint's answer is not a chat completion"
    TRUNCATED = "the answer was cut off"
    FILTERED = "the endpoint or the model refused to answer"
    NOT_JSON = "the answer is not one JSON object"
    WRONG_SHAPE = "a field of the answer is missing, unknown or of another type"
    NOT_SHOWN = "the answer names something that the agent was not shown"
    NOT_ITS_TURN = "the terms await the other side"
    OUTSIDE_MANDATE = "the sum is above what the mandate leaves"
    BELOW_RESERVE = "the sum is below the seller's own reserve"
    WRONG_SUM = "the prices of the items do not sum to a price that can be offered"


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason, and what it was about.

    Parameters
    ----------
    reason : Unusable
    detail : str
        Which field or status; never a key, never more than a line.
    """

    reason: Unusable
    detail: str = ""

    def __str__(self) -> str:
        """The sentence, and the detail where there is one."""
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an answer.

    Parameters
    ----------
    name : str
    kind : str
        ``choice``, ``text``, ``identifier``, ``identifiers``, ``amount`` (a whole number of minor units) or
        ``items`` (names and amounts).
    about : str
        What it means, for the model.
    choices : tuple of str
        Of a choice.
    most : int
        Characters of a text, or entries of a list [1].
    optional : bool
        May be null.
    """

    name: str
    kind: Literal["choice", "text", "identifier", "identifiers", "amount", "items"]
    about: str
    choices: tuple[str, ...] = ()
    most: int = 300
    optional: bool = True


Shape = tuple[Field, ...]


def json_schema(shape: Shape) -> dict[str, Any]:
    """JSON schema of an answer: every field is required, optional ones may be null, no other is allowed.

    >>> json_schema((Field("action", "choice", "what to do", ("wait", "stop"), optional=False),))["required"]
    ['action']
    """
    properties = {}
    for field in shape:
        entry = _entry(field) | {"description": field.about}
        if field.optional:
            entry["type"] = [entry["type"], "null"]
        properties[field.name] = entry
    return {
        "type": "object",
        "properties": properties,
        "required": [field.name for field in shape],
        "additionalProperties": False,
    }


def _entry(field: Field) -> dict[str, Any]:
    if field.kind == "choice":
        return {"type": "string", "enum": list(field.choices)}
    if field.kind == "amount":
        return {"type": "integer"}
    if field.kind == "identifiers":
        return {"type": "array", "items": {"type": "string"}}
    if field.kind == "items":
        pair = {
            "type": "object",
            "properties": {"name": {"type": "string"}, "price_minor": {"type": "integer"}},
            "required": ["name", "price_minor"],
            "additionalProperties": False,
        }
        return {"type": "array", "items": pair}
    return {"type": "string"}


def read_answer(text: str, shape: Shape) -> dict[str, Any] | Problem:
    """Read an answer strictly.

    Parameters
    ----------
    text : str
        What the model wrote.
    shape : tuple of Field

    Returns
    -------
    dict or Problem
        Every field of the shape, None where it is null; or why the answer is not used.

    Examples
    --------
    >>> shape = (Field("action", "choice", "", ("buy", "wait"), optional=False), Field("total_minor", "amount", ""))
    >>> read_answer('{"action": "buy", "total_minor": 1200}', shape)
    {'action': 'buy', 'total_minor': 1200}
    >>> print(read_answer('{"action": "buy", "total_minor": 12.5}', shape))
    the answer is not one JSON object: 12.5 is not a whole number
    >>> print(read_answer("Sure! I will buy it.", shape))
    the answer is not one JSON object: 'Sure! I will buy it.'
    """
    try:
        found = json.loads(
            text, object_pairs_hook=_once, parse_float=_no_fraction, parse_constant=_no_fraction, parse_int=_whole
        )
    except _StrictError as error:
        return Problem(Unusable.NOT_JSON, str(error))
    except (ValueError, RecursionError):
        return Problem(Unusable.NOT_JSON, shorten(text.strip()[:_NOT_EVEN_NEAR]) if text.strip() else "empty")
    if type(found) is not dict:
        return Problem(Unusable.NOT_JSON, f"a {type(found).__name__}")
    known = {field.name for field in shape}
    for name in found:
        if name not in known:
            return Problem(Unusable.WRONG_SHAPE, f"{shorten(name)} is unknown")
    for field in shape:
        if field.name not in found:
            return Problem(Unusable.WRONG_SHAPE, f"{field.name} is missing")
        if not (field.optional and found[field.name] is None) and not fits(found[field.name], field):
            return Problem(Unusable.WRONG_SHAPE, field.name)
    return {field.name: found[field.name] for field in shape}


def fits(value: object, field: Field) -> bool:
    """Whether a value is what a field takes.

    >>> fits(12, Field("total", "amount", "")), fits(True, Field("total", "amount", ""))
    (True, False)
    """
    if field.kind == "amount":
        return type(value) is int and 0 < value <= LARGEST
    if field.kind in ("identifiers", "items"):
        if not isinstance(value, list) or len(value) > field.most:
            return False
        return all(_identifier(v) for v in value) if field.kind == "identifiers" else all(_pair(v) for v in value)
    if type(value) is not str:
        return False
    if field.kind == "choice":
        return value in field.choices
    return _identifier(value) if field.kind == "identifier" else _text(value, field.most)


def _identifier(value: object) -> bool:
    return type(value) is str and _IDENTIFIER(value) is not None


def _text(value: str, most: int) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return len(value) <= most


def _pair(value: object) -> bool:
    if type(value) is not dict or set(value) != {"name", "price_minor"}:
        return False
    name, price = value["name"], value["price_minor"]
    return type(name) is str and _text(name, 300) and type(price) is int and 0 <= price <= LARGEST


class _StrictError(ValueError):
    """JSON that Python would take and the rails would not."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _StrictError("a name stands twice")
    return found


def _no_fraction(text: str) -> Any:
    raise _StrictError(f"{shorten(text).strip(chr(39))} is not a whole number")


def _whole(text: str) -> int:
    if len(text) > 20:
        raise _StrictError(f"{len(text)} digits are no amount")
    return int(text)
