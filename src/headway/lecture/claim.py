"""What a claim of the talks is, and what became of it when it was computed again.

A :class:`Claim` holds the statement in our words, the figure as it was stated, the equation and the judgement.
Its computation is a function that takes :class:`Given` and returns :class:`Figure` values; it calls the library,
and nothing is computed in this room. :func:`evaluate_claim` joins both into a :class:`ClaimResult`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from headway.facts.sources import Source
from headway.lecture.figure import EXACT, PERCENT, ROUNDED, Check, Figure, Profile, real, say, show, told
from headway.lecture.given import Given, Quoted

__all__ = [
    "EXACT",
    "KINDS",
    "PERCENT",
    "ROUNDED",
    "VERDICTS",
    "Check",
    "Claim",
    "ClaimResult",
    "Compute",
    "Figure",
    "Given",
    "Quoted",
    "evaluate_claim",
    "real",
    "say",
    "show",
    "told",
]

Kind = Literal["ID", "NUM", "CHK", "BAD"]
KINDS: tuple[str, ...] = get_args(Kind)
Verdict = Literal["holds", "holds only with the stated inputs", "does not hold", "quotation", "pending"]
VERDICTS: tuple[str, ...] = get_args(Verdict)

Compute = Callable[[Given], tuple[Figure, ...]]


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim of the talks.

    Parameters
    ----------
    id : str
        ``"C01"`` to ``"C72"`` and ``"W01"`` to ``"W07"`` of the talks, ``"D03"`` ... of what follows from them.
    chapter : str
        Chapter of the lecture (``"1"`` to ``"7"``), ``"W"`` for the programme talk, ``"D"`` for derivations.
    kind : {"ID", "NUM", "CHK", "BAD"}
        Identity, number from stated inputs, published measurement to reproduce, or a figure that is wrong
        and stands beside its correction.
    statement : str
        What the talk says, in our words.
    stated : str
        The figure as stated.
    equation : str
        The equation, one line per step.
    verdict : str
        What became of it.
    reason : str
        Why, in a sentence or two.
    golden : bool
        One of the twelve that prove the chapter.
    sources : tuple of Source
        Where it was said.
    """

    id: str
    chapter: str
    kind: Kind
    statement: str
    stated: str
    equation: str
    verdict: Verdict
    reason: str
    golden: bool = False
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """A claim after its evaluation.

    Parameters
    ----------
    claim : Claim
        The claim.
    figures : tuple of Figure
        Computed values.
    used : tuple of Quoted
        Inputs that were put in.
    """

    claim: Claim
    figures: tuple[Figure, ...] = ()
    used: tuple[Quoted, ...] = ()

    @property
    def id(self) -> str:
        """Identifier of the claim."""
        return self.claim.id

    @property
    def chapter(self) -> str:
        """Chapter of the claim."""
        return self.claim.chapter

    @property
    def kind(self) -> Kind:
        """Type of the claim."""
        return self.claim.kind

    @property
    def statement(self) -> str:
        """What the talk says, in our words."""
        return self.claim.statement

    @property
    def stated(self) -> str:
        """The figure as stated."""
        return self.claim.stated

    @property
    def verdict(self) -> Verdict:
        """What became of the claim."""
        return self.claim.verdict

    @property
    def reason(self) -> str:
        """Why."""
        return self.claim.reason

    @property
    def equation(self) -> str:
        """The equation."""
        return self.claim.equation

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every comparison with the acceptance table."""
        return tuple(f.check for f in self.figures if f.check is not None)

    @property
    def ok(self) -> bool | None:
        """Whether every check passed; None where there is nothing to check (quotation, pending)."""
        return all(c.ok for c in self.checks) if self.checks else None

    def _line(self, profile: Profile) -> str:
        return "; ".join(f.text for f in self.figures if f.profile == profile and f.shown)

    @property
    def recomputed(self) -> str:
        """Values with the stated inputs, on one line."""
        return self._line("stated")

    @property
    def datasheet(self) -> str:
        """Values on sourced hardware, models and prices, on one line."""
        return self._line("datasheet")

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where it was said, then the sources of the inputs in the order of use, each once."""
        return tuple(dict.fromkeys((*self.claim.sources, *(s for q in self.used for s in (q.source, *q.also)))))


def evaluate_claim(claim: Claim, compute: Compute | None) -> ClaimResult:
    """Compute a claim again; a quotation or a row that a later room computes comes back without figures."""
    if compute is None:
        return ClaimResult(claim)
    given = Given()
    figures = compute(given)
    return ClaimResult(claim, figures, tuple(given.used.values()))
