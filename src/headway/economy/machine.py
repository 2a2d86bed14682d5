"""The state machine: one command against the state gives an answer and an entry of the log, the same every time.

Nothing here reads a clock, a file or a random number, so replaying the log of one machine through another gives the
same state and the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from headway.economy import _account_rules, _deal_rules, _offer_rules
from headway.economy.commands import KINDS, Command
from headway.economy.entries import Entry, encode_command, seal
from headway.economy.refusals import Refusal
from headway.economy.shapes import refuse_shape
from headway.economy.state import Reply, State

Rule: TypeAlias = Callable[[State, str, Any, int], Any]

RULES: Final[MappingProxyType[type, Rule]] = MappingProxyType(
    {
        command: next(
            getattr(module, kind) for module in (_account_rules, _offer_rules, _deal_rules) if hasattr(module, kind)
        )
        for kind, command in KINDS.items()
    }
)
"""The rule of each command: state, sender, command and time to an outcome."""

_new: Final = tuple.__new__
_REFUSED: Final = MappingProxyType({refusal: Reply(False, refusal.name, refusal.value, ()) for refusal in Refusal})


def refused(refusal: Refusal) -> Reply:
    """Answer of a refusal.

    >>> refused(Refusal.NOT_OPERATOR).code
    'NOT_OPERATOR'
    """
    return _REFUSED[refusal]


def execute(state: State, sender: str, command: Command, at_us: int) -> tuple[Reply, Entry | None]:
    """Answer one command and change the state by it.

    Parameters
    ----------
    state : State
        Changed in place, not at all where the command is refused.
    sender : str
        Verified agent, or the operator.
    command : Command
        What is asked.
    at_us : int
        Time [us]; the log's time never goes back, an earlier one counts as the last.

    Returns
    -------
    reply : Reply
        The answer.
    entry : Entry or None
        What the log gains; None where nothing is recorded: ill-formed commands, repeated keys.

    Examples
    --------
    >>> from headway.economy.commands import Tick
    >>> reply, entry = execute(State(), "mallory", Tick("k1"), 5)
    >>> reply.code, entry.seq
    ('NOT_OPERATOR', 1)
    """
    bad = refuse_shape(command)
    if bad is not None:
        return _REFUSED[bad], None
    kind, body = encode_command(command)
    # Keyed by this process and never stored: the table of answers is rebuilt from the log.
    mark = hash((kind, body))
    try:
        answered = state.replies[sender]
    except KeyError:
        answered = state.replies[sender] = {}
    known = answered.get(command.key)
    if known is not None:
        return _again(known, mark), None
    head = state.head
    now = head["now_us"]
    if at_us > now:
        now = head["now_us"] = at_us
    outcome = RULES[type(command)](state, sender, command, now)
    if type(outcome) is Refusal:
        code, ids, moves = outcome.name, (), ()
        reply = _REFUSED[outcome]
    else:
        ids, moves = outcome
        code, reply = "ok", _new(Reply, (True, "ok", "", ids))
    seq = head["seq"] + 1
    entry = seal(seq, now, sender, kind, body, code, ids, moves, head["digest"])
    head["seq"] = seq
    head["digest"] = entry[2]
    answered[command.key] = (mark, code, ids)
    return reply, entry


def _again(known: tuple[int, str, tuple[str, ...]], mark: int) -> Reply:
    first, code, ids = known
    if first != mark:
        return _REFUSED[Refusal.KEY_REUSED]
    return Reply(True, "ok", "", ids) if code == "ok" else _REFUSED[Refusal[code]]
