"""The twins: a cipher's avalanche and trail by round, and what reversible layers save (lecture, chapter 7)."""

from __future__ import annotations

from functools import lru_cache

from headway.facts.reversible_overheads import memory_policy, policy_names
from headway.physics.budget import recompute_overhead
from headway.reversible.avalanche import Avalanche, avalanche
from headway.reversible.simon import cipher, cipher_names
from headway.reversible.twins import CipherSide, cipher_side
from headway.web.chapter import Answer, Axis, Chapter, Chart, Column, Control, Number, Series, Table, Values

CONTROLS = (
    Control("cipher", "Cipher", "simon32/64", choices=cipher_names, about="block and key bits"),
    Control("samples", "Random blocks and keys", 512.0, low=16, high=1024, whole=True),
    Control("rounds", "Rounds of the trail, Simon32", 8.0, low=2, high=9, whole=True, log=False),
)


@lru_cache(maxsize=32)
def _avalanche(name: str, samples: int) -> Avalanche:
    return avalanche(cipher(name), samples)


@lru_cache(maxsize=16)
def _side(rounds: int) -> CipherSide:
    return cipher_side(rounds)


def _policies() -> Table:
    columns = (
        Column("policy", "activations"),
        Column("shallow_bytes", "peak, 6 layers", "bytes"),
        Column("deep_bytes", "peak, 48 layers", "bytes"),
        Column("growth", "grows by", "count"),
        Column("time_ratio", "time over stored", "count"),
    )
    found = tuple(memory_policy(name) for name in policy_names())
    rows = tuple((p.name, p.shallow_bytes, p.deep_bytes, p.growth, p.time_ratio) for p in found)
    return Table("policies", "A small reversible transformer, as measured", columns, rows)


def answer(values: Values) -> Answer:
    """Give avalanche and trail of a cipher, and the measured price of keeping no activations."""
    found = _avalanche(str(values["cipher"]), int(values["samples"]))
    side = _side(int(values["rounds"]))
    settled = found.settled()
    reversible = memory_policy("reversible")
    at = tuple(float(r) for r in found.rounds)
    steps = tuple(float(r) for r in range(len(side.random)))
    return Answer(
        (
            Number("full_share", "Bits flipped by one bit", found.full, "fraction", "full cipher; half is the aim"),
            Number(
                "settled_round", "Half from round", "none" if settled is None else settled, "count", "every input bit"
            ),
            Number("trail_bits", "Trail's improbability", float(side.weight), "count", "minus log2 of its chance"),
            Number("growth", "Memory, 6 to 48 layers", reversible.growth, "count", "times, reversible, measured"),
            Number("overhead", "Compute, closed form", float(recompute_overhead()), "count", "8 N D over 6 N D"),
        ),
        (
            Chart(
                "avalanche",
                "Avalanche by round",
                Axis("rounds", "count"),
                Axis("share of output bits flipped", "fraction", low=0.0, high=1.0),
                (
                    Series("mean", at, found.mean, strong=True),
                    Series("least input bit", at, found.least),
                    Series("most input bit", at, found.most),
                ),
                about="One input bit flips half of the output, whichever bit it is, after a quarter of the rounds.",
            ),
            Chart(
                "trail",
                "A random difference and the attacker's",
                Axis("rounds", "count"),
                Axis("share of bits that differ", "fraction", low=0.0, high=1.0),
                (
                    Series("random difference", steps, side.random),
                    Series("trail found by search", steps, side.chosen, strong=True),
                ),
                about="The attacker of a cipher looks for the difference that does not spread; the adversary of a "
                "classifier for the one that does. `headway reversible twins` draws both.",
            ),
        ),
        (_policies(),),
        equations=("(x, y) → (y + f(x), x)", "(z, x) → (x, z − f(x))", "8 N D / 6 N D = 4/3"),
        notes=("The cipher is for study, not for protection.",),
        sources=(
            "Beaulieu et al., IACR ePrint 2013/404: Simon",
            "Gomez et al., arXiv 1707.04585: reversible residual networks",
            *(source.text for source in reversible.sources),
        ),
    )


CHAPTER = Chapter(
    "reversible",
    "The twins",
    "What do ciphers and networks share, and what does keeping no activations cost?",
    CONTROLS,
    answer,
    order=84,
    part="Training",
)
