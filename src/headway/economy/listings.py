"""What the market shows of each business: text, menu, posted prices, tags, place. A reserve price is no field here.

Discovery, buyers and the published log see :class:`Listings` and nothing else of a business, so a reserve cannot
leave by any search (the published platform returns it to every client that searches).
"""

from __future__ import annotations

from dataclasses import dataclass

from headway.economy.population import Floats, Ints, Population, Ragged


@dataclass(frozen=True, slots=True)
class Listings:
    """Listings, one row a business.

    Parameters
    ----------
    items, tags : tuple of str
        Names behind the numbers.
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
    names: tuple[str, ...]
    texts: tuple[str, ...]
    menu: Ragged
    price: Ints
    has: Ragged
    rating: Floats
    place: Floats

    def __len__(self) -> int:
        """Number of listings."""
        return len(self.names)

    def prices(self, listing: int) -> dict[int, int]:
        """Posted price by number of the item [micro]."""
        part = slice(int(self.menu.start[listing]), int(self.menu.start[listing + 1]))
        return dict(zip(self.menu.values[part].tolist(), self.price[part].tolist(), strict=True))

    def words(self, listing: int) -> str:
        """Everything that may be searched, as one text."""
        menu = " ".join(self.items[i] for i in self.menu.row(listing).tolist())
        tags = " ".join(self.tags[i] for i in self.has.row(listing).tolist())
        return f"{self.names[listing]} {self.texts[listing]} {menu} {tags}"


def publish(population: Population) -> Listings:
    """List every business, in the order of the population.

    Parameters
    ----------
    population : Population
        Whose businesses; their reserves stay behind.

    Returns
    -------
    Listings

    Examples
    --------
    >>> from headway.economy.generated import generate_population
    >>> shown = publish(generate_population(3, 4, seed=1))
    >>> len(shown), hasattr(shown, "reserve")
    (4, False)
    """
    sellers = population.businesses
    return Listings(
        population.items,
        population.tags,
        sellers.names,
        sellers.texts,
        sellers.menu,
        sellers.price,
        sellers.tags,
        sellers.rating,
        sellers.place,
    )
