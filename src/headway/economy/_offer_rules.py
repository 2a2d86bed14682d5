"""Rules of listings and offers: who may publish, offer, counter and withdraw what."""

from __future__ import annotations

from typing import Final

from headway.economy.commands import CounterOffer, Items, MakeOffer, PublishListing, WithdrawOffer
from headway.economy.money import CURRENCIES
from headway.economy.refusals import Refusal
from headway.economy.state import Listing, Offer, Outcome, State

_new: Final = tuple.__new__


def publish_listing(state: State, sender: str, command: PublishListing, _at_us: int) -> Outcome:
    """Publish goods, or publish them anew."""
    agent = state.agents.get(sender)
    if agent is None or agent.role != "business":
        return Refusal.NOT_A_BUSINESS
    before = state.listings.get(command.listing_id)
    if before is not None and before.seller != sender:
        return Refusal.LISTING_OF_ANOTHER
    if not _whole(command.items, command.currency):
        return Refusal.AMOUNT_NOT_WHOLE
    names = frozenset(name for name, _ in command.items)
    state.listings[command.listing_id] = Listing(
        command.listing_id, sender, command.items, command.currency, command.text, command.tags, names
    )
    return (command.listing_id,), ()


def make_offer(state: State, sender: str, command: MakeOffer, at_us: int) -> Outcome:
    """Offer terms to one buyer."""
    listing = state.listings.get(command.listing_id)
    if listing is None:
        return Refusal.UNKNOWN_LISTING
    if listing.seller != sender:
        return Refusal.FORGED_OFFER
    if command.offer_id in state.offers:
        return Refusal.OFFER_EXISTS
    buyer = state.agents.get(command.buyer)
    if buyer is None:
        return Refusal.UNKNOWN_AGENT
    if buyer.role == "user" or command.buyer == sender:
        return Refusal.NOT_A_BUYER
    bad = _refuse_terms(listing, command.items, command.currency, command.expires_us, at_us)
    if bad is not None:
        return bad
    offer_id, items, total, currency = command.offer_id, command.items, command.total, command.currency
    terms = (offer_id, command.listing_id, sender, command.buyer, 1, False, items, total, currency)
    state.offers[offer_id] = _new(Offer, (*terms, command.expires_us, False))
    return (offer_id,), ()


def counter_offer(state: State, sender: str, command: CounterOffer, at_us: int) -> Outcome:
    """Answer terms with terms."""
    offer = state.offers.get(command.offer_id)
    if offer is None:
        return Refusal.UNKNOWN_OFFER
    if sender not in (offer.buyer, offer.seller):
        return Refusal.NOT_A_PARTY
    bad = refuse_open(state, offer, command.version, at_us)
    if bad is not None:
        return bad
    by_buyer = sender == offer.buyer
    if by_buyer == offer.by_buyer:
        return Refusal.AWAITS_SELLER if by_buyer else Refusal.AWAITS_BUYER
    bad = _refuse_terms(state.listings[offer.listing_id], command.items, offer.currency, command.expires_us, at_us)
    if bad is not None:
        return bad
    state.offers[command.offer_id] = offer._replace(
        version=offer.version + 1,
        by_buyer=by_buyer,
        items=command.items,
        total=command.total,
        expires_us=command.expires_us,
    )
    return (command.offer_id,), ()


def withdraw_offer(state: State, sender: str, command: WithdrawOffer, _at_us: int) -> Outcome:
    """Take an offer back, or decline it."""
    offer = state.offers.get(command.offer_id)
    if offer is None:
        return Refusal.UNKNOWN_OFFER
    if sender not in (offer.buyer, offer.seller):
        return Refusal.NOT_A_PARTY
    if offer.offer_id in state.deals:
        return Refusal.ALREADY_ACCEPTED
    if offer.withdrawn:
        return Refusal.OFFER_WITHDRAWN
    state.offers[command.offer_id] = offer._replace(withdrawn=True)
    return (command.offer_id,), ()


def refuse_open(state: State, offer: Offer, version: int, at_us: int) -> Refusal | None:
    """Why the terms of this version do not stand any more, or None where they do."""
    offer_id, _, _, _, current, _, _, _, _, expires_us, withdrawn = offer
    if offer_id in state.deals:
        return Refusal.ALREADY_ACCEPTED
    if withdrawn:
        return Refusal.OFFER_WITHDRAWN
    if version != current:
        return Refusal.STALE_VERSION
    return Refusal.OFFER_EXPIRED if at_us > expires_us else None


def _refuse_terms(listing: Listing, items: Items, currency: str, expires_us: int, at_us: int) -> Refusal | None:
    if expires_us < at_us:
        return Refusal.OFFER_EXPIRED
    if currency != listing.currency:
        return Refusal.LISTING_CURRENCY
    minor, names = CURRENCIES[currency].minor, listing.names
    for name, price in items:
        if name not in names:
            return Refusal.UNKNOWN_ITEM
        if price % minor:
            return Refusal.AMOUNT_NOT_WHOLE
    return None


def _whole(items: Items, currency: str) -> bool:
    minor = CURRENCIES[currency].minor
    return not any(price % minor for _, price in items)
