"""The Feistel construction over integers: exact inverses, published vectors, shuffles, avalanche and trails."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.facts.errors import InputError, RangeError, UnknownNameError
from headway.reversible import feistel
from headway.reversible.avalanche import avalanche, difference_by_round
from headway.reversible.permute import permutation, quality
from headway.reversible.simon import cipher, cipher_names, decrypt, encrypt, encrypt_number, round_function
from headway.reversible.trails import follow, outcomes, search, weight
from headway.reversible.twins import cipher_side

# Appendix B of "The Simon and Speck families of lightweight block ciphers", IACR ePrint 2013/404.
VECTORS = {
    "simon32/64": ("1918111009080100", "65656877", "c69be9bb"),
    "simon48/72": ("1211100a0908020100", "6120676e696c", "dae5ac292cac"),
    "simon48/96": ("1a19181211100a0908020100", "72696320646e", "6e06a5acf156"),
    "simon64/96": ("131211100b0a090803020100", "6f7220676e696c63", "5ca2e27f111a8fc8"),
    "simon64/128": ("1b1a1918131211100b0a090803020100", "656b696c20646e75", "44c8fc20b9dfa07a"),
    "simon96/96": ("0d0c0b0a0908050403020100", "2072616c6c69702065687420", "602807a462b469063d8ff082"),
    "simon96/144": ("1514131211100d0c0b0a0908050403020100", "74616874207473756420666f", "ecad1c6c451e3f59c5db1ae9"),
    "simon128/128": (
        "0f0e0d0c0b0a09080706050403020100",
        "63736564207372656c6c657661727420",
        "49681b1e1e54fe3f65aa832af84e0bbc",
    ),
    "simon128/192": (
        "17161514131211100f0e0d0c0b0a09080706050403020100",
        "206572656874206e6568772065626972",
        "c4ac61effcdc0d4f6c9c8d6e2597b85b",
    ),
    "simon128/256": (
        "1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100",
        "74206e69206d6f6f6d69732061207369",
        "8d2b5579afc8a3a03bf72a87efe7b868",
    ),
}
# Least weights of Simon32 trails over 1, 2, ... rounds: Kölbl, Leander, Tiessen, CRYPTO 2015, and Biryukov, Roy,
# Velichkov, FSE 2014.
LEAST_WEIGHTS = (0, 2, 4, 6, 8, 12, 14, 18, 20, 25, 30, 34)


@pytest.mark.parametrize("name", cipher_names())
def test_the_designers_vectors(name):
    key, plaintext, ciphertext = (int(text, 16) for text in VECTORS[name])
    assert encrypt_number(cipher(name), plaintext, key) == ciphertext
    assert encrypt_number(cipher(name), ciphertext, key, backwards=True) == plaintext


@given(data=st.data(), depth=st.integers(0, 40), size=st.integers(1, 64), seed=st.integers(0, 2**32))
def test_inverse_of_forward_is_the_identity(data, depth, size, seed):
    """Any non-invertible rounds (random tables with collisions), any width, any depth, three groups."""
    rng = np.random.default_rng(seed)
    modulus = data.draw(st.integers(1, 1000))
    tables = rng.integers(0, modulus, (depth, modulus))
    rounds = [lambda x, t=t: t[x % modulus] for t in tables]
    x, y = rng.integers(0, modulus, (2, size))
    for group in (feistel.XOR, feistel.modular(modulus), feistel.ADDITION):
        back = feistel.inverse(*feistel.forward(x, y, rounds, group), rounds, group)
        assert np.array_equal(back[0], x)
        assert np.array_equal(back[1], y)


@given(name=st.sampled_from(cipher_names()), rounds=st.integers(0, 32), seed=st.integers(0, 2**32))
def test_a_reduced_cipher_deciphers(name, rounds, seed):
    of, rng = cipher(name), np.random.default_rng(seed)
    x, y = rng.integers(0, of.mask, (2, 5), dtype=of.dtype, endpoint=True)
    key = rng.integers(0, of.mask, of.key_words, dtype=of.dtype, endpoint=True)
    back = decrypt(of, encrypt(of, (x, y), key, rounds), key, rounds)
    assert np.array_equal(back, (x, y))


def test_round_function_is_not_invertible():
    images = round_function(cipher(), np.arange(1 << 16, dtype=np.uint16))
    assert np.unique(images).size < 1 << 16


def test_wrong_keys_and_names():
    with pytest.raises(InputError, match="4 words of 16 bits"):
        encrypt(cipher(), (1, 2), (1, 2))
    with pytest.raises(UnknownNameError, match="simon64/128"):
        cipher("simon64/129")
    with pytest.raises(InputError, match="at most 32 bits"):
        encrypt_number(cipher(), 1 << 32, 0)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 10, 99, 100, 101, 65536, 100_003])
@pytest.mark.parametrize("key", [0, 1, -5, 2**80])
def test_every_item_comes_once(size, key):
    order = permutation(size, key)
    items = order(np.arange(size))
    assert np.array_equal(np.sort(items), np.arange(size))
    assert np.array_equal(order.position(items), np.arange(size))


@given(size=st.integers(1, 1 << 62), key=st.integers(), data=st.data())
def test_items_of_huge_ranges_come_back(size, key, data):
    order = permutation(size, key)
    positions = np.array(data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=20)), dtype=np.uint64)
    items = order(positions)
    assert (items < size).all()
    assert np.array_equal(order.position(items), positions)


def test_shuffles_are_unlike_the_range_and_each_other():
    found = quality(200_000, key=11)
    assert found.fixed_points < 10
    assert 0.6 < found.chi_square < 1.5
    assert abs(found.neighbours) < 0.01
    a, b = (permutation(200_000, key)(np.arange(200_000)) for key in (1, 2))
    assert (a == b).sum() < 10
    assert abs(np.corrcoef(a.astype(float), b.astype(float))[0, 1]) < 0.01


def test_first_item_is_uniform_over_keys():
    first = np.array([int(permutation(10, key)(0)) for key in range(500)])
    counts = np.bincount(first, minlength=10)
    assert ((counts - 50) ** 2 / 50).sum() < 30  # chi-square with 9 degrees: 30 is beyond 0.1%


def test_shuffle_in_batches_and_shapes():
    order = permutation(1003, 4)
    assert np.array_equal(np.concatenate(list(order.batches(100))), order(np.arange(1003)))
    assert order(np.arange(6).reshape(2, 3)).shape == (2, 3)
    assert order(5).shape == ()


@pytest.mark.parametrize("index", [-1, 1003, 0.5, [0, 1003]])
def test_an_index_outside_is_refused(index):
    with pytest.raises(RangeError):
        permutation(1003)(index)


@pytest.mark.parametrize("name", cipher_names())
def test_avalanche_of_the_full_cipher_is_one_half(name):
    found = avalanche(cipher(name), 64)
    assert found.full == pytest.approx(0.5, abs=0.02)
    assert found.mean[0] == 1 / cipher(name).block_bits


def test_every_input_bit_has_its_avalanche():
    found = avalanche(cipher(), 512)
    assert found.settled() is not None
    assert found.settled() <= 12
    assert found.least[-1] > 0.48
    assert found.most[-1] < 0.52


@pytest.mark.parametrize("alpha", [0x0001, 0x0003, 0x0101, 0x8081, 0x1234, 0xF00F, 0xFFFF])
def test_weights_of_differences_by_exhaustion(alpha):
    """The closed form against all 65,536 inputs of a round."""
    of, every = cipher(), np.arange(1 << 16, dtype=np.uint16)
    seen = np.bincount(round_function(of, every) ^ round_function(of, every ^ np.uint16(alpha)), minlength=1 << 16)
    for beta in range(1 << 16):
        found = weight(of, alpha, beta)
        assert (0 if found is None else (1 << 16) >> found) == seen[beta]
    if alpha != of.mask:
        assert sorted(outcomes(of, alpha)) == np.flatnonzero(seen).tolist()


def test_the_search_finds_the_published_weights():
    assert tuple(search(cipher(), rounds).weight for rounds in range(1, 9)) == LEAST_WEIGHTS[:8]


def test_pairs_follow_the_trail():
    trail = search(cipher(), 5)
    assert follow(cipher(), trail).share == pytest.approx(2.0**-trail.weight, rel=0.3)
    assert trail.active_bits[-1] < 4 < 32 * difference_by_round(cipher(), (0x0801, 0x4010), 5)[-1]


def test_a_trail_stays_where_other_differences_spread():
    side = cipher_side(8)
    assert side.chosen[-1] < 0.15
    assert side.random[-1] > 0.4
