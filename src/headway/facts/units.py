"""Units at the edge: one parser from text to SI floats, one formatter back.

The command line, TOML files and the web page all call :func:`parse`; inside the library there are
only floats in bytes, FLOP, seconds, tokens, watts, joules and dollars. One table
(:mod:`headway.facts.dimensions`) drives parsing, error messages and documentation.

* Decimal and binary prefixes are distinct: ``1 GB`` is 1e9 B, ``1 GiB`` is 2**30 B, ``4k`` is 4,000 tokens
  and ``4Ki`` is 4,096.
* Prefixes are case-sensitive (``MB`` is not ``mb``); ``k`` and ``K`` are both 1,000.
* Network rates may be quoted in bits (``800 Gb/s`` is 1e11 B/s); amounts of memory may not.
* Prices keep the unit of their trade, because their names in code do: dollars per GPU-hour, per million
  tokens (and hour) and per kilowatt-hour.
"""

from __future__ import annotations

import difflib
import math
import re
from functools import cache
from types import MappingProxyType
from typing import Any, SupportsFloat

import numpy as np

from headway.facts.check import whole
from headway.facts.dimensions import DIMENSIONS, LARGEST, PREFIXES, Dimension, Scale
from headway.facts.errors import UnitError, unknown

__all__ = ["DIMENSIONS", "dimension", "format_quantity", "listing", "parse", "spellings"]

_LONGEST = 64
_NUMBER = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(.*)", re.ASCII)
_AFTER_DOLLAR = re.compile(r"([kKMB]?)(/.*)?")


def dimension(name: str) -> Dimension:
    """Look a dimension up by name.

    Raises
    ------
    UnknownNameError
        If there is no such dimension.
    """
    try:
        return DIMENSIONS[name]
    except (KeyError, TypeError):
        raise unknown("dimension", str(name), DIMENSIONS, f"one of {', '.join(sorted(DIMENSIONS))}") from None


@cache
def spellings(name: str) -> MappingProxyType[str, float]:
    """Every accepted spelling of a dimension's units, prefixes included, with its factor.

    >>> spellings("bytes")["GiB"]
    1073741824.0
    """
    return MappingProxyType(
        {
            prefix + unit.symbol: scale * unit.factor
            for unit in dimension(name).units
            for prefix, scale in PREFIXES[unit.prefixes].items()
        }
    )


def listing(name: str) -> str:
    """The units of a dimension on one line, one spelling each, and the prefixes they may carry.

    >>> listing("seconds")
    'ns, us, ms, s, min, h, d, wk'
    >>> listing("watts")
    'W; prefixes k K M G T P E Z Y'
    """
    units = [unit for unit in dimension(name).units if unit.symbol]
    symbols = {unit.factor: unit.symbol for unit in reversed(units)}
    prefixes = " ".join(dict.fromkeys(prefix for unit in units for prefix in PREFIXES[unit.prefixes] if prefix))
    first = ", ".join(unit.symbol for unit in units if symbols[unit.factor] == unit.symbol)
    return f"{first}; prefixes {prefixes}" if prefixes else first


def _measures(key: str) -> str | None:
    """Noun of another dimension that has this unit."""
    return next((found.noun for name, found in DIMENSIONS.items() if key in spellings(name)), None)


def _error(field: str, value: object, wanted: Dimension, reason: str, hint: str | None = None) -> UnitError:
    needs = "" if "" in spellings(wanted.name) else " with its unit"
    return UnitError(field, value, f"{wanted.noun}{needs}, such as {' or '.join(wanted.examples)} ({reason})", hint)


def _unit_error(field: str, text: str, number: str, key: str, wanted: Dimension) -> UnitError:
    """The error for a unit that `wanted` does not have: missing, of another dimension, or misspelt."""
    if not key:
        return _error(field, text, wanted, "the unit is missing")
    other = _measures(key)
    if other:
        return _error(field, text, wanted, f"{key} measures {other}")
    table = spellings(wanted.name)
    same_letters = [known for known in table if known.lower() == key.lower()]
    guesses = same_letters[:2] or difflib.get_close_matches(key, table, n=1, cutoff=0.75)
    hint = " or ".join(f"{number} {guess}" for guess in guesses) or None
    return _error(field, text, wanted, f"unknown unit {key[:20]}; units: {listing(wanted.name)}", hint)


