"""What a machine achieves of its datasheet: few physical constants per chip generation, each with its source.

Peak and efficiency are separate facts. ``IDEAL`` is the roofline itself. The constants here are those
that others publish; constants fitted on measurements replace them where they exist.
"""

from __future__ import annotations

from dataclasses import dataclass

from headway.facts.check import fraction, not_negative, positive
from headway.facts.hardware import System
from headway.facts.sources import Source


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Achievable fractions of peak, and floors that do not shrink with the work.

    Parameters
    ----------
    compute : float
        Fraction of the peak rate that a large matrix product reaches, in (0, 1] [1].
    memory : float
        Fraction of the memory bandwidth that streaming reads reach, in (0, 1] [1].
    link, network : float
        Fraction of the one-way rate that collectives reach, in (0, 1] [1].
    operator_latency : float
        Floor of one operator on the device: launch inside a graph, ramp-up, tail [s].
    collective_latency : float
        Floor of one collective inside the scale-up domain [s].
    step_overhead : float
        Host, scheduling and sampling once per step [s].
    sources : tuple of Source
        Where the constants come from.
    """

    compute: float = 1.0
    memory: float = 1.0
    link: float = 1.0
    network: float = 1.0
    operator_latency: float = 0.0
    collective_latency: float = 0.0
    step_overhead: float = 0.0
    sources: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        """Refuse fractions outside (0, 1] and negative times."""
        for name in ("compute", "memory", "link", "network"):
            positive(f"efficiency.{name}", fraction(f"efficiency.{name}", getattr(self, name)))
        for name in ("operator_latency", "collective_latency", "step_overhead"):
            not_negative(f"efficiency.{name}", getattr(self, name), "s")


IDEAL = Efficiency()

_AIC = "aiconfigurator-core 0.12.0, systems/*.yaml: {}, the vendor's own unofficial constant"
_MAMF = Source(
    "stas00/ml-engineering 744d01e, compute/accelerator: best matrix product measured (MAMF)", "2026-11-23", "measured"
)
_MEMORY = Source(_AIC.format("mem_bw_empirical_scaling_factor 0.8"), "2026-11-23", "reported")
_LATENCY = Source(_AIC.format("mem_empirical_constant_latency 3 us"), "2026-11-23", "reported")
_HOP = Source(_AIC.format("p2p_latency 10 us"), "2026-11-23", "reported")
_LINK = Source("NCCL bus bandwidth near 0.8 of the one-way rate for large messages", "2026-11-23", "assumed")
_STEP = Source("one host round trip and sampling per step, of the order of 1 ms", "2026-11-23", "assumed")

# Where no matrix product was measured: the median of the generations that were (0.51-0.87).
_COMPUTE_DEFAULT = 0.75


def efficiency_of(system: System) -> Efficiency:
    """Published constants for a system: the chip's measured matrix product, and the floors others report.

    The fraction of peak is that of the 16-bit product where it was measured, so that one number serves
    every precision.

    >>> from headway.facts.systems import system
    >>> efficiency_of(system("hgx-h200")).memory
    0.8
    """
    chip = system.chip
    measured = chip.measured_flops.get("bf16")
    share = min(measured / chip.flops["bf16"], 1.0) if measured and "bf16" in chip.flops else _COMPUTE_DEFAULT
    return Efficiency(
        compute=share,
        memory=0.8,
        link=0.8,
        network=0.8,
        operator_latency=3e-6,
        collective_latency=10e-6,
        step_overhead=1e-3,
        sources=(_MAMF, _MEMORY, _LATENCY, _HOP, _LINK, _STEP),
    )
