"""The keys that the sensor registers, and the slices that wait."""

from pathlib import Path

import dagster as dg
import pytest

from assess_assets import outcomes, sensors
from assess_core.domain.moments import DAY
from assess_core.domain.run_pictures import Series
from assess_core.domain.slices import ArchiveSlice
from assess_core.usecases.archiving import archive, clear, verify
from assess_core.usecases.pending import RECENT
from tests.assets.conftest import Dagster
from tests.factories import MONDAY, WEEK, event, line


def test_closed_slices_are_registered_by_week_then_batch(dagster: Dagster) -> None:
    for batch, week in (("b2", 1), ("b1", 1), ("b3", 0)):
        dagster.ingest([event(batch=batch, attempted=MONDAY + week * WEEK)])

    dagster.tick()

    assert dagster.keys("archive_slices") == ["b3|2024-W05", "b1|2024-W06", "b2|2024-W06"]
    assert dagster.keys("batches") == ["b1", "b2", "b3"]


def test_a_tick_registers_a_limited_number_of_keys_and_the_next_ticks_the_rest(
    dagster: Dagster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "REGISTERED_A_TICK", 2)
    dagster.ingest([event(batch=f"b{n}") for n in range(5)])

    registered = []
    for _ in range(4):
        dagster.tick()
        registered.append(len(dagster.keys("archive_slices")))

    assert registered == [2, 4, 5, 5]
    assert dagster.keys("archive_slices") == [f"b{n}|2024-W05" for n in range(5)]


@pytest.mark.long
def test_ticks_reach_every_slice_of_the_history(dagster: Dagster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensors, "LISTED_A_TICK", 2)
    for week in range(5):
        dagster.ingest([event(batch=f"b{week}", attempted=MONDAY + week * WEEK)])
    long_ago = MONDAY + 6 * WEEK
    for step in (archive, verify, clear):
        step(dagster.stores.hot.slices(), dagster.stores, long_ago)
    dagster.clock.now = long_ago + RECENT + WEEK  # no manifest entry is recent, and no slice has rows

    registered = []
    for _ in range(3):
        dagster.tick()
        registered.append(len(dagster.keys("archive_slices")))

    assert registered == [2, 4, 5]
    assert len(dagster.keys("batches")) == 5


def test_a_tick_with_nothing_new_registers_nothing(dagster: Dagster) -> None:
    dagster.ingest([event()])
    dagster.tick()

    again = dagster.tick()

    assert "registered 0 slices and 0 batches" in str(again.skip_reason)
    assert not again.run_requests


def test_an_open_slice_is_not_registered_but_its_batch_is(dagster: Dagster) -> None:
    dagster.clock.now = MONDAY + WEEK
    dagster.ingest([event(batch="b1")])

    dagster.tick()

    assert dagster.keys("archive_slices") == []
    assert dagster.keys("batches") == ["b1"]


def test_no_slice_is_registered_while_the_log_has_unread_lines(dagster: Dagster) -> None:
    dagster.ingest([event()])
    log = Path(dagster.settings.log)
    log.mkdir(parents=True)
    (log / "events.jsonl").write_bytes(line(event()) + b"\n")

    result = dagster.tick()

    assert dagster.keys("archive_slices") == []
    assert "unread events" in str(result.skip_reason)


def test_a_tick_reports_files_in_the_log_folder_that_are_not_read(dagster: Dagster) -> None:
    log = Path(dagster.settings.log)
    log.mkdir(parents=True)
    (log / "events.jsonl.bak").write_bytes(line(event()) + b"\n")

    assert "not read in" in str(dagster.tick().skip_reason)


def test_a_slice_that_only_the_lake_knows_is_registered(dagster: Dagster) -> None:
    dagster.ingest([event()])
    slice_ = ArchiveSlice.parse("b1|2024-W05")
    archive([slice_], dagster.stores, dagster.clock.now)
    Path(dagster.settings.home / "hot.sqlite").unlink()

    dagster.tick()

    assert dagster.keys("archive_slices") == ["b1|2024-W05"]


