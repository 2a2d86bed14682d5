"""Tables of a comparison between Headway and the programs of the field, in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from _peer_runs import Asked
from peer_drivers._exchange import SAME_BATCH


def both(seconds: float, cpu: float) -> str:
    """Elapsed and processor seconds."""
    return f"{seconds:.3g} ({cpu:.3g}) s"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table with columns of even width."""
    cells = [list(head), *map(list, rows)]
    width = [max(len(r[i]) for r in cells) for i in range(len(head))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(r, width, strict=True)) + " |" for r in cells]
    return "\n".join([lines[0], "| " + " | ".join("-" * w for w in width) + " |", *lines[1:]]) + "\n"


def answers_table(asked: Sequence[Asked]) -> str:
    """What each tool answered."""

    def pool(a: Mapping[str, Any], kind: str) -> str:
        return f"{a[f'{kind}_per_chip']:,.0f} of {a[f'{kind}_able']:,.0f}" if f"{kind}_able" in a else "—"

    rows = []
    for one in asked:
        a = one.answer
        if a is None:
            rows.append([one.question.name, one.tool, "none", *["—"] * 7])
            continue
        times = (f"{a['ttft']:.2f} s", f"{a['tpot'] * 1e3:.1f} ms", f"{a['per_chip']:,.0f}")
        sizes = (str(a["chips"]), f"{a['in_flight']:,.0f}")
        rows.append([one.question.name, one.tool, a["layout"], *sizes, *times, pool(a, "prefill"), pool(a, "decode")])
    head = ("", "tool", "layout (prefill > decode)", "GPUs", "in flight", "TTFT", "TPOT", "out tok/s/GPU")
    text = table((*head, "prompt tok/s per prefill GPU", "output tok/s per decode GPU"), rows)
    refusals = [f"- {one.question.name}, {one.tool}: {one.refused.rstrip(' .,')}.\n" for one in asked if one.refused]
    return text + "\n" + "".join(refusals)


def passes_table(rows: Iterable[tuple[Asked, Mapping[str, Any], float, float | None]]) -> str:
    """Seconds of the same passes as Headway and aiconfigurator see them."""
    cells = []
    for owner, one, own, other in rows:
        degrees = [f"{k.upper()}{one[k]}" for k in ("tp", "cp", "dp", "ep", "pp") if one.get(k, 1) > 1]
        halves = ["2-batch"] if one.get("micro_batches", 1) > 1 else []
        label = " ".join(degrees + halves) or "1 chip"
        seen = ("no data", "—") if other is None else (f"{other * 1e3:.1f} ms", f"{own / other:.2f}")
        size = f"{one['batch']:g}"
        cells.append([owner.question.name, owner.tool, one["kind"], label, size, f"{own * 1e3:.1f} ms", *seen])
    return table(("", "deployment of", "pass", "layout", "batch per rank", "headway", "aiconfigurator", "ratio"), cells)


def speed_table(asked: Sequence[Asked]) -> str:
    """What each answer took."""
    rows = []
    for one in asked:
        cold = "failed" if one.cold.failure else both(one.cold.seconds, one.cold.cpu)
        compared = f"{one.compared:,}" if one.compared else "—"
        memory = f"{one.cold.peak / 1e6:,.0f} MB"
        result = "answer" if one.answer else "refusal"
        rows.append([one.question.name, one.tool, result, cold, one.warm, one.cached, compared, memory])
    head = ("", "tool", "gives", "cold", "warm", "warm, parse cached", "deployments compared", "peak memory")
    return table(head, rows)


def points_table(points: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """Single evaluations."""
    rows = []
    for tool, ways in points.items():
        for how, p in ways.items():
            per_second = f"{p['cpu_rate']:.3g}" if p["cpu_rate"] < 100 else f"{p['cpu_rate']:,.0f}"
            rows.append([tool, how, per_second, f"{p['tpot'] * 1e3:.2f} ms"])
    return table(("tool", "how", "points per processor second", f"TPOT at batch {SAME_BATCH}"), rows)


def accuracy_tables(rows: Sequence[Mapping[str, str]], found: Mapping[str, Mapping[str, Any]]) -> str:
    """Errors of all predictors: on what each answers, on what all answer, and by model."""
    measured = np.array([float(r["value"]) for r in rows])
    error = {k: np.array([np.nan if p is None else p for p in v["tpot"]]) / measured - 1.0 for k, v in found.items()}
    common = np.all([np.isfinite(e) for e in error.values()], axis=0)

    def line(name: str, e: np.ndarray[Any, Any]) -> list[str]:
        good = e[np.isfinite(e)]
        if not good.size:
            return [name, f"0 of {e.size}", "—", "—", "—"]
        figures = (np.median(np.abs(good)), np.quantile(np.abs(good), 0.9), np.median(good))
        return [name, f"{good.size} of {e.size}", *(f"{f:.1%}" for f in figures[:2]), f"{figures[2]:+.1%}"]

    head = ("predictor", "answered", "median error", "p90 error", "median bias")
    all_rows = [[*line(k, e), both(found[k]["seconds"], found[k]["cpu"])] for k, e in error.items()]
    parts = ["All rows:\n", table((*head, "time for all"), all_rows)]
    parts += ["The rows that all of them answer:\n", table(head, (line(k, e[common]) for k, e in error.items()))]
    groups = sorted({(r["model"], r["hardware"]) for r in rows})
    by_group = []
    for model, chip in groups:
        inside = np.array([(r["model"], r["hardware"]) == (model, chip) for r in rows])
        cells = (line(k, e[inside]) for k, e in error.items())
        by_group.append([model, chip, str(inside.sum()), *(f"{c[2]} ({c[1].split()[0]})" for c in cells)])
    parts += ["Median error (rows answered) by model and chip:\n", table(("model", "chip", "rows", *error), by_group)]
    reasons = {k: _counted(v["reason"]) for k, v in found.items()}
    refused = "".join(f"- {k}: {text}.\n" for k, text in reasons.items() if text)
    parts += ["Not answered:\n", refused] if refused else []
    return "\n".join(parts)


def _counted(reasons: Sequence[str]) -> str:
    """Reasons without their names and numbers, most frequent first."""
    plain = [re.sub(r" '[^']*'", "", r.partition(": ")[2]) for r in reasons if r]
    short = [re.split(r",| [({]| on system| for model", r)[0].strip() for r in plain]
    return "; ".join(f"{short.count(s)} x {s}" for s in sorted(set(short), key=lambda s: -short.count(s)))
