"""The same questions to Headway and to the programs of the field, in one run: answers, seconds, accuracy, size.

    python benchmarks/peers.py --aiconfigurator VENV --genz VENV --llm-analysis VENV --vidur VENV --dynamo VENV \
        [--rows CSV] [--write docs/peers.md]

Nothing is installed: each option is the folder of a Python environment that has the tool, and a tool without one
is shown as not given. Every tool runs in its own interpreter, all of them on one core. *Cold* is a new process
from command to answer with the files in the page cache, best of the rounds; *warm* is the same call in a process
that has answered it before. Seconds are elapsed, with processor seconds in brackets: on a machine that does other
work the second are the steadier figure. ``--rows`` names a file with the columns of a table of serving
measurements; its rows of ``tpot_ms`` with a stated concurrency are predicted by all.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from _peer_runs import QUESTIONS, Asked, Question, best, driver, run, size
from _peer_tables import accuracy_tables, answers_table, both, passes_table, points_table, speed_table, table
from _timing import machine
from peer_drivers._exchange import rate

START = "import sys; sys.argv[0] = 'headway'; from headway.cli.main import main; sys.exit(main())"
MODES = ("SILICON", "HYBRID", "SOL")
TOOLS = {
    "aiconfigurator": "aiconfigurator",
    "genz": "genz-llm",
    "llm-analysis": "llm-analysis",
    "vidur": "vidur",
    "dynamo": "ai-dynamo",
}
PLANNERS = ("aiconfigurator", "genz", "llm-analysis", "vidur")


def ask_peer(tool: str, folder: Path, question: Question, rounds: int) -> Asked:
    """One question to one tool: its command where it has one that plans, then its driver."""
    about = question.about(tool)
    task = {"task": "plan", "about": about}
    if tool != "aiconfigurator":
        found = best(driver(tool, folder), rounds, task)
        said = found.document or {}
        refused = said.get("refused") or found.failure
        return Asked(tool, question, found, said.get("answer"), refused, compared=said.get("compared", 0))
    limits = {"ttft": question.ttft * 1e3, "tpot": question.tpot * 1e3, "isl": question.isl, "osl": question.osl}
    words = ["--model-path", about["model"], "--system", about["system"]]
    words += ["--total-gpus", str(question.gpus), *(w for k, v in limits.items() for w in (f"--{k}", f"{v:g}"))]
    cold = best([str(folder / "bin" / "aiconfigurator"), "cli", "default", *words], rounds)
    found = run(driver(tool, folder), task, limit=600.0)
    if cold.failure or found.failure:
        return Asked(tool, question, cold, None, cold.failure or found.failure)
    said = found.document
    printed = re.search(r"Per-GPU Throughput: ([\d,.]+\d)", cold.said)
    same = printed and abs(float(printed[1].replace(",", "")) - said["answer"]["per_chip"]) < 0.02 and said["same"]
    warm, cached = (both(said["seconds"][turn], said["cpu"][turn]) for turn in ("warm", "cached"))
    wrong = "" if same else "its command line, library and cached library do not agree"
    return Asked(tool, question, cold, said["answer"], wrong, warm, cached, said["compared"])


def ask_headway(question: Question, rounds: int) -> Asked:
    """One question to Headway: the command line cold, the library warm."""
    from headway.facts.models import model
    from headway.facts.systems import system
    from headway.serving.plan import plan
    from headway.serving.workload import Workload

    words = ["--on", question.system, "--gpus", question.gpus, "--isl", question.isl, "--osl", question.osl]
    words += ["--ttft", f"{question.ttft}s", "--tpot", f"{question.tpot * 1e3:g}ms", "--json"]
    cold = best([sys.executable, "-c", START, "plan", question.model, *map(str, words)], rounds)
    if cold.failure:
        return Asked("headway", question, cold, None, cold.failure)
    document = json.loads(cold.said)["systems"][0]
    what, where = model(question.model), system(question.system)
    load = Workload(question.isl, question.osl, ttft=question.ttft, tpot=question.tpot)
    turns = []
    for _ in range(4):
        start, busy = time.perf_counter(), time.process_time()
        plan(what, where, load, chips=question.gpus)
        turns.append((time.process_time() - busy, time.perf_counter() - start))
    cpu, seconds = min(turns[1:])
    top = max(document["plans"], key=lambda p: p["tokens_per_second_per_chip"] * p["chips"])
    answer = described(question, top)
    return Asked("headway", question, cold, answer, "", both(seconds, cpu), "—", document["candidates"])


def described(question: Question, plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan of Headway in the words of the comparison."""
    from headway.facts.models import model
    from headway.facts.systems import system
    from headway.physics.layout import Layout
    from headway.physics.step import prefill_step

    layout, first = Layout(**plan["layout"]), Layout(**plan["prefill_layout"])
    found = {
        "layout": plan["name"],
        "chips": plan["chips"],
        "in_flight": plan["batch"] * layout.pp * plan["workers"],
        "ttft": plan["ttft_s"],
        "tpot": plan["tpot_s"],
        "per_chip": plan["tokens_per_second_per_chip"] * plan["chips"] / question.gpus,
    }
    decode = {"kind": "decode", **plan["layout"], "batch": plan["batch"] / layout.dp}
    if plan["mode"] != "separate":
        return {**found, "passes": [decode]}
    step = prefill_step(model(question.model), system(question.system), first, plan["chunk"], question.isl)
    requests = plan["requests_per_second"]
    return {
        **found,
        "prefill_per_chip": requests * question.isl / (plan["prefill_workers"] * first.chips),
        "decode_per_chip": requests * question.osl / (plan["workers"] * layout.chips),
        "prefill_able": plan["chunk"] * question.isl / step.seconds / first.chips,
        "decode_able": found["in_flight"] / found["tpot"] / (plan["workers"] * layout.chips),
        "passes": [{"kind": "prefill", **plan["prefill_layout"], "batch": plan["chunk"] / first.dp}, decode],
    }


