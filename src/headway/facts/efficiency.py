"""What a machine achieves of its datasheet: few physical constants, each with its source.

Peak and efficiency are separate facts. ``IDEAL`` is the roofline itself. The constants of chips, engines and
operators stand in one table, :mod:`headway.facts.calibration`; here they become the record that a pass meets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from headway.facts.check import fraction, not_negative, positive
from headway.facts.errors import RangeError
from headway.facts.hardware import System
from headway.facts.sources import Source

_SHARES = ("compute", "narrow", "attention", "experts", "weight_only", "memory", "link", "exchange", "network")
_FLOORS = (
    "operator_latency",
    "quantise_latency",
    "attention_latency",
    "experts_latency",
    "collective_latency",
    "exchange_latency",
    "relay_latency",
    "layer_overhead",
    "step_overhead",
    "sequence_overhead",
    "serial",
    "softmax_flops",
    "widening",
    "half_length",
    "scan",
)


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Achievable fractions of peak, and floors that do not shrink with the work.

    Parameters
    ----------
    compute : float
        Fraction of the 16-bit peak that a large matrix product reaches, in (0, 1] [1].
    narrow : float
        Factor on that fraction for every halving of the operands' width [1].
    attention : float
        Fraction of the 16-bit peak that attention proper reaches [1].
    experts : float
        Fraction of a dense product's rate that grouped expert products reach [1].
    weight_only : float
        Fraction of rate and bandwidth kept by products whose narrow weights are widened first [1].
    memory : float
        Fraction of the memory bandwidth that streaming reads reach, in (0, 1] [1].
    link, exchange, network : float
        Fraction of the one-way rate that reductions and all-to-alls reach inside the scale-up domain, and that
        anything reaches beyond it, in (0, 1] [1].
    operator_latency : float
        Floor of one operator inside a graph: launch, fill, drain [s].
    quantise_latency : float
        Added floor of a product whose operands are narrowed on the way in [s].
    attention_latency, experts_latency : float
        Added floor of attention (rotation, cache write, split reduction) and of the experts (routing, sorting,
        combining) [s].
    collective_latency, exchange_latency : float
        Floor of one reduction or all-to-all inside the scale-up domain [s].
    relay_latency : float
        Added floor of an all-to-all that sends one copy to each domain and lets its links spread it [s].
    layer_overhead, step_overhead : float
        What no operator accounts for: gaps per layer; host, scheduling and sampling per step [s].
    sequence_overhead : float
        Host time of a pass for each sequence that a data rank decodes: scheduling, sampling, detokenising [s].
    serial : float
        Seconds per element of the reduction that one block walks alone [s].
    softmax_flops : float
        What one exponential costs, in 16-bit FLOP of the same time [FLOP].
    widening : float
        What widening one 8-bit element of a cache costs, in 16-bit FLOP of the same time [FLOP].
    half_length : float
        Prompt length at which prefill attention reaches half its rate [token].
    scan : float
        Seconds per prompt token that the scan of a linear layer walks, chunk after chunk [s].
    core_peak : float
        Peak of one core over that of the chip on which `compute` and `narrow` were fitted [1].
    tile : float
        Rows that a matrix product works on at a time, and is filled up to; 1 fills up nothing [1].
    softness : float
        Power of the norm that joins compute and memory time; inf is a hard maximum [1].
    sources : tuple of Source
        Where the constants come from.

    Examples
    --------
    >>> IDEAL.memory, IDEAL.step_overhead
    (1.0, 0.0)
    """

    compute: float = 1.0
    narrow: float = 1.0
    attention: float = 1.0
    experts: float = 1.0
    weight_only: float = 1.0
    memory: float = 1.0
    link: float = 1.0
    exchange: float = 1.0
    network: float = 1.0
    operator_latency: float = 0.0
    quantise_latency: float = 0.0
    attention_latency: float = 0.0
    experts_latency: float = 0.0
    collective_latency: float = 0.0
    exchange_latency: float = 0.0
    relay_latency: float = 0.0
    layer_overhead: float = 0.0
    step_overhead: float = 0.0
    sequence_overhead: float = 0.0
    serial: float = 0.0
    softmax_flops: float = 0.0
    widening: float = 0.0
    half_length: float = 0.0
    scan: float = 0.0
    core_peak: float = 1.0
    tile: float = 1.0
    softness: float = math.inf
    sources: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        """Refuse fractions outside (0, 1], negative floors and a norm below 1."""
        for name in _SHARES:
            positive(f"efficiency.{name}", fraction(f"efficiency.{name}", getattr(self, name)))
        for name in _FLOORS:
            not_negative(f"efficiency.{name}", getattr(self, name))
        positive("efficiency.core_peak", self.core_peak)
        if positive("efficiency.tile", self.tile) < 1:
            raise RangeError("efficiency.tile", self.tile, "a number of at least 1")
        if self.softness != math.inf and positive("efficiency.softness", self.softness) < 1:
            raise RangeError("efficiency.softness", self.softness, "a number of at least 1")


#: The roofline itself.
IDEAL = Efficiency()


def efficiency_of(system: System, engine: str | None = None) -> Efficiency:
    """What a system achieves under an engine, from the table of constants.

    Parameters
    ----------
    system : System
    engine : str, optional
        Name of a calibrated engine; the median of all where not given or not known.

    Examples
    --------
    >>> from headway.facts.systems import system
    >>> 0.5 < efficiency_of(system("hgx-h100")).compute < 1.0
    True
    """
    from headway.facts.calibration import efficiency_for

    return efficiency_for(system, engine)
