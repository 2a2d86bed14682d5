"""A click group that knows its commands from a table and imports one only when it runs.

The help page comes from the table alone, so it costs no import beyond click.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from click.shell_completion import CompletionItem


@final
@dataclass(frozen=True, slots=True)
class Row:
    """One command of the command line.

    Parameters
    ----------
    name : str
        What the user types.
    target : str
        Where the click command is, ``"package.module:attribute"``.
    help : str
        One line for the help page.
    section : str
        Heading of the help page under which the command stands.
    """

    name: str
    target: str
    help: str
    section: str

    def load(self) -> click.Command:
        """Import the command."""
        module, _, attribute = self.target.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        if not isinstance(found, click.Command):
            raise TypeError(f"{self.target} is not a click command")
        return found


@click.pass_context
def _help_alone(ctx: click.Context) -> None:
    """Show the help of a group that was named without a command."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


class LazyGroup(click.Group):
    """A group over a table of rows; nothing of a command is imported before it is called. Alone, it shows its help."""

    def __init__(self, name: str, rows: Sequence[Row], params: list[click.Parameter], help: str, epilog: str) -> None:
        settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
        super().__init__(
            name,
            callback=_help_alone,
            params=params,
            help=help,
            epilog=epilog,
            context_settings=settings,
            invoke_without_command=True,
            subcommand_metavar="COMMAND [ARGS]...",
        )
        self.rows = tuple(rows)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return [row.name for row in self.rows]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of that name; None where there is none."""
        return next((row.load() for row in self.rows if row.name == cmd_name), None)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or raise an error that names the nearest one."""
        names = self.list_commands(ctx)
        if args and args[0] not in names and not args[0].startswith("-") and not ctx.resilient_parsing:
            from headway.facts.errors import unknown

            raise unknown("command", args[0], names, f"one of those that '{ctx.command_path} --help' lists")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table, section by section."""
        for section in dict.fromkeys(row.section for row in self.rows):
            with formatter.section(section):
                formatter.write_dl([(row.name, row.help) for row in self.rows if row.section == section])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete command names from the table, without importing them."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(row.name, help=row.help) for row in self.rows if row.name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)
