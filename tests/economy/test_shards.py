"""Shards: nobody loses a partner, and where a shard runs changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from headway.economy import shards
from headway.economy.generated import generate_population
from headway.economy.rules import Rules
from headway.economy.shards import components, simulate_shards, split_population
from headway.economy.simulate import simulate
from headway.economy.welfare import baselines, matches
from headway.facts.errors import MissingExtraError

MARKET = generate_population(120, 80, seed=8)


def test_parts_hold_every_pair_that_can_trade() -> None:
    people, shops = components(MARKET)
    pairs = matches(MARKET)
    for consumer in range(120):
        assert (shops[pairs.business[pairs.of(consumer)]] == people[consumer]).all()
    parts = split_population(MARKET, 5)
    assert sum(len(part.consumers) for part in parts) == 120
    assert len({name for part in parts for name in part.businesses.ids}) == sum(len(p.businesses) for p in parts)
    total = sum(baselines(part)["optimal"].median for part in parts)
    assert total == pytest.approx(baselines(MARKET)["optimal"].median, abs=0.01)


def test_shards_together_are_the_whole_market() -> None:
    """Every agent draws from its own stream, so a market without a rack's queue is the sum of its parts."""
    whole = simulate(MARKET, Rules("batched"), seed=3)
    parts = simulate_shards(MARKET, Rules("batched"), shards=4, seed=3)
    assert parts.welfare == pytest.approx(whole.welfare, abs=1e-6)
    assert parts.settled == whole.settled
    assert parts.log_hash == simulate_shards(MARKET, Rules("batched"), shards=4, seed=3).log_hash


def test_more_shards_than_parts_are_not_made() -> None:
    assert len(split_population(MARKET, 1000)) == 12
    assert len(simulate_shards(MARKET, shards=1).outcomes) == 1


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_ray_gives_the_same_result() -> None:
    pytest.importorskip("ray")
    market = generate_population(40, 30, seed=1)
    here, there = (simulate_shards(market, shards=2, seed=1, ray=r) for r in (False, True))
    assert here.log_hash == there.log_hash
    assert here.welfare == there.welfare


def test_ray_absent_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(shards, "import_module", absent)
    with pytest.raises(MissingExtraError, match=r"headway\[ray\]"):
        simulate_shards(MARKET, shards=2, ray=True)
