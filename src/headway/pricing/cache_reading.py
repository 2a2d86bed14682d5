"""Cache bytes per token from the price of a cached token: where the lecture expects them, and where they are not.

``ln k = a + b ln(p_read) + noise`` over the open models that publish both, in closed form, beside the prior that
uses no price. On those models the correlation is nil, so the posterior is no narrower than the prior.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from headway.facts.errors import UnknownNameError
from headway.facts.models import model
from headway.physics.attention import kv_bytes_per_token
from headway.pricing.offers import STANDARD_TIERS, family, open_offers
from headway.pricing.posterior import LEAST_SHRINKAGE
from headway.pricing.sizes import Interval, family_weights

Floats = NDArray[np.float64]
_DEGREES: Final = 4.0
_NOISE: Final = 1.0
_PRECISION: Final = np.diag([1e-3, 1.0])


@dataclass(frozen=True, slots=True)
class CacheReading:
    """KV bytes per token, before and after the price.

    Parameters
    ----------
    prior, posterior : Interval
        [B/token], BF16.
    models : int
        Open models that publish both [1].
    """

    prior: Interval
    posterior: Interval
    models: int

    @property
    def shrinkage(self) -> float:
        """Share of the prior's log width that the price took away [1]."""
        return 1.0 - self.posterior.log_width / self.prior.log_width

    @property
    def identified(self) -> bool:
        """Whether that is 10% or more."""
        return self.shrinkage >= LEAST_SHRINKAGE


@cache
def _known() -> tuple[tuple[str, float, float], ...]:
    """Model, log KV bytes and log price of a cached token (median over hosts) of open models."""
    prices: dict[str, list[float]] = {}
    for one in open_offers():
        if one.tier in STANDARD_TIERS and one.cache_read_usd_per_mtok > 0:
            prices.setdefault(one.model, []).append(math.log(one.cache_read_usd_per_mtok))
    rows = []
    for name, seen in sorted(prices.items()):
        try:
            kv = float(kv_bytes_per_token(model(name), "bf16"))
        except UnknownNameError:
            continue
        rows.append((name, math.log(kv), float(np.median(seen))))
    return tuple(rows)


def _interval(design: Floats, kv: Floats, weight: Floats, at: Floats) -> Interval:
    """80% predictive interval of a conjugate regression, Student-t taken by its spread."""
    precision = (design.T * weight) @ design + _PRECISION[: len(at), : len(at)]
    found = np.linalg.solve(precision, (design.T * weight) @ kv)
    degrees = float(weight.sum()) + _DEGREES
    squares = float(weight @ (kv - design @ found) ** 2) + _DEGREES * _NOISE
    scale = math.sqrt(squares / (degrees - 2.0) * (1.0 + float(at @ np.linalg.solve(precision, at))))
    middle, half = float(at @ found), 1.2816 * scale
    return Interval(math.exp(middle - half), math.exp(middle), math.exp(middle + half))


def read_cache_price(cache_read_usd_per_mtok: float | None) -> CacheReading:
    """KV bytes per token from the price of a cached token; the prior where there is no such price.

    >>> found = read_cache_price(0.10)
    >>> found.identified, found.posterior.log_width >= 0.9 * found.prior.log_width
    (False, True)
    """
    known = _known()
    weight = family_weights([family(name) for name, _, _ in known])
    kv = np.array([row[1] for row in known])
    ones = np.ones((len(known), 1))
    before = _interval(ones, kv, weight, np.ones(1))
    if not cache_read_usd_per_mtok:
        return CacheReading(before, before, len(known))
    paid = np.array([row[2] for row in known])
    centre = float(weight @ paid / weight.sum())
    design = np.column_stack([ones, paid - centre])
    at = np.array([1.0, math.log(cache_read_usd_per_mtok) - centre])
    return CacheReading(before, _interval(design, kv, weight, at), len(known))
