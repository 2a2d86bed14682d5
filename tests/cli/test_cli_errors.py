"""Whatever goes wrong is one line and an exit code."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.cli import _errors
from headway.cli._lazy import Row
from headway.facts.errors import InputError, MissingExtraError


def _raising(error: BaseException) -> tuple[Row, ...]:
    @click.command()
    def broken() -> None:
        raise error

    module = type(sys)("headway_test_broken")
    module.broken = broken  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    return (Row("broken", "headway_test_broken:broken", "Fails.", "Tests"),)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("tp", 3, "a divisor of 8 chips"), 2, "headway: error: tp: 3 is not accepted"),
        (MissingExtraError("scipy", "fit"), 2, "pip install 'headway[fit]'"),
        (click.UsageError("no"), 2, "headway: error: no"),
        (click.FileError("a", "gone"), 2, "gone"),
        (KeyError("x"), 70, "defect in headway, please report it: KeyError: 'x' (HEADWAY_TRACEBACK=1 shows where)"),
        (OSError(errno.ENOSPC, "No space left on device"), 74, "No space left on device"),
        (FileNotFoundError(errno.ENOENT, "No such file", "x.toml"), 74, "No such file: x.toml"),
        (RecursionError("deep"), 70, "RecursionError"),
        (MemoryError(), 70, "out of memory"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.Abort(), 130, "interrupted"),
    ],
)
def test_each_error_is_one_line_and_a_code(headway, monkeypatch, error, code, words):
    monkeypatch.setattr(_errors, "silence_stdout", lambda: None)
    outcome = headway("broken", rows=_raising(error))
    assert outcome.code == code
    assert words in outcome.err
    assert outcome.err.count("\n") == 1
    assert "Traceback" not in outcome.err
    assert outcome.out == ""


def test_broken_pipe_says_nothing(headway, monkeypatch):
    monkeypatch.setattr(_errors, "silence_stdout", lambda: None)
    outcome = headway("broken", rows=_raising(BrokenPipeError(errno.EPIPE, "gone")))
    assert (outcome.code, outcome.out, outcome.err) == (141, "", "")


def test_traceback_on_request(headway, monkeypatch):
    monkeypatch.setenv("HEADWAY_TRACEBACK", "1")
    outcome = headway("broken", rows=_raising(KeyError("x")))
    assert outcome.code == 70
    assert "Traceback (most recent call last)" in outcome.err
    assert outcome.err.splitlines()[-1].startswith("headway: error: defect")


@given(st.text())
def test_a_line_is_one_printable_line(text):
    line = _errors.one_line(text)
    assert line.isprintable()
    assert "\n" not in line
    assert len(line) <= _errors.LINE_LIMIT


def test_unknown_command_names_the_nearest(headway):
    outcome = headway("lectur")
    assert outcome.code == 2
    assert "did you mean lecture?" in outcome.err


def test_unknown_option_names_the_nearest(headway):
    outcome = headway("models", "--jsno")
    assert outcome.code == 2
    assert "did you mean --json" in outcome.err
    assert "see 'headway models --help'" in outcome.err


def test_missing_argument_and_bad_choice(headway):
    assert headway("completion").code == 2
    outcome = headway("completion", "tcsh")
    assert outcome.code == 2
    assert "bash" in outcome.err


def test_reader_that_goes_away(root: Path):
    """A pipe closed before the first byte: no message, no traceback, the code of a broken pipe."""
    read, write = os.pipe()
    os.close(read)
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    done = subprocess.run(
        [sys.executable, "-c", "from headway.cli.main import main; main()", "--help"],
        stdout=write,
        stderr=subprocess.PIPE,
        env=environment,
        check=False,
    )
    os.close(write)
    assert done.returncode == 141
    assert done.stderr == b""
