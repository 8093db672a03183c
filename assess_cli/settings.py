"""`assess settings`: the settings in force."""

import os
from collections.abc import Iterator, Mapping

import click

from assess_cli.output import emit_json, emit_rows, notify
from assess_core.privacy import hidden, is_secret
from assess_core.settings import Settings, unknown_variables


@click.command("settings")
@click.option("--json", "as_json", is_flag=True, help="A JSON list with an object for each setting.")
@click.pass_context
def settings(ctx: click.Context, as_json: bool) -> None:
    """Print every setting, its value and where the value comes from; secrets are shown as ***.

    \b
    Examples:
      assess settings
      ASSESS_GRACE=6h assess --home /srv/assess settings --json
    """
    in_force: Settings = ctx.obj
    given = ctx.find_root().params["home"] is not None
    rows = [
        {
            "setting": name,
            "value": "***" if value and is_secret(name) else hidden(value),
            "from": _origin(name, os.environ, given),
        }
        for name, value in in_force.env().items()
    ]
    if as_json:
        emit_json(rows)
    else:
        emit_rows(("setting", "value", "from"), rows, "table")
    for sentence, action in unknown_settings(os.environ):
        notify(f"warning: {sentence}; {action}")


def unknown_settings(env: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A message and an action for each variable that looks like a setting but is not one."""
    for name, meant in unknown_variables(env).items():
        action = f"did you mean {meant}?" if meant else "`assess settings` lists all settings; unset it"
        yield f"{name} is not a setting and has no effect", action


def _origin(name: str, env: Mapping[str, str], home_given: bool) -> str:
    if name == "ASSESS_HOME" and home_given:
        return "--home"
    return "environment" if env.get(name) else "default"
