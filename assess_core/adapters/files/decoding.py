"""Everything that a file holds, decoded, so that an id can be searched for: grep finds nothing in compressed pages."""

import gzip
import json
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from assess_core.adapters.error_text import first_line
from assess_core.errors import ErasureRefused
from assess_core.ports.erasures import Text

_BLOCK: Final = 4 * 1024 * 1024
_OVERLAP: Final = 8 * 1024  # an id has at most 1 kB, and each of its characters at most 12 bytes
_ROWS: Final = 4096
_DEEP: Final = 8
_DAMAGED: Final = (pa.ArrowException, OSError, EOFError, zlib.error, zipfile.BadZipFile)


def decoded(path: Path, name: str) -> Iterator[Text]:
    """The bytes of a file, and the values in it. `name` says by its ending what it is.

    A file that was deleted since it was listed holds nothing. Raises `ErasureRefused` if it is damaged or cannot be
    read, because nobody can say then what it holds.
    """
    try:
        yield from _everything(path, name)
    except FileNotFoundError:
        return
    except _DAMAGED as error:
        raise ErasureRefused(
            f"the file {name} cannot be decoded ({first_line(error)}), so nobody knows whether it holds a learner; "
            "restore it from a backup, or delete it, then run it again"
        ) from error


def _everything(path: Path, name: str) -> Iterator[Text]:
    with path.open("rb") as file:
        yield from _blocks(file.read, is_raw=True)
    ending = name.rpartition(".")[2].lower()
    read = {"parquet": _parquet, "json": _json_lines, "gz": _gzip, "sqlite": _sqlite, "db": _sqlite}.get(ending)
    if zipfile.is_zipfile(path):  # also a workbook
        read = _zip
    if read is None:
        with path.open("rb") as file:
            yield from _blocks(file.read, is_raw=False)
        return
    yield from read(path)


def _blocks(read: Callable[[int], bytes], *, is_raw: bool) -> Iterator[Text]:
    """A stream in blocks that overlap, so that no id is cut."""
    rest = b""
    while block := read(_BLOCK):
        yield Text(rest + block, is_raw)
        rest = block[-_OVERLAP:]


def _parquet(path: Path) -> Iterator[Text]:
    """Each value with each dictionary of its pages, each statistic and text of the footer."""
    with pq.ParquetFile(path) as plain:
        leaves = [plain.schema.column(number) for number in range(len(plain.schema))]
        yield from _footer(plain.metadata)
        groups = plain.metadata.num_row_groups
    coded = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    with pq.ParquetFile(path, read_dictionary=coded) as file:
        for group in range(groups):  # pyarrow 26 cannot read nested values with several dictionaries at once
            for batch in file.iter_batches(_ROWS, row_groups=[group]):
                for column in batch.columns:
                    yield from _values(column)


def _footer(metadata: Any) -> Iterator[Text]:
    for key, value in (metadata.metadata or {}).items():
        yield Text(key + b"\0" + value)
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            found = metadata.row_group(group).column(column).statistics
            if found is not None and found.has_min_max:
                yield Text(f"{found.min}\0{found.max}".encode())


def _values(column: pa.Array) -> Iterator[Text]:
    if isinstance(column, pa.DictionaryArray):
        yield from _values(column.dictionary)
    elif pa.types.is_list(column.type) or pa.types.is_map(column.type):
        for child in (column.keys, column.items) if pa.types.is_map(column.type) else (column.values,):
            yield from _values(child)
    elif pa.types.is_struct(column.type):
        for number in range(column.type.num_fields):
            yield from _values(column.field(number))
    elif pa.types.is_string(column.type) or pa.types.is_binary(column.type) or pa.types.is_large_string(column.type):
        found = (value.encode() if isinstance(value, str) else value for value in column.to_pylist() if value)
        yield Text(b"\0".join(found))


def _json_lines(path: Path) -> Iterator[Text]:
    """The texts of a JSON file, or of one value in each line; also of JSON within its texts."""
    whole = path.read_bytes()
    yield Text(whole)
    for one in [whole, *whole.splitlines()]:
        try:
            found = json.loads(one)
        except ValueError:
            continue
        yield Text("\0".join(_strings(found)).encode("utf-8", "surrogatepass"))


def _strings(value: object, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value
        if value[:1] in ("{", "[") and depth < _DEEP:
            try:
                yield from _strings(json.loads(value), depth + 1)
            except ValueError:
                return
    elif isinstance(value, dict):
        for name, one in value.items():
            yield name
            yield from _strings(one, depth)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one, depth)


def _gzip(path: Path) -> Iterator[Text]:
    with gzip.open(path) as file:
        yield from _blocks(file.read, is_raw=False)


def _zip(path: Path) -> Iterator[Text]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            yield Text(member.filename.encode())
            if not member.flag_bits & 1:  # an encrypted member cannot be read
                with archive.open(member) as file:
                    yield from _blocks(file.read, is_raw=False)


def _sqlite(path: Path) -> Iterator[Text]:
    """Each value of each table. The free pages are among the bytes of the file."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.text_factory = bytes
        try:
            tables = [
                row[0].decode() for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            ]
            for table in tables:
                quoted = table.replace('"', '""')
                for row in connection.execute(f'SELECT * FROM "{quoted}"'):
                    yield Text(b"\0".join(value for value in row if isinstance(value, bytes)))
        except sqlite3.DatabaseError:  # it is no database, or damaged: its bytes were yielded
            return
