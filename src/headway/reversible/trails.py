r"""Differential trails through Simon: the difference that an attacker follows, and its probability.

A difference :math:`\alpha` at the input of a round gives the difference :math:`\beta` at its output with
probability :math:`2^{-w}`, where, with :math:`\gamma = \beta \oplus S^2 \alpha`,
:math:`v = S^8\alpha \vee S^1\alpha` (bits that may vary) and
:math:`d = S^1\alpha \wedge \overline{S^8\alpha} \wedge S^{15}\alpha` (bits that vary together),

.. math:: w = |v \oplus d| \quad\text{if}\quad
          \gamma \wedge \overline{v} = 0,\; (\gamma \oplus S^7\gamma) \wedge d = 0,

and never otherwise. A beam search follows the likeliest differences round by round. The probability of a trail is
that of one path; the pairs that arrive at its end by any path are counted by :func:`follow`.

References
----------
Kölbl, Leander, Tiessen, "Observations on the SIMON block cipher family", CRYPTO 2015, theorem 3.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from headway.facts.check import whole
from headway.facts.errors import InputError
from headway.reversible.avalanche import random_words
from headway.reversible.simon import Cipher, encrypt

_BEAM = 512
# A round whose free bits are more than this is too unlikely to be followed further.
_MOST_WEIGHT = 14


def _turn(of: Cipher, word: int, left: int) -> int:
    left %= of.word_bits
    return ((word << left) | (word >> (of.word_bits - left))) & of.mask


def _varying(of: Cipher, alpha: int) -> tuple[int, int]:
    far, near = _turn(of, alpha, 8), _turn(of, alpha, 1)
    return far | near, near & ~far & of.mask & _turn(of, alpha, 15)


def weight(of: Cipher, alpha: int, beta: int) -> int | None:
    """Minus log2 of the chance that the round function turns a difference into another; None where it never does.

    Parameters
    ----------
    of : Cipher
        Which cipher.
    alpha, beta : int
        Differences of the input and of the output.

    Examples
    --------
    >>> from headway.reversible.simon import cipher
    >>> weight(cipher(), 0x0001, 0x0004), weight(cipher(), 0x0001, 0x0008), weight(cipher(), 0, 0)
    (2, None, 0)
    """
    vary, twice = _varying(of, alpha)
    gamma = beta ^ _turn(of, alpha, 2)
    if alpha == of.mask:
        # Every product has two differing factors: the sum of all bits of gamma is even, all else is free.
        return of.word_bits - 1 if gamma.bit_count() % 2 == 0 else None
    if gamma & ~vary & of.mask or (gamma ^ _turn(of, gamma, 7)) & twice:
        return None
    return (vary ^ twice).bit_count()


def outcomes(of: Cipher, alpha: int) -> Iterator[int]:
    """Every difference that the round function can make of one, all with the same chance.

    >>> from headway.reversible.simon import cipher
    >>> [hex(beta) for beta in outcomes(cipher(), 0x0001)]
    ['0x4', '0x6', '0x104', '0x106']
    """
    vary, twice = _varying(of, alpha)
    free = vary & ~twice & of.mask
    places = [1 << i for i in range(of.word_bits) if free >> i & 1]
    fixed = _turn(of, alpha, 2)
    # A bit that varies together with another one copies it.
    pairs = [(1 << i, _turn(of, 1 << i, -7)) for i in range(of.word_bits) if twice >> i & 1]
    for number in range(1 << len(places)):
        gamma = sum(place for i, place in enumerate(places) if number >> i & 1)
        for bit, twin in pairs:
            if gamma & twin:
                gamma |= bit
        yield gamma ^ fixed


@dataclass(frozen=True, slots=True)
class Trail:
    """A path of differences.

    Parameters
    ----------
    cipher : str
        Name.
    differences : tuple of (int, int)
        Left and right word before the first round and after each.
    weights : tuple of int
        Minus log2 of each round's probability [bit].
    """

    cipher: str
    differences: tuple[tuple[int, int], ...]
    weights: tuple[int, ...]

    @property
    def rounds(self) -> int:
        """Rounds that it covers."""
        return len(self.weights)

    @property
    def weight(self) -> int:
        """Minus log2 of its probability [bit]."""
        return sum(self.weights)

    @property
    def active_bits(self) -> tuple[int, ...]:
        """Bits that differ before the first round and after each."""
        return tuple(left.bit_count() + right.bit_count() for left, right in self.differences)


def search(of: Cipher, rounds: int, beam: int = _BEAM) -> Trail:
    """Likeliest trail over some rounds that a beam search finds.

    The best trails of Simon are found from differences of few bits; a beam keeps the `beam` likeliest
    differences after each round, so the trail is an upper bound on the best weight, not a proof of it.

    Parameters
    ----------
    of : Cipher
        Which cipher.
    rounds : int
        Rounds of the reduced cipher.
    beam : int
        Differences kept after each round.

    Returns
    -------
    Trail
        With the least weight found.

    Examples
    --------
    >>> from headway.reversible.simon import cipher
    >>> [search(cipher(), rounds, beam=64).weight for rounds in (1, 2, 3, 4, 5)]
    [0, 2, 4, 6, 8]
    """
    whole("rounds", rounds, most=of.rounds)
    whole("beam", beam, most=100_000)
    # Rotating a trail gives a trail, so a start of one bit stands for all its rotations.
    starts = [(0, 1)] + [(1, right) for right in _few_bits(of, 3)] + [(0, 1 | 1 << i) for i in range(1, of.word_bits)]
    front: list[tuple[int, int, int, int]] = [(0, left, right, -1) for left, right in starts]
    history: list[list[tuple[int, int, int, int]]] = [front]
    for done in range(rounds):
        best: dict[tuple[int, int], tuple[int, int]] = {}
        for parent, (cost, left, right, _) in enumerate(front):
            vary, twice = _varying(of, left)
            spent = (vary ^ twice).bit_count()
            if spent > _MOST_WEIGHT:
                continue
            # The last round's difference may be any: take the first.
            for beta in outcomes(of, left):
                key = (right ^ beta, left)
                if key not in best or cost + spent < best[key][0]:
                    best[key] = (cost + spent, parent)
                if done == rounds - 1:
                    break
        ranked = heapq.nsmallest(
            beam, ((cost, left, right, parent) for (left, right), (cost, parent) in best.items()), key=_rank
        )
        front = ranked
        history.append(front)
        if not front:
            raise InputError("rounds", rounds, f"at most {done} rounds for a beam of {beam}")
    return _traced(of, history)


def _rank(entry: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Cost so far and what the next round is bound to add: bits of the left word count twice."""
    cost, left, right, _ = entry
    return cost + 2 * left.bit_count(), right.bit_count(), left, right


