"""Make traffic: independent requests, sessions as closed loops, agents side by side, a pool decomposed into clients."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from headway.facts.check import fraction, not_negative, positive, single, whole
from headway.facts.errors import InputError, MissingExtraError, unknown
from headway.simulation.arrivals import DAY_S, arrivals, unit_gaps, weibull_shape
from headway.simulation.columns import LONGEST, NONE, Floats, Ints
from headway.simulation.trace import Trace, make_trace

WINDOW_S = 600.0
"""Length of a window of ServeGen's rates [s]."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
BLOCK_TOKENS = 16


def lengths(mean: float, cv: float, n: int, rng: np.random.Generator) -> Ints:
    """Draw whole lengths, log-normal with this mean and coefficient of variation, at least 1.

    Parameters
    ----------
    mean : float
        [token].
    cv : float
        0 gives the mean itself [1].
    n : int
        How many [1].
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    ndarray of int
        Shape (n,) [token].

    Examples
    --------
    >>> drawn = lengths(1000, 1.0, 100_000, np.random.default_rng(0))
    >>> bool(abs(drawn.mean() - 1000) < 15)
    True
    """
    centre = positive("mean length", single("mean length", mean), "token")
    spread = not_negative("length cv", single("length cv", cv))
    sigma = np.sqrt(np.log1p(spread**2))
    drawn = centre * np.exp(sigma * rng.standard_normal(n) - sigma**2 / 2)
    return np.asarray(np.clip(np.rint(drawn), 1, LONGEST), dtype=np.int64)


def generate(
    n: int,
    rate: float,
    *,
    process: str = "poisson",
    cv: float = 1.0,
    swing: float = 0.0,
    period_s: float = DAY_S,
    input_tokens: float = 1024.0,
    output_tokens: float = 256.0,
    length_cv: float = 1.0,
    shared_tokens: int = 0,
    fast_share: float = 0.0,
    seed: int = 0,
) -> Trace:
    """Make independent requests.

    Parameters
    ----------
    n : int
        Requests [1].
    rate : float
        Mean arrivals [1/s].
    process : str
        Key of :data:`~headway.simulation.arrivals.PROCESSES`.
    cv : float
        Of the gaps [1].
    swing, period_s : float
        Peak over mean less one [1], and the length of the cycle [s].
    input_tokens, output_tokens, length_cv : float
        Mean lengths [token] and their coefficient of variation [1].
    shared_tokens : int
        First tokens of every prompt, the same in all; they come before the drawn input [token].
    fast_share : float
        Share of requests of priority 0, the others having 1; 0 gives all the same [1].
    seed : int
        The same seed makes the same trace.

    Returns
    -------
    Trace
        Sorted by arrival.

    Examples
    --------
    >>> trace = generate(1000, 5.0, process="gamma", cv=3.0, seed=1)
    >>> len(trace), bool(trace.arrival_s[-1] > 50)
    (1000, True)
    """
    rng = np.random.default_rng(seed)
    count = int(whole("n", single("n", n)))
    times = arrivals(process, rate, count, rng, cv=cv, swing=swing, period_s=period_s)
    shared = int(whole("shared_tokens", single("shared_tokens", shared_tokens), least=0))
    inputs = lengths(input_tokens, length_cv, count, rng)
    outputs = lengths(output_tokens, length_cv, count, rng)
    fast = fraction("fast_share", single("fast_share", fast_share))
    priority = (rng.random(count) >= fast).astype(np.int64) if fast else np.zeros(count, np.int64)
    blocks = shared // BLOCK_TOKENS
    one = np.ones(count, dtype=np.int64)
    return make_trace(
        process,
        times,
        inputs + shared,
        outputs,
        priority=priority,
        block_tokens=BLOCK_TOKENS if blocks else 0,
        runs=(np.arange(count + 1, dtype=np.int64), 0 * one, blocks * one) if blocks else None,
        source="generated",
        notes=(f"{process} arrivals at {rate:g} requests/s (seed {seed})",),
    )