def same_passes(asked: Sequence[Asked], folder: Path) -> str:
    """The passes of Headway's and aiconfigurator's answers, each timed by both."""
    from headway.facts.models import model
    from headway.facts.systems import system
    from headway.physics.layout import Layout
    from headway.physics.step import decode_step, prefill_step

    rows = []
    for one in asked:
        passes = (one.answer or {}).get("passes", ())
        q = one.question
        about = {**q.about("aiconfigurator"), "passes": passes}
        theirs = run(driver("aiconfigurator", folder), {"task": "passes", "about": about}).document if passes else ()
        for p, other in zip(passes, theirs or [None] * len(passes), strict=True):
            names = ("tp", "ep", "dp", "pp", "cp", "micro_batches")
            where = (model(q.model), system(q.system), Layout(**{n: p.get(n, 1) for n in names}), p["batch"] * p["dp"])
            middle = q.isl + q.osl / 2.0
            step = prefill_step(*where, q.isl) if p["kind"] == "prefill" else decode_step(*where, middle)
            rows.append((one, p, float(step.seconds), other))
    return passes_table(rows)


def headway_rows(rows: Sequence[Mapping[str, str]], path: Path) -> dict[str, Any]:
    """Predictions [ms] of all rows as ``headway validate`` makes them, or the reason where there is none."""
    from headway.evidence.measurements import read_serving
    from headway.evidence.predict import predictions

    start, busy = time.perf_counter(), time.process_time()
    known = {row.row_id: row for row in read_serving(path)}
    answers = predictions([known[row["row_id"]] for row in rows])
    spent = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - busy}
    found = [a.prediction.value if a.prediction is not None else None for a in answers]
    return {"tpot": found, "reason": [a.refusal.reason if a.refusal is not None else "" for a in answers], **spent}


def headway_points(question: Question) -> dict[str, dict[str, float]]:
    """Points per second: one call each, and one call over an array."""
    from headway.facts.models import model
    from headway.facts.systems import system
    from headway.physics.layout import Layout
    from headway.physics.step import decode_step

    where, context = (model(question.model), system(question.system)), question.isl + question.osl / 2.0
    layout, many = Layout(tp=question.tp), 1.0 + np.arange(10_000) % 61
    single = rate(lambda batch: float(decode_step(*where, layout, batch, context).tpot))
    array = rate(lambda batch: float(decode_step(*where, layout, many * batch, context).tpot[0]))
    return {
        "one call per point": single,
        "one call per 10,000 points": {"cpu_rate": array["cpu_rate"] * many.size, "tpot": single["tpot"]},
    }


