"""A client of the application in this process."""

from __future__ import annotations

import httpx
import pytest

from headway.web.server import app


@pytest.fixture(scope="session")
def application() -> object:
    return app()


def ask(application: object, method: str, path: str, body: bytes | None = None) -> httpx.Response:
    """One request without a socket."""
    import asyncio

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, content=body)

    return asyncio.run(send())


@pytest.fixture
def get(application: object):
    return lambda path: ask(application, "GET", path)


@pytest.fixture
def post(application: object):
    return lambda path, body: ask(application, "POST", path, body)
