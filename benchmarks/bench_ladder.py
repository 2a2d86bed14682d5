"""The ladder's fit beside the package ``chinchilla``: same points, both optima, one process of each.

    python benchmarks/bench_ladder.py POINTS.csv [PYTHON]

POINTS.csv has N_params, D_tokens, C_flop, loss and dropped_by_epoch. PYTHON is an interpreter of its own in which
``chinchilla==0.2.0`` is installed; without it only this library is timed. Set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np

from _timing import best_of, machine, show
from headway.scaling.allocation import by_law
from headway.scaling.laws import bootstrap, fit_law
from headway.scaling.runs import read_runs

PEER = """
import csv, json, logging, os, sys, tempfile, time
import numpy as np
from chinchilla import Chinchilla
logging.disable(logging.CRITICAL)
import pandas as pd
rows = pd.read_csv(sys.argv[1])
rows = rows[rows.dropped_by_epoch == 0]
where = tempfile.mkdtemp()
frame = pd.DataFrame({"C": rows.C_flop, "N": rows.N_params, "D": rows.D_tokens, "loss": rows.loss})
frame.to_csv(os.path.join(where, "df.csv"), index=False)
grid = dict(
    E=np.linspace(1, 2, 3), a=np.linspace(1, 10, 3), b=np.linspace(1, 10, 3),
    alpha=np.linspace(0.1, 0.7, 3), beta=np.linspace(0.1, 0.7, 3),
)
peer = Chinchilla(where, param_grid=grid)
start = time.perf_counter()
peer.fit()
took = time.perf_counter() - start
got = {k: float(getattr(peer, k)) for k in ("E", "A", "B", "alpha", "beta")}
print("RESULT" + json.dumps([took, {k: float(v) for k, v in dict(got).items()}]))
"""


def main(path: str, python: str | None) -> int:
    """Time and print; 1 where the optimum is not the certified one."""
    runs = read_runs(path, leave_out="dropped_by_epoch")

    def one() -> object:
        return fit_law("chinchilla", runs.at, runs.loss)

    def many() -> object:
        return fit_law("chinchilla", runs.at, runs.loss, picked=36)

    fit = fit_law("chinchilla", runs.at, runs.loss)
    timings = best_of({"one fit": one, "36 starts refined": many}, rounds=5, targets={"one fit": 0.010})
    print(machine())
    for timing in timings:
        print(f"{timing.name:24} best {show(timing.best)}, median {show(timing.median)}")
    start = time.process_time()
    drawn = bootstrap(fit, 4000)
    spent = time.process_time() - start
    print(f"{'4,000 bootstraps':24} {show(spent)} of one core, {drawn.converged.mean():.2%} converged")
    best = by_law(fit, 5.76e23)
    print(
        "headway   ", {k: float(f"{v:.6g}") for k, v in fit.constants.items()}, f"{best.size:.3g} on {best.tokens:.3g}"
    )
    if python:
        done = subprocess.run([python, "-c", PEER, path], capture_output=True, text=True, check=False)
        line = next((x for x in done.stdout.splitlines() if x.startswith("RESULT")), None)
        if line is None:
            print("chinchilla failed:", done.stderr.strip().splitlines()[-1:])
            return 1
        took, constants = json.loads(line.removeprefix("RESULT"))
        a, b, alpha, beta = (constants[k] for k in ("A", "B", "alpha", "beta"))
        size = (alpha * a / (beta * b)) ** (1 / (alpha + beta)) * (5.76e23 / 6) ** (beta / (alpha + beta))
        print(
            "chinchilla",
            {k: float(f"{v:.6g}") for k, v in constants.items()},
            f"{size:.3g} on {5.76e23 / 6 / size:.3g}",
        )
        print(f"{'chinchilla, its default':24} {show(took)}: {took / timings[0].best:,.0f} times one fit")
    found = [fit.constants[k] for k in ("A", "B", "E", "a", "b")]
    return 0 if np.allclose(found, [477.83, 2143.4, 1.81722, 0.34731, 0.36717], rtol=2e-5) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))
