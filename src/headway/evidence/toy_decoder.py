"""A small llama-like decoder in numpy, timed on this machine and predicted by the same physics as any other.

Pre-norm, rotary positions, grouped-query attention over a cache, SwiGLU, 32-bit floats. Weights are random: only
the time of a pass is of interest. What the physics gets is the machine's measured rates and the model's shape.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headway.evidence.measure import Clock, Measurement, best
from headway.evidence.measured_efficiency import achieved
from headway.facts.hardware import Chip, System
from headway.facts.layers import DenseFFN, SoftmaxAttention
from headway.facts.model import LayerGroup, Model
from headway.facts.precision import Precision
from headway.physics.step import decode_step

Array = NDArray[np.float32]

FP32: Final = Precision(*("fp32",) * 7)


@dataclass(frozen=True, slots=True)
class ToyShape:
    """Shape of a toy: layers, widths, heads."""

    layers: int = 6
    hidden: int = 1024
    heads: int = 16
    kv_heads: int = 4
    width: int = 2816
    vocab: int = 8192

    @property
    def head_dim(self) -> int:
        """Width of one head [1]."""
        return self.hidden // self.heads

    def model(self) -> Model:
        """The toy as the physics sees any model.

        >>> ToyShape().model().total_params
        84423680
        """
        attention = SoftmaxAttention(self.heads, self.kv_heads, self.head_dim)
        group = LayerGroup(self.layers, attention, DenseFFN(self.width))
        return Model("toy", self.hidden, self.vocab, (group,), precision=FP32)


@dataclass(frozen=True)
class ToyDecoder:
    """Weights and cache of a toy.

    Parameters
    ----------
    shape : ToyShape
    layers : tuple of dict of str to array
        ``qkv, o, up, down`` (inputs x outputs).
    embedding, head : array
    keys, values : tuple of array of shape (batch, kv_heads, room, head_dim)
    """

    shape: ToyShape
    layers: tuple[dict[str, Array], ...]
    embedding: Array
    head: Array
    keys: tuple[Array, ...]
    values: tuple[Array, ...]

    def step(self, tokens: NDArray[np.int64], position: int) -> Array:
        """Logits of one token per sequence, whose keys and values join the cache at `position`."""
        s, batch = self.shape, tokens.shape[0]
        turn = _rotation(position, s.head_dim)
        groups = s.heads // s.kv_heads
        x = self.embedding[tokens]
        for layer, keys, values in zip(self.layers, self.keys, self.values, strict=True):
            mixed = (_norm(x) @ layer["qkv"]).reshape(batch, s.heads + 2 * s.kv_heads, s.head_dim)
            turned = _rotate(mixed[:, : s.heads + s.kv_heads], turn)
            keys[:, :, position] = turned[:, s.heads :]
            values[:, :, position] = mixed[:, s.heads + s.kv_heads :]
            query = turned[:, : s.heads].reshape(batch, s.kv_heads, groups, s.head_dim)
            scores = query @ keys[:, :, : position + 1].transpose(0, 1, 3, 2)
            scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
            scores /= scores.sum(axis=-1, keepdims=True)
            x = x + (scores @ values[:, :, : position + 1]).reshape(batch, s.hidden) @ layer["o"]
            up = _norm(x) @ layer["up"]
            gate, linear = up[:, : s.width], up[:, s.width :]
            x = x + (gate / (1.0 + np.exp(-gate)) * linear) @ layer["down"]
        return np.asarray(_norm(x) @ self.head)


def _norm(x: Array) -> Array:
    return np.asarray(x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + np.float32(1e-5)))


def _rotation(position: int, dim: int) -> tuple[Array, Array]:
    angle = position * np.power(10000.0, -np.arange(0, dim, 2) / dim)
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def _rotate(x: Array, turn: tuple[Array, Array]) -> Array:
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * turn[0] - b * turn[1], a * turn[1] + b * turn[0]], axis=-1)


def toy_decoder(shape: ToyShape, batch: int, room: int, seed: int = 0) -> ToyDecoder:
    """A toy with random weights and a cache of `room` tokens for `batch` sequences.

    >>> toy = toy_decoder(ToyShape(1, 64, 4, 2, 128, 32), 2, 8)
    >>> toy.step(np.array([1, 2]), 0).shape
    (2, 32)
    """
    draw, s = np.random.default_rng(seed), shape

    def weights(inputs: int, outputs: int) -> Array:
        return draw.standard_normal((inputs, outputs), dtype=np.float32) / np.float32(inputs**0.5)

    mixed = (s.heads + 2 * s.kv_heads) * s.head_dim
    layers = tuple(
        {
            "qkv": weights(s.hidden, mixed),
            "o": weights(s.hidden, s.hidden),
            "up": weights(s.hidden, 2 * s.width),
            "down": weights(s.width, s.hidden),
        }
        for _ in range(s.layers)
    )
    cache = [np.full((batch, s.kv_heads, room, s.head_dim), 0.1, np.float32) for _ in range(2 * s.layers)]
    ends = weights(s.vocab, s.hidden), weights(s.hidden, s.vocab)
    return ToyDecoder(s, layers, *ends, tuple(cache[: s.layers]), tuple(cache[s.layers :]))


def as_system(found: Measurement) -> System:
    """A measured device as a system of one chip: best rates seen, 32-bit products under the 16-bit key.

    >>> from headway.evidence.measure import Effort, measure_cpu
    >>> as_system(measure_cpu(Effort((1 << 20,), 1 << 20, (64,), 1))).chips
    1
    """
    chip = Chip(f"this-{found.device}", "this machine", 2000, f"this-{found.device}", {"bf16": found.rate},
                found.capacity, found.bandwidth)  # fmt: skip
    return System("this-machine", chip, 1, 1, found.bandwidth, found.dispatch, None, found.dispatch)


@dataclass(frozen=True, slots=True)
class ToyCheck:
    """One timed pass beside its prediction [s]."""

    shape: ToyShape
    batch: int
    context: int
    measured: float
    predicted: float

    @property
    def error(self) -> float:
        """Relative error of the prediction, with its sign [1]."""
        return self.predicted / self.measured - 1.0


def predict_toy(found: Measurement, shape: ToyShape, batch: int, context: int) -> float:
    """Seconds of one decode pass of a toy by the kernel fidelity.

    >>> from headway.evidence.measure import Effort, measure_cpu
    >>> seen = measure_cpu(Effort((1 << 20,), 1 << 20, (64,), 1))
    >>> predict_toy(seen, ToyShape(), 1, 128) > 0
    True
    """
    eff = achieved(found, batch)
    step = decode_step(shape.model(), as_system(found), None, batch, context, precision=FP32, efficiency=eff)
    return float(step.seconds)


def check_toy(
    found: Measurement, shape: ToyShape, batch: int, context: int, *, rounds: int = 15, clock: Clock = time.perf_counter
) -> ToyCheck:
    """Time a toy's decode pass, best of `rounds`, and predict it.

    >>> from headway.evidence.measure import Effort, measure_cpu
    >>> seen = measure_cpu(Effort((1 << 20,), 1 << 20, (64,), 1))
    >>> check_toy(seen, ToyShape(1, 64, 4, 2, 128, 32), 2, 8, rounds=2).measured > 0
    True
    """
    toy = toy_decoder(shape, batch, context + 1)
    tokens = np.arange(batch, dtype=np.int64) % shape.vocab
    run: Callable[[], Any] = lambda: toy.step(tokens, context)  # noqa: E731
    run()
    measured = best(run, rounds, clock)
    return ToyCheck(shape, batch, context, measured, predict_toy(found, shape, batch, context))


def scaled(shape: ToyShape, layers: int, hidden: int) -> ToyShape:
    """The same toy with other depth and width; heads keep their width.

    >>> scaled(ToyShape(), 4, 512)
    ToyShape(layers=4, hidden=512, heads=8, kv_heads=2, width=1408, vocab=8192)
    """
    by = hidden / shape.hidden
    return replace(
        shape,
        layers=layers,
        hidden=hidden,
        heads=int(shape.heads * by),
        kv_heads=max(int(shape.kv_heads * by), 1),
        width=int(shape.width * by),
    )


def standard_checks(found: Measurement) -> tuple[ToyCheck, ...]:
    """Toys of 4 to 8 layers and width 512 to 1024, one to eight sequences, short and longer context."""
    shapes = (scaled(ToyShape(), 4, 1024), scaled(ToyShape(), 8, 1024), scaled(ToyShape(), 8, 512))
    return tuple(
        check_toy(found, s, batch, context) for s in shapes for batch in (1, 2, 4, 8) for context in (128, 1024)
    )
