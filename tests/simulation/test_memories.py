"""Memories below the engines': where blocks go, when they are loaded, what that is worth; many runs as one call."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headway.facts.errors import InputError
from headway.facts.models import model
from headway.facts.systems import system
from headway.physics.layout import Layout
from headway.simulation.cache import lru_hit_rate, measure_reuse
from headway.simulation.deploy import deploy
from headway.simulation.fleet import CacheTier, Fleet
from headway.simulation.memories import memory_tier
from headway.simulation.outcome import Costs
from headway.simulation.parallel import each
from headway.simulation.read import read_trace
from headway.simulation.replay import Replay, replay
from headway.simulation.requests import write_requests
from headway.simulation.scheduler import Scheduler
from headway.simulation.step_times import fixed_times
from headway.simulation.study import generated
from headway.simulation.sweep import Case, compare_stretches, run_all
from headway.simulation.trace import Trace, make_trace

BLOCK = 16
STEPS = fixed_times(0.01, 1e-4, max_seqs=8)


def turns(order: list[int], gap: float = 100.0, blocks: int = 4) -> Trace:
    """Prompts of some blocks, one after another; the number says which prompt comes."""
    ids = [100 * who + j for who in order for j in range(blocks)]
    n = len(order)
    return make_trace(
        "turns", np.arange(n) * gap, np.full(n, blocks * BLOCK), np.ones(n, int), block_tokens=BLOCK,
        blocks=ids, block_indptr=np.arange(n + 1) * blocks,
    )  # fmt: skip


def served(trace: Trace, *tiers: CacheTier, own: int = 6, through: bool = False, layers: int = 1) -> Replay:
    fleet = Fleet(blocks=own, tiers=tiers, write_through=through, layers=layers)
    return replay(trace, STEPS, Scheduler(max_seqs=8), fleet)


def tier(blocks: int, token_s: float = 1e-6, **more: float | str) -> CacheTier:
    return CacheTier("tier", blocks, token_s, token_s, **more)  # type: ignore[arg-type]


def test_what_an_engine_drops_is_loaded_again() -> None:
    """The second prompt pushes the first out; it comes back from below but for the token that is computed anyway."""
    trace = turns([1, 2, 1])
    assert served(trace).hit_tokens.tolist()[2] < 4 * BLOCK - 1
    done = served(trace, tier(100))
    assert done.hit_tokens.tolist() == [0, 0, 4 * BLOCK - 1]
    assert 0 < done.tier_tokens[2, 0] < 4 * BLOCK
    assert done.tier_flow[0, 0] == 1


def test_a_tier_slower_than_computing_is_left_alone() -> None:
    """A token takes 0.1 ms to compute: at 0.2 ms a load loses and is counted as declined."""
    done = served(turns([1, 2, 1]), tier(100, 2e-4))
    assert done.tier_flow[0, 0] == 0
    assert done.tier_flow[0, 3] > 0
    np.testing.assert_array_equal(done.last_s, served(turns([1, 2, 1])).last_s)


def test_a_wait_is_hidden_layer_by_layer() -> None:
    """With one layer a prompt waits for its whole load; with many only for what the first chunk cannot hide."""
    slow = tier(100, 5e-5)
    alone, many = (served(turns([1, 2, 1]), slow, layers=n) for n in (1, 100))
    first = [(run.first_s - run.queued_s)[2] for run in (alone, many)]
    step = STEPS.linear[1]
    load = alone.tier_tokens[2, 0] + 1
    assert first[0] == pytest.approx(load * 5e-5 + step, rel=0.02)
    assert step <= first[1] < step + load * 5e-5 * 0.1


def test_no_step_waits_for_a_load() -> None:
    """Someone who decodes keeps his pace while another's blocks are on their way."""
    trace = turns([1, 2, 3, 1])
    at = trace.arrival_s.copy()
    at[3] = 200.05
    long = replace(trace, arrival_s=at, output_tokens=np.array([1, 1, 40, 1]))
    done = served(long, tier(100, 9e-5), own=12)
    assert done.tier_flow[0, 0] == 1
    gap = (done.last_s - done.first_s)[2] / 39
    assert gap == pytest.approx(STEPS.linear[1], rel=0.02)


def test_write_through_fills_every_tier_and_demotion_the_next_one() -> None:
    trace = turns([1, 2, 3])
    through = served(trace, tier(100), tier(100), through=True)
    assert through.tier_flow[:, 2].tolist() == [12, 12]
    down = served(trace, tier(3), tier(100))
    assert down.tier_flow[0, 2] > down.tier_flow[1, 2] > 0


def test_a_shared_tier_serves_what_another_engine_made() -> None:
    fleet = Fleet(engines=2, blocks=6, write_through=True)
    trace, rules = turns([1, 1, 1, 1]), Scheduler(max_seqs=8, router="round-robin")
    own, shared = (
        replay(trace, STEPS, rules, replace(fleet, tiers=(tier(100, shared=s),))).hit_tokens.tolist()
        for s in (False, True)
    )
    assert own[:2] == [0, 0]
    assert shared[1] == 4 * BLOCK - 1


@pytest.mark.parametrize(("life", "hit"), [(150.0, False), (250.0, True)])
def test_a_block_is_kept_for_its_life_after_the_last_use(life: float, hit: bool) -> None:
    """It was used at 0 s, dropped at 100 s and is asked for at 200 s; a life that is over ends on the way down too."""
    assert bool(served(turns([1, 2, 1]), tier(100, life_s=life)).tier_tokens[2, 0]) == hit
    down = served(turns([1, 2, 3, 1]), tier(2, life_s=life), tier(100))
    assert bool(down.tier_tokens[3, 1]) == hit


