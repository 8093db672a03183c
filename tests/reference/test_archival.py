"""The reference rows of the archival job: their slices have ISO years, and the lake gets the peer's archived rows."""

import csv
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from assess_core.adapters.duckdb.union import open_union
from assess_core.adapters.memory import MemoryHot
from assess_core.domain.attempts import AttemptVersion
from assess_core.domain.moments import DAY
from assess_core.domain.report_spec import Report
from assess_core.domain.slices import IsoWeek
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.exhaust import write_exhaust
from tests.factories import WEEK
from tests.lakes import asked, keep, stores_over
from tests.sunbird import archived_rows, live_rows

SLICES = {"batch-011|2021-W48": 2, "batch-011|2021-W49": 3, "batch-021|2021-W49": 2, "batch-031|2021-W49": 1}


@pytest.fixture
def live(sunbird: Path) -> list[AttemptVersion]:
    return live_rows(sunbird / "archival" / "live.cql")


@pytest.fixture
def loaded(live: list[AttemptVersion], tmp_path: Path) -> Stores:
    stores = stores_over(MemoryHot(), tmp_path)
    keep(stores.hot, live)
    return stores


def peer_files(sunbird: Path) -> list[AttemptVersion]:
    return [row for path in sorted(sunbird.glob("archival/expected/*/*.csv.gz")) for row in archived_rows(path)]


def test_the_live_rows_belong_to_the_slices_of_their_iso_weeks(live: list[AttemptVersion]) -> None:
    assert Counter(str(row.slice) for row in live) == SLICES


def test_live_rows_and_the_files_of_the_peer_are_the_same_versions(live: list[AttemptVersion], sunbird: Path) -> None:
    """A row in CQL literals and the same row in JSON within CSV have the same content hash and slice."""
    assert {row.row_key for row in live} == {row.row_key for row in peer_files(sunbird)}


def test_archive_appends_the_rows_of_the_peer_to_the_lake(loaded: Stores, sunbird: Path) -> None:
    now = IsoWeek(2021, 52).start

    archived = archive(loaded.hot.slices(), loaded, now)

    assert {str(slice_): done.appended for slice_, done in archived.items()} == SLICES
    with open_union(MemoryHot(), loaded.lake) as union:
        found = {(row["batch_id"], row["year"], row["week"], row["content_hash"]) for row in union.rows("FROM placed")}
    assert found == {(row.key.batch_id, *row.slice.week, row.version.content_hash) for row in peer_files(sunbird)}


def test_reports_are_the_same_after_archive_verify_and_clear(loaded: Stores) -> None:
    def report(batch_id: str) -> bytes:
        return Path(write_exhaust(loaded, asked(batch_id, Report.RESPONSE)).path).read_bytes()

    batches, slices, now = ("batch-011", "batch-021", "batch-031"), loaded.hot.slices(), IsoWeek(2021, 52).start
    before = [report(batch_id) for batch_id in batches]

    archive(slices, loaded, now)
    verify(slices, loaded, now)
    cleared = clear(slices, loaded, now)

    assert {str(slice_): done.cleared for slice_, done in cleared.items()} == SLICES
    assert [report(batch_id) for batch_id in batches] == before


def test_weeks_near_new_year_have_iso_years(sunbird: Path) -> None:
    with (sunbird / "archival" / "expected" / "year-week-boundary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))

    days = [(date.fromisoformat(row["date_utc"]) - date(1970, 1, 1)).days * DAY for row in rows]
    ours = [IsoWeek.of(day) for day in days]

    assert [f"{week.year}-{week.week}" for week in ours] == [row["iso_label"] for row in rows]
    assert sum(row["iso_label"] != row["peer_label"] for row in rows) == 11
    assert all(week.start <= day < week.start + WEEK for week, day in zip(ours, days, strict=True))
