"""Layouts of a training run per second: ``python benchmarks/bench_train.py``."""

from __future__ import annotations

import time

from headway.facts.models import model
from headway.facts.systems import system
from headway.training.plan import plan_training
from headway.training.schedules import SCHEDULES

POLICIES = ("store", "selective", "full", "reversible")


def main() -> None:
    """Time searches for 16,384 GPUs, best of three, CPU time."""
    for name, batch in (("llama-3.1-405b", 2048), ("deepseek-v3", 15360), ("deepseek-v3", 16384)):
        best, found = float("inf"), None
        for _ in range(3):
            start = time.process_time()
            found = plan_training(
                model(name), system("hgx-h100"), 16384, batch, 4096, schedules=tuple(SCHEDULES)[:3], policies=POLICIES
            )
            best = min(best, time.process_time() - start)
        if found is not None:
            print(f"{name}, {batch:,} sequences: {found.candidates:,} layouts, {found.fitting:,} fit, {best:.2f} s CPU")


if __name__ == "__main__":
    main()
