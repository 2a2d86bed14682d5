"""Forward: what each priced dimension costs on a deployment, and the markup that a posted price then has.

Cost is the rent of the chips for the time they are busy, over the share of the day they are. A floor: no staff, no
network, no research, no failed requests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from headway.facts.check import fraction, positive
from headway.facts.errors import InputError
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.sources import Source
from headway.physics import fleet, hold
from headway.physics.attention import kv_bytes_per_token
from headway.pricing.sheets import Sheet
from headway.serving.plan import Plan, PlanResult, plan
from headway.serving.workload import Prices, Workload

_MEGA: Final = 1e6
_HOUR: Final = 3600.0
#: Of a fast mode whose speed no sheet lists: that of Opus 4.6 to 5 [1].
_SPEED: Final = 2.5
#: Lives of a cache write that sheets name [s].
LIVES: Final = (("cache_write_5m", 300.0), ("cache_write_1h", _HOUR))
ASSUMPTIONS: Final = (
    "rent of the chips only; a share of the day idle raises every floor alike",
    "the cheapest plan that meets the limits; a cache is held in HBM for the whole of its life and once",
    "fast mode: the plan with the least cost among those at the speed asked for",
)


@dataclass(frozen=True, slots=True)
class Floor:
    """Cost of one priced dimension, and the price beside it.

    Parameters
    ----------
    dimension : str
        Name of the price field, with the prompt length or the mode it holds for.
    cost_usd_per_mtok : float
        [$/Mtok]; NaN where no plan gives it.
    price_usd_per_mtok : float or None
        Posted price [$/Mtok].
    made_of : str
        What the cost is.
    """

    dimension: str
    cost_usd_per_mtok: float
    price_usd_per_mtok: float | None
    made_of: str

    @property
    def markup(self) -> float | None:
        """Price over cost [1]; None where either is missing."""
        if self.price_usd_per_mtok is None or not self.cost_usd_per_mtok > 0:
            return None
        return float(fleet.relative_to(self.price_usd_per_mtok, self.cost_usd_per_mtok))


@dataclass(frozen=True, slots=True)
class Floors:
    """Floors of a model on a system.

    Parameters
    ----------
    model, system : str
    feasible : bool
    reason : str
        Why there is no plan; empty where there is one.
    utilisation : float
        Mean share of the day that chips work [1].
    base : Plan or None
        The plan that the standard floors stand on.
    floors : tuple of Floor
    assumptions : tuple of str
    sources : tuple of Source
    """

    model: str
    system: str
    feasible: bool
    reason: str
    utilisation: float
    base: Plan | None
    floors: tuple[Floor, ...]
    assumptions: tuple[str, ...]
    sources: tuple[Source, ...]


def mean_utilisation(cycle: float | Sequence[float]) -> float:
    """Mean use of chips that are rented all day, from one figure or from a daily cycle.

    Cost per token goes with ``1 / mean(u)``: hours at night are paid for by the tokens of the day.

    >>> mean_utilisation([0.2, 0.6, 1.0]), mean_utilisation(0.5)
    (0.6, 0.5)

    Raises
    ------
    RangeError
        If a share is outside 0 to 1, or all are 0.
    """
    shares = fraction("utilisation", cycle)
    return float(positive("utilisation", float(np.mean(np.asarray(shares, dtype=float)))))


def cost_floors(
    model: Model,
    system: System,
    workload: Workload,
    prices: Prices,
    *,
    sheet: Sheet | None = None,
    utilisation: float | Sequence[float] = 1.0,
    speed: float | None = None,
    chips: int | None = None,
) -> Floors:
    """Cost floor of every dimension of a sheet, from the cheapest plan.

    Parameters
    ----------
    model, system, workload, prices
        As :func:`headway.serving.plan.plan`.
    sheet : Sheet, optional
        Posted prices, whose steps are then planned for as well.
    utilisation : float or sequence of float
        Share of the day that chips work, or its hours [1].
    speed : float, optional
        Speed of the fast mode over the cheapest plan's [1]; the one of the sheet, or 2.5, where not given.
    chips : int, optional
        As :func:`headway.serving.plan.plan`.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> found = cost_floors(model("llama-3.1-8b"), system("hgx-h200"), Workload(1000, 200), Prices(2.0))
    >>> [f.dimension for f in found.floors][:3], found.feasible
    (['input', 'output', 'cache_read'], True)
    """
    use = mean_utilisation(utilisation)
    result = plan(model, system, workload, prices=prices, chips=chips, ttft_premium=0.0)
    base = result.cheapest
    if base is None:
        return Floors(model.name, system.name, False, result.reason, use, None, (), ASSUMPTIONS, result.sources)

    def posted(field: str, mode: str = "standard", above: float = 0.0) -> float | None:
        return None if sheet is None else sheet.price(field, mode=mode, above=above)

    rent = prices.usd_per_chip_hour
    kv = float(kv_bytes_per_token(model, model.precision.kv))
    read_back = float(hold.retrieve_cost(kv, system.chip.hbm_bandwidth, rent / _HOUR)) * _MEGA / use
    unit = hold.usd_per_byte_second(rent, system.chip.hbm_bytes)
    fresh = base.usd_per_mtok_input / use
    floors = [
        Floor("input", fresh, posted("input"), "prefill, chips busy"),
        Floor("output", base.usd_per_mtok_output / use, posted("output"), "decode, chips busy"),
        Floor("cache_read", read_back, posted("cache_read"), f"{kv:,.0f} B a token read back from HBM"),
    ]
    for name, life in LIVES:
        held = float(hold.hold_cost(kv, life, unit)) * _MEGA
        floors.append(Floor(name, fresh + held, posted(name), f"prefill, and HBM rented for {life:g} s"))
    floors += _steps(model, system, workload, prices, use, sheet, chips)
    if speed is None:
        speed = posted("speed", "fast") or _SPEED
    quick = _fast(result, base, speed)
    floors.append(
        Floor(
            f"fast output, {speed:g}x speed",
            math.nan if quick is None else quick.usd_per_mtok_output / use,
            posted("output", "fast"),
            "no plan is that fast" if quick is None else f"decode at batch {quick.batch:g}",
        )
    )
    floors.append(
        Floor("batch output", base.usd_per_mtok_output, posted("output", "batch"), "decode, no hour of the day idle")
    )
    return Floors(model.name, system.name, True, "", use, base, tuple(floors), ASSUMPTIONS, result.sources)


def _fast(result: PlanResult, base: Plan, speed: float) -> Plan | None:
    target = base.tokens_per_second_per_user * float(positive("speed", speed))
    quick = [p for p in result.plans if p.tokens_per_second_per_user >= target]
    return min(quick, key=lambda p: p.usd_per_mtok_output, default=None)


def _steps(
    model: Model,
    system: System,
    workload: Workload,
    prices: Prices,
    use: float,
    sheet: Sheet | None,
    chips: int | None,
) -> list[Floor]:
    """Floors of prompts that are as long as each step of the sheet."""
    floors = []
    for step in () if sheet is None else sheet.steps:
        far = replace(workload, isl=int(step))
        long = plan(model, system, far, prices=prices, chips=chips, ttft_premium=0.0).cheapest
        for field in ("input", "output"):
            cost = math.nan if long is None else getattr(long, f"usd_per_mtok_{field}") / use
            made = "no plan holds it" if long is None else f"the same with {step:,.0f} tokens of prompt"
            posted = None if sheet is None else sheet.price(field, above=step)
            floors.append(Floor(f"{field} past {step / 1e3:g}k", cost, posted, made))
    return floors


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Cost of tokens from a published throughput.

    Parameters
    ----------
    input_usd_per_mtok, output_usd_per_mtok : float
        Cost [$/Mtok].
    input_missed_usd_per_mtok : float
        Of input that was not found in a cache [$/Mtok].
    """

    input_usd_per_mtok: float
    output_usd_per_mtok: float
    input_missed_usd_per_mtok: float

    @property
    def output_over_input(self) -> float:
        """Cost of an output token over that of an input token, found in a cache or not [1]."""
        return self.output_usd_per_mtok / self.input_usd_per_mtok

    @property
    def output_over_missed(self) -> float:
        """Cost of an output token over that of an input token that missed the cache [1]."""
        return self.output_usd_per_mtok / self.input_missed_usd_per_mtok


