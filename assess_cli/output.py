"""How results are printed: data on standard output, messages on standard error."""

import codecs
import csv
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count, islice
from typing import Any, Final, Literal, Protocol, TypeVar, get_args

import click
import msgspec

from assess_cli.text_table import ASCII_EDGES, TextTable, shortened
from assess_core.messages import is_json, printable, printable_lines, write_message

Format = Literal["table", "jsonl", "csv", "json"]
Row = Mapping[str, object]
_Command = TypeVar("_Command", bound=Callable[..., Any])

_TABLE_ROWS: Final = 500
_DECIMALS: Final = 6
_EXACT: Final = 1e9  # above it, a double of 15 digits has no 6 decimals


def notify(text: str) -> None:
    """Print a message on standard error."""
    if is_json():
        write_message(text)
    else:
        click.echo(printable_lines(text), err=True)


def format_options(default: Format = "table") -> Callable[[_Command], _Command]:
    """The options of a command that prints rows: `--format`, and `--json` like everywhere else."""
    formats = click.Choice(get_args(Format))

    def add(command: _Command) -> _Command:
        command = click.option("--json", "format_", flag_value="json", help="The same as --format json: one list.")(
            command
        )
        return click.option("--format", "format_", type=formats, default=default, show_default=True)(command)

    return add


def emit_json(value: object) -> None:
    """Print a JSON value on a line of standard output, in UTF-8 whatever the locale is."""
    click.echo(msgspec.json.encode(value))


def emit_rows(columns: Sequence[str], rows: Iterable[Row], format_: Format) -> int:
    """Print rows on standard output while they are read; returns how many.

    CSV and JSON are in UTF-8 whatever the locale is. CSV and tables show null as nothing, and other values that are not
    text as JSON; tables also round numbers. If a terminal is too narrow for the table, each row is printed as a record
    with its long values cut.
    """
    printed = 0

    def counted() -> Iterator[Row]:
        nonlocal printed
        for row in rows:
            printed += 1
            yield row

    if format_ == "jsonl":
        for row in counted():
            emit_json({column: row[column] for column in columns})
    elif format_ == "json":
        _emit_list(columns, counted())
    elif format_ == "csv":
        _emit_csv(columns, counted(), codecs.getwriter("utf-8")(sys.stdout.buffer))
    else:
        _emit_tables(columns, counted())
    return printed


def _emit_tables(columns: Sequence[str], rows: Iterable[Row]) -> None:
    """One table for every 500 rows, so that memory stays bounded; without rows, only the header."""
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    remaining = iter(rows)
    for number in count():
        page = list(islice(remaining, _TABLE_ROWS))
        if not page and number:
            return
        cells = [[printable(_rounded(row[column])) for column in columns] for row in page]
        table = TextTable(columns, cells)
        fits = room is None or table.width <= room
        lines = table.lines() if fits else _records(columns, cells, number * _TABLE_ROWS + 1, room or 0)
        text = "\n".join(lines)
        click.echo(text if sys.stdout.encoding.lower().startswith("utf") else text.translate(ASCII_EDGES))


def _records(columns: Sequence[str], rows: Sequence[Sequence[str]], first: int, width: int) -> Iterator[str]:
    label = max(map(len, columns)) + 2
    room = max(width - label, 20)
    for number, row in enumerate(rows, first):
        yield f"-- {number} ".ljust(width, "-")
        for column, cell in zip(columns, row, strict=True):
            yield column.ljust(label) + shortened(cell, room)


def _emit_list(columns: Sequence[str], rows: Iterable[Row]) -> None:
    """One JSON list, printed row by row, so that memory stays bounded."""
    begin = "["
    for row in rows:
        click.echo(begin.encode() + msgspec.json.encode({column: row[column] for column in columns}), nl=False)
        begin = ",\n"
    click.echo("]" if begin != "[" else "[]")


def _emit_csv(columns: Sequence[str], rows: Iterable[Row], out: codecs.StreamWriter) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in columns])


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _json(value)


def _rounded(value: object) -> str:
    """As `_cell`, but 190.66 for 190.6599999999999: a sum of decimals, as a person writes it."""
    if isinstance(value, float) and abs(value) < _EXACT:
        return f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".")
    return _cell(value)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


class Advance(Protocol):
    """Called with how much more is done."""

    def __call__(self, amount: int = 1, /) -> None: ...


@contextmanager
def progress(what: str, total: int | None = None) -> Iterator[Advance]:
    """A progress bar on standard error, on a terminal only."""
    if not sys.stderr.isatty():
        yield _no_progress
        return
    # imported here: it takes 0.1 s, and only this bar needs it
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)

        def advance(amount: int = 1, /) -> None:
            bar.advance(task, amount)

        yield advance


def _no_progress(amount: int = 1, /) -> None:
    """Without a terminal nothing is shown."""