def _split(field: str, text: str, wanted: Dimension) -> tuple[str, str]:
    """Text of the number, and the unit without spaces; a leading dollar sign joins the unit."""
    if len(text) > _LONGEST:
        raise _error(field, text, wanted, f"at most {_LONGEST} characters")
    body = text.strip()
    if not body:
        raise _error(field, text, wanted, "empty")
    dollar = re.match(r"\$|USD\b", body)
    if dollar:
        body = body[dollar.end() :].strip()
    match = _NUMBER.fullmatch(body)
    if not match:
        unreal = re.match(r"[+-]?(nan|inf)", body, re.IGNORECASE)
        raise _error(field, text, wanted, "a finite number" if unreal else "it has no number")
    number, rest = match.groups()
    if re.match(r"[,_'][0-9]", rest):
        raise _error(field, text, wanted, "write digits without separators")
    key = re.sub(r"\bper\b", "/", rest.replace("USD", "$")).replace(" ", "")
    if dollar:
        parts = _AFTER_DOLLAR.fullmatch(key)
        key = f"{parts[1]}${parts[2] or ''}" if parts else f"${key}"
    return number, key


def _accept(field: str, given: object, value: float, wanted: Dimension) -> float:
    if not math.isfinite(value):
        raise _error(field, given, wanted, "a finite number")
    if value < 0:
        raise _error(field, given, wanted, "at least 0")
    if value > wanted.largest * (1 + 1e-12):
        raise _error(field, given, wanted, f"at most {wanted.largest:g}")
    if 0 < value < 1 / LARGEST:
        raise _error(field, given, wanted, "too small to mean anything")
    return value + 0.0


def _number(field: str, value: float | np.number[Any], wanted: Dimension) -> float:
    """A number that came as a number: only where the dimension needs no unit."""
    if "" not in spellings(wanted.name):
        raise _error(field, str(value), wanted, "the unit is missing")
    try:
        return _accept(field, value, float(value), wanted)
    except OverflowError:
        raise _error(field, value, wanted, f"at most {wanted.largest:g}") from None


def _scaled(number: str, factor: float) -> float:
    """The number times the factor, correctly rounded: ``"10"`` and 1e-6 give 1e-5, as in a Python literal."""
    power = round(math.log10(factor))
    if float(f"1e{power}") == factor:
        mantissa, _, exponent = number.lower().partition("e")
        return float(f"{mantissa}e{int(exponent or 0) + power}")
    inverse = round(1 / factor)
    return float(number) / inverse if inverse and math.isclose(inverse * factor, 1) else float(number) * factor


def parse(text: object, dimension_name: str, field: str = "value") -> float:
    """Read a quantity with its unit as a float in the unit of its dimension.

    Parameters
    ----------
    text : str or number
        What the user wrote. A number, or text without a unit, is accepted only where the dimension
        needs no unit: tokens, counts and fractions.
    dimension_name : str
        Key of :data:`~headway.facts.dimensions.DIMENSIONS`; its ``unit`` is the unit of the result.
        Amounts are SI; prices keep the unit of their name (``$/GPU-h``, ``$/Mtok``, ``$/Mtok-h``,
        ``$/kWh``); ``tokens_per_day`` is per day.
    field : str
        Name of the field, for the error message.

    Returns
    -------
    float
        Finite and not negative.

    Raises
    ------
    UnitError
        If the unit is missing, unknown or of another dimension, or the number is absent, negative,
        not finite or absurd.

    Examples
    --------
    >>> parse("8 TB/s", "bytes_per_second"), parse("80 GiB", "bytes"), parse("20ms", "seconds")
    (8000000000000.0, 85899345920.0, 0.02)
    >>> parse("$2.10/GPU-h", "dollars_per_gpu_hour"), parse("200k tok", "tokens"), parse("1e26 FLOP", "flop")
    (2.1, 200000.0, 1e+26)
    >>> parse("4k", "tokens"), parse("4Ki", "tokens"), parse("56%", "fraction")
    (4000.0, 4096.0, 0.56)
    >>> parse("1.2", "fraction", "hit")
    Traceback (most recent call last):
        ...
    headway.facts.errors.UnitError: hit: '1.2' is not accepted: expected a fraction, such as 56% or 0.56 (at most 1)
    """
    wanted = dimension(dimension_name)
    if isinstance(text, (int, float, np.number)) and not isinstance(text, bool):
        return _number(field, text, wanted)
    if not isinstance(text, str):
        raise _error(field, text, wanted, "text")
    number, key = _split(field, text, wanted)
    table = spellings(wanted.name)
    if key not in table:
        raise _unit_error(field, text, number, key, wanted)
    return _accept(field, text, _scaled(number, table[key]), wanted)


