"""The market's floor: what the event loop's handlers share, and the few steps that all of them take."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappush
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from headway.economy._desk import Desk, Then
from headway.economy.attackers import Attack, Staged
from headway.economy.buyers import Buyer
from headway.economy.commands import BillCompute, MakeOffer
from headway.economy.discovery import Index
from headway.economy.listings import Listings
from headway.economy.population import Population
from headway.economy.rack import Rack, RackClock, Served, serve
from headway.economy.rules import Rules
from headway.economy.sellers import Seller, floor_price, learned
from headway.economy.state import Reply
from headway.economy.tokens import DecisionTokens, buyer_decision, seller_decision

US: Final = 1_000_000
CHARS_PER_TOKEN: Final = 4
"""Characters of English text per token, to count a listing that is read and not asked (assumed; a common rule)."""

GRIEFS: Final = 8
"""Deals that a griefer may hold at once, and times that it comes back [1]."""

Event: TypeAlias = "tuple[int, int, Callable[..., None], tuple[Any, ...]]"


class Quote(NamedTuple):
    """What a seller asks of one buyer [micro]; `nth` is its place among the quotes that came, from 1."""

    seller: int
    offer_id: str
    version: int
    price: int
    posted: int
    nth: int


@dataclass(frozen=True, slots=True)
class Request:
    """One buyer's request while it is open.

    Parameters
    ----------
    consumer, start_us, worth, limit : int
        Who; since when [us]; what the basket is worth, and the most it may pay [micro].
    mandate : str
        Under which it may pay.
    rng : numpy.random.Generator
        Its own stream.
    first : bool
        Whether it takes the first acceptable offer.
    believed : dict of int to bool
        Sellers shown, and whether each is believed to fit.
    asked : list of int
        Sellers asked.
    quotes : list of Quote
        In order of arrival.
    waiting : set of int
        Sellers that have not answered.
    said : dict of str to int
        Flags and counts: "deciding", "closed", "redirected", "round", "came".
    """

    consumer: int
    start_us: int
    worth: int
    limit: int
    mandate: str
    rng: np.random.Generator
    first: bool
    believed: dict[int, bool] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    quotes: list[Quote] = field(default_factory=list)
    waiting: set[int] = field(default_factory=set)
    said: dict[str, int] = field(default_factory=dict)


class DealRow(NamedTuple):
    """One accepted offer [micro, us]; `place` is its place as shown, `nth` as it came."""

    consumer: int
    business: int
    paid: int
    posted: int
    nth: int
    place: int
    asked: int
    start_us: int
    at_us: int
    redirected: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What a run counts.

    Parameters
    ----------
    deals : list of DealRow
        Every accepted offer.
    settled : dict of int to int
        Settled deals and what was refunded [micro].
    walked : Counter
        Requests that ended without a deal, by reason.
    served_at, queue, seconds : array
        Of each decision: when, waiting, and all [s].
    sums : dict of str to float
        Decisions, calls, tokens, rack seconds, joules, dollars.
    recall : list of float
        Of the first searches.
    asked : list of int
        Sellers asked in each request.
    """

    deals: list[DealRow] = field(default_factory=list)
    settled: dict[int, int] = field(default_factory=dict)
    walked: Counter[str] = field(default_factory=Counter)
    served_at: array[float] = field(default_factory=lambda: array("d"))
    queue: array[float] = field(default_factory=lambda: array("d"))
    seconds: array[float] = field(default_factory=lambda: array("d"))
    sums: dict[str, float] = field(default_factory=lambda: defaultdict(int))
    recall: list[float] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Floor:
    """Everything that a running market is.

    Parameters
    ----------
    population, listings, index
        Who takes part, what is shown of them, and how it is found.
    rules, buyer, seller, attack, staged
        What they do.
    rack, desk
        What their decisions run on, and the way to the rails.
    minor : int
        Micros of a minor unit.
    seed : int
        Of every stream.
    kv_life_us : float
        How long a buyer's prefix stays cached while it waits for quotes [us].
    heap, ticket, clock
        Events, their count, and the rack's memory.
    requests : dict of int to Request
        Open ones by consumer.
    capacity, busy : list of int
        Deals that each business can have open, 0 for any number, and has.
    factor : list of float
        What learning sellers ask over their posted price.
    esteem, esteem_us : list
        Reputation of each business over the best one, and when it was taken [us]; empty before.
    owed : dict of str to int
        Billed to each agent and not yet posted [micro].
    broke : set of str
        Agents whose wallet could not pay a bill.
    menus, has : list
        Prices by item, and tags, of each listing.
    closing : dict of int to DecisionTokens
        Tokens of a buyer's choice by sellers asked.
    tally : Tally
        What is counted.
    """

    population: Population
    listings: Listings
    index: Index
    rules: Rules
    buyer: Buyer
    seller: Seller
    attack: Attack | None
    staged: Staged
    rack: Rack
    desk: Desk
    minor: int
    seed: int
    kv_life_us: float
    heap: list[Event] = field(default_factory=list)
    ticket: list[int] = field(default_factory=lambda: [0])
    clock: list[RackClock] = field(default_factory=lambda: [RackClock()])
    requests: dict[int, Request] = field(default_factory=dict)
    capacity: list[int] = field(default_factory=list)
    busy: list[int] = field(default_factory=list)
    factor: list[float] = field(default_factory=list)
    esteem: list[float] = field(default_factory=list)
    esteem_us: list[int] = field(default_factory=list)
    owed: dict[str, int] = field(default_factory=dict)
    broke: set[str] = field(default_factory=set)
    menus: list[dict[int, int]] = field(default_factory=list)
    has: list[frozenset[int]] = field(default_factory=list)
    closing: dict[int, DecisionTokens] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)

    def at(self, time_us: int, function: Callable[..., None], *args: Any) -> None:
        """Let something happen: events of one time happen in the order in which they were called for."""
        self.ticket[0] += 1
        heappush(self.heap, (time_us, self.ticket[0], function, args))

    def name(self, consumer: int) -> str:
        """Of a consumer on the ledger."""
        return self.population.consumers.ids[consumer]

    def shop(self, business: int) -> str:
        """Of a business on the ledger."""
        return self.population.businesses.ids[business]

    def full(self, business: int) -> bool:
        """Whether a business has as many open deals as it can serve."""
        capacity = self.capacity[business]
        return 0 < capacity <= self.busy[business]

    def griefs(self, consumer: int) -> bool:
        """Whether a consumer accepts only to cancel."""
        return self.attack is not None and self.attack.kind == "hold-griefing" and consumer in self.staged.buyers

    def hostile(self, business: int, kind: str) -> bool:
        """Whether a business attacks in this way."""
        return self.attack is not None and self.attack.kind == kind and business in self.staged.sellers


