"""Every layout worth trying on a system, as arrays."""

from __future__ import annotations

import itertools

import numpy as np

from headway.facts.check import whole
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.physics.layout import Layout, divides

# Tensor parallelism beyond this only splits heads below what a kernel can use well.
_MOST_TP = 64
_CONTEXT_PARALLEL = (1, 2, 4, 8)
_STAGES = (1, 2, 4, 8)


def replica_sizes(system: System, chips: int) -> tuple[int, ...]:
    """Chips that one replica may have: powers of two, halves and thirds of a domain, few or equal shares of domains.

    >>> from headway.facts.systems import system
    >>> replica_sizes(system("gb200-nvl72"), 72)
    (1, 2, 4, 8, 12, 16, 18, 24, 32, 36, 64, 72)
    """
    whole("chips", chips, most=1_000_000)
    domain = system.domain_size
    domains = max(chips // domain, 1)
    found = {2**i for i in range(21)} | {domain * i for i in range(1, domains + 1) if i <= 8 or domains % i == 0}
    found |= {domain // d for d in (2, 3, 4, 6) if domain % d == 0}
    return tuple(sorted(n for n in found if 0 < n <= chips))


def layouts(model: Model, system: System, chips: int, *, pipeline: bool = True) -> Layout:
    """All layouts of the model on at most `chips` chips that divide, as one layout of arrays.

    Expert parallelism is none or the whole stage: what lies between is a mixture of both that the search
    never preferred. Dense models gain nothing from attention-data ranks (they are more replicas).

    Returns
    -------
    Layout
        Fields are arrays of one shape ``(n,)``.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> found = layouts(model("llama-3.1-70b"), system("hgx-h200"), 2)
    >>> [found.at(i).label() for i in range(found.tp.size)]
    ['1 chip', 'TP2', 'CP2', 'PP2']
    """
    sparse = model.routed_params > 0
    rows = []
    for n in replica_sizes(system, chips):
        for pp, cp in itertools.product(_STAGES if pipeline else (1,), _CONTEXT_PARALLEL):
            if n % (pp * cp):
                continue
            stage = n // pp
            for tp in (d for d in range(1, min(stage // cp, _MOST_TP) + 1) if (stage // cp) % d == 0):
                dp = stage // cp // tp
                if not sparse and dp > 1:
                    continue
                for ep in {1, stage} if sparse else {1}:
                    halves = (1, 2) if sparse and ep > 1 else (1,)
                    rows += [(tp, ep, dp, pp, cp, h) for h in halves]
    columns = np.array(rows, dtype=float).T
    every = Layout(*columns)
    good = divides(model, every)
    return Layout(*(column[good] for column in columns))
