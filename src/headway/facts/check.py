"""Checks on numbers, the same for scalars and arrays. Each returns its value or raises one clear error."""

from __future__ import annotations

import sys
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.errors import RangeError

_LARGEST: Final = sys.float_info.max


def _plain(value: ArrayLike) -> bool:
    """Tell whether a value is one Python number: most are, and need no array to be looked at."""
    return type(value) is float or type(value) is int


def _numbers(field: str, value: ArrayLike, expected: str) -> np.ndarray[Any, Any]:
    if isinstance(value, (bool, np.bool_, str, bytes)) or value is None:
        raise RangeError(field, value, expected)
    try:
        array = np.asarray(value)
        # Lists of strings or of truth values would otherwise pass for numbers.
        if array.dtype.kind not in "iufO":
            raise RangeError(field, value, expected)
        return np.asarray(array, dtype=float)
    except (TypeError, ValueError, OverflowError):
        raise RangeError(field, value, expected) from None


def _refuse(field: str, array: np.ndarray[Any, Any], good: np.ndarray[Any, Any], expected: str) -> None:
    if not np.all(good):
        offending = float(f"{array[~good].flat[0] if array.ndim else array.item():.6g}")
        raise RangeError(field, int(offending) if offending.is_integer() else offending, expected)


def single(field: str, value: ArrayLike) -> Any:
    """Require one value, not several; return it as given.

    >>> single("isl", 4000)
    4000
    """
    if np.ndim(value):
        raise RangeError(field, value, "one number, not several")
    return value


def positive(field: str, value: ArrayLike, unit: str = "") -> Any:
    """Require finite numbers above zero; return `value` as given.

    >>> positive("bandwidth", 8e12, "B/s")
    8000000000000.0
    >>> positive("bandwidth", [8e12, -1.0], "B/s")
    Traceback (most recent call last):
    headway.facts.errors.RangeError: bandwidth: -1 is not accepted: expected a finite number above 0 B/s
    """
    if _plain(value) and 0 < value <= _LARGEST:  # type: ignore[operator]  # a number, as just said
        return value
    expected = f"a finite number above 0{' ' + unit if unit else ''}"
    array = _numbers(field, value, expected)
    _refuse(field, array, np.isfinite(array) & (array > 0), expected)
    return value


def not_negative(field: str, value: ArrayLike, unit: str = "") -> Any:
    """Require finite numbers of at least zero; return `value` as given.

    >>> not_negative("context", [0, 4096], "token")
    [0, 4096]
    """
    if _plain(value) and 0 <= value <= _LARGEST:  # type: ignore[operator]  # a number, as just said
        return value
    expected = f"a finite number of at least 0{' ' + unit if unit else ''}"
    array = _numbers(field, value, expected)
    _refuse(field, array, np.isfinite(array) & (array >= 0), expected)
    return value


def fraction(field: str, value: ArrayLike, *, allow_one: bool = True) -> Any:
    """Require numbers in [0, 1] (or [0, 1) when `allow_one` is false); return `value` as given.

    >>> fraction("cache_hit", 0.563)
    0.563
    """
    expected = "a fraction from 0 to 1" if allow_one else "a fraction from 0 to below 1"
    array = _numbers(field, value, expected)
    upper = array <= 1 if allow_one else array < 1
    _refuse(field, array, np.isfinite(array) & (array >= 0) & upper, expected)
    return value


def whole(field: str, value: ArrayLike, *, least: int = 1, most: int | None = None) -> Any:
    """Require whole numbers of at least `least` (and at most `most`); return `value` as given.

    >>> whole("tp", 8)
    8
    """
    if type(value) is int and least <= value <= (_LARGEST if most is None else most):
        return value
    expected = f"a whole number of at least {least}" + (f" and at most {most:,}" if most is not None else "")
    array = _numbers(field, value, expected)
    good = np.isfinite(array) & (array >= least) & (array == np.floor(array))
    if most is not None:
        good &= array <= most
    _refuse(field, array, good, expected)
    return value
