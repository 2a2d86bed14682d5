"""What a decision costs in tokens: a fixed trunk, and a slope for every seller asked.

A deal in which a buyer's agent asks ``s`` sellers takes ``t + a s`` input and ``u + b s`` output tokens. Trunk and
slope come from measured deals by least squares. A seller's answer is one call; what it does not take is the
buyer's: calls of a fixed number whose prompts grow with everything that was said, so that most of each repeats
the one before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from headway.facts.agent_tokens import MeasuredDeal, measured_deals, prefix_share, seller_reply
from headway.facts.check import fraction, not_negative, positive
from headway.facts.errors import RangeError
from headway.facts.sources import Source
from headway.physics.arrays import Floats, Numbers, plain


@dataclass(frozen=True, slots=True)
class DecisionTokens:
    """Tokens of one decision. Whole numbers, or arrays of them of one shape.

    Parameters
    ----------
    input : int or ndarray
        Everything the model reads, cached or not [token].
    cached : int or ndarray
        The part of it that a prefix cache can hold [token].
    output : int or ndarray
        Everything the model writes [token].
    calls : float or ndarray
        Calls of the model that the decision takes [1].

    Raises
    ------
    RangeError
        If a count is below 0, more is cached than read, or there is no call.

    Examples
    --------
    >>> DecisionTokens(600, 0, 75) + DecisionTokens(1400, 700, 40)
    DecisionTokens(input=2000, cached=700, output=115, calls=2.0)
    >>> DecisionTokens(600, 700, 75)
    Traceback (most recent call last):
    headway.facts.errors.RangeError: cached: 700 is not accepted: expected tokens from 0 to the input of 600
    """

    input: Any
    cached: Any
    output: Any
    calls: Any = 1.0

    def __post_init__(self) -> None:
        """Refuse counts that cannot be; plain numbers take the short way."""
        plainly = type(self.input) is int and type(self.cached) is int and type(self.output) is int
        if plainly and type(self.calls) is float and 0 <= self.cached <= self.input and self.output >= 0 < self.calls:
            return
        for field in ("input", "cached", "output"):
            not_negative(field, getattr(self, field), "token")
        positive("calls", self.calls)
        over = np.asarray(self.cached) > np.asarray(self.input)
        if np.any(over):
            held, read = (np.broadcast_to(v, over.shape)[over][0].item() for v in (self.cached, self.input))
            raise RangeError("cached", held, f"tokens from 0 to the input of {read}")

    def __add__(self, other: DecisionTokens) -> DecisionTokens:
        """Both decisions, one after the other."""
        return DecisionTokens(
            self.input + other.input, self.cached + other.cached, self.output + other.output, self.calls + other.calls
        )

    @property
    def fresh(self) -> Any:
        """Input that has to be computed [token]."""
        return self.input - self.cached


@dataclass(frozen=True, slots=True)
class TokenModel:
    """Tokens of a deal by the number of sellers asked. Every field is an input; defaults come from measurements.

    Parameters
    ----------
    trunk_input, trunk_output : float
        Of a deal before any seller is asked [token].
    input_per_seller, output_per_seller : float
        For each seller asked, buyer and seller together [token].
    seller_input, seller_output : float
        The seller's part of it: its own prompt and answer [token].
    buyer_cached, seller_cached : float
        Share of each one's input that repeats its own previous prompt [1].
    buyer_calls : float
        Calls of the buyer's model in a deal, however many sellers it asks [1].
    output_multiple : float
        What is written over what is seen, above 1 for a model that reasons [1].

    Raises
    ------
    RangeError
        If a number is out of range, or a seller takes more than a seller adds.
    """

    trunk_input: float
    input_per_seller: float
    trunk_output: float
    output_per_seller: float
    seller_input: float
    seller_output: float
    buyer_cached: float
    seller_cached: float = 0.0
    buyer_calls: float = 1.0
    output_multiple: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what no deal can take."""
        for field in ("trunk_input", "trunk_output"):
            not_negative(field, getattr(self, field), "token")
        for whole, part in (("input_per_seller", "seller_input"), ("output_per_seller", "seller_output")):
            not_negative(whole, getattr(self, whole), "token")
            not_negative(part, getattr(self, part), "token")
            if getattr(self, part) > getattr(self, whole):
                raise RangeError(part, getattr(self, part), f"at most the {getattr(self, whole):g} that a seller adds")
        fraction("buyer_cached", self.buyer_cached)
        fraction("seller_cached", self.seller_cached)
        positive("buyer_calls", self.buyer_calls)
        positive("output_multiple", self.output_multiple)


