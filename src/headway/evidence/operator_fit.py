"""Fit the constants of operators stage by stage, and say how far each of them is known.

Five stages, each with the constants of those before it: products, attention, linear layers, experts, collectives.
Residuals are logs of predicted over measured under a soft absolute loss; a constant that no row moves takes the
median of its siblings.

The 80% interval of a constant comes from refits that leave out one chip, one engine or one lane at a time. Each of
these ways gives a jackknife variance (Efron, The Jackknife, 1982, eq. 3.3) of the logarithm; widths in Student's t with
one degree of freedom less than there are groups are added in squares. Two lanes always stay: without 16-bit products a
rate and its loss by narrowing cannot be told apart, without prefill of grouped heads products and exponentials cannot.
A constant that rests on a single group is given the widest relative interval of its siblings.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from headway.evidence.log_fit import quantile_80
from headway.evidence.operator_forms import FORMS, Rows, Values, relative_errors
from headway.evidence.operator_rows import cards
from headway.facts.errors import MissingExtraError

GENERATIONS: Final = ("ampere", "ada", "hopper", "blackwell")
ENGINES: Final = ("trtllm", "sglang", "vllm")
Errors = dict[tuple[str, str, str], list[NDArray[np.float64]]]
# Student's t at 90% for one and two degrees of freedom, where the series for it is not yet exact.
_FEW: Final = (3.078, 1.886)
_CORNER: Final = 0.15
_STEPS: Final = 40
_MOVED: Final = 1e-9
#: Constant, scope, start, lower and upper bound; by family.
_CONSTANTS: Final[Mapping[str, tuple[tuple[str, str, float, float, float], ...]]] = MappingProxyType(
    {
        "product": (
            ("generation", "compute", 0.7, 0.05, 1.0),
            ("generation", "narrow", 0.75, 0.3, 1.0),
            ("generation", "memory", 0.85, 0.05, 0.95),
            ("generation", "operator_latency", 2.7e-6, 1e-6, 1e-4),
            ("engine", "quantise_latency", 3e-6, 1e-7, 1e-4),
            ("shared", "serial", 4e-10, 1e-12, 1e-8),
        ),
        "attention": (
            ("engine", "attention_latency", 9e-6, 1e-7, 1e-4),
            ("engine", "widening", 100.0, 1.0, 1e4),
            ("shared", "attention", 0.8, 0.05, 0.95),
            ("shared", "softmax_weight", 0.6, 0.01, 1.0),
            ("shared", "half_length", 800.0, 1.0, 1e5),
        ),
        "recurrent": (("shared", "scan", 5e-8, 1e-10, 1e-6),),
        "experts": (
            ("engine", "experts", 0.7, 0.05, 1.0),
            ("engine", "experts_latency", 2.5e-5, 1e-7, 1e-3),
            ("shared", "weight_only", 0.6, 0.05, 1.0),
        ),
        "collective": (
            ("generation", "latency_factor", 1.4, 0.2, 10.0),
            ("engine", "collective_latency", 3e-6, 1e-7, 1e-4),
            ("engine", "exchange_latency", 1.2e-5, 1e-7, 1e-3),
            ("shared", "link", 0.6, 0.05, 1.0),
            ("shared", "exchange", 0.4, 0.05, 1.0),
            ("shared", "network", 0.8, 0.05, 1.0),
            ("shared", "relay_latency", 9e-5, 1e-6, 1e-3),
            ("nccl", "latency", 4e-6, 1e-8, 1e-4),
            ("nccl", "per_rank", 1.5e-6, 1e-8, 1e-4),
        ),
    }
)
#: Measured against this generation, whose factor is one.
_REFERENCE: Final = "generation.hopper.latency_factor"
_ALWAYS: Final = (("product", "bf16"), ("attention", "prefill"))


@dataclass(frozen=True, slots=True)
class Known:
    """A constant and its 80% interval.

    Parameters
    ----------
    value, low, high : float
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """What the fit found.

    Parameters
    ----------
    values : mapping of str to float
        Constants by scope and name.
    known : mapping of str to Known
        The same with intervals.
    errors : mapping of (str, str, str) to array
        ``|predicted / measured - 1|`` by family, lane and protocol: ``"in the fit"``, ``"chip left out"``,
        ``"generation left out"``, ``"engine left out"``.
    """

    values: Values
    known: Mapping[str, Known]
    errors: Mapping[tuple[str, str, str], NDArray[np.float64]]


