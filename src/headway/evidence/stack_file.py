"""The small TOML that holds a stack's own constants: written by a fit, read by every command (``--calibration``).

.. code-block:: toml

    [calibration]
    chip = "h200"
    stack = "llama-3.1-70b TP8 on hgx-h200, vllm"

    [constant.memory]
    value = "0.82"
    low = "0.80"
    high = "0.84"

Only constants that the runs determine are in it; everything else stays as published.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from headway.facts.catalog import Column, Document, check_row, names, only_tables, read_document
from headway.facts.check import positive
from headway.facts.efficiency import Efficiency, efficiency_of
from headway.facts.errors import InputError, unknown
from headway.facts.hardware import System
from headway.facts.sources import Source

if TYPE_CHECKING:
    from headway.evidence.own_stack import StackValue
    from headway.serving.plan import PlanResult
    from headway.serving.workload import Workload

REQUEST_OVERHEAD: Final = "request_overhead"
_FIELDS: Final = tuple(f.name for f in fields(Efficiency) if f.name != "sources")
_NAMES: Final = tuple(dict.fromkeys((*_FIELDS, REQUEST_OVERHEAD)))
_HEAD: Final = (
    Column("chip", "text", "name of the chip it holds for", required=True),
    Column("stack", "text", "model, layout, system and engine", required=True),
    Column("engine", "text", "engine whose published constants it starts from"),
    Column("runs", "whole", "benchmark runs it was fitted on"),
)


def _columns(name: str) -> tuple[Column, ...]:
    dimension = "seconds" if name.endswith(("_latency", "_overhead")) else "count"
    return tuple(
        Column(key, "quantity", text, dimension, required=key == "value")
        for key, text in (
            ("value", f"value of {name}"),
            ("low", "lower end of its 80% interval"),
            ("high", "upper end of its 80% interval"),
            ("published", "value before the fit"),
        )
    )


@dataclass(frozen=True, slots=True)
class StackCalibration:
    """Constants of a user's own stack.

    Parameters
    ----------
    where : str
        File it was read from.
    chip, stack : str
        Chip it holds for; model, layout, system and engine it was fitted on.
    constants : mapping of str to float
        By field of :class:`~headway.facts.efficiency.Efficiency`.
    engine : str or None
        Whose published constants hold where the stack has none of its own.
    request_overhead : float
        Time from request to the first pass that no queue explains; 0 where it was not identified [s].
    sources : tuple of Source
    """

    where: str
    chip: str
    stack: str
    constants: Mapping[str, float]
    engine: str | None
    request_overhead: float
    sources: tuple[Source, ...]

    def efficiency(self, system: System) -> Efficiency:
        """Published constants of a system, replaced where this stack has its own.

        Raises
        ------
        InputError
            If the system has another chip.
        """
        if system.chip.name != self.chip:
            raise InputError("--calibration", f"{self.where}, fitted on {self.chip}", f"one for {system.chip.name}")
        base = efficiency_of(system, self.engine)
        changed: dict[str, Any] = dict(self.constants)
        return replace(base, **changed, sources=base.sources + self.sources)

    def workload(self, asked: Workload) -> Workload:
        """The same workload with the limit on TTFT that is left once the request overhead is spent.

        Raises
        ------
        InputError
            If nothing is left.
        """
        left = asked.ttft - self.request_overhead
        if left <= 0:
            raise InputError(
                "--ttft", f"{asked.ttft:g} s", f"more than the stack's overhead, {self.request_overhead:g} s"
            )
        return replace(asked, ttft=left)

    def result(self, found: PlanResult, asked: Workload) -> PlanResult:
        """Plans with the request overhead in their TTFT, and the workload as asked."""
        late = self.request_overhead
        plans, blocks = (
            tuple(replace(p, ttft_s=p.ttft_s + late) for p in several) for several in (found.plans, found.blocks)
        )
        nearest = None if found.nearest is None else replace(found.nearest, ttft_s=found.nearest.ttft_s + late)
        note = f"constants of {self.stack}, fitted ({self.where})"
        said = (*found.assumptions, note)
        return replace(found, plans=plans, blocks=blocks, nearest=nearest, workload=asked, assumptions=said)


def load_calibration(path: str | Path) -> StackCalibration:
    """Read a calibration.

    Raises
    ------
    InputError
        With file and field, if it cannot be read, lacks its head or a source, or a value has the wrong unit or is out
        of range; an unknown constant raises UnknownNameError with the nearest.

    Examples
    --------
    >>> load_calibration("absent.toml")
    Traceback (most recent call last):
    headway.facts.errors.InputError: ...
    """
    doc = read_document(path)
    only_tables(doc, ("calibration", "constant", "sources"))
    raw = doc.tables.get("calibration")
    if not isinstance(raw, Mapping):
        raise InputError(f"{doc.where}: calibration", "nothing" if raw is None else raw, "a table [calibration]")
    head = check_row(doc, f"{doc.where}: calibration", _HEAD, raw)
    constants = {name: _constant(doc, name) for name in names(doc, "constant")}
    overhead = 0.0 if REQUEST_OVERHEAD in _FIELDS else constants.pop(REQUEST_OVERHEAD, 0.0)
    try:
        Efficiency(**constants)  # type: ignore[arg-type]
    except InputError as error:
        name = error.field.rpartition(".")[2]
        raise type(error)(f"{doc.where}: constant.{name}.value", error.value, error.expected, error.nearest) from None
    chip, stack, engine = (head.text(name) for name in ("chip", "stack", "engine"))
    own = MappingProxyType(constants)
    return StackCalibration(doc.where, chip, stack, own, engine or None, overhead, head.sources)


def _constant(doc: Document, name: str) -> float:
    place = f"{doc.where}: constant.{name}"
    if name not in _NAMES:
        raise unknown(f"{doc.where}: constant", name, _NAMES)
    raw = doc.tables["constant"][name]
    if not isinstance(raw, Mapping):
        raise InputError(place, raw, "a table with a value")
    # The head's source is that of every constant.
    whole = {**raw, "source": "the runs", "retrieved": "2026-01-01", "kind": "measured"}
    value = check_row(doc, place, _columns(name), whole).number("value")
    return float(positive(f"{place}.value", value))


def calibration_toml(
    chip: str,
    stack: str,
    source: str,
    values: Sequence[StackValue],
    *,
    runs: int,
    engine: str | None = None,
    day: datetime.date | None = None,
) -> str:
    """The file of a fit: constants that the runs determine, and as comments those that they do not.

    >>> from headway.evidence.own_stack import StackValue
    >>> kept = StackValue("compute", "1", "", 0.7, 0.5, 0.9, 0.7, False, "these runs do not depend on it")
    >>> day = datetime.date(2026, 11, 23)
    >>> print(calibration_toml("h200", "mine", "runs.json", (kept,), runs=3, day=day).splitlines()[-1])
    # compute: not identified, as published (0.7): these runs do not depend on it
    """
    lines = [
        "# Constants of one serving stack. Use: headway plan ... --calibration FILE",
        "",
        "[calibration]",
        f"chip = {_quoted(chip)}",
        f"stack = {_quoted(stack)}",
        *([f"engine = {_quoted(engine)}"] if engine else []),
        *([f"runs = {runs}"] if runs else []),
        f"source = {_quoted(source)}",
        f'retrieved = "{(day or datetime.datetime.now(datetime.UTC).date()).isoformat()}"',
        'kind = "measured"',
    ]
    for c in values:
        if c.identified:
            unit = " s" if c.unit == "s" else ""
            shown = [("value", c.value)]
            if c.low < c.high:
                shown += [("low", c.low), ("high", c.high), ("published", c.published)]
            lines += ["", f"# {c.meaning}" + (f"; {c.reason}" if c.reason else ""), f"[constant.{c.name}]"]
            lines += [f'{key} = "{value:.6g}{unit}"' for key, value in shown]
    kept = [c for c in values if not c.identified]
    lines += [""] * bool(kept)
    lines += [f"# {c.name}: not identified, as published ({c.published:.6g}): {c.reason}" for c in kept]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML basic string of one line, at most as long as its reader takes."""
    plain = "".join(ch if ch.isprintable() else " " for ch in text)[:900]
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
