"""The plan: deployments that nothing else beats, as ``headway plan`` finds them."""

from __future__ import annotations

from headway.facts.errors import InputError
from headway.facts.models import model_names
from headway.facts.systems import priced_systems
from headway.serving.document import layout_name, plan_sources
from headway.serving.plan import Plan, PlanResult, representative
from headway.web.chapter import (
    Answer,
    Axis,
    Bars,
    Chapter,
    Chart,
    Column,
    Control,
    Number,
    Series,
    Table,
    Values,
)
from headway.web.deployments import MOST_SYSTEMS as MOST
from headway.web.deployments import searched

CONTROLS = (
    Control("model", "Models", "deepseek-v3", choices=model_names, most=MOST),
    Control(
        "on",
        "Systems",
        "gb200-nvl72",
        choices=priced_systems,
        most=MOST,
        about=f"Models by systems: {MOST} at once.",
    ),
    Control("isl", "Input tokens", 4000.0, "tokens", low=1, high=1e6, whole=True),
    Control("osl", "Output tokens", 1000.0, "tokens", low=1, high=1e6, whole=True),
    Control("cache_hit", "Input found in the cache", 0.0, "fraction", low=0.0, high=0.99, log=False),
    Control("ttft", "Time to first token, at most", 2.0, "seconds", low=0.05, high=600),
    Control("tpot", "Time per output token, at most", 0.03, "seconds", low=1e-3, high=10),
)
MEMORY = ("weights", "kv", "activations", "reserve")
COLUMNS = (
    Column("layout", "layout"),
    Column("model", "model"),
    Column("system", "system"),
    Column("usd_per_mtok", "$/Mtok", "dollars"),
    Column("tokens_per_second_per_user", "tok/s user", "count"),
    Column("tokens_per_second_per_chip", "tok/s GPU", "count"),
    Column("ttft_s", "TTFT", "seconds"),
    Column("tpot_s", "TPOT", "seconds"),
    Column("chips", "GPUs", "count"),
    Column("batch", "batch", "count"),
    Column("memory_bytes", "memory GPU", "bytes"),
    Column("binding", "binds"),
)


def answer(values: Values) -> Answer:
    """Search every system asked for; each point opens its time by operator and its memory by kind."""
    pairs = [(what, where) for what in values["model"] for where in values["on"]]
    if len(pairs) > MOST:
        raise InputError("on", f"{len(pairs)} searches", f"at most {MOST} models by systems")
    results = [
        searched(
            what,
            where,
            int(values["isl"]),
            int(values["osl"]),
            values["cache_hit"],
            values["ttft"],
            values["tpot"],
            None,
        )
        for what, where in pairs
    ]
    found = [r for r in results if r.feasible]
    best = min(((r, r.cheapest) for r in found if r.cheapest), key=lambda one: one[1].usd_per_mtok, default=None)
    shown = [(r.model, p) for r in found for p in representative(r.plans, 10 if len(found) < 3 else 6)]
    shown.sort(key=lambda one: one[1].usd_per_mtok)
    infeasible = tuple(f"{r.model} on {r.system}: infeasible, {r.reason}" for r in results if not r.feasible)
    one = len(values["model"]) == 1
    return Answer(
        _headlines(best, len(infeasible)),
        (_scatter(found, "user"), _scatter(found, "chip")) if found else (),
        (_table(shown),) if shown else (),
        notes=(*infeasible, *results[0].assumptions, f"Grade of the constants: {results[0].grade}."),
        sources=tuple(s.text for s in plan_sources(results)),
        command="headway plan {model} --on {on} --isl {isl} --osl {osl} --cache-hit {cache_hit} "
        "--ttft {ttft}s --tpot {tpot}s"
        if one
        else "",
    )


def _headlines(found: tuple[PlanResult, Plan] | None, infeasible: int) -> tuple[Number, ...]:
    if found is None:
        return (Number("usd_per_mtok", "Cheapest", "infeasible", "", "the notes say why"),)
    result, best = found
    extra = (Number("infeasible", "Infeasible", float(infeasible), "count", "the notes say why"),) if infeasible else ()
    return (
        Number("usd_per_mtok", "Cheapest", best.usd_per_mtok, "dollars_per_mtok", "all of it, by output tokens"),
        Number("layout", "Layout", layout_name(best), "", f"{result.model} on {best.system}"),
        Number("speed", "Speed", best.tokens_per_second_per_user, "tokens_per_second", "a user"),
        Number("rate", "Throughput", best.tokens_per_second_per_chip, "tokens_per_second", "a chip"),
        Number("ttft_s", "First token", best.ttft_s, "seconds", "on average"),
        Number("binding", "What binds", best.binding, "", "most of a decode pass"),
        *extra,
    )


def _bars(plan: Plan) -> tuple[Bars, ...]:
    parts = tuple((name, float(seconds)) for name, seconds in plan.breakdown if seconds > 0)
    memory = tuple((kind, float(getattr(plan.memory, kind))) for kind in MEMORY)
    return (Bars("One decode pass by operator", "seconds", parts), Bars("Memory of the fullest chip", "bytes", memory))


def _scatter(results: list[PlanResult], per: str) -> Chart:
    user = per == "user"
    series = tuple(
        Series(
            _cloud(r, results),
            tuple(float(p.tokens_per_second_per_user) for p in r.plans),
            tuple(float(p.usd_per_mtok if user else p.tokens_per_second_per_chip) for p in r.plans),
            kind="points",
            strong=True,
            details=tuple(_bars(p) for p in r.plans),
            labels=tuple(layout_name(p) for p in r.plans),
        )
        for r in results
    )
    title = "Cost against speed" if user else "Throughput against speed"
    y = Axis("$/Mtok", "dollars_per_mtok", log=True) if user else Axis("tok/s a chip", "tokens_per_second", log=True)
    about = "Every point is a deployment that no other beats; open one for its time and its memory." if user else ""
    return Chart(f"pareto-{per}", title, Axis("tok/s a user", "tokens_per_second", log=True), y, series, about=about)


def _cloud(result: PlanResult, results: list[PlanResult]) -> str:
    """Name of a cloud: what its others do not share with it."""
    models, systems = ({getattr(r, name) for r in results} for name in ("model", "system"))
    if len(models) == 1:
        return result.system
    return result.model if len(systems) == 1 else f"{result.model}, {result.system}"


def _table(plans: list[tuple[str, Plan]]) -> Table:
    """A row a plan; what all of them share has no column."""
    found: list[dict[str, str | float]] = [
        {
            "layout": layout_name(p),
            "model": name,
            "system": p.system,
            "chips": float(p.chips),
            "batch": float(p.batch),
            "tokens_per_second_per_user": p.tokens_per_second_per_user,
            "tokens_per_second_per_chip": p.tokens_per_second_per_chip,
            "ttft_s": p.ttft_s,
            "tpot_s": p.tpot_s,
            "usd_per_mtok": p.usd_per_mtok,
            "memory_bytes": float(p.memory.total),
            "binding": p.binding,
        }
        for name, p in plans
    ]
    shared = {key for key in ("model", "system") if len({row[key] for row in found}) == 1}
    columns = tuple(c for c in COLUMNS if c.key not in shared)
    rows = tuple(tuple(row[c.key] for c in columns) for row in found)
    return Table("plans", "Plans", columns, rows, tuple(_bars(p) for _, p in plans))


CHAPTER = Chapter(
    "plan",
    "Plan",
    "Which deployment of my model meets my limits at the least cost?",
    CONTROLS,
    answer,
    order=100,
    part="Decide",
)
