"""The JSON interface: answers, errors that name a field, many requests at once, its own description."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from headway.web.api import LONGEST_BODY
from headway.web.document import answered
from headway.web.openapi import openapi
from headway.web.page import code_version, style_hash
from headway.web.registry import chapters
from headway.web.server import app


@pytest.mark.parametrize("name", chapters())
def test_every_chapter_answers(get, name: str) -> None:
    reply = get(f"/api/v1/chapters/{name}")
    assert reply.status_code == 200
    answer = reply.json()
    assert answer["headlines"]
    assert answer["values"].keys() == {c.name for c in chapters()[name].controls}
    for chart in answer["charts"]:
        assert not chart["over"] or (chart["x"]["low"] and chart["x"]["high"])
        for series in chart["series"]:
            assert series["measure"] or len(series["x"]) == len(series["y"]) > 0
            assert not series["details"] or len(series["details"]) == len(series["x"])


@pytest.mark.parametrize("name", chapters())
def test_every_page_and_file(get, name: str) -> None:
    page = get(f"/{name}")
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    alone = get(f"/export/{name}")
    assert alone.status_code == 200
    code = alone.text.partition('id="boot"')[0] + alone.text.rpartition('type="module"')[2]
    assert "http:" not in code.replace("http://www.w3.org", "")
    assert "https:" not in code
    assert "/static/" not in alone.text


def test_a_value_may_carry_its_unit(get) -> None:
    assert get("/api/v1/chapters/train?period=50ms").json()["values"]["period"] == 0.05
    assert get("/api/v1/chapters/batch?context=16k").json()["values"]["context"] == 16000


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/v1/chapters/batch?batch=0", "batch"),
        ("/api/v1/chapters/batch?batch=nan", "batch"),
        ("/api/v1/chapters/batch?batch=1e400", "batch"),
        ("/api/v1/chapters/batch?batch=2.5", "batch"),
        ("/api/v1/chapters/batch?model=deepsek-v3", "model"),
        ("/api/v1/chapters/batch?modle=x", "parameter"),
        ("/api/v1/chapters/batch?batch=1&batch=2", "batch"),
        ("/api/v1/chapters/plan?on=a,b,c,d,e", "on"),
        ("/api/v1/chapters/nothing", "chapter"),
        ("/api/v1/claims/C999", "claim"),
        ("/api/v1/claims?x=1", "x"),
        ("/api/v1/nothing", "path"),
        ("/api/v1/chapters/batch?model=" + "x" * 9000, "query"),
        ("/export/nothing", "chapter"),
    ],
)
def test_errors_name_the_field(get, path: str, field: str) -> None:
    reply = get(path)
    assert 400 <= reply.status_code < 500
    said = reply.json()
    assert said["field"].split(":")[0] == field, said
    assert "\n" not in said["error"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b"\xff\xfe", "body"),
        (b"[" * 60000, "body"),
        (b'{"model": NaN}', "body"),
        (b" " * (LONGEST_BODY + 1), "body"),
        (b"{}", "model"),
        (b'{"model": "deepseek-v3"}', "on"),
        (b'{"model": "deepseek-v3", "on": "gb200-nvl72"}', "on"),
        (b'{"model": 7, "on": ["gb200-nvl72"]}', "model"),
        (b'{"model": "deepseek-v3", "on": ["gb200-nvl72"], "isl": -1}', "isl"),
        (b'{"model": "deepseek-v3", "on": ["gb200-nvl72"], "isl": 1e999}', "isl"),
        (b'{"model": "deepseek-v3", "on": ["gb200-nvl72"], "isl": ' + b"9" * 4000 + b"}", "isl"),
        (b'{"model": "deepseek-v3", "on": ["gb200-nvl72"], "tpot": "30"}', "tpot"),
        (b'{"model": "deepseek-v3", "on": ["gb200-nvl72"], "osl": true}', "osl"),
        (b'{"model": "deepseek-v3", "on": ["gb200-nvl72"], "__proto__": {}}', "__proto__"),
        (b'{"model": "../../etc/passwd", "on": ["gb200-nvl72"]}', "model"),
    ],
)
def test_hostile_bodies(post, body: bytes, field: str) -> None:
    reply = post("/api/v1/plan", body)
    assert 400 <= reply.status_code < 500
    assert reply.json()["field"] == field, reply.json()


def test_a_plan_is_what_the_command_prints(post) -> None:
    from headway.cli._deployment import Asked, search
    from headway.cli._report import document
    from headway.cli.plan_command import plan_report

    asked = {"model": "llama-3.1-8b", "on": ["hgx-h200"], "isl": 1000, "osl": 200, "ttft": "1s", "tpot": 0.02}
    reply = post("/api/v1/plan", json.dumps(asked).encode())
    same = Asked("llama-3.1-8b", None, ("hgx-h200",), None, 1000.0, 200.0, 0.0, 1.0, 0.02, 0, *[None] * 6, 0.0, None)
    assert reply.json() == json.loads(json.dumps(document(plan_report(*search(same)))))


def test_many_at_once_do_not_mix(application, apart) -> None:
    async def all_of_them() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await asyncio.gather(
                *(client.get(f"/api/v1/chapters/batch?batch={n}&context={100 + n}") for n in range(1, 201))
            )

    for n, reply in enumerate(apart(all_of_them), 1):
        assert reply.status_code == 200
        assert reply.json()["values"]["batch"] == n
        assert reply.json()["headlines"] == answered("batch", {"batch": str(n), "context": str(100 + n)})["headlines"]


def test_the_description_is_complete() -> None:
    described = openapi()
    assert described["openapi"].startswith("3.1")
    assert {f"/api/v1/chapters/{name}" for name in chapters()} <= described["paths"].keys()


def test_static_files_stay_inside(get) -> None:
    for path in ("/static/../server.py", "/static/%2e%2e/server.py", "/static/__init__.py", "/static/nothing.js"):
        assert get(path).status_code == 404


@pytest.mark.parametrize(
    ("host", "own", "status"),
    [
        ("127.0.0.1:8321", "127.0.0.1", 200),
        ("[::1]:8321", "127.0.0.1", 200),
        ("LOCALHOST", "127.0.0.1", 200),
        ("rack7.lan:80", "rack7.lan", 200),
        ("192.168.0.9", "0.0.0.0", 200),
        ("rebound.example", "127.0.0.1", 421),
        ("rebound.example:8321", "0.0.0.0", 421),
        ("192.168.0.9", "127.0.0.1", 421),
        ("127.0.0.1.rebound.example", "127.0.0.1", 421),
    ],
)
def test_another_name_for_this_machine_is_refused(apart, host: str, own: str, status: int) -> None:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app(own))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get("/api/v1/chapters/train", headers={"host": host})

    reply = apart(send)
    assert reply.status_code == status
    assert status == 200 or reply.json()["field"] == "host"


def test_code_may_be_kept_and_style_is_named_by_its_hash(get) -> None:
    page = get("/train")
    assert f"style-src '{style_hash()}'" in page.headers["content-security-policy"]
    code = get(f"/code/{code_version()}.js")
    assert code.status_code == 200
    assert "immutable" in code.headers["cache-control"]
    assert get("/code/0.js").status_code == 404


def test_a_missing_package_is_named_on_the_page(monkeypatch) -> None:
    from headway.facts.errors import MissingExtraError
    from headway.web import document

    def missing(*_: object) -> None:
        raise MissingExtraError("scipy", "scaling")

    monkeypatch.setattr(document, "ask", missing)
    said = document.answered("ladder", {})
    assert "pip install 'headway[scaling]'" in said["headlines"][0]["value"]
    assert said["values"]["rung"] == 1e24


def test_models_by_systems_are_at_most_four(get) -> None:
    six = "/api/v1/chapters/plan?model=llama-3.1-8b,llama-3.1-70b&on=hgx-h200,hgx-h100,hgx-b200"
    assert get(six).json()["field"] == "on"
    two = get("/api/v1/chapters/plan?model=llama-3.1-8b,llama-3.1-70b&on=hgx-h200&isl=1000&osl=200").json()
    assert [one["name"] for one in two["charts"][0]["series"]] == ["llama-3.1-8b", "llama-3.1-70b"]
    assert two["command"].startswith("headway board plan model={model}")


def boot(page: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.text.partition('id="boot">')[2].partition("</script>")[0])
    return found


@pytest.mark.parametrize(
    ("query", "kept", "field"),
    [
        ("batch=512&utm_source=mail", {"batch": 512}, None),
        ("batch=512&modle=kimi-k2", {"batch": 512, "model": "deepseek-v3"}, "parameter"),
        ("batch=512&context=nonsense", {"batch": 512, "context": 2048}, "context"),
        ("batch=0&context=4k&system=nowhere", {"batch": 2048, "context": 4000}, "system"),
    ],
)
def test_a_shared_address_keeps_what_can_be_used(get, query: str, kept: dict[str, object], field: str | None) -> None:
    first = boot(get(f"/batch?{query}"))
    assert kept.items() <= first["answer"]["values"].items()
    assert (first["error"] or {}).get("field") == field


def test_an_address_of_too_much_is_answered_with_less(get) -> None:
    first = boot(get("/plan?model=llama-3.1-8b,llama-3.1-70b&on=hgx-h200,hgx-h100,hgx-b200&isl=1000&osl=200"))
    assert first["error"]["field"] == "on"
    assert first["answer"]["values"]["isl"] == 1000
    assert first["answer"]["values"]["on"] == ["gb200-nvl72"]
