"""Provenance: where a fact comes from, when it was read and of what kind it is."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Literal, get_args

from headway.facts.errors import InputError, unknown

Kind = Literal["datasheet", "config", "measured", "reported", "inferred", "assumed"]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Source:
    """Provenance of one fact.

    Parameters
    ----------
    text : str
        Publication, page or file, so that a reader finds it.
    retrieved : str
        Day it was read, ISO 8601.
    kind : str
        One of ``datasheet, config, measured, reported, inferred, assumed``.

    Examples
    --------
    >>> Source("DeepSeek-V3 config.json", "2026-11-23", "config").kind
    'config'
    """

    text: str
    retrieved: str
    kind: Kind

    def __post_init__(self) -> None:
        """Refuse an empty source, a day that is not one, an unknown kind."""
        if not self.text.strip():
            raise InputError("source", self.text, "a publication, page or file")
        try:
            datetime.date.fromisoformat(self.retrieved)
        except ValueError:
            raise InputError("retrieved", self.retrieved, "a day as YYYY-MM-DD") from None
        if self.kind not in KINDS:
            raise unknown("kind", self.kind, KINDS)
