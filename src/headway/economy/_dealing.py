"""Events from the quotes to the money: choose, bargain, accept, deliver, settle; and what attackers do instead."""

from __future__ import annotations

from dataclasses import replace

from headway.economy._desk import Then
from headway.economy._floor import (
    GRIEFS,
    US,
    DealRow,
    Floor,
    Quote,
    Request,
    answer_tokens,
    close,
    closing_tokens,
    decide,
    least,
    offer,
    split,
    walk,
)
from headway.economy.auctions import Award, open_auction, sealed_bid
from headway.economy.buyers import choose_together, counter
from headway.economy.commands import (
    AcceptOffer,
    CancelDeal,
    ConfirmDelivery,
    CounterOffer,
    Deliver,
    OpenDispute,
    Resolve,
)
from headway.economy.parallel import aggregator_tokens, shared_prompt
from headway.economy.sellers import concession
from headway.economy.state import Reply
from headway.economy.tokens import DecisionTokens


def value(request: Request, quote: Quote) -> int:
    """What the buyer believes a deal is worth: twice the basket where the seller fits, else nothing [micro]."""
    return 2 * request.worth if request.believed.get(quote.seller) else 0


def acceptable(floor: Floor, request: Request, quote: Quote) -> bool:
    """Whether a buyer that takes the first offer would take this one."""
    if request.said.get("redirected"):
        return True
    if quote.price > request.limit:
        return False
    return floor.buyer.choose != "best" or value(request, quote) >= quote.price


def conclude(now: int, floor: Floor, request: Request) -> None:
    """The buyer thinks about what it has; on the rack."""
    if not request.quotes:
        return walk(floor, request, "no offer")
    request.said["deciding"] = 1
    tokens = closing_tokens(floor, len(request.asked))
    if now - request.said.get("asked_us", now) > floor.kv_life_us:
        tokens = replace(tokens, cached=0)
    several = [shared_prompt(tokens)] * (floor.buyer.agents - 1)
    ends = [decide(floor, now, floor.name(request.consumer), one) for one in (tokens, *several)]
    if None in ends:
        return walk(floor, request, "broke")
    # The agents run side by side: the last to end hands over.
    done = max(end for end in ends if end is not None)
    if several:
        floor.at(done, _aggregate, floor, request, aggregator_tokens(tokens, floor.buyer.agents))
    else:
        floor.at(done, pick, floor, request)
    return None


def _aggregate(now: int, floor: Floor, request: Request, tokens: DecisionTokens) -> None:
    """The aggregator reads what the agents chose."""
    done = decide(floor, now, floor.name(request.consumer), tokens)
    if done is None:
        return walk(floor, request, "broke")
    floor.at(done, pick, floor, request)
    return None


def pick(now: int, floor: Floor, request: Request) -> None:
    """The buyer chooses, or the auction does."""
    if floor.name(request.consumer) in floor.broke:
        return walk(floor, request, "broke")
    if floor.griefs(request.consumer):
        return _grief(now, floor, request)
    if floor.rules.kind.auction:
        return _award(now, floor, request)
    return _next(now, floor, request)


def _next(now: int, floor: Floor, request: Request) -> None:
    """The best offer left, as the policy sees it."""
    quotes = [quote for quote in request.quotes if quote.price <= request.limit or request.said.get("redirected")]
    if floor.rules.kind.gated and len(quotes) > 1:
        quotes = [quotes[k] for k in request.rng.permutation(len(quotes)).tolist()]
    taken: int | None = None
    if request.first or request.said.get("redirected"):
        taken = next((k for k, quote in enumerate(quotes) if acceptable(floor, request, quote)), None)
    if taken is None:
        prices, values = [quote.price for quote in quotes], [value(request, quote) for quote in quotes]
        taken = choose_together(floor.buyer, prices, values, request.rng.random(floor.buyer.agents).tolist())
    if taken is None:
        return walk(floor, request, "refused" if request.said.get("tried") else "no good offer")
    quote, place = quotes[taken], taken + 1
    request.said["place"] = place
    if not quote.offer_id:
        return offer(now, floor, request, quote, _confirmed)
    if floor.buyer.rounds and not request.said.get("round") and not request.said.get("redirected"):
        return _bargain(now, floor, request, quote)
    return _accept(now, floor, request, quote)


def _confirmed(now: int, reply: Reply, floor: Floor, request: Request, quote: Quote) -> None:
    """A posted price, or an auction's award, has become an offer."""
    if reply.ok:
        _accept(now, floor, request, quote)
    else:
        _drop(now, floor, request, quote)


