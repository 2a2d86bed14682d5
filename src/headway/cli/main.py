"""The ``headway`` command: a table of commands and the one place where errors become exit codes.

A new command is one file and one row of :data:`COMMANDS`. Its function returns a
:class:`headway.cli._report.Report`; :mod:`headway.cli._output` writes it in the format asked for.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final, NoReturn

import click

from headway import __version__
from headway.cli import _errors
from headway.cli._lazy import LazyGroup, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM: Final = "headway"
COMPLETION_VARIABLE: Final = "_HEADWAY_COMPLETE"

_DECIDE: Final = "Decide"
_LOOK: Final = "Look up"
_LEARN: Final = "Recompute"
_CHECK: Final = "Check"
_SHELL: Final = "Shell"

COMMANDS: Final[tuple[Row, ...]] = (
    Row("plan", "headway.cli.plan_command:plan", "Deployments of a model that nothing else beats.", _DECIDE),
    Row("curve", "headway.cli.curve_command:curve", "Time, cost and speed against batch or context.", _DECIDE),
    Row("modes", "headway.cli.modes_command:modes", "Fast and slow modes, and what a pair implies.", _DECIDE),
    Row("size", "headway.cli.size_command:size", "Replicas, racks, power and cost of a load.", _DECIDE),
    Row("trace", "headway.cli.trace_command:trace", "Statistics of a trace of requests; or make one.", _DECIDE),
    Row("cache", "headway.cli.cache_command:cache", "Which prompt cache a trace should buy or build.", _DECIDE),
    Row("simulate", "headway.cli.simulate_command:simulate", "Every user's times, by replay or drawn load.", _DECIDE),
    Row("price", "headway.cli.price_command:price", "Price sheets: floors, sizes, history, policy.", _DECIDE),
    Row("train", "headway.cli.train_command:train", "Training layouts, RL pools and the lifetime budget.", _DECIDE),
    Row("ladder", "headway.cli.ladder_command:ladder", "The next rung, forecast from small runs.", _DECIDE),
    Row("gate", "headway.cli.gate_command:gate", "Modes of release that a policy allows.", _DECIDE),
    Row("calibrate", "headway.cli.calibrate_command:calibrate", "Constants of your own stack, from its runs.", _CHECK),
    Row("measure", "headway.cli.measure_command:measure", "Bandwidth and matrix rate of this machine.", _CHECK),
    Row(
        "reversible",
        "headway.cli.reversible_command:reversible",
        "Feistel networks: a cipher, a shuffle, reversible layers.",
        _DECIDE,
    ),
    Row("economy", "headway.cli.economy_command:economy", "Markets of agents, and what deciding costs.", _DECIDE),
    Row("board", "headway.cli.board_command:board", "The local page where every curve answers at once.", _LEARN),
    Row("demo", "headway.cli.demo_command:demo", "Golden claims, and one model on two systems.", _LEARN),
    Row(
        "lecture", "headway.cli.lecture_command:lecture", "Every claim of the lecture beside its recomputation.", _LEARN
    ),
    Row("validate", "headway.cli.validate_command:validate", "Predictions beside published measurements.", _CHECK),
    Row("model", "headway.cli.model_command:model", "Parameters, bytes and KV cache of one model.", _LOOK),
    Row("models", "headway.cli.model_command:models", "All models of the catalog.", _LOOK),
    Row("system", "headway.cli.system_command:system", "Facts, machine balance and prices of one system.", _LOOK),
    Row("systems", "headway.cli.system_command:systems", "All systems of the catalog.", _LOOK),
    Row("cite", "headway.cli.cite_command:cite", "Sources of a model, a system or a claim.", _LOOK),
    Row("completion", "headway.cli.completion_command:completion", "Completion script for bash, zsh or fish.", _SHELL),
)

HELP: Final = """The math of frontier AI made executable: from the roofline of one rack to an economy of agents.

Quantities carry their unit: 20ms, "80 GiB", "$2.10/GPU-h", 4k, 200k.
"""

EPILOG: Final = (
    "Every command takes --json, --csv and -o FILE (.json .csv .txt .md). "
    "Exit codes: 0 done, 1 infeasible or a failed check, 2 misuse. 'headway COMMAND --help' says more."
)


def _show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"{PROGRAM} {__version__}")
        ctx.exit()


def group(rows: Sequence[Row] = COMMANDS) -> LazyGroup:
    """Build the click group over a table of commands."""
    version = click.Option(
        ["--version"], is_flag=True, expose_value=False, is_eager=True, callback=_show_version, help="Show the version."
    )
    return LazyGroup(PROGRAM, rows, [version], HELP, EPILOG)


def run(arguments: Sequence[str], rows: Sequence[Row] = COMMANDS) -> int:
    """Run one command line and return its exit code; nothing escapes, whatever happens.

    Parameters
    ----------
    arguments : sequence of str
        What follows the program's name.
    rows : sequence of Row
        The commands.
    """
    try:
        code = _run(arguments, group(rows))
        sys.stdout.flush()
    except BaseException as error:  # the last line of defence: one line and a code, never a traceback
        if isinstance(error, (SystemExit, GeneratorExit)):
            raise
        return _errors.report(error)
    return code


def _run(arguments: Sequence[str], commands: LazyGroup) -> int:
    instruction = os.environ.get(COMPLETION_VARIABLE)
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(commands, {}, PROGRAM, COMPLETION_VARIABLE, instruction)
    try:
        with commands.make_context(PROGRAM, list(arguments)) as ctx:
            result = commands.invoke(ctx)
            if result is None:
                return _errors.DONE
            from headway.cli import _output

            return _output.emit(result, _output.choices(ctx))
    except click.exceptions.Exit as stop:
        return stop.exit_code


def main() -> NoReturn:
    """Entry point of the ``headway`` program."""
    sys.exit(run(sys.argv[1:]))
