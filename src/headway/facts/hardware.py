"""A chip and the system it sits in: datasheet facts, never derated.

Rates are dense (no structured sparsity) and one-way. What a chip achieves in practice is a
separate fact (:mod:`headway.facts.efficiency`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from headway.facts.check import not_negative, positive, whole
from headway.facts.errors import UnknownNameError, unknown
from headway.facts.precision import number_format
from headway.facts.sources import Source


@dataclass(frozen=True, slots=True)
class Conflict:
    """A value of the same fact in another source, kept visible.

    Parameters
    ----------
    field : str
        Name of the fact.
    value : float
        The other value, in the fact's own unit.
    source : Source
        Who says so.
    """

    field: str
    value: float
    source: Source


@dataclass(frozen=True)
class Chip:
    """One accelerator as its maker describes it.

    Parameters
    ----------
    name : str
        Catalog name (``"h100-sxm"``).
    vendor : str
        Maker.
    year : int
        Year of first shipment (or announcement).
    generation : str
        Family that shares calibrated constants (``"hopper"``, ``"blackwell"``).
    flops : mapping of str to float
        Peak dense rate by precision (``bf16, fp8, fp4, int8``) [FLOP/s].
    hbm_bytes, hbm_bandwidth : float
        Capacity [B] and bandwidth [B/s] of the main memory.
    power : float or None
        Design power of the chip [W].
    measured_flops : mapping of str to float
        Best matrix product measured by an independent tool [FLOP/s].
    measured_bandwidth : float or None
        Best stream from the main memory that anyone measured [B/s].
    cores : int or None
        Streaming multiprocessors or compute units [1].
    status : str
        ``"shipping"`` or ``"announced"``.
    sources : tuple of Source
        Where the facts come from.
    conflicts : tuple of Conflict
        Other values in circulation.
    note : str
        What the reader should know.
    """

    name: str
    vendor: str
    year: int
    generation: str
    flops: Mapping[str, float]
    hbm_bytes: float
    hbm_bandwidth: float
    power: float | None = None
    measured_flops: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    measured_bandwidth: float | None = None
    cores: int | None = None
    status: str = "shipping"
    sources: tuple[Source, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse rates, capacities and powers that are not finite and above zero."""
        place = f"chip.{self.name}"
        for name, value in self.flops.items():
            positive(f"{place}.flops.{name}", value, "FLOP/s")
        positive(f"{place}.hbm_bytes", self.hbm_bytes, "B")
        positive(f"{place}.hbm_bandwidth", self.hbm_bandwidth, "B/s")
        if self.power is not None:
            positive(f"{place}.power", self.power, "W")
        if self.measured_bandwidth is not None:
            positive(f"{place}.measured_bandwidth", self.measured_bandwidth, "B/s")

    def peak(self, precision: str) -> float:
        """Peak dense rate for operands of a format [FLOP/s].

        A chip without units for a narrow format widens the operands first and multiplies at the
        16-bit rate, as weight-only kernels do.

        Raises
        ------
        UnknownNameError
            If `precision` is not a number format.
        """
        key = number_format(precision).compute
        for name in (key, "bf16"):
            if name in self.flops:
                return self.flops[name]
        raise unknown("precision", precision, self.flops)


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory beside the chips: host DRAM, NVMe, CXL, network flash, disk.

    Parameters
    ----------
    name : str
        ``"dram"``, ``"nvme"``, ...
    capacity, bandwidth : float
        Per chip [B], [B/s].
    """

    name: str
    capacity: float
    bandwidth: float


@dataclass(frozen=True, slots=True)
class Tariff:
    """A price of one chip for one hour, with who charges it and when.

    Parameters
    ----------
    name : str
        ``"hyperscaler-tco"``, ``"neocloud-tco"``, ``"rental-3y"``, ...
    usd_per_chip_hour : float
        Price [$/chip-h].
    date : str
        Day or month it held, ISO 8601.
    source : Source
        Who says so.
    """

    name: str
    usd_per_chip_hour: float
    date: str
    source: Source


@dataclass(frozen=True)
class System:
    """Chips joined by a scale-up domain, and domains joined by a network.

    Parameters
    ----------
    name : str
        Catalog name (``"gb200-nvl72"``, ``"hgx-h200"``).
    chip : Chip
        The accelerator.
    chips : int
        Chips in the unit one buys (a node or a rack) [1].
    domain_size : int
        Chips in the scale-up domain [1].
    link_bandwidth, link_latency : float
        Scale-up rate per chip, one way [B/s]; latency of one hop [s].
    network_bandwidth, network_latency : float or None
        Scale-out rate per chip, one way [B/s]; latency of one hop [s].
    memories : tuple of Memory
        Memories beside the chips.
    power : float or None
        All-in power per chip (host, network, cooling included) [W].
    tariffs : tuple of Tariff
        Prices, first one the default.
    sources : tuple of Source
        Where the facts come from.
    conflicts : tuple of Conflict
        Other values in circulation.
    note : str
        What the reader should know.
    """

    name: str
    chip: Chip
    chips: int
    domain_size: int
    link_bandwidth: float
    link_latency: float
    network_bandwidth: float | None
    network_latency: float
    memories: tuple[Memory, ...] = ()
    power: float | None = None
    tariffs: tuple[Tariff, ...] = ()
    sources: tuple[Source, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse a system without chips, and rates, latencies and powers that none has."""
        place = f"system.{self.name}"
        whole(f"{place}.chips", self.chips)
        whole(f"{place}.domain_size", self.domain_size)
        positive(f"{place}.link_bandwidth", self.link_bandwidth, "B/s")
        not_negative(f"{place}.link_latency", self.link_latency, "s")
        if self.network_bandwidth is not None:
            positive(f"{place}.network_bandwidth", self.network_bandwidth, "B/s")
        not_negative(f"{place}.network_latency", self.network_latency, "s")
        if self.power is not None:
            positive(f"{place}.power", self.power, "W")

    @property
    def hbm_bytes(self) -> float:
        """Main memory of the unit [B]."""
        return self.chips * self.chip.hbm_bytes

    @property
    def hbm_bandwidth(self) -> float:
        """Main memory bandwidth of the unit [B/s]."""
        return self.chips * self.chip.hbm_bandwidth

    def tariff(self, name: str | None = None) -> Tariff:
        """The named tariff, or the default one.

        Raises
        ------
        UnknownNameError
            If the system has no tariff of that name; the message lists those it has.
        """
        names = [t.name for t in self.tariffs]
        if not names:
            known = f"none known for {self.name}"
            raise UnknownNameError("tariff", known, "a price of your own (--price), such as $2.10/GPU-h")
        if name is None and self.tariffs:
            return self.tariffs[0]
        for entry in self.tariffs:
            if entry.name == name:
                return entry
        raise unknown("tariff", str(name), names, f"one of {', '.join(names)}")
