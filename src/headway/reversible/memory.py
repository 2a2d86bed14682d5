"""Peak memory and time of one training step, by the way activations are kept: measured, not claimed.

Memory is that of every tensor alive during a forward and a backward pass, counted operator by operator; it agrees
with the record of torch's CPU allocator to a few bytes (tests). The peak is the largest sum above what was there
before: weights, their gradients, the input. Time is CPU time of the process, best of several alternating rounds.
Closed forms stand beside both: ``L``, ``sqrt(L)`` and 1 times one layer; 8 N D over 6 N D.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.check import positive, whole
from headway.facts.errors import InputError, unknown
from headway.physics.budget import recompute_overhead
from headway.reversible.layers import MEMORIES, require_torch
from headway.reversible.transformer import Shape, reversible_transformer

_TOKENS = 64


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """Peak activation memory of one training step against depth.

    Parameters
    ----------
    layers : tuple of int
        Layers of the transformer, of two rounds each.
    peaks : tuple of (str, tuple of int)
        Policy, and the peak of each depth [B].
    batch, context, width : int
        Shape of the input and the network.
    """

    layers: tuple[int, ...]
    peaks: tuple[tuple[str, tuple[int, ...]], ...]
    batch: int
    context: int
    width: int

    def of(self, memory: str) -> tuple[int, ...]:
        """Peaks of one policy [B]."""
        return dict(self.peaks)[memory]

    def growth(self, memory: str) -> float:
        """Peak of the deepest network over that of the shallowest."""
        return self.of(memory)[-1] / self.of(memory)[0]

    def saved(self, memory: str) -> tuple[float, ...]:
        """Stored activations over this policy's, by depth."""
        return tuple(kept / own for kept, own in zip(self.of("store"), self.of(memory), strict=True))


@dataclass(frozen=True, slots=True)
class StepTime:
    """Time of one training step over that with stored activations.

    Parameters
    ----------
    layers : int
        Layers of the transformer.
    ratios : tuple of (str, float)
        Policy and ratio of CPU times.
    closed_form : float
        ``8 N D / 6 N D``.
    seconds : float
        CPU time of a step with stored activations [s].
    """

    layers: int
    ratios: tuple[tuple[str, float], ...]
    closed_form: float
    seconds: float

    def of(self, memory: str) -> float:
        """Ratio of one policy."""
        return dict(self.ratios)[memory]


def layers_held(layers: ArrayLike, memory: str) -> Any:
    """Layers whose activations are held at the peak, by the closed form: ``L``, ``2 sqrt(L)`` or 1.

    Parameters
    ----------
    layers : array_like
        Depth L [1].
    memory : str
        One of :data:`headway.reversible.layers.MEMORIES`.

    References
    ----------
    Chen et al., arXiv 1604.06174, section 4 (square root); Gomez et al., arXiv 1707.04585, table 1; claim C71.

    Examples
    --------
    >>> [float(layers_held(64, memory)) for memory in ("store", "checkpoint", "reversible")]
    [64.0, 16.0, 1.0]
    """
    depth = np.asarray(positive("layers", layers), dtype=float)
    if memory not in MEMORIES:
        raise unknown("memory", memory, MEMORIES)
    held = {"store": depth, "checkpoint": 2 * np.sqrt(depth), "reversible": np.ones_like(depth)}[memory]
    return held[()]


def peak_bytes(run: Callable[[], object]) -> int:
    """Most bytes of tensors alive at once, above the start, while a function ran [B].

    Every storage that an operator returns counts from then until its last reference is gone, in the forward and in
    the backward pass. Buffers that live only inside one kernel are not seen.

    Parameters
    ----------
    run : callable
        What to watch.

    Examples
    --------
    >>> import pytest
    >>> torch = pytest.importorskip("torch")
    >>> peak_bytes(lambda: torch.ones(1000, 1000) + 1)
    8000000
    """
    ledger = _Ledger()
    with _watcher_class()(ledger):
        run()
    return ledger.peak[0]


