"""Whatever goes wrong becomes one line on stderr and an exit code; never a traceback.

0 done; 1 infeasible, or a check failed; 2 misuse; 70 a defect of Headway; 74 the system could not read
or write; 130 interrupted; 141 the reader of a pipe went away (both as shells count signals).
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Final

import click

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
DEFECT: Final = 70
INPUT_OUTPUT: Final = 74
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141

TRACEBACK_VARIABLE: Final = "HEADWAY_TRACEBACK"
LINE_LIMIT: Final = 600


def one_line(text: str, limit: int = LINE_LIMIT) -> str:
    r"""Put a message on one line that no terminal misreads: no line breaks, no control characters.

    >>> one_line("a\n  b\x1b[31m")
    'a b?[31m'
    """
    words = " ".join(text.split())
    shown = "".join(character if character.isprintable() else "?" for character in words)
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def alternatives(names: list[str]) -> str:
    """Phrase near matches as a question.

    >>> alternatives(["--json", "--csv"])
    '; did you mean --json or --csv?'
    """
    return f"; did you mean {' or '.join(names)}?" if names else ""


def usage_message(error: click.UsageError) -> str:
    """Phrase a usage error of the parser as one sentence with a near match and where help is.

    >>> usage_message(click.NoSuchOption("--jsn", possibilities=["--json"]))
    "No such option '--jsn'; did you mean --json?"
    """
    message = error.message or error.format_message()
    if isinstance(error, click.NoSuchOption):
        message = f"No such option '{error.option_name}'" + alternatives(list(error.possibilities or ()))
    elif isinstance(error, click.BadParameter):
        message = error.format_message()
    where = f" (see '{error.ctx.command_path} --help')" if error.ctx is not None else ""
    return message.strip().rstrip(".") + where


def describe(error: BaseException) -> tuple[int, str]:
    """Say the exit code and the line of an exception; an empty line means that nothing is said.

    >>> from headway.facts.errors import InputError
    >>> describe(InputError("tp", 3, "a divisor of 8 chips"))
    (2, 'tp: 3 is not accepted: expected a divisor of 8 chips')
    """
    from headway.facts.errors import HeadwayError

    if isinstance(error, HeadwayError):
        return USAGE, str(error)
    if isinstance(error, click.UsageError):
        return USAGE, usage_message(error)
    if isinstance(error, click.ClickException):
        return USAGE, error.format_message()
    if isinstance(error, (KeyboardInterrupt, click.Abort, EOFError)):
        return INTERRUPTED, "interrupted"
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE, ""
    if isinstance(error, OSError) and error.strerror:
        return INPUT_OUTPUT, f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return DEFECT, "out of memory: ask for fewer points at once"
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return DEFECT, f"defect in headway, please report it: {reason} ({TRACEBACK_VARIABLE}=1 shows where)"


def silence_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush of a closed pipe cannot complain."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, descriptor)
    os.close(sink)


def report(error: BaseException) -> int:
    """Write the line of an exception to stderr and return the exit code.

    With ``HEADWAY_TRACEBACK=1`` the traceback is written before it.
    """
    code, message = describe(error)
    if code in (BROKEN_PIPE, INPUT_OUTPUT):
        silence_stdout()
    if code == BROKEN_PIPE:
        return code
    if os.environ.get(TRACEBACK_VARIABLE, "0") not in ("", "0"):
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    with contextlib.suppress(OSError):
        print(f"headway: error: {one_line(message)}", file=sys.stderr)
    return code
