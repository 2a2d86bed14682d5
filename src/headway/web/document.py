"""Chapters and answers as plain data: what the page, the exported file and the JSON interface carry."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from headway import __version__
from headway.facts.dimensions import DIMENSIONS
from headway.facts.errors import MissingExtraError
from headway.facts.plain import to_json
from headway.web.chapter import Answer, Axis, Chapter, Chart, Control, Measure, Number, Series, Table, unit_of
from headway.web.mathml import mathml
from headway.web.registry import chapter, chapters

API_VERSION = "1"


def control_document(control: Control) -> dict[str, Any]:
    """A control as the page needs it."""
    return {
        "name": control.name,
        "label": control.label,
        "default": control.default,
        "dimension": control.dimension,
        "low": control.low,
        "high": control.high,
        "log": control.log,
        "whole": control.whole,
        "variable": control.variable,
        "choices": None if control.choices is None else list(control.choices()),
        "most": control.most,
        "about": control.about,
    }


def chapter_document(one: Chapter) -> dict[str, Any]:
    """A chapter without its answer."""
    return {
        "id": one.id,
        "title": one.title,
        "question": one.question,
        "part": one.part,
        "controls": [control_document(c) for c in one.controls],
    }


def boot_document() -> dict[str, Any]:
    """What every page starts with: the version, how to show each dimension, the chapters."""
    return {
        "version": __version__,
        "dimensions": {
            name: {
                "unit": d.unit,
                "money": d.money,
                "scientific": d.scientific,
                "scales": [[s.least, s.factor, s.suffix] for s in d.scales],
            }
            for name, d in DIMENSIONS.items()
        },
        "chapters": [chapter_document(one) for one in chapters().values()],
    }


def _measure(measure: Measure) -> dict[str, Any]:
    return {"show": measure.show, "terms": [t.to_dict() for t in measure.part().terms]}


def _number(number: Number, values: dict[str, Any], controls: tuple[Control, ...]) -> dict[str, Any]:
    read = number.value.at(values, controls) if isinstance(number.value, Measure) else number.value
    return {
        "key": number.key,
        "label": number.label,
        "value": to_json(read),
        "dimension": number.dimension,
        "unit": unit_of(number.dimension),
        "measure": _measure(number.value) if isinstance(number.value, Measure) else None,
        "note": number.note,
    }


def _axis(axis: Axis) -> dict[str, Any]:
    return {"label": axis.label, "dimension": axis.dimension, "log": axis.log, "low": axis.low, "high": axis.high}


def _series(series: Series) -> dict[str, Any]:
    return {
        "name": series.name,
        "kind": series.kind,
        "strong": series.strong,
        "x": to_json(series.x),
        "y": to_json(series.y),
        "top": to_json(series.top),
        "measure": None if series.measure is None else _measure(series.measure),
        "labels": list(series.labels),
        "details": [_bars(d) for d in series.details],
    }


def _bars(details: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [{"title": b.title, "dimension": b.dimension, "parts": [list(p) for p in b.parts]} for b in details]


def _chart(chart: Chart) -> dict[str, Any]:
    return {
        "key": chart.key,
        "title": chart.title,
        "about": chart.about,
        "over": chart.over,
        "x": _axis(chart.x),
        "y": _axis(chart.y),
        "series": [_series(s) for s in chart.series],
        "markers": [to_json(m) for m in chart.markers],
    }


def _table(table: Table) -> dict[str, Any]:
    return {
        "key": table.key,
        "title": table.title,
        "columns": [{"key": c.key, "label": c.label, "dimension": c.dimension} for c in table.columns],
        "rows": to_json(table.rows),
        "details": [_bars(d) for d in table.details],
    }


def own_command(one: Chapter) -> str:
    """The command that prints a chapter, ``{name}`` standing for the value of a control."""
    return " ".join([f"headway board {one.id}", *(f"{c.name}={{{c.name}}}" for c in one.controls)])


def answer_document(one: Chapter, values: dict[str, Any], answer: Answer) -> dict[str, Any]:
    """An answer, with the values it is about."""
    return {
        "chapter": one.id,
        "api": API_VERSION,
        "values": to_json(values),
        "headlines": [_number(n, values, one.controls) for n in answer.headlines],
        "charts": [_chart(c) for c in answer.charts],
        "tables": [_table(t) for t in answer.tables],
        "equations": list(answer.equations),
        "mathml": [mathml(line) for line in answer.equations],
        "notes": list(answer.notes),
        "sources": list(answer.sources),
        "command": answer.command or own_command(one),
    }


@lru_cache(maxsize=256)
def _answered(name: str, values: tuple[tuple[str, Any], ...]) -> Answer:
    return chapter(name).answer(dict(values))


def ask(name: str, given: dict[str, str]) -> tuple[Chapter, dict[str, Any], Answer]:
    """Read the values given as text and let the chapter answer.

    Raises
    ------
    InputError
        Naming the chapter or the control that cannot be used.
    """
    one = chapter(name)
    values = one.read(given)
    return one, values, _answered(name, tuple(values.items()))


def answered(name: str, given: dict[str, str]) -> dict[str, Any]:
    """The answer of a chapter as plain data; where a package is missing, which one and what mends it."""
    try:
        return answer_document(*ask(name, given))
    except MissingExtraError as error:
        one = chapter(name)
        said = Number("missing", "Not installed", str(error), "", "the rest of the board works without it")
        return answer_document(one, one.read(given), Answer((said,)))
