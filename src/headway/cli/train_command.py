"""``headway train``: layouts of a run, reinforcement learning, and the lifetime budget."""

from __future__ import annotations

from typing import Final

from headway.cli._lazy import LazyGroup, Row

ROWS: Final = (
    Row("plan", "headway.cli.train_plan_command:plan", "Layouts of a training run, fastest first.", "Decide"),
    Row("rl", "headway.cli.train_rl_command:rl", "Rollouts and trainer as two coupled pools.", "Decide"),
    Row("budget", "headway.cli.train_budget_command:budget", "Size and tokens for what will be served.", "Decide"),
)

_HELP: Final = "Step time, reinforcement learning, and what to train for the traffic one expects."


train = LazyGroup("train", ROWS, [], _HELP, "'headway train COMMAND --help' says more.")
