"""What one chip of a system achieves: rates of its formats, its memory and its links, and the roofline of an operator.

Every rate is the datasheet's times a fraction of :mod:`headway.facts.efficiency`; an operator takes

``floor + |FLOP / rate, bytes / bandwidth|_p + bytes beside / bandwidth``,

with ``|a, b|_p`` the p-norm, a maximum with a soft corner: work near balance overlaps imperfectly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from headway.facts.efficiency import Efficiency
from headway.facts.hardware import System
from headway.facts.precision import number_format

# Groups of small products are bound some one way, some the other: a softer corner than that of one product.
_GROUPED_SOFTNESS = 1.5


@dataclass(frozen=True, slots=True)
class Operator:
    """One kind of work in a pass, summed over layers.

    Parameters
    ----------
    name : str
        Field's name (``"attention core"``, ``"experts"``, ``"all-reduce"``).
    kind : str
        ``"device"``, ``"collective"`` or ``"overhead"``.
    compute, memory, floor : float or array
        Seconds by FLOPs alone, by bytes alone, and of latency [s].
    seconds : float or array
        What it takes [s].
    """

    name: str
    kind: str
    compute: Any
    memory: Any
    floor: Any
    seconds: Any


@dataclass(frozen=True, slots=True)
class Machine:
    """Rates that a pass meets: datasheet times efficiency, collectives by group size.

    Parameters
    ----------
    system : System
    efficiency : Efficiency
    """

    system: System
    efficiency: Efficiency

    def native(self, name: str) -> bool:
        """Whether the chip multiplies a format narrower than 16 bit as it stands."""
        fmt = number_format(name)
        return fmt.bits < 16 and fmt.compute in self.system.chip.flops and fmt.compute != "bf16"

    def narrows(self, name: str) -> bool:
        """Whether operands of a format are narrowed by a pass of their own: on real machines, not on the roofline."""
        return self.native(name) and self.efficiency.narrow < 1.0

    def rate(self, name: str, share: float = 1.0) -> float:
        """Achievable rate for operands of a format, `share` of that of a dense product on the fitted core [FLOP/s].

        Narrow operands gain less than their width: the fraction of peak shrinks by `narrow` with every halving,
        and no format runs at more than twice the next wider one. A format that the chip widens first runs at the
        16-bit rate, times `weight_only`.
        """
        chip, eff, fmt = self.system.chip, self.efficiency, number_format(name)
        wide = chip.peak("bf16")
        if not self.native(name):
            return wide * self._fed(eff.compute * share) * (eff.weight_only if fmt.bits < 16 else 1.0)
        halvings = float(np.log2(16.0 / fmt.bits))
        nominal = min(chip.peak(name), wide * 2.0**halvings) if eff.narrow < 1.0 else chip.peak(name)
        return float(nominal * self._fed(eff.compute * share * eff.narrow**halvings))

    def _fed(self, share: float) -> float:
        """Share of peak of a chip whose cores multiply less, or more, than those the share was fitted on.

        What a product loses is the time to feed its core: ``1/rate = 1/peak + 1/feed``. A core with a smaller
        peak and the same feed loses less.
        """
        return 1.0 / (1.0 + self.efficiency.core_peak * (1.0 / share - 1.0))

    @property
    def attention_rate(self) -> float:
        """Achievable rate of attention proper in 16 bit [FLOP/s]."""
        return self.system.chip.peak("bf16") * self.efficiency.attention

    @property
    def bandwidth(self) -> float:
        """Achievable memory bandwidth of one chip [B/s]."""
        return self.system.chip.hbm_bandwidth * self.efficiency.memory

    def wire(self, group: Any) -> tuple[Any, Any]:
        """One-way rate per chip [B/s] and latency [s] of a collective over `group` chips."""
        sys, eff = self.system, self.efficiency
        link = sys.link_bandwidth * eff.link
        inside = np.asarray(group) <= sys.domain_size
        network = (sys.network_bandwidth or 1e-9) * eff.network
        slow = max(eff.collective_latency, sys.network_latency)
        return np.where(inside, link, network), np.where(inside, eff.collective_latency, slow)

    def exchange_wire(self, group: Any) -> tuple[Any, Any]:
        """As :meth:`wire`, of an all-to-all: many small messages reach less of the rate."""
        sys, eff = self.system, self.efficiency
        inside = np.asarray(group) <= sys.domain_size
        network = (sys.network_bandwidth or 1e-9) * eff.network
        slow = eff.exchange_latency + sys.network_latency
        return (
            np.where(inside, sys.link_bandwidth * eff.exchange, network),
            np.where(inside, eff.exchange_latency, slow),
        )

    def device(
        self,
        name: str,
        flop: Any,
        rate: float,
        nbytes: Any,
        *,
        floor: Any = None,
        count: float = 1.0,
        share: float = 1.0,
        beside: Any = 0.0,
        grouped: bool = False,
    ) -> Operator:
        """Roofline of an operator on one chip, `count` times.

        `share` is the part of the bandwidth that it reaches; `beside` are bytes of passes before or after it [B].
        """
        compute, memory = flop * (count / rate), nbytes * (count / (self.bandwidth * share))
        idle = count * (self.efficiency.operator_latency if floor is None else floor)
        power = min(self.efficiency.softness, _GROUPED_SOFTNESS) if grouped else self.efficiency.softness
        apart = beside * (count / self.bandwidth)
        seconds = soft_maximum(compute, memory, power) + apart + idle
        return Operator(name, "device", compute, memory + apart, idle, seconds)


def tiled_rows(rows: Any, tile: float) -> Any:
    """Rows that a matrix product multiplies: whole tiles, ``t ceil(m / t)``.

    One row costs the arithmetic of a tile; the weights are read once either way.

    Parameters
    ----------
    rows : float or array
        ``m``, rows of the left operand [1].
    tile : float
        ``t``, at least 1; 1 stands for rows as they are, broken ones too [1].

    References
    ----------
    NVIDIA, Matrix Multiplication Background User's Guide, section Tile Quantization. A warpgroup of Hopper multiplies
    64 rows (PTX ISA, wgmma.mma_async, m64).

    Examples
    --------
    >>> tiled_rows(np.array([1.0, 64.0, 65.0]), 64.0).tolist()
    [64.0, 64.0, 128.0]
    """
    return np.ceil(np.asarray(rows) / tile) * tile if tile > 1.0 else rows


def soft_maximum(a: Any, b: Any, power: float) -> Any:
    """The p-norm of two times: their maximum with a soft corner, never below it.

    >>> float(soft_maximum(3.0, 4.0, 2.0)), float(soft_maximum(3.0, 4.0, float("inf")))
    (5.0, 4.0)
    """
    top = np.maximum(a, b)
    if np.isinf(power):
        return top
    low = np.minimum(a, b) / np.maximum(top, 1e-300)
    return top * np.exp(np.log1p(low**power) / power)
