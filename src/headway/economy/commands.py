"""What agents and the operator may ask of the rails: frozen records, one a command.

Every command begins with the client's key: the same key with the same body gives the same answer again, with another
body it is refused. The sender is no field: it is the session that the command arrives on.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from headway.economy.mandates import Mandate

Items: TypeAlias = tuple[tuple[str, int], ...]
"""Names and prices [micros]."""

ALGORITHMS: Final = ("ed25519", "es256")
ROLES: Final = ("consumer", "business", "user")
"""A user only signs mandates and trades nothing itself; consumers and businesses are agents."""


@dataclass(frozen=True, slots=True)
class Configure:
    """Set the rules from now on (operator): fee, timeouts [us], audience of mandates, currency and price of compute.

    A `confirm_timeout_us` of 0 settles a deal when it is delivered; otherwise the buyer confirms, or the time passes.
    A `rack_micros_per_s` of 0 takes any bill; otherwise a bill must be the rack time times this price, rounded down.
    """

    key: str
    fee_bps: int
    hold_timeout_us: int
    confirm_timeout_us: int
    dispute_window_us: int
    audience: str
    compute_currency: str
    rack_micros_per_s: int


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """Register an agent under its public key (operator).

    `user` is the account whose mandates the agent spends under, opened before it, and the only one whose signature
    binds it; None for a user itself, and for an agent that buys nothing.
    """

    key: str
    agent_id: str
    role: str
    public_key: bytes
    algorithm: str
    user: str | None


@dataclass(frozen=True, slots=True)
class Deposit:
    """Take money in for an agent's wallet (operator) [micros]."""

    key: str
    agent_id: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Pay money out of a wallet, and of a business's takings after it (operator) [micros]."""

    key: str
    agent_id: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class BillCompute:
    """Charge an agent for one decision or a batch of them (operator) [micros, tokens, us of rack]."""

    key: str
    agent_id: str
    micros: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    rack_us: int


@dataclass(frozen=True, slots=True)
class PublishListing:
    """Offer goods to everyone, or publish them anew (business). A reserve price is no field: it stays at home."""

    key: str
    listing_id: str
    items: Items
    currency: str
    text: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SignMandate:
    """Register a mandate that its user signed (the user or the agent that it names)."""

    key: str
    mandate: Mandate
    signature: bytes


@dataclass(frozen=True, slots=True)
class RevokeMandate:
    """End a mandate: no deal can be accepted under it any more, those that were go on (its user)."""

    key: str
    mandate_id: str


@dataclass(frozen=True, slots=True)
class MakeOffer:
    """Offer terms to one buyer (the listing's business) [micros, us]."""

    key: str
    offer_id: str
    listing_id: str
    buyer: str
    items: Items
    total: int
    currency: str
    expires_us: int


@dataclass(frozen=True, slots=True)
class CounterOffer:
    """Answer the terms of a version with others, which become the next version (the side that did not speak last)."""

    key: str
    offer_id: str
    version: int
    items: Items
    total: int
    expires_us: int


@dataclass(frozen=True, slots=True)
class WithdrawOffer:
    """Take an open offer back, or decline it (seller or buyer)."""

    key: str
    offer_id: str


@dataclass(frozen=True, slots=True)
class AcceptOffer:
    """Accept a version of the seller's terms under a mandate; the buyer's money is held in the same step (buyer)."""

    key: str
    offer_id: str
    version: int
    mandate_id: str


@dataclass(frozen=True, slots=True)
class Deliver:
    """Say that the goods were handed over (seller)."""

    key: str
    offer_id: str


@dataclass(frozen=True, slots=True)
class ConfirmDelivery:
    """Say that they arrived: the held money is posted to the seller less the fee (buyer)."""

    key: str
    offer_id: str


@dataclass(frozen=True, slots=True)
class CancelDeal:
    """Void the hold (the buyer before delivery, the seller until it is settled)."""

    key: str
    offer_id: str


@dataclass(frozen=True, slots=True)
class OpenDispute:
    """Contest a delivered or settled deal; what the seller took for it is set aside (buyer)."""

    key: str
    offer_id: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Resolve:
    """End a dispute with a refund of none, some or all of the price (operator) [micros]."""

    key: str
    offer_id: str
    refund: int
    reason: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Let time pass: holds that timed out are voided, deliveries that nobody contested are settled (operator)."""

    key: str


Command: TypeAlias = (
    Configure
    | OpenAccount
    | Deposit
    | Withdraw
    | BillCompute
    | PublishListing
    | SignMandate
    | RevokeMandate
    | MakeOffer
    | CounterOffer
    | WithdrawOffer
    | AcceptOffer
    | Deliver
    | ConfirmDelivery
    | CancelDeal
    | OpenDispute
    | Resolve
    | Tick
)

KINDS: Final[MappingProxyType[str, Any]] = MappingProxyType(
    {
        "configure": Configure,
        "open_account": OpenAccount,
        "deposit": Deposit,
        "withdraw": Withdraw,
        "bill_compute": BillCompute,
        "publish_listing": PublishListing,
        "sign_mandate": SignMandate,
        "revoke_mandate": RevokeMandate,
        "make_offer": MakeOffer,
        "counter_offer": CounterOffer,
        "withdraw_offer": WithdrawOffer,
        "accept_offer": AcceptOffer,
        "deliver": Deliver,
        "confirm_delivery": ConfirmDelivery,
        "cancel_deal": CancelDeal,
        "open_dispute": OpenDispute,
        "resolve": Resolve,
        "tick": Tick,
    }
)
"""Name of each command in the log."""
