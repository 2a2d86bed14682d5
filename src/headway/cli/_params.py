"""Types of options and arguments: quantities with units, names of the catalogs, lists.

Each raises the library's own errors, which name the option, the value and the nearest valid choice.
Tables are imported when a value is converted or completed, never when a command is only declared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from headway.facts.hardware import System
    from headway.facts.model import Model

    _AnyType = click.ParamType[Any]  # generic for type checkers only: older releases of click cannot subscript it
else:
    _AnyType = click.ParamType

Value = TypeVar("Value")
_LONGEST_LIST: Final = 1000
_MOST_DIGITS: Final = 300


def field_name(param: click.Parameter | None) -> str:
    """Name of a parameter as the user typed it: the longest option, or the argument in capitals.

    >>> field_name(click.Option(["-b", "--batch"])), field_name(click.Argument(["name"]))
    ('--batch', 'NAME')
    """
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    return (param.name or "value").upper() if param is not None else "value"


class Converted(_AnyType, Generic[Value]):
    """A parameter whose text a function converts; the function gets the text and the parameter's name.

    Parameters
    ----------
    name : str
        What help pages show.
    convert_text : callable
        ``(text, field) -> value``; raises from :mod:`headway.facts.errors`.
    names : callable, optional
        Gives the names that a shell may complete.
    files : bool
        A shell may complete file names.
    """

    def __init__(
        self,
        name: str,
        convert_text: Callable[[str, str], Value],
        names: Callable[[], Sequence[str]] | None = None,
        *,
        files: bool = False,
    ) -> None:
        self.name = name
        self.files = files
        self.convert_text = convert_text
        self.names = names

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert text; a value that is none (a default) is taken as it is."""
        return self.convert_text(value, field_name(param)) if isinstance(value, str) else value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Complete names, after the last comma where the value is a list."""
        from click.shell_completion import CompletionItem

        if self.files:
            return [CompletionItem(incomplete, type="file")]
        before, comma, last = incomplete.rpartition(",")
        names = self.names() if self.names is not None else ()
        return [CompletionItem(f"{before}{comma}{name}") for name in names if name.startswith(last)]


def quantity(dimension: str, metavar: str | None = None) -> Converted[float]:
    """A quantity with its unit, as :func:`headway.facts.units.parse` reads it.

    Parameters
    ----------
    dimension : str
        Key of :data:`headway.facts.dimensions.DIMENSIONS`.
    metavar : str, optional
        What help pages show; the dimension where not given.

    Examples
    --------
    >>> quantity("seconds").convert("20 ms", None, None)
    0.02
    """

    def read(text: str, field: str) -> float:
        from headway.facts.units import parse

        return parse(text, dimension, field)

    return Converted(metavar or dimension, read)


def integer(least: int = 1, most: int | None = None, metavar: str = "integer") -> Converted[int]:
    """A whole number that may carry a prefix (``4k``).

    >>> integer().convert("4k", None, None), integer().convert("9007199254740993", None, None)
    (4000, 9007199254740993)
    """

    def read(text: str, field: str) -> int:
        from headway.facts.check import whole
        from headway.facts.units import parse

        plain = text.strip()
        # Plain digits are exact however many there are; a float would round those past 2^53.
        if plain.isascii() and plain.isdigit() and len(plain) <= _MOST_DIGITS:
            return int(whole(field, int(plain), least=least, most=most))
        return int(whole(field, parse(text, "count", field), least=least, most=most))

    return Converted(metavar, read)


def listed(one: Converted[Value]) -> Converted[tuple[Value, ...]]:
    """Several values of one type, separated by commas.

    >>> listed(quantity("tokens")).convert("4k, 8k", None, None)
    (4000.0, 8000.0)
    """

    def read(text: str, field: str) -> tuple[Value, ...]:
        from headway.facts.errors import InputError

        pieces = [piece.strip() for piece in text.split(",")]
        if not all(pieces) or len(pieces) > _LONGEST_LIST:
            raise InputError(field, text, f"1 to {_LONGEST_LIST} values separated by commas")
        return tuple(one.convert_text(piece, field) for piece in pieces)

    return Converted(f"{one.name},...", read, one.names)


def choice(name: str, options: Callable[[], Sequence[str]]) -> Converted[str]:
    """One of several names; the error for another one says which is nearest.

    >>> choice("speed", lambda: ("fast", "slow")).convert("fast", None, None)
    'fast'
    """

    def read(text: str, field: str) -> str:
        from headway.facts.errors import unknown

        known = options()
        if text not in known:
            raise unknown(field, text, known)
        return text

    return Converted(name, read, options)


def number_formats() -> tuple[str, ...]:
    """Names of the number formats."""
    from headway.facts.precision import FORMATS

    return tuple(FORMATS)


def model_names() -> tuple[str, ...]:
    """Names of the catalog's models."""
    from headway.facts import models

    return tuple(models.model_names())


def system_names() -> tuple[str, ...]:
    """Names of the catalog's systems."""
    from headway.facts import systems

    return tuple(systems.system_names())


def named_model(text: str) -> Model:
    """The model of that name in the catalog, or in a ``config.json`` of that path.

    >>> named_model("llama-3.1-8b").name
    'llama-3.1-8b'
    """
    from headway.facts.model import Model
    from headway.facts.models import model

    return Model.from_config(text) if text.strip().lower().endswith(".json") else model(text)


def _model(text: str, _field: str) -> Model:
    return named_model(text)


def _system(text: str, _field: str) -> System:
    from headway.facts.systems import system

    return system(text)


def _path(text: str, field: str) -> str:
    from headway.facts.errors import InputError

    if not text or "\0" in text:
        raise InputError(field, text, "the path of a file")
    return text


MODEL: Final = Converted("model", _model, model_names)
SYSTEM: Final = Converted("system", _system, system_names)
PRECISION: Final = choice("format", number_formats)
TIME: Final = quantity("seconds", "time")
TOKENS: Final = quantity("tokens", "tokens")
FRACTION: Final = quantity("fraction", "fraction")
CONFIG: Final = Converted("path", _path, files=True)
