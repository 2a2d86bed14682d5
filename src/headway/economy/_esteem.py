"""Reputation in the order of search results: read off the settled deals from time to time."""

from __future__ import annotations

from collections import Counter

import numpy as np

from headway.economy._floor import US, Floor
from headway.economy.population import Ints
from headway.economy.reputation import reputations


def by_esteem(now: int, floor: Floor, found: Ints) -> Ints:
    """Results anew: ``(1 - w) (1 - place / n) + w r / max r``, equals in the order in which they came."""
    if not floor.esteem or now - floor.esteem_us[-1] >= floor.rules.reputation_s * US:
        floor.esteem[:] = _taken(now, floor)
        floor.esteem_us.append(now)
    weight, n = floor.rules.reputation, len(found)
    place = 1.0 - np.arange(n) / max(n, 1)
    score = (1.0 - weight) * place + weight * np.array([floor.esteem[b] for b in found.tolist()])
    return found[np.argsort(-score, kind="stable")]


def _taken(now: int, floor: Floor) -> list[float]:
    """Reputation of every business over the best one; 0 where nothing has settled."""
    deals, code = floor.desk.rails.state.deals.values(), floor.population.currency
    earned: dict[str, float]
    if floor.rules.esteem == "count":
        earned = dict(Counter(deal.seller for deal in deals if deal.posted))
    else:
        earned = {name: row.score for name, row in reputations(deals, at_us=now, currency=code).items()}
    best = max(earned.values(), default=0.0) or 1.0
    return [earned.get(name, 0.0) / best for name in floor.population.businesses.ids]
