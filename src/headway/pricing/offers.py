"""Offers of open models: what each host charges for a model whose size is known.

A file of offers has one line for each model, host and source, with the columns of the packaged table
(``facts/data/open_prices.csv``). Only ``model``, ``in_usd_mtok`` and ``out_usd_mtok`` are needed; the size columns
may be empty for a model that is to be read, and a host that is not named is a host of its own.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from headway.facts.errors import InputError, unknown

_LARGEST_FILE = 1 << 25
_BLANK = frozenset({"", "-", "na", "n/a", "nan", "none", "null"})
_LARGEST_PRICE = 1e5
_LARGEST_PARAMS = 1e6
#: Columns that every file of offers must have.
NEEDED = ("model", "in_usd_mtok", "out_usd_mtok")
#: Tiers that count as the standard price; the others (fast, turbo) buy speed as well.
STANDARD_TIERS = frozenset({"std", "standard", ""})
_MAKERS = MappingProxyType(
    {"mixtral": "mistral", "codestral": "mistral", "ministral": "mistral", "magistral": "mistral"}
)
_MAKERS_ALSO = MappingProxyType({"devstral": "mistral", "qwq": "qwen", "qvq": "qwen", "codellama": "llama"})


@dataclass(frozen=True, slots=True)
class Offer:
    """What one host charges for one model.

    Parameters
    ----------
    model, host : str
    tier : str
        ``"std"``, or what is sold beside it.
    input_usd_per_mtok, output_usd_per_mtok : float
        [$/Mtok].
    total_params, active_params : float
        Known size [1]; NaN where it is not.
    source : str
        Who says so.
    cache_read_usd_per_mtok : float
        [$/Mtok]; NaN where it is not charged apart.
    """

    model: str
    host: str
    tier: str
    input_usd_per_mtok: float
    output_usd_per_mtok: float
    total_params: float
    active_params: float
    source: str
    cache_read_usd_per_mtok: float = math.nan


@dataclass(frozen=True, slots=True)
class Quotes:
    """Offers of the standard tier as arrays: one quote is the median of a host's offers for a model.

    Parameters
    ----------
    models : tuple of str
        Sorted names, ``n`` of them.
    families : tuple of str
        Family of each.
    log_size : ndarray
        Natural logarithms of active and total parameters, shape (n, 2); NaN where not known.
    model_index : ndarray
        Model of each quote.
    hosts : tuple of str
        Host of each quote.
    log_price : ndarray
        Natural logarithms of the input and the output price, one row a quote [ln $/Mtok].
    left_out : int
        Offers not used: another tier, free of charge, or without one of the prices.
    """

    models: tuple[str, ...]
    families: tuple[str, ...]
    log_size: NDArray[np.float64]
    model_index: NDArray[np.int64]
    hosts: tuple[str, ...]
    log_price: NDArray[np.float64]
    left_out: int = 0

    def only(self, kept: Iterable[int]) -> Quotes:
        """The quotes of some models, by index."""
        chosen = sorted(set(kept))
        place = {old: new for new, old in enumerate(chosen)}
        mine = [row for row, model in enumerate(self.model_index) if int(model) in place]
        return Quotes(
            tuple(self.models[i] for i in chosen),
            tuple(self.families[i] for i in chosen),
            self.log_size[chosen],
            np.array([place[int(self.model_index[row])] for row in mine], dtype=np.int64),
            tuple(self.hosts[row] for row in mine),
            self.log_price[mine],
        )


def family(model: str) -> str:
    """Family of a model: the letters its name begins with, with the names of one maker put together.

    >>> family("qwen3-235b-a22b"), family("mixtral-8x7b"), family("gpt-oss-120b")
    ('qwen', 'mistral', 'gpt')
    """
    start = re.match(r"[a-z]+", model.strip().lower().rpartition("/")[2])
    stem = start.group(0) if start else model.strip().lower()
    return _MAKERS.get(stem, _MAKERS_ALSO.get(stem, stem))


def _number(place: str, text: str, most: float) -> float:
    if text.lower() in _BLANK:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and 0 <= value <= most):
        raise InputError(place, text, f"a number from 0 to {most:g}, or nothing")
    return value


def _size(place: str, text: str) -> float:
    value = _number(place, text, _LARGEST_PARAMS)
    if value == 0:
        raise InputError(place, text, "parameters in billions, above 0, or nothing")
    return value * 1e9


def _offer(where: str, number: int, cells: Mapping[str, str]) -> Offer:
    def text(column: str) -> str:
        return (cells.get(column) or "").strip()

    def place(column: str) -> str:
        return f"{where}: row {number}: {column}"

    if not text("model"):
        raise InputError(place("model"), "nothing", "the name of a model")
    total, active = (_size(place(key), text(key)) for key in ("total_params_b", "active_params_b"))
    if active > total * 1.05:
        raise InputError(place("active_params_b"), text("active_params_b"), "at most total_params_b")
    return Offer(
        model=text("model").lower(),
        host=text("host").lower() or f"row {number}",
        tier=text("tier").lower(),
        input_usd_per_mtok=_number(place("in_usd_mtok"), text("in_usd_mtok"), _LARGEST_PRICE),
        output_usd_per_mtok=_number(place("out_usd_mtok"), text("out_usd_mtok"), _LARGEST_PRICE),
        total_params=total,
        active_params=active,
        source=text("price_source"),
        cache_read_usd_per_mtok=_number(place("cache_read_usd_mtok"), text("cache_read_usd_mtok"), _LARGEST_PRICE),
    )


def parse_offers(text: str, where: str) -> tuple[Offer, ...]:
    r"""Read offers from CSV text.

    >>> parse_offers("model,in_usd_mtok,out_usd_mtok\nmine-7b,0.1,0.2\n", "mine.csv")[0].output_usd_per_mtok
    0.2

    Raises
    ------
    InputError
        Naming the row and the column that cannot be used; a missing column raises
        :class:`~headway.facts.errors.UnknownNameError` with the nearest one.
    """
    reader = csv.DictReader(io.StringIO(text))
    header = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = header
    for column in NEEDED:
        if column not in header:
            raise unknown(where, column, header, f"a table with the columns {', '.join(NEEDED)}")
    try:
        offers = tuple(_offer(where, number, row) for number, row in enumerate(reader, 2))
    except csv.Error as error:
        raise InputError(where, str(error), "a CSV file") from None
    if not offers:
        raise InputError(where, "no rows", "at least one offer")
    return offers


def read_offers(path: str | Path) -> tuple[Offer, ...]:
    """Read a file of offers.

    >>> read_offers("absent.csv")
    Traceback (most recent call last):
    headway.facts.errors.InputError: file: 'absent.csv' is not accepted: expected a readable CSV file ...

    Raises
    ------
    InputError
        If it cannot be read, is larger than 32 MiB, or a row cannot be used.
    """
    file = Path(path)
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST_FILE + 1)
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "text in UTF-8"
        raise InputError("file", str(path), f"a readable CSV file ({reason})") from None
    if len(content) > _LARGEST_FILE:
        raise InputError("file", str(path), "a CSV file of at most 32 MiB")
    return parse_offers(text, file.name)


@cache
def open_offers() -> tuple[Offer, ...]:
    """Offers of open models in the packaged table.

    >>> len(open_offers()), len({offer.model for offer in open_offers()})
    (580, 34)
    """
    from importlib import resources

    text = resources.files("headway.facts").joinpath("data", "open_prices.csv").read_text(encoding="utf-8")
    return parse_offers(text, "open_prices.csv")


def quotes(offers: Iterable[Offer]) -> Quotes:
    """Put offers together: standard tier, both prices above zero, one quote for a model and host.

    A size that rows of one model state differently is the median of what they state.

    >>> found = quotes(open_offers())
    >>> len(found.models), found.left_out, found.log_price.shape[1]
    (34, 15, 2)

    Raises
    ------
    InputError
        If no offer can be used.
    """
    cells: dict[tuple[str, str], list[tuple[float, float]]] = {}
    sizes: dict[str, list[tuple[float, float]]] = {}
    left_out = 0
    for one in offers:
        prices = (one.input_usd_per_mtok, one.output_usd_per_mtok)
        if one.tier not in STANDARD_TIERS or not all(paid > 0 for paid in prices):
            left_out += 1
            continue
        cells.setdefault((one.model, one.host), []).append(prices)
        sizes.setdefault(one.model, []).append((one.active_params, one.total_params))
    if not cells:
        raise InputError("offers", "none", "at least one offer of the standard tier with both prices above 0")
    models = tuple(sorted(sizes))
    place = {name: number for number, name in enumerate(models)}
    keys = sorted(cells)
    known = np.log([[_median([pair[side] for pair in sizes[name]]) for side in (0, 1)] for name in models])
    prices_of = np.array([np.median(np.log(cells[key]), axis=0) for key in keys])
    index = np.array([place[name] for name, _ in keys], dtype=np.int64)
    return Quotes(
        models, tuple(family(m) for m in models), known, index, tuple(h for _, h in keys), prices_of, left_out
    )


def _median(values: list[float]) -> float:
    """Median of the numbers that are known; NaN where none is."""
    known = [value for value in values if math.isfinite(value)]
    return float(np.median(known)) if known else math.nan
