"""What every closed form of the floor keeps: scalars give floats, arrays agree with scalars, bad numbers are named."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

from headway.facts.errors import RangeError
from headway.facts.scaling_laws import loss_law
from headway.physics import (
    balance,
    budget,
    cache_prices,
    collectives,
    contexts,
    exchange,
    experts,
    fleet,
    hold,
    lifetime,
    modes,
    parallel_agents,
    pipeline,
    trains,
)

LAW = loss_law("epoch-2024")
Case = tuple[Callable[..., Any], dict[str, float]]

COLLECTIVE = {"message_bytes": 1e6, "ranks": 8, "bandwidth": 100e9, "latency": 1e-6}
TWO_LEVEL = {
    "message_bytes": 1e6,
    "ranks": 24,
    "domain": 8,
    "link_bandwidth": 450e9,
    "network_bandwidth": 50e9,
    "link_latency": 1e-6,
    "network_latency": 5e-6,
}
SENT = {"top_k": 8, "flops": 5e15, "bandwidth": 900e9, "shared": 1, "dispatch_bytes": 1, "combine_bytes": 2}

CASES: tuple[Case, ...] = (
    (balance.machine_balance, {"flops": 5e15, "bandwidth": 8e12, "weight_bytes": 1}),
    (balance.balance_batch, {"machine_balance": 300, "total_params": 671e9, "active_params": 37e9}),
    (balance.deployed_batch, {"balance_batch": 2400, "multiple": 2}),
    (
        balance.balance_context,
        {"machine_balance": 300, "active_params": 37e9, "kv_bytes_per_token": 35136, "weight_bytes": 1},
    ),
    (balance.balance_batch_with_kv, {"balance_batch": 2400, "context": 2000, "balance_context": 3370}),
    (
        balance.memory_over_compute,
        {"batch": 4800, "balance_batch": 2400, "context": 20e3, "balance_context": 3370},
    ),
    (balance.context_bytes, {"context": 1e6, "kv_bytes_per_token": 35136, "state_bytes": 1e6}),
    (balance.drain_time, {"capacity": 186e9, "bandwidth": 8e12}),
    (balance.capacity_for_drain_time, {"bandwidth": 8e12, "seconds": 0.02}),
    (balance.weight_floor, {"weight_bytes": 671e9, "bandwidth": 576e12}),
    (balance.unbatched_penalty, {"balance_batch": 2400, "kv_over_weight": 1.8}),
    (
        contexts.balance_prefill_tokens,
        {"sequences": 4, "balance_batch": 5441, "prefix": 1000, "balance_context": 3370},
    ),
    (contexts.mfu_at_context, {"context": 4000, "balance_context": 3370}),
    (
        contexts.kv_bytes_at_kink,
        {"active_params": 100e9, "machine_balance": 300, "context": 200e3, "weight_bytes": 1},
    ),
    (
        contexts.kv_bytes_from_price_ratio,
        {
            "ratio": 5,
            "machine_balance": 300,
            "active_params": 100e9,
            "context": 20e3,
            "batch_over_balance": 2,
            "weight_bytes": 1,
        },
    ),
    (contexts.context_cost_growth, {"long": 100e6, "short": 200e3, "exponent": 0.5}),
    (contexts.sparse_attention_gain, {"long": 100e6, "short": 200e3, "exponent": 0.5}),
    (
        contexts.indexed_attention_gain,
        {"context": 131072, "kv_elements": 576, "index_elements": 128, "selected": 2048},
    ),
    (
        contexts.attention_parity_context,
        {"active_params": 37e9, "attention_flops_per_context_token": 17e6, "weight_rate_over_attention_rate": 2},
    ),
    (contexts.training_parity_context, {"hidden": 8192, "ffn_over_hidden": 4}),
    (trains.departures_per_second, {"period": 0.02}),
    (trains.tokens_per_second, {"batch": 2000, "period": 0.02, "chips": 72}),
    (trains.train_schedule, {"period": 0.02, "seats": 2000, "ride": 0.015}),
    (partial(trains.mean_queue, seats=7), {"load": 0.9}),
    (partial(trains.full_train_wait, seats=7, period=0.02), {"load": 0.9}),
    (modes.fast_mode, {"price_multiple": 6, "speed_multiple": 2.5}),
    (modes.mode_menu, {"kv_over_weight": 1.8, "batch_ratio": 15}),
    (modes.mode_for_speed, {"kv_over_weight": 1.8, "speed_multiple": 2.5}),
    (modes.slow_mode_saving, {"batch_over_balance": 0.5, "context_over_balance": 0.2}),
    (experts.touched_experts, {"experts": 256, "top_k": 8, "tokens": 64}),
    (experts.tokens_per_expert, {"tokens": 12686, "top_k": 8, "experts": 256}),
    (experts.busiest_rank_tokens, {"assignments": 800, "ranks": 8}),
    (experts.load_imbalance, {"experts": 256, "top_k": 8, "tokens": 64, "ranks": 32}),
    (experts.experts_per_chip, {"experts": 256, "chips": 32, "redundant": 32}),
    (experts.dense_equivalent, {"active_params": 370e6, "expansion": 64, "exponent": 0.3}),
    (experts.equivalence_exponent, {"active_params": 370e6, "expansion": 64, "dense_params": 1.3e9}),
    (exchange.all_to_all_over_compute, {**SENT, "expert_width": 2048}),
    (exchange.min_expert_width, SENT),
    (
        exchange.expert_exchange_time,
        {"tokens": 150, "top_k": 8, "hidden": 7168, "bandwidth": 900e9, "layers": 58},
    ),
    (exchange.racks_all_to_all_slowdown, {"racks": 2, "scaleup_over_scaleout": 9}),
    (partial(exchange.racks_all_to_all_slowdown, overlapped=False), {"racks": 2, "scaleup_over_scaleout": 9}),
    (
        exchange.pipeline_over_racks_ratio,
        {"scaleup_over_scaleout": 8, "experts_active": 8, "layers_per_stage": 1},
    ),
    *(
        (partial(f, algorithm=name), COLLECTIVE)
        for f in (collectives.all_reduce, collectives.reduce_scatter, collectives.all_gather, collectives.all_to_all)
        for name in collectives.ALGORITHMS
    ),
    (collectives.point_to_point, {"message_bytes": 1e6, "bandwidth": 100e9, "latency": 1e-6}),
    (collectives.two_level_all_reduce, TWO_LEVEL),
    (collectives.two_level_scatter, TWO_LEVEL),
    (collectives.two_level_all_to_all, TWO_LEVEL),
    (partial(collectives.two_level_all_to_all, overlapped=False), TWO_LEVEL),
    (collectives.overlap, {"compute": 3, "communication": 2, "share": 0.5}),
    (pipeline.bubble, {"stages": 4, "microbatches": 8}),
    (
        pipeline.stage_memory,
        {
            "weight_bytes": 1e12,
            "kv_bytes_per_sequence": 1e9,
            "sequences": 64,
            "expert_ranks": 64,
            "stages": 4,
            "microbatches": 5,
        },
    ),
    (pipeline.weight_saving, {"weight_bytes": 1e12, "expert_ranks": 64, "stages": 8}),
    (pipeline.latency_neutral, {"pass_time": 0.02, "stages": 4, "hop": 1e-5}),
    (
        pipeline.hop_time,
        {
            "batch": 2400,
            "hidden": 7168,
            "element_bytes": 2,
            "nic_bandwidth": 100e9,
            "nics": 64,
            "latency": 5e-6,
            "blocks": 8,
        },
    ),
    (pipeline.models_fit, {"params": 1e12, "weight_bytes": 1, "chips": 8, "chip_bytes": 80e9}),
    (pipeline.largest_model, {"weight_bytes": 1, "chips": 8, "chip_bytes": 80e9}),
    (hold.hold_break_even_time, {"balance_context": 3370, "drain_time": 0.02325}),
    (hold.usd_per_byte_second, {"usd_per_hour": 2, "capacity": 186e9}),
    (hold.hold_cost, {"size_bytes": 1e9, "seconds": 300, "usd_per_byte_second": 3e-15}),
    (hold.retrieve_cost, {"size_bytes": 1e9, "bandwidth": 8e12, "usd_per_device_second": 5e-4}),
    (hold.recompute_cost, {"active_params": 100e9, "flops": 5e15, "usd_per_chip_second": 5e-4}),
    (
        hold.tier_cost,
        {"size_bytes": 1e9, "seconds": 10, "capacity": 186e9, "bandwidth": 8e12, "usd_per_device_second": 5e-4},
    ),
    (
        cache_prices.implied_bytes_per_token,
        {"premium_usd_per_mtok": 1.25, "seconds": 300, "usd_per_chip_hour": 2, "chip_bytes": 186e9},
    ),
    (
        cache_prices.premium_per_token_hour,
        {"write_usd_per_mtok": 6.25, "input_usd_per_mtok": 5, "seconds": 300},
    ),
    (cache_prices.break_even_reuses, {"write_multiple": 1.25, "read_multiple": 0.1}),
    (
        cache_prices.cache_premium,
        {"write_multiple": 1.25, "read_multiple": 0.1, "input_usd_per_mtok": 5, "seconds": 300},
    ),
    (cache_prices.expected_reuses, {"lifetime": 300, "mean_gap": 200}),
    (cache_prices.expected_hold_time, {"lifetime": 300, "mean_gap": 200}),
    (
        fleet.sequences_in_flight,
        {"tokens_per_second": 14.8e3, "tokens_per_second_per_user": 21, "units": 18},
    ),
    (fleet.nodes_needed, {"tokens_per_day": 168e9, "tokens_per_second_per_node": 14.8e3}),
    (fleet.daily_cost, {"chips": 8, "usd_per_chip_hour": 2}),
    (fleet.usd_per_mtok, {"chips": 8, "usd_per_chip_hour": 2, "tokens_per_second": 14.8e3, "missed": 0.4}),
    (fleet.missed_throughput, {"tokens_per_second": 73.7e3, "cache_hit": 0.56}),
    (fleet.relative_to, {"value": 3, "reference": 2}),
    (fleet.markup, {"revenue_usd": 3, "cost_usd": 2}),
    (fleet.volume_ratio, {"tokens": 480e12, "seconds": 2.6e6, "tokens_per_second": 128e3}),
    (fleet.racks_for_population, {"users": 3e9, "tokens_per_user_day": 2e3, "tokens_per_second": 128e3}),
    (
        fleet.bandwidth_progress,
        {"chips_new": 72, "bandwidth_new": 8e12, "chips_old": 8, "bandwidth_old": 3.35e12},
    ),
    (fleet.scale_ratio, {"link_bandwidth": 900e9, "network_bandwidth": 100e9}),
    (budget.chinchilla_tokens, {"params": 100e9, "tokens_per_param": 20}),
    (budget.training_flops, {"params": 100e9, "tokens": 150e12, "flop_per_param_token": 6}),
    (budget.inference_flops, {"params": 100e9, "tokens": 150e12}),
    (budget.rl_flops, {"params": 100e9, "tokens": 150e12, "flop_per_param_token": 4, "efficiency": 0.3}),
    (
        budget.equal_cost_split,
        {"pretraining_tokens": 150e12, "rl_flop_per_param_token": 4, "efficiency": 0.3},
    ),
    (budget.overtraining, {"tokens": 150e12, "params": 100e9, "tokens_per_param": 20}),
    (budget.tokens_served, {"tokens_per_second": 5e8, "seconds": 5e6, "share": 0.1, "success": 0.5}),
    (budget.mean_rate, {"tokens": 150e12, "seconds": 5e6}),
    (budget.rollout_saving, {"tokens_before": 120e6, "tokens_after": 58e6}),
    (budget.recompute_overhead, {"share": 0.5}),
    (
        lifetime.demand_flop_per_param,
        {
            "inference_tokens": 150e12,
            "efficiency": 0.3,
            "rl_tokens": 1e12,
            "rl_flop_per_param_token": 4,
            "rl_efficiency": 0.2,
        },
    ),
    (lifetime.lifetime_flops, {"params": 100e9, "tokens": 150e12, "demand": 1e15}),
    (partial(lifetime.loss, LAW), {"params": 100e9, "tokens": 150e12}),
    (partial(lifetime.optimal_tokens_per_param, LAW), {"params": 100e9}),
    (
        partial(lifetime.inference_over_pretraining_cost_at_optimum, LAW),
        {"params": 100e9, "tokens": 150e12},
    ),
    (
        partial(lifetime.optimal_size, LAW),
        {
            "inference_tokens": 150e12,
            "reference_params": 100e9,
            "reference_tokens": 150e12,
            "efficiency": 0.3,
            "rl_tokens": 1e12,
            "rl_flop_per_param_token": 4,
        },
    ),
    (parallel_agents.pass_at_n, {"chance": 0.1, "agents": 16}),
    (parallel_agents.expected_longest, {"mean": 1000, "variation": 0.5, "agents": 16}),
    (
        parallel_agents.parallel_run,
        {"tokens_per_agent": 8000, "agents": 16, "tpot": 0.01, "aggregation_tokens": 2000, "variation": 0.5},
    ),
    (parallel_agents.token_efficiency_ratio, {"tokens_reference": 120e6, "tokens": 58e6}),
)


def name(case: Case) -> str:
    function = case[0]
    if isinstance(function, partial):
        return "-".join([function.func.__name__, *map(str, function.keywords.values())])
    return function.__name__


def numbers(result: Any) -> dict[str, Any]:
    """A result's numbers by name, whether it is a record or a number."""
    if not is_dataclass(result):
        return {"": result}
    found = {entry.name: getattr(result, entry.name) for entry in fields(result)}
    return {key: value for key, value in found.items() if not isinstance(value, str | tuple)}