@pytest.mark.long
def test_batches_with_any_name_are_archived_cleared_and_reported(dagster: Dagster) -> None:
    odd = ["b|1", "../b", "b...c", "b\n\t1", "b\0", "b 'q' \"d\"", "ஆசிரியர் 🍎", "[b,1]", " ", "b" * 1024]
    dagster.ingest([event(batch=batch) for batch in odd])
    dagster.tick()

    slices, reports = dagster.keys("archive_slices"), dagster.keys("batches")
    assert dagster.materialize("archived_attempts", slices[0], slices[-1]).success
    assert dagster.materialize("cleared_attempts", slices[0], slices[-1]).success
    assert dagster.materialize("score_exhaust", reports[0], reports[-1]).success
    assert set(reports) == set(odd)
    assert set(dagster.stores.hot.counts(map(ArchiveSlice.parse, slices)).values()) == {0}


def test_a_tick_reports_which_slices_wait_and_why(dagster: Dagster) -> None:
    dagster.clock.now = MONDAY + WEEK
    dagster.ingest([event(batch="b1"), event(batch="b2")])

    reason = str(dagster.tick().skip_reason)

    assert (
        "registered 0 slices and 2 batches; 2 slices are not closed yet, e.g. b1|2024-W05: week 2024-W05 closes"
        in reason
    )


def test_an_observation_shows_which_slices_wait_and_why(dagster: Dagster) -> None:
    dagster.ingest([event(batch="b1"), event(batch="b2", attempted=MONDAY + WEEK)])
    dagster.clock.now = MONDAY + WEEK + 2 * DAY

    metadata = dagster.observe("hot_attempts")

    assert metadata["waiting"].value == 2
    rows = [record.data for record in metadata["oldest that wait"].records]
    assert [row["slice"] for row in rows] == ["b1|2024-W05", "b2|2024-W06"]
    assert rows[0]["why"] == "closed, and not archived yet"
    assert str(rows[1]["why"]).startswith("week 2024-W06 closes at 2024-02-13")


def test_a_cleared_slice_does_not_wait_and_its_rows_count_for_the_lake(
    dagster: Dagster, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def bars(title: str, series: Series) -> dg.MetadataValue:
        drawn.append(series)
        return dg.MetadataValue.md(title)

    monkeypatch.setattr(outcomes, "bars", bars)
    dagster.ingest([event(batch="b1"), event(batch="b2", attempted=MONDAY + WEEK)])
    dagster.tick()
    for asset in ("archived_attempts", "cleared_attempts"):
        assert dagster.materialize(asset, "b1|2024-W05").success

    metadata = dagster.observe("hot_attempts")

    assert [record.data["slice"] for record in metadata["oldest that wait"].records] == ["b2|2024-W06"]
    assert drawn[-1] == {"hot store": {"2024-W05": 0, "2024-W06": 1}, "lake": {"2024-W05": 1, "2024-W06": 0}}


@pytest.mark.parametrize(
    ("days", "passed", "severity"), [(1, True, "WARN"), (2, False, "WARN"), (9, False, "ERROR")], ids=str
)
def test_a_closed_slice_that_is_not_archived_is_a_warning_after_a_day_and_an_error_after_eight(
    dagster: Dagster, days: int, passed: bool, severity: str
) -> None:
    dagster.ingest([event()])
    dagster.clock.now = MONDAY + WEEK + days * DAY + DAY - 1 + (passed is False)  # the grace period is a day

    check = dagster.check("archived_in_time")

    assert check.passed is passed
    if not passed:
        assert check.severity.value == severity
        assert "the oldest b1|2024-W05: materialize archived_attempts" in str(check.description)


def test_an_archived_slice_is_not_late(dagster: Dagster) -> None:
    dagster.ingest([event()])
    dagster.tick()
    dagster.materialize("archived_attempts", "b1|2024-W05")

    assert dagster.check("archived_in_time").passed
