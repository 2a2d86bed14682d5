"""``headway lecture``: every claim of the talks beside its recomputation, and how one was computed."""

from __future__ import annotations

from itertools import groupby
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import click

from headway.cli._output import output_options
from headway.cli._params import Converted, choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headway.cli._report import Card, Cards, Cell, Part, Report, Table, Tone
    from headway.lecture.claim import ClaimResult
    from headway.lecture.figure import Figure

# Sign and tone of each verdict; the words always stand beside them.
_MARKS: Final[MappingProxyType[str, tuple[str, Tone]]] = MappingProxyType(
    {
        "holds": ("=", "good"),
        "holds only with the stated inputs": ("~", "warn"),
        "does not hold": ("≠", "bad"),
        "quotation": ("·", "dim"),
        "pending": ("…", "dim"),
    }
)


def claim_names() -> tuple[str, ...]:
    """Identifiers of all claims."""
    from headway.lecture import claim_ids

    return claim_ids()


def chapters() -> tuple[str, ...]:
    """Chapters of the lecture."""
    from headway.lecture.catalog import CHAPTERS

    return CHAPTERS


def _claim(text: str, _field: str) -> str:
    from headway.lecture.catalog import find

    return find(text).id


CLAIM: Final = Converted("ID", _claim, claim_names)


@click.command()
@click.option("--explain", type=CLAIM, help="Show one claim's equation, inputs and sources.")
@click.option("--chapter", type=choice("CHAPTER", chapters), help="Only this chapter (1 to 7, D, W).")
@click.option("--golden", is_flag=True, help="Only the claims behind the twelve golden tests.")
@output_options
def lecture(explain: str | None, chapter: str | None, golden: bool) -> Report:
    """Recompute the claims of the lecture: as stated, with its inputs, and on sourced hardware.

    Exit code 1 if a claim leaves its tolerance.
    """
    from headway import lecture as room

    if explain is not None:
        return explanation(room.evaluate(explain))
    results = room.golden() if golden else room.evaluate_all(chapter)
    if golden and chapter is not None:
        results = tuple(result for result in results if result.chapter == chapter)
    return overview(results, "The claims of the twelve golden tests" if golden else "The lecture, recomputed")


def overview(results: Sequence[ClaimResult], title: str) -> Report:
    """Build the report on several claims, grouped by chapter where they come in order."""
    from headway.cli._report import Report
    from headway.lecture import to_json_dict

    failed = [result.id for result in results if result.ok is False]
    return Report(
        title,
        _grouped(results),
        (_summary(results), _failures(failed), "'headway lecture --explain ID' shows how a claim was computed."),
        to_json_dict(results),
        data=_table(results),
        exit_code=1 if failed else 0,
    )


def golden_parts() -> tuple[tuple[Part, ...], bool]:
    """The golden claims as parts of another report, and whether all are within their tolerance."""
    from headway.lecture import golden

    results = golden()
    return _grouped(results), all(result.ok for result in results)


def _grouped(results: Sequence[ClaimResult]) -> tuple[Cards, ...]:
    from headway.cli._report import Cards
    from headway.lecture import chapter_title

    return tuple(
        Cards(chapter_title(chapter), tuple(_card(result) for result in members))
        for chapter, members in groupby(results, key=lambda result: result.chapter)
    )


def _summary(results: Sequence[ClaimResult]) -> str:
    counts: dict[str, int] = {}
    for result in results:
        counts[result.verdict] = counts.get(result.verdict, 0) + 1
    parts = [f"{counts[verdict]} {verdict} ({_MARKS[verdict][0]})" for verdict in _MARKS if verdict in counts]
    return f"{len(results)} claims: {', '.join(parts)}."


def _failures(failed: Sequence[str]) -> str:
    if not failed:
        return "Every computed value is within the tolerance of the acceptance table."
    return f"Outside their tolerance: {', '.join(failed)}."


def _card(result: ClaimResult) -> Card:
    from headway.cli._report import Card

    mark, tone = _MARKS[result.verdict]
    lines = (
        ("stated", result.stated),
        ("recomputed", result.recomputed),
        ("sourced", result.datasheet),
        ("verdict", result.verdict + (f": {result.reason}" if result.reason else "")),
        ("CHECK", "outside its tolerance" if result.ok is False else ""),
    )
    return Card(mark, f"{result.id}  {result.statement}", lines, tone)


def _table(results: Sequence[ClaimResult]) -> Table:
    from headway.cli._report import Column, Table

    names = ("id", "chapter", "statement", "stated", "recomputed", "datasheet", "verdict", "ok")
    columns = tuple(Column(name, name, align="left", fold=True) for name in names)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (r.id, r.chapter, r.statement, r.stated, r.recomputed, r.datasheet, r.verdict, r.ok) for r in results
    )
    return Table("claims", columns, rows)


# --- one claim ----------------------------------------------------------------------------------


def explanation(result: ClaimResult) -> Report:
    """Build the report on one claim: equation, numbers put in, values, sources."""
    from headway.cli._describe import sources_table
    from headway.cli._report import Cards, Passage, Report
    from headway.lecture import to_json_dict

    computed = _computed(result)
    parts = (
        Cards("", (_card(result),)),
        Passage("Equation", tuple(result.equation.splitlines()), "code"),
        _inputs(result),
        computed,
        sources_table(result.sources),
    )
    return Report(
        "",
        tuple(part for part in parts if getattr(part, "rows", True) and getattr(part, "lines", True)),
        (),
        to_json_dict([result]),
        data=computed,
        exit_code=1 if result.ok is False else 0,
    )


def _inputs(result: ClaimResult) -> Table:
    from headway.cli._report import Column, Table

    columns = (
        Column("input", "put in", align="left"),
        Column("value", "value", align="left"),
        Column("about", "what it is", align="left", fold=True),
        Column("kind", "kind", align="left", priority=1),
    )
    seen = dict.fromkeys((quoted.name, quoted.text, quoted.about, quoted.source.kind) for quoted in result.used)
    return Table("inputs", columns, tuple(seen), "Numbers put in")


def _computed(result: ClaimResult) -> Table:
    from headway.cli._report import Column, Table, Toned

    columns = (
        Column("figure", "computed", align="left", fold=True),
        Column("value", "value", align="left"),
        Column("expected", "expected", align="left"),
        Column("tolerance", "tolerance", align="left", priority=2),
        Column("profile", "inputs", align="left", priority=1),
        Column("ok", "check", align="left"),
    )
    rows: list[tuple[Cell, ...]] = []
    for figure in result.figures:
        check = figure.check
        word = "" if check is None else "within" if check.ok else "OUTSIDE"
        tone: Tone = "good" if check is not None and check.ok else "bad"
        rows.append(
            (
                figure.name,
                figure.value_text,
                _expected(figure),
                _tolerance(figure),
                figure.profile,
                Toned(word, tone),
            )
        )
    return Table("figures", columns, tuple(rows), "Computed")


def _expected(figure: Figure) -> str:
    from headway.lecture.figure import show

    check = figure.check
    if check is None:
        return ""
    if check.expected is None:
        low, high = (show(bound, figure.dimension, figure.digits) for bound in (check.low or 0.0, check.high or 0.0))
        return f"{low} to {high}"
    return show(check.expected, figure.dimension, figure.digits)


def _tolerance(figure: Figure) -> str:
    from headway.facts.units import format_quantity

    check = figure.check
    if check is None or check.expected is None:
        return ""
    if not check.tolerance:
        return "none"
    return f"±{format_quantity(check.tolerance, 'fraction', 2)}"
