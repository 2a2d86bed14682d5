"""Time this machine: memory streams, matrix products, attention over a cache, and what one small operation costs.

Streams are those of STREAM (McCalpin, 1995) as numpy can do them (copy, sum of two arrays into a third, read), on
arrays well above the last cache. Matrix products are taken with many rows (the peak), and with few rows against
weights that come from memory, which is what a decode pass does. What follows from them is in
:mod:`headway.evidence.measured_efficiency`.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

Clock = Callable[[], float]

# Weights of a decoder's products: inputs and outputs [1].
_SHAPES: Final = ((512, 1408), (1024, 1024), (1024, 2816), (2816, 1024))
_ROWS: Final = (1, 2, 4, 8, 16)
_SQUARES: Final = (1024, 2048)
_CACHE_DEFAULT: Final = 32 << 20
_MEMORY_DEFAULT: Final = 8e9


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure.

    Parameters
    ----------
    stream_bytes : tuple of int
        Sizes of one array of a stream [B].
    weight_bytes : int
        Least size of all weights of one shape together [B].
    squares : tuple of int
        Sides of the large products [1].
    rounds : int
        Times each is repeated; the best counts, since noise only adds time [1].
    """

    stream_bytes: tuple[int, ...]
    weight_bytes: int
    squares: tuple[int, ...] = _SQUARES
    rounds: int = 7


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream through memory: `moved` bytes per pass over arrays of `size` bytes, at `rate` [B/s]."""

    name: str
    size: int
    moved: int
    rate: float


@dataclass(frozen=True, slots=True)
class Product:
    """``rows x inputs`` by ``inputs x outputs`` in `seconds` [s]."""

    rows: int
    inputs: int
    outputs: int
    seconds: float

    @property
    def flop(self) -> float:
        """Work [FLOP]."""
        return 2.0 * self.rows * self.inputs * self.outputs

    @property
    def elements(self) -> float:
        """Numbers read and written [1]."""
        return self.inputs * self.outputs + self.rows * (self.inputs + self.outputs)

    @property
    def rate(self) -> float:
        """Work over time [FLOP/s]."""
        return self.flop / self.seconds

    def weight_rate(self, element: int) -> float:
        """Weights over time, `element` bytes each [B/s]."""
        return self.inputs * self.outputs * element / self.seconds


@dataclass(frozen=True, slots=True)
class CachePass:
    """Scores against a cache of `context` tokens, softmax and weighted values of one layer in `seconds` [s]."""

    sequences: int
    kv_heads: int
    group: int
    head_dim: int
    context: int
    seconds: float

    @property
    def elements(self) -> float:
        """Numbers of the cache [1]."""
        return 2.0 * self.sequences * self.kv_heads * self.head_dim * self.context

    @property
    def flop(self) -> float:
        """Work of the two products [FLOP]."""
        return 2.0 * self.group * self.elements


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one device was seen to do.

    Parameters
    ----------
    device, label : str
        ``"cpu"`` or torch's name; processor as the system calls it.
    element : int
        Bytes of one number of the products [B].
    capacity : float
        Memory [B].
    streams : tuple of Stream
    large, thin : tuple of Product
        With as many rows as columns; with few rows and weights from memory.
    dispatch : float
        One small operation [s].
    note : str
        Library and number format.
    cache : CachePass or None
        Attention of one layer while decoding, where it was timed.
    """

    device: str
    label: str
    element: int
    capacity: float
    streams: tuple[Stream, ...]
    large: tuple[Product, ...]
    thin: tuple[Product, ...]
    dispatch: float
    note: str
    cache: CachePass | None = None

    @property
    def bandwidth(self) -> float:
        """Best rate seen of any stream or thin product [B/s]."""
        return max([s.rate for s in self.streams] + [p.elements * self.element / p.seconds for p in self.thin])

    @property
    def rate(self) -> float:
        """Best rate seen of any product [FLOP/s]."""
        return max(p.rate for p in (*self.large, *self.thin))


def last_cache() -> int:
    """Bytes of the largest cache of the first core; 32 MiB where the system does not say.

    >>> last_cache() > 0
    True
    """
    sizes = [_CACHE_DEFAULT] if not (found := _cache_sizes()) else found
    return max(sizes)


def _cache_sizes() -> list[int]:
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    found = []
    for file in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        try:
            text = file.read_text(encoding="ascii").strip()
            found.append(int(text[:-1]) * units[text[-1]])
        except (OSError, ValueError, KeyError, IndexError):
            continue
    return found


def main_memory() -> float:
    """Bytes of main memory; 8 GB where the system does not say.

    >>> main_memory() > 0
    True
    """
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return _MEMORY_DEFAULT


