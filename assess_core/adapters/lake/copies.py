"""The lake's copies of some slices, read into DuckDB once. Archive, verify and clear compare hot rows with them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import isfinite
from pathlib import PurePosixPath
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from duckdb.func import ARROW
from duckdb.sqltypes import BLOB, VARCHAR

from assess_core.adapters.arrow.freed import return_freed_memory
from assess_core.adapters.arrow.hashes import content_hashes
from assess_core.adapters.arrow.hot_rows import ahead, gathered, in_order
from assess_core.adapters.arrow.rows import KEY_SCHEMA, LAKE_SCHEMA, row_key
from assess_core.adapters.duckdb.connection import UNREADABLE, connect, cursor, failure_of, parquet, sha256_of
from assess_core.adapters.duckdb.location import Location, location_of
from assess_core.adapters.error_text import first_line
from assess_core.domain.attempts import RowKey
from assess_core.domain.counts import counted
from assess_core.domain.manifest import NOTHING, Contents, digest_of
from assess_core.domain.slices import ArchiveSlice, IsoWeek
from assess_core.errors import AssessError, StoreUnavailable, VerifyFailed
from assess_core.ports.lake import Compared, LakeFile, Missing, Pinned, Shards

_DELETED: Final = 2000
"""How many rows clear deletes at a time: each time costs the hot store a commit to disk."""

_COMPARED: Final = 16_384
"""How many keys of hot rows are compared by one statement, which takes 1 ms."""

_DIGESTED: Final = 50_000
"""How many copies are summed up by one statement, if they are of several slices. DuckDB holds all their keys and hashes
in memory: 2.5 million copies failed with 300 MB."""

_NESTED_ROWS: Final = 256
"""How many rows DuckDB nests at a time: 1 MB of text stays in the processor's cache; 2,048 rows take 30 % longer."""

_KEY: Final = "user_id, course_id, batch_id, content_id, attempt_id"

_SOUND: Final = f"""
content_hash_of(canonical_of({_KEY}, last_attempted_on, total_score, total_max_score, grand_total, question))
        = content_hash
    AND has_answers = (len(question) > 0)
"""

_COPIES: Final = f"""
SELECT slice, {_KEY}, content_hash, updated_on, total_score, file_index, coalesce({{sound}}, false) AS sound
FROM {{files}} JOIN wanted USING (batch_id) WHERE updated_on >= first AND updated_on < past
"""

_UNCHANGED: Final = "EXISTS (FROM unchanged WHERE (slice, number) = (wanted.slice, file_index))"

# A copy that was written twice counts once. DuckDB adds the 256-bit hashes as four exact sums of 64-bit numbers
_CONTENTS: Final = f"""
WITH once AS (
    SELECT slice, {_KEY}, content_hash, epoch_ms(updated_on) AS received_at, total_score, count(*) AS written
    FROM copies {{where}} GROUP BY ALL
), digested AS (
    SELECT *, sha256(lower(hex(content_hash)) || '@' || received_at) AS digest FROM once
)
SELECT slice, sum(written), count(DISTINCT content_hash), count(DISTINCT ({_KEY})),
    sum(total_score ORDER BY content_hash, received_at),
    {", ".join(f"sum(('0x' || substr(digest, {start}, 16))::UBIGINT)" for start in (1, 17, 33, 49))}
FROM digested GROUP BY slice
"""

_DAMAGED: Final = f"""
SELECT slice, count(*), min(struct_pack({_KEY})) FROM copies WHERE NOT sound GROUP BY slice
"""

_SAME: Final = "hot.content_hash = copies.content_hash AND hot.updated_on = copies.updated_on"

# an inner join builds its hash table from the few hot rows of a chunk, not from the many copies
_HELD: Final = f"SELECT DISTINCT place FROM copies JOIN hot ON {_SAME}"

_NESTED: Final = f"""
SELECT {", ".join(f"question_of(question) AS {name}" if name == "question" else name for name in LAKE_SCHEMA.names)}
FROM hot
"""

_COUNTS: Final = f"""
SELECT batch_id, isoyear(make_timestamp(epoch_us(updated_on))), week(make_timestamp(epoch_us(updated_on))),
    count(*) FILTER (held), count(*) FILTER (NOT held)
FROM (SELECT *, EXISTS (FROM copies WHERE {_SAME}) AS held FROM read AS hot)
GROUP BY ALL
"""

