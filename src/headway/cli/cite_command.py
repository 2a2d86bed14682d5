"""``headway cite``: where the facts behind a model, a system, a chip or a claim come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headway.cli._output import output_options
from headway.cli._params import Converted, model_names, system_names

if TYPE_CHECKING:
    from headway.cli._report import Cell, Report
    from headway.facts.sources import Source


def citable() -> tuple[str, ...]:
    """Everything that can be cited: models, systems, chips, claims."""
    from headway.cli.lecture_command import claim_names
    from headway.facts.systems import chip_names

    return tuple(dict.fromkeys((*model_names(), *system_names(), *chip_names(), *claim_names())))


def sources_of(name: str, field: str = "NAME") -> tuple[str, tuple[Source, ...]]:
    """What a name is, and its sources.

    Raises
    ------
    UnknownNameError
        If it is neither a model, a system, a chip nor a claim.
    """
    from headway.cli.lecture_command import claim_names
    from headway.facts.errors import unknown
    from headway.facts.models import model
    from headway.facts.systems import chip, chip_names, system
    from headway.lecture import evaluate

    if name in model_names():
        return "model", model(name).sources
    if name in system_names():
        found = system(name)
        prices = tuple(tariff.source for tariff in found.tariffs)
        others = tuple(conflict.source for conflict in (*found.conflicts, *found.chip.conflicts))
        return "system", (*found.sources, *found.chip.sources, *prices, *others)
    if name in chip_names():
        return "chip", chip(name).sources
    if name.upper() in claim_names():
        return "claim", evaluate(name.upper()).sources
    raise unknown(field, name, citable(), "a model, a system, a chip or a claim")


CITABLE = Converted("name", lambda text, field: (text, *sources_of(text, field)), citable)


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=CITABLE)
@output_options
def cite(names: tuple[tuple[str, str, tuple[Source, ...]], ...]) -> Report:
    """Print the sources of models, systems, chips and claims: what each fact rests on, and when it was read."""
    from headway.cli._report import Column, Report, Table

    columns = (
        Column("name", "name", align="left"),
        Column("of", "of", align="left", priority=1),
        Column("kind", "kind", align="left"),
        Column("retrieved", "read", align="left"),
        Column("source", "source", align="left", fold=True),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, of, source.kind, source.retrieved, source.text)
        for name, of, sources in names
        for source in dict.fromkeys(sources)
    )
    table = Table("sources", columns, rows)
    full: dict[str, Any] = {
        "cited": [{"name": name, "of": of, "sources": tuple(dict.fromkeys(sources))} for name, of, sources in names]
    }
    return Report("", (table,), _kinds(rows), full)


def _kinds(rows: tuple[tuple[Cell, ...], ...]) -> tuple[str, ...]:
    unsure = [kind for kind in ("inferred", "assumed") if any(row[2] == kind for row in rows)]
    return (f"Rows marked {' or '.join(unsure)} are no publication's own figure.",) if unsure else ()
