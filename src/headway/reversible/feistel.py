r"""The Feistel construction: an invertible function out of any function, over any group.

One round maps a pair of halves

.. math:: (x, y) \to (y + f(x),\; x), \qquad (z, x) \to (x,\; z - f(x)),

whatever `f` is: the inverse calls `f` itself and never its inverse. The sum is that of a group: exclusive or of
machine words makes a block cipher (:mod:`headway.reversible.simon`), addition modulo a number makes a permutation of
a range (:mod:`headway.reversible.permute`), addition of tensors makes a reversible network
(:mod:`headway.reversible.layers`). In a group of integers the inverse is exact; floating-point sums round, and what
is lost grows with the depth.

References
----------
Feistel, "Cryptography and computer privacy", Scientific American 228 (1973); Gomez et al., "The reversible residual
network", arXiv 1707.04585 (2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from headway.facts.check import whole

T = TypeVar("T")

Round = Callable[[T], T]


@dataclass(frozen=True, slots=True)
class Group(Generic[T]):
    """A group operation and its inverse.

    Parameters
    ----------
    name : str
        What it is called.
    add, subtract : callable
        ``subtract(add(a, b), b) == a`` for all `a` and `b`; exactly in integers, to rounding in floating point.

    Examples
    --------
    >>> XOR.add(6, 3), XOR.subtract(5, 3)
    (5, 6)
    """

    name: str
    add: Callable[[T, T], T]
    subtract: Callable[[T, T], T]


#: Exclusive or of integers or arrays of them: its own inverse.
XOR: Group[Any] = Group("xor", lambda a, b: a ^ b, lambda a, b: a ^ b)
#: Addition of numbers, arrays or tensors.
ADDITION: Group[Any] = Group("addition", lambda a, b: a + b, lambda a, b: a - b)


def modular(modulus: int) -> Group[Any]:
    """Addition modulo a number, for integers or arrays of signed integers from 0 to below it.

    Parameters
    ----------
    modulus : int
        At least 1.

    Examples
    --------
    >>> week = modular(7)
    >>> week.add(5, 4), week.subtract(2, 4)
    (2, 5)
    """
    whole("modulus", modulus)
    return Group(f"addition modulo {modulus}", lambda a, b: (a + b) % modulus, lambda a, b: (a - b) % modulus)


def step(x: T, y: T, f: Round[T], group: Group[T]) -> tuple[T, T]:
    """One round: ``(y + f(x), x)``.

    >>> step(3, 10, lambda x: x * x, ADDITION)
    (19, 3)
    """
    return group.add(y, f(x)), x


def unstep(x: T, y: T, f: Round[T], group: Group[T]) -> tuple[T, T]:
    """Inverse of one round: ``(y, x - f(y))``.

    >>> unstep(19, 3, lambda x: x * x, ADDITION)
    (3, 10)
    """
    return y, group.subtract(x, f(y))


def forward(x: T, y: T, rounds: Sequence[Round[T]], group: Group[T]) -> tuple[T, T]:
    """All rounds, first to last.

    Parameters
    ----------
    x, y : object
        The halves; what the group adds.
    rounds : sequence of callable
        One function a round; none of them has to be invertible. The halves may differ in shape where the rounds
        alternate between them.
    group : Group
        The sum.

    Returns
    -------
    tuple
        The halves after the last round.

    Examples
    --------
    >>> forward(1, 2, [lambda x: 0, lambda x: x & 1], XOR)
    (1, 2)
    """
    for f in rounds:
        x, y = step(x, y, f, group)
    return x, y


def inverse(x: T, y: T, rounds: Sequence[Round[T]], group: Group[T]) -> tuple[T, T]:
    """All rounds undone, last to first: ``inverse(*forward(x, y, rounds, g), rounds, g) == (x, y)``.

    Parameters
    ----------
    x, y, rounds, group
        As in :func:`forward`.

    Examples
    --------
    >>> rounds = [lambda x: x * x % 5, lambda x: 3, lambda x: x // 2]
    >>> inverse(*forward(4, 9, rounds, modular(11)), rounds, modular(11))
    (4, 9)
    """
    for f in reversed(rounds):
        x, y = unstep(x, y, f, group)
    return x, y


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """What came back of random states after all rounds and all of them undone.

    Parameters
    ----------
    exact : bool
        Integers: every state came back as it was, under exclusive or and under modular addition.
    error : float
        Floating point (float64): largest absolute error of a state of order one [1].
    bound : float
        ``depth * eps * largest state``: what rounding may add up to [1].
    """

    exact: bool
    error: float
    bound: float


def round_trip(depth: int = 32, width: int = 1024, seed: int = 0) -> RoundTrip:
    """Run rounds that cannot be inverted (random tables, constants, cosines) forward and back.

    Parameters
    ----------
    depth : int
        Rounds.
    width : int
        States [1].
    seed : int
        Of the states and rounds.

    Examples
    --------
    >>> found = round_trip()
    >>> found.exact, found.error <= found.bound
    (True, True)
    """
    import numpy as np

    whole("depth", depth)
    whole("width", width)
    rng = np.random.default_rng(seed)
    size = 257
    tables = rng.integers(0, size, (depth, size))
    tables[0] = 7

    def table(row: Any) -> Round[Any]:
        return lambda x: row[x % size]

    rounds = [table(row) for row in tables]
    x, y = rng.integers(0, size, (2, width))
    exact = all(
        all(np.array_equal(a, b) for a, b in zip(inverse(*forward(x, y, rounds, g), rounds, g), (x, y), strict=True))
        for g in (XOR, modular(size))
    )
    u, v = rng.standard_normal((2, width))
    gains = rng.standard_normal(depth)

    def wave(gain: float) -> Round[Any]:
        return lambda state: np.cos(gain * state)

    waves = [wave(float(gain)) for gain in gains]
    top = forward(u, v, waves, ADDITION)
    back = inverse(*top, waves, ADDITION)
    error = max(float(np.abs(a - b).max()) for a, b in zip(back, (u, v), strict=True))
    largest = max(1.0, *(float(np.abs(half).max()) for half in top))
    return RoundTrip(exact, error, float(depth * np.finfo(float).eps * largest))