_KEYS: Final = f"""
SELECT batch_id, user_id, course_id, content_id, attempt_id, epoch_ms(last_attempted_on),
    true, content_hash, epoch_ms(updated_on)  -- no store needs to know whether it has answers to delete a row
FROM read AS hot SEMI JOIN copies ON {_SAME}
ORDER BY date_trunc('week', make_timestamp(epoch_us(updated_on))), batch_id
"""


@contextmanager
def open_copies(
    pinned: Pinned,
    slices: Collection[ArchiveSlice],
    *,
    proved: bool = False,
    verified: Mapping[ArchiveSlice, Mapping[str, str]] | None = None,
) -> Iterator["DuckCopies"]:
    """Read what the pinned files hold of these slices; see `lake.Lake.copies`.

    Raises `VerifyFailed` naming the first file that is missing or cannot be read, `StoreUnavailable`.
    """
    asked = sorted(set(slices))
    files = pinned.files({slice_.week for slice_ in asked})
    with connect(location_of(pinned), size=sum(file.bytes for file in files)) as duck:
        wanted = pa.table(
            {
                "slice": pa.array(range(len(asked)), pa.int32()),
                "batch_id": pa.array([slice_.batch_id for slice_ in asked], pa.string()),
                "first": pa.array([slice_.week.start * 1000 for slice_ in asked], pa.timestamp("us", "UTC")),
                "past": pa.array([slice_.week.end * 1000 for slice_ in asked], pa.timestamp("us", "UTC")),
            }
        )
        duck.register("wanted", wanted)
        copies = DuckCopies(duck, location_of(pinned), asked, files)
        if proved:
            copies.read_proved(verified or {})
        else:
            duck.execute("SET threads = 1")  # archive uses DuckDB in small pieces: a second thread takes 12 % more CPU
            copies.read(range(len(files)), "true")
        yield copies


def _copies_in(files: Sequence[LakeFile], numbers: Sequence[int], sound: str) -> str:
    """SQL: the copies in those of the files that have these numbers; DuckDB counts the files that it reads from 0."""
    read = parquet([files[number] for number in numbers], place=True)
    numbered = f"SELECT * REPLACE (({list(numbers)}::BIGINT[])[file_index::BIGINT + 1] AS file_index) FROM {read}"
    return _COPIES.format(sound=sound, files=f"({numbered})")


_NO_COPIES: Final = """
CREATE OR REPLACE TABLE copies (
    slice INTEGER, user_id VARCHAR, course_id VARCHAR, batch_id VARCHAR, content_id VARCHAR, attempt_id VARCHAR,
    content_hash BLOB, updated_on TIMESTAMP WITH TIME ZONE, total_score DOUBLE, file_index BIGINT, sound BOOLEAN
)
"""
"""The columns of `_COPIES`."""


def unreadable(
    duck: duckdb.DuckDBPyConnection, place: Location, files: Sequence[LakeFile], error: Exception
) -> AssessError:
    """The error of ours when DuckDB could not read these files: a connection error, or the first damaged file."""
    return place.fault(error) or next(filter(None, (_probed(duck, place, file) for file in files)), _unavailable(error))


def _probed(duck: duckdb.DuckDBPyConnection, place: Location, file: LakeFile) -> AssessError | None:
    error = failure_of(duck, file)
    if error is None:
        return None
    state = "is missing" if place.is_missing(file.url, error) else f"cannot be read ({first_line(error)})"
    return place.fault(error) or VerifyFailed(f"the lake's file {file.url} {state}; restore it from a backup")


def _unavailable(error: Exception) -> StoreUnavailable:
    return StoreUnavailable(
        f"the lake's files could not be compared: {first_line(error)}; "
        "free memory or disk space for temporary files, then run it again"
    )


@contextmanager
def _within_memory() -> Iterator[None]:
    """Translate DuckDB's errors of a statement that reads no file."""
    try:
        yield
    except duckdb.Error as error:
        raise _unavailable(error) from error


