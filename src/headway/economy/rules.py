"""The rules of a market as one value: how offers meet, who is found, fees, clocks. One table drives every face."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from headway.economy.discovery import SEARCHES
from headway.facts.check import fraction, not_negative, positive, single, whole
from headway.facts.errors import unknown


@dataclass(frozen=True, slots=True)
class Mechanism:
    """How offers meet.

    Parameters
    ----------
    name, help : str
        Key, and one line for people.
    gated : bool
        Quotes are shown together, when all have come or the gate's time is up, in an order that the seed draws.
    auction : bool
        The rule picks the winner among sellers that the buyer would take, by price alone.
    asks : bool
        Sellers are asked for a quote; otherwise the posted price stands.
    """

    name: str
    help: str
    gated: bool = False
    auction: bool = False
    asks: bool = True


_ROWS: Final = (
    Mechanism("first-come", "each quote is shown as it arrives; the buyer may take it at once"),
    Mechanism("batched", "quotes are shown together, in a drawn order, when all have come or time is up", gated=True),
    Mechanism("sealed-bid", "one sealed bid each; the lowest wins and is paid its bid", gated=True, auction=True),
    Mechanism(
        "second-price", "one sealed bid each; the lowest wins and is paid the next bid", gated=True, auction=True
    ),
    Mechanism(
        "ascending",
        "an open auction: bids improve for the buyer step by step until one seller is left",
        gated=True,
        auction=True,
    ),
    Mechanism("posted", "nobody is asked: the buyer takes a posted price", asks=False),
)
MECHANISMS: Final = MappingProxyType({row.name: row for row in _ROWS})
"""Rules by name; the first is the default."""

REFUNDS: Final = MappingProxyType(
    {
        "evidence": "a dispute over goods that the log shows delivered is denied",
        "trust": "every dispute is granted in full",
    }
)
"""How the operator decides disputes; the first is the default."""


ESTEEMS: Final = MappingProxyType(
    {
        "earned": "settled value, by how many independent buyers, fading (headway.economy.reputation)",
        "count": "settled deals, whoever bought: what a wash trader buys",
    }
)
"""What reputation is read off; the first is the default."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one market.

    Parameters
    ----------
    mechanism : str
        Key of :data:`MECHANISMS`.
    search : str
        Key of :data:`~headway.economy.discovery.SEARCHES`.
    width : int, optional
        Results that a search shows; None shows all that match [1].
    within_km : float, optional
        Only sellers at most this far [km].
    fee_bps : int
        The platform's fee on a settled deal [1e-4].
    gate_s : float
        Longest wait for the quotes of a batch or an auction [s].
    offer_s : float
        How long an offer stands [s].
    hold_s : float
        How long the buyer's money may stay held; 0 settles at delivery [s].
    delivery_s : float
        From acceptance to delivery [s].
    bell_s : float
        Opening bell: listings are up before it, nobody searches before it [s].
    group_s : float
        The rails answer commands in groups at multiples of this; 0 answers at once [s].
    step : float
        Step of an open auction, a share of the posted price [1].
    refunds : str
        Key of :data:`REFUNDS`.
    reputation : float
        Weight of reputation in the order of search results, 0 to 1 [1].
    esteem : str
        Key of :data:`ESTEEMS`.
    reputation_s : float
        How often reputation is read off the settled deals [s].

    Raises
    ------
    InputError
        If a field is out of range or unknown.

    Examples
    --------
    >>> Rules("batched", width=10).kind.gated
    True
    """

    mechanism: str = "first-come"
    search: str = "menu"
    width: int | None = None
    within_km: float | None = None
    fee_bps: int = 0
    gate_s: float = 600.0
    offer_s: float = 3600.0
    hold_s: float = 86_400.0
    delivery_s: float = 1800.0
    bell_s: float = 0.0
    group_s: float = 0.0
    step: float = 0.02
    refunds: str = "evidence"
    reputation: float = 0.0
    esteem: str = "earned"
    reputation_s: float = 3600.0

    def __post_init__(self) -> None:
        """Refuse fields out of range, by name."""
        for field, table in (
            ("mechanism", MECHANISMS),
            ("search", SEARCHES),
            ("refunds", REFUNDS),
            ("esteem", ESTEEMS),
        ):
            if getattr(self, field) not in table:
                raise unknown(field, str(getattr(self, field)), table)
        if self.width is not None:
            whole("width", single("width", self.width), most=1_000_000)
        if self.within_km is not None:
            not_negative("within_km", single("within_km", self.within_km), "km")
        whole("fee_bps", single("fee_bps", self.fee_bps), least=0, most=10_000)
        for field in ("gate_s", "offer_s", "hold_s"):
            positive(field, single(field, getattr(self, field)), "s")
        for field in ("delivery_s", "bell_s", "group_s", "reputation_s"):
            not_negative(field, single(field, getattr(self, field)), "s")
        positive("step", single("step", self.step))
        fraction("step", self.step)
        fraction("reputation", single("reputation", self.reputation))

    @property
    def kind(self) -> Mechanism:
        """The mechanism's row."""
        return MECHANISMS[self.mechanism]


def basis_points(share: float) -> int:
    """A share as whole basis points.

    >>> basis_points(0.025)
    250
    """
    return round(float(fraction("fee", single("fee", share))) * 10_000)
