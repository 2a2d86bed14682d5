"""``headway validate``: predictions beside published measurements, row by row and summed up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from headway.cli._output import output_options
from headway.cli._params import CONFIG, choice, integer, listed
from headway.cli._report import Cell, Column, Part, Report, Table, Toned

if TYPE_CHECKING:
    from headway.evidence.report import ScoredRow, Summary

GROUPINGS: Final = ("all", "mark", "source", "mode", "engine", "chip", "model", "concurrency", "context", "precision")
_SHOWN_ROWS: Final = 40


def _metrics() -> tuple[str, ...]:
    from headway.evidence.measurements import METRICS, TRAINING_METRICS

    return (*METRICS, *TRAINING_METRICS)


@click.command()
@click.argument("file", required=False, metavar="[FILE]", type=CONFIG)
@click.option("--training", is_flag=True, help="FILE, or the package's table, holds training measurements.")
@click.option("--simulation", is_flag=True, help="Gains of serving techniques; FILE is a trace of agentic sessions.")
@click.option("--config", type=CONFIG, help="A directory of config.json files named <model>.json.")
@click.option("--hardware", type=CONFIG, help="A TOML file with systems of your own, named as the rows name them.")
@click.option("--metric", type=listed(choice("metric", _metrics)), help="Only rows of these metrics.")
@click.option(
    "--by",
    type=listed(choice("grouping", lambda: GROUPINGS)),
    default="all,source",
    show_default=True,
    help=f"Groups to show: {', '.join(GROUPINGS)}.",
)
@click.option("--worst", type=integer(0, 1000), default="20", show_default=True, help="Worst rows to show.")
@output_options
def validate(
    file: str | None,
    training: bool,
    simulation: bool,
    config: str | None,
    hardware: str | None,
    metric: tuple[str, ...] | None,
    by: tuple[str, ...],
    worst: int,
) -> Report:
    """Predict published measurements, or those of FILE, and show the errors.

    FILE is a CSV with the columns of the package's own table; the manual's page on evidence lists them.

    Example: headway validate --metric tpot_ms --by all,chip,engine
    """
    if simulation:
        from headway.cli._shapes_report import shapes_report

        return shapes_report(file)
    if training:
        from headway.cli._training_rows import training_report

        return training_report(file, config or "", hardware or "", metric, by, worst)
    from headway.evidence import report as room
    from headway.evidence.measurements import open_serving, read_serving
    from headway.evidence.predict import predictions
    from headway.evidence.setups import Shelf

    shelf = Shelf(config or "", hardware or "").check()
    rows = read_serving(file) if file else open_serving()
    if metric is not None:
        rows = tuple(row for row in rows if row.metric in metric)
    scored = room.score(predictions(rows, shelf))
    summary = room.summarise(scored)
    refused = [one for one in scored if one.answer.prediction is None]
    covered = len(scored) - len(refused)
    parts: list[Part] = [
        summary_table([one for one in summary if one.group.partition("=")[0] in by and not _repeats(one, summary)]),
    ]
    if file and len(scored) <= _SHOWN_ROWS:
        parts.append(_scored_table("rows", "Rows", scored))
    elif worst and covered:
        parts.append(_scored_table("worst", "Worst rows", room.worst(scored, worst)))
    if refused:
        reasons = [one.answer.refusal.reason if one.answer.refusal else "" for one in refused]
        ids = (one.row.row_id for one in refused)
        parts.append(refused_table(list(zip(ids, reasons, strict=True))[:_SHOWN_ROWS]))
    records = [_record(one) for one in scored]
    return Report(
        title=f"{covered:,} of {len(scored):,} measurements predicted",
        parts=tuple(parts),
        notes=(*_notes(scored), *unread_note(file, training=False)),
        document={"summary": [summary_record(one) for one in summary], "rows": records},
        data=data_table(records),
        exit_code=0 if covered else 1,
    )


def _notes(scored: Sequence[ScoredRow]) -> tuple[str, ...]:
    from headway.evidence.report import DRIFT, UNEXPLAINED
    from headway.facts.calibration import book

    marks = {mark: sum(one.mark == mark for one in scored) for mark in (UNEXPLAINED, DRIFT)}
    table = book()
    return (
        "error = predicted / measured - 1; bias is its median; inside: measured value in the 80% interval",
        f"{marks[UNEXPLAINED]} rows that their setup cannot explain and {marks[DRIFT]} of older software are marked, "
        "and count (--by mark)",
        f"constants of {table.date}: {table.source.text}",
    )


def unread_note(file: str | None, *, training: bool) -> tuple[str, ...]:
    """What to say of columns of a file that its dictionary does not know."""
    from headway.evidence.measurements import unread_columns

    left = unread_columns(file, training=training) if file else ()
    return (f"columns not read: {', '.join(left)}",) if left else ()


def summary_table(found: Sequence[Summary]) -> Table:
    """Errors by group and metric."""
    columns = (
        Column("group", "group", align="left"),
        Column("metric", "metric", align="left"),
        Column("rows", "rows", "count"),
        Column("covered", "covered", "count", priority=2),
        Column("median_ape", "median", "fraction"),
        Column("p90_ape", "p90", "fraction"),
        Column("bias", "bias", "fraction"),
        Column("inside", "inside", "fraction", priority=1),
    )
    rows = tuple(
        (s.group, s.metric, float(s.rows), float(s.covered), s.median_ape, s.p90_ape, s.bias, s.inside) for s in found
    )
    # A group of several metrics stands above them, which leaves their names room at 80 columns.
    groups = list(dict.fromkeys(s.group for s in found))
    if len(groups) == len(rows):
        return Table("summary", columns, rows, "Absolute error by group")
    rows = tuple(sorted(rows, key=lambda row: groups.index(row[0])))
    return Table("summary", columns, rows, "Absolute error by group", group="group")


def _repeats(one: Summary, every: Sequence[Summary]) -> bool:
    """Whether a pooled metric says no more than the one metric that it pools."""
    alike = [s for s in every if s.group == one.group and s.metric != one.metric and "throughput" in s.metric]
    return one.metric == "throughput" and any(s.rows == one.rows for s in alike)


def rows_table(key: str, title: str, rows: Sequence[tuple[Cell, ...]], why: str) -> Table:
    """Measured rows beside their predictions; `why` heads what explains a row."""
    columns = (
        Column("row", "row", align="left"),
        Column("setup", "setup", align="left", fold=True),
        Column("metric", "metric", align="left"),
        Column("measured", "measured"),
        Column("predicted", "predicted"),
        Column("error", "error", "fraction"),
        Column("why", why, align="left", fold=True, priority=1),
    )
    return Table(key, columns, tuple(rows), title)


def refused_table(rows: Sequence[tuple[str, str]]) -> Table:
    """Rows without a prediction, each with its reason."""
    columns = (Column("row", "row", align="left"), Column("reason", "not predicted", align="left", fold=True))
    return Table("refused", columns, tuple(rows), "Without a prediction")


def _scored_table(key: str, title: str, rows: Sequence[ScoredRow]) -> Table:
    from headway.evidence.report import explain

    return rows_table(key, title, [_row_cells(one, explain(one)) for one in rows], "where to look")


def _row_cells(one: ScoredRow, why: str) -> tuple[Cell, ...]:
    row, shown = one.row, one.answer.prediction
    users = f" c{row.concurrency:g}" if row.concurrency else ""
    lengths = f" {row.isl or '?'}/{row.osl or '?'}" if row.isl or row.osl else ""
    setup = f"{row.model} {row.n_gpus}x{row.hardware} {row.engine}{lengths}{users}"
    if shown is None:
        refusal = one.answer.refusal.reason if one.answer.refusal else ""
        return row.row_id, setup, row.metric, digits(row.value), None, None, refusal
    error = Toned(one.error, "" if one.inside else "warn")
    return row.row_id, setup, row.metric, digits(row.value), digits(shown.value), error, why


def digits(value: float) -> str:
    """Four digits, or all of a large whole number."""
    return f"{value:,.4g}" if value < 10_000 else f"{value:,.0f}"


def summary_record(one: Summary) -> dict[str, Any]:
    """A group as JSON gives it."""
    return {
        "metric": one.metric,
        "group": one.group,
        "rows": one.rows,
        "covered": one.covered,
        "median_ape": one.median_ape,
        "p90_ape": one.p90_ape,
        "bias": one.bias,
        "inside_interval": one.inside,
    }


def _record(one: ScoredRow) -> dict[str, Any]:
    from headway.evidence.measurements import METRICS

    row, shown, refusal = one.row, one.answer.prediction, one.answer.refusal
    return {
        "row_id": row.row_id,
        "setup_id": row.setup_id,
        "source_id": row.source_id,
        "model": row.model,
        "hardware": row.hardware,
        "n_gpus": row.n_gpus,
        "parallelism": row.parallelism,
        "weight_precision": row.weight_precision,
        "mode": row.mode,
        "engine": row.engine,
        "isl": row.isl,
        "osl": row.osl,
        "concurrency": row.concurrency,
        "metric": row.metric,
        "unit": METRICS[row.metric],
        "measured": row.value,
        "predicted": shown.value if shown else None,
        "low": shown.low if shown else None,
        "high": shown.high if shown else None,
        "error": one.error,
        "inside_interval": one.inside,
        "grade": shown.grade if shown else None,
        "binding": shown.binding if shown else None,
        "assumed": list(shown.assumed) if shown else [],
        "mark": one.mark,
        "reason": refusal.reason if refusal else one.why,
    }


def data_table(records: Sequence[dict[str, Any]]) -> Table:
    """All rows as the CSV that ``--csv`` prints."""
    keys = tuple(key for key in (records[0] if records else {}) if key != "assumed")
    columns = tuple(Column(key, key) for key in keys)
    return Table("rows", columns, tuple(tuple(record[key] for key in keys) for record in records))
