"""Questions to programs of the field, and processes of theirs with their time and memory."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Question:
    """A planning question, with the names that each tool has for its model and system."""

    name: str
    model: str
    system: str
    gpus: int
    isl: int
    osl: int
    ttft: float
    tpot: float
    experts: bool
    bits: str
    tp: int
    names: Mapping[str, tuple[str, str]]

    def about(self, tool: str) -> dict[str, Any]:
        """The question as a tool's driver takes it."""
        found = {k: v for k, v in asdict(self).items() if k != "names"}
        return {**found, "model": self.names[tool][0], "system": self.names[tool][1]}


QUESTIONS = (
    Question(
        "Q1", "deepseek-v3", "hgx-h200", 32, 4096, 1024, 2.0, 0.05, True, "fp8", 8,
        {
            "aiconfigurator": ("deepseek-ai/DeepSeek-V3", "h200_sxm"),
            "genz": ("deepseek-ai/DeepSeek-V3-Base", "H200"),
            "llm-analysis": ("", ""),
            "vidur": ("deepseek-ai/DeepSeek-V3", "h100"),
        },
    ),
    Question(
        "Q2", "llama-3.1-70b", "hgx-h100", 8, 2048, 256, 1.0, 0.05, False, "bf16", 8,
        {
            "aiconfigurator": ("meta-llama/Meta-Llama-3.1-70B", "h100_sxm"),
            "genz": ("meta-llama/meta-llama-3.1-70b", "H100_GPU"),
            "llm-analysis": ("", "h100-sxm-80gb"),
            "vidur": ("meta-llama/Llama-3-70B", "h100"),
        },
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Run:
    """One process: elapsed and processor time [s], peak memory [B], what it wrote and said, why it failed."""

    seconds: float
    cpu: float
    peak: float
    document: Any
    said: str
    failure: str


def run(argv: Sequence[str], task: Mapping[str, Any] | None = None, *, limit: float = 420.0) -> Run:
    """Run a command; with a task, the command gets the paths of the task and of the answer to write."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answered, said = (Path(folder) / name for name in ("task.json", "answer.json", "said.txt"))
        asked.write_text(json.dumps(task), encoding="utf-8")
        paths = [str(asked), str(answered)] if task is not None else []
        with said.open("wb") as out:
            start = time.perf_counter()
            process = subprocess.Popen([*argv, *paths], stdout=out, stderr=out, cwd=folder, start_new_session=True)
            cut = threading.Timer(limit, os.killpg, (process.pid, signal.SIGKILL))
            cut.start()
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            cut.cancel()
            process.returncode = os.waitstatus_to_exitcode(status)
        text = said.read_text(encoding="utf-8", errors="replace")
        document = json.loads(answered.read_text(encoding="utf-8")) if answered.exists() else None
        failure = ""
        if seconds >= limit:
            failure = f"cut after {limit:.0f} s"
        elif process.returncode:
            failure = (text.strip().splitlines() or [f"exit {process.returncode}"])[-1][:160]
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024.0, document, text, failure)


def driver(tool: str, folder: Path) -> list[str]:
    """Command that asks a tool in its own environment."""
    return [f"{folder}/bin/python", str(HERE / "peer_drivers" / f"ask_{tool.replace('-', '_')}.py")]


def best(argv: Sequence[str], rounds: int, task: Mapping[str, Any] | None = None) -> Run:
    """The quickest of some runs, by processor time; a failure ends them."""
    runs = []
    for _ in range(rounds):
        runs.append(run(argv, task))
        if runs[-1].failure:
            return runs[-1]
    return min(runs, key=lambda r: r.cpu)


@dataclass(frozen=True, slots=True)
class Asked:
    """What one tool answered to one question, and what that took."""

    tool: str
    question: Question
    cold: Run
    answer: Mapping[str, Any] | None
    refused: str = ""
    warm: str = "—"
    cached: str = "—"
    compared: int = 0


@functools.cache
def size(folder: Path) -> float:
    """Bytes on disk of all files under a folder, links not followed [B]."""
    found = (os.lstat(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)
    return float(sum({s.st_ino: s.st_blocks * 512 for s in found}.values()))
