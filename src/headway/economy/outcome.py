"""What came of a market: welfare, deals, prices, who was chosen, what deciding took, how long people waited."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from headway.economy._floor import US, Floor, fits
from headway.economy.population import Bools, Floats, Ints
from headway.economy.welfare import MICROS

PLACES: Final = 3
"""Places of arrival that are told apart: first, second, third."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and percentiles of a time [s]; NaN where there is none."""

    mean: float
    p50: float
    p90: float
    p99: float


def spread(values: Floats) -> Spread:
    """Mean, median, 90th and 99th percentile.

    >>> spread(np.array([1.0, 2.0, 3.0])).p50
    2.0
    """
    if not len(values):
        return Spread(*(math.nan,) * 4)
    return Spread(float(values.mean()), *(float(q) for q in np.quantile(values, (0.5, 0.9, 0.99))))


@dataclass(frozen=True, slots=True)
class Deals:
    """Every accepted offer, one row each, in order of acceptance; amounts are whole micros, times microseconds.

    Parameters
    ----------
    consumer, business : ndarray of int
        Between whom.
    paid, posted, utility : ndarray of int
        Price; posted price of the basket; what the deal is worth to its consumer, refunds counted [micro].
    refunded : ndarray of int
        Given back after a dispute [micro].
    nth, place, asked : ndarray of int
        Its place among the quotes as they came and as they were shown, and how many were asked [1].
    start_us, at_us : ndarray of int
        When its consumer started to look, and accepted [us].
    settled, honest, redirected : ndarray of bool
        Whether it was posted; whether its consumer is honest; whether an instruction in a text made it.
    """

    consumer: Ints
    business: Ints
    paid: Ints
    posted: Ints
    utility: Ints
    refunded: Ints
    nth: Ints
    place: Ints
    asked: Ints
    start_us: Ints
    at_us: Ints
    settled: Bools
    honest: Bools
    redirected: Bools

    def __len__(self) -> int:
        """Number of accepted offers."""
        return len(self.consumer)


@dataclass(frozen=True, slots=True)
class Compute:
    """What deciding took.

    Parameters
    ----------
    decisions, calls : float
        [1].
    input_tokens, cached_tokens, output_tokens : int
        [token].
    rack_s, joules, usd : float
        Rack time sold [s], energy [J], dollars posted.
    unpaid : int
        Decisions that ran and could not be billed, in none of the sums above [1].
    """

    decisions: int
    calls: float
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    rack_s: float
    joules: float
    usd: float
    unpaid: int


@dataclass(frozen=True, slots=True)
class MarketOutcome:
    """Figures of one run. Amounts are in the population's currency unless the name says otherwise.

    Parameters
    ----------
    name, currency : str
        Of the population.
    consumers, businesses : int
        Honest ones and clones alike [1].
    deals : Deals
        Every accepted offer.
    settled : int
        Deals that were delivered and posted [1].
    welfare : float
        Total utility of honest consumers over settled deals.
    spent, fees, refunded : float
        Paid by everyone, kept by the platform, given back.
    price_ratio : float
        Paid over posted, over all settled deals [1].
    shares : tuple of float
        Of honest deals among several quotes: taken from the first, second, third that came [1].
    asked : float
        Sellers asked, mean over requests [1].
    recall : float
        Share of the sellers that fit which the search showed, mean [1].
    walked : mapping of str to int
        Requests without a deal, by reason.
    refused : mapping of str to int
        Commands that the rails refused, by reason.
    redirected : int
        Deals that an instruction made [1].
    largest_loss : float
        Largest loss of a redirected consumer.
    mandate : float
        Largest limit per deal that anyone signed.
    compute : Compute
        What deciding took.
    latency : Spread
        From starting to look to acceptance [s].
    queue : Spread
        Waiting of a decision on the rack [s].
    span_s : float
        First event to last [s].
    log_hash : str
        Digest of the last entry of the log: equal digests, equal histories.
    entries : int
        Entries of the log [1].
    queue_series : tuple of ndarray
        Times [s] and mean waiting [s] of decisions, over the span.
    """

    name: str
    currency: str
    consumers: int
    businesses: int
    deals: Deals
    settled: int
    welfare: float
    spent: float
    fees: float
    refunded: float
    price_ratio: float
    shares: tuple[float, ...]
    asked: float
    recall: float
    walked: MappingProxyType[str, int]
    refused: MappingProxyType[str, int]
    redirected: int
    largest_loss: float
    mandate: float
    compute: Compute
    latency: Spread
    queue: Spread
    span_s: float
    log_hash: str
    entries: int
    queue_series: tuple[Floats, Floats]

    @property
    def usd_per_deal(self) -> float:
        """Compute of both sides per settled deal [$]."""
        return self.compute.usd / self.settled if self.settled else math.nan

    @property
    def welfare_per_usd(self) -> float:
        """Welfare per dollar of compute; infinite where deciding is free [1/$]."""
        return self.welfare / self.compute.usd if self.compute.usd else math.inf


