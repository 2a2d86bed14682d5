"""Options of ``headway simulate`` that do nothing beside others or without them: refused, with what they need."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from headway.cli._given import Idle, refuse_idle

if TYPE_CHECKING:
    from headway.cli._deployment import Asked
    from headway.cli.simulate_command import Run

_DRAWN = ("rate", "requests", "arrivals", "cv", "swing", "period", "cache_hit")
_READ = ("closed", "speed", "session_gap")


def refuse_misuse(asked: Asked, given: Run) -> None:
    """Refuse what would be left out without a word.

    Raises
    ------
    InputError
        Naming the option and what it needs.
    """
    from headway.facts.errors import InputError

    refuse_idle(*_traffic(given), *_fleet(given), *_questions(given))
    for name, wanted in (("--find rate", given.find), ("--autoscale", given.autoscale)):
        if wanted and math.isinf(asked.ttft) and math.isinf(asked.tpot):
            raise InputError(name, "without limits", "--ttft or --tpot, or both")


def _traffic(given: Run) -> list[Idle]:
    """Drawn requests have a rate and a shape, those of a trace have their own."""
    if not given.trace:
        rows = [Idle(_READ, "without --trace", "a trace to read")]
        if given.arrivals == "poisson":
            rows.append(Idle(("cv",), "with poisson arrivals", "--arrivals gamma or weibull: the CV of poisson is 1"))
        if not given.swing:
            rows.append(Idle(("period",), "without --swing", "--swing, the height of the cycle"))
        if given.no_cache:
            rows.append(Idle(("cache_hit",), "beside --no-cache", "no --no-cache with it"))
        return rows
    beside = "beside --trace"
    return [
        Idle(("rate",), beside, "--speed: a trace has a rate of its own"),
        Idle(_DRAWN, beside, "drawn requests, without --trace"),
        *((Idle(("isl", "osl"), "beside --trace and --tp", "one of these left out"),) if given.tp else ()),
    ]


def _fleet(given: Run) -> list[Idle]:
    """A layout is given or that of a plan."""
    rows = [] if given.tier else [Idle(("write_through",), "without --tier", "--tier, a memory to write to")]
    if given.tp is None:
        return [*rows, Idle(("dp", "ep"), "without --tp", "--tp: else the layout is that of the cheapest plan")]
    return [*rows, Idle(("gpus",), "beside --tp", "--replicas for more engines: --gpus is for the search of a plan")]


def _questions(given: Run) -> list[Idle]:
    """One question at a time: the largest rate, a day's replicas, another policy, or a run."""
    rows = []
    if given.find:
        rows.append(Idle(("against", "autoscale", "per_request"), "beside --find", "one question at a time"))
    if given.autoscale:
        rows.append(Idle(("replicas",), "beside --autoscale", "one of them: --autoscale finds the replicas"))
        rows.append(Idle(("against", "per_request"), "beside --autoscale", "one question at a time"))
    if given.against:
        rows.append(Idle(("per_request",), "beside --against", "one question at a time"))
    else:
        rows.append(Idle(("seeds",), "without --against", "--against, a policy to compare with"))
    if not given.find and not given.autoscale:
        rows.append(Idle(("share",), "without --find or --autoscale", "one of them"))
    return rows
