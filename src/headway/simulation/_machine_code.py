"""Compile with numba where it is installed; plain Python runs the same code where it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

try:
    from numba import njit
except ImportError:  # the extra `simulation` is absent: the loop runs, slowly
    njit = None

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """The function as machine code for other compiled ones; itself without numba."""
    return function if njit is None else njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


def entry(function: Function) -> Function:
    """The function as machine code that Python calls, kept on disk beside its module; itself without numba."""
    return function if njit is None else njit(cache=True)(function)
