"""`headway reversible` at the command line, with and without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from headway.cli.main import run
from headway.cli.reversible_command import ROWS

TENSORS = [row.name for row in ROWS if row.target.startswith("headway.cli._reversible_tensors")]
ROOT = Path(__file__).resolve().parents[2]


def _document(capsys, *arguments: str):
    assert run(["reversible", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_help_lists_the_commands(capsys):
    assert run(["reversible"]) == 0
    page = capsys.readouterr().out
    assert all(row.help in page for row in ROWS)


def test_shuffle_and_find(capsys):
    found = _document(capsys, "shuffle", "1000", "--key", "5", "--count", "1000", "--find", "17")
    items = [row["item"] for row in found["items"]]
    assert sorted(items) == list(range(1000))
    assert items[found["find"]["position"]] == 17


def test_cipher_both_ways(capsys):
    vector = ("--key", "1b1a1918131211100b0a090803020100", "--cipher", "simon64/128")
    assert _document(capsys, "cipher", "656b696c20646e75", *vector)["output"] == "44c8fc20b9dfa07a"
    assert _document(capsys, "cipher", "44c8fc20b9dfa07a", *vector, "--decrypt")["output"] == "656b696c20646e75"


def test_avalanche_and_trail(capsys):
    rounds = _document(capsys, "avalanche", "--samples", "64")["rounds"]
    assert rounds[-1]["mean"] == pytest.approx(0.5, abs=0.02)
    found = _document(capsys, "trail", "--rounds", "5")
    assert found["weight"] == 8


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cipher", "xyz", "--key", "0"), "hexadecimal"),
        (("cipher", "0", "--key", "0", "--cipher", "simon64/127"), "did you mean simon64/128"),
        (("cipher", "123456789", "--key", "0"), "at most 32 bits"),
        (("shuffle", "0"), "at least 1"),
        (("shuffle", "10", "--find", "10"), "0 to 9"),
        (("shuffle", "10", "--start", "11"), "at most 10"),
        (("avalanch",), "did you mean avalanche"),
        (("trail", "--rounds", "99"), "at most 20"),
    ],
)
def test_misuse_is_one_line(capsys, arguments, said):
    assert run(["reversible", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", TENSORS)
def test_without_torch_the_command_says_what_to_install(name):
    """In an interpreter where torch cannot be imported."""
    code = (
        "import sys; sys.modules['torch'] = None; from headway.cli.main import run; "
        f"sys.exit(run(['reversible', {name!r}]))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 2
    assert done.stderr.strip() == "headway: error: torch is not installed: pip install 'headway[torch]'"
    assert done.stdout == ""


def test_without_torch_the_room_imports_and_the_lecture_is_computed():
    code = (
        "import sys; sys.modules['torch'] = None; import importlib, pkgutil, headway.reversible as room; "
        "[importlib.import_module(f'headway.reversible.{m.name}') for m in pkgutil.iter_modules(room.__path__)]; "
        "from headway import lecture; print(all(lecture.evaluate(f'C{n}').ok for n in range(69, 73)))"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)
    assert done.stdout == "True\n", done.stderr


def test_small_runs_with_torch(capsys):
    pytest.importorskip("torch", reason="torch is not installed: pip install 'headway[torch]'")
    found = _document(
        capsys, "memory", "--layers", "2,8", "--width", "16", "--batch", "1", "--context", "8", "--no-time"
    )
    assert [name for name, _ in found["memory"]["peaks"]] == ["store", "reversible", "checkpoint"]
    assert _document(capsys, "precision", "--rounds", "4,8", "--format", "float32")["formats"][0]["fails_at"] is None


def test_a_key_of_many_digits_is_not_rounded(capsys):
    keys = [_document(capsys, "shuffle", "1000", "--key", str(2**53 + odd)) for odd in (0, 1)]
    assert [found["key"] for found in keys] == [2**53, 2**53 + 1]
    assert keys[0]["items"] != keys[1]["items"]
