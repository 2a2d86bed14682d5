"""A second table of prices beside the packaged one: where the two differ.

The second source is litellm's ``model_prices_and_context_window.json`` (MIT), a file that the user gives: it is
3 MB, changes daily and is not shipped. Only the maker's own entries are compared, not those of resellers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from headway.facts.errors import InputError
from headway.facts.prices import PriceFact, default_day

_LARGEST_FILE: Final = 1 << 26
_MEGA: Final = 1e6
#: Figures that differ by less are taken to agree.
AGREES_WITHIN: Final = 0.01
# Their name of each field; a step, then a mode, is appended.
_FIELDS: Final = MappingProxyType(
    {
        "input": "input_cost_per_token",
        "output": "output_cost_per_token",
        "cache_read": "cache_read_input_token_cost",
        "cache_write_5m": "cache_creation_input_token_cost",
        "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
    }
)
_MODES: Final = MappingProxyType({"standard": "", "batch": "_batches", "flex": "_flex", "priority": "_priority"})
# A provider is named by the first word of its name, but for this one.
_PROVIDERS: Final = MappingProxyType({"google": "gemini"})


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure in both sources.

    Parameters
    ----------
    fact : PriceFact
        Ours.
    entry : str
        Their key.
    other_usd_per_mtok : float
        Theirs [$/Mtok].
    """

    fact: PriceFact
    entry: str
    other_usd_per_mtok: float

    @property
    def ratio(self) -> float:
        """Theirs over ours [1]."""
        return self.other_usd_per_mtok / self.fact.value

    @property
    def agrees(self) -> bool:
        """Whether they differ by less than 1%."""
        return abs(self.ratio - 1.0) < AGREES_WITHIN


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """What a second source says of a table of prices.

    Parameters
    ----------
    compared : tuple of Compared
        Every figure that both have.
    unknown_models : tuple of str
        Models that only the first has.
    only_here : int
        Figures of known models that only the first has [1].
    """

    compared: tuple[Compared, ...]
    unknown_models: tuple[str, ...]
    only_here: int

    @property
    def differences(self) -> tuple[Compared, ...]:
        """Figures that differ by 1% or more."""
        return tuple(one for one in self.compared if not one.agrees)


def read_second_source(path: str | Path) -> Mapping[str, Mapping[str, Any]]:
    """Entries of a file with litellm's prices.

    >>> read_second_source("absent.json")
    Traceback (most recent call last):
    headway.facts.errors.InputError: file: 'absent.json' is not accepted: expected a readable JSON file ...

    Raises
    ------
    InputError
        If it cannot be read, is larger than 64 MiB, or is no table of models.
    """
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            raise InputError("file", str(path), "a JSON file of at most 64 MiB")
        table = json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "an object of models"
        raise InputError("file", str(path), f"a readable JSON file ({reason})") from None
    rows = {k: v for k, v in table.items() if isinstance(v, dict)} if isinstance(table, dict) else {}
    if not any("input_cost_per_token" in row for row in rows.values()):
        raise InputError("file", str(path), "litellm's table of models with input_cost_per_token")
    return rows


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().rpartition("/")[2]).removesuffix("preview")


def second_opinion(facts: Iterable[PriceFact], table: Mapping[str, Mapping[str, Any]]) -> SecondOpinion:
    """Compare the figures that hold now with a second source.

    Parameters
    ----------
    facts : iterable of PriceFact
        Of :func:`~headway.facts.prices.price_facts`; those that have ended are left aside.
    table : mapping
        Of :func:`read_second_source`.

    Examples
    --------
    >>> from headway.facts.prices import price_facts
    >>> theirs = {"input_cost_per_token": 2e-6, "output_cost_per_token": 1.2e-5, "litellm_provider": "gemini"}
    >>> gemini = [f for f in price_facts() if f.model == "gemini-3.1-pro"]
    >>> found = second_opinion(gemini, {"gemini/gemini-3.1-pro-preview": theirs})
    >>> [(one.fact.field, one.agrees) for one in found.compared]
    [('input', True), ('output', True)]
    """
    entries = {(_plain(key), str(row.get("litellm_provider", ""))): key for key, row in reversed(list(table.items()))}
    compared, unknown, only_here = [], set(), 0
    every = tuple(facts)
    day = default_day(every)
    for fact in every:
        if not fact.holds(day) or fact.unit != "$/Mtok" or fact.hours or fact.field not in _FIELDS:
            continue
        provider = (fact.provider.split() or [""])[0].lower()
        key = entries.get((_plain(fact.model), _PROVIDERS.get(provider, provider)))
        if key is None:
            unknown.add(fact.model)
            continue
        value = _figure(table[key], fact)
        if value is None:
            only_here += 1
        else:
            compared.append(Compared(fact, key, value))
    return SecondOpinion(tuple(compared), tuple(sorted(unknown)), only_here)


def _figure(row: Mapping[str, Any], fact: PriceFact) -> float | None:
    mode = _MODES.get(fact.mode)
    step = f"_above_{fact.above / 1e3:.0f}k_tokens" if fact.above else ""
    value = None if mode is None else row.get(f"{_FIELDS[fact.field]}{step}{mode}")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        return None
    return float(value) * _MEGA
