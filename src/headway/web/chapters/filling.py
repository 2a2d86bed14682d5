"""Memories as they fill: sessions on one engine whose caches go down to host memory and flash, and come back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from headway.facts.models import model, model_names
from headway.facts.units import format_quantity
from headway.web.chapter import Answer, Axis, Chapter, Chart, Control, Number, Series, Values

if TYPE_CHECKING:
    from headway.simulation.filling import Filling

MOMENTS = 200
PACE = ("life", "rate", "think")
PLACES = ("its own memory", "host memory", "flash")


def _keeps() -> Sequence[str]:
    from headway.simulation.fleet import KEEPS

    return tuple(KEEPS)


CONTROLS = (
    Control("model", "Model", "llama-3.1-8b", choices=model_names),
    Control("own", "The engine's own memory for caches", 2e9, "bytes", low=1e9, high=1e12),
    Control("host", "Host memory", 2e9, "bytes", low=1e8, high=1e12),
    Control("flash", "Flash", 20e9, "bytes", low=1e8, high=1e13),
    Control("keeps", "What a full one drops", "lru", choices=_keeps),
    Control("life", "Kept after the last use", 3600.0, "seconds", low=1.0, high=1e5),
    Control("rate", "Sessions that begin per second", 0.2, low=0.02, high=10),
    Control("think", "Time to read an answer", 20.0, "seconds", low=1.0, high=1000),
    Control("seed", "Seed of the sessions", 0.0, low=0, high=1000, log=False, whole=True),
)


@lru_cache(maxsize=32)
def _found(
    name: str, own: float, host: float, flash: float, keeps: str, life: float, rate: float, think: float, seed: int
) -> Filling:
    from headway.simulation.filling import fill_memories

    what = model(name)
    return fill_memories(what, own, host, flash, keeps=keeps, life_s=life, rate=rate, think_s=think, seed=seed)


def answer(values: Values) -> Answer:
    """Serve the sessions with the memories and without."""
    import numpy as np

    from headway.simulation.filling import SESSIONS, STEP_S, TOKEN_S, filling, served_from
    from headway.simulation.outcome import outcome

    sizes, times = (tuple(float(values[k]) for k in part) for part in (("own", "host", "flash"), PACE))
    both = _found(str(values["model"]), *sizes, str(values["keeps"]), *times, int(values["seed"]))
    done = both.below
    found, bare = outcome(done), outcome(both.alone)
    at = np.linspace(0.0, done.end_s, MOMENTS)
    moments, held = tuple(at.tolist()), filling(done, at, both.block_bytes)
    came, shares = served_from(done)
    first = tuple(came.tolist())
    lines = tuple(zip(PLACES, held.tolist(), shares.tolist(), strict=True))
    lost = f"Turned away as longer than the engine's own memory: {found.rejected:,}." if found.rejected else ""
    return Answer(
        (
            Number("hit_rate", "Prompt tokens not computed", found.hit_rate, "fraction", "pooled"),
            Number("hit_rate_without", "Without the two below", bare.hit_rate, "fraction", "pooled"),
            Number("ttft_s", "First token", found.ttft_s.mean, "seconds", "mean"),
            Number("ttft_without_s", "Without the two below", bare.ttft_s.mean, "seconds", "mean"),
            Number("ttft_p99_s", "First token, p99", found.ttft_s.p99, "seconds", "of all requests"),
        ),
        (
            Chart(
                "held",
                "What each memory holds",
                Axis("time", "seconds"),
                Axis("held", "bytes", low=0.0),
                tuple(Series(place, moments, tuple(row), strong=place == PLACES[0]) for place, row, _ in lines),
                about="What the engine's own memory drops goes to host memory, what that drops to flash.",
            ),
            Chart(
                "served",
                "Where prompt tokens came from, so far",
                Axis("time", "seconds"),
                Axis("share of all prompt tokens", "fraction", low=0.0),
                tuple(Series(place, first, tuple(row), strong=place == PLACES[0]) for place, _, row in lines),
                about="Over the requests that had their first token by then; the rest was computed.",
            ),
        ),
        equations=("hit rate = prompt tokens held or loaded / prompt tokens",),
        notes=(
            f"{SESSIONS} sessions that grow, on one engine with steps of {format_quantity(STEP_S, 'seconds')} "
            f"and {format_quantity(TOKEN_S, 'seconds')} a token; "
            "a prompt waits in its seat for its blocks, or is computed again where that is sooner.",
            "'headway simulate --tier' does this for a real system and a trace of your own.",
            *((lost,) if lost else ()),
        ),
    )


CHAPTER = Chapter(
    "filling",
    "Memories as they fill",
    "What comes back from host memory and flash, and when?",
    CONTROLS,
    answer,
    order=141,
    part="Decide",
)
