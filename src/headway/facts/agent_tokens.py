"""Tokens that agents of a market exchange with their models, and how many conversations there are to size for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from headway.facts.catalog import Column, Row, numbered_rows, packaged
from headway.facts.errors import unknown
from headway.facts.sources import Source

_TABLE = "agent_tokens.toml"

#: Columns of a measured deal.
DEAL_COLUMNS: tuple[Column, ...] = (
    Column("case", "text", "what was bought, and how it was searched", required=True),
    Column("sellers", "quantity", "sellers asked", "count", required=True),
    Column("calls", "quantity", "calls of a model, all agents", "count", required=True),
    Column("messages", "quantity", "messages between agents", "count"),
    Column("input", "quantity", "input of all calls", "tokens", required=True),
    Column("output", "quantity", "output of all calls", "tokens", required=True),
)

#: Columns of a share known between two bounds.
SHARE_COLUMNS: tuple[Column, ...] = (
    Column("name", "text", "name of the share", required=True),
    Column("low", "quantity", "lower bound", "count", required=True),
    Column("high", "quantity", "upper bound", "count", required=True),
    Column("description", "text", "share of what", required=True),
)

#: Columns of one agent's answer.
REPLY_COLUMNS: tuple[Column, ...] = (
    Column("name", "text", "whose answer", required=True),
    Column("input", "quantity", "its prompt", "tokens", required=True),
    Column("output", "quantity", "what it writes", "tokens", required=True),
)

#: Columns of a number of conversations.
VOLUME_COLUMNS: tuple[Column, ...] = (
    Column("name", "text", "name of the figure", required=True),
    Column("conversations", "quantity", "conversations in the period", "count", required=True),
    Column("period", "quantity", "the period", "seconds", required=True),
    Column("description", "text", "what is counted", required=True),
)

#: Columns of the rate of one replica.
REPLICA_COLUMNS: tuple[Column, ...] = (
    Column("name", "text", "name of the figure", required=True),
    Column("output", "quantity", "output of a replica", "tokens_per_second", required=True),
    Column("description", "text", "who says so", required=True),
)


@dataclass(frozen=True, slots=True)
class MeasuredDeal:
    """Mean tokens of one deal, all agents and calls together.

    Parameters
    ----------
    case : str
        What was bought, and how it was searched.
    sellers : float
        Sellers asked [1].
    calls : float
        Calls of a model [1].
    input, output : float
        [token].
    source : Source
    """

    case: str
    sellers: float
    calls: float
    input: float
    output: float
    source: Source


@dataclass(frozen=True, slots=True)
class Share:
    """A share known between two bounds.

    Parameters
    ----------
    name : str
    low, high : float
        Bounds [1].
    description : str
        Share of what.
    source : Source
    """

    name: str
    low: float
    high: float
    description: str
    source: Source

    @property
    def middle(self) -> float:
        """Half-way between the bounds [1]."""
        return (self.low + self.high) / 2.0


@dataclass(frozen=True, slots=True)
class Reply:
    """Tokens of one agent's answer.

    Parameters
    ----------
    input, output : float
        [token].
    source : Source
    """

    input: float
    output: float
    source: Source


@dataclass(frozen=True, slots=True)
class Volume:
    """Conversations in a period.

    Parameters
    ----------
    name : str
    conversations : float
        In the period [1].
    period : float
        [s].
    description : str
    source : Source
    """

    name: str
    conversations: float
    period: float
    description: str
    source: Source

    @property
    def per_second(self) -> float:
        """Mean rate [1/s]."""
        return self.conversations / self.period


def _rows(table: str, columns: tuple[Column, ...]) -> tuple[Row, ...]:
    return numbered_rows(packaged(_TABLE), table, columns)


def _named(table: str, columns: tuple[Column, ...], name: str) -> Row:
    rows = {row.text("name"): row for row in _rows(table, columns)}
    if name not in rows:
        raise unknown(table, name, rows)
    return rows[name]


@cache
def measured_deals() -> tuple[MeasuredDeal, ...]:
    """Every measured deal, in the order of the table.

    >>> [(d.sellers, d.input, d.output) for d in measured_deals()][0]
    (3.0, 8451.0, 652.0)
    """
    return tuple(
        MeasuredDeal(
            case=r.text("case"),
            sellers=r.number("sellers"),
            calls=r.number("calls"),
            input=r.number("input"),
            output=r.number("output"),
            source=r.sources[0],
        )
        for r in _rows("deal", DEAL_COLUMNS)
    )


def prefix_share(name: str) -> Share:
    """A share of repeated input: ``buyer_cached``, ``seller_cached_one`` or ``seller_cached_several``.

    Raises
    ------
    UnknownNameError
        If there is none of that name.

    Examples
    --------
    >>> round(prefix_share("buyer_cached").middle, 2)
    0.69
    """
    row = _named("share", SHARE_COLUMNS, name)
    return Share(name, row.number("low"), row.number("high"), row.text("description"), row.sources[0])


def seller_reply() -> Reply:
    """Tokens of a seller's answer to one customer.

    >>> seller_reply().input
    600.0
    """
    row = _named("reply", REPLY_COLUMNS, "seller")
    return Reply(row.number("input"), row.number("output"), row.sources[0])


def volume_names() -> tuple[str, ...]:
    """Names of the public figures of conversations."""
    return tuple(row.text("name") for row in _rows("volume", VOLUME_COLUMNS))


def volume(name: str) -> Volume:
    """A public figure of conversations.

    Raises
    ------
    UnknownNameError
        If there is none of that name.

    Examples
    --------
    >>> round(volume("meta-business-ai").per_second, 1), round(volume("meta-business-chats").per_second)
    (16.5, 6944)
    """
    row = _named("volume", VOLUME_COLUMNS, name)
    conversations, period = row.number("conversations"), row.number("period")
    return Volume(name, conversations, period, row.text("description"), row.sources[0])


def replica_output() -> tuple[float, Source]:
    """Output of one replica by the economy's seed text [token/s], and who says so.

    >>> replica_output()[0]
    128000.0
    """
    row = _named("replica", REPLICA_COLUMNS, "seed")
    return row.number("output"), row.sources[0]
