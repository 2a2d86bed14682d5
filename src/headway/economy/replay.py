"""From the log back to the state: every entry is executed again and must come out byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from headway.economy.entries import Entry, check_chain, decode_command
from headway.economy.machine import execute
from headway.economy.state import State
from headway.facts.errors import HeadwayError, InputError


class ReplayError(HeadwayError, ValueError):
    """A log that does not lead to itself: edited, cut, or written by other rules."""


_UNREADABLE: Final = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, InputError)
"""What reading an entry raises that some other hand wrote: no JSON, JSON of another shape, or nested without end."""


def replay(
    entries: Iterable[Entry], *, verify: bool = True, until: int | None = None, state: State | None = None
) -> State:
    """Rebuild the state from a log.

    Parameters
    ----------
    entries : iterable of Entry
        From the first on.
    verify : bool
        Whether keys and signatures are checked again too; without it they are trusted as logged.
    until : int, optional
        Last entry to take; all where not given.
    state : State, optional
        Where to begin, changed in place; an empty one where not given.

    Returns
    -------
    State
        After the last entry.

    Raises
    ------
    ReplayError
        At the first entry whose chain, command or outcome differs.

    Examples
    --------
    >>> from headway.economy.commands import Tick
    >>> _, entry = execute(State(), "operator", Tick("k1"), 5)
    >>> replay([entry]).head["now_us"]
    5
    """
    state = State() if state is None else state
    head = state.head
    head["verify"] = verify
    for entry in entries:
        if until is not None and entry.seq > until:
            break
        try:
            bad = check_chain(head["seq"] + 1, head["digest"], entry) or _differs(state, entry)
        except _UNREADABLE as error:
            raise ReplayError(f"entry {entry.seq} cannot be read: {error}") from error
        if bad is not None:
            raise ReplayError(bad)
    head["verify"] = True
    state.touched.clear()
    state.ledger.touched.clear()
    return state


def _differs(state: State, entry: Entry) -> str | None:
    """Execute an entry again: what is wrong with it, or None where it comes out to the same bytes."""
    record = json.loads(entry.payload)
    command = decode_command(record["kind"], record["body"])
    _, again = execute(state, record["sender"], command, record["at_us"])
    same = again is not None and again.payload == entry.payload
    return None if same else f"entry {entry.seq} comes out differently when it is executed again"
