"""Fast and slow modes: the menu a provider could offer, and what an advertised pair implies (claims C15, C17).

A smaller batch is quicker and dearer. Along the Pareto set of a plan each point is a mode; its price multiple
is its cost over that of the reference, its speed multiple the ratio of tokens per second per user.
"""

from __future__ import annotations

from dataclasses import dataclass

from headway.facts.check import positive
from headway.physics.modes import FastMode, fast_mode
from headway.serving.plan import Plan, PlanResult, representative


@dataclass(frozen=True, slots=True)
class Mode:
    """One entry of the menu.

    Parameters
    ----------
    plan : Plan
    price_multiple : float
        Cost per output token over that of the reference [1].
    speed_multiple : float
        Tokens per second per user over that of the reference [1].
    """

    plan: Plan
    price_multiple: float
    speed_multiple: float


@dataclass(frozen=True, slots=True)
class Menu:
    """Modes from slow to fast, the reference among them, and the advertised pair beside them.

    Parameters
    ----------
    reference : Plan
        The mode sold at price 1 and speed 1.
    modes : tuple of Mode
        By rising speed.
    advertised : FastMode or None
        What an advertised pair implies in the closed form.
    cost_at_advertised_speed : float or None
        Price multiple at which this deployment reaches the advertised speed; None where it does not.
    """

    reference: Plan
    modes: tuple[Mode, ...]
    advertised: FastMode | None
    cost_at_advertised_speed: float | None


def invert(price_multiple: float, speed_multiple: float) -> FastMode:
    """What an advertised pair says about batch and weights, whatever the model (claim C15).

    >>> found = invert(6.0, 2.5)
    >>> round(found.batch_ratio), round(found.weight_share, 3), round(found.max_speed, 2)
    (15, 0.357, 2.8)
    """
    return fast_mode(price_multiple, speed_multiple)


def menu(
    result: PlanResult, advertised: tuple[float, float] | None = None, reference: Plan | None = None
) -> Menu | None:
    """The menu that the Pareto set of a plan allows; None where the plan is infeasible.

    Parameters
    ----------
    advertised : (price multiple, speed multiple), optional
        A pair to invert and to find on this deployment.
    reference : Plan, optional
        The cheapest plan where not given.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> from headway.serving.plan import plan
    >>> from headway.serving.workload import Prices, Workload
    >>> box = system("hgx-h200")
    >>> found = plan(model("llama-3.1-8b"), box, Workload(1000, 200, ttft=1.0, tpot=0.02), prices=Prices(2.0))
    >>> shown = menu(found, advertised=(6.0, 2.5))
    >>> shown.modes[0].price_multiple, shown.modes[0].speed_multiple, shown.advertised.batch_ratio
    (1.0, 1.0, 15.0)
    """
    base = reference or result.cheapest
    if base is None:
        return None
    modes = tuple(
        Mode(p, p.usd_per_mtok / base.usd_per_mtok, p.tokens_per_second_per_user / base.tokens_per_second_per_user)
        for p in sorted(result.plans, key=lambda p: p.tokens_per_second_per_user)
    )
    if advertised is None:
        return Menu(base, modes, None, None)
    price, speed = advertised
    positive("speed multiple", speed)
    quick = [m.price_multiple for m in modes if m.speed_multiple >= speed]
    return Menu(base, modes, fast_mode(price, speed), min(quick) if quick else None)


def representative_modes(found: Menu, most: int = 10) -> tuple[Mode, ...]:
    """At most `most` modes of the menu, ends included, by rising speed.

    Parameters
    ----------
    found : Menu
    most : int
        Modes to keep, at least 2 [1].

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> from headway.serving.plan import plan
    >>> from headway.serving.workload import Prices, Workload
    >>> box = system("hgx-h200")
    >>> found = plan(model("llama-3.1-8b"), box, Workload(1000, 200, ttft=1.0, tpot=0.02), prices=Prices(2.0))
    >>> len(representative_modes(menu(found), 3)) <= 3
    True
    """
    kept = representative(tuple(m.plan for m in found.modes), most)
    return tuple(m for m in found.modes if m.plan in kept)
