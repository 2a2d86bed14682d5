"""How exactly a reversible network gives its input back, by depth and number format, and where it fails.

A round in floating point loses up to half a unit in the last place of the sum, and the inverse loses as much again;
what was lost early is multiplied by every round that follows, so the error of the input grows with the depth:
linearly while the rounds are gentle, exponentially where they stretch. The remedy is to add in float32 and to run
the rounds alone in bfloat16: the recomputed rounds then start from inputs that are right to 24 bits.

References
----------
Gomez et al., arXiv 1707.04585, section 3.2 (numerical error); MacKay et al., "Reversible recurrent neural networks",
arXiv 1810.10999 (exact reversal).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headway.facts.check import whole
from headway.facts.errors import unknown
from headway.reversible.layers import require_torch, residual_rounds, reversible_sequence

#: Number formats whose reconstruction is compared.
FORMATS = ("float64", "float32", "bfloat16 rounds, float32 sums", "bfloat16")
#: Relative error from which a value no longer says what it was.
FAILS_AT = 0.1


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """Error of the recomputed input and of the gradient, by depth.

    Parameters
    ----------
    format : str
        One of :data:`headway.reversible.precision.FORMATS`.
    rounds : tuple of int
        Feistel rounds.
    input_error : tuple of float
        Norm of the error of the input over the input's norm.
    gradient_error : tuple of float
        Norm of the difference to the gradient with stored activations, in the same format, over that gradient's
        norm; all parameters together.
    fails_at : int or None
        Rounds from which the gradient's error is above :data:`headway.reversible.precision.FAILS_AT`; None within the
        depths tried.
    """

    format: str
    rounds: tuple[int, ...]
    input_error: tuple[float, ...]
    gradient_error: tuple[float, ...]
    fails_at: int | None


def reconstruction(
    format: str = "float32",
    rounds: tuple[int, ...] = (8, 16, 32, 64, 128),
    *,
    width: int = 64,
    gain: float = 1.0,
    seed: int = 0,
) -> Reconstruction:
    """Measure the error of the recomputed input and gradient by depth.

    Parameters
    ----------
    format : str
        One of :data:`headway.reversible.precision.FORMATS`.
    rounds : tuple of int
        Depths, even numbers, ascending.
    width : int
        Channels of a half.
    gain : float
        Factor on the initial weights: trained networks stretch more than fresh ones.
    seed : int
        Of the network and the input.

    Raises
    ------
    UnknownNameError
        If the format is not one of those.

    Examples
    --------
    >>> import pytest
    >>> _ = pytest.importorskip("torch")
    >>> found = reconstruction("float32", (8, 16))
    >>> max(found.input_error) < 1e-5, found.fails_at
    (True, None)
    """
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    for depth in rounds:
        whole("rounds", depth, least=2, most=4096)
    pairs = [_errors(format, depth // 2, width, gain, seed) for depth in rounds]
    bad = next((r for r, (_, gradient) in zip(rounds, pairs, strict=True) if not gradient <= FAILS_AT), None)
    return Reconstruction(format, tuple(rounds), tuple(p[0] for p in pairs), tuple(p[1] for p in pairs), bad)


def _errors(format: str, blocks: int, width: int, gain: float, seed: int) -> tuple[float, float]:
    torch = require_torch()
    torch.manual_seed(seed)
    mixed = format.startswith("bfloat16 rounds")
    dtype = torch.float32 if mixed else getattr(torch, format)
    net = reversible_sequence(residual_rounds(width, blocks)).double()
    with torch.no_grad():
        for weight in net.parameters():
            if weight.ndim == 2:
                weight.mul_(gain)
    x, y = torch.randn(2, 64, width, dtype=torch.float64)
    toward = torch.randn(64, width, dtype=torch.float64)
    net, x, y, toward = net.to(dtype).eval(), x.to(dtype), y.to(dtype), toward.to(dtype)

    def relative(found: list[Any], exact: list[Any]) -> float:
        apart = sum(((a.double() - b.double()) ** 2).sum() for a, b in zip(found, exact, strict=True))
        return float((apart / sum((b.double() ** 2).sum() for b in exact)) ** 0.5)

    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
        with torch.no_grad():
            back = net.inverse(net((x, y)))
        grads = {}
        for memory in ("store", "reversible"):
            net.memory = memory
            u, v = net((x, y))
            grads[memory] = torch.autograd.grad(((u + v) * toward).sum(), list(net.parameters()))
    return relative(list(back), [x, y]), relative(list(grads["reversible"]), list(grads["store"]))
