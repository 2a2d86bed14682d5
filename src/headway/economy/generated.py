"""Draw a population: cities and business sizes by Zipf's law, categories, distances, a daily cycle.

Every consumer is drawn around one anchor business, near it and from its menu and amenities, as the published sets
are (their ``progenitor_customer``, reversed): at least one business serves each request in full.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

import numpy as np

from headway.economy.population import Businesses, Consumers, Floats, Ints, Population, Ragged, check_population
from headway.facts.check import fraction, not_negative, positive, single, whole

DAY_US: Final = 86_400_000_000
_CENT: Final = 10_000
MENU: Final = (6, 18)
"""Least and most items on a menu [1]."""
_STYLES: Final = ("plain", "classic", "fresh", "large", "small", "express", "organic", "deluxe", "local", "spiced")
CATEGORIES: Final = MappingProxyType(
    {
        "bakery": ("bread", "croissant", "cake", "bagel", "pretzel", "muffin", "pie", "brioche"),
        "kitchen": ("soup", "taco", "burrito", "salad", "curry", "noodles", "dumplings", "stew"),
        "plumbing": ("drain", "faucet", "boiler", "toilet", "shower", "gutter", "pipe", "sump"),
        "electric": ("outlet", "lighting", "breaker", "fan", "thermostat", "charger", "doorbell", "antenna"),
        "garden": ("lawn", "hedge", "tree", "mulch", "pond", "fence", "terrace", "sprinkler"),
        "cleaning": ("window", "carpet", "oven", "roof", "facade", "garage", "sofa", "chimney"),
        "salon": ("haircut", "shave", "colour", "manicure", "massage", "facial", "braid", "perm"),
        "bicycle": ("tyre", "brake", "chain", "saddle", "wheel", "pedal", "bell", "rack"),
        "pets": ("grooming", "walk", "boarding", "training", "dental", "nail", "bath", "sitting"),
        "print": ("flyer", "poster", "banner", "card", "booklet", "sticker", "photo", "frame"),
        "tutor": ("algebra", "grammar", "physics", "piano", "chess", "drawing", "biology", "spanish"),
        "moving": ("van", "packing", "storage", "crate", "pianolift", "disposal", "assembly", "delivery"),
    }
)
"""Categories and what each sells, in the styles above: 80 items a category."""
_PRICE_USD: Final = (6, 12, 140, 120, 90, 80, 45, 30, 35, 40, 50, 160)
"""Typical price of an item by category, for its scale only [USD]."""
_TAGS: Final = (
    "card payment", "same day", "weekend", "evening", "insured", "licensed", "eco friendly", "parking",
    "wheelchair access", "multilingual", "free estimate", "guarantee", "pickup", "gift wrap", "loyalty", "quiet",
)  # fmt: skip


def generate_population(
    consumers: int,
    businesses: int,
    *,
    seed: int = 0,
    zipf: float = 1.0,
    cities: int = 20,
    spread_km: float = 8.0,
    swing: float = 0.8,
    day_us: int = DAY_US,
    currency: str = "USD",
) -> Population:
    """Draw a population.

    Parameters
    ----------
    consumers, businesses : int
        How many of each [1].
    seed : int
        The same seed draws the same population.
    zipf : float
        Exponent of the sizes of businesses and cities: the r-th is proportional to ``r ** -zipf`` [1].
    cities : int
        Places where people live, on a square of 1,000 km [1].
    spread_km : float
        Standard deviation of the distance from a city's centre along each axis [km].
    swing : float
        Peak of the arrivals over their mean, less one; the peak is at 18:00 [1].
    day_us : int
        Length of the day over which consumers start to look; 0 lets all start at the opening bell [us].
    currency : str
        Of every amount.

    Returns
    -------
    Population
        Consumers in order of arrival.

    Examples
    --------
    >>> market = generate_population(1000, 100, seed=1)
    >>> len(market.items), len(market.businesses), bool((np.diff(market.consumers.at_us) >= 0).all())
    (960, 100, True)
    """
    n = int(whole("consumers", single("consumers", consumers), least=1, most=10_000_000))
    m = int(whole("businesses", single("businesses", businesses), least=1, most=1_000_000))
    places = int(whole("cities", single("cities", cities), least=1, most=10_000))
    not_negative("zipf", single("zipf", zipf))
    positive("spread_km", single("spread_km", spread_km), "km")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    centres = rng.random((places, 2)) * 1000.0
    crowd = _zipf(places, zipf)
    city = rng.choice(places, size=m, p=crowd)
    sellers, menu, price, tags, size = _businesses(rng, m, zipf)
    place = centres[city] + rng.normal(0.0, spread_km, (m, 2))
    anchor = rng.choice(m, size=n, p=size)
    at_us = _arrivals(rng, n, swing, day_us)
    basket, worth, needs = _baskets(rng, anchor, menu, price, tags)
    words = tuple(f"{style} {thing}" for things in CATEGORIES.values() for thing in things for style in _STYLES)
    ids = tuple(f"consumer-{i:06d}" for i in range(n))
    category = [*CATEGORIES]
    kinds = [category[k] for k in (menu.values[menu.start[:-1]] // _PER_CATEGORY).tolist()]
    population = Population(
        f"generated {n:,} x {m:,}",
        currency,
        words,
        _TAGS,
        Consumers(
            ids,
            _requests(basket, needs, words),
            basket,
            worth,
            needs,
            centres[city[anchor]] + rng.normal(0.0, spread_km, (n, 2)),
            at_us,
        ),
        Businesses(
            tuple(f"business-{i:05d}" for i in range(m)),
            tuple(f"{kind.title()} {i}" for i, kind in enumerate(kinds)),
            tuple(f"A {kind} business" for kind in kinds),
            menu,
            price,
            tags,
            sellers["reserve"],
            sellers["rating"],
            place,
            np.maximum(2, np.ceil(size * n)).astype(np.int64),
        ),
        notes=(f"drawn with seed {seed}: Zipf exponent {zipf:g}, {places} cities, swing {swing:g}",),
    )
    return check_population(population)


_PER_CATEGORY: Final = len(_STYLES) * 8


def _zipf(n: int, exponent: float) -> Floats:
    weights = np.arange(1, n + 1, dtype=np.float64) ** -exponent
    return np.asarray(weights / weights.sum())


def _businesses(
    rng: np.random.Generator, m: int, zipf: float
) -> tuple[dict[str, Floats], Ragged, Ints, Ragged, Floats]:
    """Private columns, menus, prices and tags; a menu is a run of a category's shuffled items, kept ascending."""
    kind = rng.integers(0, len(CATEGORIES), m)
    length = rng.integers(MENU[0], MENU[1] + 1, m)
    keys = rng.random((m, _PER_CATEGORY)).argsort(axis=1)
    chosen = np.arange(_PER_CATEGORY)[None, :] < length[:, None]
    owner = np.repeat(np.arange(m), length)
    item = kind[owner] * _PER_CATEGORY + keys[chosen]
    order = np.lexsort((item, owner))
    item = item[order].astype(np.int64)
    start = np.concatenate(([0], np.cumsum(length))).astype(np.int64)
    base = np.repeat(np.array(_PRICE_USD, dtype=np.float64), _PER_CATEGORY) * rng.lognormal(
        0.0, 0.35, len(CATEGORIES) * _PER_CATEGORY
    )
    level = rng.lognormal(0.0, 0.12, m)
    micros = _cents(base[item] * level[owner] * rng.lognormal(0.0, 0.06, len(item)))
    has = rng.random((m, len(_TAGS))) < 0.5
    tags = Ragged(np.concatenate(([0], np.cumsum(has.sum(axis=1)))).astype(np.int64), np.nonzero(has)[1])
    size = _zipf(m, zipf)[rng.permutation(m)]
    private = {"reserve": rng.uniform(0.6, 0.9, m).round(2), "rating": rng.beta(8, 2, m).round(3)}
    return private, Ragged(start, item), micros, tags, size


