"""``headway train``: layouts of a run, reinforcement learning, and the lifetime budget."""

from __future__ import annotations

from typing import Final

import click

from headway.cli._lazy import LazyGroup, Row

ROWS: Final = (
    Row("plan", "headway.cli.train_plan_command:plan", "Layouts of a training run, fastest first.", "Decide"),
    Row("rl", "headway.cli.train_rl_command:rl", "Rollouts and trainer as two coupled pools.", "Decide"),
    Row("budget", "headway.cli.train_budget_command:budget", "Size and tokens for what will be served.", "Decide"),
)

_HELP: Final = "Step time, reinforcement learning, and what to train for the traffic one expects."


def _help_alone() -> None:
    ctx = click.get_current_context()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


train = LazyGroup("train", ROWS, [], _HELP, "'headway train COMMAND --help' says more.")
train.callback = _help_alone
