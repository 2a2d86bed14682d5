"""An audit record that shows any later change: what was decided, from which bytes, under one hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headway.facts.errors import InputError

SCHEME = "sha256 of the record as canonical JSON (sorted keys, no spaces) without its own hash"


def canonical(record: Mapping[str, Any]) -> bytes:
    """The bytes that are hashed.

    >>> canonical({"b": 1, "a": [True, None]})
    b'{"a":[true,null],"b":1}'
    """
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True).encode()


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """Add the hash of a record to it.

    >>> len(sealed({"a": 1})["hash"])
    64
    """
    bare = {key: value for key, value in record.items() if key != "hash"}
    return {**bare, "hash": hashlib.sha256(canonical(bare)).hexdigest()}


def file_hash(path: str) -> str:
    """Hash of a file's bytes.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except (OSError, ValueError):
        raise InputError("file", path, "a readable file") from None


def changes(record: Mapping[str, Any], expected: str | None = None, folder: str = "") -> tuple[str, ...]:
    """What no longer agrees: the record with its hash, the hash with the one kept elsewhere, files with theirs.

    A hash inside a record shows a change by somebody who does not seal it again; against one who does, keep the
    hash elsewhere and pass it as `expected`.

    Parameters
    ----------
    record : mapping
        As :func:`sealed` made it; its ``inputs`` map file names to hashes.
    expected : str, optional
        Hash that was kept elsewhere.
    folder : str
        Where the files lie; they are not looked at where it is empty.

    Examples
    --------
    >>> record = sealed({"decision": "no"})
    >>> changes(record), changes({**record, "decision": "yes"})
    ((), ('the record does not have the hash it carries',))
    """
    found = []
    if sealed(record)["hash"] != record.get("hash"):
        found.append("the record does not have the hash it carries")
    if expected is not None and record.get("hash") != expected:
        found.append("the hash is not the one kept elsewhere")
    inputs = record.get("inputs", {})
    if folder and isinstance(inputs, Mapping):
        for name, kept in inputs.items():
            path = Path(folder) / str(name)
            if not path.is_file():
                found.append(f"{name} is not in {folder}, where files are looked for: beside the record")
            elif file_hash(str(path)) != kept:
                found.append(f"{name} has changed since the decision")
    return tuple(found)
