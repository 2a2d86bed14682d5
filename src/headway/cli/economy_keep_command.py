"""``headway economy keep``: how long a buyer's KV pays to keep while its sellers think, and in which tier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headway.cli._chart import Axis, Marker, Series, XYChart
from headway.cli._output import output_options
from headway.cli._params import MODEL, SYSTEM, TIME, TOKENS, choice, listed, quantity
from headway.cli._report import Cell, Column, Quantity, Report, Table, Toned, facts_table
from headway.facts.units import format_quantity

if TYPE_CHECKING:
    from headway.economy.keep import Keep
    from headway.economy.keep_offers import KeepOffer
    from headway.facts.hardware import System
    from headway.facts.model import Model


def devices() -> tuple[str, ...]:
    """Names of the storage devices."""
    from headway.facts.storage import storage_names

    return storage_names()


@click.command()
@click.argument("model", type=MODEL)
@click.option("--on", "system", type=SYSTEM, required=True, help="System that serves the agents.")
@click.option("--sellers", type=quantity("count", "number"), default="3", show_default=True, help="Asked by a buyer.")
@click.option("--prefix", type=TOKENS, help="What the next prompt repeats; a mean call's where not given.")
@click.option(
    "--reply", type=listed(TIME), default="1s,10s,1min,10min,1h,24h", show_default=True, help="Delays to list."
)
@click.option("--stores", type=listed(choice("device", devices)), help="Devices beside the system's own memories.")
@click.option("--tpot", type=TIME, default="50ms", show_default=True, help="Limit of the plan that reads again.")
@click.option("--price", type=quantity("dollars_per_gpu_hour", "price"), help="Rent, as '$2.10/GPU-h'.")
@output_options
def keep(
    model: Model,
    system: System,
    sellers: float,
    prefix: float | None,
    reply: tuple[float, ...],
    stores: tuple[str, ...] | None,
    tpot: float,
    price: float | None,
) -> Report:
    """Compare holding the KV of a buyer's prompt with reading the prompt again, by the sellers' reply delay.

    Example: headway economy keep deepseek-v3 --on gb200-nvl72 --reply 1s,1min,1h
    """
    from headway.economy.keep import STORES, hold_tiers, keep_prefix
    from headway.economy.keep_offers import keep_offers
    from headway.economy.rack_plan import plan_decisions, rack_for
    from headway.economy.tokens import buyer_decision
    from headway.serving.plan import default_prices
    from headway.serving.workload import Prices

    prices = default_prices(system) if price is None else Prices(price)
    found = plan_decisions(model, system, sellers_asked=sellers, tpot=tpot, prices=prices)
    title = f"{model.name} on {system.name}: keep a buyer's KV, or read its prompt again?"
    if not found.feasible:
        return Report(title, notes=(f"infeasible: {found.reason}",), exit_code=1)
    tiers = hold_tiers(system, stores=stores or STORES, usd_per_chip_hour=prices.usd_per_chip_hour)
    rack = rack_for(found)
    kept = keep_prefix(model, rack, tiers, prefix_tokens=prefix, delays_s=reply, sellers_asked=sellers)
    calls = buyer_decision(sellers).calls
    offers = [keep_offers(delay, kept.prefix_tokens, calls)[0] for delay in reply]
    parts = (_facts(kept), _tiers(kept), _chart(kept), _delays(kept, offers))
    notes = (_sentence(kept), f"read again on {rack.name}", *kept.assumptions)
    return Report(title, parts, notes, _document(kept, offers), data=parts[3])


def _sentence(kept: Keep) -> str:
    steps = [f"{name} from {format_quantity(start, 'seconds')}" for start, name in kept.steps]
    quick = [f"{name} from {format_quantity(start, 'seconds')}" for start, name in kept.quick_steps]
    said = f"cheapest: {', '.join(steps)}"
    return said if quick == steps else f"{said}; loaded no slower than read again: {', '.join(quick)}"


def _facts(kept: Keep) -> Table:
    rows: list[tuple[str, Cell]] = [
        ("prefix that comes back", Quantity(kept.prefix_tokens, "tokens")),
        ("its KV", Quantity(kept.size_bytes, "bytes")),
        ("reading it again costs", Quantity(kept.again_usd, "dollars")),
        ("and takes", Quantity(kept.again_s, "seconds")),
    ]
    return facts_table("prefix", rows)


def _tiers(kept: Keep) -> Table:
    columns = (
        Column("tier", "tier", align="left"),
        Column("break_even_s", "pays up to\na delay of", "seconds"),
        Column("load_s", "loads in", "seconds"),
        Column("quick", "", align="left"),
        Column("usd_per_hour", "rent of the\ndevice, hour", "dollars", priority=1),
        Column("capacity_bytes", "capacity", "bytes", priority=2),
    )
    rows = []
    for tier, pays, load in zip(kept.tiers, kept.break_even_s, kept.load_s, strict=True):
        quick = Toned("no slower", "good") if load <= kept.again_s else Toned("slower than reading again", "warn")
        rows.append((tier.name, pays, load, quick, tier.usd_per_s * 3600.0, tier.capacity))
    return Table("tiers", columns, tuple(rows), "Where it can be kept")


def _chart(kept: Keep) -> XYChart:
    from headway.economy.keep import cost_lines

    delays, costs = cost_lines(kept)
    names = (*(t.name for t in kept.tiers), "recompute")
    series = tuple(Series(name, delays.tolist(), column.tolist()) for name, column in zip(names, costs.T, strict=True))
    marks = (Marker(60.0, "1 min"), Marker(3600.0, "1 h"), Marker(86400.0, "1 day"))
    return XYChart(
        "Cost of one prefix by reply delay",
        Axis("reply delay", "seconds", log=True),
        Axis("a prefix", "dollars", log=True),
        series,
        marks,
    )


def _delays(kept: Keep, offers: list[KeepOffer]) -> Table:
    names = (*(t.name for t in kept.tiers), "recompute")
    columns = (
        Column("reply_s", "reply\nafter", "seconds"),
        Column("best", "keep in", align="left"),
        *(Column(f"{name}_usd", name, "dollars", priority=2) for name in names),
        Column("offer", "provider's\ncache", align="left", priority=1),
        Column("offer_multiple", "prefix's bill,\nplain input 1", priority=1),
    )
    rows: list[tuple[Cell, ...]] = []
    for delay, best, usd, offer in zip(kept.delays_s, kept.choice.best_names(), kept.choice.usd, offers, strict=True):
        name = offer.terms.name if offer.pays else "none pays"
        rows.append((float(delay), best, *map(float, usd), name, float(f"{offer.multiple:.3g}")))
    return Table("delays", columns, tuple(rows), "By reply delay")


def _document(kept: Keep, offers: list[KeepOffer]) -> dict[str, Any]:
    return {
        "prefix_tokens": kept.prefix_tokens,
        "size_bytes": kept.size_bytes,
        "again_usd": kept.again_usd,
        "again_s": kept.again_s,
        "tiers": [
            {"tier": t.name, "break_even_s": pays, "load_s": load}
            for t, pays, load in zip(kept.tiers, kept.break_even_s, kept.load_s, strict=True)
        ],
        "cheapest_from_s": [{"from_s": start, "tier": name} for start, name in kept.steps],
        "cheapest_quick_from_s": [{"from_s": start, "tier": name} for start, name in kept.quick_steps],
        "delays": [
            {"reply_s": float(d), "best": best, "offer": o.terms.name, "offer_multiple": o.multiple}
            for d, best, o in zip(kept.delays_s, kept.choice.best_names(), offers, strict=True)
        ],
        "assumptions": kept.assumptions,
        "sources": [source.text for source in kept.sources],
    }
