"""The ladder: every law on the same runs, one chosen by what it would have forecast, intervals from the same test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headway.facts.errors import HeadwayError, InputError, unknown
from headway.physics.arrays import Floats
from headway.scaling.allocation import Allocation, by_law, envelope, isoflop, optimal_point
from headway.scaling.forms import LAWS, Point
from headway.scaling.intervals import Band, computes, coverage, interval, rolling_band
from headway.scaling.laws import DELTA, Fit, fit_law
from headway.scaling.runs import Runs

CANDIDATES = ("chinchilla", "tied")
"""Laws that the choice is between where size and tokens are known."""

_FEW = 12


@dataclass(frozen=True, slots=True)
class Method:
    """One law on the runs.

    Parameters
    ----------
    name : str
    fit : Fit or None
    band : Band or None
    reason : str
        Why there is no fit.
    """

    name: str
    fit: Fit | None
    band: Band | None
    reason: str = ""

    @property
    def error(self) -> float:
        """Mean error over the rolling origins [1]; not a number where there is none."""
        origins = self.band.origins if self.band else ()
        return float(np.mean([o.error for o in origins])) if origins else float("nan")


@dataclass(frozen=True, slots=True)
class Ladder:
    """Laws fitted to one table of runs.

    Parameters
    ----------
    runs : Runs
    methods : tuple of Method
        All of them, those that do not apply with the reason.
    chosen : str
        The one that forecasts.
    why : str
        Why it was chosen.
    level : float
        Of the intervals [1].
    """

    runs: Runs
    methods: tuple[Method, ...]
    chosen: str
    why: str
    level: float

    def method(self, name: str) -> Method:
        """One of them by name."""
        return next(m for m in self.methods if m.name == name)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What one method says about some runs.

    Parameters
    ----------
    method : str
    at : Point
    value, low, high : ndarray
        [nat/token].
    """

    method: str
    at: Point
    value: Floats
    low: Floats
    high: Floats


def climb(
    runs: Runs,
    method: str = "auto",
    asymptote: float | None = None,
    level: float = 0.9,
    laws: tuple[str, ...] = tuple(LAWS),
) -> Ladder:
    """Fit every law that the table's columns allow.

    Parameters
    ----------
    runs : Runs
    method : str
        A key of ``headway.scaling.forms.LAWS``, or ``"auto"``: tied exponents below twelve runs, else whichever
        of free and tied exponents had the smaller rolling-origin error. Where sparsity differs between runs or
        tokens are seen twice, the law that has a term for it.
    asymptote : float, optional
        Held limit of the pinned laws [nat/token].
    level : float
        Of the intervals [1].
    laws : tuple of str
        Which to fit beside the one asked for.

    Raises
    ------
    UnknownNameError, InputError
        If the method is not known, or cannot be fitted to these runs.

    Examples
    --------
    >>> from headway.scaling.runs import runs_of
    >>> c = np.logspace(18, 20, 9)
    >>> runs = runs_of(Point(compute=c), 1.7 + 300 * c**-0.13)
    >>> climb(runs).chosen
    'compute'
    """
    if method != "auto" and method not in LAWS:
        raise unknown("--method", method, ("auto", *LAWS))
    delta = DELTA if len(runs.loss) >= _FEW else np.inf
    at = Point(runs.at.size, runs.at.tokens, computes(runs.at), runs.at.unique, runs.at.sparsity)
    methods = tuple(_method(name, at, runs.loss, delta, asymptote, level) for name in LAWS if name in (*laws, method))
    chosen, why = (method, "as asked") if method != "auto" else _choose(methods, len(runs.loss), _special(at))
    found = next(m for m in methods if m.name == chosen)
    if found.fit is None:
        raise InputError("--method", chosen, f"a law that these runs allow ({found.reason})")
    return Ladder(runs, methods, chosen, why, level)