def install_table(given: Mapping[str, Path | None]) -> str:
    """Version and size of each environment, its pip included."""
    import headway

    package, prefix = Path(headway.__file__).parent, Path(sys.prefix)
    own = size(prefix) + (0.0 if package.is_relative_to(prefix) else size(package))
    rows = [["headway", headway.__version__, f"{own / 1e6:,.0f} MB"]]
    for tool, folder in given.items():
        if folder is None:
            rows.append([tool, "not given", ""])
            continue
        words = f"import importlib.metadata as m; print(m.version('{TOOLS[tool]}'))"
        version = run([f"{folder}/bin/python", "-c", words]).said.strip()
        rows.append([tool, version, f"{size(folder) / 1e6:,.0f} MB"])
    return table(("tool", "version", "environment on disk"), rows)


def simulators(given: Mapping[str, Path | None]) -> str:
    """Requests per second of the event simulator, which answers no planning question by itself."""
    folder = given["dynamo"]
    if folder is None:
        return "dynamo: not given\n"
    about = {"shapes": [[4096, 1024], [1024, 256], [395, 112]], "count": 16384, "rate": 6.45}
    found = run(driver("dynamo", folder), {"task": "requests", "about": about})
    if found.failure:
        return f"dynamo: {found.failure}\n"
    rows = [[shape, f"{done:,.0f}"] for shape, done in found.document.items()]
    return table(("ai-dynamo replay, generic timing, 16,384 requests at 6.45/s", "requests per processor second"), rows)


def report(given: Mapping[str, Path | None], rows: Path | None, rounds: int, say: Callable[[str], None]) -> None:
    """Ask everything and say each table as it is ready."""
    today = datetime.datetime.now(datetime.UTC).date()
    say(f"Measured on {today}: {machine()}. Every tool on one core.\n")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    say("### Versions and size\n\n" + install_table(given))
    asked, points = [], {}
    planners = {t: f for t in PLANNERS if (f := given[t]) is not None}
    for question in QUESTIONS:
        asked.append(ask_headway(question, rounds))
        asked += [ask_peer(tool, folder, question, rounds) for tool, folder in planners.items()]
    say("### Answers\n\n" + answers_table(asked))
    if "aiconfigurator" in planners:
        say("### The same passes, timed by both\n\n" + same_passes(asked, planners["aiconfigurator"]))
    say("### Seconds from question to answer\n\n" + speed_table(asked))
    points["headway"] = headway_points(QUESTIONS[1])
    for tool, folder in planners.items():
        if tool != "vidur":
            found = run(driver(tool, folder), {"task": "points", "about": QUESTIONS[1].about(tool)})
            points[tool] = found.document or {}
    say("### One configuration at a time\n\n" + points_table(points))
    say("### Simulated requests\n\n" + simulators(given))
    if rows is None:
        return
    with rows.open(newline="", encoding="utf-8") as file:
        kept = [r for r in csv.DictReader(file) if r["metric"] == "tpot_ms" and r["concurrency"]]
    found_rows = {"headway": headway_rows(kept, rows)}
    if "aiconfigurator" in planners:
        command = driver("aiconfigurator", planners["aiconfigurator"])
        answers = run(command, {"task": "rows", "about": {"rows": kept, "modes": MODES}}).document or {}
        found_rows |= {f"aiconfigurator {mode}": answer for mode, answer in answers.items()}
    say("### Time per output token of measured rows\n\n" + accuracy_tables(kept, found_rows))


def main() -> None:
    """Read the options, print the report, and put it into a page where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for tool, package in TOOLS.items():
        parser.add_argument(f"--{tool}", type=Path, metavar="VENV", help=f"environment with {package}")
    parser.add_argument("--rows", type=Path, metavar="CSV", help="measured rows to predict")
    parser.add_argument("--rounds", type=int, default=2, help="cold runs of each command (default 2)")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="page to put the report into, between its marks")
    options = vars(parser.parse_args())
    given = {t: f.absolute() if (f := options[t.replace("-", "_")]) else None for t in TOOLS}
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        print(text, flush=True)

    report(given, options["rows"], options["rounds"], say)
    if options["write"]:
        page, new = options["write"], "\n".join(said)
        old = page.read_text(encoding="utf-8")
        marks = r"(<!-- measured -->\n).*(<!-- end of measured -->)"
        page.write_text(re.sub(marks, lambda m: f"{m[1]}\n{new}\n{m[2]}", old, flags=re.S), encoding="utf-8")


if __name__ == "__main__":
    main()
