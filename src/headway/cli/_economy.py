"""What the commands about markets share: their options, and how these become a market."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import click

from headway.cli._params import (
    CONFIG,
    FRACTION,
    TIME,
    choice,
    integer,
    model_names,
    quantity,
    system_names,
)
from headway.cli._report import Report

if TYPE_CHECKING:
    from headway.economy.attackers import Attack
    from headway.economy.buyers import Buyer
    from headway.economy.population import Population
    from headway.economy.rack import Rack
    from headway.economy.rules import Rules
    from headway.economy.sellers import Seller
    from headway.economy.simulate import Policies, Progress


@dataclass(frozen=True, slots=True)
class Market:
    """The options of a market as given on the command line; None where not given."""

    folder: str | None
    consumers: int
    businesses: int
    currency: str
    day: float
    buyers: str
    sellers: str
    attack: str | None
    share: float
    susceptibility: float | None
    contacts: int | None
    rule: str
    search: str
    width: int | None
    within: float | None
    fee: float
    gate: float
    bell: float
    group: float
    refunds: str
    reputation: float
    esteem: str
    visits: int
    rack: str | None
    on: str | None
    racks: float
    seed: int


def buyer_names() -> tuple[str, ...]:
    """Names of the buying policies."""
    from headway.economy.buyers import BUYERS

    return tuple(BUYERS)


def seller_names() -> tuple[str, ...]:
    """Names of the selling policies."""
    from headway.economy.sellers import SELLERS

    return tuple(SELLERS)


def attack_names() -> tuple[str, ...]:
    """Names of the attacks."""
    from headway.economy.attackers import ATTACKS

    return tuple(ATTACKS)


def rule_names() -> tuple[str, ...]:
    """Names of the mechanisms."""
    from headway.economy.rules import MECHANISMS

    return tuple(MECHANISMS)


def search_names() -> tuple[str, ...]:
    """Names of the searches."""
    from headway.economy.discovery import SEARCHES

    return tuple(SEARCHES)


def _refunds() -> tuple[str, ...]:
    from headway.economy.rules import REFUNDS

    return tuple(REFUNDS)


def _esteems() -> tuple[str, ...]:
    from headway.economy.rules import ESTEEMS

    return tuple(ESTEEMS)


_MOST: Final = 1_000_000
_OPTIONS: Final = (
    click.option("--consumers", type=integer(1, _MOST), default="1k", show_default=True, help="Drawn, without FOLDER."),
    click.option("--businesses", type=integer(1, _MOST), default="200", show_default=True, help="Drawn as well."),
    click.option("--day", type=TIME, default="24h", show_default=True, help="Over which drawn consumers arrive."),
    click.option("--currency", default="USD", show_default=True, metavar="CODE", help="Of every amount."),
    click.option("--buyers", type=choice("policy", buyer_names), default="optimal", show_default=True),
    click.option("--sellers", type=choice("policy", seller_names), default="posted", show_default=True),
    click.option("--contacts", type=integer(1, _MOST), help="Most sellers that a buyer asks."),
    click.option("--susceptibility", type=FRACTION, help="Chance that an instruction in a text redirects a buyer."),
    click.option("--attack", type=choice("attack", attack_names), help="What some agents do instead."),
    click.option("--share", type=FRACTION, default="10%", show_default=True, help="Of agents that attack."),
    click.option("--rule", type=choice("rule", rule_names), default="first-come", show_default=True),
    click.option("--search", type=choice("search", search_names), default="menu", show_default=True),
    click.option("--width", type=integer(1, _MOST), help="Results that a search shows; all where not given."),
    click.option("--within", type=quantity("count", "km"), help="Farthest seller shown, in km."),
    click.option("--fee", type=FRACTION, default="0", show_default=True, help="The platform's share of a deal."),
    click.option("--gate", type=TIME, default="10min", show_default=True, help="Longest wait for a batch of quotes."),
    click.option("--bell", type=TIME, default="0s", show_default=True, help="Nobody searches before it."),
    click.option("--group", type=TIME, default="0s", show_default=True, help="Period in which the rails answer."),
    click.option("--refunds", type=choice("rule", _refunds), default="evidence", show_default=True),
    click.option("--reputation", type=FRACTION, default="0", show_default=True, help="Its weight in search results."),
    click.option("--esteem", type=choice("measure", _esteems), default="earned", show_default=True, help="Of it."),
    click.option("--visits", type=integer(1, 1000), default="1", show_default=True, help="Of each consumer, a day."),
    click.option("--rack", type=choice("model", model_names), help="Model that decides; deciding is free without."),
    click.option("--on", type=choice("system", system_names), help="System of the rack."),
    click.option("--racks", type=quantity("count", "number"), default="1", show_default=True, help="Rented."),
    click.option("--seed", type=integer(0, 2**62), default="0", show_default=True, help="Of everything drawn."),
)


def market_options(function: Callable[..., Report]) -> Callable[..., Report]:
    """Add the options of a market; the function gets them as its first argument, a :class:`Market`."""
    names = tuple(entry.name for entry in fields(Market))

    @functools.wraps(function)
    def gather(**given: Any) -> Report:
        own = {name: given.pop(name) for name in names}
        return function(Market(**own), **given)

    found: Callable[..., Report] = gather
    for option in reversed(_OPTIONS):
        found = option(found)
    return click.argument("folder", required=False, metavar="[FOLDER]", type=CONFIG)(found)


def read_population(asked: Market) -> Population:
    """The population of a folder, or a drawn one."""
    from headway.economy.datasets import read_population as read
    from headway.economy.generated import generate_population

    if asked.folder is not None:
        return read(asked.folder, currency=asked.currency)
    return generate_population(
        asked.consumers,
        asked.businesses,
        seed=asked.seed,
        day_us=round(asked.day * 1e6),
        currency=asked.currency,
    )


def read_rules(asked: Market) -> Rules:
    """The market's rules."""
    from headway.economy.rules import Rules, basis_points

    return Rules(
        mechanism=asked.rule,
        search=asked.search,
        width=asked.width,
        within_km=asked.within,
        fee_bps=basis_points(asked.fee),
        gate_s=asked.gate,
        bell_s=asked.bell,
        group_s=asked.group,
        refunds=asked.refunds,
        reputation=asked.reputation,
        esteem=asked.esteem,
    )


