"""Time vidur's simulation loop, in its own interpreter, on step times that are given.

Its own step times come from profiles that it fetches when it starts; here a table of one line stands in for its random
forests, which is quicker than these. Metrics and plots are off.
"""

from __future__ import annotations

import os
import tempfile
import time
from typing import Any

from _exchange import serve

os.environ |= {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled"}

from vidur._native.entities import ExecutionTime
from vidur.config import config as options
from vidur.execution_time_predictor import BaseExecutionTimePredictor, ExecutionTimePredictorRegistry
from vidur.simulator import Simulator
from vidur.types import ExecutionTimePredictorType

OFF = ("write_metrics", "store_plots", "enable_chrome_trace", "store_request_metrics", "store_batch_metrics")


def straight(step_s: float, token_s: float) -> type:
    """Step times in place of a random forest: a step, and more for each of its tokens."""

    class Straight(BaseExecutionTimePredictor):  # type: ignore[misc]
        def get_execution_time(self, batch: Any, pipeline_stage: int) -> Any:
            milliseconds = 1e3 * (step_s + token_s * sum(batch.num_q_tokens))
            return ExecutionTime(1, milliseconds, *([0.0] * 13))

    Straight.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]
    return Straight


def requests(about: dict[str, Any]) -> Any:
    """Requests per processor second of one replica, chunked prefill after Sarathi."""
    kind = ExecutionTimePredictorType.RANDOM_FORREST
    ExecutionTimePredictorRegistry.unregister(kind)
    ExecutionTimePredictorRegistry.register(kind, straight(about["step_s"], about["token_s"]))
    lengths = options.FixedRequestLengthGeneratorConfig(prefill_tokens=about["isl"], decode_tokens=about["osl"])
    scheduler = options.SarathiSchedulerConfig(batch_size_cap=about["seats"], chunk_size=about["budget"])
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        config = options.SimulationConfig(
            log_level="error",
            cluster_config=options.ClusterConfig(
                num_replicas=1,
                replica_config=options.ReplicaConfig(num_pipeline_stages=1, tensor_parallel_size=1),
                cache_config=options.CacheConfig(num_blocks=1_000_000),
                replica_scheduler_config=scheduler,
            ),
            request_generator_config=options.SyntheticRequestGeneratorConfig(
                length_generator_config=lengths,
                interval_generator_config=options.PoissonRequestIntervalGeneratorConfig(qps=about["rate"]),
                num_requests=about["count"],
            ),
            metrics_config=options.MetricsConfig(**dict.fromkeys(OFF, False)),
        )
        simulator = Simulator(config)
        asked = [event._request for _, event in simulator._event_queue]
        start = time.process_time()
        simulator.run()
        taken = time.process_time() - start
    gaps = [(r.completed_at - r.prefill_completed_at) / (about["osl"] - 1) for r in asked]
    return {"rate": about["count"] / taken, "tpot_s": sum(gaps) / len(gaps)}


if __name__ == "__main__":
    serve({"requests": requests})
