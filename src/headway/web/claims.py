"""The lecture's claims as the page shows them."""

from __future__ import annotations

from functools import cache
from typing import Any

from headway import lecture
from headway.facts.plain import to_json


@cache
def _everything() -> dict[str, Any]:
    results = lecture.evaluate_all()
    return {one["id"]: one for one in lecture.to_json_dict(results)["claims"]}


def claims_document() -> dict[str, Any]:
    """Every claim, without what opening a row adds."""
    short = ("id", "chapter", "statement", "stated", "recomputed", "datasheet", "verdict", "reason", "ok")
    rows = [{key: to_json(claim[key]) for key in short} for claim in _everything().values()]
    names = dict.fromkeys(row["chapter"] for row in rows)
    return {"claims": rows, "chapters": [{"id": c, "title": lecture.chapter_title(str(c))} for c in names]}


def claim_document(name: str) -> Any:
    """One claim as ``headway lecture --explain ID --json`` prints it.

    Raises
    ------
    UnknownNameError
        If there is no such claim.
    """
    return to_json(_everything()[lecture.find_claim(name).id])
