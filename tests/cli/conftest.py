"""Running the command line in this process, as its entry point does."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from headway.cli.main import run


@dataclass(frozen=True)
class Outcome:
    """Exit code, stdout and stderr of one command line."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Stdout as one JSON document; NaN and Infinity are not JSON."""

        def refuse(name: str) -> None:
            raise AssertionError(f"{name} in JSON")

        return json.loads(self.out, parse_constant=refuse)


Invoke = Callable[..., Outcome]


def invoke(*arguments: str, rows: Sequence[Any] | None = None, encoding: str = "utf-8") -> Outcome:
    """Run one command line with its own stdout and stderr."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    err = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace", write_through=True)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(arguments) if rows is None else run(arguments, rows)
    shown = [stream.buffer.getvalue().decode(encoding) for stream in (out, err)]  # type: ignore[attr-defined]
    return Outcome(code, *shown)


@pytest.fixture(scope="session")
def headway() -> Invoke:
    """Run a command line: ``headway("lecture", "--json").json()``."""
    return invoke


@pytest.fixture
def llama_config() -> dict[str, Any]:
    """Fields of a published ``config.json``: Llama-3.1-8B."""
    return {
        "model_type": "llama",
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
        "vocab_size": 128256,
    }


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "HEADWAY_TRACEBACK", "_HEADWAY_COMPLETE", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
