"""The forms of loss against size, data and compute: one table, and the function that each of them is.

All of them are sums of power laws, so they share one set of derivatives (:class:`headway.scaling.solver.LogSum`),
apart from three that are not sums and take a complex step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from headway.facts.errors import InputError, unknown
from headway.physics.arrays import Floats
from headway.scaling.solver import Form, Smooth, log_sum


@dataclass(frozen=True, slots=True)
class Law:
    """One form.

    Parameters
    ----------
    name : str
    equation : str
    needs : tuple of str
        Columns of :class:`Point`.
    constants : tuple of str
        In the order of the parameters; coefficients and asymptotes are fitted as logarithms.
    logs : tuple of bool
        Which of them are logarithms.
    source : str
    """

    name: str
    equation: str
    needs: tuple[str, ...]
    constants: tuple[str, ...]
    logs: tuple[bool, ...]
    source: str


_HOFFMANN = "Hoffmann et al. 2022, arXiv 2203.15556, approach 3"
_ROWS = (
    ("chinchilla", "E + A/N^a + B/D^b", "size tokens", "E A a B b", _HOFFMANN),
    ("tied", "E + A/N^a + B/D^a", "size tokens", "E A a B", "Gadre et al. 2024, arXiv 2403.08540 (a = 2 eta)"),
    ("pinned", "E0 + A/N^a + B/D^b, E0 given", "size tokens", "A a B b", f"{_HOFFMANN}, asymptote held"),
    ("kaplan", "[(Nc/N)^(aN/aD) + Dc/D]^aD", "size tokens", "Nc aN Dc aD", "Kaplan et al. 2020, arXiv 2001.08361"),
    (
        "moe",
        "E + A/(N^a S^g) + B/D^b, S = total/active",
        "size tokens sparsity",
        "E A a g B b",
        "Clark et al. 2022, arXiv 2202.01169: effective parameters N S^(g/a), without their interaction; data as above",
    ),
    (
        "data-constrained",
        "E + A/N^a + B/D'^b, D' = U + U R*(1 - exp(-(D/U - 1)/R*))",
        "size tokens unique",
        "E A a B b R*",
        "Muennighoff et al. 2023, arXiv 2305.16264, data term",
    ),
    (
        "data-and-size-constrained",
        "E + A/N'^a + B/D'^b, N' = M + M Q*(1 - exp(-(N/M - 1)/Q*)), M the optimum of U",
        "size tokens unique",
        "E A a B b R* Q*",
        "Muennighoff et al. 2023, arXiv 2305.16264: repeated tokens and excess parameters",
    ),
    ("compute", "E + A/C^a", "compute", "E A a", "Kaplan et al. 2020 with an asymptote"),
    ("compute-pinned", "E0 + A/C^a, E0 given", "compute", "A a", "as marin's MoE ladder holds it"),
    ("power", "A/C^a", "compute", "A a", "Kaplan et al. 2020, L(C)"),
)
_PLAIN = frozenset({"a", "b", "g", "aN", "aD"})
#: Exponents of terms that fall with size, tokens or compute where they are above 0.
FALLING: Final = frozenset({"a", "b", "aN", "aD"})
#: Laws in which tokens that are seen again are worth less.
REPEATING = ("data-constrained", "data-and-size-constrained")
LAWS: Mapping[str, Law] = MappingProxyType(
    {
        name: Law(
            name,
            equation,
            tuple(needs.split()),
            tuple(constants.split()),
            tuple(c not in _PLAIN for c in constants.split()),
            source,
        )
        for name, equation, needs, constants, source in _ROWS
    }
)


@dataclass(frozen=True, slots=True)
class Point:
    """Where runs are, one array per column; those that are not known are None.

    Parameters
    ----------
    size, tokens, compute : ndarray or None
        Parameters [1], tokens seen [token], training FLOP [FLOP].
    unique : ndarray or None
        Distinct tokens [token].
    sparsity : ndarray or None
        Total over active parameters [1].
    """

    size: Floats | None = None
    tokens: Floats | None = None
    compute: Floats | None = None
    unique: Floats | None = None
    sparsity: Floats | None = None

    def __len__(self) -> int:
        """Rows."""
        return len(next(c for c in (self.size, self.compute, self.tokens) if c is not None))

    def take(self, rows: Any) -> Point:
        """Some of the rows."""
        columns = (self.size, self.tokens, self.compute, self.unique, self.sparsity)
        return Point(*(None if c is None else c[rows] for c in columns))


def law(name: str) -> Law:
    """Look a form up by name.

    >>> law("tied").constants
    ('E', 'A', 'a', 'B')
    """
    if name not in LAWS:
        raise unknown("law", name, LAWS)
    return LAWS[name]


def log_column(at: Point, column: str) -> Floats:
    """Logarithm of a column of runs.

    >>> log_column(Point(compute=np.array([1.0])), "compute").tolist()
    [0.0]

    Raises
    ------
    InputError
        If the runs do not have it.
    """
    values = getattr(at, column)
    if values is None:
        raise InputError(column, "no column", f"a column with the {column} of each run")
    return np.asarray(np.log(np.asarray(values, dtype=float)))


def form(name: str, at: Point, asymptote: float | None = None) -> Form:
    """Build the function of the parameters that predicts the logarithm of the loss at some runs.

    Parameters
    ----------
    name : str
        Key of ``LAWS``.
    at : Point
    asymptote : float, optional
        ``E0`` of the pinned forms [nat/token].

    Raises
    ------
    InputError
        If a column is missing, or a pinned form has no asymptote.

    Examples
    --------
    >>> at = Point(compute=np.array([1e18, 1e20]))
    >>> np.exp(form("power", at).values(np.array([[np.log(10.0), 0.05]]))).round(3).tolist()
    [[1.259, 1.0]]
    """
    known = law(name)
    if name == "kaplan":
        n, d = log_column(at, "size"), log_column(at, "tokens")

        def kaplan(p: Any) -> Any:
            left, right = p[:, 1] / p[:, 3] * (p[:, 0] - n), p[:, 2] - d
            top = np.where(np.real(left) > np.real(right), left, right)
            return p[:, 3] * (top + np.log(np.exp(left - top) + np.exp(right - top)))

        return Smooth(kaplan)
    if name in REPEATING:
        return Smooth(_repeating(log_column(at, "size"), log_column(at, "tokens"), log_column(at, "unique")))
    places = {constant: i for i, constant in enumerate(known.constants)}
    features = {column: log_column(at, column) for column in known.needs}
    pinned = "E" not in places and name != "power"
    if pinned and not (asymptote and asymptote > 0):
        raise InputError("asymptote", asymptote, f"the loss that the form {name!r} holds as its limit, above 0")
    coefficients = [c for c in ("A", "B") if c in places]
    terms = np.zeros((len(coefficients) + (name != "power"), len(at), len(places)))
    for term, coefficient in zip(terms, coefficients, strict=False):
        term[:, places[coefficient]] = 1.0
        column = ("tokens" if coefficient == "B" else "size") if "size" in features else "compute"
        exponent = "b" if coefficient == "B" and "b" in places else "a"
        term[:, places[exponent]] = -features[column]
        if coefficient == "A" and "g" in places:
            term[:, places["g"]] = -features["sparsity"]
    offset = np.zeros(len(terms))
    if pinned:
        offset[-1] = np.log(float(asymptote or 1.0))
    elif name != "power":
        terms[-1, :, places["E"]] = 1.0
    return log_sum(terms, offset)


def _worth(whole: Any, excess: Any, decay: Any) -> Any:
    """Logarithm of what ``exp(whole)`` and more of the same are worth, `excess` being the logarithm of all of it."""
    more = np.where(np.real(excess - whole) > 0, excess - whole, 0.0 * excess)
    # Far beyond the decay nothing is added, and the exponential would overflow.
    repeats = np.exp(np.where(np.real(more) > 40.0, 40.0, more)) - 1.0
    return whole + np.log(1.0 + decay * -np.expm1(-repeats / decay))


def _repeating(n: Floats, d: Floats, u: Floats) -> Any:
    def function(p: Any) -> Any:
        seen, size = _worth(u, d + 0.0 * p[:, 5], np.exp(p[:, 5])), n + 0.0 * p[:, 5]
        if p.shape[1] == 7:
            # Sizes above the optimum of the distinct tokens, a A N^-a = b B U^-b, are in excess.
            best = (np.log(p[:, 2] / p[:, 4]) + p[:, 1] - p[:, 3] + p[:, 4] * u) / p[:, 2]
            size = np.where(np.real(n - best) > 0, _worth(best, size, np.exp(p[:, 6])), size)
        exponents = np.stack([p[:, 0] + 0.0 * n, p[:, 1] - p[:, 2] * size, p[:, 3] - p[:, 4] * seen])
        top = np.real(exponents).max(axis=0)
        return top + np.log(np.exp(exponents - top).sum(axis=0))

    return function
