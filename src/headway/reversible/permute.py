r"""A permutation of an index range by key: shuffle N items with no table, one index at a time and back.

The range is put into the smallest square that holds it, an index `i` being the pair ``(i // a, i % a)`` with
:math:`a = \lceil \sqrt{N} \rceil`. A Feistel network over addition modulo `a` permutes the square; the few indices
that leave the range (less than a share of :math:`2/\sqrt{N}`) are sent through again until they are back, which keeps
the whole a permutation ("cycle walking"). A power of two in place of the square would send up to three of four.

For data loading: any worker computes the item of any position, of any epoch, from `(N, key)` alone. It mixes well
enough to shuffle; it is no encryption.

References
----------
Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002 (generalized Feistel, cycle walking); the
mixing of 64 bits is that of Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headway.facts.check import whole
from headway.facts.errors import RangeError
from headway.reversible import feistel

Indices: TypeAlias = NDArray[np.uint64]

ROUNDS = 6
MOST_ITEMS = 1 << 62
# Indices worked on at once: a few arrays of this length stay in a core's cache.
_BATCH = 1 << 13
_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_ODD = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_HALF = np.uint64(32)
_SPREAD = np.uint64(29)


def _mix(value: int) -> int:
    """One step of the generator that keys come from."""
    value = (value + _GOLDEN) & _MASK
    value = ((value ^ (value >> 30)) * _ODD[0]) & _MASK
    value = ((value ^ (value >> 27)) * _ODD[1]) & _MASK
    return value ^ (value >> 31)


@dataclass(frozen=True, slots=True)
class IndexPermutation:
    """A permutation of ``0 .. size - 1``; memory does not depend on the size.

    Parameters
    ----------
    size : int
        Items N, at least 1.
    side : int
        Side of the square that holds them.
    keys : tuple of int
        One number of 64 bits a round.

    Examples
    --------
    >>> order = permutation(10, key=1)
    >>> sorted(int(i) for i in order(range(10))) == list(range(10))
    True
    >>> [int(i) for i in order.position(order([3, 4]))]
    [3, 4]
    """

    size: int
    side: int
    keys: tuple[int, ...]

    def __call__(self, position: ArrayLike) -> Indices:
        """Item at each position."""
        return self._walk(position, backwards=False)

    def position(self, item: ArrayLike) -> Indices:
        """Position of each item: the inverse."""
        return self._walk(item, backwards=True)

    def last_of(self, start: int, count: int) -> int:
        """End of `count` positions from `start` on, within the range."""
        return min(start + count, self.size)

    def batches(self, length: int, start: int = 0) -> Iterator[Indices]:
        """Items in their shuffled order, `length` at a time, from a position on."""
        for low in range(start, self.size, length):
            yield self(np.arange(low, min(low + length, self.size), dtype=np.uint64))

    def _walk(self, given: ArrayLike, *, backwards: bool) -> Indices:
        indices = _checked(given, self.size)
        found = np.empty_like(indices)
        flat, out = indices.reshape(-1), found.reshape(-1)
        for low in range(0, flat.size, _BATCH):
            part = self._once(flat[low : low + _BATCH], backwards=backwards)
            outside = np.flatnonzero(part >= np.uint64(self.size))
            while outside.size:
                part[outside] = self._once(part[outside], backwards=backwards)
                outside = outside[part[outside] >= np.uint64(self.size)]
            out[low : low + _BATCH] = part
        return found

    def _once(self, indices: Indices, *, backwards: bool) -> Indices:
        side = np.uint64(self.side)
        x = indices // side
        y = indices - x * side
        run = feistel.inverse if backwards else feistel.forward
        x, y = run(x, y, [_round(key, side) for key in self.keys], _wrapped(side))
        return x * side + y


def _wrapped(side: np.uint64) -> feistel.Group[Indices]:
    """Addition modulo `side` without a division: the smaller of a sum and the sum less `side`, unsigned."""

    def add(a: Indices, b: Indices) -> Indices:
        b += a
        wrapped: Indices = np.minimum(b, b - side, out=b)
        return wrapped

    def subtract(a: Indices, b: Indices) -> Indices:
        rest = a - b
        wrapped: Indices = np.minimum(rest, rest + side)
        return wrapped

    return feistel.Group(f"addition modulo {side}", add, subtract)


def _round(key: int, side: np.uint64) -> feistel.Round[Indices]:
    """A keyed hash of one coordinate, scaled to the side."""
    offset, odd = np.uint64(key), np.uint64(_mix(key) | 1)

    def f(x: Indices) -> Indices:
        mixed = x + offset
        mixed *= odd
        mixed ^= mixed >> _SPREAD
        mixed *= np.uint64(_ODD[0])
        mixed >>= _HALF
        mixed *= side
        mixed >>= _HALF
        return mixed

    return f


def _checked(given: ArrayLike, size: int) -> Indices:
    array = np.asarray(given)
    if array.size and (array.dtype.kind not in "iu" or int(array.min()) < 0 or int(array.max()) >= size):
        wrong = array if array.ndim == 0 else f"{array.size} values of {array.dtype}"
        raise RangeError("index", wrong, f"whole numbers from 0 to {size - 1}")
    return array.astype(np.uint64)


def permutation(size: int, key: int = 0, rounds: int = ROUNDS) -> IndexPermutation:
    """The permutation of ``0 .. size - 1`` that belongs to a key.

    Parameters
    ----------
    size : int
        Items, from 1 to 2^62.
    key : int
        Any integer: an epoch, a seed; each gives another order.
    rounds : int
        Feistel rounds; at least 3.

    Raises
    ------
    RangeError
        If the size or the number of rounds is outside its range.

    Examples
    --------
    >>> order = permutation(10**12, key=7)
    >>> int(order.position(order(123_456_789_012)))
    123456789012
    """
    whole("size", size, most=MOST_ITEMS)
    whole("rounds", rounds, least=3, most=64)
    side = math.isqrt(size - 1) + 1
    keys: list[int] = []
    state = _mix(int(key) & _MASK) ^ _mix(int(size))
    for _ in range(rounds):
        state = _mix(state)
        keys.append(state)
    return IndexPermutation(int(size), side, tuple(keys))


@dataclass(frozen=True, slots=True)
class ShuffleQuality:
    """How far a permutation is from a random one.

    Parameters
    ----------
    fixed_points : int
        Items that stayed where they were; about 1 is expected of a random permutation.
    chi_square : float
        Of positions against items over a grid of cells, divided by its degrees of freedom: about 1.
    neighbours : float
        Correlation of consecutive items: about 0.
    walked : float
        Share of indices that had to be sent through again.
    """

    fixed_points: int
    chi_square: float
    neighbours: float
    walked: float


def quality(size: int, key: int = 0, cells: int = 16) -> ShuffleQuality:
    """Test a permutation of a range that fits in memory.

    Parameters
    ----------
    size : int
        Items, from 1,000 to 100 million.
    key : int
        Of the permutation.
    cells : int
        Cells of the grid along each side.

    Examples
    --------
    >>> found = quality(100_000, key=3)
    >>> 0.5 < found.chi_square < 1.6, abs(found.neighbours) < 0.02
    (True, True)
    """
    whole("size", size, least=1000, most=100_000_000)
    order = permutation(size, key)
    positions = np.arange(size, dtype=np.uint64)
    items = order(positions)
    cell = (positions * np.uint64(cells) // np.uint64(size)) * np.uint64(cells) + items * np.uint64(cells) // np.uint64(
        size
    )
    counts = np.bincount(cell.astype(np.int64), minlength=cells * cells)
    expected = size / (cells * cells)
    chi = float(((counts - expected) ** 2).sum() / expected / (cells - 1) ** 2)
    ranks: Any = items.astype(float)
    return ShuffleQuality(
        int((items == positions).sum()),
        chi,
        float(np.corrcoef(ranks[:-1], ranks[1:])[0, 1]),
        1 - size / order.side**2,
    )
