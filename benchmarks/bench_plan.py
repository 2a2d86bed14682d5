"""The full search of DeepSeek-V3 on one rack, and the command line as a user starts it.

The reference is the search before it keeps anything: every deployment evaluated, each plan of the Pareto set found
by comparing all pairs. Both must keep the same deployments.
"""

from __future__ import annotations

import numpy as np

from _timing import best_of, command, show, table
from headway.facts.efficiency import efficiency_of
from headway.facts.models import model
from headway.facts.systems import system
from headway.serving.deployments import Evaluated, Serving, colocated, separated
from headway.serving.plan import PlanResult, plan
from headway.serving.workload import Prices, Workload

MODEL, SYSTEM = "deepseek-v3", "gb200-nvl72"
WORKLOAD = Workload(isl=4000, osl=1000, ttft=2.0, tpot=0.03)
HELP = ("--help",)
PLAN = ("plan", MODEL, "--on", SYSTEM, "--isl", "4k", "--osl", "1k", "--tpot", "30ms", "--ttft", "2s")
BARS = {"search": 1.0, "headway --help": 0.15, "headway plan": 1.5}
FEWEST = 100_000


def search() -> PlanResult:
    """The search as the command line makes it."""
    return plan(model(MODEL), system(SYSTEM), WORKLOAD, prices=Prices(2.0))


def evaluated() -> list[Evaluated]:
    """All deployments of the search."""
    of, on = model(MODEL), system(SYSTEM)
    s = Serving(of, on, WORKLOAD, of.precision, efficiency_of(on), on.chips)
    return [found for found in (colocated(s), separated(s)) if found is not None]


def by_pairs(runs: list[Evaluated]) -> list[tuple[float, float]]:
    """Speed per user and cost of what no other deployment within the limits beats, each against all."""
    rows = []
    for run in runs:
        good = (run.ttft <= WORKLOAD.ttft) & (run.tpot <= WORKLOAD.tpot)
        rows.append(np.stack([run.tpot[good], (run.chips / run.requests_per_second)[good]], axis=1))
    points = np.unique(np.concatenate(rows), axis=0)
    kept = [p for p in points if not np.any(np.all(points <= p, axis=1) & np.any(points < p, axis=1))]
    return sorted((1.0 / tpot, cost) for tpot, cost in kept)


def main() -> None:
    """Check the Pareto set against all pairs, then time the search and the command line."""
    result = search()
    ours = sorted((p.tokens_per_second_per_user, p.chips / p.requests_per_second) for p in result.plans)
    np.testing.assert_allclose(ours, by_pairs(evaluated()), rtol=1e-9)

    timings = best_of({"evaluation": evaluated, "search": search}, targets=BARS)
    print(table(f"{MODEL} on {SYSTEM}: {result.candidates:,} deployments, {len(result.plans)} kept", timings))
    verdict = "met" if result.candidates >= FEWEST else "MISSED"
    print(f"deployments: {result.candidates:,}, at least {FEWEST:,} promised: {verdict}")
    print(f"per deployment: {show(timings[1].best / result.candidates)}\n")

    calls = {"headway --help": command(*HELP), "headway plan": command(*PLAN)}
    print(table("command line, wall time of a process", best_of(calls, targets=BARS, least=0.0)))


if __name__ == "__main__":
    main()
