"""``headway completion``: the script that teaches a shell to complete the command line."""

from __future__ import annotations

from typing import Final

import click

SHELLS: Final = ("bash", "zsh", "fish")

HELP: Final = """Print the completion script of a shell.

\b
bash:  eval "$(headway completion bash)"         in ~/.bashrc
zsh:   eval "$(headway completion zsh)"          in ~/.zshrc
fish:  headway completion fish > ~/.config/fish/completions/headway.fish
"""


@click.command(help=HELP)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    from headway.cli.main import COMPLETION_VARIABLE, PROGRAM, group

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this release of click has no completion for {shell}")
    click.echo(kind(group(), {}, PROGRAM, COMPLETION_VARIABLE).source())
