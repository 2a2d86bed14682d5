"""``headway cache``: which prompt cache a trace should buy from a provider, or build."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from headway.cli._chart import Axis, Marker, Series, XYChart
from headway.cli._output import output_options
from headway.cli._params import MODEL, SYSTEM, TIME, TOKENS, choice, listed, quantity
from headway.cli._report import Cell, Column, Part, Quantity, Report, Table, Toned, facts_table
from headway.cli._traces import Read, load, trace_argument

if TYPE_CHECKING:
    from headway.facts.hardware import System
    from headway.facts.model import Model
    from headway.simulation.advise import Advice, CurvePoint
    from headway.simulation.tiers import Offer, Tier


def _policies() -> tuple[str, ...]:
    from headway.simulation.policies import POLICIES

    return tuple(POLICIES)


@click.group()
def cache() -> None:
    """Prompt caches: what a trace would hit, and what that is worth."""


@cache.command()
@trace_argument
@click.option("--ttl", type=listed(TIME), help="Lives to list, as '5min,1h'; a fixed row of them where not given.")
@click.option("--capacity", type=listed(TOKENS), help="Capacities to list, as '3M,10M'; fitting ones where not given.")
@click.option(
    "--policy",
    type=listed(choice("policy", _policies)),
    default="unlimited,lru",
    show_default=True,
    help="unlimited, lru, lfu, s3-fifo, belady; all but the first two are simulated block by block.",
)
@click.option("--model", type=MODEL, default="deepseek-v3", show_default=True, help="Whose tokens are cached.")
@click.option("--on", "system", type=SYSTEM, default="hgx-h200", show_default=True, help="What would compute it again.")
@click.option("--prefill", type=quantity("dollars_per_mtok"), help="Cost of a prompt token; that at peak if not given.")
@output_options
def advise(
    source: Read,
    ttl: tuple[float, ...] | None,
    capacity: tuple[float, ...] | None,
    policy: tuple[str, ...],
    model: Any,
    system: Any,
    prefill: float | None,
) -> Report:
    """Say which cache TRACE should buy or build, and when caching loses money.

    Hit rates are exact: pooled over input tokens, by life since the last use and by capacity. A provider's terms
    are billed on them; memory and storage of one's own are priced at the size that earns most.

    Example: headway cache advise log.jsonl.gz --ttl 5min,1h --policy unlimited,lru,belady
    """
    from headway.simulation.advise import advise as ask

    found = ask(
        load(source), model, system, ttls_s=ttl, capacities=capacity, policies=policy, recompute_usd_per_mtok=prefill
    )
    return Report(
        title=f"{found.trace}: which prompt cache to buy or build",
        parts=_parts(found, model, system),
        notes=_notes(found),
        document=_document(found),
        data=_curve(found),
    )


def _parts(found: Advice, model: Model, system: System) -> tuple[Part, ...]:
    reuse: list[tuple[str, Cell]] = [
        ("input tokens reusable, pooled", Quantity(found.most.tokens_pooled, "fraction")),
        ("input tokens reusable, mean of requests", Quantity(found.most.tokens_per_request, "fraction")),
        ("blocks reusable, pooled", Quantity(found.most.blocks_pooled, "fraction")),
        ("block reuse interval, p50", Quantity(found.interval_p50_s, "seconds")),
        ("block reuse interval, p90", Quantity(found.interval_p90_s, "seconds")),
        ("block reuse interval, p99", Quantity(found.interval_p99_s, "seconds")),
        ("life that serves 95% of what can be", Quantity(found.ttl_95_s, "seconds")),
    ]
    title = f"A cache of your own for {model.name}, sized to earn most, against computing again on {system.name}"
    return (
        facts_table("reuse", reuse, "Reuse"),
        _chart(found),
        _curve(found),
        _offers(found),
        _tiers(found, title),
    )


def _chart(found: Advice) -> XYChart:
    points = [p for p in found.curve if p.capacity_tokens is None and p.ttl_s is not None]
    line = Series("pooled input tokens", [p.ttl_s or 0.0 for p in points], [p.tokens_pooled for p in points])
    marks = tuple(Marker(seconds, label) for seconds, label in ((300.0, "5 min"), (3600.0, "1 h")))
    return XYChart(
        "Hit rate by life since the last use, no limit of capacity",
        Axis("life", "seconds", log=True),
        Axis("hit rate", "fraction"),
        (line,),
        marks,
    )


def _curve(found: Advice) -> Table:
    columns = (
        Column("policy", "policy", align="left"),
        Column("ttl_s", "life", "seconds"),
        Column("capacity_tokens", "capacity", "tokens"),
        Column("tokens_pooled", "hit rate,\ntokens pooled", "fraction"),
        Column("tokens_per_request", "mean of\nrequests", "fraction", priority=1),
        Column("blocks_pooled", "blocks\npooled", "fraction", priority=2),
    )
    return Table("curve", columns, tuple(_point(p) for p in found.curve), "Hit rate by life and capacity")


def _point(p: CurvePoint) -> tuple[Cell, ...]:
    blocks = None if math.isnan(p.blocks_pooled) else p.blocks_pooled
    return (p.policy, p.ttl_s, p.capacity_tokens, p.tokens_pooled, p.tokens_per_request, blocks)


def _offers(found: Advice) -> Table:
    columns = (
        Column("offer", "offer", align="left"),
        Column("write", "write"),
        Column("read", "read"),
        Column("ttl_s", "life", "seconds"),
        Column("tokens_pooled", "hit rate,\ntokens pooled", "fraction"),
        Column("break_even_hit", "pays\nfrom", "fraction", priority=1),
        Column("billing_multiplier", "input bill,\nuncached = 1"),
        Column("verdict", "", align="left"),
    )
    return Table("offers", columns, tuple(_offer(o) for o in found.offers), "Providers' terms, cheapest first")


def _offer(o: Offer) -> tuple[Cell, ...]:
    terms = o.terms
    verdict = Toned("saves", "good") if o.saves else Toned("loses", "bad") if o.loses else "even"
    pays = o.break_even_hit if o.break_even_hit <= 1 else None
    bill = float(f"{o.billing_multiplier:.4g}")
    return (terms.name, terms.write, terms.read, terms.ttl_s, o.tokens_pooled, pays, bill, verdict)


def _tiers(found: Advice, title: str) -> Table:
    columns = (
        Column("tier", "tier", align="left"),
        Column("hold_break_even_s", "hold a token\nup to", "seconds"),
        Column("capacity_bytes", "size", "bytes"),
        Column("tokens_pooled", "hit rate,\nLRU", "fraction"),
        Column("saved_usd_per_hour", "saved\nper hour", "dollars", priority=1),
        Column("rent_usd_per_hour", "rent\nper hour", "dollars", priority=1),
        Column("net_usd_per_hour", "net\nper hour", "dollars"),
        Column("load", "read\nload", "fraction", priority=2),
        Column("verdict", "", align="left"),
    )
    return Table("tiers", columns, tuple(_tier(t, found) for t in found.tiers), title)


def _tier(t: Tier, found: Advice) -> tuple[Cell, ...]:
    size = t.capacity_bytes or None
    verdict = Toned(t.verdict, "good" if t.name == found.build else "")
    cells = (t.hold_break_even_s, size, t.tokens_pooled, t.saved_usd_per_hour, t.rent_usd_per_hour, t.net_usd_per_hour)
    return (t.name, *cells, t.load, verdict)


def _notes(found: Advice) -> tuple[str, ...]:
    return (*found.conclusions, *found.assumptions, *found.notes)


def _document(found: Advice) -> dict[str, Any]:
    offers = [
        {
            "offer": o.terms.name,
            "provider": o.terms.provider,
            "write": o.terms.write,
            "read": o.terms.read,
            "least_tokens": o.terms.least_tokens,
            "ttl_s": o.terms.ttl_s,
            "capacity_tokens": None,
            "policy": "unlimited",
            "tokens_pooled": o.tokens_pooled,
            "billing_multiplier": o.billing_multiplier,
            "storage_share": o.storage_share,
            "break_even_hit": o.break_even_hit,
            "loses": o.loses,
        }
        for o in found.offers
    ]
    tiers = [
        {
            "tier": t.name,
            "ttl_s": None,
            "capacity_tokens": t.capacity_tokens,
            "policy": "lru",
            "tokens_pooled": t.tokens_pooled,
            "capacity_bytes": t.capacity_bytes,
            "hold_break_even_s": t.hold_break_even_s,
            "saved_usd_per_hour": t.saved_usd_per_hour,
            "rent_usd_per_hour": t.rent_usd_per_hour,
            "net_usd_per_hour": t.net_usd_per_hour,
            "load": t.load,
            "slowdown": t.slowdown,
            "verdict": t.verdict,
        }
        for t in found.tiers
    ]
    return {
        "trace": found.trace,
        "requests": found.requests,
        "input_tokens": found.input_tokens,
        "blocks": found.blocks,
        "reusable": found.most,
        "curve": found.curve,
        "offers": offers,
        "tiers": tiers,
        "buy": found.buy,
        "build": found.build,
        "notes": list(_notes(found)),
    }
