"""The OpenAPI document, made from the table of endpoints and the controls of the chapters."""

from __future__ import annotations

from functools import cache
from typing import Any

from headway import __version__
from headway.facts.models import model_names
from headway.facts.systems import system_names
from headway.web.api import ENDPOINTS, LONGEST_BODY, PREFIX, Endpoint
from headway.web.chapter import Control, unit_of
from headway.web.deployments import MOST_SYSTEMS, NUMBERS
from headway.web.registry import chapters

_FAILURE = "#/components/schemas/Error"


def _errors(codes: dict[str, str]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": _FAILURE}}}
    return {code: {"description": text, "content": content} for code, text in codes.items()}


def _answers(schema: dict[str, Any], errors: dict[str, str]) -> dict[str, Any]:
    return {"200": {"description": "Done.", "content": {"application/json": {"schema": schema}}}} | _errors(errors)


def _parameter(control: Control) -> dict[str, Any]:
    unit = unit_of(control.dimension)
    if control.choices is not None:
        names = list(control.choices())
        schema: dict[str, Any] = {"type": "string", "default": control.default}
        if control.most == 1:
            schema["enum"] = names
        about = control.label if control.most == 1 else f"{control.label}: 1 to {control.most} names, comma-separated"
    else:
        kind = "integer" if control.whole else "number"
        schema = {"type": kind, "minimum": control.low, "maximum": control.high, "default": control.default}
        about = f"{control.label} [{unit}]; text with a unit is read too"
    return {"name": control.name, "in": "query", "required": False, "description": about, "schema": schema}


def _plan_body() -> dict[str, Any]:
    fields: dict[str, Any] = {
        "model": {"type": "string", "enum": list(model_names())},
        "on": {
            "type": "array",
            "items": {"type": "string", "enum": list(system_names())},
            "minItems": 1,
            "maxItems": MOST_SYSTEMS,
        },
    }
    for name, dimension, default, about in NUMBERS:
        whole = name in ("isl", "osl", "gpus")
        entry: dict[str, Any] = {
            "type": ["integer" if whole else "number", "string"],
            "description": f"{about} [{unit_of(dimension)}]; a string carries its unit",
        }
        if default is not None:
            entry["default"] = int(default) if whole else default
        fields[name] = entry
    return {"type": "object", "properties": fields, "required": ["model", "on"], "additionalProperties": False}


def _operation(one: Endpoint) -> dict[str, Any]:
    bad = {
        "404": "No such address.",
        "405": "Another method.",
        "414": "The address is too long.",
        "421": "Another host.",
    }
    found: dict[str, Any] = {"summary": one.summary, "operationId": one.path.removeprefix(PREFIX).strip("/")}
    schema: dict[str, Any] = {"type": "object"}
    if one.method == "POST":
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": _plan_body()}}}
        bad["413"] = f"The body is longer than {LONGEST_BODY} bytes."
        schema = {"type": "object", "required": ["model", "workload", "systems", "pareto", "assumptions", "sources"]}
    if one.path.endswith("{claim}"):
        text = {"type": "string", "pattern": "^[A-Za-z][0-9]{1,3}$"}
        found["parameters"] = [{"name": "claim", "in": "path", "required": True, "schema": text}]
    found["responses"] = _answers(schema, {"422": "A value cannot be used; the field is named."} | bad)
    return found


def _paths() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for one in ENDPOINTS:
        if "{chapter}" not in one.path:
            paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
            continue
        for chapter in chapters().values():
            operation = _operation(one)
            operation |= {"summary": chapter.question, "operationId": f"chapter-{chapter.id}"}
            operation["parameters"] = [_parameter(c) for c in chapter.controls]
            operation["responses"]["200"]["content"]["application/json"]["schema"] = {
                "$ref": "#/components/schemas/Answer"
            }
            paths[one.path.replace("{chapter}", chapter.id)] = {"get": operation}
    return paths


@cache
def openapi() -> dict[str, Any]:
    """The whole document, OpenAPI 3.1."""
    lists = ("headlines", "charts", "tables", "equations", "mathml", "notes", "sources")
    answer = {
        "type": "object",
        "required": ["chapter", "api", "values", *lists, "command"],
        "properties": {
            "chapter": {"type": "string"},
            "api": {"type": "string"},
            "values": {"type": "object"},
            "command": {"type": "string"},
            **{name: {"type": "array"} for name in lists},
        },
    }
    error = {
        "type": "object",
        "required": ["error", "field"],
        "properties": {"error": {"type": "string"}, "field": {"type": "string"}},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Headway", "version": __version__, "license": {"name": "Apache-2.0"}},
        "paths": _paths(),
        "components": {"schemas": {"Answer": answer, "Error": error}},
    }
