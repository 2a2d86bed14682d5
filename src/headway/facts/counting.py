"""Counting conventions: which parameters a maker's stated count includes.

Makers count differently: some leave out the input embedding, some the output head too, some add the
prediction modules. A convention is a fact about a stated figure, not a property of the model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from headway.facts.errors import InputError, unknown
from headway.facts.model import Model

Convention = Literal["all", "no-input-embedding", "no-embeddings", "no-embeddings+mtp"]
CONVENTIONS: tuple[str, ...] = get_args(Convention)

_UNITS = MappingProxyType({"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12})


@dataclass(frozen=True, slots=True)
class StatedCount:
    """A count as its maker writes it, with the rounding that the digits imply.

    Parameters
    ----------
    text : str
        As written (``"671B"``, ``"2.8T"``).
    value : float
        The number [1].
    half_unit : float
        Half a unit of the last written digit [1].
    """

    text: str
    value: float
    half_unit: float

    @classmethod
    def parse(cls, text: str) -> StatedCount:
        """Read a count.

        >>> StatedCount.parse("2.8T")
        StatedCount(text='2.8T', value=2800000000000.0, half_unit=50000000000.0)
        """
        digits, unit = text[:-1], text[-1:].upper()
        whole, _, decimals = digits.partition(".")
        # The length is bounded so that no figure overflows to infinity.
        if unit not in _UNITS or not (whole + decimals).isdecimal() or not whole or len(text) > 30:
            raise InputError("count", text, "digits and one of K, M, B, T, such as 671B")
        factor = _UNITS[unit]
        return cls(text, float(round(float(digits) * factor)), 0.5 * factor / 10 ** len(decimals))

    def agrees(self, computed: float, within: float = 0.01) -> bool:
        """Tell whether `computed` is within a fraction of the stated value or rounds to it.

        Rounding may excuse at most 20 %, so that ``"1T"`` does not stand for half of it.

        >>> StatedCount.parse("37B").agrees(36.6e9), StatedCount.parse("37B").agrees(38.4e9)
        (True, False)
        """
        error = abs(computed - self.value)
        return error <= within * self.value or (error <= self.half_unit and error <= 0.2 * self.value)


def mtp_params(model: Model, *, active: bool) -> int:
    """Parameters of the prediction modules published with the model [1].

    Each is one more layer of the last kind, a matrix that joins the hidden state with the next token's
    embedding, and three norms; embedding and head are shared with the model (DeepSeek-V3, arXiv
    2412.19437, section 2.2).

    Parameters
    ----------
    model : Model
        A model.
    active : bool
        Count the experts that one token uses rather than all.

    Examples
    --------
    >>> from headway.facts.models import model
    >>> mtp_params(model("deepseek-v3"), active=False)
    11610068224
    """
    if not model.mtp_layers:
        return 0
    last = model.layers[-1]
    one = Model(name=model.name, hidden=model.hidden, vocab=0, layers=(last,))
    layer = (one.active_params if active else one.total_params) - model.hidden
    return model.mtp_layers * (layer // last.count + 2 * model.hidden**2 + 3 * model.hidden)


def counted_params(model: Model, convention: str = "all", *, active: bool = False) -> int:
    """Parameters of a model, total or active, by a counting convention [1].

    Parameters
    ----------
    model : Model
        A model.
    convention : {"all", "no-input-embedding", "no-embeddings", "no-embeddings+mtp"}
        What the count includes. A tied matrix is the head, so ``"no-input-embedding"`` keeps it.
    active : bool
        Count what one token touches.

    Raises
    ------
    UnknownNameError
        If the convention is not one of the four.

    Examples
    --------
    >>> from headway.facts.layers import DenseFFN, SoftmaxAttention
    >>> from headway.facts.model import LayerGroup
    >>> small = Model("small", 1024, 32000, (LayerGroup(1, SoftmaxAttention(8, 8, 128), DenseFFN(4096)),))
    >>> counted_params(small) - counted_params(small, "no-input-embedding")
    32768000
    """
    if convention not in CONVENTIONS:
        raise unknown("convention", str(convention), CONVENTIONS)
    found = model.active_params if active else model.total_params
    if convention == "all":
        return found
    if convention == "no-input-embedding":
        return found - (0 if model.tied_embeddings else model.embedding_params)
    found -= model.embedding_params + model.head_params
    return found + (mtp_params(model, active=active) if convention.endswith("+mtp") else 0)


def relative_error(computed: float, stated: float) -> float:
    """Signed error of a computed count against a stated one [1].

    >>> round(relative_error(671.026e9, 671e9), 6)
    3.9e-05
    """
    return computed / stated - 1 if stated else math.nan