def generate_sessions(
    sessions: int,
    *,
    rate: float | None = None,
    turns: float = 8.0,
    think_s: float = 10.0,
    system_tokens: int = 1024,
    turn_tokens: float = 256.0,
    output_tokens: float = 256.0,
    length_cv: float = 1.0,
    seed: int = 0,
) -> Trace:
    """Make sessions that grow: each turn carries everything before it, and leaves when the last answer was read.

    Parameters
    ----------
    sessions : int
        How many [1].
    rate : float, optional
        Arrivals of sessions, Poisson [1/s]; None lets all begin at once, as agents that work side by side do.
    turns : float
        Mean turns of a session, geometric, at least one [1].
    think_s : float
        Mean time from an answer to the next turn, exponential [s].
    system_tokens : int
        First tokens, shared by all sessions [token].
    turn_tokens, output_tokens, length_cv : float
        Mean lengths of what a turn adds and of an answer [token], and their coefficient of variation [1].
    seed : int
        The same seed makes the same trace.

    Returns
    -------
    Trace
        A closed loop with blocks of 16 tokens; an answer's tokens are part of the next prompt.

    Examples
    --------
    >>> trace = generate_sessions(5, turns=3, seed=2)
    >>> trace.closed_loop, bool((trace.arrival_s[trace.after < 0] == 0).all())
    (True, True)
    """
    rng = np.random.default_rng(seed)
    count = int(whole("sessions", single("sessions", sessions)))
    mean_turns = positive("turns", single("turns", turns))
    if mean_turns < 1:
        raise InputError("turns", turns, "at least 1")
    think = not_negative("think_s", single("think_s", think_s), "s")
    shared = int(whole("system_tokens", single("system_tokens", system_tokens), least=0))
    begins = np.zeros(count) if rate is None else arrivals("poisson", rate, count, rng)
    many = rng.geometric(1.0 / mean_turns, count)
    n = int(many.sum())
    owner = np.repeat(np.arange(count), many)
    turn = np.arange(n) - np.repeat(np.cumsum(many) - many, many)
    added, outputs = lengths(turn_tokens, length_cv, n, rng), lengths(output_tokens, length_cv, n, rng)
    grown = np.cumsum(added + outputs)
    before = np.concatenate([[0], grown[:-1]])
    base = before[np.cumsum(many) - many][owner]
    inputs = shared + before - base + added
    first = turn == 0
    after = np.where(first, NONE, np.arange(n) - 1)
    pause = np.where(first, 0.0, rng.exponential(1.0, n) * think)
    return make_trace(
        "sessions",
        np.where(first, begins[owner], np.nan),
        inputs,
        outputs,
        session=owner,
        after=after,
        think_s=pause,
        block_tokens=BLOCK_TOKENS,
        runs=_session_runs(inputs, owner, shared),
        source="generated",
        notes=(f"{count} sessions, closed loop (seed {seed})",),
    )


def _session_runs(inputs: Ints, owner: Ints, shared: int) -> tuple[Ints, Ints, Ints]:
    """Whole blocks: the shared ones, then a stretch of ids of the session's own."""
    common = shared // BLOCK_TOKENS
    own = inputs // BLOCK_TOKENS - common
    most = np.zeros(int(owner[-1]) + 1, dtype=np.int64)
    np.maximum.at(most, owner, own)
    start = common + (np.cumsum(most) - most)[owner]
    pair_start = np.stack([np.zeros_like(start), start], axis=1).ravel()
    pair_count = np.stack([np.full_like(own, common), own], axis=1).ravel()
    kept = pair_count > 0
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept.reshape(-1, 2).sum(axis=1))])
    return indptr, pair_start[kept], pair_count[kept]


def _table(path: str | Path, needed: tuple[str, ...], model: str) -> dict[str, Any]:
    try:
        parquet, arrow = import_module("pyarrow.parquet"), import_module("pyarrow")
    except ImportError:
        raise MissingExtraError("pyarrow", "simulation") from None
    try:
        table = parquet.read_table(str(path))
    except (OSError, arrow.ArrowException):
        raise InputError("file", str(path), "a whole Parquet file of ServeGen") from None
    missing = [name for name in needed if name not in table.column_names]
    if missing:
        raise InputError(str(path), f"no column {missing[0]}", f"the columns {', '.join(needed)}")
    models = np.array(table["model"].to_pylist())
    if model not in models:
        raise unknown("model", model, sorted(set(models.tolist())))
    rows = models == model
    return {name: np.array(table[name].to_pylist())[rows] for name in needed}


