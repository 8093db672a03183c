"""Hot rows for the lake: the shards of a slice are merged by learner."""

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
