"""``headway train rl``: rollouts and trainer as two coupled pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headway.cli._output import output_options
from headway.cli._params import FRACTION, MODEL, SYSTEM, TOKENS, integer, quantity
from headway.cli._report import Column, Passage, Quantity, Report, Table

if TYPE_CHECKING:
    from headway.facts.hardware import System
    from headway.facts.model import Model
    from headway.training.rl import RLRun


@click.command()
@click.argument("model", type=MODEL)
@click.option("--on", "system", type=SYSTEM, required=True, help="System of both pools.")
@click.option("--replicas", type=integer(1, 1_000_000), default="8", show_default=True, help="Rollout replicas.")
@click.option("--rollout-tp", type=integer(1, 1024), default="8", show_default=True, help="Tensor ranks of each.")
@click.option("--train-tp", type=integer(1, 1024), default="8", show_default=True, help="Tensor ranks of the trainer.")
@click.option("--train-dp", type=integer(1, 100_000), default="8", show_default=True, help="Its data ranks.")
@click.option("--train-pp", type=integer(1, 1024), default="1", show_default=True, help="Its stages.")
@click.option("--train-ep", type=integer(1, 4096), default="1", show_default=True, help="Its expert ranks.")
@click.option("--train-zero", type=integer(0, 3), default="1", show_default=True, help="Its stage of sharding (ZeRO).")
@click.option("--prompt", type=integer(1, 10_000_000), default="1024", show_default=True, help="Tokens of a prompt.")
@click.option("--answer", type=TOKENS, default="8192", show_default=True, help="Mean tokens of an answer.")
@click.option("--spread", type=quantity("count"), default="1", show_default=True, help="Deviation of log length.")
@click.option("--most", type=integer(1, 10_000_000), default="65536", show_default=True, help="Cap on an answer.")
@click.option("--rollouts", type=integer(1, 100_000), default="256", show_default=True, help="Per replica and round.")
@click.option("--kept", type=FRACTION, default="50%", show_default=True, help="Share of rollouts trained on.")
@click.option("--staleness", type=integer(0, 64), default="1", show_default=True, help="Rounds weights may be behind.")
@click.option("--colocated", is_flag=True, help="Both take turns on the same chips.")
@output_options
def rl(
    model: Model,
    system: System,
    replicas: int,
    rollout_tp: int,
    train_tp: int,
    train_dp: int,
    train_pp: int,
    train_ep: int,
    train_zero: int,
    prompt: int,
    answer: float,
    spread: float,
    most: int,
    rollouts: int,
    kept: float,
    staleness: int,
    colocated: bool,
) -> Report:
    """Time a round of reinforcement learning and derive its cost and its efficiency.

    Example: headway train rl llama-3.1-70b --on hgx-h100 --replicas 16 --staleness 4
    """
    from headway.physics.layout import Layout
    from headway.training.recipe import Recipe
    from headway.training.rl import Rollouts, rl_run

    plan = Rollouts(prompt, answer, spread, most, rollouts, kept=kept, staleness=staleness, colocated=colocated)
    trainer = Layout(tp=train_tp, dp=train_dp, pp=train_pp, ep=train_ep)
    recipe = Recipe(recompute="full", zero=train_zero)
    run = rl_run(model, system, Layout(tp=rollout_tp), replicas, trainer, plan, recipe)
    if not run.feasible:
        more = "more of --train-tp, --train-pp, --train-ep, --train-dp or --train-zero divides it further"
        return Report(
            title=f"{model.name}: infeasible, the trainer is {trainer.label()}",
            notes=(run.reason, more),
            document=_verdict(run),
            exit_code=1,
        )
    return Report(
        title=f"{model.name}: {run.sampled:,} tokens sampled a round, {run.binding} set the pace",
        parts=(_table(run), Passage("Why", run.why)),
        notes=("efficiency: chip time of the same FLOP at the trainer's own rate, over the chip time taken",),
        document=_verdict(run)
        | {
            "round_s": run.round_seconds,
            "rollout_s": run.rollout_seconds,
            "train_s": run.train_seconds,
            "sync_s": run.sync_seconds,
            "rollout_gpus": run.rollout_chips,
            "train_gpus": run.train_chips,
            "tokens_sampled": run.sampled,
            "tokens_trained": run.trained,
            "tokens_dropped": run.dropped,
            "flop_per_param_token": run.coefficient,
            "efficiency": run.efficiency,
            "rollout_efficiency": run.rollout_efficiency,
            "idle": dict(run.idle),
            "binding": run.binding,
            "why": list(run.why),
        },
        exit_code=0,
    )


def _verdict(run: RLRun) -> dict[str, Any]:
    return {
        "feasible": run.feasible,
        "reason": run.reason,
        "train_memory_bytes_by_kind": {kind: float(held) for kind, held in run.memory.kinds().items()},
        "sources": [{"text": s.text, "kind": s.kind, "retrieved": s.retrieved} for s in run.sources],
    }


def _table(run: RLRun) -> Table:
    rows = (
        ("round", Quantity(run.round_seconds, "seconds")),
        ("rollouts alone", Quantity(run.rollout_seconds, "seconds")),
        ("training alone", Quantity(run.train_seconds, "seconds")),
        ("weight sync", Quantity(run.sync_seconds, "seconds")),
        ("rollout chips", Quantity(run.rollout_chips, "count")),
        ("trainer chips", Quantity(run.train_chips, "count")),
        ("tokens sampled", Quantity(run.sampled, "tokens")),
        ("tokens trained on", Quantity(run.trained, "tokens")),
        ("tokens dropped", Quantity(run.dropped, "tokens")),
        ("FLOP per parameter and token", Quantity(run.coefficient, "count")),
        ("efficiency of both pools", Quantity(run.efficiency, "fraction")),
        ("efficiency of sampling", Quantity(run.rollout_efficiency, "fraction")),
        *((f"{name} wait", Quantity(share, "fraction")) for name, share in run.idle),
    )
    columns = (Column("quantity", "", align="left"), Column("value", "value", mixed=True))
    return Table("round", columns, rows)
