"""`assess schema`: show, create and check the tables of the hot store."""

import click

from assess_cli.output import notify
from assess_core.settings import Settings
from assess_core.wiring import hot_schema


@click.group()
def schema() -> None:
    """Show, create and check the tables of the hot store. A SQLite file also gets them when it is first opened.

    \b
    Examples:
      assess schema show
      assess schema apply --replication dc1:3
      assess schema check
    """


@schema.command()
@click.pass_obj
def show(settings: Settings) -> None:
    """Print the statements that create the tables.

    \b
    Examples:
      assess schema show > schema.cql
    """
    click.echo(hot_schema(settings).show())


@schema.command()
@click.option("--replication", metavar="COPIES", help="Number of copies: 3, or per data centre: dc1:3,dc2:2.")
@click.option("--shards", type=click.IntRange(1, 1024), help="Partitions of a slice; fixed once the tables exist.")
@click.pass_obj
def apply(settings: Settings, replication: str | None, shards: int | None) -> None:
    """Create missing tables and columns; it is safe to repeat.

    \b
    Examples:
      assess schema apply
      assess schema apply --replication dc1:3 --shards 64
    """
    notify(hot_schema(settings).apply(replication, shards))


@schema.command()
@click.pass_context
def check(ctx: click.Context) -> None:
    """Print each difference from the tables that this version needs; exit code 4 if there is one.

    \b
    Examples:
      assess schema check
    """
    different = list(hot_schema(ctx.obj).check())
    for sentence in different:
        click.echo(sentence)
    if different:
        notify("`assess schema apply` creates what is missing; any other difference needs another keyspace or file")
        ctx.exit(4)
    notify("all tables are correct")
