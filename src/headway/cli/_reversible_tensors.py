"""The commands of ``headway reversible`` that need torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headway.cli._chart import Axis
from headway.cli._output import output_options
from headway.cli._params import choice, integer, listed
from headway.cli._report import Column, Report, Table
from headway.cli.reversible_command import lines, shares

if TYPE_CHECKING:
    from headway.cli._chart import XYChart
    from headway.reversible.growth import Growth

_DEPTHS = listed(integer(1, 1024, "layers"))


def _formats() -> tuple[str, ...]:
    from headway.reversible.precision import FORMATS

    return FORMATS


@click.command()
@click.option("--layers", type=_DEPTHS, default="6,12,24,48", show_default=True, help="Depths, ascending.")
@click.option("--width", type=integer(16, 4096), default=32, show_default=True, help="Channels of a half.")
@click.option("--batch", type=integer(1, 4096), default=4, show_default=True)
@click.option("--context", type=integer(1, 65536), default=32, show_default=True)
@click.option("--no-time", is_flag=True, help="Measure memory alone.")
@output_options
def memory(layers: tuple[int, ...], width: int, batch: int, context: int, no_time: bool) -> Report:
    """Peak activation memory of a training step against depth, and its time, for each way to keep activations.

    Example: headway reversible memory --layers 6,48
    """
    from headway.reversible.memory import peak_memory, step_time

    found = peak_memory(layers, width=width, batch=batch, context=context)
    times = None if no_time else step_time()
    columns = (
        Column("memory", "activations", align="left"),
        *(Column(f"layers_{depth}_bytes", f"{depth} layers", "bytes") for depth in found.layers),
        Column("growth", "grows by"),
        Column("time_ratio", "time over\nstored"),
    )
    rows = tuple(
        (name, *peaks, found.growth(name), None if times is None else times.of(name)) for name, peaks in found.peaks
    )
    chart = lines(
        "Peak activation memory of a training step",
        "layers",
        Axis("memory", "bytes"),
        [(name, found.layers, peaks) for name, peaks in found.peaks],
    )
    return Report(
        title=f"Reversible transformer, width {width}, {batch} x {context} tokens, float32, this machine",
        parts=(chart, Table("policies", columns, rows)),
        notes=(
            "every tensor alive in a forward and a backward pass above weights, gradients and input",
            *(
                ()
                if times is None
                else (
                    f"time: {times.layers} layers of width 256, CPU time; 8 N D over 6 N D is {times.closed_form:.3f}",
                )
            ),
        ),
        document={"memory": found, "time": times},
    )


@click.command()
@click.option("--rounds", type=_DEPTHS, default="8,16,32,64,128", show_default=True, help="Feistel rounds, ascending.")
@click.option("--format", "formats", type=listed(choice("format", _formats)), help="Number formats; all by default.")
@click.option(
    "--gain", type=click.FloatRange(0.01, 100), default=4.0, show_default=True, help="Times the fresh weights."
)
@output_options
def precision(rounds: tuple[int, ...], formats: tuple[str, ...] | None, gain: float) -> Report:
    """Error of the recomputed input and of the gradient by depth and number format, and where it fails.

    Example: headway reversible precision --format float32,bfloat16 --gain 1
    """
    from headway.reversible.precision import FAILS_AT, FORMATS, reconstruction

    found = [reconstruction(name, rounds, gain=gain) for name in formats or FORMATS]
    columns = (
        Column("format", "format", align="left", fold=True),
        *(Column(f"rounds_{depth}", f"{depth} rounds") for depth in rounds),
        Column("fails_at_rounds", "fails at"),
    )
    rows = tuple((one.format, *(f"{error:.1e}" for error in one.gradient_error), one.fails_at) for one in found)
    series = [(one.format, one.rounds, one.input_error) for one in found]
    return Report(
        title=f"Reversible residual network of width 64, weights {gain:g} times as large as fresh ones",
        parts=(
            lines("Relative error of the recomputed input", "rounds", Axis("error", "count", log=True), series),
            Table("gradient_error", columns, rows, "Relative error of the gradient"),
        ),
        notes=(
            f"fails: the gradient is off by more than {FAILS_AT:.0%}; training makes weights stretch more than fresh",
        ),
        document={"gain": gain, "formats": found},
    )


@click.command()
@click.option("--seeds", type=integer(2, 100), default=3, show_default=True, help="Runs of each way.")
@click.option("--steps", type=integer(1, 100_000), default=80, show_default=True)
@output_options
def train(seeds: int, steps: int) -> Report:
    """Train a small character model with stored and with recomputed activations, from the same seeds.

    Example: headway reversible train --steps 200
    """
    from headway.reversible.characters import train as run

    found = run(tuple(range(seeds)), steps)
    columns = (
        Column("seed", "seed"),
        *(Column(f"{name}_last_loss", f"{name}\nlast loss [nat]") for name in found.memories),
    )
    rows = tuple((seed, *(found.last(name, seed) for name in found.memories)) for seed in found.seeds)
    series = [(name, range(1, steps + 1), found.mean_curve(name)) for name in found.memories]
    return Report(
        title=f"Character model, {seeds} seeds, {steps} steps",
        parts=(
            lines("Loss, mean of the seeds [nat]", "step", Axis("loss", "count"), series),
            Table("runs", columns, rows),
        ),
        notes=(
            f"the curves of one seed differ by {found.gap:.1e} nat at most; those of different seeds by "
            f"{found.spread:.2g} nat (standard deviation)",
        ),
        document={
            "memories": found.memories,
            "seeds": found.seeds,
            "losses_nat": found.losses,
            "gap_nat": found.gap,
            "spread_nat": found.spread,
            "coincide": found.coincide,
        },
        exit_code=0 if found.coincide else 1,
    )


def _growth_chart(found: Growth) -> XYChart:
    return shares(
        f"A {found.state} classifier: change of its state",
        "rounds",
        "change",
        (("random", found.random), ("adversary's", found.adversarial)),
    )


def _growth_table(every: tuple[Growth, ...]) -> Table:
    columns = (
        Column("network", "network", align="left"),
        Column("exponent", "growth exponent\nper round"),
        Column("random_last", "random,\nat the end", "fraction"),
        Column("adversarial_last", "adversary's,\nat the end", "fraction"),
        Column("accuracy", "right,\nclean", "fraction"),
        Column("accuracy_random", "right,\nrandom", "fraction"),
        Column("accuracy_adversarial", "right,\nadversary's", "fraction"),
    )
    rows = tuple(
        (g.state, g.exponent, g.random[-1], g.adversarial[-1], g.accuracy, g.accuracy_random, g.accuracy_adversarial)
        for g in every
    )
    return Table("growth", columns, rows)


_SIZE = click.option(
    "--size", type=click.FloatRange(0.001, 100), default=2.0, show_default=True, help="Norm; an input's is about 7."
)


@click.command()
@_SIZE
@output_options
def growth(size: float) -> Report:
    """Follow a random and an adversary's perturbation through a small classifier, fresh and trained.

    Example: headway reversible growth --size 1
    """
    from headway.reversible.growth import growth as measure

    every = (measure(False, size=size), measure(True, size=size))
    return Report(
        title=f"Perturbations of norm {size:g} through a reversible classifier",
        parts=(*(_growth_chart(found) for found in every), _growth_table(every)),
        notes=("change: norm of the state's change over the state's norm, after each round",),
        document={"size": size, "networks": every},
    )


@click.command()
@click.option("--rounds", type=integer(1, 13), default=8, show_default=True, help="Rounds of the cipher.")
@_SIZE
@output_options
def twins(rounds: int, size: float) -> Report:
    """Draw one picture twice: a difference through a cipher and through a classifier, at random and chosen.

    Example: headway reversible twins
    """
    from headway.reversible.growth import growth as measure
    from headway.reversible.twins import cipher_side

    network = measure(True, size=size)
    side = cipher_side(rounds)
    top = shares(
        f"{side.cipher}: share of bits that differ",
        "rounds",
        "share",
        (("random difference", side.random), ("trail found by search", side.chosen)),
    )
    return Report(
        title="The attacker's direction is not the random one",
        parts=(top, _growth_chart(network), _growth_table((network,))),
        notes=(
            f"cipher: a difference that stays small, with probability 2^-{side.weight} over {rounds} rounds",
            "classifier: a difference that does not fade; both are found by search, by trails and by gradient",
        ),
        document={"cipher": side, "network": network},
    )
