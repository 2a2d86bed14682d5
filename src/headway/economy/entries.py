"""The log's entries: canonical JSON, each with the SHA-256 of the one before, so that no entry can be edited unseen.

Canonical here means one spelling: object keys sorted, no blanks, UTF-8, integers only, bytes as hex. An entry
holds the command as it was sent, its sender and time, the answer, and the moves of money that it caused. Its digest is
the SHA-256 of this payload, and the payload names the digest before it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from json.encoder import encode_basestring
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from headway.economy.commands import KINDS, Command
from headway.economy.mandates import Mandate, plain
from headway.facts.errors import InputError

GENESIS: Final = "0" * 64
"""What the first entry names as the digest before it."""


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


Move: TypeAlias = tuple[str, str, int]
"""The account that is debited, the one that is credited, and how much [micros]."""

_sha256: Final = hashlib.sha256
_new: Final = tuple.__new__
"""What a named tuple's own constructor calls, without the call in between."""

_json: Final[Callable[[Any], str]] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def _quoted(value: bytes) -> str:
    return f'"{value.hex()}"'


def _pairs(value: Sequence[tuple[str, int]]) -> str:
    return f"[{','.join([f'[{encode_basestring(name)},{number}]' for name, number in value])}]"


def _mandate(value: Mandate) -> str:
    return _json(plain(value))


_SPELLINGS: Final[MappingProxyType[str, Callable[[Any], str]]] = MappingProxyType(
    {
        "str": encode_basestring,
        "str | None": _json,
        "int": int.__repr__,
        "bytes": _quoted,
        "Items": _pairs,
        "Mandate": _mandate,
        "tuple[str, ...]": _json,
    }
)
"""How a field of each type is written; :class:`json.JSONEncoder` writes the same, in ten times the time."""


_FREE: Final = frozenset({"text", "evidence", "reason"})
"""Fields of type str that may hold characters to escape; all the others are identifiers or names from a list."""


class _Form(NamedTuple):
    """Name of a kind of command, the text around its fields, their reader, and how all but plain ones are spelled."""

    kind: str
    around: tuple[str, ...]
    read: Callable[[Command], tuple[Any, ...]]
    spell: tuple[tuple[int, Callable[[Any], str]], ...]
    names: tuple[str, ...]


def _form(kind: str, command: Any) -> _Form:
    types = {one.name: str(one.type) for one in fields(command)}
    names = tuple(sorted(types))
    plain = {name for name in names if types[name] == "str" and name not in _FREE}
    around = ["{"]
    for name in names:
        quote = '"' if name in plain else ""
        around[-1] += f'"{name}":{quote}'
        around += ["", f"{quote},"]
    around[-1] = around[-1][:-1] + "}"
    spell = tuple((place, _SPELLINGS[types[name]]) for place, name in enumerate(names) if name not in plain)
    return _Form(kind, tuple(around), reader(names), spell, names)


def reader(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Reads attributes at once, as a tuple also where there is only one.

    >>> reader(["real"])(3), reader(["real", "imag"])(3)
    ((3,), (3, 0))
    """
    if len(names) > 1:
        return attrgetter(*names)
    one = attrgetter(*names)
    return lambda value: (one(value),)


_FORMS: Final = MappingProxyType({command: _form(kind, command) for kind, command in KINDS.items()})


def encode_command(command: Command) -> tuple[str, str]:
    """Name of a command and its canonical body.

    Of a well-formed command: identifiers hold nothing to escape, and numbers are whole.

    >>> from headway.economy.commands import Deliver
    >>> encode_command(Deliver("k1", "o1"))
    ('deliver', '{"key":"k1","offer_id":"o1"}')
    """
    kind, around, read, spell, _ = _FORMS[type(command)]
    values = read(command)
    text = list(around)
    text[1::2] = values
    for place, spelling in spell:
        text[2 * place + 1] = spelling(values[place])
    return kind, "".join(text)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value


def decode_command(kind: str, body: dict[str, Any]) -> Command:
    """The command of an entry's name and body; the inverse of :func:`encode_command`.

    Raises
    ------
    InputError
        Where there is no such command, or its fields are others.

    Examples
    --------
    >>> decode_command("deliver", {"key": "k1", "offer_id": "o1"})
    Deliver(key='k1', offer_id='o1')
    """
    command = KINDS.get(kind)
    if command is None or tuple(sorted(body)) != _FORMS[command].names:
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
    seq: int,
    at_us: int,
    sender: str,
    kind: str,
    body: str,
    code: str,
    ids: Sequence[str],
    moves: Sequence[Move],
    before: str,
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
    ids : sequence of str
        What was made, changed or closed.
    moves : sequence of Move
        Money moved.
    before : str
        Digest of the entry before.

    Examples
    --------
    >>> entry = seal(1, 0, "operator", "tick", '{"key":"k1"}', "ok", [], [], GENESIS)
    >>> entry.payload[:50]
    b'{"at_us":0,"body":{"key":"k1"},"code":"ok","ids":['
    >>> entry.digest[:8]
    '69107657'
    """
    # Like identifiers, the names of accounts hold nothing to escape.
    made = f"""["{'","'.join(ids)}"]""" if ids else "[]"
    moved = ""
    for debit, credit, amount in moves:
        moved += f'{"," if moved else ""}["{debit}","{credit}",{amount}]'
    payload = (
        f'{{"at_us":{at_us},"body":{body},"code":"{code}","ids":{made},"kind":"{kind}","moves":[{moved}],'
        f'"prev":"{before}","sender":"{sender}","seq":{seq}}}'
    ).encode()
    return _new(Entry, (seq, payload, _sha256(payload).hexdigest()))


def check_chain(seq: int, before: str, entry: Entry) -> str | None:
    """Why an entry does not follow the one before it, or None where it does.

    >>> entry = seal(1, 0, "operator", "tick", '{"key":"k1"}', "ok", [], [], GENESIS)
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
