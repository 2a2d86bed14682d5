"""Requests per second of the simulator, and of other simulators where their environments are given.

    python benchmarks/bench_simulate.py [--simpy VENV --vidur VENV --dynamo VENV [--mooncake TRACE] [--write PAGE]]

The first run compiles, and keeps what it compiled. Each option is the folder of a Python environment that has the tool;
every tool runs in its own interpreter, one after another in this run, and all figures are per second of processor
time. Steps of all last what they last in ai-dynamo's replay: its median time between tokens for a step, and for each
token what its quickest first token takes beyond that; so all make the steps of the same queue.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import re
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np

from _peer_runs import HERE, run
from _peer_tables import table
from _timing import machine
from headway.simulation.fleet import Fleet
from headway.simulation.read import read_trace
from headway.simulation.replay import Replay, replay
from headway.simulation.scheduler import Scheduler
from headway.simulation.step_times import StepTimes, fixed_times
from headway.simulation.trace import Trace, make_trace

BLOCK = 64
RATE, COUNT, SEATS, BUDGET = 6.45, 16_384, 256, 8192
SHAPES = ((1024, 256), (395, 112))
WORKERS, MOONCAKE_BLOCK, CACHE_TOKENS = 16, 512, 16_384 * 64
#: Requests of the simulators that take milliseconds for each.
FEW = {"vidur": 1024, "simpy": 1024}
NAMES = {"dynamo": ("ai-dynamo", "replay"), "vidur": ("vidur", "given step times"), "simpy": ("simpy", "decode alone")}
PAGE_PART = re.compile(r"(<!-- simulators: .* -->\n).*?(<!-- end of simulators -->)", re.DOTALL)


def traffic(n: int, isl: int, osl: int, *, shared: bool = False, rate: float = 5e3) -> Trace:
    """Poisson traffic; `shared` gives the prompts block ids, half of them one of 1,000 common prefixes."""
    rng = np.random.default_rng(0)
    at = np.cumsum(rng.exponential(1.0 / rate, n))
    lengths = np.full(n, isl), np.full(n, osl)
    if not shared:
        return make_trace("plain", at, *lengths)
    half, blocks = isl // BLOCK // 2, isl // BLOCK
    ids = np.empty((n, blocks), dtype=np.int64)
    ids[:, :half] = rng.integers(0, 1000, n)[:, None] * half + np.arange(half)
    ids[:, half:] = 1000 * half + np.arange(n * (blocks - half)).reshape(n, -1)
    return make_trace(
        "shared", at, *lengths, block_tokens=BLOCK, blocks=ids.ravel(), block_indptr=np.arange(n + 1) * blocks
    )


def timed(trace: Trace, times: StepTimes, scheduler: Scheduler, fleet: Fleet, runs: int) -> tuple[float, Replay]:
    """Best processor time of some replays [s]."""
    best, found = np.inf, None
    for _ in range(runs):
        found = None
        gc.collect()
        start = time.process_time()
        found = replay(trace, times, scheduler, fleet)
        best = min(best, time.process_time() - start)
    if found is None:
        raise SystemExit("no run")
    return best, found


def millions(n: int, runs: int) -> str:
    """Saturated engines: many requests, and the peak of memory."""
    rules, times = Scheduler(max_seqs=SEATS, token_budget=BUDGET), fixed_times(0.004, 1e-7, max_seqs=SEATS)
    rows = []
    for name, osl, shared, fleet in (
        ("plain loop", 256, False, Fleet()),
        ("plain loop", 64, False, Fleet()),
        ("blocks and prefix cache", 256, True, Fleet(blocks=20_000)),
    ):
        seconds, found = timed(traffic(n, 1024, osl, shared=shared), times, rules, fleet, runs)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        hits = f"{found.hit_tokens.sum() / found.trace.input_tokens.sum():.1%}" if shared else "—"
        steps, rate = f"{found.steps:,}", f"{n / seconds:,.0f}"
        rows.append((name, f"1024 / {osl}", f"{n:,}", steps, hits, f"{seconds:.2f} s", rate, f"{peak:.2f} GiB"))
    head = ("loop", "tokens", "requests", "steps", "hits", "processor", "requests per second", "memory so far, at most")
    return table(head, rows)


def mean_tpot(found: Replay) -> float:
    """Mean time per output token after the first [s]."""
    more = found.trace.output_tokens > 1
    return float(np.mean(((found.last_s - found.first_s)[more]) / (found.trace.output_tokens[more] - 1)))


def label(tool: str, folder: Path | None) -> str:
    """Name of a simulator, its version, and what of it runs."""
    package, what = NAMES[tool]
    if folder is None:
        return package
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return f"{package} {run([f'{folder}/bin/python', '-c', code]).said.strip()}, {what}"


def ask(tool: str, folder: Path | None, task: str, about: dict[str, Any]) -> dict[str, Any]:
    """What another simulator does with a workload; why not where it does nothing."""
    if folder is None:
        return {"why": "not given"}
    found = run(
        [f"{folder}/bin/python", str(HERE / "peer_drivers" / f"simulate_{tool}.py")], {"task": task, "about": about}
    )
    return found.document or {"why": found.failure or "no answer"}


def compared(workload: str, tools: dict[str, dict[str, Any]], own: tuple[float, Replay]) -> list[tuple[str, ...]]:
    """Rows of one workload."""
    seconds, found = own
    mine = len(found.trace) / seconds
    rows = [(workload, "Headway", f"{len(found.trace):,}", f"{mine:,.0f}", f"{1e3 * mean_tpot(found):.2f} ms", "1")]
    for tool, said in tools.items():
        if "why" in said:
            rows.append(("", tool, "—", said["why"], "—", "—"))
            continue
        times = f"{mine / said['rate']:,.0f}"
        rows.append(("", tool, f"{said['count']:,}", f"{said['rate']:,.0f}", f"{1e3 * said['tpot_s']:.2f} ms", times))
    return rows


def peers(given: argparse.Namespace) -> str:
    """The same workloads in all simulators."""
    rows: list[tuple[str, ...]] = []
    rules = Scheduler(max_seqs=SEATS, token_budget=BUDGET, router="prefix")
    step_s, token_s = 0.0066, 25e-6
    for isl, osl in SHAPES:
        about = {"isl": isl, "osl": osl, "rate": RATE, "seats": SEATS, "budget": BUDGET, "rounds": 3, "count": COUNT}
        dynamo = ask("dynamo", given.dynamo, "requests", about)
        if "why" not in dynamo:
            step_s, token_s = dynamo["step_s"], max(dynamo["least_ttft_s"] - dynamo["step_s"], 0.0) / isl
        about |= {"step_s": step_s, "token_s": token_s}
        tools = {label("dynamo", given.dynamo): dynamo}
        for tool, count in FEW.items():
            folder = getattr(given, tool)
            tools[label(tool, folder)] = {**ask(tool, folder, "requests", about | {"count": count}), "count": count}
        times = fixed_times(step_s, token_s, max_seqs=SEATS)
        own = timed(traffic(COUNT, isl, osl, rate=RATE), times, rules, Fleet(), 5)
        rows += compared(f"{isl} / {osl} at {RATE}/s", tools, own)
    if given.mooncake:
        about = {"path": str(given.mooncake.resolve()), "block": MOONCAKE_BLOCK, "workers": WORKERS, "rounds": 1}
        dynamo = ask("dynamo", given.dynamo, "trace", about)
        fleet = Fleet(engines=WORKERS, blocks=CACHE_TOKENS // MOONCAKE_BLOCK)
        times = fixed_times(dynamo.get("step_s", step_s), token_s, max_seqs=SEATS)
        own = timed(read_trace(given.mooncake), times, rules, fleet, 5)
        hits = own[1].hit_tokens.sum() / own[1].trace.input_tokens.sum()
        name = f"Mooncake, {WORKERS} workers, by prefix; hits {hits:.1%}"
        name += f" and {dynamo['hit_rate']:.1%}" if "hit_rate" in dynamo else ""
        rows += compared(name, {label("dynamo", given.dynamo): dynamo}, own)
    head = ("workload", "simulator", "requests", "requests per second", "simulated time per token", "slower by")
    return table(head, rows)


def main() -> None:
    """Print the tables, and put them into a page where one is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    for tool in ("simpy", "vidur", "dynamo", "mooncake", "write"):
        parser.add_argument(f"--{tool}", type=Path)
    given = parser.parse_args()
    warm, times = Scheduler(), fixed_times(0.004, max_seqs=256)
    timed(traffic(100, 256, 8, shared=True), times, warm, Fleet(), 1)
    said = f"{datetime.datetime.now(tz=datetime.UTC):%Y-%m-%d}, {machine()}\n\n{millions(given.requests, given.runs)}"
    if given.simpy or given.vidur or given.dynamo:
        said += f"\n{peers(given)}"
    print(said)
    if given.write:
        page = given.write.read_text(encoding="utf-8")
        given.write.write_text(PAGE_PART.sub(lambda m: f"{m[1]}\n{said}\n{m[2]}", page), encoding="utf-8")


if __name__ == "__main__":
    main()
