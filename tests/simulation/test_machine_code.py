"""Machine code kept on disk: used again while nothing changed, never after any of its sources did."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

import headway.simulation
from headway.simulation import _loop
from headway.simulation._machine_code import sources_key

FOLDER = Path(headway.simulation.__file__).parent
OUTER = """
from headway.simulation._machine_code import compiled, entry
from {package}._inner import step

@compiled
def walk(n):
    return step(n)

def _walk(key):
    def walk_all(n):
        return key * 0 + walk(n)
    return walk_all

made = entry(_walk)
"""
INNER = """
from headway.simulation._machine_code import compiled

@compiled
def step(n):
    return n + {more}
"""


def one_run(package: Path, more: int) -> tuple[int, int]:
    """Load the modules as a new process would; what the loop gives, and whether its code came from the disk."""
    (package / "_inner.py").write_text(INNER.format(more=more))
    importlib.invalidate_caches()
    for name in [name for name in sys.modules if name.partition(".")[0] == package.name]:
        del sys.modules[name]
    made: Any = importlib.import_module(f"{package.name}._outer").made
    return made(20), sum(made.stats.cache_hits.values())


@pytest.mark.parametrize("own_cache", [False, True], ids=["beside the module", "NUMBA_CACHE_DIR"])
def test_an_edited_callee_is_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: bool) -> None:
    """Only the file that is called from the entry's changes, as in an upgrade in place."""
    numba = pytest.importorskip("numba")
    package = tmp_path / f"loops{own_cache:d}"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "_outer.py").write_text(OUTER.format(package=package.name))
    kept = tmp_path / "kept" if own_cache else package / "__pycache__"
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(kept) if own_cache else "")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path)
    assert [one_run(package, more) for more in (1, 1, 2, 2)] == [(21, 0), (21, 1), (22, 0), (22, 1)]
    assert list(kept.rglob("*.nbi"))


def test_all_that_is_compiled_is_in_the_key() -> None:
    """Follow the calls from the loop: every compiled function lives in a module that the key reads."""
    pytest.importorskip("numba")
    read = {path.resolve() for path in FOLDER.glob("_*.py")}
    seen: set[str] = set()
    todo: list[Any] = [_loop.events_in_order]
    while todo:
        function = todo.pop().py_func
        assert Path(function.__code__.co_filename).resolve() in read
        named = (function.__globals__.get(name) for name in function.__code__.co_names)
        for found in named:
            if hasattr(found, "py_func") and found.py_func.__name__ not in seen:
                seen.add(found.py_func.__name__)
                todo.append(found)
    assert {"begin", "complete", "found", "queue"} <= seen


def test_every_source_moves_the_key(tmp_path: Path) -> None:
    for path in FOLDER.glob("_*.py"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    keys = {sources_key(tmp_path)}
    names = sorted(tmp_path.iterdir())
    for path in names:
        path.write_bytes(path.read_bytes() + b"#")
        keys.add(sources_key(tmp_path))
    assert len(keys) == len(names) + 1
