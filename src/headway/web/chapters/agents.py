"""Many tries: what test-time compute covers, who picks the right answer, what parallel agents cost in time."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from headway.physics.parallel_agents import parallel_run, pass_at_n
from headway.web.chapter import Answer, Axis, Chapter, Chart, Column, Control, Marker, Number, Series, Table, Values

CONTROLS = (
    Control("chance", "Chance that one try is right", 0.12, "fraction", low=0.001, high=0.95),
    Control(
        "likeness",
        "How alike two tries at one task are",
        0.25,
        "fraction",
        low=0.01,
        high=0.9,
        about="Low: all tasks are as hard as each other. High: each is solved always or never.",
    ),
    Control("agents", "Agents on a task", 16.0, low=1, high=1024, whole=True),
    Control("hit", "A verifier accepts a right answer", 0.9, "fraction", low=0.05, high=1.0, log=False),
    Control("false", "It accepts a wrong one", 0.1, "fraction", low=0.001, high=0.95),
    Control("tokens", "Tokens of one agent", 8000.0, "tokens", low=100, high=1e6, whole=True),
    Control("aggregation", "Written after the last is done", 2000.0, "tokens", low=1, high=1e5, whole=True),
    Control("variation", "Spread of an agent's length", 0.5, low=0.0, high=3.0, log=False),
    Control("tpot", "Time per output token", 0.01, "seconds", low=1e-3, high=0.2),
    Control("price", "Price of output", 6.0, "dollars_per_mtok", low=0.05, high=100),
    Control("latency", "Longest wait", 180.0, "seconds", low=1, high=86_400),
)
TRIES = tuple(float(v) for v in np.unique(2 * np.round(np.geomspace(1, 512, 40)) - 1))
"""Odd, so that a vote is never a draw."""
COMPARED = (1, 2, 4, 8, 16, 32, 64)
PICKED = (("oracle", "somebody who knows"), ("verifier", "a verifier"), ("vote", "the majority"))


@lru_cache(maxsize=64)
def _scores(chance: float, likeness: float, hit: float, false: float) -> tuple[tuple[str, tuple[float, ...]], ...]:
    from headway.scaling.coverage import selected, spread_problems

    problems = spread_problems(chance, likeness)
    return tuple((label, tuple(selected(problems, TRIES, name, hit, false).tolist())) for name, label in PICKED)


def answer(values: Values) -> Answer:
    """Give coverage and what a selector makes of it, and time and tokens of agents at once."""
    from headway.scaling.coverage import selected, spread_problems
    from headway.scaling.efficiency import architectures
    from headway.scaling.tables import per_token

    chance, count = float(values["chance"]), int(values["agents"])
    hit, false = float(values["hit"]), float(values["false"])
    each, step, written = int(values["tokens"]), float(values["tpot"]), int(values["aggregation"])
    vary, longest = float(values["variation"]), float(values["latency"])
    problems = spread_problems(chance, values["likeness"])
    covered, kept = (float(selected(problems, count, name, hit, false)[0]) for name in ("oracle", "verifier"))
    here = parallel_run(each, count, step, written, vary)
    along = parallel_run(each, TRIES, step, written, vary)
    found = architectures(
        problems,
        sorted({*COMPARED, count}),
        each,
        step,
        usd_per_output=per_token(values["price"]),
        aggregation=written,
        variation=vary,
        hit=hit,
        false=false,
        latency=longest,
    )
    x = Axis("agents on a task", "count", log=True, low=1, high=1024)
    mark = (Marker(float(count), "this many"),)
    return Answer(
        (
            Number("coverage", "Some answer is right", covered, "fraction", "coverage: nobody has picked yet"),
            Number("verified", "A verifier picks it", kept, "fraction", "share of tasks solved"),
            Number("single", "One agent", chance, "fraction", "share of tasks solved"),
            Number("latency_s", "Time", float(here.latency), "seconds", "the longest agent, then the aggregation"),
            Number("tokens", "Tokens", float(here.tokens), "tokens", "all agents and the aggregation"),
            Number("token_multiple", "Tokens, against one", float(here.token_multiple), "count", "times"),
            Number("latency_multiple", "Time, against one", float(here.latency_multiple), "count", "times"),
        ),
        (
            Chart(
                "score",
                "Share of tasks solved",
                x,
                Axis("share of tasks", "fraction", low=0.0, high=1.0),
                (
                    *(
                        Series(label, TRIES, curve, strong=i == 1)
                        for i, (label, curve) in enumerate(_scores(chance, values["likeness"], hit, false))
                    ),
                    Series("if tries were independent", TRIES, tuple(np.ravel(pass_at_n(chance, TRIES)))),
                ),
                mark,
                about="More tries cover more tasks, but somebody has to pick the right answer: a verifier that errs "
                "levels off, and a majority helps only where one try is right more often than not.",
            ),
            Chart(
                "cost",
                "Tokens and time against one agent",
                x,
                Axis("times one agent", "count", log=True),
                (
                    Series("tokens", TRIES, tuple(np.ravel(along.token_multiple))),
                    Series("time", TRIES, tuple(np.ravel(along.latency_multiple)), strong=True),
                ),
                mark,
                about="Agents side by side cost tokens in proportion and time by the longest of them alone.",
            ),
        ),
        (
            Table(
                "architectures",
                "How many, and who picks",
                (
                    Column("agents", "agents", "count"),
                    Column("selector", "picked by"),
                    Column("score", "solved", "fraction"),
                    Column("tokens", "tokens", "tokens"),
                    Column("latency", "time", "seconds"),
                    Column("usd", "a task", "dollars"),
                    Column("allowed", "within the wait"),
                ),
                tuple(
                    (float(a.agents), a.selector, a.score, a.tokens, a.latency, a.usd, "yes" if a.allowed else "no")
                    for a in found
                    if a.selector != "oracle"
                ),
            ),
        ),
        equations=(
            "coverage = 1 − B(a, b + k) / B(a, b)",
            "independent: 1 − (1 − p)^k",
            "tokens = k m + g,  time = (E[longest of k] + g) t",
        ),
        notes=(
            "The chance of one try is spread over tasks as a Beta distribution of this mean and correlation.",
            "Coverage is an upper bound that nobody can run: choose by the order, do not expect the level.",
            "Agents write at one time per token, which a larger batch would lengthen: take it from the plan.",
            "'headway ladder passk' and 'headway ladder agents' fit the spread to counts of your own.",
        ),
        sources=(
            "Brown et al., arXiv 2407.21787: coverage against selection",
            "Schaeffer et al. 2025, PMLR 267: the tail of per-problem success",
            "Kim et al., arXiv 2512.08296: architectures of agents",
        ),
    )


CHAPTER = Chapter(
    "agents",
    "Many tries",
    "What do more tries and parallel agents solve, and what do they cost in tokens and time?",
    CONTROLS,
    answer,
    order=88,
    part="The next model",
)
