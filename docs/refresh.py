"""Keep the commands that the documentation shows true: run them and compare or rewrite their output.

    python docs/refresh.py              rewrite the shown output in place
    python docs/refresh.py --check      only say where it differs (exit 1)
    python docs/refresh.py README.md    some pages only

A fenced block of the language ``console`` holds lines ``$ headway ...``, each followed by what it
prints (standard output and error as one). A command may go on after a backslash. A line ``...``
stands for any number of lines. A comment on the line before the block changes what is expected:

    <!-- exit: 2 -->            the commands end with this code instead of 0
    <!-- not run: why -->       the block is shown only
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = 100
LIMIT_S = 180
ELLIPSIS = "..."
_START = "import sys; sys.argv[0] = 'headway'; from headway.cli.main import main; sys.exit(main())"
_FENCE = re.compile(r"^(?P<indent>\s*)(?P<ticks>`{3,})\s*console\s*$")
_TABLE = re.compile(r"(<!-- golden claims -->).*?(<!-- end -->)", re.S)
_EXIT = re.compile(r"<!--\s*exit:\s*(\d+)\s*-->")
_NOT_RUN = re.compile(r"<!--\s*not run:\s*(\S.*?)\s*-->")


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a page and the output shown under it.

    Parameters
    ----------
    line : int
        Line of the command in the page, from 1.
    text : str
        The command without its prompt, continuation lines joined.
    first, last : int
        The shown output as a half-open range of line indices, from 0.
    shown : tuple of str
        The shown output.
    exit_code : int
        How the command should end.
    not_run : str
        Why it is only shown; empty where it is run.
    """

    line: int
    text: str
    first: int
    last: int
    shown: tuple[str, ...]
    exit_code: int = 0
    not_run: str = ""

    @property
    def program(self) -> str:
        """First word of the command."""
        return (self.text.split() or [""])[0]


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended and what it printed."""

    exit_code: int
    lines: tuple[str, ...]


def pages(root: Path = ROOT) -> tuple[Path, ...]:
    """The README and every page of the documentation."""
    made = {"_build", "generated"}
    found = [p for p in (root / "docs").rglob("*.md") if not made & set(p.relative_to(root).parts)]
    return (root / "README.md", *sorted(found))


def commands(text: str) -> Iterator[Command]:
    """Find the commands of a page, in order."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if fence is None:
            at += 1
            continue
        before = next((line for line in reversed(lines[:at]) if line.strip()), "")
        code, why = _EXIT.search(before), _NOT_RUN.search(before)
        end = next((i for i in range(at + 1, len(lines)) if lines[i].strip() == fence["ticks"]), len(lines))
        yield from _of_block(
            lines, at + 1, end, len(fence["indent"]), int(code[1]) if code else 0, why[1] if why else ""
        )
        at = end + 1


def _of_block(lines: list[str], at: int, end: int, indent: int, code: int, why: str) -> Iterator[Command]:
    while at < end:
        prompt = lines[at][indent:]
        if not prompt.startswith("$ "):
            raise ValueError(f"line {at + 1}: a console block starts with a command after '$ ', not with {prompt!r}")
        line, text = at + 1, prompt[2:]
        at += 1
        while text.endswith("\\") and at < end:
            text = text[:-1].rstrip() + " " + lines[at][indent:].removeprefix("> ").strip()
            at += 1
        first = at
        while at < end and not lines[at][indent:].startswith("$ "):
            at += 1
        yield Command(line, text, first, at, tuple(row[indent:] for row in lines[first:at]), code, why)


def run(text: str, root: Path = ROOT) -> Result:
    """Run one ``headway`` command as a reader would, in a folder where its files do no harm.

    The folder shows the repository's own files by their names, so that relative paths work.
    """
    argv = shlex.split(text, comments=True)
    if argv[0] != "headway" or {"|", ">", "<", "&&", ";"} & set(argv):
        raise ValueError(f"only a plain headway command can be run: {text}")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FORCE_COLOR", "CLICOLOR", "TTY_", "HEADWAY_"))}
    kept |= {"COLUMNS": str(COLUMNS), "NO_COLOR": "1", "PYTHONPATH": str(root / "src")}
    kept |= {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}
    with tempfile.TemporaryDirectory() as folder:
        for entry in root.iterdir():
            if not entry.name.startswith("."):
                (Path(folder) / entry.name).symlink_to(entry)
        done = subprocess.run(
            [sys.executable, "-c", _START, *argv[1:]],
            cwd=folder,
            env=kept,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=LIMIT_S,
            check=False,
        )
    return Result(done.returncode, trimmed(done.stdout.splitlines()))


