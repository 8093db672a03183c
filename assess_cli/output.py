"""How results are printed: data on standard output, everything said to a person on standard error."""

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count, islice
from typing import IO, Final, Literal, Protocol

import click
import msgspec
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

Format = Literal["table", "jsonl", "csv"]
Row = Mapping[str, object]

_TABLE_ROWS: Final = 500
_WIDEST: Final = 1_000_000


def notify(text: str) -> None:
    """Tell a person."""
    click.echo(text, err=True)


def emit_json(value: object) -> None:
    """One JSON value on a line of standard output."""
    click.echo(_json(value))


def emit_rows(columns: Sequence[str], rows: Iterable[Row], format_: Format) -> None:
    """Rows on standard output, as they come; in CSV and table, what is no text is JSON text and null is empty.

    On a terminal that is too narrow for a table, each row is printed as a record, its long values cut.
    """
    if format_ == "jsonl":
        for row in rows:
            click.echo(_json({column: row[column] for column in columns}))
    elif format_ == "csv":
        _emit_csv(columns, rows, sys.stdout)
    else:
        _emit_tables(columns, rows)


def _emit_tables(columns: Sequence[str], rows: Iterable[Row]) -> None:
    """A table for every so many rows, so that memory stays bounded; the header alone where there are none."""
    terminal = Console()
    room = terminal.width if terminal.is_terminal else _WIDEST
    console = Console(width=_WIDEST, highlight=False)
    remaining = iter(rows)
    for number in count():
        page = list(islice(remaining, _TABLE_ROWS))
        if not page and number:
            return
        cells = [[_printable(_cell(row[column])) for column in columns] for row in page]
        table = Table(*(Column(column, no_wrap=True) for column in columns))
        for row in cells:
            table.add_row(*(Text(cell) for cell in row))
        if console.measure(table).maximum <= room:
            console.print(table)
        else:
            _emit_records(columns, cells, number * _TABLE_ROWS + 1, room)


def _emit_records(columns: Sequence[str], rows: Sequence[Sequence[str]], first: int, width: int) -> None:
    label = max(map(len, columns)) + 2
    for number, row in enumerate(rows, first):
        click.echo(f"-- {number} ".ljust(width, "-"))
        for column, cell in zip(columns, row, strict=True):
            room = max(width - label, 20)
            click.echo(column.ljust(label) + (cell if cell_len(cell) <= room else set_cell_size(cell, room - 1) + "…"))


def _emit_csv(columns: Sequence[str], rows: Iterable[Row], out: IO[str]) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in columns])


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _json(value)


def _printable(text: str) -> str:
    """Control characters as escapes: a name with a newline or an escape sequence must not steer a terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


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
