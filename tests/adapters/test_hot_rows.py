"""Hot rows for the lake: the shards of a slice are merged by learner."""

import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from assess_core.adapters.arrow import hot_rows
from assess_core.adapters.arrow.rows import from_batch
from assess_core.adapters.memory import MemoryHot
from tests.factories import version

SLICE = version().slice


@pytest.mark.parametrize("part", [1, 5_000, 64 * 1024, 10_000_000])
def test_rows_of_all_shards_are_merged_by_learner_without_loss(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot_rows, "_PART_BYTES", part)
    monkeypatch.setattr("assess_core.adapters.memory._BATCH_ROWS", 3)
    hot = MemoryHot(shards=4)
    rows = [
        version(user_id=f"u{user:02}", attempt_id=f"t{attempt}") for user in range(60) for attempt in range(user % 7)
    ]
    hot.add_slices({SLICE})
    hot.add_rows(rows)

    found = [
        row
        for table in hot_rows.in_order([hot.scan(SLICE)])
        for batch in table.to_batches()
        for row in from_batch(batch)
    ]

    assert [row.key.user_id for row in found] == sorted(row.key.user_id for row in rows)
    assert sorted(row.key for row in found) == sorted(row.key for row in rows)


def tables(count: int, seen: list[int]) -> Iterator[pa.Table]:
    for number in range(count):
        seen.append(number)
        yield pa.table({"number": [number]})
    raise OSError("the store is away")


def test_reading_ahead_returns_all_tables_and_passes_an_error_on() -> None:
    seen: list[int] = []
    found: list[int] = []

    with pytest.raises(OSError, match="the store is away"):
        found.extend(table["number"][0].as_py() for table in hot_rows.ahead(tables(3, seen)))

    assert seen == [0, 1, 2]
    assert found == [0, 1, 2]


def test_reading_ahead_leaves_no_thread_when_it_is_closed() -> None:
    seen: list[int] = []
    reading = hot_rows.ahead(tables(100, seen))
    next(reading)

    reading.close()

    assert len(seen) <= 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("assess-read-ahead")]
