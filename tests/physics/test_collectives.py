"""Laws of collective communication."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.facts.errors import RangeError, UnknownNameError
from headway.physics import collectives

messages = st.floats(0, 1e12)
ranks = st.integers(1, 4096)
bandwidths = st.floats(1e9, 2e12)
latencies = st.floats(0, 1e-4)
names = st.sampled_from(collectives.ALGORITHMS)
kinds = st.sampled_from(
    [collectives.all_reduce, collectives.reduce_scatter, collectives.all_gather, collectives.all_to_all]
)
levels = st.sampled_from(
    [collectives.two_level_all_reduce, collectives.two_level_scatter, collectives.two_level_all_to_all]
)
Collective = Callable[..., Any]


@given(kinds, messages, ranks, bandwidths, latencies, names)
def test_never_below_the_bytes_that_must_move(
    kind: Collective, size: float, n: int, rate: float, hop: float, name: str
) -> None:
    assert kind(size, n, rate, hop, name) >= size * (n - 1) / n / rate * (1 - 1e-12)


@given(kinds, messages, messages, st.integers(1, 4000), st.integers(0, 96), bandwidths, latencies, names)
def test_monotone_in_bytes_and_ranks(
    kind: Collective, size: float, more: float, n: int, extra: int, rate: float, hop: float, name: str
) -> None:
    assert kind(size + more, n, rate, hop, name) >= kind(size, n, rate, hop, name) * (1 - 1e-12)
    assert kind(size, n + extra, rate, hop, name) >= kind(size, n, rate, hop, name) * (1 - 1e-12)


@given(kinds, messages, bandwidths, latencies, names)
def test_one_rank_costs_nothing(kind: Collective, size: float, rate: float, hop: float, name: str) -> None:
    assert kind(size, 1, rate, hop, name) == 0


@given(messages, ranks, bandwidths, latencies, st.sampled_from(["ring", "tree", "two-shot"]))
def test_all_reduce_is_its_two_halves(size: float, n: int, rate: float, hop: float, name: str) -> None:
    halves = collectives.reduce_scatter(size, n, rate, hop, name) + collectives.all_gather(size, n, rate, hop, name)
    assert collectives.all_reduce(size, n, rate, hop, name) == pytest.approx(halves, rel=1e-12)


@given(kinds, messages, ranks, bandwidths, latencies)
def test_best_is_the_least_of_all(kind: Collective, size: float, n: int, rate: float, hop: float) -> None:
    each = [kind(size, n, rate, hop, name) for name in collectives.ALGORITHMS if name != "best"]
    assert kind(size, n, rate, hop, "best") == pytest.approx(min(each), rel=1e-12)


@given(kinds, messages, ranks, bandwidths, names, st.floats(0.1, 10))
def test_without_latency_time_follows_bytes_over_bandwidth(
    kind: Collective, size: float, n: int, rate: float, name: str, factor: float
) -> None:
    one = kind(size, n, rate, 0.0, name)
    assert kind(factor * size, n, factor * rate, 0.0, name) == pytest.approx(one, rel=1e-9)
    assert kind(size, n, factor * rate, 0.0, name) == pytest.approx(one / factor, rel=1e-9)


@given(kinds, st.lists(ranks, min_size=1, max_size=5), st.lists(messages, min_size=1, max_size=5), names)
def test_ranks_and_bytes_broadcast(kind: Collective, counts: list[int], sizes: list[float], name: str) -> None:
    """Any rank count beside 1, whole axes at once."""
    n = np.array([1, *counts])[:, None]
    table = kind(np.array(sizes), n, 1e11, 1e-6, name)
    for i, count in enumerate(n[:, 0]):
        for j, size in enumerate(sizes):
            assert table[i, j] == pytest.approx(kind(size, int(count), 1e11, 1e-6, name), rel=1e-12)


@given(levels, messages, st.integers(1, 72), bandwidths, latencies)
def test_one_domain_is_one_level(level: Collective, size: float, n: int, rate: float, hop: float) -> None:
    flat = {
        "two_level_all_reduce": collectives.all_reduce,
        "two_level_scatter": collectives.reduce_scatter,
        "two_level_all_to_all": collectives.all_to_all,
    }[level.__name__]
    found = level(size, n, 72, rate, rate / 9, hop, 5 * hop)
    assert found == pytest.approx(flat(size, n, rate, hop), rel=1e-12)


@given(
    st.sampled_from([collectives.two_level_all_reduce, collectives.two_level_scatter]),
    messages,
    st.integers(1, 1000),
    st.integers(0, 100),
    st.integers(1, 72),
    st.floats(1, 20),
)
def test_two_levels_are_monotone(level: Collective, size: float, n: int, more: int, domain: int, ratio: float) -> None:
    rates = (900e9, 900e9 / ratio, 1e-6, 5e-6)
    assert level(size, n + more, domain, *rates) >= level(size, n, domain, *rates) * (1 - 1e-12)


@given(messages, st.integers(1, 1000), st.integers(0, 100), st.integers(1, 72), st.floats(1, 20))
def test_serial_exchange_over_two_levels_is_monotone(size: float, n: int, more: int, domain: int, ratio: float) -> None:
    """Overlapped, a second path can make it faster; in sequence, more ranks never do."""

    def time(count: int) -> float:
        return float(collectives.two_level_all_to_all(size, count, domain, 900e9, 900e9 / ratio, overlapped=False))

    assert time(n + more) >= time(n) * (1 - 1e-12)


@given(messages, st.integers(1, 1000), st.integers(1, 72), latencies, latencies)
def test_overlap_lies_between_the_longer_and_the_sum(size: float, n: int, domain: int, near: float, far: float) -> None:
    arguments = (size, n, domain, 900e9, 100e9, near, far)
    together, serial = (collectives.two_level_all_to_all(*arguments, overlapped=flag) for flag in (True, False))
    assert together <= serial * (1 + 1e-12)
    assert serial <= 2 * together * (1 + 1e-12)


@given(st.floats(0, 1e3), st.floats(0, 1e3), st.floats(0, 1))
def test_overlap(compute: float, communication: float, share: float) -> None:
    found = collectives.overlap(compute, communication, share)
    assert max(compute, communication) * (1 - 1e-12) <= found <= (compute + communication) * (1 + 1e-12)
    assert collectives.overlap(compute, communication, 0) == compute + communication
    assert collectives.overlap(compute, communication, 1) == max(compute, communication)


def test_unknown_algorithm_is_named() -> None:
    with pytest.raises(UnknownNameError, match=r"algorithm: 'rings' is not accepted: .* did you mean ring\?"):
        collectives.all_reduce(1, 2, 1, 0, "rings")  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [0, 2.5, -1])
def test_ranks_are_whole(n: float) -> None:
    with pytest.raises(RangeError, match="ranks"):
        collectives.all_reduce(1, n, 1)
