"""Read the published two-sided markets: a folder with ``customers/*.yaml``, ``businesses/*.yaml`` and baselines.

The form is that of Magentic Marketplace (microsoft/multi-agent-marketplace, MIT licence; arXiv 2510.25779). A
customer values each item of its basket and needs amenities; a business has prices, amenities and a private reserve
(``min_price_factor``); ``baseline_utilities.json``, where present, has the total utility of four policies.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from headway.economy.population import (
    Band,
    Businesses,
    Consumers,
    Population,
    check_population,
    ragged,
)
from headway.facts.errors import InputError, MissingExtraError

BASELINES: Final = "baseline_utilities.json"
PUBLISHED: Final = MappingProxyType(
    {
        "optimal": "pick_optimal_baseline",
        "cheapest": "pick_cheapest_baseline",
        "random": "pick_any_baseline",
        "random-amenities": "pick_any_with_amenities_baseline",
    }
)
"""Our policies and the names of their published baselines."""
_LARGEST_FILE: Final = 1 << 20
_MOST_FILES: Final = 1_000_000


def read_population(folder: str | Path, *, currency: str = "USD") -> Population:
    """Read a data set; everyone starts to look at the opening bell.

    Parameters
    ----------
    folder : path
        Holds ``customers`` and ``businesses``.
    currency : str
        Of every amount.

    Returns
    -------
    Population
        Ascending by id, whatever the order of the files.

    Raises
    ------
    InputError
        If the folder or a file cannot be read as one; the message names the file and the field.
    MissingExtraError
        If PyYAML is absent.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp())
    >>> for name in ("customers", "businesses"):
    ...     (place / name).mkdir()
    >>> _ = (place / "customers" / "a.yaml").write_text(
    ...     "{id: c1, name: Ann, request: soup, menu_features: {Soup: 4.5}, amenity_features: [wifi]}"
    ... )
    >>> _ = (place / "businesses" / "b.yaml").write_text(
    ...     "{id: b1, name: Bo, menu_features: {Soup: 4.25}, amenity_features: {wifi: true}, min_price_factor: 0.8}"
    ... )
    >>> market = read_population(place)
    >>> market.items, market.consumers.worth.tolist(), market.businesses.price.tolist()
    (('Soup',), [4500000], [4250000])
    """
    path = Path(folder)
    customers, businesses = (_documents(path, name) for name in ("customers", "businesses"))
    items = _words([entry[1].get("menu_features") for entry in (*customers, *businesses)])
    tags = _words([entry[1].get("amenity_features") for entry in (*customers, *businesses)])
    item_of, tag_of = ({name: i for i, name in enumerate(words)} for words in (items, tags))
    buyers = [_customer(where, entry, item_of, tag_of, currency) for where, entry in customers]
    sellers = [_business(where, entry, item_of, tag_of, currency) for where, entry in businesses]
    buyers.sort(key=lambda row: str(row[0]))
    sellers.sort(key=lambda row: str(row[0]))
    n, m = len(buyers), len(sellers)
    return check_population(
        Population(
            path.resolve().name,
            currency,
            items,
            tags,
            Consumers(
                tuple(row[0] for row in buyers),
                tuple(row[1] for row in buyers),
                ragged([list(row[2]) for row in buyers]),
                np.array([v for row in buyers for v in row[2].values()], dtype=np.int64),
                ragged([row[3] for row in buyers]),
                np.zeros((n, 2)),
                np.zeros(n, dtype=np.int64),
            ),
            Businesses(
                tuple(row[0] for row in sellers),
                tuple(row[1] for row in sellers),
                tuple(row[2] for row in sellers),
                ragged([list(row[3]) for row in sellers]),
                np.array([v for row in sellers for v in row[3].values()], dtype=np.int64),
                ragged([row[4] for row in sellers]),
                np.array([row[5] for row in sellers]),
                np.array([row[6] for row in sellers]),
                np.zeros((m, 2)),
                np.zeros(m, dtype=np.int64),
            ),
            _baselines(path / BASELINES),
            (f"{n} customers and {m} businesses read from files",),
        )
    )


def _documents(path: Path, name: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Every YAML file of one folder with the name that errors call it by."""
    try:
        yaml = import_module("yaml")
    except ImportError:
        raise MissingExtraError("pyyaml", "economy") from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    folder = path / name
    if not folder.is_dir():
        raise InputError("data set", str(path), f"a folder that holds '{name}'")
    files = sorted(p for p in folder.iterdir() if p.suffix in (".yaml", ".yml"))
    if not 0 < len(files) <= _MOST_FILES:
        raise InputError(f"{path.name}/{name}", f"{len(files)} YAML files", f"1 to {_MOST_FILES:,}")
    found: list[tuple[str, Mapping[str, Any]]] = []
    for file in files:
        where = f"{name}/{file.name}"
        if file.stat().st_size > _LARGEST_FILE:
            raise InputError(where, f"{file.stat().st_size:,} bytes", f"at most {_LARGEST_FILE:,} bytes")
        try:
            read = yaml.load(file.read_text(encoding="utf-8"), Loader=loader)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise InputError(where, str(error).splitlines()[0], "a YAML mapping in UTF-8") from None
        if not isinstance(read, dict):
            raise InputError(where, type(read).__name__, "a YAML mapping")
        found.append((where, read))
    return found