@dataclass(frozen=True, slots=True)
class _Ledger:
    """Bytes alive now, the most there were, and the storages that are counted already."""

    held: list[int] = field(default_factory=lambda: [0])
    peak: list[int] = field(default_factory=lambda: [0])
    known: set[int] = field(default_factory=set)

    def take(self, storage: Any) -> None:
        """Count a storage that was not seen before until it goes."""
        key, size = storage._cdata, storage.nbytes()
        if key in self.known or size == 0:
            return
        self.known.add(key)
        self.held[0] += size
        self.peak[0] = max(self.peak[0], self.held[0])
        weakref.finalize(storage, self.drop, key, size).atexit = False

    def drop(self, key: int, size: int) -> None:
        """Take a storage off the account."""
        self.known.discard(key)
        self.held[0] -= size


@cache
def _watcher_class() -> Any:
    torch = require_torch()
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Watcher(TorchDispatchMode):  # type: ignore[misc]
        """Counts the storages of everything that operators return and did not get."""

        def __init__(self, ledger: _Ledger) -> None:
            super().__init__()
            self.ledger = ledger

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            """Run one operator."""
            given = {
                leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)
            }
            out = func(*args, **(kwargs or {}))
            for leaf in tree_leaves(out):
                if isinstance(leaf, torch.Tensor) and leaf.untyped_storage()._cdata not in given:
                    self.ledger.take(leaf.untyped_storage())
            return out

    return Watcher


def _step(layers: int, width: int, batch: int, context: int) -> tuple[Any, Callable[[], None]]:
    torch = require_torch()
    torch.manual_seed(0)
    net = reversible_transformer(Shape(_TOKENS, width, max(width // 16, 1), layers, context)).train()
    tokens = torch.randint(0, _TOKENS, (batch, context))

    def step() -> None:
        logits = net(tokens)
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens.flatten()).backward()

    return net, step


def peak_memory(
    layers: tuple[int, ...] = (6, 12, 24, 48), *, width: int = 32, batch: int = 4, context: int = 32
) -> PeakMemory:
    """Measure the peak memory of a training step of a reversible transformer by depth and policy.

    Gradients exist before the measured step and are added to in place, as in any step but the first.

    Parameters
    ----------
    layers : tuple of int
        Depths, ascending.
    width, batch, context : int
        Sizes.

    Examples
    --------
    >>> import pytest
    >>> _ = pytest.importorskip("torch")
    >>> found = peak_memory((2, 8), width=16, batch=2, context=32)
    >>> found.growth("reversible") < found.growth("checkpoint") < found.growth("store")
    True
    """
    if not layers or list(layers) != sorted(set(layers)):
        raise InputError("layers", layers, "one depth or more, ascending")
    for depth in layers:
        whole("layers", depth, most=1024)
    found: dict[str, list[int]] = {memory: [] for memory in MEMORIES}
    for depth in layers:
        net, step = _step(depth, width, batch, context)
        step()
        for memory in MEMORIES:
            net.body.memory = memory
            found[memory].append(peak_bytes(step))
    return PeakMemory(tuple(layers), tuple((m, tuple(p)) for m, p in found.items()), batch, context, width)


def step_time(
    layers: int = 6, *, width: int = 256, batch: int = 8, context: int = 64, rounds: int = 5, threads: int = 1
) -> StepTime:
    """Time a training step under each policy; best of alternating rounds, CPU time.

    Parameters
    ----------
    layers, width, batch, context : int
        Sizes; wide enough that products, and not their dispatch, take the time.
    rounds : int
        Steps timed for each policy.
    threads : int
        Threads of torch during the measurement.

    Examples
    --------
    >>> import pytest
    >>> _ = pytest.importorskip("torch")
    >>> round(step_time(1, width=16, batch=1, context=8, rounds=1).closed_form, 3)
    1.333
    """
    torch = require_torch()
    whole("rounds", rounds)
    net, step = _step(layers, width, batch, context)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        step()
        spent: dict[str, list[float]] = {memory: [] for memory in MEMORIES}
        for _ in range(rounds):
            for memory in MEMORIES:
                net.body.memory = memory
                start = time.process_time()
                step()
                spent[memory].append(time.process_time() - start)
    finally:
        torch.set_num_threads(before)
    best = {memory: max(min(times), 1e-9) for memory, times in spent.items()}
    ratios = tuple((memory, best[memory] / best["store"]) for memory in MEMORIES)
    return StepTime(layers, ratios, float(recompute_overhead()), best["store"])