def names_of(family: str) -> tuple[tuple[str, float, float, float], ...]:
    """Full names of a stage's constants, with start and bounds.

    >>> [name for name, *_ in names_of("experts")][-1]
    'shared.weight_only'
    """
    labels = {"generation": GENERATIONS, "engine": ENGINES}
    found: list[tuple[str, float, float, float]] = []
    for scope, name, start, low, high in _CONSTANTS[family]:
        full = [f"{scope}.{label}.{name}" for label in labels[scope]] if scope in labels else [f"{scope}.{name}"]
        found.extend((one, start, low, high) for one in full if one != _REFERENCE)
    return tuple(found)


def filled(values: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """The values, and for every name that has none the median of its siblings (or nothing, where it has none).

    >>> filled({"engine.a.x": 1.0, "engine.b.x": 3.0}, ["engine.c.x"])["engine.c.x"]
    2.0
    """
    found = dict(values)
    for name in names:
        alike = [values[n] for n in siblings(name, values)]
        if name not in values and alike:
            found[name] = statistics.median(alike)
    return found


def siblings(name: str, among: Iterable[str]) -> list[str]:
    """The same constant of other generations or engines.

    >>> siblings("engine.a.x", ["engine.b.x", "engine.b.y", "shared.x"])
    ['engine.b.x']
    """
    scope, constant = name.partition(".")[0], name.rpartition(".")[2]
    ours = re.compile(rf"{scope}\.[^.]+\.{constant}")
    return [n for n in among if n != name and n != _REFERENCE and ours.fullmatch(n)]


def _solver() -> Callable[..., Any]:
    try:
        from scipy.optimize import least_squares
    except ImportError:
        raise MissingExtraError("scipy", "calibrate") from None
    found: Callable[..., Any] = least_squares
    return found


def fit_stage(rows: Rows, before: Values, start: Values | None = None) -> dict[str, float]:
    """Constants of one family that its rows can tell [by name], given those of the stages before."""
    least_squares, form = _solver(), FORMS[rows.family]
    spec = names_of(rows.family)
    begin = {name: (start or {}).get(name, first) for name, first, _, _ in spec}
    base = {**before, **begin, _REFERENCE: 1.0}
    here = form(base, rows)
    moved = [np.max(np.abs(form({**base, n: base[n] * 0.9}, rows) / here - 1.0)) > _MOVED for n, *_ in spec]
    free = [one for one, moves in zip(spec, moved, strict=True) if moves]
    names = [name for name, *_ in free]
    low, high = (np.log([one[k] for one in free]) for k in (2, 3))
    logs = np.log(rows.seconds)

    def residuals(point: NDArray[np.float64]) -> NDArray[np.float64]:
        tried = {**base, **dict(zip(names, np.exp(point).tolist(), strict=True))}
        return np.asarray(np.log(form(tried, rows)) - logs)

    point = np.clip(np.log([begin[n] for n in names]), low + 1e-6, high - 1e-6)
    done = least_squares(
        residuals, point, bounds=(low, high), loss="soft_l1", f_scale=_CORNER, max_nfev=_STEPS, xtol=1e-6, ftol=1e-7
    )
    return dict(zip(names, np.exp(done.x).tolist(), strict=True))


def fit_all(families: Sequence[Rows], start: Values | None = None) -> dict[str, float]:
    """Constants of all families, each stage on top of those before; only those that the rows can tell."""
    found: dict[str, float] = {_REFERENCE: 1.0}
    every = [name for rows in families for name, *_ in names_of(rows.family)]
    for rows in families:
        found.update(fit_stage(rows, filled(found, every), start))
    return found


def complete(values: Values, families: Sequence[Rows]) -> dict[str, float]:
    """The values with medians for what no row could tell, and first guesses where there are no siblings either."""
    spec = [one for rows in families for one in names_of(rows.family)]
    return {name: start for name, start, _, _ in spec} | filled(values, [name for name, *_ in spec])


def with_exponentials(values: Mapping[str, float]) -> dict[str, float]:
    """The values and what one exponential costs in 16-bit FLOP at attention's rate, by generation [FLOP]."""
    cost = {card.chip.generation: card.exponential for card in cards()}
    weight, share = values["shared.softmax_weight"], values["shared.attention"]
    return dict(values) | {f"generation.{g}.softmax_flops": weight * share * flop for g, flop in cost.items()}


def without(families: Sequence[Rows], label: str, name: str) -> tuple[Rows, ...]:
    """Families without the rows of one chip, generation, engine or lane."""
    return tuple(rows.where(getattr(rows, label) != name) for rows in families)


def only(families: Sequence[Rows], label: str, name: str) -> tuple[Rows, ...]:
    """Families with only the rows of one chip, generation, engine or lane."""
    return tuple(rows.where(getattr(rows, label) == name) for rows in families)


def telling(families: Sequence[Rows], values: Values, constant: str) -> Iterator[Rows]:
    """Rows of the stage that fits a constant which the constant moves."""
    constant = "shared.softmax_weight" if constant.endswith(".softmax_flops") else constant
    for rows in families:
        if constant in [name for name, *_ in names_of(rows.family)]:
            form = FORMS[rows.family]
            less = form({**values, constant: values[constant] * 0.9}, rows)
            yield rows.where(np.abs(less / form(values, rows) - 1.0) > _MOVED)


def spread(refits: Sequence[float]) -> float:
    """Half width of the 80% interval of a logarithm, from refits that each leave one group out.

    >>> round(spread([0.0, 0.1]), 3), spread([0.3])
    (0.154, 0.0)
    """
    if len(refits) < 2:
        return 0.0
    n = len(refits)
    variance = (n - 1) * statistics.pvariance(refits)
    quantile = _FEW[n - 2] if n - 2 < len(_FEW) else quantile_80(n - 1)
    return math.sqrt(variance) * quantile


def _known(name: str, value: float, half: float) -> Known:
    every = (one for family in _CONSTANTS for one in names_of(family))
    _, _, low, high = next((one for one in every if one[0] == name), (name, value, 0.0, math.inf))
    return Known(value, max(value * math.exp(-half), low), min(value * math.exp(half), high))


def _lane_refits(families: Sequence[Rows], values: Values) -> dict[str, Values]:
    """Each stage refitted without one of its lanes, the other stages as they are."""
    found: dict[str, Values] = {}
    for rows in families:
        for lane in np.unique(rows.lane).tolist():
            if (rows.family, lane) not in _ALWAYS:
                refit = fit_stage(rows.where(rows.lane != lane), values, values)
                found[f"{rows.family}: {lane}"] = with_exponentials(refit) if rows.family == "attention" else refit
    return found


def fit(families: Sequence[Rows]) -> Fitted:
    """Fit everything, with intervals and errors on rows that the fit saw and that it did not."""
    raw = fit_all(families)
    values = complete(raw, families)
    errors: Errors = {}
    _judge(errors, "in the fit", families, values)
    ways: dict[str, dict[str, Values]] = {"lane": dict(_lane_refits(families, values))}
    for label in ("chip", "engine", "generation"):
        ways[label] = {}
        names = sorted({name for rows in families for name in np.unique(getattr(rows, label)).tolist()})
        for name in names:
            rest = without(families, label, name)
            refit = fit_all(rest, raw)
            ways[label][name] = with_exponentials(refit)
            _judge(errors, f"{label} left out", only(families, label, name), complete(refit, families))
    raw, values = with_exponentials(raw), with_exponentials(values)
    known = intervals(values, list(raw), families, ways)
    joined = {key: np.concatenate(parts) for key, parts in errors.items()}
    return Fitted(MappingProxyType(values), MappingProxyType(known), MappingProxyType(joined))


def _half_width(name: str, values: Values, families: Sequence[Rows], ways: Mapping[str, Mapping[str, Values]]) -> float:
    """Half width of the 80% interval of a constant's logarithm, over the groups whose rows it moves."""
    rows = next(telling(families, values, name))
    groups = {label: set(np.unique(getattr(rows, label)).tolist()) for label in ("chip", "engine")}
    # Leaving formats out would tell of the formats, not of the generation.
    if not name.startswith("generation.") or name.endswith(".softmax_flops"):
        groups["lane"] = {f"{rows.family}: {lane}" for lane in np.unique(rows.lane).tolist()}
    square = 0.0
    for way, members in groups.items():
        refits = [found for group, found in ways[way].items() if group in members and name in found]
        square += spread([math.log(found[name]) for found in refits]) ** 2
    return math.sqrt(square)


def intervals(
    values: Values, told: Sequence[str], families: Sequence[Rows], ways: Mapping[str, Mapping[str, Values]]
) -> dict[str, Known]:
    """All constants with intervals; those of `told` from refits, the others from their siblings."""
    told = [name for name in told if name != _REFERENCE]
    half = {name: _half_width(name, values, families, ways) for name in told}
    known = {name: _known(name, values[name], half[name]) for name in told}
    for name in told:
        if half[name] == 0.0 and siblings(name, told):
            known[name] = _known(name, values[name], max(half[other] for other in siblings(name, told)))
    for name in values:
        each = [known[other] for other in siblings(name, told)]
        if name not in known and name != _REFERENCE and each:
            known[name] = Known(values[name], min(k.low for k in each), max(k.high for k in each))
    return known | {_REFERENCE: Known(1.0, 1.0, 1.0)}


def _judge(errors: Errors, protocol: str, families: Sequence[Rows], values: Values) -> None:
    for rows in families:
        own = rows.where(rows.engine != "nccl")
        found = relative_errors(values, own)
        for lane in np.unique(own.lane).tolist():
            errors.setdefault((rows.family, lane, protocol), []).append(found[own.lane == lane])
