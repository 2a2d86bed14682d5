"""The pages: a shell with its first answer inside, and the same as one file that needs no server."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any

from headway import __version__
from headway.facts.errors import InputError
from headway.web.document import answered, boot_document
from headway.web.registry import chapter, chapters

CLAIMS = "claims"
_MODULES = (
    *("units.js", "terms.js", "dom.js", "curves.js", "readout.js", "chart.js"),
    *("exports.js", "controls.js", "view.js", "claims.js", "app.js"),
)
_ALONE = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)


def is_page(name: str) -> bool:
    """Whether there is a page of this name; the empty name is the first chapter."""
    return name in ("", CLAIMS) or name in chapters()


@cache
def static_names() -> frozenset[str]:
    """Names of the files that the page loads."""
    return frozenset(entry.name for entry in files("headway.web").joinpath("static").iterdir())


def _read(name: str) -> str:
    return files("headway.web").joinpath("static", name).read_text(encoding="utf-8")


def _data(value: Any) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _contents(current: str) -> str:
    parts: dict[str, list[str]] = {}
    for one in chapters().values():
        parts.setdefault(one.part, []).append(_entry(one.id, one.title, current))
    parts.setdefault("Check", []).append(_entry(CLAIMS, "Claims", current))
    rows = (f"<li><span>{escape(part)}</span><ul>{''.join(rows)}</ul></li>" for part, rows in parts.items())
    return f'<nav aria-label="Contents"><ul>{"".join(rows)}</ul></nav>'


def _entry(name: str, title: str, current: str) -> str:
    here = ' aria-current="page"' if name == current else ""
    return f'<li><a href="/{name}"{here}>{escape(title)}</a></li>'


def _heading(name: str) -> tuple[str, str]:
    if name == CLAIMS:
        return "Claims", "What was said, what comes out when it is computed again, and with which numbers?"
    one = chapter(name)
    return one.title, one.question


def _document(name: str, head: str, nav: str, boot: dict[str, Any], tail: str = "") -> str:
    title, question = _heading(name)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)} · Headway</title>{head}</head><body>"
        '<a class="skip" href="#main">Skip to the chapter</a>'
        f'<header><a class="brand" href="/"><strong>Headway</strong> <span>board</span></a>{nav}</header>'
        f'<main id="main" tabindex="-1"><div class="title"><h1>{escape(title)}</h1><p>{escape(question)}</p></div>'
        '<div id="view"></div></main>'
        f'<script type="application/json" id="boot">{_data(boot)}</script>{tail}</body></html>\n'
    )


def _first(name: str, given: dict[str, str]) -> dict[str, Any]:
    if name == CLAIMS:
        return {"answer": None, "error": None}
    kept, said = _known(name, given)
    while True:
        try:
            return {"answer": answered(name, kept), "error": said}
        except InputError as error:
            if not kept:
                raise
            said = said or {"error": str(error), "field": error.field}
            # One bad value takes itself out of a shared address, and all of them only where none is to blame.
            kept = {key: text for key, text in kept.items() if key != error.field} if error.field in kept else {}


def _known(name: str, given: dict[str, str]) -> tuple[dict[str, str], dict[str, str] | None]:
    """The values that the chapter has a control for, and what is wrong with a name that looks like one of them.

    A name that looks like none is another program's (a mark of where the link stood), and no concern of the reader.
    """
    one, kept, said = chapter(name), {}, None
    for key, text in given.items():
        try:
            kept[one.control(key).name] = text
        except InputError as error:
            if error.nearest and not said:
                said = {"error": str(error), "field": error.field}
    return kept, said


def shell(name: str, given: dict[str, str]) -> str:
    """The page of a chapter with the answer for its address inside."""
    here = name or next(iter(chapters()))
    head = (
        f'<style>{style()}</style><script type="module" src="/code/{code_version()}.js"></script>'
        '<link rel="icon" href="/static/icon.svg" type="image/svg+xml">'
    )
    boot = {**_trimmed(here), "page": here, "alone": False, **_first(here, given)}
    return _document(here, head, _contents(here), boot)


def _trimmed(name: str) -> dict[str, Any]:
    """What one page needs of the whole: its own chapter and no other."""
    everything = boot_document()
    return {**everything, "chapters": [c for c in everything["chapters"] if c["id"] == name]}


@cache
def style() -> str:
    """The style sheet, which stands inside every page: the first paint waits for nothing else."""
    return _read("board.css")


@cache
def style_hash() -> str:
    """What the security policy allows as inline style: this sheet and no other."""
    return f"sha256-{b64encode(sha256(style().encode()).digest()).decode()}"


@cache
def code_version() -> str:
    """A name that changes with the modules, so that a browser may keep them for good."""
    return sha256(bundle().encode()).hexdigest()[:16]


@cache
def bundle() -> str:
    """The modules as one script, in the order in which they need each other.

    Modules import on one line and export names where they are declared, so that joining them is enough.
    """
    joined = "\n".join(_read(name) for name in _MODULES)
    joined = re.sub(r"^import .*$", "", joined, flags=re.MULTILINE)
    return re.sub(r"^export ", "", joined, flags=re.MULTILINE).replace("</script", "<\\/script")


def alone(name: str, given: dict[str, str]) -> str:
    """A chapter as one file that works from disk, without a server and without any request.

    Raises
    ------
    InputError
        If there is no such chapter, or a value cannot be used.
    """
    one = chapter(name)
    boot = {**_trimmed(name), "page": name, "alone": True, "answer": answered(one.id, given), "error": None}
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{_ALONE}">'
        f'<meta name="generator" content="headway {__version__}"><style>{style()}</style>'
    )
    return _document(name, head, "", boot, f'<script type="module">{bundle()}</script>')
