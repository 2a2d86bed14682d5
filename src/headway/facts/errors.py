"""One small tree of errors. A message names the field, the value, what is accepted and the nearest valid choice.

Misuse raises; infeasibility does not (it is a value with a reason). Faces turn an
:class:`InputError` into one line and exit code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HeadwayError(Exception):
    """Base of every error that Headway raises on purpose."""


class InputError(HeadwayError, ValueError):
    """A value that cannot be used.

    Parameters
    ----------
    field : str
        Name of the field as the user knows it (``"isl"``, ``"config.json: num_hidden_layers"``).
    value : object
        The value as given, with its unit.
    expected : str
        What is accepted.
    nearest : str, optional
        The nearest valid choice.

    Examples
    --------
    >>> print(InputError("tp", 3, "a divisor of 8 chips", nearest="2"))
    tp: 3 is not accepted: expected a divisor of 8 chips; did you mean 2?
    """

    def __init__(self, field: str, value: object, expected: str, nearest: str | None = None) -> None:
        self.field = field
        self.value = value
        self.expected = expected
        self.nearest = nearest
        hint = f"; did you mean {nearest}?" if nearest else ""
        super().__init__(f"{field}: {shorten(value)} is not accepted: expected {expected}{hint}")


class UnitError(InputError):
    """A quantity without a unit, with an unknown unit or with one of another dimension."""


class RangeError(InputError):
    """A number outside the accepted range, or not a finite number."""


class UnknownNameError(InputError):
    """A name that is not in the catalog."""


class ConfigError(InputError):
    """A published ``config.json`` that cannot be read as a model."""


class LayoutError(InputError):
    """A parallel layout that does not divide the model or the system."""


class MissingExtraError(HeadwayError, ImportError):
    """An optional dependency is absent; the message says which extra mends it.

    Examples
    --------
    >>> print(MissingExtraError("scipy", "fit"))
    scipy is not installed: pip install 'headway[fit]'
    """

    def __init__(self, package: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(f"{package} is not installed: pip install 'headway[{extra}]'")


def shorten(value: object, limit: int = 60) -> str:
    """Show a value on one line of at most `limit` characters, whatever it is.

    >>> shorten("a" * 100, 12)
    "'aaaaaaa...'"
    """
    text = value if isinstance(value, str) else str(value)
    text = " ".join(text.split())
    if len(text) > limit - 2:
        text = text[: limit - 5] + "..."
    return f"'{text}'" if isinstance(value, str) else text


def nearest(name: str, options: Iterable[str]) -> str | None:
    """Return the option closest in spelling to `name`, or None where none is close.

    >>> nearest("deepsek-v3", ["deepseek-v3", "kimi-k2"])
    'deepseek-v3'
    """
    pool = {option.lower(): option for option in options}
    close = difflib.get_close_matches(name.lower()[:200], pool, n=1, cutoff=0.5)
    return pool[close[0]] if close else None


def unknown(field: str, name: str, options: Iterable[str], listing: str | None = None) -> UnknownNameError:
    """Build the error for a name that is not among `options`.

    >>> print(unknown("precision", "fp7", ["fp8", "bf16"]))
    precision: 'fp7' is not accepted: expected one of bf16, fp8; did you mean fp8?
    """
    names = sorted(options)
    accepted = listing or (f"one of {', '.join(names)}" if len(names) <= 12 else f"one of {len(names)} known names")
    return UnknownNameError(field, name, accepted, nearest(name, names))
