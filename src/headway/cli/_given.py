"""Which options stand on the command line, and the refusal of those that would do nothing."""

from __future__ import annotations

from typing import NamedTuple

import click
from click.core import ParameterSource

from headway.facts.errors import InputError


class Idle(NamedTuple):
    """Options that do nothing here: their parameters' names, beside what they stand, and what they need."""

    names: tuple[str, ...]
    beside: str
    needed: str


def is_given(name: str) -> bool:
    """Whether the user gave an option of the running command, by its parameter's name."""
    source = click.get_current_context().get_parameter_source(name)
    return source not in (None, ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)


def refuse_idle(*rows: Idle) -> None:
    """Refuse the first option given that does nothing.

    Raises
    ------
    InputError
        Naming the option, what makes it idle and what it needs.
    """
    for row in rows:
        for name in row.names:
            if is_given(name):
                raise InputError(f"--{name.replace('_', '-')}", row.beside, row.needed)
