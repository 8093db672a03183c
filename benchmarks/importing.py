"""Import of old archives with 10 answers an attempt, beside a bare DuckDB read of the same files.

The files are csv.gz in the newer layout, one for each batch and week. Ours decodes and hashes each attempt, writes
it to the lake, reads it back, and derives the scores. A second import finds every row and writes nothing. The limit
counts the rows of the files by DuckDB, which decompresses them and splits them into columns of text.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from assess_core.adapters.duckdb.connection import connect, literal
from assess_core.adapters.files.packing import write_packed
from assess_core.domain.archive_writing import archive_texts
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.report_formats import Format
from assess_core.domain.slices import WEEK, ArchiveSlice
from assess_core.wiring.archives import open_archives, open_import
from benchmarks.backfill import attempts_of
from benchmarks.data import FIRST, WEEKS, events, settings_of, stores, versions
from benchmarks.measure import Run, Work, alone
from benchmarks.row import Row, Side, Size

_ATTEMPTS: Final = 50_000
_COURSES: Final = 20  # their batches and weeks are 400 files
_FILES: Final = 400


@contextmanager
def _import(home: Path, archive: Path) -> Iterator[Work]:
    settings, opened = settings_of(home), stores(home)
    [archives] = open_archives([str(archive)])
    with opened.lake.copies(opened.lake.pin(), []):
        pass  # imports DuckDB, which is not measured

    def work() -> int:
        run = open_import(settings, opened, print, lambda files: None)
        return run.run(archives, archives.files).imported

    yield work


@contextmanager
def _read(archive: Path) -> Iterator[Work]:
    files = literal(str(archive / "**" / "*.csv.gz"))
    with connect() as duck:
        sql = f"""SELECT count(*), sum(len(question)) FROM read_csv({files}, header = true, all_varchar = true,
            quote = '"', escape = '\\')"""
        yield lambda: duck.execute(sql).fetchone()


def _usual(attempts: int) -> Iterator[tuple[ArchiveSlice, list[AttemptVersion]]]:
    of_slice: dict[ArchiveSlice, list[AttemptVersion]] = {}
    for version in versions(events(attempts, courses=_COURSES)):
        of_slice.setdefault(version.slice, []).append(version)
    yield from of_slice.items()


def _short(attempts: int) -> Iterator[tuple[ArchiveSlice, list[AttemptVersion]]]:
    """Attempts of two short answers, each of another learner."""
    each = max(1, attempts // _FILES)
    for number in range(attempts // each):
        slice_ = ArchiveSlice.of(f"batch {number // WEEKS:04}", FIRST + number % WEEKS * WEEK)
        yield slice_, list(attempts_of(slice_, each, number * each))


def _write_archive(folder: Path, slices: Iterable[tuple[ArchiveSlice, list[AttemptVersion]]]) -> int:
    """Write a file for each slice; returns the number of attempts."""
    attempts = 0
    for slice_, rows in slices:
        attempts += len(rows)
        course, (year, week) = rows[0].key.course_id, slice_.week
        target = folder / f"{slice_.batch_id}_{course}" / f"{year}-{week}-1.csv.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        write_packed(archive_texts(rows), target, Format.CSV_GZ, "")
    return attempts


def _round(home: Path, archive: Path, attempts: int) -> dict[str, Run]:
    found = {"first": alone(_import, home, archive), "second": alone(_import, home, archive)}
    assert (found["first"].result, found["second"].result) == (attempts, 0)
    return {**found, "read": alone(_read, archive)}


def importing_rows(size: Size) -> list[Row]:
    """A first import, and a second one of the same files."""
    return _rows("import", _usual(size.of(_ATTEMPTS)), size)


def short_rows(size: Size) -> list[Row]:
    """The same with attempts of two short answers: `SIZE=20` imports a million in minutes."""
    return _rows("import-short", _short(size.of(_ATTEMPTS)), size)


def _rows(name: str, slices: Iterable[tuple[ArchiveSlice, list[AttemptVersion]]], size: Size) -> list[Row]:
    with TemporaryDirectory(prefix="assess-benchmark-") as folder:
        archive = Path(folder) / "archived-data"
        attempts = _write_archive(archive, slices)
        rounds = []
        for number in range(size.rounds):
            home = Path(folder) / str(number)
            rounds.append(_round(home, archive, attempts))
            shutil.rmtree(home)

    side = partial(_side, attempts, rounds)
    limit = side("DuckDB reads the columns as text", "read")
    return [
        Row(name, "rows/s", side("import", "first"), None, limit),
        Row(f"{name}-again", "rows/s", side("the same files again", "second"), None, limit),
    ]


def _side(attempts: int, rounds: list[dict[str, Run]], what: str, name: str) -> Side:
    return Side(what, attempts, [found[name] for found in rounds])
