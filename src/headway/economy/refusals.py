"""Why a command was refused: one name and one sentence each. A refusal is a value, never an exception."""

from __future__ import annotations

from enum import Enum


class Refusal(Enum):
    """Every reason for which the rails refuse a command; the value is the sentence that clients read."""

    # Shape: decided by the command alone, so the same answer is given again without being recorded.
    UNKNOWN_COMMAND = "this is not a command of the rails"
    MALFORMED = "a field is missing, of another type or too long"
    BAD_IDENTIFIER = "an identifier may hold only letters, digits and . _ ~ : @ / + = -"
    BAD_TEXT = "a text is too long or not valid Unicode"
    UNKNOWN_CURRENCY = "no such currency"
    AMOUNT_NOT_POSITIVE = "amounts must be above zero, and prices of items not below it"
    AMOUNT_OVERFLOWS = "an amount or a balance does not fit 64 bits"
    AMOUNT_NOT_WHOLE = "agreed amounts must be whole minor units of the currency"
    ITEMS_DO_NOT_SUM = "the prices of the items do not sum to the total"

    # Sender: decided by the session.
    UNKNOWN_SESSION = "the session was not opened by these rails"
    NOT_OPERATOR = "only the operator may do this"
    NOT_YOURS = "this belongs to another agent"
    NOT_A_BUSINESS = "only a business may sell"
    NOT_A_USER = "the user named for an agent must be an account of role user, and a user has none itself"
    NOT_A_BUYER = "a user trades nothing itself, and no business buys from itself"
    KEY_REUSED = "the client key was used before with another body"

    # Accounts.
    RESERVED_NAME = "this name belongs to the platform"
    ACCOUNT_EXISTS = "the agent has an account already"
    UNKNOWN_AGENT = "no such agent"
    BAD_KEY = "the public key cannot be read under this algorithm"
    INSUFFICIENT_FUNDS = "the account holds less than the amount"
    BILL_DISAGREES = "the bill is not the rack time times its price"

    # Mandates.
    BAD_SIGNATURE = "the signature does not verify under the user's key for these rails"
    MANDATE_EXISTS = "a mandate with this identifier or nonce was registered before"
    MANDATE_EMPTY = "the mandate's limits or window leave no room for any deal"
    UNKNOWN_MANDATE = "no such mandate"
    MANDATE_OF_ANOTHER = "the mandate names another agent"
    MANDATE_REVOKED = "the user has revoked the mandate"
    MANDATE_NOT_YET = "the mandate's window has not opened"
    MANDATE_EXPIRED = "the mandate's window has closed"
    MANDATE_CURRENCY = "the mandate is in another currency"
    MANDATE_MERCHANT = "the mandate does not allow this merchant"
    MANDATE_ITEM = "the mandate does not allow one of these items"
    MANDATE_PER_DEAL = "the deal exceeds the mandate's limit per deal"
    MANDATE_TOTAL = "the deal exceeds what is left of the mandate's total"
    MANDATE_USED = "the mandate was for one deal, and has been used"

    # Listings and offers.
    LISTING_OF_ANOTHER = "the listing belongs to another business"
    UNKNOWN_LISTING = "no such listing"
    UNKNOWN_ITEM = "an item is not in the listing"
    LISTING_CURRENCY = "the listing is in another currency"
    OFFER_EXISTS = "an offer with this identifier was made before"
    UNKNOWN_OFFER = "no such offer"
    FORGED_OFFER = "only the listing's own business may make offers on it"
    NOT_THE_BUYER = "the offer was made to another buyer"
    NOT_A_PARTY = "only the offer's buyer or seller may do this"
    OFFER_EXPIRED = "the offer has expired"
    OFFER_WITHDRAWN = "the offer was withdrawn"
    STALE_VERSION = "the offer has another version now"
    AWAITS_SELLER = "the last terms are the buyer's own; the seller must answer first"
    AWAITS_BUYER = "the last terms are the seller's own; withdraw the offer or wait for the buyer"

    # Deals.
    ALREADY_ACCEPTED = "the offer was accepted before: an offer settles once"
    NO_DEAL = "the offer has not been accepted"
    NOT_THE_SELLER = "only the deal's seller may do this"
    HOLD_EXPIRED = "the hold on the buyer's money has timed out"
    ALREADY_DELIVERED = "the deal was delivered before"
    NOT_DELIVERED = "the deal has not been delivered"
    ALREADY_SETTLED = "the deal was settled before"
    ALREADY_VOIDED = "the deal was voided before"
    DISPUTED = "the deal is under dispute"
    NOT_DISPUTED = "the deal is not under dispute"
    ALREADY_RESOLVED = "the dispute was resolved before"
    DISPUTE_TOO_LATE = "the time for a dispute has passed"
    REFUND_TOO_LARGE = "the refund exceeds what the buyer paid"
