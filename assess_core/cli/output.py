"""How results are printed: data on standard output, everything said to a person on standard error."""

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Literal, Protocol

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

Format = Literal["table", "jsonl", "csv"]
Row = Mapping[str, object]


def say(text: str) -> None:
    """Tell a person."""
    click.echo(text, err=True)


def emit_json(value: object) -> None:
    """One JSON value on a line of standard output."""
    click.echo(_json(value))


def emit_rows(columns: Sequence[str], rows: Iterable[Row], format_: Format) -> None:
    """Rows on standard output; as CSV and table, what is no text or number is JSON text and null is empty."""
    if format_ == "jsonl":
        for row in rows:
            click.echo(_json({column: row[column] for column in columns}))
    elif format_ == "csv":
        _emit_csv(columns, rows, sys.stdout)
    else:
        table = Table(*columns)
        for row in rows:
            table.add_row(*(_cell(row[column]) for column in columns))
        Console(soft_wrap=not sys.stdout.isatty(), markup=False, emoji=False).print(table)


def _emit_csv(columns: Sequence[str], rows: Iterable[Row], out: IO[str]) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in columns])


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _json(value)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


class Advance(Protocol):
    """Called with how much more is done."""

    def __call__(self, amount: int = 1, /) -> None: ...


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Advance]:
    """A progress bar on standard error, on a terminal only."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)

        def advance(amount: int = 1, /) -> None:
            bar.advance(task, amount)

        yield advance
