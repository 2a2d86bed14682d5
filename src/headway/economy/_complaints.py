"""What an endpoint says is wrong with a request, and how to ask without it.

Models that reason before they answer take ``max_completion_tokens`` and no temperature of one's own; older servers know
only ``max_tokens``. A refused field is named in ``error.param`` (platform.openai.com/docs/guides/error-codes).
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final

MENDED: Final = frozenset({"max_tokens", "temperature"})
"""Fields of a request without which it can be asked again."""
_MOST_SHOWN: Final = 200


def complaint(raw: bytes, key: str) -> tuple[str, str]:
    r"""The field that an error names, and the first line of its message; empty where there is none.

    Parameters
    ----------
    raw : bytes
        Body of an answer with an error status.
    key : str
        The endpoint's key, which is cut out of the message.

    Examples
    --------
    >>> complaint(b'{"error": {"message": "temperature must be 1\\nsee ...", "param": "temperature"}}', "")
    ('temperature', 'temperature must be 1')
    >>> complaint(b"<html>", "")
    ('', '')
    """
    try:
        error = json.loads(raw)["error"]
        param, message = error.get("param"), error.get("message")
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return "", ""
    lines = message.strip().splitlines() if isinstance(message, str) else []
    line = lines[0] if lines else ""
    if key:
        line = line.replace(key, "...")
    shown = "".join(c if c.isprintable() else " " for c in line)[:_MOST_SHOWN].strip()
    return (param if isinstance(param, str) else ""), shown


def without(body: dict[str, Any], refused: Collection[str]) -> dict[str, Any]:
    """The same request without fields that the endpoint refused; a limit of output keeps its newer name.

    >>> without({"max_tokens": 800, "temperature": 0.0}, {"max_tokens"})
    {'temperature': 0.0, 'max_completion_tokens': 800}
    """
    left = {name: value for name, value in body.items() if name not in refused}
    if "max_tokens" in refused:
        left["max_completion_tokens"] = body["max_tokens"]
    return left
