"""``headway measure``: memory bandwidth, matrix rate and dispatch time of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway.cli._output import output_options
from headway.cli._params import CONFIG
from headway.cli._report import Column, Quantity, Report, Table

if TYPE_CHECKING:
    from headway.evidence.measure import Measurement
    from headway.evidence.toy_decoder import ToyCheck


@click.command()
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads of numpy's BLAS; all cores by default.")
@click.option("--check", is_flag=True, help="Also time a small numpy decoder and show it beside its prediction.")
@click.option(
    "--constants", type=CONFIG, help="Also write what products achieve, for --calibration, to this TOML file."
)
@click.option(
    "--rows", type=click.IntRange(1, 16), default=2, show_default=True, help="Tokens per pass of --constants."
)
@output_options
def measure(threads: int | None, check: bool, constants: str | None, rows: int) -> Report:
    """Time this machine and, where torch sees one, its accelerator; takes a minute, best on an idle machine.

    With -o FILE.toml it writes a system entry for --hardware.

    Example: headway measure -o machine.toml; headway curve llama-3.1-8b --hardware machine.toml --on this-machine
    """
    from pathlib import Path

    from headway.cli._output import check_writable, write_whole

    if constants is not None:
        check_writable(Path(constants))
    from headway.evidence.machine_file import constants_toml, system_name, system_toml
    from headway.evidence.measure_accelerator import measure_accelerator
    from headway.evidence.measure_apart import measure as measure_processor

    cpu, checks = measure_processor(threads, check=check)
    accelerator = measure_accelerator()
    found = (cpu,) if accelerator is None else (cpu, accelerator)
    if constants is not None:
        write_whole(Path(constants), constants_toml(found[-1], rows))
    parts = [_summary(found), *(_products(one) for one in found)]
    if checks:
        parts.append(_checks(checks))
    return Report(
        title="This machine",
        parts=tuple(parts),
        notes=(
            "Best of several rounds: other programs only add time. Rates are what was seen, not what a maker promises.",
            *(() if accelerator else ("No accelerator measured: torch is absent or sees none.",)),
        ),
        document={"systems": [{"name": system_name(m), "measurement": m} for m in found], "checks": checks},
        toml=system_toml(found),
    )


def _summary(found: tuple[Measurement, ...]) -> Table:
    from headway.evidence.machine_file import system_name

    columns = (
        Column("device", "device", align="left"),
        Column("fact", "", align="left"),
        Column("value", "", mixed=True),
    )
    rows: list[tuple[str, str, Quantity]] = []
    for m in found:
        device = f"{system_name(m)}: {m.label} ({m.note})"
        rows.append((device, "memory", Quantity(m.capacity, "bytes")))
        rows += [
            (device, f"{s.name}, arrays of {s.size >> 20} MiB", Quantity(s.rate, "bytes_per_second")) for s in m.streams
        ]
        rows.append((device, "best bandwidth", Quantity(m.bandwidth, "bytes_per_second")))
        rows.append((device, "best product", Quantity(m.rate, "flop_per_second")))
        rows.append((device, "one small operation", Quantity(m.dispatch, "seconds")))
    return Table("rates", columns, tuple(rows), "Rates", group="device")


def _products(m: Measurement) -> Table:
    columns = (
        Column("rows", "rows"),
        Column("inputs", "inputs"),
        Column("outputs", "outputs"),
        Column("seconds", "time", "seconds"),
        Column("weights_bytes_per_second", "weights", "bytes_per_second"),
        Column("flop_per_second", "rate", "flop_per_second"),
    )
    rows = tuple(
        (p.rows, p.inputs, p.outputs, p.seconds, p.weight_rate(m.element), p.rate) for p in (*m.thin, *m.large)
    )
    return Table(f"products_{m.device}", columns, rows, f"Matrix products on {m.device}, weights from memory")


def _checks(checks: tuple[ToyCheck, ...]) -> Table:
    columns = (
        Column("layers", "layers"),
        Column("hidden", "hidden"),
        Column("batch", "batch"),
        Column("context", "context"),
        Column("measured_s", "measured", "seconds"),
        Column("predicted_s", "predicted", "seconds"),
        Column("error", "error", "fraction"),
    )

    def row(c: ToyCheck) -> tuple[float, ...]:
        return (c.shape.layers, c.shape.hidden, c.batch, c.context, c.measured, c.predicted, c.error)

    return Table("toy", columns, tuple(row(c) for c in checks), "Decode pass of a numpy decoder")
