"""Money as integers: millionths of a currency's major unit, so that a decision of a hundredth of a cent is still whole.

Amounts are plain ``int`` micros with the currency beside them. What people agree on (prices, offers, deposits) must be
whole minor units; what machines are billed (tokens, fees) may be any whole number of micros. All of them fit 64 bits.

Source of codes and exponents: ISO 4217 list one, as published by SIX (retrieved 2026-11-23; datasheet).
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Final, NamedTuple

from headway.facts.errors import InputError, RangeError, unknown

MICROS_PER_MAJOR: Final = 1_000_000
LARGEST: Final = 2**63 - 1


class Currency(NamedTuple):
    """One currency.

    Parameters
    ----------
    code : str
        ISO 4217 code.
    exponent : int
        Decimal places of the minor unit.
    minor : int
        Micros of one minor unit, 10^(6 - exponent).
    name : str
        Name in English.
    """

    code: str
    exponent: int
    minor: int
    name: str


_ROWS: Final = (
    ("AED", 2, "UAE dirham"),
    ("AUD", 2, "Australian dollar"),
    ("BHD", 3, "Bahraini dinar"),
    ("BRL", 2, "Brazilian real"),
    ("CAD", 2, "Canadian dollar"),
    ("CHF", 2, "Swiss franc"),
    ("CLP", 0, "Chilean peso"),
    ("CNY", 2, "Yuan renminbi"),
    ("DKK", 2, "Danish krone"),
    ("EUR", 2, "Euro"),
    ("GBP", 2, "Pound sterling"),
    ("HKD", 2, "Hong Kong dollar"),
    ("IDR", 2, "Rupiah"),
    ("INR", 2, "Indian rupee"),
    ("JPY", 0, "Yen"),
    ("KRW", 0, "Won"),
    ("KWD", 3, "Kuwaiti dinar"),
    ("MXN", 2, "Mexican peso"),
    ("NOK", 2, "Norwegian krone"),
    ("NZD", 2, "New Zealand dollar"),
    ("PLN", 2, "Zloty"),
    ("SEK", 2, "Swedish krona"),
    ("SGD", 2, "Singapore dollar"),
    ("TND", 3, "Tunisian dinar"),
    ("USD", 2, "US dollar"),
    ("VND", 0, "Dong"),
    ("ZAR", 2, "Rand"),
)
CURRENCIES: Final = MappingProxyType({code: Currency(code, e, 10 ** (6 - e), name) for code, e, name in _ROWS})


def currency(code: str) -> Currency:
    """Currency of a code.

    Raises
    ------
    UnknownNameError
        Where the table has no such code.

    Examples
    --------
    >>> currency("JPY").exponent
    0
    """
    found = CURRENCIES.get(code)
    if found is None:
        raise unknown("currency", code, CURRENCIES)
    return found


def micros(text: str, code: str) -> int:
    """Micros of an amount as people write it: micros = 10^6 x amount.

    Parameters
    ----------
    text : str
        Decimal number of major units, at most the minor unit's places (``"12.34"``).
    code : str
        ISO 4217 code.

    Raises
    ------
    InputError
        Where the text is no number, or finer than a minor unit.
    RangeError
        Outside 64 bits.

    Examples
    --------
    >>> micros("12.34", "USD"), micros("-5", "JPY")
    (12340000, -5000000)
    """
    kind = currency(code)
    try:
        value = Decimal(text)
    except (InvalidOperation, TypeError, ValueError):
        value = Decimal("nan")
    expected = f"a decimal number with at most {kind.exponent} places in {code}"
    if not value.is_finite() or abs(value.adjusted()) > 30:
        raise InputError("amount", text, expected)
    exact = value * MICROS_PER_MAJOR
    if exact % kind.minor:
        raise InputError("amount", text, expected)
    return _bounded(int(exact), text)


def minor_to_micros(amount: int, code: str) -> int:
    """Micros of a whole number of minor units: micros = amount x 10^(6 - exponent).

    >>> minor_to_micros(1234, "USD"), minor_to_micros(1234, "JPY")
    (12340000, 1234000000)
    """
    return _bounded(amount * currency(code).minor, amount)


def is_whole(amount: int, code: str) -> bool:
    """Whether micros are a whole number of minor units.

    >>> is_whole(10_000, "USD"), is_whole(10_001, "USD"), is_whole(10_000, "JPY")
    (True, False, False)
    """
    return amount % currency(code).minor == 0


def show(amount: int, code: str) -> str:
    """Micros as people write them: the minor unit's places, and more only where they are needed.

    >>> show(12_340_000, "USD"), show(17, "USD"), show(-5_000_000, "JPY")
    ('12.34', '0.000017', '-5')
    """
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), MICROS_PER_MAJOR)
    places = currency(code).exponent
    digits = f"{rest:06d}"
    kept = digits[:places] + digits[places:].rstrip("0")
    return f"{sign}{whole}.{kept}" if kept else f"{sign}{whole}"


def _bounded(amount: int, given: object) -> int:
    if abs(amount) > LARGEST:
        raise RangeError("amount", given, "an amount whose micros fit 64 bits")
    return amount
