"""Published shapes: what techniques gained where they were measured, beside what the simulator gives.

The settings are nearest to the sources' that the catalog has; what a source leaves open is said in the setting. A shape
holds where the sign and the trend are those of the source; the size is shown, not asserted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from headway.facts.models import model
from headway.facts.serving_shapes import PublishedShape, published_shape
from headway.facts.systems import system
from headway.physics.layout import Layout
from headway.simulation.deploy import Deployment, deploy
from headway.simulation.outcome import Outcome, largest_rate
from headway.simulation.scheduler import Scheduler
from headway.simulation.study import Limits, find_rate, generated, run
from headway.simulation.trace import Trace
from headway.simulation.transform import scale, select

#: Mean time between the starts of sessions that loads the engines of the comparison of routers [s].
SESSION_GAP_S = 10.0
#: Most sessions of a trace that the routers are compared on.
_SESSIONS = 200


@dataclass(frozen=True, slots=True)
class ShapeRow:
    """One setting of a shape.

    Parameters
    ----------
    setting : str
    without, with_it : float
        The figure without and with the technique.
    gain : float
        Their quotient [1].
    """

    setting: str
    without: float
    with_it: float
    gain: float


@dataclass(frozen=True, slots=True)
class Shape:
    """One technique: our rows, the source's figure, and whether the shape is the same.

    Parameters
    ----------
    name, figure, setting : str
        Of the technique, of what is compared, and what is served.
    rows : tuple of ShapeRow
    published : PublishedShape
    holds : bool
    verdict : str
        In words.
    """

    name: str
    figure: str
    setting: str
    rows: tuple[ShapeRow, ...]
    published: PublishedShape
    holds: bool
    verdict: str


def _row(setting: str, without: float, with_it: float) -> ShapeRow:
    return ShapeRow(setting, without, with_it, with_it / without if without else float("inf"))


def _where(
    trace: Trace,
    rules: Scheduler,
    name: str,
    box: str = "hgx-a100",
    tp: int = 1,
    replicas: int = 1,
    prefillers: int = 0,
) -> Deployment:
    return deploy(model(name), system(box), Layout(tp=tp), trace, rules, replicas=replicas, prefillers=prefillers)


def disaggregation(limits_s: tuple[float, ...] = (0.1, 0.06, 0.04, 0.03), requests: int = 800) -> Shape:
    """Goodput per chip of engines set apart for prefill over engines that do both, prompts first.

    Parameters
    ----------
    limits_s : tuple of float
        Limits of the time per output token, loose to tight [s].
    requests : int
        Drawn for each run [1].

    Examples
    --------
    >>> found = disaggregation((0.06, 0.04), 200)
    >>> found.rows[0].gain < found.rows[1].gain
    True
    """
    rules = Scheduler(policy="prefill-first")
    trace = generated("poisson", 1.0, requests, 512, 64)
    both = _where(trace, rules, "qwen2.5-14b")
    split = [_where(trace, rules, "qwen2.5-14b", replicas=4, prefillers=k) for k in (1, 2, 3)]
    rows = []
    for tpot in limits_s:
        limit = Limits(0.4, tpot, 0.9)
        alone = find_rate(both, trace, rules, limit).requests_per_second
        best = max(find_rate(where, trace, rules, limit).requests_per_second for where in split) / 4
        rows.append(_row(f"{tpot * 1e3:g} ms a token", alone, best))
    gains = [r.gain for r in rows]
    holds = gains == sorted(gains) and gains[-1] > 1.5
    return Shape(
        "prefill and decode apart",
        "requests per second and chip within limits",
        "a dense 14B model on A100s, 512 tokens in and 64 out, first token in 0.4 s for 90%; of 4 engines the best of"
        " 1, 2 and 3 prefill",
        tuple(rows),
        published_shape("disaggregation"),
        holds,
        "the gain grows as the limit tightens, and is small where it is loose" if holds else "the trend is another",
    )


def chunked_prefill(requests: int = 800) -> Shape:
    """Capacity within a tail of the gaps between tokens: prompts in chunks beside decoding over whole prompts first.

    Parameters
    ----------
    requests : int
        Drawn for each run [1].

    Examples
    --------
    >>> found = chunked_prefill(100)
    >>> found.rows[0].gain > found.rows[1].gain
    True
    """
    trace = generated("poisson", 1.0, requests, 1730, 415)
    whole = Scheduler(policy="prefill-first", max_seqs=128, token_budget=4096)

    def capacity(rules: Scheduler, where: Deployment, tail: float) -> float:
        def holds(factor: float) -> bool:
            found = run(where, scale(trace, rate=factor), rules, Limits())[1]
            return found.itl_s.p99 <= tail and found.queue_s.p50 <= 2.0

        return largest_rate(holds, 1.0)

    before, rows = _where(trace, whole, "mistral-7b"), []
    for budget, tail, kind in ((512, 0.1, "strict"), (2048, 0.5, "relaxed")):
        chunks = replace(whole, policy="chunked", token_budget=budget)
        rates = [capacity(whole, before, tail), capacity(chunks, _where(trace, chunks, "mistral-7b"), tail)]
        rows.append(_row(f"{kind}: p99 gap {tail * 1e3:g} ms, {budget} tokens a step, req/s", *rates))
    chunks = replace(whole, policy="chunked", token_budget=512)
    same = scale(trace, rate=3.0)
    tails = [run(_where(trace, r, "mistral-7b"), same, r, Limits())[1].itl_s.p99 for r in (whole, chunks)]
    rows.append(ShapeRow("p99 gap at 3 requests per second, ms", tails[0] * 1e3, tails[1] * 1e3, tails[0] / tails[1]))
    holds = rows[0].gain > 1.5 > rows[1].gain > 0.8 and rows[2].gain > 1.5
    return Shape(
        "prompts in chunks",
        "capacity within a tail latency",
        "Mistral-7B on one A100, 1,730 tokens in and 415 out (the medians of the source's first data set, all alike)",
        tuple(rows),
        published_shape("chunked-prefill"),
        holds,
        "decoding does not stall, which pays where the tail is strict" if holds else "the shape is another",
    )


def prefix_routing(trace: Trace, replicas: int = 8) -> Shape:
    """Hit rate and first token of agentic sessions when the router knows where prefixes are, over taking turns.

    Parameters
    ----------
    trace : Trace
        With block ids and sessions; its first 200 sessions are served.
    replicas : int
        [1].

    Examples
    --------
    >>> from headway.simulation.read import read_trace
    >>> prefix_routing(read_trace("examples/sessions.csv"), 4).rows[0].gain > 1
    True
    """
    part = select(trace, np.flatnonzero(trace.session < _SESSIONS))
    found: dict[str, Outcome] = {}
    for router in ("round-robin", "prefix", "session"):
        rules = Scheduler(router=router)
        where = _where(part, rules, "qwen3-30b-a3b", "hgx-h200", tp=2, replicas=replicas)
        found[router] = run(where, part, rules, Limits())[1]
    turns, aware, sticky = (found[r] for r in ("round-robin", "prefix", "session"))
    rows = (
        _row("tokens from cache: by prefix over taking turns", turns.hit_rate, aware.hit_rate),
        _row("tokens from cache: by session over taking turns", turns.hit_rate, sticky.hit_rate),
        ShapeRow(
            "mean first token by prefix, s",
            turns.ttft_s.mean,
            aware.ttft_s.mean,
            turns.ttft_s.mean / aware.ttft_s.mean,
        ),
    )
    holds = aware.hit_rate > turns.hit_rate and aware.ttft_s.mean < turns.ttft_s.mean
    return Shape(
        "routing by prefix",
        "prompt tokens found in the engines' own caches",
        f"Qwen3-30B-A3B on {replicas} engines of 2 H200, {len(part):,} requests of {trace.name}",
        rows,
        published_shape("global-cache"),
        holds,
        "calls of a session find their prefix, and wait less" if holds else "the shape is another",
    )


def shapes(agentic: Trace | None = None, requests: int = 800) -> tuple[Shape, ...]:
    """Every shape whose traffic is there.

    Parameters
    ----------
    agentic : Trace, optional
        Sessions with block ids, for the routers.
    requests : int
        Drawn for each run of the others [1].

    Examples
    --------
    >>> [found.name for found in shapes(requests=40)]
    ['prefill and decode apart', 'prompts in chunks']
    """
    drawn = disaggregation(requests=requests), chunked_prefill(requests)
    return (*drawn, *((prefix_routing(agentic),) if agentic is not None else ()))
