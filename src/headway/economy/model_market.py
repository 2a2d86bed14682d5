"""A language model goes shopping: consumers of a population, one after another, on rails, against posted prices.

The model searches nothing and pays nobody: it is shown what a search found, says whom to ask and which offer to take,
and every step is a command that the rails check. What it bought is worth what the welfare of the room says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from headway.economy._desk import Desk, set_up
from headway.economy.commands import AcceptOffer, Command, CounterOffer, Deliver, MakeOffer, SignMandate
from headway.economy.completions import Endpoint
from headway.economy.discovery import Index, Query, build_index, search
from headway.economy.language_agent import Turn, buyer_turn, parallel_turn
from headway.economy.listings import publish
from headway.economy.mandates import Mandate, signing_bytes
from headway.economy.memory_store import memory_store
from headway.economy.money import currency
from headway.economy.population import Population
from headway.economy.prompts import BuyerView
from headway.economy.rails import Rails, open_rails
from headway.economy.state import Offer, Reply
from headway.economy.tokens import DecisionTokens
from headway.economy.welfare import MICROS, Matches, matches
from headway.facts.check import positive, single, whole

_STEP_US: Final = 1_000_000
_OFFER_US: Final = 3_600_000_000
_EVER_US: Final = 10**15
LIMIT: Final = 2.0
"""Most that a deal may cost over what its basket is worth: where utility is zero [1]."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """One consumer's errand.

    Parameters
    ----------
    consumer : str
    ended : str
        ``"bought"``, or why not.
    seller : str
        Of whom; empty where nothing was bought.
    paid, utility, best : float
        Price, utility of the deal, and the most utility any seller could have given, in the currency.
    turns, asked : int
        Decisions of the model, and sellers asked [1].
    tokens : DecisionTokens
    counted : bool
        Whether the endpoint counted them.
    seconds : float
        Of all decisions [s].
    refused : tuple of str
        Codes of commands that the rails refused, and names of answers that were not used.
    """

    consumer: str
    ended: str
    seller: str
    paid: float
    utility: float
    best: float
    turns: int
    asked: int
    tokens: DecisionTokens
    counted: bool
    seconds: float
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Errands:
    """Every purchase of a run.

    Parameters
    ----------
    purchases : tuple of Purchase
    welfare, best : float
        Utility got, and the most that could be had, over all consumers, in the currency.
    bought : int
        [1].
    tokens : DecisionTokens
        Of all.
    currency : str
    log_hash : str
        Digest of the log's last entry.
    """

    purchases: tuple[Purchase, ...]
    welfare: float
    best: float
    bought: int
    tokens: DecisionTokens
    currency: str
    log_hash: str


@dataclass(frozen=True, slots=True)
class _Shop:
    """What one run holds; the lists are its memory."""

    population: Population
    endpoint: Endpoint
    rails: Rails
    desk: Desk
    index: Index
    pairs: Matches
    width: int
    agents: int
    transport: Any
    clock: list[int] = field(default_factory=lambda: [_STEP_US])

    def send(self, agent: str, command: Command) -> Reply:
        """Submit one command of an agent, a second after the last."""
        self.clock[0] += _STEP_US
        return self.rails.submit(self.desk.sessions[agent], command, at_us=self.clock[0])


def buy_with_model(
    population: Population,
    endpoint: Endpoint,
    *,
    consumers: int = 3,
    width: int = 10,
    turns: int = 6,
    agents: int = 1,
    seed: int = 0,
    transport: Any = None,
    progress: Callable[[Purchase], None] | None = None,
) -> Errands:
    """Let a model buy for the first consumers of a population.

    Sellers quote their posted price for a basket that they sell, repeat it to a counter-offer, and deliver.

    Parameters
    ----------
    population : Population
    endpoint : Endpoint
        Where the model answers.
    consumers : int
        Served, in the order of the population [1].
    width : int
        Listings that a consumer's search shows [1].
    turns : int
        Decisions before an errand is given up [1].
    agents : int
        Models that decide at once; see :func:`headway.economy.language_agent.best_turn` [1].
    seed : int
        Of ties in the search and of keys.
    transport : httpx.AsyncBaseTransport, optional
        In place of the network.
    progress : callable, optional
        Called with every purchase.

    Returns
    -------
    Errands
        Failures of the endpoint are in its purchases.

    Examples
    --------
    >>> from headway.economy.generated import generate_population
    >>> nobody = Endpoint("http://127.0.0.1:9/v1", "none", limit_s=5, retries=0)
    >>> found = buy_with_model(generate_population(4, 6, seed=1), nobody, consumers=1)
    >>> found.bought, found.purchases[0].ended
    (0, 'the endpoint could not be reached: ConnectError')
    """
    for name, value in (("consumers", consumers), ("width", width), ("turns", turns), ("agents", agents)):
        whole(name, single(name, value), most=10_000)
    shown = publish(population)
    count = min(consumers, len(population.consumers))
    with open_rails(memory_store(keep=False), confirm_timeout_us=0, audience="headway-errands") as rails:
        desk = Desk(rails, rails.operator_session(), seed)
        set_up(desk, population, shown, _wallets(population), 0)
        index = build_index(shown, seed=seed)
        shop = _Shop(population, endpoint, rails, desk, index, matches(population), width, agents, transport)
        found = []
        for consumer in range(count):
            found.append(_errand(shop, consumer, turns))
            if progress is not None:
                progress(found[-1])
        digest = rails.log_hash()
    total = found[0].tokens
    for one in found[1:]:
        total = total + one.tokens
    return Errands(
        tuple(found),
        sum(one.utility for one in found),
        sum(one.best for one in found),
        sum(one.ended == "bought" for one in found),
        total,
        population.currency,
        digest,
    )


def _worth(population: Population, consumer: int) -> int:
    start = population.consumers.basket.start
    return int(population.consumers.worth[int(start[consumer]) : int(start[consumer + 1])].sum())


def _wallets(population: Population) -> list[int]:
    minor = currency(population.currency).minor
    return [(int(LIMIT * _worth(population, c)) // minor + 1) * minor for c in range(len(population.consumers))]


def _errand(shop: _Shop, consumer: int, most: int) -> Purchase:
    """Ask, choose, pay, receive; the end of it in one word."""
    name, mandate_id = shop.population.consumers.ids[consumer], _sign(shop, consumer)
    listings = _shown(shop, consumer)
    offers: list[str] = []
    asked: dict[str, bool] = {}
    said: list[Turn] = []
    refused: list[str] = []
    ended, deal, last = "out of turns", None, ""
    while len(said) < most:
        view = _view(shop, consumer, mandate_id, listings, offers, asked, last)
        turn = _decide(shop, view)
        said.append(turn)
        if turn.problem is not None:
            # The reason alone: what was wrong in the answer may be another party's words.
            last = f"not done: {turn.problem.reason.value}"
            refused.append(turn.problem.reason.name)
            if not turn.tokens.output:
                ended = str(turn.problem)
                break
            continue
        if turn.asks:
            fresh = [one for one in turn.asks if one not in asked]
            quoted = _quotes(shop, consumer, fresh, len(offers))
            offers += quoted.values()
            asked |= {one: one in quoted for one in fresh}
            last = f"asked {len(fresh)}, {len(quoted)} made an offer" if fresh else "not done: all of these were asked"
        elif turn.command is None:
            ended = "stopped"
            break
        else:
            reply = shop.send(name, turn.command)
            last = "done" if reply.ok else f"not done: {reply.reason}"
            if not reply.ok:
                refused.append(reply.code)
            elif isinstance(turn.command, AcceptOffer):
                deal = shop.rails.offer(turn.command.offer_id)
                ended = "bought" if deal is not None and _deliver(shop, deal) else "not delivered"
                break
            elif isinstance(turn.command, CounterOffer):
                _repeat(shop, turn.command)
                last = "the seller keeps its price"
    return _purchase(shop, consumer, ended, deal, said, len(asked), tuple(refused))


def _view(
    shop: _Shop,
    consumer: int,
    mandate_id: str,
    listings: list[str],
    offers: list[str],
    asked: dict[str, bool],
    last: str,
) -> BuyerView:
    """What the model is shown; `asked` says of each listing asked whether it made an offer."""
    people = shop.population.consumers
    made = [shop.rails.offer(one) for one in offers]
    return BuyerView(
        people.ids[consumer],
        people.requests[consumer],
        tuple(shop.population.items[i] for i in people.basket.row(consumer).tolist()),
        shop.population.currency,
        shop.rails.room(mandate_id),
        mandate_id,
        tuple(one for one in map(shop.rails.listing, listings) if one is not None),
        tuple(one for one in made if one is not None and not one.withdrawn),
        shop.clock[0],
        _OFFER_US,
        tuple(asked),
        tuple(listing for listing, offered in asked.items() if not offered),
        last,
    )


def _decide(shop: _Shop, view: BuyerView) -> Turn:
    key = shop.desk.key()
    if shop.agents > 1:
        turn = parallel_turn(shop.endpoint, view, key, shop.agents, transport=shop.transport)
    else:
        turn = buyer_turn(shop.endpoint, view, key, transport=shop.transport)
    shop.clock[0] += round(turn.seconds * MICROS)
    return turn


def _shown(shop: _Shop, consumer: int) -> list[str]:
    people = shop.population.consumers
    query = Query(
        people.requests[consumer],
        tuple(people.basket.row(consumer).tolist()),
        tuple(people.needs.row(consumer).tolist()),
    )
    return [shop.population.businesses.ids[i] for i in search(shop.index, query, shop.width).listings.tolist()]


def _sign(shop: _Shop, consumer: int) -> str:
    """A mandate for this errand, signed by the consumer's person."""
    name, code = shop.population.consumers.ids[consumer], shop.population.currency
    minor = currency(code).minor
    limit = max(int(positive("limit", LIMIT * _worth(shop.population, consumer))) // minor, 1) * minor
    mandate = Mandate(f"m-{name}", f"{name}:user", name, limit, limit, code, 0, _EVER_US, None, None, True, f"n-{name}")
    signature = shop.desk.user_key(name).sign(signing_bytes(mandate, shop.rails.state.rules.audience))
    shop.send(name, SignMandate(shop.desk.key(), mandate, signature))
    return mandate.mandate_id


def _quotes(shop: _Shop, consumer: int, sellers: list[str], already: int) -> dict[str, str]:
    """Offers of those asked who sell the whole basket, at their posted prices, by seller."""
    people = shop.population.consumers
    found: dict[str, str] = {}
    basket = people.basket.row(consumer).tolist()
    names = [shop.population.items[i] for i in basket]
    for seller in sellers:
        listing = shop.rails.listing(seller)
        prices = dict(listing.items) if listing is not None else {}
        if listing is None or not set(names) <= prices.keys():
            continue
        items = tuple((name, prices[name]) for name in names)
        offer_id = f"o{consumer}-{already + len(found)}"
        command = MakeOffer(
            shop.desk.key(),
            offer_id,
            listing.listing_id,
            people.ids[consumer],
            items,
            sum(price for _, price in items),
            listing.currency,
            shop.clock[0] + _OFFER_US,
        )
        if shop.send(seller, command).ok:
            found[seller] = offer_id
    return found


def _repeat(shop: _Shop, counter: CounterOffer) -> None:
    """A seller of posted prices answers a counter-offer with its price."""
    offer = shop.rails.offer(counter.offer_id)
    listing = None if offer is None else shop.rails.listing(offer.listing_id)
    if offer is None or listing is None:
        return
    prices = dict(listing.items)
    items = tuple((name, prices[name]) for name, _ in offer.items)
    total = sum(price for _, price in items)
    until = shop.clock[0] + _OFFER_US
    shop.send(offer.seller, CounterOffer(shop.desk.key(), offer.offer_id, offer.version, items, total, until))


def _deliver(shop: _Shop, offer: Offer) -> bool:
    return shop.send(offer.seller, Deliver(shop.desk.key(), offer.offer_id)).ok


def _purchase(
    shop: _Shop, consumer: int, ended: str, deal: Offer | None, said: list[Turn], asked: int, refused: tuple[str, ...]
) -> Purchase:
    part = shop.pairs.of(consumer)
    best = max([0, *shop.pairs.utility[part].tolist()])
    utility = 0
    if deal is not None and ended == "bought":
        names = shop.population.businesses.ids
        sellers = [names[b] for b in shop.pairs.business[part].tolist()]
        at = part.start + sellers.index(deal.seller)
        utility = int(shop.pairs.worth[at]) * bool(shop.pairs.fits[at]) - deal.total
    tokens = said[0].tokens
    for turn in said[1:]:
        tokens = tokens + turn.tokens
    return Purchase(
        shop.population.consumers.ids[consumer],
        ended,
        deal.seller if deal is not None else "",
        deal.total / MICROS if deal is not None else 0.0,
        utility / MICROS,
        best / MICROS,
        len(said),
        asked,
        tokens,
        all(turn.counted for turn in said),
        sum(turn.seconds for turn in said),
        refused,
    )
