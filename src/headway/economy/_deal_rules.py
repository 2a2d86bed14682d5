"""Rules of deals: hold, deliver, post, void, dispute, refund, and what time does to them.

A hold is a transfer in two phases: accepting moves the price from wallet to held, and exactly one of posting, voiding,
timing out or a resolved dispute moves it on. What a deadline decides is decided by the time of the command: it does not
matter how often the operator lets time pass, only the money moves then.
"""

from __future__ import annotations

from heapq import heappop, heappush
from types import MappingProxyType
from typing import Final

from headway.economy._offer_rules import refuse_open
from headway.economy.accounts import OPERATOR, account
from headway.economy.commands import AcceptOffer, CancelDeal, ConfirmDelivery, Deliver, OpenDispute, Resolve, Tick
from headway.economy.entries import Move
from headway.economy.mandates import refuse_deal
from headway.economy.money import CURRENCIES, LARGEST
from headway.economy.refusals import Refusal
from headway.economy.state import Deal, Outcome, State

_CLOSED: Final = MappingProxyType(
    {
        "settled": Refusal.ALREADY_SETTLED,
        "voided": Refusal.ALREADY_VOIDED,
        "disputed": Refusal.DISPUTED,
        "resolved": Refusal.ALREADY_RESOLVED,
    }
)


_new: Final = tuple.__new__


def accept_offer(state: State, sender: str, command: AcceptOffer, at_us: int) -> Outcome:
    """Check the mandate and hold the price, in one step."""
    offer_id, mandate_id, fault = command.offer_id, command.mandate_id, state.head["fault"]
    offer = state.offers.get(offer_id)
    if offer is None:
        return Refusal.UNKNOWN_OFFER
    _, _, seller, buyer, _, by_buyer, items, total, currency, _, _ = offer
    if sender != buyer:
        return Refusal.NOT_THE_BUYER
    bad = refuse_open(state, offer, command.version, at_us)
    if bad is not None:
        return bad
    if by_buyer:
        return Refusal.AWAITS_SELLER
    mandate = state.mandates.get(mandate_id)
    if mandate is None:
        return Refusal.UNKNOWN_MANDATE
    if mandate_id in state.revoked:
        return Refusal.MANDATE_REVOKED
    rules, use = state.rules, state.spent[mandate_id]
    spent, deals = use
    if fault is not None:
        fault("accept.checked")
    bad = refuse_deal(mandate, sender, seller, items, total, currency, spent, deals, at_us)
    if bad is not None:
        return bad
    if fault is not None:
        fault("accept.mandate")
    moves = ((f"wallet:{currency}:{sender}", f"held:{currency}:{sender}", total),)
    bad = state.ledger.post(moves)
    if bad is not None:
        return bad
    if fault is not None:
        fault("accept.held")
    use[:] = spent + total, deals + 1
    deadline = min(at_us + rules.hold_timeout_us, LARGEST)
    heappush(state.deadlines, (deadline, offer_id))
    fee = total * rules.fee_bps // 10_000
    held = (offer_id, seller, sender, mandate_id, currency, total, at_us, fee, 0, 0, "held", False, 0, deadline)
    state.set_deal(_new(Deal, held))
    return (offer_id,), moves


def deliver(state: State, sender: str, command: Deliver, at_us: int) -> Outcome:
    """Mark a deal delivered, and post it where the rules ask for no confirmation."""
    deal = state.deals.get(command.offer_id)
    if deal is None:
        return _no_deal(state, command.offer_id)
    if sender != deal.seller:
        return Refusal.NOT_THE_SELLER
    if deal.status != "held":
        return _refuse_closed(deal) or Refusal.ALREADY_DELIVERED
    if at_us > deal.deadline_us:
        return Refusal.HOLD_EXPIRED
    state.point("deliver.checked")
    wait = state.rules.confirm_timeout_us
    if not wait:
        return _post(state, deal, at_us)
    deadline = min(at_us + wait, LARGEST)
    heappush(state.deadlines, (deadline, command.offer_id))
    state.set_deal(deal.turn("delivered", False, 0, deadline))
    return (command.offer_id,), ()


