"""Names from a file: CSV, JSON, JSON Lines or Parquet, with the columns kind, id, name and organisation."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from assess_core.adapters.files.changes import ChangingFile
from assess_core.domain.json_text import without_mark
from assess_core.domain.names import CHARACTERS, PLURALS, WITHOUT_NAMES, Named, NameKind, shown_id
from assess_core.errors import BadNames
from assess_core.ports.findings import Finding, Level

COLUMNS: Final = ("kind", "id", "name", "organisation")
_REQUIRED: Final = COLUMNS[:3]
_MOST_BYTES: Final = 512 * 1024**2
_SCHEMA: Final = pa.schema([(name, pa.string()) for name in COLUMNS])
_EXAMPLE: Final = "write the columns kind,id,name,organisation"


class _Line(msgspec.Struct):
    kind: str
    id: str
    name: str | None = None
    organisation: str | None = None


def _from_csv(content: bytes) -> pa.Table:
    table = pa_csv.read_csv(
        BytesIO(content),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=_SCHEMA, include_columns=list(COLUMNS), include_missing_columns=True, strings_can_be_null=False
        ),
    )
    if missing := [name for name in _REQUIRED if table.num_rows and table.column(name).null_count == table.num_rows]:
        raise _Wrong(f"has no column {' and no column '.join(missing)}")
    return table


def _from_json(content: bytes) -> pa.Table:
    return _of_lines(msgspec.json.decode(without_mark(content), type=list[_Line]))


def _from_json_lines(content: bytes) -> pa.Table:
    return _of_lines(msgspec.json.Decoder(_Line).decode_lines(without_mark(content)))


def _of_lines(lines: Sequence[_Line]) -> pa.Table:
    return pa.table({name: [getattr(line, name) for line in lines] for name in COLUMNS}, _SCHEMA)


def _from_parquet(content: bytes) -> pa.Table:
    file = pq.ParquetFile(BytesIO(content))
    names = file.schema_arrow.names
    if twice := [name for name in COLUMNS if names.count(name) > 1]:
        raise _Wrong(f"has the column {twice[0]} twice")
    present = [name for name in COLUMNS if name in names]
    if missing := [name for name in _REQUIRED if name not in present]:
        raise _Wrong(f"has no column {' and no column '.join(missing)}")
    table = file.read(columns=present)
    if "organisation" not in present:
        table = table.append_column("organisation", pa.nulls(table.num_rows, pa.string()))
    table = table.select(list(COLUMNS)).cast(_SCHEMA)
    table.validate(full=True)  # nothing else looks at the bytes of a text before a report shows it
    return table


_READERS: Final[Mapping[str, Callable[[bytes], pa.Table]]] = {
    ".csv": _from_csv,
    ".json": _from_json,
    ".jsonl": _from_json_lines,
    ".parquet": _from_parquet,
}
ENDINGS: Final = ", ".join(_READERS)


class _Wrong(Exception):
    """A file has another shape. The message is the end of a sentence that begins with the name of the file."""


class FileContent(NamedTuple):
    """The names of a file, as it was at one moment."""

    sha256: str
    of_kind: Mapping[NameKind, pa.Table]

    def look_up(self, kind: NameKind, ids: Sequence[str]) -> dict[str, Named]:
        """See `OpenedNames.look_up`."""
        table = self.of_kind[kind]
        found = table.filter(pc.is_in(table.column("id"), pa.array(ids, pa.string()))).to_pydict()
        return {
            id_: Named(name, organisation)
            for id_, name, organisation in zip(found["id"], found["name"], found["organisation"], strict=True)
        }


class FileNames:
    """The names of a file. It is read again when it changes; a report reads one state of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = ChangingFile(path, _MOST_BYTES, self._parsed, self._unreadable)

    @property
    def source(self) -> str:
        """The absolute path."""
        return str(self._path)

    def open(self) -> FileContent:
        """See `Names.open`."""
        return self._file.content()

    def examine(self) -> Iterator[Finding]:
        """See `Names.examine`."""
        counts = {kind: table.num_rows for kind, table in self.open().of_kind.items()}
        listed = ", ".join(f"{count:,} {PLURALS[kind]}" for kind, count in counts.items())
        if any(counts.values()):
            yield Finding(Level.OK, "names", f"{self._path}: names of {listed}")
        else:
            action = f"{_EXAMPLE}, or leave ASSESS_NAMES out"
            yield Finding(Level.WARN, "names", f"{self._path} has no name, so all names are empty", action)

    def _parsed(self, content: bytes) -> FileContent:
        if len(content) > _MOST_BYTES:
            raise self._bad(f"has more than {_MOST_BYTES // 1024**2:,} MiB", "leave out what no report needs")
        read = _READERS.get(self._path.suffix.lower())
        if read is None:
            raise self._bad("has another ending", f"use one of {ENDINGS}")
        try:
            table = _checked(read(content))
        except _Wrong as error:
            raise self._bad(str(error), _EXAMPLE) from error
        except (pa.ArrowException, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            reason = " ".join(str(error).split())[:200]
            raise self._bad(f"is not readable {self._path.suffix[1:]} ({reason})", _EXAMPLE) from error
        kinds = {kind: table.filter(pc.equal(table.column("kind"), kind.value)) for kind in NameKind}
        return FileContent(hashlib.sha256(content).hexdigest(), kinds)

    def _unreadable(self, error: OSError) -> BadNames:
        return self._bad(f"cannot be read: {error.strerror}", "check the path in ASSESS_NAMES")

    def _bad(self, why: str, action: str) -> BadNames:
        return BadNames(f"the file of names {self.source!r} {why}; {action}, {WITHOUT_NAMES}")


def _checked(table: pa.Table) -> pa.Table:
    """The table without repeated rows and without rows that say nothing. Raises `_Wrong`."""
    table = pa.table({name: pc.fill_null(table.column(name), "") for name in COLUMNS})
    for number, name in enumerate(COLUMNS[2:], 2):
        text = table.column(name)
        short = pc.if_else(pc.less_equal(pc.utf8_length(text), CHARACTERS), text, "")
        table = table.set_column(number, name, short)
    table = table.append_column("row", pa.array(range(1, table.num_rows + 1), pa.int64()))
    unknown = table.filter(pc.invert(pc.is_in(table.column("kind"), pa.array([kind.value for kind in NameKind]))))
    if unknown.num_rows:
        kind, row = unknown.column("kind")[0].as_py(), unknown.column("row")[0].as_py()
        raise _Wrong(f"has the kind {shown_id(kind)} in row {row:,}, which is none of {', '.join(NameKind)}")
    without_id = table.filter(pc.equal(table.column("id"), ""))
    if without_id.num_rows:
        raise _Wrong(f"has no id in row {without_id.column('row')[0].as_py():,}")
    distinct = table.group_by(list(COLUMNS), use_threads=False).aggregate([("row", "min")])
    twice = distinct.group_by(["kind", "id"], use_threads=False).aggregate([("row_min", "min"), ("row_min", "max")])
    twice = twice.filter(pc.less(twice.column("row_min_min"), twice.column("row_min_max"))).sort_by("row_min_min")
    if twice.num_rows:
        first = twice.slice(0, 1).to_pylist()[0]
        more = f", and {twice.num_rows - 1:,} more such ids" if twice.num_rows > 1 else ""
        raise _Wrong(
            f"has two different names for {first['kind']} {shown_id(first['id'])} in the rows "
            f"{first['row_min_min']:,} and {first['row_min_max']:,}{more}"
        )
    says = pc.or_(pc.not_equal(distinct.column("name"), ""), pc.not_equal(distinct.column("organisation"), ""))
    return distinct.filter(says).select(list(COLUMNS))
