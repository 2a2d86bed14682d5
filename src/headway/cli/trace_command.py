"""``headway trace``: what a trace of requests is like, and traces made from a few numbers."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from headway.cli._given import Idle, refuse_idle
from headway.cli._output import output_options
from headway.cli._params import CONFIG, FRACTION, TIME, TOKENS, choice, integer, quantity
from headway.cli._report import Cell, Column, Quantity, Report, Table, facts_table
from headway.cli._traces import Read, load, trace_argument

if TYPE_CHECKING:
    from headway.simulation.statistics import Statistics
    from headway.simulation.trace import Trace

KINDS = ("requests", "sessions", "agents", "servegen")
#: Options of ``make`` that are for some kinds only.
_FOR = MappingProxyType(
    {
        "count": KINDS[:3],
        "rate": KINDS[:2],
        **dict.fromkeys(("process", "cv", "swing"), KINDS[:1]),
        **dict.fromkeys(("isl", "osl", "shared"), KINDS[:3]),
        **dict.fromkeys(("turns", "think"), KINDS[1:3]),
        **dict.fromkeys(("rates", "lengths", "pool", "duration"), KINDS[3:]),
    }
)


def _processes() -> tuple[str, ...]:
    from headway.simulation.arrivals import PROCESSES

    return tuple(PROCESSES)


@click.group()
def trace() -> None:
    """Look at traces of requests, or make them."""


@trace.command()
@trace_argument
@output_options
def show(source: Read) -> Report:
    """Show rates, lengths, burstiness and sharing of TRACE.

    The format is told from the content: Azure, BurstGPT, Mooncake, Qwen-Bailian, agentic sessions, benchmark
    dumps of vLLM and SGLang, or Headway's own CSV or Parquet; plain or gzip.
    """
    return describe(load(source))


def describe(found: Trace) -> Report:
    """Report on a trace."""
    from headway.simulation.statistics import statistics

    measured = statistics(found)
    rows: list[tuple[str, Cell]] = [
        ("requests", Quantity(measured.requests, "count")),
        ("sessions", Quantity(measured.sessions, "count") if measured.sessions else "none"),
        *_pace(found, measured),
        ("input over output tokens", Quantity(measured.input_output_ratio, "count")),
    ]
    if measured.blocks:
        rows += [
            ("tokens of a block", Quantity(measured.block_tokens, "tokens")),
            ("blocks of all prompts", Quantity(measured.blocks, "count")),
            ("different blocks", Quantity(measured.unique_blocks, "count")),
        ]
    notes = found.notes
    if found.closed_loop:
        waits = int((found.after >= 0).sum())
        notes += (f"{waits:,} requests wait for an answer before them: how fast they come depends on what serves them",)
    columns = (
        Column("which", "tokens of a request", align="left"),
        Column("mean", "mean", "tokens"),
        Column("p50", "p50", "tokens"),
        Column("p90", "p90", "tokens"),
        Column("p99", "p99", "tokens"),
        Column("most", "most", "tokens", priority=1),
    )
    spreads = (("input", measured.inputs), ("output", measured.outputs))
    lengths = tuple((name, s.mean, s.p50, s.p90, s.p99, s.most) for name, s in spreads)
    return Report(
        title=f"{found.name}: {found.source or 'a trace'}",
        parts=(facts_table("trace", rows), Table("lengths", columns, lengths)),
        notes=notes,
        document={
            "name": found.name,
            "source": found.source,
            "closed_loop": found.closed_loop,
            "statistics": measured,
            "notes": notes,
        },
    )


def _pace(found: Trace, measured: Statistics) -> list[tuple[str, Cell]]:
    """Span, rate and burstiness: of requests, or where others wait for answers, of those whose arrival is known."""
    starts = "session starts" if found.closed_loop else "requests"
    span = f"span of {starts}" if found.closed_loop else "span"
    if found.closed_loop and not measured.span_s:
        return [(span, "all at once")]
    return [
        (span, Quantity(measured.span_s, "seconds")),
        (f"{starts} per second", Quantity(measured.requests_per_second, "requests_per_second")),
        (f"CV of the gaps{f' of {starts}' if found.closed_loop else ''}", Quantity(measured.gap_cv, "count")),
        ("dispersion of counts per minute", Quantity(measured.dispersion, "count")),
        ("busiest minute over the mean", Quantity(measured.peak_to_mean, "count")),
    ]


def _refuse_idle(kind: str, process: str) -> None:
    """Refuse options that are for another kind of trace, or another process."""
    refuse_idle(
        *(
            Idle((name,), f"with --kind {kind}", f"--kind {' or '.join(kinds)}")
            for name, kinds in _FOR.items()
            if kind not in kinds
        ),
        *((Idle(("cv",), "with poisson arrivals", "--process gamma or weibull"),) if process == "poisson" else ()),
    )


@trace.command()
@click.argument("file", type=CONFIG)
@click.option("--kind", type=choice("kind", lambda: KINDS), default="requests", show_default=True, help="What to make.")
@click.option("-n", "--count", type=integer(), default="1000", show_default=True, help="Requests, sessions or agents.")
@click.option("--rate", type=quantity("requests_per_second", "rate"), help="Arrivals, as '5 req/s'.")
@click.option(
    "--process", type=choice("process", _processes), default="poisson", show_default=True, help="Of arrivals."
)
@click.option("--cv", type=quantity("count"), default="1", show_default=True, help="Of the gaps between arrivals.")
@click.option("--swing", type=FRACTION, default="0%", show_default=True, help="Daily peak over the mean, less one.")
@click.option("--isl", type=TOKENS, default="1024", show_default=True, help="Mean input, or what a turn adds.")
@click.option("--osl", type=TOKENS, default="256", show_default=True, help="Mean output.")
@click.option("--shared", type=integer(0), default="0", show_default=True, help="First tokens that all prompts share.")
@click.option("--turns", type=quantity("count"), default="8", show_default=True, help="Mean turns of a session.")
@click.option("--think", type=TIME, default="10 s", show_default=True, help="Mean time from answer to next turn.")
@click.option("--rates", type=CONFIG, help="ServeGen's Parquet file of rates.")
@click.option("--lengths", type=CONFIG, help="ServeGen's Parquet file of lengths.")
@click.option("--pool", default="m-large", show_default=True, help="ServeGen's pool.")
@click.option("--duration", type=TIME, default="1 h", show_default=True, help="Of ServeGen's days.")
@click.option("--seed", type=integer(0), default="0", show_default=True, help="The same seed makes the same trace.")
@output_options
def make(
    file: str,
    kind: str,
    count: int,
    rate: float | None,
    process: str,
    cv: float,
    swing: float,
    isl: float,
    osl: float,
    shared: int,
    turns: float,
    think: float,
    rates: str | None,
    lengths: str | None,
    pool: str,
    duration: float,
    seed: int,
) -> Report:
    """Make a trace and write it to FILE (.csv, .csv.gz or .parquet).

    Requests are independent. Sessions come at a rate and agents start together; in both, a turn leaves when the
    last answer was read. ServeGen's pools are made from its two Parquet files.

    Example: headway trace make bursts.csv --rate "5 req/s" --process gamma --cv 3
    """
    from headway.facts.errors import InputError
    from headway.simulation import generate as made
    from headway.simulation.read import write_trace

    _refuse_idle(kind, process)
    if kind == "servegen":
        if rates is None or lengths is None:
            raise InputError("--rates --lengths", "not given", "the two Parquet files of ServeGen")
        found = made.servegen(rates, lengths, pool, duration_s=duration, seed=seed)
    elif kind == "requests":
        found = made.generate(
            count,
            1.0 if rate is None else rate,
            process=process,
            cv=cv,
            swing=swing,
            input_tokens=isl,
            output_tokens=osl,
            shared_tokens=shared,
            seed=seed,
        )
    else:
        found = made.generate_sessions(
            count,
            rate=None if kind == "agents" else (1.0 if rate is None else rate),
            turns=turns,
            think_s=think,
            system_tokens=shared,
            turn_tokens=isl,
            output_tokens=osl,
            seed=seed,
        )
    write_trace(found, file)
    return describe(found)
