"""The cipher's half of the picture that is drawn twice: a random and a chosen difference, round by round.

The other half is :func:`headway.reversible.growth.growth`. Whoever breaks a cipher looks for the difference that
spreads least, whoever fools a classifier for the one that spreads most; both find a direction that random ones miss.
"""

from __future__ import annotations

from dataclasses import dataclass

from headway.reversible.avalanche import difference_by_round
from headway.reversible.simon import cipher
from headway.reversible.trails import search


@dataclass(frozen=True, slots=True)
class CipherSide:
    """Share of a block's bits that differ, by round.

    Parameters
    ----------
    cipher : str
        Name.
    random : tuple of float
        Pairs with a random difference of one bit on each side of the block, mean of all pairs.
    chosen : tuple of float
        Along the trail, which a pair follows with probability ``2^-weight``.
    chosen_pairs : tuple of float
        All pairs with the trail's first difference, mean.
    weight : int
        Minus log2 of the trail's probability [bit].
    """

    cipher: str
    random: tuple[float, ...]
    chosen: tuple[float, ...]
    chosen_pairs: tuple[float, ...]
    weight: int


def cipher_side(rounds: int = 8, name: str = "simon32/64", *, start: tuple[int, int] = (0x0801, 0x4010)) -> CipherSide:
    """Follow an arbitrary difference and the trail's through the first rounds of a cipher.

    Parameters
    ----------
    rounds : int
        Rounds of the reduced cipher.
    name : str
        Which cipher.
    start : tuple of int
        The arbitrary difference, left and right word: as many bits as a trail starts with.

    Examples
    --------
    >>> side = cipher_side(5)
    >>> side.weight, side.chosen[-1] < 0.2 < side.random[-1]
    (8, True)
    """
    of = cipher(name)
    trail = search(of, rounds)
    first = trail.differences[0]
    return CipherSide(
        of.name,
        difference_by_round(of, start, rounds),
        tuple(bits / of.block_bits for bits in trail.active_bits),
        difference_by_round(of, first, rounds),
        trail.weight,
    )
