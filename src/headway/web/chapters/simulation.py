"""Trains as they leave: a few hundred requests served one by one, and the percentiles as they form."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from headway.web.chapter import Answer, Axis, Chapter, Chart, Control, Number, Series, Values

REQUESTS = 300
MOMENTS = 200
LEVELS = (0.5, 0.9, 0.99)


def _policies() -> Sequence[str]:
    from headway.simulation.scheduler import POLICIES

    return tuple(POLICIES)


CONTROLS = (
    Control("rate", "Arrivals per second", 12.0, low=0.5, high=100),
    Control("seats", "Seats: the batch", 16.0, low=1, high=128, whole=True),
    Control("step", "Time of an empty step", 0.015, "seconds", low=1e-3, high=0.1),
    Control("per_token", "Time per token of a step", 2e-5, "seconds", low=1e-7, high=1e-3),
    Control("isl", "Input of a request", 500.0, "tokens", low=1, high=8000, whole=True),
    Control("osl", "Output of a request", 60.0, "tokens", low=1, high=200, whole=True),
    Control("policy", "Who boards", "chunked", choices=_policies),
    Control("seed", "Seed of the arrivals", 0.0, low=0, high=1000, log=False, whole=True),
)


@lru_cache(maxsize=32)
def _answer(
    rate: float, seats: int, step: float, per_token: float, isl: int, osl: int, policy: str, seed: int
) -> Answer:
    import numpy as np

    from headway.simulation.outcome import forming, outcome, request_times, seats_and_queue
    from headway.simulation.replay import replay
    from headway.simulation.scheduler import Scheduler
    from headway.simulation.step_times import fixed_times
    from headway.simulation.study import generated

    trace = generated("poisson", rate, REQUESTS, isl, osl, seed=seed)
    times = fixed_times(step, per_token, max_seqs=seats, token_budget=8192)
    done = replay(trace, times, Scheduler(policy=policy, max_seqs=seats), engine="plain")
    found, waited = outcome(done), request_times(done)["ttft_s"]
    at = np.linspace(0.0, done.end_s, MOMENTS)
    seated, waiting = seats_and_queue(done, at)
    order = np.argsort(done.first_s)
    quantiles = forming(waited[order], LEVELS)
    moments, came = tuple(at.tolist()), tuple(done.first_s[order].tolist())
    return Answer(
        (
            Number("ttft_p50_s", "First token, median", found.ttft_s.p50, "seconds", "of all requests"),
            Number("ttft_p99_s", "First token, p99", found.ttft_s.p99, "seconds", "of all requests"),
            Number("tpot_s", "Time per output token", found.tpot_s.mean, "seconds", "mean"),
            Number("requests_per_second", "Requests per second", found.requests_per_second, "count", "served"),
            Number("steps", "Trains", float(found.steps), "count", "left in all"),
        ),
        (
            Chart(
                "seats",
                "Seats taken, and the queue",
                Axis("time", "seconds"),
                Axis("requests", "count", low=0.0),
                (
                    Series("in seats", moments, tuple(map(float, seated)), strong=True),
                    Series("in the queue", moments, tuple(map(float, waiting))),
                ),
                about="A train leaves whenever the last one is back; who finds no seat waits for the next.",
            ),
            Chart(
                "ttft",
                "Time to first token, as its percentiles form",
                Axis("time", "seconds"),
                Axis("time to first token", "seconds", log=True),
                tuple(
                    Series(f"p{level * 100:.0f}", came, tuple(row), strong=level == LEVELS[-1])
                    for level, row in zip(LEVELS, quantiles.tolist(), strict=True)
                ),
                about="Over the requests that had their first token by then.",
            ),
        ),
        equations=("t = step + per token · tokens of the step",),
        notes=(f"{REQUESTS} requests, Poisson arrivals, no limit of memory; 'headway simulate' times a real system.",),
    )


def answer(values: Values) -> Answer:
    """Serve the requests, each sequence on its own."""
    return _answer(
        float(values["rate"]),
        int(values["seats"]),
        float(values["step"]),
        float(values["per_token"]),
        int(values["isl"]),
        int(values["osl"]),
        str(values["policy"]),
        int(values["seed"]),
    )


CHAPTER = Chapter(
    "simulation",
    "Trains as they leave",
    "What does every one of a few hundred users feel?",
    CONTROLS,
    answer,
    order=140,
    part="Decide",
)
