"""The JSON interface: one table of endpoints that routes, documentation and tests read.

Errors are the one line that the command line prints, with the name of the field:
``{"error": "tp: 3 is not accepted: ...", "field": "tp"}``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from headway.facts.errors import HeadwayError, InputError
from headway.web import document
from headway.web.claims import claim_document, claims_document
from headway.web.deployments import plan_answer
from headway.web.registry import chapters

if TYPE_CHECKING:
    from starlette.requests import Request

PREFIX = f"/api/v{document.API_VERSION}"
LONGEST_BODY = 65_536


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row of the table.

    Parameters
    ----------
    method, path : str
    summary : str
    answer : function
        From path parameters and the query (a body where the method is POST) to plain data.
    """

    method: str
    path: str
    summary: str
    answer: Callable[[Mapping[str, str], Mapping[str, Any]], Any]


def _openapi(_path: Mapping[str, str], _given: Mapping[str, Any]) -> Any:
    from headway.web.openapi import openapi

    return openapi()


def _nothing(given: Mapping[str, Any]) -> None:
    for name in given:
        raise InputError(name, given[name], "no parameters here")


def _chapters(_path: Mapping[str, str], given: Mapping[str, Any]) -> Any:
    _nothing(given)
    return {"chapters": [document.chapter_document(one) for one in chapters().values()]}


def _chapter(path: Mapping[str, str], given: Mapping[str, Any]) -> Any:
    return document.answered(path["chapter"], dict(given))


def _claims(_path: Mapping[str, str], given: Mapping[str, Any]) -> Any:
    _nothing(given)
    return claims_document()


def _claim(path: Mapping[str, str], given: Mapping[str, Any]) -> Any:
    _nothing(given)
    return claim_document(path["claim"])


def _plan(_path: Mapping[str, str], given: Mapping[str, Any]) -> Any:
    return plan_answer(given)


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", f"{PREFIX}/openapi.json", "This document.", _openapi),
    Endpoint("GET", f"{PREFIX}/chapters", "All chapters with their controls.", _chapters),
    Endpoint("GET", f"{PREFIX}/chapters/{{chapter}}", "The answer of one chapter at given values.", _chapter),
    Endpoint("GET", f"{PREFIX}/claims", "Every claim of the lecture, recomputed.", _claims),
    Endpoint("GET", f"{PREFIX}/claims/{{claim}}", "One claim: equation, numbers put in, sources.", _claim),
    Endpoint("POST", f"{PREFIX}/plan", "The object that `headway plan --json` prints.", _plan),
)


def query(request: Request) -> dict[str, str]:
    """Parameters of an address; one that stands twice is refused.

    Raises
    ------
    InputError
    """
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in found:
            raise InputError(name, value, "each parameter once")
        found[name] = value
    return found


async def _body(request: Request) -> Mapping[str, Any]:
    read = bytearray()
    async for piece in request.stream():
        read += piece
        if len(read) > LONGEST_BODY:
            raise InputError("body", f"more than {LONGEST_BODY} bytes", f"at most {LONGEST_BODY} bytes")
    try:
        found = json.loads(bytes(read), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InputError("body", f"{len(read)} bytes", f"a JSON object ({type(error).__name__})") from None
    if not isinstance(found, dict):
        raise InputError("body", type(found).__name__, "a JSON object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def failure(error: Exception) -> Response:
    """An error on purpose as one line and a field."""
    field = error.field if isinstance(error, InputError) else ""
    status = 413 if field == "body" and "more than" in str(error) else 422
    return JSONResponse({"error": " ".join(str(error).split()), "field": str(field)}, status)


def guarded(handler: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """The handler, whose errors on purpose become answers."""

    @functools.wraps(handler)
    async def safe(request: Request) -> Response:
        try:
            found: Response = await handler(request)
        except HeadwayError as error:
            return failure(error)
        return found

    return safe


def endpoint(one: Endpoint) -> Callable[[Request], Any]:
    """The handler of a row."""

    async def handle(request: Request) -> Response:
        given = query(request) if one.method == "GET" else await _body(request)
        data = await run_in_threadpool(one.answer, dict(request.path_params), given)
        body = await run_in_threadpool(json.dumps, data, allow_nan=False, separators=(",", ":"))
        return Response(body, media_type="application/json", headers={"cache-control": "no-store"})

    return guarded(handle)


async def not_found(request: Request, _error: Exception) -> Response:
    """No such path."""
    return JSONResponse({"error": f"path: no such address {request.url.path[:80]!r}", "field": "path"}, 404)


async def not_allowed(request: Request, error: Exception) -> Response:
    """Another method."""
    said = {"error": f"method: {request.method} is not accepted here", "field": "method"}
    return JSONResponse(said, 405, headers=getattr(error, "headers", None))


async def defect(_request: Request, error: Exception) -> Response:
    """A defect of Headway: one line, no traceback."""
    return JSONResponse({"error": f"defect in headway: {type(error).__name__}", "field": ""}, 500)