def stream(seed: int, name: str, visit: int = 0) -> np.random.Generator:
    """An agent's own stream for one visit, by its name, so that it draws the same in whatever shard it lives."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(3, key, visit))))


def basket_price(menu: dict[int, int], basket: list[int]) -> int | None:
    """Posted price of a basket [micro]; None where an item is not sold."""
    total = 0
    for item in basket:
        price = menu.get(item)
        if price is None:
            return None
        total += price
    return total


def basket_of(floor: Floor, consumer: int) -> list[int]:
    """Items that a consumer wants."""
    found: list[int] = floor.population.consumers.basket.row(consumer).tolist()
    return found


def fits(floor: Floor, consumer: int, business: int) -> bool:
    """Whether a business has the whole basket and every tag needed."""
    needs = floor.population.consumers.needs.row(consumer).tolist()
    menu, has = floor.menus[business], floor.has[business]
    return all(tag in has for tag in needs) and all(item in menu for item in basket_of(floor, consumer))


def least(floor: Floor, business: int, posted: int) -> int:
    """A seller's own floor for a basket [micro]."""
    return floor_price(posted, float(floor.population.businesses.reserve[business]), floor.minor)


def closing_tokens(floor: Floor, asked: int) -> DecisionTokens:
    """A buyer's tokens after asking: what its decision takes with so many sellers, less what it takes with none."""
    found = floor.closing.get(asked)
    if found is None:
        none, some = buyer_decision(0), buyer_decision(asked)
        calls = max(some.calls - none.calls / 2, 0.5)
        read = some.input - none.input
        found = DecisionTokens(read, min(some.cached - none.cached, read), max(some.output - none.output, 0), calls)
        floor.closing[asked] = found
    return found


def opening_tokens(floor: Floor, reading: int) -> DecisionTokens:
    """A buyer's tokens before asking: the trunk, and the listings that it reads without asking their sellers."""
    none = floor.closing.get(-1)
    if none is None:
        trunk = buyer_decision(0)
        none = floor.closing[-1] = DecisionTokens(trunk.input, trunk.cached, trunk.output, trunk.calls / 2)
    return DecisionTokens(none.input + reading, none.cached, none.output, none.calls) if reading else none


def answer_tokens(floor: Floor) -> DecisionTokens:
    """A seller's tokens for one answer."""
    found = floor.closing.get(-2)
    if found is None:
        found = floor.closing[-2] = seller_decision()
    return found


