"""A million decode steps in both fidelities: models x systems x layouts x batches x contexts.

Each model and system is one call; layouts, batches and contexts are axes of arrays. The reference is the same call
for one configuration at a time, on a sample of them, and must give the same seconds.
"""

from __future__ import annotations

import itertools

import numpy as np

from _timing import best_of, show, table
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.models import model
from headway.facts.systems import system
from headway.physics.layout import Layout
from headway.physics.step import Fidelity, decode_step
from headway.serving.candidates import layouts

MODELS = ("llama-3.1-70b", "deepseek-v3", "gpt-oss-120b", "qwen3.5-397b-a17b")
SYSTEMS = ("hgx-h200", "gb200-nvl72", "mi300x-8")
LAYOUTS, BATCHES, CONTEXTS = 20, 64, 66
SAMPLE = 400
BARS = {"blackboard": 0.25, "kernel": 2.0}
NAMES = ("tp", "ep", "dp", "pp", "cp", "micro_batches")
Place = tuple[Model, System, Layout]


def places() -> list[Place]:
    """Every model on every system, with evenly chosen layouts of up to 8 chips on an axis of their own."""
    found = []
    for of, on in itertools.product(map(model, MODELS), map(system, SYSTEMS)):
        every = layouts(of, on, 8)
        pick = np.linspace(0, every.tp.size - 1, LAYOUTS).round().astype(int)
        found.append((of, on, Layout(*(np.asarray(getattr(every, n))[pick].reshape(-1, 1, 1) for n in NAMES))))
    return found


def main() -> None:
    """Check the sweep against single calls, then time both."""
    where = places()
    batches = np.geomspace(16, 8192, BATCHES).round().reshape(-1, 1)
    contexts = np.linspace(0, 131072, CONTEXTS).round()
    count = len(where) * LAYOUTS * batches.size * contexts.size

    def sweep(fidelity: Fidelity) -> list[np.ndarray]:
        return [decode_step(*place, batches, contexts, fidelity=fidelity).seconds for place in where]

    random = np.random.default_rng(0)
    shape = (len(where), LAYOUTS, batches.size, contexts.size)
    sample = [tuple(int(random.integers(n)) for n in shape) for _ in range(SAMPLE)]

    def one_by_one(fidelity: Fidelity) -> list[float]:
        found = []
        for i, j, k, n in sample:
            of, on, every = where[i]
            step = decode_step(of, on, every.at(j), batches[k, 0], contexts[n], fidelity=fidelity)
            found.append(step.seconds)
        return found

    print(
        f"{count:,} configurations: {len(MODELS)} models x {len(SYSTEMS)} systems in a loop, "
        f"{LAYOUTS} layouts x {batches.size} batches x {contexts.size} contexts on axes of arrays\n"
    )
    for fidelity, bar in BARS.items():
        whole, alone = sweep(fidelity), one_by_one(fidelity)
        np.testing.assert_allclose([whole[i][j, k, n] for i, j, k, n in sample], alone, rtol=1e-12)
        single, swept = f"{SAMPLE} one at a time", f"all {count:,}"
        timings = best_of(
            {single: lambda f=fidelity: one_by_one(f), swept: lambda f=fidelity: sweep(f)}, targets={swept: bar}
        )
        print(table(f"decode step, {fidelity} fidelity", timings))
        each, all_ = timings[0].best / SAMPLE, timings[1].best / count
        print(f"per configuration: {show(each)} alone, {show(all_)} in the sweep, {each / all_:,.0f} times less\n")


if __name__ == "__main__":
    main()
