"""The table of commands, the help page, completion, and what the start imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from headway.cli import main
from headway.cli._lazy import Row


def test_help_lists_every_row(headway):
    page = headway("--help").out
    for row in main.COMMANDS:
        assert f"  {row.name} " in page
        assert row.help in page


def test_no_arguments_show_the_help(headway):
    assert headway().out == headway("--help").out == headway("-h").out


def test_version(headway):
    from headway import __version__

    assert headway("--version").out == f"headway {__version__}\n"


@pytest.mark.parametrize("row", main.COMMANDS, ids=lambda row: row.name)
def test_every_row_loads_and_has_its_own_help(headway, row):
    command = row.load()
    assert isinstance(command, click.Command)
    outcome = headway(row.name, "--help")
    assert outcome.code == 0
    assert outcome.out.startswith(f"Usage: headway {row.name}")


def _commands(row: Row) -> list[click.Command]:
    """The command of a row, or those of its group."""
    found = row.load()
    if not isinstance(found, click.Group):
        return [found]
    inside = [found.get_command(click.Context(found), name) for name in found.list_commands(click.Context(found))]
    return [command for command in inside if command is not None]


@pytest.mark.parametrize("row", [row for row in main.COMMANDS if row.name != "completion"], ids=lambda row: row.name)
def test_every_command_has_the_output_options(row):
    for command in _commands(row):
        options = {name for param in command.params for name in param.opts}
        assert {"--json", "--csv", "--output", "-o"} <= options


def test_a_row_must_lead_to_a_command():
    with pytest.raises(TypeError, match="not a click command"):
        Row("x", "headway.cli.main:PROGRAM", "x", "x").load()


def test_help_imports_nothing_heavy(root: Path):
    """The help page needs click and the standard library only."""
    code = (
        "import sys; from headway.cli.main import run; run(['--help']); "
        "print([m for m in ('numpy', 'rich', 'headway.facts.units', 'tomllib', 'difflib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(headway, shell):
    outcome = headway("completion", shell)
    assert outcome.code == 0
    assert "_HEADWAY_COMPLETE" in outcome.out


def _completions(headway, monkeypatch, words: str) -> list[str]:
    monkeypatch.setenv("_HEADWAY_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    outcome = headway()
    assert outcome.code == 0
    return [line.partition(",")[2] for line in outcome.out.splitlines()]


def test_completes_commands_and_options(headway, monkeypatch):
    assert set(_completions(headway, monkeypatch, "headway sys")) == {"system", "systems"}
    assert "--json" in _completions(headway, monkeypatch, "headway models --")
