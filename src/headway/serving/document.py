"""Plans as plain data: what ``headway plan --json`` prints and the JSON interface answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headway.facts.sources import Source
    from headway.serving.plan import Plan, PlanResult


def layout_name(plan: Plan) -> str:
    """Layout of a plan, workers and pools included.

    A colocated plan reads ``9 x TP8``; separate pools read ``2 x CP4 EP4 > 1 x DP64 EP64`` (prefill > decode).

    >>> from types import SimpleNamespace
    >>> from headway.physics.layout import Layout
    >>> layout_name(SimpleNamespace(workers=9, layout=Layout(tp=8), mode="colocated"))
    '9 x TP8'
    """
    decode = f"{plan.workers} x {plan.layout.label()}"
    if plan.mode == "colocated":
        return decode
    return f"{plan.prefill_workers} x {plan.prefill_layout.label()} > {decode}"


def plan_document(plan: Plan) -> dict[str, Any]:
    """A plan: every figure, memory and time by kind."""
    found: dict[str, Any] = {
        f.name: getattr(plan, f.name) for f in fields(plan) if f.name not in ("memory", "breakdown")
    }
    kinds = ("weights", "kv", "activations", "reserve", "total", "capacity")
    found["memory_bytes_per_chip"] = {kind: float(getattr(plan.memory, kind)) for kind in kinds}
    found["decode_pass_s"] = dict(plan.breakdown)
    found["name"] = layout_name(plan)
    return found


def workload_document(result: PlanResult) -> dict[str, Any]:
    """The workload of a search."""
    w = result.workload
    return {
        "isl": w.isl,
        "osl": w.osl,
        "cache_hit": w.cache_hit,
        "ttft_s": w.ttft,
        "tpot_s": w.tpot,
        "draft": w.draft,
        "acceptance": w.acceptance,
    }


def result_document(result: PlanResult) -> dict[str, Any]:
    """The Pareto set of one system, or why there is none."""
    return {
        "system": result.system,
        "feasible": result.feasible,
        "reason": result.reason,
        "candidates": result.candidates,
        "usd_per_chip_hour": result.prices.usd_per_chip_hour,
        "tariff": result.prices.tariff,
        "plans": [plan_document(p) for p in result.plans],
        "nearest": None if result.nearest is None else plan_document(result.nearest),
    }


def plans_document(model: str, results: Sequence[PlanResult]) -> dict[str, Any]:
    """Searches of one model on several systems, and the Pareto set over all."""
    from headway.serving.plan import plan_systems

    return {
        "model": model,
        "workload": workload_document(results[0]),
        "systems": [result_document(r) for r in results],
        "pareto": [{"system": p.system, "name": layout_name(p)} for p in plan_systems(tuple(results))],
        "assumptions": results[0].assumptions,
        "sources": [{"text": s.text, "kind": s.kind, "retrieved": s.retrieved} for s in plan_sources(results)],
    }


def plan_sources(results: Sequence[PlanResult]) -> tuple[Source, ...]:
    """Sources of several searches, each once.

    >>> plan_sources(())
    ()
    """
    return tuple(dict.fromkeys(s for r in results for s in r.sources))
