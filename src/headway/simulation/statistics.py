"""What a trace is like: rates, lengths, burstiness, sharing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headway.physics.arrays import Numbers
from headway.simulation.columns import Floats, Ints
from headway.simulation.trace import Trace

SHARES = (0.5, 0.9, 0.99)
WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean, the percentiles 50, 90 and 99, and the largest, of one quantity."""

    mean: float
    p50: float
    p90: float
    p99: float
    most: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of a trace.

    Parameters
    ----------
    requests, sessions : int
        How many [1].
    span_s, requests_per_second : float
        First to last known arrival [s], and the mean rate over it [1/s]; NaN for one moment.
    gap_cv, dispersion, peak_to_mean : float
        Coefficient of variation of the gaps; variance over mean, and largest over mean, of the counts in whole
        windows of 60 s [1]; NaN where there are too few arrivals.
    inputs, outputs : Spread
        Lengths [token].
    input_output_ratio : float
        Input over output tokens [1].
    block_tokens, blocks, unique_blocks : int
        Tokens of a block [token]; blocks of all prompts, and different ones [1].
    """

    requests: int
    sessions: int
    span_s: float
    requests_per_second: float
    gap_cv: float
    dispersion: float
    peak_to_mean: float
    inputs: Spread
    outputs: Spread
    input_output_ratio: float
    block_tokens: int
    blocks: int
    unique_blocks: int


def spread(values: Floats | Ints) -> Spread:
    """Mean, percentiles and maximum.

    >>> spread(np.array([1, 2, 3])).p50
    2.0
    """
    middle = np.percentile(values, [100 * s for s in SHARES])
    return Spread(float(np.mean(values)), float(middle[0]), float(middle[1]), float(middle[2]), float(np.max(values)))


def _counts(times: Floats, window_s: float) -> Ints:
    whole = int((times[-1] - times[0]) // window_s)
    return np.bincount(((times - times[0]) // window_s).astype(np.int64))[:whole] if whole else np.zeros(0, np.int64)


def unique_blocks(trace: Trace) -> int:
    """Different blocks of all prompts, counted on runs.

    >>> from headway.simulation.trace import make_trace
    >>> unique_blocks(
    ...     make_trace("t", [0, 1], [32, 32], [1, 1], block_tokens=16, blocks=[0, 1, 1, 2], block_indptr=[0, 2, 4])
    ... )
    3
    """
    order = np.argsort(trace.run_start, kind="stable")
    begin, end = trace.run_start[order], (trace.run_start + trace.run_count)[order]
    if not len(begin):
        return 0
    reach = np.maximum.accumulate(end)
    covered = np.concatenate([[begin[0]], reach[:-1]])
    return int(np.maximum(end - np.maximum(begin, covered), 0).sum())


def statistics(trace: Trace) -> Statistics:
    """Measure a trace.

    Parameters
    ----------
    trace : Trace
        Any.

    Returns
    -------
    Statistics
        Rates and burstiness are those of the requests whose arrival is known.

    Examples
    --------
    >>> from headway.simulation.generate import generate
    >>> found = statistics(generate(20_000, 10.0, seed=3))
    >>> round(found.requests_per_second, 1), round(found.gap_cv, 1)
    (10.0, 1.0)
    """
    times = trace.arrival_s[np.isfinite(trace.arrival_s)]
    gaps = np.diff(times)
    counts = _counts(times, WINDOW_S)
    mean: Numbers = gaps.mean() if len(gaps) else 0.0
    busy = len(counts) > 1 and counts.mean() > 0
    return Statistics(
        requests=len(trace),
        sessions=len(np.unique(trace.session[trace.session >= 0])),
        span_s=trace.span_s,
        requests_per_second=float(1.0 / mean) if mean > 0 else float("nan"),
        gap_cv=float(gaps.std() / mean) if mean > 0 else float("nan"),
        dispersion=float(counts.var() / counts.mean()) if busy else float("nan"),
        peak_to_mean=float(counts.max() / counts.mean()) if busy else float("nan"),
        inputs=spread(trace.input_tokens),
        outputs=spread(trace.output_tokens),
        input_output_ratio=float(trace.input_tokens.sum() / max(int(trace.output_tokens.sum()), 1)),
        block_tokens=trace.block_tokens,
        blocks=int(trace.run_count.sum()),
        unique_blocks=unique_blocks(trace),
    )
