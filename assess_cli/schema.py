"""`assess schema`: the tables of a hot store on servers, shown, made and compared."""

import click

from assess_cli.output import notify
from assess_core.settings import Settings
from assess_core.wiring import hot_schema


@click.group()
def schema() -> None:
    """The tables of the hot store: a Cassandra keyspace gets them here, a SQLite file when it is first opened.

    \b
    Examples:
      assess schema show
      assess schema apply --replication dc1:3
      assess schema check
    """


@schema.command()
@click.pass_obj
def show(settings: Settings) -> None:
    """Print the statements that make the tables.

    \b
    Examples:
      assess schema show > schema.cql
    """
    click.echo(hot_schema(settings).show())


@schema.command()
@click.option("--replication", metavar="COPIES", help="Copies of everything: a number, or like dc1:3,dc2:2.")
@click.option("--shards", type=click.IntRange(1, 1024), help="Parts that a slice is stored in; fixed from then on.")
@click.pass_obj
def apply(settings: Settings, replication: str | None, shards: int | None) -> None:
    """Make what is missing; repeating it changes nothing.

    \b
    Examples:
      assess schema apply
      assess schema apply --replication dc1:3 --shards 64
    """
    notify(hot_schema(settings).apply(replication, shards))


@schema.command()
@click.pass_context
def check(ctx: click.Context) -> None:
    """Say what differs from what this program needs; exit code 4 when something does.

    \b
    Examples:
      assess schema check
    """
    different = list(hot_schema(ctx.obj).check())
    for sentence in different:
        click.echo(sentence)
    if different:
        notify("`assess schema apply` makes what is missing; what differs otherwise needs another keyspace or file")
        ctx.exit(4)
    notify("all tables are as they must be")
