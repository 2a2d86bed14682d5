"""Auctions in which sellers bid for one buyer: who wins, at what price, after how many rounds.

First price: with costs drawn alike, uniform below a common top t, the equilibrium bid of n sellers is
``b = c + (t - c) / n`` (Krishna, *Auction Theory*, 2nd ed., 2.3, for sellers). Second price and the open auction make
the true cost the best bid (Vickrey, 1961): the winner is paid what the next one would have taken, and never more than
the lowest price that any of them posted, which no bid moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headway.facts.check import whole
from headway.facts.errors import InputError, RangeError


@dataclass(frozen=True, slots=True)
class Award:
    """Result of an auction.

    Parameters
    ----------
    winner : int
        Place of the winner in the bids.
    price : int
        What is paid [micro].
    rounds : int
        Times that bidders had to decide [1].
    """

    winner: int
    price: int
    rounds: int


def shaded_bid(reserve: int, top: int, bidders: int, minor: int = 1) -> int:
    """Equilibrium bid of a sealed first-price auction, in whole minor units, never below the reserve: c + (t - c) / n.

    Parameters
    ----------
    reserve, top : int
        The seller's cost c, and the posted price t that nobody would bid above [micro].
    bidders : int
        n [1].
    minor : int
        Micros of a minor unit [micro].

    Examples
    --------
    >>> shaded_bid(600, 1000, 4), shaded_bid(600, 1000, 1)
    (700, 1000)
    """
    whole("bidders", bidders)
    bid = reserve + max(top - reserve, 0) // bidders
    return -(-max(bid, reserve) // minor) * minor


def sealed_bid(bids: Sequence[int], *, second: bool = False, top: int | None = None) -> Award:
    """Lowest bid wins; of equals the first. It is paid its own bid, or where `second` the next one, at most `top`.

    Parameters
    ----------
    bids : sequence of int
        One a seller [micro].
    second : bool
        Whether the next bid is paid.
    top : int, optional
        Most that is paid where the next bid would be, and what a lone bidder is paid: the lowest price that any bidder
        posted. The lowest bid lies below it where nobody bids above its own [micro].

    Examples
    --------
    >>> sealed_bid([700, 650, 900]), sealed_bid([700, 650, 900], second=True).price
    (Award(winner=1, price=650, rounds=1), 700)
    >>> sealed_bid([700], second=True, top=950).price, sealed_bid([600, 900], second=True, top=650).price
    (950, 650)
    """
    if not bids:
        raise InputError("bids", "none", "at least one")
    winner = min(range(len(bids)), key=lambda k: (bids[k], k))
    others = [bid for k, bid in enumerate(bids) if k != winner]
    if not second:
        return Award(winner, bids[winner], 1)
    most = [*others] if top is None else [*others, top]
    return Award(winner, max(bids[winner], min(most, default=bids[winner])), 1)


def open_auction(tops: Sequence[int], reserves: Sequence[int], step: int) -> Award:
    """Open auction by a clock: the price falls from the lowest posted one, step by step, while two sellers stay.

    A seller whose posted price the clock has not reached stands at its reserve or leaves, as it does at every step.

    Parameters
    ----------
    tops, reserves : sequence of int
        Posted price and reserve of each seller [micro].
    step : int
        What each round takes off [micro].

    Returns
    -------
    Award
        The last to stay; of several that leave in the last round the one with the lowest reserve, then the first.
        Paid the price of the round before the others left, at least its reserve.

    Examples
    --------
    >>> open_auction([1000, 1000, 1000], [600, 800, 900], 50)
    Award(winner=0, price=800, rounds=6)
    """
    if not tops or len(tops) != len(reserves):
        raise InputError("bids", f"{len(tops)} prices and {len(reserves)} reserves", "as many of each, at least one")
    if step <= 0:
        raise RangeError("step", step, "at least 1 micro")
    start = min(tops)
    winner = min(range(len(tops)), key=lambda k: (reserves[k], k))
    others = [reserve for k, reserve in enumerate(reserves) if k != winner]
    if not others:
        return Award(winner, start, 1)
    stays = max(start - min(others), 0) // step
    price = max(min(start, start - stays * step), reserves[winner])
    return Award(winner, price, stays + 2)
