"""What holds for every answer: security headers, local hosts only, limits on what is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
LONGEST_QUERY = 8_192


@dataclass(frozen=True, slots=True)
class Guard:
    """Middleware: adds the headers, and refuses an address that is longer than any page makes.

    Parameters
    ----------
    app : ASGI application
    """

    app: Any

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def sender(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        if len(scope.get("query_string", b"")) > LONGEST_QUERY:
            said = {"error": f"query: expected at most {LONGEST_QUERY} bytes", "field": "query"}
            await JSONResponse(said, 414)(scope, receive, sender)
            return
        await self.app(scope, receive, sender)
