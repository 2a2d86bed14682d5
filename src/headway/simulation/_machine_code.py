"""Compile with numba where it is installed; plain Python runs the same code where it is not.

The loop allocates nothing, so counting references, most of what a call would cost, is switched off.

Numba keys machine code on disk by the file of the function that Python calls, its bytecode and the values it closes
over, but not by what it calls in other files. An entry therefore closes over a digest of all of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

_njit: Any = None
try:
    import numba

    _njit = numba.njit
except ImportError:  # the extra `simulation` is absent: the loop runs, slowly
    pass

#: Nothing is allocated, and a division looks for no zero: the rules allow none.
_LOOP = MappingProxyType({"_nrt": False, "error_model": "numpy"})
_INSIDE = MappingProxyType({**_LOOP, "no_cpython_wrapper": True, "no_cfunc_wrapper": True})

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """The function as machine code inside other compiled ones; itself without numba.

    A call passes every array of the state, hundreds of words, which costs more than most of these functions do: they
    are put in the place of their calls.
    """
    if _njit is None:
        return function
    made: Function = _njit(forceinline=True, **_INSIDE)(function)
    return made


def compiled_once(function: Function) -> Function:
    """The same for what is called in one place: not compiled itself, but read into its caller before that is.

    Where each of a chain of callers is compiled, the whole body is optimised again at every link.
    """
    if _njit is None:
        return function
    made: Function = _njit(inline="always", **_INSIDE)(function)
    return made


def compiled_apart(function: Function) -> Function:
    """The same for what is called seldom: compiled once, and called."""
    if _njit is None:
        return function
    made: Function = _njit(**_INSIDE)(function)
    return made


def compiled_alone(function: Function) -> Function:
    """The same for a function that makes arrays and that Python calls, kept on disk with all of its own module."""
    made: Function = function if _njit is None else _njit(cache=True)(function)
    return made


def sources_key(folder: Path) -> int:
    """Digest of the modules of a folder whose names begin with ``_``, where compiled functions and their types live."""
    found = hashlib.sha256()
    for path in sorted(folder.glob("_*.py")):
        found.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return int.from_bytes(found.digest()[:7], "big")


def entry(make: Callable[[int], Function]) -> Function:
    """The function that `make` gives, as machine code that Python calls and numba keeps on disk.

    `make` gets the key of the sources beside its module and must use it inside the function, so that numba sees it as
    a closed-over value. Without numba it is the function itself.
    """
    if _njit is None:
        return make(0)
    made: Function = _njit(cache=True, **_LOOP)(make(sources_key(Path(make.__code__.co_filename).parent)))
    return made
