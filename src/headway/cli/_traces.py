"""The argument and options by which a command is given a trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from headway.cli._params import CONFIG, TIME, integer

if TYPE_CHECKING:
    from headway.simulation.trace import Trace


@dataclass(frozen=True, slots=True)
class Read:
    """How to read a trace file."""

    path: str
    session_gap: float
    spread: bool
    seed: int


def trace_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add TRACE and the options of its reader; the function gets a :class:`Read` as ``source``."""

    def gathered(trace: str, session_gap: float, spread: bool, seed: int, **others: Any) -> Any:
        return function(source=Read(trace, session_gap, spread, seed), **others)

    gathered.__doc__ = function.__doc__
    gathered.__name__ = function.__name__
    gathered.__dict__.update(function.__dict__)
    for option in (
        click.option("--seed", type=integer(0), default="0", show_default=True, help="Of whatever is drawn."),
        click.option("--spread", is_flag=True, help="Spread arrivals that sit on a coarse clock over its steps."),
        click.option(
            "--session-gap",
            type=TIME,
            default="60 s",
            show_default=True,
            help="Mean time between starts of sessions, where the file has no calendar.",
        ),
        click.argument("trace", type=CONFIG),
    ):
        gathered = option(gathered)
    return gathered


def load(source: Read, *, closed: bool = False) -> Trace:
    """Read the trace."""
    from headway.simulation.read import read_trace

    return read_trace(
        source.path, closed=closed, session_gap_s=source.session_gap, spread=source.spread, seed=source.seed
    )
