"""Timing for benchmarks: the best of several rounds, as a table with ratios, beside the machine it ran on.

The best round is reported because noise on a shared machine only ever adds time. Rounds of the
compared functions alternate, so a slow minute hits all of them.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one function over several rounds.

    Parameters
    ----------
    name : str
        What was timed.
    best, median : float
        Over the rounds, per call [s].
    calls : int
        Calls in one round.
    target : float or None
        The bar it should stay under [s].
    """

    name: str
    best: float
    median: float
    calls: int
    target: float | None = None


def machine() -> str:
    """Processor, cores and versions on one line."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}, {cores} cores, Python {platform.python_version()}, numpy {np.__version__}"


def _calls(function: Callable[[], object], least: float) -> int:
    """Calls that fill a round of `least` seconds; the first call is a warm-up."""
    function()
    calls = 1
    while True:
        start = time.perf_counter()
        for _ in range(calls):
            function()
        spent = time.perf_counter() - start
        if spent >= least:
            return calls
        calls = max(calls + 1, int(calls * min(10.0, 1.2 * least / max(spent, 1e-9))))


def best_of(
    functions: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 7,
    least: float = 0.05,
    targets: Mapping[str, float] | None = None,
) -> tuple[Timing, ...]:
    """Time functions in alternating rounds, each of at least `least` seconds.

    Parameters
    ----------
    functions : mapping of str to callable
        What to time, by name; the first one is the reference of the table.
    rounds : int
        Rounds per function.
    least : float
        Shortest round; short functions are called several times to fill it [s].
    targets : mapping of str to float, optional
        Bars by name [s].
    """
    calls = {name: _calls(function, least) for name, function in functions.items()}
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            for _ in range(calls[name]):
                function()
            seconds[name].append((time.perf_counter() - start) / calls[name])
    bars = targets or {}
    return tuple(Timing(n, min(s), statistics.median(s), calls[n], bars.get(n)) for n, s in seconds.items())


def command(*arguments: str) -> Callable[[], object]:
    """A function that runs ``headway`` with these arguments in a process of its own, output thrown away."""
    call = "import sys; sys.argv[0] = 'headway'; from headway.cli.main import main; sys.exit(main())"
    argv = [sys.executable, "-c", call, *arguments]

    def run() -> object:
        return subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)

    return run


def show(seconds: float) -> str:
    """Three digits and a unit.

    >>> show(0.01234)
    '12.3 ms'
    """
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def table(title: str, timings: Sequence[Timing]) -> str:
    """The timings as text: best, median, ratio to the first row, and the bar where there is one."""
    width = max([len(t.name) for t in timings] + [4])
    lines = [title, machine(), "", f"{'':{width}}  {'best':>9}  {'median':>9}  {'ratio':>7}  {'bar':>9}"]
    for t in timings:
        bar = "" if t.target is None else show(t.target)
        verdict = "" if t.target is None else ("  met" if t.best <= t.target else "  MISSED")
        ratio = t.best / timings[0].best
        lines.append(f"{t.name:{width}}  {show(t.best):>9}  {show(t.median):>9}  {ratio:7.3g}  {bar:>9}{verdict}")
    return "\n".join(lines) + "\n"
