"""The economy: a small market, run on its rails and its rack each time a slider moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headway.facts.models import model_names
from headway.facts.systems import priced_systems
from headway.web.chapter import (
    Answer,
    Axis,
    Chapter,
    Chart,
    Column,
    Control,
    Marker,
    Number,
    Series,
    Table,
    Values,
    shown,
)

if TYPE_CHECKING:
    from headway.economy.live import ByWidth, Live, Town


def _mechanisms() -> Sequence[str]:
    from headway.economy.rules import MECHANISMS

    return tuple(MECHANISMS)


def _sellers() -> Sequence[str]:
    from headway.economy.sellers import SELLERS

    return tuple(SELLERS)


CONTROLS = (
    Control("width", "Search width", 8.0, low=1, high=60, whole=True, about="sellers shown, all of whom are asked"),
    Control("first_p", "First acceptable offer taken", 0.9, "fraction", low=0.0, high=1.0, log=False),
    Control("racks", "Deployments rented", 0.05, low=0.005, high=10, about="below 1 the share of one"),
    Control("reply", "Mean reply of a seller", 20.0, "seconds", low=1.0, high=3600.0),
    Control("kv_life", "Buyer's KV kept for", 120.0, "seconds", low=1.0, high=86400.0),
    Control("rule", "Rule", "first-come", choices=_mechanisms),
    Control("sellers", "Sellers", "learning", choices=_sellers),
    Control("model", "Model of the agents", "llama-3.1-70b", choices=model_names),
    Control("on", "System", "hgx-h200", choices=priced_systems),
    Control("seed", "Seed", 1.0, low=0, high=1000, log=False, whole=True),
)


def _town(values: Values) -> Town:
    from headway.economy.live import Town

    return Town(
        model=str(values["model"]),
        system=str(values["on"]),
        racks=float(values["racks"]),
        width=int(values["width"]),
        first_p=float(values["first_p"]),
        reply_s=float(values["reply"]),
        kv_life_s=float(values["kv_life"]),
        mechanism=str(values["rule"]),
        sellers=str(values["sellers"]),
        seed=int(values["seed"]),
    )


def answer(values: Values) -> Answer:
    """Run the town and its neighbours in width; the plan beneath is remembered."""
    from headway.economy.live import by_width, run_town, town_lives, town_plan

    town = _town(values)
    planned = town_plan(town.model, town.system)
    if not planned.feasible:
        why = Number("usd_per_deal", "Compute of a deal", "infeasible", "", "the notes say why")
        return Answer((why,), notes=(f"{planned.system}: infeasible, {planned.reason}",))
    live, widths = run_town(town), by_width(town)
    lives = town_lives(town.model, town.system, town.width)
    return Answer(
        _headlines(live),
        (_deals(live), _queue(live), _prices(live), *_by_width(widths, town)),
        (_table(widths),),
        equations=(
            "tokens = t + a s",
            "bill = u (r i + q c + w o)",
            "start = max(asked, free)",
            "dn/dt = −min(n, c) / S",
        ),
        notes=(
            f"{live.outcome.consumers} consumers and {live.outcome.businesses} businesses of one drawn town, five "
            "minutes of arrivals, every step on the ledger's rails; buyers read six listings with care.",
            "A deal takes a trunk of tokens and a slope for each of the s sellers asked; its bill is the price u of a "
            "second of rack times the seconds of its fresh, cached and output tokens. Prompts wait for the prefill "
            "pool to be free; n answers share c seats, each for a time S.",
            f"A buyer's KV is worth keeping for {_spans(lives)}.",
            f"Rack: {live.rack.name}.",
            f"Log: {live.outcome.entries:,} entries, hash {live.outcome.log_hash[:16]}.",
        ),
        sources=tuple(dict.fromkeys(source.text for source in live.rack.sources)),
    )


def _spans(lives: Mapping[str, float]) -> str:
    return ", ".join(f"{shown(seconds, 'seconds', 3)} in {name}" for name, seconds in lives.items())


def _headlines(live: Live) -> tuple[Number, ...]:
    found = live.outcome
    first = found.shares[0] if found.shares[0] == found.shares[0] else None
    return (
        Number("deals", "Deals settled", float(found.settled), "count", f"of {found.consumers} who looked"),
        Number("welfare_usd", "Welfare", found.welfare, "dollars", "of the consumers"),
        Number("usd_per_deal", "Compute of a deal", found.usd_per_deal, "dollars", "both sides"),
        Number("welfare_per_usd", "Welfare per dollar", found.welfare_per_usd, "count", "of compute"),
        Number("price_ratio", "Paid over posted", found.price_ratio, "fraction", "all deals"),
        Number("first_share", "First quote taken", first, "fraction", "where there were several"),
        Number("latency_s", "Look to accept", found.latency.mean, "seconds", "on average"),
        Number("queue_p99_s", "Wait on the rack, p99", found.queue.p99, "seconds", "of a decision"),
        Number("utilisation", "Rack in use", live.utilisation, "fraction", "of what is rented"),
        Number("joules", "Energy", found.compute.joules, "joules", "of all decisions"),
    )


def _numbers(column: Any) -> tuple[float, ...]:
    return tuple(map(float, column))


def _deals(live: Live) -> Chart:
    return Chart(
        "deals",
        "Deals settled as the market runs",
        Axis("time", "seconds"),
        Axis("deals settled", "count", low=0.0),
        (Series("deals", _numbers(live.at_s), _numbers(live.deals), kind="steps", strong=True),),
    )


def _queue(live: Live) -> Chart:
    return Chart(
        "queue",
        "Wait of a decision on the rack",
        Axis("time", "seconds"),
        Axis("wait", "seconds", low=0.0),
        (Series("mean wait", _numbers(live.queue_at_s), _numbers(live.queue_s), strong=True),),
        about="For the prefill pool and for a seat; a gate and a wide search send prompts in bursts.",
    )


def _prices(live: Live) -> Chart:
    return Chart(
        "prices",
        "What was paid over the posted price",
        Axis("time", "seconds"),
        Axis("paid / posted", "fraction"),
        (Series("deals", _numbers(live.accepted_s), _numbers(live.price_ratio), kind="points", strong=True),),
        about="Learning sellers raise their price after a deal and lower it after a lost offer.",
    )


def _by_width(widths: ByWidth, town: Town) -> tuple[Chart, Chart]:
    marker = (Marker(float(town.width), "here"),)
    across = tuple(map(float, widths.widths))
    axis = Axis("sellers shown", "count", log=True)
    return (
        Chart(
            "welfare",
            "Welfare by search width",
            axis,
            Axis("welfare", "dollars", low=0.0),
            (Series("welfare", across, widths.welfare, strong=True),),
            marker,
            about="Readers of limited attention do worse in a longer list.",
        ),
        Chart(
            "compute",
            "Compute of a deal by search width",
            axis,
            Axis("a deal", "dollars"),
            (Series("a deal", across, widths.usd_per_deal, strong=True),),
            marker,
            about="Every seller asked is some 1,550 more tokens read and 115 written.",
        ),
    )


def _table(widths: ByWidth) -> Table:
    columns = (
        Column("width", "sellers shown", "count"),
        Column("deals", "deals", "count"),
        Column("welfare_usd", "welfare", "dollars"),
        Column("usd_per_deal", "compute of a deal", "dollars"),
        Column("latency_s", "look to accept", "seconds"),
    )
    rows = zip(widths.widths, widths.deals, widths.welfare, widths.usd_per_deal, widths.latency_s, strict=True)
    return Table("widths", "By search width", columns, tuple(tuple(map(float, row)) for row in rows))


CHAPTER = Chapter(
    "economy",
    "The economy",
    "Does the market work, and what does deciding cost?",
    CONTROLS,
    answer,
    order=150,
    part="Decide",
)
