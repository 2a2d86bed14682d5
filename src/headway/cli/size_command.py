"""``headway size``: what a load needs in replicas, racks, chips, kilowatts and dollars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway.cli._deployment import Asked, context_notes, deployment_options, search
from headway.cli._output import output_options
from headway.cli._params import FRACTION, quantity
from headway.cli._report import Column, Part, Passage, Report, Table
from headway.serving.document import layout_name, plan_document

if TYPE_CHECKING:
    from headway.serving.fleet import Fleet

_CLAIM = ("each fleet is the cheapest of its system: one deployment within the limits, repeated",)


@click.command()
@deployment_options
@click.option("--requests", type=quantity("requests_per_second", "rate"), help="Load, as '40 req/s'.")
@click.option("--tokens", type=quantity("tokens_per_day", "rate"), help="Load in output tokens, as '5B tok/day'.")
@click.option("--utilisation", type=FRACTION, default="70%", show_default=True, help="Share of capacity to plan for.")
@output_options
def size(asked: Asked, requests: float | None, tokens: float | None, utilisation: float) -> Report:
    """Size a fleet of MODEL for a load within the limits of the workload.

    Example: headway size deepseek-v3 --on gb200-nvl72,8xh200 --requests "40 req/s" --tpot 30ms
    """
    from headway.facts.errors import InputError
    from headway.serving import fleet

    if (requests is None) == (tokens is None):
        raise InputError("--requests", "nothing" if requests is None else "both loads", "either --requests or --tokens")
    model, systems, results = search(asked)
    load = requests if requests is not None else fleet.requests_from_tokens(tokens or 0.0, results[0].workload.osl)
    parts: list[Part] = []
    fleets: list[tuple[str, Fleet]] = []
    for system, result in zip(systems, results, strict=True):
        found = fleet.size(result, system, load, utilisation=utilisation)
        if found is None:
            parts.append(Passage(f"{system.name}: infeasible", (result.reason,)))
        else:
            fleets.append((system.name, found))
    if fleets:
        parts.insert(0, _table(fleets))
    return Report(
        title=f"{model.name}: fleet for {load:,.4g} requests per second",
        parts=tuple(parts),
        notes=(*(_CLAIM if fleets else ()), *context_notes(model, asked.isl + asked.osl)),
        document={
            "model": model.name,
            "requests_per_second": load,
            "utilisation": utilisation,
            "fleets": [_document(name, f) for name, f in fleets],
            "infeasible": [{"system": r.system, "reason": r.reason} for r in results if not r.feasible],
        },
        exit_code=0 if fleets else 1,
    )


def _table(fleets: list[tuple[str, Fleet]]) -> Table:
    columns = (
        Column("system", "system", align="left"),
        Column("replicas", "replicas"),
        Column("chips", "GPUs"),
        Column("units", "nodes or\nracks"),
        Column("watts", "power", "watts", priority=1),
        Column("usd_per_hour", "per hour", "dollars"),
        Column("usd_per_mtok", "$/Mtok", "dollars"),
        Column("load", "load", "fraction", priority=2),
        Column("tpot_s", "TPOT", "seconds", priority=3),
        Column("ttft_s", "TTFT", "seconds", priority=3),
        Column("layout", "deployment", align="left", fold=True),
    )
    rows = tuple(
        (
            name,
            f.replicas,
            f.chips,
            f.units,
            f.watts,
            f.usd_per_hour,
            f.usd_per_mtok,
            f.load,
            f.plan.tpot_s,
            f.plan.ttft_s,
            layout_name(f.plan),
        )
        for name, f in fleets
    )
    return Table("fleets", columns, rows)


def _document(name: str, found: Fleet) -> dict[str, object]:
    return {
        "system": name,
        "replicas": found.replicas,
        "chips": found.chips,
        "units": found.units,
        "watts": found.watts,
        "usd_per_hour": found.usd_per_hour,
        "usd_per_mtok": found.usd_per_mtok,
        "load": found.load,
        "plan": plan_document(found.plan),
    }
