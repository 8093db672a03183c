"""The pages of the reference that are written from the code: commands, REST paths, GraphQL, tables.

`make contracts` writes them, and a test compares them with the code.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import pyarrow as pa
from graphql import print_schema

from assess_cli import main
from assess_core.adapters.arrow.rows import LAKE_SCHEMA
from assess_core.adapters.cassandra.schema import CassandraSchema
from assess_core.adapters.lake.imports import IMPORTS_SCHEMA
from assess_core.adapters.lake.manifest_rows import MANIFEST_SCHEMA
from assess_core.adapters.lake.weekly import WEEKLY_SCHEMA
from assess_core.adapters.sqlite.schema import SqliteSchema
from graphql_api.openapi import document
from graphql_api.schema import schema

DOCS: Final = Path(__file__).parents[1] / "docs"
_WIDTH: Final = 100
_LAKE: Final = {
    "attempts": LAKE_SCHEMA,
    "archive_manifest": MANIFEST_SCHEMA,
    "imports": IMPORTS_SCHEMA,
    "weekly_activity": WEEKLY_SCHEMA,
}


def pages() -> dict[Path, str]:
    """Each page with its text."""
    found = {
        "reference-commands.md": _page("Commands", "for everybody who types commands", commands()),
        "reference-rest.md": _page("REST paths", "for authors of clients", paths()),
        "reference-graphql.md": _page("GraphQL schema", "for authors of clients", graphql()),
        "reference-tables.md": _page("Tables", "for people who read the stores with other programs", tables()),
    }
    return {DOCS / name: text for name, text in found.items()}


def _page(title: str, readers: str, lines: Iterator[str]) -> str:
    head = f"# {title}\n\nA list {readers}. It is written from the code by `make contracts`.\n"
    return "\n".join([head, *lines]) + "\n"


def commands() -> Iterator[str]:
    """The help of every command."""
    top = click.Context(
        main, info_name="assess", **main.context_settings, max_content_width=_WIDTH, terminal_width=_WIDTH
    )
    for name in main.list_commands(top):
        command = main.get_command(top, name)
        assert command is not None
        yield from _helps(command, click.Context(command, info_name=name, parent=top))


def _helps(command: click.Command, ctx: click.Context) -> Iterator[str]:
    yield f"## {ctx.command_path}\n\n```text\n{command.get_help(ctx)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            one = command.get_command(ctx, name)
            assert one is not None
            yield from _helps(one, click.Context(one, info_name=name, parent=ctx))


def paths() -> Iterator[str]:
    """A row for each method of each path."""
    yield "The [OpenAPI document](openapi.json) has the shapes of requests and answers; `/openapi` shows it.\n"
    yield "| method | path | answers | statuses |\n|---|---|---|---|"
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield f"| {method.upper()} | `{path}` | {operation['summary']} | {_statuses(operation)} |"


def _statuses(operation: dict[str, Any]) -> str:
    return ", ".join(sorted(operation["responses"]))


def graphql() -> Iterator[str]:
    """The schema."""
    yield f"```graphql\n{print_schema(schema)}\n```"


def tables() -> Iterator[str]:
    """The columns of the lake's tables, and the statements that create those of the hot store."""
    yield "## Lake\n\nDelta tables. [Formats](formats.md) says what the columns mean.\n"
    for name, columns in _LAKE.items():
        yield f"### {name}\n\n| column | Arrow type |\n|---|---|"
        yield from (f"| `{column.name}` | {_type(column)} |" for column in columns)
        yield ""
    yield f"## Hot store in SQLite\n\n```sql\n{SqliteSchema('sqlite:////hot.sqlite').show()}\n```\n"
    yield "## Hot store in Cassandra\n\nSettings in `meta` are left out.\n"
    yield f"```sql\n{_cql()}\n```"


def _type(column: pa.Field) -> str:
    return f"`{column.type}`".replace("|", "\\|")


def _cql() -> str:
    lines = CassandraSchema("cassandra://HOST/sunbird_courses").show().splitlines()
    return "\n".join(line for line in lines if not line.startswith("INSERT INTO meta")).rstrip()
