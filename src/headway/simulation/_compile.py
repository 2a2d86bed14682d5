"""Compile with numba where it is installed; plain Python runs the same code where it is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

njit: Any
try:
    from numba import njit
except ImportError:  # the extra `simulation` is absent: the loop runs, slowly
    njit = None

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """The function as machine code, kept on disk beside the module; itself without numba."""
    made: Function = function if njit is None else njit(cache=True)(function)
    return made
