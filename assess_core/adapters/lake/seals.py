"""The port `Seals`: the Delta tables `sealed_entries` and `seals` in the place of the lake."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake

from assess_core.adapters.duckdb.location import Location
from assess_core.adapters.error_text import first_line
from assess_core.adapters.lake.tables import OurTable, transaction, translated
from assess_core.domain.counts import counted
from assess_core.domain.moments import millis
from assess_core.domain.seals import Leaf, Seal, Stored
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.ports.findings import Finding, Level
from assess_core.ports.seals import Grown

if TYPE_CHECKING:
    import duckdb

_LEAVES: Final = pa.schema(
    [
        ("position", pa.int64()),
        ("batch_id", pa.string()),
        ("year", pa.int32()),
        ("week", pa.int32()),
        ("number", pa.int64()),
        ("hash", pa.string()),
    ]
)
"""A row of `sealed_entries`: its position is the number of the leaf in the Merkle tree, from 0."""
_SEALS: Final = pa.schema(
    [
        ("origin", pa.string()),
        ("size", pa.int64()),
        ("at", pa.timestamp("us", "UTC")),
        ("root", pa.string()),
        ("line", pa.string()),
        ("peaks", pa.list_(pa.string())),
        ("covered", pa.list_(pa.string())),
    ]
)
_ROWS: Final = 8192
_NO_LEAVES: Final = "(SELECT 0 AS position, '' AS batch_id, 0 AS year, 0 AS week, 0 AS number, '' AS hash WHERE false)"


class LakeSeals:
    """A `ports.Seals`. The first seal creates the tables. Any thread may call."""

    def __init__(self, place: Location, manifest: OurTable) -> None:
        self._manifest = manifest
        self.leaves = OurTable(place.within("sealed_entries"), _LEAVES, [])
        self.seals = OurTable(place.within("seals"), _SEALS, [])

    def all(self) -> list[Stored]:
        with translated(self.seals.place):
            table = self.seals.open()
            rows = table.to_pyarrow_table().to_pylist() if table else []
        return sorted(map(_stored, rows), key=lambda stored: stored.seal.size)

    def add(self, stored: Stored) -> None:
        (origin, size, at, root), line = stored.seal, str(stored.seal)
        peaks, covered = [peak.hex() for peak in stored.peaks], list(stored.covered)
        values = (origin, size, at * 1000, root, line, peaks, covered)
        rows = pa.Table.from_pylist([dict(zip(_SEALS.names, values, strict=True))], _SEALS)
        with translated(self.seals.place):
            _append(self.seals.open() or self.seals.create(), rows)

    def grow(self, covered: Collection[str]) -> Grown:
        with translated(self._manifest.place):
            manifest = self._manifest.open()
            files = _sizes(manifest)
        with translated(self.leaves.place):
            table = self.leaves.open()
            size = _rows(table)
            new = sorted(set(files).difference(covered))
            if not new:
                return Grown(size, tuple(files))
            entries = f"read_parquet({_urls(self._manifest.place, new)}, hive_partitioning = false)"
            with self._read(table, sum(map(files.__getitem__, new))) as (duck, leaves):
                found = duck.execute(
                    f"""SELECT {size} - 1 + row_number() OVER (ORDER BY year, week, batch_id, number) AS position,
                        batch_id, year, week, number, hash
                    FROM {entries} AS entries WHERE NOT EXISTS (
                        FROM {leaves} AS leaves WHERE leaves.year = entries.year AND leaves.week = entries.week
                        AND leaves.batch_id = entries.batch_id AND leaves.number = entries.number
                    ) ORDER BY position"""
                )
                reader = found.to_arrow_reader(_ROWS)
                first = next(iter(reader), None)
                if first is None:
                    return Grown(size, tuple(files))
                table = table or self.leaves.create()
                _append(table, pa.RecordBatchReader.from_batches(_LEAVES, _cast(first, reader)))
            return Grown(_rows(table), tuple(files))

    def count(self) -> int:
        with translated(self.leaves.place):
            return _rows(self.leaves.open())

    def data(self, first: int, end: int) -> Iterator[bytes]:
        where = f"position >= {first} AND position < {end}"
        with self._query(f"SELECT hash FROM {{leaves}} WHERE {where} ORDER BY position") as reader:
            for batch in reader:
                yield from map(bytes.fromhex, batch["hash"].to_pylist())

    def weeks(self) -> list[IsoWeek]:
        with self._query("SELECT DISTINCT year, week FROM {leaves} ORDER BY ALL") as reader:
            return [IsoWeek(row["year"], row["week"]) for batch in reader for row in batch.to_pylist()]

    def of_week(self, week: IsoWeek, size: int) -> list[Leaf]:
        where = f"year = {week.year} AND week = {week.week} AND position < {size}"
        with self._query(f"FROM {{leaves}} WHERE {where} ORDER BY position") as reader:
            return [_leaf(row) for batch in reader for row in batch.to_pylist()]

    def newest_of(self, slice_: ArchiveSlice, size: int) -> tuple[int, Leaf] | None:
        (year, week), batch_id = slice_
        where = f"year = {year} AND week = {week} AND batch_id = ? AND position < {size}"
        with self._query(f"FROM {{leaves}} WHERE {where} ORDER BY number DESC LIMIT 1", batch_id) as reader:
            rows = [row for batch in reader for row in batch.to_pylist()]
        return (rows[0]["position"], _leaf(rows[0])) if rows else None

    def examine(self) -> Finding:
        """The newest seal, for `doctor`."""
        stored = self.all()
        if not stored:
            return Finding(Level.OK, "seal", "nothing is sealed yet; `assess seal` prints a seal to give to an auditor")
        return Finding(
            Level.OK,
            "seal",
            f"{counted(len(stored), 'seal')}, the newest over {counted(stored[-1].seal.size, 'entry', 'entries')}",
        )

    @contextmanager
    def _query(self, sql: str, *values: object) -> Iterator[pa.RecordBatchReader]:
        with (
            translated(self.leaves.place),
            self._read(self.leaves.open()) as (duck, leaves),
        ):
            yield duck.execute(sql.format(leaves=leaves), list(values)).to_arrow_reader(_ROWS)

    @contextmanager
    def _read(self, table: DeltaTable | None, more: int = 0) -> "Iterator[tuple[duckdb.DuckDBPyConnection, str]]":
        """A connection, and the leaves of an open table as a table expression. `more`: the bytes of other files."""
        from assess_core.adapters.duckdb.connection import UNREADABLE, connect  # takes 0.1 s

        sizes = _sizes(table)
        names = list(sizes)
        leaves = f"read_parquet({_urls(self.leaves.place, names)}, hive_partitioning = false)" if names else _NO_LEAVES
        with connect(self.leaves.place, size=sum(sizes.values()) + more) as duck:
            try:
                yield duck, leaves
            except UNREADABLE as error:
                raise OSError(f"a file of the seals or of the manifest cannot be read ({first_line(error)})") from error


def _append(table: DeltaTable, rows: pa.Table | pa.RecordBatchReader) -> None:
    # one name: of two processes that seal at once, the second one reads again
    commit = CommitProperties(app_transactions=[transaction("seal", table.version() + 1)])
    write_deltalake(table, rows, mode="append", commit_properties=commit)


def _rows(table: DeltaTable | None) -> int:
    return sum(_files(table)["num_records"].to_pylist()) if table else 0


def _files(table: DeltaTable) -> pa.Table:
    return pa.table(table.get_add_actions(flatten=True))


def _sizes(table: DeltaTable | None) -> dict[str, int]:
    """The names of the table's files, and their bytes."""
    if table is None:
        return {}
    found = _files(table)
    return dict(zip(map(unquote, found["path"].to_pylist()), found["size_bytes"].to_pylist(), strict=True))


def _cast(first: pa.RecordBatch, rest: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    for batch in chain([first], rest):
        yield from pa.Table.from_batches([batch]).cast(_LEAVES).to_batches()


def _urls(place: Location, names: Sequence[str]) -> str:
    from assess_core.adapters.duckdb.connection import url_list

    return url_list([f"{place.url}/{name}" for name in names])


def _leaf(row: dict[str, Any]) -> Leaf:
    return Leaf(ArchiveSlice(IsoWeek(row["year"], row["week"]), row["batch_id"]), row["number"], row["hash"])


def _stored(row: dict[str, Any]) -> Stored:
    seal = Seal(row["origin"], row["size"], millis(row["at"]), row["root"])
    return Stored(seal, tuple(map(bytes.fromhex, row["peaks"])), tuple(row["covered"]))
