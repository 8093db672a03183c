"""Both tiers in a folder: archive, verify, clear and compare."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

from assess_core.adapters.duckdb.union import open_union
from assess_core.adapters.duckdb.unions import DuckUnions
from assess_core.adapters.files.exhausts import FolderExhausts
from assess_core.adapters.files.log import FolderLog
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.memory import MemoryHot
from assess_core.adapters.sqlite.hot_store import SqliteHot
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Report
from assess_core.domain.slices import ArchiveSlice
from assess_core.errors import UnknownBatch
from assess_core.ports.stores import Stores
from assess_core.usecases import archiving
from assess_core.usecases.exhaust import write_exhaust
from tests.lakes import asked
from tests.loop import everything, queries
from tests.properties.interruptions import watched
from tests.properties.strategies import BATCHES, DAY, LEARNERS, RECEIPTS, Facts, Line
from tests.properties.tables import expected, tables

NOW: Final = max(RECEIPTS) + 52 * 7 * DAY
"""A moment at which every slice is closed."""

REPORTS: Final = [
    (Report.RESPONSE, Format.CSV),
    (Report.RESPONSE, Format.PARQUET),
    (Report.SCORE, Format.CSV),
    (Report.SUMMARY, Format.CSV),
]
"""One report with a row per answer, per attempt and per score; the others differ from these only in their SQL."""


def open_stores(folder: Path, hot: MemoryHot | SqliteHot | None = None) -> Stores:
    """Stores in a folder: a Delta lake, and the given hot store or one in memory."""
    lake, hot, exhausts = DeltaLake(Folder(folder / "lake")), hot or MemoryHot(2), FolderExhausts(folder / "exhausts")
    return Stores(hot, FolderLog(folder / "log", hot), lake, DuckUnions(hot, lake), exhausts)


@contextmanager
def lakehouse() -> Iterator[Stores]:
    """Empty stores in a folder that is deleted when the block ends."""
    with TemporaryDirectory(prefix="assess-properties-") as folder:
        yield open_stores(Path(folder))


def watched_stores(stores: Stores, boundary: Callable[[], None]) -> Stores:
    """The same stores with a boundary around every effect on both tiers."""
    hot, lake = watched(stores.hot, boundary), watched(stores.lake, boundary)
    return Stores(hot, stores.log, lake, DuckUnions(hot, lake), stores.exhausts)


def put_away(stores: Stores, slices: Iterable[ArchiveSlice] | None = None) -> None:
    """Archive, verify and clear slices (all by default), like the three commands."""
    chosen = sorted(stores.hot.slices()) if slices is None else list(slices)
    archiving.archive(chosen, stores, NOW)
    problems = [verified.problem for verified in archiving.verify(chosen, stores, NOW).values()]
    assert problems == [None] * len(problems)
    archiving.clear(chosen, stores, NOW)


def read(stores: Stores) -> tuple[list[AttemptVersion], list[AttemptVersion], dict[Any, tuple[str, int, int]]]:
    """From one union: the copies in the hot store, the copies in the lake, and the newest versions.

    A newest version is its content hash, its receipt and the number of versions of its attempt.
    """
    with open_union(stores.hot, stores.lake) as union:
        hot, lake = list(union.copies("hot")), list(union.copies("lake"))
        counts = {
            row["content_hash"]: cast(int, row["versions"])
            for row in union.rows("SELECT content_hash, versions FROM winners")
        }
        newest: dict[Any, tuple[str, int, int]] = {
            tuple(row.key): (row.version.content_hash.hex(), row.received_at, counts[row.version.content_hash])
            for row in union.all_attempts()
        }
    return hot, lake, newest


def assert_right(
    stores: Stores, log: Sequence[Line], facts: Facts | None = None, corrections: Sequence[dict[str, Any]] = ()
) -> None:
    """Check that all tables equal the oracle's, in whichever tier the rows are."""
    wanted = expected(log, facts, corrections)
    hot, lake, newest = read(stores)
    assert tables(stores.hot, hot + lake) == wanted
    assert newest == newest_of(wanted)


def newest_of(wanted: dict[str, Any]) -> dict[Any, tuple[str, int, int]]:
    """The newest versions that a union must find."""
    return {
        key: (versions[-1]["content_hash"], versions[-1]["received_at"], len(versions))
        for key, versions in wanted["attempts"].items()
    }


def written_twice(stores: Stores) -> list[Any]:
    """Copies that the lake holds more than once."""
    _, lake, _ = read(stores)
    return [copy for copy, times in Counter(row.row_key for row in lake).items() if times > 1]


def answers(stores: Stores) -> dict[str, Any]:
    """All results of the API and the bytes of all reports, each of one batch: a report takes 60 ms."""
    ask = queries(stores)
    known = {slice_.batch_id for slice_ in stores.hot.slices()}
    found = everything(ask, LEARNERS, sorted(known), ["a1", "a2"])
    for (report, format_), batch in zip(REPORTS, cycle(BATCHES), strict=False):
        found[f"{report} exhaust of {batch} as {format_}"] = _exhaust(stores, batch, report, format_)
    return found


def _exhaust(stores: Stores, batch: str, report: Report, format_: Format) -> bytes | str:
    try:
        return Path(write_exhaust(stores, asked(batch, report, format_)).path).read_bytes()
    except UnknownBatch as error:
        return str(error)
