"""Agents that decide by a language model: its words become at most one command, and the rails decide about that.

The model chooses an action and names things that it was shown. Who pays, under which mandate, which version of an
offer and what the items sum to never come from its answer. An answer that cannot be used, or asks for what the view
does not allow, becomes a reason and no command; one that passes is still only a proposal to the rails, which check
it against the signed mandate in the transaction that holds the money.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from headway.economy.answers import Problem, Unusable
from headway.economy.commands import AcceptOffer, CounterOffer, Items, MakeOffer, WithdrawOffer
from headway.economy.completions import Endpoint, Said, ask_async, to_the_end
from headway.economy.money import LARGEST, currency
from headway.economy.prompts import BUYER_SHAPE, SELLER_SHAPE, BuyerView, SellerView, buyer_messages, seller_messages
from headway.economy.state import Offer
from headway.economy.tokens import DecisionTokens
from headway.physics.arrays import whole

Proposal: TypeAlias = AcceptOffer | CounterOffer | MakeOffer | WithdrawOffer
"""All that a model can ever propose."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One decision of a language-model agent.

    Parameters
    ----------
    action : str
        What it chose; empty where there is a problem.
    command : Proposal or None
        To be submitted on the agent's own session.
    asks : tuple of str
        Listings whose sellers it wants an offer of.
    problem : Problem or None
        Why nothing is done.
    tokens : DecisionTokens
        To be metered, whatever came of it.
    counted : bool
        Whether the endpoint counted them.
    seconds : float
        [s].
    reason : str
        In the model's words, for people to read and for nothing else.
    """

    action: str
    command: Proposal | None
    asks: tuple[str, ...]
    problem: Problem | None
    tokens: DecisionTokens
    counted: bool
    seconds: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Meant:
    """What an answer asks for, once it is found to be allowed: a command, listings to ask, or neither."""

    command: Proposal | None = None
    asks: tuple[str, ...] = ()


def buyer_turn(endpoint: Endpoint, view: BuyerView, key: str, *, transport: Any = None) -> Turn:
    """Let a model decide for a buyer.

    Parameters
    ----------
    endpoint : Endpoint
    view : BuyerView
        What it may know.
    key : str
        Client key of the command that may come of it.
    transport : httpx.AsyncBaseTransport, optional
        In place of the network.

    Returns
    -------
    Turn

    Examples
    --------
    >>> nobody = Endpoint("http://127.0.0.1:9/v1", "none", limit_s=5, retries=0)
    >>> turn = buyer_turn(nobody, BuyerView("b1", "tacos", ("taco",), "USD", 20_000_000, "m1"), "k1")
    >>> turn.command, turn.problem.reason.name
    (None, 'UNREACHABLE')
    """
    return to_the_end(buyer_turn_async(endpoint, view, key, transport=transport))


async def buyer_turn_async(endpoint: Endpoint, view: BuyerView, key: str, *, transport: Any = None) -> Turn:
    """As :func:`buyer_turn`, for programs with an event loop."""
    said = await ask_async(endpoint, buyer_messages(view), BUYER_SHAPE, transport=transport)
    return _turn(said, said.data and buyer_meaning(view, said.data, key))


def seller_turn(endpoint: Endpoint, view: SellerView, key: str, *, transport: Any = None) -> Turn:
    """Let a model decide for a seller; as :func:`buyer_turn`."""
    return to_the_end(seller_turn_async(endpoint, view, key, transport=transport))


async def seller_turn_async(endpoint: Endpoint, view: SellerView, key: str, *, transport: Any = None) -> Turn:
    """As :func:`seller_turn`, for programs with an event loop."""
    said = await ask_async(endpoint, seller_messages(view), SELLER_SHAPE, transport=transport)
    return _turn(said, said.data and seller_meaning(view, said.data, key))


def parallel_turn(endpoint: Endpoint, view: BuyerView, key: str, agents: int, *, transport: Any = None) -> Turn:
    """Let several agents decide at once, and take the best of what they chose; see :func:`best_turn`.

    >>> nobody = Endpoint("http://127.0.0.1:9/v1", "none", limit_s=5, retries=0)
    >>> turn = parallel_turn(nobody, BuyerView("b1", "tacos", ("taco",), "USD", 20_000_000, "m1"), "k1", 4)
    >>> turn.problem.reason.name, turn.tokens.calls
    ('UNREACHABLE', 4.0)
    """

    async def several() -> list[Turn]:
        one = (buyer_turn_async(endpoint, view, key, transport=transport) for _ in range(int(whole("agents", agents))))
        return await asyncio.gather(*one)

    return best_turn(view, to_the_end(several()))


def best_turn(view: BuyerView, turns: Sequence[Turn]) -> Turn:
    """Aggregate the turns of parallel agents by a rule that needs no model.

    The cheapest accepted offer; else the lowest counter-offer; else everyone that any of them would ask; else the
    first decision; else the first problem. All tokens count, the slowest sets the time.

    Parameters
    ----------
    view : BuyerView
        That all of them had.
    turns : sequence of Turn
        At least one.

    Examples
    --------
    >>> from headway.economy.tokens import DecisionTokens
    >>> def turn(listing, seconds):
    ...     return Turn("ask", None, (listing,), None, DecisionTokens(900, 0, 40), True, seconds)
    >>> both = best_turn(BuyerView("b1", "", (), "USD", 0, "m1"), [turn("l1", 2.0), turn("l2", 1.0)])
    >>> both.asks, both.seconds, both.tokens.input
    (('l1', 'l2'), 2.0, 1800)
    """
    totals = {offer.offer_id: offer.total for offer in view.offers}

    def rank(turn: Turn) -> tuple[int, int]:
        if isinstance(turn.command, AcceptOffer):
            return 0, totals[turn.command.offer_id]
        if isinstance(turn.command, CounterOffer):
            return 1, turn.command.total
        return (2 if turn.asks else 3 if turn.problem is None else 4), 0

    best = min(turns, key=rank)
    tokens = turns[0].tokens
    for turn in turns[1:]:
        tokens = tokens + turn.tokens
    asks = tuple(dict.fromkeys(name for turn in turns for name in turn.asks)) if rank(best)[0] == 2 else best.asks
    return Turn(
        best.action,
        best.command,
        asks,
        best.problem,
        tokens,
        all(turn.counted for turn in turns),
        max(turn.seconds for turn in turns),
        best.reason,
    )


def buyer_meaning(view: BuyerView, data: dict[str, Any], key: str) -> Meant | Problem:
    """What a buyer's answer asks for, within what the buyer was shown and may pay.

    Parameters
    ----------
    view : BuyerView
    data : dict
        Of the shape ``BUYER_SHAPE``.
    key : str
        Client key of the command.

    Returns
    -------
    Meant or Problem

    Examples
    --------
    >>> from headway.economy.state import Offer
    >>> offer = Offer("o1", "l1", "s1", "b1", 2, False, (("taco", 9_000_000),), 9_000_000, "USD", 10**9, False)
    >>> view = BuyerView("b1", "tacos", ("taco",), "USD", 20_000_000, "m1", (), (offer,))
    >>> buyer_meaning(view, {"action": "accept", "offer_id": "o1"}, "k1").command
    AcceptOffer(key='k1', offer_id='o1', version=2, mandate_id='m1')
    >>> print(buyer_meaning(view, {"action": "accept", "offer_id": "o2"}, "k1"))
    the answer names something that the agent was not shown: offer_id
    """
    action = data["action"]
    if action == "stop":
        return Meant()
    if action == "ask":
        shown = {listing.listing_id for listing in view.listings}
        asks = tuple(dict.fromkeys(data.get("listing_ids") or ()))
        if not asks:
            return Problem(Unusable.WRONG_SHAPE, "listing_ids")
        return Meant(asks=asks) if shown.issuperset(asks) else Problem(Unusable.NOT_SHOWN, "listing_ids")
    offer = _shown(view.offers, data.get("offer_id"))
    if isinstance(offer, Problem):
        return offer
    if action == "decline":
        return Meant(WithdrawOffer(key, offer.offer_id))
    if offer.by_buyer:
        return Problem(Unusable.NOT_ITS_TURN, "offer_id")
    if action == "accept":
        if offer.total > view.room or offer.currency != view.currency:
            return Problem(Unusable.OUTSIDE_MANDATE, "offer_id")
        return Meant(AcceptOffer(key, offer.offer_id, offer.version, view.mandate_id))
    total = _micros(data.get("total_minor"), offer.currency)
    if total is None or total >= offer.total:
        return Problem(Unusable.WRONG_SUM, "total_minor")
    if total > view.room:
        return Problem(Unusable.OUTSIDE_MANDATE, "total_minor")
    return Meant(_counter(key, offer, total, view.at_us + view.offer_us))


def seller_meaning(view: SellerView, data: dict[str, Any], key: str) -> Meant | Problem:
    """What a seller's answer asks for, within its own listing and above its reserve.

    Parameters
    ----------
    view : SellerView
    data : dict
        Of the shape ``SELLER_SHAPE``.
    key : str
        Client key of the command; the offer's identifier is made of it.

    Returns
    -------
    Meant or Problem

    Examples
    --------
    >>> from headway.economy.state import Listing
    >>> listing = Listing("l1", "s1", (("taco", 3_000_000),), "USD", "Tacos", (), frozenset({"taco"}))
    >>> view = SellerView("s1", listing, "b1", "a taco", ("taco",), reserve=2_000_000)
    >>> seller_meaning(view, {"action": "offer", "items": [{"name": "taco", "price_minor": 250}]}, "k1").command.total
    2500000
    >>> print(seller_meaning(view, {"action": "offer", "items": [{"name": "taco", "price_minor": 150}]}, "k1"))
    the sum is below the seller's own reserve: items
    """
    action = data["action"]
    if action == "decline":
        return Meant()
    if action == "offer":
        minor = currency(view.listing.currency).minor
        pairs = data.get("items") or ()
        if any(pair["name"] not in view.listing.names for pair in pairs):
            return Problem(Unusable.NOT_SHOWN, "items")
        items = tuple((pair["name"], pair["price_minor"] * minor) for pair in pairs)
        total = sum(price for _, price in items)
        if not 0 < total <= LARGEST:
            return Problem(Unusable.WRONG_SUM, "items")
        if total < view.reserve:
            return Problem(Unusable.BELOW_RESERVE, "items")
        listing = view.listing
        expires = view.at_us + view.offer_us
        return Meant(
            MakeOffer(key, f"o-{key}", listing.listing_id, view.buyer, items, total, listing.currency, expires)
        )
    offer = _shown(view.offers, data.get("offer_id"))
    if isinstance(offer, Problem):
        return offer
    if action == "withdraw":
        return Meant(WithdrawOffer(key, offer.offer_id))
    if not offer.by_buyer:
        return Problem(Unusable.NOT_ITS_TURN, "offer_id")
    asked = _micros(data.get("total_minor"), offer.currency)
    if asked is None or asked <= 0:
        return Problem(Unusable.WRONG_SUM, "total_minor")
    if asked < view.reserve:
        return Problem(Unusable.BELOW_RESERVE, "total_minor")
    return Meant(_counter(key, offer, asked, view.at_us + view.offer_us))


def spread_total(items: Items, total: int, minor: int) -> Items:
    """Another total over the same items, in proportion to their prices, whole in minor units [micros].

    >>> spread_total((("taco", 3_000_000), ("tea", 1_000_000)), 3_010_000, 10_000)
    (('taco', 2260000), ('tea', 750000))
    """
    whole_sum, units = sum(price for _, price in items), total // minor
    if not whole_sum:
        return ((items[0][0], total), *((name, 0) for name, _ in items[1:]))
    parts = [divmod(units * price, whole_sum) for _, price in items]
    left = units - sum(part for part, _ in parts)
    # The largest remainders take what rounding left, the first of equals first.
    order = sorted(range(len(items)), key=lambda i: (-parts[i][1], i))
    extra = frozenset(order[:left])
    return tuple((name, (parts[i][0] + (i in extra)) * minor) for i, (name, _) in enumerate(items))


def _counter(key: str, offer: Offer, total: int, expires_us: int) -> CounterOffer:
    items = spread_total(offer.items, total, currency(offer.currency).minor)
    return CounterOffer(key, offer.offer_id, offer.version, items, total, expires_us)


def _shown(offers: Sequence[Offer], offer_id: object) -> Offer | Problem:
    return next((o for o in offers if o.offer_id == offer_id), Problem(Unusable.NOT_SHOWN, "offer_id"))


def _micros(total_minor: object, code: str) -> int | None:
    if type(total_minor) is not int:
        return None
    total = total_minor * currency(code).minor
    return total if 0 < total <= LARGEST else None


def _turn(said: Said, meant: Meant | Problem | dict[str, Any] | None) -> Turn:
    used = meant if isinstance(meant, Meant) else None
    problem = said.problem if said.data is None else meant if isinstance(meant, Problem) else None
    return Turn(
        said.data["action"] if said.data and used else "",
        used.command if used else None,
        used.asks if used else (),
        problem,
        said.tokens,
        said.counted,
        said.seconds,
        (said.data.get("reason") or "") if said.data else "",
    )
