"""The same measurement on an accelerator, where torch is installed and sees one.

Torch is no dependency: it is imported when asked for, and its absence is an answer (None), not an error.
"""

from __future__ import annotations

import importlib
import time
from types import MappingProxyType
from typing import Any, Final

from headway.evidence.measure import Clock, Measurement, Product, Stream, best

_SHAPES: Final = ((4096, 4096), (4096, 14336), (14336, 4096))
_ROWS: Final = (1, 2, 4, 8, 16)
_SQUARES: Final = (4096, 8192)
_SPAN: Final = 1 << 30
_BACKENDS: Final = ("cuda", "xpu", "mps")
#: Sizes for a trial on a device without much memory.
SMALL: Final = MappingProxyType({"span": 1 << 20, "side": 64, "width": 64})


def find_torch() -> Any:
    """The torch module, or None where it is not installed."""
    try:
        return importlib.import_module("torch")
    except ImportError:
        return None


def backend(torch: Any) -> str | None:
    """Name of the first accelerator that torch sees; None where there is none.

    >>> backend(None) is None
    True
    """
    for name in _BACKENDS:
        module = getattr(torch, name, None) or getattr(getattr(torch, "backends", None), name, None)
        if module is not None and module.is_available():
            return name
    return None


def measure_accelerator(
    torch: Any = None, *, rounds: int = 10, small: bool = False, clock: Clock = time.perf_counter
) -> Measurement | None:
    """Measure the first accelerator in 16-bit floats; None where torch is absent or sees none.

    Parameters
    ----------
    torch : module, optional
        Imported where not given.
    small : bool
        Sizes for a trial.

    Examples
    --------
    >>> class Blind:
    ...     cuda = xpu = backends = None
    >>> measure_accelerator(Blind()) is None
    True
    """
    torch = torch or find_torch()
    name = backend(torch)
    if name is None:
        return None
    device = getattr(torch, name)
    number = torch.bfloat16 if name != "mps" else torch.float16
    span = SMALL["span"] if small else _SPAN
    sides = (SMALL["side"],) if small else _SQUARES
    shapes = ((SMALL["width"], SMALL["width"]),) if small else _SHAPES

    def timed(function: Any, calls: int = 1) -> float:
        def run() -> None:
            for _ in range(calls):
                function()
            device.synchronize()

        run()
        return best(run, rounds, clock) / calls

    streams = _streams(torch, name, number, span, timed)
    large = []
    for side in sides:
        x, y = (torch.ones((side, side), dtype=number, device=name) for _ in range(2))
        large.append(Product(side, side, side, timed(lambda x=x, y=y: x @ y, 5)))
    thin = []
    for inputs, outputs in shapes:
        copies = max(2, span // (2 * inputs * outputs))
        weights = [torch.ones((inputs, outputs), dtype=number, device=name) for _ in range(copies)]
        for rows in _ROWS:
            x = torch.ones((rows, inputs), dtype=number, device=name)
            seconds = timed(lambda x=x, weights=weights: [x @ w for w in weights]) / copies
            thin.append(Product(rows, inputs, outputs, seconds))
    tiny = torch.ones(8, dtype=number, device=name)
    label, capacity = _identity(device, name)
    return Measurement(
        device=name,
        label=label,
        element=2,
        capacity=capacity,
        streams=streams,
        large=tuple(large),
        thin=tuple(thin),
        dispatch=timed(lambda: tiny + tiny, 200),
        note=f"torch {torch.__version__}, {number}".replace("torch.", ""),
    )


def _streams(torch: Any, name: str, number: Any, span: int, timed: Any) -> tuple[Stream, ...]:
    a, b, c = (torch.ones(span // 2, dtype=number, device=name) for _ in range(3))
    return (
        Stream("copy", span, 2 * span, 2 * span / timed(lambda: b.copy_(a))),
        Stream("triad", span, 3 * span, 3 * span / timed(lambda: torch.add(a, b, out=c))),
        Stream("read", span, span, span / timed(a.max)),
    )


def _identity(device: Any, name: str) -> tuple[str, float]:
    """Name and memory of the device [B]."""
    if hasattr(device, "get_device_properties"):
        found = device.get_device_properties(0)
        return str(found.name), float(found.total_memory)
    return name, float(device.recommended_max_memory())
