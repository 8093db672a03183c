"""The archive files of the reference data, imported: in every layout, and after the stream."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from assess_core.adapters.memory import MemoryHot
from assess_core.domain.report_spec import Report
from assess_core.domain.scores import newest_versions
from assess_core.ports.stores import Stores
from assess_core.usecases.exhaust import write_exhaust
from assess_core.usecases.folding import Checks
from tests.archives import bring, cells, put_archive
from tests.balances import draw
from tests.factories import WEEK
from tests.lakes import asked, keep, stores_over
from tests.reference.test_exhaust import COURSE, in_the_format_of_the_peer, read
from tests.reference.test_stream import NINE, RECEIVED, golden, redis_facts, run
from tests.sunbird import live_rows


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    """An empty hot store in memory, an empty lake."""
    return stores_over(MemoryHot(), tmp_path)


@pytest.mark.parametrize(
    ("folder", "rows", "slices"),
    [
        ("archival/archive-v1", 6, {"batch-001|2021-W33": 5, "batch-004|2021-W33": 1}),
        (
            "archival/expected",
            8,
            {"batch-011|2021-W48": 2, "batch-011|2021-W49": 3, "batch-021|2021-W49": 2, "batch-031|2021-W49": 1},
        ),
        (f"exhaust/archive/batch-001_{COURSE}", 5, {"batch-001|2021-W22": 3, "batch-001|2021-W28": 2}),
    ],
)
def test_every_layout_is_imported(
    folder: str, rows: int, slices: dict[str, int], sunbird: Path, stores: Stores
) -> None:
    done = bring(stores, sunbird / folder)

    assert (done.counts.read, done.counts.imported, done.counts.refused) == (rows, rows, 0)
    assert {str(slice_): found.rows for slice_, found in contents(stores).items()} == slices
    assert draw(stores, against_log=True).sheet.log is not None
    assert bring(stores, sunbird / folder).counts.there == rows


def contents(stores: Stores) -> dict[Any, Any]:
    pinned, slices = stores.lake.pin(), stores.lake.recorded(None, None)
    found: dict[Any, Any] = {}
    for slice_ in slices:
        with stores.lake.copies(pinned, [slice_]) as copies:
            found |= copies.contents()
    return found


def test_the_flat_file_of_the_older_layout_adds_one_attempt(sunbird: Path, stores: Stores) -> None:
    bring(stores, sunbird / "exhaust" / "archive" / f"batch-001_{COURSE}")

    done = bring(stores, sunbird / "exhaust" / "archive")

    assert (done.counts.files, done.counts.read, done.counts.imported) == (3, 8, 2)
    [added] = [entry for entry in attempts(stores, "user-001") if entry[0] == "attempt-001"]
    assert added == ("attempt-001", 20.0)


def attempts(stores: Stores, user: str) -> list[tuple[str, float]]:
    learner = stores.hot.learners({user})[user]
    return sorted((entry.attempt_id, entry.score) for entry in newest_versions(learner.entries))


def test_the_report_over_live_rows_and_imported_files_has_the_15_correct_rows(sunbird: Path, stores: Stores) -> None:
    keep(stores.hot, live_rows(sunbird / "exhaust" / "live.cql"))

    bring(stores, sunbird / "exhaust" / "archive" / f"batch-001_{COURSE}")

    written = write_exhaust(stores, asked("batch-001", Report.RESPONSE, course=COURSE))
    rows = [in_the_format_of_the_peer(row) for row in read(Path(written.path))]
    peer = read(sunbird / "exhaust" / "expected" / "peer_v2_batch-001.csv")
    cell = ("User UUID", "Attempt Id", "Question Id", "Question Score", "Question Options", "Question Response")
    assert len(rows) == 15
    assert {tuple(row[name] for name in cell) for row in rows} <= {tuple(row[name] for name in cell) for row in peer}


def test_rows_that_the_original_job_wrote_of_the_same_events_are_the_same_attempts(
    sunbird: Path, tmp_path: Path
) -> None:
    """One differs: in options with inner objects, the original job wrote `1.0` for `1`, in another order."""
    hot = MemoryHot()
    stores = stores_over(hot, tmp_path)
    run(hot, sunbird / "stream", NINE, Checks(redis_facts(sunbird / "stream")))
    before = {summary.key: summary for _, learner in hot.all_learners() for summary in learner.summaries.values()}
    rows = [as_archived(row) for row in golden(sunbird / "stream", "update-event-to-db")["assessment_aggregator"]]

    done = bring(stores, put_archive(tmp_path, *rows), now=RECEIVED + 52 * WEEK)

    after = {summary.key: summary for _, learner in hot.all_learners() for summary in learner.summaries.values()}
    assert (done.counts.read, done.counts.there, done.counts.imported) == (6, 5, 1)
    assert [structs.replace(summary, versions=before[key].versions) for key, summary in after.items()] == [
        before[key] for key in after
    ]


def as_archived(row: dict[str, Any]) -> dict[str, str]:
    """A row of the original job in the cells of its archiver."""
    names = ("course_id", "batch_id", "user_id", "content_id", "attempt_id", "grand_total", "last_attempted_on")
    totals = ("total_max_score", "total_score")
    texts = {name: str(row[name]) for name in (*names, *totals)}
    without_nulls = [{name: value for name, value in answer.items() if value is not None} for answer in row["question"]]
    return cells(without_nulls, **texts, updated_on=str(RECEIVED + 1))
