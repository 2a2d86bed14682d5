r"""Reversible layers for torch: a Feistel network over tensors that is trained without stored activations.

The backward pass gets each layer's input back from its output, ``y = z - f(x)``, and runs `f` once more to
differentiate it, so that the memory of activations does not grow with the depth. The same network can store its
activations, or checkpoint every :math:`\sqrt{L}` rounds, by one argument; all three give the same gradients.

Dropout repeats exactly: a forward pass in training draws one seed from torch's generator, each round runs under that
seed and its own number, and the generator is put back afterwards. A seed is 8 bytes, where a saved state is 5 kB a
layer.

References
----------
Gomez et al., "The reversible residual network", arXiv 1707.04585; Kitaev et al., "Reformer", arXiv 2001.04451 (the
transformer); Chen et al., arXiv 1604.06174 (checkpoints).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from headway.facts.check import fraction, whole
from headway.facts.errors import InputError, MissingExtraError, unknown
from headway.reversible import feistel

if TYPE_CHECKING:
    import torch

Memory = Literal["store", "reversible", "checkpoint"]
#: What may become of the activations.
MEMORIES: tuple[str, ...] = get_args(Memory)
Halves: TypeAlias = "tuple[torch.Tensor, torch.Tensor]"


def require_torch() -> Any:
    """The torch module.

    Raises
    ------
    MissingExtraError
        If it is not installed: one line that says how to.

    Examples
    --------
    >>> import pytest
    >>> _ = pytest.importorskip("torch")
    >>> require_torch().zeros(2).shape[0]
    2
    """
    try:
        import torch
    except ImportError:
        raise MissingExtraError("torch", "torch") from None
    return torch


@dataclass(frozen=True, slots=True)
class _Pass:
    """What one forward pass must remember to run a round again: seed, autocast, and the halves as they come back."""

    seed: int | None
    device: str
    autocast: tuple[bool, Any]
    halves: list[Any]

    def run(self, number: int, f: Callable[[Any], Any], x: Any) -> Any:
        """Run round `number` as it ran, or will run, in the other pass."""
        with ExitStack() as stack:
            for context in self._contexts():
                stack.enter_context(context)
            if self.seed is not None:
                stack.enter_context(_seeded(x.device, self.seed + number))
            return f(x)

    def _contexts(self) -> list[AbstractContextManager[Any]]:
        torch = _torch()
        on, dtype = self.autocast
        contexts: list[AbstractContextManager[Any]] = []
        if (torch.is_autocast_enabled(self.device), torch.get_autocast_dtype(self.device)) != self.autocast:
            contexts.append(torch.autocast(self.device, dtype=dtype, enabled=on))
        return contexts


@contextmanager
def _seeded(device: Any, seed: int) -> Iterator[None]:
    """Seed the generators that a round on this device draws from, and put them back after it."""
    torch = _torch()
    own, before = torch.default_generator, torch.default_generator.get_state()
    other = None if device.type == "cpu" else torch.get_device_module(device)
    there = None if other is None else other.get_rng_state(device)
    try:
        own.manual_seed(seed)
        if other is not None:
            with other.device(device):
                other.manual_seed(seed)
        yield
    finally:
        own.set_state(before)
        if other is not None:
            other.set_rng_state(there, device)


def _torch() -> Any:
    return require_torch()


def _start(x: Any, training: bool) -> _Pass:
    torch = _torch()
    seed = int(torch.randint(0, 1 << 62, ()).item()) if training else None
    device = x.device.type
    return _Pass(seed, device, (torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)), [])


@cache
def _recompute() -> Any:
    """The autograd function of one round; made on first use, as torch may be absent."""
    torch = _torch()

    class Recomputed(torch.autograd.Function):  # type: ignore[misc,name-defined]
        """One round whose backward pass gets its input back from its output."""

        @staticmethod
        def forward(ctx: Any, this: _Pass, number: int, last: bool, f: Any, x: Any, y: Any, *weights: Any) -> Any:
            """Run the round; only the last one keeps its output."""
            z, _ = feistel.step(x, y, lambda half: this.run(number, f, half), feistel.ADDITION)
            out = (z, x.clone() if last else x.view_as(x))
            ctx.this, ctx.number, ctx.f, ctx.weights, ctx.last = this, number, f, weights, last
            if last:
                ctx.save_for_backward(*out)
            return out

        @staticmethod
        def backward(ctx: Any, dz: Any, dx: Any) -> Any:
            """Invert the round, run `f` once more and differentiate it."""
            this, weights = ctx.this, [w for w in ctx.weights if w.requires_grad]
            z, x = ctx.saved_tensors if ctx.last else this.halves
            with torch.enable_grad():
                again = x.detach().requires_grad_()
                value = this.run(ctx.number, ctx.f, again)
            this.halves[:] = [again.detach(), feistel.ADDITION.subtract(z, value.detach())]
            grads = torch.autograd.grad(value, [again, *weights], dz.to(value.dtype), allow_unused=True)
            found = iter(grads[1:])
            to_weights = [next(found) if w.requires_grad else None for w in ctx.weights]
            into_x = dx if grads[0] is None else dx + grads[0]
            return None, None, None, None, into_x, dz, *to_weights

    return Recomputed


def _checked_halves(x: Any, y: Any, torch: Any) -> None:
    if not (isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor)) or x.shape != y.shape:
        raise InputError("halves", f"{getattr(x, 'shape', x)} and {getattr(y, 'shape', y)}", "two tensors of one shape")


def run_rounds(x: Any, y: Any, rounds: Sequence[Any], memory: Memory = "reversible", *, training: bool = False) -> Any:
    r"""Run Feistel rounds over tensors, with gradients by the way of keeping activations that is asked for.

    Parameters
    ----------
    x, y : torch.Tensor
        The halves, of one shape.
    rounds : sequence of torch.nn.Module
        Each from a half to something of the same shape. They must not change their own state in a forward pass
        (batch norm's running mean would be updated twice) nor depend on anything but their input and parameters.
    memory : {"store", "reversible", "checkpoint"}
        Keep every activation; recompute them from the outputs; keep every :math:`\sqrt{L}`-th and recompute.
    training : bool
        Draw a seed for dropout.

    Returns
    -------
    tuple of torch.Tensor
        The halves after the last round.

    Examples
    --------
    >>> import pytest
    >>> torch = pytest.importorskip("torch")
    >>> x, y = torch.ones(2, 3), torch.zeros(2, 3)
    >>> [half.sum().item() for half in run_rounds(x, y, [torch.nn.Identity(), torch.nn.Identity()])]
    [12.0, 6.0]
    """
    torch = _torch()
    if memory not in MEMORIES:
        raise unknown("memory", str(memory), MEMORIES)
    _checked_halves(x, y, torch)
    this = _start(x, training)

    def part(first: int, last: int, x: Any, y: Any) -> Any:
        def round_of(i: int) -> feistel.Round[Any]:
            return lambda half: this.run(i, rounds[i], half)

        return feistel.forward(x, y, [round_of(i) for i in range(first, last)], feistel.ADDITION)

    if memory == "store" or not torch.is_grad_enabled():
        return part(0, len(rounds), x, y)
    if memory == "checkpoint":
        from torch.utils.checkpoint import checkpoint

        length = math.isqrt(max(len(rounds) - 1, 0)) + 1
        for first in range(0, len(rounds), length):
            args = (part, first, min(first + length, len(rounds)), x, y)
            x, y = checkpoint(*args, use_reentrant=False, preserve_rng_state=False)
        return x, y
    return _recomputed(this, x, y, rounds)


def _recomputed(this: _Pass, x: Any, y: Any, rounds: Sequence[Any]) -> Any:
    function = _recompute()
    for number, f in enumerate(rounds):
        weights = tuple(f.parameters())
        x, y = function.apply(this, number, number == len(rounds) - 1, f, x, y, *weights)
    return x, y


@cache
def _sequence_class() -> Any:
    torch = _torch()

    class ReversibleSequence(torch.nn.Module):  # type: ignore[misc,name-defined]
        """Rounds as a module: ``forward((x, y))``, ``inverse((x, y))`` and the attribute ``memory``."""

        def __init__(self, rounds: Sequence[Any], memory: Memory) -> None:
            super().__init__()
            self.rounds = torch.nn.ModuleList(rounds)
            self.memory = memory

        def forward(self, halves: Halves) -> Halves:
            """Run all rounds."""
            pair: Halves = run_rounds(*halves, list(self.rounds), self.memory, training=self.training)
            return pair

        def inverse(self, halves: Halves) -> Halves:
            """Undo all rounds; without dropout, which no caller could name the seed of."""
            if self.training:
                raise InputError("inverse", "a module in training", "a module in evaluation: call eval() first")
            with torch.no_grad():
                return feistel.inverse(*halves, list(self.rounds), feistel.ADDITION)

    return ReversibleSequence


def reversible_sequence(rounds: Sequence[Any], memory: Memory = "reversible") -> torch.nn.Module:
    """A module of Feistel rounds.

    Parameters
    ----------
    rounds, memory
        As in :func:`run_rounds`; ``memory`` is an attribute of the module and may be changed between passes.

    Returns
    -------
    torch.nn.Module
        ``module((x, y))`` and, in evaluation, ``module.inverse((x, y))``.

    Examples
    --------
    >>> import pytest
    >>> torch = pytest.importorskip("torch")
    >>> net = reversible_sequence([torch.nn.Linear(4, 4) for _ in range(6)]).eval()
    >>> x, y = torch.randn(2, 5, 4)
    >>> back = net.inverse(net((x, y)))
    >>> torch.allclose(back[0], x, atol=1e-4) and torch.allclose(back[1], y, atol=1e-4)
    True
    """
    if memory not in MEMORIES:
        raise unknown("memory", str(memory), MEMORIES)
    made: torch.nn.Module = _sequence_class()(rounds, memory)
    return made


def residual_rounds(width: int, blocks: int, hidden: int | None = None, dropout: float = 0.0) -> list[Any]:
    """Rounds of a reversible residual network: two a block, each norm, product, GELU, dropout, product.

    Parameters
    ----------
    width : int
        Channels of a half [1].
    blocks : int
        RevNet blocks, of two rounds each.
    hidden : int, optional
        Inner width; twice the width where not given.
    dropout : float
        Chance to drop an inner channel.

    Examples
    --------
    >>> import pytest
    >>> _ = pytest.importorskip("torch")
    >>> len(residual_rounds(8, 3))
    6
    """
    nn = _torch().nn
    whole("width", width)
    whole("blocks", blocks)
    fraction("dropout", dropout, allow_one=False)
    inner = hidden or 2 * width
    return [
        nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, inner), nn.GELU(), nn.Dropout(dropout), nn.Linear(inner, width)
        )
        for _ in range(2 * blocks)
    ]
