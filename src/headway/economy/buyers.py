"""Buyers without a language model: whom they ask, which offer they take, when they stop.

A policy is a row of numbers; :data:`BUYERS` is the table of them that every face offers. What it costs to ask is part
of the policy: an agent asks one more seller only while that is expected to save more than its bill (Stigler, *The
Economics of Information*, 1961), and it stops or walks away where deciding gets too dear or too slow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from headway.facts.check import fraction, not_negative, positive, single, whole
from headway.facts.errors import InputError, unknown

CHOICES: Final = MappingProxyType(
    {
        "best": "the offer of the highest utility, none below zero",
        "cheapest": "the lowest price, whatever is missing",
        "random": "any of the offers",
    }
)
"""How a buyer chooses among the offers it has seen."""


@dataclass(frozen=True, slots=True)
class Buyer:
    """A buying policy.

    Parameters
    ----------
    name, help : str
        Key, and one line for people.
    choose : str
        Key of :data:`CHOICES`.
    minds_tags : bool
        Asks only sellers whose listing shows every tag needed.
    contacts : int, optional
        Most sellers asked; None asks all it considers [1].
    attention : float
        Listings it can read with care; of k listings each is read rightly with chance ``attention / k``, and taken
        at random otherwise [1].
    first_p : float
        Chance that it takes the first acceptable offer that it is shown, without waiting for others [1].
    rounds : int
        Counter-offers it makes before it takes or leaves the best offer [1].
    opening : float
        Its first counter-offer over the price offered [1].
    limit : float
        Most it would pay, over what the basket is worth; signed as the mandate's limit per deal [1].
    susceptibility : float
        Chance that an instruction in a listing or an offer redirects it [1].
    patience_s : float
        Longest it waits from its start to its choice [s].
    most_compute : float
        Most it spends on deciding, over what the basket is worth [1].
    agents : int
        Agents that choose by themselves at once; an aggregator takes the best of what they chose [1].
    spread : float, optional
        Range of prices it expects, over what the basket is worth: it asks only as many as pay (Stigler); None asks
        all that its contacts allow [1].

    Raises
    ------
    InputError
        If a field is out of range or unknown.
    """

    name: str
    help: str
    choose: str = "best"
    minds_tags: bool = True
    contacts: int | None = None
    attention: float = math.inf
    first_p: float = 0.0
    rounds: int = 0
    opening: float = 0.8
    limit: float = 2.0
    susceptibility: float = 0.0
    patience_s: float = 1800.0
    most_compute: float = 0.1
    spread: float | None = None
    agents: int = 1

    def __post_init__(self) -> None:
        """Refuse fields out of range, by name."""
        if self.choose not in CHOICES:
            raise unknown("choose", self.choose, CHOICES)
        if self.contacts is not None:
            whole("contacts", single("contacts", self.contacts), most=1_000_000)
        if not self.attention > 0:
            raise InputError("attention", self.attention, "a number above 0")
        for field in ("first_p", "opening", "susceptibility"):
            fraction(field, single(field, getattr(self, field)))
        whole("rounds", single("rounds", self.rounds), least=0, most=100)
        whole("agents", single("agents", self.agents), most=64)
        for field in ("limit", "patience_s"):
            positive(field, single(field, getattr(self, field)))
        not_negative("most_compute", single("most_compute", self.most_compute))
        if self.spread is not None:
            not_negative("spread", single("spread", self.spread))


FITTED_P: Final = 0.9
"""Chance of taking the first proposal, fitted to 93.3 / 0 / 6.7 % of first, second and third (see `fit_first_p`)."""

_ROWS: Final = (
    Buyer("optimal", "asks every seller that fits and takes the best offer"),
    Buyer("cheapest", "takes the lowest price, whatever amenities are missing", "cheapest", minds_tags=False),
    Buyer("random", "takes any seller that has the whole basket", "random", minds_tags=False),
    Buyer("random-amenities", "takes any seller that has the basket and the amenities", "random"),
    Buyer(
        "first-proposal",
        "takes the first offer with the fitted chance, any of them otherwise",
        "random",
        minds_tags=False,
        first_p=FITTED_P,
    ),
    Buyer(
        "attention",
        "reads a few listings with care, asks six, mostly takes the first acceptable offer",
        contacts=6,
        attention=6.0,
        first_p=FITTED_P,
    ),
    Buyer(
        "parallel",
        "four first-proposal buyers, and an aggregator that takes the best of their choices",
        "random",
        minds_tags=False,
        first_p=FITTED_P,
        agents=4,
    ),
    Buyer("negotiator", "asks the sellers that fit and bargains with the best of them", rounds=4, contacts=5),
    Buyer("thrifty", "asks only as many sellers as the savings pay for", spread=0.3),
    Buyer("gullible", "optimal, but follows instructions that it reads", susceptibility=1.0),
)
BUYERS: Final = MappingProxyType({row.name: row for row in _ROWS})
"""Buying policies by name; the first is the default."""


def buyer(name: str, *, susceptibility: float | None = None) -> Buyer:
    """A policy of the table, with another susceptibility where given.

    >>> buyer("optimal", susceptibility=0.5).susceptibility
    0.5
    """
    if name not in BUYERS:
        raise unknown("buyers", name, BUYERS)
    return BUYERS[name] if susceptibility is None else replace(BUYERS[name], susceptibility=susceptibility)


def worth_asking(spread: float, cost: float, most: int) -> int:
    """How many sellers to ask: the largest m whose last one saves at least its cost.

    The lowest of m prices that are uniform on a range R has mean ``R / (m + 1)`` above the bottom, so the m-th quote
    saves ``R / m - R / (m + 1) = R / (m (m + 1))`` (Stigler 1961); it pays while that is at least the cost c:
    ``m = floor((sqrt(1 + 4 R / c) - 1) / 2)``.

    Parameters
    ----------
    spread : float
        R [micro].
    cost : float
        c, of asking one more, and of waiting for it [micro].
    most : int
        Sellers there are [1].

    Returns
    -------
    int
        0 to `most`.

    Examples
    --------
    >>> worth_asking(300.0, 10.0, 99), worth_asking(300.0, 0.0, 99), worth_asking(300.0, 200.0, 99)
    (5, 99, 0)
    """
    not_negative("spread", spread)
    if not_negative("cost", cost) == 0:
        return most
    return min(int((math.sqrt(1.0 + 4.0 * spread / cost) - 1.0) / 2.0 + 1e-9), most)


def look(fits: Sequence[bool], attention: float, draws: Sequence[float]) -> list[bool]:
    """What a reader believes of the listings shown: rightly read with chance ``min(1, attention / k)``, else a coin.

    Parameters
    ----------
    fits : sequence of bool
        Whether each of the k listings fits.
    attention : float
        Listings that can be read with care [1].
    draws : sequence of float
        One uniform number each in [0, 1).

    Returns
    -------
    list of bool
        Believed to fit.

    Examples
    --------
    >>> look([True, False], 2.0, [0.9, 0.1]), look([True, False], 1.0, [0.2, 0.6])
    ([True, False], [True, True])
    """
    care = min(1.0, attention / len(fits)) if fits else 1.0
    # Below `care` the truth is read; the rest of the unit interval is halved between yes and no.
    return [real if draw < care else draw < care + (1.0 - care) / 2.0 for real, draw in zip(fits, draws, strict=True)]


def choose(policy: Buyer, prices: Sequence[int], values: Sequence[int], draw: float) -> int | None:
    """Which of the offers to take.

    Parameters
    ----------
    policy : Buyer
        Whose rule.
    prices, values : sequence of int
        What each costs, and what the buyer believes it is worth [micro].
    draw : float
        One uniform number in [0, 1), for a rule with chance.

    Returns
    -------
    int or None
        Place of the offer; None where none is good enough.

    Examples
    --------
    >>> choose(BUYERS["optimal"], [5, 4], [9, 4], 0.0), choose(BUYERS["cheapest"], [5, 4], [9, 4], 0.0)
    (0, 1)
    >>> choose(BUYERS["optimal"], [5], [4], 0.0)
    """
    if not prices:
        return None
    if policy.choose == "random":
        return min(int(draw * len(prices)), len(prices) - 1)
    if policy.choose == "cheapest":
        return min(range(len(prices)), key=lambda k: (prices[k], k))
    best = min(range(len(prices)), key=lambda k: (prices[k] - values[k], k))
    return best if values[best] >= prices[best] else None


def choose_together(policy: Buyer, prices: Sequence[int], values: Sequence[int], draws: Sequence[float]) -> int | None:
    """What an aggregator takes of the choices of several agents: the one of highest utility.

    Parameters
    ----------
    policy : Buyer
        Whose rule.
    prices, values : sequence of int
        As in :func:`choose` [micro].
    draws : sequence of float
        One uniform number in [0, 1) for each agent.

    Returns
    -------
    int or None
        Place of the offer; None where no agent finds one good enough.

    Examples
    --------
    >>> choose_together(BUYERS["random"], [5, 4, 3], [9, 9, 0], [0.9, 0.1, 0.5])
    1
    """
    chosen = {choose(policy, prices, values, draw) for draw in draws} - {None}
    return min((k for k in chosen if k is not None), key=lambda k: (prices[k] - values[k], k), default=None)


def counter(policy: Buyer, offered: int, done: int, minor: int) -> int:
    """The buyer's next counter-offer: from its opening up to the price offered, in equal steps over its rounds.

    Parameters
    ----------
    policy : Buyer
        Whose opening and rounds.
    offered : int
        Price of the offer that it bargains over [micro].
    done : int
        Rounds made so far [1].
    minor : int
        Micros of a minor unit [micro].

    Examples
    --------
    >>> [counter(BUYERS["negotiator"], 10_000_000, k, 10_000) for k in range(4)]
    [8000000, 8500000, 9000000, 9500000]
    """
    share = policy.opening + (1.0 - policy.opening) * done / max(policy.rounds, 1)
    return max(int(offered * share) // minor, 1) * minor


def fit_first_p(counts: Sequence[int]) -> float:
    """Chance of taking the first of n offers at once, by maximum likelihood from how often each place was chosen.

    The model: the first with chance p, else one of all n alike, so ``P(first) = p + (1 - p) / n`` and
    ``P(k) = (1 - p) / n``; its likelihood is highest at ``p = (n f - 1) / (n - 1)`` with f the share of first choices,
    and at least 0.

    Parameters
    ----------
    counts : sequence of float
        Choices of the first, second, ... n-th offer, or their shares.

    Returns
    -------
    float
        p [1].

    Examples
    --------
    >>> round(fit_first_p([14, 0, 1]), 6), round(fit_first_p([93.3, 0, 6.7]), 4)
    (0.9, 0.8995)
    """
    total, n = float(np.sum(not_negative("counts", counts))), len(counts)
    if n < 2 or total <= 0:
        raise InputError("counts", list(counts), "at least two places and one choice")
    return max((n * float(counts[0]) / total - 1.0) / (n - 1.0), 0.0)
