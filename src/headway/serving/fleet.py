"""From a load to a fleet: replicas, racks, chips, power, dollars."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headway.facts.check import fraction, positive, single, whole
from headway.facts.hardware import System
from headway.physics.fleet import nodes_needed
from headway.serving.plan import Plan, PlanResult, watts_per_chip
from headway.serving.workload import SECONDS_PER_HOUR, Prices

SECONDS_PER_DAY = 86400.0
# Fleets whose loads differ by less than this factor have the same head room.
_SAME_LOAD = 1.01


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a load needs.

    Parameters
    ----------
    plan : Plan
        The deployment that is repeated.
    requests_per_second : float
        The load [1/s].
    utilisation : float
        Share of its capacity at which each deployment may run [1].
    replicas : int
        Deployments [1].
    chips, units : int
        Chips, and nodes or racks that hold them [1].
    watts : float
        All-in power [W]; NaN where it is not known.
    usd_per_hour : float
        Rent and power of the whole fleet [$/h].
    usd_per_mtok : float
        Per million output tokens at this load [$/Mtok].
    load : float
        Share of the fleet's capacity in use [1].
    """

    plan: Plan
    requests_per_second: float
    utilisation: float
    replicas: int
    chips: int
    units: int
    watts: float
    usd_per_hour: float
    usd_per_mtok: float
    load: float


def requests_from_tokens(tokens_per_day: float, osl: int) -> float:
    """Requests per second that make so many output tokens a day [1/s].

    >>> requests_from_tokens(86.4e6, 1000)
    1.0
    """
    day = positive("tokens_per_day", single("tokens_per_day", tokens_per_day), "token/day")
    return float(day) / SECONDS_PER_DAY / float(whole("osl", single("osl", osl)))


def size(
    result: PlanResult,
    system: System,
    requests_per_second: float,
    *,
    utilisation: float = 0.7,
    prices: Prices | None = None,
) -> Fleet | None:
    """Repeat the deployment that serves the load with the least cost; None where the plan is infeasible.

    Of equal cost and almost equal head room the one with the shortest time to first token.

    Parameters
    ----------
    result : PlanResult
        Of the workload.
    requests_per_second : float
        Load [1/s].
    utilisation : float
        Share of capacity to plan for: the rest absorbs bursts [1].
    prices : Prices, optional
        Those of the plan where not given.

    Raises
    ------
    RangeError
        If the load is not positive or the utilisation is not in (0, 1].

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> from headway.serving.plan import plan
    >>> from headway.serving.workload import Workload
    >>> box = system("hgx-h200")
    >>> found = plan(model("llama-3.1-8b"), box, Workload(1000, 200, ttft=1.0, tpot=0.02), prices=Prices(2.0))
    >>> fleet = size(found, box, requests_per_second=1000.0)
    >>> fleet.units == -(-fleet.chips // 8), 0.0 < fleet.load <= 0.7
    (True, True)
    """
    positive("requests_per_second", single("requests_per_second", requests_per_second), "1/s")
    positive("utilisation", fraction("utilisation", single("utilisation", utilisation)))
    paid = prices or result.prices
    every = (*result.blocks, *result.plans)
    fleets = [_repeat(p, system, requests_per_second, utilisation, paid) for p in every]
    least = min((f.usd_per_hour for f in fleets), default=0.0)
    cheap = [f for f in fleets if f.usd_per_hour <= least * (1.0 + 1e-12)]
    load = min((f.load for f in cheap), default=0.0)
    return min((f for f in cheap if f.load <= load * _SAME_LOAD), key=lambda f: f.plan.ttft_s, default=None)


def _repeat(plan: Plan, system: System, load: float, utilisation: float, paid: Prices) -> Fleet:
    capacity = plan.requests_per_second
    # A load that fills whole deployments to the last digit needs no further one; any load needs one.
    needed = float(nodes_needed(load * SECONDS_PER_DAY, capacity * utilisation))
    replicas = max(math.ceil(needed * (1.0 - 1e-12)), 1)
    chips = replicas * plan.chips
    watts = watts_per_chip(system)
    usd_per_second = chips * paid.usd_per_chip_second(watts)
    out = load * (plan.tokens_per_second_per_chip * plan.chips / capacity)
    return Fleet(
        plan=plan,
        requests_per_second=load,
        utilisation=utilisation,
        replicas=replicas,
        chips=chips,
        units=math.ceil(chips / system.chips),
        watts=chips * watts,
        usd_per_hour=usd_per_second * SECONDS_PER_HOUR,
        usd_per_mtok=usd_per_second / out * 1e6,
        load=load / (replicas * capacity),
    )
