"""``headway system`` and ``headway systems``: datasheet facts, what follows from them, and prices."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import click

from headway.cli._output import output_options
from headway.cli._params import CONFIG, Converted, system_names

if TYPE_CHECKING:
    from headway.cli._report import Cell, Report, Table
    from headway.facts.hardware import Chip, System

# Bytes of one operand by the key of its peak rate, block scales left out as the lecture counts them.
_OPERAND_BYTES: Final = MappingProxyType({"bf16": 2.0, "fp8": 1.0, "int8": 1.0, "fp4": 0.5})

_DIMENSIONS: Final = MappingProxyType(
    {
        "hbm_bytes": "bytes",
        "hbm_bandwidth": "bytes_per_second",
        "measured_bandwidth": "bytes_per_second",
        "link_bandwidth": "bytes_per_second",
        "network_bandwidth": "bytes_per_second",
        "link_latency": "seconds",
        "network_latency": "seconds",
        "power": "watts",
        "capacity": "bytes",
        "bandwidth": "bytes_per_second",
        "price": "dollars_per_gpu_hour",
        "usd_per_chip_hour": "dollars_per_gpu_hour",
    }
)


@click.command()
@click.argument("name", type=Converted("system", lambda text, _field: text, system_names))
@click.option("--hardware", type=CONFIG, help="A TOML file with systems of your own.")
@output_options
def system(name: str, hardware: str | None) -> Report:
    """Show a system: peak rates, memory, links, machine balance, drain times, prices, and where sources disagree.

    Rates are dense and one-way, never derated.
    """
    from headway.cli._deployment import read_system

    return describe(read_system(hardware, name))


@click.command()
@output_options
def systems() -> Report:
    """List the systems of the catalog."""
    from headway.cli._report import Column, Report, Table, records
    from headway.facts.systems import system as look_up
    from headway.physics.balance import drain_time

    columns = (
        Column("system", "system", align="left"),
        Column("chips", "chips"),
        Column("domain_size", "domain", priority=5),
        Column("bf16_flop_per_s", "BF16 rate", "flop_per_second", priority=2),
        Column("fp8_flop_per_s", "FP8 rate", "flop_per_second", priority=6),
        Column("hbm_bytes", "HBM", "bytes"),
        Column("hbm_bytes_per_s", "HBM rate", "bytes_per_second"),
        Column("drain_time_s", "drain", "seconds", priority=3),
        Column("bf16_balance", "balance", "count"),
        Column("link_bytes_per_s", "link", "bytes_per_second", priority=4),
        Column("usd_per_chip_hour", "$ per chip-h", "dollars", priority=1),
        Column("status", "status", align="left", priority=7),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            entry.name,
            entry.chips,
            entry.domain_size,
            entry.chip.flops.get("bf16"),
            entry.chip.flops.get("fp8"),
            entry.chip.hbm_bytes,
            entry.chip.hbm_bandwidth,
            drain_time(entry.chip.hbm_bytes, entry.chip.hbm_bandwidth),
            balances(entry.chip).get("bf16"),
            entry.link_bandwidth,
            entry.tariffs[0].usd_per_chip_hour if entry.tariffs else None,
            entry.chip.status,
        )
        for entry in map(look_up, system_names())
    )
    table = Table("systems", columns, rows)
    notes = (
        "Rates per chip, dense and one-way. Balance: multiply-adds per weight read at BF16. "
        "'headway system NAME' says more.",
    )
    return Report(f"{len(rows)} systems", (table,), notes, {"systems": records(table)})


def balances(chip: Chip) -> dict[str, float]:
    """Machine balance by number format [1]."""
    from headway.physics.balance import machine_balance

    return {
        name: float(machine_balance(rate, chip.hbm_bandwidth, _OPERAND_BYTES[name]))
        for name, rate in chip.flops.items()
        if name in _OPERAND_BYTES
    }


def describe(found: System) -> Report:
    """Build the report on one system."""
    from headway.cli._describe import sources_table
    from headway.cli._report import Report

    chip = found.chip
    sources = (*found.sources, *chip.sources)
    facts = _facts(found)
    parts = [facts, _rates(chip), _memories(found), _tariffs(found), _conflict_table(found), sources_table(sources)]
    notes = tuple(note for note in (found.note, chip.note) if note)
    title = f"{found.name}: {found.chips} x {chip.name} ({chip.vendor}, {chip.year}, {chip.status})"
    return Report(title, tuple(part for part in parts if part.rows), notes, _document(found), data=facts)


def _facts(found: System) -> Table:
    from headway.cli._report import Quantity, facts_table

    chip = found.chip
    rows: tuple[tuple[str, Cell], ...] = (
        ("chips in one unit", found.chips),
        ("chips in a scale-up domain", found.domain_size),
        ("link per chip, one way", Quantity(found.link_bandwidth, "bytes_per_second")),
        ("latency of one link hop", Quantity(found.link_latency, "seconds")),
        ("network per chip, one way", Quantity(found.network_bandwidth, "bytes_per_second")),
        ("latency of one network hop", Quantity(found.network_latency, "seconds")),
        ("HBM of the unit", Quantity(found.hbm_bytes, "bytes")),
        ("HBM rate of the unit", Quantity(found.hbm_bandwidth, "bytes_per_second")),
        ("power of a chip", Quantity(chip.power, "watts")),
        ("all-in power per chip", Quantity(found.power, "watts")),
    )
    return facts_table("facts", tuple(row for row in rows if not _missing(row[1])))


def _missing(cell: Cell) -> bool:
    from headway.cli._report import bare

    return bare(cell) is None


def _rates(chip: Chip) -> Table:
    from headway.cli._report import Column, Table

    columns = (
        Column("precision", "format", align="left"),
        Column("peak_flop_per_s", "peak, dense", "flop_per_second"),
        Column("measured_flop_per_s", "best measured product", "flop_per_second", priority=1),
        Column("machine_balance", "machine balance", "count"),
    )
    found = balances(chip)
    rows = tuple((name, rate, chip.measured_flops.get(name), found.get(name)) for name, rate in chip.flops.items())
    return Table("rates", columns, rows, "Rates of one chip")


def _memories(found: System) -> Table:
    from headway.cli._report import Column, Table
    from headway.physics.balance import drain_time

    columns = (
        Column("memory", "memory", align="left"),
        Column("capacity_bytes", "per chip", "bytes"),
        Column("bandwidth_bytes_per_s", "rate", "bytes_per_second"),
        Column("measured_bytes_per_s", "best measured stream", "bytes_per_second", priority=1),
        Column("drain_time_s", "drain time", "seconds"),
    )
    own = (("hbm", found.chip.hbm_bytes, found.chip.hbm_bandwidth, found.chip.measured_bandwidth),)
    beside = tuple((m.name, m.capacity, m.bandwidth, None) for m in found.memories)
    rows = tuple((name, size, rate, best, drain_time(size, rate)) for name, size, rate, best in own + beside)
    return Table("memories", columns, rows, "Memories")


def _tariffs(found: System) -> Table:
    from headway.cli._report import Column, Table

    columns = (
        Column("tariff", "tariff", align="left"),
        Column("usd_per_chip_hour", "price", "dollars_per_gpu_hour"),
        Column("date", "held", align="left"),
        Column("source", "who says so", align="left", fold=True, priority=1),
    )
    rows = tuple((t.name, t.usd_per_chip_hour, t.date, t.source.text) for t in found.tariffs)
    return Table("tariffs", columns, rows, "Prices (the first is the default)")


def _conflicts(found: System) -> tuple[Any, ...]:
    return (*found.conflicts, *found.chip.conflicts)


def _conflict_table(found: System) -> Table:
    from headway.cli._report import Column, Quantity, Table

    columns = (
        Column("fact", "fact", align="left"),
        Column("value", "another source says", align="left", mixed=True),
        Column("source", "who", align="left", fold=True),
    )
    rows = tuple((c.field, Quantity(c.value, conflict_dimension(c.field)), c.source.text) for c in _conflicts(found))
    return Table("conflicts", columns, rows, "Where sources disagree")


def conflict_dimension(field: str) -> str:
    """Dimension of a fact by its name.

    >>> conflict_dimension("flops.fp8"), conflict_dimension("memories.dram.bandwidth")
    ('flop_per_second', 'bytes_per_second')
    """
    head, _, last = field.rpartition(".")
    if field.startswith(("flops", "measured_flops")):
        return "flop_per_second"
    return _DIMENSIONS.get(last if head else field, "count")


def _document(found: System) -> dict[str, Any]:
    from headway.cli._report import records

    chip = found.chip
    return {
        "system": found.name,
        "chip": {
            "name": chip.name,
            "vendor": chip.vendor,
            "year": chip.year,
            "generation": chip.generation,
            "status": chip.status,
            "peak_flop_per_s": chip.flops,
            "measured_flop_per_s": chip.measured_flops,
            "hbm_bytes": chip.hbm_bytes,
            "hbm_bytes_per_s": chip.hbm_bandwidth,
            "measured_bytes_per_s": chip.measured_bandwidth,
            "power_w": chip.power,
            "machine_balance": balances(chip),
        },
        "chips": found.chips,
        "domain_size": found.domain_size,
        "link_bytes_per_s": found.link_bandwidth,
        "link_latency_s": found.link_latency,
        "network_bytes_per_s": found.network_bandwidth,
        "network_latency_s": found.network_latency,
        "power_w_per_chip": found.power,
        "memories": records(_memories(found)),
        "tariffs": [
            {"name": t.name, "usd_per_chip_hour": t.usd_per_chip_hour, "date": t.date, "source": t.source}
            for t in found.tariffs
        ],
        "conflicts": [{"fact": c.field, "value": c.value, "source": c.source} for c in _conflicts(found)],
        "sources": (*found.sources, *chip.sources),
        "notes": [note for note in (found.note, chip.note) if note],
    }
