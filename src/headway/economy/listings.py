"""What the market shows of each business: text, menu, posted prices, tags, place. A reserve price is no field here.

Discovery, buyers and the published log see :class:`Listings` and nothing else of a business, so a reserve cannot
leave by any search (the published platform returns it to every client that searches).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headway.economy.population import Floats, Ints, Population, Ragged
from headway.facts.check import whole


@dataclass(frozen=True, slots=True)
class Listings:
    """Listings, one row each; a business may have several.

    Parameters
    ----------
    items, tags : tuple of str
        Names behind the numbers.
    seller : ndarray of int
        Business of each listing.
    names, texts : tuple of str
        What people read.
    menu : Ragged
        Items, ascending in each row.
    price : ndarray of int
        Posted price of each, aligned with ``menu.values`` [micro].
    has : Ragged
        Tags.
    rating : ndarray of float
        [1].
    place : ndarray of float
        Shape (n, 2) [km].
    """

    items: tuple[str, ...]
    tags: tuple[str, ...]
    seller: Ints
    names: tuple[str, ...]
    texts: tuple[str, ...]
    menu: Ragged
    price: Ints
    has: Ragged
    rating: Floats
    place: Floats

    def __len__(self) -> int:
        """Number of listings."""
        return len(self.seller)

    def prices(self, listing: int) -> dict[int, int]:
        """Posted price by number of the item [micro]."""
        part = slice(int(self.menu.start[listing]), int(self.menu.start[listing + 1]))
        return dict(zip(self.menu.values[part].tolist(), self.price[part].tolist(), strict=True))

    def words(self, listing: int) -> str:
        """Everything that may be searched, as one text."""
        menu = " ".join(self.items[i] for i in self.menu.row(listing).tolist())
        tags = " ".join(self.tags[i] for i in self.has.row(listing).tolist())
        return f"{self.names[listing]} {self.texts[listing]} {menu} {tags}"


def publish(population: Population, copies: Ints | None = None) -> Listings:
    """List every business, in the order of the population.

    Parameters
    ----------
    population : Population
        Whose businesses; their reserves stay behind.
    copies : ndarray of int, optional
        Listings of each business, 1 where not given: a Sybil has many under different names [1].

    Returns
    -------
    Listings
        Copies of one business stand together.

    Examples
    --------
    >>> from headway.economy.generated import generate_population
    >>> shown = publish(generate_population(3, 4, seed=1))
    >>> len(shown), hasattr(shown, "reserve")
    (4, False)
    """
    from headway.economy.population import subset

    sellers = population.businesses
    times = np.ones(len(sellers), dtype=np.int64) if copies is None else np.asarray(copies, dtype=np.int64)
    whole("copies", times, least=0)
    chosen = np.repeat(np.arange(len(sellers), dtype=np.int64), times)
    menu, at = subset(sellers.menu, chosen)
    has, _ = subset(sellers.tags, chosen)
    first = np.concatenate(([True], chosen[1:] != chosen[:-1])) if len(chosen) else np.empty(0, dtype=bool)
    nth = (np.arange(len(chosen)) - np.maximum.accumulate(np.where(first, np.arange(len(chosen)), 0))).tolist()
    return Listings(
        population.items,
        population.tags,
        chosen,
        tuple(sellers.names[b] + (f" {k + 1}" if k else "") for b, k in zip(chosen.tolist(), nth, strict=True)),
        tuple(sellers.texts[b] for b in chosen.tolist()),
        menu,
        sellers.price[at],
        has,
        sellers.rating[chosen],
        sellers.place[chosen],
    )
