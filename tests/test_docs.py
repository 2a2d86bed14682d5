"""The documentation is true: its commands print what it shows, its Python runs, its targets and links exist."""

from __future__ import annotations

import doctest
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


refresh = _load(ROOT / "docs" / "refresh.py")
PAGES: tuple[Path, ...] = refresh.pages()
COMMANDS = [(page, command) for page in PAGES for command in refresh.commands(page.read_text(encoding="utf-8"))]
RUN = [(page, c) for page, c in COMMANDS if c.program == "headway" and not c.not_run]
PYTHON = re.compile(
    r"^(?P<indent>[ ]*)(?P<ticks>`{3,})(?:python|pycon)\s*\n(?P<body>.*?)^(?P=indent)(?P=ticks)", re.M | re.S
)
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


def _name(page: Path, line: int) -> str:
    return f"{page.relative_to(ROOT)}:{line}"


def test_pages_are_found() -> None:
    assert ROOT / "docs" / "index.md" in PAGES
    assert any(c.text.startswith("make ") for _, c in COMMANDS)


@pytest.mark.parametrize(("page", "command"), RUN, ids=[_name(p, c.line) for p, c in RUN])
def test_command_prints_what_the_page_shows(page: Path, command: Any) -> None:
    result = refresh.run(command.text)
    shown = "\n".join(refresh.trimmed(command.shown))
    real = "\n".join(result.lines)
    assert result.exit_code == command.exit_code, real
    if not refresh.agrees(command.shown, result.lines):
        assert real == shown, f"{_name(page, command.line)} differs; `make refresh` rewrites it"


def test_table_of_golden_claims_is_current() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "<!-- golden claims -->" in text
    assert refresh.with_table(text) == text, "README.md: the table of claims differs; `make refresh` rewrites it"


def test_other_commands_are_known() -> None:
    wrong = []
    for page, command in COMMANDS:
        words = command.text.split()
        target_exists = words[0] == "make" and {w for w in words[1:] if "=" not in w} <= TARGETS
        if not (words[0] == "headway" or command.not_run or target_exists):
            wrong.append(f"{_name(page, command.line)}: {command.text}")
    assert not wrong, "not a headway command, not an existing make target, and not marked <!-- not run: why -->"


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
def test_python_of_a_page_runs(page: Path) -> None:
    """Blocks run in order in one namespace: with prompts as doctests, without them as a script."""
    names: dict[str, Any] = {"__name__": "__page__"}
    text = page.read_text(encoding="utf-8")
    for block in PYTHON.finditer(text):
        body = re.sub(rf"^{block['indent']}", "", block["body"], flags=re.M)
        line = text[: block.start("body")].count("\n")
        if ">>> " not in body:
            exec(compile("\n" * line + body, str(page), "exec"), names)  # noqa: S102 - the page is ours
            continue
        example = doctest.DocTestParser().get_doctest(body, names, page.name, str(page), line)
        said: list[str] = []
        failed = doctest.DocTestRunner().run(example, out=said.append, clear_globs=False).failed
        names.update(example.globs)
        assert not failed, "".join(said)


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])
def test_links_to_files_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!\w+:|#)([^)\s#]+)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


EXAMPLE = """Text.

<!-- exit: 2 -->
```console
$ headway plan nothing \\
    --on h100
error
more
$ headway cite
source
```
<!-- not run: it serves until stopped -->
  ```console
  $ headway serve
  ```
"""


def test_commands_are_read_from_a_page() -> None:
    first, second, third = refresh.commands(EXAMPLE)
    assert (first.text, first.shown, first.exit_code, first.line) == (
        "headway plan nothing --on h100",
        ("error", "more"),
        2,
        5,
    )
    assert (second.text, second.shown) == ("headway cite", ("source",))
    assert (third.text, third.not_run, third.shown) == ("headway serve", "it serves until stopped", ())
    with pytest.raises(ValueError, match="line 2"):
        list(refresh.commands("```console\nno prompt\n```\n"))


def test_a_page_is_rewritten_in_place() -> None:
    def runner(text: str) -> Any:
        return refresh.Result(2, ("new", "lines") if "plan" in text else ("source",))

    fresh = refresh.refresh(EXAMPLE, runner)
    assert fresh == EXAMPLE.replace("error\nmore\n", "new\nlines\n")
    with pytest.raises(ValueError, match="exit code 0, not 2"):
        refresh.refresh(EXAMPLE, lambda _: refresh.Result(0, ()))


@pytest.mark.parametrize(
    ("shown", "same"),
    [
        ("a b c d", True),
        ("a ... d", True),
        ("...", True),
        ("... c d", True),
        ("a ... c ...", True),
        ("a b c", False),
        ("a ... c", False),
        ("a ... c b ... d", False),
        ("a b c ... c d", False),
    ],
)
def test_ellipsis_stands_for_lines(shown: str, same: bool) -> None:
    assert refresh.agrees(tuple(shown.split()), ("a", "b", "c", "d")) is same


def test_only_headway_is_run() -> None:
    for text in ("ls", "headway models | head", "headway models > out"):
        with pytest.raises(ValueError, match="only a plain headway command"):
            refresh.run(text)
