"""The hardware catalog: chips, the systems they come in, and what one hour of them costs.

``chip("h200")`` and ``system("gb200-nvl72")`` read the packaged tables; :func:`load_system_toml` reads a user's
own file with the same columns. A system can also be asked for by size: ``system("32xh200")`` is 32 chips in
boxes of 8, ``system("2xgb200-nvl72")`` two racks.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType

from headway.facts.catalog import (
    Column,
    Document,
    Row,
    aliases,
    names,
    numbered_rows,
    only_tables,
    packaged,
    read_document,
    row,
)
from headway.facts.errors import InputError, RangeError, UnknownNameError, unknown
from headway.facts.hardware import Chip, Memory, System, Tariff
from headway.facts.sources import Source
from headway.facts.spellings import device_name

_STATUS = ("shipping", "announced")
_FORMATS = ("bf16", "fp8", "fp4", "int8")
_MOST_CHIPS = 1_000_000
# Makers state the stacks, what is left of them for use, or GiB: 192 and 180 GB are one B200, 80 and 94 are two H100.
_SAME_MEMORY = 0.08

#: Columns of a chip.
CHIP_COLUMNS: tuple[Column, ...] = (
    Column("aliases", "texts", "other names people use"),
    Column("vendor", "text", "the maker", required=True),
    Column("year", "whole", "year of first shipment or announcement", required=True),
    Column("generation", "text", "family that shares calibrated constants", required=True),
    Column("flops", "quantities", "peak dense rate by format", "flop_per_second", required=True, keys=_FORMATS),
    Column("hbm_bytes", "quantity", "capacity of the main memory", "bytes", required=True),
    Column("hbm_bandwidth", "quantity", "bandwidth of the main memory", "bytes_per_second", required=True),
    Column("power", "quantity", "design power of the chip", "watts"),
    Column("measured_flops", "quantities", "best matrix product measured", "flop_per_second", keys=_FORMATS),
    Column("measured_bandwidth", "quantity", "best stream from the main memory measured", "bytes_per_second"),
    Column("cores", "whole", "streaming multiprocessors or compute units"),
    Column("status", "text", "shipping (default) or announced"),
    Column("note", "text", "what the reader should know"),
)

_MEMORY_COLUMNS: tuple[Column, ...] = (
    Column("name", "text", "dram, nvme, cxl, ...", required=True),
    Column("capacity", "quantity", "capacity as published", "bytes", required=True),
    Column("bandwidth", "quantity", "bandwidth to the chips that share it, one way", "bytes_per_second", required=True),
    Column("shared_by", "whole", "chips that share it (default 1)"),
)

#: Columns of a system.
SYSTEM_COLUMNS: tuple[Column, ...] = (
    Column("aliases", "texts", "other names people use"),
    Column("chip", "text", "name of the chip", required=True),
    Column("chips", "whole", "chips in the unit one buys or rents", required=True),
    Column("domain_size", "whole", "chips in the scale-up domain", required=True),
    Column("link_bandwidth", "quantity", "scale-up rate per chip, one way", "bytes_per_second", required=True),
    Column("link_latency", "quantity", "latency of one scale-up hop", "seconds", required=True),
    Column("network_bandwidth", "quantity", "scale-out rate per chip, one way", "bytes_per_second"),
    Column("network_latency", "quantity", "latency of one scale-out hop", "seconds", required=True),
    Column("memories", "rows", "memories beside the chips", columns=_MEMORY_COLUMNS),
    Column("power", "quantity", "all-in power per chip", "watts"),
    Column("note", "text", "what the reader should know"),
)

#: Columns of a tariff.
TARIFF_COLUMNS: tuple[Column, ...] = (
    Column("systems", "texts", "names of the systems it applies to", required=True),
    Column("name", "text", "name of the tariff", required=True),
    Column("price", "quantity", "price of one chip for one hour", "dollars_per_gpu_hour", required=True),
    Column("date", "date", "day or month it held", required=True),
)

_TABLES = ("chip", "system", "tariff", "sources")
_SIZED = re.compile(r"([0-9]{1,9})\s*[x*×]\s*(\S.*)", re.ASCII)


def _chip(entry: Row) -> Chip:
    status = entry.text("status", "shipping")
    if status not in _STATUS:
        raise unknown(f"chip.{entry.name}.status", status, _STATUS)
    return Chip(
        name=entry.name,
        vendor=entry.text("vendor"),
        year=entry.whole("year"),
        generation=entry.text("generation"),
        flops=entry.quantities("flops"),
        hbm_bytes=entry.number("hbm_bytes"),
        hbm_bandwidth=entry.number("hbm_bandwidth"),
        power=entry.optional("power"),
        measured_flops=entry.quantities("measured_flops"),
        measured_bandwidth=entry.optional("measured_bandwidth"),
        cores=entry.whole("cores", 0) or None,
        status=status,
        sources=entry.sources,
        conflicts=entry.conflicts,
        note=entry.text("note"),
    )


def _memory(entry: Row) -> Memory:
    share = entry.whole("shared_by")
    return Memory(entry.text("name"), entry.number("capacity") / share, entry.number("bandwidth") / share)


def _tariffs(system_name: str, entries: Iterable[Row]) -> tuple[Tariff, ...]:
    return tuple(
        Tariff(entry.text("name"), entry.number("price"), entry.text("date"), entry.sources[0])
        for entry in entries
        if system_name in entry.texts("systems")
    )


def _unique(sources: Iterable[Source]) -> tuple[Source, ...]:
    return tuple(dict.fromkeys(sources))


def _system(entry: Row, silicon: Chip, prices: tuple[Tariff, ...]) -> System:
    chips, domain = entry.whole("chips"), entry.whole("domain_size")
    if chips % domain:
        raise RangeError(f"system.{entry.name}.chips", chips, f"a multiple of the domain of {domain}")
    memories = entry.rows("memories")
    return System(
        name=entry.name,
        chip=silicon,
        chips=chips,
        domain_size=domain,
        link_bandwidth=entry.number("link_bandwidth"),
        link_latency=entry.number("link_latency"),
        network_bandwidth=entry.optional("network_bandwidth"),
        network_latency=entry.number("network_latency"),
        memories=tuple(_memory(memory) for memory in memories),
        power=entry.optional("power"),
        tariffs=prices,
        sources=_unique([*entry.sources, *(source for memory in memories for source in memory.sources)]),
        conflicts=entry.conflicts,
        note=entry.text("note"),
    )


def _positive(place: str, quantities: Mapping[str, float | None]) -> None:
    """Refuse facts of zero, which the parser lets pass."""
    for column, value in quantities.items():
        if value == 0:
            raise RangeError(f"{place}.{column}", 0, "a quantity above 0")


def _checked_chip(doc: Document, name: str) -> Chip:
    built = _chip(row(doc, "chip", name, CHIP_COLUMNS))
    place = f"{doc.where}: chip.{name}"
    _positive(place, {"hbm_bytes": built.hbm_bytes, "hbm_bandwidth": built.hbm_bandwidth, "power": built.power})
    _positive(f"{place}.flops", built.flops)
    if not built.flops:
        raise InputError(f"{place}.flops", "nothing", "at least one rate, such as { bf16 = '989 TFLOP/s' }")
    return built


def _checked_system(doc: Document, name: str, silicon: Chip, prices: tuple[Tariff, ...]) -> System:
    built = _system(row(doc, "system", name, SYSTEM_COLUMNS), silicon, prices)
    rates = {"link_bandwidth": built.link_bandwidth, "network_bandwidth": built.network_bandwidth, "power": built.power}
    _positive(f"{doc.where}: system.{name}", rates)
    for memory in built.memories:
        _positive(f"{doc.where}: system.{name}.{memory.name}", {"bandwidth": memory.bandwidth})
    return built


@cache
def _aliases(table: str) -> Mapping[str, str]:
    return aliases(packaged(f"{table}s.toml"), table)


@cache
def _boxes() -> Mapping[str, str]:
    """The system that each chip comes in: the first one of the table."""
    rows = packaged("systems.toml").tables["system"]
    return MappingProxyType({str(rows[name]["chip"]): name for name in reversed(tuple(rows))})


def chip_names() -> tuple[str, ...]:
    """Names of the chips of the catalog, in the order of the table."""
    return names(packaged("chips.toml"), "chip")


def missing_chips() -> Mapping[str, str]:
    """Devices that are listed without facts, with the reason.

    >>> list(missing_chips())
    ['groq-lpu']
    """
    return MappingProxyType(dict(packaged("chips.toml").tables["missing"]))


def system_names() -> tuple[str, ...]:
    """Names of the systems of the catalog, in the order of the table."""
    return names(packaged("systems.toml"), "system")


@cache
def priced_systems() -> tuple[str, ...]:
    """Names of the systems whose rent is known, in the order of the table.

    >>> "gb200-nvl72" in priced_systems(), "rubin-nvl72" in priced_systems()
    (True, False)
    """
    return tuple(name for name in system_names() if system(name).tariffs)


@lru_cache(maxsize=256)
def chip(name: str) -> Chip:
    """The chip of that name or alias, whatever the case.

    Raises
    ------
    UnknownNameError
        If there is none, with the nearest name; for a device listed without facts, with the reason.

    Examples
    --------
    >>> h100 = chip("H100")
    >>> h100.name, h100.hbm_bandwidth, h100.flops["bf16"]
    ('h100-sxm', 3350000000000.0, 989000000000000.0)
    """
    known = _aliases("chip")
    asked = device_name(str(name))
    key = asked.whole if asked.whole in known else asked.bare
    if key in missing_chips():
        raise UnknownNameError("chip", str(name), f"a chip whose facts are public: {missing_chips()[key]}")
    if key not in known:
        raise unknown("chip", str(name), known)
    silicon = _checked_chip(packaged("chips.toml"), known[key])
    if key != asked.whole:
        _check_memory(str(name), silicon, asked.memory_gb)
    return silicon


def _check_memory(name: str, silicon: Chip, memory: float | None) -> None:
    """Refuse a name that states another memory than the chip has, as that of its smaller or larger variant."""
    size = silicon.hbm_bytes / 1e9
    if memory is not None and not math.isclose(memory, size, rel_tol=_SAME_MEMORY):
        raise UnknownNameError("chip", name, f"the {silicon.name} of {size:g} GB that the catalog has")


@cache
def _catalog_prices() -> tuple[Row, ...]:
    return numbered_rows(packaged("tariffs.toml"), "tariff", TARIFF_COLUMNS)


@cache
def _catalog_system(name: str) -> System:
    doc = packaged("systems.toml")
    silicon = chip(str(doc.tables["system"][name]["chip"]))
    return _checked_system(doc, name, silicon, _tariffs(name, _catalog_prices()))


def _resized(unit: System, chips: int, name: str) -> System:
    """`chips` chips of a system: part of one domain, or a whole number of domains."""
    if chips == unit.chips:
        return unit
    domain = min(chips, unit.domain_size)
    if not 1 <= chips <= _MOST_CHIPS or chips % domain:
        near = max(chips // domain, 1) * domain if 1 <= chips <= _MOST_CHIPS else None
        accepted = f"1 to {unit.domain_size} chips, or a multiple of {unit.domain_size} up to {_MOST_CHIPS:,}"
        raise RangeError("system", name, accepted, f"{near}x{unit.chip.name}" if near else None)
    return dataclasses.replace(unit, name=name, chips=chips, domain_size=domain)


@lru_cache(maxsize=256)
def system(name: str) -> System:
    """The system of that name or alias, or a number of chips or systems.

    Parameters
    ----------
    name : str
        ``"gb200-nvl72"`` or an alias (``"gb200"``: the unit that chip comes in), or ``"<n>x<name>"``.
        With the name of a chip that is n chips of it (``"32xh200"``: four boxes of 8; ``"4xh200"``: half a
        box); with the name of a system it is n of the system (``"2xgb200-nvl72"``: 144 chips). Case, blanks,
        underscores and the maker (``"NVIDIA H100 80GB HBM3"``) do not matter.

    Raises
    ------
    UnknownNameError
        If there is none, with the nearest name.
    RangeError
        If that many chips are neither part of one domain nor a whole number of domains.

    Examples
    --------
    >>> system("h200").name, system("8x H200").name
    ('hgx-h200', 'hgx-h200')
    >>> four_boxes = system("32xh200")
    >>> four_boxes.chips, four_boxes.domain_size
    (32, 8)
    """
    systems, chips = _aliases("system"), _aliases("chip")
    sized = _SIZED.fullmatch(str(name).strip().lower())
    asked = device_name(sized[2] if sized else str(name))
    base = asked.whole if asked.whole in systems or asked.whole in chips else asked.bare
    if base != asked.whole and (base in systems or base in chips):
        one = systems.get(base)
        _check_memory(str(name), _catalog_system(one).chip if one else chip(base), asked.memory_gb)
    if not sized and base in systems:
        return _catalog_system(systems[base])
    if not sized and base in chips:
        return _catalog_system(_boxes()[chips[base]])
    if sized and base in chips:
        box = _catalog_system(_boxes()[chips[base]])
        return _resized(box, int(sized[1]), f"{int(sized[1])}x{chips[base]}")
    if sized and base in systems:
        unit = _catalog_system(systems[base])
        return _resized(unit, int(sized[1]) * unit.chips, f"{int(sized[1])}x{unit.name}")
    if base in missing_chips():
        chip(base)
    hint = unknown("system", base, (*systems, *chips)).nearest
    nearest = f"{sized[1]}x{hint}" if sized and hint else hint
    accepted = f"one of {len(system_names())} systems, {len(chip_names())} chips, or a number of them such as 32xh200"
    raise UnknownNameError("system", str(name), accepted, nearest)


def load_system_toml(path: str | Path, name: str | None = None) -> System:
    """Read a system from a user's own TOML file, with the columns of the packaged tables.

    Parameters
    ----------
    path : str or Path
        A file with ``[system.NAME]``; its chip is a ``[chip.NAME]`` of the same file or one of the catalog;
        prices are ``[[tariff]]`` rows that list the system.
    name : str, optional
        Which system, where the file holds several.

    Raises
    ------
    InputError
        If the file cannot be read, or a row lacks a column or its source, or has a wrong unit.
    UnknownNameError
        If a key, a chip or the system is unknown, with the nearest name.

    Examples
    --------
    >>> load_system_toml("absent.toml")
    Traceback (most recent call last):
    headway.facts.errors.InputError: ...
    """
    doc = read_document(path)
    only_tables(doc, _TABLES)
    found = names(doc, "system")
    if not found:
        raise InputError(doc.where, "nothing", "a table [system.NAME]")
    if name is None and len(found) > 1:
        raise InputError("system", "nothing", f"one of {', '.join(found[:12])}")
    chosen = found[0] if name is None else name
    entry = row(doc, "system", chosen, SYSTEM_COLUMNS)
    wanted = entry.text("chip")
    own = names(doc, "chip")
    if wanted not in own and wanted.lower() not in _aliases("chip"):
        accepted = "a chip of this file or of the catalog"
        raise unknown(f"{doc.where}: system.{chosen}.chip", wanted, (*own, *_aliases("chip")), accepted)
    silicon = _checked_chip(doc, wanted) if wanted in own else chip(wanted)
    prices = _tariffs(chosen, numbered_rows(doc, "tariff", TARIFF_COLUMNS))
    return _checked_system(doc, chosen, silicon, prices)


def own_system(path: str | Path, name: str) -> System:
    """The system of that name in a user's own TOML file (``"2xacme8"``: two of its ``acme8``), else in the catalog.

    Errors are those of :func:`load_system_toml` and :func:`system`; a name in neither gets the nearest of both.

    >>> own_system("absent.toml", "h200")
    Traceback (most recent call last):
    headway.facts.errors.InputError: ...
    """
    own = {spelt.lower(): spelt for spelt in names(read_document(path), "system")}
    asked = str(name).strip()
    sized = _SIZED.fullmatch(asked.lower())
    if asked.lower() in own or not own:
        return load_system_toml(path, own.get(asked.lower()))
    if sized and sized[2] in own:
        unit = load_system_toml(path, own[sized[2]])
        return _resized(unit, int(sized[1]) * unit.chips, asked)
    try:
        return system(asked)
    except UnknownNameError:
        known = (*own.values(), *_aliases("system"), *_aliases("chip"))
        raise unknown("system", asked, known, f"a system of {path} or of the catalog") from None