@dataclass(frozen=True, slots=True)
class TokenFit:
    """Trunk and slope by least squares, with what they leave over.

    Parameters
    ----------
    model : TokenModel
        With its defaults for what the rows do not tell.
    deals : tuple of MeasuredDeal
        The rows.
    input_residuals, output_residuals, call_residuals : tuple of float
        Measured less fitted, row by row [token], [token], [1].
    calls_per_seller : float
        Slope of the calls: one where a seller answers once [1].
    assumptions : tuple of str
    sources : tuple of Source
    """

    model: TokenModel
    deals: tuple[MeasuredDeal, ...]
    input_residuals: tuple[float, ...]
    output_residuals: tuple[float, ...]
    call_residuals: tuple[float, ...]
    calls_per_seller: float
    assumptions: tuple[str, ...]
    sources: tuple[Source, ...]

    @property
    def largest_relative_residual(self) -> float:
        """Largest residual of input or output over its measurement [1]."""
        pairs = [(r / d.input, o / d.output) for r, o, d in self._rows()]
        return max(abs(value) for pair in pairs for value in pair)

    def _rows(self) -> tuple[tuple[float, float, MeasuredDeal], ...]:
        return tuple(zip(self.input_residuals, self.output_residuals, self.deals, strict=True))


ASSUMPTIONS = (
    "a floor: no hidden reasoning, no JSON schema, no retries",
    "the seller's part of each slope is taken from its public prompt, the rest is the buyer's",
    "a repeated prefix counts as cached; whether its KV survives the wait is asked of headway economy keep",
)


def fit_tokens(deals: tuple[MeasuredDeal, ...] | None = None) -> TokenFit:
    """Trunk and slope of input, output and calls over the sellers asked, by least squares.

    Parameters
    ----------
    deals : tuple of MeasuredDeal, optional
        At least two, not all with the same number of sellers; the packaged ones where not given.

    Returns
    -------
    TokenFit

    Raises
    ------
    RangeError
        If the rows do not determine a line.

    References
    ----------
    Tokens counted on the prompts of a published market simulator; see the table's sources.

    Examples
    --------
    >>> fit = fit_tokens()
    >>> round(fit.model.input_per_seller), round(fit.model.output_per_seller, 1), round(fit.calls_per_seller, 2)
    (1545, 115.2, 1.0)
    >>> [round(r) for r in fit.input_residuals]
    [-132, 135, -5, 1]
    """
    rows = measured_deals() if deals is None else deals
    sellers = np.array([d.sellers for d in rows])
    if np.unique(sellers).size < 2:
        raise RangeError("deals", f"{len(rows)} rows", "rows with at least two numbers of sellers asked")
    design = np.stack([np.ones_like(sellers), sellers], axis=1)
    table = np.array([[d.input, d.output, d.calls] for d in rows])
    line = np.linalg.lstsq(design, table, rcond=None)[0]
    left = table - design @ line
    reply, shares = seller_reply(), prefix_share("buyer_cached")
    model = TokenModel(
        trunk_input=line[0, 0].item(),
        input_per_seller=line[1, 0].item(),
        trunk_output=line[0, 1].item(),
        output_per_seller=line[1, 1].item(),
        seller_input=reply.input,
        seller_output=reply.output,
        buyer_cached=shares.middle,
        seller_cached=prefix_share("seller_cached_one").middle,
        buyer_calls=line[0, 2].item(),
    )
    sources = tuple(dict.fromkeys([*(d.source for d in rows), shares.source, reply.source]))
    read, written, calls = (tuple(column.tolist()) for column in left.T)
    return TokenFit(model, rows, read, written, calls, line[1, 2].item(), ASSUMPTIONS, sources)


