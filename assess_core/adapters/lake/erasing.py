"""The port `LakeTraces`: finds and removes the traces of learners in the files of a lake."""

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from assess_core.adapters.duckdb.connection import UNREADABLE, connect, literal, parquet, url_list
from assess_core.adapters.duckdb.location import Location, location_of
from assess_core.adapters.error_text import first_line
from assess_core.adapters.files.decoding import decoded
from assess_core.adapters.files.temporary import temporary_folder
from assess_core.adapters.lake.copies import unreadable
from assess_core.adapters.lake.tables import OurTable, translated
from assess_core.domain.slices import IsoWeek
from assess_core.errors import ErasureRefused
from assess_core.ports.erasures import StoredFile, Text
from assess_core.ports.lake import Pinned
from assess_core.ports.scores import SCORES, shown, url_of

_LOG: Final = "_delta_log"
_ENTRY: Final = re.compile(r"(\d{20})\.")
_CHUNK: Final = 2000  # learners
_GROUP: Final = 8192  # rows, as in the lake's other files


class DeltaTraces(NamedTuple):
    """A `ports.LakeTraces`."""

    place: Location
    """Of the lake."""
    attempts: OurTable
    scores: OurTable

    def announce(self) -> None:
        with translated(self.place):
            for ours in (self.attempts, self.scores):
                table = ours.open()
                if table is not None:
                    # Delta refuses every commit that was prepared before the table's metadata was written
                    table.alter.set_table_properties({"delta.deletedFileRetentionDuration": ours.removals})

    def learners(self) -> Iterator[list[str]]:
        place = self.attempts.place
        with translated(place):
            if not (urls := [url_of(name, place.url) for name in self._names()]):
                return
        with translated(place), connect(place, size=_size(urls)) as duck:
            try:
                duck.execute(f"SELECT DISTINCT user_id FROM read_parquet({url_list(urls)}, hive_partitioning = false)")
                while rows := duck.fetchmany(_CHUNK):
                    yield [user_id for (user_id,) in rows]
            except UNREADABLE as error:
                raise _cannot_be_read(place, place.url, error) from error

    def stored(self, user_ids: Collection[str]) -> list[StoredFile]:
        place = self.attempts.place
        with translated(place):
            names = self._names()
            with _searching(place, [url_of(name, place.url) for name in names], user_ids) as duck:
                return [found for name in names if (found := _searched(duck, place, name)).rows]

    def rewrite(self, name: str, user_ids: Collection[str]) -> StoredFile:
        place = self.attempts.place
        with translated(place), _copy_without(place, url_of(name, place.url), user_ids) as copy:
            # the name follows from the content, so a repetition writes the same file
            new = f"{name.rpartition('/')[0]}/without-{copy.sha256[:32]}.parquet"
            self.place.put(shown(new), Path(copy.name))
            return copy._replace(name=new)

    def rows_of(self, rows: Path, user_ids: Collection[str]) -> int:
        with _searching(self.attempts.place, [str(rows)], user_ids) as duck:
            return _count(duck, self.attempts.place, str(rows))

    def rows_without(self, rows: Path, user_ids: Collection[str]) -> AbstractContextManager[StoredFile]:
        return _copy_without(self.attempts.place, str(rows), user_ids)

    def forget_history(self) -> None:
        with translated(self.place):
            self.place.delete(list(self.place.temporaries(0)))
            for ours in (self.attempts, self.scores):
                table, log = ours.open(), ours.place.within(_LOG)
                if table is not None:
                    table.create_checkpoint()
                    found = ((_ENTRY.match(name), name) for name in sorted(log.names()))
                    log.delete([name for match, name in found if match and int(match[1]) < table.version()])

    def _names(self) -> list[str]:
        """The stored files of both tables, sorted; also those that no version has."""
        return [*_names(self.attempts.place), *(f"{SCORES}/{name}" for name in _names(self.scores.place))]

    def texts(self) -> "Iterator[tuple[str, Iterator[Text]]]":
        with translated(self.place), temporary_folder("assess-check-") as folder:
            for name in sorted(self.place.files()):
                local = Path(folder) / "file"
                try:
                    self.place.fetch(name, local)
                except FileNotFoundError:  # deleted since
                    continue
                yield name, decoded(local, name)


