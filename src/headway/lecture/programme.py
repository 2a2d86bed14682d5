"""The programme talk: what can be computed of it (W01-W07)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from headway.lecture.claim import EXACT, Compute, Figure, Given, real, say
from headway.physics import fleet, published, trains
from headway.physics.fleet import racks_for_population
from headway.scaling.allocation import equal_loss
from headway.scaling.coverage import alike
from headway.scaling.efficiency import Architecture, architectures, tokens_against
from headway.scaling.gate import Finding, release_decision, release_gate
from headway.scaling.planted import pretraining_axis, saturating_axes
from headway.training.life import rollout_saving


def _w01(given: Given) -> tuple[Figure, ...]:
    law = given.law("epoch-2024-converged")
    axes = (
        pretraining_axis(law, given("programme.loss_noise")),
        *saturating_axes(given("programme.score_noise")),
    )
    return (
        *(say(f"{axis.name}, miss of the hidden rung", axis.error, "count", between=(0.0, 0.02)) for axis in axes),
        *(say(f"{axis.name}, truth inside the 90% interval", axis.held, expected=True, shown=False) for axis in axes),
        *(
            say(f"{axis.name}, {axis.constant} found", axis.found, "count", axis.planted, 0.06, shown=False)
            for axis in axes
        ),
    )


def _w02(given: Given) -> tuple[Figure, ...]:
    claimed = given("programme.compute_claimed")
    active, tokens = given("programme.maverick_active"), given("programme.maverick_tokens")
    found = equal_loss(given.law("epoch-2024"), active, tokens, claimed)
    other = equal_loss(given.law("hoffmann-2022"), active, tokens, claimed)
    return (
        say("from the best size and tokens alone, at equal loss", found.ratio, "times", between=(1.0, claimed)),
        say("with the constants of Hoffmann", other.ratio, "times", between=(1.0, claimed)),
        say("left for data and architecture", found.left, "times", between=(1.0, claimed)),
        say("its compute", found.compute, "count", 2.244e24, EXACT, shown=False),
        say("cheapest compute", found.least, "count", between=(1.0, found.compute), shown=False),
    )


def _w03(given: Given) -> tuple[Figure, ...]:
    agents = int(given("programme.agents"))
    length, step, spread = (given(f"programme.answer_{key}") for key in ("tokens", "step", "spread"))
    problems = alike(given("programme.pass_one"))

    def run(count: int, variation: float = 0.0) -> Architecture:
        # The oracle stands first: its score is the coverage, and tokens and latency are those of every selector.
        return architectures(problems, count, length, step, variation=variation)[0]

    one, level, uneven = run(1), run(agents), run(agents, spread)
    return (
        say("tokens before aggregation", fleet.relative_to(level.tokens, one.tokens), "times", 16, EXACT),
        say("latency, answers of one length", fleet.relative_to(level.latency, one.latency), "times", 1, EXACT),
        say(
            "latency, lengths spread by half",
            fleet.relative_to(uneven.latency, one.latency),
            "times",
            between=(1.0, 16.0),
        ),
        say("pass@16 at 10% each", level.score, "count", "0.815"),
    )


def _w04(given: Given) -> tuple[Figure, ...]:
    own = given("programme.muse_tokens")
    rows = (
        ("GPT-5.4", "gpt_tokens", "2.07"),
        ("Opus 4.6, highest effort", "opus_tokens", "2.71"),
        ("Opus 4.6, another page", "opus_tokens_default", "1.0"),
    )
    return tuple(
        say(label, float(tokens_against(given(f"programme.{key}"), own)), "times", expected)
        for label, key, expected in rows
    )


def _w05(given: Given) -> tuple[Figure, ...]:
    replica = trains.tokens_per_second(
        given("board.train_seats"), published.period_of(given("board.trains_per_second"))
    )
    light, heavy = given("programme.tokens_light"), given("programme.tokens_heavy")
    many, few = given("programme.consumers"), given("programme.consumers_low")
    measured = published.chips_in(given("board.gpus"), given("measured.gb200_decode_fp4"))
    return (
        say("3 billion at 2k a day", racks_for_population(many, light, replica), "count", "543"),
        say("1 billion at 20k", racks_for_population(few, heavy, replica), "count", "1808"),
        say("3 billion at 20k", racks_for_population(many, heavy, replica), "count", "5425"),
        real(
            "3 billion at 20k, racks at the rate measured on GB200",
            racks_for_population(many, heavy, measured),
            "count",
        ),
    )


def _w06(given: Given) -> tuple[Figure, ...]:
    del given
    found = {
        "chemical and biological": Finding("high", "acceptable"),
        "cybersecurity": Finding("below-high", "acceptable"),
        "loss of control": Finding("below-high", "acceptable"),
    }
    opened = release_gate(found, "open-weights")
    table = (
        ("below-high", "acceptable", True, True, True),
        ("below-high", "not-acceptable", False, False, False),
        ("high", "acceptable", True, True, False),
        ("high", "not-acceptable", False, False, False),
    )
    lines = tuple(
        say(
            f"{tier}, {residual}, {mode}", release_decision(tier, residual, mode).allowed, expected=allowed, shown=False
        )
        for tier, residual, *row in table
        for mode, allowed in zip(("closed", "api", "open-weights"), row, strict=True)
    )
    return (
        say("own products", release_gate(found, "closed").allowed, expected=True),
        say("API", release_gate(found, "api").allowed, expected=True),
        say("open weights", opened.allowed, expected=False),
        say("because of", opened.binding, expected="chemical and biological"),
        *lines,
    )


def _w07(given: Given) -> tuple[Figure, ...]:
    own = given("programme.muse_tokens")
    return (
        say("against GPT-5.4", rollout_saving(given("programme.gpt_tokens"), own), "times", "2.07"),
        say("against Opus 4.6", rollout_saving(given("programme.opus_tokens"), own), "times", "2.71"),
    )


COMPUTE: Mapping[str, Compute] = MappingProxyType(
    {"W01": _w01, "W02": _w02, "W03": _w03, "W04": _w04, "W05": _w05, "W06": _w06, "W07": _w07}
)
