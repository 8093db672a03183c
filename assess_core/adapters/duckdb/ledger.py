"""Compares in DuckDB the sets of keys that maps, tiers and log have of some batches.

Each side is spilled to Parquet files as it is read, narrow and without answers, so memory is bounded by a chunk of rows
and by DuckDB's own limit, whatever the number of versions.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from assess_core.adapters.arrow.hot_rows import gathered
from assess_core.adapters.duckdb.connection import UNREADABLE, connect, cursor, literal, parquet
from assess_core.adapters.duckdb.location import Location, location_of
from assess_core.adapters.error_text import first_line
from assess_core.adapters.files.temporary import temporary_folder
from assess_core.chunks import chunks
from assess_core.domain.attempts import AttemptKey
from assess_core.domain.counts import counted
from assess_core.domain.scores import Entry
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import StoreUnavailable
from assess_core.ports.hot_store import HotStore
from assess_core.ports.lake import Lake, LakeFile
from assess_core.ports.ledger import Difference, Fault, Logged, LogOffset, LogSheet, Rejected, Sheet

_ROWS: Final = 20_000
"""Rows held in memory before they are spilled, about 10 MB as Python objects."""
_FETCHED: Final = 500

_ID: Final = "user_id, course_id, batch_id, content_id, attempt_id"
_KEY: Final = f"{_ID}, content_hash"
_PLACE: Final = 'topic, partition, "offset", raw_hash'
_WHERE: Final = 'struct_pack(topic := topic, partition := partition, number := "offset")'

_TEXTS: Final = [(name, pa.string()) for name in _ID.split(", ")]
_VERSIONS: Final = pa.schema([*_TEXTS, ("content_hash", pa.binary()), ("received_at", pa.int64())])
_PLACES: Final = [("topic", pa.string()), ("partition", pa.int64()), ("offset", pa.int64()), ("raw_hash", pa.binary())]
_ASIDE: Final = pa.schema([*_PLACES, ("batch_id", pa.string()), ("received_at", pa.int64())])
_MARK: Final = [("folded", pa.bool_()), ("accepted", pa.bool_()), ("content_hash", pa.binary())]
_IMPORTED: Final = pa.schema([("batch_id", pa.string()), ("content_hash", pa.binary())])
_LOGGED: Final = pa.schema([*_PLACES, *_MARK, ("received_at", pa.int64()), *_TEXTS])

# The content hash covers the key. The hash of the key columns also distinguishes rows whose columns were changed
_MARKS: Final = """
CREATE OR REPLACE TABLE versions AS
SELECT *, named AND NOT hot AND NOT lake AND EXISTS (
    FROM dropped WHERE dropped.batch_id = found.batch_id AND received_at >= first AND received_at < past
) AS dropped
FROM (SELECT content_hash, key_hash, any_value(batch_id) AS batch_id, min(received_at) AS received_at,
    bool_or(source = 'named') AS named, bool_or(source = 'hot') AS hot, bool_or(source = 'lake') AS lake
FROM sources GROUP BY content_hash, key_hash) AS found
"""

_SHEETS: Final = """
SELECT batch_id, count(*) FILTER (named), count(*) FILTER (named AND hot AND NOT lake),
    count(*) FILTER (named AND lake AND NOT hot), count(*) FILTER (named AND hot AND lake),
    count(*) FILTER (dropped), count(*) FILTER (named AND NOT hot AND NOT lake AND NOT dropped),
    count(*) FILTER (NOT named)
FROM versions GROUP BY batch_id
"""

_DETAILS: Final = f"""
SELECT DISTINCT v.batch_id, v.received_at, {_ID.replace("batch_id", "sources.batch_id")}, content_hash, hot, lake
FROM (SELECT * FROM versions WHERE {{where}}) AS v JOIN sources USING (content_hash, key_hash)
ORDER BY {{order}} user_id, course_id, content_id, attempt_id, content_hash
"""

_NOT_IN_LOG: Final = """received_at >= {begins} AND (content_hash, key_hash) NOT IN (FROM in_log)
    AND content_hash NOT IN (FROM imported)"""

_LOG_TABLES: Final = f"""
CREATE TABLE in_log AS SELECT DISTINCT content_hash, key_hash FROM logged WHERE accepted;
CREATE TABLE from_archives AS
    SELECT versions.batch_id, count(*) AS imported FROM versions ANTI JOIN in_log USING (content_hash, key_hash)
    SEMI JOIN imported USING (content_hash) GROUP BY versions.batch_id;
