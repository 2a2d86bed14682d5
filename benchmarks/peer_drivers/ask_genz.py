"""Ask GenZ (genz-llm), in its own interpreter. It evaluates points; the sweep under limits is this driver's."""

from __future__ import annotations

import contextlib
import io
import itertools
import time
import warnings
from typing import Any

from _exchange import rate, serve, static_sweep

warnings.simplefilter("ignore")

from GenZ import decode_moddeling, prefill_moddeling  # noqa: E402

# Its table has no H200: the same chip as its H100 with the larger memory of the H200, from the datasheet.
SYSTEMS: dict[str, Any] = {
    "H100_GPU": "H100_GPU",
    "H200": {"Flops": 989, "Memory_size": 141, "Memory_BW": 4800, "ICN": 450, "real_values": True},
}


def times(about: dict[str, Any], layout: dict[str, int], batch: int) -> tuple[float, float]:
    """Prefill and decode seconds of one batch, at the mean length of the answer."""
    shape = {"model": about["model"], "batch_size": batch, "bits": about["bits"]}
    shape |= {"system_name": SYSTEMS[about["system"]], "tensor_parallel": layout.get("tp", 1)}
    shape |= {"expert_parallel": layout.get("ep", 1)}
    middle = about["isl"] + about["osl"] // 2
    with contextlib.redirect_stdout(io.StringIO()):
        prefill = prefill_moddeling(input_tokens=about["isl"], **shape)["Latency"]
        decode = decode_moddeling(input_tokens=middle, output_tokens=0, Bb=1, **shape)["Latency"]
    return prefill * 1e-3, decode * 1e-3


def plan(about: dict[str, Any]) -> Any:
    """Every tensor and expert parallel degree up to the chips, batches up to the limits."""
    experts = (1, 2, 4, 8, 16, 32) if about["experts"] else (1,)
    widths = [{"tp": t, "ep": e} for t, e in itertools.product((1, 2, 4, 8, 16, 32), experts)]
    widths.sort(key=lambda w: w["tp"] * w["ep"])
    start, busy = time.perf_counter(), time.process_time()
    found = static_sweep(about, widths, lambda layout, batch: times(about, layout, batch))
    spent = {"seconds": {"first": time.perf_counter() - start}, "cpu": {"first": time.process_time() - busy}}
    return {**found, **spent}


def points(about: dict[str, Any]) -> Any:
    """Rate of decode points."""
    middle = about["isl"] + about["osl"] // 2

    def point(batch: int) -> float:
        shape = {"model": about["model"], "batch_size": batch, "bits": "bf16", "system_name": about["system"]}
        with contextlib.redirect_stdout(io.StringIO()):
            found = decode_moddeling(input_tokens=middle, output_tokens=0, Bb=1, tensor_parallel=about["tp"], **shape)
        return float(found["Latency"]) * 1e-3

    return {"as shipped": rate(point)}


if __name__ == "__main__":
    serve({"plan": plan, "points": points})