def servegen(
    rates: str | Path,
    lengths_file: str | Path,
    model: str,
    *,
    start_s: float = 0.0,
    duration_s: float = 3600.0,
    scale: float = 1.0,
    seed: int = 0,
) -> Trace:
    """Make the traffic of a pool from its clients, each with its own rate, burstiness and lengths by window.

    In each window of ten minutes a client is a renewal process, Gamma or Weibull, of its measured rate and CV.
    Lengths are drawn from the client's own quantiles, or from the pool's where the client has none.

    Parameters
    ----------
    rates, lengths_file : str or Path
        The two Parquet files.
    model : str
        Pool (``"m-large"``).
    start_s, duration_s : float
        Part of the measured days [s].
    scale : float
        Times as many requests [1].
    seed : int
        The same seed makes the same trace.

    Returns
    -------
    Trace
        `session` holds the client.

    Raises
    ------
    InputError
        If a file or the pool is not known, or nothing falls in the window.

    References
    ----------
    Xiang et al. (2025), ServeGen, arXiv 2505.09999.

    Examples
    --------
    >>> servegen("no.parquet", "no.parquet", "m-large")
    Traceback (most recent call last):
    headway.facts.errors.InputError: file: 'no.parquet' is not accepted: expected a whole Parquet file of ServeGen
    """
    begin, span = not_negative("start_s", start_s, "s"), positive("duration_s", duration_s, "s")
    times = positive("scale", single("scale", scale))
    found = _table(rates, ("model", "client", "t", "rate", "cv", "dist"), model)
    rng = np.random.default_rng(seed)
    inside = (found["t"] + WINDOW_S > begin) & (found["t"] < begin + span)
    if not inside.any():
        raise InputError("start_s", start_s, f"a window within the {found['t'].max() + WINDOW_S:g} s of {model}")
    arrived: list[Floats] = []
    clients: list[Ints] = []
    names = np.unique(found["client"], return_inverse=True)[1]
    for i in np.flatnonzero(inside):
        own = _window(float(found["rate"][i]) * times, float(found["cv"][i]), str(found["dist"][i]), rng)
        own = own + float(found["t"][i])
        own = own[(own >= begin) & (own < begin + span)]
        arrived.append(own)
        clients.append(np.full(len(own), names[i], dtype=np.int64))
    moments, who = np.concatenate(arrived), np.concatenate(clients)
    order = np.argsort(moments, kind="stable")
    moments, who = moments[order], who[order]
    labels = np.unique(found["client"])
    drawn = _client_lengths(lengths_file, model, labels, who, moments, rng)
    return make_trace(
        f"servegen {model}",
        moments - begin,
        drawn["input_tokens"],
        drawn["output_tokens"],
        session=who,
        source="ServeGen, Alibaba Model Studio",
        notes=(f"{len(np.unique(who))} clients, {span:g} s from {begin:g} s, rate x {times:g} (seed {seed})",),
    )


def _window(rate: float, cv: float, dist: str, rng: np.random.Generator) -> Floats:
    """Arrivals of one client in one window: a renewal process entered at a random point of its life."""
    spread = min(max(cv, 0.05), 20.0) if np.isfinite(cv) else 1.0
    process = "weibull" if dist.lower().startswith("w") else "gamma"
    if process == "weibull" and weibull_shape(spread) <= 0.11:
        process = "gamma"
    count = int(rate * WINDOW_S * 1.5 + 10 * (1 + spread) * np.sqrt(rate * WINDOW_S + 1) + 10)
    clock = np.cumsum(unit_gaps(process, spread, count, rng)) / rate
    lived = clock - rng.uniform(0.0, 1.0) * min(clock[-1] - WINDOW_S, WINDOW_S) if clock[-1] > WINDOW_S else clock
    return np.asarray(lived[(lived >= 0) & (lived < WINDOW_S)])


def _client_lengths(
    path: str | Path, model: str, labels: Any, who: Ints, moments: Floats, rng: np.random.Generator
) -> Mapping[str, Ints]:
    fields = ("input_tokens", "output_tokens")
    needed = tuple(f"{field}_p{round(100 * q)}" for field in fields for q in QUANTILES)
    found = _table(path, ("model", "client", "t", *needed), model)
    out = {}
    for field in fields:
        table = np.stack([found[f"{field}_p{round(100 * q)}"].astype(float) for q in QUANTILES], axis=1)
        good = np.isfinite(table).all(axis=1)
        pool = np.median(table[good], axis=0)
        values = np.empty(len(who))
        chance = rng.random(len(who))
        for k in np.unique(who):
            mine = who == k
            rows = np.flatnonzero(good & (found["client"] == labels[k]))
            if not len(rows):
                values[mine] = np.interp(chance[mine], QUANTILES, pool)
                continue
            at = rows[np.argsort(found["t"][rows])]
            window = np.clip(np.searchsorted(found["t"][at], moments[mine], side="right") - 1, 0, len(at) - 1)
            for w in np.unique(window):
                part = np.flatnonzero(mine)[window == w]
                values[part] = np.interp(chance[part], QUANTILES, table[at[w]])
        out[field] = np.clip(np.rint(values), 1, LONGEST).astype(np.int64)
    return out