def test_a_use_in_the_engine_renews_the_copies() -> None:
    """Copies are made at 0 s; the engine uses its own at 100 s and drops it at 200 s."""
    done = served(turns([1, 1, 2, 1]), tier(100, life_s=250.0), through=True)
    assert done.tier_tokens[:, 0].astype(bool).tolist() == [False, False, False, True]
    assert not served(turns([1, 1, 2, 1]), tier(100, life_s=150.0), through=True).tier_tokens.any()


@pytest.mark.parametrize(("policy", "hit"), [("lru", False), ("lfu", True), ("s3-fifo", True)])
def test_what_was_used_often_outlasts_a_scan(policy: str, hit: bool) -> None:
    """Three prompts come back again and again, then four come once."""
    done = served(turns([1, 2, 3] * 4 + [4, 5, 6, 7, 1]), tier(16, keeps=policy))
    assert bool(done.tier_tokens[-1, 0]) == hit


def test_two_at_one_tier_take_turns() -> None:
    """The second load waits for the first, and is left alone where that wait makes computing sooner."""
    trace = turns([1, 2, 3, 4, 1, 2])
    at = trace.arrival_s.copy()
    at[5] = at[4]
    together = replace(trace, arrival_s=at)
    done = served(together, tier(100, 3e-5), own=8)
    assert done.tier_flow[0, 0] == 2
    assert done.tier_flow[0, 6] == pytest.approx(1.5 * 3e-5 * BLOCK * done.tier_flow[0, 1])
    busy = served(together, tier(100, 6e-5), own=8)
    assert busy.tier_flow[0, [0, 3]].tolist() == [1, 4]


def test_large_tiers_reach_the_curve_without_limit() -> None:
    """Own memory and a fast tier that holds all serve what the exact curve says can be served."""
    trace = read_trace("examples/sessions.csv")
    done = replay(
        trace, fixed_times(1e-4, 1e-9), Scheduler(), Fleet(blocks=800, tiers=(CacheTier("all", 10**6, 0.0, 0.0),))
    )
    most = float(lru_hit_rate(measure_reuse(trace), np.inf).tokens_pooled)
    assert done.hit_tokens.sum() / trace.input_tokens.sum() == pytest.approx(most, abs=2e-3)
    assert done.tier_tokens.sum() > 0


def test_larger_memories_hit_more_and_earn_until_they_are_idle() -> None:
    trace = read_trace("examples/sessions.csv")
    llama, box, rules = model("llama-3.1-8b"), system("hgx-h200"), Scheduler()
    cases = []
    for size in (0.0, 1e9, 4e9, 400e9):
        where = deploy(llama, box, Layout(), trace, rules, blocks=1000, memories=[memory_tier("ddr", size)])
        cases.append(Case(where, trace, rules, costs=Costs(1, 3.0)))
    found = [f for f in run_all(cases) if f is not None]
    hits = [f.memories[0].hit_rate for f in found]
    nets = [f.net_usd_per_hour for f in found]
    assert hits == sorted(hits)
    assert hits[0] == nets[0] == 0
    assert nets[1] > 0 > nets[3]
    below = found[1].memories[0]
    assert below.hold_break_even_s * below.rent_usd_per_hour / 3600 / below.capacity == pytest.approx(
        cases[1].deployment.prefill_chip_s * 3.0 / 3600 / cases[1].deployment.token_bytes
    )


@pytest.mark.parametrize("over", ["here", "processes"])
def test_many_runs_come_back_in_order(over: str) -> None:
    assert each(abs, [-3, 2, -1], over=over, workers=2) == [3, 2, 1]


def _interrupt(item: int) -> int:
    if item == 2:
        raise KeyboardInterrupt
    return item


def test_an_interrupt_keeps_what_is_done() -> None:
    assert each(_interrupt, [0, 1, 2, 3], over="here") == [0, 1, None, None]


def test_places_are_named() -> None:
    with pytest.raises(Exception, match="proceses"):
        each(abs, [1], over="proceses")


def test_stretches_of_a_trace_pair_by_request() -> None:
    trace = generated("poisson", 3.0, 200, 1000, 20)
    where = deploy(model("llama-3.1-8b"), system("hgx-h200"), Layout(), trace, Scheduler())
    found = compare_stretches(where, trace, Scheduler(), Scheduler(policy="static"), 5)["ttft_s"]
    assert found.low <= found.mean <= found.high
    assert found.mean > 0


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "rows.parquet"])
def test_requests_are_written_whole(tmp_path: Path, name: str) -> None:
    done = served(turns([1, 2, 1]), tier(100))
    write_requests(done, str(tmp_path / name))
    if name.endswith("parquet"):
        parquet = pytest.importorskip("pyarrow.parquet")
        columns = parquet.read_table(tmp_path / name).to_pydict()
        assert columns["hit_tokens_tier"] == done.tier_tokens[:, 0].tolist()
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_folder_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError):
        write_requests(served(turns([1])), "nowhere/rows.csv")


def test_ray_gives_what_processes_give() -> None:
    """The same call over a local cluster."""
    pytest.importorskip("ray")
    assert each(abs, [-3, 2], over="ray", workers=1) == [3, 2]
