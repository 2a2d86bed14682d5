"""Reputation of sellers: earned from settled deals only, by value and by how many independent buyers, and it fades.

Of the pairs of buyer b and seller s, with value v the sum of settled prices less refunds, each halved per half-life:

    r(s) = sum over b of  m(v(b, s)) x w(b, s)          m(v) = v / (v + scale)
    w(b, s) = e / (e + 1)                               e = sum over other sellers q of  m(v(b, q)) x standing(q)

``m`` saturates, so that one buyer counts for at most 1 however much it spends: value is weighed, not bought. ``w``
counts a buyer by what it also bought elsewhere: puppets that buy from one seller alone count nothing.

``standing`` is 1 for anchors (businesses that the operator knows). From them it spreads as a walk that goes from a
seller to one of its buyers and on to a seller of that buyer, each in proportion to ``m``, and returns to an anchor half
of the time: ``standing(q) = min(1, t(q) / t0)`` for the share ``t`` of its stops, ``t0`` that of an anchor which nobody
else leads to. A walk divides what it passes on, so a ring holds no more standing than its puppets bring in: of what
outside shops sold, by weight, let ``phi`` be the puppets' largest share at any one; with ``A`` anchors the ring's
sellers have a standing of at most ``2 A phi`` together. A puppet that spent ``x`` outside then counts at most
``x / scale + 2 A phi``: a voice is paid for in real purchases, and a cent buys a cent's worth.

Without anchors every seller has standing 1, and a ring of k puppets gains up to k, as k strangers would. No rule that
treats all alike can do better: a symmetric reputation is never proof against Sybils (Cheng and Friedman, P2PECON 2005).

The walk is that of EigenTrust (Kamvar, Schlosser and Garcia-Molina, WWW 2003: pre-trusted peers); feedback bound to a
settled job is ERC-8004's. Disputes that a seller lost count against it: what was refunded is taken away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headway.economy.state import DAY_US, Deal
from headway.facts.errors import RangeError

ROUNDS: Final = 20
"""Steps of the walk; what it has not reached by then is below a millionth."""

RETURN: Final = 0.5
"""Chance that the walk returns to an anchor instead of going on [1]."""

HALF_LIFE_US: Final = 90 * DAY_US
SCALE: Final = 20_000_000
"""Value at which a buyer counts half [micros]: twenty of a major unit."""


@dataclass(frozen=True, slots=True)
class Reputation:
    """What one seller has earned.

    Parameters
    ----------
    seller : str
        Account.
    score : float
        Independent buyers, weighed: about the number of buyers who spent well and buy elsewhere too [1].
    buyers : int
        Buyers with a settled deal.
    settled : int
        Settled prices less refunds, not faded [micros].
    refunded_share : float
        Refunds over settled prices [1].
    """

    seller: str
    score: float
    buyers: int
    settled: int
    refunded_share: float


def reputations(
    deals: Iterable[Deal],
    *,
    at_us: int,
    currency: str = "USD",
    half_life_us: int = HALF_LIFE_US,
    scale: int = SCALE,
    anchors: Iterable[str] | None = None,
) -> dict[str, Reputation]:
    """Reputation of every seller that settled a deal.

    Parameters
    ----------
    deals : iterable of Deal
        Of a ledger's state; those that did not settle, of a seller with itself, and other currencies count nothing.
    at_us : int
        Now [us].
    currency : str
        Of the deals that count: values of different currencies do not add up.
    half_life_us : int
        Time in which a deal's weight halves [us].
    scale : int
        Value at which a buyer counts half [micros].
    anchors : iterable of str, optional
        Sellers whose standing is given, from whom it spreads; None gives every seller the same.

    Returns
    -------
    dict of str to Reputation
        By seller.

    Raises
    ------
    RangeError
        Where half-life or scale is not above zero.

    Examples
    --------
    >>> def deal(buyer, seller):
    ...     return Deal("o", seller, buyer, "m", "USD", 20_000_000, 0, 0, 0, 0, "settled", True, 0, 0)
    >>> honest = [deal(buyer, seller) for buyer in "ab" for seller in ("shop", "mart")]
    >>> puppets = [deal(f"puppet{n}", "washer") for n in range(50)] * 100
    >>> {name: round(found.score, 2) for name, found in reputations(honest + puppets, at_us=0).items()}
    {'shop': 0.33, 'mart': 0.33, 'washer': 0.0}
    """
    for name, value in (("half_life_us", half_life_us), ("scale", scale)):
        if value <= 0:
            raise RangeError(name, value, "above zero")
    pairs: dict[tuple[str, str], float] = {}
    gross: dict[str, int] = {}
    kept: dict[str, int] = {}
    for deal in deals:
        if not deal.posted or deal.currency != currency or deal.buyer == deal.seller:
            continue
        net = deal.total - deal.refunded
        age = max(0, at_us - deal.settled_us)
        pair = (deal.buyer, deal.seller)
        pairs[pair] = pairs.get(pair, 0.0) + net * 0.5 ** (age / half_life_us)
        gross[deal.seller] = gross.get(deal.seller, 0) + deal.total
        kept[deal.seller] = kept.get(deal.seller, 0) + net
    weights = {pair: value / (value + scale) for pair, value in pairs.items()}
    scores = _settle(weights, frozenset(anchors) if anchors is not None else None)
    buyers: dict[str, int] = {}
    for _, seller in pairs:
        buyers[seller] = buyers.get(seller, 0) + 1
    return {
        seller: Reputation(
            seller, scores.get(seller, 0.0), buyers[seller], kept[seller], 1 - kept[seller] / max(total, 1)
        )
        for seller, total in gross.items()
    }


def _settle(weights: Mapping[tuple[str, str], float], anchors: frozenset[str] | None) -> dict[str, float]:
    """Scores where standing has spread from the anchors, or where everyone has the same."""
    sellers = sorted({seller for _, seller in weights})
    return _score(weights, dict.fromkeys(sellers, 1.0) if anchors is None else _standing(weights, sellers, anchors))


def _standing(
    weights: Mapping[tuple[str, str], float], sellers: Sequence[str], anchors: frozenset[str]
) -> dict[str, float]:
    """Stops of the walk at each seller, over those that an anchor has at least."""
    bought: dict[str, float] = {}
    sold: dict[str, float] = {}
    for (buyer, seller), weight in weights.items():
        bought[buyer] = bought.get(buyer, 0.0) + weight
        sold[seller] = sold.get(seller, 0.0) + weight
    least = RETURN / max(1, len(anchors.intersection(sellers)))
    home = {seller: least if seller in anchors else 0.0 for seller in sellers}
    stops = home
    for _ in range(ROUNDS):
        reached = dict.fromkeys(bought, 0.0)
        for (buyer, seller), weight in weights.items():
            if weight:
                reached[buyer] += stops[seller] * weight / sold[seller]
        stops = dict(home)
        for (buyer, seller), weight in weights.items():
            if weight:
                stops[seller] += (1.0 - RETURN) * reached[buyer] * weight / bought[buyer]
    return {seller: 1.0 if seller in anchors else min(1.0, stops[seller] / least) for seller in sellers}


def _score(weights: Mapping[tuple[str, str], float], standing: Mapping[str, float]) -> dict[str, float]:
    evidence: dict[str, float] = {}
    for (buyer, seller), weight in weights.items():
        evidence[buyer] = evidence.get(buyer, 0.0) + weight * standing[seller]
    scores: dict[str, float] = {}
    for (buyer, seller), weight in weights.items():
        elsewhere = max(0.0, evidence[buyer] - weight * standing[seller])
        scores[seller] = scores.get(seller, 0.0) + weight * elsewhere / (elsewhere + 1.0)
    return scores