def _cents(usd: Floats) -> Ints:
    """Micros, whole in cents, at least one cent."""
    return np.maximum(np.rint(usd * 100).astype(np.int64), 1) * _CENT


def _baskets(
    rng: np.random.Generator, anchor: Ints, menu: Ragged, price: Ints, tags: Ragged
) -> tuple[Ragged, Ints, Ragged]:
    """One to three items of the anchor's menu, worth about its prices, and up to two of its tags."""
    n = len(anchor)
    first, length = menu.start[anchor], np.diff(menu.start)[anchor]
    count = rng.integers(1, 4, n)
    owner = np.repeat(np.arange(n), count)
    start = np.concatenate(([0], np.cumsum(count))).astype(np.int64)
    nth = np.arange(start[-1]) - start[:-1][owner]
    offset = rng.integers(0, length)
    where = first[owner] + (offset[owner] + nth * (length[owner] // 3)) % length[owner]
    where = where[np.lexsort((menu.values[where], owner))]
    worth = _cents(price[where] / 1e6 * rng.lognormal(0.05, 0.1, len(where)))
    held = np.diff(tags.start)[anchor]
    wanted = np.minimum(rng.integers(0, 3, n), held)
    need_owner = np.repeat(np.arange(n), wanted)
    need_start = np.concatenate(([0], np.cumsum(wanted))).astype(np.int64)
    shift = rng.integers(0, np.maximum(held, 1))
    turn = np.arange(need_start[-1]) - need_start[:-1][need_owner]
    step = np.maximum(held[need_owner] // 2, 1)
    at = tags.start[anchor][need_owner] + (shift[need_owner] + turn * step) % held[need_owner]
    picked = tags.values[at]
    return (
        Ragged(start, menu.values[where]),
        worth,
        Ragged(need_start, picked[np.lexsort((picked, need_owner))].astype(np.int64)),
    )


def _arrivals(rng: np.random.Generator, n: int, swing: float, day_us: int) -> Ints:
    """Sorted times with density 1 + swing cos(2 pi (t - 18 h) / day), by inverting its integral on a grid [us]."""
    whole("day_us", day_us, least=0, most=10**15)
    fraction("swing", single("swing", swing))
    at = np.linspace(0.0, 1.0, 1441)
    mass = at + swing * (np.sin(2 * np.pi * (at - 0.75)) - 1.0) / (2 * np.pi)
    times: Any = np.interp(np.sort(rng.random(n)), mass, at) * day_us
    return np.asarray(np.floor(times), dtype=np.int64)


def _requests(basket: Ragged, needs: Ragged, words: tuple[str, ...]) -> tuple[str, ...]:
    items, item_at = basket.values.tolist(), basket.start.tolist()
    tags, tag_at = needs.values.tolist(), needs.start.tolist()
    return tuple(
        ", ".join(
            [words[k] for k in items[item_at[i] : item_at[i + 1]]] + [_TAGS[k] for k in tags[tag_at[i] : tag_at[i + 1]]]
        )
        for i in range(len(basket))
    )
