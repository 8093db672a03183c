"""`assess settings`: the settings in force."""

import os
from collections.abc import Mapping

import click

from assess_cli.output import emit_json, emit_rows, notify
from assess_core.privacy import hidden, is_secret
from assess_core.settings import Settings, unknown_settings


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


def _origin(name: str, env: Mapping[str, str], home_given: bool) -> str:
    if name == "ASSESS_HOME" and home_given:
        return "--home"
    return "environment" if env.get(name) else "default"