def _drop(now: int, floor: Floor, request: Request, quote: Quote) -> None:
    """An offer that could not be had: try the next one."""
    request.quotes[:] = [other for other in request.quotes if other.seller != quote.seller]
    request.said["tried"] = 1
    if floor.rules.kind.auction:
        _award(now, floor, request)
    else:
        _next(now, floor, request)


def _award(now: int, floor: Floor, request: Request) -> None:
    """The auction's winner among sellers that the buyer would take."""
    bids = [quote for quote in request.quotes if floor.buyer.choose == "cheapest" or request.believed.get(quote.seller)]
    if not bids:
        return walk(floor, request, "refused" if request.said.get("tried") else "no good offer")
    award, done = _run_auction(now, floor, bids)
    winner = bids[award.winner]._replace(price=max(award.price // floor.minor, 1) * floor.minor)
    if winner.price > min(request.limit, 2 * request.worth):
        return walk(floor, request, "no good offer")
    request.said["place"] = award.winner + 1
    floor.at(done, _offer_award, floor, request, winner)
    return None


def _offer_award(now: int, floor: Floor, request: Request, winner: Quote) -> None:
    offer(now, floor, request, winner, _confirmed)


def _run_auction(now: int, floor: Floor, bids: list[Quote]) -> tuple[Award, int]:
    """Award, and when it is known: every further round of an open auction is a decision of each bidder [us]."""
    if floor.rules.mechanism not in ("ascending", "second-price"):
        return sealed_bid([quote.price for quote in bids]), now
    # What it posted for everyone binds a seller: then the lowest bid is at most the lowest posted price.
    prices = [min(quote.price, quote.posted) for quote in bids]
    top = min(quote.posted for quote in bids)
    if floor.rules.mechanism == "second-price":
        return sealed_bid(prices, second=True, top=top), now
    step = max(round(top * floor.rules.step / floor.minor), 1) * floor.minor
    award = open_auction([quote.posted for quote in bids], prices, step)
    done = now
    for _ in range(award.rounds - 1):
        start = done
        for quote in bids:
            answered = decide(floor, now, floor.shop(quote.seller), answer_tokens(floor))
            done = max(done, start + (answered or now) - now)
    return award, done


def _bargain(now: int, floor: Floor, request: Request, quote: Quote) -> None:
    """The buyer's next counter-offer over its best offer."""
    done = request.said.get("round", 0)
    price = counter(floor.buyer, request.said.setdefault("asked", quote.price), done, floor.minor)
    if done >= floor.buyer.rounds or price >= quote.price:
        return _accept(now, floor, request, quote)
    request.said["round"] = done + 1
    after = decide(floor, now, floor.name(request.consumer), closing_tokens(floor, 1)) if done else now
    if after is None:
        return walk(floor, request, "broke")
    floor.at(after, _counter, floor, request, quote, price)
    return None


def _counter(now: int, floor: Floor, request: Request, quote: Quote, price: int) -> None:
    _speak(now, floor, request, quote, price, floor.name(request.consumer), _heard)


def _speak(now: int, floor: Floor, request: Request, quote: Quote, price: int, agent: str, then: Then) -> None:
    """Put a counter-offer on the rails."""
    items = split(floor, request.consumer, quote.seller, price)
    expires = now + round((floor.rules.offer_s + floor.rules.group_s) * US)
    command = CounterOffer(floor.desk.key(), quote.offer_id, quote.version, items, price, expires)
    spoken = quote._replace(version=quote.version + 1, price=price)
    floor.desk.ask(now, agent, command, then, floor, request, spoken, quote.price)


def _heard(now: int, reply: Reply, floor: Floor, request: Request, quote: Quote, before: int) -> None:
    """The seller has the buyer's terms: it agrees, or comes down as far as it would."""
    if not reply.ok or floor.shop(quote.seller) in floor.broke:
        return _drop(now, floor, request, quote)
    asked = request.said["asked"]
    own = concession(floor.seller, asked, least(floor, quote.seller, quote.posted), request.said["round"], floor.minor)
    price = quote.price if quote.price >= own else min(own, before)
    done = decide(floor, now, floor.shop(quote.seller), answer_tokens(floor))
    if done is None:
        return _drop(now, floor, request, quote)
    floor.at(done, _reply, floor, request, quote, price)
    return None


def _reply(now: int, floor: Floor, request: Request, quote: Quote, price: int) -> None:
    _speak(now, floor, request, quote, price, floor.shop(quote.seller), _settle_terms)


def _settle_terms(now: int, reply: Reply, floor: Floor, request: Request, quote: Quote, countered: int) -> None:
    """The seller's terms stand: the buyer takes them if they are its own, or goes on."""
    if not reply.ok:
        return _drop(now, floor, request, quote)
    if quote.price == countered or now - request.start_us > floor.buyer.patience_s * US:
        return _accept(now, floor, request, quote)
    return _bargain(now, floor, request, quote)


def _accept(now: int, floor: Floor, request: Request, quote: Quote) -> None:
    """The buyer accepts under its mandate, unless the seller has sold out since."""
    if floor.full(quote.seller):
        return _drop(now, floor, request, quote)
    name = floor.name(request.consumer)
    command = AcceptOffer(floor.desk.key(), quote.offer_id, quote.version, request.mandate)
    floor.desk.ask(now, name, command, _accepted, floor, request, quote)
    return None


def _accepted(now: int, reply: Reply, floor: Floor, request: Request, quote: Quote) -> None:
    if not reply.ok:
        if request.said.get("redirected") and reply.code == "MANDATE_PER_DEAL" and quote.price // 2 > floor.minor:
            lower = quote._replace(version=1, price=quote.price // 2 // floor.minor * floor.minor)
            return offer(now, floor, request, lower, _confirmed)
        return _drop(now, floor, request, quote)
    number = _record(now, floor, request, quote)
    close(floor, request, quote.seller)
    floor.at(now + round(floor.rules.delivery_s * US), _deliver, floor, request, quote, number)
    return None


def _record(now: int, floor: Floor, request: Request, quote: Quote) -> int:
    floor.busy[quote.seller] += 1
    deals, said = floor.tally.deals, request.said
    deals.append(
        DealRow(
            request.consumer,
            quote.seller,
            quote.price,
            quote.posted,
            quote.nth,
            said.get("place", 1),
            max(len(request.asked), 1),
            request.start_us,
            now,
            said.get("redirected", 0),
        )
    )
    return len(deals) - 1


def _deliver(now: int, floor: Floor, request: Request, quote: Quote, number: int) -> None:
    command = Deliver(floor.desk.key(), quote.offer_id)
    floor.desk.ask(now, floor.shop(quote.seller), command, _delivered, floor, request, quote, number)


def _delivered(now: int, reply: Reply, floor: Floor, request: Request, quote: Quote, number: int) -> None:
    floor.busy[quote.seller] -= 1
    if not reply.ok:
        return
    name, desk = floor.name(request.consumer), floor.desk
    if floor.attack is not None and floor.attack.kind == "refund-abuse" and request.consumer in floor.staged.buyers:
        desk.ask(now, name, OpenDispute(desk.key(), quote.offer_id, "not as described"))
        refund = quote.price if floor.rules.refunds == "trust" else 0
        command = Resolve(desk.key(), quote.offer_id, refund, floor.rules.refunds)
        desk.ask(now, None, command, _settled, floor, number, refund)
    else:
        desk.ask(now, name, ConfirmDelivery(desk.key(), quote.offer_id), _settled, floor, number, 0)


def _settled(_now: int, reply: Reply, floor: Floor, number: int, refund: int) -> None:
    if reply.ok:
        floor.tally.settled[number] = refund


def _grief(now: int, floor: Floor, request: Request) -> None:
    """Accept whatever came, and cancel before delivery."""
    name = floor.name(request.consumer)
    for quote in request.quotes[:GRIEFS]:
        if quote.offer_id:
            command = AcceptOffer(floor.desk.key(), quote.offer_id, quote.version, request.mandate)
            floor.desk.ask(now, name, command, _griefed, floor, request, quote)
    walk(floor, request, "griefed")


def _griefed(now: int, reply: Reply, floor: Floor, request: Request, quote: Quote) -> None:
    if reply.ok:
        floor.busy[quote.seller] += 1
        floor.tally.sums["held_micro_s"] += quote.price * floor.rules.delivery_s
        floor.at(now + max(round(floor.rules.delivery_s * US) - 1, 0), _cancel, floor, request, quote)


def _cancel(now: int, floor: Floor, request: Request, quote: Quote) -> None:
    floor.busy[quote.seller] -= 1
    command = CancelDeal(floor.desk.key(), quote.offer_id)
    floor.desk.ask(now, floor.name(request.consumer), command)
