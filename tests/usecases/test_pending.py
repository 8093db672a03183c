"""The slices that can need a step, whatever the length of the history."""

from collections.abc import Sequence
from pathlib import Path

from assess_core.domain.slices import WEEK, ArchiveSlice
from assess_core.ports.stores import Stores
from assess_core.usecases.archiving import archive, clear, slice_views, verify
from assess_core.usecases.pending import RECENT, pending, pending_views
from tests.conftest import Hot
from tests.factories import RECEIVED, key, version
from tests.lakes import stores_over

NOW = RECEIVED + 20 * WEEK
LONG_AFTER = NOW + RECENT + 1


def stores_with(hot: Hot, tmp_path: Path, batches: Sequence[str]) -> tuple[Stores, list[ArchiveSlice]]:
    rows = [version(key(batch_id=batch)) for batch in batches]
    hot.add_slices({row.slice for row in rows})
    hot.add_rows(rows)
    return stores_over(hot, tmp_path), [row.slice for row in rows]


def test_a_slice_is_pending_while_it_has_rows(hot: Hot, tmp_path: Path) -> None:
    stores, slices = stores_with(hot, tmp_path, ["b1", "b2"])

    assert pending(stores, LONG_AFTER) == slices


def test_a_cleared_slice_is_pending_for_five_weeks(hot: Hot, tmp_path: Path) -> None:
    stores, slices = stores_with(hot, tmp_path, ["b1"])
    for step in (archive, verify, clear):
        step(slices, stores, NOW)

    assert pending(stores, NOW + RECENT) == slices
    assert pending(stores, LONG_AFTER) == []


def test_an_archived_slice_without_rows_is_pending(hot: Hot, tmp_path: Path) -> None:
    stores, slices = stores_with(hot, tmp_path, ["b1"])
    archive(slices, stores, NOW)
    hot.delete([version(key(batch_id="b1")).row_key])

    assert pending(stores, NOW) == slices


def test_a_damaged_slice_is_pending_forever(hot: Hot, tmp_path: Path) -> None:
    stores, slices = stores_with(hot, tmp_path, ["b1"])
    for step in (archive, verify, clear):
        step(slices, stores, NOW)
    for file in stores.lake.pin().files():
        Path(file.url).unlink()
    verify(slices, stores, NOW)

    assert pending(stores, LONG_AFTER) == slices


def test_pending_slices_have_the_views_of_the_whole_list(hot: Hot, tmp_path: Path) -> None:
    stores, slices = stores_with(hot, tmp_path, ["b1", "b2", "b3"])
    archive(slices[:2], stores, NOW)
    verify(slices[:1], stores, NOW)

    assert pending_views(stores, NOW, 0, None) == slice_views(stores, NOW, 0, None)