CREATE TABLE older AS
    SELECT batch_id, received_at >= {{begins}} AS too_many
    FROM versions ANTI JOIN in_log USING (content_hash, key_hash) ANTI JOIN imported USING (content_hash)
    UNION ALL
    SELECT batch_id, coalesce(received_at >= {{begins}}, false) FROM aside ANTI JOIN logged USING ({_PLACE});
CREATE TABLE not_stored AS
    SELECT any_value(batch_id) AS batch_id, any_value(user_id) AS user_id, any_value(course_id) AS course_id,
        any_value(content_id) AS content_id, any_value(attempt_id) AS attempt_id, content_hash,
        min(received_at) AS received_at, min({_WHERE}) AS place
    FROM logged ANTI JOIN aside USING ({_PLACE}) ANTI JOIN versions USING (content_hash, key_hash)
    WHERE accepted AND folded GROUP BY content_hash, key_hash
    UNION ALL
    SELECT DISTINCT batch_id, NULL, NULL, NULL, NULL, NULL::BLOB, received_at, {_WHERE}
    FROM logged ANTI JOIN aside USING ({_PLACE}) WHERE NOT accepted AND folded;
"""

_LOG_SHEETS: Final = f"""
SELECT batch_id, sum(accepted)::BIGINT, sum(older)::BIGINT, sum(too_many)::BIGINT, sum(not_stored)::BIGINT,
    sum(imported)::BIGINT
