"""Time the event simulator of ai-dynamo (mocker replay), in its own interpreter, with its generic timing."""

from __future__ import annotations

import os
import time
from typing import Any

from _exchange import serve

os.environ["DYN_LOG"] = "error"

from dynamo._core import run_mocker_synthetic_trace_replay


def requests(about: dict[str, Any]) -> Any:
    """Simulated requests per processor second of the given shapes, best of three."""
    found = {}
    for isl, osl in about["shapes"]:
        rates = []
        for _ in range(3):
            start = time.process_time()
            summary = run_mocker_synthetic_trace_replay(isl, osl, about["count"], request_rate=about["rate"]).summary
            spent = time.process_time() - start
            rates.append(int((summary() if callable(summary) else summary)["completed_requests"]) / spent)
        found[f"{isl}/{osl}"] = max(rates)
    return found


if __name__ == "__main__":
    serve({"requests": requests})
