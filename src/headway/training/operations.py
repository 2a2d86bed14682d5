"""A run over weeks: failures and checkpoints, hours, dollars, energy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.hardware import System
from headway.physics.arrays import Numbers, not_negative, plain, positive, together, whole

_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Checkpointing:
    """What failures cost. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    fleet_mtbf : float or ndarray
        Between two failures of the whole fleet [s].
    interval : float or ndarray
        Between two checkpoints [s].
    goodput : float or ndarray
        Share of time that is kept work [1].
    lost : float or ndarray
        Share lost to writing, to work done again and to restarts [1].
    """

    fleet_mtbf: Numbers
    interval: Numbers
    goodput: Numbers
    lost: Numbers


def checkpointing(
    chips: ArrayLike, chip_mtbf: ArrayLike, write: ArrayLike, restart: ArrayLike, interval: ArrayLike | None = None
) -> Checkpointing:
    """Goodput of a fleet that writes checkpoints at Young's interval, or at one's own.

    Interval ``T = sqrt(2 w M/n)``; lost ``w/T + n (T/2 + r)/M``.

    Parameters
    ----------
    chips : array_like
        ``n`` [1].
    chip_mtbf : array_like
        ``M`` of one chip with all that stops a job when it fails [s].
    write, restart : array_like
        ``w``: time that training stands still for a checkpoint, and ``r``: until it runs again [s].
    interval : array_like, optional
        ``T`` [s].

    Returns
    -------
    Checkpointing

    References
    ----------
    Young, CACM 17(9), 1974; Daly, FGCS 22(3), 2006. Llama 3 (arXiv 2407.21783, table 5): 419 unexpected
    interruptions of 16,384 H100 in 54 days, 50,600 hours of one chip between two.

    Examples
    --------
    >>> held = checkpointing(16384, 50_600 * 3600, 30.0, 600.0)
    >>> round(held.fleet_mtbf / 3600, 1), round(held.interval), round(held.goodput, 3)
    (3.1, 817, 0.873)
    """
    fleet = positive("chip_mtbf", chip_mtbf, "s") / whole("chips", chips)
    stop, again = positive("write", write, "s"), not_negative("restart", restart, "s")
    every = np.sqrt(2.0 * stop * fleet) if interval is None else positive("interval", interval, "s")
    lost = np.minimum(stop / every + (every / 2.0 + again) / fleet, 1.0)
    return Checkpointing(*together(fleet, every, 1.0 - lost, lost))


@dataclass(frozen=True, slots=True)
class RunCost:
    """A whole run. Fields are numbers or arrays of one shape.

    Parameters
    ----------
    seconds : float or ndarray
        Wall clock with failures [s].
    chip_hours, usd, joules : float or ndarray
        [chip-h], [$], [J]; nan where no price or power is known.
    usd_per_chip_hour : float or ndarray
        The price taken [$/h]; nan where none is known.
    """

    seconds: Numbers
    chip_hours: Numbers
    usd: Numbers
    joules: Numbers
    usd_per_chip_hour: Numbers


def run_cost(
    system: System,
    chips: ArrayLike,
    rate: ArrayLike,
    tokens: ArrayLike,
    goodput: ArrayLike = 1.0,
    price: float | None = None,
) -> RunCost:
    """Time, chip-hours, dollars and energy of training on `tokens`.

    Parameters
    ----------
    rate : array_like
        Tokens per second and chip while it runs [token/s].
    tokens : array_like
        [token].
    goodput : array_like
        Share of time that is kept work [1].
    price : float, optional
        Of one chip for one hour [$]; the system's first tariff where not given.

    Returns
    -------
    RunCost

    Examples
    --------
    DeepSeek-V3: 1,543 tokens a second and chip on 14.8T tokens.

    >>> from headway.facts.systems import system
    >>> round(run_cost(system("hgx-h800"), 2048, 1543, 14.8e12, price=2.0).chip_hours / 1e6, 2)
    2.66
    """
    n = whole("chips", chips)
    seconds = positive("tokens", tokens, "token") / positive("rate", rate, "token/s") / n / positive("goodput", goodput)
    hours = seconds * n / _HOUR
    known = price if price is not None else (system.tariff().usd_per_chip_hour if system.tariffs else float("nan"))
    power = system.power or system.chip.power or float("nan")
    return RunCost(*together(seconds, hours, hours * known, plain(hours * _HOUR * power), known))
