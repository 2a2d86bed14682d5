"""Compile with numba where it is installed; plain Python runs the same code where it is not.

The loop allocates nothing, so counting references, most of what a call would cost, is switched off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

_njit: Any = None
try:
    import numba

    _njit = numba.njit
except ImportError:  # the extra `simulation` is absent: the loop runs, slowly
    pass

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """The function as machine code for other compiled ones; itself without numba."""
    if _njit is None:
        return function
    made: Function = _njit(_nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    return made


def entry(function: Function) -> Function:
    """The function as machine code that Python calls, kept on disk beside its module; itself without numba."""
    if _njit is None:
        return function
    made: Function = _njit(_nrt=False, cache=True)(function)
    return made
