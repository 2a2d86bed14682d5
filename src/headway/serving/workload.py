"""What is asked of a deployment: lengths, cache hits, latency limits, speculation, prices."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from headway.facts.check import fraction, not_negative, positive, single, whole
from headway.facts.errors import RangeError
from headway.facts.model import Model

SECONDS_PER_HOUR = 3600.0
JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests of one shape and the limits they must meet.

    Parameters
    ----------
    isl, osl : int
        Input and output length [token].
    cache_hit : float
        Share of the input found in a prefix cache [1].
    ttft, tpot : float
        Limits on the mean time to first token and time per output token [s]; inf where there is none.
    draft : int
        Tokens proposed beyond the next one in each pass (multi-token prediction) [1].
    acceptance : float
        Mean tokens kept per pass, from 1 to ``1 + draft`` [token].
    prefill_load : float
        Share of its capacity at which a separate prefill pool runs; waiting grows with it [1].

    Raises
    ------
    RangeError
        If a length is not whole and positive, a share is outside [0, 1], or a limit is not positive.

    Examples
    --------
    >>> w = Workload(isl=4000, osl=1000, cache_hit=0.25)
    >>> w.miss, w.mean_context
    (3000.0, 4500.0)
    """

    isl: int
    osl: int
    cache_hit: float = 0.0
    ttft: float = math.inf
    tpot: float = math.inf
    draft: int = 0
    acceptance: float = 1.0
    prefill_load: float = 0.8

    def __post_init__(self) -> None:
        """Refuse what cannot be served, before any search."""
        for entry in fields(self):
            single(entry.name, getattr(self, entry.name))
        whole("isl", self.isl, most=1_000_000_000)
        whole("osl", self.osl, most=1_000_000_000)
        fraction("cache_hit", self.cache_hit, allow_one=False)
        positive("prefill_load", fraction("prefill_load", self.prefill_load, allow_one=False))
        for name in ("ttft", "tpot"):
            if getattr(self, name) != math.inf:
                positive(name, getattr(self, name), "s")
        whole("draft", self.draft, least=0, most=64)
        not_negative("acceptance", self.acceptance)
        if not 1 <= self.acceptance <= 1 + self.draft:
            raise RangeError(
                "acceptance", self.acceptance, f"tokens kept per pass, from 1 to 1 + draft = {1 + self.draft}"
            )

    @property
    def cached(self) -> float:
        """Input tokens found in the cache, whole, and never the last one: its logits are needed [token]."""
        return float(min(math.floor(self.isl * self.cache_hit), self.isl - 1))

    @property
    def miss(self) -> float:
        """Input tokens to prefill [token]."""
        return self.isl - self.cached

    @property
    def mean_context(self) -> float:
        """Tokens in the cache of a sequence, averaged over its answer [token]."""
        return self.isl + self.osl / 2.0


def beyond_context(model: Model, tokens: float) -> str:
    """A note where a request, input and output, is longer than the model was made for; empty where it is not.

    Parameters
    ----------
    model : Model
    tokens : float
        Input and output of one request [token].

    Examples
    --------
    >>> from headway.facts.models import model
    >>> beyond_context(model("llama-3.1-8b"), 201_000)
    'requests of 201,000 tokens are longer than the longest context of llama-3.1-8b, 131,072 tokens'
    >>> beyond_context(model("llama-3.1-8b"), 5000)
    ''
    """
    most = model.max_context
    if not most or tokens <= most:
        return ""
    return f"requests of {tokens:,.0f} tokens are longer than the longest context of {model.name}, {most:,} tokens"


@dataclass(frozen=True, slots=True)
class Prices:
    """What a chip-hour and a kilowatt-hour cost.

    Parameters
    ----------
    usd_per_chip_hour : float
        Rent or ownership of one chip [$/chip-h].
    usd_per_kwh : float
        Electricity, where the rent does not include it [$/kWh].
    tariff : str
        Name and date of the tariff.
    """

    usd_per_chip_hour: float
    usd_per_kwh: float = 0.0
    tariff: str = "given"

    def __post_init__(self) -> None:
        """Refuse prices that are not positive (free electricity is allowed)."""
        single("usd_per_chip_hour", self.usd_per_chip_hour)
        single("usd_per_kwh", self.usd_per_kwh)
        positive("usd_per_chip_hour", self.usd_per_chip_hour, "$/chip-h")
        not_negative("usd_per_kwh", self.usd_per_kwh, "$/kWh")

    def usd_per_chip_second(self, watts: float) -> float:
        """Rent and electricity of one chip for one second [$/s].

        >>> round(Prices(2.0, 0.10).usd_per_chip_second(1000.0) * 3600, 6)
        2.1
        """
        power = watts * self.usd_per_kwh / JOULES_PER_KWH if self.usd_per_kwh else 0.0
        return self.usd_per_chip_hour / SECONDS_PER_HOUR + power
