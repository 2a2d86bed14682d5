"""How providers sell prompt caches, and what the media of a cache of one's own cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from headway.facts.catalog import Column, numbered_rows, packaged
from headway.facts.errors import unknown
from headway.facts.sources import Source

#: Columns of a provider's terms.
TERM_COLUMNS: tuple[Column, ...] = (
    Column("provider", "text", "who sells it", required=True),
    Column("name", "text", "name of the offer", required=True),
    Column("write", "quantity", "price of writing, as a multiple of input", "count", required=True),
    Column("read", "quantity", "price of reading, as a multiple of input", "count", required=True),
    Column("ttl", "quantity", "life of an entry since its last use", "seconds", required=True),
    Column("least", "quantity", "shortest prompt that is cached", "tokens", required=True),
    Column("storage", "quantity", "price of holding for an hour, as a multiple of input", "count"),
    Column("note", "text", "what the reader should know"),
)

#: Columns of a medium's purchase price.
MEDIA_COLUMNS: tuple[Column, ...] = (
    Column("technology", "text", "as in the table of storage devices, or hbm", required=True),
    Column("price", "quantity", "price of `bytes`", "dollars", required=True),
    Column("bytes", "quantity", "amount that the price buys", "bytes", required=True),
    Column("date", "date", "when it held", required=True),
)


@dataclass(frozen=True, slots=True)
class CacheTerms:
    """One offer of a provider.

    Parameters
    ----------
    name, provider : str
        Of the offer, and who sells it.
    write, read : float
        Multiples of the plain input price [1].
    ttl_s : float
        Life of an entry since its last use [s].
    least_tokens : int
        Shortest prompt that is cached [token].
    storage_per_hour : float
        Price of holding for an hour, as a multiple of input [1/h].
    source : Source
        Who says so.
    note : str
        What the reader should know.
    """

    name: str
    provider: str
    write: float
    read: float
    ttl_s: float
    least_tokens: int
    storage_per_hour: float
    source: Source
    note: str


@dataclass(frozen=True, slots=True)
class MediaPrice:
    """Purchase price of a medium.

    Parameters
    ----------
    technology : str
        As in the table of storage devices, or ``"hbm"``.
    usd_per_byte : float
        [$/B].
    date : str
        When it held, ISO 8601.
    source : Source
        Who says so.
    """

    technology: str
    usd_per_byte: float
    date: str
    source: Source


@cache
def cache_terms() -> tuple[CacheTerms, ...]:
    """Every offer of the packaged table, in its order.

    >>> [t.name for t in cache_terms() if t.provider == "Anthropic"]
    ['anthropic-5m', 'anthropic-1h']
    """
    rows = numbered_rows(packaged("cache_terms.toml"), "term", TERM_COLUMNS)
    return tuple(
        CacheTerms(
            name=row.text("name"),
            provider=row.text("provider"),
            write=row.number("write"),
            read=row.number("read"),
            ttl_s=row.number("ttl"),
            least_tokens=int(row.number("least")),
            storage_per_hour=row.optional("storage") or 0.0,
            source=row.sources[0],
            note=row.text("note"),
        )
        for row in rows
    )


def cache_term_names() -> tuple[str, ...]:
    """Names of the offers, in the order of the table."""
    return tuple(term.name for term in cache_terms())


@cache
def media_prices() -> tuple[MediaPrice, ...]:
    """Purchase price of every medium of the packaged table.

    >>> round(media_price("disk").usd_per_byte * 1e9, 3)
    0.033
    """
    rows = numbered_rows(packaged("cache_terms.toml"), "media", MEDIA_COLUMNS)
    return tuple(
        MediaPrice(r.text("technology"), r.number("price") / r.number("bytes"), r.text("date"), r.sources[0])
        for r in rows
    )


def media_price(technology: str) -> MediaPrice:
    """Purchase price of one medium.

    Raises
    ------
    UnknownNameError
        If the table has none.

    Examples
    --------
    >>> round(media_price("dram").usd_per_byte * 1e9, 1)
    10.9
    """
    found = {price.technology: price for price in media_prices()}
    if technology not in found:
        raise unknown("technology", technology, found)
    return found[technology]
