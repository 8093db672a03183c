"""The contents of many slices are summed up in portions."""

from pathlib import Path

import pyarrow as pa
import pytest

from assess_core.adapters.arrow.rows import LAKE_SCHEMA
from assess_core.adapters.duckdb.memory import MemoryBudget
from assess_core.adapters.lake.delta import DeltaLake
from assess_core.adapters.lake.locations import Folder
from assess_core.domain.slices import ArchiveSlice
from tests.factories import MONDAY, version
from tests.lakes import put

SLICES = [ArchiveSlice.of(f"b{number}", MONDAY) for number in range(10)]


@pytest.mark.parametrize("most", [1, 5, 100])
def test_the_contents_do_not_depend_on_the_portions(most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = DeltaLake(Folder(tmp_path / "lake"))
    put(lake, [version(batch_id=f"b{number}", user_id=f"u{each}") for number in range(1, 9) for each in range(number)])
    with lake.copies(lake.pin(), SLICES) as copies:
        expected = copies.contents()
    monkeypatch.setattr("assess_core.adapters.lake.copies._DIGESTED", most)

    with lake.copies(lake.pin(), SLICES) as copies:
        found, of_a_learner = copies.contents(), copies.contents(["u7"])

    assert found == expected
    assert [contents.rows for contents in found.values()] == [*range(9), 0]
    assert [contents.rows for contents in of_a_learner.values()] == [0] * 8 + [1, 0]


@pytest.mark.long
def test_a_week_of_many_slices_is_summed_up_with_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    each = 100_000
    lake = DeltaLake(Folder(tmp_path / "lake"))
    lake.append(lake.pin(), (), pa.RecordBatchReader.from_batches(LAKE_SCHEMA, map(small_rows, SLICES, [each] * 10)))
    monkeypatch.setattr("assess_core.adapters.duckdb.connection.BUDGET", MemoryBudget(130_000_000))

    with lake.copies(lake.pin(), SLICES) as copies:
        found = copies.contents()

    assert [contents.versions for contents in found.values()] == [each] * 10


def small_rows(slice_: ArchiveSlice, count: int) -> pa.RecordBatch:
    """Different rows of a slice, without answers."""
    (year, week), batch_id = slice_
    ids = [f"{number:032}" for number in range(count)]
    start = pa.scalar(slice_.week.start * 1000, pa.timestamp("us", "UTC"))
    columns = {
        "batch_id": pa.repeat(batch_id, count),
        "year": pa.repeat(pa.scalar(year, pa.int32()), count),
        "week": pa.repeat(pa.scalar(week, pa.int32()), count),
        **dict.fromkeys(("user_id", "attempt_id"), pa.array(ids)),
        **dict.fromkeys(("course_id", "content_id", "grand_total"), pa.repeat("c1", count)),
        **dict.fromkeys(("last_attempted_on", "updated_on"), pa.repeat(start, count)),
        "has_answers": pa.repeat(pa.scalar(value=False), count),
        "content_hash": pa.array([f"{batch_id}{id_}"[-16:].encode() for id_ in ids], pa.binary()),
        **dict.fromkeys(("total_score", "total_max_score"), pa.repeat(1.0, count)),
        "question": pa.array([[]] * count, LAKE_SCHEMA.field("question").type),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in LAKE_SCHEMA.names], schema=LAKE_SCHEMA)
