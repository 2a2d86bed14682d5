"""Events from a buyer's arrival to the quotes in its hands: search, read, ask, answer, show."""

from __future__ import annotations

import math
from typing import Final

from headway.economy import _dealing
from headway.economy._esteem import by_esteem
from headway.economy._floor import (
    CHARS_PER_TOKEN,
    GRIEFS,
    US,
    Floor,
    Quote,
    Request,
    answer_tokens,
    basket_of,
    basket_price,
    closing_tokens,
    decide,
    fits,
    least,
    offer,
    opening_tokens,
    price_of,
    stream,
    walk,
)
from headway.economy.auctions import shaded_bid
from headway.economy.buyers import look, worth_asking
from headway.economy.commands import SignMandate
from headway.economy.discovery import Query, recall, search
from headway.economy.mandates import Mandate, signing_bytes
from headway.economy.sellers import quote as ask_price
from headway.economy.state import Reply

_SAMPLED: Final = 2000
"""Searches whose recall is measured."""


def arrive(now: int, floor: Floor, consumer: int, visit: int = 0) -> None:
    """A buyer signs its agent's mandate and starts to look."""
    population, policy = floor.population, floor.buyer
    buyers = population.consumers
    worth = int(buyers.worth[buyers.basket.start[consumer] : buyers.basket.start[consumer + 1]].sum())
    limit = max(int(policy.limit * worth) // floor.minor, 1) * floor.minor
    rng = stream(floor.seed, floor.name(consumer), visit)
    mandate = f"{floor.name(consumer)}:m{visit}"
    # With several agents only what all of them take at once is taken without a look at the rest.
    request = Request(consumer, now, worth, limit, mandate, rng, bool(rng.random() < policy.first_p**policy.agents))
    floor.requests[consumer] = request
    _sign(now, floor, request)
    room = policy.most_compute * worth - price_of(floor.rack, opening_tokens(floor, 0)) * US
    per_ask = price_of(floor.rack, closing_tokens(floor, 1)) * US
    if room < per_ask:
        return walk(floor, request, "dear")
    loyal = floor.staged.loyal.get(consumer)
    if loyal is not None:
        shown, picked = [loyal], [loyal]
        request.believed[loyal] = True
    else:
        shown = _found(now, floor, consumer, per_ask, room)
        picked = _read(floor, request, shown, per_ask, room)
    unread = 0
    if floor.rack.usd_per_s:
        asked = set(picked) if floor.rules.kind.asks else set()
        unread = sum(_listing_tokens(floor, b) for b in shown if b not in asked)
    done = decide(floor, now, floor.name(consumer), opening_tokens(floor, unread))
    if done is None:
        return walk(floor, request, "broke")
    floor.at(now + round(policy.patience_s * US), out_of_patience, floor, request)
    floor.at(done, ask, floor, request, picked)
    return None


def _sign(now: int, floor: Floor, request: Request) -> None:
    """The person behind the agent signs what it may spend."""
    name, rules = floor.name(request.consumer), floor.rules
    if request.mandate in floor.desk.rails.state.mandates:
        return
    many = GRIEFS if floor.griefs(request.consumer) else 1
    lasts = 2 * (floor.buyer.patience_s + rules.gate_s + rules.offer_s + rules.group_s) + many * rules.delivery_s
    mandate = Mandate(
        request.mandate,
        f"{name}:user",
        name,
        request.limit,
        request.limit * many,
        floor.population.currency,
        now,
        now + round(lasts * US) + US,
        None,
        tuple(floor.population.items[item] for item in basket_of(floor, request.consumer)),
        many == 1,
        request.mandate,
    )
    signature = floor.desk.user_key(name).sign(signing_bytes(mandate, floor.desk.rails.state.rules.audience))
    floor.desk.ask(now, name, SignMandate(floor.desk.key(), mandate, signature))


def _found(now: int, floor: Floor, consumer: int, per_ask: float, room: float) -> list[int]:
    """Listings that the search shows: no more than the buyer can afford to read and ask about."""
    buyers, rules = floor.population.consumers, floor.rules
    items, tags = tuple(basket_of(floor, consumer)), tuple(buyers.needs.row(consumer).tolist())
    words = ", ".join([floor.population.items[k] for k in items] + [floor.population.tags[k] for k in tags])
    x, y = buyers.place[consumer].tolist()
    query = Query(words, items, tags, (x, y), rules.within_km)
    if rules.reputation:
        found = by_esteem(now, floor, search(floor.index, query, None, kind=rules.search).listings)[: rules.width]
    else:
        found = search(floor.index, query, rules.width, kind=rules.search).listings
    if len(floor.tally.recall) < _SAMPLED:
        every = search(floor.index, Query(words, items, tags, (x, y), rules.within_km), None, kind="fit").listings
        floor.tally.recall.append(recall(found, every))
    shown: list[int] = found.tolist()
    return shown[: max(int(room / per_ask), 1)] if per_ask > 0 and room / per_ask < len(shown) else shown


def _read(floor: Floor, request: Request, shown: list[int], per_ask: float, room: float) -> list[int]:
    """Whom the buyer asks: those that it believes to fit, as many as it may, can and should afford."""
    policy, consumer = floor.buyer, request.consumer
    if floor.attack is not None and floor.attack.kind == "injection":
        traps = [b for b in shown if b in floor.staged.sellers]
        if traps and request.rng.random() < policy.susceptibility:
            request.said["redirected"] = 1
            request.believed[traps[0]] = True
            return traps[:1]
    if policy.minds_tags:
        truth = [fits(floor, consumer, b) for b in shown]
    else:
        basket = basket_of(floor, consumer)
        truth = [basket_price(floor.menus[b], basket) is not None for b in shown]
    careful = math.isinf(policy.attention)
    seen = truth if careful else look(truth, policy.attention, request.rng.random(len(shown)).tolist())
    request.believed.update(zip(shown, seen, strict=True))
    good = [b for b, yes in zip(shown, seen, strict=True) if yes]
    most = len(good) if policy.contacts is None else min(policy.contacts, len(good))
    if per_ask > 0:
        most = min(most, int(room / per_ask))
        if policy.spread is not None:
            most = worth_asking(policy.spread * request.worth, per_ask, most)
    return good[:most]


def _listing_tokens(floor: Floor, business: int) -> int:
    return math.ceil(len(floor.listings.words(business)) / CHARS_PER_TOKEN)


def ask(now: int, floor: Floor, request: Request, picked: list[int]) -> None:
    """The buyer asks those that it picked, or gives up."""
    if request.said.get("closed"):
        return None
    if floor.name(request.consumer) in floor.broke:
        return walk(floor, request, "broke")
    if now - request.start_us > floor.buyer.patience_s * US:
        return walk(floor, request, "slow")
    if not picked:
        return walk(floor, request, "nothing found")
    rules = floor.rules
    if not rules.kind.asks:
        basket = basket_of(floor, request.consumer)
        for nth, seller in enumerate(picked, 1):
            posted = basket_price(floor.menus[seller], basket)
            if posted is not None:
                request.quotes.append(Quote(seller, "", 1, posted, posted, nth))
        return _dealing.conclude(now, floor, request)
    request.said["asked_us"] = now
    request.asked.extend(picked)
    request.waiting.update(picked)
    delays = (request.rng.exponential(floor.seller.reply_s, len(picked)) * US).round().astype(int).tolist()
    if rules.kind.gated:
        floor.at(now + round(rules.gate_s * US), gate_closes, floor, request)
    for seller, delay in zip(picked, delays, strict=True):
        _hear(now, floor, request, seller, delay)
    return None


def _hear(now: int, floor: Floor, request: Request, seller: int, delay: int) -> None:
    """A seller is asked."""
    if floor.hostile(seller, "slow-loris"):
        return
    posted = basket_price(floor.menus[seller], basket_of(floor, request.consumer))
    if posted is None or floor.full(seller) or floor.shop(seller) in floor.broke:
        floor.at(now + delay, declined, floor, request, seller)
    elif floor.hostile(seller, "first-responder"):
        floor.at(now, answer, floor, request, seller, posted)
    else:
        done = decide(floor, now, floor.shop(seller), answer_tokens(floor))
        if done is None:
            floor.at(now + delay, declined, floor, request, seller)
        else:
            floor.at(done + delay, answer, floor, request, seller, posted)


def answer(now: int, floor: Floor, request: Request, seller: int, posted: int) -> None:
    """A seller quotes, or bids where the rule is an auction."""
    if request.said.get("closed") or (request.said.get("deciding") and floor.rules.kind.gated):
        return None
    if floor.shop(seller) in floor.broke:
        return declined(now, floor, request, seller)
    price = _price(floor, request, seller, posted)
    if floor.rules.kind.auction:
        return come(now, floor, request, Quote(seller, "", 1, price, posted, 0))
    return offer(now, floor, request, Quote(seller, "", 1, price, posted, 0), shown)


def _price(floor: Floor, request: Request, seller: int, posted: int) -> int:
    """What a seller asks of one buyer [micro]."""
    attack, minor = floor.attack, floor.minor
    if attack is not None and floor.hostile(seller, "first-responder"):
        return max(round(posted * attack.markup / minor), 1) * minor
    if attack is not None and request.said.get("redirected"):
        return max(round(posted * attack.ask / minor), 1) * minor
    own = least(floor, seller, posted)
    price = ask_price(posted, own, floor.factor[seller], minor)
    if not floor.seller.concedes:
        return price
    if floor.rules.mechanism == "sealed-bid":
        return shaded_bid(own, price, len(request.asked), minor)
    return own if floor.rules.kind.auction else price


def shown(now: int, reply: Reply, floor: Floor, request: Request, quote: Quote) -> None:
    """The rails have taken an offer: it reaches its buyer."""
    if reply.ok:
        come(now, floor, request, quote)
    else:
        declined(now, floor, request, quote.seller)


def come(now: int, floor: Floor, request: Request, quote: Quote) -> None:
    """A quote has come; a gate keeps it until all have."""
    said = request.said
    if said.get("closed"):
        return
    said["came"] = said.get("came", 0) + 1
    quote = quote._replace(nth=said["came"])
    request.quotes.append(quote)
    request.waiting.discard(quote.seller)
    if said.get("deciding"):
        return
    quick = not floor.rules.kind.gated and (request.first or said.get("redirected"))
    if (quick and _dealing.acceptable(floor, request, quote)) or not request.waiting:
        _dealing.conclude(now, floor, request)


def declined(now: int, floor: Floor, request: Request, seller: int) -> None:
    """A seller has nothing to offer."""
    request.waiting.discard(seller)
    if not request.waiting and not request.said.get("closed") and not request.said.get("deciding"):
        _dealing.conclude(now, floor, request)


def gate_closes(now: int, floor: Floor, request: Request) -> None:
    """The gate's time is up: what has come is shown."""
    if not request.said.get("closed") and not request.said.get("deciding"):
        request.said["late"] = len(request.waiting)
        request.waiting.clear()
        _dealing.conclude(now, floor, request)


def out_of_patience(now: int, floor: Floor, request: Request) -> None:
    """The buyer waits no longer: it takes the best of what it has, or walks away."""
    if request.said.get("closed") or request.said.get("deciding"):
        return
    request.waiting.clear()
    if request.quotes:
        _dealing.conclude(now, floor, request)
    else:
        walk(floor, request, "slow")
