"""``headway economy racks``: what so many conversations between agents need in racks, power and dollars."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from headway.cli._output import output_options
from headway.cli._params import FRACTION, MODEL, SYSTEM, TIME, choice, integer, listed, quantity
from headway.cli._report import Cell, Column, Part, Passage, Report, Table
from headway.serving.document import layout_name

if TYPE_CHECKING:
    from headway.economy.scale import MarketFleet
    from headway.facts.hardware import System
    from headway.facts.model import Model
    from headway.serving.workload import Prices


def volumes() -> tuple[str, ...]:
    """Names of the public figures."""
    from headway.facts.agent_tokens import volume_names

    return volume_names()


@click.command()
@click.argument("model", type=MODEL)
@click.option("--on", "systems", type=listed(SYSTEM), required=True, help="Systems, separated by commas.")
@click.option("--volume", type=choice("name", volumes), help="A public figure in place of --conversations.")
@click.option("--conversations", type=quantity("count", "number"), help="As '10M'; with --every.")
@click.option("--every", type=TIME, default="24h", show_default=True, help="Time in which they come.")
@click.option("--sellers", type=listed(quantity("count", "number")), default="3,10", show_default=True)
@click.option("--peak", type=quantity("count", "times"), default="1", show_default=True, help="Busiest hour over mean.")
@click.option("--utilisation", type=FRACTION, default="70%", show_default=True, help="Of a deployment in that hour.")
@click.option("--survives", type=FRACTION, default="100%", show_default=True, help="Repeated prefixes still held.")
@click.option("--thinking", type=quantity("count", "times"), default="1", show_default=True, help="Output multiple.")
@click.option("--replica", type=quantity("tokens_per_second", "rate"), help="A replica's output, for comparison.")
@click.option("--ttft", type=TIME, help="Limit on the mean time to first token.")
@click.option("--tpot", type=TIME, default="50ms", show_default=True, help="Limit on the time per output token.")
@click.option("--gpus", type=integer(1, 1_000_000), help="Chips of one deployment; one node or rack by default.")
@click.option("--price", type=quantity("dollars_per_gpu_hour", "price"), help="Rent, as '$2.10/GPU-h'.")
@click.option("--power-price", type=quantity("dollars_per_kwh", "price"), default="$0/kWh", help="As '$0.08/kWh'.")
@output_options
def racks(
    model: Model,
    systems: tuple[System, ...],
    volume: str | None,
    conversations: float | None,
    every: float,
    sellers: tuple[float, ...],
    peak: float,
    utilisation: float,
    survives: float,
    thinking: float,
    replica: float | None,
    ttft: float | None,
    tpot: float,
    gpus: int | None,
    price: float | None,
    power_price: float,
) -> Report:
    """Size a fleet for conversations between buyers' and sellers' agents that MODEL speaks for.

    Example: headway economy racks deepseek-v3 --on gb200-nvl72 --conversations 10M --every 7d
    """
    from headway.economy.scale import conversation_rate, size_market, with_output

    rate, said = conversation_rate(volume, conversations, every)
    tokens = with_output(thinking)
    found = [
        (
            system,
            asked,
            size_market(
                rate,
                model,
                system,
                sellers_asked=asked,
                tokens=tokens,
                peak=peak,
                utilisation=utilisation,
                survives=survives,
                replica_tokens_per_s=replica,
                ttft=math.inf if ttft is None else ttft,
                tpot=tpot,
                prices=_prices(system, price, power_price),
                chips=gpus,
            ),
        )
        for system in systems
        for asked in sellers
    ]
    first = [(asked, market) for system, asked, market in found if system is systems[0]]
    lost = [(system.name, market.reason) for system, _, market in found if not market.feasible]
    parts: list[Part] = [_load(first)]
    if len(lost) < len(found):
        parts.append(_fleets(found))
    parts += [Passage(f"{name}: infeasible", (why,)) for name, why in dict.fromkeys(lost)]
    result = found[0][2].result
    notes = (
        f"{said}: {rate:,.4g} conversations a second on average, {peak:g} times that in the busiest hour",
        "replicas: of the seed's rate or of --replica, for their output alone; the fleet is planned for all of it",
        *result.assumptions,
    )
    return Report(
        f"{model.name}: racks for agents' conversations",
        tuple(parts),
        notes,
        _document(said, rate, found),
        exit_code=0 if len(lost) < len(found) else 1,
    )


def _prices(system: System, price: float | None, power_price: float) -> Prices:
    from headway.serving.plan import default_prices
    from headway.serving.workload import Prices

    return default_prices(system, None, power_price) if price is None else Prices(price, power_price)


def _load(found: list[tuple[float, MarketFleet]]) -> Table:
    columns = (
        Column("sellers", "sellers\nasked"),
        Column("calls_per_s", "calls", "requests_per_second", priority=1),
        Column("input_tokens_per_s", "input", "tokens_per_second"),
        Column("cached_tokens_per_s", "repeats", "tokens_per_second"),
        Column("output_tokens_per_s", "output", "tokens_per_second"),
        Column("decode_replicas", "replicas\nby output"),
    )
    rows = tuple(
        (
            asked,
            m.rates.calls,
            m.rates.input,
            m.rates.cached,
            m.rates.output,
            float(f"{m.rates.decode_replicas:.3g}"),
        )
        for asked, m in found
    )
    return Table("load", columns, rows, "Tokens, on average")


def _fleets(found: list[tuple[System, float, MarketFleet]]) -> Table:
    columns = (
        Column("system", "system", align="left"),
        Column("sellers", "sellers\nasked"),
        Column("chips", "GPUs"),
        Column("units", "nodes or\nracks"),
        Column("watts", "power", "watts"),
        Column("usd_per_hour", "per hour", "dollars"),
        Column("usd_per_conversation", "a conver-\nsation", "dollars"),
        Column("joules_per_conversation", "energy of\none", "joules", priority=1),
        Column("load", "load at\nthe peak", "fraction", priority=2),
        Column("tpot_s", "TPOT", "seconds", priority=3),
        Column("layout", "deployment", align="left", fold=True, priority=1),
    )
    rows: list[tuple[Cell, ...]] = []
    for system, asked, m in found:
        f = m.fleet
        if f is not None:
            each = None if math.isnan(m.joules_per_conversation) else m.joules_per_conversation
            watts = None if math.isnan(f.watts) else f.watts
            cells = (f.chips, f.units, watts, f.usd_per_hour, m.usd_per_conversation, each, f.load, f.plan.tpot_s)
            rows.append((system.name, asked, *cells, layout_name(f.plan)))
    return Table("fleets", columns, tuple(rows), "Fleets for the busiest hour", group="system")


def _document(said: str, rate: float, found: list[tuple[System, float, MarketFleet]]) -> dict[str, Any]:
    return {
        "volume": said,
        "conversations_per_s": rate,
        "markets": [
            {
                "system": system.name,
                "sellers": asked,
                "feasible": m.feasible,
                "reason": m.reason,
                "tokens": m.tokens,
                "rates": m.rates,
                "chips": m.fleet and m.fleet.chips,
                "units": m.fleet and m.fleet.units,
                "replicas": m.fleet and m.fleet.replicas,
                "watts": None if m.fleet is None or math.isnan(m.fleet.watts) else m.fleet.watts,
                "usd_per_hour": m.fleet and m.fleet.usd_per_hour,
                "usd_per_conversation": None if m.fleet is None else m.usd_per_conversation,
                "joules_per_conversation": None if math.isnan(m.joules_per_conversation) else m.joules_per_conversation,
            }
            for system, asked, m in found
        ],
    }
