"""The pages of the reference that are written from the code: commands, settings, errors, metrics, files, APIs, tables.

`make contracts` writes them, and a test compares them with the code.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import click
import pyarrow as pa
from graphql import print_schema

from assess_cli import main
from assess_core import errors
from assess_core.adapters.arrow.rows import LAKE_SCHEMA, SCORES_SCHEMA
from assess_core.adapters.cassandra.schema import CassandraSchema
from assess_core.adapters.lake.imports import IMPORTS_SCHEMA
from assess_core.adapters.lake.manifest_rows import MANIFEST_SCHEMA
from assess_core.adapters.lake.weekly import WEEKLY_SCHEMA
from assess_core.adapters.sqlite.schema import SqliteSchema
from assess_core.domain.measures import MEASURES, Kind
from assess_core.domain.reasons import Reason
from assess_core.domain.report_jobs import JobStatus
from assess_core.domain.slice_status import SliceStatus
from assess_core.ports.findings import Level
from assess_core.settings import ApiSettings, Settings
from graphql_api.execution import error_code
from graphql_api.openapi import document
from graphql_api.schema import schema
from tests.reference_files import files

DOCS: Final = Path(__file__).parents[1] / "docs"
_WIDTH: Final = 100
_LAKE: Final = {
    "attempts": LAKE_SCHEMA,
    "scores": SCORES_SCHEMA,
    "archive_manifest": MANIFEST_SCHEMA,
    "imports": IMPORTS_SCHEMA,
    "weekly_activity": WEEKLY_SCHEMA,
}

_MORE: Final = {
    "ASSESS_HOT_STORE": "stores.md#cassandra",
    "ASSESS_LAKE": "stores.md#s3",
    "ASSESS_EXHAUSTS": "stores.md#s3",
    "ASSESS_LOG": "stores.md#kafka",
    "ASSESS_FACTS": "facts.md",
    "ASSESS_MEMORY": "performance.md#memory",
    "ASSESS_API_KEYS": "api.md#who-may",
    "ASSESS_API_CALLER_RATE": "api.md#limits",
    "ASSESS_API_ADDRESS_RATE": "api.md#limits",
    "ASSESS_API_ORIGINS": "api.md#browsers-and-caches",
    "ASSESS_CHANNEL_BATCHES": "requests.md",
    "ASSESS_KEEP_TICKETS": "tickets.md",
    "ASSESS_REQUEST_TICKETS": "tickets.md",
    "ASSESS_TRACES": "operations.md#traces",
    "ASSESS_MESSAGES": "operations.md#messages",
    "ASSESS_NOTIFY": "requests.md#notices",
    "ASSESS_GRANTS": "api.md#who-may",
    "ASSESS_NAMES": "names.md",
    "ASSESS_RETENTION": "retention.md#rules",
    "ASSESS_SCHEDULES": "schedules.md",
    "ASSESS_ERASURE_KEYS": "erase.md",
    "BadFacts": "facts.md",
    "BadGrants": "api.md#who-may",
    "BadNames": "names.md",
    "Unauthenticated": "api.md#who-may",
    "Unbalanced": "operations.md#the-balance-sheet",
    "SealBroken": "seal.md#check-a-seal",
    "BadErasure": "erase.md",
    "ErasureRefused": "erase.md",
    "NotErased": "erase.md",
    "BadCorrection": "corrections.md#the-file",
    "HoldInForce": "retention.md#holds",
}
"""The page about a setting or an error."""


def pages() -> dict[Path, str]:
    """Each page with its text."""
    found = {
        "reference-commands.md": _page("Commands", "for everybody who types commands", commands()),
        "reference-settings.md": _page("Settings", "for operators", settings_()),
        "reference-errors.md": _page("Errors and statuses", "for operators and authors of clients", errors_()),
        "reference-metrics.md": _page("Metrics", "for operators", metrics()),
        "reference-files.md": _page("Files", "for operators", files()),
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


def settings_() -> Iterator[str]:
    """A row for each setting."""
    yield "[Operations](operations.md#settings) says how settings are read. `HOME` is the home folder.\n"
    yield "| variable | default | meaning |\n|---|---|---|"
    defaults = Settings.from_env({}, "/HOME").env() | {"ASSESS_HOME": ".assess"}
    described = [*_members(Settings), *_members(ApiSettings)]
    meanings = dict(text.split(": ", 1) for _, text in described if text.startswith("`ASSESS_"))
    for name, default in defaults.items():
        shown = default.replace("/HOME", "HOME")
        more = f" ([more]({_MORE[name]}))" if name in _MORE else ""
        yield _row(f"`{name}`", shown and f"`{shown}`", meanings[f"`{name}`"].removesuffix(".") + more)


def errors_() -> Iterator[str]:
    """The exit codes, a row for each error, the reasons of failed events, and what each status means."""
    yield "## Exit codes\n\n| code | meaning |\n|---|---|"
    yield from (_row(str(code), meaning) for code, meaning in errors.EXIT_CODES.items())
    yield "\n## Errors\n\nThe message of an error names what is wrong, and says what to do in this case."
    yield "*Again*: the same call may succeed later.\n"
    yield "| error | exit code | HTTP | code in GraphQL | again | meaning | what to do |\n|---|---|---|---|---|---|---|"
    for error in all_errors():
        again = "yes" if error.retryable else ""
        more = f" ([more]({_MORE[error.__name__]}))" if error.__name__ in _MORE else ""
        codes = (str(error.exit_code), str(error.status), f"`{error_code(error)}`", again)
        yield _row(f"`{error.__name__}`", *codes, _first(error), error.action + more)
    yield "\n## Reasons of failed events\n\n[Formats](formats.md#failed-events) says what of them is stored.\n"
    yield from _statuses_of(Reason, "reason")
    yield "\n## Statuses of slices\n"
    yield from _statuses_of(SliceStatus, "status")
    yield "\n## Statuses of requests for reports\n\nSunbird's clients see CANCELLED as FAILED.\n"
    yield from _statuses_of(JobStatus, "status")
    yield "\n## Levels of findings\n\n`assess doctor` prints findings, and the console shows them.\n"
    yield from _statuses_of(Level, "level")


def all_errors() -> list[type[errors.AssessError]]:
    """The errors, in the order of their page."""
    found = (each for each in vars(errors).values() if inspect.isclass(each))
    return [each for each in found if issubclass(each, errors.AssessError) and each is not errors.AssessError]


def _first(documented: type) -> str:
    return " ".join((documented.__doc__ or "").split()).removesuffix(".")


def _statuses_of(enum: type[StrEnum], title: str) -> Iterator[str]:
    yield f"| {title} | meaning |\n|---|---|"
    meanings = dict(_members(enum))
    yield from (_row(f"`{member}`", meanings[name].removesuffix(".")) for name, member in enum.__members__.items())


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |".replace("|  |", "| |")


def _members(class_: type) -> Iterator[tuple[str, str]]:
    """The members of a class whose next line is a text about them, with that text."""
    [parsed] = ast.parse(textwrap.dedent(inspect.getsource(class_))).body
    assert isinstance(parsed, ast.ClassDef)
    for member, text in pairwise(parsed.body):
        named = member.targets[0] if isinstance(member, ast.Assign) else getattr(member, "target", None)
        if isinstance(named, ast.Name) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            yield named.id, " ".join(str(text.value.value).split())


def metrics() -> Iterator[str]:
    """A row for each metric."""
    yield "[Operations](operations.md#metrics) says where they are recorded. [The runbook](runbook.md) is for alerts.\n"
    yield "| metric | kind | labels | meaning |\n|---|---|---|---|"
    for measure in MEASURES.values():
        name = f"{measure.name}_total" if measure.kind is Kind.COUNTER else measure.name
        labels = ", ".join(f"`{label}`" for label in measure.labels)
        yield _row(f"`{name}`", measure.kind, labels, measure.about.removesuffix("."))


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