def _method(name: str, at: Point, loss: Floats, delta: float, asymptote: float | None, level: float) -> Method:
    try:
        fit = fit_law(name, at, loss, delta=delta, asymptote=asymptote)
        return Method(name, fit, rolling_band(fit, level))
    except HeadwayError as error:
        return Method(name, None, None, str(error))


def _special(at: Point) -> tuple[str, ...]:
    """Laws for what a table has beside size and tokens: differing sparsity, tokens seen twice."""
    sparse = at.sparsity is not None and float(np.ptp(at.sparsity)) > 0
    repeated = at.unique is not None and at.tokens is not None and bool(np.any(at.tokens > at.unique))
    return ("moe",) * sparse + ("data-constrained",) * repeated


def _choose(methods: tuple[Method, ...], rows: int, also: tuple[str, ...] = ()) -> tuple[str, str]:
    fitted = [m for m in methods if m.fit is not None]
    fitted = [m for m in fitted if m.fit and m.fit.converged] or fitted
    # A law that knows of experts or of repeated tokens stands for the tables that have them.
    able = [m for m in fitted if m.name in also] or [m for m in fitted if m.name in CANDIDATES]
    if not able:
        able = [m for m in fitted if m.name in ("compute", "power")]
    if not able:
        raise InputError("runs", rows, "enough runs for the constants of a law (at least 3 with compute alone)")
    if rows < _FEW:
        return able[-1].name if able[-1].name == "tied" else able[0].name, f"fewest constants, for {rows} runs"
    best = min(able, key=lambda m: m.error if np.isfinite(m.error) else np.inf)
    if len(able) == 1:
        return best.name, "the law that these columns allow"
    return best.name, "smaller rolling-origin error: " + ", ".join(f"{m.name} {m.error:.2%}" for m in able)


def place(
    ladder: Ladder,
    compute: float | None = None,
    *,
    size: float | None = None,
    tokens: float | None = None,
    unique: float | None = None,
    sparsity: float | None = None,
) -> Point:
    """Where a run would be: of some compute, at the optimum of the chosen law, or of a stated size and tokens.

    Parameters
    ----------
    ladder : Ladder
    compute : float, optional
        [FLOP]; ``6 N D`` where size and tokens are given instead.
    size, tokens : float, optional
        ``N`` [1] and ``D`` [token].
    unique, sparsity : float, optional
        Distinct tokens [token] and total over active parameters [1], for the laws that need them.

    Raises
    ------
    InputError
        If the chosen law needs what is not given, or the runs have no size and tokens.

    Examples
    --------
    >>> from headway.scaling.runs import runs_of
    >>> c = np.logspace(18, 20, 9)
    >>> runs = runs_of(Point(compute=c), 1.7 + 300 * c**-0.13)
    >>> place(climb(runs), 1e22).compute.tolist()
    [1e+22]
    """
    fit = ladder.method(ladder.chosen).fit
    if size is not None and tokens is not None:
        if ladder.runs.at.size is None:
            raise InputError("--predict", f"{size:g}:{tokens:g}", "a compute, because the runs have no size and tokens")
        given = {"unique": unique, "sparsity": sparsity}
        for column in fit.law.needs if fit else ():
            if given.get(column, 1.0) is None:
                raise InputError(f"--{column}", "nothing", f"the {column} of the rungs, for the law {ladder.chosen!r}")
        extra = {name: None if value is None else np.array([value]) for name, value in given.items()}
        return Point(np.array([size]), np.array([tokens]), np.array([6.0 * size * tokens]), **extra)
    if compute is None:
        raise InputError("--predict", "nothing", "a compute, or size and tokens")
    if fit is None or "size" not in fit.law.needs:
        return Point(compute=np.array([compute]))
    if set(fit.law.needs) != {"size", "tokens"}:
        raise InputError("--predict", compute, f"SIZE:TOKENS, because the law {fit.law.name!r} needs more columns")
    return optimal_point(fit, compute)


