"""The list of claims: texts from the tables, computations from the chapters' modules, joined by identifier."""

from __future__ import annotations

import importlib
import math
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from headway.facts.errors import unknown

if TYPE_CHECKING:
    from headway.lecture.claim import Check, Claim, ClaimResult, Compute, Figure, Quoted

CHAPTERS: Final = ("1", "2", "3", "4", "5", "6", "7", "D", "W")
TITLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "1": "Chapter 1: roofline, batch and the train",
        "2": "Chapter 2: a mixture of experts in a rack",
        "3": "Chapter 3: pipelining",
        "4": "Chapter 4: the memory wall",
        "5": "Chapter 5: reinforcement learning and over-training",
        "6": "Chapter 6: what prices give away",
        "7": "Chapter 7: ciphers and reversible networks",
        "D": "Derivations: what follows and the talks leave out",
        "W": "The programme talk",
    }
)
# The twelve golden tests in their order; C50 and C52 stand beside each other in one of them.
GOLDEN: Final = ("C63", "C07", "C54", "D07", "C30", "C15", "C60", "C50", "C52", "C46", "C16", "D05", "W06")

_MODULES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "1": ("chapter1",),
        "2": ("chapter2",),
        "3": ("chapter3",),
        "4": ("chapter4",),
        "5": ("chapter5",),
        "6": ("chapter6", "chapter6_cache"),
        "7": ("chapter7",),
        "D": ("derivations",),
        "W": ("programme",),
    }
)
_SPOKEN: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({"D": ("talk",), "W": ("summary",)})
_TEXTS: Final[Mapping[str, str]] = MappingProxyType({"D": "derivations", "W": "programme"})


@cache
def _texts(chapter: str) -> Mapping[str, Mapping[str, Any]]:
    name = _TEXTS.get(chapter, f"chapter{chapter}")
    text = resources.files("headway.lecture").joinpath(f"texts/{name}.toml").read_text(encoding="utf-8")
    return MappingProxyType(tomllib.loads(text))


@cache
def _computations(chapter: str) -> Mapping[str, Compute]:
    found: dict[str, Compute] = {}
    for name in _MODULES[chapter]:
        found.update(importlib.import_module(f"headway.lecture.{name}").COMPUTE)
    return MappingProxyType(found)


@cache
def _index() -> Mapping[str, str]:
    """Chapter of every claim, in the talk's order."""
    return MappingProxyType({identifier: chapter for chapter in CHAPTERS for identifier in _texts(chapter)})


def chapter_ids(chapter: str | int | None = None) -> tuple[str, ...]:
    """Identifiers of all claims, or of one chapter's.

    Raises
    ------
    UnknownNameError
        If there is no such chapter.
    """
    return tuple(_index()) if chapter is None else tuple(_texts(_known(chapter)))


def _known(chapter: str | int) -> str:
    name = str(chapter).upper()
    if name not in CHAPTERS:
        raise unknown("chapter", str(chapter), CHAPTERS)
    return name


def title(chapter: str | int) -> str:
    """Heading of a chapter.

    Raises
    ------
    UnknownNameError
        If there is no such chapter.
    """
    return TITLES[_known(chapter)]


@cache
def _claim(identifier: str, chapter: str) -> Claim:
    # Here, so that listing identifiers costs no array library.
    from headway.facts.lecture_inputs import lecture_sources
    from headway.lecture.claim import Claim

    text = _texts(chapter)[identifier]
    return Claim(
        id=identifier,
        chapter=chapter,
        kind=text["kind"],
        statement=text["statement"],
        stated=text["stated"],
        equation=text["equation"].strip(),
        verdict=text["verdict"],
        reason=text["reason"],
        golden=identifier in GOLDEN,
        sources=tuple(lecture_sources()[key] for key in text.get("sources", _SPOKEN.get(chapter, ("talk", "summary")))),
    )


def find(identifier: str) -> Claim:
    """Look a claim up by its identifier, in any case.

    Raises
    ------
    UnknownNameError
        If there is no such claim.
    """
    name = str(identifier).upper()
    index = _index()
    if name not in index:
        raise unknown(
            "claim", str(identifier), index, f"one of {len(index)} claims, C01 to C72, D03 to D20, W01 to W07"
        )
    return _claim(name, index[name])


def computation(claim: Claim) -> Compute | None:
    """Function that computes a claim; None for a quotation and for what a later room computes."""
    return _computations(claim.chapter).get(claim.id)


def _number(value: Any) -> Any:
    """A value that JSON can hold: it has no infinity."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _check(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "value": _number(check.value),
        "unit": check.unit,
        "expected": _number(check.expected),
        "tolerance": check.tolerance,
        "low": check.low,
        "high": check.high,
        "ok": check.ok,
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "value": _number(figure.value),
        "unit": figure.unit,
        "text": figure.value_text,
        "profile": figure.profile,
    }


def _input(quoted: Quoted) -> dict[str, Any]:
    source = quoted.source
    return {
        "name": quoted.name,
        "value": quoted.text,
        "about": quoted.about,
        "source": source.text,
        "retrieved": source.retrieved,
        "kind": source.kind,
    }


def as_dict(result: ClaimResult) -> dict[str, Any]:
    """One result as plain data."""
    return {
        "id": result.id,
        "chapter": result.chapter,
        "kind": result.kind,
        "statement": result.statement,
        "stated": result.stated,
        "recomputed": result.recomputed,
        "datasheet": result.datasheet,
        "verdict": result.verdict,
        "reason": result.reason,
        "ok": result.ok,
        "golden": result.claim.golden,
        "equation": result.equation,
        "figures": [_figure(f) for f in result.figures],
        "checks": [_check(c) for c in result.checks],
        "inputs": [_input(q) for q in result.used],
        "sources": [{"text": s.text, "retrieved": s.retrieved, "kind": s.kind} for s in result.sources],
    }
