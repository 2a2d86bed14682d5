"""A time as data: a max over resources of sums of terms.

``t(batch, context, tokens) = sum over phases of max over resources r of sum over terms i of r of
c_i * batch^p_i * context^q_i * tokens^s_i * f_i(batch, context, tokens)``

Most times have one phase: everything overlaps. Two phases say that one part waits for the other (attention
that does not overlap with the matrix products, say).

with ``f_i`` one of a few named functions for what is not a monomial (the share of experts touched,
a window). The list can be evaluated here over arrays, or anywhere else: it carries no code. The same
object names the binding resource and gives the crossovers in closed form.

Source: the two budgets of the roofline model, Williams, Waterman and Patterson, CACM 52(4), 2009; the
decomposition by batch and context follows the blackboard lecture (claims C01, D01, D02).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headway.facts.errors import unknown

Array = NDArray[np.float64]


def touched(batch: Array, context: Array, tokens: Array, experts: float, top_k: float) -> Array:
    """Expected share of distinct experts that ``batch * tokens`` tokens touch under uniform routing [1].

    ``1 - (1 - k/E)^(batch * tokens)``: each token misses a given expert with probability ``1 - k/E``.

    >>> round(float(touched(np.array(64.0), np.array(0.0), np.array(1.0), 256, 8)), 4)
    0.8689
    """
    share: Array = -np.expm1(batch * tokens * np.log1p(-min(top_k / experts, 1 - 1e-16)))
    return share


def window(batch: Array, context: Array, tokens: Array, width: float) -> Array:
    """Tokens that a query sees through a window: ``min(context, width)`` [token].

    >>> float(window(np.array(1.0), np.array(4096.0), np.array(1.0), 1024))
    1024.0
    """
    return np.minimum(context, width)


def window_pairs(batch: Array, context: Array, tokens: Array, width: float) -> Array:
    """Query-key pairs of `tokens` new tokens after `context` cached ones, each seeing at most `width`.

    ``sum over i = 1..S of min(P + i, W)`` = ``n P + n(n+1)/2 + (S - n) W`` with ``n = clip(floor(W - P), 0, S)``.

    >>> float(window_pairs(np.array(1.0), np.array(0.0), np.array(4.0), 2))
    7.0
    """
    rising: Array = np.clip(np.floor(width - context), 0.0, tokens)
    pairs: Array = rising * context + 0.5 * rising * (rising + 1.0) + (tokens - rising) * width
    return pairs


#: What is not a monomial, by name.
FUNCTIONS: Mapping[str, Callable[..., Array]] = MappingProxyType(
    {"touched": touched, "window": window, "window_pairs": window_pairs}
)
_LIMITS: Mapping[str, str] = MappingProxyType(
    {
        "touched": r"\left(1-(1-{1:g}/{0:g})^{{BT}}\right)",
        "window": r"\min(L,{0:g})",
        "window_pairs": r"P_{{{0:g}}}(L,T)",
    }
)


@dataclass(frozen=True, slots=True)
class Term:
    """One addend of one resource's time.

    Parameters
    ----------
    resource : str
        ``"compute"``, ``"memory"``, ...
    label : str
        What it is (``"weights"``, ``"kv"``, ``"attention"``).
    coefficient : float or array
        Seconds per unit of the factors that follow [s].
    batch, context, tokens : float
        Powers of the three variables [1].
    function : str, optional
        Name in :data:`headway.physics.terms.FUNCTIONS` of a further factor.
    args : tuple of float
        Its parameters.
    phase : str
        Terms of one phase overlap; phases follow each other.
    """

    resource: str
    label: str
    coefficient: Any
    batch: float = 0.0
    context: float = 0.0
    tokens: float = 0.0
    function: str | None = None
    args: tuple[float, ...] = ()
    phase: str = ""

    def __post_init__(self) -> None:
        """Refuse a function that is not in the table."""
        if self.function is not None and self.function not in FUNCTIONS:
            raise unknown("function", self.function, FUNCTIONS)

    def seconds(self, batch: Array, context: Array, tokens: Array) -> Array:
        """Value of the term [s], broadcast.

        >>> one = np.array(1.0)
        >>> float(Term("memory", "kv", 2e-6, batch=1, context=1).seconds(3 * one, 10 * one, one))
        6e-05
        """
        value: Any = self.coefficient
        for variable, power in ((batch, self.batch), (context, self.context), (tokens, self.tokens)):
            if power == 1.0:
                value = value * variable
            elif power:
                value = value * variable**power
        if self.function is not None:
            value = value * FUNCTIONS[self.function](batch, context, tokens, *self.args)
        return np.asarray(value, dtype=float)

    def to_dict(self) -> dict[str, Any]:
        """The term as plain data; `coefficient` becomes a number or nested lists."""
        return {
            "resource": self.resource,
            "label": self.label,
            "coefficient_s": np.asarray(self.coefficient, dtype=float).tolist(),
            "batch": self.batch,
            "context": self.context,
            "tokens": self.tokens,
            "function": self.function,
            "args": list(self.args),
            "phase": self.phase,
        }

    def latex(self) -> str:
        r"""The term as LaTeX with its number put in (the first one of an array).

        >>> print(Term("memory", "kv", 2e-6, batch=1, context=1).latex())
        2\times10^{-6}\,B\,L
        """
        number = f"{float(np.ravel(self.coefficient)[0]):.4g}"
        if "e" in number:
            mantissa, exponent = number.split("e")
            number = rf"{mantissa}\times10^{{{int(exponent)}}}"
        parts = [number]
        for symbol, power in (("B", self.batch), ("L", self.context), ("T", self.tokens)):
            if power:
                parts.append(symbol if power == 1 else f"{symbol}^{{{power:g}}}")
        if self.function is not None:
            parts.append(_LIMITS[self.function].format(*self.args))
        return r"\,".join(parts)


def _spread(value: Any, *others: ArrayLike) -> Any:
    """The value with the broadcast shape of all: a term may not depend on a variable that has an axis."""
    shape = np.broadcast_shapes(np.shape(value), *(np.shape(o) for o in others))
    return value if np.shape(value) == shape else np.broadcast_to(value, shape).copy()


@dataclass(frozen=True, slots=True)
class Terms:
    """A time as a max over resources of sums of terms.

    Parameters
    ----------
    terms : tuple of Term
        The addends.
    assumptions : tuple of str
        What the list leaves out or takes for granted.

    Examples
    --------
    >>> t = Terms((Term("compute", "weights", 1e-6, batch=1), Term("memory", "weights", 1e-3)))
    >>> t.seconds(100.0), str(t.binding(100.0)), round(t.balance_batch(), 6)
    (0.001, 'memory', 1000.0)
    """

    terms: tuple[Term, ...]
    assumptions: tuple[str, ...] = ()

    @property
    def resources(self) -> tuple[str, ...]:
        """Names of the resources, in order of appearance."""
        return tuple(dict.fromkeys(t.resource for t in self.terms))

    def by_term(
        self, batch: ArrayLike, context: ArrayLike = 0.0, tokens: ArrayLike = 1.0
    ) -> dict[tuple[str, str], Array]:
        """Seconds by (resource, label), each broadcast on its own [s]."""
        b, c, n = (np.asarray(v, dtype=float) for v in (batch, context, tokens))
        found: dict[tuple[str, str], Array] = {}
        for term in self.terms:
            key = (term.resource, term.label)
            value = term.seconds(b, c, n)
            found[key] = found[key] + value if key in found else value
        return found

    def by_resource(self, batch: ArrayLike, context: ArrayLike = 0.0, tokens: ArrayLike = 1.0) -> dict[str, Array]:
        """Seconds by resource [s]."""
        found: dict[str, Array] = {}
        for (resource, _), value in self.by_term(batch, context, tokens).items():
            found[resource] = found[resource] + value if resource in found else value
        return found

    def seconds(self, batch: ArrayLike, context: ArrayLike = 0.0, tokens: ArrayLike = 1.0) -> Any:
        """The time [s]: per phase the max over resources of sums, with the broadcast shape."""
        b, c, n = (np.asarray(v, dtype=float) for v in (batch, context, tokens))
        total: Any = 0.0
        for phase in dict.fromkeys(t.phase for t in self.terms):
            sums: dict[str, Any] = {}
            for term in self.terms:
                if term.phase == phase:
                    sums[term.resource] = sums.get(term.resource, 0.0) + term.seconds(b, c, n)
            total = total + functools.reduce(np.maximum, sums.values())
        return _spread(total, b, c, n) if np.ndim(total) or max(b.ndim, c.ndim, n.ndim) else float(total)

    def binding(self, batch: ArrayLike, context: ArrayLike = 0.0, tokens: ArrayLike = 1.0) -> NDArray[np.str_]:
        """Name of the resource that sets the time, element by element."""
        found = self.by_resource(batch, context, tokens)
        stacked = np.stack(np.broadcast_arrays(*found.values()))
        names: NDArray[np.str_] = np.asarray(list(found), dtype=str)
        return np.asarray(_spread(names[np.argmax(stacked, axis=0)], batch, context, tokens))

    def _slope(self, resource: str, context: Array, *, per_batch: bool) -> Any:
        """Large-batch coefficient of `resource` per sequence (or constant) at `context`, one token each [s]."""
        one = np.ones_like(context)
        total: Any = np.zeros_like(context)
        for term in self.terms:
            if term.resource == resource and bool(term.batch) == per_batch:
                many = np.inf * one if term.function == "touched" else one
                total = total + term.seconds(many if not term.batch else one, context, one)
        return total

    def balance_batch(self, context: ArrayLike = 0.0) -> Any:
        """Batch at which compute equals memory, closed form; inf where no batch balances [1].

        With ``compute = a B`` and ``memory = w + m B`` at a given context, ``B = w / (a - m)``. Every
        expert counts as touched, as it is at the batches where this matters (claims C04, C19, D03).
        """
        c = np.asarray(context, dtype=float)
        gain = self._slope("compute", c, per_batch=True) - self._slope("memory", c, per_batch=True)
        fixed = self._slope("memory", c, per_batch=False) - self._slope("compute", c, per_batch=False)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(gain > 0, fixed / gain, np.inf)
        return value if value.ndim else float(value)

    def balance_context(self) -> float:
        """Context at which reading the cache takes as long as multiplying, at large batch [token].

        Found by bisection on the per-sequence slopes, which are piecewise linear in context; inf where the
        cache never catches up, 0 where it leads from the first token (claims C64, C65).
        """

        def excess(context: float) -> float:
            c = np.asarray(context)
            return float(self._slope("memory", c, per_batch=True) - self._slope("compute", c, per_batch=True))

        low, high = 0.0, 1e12
        if excess(low) >= 0:
            return 0.0
        if excess(high) <= 0:
            return float("inf")
        for _ in range(200):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if excess(middle) < 0 else (low, middle)
        return high

    def times(self, factor: ArrayLike, batch: float = 0.0, context: float = 0.0, tokens: float = 0.0) -> Terms:
        """The list multiplied by a factor and by powers of the variables: a cost per token from a time per pass.

        >>> t = Terms((Term("compute", "weights", 1e-6, batch=1), Term("memory", "weights", 1e-3)))
        >>> t.times(2.0, batch=-1).seconds(10.0) == 2.0 * t.seconds(10.0) / 10.0
        True
        """
        return replace(
            self,
            terms=tuple(
                replace(
                    t,
                    coefficient=t.coefficient * np.asarray(factor),
                    batch=t.batch + batch,
                    context=t.context + context,
                    tokens=t.tokens + tokens,
                )
                for t in self.terms
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """The list as plain data, for a page or a file to evaluate."""
        return {"terms": [t.to_dict() for t in self.terms], "assumptions": list(self.assumptions)}

    def latex(self) -> str:
        r"""The time as one LaTeX expression.

        >>> print(Terms((Term("compute", "weights", 1e-6, batch=1), Term("memory", "weights", 1e-3))).latex())
        t=\max\left(1\times10^{-6}\,B,\;0.001\right)
        """
        maxima = []
        for phase in dict.fromkeys(t.phase for t in self.terms):
            here = [t for t in self.terms if t.phase == phase]
            sums = [
                "+".join(t.latex() for t in here if t.resource == r) for r in dict.fromkeys(t.resource for t in here)
            ]
            maxima.append(r"\max\left(" + r",\;".join(sums) + r"\right)" if len(sums) > 1 else sums[0])
        return "t=" + "+".join(maxima)