def _rounded(value: float, digits: int) -> str:
    """Scientific text of `value` with `digits` significant digits, exact halves rounded up."""
    return f"{math.nextafter(value, math.inf) if value else 0.0:.{digits - 1}e}"


def _significant(value: float, digits: int) -> str:
    """Decimal text of `value` with `digits` significant digits and no trailing zeros."""
    text = _rounded(value, digits)
    mantissa, _, exponent = text.partition("e")
    power = int(exponent)
    if -6 < power < 6:
        mantissa, power = f"{float(text):.{max(digits - 1 - power, 0)}f}", 0
    short = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{short}e{power}" if power else short


def _scale(wanted: Dimension, size: float, digits: int) -> Scale:
    """The scale that a value is shown in."""
    nearest_up = float(_rounded(size, digits))
    plain = next((step for step in wanted.scales if step.factor == 1), wanted.scales[-1])
    if size == 0 or (wanted.scientific and nearest_up >= 1e3 * wanted.scales[0].factor):
        return plain
    scale = next(step for step in wanted.scales if nearest_up >= step.least)
    # One power of ten, not a power of ten of a prefix.
    return plain if "e" in _significant(size / scale.factor, digits) else scale


def shown_unit(value: float, dimension_name: str) -> float:
    """The unit in which a value is shown, in the unit of its dimension: minutes for an axis that ends at 350 s.

    Parameters
    ----------
    value : float
        In the unit of the dimension.
    dimension_name : str
        Key of :data:`~headway.facts.dimensions.DIMENSIONS`.

    Examples
    --------
    >>> shown_unit(350.0, "seconds"), shown_unit(40e9, "bytes"), shown_unit(float("nan"), "seconds")
    (60.0, 1000000000.0, 1.0)
    """
    size = abs(float(value))
    return _scale(dimension(dimension_name), size, 4).factor if math.isfinite(size) else 1.0


def format_quantity(value: SupportsFloat, dimension_name: str, digits: int = 3) -> str:
    """Show a float with a fitting prefix, its unit and `digits` significant digits.

    Parameters
    ----------
    value : float
        In the unit of the dimension, as :func:`parse` returns it.
    dimension_name : str
        Key of :data:`~headway.facts.dimensions.DIMENSIONS`.
    digits : int
        Significant digits, 1 to 15 [1].

    Returns
    -------
    str
        Text that :func:`parse` reads back to within its digits, for values that are not negative.

    Examples
    --------
    >>> format_quantity(1.16e-3, "seconds"), format_quantity(212e9, "bytes")
    ('1.16 ms', '212 GB')
    >>> format_quantity(0.3125, "dollars_per_mtok"), format_quantity(2.1, "dollars_per_gpu_hour")
    ('$0.313/Mtok', '$2.10/GPU-h')
    >>> format_quantity(7583, "tokens_per_second"), format_quantity(671e9, "count")
    ('7.58k tok/s', '671B')
    >>> format_quantity(0.563, "fraction"), format_quantity(9e25, "flop"), format_quantity(6.75e24, "tokens")
    ('56.3%', '9e25 FLOP', '6.75e24 tok')
    """
    wanted = dimension(dimension_name)
    whole("digits", digits, least=1, most=15)
    number = float(value)
    size = abs(number)
    if not math.isfinite(size):
        return f"{number} {wanted.unit}"
    scale = _scale(wanted, size, digits)
    shown = _significant(size / scale.factor, digits)
    if wanted.money and scale.factor == 1 and re.fullmatch(r"[0-9]{1,2}\.[0-9]", shown):
        shown += "0"
    sign = "-" if number < 0 and shown != "0" else ""
    return f"{sign}{'$' if wanted.money else ''}{shown}{scale.suffix}"
