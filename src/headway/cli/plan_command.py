"""``headway plan``: the Pareto set of deployments for a model, a workload and one or more systems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from headway.cli._chart import Axis, BarChart, Series, XYChart
from headway.cli._deployment import Asked, context_notes, deployment_options, plan_table, search
from headway.cli._output import explain_option, output_options
from headway.cli._report import Part, Passage, Report
from headway.serving.document import layout_name, plan_sources, plans_document

if TYPE_CHECKING:
    from headway.facts.hardware import System
    from headway.facts.model import Model
    from headway.serving.plan import Plan, PlanResult


@click.command()
@deployment_options
@click.option("--all", "every", is_flag=True, help="Show every plan of the Pareto set, not ten of each system.")
@explain_option
@output_options
def plan(asked: Asked, every: bool, explain: bool) -> Report:
    """Search layouts, batches, chunks and pools for MODEL, keep what nothing else beats.

    Example: headway plan deepseek-v3 --on gb200-nvl72 --isl 4k --osl 1k --tpot 30ms --ttft 2s
    """
    model, systems, results = search(asked)
    return plan_report(model, systems, results, every=every, explain=explain)


def plan_report(
    model: Model,
    systems: Sequence[System],
    results: Sequence[PlanResult],
    *,
    every: bool = False,
    explain: bool = False,
) -> Report:
    """Show the plans of several systems: a chart, a table each, why where there is none."""
    from headway.serving.plan import representative

    parts: list[Part] = []
    found = [r for r in results if r.feasible]
    if found:
        parts.append(pareto_chart(found))
    for result in results:
        title = f"{result.system} at {_rent(result)}: {len(result.plans)} plans of {result.candidates:,} deployments"
        if result.feasible:
            shown = result.plans if every else representative(result.plans)
            parts.append(plan_table(shown, f"plans_{result.system}", title))
        else:
            parts.append(Passage(f"{result.system}: infeasible", (result.reason,)))
            if result.nearest is not None:
                parts.append(plan_table((result.nearest,), f"nearest_{result.system}", "nearest deployment"))
    best = tuple(r.cheapest for r in found if r.cheapest is not None)
    if explain:
        for one in best:
            parts.extend(explain_plan(one))
        parts.append(Passage("Sources", tuple(f"{s.text} ({s.kind}, {s.retrieved})" for s in plan_sources(results))))
    return Report(
        title=_title(model, results[0]),
        parts=tuple(parts),
        notes=(
            *_notes(found),
            *context_notes(model, results[0].workload.isl + results[0].workload.osl),
            *(f"assumed: {a}" for a in (results[0].assumptions if explain else ())),
        ),
        document=plans_document(model.name, results),
        data=plan_table([p for r in results for p in r.plans]),
        exit_code=0 if found else 1,
    )


def _rent(result: PlanResult) -> str:
    from headway.facts.units import format_quantity

    return f"{format_quantity(result.prices.usd_per_chip_hour, 'dollars_per_gpu_hour')} ({result.prices.tariff})"


def _title(model: Model, result: PlanResult) -> str:
    from headway.facts.units import format_quantity

    w = result.workload
    limits = [f"{n} <= {format_quantity(v, 'seconds')}" for n, v in (("TTFT", w.ttft), ("TPOT", w.tpot)) if v < 1e12]
    extra = [f"{format_quantity(w.cache_hit, 'fraction')} cached"] if w.cache_hit else []
    extra += [f"{w.draft} drafted, {w.acceptance:g} kept per pass"] if w.draft else []
    return ", ".join([f"{model.name}: {w.isl:,} in, {w.osl:,} out", *extra, *limits])


def _constants(found: Sequence[PlanResult]) -> str:
    """Whose constants the plans stand on: the last assumption says so where they are the user's own."""
    own = [a for a in found[0].assumptions if a.startswith("constants of ")]
    if own:
        return f"{own[0]}."
    grades = {r.grade: [s.system for s in found if s.grade == r.grade] for r in found}
    shown = ", ".join(g if len(grades) == 1 else f"{g} for {' and '.join(of)}" for g, of in grades.items())
    return f"{shown} ('headway validate' shows the errors)."


def _notes(found: Sequence[PlanResult]) -> tuple[str, ...]:
    if not found:
        return ()
    return (
        "$/Mtok is everything per million output tokens; input, cached and output split it by what the chips did.",
        "prefill > decode where pools are separate; efficiencies: " + _constants(found),
    )


def pareto_chart(results: Sequence[PlanResult]) -> XYChart:
    """Cost against speed per user, one cloud per system."""
    series = tuple(
        Series(
            r.system,
            [p.tokens_per_second_per_user for p in r.plans],
            [p.usd_per_mtok for p in r.plans],
        )
        for r in results
    )
    return XYChart(
        "Cost per million output tokens against speed",
        Axis("output tokens per second and user", "count", log=True),
        Axis("$/Mtok", "dollars", log=True),
        series,
        kind="scatter",
    )


def explain_plan(plan: Plan) -> tuple[Part, ...]:
    """Where the time of a decode pass and the memory of a chip go."""
    kinds = ("weights", "kv", "activations", "reserve")
    memory = tuple((kind, float(getattr(plan.memory, kind))) for kind in kinds)
    name = f"{plan.system}, {layout_name(plan)}, cheapest"
    return (
        BarChart(f"One decode pass by operator ({name})", "seconds", tuple((n, v) for n, v in plan.breakdown if v > 0)),
        BarChart(f"Memory of the fullest chip ({name})", "bytes", memory),
    )
