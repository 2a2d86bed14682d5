"""From a serving plan to the rack of a market: the shape of its calls, the search, the times of its passes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from headway.economy.rack import MICROS_PER_USD, Rack
from headway.economy.tokens import TokenModel, buyer_decision, seller_decision
from headway.facts.check import fraction, not_negative, single
from headway.facts.efficiency import Efficiency
from headway.facts.errors import InputError
from headway.facts.hardware import System
from headway.facts.model import Model
from headway.facts.models import model as model_of
from headway.facts.precision import Precision
from headway.facts.systems import system as system_of
from headway.physics.step import decode_step, mixed_step, prefill_step
from headway.serving.document import layout_name
from headway.serving.plan import PER_MILLION, Plan, PlanResult, plan
from headway.serving.workload import Prices, Workload

ASSUMPTIONS = (
    "time per token is that of the planned shape: much longer prompts would pay more attention",
    "prompts wait in order of arrival for the whole prefill pool; answers wait for seats as in the fluid limit of "
    "the queue with that many servers",
    "each call of a decision meets the queue that its first call met",
    "rack time that nobody buys is billed to nobody",
)


def decision_workload(
    sellers_asked: float = 3.0,
    tokens: TokenModel | None = None,
    *,
    survives: float = 1.0,
    ttft: float = math.inf,
    tpot: float = math.inf,
) -> Workload:
    """Requests of the mean shape of a deal's calls: what to plan a deployment for.

    Parameters
    ----------
    sellers_asked : float
        By one buyer [1].
    tokens : TokenModel, optional
        The fitted one where not given.
    survives : float
        Share of the repeated prefixes whose KV is still held [1].
    ttft, tpot : float
        Limits [s].

    Returns
    -------
    Workload

    Examples
    --------
    >>> w = decision_workload(3)
    >>> w.isl, w.osl, round(w.cache_hit, 3)
    (986, 75, 0.545)
    """
    asked = float(not_negative("sellers_asked", single("sellers_asked", sellers_asked)))
    buyer, seller = buyer_decision(asked, tokens), seller_decision(tokens)
    calls = buyer.calls + asked * seller.calls
    read = buyer.input + asked * seller.input
    held = (buyer.cached + asked * seller.cached) * float(fraction("survives", single("survives", survives)))
    written = buyer.output + asked * seller.output
    least = max(round(read / calls), 1)
    return Workload(least, max(round(written / calls), 1), min(held / read, 0.999) if read else 0.0, ttft, tpot)


def plan_decisions(
    model: Model,
    system: System,
    *,
    sellers_asked: float = 3.0,
    tokens: TokenModel | None = None,
    survives: float = 1.0,
    ttft: float = math.inf,
    tpot: float = math.inf,
    prices: Prices | None = None,
    chips: int | None = None,
) -> PlanResult:
    """Plan a deployment for the calls of a market's agents; :func:`rack_for` makes a rack of it.

    The least cost counts: nothing is given up for a first token that comes sooner.

    Parameters
    ----------
    model, system
    sellers_asked, tokens, survives, ttft, tpot
        See :func:`decision_workload`.
    prices, chips
        See :func:`headway.serving.plan.plan`.

    Returns
    -------
    PlanResult

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> found = plan_decisions(model("llama-3.1-8b"), system("hgx-h200"), tpot=0.02)
    >>> found.feasible, rack_for(found).chips <= 8.0
    (True, True)
    """
    shape = decision_workload(sellers_asked, tokens, survives=survives, ttft=ttft, tpot=tpot)
    return plan(model, system, shape, prices=prices, chips=chips, ttft_premium=0.0)


def rack_for(
    result: PlanResult,
    chosen: Plan | None = None,
    *,
    model: Model | None = None,
    system: System | None = None,
    precision: Precision | None = None,
    efficiency: Efficiency | None = None,
) -> Rack:
    """The rack of a plan.

    ``rack seconds per token = ($ per token) / ($ per second)``: a decision of the planned shape takes exactly one
    over the plan's requests per second, and pays exactly its price.

    Parameters
    ----------
    result : PlanResult
        Of a search for the decisions' own shape (:func:`plan_decisions`).
    chosen : Plan, optional
        One of its plans; the cheapest where not given.
    model, system : Model, System, optional
        Needed where they are not of the catalog.
    precision, efficiency : optional
        As given to the search.

    Returns
    -------
    Rack

    Raises
    ------
    InputError
        If the search found no plan.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> from headway.facts.systems import system
    >>> found = plan_decisions(model("llama-3.1-8b"), system("hgx-h200"), tpot=0.02)
    >>> from headway.economy.rack import RackClock, serve
    >>> from headway.economy.tokens import DecisionTokens
    >>> rack, w = rack_for(found), found.workload
    >>> shape = DecisionTokens(w.isl, int(w.cached), w.osl)
    >>> _, served = serve(rack, RackClock(), 0.0, shape)
    >>> abs(served.rack_s * rack.decisions_per_s - 1) < 1e-9
    True
    """
    picked = chosen or result.cheapest
    if picked is None:
        raise InputError("result", result.reason, "a search that found a plan")
    w, rate = result.workload, picked.requests_per_second
    m, s = model or model_of(result.model), system or system_of(result.system)
    usd_per_s = picked.usd_per_mtok / PER_MILLION * w.osl * rate
    times = _Times(m, s, picked, w, {"precision": precision, "efficiency": efficiency})
    alone, held = times.alone(w.miss, 0.0), times.alone(w.miss, w.cached)
    half = times.alone(w.miss / 2.0, 0.0)
    slope = 2.0 * (alone - half) / w.miss
    busy = times.pool(w.miss, 0.0)
    # Where nothing was planned to be held, what could be is read afresh.
    sold, read, pooled = picked.usd_per_mtok_input, slope, busy / w.miss
    if w.cached:
        sold, read = picked.usd_per_mtok_cached, (held - alone) / w.cached
        pooled = (times.pool(w.miss, w.cached) - busy) / w.cached
    return Rack(
        name=f"{result.model} on {layout_name(picked)} of {result.system}",
        chips=float(picked.chips),
        micros_per_hour=round(usd_per_s * 3600.0 * MICROS_PER_USD),
        watts=picked.joules_per_token * w.osl * rate,
        decisions_per_s=rate,
        rack_s_per_input=picked.usd_per_mtok_input / PER_MILLION / usd_per_s,
        rack_s_per_cached=sold / PER_MILLION / usd_per_s,
        rack_s_per_output=picked.usd_per_mtok_output / PER_MILLION / usd_per_s,
        prefill_floor_s=max(alone - slope * w.miss, 0.0),
        prefill_s_per_input=slope,
        prefill_s_per_cached=read,
        pool_s_per_input=busy / w.miss,
        pool_s_per_cached=pooled,
        tpot_idle_s=min(times.idle(), picked.tpot_s),
        tpot_full_s=picked.tpot_s,
        seats=picked.batch * picked.layout.pp * picked.workers,
        answer_tokens=float(w.osl),
        assumptions=ASSUMPTIONS,
        sources=result.sources,
    )


@dataclass(frozen=True, slots=True)
class _Times:
    """Seconds of single passes of a plan's workers."""

    model: Model
    system: System
    plan: Plan
    workload: Workload
    options: dict[str, Any]

    def alone(self, new: float, cached: float) -> float:
        """One prompt on idle chips to its first token [s]."""
        p, w = self.plan, self.workload
        first = decode_step(self.model, self.system, p.layout, 1, w.mean_context, **self.options).seconds
        own = prefill_step(self.model, self.system, p.prefill_layout, 1, new, cached, **self.options).seconds
        return float(own + first)

    def pool(self, new: float, cached: float) -> float:
        """Time between prompts when every prefill worker is busy [s]."""
        p, w = self.plan, self.workload
        if p.mode == "separate":
            seconds = prefill_step(
                self.model, self.system, p.prefill_layout, p.chunk, new, cached, **self.options
            ).seconds
            return float(seconds) / (p.chunk * p.prefill_workers)
        share = max(p.chunk / new, 1.0)
        seconds = mixed_step(
            self.model, self.system, p.layout, p.batch, w.mean_context, share, min(p.chunk, new), cached, **self.options
        ).seconds
        return float(seconds * new / (p.chunk * p.layout.dp * p.layout.pp * p.workers))

    def idle(self) -> float:
        """Time per output token of one answer alone [s]."""
        w = self.workload
        step = decode_step(
            self.model,
            self.system,
            self.plan.layout,
            1,
            w.mean_context,
            draft=w.draft,
            acceptance=w.acceptance,
            **self.options,
        )
        return float(step.tpot)
