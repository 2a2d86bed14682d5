"""Measure what each way of keeping activations costs, and write it as a table of facts.

``python -m headway.reversible.overheads FILE`` measures this machine; the package's own table is
``facts/data/reversible.toml``.
"""

from __future__ import annotations

import datetime
import platform
import sys
from pathlib import Path
from typing import Any

from headway.reversible.layers import MEMORIES, require_torch, run_rounds
from headway.reversible.memory import PeakMemory, StepTime, peak_memory, step_time
from headway.reversible.transformer import Shape, transformer_rounds

_HEAD = """\
# What a training step costs by the way activations are kept: measured on a small reversible transformer.
# Written by `python -m headway.reversible.overheads FILE`.
"""


def gradient_error(memory: str, layers: int = 12, *, width: int = 64, dropout: float = 0.1, seed: int = 0) -> float:
    """Norm of the difference of all gradients to those with stored activations, over their norm; float32.

    Parameters
    ----------
    memory : str
        Policy.
    layers, width : int
        Sizes of a transformer's body.
    dropout : float
        Repeated by seed.
    seed : int
        Of weights, input and dropout.

    Examples
    --------
    >>> import pytest
    >>> _ = pytest.importorskip("torch")
    >>> gradient_error("reversible", 2, width=16) < 1e-5
    True
    """
    torch = require_torch()
    torch.manual_seed(seed)
    rounds = transformer_rounds(Shape(2, width, max(width // 16, 1), layers, 32, dropout))
    x, y, toward = torch.randn(3, 2, 32, width)
    weights = [weight for one in rounds for weight in one.parameters()]

    def gradient(policy: Any) -> Any:
        torch.manual_seed(seed + 1)
        leaf = x.clone().requires_grad_()
        u, v = run_rounds(leaf, y, rounds, policy, training=True)
        grads = torch.autograd.grad(((u + v) * toward).sum(), [leaf, *weights])
        return torch.cat([grad.flatten() for grad in grads])

    exact = gradient("store")
    return float((gradient(memory) - exact).norm() / exact.norm())


def table(peaks: PeakMemory, times: StepTime, errors: dict[str, float], about: str, day: str) -> str:
    """The table as TOML.

    Parameters
    ----------
    peaks, times
        As measured.
    errors : dict
        Gradient error by policy.
    about : str
        What was measured and on which machine.
    day : str
        ISO date.

    Examples
    --------
    >>> peaks = PeakMemory((6, 48), (("store", (700, 5600)),), 4, 32, 32)
    >>> print(table(peaks, StepTime(6, (("store", 1.0),), 4 / 3, 0.1), {"store": 0.0}, "a test", "2026-01-01"))
    # What a training step costs by the way activations are kept: measured on a small reversible transformer.
    # Written by `python -m headway.reversible.overheads FILE`.
    <BLANKLINE>
    [sources.own]
    text = "a test"
    retrieved = "2026-01-01"
    kind = "measured"
    <BLANKLINE>
    [policy.store]
    time_ratio = "1"
    shallow_layers = 6
    deep_layers = 48
    shallow_bytes = "700 B"
    deep_bytes = "5600 B"
    gradient_error = "0"
    source = "own"
    <BLANKLINE>
    """
    parts = [f'{_HEAD}\n[sources.own]\ntext = "{about}"\nretrieved = "{day}"\nkind = "measured"\n']
    for memory, _ in peaks.peaks:
        low, high = peaks.of(memory)[0], peaks.of(memory)[-1]
        parts.append(
            f'[policy.{memory}]\ntime_ratio = "{times.of(memory):.4g}"\n'
            f"shallow_layers = {peaks.layers[0]}\ndeep_layers = {peaks.layers[-1]}\n"
            f'shallow_bytes = "{low} B"\ndeep_bytes = "{high} B"\n'
            f'gradient_error = "{errors[memory]:.2g}"\nsource = "own"\n'
        )
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    """Measure and write; returns the exit code.

    >>> main([])
    2
    """
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m headway.reversible.overheads FILE\n")
        return 2
    torch = require_torch()
    peaks, times = peak_memory(), step_time(rounds=7)
    errors = {memory: gradient_error(memory) for memory in MEMORIES}
    about = (
        f"headway.reversible.overheads: transformer of width {peaks.width}, {peaks.batch} x {peaks.context} tokens "
        f"(memory), and of width 256, 8 x 64 tokens, {times.layers} layers, one thread, CPU time (time); "
        f"torch {torch.__version__.partition('+')[0]}, float32, CPU, {platform.machine()}"
    )
    Path(arguments[0]).write_text(
        table(peaks, times, errors, about, datetime.datetime.now(datetime.UTC).date().isoformat()), "utf-8"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