FROM (
    SELECT batch_id, 1 AS accepted, 0 AS older, 0 AS too_many, 0 AS not_stored, 0 AS imported
    FROM versions SEMI JOIN in_log USING (content_hash, key_hash)
    UNION ALL SELECT batch_id, 1, 0, 0, 0, 0 FROM aside SEMI JOIN logged USING ({_PLACE})
    UNION ALL SELECT batch_id, 0, (NOT too_many)::INT, too_many::INT, 0, 0 FROM older
    UNION ALL SELECT batch_id, 1, 0, 0, 1, 0 FROM not_stored
    UNION ALL SELECT batch_id, 0, 0, 0, 0, imported FROM from_archives
) GROUP BY batch_id
"""

_NOT_STORED: Final = f"""
SELECT batch_id, received_at, {_ID}, content_hash, place FROM not_stored ORDER BY batch_id, place
"""

_ASIDE_TOO_MANY: Final = f"""
SELECT batch_id, {_WHERE} AS place FROM aside ANTI JOIN logged USING ({_PLACE})
WHERE received_at >= {{begins}} ORDER BY batch_id, place
"""


@contextmanager
def open_ledger(batch_ids: Collection[str] = ()) -> Iterator["DuckLedger"]:
    """A `balance.Ledger` of these batches, or of all batches if none are given. Raises `StoreUnavailable`."""
    with temporary_folder("assess-ledger-") as folder, ExitStack() as opened:
        yield DuckLedger(opened, Path(folder), frozenset(batch_ids))


class DuckLedger:
    """A `balance.Ledger` over one DuckDB connection and a folder of Parquet files."""

    _duck: duckdb.DuckDBPyConnection
    """Opened by `store`, which knows the size of the files that are compared."""

    def __init__(self, opened: ExitStack, folder: Path, asked: frozenset[str]) -> None:
        self._opened = opened
        self._folder = folder
        self._asked = asked
        self._numbers = count()
        self._begins: int | None = None
        self._erased: dict[str | None, set[bytes]] = {}
        """By batch, what identifies the events of erased learners. They are few."""
        self._spill("aside", _ASIDE, ())
        self._spill("logged", _LOGGED, ())

    # --- inputs ---

    def rejected(self, events: Iterable[Rejected]) -> None:
        rows = ((*event.place, event.batch_id, event.received_at) for event in events if self._is_asked(event.batch_id))
        self._spill("aside", _ASIDE, rows)

    def name(self, entries: Iterable[Entry]) -> None:
        self._spill("named", _VERSIONS, (_named(entry) for entry in entries if self._is_asked(entry.key.batch_id)))

    def store(self, hot: HotStore, lake: Lake) -> list[str]:
        self._spill_hot(hot)
        pinned = lake.pin()
        self._write("imported", map(self._of_asked, lake.imports()), _IMPORTED)
        readable, unreadable = pinned.files(), list[str]()
        size = sum(file.bytes for file in readable) + sum(path.stat().st_size for path in self._folder.iterdir())
        with self._no_room():
            self._duck = self._opened.enter_context(connect(location_of(pinned), size=size))
            self._duck.execute(
                "CREATE TABLE asked AS SELECT unnest($ids::VARCHAR[]) AS batch_id", {"ids": list(self._asked)}
            )
        self._add_dropped(lake.dropped())  # after the pin: their entries were written before their rows left
        try:
            self._mark(readable)
        except UNREADABLE as error:
            readable, unreadable = self._probe(location_of(pinned), readable, error)
            with self._no_room():
                self._mark(readable)
        return unreadable

    def _add_dropped(self, slices: Sequence[ArchiveSlice]) -> None:
        asked = [slice_ for slice_ in slices if self._is_asked(slice_.batch_id)]
        columns = {
            "batch_id": pa.array([slice_.batch_id for slice_ in asked], pa.string()),
            "first": pa.array([slice_.week.start for slice_ in asked], pa.int64()),
            "past": pa.array([slice_.week.end for slice_ in asked], pa.int64()),
        }
        self._duck.register("dropped", pa.table(columns))

    def _of_asked(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        asked = pa.array(sorted(self._asked), pa.string())
        return rows.filter(pc.is_in(rows["batch_id"], value_set=asked)) if self._asked else rows

    def _spill_hot(self, hot: HotStore) -> None:
        columns = [*_ID.split(", "), "content_hash", "updated_on"]
        slices = (slice_ for slice_ in hot.slices() if self._is_asked(slice_.batch_id))
        batches = (batch for slice_ in slices for shard in hot.scan(slice_) for batch in shard)
        self._write("hot", (batch.select(columns) for batch in batches))

    def _mark(self, files: Sequence[LakeFile]) -> None:
        """Create `versions`: one row for each version of any side."""
        of_batches = "SEMI JOIN asked USING (batch_id)" if self._asked else ""
        tiers = f"SELECT {_KEY}, epoch_ms(updated_on) AS received_at"
        hot = f"UNION ALL {tiers}, 'hot' AS source FROM {self._files('hot')}" if self._files("hot") else ""
        self._duck.execute(f"""
            CREATE OR REPLACE VIEW sources AS SELECT *, hash({_ID}) AS key_hash FROM (
                SELECT {_KEY}, received_at, 'named' AS source FROM {self._files("named")}
                {hot}
                UNION ALL {tiers}, 'lake' AS source FROM {parquet(files)} {of_batches})""")
        self._duck.execute(_MARKS)

    def _probe(self, place: Location, files: Sequence[LakeFile], error: Exception) -> tuple[list[LakeFile], list[str]]:
        """The files that can be read, and a sentence for each that cannot."""
        if fault := place.fault(error):
            raise fault from error  # a connection error does not mean that a file is damaged
        readable, sentences = [], []
        for file in files:
            try:
                self._duck.execute(f"SELECT count(hash({_KEY}, updated_on)) FROM {parquet([file])}").fetchone()
            except UNREADABLE as problem:
                if fault := place.fault(problem):
                    raise fault from problem
                why = "is missing" if place.is_missing(file.url, problem) else f"cannot be read ({first_line(problem)})"
                sentences.append(
                    f"the lake's file {file.url} {why}: {counted(file.rows, 'row is', 'rows are')} counted as missing"
                )
            else:
                readable.append(file)
        if not sentences:
            raise _no_room(error) from error
        return readable, sentences

    # --- versions without a map entry ---

    def unnamed(self) -> Iterator[tuple[AttemptKey, bytes]]:
        for _, _, user, course, batch, content, attempt, hash_, _, _ in self._rows(
            _DETAILS.format(where="NOT named", order="")
        ):
            yield AttemptKey(user, course, batch, content, attempt), hash_

    def name_late(self, versions: Sequence[tuple[AttemptKey, bytes]]) -> None:
        if not versions:
            return
        columns = zip(*((*key, hash_) for key, hash_ in versions), strict=True)
        late = pa.table([pa.array(column) for column in columns], names=[name.strip() for name in _KEY.split(",")])
        with self._no_room():
            self._duck.register("late", late)
            self._duck.execute(f"""UPDATE versions SET named = true FROM (SELECT content_hash, hash({_ID}) AS key_hash
                FROM late) AS l WHERE versions.content_hash = l.content_hash AND versions.key_hash = l.key_hash""")
            self._duck.unregister("late")

    # --- the log ---

    def log(self, records: Iterable[Logged]) -> None:
        self._spill("logged", _LOGGED, (_record(each) for each in records if self._is_asked(each.batch_id)))

    def erased(self, records: Iterable[Logged]) -> None:
        for each in records:
            if self._is_asked(each.batch_id):
                mark = each.version[1] if each.version else repr(each.place).encode()
                self._erased.setdefault(each.batch_id, set()).add(mark)

    def close_log(self, begins: int | None) -> None:
        self._begins = begins or 0
        with self._no_room():
            self._views()
            self._duck.execute(_LOG_TABLES.format(begins=self._begins))

    def _views(self) -> None:
        self._duck.execute(f"CREATE OR REPLACE VIEW aside AS SELECT DISTINCT * FROM {self._files('aside')}")
        self._duck.execute(
            f"CREATE OR REPLACE VIEW imported AS SELECT DISTINCT content_hash FROM {self._files('imported')}"
        )
        self._duck.execute(
            f"CREATE OR REPLACE VIEW logged AS SELECT *, hash({_ID}) AS key_hash FROM {self._files('logged')}"
        )

    # --- results ---

    def sheets(self) -> list[Sheet]:
        self._views()
        sheets: dict[str | None, Sheet] = {row[0]: Sheet(*row) for row in self._rows(_SHEETS)}
        sheets |= {asked: Sheet(asked) for asked in self._asked - sheets.keys()}
        for batch_id, failed in self._rows("SELECT batch_id, count(*) FROM aside GROUP BY batch_id"):
            sheets[batch_id] = sheets.get(batch_id, Sheet(batch_id))._replace(failed=failed)
        if self._begins is not None:
            logs: dict[str | None, LogSheet] = {row[0]: LogSheet(*row[1:]) for row in self._rows(_LOG_SHEETS)}
            for batch_id in sheets.keys() | logs.keys() | self._erased.keys():
                log, erased = logs.get(batch_id, LogSheet(0, 0, 0, 0)), len(self._erased.get(batch_id, ()))
                log = log._replace(accepted=log.accepted + erased, erased=erased)
                sheets[batch_id] = sheets.get(batch_id, Sheet(batch_id))._replace(log=log)
        return sorted(sheets.values(), key=lambda sheet: (sheet.batch_id is None, sheet.batch_id or ""))

    def differences(self, first: int | None = None) -> Iterator[Difference]:
        limit = "" if first is None else f" LIMIT {first}"
        for what, where in (
            (Fault.MISSING, "named AND NOT hot AND NOT lake AND NOT dropped"),
            (Fault.UNNAMED, "NOT named"),
        ):
            yield from map(_difference(what), self._rows(_DETAILS.format(where=where, order="v.batch_id,") + limit))
        if self._begins is None:
            return
        for batch_id, at, user, course, batch, content, attempt, hash_, place in self._rows(_NOT_STORED + limit):
            key = AttemptKey(user, course, batch, content, attempt) if hash_ else None
            slice_ = ArchiveSlice.of(batch_id, at) if hash_ else None
            yield Difference(Fault.NOT_STORED, slice_, key, hash_, (), LogOffset(*place.values()), batch_id)
        late = _NOT_IN_LOG.format(begins=self._begins)
        yield from map(
            _difference(Fault.TOO_MANY), self._rows(_DETAILS.format(where=late, order="v.batch_id,") + limit)
        )
        for batch_id, place in self._rows(_ASIDE_TOO_MANY.format(begins=self._begins) + limit):
            yield Difference(Fault.TOO_MANY, None, None, None, (), LogOffset(*place.values()), batch_id)

    def take_missing(self, hashes: Sequence[bytes]) -> dict[bytes, int]:
        sql = """UPDATE versions SET hot = true WHERE named AND NOT hot AND NOT lake AND NOT dropped
            AND content_hash IN (SELECT unnest($hashes::BLOB[])) RETURNING content_hash, received_at"""
        return dict(self._rows(sql, {"hashes": list(hashes)}))

    # --- spilled files ---

    def _is_asked(self, batch_id: str | None) -> bool:
        return not self._asked or batch_id in self._asked

    def _files(self, side: str) -> str:
        """A side's files as a table expression; an empty text if it has none."""
        files = sorted(self._folder.glob(f"{side}-*.parquet"))
        return f"read_parquet([{', '.join(literal(str(file)) for file in files)}])" if files else ""

    def _spill(self, side: str, schema: pa.Schema, rows: Iterable[Sequence[Any]]) -> None:
        """Write one more file of a side, even if there are no rows."""

        def batches() -> Iterator[pa.RecordBatch]:
            for some in chunks(rows, _ROWS):
                columns = zip(*some, strict=True)
                arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

        self._write(side, batches(), schema)

    def _write(self, side: str, batches: Iterable[pa.RecordBatch], schema: pa.Schema | None = None) -> None:
        target = self._folder / f"{side}-{next(self._numbers)}.parquet"
        writer: pq.ParquetWriter | None = None
        try:
            if schema is not None:
                writer = pq.ParquetWriter(target, schema, compression="lz4")
            for group in gathered(batches, rows=_ROWS):
                writer = writer or pq.ParquetWriter(target, group.schema, compression="lz4")
                writer.write_table(group)
            if writer is not None:
                writer.close()
        except OSError as error:
            raise _no_room(error) from error

    def _rows(self, sql: str, parameters: dict[str, object] | None = None) -> Iterator[tuple[Any, ...]]:
        with self._no_room(), cursor(self._duck) as duck:
            duck.execute(sql, parameters or {})
            while rows := duck.fetchmany(_FETCHED):
                yield from rows

    @contextmanager
    def _no_room(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            raise _no_room(error) from error


def _named(entry: Entry) -> tuple[object, ...]:
    user_id, assessment_id, course_id, batch_id = entry.key
    version = entry.version.content_hash, entry.received_at
    return user_id, course_id, batch_id, assessment_id, entry.attempt_id, *version


def _record(logged: Logged) -> tuple[object, ...]:
    if logged.version is None:
        return *logged.place, logged.folded, False, None, logged.received_at, None, None, logged.batch_id, None, None
    key, hash_ = logged.version
    return *logged.place, logged.folded, True, hash_, logged.received_at, *key


def _difference(what: Fault) -> Callable[[tuple[Any, ...]], Difference]:
    def of(row: tuple[Any, ...]) -> Difference:
        batch_id, received_at, user, course, batch, content, attempt, hash_, hot, lake = row
        tiers = tuple(name for name, there in (("hot", hot), ("lake", lake)) if there)
        key = AttemptKey(user, course, batch, content, attempt)
        return Difference(what, ArchiveSlice.of(batch_id, received_at), key, hash_, tiers, None, batch_id)

    return of


def _no_room(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(
        f"versions could not be compared: {first_line(error)}; "
        "free memory or disk space for temporary files (TMPDIR), then run it again"
    )