def read_policies(asked: Market) -> Policies:
    """What both sides do."""
    from headway.economy.sellers import seller
    from headway.economy.simulate import Policies

    return Policies(read_buyer(asked, asked.buyers), seller(asked.sellers), read_attack(asked), asked.visits)


def read_buyer(asked: Market, name: str) -> Buyer:
    """A buying policy with the numbers given."""
    from dataclasses import replace

    from headway.economy.buyers import buyer

    found = buyer(name, susceptibility=asked.susceptibility)
    return found if asked.contacts is None else replace(found, contacts=asked.contacts)


def read_seller(name: str) -> Seller:
    """A selling policy."""
    from headway.economy.sellers import seller

    return seller(name)


def read_attack(asked: Market) -> Attack | None:
    """The attack, where one is asked for."""
    from headway.economy.attackers import Attack

    return None if asked.attack is None else Attack(asked.attack, asked.share)


def read_rack(asked: Market) -> Rack:
    """The rack that decisions run on: the cheapest plan for them, or a free one."""
    from headway.economy.rack import free_rack
    from headway.economy.rack_plan import plan_decisions, rack_for
    from headway.facts.errors import InputError
    from headway.facts.models import model
    from headway.facts.systems import system

    if asked.rack is None:
        if asked.on is not None:
            raise InputError("--on", asked.on, "a model with it, --rack MODEL")
        return free_rack()
    if asked.on is None:
        raise InputError("--rack", asked.rack, "a system with it, --on SYSTEM")
    return rack_for(plan_decisions(model(asked.rack), system(asked.on))).scaled(asked.racks)


def show_progress() -> Progress | None:
    """A line on a terminal's stderr with what is done."""
    if not sys.stderr.isatty():
        return None

    def show(done: int, every: int, now: float) -> None:
        end = "\n" if done >= every else ""
        print(f"\r{done:,} of {every:,} requests, {now:,.0f} s simulated", end=end, file=sys.stderr)

    return show


def amount(value: float, code: str) -> str:
    """An amount to the minor unit; nothing where it is not known."""
    from headway.economy.money import currency

    return f"{value:,.{currency(code).exponent}f}" if math.isfinite(value) else ""


def money(value: float, code: str) -> str:
    """An amount to the minor unit, with its currency."""
    return f"{amount(value, code)} {code}"


def dimension_of(code: str) -> str:
    """Dimension of a column of amounts."""
    return "dollars" if code == "USD" else ""
