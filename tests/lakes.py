"""Write versions to the stores and move them between tiers, without a stream or an archive run."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
from msgspec import structs

from assess_core.adapters.arrow.rows import LAKE_SCHEMA, to_batch
from assess_core.adapters.duckdb.connection import connect, cursor, parquet
from assess_core.adapters.duckdb.databases import open_database
from assess_core.adapters.duckdb.location import location_of
from assess_core.adapters.duckdb.unions import DuckUnions
from assess_core.adapters.files.exhausts import FolderExhausts
from assess_core.adapters.files.log import FolderLog
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.report_formats import Format
from assess_core.domain.report_spec import Report, ReportSpec, default_format
from assess_core.ports.hot_store import HotStore
from assess_core.ports.lake import Lake
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import archive
from tests.conftest import Hot
from tests.factories import RECEIVED, answer, version

NASTY: Final = (
    "' OR 1=1 --",
    'a"b,c',
    "a\\b/../c",
    "../../etc",
    "..",
    ".",
    "a\nb\r\n",
    "a\0b",
    "a|2024-W05|b",
    "$batch_id %s {x} *?[a]",
    "é😀 ",
    "b" * 1024,
)
"""Ids that can break a store, a file name or a statement."""


def stores_over(hot: Hot, folder: Path) -> Stores:
    """Stores with the given hot store and a lake in a folder."""
    lake, exhausts = DeltaLake(Folder(folder / "lake")), FolderExhausts(folder / "exhausts")
    return Stores(hot, FolderLog(folder / "log", hot), lake, DuckUnions(hot, lake), exhausts)


class Prepared:
    """Stores that are made once for the tests of a module, because archiving takes time. Each test gets a copy."""

    def __init__(self, folder: Path, prepare: Callable[[Stores], object], hot: MemoryHot | None = None) -> None:
        self._folder, self._hot = folder, hot or MemoryHot()
        prepare(stores_over(self._hot, folder))

    def then(self, folder: Path, prepare: Callable[[Stores], object]) -> "Prepared":
        """Prepared stores that continue from a copy of these."""
        shutil.copytree(self._folder, folder, dirs_exist_ok=True)
        return Prepared(folder, prepare, deepcopy(self._hot))

    def copy(self, folder: Path) -> Stores:
        shutil.copytree(self._folder, folder, dirs_exist_ok=True)
        return stores_over(deepcopy(self._hot), folder)


def asked(batch_id: str, report: Report, format: Format | None = None, **options: object) -> ReportSpec:
    """A report of one batch, in its default format; `options` are other fields of the value."""
    spec = ReportSpec(report=report, format=format or default_format(report), batches=(batch_id,))
    return structs.replace(spec, **options)


def reports(stores: Stores) -> Path:
    """The folder for reports."""
    return Path(stores.exhausts.path(""))


@cache
def _duck() -> duckdb.DuckDBPyConnection:
    """A connection for the tests of this process: to open one takes 12 ms. A single thread, so processes can fork."""
    return open_database({"threads": "1"})


def put(lake: Lake, versions: Iterable[AttemptVersion]) -> None:
    """Append versions to a lake in one commit, even if it has them already."""
    rows = list(versions)
    with cursor(_duck()) as duck:
        duck.register("hot", pa.Table.from_batches([to_batch(rows)]))
        table = duck.execute("SELECT * REPLACE (question_of(question) AS question) FROM hot").to_arrow_table()
    lake.append(lake.pin(), {row.slice for row in rows}, table.cast(LAKE_SCHEMA).to_reader())


def keep(hot: HotStore, versions: Iterable[AttemptVersion]) -> None:
    """Write versions to a hot store as rows without map entries."""
    rows = list(versions)
    hot.add_slices({row.slice for row in rows})
    hot.add_rows(rows)


def move(hot: HotStore, lake: Lake, versions: Iterable[AttemptVersion]) -> None:
    """Append versions to the lake, then delete exactly these rows from the hot store."""
    rows = list(versions)
    put(lake, rows)
    hot.delete([row.row_key for row in rows])


def held(lake: Lake) -> Counter[tuple[bytes, int]]:
    """The number of times that the lake holds each copy (content hash and receipt)."""
    pinned = lake.pin()
    place = location_of(pinned)
    # credentials of a bucket need a connection of their own
    with connect(place) if place.url.startswith("s3://") else cursor(_duck()) as duck:
        rows = duck.execute(f"SELECT content_hash, epoch_ms(updated_on) FROM {parquet(pinned.files())}").fetchall()
    return Counter(rows)


def copies_of(versions: Iterable[AttemptVersion]) -> Counter[tuple[bytes, int]]:
    """The result of `held` for a lake that holds each of these versions once."""
    return Counter({(row.version.content_hash, row.received_at) for row in versions})


def five_versions() -> list[AttemptVersion]:
    """Five versions of three learners in slice `b1|2024-W05`. One attempt has two versions, one has no answers."""
    return [
        version(user_id="u1"),
        version(user_id="u1", attempted=RECEIVED + 1000, answers=[answer(score=2.0)]),
        version(user_id="u2", attempt_id="t2", answers=[answer("q2"), answer("q1", score=0.5)]),
        version(user_id="u3", answers=[]),
        version(user_id="u3", attempt_id="t3"),
    ]


def put_manifest_only(stores: Stores, row: AttemptVersion) -> None:
    """Archive a row from another hot store, so that only the lake and its manifest know the slice."""
    lost = MemoryHot()
    keep(lost, [row])
    archive([row.slice], stores._replace(hot=lost), row.received_at)
