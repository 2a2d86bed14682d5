"""Fit the constants of operators on public kernel tables: ``python -m headway.evidence.operators DIR [-o FILE]``.

DIR is a wheel of aiconfigurator-core (Apache-2.0), or the folder it was unpacked to. The constants go to the packaged
``operators.toml`` unless FILE is given; the errors, of rows the fit saw and of chips, generations and engines it did
not see, are printed. Needs the extra ``calibrate``; without randomness, so that two runs agree to the last byte.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from headway.evidence.kernel_tables import open_tables
from headway.evidence.operator_fit import ENGINES, Fitted, Known, fit
from headway.evidence.operator_forms import SOFTNESS, TILE, Rows
from headway.evidence.operator_rows import read_rows

#: Day the wheel was read.
RETRIEVED: Final = "2026-11-23"
PROTOCOLS: Final = ("in the fit", "chip left out", "generation left out", "engine left out")
_SHARED: Final = (
    *("attention", "weight_only", "serial", "half_length", "scan"),
    *("softness", "tile", "link", "exchange", "network", "relay_latency"),
)
_GENERATION: Final = ("compute", "narrow", "memory", "operator_latency", "latency_factor", "softmax_flops")
_ENGINE: Final = (
    "experts",
    "quantise_latency",
    "attention_latency",
    "widening",
    "experts_latency",
    "collective_latency",
    "exchange_latency",
)
_GENERATIONS: Final = ("ampere", "ada", "hopper", "blackwell", "blackwell-ultra")
_PACKAGED: Final = ("facts", "data", "operators.toml")


def constants(fitted: Fitted) -> dict[str, dict[str, Known]]:
    """Constants with intervals, by scope of the table: ``"shared"``, ``"generation.hopper"``, ``"engine.vllm"``."""
    chosen = {"shared.softness": SOFTNESS, "shared.tile": TILE}
    known = {**fitted.known, **{name: Known(value, value, value) for name, value in chosen.items()}}
    found = {"shared": {name: known[f"shared.{name}"] for name in _SHARED}}
    for generation in _GENERATIONS:
        # The two Blackwells share everything but the rate of their exponentials.
        base = generation.removesuffix("-ultra")
        source = {name: generation if name == "softmax_flops" else base for name in _GENERATION}
        own = {name: known[f"generation.{source[name]}.{name}"] for name in _GENERATION}
        found[f"generation.{generation}"] = own
    for engine in ENGINES:
        found[f"engine.{engine}"] = {name: known[f"engine.{engine}.{name}"] for name in _ENGINE}
    return found


def toml(fitted: Fitted, version: str) -> str:
    """The table as TOML text: ``name = [value, low, high]`` with an 80% interval, SI units."""
    lines = [
        "# Constants of single operators: [value, low, high] with an 80% interval, SI units.",
        "# Units and meanings: headway.facts.calibration.MEANINGS. Intervals come from refits without one chip, one",
        "# engine or one lane; softness and tile are chosen, not fitted. What no row tells is the median of its",
        "# siblings, with the widest of their intervals: narrow products of ampere, and vllm's exchange, not seen in",
        "# a graph.",
        "# Written by `python -m headway.evidence.operators`; do not edit by hand.",
        "",
        "[source]",
        f'source = "fitted on the kernel tables of aiconfigurator-core {version} (Apache-2.0), systems/data"',
        f'retrieved = "{RETRIEVED}"',
        'kind = "measured"',
    ]
    for scope, own in constants(fitted).items():
        lines += ["", f"[{scope}]"]
        lines += [f"{name} = [{k.value:.3g}, {k.low:.3g}, {k.high:.3g}]" for name, k in own.items()]
    return "\n".join(lines) + "\n"


def error_table(fitted: Fitted, families: Sequence[Rows]) -> str:
    """Median and 90% quantile of the relative error [%], by family, by its lanes, and by what the fit had seen."""
    lines = [f"{'median / p90 of |predicted/measured - 1| [%]':46}" + "".join(f"{p:>21}" for p in PROTOCOLS)]
    for rows in families:
        lanes = sorted({lane for family, lane, _ in fitted.errors if family == rows.family})
        lines.append(_error_line(rows.family, fitted, rows.family, lanes))
        lines += [_error_line(f"  {lane}", fitted, rows.family, [lane]) for lane in lanes]
    return "\n".join(lines) + "\n"


def _error_line(title: str, fitted: Fitted, family: str, lanes: Sequence[str]) -> str:
    cells, rows = [], 0
    for protocol in PROTOCOLS:
        found = [fitted.errors[key] for key in ((family, lane, protocol) for lane in lanes) if key in fitted.errors]
        errors = 100.0 * np.concatenate([*found, np.zeros(0)])
        rows = rows or errors.size
        cells.append(f"{np.median(errors):.1f} / {np.quantile(errors, 0.9):.1f}" if errors.size else "-")
    return f"{title:36} n = {rows:5} " + "".join(f"{cell:>21}" for cell in cells)


def main(arguments: Sequence[str]) -> int:
    """Read the tables, fit, write the constants and show the errors."""
    parser = argparse.ArgumentParser(
        prog="python -m headway.evidence.operators", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("place", metavar="DIR", help="a wheel of aiconfigurator-core, or the folder it was unpacked to")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write (default: the packaged table)")
    given = parser.parse_args(arguments)
    tables = open_tables(given.place)
    families = read_rows(tables)
    fitted = fit(families)
    target = Path(given.output) if given.output else Path(__file__).parents[1].joinpath(*_PACKAGED)
    target.write_text(toml(fitted, tables.version), encoding="utf-8")
    sys.stdout.write(error_table(fitted, families))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
