"""Inputs of a claim: handed out by name, and remembered, so that an explanation lists what was really used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from headway.facts.hardware import Chip, System
from headway.facts.lecture_inputs import stated_value
from headway.facts.model import Model
from headway.facts.scaling_laws import LossLaw, loss_law
from headway.facts.sources import Source
from headway.facts.storage import StorageDevice
from headway.lecture.figure import show

if TYPE_CHECKING:
    from headway.pricing.sheets import Sheet


@dataclass(frozen=True, slots=True)
class Quoted:
    """One number or table row that was put into an equation.

    Parameters
    ----------
    name : str
        Where it stands: ``"board.ratio"``, ``"chip h100-sxm"``.
    text : str
        The value with its unit, as stored.
    about : str
        What it is.
    source : Source
        Who says so.
    also : tuple of Source
        Further sources of the same row.
    """

    name: str
    text: str
    about: str
    source: Source
    also: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """Hands out inputs and remembers which were taken, so that an explanation lists what was really used."""

    used: dict[str, Quoted] = field(default_factory=dict)

    def __call__(self, name: str) -> float:
        """Value of a stated input or published figure by its name in the table [SI]."""
        row = stated_value(name)
        self.used[name] = Quoted(name, row.text, row.about, row.source)
        return row.value

    def _remember(self, name: str, text: str, about: str, sources: tuple[Source, ...]) -> None:
        first, *others = sources
        self.used[name] = Quoted(name, text, about, first, tuple(others))

    def chip(self, name: str) -> Chip:
        """A chip of the catalog."""
        from headway.facts.systems import chip

        found = chip(name)
        rate, memory = show(found.hbm_bandwidth, "bytes_per_second"), show(found.hbm_bytes, "bytes")
        self._remember(f"chip {name}", f"{memory}, {rate}", "memory and bandwidth of one chip", found.sources)
        return found

    def system(self, name: str) -> System:
        """A system of the catalog."""
        from headway.facts.systems import system

        found = system(name)
        self._remember(f"system {name}", f"{found.chips} x {found.chip.name}", "chips of the unit", found.sources)
        self.chip(found.chip.name)
        return found

    def model(self, name: str) -> Model:
        """A model of the catalog."""
        from headway.facts.models import model

        found = model(name)
        size = f"{show(found.total_params, 'count')} total, {show(found.active_params, 'count')} active"
        self._remember(f"model {name}", size, "parameters", found.sources)
        return found

    def price(
        self, model: str, field: str, *, mode: str = "standard", context: float = 0.0, on: str | None = None
    ) -> float:
        """A price of the catalog; arguments as in :func:`headway.facts.prices.price`."""
        from headway.facts.prices import price

        fact = price(model, field, mode=mode, context=context, on=on)
        about = f"{fact.model} {fact.field}, {fact.mode}" + (
            f", above {show(fact.above, 'tokens')}" if fact.above else ""
        )
        self._remember(
            f"price {about} {fact.date}", f"{fact.value:g} {fact.unit}", f"{about}, from {fact.date}", (fact.source,)
        )
        return fact.value

    def sheet(self, model: str, *, on: str | None = None) -> Sheet:
        """A price sheet of the pricing room, on a day."""
        from headway.pricing.sheets import sheet

        found = sheet(model, on=on)
        text = f"{found.input_usd_per_mtok:g} in, {found.output_usd_per_mtok:g} out"
        sources = tuple(dict.fromkeys(f.source for f in found.facts))
        self._remember(f"sheet {model} {found.date}", text, f"$/Mtok, sheet from {found.date}", sources)
        return found

    def storage(self, name: str) -> StorageDevice:
        """A storage device of the catalog."""
        from headway.facts.storage import storage

        found = storage(name)
        text = f"{show(found.capacity, 'bytes')}, {show(found.bandwidth, 'bytes_per_second')}"
        self._remember(f"storage {name}", text, "capacity and read rate", found.sources)
        return found

    def law(self, name: str) -> LossLaw:
        """A published fit of loss against size and data."""
        found = loss_law(name)
        size = f"A {found.size_coefficient:g}, a {found.size_exponent:g}"
        numbers = f"{size}, B {found.data_coefficient:g}, b {found.data_exponent:g}"
        self._remember(f"law {name}", numbers, "loss = E + A/N^a + B/D^b", (found.source,))
        return found