def _few_bits(of: Cipher, most: int) -> list[int]:
    """Words of at most `most` bits."""
    words = {0}
    for _ in range(most):
        words |= {word | 1 << i for word in words for i in range(of.word_bits)}
    return sorted(words)


def _traced(of: Cipher, history: list[list[tuple[int, int, int, int]]]) -> Trail:
    at = min(range(len(history[-1])), key=lambda i: history[-1][i][0])
    path: list[tuple[int, int, int]] = []
    for front in reversed(history):
        cost, left, right, parent = front[at]
        path.append((cost, left, right))
        at = parent
    path.reverse()
    costs = [cost for cost, _, _ in path]
    steps = tuple(after - before for before, after in pairwise(costs))
    return Trail(of.name, tuple((left, right) for _, left, right in path), steps)


@dataclass(frozen=True, slots=True)
class Followed:
    """Pairs that had the trail's difference at its end.

    Parameters
    ----------
    pairs, arrived : int
        Random pairs with the first difference, and those of them with the last.
    share : float
        ``arrived / pairs``: at least the trail's own probability, up to sampling, as other paths arrive there too.
    expected : float
        Probability of the trail.
    chance : float
        Share of random pairs that would have the last difference: ``2^-block bits``.
    """

    pairs: int
    arrived: int
    share: float
    expected: float
    chance: float

    @property
    def expected_pairs(self) -> float:
        """Pairs that the trail's own probability promises."""
        return self.pairs * self.expected


def follow(of: Cipher, trail: Trail, pairs: int = 1 << 18, seed: int = 0) -> Followed:
    """Encipher random pairs with the trail's first difference and count those with its last.

    Parameters
    ----------
    of : Cipher
        Which cipher.
    trail : Trail
        What to follow.
    pairs : int
        Random blocks, under 64 random keys.
    seed : int
        Of both.

    Examples
    --------
    >>> from headway.reversible.simon import cipher
    >>> trail = search(cipher(), 4, beam=64)
    >>> 0.8 < follow(cipher(), trail).share / 2**-trail.weight < 1.3
    True
    """
    whole("pairs", pairs, least=64, most=1 << 24)
    rng = np.random.default_rng(seed)
    shape = (64, pairs // 64)
    key = [random_words(of, rng, (64, 1)) for _ in range(of.key_words)]
    x, y = (random_words(of, rng, shape) for _ in range(2))
    (left, right), (last_left, last_right) = trail.differences[0], trail.differences[-1]
    kind = of.dtype.type
    a, b = encrypt(of, (x, y), key, trail.rounds), encrypt(of, (x ^ kind(left), y ^ kind(right)), key, trail.rounds)
    arrived = int((((a[0] ^ b[0]) == kind(last_left)) & ((a[1] ^ b[1]) == kind(last_right))).sum())
    return Followed(x.size, arrived, arrived / x.size, 2.0**-trail.weight, 2.0**-of.block_bits)
