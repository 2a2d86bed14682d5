"""Sellers without a language model: what they ask, how far they concede, how they move their prices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from headway.facts.check import fraction, not_negative, positive, single, whole
from headway.facts.errors import unknown


@dataclass(frozen=True, slots=True)
class Seller:
    """A selling policy.

    Parameters
    ----------
    name, help : str
        Key, and one line for people.
    concedes : bool
        Answers counter-offers, down to its reserve over its rounds; otherwise the quoted price stands.
    rounds : int
        Counter-offers over which it comes down to its reserve [1].
    shape : float
        Exponent of the concession over the rounds done: 1 is linear, above 1 it gives way late (Faratin et al., 1998).
    learns : float
        Share by which a deal raises its price and a lost offer lowers it, never below its reserve; 0 keeps it [1].
    reply_s : float
        Mean time until it answers, beside the time of its decision; exponential [s].
    funds : float
        What it starts with, to pay for its decisions until it has takings [$].

    Raises
    ------
    InputError
        If a field is out of range.
    """

    name: str
    help: str
    concedes: bool = False
    rounds: int = 4
    shape: float = 1.0
    learns: float = 0.0
    reply_s: float = 20.0
    funds: float = 1.0

    def __post_init__(self) -> None:
        """Refuse fields out of range, by name."""
        whole("rounds", single("rounds", self.rounds), most=100)
        positive("shape", single("shape", self.shape))
        fraction("learns", single("learns", self.learns), allow_one=False)
        not_negative("reply_s", single("reply_s", self.reply_s), "s")
        not_negative("funds", single("funds", self.funds), "$")


_ROWS: Final = (
    Seller("posted", "asks its posted price and keeps it"),
    Seller("negotiator", "asks its posted price and concedes down to its reserve", concedes=True),
    Seller("learning", "raises its price after a deal, lowers it after a lost offer, keeps its reserve", learns=0.02),
)
SELLERS: Final = MappingProxyType({row.name: row for row in _ROWS})
"""Selling policies by name; the first is the default."""

MOST_FACTOR: Final = 2.0
"""Highest price of a learning seller over its posted one [1]."""


def seller(name: str) -> Seller:
    """A policy of the table.

    >>> seller("negotiator").concedes
    True
    """
    if name not in SELLERS:
        raise unknown("sellers", name, SELLERS)
    return SELLERS[name]


def floor_price(posted: int, reserve: float, minor: int) -> int:
    """Least the seller takes: its reserve of the posted price, rounded up to a whole minor unit [micro].

    >>> floor_price(13_510_000, 0.78, 10_000)
    10540000
    """
    # In hundredths of a percent, so that 0.78 is 78% and not the float just above it.
    exact = posted * round(reserve * 10_000)
    return max(-(-exact // (10_000 * minor)), 1) * minor


def quote(posted: int, least: int, factor: float, minor: int) -> int:
    """What it asks: the posted price times its factor, in whole minor units, at least its floor [micro].

    >>> quote(10_000_000, 8_000_000, 0.985, 10_000), quote(10_000_000, 8_000_000, 0.5, 10_000)
    (9850000, 8000000)
    """
    return max(round(posted * factor / minor) * minor, least, minor)


def concession(policy: Seller, asked: int, least: int, done: int, minor: int) -> int:
    """Its price after some rounds: ask - (ask - reserve) (k / K) ** shape, rounded up to a whole minor unit [micro].

    Parameters
    ----------
    policy : Seller
        Whose rounds K and shape.
    asked, least : int
        Its quote and its floor [micro].
    done : int
        k [1].
    minor : int
        Micros of a minor unit [micro].

    Examples
    --------
    >>> [concession(SELLERS["negotiator"], 1000, 800, k, 1) for k in range(6)]
    [1000, 950, 900, 850, 800, 800]
    """
    if not policy.concedes:
        return asked
    share = math.pow(min(done / policy.rounds, 1.0), policy.shape)
    return max(-(-round(asked - (asked - least) * share) // minor) * minor, least)


def learned(policy: Seller, factor: float, sold: bool) -> float:
    """Price factor after an outcome: up by the share learned after a deal, down after a lost offer.

    >>> round(learned(SELLERS["learning"], 1.0, True), 4), round(learned(SELLERS["learning"], 1.0, False), 4)
    (1.02, 0.98)
    """
    moved = factor * (1.0 + policy.learns if sold else 1.0 - policy.learns)
    return min(max(moved, 1.0 / MOST_FACTOR), MOST_FACTOR)
