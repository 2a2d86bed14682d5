"""Many simulations at once: in this process, over its cores, or over a Ray cluster, by the same call."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib import import_module
from multiprocessing import get_context
from types import MappingProxyType
from typing import Any, Final, TypeVar

from headway.facts.check import whole
from headway.facts.errors import MissingExtraError, unknown

PLACES: Final[MappingProxyType[str, str]] = MappingProxyType(
    {
        "here": "one after the other, in this process",
        "processes": "over the cores of this machine",
        "ray": "over a Ray cluster, or a local one where there is none (the extra 'ray')",
    }
)
"""Where simulations run."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Done = Callable[[int, int], None]


#: Below so many requests in all, starting other processes takes longer than the runs.
_FEW = 100_000


def place_for(requests: int, over: str, workers: int | None) -> str:
    """Where runs of so many requests in all go: few stay in this process, unless workers or a cluster are asked for.

    >>> place_for(1000, "processes", None), place_for(1000, "processes", 2), place_for(10**6, "processes", None)
    ('here', 'processes', 'processes')
    """
    return "here" if over == "processes" and workers is None and requests < _FEW else over


def each(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    over: str = "processes",
    workers: int | None = None,
    done: Done | None = None,
) -> list[Result | None]:
    """Apply a function to every item; the results in the order of the items.

    Parameters
    ----------
    function : callable
        Of a module, so that other processes find it.
    items : sequence
    over : str
        Key of ``PLACES``.
    workers : int, optional
        Processes, or simulations that Ray runs at a time; all cores where not given.
    done : callable, optional
        Called with how many are done, and how many there are.

    Returns
    -------
    list
        After an interrupt (Ctrl-C) None for those that were not done.

    Raises
    ------
    UnknownNameError, MissingExtraError
        If there is no such place, or its package is not installed.

    Examples
    --------
    >>> each(abs, [-1, 2, -3], over="here")
    [1, 2, 3]
    """
    if over not in PLACES:
        raise unknown("over", over, PLACES)
    count = min(int(whole("workers", workers or os.cpu_count() or 1)), len(items))
    found: list[Result | None] = [None] * len(items)
    try:
        if over == "ray":
            _with_ray(function, items, count, found, done)
        elif over == "here" or count < 2:
            for k, item in enumerate(items):
                found[k] = function(item)
                _tell(done, k + 1, len(items))
        else:
            _with_processes(function, items, count, found, done)
    except KeyboardInterrupt:
        pass
    return found


def _tell(done: Done | None, count: int, of: int) -> None:
    if done is not None:
        done(count, of)


def _leave_interrupts() -> None:
    """Ctrl-C is the parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _with_processes(
    function: Callable[[Any], Any], items: Sequence[Any], count: int, found: list[Any], done: Done | None
) -> None:
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_leave_interrupts)
    with pool:
        waiting = {pool.submit(function, item): k for k, item in enumerate(items)}
        try:
            for number, future in enumerate(as_completed(waiting), 1):
                found[waiting[future]] = future.result()
                _tell(done, number, len(items))
        except KeyboardInterrupt:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _with_ray(
    function: Callable[[Any], Any], items: Sequence[Any], count: int, found: list[Any], done: Done | None
) -> None:
    try:
        ray = import_module("ray")
    except ImportError as error:
        raise MissingExtraError("Ray", "ray") from error
    ours = not ray.is_initialized()
    if ours:
        ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)

    def call(item: Any) -> Any:
        return function(item)

    remote = ray.remote(call)
    left, finished = list(enumerate(items)), 0
    running: dict[Any, int] = {}
    try:
        while left or running:
            while left and len(running) < count:
                k, item = left.pop(0)
                running[remote.remote(item)] = k
            for future in ray.wait(list(running))[0]:
                found[running.pop(future)] = ray.get(future)
                finished += 1
                _tell(done, finished, len(items))
    finally:
        if ours:
            ray.shutdown()