def trimmed(lines: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Lines without trailing blanks, and without blank lines around them."""
    text = "\n".join(line.rstrip() for line in lines).strip("\n")
    return tuple(text.split("\n")) if text else ()


def agrees(shown: tuple[str, ...], real: tuple[str, ...]) -> bool:
    """Whether the shown lines are the real ones, a line ``...`` standing for any number of them.

    >>> agrees(("a", "...", "d"), ("a", "b", "c", "d"))
    True
    >>> agrees(("a", "d"), ("a", "b", "c", "d"))
    False
    """
    parts: list[list[str]] = [[]]
    for line in trimmed(shown):
        if line.strip() == ELLIPSIS:
            parts.append([])
        else:
            parts[-1].append(line)
    rest = list(trimmed(real))
    if len(parts) == 1:
        return parts[0] == rest
    head, *middle, tail = parts
    if len(head) + len(tail) > len(rest) or rest[: len(head)] != head or rest[len(rest) - len(tail) :] != tail:
        return False
    rest = rest[len(head) : len(rest) - len(tail)]
    for part in middle:
        at = next((i for i in range(len(rest) - len(part) + 1) if rest[i : i + len(part)] == part), None)
        if at is None:
            return False
        rest = rest[at + len(part) :]
    return True


def rewritten(shown: tuple[str, ...], real: tuple[str, ...]) -> tuple[str, ...]:
    """The output to show now: as before where it still agrees, else the real one, cut where it was cut.

    >>> rewritten(("a", "...", "d"), ("A", "b", "c", "D"))
    ('A', '...', 'D')
    """
    if agrees(shown, real):
        return shown
    before = [line.strip() for line in trimmed(shown)]
    if before.count(ELLIPSIS) == 1:
        head = before.index(ELLIPSIS)
        tail = len(before) - head - 1
        if head + tail < len(real):
            return (*real[:head], ELLIPSIS, *real[len(real) - tail :])
    return real


def refresh(text: str, runner: Callable[[str], Result] = run) -> str:
    """A page with the output of every command as it is now.

    Raises
    ------
    ValueError
        If a command ends with another exit code than the page says.
    """
    lines = text.splitlines()
    for command in reversed(list(commands(text))):
        if command.program != "headway" or command.not_run:
            continue
        result = runner(command.text)
        if result.exit_code != command.exit_code:
            said = "\n".join(result.lines[-5:])
            raise ValueError(f"line {command.line}: exit code {result.exit_code}, not {command.exit_code}:\n{said}")
        fresh = rewritten(command.shown, result.lines)
        if fresh != command.shown:
            prompt = lines[command.line - 1]
            indent = prompt[: len(prompt) - len(prompt.lstrip())]
            lines[command.first : command.last] = [(indent + line).rstrip() for line in fresh]
    return "\n".join(lines) + "\n"


def golden_table() -> str:
    """The golden claims as a Markdown table: stated, recomputed, on real hardware."""
    from headway.lecture import golden

    def cell(text: str) -> str:
        return " ".join(text.replace("|", "\\|").split()).replace("; ", "<br>")

    rows = ["| claim | as stated | recomputed | on sourced hardware and models | verdict |", "|---|---|---|---|---|"]
    for r in golden():
        parts = (f"**{r.id}** {r.statement}", r.stated, r.recomputed, r.datasheet or "-", r.verdict)
        rows.append("| " + " | ".join(cell(part) for part in parts) + " |")
    return "\n".join(rows)


def with_table(text: str) -> str:
    """A page with its table of golden claims as it is now; other pages as they are."""
    found = _TABLE.search(text)
    return text if found is None else text[: found.end(1)] + "\n" + golden_table() + "\n" + text[found.start(2) :]


def main(arguments: list[str]) -> int:
    """Refresh or check the pages named, or all of them."""
    check = "--check" in arguments
    named = [Path(a).resolve() for a in arguments if a != "--check"]
    failures = 0
    for page in named or pages():
        text = page.read_text(encoding="utf-8")
        try:
            fresh = with_table(refresh(text))
        except ValueError as error:
            print(f"{page.name}: {error}", file=sys.stderr)
            failures += 1
            continue
        if fresh != text:
            print(f"{page.name}: {'differs' if check else 'rewritten'}")
            failures += check
            if not check:
                page.write_text(fresh, encoding="utf-8")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
