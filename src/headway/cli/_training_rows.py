"""The report of ``headway validate --training``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from headway.cli._report import Part, Report, Table, Toned
from headway.cli.validate_command import (
    data_table,
    digits,
    refused_table,
    rows_table,
    summary_record,
    summary_table,
    unread_note,
)

if TYPE_CHECKING:
    from headway.evidence.training_predict import TrainingAnswer

_SHOWN: Final = 40


def training_report(
    file: str | None, config: str, hardware: str, metric: tuple[str, ...] | None, by: tuple[str, ...], worst: int
) -> Report:
    """Predict training rows and show the errors."""
    from headway.evidence import training_predict as room
    from headway.evidence.measurements import open_training, read_training
    from headway.evidence.setups import Shelf
    from headway.facts.training_constants import training_left_out

    rows = read_training(file) if file else open_training()
    if metric is not None:
        rows = tuple(row for row in rows if row.metric in metric)
    answers = room.training_predictions(rows, Shelf(config, hardware).check())
    summary = room.training_summary(answers)
    covered = [a for a in answers if a.value is not None]
    refused = [a for a in answers if a.value is None]
    parts: list[Part] = [summary_table([s for s in summary if s.group.partition("=")[0] in by])]
    if file and len(answers) <= _SHOWN:
        parts.append(_table("rows", "Rows", answers))
    elif worst and covered:
        parts.append(_table("worst", "Worst rows", room.training_worst(answers, worst)))
    if refused:
        reasons = [(a.row.row_id, a.refusal.reason if a.refusal else "") for a in refused]
        parts.append(refused_table(reasons[:_SHOWN]))
    records = [room.record(a) for a in answers]
    median, high = training_left_out()
    return Report(
        title=f"{len(covered):,} of {len(answers):,} training measurements predicted",
        parts=tuple(parts),
        notes=(
            "error = predicted / measured - 1; 'step' pools every metric of speed; inside: value in the 80% interval",
            f"constants are fitted on the package's rows; with each source left out and everything refitted: median"
            f" {median:.1%}, p90 {high:.1%}, which is what the interval stands on",
            "four constants a chip generation and five for all",
            *unread_note(file, training=True),
        ),
        document={
            "summary": [summary_record(s) for s in summary],
            "left_out": {"median_ape": median, "p90_ape": high},
            "rows": records,
        },
        data=data_table(records),
        exit_code=0 if covered else 1,
    )


def _table(key: str, title: str, answers: Sequence[TrainingAnswer]) -> Table:
    return rows_table(key, title, [_cells(a) for a in answers], "bound by; assumed")


def _cells(a: TrainingAnswer) -> tuple[str | Toned | None, ...]:
    row = a.row
    setup = f"{row.model} {row.precision} {row.n_gpus or '?'}x{row.hardware}"
    if a.value is None or a.low is None or a.high is None:
        why = a.refusal.reason if a.refusal else ""
        return row.row_id, setup, row.metric, digits(row.value), None, None, why
    error = Toned(a.error, "" if a.low <= row.value <= a.high else "warn")
    why = "; ".join((a.binding, *a.assumed))
    return row.row_id, setup, row.metric, digits(row.value), digits(a.value), error, why
