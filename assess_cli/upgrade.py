"""`assess upgrade`: what a new version of the program needs, in one command."""

import click

from assess_cli.output import notify
from assess_core.settings import Settings
from assess_core.wiring import hot_schema, open_lake


@click.command()
@click.pass_obj
def upgrade(settings: Settings) -> None:
    """Bring the stores of an earlier version to this one: tables and columns of the hot store, settings of the lake.

    It adds and never deletes, and it is safe to repeat. With Cassandra, first stop the workers of the earlier version.

    \b
    Examples:
      assess upgrade
    """
    notify(f"hot store: {hot_schema(settings).apply(None, None)}")
    changed = open_lake(settings).upgrade()
    notify(f"lake: {'new settings for ' + ', '.join(changed) if changed else 'its tables are those of this version'}")
