"""What every driver shares: a task comes in one file, the answer leaves in another, points are timed alike.

Drivers run in the interpreter of the tool they ask, so this file uses the standard library only.
"""

from __future__ import annotations

import json
import sys
import textwrap
import time
from collections.abc import Callable
from typing import Any

BATCHES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256)
SAME_BATCH = 32


def serve(tasks: dict[str, Callable[[Any], Any]]) -> None:
    """Do the task of the file named first on the command line, write the answer to the file named second."""
    source, target = sys.argv[1:3]
    with open(source, encoding="utf-8") as file:
        asked = json.load(file)
    answer = tasks[asked["task"]](asked["about"])
    with open(target, "w", encoding="utf-8") as file:
        json.dump(answer, file, default=float)


def rate(point: Callable[[int], float], *, least: float = 3.0, calls: int = 8) -> dict[str, float]:
    """Points per second of one call each over changing batches, and the time per token at the batch all tools share.

    Parameters
    ----------
    point : callable
        Seconds per output token of a batch [s].
    least : float
        Shortest time to measure [s].
    calls : int
        Fewest calls.
    """
    same = point(SAME_BATCH)
    start, cpu, done = time.perf_counter(), time.process_time(), 0
    while done < calls or time.perf_counter() - start < least:
        point(1 + (7 * done) % 61)
        done += 1
    spent = time.perf_counter() - start
    return {"rate": done / spent, "cpu_rate": done / max(time.process_time() - cpu, 1e-9), "tpot": same}


def static_sweep(
    question: dict[str, Any], widths: list[dict[str, int]], evaluate: Callable[[dict[str, int], int], Any]
) -> Any:
    """Best static batch under the limits, for a tool that evaluates points and has no search of its own.

    A batch is prefilled whole, then decoded; the best is the most output tokens per second and chip.

    Parameters
    ----------
    question : dict
        ``isl``, ``osl``, ``gpus``, ``ttft`` [s], ``tpot`` [s].
    widths : list of dict
        Layouts to try; their degrees multiply to chips.
    evaluate : callable
        ``(layout, batch)`` to ``(ttft, tpot)`` in seconds; raises where it does not fit.
    """
    best: dict[str, Any] | None = None
    tried, reason = 0, "no layout within the chips"
    for layout in widths:
        chips = 1
        for degree in layout.values():
            chips *= degree
        if chips > question["gpus"]:
            continue
        for batch in BATCHES:
            tried += 1
            try:
                ttft, tpot = evaluate(layout, batch)
            except (ValueError, AssertionError) as error:
                reason = textwrap.shorten(str(error), 100, placeholder="")
                break
            if ttft > question["ttft"] or tpot > question["tpot"]:
                reason = "fits, but not within the limits"
                break
            per_chip = batch * question["osl"] / (ttft + tpot * (question["osl"] - 1)) / chips
            if best is None or per_chip > best["per_chip"]:
                name = " ".join(f"{k.upper()}{v}" for k, v in layout.items() if v > 1) or "1 chip"
                best = {
                    "layout": f"{question['gpus'] // chips} x {name}",
                    "chips": question["gpus"] // chips * chips,
                    "in_flight": batch * (question["gpus"] // chips),
                    "ttft": ttft,
                    "tpot": tpot,
                    "per_chip": per_chip,
                }
    return {"answer": best, "refused": "" if best else reason, "compared": tried}