def _words(groups: list[Any]) -> tuple[str, ...]:
    return tuple(
        sorted({name for group in groups if isinstance(group, (dict, list)) for name in group if isinstance(name, str)})
    )


def _text(where: str, entry: Mapping[str, Any], key: str, *, default: str | None = None) -> str:
    value = entry.get(key, default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise InputError(f"{where}: {key}", value, "text")
    return value


def _prices(where: str, entry: Mapping[str, Any], item_of: Mapping[str, int], currency: str) -> dict[int, int]:
    """Amounts by number of the item, ascending."""
    menu = entry.get("menu_features")
    if not isinstance(menu, dict) or not menu:
        raise InputError(f"{where}: menu_features", menu, "a mapping from item to price")
    found = {}
    for item, price in menu.items():
        if not isinstance(item, str):
            raise InputError(f"{where}: menu_features", item, "names of items")
        found[item_of[item]] = _amount(f"{where}: {item}", price, currency)
    return dict(sorted(found.items()))


def _amount(field: str, value: object, currency: str) -> int:
    """Micros of a price as the file has it: a number whose shortest decimal text is whole in minor units."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise InputError(field, value, "a price above 0")
    try:
        cents = Decimal(str(value)) * 100
    except InvalidOperation:
        raise InputError(field, value, "a price above 0") from None
    if not cents.is_finite() or cents <= 0 or cents != int(cents) or cents > 10**11:
        raise InputError(field, value, f"a price above 0 in whole minor units of {currency}")
    return int(cents) * 10_000


def _customer(
    where: str, entry: Mapping[str, Any], item_of: Mapping[str, int], tag_of: Mapping[str, int], currency: str
) -> tuple[str, str, dict[int, int], list[int]]:
    needs = entry.get("amenity_features") or []
    if not isinstance(needs, list) or not all(isinstance(name, str) for name in needs):
        raise InputError(f"{where}: amenity_features", needs, "a list of names")
    return (
        _text(where, entry, "id"),
        _text(where, entry, "request", default=""),
        _prices(where, entry, item_of, currency),
        sorted({tag_of[name] for name in needs}),
    )


def _business(
    where: str, entry: Mapping[str, Any], item_of: Mapping[str, int], tag_of: Mapping[str, int], currency: str
) -> tuple[str, str, str, dict[int, int], list[int], float, float]:
    amenities = entry.get("amenity_features") or {}
    if not isinstance(amenities, dict) or not all(isinstance(v, bool) for v in amenities.values()):
        raise InputError(f"{where}: amenity_features", amenities, "a mapping from name to true or false")
    return (
        _text(where, entry, "id"),
        _text(where, entry, "name", default=""),
        _text(where, entry, "description", default=""),
        _prices(where, entry, item_of, currency),
        sorted(tag_of[str(name)] for name, has in amenities.items() if has),
        _share(where, entry, "min_price_factor"),
        _share(where, entry, "rating"),
    )


def _share(where: str, entry: Mapping[str, Any], key: str) -> float:
    value = entry.get(key, 1.0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InputError(f"{where}: {key}", value, "a number from 0 to 1")
    return float(value)


def _baselines(path: Path) -> MappingProxyType[str, Band]:
    """Published utilities; none where the file is absent."""
    if not path.is_file():
        return MappingProxyType({})
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        found = {}
        for policy, key in PUBLISHED.items():
            if key in read:
                row = read[key]
                parts = (row["constant"],) * 3 if "constant" in row else (row["median"], row["min"], row["max"])
                found[policy] = Band(*(float(part) for part in parts))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(path.name, str(error), "baselines with a constant, or a median, min and max") from None
    if not all(math.isfinite(v) for band in found.values() for v in (band.median, band.low, band.high)):
        raise InputError(path.name, "a number that is not finite", "finite utilities")
    return MappingProxyType(found)
