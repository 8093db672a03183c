"""The tables of the hot store on Cassandra, as the CQL files in `cql/` declare them, version by version."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

_FILES: Final = Path(__file__).parent / "cql"
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
_TABLE = re.compile(
    r"CREATE TABLE IF NOT EXISTS (?P<name>\w+) \((?P<columns>.*)"
    r"PRIMARY KEY \(\((?P<partition>[^)]*)\)(?P<clustering>[^)]*)\)\s*\)(?P<options>.*)\Z",
    re.DOTALL,
)
_COLUMN = re.compile(r"ALTER TABLE (?P<table>\w+) ADD IF NOT EXISTS (?P<name>\w+) (?P<type>.*)\Z")


class Column(NamedTuple):
    """A column as Cassandra describes it."""

    type: str
    kind: str
    """partition_key, clustering or regular."""
    position: int
    """In the partition or clustering key; -1 for other columns."""

    def __str__(self) -> str:
        return self.type if self.kind == "regular" else f"{self.type} ({self.kind} {self.position})"


Tables = Mapping[str, Mapping[str, Column]]


def versions() -> dict[int, str]:
    """The CQL files by their version. To change a table, add a file; never edit a released file.

    A file may only contain `CREATE TABLE IF NOT EXISTS` and `ALTER TABLE ... ADD IF NOT EXISTS`, because
    `assess schema apply` runs all files every time.
    """
    files = sorted(_FILES.glob("*.cql"))
    return {int(file.name[:4]): file.read_text(encoding="utf-8") for file in files}


SCHEMA_VERSION: Final = max(versions())


def statements() -> Iterator[str]:
    """The statements of all versions, in their order."""
    for text in versions().values():
        for statement in _COMMENT.sub("", text).split(";"):
            if statement.strip():
                yield statement.strip()


def in_keyspace(statement: str, keyspace: str) -> str:
    """The statement with the keyspace before its table name."""
    return re.sub(r"\A(CREATE TABLE IF NOT EXISTS|ALTER TABLE) ", rf'\1 "{keyspace}".', statement)


def declared() -> Tables:
    """The tables of the CQL files, with the columns that later files add."""
    tables: dict[str, dict[str, Column]] = {}
    for statement in statements():
        if column := _COLUMN.match(statement):
            tables[column["table"]][column["name"]] = Column(column["type"], "regular", -1)
            continue
        found = _TABLE.match(statement)
        assert found, f"neither a table nor a column: {statement}"
        keys = {
            kind: [name.strip() for name in found[group].split(",") if name.strip()]
            for kind, group in (("partition_key", "partition"), ("clustering", "clustering"))
        }
        columns = [line.strip().rstrip(",").split(" ", 1) for line in found["columns"].splitlines() if line.strip()]
        tables[found["name"]] = {name: _column(name, type_, keys) for name, type_ in columns}
    return tables


def added_columns() -> set[tuple[str, str]]:
    """Table and name of each column that a later version adds to a table of an earlier one."""
    found = (_COLUMN.match(statement) for statement in statements())
    return {(column["table"], column["name"]) for column in found if column}


def _column(name: str, type_: str, keys: Mapping[str, list[str]]) -> Column:
    for kind, names in keys.items():
        if name in names:
            return Column(type_, kind, names.index(name))
    return Column(type_, "regular", -1)
