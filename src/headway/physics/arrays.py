"""How every function of this floor takes and gives numbers: checked on the way in, plain on the way out."""

from __future__ import annotations

import sys
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headway.facts import check

# A float where every argument was a scalar, else an array of the broadcast shape. A union would
# make each caller narrow a type that its own arguments already decide.
Numbers: TypeAlias = Any
Floats: TypeAlias = NDArray[np.float64]

_LARGEST: Final = sys.float_info.max


def _within(value: ArrayLike, least: float, strict: bool, most: float) -> bool:
    """Tell in two reductions whether a float array is in range; NaN is not."""
    if not (isinstance(value, np.ndarray) and value.dtype == np.float64 and value.size):
        return False
    low, high = (value.min(), value.max()) if value.ndim else (value.item(),) * 2
    return bool((low > least if strict else low >= least) and high <= most)


def positive(field: str, value: ArrayLike, unit: str = "") -> Floats:
    """Require finite numbers above zero; return them as a float array.

    >>> positive("bandwidth", [8e12, 3e12], "B/s").tolist()
    [8000000000000.0, 3000000000000.0]
    """
    if not _within(value, 0.0, True, _LARGEST):
        check.positive(field, value, unit)
    return np.asarray(value, dtype=float)


def not_negative(field: str, value: ArrayLike, unit: str = "") -> Floats:
    """Require finite numbers of at least zero; return them as a float array.

    >>> not_negative("context", 0, "token").item()
    0.0
    """
    if not _within(value, 0.0, False, _LARGEST):
        check.not_negative(field, value, unit)
    return np.asarray(value, dtype=float)


def fraction(field: str, value: ArrayLike, *, allow_one: bool = True) -> Floats:
    """Require numbers from 0 to 1 (below 1 when `allow_one` is false); return them as a float array.

    >>> fraction("cache_hit", 0.563).item()
    0.563
    """
    if not (allow_one and _within(value, 0.0, False, 1.0)):
        check.fraction(field, value, allow_one=allow_one)
    return np.asarray(value, dtype=float)


def whole(field: str, value: ArrayLike, *, least: int = 1, most: int | None = None) -> Floats:
    """Require whole numbers of at least `least`; return them as a float array.

    >>> whole("ranks", [1, 8]).tolist()
    [1.0, 8.0]
    """
    numbers = np.asarray(value, dtype=float) if isinstance(value, np.ndarray) and value.dtype.kind in "fi" else None
    top = _LARGEST if most is None else float(most)
    if numbers is None or not (_within(numbers, least, False, top) and np.all(np.floor(numbers) == numbers)):
        check.whole(field, value, least=least, most=most)
    return np.asarray(value, dtype=float) if numbers is None else numbers


def together(*values: Any) -> tuple[Numbers, ...]:
    """Give several results the shape that they broadcast to; floats where none has axes.

    >>> together(1.0, 2.0), [part.shape for part in together(1.0, np.ones(3))]
    ((1.0, 2.0), [(3,), (3,)])
    """
    return tuple(plain(value) for value in np.broadcast_arrays(*values))


def plain(value: Any) -> Numbers:
    """Give a Python number for a result without axes, else the array.

    >>> plain(np.float64(2.5)), plain(np.array([1.0, 2.0])).shape
    (2.5, (2,))
    """
    return np.asarray(value).item() if np.ndim(value) == 0 else value
