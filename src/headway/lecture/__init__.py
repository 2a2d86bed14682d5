"""Every claim of the two talks that can be computed, computed again beside the figure as it was stated.

A claim calls the library; this room has no arithmetic of its own. Texts stand in ``texts/*.toml``, the
computations in one module per chapter.

>>> result = evaluate("C60")
>>> result.ok, result.verdict
(True, 'holds only with the stated inputs')
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headway.lecture.claim import Claim, ClaimResult

__all__ = [
    "chapter_title",
    "claim_ids",
    "claims",
    "evaluate",
    "evaluate_all",
    "find_claim",
    "golden",
    "golden_ids",
    "to_json_dict",
]


def claim_ids(chapter: str | int | None = None) -> tuple[str, ...]:
    """Identifiers of all claims, or of one chapter's, in the talk's order.

    Parameters
    ----------
    chapter : str or int, optional
        ``1`` to ``7``, ``"W"`` for the programme talk, ``"D"`` for what follows from the talks.

    Raises
    ------
    UnknownNameError
        If there is no such chapter.

    Examples
    --------
    >>> claim_ids(4)
    ('C34', 'C35', 'C36', 'C37')
    """
    from headway.lecture.catalog import chapter_ids

    return chapter_ids(chapter)


def claims(chapter: str | int | None = None) -> tuple[Claim, ...]:
    """All claims, or one chapter's, without computing anything.

    >>> claims(1)[0].id
    'C01'
    """
    return tuple(find_claim(identifier) for identifier in claim_ids(chapter))


def chapter_title(chapter: str | int) -> str:
    """Heading of a chapter.

    Raises
    ------
    UnknownNameError
        If there is no such chapter.

    Examples
    --------
    >>> chapter_title(3)
    'Chapter 3: pipelining'
    """
    from headway.lecture.catalog import title

    return title(chapter)


def golden_ids() -> tuple[str, ...]:
    """Identifiers of the claims behind the twelve golden tests, in the order of the tests.

    >>> len(golden_ids())
    13
    """
    from headway.lecture.catalog import GOLDEN

    return GOLDEN


def find_claim(identifier: str) -> Claim:
    """Look a claim up.

    Raises
    ------
    UnknownNameError
        If there is no such claim; the message names the nearest.

    Examples
    --------
    >>> find_claim("c50").stated
    '1.6 to 2 KB per token'
    """
    from headway.lecture.catalog import find

    return find(identifier)


def evaluate(identifier: str) -> ClaimResult:
    """Compute one claim again.

    Raises
    ------
    UnknownNameError
        If there is no such claim.

    Examples
    --------
    >>> evaluate("C13").checks[0].value
    128000.0
    """
    from headway.lecture.catalog import computation, find
    from headway.lecture.claim import evaluate_claim

    found = find(identifier)
    return evaluate_claim(found, computation(found))


def evaluate_all(chapter: str | int | None = None) -> tuple[ClaimResult, ...]:
    """Compute all claims, or one chapter's, again.

    >>> [result.id for result in evaluate_all("7")]
    ['C69', 'C70', 'C71', 'C72']
    """
    return tuple(evaluate(identifier) for identifier in claim_ids(chapter))


def golden() -> tuple[ClaimResult, ...]:
    """Compute the claims of the twelve golden tests; two of them, C50 and C52, are one test together."""
    return tuple(evaluate(identifier) for identifier in golden_ids())


def to_json_dict(results: Iterable[ClaimResult]) -> dict[str, Any]:
    """Results as plain data: ``{"claims": [{"id", "chapter", "statement", "stated", ...}]}``.

    ``ok`` is null for a quotation and for a row that a later room computes.

    >>> to_json_dict([evaluate("C69")])["claims"][0]["verdict"]
    'holds'
    """
    from headway.lecture.catalog import as_dict

    return {"claims": [as_dict(result) for result in results]}
