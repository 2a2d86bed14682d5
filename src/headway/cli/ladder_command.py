"""``headway ladder``: forecast the next rung from small runs, on four axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headway.cli import _axes_report as axes
from headway.cli import _ladder_report as shown
from headway.cli._output import output_options
from headway.cli._params import CONFIG, FRACTION, TIME, TOKENS, Converted, choice, integer, listed, quantity

if TYPE_CHECKING:
    from headway.cli._report import Report

COUNT = quantity("count", "number")


def _rung(text: str, field: str) -> float | tuple[float, float]:
    from headway.facts.errors import InputError
    from headway.facts.units import parse

    size, colon, tokens = text.partition(":")
    if not colon and text.upper().rstrip("S").endswith("FLOP"):
        return parse(text, "flop", field)
    if not colon and text[-1:].isalpha() and any(letter.isdigit() for letter in text):
        # A size, as 70B, would be a compute that nothing was ever trained with.
        raise InputError(field, text, "compute, as 1e24 or '1e24 FLOP', or SIZE:TOKENS, as 70B:15T")
    if not colon:
        return parse(text, "count", field)
    return parse(size, "count", field), parse(tokens, "tokens", field)


RUNG = Converted("rung", _rung)


def _selectors() -> tuple[str, ...]:
    from headway.scaling.coverage import SELECTORS

    return SELECTORS


def _methods() -> tuple[str, ...]:
    from headway.scaling.forms import LAWS

    return ("auto", *LAWS)


def _pairs(items: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    from headway.facts.errors import InputError

    for item in items:
        if "=" not in item:
            raise InputError("--where", item, "COLUMN=TEXT")
    return tuple((i.partition("=")[0], i.partition("=")[2]) for i in items)


@click.group()
def ladder() -> None:
    """Forecast the next rung from small runs: pre-training, reinforcement learning, test time, agents."""


@ladder.command()
@click.argument("runs", type=CONFIG)
@click.option("--predict", type=listed(RUNG), help="Next rungs: compute [FLOP] or SIZE:TOKENS, as 1e24,70B:15T.")
@click.option("--unique", type=TOKENS, help="Distinct tokens of the rungs, for laws of repeated data.")
@click.option("--sparsity", type=COUNT, help="Total over active parameters of the rungs, for the law of experts.")
@click.option("--residuals", is_flag=True, help="Draw what the chosen law leaves of each run.")
@click.option("--holdout", type=CONFIG, help="CSV of runs that the fit does not see: error and coverage on them.")
@click.option("--target", help="Column to predict where it is not called loss.")
@click.option("--score", help="Column of scores from 0 to 1: two steps, the target is the task's loss.")
@click.option("--free-asymptote", is_flag=True, help="With --score: fit the sigmoid's upper end instead of holding 1.")
@click.option("--method", type=choice("law", _methods), default="auto", show_default=True, help="Law that forecasts.")
@click.option("--asymptote", type=COUNT, help="Loss that the pinned laws hold as their limit.")
@click.option("--leave-out", help="Column whose nonzero rows are left out, by name.")
@click.option("--where", multiple=True, help="Only rows with COLUMN=TEXT; may be repeated.")
@click.option("--level", type=FRACTION, default="90%", show_default=True, help="Nominal coverage of the intervals.")
@output_options
def fit(
    runs: str,
    predict: tuple[float | tuple[float, float], ...] | None,
    unique: float | None,
    sparsity: float | None,
    residuals: bool,
    holdout: str | None,
    target: str | None,
    score: str | None,
    free_asymptote: bool,
    method: str,
    asymptote: float | None,
    leave_out: str | None,
    where: tuple[str, ...],
    level: float,
) -> Report:
    """Fit every law to RUNS, a CSV of size and tokens, or compute alone, and loss; forecast with the steadiest.

    Example: headway ladder fit RUNS.csv --predict 1e25
    """
    from headway.facts.check import fraction, positive
    from headway.scaling.ladder import climb
    from headway.scaling.runs import read_runs
    from headway.scaling.tasks import fit_task

    fraction("--level", level, allow_one=False)
    for rung in predict or ():
        positive("--predict", rung)
    pairs, extra = _pairs(where), (score,) if score else ()
    table = read_runs(runs, target=target, leave_out=leave_out, where=pairs, extra=extra)
    test = read_runs(holdout, target=table.target, where=pairs, extra=extra, least=1) if holdout else None
    if score is not None:
        task = fit_task(table, table.extra[score], None if free_asymptote else 1.0, level, method)
        return shown.task_report(task, score, shown.places(task.ladder, predict or (), unique, sparsity), test)
    found = climb(table, method, asymptote, level)
    return shown.fit_report(found, shown.places(found, predict or (), unique, sparsity), test, residuals)


@ladder.command()
@click.argument("runs", type=CONFIG)
@click.option("--over", default="compute", show_default=True, help="Column of the axis: compute, hours, tokens.")
@click.option("--target", default="score", show_default=True, help="Column of rewards or scores.")
@click.option("--predict", type=listed(COUNT), help="Points of the axis to forecast.")
@click.option("--skip", type=COUNT, default="0", help="Leave out points below this, as a warm-up.")
@click.option("--level", type=FRACTION, default="90%", show_default=True, help="Nominal coverage of the intervals.")
@output_options
def rl(runs: str, over: str, target: str, predict: tuple[float, ...] | None, skip: float, level: float) -> Report:
    """Fit the saturating curve of reward against compute, or of score against thinking tokens, in RUNS.

    No asymptote is printed before about twice the midpoint; the exit code is then 1.

    Example: headway ladder rl rewards.csv --predict 1e5
    """
    from headway.facts.check import fraction
    from headway.scaling.saturating import fit_saturation
    from headway.scaling.tables import read_columns

    fraction("--level", level, allow_one=False)
    columns = read_columns(runs, (over, target), positive=(over,))
    kept = columns[over] >= skip
    return axes.rl_report(
        fit_saturation(columns[over][kept], columns[target][kept], level), over, target, predict or (), level
    )


@ladder.command()
@click.argument("counts", type=CONFIG)
@click.option("--k", type=listed(integer(1, 10_000_000)), default="1,10,100,1000,10000", help="Tries to forecast.")
@click.option("--selector", type=choice("selector", _selectors), default="oracle", help="Who picks the answer.")
@click.option("--hit", type=FRACTION, default="90%", help="Chance that a verifier accepts a right answer.")
@click.option("--false", "wrong", type=FRACTION, default="10%", help="Chance that it accepts a wrong one.")
@click.option("--level", type=FRACTION, default="90%", show_default=True, help="Nominal coverage of the intervals.")
@output_options
def passk(counts: str, k: tuple[int, ...], selector: str, hit: float, wrong: float, level: float) -> Report:
    """Forecast pass@k from COUNTS: columns right and tries, one row a problem; or k and pass, a curve.

    Example: headway ladder passk counts.csv --k 10000
    """
    from headway.facts.check import fraction
    from headway.scaling.tables import read_problems

    fraction("--level", level, allow_one=False)
    return axes.passk_report(read_problems(counts), k, selector, hit, wrong, level)


@ladder.command()
@click.argument("results", type=CONFIG)
@output_options
def tokens(results: str) -> Report:
    """Score against tokens against dollars in RESULTS: model, score, tokens per task, usd per Mtok.

    Example: headway ladder tokens results.csv
    """
    from headway.scaling.tables import read_results

    return axes.tokens_report(read_results(results))


@ladder.command()
@click.argument("counts", type=CONFIG)
@click.option("--agents", type=listed(integer(1, 10_000)), default="1,4,16", show_default=True, help="How many.")
@click.option("--tokens", "each", type=TOKENS, default="8k", show_default=True, help="Written by one agent.")
@click.option("--tpot", type=TIME, default="10ms", show_default=True, help="Time per output token, from serving.")
@click.option("--prefix", type=TOKENS, default="0", help="Prompt that all share and that is read once.")
@click.option("--prefill", type=COUNT, default="10000", help="Prompt tokens read in a second.")
@click.option("--aggregate", type=TOKENS, default="2k", show_default=True, help="Written after the last is done.")
@click.option("--variation", type=COUNT, default="0.5", help="Deviation of an agent's length over its mean.")
@click.option("--usd", type=COUNT, default="0", help="Dollars per million output tokens.")
@click.option("--latency", type=TIME, help="Longest wait.")
@output_options
def agents(
    counts: str,
    agents: tuple[int, ...],
    each: float,
    tpot: float,
    prefix: float,
    prefill: float,
    aggregate: float,
    variation: float,
    usd: float,
    latency: float | None,
) -> Report:
    """Choose how many parallel agents and which selector, from COUNTS of one agent (as passk reads them).

    It compares architectures; it does not forecast the level.

    Example: headway ladder agents counts.csv --agents 1,4,16 --latency 3min
    """
    from headway.scaling.efficiency import architectures
    from headway.scaling.tables import per_token, read_problems

    limits: dict[str, Any] = {} if latency is None else {"latency": latency}
    found = architectures(
        read_problems(counts),
        list(agents),
        each,
        tpot,
        prefix=prefix,
        prefill_rate=prefill,
        usd_per_output=per_token(usd),
        aggregation=aggregate,
        variation=variation,
        **limits,
    )
    return axes.agents_report(found)
