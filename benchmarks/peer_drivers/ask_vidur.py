"""Ask vidur from its package, in its own interpreter, with downloads off: what it says to a standard question."""

from __future__ import annotations

import os
import sys
import tempfile
from typing import Any

from _exchange import serve

os.environ |= {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled"}

from vidur.main import main


def plan(about: dict[str, Any]) -> Any:
    """Start a simulation of the model on the device; it is a simulator, so the layout is given."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        sys.argv[1:] = ["--replica_config_model_name", about["model"], "--replica_config_device", about["system"]]
        sys.argv += ["--replica_config_tensor_parallel_size", str(about["tp"])]
        try:
            main()
        except Exception as error:  # noqa: BLE001  whatever stops it is the answer
            text = " ".join(str(error).split(". ")[0].split())
            return {"answer": None, "refused": f"{type(error).__name__}: {text}"}
    return {"answer": None, "refused": "it ran: a simulation with its own profiles, not a plan"}


if __name__ == "__main__":
    serve({"plan": plan})
