"""The forms that the kernel fidelity gives single operators, written for whole tables of measurements.

A row carries its work in seconds of the datasheet (FLOP over peak, bytes over bandwidth), so that a form is only the
constants. They are those of :mod:`headway.physics.kernel`, one operator at a time; a test holds the two together.

Constants are named by scope: ``"generation.hopper.compute"``, ``"engine.vllm.experts"``, ``"shared.serial"``. Two
more are fitted and not handed on: what NCCL's own all-reduce costs, which shares the link with the engines'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headway.physics.kernel import soft_maximum

Array = NDArray[np.float64]
Values = Mapping[str, float]

#: Power of the norm that joins compute and memory time of one product, and of many small ones in one launch.
SOFTNESS: Final = 3.0
GROUPED_SOFTNESS: Final = 1.5
#: Rows of a tile: what a warpgroup of Hopper multiplies at once, and the least that engines' large products take.
TILE: Final = 64.0


@dataclass(frozen=True, slots=True)
class Rows:
    """Measurements of one family of operators; all arrays of shape (rows,).

    Parameters
    ----------
    family : str
        Key of :data:`FORMS`.
    chip, generation, engine, lane : array of str
        Whose kernel it was; the lane is what else sets kernels apart (number format, kind of attention).
    seconds : array
        Measured [s].
    columns : mapping of str to array
        Work of a row, by name, in seconds of the datasheet or as a count.
    """

    family: str
    chip: NDArray[np.str_]
    generation: NDArray[np.str_]
    engine: NDArray[np.str_]
    lane: NDArray[np.str_]
    seconds: Array
    columns: Mapping[str, Array]

    def where(self, keep: NDArray[Any]) -> Rows:
        """The rows of a mask or of indices."""
        columns = MappingProxyType({name: values[keep] for name, values in self.columns.items()})
        labels = (self.chip[keep], self.generation[keep], self.engine[keep], self.lane[keep])
        return Rows(self.family, *labels, self.seconds[keep], columns)

    def pick(self, values: Values, kind: str, name: str) -> Array:
        """The constant that holds for each row: of its generation or of its engine."""
        labels = self.generation if kind == "generation" else self.engine
        levels, inverse = np.unique(labels, return_inverse=True)
        return np.array([values.get(f"{kind}.{level}.{name}", 0.0) for level in levels])[inverse.ravel()]


def joined(parts: list[Rows]) -> Rows:
    """One table of several of the same family."""
    names = parts[0].columns
    return Rows(
        parts[0].family,
        np.concatenate([p.chip for p in parts]),
        np.concatenate([p.generation for p in parts]),
        np.concatenate([p.engine for p in parts]),
        np.concatenate([p.lane for p in parts]),
        np.concatenate([p.seconds for p in parts]),
        MappingProxyType({name: np.concatenate([p.columns[name] for p in parts]) for name in names}),
    )


def product(values: Values, rows: Rows) -> Array:
    """One matrix product [s]: ``floors + serial k + |FLOP / (compute narrow^h F), bytes / (memory BW)|_3 + beside``.

    Columns ``flop`` (of whole tiles), ``bytes`` and ``beside`` (the pass that narrows the operands) [s], ``length`` of
    the reduction [1], ``halvings`` of the width [1], ``narrowed`` (1 where the operands are narrowed on the way in).
    """
    c = rows.columns
    rate = rows.pick(values, "generation", "compute") * rows.pick(values, "generation", "narrow") ** c["halvings"]
    floor = rows.pick(values, "generation", "operator_latency")
    floor = floor + c["narrowed"] * rows.pick(values, "engine", "quantise_latency")
    memory = rows.pick(values, "generation", "memory")
    body = soft_maximum(c["flop"] / rate, c["bytes"] / memory, SOFTNESS) + c["beside"] / memory
    return np.asarray(floor + values["shared.serial"] * c["length"] + body)


def attention(values: Values, rows: Rows) -> Array:
    """Attention proper [s]: ``floors + |(1 + half/new) (dots/attention + w exponentials + v widened), bytes/memory|``.

    The norm is the third. Columns ``dots``, ``exponentials`` and ``bytes`` [s]; ``widened``, elements of an 8-bit cache
    that are widened first, over the 16-bit peak [s/FLOP]; ``short`` is one over the new tokens of a prompt, 0 when
    decoding [1/token]. ``w`` is the share of the exponentials' time that the products do not hide, ``v`` the FLOP in
    the time of one widening.
    """
    c = rows.columns
    work = c["dots"] / values["shared.attention"] + values["shared.softmax_weight"] * c["exponentials"]
    work = work + rows.pick(values, "engine", "widening") * c["widened"]
    work = work * (1.0 + values["shared.half_length"] * c["short"])
    floor = rows.pick(values, "generation", "operator_latency") + rows.pick(values, "engine", "attention_latency")
    return np.asarray(floor + soft_maximum(work, c["bytes"] / rows.pick(values, "generation", "memory"), SOFTNESS))


def recurrent(values: Values, rows: Rows) -> Array:
    """Convolution and scan of a linear layer [s]: ``2 floor + scan new + |FLOP / attention, bytes / memory|_3``.

    Columns ``flop``, ``bytes`` [s], ``walked`` (new tokens of one prompt, 0 when decoding) [token].
    """
    c = rows.columns
    floor = 2.0 * rows.pick(values, "generation", "operator_latency")
    stream = c["bytes"] / rows.pick(values, "generation", "memory")
    body = soft_maximum(c["flop"] / values["shared.attention"], stream, SOFTNESS)
    return np.asarray(floor + values["shared.scan"] * c["walked"] + body)


def experts(values: Values, rows: Rows) -> Array:
    """Grouped products of the routed experts [s]: as :func:`product`, slower by `experts`, with a softer corner.

    Columns ``flop``, ``bytes``, ``beside`` [s], ``halvings`` [1], ``widened`` (1 where narrow weights are widened
    first).
    """
    c = rows.columns
    kept = np.where(c["widened"] > 0, values["shared.weight_only"], 1.0)
    rate = rows.pick(values, "generation", "compute") * rows.pick(values, "generation", "narrow") ** c["halvings"]
    rate = rate * kept * rows.pick(values, "engine", "experts")
    memory = rows.pick(values, "generation", "memory")
    stream = c["bytes"] / (memory * kept)
    floor = rows.pick(values, "generation", "operator_latency") + rows.pick(values, "engine", "experts_latency")
    return np.asarray(floor + soft_maximum(c["flop"] / rate, stream, GROUPED_SOFTNESS) + c["beside"] / memory)


def collective(values: Values, rows: Rows) -> Array:
    """An all-reduce or one way of an exchange [s], by the sums of :mod:`headway.physics.collectives`.

    Columns ``wire`` (the buffer), ``near``, ``far`` (what an exchange sends inside the domain and beyond),
    ``spread``, ``relayed`` (the same where one copy goes to each domain) [s], ``ranks`` [1], ``hop`` (latency of the
    network, 0 inside the domain) [s].
    """
    c = rows.columns
    factor = rows.pick(values, "generation", "latency_factor")
    n = np.maximum(c["ranks"], 1.0)
    moved = (1.0 - 1.0 / n) * c["wire"] / values["shared.link"]
    floor = factor * rows.pick(values, "engine", "collective_latency")
    shots = moved + floor + np.minimum((n - 1.0) * moved, moved + floor)
    ring = 2.0 * moved + factor * (values["nccl.latency"] + values["nccl.per_rank"] * n)
    reduced = np.where(rows.engine == "nccl", ring, shots)
    local, network = values["shared.exchange"], values["shared.network"]
    direct = (1.0 - 1.0 / n) * np.maximum(c["near"] / local, c["far"] / network)
    through = (1.0 - 1.0 / n) * np.maximum(c["spread"] / local, c["relayed"] / network) + values["shared.relay_latency"]
    sent = np.where(c["far"] > 0, np.minimum(direct, through), direct)
    exchanged = factor * rows.pick(values, "engine", "exchange_latency") + c["hop"] + sent
    return np.asarray(np.where(c["wire"] > 0, reduced, exchanged))


#: The form of each family.
FORMS: Final[Mapping[str, Callable[[Values, Rows], Array]]] = MappingProxyType(
    {"product": product, "attention": attention, "recurrent": recurrent, "experts": experts, "collective": collective}
)


def relative_errors(values: Values, rows: Rows) -> Array:
    """``|predicted / measured - 1|`` of each row [1]."""
    return np.asarray(np.abs(FORMS[rows.family](values, rows) / rows.seconds - 1.0))
