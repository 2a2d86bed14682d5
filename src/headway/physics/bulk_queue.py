"""The queue in front of trains with a fixed number of seats: Poisson arrivals, clocked departures.

A departure takes up to ``s`` of those who stand; ``A``, Poisson of mean ``a = load s``, come before the next:
``Q' = max(Q + A - s, 0)``. The mean comes from the roots of the generating function, the distribution from
the Wiener-Hopf factors of the walk ``A - s`` by fast Fourier transform, the wait of a passenger from the
queue that is met at each moment of the period. One load at a time, below 1; times are in periods.

Sources: Bailey, J. R. Stat. Soc. B 16(1), 1954, for the bulk-service queue (arrivals are counted by period
here); Spitzer, Trans. AMS 82(2), 1956, for the factors.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from headway.facts.errors import RangeError
from headway.physics.arrays import Floats

# Transforms are long enough for what wraps around to fall below exp(-40).
_TAIL = 40.0
_LONGEST_TRANSFORM = 2**18
# Points of the period at which the queue is worked out for a passenger who comes then.
_PHASES = 129
# A chance to miss so many trains that it moves no quantile anyone asks for.
_NEGLIGIBLE = 1e-12


def mean_left_standing(load: float, seats: int) -> float:
    """Mean queue that a departure leaves, from the roots of its generating function [1].

    The function is ``(s - a)(z - 1) prod (z - z_j)/(1 - z_j) / (z^s - exp(a (z - 1)))``, so
    ``E[Q] = sum 1/(1 - z_j) - (s (s - 1) - a^2) / (2 (s - a))`` over the ``s - 1`` roots ``z_j`` of the
    denominator inside the unit circle.

    >>> round(mean_left_standing(0.9, 1), 9)
    4.05
    """
    a = load * seats
    # z^s = exp(a (z - 1)) is z = w exp(load (z - 1)) for each s-th root w of one but 1 itself. The map shrinks
    # distances by load |z|, so its fixed point is unique, and Newton's steps reach it near a load of 1 too.
    w = np.exp(2j * np.pi * np.arange(1, seats) / seats)
    z = 0.5 * w
    for _ in range(60):
        image = w * np.exp(load * (z - 1.0))
        step = (image - z) / (1.0 - load * image)
        z = z + step
        if not z.size or np.max(np.abs(step)) < 4e-16:
            break
    total = float(np.sum(1.0 / (1.0 - z)).real)
    return max(total - (seats * (seats - 1.0) - a * a) / (2.0 * (seats - a)), 0.0)


def tail_rate(load: float) -> float:
    """Rate ``t`` at which the queue's tail falls, ``exp(-t)`` per request: ``load (exp(t) - 1) = t``, ``t > 0``.

    >>> round(tail_rate(0.99), 5)
    0.02007
    """
    low, high = 0.0, 1.0
    while load * math.expm1(high) < high:
        low, high = high, 2.0 * high
    for _ in range(100):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if load * math.expm1(middle) < middle else (low, middle)
    return 0.5 * (low + high)


def queue_distribution(load: float, seats: int) -> Floats:
    """Chances of 0, 1, 2, ... requests left standing, until the tail is below exp(-40).

    With ``phi(z) = z^-s exp(a (z - 1))`` the transform of one period's change, ``log(1 - phi) - log(1 - 1/z)``
    has neither zero nor pole between the unit circle and ``|z| = exp(t)``, ``t`` the :func:`tail_rate`. Its terms
    of positive power, taken half-way, are minus the logarithm of the queue's own transform.

    >>> chances = queue_distribution(0.5, 1)
    >>> round(chances[0].item(), 6), round(float(chances @ np.arange(chances.size)), 6)
    (0.824361, 0.25)
    """
    rate = tail_rate(load)
    length = _transform_length(load, 4.0 * _TAIL / rate)
    z = math.exp(0.5 * rate) * np.exp(2j * np.pi * np.arange(length) / length)
    phi = np.exp(load * seats * (z - 1.0) - seats * np.log(z))
    terms = np.fft.fft(np.log1p(-phi) - np.log1p(-1.0 / z)).real / length
    upward = np.zeros(length)
    upward[1 : length // 2] = terms[1 : length // 2] * np.exp(-0.5 * rate * np.arange(1, length // 2))
    transform = np.exp(upward.sum() - np.fft.ifft(upward) * length)
    chances = np.fft.fft(transform).real / length
    return np.maximum(chances[: length // 2], 0.0)


def missed_trains(load: float, seats: int) -> Floats:
    """Chance to miss at least k trains, by k and by the time left until the next departure.

    A passenger with the part ``v`` of a period left stands behind the queue and the Poisson arrivals of mean
    ``a (1 - v)`` before him, and misses one train for each full ``s`` of them.

    Returns
    -------
    ndarray
        Shape ``(trains, moments)``: rows for k = 0, 1, ... until all is negligible, a last row of zeros; columns
        for ``v`` from 0 to 1.

    Examples
    --------
    >>> missed_trains(0.5, 1)[1][[0, -1]].round(4).tolist()
    [0.5, 0.1756]
    """
    chances = queue_distribution(load, seats)
    a = load * seats
    reach = seats + a + 12.0 * math.sqrt(a) + _TAIL + _TAIL / tail_rate(load)
    length = _transform_length(load, 2.0 * reach)
    queue = np.fft.rfft(chances[:length], length)
    turn = np.exp(-2j * np.pi * np.arange(length // 2 + 1) / length) - 1.0
    rows = math.ceil(reach / seats) + 1
    missed = np.zeros((rows + 1, _PHASES))
    missed[0] = 1.0
    for column, left in enumerate(np.linspace(0.0, 1.0, _PHASES)):
        ahead = np.fft.irfft(queue * np.exp(a * (1.0 - left) * turn), length)
        missed[1:-1, column] = 1.0 - np.cumsum(ahead)[seats - 1 :: seats][: rows - 1]
    missed = np.clip(missed, 0.0, 1.0)
    last = int(np.argmax(missed.max(axis=1) < _NEGLIGIBLE))
    missed[last] = 0.0
    return missed[: last + 1]


def left_behind(missed: Floats) -> float:
    """Share of passengers who miss at least one train [1].

    >>> round(left_behind(missed_trains(0.5, 1)), 4)
    0.3513
    """
    return float(_running_integral(missed[1])[-1])


def wait_quantile(missed: Floats, level: float) -> float:
    """Wait that the share `level` of passengers does not exceed [period].

    Longer than ``k + x`` wait those who miss ``k + 1`` trains with less than ``x`` left, and those who miss ``k``
    with more.

    >>> round(wait_quantile(missed_trains(0.1, 1000), 0.9), 6)
    0.9
    """
    x = np.linspace(0.0, 1.0, _PHASES)
    # The last row is zero, so some k always qualifies.
    k = int(np.argmax(missed[1:] @ _whole_period() <= 1.0 - level))
    late, early = _running_integral(missed[k + 1]), _running_integral(missed[k])
    return k + float(np.interp(level - 1.0, early - early[-1] - late, x))


def _transform_length(load: float, least: float) -> int:
    length = 2 ** max(6, math.ceil(math.log2(least)))
    if length > _LONGEST_TRANSFORM:
        raise RangeError("load", load, "a load below 0.9996, or of 1 and more")
    return int(length)


def _running_integral(values: Floats) -> Floats:
    """Integral from 0 to each point, by the trapezium rule corrected for curvature."""
    h = 1.0 / (_PHASES - 1)
    bend = np.diff(values, 2)
    # A panel lies between two points with a curvature each; the ends have but one.
    curvature = np.concatenate([bend[:1], 0.5 * (bend[1:] + bend[:-1]), bend[-1:]])
    return np.concatenate([[0.0], np.cumsum(h * (0.5 * (values[1:] + values[:-1]) - curvature / 12.0))])


@functools.cache
def _whole_period() -> Floats:
    """Weights of the points in the integral over the whole period."""
    weights = np.array([_running_integral(one)[-1] for one in np.eye(_PHASES)])
    weights.flags.writeable = False
    return weights