def weeks_with(pinned: Pinned, user_ids: Collection[str]) -> list[IsoWeek]:
    """See `lake.Lake.weeks_with`."""
    files = pinned.files()
    if not files:
        return []
    with _searching(location_of(pinned), [file.url for file in files], user_ids) as duck:
        try:
            found = duck.execute(
                f"SELECT DISTINCT year, week FROM {parquet(files)} WHERE user_id IN (FROM searched) ORDER BY ALL"
            ).fetchall()
        except UNREADABLE as error:
            raise unreadable(duck, location_of(pinned), files, error) from error
    return [IsoWeek(*row) for row in found]


def _names(place: Location) -> list[str]:
    """The stored files of the table, sorted; also those that no version has."""
    return sorted(name for name in place.files() if name.endswith(".parquet") and not name.startswith(_LOG))


def _size(urls: Sequence[str]) -> int | None:
    """The bytes of files in a folder; None for those of a bucket, or if one was deleted meanwhile."""
    try:
        return sum(Path(url).stat().st_size for url in urls)
    except OSError:
        return None


@contextmanager
def _searching(place: Location, urls: Sequence[str], user_ids: Collection[str]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for reading these files, with the table `searched` of the learners."""
    with connect(place, size=_size(urls)) as duck:
        duck.register("searched", pa.table({"user_id": pa.array(sorted(user_ids), pa.string())}))
        yield duck


@contextmanager
def _copy_without(place: Location, url: str, user_ids: Collection[str]) -> Iterator[StoredFile]:
    """A local copy of a file without these learners, with its rows in the same order."""
    with temporary_folder("assess-erase-") as folder, _searching(place, [url], user_ids) as duck:
        target = Path(folder) / "without.parquet"
        try:
            [[rows]] = duck.execute(
                f"COPY (FROM {_rows(url)} WHERE user_id NOT IN (FROM searched)) TO {literal(str(target))} "
                f"(FORMAT parquet, ROW_GROUP_SIZE {_GROUP}, USE_TMP_FILE false)"
            ).fetchall()
        except UNREADABLE as error:
            raise _cannot_be_read(place, url, error) from error
        with target.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        yield StoredFile(str(target), digest, rows, target.stat().st_size)


def _rows(url: str) -> str:
    return f"read_parquet({url_list([url])}, hive_partitioning = false)"


def _count(duck: duckdb.DuckDBPyConnection, place: Location, url: str) -> int:
    try:
        [[rows]] = duck.execute(f"SELECT count(*) FROM {_rows(url)} WHERE user_id IN (FROM searched)").fetchall()
    except UNREADABLE as error:
        raise _cannot_be_read(place, url, error) from error
    return int(rows)


def _searched(duck: duckdb.DuckDBPyConnection, place: Location, name: str) -> StoredFile:
    url = url_of(name, place.url)
    rows = _count(duck, place, url)
    if not rows:
        return StoredFile(name, "", 0, 0)
    try:
        [[digest, size]] = duck.execute(f"SELECT sha256(content), size FROM read_blob({url_list([url])})").fetchall()
    except UNREADABLE as error:
        raise _cannot_be_read(place, url, error) from error
    return StoredFile(name, digest, rows, size)


def _cannot_be_read(place: Location, url: str, error: Exception) -> Exception:
    return place.fault(error) or ErasureRefused(
        f"the file {url} cannot be read ({first_line(error)}), so nobody knows whether it holds the learner; if an "
        "archive is running, wait for its end; restore the file from a backup, or delete it if no version of the table "
        "has it; then erase again"
    )
