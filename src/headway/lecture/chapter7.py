"""Chapter 7, the twin of ciphers and networks: Feistel, avalanche, reversible layers (C69-C72)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from headway.facts.reversible_overheads import memory_policy
from headway.lecture.claim import EXACT, Compute, Figure, Given, real, say
from headway.physics.budget import recompute_overhead
from headway.reversible.avalanche import avalanche
from headway.reversible.feistel import round_trip
from headway.reversible.memory import layers_held
from headway.reversible.simon import cipher
from headway.reversible.trails import search

# Half of the output bits, to two points.
_HALF = (0.48, 0.52)
# A flat memory, and one that grows with the depth from 6 to 48 layers.
_FLAT = (0.85, 1.15)
_LINEAR = (6.0, 8.0)
# The closed form 4/3 and what small products and their dispatch add to it.
_THIRD_MORE = (1.2, 1.5)


def _c69(given: Given) -> tuple[Figure, ...]:
    found = round_trip()
    return (
        say("integers come back exactly", found.exact, expected=True),
        say("floats within depth x eps", bool(found.error <= found.bound), expected=True),
        say("largest error, float64, 32 rounds", found.error, "count", between=(0.0, found.bound), shown=False),
    )


def _c70(given: Given) -> tuple[Figure, ...]:
    small, large = (avalanche(cipher(name)) for name in ("simon32/64", "simon64/128"))
    return (
        say("Simon32/64, 32 rounds", small.full, "fraction", between=_HALF),
        say("Simon64/128, 44 rounds", large.full, "fraction", between=_HALF, shown=False),
        say("after 8 rounds", small.mean[8], "fraction", between=_HALF),
        say("after 2 rounds", small.mean[2], "fraction"),
        say("a trail over 5 rounds has probability 2^-", search(cipher(), 5).weight, "count", 8, EXACT, shown=False),
    )


def _c71(given: Given) -> tuple[Figure, ...]:
    kept, reversible, checkpoint = (memory_policy(name) for name in ("store", "reversible", "checkpoint"))
    return (
        say("saving at DeepSeek's 61 layers", layers_held(given("model.deepseek_layers"), "store"), "times", 61, EXACT),
        real("6 to 48 layers, reversible, measured", reversible.growth, "times", between=_FLAT),
        real("6 to 48 layers, stored, measured", kept.growth, "times", between=_LINEAR),
        real("6 to 48 layers, checkpointed, measured", checkpoint.growth, "times", shown=False),
    )


def _c72(given: Given) -> tuple[Figure, ...]:
    return (
        say("8 N D over 6 N D", recompute_overhead(), "times", "1.333"),
        real("time, measured", memory_policy("reversible").time_ratio, "times", between=_THIRD_MORE),
    )


COMPUTE: Mapping[str, Compute] = MappingProxyType({"C69": _c69, "C70": _c70, "C71": _c71, "C72": _c72})
