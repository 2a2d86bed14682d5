"""From many deployments to few: the front over cost and speed, what a fleet repeats, and the nearest miss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headway.serving.deployments import Evaluated, Serving
from headway.serving.infeasible import broken
from headway.serving.pareto import front_2d

# Cost is given up for a shorter time to first token only where at most this share of the time is left.
_SHORTER = 0.5


@dataclass(frozen=True, slots=True)
class Feasible:
    """The deployments that meet the limits of a workload, as flat arrays of one length.

    Parameters
    ----------
    runs : tuple of Evaluated
    run, index : array of int
        Which of the runs, and where in it.
    ttft, tpot : array
        Mean time to first token, mean time per output token [s].
    chips, rate : array
        Of the smallest deployment that is repeated in it: one worker where colocated [1], [1/s].
    """

    runs: tuple[Evaluated, ...]
    run: NDArray[np.intp]
    index: NDArray[np.intp]
    ttft: NDArray[np.float64]
    tpot: NDArray[np.float64]
    chips: NDArray[np.float64]
    rate: NDArray[np.float64]

    @classmethod
    def of(cls, s: Serving, runs: Sequence[Evaluated]) -> Feasible:
        """Find them among all that were evaluated."""
        good = [np.flatnonzero((e.ttft <= s.workload.ttft) & (e.tpot <= s.workload.tpot)) for e in runs]
        copies = [np.ones(g.size) if e.separate else e.decoders[g] for e, g in zip(runs, good, strict=True)]

        def gather(name: str) -> NDArray[np.float64]:
            return np.concatenate([getattr(e, name)[g] for e, g in zip(runs, good, strict=True)])

        return cls(
            tuple(runs),
            np.repeat(np.arange(len(runs)), [g.size for g in good]),
            np.concatenate(good),
            gather("ttft"),
            gather("tpot"),
            gather("chips") / np.concatenate(copies),
            gather("requests_per_second") / np.concatenate(copies),
        )

    def at(self, rows: Sequence[int]) -> list[tuple[Evaluated, int]]:
        """The run and the place in it of each of some rows."""
        return [(self.runs[self.run[k]], int(self.index[k])) for k in rows]

    def best(self, premium: float, osl: int) -> list[int]:
        """Rows that no other beats in cost and speed, fastest per user first.

        A row that costs up to `premium` more, is no slower per user and leaves at most half the time to first
        token takes the place of one of them; of the cheapest, one that ends an answer of `osl` tokens no later.
        """
        cost = self.chips / self.rate
        rows = front_2d(1.0 / self.tpot, cost)
        kept = np.array([self._sooner(k, cost, premium, self.tpot) for k in rows], dtype=np.intp)
        kept[-1:] = [self._sooner(k, cost, premium, self.ttft + osl * self.tpot) for k in rows[-1:]]
        # What is cheaper than the row that took the cheapest one's place, but makes wait much longer, goes with it.
        last = kept[-1]
        kept = kept[(cost[kept] >= cost[last]) | (_SHORTER * self.ttft[kept] < self.ttft[last])]
        return [int(k) for k in kept[front_2d(1.0 / self.tpot[kept], cost[kept])]]

    def _sooner(self, row: int, cost: NDArray[np.float64], premium: float, late: NDArray[np.float64]) -> int:
        near = np.flatnonzero((late <= late[row]) & (cost <= cost[row] * (1.0 + premium)))
        quick = near[np.argmin(self.ttft[near])]
        return int(quick if self.ttft[quick] <= _SHORTER * self.ttft[row] else row)

    def blocks(self, premium: float) -> list[int]:
        """For each number of chips the row that serves most, and the one that serves almost as much far sooner.

        A number of chips that serves no more than a smaller one is left out.
        """
        found: list[int] = []
        for row in front_2d(self.rate, self.chips):
            near = np.flatnonzero((self.chips == self.chips[row]) & (self.rate * (1.0 + premium) >= self.rate[row]))
            quick = near[np.argmin(self.ttft[near])]
            found += {int(row), int(quick)}
        return found


def nearest(s: Serving, runs: Sequence[Evaluated]) -> tuple[str, tuple[Evaluated, int]]:
    """A sentence on which limit is missed and by how much, and the deployment that misses them least.

    >>> from headway.facts.efficiency import efficiency_of
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> from headway.serving.deployments import colocated
    >>> from headway.serving.workload import Workload
    >>> llama, box = model("llama-3.1-8b"), system("hgx-h200")
    >>> s = Serving(llama, box, Workload(1000, 200, tpot=1e-6), llama.precision, efficiency_of(box), 1)
    >>> nearest(s, [colocated(s)])[0].startswith("TPOT at best")
    True
    """
    w = s.workload
    misses: list[tuple[float, Evaluated, int]] = []
    for run in runs:
        over = np.maximum(run.ttft / w.ttft, run.tpot / w.tpot)
        misses.append((float(np.min(over)), run, int(np.argmin(over))))
    _, run, i = min(misses, key=lambda m: m[0])
    alone = [broken("TTFT", float(min(np.min(r.ttft) for r in runs)), w.ttft)]
    alone.append(broken("TPOT", float(min(np.min(r.tpot) for r in runs)), w.tpot))
    said = "; ".join(a for a in alone if a)
    if not said:
        both = [broken("TTFT", float(run.ttft[i]), w.ttft), broken("TPOT", float(run.tpot[i]), w.tpot)]
        said = "each limit can be met, not both at once: nearest " + " and ".join(b for b in both if b)
    return said, (run, i)
