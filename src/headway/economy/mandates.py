"""What a user signs so that an agent may spend: limits, window, merchants, items; and whether a deal keeps to it.

The idea is that of the open mandates of AP2 0.2 (google-agentic-commerce/AP2 at e1ea56d): constraints signed by the
user before any shop is known, checked against the closed terms of one deal. The bytes are this ledger's own, no SD-JWT.
What is signed includes the audience, so that a mandate captured on one ledger is worthless on another; the nonce is
spent once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from headway.economy.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Mandate:
    """Limits within which an agent may spend.

    Parameters
    ----------
    mandate_id : str
        Identifier, unique on the ledger.
    user : str
        Account whose key signs.
    agent : str
        Account that may spend, from its own wallet.
    per_deal, total : int
        Most for one deal, and for all deals that are held or settled at any time [micros].
    currency : str
        ISO 4217 code.
    not_before_us, not_after_us : int
        Window in which deals may be accepted, both ends included [us].
    merchants, items : tuple of str or None
        Sellers and item names that are allowed; None allows all.
    single_use : bool
        Whether one deal uses it up; a voided deal gives it back.
    nonce : str
        Spent once per user.
    """

    mandate_id: str
    user: str
    agent: str
    per_deal: int
    total: int
    currency: str
    not_before_us: int
    not_after_us: int
    merchants: tuple[str, ...] | None
    items: tuple[str, ...] | None
    single_use: bool
    nonce: str


_FIELDS: Final = tuple(sorted(Mandate.__dataclass_fields__))


def plain(mandate: Mandate) -> dict[str, object]:
    """Every field of a mandate by name, in alphabetical order; nothing is copied.

    >>> list(plain(Mandate("m1", "u", "a", 5, 9, "USD", 0, 10, None, ("pen",), True, "n1")))[:3]
    ['agent', 'currency', 'items']
    """
    return {name: getattr(mandate, name) for name in _FIELDS}


def signing_bytes(mandate: Mandate, audience: str) -> bytes:
    """Bytes that the user signs: canonical JSON of the audience, a tag of the purpose and every limit.

    >>> m = Mandate("m1", "u", "a", 5, 9, "USD", 0, 10, None, ("pen",), True, "n1")
    >>> signing_bytes(m, "here")[:47]
    b'{"audience":"here","mandate":{"agent":"a","curr'
    """
    body = {"audience": audience, "mandate": plain(mandate), "purpose": "headway-mandate-1"}
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def empty(mandate: Mandate, at_us: int) -> bool:
    """Whether no deal could ever be made under a mandate from a time on.

    >>> empty(Mandate("m1", "u", "a", 5, 9, "USD", 0, 10, None, None, False, "n1"), 11)
    True
    """
    closed = mandate.not_after_us < max(at_us, mandate.not_before_us)
    return closed or mandate.merchants == () or mandate.items == ()


def refuse_deal(
    mandate: Mandate,
    agent: str,
    merchant: str,
    items: Iterable[tuple[str, int]],
    total: int,
    currency: str,
    spent: int,
    deals: int,
    at_us: int,
) -> Refusal | None:
    """Why a deal would overstep a mandate, or None where it keeps within: spent + total <= limit, and so on.

    Parameters
    ----------
    mandate : Mandate
        As signed.
    agent, merchant : str
        Who would pay whom.
    items : iterable of (str, int)
        Names and prices [micros].
    total : int
        What would be held [micros].
    currency : str
        Of the deal.
    spent : int
        Held or settled under the mandate so far [micros].
    deals : int
        Deals held or settled under it so far.
    at_us : int
        When [us].

    Examples
    --------
    >>> m = Mandate("m1", "u", "a", 5, 9, "USD", 0, 10, None, ("pen",), False, "n1")
    >>> deal = dict(agent="a", merchant="b", items=(("pen", 5),), total=5, currency="USD", deals=1, at_us=3)
    >>> refuse_deal(m, spent=4, **deal), refuse_deal(m, spent=5, **deal).name
    (None, 'MANDATE_TOTAL')
    """
    if mandate.agent != agent:
        return Refusal.MANDATE_OF_ANOTHER
    if at_us < mandate.not_before_us:
        return Refusal.MANDATE_NOT_YET
    if at_us > mandate.not_after_us:
        return Refusal.MANDATE_EXPIRED
    if mandate.currency != currency:
        return Refusal.MANDATE_CURRENCY
    if mandate.merchants is not None and merchant not in mandate.merchants:
        return Refusal.MANDATE_MERCHANT
    if mandate.items is not None and any(name not in mandate.items for name, _ in items):
        return Refusal.MANDATE_ITEM
    if mandate.single_use and deals:
        return Refusal.MANDATE_USED
    if total > mandate.per_deal:
        return Refusal.MANDATE_PER_DEAL
    if spent + total > mandate.total:
        return Refusal.MANDATE_TOTAL
    return None
