"""Questions to a market that take several runs: policies side by side, one number swept, what an attack costs whom."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from headway.economy.attackers import Attack, stage
from headway.economy.outcome import MarketOutcome
from headway.economy.population import Population
from headway.economy.rack import Rack
from headway.economy.rules import Rules, basis_points
from headway.economy.simulate import Policies, Progress, simulate
from headway.economy.welfare import MICROS
from headway.facts.check import whole
from headway.facts.errors import InputError, unknown


@dataclass(frozen=True, slots=True)
class Knob:
    """A number that may be swept.

    Parameters
    ----------
    name, help : str
        Key, and one line for people.
    part : str
        Which value has it: "rules", "buyers", "sellers" or "attack".
    field : str
        Its name there.
    dimension : str
        Of its values, a key of :data:`headway.facts.dimensions.DIMENSIONS`.
    whole : bool
        Whether values are whole numbers.
    in_basis_points : bool
        Whether values are shares that are kept as whole basis points.
    """

    name: str
    help: str
    part: str
    field: str
    dimension: str = "count"
    whole: bool = False
    in_basis_points: bool = False


_KNOBS: Final = (
    Knob("width", "results that a search shows", "rules", "width", whole=True),
    Knob("within", "farthest seller in km", "rules", "within_km"),
    Knob("gate", "longest wait for a batch of quotes", "rules", "gate_s", "seconds"),
    Knob("fee", "the platform's share of a deal", "rules", "fee_bps", "fraction", in_basis_points=True),
    Knob("reputation", "weight of reputation in the order of results", "rules", "reputation", "fraction"),
    Knob("contacts", "most sellers that a buyer asks", "buyers", "contacts", whole=True),
    Knob("attention", "listings that a buyer reads with care", "buyers", "attention"),
    Knob("first-p", "chance of taking the first acceptable offer", "buyers", "first_p", "fraction"),
    Knob("agents", "agents that choose at once, with an aggregator", "buyers", "agents", whole=True),
    Knob("rounds", "counter-offers of a buyer", "buyers", "rounds", whole=True),
    Knob("susceptibility", "chance that an instruction redirects a buyer", "buyers", "susceptibility", "fraction"),
    Knob("patience", "longest that a buyer waits", "buyers", "patience_s", "seconds"),
    Knob("most-compute", "most spent on deciding, over the basket's worth", "buyers", "most_compute", "fraction"),
    Knob("reply", "mean time of a seller's answer", "sellers", "reply_s", "seconds"),
    Knob("share", "share of agents that attack", "attack", "share", "fraction"),
)
KNOBS: Final = MappingProxyType({knob.name: knob for knob in _KNOBS})
"""What can be swept, by name."""


def turned(knob: Knob, value: float, rules: Rules, policies: Policies) -> tuple[Rules, Policies]:
    """Rules and policies with one number changed.

    >>> turned(KNOBS["width"], 3, Rules(), Policies())[0].width
    3
    >>> turned(KNOBS["fee"], 0.02, Rules(), Policies())[0].fee_bps
    200
    """
    given: Any = int(whole(knob.name, value, least=0)) if knob.whole else float(value)
    if knob.in_basis_points:
        given = basis_points(given)
    if knob.part == "rules":
        return replace(rules, **{knob.field: given}), policies
    part = getattr(policies, knob.part)
    if part is None:
        raise InputError(knob.name, value, "an attack to turn: name one")
    return rules, replace(policies, **{knob.part: replace(part, **{knob.field: given})})


@dataclass(frozen=True, slots=True)
class Row:
    """Means over the seeds of one setting, and the standard error of its welfare.

    Parameters
    ----------
    name : str
        Of the setting.
    value : float
        Of the number swept; NaN where policies are compared.
    runs : int
        Seeds [1].
    welfare, welfare_error : float
        Mean, and its standard error over the seeds; NaN for one seed.
    settled, price_ratio, first, second, third, asked, recall : float
        As in :class:`~headway.economy.outcome.MarketOutcome`.
    tokens, rack_s, usd, usd_per_deal, welfare_per_usd : float
        Compute of both sides.
    queue_s, latency_s, latency_p99_s : float
        Mean waiting of a decision; mean and 99th percentile until acceptance [s].
    walked, redirected : float
        Requests without a deal; deals that an instruction made [1].
    largest_loss : float
        Of one redirected consumer, over all runs.
    fees, takings : float
        Kept by the platform, and by all sellers, refunds and fees taken off.
    """

    name: str
    value: float
    runs: int
    welfare: float
    welfare_error: float
    settled: float
    price_ratio: float
    first: float
    second: float
    third: float
    asked: float
    recall: float
    tokens: float
    rack_s: float
    usd: float
    usd_per_deal: float
    welfare_per_usd: float
    queue_s: float
    latency_s: float
    latency_p99_s: float
    walked: float
    redirected: float
    largest_loss: float
    fees: float
    takings: float


def summed(name: str, outcomes: Sequence[MarketOutcome], value: float = math.nan) -> Row:
    """Mean of several runs of one setting.

    >>> from headway.economy.generated import generate_population
    >>> runs = [simulate(generate_population(20, 10, seed=1), seed=s) for s in range(2)]
    >>> summed("two", runs).runs
    2
    """
    whole("runs", len(outcomes))

    def mean(read: Callable[[MarketOutcome], float]) -> float:
        return float(np.mean([read(o) for o in outcomes]))

    welfare = np.array([o.welfare for o in outcomes])
    usd, settled = mean(lambda o: o.compute.usd), mean(lambda o: o.settled)
    return Row(
        name,
        value,
        len(outcomes),
        float(welfare.mean()),
        float(welfare.std(ddof=1) / math.sqrt(len(welfare))) if len(welfare) > 1 else math.nan,
        settled,
        mean(lambda o: o.price_ratio),
        mean(lambda o: o.shares[0]),
        mean(lambda o: o.shares[1]),
        mean(lambda o: o.shares[2]),
        mean(lambda o: o.asked),
        mean(lambda o: o.recall),
        mean(lambda o: o.compute.input_tokens + o.compute.output_tokens),
        mean(lambda o: o.compute.rack_s),
        usd,
        usd / settled if settled else math.nan,
        float(welfare.mean()) / usd if usd else math.inf,
        mean(lambda o: o.queue.mean),
        mean(lambda o: o.latency.mean),
        mean(lambda o: o.latency.p99),
        mean(lambda o: sum(o.walked.values())),
        mean(lambda o: o.redirected),
        max(o.largest_loss for o in outcomes),
        mean(lambda o: o.fees),
        mean(lambda o: o.spent - o.refunded - o.fees),
    )


def runs(
    population: Population,
    rules: Rules,
    policies: Policies,
    seeds: int,
    *,
    rack: Rack | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[MarketOutcome]:
    """The same market under several seeds, from `seed` on.

    >>> from headway.economy.generated import generate_population
    >>> len(runs(generate_population(10, 10, seed=1), Rules(), Policies(), 2))
    2
    """
    whole("seeds", seeds, most=10_000)
    return [simulate(population, rules, policies, rack=rack, seed=seed + k, progress=progress) for k in range(seeds)]


def sweep(
    population: Population,
    knob: str,
    values: Sequence[float],
    rules: Rules | None = None,
    policies: Policies | None = None,
    *,
    seeds: int = 5,
    rack: Rack | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Row, ...]:
    """Run a market for each value of one number.

    Parameters
    ----------
    population : Population
        The same for all.
    knob : str
        Key of :data:`KNOBS`.
    values : sequence of float
        In the knob's own unit.
    rules, policies
        Everything else; as in :func:`~headway.economy.simulate.simulate`.
    seeds : int
        Runs of each value, under the same seeds [1].
    rack, seed, progress
        As there.

    Returns
    -------
    tuple of Row
        One a value.

    Examples
    --------
    >>> from headway.economy.generated import generate_population
    >>> rows = sweep(generate_population(20, 20, seed=1), "width", [1, 5], seeds=2)
    >>> [row.value for row in rows]
    [1.0, 5.0]
    """
    if knob not in KNOBS:
        raise unknown("knob", knob, KNOBS)
    rules, policies = rules or Rules(), policies or Policies()
    found = []
    for value in values:
        new, changed = turned(KNOBS[knob], value, rules, policies)
        outcomes = runs(population, new, changed, seeds, rack=rack, seed=seed, progress=progress)
        found.append(summed(f"{knob} {value:g}", outcomes, float(value)))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class AttackCost:
    """What an attack costs and brings, mean over the seeds: the same market and draws without it and with it.

    Parameters
    ----------
    kind : str
        The attack.
    attackers : float
        Hostile agents, clones included [1].
    welfare_before, welfare_after : float
        Of the consumers that stay honest.
    loss_per_victim : float
        Welfare lost per honest consumer.
    takings_before, takings_after : float
        Of the hostile sellers, less fees and refunds.
    honest_takings_before, honest_takings_after : float
        Of the other sellers.
    latency_before_s, latency_after_s : float
        Mean until acceptance, of honest consumers [s].
    compute_before, compute_after : float
        Of all agents [$].
    redirected : float
        Deals that an instruction made [1].
    largest_loss, mandate : float
        Most that one redirected consumer lost over all runs, and the largest limit signed.
    bounded : bool
        Whether no deal at all exceeded its consumer's own mandate.
    refused : mapping of str to int
        Commands refused by the rails in all attacked runs, by reason.
    """

    kind: str
    attackers: float
    welfare_before: float
    welfare_after: float
    loss_per_victim: float
    takings_before: float
    takings_after: float
    honest_takings_before: float
    honest_takings_after: float
    latency_before_s: float
    latency_after_s: float
    compute_before: float
    compute_after: float
    redirected: float
    largest_loss: float
    mandate: float
    bounded: bool
    refused: MappingProxyType[str, int]


def attack_cost(
    population: Population,
    attack: Attack,
    rules: Rules | None = None,
    policies: Policies | None = None,
    *,
    seeds: int = 5,
    rack: Rack | None = None,
    seed: int = 0,
) -> AttackCost:
    """Run a market without and with an attack, under the same seeds, and compare what the honest have.

    Examples
    --------
    >>> from headway.economy.generated import generate_population
    >>> market = generate_population(40, 20, seed=1)
    >>> attack_cost(market, Attack("first-responder"), seeds=2).bounded
    True
    """
    rules, policies = rules or Rules(), policies or Policies()
    whole("seeds", seeds, most=10_000)
    rows, refused, bounded, largest, mandate = [], dict[str, int](), True, 0.0, 0.0
    for k in range(seed, seed + seeds):
        staged = stage(population, attack, seed=k)
        before = simulate(population, rules, replace(policies, attack=None), rack=rack, seed=k)
        after = simulate(population, rules, replace(policies, attack=attack), rack=rack, seed=k)
        honest = len(population.consumers) - len([c for c in staged.buyers if c < len(population.consumers)])
        row = [float(len(staged.sellers | staged.buyers) if attack.kind != "wash-trade" else len(staged.sellers))]
        for outcome in (before, after):
            row += _sides(outcome, staged.sellers, staged.buyers, rules)
        rows.append([*row, (row[1] - row[6]) / max(honest, 1), float(after.redirected)])
        limits = _limits(staged.population, policies.buyers.limit)
        bounded &= bool((after.deals.paid <= limits[after.deals.consumer]).all())
        largest, mandate = max(largest, after.largest_loss), max(mandate, after.mandate)
        for code, count in after.refused.items():
            refused[code] = refused.get(code, 0) + count
    means = np.mean(rows, axis=0).tolist()
    attackers, w0, t0, h0, l0, c0, w1, t1, h1, l1, c1, loss, redirected = means
    return AttackCost(
        kind=attack.kind,
        attackers=attackers,
        welfare_before=w0,
        welfare_after=w1,
        loss_per_victim=loss,
        takings_before=t0,
        takings_after=t1,
        honest_takings_before=h0,
        honest_takings_after=h1,
        latency_before_s=l0,
        latency_after_s=l1,
        compute_before=c0,
        compute_after=c1,
        redirected=redirected,
        largest_loss=largest,
        mandate=mandate,
        bounded=bounded,
        refused=MappingProxyType(dict(sorted(refused.items()))),
    )


def _sides(outcome: MarketOutcome, sellers: frozenset[int], buyers: frozenset[int], rules: Rules) -> list[float]:
    """Welfare of honest consumers, takings of hostile and other sellers, latency, compute."""
    deals = outcome.deals
    honest = ~np.isin(deals.consumer, np.array(sorted(buyers), dtype=np.int64))
    theirs = np.isin(deals.business, np.array(sorted(sellers), dtype=np.int64))
    welfare = deals.utility[honest & deals.settled].sum() / MICROS
    # Own purchases bring a wash trader nothing but their fee.
    kept = np.where(deals.settled, deals.paid - deals.refunded, 0) * (1 - rules.fee_bps / 10_000) / MICROS
    bought = honest | ~theirs
    waits = (deals.at_us - deals.start_us)[honest] / MICROS
    return [
        float(welfare),
        float(kept[theirs & bought].sum() - (deals.paid[theirs & ~bought].sum() * rules.fee_bps / 10_000 / MICROS)),
        float(kept[~theirs].sum()),
        float(waits.mean()) if len(waits) else math.nan,
        outcome.compute.usd,
    ]


def _limits(population: Population, limit: float) -> Any:
    buyers = population.consumers
    return np.add.reduceat(buyers.worth, buyers.basket.start[:-1]) * limit
