"""The application: pages, static files, the JSON interface and the exported file, from one table of endpoints."""

from __future__ import annotations

from contextlib import suppress
from importlib.resources import files
from time import sleep
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route

from headway.facts.errors import HeadwayError
from headway.web import api, page
from headway.web.document import answered
from headway.web.guard import Guard
from headway.web.registry import chapters

if TYPE_CHECKING:
    from starlette.requests import Request

STATIC = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}.items()


async def _page(request: Request) -> Response:
    name = request.path_params.get("chapter", "")
    if not page.is_page(name):
        return Response("no such page\n", 404, media_type="text/plain")
    html = await run_in_threadpool(page.shell, name, dict(request.query_params))
    return Response(html, media_type="text/html", headers={"cache-control": "no-store"})


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    kinds = dict(STATIC)
    kind = kinds.get(name.rpartition(".")[2])
    if kind is None or name not in page.static_names():
        return Response("no such file\n", 404, media_type="text/plain")
    body = files("headway.web").joinpath("static", name).read_bytes()
    return Response(body, media_type=kind, headers={"cache-control": "no-cache"})


async def _code(request: Request) -> Response:
    if request.path_params["version"] != page.code_version():
        return Response("no such file\n", 404, media_type="text/plain")
    kept = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(page.bundle(), media_type="text/javascript", headers=kept)


async def _export(request: Request) -> Response:
    name = request.path_params["chapter"]

    def make() -> str:
        return page.alone(name, api.query(request))

    html = await run_in_threadpool(make)
    where = {"content-disposition": f'attachment; filename="headway-{name}.html"'}
    return Response(html, media_type="text/html", headers=where)


def warm(pause_s: float = 0.05) -> None:
    """Answer every chapter once at its start values, so that its first reader does not wait for imports.

    Parameters
    ----------
    pause_s : float
        Rest after each, which leaves the processor to the requests that come meanwhile [s].
    """
    for name in chapters():
        # A chapter that fails says so to whoever opens it.
        with suppress(HeadwayError):
            answered(name, {})
        sleep(pause_s)


def app(host: str = "127.0.0.1") -> Starlette:
    """Build the application; it keeps no state but caches of answers.

    Parameters
    ----------
    host : str
        The address that the server is bound to: one of the names it answers to.
    """
    routes = [
        Route("/", _page),
        Route("/static/{name}", _static),
        Route("/code/{version}.js", _code),
        Route("/export/{chapter}", api.guarded(_export)),
        *(Route(one.path, api.endpoint(one), methods=[one.method]) for one in api.ENDPOINTS),
        Route("/{chapter}", _page),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Guard, own=host)], exception_handlers=_handlers())


def _handlers() -> dict[Any, Any]:
    return {404: api.not_found, 405: api.not_allowed, Exception: api.defect}
