"""`assess completion`: the script with which a shell completes commands and options."""

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

VARIABLE = "_ASSESS_COMPLETE"
"""With this variable, the shell's script asks `assess` for completions. Click names it after the program."""

_SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command()
@click.argument("shell", type=click.Choice([*_SHELLS]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script with which a shell completes the commands and options of `assess`.

    \b
    Examples:
      eval "$(assess completion bash)"     in ~/.bashrc
      eval "$(assess completion zsh)"      in ~/.zshrc, after compinit
      assess completion fish > ~/.config/fish/completions/assess.fish
    """
    click.echo(_SHELLS[shell](ctx.find_root().command, {}, "assess", VARIABLE).source())
