"""A bar on a terminal's stderr with what is done and the time left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[..., None] | None]:
    """Give a function of (done, all, ...) that moves a bar; None where stderr is no terminal.

    Parameters
    ----------
    what : str
        What is counted, as ``"requests"``.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    left = (TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=True))
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn(what), *left)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def show(done: int, every: int, _now: float = 0.0) -> None:
            bar.update(task, completed=done, total=every)

        yield show