def price_of(rack: Rack, tokens: DecisionTokens) -> float:
    """Dollars that a rack charges for a decision [$]."""
    fresh = tokens.input - tokens.cached
    seconds = fresh * rack.rack_s_per_input + tokens.cached * rack.rack_s_per_cached
    return float(seconds + tokens.output * rack.rack_s_per_output) * rack.usd_per_s


def decide(floor: Floor, now: int, agent: str, tokens: DecisionTokens) -> int | None:
    """Run a decision on the rack, bill its agent, and say when it is done [us]; None where the agent cannot pay."""
    if floor.rack.micros_per_hour and not _can_pay(floor, agent, tokens):
        floor.broke.add(agent)
        return None
    after, served = serve(floor.rack, floor.clock[0], now / US, tokens)
    floor.clock[0] = after
    tally = floor.tally
    tally.served_at.append(now / US)
    tally.queue.append(served.queue_s)
    tally.seconds.append(served.seconds)
    _count(floor, tokens, served, 1)
    command = BillCompute(
        floor.desk.key(), agent, served.micros, tokens.input, tokens.cached, tokens.output, served.rack_us
    )
    floor.owed[agent] = floor.owed.get(agent, 0) + served.micros
    floor.desk.ask(now, None, command, _billed, floor, agent, tokens, served)
    return now + round(served.seconds * US)


def _can_pay(floor: Floor, agent: str, tokens: DecisionTokens) -> bool:
    """Whether wallet and takings, less what is billed already, are enough for a decision."""
    rails, code = floor.desk.rails, floor.population.currency
    free = rails.balance(agent, code) + rails.balance(agent, code, "merchant") - floor.owed.get(agent, 0)
    return free > price_of(floor.rack, tokens) * US + 1


def _count(floor: Floor, tokens: DecisionTokens, served: Served, sign: int) -> None:
    sums = floor.tally.sums
    sums["decisions"] += sign
    sums["calls"] += sign * tokens.calls
    sums["input_tokens"] += sign * tokens.input
    sums["cached_tokens"] += sign * tokens.cached
    sums["output_tokens"] += sign * tokens.output
    sums["rack_us"] += sign * served.rack_us
    sums["joules"] += sign * served.joules
    sums["micros"] += sign * served.micros


def _billed(_now: int, reply: Reply, floor: Floor, agent: str, tokens: DecisionTokens, served: Served) -> None:
    floor.owed[agent] -= served.micros
    if not reply.ok:
        floor.broke.add(agent)
        _count(floor, tokens, served, -1)
        floor.tally.sums["unpaid"] += 1


def close(floor: Floor, request: Request, sold_to: int | None) -> None:
    """End a request: its sellers learn who won."""
    request.said["closed"] = 1
    floor.requests.pop(request.consumer, None)
    floor.tally.asked.append(len(request.asked))
    if floor.seller.learns:
        for quote in request.quotes:
            seller = quote.seller
            floor.factor[seller] = learned(floor.seller, floor.factor[seller], seller == sold_to)


def walk(floor: Floor, request: Request, reason: str) -> None:
    """End a request without a deal."""
    floor.tally.walked[reason] += 1
    close(floor, request, None)


def offer(now: int, floor: Floor, request: Request, quote: Quote, then: Then) -> None:
    """Put a quote on the rails, addressed to the buyer; `then` hears of it with its identifier."""
    floor.ticket[0] += 1
    quote = quote._replace(offer_id=f"o{floor.ticket[0]}")
    items = split(floor, request.consumer, quote.seller, quote.price)
    expires = now + round((floor.rules.offer_s + floor.rules.group_s) * US)
    command = MakeOffer(
        floor.desk.key(),
        quote.offer_id,
        floor.shop(quote.seller),
        floor.name(request.consumer),
        items,
        quote.price,
        floor.population.currency,
        expires,
    )
    floor.desk.ask(now, floor.shop(quote.seller), command, then, floor, request, quote)


def split(floor: Floor, consumer: int, seller: int, total: int) -> tuple[tuple[str, int], ...]:
    """A total over the basket's items, in proportion to their posted prices and whole in minor units [micro]."""
    menu, names = floor.menus[seller], floor.population.items
    basket = basket_of(floor, consumer)
    posted = sum(menu[item] for item in basket)
    parts = [menu[item] * total // posted // floor.minor * floor.minor for item in basket]
    parts[0] += total - sum(parts)
    return tuple((names[item], part) for item, part in zip(basket, parts, strict=True))
