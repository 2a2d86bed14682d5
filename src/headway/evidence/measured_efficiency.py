"""From what a machine was seen to do to the constants of a pass on it.

A few rows against weights from memory take

``t = weights / (e_m BW) + FLOP / (e_c F) + s inputs``

a sum and not the larger one: a library of the BLAS kind first packs the weights, then multiplies (Goto and van de
Geijn, ACM TOMS 34(3), 2008). One row is a matrix-vector product, which streams without packing, so the share of the
bandwidth `e_m` has one value for one row and another for more. `s` is what each row of the weights costs to begin.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Final

import numpy as np

from headway.evidence.log_fit import Array, Prior, fit
from headway.evidence.measure import Measurement, Product
from headway.facts.efficiency import Efficiency
from headway.facts.sources import Source

# Small operations behind each operator of a pass: a norm is seven of them, a product with its reshape two, and so on.
CALLS_PER_OPERATOR: Final = 6


def achieved(found: Measurement, rows: int = 2) -> Efficiency:
    """What a pass of `rows` tokens achieves of the best rates of a device.

    The shares of bandwidth and compute and the cost per element of the reduction are those that explain the thin
    products best in the logarithm (see the module), apart for one row and for more; an operator of a pass is
    :data:`CALLS_PER_OPERATOR` small operations. Attention's share of the rate is what its own time leaves beside the
    reading of the cache: products of a few rows per head, and exponentials.

    Parameters
    ----------
    rows : int
        Tokens in the pass: 1 streams the weights, more pack them first [1].

    Examples
    --------
    >>> from headway.evidence.measure import Stream
    >>> shapes = [(m, k, n) for m in (2, 4, 8) for k, n in ((1000, 1000), (500, 2000), (2000, 500))]
    >>> thin = tuple(Product(m, k, n, k * n * 4e-10 + m * k * n * 2e-11 + k * 1e-7) for m, k, n in shapes)
    >>> seen = Measurement("cpu", "", 4, 1e9, (Stream("read", 1, 1, 2e10),), (Product(1, 1, 1, 2e-11),), thin, 1e-6, "")
    >>> eff = achieved(seen)
    >>> round(eff.memory, 2), round(eff.compute, 2), round(eff.serial * 1e9), eff.softness
    (0.5, 1.0, 99, 1.0)
    """
    memory, serial, compute = _shares(found, [p for p in found.thin if p.rows > 1], None)
    one = [p for p in found.thin if p.rows == 1]
    if rows == 1 and one:
        memory, serial, _ = _shares(found, one, compute)
    return Efficiency(
        compute=compute,
        attention=_attention(found, memory, compute),
        memory=memory,
        operator_latency=CALLS_PER_OPERATOR * found.dispatch,
        serial=serial,
        softness=1.0,
        sources=(Source(f"measured: {found.label}, {found.note}", _today(), "measured"),),
    )


def _attention(found: Measurement, memory: float, compute: float) -> float:
    """Share of the rate that leaves attention the time it was seen to take; that of products where it was not timed."""
    if found.cache is None:
        return compute
    streaming = found.cache.elements * found.element / (found.bandwidth * memory)
    left = max(found.cache.seconds - streaming, 0.02 * found.cache.seconds)
    return min(found.cache.flop / found.rate / left, 1.0)


def _shares(found: Measurement, products: Sequence[Product], compute: float | None) -> tuple[float, float, float]:
    """Share of bandwidth, seconds per element of the reduction and share of the rate; the last may be given."""
    nbytes = np.array([p.elements * found.element for p in products]) / found.bandwidth
    length = np.array([p.inputs for p in products], dtype=float)
    flop = np.array([p.flop for p in products]) / found.rate
    n = 3 if compute is None else 2
    known = Prior(
        np.array([0.5, 1e-8, 0.5])[:n],
        np.full(n, 3.0),
        np.array([0.005, 1e-12, 0.005])[:n],
        np.array([1.0, 1e-4, 1.0])[:n],
    )

    def seconds(c: Array) -> Array:
        return np.asarray(nbytes / c[0] + length * c[1] + flop / (c[2] if compute is None else compute))

    value = fit(seconds, np.array([p.seconds for p in products]), known, expected=(0.05,)).value
    return float(value[0]), float(value[1]), float(value[2]) if compute is None else compute


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()
