r"""Simon, a block cipher that is a Feistel network and nothing else. For study, not for protection.

Each round adds, by exclusive or, a function of one half that nobody could invert,

.. math:: f_k(x) = (S^1 x \wedge S^8 x) \oplus S^2 x \oplus k,

where :math:`S^j` rotates a word left by j bits. All ten block and key sizes of the designers are here; their test
vectors are in the tests. Words are arrays of unsigned integers, so one call enciphers many blocks.

References
----------
Beaulieu, Shors, Smith, Treatman-Clark, Weeks, Wingers, "The Simon and Speck families of lightweight block ciphers",
IACR ePrint 2013/404: section 3 and appendix B.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headway.facts.check import whole
from headway.facts.errors import InputError, unknown
from headway.reversible import feistel

Words: TypeAlias = NDArray[np.unsignedinteger[Any]]
Block: TypeAlias = tuple[Words, Words]

_CONSTANTS = (
    "11111010001001010110000111001101111101000100101011000011100110",
    "10001110111110010011000010110101000111011111001001100001011010",
    "10101111011100000011010010011000101000010001111110010110110011",
    "11011011101011000110010111100000010010001010011100110100001111",
    "11010001111001101011011000100000010111000011001010010011101111",
)
# Rotations of the round function, left.
ROTATIONS = (1, 8, 2)


@dataclass(frozen=True, slots=True)
class Cipher:
    """One member of the family.

    Parameters
    ----------
    name : str
        Block and key bits (``"simon32/64"``).
    word_bits : int
        Bits of half a block [bit].
    key_words : int
        Words of the key.
    rounds : int
        Rounds of the full cipher.
    constant : int
        Which of the five sequences its key schedule uses.
    """

    name: str
    word_bits: int
    key_words: int
    rounds: int
    constant: int

    @property
    def block_bits(self) -> int:
        """Bits of a block [bit]."""
        return 2 * self.word_bits

    @property
    def key_bits(self) -> int:
        """Bits of the key [bit]."""
        return self.key_words * self.word_bits

    @property
    def mask(self) -> int:
        """A word of ones."""
        return (1 << self.word_bits) - 1

    def written(self, number: int, words: int = 2) -> str:
        """Hexadecimal digits of a block, or of some words."""
        return f"{number:0{words * self.word_bits // 4}x}"

    @property
    def dtype(self) -> np.dtype[np.unsignedinteger[Any]]:
        """Smallest unsigned type that holds a word."""
        size = next(bits for bits in (16, 32, 64) if bits >= self.word_bits)
        return np.dtype(f"uint{size}")


_FAMILY = tuple(
    Cipher(f"simon{2 * n}/{m * n}", n, m, rounds, constant)
    for n, m, rounds, constant in (
        (16, 4, 32, 0),
        (24, 3, 36, 0),
        (24, 4, 36, 1),
        (32, 3, 42, 2),
        (32, 4, 44, 3),
        (48, 2, 52, 2),
        (48, 3, 54, 3),
        (64, 2, 68, 2),
        (64, 3, 69, 3),
        (64, 4, 72, 4),
    )
)


def cipher_names() -> tuple[str, ...]:
    """Names of the ten members, smallest first."""
    return tuple(cipher.name for cipher in _FAMILY)


@cache
def cipher(name: str = "simon32/64") -> Cipher:
    """The member of that name.

    Raises
    ------
    UnknownNameError
        If there is none, with the nearest name.

    Examples
    --------
    >>> cipher("simon64/128").rounds
    44
    """
    found = next((one for one in _FAMILY if one.name == name.strip().lower()), None)
    if found is None:
        raise unknown("cipher", name, cipher_names())
    return found


def rotate(of: Cipher, word: Words, left: int) -> Words:
    """Rotate words left by a number of bits (right where it is negative).

    >>> int(rotate(cipher(), np.uint16(0x8001), 1))
    3
    """
    left %= of.word_bits
    if left == 0:
        return word
    kind = of.dtype.type
    turned: Any = (word << kind(left)) | (word >> kind(of.word_bits - left))
    kept: Words = turned & kind(of.mask)
    return kept


def round_function(of: Cipher, x: Words) -> Words:
    """What a round adds, without its key: ``(S1 x & S8 x) ^ S2 x``. Not invertible.

    >>> int(round_function(cipher(), np.uint16(1)))
    4
    """
    a, b, c = (rotate(of, x, turn) for turn in ROTATIONS)
    return (a & b) ^ c


def expand_key(of: Cipher, key: Sequence[Any], rounds: int | None = None) -> tuple[Words, ...]:
    """Key schedule: one word a round.

    Parameters
    ----------
    of : Cipher
        Which cipher.
    key : sequence of array_like
        Words of the key, the least significant first; arrays for many keys at once.
    rounds : int, optional
        Of the reduced cipher; all where not given.

    Examples
    --------
    >>> [hex(int(k)) for k in expand_key(cipher(), (0x0100, 0x0908, 0x1110, 0x1918), 5)]
    ['0x100', '0x908', '0x1110', '0x1918', '0x71c3']
    """
    if len(key) != of.key_words:
        raise InputError("key", f"{len(key)} words", f"{of.key_words} words of {of.word_bits} bits for {of.name}")
    words: list[Words] = [np.asarray(word).astype(of.dtype) for word in key]
    kind, sequence = of.dtype.type, _CONSTANTS[of.constant]
    for number in range(_rounds(of, rounds) - of.key_words):
        spun = rotate(of, words[-1], -3)
        if of.key_words == 4:
            spun = spun ^ words[-3]
        spun = spun ^ rotate(of, spun, -1)
        constant = kind((of.mask ^ 3) ^ int(sequence[number % len(sequence)]))
        words.append(words[-of.key_words] ^ spun ^ constant)
    return tuple(words[: _rounds(of, rounds)])


def _rounds(of: Cipher, rounds: int | None) -> int:
    return of.rounds if rounds is None else int(whole("rounds", rounds, least=0, most=of.rounds))


def _feistel_rounds(of: Cipher, keys: Sequence[Words]) -> list[feistel.Round[Words]]:
    def keyed(key: Words) -> feistel.Round[Words]:
        return lambda x: round_function(of, x) ^ key

    return [keyed(key) for key in keys]


def _block(of: Cipher, block: tuple[Any, Any]) -> Block:
    x, y = block
    return np.asarray(x).astype(of.dtype), np.asarray(y).astype(of.dtype)


def encrypt(of: Cipher, block: tuple[Any, Any], key: Sequence[Any], rounds: int | None = None) -> Block:
    """Encipher blocks: :func:`headway.reversible.feistel.forward` over exclusive or.

    Parameters
    ----------
    of : Cipher
        Which cipher.
    block : tuple of array_like
        Left and right word of each block.
    key, rounds
        As in :func:`expand_key`; keys broadcast against blocks.

    Returns
    -------
    tuple of array
        Left and right words.

    Examples
    --------
    >>> [hex(int(w)) for w in encrypt(cipher(), (0x6565, 0x6877), (0x0100, 0x0908, 0x1110, 0x1918))]
    ['0xc69b', '0xe9bb']
    """
    keys = expand_key(of, key, rounds)
    return feistel.forward(*_block(of, block), _feistel_rounds(of, keys), feistel.XOR)


def decrypt(of: Cipher, block: tuple[Any, Any], key: Sequence[Any], rounds: int | None = None) -> Block:
    """Decipher blocks; parameters as in :func:`encrypt`.

    >>> [hex(int(w)) for w in decrypt(cipher(), (0xC69B, 0xE9BB), (0x0100, 0x0908, 0x1110, 0x1918))]
    ['0x6565', '0x6877']
    """
    keys = expand_key(of, key, rounds)
    return feistel.inverse(*_block(of, block), _feistel_rounds(of, keys), feistel.XOR)


def split(of: Cipher, number: int, words: int) -> tuple[int, ...]:
    """Words of a large integer, the least significant first.

    >>> [hex(w) for w in split(cipher(), 0x1918111009080100, 4)]
    ['0x100', '0x908', '0x1110', '0x1918']
    """
    if not 0 <= number < 1 << (words * of.word_bits):
        raise InputError(of.name, hex(number), f"a number of at most {words * of.word_bits} bits")
    return tuple((number >> (of.word_bits * i)) & of.mask for i in range(words))


def encrypt_number(of: Cipher, plaintext: int, key: int, *, backwards: bool = False) -> int:
    """Encipher (or decipher) one block written as one number, as test vectors are.

    >>> hex(encrypt_number(cipher("simon64/128"), 0x656B696C20646E75, 0x1B1A1918131211100B0A090803020100))
    '0x44c8fc20b9dfa07a'
    """
    y, x = split(of, plaintext, 2)
    one = decrypt if backwards else encrypt
    left, right = one(of, (x, y), split(of, key, of.key_words))
    return (int(left) << of.word_bits) | int(right)