@cache
def default_tokens() -> TokenModel:
    """The model fitted to the packaged measurements.

    >>> round(default_tokens().trunk_input)
    3948
    """
    return fit_tokens().model


def busy_sellers(model: TokenModel | None = None) -> TokenModel:
    """The same deal where every seller serves several customers, so that part of its prompt repeats.

    >>> round(busy_sellers().seller_cached, 2)
    0.45
    """
    return replace(model or default_tokens(), seller_cached=prefix_share("seller_cached_several").middle)


def seller_decision(model: TokenModel | None = None) -> DecisionTokens:
    """One seller's answer to one buyer.

    Parameters
    ----------
    model : TokenModel, optional
        The fitted one where not given.

    Returns
    -------
    DecisionTokens
        One call.

    Examples
    --------
    >>> seller_decision()
    DecisionTokens(input=600, cached=0, output=75, calls=1.0)
    """
    m = model or default_tokens()
    read = _rounded(m.seller_input)
    return DecisionTokens(read, _floor(m.seller_cached * read), _rounded(m.seller_output * m.output_multiple), 1.0)


def buyer_decision(sellers_asked: ArrayLike, model: TokenModel | None = None) -> DecisionTokens:
    """All calls of a buyer's agent in a deal: search, ask, read, choose, pay.

    Parameters
    ----------
    sellers_asked : array_like
        ``s`` [1].
    model : TokenModel, optional
        The fitted one where not given.

    Returns
    -------
    DecisionTokens
        Of the shape of `sellers_asked`; with `s` answers of :func:`seller_decision` it is the deal.

    Raises
    ------
    RangeError
        If a number is below 0.

    Examples
    --------
    >>> buyer_decision(3)
    DecisionTokens(input=6783, cached=4680, output=430, calls=5.70...)
    >>> buyer_decision([3, 10, 30]).input.tolist()
    [6783, 13398, 32298]
    """
    m = model or default_tokens()
    asked = np.asarray(not_negative("sellers_asked", sellers_asked), dtype=float)
    read, written = _deal(m, asked)
    own = seller_decision(m)
    rest = _rounded(read - asked * own.input)
    said = np.maximum(written - asked * own.output, 0.0)
    calls = plain(np.broadcast_to(m.buyer_calls, asked.shape))
    return DecisionTokens(rest, _floor(m.buyer_cached * rest), _rounded(said), calls)


def deal_tokens(sellers_asked: ArrayLike, model: TokenModel | None = None) -> DecisionTokens:
    """Both sides of a deal together: ``t + a s`` input and ``u + b s`` output tokens.

    Parameters
    ----------
    sellers_asked : array_like
        ``s`` [1].
    model : TokenModel, optional
        The fitted one where not given.

    Returns
    -------
    DecisionTokens
        Of the shape of `sellers_asked`.

    Examples
    --------
    >>> deal = deal_tokens([3, 10, 30])
    >>> deal.input.tolist(), deal.output.tolist()
    ([8583, 19398, 50298], [655, 1461, 3766])
    """
    buyer, seller = buyer_decision(sellers_asked, model), seller_decision(model)
    asked = np.asarray(sellers_asked, dtype=float)
    return DecisionTokens(
        _rounded(buyer.input + asked * seller.input),
        _rounded(buyer.cached + asked * seller.cached),
        _rounded(buyer.output + asked * seller.output),
        plain(buyer.calls + asked * seller.calls),
    )


def _deal(m: TokenModel, asked: Floats) -> tuple[Floats, Floats]:
    read = m.trunk_input + m.input_per_seller * asked
    return read, (m.trunk_output + m.output_per_seller * asked) * m.output_multiple


def _rounded(value: ArrayLike) -> Numbers:
    return plain(np.rint(value).astype(np.int64))


def _floor(value: ArrayLike) -> Numbers:
    return plain(np.floor(value).astype(np.int64))
