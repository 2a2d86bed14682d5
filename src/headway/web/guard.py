"""What holds for every answer: security headers, local hosts only, limits on what is read."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from starlette.responses import JSONResponse

from headway.web.page import style_hash

CSP = (
    "default-src 'none'; script-src 'self'; style-src '%s'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
LONGEST_QUERY = 8_192
LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


def host_name(header: str) -> str:
    """The name in a Host header, without its port.

    >>> host_name("127.0.0.1:8321"), host_name("[::1]:80"), host_name("LOCALHOST")
    ('127.0.0.1', '::1', 'localhost')
    """
    name = header.strip().lower()
    return name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]


def answers_to(header: str, own: str) -> bool:
    """Whether a request that names this host is meant for the board.

    A page elsewhere can point its own name at this machine (DNS rebinding) and would then read what the board answers.
    An address cannot be pointed elsewhere, so that a board bound to every address answers to any of them.

    >>> (
    ...     answers_to("localhost:8321", "127.0.0.1"),
    ...     answers_to("evil.example", "0.0.0.0"),
    ...     answers_to("10.0.0.7", "0.0.0.0"),
    ... )
    (True, False, True)
    """
    name = host_name(header)
    if name in LOCAL or name == own.lower():
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return own in ("0.0.0.0", "::", "")


@dataclass(frozen=True, slots=True)
class Guard:
    """Middleware: adds the headers, refuses other hosts' names and an address that is longer than any page makes.

    Parameters
    ----------
    app : ASGI application
    own : str
        The address that the server is bound to.
    """

    app: Any
    own: str = "127.0.0.1"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        policy = (b"content-security-policy", (CSP % style_hash()).encode())

        async def sender(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS, policy]}
            await send(message)

        named = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if not answers_to(named, self.own):
            said = {"error": f"host: {named[:80]!r} is not this board; open it by its own address", "field": "host"}
            await JSONResponse(said, 421)(scope, receive, sender)
            return
        if len(scope.get("query_string", b"")) > LONGEST_QUERY:
            said = {"error": f"query: expected at most {LONGEST_QUERY} bytes", "field": "query"}
            await JSONResponse(said, 414)(scope, receive, sender)
            return
        await self.app(scope, receive, sender)
