"""How a perturbation grows through a network: at random, and along the direction an adversary finds by gradient.

The avalanche of a cipher put to a network. A small reversible classifier of generated patterns is taken fresh and
trained; a perturbation of the input is followed layer by layer as its norm over the state's norm. Random directions
give the mean growth, whose logarithm per layer is the finite-time Lyapunov exponent; the adversary's direction is
found by projected gradient ascent on the loss (Madry et al.).

References
----------
Goodfellow, Shlens, Szegedy, "Explaining and harnessing adversarial examples", arXiv 1412.6572; Madry et al., "Towards
deep learning models resistant to adversarial attacks", arXiv 1706.06083; Poole et al., "Exponential expressivity in
deep neural networks through transient chaos", arXiv 1606.05340.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from headway.facts.check import positive, whole
from headway.reversible import feistel
from headway.reversible.layers import require_torch, residual_rounds, reversible_sequence

_WIDTH = 64
_CLASSES = 10
_NOISE = 0.7
_SCALE = 0.5
_STEPS = 20


@dataclass(frozen=True, slots=True)
class Growth:
    """Relative size of a perturbation before the first layer and after each round.

    Parameters
    ----------
    state : {"fresh", "trained"}
        Of the network.
    random, adversarial : tuple of float
        Norm of the state's change over the state's norm, root mean square over the inputs, for random directions and
        for the adversary's; both perturbations have the same norm at the input.
    accuracy, accuracy_random, accuracy_adversarial : float
        Share of inputs classified right: clean, and under each perturbation.
    exponent : float
        Mean growth per round of a random perturbation, natural logarithm: the finite-time Lyapunov exponent.
    """

    state: str
    random: tuple[float, ...]
    adversarial: tuple[float, ...]
    accuracy: float
    accuracy_random: float
    accuracy_adversarial: float
    exponent: float


def patterns(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and classes: ten fixed patterns of 64 numbers, each input one of them under noise.

    Parameters
    ----------
    count : int
        Inputs.
    seed : int
        Of classes and noise; the patterns themselves are always the same.

    Returns
    -------
    tuple of ndarray
        Inputs (count, 64) and classes (count,).

    Examples
    --------
    >>> inputs, classes = patterns(5)
    >>> inputs.shape, classes.shape
    ((5, 64), (5,))
    """
    whole("count", count)
    templates = np.random.default_rng(1234).standard_normal((_CLASSES, _WIDTH))
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, _CLASSES, count)
    return _SCALE * templates[classes] + _NOISE * rng.standard_normal((count, _WIDTH)), classes


@cache
def _classifier(blocks: int, trained: bool, seed: int, steps: int) -> Any:
    torch = require_torch()
    torch.manual_seed(seed)
    body = reversible_sequence(residual_rounds(_WIDTH, blocks), "store")
    net = torch.nn.ModuleDict({"body": body, "head": torch.nn.Linear(_WIDTH, _CLASSES)})
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3)
    for number in range(steps if trained else 0):
        inputs, classes = (torch.as_tensor(a) for a in patterns(64, seed=1000 + number))
        loss = torch.nn.functional.cross_entropy(_logits(net, inputs.float()), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval()


def _logits(net: Any, inputs: Any) -> Any:
    x, y = net["body"]((inputs, inputs))
    return net["head"]((x + y) / 2)


def _states(net: Any, inputs: Any) -> list[Any]:
    torch = require_torch()
    x = y = inputs
    states = [torch.cat((x, y), -1)]
    for f in net["body"].rounds:
        x, y = feistel.step(x, y, f, feistel.ADDITION)
        states.append(torch.cat((x, y), -1))
    return states


def _attack(net: Any, inputs: Any, classes: Any, size: float) -> Any:
    """Projected gradient ascent on the loss within a ball of that norm."""
    torch = require_torch()
    delta = torch.zeros_like(inputs)
    for _ in range(_STEPS):
        delta = delta.detach().requires_grad_()
        loss = torch.nn.functional.cross_entropy(_logits(net, inputs + delta), classes, reduction="sum")
        (slope,) = torch.autograd.grad(loss, delta)
        moved = delta.detach() + size / 4 * torch.nn.functional.normalize(slope, dim=-1)
        delta = size * torch.nn.functional.normalize(moved, dim=-1)
    return delta


def growth(
    trained: bool = True, *, size: float = 2.0, blocks: int = 4, inputs: int = 256, seed: int = 0, steps: int = 100
) -> Growth:
    """Follow perturbations of one norm through the classifier, round by round.

    Parameters
    ----------
    trained : bool
        After training, or at initialisation.
    size : float
        Norm of the perturbation at the input, whose own norm is about 7.
    blocks : int
        RevNet blocks, of two rounds each.
    inputs : int
        Test inputs.
    seed : int
        Of weights and directions.
    steps : int
        Training steps.

    Examples
    --------
    >>> import pytest
    >>> _ = pytest.importorskip("torch")
    >>> found = growth(blocks=2, inputs=64, steps=60)
    >>> found.accuracy_random > found.accuracy_adversarial, len(found.random)
    (True, 5)
    """
    torch = require_torch()
    positive("size", size)
    for name, value in (("blocks", blocks), ("inputs", inputs), ("steps", steps)):
        whole(name, value)
    net = _classifier(blocks, trained, seed, steps)
    clean, classes = (torch.as_tensor(a) for a in patterns(inputs, seed=1))
    clean = clean.float()
    generator = torch.Generator().manual_seed(seed)
    random = size * torch.nn.functional.normalize(torch.randn(clean.shape, generator=generator), dim=-1)
    chosen = _attack(net, clean, classes, size)
    with torch.no_grad():
        base = _states(net, clean)

        def relative(delta: Any) -> tuple[float, ...]:
            moved = _states(net, clean + delta)
            shares = [(a - b).norm(dim=-1) / b.norm(dim=-1) for a, b in zip(moved, base, strict=True)]
            return tuple(float((share**2).mean().sqrt()) for share in shares)

        def accuracy(at: Any) -> float:
            return float((_logits(net, at).argmax(-1) == classes).float().mean())

        by_random = relative(random)
        return Growth(
            "trained" if trained else "fresh",
            by_random,
            relative(chosen),
            accuracy(clean),
            accuracy(clean + random),
            accuracy(clean + chosen),
            float(np.log(by_random[-1] / by_random[0]) / (len(by_random) - 1)),
        )