def disclosed_cost(
    chips: float, usd_per_chip_hour: float, input_rate: float, output_rate: float, cache_hit: float = 0.0
) -> Disclosure:
    """Cost of tokens of a node whose throughput was published.

    ``c = n r / (3600 x)``; input that missed the cache carries the whole of the prefill.

    Parameters
    ----------
    chips : float
        Of the node [1].
    usd_per_chip_hour : float
        [$/h].
    input_rate, output_rate : float
        Tokens per second of a prefill and of a decode node [token/s].
    cache_hit : float
        Share of input found in a cache, counted in `input_rate` [1].

    References
    ----------
    DeepSeek, open-infra-index, day 6 (claims C54 and C63).

    Examples
    --------
    >>> day = disclosed_cost(8, 2.0, 73.7e3, 14.8e3, 0.5625)
    >>> round(day.input_usd_per_mtok, 4), round(day.output_usd_per_mtok, 4)
    (0.0603, 0.3003)
    """
    if not cache_hit < 1:
        raise InputError("cache_hit", cache_hit, "a share below 1")
    missed = fleet.missed_throughput(input_rate, cache_hit)
    costs = (fleet.usd_per_mtok(chips, usd_per_chip_hour, rate) for rate in (input_rate, output_rate, missed))
    return Disclosure(*(float(cost) for cost in costs))
