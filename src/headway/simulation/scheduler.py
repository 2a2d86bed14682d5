"""The rules of an engine: who boards a step, what happens when memory is full, where a request goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from headway.facts.check import not_negative, positive, whole
from headway.facts.errors import InputError, RangeError, unknown

#: What a step carries: prefill beside decode, prefill only, seats only when empty.
POLICIES: Mapping[str, str] = MappingProxyType(
    {
        "chunked": "prompts in chunks beside the decoding ones (Sarathi-Serve, vLLM V1)",
        "prefill-first": "whole prompts before anything decodes (Orca, vLLM V0)",
        "static": "a batch fills its seats before its first pass; the next one when it has ended",
    }
)
PREEMPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "recompute": "drop the cache and prefill again (vLLM V1)",
        "swap": "move the cache to host memory and back",
    }
)
ROUTERS: Mapping[str, str] = MappingProxyType(
    {
        "round-robin": "each engine in turn",
        "least-loaded": "the engine with the fewest requests",
        "session": "one engine for each session",
        "prefix": "least tokens left to prefill and blocks held (as Dynamo's KV router)",
    }
)


@dataclass(frozen=True, slots=True)
class Scheduler:
    """How an engine fills its steps.

    Parameters
    ----------
    policy : str
        Key of ``POLICIES``.
    max_seqs : int
        Seats: most requests in a step [1].
    token_budget : int
        Most tokens of a step; a whole prompt may exceed it where prompts are not cut [token].
    block_tokens : int
        Tokens of one cache block where the trace has no block ids; else the trace's own [token].
    watermark : float
        Share of the blocks that admission leaves free [1].
    prefix_cache : bool
        Keep the blocks of prompts, least recently used out first; needs a trace with block ids.
    preemption : str
        Key of ``PREEMPTIONS``.
    period_s : float
        Steps leave on multiples of this; 0 for at once [s].
    router : str
        Key of ``ROUTERS``.
    lanes : int
        Priorities that are told apart; lane 0 boards first and is preempted last [1].
    draft, acceptance : int, float
        Tokens proposed per pass, and mean tokens kept, from 1 to 1 + draft [token].

    Raises
    ------
    RangeError, UnknownNameError
        If a number is out of range, or a name is in no table.

    Examples
    --------
    >>> Scheduler(policy="static", max_seqs=8).token_budget
    2048
    """

    policy: str = "chunked"
    max_seqs: int = 256
    token_budget: int = 2048
    block_tokens: int = 16
    watermark: float = 0.0
    prefix_cache: bool = True
    preemption: str = "recompute"
    period_s: float = 0.0
    router: str = "least-loaded"
    lanes: int = 1
    draft: int = 0
    acceptance: float = 1.0

    def __post_init__(self) -> None:
        """Refuse rules that no engine has."""
        for field, value, table in (
            ("policy", self.policy, POLICIES),
            ("preemption", self.preemption, PREEMPTIONS),
            ("router", self.router, ROUTERS),
        ):
            if value not in table:
                raise unknown(field, value, table)
        whole("max_seqs", self.max_seqs, most=65_536)
        whole("token_budget", self.token_budget, most=1_000_000)
        whole("block_tokens", self.block_tokens, most=65_536)
        whole("lanes", self.lanes, most=16)
        whole("draft", self.draft, least=0, most=64)
        not_negative("period", self.period_s, "s")
        positive("acceptance", self.acceptance)
        if not 0 <= self.watermark < 1:
            raise RangeError("watermark", self.watermark, "a share of the blocks from 0 to below 1")
        if not 1 <= self.acceptance <= 1 + self.draft:
            raise RangeError("acceptance", self.acceptance, f"from 1 to 1 + draft = {1 + self.draft}")
        if self.policy == "chunked" and self.max_seqs * (1 + self.draft) > self.token_budget:
            accepted = f"at least the {self.max_seqs * (1 + self.draft)} tokens of max_seqs decoding requests"
            raise InputError("token_budget", self.token_budget, accepted)
