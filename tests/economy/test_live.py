"""The town on the board: what its sliders do, and that its figures are the market's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headway.economy.live import Town, by_width, run_town, town_lives, town_plan

TOWN = Town("llama-3.1-8b", "hgx-h200")


def test_the_town_is_what_the_market_says() -> None:
    live = run_town(TOWN)
    found = live.outcome
    assert live.deals[-1] == found.settled == live.price_ratio.size
    assert live.welfare[-1] == pytest.approx(found.welfare)
    assert 0 < live.utilisation < 1
    assert np.all(live.queue_at_s <= live.at_s[-1])
    assert round(found.compute.usd * 1e6) == live.rack.charge(round(found.compute.rack_s * 1e6))


def test_fewer_racks_wait_longer_and_bill_the_same() -> None:
    few, many = (run_town(replace(TOWN, racks=racks)) for racks in (0.003, 1.0))
    assert few.outcome.queue.mean > 10 * many.outcome.queue.mean
    assert few.utilisation > many.utilisation


def test_wider_search_costs_more_and_reads_worse() -> None:
    found = by_width(TOWN)
    assert found.widths == (2, 8, 32)
    assert found.usd_per_deal[2] > 2 * found.usd_per_deal[1]
    assert found.welfare[2] < found.welfare[1]
    assert by_width(replace(TOWN, width=5)).widths == (2, 5, 8, 32)


def test_slow_sellers_lose_the_prefix() -> None:
    held, lost = (run_town(replace(TOWN, kv_life_s=life)).outcome.compute for life in (86400.0, 1.0))
    assert lost.cached_tokens < 0.8 * held.cached_tokens
    assert lost.usd > held.usd


def test_a_gate_shows_quotes_together() -> None:
    first, batch = (run_town(replace(TOWN, mechanism=rule)).outcome for rule in ("first-come", "batched"))
    assert batch.latency.mean > first.latency.mean


def test_lives_and_plans_are_remembered() -> None:
    assert list(town_lives("llama-3.1-8b", "hgx-h200", 8)) == ["hbm", "dram", "nvme", "nvme-7.68tb", "hdd-24tb"]
    assert town_plan("llama-3.1-8b", "hgx-h200") is town_plan("llama-3.1-8b", "hgx-h200")
    assert not town_plan("deepseek-v3", "hgx-a100").feasible