def _some_of(duck: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    with _within_memory():
        return duck.fetchmany(_DELETED)


class DuckCopies:
    """The port `Copies` over one DuckDB connection."""

    def __init__(
        self,
        duck: duckdb.DuckDBPyConnection,
        place: Location,
        slices: Sequence[ArchiveSlice],
        files: Sequence[LakeFile],
    ) -> None:
        self._duck = duck
        self._place = place
        self._slices = slices
        self._files = files
        self._hashes: dict[int, str] = {}
        self._duck.execute(_NO_COPIES)

    def read_proved(self, verified: Mapping[ArchiveSlice, Mapping[str, str]]) -> None:
        """Read all files. Compute the content hash of each row, unless the file has the bytes that were verified."""
        self._duck.create_function("content_hash_of", content_hashes, [VARCHAR], BLOB, type=ARROW)
        try:
            self._read_proved(verified)
        finally:
            self._duck.remove_function("content_hash_of")

    def _read_proved(self, verified: Mapping[ArchiveSlice, Mapping[str, str]]) -> None:
        pairs = self._unchanged(verified)
        unchanged = sorted({number for _, number in pairs})
        if unchanged:
            slices, numbers = zip(*pairs, strict=True)
            self._duck.register("unchanged", pa.table({"slice": slices, "number": numbers}))
            self.read(unchanged, _UNCHANGED)
            # a slice can have rows in a file that was written after the slice was verified
            self._query("DELETE FROM copies WHERE file_index IN (SELECT file_index FROM copies WHERE NOT sound)")
        held = {number for (number,) in self._query("SELECT DISTINCT file_index FROM copies")} if unchanged else ()
        self.read([number for number in range(len(self._files)) if number not in held], _SOUND)

    def _unchanged(self, verified: Mapping[ArchiveSlice, Mapping[str, str]]) -> list[tuple[int, int]]:
        """The pairs of a slice and a file that were verified, if the file still has the same bytes."""
        return [
            (slice_, number)
            for number, file in enumerate(self._files)
            for slice_, hashes in enumerate(verified.get(slice_, {}) for slice_ in self._slices)
            if (name := PurePosixPath(file.url).name) in hashes and hashes[name] == self._hash(number)
        ]

    def read(self, numbers: Sequence[int], sound: str) -> None:
        """Add the copies in these files; `sound` is the SQL condition of an undamaged row."""
        if not numbers:
            return
        try:
            self._duck.execute(f"INSERT INTO copies BY NAME {_copies_in(self._files, numbers, sound)}")
        except UNREADABLE as error:
            raise unreadable(self._duck, self._place, self._files, error) from error

    def read_again(self, pinned: Pinned) -> None:
        location_of(pinned).attach(self._duck)  # credentials of a bucket can have changed
        self._files = pinned.files({slice_.week for slice_ in self._slices})
        self._hashes = {}
        self._duck.execute(_NO_COPIES)
        self.read(range(len(self._files)), "true")

    def contents(self, user_ids: Collection[str] | None = None) -> dict[ArchiveSlice, Contents]:
        found = dict.fromkeys(self._slices, NOTHING)
        of_learners = "" if user_ids is None else "AND user_id IN (SELECT unnest(?::VARCHAR[]))"
        values = [] if user_ids is None else [sorted(user_ids)]
        for first, last in self._portions():
            where = f"WHERE slice BETWEEN {first} AND {last} {of_learners}"
            for slice_, rows, versions, attempts, score, *limbs in self._query(_CONTENTS.format(where=where), values):
                sum_ = score if isfinite(score) else 0.0
                found[self._slices[slice_]] = Contents(rows, versions, attempts, sum_, digest_of(limbs))
        return found

    def _portions(self) -> Iterator[tuple[int, int]]:
        """The first and last number of slices that have up to `_DIGESTED` copies together, or of one with more."""
        if sum(file.rows for file in self._files) <= _DIGESTED:
            yield 0, len(self._slices) - 1
            return
        first = last = held = 0
        for slice_, copies in self._query("SELECT slice, count(*) FROM copies GROUP BY slice ORDER BY slice"):
            if held and held + copies > _DIGESTED:
                yield first, last
                first, held = slice_, 0
            last, held = slice_, held + copies
        yield first, last

    def damaged(self) -> dict[ArchiveSlice, str]:
        # the learner is not named: the manifest keeps the sentence for ever, and a learner may have to be erased
        return {
            self._slices[slice_]: f"{counted(rows, 'row does', 'rows do')} not give the recorded content hash, e.g. of "
            f"assessment {key['content_id']!r}, attempt {key['attempt_id']!r}"
            for slice_, rows, key in self._query(_DAMAGED)
        }

    def files(self, slices: Collection[ArchiveSlice]) -> dict[ArchiveSlice, dict[str, str]]:
        wanted = set(slices)
        found = self._query("SELECT DISTINCT slice, file_index FROM copies ORDER BY ALL")
        holding = [(self._slices[slice_], number) for slice_, number in found if self._slices[slice_] in wanted]
        numbers = sorted({number for _, number in holding})
        hashes = {number: self._hash(number) for number in numbers}
        files: dict[ArchiveSlice, dict[str, str]] = {slice_: {} for slice_ in slices}
        for slice_, number in holding:
            files[slice_][PurePosixPath(self._files[number].url).name] = hashes[number]
        return files

    def _hash(self, number: int) -> str:
        """The SHA-256 of a file's bytes, which are read once."""
        if number not in self._hashes:
            file = self._files[number]
            try:
                found = sha256_of(self._duck, file)
            except UNREADABLE as error:
                raise unreadable(self._duck, self._place, [file], error) from error
            if found is None:
                raise VerifyFailed(f"the lake's file {file.url} is missing; restore it from a backup")
            self._hashes[number] = found
        return self._hashes[number]

    def missing(self, shards: Shards) -> Missing | None:
        appended: dict[ArchiveSlice, int] = {}
        batches = self._missing(shards, appended)
        first = next(batches, None)
        if first is None:
            return None

        def rows() -> Iterator[pa.RecordBatch]:
            yield first
            yield from batches

        return Missing(pa.RecordBatchReader.from_batches(LAKE_SCHEMA, rows()), appended)

    def _missing(self, shards: Shards, appended: dict[ArchiveSlice, int]) -> Iterator[pa.RecordBatch]:
        for number, chunk in enumerate(ahead(in_order(shards))):
            if number:  # a small archive has one chunk and need not pay for it
                return_freed_memory()
            rows = self._missing_of(chunk)
            for count in rows.group_by(["batch_id", "year", "week"]).aggregate([([], "count_all")]).to_pylist():
                slice_ = ArchiveSlice(IsoWeek(count["year"], count["week"]), count["batch_id"])
                appended[slice_] = appended.get(slice_, 0) + count["count_all"]
            if rows.num_rows:
                pieces = pa.Table.from_batches(rows.to_batches(max_chunksize=_NESTED_ROWS))
                yield from self._with_hot(pieces, _NESTED).cast(LAKE_SCHEMA).to_batches()

    def _missing_of(self, chunk: pa.Table) -> pa.Table:
        places = pa.array(range(chunk.num_rows), pa.int64())
        keys = chunk.select(["content_hash", "updated_on"]).append_column("place", places)
        held = self._with_hot(keys, _HELD)["place"]
        # usually none is held, and then no row is copied
        return chunk.filter(pc.invert(pc.is_in(places, value_set=held))) if len(held) else chunk

    def compare(self, keys: Iterable[pa.RecordBatch]) -> Compared:
        # read to the end, then join once: one join per chunk would take quadratic time
        self._with_hot(KEY_SCHEMA.empty_table(), "CREATE OR REPLACE TABLE read AS FROM hot")
        for chunk in gathered(keys, rows=_COMPARED):
            self._with_hot(chunk, "INSERT INTO read FROM hot")
        held: dict[ArchiveSlice, int] = {}
        left: dict[ArchiveSlice, int] = {}
        for batch_id, year, week, in_lake, in_hot in self._query(_COUNTS):
            slice_ = ArchiveSlice(IsoWeek(year, week), batch_id)
            held[slice_], left[slice_] = in_lake, in_hot
        return Compared(held, left, self._keys())

    def _keys(self) -> Iterator[list[RowKey]]:
        with cursor(self._duck) as duck:
            with _within_memory():
                duck.execute(_KEYS)
            while rows := _some_of(duck):
                yield list(map(row_key, rows))

    def _with_hot(self, hot: pa.Table, sql: str) -> pa.Table:
        """Run a query over these hot rows."""
        self._duck.register("hot", hot)
        try:
            with _within_memory():
                return self._duck.execute(sql).to_arrow_table()
        finally:
            self._duck.unregister("hot")  # otherwise every chunk stays in memory until the connection closes

    def _query(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._duck.execute(sql, list(values)).fetchall()
        except duckdb.Error as error:
            raise self._place.fault(error) or _unavailable(error) from error