@pytest.mark.parametrize("case", CASES, ids=name)
def test_scalars_give_plain_numbers(case: Case) -> None:
    function, arguments = case
    for field, value in numbers(function(**arguments)).items():
        if field != "quantiles":
            assert type(value) in (float, bool), field


@pytest.mark.parametrize("case", CASES, ids=name)
def test_arrays_agree_with_scalars(case: Case) -> None:
    """Two values of each argument on an axis of its own, against one call per combination of two of them."""
    function, arguments = case
    for field, value in arguments.items():
        other = value / 2 if value < 1 else value * 2
        column = numbers(function(**{**arguments, field: np.array([[value], [other]], dtype=float)}))
        for row, one in enumerate((value, other)):
            for key, scalar in numbers(function(**{**arguments, field: one})).items():
                np.testing.assert_allclose(np.ravel(np.atleast_2d(column[key])[row]), np.ravel(scalar), rtol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_arguments_broadcast(case: Case) -> None:
    function, arguments = case
    shape = (3,) * len(arguments)
    spread = {
        field: np.full([3 if axis == place else 1 for place in range(len(arguments))], float(value))
        for axis, (field, value) in enumerate(arguments.items())
    }
    for value in numbers(function(**spread)).values():
        assert np.broadcast_shapes(np.shape(value)[: len(arguments)], shape) == shape


@pytest.mark.parametrize("case", CASES, ids=name)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0, "8", None, True])
def test_bad_numbers_are_refused_by_name(case: Case, bad: Any) -> None:
    function, arguments = case
    for field in arguments:
        if bad is None and field in ("microbatches", "ride", "rl_efficiency"):
            continue
        with pytest.raises(RangeError) as caught:
            function(**{**arguments, field: bad})
        assert "\n" not in str(caught.value)
        assert "is not accepted: expected" in str(caught.value)


@pytest.mark.parametrize("case", CASES, ids=name)
def test_lists_and_integers_will_do(case: Case) -> None:
    function, arguments = case
    listed = numbers(function(**{field: [value] for field, value in arguments.items()}))
    for key, one in numbers(function(**arguments)).items():
        np.testing.assert_allclose(np.ravel(listed[key]), np.ravel(one), rtol=1e-12)
