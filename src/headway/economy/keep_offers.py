"""What providers' cache terms make of a buyer's prefix that comes back after every reply delay."""

from __future__ import annotations

from dataclasses import dataclass

from headway.facts.cache_terms import CacheTerms, cache_terms
from headway.facts.check import not_negative, positive, single
from headway.physics.cache_prices import break_even_reuses


@dataclass(frozen=True, slots=True)
class KeepOffer:
    """One provider's cache terms on a buyer's calls.

    Parameters
    ----------
    terms : CacheTerms
    holds : bool
        Whether an entry outlives the delay and the prefix is long enough.
    break_even_reuses : float
        Reads from which the write pays [1].
    multiple : float
        Bill of the prefix over all calls, against plain input [1].
    """

    terms: CacheTerms
    holds: bool
    break_even_reuses: float
    multiple: float

    @property
    def pays(self) -> bool:
        """Whether it is cheaper than plain input."""
        return self.multiple < 1.0


def keep_offers(delay_s: float, prefix_tokens: float, calls: float) -> tuple[KeepOffer, ...]:
    """What providers' cache terms make of a prefix that comes back after each delay, cheapest first.

    An entry that outlives the delay is written once and read ``calls - 1`` times, its life starting anew each
    time; one that does not is written at every call.

    Parameters
    ----------
    delay_s : float
        Between calls [s].
    prefix_tokens : float
        [token].
    calls : float
        That share the prefix, at least 1 [1].

    Returns
    -------
    tuple of KeepOffer

    Examples
    --------
    >>> offers = keep_offers(600, 2000, 6)
    >>> [o.terms.name for o in offers if o.holds][:2], [o.pays for o in offers][-1]
    (['deepseek-disk', 'openai-24h'], False)
    """
    delay = float(not_negative("delay_s", single("delay_s", delay_s), "s"))
    size = float(positive("prefix_tokens", single("prefix_tokens", prefix_tokens), "token"))
    several = max(float(positive("calls", single("calls", calls))), 1.0)
    found = []
    for terms in cache_terms():
        long_enough = size >= terms.least_tokens
        holds = long_enough and delay <= terms.ttl_s
        if holds:
            stored = terms.storage_per_hour * delay / 3600.0 * (several - 1.0)
            multiple = (terms.write + (several - 1.0) * terms.read + stored) / several
        else:
            multiple = terms.write if long_enough else 1.0
        found.append(KeepOffer(terms, holds, float(break_even_reuses(terms.write, terms.read)), multiple))
    return tuple(sorted(found, key=lambda o: (o.multiple, o.terms.name)))
