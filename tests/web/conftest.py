"""A client of the application in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from headway.web.server import app


@pytest.fixture(scope="session")
def application() -> object:
    return app()


def run_apart(made: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine in a thread of its own: a browser test of the same process leaves a loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(made())).result()


@pytest.fixture(scope="session")
def apart() -> Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]:
    return run_apart


def ask(application: object, method: str, path: str, body: bytes | None = None) -> httpx.Response:
    """One request without a socket."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, content=body)

    return run_apart(send)


@pytest.fixture
def get(application: object):
    return lambda path: ask(application, "GET", path)


@pytest.fixture
def post(application: object):
    return lambda path, body: ask(application, "POST", path, body)
