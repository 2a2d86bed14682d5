"""Whether the fields of a command are well formed: one check a field name, the same for every command."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from headway.economy.commands import ALGORITHMS, KINDS, ROLES, Items
from headway.economy.entries import reader
from headway.economy.mandates import Mandate
from headway.economy.money import CURRENCIES, LARGEST
from headway.economy.refusals import Refusal

Check: TypeAlias = Callable[[Any], Refusal | None]
_LETTERS: Final = r"[A-Za-z0-9._~:@/+=-]{1,128}"
_IDENTIFIER: Final = re.compile(_LETTERS).fullmatch
MOST_TEXT: Final = 20_000
MOST_ITEMS: Final = 1_000


def _identifier(value: Any) -> Refusal | None:
    if not isinstance(value, str):
        return Refusal.MALFORMED
    return None if _IDENTIFIER(value) else Refusal.BAD_IDENTIFIER


def _identifier_or_none(value: Any) -> Refusal | None:
    return None if value is None else _identifier(value)


def _text(value: Any) -> Refusal | None:
    if type(value) is not str:
        return Refusal.MALFORMED
    if len(value) > MOST_TEXT:
        return Refusal.BAD_TEXT
    try:
        value.encode()
    except UnicodeEncodeError:
        return Refusal.BAD_TEXT
    return None


def _natural(value: Any) -> Refusal | None:
    if type(value) is not int or value < 0:
        return Refusal.MALFORMED
    return Refusal.AMOUNT_OVERFLOWS if value > LARGEST else None


def _rate(value: Any) -> Refusal | None:
    return None if type(value) is int and 0 <= value <= 10_000 else Refusal.MALFORMED


def _price(value: Any) -> Refusal | None:
    if type(value) is not int:
        return Refusal.MALFORMED
    if value < 0:
        return Refusal.AMOUNT_NOT_POSITIVE
    return Refusal.AMOUNT_OVERFLOWS if value > LARGEST else None


def _amount(value: Any) -> Refusal | None:
    return Refusal.AMOUNT_NOT_POSITIVE if type(value) is int and value == 0 else _price(value)


def _currency(value: Any) -> Refusal | None:
    if type(value) is not str:
        return Refusal.MALFORMED
    return None if value in CURRENCIES else Refusal.UNKNOWN_CURRENCY


def _bytes(value: Any) -> Refusal | None:
    return None if type(value) is bytes and 0 < len(value) <= 512 else Refusal.MALFORMED


def _one_of(names: tuple[str, ...]) -> Check:
    return lambda value: None if type(value) is str and value in names else Refusal.MALFORMED


def _many(one: Check, *, optional: bool = False) -> Check:
    def check(value: Any) -> Refusal | None:
        if optional and value is None:
            return None
        if type(value) is not tuple or len(value) > MOST_ITEMS:
            return Refusal.MALFORMED
        return next((bad for bad in map(one, value) if bad is not None), None)

    return check


def _items(value: Any) -> Refusal | None:
    if type(value) is not tuple or not 0 < len(value) <= MOST_ITEMS:
        return Refusal.MALFORMED
    for pair in value:
        if type(pair) is not tuple or len(pair) != 2:
            return Refusal.MALFORMED
        bad = _text(pair[0]) or _price(pair[1])
        if bad is not None:
            return bad
    return None


def _mandate(value: Any) -> Refusal | None:
    if type(value) is not Mandate:
        return Refusal.MALFORMED
    return next((bad for name, check in _MANDATE if (bad := check(getattr(value, name))) is not None), None)


def _flag(value: Any) -> Refusal | None:
    return None if type(value) is bool else Refusal.MALFORMED


_MANDATE: Final[tuple[tuple[str, Check], ...]] = (
    ("mandate_id", _identifier),
    ("user", _identifier),
    ("agent", _identifier),
    ("per_deal", _amount),
    ("total", _amount),
    ("currency", _currency),
    ("not_before_us", _natural),
    ("not_after_us", _natural),
    ("merchants", _many(_identifier, optional=True)),
    ("items", _many(_text, optional=True)),
    ("single_use", _flag),
    ("nonce", _identifier),
)

_BY_NAME: Final = MappingProxyType(
    {
        "key": _identifier,
        "agent_id": _identifier,
        "listing_id": _identifier,
        "offer_id": _identifier,
        "mandate_id": _identifier,
        "buyer": _identifier,
        "user": _identifier_or_none,
        "audience": _identifier,
        "amount": _amount,
        "total": _amount,
        "micros": _price,
        "refund": _price,
        "currency": _currency,
        "compute_currency": _currency,
        "text": _text,
        "evidence": _text,
        "reason": _text,
        "tags": _many(_text),
        "items": _items,
        "public_key": _bytes,
        "signature": _bytes,
        "role": _one_of(ROLES),
        "algorithm": _one_of(ALGORITHMS),
        "mandate": _mandate,
        "fee_bps": _rate,
    }
)
"""How a field of this name is checked, whichever command it belongs to; the others are whole numbers from 0."""


class _Shape(NamedTuple):
    """Identifiers of a command, matched in one go, the checks of its other fields, and items beside their total."""

    identifiers: Callable[[Any], tuple[Any, ...]]
    match: Callable[[str], object]
    others: tuple[tuple[str, Check], ...]
    checks: tuple[tuple[str, Check], ...]
    priced: Callable[[Any], tuple[Items, int]] | None


def _shape(command: Any) -> _Shape:
    checks = tuple((one.name, _BY_NAME.get(one.name, _natural)) for one in fields(command))
    names = [name for name, check in checks if check is _identifier]
    both = {"items", "total"} <= {name for name, _ in checks}
    priced: Callable[[Any], tuple[Items, int]] | None = attrgetter("items", "total") if both else None
    others = tuple(pair for pair in checks if pair[1] is not _identifier)
    # No identifier holds the line feed that stands between them here.
    lines = re.compile("\n".join([_LETTERS] * len(names))).fullmatch
    return _Shape(reader(names), lines, others, checks, priced)


_SHAPES: Final = MappingProxyType({command: _shape(command) for command in KINDS.values()})


def refuse_shape(command: object) -> Refusal | None:
    """Why a command is not well formed, or None where it is; nothing but the command decides.

    >>> from headway.economy.commands import Deposit
    >>> refuse_shape(Deposit("k1", "alice", 5, "USD"))
    >>> (
    ...     refuse_shape(Deposit("k1", "alice' OR 1=1", 5, "USD")).name,
    ...     refuse_shape(Deposit("k1", "alice", -5, "USD")).name,
    ... )
    ('BAD_IDENTIFIER', 'AMOUNT_NOT_POSITIVE')
    """
    shape = _SHAPES.get(type(command))
    if shape is None:
        return Refusal.UNKNOWN_COMMAND
    try:
        fine = shape.match("\n".join(shape.identifiers(command)))
    except TypeError:
        fine = None
    for name, check in shape.others if fine else shape.checks:
        bad = check(getattr(command, name))
        if bad is not None:
            return bad
    if shape.priced is not None:
        items, total = shape.priced(command)
        if sum([price for _, price in items]) != total:
            return Refusal.ITEMS_DO_NOT_SUM
    return None