def places(ladder: Ladder, computes: Sequence[float]) -> Point:
    """Where runs of several amounts of compute would be, as one set of points.

    Examples
    --------
    >>> from types import MappingProxyType
    >>> c = np.logspace(18, 20, 9)
    >>> none = MappingProxyType({})
    >>> runs = Runs("r", ("",) * 9, Point(compute=c), 1.7 + 300 * c**-0.13, (0,) * 9, "loss", (), none, ())
    >>> places(climb(runs), [1e21, 1e22]).compute.tolist()
    [1e+21, 1e+22]
    """
    at = [place(ladder, compute) for compute in computes]
    if at[0].size is None:
        return Point(compute=np.asarray(computes, dtype=float))
    size, tokens = (np.concatenate([np.ravel(getattr(one, name)) for one in at]) for name in ("size", "tokens"))
    return Point(size, tokens, np.asarray(computes, dtype=float))


def forecasts(ladder: Ladder, at: Point) -> tuple[Forecast, ...]:
    """What every fitted law says about some runs, the chosen one first.

    Examples
    --------
    >>> from headway.scaling.runs import runs_of
    >>> c = np.logspace(18, 20, 9)
    >>> runs = runs_of(Point(compute=c), 1.7 + 300 * c**-0.13)
    >>> [f.method for f in forecasts(climb(runs), Point(compute=np.array([1e22])))]
    ['compute', 'power']
    """
    full = Point(at.size, at.tokens, computes(at), at.unique, at.sparsity)
    found = []
    for method in sorted(ladder.methods, key=lambda m: m.name != ladder.chosen):
        if method.fit is None or method.band is None:
            continue
        if any(getattr(full, column) is None for column in method.fit.law.needs):
            continue
        found.append(Forecast(method.name, full, *interval(method.fit, method.band, full)))
    return tuple(found)


def half_width(forecast: Forecast) -> Floats:
    """Half of the interval over the forecast [1].

    >>> one = np.array([2.0])
    >>> half_width(Forecast("power", Point(compute=one), one, one * 0.9, one * 1.1)).round(3).tolist()
    [0.1]
    """
    return np.asarray((forecast.high - forecast.low) / (2.0 * forecast.value))


def allocations(ladder: Ladder, compute: float) -> tuple[Allocation, ...]:
    """Optimal size and tokens at some compute by every approach; empty where size is not known.

    Examples
    --------
    >>> from headway.scaling.runs import runs_of
    >>> c = np.logspace(18, 20, 9)
    >>> runs = runs_of(Point(compute=c), 1.7 + 300 * c**-0.13)
    >>> allocations(climb(runs), 1e22)
    ()
    """
    at, loss = ladder.runs.at, ladder.runs.loss
    if at.size is None:
        return ()
    found = [envelope(at, loss, compute), isoflop(at, loss, compute)]
    found += [by_law(m.fit, compute) for m in ladder.methods if m.fit and set(m.fit.law.needs) == {"size", "tokens"}]
    if len(loss) >= _FEW:
        found.append(by_law(fit_law("chinchilla", at, loss, delta=np.inf), compute))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Holdout:
    """A forecast against runs that the fit did not see.

    Parameters
    ----------
    error, bias : float
        Mean absolute, and mean, relative error [1].
    covered : float
        Share of runs inside their interval [1].
    width : float
        Mean half width over the value [1].
    absolute : float
        Mean absolute error, in the unit of the target.
    """

    error: float
    bias: float
    covered: float
    width: float
    absolute: float


def judge(forecast: Forecast, measured: Floats) -> Holdout:
    """Compare a forecast with what was measured.

    >>> one = np.array([2.0])
    >>> judge(Forecast("power", Point(compute=one), one, one * 0.9, one * 1.1), np.array([2.1])).covered
    1.0
    """
    relative = forecast.value / measured - 1.0
    return Holdout(
        float(np.mean(np.abs(relative))),
        float(np.mean(relative)),
        coverage(forecast.low, forecast.high, measured),
        float(np.mean(half_width(forecast))),
        float(np.mean(np.abs(forecast.value - measured))),
    )