def full_effort() -> Effort:
    """Arrays of two and four times the last cache, within a sixteenth of the memory.

    >>> full_effort().rounds
    7
    """
    most = int(main_memory() / 16)
    sizes = sorted({min(max(times * last_cache(), 64 << 20), most) for times in (2, 4)})
    return Effort(tuple(sizes), min(4 * last_cache(), most))


def best(function: Callable[[], object], rounds: int, clock: Clock = time.perf_counter) -> float:
    """Shortest of `rounds` calls [s].

    >>> ticks = iter([0.0, 3.0, 5.0, 6.0])
    >>> best(lambda: None, 2, lambda: next(ticks))
    1.0
    """
    found = float("inf")
    for _ in range(rounds):
        start = clock()
        function()
        found = min(found, clock() - start)
    return max(found, 1e-9)


def _streams(effort: Effort) -> tuple[Stream, ...]:
    found = []
    for size in effort.stream_bytes:
        a, b, c = (np.ones(size // 4, np.float32) for _ in range(3))
        for name, arrays, function in (
            ("read", 1, lambda a=a: a.max()),
            ("copy", 2, lambda a=a, b=b: np.copyto(b, a)),
            ("triad", 3, lambda a=a, b=b, c=c: np.add(a, b, out=c)),
        ):
            moved = arrays * a.nbytes
            found.append(Stream(name, a.nbytes, moved, moved / best(function, effort.rounds)))
    return tuple(found)


def _thin(effort: Effort) -> tuple[Product, ...]:
    """Few rows times weights that are no longer in the cache when their turn comes again."""
    found = []
    for inputs, outputs in _SHAPES:
        copies = max(2, -(-effort.weight_bytes // (4 * inputs * outputs)))
        weights = [np.full((inputs, outputs), 0.5, np.float32) for _ in range(copies)]
        for rows in _ROWS:
            x = np.ones((rows, inputs), np.float32)

            def cycle(x: Any = x, weights: Any = weights) -> None:
                for w in weights:
                    x @ w

            cycle()
            found.append(Product(rows, inputs, outputs, best(cycle, effort.rounds) / copies))
    return tuple(found)


def _large(effort: Effort) -> tuple[Product, ...]:
    found = []
    for side in effort.squares:
        a, b = np.ones((side, side), np.float32), np.ones((side, side), np.float32)
        found.append(Product(side, side, side, best(lambda a=a, b=b: a @ b, effort.rounds)))  # type: ignore[misc]
    return tuple(found)


def _cache_pass(effort: Effort) -> CachePass:
    """Grouped-query attention over caches that are no longer in the processor's when their turn comes again."""
    sequences, kv_heads, group, dim, context = 8, 4, 4, 64, 1024
    size = 2 * 4 * sequences * kv_heads * dim * context
    shape = (sequences, kv_heads, context, dim)
    caches = [
        (np.full(shape, 0.1, np.float32), np.full(shape, 0.1, np.float32))
        for _ in range(max(2, effort.weight_bytes // size))
    ]
    query = np.ones((sequences, kv_heads, group, dim), np.float32)

    def cycle() -> None:
        for keys, values in caches:
            scores = query @ keys.transpose(0, 1, 3, 2)
            scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
            (scores / scores.sum(axis=-1, keepdims=True)) @ values

    cycle()
    return CachePass(sequences, kv_heads, group, dim, context, best(cycle, effort.rounds) / len(caches))


def _dispatch(rounds: int) -> float:
    """One small operation of the kinds that a decoder strings together: sum, product, mean, exponential, reshape."""
    x = np.ones((2, 8), np.float32)
    w = np.ones((8, 8), np.float32)
    calls = 200

    def small() -> None:
        for _ in range(calls):
            y = (x @ w).reshape(2, 2, 4)
            z = np.exp(y * y)
            (z / z.mean(axis=-1, keepdims=True) + y).transpose(1, 0, 2)

    return best(small, 3 * rounds) / (8 * calls)


def measure_cpu(effort: Effort | None = None) -> Measurement:
    """Measure the processor with numpy in 32-bit floats, on as many threads as its BLAS uses.

    >>> tiny = Effort((1 << 20,), 1 << 20, (64,), 1)
    >>> measure_cpu(tiny).bandwidth > 0
    True
    """
    chosen = effort or full_effort()
    streams = _streams(chosen)
    threads = os.environ.get("OPENBLAS_NUM_THREADS") or os.environ.get("OMP_NUM_THREADS") or f"{os.cpu_count()} cores"
    return Measurement(
        device="cpu",
        label=_processor(),
        element=4,
        capacity=main_memory(),
        streams=streams,
        large=_large(chosen),
        thin=_thin(chosen),
        dispatch=_dispatch(chosen.rounds),
        note=f"numpy {np.__version__}, 32-bit floats, BLAS threads: {threads}",
        cache=_cache_pass(chosen),
    )


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "processor"
