"""Avalanche: how many output bits a single flipped input bit flips, round by round.

A cipher wants one half, for every input bit and every output bit; a few rounds are not enough, and where they are is
what the curve shows. The same question put to a network is in :mod:`headway.reversible.growth`.

References
----------
Feistel (1973) for the word; Webster and Tavares, "On the design of S-boxes", CRYPTO 1985, for the strict criterion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headway.facts.check import whole
from headway.facts.errors import InputError
from headway.reversible.simon import Block, Cipher, Words, expand_key, round_function


@dataclass(frozen=True, slots=True)
class Avalanche:
    """Share of output bits that one flipped input bit flips, after 0, 1, ... rounds.

    Parameters
    ----------
    cipher : str
        Name.
    rounds : tuple of int
        Rounds done.
    mean : tuple of float
        Over all input bits and samples.
    least, most : tuple of float
        Over the input bits, each the mean of its samples.
    least_pair, most_pair : tuple of float
        Chance of a flip over all pairs of input and output bit: the strict criterion asks one half of each.
    samples : int
        Random blocks, each under its own random key.
    """

    cipher: str
    rounds: tuple[int, ...]
    mean: tuple[float, ...]
    least: tuple[float, ...]
    most: tuple[float, ...]
    least_pair: tuple[float, ...]
    most_pair: tuple[float, ...]
    samples: int

    @property
    def full(self) -> float:
        """Mean share after the last round."""
        return self.mean[-1]

    def settled(self, within: float = 0.02) -> int | None:
        """First round from which every input bit flips one half of the output, to `within`; None if none does."""
        inside = [low >= 0.5 - within and high <= 0.5 + within for low, high in zip(self.least, self.most, strict=True)]
        return next((r for r in self.rounds if all(inside[r:])), None)


def random_words(of: Cipher, rng: np.random.Generator, shape: Any) -> Words:
    """Random words of a cipher.

    >>> random_words(Cipher("toy", 16, 4, 32, 0), np.random.default_rng(0), 3).dtype
    dtype('uint16')
    """
    words: Words = rng.integers(0, of.mask, shape, dtype=of.dtype, endpoint=True)
    return words


def bits(of: Cipher, block: Block) -> NDArray[np.uint8]:
    """Bits of blocks on a new last axis, the left word first, least significant bit first.

    >>> from headway.reversible.simon import cipher
    >>> bits(cipher(), (np.array(1, "u2"), np.array(2, "u2"))).nonzero()[0].tolist()
    [0, 17]
    """
    size = of.dtype.itemsize
    parts = []
    for word in block:
        octets = np.ascontiguousarray(word)[..., None].astype(of.dtype.newbyteorder("<")).view(np.uint8)
        parts.append(np.unpackbits(octets.reshape(*np.shape(word), size), axis=-1, bitorder="little"))
    return np.concatenate([part[..., : of.word_bits] for part in parts], axis=-1)


def avalanche(of: Cipher, samples: int = 256, seed: int = 0) -> Avalanche:
    """Measure the avalanche of a cipher by round.

    Parameters
    ----------
    of : Cipher
        Which cipher.
    samples : int
        Random blocks and keys.
    seed : int
        Of both.

    Examples
    --------
    >>> from headway.reversible.simon import cipher
    >>> found = avalanche(cipher("simon32/64"))
    >>> found.rounds[-1], abs(found.full - 0.5) < 0.02
    (32, True)
    """
    whole("samples", samples, least=8, most=65536)
    rng = np.random.default_rng(seed)
    n = of.word_bits
    keys = expand_key(of, [random_words(of, rng, (samples, 1)) for _ in range(of.key_words)])
    x, y = (random_words(of, rng, (samples, 1)) for _ in range(2))
    single = of.dtype.type(1) << np.arange(n).astype(of.dtype)
    none = np.zeros(n, of.dtype)
    u, v = x ^ np.concatenate([single, none]), y ^ np.concatenate([none, single])
    rows: list[tuple[float, ...]] = []
    for key in (None, *keys):
        if key is not None:
            x, y = y ^ round_function(of, x) ^ key, x
            u, v = v ^ round_function(of, u) ^ key, u
        flipped = bits(of, (x ^ u, y ^ v)).mean(axis=0)
        share = flipped.mean(axis=-1)
        rows.append(tuple(float(q) for q in (share.mean(), share.min(), share.max(), flipped.min(), flipped.max())))
    mean, least, most, least_pair, most_pair = zip(*rows, strict=True)
    return Avalanche(of.name, tuple(range(of.rounds + 1)), mean, least, most, least_pair, most_pair, samples)


def difference_by_round(
    of: Cipher, difference: tuple[int, int], rounds: int, samples: int = 4096, seed: int = 0
) -> tuple[float, ...]:
    """Mean share of state bits in which a pair of blocks differs, after 0, 1, ... rounds.

    Parameters
    ----------
    of : Cipher
        Which cipher.
    difference : tuple of int
        Exclusive or of the pair, left and right word.
    rounds : int
        Rounds followed.
    samples, seed : int
        Random blocks, each under its own random key.

    Examples
    --------
    >>> from headway.reversible.simon import cipher
    >>> difference_by_round(cipher(), (0, 1), 2)[:2]
    (0.03125, 0.03125)
    """
    if difference == (0, 0):
        raise InputError("difference", "0", "at least one bit")
    whole("rounds", rounds, most=of.rounds)
    rng = np.random.default_rng(seed)
    keys = expand_key(of, [random_words(of, rng, samples) for _ in range(of.key_words)], rounds)
    x, y = (random_words(of, rng, samples) for _ in range(2))
    u, v = x ^ of.dtype.type(difference[0]), y ^ of.dtype.type(difference[1])
    shares = [float(bits(of, (x ^ u, y ^ v)).mean())]
    for key in keys:
        x, y = y ^ round_function(of, x) ^ key, x
        u, v = v ^ round_function(of, u) ^ key, u
        shares.append(float(bits(of, (x ^ u, y ^ v)).mean()))
    return tuple(shares)
