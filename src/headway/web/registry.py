"""The chapters of the board: every module of :mod:`headway.web.chapters` that has a ``CHAPTER``."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import MappingProxyType

from headway.facts.errors import unknown
from headway.web import chapters as folder
from headway.web.chapter import Chapter


@cache
def chapters() -> MappingProxyType[str, Chapter]:
    """All chapters by id, in the order of the table of contents: part by part, each where its first chapter is."""
    modules = (importlib.import_module(f"{folder.__name__}.{m.name}") for m in pkgutil.iter_modules(folder.__path__))
    found = [module.CHAPTER for module in modules if hasattr(module, "CHAPTER")]
    first: dict[str, int] = {}
    for one in found:
        first[one.part] = min(one.order, first.get(one.part, one.order))
    ordered = sorted(found, key=lambda one: (first[one.part], one.part, one.order, one.id))
    return MappingProxyType({one.id: one for one in ordered})


def chapter(name: str) -> Chapter:
    """Look a chapter up.

    Raises
    ------
    UnknownNameError
        If there is no such chapter; the message gives the nearest.
    """
    known = chapters()
    if name not in known:
        raise unknown("chapter", name, known, f"one of {', '.join(known)}")
    return known[name]
