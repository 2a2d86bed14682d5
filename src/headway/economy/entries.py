"""The log's entries: canonical JSON, each with the SHA-256 of the one before, so that no entry can be edited unseen.

Canonical here means one spelling: object keys sorted, no blanks, UTF-8, integers only, bytes as hex. An entry holds the
command as it was sent, its sender and time, the answer, and the moves of money that it caused. Its digest is the SHA-256
of this payload, and the payload names the digest before it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from json.encoder import encode_basestring
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from headway.economy.commands import KINDS, Command
from headway.economy.mandates import Mandate
from headway.facts.errors import InputError

GENESIS: Final = "0" * 64
"""What the first entry names as the digest before it."""

_KIND_OF: Final = MappingProxyType({command: kind for kind, command in KINDS.items()})
_FIELDS: Final = MappingProxyType({command: tuple(sorted(command.__dataclass_fields__)) for command in KINDS.values()})
_VALUES: Final = MappingProxyType(
    {command: attrgetter(*names) if len(names) > 1 else None for command, names in _FIELDS.items()}
)


class Entry(NamedTuple):
    """One line of the log.

    Parameters
    ----------
    seq : int
        Position, from 1.
    payload : bytes
        Canonical JSON.
    digest : str
        SHA-256 of the payload, in hex.
    """

    seq: int
    payload: bytes
    digest: str


class Move(NamedTuple):
    """An amount from one account to another: the first is debited, the second credited [micros]."""

    debit: str
    credit: str
    amount: int


def _plain(value: object) -> Any:
    if type(value) is bytes:
        return value.hex()
    if type(value) is Mandate:
        return dict(sorted(asdict(value).items()))
    raise InputError("entry", type(value).__name__, "text, whole numbers, bytes or a mandate")


_json: Final[Callable[[Any], str]] = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain
).encode


def encode_command(command: Command) -> tuple[str, str]:
    """Name of a command and its canonical body.

    >>> from headway.economy.commands import Deliver
    >>> encode_command(Deliver("k1", "o1"))
    ('deliver', '{"key":"k1","offer_id":"o1"}')
    """
    kind = type(command)
    names, values = _FIELDS[kind], _VALUES[kind]
    found = values(command) if values is not None else (getattr(command, names[0]),)
    return _KIND_OF[kind], _json(dict(zip(names, found, strict=True)))


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value


def decode_command(kind: str, body: dict[str, Any]) -> Command:
    """The command of an entry's name and body; the inverse of :func:`encode_command`.

    Raises
    ------
    InputError
        Where there is no such command, or its fields are others.

    >>> decode_command("deliver", {"key": "k1", "offer_id": "o1"})
    Deliver(key='k1', offer_id='o1')
    """
    command = KINDS.get(kind)
    if command is None or sorted(body) != list(_FIELDS[command]):
        raise InputError("entry", kind, "a command of the rails with its own fields")
    values = {name: _tuples(value) for name, value in body.items()}
    for name in ("public_key", "signature"):
        if name in values:
            values[name] = bytes.fromhex(values[name])
    if "mandate" in values:
        values["mandate"] = Mandate(**{name: _tuples(value) for name, value in body["mandate"].items()})
    made: Command = command(**values)
    return made


def seal(
    seq: int, at_us: int, sender: str, kind: str, body: str, code: str, moves: Sequence[Move], before: str
) -> Entry:
    """Entry of a command that was answered.

    Parameters
    ----------
    seq : int
        Position, from 1.
    at_us : int
        When [us].
    sender : str
        Whose session.
    kind, body : str
        From :func:`encode_command`.
    code : str
        ``"ok"`` or the name of a refusal.
    moves : sequence of Move
        Money moved.
    before : str
        Digest of the entry before.

    Examples
    --------
    >>> entry = seal(1, 0, "operator", "tick", '{"key":"k1"}', "ok", [], GENESIS)
    >>> entry.payload[:50]
    b'{"at_us":0,"body":{"key":"k1"},"code":"ok","kind":'
    >>> entry.digest[:8]
    '08d02160'
    """
    text = (
        f'{{"at_us":{at_us},"body":{body},"code":"{code}","kind":"{kind}","moves":{_json(moves) if moves else "[]"},'
        f'"prev":"{before}","sender":{encode_basestring(sender)},"seq":{seq}}}'
    )
    payload = text.encode()
    return Entry(seq, payload, hashlib.sha256(payload).hexdigest())


def fingerprint(kind: str, body: str) -> bytes:
    """What tells one body under a client key from another: 16 bytes of SHA-256 over name and body.

    >>> fingerprint("tick", "{}") == fingerprint("tick", "[]")
    False
    """
    return hashlib.sha256(f"{kind} {body}".encode()).digest()[:16]


def check_chain(seq: int, before: str, entry: Entry) -> str | None:
    """Why an entry does not follow the one before it, or None where it does.

    >>> entry = seal(1, 0, "operator", "tick", '{"key":"k1"}', "ok", [], GENESIS)
    >>> check_chain(1, GENESIS, entry)
    >>> check_chain(1, GENESIS, entry._replace(payload=entry.payload.replace(b"k1", b"k2")))
    'entry 1: its digest is not the SHA-256 of its payload'
    """
    if entry.seq != seq:
        return f"entry {entry.seq} stands where {seq} should"
    if hashlib.sha256(entry.payload).hexdigest() != entry.digest:
        return f"entry {seq}: its digest is not the SHA-256 of its payload"
    if json.loads(entry.payload)["prev"] != before:
        return f"entry {seq}: it does not name the digest of the entry before"
    return None