def confirm_delivery(state: State, sender: str, command: ConfirmDelivery, at_us: int) -> Outcome:
    """Post: held to merchant, less the fee."""
    deal = state.deals.get(command.offer_id)
    if deal is None:
        return _no_deal(state, command.offer_id)
    if sender != deal.buyer:
        return Refusal.NOT_THE_BUYER
    if deal.status != "delivered":
        return _refuse_closed(deal) or Refusal.NOT_DELIVERED
    return _post(state, deal, at_us)


def cancel_deal(state: State, sender: str, command: CancelDeal, at_us: int) -> Outcome:
    """Void: held back to wallet."""
    deal = state.deals.get(command.offer_id)
    if deal is None:
        return _no_deal(state, command.offer_id)
    if sender not in (deal.buyer, deal.seller):
        return Refusal.NOT_A_PARTY
    bad = _refuse_closed(deal)
    if bad is not None:
        return bad
    if deal.status == "delivered" and _is_over(deal, at_us):
        return Refusal.ALREADY_SETTLED
    if deal.status == "delivered" and sender == deal.buyer:
        return Refusal.ALREADY_DELIVERED
    return _void(state, deal)


def open_dispute(state: State, sender: str, command: OpenDispute, at_us: int) -> Outcome:
    """Stop the clock of a delivered deal, or set aside what the seller took for a settled one, if it has as much."""
    deal = state.deals.get(command.offer_id)
    if deal is None:
        return _no_deal(state, command.offer_id)
    if sender != deal.buyer:
        return Refusal.NOT_THE_BUYER
    if deal.status == "held":
        return Refusal.NOT_DELIVERED
    window = state.rules.dispute_window_us
    if deal.status == "delivered":
        # Past its deadline it counts as settled then; that its price is held still sets aside more than a freeze would.
        if _is_over(deal, at_us) and at_us > deal.deadline_us + window:
            return Refusal.DISPUTE_TOO_LATE
        state.set_deal(deal._replace(status="disputed", deadline_us=0))
        return (command.offer_id,), ()
    if deal.status != "settled":
        return _refuse_closed(deal) or Refusal.ALREADY_SETTLED
    if at_us > deal.settled_us + window:
        return Refusal.DISPUTE_TOO_LATE
    moves = _from_seller(state, deal, account("held", deal.currency, deal.seller), deal.total - deal.fee)
    frozen = sum(amount for _, _, amount in moves)
    bad = state.ledger.post(moves)
    if bad is not None:
        return bad
    state.point("dispute.frozen")
    state.set_deal(deal._replace(status="disputed", frozen=frozen))
    return (command.offer_id,), moves


def resolve(state: State, sender: str, command: Resolve, at_us: int) -> Outcome:
    """End a dispute: refund to the buyer, the rest to the seller; fees go back in proportion."""
    if sender != OPERATOR:
        return Refusal.NOT_OPERATOR
    deal = state.deals.get(command.offer_id)
    if deal is None:
        return _no_deal(state, command.offer_id)
    if deal.status != "disputed":
        return Refusal.ALREADY_RESOLVED if deal.status == "resolved" else Refusal.NOT_DISPUTED
    if command.refund > deal.total:
        return Refusal.REFUND_TOO_LARGE
    if command.refund % CURRENCIES[deal.currency].minor:
        return Refusal.AMOUNT_NOT_WHOLE
    fee_back = deal.fee * command.refund // deal.total
    moves = (
        _refund_posted(state, deal, command.refund, fee_back)
        if deal.posted
        else _split_hold(deal, command.refund, fee_back)
    )
    bad = state.ledger.post(moves)
    if bad is not None:
        return bad
    state.point("refund.moved")
    settled = deal.settled_us if deal.posted else at_us
    state.set_deal(
        deal._replace(
            status="resolved",
            refunded=command.refund,
            fee=deal.fee - fee_back,
            frozen=0,
            posted=True,
            settled_us=settled,
        )
    )
    return (command.offer_id,), moves


def tick(state: State, sender: str, _command: Tick, at_us: int) -> Outcome:
    """Void holds that timed out, settle deliveries that nobody contested, in order of their deadlines."""
    if sender != OPERATOR:
        return Refusal.NOT_OPERATOR
    ids: list[str] = []
    moves: list[Move] = []
    while state.deadlines and state.deadlines[0][0] < at_us:
        deadline, offer_id = state.deadlines[0]
        deal = state.deals[offer_id]
        if deal.deadline_us == deadline and deal.status in ("held", "delivered"):
            outcome = _void(state, deal) if deal.status == "held" else _post(state, deal, at_us)
            if isinstance(outcome, Refusal):
                # Only a sum beyond 64 bits refuses here; the deal stays open and later ones go on.
                state.set_deal(deal._replace(deadline_us=0))
            else:
                ids += outcome[0]
                moves += outcome[1]
        heappop(state.deadlines)
    return tuple(ids), tuple(moves)