def gather(floor: Floor, span_us: int) -> MarketOutcome:
    """Sum a finished run up.

    Parameters
    ----------
    floor : Floor
        After its last event.
    span_us : int
        Time of the last event [us].

    Returns
    -------
    MarketOutcome

    Examples
    --------
    >>> from headway.economy.generated import generate_population
    >>> from headway.economy.simulate import simulate
    >>> found = simulate(generate_population(20, 10, seed=1))
    >>> found.settled <= found.consumers, len(found.log_hash)
    (True, 64)
    """
    deals = _deals(floor)
    population, tally, sums = floor.population, floor.tally, floor.tally.sums
    counted = deals.settled & deals.honest
    refunded = sum(tally.settled.values())
    lost = -deals.utility[deals.redirected]
    paid, posted = deals.paid[deals.settled], deals.posted[deals.settled]
    rails = floor.desk.rails
    limits = np.add.reduceat(population.consumers.worth, population.consumers.basket.start[:-1])
    return MarketOutcome(
        name=population.name,
        currency=population.currency,
        consumers=len(population.consumers),
        businesses=len(population.businesses),
        deals=deals,
        settled=int(deals.settled.sum()),
        welfare=int(deals.utility[counted].sum()) / MICROS,
        spent=int(paid.sum()) / MICROS,
        fees=sum(deal.fee for deal in rails.state.deals.values() if deal.posted) / MICROS,
        refunded=refunded / MICROS,
        price_ratio=float(paid.sum() / posted.sum()) if len(paid) else math.nan,
        shares=_shares(deals),
        asked=float(np.mean(tally.asked)) if tally.asked else 0.0,
        recall=_mean(np.array(tally.recall)),
        walked=MappingProxyType(dict(sorted(tally.walked.items()))),
        refused=MappingProxyType(dict(sorted(floor.desk.refused.items()))),
        redirected=int(deals.redirected.sum()),
        largest_loss=int(lost.max(initial=0)) / MICROS,
        mandate=float(limits.max()) * floor.buyer.limit / MICROS,
        compute=Compute(
            int(sums["decisions"]),
            float(sums["calls"]),
            int(sums["input_tokens"]),
            int(sums["cached_tokens"]),
            int(sums["output_tokens"]),
            sums["rack_us"] / US,
            float(sums["joules"]),
            sums["micros"] / MICROS,
            int(sums["unpaid"]),
        ),
        latency=spread((deals.at_us - deals.start_us)[deals.honest] / US),
        queue=spread(np.array(tally.queue)),
        span_s=span_us / US,
        log_hash=rails.log_hash(),
        entries=rails.state.head["seq"],
        queue_series=_series(np.array(tally.served_at), np.array(tally.queue), span_us / US),
    )


def _deals(floor: Floor) -> Deals:
    rows = floor.tally.deals
    table = np.array(rows, dtype=np.int64).reshape(len(rows), 10)
    columns = [np.ascontiguousarray(column) for column in table.T]
    consumer, business, paid, posted, nth, place, asked, start, at, redirected = columns
    buyers = floor.population.consumers
    worth = 2 * np.add.reduceat(buyers.worth, buyers.basket.start[:-1])[consumer] if len(rows) else consumer
    good = np.array([fits(floor, c, b) for c, b in zip(consumer.tolist(), business.tolist(), strict=True)], dtype=bool)
    # Whoever writes an instruction into a listing has nothing to sell.
    good &= redirected == 0
    settled = np.zeros(len(rows), dtype=bool)
    refund = np.zeros(len(rows), dtype=np.int64)
    for number, amount in floor.tally.settled.items():
        settled[number], refund[number] = True, amount
    hostile = np.array(sorted(floor.staged.buyers), dtype=np.int64)
    return Deals(
        consumer,
        business,
        paid,
        posted,
        np.where(good, worth, 0) - paid + refund,
        refund,
        nth,
        place,
        asked,
        start,
        at,
        settled,
        ~np.isin(consumer, hostile),
        redirected.astype(bool),
    )


def _shares(deals: Deals) -> tuple[float, ...]:
    """Of honest deals with a choice, the share taken from each place of arrival."""
    several = deals.honest & (deals.asked > 1)
    nth = deals.nth[several]
    return tuple(float((nth == k).mean()) if len(nth) else math.nan for k in range(1, PLACES + 1))


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)] if len(values) else values
    return float(known.mean()) if len(known) else math.nan


def _series(at: Floats, queue: Floats, span_s: float) -> tuple[Floats, Floats]:
    """Mean waiting in each of up to 96 equal parts of the span."""
    if not len(at):
        return np.empty(0), np.empty(0)
    edges = np.linspace(0.0, max(span_s, float(at.max()), 1e-6), 97)
    where = np.clip(np.searchsorted(edges, at, side="right") - 1, 0, 95)
    count = np.bincount(where, minlength=96)
    with np.errstate(invalid="ignore"):
        mean = np.where(count > 0, np.bincount(where, queue, minlength=96) / np.maximum(count, 1), np.nan)
    return (edges[:-1] + edges[1:]) / 2, mean


def over_time(found: MarketOutcome, points: int = 60) -> tuple[Floats, Ints, Floats]:
    """Settled deals and their welfare so far, at equal steps of the time of acceptance.

    Parameters
    ----------
    found : MarketOutcome
        Of one run.
    points : int
        Steps [1].

    Returns
    -------
    at_s : ndarray of float
        Shape (points,) [s].
    deals : ndarray of int
        Settled deals accepted until then [1].
    welfare : ndarray of float
        Welfare of those of honest consumers, in the population's currency.

    Examples
    --------
    >>> from headway.economy.generated import generate_population
    >>> from headway.economy.simulate import simulate
    >>> run = simulate(generate_population(20, 10, seed=1))
    >>> at, deals, welfare = over_time(run, 5)
    >>> int(deals[-1]) == run.settled, abs(float(welfare[-1]) - run.welfare) < 1e-6
    (True, True)
    """
    deals = found.deals
    end = float(deals.at_us.max(initial=0)) / US
    at = np.linspace(0.0, end, points)
    good = deals.settled
    times = deals.at_us[good] / US
    worth = np.where(deals.honest, deals.utility, 0)[good] / MICROS
    order = np.argsort(times, kind="stable")
    until = np.searchsorted(times[order], at, side="right")
    total = np.concatenate(([0.0], np.cumsum(worth[order])))
    return at, until.astype(np.int64), total[until]
