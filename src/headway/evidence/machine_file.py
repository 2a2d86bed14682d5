"""A measured machine as a system entry (``--hardware``) and as constants (``--calibration``)."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from headway.evidence.measure import Measurement
from headway.evidence.measured_efficiency import achieved
from headway.evidence.own_stack import StackValue
from headway.evidence.stack_file import calibration_toml
from headway.facts.efficiency import Efficiency

SYSTEM = "this-machine"


def system_name(found: Measurement) -> str:
    """Name of a device's system: ``this-machine``, or ``this-machine-cuda``.

    >>> system_name(Measurement("cpu", "", 4, 1.0, (), (), (), 1.0, ""))
    'this-machine'
    """
    return SYSTEM if found.device == "cpu" else f"{SYSTEM}-{found.device}"


def system_toml(measured: Sequence[Measurement], day: datetime.date | None = None) -> str:
    """Chips and systems of measured devices in the format of :func:`headway.facts.systems.load_system_toml`.

    Best rates seen stand where a datasheet has peaks. Formats without units of their own fall back to ``bf16``, so the
    rate of the products that were timed stands there, whatever their format.

    Examples
    --------
    >>> from headway.evidence.measure import Product, Stream
    >>> seen = Measurement(
    ...     "cpu", "a processor", 4, 8e9, (Stream("read", 1, 1, 2e10),), (Product(1, 1, 1, 2e-11),), (), 1e-6, "numpy"
    ... )
    >>> [line for line in system_toml((seen,)).splitlines() if line.startswith(("[", "flops"))]
    ['[sources.cpu]', '[chip.this-cpu]', 'flops = { bf16 = "1e+11 FLOP/s" }', '[system.this-machine]']
    """
    today = day or datetime.datetime.now(datetime.UTC).date()
    lines = ["# Written by 'headway measure'. Use: headway curve MODEL --hardware FILE --on this-machine"]
    for found in measured:
        key, label = found.device, _plain(found.label)
        lines += [
            "",
            f"[sources.{key}]",
            f'text = "headway measure on {label}: {_plain(found.note)}; best rates seen"',
            f'retrieved = "{today.isoformat()}"',
            'kind = "measured"',
            "",
            f"[chip.this-{key}]",
            f'vendor = "{label}"',
            f"year = {today.year}",
            f'generation = "this-{key}"',
            f'flops = {{ bf16 = "{found.rate:.6g} FLOP/s" }}',
            f'hbm_bytes = "{found.capacity:.6g} B"',
            f'hbm_bandwidth = "{found.bandwidth:.6g} B/s"',
            f'note = "{8 * found.element}-bit products, entered as bf16: the key that other formats fall back to"',
            f'source = "{key}"',
            "",
            f"[system.{system_name(found)}]",
            f'chip = "this-{key}"',
            "chips = 1",
            "domain_size = 1",
            f'link_bandwidth = "{found.bandwidth:.6g} B/s"',
            f'link_latency = "{found.dispatch:.6g} s"',
            f'network_latency = "{found.dispatch:.6g} s"',
            'note = "one device; link and network are placeholders that no layout of one chip uses"',
            f'source = "{key}"',
        ]
    return "\n".join(lines) + "\n"


def constants_toml(found: Measurement, rows: int = 2) -> str:
    """What a pass of `rows` tokens achieves of those rates, as a calibration that every command takes.

    Examples
    --------
    >>> from headway.evidence.measure import Effort, measure_cpu
    >>> "[constant.memory]" in constants_toml(measure_cpu(Effort((1 << 20,), 1 << 20, (64,), 1)))
    True
    """
    eff, plain = achieved(found, rows), Efficiency()
    units = {"operator_latency": "s", "step_overhead": "s"}
    meanings = {
        "memory": f"share of the best bandwidth in products of {'one row' if rows == 1 else 'a few rows'}",
        "compute": "share of the best rate in the same products",
        "attention": "share of the best rate in attention over a cache",
        "operator_latency": "small operations behind one operator of a pass",
        "step_overhead": "none: nothing runs beside the pass",
        "serial": "seconds per row of the weights",
        "softness": "1: packing weights and multiplying add up",
    }
    values = []
    for name, meaning in meanings.items():
        value, before = getattr(eff, name), getattr(plain, name)
        if value > 0:
            values.append(
                StackValue(name, units.get(name, "1"), meaning, value, value, value, min(before, 1e9), True, "")
            )
    source = f"headway measure: {found.label}, {found.note}"
    return calibration_toml(f"this-{found.device}", f"{found.label}, {found.note}", source, values, runs=0)


def _plain(text: str) -> str:
    return "".join(ch for ch in text if ch.isprintable() and ch not in '"\\')[:200]
