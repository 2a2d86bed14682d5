"""How an engine admits requests and mixes their prompts with decode: one record for every kind of run."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from headway.facts.calibration import Book, book, engine_name
from headway.facts.check import fraction, not_negative, positive


@dataclass(frozen=True, slots=True)
class Scheduler:
    """How an engine mixes prefill and decode, and what memory it keeps for a request.

    Parameters
    ----------
    chunk : float
        Tokens that one pass may carry on one data rank [token].
    burst : float
        Share of a run's requests that arrive at its start, all at once [1]: one over the requests per user.
    queueing : float
        Weight of the prompts found ahead on arrival [1]: 1 for memoryless arrivals, 0 for arrivals that never collide.
    request_overhead, token_overhead : float
        Time of a request, and of each of its prompt tokens, that no pass accounts for [s].
    poll : float
        Passes from one look for new requests to the next [1].
    most : float
        Sequences that one data rank may decode at a time [1].
    whole_request : bool
        Whether a request's memory is reserved to its end when it starts, or taken as it grows.
    whole_window : bool
        Whether layers with an attention window keep what has left it.
    """

    chunk: float = 8192.0
    burst: float = 0.1
    queueing: float = 0.5
    request_overhead: float = 0.0
    token_overhead: float = 0.0
    poll: float = 1.0
    most: float = math.inf
    whole_request: bool = False
    whole_window: bool = False

    def __post_init__(self) -> None:
        """Refuse a chunk that is not positive, weights outside 0 to 1 and times below zero."""
        positive("chunk", self.chunk, "token")
        positive("poll", self.poll)
        fraction("burst", self.burst)
        fraction("queueing", self.queueing)
        for name in ("request_overhead", "token_overhead"):
            not_negative(name, getattr(self, name))
        if self.most != math.inf:
            positive("most", self.most)

    def held(self, isl: float, osl: float) -> float:
        """Tokens of a request for which memory is kept, averaged over its time [token].

        >>> Scheduler().held(1000, 200), Scheduler(whole_request=True).held(1000, 200)
        (1100.0, 1200.0)
        """
        return float(isl + osl) if self.whole_request else isl + osl / 2.0


def scheduler_for(engine: str | None = None, table: Book | None = None) -> Scheduler:
    """What an engine's requests wait for, from the table of constants.

    Parameters
    ----------
    engine : str, optional
        Any spelling of a calibrated engine; the median of all where not given or not known.
    table : Book, optional
        The packaged table where not given.

    Examples
    --------
    >>> 0 < scheduler_for("vLLM").request_overhead < 1
    True
    """
    values = (table or book()).values("engine", engine_name(engine))
    usual = Scheduler()
    return replace(
        usual,
        # More than all that the arrival theorem lets a request find would make a busy loop starve itself.
        queueing=min(values.get("queueing", usual.queueing), 1.0),
        request_overhead=values.get("request_overhead", usual.request_overhead),
        token_overhead=values.get("token_overhead", usual.token_overhead),
    )