def _post(state: State, deal: Deal, at_us: int) -> Outcome:
    offer_id, seller, buyer, _, currency, total, _, fee, *_ = deal
    held, merchant, fees = f"held:{currency}:{buyer}", f"merchant:{currency}:{seller}", f"fees:{currency}:{OPERATOR}"
    if 0 < fee < total:
        moves: tuple[Move, ...] = ((held, merchant, total - fee), (held, fees, fee))
    else:
        moves = _move(held, merchant, total - fee) + _move(held, fees, fee)
    bad = state.ledger.post(moves)
    if bad is not None:
        return bad
    state.point("post.moved")
    state.set_deal(deal.turn("settled", True, deal.deadline_us if _is_over(deal, at_us) else at_us, 0))
    return (offer_id,), moves


def _void(state: State, deal: Deal) -> Outcome:
    moves = _move(f"held:{deal.currency}:{deal.buyer}", f"wallet:{deal.currency}:{deal.buyer}", deal.total)
    bad = state.ledger.post(moves)
    if bad is not None:
        return bad
    state.point("void.moved")
    use = state.spent[deal.mandate_id]
    use[0] -= deal.total
    use[1] -= 1
    state.set_deal(deal._replace(status="voided", fee=0, deadline_us=0))
    return (deal.offer_id,), moves


def _is_over(deal: Deal, at_us: int) -> bool:
    """Whether a deal's deadline has passed, whether or not the operator has let it."""
    return 0 < deal.deadline_us < at_us


def _refund_posted(state: State, deal: Deal, refund: int, fee_back: int) -> tuple[Move, ...]:
    """From what was set aside, the fees and, for what is lacking, whatever else the seller has."""
    wallet, held, merchant = _accounts(deal, deal.seller)
    from_seller = refund - fee_back
    from_held = min(from_seller, deal.frozen)
    lacking = from_seller - from_held
    given = _from_seller(state, deal, wallet, lacking)
    short = lacking - sum(amount for _, _, amount in given)
    return (
        *_move(f"fees:{deal.currency}:{OPERATOR}", wallet, fee_back),
        *_move(held, wallet, from_held),
        *given,
        # Nobody has this: the ledger refuses the move, and the refund with it.
        *_move(merchant, wallet, short),
        *_move(held, merchant, deal.frozen - from_held),
    )


def _from_seller(state: State, deal: Deal, to: str, amount: int) -> tuple[Move, ...]:
    """Up to an amount from a seller's takings and then its wallet, as far as they reach."""
    moves: tuple[Move, ...] = ()
    for kind in ("merchant", "wallet"):
        source = account(kind, deal.currency, deal.seller)
        part = min(amount, state.ledger.balance(source))
        moves += _move(source, to, part)
        amount -= part
    return moves


def _split_hold(deal: Deal, refund: int, fee_back: int) -> tuple[Move, ...]:
    """The held price between buyer, seller and fees."""
    wallet, held, merchant = _accounts(deal, deal.buyer)
    fee = deal.fee - fee_back
    return (
        *_move(held, wallet, refund),
        *_move(held, merchant, deal.total - refund - fee),
        *_move(held, f"fees:{deal.currency}:{OPERATOR}", fee),
    )


def _accounts(deal: Deal, holder: str) -> tuple[str, str, str]:
    currency = deal.currency
    return f"wallet:{currency}:{deal.buyer}", f"held:{currency}:{holder}", f"merchant:{currency}:{deal.seller}"


def _move(debit: str, credit: str, amount: int) -> tuple[Move, ...]:
    return ((debit, credit, amount),) if amount else ()


def _no_deal(state: State, offer_id: str) -> Refusal:
    return Refusal.NO_DEAL if offer_id in state.offers else Refusal.UNKNOWN_OFFER


def _refuse_closed(deal: Deal) -> Refusal | None:
    return _CLOSED.get(deal.status)
