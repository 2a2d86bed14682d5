"""``headway train budget``: what to train for the tokens that will be served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headway.cli._chart import Axis, Series, XYChart
from headway.cli._output import output_options
from headway.cli._params import FRACTION, TOKENS, choice, quantity
from headway.cli._report import Column, Quantity, Report, Table

if TYPE_CHECKING:
    from headway.facts.scaling_laws import LossLaw
    from headway.training.lifetime import Budget


def _laws() -> tuple[str, ...]:
    from headway.facts.scaling_laws import LOSS_LAWS

    return tuple(LOSS_LAWS)


@click.command()
@click.option("--serve", type=TOKENS, required=True, help="Tokens served in the model's life.")
@click.option("--rl", "rl_tokens", type=TOKENS, default="0", show_default=True, help="Tokens sampled in RL.")
@click.option("--params", type=quantity("count"), default="100B", show_default=True, help="Active parameters and")
@click.option("--tokens", type=TOKENS, default="150T", show_default=True, help="tokens of the model to equal.")
@click.option("--law", type=choice("loss law", _laws), default="epoch-2024-converged", show_default=True, help="Fit.")
@click.option("--efficiency", type=FRACTION, default="100%", show_default=True, help="Of inference over training.")
@click.option("--rl-efficiency", type=FRACTION, help="Of RL over training; that of inference where not given.")
@click.option("--rl-flop", type=quantity("count"), default="6", show_default=True, help="Per parameter and RL token.")
@click.option(
    "--leverage", type=quantity("count"), default="1", show_default=True, help="Dense worth of an expert model."
)
@click.option("--unique", type=TOKENS, help="Distinct tokens at hand.")
@click.option("--success", type=FRACTION, default="100%", show_default=True, help="Chance that a run is released.")
@click.option("--price", type=quantity("count"), help="Dollars per 1e21 FLOP at the efficiency of training.")
@output_options
def budget(
    serve: float,
    rl_tokens: float,
    params: float,
    tokens: float,
    law: str,
    efficiency: float,
    rl_efficiency: float | None,
    rl_flop: float,
    leverage: float,
    unique: float | None,
    success: float,
    price: float | None,
) -> Report:
    """Find the size and tokens of least lifetime cost at the loss of a stated model.

    Example: headway train budget --serve 150T --rl 150T --efficiency 30%
    """
    from headway.facts.scaling_laws import loss_law
    from headway.training.choices import choices
    from headway.training.lifetime import budget as solve

    fitted = loss_law(law)
    found = solve(
        fitted,
        serve,
        params,
        tokens,
        efficiency=efficiency,
        rl_tokens=rl_tokens,
        rl_flop_per_param_token=rl_flop,
        rl_efficiency=rl_efficiency,
        leverage=leverage,
        unique=unique,
        success=success,
    )
    rows = choices(fitted, found, params, tokens, price)
    columns = (
        Column("choice", "choice", align="left", fold=True),
        Column("params", "active", "count"),
        Column("tokens", "tokens", "tokens"),
        *((Column("tokens_read", "read with\nrepeats", "tokens"),) if unique is not None else ()),
        Column("over_20", "over 20\ntok/param"),
        Column("flops", "life", "flop"),
        Column("excess", "over the\nleast", "fraction"),
        *((Column("usd", "cost", "dollars"),) if price is not None else ()),
    )
    table = Table("choices", columns, tuple(tuple(r[c.key] for c in columns) for r in rows), "At the same loss")
    parts = (table, _facts(found), _valley(fitted, found)) if found.feasible else (table,)
    return Report(
        title=f"{_headline(found)} ({law})",
        parts=parts,
        notes=_notes(found),
        document=_document(found, rows, fitted),
        data=table,
        exit_code=0 if found.feasible else 1,
    )


def _headline(found: Budget) -> str:
    if not found.feasible:
        return "infeasible: too few distinct tokens for the loss"
    read = _said(found.effective_tokens, "tokens")
    worth = f", worth {_said(found.best.tokens, 'tokens')}" if found.effective_tokens > found.best.tokens else ""
    return f"{_said(found.params, 'count')} active on {read}{worth}"


def _said(value: float, dimension: str) -> str:
    from headway.facts.units import format_quantity

    # Past the largest prefix a figure is easier to read without one.
    if value < 1e18:
        return format_quantity(value, dimension, 4)
    return f"{value:.4g}".replace("e+", "e") + (" tok" if dimension == "tokens" else "")


def _notes(found: Budget) -> tuple[str, ...]:
    said = [found.reason] if found.reason else []
    if found.demand_ratio < 3.0:
        said.append(f'q = {found.demand_ratio:.2g} < 3: "make the costs equal" fails for so little demand')
    said.append("laws were fitted below 100 tokens per parameter and flatter extra tokens far above it")
    return tuple(said)


def _facts(found: Budget) -> Table:
    low, high = found.interval
    rows: tuple[tuple[str, Any], ...] = (
        ("life after pre-training over pre-training, rho", Quantity(found.rho, "count")),
        ("demand over the plain optimum, q", Quantity(found.demand_ratio, "count")),
        ("over-training against the same loss", Quantity(found.overtraining_same_loss, "count")),
        *((("  95% from", Quantity(low, "count")), ("  95% to", Quantity(high, "count"))) if low == low else ()),
        ("saving on the plain optimum", _share(found.saving)),
        ("loss of the rule of equal costs", _share(found.equalise_excess)),
        *((name, Quantity(value, "flop")) for name, value in found.flops),
    )
    return Table("facts", (Column("quantity", "", align="left"), Column("value", "value", mixed=True)), rows)


def _share(value: float) -> Quantity | None:
    """A share; None where there is none, as of a rule that cannot reach the loss."""
    return Quantity(value, "fraction") if abs(value) < 1e300 else None


def _valley(law: LossLaw, found: Budget) -> XYChart:
    from headway.training.choices import valley

    drawn = valley(law, found)
    return XYChart(
        "Cost over the least, against over-training at the same loss",
        Axis("tokens over the plain optimum's", "count", log=True),
        Axis("cost over the least", "count", log=True),
        (
            Series("lifetime cost", drawn.tokens_ratio.tolist(), drawn.cost_ratio.tolist()),
            Series("equal costs", [drawn.rule[0]], [drawn.rule[1]]),
        ),
    )


def _document(found: Budget, rows: Any, law: LossLaw) -> dict[str, Any]:
    return {
        "feasible": found.feasible,
        "reason": found.reason,
        "law": law.name,
        "params": found.params,
        "tokens": found.best.tokens,
        "overtraining_20": found.overtraining,
        "overtraining_same_loss": found.overtraining_same_loss,
        "overtraining_95": [end if end == end else None for end in found.interval],
        "rho": found.rho,
        "demand_ratio": found.demand_ratio,
        "saving": found.saving if found.saving == found.saving else None,
        "equalise_excess": found.equalise_excess if found.equalise_excess < 1e300 else None,
        "flops": dict(found.flops),
        "lifetime_flops": rows[0]["flops"],
        "tokens_with_repetition": rows[0]["tokens_read"],
        "choices": list(rows),
        "sources": [{"text": s.text, "kind": s.kind, "retrieved": s.retrieved} for s in found.sources],
    }
